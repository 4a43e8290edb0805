/* test_posterior_fail.c - posteriors of targets that fail, and with memory that
   is counted and short.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posteriors.h"
#include "scratch.h"
#include "suites.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- targets that fail --------------------------------------------------- */

typedef struct wild {
    posteriors_normal p;
    size_t calls, last; /* NaN from call `last` on */
    double wall;        /* zero density where x_1 is below */
    size_t refused;
} wild;

static int wild_density(size_t n, size_t d, const double *x, double *lp,
                        double *grad, void *ctx)
{
    wild *w = ctx;
    int status = posteriors_log_normal(n, d, x, lp, grad, &w->p);

    for (size_t i = 0; i < n; i++)
        if (x[i * d] < w->wall) {
            lp[i] = -INFINITY;
            grad[i * d] = NAN; /* not looked at */
            w->refused++;
        }
    if (++w->calls >= w->last)
        grad[n * d - 1] = NAN;
    return status;
}

/* Steps are broken off, and go on when the target is well again. */
START_TEST(what_is_not_finite_is_named)
{
    static const char *const options[] = {"whiten",      "none", "check", "100",
                                          "score-steps", "1",    NULL};
    static const int kind[] = {0, 1, 4, 5};
    wild w = {.p = posteriors_plane(1, 1, 0, 0.3),
              .last = SIZE_MAX,
              .wall = -INFINITY};
    slivi_target *t = slivi_target_create(2, wild_density, &w);
    slivi_posterior *q = posteriors_small(kind[_i], t, options);
    slivi_posterior *whole = posteriors_small(kind[_i], t, options);
    slivi_posterior_progress p;

    posteriors_fit_small(kind[_i], whole);
    w.last = w.calls / 2;
    w.calls = 0;
    ck_assert_int_eq(slivi_posterior_fit(q, NULL, 0, NULL, NULL, &p),
                     SLIVI_ENONFINITE);
    const size_t step = p.step;
    char words[32];
    snprintf(words, sizeof words, "step %zu", step);
    ck_assert_uint_gt(step, 0);
    ck_assert_uint_lt(step, 24);
    ck_assert_msg(strstr(slivi_errmsg(), words) != NULL, "%s", slivi_errmsg());
    ck_assert_msg(strstr(slivi_errmsg(), "z[2]") != NULL, "%s", slivi_errmsg());
    ck_assert_uint_eq(slivi_learner_steps(q->learner), step);
    w.last = SIZE_MAX;
    posteriors_fit_small(kind[_i], q);
    ck_assert_int_eq(posteriors_same(q, whole), 1);
    slivi_posterior_free(q);
    slivi_posterior_free(whole);
    slivi_target_free(t);
}
END_TEST

/* A fit that fails in its first step can be saved, loaded and gone on with. */
START_TEST(nothing_done_can_be_saved)
{
    static const char *const options[] = {"whiten", "none", NULL};
    static const int kind[] = {0, 1, 3, 4, 5, 10};
    wild w = {
        .p = posteriors_plane(1, 1, 0, 0.3), .last = 1, .wall = -INFINITY};
    slivi_target *t = slivi_target_create(2, wild_density, &w);
    slivi_posterior *q = posteriors_small(kind[_i], t, options), *r;
    slivi_posterior_progress p;

    ck_assert_int_eq(slivi_posterior_fit(q, NULL, 0, NULL, NULL, &p),
                     SLIVI_ENONFINITE);
    ck_assert_uint_eq(p.step, 0);
    ck_assert_int_eq(slivi_posterior_save(q, scratch_path("q")), 0);
    r = slivi_posterior_load(scratch_path("q"), t);
    ck_assert_msg(r != NULL, "%s", slivi_errmsg());
    w.last = SIZE_MAX;
    posteriors_fit_small(kind[_i], q);
    posteriors_fit_small(kind[_i], r);
    ck_assert_int_eq(posteriors_same(q, r), 1);
    slivi_posterior_free(q);
    slivi_posterior_free(r);
    slivi_target_free(t);
}
END_TEST

START_TEST(refused_draws_are_counted_and_push_nothing)
{
    static const char *const options[] = {
        "whiten",    "none",     "precision", "f64",  "average",
        "0",         "batch",    "64",        "grow", "1",
        "optimizer", "momentum", "rate",      "1e-6", NULL};
    wild w = {
        .p = posteriors_plane(1, 1, 0, 0), .last = SIZE_MAX, .wall = -0.5};
    slivi_target *t = slivi_target_create(2, wild_density, &w);
    slivi_posterior *q = posteriors_small(5, t, options);
    double norm;

    ck_assert_int_eq(slivi__posterior_ready(q), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(slivi__posterior_step(q, NULL, 0, &norm), 0);
    ck_assert_uint_gt(w.refused, 64);
    ck_assert_uint_eq(q->refused, w.refused);
    ck_assert_double_lt(norm, 1e-3); /* q = p where p is not 0 */
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* ---- memory -------------------------------------------------------------- */

typedef struct calls {
    const scratch_memory *memory;
    size_t before, looks;
} calls;

static int count_calls(const slivi_posterior_progress *p, void *ctx)
{
    calls *x = ctx;

    if (x->looks++ > 1)
        ck_assert_msg(x->memory->calls == x->before, "step %zu: %zu", p->step,
                      x->memory->calls - x->before);
    x->before = x->memory->calls;
    return 0;
}

START_TEST(steps_and_looks_allocate_nothing)
{
    static const char *const options[] = {"grow", "1", "check", "4", NULL};
    calls x = {.memory = scratch_watch(0)};
    slivi_target *t = posteriors_of_kind(_i);
    slivi_posterior *q = posteriors_small(_i, t, options);
    const int amortised = posteriors_kinds[_i].amortised;
    double z[2 * 70], c[70] = {0}, log_q[70];

    ck_assert_msg(slivi_posterior_fit(q, amortised ? posteriors_contexts : NULL,
                                      POSTERIORS_ROWS, count_calls, &x, NULL)
                      == 0,
                  "%s", slivi_errmsg());
    ck_assert_uint_ge(x.looks, 5);
    ck_assert_int_eq(slivi_posterior_draw(q, 70, c, 1, z), 0);
    if (strcmp(posteriors_kinds[_i].family, "implicit")) {
        ck_assert_int_eq(slivi_posterior_weigh(q, 70, c, 1, 16, z, log_q), 0);
        ck_assert_int_eq(slivi_posterior_log_density(q, 70, c, z, 1, 16, log_q),
                         0);
    }
    ck_assert_uint_eq(x.memory->calls, x.before);
    slivi_posterior_free(q);
    slivi_target_free(t);
    ck_assert_uint_eq(x.memory->live, 0);
    scratch_unwatch();
}
END_TEST

/* Created, fitted, saved, loaded: the status of the first that fails. */
static int live(int kind, slivi_target *t)
{
    const char *const options[] = {
        "hidden",      "2",
        "batch",       "2",
        "mixture",     "1024",
        "steps",       "2",
        "check",       "2",
        "bound-draws", "2",
        "entropy",     posteriors_kinds[kind].entropy,
        NULL};
    slivi_posterior *q = slivi_posterior_create(posteriors_kinds[kind].family,
                                                t),
                    *r;
    const double *c = posteriors_kinds[kind].amortised ? posteriors_contexts
                                                       : NULL;
    int status = q ? 0 : slivi__status();

    for (size_t i = 0; options[i] && !status; i += 2)
        status = slivi_posterior_set_text(q, options[i], options[i + 1]);
    if (!status)
        status = slivi_posterior_fit(q, c, c ? POSTERIORS_ROWS : 0, NULL, NULL,
                                     NULL);
    if (!status)
        status = slivi_posterior_save(q, scratch_path("q"));
    r = status ? NULL : slivi_posterior_load(scratch_path("q"), t);
    if (!status && !r)
        status = slivi__status();
    slivi_posterior_free(r);
    slivi_posterior_free(q);
    return status;
}

START_TEST(every_allocation_may_fail)
{
    static const int kind[] = {0, 1, 4, 3, 6};
    enum { TRIED = 60 };
    slivi_target *t = posteriors_of_kind(kind[_i]);
    scratch_memory *m = scratch_watch(0);
    size_t all, count = 0;

    ck_assert_msg(live(kind[_i], t) == 0, "%s", slivi_errmsg());
    ck_assert_uint_eq(m->live, 0);
    all = m->calls;
    ck_assert_uint_gt(all, 100);
    for (size_t k = 0; k < TRIED; k++) {
        /* all of the first ones, then here and there */
        const size_t at = k < 12 ? k + 1 : 12 + (k - 11) * (all - 12) / 48;
        m->calls = 0;
        m->fail_at = at;
        m->for_good = k % 2 != 0;
        const int status = live(kind[_i], t);
        if (!status)
            continue;
        count++;
        ck_assert_msg(status == SLIVI_ENOMEM, "allocation %zu: %d, %s", at,
                      status, slivi_errmsg());
        ck_assert_msg(m->live == 0, "allocation %zu: %zu blocks stay", at,
                      m->live);
    }
    ck_assert_uint_gt(count, TRIED / 2);
    m->fail_at = 0;
    scratch_unwatch();
    slivi_target_free(t);
}
END_TEST

/* ---- targets that are not what they claim -------------------------------- */

/* N(0, I) with a gradient times ctx. */
static int scaled_gradient(size_t n, size_t d, const double *x, double *lp,
                           double *grad, void *ctx)
{
    const double factor = *(const double *)ctx;
    for (size_t i = 0; i < n; i++) {
        lp[i] = 0;
        for (size_t j = i * d; j < (i + 1) * d; j++) {
            lp[i] -= 0.5 * x[j] * x[j];
            grad[j] = -factor * x[j];
        }
    }
    return 0;
}

START_TEST(wrong_gradients_are_refused)
{
    static const double factors[] = {-1, 2, 0};
    double factor = factors[_i];
    slivi_target *t = slivi_target_create(2, scaled_gradient, &factor);
    slivi_posterior *q = slivi_posterior_create("gaussian-diag", t);
    slivi_posterior_set(q, "steps", 10);
    ck_assert_int_eq(slivi_posterior_fit(q, NULL, 0, NULL, NULL, NULL),
                     SLIVI_EINVAL);
    ck_assert_msg(strstr(slivi_errmsg(), "difference") != NULL, "%s",
                  slivi_errmsg());
    factor = 1; /* and nothing is lost */
    ck_assert_int_eq(slivi_posterior_fit(q, NULL, 0, NULL, NULL, NULL), 0);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* N(0, I) cut at x_1 < *ctx. */
static int cut_normal(size_t n, size_t d, const double *x, double *lp,
                      double *grad, void *ctx)
{
    double one = 1;
    int status = scaled_gradient(n, d, x, lp, grad, &one);
    for (size_t i = 0; i < n; i++)
        if (x[i * d] >= *(const double *)ctx)
            lp[i] = -INFINITY;
    return status;
}

/* N(3, I) where x_1 > *ctx, with the least batch and mixture. */
static int far_normal(size_t n, size_t d, const double *x, double *lp,
                      double *grad, void *ctx)
{
    for (size_t i = 0; i < n; i++) {
        lp[i] = 0;
        for (size_t j = i * d; j < (i + 1) * d; j++) {
            lp[i] -= 0.5 * (x[j] - 3) * (x[j] - 3);
            grad[j] = 3 - x[j];
        }
        if (x[i * d] <= *(const double *)ctx)
            lp[i] = -INFINITY;
    }
    return 0;
}

START_TEST(a_search_starts_where_there_is_a_density)
{
    double begin = 0.5;
    slivi_target *t = slivi_target_create(2, far_normal, &begin);
    slivi_posterior *q = slivi_posterior_create("semi-implicit", t);
    double z[2 * 64], mean = 0;
    slivi_posterior_set(q, "steps", 20);
    slivi_posterior_set(q, "batch", 1);
    slivi_posterior_set(q, "grow", 1);
    slivi_posterior_set(q, "mixture", 2);
    slivi_posterior_set(q, "check", 20);
    slivi_posterior_set(q, "bound-draws", 2);
    ck_assert_msg(!slivi_posterior_fit(q, NULL, 0, NULL, NULL, NULL), "%s",
                  slivi_errmsg());
    ck_assert_int_eq(slivi_posterior_draw(q, 64, NULL, 1, z), 0);
    for (size_t i = 0; i < 64; i++)
        mean += z[2 * i + 1] / 64;
    ck_assert_double_eq_tol(mean, 3, 0.6);
    ck_assert_str_eq(slivi_posterior_name(q), "semi-implicit");
    ck_assert_ptr_eq(slivi_posterior_target(q), t);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

START_TEST(a_density_may_end)
{
    double end = 1.5;
    slivi_target *t = slivi_target_create(2, cut_normal, &end);
    slivi_posterior *q = slivi_posterior_create("gaussian-full", t);
    slivi_posterior_progress p;
    slivi_posterior_set(q, "steps", 50);
    ck_assert_msg(!slivi_posterior_fit(q, NULL, 0, NULL, NULL, &p), "%s",
                  slivi_errmsg());
    ck_assert_uint_gt(p.refused, 0);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

Suite *slivi_suite_posterior_fail(void)
{
    Suite *s = suite_create("posterior_fail");
    TCase *c = tcase_create("posterior_fail");
    TCase *f = tcase_create("posterior_fail_files");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, wrong_gradients_are_refused, 0, 3);
    tcase_add_test(c, a_density_may_end);
    tcase_add_test(c, a_search_starts_where_there_is_a_density);
    tcase_add_test(c, a_search_starts_where_there_is_a_density);
    tcase_add_loop_test(c, what_is_not_finite_is_named, 0, 4);
    tcase_add_test(c, refused_draws_are_counted_and_push_nothing);
    tcase_add_loop_test(c, steps_and_looks_allocate_nothing, 0,
                        POSTERIORS_KINDS);
    suite_add_tcase(s, c);
    tcase_set_timeout(f, 60);
    tcase_add_checked_fixture(f, scratch_open, scratch_close);
    tcase_add_loop_test(f, nothing_done_can_be_saved, 0, 6);
    tcase_add_loop_test(f, every_allocation_may_fail, 0, 5);
    suite_add_tcase(s, f);
    return s;
}
