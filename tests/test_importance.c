/* test_importance.c - the evidence by importance sampling, against evidences
   known in closed form.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "evidence.h"
#include "slivi/importance.h"
#include "suites.h"

#include <math.h>
#include <stdint.h>

enum { COUNT = 64 };

static void check_near(slivi_evidence e, double truth, double most)
{
    const double error = e.log_evidence - truth;

    ck_assert_msg(fabs(error) <= 5 * e.se && fabs(error) < most,
                  "error %g, se %g, ess %g", error, e.se, e.ess);
}

/* -- linear Gaussian models ------------------------------------------------ */

static const size_t dims[] = {2, 8, 32};

static slivi_importance thorough(void)
{
    slivi_importance how = slivi_importance_default();

    how.draws = 20000;
    how.rounds = 60;
    how.round_draws = 1024;
    how.seed = 3;
    return how;
}

START_TEST(test_encoder_start)
{
    const evidence_model m = evidence_linear(dims[_i], 0.3);
    const slivi_importance how = thorough();
    double draws[COUNT * EVIDENCE_MOST];

    evidence_encoder(&m, 0, COUNT, draws);
    check_near(evidence_estimate(&how, m.d, evidence_linear_joint, (void *)&m,
                                 1, COUNT, draws),
               m.truth, 0.05);
}
END_TEST

START_TEST(test_far_start)
{
    const evidence_model m = evidence_linear(dims[_i], 0.3);
    const slivi_importance how = thorough();
    double draws[COUNT * EVIDENCE_MOST];

    evidence_encoder(&m, 5, COUNT, draws);
    check_near(evidence_estimate(&how, m.d, evidence_linear_joint, (void *)&m,
                                 1, COUNT, draws),
               m.truth, 0.05);
}
END_TEST

START_TEST(test_prior_start)
{
    const evidence_model m = evidence_linear(dims[_i], 0.3);
    const slivi_importance how = thorough();
    double draws[COUNT * EVIDENCE_MOST];

    evidence_draw(6, 0, COUNT, m.d, draws);
    check_near(evidence_estimate(&how, m.d, evidence_linear_joint, (void *)&m,
                                 1, COUNT, draws),
               m.truth, 0.05);
}
END_TEST

/* What the fit is worth: the effective part of the draws with the defaults,
   and in 32 dimensions with 30 rounds, where a fit that forgot earlier rounds
   has 0.007. */
START_TEST(test_fit)
{
    static const struct {
        size_t rounds;
        double least;
    } want[] = {{12, 0.8}, {12, 0.5}, {30, 0.02}};
    const evidence_model m = evidence_linear(dims[_i], 0.3);
    slivi_importance how = slivi_importance_default();
    double draws[COUNT * EVIDENCE_MOST];

    how.rounds = want[_i].rounds;
    evidence_encoder(&m, 0, COUNT, draws);
    slivi_evidence e = evidence_estimate(&how, m.d, evidence_linear_joint,
                                         (void *)&m, 1, COUNT, draws);
    ck_assert_double_gt(e.ess, want[_i].least * (double)how.draws);
    check_near(e, m.truth, 0.3);
}
END_TEST

/* Equal draws have no covariance, two differ in one direction only. */
START_TEST(test_degenerate_start)
{
    const evidence_model m = evidence_linear(8, 0.3);
    slivi_importance how = slivi_importance_default();
    double draws[COUNT * EVIDENCE_MOST];

    for (size_t i = 0; i < COUNT * m.d; i++)
        draws[i] = m.mean[i % m.d];
    check_near(evidence_estimate(&how, m.d, evidence_linear_joint, (void *)&m,
                                 1, COUNT, draws),
               m.truth, 0.15);
    draws[0] += 1;
    check_near(evidence_estimate(&how, m.d, evidence_linear_joint, (void *)&m,
                                 1, COUNT, draws),
               m.truth, 0.15);
}
END_TEST

/* -- what holds exactly ---------------------------------------------------- */

/* E[exp(log_evidence)] is the evidence however poor the proposal is. */
START_TEST(test_unbiased)
{
    enum { REPEATS = 4000 };
    const size_t rounds = _i == 0 ? 0 : 2;
    const evidence_model m = evidence_linear(2, 0.8);
    slivi_importance how = {.draws = _i == 0 ? 20 : 4,
                            .rounds = rounds,
                            .round_draws = 4,
                            .dof = _i == 0 ? 7 : 2,
                            .share = 0.05};
    slivi_importance_workspace *ws = slivi_importance_workspace_create(&how, 2);
    double draws[2 * COUNT * 2], sum = 0, squares = 0;

    ck_assert_ptr_nonnull(ws);
    evidence_encoder(&m, 2, COUNT, draws);
    evidence_draw(6, 0, COUNT, 2, draws + COUNT * 2);
    for (size_t r = 0; r < REPEATS; r++) {
        slivi_evidence e;

        how.step = r;
        ck_assert_int_eq(slivi_importance_evidence(ws, evidence_linear_joint,
                                                   (void *)&m, 2, COUNT, draws,
                                                   &how, &e),
                         0);
        const double ratio = exp(e.log_evidence - m.truth);
        sum += ratio;
        squares += ratio * ratio;
    }
    slivi_importance_workspace_free(ws);
    const double mean = sum / REPEATS;
    const double se = sqrt((squares / REPEATS - mean * mean) / REPEATS);
    ck_assert_msg(fabs(mean - 1) < 4 * se && se < 0.06, "mean %g, se %g", mean,
                  se);
}
END_TEST

START_TEST(test_constant)
{
    slivi_importance how = slivi_importance_default();
    double draws[COUNT * 5], c = -3.25;

    evidence_draw(6, 0, COUNT, 5, draws);
    how.share = 1;
    slivi_evidence e = evidence_estimate(&how, 5, evidence_constant, &c, 1,
                                         COUNT, draws);
    ck_assert_double_eq_tol(e.log_evidence, c, 1e-10);
    ck_assert_double_eq_tol(e.se, 0, 1e-10);
    ck_assert_double_eq_tol(e.ess, 2000, 1e-6);
    ck_assert_double_eq_tol(e.weight_max, 1 / 2000.0, 1e-12);
    for (double share = 0; share < 0.6; share += 0.25) {
        how.share = share;
        e = evidence_estimate(&how, 5, evidence_constant, &c, 1, COUNT, draws);
        check_near(e, c, 0.05);
        ck_assert_double_gt(e.ess, 1400);
        ck_assert_double_lt(e.ess, 2000);
    }
}
END_TEST

/* q is the fit by its formula: with dof 1 and no prior, log_joint = log of the
   Cauchy density in 3 dimensions, Gamma(2) / pi^2 (1 + z'z)^-2, of the scale
   that a start of known moments has, so all weights are equal. */
static int cauchy_joint(size_t n, size_t d, const double *z, double *lp,
                        void *ctx)
{
    const double variance = *(const double *)ctx;

    for (size_t r = 0; r < n; r++) {
        double square = 0;

        for (size_t j = 0; j < d; j++)
            square += z[r * d + j] * z[r * d + j] / variance;
        lp[r] = -2 * log(acos(-1)) - 2 * log1p(square)
                - 0.5 * (double)d * log(variance);
    }
    return 0;
}

START_TEST(test_density)
{
    slivi_importance how = slivi_importance_default();
    double draws[COUNT * 3], variance = 1.1 * 4;

    ck_assert_int_eq(COUNT % 8, 0);
    for (size_t r = 0; r < COUNT; r++) /* all corners of a cube */
        for (size_t j = 0; j < 3; j++)
            draws[r * 3 + j] = r >> j & 1 ? 2 : -2;
    how.dof = 1;
    how.share = 0;
    how.rounds = 0;
    slivi_evidence e = evidence_estimate(&how, 3, cauchy_joint, &variance, 1,
                                         COUNT, draws);
    ck_assert_double_eq_tol(e.log_evidence, 0, 1e-10);
    ck_assert_double_eq_tol(e.ess, 2000, 1e-6);
}
END_TEST

/* Log joints far below the smallest double's. */
START_TEST(test_underflow)
{
    evidence_model m = evidence_linear(8, 0.3);
    const slivi_importance how = slivi_importance_default();
    double draws[COUNT * 8];

    evidence_encoder(&m, 0, COUNT, draws);
    const slivi_evidence e = evidence_estimate(&how, 8, evidence_linear_joint,
                                               &m, 1, COUNT, draws);
    m.shift = -1e4;
    const slivi_evidence low = evidence_estimate(&how, 8, evidence_linear_joint,
                                                 &m, 1, COUNT, draws);
    ck_assert_double_eq_tol(low.log_evidence + 1e4, e.log_evidence, 1e-9);
    ck_assert_double_eq_tol(low.se, e.se, 1e-9);
}
END_TEST

/* With given moments and no rounds q is t_nu(m, S) by its formula: log_joint is
   that density (nu = 3, d = 2), so all weights are equal. */
static const double given_mean[2] = {3, -1};
static const double given_cov[4] = {2, 99, 0.6, 1}; /* its lower triangle */

static int given_joint(size_t n, size_t d, const double *z, double *lp,
                       void *ctx)
{
    const double det = 2 * 1 - 0.6 * 0.6;

    (void)ctx;
    for (size_t r = 0; r < n; r++) {
        const double a = z[r * d] - 3, b = z[r * d + 1] + 1;
        const double square = (a * a - 2 * 0.6 * a * b + 2 * b * b) / det;

        lp[r] = -log(2 * acos(-1)) - 0.5 * log(det) - 2.5 * log1p(square / 3);
    }
    return 0;
}

static slivi_evidence estimate_at(const slivi_importance *how, size_t d,
                                  slivi_log_joint *fn, void *ctx, size_t starts,
                                  const double *means, const double *covs)
{
    slivi_importance_workspace *ws = slivi_importance_workspace_create(how, d);
    slivi_evidence e = {0};

    ck_assert_msg(slivi_importance_evidence_at(ws, fn, ctx, starts, means, covs,
                                               NULL, how, &e)
                      == 0,
                  "%s", slivi_errmsg());
    slivi_importance_workspace_free(ws);
    return e;
}

START_TEST(test_given)
{
    slivi_importance how = slivi_importance_default();

    how.dof = 3;
    how.share = 0;
    how.rounds = 0;
    const slivi_evidence e = estimate_at(&how, 2, given_joint, NULL, 1,
                                         given_mean, given_cov);
    ck_assert_double_eq_tol(e.log_evidence, 0, 1e-10);
    ck_assert_double_eq_tol(e.ess, 2000, 1e-6);
}
END_TEST

/* Rounds go on from there. */
START_TEST(test_given_and_fitted)
{
    evidence_model m = evidence_linear(8, 0.3);
    slivi_importance how = slivi_importance_default();
    double means[8] = {0}, covs[64] = {0};

    for (size_t i = 0; i < 8; i++)
        covs[i * 9] = 1;
    const slivi_evidence e = estimate_at(&how, 8, evidence_linear_joint, &m, 1,
                                         means, covs);
    check_near(e, m.truth, 0.15);
    ck_assert_double_gt(e.ess, 800);
}
END_TEST

/* -- shapes that are hard -------------------------------------------------- */

/* 0.3 N(-4, 0.2^2 I) + 0.7 N(4, 0.2^2 I), of evidence 1 */
static int bimodal_joint(size_t n, size_t d, const double *z, double *lp,
                         void *ctx)
{
    (void)ctx;
    for (size_t r = 0; r < n; r++) {
        const double a = log(0.3) + evidence_log_normal(d, z + r * d, -4, 0.2);
        const double b = log(0.7) + evidence_log_normal(d, z + r * d, 4, 0.2);

        lp[r] = fmax(a, b) + log1p(exp(-fabs(a - b)));
    }
    return 0;
}

/* One start sees one mode, and its se says nothing of the other. */
START_TEST(test_bimodal)
{
    const slivi_importance how = slivi_importance_default();
    double draws[2 * COUNT * 2];

    evidence_draw(6, 0, 2 * COUNT, 2, draws);
    for (size_t i = 0; i < 2 * COUNT * 2; i++)
        draws[i] = 0.3 * draws[i] + (i < COUNT * 2 ? -4 : 4);
    check_near(evidence_estimate(&how, 2, bimodal_joint, NULL, 1, COUNT, draws),
               log(0.3), 0.05);
    check_near(evidence_estimate(&how, 2, bimodal_joint, NULL, 2, COUNT, draws),
               0, 0.05);
}
END_TEST

/* N(0, 2^2 I), from a proposal of variance 1 that is not fitted */
static int wide_joint(size_t n, size_t d, const double *z, double *lp,
                      void *ctx)
{
    (void)ctx;
    for (size_t r = 0; r < n; r++)
        lp[r] = evidence_log_normal(d, z + r * d, 0, 2);
    return 0;
}

/* The se is that of repeats, or somewhat more; ess and the largest weight fit
   it: se^2 = (1/ess - 1/n) n/(n-1), ess <= 1/weight_max^2. */
START_TEST(test_heavy_ratio)
{
    enum { REPEATS = 300 };
    slivi_importance how = slivi_importance_default();
    double draws[COUNT * 2], sum = 0, squares = 0, claimed = 0;
    const double n = 2000;

    evidence_draw(6, 0, COUNT, 2, draws);
    how.rounds = 0;
    for (size_t r = 0; r < REPEATS; r++) {
        how.step = r;
        const slivi_evidence e = evidence_estimate(&how, 2, wide_joint, NULL, 1,
                                                   COUNT, draws);

        ck_assert_double_eq_tol(e.se * e.se, (1 / e.ess - 1 / n) * n / (n - 1),
                                1e-12);
        ck_assert_double_le(e.ess, n);
        ck_assert_double_gt(e.weight_max, 2 / n);
        ck_assert_double_le(e.ess * e.weight_max * e.weight_max, 1);
        sum += e.log_evidence;
        squares += e.log_evidence * e.log_evidence;
        claimed += e.se * e.se / REPEATS;
    }
    const double var = squares / REPEATS - sum / REPEATS * (sum / REPEATS);
    ck_assert_double_gt(claimed, 1e-4);
    ck_assert_msg(claimed / var > 0.75 && claimed / var < 1.5, "%g for %g",
                  sqrt(claimed), sqrt(var));
}
END_TEST

/* N(0, I) where z_0 > edge, else nothing */
static int truncated_joint(size_t n, size_t d, const double *z, double *lp,
                           void *ctx)
{
    for (size_t r = 0; r < n; r++)
        lp[r] = z[r * d] > *(const double *)ctx
                    ? evidence_log_normal(d, z + r * d, 0, 1)
                    : -INFINITY;
    return 0;
}

START_TEST(test_truncated)
{
    slivi_importance how = slivi_importance_default();
    double draws[COUNT * 3], edge = 1;
    const double truth = log(0.5 * erfc(edge / sqrt(2)));

    how.draws = 20000;
    evidence_draw(6, 0, COUNT, 3, draws);
    slivi_evidence e = evidence_estimate(&how, 3, truncated_joint, &edge, 1,
                                         COUNT, draws);
    check_near(e, truth, 0.05);
    ck_assert_double_gt(e.ess, 3000);
    /* nothing in sight of the start: it is widened until there is */
    for (size_t i = 0; i < COUNT * 3; i++)
        draws[i] = 0.01 * draws[i] - 3;
    e = evidence_estimate(&how, 3, truncated_joint, &edge, 1, COUNT, draws);
    check_near(e, truth, 0.05);
    ck_assert_double_gt(e.ess, 1000);
}
END_TEST

START_TEST(test_nothing)
{
    const slivi_importance how = slivi_importance_default();
    double draws[COUNT * 3], edge = INFINITY;

    evidence_draw(6, 0, COUNT, 3, draws);
    const slivi_evidence e = evidence_estimate(&how, 3, truncated_joint, &edge,
                                               1, COUNT, draws);
    ck_assert(e.log_evidence == -INFINITY && e.se == INFINITY);
    ck_assert(e.ess == 0 && e.weight_max == 0);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

static void add(Suite *s, const char *name, const TTest *const *tests)
{
    TCase *c = tcase_create(name);

    tcase_set_timeout(c, 60);
    for (; *tests != NULL; tests++)
        tcase_add_test(c, *tests);
    suite_add_tcase(s, c);
}

Suite *slivi_suite_importance(void)
{
    const TTest *const exact[] = {test_constant,
                                  test_density,
                                  test_underflow,
                                  test_degenerate_start,
                                  test_given,
                                  test_given_and_fitted,
                                  NULL};
    const TTest *const hard[] = {test_bimodal, test_heavy_ratio, test_truncated,
                                 test_nothing, NULL};
    const int count = sizeof dims / sizeof dims[0];
    Suite *s = suite_create("importance");
    TCase *c = tcase_create("linear");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, test_encoder_start, 0, count);
    tcase_add_loop_test(c, test_far_start, 0, count);
    tcase_add_loop_test(c, test_prior_start, 0, count);
    tcase_add_loop_test(c, test_fit, 0, count);
    tcase_add_loop_test(c, test_unbiased, 0, 2);
    suite_add_tcase(s, c);
    add(s, "exact", exact);
    add(s, "hard", hard);
    return s;
}
