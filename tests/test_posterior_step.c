/* test_posterior_step.c - gradients of steps against differences of what they
   descend.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posteriors.h"
#include "suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static slivi_run step_run(const slivi_posterior *q, size_t n)
{
    return slivi__posterior_run(q, n, SLIVI__FOR_STEP, 0);
}

/* ---- gradients of a step ------------------------------------------------- */

/* What a step at the present parameters puts into the learner's gradient. */
static void step_gradient(slivi_posterior *q, const double *contexts,
                          size_t rows, const double *values, double *gradient)
{
    double norm;

    slivi_params_set(q->params, values);
    ck_assert_msg(slivi__posterior_step(q, contexts, rows, &norm) == 0, "%s",
                  slivi_errmsg());
    memcpy(gradient, slivi_learner_gradient(q->learner),
           slivi_params_size(q->params) * sizeof *gradient);
    slivi_params_set(q->params, values);
}

/* Semi-implicit with its net at zero: N(a, B'B + s^2), as an affine map. */
static posteriors_affine linear_map(const slivi_posterior *q)
{
    const double *x = slivi_params_const_values(q->params);
    const double *a = x
                      + slivi_params_view(q->params, (size_t)q->view_a)->offset;
    const double *l = x
                      + slivi_params_view(q->params, (size_t)q->view_b)->offset;
    const double *b =
        x + slivi_params_view(q->params, (size_t)q->view_skip)->offset;
    posteriors_affine f = {{a[0], a[1]}, {0}};
    double v[3] = {exp(2 * l[0]), 0, exp(2 * l[1])};

    for (size_t k = 0; k < q->noise; k++) {
        v[0] += b[2 * k] * b[2 * k];
        v[1] += b[2 * k] * b[2 * k + 1];
        v[2] += b[2 * k + 1] * b[2 * k + 1];
    }
    f.t[0] = sqrt(v[0]);
    f.t[2] = v[1] / f.t[0];
    f.t[3] = sqrt(v[2] - f.t[2] * f.t[2]);
    return f;
}

/* KL(q || p), the mean over contexts, at these parameters. */
static double kl_at(slivi_posterior *q, const posteriors_normal *p,
                    const double *contexts, size_t rows, const double *values)
{
    double sum = 0;

    slivi_params_set(q->params, values);
    for (size_t i = 0; i < rows; i++) {
        const posteriors_affine f = q->family->is_mixture
                                        ? linear_map(q)
                                        : posteriors_map(q, contexts + i);
        sum += posteriors_kl(q, &f, p, contexts[i]) / (double)rows;
    }
    return sum;
}

/* 1: the last layer of a net that is to stay at zero. */
static int stays(const slivi_posterior *q, size_t i)
{
    for (size_t j = 0; j < slivi_params_views(q->params); j++) {
        const slivi_view *v = slivi_params_view(q->params, j);
        if (i >= v->offset && i < v->offset + v->rows * v->cols)
            return !strncmp(v->name, "net.", 4);
    }
    return 0;
}

/* The mean of many steps' gradients is the derivative of KL in closed form. */
START_TEST(steps_descend_kl)
{
    enum { STEPS = 60, MOST = 200, ROWS = 3 };
    static const struct {
        const char *family, *entropy, *batch;
        int amortised;
        double size;
    } cases[] = {{"gaussian-diag", "closed", "512", 0, 0.3},
                 {"gaussian-full", "closed", "512", 0, 0.3},
                 {"gaussian-full", "closed", "512", 1, 0.3},
                 {"gaussian-diag", "closed", "512", 1, 0.3},
                 {"implicit", "sm", "512", 0, 0},
                 {"semi-implicit", "mixture", "512", 0, 0}};
    const char *const options[] = {"precision",   "f64",
                                   "hidden",      "3",
                                   "entropy",     cases[_i].entropy,
                                   "batch",       cases[_i].batch,
                                   "grow",        "1",
                                   "mixture",     "512",
                                   "least",       "0",
                                   "score-rate",  "1e-6",
                                   "score-steps", "1",
                                   "rate",        "1e-6",
                                   NULL};
    const double contexts[ROWS] = {-0.5, 0.2, 1.1};
    posteriors_normal p = posteriors_plane(0.8, 1.2, 0.7, 0.5);
    p.slope[0] = 0.6;
    p.slope[1] = -0.9;
    slivi_target *t = cases[_i].amortised ? posteriors_amortised(&p)
                                          : posteriors_target(&p);
    slivi_posterior *q = posteriors_bent(cases[_i].family, t, options,
                                         cases[_i].size);
    const size_t count = slivi_params_size(q->params);
    double x[MOST], g[MOST], mean[MOST] = {0}, square[MOST] = {0};
    double noise = 0, norm = 0;

    ck_assert_uint_le(count, MOST);
    slivi_params_get(q->params, x);
    for (size_t i = 0; i < count && cases[_i].size == 0; i++)
        if (!stays(q, i))
            x[i] += 0.3 * sin(1.0 + (double)i);
    if (slivi__posterior_learns(q)) /* as fits begin */
        ck_assert_int_eq(slivi__posterior_teach(q, NULL, 0, 0, 1), 0);
    for (size_t s = 0; s < STEPS; s++) {
        step_gradient(q, contexts, ROWS, x, g);
        for (size_t i = 0; i < count; i++) {
            mean[i] += g[i] / STEPS;
            square[i] += g[i] * g[i] / STEPS;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const double h = 1e-5, at = x[i];
        const double se = sqrt(fmax(square[i] - mean[i] * mean[i], 0) / STEPS);
        if (stays(q, i))
            continue;
        x[i] = at + h;
        const double up = kl_at(q, &p, contexts, ROWS, x);
        x[i] = at - h;
        const double slope = (up - kl_at(q, &p, contexts, ROWS, x)) / (2 * h);
        x[i] = at;
        ck_assert_msg(fabs(mean[i] - slope) <= 4.5 * se + 1e-7,
                      "parameter %zu: %g, difference %g, se %g", i, mean[i],
                      slope, se);
        noise += se * se;
        norm += slope * slope;
    }
    ck_assert_msg(noise < 0.0025 * norm, "%g", sqrt(noise / norm));
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* At the optimum the path gradient has no variance. */
START_TEST(path_gradients_vanish_at_the_optimum)
{
    static const char *const options[] = {"precision", "f64", "batch", "16",
                                          NULL};
    posteriors_normal p = posteriors_plane(0.8, 1.2, 0.7, 0.5);
    slivi_target *t = posteriors_target(&p);
    slivi_posterior *q = posteriors_make("gaussian-full", t, options);
    double norm;

    ck_assert_int_eq(slivi__posterior_ready(q), 0);
    memcpy(q->mean, p.mean, 2 * sizeof *q->mean);
    q->chol[0] = 0.8; /* of the covariance */
    q->chol[2] = 0.5 * 1.2;
    q->chol[3] = sqrt(0.75) * 1.2;
    q->whitened = 1;
    ck_assert_int_eq(slivi__posterior_step(q, NULL, 0, &norm), 0);
    ck_assert_double_lt(norm, 1e-13);
    ck_assert_double_lt(q->gap, 1e-13);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* ---- nets ---------------------------------------------------------------- */

/* The pushes of a step at its draws: -E[pull' w] + E[score' h] - log |T|. */
static double pushed(slivi_posterior *q, const double *values,
                     const double *push, const double *score, size_t n,
                     const double *c)
{
    const slivi_run run = step_run(q, n);
    const int has_h = score != NULL;
    double sum = 0;

    slivi_params_set(q->params, values);
    memcpy(q->now.c, c, q->k * n * sizeof *c);
    ck_assert_int_eq(slivi__posterior_draws(q, NULL, &run, &q->now), 0);
    for (size_t j = 0; j < n * q->d; j++) {
        sum -= push[j] * q->now.w[j];
        if (has_h)
            sum += score[j] * q->now.h[j] - q->now.log_s[j];
    }
    return sum / (double)n;
}

START_TEST(every_parameter_is_pushed)
{
    enum { B = 8, MOST = 300 };
    static const struct {
        const char *family, *entropy;
        int amortised;
    } cases[] = {{"implicit", "sm", 0},
                 {"implicit", "sm", 1},
                 {"semi-implicit", "denoising", 1},
                 {"semi-implicit", "mixture", 0},
                 {"gaussian-full", "closed", 1}};
    const char *const options[] = {
        "precision", "f64",  "hidden",      "3", "batch",   "8",
        "grow",      "1",    "mixture",     "8", "entropy", cases[_i].entropy,
        "rate",      "1e-6", "score-steps", "1", NULL};
    const double contexts[3] = {-0.5, 0.2, 1.1};
    posteriors_normal p = posteriors_plane(0.8, 1.2, 0.7, 0.5);
    slivi_target *t = cases[_i].amortised ? posteriors_amortised(&p)
                                          : posteriors_target(&p);
    slivi_posterior *q = posteriors_bent(cases[_i].family, t, options, 0.4);
    const size_t count = slivi_params_size(q->params);
    const int has_h = q->plan[SLIVI__POSTERIOR_DRAW].out[OUT_H].id != 0;
    double x[MOST], g[MOST], push[2 * B], score[2 * B], c[B];

    ck_assert_uint_le(count, MOST);
    ck_assert_int_eq(has_h, _i < 2);
    slivi_params_get(q->params, x);
    if (slivi__posterior_learns(q))
        ck_assert_int_eq(slivi__posterior_teach(q, contexts, 3, 99, 3), 0);
    step_gradient(q, contexts, 3, x, g);
    memcpy(push, q->pull, sizeof push);
    memcpy(score, q->score, sizeof score);
    memcpy(c, q->now.c, q->k * sizeof c);
    for (size_t i = 0; i < count; i++) {
        const double h = 1e-5, at = x[i];
        x[i] = at + h;
        const double up = pushed(q, x, push, has_h ? score : NULL, B, c);
        x[i] = at - h;
        const double down = pushed(q, x, push, has_h ? score : NULL, B, c);
        const double slope = (up - down) / (2 * h);
        x[i] = at;
        ck_assert_msg(fabs(g[i] - slope) < 1e-7 * (1 + fabs(slope)),
                      "parameter %zu: %g, difference %g", i, g[i], slope);
    }
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* ---- ksivi --------------------------------------------------------------- */

/* The U-statistic, of the target without contexts, with kernel width h2. */
static double stein_of(slivi_posterior *q, size_t n, double beta, double h2)
{
    const slivi_run run = step_run(q, n);
    double f[64], lp[32], sum = 0;

    ck_assert_int_eq(slivi__posterior_draws(q, NULL, &run, &q->now), 0);
    ck_assert_int_eq(slivi__posterior_place(q, n, q->now.w, q->z), 0);
    ck_assert_int_eq(slivi_target_eval(q->target, n, q->z, NULL, lp, q->pull),
                     0);
    ck_assert_int_eq(slivi__posterior_pull(q, n, q->pull, f), 0);
    for (size_t i = 0; i < 2 * n; i++)
        f[i] = beta * f[i] + q->now.u[i] * exp(-q->now.log_s[i]);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const double *a = q->now.w + 2 * i, *b = q->now.w + 2 * j;
            const double r = (a[0] - b[0]) * (a[0] - b[0])
                             + (a[1] - b[1]) * (a[1] - b[1]);
            if (i != j)
                sum += exp(-0.5 * r / h2)
                       * (f[2 * i] * f[2 * j] + f[2 * i + 1] * f[2 * j + 1]);
        }
    return sum / (double)(n * (n - 1));
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

START_TEST(ksivi_descends_its_statistic)
{
    enum { N = 14, MOST = 200 };
    static const char *const options[] = {
        "precision", "f64",  "hidden",  "4",    "entropy", "ksivi",  "batch",
        "14",        "grow", "1",       "rate", "1e-6",    "anneal", "0.5",
        "beta",      "0.4",  "average", "0",    NULL};
    slivi_target *t = slivi_target_create(2, posteriors_banana, NULL);
    slivi_posterior *q = posteriors_bent("semi-implicit", t, options, 0.3);
    const size_t count = slivi_params_size(q->params);
    const slivi_run run = step_run(q, N);
    double x[MOST], g[MOST], width[N / 2], most = 0;

    ck_assert_uint_le(count, MOST);
    slivi_params_get(q->params, x);
    step_gradient(q, NULL, 0, x, g);
    ck_assert_int_eq(slivi__posterior_draws(q, NULL, &run, &q->now), 0);
    for (size_t i = 0; i < N / 2; i++)
        width[i] = pow(q->now.w[4 * i] - q->now.w[4 * i + 2], 2)
                   + pow(q->now.w[4 * i + 1] - q->now.w[4 * i + 3], 2);
    qsort(width, N / 2, sizeof *width, ascending);
    for (size_t i = 0; i < count; i++) {
        const double h = 1e-5, at = x[i];
        x[i] = at + h;
        slivi_params_set(q->params, x);
        const double up = stein_of(q, N, 0.4, width[N / 4]);
        x[i] = at - h;
        slivi_params_set(q->params, x);
        const double slope = (up - stein_of(q, N, 0.4, width[N / 4])) / (2 * h);
        x[i] = at;
        ck_assert_msg(fabs(g[i] - slope) < 1e-5 * (1 + fabs(slope)),
                      "parameter %zu: %g, difference %g", i, g[i], slope);
        most = fmax(most, fabs(slope));
    }
    ck_assert_double_gt(most, 0.05);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

Suite *slivi_suite_posterior_step(void)
{
    Suite *s = suite_create("posterior_step");
    TCase *c = tcase_create("posterior_step");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, steps_descend_kl, 0, 6);
    tcase_add_test(c, path_gradients_vanish_at_the_optimum);
    tcase_add_loop_test(c, every_parameter_is_pushed, 0, 5);
    tcase_add_test(c, ksivi_descends_its_statistic);
    suite_add_tcase(s, c);
    return s;
}
