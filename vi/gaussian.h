/* gaussian.h - the Gaussian N(m, L L') nearest to a density p(z) whose gradient
   is known.  Private to slivi.

   It maximises the bound E_q[log p - log q] <= log int p, where (Opper and
   Archambeau, "The variational Gaussian approximation revisited", 2009)

     E_q[grad log p] = 0,   (L L')^-1 = -E_q[Hessian of log p].

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_GAUSSIAN_H
#define SLIVI_GAUSSIAN_H

#include "slivi/hmc.h"

#include <stdint.h>

typedef struct slivi__gaussian slivi__gaussian;

/* For d dimensions and rounds of n draws, n even. */
slivi__gaussian *slivi__gaussian_create(size_t d, size_t n);
void slivi__gaussian_free(slivi__gaussian *w);          /* NULL is fine */
size_t slivi__gaussian_draws(const slivi__gaussian *w); /* n */

/* Improves mean (d) and covariance (d x d, symmetric) by rounds at fresh draws
   of address (seed, step); those with the highest bound stay, and *bound is
   an estimate of theirs, -infinity if log p was finite nowhere.  log p may be
   what it likes there; a failure of the callback is one.  Allocates nothing;
   call between slivi__blas_enter and slivi__blas_leave. */
int slivi__gaussian_fit(slivi__gaussian *w, slivi_log_density *log_p, void *ctx,
                        size_t rounds, uint64_t seed, uint64_t step,
                        double *mean, double *cov, double *bound);

#endif
