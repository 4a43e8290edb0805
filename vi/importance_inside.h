/* importance_inside.h - what fitting of proposals and the estimate share.
   Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_IMPORTANCE_INSIDE_H
#define SLIVI_IMPORTANCE_INSIDE_H

#include "proposal.h"
#include "slivi/importance.h"

#include <gsl/gsl_rng.h>

/* Rounds whose draws a fit weighs together, at most. */
enum { SLIVI__WINDOW = 8 };

/* A round of fitting: its proposal and its draws. */
typedef struct slivi__trial {
    slivi__proposal proposal;
    double *z;                    /* round_draws x d */
    double *lp;                   /* round_draws, log joint */
    double *log_q[SLIVI__WINDOW]; /* round_draws each, log density of trial t */
} slivi__trial;

struct slivi_importance_workspace {
    size_t d, draws, round_draws;
    slivi__proposal fit[SLIVI_IMPORTANCE_STARTS];
    slivi__trial trial[SLIVI__WINDOW];
    double *memory; /* of all that follows and of the above */
    double *match;  /* d (d + 1), scratch */
    double *u;      /* rows x d, standardised draws */
    double *z;      /* ROWS x d */
    double *lw;     /* rows, log weights */
    double *w;      /* rows, tempered weights */
    gsl_rng chisq;  /* its state is owned */
};

/* Where fits start: sets of `count` draws each, or means, covariances and how
   much of the posterior is there. */
typedef struct slivi__starts {
    size_t starts, count;
    const double *draws;
    const double *means, *covs, *log_mass;
} slivi__starts;

/* One estimate. */
typedef struct slivi__estimate {
    slivi_importance_workspace *ws;
    slivi_log_joint *log_joint;
    void *ctx;
    const slivi_importance *how;
    const slivi__starts *from;
} slivi__estimate;

/* What a sequence of chi-squares serves: the estimate's must not be one that
   the fits have seen. */
enum slivi__purpose { SLIVI__FITTING, SLIVI__ESTIMATE };

void slivi__importance_seed(slivi__estimate *job, enum slivi__purpose purpose);
/* Rows of standard normal draws, from number `row` on, to ws->u. */
void slivi__importance_normal(slivi__estimate *job, size_t row, size_t n);
/* u normal becomes z from p: t_nu is a normal over sqrt(chi^2_nu / nu). */
void slivi__importance_place(slivi__estimate *job, const slivi__proposal *p,
                             const double *u, double *z);
/* lp = log p(x, z); `what` names the draws. */
int slivi__importance_evaluate(slivi__estimate *job, size_t n, const double *z,
                               double *lp, const char *what);

/* Fits the proposal of start k. */
int slivi__importance_fit(slivi__estimate *job, size_t k);

#endif
