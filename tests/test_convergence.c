/* test_convergence.c - R-hat and effective sample sizes, of chains whose law is
   known.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "evidence.h"
#include "scratch.h"
#include "slivi/sampler.h"
#include "suites.h"
#include "order.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { CHAINS = 4, N = 1000, ALL = CHAINS * N };

static double x[ALL * 3];

static double rhat_of(size_t chains, size_t n)
{
    double rhat;

    ck_assert_int_eq(slivi_rhat(chains, n, x, 1, &rhat), 0);
    return rhat;
}

static double ess_of(size_t chains, size_t n, int ranks)
{
    double ess;

    ck_assert_int_eq(
        (ranks ? slivi_ess_bulk : slivi_ess_mean)(chains, n, x, 1, &ess), 0);
    return ess;
}

/* Stationary chains x' = phi x + sqrt(1 - phi^2) noise. */
static void walk(uint32_t stream, size_t chains, size_t n, double phi)
{
    evidence_draw(stream, 0, chains, n, x);
    for (size_t c = 0; c < chains; c++)
        for (size_t i = 1; i < n; i++)
            x[c * n + i] = phi * x[c * n + i - 1]
                           + sqrt(1 - phi * phi) * x[c * n + i];
}

/* ---- R-hat --------------------------------------------------------------- */

/* Of independent draws R-hat^2 - 1 is about (F - 1) / n with F of 2 chains - 1
   degrees, minus 1/n + ...: within +-0.01 here. */
START_TEST(test_same_law)
{
    for (uint32_t seed = 0; seed < 20; seed++) {
        walk(seed, CHAINS, N, 0);
        const double rhat = rhat_of(CHAINS, N);
        ck_assert_msg(rhat > 0.998 && rhat < 1.01, "%g", rhat);
    }
}
END_TEST

/* The formula by hand: 1 chain of 4, whose halves have ranks 1, 3 and 2, 4. */
START_TEST(test_by_hand)
{
    static const double four[] = {-3, 10, 5, 400};
    double z[4], b, w, want;

    memcpy(x, four, sizeof four);
    /* Phi^-1 of (r - 3/8) / 4.25 at r = 1, 2, by bisection of erf */
    for (int r = 1; r <= 2; r++) {
        double low = -5, high = 0;

        for (int i = 0; i < 100; i++) {
            const double at = 0.5 * (low + high);

            if (0.5 * (1 + erf(at / sqrt(2))) < (r - 0.375) / 4.25)
                low = at;
            else
                high = at;
        }
        z[r - 1] = low;
        z[4 - r] = -low;
    }
    const double a[] = {z[0], z[2], z[1], z[3]};
    w = 0.25 * ((a[0] - a[1]) * (a[0] - a[1]) + (a[2] - a[3]) * (a[2] - a[3]));
    b = 0.125 * (a[0] + a[1] - a[2] - a[3]) * (a[0] + a[1] - a[2] - a[3]);
    want = sqrt(0.5 + b / w);
    /* folded about 7.5: 10.5, 2.5, 2.5, 392.5: ranks 3, 1.5, 1.5, 4, which
       differ less between halves */
    ck_assert_double_eq_tol(rhat_of(1, 4), want, 1e-12);
    /* a fifth draw in the middle belongs to no half */
    x[4] = x[3];
    x[3] = x[2];
    x[2] = 7;
    ck_assert_double_eq_tol(rhat_of(1, 5), want, 1e-12);
}
END_TEST

/* A chain elsewhere by 1 sd in 4: B/W is 1/4 over halves times 8/7. */
START_TEST(test_shifted)
{
    walk(1, CHAINS, N, 0);
    for (size_t i = 0; i < N; i++)
        x[i] += 1;
    ck_assert_double_gt(rhat_of(CHAINS, N), 1.05);
    for (size_t i = 0; i < N; i++)
        x[i] += 1;
    ck_assert_double_gt(rhat_of(CHAINS, N), 1.1);
    /* ranks: a map that is monotone changes nothing */
    const double before = rhat_of(CHAINS, N);
    for (size_t i = 0; i < ALL; i++)
        x[i] = x[i] * x[i] * x[i];
    /* the folded one is smaller on both sides */
    ck_assert_double_eq_tol(rhat_of(CHAINS, N), before, 1e-12);
}
END_TEST

/* Equal means, other scales: only folding sees that. */
START_TEST(test_scaled)
{
    walk(2, CHAINS, N, 0);
    for (size_t i = 0; i < N; i++)
        x[i] *= 4;
    ck_assert_double_gt(rhat_of(CHAINS, N), 1.1);
}
END_TEST

/* What is folded are the draws, about their median, not their scores. */
START_TEST(test_folded)
{
    static size_t order[ALL];

    walk(2, CHAINS, N, 0);
    for (size_t i = 0; i < ALL; i++)
        x[i] = exp(i < N ? 3 * x[i] : x[i]);
    const double want = rhat_of(CHAINS, N);
    ck_assert_int_eq(slivi__order(ALL, x, order), 0);
    const double median = 0.5 * (x[order[ALL / 2 - 1]] + x[order[ALL / 2]]);
    for (size_t i = 0; i < ALL; i++)
        x[i] = fabs(x[i] - median);
    ck_assert_double_gt(want, 1.05);
    ck_assert_double_eq_tol(rhat_of(CHAINS, N), want, 1e-12);
}
END_TEST

/* Ranks of equal draws are their mean: nothing is changed by a sign. */
START_TEST(test_ties)
{
    double up[2];

    walk(12, CHAINS, N, 0.5);
    for (size_t i = 0; i < ALL; i++)
        x[i] = floor(fabs(1.5 * x[i]));
    up[0] = rhat_of(CHAINS, N);
    up[1] = ess_of(CHAINS, N, 1);
    for (size_t i = 0; i < ALL; i++)
        x[i] = -x[i];
    ck_assert_double_eq_tol(rhat_of(CHAINS, N), up[0], 1e-12);
    ck_assert_double_eq_tol(ess_of(CHAINS, N, 1), up[1], 1e-7);
}
END_TEST

/* A drift, the same in every chain: only splitting sees that. */
START_TEST(test_drift)
{
    walk(3, CHAINS, N, 0);
    for (size_t c = 0; c < CHAINS; c++)
        for (size_t i = 0; i < N; i++)
            x[c * N + i] += 2 * (double)i / N;
    ck_assert_double_gt(rhat_of(CHAINS, N), 1.1);
    ck_assert_double_gt(rhat_of(1, N), 1.1);
}
END_TEST

/* ---- effective sample size ----------------------------------------------- */

/* n (1 - phi) / (1 + phi), with the mean over seeds: its noise is a few
   per cent. */
START_TEST(test_autoregressive)
{
    static const double phis[] = {0, 0.3, 0.9, -0.4};
    enum { SEEDS = 20 };
    const double phi = phis[_i], want = ALL * (1 - phi) / (1 + phi);

    for (int ranks = 0; ranks <= 1; ranks++) {
        double sum = 0, squares = 0;

        for (uint32_t seed = 0; seed < SEEDS; seed++) {
            walk(seed, CHAINS, N, phi);
            const double ess = ess_of(CHAINS, N, ranks) / want;
            sum += ess / SEEDS;
            squares += ess * ess / SEEDS;
        }
        const double se = sqrt((squares - sum * sum) / (SEEDS - 1));
        /* an end at the first negative pair is late rather than early: a bias
           of a few per cent */
        ck_assert_msg(fabs(sum - 1) < 4 * se + 0.05 && se < 0.08,
                      "phi %g: %g of what it must be, se %g", phi, sum, se);
    }
}
END_TEST

/* The definition, lag by lag, of short runs. */
START_TEST(test_lags)
{
    enum { SHORT = 30, M = 2 * CHAINS, H = SHORT / 2 };
    double rho[H], w = 0, b = 0, mean = 0, means[M], total, tau = -1;
    double least = INFINITY;

    walk((uint32_t)_i, CHAINS, SHORT, _i % 2 ? 0.7 : 0.2);
    for (size_t m = 0; m < M; m++) {
        means[m] = 0;
        for (size_t i = 0; i < H; i++)
            means[m] += x[m * H + i] / H;
        mean += means[m] / M;
    }
    for (size_t t = 0; t < H; t++) {
        rho[t] = 0;
        for (size_t m = 0; m < M; m++)
            for (size_t i = 0; i + t < H; i++)
                rho[t] += (x[m * H + i] - means[m])
                          * (x[m * H + i + t] - means[m]) / (M * H);
    }
    for (size_t m = 0; m < M; m++)
        b += (means[m] - mean) * (means[m] - mean) / (M - 1);
    w = rho[0] * H / (H - 1);
    total = rho[0] + b;
    for (size_t t = 0; t + 1 < H; t += 2) {
        const double even = t == 0 ? 1 : 1 - (w - rho[t]) / total;
        const double odd = 1 - (w - rho[t + 1]) / total;

        if (even + odd <= 0) {
            tau += fmax(even, 0);
            break;
        }
        least = fmin(least, even + odd);
        tau += 2 * least;
    }
    const double want = fmin(M * H / tau, M * H * log10(M * H));
    ck_assert_double_eq_tol(ess_of(CHAINS, SHORT, 0), want, 1e-9);
    /* nor do units matter */
    for (size_t i = 0; i < CHAINS * SHORT; i++)
        x[i] = 1e3 + 1e-3 * x[i];
    ck_assert_double_eq_tol(ess_of(CHAINS, SHORT, 0), want, 1e-6);
}
END_TEST

/* Chains that differ are worth little, however many draws they have; ranks
   bear a tail that has no variance. */
START_TEST(test_apart)
{
    walk(6, CHAINS, N, 0);
    for (size_t i = 0; i < N; i++)
        x[i] += 3;
    ck_assert_double_lt(ess_of(CHAINS, N, 0), 30);
    ck_assert_double_lt(ess_of(CHAINS, N, 1), 30);
    walk(6, CHAINS, N, 0);
    const double before = ess_of(CHAINS, N, 1);
    for (size_t i = 0; i < ALL; i++)
        x[i] = sinh(20 * x[i]);
    ck_assert_double_eq_tol(ess_of(CHAINS, N, 1), before, 1e-9);
}
END_TEST

/* A chain that changes sides every time is worth more than it is long, but N
   log10 N at most. */
START_TEST(test_antithetic)
{
    walk(7, CHAINS, N, -0.999);
    ck_assert_double_eq_tol(ess_of(CHAINS, N, 0), ALL * log10(ALL), 1e-6);
    for (size_t i = 0; i < ALL; i++)
        x[i] = i % 2 ? 1 : -1;
    ck_assert_double_eq_tol(ess_of(CHAINS, N, 0), ALL * log10(ALL), 1e-6);
}
END_TEST

/* ---- as functions -------------------------------------------------------- */

START_TEST(test_stuck)
{
    double out;

    walk(8, CHAINS, N, 0);
    for (size_t i = 0; i < N; i++)
        x[2 * N + i] = 0.1; /* one chain */
    ck_assert(isnan(rhat_of(CHAINS, N)));
    ck_assert(isnan(ess_of(CHAINS, N, 0)));
    ck_assert(isnan(ess_of(CHAINS, N, 1)));
    x[2 * N + 400] = 0.2;
    ck_assert(isfinite(rhat_of(CHAINS, N)));
    ck_assert(isfinite(ess_of(CHAINS, N, 1)));
    walk(8, CHAINS, N, 0);
    x[N + 3] = _i ? NAN : -INFINITY;
    ck_assert(isnan(rhat_of(CHAINS, N)) && isnan(ess_of(CHAINS, N, 1)));
    /* two values, half and half: folded ones are all the same */
    for (size_t i = 0; i < ALL; i++)
        x[i] = i * 7 % 4 < 2 ? -1 : 1;
    ck_assert_double_eq_tol(rhat_of(CHAINS, N), 1, 0.01);
    ck_assert_int_eq(slivi_rhat(1, 3, x, 1, &out), SLIVI_EINVAL);
    scratch_check_message("rhat", "3 draws");
    ck_assert_int_eq(slivi_ess_mean(0, 9, x, 1, &out), SLIVI_EINVAL);
    scratch_check_message("ess", "0 chains");
    ck_assert_int_eq(slivi_ess_bulk(1, 9, x, 0, &out), SLIVI_EINVAL);
    scratch_check_message("ess", "stride 0");
}
END_TEST

START_TEST(test_stride)
{
    double want[3], got[3];

    walk(9, CHAINS, N, 0.5);
    slivi_rhat(CHAINS, N, x, 1, &want[0]);
    slivi_ess_bulk(CHAINS, N, x, 1, &want[1]);
    slivi_ess_mean(CHAINS, N, x, 1, &want[2]);
    for (size_t i = ALL; i-- > 0;) {
        x[3 * i + 1] = x[i];
        x[3 * i + 2] = 7;
    }
    x[0] = NAN;
    slivi_rhat(CHAINS, N, x + 1, 3, &got[0]);
    slivi_ess_bulk(CHAINS, N, x + 1, 3, &got[1]);
    slivi_ess_mean(CHAINS, N, x + 1, 3, &got[2]);
    ck_assert_mem_eq(got, want, sizeof got);
}
END_TEST

START_TEST(test_memory)
{
    int (*const functions[])(size_t, size_t, const double *, size_t,
                             double *) = {slivi_rhat, slivi_ess_bulk,
                                          slivi_ess_mean};
    scratch_memory *memory = scratch_watch(0);

    walk(10, CHAINS, N, 0);
    for (size_t f = 0; f < 3; f++)
        for (memory->fail_at = 1;; memory->fail_at++) {
            double out = 5;
            int status;

            memory->calls = 0;
            status = functions[f](CHAINS, N, x, 1, &out);
            ck_assert_uint_eq(memory->live, 0);
            if (status == 0)
                break;
            ck_assert_int_eq(status, SLIVI_ENOMEM);
            ck_assert(out == 5);
        }
    ck_assert_uint_gt(memory->fail_at, 1);
    scratch_unwatch();
}
END_TEST

/* Signs, zeros, ties, infinities, neighbours. */
START_TEST(test_order)
{
    static const double v[] = {3,        -INFINITY, 0., -0.,     1e-310, -2,
                               INFINITY, -2,        3,  DBL_MIN, -7,     1};
    static const size_t want[] = {1, 10, 5, 7, 2, 3, 4, 9, 11, 0, 8, 6};
    static size_t order[ALL];

    ck_assert_int_eq(slivi__order(12, v, order), 0);
    ck_assert_mem_eq(order, want, sizeof want);
    walk(11, CHAINS, N, 0);
    ck_assert_int_eq(slivi__order(ALL, x, order), 0);
    size_t seen = order[0];
    for (size_t i = 1; i < ALL; i++) {
        ck_assert(x[order[i - 1]] < x[order[i]]);
        seen += order[i];
    }
    ck_assert_uint_eq(seen, (size_t)ALL * (ALL - 1) / 2);
}
END_TEST

/* ---- the suite ----------------------------------------------------------- */

Suite *slivi_suite_convergence(void)
{
    const TTest *const tests[] = {test_same_law, test_by_hand, test_shifted,
                                  test_scaled,   test_drift,   test_folded,
                                  test_ties,     test_apart,   test_antithetic,
                                  test_stride,   test_memory,  test_order};
    Suite *s = suite_create("convergence");
    TCase *c = tcase_create("convergence");

    tcase_add_loop_test(c, test_autoregressive, 0, 4);
    tcase_add_loop_test(c, test_lags, 0, 10);
    tcase_add_loop_test(c, test_stuck, 0, 2);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(c, tests[i]);
    suite_add_tcase(s, c);
    return s;
}
