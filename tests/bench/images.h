/* images.h - what the steps are fed.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_IMAGES_H
#define BENCH_IMAGES_H

#include <stddef.h>

enum { IMAGE_DIM = 784 };

typedef struct images {
    const char *source; /* "mnist" or "blobs" */
    size_t count;
    double ones;  /* mean pixel: the density of what is binarised */
    float *pixel; /* count x IMAGE_DIM, in [0, 1] */
} images;

/* The first `count` training images of MNIST in folder `mnist`, or made-up
   blobs of the same density where it is NULL. */
int images_read(images *im, const char *mnist, size_t count);
/* As binary images (u < pixel), or uniform random values. */
int images_binary(images *to, const images *from);
int images_uniform(images *to, const images *from);
void images_clear(images *im);

#endif
