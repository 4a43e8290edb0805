/* test_posterior_use.c - what fits do: the same bits, stops and goes on,
   refusals, failures, files, memory.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posteriors.h"
#include "scratch.h"
#include "suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the same bits --------------------------------------------------------- */

enum { ROWS = 5 };
static const double contexts[ROWS] = {-1, -0.3, 0.2, 0.9, 1.4};

static const struct {
    const char *family, *entropy;
    int amortised;
} kinds[] = {{"semi-implicit", "mixture", 0}, {"semi-implicit", "denoising", 0},
             {"semi-implicit", "ksivi", 0},   {"semi-implicit", "stein", 0},
             {"implicit", "ssm-vr", 0},       {"gaussian-full", "closed", 0},
             {"gaussian-full", "closed", 1},  {"semi-implicit", "denoising", 1},
             {"semi-implicit", "mixture", 1}, {"implicit", "ssm-vr", 1},
             {"implicit", "ssge", 0}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static posteriors_normal normal;

static slivi_target *target_of(int kind)
{
    normal = posteriors_plane(0.7, 1.3, 0.4, 0.5);
    normal.slope[0] = 0.5;
    return kinds[kind].amortised ? posteriors_amortised(&normal)
                                 : posteriors_target(&normal);
}

static slivi_posterior *small(int kind, slivi_target *t,
                              const char *const *more)
{
    const char *const options[] = {
        "hidden", "8",  "batch", "16", "mixture", "256", "steps", "24",
        "check",  "4",  "rate",  "0.01", "bound-draws", "50", "entropy",
        kinds[kind].entropy, "whiten", "diagonal", NULL};
    slivi_posterior *q = posteriors_make(kinds[kind].family, t, options);

    for (; more && *more; more += 2)
        ck_assert_int_eq(slivi_posterior_set_text(q, more[0], more[1]), 0);
    return q;
}

static slivi_posterior_progress fit_small(int kind, slivi_posterior *q)
{
    return posteriors_fit(q, kinds[kind].amortised ? contexts : NULL,
                          kinds[kind].amortised ? ROWS : 0);
}

START_TEST(threads_do_not_change_bits)
{
    slivi_target *t = target_of(_i);
    slivi_posterior *q[3];
    slivi_posterior_progress p[3];

    for (int i = 0; i < 3; i++) {
        const char *const threads[3][3] = {{"threads", "1", NULL},
                                           {"threads", "2", NULL},
                                           {"threads", "3", NULL}};
        q[i] = small(_i, t, threads[i]);
        p[i] = fit_small(_i, q[i]);
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
    slivi_target *t = target_of(_i);
    const double *c = kinds[_i].amortised ? contexts : NULL;
    const size_t rows = c ? ROWS : 0;
    slivi_posterior *whole = small(_i, t, NULL), *q = small(_i, t, NULL);
    slivi_posterior_progress p, last;
    size_t at = 8;

    last = fit_small(_i, whole);
    ck_assert_int_eq(last.stopped, 1);
    ck_assert_uint_eq(last.step, 24);
    for (; at <= 16; at += 8) { /* once as it is, once through a file */
        ck_assert_int_eq(slivi_posterior_fit(q, c, rows, stop_at, &at, &p), 0);
        ck_assert_int_eq(p.stopped, 3);
        ck_assert_uint_eq(p.step, at);
    }
    ck_assert_int_eq(posteriors_same(whole, q), 0);
    ck_assert_int_eq(slivi_posterior_save(q, scratch_path("q")), 0);
    slivi_posterior *r = slivi_posterior_load(scratch_path("q"), t);
    ck_assert_msg(r != NULL, "%s", slivi_errmsg());
    ck_assert_int_eq(posteriors_same(q, r), 1);
    p = fit_small(_i, r);
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
    slivi_target *t = target_of(0);
    slivi_posterior *q = small(0, t, NULL), *r = small(0, t, seed);

    fit_small(0, q);
    fit_small(0, r);
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
    } cases[] = {{0, "hidden", "9"},       {0, "activation", "tanh"},
                 {0, "noise", "5"},        {0, "batch", "18"},
                 {0, "grow", "1"},         {0, "mixture", "260"},
                 {4, "slices", "2"},       {1, "score-steps", "3"},
                 {1, "score-rate", "0.5"}, {0, "whiten", "none"},
                 {0, "whiten", "full"}, {0, "anneal", "0.5"},
                 {0, "precision", "f64"},  {0, "rate", "0.02"},
                 {0, "optimizer", "momentum"},  {0, "average", "0"},
                 {0, "clip", "0.001"},     {0, "schedule", "constant"},
                 {0, "warmup", "5"},       {4, "score-rate", "0.5"},
                 {0, "entropy", "ksivi"},  {0, "least", "0.3"}};
    slivi_target *t = target_of(cases[_i].kind);
    const char *const more[] = {cases[_i].name, cases[_i].text, NULL};
    slivi_posterior *q = small(cases[_i].kind, t, NULL);
    slivi_posterior *r = small(cases[_i].kind, t, more);
    char text[64];

    ck_assert_int_eq(slivi_posterior_get(r, more[0], text, sizeof text), 0);
    ck_assert_str_eq(text, more[1]);
    fit_small(cases[_i].kind, q);
    fit_small(cases[_i].kind, r);
    ck_assert_int_eq(posteriors_same(q, r), 0);
    slivi_posterior_free(q);
    slivi_posterior_free(r);
    slivi_target_free(t);
}
END_TEST
enum { OPTION_CASES = 22 };

/* ---- what grows ------------------------------------------------------------ */

START_TEST(steps_grow_and_anneal)
{
    static const char *const options[] = {
        "steps",  "90",  "grow", "5",    "batch",  "3",    "mixture", "6",
        "anneal", "0.2", "beta", "0.04", "whiten", "none", "hidden",  "2", NULL};
    static const double beta[] = {0.04, 0.2, 1, 1};
    static const size_t at[] = {0, 9, 18, 19};
    slivi_target *t = target_of(0);
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

/* Rows of contexts are taken with equal chance. */
START_TEST(contexts_are_taken_evenly)
{
    enum { N = 5000 };
    slivi_target *t = target_of(6);
    slivi_posterior *q = small(6, t, NULL);
    const slivi_run run = slivi__posterior_run(q, N, SLIVI__FOR_STEP, 3);
    static double c[N];
    size_t count[ROWS] = {0};

    slivi__posterior_contexts(q, contexts, ROWS, &run, c);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < ROWS; j++)
            count[j] += c[i] == contexts[j];
    for (size_t j = 0; j < ROWS; j++) /* sd 28 */
        ck_assert_double_le(fabs((double)count[j] - N / ROWS), 120);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* ---- reports --------------------------------------------------------------- */

typedef struct diary {
    size_t looks, best, calls;
    double highest;
    slivi_posterior_progress last;
} diary;

static int write_down(const slivi_posterior_progress *p, void *ctx)
{
    diary *x = ctx;

    ck_assert_uint_eq(p->step, 4 * ++x->looks);
    if (x->looks == 1 || p->bound > x->highest) {
        x->highest = p->bound;
        x->best = x->looks;
    }
    ck_assert_double_eq(p->best, x->highest);
    x->last = *p;
    return 0;
}

START_TEST(patience_ends_a_fit)
{
    static const char *const options[] = {
        "steps", "4000", "patience", "3", "batch", "2", "rate", "0.3",
        "average", "0", "schedule", "constant", NULL};
    slivi_target *t = target_of(5);
    slivi_posterior *q = small(5, t, options);
    slivi_posterior_progress p;
    diary x = {0};

    ck_assert_int_eq(slivi_posterior_fit(q, NULL, 0, write_down, &x, &p), 0);
    ck_assert_int_eq(p.stopped, 2);
    ck_assert_int_eq(x.last.stopped, 2);
    ck_assert_uint_eq(x.looks, x.best + 3);
    ck_assert_uint_lt(p.step, 4000);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* The bound is -KL, and its standard error that of the draws. */
START_TEST(the_bound_is_minus_kl)
{
    static const char *const options[] = {
        "precision", "f64",  "steps", "1",    "rate",   "1e-6",
        "average",   "0",    "bound-draws", "20000", "whiten", "diagonal",
        NULL};
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

/* ---- refusals -------------------------------------------------------------- */

START_TEST(refusals_say_why)
{
    static const struct {
        const char *family, *option, *text, *words;
        int status;
    } cases[] = {
        {"semi-implicit", "entropy", "closed", "Gaussian", SLIVI_EUNSUPPORTED},
        {"implicit", "entropy", "closed", "Gaussian", SLIVI_EUNSUPPORTED},
        {"implicit", "entropy", "mixture", "semi-implicit",
         SLIVI_EUNSUPPORTED},
        {"gaussian-full", "entropy", "denoising", "semi-implicit",
         SLIVI_EUNSUPPORTED},
        {"gaussian-diag", "entropy", "ksivi", "semi-implicit",
         SLIVI_EUNSUPPORTED},
        {"implicit", "noise", "1", "1 columns of noise", SLIVI_EUNSUPPORTED},
        {"semi-implicit", "noise", "1", "2 dimensions", SLIVI_EUNSUPPORTED},
        {"implicit", "activation", "relu", "relu", SLIVI_EUNSUPPORTED},
        {"gaussian-diag", "steps", "0", "steps", SLIVI_EINVAL},
    };
    slivi_target *t = target_of(0);
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
    slivi_target *t = target_of(6), *plain = target_of(5);
    double z[2] = {0, 0}, log_q;

    ck_assert_ptr_null(slivi_posterior_create("gauss", t));
    ck_assert_int_eq(slivi__status(), SLIVI_ENAME);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "gaussian-diag"));
    slivi_posterior *q = small(6, t, NULL);
    ck_assert_int_eq(slivi_posterior_set_text(q, "bacth", "4"), SLIVI_ENAME);
    ck_assert_int_eq(slivi_posterior_set(q, "batch", 0), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_posterior_fit(q, NULL, 0, NULL, NULL, NULL),
                     SLIVI_EINVAL);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "contexts"));
    fit_small(6, q);
    ck_assert_int_eq(slivi_posterior_set_text(q, "batch", "4"), SLIVI_EINVAL);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "batch"));
    ck_assert_int_eq(slivi_posterior_set(q, "rate", 1), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_posterior_draw(q, 1, NULL, 1, z), SLIVI_EINVAL);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "contexts"));
    slivi_posterior_free(q);
    q = small(4, plain, NULL);
    fit_small(4, q);
    ck_assert_int_eq(slivi_posterior_weigh(q, 1, NULL, 1, 9, z, &log_q),
                     SLIVI_EUNSUPPORTED);
    ck_assert_int_eq(
        slivi_posterior_log_density(q, 1, NULL, z, 1, 9, &log_q),
        SLIVI_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "implicit"));
    slivi_posterior_free(q);
    q = small(0, plain, NULL);
    fit_small(0, q);
    ck_assert_int_eq(
        slivi_posterior_log_density(q, 1, NULL, z, 1, 0, &log_q),
        SLIVI_EINVAL);
    slivi_posterior_free(q);
    slivi_target_free(t);
    slivi_target_free(plain);
}
END_TEST

START_TEST(files_are_checked)
{
    slivi_target *t = target_of(0), *amortised = target_of(6);
    posteriors_normal one = {.d = 1, .precision = {1}};
    slivi_target *other = posteriors_target(&one);
    slivi_posterior *q = small(0, t, NULL);
    const char *path = scratch_path("q"), *bad = scratch_path("bad");

    fit_small(0, q);
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
    slivi_posterior_free(q);
    slivi_target_free(t);
    slivi_target_free(amortised);
    slivi_target_free(other);
}
END_TEST

/* ---- targets that fail ----------------------------------------------------- */

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
    static const char *const options[] = {"whiten", "none", "check", "100",
                                          "score-steps", "1", NULL};
    static const int kind[] = {0, 1, 4, 5};
    wild w = {.p = posteriors_plane(1, 1, 0, 0.3), .last = SIZE_MAX,
              .wall = -INFINITY};
    slivi_target *t = slivi_target_create(2, wild_density, &w);
    slivi_posterior *q = small(kind[_i], t, options);
    slivi_posterior *whole = small(kind[_i], t, options);
    slivi_posterior_progress p;

    fit_small(kind[_i], whole);
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
    ck_assert_msg(strstr(slivi_errmsg(), "z[2]") != NULL, "%s",
                  slivi_errmsg());
    ck_assert_uint_eq(slivi_learner_steps(q->learner), step);
    w.last = SIZE_MAX;
    fit_small(kind[_i], q);
    ck_assert_int_eq(posteriors_same(q, whole), 1);
    slivi_posterior_free(q);
    slivi_posterior_free(whole);
    slivi_target_free(t);
}
END_TEST

START_TEST(refused_draws_are_counted_and_push_nothing)
{
    static const char *const options[] = {
        "whiten", "none", "precision", "f64", "average", "0", "batch", "64",
        "grow", "1", "optimizer", "momentum", "rate", "1e-6", NULL};
    wild w = {.p = posteriors_plane(1, 1, 0, 0), .last = SIZE_MAX,
              .wall = -0.5};
    slivi_target *t = slivi_target_create(2, wild_density, &w);
    slivi_posterior *q = small(5, t, options);
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

/* ---- memory ---------------------------------------------------------------- */

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
    static const char *const options[] = {"grow", "1", NULL};
    calls x = {.memory = scratch_watch(0)};
    slivi_target *t = target_of(_i);
    slivi_posterior *q = small(_i, t, options);
    const int amortised = kinds[_i].amortised;
    double z[2 * 70], c[70] = {0}, log_q[70];

    ck_assert_msg(slivi_posterior_fit(q, amortised ? contexts : NULL, ROWS,
                                      count_calls, &x, NULL)
                      == 0,
                  "%s", slivi_errmsg());
    ck_assert_uint_ge(x.looks, 5);
    ck_assert_int_eq(slivi_posterior_draw(q, 70, c, 1, z), 0);
    if (strcmp(kinds[_i].family, "implicit")) {
        ck_assert_int_eq(slivi_posterior_weigh(q, 70, c, 1, 16, z, log_q), 0);
        ck_assert_int_eq(
            slivi_posterior_log_density(q, 70, c, z, 1, 16, log_q), 0);
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
        "hidden", "2", "batch", "2", "mixture", "1024", "steps", "2", "check",
        "2", "bound-draws", "2", "entropy", kinds[kind].entropy, NULL};
    slivi_posterior *q = slivi_posterior_create(kinds[kind].family, t), *r;
    const double *c = kinds[kind].amortised ? contexts : NULL;
    int status = q ? 0 : slivi__status();

    for (size_t i = 0; options[i] && !status; i += 2)
        status = slivi_posterior_set_text(q, options[i], options[i + 1]);
    if (!status)
        status = slivi_posterior_fit(q, c, c ? ROWS : 0, NULL, NULL, NULL);
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
    slivi_target *t = target_of(kind[_i]);
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

Suite *slivi_suite_posterior_use(void)
{
    Suite *s = suite_create("posterior_use");
    TCase *c = tcase_create("posterior_use");
    TCase *f = tcase_create("posterior_use_files");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, threads_do_not_change_bits, 0, KINDS);
    tcase_add_test(c, another_seed_is_another_posterior);
    tcase_add_loop_test(c, options_have_an_effect, 0, OPTION_CASES);
    tcase_add_test(c, steps_grow_and_anneal);
    tcase_add_test(c, contexts_are_taken_evenly);
    tcase_add_test(c, patience_ends_a_fit);
    tcase_add_test(c, the_bound_is_minus_kl);
    tcase_add_test(c, what_cannot_be_is_refused);
    tcase_add_loop_test(c, what_is_not_finite_is_named, 0, 4);
    tcase_add_test(c, refused_draws_are_counted_and_push_nothing);
    tcase_add_loop_test(c, steps_and_looks_allocate_nothing, 0, KINDS);
    suite_add_tcase(s, c);
    tcase_set_timeout(f, 60);
    tcase_add_checked_fixture(f, scratch_open, scratch_close);
    tcase_add_loop_test(f, fits_go_on_bit_for_bit, 0, KINDS);
    tcase_add_test(f, files_are_checked);
    tcase_add_loop_test(f, refusals_say_why, 0, 9);
    tcase_add_loop_test(f, every_allocation_may_fail, 0, 5);
    suite_add_tcase(s, f);
    return s;
}
