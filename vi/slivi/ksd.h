/* slivi/ksd.h - is this a sample of that density?  Tests by kernels.

   The kernel Stein discrepancy of x_1..x_n from a density p with score
   s = grad log p (Gorham and Mackey, "Measuring sample quality with kernels",
   2017), with the inverse multiquadric k(x, y) = (1 + |x - y|^2)^(-1/2):

     h(x, y) = s_x's_y k + s_x'grad_y k + s_y'grad_x k + tr grad_x grad_y k
             = s_x's_y D^(-1/2) + (r'(s_x - s_y) + d) D^(-3/2)
               - 3 |r|^2 D^(-5/2),      r = x - y, D = 1 + |r|^2,

   as U = 1 / (n (n - 1)) sum_{i!=j} h_ij, which is 0 on average where x are
   independent draws of p, and V = 1 / n^2 sum_ij h_ij > 0.

   The maximum mean discrepancy of pairs (x_i, y_i), independent of each other,
   with the same kernel:

     h((x, y), (x', y')) = k(x, x') + k(y, y') - k(x, y') - k(x', y),

   0 on average where x and y have one law.

   How large U is for exact draws, signs tell: the law of
   1 / (n (n - 1)) sum_{i!=j} e_i e_j h_ij, e_i = +-1 with equal odds, is that
   of U under the hypothesis, for h of pairs that can be exchanged exactly so
   (e_i exchanges x_i and y_i) and else as n grows (wild bootstrap: Leucht and
   Neumann, "Dependent wild bootstrap for degenerate U- and V-statistics",
   2013).

   UNSTABLE until 1.0.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_KSD_H
#define SLIVI_KSD_H

#include "slivi/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slivi_ksd_report {
    double u, v;  /* the two statistics */
    double level; /* which u exceeds for exact draws with probability alpha */
    double p;     /* share of the signs that give as much as u, and u itself */
} slivi_ksd_report;

typedef struct slivi_ksd slivi_ksd;

/* Memory for up to `rows` (2 to 32768) points of d (1 to 65536) columns and
   `repeats` (1 to 2^20) draws of signs: rows^2 doubles and more.  NULL with
   SLIVI_EINVAL, SLIVI_EOVERFLOW or SLIVI_ENOMEM. */
slivi_ksd *slivi_ksd_create(size_t rows, size_t d, size_t repeats);
void slivi_ksd_free(slivi_ksd *ws); /* NULL is fine */

/* x and score, or x and y: n x d, 2 <= n <= rows.  l (d x d), unless NULL: a
   lower triangular L; distances are then those of L^-1 x, whose score is
   L's.  alpha in (0, 1).  (d + repeats) n^2 operations; nothing is allocated.
   SLIVI_EINVAL, SLIVI_ENONFINITE. */
int slivi_ksd_stein(slivi_ksd *ws, size_t n, const double *x,
                    const double *score, const double *l, double alpha,
                    uint64_t seed, slivi_ksd_report *out);
int slivi_ksd_pairs(slivi_ksd *ws, size_t n, const double *x, const double *y,
                    const double *l, double alpha, uint64_t seed,
                    slivi_ksd_report *out);

#ifdef __cplusplus
}
#endif
#endif
