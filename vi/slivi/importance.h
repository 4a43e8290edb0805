/* slivi/importance.h - the evidence log int p(x, z) dz by importance sampling
   with fitted proposals.

   For each start a Student-t proposal with full covariance is fitted to
   p(z|x) by rounds of tempered, weighted moment matching, in which the draws of
   the latest rounds are weighed together.  They are not used again: the
   estimate takes fresh draws from

     q = (1 - share) mean_k t_nu(z; m_k, S_k) + share N(z; 0, I),

   stratified over the components: each has a fixed number of the draws, at
   least one, and in q the weight of a component is its part of the draws.  So
   E[exp(log_evidence)] is exactly the evidence, and log_evidence a lower bound
   on average, whatever the fit is worth.

   What it cannot see: a mode that no component of q reaches is missing from
   log_evidence, and from se and ess, which then look good.  Hence starts of
   several kinds, and the share of the prior.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_IMPORTANCE_H
#define SLIVI_IMPORTANCE_H

#include "slivi/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* lp[i] = log p(x, z_i) for rows z_i (n x d); -infinity is allowed, NaN and
   +infinity are not.  Nonzero fails.  A call has at most SLIVI_IMPORTANCE_ROWS
   or round_draws rows, whichever is larger. */
typedef int slivi_log_joint(size_t n, size_t d, const double *z, double *lp,
                            void *ctx);

enum {
    SLIVI_IMPORTANCE_ROWS = 512, /* rows of a call for the estimate */
    SLIVI_IMPORTANCE_STARTS = 8  /* most starts of an estimate */
};

typedef struct slivi_importance {
    size_t draws;       /* of the estimate, >= 2 and one for each component of
                           q; default 2000 */
    size_t rounds;      /* of fitting for each start, at most; default 12.  A
                           fit ends sooner when two rounds in a row needed no
                           tempering.  0: the moments of the starts serve */
    size_t round_draws; /* in each, >= 2; default 256.  The defaults suit d up
                           to 16; d = 32 wants 12 rounds of 1024 or so: look
                           at the ess */
    double dof;         /* nu >= 1, default 7 */
    double share;       /* of the prior, 0..1, default 0.05; with 1 there is
                           nothing to fit */
    uint64_t seed;
    uint64_t step; /* address of the draws: distinct for distinct images;
                      < 2^48 */
} slivi_importance;

slivi_importance slivi_importance_default(void);

typedef struct slivi_evidence {
    double log_evidence;
    double se;  /* standard error of log_evidence (delta method); it ignores
                   the stratification, so it errs on the large side */
    double ess; /* effective number of the final draws, 1..draws */
    double weight_max; /* largest share of one draw in the sum */
} slivi_evidence;

typedef struct slivi_importance_workspace slivi_importance_workspace;

/* Workspace for dimension d and up to these numbers of draws and round_draws.
   Distinct workspaces may be used by distinct threads. */
slivi_importance_workspace *
slivi_importance_workspace_create(const slivi_importance *how, size_t d);
void slivi_importance_workspace_free(slivi_importance_workspace *ws);

/* The prior N(0, I) over z must be part of log_joint.  `starts` sets (1 to
   SLIVI_IMPORTANCE_STARTS) of `count` >= 2 draws each (starts x count x d):
   the moments of a set are where a fit starts, e.g. draws of an encoder, and
   draws of the prior.  The draws of the estimate depend on seed and step, not
   on what the fits did.  Where all weights are zero the estimate is -infinity,
   its se infinite, ess and weight_max 0.  On failure *out is as it was.
   Allocates nothing. */
int slivi_importance_evidence(slivi_importance_workspace *ws,
                              slivi_log_joint *log_joint, void *ctx,
                              size_t starts, size_t count, const double *draws,
                              const slivi_importance *how, slivi_evidence *out);

/* The same with fits that start at given moments: means (starts x d) and
   covariances (starts x d x d, of which lower triangles are read), e.g. of
   Gaussians at modes of p(z|x); with rounds 0 the fits are these.  log_mass
   (starts), unless NULL, tells the log of how much of the evidence is thought
   to lie with each start, up to a constant: then a fifth of the fits' draws is
   shared out evenly among them and the rest by mass. */
int slivi_importance_evidence_at(slivi_importance_workspace *ws,
                                 slivi_log_joint *log_joint, void *ctx,
                                 size_t starts, const double *means,
                                 const double *covs, const double *log_mass,
                                 const slivi_importance *how,
                                 slivi_evidence *out);

#ifdef __cplusplus
}
#endif
#endif
