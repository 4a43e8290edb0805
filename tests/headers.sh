#!/bin/sh
# headers.sh - each public header compiles alone, as C11 and as C++.
#
# Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING.
set -u
src=${srcdir:-.}
failed=0

# compile LANGUAGE HEADER COMPILER FLAGS...
compile() {
    language=$1 header=$2
    shift 2
    # shellcheck disable=SC2086 # the flags are lists
    if ! echo "#include <slivi/$header>" |
        "$@" -Wall -Wextra -Wshadow -Werror $TEST_CPPFLAGS \
            -fsyntax-only -x "$language" -; then
        echo "slivi/$header does not compile alone as $language"
        failed=1
    fi
}

for path in "$src"/lib/slivi/*.h "$src"/vi/slivi/*.h "$src"/models/slivi/*.h; do
    test -f "$path" || continue # a pattern without a match
    # shellcheck disable=SC2086 # "gcc -m32" is two words
    compile c "${path##*/}" $CC -std=c11 -Wstrict-prototypes
    # shellcheck disable=SC2086
    test -z "$CXX" || compile c++ "${path##*/}" $CXX -std=c++11
done
test -n "$CXX" || echo "no C++ compiler: headers were compiled as C alone"
exit $failed
