#!/bin/sh
# program_results.sh - slivi-results: tables of folders that are made up here,
# with numbers that awk works out by itself.
#
# Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING.
set -u
results=${SLIVI_RESULTS:-./slivi-results}
test -x "$results" || {
    echo "no program $results"
    exit 1
}
folder=$(mktemp -d "${TMPDIR:-/tmp}/slivi-results.XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

complain() {
    echo "FAIL: $1"
    failed=1
}

run() { # CODE ARGUMENTS...: stdout and stderr into files
    expected=$1
    shift
    "$results" "$@" >"$folder/stdout" 2>"$folder/stderr"
    code=$?
    test $code = "$expected" || {
        complain "$*: exit code $code, not $expected"
        cat "$folder/stderr"
    }
}

refused() { # CODE PATTERN ARGUMENTS...: one line on stderr that says why
    pattern=$2
    code=$1
    shift 2
    run "$code" "$@"
    test "$(wc -l <"$folder/stderr")" -eq 1 || complain "$*: not one line"
    grep -q "^slivi-results: .*$pattern" "$folder/stderr" || {
        complain "$*: the line has no \"$pattern\""
        cat "$folder/stderr"
    }
    test ! -s "$folder/stdout" || complain "$*: something on stdout"
}

# nll.npy of bytes: "NUMBER VALUE" in three columns, or in five where both are
# those of AIS
images() { # FILE COLUMNS NUMBER VALUE...
    file=$1 columns=$2
    shift 2
    printf '\223NUMPY\001\000\166\000' >"$file"
    printf '%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': ($(($# / 2)), $columns), }" >>"$file"
    while test $# -gt 1; do
        line="$1 $2 1"
        test "$columns" = 3 || line="$1 99 1 $2 1"
        for byte in $line; do
            # shellcheck disable=SC2059 # it is a format
            printf "\\$(printf %03o "$byte")" >>"$file"
        done
        shift 2
    done
}

# A run's folder: its options and results beside the usual ones as JSON.
make() { # NAME PROGRAM OPTIONS RESULTS COLUMNS NUMBER VALUE...
    at=$folder/$1
    mkdir -p "$at"
    printf '{"program": "%s", "options": {"data": "mnist:/some/where/mnist", "steps": "100", "threads": "0"%s}}\n' \
        "$2" "$3" >"$at/config.json"
    columns=$5
    extra=$4
    shift 5
    images "$at/nll.npy" "$columns" "$@"
    echo "$@" | awk -v extra="$extra" '{
        for (i = 2; i <= NF; i += 2) sum += $i
        n = NF / 2
        printf "{\"steps\": 100, \"seconds\": 2, \"train_images\": 48000, "
        printf "\"test_error\": 0.25, \"code_mmd\": 0.125, "
        printf "\"eval_images\": %d, \"nll\": %.10g%s}\n", n, sum / n, extra
    }' >"$at/result.json"
}

# CSV: the values of a row's columns, by their names, are these
has() { # ROW NAME VALUE...
    row=$1
    shift
    test "$(wc -l <"$folder/stdout")" -gt "$row" || complain "no row $row"
    echo "$@" | awk -v row="$row" -v file="$folder/stdout" -F '[ ]' '
    function near(x, y) {
        if (x == y) return 1
        if (x == "" || y == "" || x !~ /^[-+.e0-9]+$/) return 0
        return (x - y) ^ 2 <= 1e-12 * (1 + y * y)
    }
    {
        getline line < file
        n = split(line, names, ",")
        for (i = 0; i < row; i++) getline line < file
        split(line, values, ",")
        for (k = 1; k < NF; k += 2) {
            at = 0
            for (i = 1; i <= n; i++) if (names[i] == $k) at = i
            wanted = $(k + 1) == "-" ? "" : $(k + 1)
            if (!at || !near(values[at], wanted)) {
                print "row " row ": " $k " is " values[at] ", not " wanted
                wrong = 1
            }
        }
        exit wrong
    }' || failed=1
}

# ---- a table ---------------------------------------------------------------

closed='"encoder": "gaussian", "entropy": "closed"'
make g1 slivi-vae ", $closed, \"seed\": \"1\"" "" 3 3 90 7 100 9 80 40 96
make g2 slivi-vae ", $closed, \"seed\": \"2\", \"eval-draws\": \"9\"" "" \
    3 3 92 7 101 9 84 40 97
# with an option's default in another form, and one that g1 and i2 do not have
make i1 slivi-vae ', "latent": "8.0", "particles": "1", "seed": "1"' "" \
    3 7 99 3 87 9 81 40 94
make i2 slivi-vae ', "seed": "2"' "" 3 3 90 7 101 9 80 40 93
make i4 slivi-vae ', "seed": "4"' "" 3 3 90 7 90 9 90 40 90
# AIS finds half a nat more
make odd slivi-vae ', "slices": "100", "seed": "1"' \
    ', "is_accepted": false, "ais_minus_is": 0.5, "ais_minus_is_se": 0.25' \
    3 3 90 7 101 9 80 11 96
make fine slivi-vae ', "slices": "10", "seed": "1"' \
    ', "is_accepted": true, "ais_minus_is": 0.5, "ais_minus_is_se": 0.25' \
    3 3 90 7 101 9 80 11 96
make w1 slivi-wae ', "lambda": "1e+01", "seed": "1"' ', "eval_method": "ais"' \
    5 3 95 7 104 9 90 11 100
make w2 slivi-wae ', "lambda": "20", "seed": "2"' \
    ', "eval_method": "ais", "eval_part": "validation"' 5 3 95 7 104 9 90 11 100

cd "$folder" || exit 1
case $results in /*) ;; *) results=$OLDPWD/$results ;; esac
run 0 g1 odd i1 g2 i2 i4 w1 w2 fine --against ./g2/ --csv
head -n 1 stdout | grep -qx 'model,encoder,entropy,latent,slices,lambda,.*' ||
    complain "other options than those that differ: $(head -n 1 stdout)"
test "$(wc -l <stdout)" -eq 7 || complain "not six rows"

# what awk makes of images' values: mean, its standard error
moments() {
    echo "$@" | awk '{
        for (i = 1; i <= NF; i++) sum += $i
        for (i = 1; i <= NF; i++) squares += ($i - sum / NF) ^ 2
        printf "%.12g %.12g", sum / NF, sqrt(squares / (NF - 1) / NF)
    }'
}
hypot() {
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.12g", sqrt(a * a + b * b) }'
}
# shellcheck disable=SC2046,SC2086 # numbers are words
{
    set -- $(moments 91 100.5 82 96.5)
    has 1 model vae encoder gaussian entropy closed latent 8 slices 1 \
        lambda - steps 100 seeds 2 images 4 nll "$1" nll_se "$2" \
        nll_sd $(awk 'BEGIN { printf "%.12g", sqrt(2) }') difference - pairs 2 \
        test_error 0.25 code_mmd 0.125 code_sliced_wasserstein - \
        ms_per_step 20 is_corrected no
    # the pair of seed 1, on the images that both have: 3, 7, 9
    set -- $(moments -0.5 0.5 -0.5) $(moments 89.5 100.5 79.5 95.5)
    has 2 slices 100 seeds 1 nll "$3" nll_se $(hypot "$4" 0.25) nll_sd - \
        difference "$1" difference_se $(hypot "$2" 0.25) pairs 1 \
        is_corrected yes
    set -- $(moments -2.5 -0.5 -1.5 -3) $(moments 89 96.6666666666667 \
        83.6666666666667 92.3333333333333)
    has 3 encoder implicit entropy ssm-vr latent 8 seeds 3 nll "$3" \
        nll_se "$4" difference "$1" difference_se "$2" pairs 2
    # by AIS, which is not paired with importance sampling
    set -- $(moments 95 104 90 100)
    has 4 model wae encoder - entropy ssm-vr slices 1 lambda 10 nll "$1" \
        nll_se "$2" difference - pairs 0
    # images of another part are others
    has 5 model wae lambda 20 seeds 1 difference - pairs 0
    set -- $(moments 0 1 0) $(moments 90 101 80 96)
    has 6 slices 10 nll "$3" nll_se "$4" difference "$1" difference_se "$2" \
        is_corrected no
}

# ---- what is not alike ---------------------------------------------------------

make d1 slivi-vae ', "seed": "1"' ', "eval_draws": 50' 3 3 90 7 99
make d2 slivi-vae ', "seed": "2"' ', "eval_draws": 60' 3 3 90 7 99
run 0 d1 d2 --csv
test "$(wc -l <stdout)" -eq 3 || complain "other draws in one row"
# bits and pixels of an image are not the same
make p1 slivi-vae ', "seed": "1", "likelihood": "gaussian", "slices": "3"' '' \
    3 3 90 7 99
# the same images in a folder that is written in another way, and others there
make s1 slivi-vae ', "seed": "1", "slices": "2"' ', "images": "m"' 3 3 92 7 98
make s2 slivi-vae ', "seed": "1", "slices": "4"' ', "images": "m"' 3 3 93 7 99
sed -i 's|some/where/mnist|else/mnist/|' s2/config.json
make s3 slivi-vae ', "seed": "1", "slices": "5"' ', "images": "n"' 3 3 93 7 99
run 0 s1 p1 s2 s3 --against s1 --csv
has 2 pairs 0
has 3 difference 1 pairs 1
has 4 pairs 0
sed -i 's|mnist:/else/mnist/|idx:a\\"b,c|' s2/config.json
run 0 s1 s2 --csv
grep -q ',"idx:a""b,c",' stdout || complain "a quote is not doubled: $(cat stdout)"
# AIS finds less: nothing is taken off
make less slivi-vae ', "seed": "1"' \
    ', "is_accepted": false, "ais_minus_is": -2, "ais_minus_is_se": 1' \
    3 3 90 7 100
run 0 less --csv
has 1 nll 95 is_corrected no

# ---- its forms ---------------------------------------------------------------

run 0 i1 odd
head -n 1 stdout | grep -q '^model *encoder .*NLL *SE ' || complain "no heading"
sed -n 2p stdout | grep -q ' 90\.25 ' || complain "no NLL"
sed -n 3p stdout | grep -q ' 91\.25\* ' || complain "no star"
tail -n 1 stdout | grep -q '^\* ' || complain "the star is not explained"
! grep -q 'sd(seed)\|diff' stdout || complain "columns without anything"
test "$(head -n 3 stdout | awk '{ print length }' | sort -u | wc -l)" -eq 1 ||
    complain "the table is not aligned"
run 0 --markdown i1 odd
test "$(head -n 4 stdout | sed 's/[^|]//g' | sort -u | wc -l)" -eq 1 ||
    complain "Markdown with rows of other lengths"
sed -n 2p stdout | grep -q '^|---|.*---:|$' || complain "not Markdown"
run 0 --json i1 odd
if command -v python3 >/dev/null 2>&1; then
    python3 - stdout <<'PYTHON' || complain "the JSON is not as it should be"
import json, sys
rows = json.load(open(sys.argv[1]))
assert [row["folders"] for row in rows] == [["i1"], ["odd"]]
assert rows[0]["latent"] == 8 and rows[0]["nll"] == 90.25
assert rows[0]["difference"] is None and rows[1]["is_corrected"] is True
PYTHON
fi

run 0 --help
sed -n 's/^  --\([a-z0-9-]*\).*/\1/p' stdout >names
case ${srcdir:-.} in /*) src=$srcdir ;; *) src=$OLDPWD/${srcdir:-.} ;; esac
sed 's/\\//g' "$src/man/slivi-results.1" >page
while read -r option; do
    grep -q -e "--$option\>" page || complain "the manual page has no --$option"
done <names
run 0 --version

# ---- bad input ---------------------------------------------------------------

refused 2 'no folder'
refused 2 'no option "jsn"; did you mean json' --jsn i1
refused 2 'exclude each other' --json --csv i1
refused 2 'against g1: not one of the folders' --against g1 i1
refused 1 'nowhere: No such file' i1 nowhere
refused 1 'i2: the same run as i2' i2 i1 i2
mkdir empty
refused 1 'empty: no finished run: no result.json' empty
cp -r i1 bad
echo '{"steps": 100,' >bad/result.json
refused 1 'bad/result.json: line' bad
cp i1/result.json bad
echo '[]' >bad/config.json
refused 1 'bad/config.json: not a JSON object' bad
echo '{"program": "slivi-score", "options": {}}' >bad/config.json
refused 1 'bad: .*not that of a run of slivi-vae or slivi-wae' bad
cp i1/config.json bad
cp i4/nll.npy bad
refused 1 'bad/nll.npy: not the images that result.json tells of' bad
head -c 100 i1/nll.npy >bad/nll.npy
refused 1 'bad/nll.npy' bad
rm bad/nll.npy
refused 1 'bad/nll.npy' bad
sed 's/"eval_images".*/"seed": 1}/' i1/result.json >bad/result.json
run 0 bad i2
exit $failed
