/* test_vae_ais.c - annealed importance sampling of vaes whose likelihood is
   known: linear decoders, and bits with one or two latent dimensions.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "chains.h"
#include "decoders.h"
#include "slivi/random.h"
#include "slivi/vae_ais.h"
#include "suites.h"
#include "testing.h"
#include "vae_inside.h"

#include <gsl/gsl_math.h>
#include <math.h>
#include <string.h>

enum { X = 6, Z = 2, N = 300, MOST = 80 };

static double logp[4096], se[4096], other[4096];

/* K step sizes of eps; the first is none. */
static slivi_ais with(size_t chains, size_t temperatures, double eps)
{
    static double sizes[MOST];
    slivi_ais how = slivi_ais_default();
    for (size_t k = 1; k < temperatures; k++)
        sizes[k] = eps;
    how.chains = chains;
    how.temperatures = temperatures;
    how.leapfrogs = 3;
    how.eps = sizes;
    how.seed = 5;
    return how;
}

static void ais(slivi_vae *v, const float *x, size_t n, const slivi_ais *how,
                size_t group, double *out)
{
    ck_assert_msg(!slivi_vae_ais(v, x, n, how, group, out, NULL, NULL, NULL),
                  "%s", slivi_errmsg());
}

static void gap(slivi_vae *v, size_t n, const slivi_ais *how, size_t group,
                double *below, double *above)
{
    ck_assert_msg(
        !slivi_vae_ais_gap(v, n, how, group, 9, below, above, NULL, NULL), "%s",
        slivi_errmsg());
}

/* ---- a linear decoder, read from the vae's own checkpoint ---------------- */

typedef struct decoder {
    double w[Z][X], b[X], sd; /* x = z w + b + sd e */
    const float *x;           /* images of a call */
} decoder;

static void get(const slivi_checkpoint *c, const char *name, size_t rows,
                size_t cols, double *out)
{
    ck_assert_msg(
        !slivi_checkpoint_get(c, name, SLIVI_DTYPE_F64, rows, cols, out), "%s",
        slivi_errmsg());
}

static decoder decoder_of(const slivi_vae *v, double sd, const float *x)
{
    decoder m = {.sd = sd, .x = x};
    slivi_checkpoint *c = slivi_checkpoint_create();
    ck_assert_int_eq(slivi_vae_save(v, c), 0);
    get(c, "model.average.decoder.w1", Z, X, &m.w[0][0]);
    get(c, "model.average.decoder.b1", 1, X, m.b);
    if (sd == 0) {
        get(c, "model.average.decoder.log-sd", 1, 1, &m.sd);
        m.sd = exp(m.sd);
    }
    slivi_checkpoint_free(c);
    return m;
}

static const float *images(void)
{
    static float x[N * X];
    static const double w[Z][X] = {{1, .8, -.5, .3, 0, .6},
                                   {0, .5, .9, -.7, .4, -.2}};
    double z[N * Z], e[N * X];
    slivi_address at = {.seed = 4, .stream = 50};
    slivi_draw(slivi_law_normal, &at, N, Z, z);
    at.stream = 51;
    slivi_draw(slivi_law_normal, &at, N, X, e);
    for (size_t i = 0; i < N * X; i++)
        x[i] = (float)(0.5 + 0.3 * e[i] + z[i / X * Z] * w[0][i % X]
                       + z[i / X * Z + 1] * w[1][i % X]);
    return x;
}

/* With sd 0.3, or 0: learnt.  Trained a little, so that averages differ. */
static slivi_vae *linear(const char *sd, decoder *m)
{
    const char *const options[] = {
        "hidden",    "none",      "latent", "2",       "likelihood",
        "gaussian",  "precision", "f64",    "threads", "1",
        "optimizer", "adam",      "rate",   "0.02",    "average",
        "0.95",      "x-sd",      sd,       NULL};
    slivi_vae *v = decoders_make(X, options);
    for (int k = 0; k < 120; k++)
        ck_assert_int_eq(
            slivi_vae_step(v, images() + (size_t)(k % 2) * 128 * X, 128, NULL),
            0);
    *m = decoder_of(v, *sd == '0' && !sd[1] ? 0 : 0.3, images());
    return v;
}

static int by_hand(size_t n, size_t d, const size_t *image, const double *z,
                   double *ll, double *grad, void *ctx)
{
    const decoder *m = ctx;
    for (size_t r = 0; r < n; r++, z += d, grad += d) {
        ll[r] = -X * (log(m->sd) + 0.5 * log(2 * M_PI));
        grad[0] = grad[1] = 0;
        for (size_t i = 0; i < X; i++) {
            const double y = z[0] * m->w[0][i] + z[1] * m->w[1][i] + m->b[i];
            const double off = ((double)m->x[image[r] * X + i] - y) / m->sd;
            ll[r] -= off * off / 2;
            for (size_t j = 0; j < Z; j++)
                grad[j] += off * m->w[j][i] / m->sd;
        }
    }
    return 0;
}

static double covariance(const decoder *m, size_t i, size_t j)
{
    return (i == j ? m->sd * m->sd : 0) + m->w[0][i] * m->w[0][j]
           + m->w[1][i] * m->w[1][j];
}

/* log N(x; b, w'w + sd^2 I) */
static double exact(const decoder *m, const float *x)
{
    double s[X * X], r[X], y[X], sum = X * log(2 * M_PI);
    for (size_t i = 0; i < X; i++) {
        r[i] = y[i] = (double)x[i] - m->b[i];
        for (size_t j = 0; j < X; j++)
            s[i * X + j] = covariance(m, i, j);
    }
    sum += testing_solve(X, s, y);
    return -0.5 * (sum + testing_dot(X, r, y));
}

/* E log p(x) of the model's own images. */
static double mean_exact(const decoder *m)
{
    double s[X * X], y[X] = {0};
    for (size_t i = 0; i < X * X; i++)
        s[i] = covariance(m, i / X, i % X);
    return -0.5 * (X * (log(2 * M_PI) + 1) + testing_solve(X, s, y));
}

static const char *const sds[] = {"0.3", "0"};

/* ---- against the same by hand -------------------------------------------- */

/* Groups of 100 chains an image: several blocks of rows, the last one ragged.
   The led step size goes where it goes by hand, for each group. */
START_TEST(as_by_hand)
{
    enum { IMAGES = 7, GROUP = 3 };
    decoder m;
    slivi_vae *v = linear(sds[_i % 2], &m);
    slivi_ais how = with(100, 8, 0.2);
    slivi_evidence e[GROUP];
    how.first = 4;
    if (_i / 2)
        how.eps = NULL;
    slivi_ais_workspace *ws = slivi_ais_workspace_create(&how, GROUP, Z);
    ck_assert_int_eq(
        slivi_vae_ais(v, images(), IMAGES, &how, GROUP, logp, se, NULL, NULL),
        0);
    for (size_t i = 0; i < IMAGES; i++) {
        const size_t left = IMAGES - i;
        if (i % GROUP == 0) {
            m.x = images() + i * X;
            how.first = 4 + i;
            ck_assert_int_eq(slivi_ais_forward(ws, by_hand, &m,
                                               left < GROUP ? left : GROUP,
                                               &how, e, NULL),
                             0);
        }
        ck_assert_double_eq_tol(logp[i], e[i % GROUP].log_evidence, 1e-9);
        ck_assert_double_eq_tol(se[i], e[i % GROUP].se, 1e-9);
    }
    slivi_ais_workspace_free(ws);
    slivi_vae_free(v);
}
END_TEST

START_TEST(tuned_as_by_hand)
{
    enum { IMAGES = 3 };
    decoder m;
    double eps[20], want[20];
    slivi_vae *v = linear("0.3", &m);
    slivi_ais how = with(100, 20, 0.2);
    slivi_ais_workspace *ws = slivi_ais_workspace_create(&how, IMAGES, Z);
    how.tuner.eps = 0.2;
    ck_assert_int_eq(slivi_ais_tune(ws, by_hand, &m, IMAGES, 5, &how, want), 0);
    ck_assert_int_eq(
        slivi_vae_ais_tune(v, images(), IMAGES, 5, &how, eps, NULL, NULL), 0);
    for (size_t k = 0; k < 20; k++)
        ck_assert_double_eq_tol(eps[k], want[k], 1e-9);
    ck_assert_double_ne(eps[19], 0.2);
    slivi_ais_workspace_free(ws);
    slivi_vae_free(v);
}
END_TEST

/* The pairs by hand, from the addresses of their draws. */
START_TEST(pairs_as_by_hand)
{
    enum { PAIRS = 5, CHAINS = 30, STREAM_NOISE = 0x76616531 };
    decoder m;
    slivi_vae *v = linear(sds[_i], &m);
    slivi_ais how = with(CHAINS, 6, 0.2);
    slivi_address at = {
        .seed = slivi__vae_seed(v, 9), .stream = SLIVI__VAE_PRIOR, .row = 7};
    float z[PAIRS * Z], x[PAIRS * X], e[PAIRS * X];
    double z0[PAIRS * CHAINS * Z];
    slivi_evidence want[PAIRS];
    how.first = 7;
    gap(v, PAIRS, &how, 2, logp, other);
    slivi_draw_f32(slivi_law_normal, &at, PAIRS, Z, z);
    at.stream = STREAM_NOISE;
    slivi_draw_f32(slivi_law_normal, &at, PAIRS, X, e);
    for (size_t i = 0; i < PAIRS * X; i++)
        x[i] = (float)((double)z[i / X * Z] * m.w[0][i % X]
                       + (double)z[i / X * Z + 1] * m.w[1][i % X] + m.b[i % X]
                       + m.sd * (double)e[i]);
    for (size_t r = 0; r < (size_t)PAIRS * CHAINS; r++)
        for (size_t j = 0; j < Z; j++)
            z0[r * Z + j] = (double)z[r / CHAINS * Z + j];
    m.x = x;
    slivi_ais_workspace *ws = slivi_ais_workspace_create(&how, PAIRS, Z);
    ck_assert_int_eq(
        slivi_ais_forward(ws, by_hand, &m, PAIRS, &how, want, NULL), 0);
    for (size_t i = 0; i < PAIRS; i++) /* x may differ in its last digit */
        ck_assert_double_eq_tol(logp[i], want[i].log_evidence, 1e-4);
    ck_assert_int_eq(
        slivi_ais_backward(ws, by_hand, &m, PAIRS, z0, &how, want, NULL), 0);
    for (size_t i = 0; i < PAIRS; i++)
        ck_assert_double_eq_tol(other[i], want[i].log_evidence, 1e-4);
    slivi_ais_workspace_free(ws);
    slivi_vae_free(v);
}
END_TEST

/* ---- against what is exact ----------------------------------------------- */

START_TEST(lands_on_the_likelihood)
{
    enum { IMAGES = 30, PILOTS = 10 };
    decoder m;
    double eps[MOST];
    slivi_vae *v = linear(sds[_i], &m);
    slivi_ais how = with(64, MOST, 0);
    how.tuner.eps = how.tuner.most = 1;
    ck_assert_int_eq(slivi_vae_ais_tune(v, images() + (N - PILOTS) * X, PILOTS,
                                        4, &how, eps, NULL, NULL),
                     0);
    how.eps = eps;
    ck_assert_int_eq(
        slivi_vae_ais(v, images(), IMAGES, &how, 8, logp, se, NULL, NULL), 0);
    for (size_t i = 0; i < IMAGES; i++) {
        const double error = logp[i] - exact(&m, images() + i * X);
        ck_assert_double_lt(se[i], 0.3);
        ck_assert_msg(fabs(error) < 4.5 * se[i] + 1e-6, "error %g, se %g",
                      error, se[i]);
    }
    slivi_vae_free(v);
}
END_TEST

START_TEST(weights_are_unbiased)
{
    decoder m;
    slivi_vae *v = linear("0.3", &m);
    const slivi_ais how = with(12, 12, 0.2);
    ais(v, images(), N, &how, N, logp);
    for (size_t i = 0; i < N; i++)
        logp[i] = exp(logp[i] - exact(&m, images() + i * X));
    chains_check_mean("w", N, logp, 1);
    slivi_vae_free(v);
}
END_TEST

/* Mean of a[i] - b, and its se. */
static double mean_off(size_t n, const double *a, double b, double *error)
{
    const double mean = testing_sum(n, a, 1) / (double)n;
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += pow(a[i] - mean, 2);
    *error = sqrt(squares) / (double)n;
    return mean - b;
}

/* below <= truth <= above on average, and close to each other when there are
   more temperatures. */
static void check_sandwich(slivi_vae *v, double truth, double eps, double least)
{
    enum { PAIRS = 2000 };
    double gaps[2], error;
    for (int k = 0; k < 2; k++) {
        const slivi_ais how = with(2, k ? MOST : 8, eps);
        gap(v, PAIRS, &how, 500, logp, other);
        const double below = mean_off(PAIRS, logp, truth, &error);
        ck_assert_msg(below < 3.5 * error, "below: %g, se %g", below, error);
        const double above = mean_off(PAIRS, other, truth, &error);
        ck_assert_msg(above > -3.5 * error, "above: %g, se %g", above, error);
        for (size_t i = 0; i < PAIRS; i++)
            other[i] -= logp[i];
        gaps[k] = mean_off(PAIRS, other, 0, &error);
        ck_assert_msg(gaps[k] > (k ? 0 : 3) * error, "gap: %g, se %g", gaps[k],
                      error);
    }
    ck_assert_msg(gaps[0] > least && gaps[1] < 0.35 * gaps[0], "gaps %g, %g",
                  gaps[0], gaps[1]);
}

START_TEST(sandwich_of_a_linear_decoder)
{
    decoder m;
    slivi_vae *v = linear(sds[_i], &m);
    check_sandwich(v, mean_exact(&m), 0.15, 0.3);
    slivi_vae_free(v);
}
END_TEST

/* ---- bits ---------------------------------------------------------------- */

static slivi_vae *bits(const char *latent, int steps)
{
    const char *const options[] = {
        "hidden", "20",       "latent",  latent, "optimizer", "adam",
        "rate",   "0.02",     "seed",    "3",    "average",   "0.9",
        "base",   "gaussian", "threads", "1",    NULL};
    static float x[128 * X];
    slivi_vae *v = decoders_make(X, options);
    slivi_address at = {.seed = 6, .stream = 60};
    slivi_draw_f32(slivi_law_uniform, &at, 128, X, x);
    for (size_t i = 0; i < 128 * X; i++) /* two kinds of images */
        x[i] = i / X % 2 ? x[i] * x[i] : 1 - x[i] * x[i] * (float)(i % X) / 5;
    for (int k = 0; k < steps; k++)
        ck_assert_int_eq(slivi_vae_step(v, x, 128, NULL), 0);
    return v;
}

/* Image i has the bits of i. */
static const float *all_images(void)
{
    static float x[64 * X];
    for (size_t i = 0; i < 64 * X; i++)
        x[i] = (float)(i / X >> i % X & 1);
    return x;
}

/* log p(x|z) by the decoder's means */
static double log_bits(const float *x, const float *p)
{
    double sum = 0;
    for (size_t j = 0; j < X; j++)
        sum += log(x[j] > 0 ? (double)p[j] : 1 - (double)p[j]);
    return sum;
}

/* log p(x) of all images, by trapezoids on [-7, 7]^d. */
static void quadrature(slivi_vae *v, double *out)
{
    enum { GRID = 141 };
    static float z[GRID * GRID * 2], p[GRID * GRID * X];
    const size_t d = slivi_vae_latent(v), n = d == 1 ? GRID : GRID * GRID;
    const double h = 14.0 / (GRID - 1);
    for (size_t i = 0; i < n * d; i++)
        z[i] = (float)(-7 + h * (double)(i % d ? i / d / GRID : i / d % GRID));
    ck_assert_int_eq(slivi_vae_decode(v, z, n, p), 0);
    for (size_t i = 0; i < 64; i++) {
        double sum = 0;
        for (size_t k = 0; k < n; k++) {
            double l = log_bits(all_images() + i * X, p + k * X);
            for (size_t j = 0; j < d; j++)
                l -= pow((double)z[k * d + j], 2) / 2;
            sum += exp(l);
        }
        out[i] = log(sum * pow(h / sqrt(2 * M_PI), (double)d));
    }
}

static const char *const latents[] = {"1", "2"};

START_TEST(bits_land_on_the_likelihood)
{
    double want[64], sum = 0;
    slivi_vae *v = bits(latents[_i], 200);
    const slivi_ais how = with(64, 20, 0.4);
    quadrature(v, want);
    ck_assert_int_eq(
        slivi_vae_ais(v, all_images(), 64, &how, 16, logp, se, NULL, NULL), 0);
    for (size_t i = 0; i < 64; i++) {
        ck_assert_double_lt(se[i], 0.1);
        ck_assert_msg(fabs(logp[i] - want[i]) < 4.5 * se[i] + 1e-5,
                      "image %zu: %g, not %g, se %g", i, logp[i], want[i],
                      se[i]);
        sum += exp(logp[i]);
    }
    ck_assert_double_eq_tol(sum, 1, 0.02);
    slivi_vae_free(v);
}
END_TEST

START_TEST(sandwich_of_bits)
{
    double want[64], truth = 0;
    slivi_vae *v = bits(latents[_i], 200);
    quadrature(v, want);
    for (size_t i = 0; i < 64; i++)
        truth += exp(want[i]) * want[i];
    check_sandwich(v, truth, 0.3, 0.02);
    slivi_vae_free(v);
}
END_TEST

/* The bits are those that the header promises. */
START_TEST(pairs_are_samples)
{
    enum { PAIRS = 7 };
    float mean[PAIRS * X], x[PAIRS * X];
    slivi_vae *v = bits("2", 50);
    const slivi_ais how = with(5, 5, 0.3);
    gap(v, PAIRS, &how, 3, logp, other);
    ck_assert_int_eq(slivi_vae_sample(v, PAIRS, 9, mean), 0);
    ck_assert_int_eq(slivi_vae_binarise(v, mean, PAIRS, 9, x), 0);
    ais(v, x, PAIRS, &how, PAIRS, se);
    ck_assert_mem_eq(logp, se, PAIRS * sizeof *se);
    slivi_vae_free(v);
}
END_TEST

static int flat(size_t n, size_t d, const size_t *image, const double *z,
                double *ll, double *grad, void *ctx)
{
    (void)image, (void)z, (void)ctx;
    memset(ll, 0, n * sizeof *ll);
    memset(grad, 0, n * d * sizeof *grad);
    return 0;
}

/* Chains that do not move: the mean of p(x|z) over draws of the prior, which
   are those of any call with this address. */
START_TEST(still_chains_telescope)
{
    enum { IMAGES = 20, CHAINS = 16, ROWS = IMAGES * CHAINS };
    static double z[ROWS * 2];
    static float narrow[ROWS * 2], p[ROWS * X];
    slivi_vae *v = bits("2", 100);
    slivi_ais how = with(CHAINS, 9, 0);
    how.first = 11;
    slivi_ais_workspace *ws = slivi_ais_workspace_create(&how, IMAGES, 2);
    slivi_evidence e[IMAGES];
    const slivi_ais_trace trace = {.z = z};
    ck_assert_int_eq(slivi_ais_forward(ws, flat, NULL, IMAGES, &how, e, &trace),
                     0);
    for (size_t i = 0; i < ROWS * 2; i++)
        narrow[i] = (float)z[i];
    ck_assert_int_eq(slivi_vae_decode(v, narrow, ROWS, p), 0);
    ais(v, all_images() + 30 * X, IMAGES, &how, IMAGES, logp);
    for (size_t i = 0; i < IMAGES; i++) {
        double sum = 0;
        for (size_t r = i * CHAINS; r < (i + 1) * CHAINS; r++)
            sum += exp(log_bits(all_images() + (30 + i) * X, p + r * X));
        ck_assert_double_eq_tol(logp[i], log(sum / CHAINS), 1e-5);
    }
    slivi_ais_workspace_free(ws);
    slivi_vae_free(v);
}
END_TEST

Suite *slivi_suite_vae_ais(void)
{
    Suite *s = suite_create("vae_ais");
    TCase *c = tcase_create("estimates");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, as_by_hand, 0, 4);
    tcase_add_test(c, tuned_as_by_hand);
    tcase_add_loop_test(c, pairs_as_by_hand, 0, 2);
    tcase_add_loop_test(c, lands_on_the_likelihood, 0, 2);
    tcase_add_test(c, weights_are_unbiased);
    tcase_add_loop_test(c, sandwich_of_a_linear_decoder, 0, 2);
    tcase_add_loop_test(c, bits_land_on_the_likelihood, 0, 2);
    tcase_add_loop_test(c, sandwich_of_bits, 0, 2);
    tcase_add_test(c, pairs_are_samples);
    tcase_add_test(c, still_chains_telescope);
    suite_add_tcase(s, c);
    return s;
}
