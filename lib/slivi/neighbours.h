/* slivi/neighbours.h - how far samples are from other samples, by distances
   between points: energy distance, nearest neighbours, Kullback-Leibler
   divergence, Wasserstein distance on a line.

   For z (n x d, from p) and y (m x d, from q), with |.| the Euclidean norm.

   The squared energy distance (Szekely and Rizzo, "Energy statistics", 2013),

     2 / (n m) sum_ij |z_i - y_j| - 1 / n^2 sum_ij |z_i - z_j|
                                  - 1 / m^2 sum_ij |y_i - y_j|,

   is >= 0, and above 0 also for samples of one law; with n (n - 1) and
   m (m - 1) in place of the squares it is then 0 on average.

   KL(p || q) by k-th nearest neighbours (Wang, Kulkarni and Verdu,
   "Divergence estimation for multidimensional densities via k-nearest-neighbor
   distances", 2009, equation 5): with rho_i the distance of z_i from the k-th
   nearest other z and nu_i that from the k-th nearest y,

     d / n sum_i log(nu_i / rho_i) + log(m / (n - 1)).

   A larger k has less variance and more bias.  Neither is exact: what a figure
   means, that of two exact samples of the same sizes tells.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_NEIGHBOURS_H
#define SLIVI_NEIGHBOURS_H

#include "slivi/pool.h"
#include "slivi/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SLIVI_NEIGHBOURS_K = 5, SLIVI_NEIGHBOURS_MOST = 64 }; /* of k */

typedef struct slivi_neighbours slivi_neighbours;

/* Memory for samples of up to `rows` rows (1 to 2^31) of d columns (1 to
   65536), on this pool (NULL: in the caller alone).  One thread uses it at a
   time.  NULL with SLIVI_EINVAL, SLIVI_EOVERFLOW or SLIVI_ENOMEM. */
slivi_neighbours *slivi_neighbours_create(size_t rows, size_t d,
                                          slivi_pool *pool);
void slivi_neighbours_free(slivi_neighbours *ws); /* NULL is fine */

/* The calls below allocate nothing, and have the same bits on any number of
   threads.  Samples are row-major and finite.  SLIVI_EINVAL is a size or
   number out of range, SLIVI_ENONFINITE an entry that is not finite or beyond
   1e140; then nothing was written. */

typedef struct slivi_energy {
    double v; /* with pairs i = j: >= 0 */
    double u; /* without them: unbiased */
} slivi_energy;

/* n, m from 2.  d (n + m)^2 / 2 operations and more. */
int slivi_energy_distance(slivi_neighbours *ws, size_t n, const double *z,
                          size_t m, const double *y, slivi_energy *out);

/* distance[i] (n) <- from z_i to its k-th nearest y; y NULL (m is not looked
   at): to the k-th nearest other z.  1 <= k <= 64 and at most m, or n - 1.
   d n m operations. */
int slivi_nearest(slivi_neighbours *ws, size_t n, const double *z, size_t m,
                  const double *y, size_t k, double *distance);

/* SLIVI_EUNSUPPORTED names a z at which k others, or k of y, lie on the same
   point: these are no draws of densities. */
int slivi_nearest_kl(slivi_neighbours *ws, size_t n, const double *z, size_t m,
                     const double *y, size_t k, double *kl);

/* W_1 on a line: *w <- int |F^-1 - G^-1| of n values z and m values y, entry i
   of z at z[i stride_z], strides and numbers from 1. */
int slivi_wasserstein_1(slivi_neighbours *ws, size_t n, const double *z,
                        size_t stride_z, size_t m, const double *y,
                        size_t stride_y, double *w);

#ifdef __cplusplus
}
#endif
#endif
