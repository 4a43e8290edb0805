/* kernels.h - what tests of kernel estimators share: the formulas in
   long double, word for word, and estimators made and called.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_KERNELS_H
#define SLIVI_KERNELS_H

#include "slivi/kernelscore.h"

#include <stdint.h>

/* ---- formulas ----------------------------------------------------------- */

enum { KERNELS_MOST = 20, KERNELS_WIDE = 4 }; /* samples and columns */

typedef long double kernels_real;
typedef struct kernels_reference {
    size_t m, d, used; /* used: eigenvalues of the last ssge */
    kernels_real w2, z[KERNELS_MOST][KERNELS_WIDE];
    kernels_real k[KERNELS_MOST][KERNELS_MOST];
} kernels_reference;

/* All m^2 distances are sorted; width 0 takes number floor(m^2 / 2). */
kernels_reference kernels_refer(size_t m, size_t d, const double *z,
                                double width);
/* Component c of the gradient of k(x, y) by y. */
kernels_real kernels_slope(const kernels_reference *r, const kernels_real *x,
                           const kernels_real *y, size_t c);
/* g <- -(K + eta I)^-1 <grad, K> */
void kernels_stein(const kernels_reference *r, kernels_real eta,
                   kernels_real g[KERNELS_MOST][KERNELS_WIDE]);
/* s(x) = sum_j b_j psi_j(x), each of them by its own definition. */
void kernels_ssge(kernels_reference *r, double share, const kernels_real *x,
                  kernels_real *s);

/* ---- estimators --------------------------------------------------------- */

typedef struct kernels_estimator {
    slivi_kernelscore *s;
    slivi_kernelscore_workspace *ws;
} kernels_estimator;

kernels_estimator kernels_make_with(const char *name,
                                    slivi_kernelscore_options how, size_t m,
                                    size_t d, size_t fits, slivi_pool *pool);
/* 0 is stein, 1 is ssge. */
kernels_estimator kernels_make(int method, size_t m, size_t d, size_t fits);
void kernels_drop(kernels_estimator e);
/* Scores at the samples, and at n points after a fit. */
void kernels_samples(kernels_estimator e, size_t groups, size_t m,
                     const double *z, double *out);
void kernels_points(kernels_estimator e, size_t groups, size_t m,
                    const double *z, size_t n, const double *x, double *out);

/* |a - b| <= most max |b|, or 1e-14 */
void kernels_near(size_t n, const double *a, const double *b, double most);

/* Samples and points of a group, for tests that do not care. */
enum { KERNELS_GROUP = 37, KERNELS_COLUMNS = 3, KERNELS_POINTS = 70 };

/* n draws with so few bits that they can be shifted without rounding. */
void kernels_draw(uint64_t seed, size_t n, double *z);

#endif
