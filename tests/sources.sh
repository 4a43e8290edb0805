#!/bin/sh
# sources.sh - every source file is named in Makefile.am, so that none is left
# out of the build, of the tests or of the tarball.
#
# Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING.
set -u
cd "${srcdir:-.}" || exit 1
failed=0

# shellcheck disable=SC2044 # no name has a space: make could not have it
for file in $(find lib vi models examples tests \
    -name '*.[ch]' -o -name '*.inc' -o -name '*.sh'); do
    case $file in examples/digits_data.h) continue ;; esac # made
    if ! grep -q "^	$file\( \\\\\)*$" Makefile.am; then
        echo "$file is not in Makefile.am"
        failed=1
    fi
done
exit $failed
