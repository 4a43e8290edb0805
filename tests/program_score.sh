#!/bin/sh
# program_score.sh - the example of embedding learns what it says it learns.
#
# Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING.
set -u
score=${SLIVI_SCORE:-./slivi-score}
test -x "$score" || {
    echo "no program $score"
    exit 1
}
folder=$(mktemp -d "${TMPDIR:-/tmp}/slivi-score.XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
failed=0
unset GSL_RNG_SEED

complain() {
    echo "FAIL: $1"
    failed=1
}

run() { # CODE ARGUMENTS...
    expected=$1
    shift
    "$score" "$@" --quiet >"$folder/stdout" 2>"$folder/stderr"
    code=$?
    test $code = "$expected" || {
        complain "$*: exit code $code, not $expected"
        cat "$folder/stderr"
    }
}

refused() { # PATTERN ARGUMENTS...
    pattern=$1
    shift
    run 2 "$@"
    test "$(wc -l <"$folder/stderr")" -eq 1 || complain "$*: not one line"
    grep -q "^slivi-score: .*$pattern" "$folder/stderr" ||
        complain "$*: the line has no \"$pattern\""
}

# The score 0 has the relative Fisher error 1, that of the best Gaussian, where
# nets begin, has 0.81; they end between 0.04 and 0.08, kernels below 0.14.
nets="--samples 3000 --steps 600 --hidden 32,32 --rate 4e-3 --sigma 0.2 --slices 2"
kernels="--samples 1000 --width 1.5 --eta 0.1 --rank 30"
for estimator in sm ssm ssm-vr dsm stein ssge; do
    options=$nets
    case $estimator in stein | ssge) options=$kernels ;; esac
    # shellcheck disable=SC2086 # several words
    run 0 --estimator $estimator $options --seed 3 --threads 1 \
        --out "$folder/$estimator"
    awk -v name=$estimator '
        $1 == "fisher_error" { found = 1; if (!($2 < 0.15)) bad = $2 }
        END { if (!found || bad) { print name ": fisher_error " bad; exit 1 } }
    ' "$folder/stdout" || complain "$estimator has not learnt the score"
    for file in field.png result.json config.json samples.npy scores.npy \
        score.safetensors; do
        test -s "$folder/$estimator/$file" || complain "$estimator: no $file"
    done
done
grep -q '"held_out": null' "$folder/stein/result.json" ||
    complain "stein has a held-out objective"
run 2 --estimator stein --eta -1
run 1 --estimator stein --width 1e-150 --out "$folder/refused"
grep -q 'width 1e-150' "$folder/stderr" || complain "no word about the width"
run 0 --help
# what --help names, the manual page explains
sed -n 's/^  --\([a-z0-9-]*\).*/\1/p' "$folder/stdout" >"$folder/names"
sed 's/\\//g' "${srcdir:-.}/man/slivi-score.1" >"$folder/page"
while read -r option; do
    grep -q -e "--$option\>" "$folder/page" ||
        complain "the manual page has no --$option"
done <"$folder/names"
run 0 --list
grep -q 'sliced score matching' "$folder/stdout" || complain "--list: no help"
grep -q 'stein .*Stein gradient' "$folder/stdout" || complain "--list: no stein"
head -n 1 "$folder/stdout" | grep -q . ||
    complain "--list begins with an empty line"
refused 'estimator: "smm" is not one of' --estimator smm
refused 'did you mean samples' --sample 5
# the options of another program are no slips of the pen
echo '{"options": {"data": "digits"}}' >"$folder/config"
refused 'no option "data" (try' --config "$folder/config"

small="--samples 300 --hidden 8 --threads 1"
# shellcheck disable=SC2086 # $small is several words
run 0 $small --steps 20 --seed 7 --out "$folder/small"
grep -q "^$folder/small/field.png\$" "$folder/stdout" ||
    complain "field.png is not printed"
grep -q '"seed": 7,' "$folder/small/result.json" ||
    complain "result.json has no seed"

# TERM: one line, and nothing but config.json
# shellcheck disable=SC2086
"$score" $small --steps 1000000000 --patience 1000000000 \
    --out "$folder/term" >"$folder/stdout" 2>"$folder/stderr" &
pid=$!
while kill -0 $pid 2>/dev/null && test ! -s "$folder/term/config.json"; do
    :
done
kill -TERM $pid 2>/dev/null
wait $pid
code=$?
test $code = 143 || complain "TERM: exit code $code, not 143"
if test "$(wc -l <"$folder/stderr")" -ne 1 ||
    ! grep -q '^slivi-score: stopped at step' "$folder/stderr"; then
    complain "TERM: not one line about it"
fi
test "$(ls "$folder/term")" = config.json || complain "TERM left more"
test -z "$(find "$folder" -name '*.tmp')" || complain "something left over"
exit $failed
