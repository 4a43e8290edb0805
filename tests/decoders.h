/* decoders.h - what tests of log p(x) share: auto-encoders with given decoders,
   a linear one among them, whose posterior is known.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_DECODERS_H
#define SLIVI_DECODERS_H

#include "slivi/vae.h"

#include <stddef.h>

enum { DECODERS_MOST = 65, DECODERS_X = 40 };

/* Ready, with these options: names and values, then NULL. */
slivi_vae *decoders_make(size_t dim, const char *const *options);

/* n x d normal draws, others for another stream. */
void decoders_draw(uint32_t stream, size_t n, size_t d, double *out);

/* The parameters called `name` become these; of the wrong number: fails. */
void decoders_put(slivi_vae *v, const char *name, size_t count,
                  const double *values);

/* x = z w + b + sd e */
typedef struct decoders_model {
    size_t d;
    double w[DECODERS_MOST * DECODERS_X], b[DECODERS_X], sd;
    float x[DECODERS_X];
    double precision[DECODERS_MOST * DECODERS_MOST],
        mean[DECODERS_MOST]; /* of p(z|x) */
    double log_p;
} decoders_model;

/* A gaussian encoder's vae with such a decoder from d dimensions of z. */
slivi_vae *decoders_linear(decoders_model *m, size_t d, const char *precision);
/* Its posterior and log p(x), which it has already; anew after a change. */
void decoders_solve(decoders_model *m);

#endif
