/* test_targets.c - the targets with names are what they are said to be.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "scratch.h"
#include "suites.h"
#include "target_files.h"
#include "testing.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 100 }; /* dimensions */

static void draw(uint32_t stream, size_t n, size_t d, double scale, double *x)
{
    const slivi_address at = {.seed = 3, .stream = stream};
    slivi_draw(slivi_law_normal, &at, n, d, x);
    for (size_t i = 0; i < n * d; i++)
        x[i] *= scale;
}

static void eval(slivi_target *t, size_t n, const double *z, double *lp,
                 double *grad)
{
    ck_assert_msg(!slivi_target_eval(t, n, z, NULL, lp, grad), "%s",
                  slivi_errmsg());
}

/* ---- every entry ------------------------------------------------------ */

static const struct {
    const char *name;
    size_t d;
    const char *names; /* of the first, and of the last parameter */
} shapes[] = {
    {"banana", 2, "z[1] z[2]"},
    {"x-shaped", 2, "z[1] z[2]"},
    {"multimodal", 2, "z[1] z[2]"},
    {"four-modes", 2, "z[1] z[2]"},
    {"funnel", 10, "v x[9]"},
    {"gaussian", 5, "z[1] z[5]"},
    {"logistic", 1 + FILES_FEATURES, "intercept w[3]"},
    {"eight_schools", 2 + FILES_SCHOOLS, "mu theta[3]"},
    {"kidiq", 3, "beta[1] sigma"},
    {"sblri", 1 + FILES_COLS, "beta[1] sigma"},
    {"arK", 2 + FILES_LAGS, "alpha sigma"},
    {"garch", 4, "mu beta1"},
    {"low_dim_gauss_mix", 5, "mu[1] theta"},
    {"diffusion", 100, "x[1] x[100]"},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

START_TEST(test_shapes)
{
    size_t i = 0;
    for (const slivi_target_entry *e = slivi_target_entries; e->name; e++) {
        char names[64];
        ck_assert_uint_lt(i, SHAPES);
        ck_assert_str_eq(e->name, shapes[i].name);
        ck_assert_ptr_eq(slivi_target_entry_find(e->name), e);
        ck_assert_ptr_nonnull(e->help);
        slivi_target *t = files_target(e->name, 0);
        const size_t last = slivi_target_outside_dim(t) - 1;
        ck_assert_uint_eq(slivi_target_dim(t), shapes[i].d);
        ck_assert_uint_eq(last + 1, shapes[i].d);
        snprintf(names, sizeof names, "%s %s", slivi_target_name(t, 0),
                 slivi_target_name(t, last));
        ck_assert_str_eq(names, shapes[i++].names);
        slivi_target_free(t);
    }
    ck_assert_uint_eq(i, SHAPES);
}
END_TEST

START_TEST(test_gradients)
{
    enum { N = 12 };
    static double z[N * MOST];
    for (const slivi_target_entry *e = slivi_target_entries; e->name; e++) {
        slivi_target *t = files_target(e->name, 0);
        slivi_target_check check;
        draw(1, N, slivi_target_dim(t), 0.8, z);
        ck_assert_msg(!slivi_target_check_gradient(t, N, z, NULL, &check),
                      "%s: %s", e->name, slivi_errmsg());
        ck_assert_msg(check.error < 2e-7, "%s: %g", e->name, check.error);
        slivi_target_free(t);
    }
}
END_TEST

/* ---- exact draws ------------------------------------------------------ */

/* Trapezoids on a plane, h apart: exact to rounding for such densities. */
START_TEST(test_normalised)
{
    enum { ACROSS = 200, DOWN = 640 };
    static double z[2 * DOWN], lp[DOWN], grad[2 * DOWN];
    const double h = 0.1;
    for (size_t k = 0; k < 4; k++) {
        slivi_target *t = files_target(shapes[k].name, 0);
        double mass = 0;
        for (size_t i = 0; i < ACROSS; i++) {
            for (size_t j = 0; j < DOWN; j++) {
                z[2 * j] = h * ((double)i - ACROSS / 2);
                z[2 * j + 1] = h * ((double)j - 540);
            }
            eval(t, DOWN, z, lp, grad);
            mass += h * h * testing_sum_exp(DOWN, lp);
        }
        ck_assert_msg(fabs(mass - 1) < 1e-9, "%s: %.12g", shapes[k].name, mass);
        slivi_target_free(t);
    }
}
END_TEST

/* funnel and gaussian, by independent formulas */
START_TEST(test_higher_toys)
{
    static const double mean[] = {1, -1, 2, 0, -3}, sd[] = {1, .5, 3, .1, 2};
    double z[10], lp, grad[10], cov[25], gap[5], kept[5];
    draw(4, 1, 10, 1.3, z);
    slivi_target *t = files_target("funnel", 0);
    eval(t, 1, z, &lp, grad);
    double want = log(gsl_ran_gaussian_pdf(z[0], 1));
    for (size_t j = 1; j < 10; j++)
        want += log(gsl_ran_gaussian_pdf(z[j], exp(z[0] / 2)));
    ck_assert_double_eq_tol(lp, want, 1e-12);
    slivi_target_free(t);

    t = files_target("gaussian", 0);
    eval(t, 1, z, &lp, grad);
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 5; j++)
            cov[i * 5 + j] = sd[i] * sd[j]
                             * pow(0.7, fabs((double)i - (double)j));
    for (size_t i = 0; i < 5; i++)
        gap[i] = kept[i] = z[i] - mean[i];
    want = -2.5 * log(2 * acos(-1)) - 0.5 * testing_solve(5, cov, gap);
    want -= 0.5 * testing_dot(5, kept, gap);
    ck_assert_double_eq_tol(lp, want, 1e-11 * fabs(want));
    slivi_target_free(t);
}
END_TEST

/* Mean of n independent values within 4.5 errors of what it must be. */
static void check_mean(const char *what, size_t n, const double *f, double want)
{
    double mean = testing_sum(n, f, 1) / (double)n;
    double var = testing_squares(n, f, 1) / (double)n - mean * mean;
    double error = sqrt(var / (double)n);
    ck_assert_msg(fabs(mean - want) <= 4.5 * error + 1e-12,
                  "%s: %g +- %g, expected %g", what, mean, error, want);
}

enum { DRAWS = 40000 };
static double draws[DRAWS * 10], lps[DRAWS], grads[DRAWS * 10], f[DRAWS];

/* E[grad log p (x - a)'] = -I and E[grad log p] = 0, which tie draws and
   density together. */
START_TEST(test_stein)
{
    for (const slivi_target_entry *e = slivi_target_entries; e->name; e++) {
        slivi_target *t = files_target(e->name, 0);
        const size_t d = slivi_target_dim(t);
        if (!e->exact) {
            slivi_target_free(t);
            continue;
        }
        ck_assert_int_eq(e->exact(DRAWS, 17, draws), 0);
        eval(t, DRAWS, draws, lps, grads);
        for (size_t j = 0; j < d; j++) {
            for (size_t i = 0; i < DRAWS; i++)
                f[i] = grads[i * d + j];
            check_mean(e->name, DRAWS, f, 0);
            for (size_t k = 0; k < d; k++) {
                for (size_t i = 0; i < DRAWS; i++)
                    f[i] = grads[i * d + j] * draws[i * d + k];
                check_mean(e->name, DRAWS, f, j == k ? -1 : 0);
            }
        }
        slivi_target_free(t);
    }
}
END_TEST

/* Of two coordinates: means, variances, covariance.  Closed forms. */
static const struct {
    const char *name;
    size_t j, k;
    double mean[2], var[2], cov;
} moments[] = {
    {"banana", 0, 1, {0, -2}, {1, 3}, .9},
    {"x-shaped", 0, 1, {0, 0}, {2, 2}, 0},
    {"multimodal", 0, 1, {0, 0}, {5, 1}, 0},
    {"four-modes", 0, 1, {.5, -.5}, {4.75, 4.75}, -1.75},
    {"funnel", 0, 3, {0, 0}, {1, 1.6487212707001282}, 0},
    {"gaussian", 0, 1, {1, -1}, {1, .25}, .35},
    {"gaussian", 2, 4, {2, -3}, {9, 4}, 2.94},
};

START_TEST(test_moments)
{
    const slivi_target_entry *e = slivi_target_entry_find(moments[_i].name);
    slivi_target *t = files_target(e->name, 0);
    const size_t d = slivi_target_dim(t);
    const double *mean = moments[_i].mean;
    slivi_target_free(t);
    ck_assert_int_eq(e->exact(DRAWS, 23, draws), 0);
    for (size_t side = 0; side < 2; side++) {
        const size_t j = side ? moments[_i].k : moments[_i].j;
        for (size_t i = 0; i < DRAWS; i++)
            f[i] = draws[i * d + j];
        check_mean("mean", DRAWS, f, mean[side]);
        for (size_t i = 0; i < DRAWS; i++)
            f[i] = (f[i] - mean[side]) * (f[i] - mean[side]);
        check_mean("variance", DRAWS, f, moments[_i].var[side]);
    }
    for (size_t i = 0; i < DRAWS; i++)
        f[i] = (draws[i * d + moments[_i].j] - mean[0])
               * (draws[i * d + moments[_i].k] - mean[1]);
    check_mean("covariance", DRAWS, f, moments[_i].cov);
    /* a pure function of the seed, row by row */
    memcpy(grads, draws, sizeof *draws * 10 * d);
    ck_assert_int_eq(e->exact(10, 23, draws), 0);
    ck_assert_mem_eq(draws, grads, sizeof *draws * 10 * d);
    ck_assert_int_eq(e->exact(10, 24, draws), 0);
    ck_assert_mem_ne(draws, grads, sizeof *draws * d);
}
END_TEST

/* Masses of quadrants, w_k P(component k there): Phi(2)^2 and so on. */
START_TEST(test_quadrants)
{
    static const double weight[2][2] = {{.125, .25}, {.5, .125}};
    const double in = gsl_cdf_ugaussian_P(2), out = 1 - in;
    const slivi_target_entry *e = slivi_target_entry_find("four-modes");
    ck_assert_int_eq(e->exact(DRAWS, 29, draws), 0);
    for (size_t right = 0; right < 2; right++)
        for (size_t up = 0; up < 2; up++) {
            const double want = weight[right][up] * in * in
                                + weight[!right][!up] * out * out
                                + weight[right][!up] * in * out
                                + weight[!right][up] * in * out;
            for (size_t i = 0; i < DRAWS; i++)
                f[i] = (draws[2 * i] > 0) == right
                       && (draws[2 * i + 1] > 0) == up;
            check_mean("quadrant", DRAWS, f, want);
        }
    /* x-shaped: E x1^2 x2^2 = 4 + 2 1.8^2, for each arm and so for both */
    e = slivi_target_entry_find("x-shaped");
    ck_assert_int_eq(e->exact(DRAWS, 31, draws), 0);
    for (size_t i = 0; i < DRAWS; i++)
        f[i] = pow(draws[2 * i] * draws[2 * i + 1], 2);
    check_mean("x-shaped", DRAWS, f, 4 + 2 * 1.8 * 1.8);
}
END_TEST

/* ---- posteriors, term by term ----------------------------------------- */

static double log_normal(double x, double mean, double sd)
{
    return log(gsl_ran_gaussian_pdf(x - mean, sd));
}

/* log p(theta, y) + log |d theta / d u|, theta by slivi_target_name's order */
static double eight_schools(const files *m, const double *x)
{
    double lp = log_normal(x[0], 0, 5) + log(gsl_ran_cauchy_pdf(x[1], 5));
    for (size_t j = 0; j < FILES_SCHOOLS; j++)
        lp += log_normal(x[2 + j], x[0], x[1])
              + log_normal(m->school_y[j], x[2 + j], m->school_sigma[j]);
    return lp + (1 + FILES_SCHOOLS) * log(x[1]);
}

static double kidiq(const files *m, const double *x)
{
    double lp = log(gsl_ran_cauchy_pdf(x[2], 2.5)) + log(x[2]);
    for (size_t i = 0; i < FILES_KIDS; i++)
        lp += log_normal(m->score[i], x[0] + x[1] * m->iq[i], x[2]);
    return lp;
}

static double sblri(const files *m, const double *x)
{
    double lp = log_normal(x[2], 0, 10) + log(x[2]);
    for (size_t j = 0; j < FILES_COLS; j++)
        lp += log_normal(x[j], 0, 10);
    for (size_t i = 0; i < FILES_ROWS; i++)
        lp += log_normal(m->y[i], m->x[i][0] * x[0] + m->x[i][1] * x[1], x[2]);
    return lp;
}

static double ark(const files *m, const double *x)
{
    const double *y = m->series;
    double lp = log(gsl_ran_cauchy_pdf(x[3], 2.5)) + log(x[3]);
    for (size_t j = 0; j < 3; j++)
        lp += log_normal(x[j], 0, 10);
    for (size_t t = 2; t < FILES_TIMES; t++)
        lp += log_normal(y[t], x[0] + x[1] * y[t - 1] + x[2] * y[t - 2], x[3]);
    return lp;
}

static double garch(const files *m, const double *x)
{
    const double *y = m->series;
    double lp = 0, sd = m->sigma1;
    for (size_t t = 0; t < FILES_TIMES; t++) {
        if (t)
            sd = sqrt(x[1] + x[2] * pow(y[t - 1] - x[0], 2) + x[3] * sd * sd);
        lp += log_normal(y[t], x[0], sd);
    }
    return lp + log(x[1]) + log(x[2] * (1 - x[2]))
           + log(x[3] * (1 - x[2] - x[3]) / (1 - x[2]));
}

static double blend(const files *m, const double *x)
{
    double lp = log(gsl_ran_beta_pdf(x[4], 5, 5));
    for (size_t k = 0; k < 4; k++)
        lp += log_normal(x[k], 0, 2);
    for (size_t i = 0; i < FILES_BLEND; i++)
        lp += log(x[4] * gsl_ran_gaussian_pdf(m->blend[i] - x[0], x[2])
                  + (1 - x[4])
                        * gsl_ran_gaussian_pdf(m->blend[i] - x[1], x[3]));
    return lp + log(x[1] - x[0]) + log(x[2] * x[3] * x[4] * (1 - x[4]));
}

static double logistic(const files *m, const double *x)
{
    double lp = 0;
    for (size_t j = 0; j <= FILES_FEATURES; j++)
        lp += log_normal(x[j], 0, 10);
    for (size_t i = 0; i < FILES_LABELS; i++) {
        double t = x[0];
        for (size_t j = 0; j < FILES_FEATURES; j++)
            t += m->features[i][j] * x[1 + j];
        lp += log(m->features[i][FILES_FEATURES] > 0
                      ? gsl_cdf_logistic_P(t, 1)
                      : gsl_cdf_logistic_Q(t, 1));
    }
    return lp;
}

static const struct {
    const char *name;
    double (*lp)(const files *m, const double *x);
} formulas[] = {
    {"eight_schools", eight_schools},
    {"kidiq", kidiq},
    {"sblri", sblri},
    {"arK", ark},
    {"garch", garch},
    {"low_dim_gauss_mix", blend},
    {"logistic", logistic},
};

START_TEST(test_formulas)
{
    enum { N = 2000 }; /* so that a call has more points than one block */
    static double z[N * 8], x[N * 8], lp[N], grad[N * 8];
    slivi_target *t = files_target(formulas[_i].name, 0);
    const size_t d = slivi_target_dim(t);
    double least = INFINITY, most = -INFINITY, size = 0;
    draw(5, N, d, 0.7, z);
    if (!strcmp(formulas[_i].name, "kidiq"))
        for (size_t i = 0; i < N; i++) /* near the data, but not too near */
            z[i * 3] += 30, z[i * 3 + 1] *= 0.1, z[i * 3 + 2] += 3;
    eval(t, N, z, lp, grad);
    ck_assert_int_eq(slivi_target_outside(t, N, z, x), 0);
    for (size_t i = 0; i < N; i++) { /* all but a constant */
        const double want = formulas[_i].lp(files_data(), x + i * d);
        least = fmin(least, lp[i] - want);
        most = fmax(most, lp[i] - want);
        size = fmax(size, fabs(want));
    }
    ck_assert_msg(most - least < 1e-13 * (100 + size), "%s: %g",
                  formulas[_i].name, most - least);
    slivi_target_free(t);
}
END_TEST

/* At x = 0 the path costs nothing, and the gradient is y / 0.1^2. */
START_TEST(test_diffusion)
{
    enum { D = 100, SEEN = 20 };
    static double z[3 * D], lp[3], grad[3 * D];
    double y[SEEN], squares = 0;
    slivi_target *t = files_target("diffusion", 0);
    draw(6, 3, D, 0.5, z);
    memset(z, 0, D * sizeof *z);
    eval(t, 3, z, lp, grad);
    for (size_t j = 0; j < D; j++)
        ck_assert(j % 5 == 4 || fabs(grad[j]) <= 0);
    for (size_t k = 0; k < SEEN; k++) {
        y[k] = grad[5 * k + 4] * 0.01;
        squares += y[k] * y[k];
    }
    ck_assert_double_eq_tol(lp[0], -50 * squares, 1e-9);
    for (size_t i = 1; i < 3; i++) {
        const double *x = z + i * D;
        double want = 0, before = 0;
        for (size_t j = 0; j < D; j++) {
            const double u = before;
            const double drift = 10 * u * (1 - u * u) / (1 + u * u);
            want += -pow(x[j] - u - drift * 0.01, 2) / (2 * 0.01);
            if (j % 5 == 4)
                want -= pow(y[j / 5] - x[j], 2) / (2 * 0.01);
            before = x[j];
        }
        ck_assert_double_eq_tol(lp[i], want, 1e-12 * fabs(want));
    }
    /* such a path leaves 0 and settles near a well, at 1 or -1 */
    ck_assert_double_eq_tol(fabs(y[SEEN - 1]), 1, 0.5);
    ck_assert_double_lt(sqrt(squares / SEEN), 1.3);
    slivi_target_free(t);
}
END_TEST

Suite *slivi_suite_targets(void)
{
    const TTest *const whole[] = {test_shapes, test_gradients, NULL};
    const TTest *const exact[] = {test_normalised, test_higher_toys, test_stein,
                                  test_quadrants, NULL};
    const TTest *const series[] = {test_diffusion, NULL};
    Suite *s = suite_create("targets");
    scratch_add_case(s, "entries", whole);
    scratch_add_case(s, "exact", exact);
    scratch_add_case(s, "diffusion", series);
    TCase *c = tcase_create("formulas");
    tcase_add_checked_fixture(c, scratch_open, scratch_close);
    tcase_add_loop_test(c, test_moments, 0, sizeof moments / sizeof *moments);
    tcase_add_loop_test(c, test_formulas, 0,
                        sizeof formulas / sizeof *formulas);
    suite_add_tcase(s, c);
    return s;
}
