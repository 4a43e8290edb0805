/* test_posterior_sources.c - where the gradient of the entropy comes from:
   scores against those that are known, gradients of steps against differences
   of what they descend.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posteriors.h"
#include "suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- scores ---------------------------------------------------------------- */

static const struct {
    const char *family;
    int amortised;
} gaussians[] = {{"gaussian-diag", 0},
                 {"gaussian-full", 0},
                 {"gaussian-diag", 1},
                 {"gaussian-full", 1}};

static posteriors_normal space(void)
{
    posteriors_normal p = {.d = 3,
                           .mean = {0.5, -0.4, 0.1},
                           .slope = {1, -0.5, 0.7},
                           .precision = {2, .4, -.3, .4, 1, .2, -.3, .2, 3}};
    return p;
}

static slivi_run step_run(const slivi_posterior *q, size_t n)
{
    return slivi__posterior_run(q, n, SLIVI__FOR_STEP, 0);
}

/* (T T')^-1 (a - w) by the map that draws show. */
START_TEST(closed_scores_are_exact)
{
    enum { N = 16 };
    static const char *const options[] = {"precision", "f64", "hidden", "4",
                                          NULL};
    posteriors_normal p = space();
    slivi_target *t = gaussians[_i].amortised ? posteriors_amortised(&p)
                                              : posteriors_target(&p);
    slivi_posterior *q = posteriors_bent(gaussians[_i].family, t, options, 0.5);
    const slivi_run run = step_run(q, N);
    double c[N], score[3 * N], w[3 * N];

    for (size_t i = 0; i < N; i++)
        c[i] = 0.2 * (double)i - 1;
    memcpy(q->now.c, c, q->k * sizeof c);
    ck_assert_int_eq(slivi__posterior_draws(q, NULL, &run, &q->now), 0);
    ck_assert_int_eq(q->source->score(q, 0), 0);
    memcpy(score, q->score, sizeof score);
    memcpy(w, q->now.w, sizeof w);
    for (size_t i = 0; i < N; i++) {
        const posteriors_affine f = posteriors_map(q, c + i);
        double x[3], up[9];
        for (size_t j = 0; j < 3; j++)
            x[j] = f.a[j] - w[3 * i + j];
        posteriors_solve(3, f.t, x);
        for (size_t j = 0; j < 9; j++)
            up[j] = f.t[j % 3 * 3 + j / 3];
        posteriors_solve(3, up, x);
        for (size_t j = 0; j < 3; j++)
            ck_assert_double_eq_tol(score[3 * i + j], x[j], 1e-8);
    }
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* A q on the line, f64: w = b e_2 + s(e_1) u, where s is either of two by the
   sign of e_1; its net has one unit that switches. */
static slivi_posterior *switching(slivi_target *t, const char *entropy,
                                  const char *mixture, double b, double s1,
                                  double s2)
{
    const char *const options[] = {
        "precision", "f64",   "hidden", "16",   "activation", "tanh",
        "noise",     "2",     "least",  "0",    "entropy",    entropy,
        "mixture",   mixture, "batch",  "512",  "grow",       "1",
        "rate",      "0.01",  "schedule", "constant", NULL};
    slivi_posterior *q = posteriors_bent("semi-implicit", t, options, 0);
    const size_t count = slivi_params_size(q->params);
    double *values = malloc(count * sizeof *values);

    slivi_params_get(q->params, values);
    for (size_t i = 0; i < slivi_params_views(q->params); i++) {
        const slivi_view *v = slivi_params_view(q->params, i);
        double *x = values + v->offset;
        if (!strcmp(v->name, "a"))
            x[0] = 0;
        else if (!strcmp(v->name, "log-s"))
            x[0] = 0.5 * log(s1 * s2);
        else if (!strcmp(v->name, "b")) {
            x[0] = 0;
            x[1] = b;
        } else if (v->rows == 2) { /* into the hidden layer, [2][16] */
            x[0] = 1e4;
            x[16] = 0;
        } else if (v->rows == 16) { /* out of it, [16][2] */
            x[1] = 0.5 * log(s1 / s2);
        } else if (v->cols == 16) {
            x[0] = 0;
        }
    }
    slivi_params_set(q->params, values);
    free(values);
    return q;
}

/* Of 1/2 N(0, b^2 + s1^2) + 1/2 N(0, b^2 + s2^2). */
static double score_of_two(double w, double b, double s1, double s2)
{
    const double v1 = b * b + s1 * s1, v2 = b * b + s2 * s2;
    const double p1 = exp(-0.5 * w * w / v1) / sqrt(v1);
    const double p2 = exp(-0.5 * w * w / v2) / sqrt(v2);

    return -w * (p1 / v1 + p2 / v2) / (p1 + p2);
}

static posteriors_normal line(void)
{
    posteriors_normal p = {.d = 1, .precision = {1}};
    return p;
}

/* The mean over many sets of others of the score at one and the same draws, as
   far as it leans from the exact score towards a draw's own component. */
static double lean(slivi_posterior *q, int plain, size_t k, double b, double s1,
                   double s2)
{
    enum { N = 512, TIMES = 300 };
    static double mean[N], more[N], log_q[N];
    const slivi_run run = step_run(q, N);
    double part = 0, norm = 0;

    memset(mean, 0, sizeof mean);
    ck_assert_int_eq(slivi__posterior_draws(q, NULL, &run, &q->now), 0);
    for (size_t t = 0; t < TIMES; t++) {
        const slivi_run others = slivi__posterior_run(q, 0, SLIVI__FOR_OTHERS,
                                                      t + 7000);
        if (plain)
            ck_assert_int_eq(slivi__posterior_density(q, NULL, &q->now, 1, k,
                                                      &others, log_q, more),
                             0);
        else
            ck_assert_int_eq(q->source->score(q, t), 0);
        for (size_t i = 0; i < N; i++)
            mean[i] += (plain ? more : q->score)[i] / TIMES;
    }
    for (size_t i = 0; i < N; i++) {
        const double want = score_of_two(q->now.w[i], b, s1, s2);
        const double own = -q->now.u[i] * exp(-q->now.log_s[i]) - want;
        part += (mean[i] - want) * own;
        norm += own * own;
    }
    return part / norm;
}

START_TEST(mixture_leans_to_its_own_component_as_1_over_k2)
{
    const double b = 1, s1 = 0.5, s2 = 0.8;
    posteriors_normal p = line();
    slivi_target *t = posteriors_target(&p);
    slivi_posterior *q = switching(t, "mixture", "8", b, s1, s2);
    slivi_posterior *r = switching(t, "mixture", "64", b, s1, s2);
    const double plain[2] = {lean(q, 1, 8, b, s1, s2), lean(r, 1, 64, b, s1, s2)};
    const double ours[2] = {lean(q, 0, 8, b, s1, s2), lean(r, 0, 64, b, s1, s2)};

    ck_assert_msg(plain[0] > 0.08 && plain[0] < 0.3, "plain 8: %g", plain[0]);
    ck_assert_msg(plain[1] > 0.01 && plain[1] < 0.04, "plain 64: %g", plain[1]);
    ck_assert_msg(fabs(ours[0]) < 0.5 * plain[0], "8: %g", ours[0]);
    ck_assert_msg(fabs(ours[1]) < 0.15 * plain[1], "64: %g, plain %g", ours[1],
                  plain[1]);
    slivi_posterior_free(q);
    slivi_posterior_free(r);
    slivi_target_free(t);
}
END_TEST

/* Relative Fisher error of q->score at fresh draws. */
static double fisher_error(slivi_posterior *q, double b, double s1, double s2)
{
    const slivi_run run = slivi__posterior_run(q, 512, SLIVI__FOR_GAIN, 1);
    double off = 0, norm = 0;

    ck_assert_int_eq(slivi__posterior_draws(q, NULL, &run, &q->now), 0);
    ck_assert_int_eq(q->source->score(q, 0), 0);
    for (size_t i = 0; i < q->now.n; i++) {
        const double want = score_of_two(q->now.w[i], b, s1, s2);
        off += (q->score[i] - want) * (q->score[i] - want);
        norm += want * want;
    }
    return off / norm;
}

START_TEST(mixture_of_many_is_the_score)
{
    posteriors_normal p = line();
    slivi_target *t = posteriors_target(&p);
    slivi_posterior *q = switching(t, "mixture", "8192", 1, 0.5, 0.8);

    ck_assert_double_lt(fisher_error(q, 1, 0.5, 0.8), 3e-3);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* s differs from draw to draw by a factor 5: a regression weighted by s^2 ends
   elsewhere. */
START_TEST(denoising_learns_the_score)
{
    const double b = 0.5, s1 = 0.4, s2 = 2;
    posteriors_normal p = line();
    slivi_target *t = posteriors_target(&p);
    slivi_posterior *q = switching(t, "denoising", "4", b, s1, s2);

    ck_assert_double_gt(fisher_error(q, b, s1, s2), 0.3);
    ck_assert_int_eq(slivi__posterior_teach(q, NULL, 0, 0, 800), 0);
    slivi_learner_set_rate(q->net_learner, 1e-3);
    ck_assert_int_eq(slivi__posterior_teach(q, NULL, 0, 800, 400), 0);
    ck_assert_double_lt(fisher_error(q, b, s1, s2), 0.02);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* Estimators learn the score of w, or of h of implicit: of N(0, I) at first. */
START_TEST(estimators_learn_the_score)
{
    enum { N = 256 };
    static const struct {
        const char *family, *entropy;
        double bar;
    } cases[] = {{"gaussian-diag", "ssm-vr", 0.03},
                 {"gaussian-diag", "sm", 0.03},
                 {"gaussian-full", "stein", 0.8},
                 {"semi-implicit", "sm", 0.1}, /* not its own components' */
                 {"implicit", "sm", 0.03}};
    const char *const options[] = {
        "precision", "f64", "hidden", "16",   "entropy",  cases[_i].entropy,
        "batch",     "256", "grow",   "1",    "rate",     "0.01",
        "schedule",  "constant", "least", "0", NULL};
    posteriors_normal p = posteriors_plane(1, 1, 0, 0.3);
    slivi_target *t = posteriors_target(&p);
    const int semi = !strcmp(cases[_i].family, "semi-implicit");
    slivi_posterior *q = posteriors_bent(cases[_i].family, t, options,
                                         _i == 4 || semi ? 0 : 0.2);
    const slivi_run run = step_run(q, N);
    double off = 0, norm = 0, along = 0;

    if (slivi__posterior_learns(q))
        ck_assert_int_eq(slivi__posterior_teach(q, NULL, 0, 0, 300), 0);
    ck_assert_int_eq(slivi__posterior_draws(q, NULL, &run, &q->now), 0);
    ck_assert_int_eq(q->source->score(q, 0), 0);
    double score[2 * N], w[2 * N];
    memcpy(score, q->score, sizeof score);
    memcpy(w, _i == 4 ? q->now.h : q->now.w, sizeof w);
    posteriors_affine f = {{0, 0}, {1, 0, 0, 1}};
    if (_i < 3)
        f = posteriors_map(q, NULL);
    for (size_t i = 0; i < N; i++) {
        double x[2] = {f.a[0] - w[2 * i], f.a[1] - w[2 * i + 1]};
        const double up[4] = {f.t[0], f.t[2], f.t[1], f.t[3]};
        posteriors_solve(2, f.t, x);
        posteriors_solve(2, up, x);
        for (size_t j = 0; j < 2; j++) {
            off += (score[2 * i + j] - x[j]) * (score[2 * i + j] - x[j]);
            along += score[2 * i + j] * x[j];
            norm += x[j] * x[j];
        }
    }
    ck_assert_double_eq_tol(along / norm, 1, 0.12);
    ck_assert_msg(off < cases[_i].bar * norm, "%g", off / norm);
    slivi_posterior_free(q);
    slivi_target_free(t);
}
END_TEST

/* Base standard: before any training the score is that of N(0, I). */
START_TEST(standard_base_is_the_normal)
{
    enum { N = 200 };
    slivi_score *s = slivi_score_create("ssm-vr", 2, (size_t)_i);
    const slivi_address at = {.seed = 1};
    double z[2 * N], c[N], out[2 * N], loss, want = 0;

    slivi_draw(slivi_law_normal, &at, N, 2, z);
    for (size_t i = 0; i < N; i++)
        c[i] = cos((double)i);
    for (size_t i = 0; i < 2 * N; i++) {
        z[i] = 2 * z[i] + 1;
        want += 0.5 * z[i] * z[i] / N;
    }
    want -= 2; /* E[|s|^2 / 2 + div s] */
    ck_assert_int_eq(slivi_score_set_text(s, "base", "standard"), 0);
    ck_assert_int_eq(slivi_score_set_text(s, "precision", "f64"), 0);
    ck_assert_int_eq(slivi_score_set(s, "rate", 1e-12), 0);
    ck_assert_int_eq(slivi_score_loss(s, z, _i ? c : NULL, N, &loss), 0);
    ck_assert_double_eq_tol(loss, want, 1e-9);
    ck_assert_int_eq(slivi_score_update(s, z, _i ? c : NULL, N, &loss), 0);
    ck_assert_double_eq_tol(loss, want, 0.2); /* of slices */
    ck_assert_int_eq(slivi_score_eval(s, z, _i ? c : NULL, N, out, NULL), 0);
    for (size_t i = 0; i < 2 * N; i++)
        ck_assert_double_eq_tol(out[i], -z[i], 1e-6);
    slivi_score_free(s);
}
END_TEST

/* ---- gradients of a step --------------------------------------------------- */

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
    const double *a = x + slivi_params_view(q->params, (size_t)q->view_a)->offset;
    const double *l = x + slivi_params_view(q->params, (size_t)q->view_b)->offset;
    const double *b = x
                      + slivi_params_view(q->params, (size_t)q->view_skip)
                            ->offset;
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
    const char *const options[] = {
        "precision", "f64", "hidden", "3", "entropy", cases[_i].entropy,
        "batch", cases[_i].batch, "grow", "1", "mixture", "512", "least", "0",
        "score-rate", "1e-6", "score-steps", "1", "rate", "1e-6", NULL};
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

/* ---- ksivi ----------------------------------------------------------------- */

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
        "precision", "f64", "hidden", "4", "entropy", "ksivi", "batch", "14",
        "grow", "1", "rate", "1e-6", "anneal", "0.5", "beta", "0.4",
        "average", "0", NULL};
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

Suite *slivi_suite_posterior_sources(void)
{
    Suite *s = suite_create("posterior_sources");
    TCase *c = tcase_create("posterior_sources");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, closed_scores_are_exact, 0, 4);
    tcase_add_test(c, mixture_leans_to_its_own_component_as_1_over_k2);
    tcase_add_test(c, mixture_of_many_is_the_score);
    tcase_add_test(c, denoising_learns_the_score);
    tcase_add_loop_test(c, estimators_learn_the_score, 0, 5);
    tcase_add_loop_test(c, standard_base_is_the_normal, 0, 2);
    tcase_add_loop_test(c, steps_descend_kl, 0, 6);
    tcase_add_test(c, path_gradients_vanish_at_the_optimum);
    tcase_add_test(c, ksivi_descends_its_statistic);
    suite_add_tcase(s, c);
    return s;
}
