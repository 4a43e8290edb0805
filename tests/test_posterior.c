/* test_posterior.c - the law that draws of a posterior follow, and its
   density.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posteriors.h"
#include "suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double log_2pi = 1.83787706640934548356;

static const char *const exact[] = {"precision", "f64", "hidden", "4", NULL};

/* ---- Gaussians ----------------------------------------------------------- */

static posteriors_normal space(void)
{
    posteriors_normal p = {.d = 3,
                           .mean = {0.5, -0.4, 0.1},
                           .slope = {1, -0.5, 0.7},
                           .precision = {2, .4, -.3, .4, 1, .2, -.3, .2, 3}};
    return p;
}

/* Family and whether there are contexts. */
static const struct {
    const char *family;
    int amortised;
} gaussians[] = {{"gaussian-diag", 0},
                 {"gaussian-full", 0},
                 {"gaussian-diag", 1},
                 {"gaussian-full", 1}};

static slivi_posterior *gaussian(int i, posteriors_normal *p, slivi_target **t,
                                 const char *const *options)
{
    *t = gaussians[i].amortised ? posteriors_amortised(p)
                                : posteriors_target(p);
    return posteriors_bent(gaussians[i].family, *t, options, 0.5);
}

/* log N(z; m + L a, L T T' L') at context c */
static double log_gaussian(slivi_posterior *q, double c, const double *z)
{
    const posteriors_affine f = posteriors_map(q, &c);
    const size_t d = q->d;
    double x[POSTERIORS_MOST], sum;

    for (size_t j = 0; j < d; j++)
        x[j] = z[j] - q->mean[j];
    posteriors_solve(d, q->chol, x);
    for (size_t j = 0; j < d; j++)
        x[j] -= f.a[j];
    posteriors_solve(d, f.t, x);
    sum = -0.5 * (double)d * log_2pi - posteriors_log_det(d, f.t)
          - posteriors_log_det(d, q->chol);
    for (size_t j = 0; j < d; j++)
        sum -= 0.5 * x[j] * x[j];
    return sum;
}

START_TEST(gaussian_densities_are_those_of_the_map)
{
    enum { N = 300 }; /* more than one block */
    posteriors_normal p = space();
    slivi_target *t;
    slivi_posterior *q = gaussian(_i, &p, &t, exact);
    double z[3 * N], other[3 * N], log_q[N], again[N], c[N];

    for (size_t i = 0; i < N; i++)
        c[i] = sin((double)i);
    ck_assert_int_eq(slivi_posterior_weigh(q, N, c, 4, 0, z, log_q), 0);
    ck_assert_int_eq(slivi_posterior_draw(q, N, c, 4, other), 0);
    ck_assert_int_eq(memcmp(z, other, sizeof z), 0);
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq_tol(log_q[i], log_gaussian(q, c[i], z + 3 * i),
                                1e-9);
    ck_assert_int_eq(slivi_posterior_log_density(q, N, c, z, 4, 0, again), 0);
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq_tol(again[i], log_q[i], 1e-9);
    for (size_t i = 0; i < 3 * N; i++) /* far from its own draws */
        z[i] = 2.5 * sin(3.0 * (double)i);
    ck_assert_int_eq(slivi_posterior_log_density(q, N, c, z, 9, 5, again), 0);
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq_tol(again[i], log_gaussian(q, c[i], z + 3 * i),
                                1e-9 * fabs(again[i]) + 1e-9);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* Mean m + L a and covariance L T T' L' of many draws, each within 4.5
   standard errors. */
START_TEST(gaussian_draws_have_their_moments)
{
    enum { N = 20000 };
    posteriors_normal p = space();
    slivi_target *t;
    slivi_posterior *q = gaussian(_i, &p, &t, exact);
    double *z = malloc(N * 4 * sizeof *z), *c = z + 3 * N, m[3] = {0};
    double lt[9] = {0}, centre[3];

    for (size_t i = 0; i < N; i++)
        c[i] = 0.6;
    const posteriors_affine f = posteriors_map(q, c);
    for (size_t i = 0; i < 3; i++) {
        centre[i] = q->mean[i];
        for (size_t j = 0; j < 3; j++)
            centre[i] += q->chol[3 * i + j] * f.a[j];
        for (size_t j = 0; j < 9; j++)
            lt[3 * i + j % 3] += q->chol[3 * i + j / 3] * f.t[j];
    }
    ck_assert_int_eq(slivi_posterior_draw(q, N, c, 8, z), 0);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < 3; j++)
            m[j] += (z[3 * i + j] - centre[j]) / N;
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j <= i; j++) {
            double want = 0, vi = 0, vj = 0, got = 0;
            for (size_t k = 0; k < 3; k++) {
                want += lt[3 * i + k] * lt[3 * j + k];
                vi += lt[3 * i + k] * lt[3 * i + k];
                vj += lt[3 * j + k] * lt[3 * j + k];
            }
            for (size_t r = 0; r < N; r++)
                got += (z[3 * r + i] - centre[i]) * (z[3 * r + j] - centre[j])
                       / N;
            ck_assert_double_eq_tol(got, want,
                                    4.5 * sqrt((vi * vj + want * want) / N));
            if (i == j)
                ck_assert_double_le(fabs(m[i]), 4.5 * sqrt(vi / N));
        }
    free(z);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* ---- semi-implicit ------------------------------------------------------- */

static const char *const few[] = {
    "precision", "f64", "hidden", "6", "mixture", "4", "batch", "64", NULL};
static const char *const many[] = {
    "precision", "f64", "hidden", "6", "mixture", "256", "batch", "256", NULL};

START_TEST(semi_implicit_density_integrates_to_one)
{
    enum { SIDE = 64, K = 4096 };
    posteriors_normal p = posteriors_plane(1, 1, 0, 0.3);
    slivi_target *t = posteriors_target(&p);
    slivi_posterior *q = posteriors_bent("semi-implicit", t, many, 0.15);
    static double z[2 * SIDE * SIDE], log_q[SIDE * SIDE];
    const double h = 14.0 / SIDE;
    double sum = 0;

    for (size_t i = 0; i < SIDE * SIDE; i++) { /* each block all over */
        const size_t at = i * 1009 % (SIDE * SIDE);
        z[2 * i] = -7 + h * ((double)(at % SIDE) + 0.5);
        z[2 * i + 1] = -7 + h * ((double)(at / SIDE) + 0.5);
    }
    ck_assert_int_eq(
        slivi_posterior_log_density(q, SIDE * SIDE, NULL, z, 1, K, log_q), 0);
    for (size_t i = 0; i < SIDE * SIDE; i++)
        sum += h * h * exp(log_q[i]);
    ck_assert_double_eq_tol(sum, 1, 0.01);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* With its net at zero q is N(m + L a, L (B'B + s^2) L'): what a mixture of
   many says of it. */
START_TEST(semi_implicit_density_is_the_marginal)
{
    enum { N = 40, K = 32768 };
    static const char *const options[] = {"precision", "f64", "hidden", "3",
                                          "mixture",   "512", "noise",  "3",
                                          "least",     "0",   NULL};
    posteriors_normal p = posteriors_plane(1, 1, 0, 0.3);
    slivi_target *t = posteriors_target(&p);
    slivi_posterior *q = posteriors_bent("semi-implicit", t, options, 0);
    const size_t count = slivi_params_size(q->params);
    double *values = malloc(count * sizeof *values), z[2 * N], log_q[N];
    const slivi_view *view[] = {
        slivi_params_view(q->params, (size_t)q->view_a),
        slivi_params_view(q->params, (size_t)q->view_b),
        slivi_params_view(q->params, (size_t)q->view_skip)};
    const double a[2] = {0.4, -0.6}, s[2] = {0.7, 0.5};
    const double b[6] = {0.9, 0.3, -0.4, 0.5, 0.2, -0.7}; /* 3 x 2 */

    slivi_params_get(q->params, values);
    for (size_t j = 0; j < 2; j++) {
        values[view[0]->offset + j] = a[j];
        values[view[1]->offset + j] = log(s[j]);
    }
    memcpy(values + view[2]->offset, b, sizeof b);
    slivi_params_set(q->params, values);
    free(values);
    /* covariance of w, its factor as T */
    double v[3] = {s[0] * s[0], 0, s[1] * s[1]};
    for (size_t k = 0; k < 3; k++) {
        v[0] += b[2 * k] * b[2 * k];
        v[1] += b[2 * k] * b[2 * k + 1];
        v[2] += b[2 * k + 1] * b[2 * k + 1];
    }
    const double first = sqrt(v[0]), low = v[1] / first;
    const posteriors_affine f = {{a[0], a[1]},
                                 {first, 0, low, sqrt(v[2] - low * low)}};
    ck_assert_int_eq(slivi_posterior_draw(q, N, NULL, 3, z), 0);
    ck_assert_int_eq(slivi_posterior_log_density(q, N, NULL, z, 7, K, log_q),
                     0);
    for (size_t i = 0; i < N; i++) {
        double x[2], want = -log_2pi - posteriors_log_det(2, f.t)
                            - posteriors_log_det(2, q->chol);
        for (size_t j = 0; j < 2; j++)
            x[j] = z[2 * i + j] - q->mean[j];
        posteriors_solve(2, q->chol, x);
        x[0] -= a[0];
        x[1] -= a[1];
        posteriors_solve(2, f.t, x);
        want -= 0.5 * (x[0] * x[0] + x[1] * x[1]);
        ck_assert_double_eq_tol(log_q[i], want, 0.15);
    }
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* Mean of p/q and its standard error, q with its own component or without. */
static double evidence(slivi_posterior *q, int own, size_t mixture, double *se)
{
    enum { N = 20000 };
    double *z = malloc(N * 5 * sizeof *z), *log_q = z + 2 * N;
    double *lp = log_q + N, *c = lp + N, sum = 0, squares = 0;

    for (size_t i = 0; i < N; i++)
        c[i] = (double)(i % 3) - 1;
    ck_assert_int_eq(slivi_posterior_weigh(q, N, c, 2, mixture, z, log_q), 0);
    if (!own)
        ck_assert_int_eq(
            slivi_posterior_log_density(q, N, c, z, 2, mixture, log_q), 0);
    ck_assert_int_eq(
        slivi_target_eval(q->target, N, z, q->k ? c : NULL, lp, NULL), 0);
    for (size_t i = 0; i < N; i++) {
        const double x = exp(lp[i] - log_q[i]);
        sum += x / N;
        squares += x * x / N;
    }
    *se = sqrt((squares - sum * sum) / N);
    free(z);
    return sum;
}

/* E_q[p / q_{K+1}] = 1 whatever K is; not so without the own component. */
START_TEST(weights_have_the_evidence_as_their_mean)
{
    posteriors_normal p = posteriors_plane(0.8, 1.1, 0.2, 0.3);
    const int amortised = _i == 2;
    slivi_target *t = amortised ? posteriors_amortised(&p)
                                : posteriors_target(&p);
    slivi_posterior *q = posteriors_bent("semi-implicit", t,
                                         _i == 1 ? many : few, 0.1);
    const size_t mixture = _i == 1 ? 256 : 4;
    double se;
    const double z = evidence(q, 1, mixture, &se);

    ck_assert_double_lt(se, 0.05);
    ck_assert_double_le(fabs(z - 1), 4 * se);
    if (mixture == 4)
        ck_assert_double_gt(evidence(q, 0, mixture, &se), 1.5);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* More draws begin with the same ones, and have their densities. */
START_TEST(draws_begin_alike)
{
    enum { N = 700 };
    static const char *const families[] = {"gaussian-full", "semi-implicit",
                                           "implicit"};
    posteriors_normal p = space();
    slivi_target *t = posteriors_target(&p);
    slivi_posterior *q = posteriors_bent(families[_i], t, NULL, 0.2);
    double z[3 * N], few_z[3 * N], log_q[N], few_q[N];
    const int weighs = _i < 2;

    ck_assert_int_eq(weighs ? slivi_posterior_weigh(q, N, NULL, 5, 64, z, log_q)
                            : slivi_posterior_draw(q, N, NULL, 5, z),
                     0);
    for (size_t n = 1; n < N; n += 53) {
        ck_assert_int_eq(slivi_posterior_draw(q, n, NULL, 5, few_z), 0);
        ck_assert_int_eq(memcmp(z, few_z, 3 * n * sizeof *z), 0);
        if (!weighs)
            continue;
        ck_assert_int_eq(slivi_posterior_weigh(q, n, NULL, 5, 64, few_z, few_q),
                         0);
        ck_assert_int_eq(memcmp(z, few_z, 3 * n * sizeof *z), 0);
        ck_assert_int_eq(memcmp(log_q, few_q, n * sizeof *log_q), 0);
    }
    ck_assert_int_eq(slivi_posterior_draw(q, N, NULL, 6, few_z), 0);
    ck_assert_double_ne(z[0], few_z[0]);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

START_TEST(a_score_of_gaussians_may_be_learnt)
{
    static const char *const options[] = {"entropy", "ssm-vr", "hidden", "4",
                                          NULL};
    posteriors_normal p = space();
    slivi_target *t = posteriors_target(&p);
    slivi_posterior *q = posteriors_bent("gaussian-full", t, options, 0.3);
    double z[3], log_q, again;

    ck_assert_int_eq(slivi_posterior_weigh(q, 1, NULL, 5, 0, z, &log_q), 0);
    ck_assert_int_eq(slivi_posterior_log_density(q, 1, NULL, z, 6, 0, &again),
                     0);
    ck_assert_double_eq_tol(log_q, again, 1e-5);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

Suite *slivi_suite_posterior(void)
{
    Suite *s = suite_create("posterior");
    TCase *c = tcase_create("posterior");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, gaussian_densities_are_those_of_the_map, 0, 4);
    tcase_add_loop_test(c, gaussian_draws_have_their_moments, 0, 4);
    tcase_add_test(c, semi_implicit_density_integrates_to_one);
    tcase_add_test(c, semi_implicit_density_is_the_marginal);
    tcase_add_loop_test(c, weights_have_the_evidence_as_their_mean, 0, 3);
    tcase_add_loop_test(c, draws_begin_alike, 0, 3);
    tcase_add_test(c, a_score_of_gaussians_may_be_learnt);
    suite_add_tcase(s, c);
    return s;
}
