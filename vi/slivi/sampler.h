/* slivi/sampler.h - Hamiltonian Monte Carlo as a whole run: several chains,
   warm-up, draws, and whether to believe them.

   Warm-up finds a step size by dual averaging (Hoffman and Gelman, "The
   no-U-turn sampler", 2014, section 3.2) and a diagonal metric from the
   chains' variances in windows that double, as Stan's warm-up has them (75
   transitions for the step size alone, windows from 25 on, 50 at the end); both
   are shared by all chains and then frozen.  The starts' variances are the
   first guess of the metric.  A transition's trajectory has time `length` in
   units of the metric (of the sds), jittered from transition to transition and
   from chain to chain so that no coordinate is caught in a period.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_SAMPLER_H
#define SLIVI_SAMPLER_H

#include "slivi/hmc.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slivi_sampler {
    size_t chains;    /* >= 1, default 8 */
    size_t warmup;    /* transitions of each chain that are thrown away, 1000 */
    size_t draws;     /* of each chain that are kept, 1000 */
    size_t thin;      /* transitions for each draw, 1 */
    double accept;    /* aim of dual averaging, in (0, 1), 0.8 */
    double length;    /* of a trajectory, in units of the metric, 2; more for
                      strong correlations */
    size_t leapfrogs; /* of a trajectory at most, 512 */
    uint64_t seed;
} slivi_sampler;

slivi_sampler slivi_sampler_default(void);

typedef struct slivi_sampler_report {
    double eps;         /* step size after warm-up */
    double accept;      /* mean probability of acceptance of the draws' */
    uint64_t lost;      /* trajectories, after warm-up, that met what is not
                           finite or an error of energy above 690, where the
                           probability of acceptance is below 1e-300 */
    uint64_t gradients; /* points evaluated in all */
    double rhat;        /* largest over coordinates, NaN where one is */
    double ess;         /* smallest over coordinates, bulk, of all draws; NaN,
                           as rhat, for fewer than 4 draws */
    size_t worst;       /* the coordinate of the largest rhat */
} slivi_sampler_report;

/* starts: chains x d, where the density is not zero, else SLIVI_EINVAL;
   overdispersed ones, or rhat means little.  draws: chains x draws x d, chain
   by chain.  mass (d), unless NULL, receives the metric: the inverse of the
   variances.  out may be NULL.  The same seed gives the same draws, and more
   draws begin with the fewer.  stop, unless NULL, is asked after every
   transition with the number of those done: nonzero ends the run with
   SLIVI_ECALLBACK.  After a failure what is in draws is of no use. */
int slivi_sample(const slivi_sampler *how, slivi_log_density *f, void *ctx,
                 size_t d, const double *starts, double *draws, double *mass,
                 int (*stop)(size_t transition, size_t of, void *ctx),
                 void *stop_ctx, slivi_sampler_report *out);

/* Of one quantity x in `chains` chains of n draws, entry i of chain c at
   x[(c n + i) stride]; n >= 4.  The larger of rank-normalised split R-hat and
   that of folded draws; the effective sample size of rank-normalised split
   chains with Geyer's initial monotone sequence (Vehtari, Gelman, Simpson,
   Carpenter and Buerkner, "Rank-normalization, folding, and localization",
   2021; at most N log10 N of N draws); and of the mean itself, without ranks.
   A chain that does not move, or a value that is not finite, gives NaN. */
int slivi_rhat(size_t chains, size_t n, const double *x, size_t stride,
               double *rhat);
int slivi_ess_bulk(size_t chains, size_t n, const double *x, size_t stride,
                   double *ess);
int slivi_ess_mean(size_t chains, size_t n, const double *x, size_t stride,
                   double *ess);

/* Pareto smoothing of n >= 5 importance weights given by their logs (Vehtari,
   Simpson, Gelman, Yao and Gabry, "Pareto smoothed importance sampling", 2024;
   the fit of Zhang and Stephens, 2009).  lw is replaced by smoothed logs that
   are normalised to log sum exp 0; -infinity is allowed.  *k is the shape
   k-hat; *ess, unless NULL, 1 / sum w^2.  Where there is nothing to fit lw is
   normalised only: *k is +infinity where fewer than 5 weights make the tail (n
   below 25, or all of the weight in a few), and -infinity where the tail is
   level to 1e-8, as it is if all weights are equal. */
int slivi_psis(size_t n, double *lw, double *k, double *ess);

#ifdef __cplusplus
}
#endif
#endif
