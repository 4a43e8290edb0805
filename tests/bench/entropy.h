/* entropy.h - gradients of an entropy that is known, by score estimators.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_ENTROPY_H
#define BENCH_ENTROPY_H

#include <jansson.h>

/* Adds a row for each estimator, number of slices, number of samples and
   dimension to `rows`, and prints it. */
int entropy_measure(json_t *rows);

#endif
