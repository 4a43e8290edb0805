/* test_posterior_sources.c - where the gradient of the entropy comes from:
   scores against those that are known.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posteriors.h"
#include "suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- scores -------------------------------------------------------------- */

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
        "precision", "f64",   "hidden",   "16",       "activation", "tanh",
        "noise",     "2",     "least",    "0",        "entropy",    entropy,
        "mixture",   mixture, "batch",    "512",      "grow",       "1",
        "rate",      "0.01",  "schedule", "constant", NULL};
    slivi_posterior *q = posteriors_bent("semi-implicit", t, options, 0);
    const size_t count = slivi_params_size(q->params);
    double *values = malloc(count * sizeof *values);

    slivi_params_get(q->params, values);
    for (size_t i = 0; i < slivi_params_views(q->params); i++) {
        const slivi_view *v = slivi_params_view(q->params, i);
        double *x = values + v->offset;
        if (!strcmp(v->name, "location"))
            x[0] = 0;
        else if (!strcmp(v->name, "log-sd"))
            x[0] = 0.5 * log(s1 * s2);
        else if (!strcmp(v->name, "skip")) {
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
    const double plain[2] = {lean(q, 1, 8, b, s1, s2),
                             lean(r, 1, 64, b, s1, s2)};
    const double ours[2] = {lean(q, 0, 8, b, s1, s2),
                            lean(r, 0, 64, b, s1, s2)};

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

/* Own component, one half and the other of the others, as densities know them:
   twice the score of all less the mean of those with one half each. */
START_TEST(mixture_is_a_jackknife)
{
    enum { D = 2, B = 12 };
    static const char *const options[] = {
        "precision", "f64",  "hidden", "4",       "mixture", "6", "batch",
        "12",        "grow", "1",      "entropy", "mixture", NULL};
    posteriors_normal p = posteriors_plane(1, 1, 0, 0.3);
    slivi_target *t = _i ? posteriors_amortised(&p) : posteriors_target(&p);
    slivi_posterior *q = posteriors_bent("semi-implicit", t, options, 0.2);
    const slivi_run run = slivi__posterior_run(q, B, SLIVI__FOR_STEP, 3);
    slivi_run others = slivi__posterior_run(q, 0, SLIVI__FOR_OTHERS, 3);
    double got[B * D], score[2][B * D], log_q[2][B];

    for (size_t i = 0; i < B; i++)
        q->now.c[i] = q->k ? 0.1 * (double)i : q->now.c[i];
    ck_assert_int_eq(slivi__posterior_draws(q, NULL, &run, &q->now), 0);
    ck_assert_int_eq(q->source->score(q, 3), 0);
    memcpy(got, q->score, sizeof got);
    for (size_t h = 0; h < 2; h++, others.row += q->k ? 3 * B : 3)
        ck_assert_int_eq(slivi__posterior_density(q, NULL, &q->now, 0, 3,
                                                  &others, log_q[h], score[h]),
                         0);
    for (size_t i = 0; i < B; i++) {
        double weight[3] = {0, 3 * exp(log_q[0][i]), 3 * exp(log_q[1][i])};
        const double *u = q->now.u + i * D, *l = q->now.log_s + i * D;
        weight[0] = exp(-0.5 * (u[0] * u[0] + u[1] * u[1]) - l[0] - l[1])
                    / 6.283185307179586;
        for (size_t j = 0; j < D; j++) {
            const double a = -u[j] * exp(-l[j]) * weight[0];
            const double b = score[0][i * D + j] * weight[1];
            const double c = score[1][i * D + j] * weight[2];
            const double want = 2 * (a + b + c)
                                    / (weight[0] + weight[1] + weight[2])
                                - 0.5 * (a + b) / (weight[0] + weight[1])
                                - 0.5 * (a + c) / (weight[0] + weight[2]);
            ck_assert_double_eq_tol(got[i * D + j], want,
                                    1e-9 * (1 + fabs(want)));
        }
    }
    slivi_posterior_free(q);
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
        "precision", "f64",      "hidden", "16", "entropy", cases[_i].entropy,
        "batch",     "256",      "grow",   "1",  "rate",    "0.01",
        "schedule",  "constant", "least",  "0",  NULL};
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

/* Before they have learnt scores are those of N(0, I), and what they learn at is
   score-rate times rate. */
START_TEST(scores_begin_at_the_normal)
{
    enum { N = 16 };
    const char *const options[] = {
        "precision", "f64",     "hidden",
        "4",         "entropy", _i ? "sm" : "denoising",
        "rate",      "1e-5",    "score-rate",
        "1e-3",      NULL};
    posteriors_normal p = posteriors_plane(1, 1, 0, 0.3);
    slivi_target *t = posteriors_target(&p);
    slivi_posterior *q = posteriors_bent(_i ? "implicit" : "semi-implicit", t,
                                         options, 0.2);
    const slivi_run run = step_run(q, N);
    char text[64];

    if (_i) {
        ck_assert_int_eq(
            slivi_score_get(q->estimator, "rate", text, sizeof text), 0);
        ck_assert_double_eq_tol(atof(text), 1e-8, 1e-14);
        ck_assert_int_eq(slivi__posterior_teach(q, NULL, 0, 0, 1), 0);
    }
    ck_assert_int_eq(slivi__posterior_draws(q, NULL, &run, &q->now), 0);
    ck_assert_int_eq(q->source->score(q, 0), 0);
    for (size_t j = 0; j < 2 * N; j++)
        ck_assert_double_eq_tol(q->score[j], _i ? -q->now.h[j] : -q->now.w[j],
                                1e-5);
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

Suite *slivi_suite_posterior_sources(void)
{
    Suite *s = suite_create("posterior_sources");
    TCase *c = tcase_create("posterior_sources");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, closed_scores_are_exact, 0, 4);
    tcase_add_test(c, mixture_leans_to_its_own_component_as_1_over_k2);
    tcase_add_loop_test(c, mixture_is_a_jackknife, 0, 2);
    tcase_add_test(c, mixture_of_many_is_the_score);
    tcase_add_test(c, denoising_learns_the_score);
    tcase_add_loop_test(c, estimators_learn_the_score, 0, 5);
    tcase_add_loop_test(c, scores_begin_at_the_normal, 0, 2);
    tcase_add_loop_test(c, standard_base_is_the_normal, 0, 2);
    suite_add_tcase(s, c);
    return s;
}
