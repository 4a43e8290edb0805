/* posteriors.h - what tests of posteriors share: targets that are known, one
   way to make a posterior, and the affine map that its draws show.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TEST_POSTERIORS_H
#define SLIVI_TEST_POSTERIORS_H

#include "posterior_inside.h"

enum { POSTERIORS_MOST = 4 }; /* dimensions */

/* N(mean + slope c, precision^-1), normalised; slope counts with a context of
   one column only. */
typedef struct posteriors_normal {
    size_t d;
    double mean[POSTERIORS_MOST], slope[POSTERIORS_MOST];
    double precision[POSTERIORS_MOST * POSTERIORS_MOST];
} posteriors_normal;

/* d = 2: sds, mean of either, correlation. */
posteriors_normal posteriors_plane(double sd1, double sd2, double mean,
                                   double rho);
int posteriors_log_normal(size_t n, size_t d, const double *x, double *lp,
                          double *grad, void *ctx);
int posteriors_log_given(size_t n, size_t d, const double *x, size_t k,
                         const double *c, double *lp, double *grad, void *ctx);
slivi_target *posteriors_target(posteriors_normal *p);    /* without contexts */
slivi_target *posteriors_amortised(posteriors_normal *p); /* k = 1 */

/* A banana, x1 ~ N(0, 2), x2 | x1 ~ N(x1^2 / 4, 1/2), variances, normalised. */
int posteriors_banana(size_t n, size_t d, const double *x, double *lp,
                      double *grad, void *ctx);

/* Options: name, text, name, text, ..., NULL; or NULL. */
slivi_posterior *posteriors_make(const char *family, slivi_target *t,
                                 const char *const *options);
/* The same, ready, with parameters and whitening that are all nontrivial: as
   after a fit. */
slivi_posterior *posteriors_bent(const char *family, slivi_target *t,
                                 const char *const *options, double size);
/* A fit that must succeed. */
slivi_posterior_progress posteriors_fit(slivi_posterior *q, const double *c,
                                        size_t rows);
/* 1 where draws of both have the same bits. */
int posteriors_same(slivi_posterior *a, slivi_posterior *b);

/* Every family with sources that have a state, small enough for a fit of 24
   steps, with looks every 8, to take no time. */
typedef struct posteriors_kind {
    const char *family, *entropy;
    int amortised;
} posteriors_kind;
enum { POSTERIORS_KINDS = 11, POSTERIORS_ROWS = 5 };
extern const posteriors_kind posteriors_kinds[POSTERIORS_KINDS];
extern const double posteriors_contexts[POSTERIORS_ROWS];
/* The target, one for all kinds but for the contexts. */
slivi_target *posteriors_of_kind(int kind);
slivi_posterior *posteriors_small(int kind, slivi_target *t,
                                  const char *const *options);
slivi_posterior_progress posteriors_fit_small(int kind, slivi_posterior *q);

/* An affine map w = a + T x. */
typedef struct posteriors_affine {
    double a[POSTERIORS_MOST], t[POSTERIORS_MOST * POSTERIORS_MOST];
} posteriors_affine;
/* The one of draws with context c (k numbers) from x, u or h: found from
   draws, which all must be on it.  f64. */
posteriors_affine posteriors_map(slivi_posterior *q, const double *c);

/* KL(N(m + L a, L T T' L') || p at context c), L and m of q. */
double posteriors_kl(const slivi_posterior *q, const posteriors_affine *f,
                     const posteriors_normal *p, double c);
/* log |det a| of a d x d matrix */
double posteriors_log_det(size_t d, const double *a);
/* b <- a^-1 b with pivots; a stays. */
void posteriors_solve(size_t d, const double *a, double *b);

/* Mean and sd of column j of n rows. */
void posteriors_moments(size_t n, size_t d, const double *z, size_t j,
                        double *mean, double *sd);

#endif
