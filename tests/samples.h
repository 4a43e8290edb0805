/* samples.h - what tests of estimators share: samples of densities whose
   score is known, and an estimator made and evaluated.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_SAMPLES_H
#define SLIVI_SAMPLES_H

#include "slivi/score.h"

#include <stdint.h>

/* n x d draws of N(0, 1). */
void samples_normal(uint64_t seed, size_t n, size_t d, double *out);

/* N(-a, I)/2 + N(a, I)/2 in the plane, a = (1.5, 1), with its score. */
void samples_mixture(uint64_t seed, size_t n, double *z, double *score);

/* z|c ~ N(B c + turn, S), c ~ N(0, I): 3 columns of c, 2 of z.  The scores of
   z given c, and of z alone for turn 0. */
extern const double samples_b[2][3]; /* B */
extern const double samples_var[2];  /* diagonal of S */
void samples_linear(uint64_t seed, size_t n, double turn, double *c, double *z,
                    double *conditional, double *marginal);

/* Sum |a - b|^2 / sum |b|^2: the relative Fisher error of a against b. */
double samples_error(size_t n, const double *a, const double *b);

/* An estimator with options, name and value in turn, up to NULL. */
slivi_score *samples_estimator(const char *name, size_t dim, size_t context,
                               const char *const *options);
void samples_eval(const slivi_score *s, const double *z, const double *ctx,
                  size_t n, double *out);

#endif
