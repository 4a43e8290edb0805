/* test_kernelscore.c - kernel estimators against their formulas in long double,
   their invariances, and densities whose score is known.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "kernels.h"
#include "samples.h"
#include "scratch.h"
#include "score/kernelfit.h"
#include "suites.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

Suite *slivi_suite_kernelscore(void);

/* ---- formulas ----------------------------------------------------------- */

/* _i = method + 2 * (d - 1): median and given width, at samples and points */
START_TEST(formulas_hold_in_long_double)
{
    static const size_t sizes[] = {2, 3, 7, 8, 9, 19};
    const size_t d = (size_t)_i / 2 + 1, n = 3;
    slivi_kernelscore_options how = slivi_kernelscore_default();
    double z[KERNELS_MOST * KERNELS_WIDE], x[3 * KERNELS_WIDE],
        out[KERNELS_MOST * KERNELS_WIDE], want[KERNELS_MOST * KERNELS_WIDE];
    for (size_t t = 0; t < 12; t++) {
        const size_t m = sizes[t / 2];
        how.width = t % 2 ? 0.8 : 0;
        how.share = t % 2 ? 0.999 : 0.9;
        samples_normal(t, m, d, z);
        samples_normal(t + 100, n, d, x);
        kernels_reference r = kernels_refer(m, d, z, how.width), more;
        kernels_estimator e = kernels_make_with(slivi_kernelscore_names[_i % 2],
                                                how, KERNELS_MOST, d, 1, NULL);
        kernels_real g[KERNELS_MOST][KERNELS_WIDE];
        if (_i % 2 == 0)
            kernels_stein(&r, how.eta, g);
        for (size_t i = 0; i < m; i++) {
            if (_i % 2)
                kernels_ssge(&r, how.share, r.z[i], g[i]);
            for (size_t c = 0; c < d; c++)
                want[i * d + c] = (double)g[i][c];
        }
        kernels_samples(e, 1, m, z, out);
        kernels_near(m * d, out, want, 1e-10);
        for (size_t i = 0; i < n; i++) { /* the (m + 1)th of all of them */
            double all[KERNELS_MOST * KERNELS_WIDE];
            memcpy(all, z, m * d * sizeof *z);
            memcpy(all + m * d, x + i * d, d * sizeof *x);
            more = kernels_refer(m + 1, d, all, sqrt((double)r.w2));
            more.w2 = r.w2;
            if (_i % 2)
                kernels_ssge(&r, how.share, more.z[m], g[m]);
            else
                kernels_stein(&more, how.eta, g);
            for (size_t c = 0; c < d; c++)
                want[i * d + c] = (double)g[m][c];
        }
        kernels_points(e, 1, m, z, n, x, out);
        kernels_near(n * d, out, want, 1e-9);
        ck_assert_double_eq_tol(slivi_kernelscore_width(e.s, 0),
                                (double)sqrtl(r.w2), 1e-15);
        ck_assert_uint_eq(slivi_kernelscore_rank(e.s, 0), _i % 2 ? r.used : m);
        ck_assert_uint_eq(slivi_kernelscore_groups(e.s), 1);
        kernels_drop(e);
    }
}
END_TEST

/* Also where many distances are equal, as on a grid. */
START_TEST(width_is_the_middle_of_all_distances)
{
    for (size_t m = 2; m <= KERNELS_MOST; m++)
        for (uint64_t kind = 0; kind < 6; kind++) {
            double z[KERNELS_MOST * 2];
            samples_normal(m + 100 * kind, m, 2, z);
            for (size_t i = 0; i < 2 * m && kind % 2; i++)
                z[i] = floor(z[i] * 2 + 0.5);
            double want = (double)sqrtl(kernels_refer(m, 2, z, 0).w2);
            kernels_estimator e = kernels_make(0, m, 2, 1);
            int status = slivi_kernelscore_fit(e.s, 1, m, z, e.ws);
            ck_assert_int_eq(status, want > 0 ? 0 : SLIVI_EINVAL);
            ck_assert_double_eq_tol(slivi_kernelscore_width(e.s, 0), want,
                                    4 * DBL_EPSILON * want);
            kernels_drop(e);
        }
}
END_TEST

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* More samples than a reference holds, over many powers of two. */
START_TEST(width_is_found_among_many)
{
    enum { M = 301 };
    static double z[M], all[M * M];
    samples_normal((uint64_t)_i, M, 1, z);
    for (size_t i = 0; i < M; i++)
        z[i] = z[i] * z[i] * z[i] * exp2((double)(i % 41) - 20);
    for (size_t i = 0; i < M * M; i++)
        all[i] = fabs(z[i / M] - z[i % M]);
    qsort(all, M * M, sizeof *all, by_size);
    kernels_estimator e = kernels_make(0, M, 1, 1);
    ck_assert_int_eq(slivi_kernelscore_fit(e.s, 1, M, z, e.ws), 0);
    ck_assert_double_eq_tol(slivi_kernelscore_width(e.s, 0), all[M * M / 2 - 1],
                            2 * DBL_EPSILON * all[M * M / 2 - 1]);
    kernels_drop(e);
}
END_TEST

/* O16: g_1 = -k (x_1 - x_2) / (w^2 (1 + eta - k)) = -g_2 */
START_TEST(two_samples_in_closed_form)
{
    const double z[2][3] = {{1, 2, 3}, {1.5, 1, 5}}, distance2 = 5.25;
    slivi_kernelscore_options how = slivi_kernelscore_default();
    double out[2][3];
    for (int t = 0; t < 4; t++) {
        how.width = t % 2 ? 1.5 : 0;
        how.eta = t / 2 ? 0.25 : 0;
        double w2 = t % 2 ? 2.25 : distance2, k = exp(-distance2 / 2 / w2);
        kernels_estimator e = kernels_make_with("stein", how, 2, 3, 0, NULL);
        kernels_samples(e, 1, 2, z[0], out[0]);
        for (int c = 0; c < 3; c++) {
            double g = -k * (z[0][c] - z[1][c]) / (w2 * (1 + how.eta - k));
            ck_assert_double_eq_tol(out[0][c], g, 1e-14);
            ck_assert_double_eq_tol(out[1][c], -g, 1e-14);
        }
        kernels_drop(e);
    }
}
END_TEST

/* The identity that defines Stein's estimator, the sample mean of k(x_i, y)
   s(y) + d k(x_i, y) / dy is 0, holds on the samples for eta = 0; else
   -eta s(x_i) / m is left. */
START_TEST(steins_identity_holds_on_the_samples)
{
    enum { M = 16, D = 4 };
    slivi_kernelscore_options how = slivi_kernelscore_default();
    double z[M * D], out[M * D];
    how.eta = _i ? 0.01 : 0;
    samples_normal(3, M, D, z);
    kernels_reference r = kernels_refer(M, D, z, 0);
    kernels_estimator e = kernels_make_with("stein", how, M, D, 0, NULL);
    kernels_samples(e, 1, M, z, out);
    for (size_t i = 0; i < M; i++)
        for (size_t c = 0; c < D; c++) {
            kernels_real left = how.eta * out[i * D + c], size = fabsl(left);
            for (size_t j = 0; j < M; j++) {
                kernels_real t = r.k[i][j] * out[j * D + c];
                left += t + kernels_slope(&r, r.z[i], r.z[j], c);
                size += fabsl(t);
            }
            ck_assert_double_le((double)fabsl(left),
                                4 * M * DBL_EPSILON * (double)size);
        }
    kernels_drop(e);
}
END_TEST

/* ---- invariances -------------------------------------------------------- */

/* Scores at the samples, then at the points. */
static void both(int method, const double *z, const double *x, double *out)
{
    kernels_estimator e = kernels_make(method, KERNELS_GROUP, KERNELS_COLUMNS,
                                       1);
    kernels_samples(e, 1, KERNELS_GROUP, z, out);
    kernels_points(e, 1, KERNELS_GROUP, z, KERNELS_POINTS, x,
                   out + KERNELS_GROUP * KERNELS_COLUMNS);
    kernels_drop(e);
}

START_TEST(scores_move_with_the_samples)
{
    enum { ALL = (KERNELS_GROUP + KERNELS_POINTS) * KERNELS_COLUMNS };
    const double turn[3][3] = {{2. / 3, -2. / 3, 1. / 3},
                               {1. / 3, 2. / 3, 2. / 3},
                               {-2. / 3, -1. / 3, 2. / 3}};
    double z[ALL], moved[ALL], out[ALL], other[ALL], want[ALL];
    const double *x = z + KERNELS_GROUP * KERNELS_COLUMNS,
                 *y = moved + KERNELS_GROUP * KERNELS_COLUMNS;
    kernels_draw(1, KERNELS_GROUP + KERNELS_POINTS, z);
    both(_i, z, x, out);
    for (size_t i = 0; i < ALL; i++) /* only differences count: same bits */
        moved[i] = z[i] + (double)(i % KERNELS_COLUMNS) * 1024 - 2048;
    both(_i, moved, y, other);
    ck_assert_mem_eq(other, out, sizeof out);
    for (size_t i = 0; i < ALL; i++) { /* score(c z) = score(z) / c */
        moved[i] = 4 * z[i];
        want[i] = out[i] / 4;
    }
    both(_i, moved, y, other);
    ck_assert_mem_eq(other, want, sizeof out);
    for (size_t i = 0; i < ALL; i++) {
        moved[i] = -3e60 * z[i];
        want[i] = out[i] / -3e60;
    }
    both(_i, moved, y, other);
    kernels_near(ALL, other, want, 1e-10);
    for (size_t i = 0; i < ALL; i++) {
        const size_t first = i - i % 3;
        moved[i] = want[i] = 0;
        for (size_t k = 0; k < 3; k++) {
            moved[i] += turn[i % 3][k] * z[first + k];
            want[i] += turn[i % 3][k] * out[first + k];
        }
    }
    both(_i, moved, y, other);
    kernels_near(ALL, other, want, 1e-10);
    for (size_t i = 0; i < ALL; i++) { /* any order; 5 and 37 are coprime */
        size_t row = i / 3,
               from = row < KERNELS_GROUP ? row * 5 % KERNELS_GROUP : row;
        moved[i] = z[from * 3 + i % 3];
        want[i] = out[from * 3 + i % 3];
    }
    both(_i, moved, y, other);
    kernels_near(ALL, other, want, 1e-10);
}
END_TEST

/* ---- eigenvectors and eigenfunctions ------------------------------------- */

START_TEST(eigenvectors_are_orthonormal)
{
    enum { M = 30 };
    double a[M * M], v[M * M], l[M], work[1 + 6 * M + 2 * M * M];
    int iwork[3 + 5 * M];
    size_t length, ilength;
    samples_normal(1, M, M, a);
    for (size_t i = 0; i < M; i++) /* the upper triangle is not read */
        for (size_t j = 0; j < M; j++)
            v[i * M + j] = j > i ? NAN : a[i * M + j];
    ck_assert_int_eq(slivi__eigen_room(M, &length, &ilength), 0);
    ck_assert_uint_eq(length, sizeof work / sizeof *work);
    ck_assert_uint_eq(ilength, sizeof iwork / sizeof *iwork);
    ck_assert_int_eq(slivi__blas_enter(), 0);
    ck_assert_int_eq(slivi__eigen(M, v, l, work, iwork), 0);
    ck_assert_int_eq(slivi__eigen(0, v, l, work, iwork), 0);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < M; j++) {
            double dot = i == j ? -1 : 0,
                   back = -(i > j ? a[i * M + j] : a[j * M + i]);
            for (size_t k = 0; k < M; k++) {
                dot += v[i * M + k] * v[j * M + k];
                back += v[k * M + i] * l[k] * v[k * M + j];
            }
            ck_assert_double_eq_tol(dot, 0, 20 * DBL_EPSILON);
            ck_assert_double_eq_tol(back, 0, 200 * DBL_EPSILON);
            ck_assert(i >= j || l[i] <= l[j]);
        }
    a[4 * M + 2] = NAN;
    ck_assert_int_eq(slivi__eigen(M, a, l, work, iwork), SLIVI_ENONFINITE);
    scratch_check_message("eigen", "row 4 column 2 of 30 x 30 is NaN");
    slivi__blas_leave();
    ck_assert_int_eq(slivi__eigen_room(32001, &length, &ilength),
                     SLIVI_EOVERFLOW);
}
END_TEST

/* A fit of one column, in the open. */
enum { LINE = 240 };
static double line_memory[3][LINE * LINE], line_rows[64 * LINE],
    line_more[7][LINE];
static int line_iwork[3 + 5 * LINE];

static slivi__kernelfit fit_line(const double *z, double width, double share)
{
    slivi_kernelscore_options how = {.width = width, .share = share};
    static double work[1 + 6 * LINE + 2 * LINE * LINE];
    slivi__kernelfit f = {.points = line_more[0],
                          .coef = line_more[1],
                          .matrix = line_memory[0],
                          .values = line_more[2]};
    slivi__kernelroom r = {.h = line_more[3],
                           .scores = line_more[4],
                           .work = work,
                           .iwork = line_iwork,
                           .rows = line_rows};
    ck_assert_int_eq(slivi__blas_enter(), 0);
    ck_assert_int_eq(
        slivi__kernelfit_make(&slivi__kernel_ssge, &how, LINE, 1, z, &f, &r),
        0);
    slivi__blas_leave();
    return f;
}

/* psi_j(x), j falling from the largest */
static double psi(const slivi__kernelfit *f, const double *z, size_t j,
                  double x)
{
    const size_t row = LINE - 1 - j;
    double sum = 0;
    for (size_t i = 0; i < LINE; i++)
        sum += f->matrix[row * LINE + i]
               * exp(-(x - z[i]) * (x - z[i]) / 2 / f->width2);
    return sqrt(LINE) / f->values[row] * sum;
}

START_TEST(eigenfunctions_are_orthonormal_under_the_samples)
{
    static double z[LINE], value[LINE][16];
    samples_normal(1, LINE, 1, z);
    slivi__kernelfit f = fit_line(z, 0, 1 - 1e-5);
    ck_assert_uint_gt(f.rank, 6);
    ck_assert_uint_le(f.rank, 16);
    double total = 0, least = f.values[LINE - f.rank];
    for (size_t i = 0; i < LINE; i++) {
        total += f.values[i];
        for (size_t j = 0; j < f.rank; j++)
            value[i][j] = psi(&f, z, j, z[i]);
    }
    ck_assert_double_eq_tol(total, LINE, LINE * 1e-12);
    for (size_t j = 0; j < f.rank; j++)
        for (size_t k = 0; k <= j; k++) {
            double mean = 0;
            for (size_t i = 0; i < LINE; i++)
                mean += value[i][j] * value[i][k] / LINE;
            ck_assert_double_eq_tol(mean, j == k,
                                    10 * LINE * DBL_EPSILON * LINE / least);
        }
}
END_TEST

/* For N(0, 1) and w = 1 (Rasmussen and Williams 2006, eq. 4.40): with a = 1/4,
   b = 1/2, c = sqrt(a^2 + 2 a b), l_k = sqrt(2 a / A) (b / A)^k for A = a + b
   + c, and psi_0 = (c / a)^1/4 exp(-(c - a) x^2). */
START_TEST(gaussian_eigenvalues_are_met)
{
    enum { SEEDS = 6, VALUES = 4 };
    const double a = 0.25, b = 0.5, c = sqrt(a * a + 2 * a * b);
    double mean[VALUES] = {0}, square[VALUES] = {0}, first[3] = {0};
    static double z[LINE];
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        samples_normal(seed, LINE, 1, z);
        slivi__kernelfit f = fit_line(z, 1, 0.99);
        for (size_t k = 0; k < VALUES; k++) {
            double l = f.values[LINE - 1 - k] / LINE;
            mean[k] += l / SEEDS;
            square[k] += l * l / SEEDS;
        }
        for (size_t k = 0; k < 3; k++)
            first[k] += fabs(psi(&f, z, 0, (double)k)) / SEEDS;
    }
    for (size_t k = 0; k < VALUES; k++) {
        double want = sqrt(2 * a / (a + b + c))
                      * pow(b / (a + b + c), (double)k);
        double se = sqrt((square[k] - mean[k] * mean[k]) / (SEEDS - 1));
        ck_assert_double_lt(se, 0.05 * want);
        ck_assert_msg(fabs(mean[k] - want) < 4 * se + want / LINE,
                      "value %zu: %g for %g, se %g", k, mean[k], want, se);
    }
    for (size_t k = 0; k < 3; k++) {
        double x = (double)k, want = pow(c / a, .25) * exp(-(c - a) * x * x);
        ck_assert_double_eq_tol(first[k], want, 0.03);
    }
}
END_TEST

/* ---- densities whose score is known -------------------------------------- */

enum { CASES = 3, DRAWS = 200 };

/* N(0, I_2), a correlated Gaussian, two modes: samples and their scores. */
static void draw_case(int which, uint64_t seed, size_t n, double *z, double *s)
{
    if (which == 2) {
        samples_mixture(seed, n, z, s);
        return;
    }
    samples_normal(seed, n, 2, z);
    for (size_t i = 0; i < n; i++) { /* z = L e, s = -L'^-1 e */
        double e0 = z[2 * i], e1 = z[2 * i + 1];
        double l10 = which ? 1.5 : 0, l00 = which ? 2 : 1, l11 = which ? .5 : 1;
        z[2 * i] = l00 * e0;
        z[2 * i + 1] = l10 * e0 + l11 * e1;
        s[2 * i + 1] = -e1 / l11;
        s[2 * i] = -(e0 - l10 * e1 / l11) / l00;
    }
}

/* Mean of the relative Fisher error over seeds, at the samples (0) and at n
   other draws (1), with its standard error. */
enum { SEEDS = 8 };
static void fisher_error(int method, int which, size_t n, double mean[2],
                         double se[2])
{
    static double z[2 * DRAWS], x[2 * DRAWS], s[2 * DRAWS], t[2 * DRAWS],
        out[2 * DRAWS];
    double square[2] = {0};
    slivi_kernelscore_options how = slivi_kernelscore_default();
    how.eta = 0.1;
    kernels_estimator e = kernels_make_with(slivi_kernelscore_names[method],
                                            how, n, 2, 1, NULL);
    mean[0] = mean[1] = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        draw_case(which, seed, n, z, s);
        draw_case(which, seed + 50, n, x, t);
        for (int k = 0; k < 2; k++) {
            if (k)
                kernels_points(e, 1, n, z, n, x, out);
            else
                kernels_samples(e, 1, n, z, out);
            double error = samples_error(2 * n, out, k ? t : s);
            mean[k] += error / SEEDS;
            square[k] += error * error / SEEDS;
        }
    }
    for (int k = 0; k < 2; k++)
        se[k] = sqrt((square[k] - mean[k] * mean[k]) / (SEEDS - 1));
    kernels_drop(e);
}

/* _i = method + 2 * case; stein with eta = 0.1.  With n = 200 the means are 3
   standard errors below a bound, and well below those with n = 50. */
START_TEST(scores_are_consistent)
{
    static const double bound[2][CASES] = {{0.21, 0.12, 0.16},
                                           {0.14, 0.16, 0.15}};
    double mean[2], se[2], few[2], few_se[2];
    fisher_error(_i % 2, _i / 2, DRAWS, mean, se);
    fisher_error(_i % 2, _i / 2, 50, few, few_se);
    for (int k = 0; k < 2; k++) {
        ck_assert_msg(mean[k] + 3 * se[k] < bound[_i % 2][_i / 2], "%g, se %g",
                      mean[k], se[k]);
        ck_assert_msg(mean[k] < 0.75 * few[k], "%g, with 50 %g", mean[k],
                      few[k]);
    }
}
END_TEST

/* q(z|x_i) = N(x_i, v_i I): each group sees its own mean and scale. */
START_TEST(groups_are_conditional_densities)
{
    enum { N = 100, ITEMS = 40 };
    static double z[ITEMS * N * 2], s[ITEMS * N * 2], out[ITEMS * N * 2],
        x[ITEMS];
    kernels_estimator e = kernels_make(1, N, 2, 0);
    samples_normal(1, ITEMS, 1, x);
    samples_normal(2, ITEMS * N, 2, z);
    for (size_t i = 0; i < ITEMS * N * 2; i++) {
        double sd = exp(x[i / (2 * N)]);
        s[i] = -z[i]; /* in units of the group, so that all count alike */
        z[i] = 10 * x[i / (2 * N)] + sd * z[i];
    }
    kernels_samples(e, ITEMS, N, z, out);
    for (size_t i = 0; i < ITEMS * N * 2; i++)
        out[i] *= exp(x[i / (2 * N)]);
    /* 0.194, se 0.017 */
    ck_assert_double_lt(samples_error(ITEMS * N * 2, out, s), 0.25);
    samples_normal(2, N, 2, z); /* the first group's place does not matter */
    kernels_samples(e, 1, N, z, z);
    kernels_near(N * 2, out, z, 1e-10);
    kernels_drop(e);
}
END_TEST

Suite *slivi_suite_kernelscore(void)
{
    Suite *suite = suite_create("kernelscore");
    TCase *tc = tcase_create("formulas");
    tcase_add_loop_test(tc, formulas_hold_in_long_double, 0, 6);
    tcase_add_test(tc, width_is_the_middle_of_all_distances);
    tcase_add_loop_test(tc, width_is_found_among_many, 0, 8);
    tcase_add_test(tc, two_samples_in_closed_form);
    tcase_add_loop_test(tc, steins_identity_holds_on_the_samples, 0, 2);
    tcase_add_loop_test(tc, scores_move_with_the_samples, 0, 2);
    suite_add_tcase(suite, tc);
    tc = tcase_create("eigenvectors");
    tcase_add_test(tc, eigenvectors_are_orthonormal);
    tcase_add_test(tc, eigenfunctions_are_orthonormal_under_the_samples);
    tcase_add_test(tc, gaussian_eigenvalues_are_met);
    suite_add_tcase(suite, tc);
    tc = tcase_create("accuracy");
    tcase_add_loop_test(tc, scores_are_consistent, 0, 2 * CASES);
    tcase_add_test(tc, groups_are_conditional_densities);
    suite_add_tcase(suite, tc);
    return suite;
}
