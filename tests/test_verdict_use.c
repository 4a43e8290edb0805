/* test_verdict_use.c - a verdict's numbers: weights, scores, columns; its
   arguments and failures.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "samples.h"
#include "scratch.h"
#include "suites.h"
#include "testing.h"
#include "verdict_inside.h"
#include "verdicts.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = VERDICTS_N };

static double *const draws = verdicts_draws;
static double lq[N], lq4[N];

/* ---- weights ------------------------------------------------------------- */

/* draws <- s N(0, I), lq <- its log density */
static void scale_normal(size_t d, double s, double *log_q)
{
    samples_normal(1, N, d, draws);
    for (size_t i = 0; i < N; i++) {
        log_q[i] = 0;
        for (size_t j = i * d; j < (i + 1) * d; j++) {
            log_q[i] -= 0.5 * draws[j] * draws[j];
            draws[j] *= s;
        }
    }
}

START_TEST(weights_mend_what_they_can)
{
    slivi_target *t = slivi_target_create(2, verdicts_normal, NULL);
    const slivi_verdict_options how = verdicts_bare();
    scale_normal(2, 1.5, lq);
    slivi_verdict *v = slivi_verdict_create(t, N, draws, NULL, lq, NULL, &how);
    verdicts_is(v, "psis", SLIVI_VERDICT_PASS);
    ck_assert_double_eq_tol(testing_sum(N, slivi_verdict_weights(v), 1), 1,
                            1e-12);
    /* E w^2 = (s^4 / (2 s^2 - 1))^(d / 2) */
    ck_assert_double_eq_tol(slivi_verdict_ess(v) / N, 3.5 / (1.5 * 1.5 * 2.25),
                            0.02);
    const slivi_verdict_row *row = slivi_verdict_row_at(v, 1);
    ck_assert_double_eq_tol(row->sd[0], 1.5, 0.03);
    ck_assert_double_eq_tol(row->sd[1], 1, 0.03);
    ck_assert(isnan(row->sd[2]) && isnan(slivi_verdict_khat(v, 1)));
    slivi_verdict_free(v);
    scale_normal(2, 0.5, lq);
    v = slivi_verdict_create(t, N, draws, NULL, lq, NULL, &how);
    verdicts_is(v, "psis", SLIVI_VERDICT_FAIL);
    ck_assert_double_gt(slivi_verdict_khat(v, 0), 0.7);
    slivi_verdict_free(v);
    slivi_target_free(t);
}
END_TEST

START_TEST(weights_that_four_times_as_many_components_change)
{
    slivi_target *t = slivi_target_create(2, verdicts_normal, NULL);
    const slivi_verdict_options how = verdicts_bare();
    scale_normal(2, 1, lq);
    scale_normal(2, 0.6, lq4); /* draws of this, lq of another q */
    for (size_t i = 0; i < N; i++)
        lq[i] = -0.5
                * (draws[2 * i] * draws[2 * i]
                   + draws[2 * i + 1] * draws[2 * i + 1]);
    slivi_verdict *v = slivi_verdict_create(t, N, draws, NULL, lq, lq4, &how);
    ck_assert(slivi_verdict_khat(v, 0) == -INFINITY); /* equal weights */
    verdicts_is(v, "psis", SLIVI_VERDICT_UNSURE);
    slivi_verdict_free(v);
    scale_normal(2, 0.9, lq4);
    v = slivi_verdict_create(t, N, draws, NULL, lq4, lq4, &how);
    verdicts_is(v, "psis", SLIVI_VERDICT_PASS);
    ck_assert_double_eq(slivi_verdict_khat(v, 0), slivi_verdict_khat(v, 1));
    slivi_verdict_free(v);
    for (size_t i = 0; i < N; i++) /* weights are as good: log q is not there */
        lq[i] = lq4[i] + 0.3;
    v = slivi_verdict_create(t, N, draws, NULL, lq, lq4, &how);
    ck_assert_double_lt(slivi_verdict_khat(v, 0), 0.7);
    verdicts_is(v, "psis", SLIVI_VERDICT_UNSURE);
    slivi_verdict_free(v);
    slivi_target_free(t);
}
END_TEST

/* ---- numbers ------------------------------------------------------------- */

/* Terms 63 of +-1 about m have no skewness: the score is Student's, made
   normal. */
START_TEST(scores_are_students)
{
    for (double m = 0.1; m < 0.6; m += 0.1) {
        slivi__sums s = {0};
        for (int i = 0; i < 64; i++)
            slivi__sums_add(&s, m + (i % 2 ? 1 : -1));
        const double t = m / sqrt(64. / 63 / 64);
        const double want = -gsl_cdf_ugaussian_Pinv(gsl_cdf_tdist_Q(t, 63));
        ck_assert_double_eq_tol(slivi__sums_score(&s, 0, 0), want, 3e-3);
        ck_assert_double_eq_tol(slivi__sums_score(&s, 2 * m, 0), -want, 3e-3);
        ck_assert_double_eq_tol(slivi__sums_mean(&s), m, 1e-12);
        ck_assert_double_eq_tol(slivi__sums_variance(&s), 64. / 63, 1e-12);
    }
}
END_TEST

/* Of skewed terms (squares, g = 2.83; n = 50) either side is exceeded about as
   often: t alone exceeds -2.5 in 3.3 %, and 2.5 in 0.06 %, instead of 0.6 %. */
START_TEST(scores_of_skewed_terms)
{
    enum { SETS = 20000, SIZE = 50 };
    static double x[SETS * SIZE];
    size_t low = 0, high = 0;
    samples_normal(5, SETS, SIZE, x);
    for (size_t k = 0; k < SETS; k++) {
        slivi__sums s = {0};
        for (size_t i = 0; i < SIZE; i++)
            slivi__sums_add(&s, x[k * SIZE + i] * x[k * SIZE + i]);
        const double z = slivi__sums_score(&s, 1, 0);
        low += z < -2.5;
        high += z > 2.5;
    }
    ck_assert_msg(low < 300 && high < 300, "%zu %zu", low, high);
}
END_TEST

START_TEST(levels_are_bonferronis)
{
    for (size_t count = 1; count < 3000; count *= 7)
        ck_assert_double_eq_tol(
            2 * (double)count
                * gsl_cdf_ugaussian_Q(slivi__verdict_level(0.005, count)),
            0.005, 1e-9);
}
END_TEST

/* ---- columns ------------------------------------------------------------- */

/* log tau ~ N(0, 0.5^2): tau has mean e^(1/8). */
static int log_normal(size_t n, size_t d, const double *x, double *lp,
                      double *grad, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        const double l = log(x[i * d]), y = x[i * d + 1];
        lp[i] = -2 * l * l - l - 0.5 * y * y;
        grad[i * d] = (-4 * l - 1) / x[i * d];
        grad[i * d + 1] = -y;
    }
    return 0;
}

START_TEST(columns_are_in_the_callers_coordinates)
{
    const slivi_parameter parameters[] = {{.name = "tau", .support = "lower"},
                                          {.name = "y"}};
    slivi_target *t = slivi_target_create_on(2, parameters, log_normal, NULL);
    const double mean = exp(0.125), sd = mean * sqrt(expm1(0.25));
    FILE *f = tmpfile();
    char text[8192];
    samples_normal(1, N, 2, draws);
    for (size_t i = 0; i < N; i++)
        draws[2 * i] *= 0.5;
    slivi_verdict *v = verdicts_judge(t, N, verdicts_quick(1));
    ck_assert_uint_eq(slivi_verdict_rows(v), 2);
    const slivi_verdict_row *row = slivi_verdict_row_at(v, 0);
    ck_assert_str_eq(row->name, "tau");
    ck_assert_double_eq_tol(row->mean[0], mean, 5 * sd / sqrt(N));
    ck_assert_double_eq_tol(row->sd[0], sd, 0.03);
    ck_assert(isnan(row->mean[1]));
    ck_assert_double_eq_tol(row->mean[2], mean, 0.05);
    ck_assert_double_eq_tol(row->sd[2], sd, 0.06);
    size_t count;
    ck_assert_ptr_nonnull(slivi_verdict_moved(v, &count));
    ck_assert_uint_eq(count, 500);
    ck_assert_int_eq(slivi_verdict_print(v, f), 0);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    static const char *const words[] = {
        "verdict on 20000 draws in 2 dimensions: pass", "stein-tails", "tau",
        "blind to", "q + HMC mean"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        ck_assert_msg(strstr(text, words[i]) != NULL, "%s", words[i]);
    ck_assert_ptr_null(strstr(text, "q + PSIS"));
    slivi_verdict_free(v);
    slivi_target_free(t);
}
END_TEST

/* ---- use ----------------------------------------------------------------- */

/* N(c, 1) */
static int given(size_t n, size_t d, const double *x, size_t k, const double *c,
                 double *lp, double *grad, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        grad[i * d] = c[i * k + 1] - x[i * d];
        lp[i] = -0.5 * grad[i * d] * grad[i * d];
    }
    return 0;
}

START_TEST(contexts_are_passed_on)
{
    const double c[] = {77, 3}, other[] = {77, 3.2};
    const slivi_verdict_options how = verdicts_quick(1);
    slivi_target *t = slivi_target_create_given(1, 2, given, NULL);
    samples_normal(1, N, 1, draws);
    for (size_t i = 0; i < N; i++)
        draws[i] += 3;
    slivi_verdict *v = slivi_verdict_create(t, N, draws, c, NULL, NULL, &how);
    ck_assert_int_eq(slivi_verdict_outcome(v), SLIVI_VERDICT_PASS);
    slivi_verdict_free(v);
    v = slivi_verdict_create(t, N, draws, other, NULL, NULL, &how);
    verdicts_is(v, "stein-mean", SLIVI_VERDICT_FAIL);
    verdicts_is(v, "shift", SLIVI_VERDICT_FAIL);
    verdicts_is(v, "reference", SLIVI_VERDICT_FAIL);
    slivi_verdict_free(v);
    ck_assert_ptr_null(
        slivi_verdict_create(t, N, draws, NULL, NULL, NULL, &how));
    scratch_check_message("verdict", "needs a context");
    slivi_target_free(t);
}
END_TEST

START_TEST(seeds_are_all_that_is_random)
{
    slivi_target *t = slivi_target_create(2, verdicts_tied, NULL);
    double *first = NULL;
    samples_normal(1, N, 2, draws);
    for (uint64_t k = 0; k < 3; k++) {
        size_t count, same = 0;
        slivi_verdict *v = verdicts_judge(t, 1000, verdicts_quick(k / 2));
        const double *moved = slivi_verdict_moved(v, &count);
        if (!first)
            first = memcpy(lq, moved, 2 * count * sizeof *lq);
        for (size_t i = 0; i < 2 * count; i++)
            same += first[i] == moved[i];
        ck_assert_int_eq(same == 2 * count, k < 2);
        slivi_verdict_free(v);
    }
    slivi_target_free(t);
}
END_TEST

START_TEST(arguments_are_checked)
{
    slivi_target *t = slivi_target_create(2, verdicts_normal, NULL);
    slivi_verdict_options how[6];
    for (size_t k = 0; k < 6; k++)
        how[k] = verdicts_quick(1);
    how[0].transitions = 1;
    how[1].reach = 1;
    how[2].ksd = 1;
    how[3].spread = 0;
    how[4].tolerance = -1;
    samples_normal(1, N, 2, draws);
    for (size_t k = 0; k < 5; k++) {
        ck_assert_ptr_null(
            slivi_verdict_create(t, N, draws, NULL, NULL, NULL, &how[k]));
        ck_assert_int_eq(slivi__status(), SLIVI_EINVAL);
    }
    ck_assert_ptr_null(
        slivi_verdict_create(t, 999, draws, NULL, NULL, NULL, &how[5]));
    scratch_check_message("verdict", "999 draws (from 1000)");
    ck_assert_ptr_null(
        slivi_verdict_create(t, N, draws, draws, NULL, NULL, &how[5]));
    scratch_check_message("verdict", "takes no context");
    draws[7] = NAN;
    ck_assert_ptr_null(
        slivi_verdict_create(t, N, draws, NULL, NULL, NULL, &how[5]));
    ck_assert_int_eq(slivi__status(), SLIVI_ENONFINITE);
    scratch_check_message("verdict", "draw 3 column 1 is NaN");
    for (size_t i = 0; i < N; i++)
        draws[2 * i + 1] = 1;
    ck_assert_ptr_null(
        slivi_verdict_create(t, N, draws, NULL, NULL, NULL, &how[5]));
    scratch_check_message("verdict", "column 1 has sd 0");
    slivi_target_free(t);
    slivi_verdict_free(NULL);
}
END_TEST

/* Fails from call number *ctx on. */
static int tired(size_t n, size_t d, const double *x, double *lp, double *grad,
                 void *ctx)
{
    int *left = ctx;
    verdicts_normal(n, d, x, lp, grad, NULL);
    return (*left)-- <= 0;
}

START_TEST(a_target_may_fail)
{
    static const int calls[] = {0, 1, 5, 100, 2000};
    for (size_t k = 0; k < sizeof calls / sizeof calls[0]; k++) {
        int left = calls[k];
        slivi_target *t = slivi_target_create(2, tired, &left);
        const slivi_verdict_options how = verdicts_quick(1);
        samples_normal(1, N, 2, draws);
        ck_assert_ptr_null(
            slivi_verdict_create(t, 1000, draws, NULL, NULL, NULL, &how));
        ck_assert_int_eq(slivi__status(), SLIVI_ECALLBACK);
        slivi_target_free(t);
    }
}
END_TEST

START_TEST(memory_may_be_short)
{
    slivi_target *t = slivi_target_create(2, verdicts_tied, NULL);
    slivi_verdict_options how = verdicts_quick(1);
    how.chains = 100;
    how.ksd = 20;
    how.reach = 2;
    scale_normal(2, 1, lq);
    scratch_memory *memory = scratch_watch(0);
    slivi_verdict *v = NULL;
    size_t at = 0;
    while (!v && at++ < 1000) {
        memory->calls = 0;
        memory->fail_at = at;
        const size_t live = memory->live;
        v = slivi_verdict_create(t, 1000, draws, NULL, lq, lq, &how);
        if (!v) {
            ck_assert_int_eq(slivi__status(), SLIVI_ENOMEM);
            ck_assert_uint_eq(memory->live, live);
        }
    }
    ck_assert_uint_gt(at, 25);
    slivi_verdict_free(v);
    scratch_unwatch();
    slivi_target_free(t);
}
END_TEST

Suite *slivi_suite_verdict_use(void)
{
    Suite *suite = suite_create("verdict_use");
    TCase *tc = tcase_create("numbers");
    tcase_add_test(tc, weights_mend_what_they_can);
    tcase_add_test(tc, weights_that_four_times_as_many_components_change);
    tcase_add_test(tc, scores_are_students);
    tcase_add_test(tc, scores_of_skewed_terms);
    tcase_add_test(tc, levels_are_bonferronis);
    tcase_add_test(tc, columns_are_in_the_callers_coordinates);
    suite_add_tcase(suite, tc);
    tc = tcase_create("use");
    tcase_add_test(tc, contexts_are_passed_on);
    tcase_add_test(tc, seeds_are_all_that_is_random);
    tcase_add_test(tc, arguments_are_checked);
    tcase_add_test(tc, a_target_may_fail);
    tcase_add_test(tc, memory_may_be_short);
    suite_add_tcase(suite, tc);
    return suite;
}
