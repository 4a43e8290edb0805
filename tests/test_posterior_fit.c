/* test_posterior_fit.c - where fits end: at Gaussians, curved targets, several
   modes, contexts, minibatches.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posteriors.h"
#include "suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 20000 };
static double z[2 * N];

static void draw(slivi_posterior *q, const double *c)
{
    ck_assert_int_eq(slivi_posterior_draw(q, N, c, 11, z), 0);
}

/* The Gaussian of a fit: means and sds of z, exact. */
static void law_of(slivi_posterior *q, const double *c, double mean[2],
                   double cov[3])
{
    const posteriors_affine f = posteriors_map(q, c);
    const double *l = q->chol;
    const double t[4] = {l[0] * f.t[0], l[0] * f.t[1],
                         l[2] * f.t[0] + l[3] * f.t[2],
                         l[2] * f.t[1] + l[3] * f.t[3]};

    mean[0] = q->mean[0] + l[0] * f.a[0];
    mean[1] = q->mean[1] + l[2] * f.a[0] + l[3] * f.a[1];
    cov[0] = t[0] * t[0] + t[1] * t[1];
    cov[1] = t[0] * t[2] + t[1] * t[3];
    cov[2] = t[2] * t[2] + t[3] * t[3];
}

/* Sds as they are, as 1e-3 and 1e3; whitened or, where they are 1, not. */
START_TEST(full_gaussians_are_exact)
{
    static const struct {
        double sd1, sd2;
        const char *whiten;
    } cases[] = {{1, 1.5, "none"},
                 {1, 1.5, "diagonal"},
                 {1e-3, 1.5e-3, "diagonal"},
                 {1e-3, 1e3, "diagonal"},
                 {1e-3, 1e3, "full"}};
    const char *const options[] = {
        "precision",   "f64", "steps",  "1200",
        "batch",       "16",  "rate",   "0.05",
        "average",     "0",   "check",  "600",
        "bound-draws", "50",  "whiten", cases[_i].whiten,
        NULL};
    posteriors_normal p = posteriors_plane(cases[_i].sd1, cases[_i].sd2, 0.7,
                                           0.6);
    slivi_target *t = posteriors_target(&p);
    slivi_posterior *q = posteriors_make("gaussian-full", t, options);
    const slivi_posterior_progress end = posteriors_fit(q, NULL, 0);
    double mean[2], cov[3];

    law_of(q, NULL, mean, cov);
    ck_assert_double_eq_tol((mean[0] - p.mean[0]) / cases[_i].sd1, 0, 1e-5);
    ck_assert_double_eq_tol((mean[1] - p.mean[1]) / cases[_i].sd2, 0, 1e-5);
    ck_assert_double_eq_tol(sqrt(cov[0]) / cases[_i].sd1, 1, 1e-5);
    ck_assert_double_eq_tol(sqrt(cov[2]) / cases[_i].sd2, 1, 1e-5);
    ck_assert_double_eq_tol(cov[1] / cases[_i].sd1 / cases[_i].sd2, 0.6, 1e-5);
    ck_assert_double_eq_tol(end.best, 0, 1e-8); /* log int p, no variance */
    ck_assert_double_lt(end.gap, 1e-4);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* 0.98 N(-4, 1) + 0.02 N(0.3, 0.1^2): a climb from 0 ends in the small one. */
static int unequal(size_t n, size_t d, const double *x, double *lp,
                   double *grad, void *ctx)
{
    (void)d;
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        const double u = x[i] + 4, v = (x[i] - 0.3) / 0.1;
        const double a = log(0.98) - 0.5 * u * u;
        const double b = log(0.2) - 0.5 * v * v, top = fmax(a, b);
        const double all = top + log(exp(a - top) + exp(b - top));
        lp[i] = all - 0.91893853320467274;
        grad[i] = -exp(a - all) * u - exp(b - all) * v / 0.1;
    }
    return 0;
}

START_TEST(the_better_gaussian_whitens)
{
    static const char *const options[] = {"steps", "1", "rate", "1e-6", NULL};
    slivi_target *t = slivi_target_create(1, unequal, NULL);
    slivi_posterior *q = posteriors_make("gaussian-diag", t, options);

    posteriors_fit(q, NULL, 0);
    ck_assert_double_eq_tol(q->mean[0], -4, 0.01);
    ck_assert_double_eq_tol(q->chol[0], 1, 0.01);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* Mean field: sds are 1 / sqrt(precision), too narrow; the bound is what this
   costs. */
START_TEST(diagonal_gaussians_are_mean_field)
{
    static const char *const options[] = {
        "precision",   "f64",  "steps",   "800",      "batch", "64",
        "rate",        "0.02", "average", "0",        "check", "400",
        "bound-draws", "4000", "whiten",  "diagonal", NULL};
    posteriors_normal p = posteriors_plane(2, 0.5, 0.7, 0.8);
    slivi_target *t = posteriors_target(&p);
    slivi_posterior *q = posteriors_make("gaussian-diag", t, options);
    const slivi_posterior_progress end = posteriors_fit(q, NULL, 0);
    double mean[2], cov[3];

    law_of(q, NULL, mean, cov);
    ck_assert_double_eq_tol(sqrt(cov[0] * p.precision[0]), 1, 0.02);
    ck_assert_double_eq_tol(sqrt(cov[2] * p.precision[3]), 1, 0.02);
    ck_assert_double_eq_tol(cov[1], 0, 1e-12);
    ck_assert_double_eq_tol(mean[0], p.mean[0], 0.04);
    ck_assert_double_eq_tol(mean[1], p.mean[1], 0.01);
    ck_assert_double_eq_tol(end.bound, 0.5 * log(1 - 0.64),
                            4 * end.bound_se + 0.002);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* x2's sd is sqrt(1/4 * 2 ... ): var = 1/2 + var(x1^2)/16 = 1/2 + 8/16. */
START_TEST(semi_implicit_bends)
{
    static const char *const options[] = {
        "hidden", "16,16", "steps",       "1500", "batch", "64",    "mixture",
        "128",    "grow",  "2",           "rate", "0.01",  "check", "500",
        "least",  "0.02",  "bound-draws", "1000", NULL};
    slivi_target *t = slivi_target_create(2, posteriors_banana, NULL);
    slivi_posterior *q = posteriors_make("semi-implicit", t, options);
    const slivi_posterior_progress end = posteriors_fit(q, NULL, 0);
    double mean, sd, third = 0;

    draw(q, NULL);
    posteriors_moments(N, 2, z, 0, &mean, &sd);
    ck_assert_double_eq_tol(mean, 0, 0.1);
    ck_assert_double_eq_tol(sd / sqrt(2), 1, 0.08);
    posteriors_moments(N, 2, z, 1, &mean, &sd);
    ck_assert_double_eq_tol(mean, 0.5, 0.1);
    ck_assert_double_eq_tol(sd, 1, 0.1);
    for (size_t i = 0; i < N; i++) /* E x1^2 (x2 - 1/2) = 2: the bend */
        third += z[2 * i] * z[2 * i] * (z[2 * i + 1] - 0.5) / N;
    ck_assert_double_eq_tol(third, 2, 0.5);
    ck_assert_double_gt(end.best, -0.05);
    ck_assert_double_lt(end.best, 0.02);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* The same problem with c' = 100 + c / 1000 for c: nets see the same. */
START_TEST(units_of_contexts_do_not_matter)
{
    enum { ROWS = 40, SHOWN = 32 };
    static const char *const options[] = {"precision", "f64",  "hidden", "8",
                                          "steps",     "200",  "batch",  "32",
                                          "rate",      "0.02", NULL};
    double drawn[2][2 * SHOWN], at[SHOWN], contexts[ROWS];
    for (size_t other = 0; other < 2; other++) {
        const double unit = other ? 1e-3 : 1, zero = other ? 100 : 0;
        posteriors_normal p = posteriors_plane(0.5, 2, 0.7, 0.6);
        for (size_t j = 0; j < 2; j++) {
            p.slope[j] = (j ? -2 : 1.5) / unit;
            p.mean[j] -= p.slope[j] * zero;
        }
        slivi_target *t = posteriors_amortised(&p);
        slivi_posterior *q = posteriors_make("gaussian-full", t, options);
        for (size_t i = 0; i < ROWS; i++)
            contexts[i] = zero + unit * 2 * sin((double)i);
        for (size_t i = 0; i < SHOWN; i++)
            at[i] = zero + unit * 0.1 * (double)i;
        posteriors_fit(q, contexts, ROWS);
        ck_assert_int_eq(slivi_posterior_draw(q, SHOWN, at, 1, drawn[other]),
                         0);
        slivi_posterior_free(q);
        slivi_target_free(t);
    }
    for (size_t i = 0; i < 2 * SHOWN; i++)
        ck_assert_double_eq_tol(drawn[0][i], drawn[1][i], 1e-4);
}
END_TEST

/* A Gaussian whose mean moves with the context, at contexts not seen. */
START_TEST(amortised_gaussians_meet_new_contexts)
{
    enum { ROWS = 40 };
    static const char *const options[] = {
        "precision",   "f64", "hidden",  "8",    "steps", "3000",
        "batch",       "32",  "rate",    "0.02", "check", "3000",
        "bound-draws", "64",  "average", "0",    NULL};
    double contexts[ROWS];
    posteriors_normal p = posteriors_plane(0.5, 2, 0.7, 0.6);
    p.slope[0] = 1.5;
    p.slope[1] = -2;
    slivi_target *t = posteriors_amortised(&p);
    slivi_posterior *q = posteriors_make("gaussian-full", t, options);

    for (size_t i = 0; i < ROWS; i++)
        contexts[i] = 2 * sin((double)i);
    const slivi_posterior_progress end = posteriors_fit(q, contexts, ROWS);
    for (double c = -1.45; c < 1.5; c += 0.7) {
        double mean[2], cov[3];
        law_of(q, &c, mean, cov);
        ck_assert_double_eq_tol((mean[0] - p.mean[0] - 1.5 * c) / 0.5, 0, 0.1);
        ck_assert_double_eq_tol((mean[1] - p.mean[1] + 2 * c) / 2, 0, 0.1);
        ck_assert_double_eq_tol(sqrt(cov[0]) / 0.5, 1, 0.05);
        ck_assert_double_eq_tol(sqrt(cov[2]) / 2, 1, 0.05);
        ck_assert_double_eq_tol(cov[1], 0.6, 0.06);
    }
    ck_assert_double_gt(end.bound, -0.02);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* 0.3 N((-4, 0), I) + 0.7 N((4, 0), I) */
static int two_modes(size_t n, size_t d, const double *x, double *lp,
                     double *grad, void *ctx)
{
    (void)d;
    (void)ctx;
    for (size_t i = 0; i < n; i++, x += 2, grad += 2) {
        const double left = -4 * x[0] - 8 + log(0.3);
        const double right = 4 * x[0] - 8 + log(0.7);
        const double top = fmax(left, right);
        const double all = top + log(exp(left - top) + exp(right - top));
        lp[i] = all - 0.5 * (x[0] * x[0] + x[1] * x[1]) - 1.83787706640934548;
        grad[0] = -x[0] + 4 * (exp(right - all) - exp(left - all));
        grad[1] = -x[1];
    }
    return 0;
}

static double left_mass(const char *anneal)
{
    const char *const options[] = {
        "hidden",  "16,16", "steps",       "1200", "batch",  "64",
        "mixture", "128",   "grow",        "1",    "rate",   "0.01",
        "check",   "600",   "bound-draws", "200",  "whiten", "none",
        "anneal",  anneal,  "beta",        "0.05", NULL};
    slivi_target *t = slivi_target_create(2, two_modes, NULL);
    slivi_posterior *q = posteriors_make("semi-implicit", t, options);
    double left = 0;

    posteriors_fit(q, NULL, 0);
    draw(q, NULL);
    for (size_t i = 0; i < N; i++)
        left += z[2 * i] < 0 ? 1.0 / N : 0;
    slivi_posterior_free(q);
    slivi_target_free(t);
    return left;
}

START_TEST(annealing_finds_both_modes)
{
    ck_assert_double_lt(left_mass("0"), 0.01); /* one alone, without */
    ck_assert_double_eq_tol(left_mass("0.6"), 0.3, 0.12);
}
END_TEST

/* Rows y_i ~ N(x, 1), x ~ N(0, 10^2 I), in parts of 3 of 20. */
enum { DATA = 20 };

static size_t largest, smallest; /* parts that were seen */

static int by_parts(size_t n, size_t d, const double *x, size_t m,
                    const size_t *index, double scale, double *lp, double *grad,
                    void *ctx)
{
    const double *y = ctx;

    largest = m > largest ? m : largest;
    smallest = m < smallest ? m : smallest;
    for (size_t i = 0; i < n; i++) {
        lp[i] = 0;
        for (size_t j = 0; j < d; j++) {
            const double at = x[i * d + j];
            lp[i] -= 0.005 * at * at;
            grad[i * d + j] = -0.01 * at;
            for (size_t r = 0; r < m; r++) {
                const double off = y[d * (index ? index[r] : r) + j] - at;
                lp[i] -= 0.5 * scale * off * off;
                grad[i * d + j] += scale * off;
            }
        }
    }
    return 0;
}

START_TEST(minibatches_end_where_all_rows_do)
{
    static const slivi_parameter parameters[] = {{.name = "x"}, {.name = "y"}};
    static const char *const options[] = {
        "precision",   "f64",  "steps",  "3000",  "batch",
        "8",           "rate", "0.03",   "check", "3000",
        "bound-draws", "50",   "whiten", "none",  NULL};
    double y[2 * DATA], sum[2] = {0}, norm;

    for (size_t i = 0; i < 2 * DATA; i++) {
        y[i] = 2 * cos((double)(i * i)) + (i % 2 ? 1 : -2);
        sum[i % 2] += y[i];
    }
    slivi_target *t = slivi_target_create_parts(2, parameters, DATA, 3, 1,
                                                by_parts, y);
    ck_assert_msg(t != NULL, "%s", slivi_errmsg());
    slivi_posterior *q = posteriors_make("gaussian-full", t, options);
    ck_assert_int_eq(slivi__posterior_ready(q), 0);
    smallest = DATA;
    largest = 0;
    for (size_t i = 0; i < 7; i++)
        ck_assert_int_eq(slivi__posterior_step(q, NULL, 0, &norm), 0);
    ck_assert_uint_eq(largest, 3);
    ck_assert_uint_eq(smallest, 2); /* the last of 7 */
    posteriors_fit(q, NULL, 0);
    ck_assert_uint_eq(largest, DATA); /* of a look */
    largest = 0;
    double lp, origin[2] = {0};
    ck_assert_int_eq(slivi_target_eval(t, 1, origin, NULL, &lp, NULL), 0);
    ck_assert_uint_eq(largest, DATA); /* as it was before */
    draw(q, NULL);
    for (size_t j = 0; j < 2; j++) {
        const double sd = sqrt(1 / 20.01);
        double at, width;
        posteriors_moments(N, 2, z, j, &at, &width);
        ck_assert_double_eq_tol((at - sum[j] / 20.01) / sd, 0, 0.15);
        ck_assert_double_eq_tol(width / sd, 1, 0.08);
    }
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* Whatever part the target was left at. */
START_TEST(whitening_takes_all_rows)
{
    static const slivi_parameter parameters[] = {{.name = "x"}, {.name = "y"}};
    static const char *const options[] = {"steps", "1", NULL};
    double y[2 * DATA], sum = 0;

    for (size_t i = 0; i < 2 * DATA; i++) {
        y[i] = (double)(i * i % 7);
        sum += i % 2 ? 0 : y[i];
    }
    slivi_target *t = slivi_target_create_parts(2, parameters, DATA, 3, 1,
                                                by_parts, y);
    slivi_posterior *q = posteriors_make("gaussian-diag", t, options);

    ck_assert_int_eq(slivi_target_part(t, 0), 0);
    posteriors_fit(q, NULL, 0);
    ck_assert_double_eq_tol(q->mean[0], sum / 20.01, 1e-3);
    ck_assert_double_eq_tol(q->chol[0], sqrt(1 / 20.01), 1e-3);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

Suite *slivi_suite_posterior_fit(void)
{
    Suite *s = suite_create("posterior_fit");
    TCase *c = tcase_create("posterior_fit");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, full_gaussians_are_exact, 0, 5);
    tcase_add_test(c, the_better_gaussian_whitens);
    tcase_add_test(c, diagonal_gaussians_are_mean_field);
    tcase_add_test(c, semi_implicit_bends);
    tcase_add_test(c, amortised_gaussians_meet_new_contexts);
    tcase_add_test(c, units_of_contexts_do_not_matter);
    tcase_add_test(c, annealing_finds_both_modes);
    tcase_add_test(c, minibatches_end_where_all_rows_do);
    tcase_add_test(c, whitening_takes_all_rows);
    suite_add_tcase(s, c);
    return s;
}
