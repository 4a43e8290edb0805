/* optimizer.h - the tables of optimisers and schedules.  Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_LEARN_OPTIMIZER_H
#define SLIVI_LEARN_OPTIMIZER_H

#include "kernel/isa.h"
#include "kernel/update.h"
#include "learn/params.h"

typedef struct slivi__optimizer {
    const char *name;
    const char *state[SLIVI__STATES]; /* names of its vectors, or NULL */
    int needs[SLIVI__STATES];         /* 1: only where momentum is not 0 */
    void (*update)(const slivi__kernels *k, const slivi__update *u);
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

#endif
