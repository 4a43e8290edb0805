#!/bin/sh
# readme.sh - the first block of C in README.md compiles and runs as it stands.
#
# Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING.
set -u
readme=${srcdir:-.}/README.md
dir=tests/readme.tmp

rm -rf $dir
mkdir -p $dir
trap 'rm -rf $dir' EXIT
test ! -f "$readme" ||
    awk '/^```c$/ { inside = 1; next }
         /^```/ && inside { exit }
         inside { print }' "$readme" >$dir/example.c
if ! test -s $dir/example.c; then
    echo "README.md has no block of C"
    exit 77
fi
# shellcheck disable=SC2086 # lists of words
$CC -std=c11 -Wall -Wextra -Werror $TEST_CFLAGS $TEST_CPPFLAGS \
    -c $dir/example.c -o $dir/example.o &&
    $LIBTOOL --silent --tag=CC --mode=link $CC $TEST_CFLAGS $TEST_LDFLAGS \
        $dir/example.o libslivi.la -lm -o $dir/example &&
    $LIBTOOL --silent --mode=execute $dir/example
