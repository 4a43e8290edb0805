/* test_kernel_estimator.c - kernels behind slivi/score.h: what they compute,
   groups by context, files, memory, failures.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "samples.h"
#include "scratch.h"
#include "slivi/io.h"
#include "slivi/kernelscore.h"
#include "slivi/pool.h"
#include "suites.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* Every test runs for both: _i % 2. */
static const char *const names[] = {"stein", "ssge"};

static void update(slivi_score *s, const double *z, const double *ctx, size_t n)
{
    ck_assert_msg(!slivi_score_update(s, z, ctx, n, NULL), "%s",
                  slivi_errmsg());
}

/* ---- what is computed ---------------------------------------------------- */

/* With stein g_1 = -k (x_1 - x_2) / (w^2 (1 + eta - k)) = -g_2; with ssge eta
   is 0, as its eigenvectors are even and odd; the width is the distance. */
START_TEST(two_samples_in_closed_form)
{
    const double z[2][3] = {{1, 2, 3}, {1.5, 1, 5}}, k = exp(-0.5);
    const double eta = _i ? 0 : 0.25, width2 = 5.25;
    const char *const options[] = {"eta", "0.25", "rank", "2", NULL};
    double out[2][3];
    slivi_score *s = samples_estimator(names[_i], 3, 0, options);
    update(s, z[0], NULL, 2);
    samples_eval(s, z[0], NULL, 2, out[0]);
    for (size_t j = 0; j < 3; j++) {
        double g = -k * (z[0][j] - z[1][j]) / (width2 * (1 + eta - k));
        ck_assert_double_eq_tol(out[0][j], g, 1e-13);
        ck_assert_double_eq_tol(out[1][j], -g, 1e-13);
    }
    ck_assert_int_eq(slivi_entropy_grad(s, z[0], NULL, 2, out[0], NULL), 0);
    ck_assert_double_eq_tol(
        out[0][0], k * (z[0][0] - z[1][0]) / (width2 * (1 + eta - k)), 1e-13);
    slivi_score_free(s);
}
END_TEST

/* x -> c x divides scores by c: for powers of 2 in every bit. */
START_TEST(scores_scale_with_the_samples)
{
    enum { M = 50, N = 70 };
    double z[2 * M], x[2 * N], one[2 * N], many[2 * N];
    samples_normal(1, M, 2, z);
    samples_normal(2, N, 2, x);
    slivi_score *s = samples_estimator(names[_i], 2, 0, NULL);
    update(s, z, NULL, M);
    samples_eval(s, x, NULL, N, one);
    for (size_t i = 0; i < 2 * M; i++)
        z[i] *= 1024;
    for (size_t i = 0; i < 2 * N; i++)
        x[i] *= 1024;
    update(s, z, NULL, M);
    samples_eval(s, x, NULL, N, many);
    for (size_t i = 0; i < 2 * N; i++)
        many[i] *= 1024;
    ck_assert_mem_eq(one, many, sizeof one);
    slivi_score_free(s);
}
END_TEST

/* Each option arrives: with all of them off their defaults, samples (to
   rounding) and points (every bit) are those of slivi/kernelscore.h.
   _i = method + 2 * (share, else rank) */
START_TEST(options_are_those_of_kernelscore)
{
    enum { M = 60, N = 150 };
    const char *const options[] = {"width", "0.75", "eta",  "0.02",
                                   "share", "0.8",  "rank", _i / 2 ? "0" : "7",
                                   NULL};
    slivi_kernelscore_options how = {0.75, 0.02, 0.8, _i / 2 ? 0 : 7};
    double z[2 * M], x[2 * N], out[2 * N], want[2 * N];
    samples_normal(1, M, 2, z);
    samples_normal(2, N, 2, x);
    slivi_score *s = samples_estimator(names[_i % 2], 2, 0, options);
    slivi_kernelscore *k = slivi_kernelscore_create(names[_i % 2], &how, M, 2,
                                                    1);
    slivi_kernelscore_workspace *ws = slivi_kernelscore_workspace_create(k,
                                                                         NULL);
    update(s, z, NULL, M);
    ck_assert_int_eq(slivi_kernelscore_samples(k, 1, M, z, want, ws), 0);
    samples_eval(s, z, NULL, M, out);
    ck_assert_double_lt(samples_error(2 * M, out, want), 1e-22);
    ck_assert_int_eq(slivi_kernelscore_fit(k, 1, M, z, ws), 0);
    ck_assert_int_eq(slivi_kernelscore_eval(k, N, x, want, ws), 0);
    samples_eval(s, x, NULL, N, out);
    ck_assert_mem_eq(out, want, sizeof out);
    slivi_kernelscore_workspace_free(ws);
    slivi_kernelscore_free(k);
    slivi_score_free(s);
}
END_TEST

/* E[s . z] = -d on fresh points of N(0, I), and no gross error. */
START_TEST(normal_scores_are_met)
{
    enum { M = 500, N = 2000 };
    static double z[2 * M], x[2 * N], out[2 * N], want[2 * N];
    double dot = 0;
    const char *const options[] = {"eta", "1", NULL};
    samples_normal(1, M, 2, z);
    samples_normal(2, N, 2, x);
    slivi_score *s = samples_estimator(names[_i], 2, 0, options);
    ck_assert_int_eq(slivi_score_fit(s, z, NULL, M, NULL, NULL, NULL), 0);
    samples_eval(s, x, NULL, N, out);
    for (size_t i = 0; i < 2 * N; i++) {
        want[i] = -x[i];
        dot += x[i] * out[i] / N;
    }
    ck_assert_double_eq_tol(dot, -2, 0.3);
    ck_assert_double_lt(samples_error(2 * N, out, want), 0.15);
    slivi_score_free(s);
}
END_TEST

/* ---- groups -------------------------------------------------------------- */

/* Samples and points of groups of unequal size, place and scale, mixed with
   one another: row i is of group of[i].  Contexts differ in one bit or in the
   sign of a zero; no order of theirs is that of the groups. */
enum { GROUPS = 4, CONTEXT = 3, MOST = 600 };
static const double contexts[GROUPS][CONTEXT] = {
    {0.0, 7, 1}, {-0.0, 7, 1}, {0.0, 7, 1 + 0x1p-52}, {-3, 1, 0}};

typedef struct mixed {
    size_t n, of[MOST];
    double z[2 * MOST], ctx[CONTEXT * MOST];
} mixed;

/* Group g has sizes[g] rows; `order` chooses how they are mixed. */
static void mix(mixed *x, const size_t sizes[GROUPS], uint64_t seed, int order)
{
    size_t left[GROUPS], g = 0;
    static double draws[GROUPS][2 * MOST];
    memcpy(left, sizes, sizeof left);
    for (size_t k = 0; k < GROUPS; k++)
        samples_normal(seed + k, sizes[k], 2, draws[k]);
    for (x->n = 0; left[0] + left[1] + left[2] + left[3]; x->n++) {
        g = order ? (g * 5 + x->n + 3) % GROUPS : g;
        while (!left[g])
            g = (g + 1) % GROUPS;
        const double *from = draws[g] + 2 * (sizes[g] - left[g]--);
        for (size_t j = 0; j < 2; j++)
            x->z[2 * x->n + j] = (from[j] + (double)g) * (1 + (double)g);
        memcpy(x->ctx + CONTEXT * x->n, contexts[g], sizeof contexts[g]);
        x->of[x->n] = g;
    }
}

/* The rows of group g, in their order. */
static size_t pick(const mixed *x, size_t g, const double *from, double *to)
{
    size_t n = 0;
    for (size_t i = 0; i < x->n; i++)
        if (x->of[i] == g)
            memcpy(to + 2 * n++, from + 2 * i, 2 * sizeof *to);
    return n;
}

static const size_t sample_sizes[GROUPS] = {30, 5, 80, 2};
static const size_t point_sizes[GROUPS] = {70, 129, 200, 1};

/* _i = method + 2 * order of samples + 4 * order of points + 8 * threads */
START_TEST(groups_have_the_bits_of_one_alone)
{
    const char *const options[] = {"threads", _i & 8 ? "3" : "1", NULL};
    static mixed z, x;
    static double out[2 * MOST], mine[2 * MOST], points[2 * MOST],
        want[2 * MOST];
    mix(&z, sample_sizes, 1, _i & 2);
    mix(&x, point_sizes, 10, _i & 4);
    slivi_score *s = samples_estimator(names[_i % 2], 2, CONTEXT, options);
    update(s, z.z, z.ctx, z.n);
    memset(z.ctx, 0, sizeof z.ctx); /* it was copied */
    samples_eval(s, x.z, x.ctx, x.n, out);
    for (size_t g = 0; g < GROUPS; g++) {
        slivi_score *alone = samples_estimator(names[_i % 2], 2, 0, NULL);
        update(alone, mine, NULL, pick(&z, g, z.z, mine));
        size_t n = pick(&x, g, x.z, points);
        ck_assert_uint_eq(n, point_sizes[g]);
        samples_eval(alone, points, NULL, n, want);
        pick(&x, g, out, mine);
        ck_assert_mem_eq(mine, want, 2 * n * sizeof *want);
        slivi_score_free(alone);
    }
    /* points may be replaced by their scores */
    samples_eval(s, x.z, x.ctx, x.n, x.z);
    ck_assert_mem_eq(x.z, out, 2 * x.n * sizeof *out);
    slivi_score_free(s);
}
END_TEST

START_TEST(contexts_without_samples_are_refused)
{
    static mixed z;
    double out[4] = {1, 2, 3, 4}, ctx[2][CONTEXT] = {{-3, 1, 0}, {-3, 1, -0.0}};
    mix(&z, sample_sizes, 1, 1);
    slivi_score *s = samples_estimator(names[_i], 2, CONTEXT, NULL);
    update(s, z.z, z.ctx, z.n);
    ck_assert_int_eq(slivi_score_eval(s, z.z, ctx[0], 1, out, NULL), 0);
    out[0] = 1;
    out[1] = 2;
    ck_assert_int_eq(slivi_score_eval(s, z.z, ctx[0], 2, out, NULL),
                     SLIVI_EINVAL);
    scratch_check_message("score", "context row 1 is that of no samples");
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_eq(out[i], (double)(i + 1));
    slivi_score_free(s);
}
END_TEST

/* As many contexts as samples of each are few: not all pairs are compared,
   which would take ten seconds or more. */
START_TEST(many_contexts_are_found)
{
    enum { MANY = 60000 };
    static double z[2 * MANY], ctx[2 * MANY], out[2 * MANY];
    const double k = exp(-0.5), eta = _i ? 0 : 0.25;
    const char *const options[] = {"rank", "2", "eta", "0.25", NULL};
    for (size_t i = 0; i < 2 * MANY; i++) {
        ctx[i] = (double)(i % MANY) * 4096;
        z[i] = i < MANY ? 1 : 1 + (double)(1 + i % 7);
    }
    slivi_score *s = samples_estimator(names[_i], 1, 1, options);
    clock_t begin = clock();
    update(s, z, ctx, 2 * MANY);
    samples_eval(s, z, ctx, 2 * MANY, out);
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    ck_assert_msg(seconds < 3, "%g s of processor time", seconds);
    for (size_t i = MANY; i < 2 * MANY; i++) {
        double a = (double)(1 + i % 7), want = -k / (a * (1 + eta - k));
        ck_assert_double_eq_tol(out[i], want, 1e-12);
        ck_assert_double_eq_tol(out[i - MANY], -want, 1e-12);
    }
    slivi_score_free(s);
}
END_TEST

/* ---- manners ------------------------------------------------------------- */

/* Scores of an estimator of 2 columns, with the groups' contexts if any. */
static void probe(const slivi_score *s, double out[2 * 20])
{
    double x[2 * 20], ctx[CONTEXT * 20];
    samples_normal(9, 20, 2, x);
    for (size_t i = 0; i < 20; i++)
        memcpy(ctx + CONTEXT * i, contexts[i % GROUPS], sizeof contexts[0]);
    samples_eval(s, x, slivi_score_context(s) ? ctx : NULL, 20, out);
}

static void check_probe(const slivi_score *s, const double want[2 * 20])
{
    double out[2 * 20];
    probe(s, out);
    ck_assert_mem_eq(out, want, sizeof out);
}

static void refused(slivi_score *s, const mixed *x, int status,
                    const char *words, const double want[2 * 20])
{
    const double *ctx = slivi_score_context(s) ? x->ctx : NULL;
    ck_assert_int_eq(slivi_score_update(s, x->z, ctx, x->n, NULL), status);
    scratch_check_message("score", words);
    ck_assert_int_eq(slivi_score_fit(s, x->z, ctx, x->n, NULL, NULL, NULL),
                     status);
    check_probe(s, want);
}

/* Few or many samples, before or while fits are made: nothing changes.
   _i = method + 2 * threads */
START_TEST(bad_samples_leave_the_estimator_alone)
{
    const int stein = _i % 2 == 0;
    const char *const options[] = {"threads", _i / 2 ? "2" : "1",  "eta", "0",
                                   "width",   stein ? "0.1" : "0", NULL};
    static const size_t lonely[GROUPS] = {50, 60, 1, 90};
    static const size_t larger[GROUPS] = {90, 90, 90, 90};
    static mixed good, bad;
    double want[2 * 20], x[4] = {1, 2, 3, 4};
    slivi_score *s = samples_estimator(names[_i % 2], 2, CONTEXT, options);
    mix(&good, sample_sizes, 1, 1);
    update(s, good.z, good.ctx, good.n);
    probe(s, want);
    mix(&bad, lonely, 3, 0);
    refused(s, &bad, SLIVI_EINVAL,
            "1 samples (2 to 32000) have the context of row 110", want);
    mix(&bad, larger, 3, 0);
    for (size_t i = 180; i < 270; i++)
        bad.z[2 * i] = bad.z[2 * i + 1] = 5;
    refused(s, &bad, SLIVI_EINVAL,
            "samples with the context of row 180: all 90 samples are equal",
            want);
    mix(&bad, larger, 3, 0);
    bad.z[2 * 99 + 1] = NAN;
    refused(s, &bad, SLIVI_ENONFINITE, "row 99 column 1", want);
    bad.z[2 * 99 + 1] = 1;
    for (size_t i = 90; i < 180; i++)
        bad.z[2 * i] = stein ? 7 : 1e300 * (double)i;
    for (size_t i = 90; i < 92; i++)
        bad.z[2 * i + 1] = 3;
    if (stein) /* two equal samples: singular without eta */
        refused(s, &bad, SLIVI_ENOTPD, "row 90: eta 0", want);
    else
        refused(s, &bad, SLIVI_ENONFINITE, "row 90: distances overflow", want);
    mix(&bad, larger, 3, 0);
    ck_assert_int_eq(slivi_score_update(s, x, NULL, 2, NULL), SLIVI_EINVAL);
    update(s, bad.z, bad.ctx, bad.n);
    slivi_score_free(s);
}
END_TEST

START_TEST(sizes_are_limited)
{
    enum { TOO_MANY = 32001 };
    static double z[TOO_MANY];
    double out;
    samples_normal(1, TOO_MANY, 1, z);
    slivi_score *s = samples_estimator(names[_i], 1, 0, NULL);
    ck_assert_int_eq(slivi_score_update(s, z, NULL, TOO_MANY, NULL),
                     SLIVI_EINVAL);
    scratch_check_message("score", "32001 samples (2 to 32000)");
    ck_assert_int_eq(slivi_score_update(s, z, NULL, 1, NULL), SLIVI_EINVAL);
    scratch_check_message("score", "1 samples");
    ck_assert_int_eq(slivi_score_eval(s, z, NULL, 1, &out, NULL), SLIVI_EINVAL);
    /* nothing is fixed yet */
    ck_assert_int_eq(slivi_score_set(s, "width", 1e-150), 0);
    ck_assert_int_eq(slivi_score_update(s, z, NULL, 9, NULL), SLIVI_EINVAL);
    scratch_check_message("score", "width 1e-150");
    ck_assert_int_eq(slivi_score_set(s, "width", 1), 0);
    ck_assert_int_eq(slivi_score_set(s, "share", 0), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_score_set(s, "eta", -1), SLIVI_EINVAL);
    update(s, z, NULL, 9);
    ck_assert_int_eq(slivi_score_set(s, "width", 2), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_score_set(s, "rate", 2), 0); /* of no use */
    ck_assert_int_eq(slivi_score_set_text(s, "rate", "3"), 0);
    slivi_score_free(s);
}
END_TEST

static int count_reports(const slivi_score_progress *p, void *ctx)
{
    (void)p;
    ++*(int *)ctx;
    return 1;
}

START_TEST(there_is_no_objective)
{
    double z[2 * 9], loss = 0;
    int reports = 0;
    slivi_score_progress last = {1, 1, 1, 1, 0};
    samples_normal(1, 9, 2, z);
    slivi_score *s = samples_estimator(names[_i], 2, 0, NULL);
    ck_assert_int_eq(slivi_score_loss(s, z, NULL, 9, &loss),
                     SLIVI_EUNSUPPORTED);
    scratch_check_message("score", names[_i]);
    ck_assert_int_eq(slivi_score_update(s, z, NULL, 9, &loss), 0);
    ck_assert(isnan(loss));
    ck_assert_int_eq(
        slivi_score_fit(s, z, NULL, 9, count_reports, &reports, &last), 0);
    ck_assert_int_eq(reports, 0);
    ck_assert_uint_eq(last.step + last.best_step, 0);
    ck_assert(isnan(last.held_out) && isnan(last.best) && last.stopped == 1);
    slivi_score_free(s);
}
END_TEST

/* ---- threads and memory -------------------------------------------------- */

static int eval_task(size_t i, void *ctx)
{
    enum { ROWS = 300 };
    double z[2 * ROWS], a[2 * ROWS], b[2 * ROWS];
    samples_normal(i, ROWS, 2, z);
    for (int k = 0; k < 20; k++) {
        if (slivi_score_eval(ctx, z, NULL, ROWS, k ? b : a, NULL))
            return SLIVI_EINVAL;
        if (k && memcmp(a, b, sizeof a))
            return SLIVI_ENONFINITE;
    }
    return 0;
}

START_TEST(threads_may_share_an_estimator)
{
    const char *const options[] = {"threads", _i / 2 ? "3" : "1", NULL};
    double z[2 * 40];
    slivi_score *s = samples_estimator(names[_i % 2], 2, 0, options);
    slivi_pool *pool = slivi_pool_create(4);
    samples_normal(1, 40, 2, z);
    update(s, z, NULL, 40);
    ck_assert_int_eq(slivi_pool_run(pool, 8, eval_task, s), 0);
    slivi_pool_free(pool);
    slivi_score_free(s);
}
END_TEST

/* Updates of any size and grouping up to the first's, and evaluations. */
START_TEST(later_updates_and_evaluations_allocate_nothing)
{
    static const size_t fewer[GROUPS] = {20, 3, 80, 2};
    static mixed z, other, x;
    double *out = x.z;
    scratch_memory *memory = scratch_watch(0);
    slivi_score *s = samples_estimator(names[_i], 2, CONTEXT, NULL);
    slivi_score_workspace *ws = slivi_score_workspace_create(s);
    ck_assert_ptr_nonnull(ws);
    mix(&z, sample_sizes, 1, 1);
    mix(&other, fewer, 2, 0);
    mix(&x, point_sizes, 3, 1);
    update(s, z.z, z.ctx, z.n);
    update(s, z.z, z.ctx, z.n); /* the second set of samples */
    ck_assert_int_eq(slivi_score_eval(s, x.z, x.ctx, x.n, out, ws), 0);
    size_t before = memory->calls;
    for (int k = 0; k < 4; k++) {
        const mixed *now = k % 2 ? &z : &other;
        update(s, now->z, now->ctx, now->n);
        ck_assert_int_eq(slivi_score_eval(s, x.z, x.ctx, x.n - 7, out, ws), 0);
    }
    ck_assert_uint_eq(memory->calls, before);
    slivi_score_workspace_free(ws);
    slivi_score_free(s);
    ck_assert_uint_eq(memory->live, 0);
    scratch_unwatch();
}
END_TEST

/* Whichever allocation fails, the estimator is as before, and nothing is
   lost. */
START_TEST(failed_allocations_leave_the_estimator_alone)
{
    static const size_t larger[GROUPS] = {90, 90, 90, 90};
    const char *path = scratch_path("score");
    static mixed z, big;
    double want[2 * 20];
    int status = SLIVI_ENOMEM;
    mix(&z, sample_sizes, 1, 1);
    mix(&big, larger, 2, 0);
    scratch_memory *memory = scratch_watch(0);
    for (size_t k = 1; status; k++) {
        slivi_score *s = samples_estimator(names[_i], 2, CONTEXT, NULL);
        update(s, z.z, z.ctx, z.n);
        probe(s, want);
        memory->fail_at = memory->calls + k;
        status = slivi_score_update(s, big.z, big.ctx, big.n, NULL);
        if (status) {
            ck_assert_int_eq(status, SLIVI_ENOMEM);
            scratch_check_message("score", "no memory");
            check_probe(s, want);
        }
        memory->fail_at = 0;
        update(s, big.z, big.ctx, big.n);
        slivi_score_free(s);
        ck_assert_uint_eq(memory->live, 0);
        ck_assert_uint_lt(k, 20);
    }
    status = SLIVI_ENOMEM;
    for (size_t k = 1; status; k++) { /* and from create to load */
        memory->fail_at = memory->calls + k;
        slivi_score *s = slivi_score_create(names[_i], 2, CONTEXT), *t = NULL;
        status = s ? slivi_score_update(s, z.z, z.ctx, z.n, NULL)
                   : SLIVI_ENOMEM;
        if (!status)
            status = slivi_score_eval(s, z.z, z.ctx, 2, want, NULL);
        if (!status)
            status = slivi_score_save(s, path);
        if (!status)
            status = (t = slivi_score_load(path)) ? 0 : SLIVI_ENOMEM;
        slivi_score_free(s);
        slivi_score_free(t);
        ck_assert(status == 0 || status == SLIVI_ENOMEM);
        ck_assert_uint_eq(memory->live, 0);
        ck_assert_uint_lt(k, 400);
    }
    scratch_unwatch();
}
END_TEST

/* ---- files --------------------------------------------------------------- */

/* _i = method + 2 * context + 4 * threads */
START_TEST(saved_estimators_evaluate_bit_for_bit)
{
    const char *const options[] = {
        "width",   _i & 2 ? "0" : "0.9",   "eta",  "0.125",
        "threads", _i & 4 ? "3" : "1",     "rank", "3",
        "seed",    "18446744073709551615", NULL};
    const char *path = scratch_path("score.safetensors");
    static mixed z;
    double want[2 * 20];
    slivi_score *s = samples_estimator(names[_i % 2], 2, _i & 2 ? CONTEXT : 0,
                                       options);
    const double *ctx = _i & 2 ? z.ctx : NULL;
    ck_assert_int_eq(slivi_score_save(s, path), SLIVI_EINVAL);
    mix(&z, sample_sizes, 1, 1);
    update(s, z.z, ctx, z.n);
    probe(s, want);
    ck_assert_msg(!slivi_score_save(s, path), "%s", slivi_errmsg());
    slivi_score *t = slivi_score_load(path);
    ck_assert_msg(t != NULL, "%s", slivi_errmsg());
    ck_assert_str_eq(slivi_score_name(t), names[_i % 2]);
    check_probe(t, want);
    mix(&z, sample_sizes, 5, 1); /* and goes on */
    update(s, z.z, ctx, z.n);
    update(t, z.z, ctx, z.n);
    probe(s, want);
    check_probe(t, want);
    slivi_score_free(s);
    slivi_score_free(t);
}
END_TEST

/* A file with a right CRC whose content is not. */
static void check_file(const char *words, size_t rows, size_t cols,
                       size_t groups, const int64_t *sizes, size_t unlike)
{
    const char *path = scratch_path("made");
    const double ctx[] = {1, 2, unlike ? 3 : 2, 4};
    double z[12];
    samples_normal(1, 6, 2, z);
    slivi_checkpoint *c = slivi_checkpoint_create();
    slivi_checkpoint_put_text(c, "kind", "slivi score");
    slivi_checkpoint_put_text(c, "estimator", "stein");
    slivi_checkpoint_put_text(c, "dim", "2");
    slivi_checkpoint_put_text(c, "context", "1");
    ck_assert_int_eq(
        slivi_checkpoint_put(c, "samples", SLIVI_DTYPE_F64, rows, cols, z), 0);
    ck_assert_int_eq(
        slivi_checkpoint_put(c, "sizes", SLIVI_DTYPE_I64, 1, groups, sizes), 0);
    ck_assert_int_eq(
        slivi_checkpoint_put(c, "contexts", SLIVI_DTYPE_F64, groups, 1, ctx),
        0);
    ck_assert_int_eq(slivi_checkpoint_write(c, path), 0);
    slivi_checkpoint_free(c);
    slivi_score *s = slivi_score_load(path);
    if (words) {
        ck_assert_ptr_null(s);
        ck_assert_ptr_nonnull(strstr(slivi_errmsg(), path));
        ck_assert_msg(strstr(slivi_errmsg(), words) != NULL, "%s",
                      slivi_errmsg());
    } else {
        ck_assert_msg(s != NULL, "%s", slivi_errmsg());
    }
    slivi_score_free(s);
}

START_TEST(files_that_cannot_be_are_refused)
{
    const int64_t good[] = {2, 2, 2}, negative[] = {2, -1, 5},
                  many[] = {2, 2, INT64_MAX}, few[] = {2, 2}, one[] = {3, 1, 2};
    check_file(NULL, 6, 2, 3, good, 1);
    check_file("size 1 is -1 of 6 samples", 6, 2, 3, negative, 1);
    check_file("size 2 is 9223372036854775807", 6, 2, 3, many, 1);
    check_file("sizes for 4 of 6", 6, 2, 2, few, 1);
    check_file("size 1 is 1 of", 6, 2, 3, one, 1);
    check_file("sizes for 0 of 0", 0, 2, 0, good, 1);
    check_file("2 of 3 contexts differ", 6, 2, 3, good, 0);
    check_file("no samples of 2 columns", 4, 3, 2, few, 1);
    check_file("no samples of 2 columns", 1000000000000, 0, 2, few, 1);
}
END_TEST

Suite *slivi_suite_kernel_estimator(void)
{
    Suite *s = suite_create("kernel_estimator");
    TCase *c = tcase_create("kernels");
    tcase_set_timeout(c, 20);
    tcase_add_unchecked_fixture(c, scratch_open, scratch_close);
    tcase_add_loop_test(c, two_samples_in_closed_form, 0, 2);
    tcase_add_loop_test(c, scores_scale_with_the_samples, 0, 2);
    tcase_add_loop_test(c, options_are_those_of_kernelscore, 0, 4);
    tcase_add_loop_test(c, normal_scores_are_met, 0, 2);
    tcase_add_loop_test(c, groups_have_the_bits_of_one_alone, 0, 16);
    tcase_add_loop_test(c, contexts_without_samples_are_refused, 0, 2);
    tcase_add_loop_test(c, many_contexts_are_found, 0, 2);
    tcase_add_loop_test(c, bad_samples_leave_the_estimator_alone, 0, 4);
    tcase_add_loop_test(c, sizes_are_limited, 0, 2);
    tcase_add_loop_test(c, there_is_no_objective, 0, 2);
    tcase_add_loop_test(c, threads_may_share_an_estimator, 0, 4);
    tcase_add_loop_test(c, later_updates_and_evaluations_allocate_nothing, 0,
                        2);
    tcase_add_loop_test(c, failed_allocations_leave_the_estimator_alone, 0, 2);
    tcase_add_loop_test(c, saved_estimators_evaluate_bit_for_bit, 0, 8);
    tcase_add_test(c, files_that_cannot_be_are_refused);
    suite_add_tcase(s, c);
    return s;
}
