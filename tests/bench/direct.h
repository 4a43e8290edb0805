/* direct.h - training steps written by hand: what the library is measured
   against, and checked by.

   Net: [z, c] -> tanh -> tanh -> s, two hidden layers.  The loss is that of
   ssm-vr with one normal slice, E[v'J v + |s|^2 / 2]; the optimiser RMSProp
   with the library's defaults.  Draws and initial values have the library's
   addresses, parameters its layout, so that losses and gradients agree to
   rounding.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_DIRECT_H
#define BENCH_DIRECT_H

#include "mlp.h"

/* ---- score net alone ---------------------------------------------------- */

typedef struct direct_score direct_score;

/* c 0: marginal.  pool NULL: one thread; it must outlive the step. */
direct_score *direct_score_create(size_t d, size_t c, const size_t hidden[2],
                                  uint64_t seed, slivi_pool *pool);
void direct_score_free(direct_score *s); /* NULL is fine */
/* One step on n rows; returns the loss. */
double direct_score_step(direct_score *s, const double *z, const double *c,
                         size_t n);
vectors *direct_score_vectors(direct_score *s);
/* To be called after the caller changed parameters. */
void direct_score_refresh(direct_score *s);
/* Floating-point operations of a step's products. */
double direct_score_flops(size_t d, size_t c, const size_t hidden[2], size_t n);

/* ---- auto-encoder ------------------------------------------------------- */

typedef struct direct_losses {
    double reconstruction, prior, score, stein;
} direct_losses;

typedef struct direct_vae direct_vae;

/* Implicit encoder [x, e] -> z, Bernoulli decoder, conditional score net; x is
   binarised anew in each step. */
direct_vae *direct_vae_create(size_t dim, size_t latent, const size_t hidden[2],
                              size_t batch, uint64_t seed, slivi_pool *pool);
void direct_vae_free(direct_vae *v); /* NULL is fine */
/* One step on n <= batch images: the score net, then encoder and decoder. */
void direct_vae_step(direct_vae *v, const float *x, size_t n,
                     direct_losses *losses);
vectors *direct_vae_model(direct_vae *v);
vectors *direct_vae_score(direct_vae *v);
/* To be called after the caller changed parameters. */
void direct_vae_refresh(direct_vae *v);
double direct_vae_flops(size_t dim, size_t latent, const size_t hidden[2],
                        size_t n);

#endif
