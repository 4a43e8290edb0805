/* targets_inside.h - what the targets with names share.  Private to slivi.

   Each has a function that makes it, of the type of slivi_target_entry's
   create, and where they are known one for exact draws.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TARGETS_INSIDE_H
#define SLIVI_TARGETS_INSIDE_H

#include "base/base.h"
#include "slivi/targets.h"

/* X(name): slivi__create_NAME */
#define SLIVI__TARGETS(X)                                                      \
    X(banana)                                                                  \
    X(x_shaped)                                                                \
    X(multimodal)                                                              \
    X(four_modes)                                                              \
    X(funnel)                                                                  \
    X(gaussian)                                                                \
    X(logistic)                                                                \
    X(eight_schools)                                                           \
    X(kidiq)                                                                   \
    X(sblri)                                                                   \
    X(arK)                                                                     \
    X(garch)                                                                   \
    X(low_dim_gauss_mix)                                                       \
    X(diffusion)

#define SLIVI__TARGET_CREATE(name)                                             \
    slivi_target *slivi__create_##name(const char *data, size_t batch,         \
                                       uint64_t seed);
SLIVI__TARGETS(SLIVI__TARGET_CREATE)
#undef SLIVI__TARGET_CREATE

int slivi__exact_banana(size_t n, uint64_t seed, double *draws);
int slivi__exact_x_shaped(size_t n, uint64_t seed, double *draws);
int slivi__exact_multimodal(size_t n, uint64_t seed, double *draws);
int slivi__exact_four_modes(size_t n, uint64_t seed, double *draws);
int slivi__exact_funnel(size_t n, uint64_t seed, double *draws);
int slivi__exact_gaussian(size_t n, uint64_t seed, double *draws);

/* t, which frees the model from now on; NULL, and the model is freed, where
   there is no t. */
slivi_target *slivi__target_keep(slivi_target *t, void *model);

/* lp; where sums overflowed on their way to log 0 and are no number, that. */
double slivi__settled(double lp);

/* Sums over rows z (rows x d) at n points x, whose rows are ldx apart:

     lp_i = sum_r log(1 + exp(z_r'x_i)),  its gradient in x (n x d, ldg apart)

   over the m rows index[0..m-1], or where index is NULL rows 0..m-1. */
void slivi__softplus_sum(size_t n, size_t d, const double *x, size_t ldx,
                         size_t m, const size_t *index, const double *z,
                         double *lp, double *grad, size_t ldg);

#endif
