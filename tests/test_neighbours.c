/* test_neighbours.c - distances between samples: formulas in long double,
   closed forms, threads and failures.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "samples.h"
#include "scratch.h"
#include "slivi/neighbours.h"
#include "suites.h"
#include "testing.h"

#include <math.h>
#include <string.h>

enum { MOST = 300, WIDE = 3 };

static slivi_neighbours *make(size_t rows, size_t d, slivi_pool *pool)
{
    slivi_neighbours *ws = slivi_neighbours_create(rows, d, pool);
    ck_assert_msg(ws != NULL, "%s", slivi_errmsg());
    return ws;
}

static long double distance(size_t d, const double *x, const double *y)
{
    long double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += ((long double)x[j] - y[j]) * ((long double)x[j] - y[j]);
    return sqrtl(sum);
}

/* Sum over all pairs. */
static long double all_pairs(size_t n, const double *x, size_t m,
                             const double *y, size_t d)
{
    long double sum = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            sum += distance(d, x + i * d, y + j * d);
    return sum;
}

/* about the edges of blocks, tiles and chunks */
static const size_t sizes[][2] = {{2, 2},   {3, 8},    {9, 2},    {8, 16},
                                  {32, 33}, {129, 31}, {65, 128}, {40, 259}};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* ---- energy distance ----------------------------------------------------- */

/* _i = d - 1 */
START_TEST(energy_is_its_formula_in_long_double)
{
    static double z[MOST * WIDE], y[MOST * WIDE];
    const size_t d = (size_t)_i + 1;
    for (size_t t = 0; t < SIZES; t++) {
        const size_t n = sizes[t][0], m = sizes[t][1];
        const long double a = n, b = m;
        slivi_neighbours *ws = make(n > m ? n : m, d, NULL);
        slivi_energy got;
        samples_normal(2 * t, n, d, z);
        samples_normal(2 * t + 1, m, d, y);
        z[0] += 3;
        ck_assert_int_eq(slivi_energy_distance(ws, n, z, m, y, &got), 0);
        const long double cross = 2 * all_pairs(n, z, m, y, d) / (a * b);
        const long double own = all_pairs(n, z, n, z, d);
        const long double other = all_pairs(m, y, m, y, d);
        ck_assert_double_eq_tol(
            got.v, (double)(cross - own / (a * a) - other / (b * b)), 1e-13);
        ck_assert_double_eq_tol(
            got.u,
            (double)(cross - own / (a * (a - 1)) - other / (b * (b - 1))),
            1e-13);
        slivi_neighbours_free(ws);
    }
}
END_TEST

/* E|x - y| of z = {0, 1}, y = {0, 2} is 1, within 1/2 and 1 of all pairs, 1 and
   2 of those with i != j. */
START_TEST(energy_of_two_by_two_by_hand)
{
    const double z[] = {0, 1}, y[] = {0, 2};
    slivi_neighbours *ws = make(2, 1, NULL);
    slivi_energy got;
    ck_assert_int_eq(slivi_energy_distance(ws, 2, z, 2, y, &got), 0);
    ck_assert_double_eq(got.v, 0.5);
    ck_assert_double_eq(got.u, -1);
    ck_assert_int_eq(slivi_energy_distance(ws, 2, z, 2, z, &got), 0);
    ck_assert_double_eq(got.v, 0);
    slivi_neighbours_free(ws);
}
END_TEST

/* Of samples of one law: u is 0 on average, v is not below 0. */
START_TEST(energy_of_one_law)
{
    enum { N = 40, M = 55, D = 2, TIMES = 200 };
    double z[N * D], y[M * D], sum = 0, squares = 0;
    slivi_neighbours *ws = make(M, D, NULL);
    for (size_t t = 0; t < TIMES; t++) {
        slivi_energy got;
        samples_normal(2 * t, N, D, z);
        samples_normal(2 * t + 1, M, D, y);
        ck_assert_int_eq(slivi_energy_distance(ws, N, z, M, y, &got), 0);
        ck_assert_double_gt(got.v, 0);
        sum += got.u / TIMES;
        squares += got.u * got.u / TIMES;
    }
    ck_assert_double_le(fabs(sum), 4.5 * sqrt(squares / TIMES));
    slivi_neighbours_free(ws);
}
END_TEST

/* ---- nearest neighbours -------------------------------------------------- */

/* The k-th smallest distance of x from rows of y but row `not`. */
static double kth(size_t d, const double *x, size_t m, const double *y,
                  size_t not, size_t k)
{
    long double last = -1;
    size_t ranks = 0;
    while (ranks < k) {
        long double next = INFINITY;
        size_t equal = 0;
        for (size_t j = 0; j < m; j++) {
            const long double u = distance(d, x, y + j * d);
            if (j == not || u <= last || u > next)
                continue;
            equal = u < next ? 1 : equal + 1;
            next = u;
        }
        last = next;
        ranks += equal;
    }
    return (double)last;
}

/* _i = d - 1 */
START_TEST(nearest_is_the_kth_of_all)
{
    static const size_t ks[] = {1, 2, 5, 30, 64};
    static double z[MOST * WIDE], y[MOST * WIDE], got[MOST];
    const size_t d = (size_t)_i + 1;
    for (size_t t = 0; t < SIZES; t++) {
        const size_t n = sizes[t][0], m = sizes[t][1];
        slivi_neighbours *ws = make(n > m ? n : m, d, NULL);
        samples_normal(2 * t, n, d, z);
        samples_normal(2 * t + 1, m, d, y);
        memcpy(y + d, y, d * sizeof *y); /* two equal points */
        for (size_t s = 0; s < sizeof ks / sizeof ks[0]; s++) {
            const size_t k = ks[s];
            if (k <= m)
                ck_assert_int_eq(slivi_nearest(ws, n, z, m, y, k, got), 0);
            for (size_t i = 0; k <= m && i < n; i++)
                ck_assert_double_eq_tol(got[i], kth(d, z + i * d, m, y, m, k),
                                        1e-15);
            if (k < n)
                ck_assert_int_eq(slivi_nearest(ws, n, z, 0, NULL, k, got), 0);
            for (size_t i = 0; k < n && i < n; i++)
                ck_assert_double_eq_tol(got[i], kth(d, z + i * d, n, z, i, k),
                                        1e-15);
        }
        slivi_neighbours_free(ws);
    }
}
END_TEST

/* z = {0, 1, 3}: others at 1, 1, 2; y = {2, 7} at 2, 1, 1.  So KL with k = 1
   is (log 2 + log 1 + log(1/2)) / 3 + log(2/2), with another y at 9 log(3/2)
   more; in two dimensions, on a line, the logs count twice. */
START_TEST(kl_by_hand)
{
    const double z[] = {0, 0, 1, 0, 3.5, 0}, y[] = {2, 0, 7, 0, 9, 0};
    const double logs = log(2. / 1) + log(1. / 1) + log(1.5 / 2.5);
    double line[2][3], got;
    for (size_t i = 0; i < 3; i++) {
        line[0][i] = z[2 * i];
        line[1][i] = y[2 * i];
    }
    slivi_neighbours *ws = make(3, 1, NULL), *plane = make(3, 2, NULL);
    ck_assert_int_eq(slivi_nearest_kl(ws, 3, line[0], 2, line[1], 1, &got), 0);
    ck_assert_double_eq_tol(got, logs / 3, 1e-15);
    ck_assert_int_eq(slivi_nearest_kl(ws, 3, line[0], 3, line[1], 1, &got), 0);
    ck_assert_double_eq_tol(got, logs / 3 + log(1.5), 1e-15);
    ck_assert_int_eq(slivi_nearest_kl(plane, 3, z, 3, y, 1, &got), 0);
    ck_assert_double_eq_tol(got, 2 * logs / 3 + log(1.5), 1e-15);
    slivi_neighbours_free(ws);
    slivi_neighbours_free(plane);
}
END_TEST

/* KL(N(0, I) || N(a, s^2 I)) = d log s + (d + |a|^2) / (2 s^2) - d/2.  Its
   standard error at 4,000 is about 0.02 in the plane; _i = columns - 1. */
START_TEST(kl_of_gaussians)
{
    enum { N = 4000, M = 3000 };
    static double z[N * 2], y[M * 2];
    const size_t d = (size_t)_i + 1;
    const double s = 1.5, a = 0.7, width = (double)d;
    double got;
    samples_normal(1, N, d, z);
    samples_normal(2, M, d, y);
    for (size_t i = 0; i < M * d; i++)
        y[i] = s * y[i] + (i % d ? 0 : a);
    slivi_neighbours *ws = make(N, d, NULL);
    ck_assert_int_eq(slivi_nearest_kl(ws, N, z, M, y, SLIVI_NEIGHBOURS_K, &got),
                     0);
    const double want = width * log(s) + (width + a * a) / (2 * s * s)
                        - width / 2;
    ck_assert_double_eq_tol(got, want, 0.08);
    samples_normal(3, M, d, y);
    ck_assert_int_eq(slivi_nearest_kl(ws, N, z, M, y, SLIVI_NEIGHBOURS_K, &got),
                     0);
    ck_assert_double_eq_tol(got, 0, 0.08);
    slivi_neighbours_free(ws);
}
END_TEST

START_TEST(kl_of_equal_points_is_refused)
{
    double z[] = {1, 2, 3, 4, 4}, y[] = {8, 9, 7, 6, 5}, got = 7;
    slivi_neighbours *ws = make(5, 1, NULL);
    ck_assert_int_eq(slivi_nearest_kl(ws, 5, z, 5, y, 1, &got),
                     SLIVI_EUNSUPPORTED);
    scratch_check_message("nearest_kl", "z 3 lies on the same point as 1 of "
                                        "the other z");
    ck_assert_int_eq(slivi_nearest_kl(ws, 5, z, 5, y, 2, &got), 0);
    y[4] = 2;
    z[4] = 5;
    got = 7;
    ck_assert_int_eq(slivi_nearest_kl(ws, 5, z, 5, y, 1, &got),
                     SLIVI_EUNSUPPORTED);
    scratch_check_message("nearest_kl", "z 1 lies on the same point as 1 of y");
    ck_assert_double_eq(got, 7);
    slivi_neighbours_free(ws);
}
END_TEST

/* ---- on a line ----------------------------------------------------------- */

/* int |F - G| dx, by counting in every interval. */
static double areas(size_t n, const double *z, size_t m, const double *y)
{
    long double sum = 0;
    for (size_t i = 0; i < n + m; i++) {
        const double from = i < n ? z[i] : y[i - n];
        double to = INFINITY;
        size_t f = 0, g = 0;
        for (size_t j = 0; j < n + m; j++) {
            const double at = j < n ? z[j] : y[j - n];
            to = at > from && at < to ? at : to;
            f += j < n && at <= from;
            g += j >= n && at <= from;
        }
        if (to < INFINITY)
            sum += ((long double)to - from)
                   * fabsl((long double)f / n - (long double)g / m);
    }
    return (double)sum;
}

START_TEST(wasserstein_is_the_area_between)
{
    static double z[MOST], y[MOST];
    for (size_t t = 0; t < SIZES; t++) {
        const size_t n = sizes[t][0], m = sizes[t][1];
        slivi_neighbours *ws = make(n > m ? n : m, 2, NULL);
        double got;
        samples_normal(2 * t, n, 1, z);
        samples_normal(2 * t + 1, m, 1, y);
        ck_assert_int_eq(slivi_wasserstein_1(ws, n, z, 1, m, y, 1, &got), 0);
        ck_assert_double_eq_tol(got, areas(n, z, m, y), 1e-13);
        slivi_neighbours_free(ws);
    }
}
END_TEST

/* F^-1 - G^-1 is 0 up to 1/2, 1 up to 2/3, then -2.  Column 1 of three. */
START_TEST(wasserstein_by_hand_of_columns)
{
    const double z[] = {9, 1, 9, 9, 0, 9}, y[] = {3, 0, 0};
    slivi_neighbours *ws = make(3, 1, NULL);
    double got;
    ck_assert_int_eq(slivi_wasserstein_1(ws, 2, z + 1, 3, 3, y, 1, &got), 0);
    ck_assert_double_eq_tol(got, 5. / 6, 1e-15);
    slivi_neighbours_free(ws);
}
END_TEST

/* ---- use ----------------------------------------------------------------- */

static void everything(slivi_neighbours *ws, size_t n, const double *z,
                       size_t m, const double *y, double *out)
{
    slivi_energy energy;
    ck_assert_int_eq(slivi_energy_distance(ws, n, z, m, y, &energy), 0);
    ck_assert_int_eq(slivi_nearest_kl(ws, n, z, m, y, 5, out), 0);
    ck_assert_int_eq(slivi_wasserstein_1(ws, n, z, 3, m, y, 3, out + 1), 0);
    ck_assert_int_eq(slivi_nearest(ws, n, z, m, y, 3, out + 4), 0);
    out[2] = energy.u;
    out[3] = energy.v;
}

START_TEST(threads_change_nothing_and_calls_allocate_nothing)
{
    enum { N = 300, M = 277, D = 3 };
    static double z[N * D], y[M * D], one[N + 4], two[N + 4];
    samples_normal(1, N, D, z);
    samples_normal(2, M, D, y);
    slivi_pool *pool = slivi_pool_create(2);
    slivi_neighbours *ws = make(N, D, NULL), *shared = make(N, D, pool);
    everything(ws, N, z, M, y, one);
    scratch_memory *memory = scratch_watch(0);
    everything(shared, N, z, M, y, two);
    ck_assert_uint_eq(memory->calls, 0);
    scratch_unwatch();
    ck_assert_mem_eq(one, two, sizeof one);
    slivi_neighbours_free(ws);
    slivi_neighbours_free(shared);
    slivi_pool_free(pool);
}
END_TEST

START_TEST(memory_may_be_short)
{
    scratch_memory *memory = scratch_watch(0);
    for (size_t at = 1; at <= 2; at++) {
        memory->calls = 0;
        memory->fail_at = at;
        ck_assert_ptr_null(slivi_neighbours_create(10, 2, NULL));
        ck_assert_int_eq(slivi__status(), SLIVI_ENOMEM);
        ck_assert_uint_eq(memory->live, 0);
    }
    scratch_unwatch();
    ck_assert_ptr_null(slivi_neighbours_create(0, 1, NULL));
    ck_assert_ptr_null(slivi_neighbours_create(1, 0, NULL));
    ck_assert_ptr_null(slivi_neighbours_create(1, 65537, NULL));
    scratch_check_message("neighbours", "columns (1 to 65536)");
}
END_TEST

START_TEST(arguments_are_checked)
{
    double z[8] = {0, 1, 2, 3, 4, 5, 6, 7}, out[4] = {7, 7, 7, 7};
    double bad[8] = {0, 1, 2, 3, 4, 5, 6, NAN};
    slivi_energy e = {7, 7};
    slivi_neighbours *ws = make(4, 2, NULL);
    ck_assert_int_eq(slivi_energy_distance(ws, 1, z, 4, z, &e), SLIVI_EINVAL);
    scratch_check_message("energy_distance", "1 samples z (2 to 4)");
    ck_assert_int_eq(slivi_energy_distance(ws, 4, z, 5, z, &e), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_energy_distance(ws, 4, z, 4, bad, &e),
                     SLIVI_ENONFINITE);
    scratch_check_message("energy_distance", "y 3 column 1 is ");
    ck_assert_int_eq(slivi_nearest(ws, 4, z, 4, z, 0, out), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_nearest(ws, 4, z, 4, z, 5, out), SLIVI_EINVAL);
    scratch_check_message("nearest", "neighbour 5 (1 to 4) among 4");
    ck_assert_int_eq(slivi_nearest(ws, 4, z, 0, NULL, 4, out), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_nearest(ws, 4, bad, 4, z, 1, out), SLIVI_ENONFINITE);
    ck_assert_int_eq(slivi_nearest_kl(ws, 4, z, 4, z, 4, out), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_nearest_kl(ws, 4, z, 1, z, 2, out), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_wasserstein_1(ws, 0, z, 1, 4, z, 1, out),
                     SLIVI_EINVAL);
    ck_assert_int_eq(slivi_wasserstein_1(ws, 4, z, 1, 4, z, 0, out),
                     SLIVI_EINVAL);
    ck_assert_int_eq(slivi_wasserstein_1(ws, 4, z, 1, 4, bad + 4, 1, out),
                     SLIVI_ENONFINITE);
    scratch_check_message("wasserstein_1", "y 3 is ");
    ck_assert_double_eq(testing_sum(4, out, 1) + e.u + e.v, 42);
    slivi_neighbours_free(ws);
}
END_TEST

Suite *slivi_suite_neighbours(void)
{
    Suite *suite = suite_create("neighbours");
    TCase *tc = tcase_create("energy");
    tcase_add_loop_test(tc, energy_is_its_formula_in_long_double, 0, WIDE);
    tcase_add_test(tc, energy_of_two_by_two_by_hand);
    tcase_add_test(tc, energy_of_one_law);
    suite_add_tcase(suite, tc);
    tc = tcase_create("nearest");
    tcase_add_loop_test(tc, nearest_is_the_kth_of_all, 0, WIDE);
    tcase_add_test(tc, kl_by_hand);
    tcase_add_loop_test(tc, kl_of_gaussians, 0, 2);
    tcase_add_test(tc, kl_of_equal_points_is_refused);
    suite_add_tcase(suite, tc);
    tc = tcase_create("line");
    tcase_add_test(tc, wasserstein_is_the_area_between);
    tcase_add_test(tc, wasserstein_by_hand_of_columns);
    suite_add_tcase(suite, tc);
    tc = tcase_create("use");
    tcase_add_test(tc, threads_change_nothing_and_calls_allocate_nothing);
    tcase_add_test(tc, memory_may_be_short);
    tcase_add_test(tc, arguments_are_checked);
    suite_add_tcase(suite, tc);
    return suite;
}
