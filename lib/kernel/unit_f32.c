/* unit_f32.c - the inner loops in single precision; see unit.inc.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#define TABLE_NAME(isa) slivi__kernels_##isa##_f32
#define TABLE(isa) TABLE_NAME(isa)
#define KERNELS TABLE(SLIVI_ISA)
#define REAL float
#define M(x) x##f
#define SPECIAL(x) slivi__f32_##x
#define BELOW_ONE 0x1.fffffep-1F
#include "kernel/unit.inc"
