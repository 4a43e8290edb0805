/* optimizer.h - the tables of optimisers and schedules, and the loops over a
   flat gradient in both precisions.  Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_LEARN_OPTIMIZER_H
#define SLIVI_LEARN_OPTIMIZER_H

#include "learn/params.h"

enum { SLIVI__STATES = 2 };

/* One update of all parameters. */
typedef struct slivi__update {
    const slivi_learning *how;
    size_t n, t; /* entries; steps taken before */
    double rate;
    double scale; /* on the gradient, from clipping */
    const void *gradient;
    void *values, *state[SLIVI__STATES]; /* of n entries; state may be NULL */
} slivi__update;

typedef void slivi__update_loop(const slivi__update *u);

typedef struct slivi__optimizer {
    const char *name;
    const char *state[SLIVI__STATES]; /* names of its vectors, or NULL */
    int needs[SLIVI__STATES];         /* 1: only where momentum is not 0 */
    slivi__update_loop *loop[2];      /* by precision */
} slivi__optimizer;

typedef struct slivi__schedule {
    const char *name;
    int needs_steps;
    double (*factor)(double progress); /* progress from 0 to 1 */
} slivi__schedule;

/* NULL with a message when there is none of that name. */
const slivi__optimizer *slivi__optimizer_find(const char *name);
const slivi__schedule *slivi__schedule_find(const char *name);

/* Whether the optimiser keeps its vector k with these options. */
int slivi__optimizer_keeps(const slivi__optimizer *o, size_t k,
                           const slivi_learning *how);

/* The loops, by precision: see update.inc. */
slivi__update_loop slivi__momentum_f32, slivi__momentum_f64;
slivi__update_loop slivi__rmsprop_f32, slivi__rmsprop_f64;
slivi__update_loop slivi__adam_f32, slivi__adam_f64;
/* Sum of (c g_i)^2 in double, in an order that n alone fixes. */
double slivi__sum_squares_f32(const void *gradient, size_t n, double c);
double slivi__sum_squares_f64(const void *gradient, size_t n, double c);
/* average <- b average + (1-b) values */
void slivi__average_f32(void *average, const void *values, size_t n, double b);
void slivi__average_f64(void *average, const void *values, size_t n, double b);

#endif
