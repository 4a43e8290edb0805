/* test_verdict.c - exact draws pass, planted faults do not, and each by the
   check that is there for it.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "samples.h"
#include "slivi/targets.h"
#include "suites.h"
#include "testing.h"
#include "verdicts.h"

#include <math.h>
#include <string.h>

enum { N = VERDICTS_N };

static double *const draws = verdicts_draws;
static double lq[3 * N];

/* w N(-a, 1) + (1 - w) N(a, 1) in the first coordinate, N(0, 1) in others. */
typedef struct hills {
    double a, w;
} hills;

static int two_hills(size_t n, size_t d, const double *x, double *lp,
                     double *grad, void *ctx)
{
    const hills *m = ctx;
    verdicts_normal(n, d, x, lp, grad, NULL);
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        const double odds = log(m->w / (1 - m->w)) - 2 * m->a * x[0];
        const double left = 1 / (1 + exp(-odds));
        lp[i] += m->a * x[0] + fmax(odds, 0) + log1p(exp(-fabs(odds)));
        grad[0] += m->a * (1 - 2 * left);
    }
    return 0;
}

static void draw_hills(const hills *m, uint64_t seed)
{
    const slivi_address at = {.seed = seed, .stream = 7};
    samples_normal(seed, N, 2, draws);
    slivi_draw(slivi_law_uniform, &at, N, 1, lq);
    for (size_t i = 0; i < N; i++)
        draws[2 * i] += lq[i] < m->w ? -m->a : m->a;
}

/* ---- exact draws --------------------------------------------------------- */

static const char *const exact[] = {"gaussian", "banana",     "multimodal",
                                    "x-shaped", "four-modes", "funnel"};
enum { EXACT = sizeof exact / sizeof exact[0] };

START_TEST(exact_draws_pass)
{
    const slivi_target_entry *e = slivi_target_entry_find(exact[_i]);
    slivi_target *t = slivi_target_named(exact[_i], NULL, 0, 1);
    ck_assert_int_eq(e->exact(N, 11, draws), 0);
    slivi_verdict *v = verdicts_judge(t, N, verdicts_quick(5));
    for (size_t i = 0; i < slivi_verdict_checks(v); i++) {
        const slivi_verdict_check *c = slivi_verdict_check_at(v, i);
        ck_assert_msg(c->outcome != SLIVI_VERDICT_FAIL, "%s: %g of %g, %s",
                      c->name, c->statistic, c->level, c->detail);
    }
    verdicts_is(v, "reference", SLIVI_VERDICT_PASS);
    slivi_verdict_free(v);
    slivi_target_free(t);
}
END_TEST

/* 0.7 N((-2, -2), I) + 0.3 N((2, 2), 0.09 I): chains from afar may all be in
   the wide mode and agree, and exact draws still are exact. */
static int wide_and_narrow(size_t n, size_t d, const double *x, double *lp,
                           double *grad, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        const double *at = x + i * d;
        double a = log(0.7), b = log(0.3 / 0.09);
        for (size_t j = 0; j < d; j++) {
            a -= 0.5 * (at[j] + 2) * (at[j] + 2);
            b -= 0.5 * (at[j] - 2) * (at[j] - 2) / 0.09;
        }
        const double part = 1 / (1 + exp(a - b)); /* of the narrow one */
        lp[i] = fmax(a, b) + log1p(exp(-fabs(a - b)));
        for (size_t j = 0; j < d; j++)
            grad[i * d + j] = -(1 - part) * (at[j] + 2)
                              - part * (at[j] - 2) / 0.09;
    }
    return 0;
}

START_TEST(chains_that_missed_a_mode_are_no_reference)
{
    const slivi_address at = {.seed = 5, .stream = 9};
    slivi_target *t = slivi_target_create(2, wide_and_narrow, NULL);
    samples_normal(4, N, 2, draws);
    static double u[N];
    slivi_draw(slivi_law_uniform, &at, N, 1, u);
    for (size_t i = 0; i < 2 * N; i++)
        draws[i] = u[i / 2] < 0.7 ? draws[i] - 2 : 0.3 * draws[i] + 2;
    slivi_verdict *v = verdicts_judge(t, N, verdicts_quick(8));
    const slivi_verdict_check *c = verdicts_find(v, "reference");
    ck_assert_double_gt(c->statistic, c->level); /* but they do not count */
    verdicts_is(v, "reference", SLIVI_VERDICT_UNSURE);
    slivi_verdict_free(v);
    slivi_target_free(t);
}
END_TEST

/* Modes 8 sds apart: all is well, but nobody could say so of their weights. */
START_TEST(nobody_knows_the_weights_of_far_modes)
{
    hills m = {4, 0.5};
    slivi_target *t = slivi_target_create(2, two_hills, &m);
    draw_hills(&m, 3);
    slivi_verdict *v = verdicts_judge(t, N, verdicts_quick(1));
    verdicts_is(v, "reach", SLIVI_VERDICT_PASS);
    verdicts_is(v, "reference", SLIVI_VERDICT_UNSURE);
    ck_assert_int_eq(slivi_verdict_outcome(v), SLIVI_VERDICT_UNSURE);
    slivi_verdict_free(v);
    slivi_target_free(t);
}
END_TEST

/* ---- faults -------------------------------------------------------------- */

/* q with independent coordinates as KL(q || p) has it. */
START_TEST(mean_field_fails)
{
    slivi_target *t = slivi_target_create(2, verdicts_tied, NULL);
    samples_normal(1, N, 2, draws);
    for (size_t i = 0; i < 2 * N; i++)
        draws[i] *= sqrt(0.19);
    slivi_verdict *v = verdicts_judge(t, N, verdicts_quick(1));
    verdicts_is(v, "stein-mean", SLIVI_VERDICT_PASS);
    verdicts_is(v, "stein-covariance", SLIVI_VERDICT_FAIL);
    verdicts_is(v, "shift", SLIVI_VERDICT_FAIL);
    verdicts_is(v, "mmd", SLIVI_VERDICT_FAIL);
    verdicts_is(v, "reference", SLIVI_VERDICT_FAIL);
    ck_assert_int_eq(slivi_verdict_outcome(v), SLIVI_VERDICT_FAIL);
    slivi_verdict_free(v);
    slivi_target_free(t);
}
END_TEST

/* What is said to be blind to it, is; _i: modes 4 and 8 sds apart. */
START_TEST(dropped_modes_fail)
{
    hills m = {_i ? 4 : 2, 0.5};
    const hills one = {m.a, 1};
    slivi_target *t = slivi_target_create(2, two_hills, &m);
    draw_hills(&one, 3);
    slivi_verdict *v = verdicts_judge(t, N, verdicts_quick(1));
    verdicts_is(v, "stein-mean", _i ? SLIVI_VERDICT_PASS : SLIVI_VERDICT_FAIL);
    verdicts_is(v, "reach", SLIVI_VERDICT_FAIL);
    slivi_verdict_free(v);
    slivi_target_free(t);
}
END_TEST

/* Modes 12 sds apart, of which q has the right one: the other is missed where
   it has half of the mass, not where it has a ten thousandth. */
START_TEST(modes_count_by_their_mass)
{
    const hills one = {6, 1e-300};
    slivi_verdict_options how = verdicts_quick(1);
    how.chains = how.ksd = 0;
    how.spread = 10;
    for (int k = 0; k < 2; k++) {
        hills m = {6, k ? 1e-4 : 0.5};
        slivi_target *t = slivi_target_create(2, two_hills, &m);
        draw_hills(&one, 3);
        slivi_verdict *v = verdicts_judge(t, N, how);
        verdicts_is(v, "reach", k ? SLIVI_VERDICT_PASS : SLIVI_VERDICT_FAIL);
        slivi_verdict_free(v);
        slivi_target_free(t);
    }
}
END_TEST

/* sds 1 and 1e-4 */
static int flat(size_t n, size_t d, const double *x, double *lp, double *grad,
                void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        grad[0] = -x[0];
        grad[1] = -x[1] / 1e-8;
        lp[i] = 0.5 * (x[0] * grad[0] + x[1] * grad[1]);
    }
    return 0;
}

START_TEST(units_do_not_matter)
{
    slivi_target *t = slivi_target_create(2, flat, NULL);
    samples_normal(1, N, 2, draws);
    for (size_t i = 0; i < N; i++)
        draws[2 * i + 1] *= 1e-4;
    slivi_verdict *v = verdicts_judge(t, N, verdicts_quick(1));
    verdicts_is(v, "shift", SLIVI_VERDICT_PASS);
    ck_assert_int_eq(slivi_verdict_outcome(v), SLIVI_VERDICT_PASS);
    slivi_verdict_free(v);
    slivi_target_free(t);
}
END_TEST

/* 0.5 and 0.5 instead of 0.3 and 0.7 at 4 sds; then 0.35. */
START_TEST(weights_of_near_modes_fail)
{
    hills m = {2, 0.3};
    slivi_target *t = slivi_target_create(2, two_hills, &m);
    for (int k = 0; k < 2; k++) {
        const hills q = {2, k ? 0.35 : 0.5};
        draw_hills(&q, 3);
        slivi_verdict *v = verdicts_judge(t, N, verdicts_quick(1));
        verdicts_is(v, "shift", SLIVI_VERDICT_FAIL);
        verdicts_is(v, "reach", SLIVI_VERDICT_PASS);
        slivi_verdict_free(v);
    }
    slivi_target_free(t);
}
END_TEST

/* About q's mean; of coordinate 3 or of all. */
static void stretch(size_t d, double by, int all)
{
    for (size_t j = all ? 0 : 3; j < (all ? d : 4); j++) {
        const double mean = testing_sum(N, draws + j, d) / N;
        for (size_t i = j; i < N * d; i += d)
            draws[i] = mean + by * (draws[i] - mean);
    }
}

START_TEST(wrong_scales_fail)
{
    static const double by[] = {0.9, 1.1, 1.5};
    slivi_target *t = slivi_target_create(10, verdicts_normal, NULL);
    for (size_t k = 0; k < 3; k++) {
        samples_normal(1, N, 10, draws);
        stretch(10, by[k], k == 2);
        slivi_verdict *v = verdicts_judge(t, N, verdicts_quick(1));
        verdicts_is(v, "stein-mean", SLIVI_VERDICT_PASS);
        verdicts_is(v, "stein-covariance", SLIVI_VERDICT_FAIL);
        verdicts_is(v, "shift", SLIVI_VERDICT_FAIL);
        verdicts_is(v, "reach", SLIVI_VERDICT_PASS);
        if (k < 2)
            ck_assert_ptr_nonnull(
                strstr(verdicts_find(v, "stein-covariance")->detail,
                       "grad log p of z[4] times u of z[4]"));
        else
            verdicts_is(v, "ksd", SLIVI_VERDICT_FAIL);
        slivi_verdict_free(v);
    }
    slivi_target_free(t);
}
END_TEST

START_TEST(flipped_means_fail)
{
    const slivi_target_entry *e = slivi_target_entry_find("gaussian");
    slivi_target *t = slivi_target_named("gaussian", NULL, 0, 1);
    const size_t d = slivi_target_dim(t);
    ck_assert_int_eq(e->exact(N, 11, draws), 0);
    for (size_t j = 0; j < d; j++) {
        const double mean = testing_sum(N, draws + j, d) / N;
        for (size_t i = j; i < N * d; i += d)
            draws[i] -= 2 * mean;
    }
    slivi_verdict *v = verdicts_judge(t, N, verdicts_quick(1));
    verdicts_is(v, "stein-mean", SLIVI_VERDICT_FAIL);
    verdicts_is(v, "stein-covariance", SLIVI_VERDICT_PASS);
    verdicts_is(v, "shift", SLIVI_VERDICT_FAIL);
    verdicts_is(v, "ksd", SLIVI_VERDICT_FAIL);
    verdicts_is(v, "reference", SLIVI_VERDICT_FAIL);
    slivi_verdict_free(v);
    slivi_target_free(t);
}
END_TEST

/* A banana without the ends of its tails, as semi-implicit fits have it: the
   second sd is too small by a quarter. */
START_TEST(lost_tails_fail)
{
    const slivi_target_entry *e = slivi_target_entry_find("banana");
    slivi_target *t = slivi_target_named("banana", NULL, 0, 1);
    ck_assert_int_eq(e->exact(N, 11, draws), 0);
    for (double *x = draws; x < draws + 2 * N; x += 2) {
        const double a = x[0], size = fabs(a);
        const double b = size < 1.5 ? a : copysign(0.9 + 0.4 * size, a);
        x[0] = b;
        x[1] += a * a - b * b - 0.9 * (a - b);
    }
    slivi_verdict *v = verdicts_judge(t, N, verdicts_bare());
    verdicts_is(v, "stein-tails", SLIVI_VERDICT_FAIL);
    slivi_verdict_free(v);
    slivi_target_free(t);
}
END_TEST

/* With Student's t_3 for q, (z grad log p)(z) = -z^2 has no variance. */
START_TEST(heavy_terms_decide_nothing)
{
    slivi_target *t = slivi_target_create(1, verdicts_normal, NULL);
    samples_normal(1, N, 1, draws);
    samples_normal(2, N, 3, lq);
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (size_t k = 0; k < 3; k++)
            sum += lq[3 * i + k] * lq[3 * i + k];
        draws[i] /= sqrt(sum / 3);
    }
    slivi_verdict *v = verdicts_judge(t, N, verdicts_bare());
    verdicts_is(v, "stein-covariance", SLIVI_VERDICT_UNSURE);
    slivi_verdict_free(v);
    slivi_target_free(t);
}
END_TEST

START_TEST(tolerance_lets_small_errors_pass)
{
    slivi_target *t = slivi_target_create(10, verdicts_normal, NULL);
    slivi_verdict_options how = verdicts_bare();
    samples_normal(1, N, 10, draws);
    stretch(10, 1.04, 0);
    slivi_verdict *v = verdicts_judge(t, N, how);
    verdicts_is(v, "stein-covariance", SLIVI_VERDICT_FAIL);
    slivi_verdict_free(v);
    how.tolerance = 0.1;
    v = verdicts_judge(t, N, how);
    verdicts_is(v, "stein-covariance", SLIVI_VERDICT_PASS);
    slivi_verdict_free(v);
    /* nine tenths of the error, variance - 1; the last tenth is no more than
       its standard error */
    const double mean = testing_sum(N, draws + 3, 10) / N;
    how.tolerance = 0.9
                    * (testing_squares(N, draws + 3, 10) / N - mean * mean - 1);
    v = verdicts_judge(t, N, how);
    verdicts_is(v, "stein-covariance", SLIVI_VERDICT_PASS);
    slivi_verdict_free(v);
    stretch(10, 1.15, 0);
    v = verdicts_judge(t, N, how);
    verdicts_is(v, "stein-covariance", SLIVI_VERDICT_FAIL);
    slivi_verdict_free(v);
    slivi_target_free(t);
}
END_TEST

/* Density 0 below -2.4: 0.8 % of N(0, 1); below -4, 0.003 %. */
static int cut(size_t n, size_t d, const double *x, double *lp, double *grad,
               void *ctx)
{
    const double *at = ctx;
    verdicts_normal(n, d, x, lp, grad, NULL);
    for (size_t i = 0; i < n; i++)
        lp[i] = x[i * d] < *at ? -INFINITY : lp[i];
    return 0;
}

START_TEST(draws_without_a_density_fail)
{
    static const double at[] = {-4, -2.4, 9};
    for (size_t k = 0; k < 3; k++) {
        double edge = at[k];
        slivi_target *t = slivi_target_create(1, cut, &edge);
        samples_normal(1, N, 1, draws);
        slivi_verdict *v = verdicts_judge(t, N, verdicts_quick(1));
        verdicts_is(v, "support", k ? SLIVI_VERDICT_FAIL : SLIVI_VERDICT_PASS);
        ck_assert_int_eq(slivi_verdict_outcome(v),
                         k ? SLIVI_VERDICT_FAIL : SLIVI_VERDICT_PASS);
        if (k == 2)
            verdicts_is(v, "stein-mean", SLIVI_VERDICT_NONE);
        slivi_verdict_free(v);
        slivi_target_free(t);
    }
}
END_TEST

Suite *slivi_suite_verdict(void)
{
    Suite *suite = suite_create("verdict");
    TCase *tc = tcase_create("exact");
    tcase_add_loop_test(tc, exact_draws_pass, 0, EXACT);
    tcase_add_test(tc, chains_that_missed_a_mode_are_no_reference);
    tcase_add_test(tc, nobody_knows_the_weights_of_far_modes);
    suite_add_tcase(suite, tc);
    tc = tcase_create("faults");
    tcase_add_test(tc, mean_field_fails);
    tcase_add_loop_test(tc, dropped_modes_fail, 0, 2);
    tcase_add_test(tc, modes_count_by_their_mass);
    tcase_add_test(tc, units_do_not_matter);
    tcase_add_test(tc, weights_of_near_modes_fail);
    tcase_add_test(tc, wrong_scales_fail);
    tcase_add_test(tc, flipped_means_fail);
    tcase_add_test(tc, lost_tails_fail);
    tcase_add_test(tc, heavy_terms_decide_nothing);
    tcase_add_test(tc, tolerance_lets_small_errors_pass);
    tcase_add_test(tc, draws_without_a_density_fail);
    suite_add_tcase(suite, tc);
    return suite;
}
