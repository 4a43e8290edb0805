/* test_estimator_use.c - score estimators' manners: options, files, threads,
   memory.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "samples.h"
#include "scratch.h"
#include "slivi/memory.h"
#include "slivi/pool.h"
#include "slivi/random.h"
#include "suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- manners ------------------------------------------------------------- */

static void train(slivi_score *s, uint64_t first, uint64_t steps)
{
    enum { N = 40 };
    double z[2 * N], c[3 * N], cond[2 * N], marg[2 * N];
    for (uint64_t k = first; k < first + steps; k++) {
        samples_linear(k, N, 0, c, z, cond, marg);
        ck_assert_msg(!slivi_score_update(
                          s, z, slivi_score_context(s) ? c : NULL, N, NULL),
                      "%s", slivi_errmsg());
    }
}

static void same_bits(slivi_score *a, slivi_score *b)
{
    enum { N = 60 };
    double z[2 * N], c[3 * N], x[2 * N], y[2 * N], unused[2 * N];
    samples_linear(77, N, 0, c, z, x, unused);
    const double *ctx = slivi_score_context(a) ? c : NULL;
    samples_eval(a, z, ctx, N, x);
    samples_eval(b, z, ctx, N, y);
    ck_assert_mem_eq(x, y, sizeof x);
}

/* 20 updates = 10, save, load, 10: bit for bit.  _i = conditional + 2 * f64 +
   4 * base none */
START_TEST(saved_estimators_go_on_bit_for_bit)
{
    const char *const options[] = {"precision", _i & 2 ? "f64" : "f32",
                                   "base",      _i & 4 ? "none" : "gaussian",
                                   "average",   "0.9",
                                   "slices",    "3",
                                   "seed",      "18446744073709551615",
                                   NULL};
    const char *path = scratch_path("score.safetensors");
    slivi_score *a = samples_estimator("ssm-vr", 2, _i & 1 ? 3 : 0, options);
    train(a, 0, 10);
    ck_assert_msg(!slivi_score_save(a, path), "%s", slivi_errmsg());
    slivi_score *b = slivi_score_load(path);
    ck_assert_msg(b != NULL, "%s", slivi_errmsg());
    same_bits(a, b);
    train(a, 10, 10);
    train(b, 10, 10);
    same_bits(a, b);
    slivi_score_free(a);
    slivi_score_free(b);
}
END_TEST

START_TEST(threads_do_not_change_bits)
{
    const char *const one[] = {"threads", "1", "hidden", "200,200", NULL};
    const char *const four[] = {"threads", "4", "hidden", "200,200", NULL};
    slivi_score *a = samples_estimator("ssm", 2, 3, one),
                *b = samples_estimator("ssm", 2, 3, four);
    train(a, 0, 20);
    train(b, 0, 20);
    same_bits(a, b);
    slivi_score_free(a);
    slivi_score_free(b);
}
END_TEST

/* Large enough that each evaluation is shared out over the estimator's own
   threads as well. */
static int eval_task(size_t i, void *ctx)
{
    enum { ROWS = 300 };
    const slivi_score *s = ctx;
    double z[2 * ROWS], a[2 * ROWS], b[2 * ROWS];
    samples_normal(i, ROWS, 2, z);
    for (int k = 0; k < 100; k++) {
        if (slivi_score_eval(s, z, NULL, ROWS, k ? b : a, NULL))
            return SLIVI_EINVAL;
        if (k && memcmp(a, b, sizeof a))
            return SLIVI_ENONFINITE;
    }
    return 0;
}

START_TEST(threads_may_share_an_estimator)
{
    const char *const options[] = {"threads", _i ? "3" : "1", "hidden",
                                   "100,100", NULL};
    slivi_score *s = samples_estimator("ssm-vr", 2, 0, options);
    slivi_pool *pool = slivi_pool_create(4);
    train(s, 0, 5);
    ck_assert_int_eq(slivi_pool_run(pool, 8, eval_task, s), 0);
    slivi_pool_free(pool);
    slivi_score_free(s);
}
END_TEST

/* A NaN anywhere: refused, named, nothing changed. */
START_TEST(bad_samples_leave_the_estimator_alone)
{
    double z[2 * 40], c[3 * 40], x[2 * 40], y[2 * 40];
    const int context = _i;
    slivi_score *a = samples_estimator("ssm-vr", 2, context ? 3 : 0, NULL);
    slivi_score *b = samples_estimator("ssm-vr", 2, context ? 3 : 0, NULL);
    train(a, 0, 5);
    train(b, 0, 5);
    samples_linear(3, 40, 0, c, z, x, y);
    z[2 * 17 + 1] = NAN;
    ck_assert_int_eq(slivi_score_update(a, z, context ? c : NULL, 40, NULL),
                     SLIVI_ENONFINITE);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "row 17 column 1"));
    z[2 * 17 + 1] = 1e300; /* finite, but the step overflows */
    ck_assert_int_lt(slivi_score_update(a, z, context ? c : NULL, 40, NULL), 0);
    ck_assert_int_eq(slivi_score_update(a, z, NULL, 0, NULL), SLIVI_EINVAL);
    train(a, 5, 5);
    train(b, 5, 5);
    same_bits(a, b);
    slivi_score_free(a);
    slivi_score_free(b);
}
END_TEST

START_TEST(options_are_checked_and_then_fixed)
{
    char text[64];
    double z[4] = {1, 2, 3, 4};
    ck_assert_ptr_null(slivi_score_create("smm", 2, 0));
    ck_assert_ptr_null(slivi_score_create("ssm", 0, 0));
    for (size_t i = 0; slivi_score_names[i]; i++)
        ck_assert_ptr_nonnull(slivi_score_help(slivi_score_names[i]));
    ck_assert_ptr_null(slivi_score_help("nothing"));
    slivi_score *s = samples_estimator("ssm", 2, 0, NULL);
    ck_assert_int_eq(slivi_score_eval(s, z, NULL, 2, z, NULL), SLIVI_EINVAL);
    ck_assert_int_lt(slivi_score_save(s, "x"), 0);
    ck_assert_int_eq(slivi_score_set(s, "slicez", 3), SLIVI_ENAME);
    ck_assert_int_lt(slivi_score_set(s, "slices", 0), 0);
    ck_assert_int_lt(slivi_score_set(s, "rate", NAN), 0);
    ck_assert_int_lt(slivi_score_set_text(s, "law", "uniform"), 0);
    ck_assert_str_eq(slivi_score_name(s), "ssm");
    ck_assert_uint_eq(slivi_score_dim(s), 2);
    ck_assert_int_eq(slivi_score_set(s, "slices", 3), 0);
    ck_assert_int_eq(slivi_score_get(s, "slices", text, sizeof text), 0);
    ck_assert_str_eq(text, "3");
    ck_assert_int_eq(slivi_score_set_text(s, "activation", "relu"), 0);
    ck_assert_int_eq(slivi_score_update(s, z, NULL, 2, NULL),
                     SLIVI_EUNSUPPORTED); /* a kink; may be mended */
    ck_assert_int_eq(slivi_score_set_text(s, "activation", "tanh"), 0);
    ck_assert_int_eq(slivi_score_update(s, z, NULL, 2, NULL), 0);
    ck_assert_int_eq(slivi_score_set(s, "slices", 4), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_score_set(s, "rate", 1e-4), 0);
    slivi_score_free(s);
}
END_TEST

/* A fit that fails leaves moments and parameters as they were. */
START_TEST(failed_fits_leave_the_estimator_alone)
{
    static double z[2 * 400], bad[2 * 400];
    const char *const options[] = {"steps", "10", NULL};
    slivi_score *a = samples_estimator("ssm-vr", 2, 0, options);
    slivi_score *b = samples_estimator("ssm-vr", 2, 0, options);
    samples_normal(1, 400, 2, z);
    for (size_t i = 0; i < 800; i++)
        bad[i] = z[i] * 1e200;
    train(a, 0, 3);
    train(b, 0, 3);
    bad[5] = NAN;
    ck_assert_int_lt(slivi_score_fit(a, bad, NULL, 400, NULL, NULL, NULL), 0);
    bad[5] = 0;
    ck_assert_int_lt(slivi_score_fit(a, bad, NULL, 400, NULL, NULL, NULL), 0);
    train(a, 3, 3);
    train(b, 3, 3);
    same_bits(a, b);
    ck_assert_int_eq(slivi_score_fit(a, z, NULL, 400, NULL, NULL, NULL), 0);
    slivi_score_free(a);
    slivi_score_free(b);
}
END_TEST

/* The held-out objective overflows: no success without a best state. */
START_TEST(infinite_held_out_objectives_are_refused)
{
    static double z[2 * 400];
    const char *const options[] = {"base",     "none",  "activation",
                                   "softplus", "steps", "20",
                                   "held-out", "0.5",   NULL};
    slivi_score *s = samples_estimator("ssm-vr", 2, 0, options);
    uint32_t order[400];
    slivi_address at = {.seed = 0, .stream = 3}; /* of the split */
    samples_normal(1, 400, 2, z);
    slivi_permutation(&at, 400, order);
    z[2 * order[399]] = 1e25; /* among those held out */
    ck_assert_int_eq(slivi_score_fit(s, z, NULL, 400, NULL, NULL, NULL),
                     SLIVI_ENONFINITE);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "held-out"));
    slivi_score_free(s);
}
END_TEST

/* A rate set on the way is the rate, also after loading, also after 0. */
START_TEST(rates_set_later_are_kept)
{
    const char *path = scratch_path("rate");
    slivi_score *a = samples_estimator("ssm", 2, 0, NULL);
    slivi_score *b = samples_estimator("ssm", 2, 0, NULL);
    train(a, 0, 3);
    train(b, 0, 3);
    ck_assert_int_eq(slivi_score_set(a, "rate", 0), 0);
    ck_assert_int_eq(slivi_score_set(a, "rate", 1e-2), 0);
    ck_assert_int_eq(slivi_score_set(b, "rate", 1e-2), 0);
    ck_assert_int_eq(slivi_score_save(a, path), 0);
    slivi_score *c = slivi_score_load(path);
    ck_assert_ptr_nonnull(c);
    train(a, 3, 3);
    train(b, 3, 3);
    train(c, 3, 3);
    same_bits(a, b);
    same_bits(a, c);
    slivi_score_free(a);
    slivi_score_free(b);
    slivi_score_free(c);
}
END_TEST

/* What was never trained has no scores, also after a first update that failed;
   its options may still be set then. */
START_TEST(untrained_estimators_have_no_scores)
{
    double z[4] = {1, 2, 3, 1e300}, out[4];
    slivi_score *s = samples_estimator("ssm", 2, 0, NULL);
    ck_assert_int_lt(slivi_score_update(s, z, NULL, 2, NULL), 0);
    ck_assert_int_eq(slivi_score_eval(s, z, NULL, 1, out, NULL), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_score_set(s, "slices", 4), 0);
    slivi_score_workspace *ws = slivi_score_workspace_create(s);
    ck_assert_int_eq(slivi_score_eval(s, z, NULL, 1, out, ws), SLIVI_EINVAL);
    z[3] = 1;
    ck_assert_int_eq(slivi_score_update(s, z, NULL, 2, NULL), 0);
    ck_assert_int_eq(slivi_score_eval(s, z, NULL, 1, out, ws), 0);
    slivi_score_workspace_free(ws);
    slivi_score_free(s);
}
END_TEST

/* A first update that fails leaves no moments behind either. */
START_TEST(failed_first_updates_are_forgotten)
{
    double z[2 * 40], bad[4] = {1, 2, 3, 1e300};
    slivi_score *a = samples_estimator("ssm", 2, 0, NULL);
    slivi_score *b = samples_estimator("ssm", 2, 0, NULL);
    samples_normal(1, 40, 2, z);
    ck_assert_int_lt(slivi_score_update(a, bad, NULL, 2, NULL), 0);
    ck_assert_int_eq(slivi_score_update(a, z, NULL, 40, NULL), 0);
    ck_assert_int_eq(slivi_score_update(b, z, NULL, 40, NULL), 0);
    same_bits(a, b);
    slivi_score_free(a);
    slivi_score_free(b);
}
END_TEST

/* The schedule of a fit begins with the fit. */
START_TEST(a_second_fit_goes_on)
{
    static double z[1000], unused[1000];
    double x[2] = {.3, -.2}, before[2], after[2];
    const char *const options[] = {"steps",  "50",   "schedule",
                                   "cosine", "rate", "0.01",
                                   "check",  "10",   NULL};
    slivi_score_progress last;
    slivi_score *s = samples_estimator("ssm-vr", 2, 0, options);
    samples_mixture(2, 500, z, unused);
    ck_assert_int_eq(slivi_score_fit(s, z, NULL, 500, NULL, NULL, NULL), 0);
    samples_eval(s, x, NULL, 1, before);
    ck_assert_int_eq(slivi_score_fit(s, z, NULL, 500, NULL, NULL, &last), 0);
    samples_eval(s, x, NULL, 1, after);
    ck_assert_uint_gt(last.best_step, 0);
    ck_assert_double_ne(before[0], after[0]);
    slivi_score_free(s);
}
END_TEST

/* With averages, what is held out, kept and evaluated are the averages. */
START_TEST(averages_are_what_is_held_out)
{
    static double z[1000], unused[1000];
    double before, after;
    const char *path = scratch_path("average");
    const char *const options[] = {"steps", "60",   "average", "0.999",
                                   "rate",  "0.05", NULL};
    slivi_score *s = samples_estimator("ssm-vr", 2, 0, options);
    samples_mixture(2, 500, z, unused);
    ck_assert_int_eq(slivi_score_loss(s, z, NULL, 500, &before), 0);
    train(s, 0, 30);
    ck_assert_int_eq(slivi_score_loss(s, z, NULL, 500, &before), 0);
    ck_assert_int_eq(slivi_score_save(s, path), 0);
    slivi_score *t = slivi_score_load(path); /* binds anew */
    ck_assert_int_eq(slivi_score_loss(t, z, NULL, 500, &after), 0);
    ck_assert_double_eq(before, after);
    slivi_score_free(s);
    slivi_score_free(t);
}
END_TEST

/* The held-out objective's units are those of the last fit, also of a loaded
   estimator. */
START_TEST(units_of_the_loss_are_saved)
{
    enum { N = 200 };
    double z[2 * N], c[3 * N], cond[2 * N], marg[2 * N], before, after;
    const char *path = scratch_path("units");
    const char *const options[] = {"steps", "10", NULL};
    slivi_score *s = samples_estimator("ssm", 2, 3, options);
    samples_linear(3, N, 0, c, z, cond, marg);
    for (size_t i = 0; i < 2 * N; i++)
        z[i] *= 7;
    ck_assert_int_eq(slivi_score_fit(s, z, c, N, NULL, NULL, NULL), 0);
    ck_assert_int_eq(slivi_score_loss(s, z, c, N, &before), 0);
    ck_assert_int_eq(slivi_score_save(s, path), 0);
    slivi_score *t = slivi_score_load(path);
    ck_assert_int_eq(slivi_score_loss(t, z, c, N, &after), 0);
    ck_assert_double_eq(before, after);
    slivi_score *plain = samples_estimator("ssm", 2, 0, options);
    ck_assert_int_eq(slivi_score_update(plain, z, c, N, NULL),
                     SLIVI_EINVAL); /* a context that is not wanted */
    slivi_score_free(plain);
    slivi_score_free(s);
    slivi_score_free(t);
}
END_TEST

static size_t allocations;

static void *counting(size_t bytes, void *ctx)
{
    (void)ctx;
    allocations++;
    return malloc(bytes);
}

static void release(void *block, void *ctx)
{
    (void)ctx;
    free(block);
}

START_TEST(updates_and_evaluations_allocate_nothing)
{
    const slivi_allocator hook = {counting, release, NULL};
    double z[2 * 40], c[3 * 40], x[2 * 40], y[2 * 40];
    slivi_set_allocator(&hook);
    slivi_score *s = samples_estimator("ssm-vr", 2, _i ? 3 : 0, NULL);
    samples_linear(1, 40, 0, c, z, x, y);
    const double *ctx = _i ? c : NULL;
    train(s, 0, 1);
    slivi_score_workspace *ws = slivi_score_workspace_create(s);
    ck_assert_ptr_nonnull(ws);
    size_t before = allocations;
    ck_assert_uint_gt(before, 10);
    for (int k = 0; k < 5; k++) {
        ck_assert_int_eq(slivi_score_update(s, z, ctx, 40, NULL), 0);
        ck_assert_int_eq(slivi_score_eval(s, z, ctx, 40, x, ws), 0);
    }
    ck_assert_uint_eq(allocations, before);
    slivi_score_workspace_free(ws);
    slivi_score_free(s);
    slivi_set_allocator(NULL);
}
END_TEST

static int stop_at_second(const slivi_score_progress *p, void *ctx)
{
    size_t *calls = ctx;
    ck_assert_double_le(p->best, p->held_out);
    return ++*calls == 2;
}

START_TEST(fits_report_and_can_be_stopped)
{
    static double z[1000], unused[1000];
    size_t calls = 0;
    slivi_score_progress last;
    const char *const options[] = {"check", "10", "steps", "1000", NULL};
    slivi_score *s = samples_estimator("ssm-vr", 2, 0, options);
    samples_mixture(2, 500, z, unused);
    ck_assert_int_eq(
        slivi_score_fit(s, z, NULL, 500, stop_at_second, &calls, &last), 0);
    ck_assert_uint_eq(calls, 2);
    ck_assert_uint_eq(last.step, 20);
    ck_assert_int_eq(slivi_score_fit(s, z, NULL, 2, NULL, NULL, NULL),
                     SLIVI_EINVAL);
    slivi_score_free(s);
}
END_TEST

/* The best parameters are kept: a rate that makes the end worse than the
   middle shows whether they were. */
START_TEST(fit_returns_the_best_it_saw)
{
    static double z[1000], unused[1000];
    double held;
    slivi_score_progress last;
    const char *const options[] = {"check",    "5",   "steps",    "200",
                                   "rate",     "0.3", "patience", "100",
                                   "held-out", "0.5", NULL};
    slivi_score *s = samples_estimator("ssm", 2, 0, options);
    samples_mixture(2, 400, z, unused);
    ck_assert_int_eq(slivi_score_fit(s, z, NULL, 400, NULL, NULL, &last), 0);
    ck_assert_double_gt(last.held_out, last.best);
    /* half of the samples are the held-out ones, in shuffled order */
    uint32_t order[400];
    static double kept[400];
    slivi_address at = {.seed = 0, .stream = 3};
    slivi_permutation(&at, 400, order);
    for (size_t i = 0; i < 200; i++)
        memcpy(kept + 2 * i, z + 2 * order[200 + i], 2 * sizeof *kept);
    ck_assert_int_eq(slivi_score_loss(s, kept, NULL, 200, &held), 0);
    ck_assert_double_eq_tol(held, last.best, 1e-6 * fabs(held));
    slivi_score_free(s);
}
END_TEST

/* What every estimator does, whatever its kind. */
START_TEST(every_estimator_learns_and_is_saved)
{
    const char *path = scratch_path("any");
    const char *const options[] = {"steps", "10", NULL};
    double z[2 * 40], out[2 * 40], entropy[2 * 40];
    samples_normal(1, 40, 2, z);
    for (const char *const *name = slivi_score_names; *name; name++) {
        ck_assert_ptr_nonnull(slivi_score_help(*name));
        slivi_score *s = samples_estimator(*name, 2, 0, options);
        ck_assert_str_eq(slivi_score_name(s), *name);
        ck_assert_int_eq(slivi_score_fit(s, z, NULL, 40, NULL, NULL, NULL), 0);
        ck_assert_int_eq(slivi_score_update(s, z, NULL, 40, NULL), 0);
        samples_eval(s, z, NULL, 40, out);
        ck_assert_int_eq(slivi_entropy_grad(s, z, NULL, 40, entropy, NULL), 0);
        for (size_t i = 0; i < 2 * 40; i++)
            ck_assert_double_eq(entropy[i], -out[i]);
        ck_assert_int_eq(slivi_score_save(s, path), 0);
        slivi_score *t = slivi_score_load(path);
        ck_assert_msg(t != NULL, "%s: %s", *name, slivi_errmsg());
        ck_assert_str_eq(slivi_score_name(t), *name);
        same_bits(s, t);
        slivi_score_free(s);
        slivi_score_free(t);
    }
    ck_assert_ptr_null(slivi_score_create("stain", 2, 0));
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "dsm, stein, ssge)"));
}
END_TEST

START_TEST(damaged_and_foreign_files_are_refused)
{
    const char *path = scratch_path("broken.safetensors");
    slivi_score *s = samples_estimator("ssm", 2, 0, NULL);
    train(s, 0, 2);
    ck_assert_int_eq(slivi_score_save(s, path), 0);
    FILE *f = fopen(path, "r+b");
    fseek(f, -5, SEEK_END);
    int c = fgetc(f);
    fseek(f, -5, SEEK_END);
    fputc(c ^ 4, f);
    fclose(f);
    ck_assert_ptr_null(slivi_score_load(path));
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "broken.safetensors"));
    ck_assert_ptr_null(slivi_score_load("/nonexistent/score"));
    slivi_score_free(s);
}
END_TEST

Suite *slivi_suite_estimator_use(void)
{
    Suite *s = suite_create("estimator_use");
    TCase *c = tcase_create("manners");
    tcase_set_timeout(c, 60);
    tcase_add_unchecked_fixture(c, scratch_open, scratch_close);
    tcase_add_loop_test(c, saved_estimators_go_on_bit_for_bit, 0, 8);
    tcase_add_test(c, threads_do_not_change_bits);
    tcase_add_loop_test(c, threads_may_share_an_estimator, 0, 2);
    tcase_add_loop_test(c, bad_samples_leave_the_estimator_alone, 0, 2);
    tcase_add_test(c, options_are_checked_and_then_fixed);
    tcase_add_loop_test(c, updates_and_evaluations_allocate_nothing, 0, 2);
    tcase_add_test(c, failed_fits_leave_the_estimator_alone);
    tcase_add_test(c, infinite_held_out_objectives_are_refused);
    tcase_add_test(c, rates_set_later_are_kept);
    tcase_add_test(c, untrained_estimators_have_no_scores);
    tcase_add_test(c, failed_first_updates_are_forgotten);
    tcase_add_test(c, a_second_fit_goes_on);
    tcase_add_test(c, averages_are_what_is_held_out);
    tcase_add_test(c, units_of_the_loss_are_saved);
    tcase_add_test(c, fits_report_and_can_be_stopped);
    tcase_add_test(c, fit_returns_the_best_it_saw);
    tcase_add_test(c, every_estimator_learns_and_is_saved);
    tcase_add_test(c, damaged_and_foreign_files_are_refused);
    suite_add_tcase(s, c);
    return s;
}
