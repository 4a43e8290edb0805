/* vae_laplace.h - modes of p(z|x) and the Gaussians that fit there.  Private
   to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_VAE_LAPLACE_H
#define SLIVI_VAE_LAPLACE_H

#include "vae_inside.h"

/* A climb of log p(x, z) from a given z. */
typedef struct slivi__peak {
    const float *x;  /* the image, 1 x dim */
    double *z;       /* latent: where to start; then the mode */
    double *cov;     /* latent x latent: (I + F)^-1 at the mode, F the Fisher
                        information of z in x; I where log p(x, z) is not
                        finite at the start */
    double top;      /* log p(x, z) at the mode */
    double log_mass; /* of the Gaussian there: log of the evidence, if there is
                        no other mode and p(z|x) is that Gaussian */
    double rise;     /* what the model expects of one more step */
    size_t runs;     /* points at which p(x, z) was asked for */
} slivi__peak;

typedef struct slivi__laplace slivi__laplace;

/* For a vae that is ready; no climb outlives the vae. */
slivi__laplace *slivi__laplace_create(slivi_vae *v);
void slivi__laplace_free(slivi__laplace *l); /* NULL is fine */

/* Climbs, many at once: by damped steps of Fisher scoring, each of which must
   rise.  What becomes of one does not depend on the others.  Allocates
   nothing. */
int slivi__laplace_climb(slivi__laplace *l, size_t n,
                         slivi__peak *const peak[]);

/* Whether b lies within a standard deviation of a, by a's covariance. */
int slivi__laplace_is_same(slivi__laplace *l, const slivi__peak *a,
                           const slivi__peak *b);

#endif
