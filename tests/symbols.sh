#!/bin/sh
# symbols.sh - what the library exports, and what it asks of others.
#
# Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING.
set -u
failed=0

# The functions used of GSL, beside its types.  Whatever can fail on
# data is left to LAPACK, because GSL's default handler of errors aborts.
gsl='gsl_ran_chisq|gsl_cdf_ugaussian_Pinv|gsl_sf_psi_e'
# powers of 2, the only thing they could refuse
gsl="$gsl"'|gsl_fft_(real|halfcomplex)_radix2_(transform|inverse)'

# No printing, leaving, environment, clock, global generators or signals.
denied='abort|_?exit|_Exit|atexit|v?printf|puts|putchar|perror|stdout|stderr|stdin'
denied="$denied"'|(secure_)?getenv|setenv|putenv|setlocale|time|clock|clock_gettime|gettimeofday'
denied="$denied"'|s?rand|s?random|drand48|signal|sigaction|system|gsl_set_error_handler(_off)?'
# A plan and a verdict are printed, to a stream of the caller's; nothing else.
printing='v?fprintf|fput[cs]|fwrite'
# All memory comes through the hook; memory.c holds its default.
memory='malloc|calloc|realloc|free|strn?dup|v?asprintf|posix_memalign|aligned_alloc'
# One door to BLAS: blas.c.
blas='cblas_.*|(openblas|omp|bli|mkl)_.*|[sdcz](gemm|gemv|trsm|trmm|syrk|symm|potr[fsi]|syevd?|getr[fs]|geqrf|gesdd|axpy|dot|nrm2|scal|copy)_'

complain() {
    echo "$1:"
    echo "$2" | sed 's/^/    /'
    failed=1
}

# deny NAMES WHY: none of the names is among the object's symbols
deny() {
    found=$(echo "$symbols" | grep -Ex "$1")
    test -z "$found" || complain "$object $2" "$found"
}

objects=$(find lib vi models -name '*.o' 2>/dev/null)
doors=0
for object in $objects; do
    # undefined ones; fortified functions by their own name
    # shellcheck disable=SC2086 # NM is "nm -B"
    symbols=$($NM -u "$object" | sed 's/.* //; s/@.*//; s/^__\(.*\)_chk$/\1/')
    deny "$denied" "prints, leaves, or asks what a library must not ask"
    found=$(echo "$symbols" | grep '^gsl_' | grep -Exv "$gsl")
    test -z "$found" || complain "$object needs of GSL what is not listed" "$found"
    case $object in
    */liblib_la-plan_print.o | */liblib_la-file.o | */libvi_la-verdict_print.o) ;;
    *) deny "$printing" "prints" ;;
    esac
    case $object in
    */liblib_la-memory.o) ;;
    *) deny "$memory" "goes past slivi__alloc" ;;
    esac
    case $object in
    */liblib_la-blas.o) ! echo "$symbols" | grep -qx sgemm_ || doors=1 ;;
    *) deny "$blas" "goes past blas.c" ;;
    esac
done
# so that a broken nm or find is no pass
test $doors = 1 || complain "lib/base/blas.c" "no object that needs sgemm_"

if test -f .libs/libslivi.so; then
    # shellcheck disable=SC2086
    exported=$($NM -D --defined-only .libs/libslivi.so | sed 's/.* //; s/@.*//')
    echo "$exported" | grep -qx slivi_version || complain "exports" "no slivi_version"
    # shellcheck disable=SC2086
    found=$($NM -D -u .libs/libslivi.so | sed 's/.* //' | grep '^slivi_')
    test -z "$found" || complain "libslivi.so lacks of its own" "$found"
    found=$(echo "$exported" | grep -v '^slivi_[a-z]')
    test -z "$found" || complain "libslivi.so exports more than slivi_*" "$found"
else
    echo "no shared library: its exports were not looked at"
fi
exit $failed
