/* images.c - MNIST from its files, or blobs.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "images.h"

#include "base/base.h"
#include "slivi/io.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 28, BYTE = 255, BLOBS = 900, BINARY, UNIFORM };

static int make_room(images *im, const char *source, size_t count)
{
    im->source = source;
    im->count = count;
    im->pixel = slivi__alloc(count * IMAGE_DIM, sizeof *im->pixel);
    return im->pixel ? 0 : SLIVI_ENOMEM;
}

static int weigh(images *im)
{
    double sum = 0;
    for (size_t i = 0; i < im->count * IMAGE_DIM; i++)
        sum += (double)im->pixel[i];
    im->ones = sum / (double)(im->count * IMAGE_DIM);
    return 0;
}

/* Three soft spots in each image, 13 % of its light together. */
static int make_blobs(images *im, size_t count)
{
    if (make_room(im, "blobs", count))
        return SLIVI_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        double u[6];
        const slivi_address at = {.stream = BLOBS, .row = i};
        slivi_draw(slivi_law_uniform, &at, 1, 6, u);
        for (size_t j = 0; j < IMAGE_DIM; j++) {
            double dark = 1;
            for (size_t k = 0; k < 6; k += 2) {
                double y = (double)(j / SIDE) - 6 - 16 * u[k];
                double x = (double)(j % SIDE) - 6 - 16 * u[k + 1];
                dark *= 1 - exp(-(x * x + y * y) / 13);
            }
            im->pixel[i * IMAGE_DIM + j] = (float)(1 - dark);
        }
    }
    return weigh(im);
}

static int read_mnist(images *im, const char *folder, size_t count)
{
    static const char *const ends[] = {"", ".gz"};
    slivi_array a = {0};
    int status = SLIVI_EIO;
    for (size_t i = 0; i < 2 && status == SLIVI_EIO; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/train-images-idx3-ubyte%s", folder,
                 ends[i]);
        status = slivi_idx_read(path, &a);
    }
    if (status)
        return status;
    if (a.rank != 3 || a.shape[1] * a.shape[2] != IMAGE_DIM || !a.is_byte
        || a.shape[0] < count)
        status = slivi__fail(SLIVI_ESHAPE,
                             "bench: %s does not hold %zu images of %d pixels",
                             folder, count, IMAGE_DIM);
    else
        status = make_room(im, "mnist", count);
    for (size_t i = 0; i < count * IMAGE_DIM && !status; i++)
        im->pixel[i] = a.data[i] / BYTE;
    slivi_array_clear(&a);
    return status ? status : weigh(im);
}

int images_read(images *im, const char *mnist, size_t count)
{
    memset(im, 0, sizeof *im);
    return mnist ? read_mnist(im, mnist, count) : make_blobs(im, count);
}

int images_uniform(images *to, const images *from)
{
    const slivi_address at = {.stream = UNIFORM};
    if (make_room(to, "uniform", from->count))
        return SLIVI_ENOMEM;
    slivi_draw_f32(slivi_law_uniform, &at, to->count, IMAGE_DIM, to->pixel);
    return weigh(to);
}

int images_binary(images *to, const images *from)
{
    const slivi_address at = {.stream = BINARY};
    if (make_room(to, "binary", from->count))
        return SLIVI_ENOMEM;
    slivi_draw_f32(slivi_law_uniform, &at, to->count, IMAGE_DIM, to->pixel);
    for (size_t i = 0; i < to->count * IMAGE_DIM; i++)
        to->pixel[i] = to->pixel[i] < from->pixel[i];
    return weigh(to);
}

void images_clear(images *im)
{
    slivi__free(im->pixel);
    memset(im, 0, sizeof *im);
}
