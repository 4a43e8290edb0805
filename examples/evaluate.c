/* evaluate.c - how good a variational auto-encoder is, and how it looks.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "evaluate.h"
#include "complain.h"
#include "progress.h"

#include <slivi/io.h>
#include <slivi/random.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { /* draws; those of DATA_SEED are the same in all runs */
       STREAM_CHOICE = 1, /* of test images */
       STREAM_BITS,       /* from their pixels */
       STREAM_ENCODER,    /* of the model's: its own numbers */
       STREAM_SAMPLES,
       STREAM_NLL
};

enum { ERROR_IMAGES = 1000, ACROSS = 16, DOWN = 6, CELL = 48 };

/* Images as the model's likelihood has them: bits, drawn once for all, or the
   pixels. */
static int is_bits(const slivi_vae *v)
{
    char likelihood[SLIVI_NAME_MAX] = "";
    slivi_vae_get(v, "likelihood", likelihood, sizeof likelihood);
    return !strcmp(likelihood, "bernoulli");
}

static void take_image(const slivi_vae *v, const data *d, enum data_part part,
                       size_t i, float *x)
{
    const slivi_address at = {.seed = DATA_SEED,
                              .stream = STREAM_BITS,
                              .step = (uint64_t)part,
                              .row = i};
    const float *pixels = data_image(d, part, i);
    memcpy(x, pixels, d->dim * sizeof *x);
    if (!is_bits(v))
        return;
    slivi_draw_f32(slivi_law_uniform, &at, 1, d->dim, x);
    for (size_t k = 0; k < d->dim; k++)
        x[k] = x[k] < pixels[k] ? 1 : 0;
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
    float *x = calloc(n, d->dim * sizeof *x);
    float *y = calloc(n, d->dim * sizeof *y);
    int status = 0;
    for (size_t i = 0; x && y && i < n; i++)
        take_image(v, d, part, i, x + i * d->dim);
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

/* ---- log-likelihood ------------------------------------------------------ */

static int show_progress(size_t done, void *ctx)
{
    progress_show(ctx, done, "");
    return experiment_signal();
}

/* Numbers of n test images, never simply the first. */
static uint32_t *choose(const data *d)
{
    const slivi_address at = {.seed = DATA_SEED, .stream = STREAM_CHOICE};
    uint32_t *numbers = calloc(d->size[DATA_TEST], sizeof *numbers);
    if (numbers)
        slivi_permutation(&at, d->size[DATA_TEST], numbers);
    return numbers;
}

static void summarise(const double *logp, evaluation *out)
{
    const double n = (double)out->images;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < out->images; i++)
        sum -= logp[i];
    out->mean = sum / n;
    for (size_t i = 0; i < out->images; i++)
        squares += pow(-logp[i] - out->mean, 2);
    out->se = sqrt(squares / (n - 1) / n); /* of one image: NaN */
}

/* nll.npy: number of the test image, -log p(x), its standard error. */
static int write_images(const experiment *e, size_t n, const uint32_t *numbers,
                        const double *logp, const double *se)
{
    char path[EXPERIMENT_PATH];
    double *rows = calloc(n, 3 * sizeof *rows);
    for (size_t i = 0; rows && i < n; i++) {
        rows[3 * i] = (double)numbers[i];
        rows[3 * i + 1] = -logp[i];
        rows[3 * i + 2] = se[i];
    }
    experiment_path(e, "nll.npy", path);
    int status = rows ? slivi_npy_write(path, n, 3, rows) : 0;
    int code = rows && !status ? 0 : fail(status);
    free(rows);
    return code;
}

int evaluate_nll(slivi_vae *v, const data *d, const experiment *e, int quiet,
                 evaluation *out)
{
    const size_t n = out->images;
    uint32_t *numbers = choose(d);
    float *x = calloc(n, d->dim * sizeof *x);
    double *logp = calloc(n, sizeof *logp), *se = calloc(n, sizeof *se);
    progress bar;
    int code = numbers && x && logp && se ? 0 : fail(0);
    for (size_t i = 0; i < n && !code; i++)
        take_image(v, d, DATA_TEST, numbers[i], x + i * d->dim);
    progress_begin(&bar, quiet, "evaluating", 0, n);
    if (!code) {
        int status = slivi_vae_log_likelihood(v, x, n, out->draws, STREAM_NLL,
                                              logp, se, show_progress, &bar);
        progress_end(&bar);
        if (status == SLIVI_ECALLBACK && experiment_signal())
            code = 128 + experiment_signal();
        else if (status)
            code = fail(status);
        else
            summarise(logp, out);
    }
    if (!code)
        code = write_images(e, n, numbers, logp, se);
    free(se);
    free(logp);
    free(x);
    free(numbers);
    return code;
}
