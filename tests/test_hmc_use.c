/* test_hmc_use.c - how Hamiltonian Monte Carlo behaves as a function: calls,
   values that are not finite, failures, memory.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "chains.h"
#include "evidence.h"
#include "scratch.h"
#include "slivi/hmc.h"
#include "suites.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { D = CHAINS_KNOTTY, N = 4 };

/* -- as a function --------------------------------------------------------- */

/* Chains in one call, or some in one and the rest in others. */
START_TEST(test_split)
{
    enum { CHAINS = 13 };
    static struct chains all, some;
    slivi_hmc how = chains_fixed(5, 0.4);

    chains_seat(&all, CHAINS, D);
    evidence_draw(2, 0, CHAINS, D, all.x);
    chains_start(&all, chains_knotty, NULL);
    how.at.row = 100;
    chains_go(&all, chains_knotty, NULL, how, 0, 8);
    for (size_t first = 0, n; first < CHAINS; first += n) {
        n = first + 5 < CHAINS ? 5 : CHAINS - first;
        chains_seat(&some, n, D);
        evidence_draw(2, 0, CHAINS, D, some.x);
        memmove(some.x, some.x + first * D, n * D * sizeof *some.x);
        chains_start(&some, chains_knotty, NULL);
        how.at.row = 100 + first;
        chains_go(&some, chains_knotty, NULL, how, 0, 8);
        ck_assert_mem_eq(some.x, all.x + first * D, n * D * sizeof *some.x);
        ck_assert_mem_eq(some.lp, all.lp + first, n * sizeof *some.lp);
        ck_assert_mem_eq(some.accept, all.accept + first,
                         n * sizeof *some.accept);
    }
    /* another seed, stream or number is another chain */
    for (int other = 0; other < 3; other++) {
        how = chains_fixed(5, 0.4);
        how.at.row = 100 + (other == 0);
        how.at.seed += other == 1;
        how.at.stream += other == 2;
        chains_seat(&some, 1, D);
        evidence_draw(2, 0, 1, D, some.x);
        chains_start(&some, chains_knotty, NULL);
        chains_go(&some, chains_knotty, NULL, how, 0, 8);
        ck_assert_mem_ne(some.x, all.x, D * sizeof *some.x);
    }
}
END_TEST

/* exp(-x'x/2) within |x_0| < 1; outside it is `value`, or the gradient is. */
struct fence {
    double value;
    int gradient;
    size_t outside, wild; /* rows, and entries that are not finite */
};

static int fenced(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    struct fence *f = ctx;

    chains_harmonic(n, d, x, lp, grad, NULL);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < d; j++)
            f->wild += isfinite(x[i * d + j]) == 0;
        if (fabs(x[i * d]) < 1)
            continue;
        f->outside++;
        if (f->gradient)
            grad[i * d + d - 1] = f->value;
        else
            lp[i] = f->value;
    }
    return 0;
}

/* Trajectories that leave the fence, even to come back, are rejected, which
   keeps the truncated Gaussian: E x_0^2 = 1 - 2 phi(1) / (2 Phi(1) - 1). */
START_TEST(test_lost)
{
    enum { CHAINS = 10000 };
    static const double values[] = {-INFINITY, NAN, INFINITY, NAN, INFINITY};
    static struct chains m;
    static double f[CHAINS];
    struct fence fence = {.value = values[_i], .gradient = _i > 2};
    const slivi_hmc how = chains_fixed(3, 0.5);
    size_t wrong = 0;
    const double want = 1 - 2 * exp(-0.5) / sqrt(2 * acos(-1)) / erf(sqrt(0.5));

    chains_seat(&m, CHAINS, 2);
    memset(m.x, 0, sizeof m.x);
    chains_start(&m, fenced, &fence);
    const slivi_hmc_report r = chains_go(&m, fenced, &fence, how, 0, 25);
    ck_assert_uint_gt(fence.outside, CHAINS);
    ck_assert_uint_gt(r.lost, CHAINS / 10);
    ck_assert_uint_gt(r.moved, CHAINS / 10);
    ck_assert_uint_le(r.lost + r.moved, CHAINS);
    for (size_t i = 0; i < CHAINS; i++) {
        wrong += !(fabs(m.x[2 * i]) < 1) || !isfinite(m.lp[i]);
        f[i] = m.x[2 * i] * m.x[2 * i];
    }
    ck_assert_uint_eq(fence.wild + wrong, 0);
    chains_check_mean("square within", CHAINS, f, want);
    for (size_t i = 0; i < CHAINS; i++)
        f[i] = m.x[2 * i + 1] * m.x[2 * i + 1];
    chains_check_mean("square beside", CHAINS, f, 1);
}
END_TEST

static int flat(size_t n, size_t d, const double *x, double *lp, double *grad,
                void *ctx)
{
    size_t *wild = ctx;

    for (size_t i = 0; i < n; i++)
        lp[i] = 0;
    for (size_t i = 0; i < n * d; i++) {
        grad[i] = 0;
        *wild += isfinite(x[i]) == 0;
    }
    return 0;
}

/* Where nothing else is amiss, and in the second dimension. */
START_TEST(test_far)
{
    static const double x[] = {1, 1, 1, 1.5e308}, p[] = {1, 1e10, 1, 1.5e308};
    static const double eps[] = {1e300, 1};
    static struct chains m;
    double to[2];
    size_t wild = 0;

    for (size_t i = 0; i < 2; i++) {
        const slivi_hmc how = chains_fixed(3, eps[i]);

        chains_seat(&m, 1, 2);
        memcpy(m.x, x + 2 * i, sizeof to);
        memcpy(to, p + 2 * i, sizeof to);
        chains_start(&m, flat, &wild);
        ck_assert_int_eq(slivi_hmc_leapfrog(&m.chains, to, flat, &wild, &how),
                         0);
        ck_assert(isnan(m.lp[0]));
        ck_assert_mem_eq(m.x, x + 2 * i, sizeof to);
        ck_assert_uint_eq(wild, 0);
    }
}
END_TEST

/* Steps that overflow: the callback never sees what is not finite. */
START_TEST(test_overflow)
{
    static struct chains m;
    struct fence fence = {.value = -INFINITY};
    slivi_hmc_report r;

    chains_seat(&m, N, 2);
    memset(m.x, 0, sizeof m.x);
    chains_start(&m, fenced, &fence);
    r = chains_go(&m, fenced, &fence, chains_fixed(5, 1e308), 0, 2);
    ck_assert_uint_eq(r.lost, N);
    ck_assert_uint_eq(r.moved, 0);
    ck_assert_double_eq(r.accept, 0);
    for (size_t i = 0; i < 2 * N; i++)
        ck_assert_double_eq(m.x[i], 0);
    /* the trajectory alone says so by lp */
    double p[2 * N] = {1, 1, 0.1, 0.1, -1, 1, 0, 0};
    slivi_hmc how = chains_fixed(1, 5);
    ck_assert_int_eq(slivi_hmc_leapfrog(&m.chains, p, fenced, &fence, &how), 0);
    ck_assert(isnan(m.lp[0]) && isnan(m.lp[2]));
    ck_assert(isfinite(m.lp[1]) && isfinite(m.lp[3]));
    ck_assert_double_eq(m.x[0], 5);
    ck_assert_uint_eq(fence.wild, 0);
}
END_TEST

/* -- failing --------------------------------------------------------------- */

static int failing(size_t n, size_t d, const double *x, double *lp,
                   double *grad, void *ctx)
{
    int *left = ctx;

    chains_knotty(n, d, x, lp, grad, NULL);
    return (*left)-- == 0 ? 7 : 0;
}

START_TEST(test_callback)
{
    static struct chains m;
    slivi_hmc_workspace *ws = slivi_hmc_workspace_create(N, D);
    const slivi_hmc how = chains_fixed(3, 0.2);
    slivi_hmc_report r = {1, 2, 3};
    double x[N * D];
    int left = 0;

    chains_seat(&m, N, D);
    evidence_draw(2, 0, N, D, m.x);
    memcpy(x, m.x, sizeof x);
    ck_assert_int_eq(slivi_hmc_start(&m.chains, failing, &left),
                     SLIVI_ECALLBACK);
    ck_assert_str_eq(slivi_errmsg(), "log_density returned 7");
    chains_start(&m, chains_knotty, NULL);
    left = 2;
    ck_assert_int_eq(slivi_hmc_move(ws, &m.chains, failing, &left, &how, &r),
                     SLIVI_ECALLBACK);
    ck_assert_str_eq(slivi_errmsg(), "log_density returned 7");
    ck_assert_mem_eq(x, m.x, sizeof x);
    ck_assert(r.moved == 1 && r.lost == 2 && r.accept == 3);
    slivi_hmc_workspace_free(ws);
}
END_TEST

START_TEST(test_refused)
{
    static const double no_mass[] = {1, 0, 1}, no_eps[] = {1, 1, NAN, 1};
    static const struct {
        slivi_hmc how;
        size_t n;
        int status;
        const char *words;
    } bad[] = {
        {{.leapfrogs = 0, .eps = 1}, N, SLIVI_EINVAL, "leapfrogs is 0"},
        {{.leapfrogs = 1, .eps = -1}, N, SLIVI_EINVAL, "eps is -1"},
        {{.leapfrogs = 1, .eps = NAN}, N, SLIVI_EINVAL, "eps is"},
        {{.leapfrogs = 1, .eps = INFINITY}, N, SLIVI_EINVAL, "eps is inf"},
        {{.leapfrogs = 1, .each = no_eps}, N, SLIVI_EINVAL, "eps of chain 2"},
        {{.leapfrogs = 1, .mass = no_mass}, N, SLIVI_EINVAL, "mass 1 is 0"},
        {{.leapfrogs = 1, .at.row = UINT32_MAX}, N, SLIVI_EINVAL, "2^32"},
        {{.leapfrogs = 1, .at.step = UINT64_C(1) << 48},
         N,
         SLIVI_EINVAL,
         "2^48"},
        {{.leapfrogs = 1}, 0, SLIVI_ESHAPE, "0 chains"},
        {{.leapfrogs = 1}, N + 1, SLIVI_ESHAPE, "workspace for 4 in 3"},
    };
    static struct chains m;
    slivi_hmc_workspace *ws = slivi_hmc_workspace_create(N, D);
    double lp[N];

    chains_seat(&m, N + 1, D);
    evidence_draw(2, 0, N + 1, D, m.x);
    chains_start(&m, chains_knotty, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        m.chains.n = bad[i].n;
        ck_assert_int_eq(slivi_hmc_move(ws, &m.chains, chains_knotty, NULL,
                                        &bad[i].how, NULL),
                         bad[i].status);
        scratch_check_message("hmc", bad[i].words);
    }
    const slivi_hmc last = {.leapfrogs = 1, .at.row = UINT32_MAX + 1ull - N};
    m.chains.n = N;
    ck_assert_int_eq(
        slivi_hmc_move(ws, &m.chains, chains_knotty, NULL, &last, NULL), 0);
    memcpy(lp, m.lp, sizeof lp);
    m.lp[3] = -INFINITY;
    ck_assert_int_eq(
        slivi_hmc_move(ws, &m.chains, chains_knotty, NULL, &last, NULL),
        SLIVI_ENONFINITE);
    scratch_check_message("hmc", "chain 3 is at log density -inf");
    slivi_hmc_workspace_free(ws);
    slivi_hmc_workspace_free(NULL);
}
END_TEST

static int silent(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    (void)n, (void)d, (void)x, (void)lp, (void)grad, (void)ctx;
    return 0;
}

START_TEST(test_bad_start)
{
    static struct chains m;
    struct fence fence = {.value = -INFINITY};

    chains_seat(&m, N, 2);
    memset(&m.x, 0, sizeof m.x);
    ck_assert_int_eq(slivi_hmc_start(&m.chains, silent, NULL),
                     SLIVI_ENONFINITE);
    scratch_check_message("hmc", "chain 0 starts at log density nan");
    m.x[4] = 2;
    ck_assert_int_eq(slivi_hmc_start(&m.chains, fenced, &fence),
                     SLIVI_ENONFINITE);
    scratch_check_message("hmc", "chain 2 starts at log density -inf");
    fence.gradient = 1;
    ck_assert_int_eq(slivi_hmc_start(&m.chains, fenced, &fence),
                     SLIVI_ENONFINITE);
    scratch_check_message("hmc", "chain 2 starts where the gradient");
    m.x[3] = NAN;
    ck_assert_int_eq(slivi_hmc_start(&m.chains, fenced, &fence),
                     SLIVI_ENONFINITE);
    scratch_check_message("hmc", "chain 1 starts where x");
    ck_assert_ptr_null(slivi_hmc_workspace_create(0, 1));
    ck_assert_ptr_null(slivi_hmc_workspace_create(1, 0));
    ck_assert_ptr_null(slivi_hmc_workspace_create(1, SIZE_MAX / 2));
    ck_assert_ptr_null(slivi_hmc_workspace_create(SIZE_MAX / 8, 8));
}
END_TEST

START_TEST(test_memory)
{
    scratch_memory *memory = scratch_watch(0);
    static struct chains m;
    const slivi_hmc how = chains_fixed(3, 0.2);
    slivi_hmc_workspace *ws;

    for (memory->fail_at = 1;; memory->fail_at++) {
        memory->calls = 0;
        ws = slivi_hmc_workspace_create(N, D);
        if (ws != NULL)
            break;
        ck_assert_uint_eq(memory->live, 0);
    }
    ck_assert_uint_gt(memory->fail_at, 1);
    const size_t calls = memory->calls;
    chains_seat(&m, N, D);
    evidence_draw(2, 0, N, D, m.x);
    chains_start(&m, chains_knotty, NULL);
    ck_assert_int_eq(
        slivi_hmc_move(ws, &m.chains, chains_knotty, NULL, &how, NULL), 0);
    ck_assert_uint_eq(memory->calls, calls);
    slivi_hmc_workspace_free(ws);
    ck_assert_uint_eq(memory->live, 0);
    scratch_unwatch();
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *slivi_suite_hmc_use(void)
{
    const TTest *const tests[] = {test_split,    test_overflow, test_far,
                                  test_callback, test_refused,  test_bad_start,
                                  test_memory};
    Suite *s = suite_create("hmc_use");
    TCase *c = tcase_create("hmc_use");

    tcase_add_loop_test(c, test_lost, 0, 5);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(c, tests[i]);
    suite_add_tcase(s, c);
    return s;
}
