/* slivi/discrepancy.h - how far samples are from a prior, or from other
   samples.

   The maximum mean discrepancy of z (n x d) and y (m x d), as an unbiased
   estimate of its square, with the kernel of Tolstikhin, Bousquet, Gelly and
   Schoelkopf ("Wasserstein auto-encoders", 2018):

     MMD^2 = 1 / (n (n-1)) sum_{i!=j} k(z_i, z_j)
             + 1 / (m (m-1)) sum_{i!=j} k(y_i, y_j)
             - 2 / (n m) sum_ij k(z_i, y_j),

     k(x, y) = sum_s C_s / (C_s + |x - y|^2),   C_s = 2 d sd^2 s,
     s in {0.1, 0.2, 0.5, 1, 2, 5, 10}.

   It is 0 on average, and often below 0, where z and y have one law.

   The sliced Wasserstein distance W_2 of z from N(0, I) or from y: the root of
   the mean, over directions v that are uniform on the unit sphere, of the
   squared W_2 of the n projections v'z_i.  From N(0, 1) that of the sorted
   t_1..t_n is exact,

     sum_i int_{(i-1)/n}^{i/n} (t_i - Phi^-1(u))^2 du,

   so no draws of the prior are needed.  It is above 0 also for exact draws.

   What a figure means, the same figure of exact draws tells: the floors below.

       slivi_discrepancy_workspace *ws =
           slivi_discrepancy_workspace_create(n, d, NULL);
       slivi_sliced_wasserstein(ws, n, z, NULL, 100, seed, &w);
       slivi_sliced_wasserstein_floor(ws, n, 1, 100, seed, 10, &floor);

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_DISCREPANCY_H
#define SLIVI_DISCREPANCY_H

#include "slivi/pool.h"
#include "slivi/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slivi_discrepancy_workspace slivi_discrepancy_workspace;

/* Memory for samples of up to `rows` rows of d columns (both at least 1), on
   this pool (NULL: in the caller alone).  One thread uses it at a time.  NULL
   with SLIVI_EINVAL, SLIVI_EOVERFLOW or SLIVI_ENOMEM. */
slivi_discrepancy_workspace *
slivi_discrepancy_workspace_create(size_t rows, size_t d, slivi_pool *pool);
void slivi_discrepancy_workspace_free(slivi_discrepancy_workspace *ws);

/* The calls below allocate nothing, and have the same bits on any number of
   threads.  Samples are row-major.  SLIVI_EINVAL is a size or number out of
   range, SLIVI_ENONFINITE an entry that is not finite or beyond 1e140; then
   nothing was written. */

/* *mmd2 <- the estimate above of MMD^2, for n and m from 2, sd in 1e-60..1e60:
   the prior's, of each column.  grad, n x d, is its gradient with respect to z
   unless NULL; it must not overlap z or y.  d (n^2 + m^2 + 2 n m) / 2
   operations and more, with grad half as many again; so for the gradient alone
   fewer y are cheaper. */
int slivi_mmd(slivi_discrepancy_workspace *ws, size_t n, const double *z,
              size_t m, const double *y, double sd, double *mmd2, double *grad);

/* *w <- W_2 of z from N(0, I), or where y is not NULL from y, n x d as z, n
   from 1, by so many directions (1 to 2^32 - 1), which the seed tells; at the
   same seed two calls use the same ones. */
int slivi_sliced_wasserstein(slivi_discrepancy_workspace *ws, size_t n,
                             const double *z, const double *y,
                             size_t directions, uint64_t seed, double *w);

/* The root mean square of `repeats` (1 to 2^32) values of the above where z,
   and y, are independent draws of N(0, sd^2 I), other ones each time.  For
   MMD^2, whose mean is then 0, this is its standard error under the hypothesis
   that z has the prior's law. */
int slivi_mmd_floor(slivi_discrepancy_workspace *ws, size_t n, size_t m,
                    double sd, uint64_t seed, size_t repeats, double *rms);

/* As above with these directions; clouds 1: of z from N(0, I), 2: of z from a
   y. */
int slivi_sliced_wasserstein_floor(slivi_discrepancy_workspace *ws, size_t n,
                                   int clouds, size_t directions, uint64_t seed,
                                   size_t repeats, double *rms);

#ifdef __cplusplus
}
#endif
#endif
