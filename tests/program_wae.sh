#!/bin/sh
# program_wae.sh - slivi-wae: what is its own; the rest is slivi-vae's, see
# program_vae.sh.
#
# Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING.
set -u
wae=${SLIVI_WAE:-./slivi-wae} vae=${SLIVI_VAE:-./slivi-vae}
test -x "$wae" || {
    echo "no program $wae"
    exit 1
}
folder=$(mktemp -d "${TMPDIR:-/tmp}/slivi-wae.XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
failed=0
unset GSL_RNG_SEED
tiny="--hidden 8,8 --latent 2 --batch 16 --threads 1 --eval none --quiet"

complain() {
    echo "FAIL: $1"
    failed=1
}

run() { # CODE PROGRAM ARGUMENTS...: stdout and stderr into files
    expected=$1
    shift
    "$@" >"$folder/stdout" 2>"$folder/stderr"
    code=$?
    test $code = "$expected" || {
        complain "$*: exit code $code, not $expected"
        cat "$folder/stderr"
    }
}

refused() { # CODE PATTERN PROGRAM ARGUMENTS...: one line that says why
    pattern=$2
    code=$1
    shift 2
    run "$code" "$@"
    test "$(wc -l <"$folder/stderr")" -eq 1 || complain "$*: not one line"
    grep -q "^${1##*/}: .*$pattern" "$folder/stderr" || {
        complain "$*: the line has no \"$pattern\""
        cat "$folder/stderr"
    }
}

value() { # KEY: of what was printed as JSON
    sed -n "s/^  \"$1\": \"\{0,1\}\([^\",]*\).*/\1/p" "$folder/stdout"
}

# ---- a run -----------------------------------------------------------------

# shellcheck disable=SC2086 # $tiny is several words
run 0 "$wae" $tiny --out "$folder/a" --steps 40 --eval is:10,ais:5 \
    --eval-draws 50 --ais-chains 4 --ais-temperatures 20 --json
for file in config.json metrics.jsonl result.json nll.npy samples.png \
    reconstructions.png checkpoint.safetensors report.html; do
    test -s "$folder/a/$file" || complain "no $file"
done
for key in nll ais_nll reconstruction prior score stein test_error code_mmd \
    code_sliced_wasserstein steps_per_second; do
    test "$(value $key)" != "" -a "$(value $key)" != null ||
        complain "result has no $key"
done
test "$(value program)/$(value entropy)/$(value steps)" = \
    slivi-wae/ssm-vr/40 || complain "the result is another program's"
test "$(value lambda)" = 10.0 || complain "lambda is $(value lambda)"
grep -q '"program": "slivi-wae"' "$folder/a/config.json" ||
    complain "config.json does not tell the program"
grep -q '<title>slivi-wae: entropy ssm-vr, lambda 10</title>' \
    "$folder/a/report.html" || complain "the report has another title"

# it learns: codes come nearer to the prior's, and the error falls
wide="--hidden 32,32 --latent 4 --threads 1 --eval none --quiet --json"
# shellcheck disable=SC2086
{
    run 0 "$wae" $wide --out "$folder/short" --steps 1 --entropy mmd
    short=$(value code_mmd) short_error=$(value test_error)
    run 0 "$wae" $wide --out "$folder/mmd" --steps 600 --entropy mmd \
        --lambda 100 --optimizer adam
}
echo "$short $(value code_mmd) $short_error $(value test_error)" |
    awk '{ exit !($2 < $1 / 4 && $4 < $3 / 1.5) }' ||
    complain "training to no avail: $short $(value code_mmd) $short_error $(value test_error)"
test "$(value stein)" = null || complain "mmd has no score"

# every way of learning runs
"$wae" --list | sed -n '/^entropy/,/^$/s/^  \([a-z-]*\).*/\1/p' \
    >"$folder/entropies"
test "$(wc -l <"$folder/entropies")" -ge 3 || complain "--list has no entropies"
while read -r entropy; do
    # shellcheck disable=SC2086
    run 0 "$wae" $tiny --out "$folder/with-$entropy" --steps 3 \
        --entropy "$entropy"
done <"$folder/entropies"

# ---- going on ----------------------------------------------------------------

# shellcheck disable=SC2086
{
    run 0 "$wae" $tiny --out "$folder/long" --steps 40 --average 0.9
    run 0 "$wae" $tiny --out "$folder/grown" --steps 25 --average 0.9
    run 0 "$wae" --resume --out "$folder/grown" --steps 40 --quiet --threads 2
}
cmp "$folder/long/checkpoint.safetensors" \
    "$folder/grown/checkpoint.safetensors" ||
    complain "a run that goes on ends elsewhere"
run 0 "$wae" --config "$folder/long/config.json" --out "$folder/again" \
    --quiet --lambda 11
! cmp -s "$folder/long/checkpoint.safetensors" \
    "$folder/again/checkpoint.safetensors" || complain "lambda has no effect"
run 0 "$wae" --eval-only --out "$folder/grown" --eval is:3 --quiet --json
test "$(value steps)/$(value eval_images)" = 40/3 || complain "--eval-only: $(value steps)"
refused 2 "an encoder without noise has no ELBO" "$wae" --eval-only --out "$folder/grown" \
    --eval is:3,elbo:3 --quiet
refused 1 'option lambda is' "$wae" --resume --lambda 3 --out "$folder/long"

# neither program takes the other's runs, or its options
refused 1 'long: a run of slivi-wae, not of slivi-vae' "$vae" --resume \
    --out "$folder/long"
# shellcheck disable=SC2086
run 0 "$vae" $tiny --out "$folder/vae" --steps 3
refused 1 'vae: a run of slivi-vae, not of slivi-wae' "$wae" --eval-only \
    --out "$folder/vae"
refused 2 'no option "encoder"' "$wae" --encoder gaussian --out "$folder/x"
refused 2 'entropy: "closed" is not one of' "$wae" --entropy closed \
    --out "$folder/x"
test ! -e "$folder/x" || complain "bad input left a folder behind"

# ---- help ------------------------------------------------------------------

run 0 "$wae" --help
sed -n 's/^  --\([a-z0-9-]*\).*/\1/p' "$folder/stdout" >"$folder/names"
grep -qx lambda "$folder/names" || complain "--help without --lambda"
sed 's/\\//g' "${srcdir:-.}/man/slivi-wae.1" >"$folder/page"
while read -r option; do
    grep -q -e "--$option\>" "$folder/page" ||
        complain "the manual page has no --$option"
done <"$folder/names"
run 0 "$wae" --version
grep -q '^slivi-wae ' "$folder/stdout" || complain "--version of another program"
run 0 "$wae" --list
grep -E '^  [a-z0-9-]+ *$' "$folder/stdout" && complain "a choice without help"
exit $failed
