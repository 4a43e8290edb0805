/* test_target.c - what all targets share: counts, refusals, failures, threads,
   and the check of a gradient.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "chains.h"
#include "evidence.h"
#include "scratch.h"
#include "slivi/target.h"
#include "suites.h"
#include "target_inside.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { D = CHAINS_KNOTTY, N = 333 };

/* -- densities ------------------------------------------------------------- */

/* N(0, I) where x_0 < 2, else what `there` says. */
struct walled {
    double there;      /* lp */
    double gradient;   /* of component 1 */
    int status;        /* where x_0 < -2 */
    const char *words; /* the message with it, or NULL */
    size_t calls, rows, most;
};

static int walled(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    struct walled *w = ctx;

    w->calls++;
    w->rows += n;
    w->most = n > w->most ? n : w->most;
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        lp[i] = 0;
        for (size_t j = 0; j < d; j++) {
            lp[i] -= 0.5 * x[j] * x[j];
            grad[j] = -x[j];
        }
        if (x[0] >= 2) {
            lp[i] = w->there;
            grad[1] = w->gradient;
        }
        if (x[0] < -2 && w->status != 0)
            return w->words != NULL ? slivi__fail(SLIVI_EFORMAT, "%s", w->words)
                                    : w->status;
    }
    return 0;
}

static slivi_target *make(struct walled *w)
{
    slivi_target *t = slivi_target_create(2, walled, w);

    ck_assert_ptr_nonnull(t);
    return t;
}

static void check_words(const char *words)
{
    ck_assert_msg(strstr(slivi_errmsg(), words) != NULL, "%s", slivi_errmsg());
}

/* -- evaluation ------------------------------------------------------------ */

START_TEST(test_counts)
{
    static double z[N * D], lp[N], grad[N * D], alone[N], want[N * D];
    slivi_target *t = slivi_target_create(D, chains_knotty, NULL);

    evidence_draw(1, 0, N, D, z);
    ck_assert_uint_eq(slivi_target_dim(t), D);
    ck_assert_uint_eq(slivi_target_outside_dim(t), D);
    ck_assert_uint_eq(slivi_target_context(t), 0);
    ck_assert_uint_eq(slivi_target_rows(t), 0);
    ck_assert_str_eq(slivi_target_name(t, 0), "z[1]");
    ck_assert_str_eq(slivi_target_name(t, 2), "z[3]");
    ck_assert_ptr_null(slivi_target_name(t, 3));
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp, grad), 0);
    chains_knotty(N, D, z, alone, want, NULL);
    ck_assert_mem_eq(lp, alone, sizeof lp);
    ck_assert_mem_eq(grad, want, sizeof grad);
    memset(lp, 0, sizeof lp);
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp, NULL), 0);
    ck_assert_mem_eq(lp, alone, sizeof lp);
    ck_assert_int_eq(slivi_target_eval(t, 0, NULL, NULL, NULL, NULL), 0);
    ck_assert_uint_eq(slivi_target_evaluated(t), 2 * N);
    ck_assert_uint_eq(slivi_target_refused(t), 0);
    ck_assert_str_eq(slivi_target_refusal(t), "");
    ck_assert_int_eq(slivi_target_outside(t, N, z, want), 0);
    ck_assert_mem_eq(want, z, sizeof z);
    ck_assert_int_eq(slivi_target_inside(t, N, z, grad), 0);
    ck_assert_mem_eq(grad, z, sizeof z);
    ck_assert_int_eq(slivi_target_part(t, 7), 0);
    slivi_target_free(t);
    slivi_target_free(NULL);
    ck_assert_ptr_null(slivi_target_create(0, chains_knotty, NULL));
    ck_assert_int_eq(slivi__status(), SLIVI_EINVAL);
}
END_TEST

/* Every size of call is cut into blocks that hold each row once. */
START_TEST(test_blocks)
{
    static const size_t sizes[] = {1, 15, 16, 17, 500, 1023, 1024, 1025, 5000};
    static double z[5000 * 2], lp[5001], grad[5000 * 2];
    struct walled w = {.there = -INFINITY};
    slivi_target *t = make(&w);

    evidence_draw(1, 0, 5000, 2, z);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const size_t n = sizes[k];

        w.rows = w.most = w.calls = 0;
        lp[n] = 77;
        ck_assert_int_eq(slivi_target_eval(t, n, z, NULL, lp, grad), 0);
        ck_assert_uint_eq(w.rows, n);
        ck_assert_uint_le(w.most, 64);
        ck_assert_uint_ge(w.most, n < 64 * 16 ? n / 16 : 64);
        ck_assert_double_eq(lp[n], 77);
        for (size_t i = 0; i < n; i++)
            if (z[2 * i] < 2)
                ck_assert_double_eq_tol(
                    lp[i],
                    -0.5 * (z[2 * i] * z[2 * i] + z[2 * i + 1] * z[2 * i + 1]),
                    1e-14);
            else
                ck_assert(lp[i] == -INFINITY && grad[2 * i] == 0
                          && grad[2 * i + 1] == 0);
    }
    slivi_target_free(t);
}
END_TEST

START_TEST(test_zero_density)
{
    const double z[] = {0, 1, 3, 1, 2, 2, 1, 1};
    struct walled w = {.there = -INFINITY, .gradient = NAN};
    slivi_target *t = make(&w);
    double lp[4], grad[8];

    ck_assert_int_eq(slivi_target_eval(t, 4, z, NULL, lp, grad), 0);
    ck_assert(lp[1] == -INFINITY && lp[2] == -INFINITY);
    ck_assert_double_eq(lp[3], -1);
    ck_assert(grad[2] == 0 && grad[3] == 0 && grad[4] == 0 && grad[5] == 0);
    ck_assert_double_eq(grad[1], -1);
    ck_assert_uint_eq(slivi_target_refused(t), 2);
    ck_assert_uint_eq(slivi_target_evaluated(t), 4);
    slivi_target_free(t);
}
END_TEST

static const struct {
    struct walled w;
    const char *words;
} nonfinite[] = {
    {{.there = NAN},
     "the log density is NaN at point 1 (z[1] = 3, z[2] = 0.25)"},
    {{.there = INFINITY}, "the log density is infinite at point 1"},
    {{.there = 0, .gradient = NAN},
     "the gradient in z[2] is NaN at point 1 (z[1] = 3, z[2] = 0.25)"},
    {{.there = 0, .gradient = -INFINITY},
     "the gradient in z[2] is minus infinite at point 1"},
};
enum { NONFINITE = sizeof nonfinite / sizeof nonfinite[0] };

/* An error for those who ask; for a sampler, a point that cannot be had. */
START_TEST(test_nonfinite)
{
    const double z[] = {0, 1, 3, 0.25, 1, 1};
    struct walled w = nonfinite[_i].w;
    slivi_target *t = make(&w);
    double lp[3], grad[6];

    ck_assert_int_eq(slivi_target_eval(t, 3, z, NULL, lp, grad),
                     SLIVI_ENONFINITE);
    check_words(nonfinite[_i].words);
    ck_assert_uint_eq(slivi_target_refused(t), 1);
    ck_assert_int_eq(slivi_target_eval(t, 3, z, NULL, lp, NULL),
                     _i < 2 ? SLIVI_ENONFINITE : 0);

    ck_assert_int_eq(slivi_target_log_density(3, 2, z, lp, grad, t), 0);
    ck_assert(isnan(lp[1]) && grad[2] == 0 && grad[3] == 0);
    ck_assert(lp[0] == -0.5 && lp[2] == -1 && grad[5] == -1);
    ck_assert_msg(strstr(slivi_target_refusal(t), nonfinite[_i].words) != NULL,
                  "%s", slivi_target_refusal(t));
    slivi_target_free(t);
}
END_TEST

START_TEST(test_bad_points)
{
    const double z[] = {0, 1, NAN, 0.25};
    struct walled w = {0};
    slivi_target *t = make(&w);
    double lp[2], grad[4];

    ck_assert_int_eq(slivi_target_eval(t, 2, z, NULL, lp, grad),
                     SLIVI_ENONFINITE);
    check_words("point 1 has z[1] NaN");
    ck_assert_uint_eq(w.calls, 0);
    ck_assert_int_eq(slivi_target_log_density(2, 3, z, lp, grad, t),
                     SLIVI_ESHAPE);
    slivi_target_free(t);
}
END_TEST

/* What a callback does not set is no density. */
static int lazy(size_t n, size_t d, const double *x, double *lp, double *grad,
                void *ctx)
{
    (void)x, (void)ctx;
    for (size_t i = 0; i < n; i++)
        lp[i] = grad[i * d] = 0;
    return 0;
}

static int idle(size_t n, size_t d, const double *x, double *lp, double *grad,
                void *ctx)
{
    (void)n, (void)d, (void)x, (void)lp, (void)grad, (void)ctx;
    return 0;
}

START_TEST(test_unset)
{
    const double z[2] = {0};
    double lp = 0, grad[2] = {0};
    slivi_target *t = slivi_target_create(2, idle, NULL);

    ck_assert_int_eq(slivi_target_eval(t, 1, z, NULL, &lp, grad),
                     SLIVI_ENONFINITE);
    ck_assert_int_eq(slivi_target_eval(t, 1, z, NULL, &lp, NULL),
                     SLIVI_ENONFINITE);
    slivi_target_free(t);
    t = slivi_target_create(2, lazy, NULL);
    lp = grad[0] = grad[1] = 0;
    ck_assert_int_eq(slivi_target_eval(t, 1, z, NULL, &lp, grad),
                     SLIVI_ENONFINITE);
    check_words("z[2] is NaN");
    slivi_target_free(t);
}
END_TEST

/* -- failures -------------------------------------------------------------- */

START_TEST(test_callback_fails)
{
    const double z[] = {0, 1, -3, 1};
    struct walled w = {.status = 42};
    slivi_target *t = make(&w);
    double lp[2], grad[4];

    ck_assert_int_eq(slivi_target_eval(t, 2, z, NULL, lp, grad),
                     SLIVI_ECALLBACK);
    check_words("log density returned 42");
    w.words = "the file is gone";
    ck_assert_int_eq(slivi_target_eval(t, 2, z, NULL, lp, grad),
                     SLIVI_ECALLBACK);
    check_words("log density: the file is gone");
    ck_assert_int_eq(slivi_target_log_density(2, 2, z, lp, grad, t),
                     SLIVI_ECALLBACK);
    ck_assert_int_eq(slivi_target_check_gradient(t, 2, z, NULL, NULL),
                     SLIVI_ECALLBACK);
    slivi_target_free(t);
}
END_TEST

static void count_release(void *ctx)
{
    ++*(int *)ctx;
}

START_TEST(test_owned)
{
    struct walled w = {0};
    int released = 0;
    slivi_target *t = make(&w);

    slivi_target_own(t, count_release, &released);
    ck_assert_int_eq(released, 0);
    slivi_target_free(t);
    ck_assert_int_eq(released, 1);
}
END_TEST

/* Creation fails at every allocation, and leaves nothing behind; what follows
   allocates nothing. */
START_TEST(test_memory)
{
    static double z[N * D], lp[N], grad[N * D];
    static const slivi_parameter p[] = {{.name = "x", .count = 2},
                                        {.name = "y", .support = "lower"}};
    scratch_memory *m = scratch_watch(0);
    size_t needed = 0, calls;
    slivi_target *t = NULL;

    for (size_t at = 1; t == NULL; at++) {
        m->calls = 0;
        m->fail_at = at;
        t = _i == 0   ? slivi_target_create(D, chains_knotty, NULL)
            : _i == 1 ? slivi_target_create_on(2, p, chains_knotty, NULL)
                      : slivi_target_create_parts(2, p, 10, 3, 1, NULL, NULL);
        needed = at;
        ck_assert_uint_lt(at, 30);
        if (t == NULL) {
            ck_assert_int_eq(slivi__status(), SLIVI_ENOMEM);
            ck_assert_uint_eq(m->live, 0);
        }
    }
    ck_assert_uint_gt(needed, 3);
    m->fail_at = 0;
    calls = m->calls;
    evidence_draw(1, 0, N, D, z);
    if (_i < 2) {
        ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp, grad), 0);
        ck_assert_int_eq(slivi_target_eval(t, 5, z, NULL, lp, NULL), 0);
    } else {
        ck_assert_int_eq(slivi_target_part(t, 5), 0);
    }
    ck_assert_uint_eq(m->calls, calls);
    slivi_target_free(t);
    ck_assert_uint_eq(m->live, 0);
    scratch_unwatch();
}
END_TEST

/* -- threads --------------------------------------------------------------- */

/* A row's value depends on the rows beside it, as with a product of matrices:
   the cut must not depend on the pool. */
static int neighbourly(size_t n, size_t d, const double *x, double *lp,
                       double *grad, void *ctx)
{
    const int status = chains_knotty(n, d, x, lp, grad, ctx);

    for (size_t i = 0; i < n; i++) {
        lp[i] += 1e-3 * x[(n - 1 - i) * d];
        grad[i * d] += 1e-9 * (double)n;
    }
    return status;
}

START_TEST(test_threads)
{
    static double z[N * D], lp[N], grad[N * D], lp3[N], grad3[N * D];
    slivi_pool *pool = slivi_pool_create(3);
    slivi_target *t = slivi_target_create(D, neighbourly, NULL);

    evidence_draw(1, 0, N, D, z);
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp, grad), 0);
    ck_assert_int_eq(slivi_target_set_pool(t, pool), 0);
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp3, grad3), 0);
    ck_assert_mem_eq(lp, lp3, sizeof lp);
    ck_assert_mem_eq(grad, grad3, sizeof grad);
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp3, NULL), 0);
    ck_assert_mem_eq(lp, lp3, sizeof lp);
    ck_assert_int_eq(slivi_target_set_pool(t, NULL), 0);
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp3, grad3), 0);
    ck_assert_mem_eq(grad, grad3, sizeof grad);
    ck_assert_uint_eq(slivi_target_evaluated(t), 4 * N);
    slivi_target_free(t);
    slivi_pool_free(pool);
}
END_TEST

static int picky(size_t n, size_t d, const double *x, double *lp, double *grad,
                 void *ctx)
{
    (void)d, (void)ctx;
    for (size_t i = 0; i < n; i++) {
        lp[i] = grad[i] = 0;
        if (x[i] > 100)
            return slivi__fail(SLIVI_EINVAL, "row %g", x[i]);
        if (x[i] > 50)
            lp[i] = NAN;
    }
    return 0;
}

/* Blocks do go to other threads; without a pool, to none. */
struct callers {
    pthread_t home;
    int strangers; /* calls from other threads */
    pthread_mutex_t lock;
};

static int slow(size_t n, size_t d, const double *x, double *lp, double *grad,
                void *ctx)
{
    const struct timespec pause = {0, 2000000};
    struct callers *c = ctx;

    pthread_mutex_lock(&c->lock);
    c->strangers += !pthread_equal(pthread_self(), c->home);
    pthread_mutex_unlock(&c->lock);
    nanosleep(&pause, NULL);
    return chains_harmonic(n, d, x, lp, grad, NULL);
}

START_TEST(test_threads_work)
{
    struct callers c = {pthread_self(), 0, PTHREAD_MUTEX_INITIALIZER};
    slivi_pool *pool = slivi_pool_create(3);
    slivi_target *t = slivi_target_create(1, slow, &c);
    const double z[16] = {0};
    double lp[16];

    ck_assert_int_eq(slivi_target_eval(t, 16, z, NULL, lp, NULL), 0);
    ck_assert_int_eq(c.strangers, 0);
    ck_assert_int_eq(slivi_target_set_pool(t, pool), 0);
    ck_assert_int_eq(slivi_target_eval(t, 16, z, NULL, lp, NULL), 0);
    ck_assert_int_gt(c.strangers, 0);
    c.strangers = 0;
    ck_assert_int_eq(slivi_target_set_pool(t, NULL), 0);
    ck_assert_int_eq(slivi_target_eval(t, 16, z, NULL, lp, NULL), 0);
    ck_assert_int_eq(c.strangers, 0);
    slivi_target_free(t);
    slivi_pool_free(pool);
}
END_TEST

/* The first failure by row, and its words, whoever met it. */
START_TEST(test_threads_fail)
{
    static double z[N], lp[N], grad[N];
    slivi_pool *pool = slivi_pool_create(3);
    slivi_target *t = slivi_target_create(1, picky, NULL);

    ck_assert_int_eq(slivi_target_set_pool(t, pool), 0);
    for (size_t i = 0; i < N; i++)
        z[i] = i >= 40 ? 200 + (double)i : 0;
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp, grad),
                     SLIVI_ECALLBACK);
    check_words("row 240");
    for (size_t i = 0; i < N; i++)
        z[i] = i >= 40 && i % 3 == 0 ? 60 : 0;
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp, grad),
                     SLIVI_ENONFINITE);
    check_words("at point 42 (z[1] = 60)");
    slivi_target_free(t);
    slivi_pool_free(pool);
}
END_TEST

/* -- the check of a gradient ----------------------------------------------- */

/* x_0^3 sin(x_1) - cosh(x_0) - x_1^4 / 4 + `level`, in units of `scale`; with
   a fault. */
struct faulty {
    int fault;
    double scale, level;
};
enum { RIGHT, SIGN, FACTOR, TERM, CROSS, TINY };

static int faulty(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    const struct faulty *f = ctx;

    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        const double a = x[0] / f->scale, b = x[1] / f->scale;

        lp[i] = a * a * a * sin(b) - cosh(a) - b * b * b * b / 4 + f->level;
        grad[0] = 3 * a * a * sin(b) - (f->fault == TERM ? 0 : sinh(a));
        grad[1] = (f->fault == CROSS ? 0 : a * a * a * cos(b)) - b * b * b;
        if (f->fault == SIGN)
            grad[1] = -grad[1];
        if (f->fault == FACTOR)
            grad[0] *= 2;
        if (f->fault == TINY)
            grad[1] *= 1.001;
        grad[0] /= f->scale;
        grad[1] /= f->scale;
    }
    return 0;
}

static const struct {
    double scale, level;
} units[] = {{1, 0}, {1e-3, 0}, {1e3, -50}, {1, -5000}, {0.03, 1e5}, {1, 1e9}};
enum { UNITS = sizeof units / sizeof units[0] };

START_TEST(test_check)
{
    for (int fault = RIGHT; fault <= TINY; fault++) {
        struct faulty f = {fault, units[_i].scale, units[_i].level};
        slivi_target *t = slivi_target_create(2, faulty, &f);
        double z[20];
        slivi_target_check c;

        evidence_draw(1, 0, 10, 2, z);
        for (size_t i = 0; i < 20; i++)
            z[i] *= f.scale;
        if (fault == RIGHT) {
            ck_assert_msg(slivi_target_check_gradient(t, 10, z, NULL, &c) == 0,
                          "%s", slivi_errmsg());
            ck_assert_double_lt(c.error, 1e-5);
            ck_assert_double_ge(c.error, 0);
        } else if (fault != TINY || (f.scale <= 1 && f.level < 1e6)) {
            ck_assert_int_eq(slivi_target_check_gradient(t, 10, z, NULL, &c),
                             SLIVI_EINVAL);
            ck_assert_double_gt(c.error, 1e-4);
            ck_assert_uint_lt(c.point, 10);
            ck_assert_double_ne(c.gradient, c.difference);
            ck_assert_uint_eq(c.component,
                              fault == FACTOR || fault == TERM ? 0 : 1);
            check_words(c.component == 0 ? "in z[1]" : "in z[2]");
        }
        slivi_target_free(t);
    }
}
END_TEST

/* Beside a wall, where a larger step would leave the support. */
START_TEST(test_check_wall)
{
    const double near[] = {1.999, 0.5}, out[] = {2.5, 0};
    struct walled w = {.there = -INFINITY};
    slivi_target *t = make(&w);
    slivi_target_check c = {0};

    ck_assert_int_eq(slivi_target_check_gradient(t, 1, near, NULL, &c), 0);
    ck_assert_double_lt(c.error, 1e-6);
    ck_assert_int_eq(slivi_target_check_gradient(t, 1, out, NULL, &c),
                     SLIVI_ENONFINITE);
    check_words("the density is 0 at point 0");
    w.there = NAN;
    ck_assert_int_eq(slivi_target_check_gradient(t, 1, near, NULL, NULL), 0);
    ck_assert_int_eq(slivi_target_check_gradient(t, 1, out, NULL, &c),
                     SLIVI_ENONFINITE);
    ck_assert_int_eq(slivi_target_check_gradient(t, 0, out, NULL, &c),
                     SLIVI_EINVAL);
    slivi_target_free(t);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *slivi_suite_target(void)
{
    Suite *s = suite_create("target");
    TCase *c = tcase_create("evaluation");

    tcase_add_test(c, test_counts);
    tcase_add_test(c, test_blocks);
    tcase_add_test(c, test_zero_density);
    tcase_add_loop_test(c, test_nonfinite, 0, NONFINITE);
    tcase_add_test(c, test_bad_points);
    tcase_add_test(c, test_unset);
    suite_add_tcase(s, c);
    c = tcase_create("failures");
    tcase_add_test(c, test_callback_fails);
    tcase_add_test(c, test_owned);
    tcase_add_loop_test(c, test_memory, 0, 3);
    suite_add_tcase(s, c);
    c = tcase_create("threads");
    tcase_add_test(c, test_threads);
    tcase_add_test(c, test_threads_work);
    tcase_add_test(c, test_threads_fail);
    suite_add_tcase(s, c);
    c = tcase_create("gradient");
    tcase_add_loop_test(c, test_check, 0, UNITS);
    tcase_add_test(c, test_check_wall);
    suite_add_tcase(s, c);
    return s;
}
