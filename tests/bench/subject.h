/* subject.h - what is timed: the library's steps and the direct ones.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include "direct.h"
#include "images.h"

#include "slivi/score.h"
#include "slivi/vae.h"

/* Shape of a step; context and dim are 0 where there is none. */
typedef struct shape {
    size_t latent, context; /* of a score step; context 0: marginal */
    size_t dim;             /* of a vae's images; 0: a score step */
    size_t hidden[2], batch;
} shape;

double shape_flops(const shape *s);

/* The library, through its public interface. */
slivi_vae *subject_vae(const shape *s, size_t threads, const char *binarise);
slivi_score *subject_score(const char *objective, const shape *s,
                           const char *hidden, size_t threads);

/* Samples of a score step: rows of normal z, and of context the images' (or
   normal draws where context is not IMAGE_DIM). */
typedef struct samples {
    size_t n;
    double *z, *c; /* c NULL: none */
} samples;
int samples_make(samples *to, const shape *s, const images *im);
void samples_clear(samples *s);

#endif
