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

typedef struct evaluation {
    size_t images, draws; /* in: how many */
    double mean, se;      /* out: mean over images, its standard error */
} evaluation;

/* -log p(x) of test images, chosen, and drawn from their pixels where the
   likelihood is of bits, in the same way in every run, so that runs can be
   compared image by image: nll.npy has a row for each, its number among the
   test images, -log p(x) and that one's standard error.  When a signal comes
   it returns 128 + its number. */
int evaluate_nll(slivi_vae *v, const data *d, const experiment *e, int quiet,
                 evaluation *out);

#endif
