/* test_importance_use.c - how the importance sampler behaves as a function:
   failures, memory, bits, calls, and where its draws come from.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "evidence.h"
#include "scratch.h"
#include "slivi/importance.h"
#include "slivi/random.h"
#include "suites.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { COUNT = 64 };

/* -- failing --------------------------------------------------------------- */

/* Behaves until call number `at`, then gives `value` at row 1 and `status`. */
struct saboteur {
    size_t at, calls;
    double value;
    int status, tells;
};

static int sabotaged_joint(size_t n, size_t d, const double *z, double *lp,
                           void *ctx)
{
    struct saboteur *s = ctx;
    double zero = 0;

    evidence_constant(n, d, z, lp, &zero);
    if (s->calls++ != s->at)
        return 0;
    lp[1] = s->value;
    if (s->tells)
        slivi_law_find("beetroot");
    return s->status;
}

static void check_sabotage(struct saboteur s, size_t rounds, int status,
                           const char *words)
{
    slivi_importance how = slivi_importance_default();
    slivi_evidence e = {1, 2, 3, 4};
    double draws[COUNT * 2];

    how.rounds = rounds;
    slivi_importance_workspace *ws = slivi_importance_workspace_create(&how, 2);
    ck_assert_ptr_nonnull(ws);
    evidence_draw(6, 0, COUNT, 2, draws);
    ck_assert_int_eq(slivi_importance_evidence(ws, sabotaged_joint, &s, 1,
                                               COUNT, draws, &how, &e),
                     status);
    scratch_check_message("importance", words);
    ck_assert(e.log_evidence == 1 && e.se == 2 && e.ess == 3
              && e.weight_max == 4);
    slivi_importance_workspace_free(ws);
}

START_TEST(test_refused_values)
{
    check_sabotage((struct saboteur){.at = 1, .value = NAN}, 12,
                   SLIVI_ENONFINITE, "start 0: log_joint is nan at draw 1");
    check_sabotage((struct saboteur){.at = 1, .value = NAN}, 0,
                   SLIVI_ENONFINITE, "log_joint is nan at draw 1 of");
    check_sabotage((struct saboteur){.at = 0, .value = INFINITY}, 12,
                   SLIVI_ENONFINITE, "log_joint is inf");
}
END_TEST

START_TEST(test_failing_callback)
{
    check_sabotage((struct saboteur){.at = 1, .status = 7}, 12, SLIVI_ECALLBACK,
                   "log_joint returned 7");
    check_sabotage((struct saboteur){.at = 3, .status = -1}, 0, SLIVI_ECALLBACK,
                   "log_joint returned -1");
    check_sabotage((struct saboteur){.at = 0, .status = -4, .tells = 1}, 0,
                   SLIVI_ECALLBACK, "log_joint: no law is called 'beetroot'");
}
END_TEST

START_TEST(test_options)
{
    static const struct {
        slivi_importance how;
        int status;
        const char *words;
    } bad[] = {
        {{1, 1, 2, 7, 0.1, 0, 0}, SLIVI_EINVAL, "draws is 1"},
        {{2, 1, 1, 7, 0.1, 0, 0}, SLIVI_EINVAL, "round_draws 1"},
        {{9, 1, 9, 0.5, 0.1, 0, 0}, SLIVI_EINVAL, "dof is 0.5"},
        {{9, 1, 9, NAN, 0.1, 0, 0}, SLIVI_EINVAL, "dof is"},
        {{9, 1, 9, INFINITY, 0.1, 0, 0}, SLIVI_EINVAL, "dof is inf"},
        {{9, 1, 9, 7, -0.1, 0, 0}, SLIVI_EINVAL, "share is -0.1"},
        {{9, 1, 9, 7, 1.5, 0, 0}, SLIVI_EINVAL, "share is 1.5"},
        {{9, 1, 9, 7, NAN, 0, 0}, SLIVI_EINVAL, "share is"},
        {{9, 1, 9, 7, 0.1, 0, UINT64_C(1) << 48}, SLIVI_EINVAL, "step"},
        {{9, 1 << 20, 1 << 20, 7, 0.1, 0, 0}, SLIVI_EINVAL, "too many"},
        {{9, SIZE_MAX, 9, 7, 0.1, 0, 0}, SLIVI_EOVERFLOW, "too large"},
        {{10, 1, 9, 7, 0.1, 0, 0}, SLIVI_ESHAPE, "workspace for 9 and 9"},
        {{9, 1, 10, 7, 0.1, 0, 0}, SLIVI_ESHAPE, "workspace for 9 and 9"},
    };
    const slivi_importance good = {9, 1, 9, 7, 0.1, 0, 0};
    slivi_importance_workspace *ws = slivi_importance_workspace_create(&good,
                                                                       1);
    double draws[4] = {0, 1, 2, 3}, zero = 0;
    slivi_evidence e;

    ck_assert_ptr_nonnull(ws);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(slivi_importance_evidence(ws, evidence_constant, &zero,
                                                   2, 2, draws, &bad[i].how,
                                                   &e),
                         bad[i].status);
        scratch_check_message("importance", bad[i].words);
        if (bad[i].status != SLIVI_ESHAPE)
            ck_assert_ptr_null(
                slivi_importance_workspace_create(&bad[i].how, 1));
    }
    ck_assert_int_eq(slivi_importance_evidence(ws, evidence_constant, &zero, 2,
                                               2, draws, &good, &e),
                     0);
    slivi_importance_workspace_free(ws);
    ck_assert_ptr_null(slivi_importance_workspace_create(&good, 0));
    scratch_check_message("importance", "d is 0");
    ck_assert_ptr_null(slivi_importance_workspace_create(&good, SIZE_MAX / 8));
    slivi_importance_workspace_free(NULL);
}
END_TEST

START_TEST(test_starts)
{
    static const struct {
        size_t starts, count;
        double entry;
        int status;
        const char *words;
    } bad[] = {
        {0, 2, 0, SLIVI_EINVAL, "0 starts"},
        {9, 2, 0, SLIVI_EINVAL, "9 starts"},
        {1, 1, 0, SLIVI_EINVAL, "1 draws in a start"},
        {4, 2, 0, SLIVI_EINVAL, "4 draws are too few for 4 starts"},
        {2, 2, NAN, SLIVI_ENONFINITE, "a draw of start 1 is nan"},
        {2, 2, 1e200, SLIVI_ENONFINITE, "start 1: moments"},
    };
    const slivi_importance how = {4, 1, 9, 7, 0.1, 0, 0};
    slivi_importance_workspace *ws = slivi_importance_workspace_create(&how, 1);
    double zero = 0;
    slivi_evidence e;

    ck_assert_ptr_nonnull(ws);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double draws[32] = {0, 1, 2, bad[i].entry};

        ck_assert_int_eq(slivi_importance_evidence(ws, evidence_constant, &zero,
                                                   bad[i].starts, bad[i].count,
                                                   draws, &how, &e),
                         bad[i].status);
        scratch_check_message("importance", bad[i].words);
    }
    slivi_importance_workspace_free(ws);
}
END_TEST

/* -- memory, bits, calls --------------------------------------------------- */

START_TEST(test_memory)
{
    const slivi_importance how = slivi_importance_default();
    evidence_model m = evidence_linear(8, 0.3);
    scratch_memory *memory = scratch_watch(0);
    double draws[COUNT * 8];
    slivi_importance_workspace *ws;
    slivi_evidence e;

    evidence_encoder(&m, 0, COUNT, draws);
    for (memory->fail_at = 1;; memory->fail_at++) {
        memory->calls = 0;
        ws = slivi_importance_workspace_create(&how, 8);
        if (ws != NULL)
            break;
        ck_assert_uint_eq(memory->live, 0);
    }
    ck_assert_uint_gt(memory->fail_at, 1);
    const size_t calls = memory->calls;
    ck_assert_int_eq(slivi_importance_evidence(ws, evidence_linear_joint, &m, 1,
                                               COUNT, draws, &how, &e),
                     0);
    ck_assert_uint_eq(memory->calls, calls);
    slivi_importance_workspace_free(ws);
    ck_assert_uint_eq(memory->live, 0);
    scratch_unwatch();
}
END_TEST

static int same(slivi_evidence a, slivi_evidence b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

START_TEST(test_bits)
{
    slivi_importance how = slivi_importance_default(), big = how;
    evidence_model m = evidence_linear(8, 0.3);
    double draws[COUNT * 8];
    slivi_evidence again;

    big.draws *= 2;
    big.round_draws *= 3;
    evidence_encoder(&m, 0, COUNT, draws);
    const slivi_evidence e = evidence_estimate(&how, 8, evidence_linear_joint,
                                               &m, 1, COUNT, draws);
    /* in a used and larger workspace */
    slivi_importance_workspace *ws = slivi_importance_workspace_create(&big, 8);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(slivi_importance_evidence(ws, evidence_linear_joint,
                                                   &m, 1, COUNT, draws, &how,
                                                   &again),
                         0);
        ck_assert(same(e, again));
    }
    slivi_importance_workspace_free(ws);
    how.step = 1;
    again = evidence_estimate(&how, 8, evidence_linear_joint, &m, 1, COUNT,
                              draws);
    ck_assert(!same(e, again));
    how.step = 0;
    how.seed = 1;
    ck_assert(!same(e, evidence_estimate(&how, 8, evidence_linear_joint, &m, 1,
                                         COUNT, draws)));
    ck_assert(!same(again, evidence_estimate(&how, 8, evidence_linear_joint, &m,
                                             1, COUNT, draws)));
}
END_TEST

struct tally {
    size_t calls, rows, most;
};

static int tallied_joint(size_t n, size_t d, const double *z, double *lp,
                         void *ctx)
{
    struct tally *t = ctx;
    double zero = 0;

    t->calls++;
    t->rows += n;
    t->most = n > t->most ? n : t->most;
    return evidence_constant(n, d, z, lp, &zero);
}

/* Fits end when there is nothing to gain; rows of a call are as promised. */
START_TEST(test_calls)
{
    slivi_importance how = slivi_importance_default();
    struct tally t = {0};
    double draws[COUNT * 2];

    evidence_draw(6, 0, COUNT, 2, draws);
    evidence_estimate(&how, 2, tallied_joint, &t, 1, COUNT, draws);
    ck_assert_uint_eq(t.calls, 2 + 4); /* 2000 = 3 x 512 + 464 */
    ck_assert_uint_eq(t.rows, 2 * 256 + 2000);
    ck_assert_uint_eq(t.most, SLIVI_IMPORTANCE_ROWS);

    t = (struct tally){0};
    how.round_draws = 700;
    how.rounds = 1;
    evidence_estimate(&how, 2, tallied_joint, &t, 1, COUNT, draws);
    ck_assert_uint_eq(t.rows, 700 + 2000);
    ck_assert_uint_eq(t.most, 700);

    t = (struct tally){0};
    how.share = 1;
    evidence_estimate(&how, 2, tallied_joint, &t, 1, COUNT, draws);
    ck_assert_uint_eq(t.rows, 2000);
}
END_TEST

/* -- draws ----------------------------------------------------------------- */

/* Keeps norms, in units of the prior's, and first entries of what it is asked
   for. */
struct recorder {
    size_t rows;
    double norm[2048], first[2048];
};

static int recorded_joint(size_t n, size_t d, const double *z, double *lp,
                          void *ctx)
{
    struct recorder *s = ctx;
    double zero = 0;

    for (size_t r = 0; r < n; r++, s->rows++) {
        ck_assert_uint_lt(s->rows, 2048);
        s->first[s->rows] = z[r * d];
        s->norm[s->rows] = 0;
        for (size_t j = 0; j < d; j++)
            s->norm[s->rows] += z[r * d + j] * z[r * d + j] / (double)d;
    }
    return evidence_constant(n, d, z, lp, &zero);
}

static double correlation(size_t n, const double *a, const double *b)
{
    double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;

    for (size_t i = 0; i < n; i++) {
        ma += a[i] / (double)n;
        mb += b[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        aa += (a[i] - ma) * (a[i] - ma);
        bb += (b[i] - mb) * (b[i] - mb);
        ab += (a[i] - ma) * (b[i] - mb);
    }
    return ab / sqrt(aa * bb);
}

/* The draws of the estimate have nothing of those that the fit has seen: not
   their directions, and not their scales, which in 64 dimensions are the norms
   of the draws. */
START_TEST(test_fresh)
{
    enum { N = 512, D = 64 };
    const slivi_importance how = {
        .draws = N, .rounds = 2, .round_draws = N, .dof = 5};
    static struct recorder s;
    static double draws[COUNT * D];

    evidence_draw(6, 0, COUNT, D, draws);
    evidence_estimate(&how, D, recorded_joint, &s, 1, COUNT, draws);
    ck_assert_uint_eq(s.rows, 3 * N);
    for (size_t i = 0; i < s.rows; i++)
        s.norm[i] = log(s.norm[i]);
    for (size_t a = 0; a < 3; a++)
        for (size_t b = 0; b < a; b++) {
            ck_assert_double_lt(
                fabs(correlation(N, s.norm + a * N, s.norm + b * N)), 0.2);
            ck_assert_double_lt(
                fabs(correlation(N, s.first + a * N, s.first + b * N)), 0.2);
        }
}
END_TEST

/* How many draws are the prior's; each component has one at least. */
START_TEST(test_shares)
{
    static const struct {
        size_t draws, starts;
        double share;
        size_t prior;
    } want[] = {
        {2000, 1, 0.05, 100},      {2000, 2, 0.05, 100}, {2000, 1, 1e-9, 1},
        {2000, 2, 1 - 1e-9, 1998}, {2000, 2, 1, 2000},   {2000, 2, 0, 0},
        {2, 1, 0.999, 1},          {2, 1, 0.001, 1},     {3, 2, 0.9, 1},
    };
    double draws[2 * COUNT];

    for (size_t i = 0; i < 2 * COUNT; i++)
        draws[i] = i < COUNT ? 1e6 : -1e6;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const slivi_importance how = {.draws = want[i].draws,
                                      .round_draws = 2,
                                      .dof = 7,
                                      .share = want[i].share};
        static struct recorder s;
        size_t prior = 0, second = 0;

        s.rows = 0;
        evidence_estimate(&how, 1, recorded_joint, &s, want[i].starts, COUNT,
                          draws);
        ck_assert_uint_eq(s.rows, want[i].draws);
        for (size_t r = 0; r < s.rows; r++) {
            prior += fabs(s.first[r]) < 100;
            second += s.first[r] < -100;
        }
        ck_assert_uint_eq(prior, want[i].prior);
        if (want[i].starts == 2)
            ck_assert_uint_eq(second, (want[i].draws - prior) / 2);
    }
}
END_TEST

/* Draws of fits are shared out by mass, but for a fifth. */
START_TEST(test_masses)
{
    static const struct {
        double mass[2];
        size_t draws, second, prior;
    } want[] = {
        {{0, 0}, 2000, 950, 100},
        {{5, 5 + 1.0986122886681098}, 2000, 1330, 100}, /* 1 : 3 */
        {{-1e9, 0}, 2000, 1710, 100},
        {{0, -INFINITY}, 2000, 190, 100},
        {{-INFINITY, -INFINITY}, 2000, 950, 100},
        {{0, -1e9}, 3, 1, 1},
        {{-1e9, 0}, 3, 1, 1},
    };
    const double means[2] = {1e6, -1e6}, covs[2] = {1, 1};

    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const slivi_importance how = {
            .draws = want[i].draws, .round_draws = 2, .dof = 7, .share = 0.05};
        slivi_importance_workspace *ws = slivi_importance_workspace_create(&how,
                                                                           1);
        static struct recorder s;
        size_t prior = 0, second = 0;
        slivi_evidence e;

        s.rows = 0;
        ck_assert_int_eq(slivi_importance_evidence_at(ws, recorded_joint, &s, 2,
                                                      means, covs, want[i].mass,
                                                      &how, &e),
                         0);
        ck_assert_uint_eq(s.rows, want[i].draws);
        for (size_t r = 0; r < s.rows; r++) {
            prior += fabs(s.first[r]) < 100;
            second += s.first[r] < -100;
        }
        ck_assert_uint_eq(prior, want[i].prior);
        const size_t slack = want[i].draws > 3;
        ck_assert_msg(second + slack >= want[i].second
                          && second <= want[i].second + slack,
                      "%zu draws, not %zu", second, want[i].second);
        slivi_importance_workspace_free(ws);
    }
}
END_TEST

/* None goes without: three draws for three fits. */
START_TEST(test_masses_of_three)
{
    const slivi_importance how = {
        .draws = 4, .round_draws = 2, .dof = 7, .share = 0.05};
    const double means[3] = {1e6, -1e6, 3e6}, covs[3] = {1, 1, 1};
    slivi_importance_workspace *ws = slivi_importance_workspace_create(&how, 1);
    static struct recorder s;
    slivi_evidence e;

    for (size_t k = 0; k < 3; k++) {
        double mass[3] = {0};

        mass[k] = 1e3;
        s.rows = 0;
        ck_assert_int_eq(slivi_importance_evidence_at(ws, recorded_joint, &s, 3,
                                                      means, covs, mass, &how,
                                                      &e),
                         0);
        for (size_t r = 0; r < 3; r++)
            ck_assert_double_lt(fabs(s.first[r] - means[r]), 1e3);
    }
    slivi_importance_workspace_free(ws);
}
END_TEST

START_TEST(test_given_starts)
{
    static const struct {
        double mean, cov, mass;
        int status;
        const char *words;
    } bad[] = {
        {NAN, 1, 0, SLIVI_ENONFINITE, "a mean of start 1 is nan"},
        {0, 1, NAN, SLIVI_ENONFINITE, "log mass of start 1 is nan"},
        {0, 1, INFINITY, SLIVI_ENONFINITE, "log mass of start 1 is inf"},
        {0, -1, 0, SLIVI_ENOTPD, "start 1: a covariance"},
        {0, NAN, 0, SLIVI_ENONFINITE, "start 1: a covariance"},
    };
    const slivi_importance how = {9, 1, 9, 7, 0.1, 0, 0};
    slivi_importance_workspace *ws = slivi_importance_workspace_create(&how, 1);
    double zero = 0;
    slivi_evidence e;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const double means[2] = {0, bad[i].mean}, covs[2] = {1, bad[i].cov};
        const double mass[2] = {0, bad[i].mass};

        ck_assert_int_eq(slivi_importance_evidence_at(ws, evidence_constant,
                                                      &zero, 2, means, covs,
                                                      mass, &how, &e),
                         bad[i].status);
        scratch_check_message("importance", bad[i].words);
    }
    slivi_importance_workspace_free(ws);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *slivi_suite_importance_use(void)
{
    static const TTest *const *const tests[] = {
        &test_refused_values,  &test_failing_callback,
        &test_options,         &test_starts,
        &test_memory,          &test_bits,
        &test_calls,           &test_fresh,
        &test_shares,          &test_masses,
        &test_masses_of_three, &test_given_starts};
    Suite *s = suite_create("importance-use");
    TCase *c = tcase_create("use");

    tcase_set_timeout(c, 60);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(c, *tests[i]);
    suite_add_tcase(s, c);
    return s;
}
