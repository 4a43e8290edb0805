#!/bin/sh
# check.sh SOURCES LIBDIR INCLUDEDIR BINDIR - what make installcheck does:
# compile, link and run a host of the installed library, by pkg-config, in C
# and in C++, against the shared and the static library.
#
# Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING.
set -u
sources=$1 libdir=$2 includedir=$3 bindir=$4
dir=installcheck.tmp
failed=0

PKG_CONFIG_PATH=$libdir/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH

complain() {
    echo "installcheck: $*" >&2
    failed=1
}

includes=$($PKG_CONFIG --cflags slivi) &&
    libs=$($PKG_CONFIG --libs slivi) &&
    static_libs=$($PKG_CONFIG --static --libs slivi) || exit 1
case $libs in
*gslcblas*) complain "pkg-config --libs slivi leaks gslcblas: $libs" ;;
esac
case $static_libs in
*openblas*) expected=openblas ;;
*) expected=any ;;
esac

rm -rf $dir
mkdir $dir || exit 1
trap 'rm -rf $dir' EXIT

# host LANGUAGE KIND LIBRARIES COMPILER FLAGS...: the worst order of libraries
# is GSL's own first.
host() {
    language=$1 kind=$2 libraries=$3
    shift 3
    program=$dir/embed-$language-$kind
    # shellcheck disable=SC2086 # lists of words
    if "$@" -Wall -Wextra -Werror $CFLAGS $includes -x "$language" \
        "$sources/embed.c" -x none $LDFLAGS -o "$program" \
        -lgsl -lgslcblas $libraries -ldl -lm -Wl,-rpath,"$libdir" &&
        "$program" "$expected" >"$program.out"; then
        echo "installcheck: $language, $kind: good"
    else
        complain "$language, $kind: failed"
    fi
    test ! -f "$program.out" || sed 's/^/    /' "$program.out"
}

# hosts KIND LIBRARIES
hosts() {
    # shellcheck disable=SC2086 # "gcc -m32" is two words
    host c "$1" "$2" $CC -std=c11
    # shellcheck disable=SC2086
    test -z "$CXX" || host c++ "$1" "$2" $CXX -std=c++11
}

test ! -f "$libdir/libslivi.so" || hosts shared "$libs"
# the archive by its path: -lslivi would take the shared library
test ! -f "$libdir/libslivi.a" ||
    hosts static "$libdir/libslivi.a $(echo "$static_libs" |
        sed 's/-lslivi\( \|$\)/ /')"

# a user's own log density, as README.md has it
# shellcheck disable=SC2086
if $CC -std=c11 -Wall -Wextra -Werror $CFLAGS $includes $LDFLAGS \
    "$sources/../../examples/own_target.c" -o $dir/own_target $libs -lm \
    -Wl,-rpath,"$libdir" && $dir/own_target >$dir/own_target.out &&
    grep -q '^verdict on .*: pass$' $dir/own_target.out; then
    echo "installcheck: own_target: good"
else
    complain "own_target: failed"
    test ! -f $dir/own_target.out || sed 's/^/    /' $dir/own_target.out
fi

for program in "$bindir"/slivi-*; do
    test -f "$program" || continue # a pattern without a match
    "$program" --version >/dev/null || complain "$program --version: failed"
done
for header in "$includedir"/slivi/*.h; do
    ! grep -n '#include "' "$header" | grep -v '"slivi/' ||
        complain "$header includes what is not installed"
done
exit $failed
