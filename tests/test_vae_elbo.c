/* test_vae_elbo.c - the ELBO of encoders whose distance from the posterior is
   known.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "decoders.h"
#include "slivi/wae.h"
#include "suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = DECODERS_MOST, X = DECODERS_X };

/* An encoder that gives N(m, C) whatever x is: gaussian with C diagonal, and
   implicit, z = m + A e. */
static double elbo_of(slivi_vae *v, const float *x, size_t images, size_t draws)
{
    double *elbo = calloc(images, sizeof *elbo), sum = 0;
    float *all = calloc(images, X * sizeof *all);
    for (size_t i = 0; i < images; i++)
        memcpy(all + i * X, x, X * sizeof *x);
    ck_assert_msg(!slivi_vae_elbo(v, all, images, draws, 1, elbo, NULL, NULL),
                  "%s", slivi_errmsg());
    for (size_t i = 0; i < images; i++)
        sum += elbo[i] / (double)images;
    ck_assert(images < 2 || elbo[1] != elbo[0]);
    free(all);
    free(elbo);
    return sum;
}

/* log p(x) - ELBO is KL(N(m, s^2) | N(mean, P^-1)), few draws or many:
   E log p(x, z) = log p(x) + log N(z; mean, P^-1). */
START_TEST(elbo_of_a_gaussian_encoder)
{
    static const size_t dims[] = {1, 8, 32};
    static decoders_model m;
    static double w[X * 2 * MOST], l[MOST * MOST];
    double b[2 * MOST], kl = 0;
    const size_t d = dims[_i / 2], draws = _i % 2 ? d + 6 : 2000;
    slivi_vae *v = decoders_linear(&m, d, "f64");
    for (size_t j = 0; j < d; j++) {
        b[j] = m.mean[j] + 0.1 * (double)(j % 3);
        b[d + j] = -1 - 0.1 * (double)(j % 4); /* log s */
    }
    decoders_put(v, "encoder.w1", X * 2 * d, w);
    decoders_put(v, "encoder.b1", 2 * d, b);
    memcpy(l, m.precision, d * d * sizeof *l);
    ck_assert_int_eq(slivi__cholesky(d, l), 0);
    for (size_t i = 0; i < d; i++) {
        kl -= 0.5 + b[d + i] + log(l[i * d + i]);
        kl += 0.5 * m.precision[i * d + i] * exp(2 * b[d + i]);
        for (size_t j = 0; j < d; j++)
            kl += 0.5 * (b[i] - m.mean[i]) * m.precision[i * d + j]
                  * (b[j] - m.mean[j]);
    }
    ck_assert_double_gt(kl, 0.05);
    ck_assert_double_eq_tol(m.log_p
                                - elbo_of(v, m.x, _i % 2 ? 3000 : 40, draws),
                            kl, 0.02 * kl + 0.02);
    slivi_vae_free(v);
}
END_TEST

/* Draws of the posterior itself, correlated as it is: nothing is missing.
   P = L L', z = mean + L'^-1 e. */
START_TEST(elbo_of_the_posterior)
{
    enum { D = 8 };
    const char *const precision = _i ? "f32" : "f64";
    static decoders_model m;
    static double w[(X + D) * D], l[D * D], one[D];
    slivi_vae *gaussian = decoders_linear(&m, D, precision);
    const char *const options[] = {"hidden",     "none",     "latent",  "8",
                                   "likelihood", "gaussian", "x-sd",    "0.5",
                                   "encoder",    "implicit", "threads", "1",
                                   "precision",  precision,  NULL};
    slivi_vae *v = decoders_make(X, options);
    decoders_put(v, "decoder.w1", D * X, m.w);
    decoders_put(v, "decoder.b1", X, m.b);
    memcpy(l, m.precision, sizeof l);
    ck_assert_int_eq(slivi__cholesky(D, l), 0);
    for (size_t k = 0; k < D; k++) { /* row k of the noise's weights */
        for (size_t j = 0; j < D; j++)
            one[j] = j == k;
        slivi__trisolve(1, D, 1, l, one);
        memcpy(w + (X + k) * D, one, sizeof one);
    }
    decoders_put(v, "encoder.w1", (X + D) * D, w);
    decoders_put(v, "encoder.b1", D, m.mean);
    ck_assert_double_eq_tol(elbo_of(v, m.x, 100, 1000), m.log_p, 0.02);
    slivi_vae_free(v);
    slivi_vae_free(gaussian);
}
END_TEST

static int stop_at_2(size_t done, void *ctx)
{
    (void)ctx;
    return done == 2;
}

START_TEST(elbos_that_there_are_not)
{
    static decoders_model m;
    double elbo[3] = {7, 7, 7};
    float x[3 * X];
    slivi_vae *v = decoders_linear(&m, 8, "f64"), *wae = slivi_wae_create(X);
    for (size_t i = 0; i < 3; i++)
        memcpy(x + i * X, m.x, sizeof m.x);
    ck_assert_int_eq(slivi_vae_elbo(v, x, 3, 9, 1, elbo, NULL, NULL),
                     SLIVI_EINVAL);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "10, or more, not 9"));
    ck_assert_int_eq(slivi_vae_elbo(v, x, 3, 10, 1, elbo, stop_at_2, NULL),
                     SLIVI_ECALLBACK);
    ck_assert(elbo[0] != 7 && elbo[1] != 7 && elbo[2] == 7);
    ck_assert_int_eq(slivi_vae_elbo(wae, x, 3, 50, 1, elbo, NULL, NULL),
                     SLIVI_EUNSUPPORTED);
    x[X + 3] = NAN;
    ck_assert_int_eq(slivi_vae_elbo(v, x, 3, 50, 1, elbo, NULL, NULL),
                     SLIVI_ENONFINITE);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "image 1"));
    slivi_vae_free(wae);
    slivi_vae_free(v);
}
END_TEST

/* No noise comes through; the means are such that sums round. */
START_TEST(elbo_without_noise)
{
    static const size_t dims[] = {1, 2, 8};
    static decoders_model m;
    static double w[X * 16];
    const size_t d = dims[_i / 2];
    double b[16], elbo;
    slivi_vae *v = decoders_linear(&m, d, _i % 2 ? "f32" : "f64");
    for (size_t j = 0; j < d; j++) {
        b[j] = 6.1 + 0.7 * (double)j;
        b[d + j] = -200; /* log sigma */
    }
    decoders_put(v, "encoder.w1", X * 2 * d, w);
    decoders_put(v, "encoder.b1", 2 * d, b);
    ck_assert_int_eq(slivi_vae_elbo(v, m.x, 1, 500, 1, &elbo, NULL, NULL), 0);
    ck_assert(elbo == -INFINITY);
    slivi_vae_free(v);
}
END_TEST

START_TEST(streams_are_other_draws)
{
    static decoders_model m;
    double elbo[3];
    slivi_vae *v = decoders_linear(&m, 8, "f32");
    for (int k = 0; k < 3; k++)
        ck_assert_int_eq(
            slivi_vae_elbo(v, m.x, 1, 50, k == 1 ? 5 : 4, elbo + k, NULL, NULL),
            0);
    ck_assert(elbo[0] == elbo[2] && elbo[0] != elbo[1]);
    slivi_vae_free(v);
}
END_TEST

Suite *slivi_suite_vae_elbo(void)
{
    Suite *s = suite_create("vae_elbo");
    TCase *c = tcase_create("elbo");
    tcase_add_loop_test(c, elbo_of_a_gaussian_encoder, 0, 6);
    tcase_add_loop_test(c, elbo_of_the_posterior, 0, 2);
    tcase_add_test(c, elbos_that_there_are_not);
    tcase_add_loop_test(c, elbo_without_noise, 0, 6);
    tcase_add_test(c, streams_are_other_draws);
    suite_add_tcase(s, c);
    return s;
}
