#!/bin/sh
# program_posterior.sh - what slivi-posterior promises: draws and records,
# resuming bit for bit, references, and one clear line for whatever is wrong.
#
# Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING.
set -u
posterior=${SLIVI_POSTERIOR:-./slivi-posterior}
test -x "$posterior" || {
    echo "no program $posterior"
    exit 1
}
name=slivi-posterior
folder=$(mktemp -d "${TMPDIR:-/tmp}/$name.XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
failed=0
unset GSL_RNG_SEED
tiny="--hidden 8 --batch 16 --mixture 32 --grow 1 --check 10 --bound-draws 50
    --draws 1000 --components 64 --quiet"
plain="--posterior gaussian-full --draws 4000 --check 100 --bound-draws 50
    --steps 300 --quiet"

complain() {
    echo "FAIL: $1"
    failed=1
}

run() { # CODE ARGUMENTS...: stdout and stderr into files
    expected=$1
    shift
    "$posterior" "$@" >"$folder/stdout" 2>"$folder/stderr"
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
    grep -q "^$name: .*$pattern" "$folder/stderr" || {
        complain "$*: the line has no \"$pattern\""
        cat "$folder/stderr"
    }
    test ! -s "$folder/stdout" || complain "$*: something on stdout"
}

value() { # KEY [FILE]: a number or text of the outermost object
    sed -n "s/^  \"$1\": \"\{0,1\}\([^\",]*\).*/\1/p" "${2:-$folder/stdout}"
}

near() { # KEY LOW HIGH: of what was printed
    awk -v x="$(value "$1")" -v low="$2" -v high="$3" \
        'BEGIN { exit !(x != "" && x >= low && x <= high) }' ||
        complain "$1 is $(value "$1"), not in $2..$3"
}

# ---- a run and its files --------------------------------------------------

# a Gaussian is learnt exactly, so that everything is known
a=$folder/a
# shellcheck disable=SC2086 # lists of words
run 0 $plain --target gaussian --out "$a/deep" --json
cmp "$folder/stdout" "$a/deep/result.json" || complain "--json is not result.json"
for file in config.json metrics.jsonl result.json checkpoint.safetensors \
    draws.csv draws.npy report.html; do
    test -s "$a/deep/$file" || complain "no $file"
done
test ! -s "$folder/stderr" || complain "progress where there is no terminal"
near log_evidence -0.01 0.01
near bound -0.02 0.01
near ess_share 0.97 1
near worst_shift_q 0 0.1
near worst_ratio_q 0.93 1.07
near worst_w1_q 0 0.1
near worst_ratio_hmc 0.85 1.15
near energy_floor 0.0001 0.1
near kl -0.15 0.15
near evaluations 38400 1000000 # 300 steps of 128 draws at least
test "$(value reference)/$(value draws)/$(value dimension)" = exact/4000/5 ||
    complain "result tells of another reference or other draws"
case $(value verdict) in pass | fail | unsure) ;; *) complain "no verdict" ;; esac
test "$(wc -l <"$a/deep/draws.csv")" -eq 4001 || complain "draws.csv is short"
head -c 128 "$a/deep/draws.npy" | grep -aq '(4000, 5)' ||
    complain "draws.npy has another shape"
test "$(wc -l <"$a/deep/metrics.jsonl")" -eq 3 || complain "not three lines"
for word in polyline Verdict 'cannot see' '<circle' 'q + PSIS'; do
    grep -q "$word" "$a/deep/report.html" || complain "the report has no $word"
done
! grep -qF "$folder" "$a/deep/report.html" ||
    complain "the report tells where things lie"
if command -v python3 >/dev/null 2>&1; then
    python3 - "$a/deep" <<'PYTHON' || complain "the records are not as they should be"
import html.parser, json, math, struct, sys
folder = sys.argv[1]
result = json.load(open(folder + "/result.json"))
lines = [json.loads(line) for line in open(folder + "/metrics.jsonl")]
assert [line["step"] for line in lines] == [100, 200, 300]
assert {"bound", "bound_se", "best", "gap", "norm", "score_steps", "draws",
        "seconds", "evaluations"} <= set(lines[0])
csv = open(folder + "/draws.csv").read().split("\n")
names = csv[0].split(",")
rows = [[float(x) for x in line.split(",")] for line in csv[1:-1]]
raw = open(folder + "/draws.npy", "rb").read()[128:]
exact = struct.unpack("<%dd" % (len(rows) * len(names)), raw)
shifts = []
for j, name in enumerate(names):
    x = [row[j] for row in rows]
    assert all(abs(v - exact[i * len(names) + j]) <= 1e-8 * abs(v) + 1e-12
               for i, v in enumerate(x))
    mean = sum(x) / len(x)
    sd = math.sqrt(sum((v - mean) ** 2 for v in x) / len(x))
    p = result["parameters"][name]
    assert abs(p["q"]["mean"] - mean) < 1e-6 * (1 + abs(mean)), name
    assert abs(p["q"]["sd"] - sd) < 1e-6 * sd, name
    assert abs(p["q"]["q50"] - sorted(x)[1999]) < 1e-6 * (1 + abs(mean)), name
    ref = p["reference"]
    shift = abs(mean - ref["mean"]) / ref["sd"]
    assert abs(p["q"]["shift"] - shift) < 1e-6
    assert abs(p["q"]["ratio"] - sd / ref["sd"]) < 1e-6
    # W_1 is at least what the means differ by
    assert p["q"]["w1"] > shift - 1e-9
    shifts.append(shift)
assert abs(max(shifts) - result["worst_shift_q"]) < 1e-6
checks = result["checks"]
words = [c["outcome"] for c in checks.values()]
assert result["verdict"] == ("fail" if "fail" in words else
                             "unsure" if "unsure" in words else "pass")
class Page(html.parser.HTMLParser):
    open = []
    def handle_starttag(self, tag, attributes):
        if tag != "meta":
            self.open.append(tag)
    def handle_startendtag(self, tag, attributes):
        pass
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
page = Page()
page.feed(open(folder + "/report.html").read())
assert not page.open
PYTHON
fi

# the masses of quadrants, of which the true ones are known: the mode at
# (2, -2) alone has .4832
# shellcheck disable=SC2086
run 0 $plain --target four-modes --verdict no --out "$folder/modes" --json
awk -v a="$(value quadrant_minus_minus_true)" \
    -v b="$(value quadrant_minus_plus_true)" \
    -v c="$(value quadrant_plus_minus_true)" \
    -v d="$(value quadrant_plus_plus_true)" 'function off(x, y) {
        return (x - y) ^ 2 > 1e-8 }
    BEGIN { exit off(a, .1361) || off(b, .2446) || off(c, .4832) ||
        off(d, .1361) }' || complain "the true masses are others"
near quadrant_tv 0.03 0.5 # one Gaussian has no four modes
near quadrant_tv_floor 0.001 0.02
test -z "$(value verdict)" || complain "--verdict no judges"

# ---- over seeds: the median of two is their mean, the worst the larger ------

results=${SLIVI_RESULTS:-./slivi-results}
# shellcheck disable=SC2086
run 0 $plain --target gaussian --verdict no --seed 5 --out "$folder/seed5" --json
if "$results" "$a/deep" "$folder/seed5" --csv >"$folder/table"; then
    awk -F , -v x="$(value worst_shift_q "$a/deep/result.json")" \
        -v y="$(value worst_shift_q)" 'NR == 1 { for (i = 1; i <= NF; i++) k[$i] = i }
        NR == 2 { m = $k["worst_shift_q_median"]; w = $k["worst_shift_q_worst"]
            good = $k["seeds"] == 2 && (m - (x + y) / 2) ^ 2 < 1e-16 &&
                (w - (x > y ? x : y)) ^ 2 < 1e-16 }
        END { exit !(good && NR == 2) }' "$folder/table" ||
        complain "slivi-results: $(cat "$folder/table")"
else
    complain "slivi-results fails"
fi
"$results" "$a/deep" "$a/deep" >"$folder/table" 2>&1 &&
    complain "slivi-results takes a run twice"

# ---- help and choices -----------------------------------------------------

run 0 --help
sed -n 's/^  --\([a-z0-9-]*\).*/\1/p' "$folder/stdout" >"$folder/names"
sed 's/\\//g' "${srcdir:-.}/man/slivi-posterior.1" >"$folder/page"
while read -r option; do
    grep -q -e "--$option\>" "$folder/page" ||
        complain "the manual page has no --$option"
done <"$folder/names"
run 0 --version
grep -q 'BLAS' "$folder/stdout" || complain "--version without BLAS"
run 0 --target list
grep -q '^  four-modes .*d = 2' "$folder/stdout" || complain "no list of targets"
run 0 --list
for word in eight_schools semi-implicit denoising; do
    grep -q "$word" "$folder/stdout" || complain "--list without $word"
done
grep -E '^  [a-z0-9-]+ *$' "$folder/stdout" && complain "a choice without help"

# ---- going on -------------------------------------------------------------

# shellcheck disable=SC2086
run 0 $tiny --steps 400 --verdict no --out "$folder/straight"
b=$folder/broken
tries=0
code=0
# TERM somewhere in the middle; a run that ended before it is tried again
while test $code != 143 && test $tries -lt 5; do
    rm -rf "$b"
    # shellcheck disable=SC2086
    "$posterior" $tiny --steps 400 --verdict no --out "$b" \
        >"$folder/stdout" 2>"$folder/stderr" &
    pid=$!
    lines=0
    while kill -0 $pid 2>/dev/null && test "$lines" -le $tries; do
        lines=$(wc -l 2>/dev/null <"$b/metrics.jsonl") || lines=0
    done
    kill -TERM $pid 2>/dev/null
    wait $pid
    code=$?
    tries=$((tries + 1))
done
test $code = 143 || complain "TERM: exit code $code, not 143"
! cmp -s "$b/checkpoint.safetensors" "$folder/straight/checkpoint.safetensors" ||
    complain "TERM did not interrupt the run"
cp "$b/metrics.jsonl" "$folder/before"
echo '{"step": 399, "seconds": 1}' >>"$b/metrics.jsonl" # beyond the checkpoint
run 0 --resume --out "$b" --quiet
for file in checkpoint.safetensors draws.npy draws.csv; do
    cmp "$b/$file" "$folder/straight/$file" ||
        complain "an interrupted run does not end where a straight one does"
done
head -n "$(wc -l <"$folder/before")" "$b/metrics.jsonl" |
    cmp - "$folder/before" || complain "lines of metrics.jsonl were lost"
test "$(wc -l <"$b/metrics.jsonl")" -eq 40 ||
    complain "metrics.jsonl was not cut back"
for key in steps evaluations best_bound bound log_evidence khat ess \
    worst_shift_q; do
    test "$(value $key "$b/result.json")" = \
        "$(value $key "$folder/straight/result.json")" ||
        complain "$key differs after an interruption"
done

# ---- evaluating anew, references --------------------------------------------

g=$folder/straight
before=$(cksum <"$g/checkpoint.safetensors")
cp "$g/config.json" "$folder/config"
bound=$(value bound "$g/result.json")
run 0 --eval-only --out "$g" --reference hmc --quiet --json
test "$(value bound)/$(value reference)/$(value steps)" = "$bound/hmc/400" ||
    complain "--eval-only --reference hmc tells of another run"
near reference_ess 10000 1e6
near reference_rhat 0.99 1.01
near reference_evaluations 10000 1e9
cmp "$folder/config" "$g/config.json" ||
    complain "--eval-only has changed config.json"
# the draws themselves, columns in another order and one more: nothing differs
awk -F , -v OFS=, 'NR == 1 { print $2, "more", "\"" $1 "\"" }
    NR > 1 { print $2, "x", $1 }' "$g/draws.csv" | gzip >"$folder/own.csv.gz"
run 0 --eval-only --out "$g" --reference "$folder/own.csv.gz" --quiet --json
near worst_shift_q 0 1e-7
near worst_w1_q 0 1e-7
near worst_ratio_q 0.9999999 1.0000001
test "$before" = "$(cksum <"$g/checkpoint.safetensors")" ||
    complain "an evaluation has touched the checkpoint"

refused 1 'own.csv: No such file' --eval-only --out "$g" \
    --reference "$folder/own.csv"
gzip -dc "$folder/own.csv.gz" >"$folder/own.csv"
head -c 4000 "$folder/own.csv.gz" >"$folder/short.csv.gz"
sed '3s/^[^,]*/nan/' "$folder/own.csv" >"$folder/nan.csv"
sed '3s/^[^,]*/1x3/' "$folder/own.csv" >"$folder/word.csv"
sed '3s/,[^,]*$//' "$folder/own.csv" >"$folder/fewer.csv"
sed '3s/$/,1/' "$folder/own.csv" >"$folder/more.csv"
sed '1s/z\[2\]/w/' "$folder/own.csv" >"$folder/other.csv"
head -n 3 "$folder/own.csv" >"$folder/rows.csv"
: >"$folder/empty.csv"
for pair in 'short.csv.gz:gzip data is cut short' \
    'nan.csv:line 3, column 1: nan is not finite' \
    'word.csv:line 3, column 1: "1x3" is not a number' \
    'fewer.csv:line 3: fewer than 3 columns' \
    'more.csv:line 3: more than 3 columns' \
    'other.csv:no column "z\[2\]"' 'rows.csv:2 rows' 'empty.csv:empty'; do
    refused 1 "${pair%%:*}: .*${pair#*:}" --eval-only --out "$g" --quiet \
        --reference "$folder/${pair%%:*}"
done

# ---- other targets -----------------------------------------------------------

x=$folder/none
echo '{"J": 3, "y": [28, 8, -3], "sigma": [15, 10, 16]}' >"$folder/data.json"
# shellcheck disable=SC2086
run 0 $tiny --steps 20 --verdict no --target eight_schools \
    --data "$folder/data.json" --out "$folder/schools" --json
head -n 1 "$folder/schools/draws.csv" | grep -q 'tau' ||
    complain "draws.csv does not name the parameters"
awk -F , 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "tau") k = i }
    NR > 1 && !($k > 0) { exit 1 }' "$folder/schools/draws.csv" ||
    complain "a draw of tau is not positive"
mv "$folder/data.json" "$folder/moved.json"
refused 1 "data.json: .*(the run's data; give --data to say where they are now)" \
    --eval-only --out "$folder/schools"
run 0 --eval-only --out "$folder/schools" --data "$folder/moved.json" --quiet
refused 2 'kidiq: needs a file of data (json)' --target kidiq --out "$x"
refused 2 'banana: takes no data' --data here.json --out "$x"
refused 1 'here.json: cannot open' --target kidiq --data here.json --out "$x"
echo '{"N": 2' >"$folder/cut.json"
refused 1 'cut.json' --target kidiq --data "$folder/cut.json" --out "$x"
refused 2 'kidiq: has no minibatches' --target kidiq --minibatch 2 \
    --data "$folder/cut.json" --out "$x"
refused 2 'no exact draws of target diffusion' --target diffusion \
    --reference exact --out "$x"
stan=tests/.libs/fake_stan.so
if test -f $stan; then
    # shellcheck disable=SC2086
    run 0 $tiny --steps 20 --target bridgestan:$stan,xx --out "$folder/stan"
    test "$(head -n 1 "$folder/stan/draws.csv" | tr -d '"')" = \
'mu,sigma,theta[1,1],theta[1,2]' ||
        complain "draws of a Stan model: $(head -n 1 "$folder/stan/draws.csv")"
    refused 1 'Exception: y\[2\] is nan' --target bridgestan:$stan,bad --out "$x"
    refused 2 'after the comma' --target bridgestan:$stan --data xx --out "$x"
fi
refused 1 'nothing.so' --target bridgestan:nothing.so --out "$x"

# ---- bad input ------------------------------------------------------------

refused 2 'no option "traget"; did you mean target' --traget banana --out "$x"
refused 2 'no target "bananna"; did you mean "banana"' --target bananna --out "$x"
refused 2 'posterior: "semi-implict" is not one of' --posterior semi-implict \
    --out "$x"
refused 2 'entropy: "mixtur" is not one of' --entropy mixtur --out "$x"
refused 2 'draws: ' --draws 10 --out "$x"
refused 2 'unexpected argument "here"' here
test ! -e "$x" || complain "bad input left $x behind"
refused 1 'entropy.* closed' --posterior implicit --entropy closed \
    --out "$folder/refused" --quiet
refused 1 'no checkpoint.safetensors' --resume --out "$x"
refused 1 'already holds a run' --out "$g"
refused 1 'hidden is 8 in this run, not 9' --resume --hidden 9 --out "$g"
refused 1 'steps is 400 in this run, not 500' --resume --steps 500 --out "$g"

# a full disk: no file may grow beyond 8 blocks of 512 bytes
cp -r "$b" "$folder/full"
cp "$b/checkpoint.safetensors" "$folder/kept"
(
    ulimit -f 8
    refused 1 'cannot write' --eval-only --out "$folder/full" --quiet
    exit $failed
) || failed=1
cmp "$folder/kept" "$folder/full/checkpoint.safetensors" ||
    complain "a full disk harmed the checkpoint"

# a damaged checkpoint
cp -r "$g" "$folder/damaged"
printf 'x' | dd of="$folder/damaged/checkpoint.safetensors" bs=1 seek=5000 \
    conv=notrunc 2>/dev/null
refused 1 'checkpoint.safetensors' --eval-only --out "$folder/damaged"

found=$(find "$folder" -name '*.tmp')
test -z "$found" || complain "left over: $found"
exit $failed
