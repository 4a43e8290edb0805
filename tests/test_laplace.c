/* test_laplace.c - modes and the curvature there.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "laplace.h"
#include "posteriors.h"
#include "scratch.h"
#include "suites.h"

#include <math.h>
#include <string.h>

/* cov of a Gaussian with this precision, within `tol` of what it is. */
static void check_inverse(size_t d, const double *precision, const double *cov,
                          double tol)
{
    for (size_t j = 0; j < d; j++) {
        double x[POSTERIORS_MOST] = {0};
        x[j] = 1;
        posteriors_solve(d, precision, x);
        for (size_t i = 0; i < d; i++)
            ck_assert_double_eq_tol(
                cov[i * d + j], x[i],
                tol * sqrt(cov[i * d + i] * cov[j * d + j]));
    }
}

START_TEST(gaussians_are_found)
{
    posteriors_normal p = {.d = 3,
                           .mean = {1, -2, 0.5},
                           .precision = {2, .9, -.3, .9, 1, .2, -.3, .2, 3}};
    double mean[3] = {0}, cov[9];

    ck_assert_int_eq(
        slivi__laplace(3, posteriors_log_normal, &p, 200, mean, cov), 0);
    for (size_t j = 0; j < 3; j++)
        ck_assert_double_eq_tol(mean[j], p.mean[j], 1e-4);
    check_inverse(3, p.precision, cov, 1e-6);
}
END_TEST

/* Of 1e-3, of 1e3, of both; modes far from the start. */
START_TEST(scales_may_differ)
{
    static const double sd[3][2] = {{1e-3, 2e-3}, {1e3, 500}, {1e-3, 1e3}};
    posteriors_normal p = posteriors_plane(sd[_i][0], sd[_i][1], 3, 0.6);
    double mean[2] = {0}, cov[4];

    ck_assert_int_eq(
        slivi__laplace(2, posteriors_log_normal, &p, 500, mean, cov), 0);
    for (size_t j = 0; j < 2; j++)
        ck_assert_double_eq_tol((mean[j] - p.mean[j]) / sd[_i][j], 0, 0.02);
    check_inverse(2, p.precision, cov, 1e-3);
}
END_TEST

/* -(1 - x)^2 - 100 (y - x^2)^2; minus the Hessian at (1, 1) is
   {802, -400; -400, 200}. */
static int valley(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    size_t *calls = ctx;

    (void)d;
    *calls += n;
    for (size_t i = 0; i < n; i++, x += 2, grad += 2) {
        const double a = 1 - x[0], b = x[1] - x[0] * x[0];
        lp[i] = -a * a - 100 * b * b;
        grad[0] = 2 * a + 400 * b * x[0];
        grad[1] = -200 * b;
    }
    return 0;
}

START_TEST(a_bent_valley_is_followed)
{
    static const double precision[] = {802, -400, -400, 200};
    double mean[2] = {-1.2, 1}, cov[4];
    size_t calls = 0;

    ck_assert_int_eq(slivi__laplace(2, valley, &calls, 500, mean, cov), 0);
    ck_assert_double_eq_tol(mean[0], 1, 1e-3);
    ck_assert_double_eq_tol(mean[1], 1, 2e-3);
    check_inverse(2, precision, cov, 0.02);
    ck_assert_uint_lt(calls, 120); /* steepest ascent takes thousands */
}
END_TEST

/* Long walks in many dimensions: more pairs than are kept. */
static int chain(size_t n, size_t d, const double *x, double *lp, double *grad,
                 void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        lp[i] = 0;
        memset(grad, 0, d * sizeof *grad);
        for (size_t j = 0; j < d; j++) {
            const double off = x[j] - (j ? x[j - 1] : 1);
            const double scale = 1 + 30.0 * (double)(j % 3);
            lp[i] -= scale * (off * off + off * off * off * off);
            grad[j] -= scale * (2 * off + 4 * off * off * off);
            if (j > 0)
                grad[j - 1] += scale * (2 * off + 4 * off * off * off);
        }
    }
    return 0;
}

START_TEST(long_walks_arrive)
{
    enum { D = 30 };
    double mean[D] = {0}, cov[D * D];

    ck_assert_int_eq(slivi__laplace(D, chain, NULL, 500, mean, cov), 0);
    for (size_t j = 0; j < D; j++)
        ck_assert_double_eq_tol(mean[j], 1, 0.02);
    double want = 0;
    for (size_t j = 0; j < D; j++) { /* variances add up along the chain */
        want += 0.5 / (1 + 30.0 * (double)(j % 3));
        ck_assert_double_eq_tol(cov[j * D + j], want, 0.02 * want);
    }
}
END_TEST

/* Curved up along one direction, where the climb ends at once. */
static int saddle(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    (void)d;
    (void)ctx;
    for (size_t i = 0; i < n; i++, x += 2, grad += 2) {
        lp[i] = -2 * x[0] * x[0] + 0.5 * x[1] * x[1];
        grad[0] = -4 * x[0];
        grad[1] = x[1];
    }
    return 0;
}

START_TEST(upward_curvature_is_turned)
{
    double mean[2] = {0}, cov[4];

    ck_assert_int_eq(slivi__laplace(2, saddle, NULL, 100, mean, cov), 0);
    ck_assert_double_eq_tol(mean[0], 0, 1e-12);
    ck_assert_double_eq_tol(cov[0], 0.25, 1e-6);
    ck_assert_double_eq_tol(cov[3], 1, 1e-6);
    ck_assert_double_eq_tol(cov[1], 0, 1e-9);
}
END_TEST

/* Zero density in steps beyond; where it begins; and a callback that fails. */
typedef struct wall {
    double at;
    int status;
} wall;

static int walled(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    const wall *w = ctx;

    (void)d;
    for (size_t i = 0; i < n; i++) {
        const double off = x[i] - 3;
        lp[i] = x[i] > w->at ? -INFINITY : -0.5 * off * off;
        grad[i] = x[i] > w->at ? NAN : -off;
    }
    return w->status;
}

START_TEST(zero_density_is_climbed_around)
{
    wall w = {.at = 3.5};
    double mean = -20, cov;

    ck_assert_int_eq(slivi__laplace(1, walled, &w, 100, &mean, &cov), 0);
    ck_assert_double_eq_tol(mean, 3, 1e-3);
    ck_assert_double_eq_tol(cov, 1, 1e-6);
    mean = 4;
    ck_assert_int_eq(slivi__laplace(1, walled, &w, 100, &mean, &cov),
                     SLIVI_EINVAL);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "zero"));
    ck_assert_double_eq(mean, 4);
    w.status = SLIVI_ECALLBACK;
    mean = 0;
    ck_assert_int_eq(slivi__laplace(1, walled, &w, 100, &mean, &cov),
                     SLIVI_ECALLBACK);
}
END_TEST

/* A mode at a wall: what is made of it is finite and positive. */
START_TEST(a_mode_at_a_wall_has_a_width)
{
    wall w = {.at = 1};
    double mean = -1, cov;

    ck_assert_int_eq(slivi__laplace(1, walled, &w, 200, &mean, &cov), 0);
    ck_assert_double_eq_tol(mean, 1, 0.2);
    ck_assert_msg(cov > 0 && isfinite(cov), "%g", cov);
}
END_TEST

START_TEST(memory_may_be_short)
{
    posteriors_normal p = posteriors_plane(1, 2, 0.5, 0.3);
    double mean[2] = {0}, cov[4];
    scratch_memory *m = scratch_watch(0);

    ck_assert_int_eq(
        slivi__laplace(2, posteriors_log_normal, &p, 50, mean, cov), 0);
    ck_assert_uint_eq(m->live, 0);
    const size_t all = m->calls;
    for (size_t k = 1; k <= all; k++) {
        m->calls = 0;
        m->fail_at = k;
        ck_assert_int_eq(
            slivi__laplace(2, posteriors_log_normal, &p, 50, mean, cov),
            SLIVI_ENOMEM);
        ck_assert_uint_eq(m->live, 0);
    }
    scratch_unwatch();
}
END_TEST

Suite *slivi_suite_laplace(void)
{
    Suite *s = suite_create("laplace");
    TCase *c = tcase_create("laplace");

    tcase_add_test(c, gaussians_are_found);
    tcase_add_loop_test(c, scales_may_differ, 0, 3);
    tcase_add_test(c, a_bent_valley_is_followed);
    tcase_add_test(c, long_walks_arrive);
    tcase_add_test(c, upward_curvature_is_turned);
    tcase_add_test(c, zero_density_is_climbed_around);
    tcase_add_test(c, a_mode_at_a_wall_has_a_width);
    tcase_add_test(c, memory_may_be_short);
    suite_add_tcase(s, c);
    return s;
}
