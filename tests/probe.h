/* probe.h - the probes of the operations: for each, expressions made with it
   and the formulas of their entries.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_PROBE_H
#define SLIVI_PROBE_H

#include "testing.h"

enum { PROBE_COLS = 6 };

/* What an expression is made from. */
typedef struct site {
    testing t;
    slivi_node x;            /* n x 6 */
    slivi_node w;            /* 6 x 6 */
    slivi_node sliced;       /* 2n x 6, held fixed */
    slivi_node index, which; /* n, and 6, numbers 5 i mod 4 */
} site;

/* What a formula sees: the same, and the run. */
typedef struct point {
    size_t n;
    const double *x, *w, *t;
    const slivi_run *run;
} point;

/* What becomes of two directions for each sample. */
enum refusal {
    ALLOWED,
    OVER_SAMPLES, /* refused: they meet a sum over samples, or over slices */
    OTHER_SLICES  /* refused: the node has another number of slices */
};

typedef struct probe {
    const char *op, *variant;
    slivi_node (*build)(const site *s);
    double (*want)(const point *p, size_t i, size_t j);
    double lo, hi, gap; /* entries lie on [lo, hi], but |entry| >= gap */
    int order;          /* derivatives that exist, 2 standing for all */
    enum refusal slices;
} probe;

extern const probe probes[]; /* the last has no op */

#endif
