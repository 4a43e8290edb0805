/* evaluate.c - how good a variational auto-encoder is, and how it looks.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "evaluate.h"
#include "complain.h"

#include <slivi/discrepancy.h>
#include <slivi/io.h>
#include <slivi/pool.h>
#include <slivi/random.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {                  /* draws; those of DATA_SEED are the same in all runs */
       STREAM_BITS = 2, /* from pixels, beside nll.c's */
       STREAM_ENCODER = 3, /* of the model's: its own numbers */
       STREAM_SAMPLES,
       STREAM_CODES = 7,
       STREAM_PRIOR /* of DATA_SEED */
};

enum {
    ERROR_IMAGES = 1000,
    CODES = 10000,
    CLOUDS = 8,
    FLOOR_ROWS = 1000,
    DIRECTIONS = 100
};
enum { ACROSS = 16, DOWN = 6, CELL = 48 };

static int is_set(const slivi_vae *v, const char *name, const char *value)
{
    char text[SLIVI_NAME_MAX] = "";
    slivi_vae_get(v, name, text, sizeof text);
    return !strcmp(text, value);
}

/* Bits are drawn once for all. */
static void take_image(const data *d, enum data_part part, size_t i,
                       int is_bits, float *x)
{
    const slivi_address at = {.seed = DATA_SEED,
                              .stream = STREAM_BITS,
                              .step = (uint64_t)part,
                              .row = i};
    const float *pixels = data_image(d, part, i);
    memcpy(x, pixels, d->dim * sizeof *x);
    if (!is_bits)
        return;
    slivi_draw_f32(slivi_law_uniform, &at, 1, d->dim, x);
    for (size_t k = 0; k < d->dim; k++)
        x[k] = x[k] < pixels[k] ? 1 : 0;
}

void evaluate_bits(const slivi_vae *v, const data *d, enum data_part part,
                   size_t i, float *x)
{
    take_image(d, part, i, is_set(v, "likelihood", "bernoulli"), x);
}

/* The first n images of a part as the encoder has learnt to see them; NULL
   without memory. */
static float *take_images(const slivi_vae *v, const data *d,
                          enum data_part part, size_t n)
{
    const int is_bits = is_set(v, "likelihood", "bernoulli")
                        && is_set(v, "binarise", "dynamic");
    float *x = calloc(n, d->dim * sizeof *x);
    for (size_t i = 0; x && i < n; i++)
        take_image(d, part, i, is_bits, x + i * d->dim);
    return x;
}

/* For a status of the library, or none when memory of our own is short. */
static int fail(int status)
{
    return complain("%s", status ? slivi_errmsg() : "no memory");
}

/* Reconstructions of the first n images of a part; NULL with a complaint. */
static float *reconstruct(slivi_vae *v, const data *d, enum data_part part,
                          size_t n)
{
    float *x = take_images(v, d, part, n);
    float *y = calloc(n, d->dim * sizeof *y);
    int status = 0;
    if (x && y)
        status = slivi_vae_reconstruct(v, x, n, STREAM_ENCODER, y);
    if (!x || !y || status) {
        fail(status);
        free(y);
        y = NULL;
    }
    free(x);
    return y;
}

int evaluate_error(slivi_vae *v, const data *d, enum data_part part,
                   double *error)
{
    const size_t n = d->size[part] < ERROR_IMAGES ? d->size[part]
                                                  : ERROR_IMAGES;
    float *y = reconstruct(v, d, part, n);
    double sum = 0;
    if (!y)
        return EXIT_FAILED;
    for (size_t i = 0; i < n; i++) {
        const float *x = data_image(d, part, i);
        for (size_t k = 0; k < d->dim; k++) {
            double e = (double)y[i * d->dim + k] - (double)x[k];
            sum += e * e;
        }
    }
    *error = sum / (double)(n * d->dim);
    free(y);
    return 0;
}

/* ---- codes --------------------------------------------------------------- */

/* n x latent; NULL with a complaint. */
static double *encode(slivi_vae *v, const data *d, size_t n)
{
    const size_t latent = slivi_vae_latent(v);
    float *x = take_images(v, d, DATA_TEST, n);
    float *codes = calloc(n, latent * sizeof *codes);
    double *z = calloc(n, latent * sizeof *z);
    int status = x && codes && z
                     ? slivi_vae_encode(v, x, n, STREAM_CODES, codes)
                     : SLIVI_ENOMEM;
    for (size_t i = 0; !status && i < n * latent; i++)
        z[i] = (double)codes[i];
    if (status) {
        fail(x && codes && z ? status : 0);
        free(z);
        z = NULL;
    }
    free(codes);
    free(x);
    return z;
}

/* Where both have n rows of one law, MMD^2 is a sum of uncorrelated terms of
   one variance: n (n - 1) / 2 within each, n n across.  In units of that. */
static double mmd_variance(size_t n)
{
    const double x = (double)n;
    return 4 / (x * (x - 1)) + 4 / (x * x);
}

/* Of n rows, from smaller clouds. */
static int find_mmd_floor(slivi_discrepancy_workspace *ws, size_t n,
                          double *rms)
{
    const size_t rows = n < FLOOR_ROWS ? n : FLOOR_ROWS;
    int status = slivi_mmd_floor(ws, rows, rows, 1, DATA_SEED, CLOUDS, rms);
    *rms *= sqrt(mmd_variance(n) / mmd_variance(rows));
    return status;
}

/* y: as many draws of the prior. */
static int measure(slivi_discrepancy_workspace *ws, size_t n, const double *z,
                   const double *y, evaluate_distances *out)
{
    int status = slivi_mmd(ws, n, z, n, y, 1, &out->mmd, NULL);
    if (!status)
        status = find_mmd_floor(ws, n, &out->mmd_floor);
    if (!status)
        status = slivi_sliced_wasserstein(ws, n, z, NULL, DIRECTIONS, DATA_SEED,
                                          &out->wasserstein);
    if (!status)
        status = slivi_sliced_wasserstein_floor(
            ws, n, 1, DIRECTIONS, DATA_SEED, CLOUDS, &out->wasserstein_floor);
    return status;
}

int evaluate_codes(slivi_vae *v, const data *d, size_t threads,
                   evaluate_distances *out)
{
    const slivi_address at = {.seed = DATA_SEED, .stream = STREAM_PRIOR};
    const size_t have = d->size[DATA_TEST], latent = slivi_vae_latent(v);
    const size_t n = have < CODES ? have : CODES;
    *out = (evaluate_distances){NAN, NAN, NAN, NAN};
    if (n < 2)
        return 0; /* no distance of one code */
    double *z = encode(v, d, n);
    if (!z)
        return EXIT_FAILED;
    double *y = calloc(n, latent * sizeof *y);
    slivi_pool *pool = slivi_pool_create(threads);
    slivi_discrepancy_workspace *ws = pool ? slivi_discrepancy_workspace_create(
                                          n, latent, pool)
                                           : NULL;
    if (y)
        slivi_draw(slivi_law_normal, &at, n, latent, y);
    int status = ws && y ? measure(ws, n, z, y, out) : !ws;
    int code = status || !y ? fail(status) : 0;
    slivi_discrepancy_workspace_free(ws);
    slivi_pool_free(pool);
    free(y);
    free(z);
    return code;
}

/* ---- pictures ----------------------------------------------------------- */

/* The grid of n images, each within a black frame of a pixel. */
static int draw_grid(const char *path, const data *d, const float *x, size_t n,
                     size_t across)
{
    const size_t high = d->height + 2, wide = d->width + 2;
    const size_t side = high > wide ? high : wide;
    const size_t zoom = side < CELL ? (CELL + side / 2) / side : 1;
    float *framed = calloc(n * high, wide * sizeof *framed);
    if (!framed)
        return fail(0);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < d->height; r++)
            memcpy(framed + (i * high + r + 1) * wide + 1,
                   x + i * d->dim + r * d->width, d->width * sizeof *x);
    int status = slivi_png_grid(path, framed, n, high, wide, across, zoom);
    free(framed);
    return status ? fail(status) : 0;
}

static int draw_samples(slivi_vae *v, const data *d, const experiment *e)
{
    char path[EXPERIMENT_PATH];
    const size_t n = ACROSS * DOWN;
    float *x = calloc(n, d->dim * sizeof *x);
    experiment_path(e, "samples.png", path);
    int status = x ? slivi_vae_sample(v, n, STREAM_SAMPLES, x) : 0;
    int code = x && !status ? draw_grid(path, d, x, n, ACROSS) : fail(status);
    free(x);
    return code;
}

/* Rows of test images, each above the row of its reconstructions. */
static int draw_reconstructions(slivi_vae *v, const data *d,
                                const experiment *e)
{
    char path[EXPERIMENT_PATH];
    const size_t have = d->size[DATA_TEST];
    const size_t across = have < ACROSS ? have : ACROSS;
    const size_t rows = have / across < DOWN / 2 ? have / across : DOWN / 2;
    const size_t row = across * d->dim;
    float *y = reconstruct(v, d, DATA_TEST, rows * across);
    float *all = calloc(2 * rows, row * sizeof *all);
    int code = !y ? EXIT_FAILED : all ? 0 : fail(0);
    for (size_t r = 0; r < rows && !code; r++) {
        for (size_t i = 0; i < across; i++)
            memcpy(all + 2 * r * row + i * d->dim,
                   data_image(d, DATA_TEST, r * across + i),
                   d->dim * sizeof *all);
        memcpy(all + (2 * r + 1) * row, y + r * row, row * sizeof *all);
    }
    experiment_path(e, "reconstructions.png", path);
    if (!code)
        code = draw_grid(path, d, all, 2 * rows * across, across);
    free(all);
    free(y);
    return code;
}

int evaluate_pictures(slivi_vae *v, const data *d, const experiment *e)
{
    int code = draw_samples(v, d, e);
    return code ? code : draw_reconstructions(v, d, e);
}
