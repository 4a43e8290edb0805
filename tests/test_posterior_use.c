/* test_posterior_use.c - what fits do: the same bits, stops and goes on,
   options, reports, refusals, files.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posteriors.h"
#include "scratch.h"
#include "suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the same bits ------------------------------------------------------- */

START_TEST(threads_do_not_change_bits)
{
    slivi_target *t = posteriors_of_kind(_i);
    slivi_posterior *q[3];
    slivi_posterior_progress p[3];

    for (int i = 0; i < 3; i++) {
        const char *const threads[3][3] = {{"threads", "1", NULL},
                                           {"threads", "2", NULL},
                                           {"threads", "3", NULL}};
        q[i] = posteriors_small(_i, t, threads[i]);
        p[i] = posteriors_fit_small(_i, q[i]);
    }
    for (int i = 1; i < 3; i++) {
        ck_assert_int_eq(posteriors_same(q[0], q[i]), 1);
        ck_assert_int_eq(memcmp(&p[0].norm, &p[i].norm, sizeof p[i].norm), 0);
        ck_assert_int_eq(memcmp(&p[0].bound, &p[i].bound, sizeof p[i].bound),
                         0);
    }
    for (int i = 0; i < 3; i++)
        slivi_posterior_free(q[i]);
    slivi_target_free(t);
}
END_TEST

static int stop_at(const slivi_posterior_progress *p, void *ctx)
{
    return p->step == *(size_t *)ctx;
}

START_TEST(fits_go_on_bit_for_bit)
{
    slivi_target *t = posteriors_of_kind(_i);
    const double *c = posteriors_kinds[_i].amortised ? posteriors_contexts
                                                     : NULL;
    const size_t rows = c ? POSTERIORS_ROWS : 0;
    slivi_posterior *whole = posteriors_small(_i, t, NULL),
                    *q = posteriors_small(_i, t, NULL);
    slivi_posterior_progress p, last;
    size_t at = 8;

    last = posteriors_fit_small(_i, whole);
    ck_assert_int_eq(last.stopped, 1);
    ck_assert_uint_eq(last.step, 24);
    for (; at <= 16; at += 8) { /* once as it is, once through a file */
        ck_assert_int_eq(slivi_posterior_fit(q, c, rows, stop_at, &at, &p), 0);
        ck_assert_int_eq(p.stopped, 3);
        ck_assert_uint_eq(p.step, at);
    }
    ck_assert_int_eq(posteriors_same(whole, q), 0);
    q->refused = 7;
    q->since_best = 5;
    ck_assert_int_eq(slivi_posterior_save(q, scratch_path("q")), 0);
    slivi_posterior *r = slivi_posterior_load(scratch_path("q"), t);
    ck_assert_msg(r != NULL, "%s", slivi_errmsg());
    ck_assert_int_eq(posteriors_same(q, r), 1);
    ck_assert_uint_eq(r->refused, 7);
    ck_assert_uint_eq(r->since_best, 5);
    p = posteriors_fit_small(_i, r);
    ck_assert_int_eq(posteriors_same(whole, r), 1);
    ck_assert_int_eq(memcmp(&p.norm, &last.norm, sizeof p.norm), 0);
    ck_assert_int_eq(memcmp(&p.bound, &last.bound, sizeof p.bound), 0);
    ck_assert_int_eq(memcmp(&p.best, &last.best, sizeof p.best), 0);
    ck_assert_uint_eq(p.best_step, last.best_step);
    ck_assert_uint_eq(p.score_steps, last.score_steps);
    slivi_posterior_free(r);
    slivi_posterior_free(q);
    slivi_posterior_free(whole);
    slivi_target_free(t);
}
END_TEST

START_TEST(another_seed_is_another_posterior)
{
    static const char *const seed[] = {"seed", "1", NULL};
    slivi_target *t = posteriors_of_kind(0);
    slivi_posterior *q = posteriors_small(0, t, NULL),
                    *r = posteriors_small(0, t, seed);

    posteriors_fit_small(0, q);
    posteriors_fit_small(0, r);
    ck_assert_int_eq(posteriors_same(q, r), 0);
    slivi_posterior_free(q);
    slivi_posterior_free(r);
    slivi_target_free(t);
}
END_TEST

/* Each changes what a fit ends with. */
START_TEST(options_have_an_effect)
{
    static const struct {
        int kind;
        const char *name, *text;
    } cases[] = {{0, "hidden", "9"},
                 {0, "activation", "tanh"},
                 {0, "noise", "5"},
                 {0, "batch", "18"},
                 {0, "grow", "1"},
                 {0, "mixture", "260"},
                 {4, "slices", "2"},
                 {1, "score-steps", "3"},
                 {1, "score-rate", "0.5"},
                 {0, "whiten", "none"},
                 {0, "whiten", "full"},
                 {0, "anneal", "0.5"},
                 {0, "precision", "f64"},
                 {0, "rate", "0.02"},
                 {0, "optimizer", "momentum"},
                 {0, "average", "0"},
                 {0, "clip", "0.001"},
                 {0, "schedule", "constant"},
                 {0, "warmup", "5"},
                 {4, "score-rate", "0.5"},
                 {0, "entropy", "ksivi"},
                 {0, "least", "0.3"}};
    slivi_target *t = posteriors_of_kind(cases[_i].kind);
    const char *const more[] = {cases[_i].name, cases[_i].text, NULL};
    slivi_posterior *q = posteriors_small(cases[_i].kind, t, NULL);
    slivi_posterior *r = posteriors_small(cases[_i].kind, t, more);
    char text[64];

    ck_assert_int_eq(slivi_posterior_get(r, more[0], text, sizeof text), 0);
    ck_assert_str_eq(text, more[1]);
    posteriors_fit_small(cases[_i].kind, q);
    posteriors_fit_small(cases[_i].kind, r);
    ck_assert_int_eq(posteriors_same(q, r), 0);
    slivi_posterior_free(q);
    slivi_posterior_free(r);
    slivi_target_free(t);
}
END_TEST
enum { OPTION_CASES = 22 };

/* ---- what grows ---------------------------------------------------------- */

START_TEST(steps_grow_and_anneal)
{
    static const char *const options[] = {
        "steps",   "90",   "grow",   "5",   "batch", "3",
        "mixture", "6",    "anneal", "0.2", "beta",  "0.04",
        "whiten",  "none", "hidden", "2",   NULL};
    static const double beta[] = {0.04, 0.2, 1, 1};
    static const size_t at[] = {0, 9, 18, 19};
    slivi_target *t = posteriors_of_kind(0);
    slivi_posterior *q = posteriors_make("semi-implicit", t, options);

    ck_assert_int_eq(slivi__posterior_ready(q), 0);
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_eq_tol(slivi__posterior_beta(q, at[i]), beta[i],
                                1e-12);
    for (size_t s = 0; s <= 90; s++) { /* 1, 2, 4, a third each */
        const size_t factor = s < 30 ? 1 : s < 60 ? 2 : 4;
        ck_assert_uint_eq(slivi__posterior_batch(q, s), 3 * factor);
        ck_assert_uint_eq(slivi__posterior_mixture(q, s), 6 * factor);
    }
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

static int two_columns(size_t n, size_t d, const double *x, size_t k,
                       const double *c, double *lp, double *grad, void *ctx)
{
    (void)c;
    (void)k;
    return posteriors_log_normal(n, d, x, lp, grad, ctx);
}

/* Rows of contexts are taken whole and with equal chance. */
START_TEST(contexts_are_taken_evenly)
{
    enum { N = 5000, ROWS = 5 };
    static const double rows[2 * ROWS] = {0,   0.5, 1,   1.5, 2,
                                          2.5, 3,   3.5, 4,   4.5};
    posteriors_normal p = posteriors_plane(1, 1, 0, 0);
    slivi_target *t = slivi_target_create_given(2, 2, two_columns, &p);
    slivi_posterior *q = posteriors_small(6, t, NULL);
    const slivi_run run = slivi__posterior_run(q, N, SLIVI__FOR_STEP, 3);
    static double c[2 * N];
    size_t count[ROWS] = {0};

    slivi__posterior_contexts(q, rows, ROWS, &run, c);
    for (size_t i = 0; i < N; i++) {
        ck_assert_double_eq(c[2 * i + 1], c[2 * i] + 0.5);
        count[(size_t)c[2 * i]]++;
    }
    for (size_t j = 0; j < ROWS; j++) /* sd 28 */
        ck_assert_double_le(fabs((double)count[j] - N / ROWS), 120);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* Scores learn in every step, as often as told, at a rate that falls with the
   posterior's to a twentieth. */
START_TEST(scores_learn_in_every_step)
{
    static const char *const options[] = {"score-steps", "3",          "whiten",
                                          "none",        "score-rate", "2",
                                          "schedule",    "linear",     NULL};
    slivi_target *t = posteriors_of_kind(0);
    slivi_posterior *q = posteriors_small(_i ? 4 : 1, t, options);
    const slivi_posterior_progress p = posteriors_fit_small(_i ? 4 : 1, q);
    char text[64];

    ck_assert_uint_eq(p.score_steps, 3);
    if (_i) {
        ck_assert_int_eq(
            slivi_score_get(q->estimator, "rate", text, sizeof text), 0);
        ck_assert_double_eq_tol(atof(text), 0.02 * 0.05, 1e-12);
    } else {
        ck_assert_uint_eq(slivi_learner_steps(q->net_learner), 100 + 24 * 3);
    }
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* ---- reports ------------------------------------------------------------- */

typedef struct diary {
    size_t looks, best, used; /* used: the step whose parameters are */
    double highest, se;
    slivi_posterior_progress last;
} diary;

/* Used are the latest whose bound is not lower than the highest by more than
   two standard errors. */
static int write_down(const slivi_posterior_progress *p, void *ctx)
{
    diary *x = ctx;
    const double se = p->bound_se;

    ck_assert_uint_eq(p->step, 8 * ++x->looks);
    if (x->looks == 1 || p->bound > x->highest) {
        x->highest = p->bound;
        x->se = se;
        x->best = x->looks;
        x->used = p->step;
    } else if (p->bound >= x->highest - 2 * sqrt(se * se + x->se * x->se)) {
        x->used = p->step;
    }
    ck_assert_double_eq(p->best, x->highest);
    ck_assert_uint_eq(p->best_step, x->used);
    x->last = *p;
    return 0;
}

START_TEST(the_latest_of_equals_is_used)
{
    static const char *const options[] = {"steps", "80", "rate", "1e-4", NULL};
    slivi_target *t = posteriors_of_kind(5);
    slivi_posterior *q = posteriors_small(5, t, options);
    diary x = {0};

    ck_assert_int_eq(slivi_posterior_fit(q, NULL, 0, write_down, &x, NULL), 0);
    ck_assert_uint_eq(x.used, 80);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* Looks before the target is reached choose nothing; what whitens is fitted to
   the tempered target. */
static int while_tempered(const slivi_posterior_progress *p, void *ctx)
{
    *(int *)ctx += 1;
    ck_assert_int_eq(isnan(p->best) != 0, p->step < 12);
    return 0;
}

START_TEST(annealed_fits_choose_at_the_target)
{
    static const char *const options[] = {"anneal", "0.5",    "beta",
                                          "0.25",   "whiten", "full",
                                          "rate",   "1e-6",   NULL};
    slivi_target *t = posteriors_of_kind(5); /* sds 0.7 and 1.3 */
    slivi_posterior *q = posteriors_small(5, t, options);
    int looks = 0;

    ck_assert_int_eq(
        slivi_posterior_fit(q, NULL, 0, while_tempered, &looks, NULL), 0);
    ck_assert_int_eq(looks, 3);
    ck_assert_double_eq_tol(q->chol[0], 1.4, 1e-3);
    ck_assert_double_eq_tol(q->chol[2], 0.5 * 2.6, 1e-3);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* Amortised: to the mean of log densities over the contexts. */
START_TEST(contexts_whiten_together)
{
    slivi_target *t = posteriors_of_kind(6); /* mean 0.28 + c / 2 */
    slivi_posterior *q = posteriors_small(6, t, NULL);
    double mean = 0;

    posteriors_fit_small(6, q);
    for (size_t i = 0; i < POSTERIORS_ROWS; i++)
        mean += posteriors_contexts[i] / POSTERIORS_ROWS;
    ck_assert_double_eq_tol(q->mean[0], 0.28 + 0.5 * mean, 0.01);
    ck_assert_double_eq_tol(q->chol[0], 0.7, 0.01);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* More score steps while they gain, and no more than that. */
START_TEST(score_steps_follow_their_gain)
{
    static const char *const options[2][5] = {
        {"score-rate", "1e-6", "whiten", "none", NULL},
        {"rate", "0.05", "whiten", "none", NULL}};
    slivi_target *t = posteriors_of_kind(1);
    slivi_posterior *q = posteriors_small(1, t, options[_i]);
    const slivi_posterior_progress p = posteriors_fit_small(1, q);

    if (_i)
        ck_assert_uint_gt(p.score_steps, 1);
    else
        ck_assert_uint_eq(p.score_steps, 1);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

START_TEST(patience_ends_a_fit)
{
    static const char *const options[] = {
        "steps",    "4000",     "patience",    "3",       "batch",
        "2",        "rate",     "0.3",         "average", "0",
        "schedule", "constant", "bound-draws", "4000",    NULL};
    slivi_target *t = posteriors_of_kind(5);
    slivi_posterior *q = posteriors_small(5, t, options);
    slivi_posterior_progress p;
    diary x = {0};

    ck_assert_int_eq(slivi_posterior_fit(q, NULL, 0, write_down, &x, &p), 0);
    ck_assert_int_eq(p.stopped, 2);
    ck_assert_int_eq(x.last.stopped, 2);
    ck_assert_uint_eq(x.looks, x.best + 3);
    ck_assert_uint_lt(p.step, 4000);
    /* what is used is not the last, but that of best_step */
    ck_assert_uint_lt(p.best_step, p.step);
    slivi_posterior *r = posteriors_small(5, t, options);
    ck_assert_int_eq(
        slivi_posterior_fit(r, NULL, 0, stop_at, &p.best_step, NULL), 0);
    ck_assert_int_eq(posteriors_same(q, r), 1);
    ck_assert_int_eq(memcmp(slivi_learner_average(r->learner),
                            slivi_learner_average(q->learner),
                            slivi_params_size(q->params) * sizeof(float))
                         != 0,
                     1);
    slivi_posterior_free(r);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* The bound is -KL, and its standard error that of the draws. */
START_TEST(the_bound_is_minus_kl)
{
    static const char *const options[] = {
        "precision", "f64",      "steps", "1",           "rate",
        "1e-6",      "average",  "0",     "bound-draws", "20000",
        "whiten",    "diagonal", NULL};
    posteriors_normal p = posteriors_plane(1e-3, 50, 0.4, 0.5);
    slivi_target *t = posteriors_target(&p);
    slivi_posterior *q = posteriors_make("gaussian-diag", t, options);
    const slivi_posterior_progress got = posteriors_fit(q, NULL, 0);
    const posteriors_affine f = posteriors_map(q, NULL);
    enum { N = 20000 };
    static double z[2 * N], log_q[N], lp[N];
    double mean, sd;

    ck_assert_int_eq(slivi_posterior_weigh(q, N, NULL, 3, 0, z, log_q), 0);
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp, NULL), 0);
    for (size_t i = 0; i < N; i++)
        lp[i] -= log_q[i];
    posteriors_moments(N, 1, lp, 0, &mean, &sd);
    ck_assert_double_gt(sd, 0.1);
    ck_assert_double_eq_tol(got.bound_se, sd / sqrt(N), 0.05 * sd / sqrt(N));
    ck_assert_double_le(fabs(got.bound + posteriors_kl(q, &f, &p, 0)),
                        4 * got.bound_se);
    ck_assert_double_eq(got.best, got.bound);
    ck_assert_uint_eq(got.best_step, 1);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* ---- refusals ------------------------------------------------------------ */

START_TEST(refusals_say_why)
{
    static const struct {
        const char *family, *option, *text, *words;
        int status;
    } cases[] = {
        {"semi-implicit", "entropy", "closed", "Gaussian", SLIVI_EUNSUPPORTED},
        {"implicit", "entropy", "closed", "Gaussian", SLIVI_EUNSUPPORTED},
        {"implicit", "entropy", "mixture", "semi-implicit", SLIVI_EUNSUPPORTED},
        {"gaussian-full", "entropy", "denoising", "semi-implicit",
         SLIVI_EUNSUPPORTED},
        {"gaussian-diag", "entropy", "ksivi", "semi-implicit",
         SLIVI_EUNSUPPORTED},
        {"implicit", "noise", "1", "1 columns of noise", SLIVI_EUNSUPPORTED},
        {"semi-implicit", "noise", "1", "2 dimensions", SLIVI_EUNSUPPORTED},
        {"implicit", "activation", "relu", "relu", SLIVI_EUNSUPPORTED},
        {"gaussian-diag", "steps", "0", "steps", SLIVI_EINVAL},
    };
    slivi_target *t = posteriors_of_kind(0);
    slivi_posterior *q = slivi_posterior_create(cases[_i].family, t);
    double z[2], log_q;

    ck_assert_int_eq(slivi_posterior_draw(q, 1, NULL, 1, z), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_posterior_weigh(q, 1, NULL, 1, 2, z, &log_q),
                     SLIVI_EINVAL);
    ck_assert_int_eq(slivi_posterior_save(q, scratch_path("none")),
                     SLIVI_EINVAL);
    ck_assert_int_eq(
        slivi_posterior_set_text(q, cases[_i].option, cases[_i].text), 0);
    ck_assert_int_eq(slivi_posterior_fit(q, NULL, 0, NULL, NULL, NULL),
                     cases[_i].status);
    ck_assert_msg(strstr(slivi_errmsg(), cases[_i].words) != NULL, "%s",
                  slivi_errmsg());
    ck_assert_uint_eq(scratch_files("."), 0);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    slivi_target *t = posteriors_of_kind(6), *plain = posteriors_of_kind(5);
    double z[2] = {0, 0}, log_q;

    ck_assert_ptr_null(slivi_posterior_create("gauss", t));
    ck_assert_int_eq(slivi__status(), SLIVI_ENAME);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "gaussian-diag"));
    slivi_posterior *q = posteriors_small(6, t, NULL);
    ck_assert_int_eq(slivi_posterior_set_text(q, "bacth", "4"), SLIVI_ENAME);
    ck_assert_int_eq(slivi_posterior_set(q, "batch", 0), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_posterior_fit(q, NULL, 0, NULL, NULL, NULL),
                     SLIVI_EINVAL);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "contexts"));
    posteriors_fit_small(6, q);
    ck_assert_int_eq(slivi_posterior_set_text(q, "batch", "4"), SLIVI_EINVAL);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "batch"));
    ck_assert_int_eq(slivi_posterior_set(q, "rate", 1), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_posterior_draw(q, 1, NULL, 1, z), SLIVI_EINVAL);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "contexts"));
    slivi_posterior_free(q);
    q = posteriors_small(4, plain, NULL);
    posteriors_fit_small(4, q);
    ck_assert_int_eq(slivi_posterior_weigh(q, 1, NULL, 1, 9, z, &log_q),
                     SLIVI_EUNSUPPORTED);
    ck_assert_int_eq(slivi_posterior_log_density(q, 1, NULL, z, 1, 9, &log_q),
                     SLIVI_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "implicit"));
    slivi_posterior_free(q);
    q = posteriors_small(0, plain, NULL);
    posteriors_fit_small(0, q);
    ck_assert_int_eq(slivi_posterior_log_density(q, 1, NULL, z, 1, 0, &log_q),
                     SLIVI_EINVAL);
    slivi_posterior_free(q);
    q = posteriors_make("semi-implicit", t, NULL);
    ck_assert_int_eq(slivi_posterior_set_text(q, "entropy", "ksivi"), 0);
    ck_assert_int_eq(slivi_posterior_fit(q, posteriors_contexts,
                                         POSTERIORS_ROWS, NULL, NULL, NULL),
                     SLIVI_EUNSUPPORTED); /* it would mix contexts */
    slivi_posterior_free(q);
    slivi_target_free(t);
    slivi_target_free(plain);
}
END_TEST

START_TEST(files_are_checked)
{
    slivi_target *t = posteriors_of_kind(0), *amortised = posteriors_of_kind(6);
    posteriors_normal one = {.d = 1, .precision = {1}};
    slivi_target *other = posteriors_target(&one);
    slivi_posterior *q = posteriors_small(0, t, NULL);
    const char *path = scratch_path("q"), *bad = scratch_path("bad");

    posteriors_fit_small(0, q);
    ck_assert_int_eq(slivi_posterior_save(q, path), 0);
    ck_assert_ptr_null(slivi_posterior_load(path, other));
    ck_assert_int_eq(slivi__status(), SLIVI_ESHAPE);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), path));
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "2 dimensions"));
    ck_assert_ptr_null(slivi_posterior_load(path, amortised));
    ck_assert_int_eq(slivi__status(), SLIVI_ESHAPE);
    ck_assert_ptr_null(slivi_posterior_load(bad, t));
    ck_assert_int_eq(slivi__status(), SLIVI_EIO);
    scratch_put(bad, "not a file", 10);
    ck_assert_ptr_null(slivi_posterior_load(bad, t));
    ck_assert_int_eq(slivi__status(), SLIVI_EFORMAT);
    slivi_checkpoint *c = slivi_checkpoint_create();
    ck_assert_int_eq(slivi_checkpoint_write(c, bad), 0);
    slivi_checkpoint_free(c);
    ck_assert_ptr_null(slivi_posterior_load(bad, t));
    ck_assert_int_eq(slivi__status(), SLIVI_EFORMAT);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "not a posterior"));
    q->score_steps = 0; /* counts that cannot be */
    ck_assert_int_eq(slivi_posterior_save(q, path), 0);
    ck_assert_ptr_null(slivi_posterior_load(path, t));
    ck_assert_int_eq(slivi__status(), SLIVI_EFORMAT);
    slivi_posterior_free(q);
    slivi_target_free(t);
    slivi_target_free(amortised);
    slivi_target_free(other);
}
END_TEST

Suite *slivi_suite_posterior_use(void)
{
    Suite *s = suite_create("posterior_use");
    TCase *c = tcase_create("posterior_use");
    TCase *f = tcase_create("posterior_use_files");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, threads_do_not_change_bits, 0, POSTERIORS_KINDS);
    tcase_add_test(c, another_seed_is_another_posterior);
    tcase_add_loop_test(c, options_have_an_effect, 0, OPTION_CASES);
    tcase_add_test(c, steps_grow_and_anneal);
    tcase_add_test(c, contexts_are_taken_evenly);
    tcase_add_loop_test(c, scores_learn_in_every_step, 0, 2);
    tcase_add_test(c, the_latest_of_equals_is_used);
    tcase_add_test(c, annealed_fits_choose_at_the_target);
    tcase_add_test(c, contexts_whiten_together);
    tcase_add_loop_test(c, score_steps_follow_their_gain, 0, 2);
    tcase_add_test(c, patience_ends_a_fit);
    tcase_add_test(c, the_bound_is_minus_kl);
    tcase_add_test(c, what_cannot_be_is_refused);
    suite_add_tcase(s, c);
    tcase_set_timeout(f, 60);
    tcase_add_checked_fixture(f, scratch_open, scratch_close);
    tcase_add_loop_test(f, fits_go_on_bit_for_bit, 0, POSTERIORS_KINDS);
    tcase_add_test(f, files_are_checked);
    tcase_add_loop_test(f, refusals_say_why, 0, 9);
    suite_add_tcase(s, f);
    return s;
}
