/* test_vae_nll.c - log p(x) of a vae's images and the modes of p(z|x) that it
   starts from: linear decoders in closed form, small ones by quadrature.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "decoders.h"
#include "scratch.h"
#include "slivi/vae.h"
#include "suites.h"
#include "vae_laplace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = DECODERS_MOST, X = DECODERS_X };

#define LOG_2PI 1.83787706640934548356

static void estimate(slivi_vae *v, const float *x, size_t n, size_t draws,
                     double *logp, double *se)
{
    ck_assert_msg(
        !slivi_vae_log_likelihood(v, x, n, draws, 1, logp, se, NULL, NULL),
        "%s", slivi_errmsg());
}

/* Part of the draws that is effective, from the standard error. */
static double ess(double se, size_t draws)
{
    const double n = (double)draws;
    return 1 / (se * se * (n - 1) + 1);
}

static slivi__peak climb(slivi_vae *v, const float *x, double *z, double *cov)
{
    slivi__laplace *l = slivi__laplace_create(v);
    slivi__peak peak = {.x = x, .z = z, .cov = cov}, *all = &peak;
    ck_assert_ptr_nonnull(l);
    ck_assert_int_eq(slivi__laplace_climb(l, 1, &all), 0);
    slivi__laplace_free(l);
    return peak;
}

/* ---- x = z w + b + sd e ------------------------------------------------ */

/* Where p(z|x) is Gaussian a climb finds all of it, from wherever. */
START_TEST(modes_of_a_linear_decoder)
{
    static const size_t dims[] = {1, 8, 32};
    static decoders_model m;
    static double cov[MOST * MOST];
    const size_t d = dims[_i / 2];
    slivi_vae *v = decoders_linear(&m, d, _i % 2 ? "f32" : "f64");
    for (int far = 0; far < 2; far++) {
        double z[MOST], off = 0;
        for (size_t i = 0; i < d; i++)
            z[i] = far ? 50.0 * (double)(i % 3) - 30 : 0;
        slivi__peak p = climb(v, m.x, z, cov);
        for (size_t i = 0; i < d; i++)
            for (size_t j = 0; j < d; j++) {
                double one = 0;
                off += (z[i] - m.mean[i]) * m.precision[i * d + j]
                       * (z[j] - m.mean[j]);
                for (size_t k = 0; k < d; k++)
                    one += cov[i * d + k] * m.precision[k * d + j];
                ck_assert_double_eq_tol(one, i == j, 2e-5);
            }
        ck_assert_double_lt(off, 2e-3);
        ck_assert_double_lt(p.rise, 1e-3);
        ck_assert_double_eq_tol(p.log_mass, m.log_p, 2e-3);
        ck_assert_uint_lt(p.runs, 20);
    }
    slivi_vae_free(v);
}
END_TEST

START_TEST(log_p_of_a_linear_decoder)
{
    enum { IMAGES = 20, DRAWS = 500 };
    static const struct {
        size_t d;
        double least; /* of the draws are effective */
    } want[] = {{1, 0.85}, {8, 0.65}, {32, 0.3}, {65, 0}};
    static decoders_model m;
    static float x[IMAGES * X];
    double logp[IMAGES], se[IMAGES], sum = 0;
    slivi_vae *v = decoders_linear(&m, want[_i].d, "f32");
    for (size_t i = 0; i < IMAGES; i++)
        memcpy(x + i * X, m.x, sizeof m.x);
    if (want[_i].d == 65) { /* then z tells nothing of x */
        memset(m.w, 0, sizeof m.w);
        decoders_put(v, "decoder.w1", m.d * X, m.w);
        decoders_solve(&m);
    }
    const size_t images = m.d == 65 ? 1 : IMAGES;
    estimate(v, x, images, DRAWS, logp, se);
    for (size_t i = 0; i < images; i++) {
        const double error = logp[i] - m.log_p;
        ck_assert_msg(fabs(error) < 5 * se[i] + 1e-3, "error %g, se %g", error,
                      se[i]);
        ck_assert_msg(ess(se[i], DRAWS) > want[_i].least, "ess %g",
                      ess(se[i], DRAWS));
        ck_assert(i == 0 || logp[i] != logp[0]);
        sum += error / IMAGES;
    }
    if (_i < 3)
        ck_assert_double_eq_tol(sum, 0, 0.03);
    slivi_vae_free(v);
}
END_TEST

/* An encoder whose draws coincide, far from the mode. */
START_TEST(an_encoder_without_spread)
{
    static decoders_model m;
    static double w[X * 16];
    double b[16], logp[3], se[3];
    float x[3 * X];
    slivi_vae *v = decoders_linear(&m, 8, "f32");
    for (size_t i = 0; i < 16; i++)
        b[i] = i < 8 ? 6 : -200; /* log sigma */
    decoders_put(v, "encoder.w1", X * 16, w);
    decoders_put(v, "encoder.b1", 16, b);
    for (size_t i = 0; i < 3; i++)
        memcpy(x + i * X, m.x, sizeof m.x);
    estimate(v, x, 3, 500, logp, se);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_double_lt(fabs(logp[i] - m.log_p), 5 * se[i] + 1e-3);
        ck_assert_double_gt(ess(se[i], 500), 0.65);
    }
    slivi_vae_free(v);
}
END_TEST

/* ---- bits from two dimensions -------------------------------------------- */

enum { BITS = 10, HIDDEN = 6 };

static slivi_vae *make_bits(double scale)
{
    const char *const options[] = {"hidden",  "6",       "latent",
                                   "2",       "encoder", "gaussian",
                                   "threads", "1",       NULL};
    double w[2 * HIDDEN], b[HIDDEN], w2[HIDDEN * BITS];
    slivi_vae *v = decoders_make(BITS, options);
    decoders_draw(5, 2, HIDDEN, w);
    decoders_draw(6, 1, HIDDEN, b);
    decoders_draw(7, HIDDEN, BITS, w2);
    for (size_t i = 0; i < HIDDEN * BITS; i++)
        w2[i] *= scale;
    decoders_put(v, "decoder.w1", 2 * HIDDEN, w);
    decoders_put(v, "decoder.b1", HIDDEN, b);
    decoders_put(v, "decoder.w2", HIDDEN * BITS, w2);
    return v;
}

static void make_images(size_t n, float *x)
{
    const slivi_address at = {.seed = 8, .stream = 30};
    slivi_draw_f32(slivi_law_uniform, &at, n, BITS, x);
    for (size_t i = 0; i < n * BITS; i++)
        x[i] = x[i] < 0.5f;
}

/* log p(x, z) from the means p of x given z */
static double log_joint(const float *x, const double z[2], const float *p)
{
    double sum = -LOG_2PI - 0.5 * (z[0] * z[0] + z[1] * z[1]);
    for (size_t k = 0; k < BITS; k++)
        sum += log(x[k] > 0 ? (double)p[k] : 1 - (double)p[k]);
    return sum;
}

static double joint_at(slivi_vae *v, const float *x, double a, double b,
                       float *p)
{
    const float z[2] = {(float)a, (float)b};
    ck_assert_int_eq(slivi_vae_decode(v, z, 1, p), 0);
    return log_joint(x, (const double[]){(double)z[0], (double)z[1]}, p);
}

/* At a mode the gradient vanishes, and the covariance is (I + F)^-1 with
   F = sum_k (dp_k/dz)(dp_k/dz)' / (p_k (1 - p_k)): both from differences. */
START_TEST(modes_of_a_decoder_of_bits)
{
    enum { IMAGES = 6 };
    const double h = 1.0 / 64;
    float x[IMAGES * BITS], p[BITS], up[2][BITS], down[2][BITS];
    slivi_vae *v = make_bits(1);
    make_images(IMAGES, x);
    for (size_t i = 0; i < IMAGES; i++) {
        double z[2] = {0.5, -0.5}, cov[4], f[4] = {1, 0, 0, 1}, g[2], rise = 0;
        const float *image = x + i * BITS;
        const slivi__peak peak = climb(v, image, z, cov);
        ck_assert_double_eq_tol(peak.top, joint_at(v, image, z[0], z[1], p),
                                1e-4);
        for (size_t j = 0; j < 2; j++)
            g[j] = (joint_at(v, image, z[0] + (j ? 0 : h), z[1] + (j ? h : 0),
                             up[j])
                    - joint_at(v, image, z[0] - (j ? 0 : h), z[1] - (j ? h : 0),
                               down[j]))
                   / (2 * h);
        for (size_t j = 0; j < 4; j++) {
            rise += 0.5 * g[j / 2] * cov[j] * g[j % 2];
            for (size_t k = 0; k < BITS; k++)
                f[j] += ((double)up[j / 2][k] - (double)down[j / 2][k])
                        * ((double)up[j % 2][k] - (double)down[j % 2][k])
                        / (4 * h * h) / ((double)p[k] * (1 - (double)p[k]));
        }
        ck_assert_double_lt(rise, 2e-3);
        const double det = f[0] * f[3] - f[1] * f[2];
        const double want[4] = {f[3] / det, -f[1] / det, -f[2] / det,
                                f[0] / det};
        for (size_t j = 0; j < 4; j++)
            ck_assert_double_eq_tol(cov[j], want[j], 2e-3);
        ck_assert_double_eq_tol(peak.log_mass,
                                peak.top + LOG_2PI - 0.5 * log(det), 2e-3);
    }
    slivi_vae_free(v);
}
END_TEST

/* log p(x) on a grid of z: trapezoids, which need no correction here */
static void quadrature(slivi_vae *v, size_t n, const float *x, double *logp)
{
    enum { GRID = 161 };
    static float z[GRID * GRID * 2], p[GRID * GRID * BITS];
    const double step = 0.1;
    for (size_t i = 0; i < GRID * GRID; i++) {
        z[2 * i] = (float)(step * (double)(i / GRID) - 8);
        z[2 * i + 1] = (float)(step * (double)(i % GRID) - 8);
    }
    ck_assert_int_eq(slivi_vae_decode(v, z, GRID * GRID, p), 0);
    for (size_t k = 0; k < n; k++) {
        double sum = 0;
        for (size_t i = 0; i < GRID * GRID; i++) {
            const double at[2] = {(double)z[2 * i], (double)z[2 * i + 1]};
            sum += step * step * exp(log_joint(x + k * BITS, at, p + i * BITS));
        }
        logp[k] = log(sum);
    }
}

START_TEST(log_p_of_bits_by_quadrature)
{
    enum { IMAGES = 40, DRAWS = 500 };
    static float x[IMAGES * BITS];
    double logp[IMAGES], se[IMAGES], truth[IMAGES], sum = 0, parts = 0;
    slivi_vae *v = make_bits(1.5);
    make_images(IMAGES, x);
    quadrature(v, IMAGES, x, truth);
    estimate(v, x, IMAGES, DRAWS, logp, se);
    for (size_t i = 0; i < IMAGES; i++) {
        const double error = logp[i] - truth[i];
        ck_assert_msg(fabs(error) < 5 * se[i] + 1e-3,
                      "image %zu: error %g, se %g", i, error, se[i]);
        sum += error / IMAGES;
        parts += ess(se[i], DRAWS) / IMAGES;
    }
    ck_assert_double_eq_tol(sum, 0, 0.03);
    ck_assert_msg(parts > 0.5, "ess %g", parts);
    slivi_vae_free(v);
}
END_TEST

/* E[exp(estimate)] = p(x), also with few draws. */
START_TEST(estimates_are_unbiased)
{
    enum { REPEATS = 1500 };
    static float x[REPEATS * BITS];
    static double logp[REPEATS];
    double truth, sum = 0, squares = 0;
    slivi_vae *v = make_bits(1.5);
    make_images(1, x);
    quadrature(v, 1, x, &truth);
    for (size_t i = 1; i < REPEATS; i++)
        memcpy(x + i * BITS, x, BITS * sizeof *x);
    estimate(v, x, REPEATS, 3, logp, NULL);
    for (size_t i = 0; i < REPEATS; i++) {
        sum += exp(logp[i] - truth);
        squares += exp(2 * (logp[i] - truth));
    }
    const double mean = sum / REPEATS;
    const double error = sqrt((squares / REPEATS - mean * mean) / REPEATS);
    ck_assert_msg(fabs(mean - 1) < 4 * error && error < 0.02, "%g +- %g", mean,
                  error);
    slivi_vae_free(v);
}
END_TEST

/* ---- two modes ----------------------------------------------------------- */

enum { COPIES = 3 };

/* COPIES of y(z) = sum_i sign_i tanh(w z + b_i) + e / 10, e ~ N(0, 1) */
typedef struct hills {
    size_t hidden;
    double w, b[4];
} hills;

static double height(const hills *h, double z)
{
    double y = 0;
    for (size_t i = 0; i < h->hidden; i++)
        y += (i % 2 ? -1 : 1) * tanh(h->w * z + h->b[i]);
    return y;
}

/* The vae, with an encoder that always says z = code, and n images of height
   x; returns log p(x), by quadrature. */
static double make_hills(const hills *h, double x, double code, size_t n,
                         slivi_vae **v, float *images)
{
    char hidden[2] = {(char)('0' + h->hidden), 0};
    const char *const options[] = {
        "hidden",   hidden,     "latent",  "1",         "likelihood",
        "gaussian", "x-sd",     "0.1",     "precision", "f64",
        "encoder",  "gaussian", "threads", "1",         NULL};
    double w[4], w2[4 * COPIES], zero[4 * COPIES] = {0}, sum = 0;
    const double says[2] = {code, -9};
    for (size_t i = 0; i < h->hidden; i++) {
        w[i] = h->w;
        for (size_t k = 0; k < COPIES; k++)
            w2[i * COPIES + k] = i % 2 ? -1 : 1;
    }
    *v = decoders_make(COPIES, options);
    decoders_put(*v, "decoder.w1", h->hidden, w);
    decoders_put(*v, "decoder.b1", h->hidden, h->b);
    decoders_put(*v, "decoder.w2", h->hidden * COPIES, w2);
    decoders_put(*v, "decoder.b2", COPIES, zero);
    decoders_put(*v, "encoder.w2", h->hidden * 2, zero);
    decoders_put(*v, "encoder.b2", 2, says);
    for (size_t i = 0; i < n * COPIES; i++)
        images[i] = (float)x;
    for (double at = -8; at < 8; at += 1e-3) {
        const double r = ((double)images[0] - height(h, at)) / 0.1;
        sum += 1e-3 * exp(-0.5 * (at * at + COPIES * r * r));
    }
    return log(sum) - COPIES * log(0.1) - 0.5 * (COPIES + 1) * LOG_2PI;
}

/* Estimates are right; returns the mean ess. */
static double check_hills(slivi_vae *v, const float *x, size_t n, double truth)
{
    double logp[40], se[40], parts = 0;
    estimate(v, x, n, 500, logp, se);
    for (size_t i = 0; i < n; i++) {
        ck_assert_double_lt(fabs(logp[i] - truth), 5 * se[i]);
        parts += ess(se[i], 500) / (double)n;
    }
    estimate(v, x, n, 2, logp, se); /* fewer draws than modes */
    return parts;
}

/* p(z|x) is the same at z and -z. */
START_TEST(two_modes_are_found)
{
    const hills h = {2, 2, {2, -2}};
    double cov[2], z[2] = {0.5, -0.5};
    float x[40 * COPIES];
    slivi_vae *v;
    slivi__peak peak[2];
    const double truth = make_hills(&h, height(&h, 1.2), 0.1, 40, &v, x);
    for (size_t k = 0; k < 2; k++)
        peak[k] = climb(v, x, &z[k], &cov[k]);
    ck_assert_double_eq_tol(z[0], 1.2, 0.05);
    ck_assert_double_eq_tol(z[1], -z[0], 0.005);
    slivi__laplace *l = slivi__laplace_create(v);
    ck_assert(!slivi__laplace_is_same(l, &peak[0], &peak[1]));
    z[1] = z[0] - 0.9 * sqrt(cov[0]);
    ck_assert(slivi__laplace_is_same(l, &peak[0], &peak[1]));
    z[1] = z[0] - 1.1 * sqrt(cov[0]);
    ck_assert(!slivi__laplace_is_same(l, &peak[0], &peak[1]));
    slivi__laplace_free(l);
    const double part = check_hills(v, x, 40, truth);
    ck_assert_msg(part > 0.8, "ess %g", part);
    slivi_vae_free(v);
}
END_TEST

/* Modes at 0.8 and 3.2, where the prior is lower by 4.8: draws follow mass. */
START_TEST(a_small_mode_has_few_draws)
{
    const hills h = {2, 2, {-2, -6}};
    float x[40 * COPIES];
    slivi_vae *v;
    const double truth = make_hills(&h, height(&h, 0.8), 3, 40, &v, x);
    const double part = check_hills(v, x, 40, truth);
    ck_assert_msg(part > 0.75, "ess %g", part);
    slivi_vae_free(v);
}
END_TEST

/* Modes at -1.75, -0.75, 0.75 and 1.75, which the first climbs cannot all
   find. */
START_TEST(many_modes_are_found)
{
    const hills h = {4, 8, {14, 6, -6, -14}};
    float x[40 * COPIES];
    slivi_vae *v;
    const double truth = make_hills(&h, 1, 0.1, 40, &v, x);
    double logp[40], se[40];
    int whole = 0;
    estimate(v, x, 40, 500, logp, se);
    for (size_t i = 0; i < 40; i++)
        whole += fabs(logp[i] - truth) < 5 * se[i] && se[i] < 0.03;
    ck_assert_msg(whole >= 17, "%d of 40", whole);
    slivi_vae_free(v);
}
END_TEST

/* Where there is nothing to climb. */
START_TEST(a_climb_without_ground)
{
    const double nan[HIDDEN] = {NAN};
    double z[2] = {0.5, 1}, cov[4];
    float x[BITS] = {0};
    slivi_vae *v = make_bits(1);
    decoders_put(v, "decoder.b1", HIDDEN, nan);
    const slivi__peak p = climb(v, x, z, cov);
    ck_assert(p.top == -INFINITY && p.log_mass == -INFINITY && p.runs == 1);
    ck_assert(z[0] == 0.5 && z[1] == 1);
    ck_assert(cov[0] == 1 && cov[1] == 0 && cov[2] == 0 && cov[3] == 1);
    slivi_vae_free(v);
}
END_TEST

/* ---- manners ------------------------------------------------------------- */

static int stop_at_three(size_t done, void *ctx)
{
    *(size_t *)ctx = done;
    return done == 3;
}

START_TEST(progress_memory_and_refusals)
{
    enum { IMAGES = 20 };
    static float x[IMAGES * BITS];
    double logp[IMAGES], nan[HIDDEN];
    size_t done = 0;
    scratch_memory *memory = scratch_watch(0);
    slivi_vae *v = make_bits(1);
    make_images(IMAGES, x);
    estimate(v, x, 1, 50, logp, NULL);
    memory->calls = 0;
    estimate(v, x, 1, 50, logp, NULL);
    const size_t calls = memory->calls, live = memory->live;
    memory->calls = 0;
    estimate(v, x, IMAGES, 50, logp, NULL);
    ck_assert_uint_eq(memory->calls, calls);
    ck_assert_uint_eq(memory->live, live);
    for (size_t i = 0; i < IMAGES; i++)
        logp[i] = 7;
    ck_assert_int_eq(slivi_vae_log_likelihood(v, x, IMAGES, 50, 1, logp, NULL,
                                              stop_at_three, &done),
                     SLIVI_ECALLBACK);
    ck_assert_uint_eq(done, 3);
    ck_assert(logp[2] != 7 && logp[3] == 7);
    ck_assert_int_eq(
        slivi_vae_log_likelihood(v, x, 1, 1, 1, logp, NULL, NULL, NULL),
        SLIVI_EINVAL);
    for (size_t i = 0; i < HIDDEN; i++)
        nan[i] = NAN;
    decoders_put(v, "decoder.b1", HIDDEN, nan);
    ck_assert_int_eq(
        slivi_vae_log_likelihood(v, x, 1, 50, 1, logp, NULL, NULL, NULL),
        SLIVI_ENONFINITE);
    scratch_check_message("importance", "nan at draw");
    ck_assert_uint_eq(memory->live, live);
    slivi_vae_free(v);
    ck_assert_uint_eq(memory->live, 0);
    scratch_unwatch();
}
END_TEST

Suite *slivi_suite_vae_nll(void)
{
    Suite *s = suite_create("vae_nll");
    TCase *c = tcase_create("oracles");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, modes_of_a_linear_decoder, 0, 6);
    tcase_add_loop_test(c, log_p_of_a_linear_decoder, 0, 4);
    tcase_add_test(c, an_encoder_without_spread);
    tcase_add_test(c, modes_of_a_decoder_of_bits);
    tcase_add_test(c, log_p_of_bits_by_quadrature);
    tcase_add_test(c, estimates_are_unbiased);
    tcase_add_test(c, two_modes_are_found);
    tcase_add_test(c, a_small_mode_has_few_draws);
    tcase_add_test(c, many_modes_are_found);
    tcase_add_test(c, a_climb_without_ground);
    tcase_add_test(c, progress_memory_and_refusals);
    suite_add_tcase(s, c);
    return s;
}
