#!/bin/sh
# program_vae.sh - what slivi-vae promises: records, resuming bit for bit, and
# one clear line for whatever is wrong.
#
# Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING.
set -u
vae=${SLIVI_VAE:-./slivi-vae}
test -x "$vae" || {
    echo "no program $vae"
    exit 1
}
name=slivi-vae
folder=$(mktemp -d "${TMPDIR:-/tmp}/slivi-vae.XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
failed=0
unset GSL_RNG_SEED
tiny="--hidden 8,8 --latent 2 --batch 16 --threads 1 --eval none --quiet"

complain() {
    echo "FAIL: $1"
    failed=1
}

run() { # CODE ARGUMENTS...: stdout and stderr into files
    expected=$1
    shift
    "$vae" "$@" >"$folder/stdout" 2>"$folder/stderr"
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

no_leftovers() {
    found=$(find "$folder" -name '*.tmp')
    test -z "$found" || complain "left over: $found"
}

# ---- a run and its files --------------------------------------------------

a=$folder/a
# shellcheck disable=SC2086 # $tiny is several words
run 0 $tiny --out "$a/deep" --steps 20 --eval is:20 --eval-draws 50 --json
for key in nll nll_se steps steps_per_second seconds eval_images blas_core \
    instruction_set compiler reconstruction threads; do
    grep -q "\"$key\": [^n]" "$folder/stdout" || complain "result has no $key"
done
# 64 pixels at one bit each are 44 nats; images differ by about 6
awk '/"nll"/ { nll = $2 + 0 } /"nll_se"/ { se = $2 + 0 }
    END { exit !(nll > 10 && nll < 70 && se > 0.3 && se < 5) }' \
    "$folder/stdout" || complain "nll or nll_se is no such thing"
cmp "$folder/stdout" "$a/deep/result.json" ||
    complain "--json is not result.json"
test "$(tail -n 1 "$a/deep/config.json")" = "}" ||
    complain "config.json does not end as it should"
tail -c 1 "$a/deep/config.json" | od -An -c | grep -q '\\n' ||
    complain "config.json has no final newline"
for file in config.json metrics.jsonl result.json samples.png \
    reconstructions.png checkpoint.safetensors report.html; do
    test -s "$a/deep/$file" || complain "no $file"
done
test ! -s "$folder/stderr" || complain "progress where there is no terminal"
if command -v python3 >/dev/null 2>&1; then
    python3 - "$a/deep" <<'PYTHON' || complain "the records are not as they should be"
import base64, html.parser, json, sys
folder = sys.argv[1]
result = json.load(open(folder + "/result.json"))
assert result["threads"] == 1 and type(result["seed"]) is int
assert result["version"]
config = json.load(open(folder + "/config.json"))
assert config["options"]["hidden"] == "8,8" and config["seed_from"] == "default"
lines = [json.loads(line) for line in open(folder + "/metrics.jsonl")]
assert [line["step"] for line in lines] == list(range(1, 21))
class Page(html.parser.HTMLParser):
    open, images, curves = [], 0, 0
    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag == "img":
            source = dict(attributes)["src"].split("base64,")[1]
            assert base64.b64decode(source)[:4] == b"\x89PNG"
            self.images += 1
        self.curves += tag == "polyline"
    def handle_startendtag(self, tag, attributes):
        self.curves += tag == "polyline"
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
page = Page()
page.feed(open(folder + "/report.html").read())
text = open(folder + "/report.html").read()
assert ">deep</p></header>" in text and folder not in text
assert "&plusmn;" in text and "-E log p(z)" in text and "KL(" not in text
assert not page.open and page.images == 2 and page.curves >= 5
PYTHON
fi

# ---- help and choices -----------------------------------------------------

run 0 --help
grep -q -- '--encoder' "$folder/stdout" || complain "--help without --encoder"
# what --help names, the manual page explains
sed -n 's/^  --\([a-z0-9-]*\).*/\1/p' "$folder/stdout" >"$folder/names"
sed 's/\\//g' "${srcdir:-.}/man/slivi-vae.1" >"$folder/page"
while read -r option; do
    grep -q -e "--$option\>" "$folder/page" ||
        complain "the manual page has no --$option"
done <"$folder/names"
cp "$folder/stdout" "$folder/help"
run 0 -h
cmp "$folder/help" "$folder/stdout" || complain "-h is not --help"
run 0 --version
grep -q 'BLAS' "$folder/stdout" || complain "--version without BLAS"
run 0 --list
grep -q 'ssm-vr' "$folder/stdout" || complain "--list without ssm-vr"
grep -E '^  [a-z0-9-]+ *$' "$folder/stdout" && complain "a choice without help"

# ---- seeds and files of options -------------------------------------------

# shellcheck disable=SC2086
{
    run 0 $tiny --out "$folder/s1" --steps 4 --seed 7
    GSL_RNG_SEED=7
    export GSL_RNG_SEED
    run 0 $tiny --out "$folder/s2" --steps=4
    grep -q '"seed_from": "GSL_RNG_SEED"' "$folder/s2/config.json" ||
        complain "config.json does not tell where the seed is from"
    GSL_RNG_SEED=7x
    refused 2 'GSL_RNG_SEED.*7x' $tiny --out "$folder/s3"
    unset GSL_RNG_SEED
    run 0 --config "$folder/s1/config.json" --out "$folder/s4" --quiet
    run 0 $tiny --out "$folder/s5" --steps 4 --set seed=8
    run 0 $tiny --out "$folder/s6" --steps 1 --seed 18446744073709551615 \
        --encoder gaussian --entropy closed
}
grep -q '"seed": "18446744073709551615"' "$folder/s6/result.json" ||
    complain "a large seed is not text"
if ! grep -q 'KL(' "$folder/s6/report.html" ||
    grep -q 'E log p(z)' "$folder/s6/report.html"; then
    complain "the report mistakes the closed entropy"
fi
for other in s2 s4; do
    cmp "$folder/s1/checkpoint.safetensors" \
        "$folder/$other/checkpoint.safetensors" ||
        complain "$other is not the same run as s1"
done
! cmp -s "$folder/s1/checkpoint.safetensors" \
    "$folder/s5/checkpoint.safetensors" || complain "--set seed has no effect"

# ---- going on -------------------------------------------------------------

# shellcheck disable=SC2086
run 0 $tiny --out "$folder/straight" --steps 3000 --report-steps 97 --average 0.99
b=$folder/broken
tries=0
code=0
# TERM somewhere in the middle; a run that ended before it is tried again
while test $code != 143 && test $tries -lt 5; do
    rm -rf "$b"
    # shellcheck disable=SC2086
    "$vae" $tiny --out "$b" --steps 3000 --report-steps 97 --average 0.99 \
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
echo '{"step": 2999, "seconds": 1}' >>"$b/metrics.jsonl" # beyond the checkpoint
run 0 --resume --out "$b" --quiet --threads 2
cmp "$b/checkpoint.safetensors" "$folder/straight/checkpoint.safetensors" ||
    complain "an interrupted run does not end where a straight one does"
head -n "$(wc -l <"$folder/before")" "$b/metrics.jsonl" |
    cmp - "$folder/before" || complain "lines of metrics.jsonl were lost"
test "$(grep -c '"step": 2999,' "$b/metrics.jsonl")" -eq 0 ||
    complain "metrics.jsonl was not cut back"

# shellcheck disable=SC2086
{
    run 0 $tiny --out "$folder/long" --steps 30
    run 0 $tiny --out "$folder/grown" --steps 20
    run 0 --resume --out "$folder/grown" --steps 30 --quiet
}
cmp "$folder/long/checkpoint.safetensors" \
    "$folder/grown/checkpoint.safetensors" ||
    complain "a run that goes on with more steps ends elsewhere"
rm "$folder/grown/result.json"
cp "$folder/grown/config.json" "$folder/config"
run 0 --eval-only --out "$folder/grown" --eval is:2 --eval-draws 50 --steps 99 \
    --quiet
grep -q '"nll"' "$folder/grown/result.json" || complain "--eval-only: no nll"
grep -q '"steps": 30,' "$folder/grown/result.json" ||
    complain "--eval-only has trained"
cmp "$folder/config" "$folder/grown/config.json" ||
    complain "--eval-only has changed config.json"

# ---- evaluation -----------------------------------------------------------

e=$folder/evaluated
cp -r "$folder/long" "$e"
before=$(cksum <"$e/checkpoint.safetensors")
evaluate() { # LIST ARGUMENTS...
    list=$1
    shift
    run 0 --eval-only --out "$e" --eval "$list" --eval-draws 50 \
        --ais-chains 4 --ais-temperatures 30 --quiet --json "$@"
}
value() { # KEY: of what was printed
    sed -n "s/^  \"$1\": \"\{0,1\}\([^\",]*\).*/\1/p" "$folder/stdout"
}
# rows and columns of nll.npy, as its header has them
shape() {
    head -c 128 "$e/nll.npy" | tr '\n' ' ' | LC_ALL=C sed "s/.*'shape': (\([^)]*\)).*/\1/"
}

evaluate is:20
nll=$(value nll)
evaluate is:20,ais:5,bdmc:3 --threads 2
test "$(value nll)" = "$nll" || complain "AIS changes importance sampling"
test "$(value eval_method)/$(value eval_images)/$(value ais_images)/$(value bdmc_images)" = \
    "is/20/5/3" || complain "result.json tells of other images"
test "$(value threads)" = 1 || complain "--eval-only tells of other threads"
test "$(shape)" = "20, 5" || complain "nll.npy is $(shape)"
ais=$(value ais_nll)
# a decoder that has hardly learnt: everything agrees within a nat
for key in ais_minus_is ais_minus_is_se bdmc_gap; do
    awk -v x="$(value $key)" 'BEGIN { exit !(x != "" && x ^ 2 < 1) }' ||
        complain "$key is $(value $key)"
done
agree() { # IMAGES BY IS, BY AIS: result.json and nll.npy
    command -v python3 >/dev/null 2>&1 || return 0
    python3 - "$e" "$@" <<'PYTHON' || complain "result.json and nll.npy disagree"
import json, math, struct, sys
result = json.load(open(sys.argv[1] + "/result.json"))
n, m = int(sys.argv[2]), int(sys.argv[3])
raw = open(sys.argv[1] + "/nll.npy", "rb").read()[128:]
rows = [struct.unpack("<5d", raw[40 * i:40 * i + 40]) for i in range(n)]
mean = lambda x: sum(x) / len(x)
def se(x):
    squares = sum((a - mean(x)) ** 2 for a in x)
    return math.sqrt(squares / (len(x) - 1) / len(x)) if len(x) > 1 else math.nan
def near(key, x):
    told = math.nan if result[key] is None else result[key]
    if not (math.isnan(x) and math.isnan(told) or abs(told - x) < 1e-12 * (1 + abs(x))):
        sys.exit("%s is %g, not %g" % (key, told, x))
assert len({row[0] for row in rows}) == n and rows[0][0] != 0
assert all(math.isnan(row[3]) == math.isnan(row[4]) == (i >= m)
           for i, row in enumerate(rows))
near("nll", mean([row[1] for row in rows]))
near("nll_se", se([row[1] for row in rows]))
near("ais_nll", mean([row[3] for row in rows[:m]]))
more = [row[1] - row[3] for row in rows[:m]]
near("ais_minus_is", mean(more))
near("ais_minus_is_se", se(more))
near("ais_far", mean([x > 1 for x in more]))
good = mean(more) <= 0.1 + 2 * se(more) and result["ais_far"] <= 0.02
assert result["is_accepted"] is good
off = 0 if good else max(mean(more), 0)
near("nll_corrected", result["nll"] - off)
near("nll_corrected_se", math.hypot(se([row[1] for row in rows]), se(more))
     if off else se([row[1] for row in rows]))
assert result["nll_corrected"] <= result["nll"]
PYTHON
}
agree 20 5
# hardly any annealing: AIS finds far less
evaluate is:20,ais:10 --ais-temperatures 2 --ais-chains 1
awk -v x="$(value ais_minus_is)" 'BEGIN { exit !(x < -0.5) }' ||
    complain "two temperatures are enough"
agree 20 10
# one image tells nothing
evaluate is:1,ais:1
test "$(value is_accepted)" = false || complain "accepted by one image"
agree 1 1
evaluate ais:5 --ais-group 2
test "$(value ais_nll)/$(value nll)/$(value eval_method)" = "$ais/$ais/ais" ||
    complain "AIS depends on its groups, or is not the nll where it is alone"
test "$(shape)" = "5, 5" || complain "nll.npy is $(shape)"
test -z "$(value eval_draws)" || complain "eval_draws without any"
evaluate ais:5 --ais-steps led
test "$(value ais_nll)" != "$ais" || complain "led steps are frozen"
led=$(value ais_nll)
evaluate ais:5,bdmc:2 --ais-steps led
test "$(value ais_nll)" = "$led" || complain "led steps are bdmc's"
evaluate is:20 --eval-part validation
test "$(value nll)" != "$nll" || complain "--eval-part has no effect"
test "$(value eval_part)" = validation || complain "no eval_part"
evaluate none
test ! -e "$e/nll.npy" || complain "nll.npy of an earlier evaluation"
test "$before" = "$(cksum <"$e/checkpoint.safetensors")" ||
    complain "an evaluation has touched the checkpoint"
for key in code_mmd code_mmd_floor code_sliced_wasserstein \
    code_sliced_wasserstein_floor test_error; do
    test -n "$(value $key)" || complain "result has no $key"
done
refused 2 'there are only 179 validation images' --eval-only --out "$e" \
    --eval is:5,ais:180 --eval-part validation
evaluate is:20,elbo:10
test "$(value nll)/$(value elbo_images)/$(shape)" = "$nll/10/20, 5" ||
    complain "the ELBO's images are others"
awk -v x="$(value inference_gap)" -v e="$(value elbo)" \
    'BEGIN { exit !(x > 0 && e < 0) }' || complain "no gap between ELBO and log p"
evaluate is:10,elbo:20
test "$(value inference_gap_images)" = 10 || complain "a gap without log p"
awk -v x="$(value inference_gap)" 'BEGIN { exit !(x > 0) }' ||
    complain "a gap of images without log p"
evaluate elbo:10 --eval-part validation
test -z "$(value nll)$(value inference_gap)" || complain "an nll that was not asked for"
test "$(value eval_part)" = validation || complain "elbo: no eval_part"
test ! -e "$e/nll.npy" || complain "elbo: an nll.npy of nothing"
# a signal while chains move
"$vae" --eval-only --out "$e" --eval ais:150 --ais-steps led --threads 1 \
    --ais-temperatures 1000000 >"$folder/stdout" 2>"$folder/stderr" &
pid=$!
sleep 1
kill -TERM $pid 2>/dev/null
wait $pid
code=$?
test $code = 143 || complain "TERM during AIS: exit code $code, not 143"
grep -q "^$name: stopped evaluating, after step 30; " "$folder/stderr" ||
    complain "TERM during AIS: no line about it"

# ---- bad input ------------------------------------------------------------

g=$folder/grown
x=$folder/none
before=$(cksum <"$g/checkpoint.safetensors")

refused 2 'no option "stpes"; did you mean steps' --stpes 3 --out "$x"
refused 2 'no option "colour"' --set colour=red --out "$x"
refused 2 'encoder: "implict" is not one of gaussian, implicit' \
    --encoder implict --out "$x"
for list in ais is: ais:0 ais:-1 ais:5x is:5,,ais:5 'is:5,' is:5,none is:5,is:6; do
    refused 2 "eval: \"$list\" is neither none nor a list of is:N, ais:N, elbo:N and" \
        --eval "$list" --out "$x"
done
refused 2 'there are only' --eval is:100000 --out "$x"
refused 2 'rate: "nan" is not a number' --rate nan --out "$x"
refused 2 'seed: "-1" is not a whole number' --seed -1 --out "$x"
refused 2 'unexpected argument "here"' here
refused 2 'steps needs a value' --steps
refused 2 'takes no value' --quiet=1
refused 2 'KEY=VALUE' --set rate
refused 2 'entropy closed needs encoder gaussian' --entropy closed --out "$x"
refused 2 'data: "mnist" is not one of' --data mnist --out "$x"
refused 1 'no file train-images-idx3-ubyte' --data "mnist:$folder" --out "$x"
refused 1 'nothing.npy' --data "npy:$folder/nothing.npy" --out "$x"

echo '{"options": {"rate": 0.01, "stepps": 3}}' >"$folder/config"
refused 2 'config: no option "stepps"' --config "$folder/config" --out "$x"
echo '{"rate": 0.01,' >"$folder/config"
refused 1 'config: ' --config "$folder/config" --out "$x"
echo '{"rate": true}' >"$folder/config"
refused 2 'config: option rate' --config "$folder/config" --out "$x"

# 12 images of 2 x 2 as an IDX file: whole, cut short, with a wrong magic
idx() { # FILE BYTE OF PIXEL...
    printf '\000\000\010\003\000\000\000\014\000\000\000\002\000\000\000\002' >"$1"
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
        printf '\001\200\377\020' >>"$1"
    done
}
idx "$folder/good.idx"
head -c 40 "$folder/good.idx" >"$folder/short.idx"
{ printf 'P5'; tail -c +3 "$folder/good.idx"; } >"$folder/magic.idx"
gzip -c "$folder/good.idx" | head -c 30 >"$folder/short.gz"
# shellcheck disable=SC2086
run 0 $tiny --data "idx:$folder/good.idx" --steps 3 --out "$folder/idx"
! grep -qF "$folder" "$folder/idx/report.html" ||
    complain "the report tells where things lie"
grep -q '<td>idx:good.idx<' "$folder/idx/report.html" ||
    complain "the report does not tell the data"
refused 1 'short.idx.*bytes' --data "idx:$folder/short.idx" --out "$x"
refused 1 'magic.idx: not an IDX file' --data "idx:$folder/magic.idx" --out "$x"
refused 1 'short.gz: the gzip data is cut short' \
    --data "idx:$folder/short.gz" --out "$x"
test ! -e "$x" || complain "bad input left $x behind"

# 10 images of 4 floats as an NPY file, the third with a NaN
npy() { # FILE BYTES OF THE LAST PIXEL, SHAPE, TYPE
    printf '\223NUMPY\001\000\166\000' >"$1"
    printf '%-117s\n' "{'descr': '${4:-<f4}', 'fortran_order': False, 'shape': (${3:-10, 1, 4}), }" >>"$1"
    for i in 1 2 3 4 5 6 7 8 9 10; do
        printf '\000\000\000\000\000\000\200\077\000\000\000\077' >>"$1"
        # shellcheck disable=SC2059 # it is a format
        if test $i = 3; then printf "$2" >>"$1"; else
            printf '\000\000\000\000' >>"$1"; fi
    done
}
npy "$folder/good.npy" '\000\000\000\000'
npy "$folder/nan.npy" '\000\000\300\177'
# shellcheck disable=SC2086
{
    run 0 $tiny --data "npy:$folder/good.npy" --steps 3 --out "$folder/npy"
    npy "$folder/flat.npy" '\000\000\000\000' '10, 4'
    run 0 $tiny --data "npy:$folder/flat.npy" --steps 3 --out "$folder/flat"
    # SHAPE/THE SAME
    for pair in '10, 1, 2, 2/flat' '10, 2, 2, 1/flat' '10, 1, 1, 4/npy' \
        '10, 1, 4, 1/npy'; do
        npy "$folder/shape.npy" '\000\000\000\000' "${pair%/*}"
        run 0 $tiny --data "npy:$folder/shape.npy" --steps 3 \
            --out "$folder/${pair%/*}"
        cmp "$folder/${pair#*/}/samples.png" "$folder/${pair%/*}/samples.png" ||
            complain "${pair%/*}: not the images of ${pair#*/}"
    done
}
npy "$folder/shape.npy" '\000\000\000\000' '20, 2'
refused 1 'rows of 2 values are no square images; save them as count x height' \
    --data "npy:$folder/shape.npy" --out "$x"
npy "$folder/shape.npy" '\000\000\000\000' '10, 2, 1, 2'
refused 1 '2 x 1 x 2 for each image, expected one channel' \
    --data "npy:$folder/shape.npy" --out "$x"
npy "$folder/shape.npy" '\000\000\000\000' '10, 1, 4' '<i4'
refused 1 "dtype '<i4'.*astype('f4'" --data "npy:$folder/shape.npy" --out "$x"
refused 1 'nan.npy: image 2, row 0, column 3 is nan' \
    --data "npy:$folder/nan.npy" --out "$x"

refused 1 'no checkpoint.safetensors' --resume --out "$x"
refused 1 'already holds a run' --out "$g"
refused 1 'latent is 2 in this run, not 3' --resume --latent 3 --out "$g"
refused 1 'at step 30, beyond option steps 10' --resume --steps 10 --out "$g"
mv "$folder/idx" "$folder/moved"
mv "$folder/good.idx" "$folder/better.idx"
refused 1 "good.idx: .*(the run's data; give --data to say where it is now)" \
    --resume --out "$folder/moved"
run 0 --resume --out "$folder/moved" --data "idx:$folder/better.idx" --steps 5 \
    --quiet
mv "$folder/better.idx" "$folder/good.idx"
# shellcheck disable=SC2086
run 0 $tiny --out "$folder/cosine" --steps 5 --schedule cosine
refused 1 'steps is 5 in this run, not 6: its schedule, cosine, depends on' \
    --resume --steps 6 --out "$folder/cosine"
refused 1 'other images' --resume --data "idx:$folder/good.idx" --out "$g"
: >"$folder/file"
refused 1 'file' --out "$folder/file"
refused 1 'file' --out "$folder/file/below"
refused 1 'No such\|denied\|not permitted\|cannot make' --out /proc/slivi

# a folder in use
mkdir "$folder/busy"
# shellcheck disable=SC2086
"$vae" $tiny --out "$folder/busy" --steps 1000000000 >"$folder/log" 2>&1 &
pid=$!
while kill -0 $pid 2>/dev/null && test ! -s "$folder/busy/metrics.jsonl"; do
    test -e "$folder/busy/config.json" && break
done
refused 1 'another run is using it' --out "$folder/busy"
kill -INT $pid 2>/dev/null
kill -INT $pid 2>/dev/null
wait $pid
code=$?
# a shell may start background jobs with INT ignored; ours listens anyhow
test $code = 130 || complain "INT: exit code $code, not 130"

# a signal during the evaluation: one line, and --eval-only does it
cp -r "$g" "$folder/stopped"
"$vae" --eval-only --out "$folder/stopped" --eval is:150 --eval-draws 1000000 \
    >"$folder/stdout" 2>"$folder/stderr" &
pid=$!
sleep 2
kill -TERM $pid 2>/dev/null
wait $pid
code=$?
test $code = 143 || complain "TERM while evaluating: exit code $code, not 143"
if test "$(wc -l <"$folder/stderr")" -ne 1 ||
    ! grep -q "^$name: stopped evaluating, after step 30; " "$folder/stderr"; then
    complain "TERM while evaluating: not one line about it"
    cat "$folder/stderr"
fi

# a full disk: no file may grow beyond 8 blocks of 512 bytes
cp -r "$g" "$folder/full"
(
    ulimit -f 8
    refused 1 'cannot write' --resume --steps 60 --out "$folder/full"
    exit $failed
) || failed=1
cmp "$g/checkpoint.safetensors" "$folder/full/checkpoint.safetensors" ||
    complain "a full disk harmed the checkpoint"
run 0 --resume --steps 60 --out "$folder/full" --quiet
if test -w /dev/full; then
    "$vae" --help >/dev/full 2>"$folder/stderr"
    code=$?
    if test $code != 1 || ! grep -q 'standard output' "$folder/stderr"; then
        complain "--help into a full device: exit code $code"
    fi
fi

# a damaged checkpoint
cp -r "$g" "$folder/damaged"
printf 'x' | dd of="$folder/damaged/checkpoint.safetensors" bs=1 seek=5000 \
    conv=notrunc 2>/dev/null
refused 1 'checkpoint.safetensors' --resume --out "$folder/damaged"

test "$before" = "$(cksum <"$g/checkpoint.safetensors")" ||
    complain "the checkpoint was touched"
no_leftovers
exit $failed
