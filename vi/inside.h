/* inside.h - what the samplers share.  Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_VI_INSIDE_H
#define SLIVI_VI_INSIDE_H

#include "slivi/hmc.h"
#include "slivi/importance.h"

/* log pi(x) = t f(x) - prior x'x / 2, up to a constant.  Chains keep f and its
   gradient, so t may change between transitions without asking for them. */
typedef struct slivi__target {
    slivi_log_density *f;
    void *ctx;
    const char *name; /* of f, for messages */
    double prior;     /* 0 or 1 */
    double t;
} slivi__target;

/* f and its gradient where the chains are. */
int slivi__hmc_evaluate(const slivi__target *target, slivi_chains *chains);
/* As slivi_hmc_move, with arguments that have been checked; chains with an f
   that is not finite stay. */
int slivi__hmc_move(slivi_hmc_workspace *ws, slivi_chains *chains,
                    const slivi__target *target, const slivi_hmc *how,
                    slivi_hmc_report *out);
int slivi__hmc_check_tuner(const slivi_hmc_tuner *tuner);

/* The mean of n weights, given by their logs, and what it is worth. */
slivi_evidence slivi__summarise(size_t n, const double *lw);

#endif
