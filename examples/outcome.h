/* outcome.h - what a fitted posterior is worth: draws, weights, a verdict, and
   how they compare with a reference.

   Functions that can fail complain and return an exit code.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include "inference.h"
#include "reference.h"
#include "table.h"

#include <slivi/verdict.h>

typedef struct outcome {
    size_t n, d, columns; /* draws, their dimension inside and outside */
    double *z;            /* n x d */
    double *theta;        /* n x columns */
    double *weights;      /* n that sum to 1; NULL: q has no density */
    double *moved;        /* moved_count x columns, after HMC; NULL: none */
    double *mean, *sd;    /* after HMC, by the verdict */
    size_t moved_count;
    const char **names;     /* of the columns, the target's */
    slivi_verdict *verdict; /* NULL: not asked for */
    table table;
} outcome;

/* Draws, weighs and judges; fills the result and writes draws.csv and
   draws.npy.  Clear it in any case. */
int outcome_make(outcome *o, const inference *r, reference *ref,
                 json_t *result);
void outcome_clear(outcome *o);

#endif
