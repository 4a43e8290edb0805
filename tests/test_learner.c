/* test_learner.c - optimisers, rates, norms, averages.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/pool.h"
#include "slivi/status.h"
#include "test_learn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

slivi_learning learn_options_of(const char *optimizer)
{
    slivi_learning how;
    CHECK_OK(slivi_options_default(slivi_learning_options, &how));
    CHECK_OK(slivi_options_set(slivi_learning_options, &how, "optimizer",
                               optimizer));
    return how;
}

slivi_params *learn_params(enum slivi_precision precision)
{
    slivi_params *p = slivi_params_create(precision);
    ck_assert_int_eq(slivi_params_add(p, "encoder.w1", 3, 4, 1, 0), 0);
    ck_assert_int_eq(slivi_params_add(p, "encoder.b1", 5, 5, 1, 0), 1);
    slivi_params_init(p, 4, 4);
    return p;
}

double learn_slope(size_t i, size_t t)
{
    return (double)(float)(sin((double)(3 * i + 1) + 2.5 * (double)t) * 2);
}

void learn_fill(slivi_learner *l, enum slivi_precision precision, size_t t)
{
    void *g = slivi_learner_gradient(l);
    for (size_t i = 0; i < LEARN_N; i++)
        if (precision == SLIVI_F32)
            ((float *)g)[i] = (float)learn_slope(i, t);
        else
            ((double *)g)[i] = learn_slope(i, t);
}

void learn_steps(slivi_learner *l, enum slivi_precision precision, size_t from,
                 size_t to)
{
    for (size_t t = from; t < to; t++) {
        learn_fill(l, precision, t);
        CHECK_OK(slivi_learner_step(l, NULL));
    }
}

slivi_learning learn_optimizer(int i)
{
    static const char *const names[] = {"momentum", "rmsprop", "rmsprop",
                                        "adam"};
    slivi_learning how = learn_options_of(names[i]);
    how.rate = 0.1;
    how.momentum = i % 2 ? 0 : 0.6;
    how.alpha = 0.8;
    how.beta1 = 0.7;
    how.beta2 = 0.95;
    how.epsilon = 0.01;
    return how;
}

/* ---- optimisers ------------------------------------------------------- */

/* PyTorch's torch.optim, one scalar, five steps of gradients g, with
   lr 0.1, momentum 0.6, alpha 0.8, betas 0.7 0.95, eps 0.01 (large, so that
   its place matters). */
static double sgd(double p, const double *g)
{
    double buf = 0;
    for (int t = 0; t < 5; t++) {
        buf = t ? 0.6 * buf + g[t] : g[t];
        p = p - 0.1 * buf;
    }
    return p;
}

static double rmsprop(double p, const double *g)
{
    double square_avg = 0;
    for (int t = 0; t < 5; t++) {
        square_avg = 0.8 * square_avg + 0.2 * (g[t] * g[t]);
        p = p - 0.1 * (g[t] / (sqrt(square_avg) + 0.01));
    }
    return p;
}

static double rmsprop_momentum(double p, const double *g)
{
    double square_avg = 0, buf = 0;
    for (int t = 0; t < 5; t++) {
        square_avg = 0.8 * square_avg + 0.2 * (g[t] * g[t]);
        buf = 0.6 * buf + g[t] / (sqrt(square_avg) + 0.01);
        p = p - 0.1 * buf;
    }
    return p;
}

static double adam(double p, const double *g)
{
    double exp_avg = 0, exp_avg_sq = 0;
    double power1 = 1, power2 = 1;
    for (int t = 0; t < 5; t++) {
        power1 *= 0.7;
        power2 *= 0.95;
        exp_avg = 0.7 * exp_avg + 0.3 * g[t];
        exp_avg_sq = 0.95 * exp_avg_sq + 0.05 * (g[t] * g[t]);
        double denom = sqrt(exp_avg_sq / (1 - power2)) + 0.01;
        p = p - 0.1 * (exp_avg / (1 - power1)) / denom;
    }
    return p;
}

static double (*const recurrences[])(double p, const double *g) = {
    sgd, rmsprop, rmsprop_momentum, adam};

/* Every optimiser is one of those that the tests go through. */
START_TEST(test_all_are_tested)
{
    for (size_t i = 0; slivi_optimizer_names[i]; i++) {
        int found = 0;
        for (int k = 0; k < LEARN_OPTIMIZERS; k++)
            found |= !strcmp(learn_optimizer(k).optimizer,
                             slivi_optimizer_names[i]);
        ck_assert_msg(found, "no test knows the optimizer %s",
                      slivi_optimizer_names[i]);
    }
}
END_TEST

START_TEST(test_recurrence)
{
    const enum slivi_precision precision = _i < LEARN_OPTIMIZERS ? SLIVI_F64
                                                                 : SLIVI_F32;
    const int k = _i % LEARN_OPTIMIZERS;
    const double tolerance = precision == SLIVI_F64 ? 1e-14 : 1e-5;
    const slivi_learning how = learn_optimizer(k);
    slivi_params *p = learn_params(precision);
    slivi_learner *l = slivi_learner_create(p, &how);
    double before[LEARN_N], after[LEARN_N];
    ck_assert_msg(l != NULL, "%s", slivi_errmsg());
    slivi_params_get(p, before);
    learn_steps(l, precision, 0, 5);
    slivi_params_get(p, after);
    for (size_t i = 0; i < LEARN_N; i++) {
        double g[5];
        for (size_t t = 0; t < 5; t++)
            g[t] = learn_slope(i, t);
        double wanted = recurrences[k](before[i], g);
        ck_assert_double_ge(fabs(wanted - before[i]), 1e-4);
        ck_assert_double_le(fabs(after[i] - wanted),
                            tolerance * fmax(1, fabs(wanted)));
    }
    ck_assert_uint_eq(slivi_learner_steps(l), 5);
    slivi_learner_free(l);
    slivi_params_free(p);
}
END_TEST

START_TEST(test_defaults)
{
    slivi_learning how;
    CHECK_OK(slivi_options_default(slivi_learning_options, &how));
    ck_assert_str_eq(how.optimizer, "rmsprop");
    ck_assert_str_eq(how.schedule, "constant");
    ck_assert_double_eq(how.rate, 1e-3);
    ck_assert_double_eq(how.momentum, 0);
    ck_assert_double_eq(how.alpha, 0.99);
    ck_assert_double_eq(how.beta1, 0.9);
    ck_assert_double_eq(how.beta2, 0.999);
    ck_assert_double_eq(how.epsilon, 1e-8);
    ck_assert_double_eq(how.clip, 0);
    ck_assert_double_eq(how.average, 0);
    ck_assert_uint_eq(how.warmup, 0);
    ck_assert_uint_eq(how.steps, 0);
    /* every name of the lists makes a learner */
    slivi_params *p = learn_params(SLIVI_F64);
    how.steps = 10;
    for (size_t i = 0; slivi_optimizer_names[i]; i++)
        for (size_t j = 0; slivi_schedule_names[j]; j++) {
            strcpy(how.optimizer, slivi_optimizer_names[i]);
            strcpy(how.schedule, slivi_schedule_names[j]);
            slivi_learner *l = slivi_learner_create(p, &how);
            ck_assert_ptr_nonnull(l);
            slivi_learner_free(l);
        }
    slivi_params_free(p);
}
END_TEST

START_TEST(test_create_refusals)
{
    const struct {
        const char *name, *text;
    } wrong[] = {{"rate", "-1"},    {"momentum", "1"},   {"alpha", "1"},
                 {"beta1", "1"},    {"beta2", "1"},      {"epsilon", "0"},
                 {"clip", "-1"},    {"average", "1"},    {"warmup", "-1"},
                 {"optimizer", ""}, {"schedule", "step"}};
    slivi_params *p = learn_params(SLIVI_F64);
    slivi_params *empty = slivi_params_create(SLIVI_F64);
    slivi_learning how = learn_options_of("adam");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_FAILS(slivi_options_set(slivi_learning_options, &how,
                                      wrong[i].name, wrong[i].text),
                    SLIVI_EINVAL, wrong[i].name);
    ck_assert_ptr_null(slivi_learner_create(empty, &how));
    CHECK_WORDS("no parameters");
    how.rate = NAN; /* a struct filled by hand is checked as well */
    ck_assert_ptr_null(slivi_learner_create(p, &how));
    CHECK_WORDS("option rate: \"nan\" is not a number of at least 0");
    how = learn_options_of("adam");
    strcpy(how.optimizer, "sgd");
    ck_assert_ptr_null(slivi_learner_create(p, &how));
    CHECK_WORDS("\"sgd\" is not one of momentum, rmsprop, adam");
    how = learn_options_of("adam");
    strcpy(how.schedule, "cosine");
    ck_assert_ptr_null(slivi_learner_create(p, &how));
    CHECK_WORDS("cosine needs the option steps");
    slivi_learner_free(NULL);
    slivi_params_free(empty);
    slivi_params_free(p);
}
END_TEST

/* ---- rate, norm, averages --------------------------------------------- */

START_TEST(test_schedules)
{
    const struct {
        const char *schedule;
        size_t warmup, steps, t;
        double factor;
    } wanted[] = {
        {"constant", 0, 0, 0, 1},
        {"constant", 0, 100, 1000, 1},
        {"linear", 0, 100, 0, 1},
        {"linear", 0, 100, 25, 0.75},
        {"linear", 0, 100, 99, 0.01},
        {"linear", 0, 100, 100, 0},
        {"linear", 0, 100, 5000, 0},
        {"cosine", 0, 100, 0, 1},
        {"cosine", 0, 100, 50, 0.5},
        {"cosine", 0, 100, 100, 0},
        {"cosine", 0, 100, 101, 0},
        /* (1 + cos(pi / 4)) / 2 and (1 + cos(3 pi / 4)) / 2 */
        {"cosine", 0, 100, 25, 0.85355339059327376},
        {"cosine", 0, 100, 75, 0.14644660940672624},
        {"constant", 10, 0, 0, 0.1},
        {"constant", 10, 0, 4, 0.5},
        {"constant", 10, 0, 9, 1},
        {"constant", 10, 0, 10, 1},
        {"linear", 10, 100, 4, 0.48},
        {"linear", 10, 100, 50, 0.5},
        {"constant", 1, 0, 0, 1},
        {"linear", 0, 0, 0, 0},
    };
    slivi_learning how = learn_options_of("momentum");
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        strcpy(how.schedule, wanted[i].schedule);
        how.warmup = wanted[i].warmup;
        how.steps = wanted[i].steps;
        ck_assert_double_eq_tol(slivi_schedule_factor(&how, wanted[i].t),
                                wanted[i].factor, 1e-15);
    }
    strcpy(how.schedule, "none");
    ck_assert_double_nan(slivi_schedule_factor(&how, 0));
}
END_TEST

/* w <- w - 0.1 scale factor(t) g, with the schedule and a scaled rate */
START_TEST(test_rate)
{
    const double factor[4] = {0.5 * 1, 1 * 0.75, 0.5, 0.25}, scale = 0.3 * 0.5;
    slivi_learning how = learn_options_of("momentum");
    how.rate = 0.1;
    how.warmup = 2;
    how.steps = 4;
    strcpy(how.schedule, "linear");
    slivi_params *p = learn_params(SLIVI_F64);
    slivi_learner *l = slivi_learner_create(p, &how);
    double wanted[LEARN_N], after[LEARN_N];
    slivi_params_get(p, wanted);
    for (size_t t = 0; t < 4; t++) {
        if (t == 2) {
            slivi_learner_set_rate(l, 1);
            slivi_learner_set_rate(l, 0.1 * scale);
        }
        learn_steps(l, SLIVI_F64, t, t + 1);
        slivi_params_get(p, after);
        for (size_t i = 0; i < LEARN_N; i++) {
            wanted[i] -= 0.1 * factor[t] * (t < 2 ? 1 : scale)
                         * learn_slope(i, t);
            ck_assert_double_eq_tol(after[i], wanted[i], 1e-14);
        }
    }
    slivi_learner_set_rate(l, INFINITY);
    CHECK_FAILS(slivi_learner_step(l, NULL), SLIVI_ENONFINITE,
                "the rate is not finite (step 4)");
    slivi_learner_free(l);
    slivi_params_free(p);
}
END_TEST

START_TEST(test_clip)
{
    const enum slivi_precision precision = _i % 2 ? SLIVI_F32 : SLIVI_F64;
    const double tolerance = _i % 2 ? 1e-6 : 1e-14;
    slivi_learning how = learn_options_of("momentum");
    slivi_params *p = learn_params(precision);
    double before[LEARN_N], after[LEARN_N], norm = 0, found;
    for (size_t i = 0; i < LEARN_N; i++)
        norm += learn_slope(i, 0) * learn_slope(i, 0);
    norm = sqrt(norm);
    how.rate = 1;
    how.clip = _i < 2 ? norm / 4 : norm * 1.01;
    slivi_learner *l = slivi_learner_create(p, &how);
    slivi_params_get(p, before);
    learn_fill(l, precision, 0);
    CHECK_OK(slivi_learner_step(l, &found));
    ck_assert_double_eq_tol(found, norm, 1e-14 * norm);
    slivi_params_get(p, after);
    const double factor = _i < 2 ? 0.25 : 1;
    for (size_t i = 0; i < LEARN_N; i++)
        ck_assert_double_eq_tol(
            after[i], before[i] - factor * learn_slope(i, 0), tolerance);
    slivi_learner_free(l);
    slivi_params_free(p);
}
END_TEST

/* Each optimiser sees the clipped gradient: as one that gets a quarter. */
START_TEST(test_clip_all)
{
    slivi_learning how = learn_optimizer(_i);
    slivi_params *p = learn_params(SLIVI_F64), *q = learn_params(SLIVI_F64);
    slivi_learner *whole, *quarter = slivi_learner_create(q, &how);
    double x[LEARN_N], y[LEARN_N], norm = 0;
    for (size_t i = 0; i < LEARN_N; i++)
        norm += learn_slope(i, 0) * learn_slope(i, 0);
    how.clip = sqrt(norm) / 4;
    whole = slivi_learner_create(p, &how);
    learn_fill(whole, SLIVI_F64, 0);
    learn_fill(quarter, SLIVI_F64, 0);
    for (size_t i = 0; i < LEARN_N; i++)
        ((double *)slivi_learner_gradient(quarter))[i] /= 4;
    CHECK_OK(slivi_learner_step(whole, NULL));
    CHECK_OK(slivi_learner_step(quarter, NULL));
    slivi_params_get(p, x);
    slivi_params_get(q, y);
    for (size_t i = 0; i < LEARN_N; i++)
        ck_assert_double_eq_tol(x[i], y[i], 1e-14);
    slivi_learner_free(whole);
    slivi_learner_free(quarter);
    slivi_params_free(p);
    slivi_params_free(q);
}
END_TEST

/* The squares overflow, the norm does not. */
START_TEST(test_large_norm)
{
    slivi_learning how = learn_options_of("momentum");
    slivi_params *p = learn_params(SLIVI_F64);
    double norm, before[LEARN_N], after[LEARN_N];
    how.clip = 1;
    how.rate = 1;
    slivi_learner *l = slivi_learner_create(p, &how);
    double *g = slivi_learner_gradient(l);
    g[3] = 3e200;
    g[30] = -4e200;
    slivi_params_get(p, before);
    CHECK_OK(slivi_learner_step(l, &norm));
    ck_assert_double_eq_tol(norm / 5e200, 1, 1e-15);
    slivi_params_get(p, after);
    ck_assert_double_eq_tol(after[3], before[3] - 0.6, 1e-14);
    ck_assert_double_eq_tol(after[30], before[30] + 0.8, 1e-14);
    ck_assert_double_eq(after[0], before[0]);
    slivi_learner_free(l);
    slivi_params_free(p);
}
END_TEST

START_TEST(test_average)
{
    static const double decays[] = {0.3, 0.9};
    const enum slivi_precision precision = _i % 2 ? SLIVI_F32 : SLIVI_F64;
    const double tolerance = _i % 2 ? 1e-5 : 1e-14, decay = decays[_i / 2];
    slivi_learning how = learn_options_of("rmsprop");
    slivi_params *p = learn_params(precision);
    double wanted[LEARN_N], now[LEARN_N];
    how.average = decay;
    how.rate = 0.05;
    slivi_learner *l = slivi_learner_create(p, &how);
    ck_assert_ptr_eq(slivi_learner_average(l), slivi_params_values(p));
    slivi_params_init(p, 99, 1); /* later than the learner: averages follow */
    slivi_params_get(p, wanted);
    for (size_t t = 0; t < 120; t++) {
        double rise = ((double)t + 1) / ((double)t + 10);
        double b = rise < decay ? rise : decay;
        learn_steps(l, precision, t, t + 1);
        slivi_params_get(p, now);
        for (size_t i = 0; i < LEARN_N; i++) {
            wanted[i] = b * wanted[i] + (1 - b) * now[i];
            const void *a = slivi_learner_average(l);
            double got = precision == SLIVI_F32 ? (double)((const float *)a)[i]
                                                : ((const double *)a)[i];
            ck_assert_double_eq_tol(got, wanted[i], tolerance);
        }
    }
    slivi_learner_free(l);
    slivi_params_free(p);
}
END_TEST

/* ---- a gradient that is not finite ------------------------------------- */

START_TEST(test_nonfinite)
{
    static const struct {
        size_t at;
        double value;
        const char *message;
    } cases[] = {
        {0, NAN, "gradient of encoder.w1 is not finite (step 2)"},
        {LEARN_A - 1, INFINITY,
         "gradient of encoder.w1 is not finite (step 2)"},
        {LEARN_A, -INFINITY, "gradient of encoder.b1 is not finite (step 2)"},
        {LEARN_N - 1, NAN, "gradient of encoder.b1 is not finite (step 2)"}};
    const enum slivi_precision precision = _i % 2 ? SLIVI_F32 : SLIVI_F64;
    const size_t k = (size_t)_i / 2;
    slivi_learning how = learn_optimizer(3);
    how.average = 0.5;
    slivi_params *p[2] = {learn_params(precision), learn_params(precision)};
    slivi_learner *l[2];
    double values[2][LEARN_N], norm = -1;
    for (int j = 0; j < 2; j++) {
        l[j] = slivi_learner_create(p[j], &how);
        learn_steps(l[j], precision, 0, 2);
    }
    learn_fill(l[0], precision, 2);
    if (precision == SLIVI_F32)
        ((float *)slivi_learner_gradient(
            l[0]))[cases[k].at] = (float)cases[k].value;
    else
        ((double *)slivi_learner_gradient(l[0]))[cases[k].at] = cases[k].value;
    ck_assert_int_eq(slivi_learner_step(l[0], &norm), SLIVI_ENONFINITE);
    ck_assert_str_eq(slivi_errmsg(), cases[k].message);
    ck_assert_double_eq(norm, -1);
    /* nothing has changed: both go on alike, to the bit */
    for (int j = 0; j < 2; j++) {
        ck_assert_uint_eq(slivi_learner_steps(l[j]), 2);
        learn_steps(l[j], precision, 2, 5);
        slivi_params_get(p[j], values[j]);
    }
    ck_assert_mem_eq(values[0], values[1], sizeof values[0]);
    size_t bytes = LEARN_N
                   * (precision == SLIVI_F32 ? sizeof(float) : sizeof(double));
    ck_assert_mem_eq(slivi_learner_average(l[0]), slivi_learner_average(l[1]),
                     bytes);
    for (int j = 0; j < 2; j++) {
        slivi_learner_free(l[j]);
        slivi_params_free(p[j]);
    }
}
END_TEST

START_TEST(test_grown)
{
    slivi_learning how = learn_options_of("momentum");
    slivi_params *p = learn_params(SLIVI_F64);
    slivi_learner *l = slivi_learner_create(p, &how);
    ck_assert_int_eq(slivi_params_add(p, "late", 1, 1, 0, 0), 2);
    CHECK_FAILS(slivi_learner_step(l, NULL), SLIVI_ESHAPE,
                "grown from 37 entries to 38");
    slivi_learner_free(l);
    slivi_params_free(p);
}
END_TEST

/* ---- many entries ------------------------------------------------------ */

/* A vector that repeats the small one takes the same steps, to the bit, shared
   with a pool or not; its norm is the small one's times the root of the number
   of repetitions. */
START_TEST(test_long_vector)
{
    enum { TIMES = 2000, STEPS = 3 };
    const enum slivi_precision precision = _i & 1 ? SLIVI_F32 : SLIVI_F64;
    const size_t size = precision == SLIVI_F32 ? sizeof(float) : sizeof(double);
    slivi_learning how = learn_optimizer(_i / 4);
    how.average = 0.9;
    slivi_params *small = learn_params(precision);
    slivi_params *large = slivi_params_create(precision);
    slivi_params_add(large, "w", TIMES, LEARN_N, 1, 0);
    slivi_learner *few = slivi_learner_create(small, &how);
    slivi_learner *many = slivi_learner_create(large, &how);
    slivi_pool *pool = _i & 2 ? slivi_pool_create(3) : NULL;
    slivi_learner_set_pool(many, pool);
    char *values = slivi_params_values(large);
    for (size_t k = 0; k < TIMES; k++)
        memcpy(values + k * LEARN_N * size, slivi_params_values(small),
               LEARN_N * size);
    for (size_t t = 0; t < STEPS; t++) {
        char *g = slivi_learner_gradient(many);
        double norm[2];
        learn_fill(few, precision, t);
        for (size_t k = 0; k < TIMES; k++)
            memcpy(g + k * LEARN_N * size, slivi_learner_gradient(few),
                   LEARN_N * size);
        CHECK_OK(slivi_learner_step(few, &norm[0]));
        CHECK_OK(slivi_learner_step(many, &norm[1]));
        ck_assert_double_eq_tol(norm[1] / norm[0], sqrt(TIMES), 1e-10);
    }
    size_t wrong = 0;
    for (size_t k = 0; k < TIMES; k++) {
        const size_t at = k * LEARN_N * size;
        wrong += memcmp(values + at, slivi_params_values(small), LEARN_N * size)
                 || memcmp((const char *)slivi_learner_average(many) + at,
                           slivi_learner_average(few), LEARN_N * size);
    }
    ck_assert_uint_eq(wrong, 0);
    slivi_learner_free(few);
    slivi_learner_free(many);
    slivi_params_free(small);
    slivi_params_free(large);
    slivi_pool_free(pool);
}
END_TEST

/* The sum of squares does not depend on who makes its parts. */
START_TEST(test_pool_keeps_norm)
{
    enum { N = 100001 };
    slivi_learning how = learn_options_of("momentum");
    slivi_params *p = slivi_params_create(SLIVI_F32);
    slivi_params_add(p, "w", 1, N, 1, 0);
    slivi_learner *l = slivi_learner_create(p, &how);
    slivi_pool *pool = slivi_pool_create(2);
    float *g = slivi_learner_gradient(l);
    double norm[2], sum = 0;
    for (size_t i = 0; i < N; i++) {
        g[i] = (float)learn_slope(i, 0);
        sum += (double)g[i] * (double)g[i];
    }
    CHECK_OK(slivi_learner_step(l, &norm[0]));
    slivi_learner_set_pool(l, pool);
    CHECK_OK(slivi_learner_step(l, &norm[1]));
    ck_assert_double_eq(norm[0], norm[1]);
    ck_assert_double_eq_tol(norm[0] / sqrt(sum), 1, 1e-13);
    g[N - 1] = NAN;
    CHECK_FAILS(slivi_learner_step(l, NULL), SLIVI_ENONFINITE, "gradient of w");
    slivi_learner_free(l);
    slivi_params_free(p);
    slivi_pool_free(pool);
}
END_TEST

TCase *learn_learner(void)
{
    TCase *c = tcase_create("learner");
    tcase_add_test(c, test_all_are_tested);
    tcase_add_loop_test(c, test_recurrence, 0, 2 * LEARN_OPTIMIZERS);
    tcase_add_test(c, test_defaults);
    tcase_add_test(c, test_create_refusals);
    tcase_add_test(c, test_schedules);
    tcase_add_test(c, test_rate);
    tcase_add_loop_test(c, test_clip, 0, 4);
    tcase_add_loop_test(c, test_clip_all, 0, LEARN_OPTIMIZERS);
    tcase_add_test(c, test_large_norm);
    tcase_add_loop_test(c, test_average, 0, 4);
    tcase_add_loop_test(c, test_nonfinite, 0, 8);
    tcase_add_test(c, test_grown);
    tcase_add_loop_test(c, test_long_vector, 0, 4 * LEARN_OPTIMIZERS);
    tcase_add_test(c, test_pool_keeps_norm);
    return c;
}
