/* test_ksd.c - tests by kernels: the Stein kernel by differences, what exact
   draws give, what others do.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "samples.h"
#include "scratch.h"
#include "slivi/ksd.h"
#include "suites.h"
#include "testing.h"

#include <math.h>

static slivi_ksd *make(size_t rows, size_t d, size_t repeats)
{
    slivi_ksd *ws = slivi_ksd_create(rows, d, repeats);
    ck_assert_msg(ws != NULL, "%s", slivi_errmsg());
    return ws;
}

static slivi_ksd_report stein(size_t n, size_t d, const double *x,
                              const double *s, const double *l, uint64_t seed)
{
    slivi_ksd *ws = make(n, d, 200);
    slivi_ksd_report out;
    ck_assert_msg(!slivi_ksd_stein(ws, n, x, s, l, 0.05, seed, &out), "%s",
                  slivi_errmsg());
    slivi_ksd_free(ws);
    return out;
}

static slivi_ksd_report pairs(size_t n, size_t d, const double *x,
                              const double *y, const double *l, uint64_t seed)
{
    slivi_ksd *ws = make(n, d, 200);
    slivi_ksd_report out;
    ck_assert_msg(!slivi_ksd_pairs(ws, n, x, y, l, 0.05, seed, &out), "%s",
                  slivi_errmsg());
    slivi_ksd_free(ws);
    return out;
}

/* ---- the kernels --------------------------------------------------------- */

enum { D = 3 };

static long double k(const long double *x, const long double *y)
{
    long double sum = 1;
    for (size_t j = 0; j < D; j++)
        sum += (x[j] - y[j]) * (x[j] - y[j]);
    return 1 / sqrtl(sum);
}

/* k where component j of x is moved by a, of y by b. */
static long double moved(const double *x, const double *y, size_t j,
                         long double a, long double b)
{
    long double u[D], v[D];
    for (size_t i = 0; i < D; i++) {
        u[i] = x[i] + (i == j ? a : 0);
        v[i] = y[i] + (i == j ? b : 0);
    }
    return k(u, v);
}

static long double by_differences(const double *x, const double *y,
                                  const double *s, const double *t)
{
    const long double h = 1e-4L;
    long double sum = 0;
    for (size_t j = 0; j < D; j++) {
        sum += (long double)s[j] * t[j] * moved(x, y, j, 0, 0);
        sum += s[j] * (moved(x, y, j, 0, h) - moved(x, y, j, 0, -h)) / (2 * h);
        sum += t[j] * (moved(x, y, j, h, 0) - moved(x, y, j, -h, 0)) / (2 * h);
        sum += (moved(x, y, j, h, h) - moved(x, y, j, h, -h)
                - moved(x, y, j, -h, h) + moved(x, y, j, -h, -h))
               / (4 * h * h);
    }
    return sum;
}

/* The scores are any numbers. */
START_TEST(stein_is_its_definition_by_differences)
{
    enum { N = 5 };
    double x[N * D], s[N * D];
    long double pairs_of = 0, trace = 0;
    samples_normal(1, N, D, x);
    samples_normal(2, N, D, s);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            *(i == j ? &trace : &pairs_of) += by_differences(
                x + i * D, x + j * D, s + i * D, s + j * D);
    const slivi_ksd_report got = stein(N, D, x, s, NULL, 1);
    ck_assert_double_eq_tol(got.u, (double)pairs_of / (N * (N - 1)), 1e-7);
    ck_assert_double_eq_tol(got.v, (double)(pairs_of + trace) / (N * N), 1e-7);
}
END_TEST

START_TEST(pairs_are_their_formula)
{
    enum { N = 6 };
    double x[2][N * D];
    long double sum = 0, z[2][N][D];
    for (size_t a = 0; a < 2; a++) {
        samples_normal(a + 1, N, D, x[a]);
        for (size_t i = 0; i < N * D; i++)
            z[a][i / D][i % D] = x[a][i];
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            for (size_t a = 0; i != j && a < 4; a++)
                sum += (a % 2 == a / 2 ? 1 : -1) * k(z[a % 2][i], z[a / 2][j]);
    const slivi_ksd_report got = pairs(N, D, x[0], x[1], NULL, 1);
    ck_assert_double_eq_tol(got.u, (double)sum / (N * (N - 1)), 1e-14);
}
END_TEST

/* L^-1 x and L's made by hand. */
START_TEST(whitening_is_a_change_of_coordinates)
{
    enum { N = 9, P = 2 };
    const double l[] = {2, 77, -0.5, 0.3}; /* 77 is not looked at */
    double x[N * P], s[N * P], u[N * P], t[N * P], v[N * P];
    samples_normal(1, N, P, x);
    samples_normal(2, N, P, s);
    for (size_t i = 0; i < N * P; i += P) {
        u[i] = x[i] / 2;
        u[i + 1] = (x[i + 1] + 0.5 * u[i]) / 0.3;
        v[i] = s[i] / 2;
        v[i + 1] = (s[i + 1] + 0.5 * v[i]) / 0.3;
        t[i] = 2 * s[i] - 0.5 * s[i + 1];
        t[i + 1] = 0.3 * s[i + 1];
    }
    ck_assert_double_eq_tol(stein(N, P, x, s, l, 1).u,
                            stein(N, P, u, t, NULL, 1).u, 1e-13);
    ck_assert_double_eq_tol(pairs(N, P, x, s, l, 1).u,
                            pairs(N, P, u, v, NULL, 1).u, 1e-13);
}
END_TEST

/* ---- signs --------------------------------------------------------------- */

/* Two points: e'he is +-h, so the level is |u| for small alpha, and either all
   signs give as much as u < 0 or about half as much as u > 0. */
START_TEST(signs_of_two_points)
{
    for (int sign = -1; sign <= 1; sign += 2) {
        double x[] = {0, 5}, s[] = {1, 1.0 * sign};
        const slivi_ksd_report got = stein(2, 1, x, s, NULL, 1);
        ck_assert_double_eq_tol(got.level, fabs(got.u), 1e-15);
        ck_assert(got.u * sign > 0);
        if (sign > 0)
            ck_assert(got.p > 0.35 && got.p < 0.65);
        else
            ck_assert_double_eq(got.p, 1);
    }
}
END_TEST

/* p <= 0.1 in a tenth of all exact sets, and u > level where p is below
   alpha.  Of 300 sets 30, sd 5.2. */
static void check_rate(slivi_ksd_report (*test)(size_t, size_t, const double *,
                                                const double *, const double *,
                                                uint64_t),
                       double sign)
{
    enum { N = 60, P = 2, SETS = 300 };
    double x[N * P], y[N * P], sum = 0, squares = 0;
    size_t low = 0;
    for (size_t t = 0; t < SETS; t++) {
        samples_normal(2 * t, N, P, x);
        samples_normal(2 * t + 1, N, P, y);
        for (size_t i = 0; i < N * P; i++) /* the score, or a dependent pair */
            y[i] = sign < 0 ? -x[i] : 0.8 * x[i] + 0.6 * y[i];
        const slivi_ksd_report got = test(N, P, x, y, NULL, t);
        low += got.p <= 0.1;
        sum += got.u / SETS;
        squares += got.u * got.u / SETS;
        if (fabs(got.p - 0.05) > 0.006)
            ck_assert_int_eq(got.u > got.level, got.p < 0.05);
    }
    ck_assert_msg(low > 9 && low < 51, "%zu of 300", low);
    ck_assert_double_le(fabs(sum), 4.5 * sqrt(squares / SETS));
}

START_TEST(exact_draws_pass_as_often_as_they_should)
{
    check_rate(stein, -1);
    check_rate(pairs, 1);
}
END_TEST

START_TEST(others_do_not_pass)
{
    enum { N = 300, P = 2 };
    double x[N * P], s[N * P], y[N * P];
    samples_normal(1, N, P, x);
    samples_normal(2, N, P, y);
    for (size_t i = 0; i < N * P; i++) {
        s[i] = -(x[i] - 0.4); /* of N(0.4, I) */
        y[i] += 0.4;
    }
    ck_assert_double_le(stein(N, P, x, s, NULL, 1).p, 0.01);
    ck_assert_double_le(pairs(N, P, x, y, NULL, 1).p, 0.01);
    for (size_t i = 0; i < N * P; i++) {
        s[i] = -x[i] / 2.25; /* of N(0, 1.5^2 I) */
        y[i] = 1.5 * (y[i] - 0.4);
    }
    ck_assert_double_le(stein(N, P, x, s, NULL, 1).p, 0.01);
    ck_assert_double_le(pairs(N, P, x, y, NULL, 1).p, 0.01);
}
END_TEST

/* ---- use ----------------------------------------------------------------- */

START_TEST(seeds_and_memory)
{
    enum { N = 70, P = 2 };
    double x[N * P], s[N * P];
    slivi_ksd_report a, b;
    samples_normal(1, N, P, x);
    samples_normal(2, N, P, s);
    slivi_ksd *ws = make(N + 1, P, 200);
    scratch_memory *memory = scratch_watch(0);
    ck_assert_int_eq(slivi_ksd_stein(ws, N, x, s, NULL, 0.05, 3, &a), 0);
    ck_assert_int_eq(slivi_ksd_pairs(ws, N, s, x, NULL, 0.05, 3, &b), 0);
    ck_assert_uint_eq(memory->calls, 0);
    for (size_t at = 1; at <= 2; at++) {
        memory->calls = 0;
        memory->fail_at = at;
        ck_assert_ptr_null(slivi_ksd_create(N, P, 10));
        ck_assert_int_eq(slivi__status(), SLIVI_ENOMEM);
        ck_assert_uint_eq(memory->live, 0);
    }
    scratch_unwatch();
    ck_assert_int_eq(slivi_ksd_stein(ws, N, x, s, NULL, 0.05, 3, &b), 0);
    ck_assert(a.u == b.u && a.v == b.v && a.level == b.level && a.p == b.p);
    ck_assert_int_eq(slivi_ksd_stein(ws, N, x, s, NULL, 0.05, 4, &b), 0);
    ck_assert(a.u == b.u && a.level != b.level);
    slivi_ksd_free(ws);
    /* signs do not come again from batch to batch */
    size_t above[2];
    for (size_t i = 0; i < N * P; i++)
        s[i] = -x[i];
    for (size_t k = 0; k < 2; k++) {
        ws = make(N, P, 64 * (k + 1));
        ck_assert_int_eq(slivi_ksd_stein(ws, N, x, s, NULL, 0.05, 3, &b), 0);
        above[k] = (size_t)lround(b.p * (double)(64 * (k + 1) + 1)) - 1;
        slivi_ksd_free(ws);
    }
    ck_assert_uint_ne(above[1], 2 * above[0]);
}
END_TEST

START_TEST(arguments_are_checked)
{
    double x[] = {0, 1, 2, 3}, bad[] = {0, 1, 2, NAN}, l[] = {1, 0, 0, 0};
    slivi_ksd_report r = {7, 7, 7, 7};
    ck_assert_ptr_null(slivi_ksd_create(1, 1, 1));
    ck_assert_ptr_null(slivi_ksd_create(40000, 1, 1));
    ck_assert_ptr_null(slivi_ksd_create(2, 0, 1));
    ck_assert_ptr_null(slivi_ksd_create(2, 1, 0));
    ck_assert_int_eq(slivi__status(), SLIVI_EINVAL);
    slivi_ksd *ws = make(2, 2, 10);
    ck_assert_int_eq(slivi_ksd_stein(ws, 3, x, x, NULL, 0.1, 1, &r),
                     SLIVI_EINVAL);
    scratch_check_message("ksd_stein", "3 points (2 to 2)");
    ck_assert_int_eq(slivi_ksd_pairs(ws, 2, x, x, NULL, 1, 1, &r),
                     SLIVI_EINVAL);
    scratch_check_message("ksd_pairs", "alpha");
    ck_assert_int_eq(slivi_ksd_stein(ws, 2, x, x, l, 0.1, 1, &r), SLIVI_EINVAL);
    scratch_check_message("ksd_stein", "l has 0 in row 1, column 1");
    ck_assert_int_eq(slivi_ksd_stein(ws, 2, x, bad, NULL, 0.1, 1, &r),
                     SLIVI_ENONFINITE);
    scratch_check_message("ksd_stein", "score 1 column 1");
    ck_assert_int_eq(slivi_ksd_pairs(ws, 2, bad, x, NULL, 0.1, 1, &r),
                     SLIVI_ENONFINITE);
    ck_assert(r.u == 7 && r.v == 7 && r.level == 7 && r.p == 7);
    slivi_ksd_free(ws);
}
END_TEST

Suite *slivi_suite_ksd(void)
{
    Suite *suite = suite_create("ksd");
    TCase *tc = tcase_create("kernels");
    tcase_add_test(tc, stein_is_its_definition_by_differences);
    tcase_add_test(tc, pairs_are_their_formula);
    tcase_add_test(tc, whitening_is_a_change_of_coordinates);
    suite_add_tcase(suite, tc);
    tc = tcase_create("signs");
    tcase_add_test(tc, signs_of_two_points);
    tcase_add_test(tc, exact_draws_pass_as_often_as_they_should);
    tcase_add_test(tc, others_do_not_pass);
    suite_add_tcase(suite, tc);
    tc = tcase_create("use");
    tcase_add_test(tc, seeds_and_memory);
    tcase_add_test(tc, arguments_are_checked);
    suite_add_tcase(suite, tc);
    return suite;
}
