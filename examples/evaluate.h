/* evaluate.h - how good a variational auto-encoder is, and how it looks.

   Functions that can fail complain and return an exit code.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef EVALUATE_H
#define EVALUATE_H

#include "data.h"
#include "experiment.h"

#include <slivi/vae.h>

/* Mean squared error of a pixel of reconstructions of a part's images, of at
   most 1,000 of them. */
int evaluate_error(slivi_vae *v, const data *d, enum data_part part,
                   double *error);

/* samples.png and reconstructions.png; the same draws whenever it is called
   in one run. */
int evaluate_pictures(slivi_vae *v, const data *d, const experiment *e);

/* Image i of a part as log p(x) wants it: drawn from its pixels, once for all
   runs, where the likelihood is of bits. */
void evaluate_bits(const slivi_vae *v, const data *d, enum data_part part,
                   size_t i, float *x);

/* How far codes, one draw of z for each test image (10,000 at most), are from
   the prior, see slivi/discrepancy.h; and how far as many draws of the prior
   itself are, on average: the root mean square of some clouds. */
typedef struct evaluate_distances {
    double mmd, mmd_floor; /* MMD^2 from as many draws of the prior */
    double wasserstein, wasserstein_floor; /* sliced, of the codes alone */
} evaluate_distances;

int evaluate_codes(slivi_vae *v, const data *d, size_t threads,
                   evaluate_distances *out);

#endif
