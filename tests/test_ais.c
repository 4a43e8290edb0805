/* test_ais.c - annealed importance sampling against evidences known in closed
   form or by quadrature.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "chains.h"
#include "evidence.h"
#include "slivi/ais.h"
#include "suites.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { D = 2, ROWS = 20000, TEMPERATURES = 1000 };

/* Images that are all the same: repeats. */
static double same[ROWS * D];
static double log_weight[ROWS], z[ROWS * D], f[ROWS];
static slivi_evidence evidence[ROWS];

static struct chains_decoder decoder(void)
{
    const struct chains_decoder m = {.d = D, .a = 1, .s = 0.5, .x = same};

    for (size_t i = 0; i < ROWS; i++) {
        same[i * D] = 1.2;
        same[i * D + 1] = -0.7;
    }
    return m;
}

static slivi_ais with(size_t chains, size_t temperatures, const double *eps)
{
    slivi_ais how = slivi_ais_default();

    how.chains = chains;
    how.temperatures = temperatures;
    how.eps = eps;
    how.leapfrogs = 2;
    how.seed = 17;
    return how;
}

/* A run in a workspace of its own; backward from z0 if there is one. */
static void run(slivi_log_likelihood *fn, void *ctx, size_t d, size_t images,
                const double *z0, const slivi_ais *how,
                const slivi_ais_trace *trace)
{
    slivi_ais_workspace *ws = slivi_ais_workspace_create(how, images, d);
    int status;

    ck_assert_msg(ws != NULL, "%s", slivi_errmsg());
    status = z0 != NULL
                 ? slivi_ais_backward(ws, fn, ctx, images, z0, how, evidence,
                                      trace)
                 : slivi_ais_forward(ws, fn, ctx, images, how, evidence, trace);
    ck_assert_msg(status == 0, "%s", slivi_errmsg());
    slivi_ais_workspace_free(ws);
}

/* -- exact ----------------------------------------------------------------- */

START_TEST(test_schedule)
{
    static double t[TEMPERATURES];
    const size_t n = TEMPERATURES;

    slivi_ais_schedule(n, t);
    ck_assert_double_eq(t[0], 0);
    ck_assert_double_eq(t[n - 1], 1);
    for (size_t k = 1; k < n; k++) {
        ck_assert_double_gt(t[k], t[k - 1]);
        ck_assert_double_eq_tol(t[k] + t[n - 1 - k], 1, 1e-14);
    }
    slivi_ais_schedule(5, t);
    const double low = 1 / (1 + exp(4)), quarter = 1 / (1 + exp(2));
    ck_assert_double_eq_tol(t[1], (quarter - low) / (1 - 2 * low), 1e-15);
    slivi_ais_schedule(2, t);
    ck_assert(t[0] == 0 && t[1] == 1);
}
END_TEST

/* Steps of size zero: the increments telescope to log p(x|z). */
START_TEST(test_telescope)
{
    enum { IMAGES = 3, CHAINS = 4 };
    static const double eps[TEMPERATURES], uneven[] = {0, 1e-6, 0.9, 1};
    struct chains_decoder m = decoder();
    slivi_ais how = with(CHAINS, TEMPERATURES, eps);
    const slivi_ais_trace trace = {.log_weight = log_weight, .z = z};

    if (_i > 0) {
        how.temperatures = 4;
        how.schedule = uneven;
    }
    run(chains_decode, &m, D, IMAGES, NULL, &how, &trace);
    for (size_t r = 0; r < (size_t)IMAGES * CHAINS; r++) {
        const size_t image = r / CHAINS;
        double ll, grad[D];

        chains_decode(1, D, &image, z + r * D, &ll, grad, &m);
        ck_assert_double_eq_tol(log_weight[r], ll, 1e-12);
        f[2 * r] = z[r * D];
        f[2 * r + 1] = z[r * D + 1];
    }
    /* all draws of the prior are other ones */
    for (size_t r = 0; r < (size_t)IMAGES * CHAINS * D; r++)
        for (size_t q = 0; q < r; q++)
            ck_assert(f[r] != f[q]);
    /* backward 1/w of the same z: minus that */
    memcpy(same + ROWS, z, sizeof z / 2); /* unused images as scratch */
    memcpy(f, log_weight, sizeof f);
    run(chains_decode, &m, D, IMAGES, same + ROWS, &how, &trace);
    for (size_t r = 0; r < (size_t)IMAGES * CHAINS; r++)
        ck_assert_double_eq_tol(log_weight[r], -f[r], 1e-12);
}
END_TEST

/* One move, between two increments: its step is the first that is used, and
   begins where the run with no steps begins. */
START_TEST(test_increments)
{
    enum { CHAINS = 50 };
    static const double still[3], once[] = {0, 0.8, 0}, last[] = {0, 0, 0.5};
    static const double schedule[] = {0, 0.3, 1};
    static double z0[CHAINS * D], ll[CHAINS], grad[CHAINS * D],
        ends[CHAINS * D];
    static size_t image[CHAINS];
    struct chains_decoder m = decoder();
    slivi_ais how = with(CHAINS, 3, still);
    const slivi_ais_trace trace = {.log_weight = log_weight, .z = z};

    how.schedule = schedule;
    run(chains_decode, &m, D, 1, NULL, &how, &trace);
    memcpy(z0, z, sizeof z0);
    chains_decode(CHAINS, D, image, z0, f, grad, &m);
    how.eps = once;
    run(chains_decode, &m, D, 1, NULL, &how, &trace);
    memcpy(ends, z, sizeof ends);
    ck_assert_mem_ne(ends, z0, sizeof z0);
    chains_decode(CHAINS, D, image, ends, ll, grad, &m);
    for (size_t r = 0; r < CHAINS; r++)
        ck_assert_double_eq_tol(log_weight[r], 0.3 * f[r] + 0.7 * ll[r], 1e-13);
    /* what follows the last increment is no part of the weight */
    how.eps = last;
    run(chains_decode, &m, D, 1, NULL, &how, &trace);
    for (size_t r = 0; r < CHAINS; r++)
        ck_assert_double_eq_tol(log_weight[r], f[r], 1e-13);
    /* backward: a move at t = 1 first, with other draws, then the increments 0.7
       and 0.3 */
    memcpy(ends, z, sizeof ends);
    run(chains_decode, &m, D, 1, z0, &how, &trace);
    for (size_t r = 0; r < CHAINS; r++) {
        const int moved = z[r * D] != z0[r * D];

        ck_assert(!moved || z[r * D] != ends[r * D]);
    }
    ck_assert_mem_ne(z, z0, sizeof z0);
    memcpy(ends, z, sizeof ends);
    chains_decode(CHAINS, D, image, ends, ll, grad, &m);
    for (size_t r = 0; r < CHAINS; r++)
        ck_assert_double_eq_tol(log_weight[r], -ll[r], 1e-13);
    how.eps = once;
    run(chains_decode, &m, D, 1, z0, &how, &trace);
    memcpy(ends, z, sizeof ends);
    chains_decode(CHAINS, D, image, ends, ll, grad, &m);
    for (size_t r = 0; r < CHAINS; r++)
        ck_assert_double_eq_tol(log_weight[r], -0.7 * f[r] - 0.3 * ll[r],
                                1e-13);
}
END_TEST

/* -- bounds ---------------------------------------------------------------- */

/* Step sizes near the limit of what is stable, 2 over the largest root of a
   precision, 1 + t (1.5 a / s)^2. */
static const double *coarse(const struct chains_decoder *m, size_t count)
{
    static double eps[20], t[20];

    slivi_ais_schedule(count, t);
    for (size_t k = 1; k < count; k++)
        eps[k] = 1.5 / sqrt(1 + t[k] * pow(1.5 * m->a / m->s, 2));
    return eps;
}

static const size_t lengths[] = {2, 6, 20};

static void ratios(double truth)
{
    for (size_t r = 0; r < ROWS; r++)
        f[r] = exp(log_weight[r] - truth);
}

static void draw_posterior(const struct chains_decoder *m, double *out)
{
    evidence_draw(5, 0, ROWS, D, out);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < D; j++) {
            double mean, sd;

            chains_posterior(m, 0, j, &mean, &sd);
            out[r * D + j] = mean + sd * out[r * D + j];
        }
}

/* Steps are coarse, so that moves that keep another density would show. */
START_TEST(test_unbiased)
{
    struct chains_decoder m = decoder();
    const slivi_ais how = with(1, lengths[_i], coarse(&m, lengths[_i]));
    double accept[20];
    const slivi_ais_trace trace = {
        .log_weight = log_weight, .z = z, .accept = accept};
    double mean, sd;

    run(chains_decode, &m, D, ROWS, NULL, &how, &trace);
    ratios(chains_evidence(&m, 0));
    chains_check_mean("w", ROWS, f, 1);
    ck_assert_double_eq(accept[0], 0);
    for (size_t k = 1; k < how.temperatures; k++)
        ck_assert_msg(accept[k] > 0.2 && accept[k] < 0.97, "%zu: %g", k,
                      accept[k]);
    if (lengths[_i] < 20)
        return;
    /* weighted, the chains end in the posterior */
    chains_posterior(&m, 0, 1, &mean, &sd);
    for (size_t r = 0; r < ROWS; r++)
        f[r] *= z[r * D + 1] - mean;
    chains_check_mean("w (z - mean)", ROWS, f, 0);
    ratios(chains_evidence(&m, 0));
    for (size_t r = 0; r < ROWS; r++)
        f[r] *= pow((z[r * D + 1] - mean) / sd, 2) - 1;
    chains_check_mean("w (z - mean)^2", ROWS, f, 0);
}
END_TEST

START_TEST(test_backward)
{
    struct chains_decoder m = decoder();
    const slivi_ais_trace trace = {.log_weight = log_weight};
    static const double noise[] = {2.5, 1.2, 0.6};
    static double z0[ROWS * D];
    size_t wrong = 0;

    m.s = noise[_i]; /* with less 1/w has no variance */
    const slivi_ais how = with(1, lengths[_i], coarse(&m, lengths[_i]));
    draw_posterior(&m, z0);
    run(chains_decode, &m, D, ROWS, z0, &how, &trace);
    ratios(-chains_evidence(&m, 0));
    chains_check_mean("1/w", ROWS, f, 1);
    for (size_t r = 0; r < ROWS; r++)
        wrong += evidence[r].log_evidence != -log_weight[r];
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

/* Mean over images, and its se. */
static double average(size_t images, double *se)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < images; i++)
        sum += evidence[i].log_evidence / (double)images;
    for (size_t i = 0; i < images; i++)
        squares += pow(evidence[i].log_evidence - sum, 2);
    *se = sqrt(squares) / (double)images;
    return sum;
}

/* Lower <= exact <= upper, in mean, on both sides visibly; and between few and
   more temperatures the gaps close.  The images are simulated with their z. */
START_TEST(test_sandwich)
{
    enum { IMAGES = 400, CHAINS = 4 };
    static const size_t counts[] = {10, 80};
    static double x[IMAGES * D], z0[IMAGES * CHAINS * D], eps[80];
    struct chains_decoder m = decoder();
    double gap[2][2], truth = 0, se;

    m.x = x;
    m.s = 0.2;
    evidence_draw(7, 0, IMAGES, D, z);
    evidence_draw(8, 0, IMAGES, D, x);
    for (size_t i = 0; i < IMAGES; i++)
        for (size_t j = 0; j < D; j++)
            x[i * D + j] = m.s * x[i * D + j]
                           + (1 + 0.5 * (double)j) * z[i * D + j];
    for (size_t r = 0; r < (size_t)IMAGES * CHAINS; r++)
        memcpy(z0 + r * D, z + r / CHAINS * D, D * sizeof *z);
    for (size_t i = 0; i < IMAGES; i++)
        truth += chains_evidence(&m, i) / IMAGES;
    for (size_t k = 0; k < 80; k++)
        eps[k] = 0.25;
    for (int c = 0; c < 2; c++)
        for (int back = 0; back < 2; back++) {
            const slivi_ais how = with(CHAINS, counts[c], eps);

            run(chains_decode, &m, D, IMAGES, back ? z0 : NULL, &how, NULL);
            /* paired with the truth: the spread of the images drops out */
            for (size_t i = 0; i < IMAGES; i++)
                evidence[i].log_evidence -= chains_evidence(&m, i);
            gap[c][back] = average(IMAGES, &se) * (back ? 1 : -1);
            ck_assert_msg(gap[c][back] > 3 * se, "gap %g, se %g", gap[c][back],
                          se);
        }
    ck_assert_msg(gap[1][0] < 0.3 * gap[0][0] && gap[1][1] < 0.3 * gap[0][1],
                  "below %g, %g; above %g, %g", gap[0][0], gap[1][0], gap[0][1],
                  gap[1][1]);
    ck_assert_double_lt(gap[1][0] + gap[1][1], 0.6);
    ck_assert(isfinite(truth));
}
END_TEST

/* -- decoders -------------------------------------------------------------- */

enum { PIXELS = 6, PICTURES = 5 };

/* Bernoulli pixels with logits W z + b */
static const double weights[PIXELS][2] = {{2, 0.5}, {-1.5, 1}, {0.7, -2.5},
                                          {3, 1},   {-0.4, 2}, {1, 1}};
static const double biases[PIXELS] = {0.2, -0.5, 0.1, 1, -1, 0.3};
static const int pictures[PICTURES][PIXELS] = {{1, 0, 1, 1, 0, 1},
                                               {0, 0, 0, 0, 0, 0},
                                               {1, 1, 1, 1, 1, 1},
                                               {0, 1, 0, 1, 0, 0},
                                               {0, 1, 1, 0, 0, 1}};

static int bernoulli(size_t n, size_t d, const size_t *image, const double *at,
                     double *ll, double *grad, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++, at += d, grad += d) {
        ll[i] = 0;
        for (size_t j = 0; j < d; j++)
            grad[j] = 0;
        for (size_t k = 0; k < PIXELS; k++) {
            const int x = pictures[image[i]][k];
            double logit = biases[k];

            for (size_t j = 0; j < d; j++)
                logit += weights[k][j] * at[j];
            /* x logit - log(1 + e^logit) */
            ll[i] += x * logit - fmax(logit, 0) - log1p(exp(-fabs(logit)));
            for (size_t j = 0; j < d; j++)
                grad[j] += (x - 1 / (1 + exp(-logit))) * weights[k][j];
        }
    }
    return 0;
}

/* By the trapezoid rule on [-9, 9]^d. */
static double quadrature(size_t d, size_t image)
{
    const double h = 0.06;
    double sum = 0;

    for (int i = -150; i <= 150; i++)
        for (int j = d > 1 ? -150 : 0; j <= (d > 1 ? 150 : 0); j++) {
            const double at[] = {h * i, h * j};
            double ll, grad[2];

            bernoulli(1, d, &image, at, &ll, grad, NULL);
            sum += exp(ll + evidence_log_normal(d, at, 0, 1));
        }
    return log(sum * pow(h, (double)d));
}

/* Each image has its own evidence: rows must go with their images. */
static void check_pictures(size_t d, const slivi_ais *how, double most)
{
    run(bernoulli, NULL, d, PICTURES, NULL, how, NULL);
    for (size_t i = 0; i < PICTURES; i++) {
        const slivi_evidence e = evidence[i];
        const double error = e.log_evidence - quadrature(d, i);

        ck_assert_msg(fabs(error) < 4.5 * e.se && e.se < most,
                      "image %zu: error %g, se %g, ess %g", i, error, e.se,
                      e.ess);
    }
}

START_TEST(test_bernoulli)
{
    static double eps[40];
    slivi_ais how = with(400, 40, eps);

    for (size_t k = 1; k < 40; k++)
        eps[k] = 0.7;
    check_pictures((size_t)_i, &how, 0.02);
}
END_TEST

/* The numbers of the protocol, and what it gives. */
START_TEST(test_protocol)
{
    static double eps[TEMPERATURES], accept[TEMPERATURES];
    slivi_ais how = slivi_ais_default();
    const slivi_ais_trace trace = {.eps = eps, .accept = accept};

    ck_assert_uint_eq(how.chains, 16);
    ck_assert_uint_eq(how.temperatures, 1000);
    ck_assert_uint_eq(how.leapfrogs, 9);
    check_pictures(2, &how, 0.15);
    run(bernoulli, NULL, 2, PICTURES, NULL, &how, &trace);
    ck_assert_double_eq(eps[1], 0.01);
    ck_assert_double_eq_tol(eps[2], 0.0098, 1e-16);
    for (size_t k = 3; k < TEMPERATURES; k++)
        ck_assert(fabs(eps[k] / eps[k - 1] - 1.02) < 1e-12
                  || fabs(eps[k] / eps[k - 1] - 0.98) < 1e-12 || eps[k] == 0.5);
    ck_assert_double_eq_tol(eps[100], 0.0098 * pow(1.02, 98), 1e-3);
    ck_assert_double_gt(accept[500], 0.9); /* the largest size is 0.5 */
}
END_TEST

/* -- step sizes ------------------------------------------------------------ */

/* Fixed sizes are used as they are. */
START_TEST(test_frozen)
{
    enum { IMAGES = 20, CHAINS = 16 };
    static double first[ROWS], eps[20];
    struct chains_decoder m = decoder();
    slivi_ais how = with(CHAINS, 20, coarse(&m, 20));
    const slivi_ais_trace trace = {.log_weight = log_weight, .eps = eps};

    run(chains_decode, &m, D, IMAGES, NULL, &how, &trace);
    ck_assert_mem_eq(eps, how.eps, sizeof eps);
    memcpy(first, log_weight, sizeof first);
    how.tuner.eps = 0.4;
    how.tuner.up = 2;
    how.tuner.rate = 0;
    run(chains_decode, &m, D, IMAGES, NULL, &how, &trace);
    ck_assert_mem_eq(first, log_weight, IMAGES * CHAINS * sizeof *first);
    how.eps = NULL; /* it does matter then */
    run(chains_decode, &m, D, IMAGES, NULL, &how, &trace);
    ck_assert_mem_ne(first, log_weight, IMAGES * CHAINS * sizeof *first);
    ck_assert_double_eq(eps[1], 0.4);
    /* and the sizes found may be fixed: the same run */
    memcpy(first, log_weight, sizeof first);
    how.eps = eps;
    run(chains_decode, &m, D, IMAGES, NULL, &how,
        &(slivi_ais_trace){.log_weight = log_weight});
    ck_assert_mem_eq(first, log_weight, IMAGES * CHAINS * sizeof *first);
}
END_TEST

/* Sizes tuned on pilots give the acceptance that was asked for. */
START_TEST(test_tune)
{
    enum { K = 40, IMAGES = 40, MANY = 8 };
    double eps[K], again[K], accept[K], mean = 0;
    struct chains_decoder m = decoder();
    slivi_ais how = with(16, K, NULL);
    slivi_ais_workspace *ws;
    const slivi_ais_trace trace = {.log_weight = log_weight, .accept = accept};

    m.d = MANY;
    m.a = 0.3;
    m.s = 0.4;
    how.leapfrogs = 5;
    how.tuner.eps = 0.8;
    how.tuner.most = 2;
    how.tuner.target = 0.7;
    ws = slivi_ais_workspace_create(&how, IMAGES, MANY);
    ck_assert_int_eq(
        slivi_ais_tune(ws, chains_decode, &m, IMAGES, 8, &how, eps), 0);
    ck_assert_double_eq(eps[0], 0);
    how.eps = eps;
    run(chains_decode, &m, MANY, IMAGES, NULL, &how, &trace);
    for (size_t k = 1; k < K; k++) {
        mean += accept[k] / (K - 1);
        ck_assert_msg(fabs(accept[k] - 0.7) < 0.13, "%zu: %g at %g", k,
                      accept[k], eps[k]);
    }
    ck_assert_msg(fabs(mean - 0.7) < 0.03, "%g", mean);
    ck_assert_double_gt(eps[1], 2 * eps[K - 1]);
    /* how->eps is no matter; seeds and numbers are; limits hold */
    accept[3] = NAN;
    how.eps = accept;
    ck_assert_int_eq(
        slivi_ais_tune(ws, chains_decode, &m, IMAGES, 8, &how, again), 0);
    ck_assert_mem_eq(eps, again, sizeof eps);
    how.first = 1;
    ck_assert_int_eq(
        slivi_ais_tune(ws, chains_decode, &m, IMAGES, 8, &how, again), 0);
    ck_assert_mem_ne(eps, again, sizeof eps);
    how.tuner.most = 0.3;
    how.tuner.least = how.tuner.eps = 0.1;
    ck_assert_int_eq(
        slivi_ais_tune(ws, chains_decode, &m, IMAGES, 8, &how, again), 0);
    for (size_t k = 1; k < K; k++)
        ck_assert(again[k] >= 0.1 && again[k] <= 0.3);
    slivi_ais_workspace_free(ws);
}
END_TEST

/* Notes where each of the calls begins. */
struct witness {
    struct chains_decoder m;
    size_t period; /* calls of a pass */
    double begun[3];
};

static int witnessed(size_t n, size_t d, const size_t *image, const double *at,
                     double *ll, double *grad, void *ctx)
{
    struct witness *w = ctx;

    if (w->m.calls % w->period == 0)
        w->begun[w->m.calls / w->period] = at[0];
    return chains_decode(n, d, image, at, ll, grad, &w->m);
}

/* One pass is the protocol's own sizes, on other draws than a forward run's,
   and each further pass has others. */
START_TEST(test_pilots)
{
    enum { K = 60 };
    double eps[K], led[K], twice[K], accept[K];
    struct chains_decoder m = decoder();
    slivi_ais how = with(16, K, NULL);
    const slivi_ais_trace trace = {.eps = led, .accept = accept};
    slivi_ais_workspace *ws = slivi_ais_workspace_create(&how, 2, D);

    m.s = 0.2;
    how.tuner.eps = 0.4;
    how.tuner.up = 1.2;
    how.tuner.down = 0.8;
    ck_assert_int_eq(slivi_ais_tune(ws, chains_decode, &m, 2, 1, &how, eps), 0);
    run(chains_decode, &m, D, 2, NULL, &how, &trace);
    ck_assert_double_eq(eps[1], 0.4);
    ck_assert_double_eq_tol(eps[2], 0.4 * 0.8, 1e-15);
    ck_assert_mem_ne(eps, led, sizeof eps);
    ck_assert_int_eq(slivi_ais_tune(ws, chains_decode, &m, 2, 2, &how, twice),
                     0);
    for (size_t k = 1; k < K; k++) /* at most e^0.35, at least e^-0.65 */
        ck_assert(twice[k] <= fmin(0.5, eps[k] * exp(0.35) + 1e-15)
                  && twice[k] >= eps[k] * exp(-0.65));
    struct witness w = {.m = m, .period = 1 + (K - 1) * how.leapfrogs};
    w.m.calls = 0;
    ck_assert_int_eq(slivi_ais_tune(ws, witnessed, &w, 2, 2, &how, twice), 0);
    run(witnessed, &w, D, 2, NULL, &how, &trace);
    ck_assert_uint_eq(w.m.calls, 3 * w.period);
    ck_assert(w.begun[0] != w.begun[1] && w.begun[0] != w.begun[2]
              && w.begun[1] != w.begun[2]);
    slivi_ais_workspace_free(ws);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *slivi_suite_ais(void)
{
    Suite *s = suite_create("ais");
    TCase *c = tcase_create("exact");

    tcase_add_test(c, test_schedule);
    tcase_add_loop_test(c, test_telescope, 0, 2);
    tcase_add_test(c, test_increments);
    suite_add_tcase(s, c);
    c = tcase_create("bounds");
    tcase_add_loop_test(c, test_unbiased, 0, 3);
    tcase_add_loop_test(c, test_backward, 0, 3);
    tcase_add_test(c, test_sandwich);
    suite_add_tcase(s, c);
    c = tcase_create("decoders");
    tcase_add_loop_test(c, test_bernoulli, 1, 3);
    tcase_add_test(c, test_protocol);
    suite_add_tcase(s, c);
    c = tcase_create("sizes");
    tcase_add_test(c, test_frozen);
    tcase_add_test(c, test_tune);
    tcase_add_test(c, test_pilots);
    suite_add_tcase(s, c);
    return s;
}
