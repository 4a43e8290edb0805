/* test_psis.c - Pareto smoothed importance weights, of tails that are known.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "evidence.h"
#include "scratch.h"
#include "slivi/random.h"
#include "slivi/sampler.h"
#include "suites.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { N = 10000 };

static double lw[N], z[N], raw[N];

/* w = u^-k, whose tail is a Pareto law with shape k. */
static void draw_pareto(uint64_t step, size_t n, double k)
{
    const slivi_address at = {.seed = 21, .stream = 5, .step = step};

    slivi_draw(slivi_law_uniform, &at, n, 1, lw);
    for (size_t i = 0; i < n; i++)
        lw[i] = -k * log(lw[i]);
}

static double khat(size_t n, double *ess)
{
    double k = NAN;

    ck_assert_msg(slivi_psis(n, lw, &k, ess) == 0, "%s", slivi_errmsg());
    return k;
}

/* ---- the fit ------------------------------------------------------------- */

/* k-hat's noise is about (1 + k) / sqrt(m) of m in the tail; it is drawn to 1/2
   as by 10 of these. */
START_TEST(test_shape)
{
    static const double shapes[] = {0.2, 0.5, 0.8};
    enum { SEEDS = 20 };
    const double k = shapes[_i], m = 3 * sqrt(N);
    double sum = 0, squares = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        draw_pareto(seed, N, k);
        const double got = khat(N, NULL);
        sum += got / SEEDS;
        squares += got * got / SEEDS;
    }
    const double sd = sqrt(squares - sum * sum), noise = (1 + k) / sqrt(m);
    const double want = (m * k + 5) / (m + 10);
    ck_assert_msg(fabs(sum - want) < 4 * noise / sqrt(SEEDS), "%g, not %g", sum,
                  want);
    ck_assert_msg(sd > 0.6 * noise && sd < 1.5 * noise, "sd %g, not %g", sd,
                  noise);
}
END_TEST

/* The largest log likelihood of a generalised Pareto law, per excess, over a
   grid of k and log sigma about what is expected. */
static double by_grid(size_t m, const double *y, double scale)
{
    double most = -INFINITY, best = 0;

    for (double k = -0.905; k < 2; k += 0.01)
        for (double s = -2; s <= 2; s += 0.02) {
            const double sigma = scale * exp(s);
            double sum = 0;

            for (size_t i = 0; i < m; i++) {
                const double e = 1 + k * y[i] / sigma;

                sum -= log(sigma) + (e > 0 ? (1 + 1 / k) * log(e) : INFINITY);
            }
            if (sum > most) {
                most = sum;
                best = k;
            }
        }
    return best;
}

/* Against the likelihood's maximum: they differ by the prior, O(1/m), which is
   small beside the noise, 0.15 here. */
START_TEST(test_likelihood)
{
    enum { M = 300, FEW = 2000, TAIL = 135 }; /* ceil(3 sqrt(2000)) */
    static const double shapes[] = {-0.4, 0.3, 0.7};
    double y[M], cut, k = shapes[_i];
    size_t m = 0;

    draw_pareto(3, FEW, fabs(k));
    for (size_t i = 0; k < 0 && i < FEW; i++)
        lw[i] = log(2 - exp(-lw[i])); /* 2 - u^0.4: bounded */
    memcpy(raw, lw, FEW * sizeof *lw);
    /* the cutoff is the largest but TAIL */
    for (size_t i = 0;; i++) {
        size_t above = 0;

        for (size_t j = 0; j < FEW; j++)
            above += raw[j] > raw[i];
        if (above == TAIL) {
            cut = exp(raw[i]);
            break;
        }
    }
    for (size_t i = 0; i < FEW; i++)
        if (exp(raw[i]) > cut)
            y[m++] = exp(raw[i]) - cut;
    ck_assert_uint_eq(m, TAIL);
    double mean = 0;
    for (size_t i = 0; i < m; i++)
        mean += y[i] / TAIL;
    const double got = khat(FEW, NULL), want = by_grid(m, y, mean);
    const double fitted = (got * (TAIL + 10) - 5) / TAIL;
    ck_assert_msg(fabs(fitted - want) < 0.05, "%g, not %g", fitted, want);
}
END_TEST

/* ---- the weights --------------------------------------------------------- */

/* z ~ N(0, s^2), p = N(0, 1); exp(lw) = p / q */
static void propose(uint64_t step, size_t n, double s)
{
    evidence_draw(4, step, n, 1, z);
    for (size_t i = 0; i < n; i++) {
        lw[i] = 0.5 * z[i] * z[i] * (1 - s * s);
        z[i] *= s;
    }
}

/* Weights of a proposal that is wide are bounded; of a narrow one the shape is
   1 - s^2. */
START_TEST(test_normals)
{
    double ess, sum = 0;

    propose(0, N, 1.5);
    ck_assert_double_lt(khat(N, &ess), 0.5);
    /* n / (E w^2) with E w^2 = s^2 / sqrt(2 s^2 - 1) */
    ck_assert_double_eq_tol(ess / N, sqrt(2 * 2.25 - 1) / 2.25, 0.02);
    for (size_t i = 0; i < N; i++)
        sum += exp(lw[i]);
    ck_assert_double_eq_tol(sum, 1, 1e-12);
    propose(1, N, 0.45);
    ck_assert_double_gt(khat(N, NULL), 0.55);
    propose(1, N, 1);
    for (size_t i = 0; i < N; i++)
        lw[i] = 0.01 * z[i]; /* nearly exact */
    ck_assert_double_lt(khat(N, &ess), 0.3);
    ck_assert_double_gt(ess, 0.999 * N);
}
END_TEST

/* E z^2 = 1 by a narrow proposal, over many sets: the root mean square error of
   smoothed weights is the smaller. */
START_TEST(test_better)
{
    enum { SETS = 300, EACH = 1000 };
    double plain = 0, smoothed = 0;

    for (uint64_t set = 0; set < SETS; set++) {
        double sums[4] = {0};

        propose(10 + set, EACH, 0.55);
        for (size_t i = 0; i < EACH; i++) {
            sums[0] += exp(lw[i]);
            sums[1] += exp(lw[i]) * z[i] * z[i];
        }
        khat(EACH, NULL);
        for (size_t i = 0; i < EACH; i++)
            sums[3] += exp(lw[i]) * z[i] * z[i];
        plain += pow(sums[1] / sums[0] - 1, 2) / SETS;
        smoothed += pow(sums[3] - 1, 2) / SETS;
    }
    ck_assert_msg(smoothed < 0.9 * plain, "%g, not below %g", smoothed, plain);
}
END_TEST

/* What is below the cutoff keeps its weight up to the constant; the tail keeps
   its order and has no weight above the largest. */
START_TEST(test_tail)
{
    size_t kept = 0, wrong = 0, worst = 0;
    double at = 0;

    draw_pareto(7, N, 0.7);
    memcpy(raw, lw, sizeof raw);
    for (size_t i = 0; i < N; i++)
        worst = raw[i] > raw[worst] ? i : worst;
    ck_assert_double_gt(khat(N, NULL), 0.5);
    for (size_t i = 0; i < N; i++)
        if (raw[i] < 0.1) {
            at = lw[i] - raw[i];
            break;
        }
    for (size_t i = 0; i < N; i++) {
        kept += fabs(lw[i] - raw[i] - at) < 1e-12;
        wrong += lw[i] > raw[worst] + at + 1e-12 || lw[i] > lw[worst];
    }
    ck_assert_uint_eq(kept >= N - 300 && kept <= N - 290, 1);
    ck_assert_uint_eq(wrong, 0);
    /* a constant is no matter, however large */
    double k[2];
    for (int far = 0; far < 2; far++) {
        for (size_t i = 0; i < N; i++)
            lw[i] = raw[i] + (far ? 5000 : 0);
        k[far] = khat(N, NULL);
    }
    ck_assert_double_eq_tol(k[0], k[1], 1e-8);
}
END_TEST

/* ---- as a function ------------------------------------------------------- */

START_TEST(test_level)
{
    double ess, k;

    for (size_t i = 0; i < N; i++)
        lw[i] = -3 + (i % 3 ? 0 : 4e-16); /* as rounding leaves them */
    ck_assert(khat(N, &ess) == -INFINITY);
    ck_assert_double_eq_tol(ess, N, 1e-6);
    ck_assert_double_eq_tol(lw[0], -log(N), 1e-12);
    /* a level that is reached by many is no tail */
    for (size_t i = 0; i < N; i++)
        lw[i] = i % 2 ? 0 : -1;
    ck_assert(khat(N, NULL) == -INFINITY);
    ck_assert_double_eq_tol(lw[1] - lw[0], 1, 1e-12);
    /* nor is one weight that has it all a tail to fit, whatever the rest */
    for (size_t i = 0; i < N; i++)
        lw[i] = i == 77 ? 30 : 0;
    k = khat(N, &ess);
    ck_assert(k == INFINITY);
    ck_assert_double_eq_tol(ess, 1, 1e-6);
    for (size_t i = 0; i < N; i++)
        lw[i] = -1e3 * (double)i;
    ck_assert(khat(N, &ess) == INFINITY);
    ck_assert_double_eq_tol(ess, 1, 1e-12);
    /* a large step in the tail, of equal weights */
    for (size_t i = 0; i < N; i++)
        lw[i] = i < 100 ? 1 : 0;
    ck_assert(isfinite(khat(N, &ess)));
    ck_assert(isfinite(ess));
    k = 0;
    for (size_t i = 0; i < 100; i++)
        k += exp(lw[i] - lw[200]) / 100;
    ck_assert_double_eq_tol(k, exp(1), 0.3);
}
END_TEST

START_TEST(test_zeros)
{
    double ess, k;

    draw_pareto(8, N, 0.5);
    for (size_t i = 0; i < N; i++)
        if (i % 2)
            lw[i] = -INFINITY;
    k = khat(N, &ess);
    ck_assert_double_eq_tol(k, 0.5, 0.3);
    ck_assert(lw[1] == -INFINITY && isfinite(lw[0]));
    ck_assert_double_lt(ess, N / 2.);
    /* the tail is all there is */
    draw_pareto(9, N, 0.5);
    for (size_t i = 100; i < N; i++)
        lw[i] = -INFINITY;
    k = khat(N, &ess);
    ck_assert(isfinite(k) && isfinite(ess) && ess <= 100);
    for (size_t i = 0; i < 100; i++)
        ck_assert(isfinite(lw[i]));
}
END_TEST

START_TEST(test_few)
{
    double k = 1, ess;

    for (size_t n = 5; n < 25; n++) {
        draw_pareto(n, n, 0.5);
        const double apart = lw[0] - lw[1];
        ck_assert(khat(n, &ess) == INFINITY);
        ck_assert_double_eq_tol(lw[0] - lw[1], apart, 1e-12);
        ck_assert(ess >= 1 && ess <= (double)n);
    }
    draw_pareto(25, 25, 0.5);
    ck_assert(isfinite(khat(25, NULL)));
    k = 7;
    ck_assert_int_eq(slivi_psis(4, lw, &k, NULL), SLIVI_EINVAL);
    scratch_check_message("psis", "4 weights");
    lw[3] = NAN;
    ck_assert_int_eq(slivi_psis(9, lw, &k, NULL), SLIVI_ENONFINITE);
    scratch_check_message("psis", "log weight 3 is NaN");
    lw[3] = INFINITY;
    ck_assert_int_eq(slivi_psis(9, lw, &k, NULL), SLIVI_ENONFINITE);
    for (size_t i = 0; i < 9; i++)
        lw[i] = -INFINITY;
    ck_assert_int_eq(slivi_psis(9, lw, &k, NULL), SLIVI_EINVAL);
    scratch_check_message("psis", "all weights are zero");
    ck_assert(k == 7);
}
END_TEST

START_TEST(test_memory)
{
    scratch_memory *memory = scratch_watch(0);

    draw_pareto(11, N, 0.5);
    memcpy(raw, lw, sizeof raw);
    for (memory->fail_at = 1;; memory->fail_at++) {
        double k;
        int status;

        memory->calls = 0;
        status = slivi_psis(N, lw, &k, NULL);
        ck_assert_uint_eq(memory->live, 0);
        if (status == 0)
            break;
        ck_assert_int_eq(status, SLIVI_ENOMEM);
        ck_assert_mem_eq(lw, raw, sizeof raw);
    }
    ck_assert_uint_gt(memory->fail_at, 2);
    scratch_unwatch();
}
END_TEST

/* ---- the suite ----------------------------------------------------------- */

Suite *slivi_suite_psis(void)
{
    const TTest *const tests[] = {test_normals, test_better, test_tail,
                                  test_level,   test_zeros,  test_few,
                                  test_memory};
    Suite *s = suite_create("psis");
    TCase *c = tcase_create("psis");

    tcase_add_loop_test(c, test_shape, 0, 3);
    tcase_add_loop_test(c, test_likelihood, 0, 3);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(c, tests[i]);
    suite_add_tcase(s, c);
    return s;
}
