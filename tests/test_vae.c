/* test_vae.c - variational auto-encoders whose likelihood and posterior are
   known: linear decoders (probabilistic PCA), one latent dimension.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/random.h"
#include "slivi/vae.h"
#include "suites.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_sort_vector.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { X = 6, Z = 2, N = 512 };

static slivi_vae *make(size_t dim, const char *const *options)
{
    slivi_vae *v = slivi_vae_create(dim);
    ck_assert_ptr_nonnull(v);
    for (; options && *options; options += 2)
        ck_assert_msg(!slivi_vae_set(v, options[0], options[1]), "%s",
                      slivi_errmsg());
    ck_assert_msg(!slivi_vae_ready(v), "%s", slivi_errmsg());
    return v;
}

/* ---- a linear decoder, read from the vae's own checkpoint ---------------- */

typedef struct decoder {
    double w[Z][X], b[X], sd; /* x = z w + b + sd e */
} decoder;

static void get(const slivi_checkpoint *c, const char *name, size_t rows,
                size_t cols, double *out)
{
    ck_assert_msg(
        !slivi_checkpoint_get(c, name, SLIVI_DTYPE_F64, rows, cols, out), "%s",
        slivi_errmsg());
}

static decoder decoder_of(const slivi_vae *v, double sd)
{
    decoder d = {.sd = sd};
    slivi_checkpoint *c = slivi_checkpoint_create();
    ck_assert_int_eq(slivi_vae_save(v, c), 0);
    get(c, "model.param.decoder.w1", Z, X, &d.w[0][0]);
    get(c, "model.param.decoder.b1", 1, X, d.b);
    if (sd == 0) {
        get(c, "model.param.decoder.log-sd", 1, 1, &d.sd);
        d.sd = exp(d.sd);
    }
    slivi_checkpoint_free(c);
    return d;
}

/* log N(r; 0, s), s k x k */
static double log_normal(size_t k, const double *s, const double *r)
{
    double work[X * X], y[X], log_det = 0, square = 0;
    memcpy(work, s, k * k * sizeof *s);
    gsl_matrix_view m = gsl_matrix_view_array(work, k, k);
    gsl_linalg_cholesky_decomp1(&m.matrix);
    for (size_t i = 0; i < k; i++) {
        y[i] = r[i];
        for (size_t j = 0; j < i; j++)
            y[i] -= work[i * k + j] * y[j];
        y[i] /= work[i * k + i];
        square += y[i] * y[i];
        log_det += 2 * log(work[i * k + i]);
    }
    return -0.5 * (square + log_det + (double)k * log(2 * M_PI));
}

/* log N(x; b, w'w + sd^2 I) */
static double exact_log_p(const decoder *d, const float *x)
{
    double s[X * X], r[X];
    for (size_t i = 0; i < X; i++) {
        r[i] = (double)x[i] - d->b[i];
        for (size_t j = 0; j < X; j++) {
            s[i * X + j] = i == j ? d->sd * d->sd : 0;
            for (size_t k = 0; k < Z; k++)
                s[i * X + j] += d->w[k][i] * d->w[k][j];
        }
    }
    return log_normal(X, s, r);
}

/* N images of 2 latent causes and noise of sd 0.3. */
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

/* Largest mean log-likelihood of probabilistic PCA on the images (Tipping and
   Bishop 1999): from the eigenvalues of their covariance. */
static double best_ppca(const float *x)
{
    double mean[X] = {0}, work[X * X] = {0}, log_det = 0, rest = 0;
    for (size_t i = 0; i < N * X; i++)
        mean[i % X] += (double)x[i] / N;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < X; j++)
            for (size_t k = 0; k < X; k++)
                work[j * X + k] += ((double)x[i * X + j] - mean[j])
                                   * ((double)x[i * X + k] - mean[k]) / N;
    gsl_matrix_view m = gsl_matrix_view_array(work, X, X);
    gsl_vector *value = gsl_vector_alloc(X);
    gsl_eigen_symm_workspace *ws = gsl_eigen_symm_alloc(X);
    gsl_eigen_symm(&m.matrix, value, ws);
    gsl_sort_vector(value);
    for (size_t i = 0; i < X - Z; i++)
        rest += gsl_vector_get(value, i) / (X - Z);
    for (size_t i = X - Z; i < X; i++)
        log_det += log(gsl_vector_get(value, i));
    log_det += (X - Z) * log(rest);
    gsl_eigen_symm_free(ws);
    gsl_vector_free(value);
    return -0.5 * (X * log(2 * M_PI) + log_det + X);
}

static void train(slivi_vae *v, const float *x, int steps)
{
    for (int k = 0; k < steps; k++)
        ck_assert_msg(
            !slivi_vae_step(v, x + (size_t)(k % 4) * 128 * X, 128, NULL), "%s",
            slivi_errmsg());
}

#define LINEAR                                                                 \
    "hidden", "none", "latent", "2", "likelihood", "gaussian", "precision",    \
        "f64", "optimizer", "adam", "threads", "1"

/* ---- O19, O23 ------------------------------------------------------------ */

/* A Gaussian encoder is exact up to rotation: the trained ELBO is the best
   likelihood of probabilistic PCA (Lucas et al. 2019). */
START_TEST(gaussian_encoder_reaches_the_likelihood)
{
    const char *const options[] = {LINEAR,
                                   "encoder",
                                   "gaussian",
                                   "entropy",
                                   _i ? "ssm-vr" : "closed",
                                   "rate",
                                   "0.01",
                                   "schedule",
                                   "cosine",
                                   "steps",
                                   "4000",
                                   "base",
                                   "gaussian",
                                   "score-rate",
                                   "3",
                                   "context",
                                   _i < 2 ? "image" : "both",
                                   NULL};
    const float *x = images();
    slivi_vae *v = make(X, options);
    train(v, x, 4000);
    double bound[N], sum = 0;
    for (uint64_t k = 0; k < 40; k++) {
        ck_assert_int_eq(slivi_vae_bound(v, x, N, 1, k, bound), 0);
        for (size_t i = 0; i < N; i++)
            sum += bound[i] / N / 40;
    }
    double best = best_ppca(x);
    ck_assert_double_le(sum, best + 0.02);
    ck_assert_double_ge(sum, best - (_i ? 0.06 : 0.03));
    slivi_vae_free(v);
}
END_TEST

/* Posterior of the linear decoder: N(A (x - b), S), with
   S = sd^2 (w w' + sd^2 I)^-1 and A = S w / sd^2. */
static void posterior(const decoder *d, const float *x, double mean[Z],
                      double s[Z][Z])
{
    double m[Z][Z], r[Z] = {0};
    for (size_t i = 0; i < Z; i++)
        for (size_t j = 0; j < Z; j++) {
            m[i][j] = i == j ? d->sd * d->sd : 0;
            for (size_t k = 0; k < X; k++)
                m[i][j] += d->w[i][k] * d->w[j][k];
        }
    double det = m[0][0] * m[1][1] - m[0][1] * m[1][0];
    double f = d->sd * d->sd / det;
    s[0][0] = f * m[1][1];
    s[1][1] = f * m[0][0];
    s[0][1] = s[1][0] = -f * m[0][1];
    for (size_t i = 0; i < Z; i++)
        for (size_t k = 0; k < X; k++)
            r[i] += d->w[i][k] * ((double)x[k] - d->b[k]) / d->sd / d->sd;
    for (size_t i = 0; i < Z; i++)
        mean[i] = s[i][0] * r[0] + s[i][1] * r[1];
}

/* O19 for the implicit encoder: its draws have the posterior's mean and
   covariance. Without the entropy term, or with its sign flipped, the
   covariance would collapse. */
START_TEST(implicit_encoder_finds_the_posterior)
{
    enum { DRAWS = 4000 };
    const char *const names[] = {"ssm-vr", "sm", "ssm", "dsm", "ssm-vr", "sm"};
    static const char *const contexts[] = {"image", "image", "image",
                                           "image", "code",  "both"};
    const char *const options[] = {
        LINEAR,   "context",    contexts[_i], "entropy",     names[_i],
        "rate",   "0.01",       "schedule",   "cosine",      "steps",
        "5000",   "score-rate", "3",          "score-steps", "2",
        "slices", "2",          "law",        "rademacher",  "sigma",
        "0.1",    "base",       "gaussian",   NULL};
    const float *x = images();
    slivi_vae *v = make(X, options);
    train(v, x, 5000);
    decoder d = decoder_of(v, 0);
    static float many[DRAWS * X], z[DRAWS * Z];
    for (size_t image = 0; image < 3; image++) {
        double mean[Z], s[Z][Z], m[Z] = {0}, c[Z][Z] = {{0}};
        posterior(&d, x + image * X, mean, s);
        for (size_t i = 0; i < DRAWS; i++)
            memcpy(many + i * X, x + image * X, X * sizeof *x);
        ck_assert_int_eq(slivi_vae_encode(v, many, DRAWS, image, z), 0);
        for (size_t i = 0; i < DRAWS * Z; i++)
            m[i % Z] += (double)z[i] / DRAWS;
        for (size_t i = 0; i < DRAWS; i++)
            for (size_t j = 0; j < Z; j++)
                for (size_t k = 0; k < Z; k++)
                    c[j][k] += ((double)z[i * Z + j] - m[j])
                               * ((double)z[i * Z + k] - m[k]) / DRAWS;
        for (size_t j = 0; j < Z; j++) {
            double sd = sqrt(s[j][j]);
            ck_assert_double_eq_tol((m[j] - mean[j]) / sd, 0, 0.25);
            ck_assert_double_eq_tol(sqrt(c[j][j]) / sd, 1, 0.12);
        }
        ck_assert_double_eq_tol((c[0][1] - s[0][1]) / sqrt(s[0][0] * s[1][1]),
                                0, 0.15);
    }
    double best = best_ppca(x), sum = 0; /* and the decoder is as good */
    for (size_t i = 0; i < N; i++)
        sum += exact_log_p(&d, x + i * X) / N;
    ck_assert_double_eq_tol(sum, best, 0.03);
    slivi_vae_free(v);
}
END_TEST

/* Importance sampling against the exact density, within its own error. */
START_TEST(log_likelihood_of_a_linear_decoder)
{
    enum { IMAGES = 40 };
    const char *const options[] = {
        LINEAR, "x-sd", "0.3", "encoder", _i ? "gaussian" : "implicit", NULL};
    const float *x = images();
    slivi_vae *v = make(X, options);
    train(v, x, _i ? 0 : 200);
    decoder d = decoder_of(v, 0.3);
    double logp[IMAGES], se[IMAGES], sum = 0;
    ck_assert_int_eq(
        slivi_vae_log_likelihood(v, x, IMAGES, 2000, 1, logp, se, NULL, NULL),
        0);
    for (size_t i = 0; i < IMAGES; i++) {
        double error = logp[i] - exact_log_p(&d, x + i * X);
        ck_assert_double_lt(se[i], 0.05);
        ck_assert_double_lt(fabs(error), 5 * se[i] + 1e-3);
        sum += error / IMAGES;
    }
    ck_assert_double_eq_tol(sum, 0, 0.01);
    float twice[2 * X]; /* each image has draws of its own */
    memcpy(twice, x, X * sizeof *x);
    memcpy(twice + X, x, X * sizeof *x);
    ck_assert_int_eq(
        slivi_vae_log_likelihood(v, twice, 2, 500, 1, logp, NULL, NULL, NULL),
        0);
    ck_assert_double_ne(logp[0], logp[1]);
    slivi_vae_free(v);
}
END_TEST

/* O23: the bound with k = 1 is the ELBO, it grows with k and stays below
   log p.  The ELBO by hand: E log p(x|z) has (w_jk sigma_j)^2 terms. */
START_TEST(bounds_lie_between_elbo_and_likelihood)
{
    enum { IMAGES = 16, REPEATS = 3000 };
    const char *const options[] = {LINEAR,     "x-sd",    "1",      "encoder",
                                   "gaussian", "entropy", "closed", NULL};
    const float *x = images();
    slivi_vae *v = make(X, options);
    decoder d = decoder_of(v, 1);
    slivi_checkpoint *c = slivi_checkpoint_create();
    double w[X][2 * Z], b[2 * Z], elbo = 0, fit = 0, logp = 0, kl = 0;
    ck_assert_int_eq(slivi_vae_save(v, c), 0);
    get(c, "model.param.encoder.w1", X, 2 * Z, &w[0][0]);
    get(c, "model.param.encoder.b1", 1, 2 * Z, b);
    slivi_checkpoint_free(c);
    for (size_t i = 0; i < IMAGES; i++) {
        double q[2 * Z];
        for (size_t j = 0; j < 2 * Z; j++) {
            q[j] = b[j];
            for (size_t k = 0; k < X; k++)
                q[j] += (double)x[i * X + k] * w[k][j];
        }
        for (size_t j = 0; j < Z; j++)
            kl += (q[j] * q[j] + exp(2 * q[Z + j]) - 1 - 2 * q[Z + j]) / 2
                  / IMAGES;
        for (size_t k = 0; k < X; k++) {
            double r = (double)x[i * X + k] - d.b[k], var = 0;
            for (size_t j = 0; j < Z; j++) {
                r -= q[j] * d.w[j][k];
                var += pow(d.w[j][k] * exp(q[Z + j]), 2);
            }
            fit += 0.5 * (r * r + var + log(2 * M_PI)) / IMAGES;
        }
        logp += exact_log_p(&d, x + i * X) / IMAGES;
    }
    elbo = -fit - kl;
    double mean[3] = {0}, square = 0, bound[IMAGES];
    const size_t ks[3] = {1, 5, 50};
    for (size_t k = 0; k < 3; k++)
        for (uint64_t r = 0; r < REPEATS / ks[k]; r++) {
            double one = 0;
            ck_assert_int_eq(slivi_vae_bound(v, x, IMAGES, ks[k], r, bound), 0);
            for (size_t i = 0; i < IMAGES; i++)
                one += bound[i] / IMAGES;
            mean[k] += one / (double)(REPEATS / ks[k]);
            square += k ? 0 : one * one / REPEATS;
        }
    double se = sqrt((square - mean[0] * mean[0]) / REPEATS);
    ck_assert_double_lt(fabs(mean[0] - elbo), 4 * se);
    ck_assert_double_lt(se, 0.01 * fabs(elbo));
    ck_assert_double_gt(mean[1], mean[0] + 0.05);
    ck_assert_double_gt(mean[2], mean[1] + 0.02);
    ck_assert_double_lt(mean[2], logp + 0.02);
    /* and the first step reports the same two terms, the KL exactly and the
       reconstruction from one draw each */
    slivi_vae_losses losses;
    ck_assert_int_eq(slivi_vae_step(v, x, IMAGES, &losses), 0);
    ck_assert_double_eq_tol(losses.prior, kl, 1e-10);
    ck_assert_double_eq_tol(losses.reconstruction, fit, 1.5);
    slivi_vae_free(v);
}
END_TEST

/* One latent dimension, Bernoulli: log p(x) by quadrature of the decoder. */
START_TEST(log_likelihood_of_a_bernoulli_decoder)
{
    enum { IMAGES = 10, GRID = 4001 };
    const char *const options[] = {"hidden", "20",   "latent", "1", "optimizer",
                                   "adam",   "rate", "0.01",   NULL};
    static float z[GRID], p[GRID * X], x[128 * X];
    slivi_vae *v = make(X, options);
    slivi_address at = {.seed = 6, .stream = 60};
    slivi_draw_f32(slivi_law_uniform, &at, 128, X, x);
    for (int k = 0; k < 300; k++)
        ck_assert_int_eq(slivi_vae_step(v, x, 128, NULL), 0);
    float binary[IMAGES * X];
    ck_assert_int_eq(slivi_vae_binarise(v, x, IMAGES, 3, binary), 0);
    for (size_t i = 0; i < GRID; i++)
        z[i] = (float)(-8 + 16.0 * (double)i / (GRID - 1));
    ck_assert_int_eq(slivi_vae_decode(v, z, GRID, p), 0);
    double logp[IMAGES], se[IMAGES];
    ck_assert_int_eq(slivi_vae_log_likelihood(v, binary, IMAGES, 4000, 1, logp,
                                              se, NULL, NULL),
                     0);
    for (size_t i = 0; i < IMAGES; i++) {
        double sum = 0; /* trapezoids of N(z; 0, 1) p(x|z) */
        for (size_t k = 0; k < GRID; k++) {
            double l = -0.5 * (double)z[k] * (double)z[k];
            for (size_t j = 0; j < X; j++) {
                double q = (double)p[k * X + j];
                ck_assert_double_gt(q, 0);
                ck_assert_double_lt(q, 1);
                l += log(binary[i * X + j] > 0 ? q : 1 - q);
            }
            sum += exp(l) / sqrt(2 * M_PI) * 16 / (GRID - 1);
        }
        ck_assert_double_lt(fabs(logp[i] - log(sum)), 5 * se[i] + 1e-3);
    }
    slivi_vae_free(v);
}
END_TEST

/* The model's step draws z of its own, not those that the score net has just
   been trained on: the prior's term, by hand from the draws' address. */
START_TEST(model_steps_draw_fresh_noise)
{
    enum { IMAGES = 20, STREAM_NOISE = 4 };
    const char *const options[] = {LINEAR, "rate", "1e-30", NULL};
    const float *x = images();
    slivi_vae *v = make(X, options);
    slivi_checkpoint *c = slivi_checkpoint_create();
    double w[X + Z][Z], b[Z], e[IMAGES * Z], want = Z * log(2 * M_PI) / 2;
    double ws[Z + X][Z], bs[Z], stein = Z; /* s(z|x) is linear as well */
    slivi_address at = {.stream = STREAM_NOISE, .step = (uint64_t)1 << 47};
    slivi_vae_losses losses;
    ck_assert_int_eq(slivi_vae_save(v, c), 0);
    get(c, "model.param.encoder.w1", X + Z, Z, &w[0][0]);
    get(c, "model.param.encoder.b1", 1, Z, b);
    get(c, "score.param.score.w1", Z + X, Z, &ws[0][0]);
    get(c, "score.param.score.b1", 1, Z, bs);
    slivi_checkpoint_free(c);
    slivi_draw(slivi_law_normal, &at, IMAGES, Z, e);
    for (size_t i = 0; i < IMAGES; i++) {
        double z[Z], s[Z];
        for (size_t j = 0; j < Z; j++) {
            z[j] = b[j];
            s[j] = bs[j];
            for (size_t k = 0; k < X; k++) {
                z[j] += (double)x[i * X + k] * w[k][j];
                s[j] += (double)x[i * X + k] * ws[Z + k][j];
            }
            for (size_t k = 0; k < Z; k++)
                z[j] += e[i * Z + k] * w[X + k][j];
            want += z[j] * z[j] / 2 / IMAGES;
        }
        for (size_t j = 0; j < Z; j++) {
            for (size_t k = 0; k < Z; k++)
                s[j] += z[k] * ws[k][j];
            stein += s[j] * z[j] / IMAGES;
        }
    }
    ck_assert_int_eq(slivi_vae_step(v, x, IMAGES, &losses), 0);
    ck_assert_double_eq_tol(losses.prior, want, 1e-12);
    ck_assert_double_eq_tol(losses.stein, stein, 1e-12);
    slivi_vae_free(v);
}
END_TEST

/* u < pixel: frequencies are the pixels; 0 stays 0 and 1 stays 1. */
START_TEST(binarisation_has_the_pixels_as_means)
{
    enum { DRAWS = 20000 };
    static float x[DRAWS * 4], out[DRAWS * 4];
    const float pixel[4] = {0, 0.2f, 0.7f, 1};
    double mean[4] = {0};
    slivi_vae *v = make(4, (const char *const[]){"hidden", "4", NULL});
    for (size_t i = 0; i < DRAWS * 4; i++)
        x[i] = pixel[i % 4];
    ck_assert_int_eq(slivi_vae_binarise(v, x, DRAWS, 0, out), 0);
    for (size_t i = 0; i < DRAWS * 4; i++) {
        ck_assert(out[i] == 0 || out[i] == 1);
        mean[i % 4] += (double)out[i];
    }
    ck_assert(mean[0] == 0 && mean[3] == DRAWS);
    ck_assert_double_eq_tol(mean[1] / DRAWS, 0.2, 0.012); /* 4 se */
    ck_assert_double_eq_tol(mean[2] / DRAWS, 0.7, 0.013);
    slivi_vae_free(v);
}
END_TEST

Suite *slivi_suite_vae(void)
{
    Suite *s = suite_create("vae");
    TCase *c = tcase_create("oracles");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, gaussian_encoder_reaches_the_likelihood, 0, 3);
    tcase_add_loop_test(c, implicit_encoder_finds_the_posterior, 0, 6);
    tcase_add_loop_test(c, log_likelihood_of_a_linear_decoder, 0, 2);
    tcase_add_test(c, bounds_lie_between_elbo_and_likelihood);
    tcase_add_test(c, log_likelihood_of_a_bernoulli_decoder);
    tcase_add_test(c, model_steps_draw_fresh_noise);
    tcase_add_test(c, binarisation_has_the_pixels_as_means);
    suite_add_tcase(s, c);
    return s;
}
