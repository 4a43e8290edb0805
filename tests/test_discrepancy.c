/* test_discrepancy.c - distances of samples from a prior: formulas in long
   double, closed forms, what exact draws give, threads and failures.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "samples.h"
#include "scratch.h"
#include "slivi/discrepancy.h"
#include "suites.h"
#include "testing.h"

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <string.h>

Suite *slivi_suite_discrepancy(void);

enum { MOST = 300, WIDE = 3 };

static slivi_discrepancy_workspace *make(size_t rows, size_t d,
                                         slivi_pool *pool)
{
    slivi_discrepancy_workspace *ws = slivi_discrepancy_workspace_create(
        rows, d, pool);
    ck_assert_msg(ws != NULL, "%s", slivi_errmsg());
    return ws;
}

static double mmd(size_t n, const double *z, size_t m, const double *y,
                  size_t d, double sd, double *grad)
{
    slivi_discrepancy_workspace *ws = make(n > m ? n : m, d, NULL);
    double out = 0;
    ck_assert_msg(!slivi_mmd(ws, n, z, m, y, sd, &out, grad), "%s",
                  slivi_errmsg());
    slivi_discrepancy_workspace_free(ws);
    return out;
}

static double sliced(size_t n, const double *z, const double *y, size_t d,
                     size_t directions, uint64_t seed)
{
    slivi_discrepancy_workspace *ws = make(n, d, NULL);
    double w = -1;
    ck_assert_msg(!slivi_sliced_wasserstein(ws, n, z, y, directions, seed, &w),
                  "%s", slivi_errmsg());
    slivi_discrepancy_workspace_free(ws);
    return w;
}

/* ---- maximum mean discrepancy ------------------------------------------- */

static const long double s_of[] = {0.1L, 0.2L, 0.5L, 1, 2, 5, 10};

/* k(x, y), and its gradient in x added to g, times c. */
static long double kernel(size_t d, double sd, const double *x, const double *y,
                          long double c, long double *g)
{
    long double square = 0, k = 0;
    for (size_t j = 0; j < d; j++)
        square += ((long double)x[j] - y[j]) * ((long double)x[j] - y[j]);
    for (size_t s = 0; s < 7; s++) {
        const long double at = 2 * (long double)d * sd * sd * s_of[s];
        k += at / (at + square);
        for (size_t j = 0; j < d; j++)
            g[j] -= c * 2 * at * ((long double)x[j] - y[j])
                    / ((at + square) * (at + square));
    }
    return k;
}

static double reference(size_t n, const double *z, size_t m, const double *y,
                        size_t d, double sd, double *grad)
{
    long double sum[3] = {0}, g[WIDE], unused[WIDE] = {0};
    const long double a = n, b = m;
    for (size_t i = 0; i < n; i++) {
        memset(g, 0, sizeof g);
        for (size_t j = 0; j < n; j++)
            if (j != i)
                sum[0] += kernel(d, sd, z + i * d, z + j * d, 2 / (a * (a - 1)),
                                 g);
        for (size_t j = 0; j < m; j++)
            sum[1] += kernel(d, sd, z + i * d, y + j * d, -2 / (a * b), g);
        for (size_t j = 0; j < d; j++)
            grad[i * d + j] = (double)g[j];
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++)
            if (j != i)
                sum[2] += kernel(d, sd, y + i * d, y + j * d, 0, unused);
    return (double)(sum[0] / (a * (a - 1)) - 2 * sum[1] / (a * b)
                    + sum[2] / (b * (b - 1)));
}

/* _i = d - 1, sizes about the edges of blocks, tiles and chunks */
START_TEST(mmd_is_its_formula_in_long_double)
{
    static const size_t sizes[][2] = {{2, 2},    {3, 8},   {9, 2},
                                      {8, 16},   {32, 33}, {129, 31},
                                      {65, 128}, {40, 259}};
    static double z[MOST * WIDE], y[MOST * WIDE], grad[MOST * WIDE],
        want[MOST * WIDE];
    const size_t d = (size_t)_i + 1;
    for (size_t t = 0; t < sizeof sizes / sizeof sizes[0]; t++) {
        const size_t n = sizes[t][0], m = sizes[t][1];
        const double sd = t % 2 ? 1 : 0.3;
        samples_normal(2 * t, n, d, z);
        samples_normal(2 * t + 1, m, d, y);
        z[0] += 3;
        const double far = reference(n, z, m, y, d, sd, want);
        const double got = mmd(n, z, m, y, d, sd, grad);
        ck_assert_double_eq_tol(got, far, 1e-14);
        ck_assert_double_le(testing_distance(n * d, grad, want), 1e-14);
        /* the same bits without a gradient */
        ck_assert_double_eq(mmd(n, z, m, y, d, sd, NULL), got);
    }
}
END_TEST

/* With z = {0, 1}, y = {0, 2}, d = 1, sd = 1: C_s = 2 s, k(0) = 7, and
   k(1) + k(2) - (k(0) + k(2) + k(1) + k(1)) / 2 = (k(2) - k(0)) / 2. */
START_TEST(mmd_of_two_by_two_by_hand)
{
    const double z[] = {0, 1}, y[] = {0, 2};
    const double k2 = 0.1 / 2.1 + 0.2 / 2.2 + 0.5 / 2.5 + 1. / 3 + 2. / 4
                      + 5. / 7 + 10. / 12;
    ck_assert_double_eq_tol(mmd(2, z, 2, y, 1, 1, NULL), (k2 - 7) / 2, 1e-15);
}
END_TEST

START_TEST(mmd_has_its_gradient)
{
    enum { N = 11, M = 13, D = 3 };
    const double h = 1e-4;
    double z[N * D], y[M * D], grad[N * D];
    samples_normal(1, N, D, z);
    samples_normal(2, M, D, y);
    mmd(N, z, M, y, D, 0.7, grad);
    for (size_t i = 0; i < N * D; i++) {
        double f[4], x = z[i];
        for (int k = 0; k < 4; k++) { /* -2, -1, 1, 2 */
            z[i] = x + h * (k < 2 ? k - 2 : k - 1);
            f[k] = mmd(N, z, M, y, D, 0.7, NULL);
        }
        z[i] = x;
        ck_assert_double_eq_tol((f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h),
                                grad[i], 1e-10);
    }
    ck_assert_double_gt(testing_most(N * D, grad), 1e-3);
}
END_TEST

/* Multiples of 2^-20 that are moved by 1024, or grow fourfold as sd does: all
   differences are exact. */
START_TEST(mmd_depends_on_differences_alone)
{
    enum { N = 50, D = 3 };
    double z[N * D], y[N * D], other_z[N * D], other_y[N * D];
    samples_normal(1, N, D, z);
    samples_normal(2, N, D, y);
    for (size_t i = 0; i < N * D; i++) {
        z[i] = rint(z[i] * 0x1p20) * 0x1p-20;
        y[i] = rint(y[i] * 0x1p20) * 0x1p-20;
        other_z[i] = z[i] + 1024;
        other_y[i] = y[i] + 1024;
    }
    const double want = mmd(N, z, N, y, D, 1, NULL);
    ck_assert_double_eq(mmd(N, other_z, N, other_y, D, 1, NULL), want);
    for (size_t i = 0; i < N * D; i++) {
        other_z[i] = 4 * z[i];
        other_y[i] = 4 * y[i];
    }
    ck_assert_double_eq(mmd(N, other_z, N, other_y, D, 4, NULL), want);
}
END_TEST

/* int k(shift + sqrt(2) x) phi(x) dx, by the trapezoidal rule */
static double expected_kernel(double shift)
{
    const double step = 1. / 64;
    double sum = 0;
    long double unused[1] = {0};
    for (int i = -640; i <= 640; i++) {
        const double x = i * step, at = shift + sqrt(2) * x, zero = 0;
        sum += (double)kernel(1, 1, &at, &zero, 0, unused) * exp(-x * x / 2);
    }
    return sum * step / sqrt(2 * acos(-1));
}

/* N(shift, 1) against N(0, 1), shift 0, 0.5, 1, 2: differences of two draws
   are N(0, 2), or N(shift, 2).  Few draws each, so that a bias would show. */
START_TEST(mmd_is_unbiased)
{
    enum { N = 6, M = 5, RUNS = 4000 };
    static const double shifts[] = {0, 0.5, 1, 2};
    const double shift = shifts[_i];
    const double want = 2 * (expected_kernel(0) - expected_kernel(shift));
    slivi_discrepancy_workspace *ws = make(N, 1, NULL);
    static double value[RUNS];
    for (size_t r = 0; r < RUNS; r++) {
        double z[N], y[M];
        samples_normal(2 * r + 10, N, 1, z);
        samples_normal(2 * r + 11, M, 1, y);
        for (size_t i = 0; i < N; i++)
            z[i] += shift;
        ck_assert_int_eq(slivi_mmd(ws, N, z, M, y, 1, &value[r], NULL), 0);
    }
    const double mean = testing_sum(RUNS, value, 1) / RUNS;
    const double square = testing_squares(RUNS, value, 1) / RUNS;
    const double se = sqrt((square - mean * mean) / RUNS);
    ck_assert_double_eq_tol(mean, want, 3.5 * se);
    ck_assert_double_le(se, 0.03); /* a V-statistic's bias is above 1 */
    slivi_discrepancy_workspace_free(ws);
}
END_TEST

START_TEST(mmd_stands_equal_and_far_samples)
{
    enum { N = 40, D = 2 };
    double z[N * D] = {0}, y[N * D] = {0}, grad[N * D];
    ck_assert_double_eq_tol(mmd(N, z, N, y, D, 1, grad), 0, 1e-14);
    ck_assert_double_eq(testing_most(N * D, grad), 0);
    for (size_t i = 0; i < N * D; i++)
        z[i] = i / D % 2 ? 1e140 : -1e140;
    /* two far points, equal shares of z: of the pairs 19 of 39 are equal */
    ck_assert_double_eq_tol(mmd(N, z, N, y, D, 1, grad), 7 + 7 * 19. / 39,
                            1e-13);
    ck_assert_double_eq(testing_most(N * D, grad), 0);
    ck_assert(isfinite(mmd(N, z, N, y, D, 1e-60, grad)));
    ck_assert(isfinite(testing_most(N * D, grad)));
    ck_assert(isfinite(mmd(N, z, N, y, D, 1e60, grad)));
    ck_assert(isfinite(testing_most(N * D, grad)));
}
END_TEST

/* ---- sliced Wasserstein -------------------------------------------------- */

/* The x with Phi(x) = u. */
static double quantile(double u)
{
    double lo = -10, hi = 10;
    for (int i = 0; i < 80; i++) {
        const double x = (lo + hi) / 2;
        if (0.5 * erfc(-x / sqrt(2)) < u)
            lo = x;
        else
            hi = x;
    }
    return lo;
}

/* sum_i int (t_i - x)^2 phi(x) dx over the cells, by Simpson's rule */
static double quadrature(size_t n, const double *t)
{
    enum { STEPS = 4000 };
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double lo = i ? quantile((double)i / (double)n) : -10;
        const double hi = i + 1 < n ? quantile((double)(i + 1) / (double)n)
                                    : 10;
        const double h = (hi - lo) / STEPS;
        for (int k = 0; k <= STEPS; k++) {
            const double x = lo + k * h, at = (t[i] - x) * (t[i] - x);
            const double weight = k % STEPS == 0 ? 1 : k % 2 ? 4 : 2;
            sum += weight * h / 3 * at * exp(-x * x / 2) / sqrt(2 * acos(-1));
        }
    }
    return sqrt(sum);
}

/* One column: each direction is 1 or -1, and N(0, 1) does not mind. */
START_TEST(wasserstein_of_a_line_is_its_integral)
{
    const double sorted[] = {-2.5, -0.75, -0.7, 0.1, 0.9, 1, 4};
    const double mixed[] = {1, -0.7, 4, -2.5, 0.9, 0.1, -0.75};
    for (uint64_t seed = 0; seed < 4; seed++) {
        ck_assert_double_eq_tol(sliced(7, mixed, NULL, 1, 1 + 50 * seed, seed),
                                quadrature(7, sorted), 1e-12);
        ck_assert_double_eq_tol(sliced(2, mixed, NULL, 1, 3, seed),
                                quadrature(2, (const double[]){-0.7, 1}),
                                1e-12);
        ck_assert_double_eq_tol(sliced(1, sorted, NULL, 1, 3, seed),
                                sqrt(1 + 2.5 * 2.5), 1e-15);
    }
}
END_TEST

/* Rows in another order are the same samples, whatever their numbers. */
START_TEST(wasserstein_of_a_shuffle_is_zero)
{
    enum { N = 1001, D = 2 };
    static double z[N * D], y[N * D];
    samples_normal(1, N, D, z);
    for (size_t i = 0; i < N; i++)
        if (i % 3 == 0)
            z[i * D] = z[i * D + 1] = ldexp(i % 2 ? 1 : -1,
                                            (int)i - (i % 2 ? 900 : 550));
        else if (i % 7 == 0)
            z[i * D] = z[i * D + 1] = i % 2 ? -0. : 0.;
        else if (i % 5 == 0)
            z[i * D] = z[i * D + 1] = 1 + (double)i * DBL_EPSILON;
    for (size_t i = 0; i < N; i++)
        memcpy(y + i * D, z + i * 10 % N * D, D * sizeof *z);
    ck_assert_double_eq(sliced(N, z, y, D, 20, 1), 0);
    y[0] += 1;
    ck_assert_double_gt(sliced(N, z, y, D, 20, 1), 0);
}
END_TEST

/* Moved by m, in a direction v by v'm: the mean of its square is |m|^2 / d, and
   of its fourth power 3 |m|^4 / (d (d + 2)). */
START_TEST(wasserstein_of_a_shift)
{
    enum { N = 9, D = 5, SLICES = 4000 };
    const double m[D] = {1, -2, 0.5, 0, 3};
    const double length = testing_dot(D, m, m);
    const double se = length
                      * sqrt((3. / (D * (D + 2)) - 1. / (D * D)) / SLICES);
    double z[N * D], y[N * D];
    samples_normal(1, N, D, z);
    for (size_t i = 0; i < N * D; i++)
        y[i] = z[i] + m[i % D];
    const double w = sliced(N, z, y, D, SLICES, 3);
    ck_assert_double_eq_tol(w * w, length / D, 3.5 * se);
    /* no directions twice: neither in the next run on the pool nor for
       another seed */
    const double one = sliced(N, z, y, D, 64, 3);
    ck_assert_double_ne(one, sliced(N, z, y, D, 64, 4));
    ck_assert(fabs(one - sliced(N, z, y, D, 128, 3)) > 1e-6);
}
END_TEST

/* N(m, I) and N(0, a^2 I) from N(0, I): m'v and |a - 1|, beside what exact
   draws give. */
START_TEST(wasserstein_from_the_prior)
{
    enum { N = 20000, D = 4, SLICES = 150 };
    static double z[N * D], moved[N * D];
    const double origin[D] = {0};
    const double m[D] = {0.5, 0, -1, 0.25};
    samples_normal(1, N, D, z);
    for (size_t i = 0; i < N * D; i++)
        moved[i] = z[i] + m[i % D];
    const double exact = sliced(N, z, NULL, D, SLICES, 1);
    ck_assert_double_lt(exact, 0.02);
    /* one sample at m, one at 0, in the same directions: what it should be */
    ck_assert_double_eq_tol(sliced(N, moved, NULL, D, SLICES, 1),
                            sliced(1, m, origin, D, SLICES, 1), 0.02);
    for (double a = 0.5; a < 2; a++) {
        for (size_t i = 0; i < N * D; i++)
            moved[i] = a * z[i];
        ck_assert_double_eq_tol(sliced(N, moved, NULL, D, SLICES, 1), 0.5,
                                0.02);
    }
}
END_TEST

/* ---- floors -------------------------------------------------------------- */

static double floor_of(size_t n, size_t d, int clouds, size_t repeats)
{
    slivi_discrepancy_workspace *ws = make(n, d, NULL);
    double rms = -1;
    int status = clouds ? slivi_sliced_wasserstein_floor(ws, n, clouds, 50, 1,
                                                         repeats, &rms)
                        : slivi_mmd_floor(ws, n, n, 2, 1, repeats, &rms);
    ck_assert_msg(!status, "%s", slivi_errmsg());
    slivi_discrepancy_workspace_free(ws);
    return rms;
}

/* _i = clouds, 0 for MMD: the same as of draws made here, to the statistical
   error of 200 each (rms has a relative one below 1 / sqrt(200)), and falling
   with n */
START_TEST(floors_are_those_of_exact_draws)
{
    enum { N = 60, D = 3, RUNS = 200 };
    double z[N * D], y[N * D], sum = 0;
    for (uint64_t r = 0; r < RUNS; r++) {
        samples_normal(3 * r, N, D, z);
        samples_normal(3 * r + 1, N, D, y);
        const double v = _i ? sliced(N, z, _i == 2 ? y : NULL, D, 50, r)
                            : mmd(N, z, N, y, D, 1, NULL);
        sum += v * v / RUNS;
    }
    const double rms = floor_of(N, D, _i, RUNS);
    ck_assert_double_eq_tol(rms / sqrt(sum), 1, _i ? 0.1 : 0.25);
    double last = floor_of(20, D, _i, 20), one = last;
    if (!_i) { /* at twice the scale all differences are twice as large */
        slivi_discrepancy_workspace *ws = make(20, D, NULL);
        (void)slivi_mmd_floor(ws, 20, 20, 1, 1, 20, &one);
        slivi_discrepancy_workspace_free(ws);
    }
    ck_assert_double_eq(one, last);
    for (size_t n = 80; n <= 1280; n *= 4) { /* 1/n, or 1/sqrt(n) and logs */
        const double next = floor_of(n, D, _i, 20);
        ck_assert_double_lt(next, last * 0.7);
        ck_assert_double_gt(next, last * (_i ? 0.4 : 0.1));
        last = next;
    }
    ck_assert_double_lt(last, _i ? 0.1 : 0.01);
    ck_assert_double_ne(floor_of(20, D, _i, 1), floor_of(20, D, _i, 2));
}
END_TEST

/* ---- threads, memory, failures ------------------------------------------- */

enum { ROWS = 301, COLUMNS = 5 };

typedef struct figures {
    double mmd2, w[2], floor[3], grad[ROWS * COLUMNS];
} figures;

static void all_figures(slivi_pool *pool, int rounding, figures *f)
{
    static double z[ROWS * COLUMNS], y[ROWS * COLUMNS];
    slivi_discrepancy_workspace *ws = make(ROWS + 3, COLUMNS, pool);
    fesetround(FE_TONEAREST);
    samples_normal(1, ROWS, COLUMNS, z);
    samples_normal(2, ROWS, COLUMNS, y);
    fesetround(rounding);
    int bad = slivi_mmd(ws, ROWS, z, ROWS - 9, y, 1.1, &f->mmd2, f->grad);
    bad |= slivi_sliced_wasserstein(ws, ROWS, z, NULL, 2000, 1, &f->w[0]);
    bad |= slivi_sliced_wasserstein(ws, ROWS, z, y, 100, 1, &f->w[1]);
    bad |= slivi_mmd_floor(ws, ROWS, 90, 1, 1, 3, &f->floor[0]);
    bad |= slivi_sliced_wasserstein_floor(ws, ROWS, 1, 70, 1, 2, &f->floor[1]);
    bad |= slivi_sliced_wasserstein_floor(ws, ROWS, 2, 70, 1, 2, &f->floor[2]);
    ck_assert_int_eq(bad, 0);
    ck_assert_int_eq(fegetround(), rounding);
    fesetround(FE_TONEAREST);
    slivi_discrepancy_workspace_free(ws);
}

START_TEST(threads_change_nothing)
{
    static figures alone, f;
    all_figures(NULL, FE_TONEAREST, &alone);
    for (size_t threads = 1; threads <= 3; threads++) {
        slivi_pool *pool = slivi_pool_create(threads);
        memset(&f, 1, sizeof f);
        all_figures(pool, FE_TONEAREST, &f);
        ck_assert_mem_eq(&f, &alone, sizeof f);
        slivi_pool_free(pool);
    }
    all_figures(NULL, FE_UPWARD, &f);
    ck_assert_mem_eq(&f, &alone, sizeof f);
}
END_TEST

START_TEST(calls_allocate_nothing)
{
    static figures f;
    scratch_memory *memory = scratch_watch(0);
    all_figures(NULL, FE_TONEAREST, &f);
    ck_assert_uint_eq(memory->calls, 2); /* both of create */
    ck_assert_uint_eq(memory->live, 0);
    for (size_t k = 1; k <= 2; k++) {
        memory->calls = 0;
        memory->fail_at = k;
        ck_assert_ptr_null(slivi_discrepancy_workspace_create(5, 2, NULL));
        ck_assert_int_eq(slivi__status(), SLIVI_ENOMEM);
        ck_assert_uint_eq(memory->live, 0);
    }
    scratch_unwatch();
    slivi_discrepancy_workspace_free(NULL);
}
END_TEST

START_TEST(sizes_are_checked)
{
    static const size_t bad[][2] = {
        {0, 1}, {1, 0}, {1, 65537}, {SIZE_MAX, 1}, {0x80000001u, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_ptr_null(
            slivi_discrepancy_workspace_create(bad[i][0], bad[i][1], NULL));
        ck_assert_int_eq(slivi__status(), SLIVI_EINVAL);
        scratch_check_message("discrepancy", "columns (1 to 65536)");
    }
    slivi_discrepancy_workspace *ws = make(4, 2, NULL);
    double z[10] = {0}, v = 7, g[10];
    ck_assert_int_eq(slivi_mmd(ws, 1, z, 4, z, 1, &v, g), SLIVI_EINVAL);
    scratch_check_message("mmd", "1 samples (2 to 4)");
    ck_assert_int_eq(slivi_mmd(ws, 4, z, 5, z, 1, &v, g), SLIVI_EINVAL);
    scratch_check_message("mmd", "5 samples (2 to 4)");
    ck_assert_int_eq(slivi_mmd_floor(ws, 5, 2, 1, 1, 1, &v), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_mmd_floor(ws, 4, 1, 1, 1, 1, &v), SLIVI_EINVAL);
    scratch_check_message("mmd_floor", "1 samples (2 to 4)");
    for (size_t n = 0; n <= 5; n += 5) {
        ck_assert_int_eq(slivi_sliced_wasserstein(ws, n, z, z, 1, 1, &v),
                         SLIVI_EINVAL);
        scratch_check_message("sliced_wasserstein", "samples (1 to 4)");
        ck_assert_int_eq(slivi_sliced_wasserstein_floor(ws, n, 1, 1, 1, 1, &v),
                         SLIVI_EINVAL);
    }
    ck_assert_double_eq(v, 7);
    slivi_discrepancy_workspace_free(ws);
}
END_TEST

START_TEST(numbers_are_checked)
{
    static const double sds[] = {0, -1, NAN, INFINITY, 1e61, 1e-61};
    slivi_discrepancy_workspace *ws = make(4, 2, NULL);
    double z[8] = {0}, v = 7, g[8];
    for (size_t i = 0; i < sizeof sds / sizeof sds[0]; i++) {
        ck_assert_int_eq(slivi_mmd(ws, 4, z, 4, z, sds[i], &v, g),
                         SLIVI_EINVAL);
        scratch_check_message("mmd", "sd");
        ck_assert_int_eq(slivi_mmd_floor(ws, 4, 4, sds[i], 1, 1, &v),
                         SLIVI_EINVAL);
    }
    for (size_t k = 0; k <= (size_t)1 << 32; k += (size_t)1 << 32) {
        ck_assert_int_eq(slivi_sliced_wasserstein(ws, 4, z, z, k, 1, &v),
                         SLIVI_EINVAL);
        scratch_check_message("sliced_wasserstein", "directions");
        ck_assert_int_eq(slivi_sliced_wasserstein_floor(ws, 4, 1, k, 1, 1, &v),
                         SLIVI_EINVAL);
        const size_t repeats = k ? k + 1 : 0;
        ck_assert_int_eq(
            slivi_sliced_wasserstein_floor(ws, 4, 1, 1, 1, repeats, &v),
            SLIVI_EINVAL);
        scratch_check_message("sliced_wasserstein_floor", "repeats");
        ck_assert_int_eq(slivi_mmd_floor(ws, 4, 4, 1, 1, repeats, &v),
                         SLIVI_EINVAL);
        scratch_check_message("mmd_floor", "repeats");
    }
    for (int clouds = 0; clouds <= 3; clouds += 3)
        ck_assert_int_eq(
            slivi_sliced_wasserstein_floor(ws, 4, clouds, 1, 1, 1, &v),
            SLIVI_EINVAL);
    scratch_check_message("sliced_wasserstein_floor", "3 clouds (1 or 2)");
    ck_assert_double_eq(v, 7);
    slivi_discrepancy_workspace_free(ws);
}
END_TEST

START_TEST(entries_are_checked)
{
    static const double wild[] = {NAN, INFINITY, -INFINITY, 1.1e140, -1e141};
    slivi_discrepancy_workspace *ws = make(4, 2, NULL);
    double z[8] = {0}, bad[8] = {0}, v = 7, g[8] = {0};
    for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++) {
        bad[7] = wild[i];
        ck_assert_int_eq(slivi_mmd(ws, 4, bad, 4, z, 1, &v, g),
                         SLIVI_ENONFINITE);
        scratch_check_message("mmd", "z 3 column 1 is ");
        ck_assert_int_eq(slivi_mmd(ws, 4, z, 4, bad, 1, &v, g),
                         SLIVI_ENONFINITE);
        scratch_check_message("mmd", "y 3 column 1 is ");
        ck_assert_int_eq(slivi_sliced_wasserstein(ws, 4, bad, NULL, 1, 1, &v),
                         SLIVI_ENONFINITE);
        scratch_check_message("sliced_wasserstein", "z 3 column 1 is ");
        ck_assert_int_eq(slivi_sliced_wasserstein(ws, 4, z, bad, 1, 1, &v),
                         SLIVI_ENONFINITE);
        scratch_check_message("sliced_wasserstein", "y 3 column 1 is ");
    }
    ck_assert_double_eq(v, 7);
    ck_assert_int_eq(slivi_mmd(ws, 3, bad, 3, bad, 1, &v, g), 0);
    bad[7] = -1e140;
    ck_assert_int_eq(slivi_sliced_wasserstein(ws, 4, bad, NULL, 9, 1, &v), 0);
    ck_assert(isfinite(v) && v > 1e138);
    slivi_discrepancy_workspace_free(ws);
}
END_TEST

Suite *slivi_suite_discrepancy(void)
{
    Suite *suite = suite_create("discrepancy");
    TCase *tc = tcase_create("mmd");
    tcase_add_loop_test(tc, mmd_is_its_formula_in_long_double, 0, WIDE);
    tcase_add_test(tc, mmd_of_two_by_two_by_hand);
    tcase_add_test(tc, mmd_has_its_gradient);
    tcase_add_test(tc, mmd_depends_on_differences_alone);
    tcase_add_loop_test(tc, mmd_is_unbiased, 0, 4);
    tcase_add_test(tc, mmd_stands_equal_and_far_samples);
    suite_add_tcase(suite, tc);
    tc = tcase_create("wasserstein");
    tcase_add_test(tc, wasserstein_of_a_line_is_its_integral);
    tcase_add_test(tc, wasserstein_of_a_shuffle_is_zero);
    tcase_add_test(tc, wasserstein_of_a_shift);
    tcase_add_test(tc, wasserstein_from_the_prior);
    tcase_add_loop_test(tc, floors_are_those_of_exact_draws, 0, 3);
    suite_add_tcase(suite, tc);
    tc = tcase_create("use");
    tcase_add_test(tc, threads_change_nothing);
    tcase_add_test(tc, calls_allocate_nothing);
    tcase_add_test(tc, sizes_are_checked);
    tcase_add_test(tc, numbers_are_checked);
    tcase_add_test(tc, entries_are_checked);
    suite_add_tcase(suite, tc);
    return suite;
}
