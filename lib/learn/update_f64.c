/* update_f64.c - the loops of a step in double precision.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#define REAL double
#define NAME(x) slivi__##x##_f64
#define SQRT sqrt
#include "learn/update.inc"
