/* update_f32.c - the loops of a step in single precision.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#define REAL float
#define NAME(x) slivi__##x##_f32
#define SQRT sqrtf
#include "learn/update.inc"
