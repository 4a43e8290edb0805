/* evidence.h - what tests of evidences share: joint densities p(x, z) whose
   evidence is known.  They have the type slivi_log_joint.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TEST_EVIDENCE_H
#define SLIVI_TEST_EVIDENCE_H

#include "slivi/importance.h"

#include <stddef.h>
#include <stdint.h>

/* n x d standard normal draws, others for each stream and step. */
void evidence_draw(uint32_t stream, uint64_t step, size_t n, size_t d,
                   double *out);
/* log N(z; mean, sd^2 I) */
double evidence_log_normal(size_t d, const double *z, double mean, double sd);

/* log N(z; 0, I) + c, with ctx a double c: the evidence is e^c. */
int evidence_constant(size_t n, size_t d, const double *z, double *lp,
                      void *ctx);

/* p(x|z) = N(W z + b, s^2 I), z ~ N(0, I) */
enum { EVIDENCE_X = 16, EVIDENCE_MOST = 32 };

typedef struct evidence_model {
    size_t d;
    double s;
    double w[EVIDENCE_X * EVIDENCE_MOST];
    double gap[EVIDENCE_X];     /* x - b */
    double shift;               /* added to the log joint */
    double truth;               /* log N(x; b, W W' + s^2 I) */
    double mean[EVIDENCE_MOST]; /* of the posterior */
    double sd[EVIDENCE_MOST];   /* of z_j given the others and x */
} evidence_model;

/* The model with random W, b, x and d <= EVIDENCE_MOST. */
evidence_model evidence_linear(size_t d, double s);
/* Its log joint, with ctx the model. */
int evidence_linear_joint(size_t n, size_t d, const double *z, double *lp,
                          void *ctx);
/* count draws of the best factorised Gaussian, as of an encoder, with each mean
   off by `off` of its standard deviations. */
void evidence_encoder(const evidence_model *m, double off, size_t count,
                      double *draws);

/* An estimate in a workspace of its own; the test fails if it does. */
slivi_evidence evidence_estimate(const slivi_importance *how, size_t d,
                                 slivi_log_joint *fn, void *ctx, size_t starts,
                                 size_t count, const double *draws);

#endif
