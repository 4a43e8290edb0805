/* test_gaussian.c - the Gaussian nearest to a density.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "gaussian.h"
#include "scratch.h"
#include "suites.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST = 32 };

#define LOG_2PI 1.83787706640934548356

static double fit(size_t d, size_t n, size_t rounds, slivi_log_density *fn,
                  void *ctx, double *mean, double *cov)
{
    slivi__gaussian *w = slivi__gaussian_create(d, n);
    double bound = NAN;

    ck_assert_ptr_nonnull(w);
    ck_assert_uint_eq(slivi__gaussian_draws(w), n);
    ck_assert_int_eq(slivi__blas_enter(), 0);
    ck_assert_int_eq(
        slivi__gaussian_fit(w, fn, ctx, rounds, 3, 5, mean, cov, &bound), 0);
    slivi__blas_leave();
    slivi__gaussian_free(w);
    return bound;
}

static void identity(size_t d, double scale, double *a)
{
    memset(a, 0, d * d * sizeof *a);
    for (size_t i = 0; i < d; i++)
        a[i * d + i] = scale;
}

/* ---- a Gaussian ------------------------------------------------------ */

/* log p = -(z - m)' P (z - m) / 2 + c with P = I + B B', so that the bound of
   the Gaussian itself is d/2 log(2 pi) - log|P|/2 + c. */
typedef struct quadratic {
    size_t d, calls;
    double m[MOST], p[MOST * MOST];
} quadratic;

static quadratic make_quadratic(size_t d)
{
    quadratic q = {.d = d};
    double b[MOST * MOST];
    const slivi_address at = {.seed = 1, .step = d};
    const slivi_address of_mean = {.seed = 2, .step = d};

    slivi_draw(slivi_law_normal, &at, d, d, b);
    slivi_draw(slivi_law_normal, &of_mean, 1, d, q.m);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            q.p[i * d + j] = i == j;
            for (size_t k = 0; k < d; k++)
                q.p[i * d + j] += b[i * d + k] * b[j * d + k];
        }
    return q;
}

static const double shift = -700.5;

static int quadratic_density(size_t n, size_t d, const double *z, double *lp,
                             double *grad, void *ctx)
{
    quadratic *q = ctx;

    q->calls++;
    for (size_t r = 0; r < n; r++) {
        lp[r] = shift;
        for (size_t i = 0; i < d; i++) {
            double sum = 0;

            for (size_t j = 0; j < d; j++)
                sum += q->p[i * d + j] * (z[r * d + j] - q->m[j]);
            grad[r * d + i] = -sum;
            lp[r] -= 0.5 * sum * (z[r * d + i] - q->m[i]);
        }
    }
    return 0;
}

START_TEST(a_gaussian_is_found)
{
    static const size_t dims[] = {1, 3, 32};
    const size_t d = dims[_i];
    quadratic q = make_quadratic(d);
    double mean[MOST] = {0}, cov[MOST * MOST], log_det = 0;

    identity(d, 1, cov);
    const double bound = fit(d, 2 * d + 10, 60, quadratic_density, &q, mean,
                             cov);
    ck_assert_uint_eq(q.calls, 60);
    for (size_t i = 0; i < d; i++) {
        ck_assert_double_eq_tol(mean[i], q.m[i], 1e-6);
        for (size_t j = 0; j < d; j++) { /* cov P = I */
            double sum = 0;

            for (size_t k = 0; k < d; k++)
                sum += cov[i * d + k] * q.p[k * d + j];
            ck_assert_double_eq_tol(sum, i == j, 1e-5);
            ck_assert(cov[i * d + j] == cov[j * d + i]);
        }
    }
    ck_assert_int_eq(slivi__cholesky(d, q.p), 0);
    for (size_t i = 0; i < d; i++)
        log_det += log(q.p[i * d + i]);
    ck_assert_double_eq_tol(bound, shift + 0.5 * (double)d * LOG_2PI - log_det,
                            1e-6);
}
END_TEST

/* From a far and narrow start, and from one that is far too wide. */
START_TEST(starts_may_be_poor)
{
    static const double scale[] = {1e-4, 1e4};
    quadratic q = make_quadratic(3);
    double mean[3] = {30, -40, 50}, cov[9];

    identity(3, scale[_i], cov);
    fit(3, 32, 400, quadratic_density, &q, mean, cov);
    for (size_t i = 0; i < 3; i++)
        ck_assert_double_eq_tol(mean[i], q.m[i], 1e-6);
}
END_TEST

/* One round: the formula, by hand, in one dimension.  From N(m, v), two draws
   m -+ s u: r = u (1 - P v), slope = r u / (u^2 + 1/2), precision 1 - slope in
   units of v; push = s P (m_true - m). */
START_TEST(a_round_is_its_formula)
{
    quadratic q = {.d = 1, .m = {2}, .p = {1.5}};
    double mean[1] = {1.9}, cov[1] = {0.8}, u;
    const slivi_address at = {.seed = 3, .stream = 0x67617573, .step = 5};
    double m = mean[0], v = cov[0];

    const double bound = fit(1, 2, 2, quadratic_density, &q, mean, cov);
    for (size_t r = 0; r < 2; r++) {
        slivi_address now = at;

        now.row = 2 * r;
        slivi_draw(slivi_law_normal, &now, 1, 1, &u);
        const double slope = u * u * (1 - 1.5 * v) / (u * u + 0.5);
        const double push = sqrt(v) * 1.5 * (2 - m);
        if (r == 1) {
            const double value = -0.75 * ((m - 2) * (m - 2) + v * u * u) + shift
                                 + 0.5 * (u * u + log(v) + LOG_2PI);
            ck_assert_double_eq_tol(bound, value, 1e-9);
        }
        m += sqrt(v) * push / (1 - slope);
        v /= 1 - slope;
    }
    ck_assert_double_eq_tol(mean[0], m, 1e-12);
    ck_assert_double_eq_tol(cov[0], v, 1e-12);
}
END_TEST

/* A narrow start: the first step may widen by 1 / sqrt(0.3) at most, and here
   has to halve until it does not. */
START_TEST(steps_widen_little)
{
    quadratic q = {.d = 1, .m = {0}, .p = {1}};
    double mean[1] = {0}, cov[1] = {1e-4};

    fit(1, 100, 2, quadratic_density, &q, mean, cov);
    ck_assert_double_gt(cov[0], 1.5e-4);
    ck_assert_double_lt(cov[0], 1e-4 / 0.3 / 0.3);
}
END_TEST

/* ---- what is no Gaussian ------------------------------------------------- */

/* log p = z - e^z a (log of a gamma variable's density) */
static int skewed(size_t n, size_t d, const double *z, double *lp, double *grad,
                  void *ctx)
{
    const double a = *(const double *)ctx;

    for (size_t i = 0; i < n * d; i++) {
        lp[i] = z[i] - a * exp(z[i]);
        grad[i] = 1 - a * exp(z[i]);
    }
    return 0;
}

/* There E e^z = e^(m + v/2), so the conditions say v = 1, m = -log a - 1/2, and
   the bound is m - 1 + (log(2 pi) + 1)/2. */
START_TEST(a_skewed_density)
{
    double mean[1] = {1}, cov[1] = {0.5}, a = 3;
    const double bound = fit(1, 4000, 30, skewed, &a, mean, cov);

    ck_assert_double_eq_tol(mean[0], -log(a) - 0.5, 0.08);
    ck_assert_double_eq_tol(cov[0], 1, 0.1);
    ck_assert_double_eq_tol(bound, -log(a) - 1 + 0.5 * LOG_2PI, 0.06);
}
END_TEST

/* log p = -cosh(4 z): steep where the start is, so a full step overshoots. */
static int steep(size_t n, size_t d, const double *z, double *lp, double *grad,
                 void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n * d; i++) {
        lp[i] = -cosh(4 * z[i]);
        grad[i] = -4 * sinh(4 * z[i]);
    }
    return 0;
}

START_TEST(bounds_do_not_fall)
{
    double before = -INFINITY;

    for (size_t rounds = 1; rounds < 40; rounds++) {
        double mean[1] = {1}, cov[1] = {1};
        const double bound = fit(1, 16, rounds, steep, NULL, mean, cov);

        ck_assert_double_ge(bound, before - 0.3);
        before = bound;
    }
    ck_assert_double_gt(before, -2);
}
END_TEST

/* A density that falls after the first round: what comes then has lost. */
static int sinking(size_t n, size_t d, const double *z, double *lp,
                   double *grad, void *ctx)
{
    quadratic *q = ctx;
    const int status = quadratic_density(n, d, z, lp, grad, ctx);

    for (size_t r = 0; r < n && q->calls > 1; r++)
        lp[r] -= 1e6;
    return status;
}

START_TEST(what_loses_is_given_up)
{
    quadratic q = make_quadratic(3), same = q;
    double mean[3] = {1, 2, 3}, cov[9], first[3] = {1, 2, 3};

    identity(3, 1, cov);
    const double bound = fit(3, 8, 1, quadratic_density, &same, first, cov);
    ck_assert_double_eq(fit(3, 8, 4, sinking, &q, mean, cov), bound);
    for (size_t i = 0; i < 3; i++)
        ck_assert(mean[i] == (double)(i + 1) && cov[i * 4] == 1);
}
END_TEST

/* ---- what cannot be done ------------------------------------------------- */

static int not_finite(size_t n, size_t d, const double *z, double *lp,
                      double *grad, void *ctx)
{
    for (size_t i = 0; i < n * d; i++) {
        lp[i] = *(const double *)ctx;
        grad[i] = -z[i];
    }
    return 0;
}

static int no_gradient(size_t n, size_t d, const double *z, double *lp,
                       double *grad, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n * d; i++) {
        lp[i] = -z[i] * z[i];
        grad[i] = NAN;
    }
    return 0;
}

START_TEST(what_is_not_finite_leaves_the_start)
{
    double values[] = {NAN, INFINITY, -INFINITY};

    for (int k = 0; k < 4; k++) {
        double mean[1] = {0.25}, cov[1] = {4};
        const double bound = fit(1, 8, 5, k < 3 ? not_finite : no_gradient,
                                 &values[k % 3], mean, cov);

        ck_assert((k == 3) == (bound > -INFINITY));
        ck_assert(mean[0] == 0.25 && cov[0] == 4);
    }
    /* a covariance that is none */
    quadratic q = make_quadratic(1);
    double mean[1] = {0.25}, cov[1] = {-1};
    ck_assert(fit(1, 8, 5, quadratic_density, &q, mean, cov) == -INFINITY);
    ck_assert(q.calls == 0 && cov[0] == -1);
}
END_TEST

static int failing(size_t n, size_t d, const double *z, double *lp,
                   double *grad, void *ctx)
{
    quadratic *q = ctx;

    return quadratic_density(n, d, z, lp, grad, ctx) || q->calls == 3 ? -7 : 0;
}

START_TEST(failures_are_passed_on)
{
    quadratic q = make_quadratic(3);
    double mean[3] = {0.5}, cov[9], same[9], bound;
    slivi__gaussian *w = slivi__gaussian_create(3, 8);

    identity(3, 1, cov);
    memcpy(same, cov, sizeof cov);
    ck_assert_int_eq(
        slivi__gaussian_fit(w, failing, &q, 9, 0, 0, mean, cov, &bound), -7);
    ck_assert_uint_eq(q.calls, 3);
    ck_assert(mean[0] == 0.5 && !memcmp(same, cov, sizeof cov));
    slivi__gaussian_free(w);
}
END_TEST

START_TEST(memory_and_bits)
{
    scratch_memory *memory = scratch_watch(0);
    quadratic q = make_quadratic(3);
    double mean[3][3] = {{0}}, cov[3][9], bound;
    slivi__gaussian *w;

    for (memory->fail_at = 1;; memory->fail_at++) {
        memory->calls = 0;
        w = slivi__gaussian_create(3, 8);
        if (w != NULL)
            break;
        ck_assert_uint_eq(memory->live, 0);
    }
    ck_assert_uint_gt(memory->fail_at, 2);
    const size_t calls = memory->calls;
    for (uint64_t k = 0; k < 3; k++) {
        identity(3, 1, cov[k]);
        ck_assert_int_eq(slivi__gaussian_fit(w, quadratic_density, &q, 2, 0,
                                             k / 2, mean[k], cov[k], &bound),
                         0);
    }
    ck_assert(!memcmp(cov[0], cov[1], sizeof cov[0]));
    ck_assert(!memcmp(mean[0], mean[1], sizeof mean[0]));
    ck_assert(memcmp(cov[0], cov[2], sizeof cov[0]));
    ck_assert_uint_eq(memory->calls, calls);
    slivi__gaussian_free(w);
    ck_assert_uint_eq(memory->live, 0);
    scratch_unwatch();
}
END_TEST

Suite *slivi_suite_gaussian(void)
{
    Suite *s = suite_create("gaussian");
    TCase *c = tcase_create("fits");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, a_gaussian_is_found, 0, 3);
    tcase_add_loop_test(c, starts_may_be_poor, 0, 2);
    tcase_add_test(c, a_round_is_its_formula);
    tcase_add_test(c, a_skewed_density);
    tcase_add_test(c, steps_widen_little);
    tcase_add_test(c, bounds_do_not_fall);
    tcase_add_test(c, what_loses_is_given_up);
    tcase_add_test(c, what_is_not_finite_leaves_the_start);
    tcase_add_test(c, failures_are_passed_on);
    tcase_add_test(c, memory_and_bits);
    suite_add_tcase(s, c);
    return s;
}
