/* verify.h - the direct steps against the library's, before any is timed.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_VERIFY_H
#define BENCH_VERIFY_H

#include "subject.h"

/* Relative differences, the worst of some steps. */
typedef struct verdict {
    double loss;     /* of a loss */
    double gradient; /* |difference| / |gradient|, Euclidean */
    double entry;    /* the largest difference of an entry / |gradient| */
    double update;   /* of an entry that moved by the optimiser / the move */
} verdict;

/* Both take the same steps from the same parameters with `threads` threads.
   A status < 0 when one of them could not be run. */
int verify_shape(const shape *s, size_t threads, const images *im, verdict *v);

enum { VERIFY_STEPS = 3 };
#define VERIFY_BOUND 1e-4 /* on loss, gradient and entry */

int verdict_holds(const verdict *v);

#endif
