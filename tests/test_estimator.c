/* test_estimator.c - score estimators against densities whose score is
   known.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "samples.h"
#include "scratch.h"
#include "slivi/io.h"
#include "suites.h"

#include <math.h>
#include <string.h>

/* ---- accuracy ----------------------------------------------------------- */

/* A correlated Gaussian of very unequal scales: the base does the work. */
START_TEST(gaussian_of_unequal_scales)
{
    enum { N = 4000, D = 3 };
    const char *const names[] = {"sm", "ssm", "ssm-vr", "dsm"};
    const char *const options[] = {
        "hidden", "16",    "steps", "600",    "schedule", "cosine", "rate",
        "3e-3",   "sigma", "0.05",  "slices", "2",        NULL};
    const double l[D][D] = {{1e-3, 0, 0}, {5e-4, 2e-3, 0}, {300, -200, 100}};
    static double z[2 * N * D], s[N * D], exact[N * D];
    samples_normal(1, 2 * N, D, z);
    for (size_t i = 0; i < 2 * N; i++) {
        double e[D], y[D]; /* z = m + L e, score -L'^-1 e */
        memcpy(e, z + i * D, sizeof e);
        y[2] = e[2] / l[2][2];
        y[1] = (e[1] - l[2][1] * y[2]) / l[1][1];
        y[0] = (e[0] - l[1][0] * y[1] - l[2][0] * y[2]) / l[0][0];
        for (size_t j = 0; j < D; j++) {
            z[i * D + j] = (double)(j + 1);
            for (size_t k = 0; k <= j; k++)
                z[i * D + j] += l[j][k] * e[k];
            if (i >= N)
                exact[(i - N) * D + j] = -y[j];
        }
    }
    slivi_score *est = samples_estimator(names[_i], D, 0, options);
    ck_assert_int_eq(slivi_score_fit(est, z, NULL, N, NULL, NULL, NULL), 0);
    samples_eval(est, z + N * D, NULL, N, s);
    /* the moments alone give about (d + 1) / n = 0.001; the net may add a
       little; dsm sees a variance larger by sigma^2 = 0.0025 */
    ck_assert_double_lt(samples_error(N * D, s, exact), _i < 3 ? 0.005 : 0.02);
    double loss; /* in standardised units J = -d/2, but for sampling error */
    ck_assert_int_eq(slivi_score_loss(est, z + N * D, NULL, N, &loss), 0);
    if (_i < 3) /* dsm's minimum is another one */
        ck_assert_double_eq_tol(loss, -1.5, 0.1);
    slivi_score_free(est);
}
END_TEST

/* N(-a, I)/2 + N(a, I)/2 in the plane; a = (1.5, 1) */
enum { MIX = 8000 };
static double mix_z[2 * MIX], mix_s[2 * MIX], test_z[2 * MIX], test_s[2 * MIX];

static const char *const mixture_options[] = {
    "hidden", "32,32", "steps", "3000",   "schedule", "cosine", "rate",
    "5e-3",   "sigma", "0.1",   "slices", "2",        NULL};

/* _i = estimator + 4 * (base none) */
START_TEST(mixture_is_learnt)
{
    const char *const names[] = {"sm", "ssm", "ssm-vr", "dsm"};
    static double out[2 * MIX];
    samples_mixture(2, MIX, mix_z, mix_s);
    samples_mixture(3, MIX, test_z, test_s);
    slivi_score *est = samples_estimator(names[_i % 4], 2, 0, mixture_options);
    ck_assert_int_eq(
        slivi_score_set_text(est, "base", _i < 4 ? "gaussian" : "none"), 0);
    slivi_score_progress last;
    ck_assert_int_eq(slivi_score_fit(est, mix_z, NULL, MIX, NULL, NULL, &last),
                     0);
    samples_eval(est, test_z, NULL, MIX, out);
    double error = samples_error(2 * MIX, out, test_s), dot = 0;
    ck_assert_msg(error < 0.05, "relative Fisher error %g", error);
    for (size_t i = 0; i < 2 * MIX; i++) /* O17: E[s . z] = -d */
        dot += out[i] * test_z[i] / MIX;
    ck_assert_double_eq_tol(dot, -2, 0.5); /* heavy tails of s . z */
    ck_assert_uint_gt(last.step, 0);
    ck_assert_uint_le(last.best_step, last.step);
    slivi_score_free(est);
}
END_TEST

START_TEST(conditional_and_marginal_scores_differ)
{
    enum { N = 8000 };
    static double c[3 * N], z[2 * N], cond[2 * N], marg[2 * N], out[2 * N];
    const char *const options[] = {
        "hidden",   "32",     "steps", "4000",
        "schedule", "cosine", "rate",  "5e-3",
        "law",      "normal", "base",  _i ? "gaussian" : "none",
        NULL};
    samples_linear(5, N, 0, c, z, cond, marg);
    slivi_score *est = samples_estimator("ssm-vr", 2, 3, options);
    ck_assert_int_eq(slivi_score_fit(est, z, c, N, NULL, NULL, NULL), 0);
    samples_linear(6, N, 0, c, z, cond, marg);
    samples_eval(est, z, c, N, out);
    ck_assert_msg(samples_error(2 * N, out, cond) < 0.03, "conditional: %g",
                  samples_error(2 * N, out, cond));
    ck_assert_double_gt(samples_error(2 * N, out, marg), 1);
    slivi_score_free(est);

    est = samples_estimator("ssm-vr", 2, 0, options);
    ck_assert_int_eq(slivi_score_fit(est, z, NULL, N, NULL, NULL, NULL), 0);
    samples_linear(7, N, 0, c, z, cond, marg);
    samples_eval(est, z, NULL, N, out);
    ck_assert_msg(samples_error(2 * N, out, marg) < 0.03, "marginal: %g",
                  samples_error(2 * N, out, marg));
    slivi_score_free(est);
}
END_TEST

/* The head alone, a linear map here, is the conditional Gaussian: its weights
   are B', its log sds those of S. */
START_TEST(head_is_the_conditional_gaussian)
{
    enum { N = 8000 };
    static double c[3 * N], z[2 * N], cond[2 * N], marg[2 * N];
    const char *const options[] = {"hidden",    "none",   "steps", "3000",
                                   "schedule",  "cosine", "rate",  "0.02",
                                   "precision", "f64",    NULL};
    const char *path = scratch_path("head");
    double w[3 * 4], b[4];
    samples_linear(5, N, 1, c, z, cond, marg);
    const double unit[2] = {4, .25}; /* so that units matter */
    for (size_t i = 0; i < 2 * N; i++)
        z[i] *= unit[i % 2];
    slivi_score *est = samples_estimator("ssm-vr", 2, 3, options);
    ck_assert_int_eq(slivi_score_fit(est, z, c, N, NULL, NULL, NULL), 0);
    ck_assert_int_eq(slivi_score_save(est, path), 0);
    slivi_checkpoint *f = slivi_checkpoint_read(path);
    ck_assert_int_eq(slivi_checkpoint_get(f, "score.param.score.head.w1",
                                          SLIVI_DTYPE_F64, 3, 4, w),
                     0);
    ck_assert_int_eq(slivi_checkpoint_get(f, "score.param.score.head.b1",
                                          SLIVI_DTYPE_F64, 1, 4, b),
                     0);
    for (size_t j = 0; j < 2; j++) {
        ck_assert_double_eq_tol(b[j] / unit[j], 1, 0.05);
        ck_assert_double_eq_tol(b[2 + j],
                                log(samples_var[j]) / 2 + log(unit[j]), 0.1);
        for (size_t k = 0; k < 3; k++)
            ck_assert_double_eq_tol(w[4 * k + j] / unit[j], samples_b[j][k],
                                    0.05);
    }
    slivi_checkpoint_free(f);
    /* and J = -E|s|^2 / 2 in units of the samples' own sds */
    double mean[2] = {0}, square[2] = {0}, want = 0, loss;
    for (size_t i = 0; i < 2 * N; i++) {
        mean[i % 2] += z[i] / N;
        square[i % 2] += z[i] * z[i] / N;
    }
    for (size_t j = 0; j < 2; j++)
        want -= (square[j] - mean[j] * mean[j]) / samples_var[j] / 2
                / (unit[j] * unit[j]);
    ck_assert_int_eq(slivi_score_loss(est, z, c, N, &loss), 0);
    ck_assert_double_eq_tol(loss / want, 1, 0.06);
    slivi_score_free(est);
}
END_TEST

/* One step of plain descent moves the head along its own likelihood's gradient
   alone, d NLL / dm = -E z, d NLL / dl = 1 - E z^2 at m = l = 0: none comes from
   the score's objective.  d = 70 takes two chunks, which add up. */
START_TEST(head_learns_by_its_likelihood_alone)
{
    enum { N = 30, BIG = 70 };
    const char *const options[] = {
        "hidden", _i ? "4,4,4" : "none", "optimizer", "momentum", "rate",
        "1e-3",   "precision",           "f64",       NULL};
    const size_t d = _i ? BIG : 2;
    const char *path = scratch_path("step");
    static double z[N * BIG], c[N];
    double b[2 * BIG], loss, want = -(double)d;
    samples_normal(40, N, d, z);
    samples_normal(41, N, 1, c);
    slivi_score *est = samples_estimator("sm", d, 1, options);
    ck_assert_int_eq(slivi_score_update(est, z, c, N, &loss), 0);
    ck_assert_int_eq(slivi_score_save(est, path), 0);
    slivi_checkpoint *f = slivi_checkpoint_read(path);
    ck_assert_int_eq(slivi_checkpoint_get(f,
                                          _i ? "score.param.score.head.b4"
                                             : "score.param.score.head.b1",
                                          SLIVI_DTYPE_F64, 1, 2 * d, b),
                     0);
    for (size_t j = 0; j < d; j++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < N; i++) {
            mean += z[i * d + j] / N;
            square += z[i * d + j] * z[i * d + j] / N;
        }
        ck_assert_double_eq_tol(b[j], 1e-3 * mean, 1e-15);
        ck_assert_double_eq_tol(b[d + j], 1e-3 * (square - 1), 1e-15);
        want += square; /* |s|^2 / 2 = |z|^2 / 2, and the likelihood's */
    }
    ck_assert_double_eq_tol(loss, want, 1e-12 * (1 + fabs(want)));
    slivi_checkpoint_free(f);
    slivi_score_free(est);
}
END_TEST

/* In single precision, too, a mean that is large against the spread is no
   harm: it is subtracted in double. */
START_TEST(large_means_cost_no_digits)
{
    enum { N = 2000 };
    static double z[N], out[N], exact[N];
    const char *const options[] = {"hidden", "8", "steps", "200", NULL};
    samples_normal(50, N, 1, z);
    for (size_t i = 0; i < N; i++) {
        exact[i] = -z[i];
        z[i] += 1e8;
    }
    slivi_score *est = samples_estimator("ssm-vr", 1, 0, options);
    ck_assert_int_eq(slivi_score_fit(est, z, NULL, N, NULL, NULL, NULL), 0);
    samples_eval(est, z, NULL, N, out);
    ck_assert_double_lt(samples_error(N, out, exact), 0.02);
    slivi_score_free(est);
}
END_TEST

/* The moving moments of few samples are the moments of all of them. */
START_TEST(moments_are_pooled)
{
    enum { N = 50, BATCHES = 3 };
    const char *path = scratch_path("moments");
    double z[BATCHES * N * 2], mean[2] = {0}, cov[4] = {0}, m[2], c[4];
    slivi_score *est = samples_estimator("ssm", 2, 0, NULL);
    samples_normal(30, BATCHES * N, 2, z);
    for (size_t i = 0; i < BATCHES * N * 2; i++)
        z[i] += (double)(i / (2 * N)) * (i % 2 ? -2 : 5);
    for (size_t k = 0; k < BATCHES; k++)
        ck_assert_int_eq(slivi_score_update(est, z + k * N * 2, NULL, N, NULL),
                         0);
    for (size_t i = 0; i < BATCHES * N * 2; i++)
        mean[i % 2] += z[i] / (BATCHES * N);
    for (size_t i = 0; i < BATCHES * N; i++)
        for (size_t j = 0; j < 4; j++)
            cov[j] += (z[2 * i + j / 2] - mean[j / 2])
                      * (z[2 * i + j % 2] - mean[j % 2]) / (BATCHES * N);
    ck_assert_int_eq(slivi_score_save(est, path), 0);
    slivi_checkpoint *f = slivi_checkpoint_read(path);
    ck_assert_int_eq(
        slivi_checkpoint_get(f, "base.mean", SLIVI_DTYPE_F64, 1, 2, m), 0);
    ck_assert_int_eq(
        slivi_checkpoint_get(f, "base.cov", SLIVI_DTYPE_F64, 2, 2, c), 0);
    for (size_t j = 0; j < 4; j++) {
        ck_assert_double_eq_tol(m[j / 2], mean[j / 2], 1e-12);
        ck_assert_double_eq_tol(c[j], cov[j], 1e-11);
    }
    slivi_checkpoint_free(f);
    /* and of many the latest count: 20 batches of memory, 100 of new ones */
    for (size_t i = 0; i < N * 2; i++)
        z[i] = 100 + z[i];
    for (size_t k = 0; k < 100; k++)
        ck_assert_int_eq(slivi_score_update(est, z, NULL, N, NULL), 0);
    ck_assert_int_eq(slivi_score_save(est, path), 0);
    f = slivi_checkpoint_read(path);
    ck_assert_int_eq(
        slivi_checkpoint_get(f, "base.mean", SLIVI_DTYPE_F64, 1, 2, m), 0);
    ck_assert_double_eq_tol(m[0], 100, 2);
    slivi_checkpoint_free(f);
    slivi_score_free(est);
}
END_TEST

/* Online use: updates on fresh samples, then q jumps by 3 and the estimator
   follows. */
START_TEST(online_updates_follow_a_sudden_change)
{
    enum { N = 128, TEST = 4000, STEPS = 3000 };
    static double c[3 * TEST], z[2 * TEST], cond[2 * TEST], marg[2 * TEST],
        out[2 * TEST];
    const int conditional = _i == 0;
    const char *const options[] = {"hidden",  "32",       "rate", "3e-3",
                                   "average", "0.99",     "law",  "normal",
                                   "base",    "gaussian", NULL};
    slivi_score *est = samples_estimator("ssm-vr", 2, conditional ? 3 : 0,
                                         options);
    for (int phase = 0; phase < 2; phase++) {
        double turn = 3 * phase;
        for (uint64_t k = 0; k < STEPS; k++) {
            samples_linear(20 + 10000 * (uint64_t)phase + k, N, turn, c, z,
                           cond, marg);
            ck_assert_int_eq(
                slivi_score_update(est, z, conditional ? c : NULL, N, NULL), 0);
            if (k == STEPS / 2)
                ck_assert_int_eq(slivi_score_set(est, "rate", 3e-4), 0);
        }
        ck_assert_int_eq(slivi_score_set(est, "rate", 3e-3), 0);
        samples_linear(9, TEST, turn, c, z, cond, marg);
        if (!conditional) /* the marginal's mean moves as well */
            samples_linear(9, TEST, 0, c, z, cond, marg);
        for (size_t i = 0; i < 2 * TEST && !conditional; i++)
            z[i] += turn;
        samples_eval(est, z, conditional ? c : NULL, TEST, out);
        double error = samples_error(2 * TEST, out, conditional ? cond : marg);
        ck_assert_msg(error < 0.05, "phase %d: %g", phase, error);
    }
    slivi_score_free(est);
}
END_TEST

/* O18: z = m + L e has dH/dL = L'^-1, of which the lower triangle counts, and
   dH/dm = 0: by E[out e'] and E[out]. */
START_TEST(entropy_gradient_of_an_affine_family)
{
    enum { N = 20000 };
    const double l[2][2] = {{2, 0}, {-1, .5}};
    static double e[2 * N], z[2 * N], out[2 * N];
    double grad[2][2] = {{0}}, shift[2] = {0};
    const char *const options[] = {"hidden", "16", "steps", "500", NULL};
    samples_normal(8, N, 2, e);
    for (size_t i = 0; i < N; i++) {
        z[2 * i] = 5 + l[0][0] * e[2 * i];
        z[2 * i + 1] = -3 + l[1][0] * e[2 * i] + l[1][1] * e[2 * i + 1];
    }
    slivi_score *est = samples_estimator("ssm-vr", 2, 0, options);
    ck_assert_int_eq(slivi_score_fit(est, z, NULL, N, NULL, NULL, NULL), 0);
    ck_assert_int_eq(slivi_entropy_grad(est, z, NULL, N, out, NULL), 0);
    for (size_t i = 0; i < N; i++)
        for (int j = 0; j < 2; j++) {
            shift[j] += out[2 * i + (size_t)j] / N;
            for (int k = 0; k < 2; k++)
                grad[j][k] += out[2 * i + (size_t)j] * e[2 * i + (size_t)k] / N;
        }
    /* L'^-1 = [1/2, 1; 0, 2]: the upper entry is no parameter of L */
    ck_assert_double_eq_tol(grad[0][0], .5, .03);
    ck_assert_double_eq_tol(grad[1][0], 0, .06);
    ck_assert_double_eq_tol(grad[1][1], 2, .06);
    ck_assert_double_eq_tol(shift[0], 0, .06);
    ck_assert_double_eq_tol(shift[1], 0, .12);
    slivi_score_free(est);
}
END_TEST

/* ---- exact facts --------------------------------------------------------- */

/* Before any step the net is what it was initialised as; with the Gaussian
   base and moments m, S the score of a linear net is known by hand. */
START_TEST(base_and_net_are_put_together_as_documented)
{
    enum { N = 200, D = 2 };
    const char *const options[] = {"hidden", "8",     "precision", "f64",
                                   "rate",   "1e-30", NULL};
    static double z[N * D], out[N * D], far[D] = {0}, s[D];
    samples_normal(4, N, D, z);
    for (size_t i = 0; i < N; i++) {
        z[2 * i] = 10 + 3 * z[2 * i];
        z[2 * i + 1] = -4 + .1 * z[2 * i + 1] + .05 * z[2 * i];
    }
    slivi_score *a = samples_estimator("ssm-vr", D, 0, options);
    slivi_score *b = samples_estimator("ssm-vr", D, 0, options);
    ck_assert_int_eq(slivi_score_update(a, z, NULL, N, NULL), 0);
    for (size_t i = 0; i < N * D; i++)
        z[i] *= 1000; /* scores scale by 1/1000, exactly but for rounding */
    ck_assert_int_eq(slivi_score_update(b, z, NULL, N, NULL), 0);
    samples_eval(b, z, NULL, N, out);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < D; j++)
            far[j] = z[i * D + j] / 1000;
        samples_eval(a, far, NULL, 1, s);
        for (size_t j = 0; j < D; j++)
            ck_assert_double_eq_tol(out[i * D + j] * 1000, s[j],
                                    1e-9 * (1 + fabs(s[j])));
    }
    slivi_score_free(a);
    slivi_score_free(b);
}
END_TEST

/* sm's held-out value of an untrained estimator is the definition
   tr ds_u/du + |s_u|^2 / 2, by differences of the estimator itself. */
START_TEST(loss_is_the_exact_objective_in_standard_units)
{
    enum { N = 5, D = 2 };
    const char *const options[] = {"hidden", _i ? "6,7" : "6", "precision",
                                   "f64",    "base",           "none",
                                   "rate",   "1e-30",          NULL};
    double z[N * D], up[D], down[D], want = 0, got, h = 1e-5, s[D];
    samples_normal(14, N, D, z);
    slivi_score *est = samples_estimator("ssm", D, 0, options);
    ck_assert_int_eq(slivi_score_update(est, z, NULL, N, NULL), 0);
    ck_assert_int_eq(slivi_score_loss(est, z, NULL, N, &got), 0);
    for (size_t i = 0; i < N; i++) {
        samples_eval(est, z + i * D, NULL, 1, s);
        for (size_t j = 0; j < D; j++) {
            double x[D];
            memcpy(x, z + i * D, sizeof x);
            x[j] += h;
            samples_eval(est, x, NULL, 1, up);
            x[j] -= 2 * h;
            samples_eval(est, x, NULL, 1, down);
            want += ((up[j] - down[j]) / (2 * h) + s[j] * s[j] / 2) / N;
        }
    }
    ck_assert_double_eq_tol(got, want, 1e-9);
    slivi_score_free(est);
}
END_TEST

/* Any n: evaluation in blocks gives the rows of evaluations one by one. */
START_TEST(evaluation_in_blocks_is_evaluation)
{
    enum { N = 700 };
    static double z[2 * N], all[2 * N];
    double one[2];
    const char *const options[] = {"precision", "f64", NULL};
    samples_normal(15, N, 2, z);
    slivi_score *est = samples_estimator("dsm", 2, 0, options);
    ck_assert_int_eq(slivi_score_update(est, z, NULL, 100, NULL), 0);
    samples_eval(est, z, NULL, N, all);
    for (size_t i = 0; i < N; i += 53) {
        samples_eval(est, z + 2 * i, NULL, 1, one);
        ck_assert_double_eq_tol(all[2 * i], one[0], 1e-12);
        ck_assert_double_eq_tol(all[2 * i + 1], one[1], 1e-12);
    }
    slivi_score_free(est);
}
END_TEST

Suite *slivi_suite_estimator(void)
{
    Suite *s = suite_create("estimator");
    TCase *c = tcase_create("accuracy");
    tcase_set_timeout(c, 120);
    tcase_add_unchecked_fixture(c, scratch_open, scratch_close);
    tcase_add_loop_test(c, gaussian_of_unequal_scales, 0, 4);
    tcase_add_loop_test(c, mixture_is_learnt, 0, 8);
    tcase_add_loop_test(c, conditional_and_marginal_scores_differ, 0, 2);
    tcase_add_loop_test(c, online_updates_follow_a_sudden_change, 0, 2);
    tcase_add_test(c, head_is_the_conditional_gaussian);
    tcase_add_loop_test(c, head_learns_by_its_likelihood_alone, 0, 2);
    tcase_add_test(c, large_means_cost_no_digits);
    tcase_add_test(c, moments_are_pooled);
    tcase_add_test(c, entropy_gradient_of_an_affine_family);
    tcase_add_test(c, base_and_net_are_put_together_as_documented);
    tcase_add_loop_test(c, loss_is_the_exact_objective_in_standard_units, 0, 2);
    tcase_add_test(c, evaluation_in_blocks_is_evaluation);
    suite_add_tcase(s, c);
    return s;
}
