/* test_ais_use.c - how annealed importance sampling behaves as a function:
   what it says of its weights, extreme likelihoods, calls, failures, memory.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "chains.h"
#include "evidence.h"
#include "scratch.h"
#include "slivi/ais.h"
#include "suites.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { D = 2, K = 10, IMAGES = 6, CHAINS = 5, ROWS = IMAGES * CHAINS };

static const double sizes[K] = {0, 0.7, 0.7, 0.6, 0.6, 0.5, 0.5, 0.5, 0.5, 0.5};
static const double images[IMAGES * D] = {1.2, -0.7, 0.1, 0.5, -1, -1,
                                          0,   2,    0.3, 0.3, 3,  -0.2};

static struct chains_decoder decoder(void)
{
    const struct chains_decoder m = {.d = D, .a = 1, .s = 0.5, .x = images};

    return m;
}

static slivi_ais options(void)
{
    slivi_ais how = slivi_ais_default();

    how.chains = CHAINS;
    how.temperatures = K;
    how.leapfrogs = 3;
    how.eps = sizes;
    how.seed = 4;
    return how;
}

static void run(slivi_log_likelihood *fn, void *ctx, const slivi_ais *how,
                size_t count, slivi_evidence *out, const slivi_ais_trace *trace)
{
    slivi_ais_workspace *ws = slivi_ais_workspace_create(how, count, D);

    ck_assert_msg(ws != NULL, "%s", slivi_errmsg());
    ck_assert_msg(slivi_ais_forward(ws, fn, ctx, count, how, out, trace) == 0,
                  "%s", slivi_errmsg());
    slivi_ais_workspace_free(ws);
}

/* -- weights --------------------------------------------------------------- */

/* The summary of an image is that of its own weights. */
START_TEST(test_summary)
{
    struct chains_decoder m = decoder();
    const slivi_ais how = options();
    double lw[ROWS];
    slivi_evidence e[IMAGES];

    run(chains_decode, &m, &how, IMAGES, e,
        &(slivi_ais_trace){.log_weight = lw});
    for (size_t i = 0; i < IMAGES; i++) {
        double mean = 0, squares = 0, spread = 0, most = 0;

        for (size_t c = 0; c < CHAINS; c++) {
            const double w = exp(lw[i * CHAINS + c]);

            mean += w / CHAINS;
            squares += w * w;
            most = fmax(most, w);
        }
        for (size_t c = 0; c < CHAINS; c++)
            spread += pow(exp(lw[i * CHAINS + c]) - mean, 2);
        ck_assert_double_eq_tol(e[i].log_evidence, log(mean), 1e-12);
        /* delta method: se of the mean over the mean */
        ck_assert_double_eq_tol(
            e[i].se, sqrt(spread / (CHAINS - 1) / CHAINS) / mean, 1e-12);
        ck_assert_double_eq_tol(e[i].ess,
                                CHAINS * CHAINS * mean * mean / squares, 1e-11);
        ck_assert_double_eq_tol(e[i].weight_max, most / mean / CHAINS, 1e-12);
    }
}
END_TEST

/* log p(x|z) = c, or -infinity where z_0 < edge. */
struct ledge {
    double c, edge;
};

static int ledge(size_t n, size_t d, const size_t *image, const double *z,
                 double *ll, double *grad, void *ctx)
{
    const struct ledge *at = ctx;

    (void)image;
    memset(grad, 0, n * d * sizeof *grad);
    for (size_t i = 0; i < n; i++) {
        ll[i] = z[i * d] < at->edge ? -INFINITY : at->c;
        if (z[i * d] < at->edge)
            grad[i * d] = NAN;
    }
    return 0;
}

START_TEST(test_constant)
{
    struct ledge at = {-3.25, -INFINITY};
    slivi_ais how = options();
    slivi_evidence e[IMAGES];

    for (int led = 0; led < 2; led++) {
        how.eps = led ? NULL : sizes;
        run(ledge, &at, &how, IMAGES, e, NULL);
        for (size_t i = 0; i < IMAGES; i++) {
            ck_assert_double_eq_tol(e[i].log_evidence, -3.25, 1e-14);
            ck_assert_double_eq_tol(e[i].se, 0, 1e-14);
            ck_assert_double_eq_tol(e[i].ess, CHAINS, 1e-12);
            ck_assert_double_eq_tol(e[i].weight_max, 1. / CHAINS, 1e-14);
        }
    }
    how.chains = 1;
    run(ledge, &at, &how, IMAGES, e, NULL);
    ck_assert_double_eq_tol(e[0].log_evidence, -3.25, 1e-14);
    ck_assert(e[0].se == INFINITY && e[0].ess == 1 && e[0].weight_max == 1);
}
END_TEST

/* Chains that begin where there is nothing weigh nothing. */
START_TEST(test_ledge)
{
    struct ledge at = {2, 0.5};
    slivi_ais how = options();
    slivi_evidence e;
    static double lw[20000];
    size_t none = 0;

    how.chains = 20000;
    run(ledge, &at, &how, 1, &e, &(slivi_ais_trace){.log_weight = lw});
    const double truth = 2 + log(0.5 * erfc(0.5 / sqrt(2)));
    ck_assert_msg(fabs(e.log_evidence - truth) < 4.5 * e.se && e.se < 0.02,
                  "%g for %g, se %g", e.log_evidence, truth, e.se);
    for (size_t r = 0; r < how.chains; r++)
        none += lw[r] == -INFINITY;
    ck_assert_uint_gt(none, 10000);
    at.edge = INFINITY;
    how.chains = CHAINS;
    run(ledge, &at, &how, 1, &e, NULL);
    ck_assert(e.log_evidence == -INFINITY && e.se == INFINITY && e.ess == 0
              && e.weight_max == 0);
}
END_TEST

/* Likelihoods far below the smallest double's. */
START_TEST(test_underflow)
{
    struct chains_decoder m = decoder();
    const slivi_ais how = options();
    slivi_evidence e[IMAGES], low[IMAGES];

    run(chains_decode, &m, &how, IMAGES, e, NULL);
    m.shift = -1e4;
    run(chains_decode, &m, &how, IMAGES, low, NULL);
    for (size_t i = 0; i < IMAGES; i++) {
        ck_assert_double_eq_tol(low[i].log_evidence + 1e4, e[i].log_evidence,
                                1e-9);
        ck_assert_double_eq_tol(low[i].se, e[i].se, 1e-9);
    }
}
END_TEST

/* -- calls, bits, memory --------------------------------------------------- */

/* The density is asked for where chains begin, and `leapfrogs` times in a
   transition; never again when the temperature changes. */
START_TEST(test_calls)
{
    struct chains_decoder m = decoder();
    const slivi_ais how = options();
    slivi_evidence e[IMAGES];

    run(chains_decode, &m, &how, IMAGES, e, NULL);
    ck_assert_uint_eq(m.calls, 1 + (K - 1) * 3);
    ck_assert_uint_eq(m.rows, m.calls * ROWS);
}
END_TEST

START_TEST(test_split)
{
    struct chains_decoder m = decoder();
    slivi_ais how = options();
    slivi_evidence all[IMAGES], some[IMAGES];
    double z[ROWS * D], back[ROWS];
    slivi_ais_workspace *ws = slivi_ais_workspace_create(&how, 9, D);

    how.first = 1000;
    run(chains_decode, &m, &how, IMAGES, all, &(slivi_ais_trace){.z = z});
    ck_assert_int_eq(slivi_ais_backward(ws, chains_decode, &m, IMAGES, z, &how,
                                        some,
                                        &(slivi_ais_trace){.log_weight = back}),
                     0);
    for (size_t first = 0; first < IMAGES; first += 4) {
        const size_t n = first + 4 < IMAGES ? 4 : IMAGES - first;
        double lw[ROWS];

        how.first = 1000 + first;
        m.x = images + first * D;
        ck_assert_int_eq(
            slivi_ais_forward(ws, chains_decode, &m, n, &how, some, NULL), 0);
        ck_assert_mem_eq(some, all + first, n * sizeof *some);
        ck_assert_int_eq(slivi_ais_backward(
                             ws, chains_decode, &m, n, z + first * CHAINS * D,
                             &how, some, &(slivi_ais_trace){.log_weight = lw}),
                         0);
        ck_assert_mem_eq(lw, back + first * CHAINS, n * CHAINS * sizeof *lw);
    }
    slivi_ais_workspace_free(ws);
    m = decoder();
    how.first = 1000;
    how.seed++;
    run(chains_decode, &m, &how, IMAGES, some, NULL);
    ck_assert_mem_ne(some, all, sizeof all);
}
END_TEST

START_TEST(test_memory)
{
    scratch_memory *memory = scratch_watch(0);
    struct chains_decoder m = decoder();
    slivi_ais how = options();
    slivi_ais_workspace *ws;
    slivi_evidence e[IMAGES];
    double z[ROWS * D], eps[K];

    for (memory->fail_at = 1;; memory->fail_at++) {
        memory->calls = 0;
        ws = slivi_ais_workspace_create(&how, IMAGES, D);
        if (ws != NULL)
            break;
        ck_assert_uint_eq(memory->live, 0);
    }
    ck_assert_uint_gt(memory->fail_at, 3);
    const size_t calls = memory->calls;
    ck_assert_int_eq(slivi_ais_forward(ws, chains_decode, &m, IMAGES, &how, e,
                                       &(slivi_ais_trace){.z = z}),
                     0);
    ck_assert_int_eq(
        slivi_ais_backward(ws, chains_decode, &m, IMAGES, z, &how, e, NULL), 0);
    ck_assert_int_eq(
        slivi_ais_tune(ws, chains_decode, &m, IMAGES, 2, &how, eps), 0);
    ck_assert_uint_eq(memory->calls, calls);
    slivi_ais_workspace_free(ws);
    ck_assert_uint_eq(memory->live, 0);
    scratch_unwatch();
}
END_TEST

/* -- failing --------------------------------------------------------------- */

/* Behaves until call number `at`, then gives `value` at row 7 and `status`. */
struct saboteur {
    size_t at, calls;
    double value;
    int status, tells;
};

static int sabotaged(size_t n, size_t d, const size_t *image, const double *z,
                     double *ll, double *grad, void *ctx)
{
    struct saboteur *s = ctx;
    struct ledge flat = {1, -INFINITY};

    ledge(n, d, image, z, ll, grad, &flat);
    if (s->calls++ != s->at)
        return 0;
    ll[7] = s->value;
    if (s->tells)
        slivi_law_find("beetroot");
    return s->status;
}

static int silent(size_t n, size_t d, const size_t *image, const double *z,
                  double *ll, double *grad, void *ctx)
{
    (void)n, (void)d, (void)image, (void)z, (void)ll, (void)grad, (void)ctx;
    return 0;
}

START_TEST(test_sabotage)
{
    static const struct {
        struct saboteur s;
        int status;
        const char *words;
    } bad[] = {
        {{.at = 0, .value = NAN},
         SLIVI_ENONFINITE,
         "chain 2 of image 1 begins at log likelihood nan"},
        {{.at = 0, .value = INFINITY}, SLIVI_ENONFINITE, "likelihood inf"},
        {{.at = 0, .status = 7}, SLIVI_ECALLBACK, "log_likelihood returned 7"},
        {{.at = 5, .status = -1},
         SLIVI_ECALLBACK,
         "temperature 2: log_likelihood returned -1"},
        {{.at = 5, .status = -4, .tells = 1},
         SLIVI_ECALLBACK,
         "log_likelihood: no law is called 'beetroot'"},
    };
    const slivi_ais how = options();
    slivi_ais_workspace *ws = slivi_ais_workspace_create(&how, IMAGES, D);
    slivi_evidence e[IMAGES] = {{1, 2, 3, 4}};
    static double z[ROWS * D], eps[K];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct saboteur s = bad[i].s;

        ck_assert_int_eq(
            slivi_ais_forward(ws, sabotaged, &s, IMAGES, &how, e, NULL),
            bad[i].status);
        scratch_check_message("ais", bad[i].words);
        ck_assert(e[0].log_evidence == 1 && e[0].se == 2 && e[0].ess == 3
                  && e[0].weight_max == 4);
        s = bad[i].s;
        ck_assert_int_eq(
            slivi_ais_tune(ws, sabotaged, &s, IMAGES, 1, &how, eps),
            bad[i].status);
        scratch_check_message("ais", "pass 0: ");
    }
    /* nan on the way is a rejection; an exact draw has a likelihood */
    struct saboteur s = {.at = 3, .value = NAN};
    ck_assert_int_eq(
        slivi_ais_forward(ws, sabotaged, &s, IMAGES, &how, e, NULL), 0);
    ck_assert_double_eq_tol(e[1].log_evidence, 1, 1e-14);
    ck_assert_int_eq(slivi_ais_forward(ws, silent, NULL, IMAGES, &how, e, NULL),
                     SLIVI_ENONFINITE);
    s = (struct saboteur){.value = -INFINITY};
    ck_assert_int_eq(
        slivi_ais_backward(ws, sabotaged, &s, IMAGES, z, &how, e, NULL),
        SLIVI_ENONFINITE);
    scratch_check_message("ais", "chain 2 of image 1 begins");
    z[5] = NAN;
    ck_assert_int_eq(
        slivi_ais_backward(ws, sabotaged, &s, IMAGES, z, &how, e, NULL),
        SLIVI_ENONFINITE);
    scratch_check_message("ais", "z of row 2 is nan");
    slivi_ais_workspace_free(ws);
}
END_TEST

#define TUNER                                                                  \
    {                                                                          \
        0.01, 0.65, 0.65, 0.9, 1.02, 0.98, 1e-4, 0.5                           \
    }

START_TEST(test_options)
{
    static const double no_start[] = {0.1, 0.5, 1}, no_end[] = {0, 0.5, 0.9};
    static const double level[] = {0, 0.5, 0.5, 1}, lost[] = {0, NAN, 1};
    static const double no_eps[] = {NAN, 0.1, -0.1}, wild[] = {0, INFINITY, 1};
    static const struct {
        slivi_ais how;
        const char *words;
    } bad[] = {
        {{0, 3, NULL, 1, NULL, TUNER, 0, 0}, "chains is 0"},
        {{1, 1, NULL, 1, NULL, TUNER, 0, 0}, "temperatures is 1"},
        {{1, SIZE_MAX, NULL, 1, NULL, TUNER, 0, 0}, "temperatures is"},
        {{1, 3, NULL, 0, NULL, TUNER, 0, 0}, "leapfrogs is 0"},
        {{1, 3, no_start, 1, NULL, TUNER, 0, 0}, "from 0.1 to 1"},
        {{1, 3, no_end, 1, NULL, TUNER, 0, 0}, "from 0 to 0.9"},
        {{1, 4, level, 1, NULL, TUNER, 0, 0}, "temperature 2 is 0.5"},
        {{1, 3, lost, 1, NULL, TUNER, 0, 0}, "temperature 1 is nan"},
        {{1, 3, NULL, 1, no_eps, TUNER, 0, 0}, "eps 2 is -0.1"},
        {{1, 3, NULL, 1, wild, TUNER, 0, 0}, "eps 1 is inf"},
        {{1, 3, NULL, 1, NULL, {0, 1, 1, 1, 1, 1, 0, 1}, 0, 0}, "eps is 0"},
        {{1, 3, NULL, 1, NULL, {3, 1, 1, 1, 1, 1, 1, 2}, 0, 0}, "eps is 3"},
        {{1, 3, NULL, 1, NULL, {NAN, 1, 1, 1, 1, 1, 1, 2}, 0, 0}, "eps is"},
        {{1, 3, NULL, 1, NULL, {2, 1, 1, 1, 0.9, 1, 1, 2}, 0, 0}, "up is 0.9"},
        {{1, 3, NULL, 1, NULL, {2, 1, 1, 1, 1, 0, 1, 2}, 0, 0}, "down 0"},
        {{1, 3, NULL, 1, NULL, {2, 2, 1, 1, 1, 1, 1, 2}, 0, 0}, "rate 2"},
        {{1, 3, NULL, 1, NULL, {2, 1, -1, 1, 1, 1, 1, 2}, 0, 0}, "target -1"},
        {{1, 3, NULL, 1, NULL, {2, 1, 1, NAN, 1, 1, 1, 2}, 0, 0}, "memory"},
    };
    const slivi_ais good = {1, 3, NULL, 1, NULL, TUNER, 0, 0};
    slivi_ais_workspace *ws = slivi_ais_workspace_create(&good, 2, D);
    struct chains_decoder m = decoder();
    slivi_evidence e[2];

    ck_assert_ptr_nonnull(ws);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(
            slivi_ais_forward(ws, chains_decode, &m, 2, &bad[i].how, e, NULL),
            SLIVI_EINVAL);
        scratch_check_message("ais", bad[i].words);
        ck_assert_ptr_null(slivi_ais_workspace_create(&bad[i].how, 2, D));
        scratch_check_message("ais", bad[i].words);
    }
    ck_assert_int_eq(
        slivi_ais_forward(ws, chains_decode, &m, 2, &good, e, NULL), 0);
    ck_assert_ptr_null(slivi_ais_workspace_create(&good, 0, D));
    ck_assert_ptr_null(slivi_ais_workspace_create(&good, 1, 0));
    ck_assert_ptr_null(slivi_ais_workspace_create(&good, 2, SIZE_MAX / 4));
    slivi_ais_workspace_free(ws);
    slivi_ais_workspace_free(NULL);
}
END_TEST

START_TEST(test_refused)
{
    slivi_ais how = options();
    slivi_ais_workspace *ws = slivi_ais_workspace_create(&how, 2, D);
    struct chains_decoder m = decoder();
    const double z[3 * CHAINS * D] = {0};
    slivi_evidence e[3];
    double eps[K];

    ck_assert_int_eq(slivi_ais_forward(ws, chains_decode, &m, 3, &how, e, NULL),
                     SLIVI_ESHAPE);
    scratch_check_message("ais",
                          "3 images with 5 chains, in a workspace for 10");
    ck_assert_int_eq(slivi_ais_forward(ws, chains_decode, &m, 0, &how, e, NULL),
                     SLIVI_ESHAPE);
    ck_assert_int_eq(slivi_ais_tune(ws, chains_decode, &m, 2, 0, &how, eps),
                     SLIVI_EINVAL);
    scratch_check_message("ais", "0 passes");
    ck_assert_int_eq(slivi_ais_tune(ws, chains_decode, &m, 2, 65536, &how, eps),
                     SLIVI_EINVAL);
    how.eps = NULL;
    ck_assert_int_eq(
        slivi_ais_backward(ws, chains_decode, &m, 2, z, &how, e, NULL),
        SLIVI_EINVAL);
    scratch_check_message("ais", "no bound without fixed step sizes");
    how.first = (UINT64_C(1) << 32) / CHAINS - 1; /* one image fits, not two */
    ck_assert_int_eq(slivi_ais_forward(ws, chains_decode, &m, 1, &how, e, NULL),
                     0);
    ck_assert_int_eq(slivi_ais_forward(ws, chains_decode, &m, 2, &how, e, NULL),
                     SLIVI_EINVAL);
    scratch_check_message("ais", "2^32");
    how.first = UINT64_MAX;
    ck_assert_int_eq(slivi_ais_forward(ws, chains_decode, &m, 2, &how, e, NULL),
                     SLIVI_EINVAL);
    slivi_ais_workspace_free(ws);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *slivi_suite_ais_use(void)
{
    const TTest *const tests[] = {test_summary,   test_constant, test_ledge,
                                  test_underflow, test_calls,    test_split,
                                  test_memory,    test_sabotage, test_options,
                                  test_refused};
    Suite *s = suite_create("ais_use");
    TCase *c = tcase_create("ais_use");

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(c, tests[i]);
    suite_add_tcase(s, c);
    return s;
}
