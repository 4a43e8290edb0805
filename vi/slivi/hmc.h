/* slivi/hmc.h - Hamiltonian Monte Carlo on many chains at once (Neal, "MCMC
   using Hamiltonian dynamics", 2011).

   A transition at a log density lp, with a diagonal mass M:

     p ~ N(0, M)
     p += eps/2 grad lp(x)                                 half a kick
     x += eps p / M,  p += eps grad lp(x)                  `leapfrogs` times,
                                                           the last kick halved
     moves with probability min(1, exp(H before - H after)),
     H = p' M^-1 p / 2 - lp(x)

   which leaves exp(lp) as it is for any fixed eps and M.  The density and its
   gradient are asked for `leapfrogs` times in a transition: where a trajectory
   begins they are known.

   What is random depends on the address and on a chain's number only, so
   chains may be split among calls as one likes.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_HMC_H
#define SLIVI_HMC_H

#include "slivi/random.h"
#include "slivi/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* lp[i] = the log density at row i of x (n x d), up to a constant, and its
   gradient grad (n x d).  x is finite.  Values that are not finite are allowed
   but where chains start: a trajectory that meets one is rejected, which it
   would be in either direction.  Nonzero fails. */
typedef int slivi_log_density(size_t n, size_t d, const double *x, double *lp,
                              double *grad, void *ctx);

/* The chains of a call; the arrays are the caller's. */
typedef struct slivi_chains {
    size_t n, d;
    double *x;      /* n x d, where they are */
    double *lp;     /* n, log density there */
    double *grad;   /* n x d, its gradient there */
    double *accept; /* n, or NULL: the probability with which each moved */
} slivi_chains;

typedef struct slivi_hmc {
    size_t leapfrogs;   /* >= 1, default 9 */
    double eps;         /* step size, >= 0, default 0.01 */
    const double *each; /* n step sizes, one for each chain, instead of eps; or
                           NULL.  To keep the density they must not be chosen
                           by where the chains are */
    const double *mass; /* d diagonal entries of M, > 0; NULL: ones */
    slivi_address at;   /* of the draws: row is the number of the first chain,
                           step that of the transition; slice is ignored */
} slivi_hmc;

slivi_hmc slivi_hmc_default(void);

/* Of one transition. */
typedef struct slivi_hmc_report {
    size_t moved;  /* chains whose trajectory was accepted */
    size_t lost;   /* chains whose trajectory met what is not finite */
    double accept; /* mean of the probabilities of acceptance */
} slivi_hmc_report;

typedef struct slivi_hmc_workspace slivi_hmc_workspace;

/* Workspace for up to n chains in d dimensions.  Distinct workspaces may be
   used by distinct threads. */
slivi_hmc_workspace *slivi_hmc_workspace_create(size_t n, size_t d);
void slivi_hmc_workspace_free(slivi_hmc_workspace *ws);

/* Sets lp and grad at x; all three must be finite. */
int slivi_hmc_start(slivi_chains *chains, slivi_log_density *log_density,
                    void *ctx);

/* One transition of chains that were started, or moved before, at this
   density; *out may be NULL.  On failure the chains are as they were.
   Allocates nothing. */
int slivi_hmc_move(slivi_hmc_workspace *ws, slivi_chains *chains,
                   slivi_log_density *log_density, void *ctx,
                   const slivi_hmc *how, slivi_hmc_report *out);

/* The trajectory alone, of chains with momenta p (n x d), in place.  A chain
   that meets what is not finite stays where it last was, with lp NaN.
   Allocates nothing. */
int slivi_hmc_leapfrog(slivi_chains *chains, double *p,
                       slivi_log_density *log_density, void *ctx,
                       const slivi_hmc *how);

/* Step sizes led by acceptance, for a warm-up: what adapts for ever does not
   quite leave the density as it is.  The defaults are those of Song, Garg, Shi
   and Ermon, "Sliced score matching", 2019, after Wu, Burda, Salakhutdinov and
   Grosse, 2017 (see slivi/ais.h). */
typedef struct slivi_hmc_tuner {
    double eps;    /* default 0.01, the step size to use next */
    double rate;   /* default 0.65, running share of the chains that moved */
    double target; /* 0.65 */
    double memory; /* 0.9 */
    double up;     /* 1.02 */
    double down;   /* 0.98 */
    double least;  /* 1e-4 */
    double most;   /* 0.5 */
} slivi_hmc_tuner;

slivi_hmc_tuner slivi_hmc_tuner_default(void);

/* After a transition in which the share `moved` of the chains moved: eps is
   multiplied by up when the rate, as it was before, exceeds the target, else by
   down, and held within least..most; then rate = memory rate + (1 - memory)
   moved. */
void slivi_hmc_tune(slivi_hmc_tuner *tuner, double moved);

#ifdef __cplusplus
}
#endif
#endif
