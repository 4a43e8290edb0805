/* unit_f64.c - the inner loops in double precision; see unit.inc.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#define TABLE_NAME(isa) slivi__kernels_##isa##_f64
#define TABLE(isa) TABLE_NAME(isa)
#define KERNELS TABLE(SLIVI_ISA)
#define REAL double
#define M(x) x
#define SPECIAL(x) slivi__f64_##x
#define BELOW_ONE 0x1.fffffffffffffp-1
#include "kernel/unit.inc"
