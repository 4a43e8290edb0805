/* test_vae_sources.c - where an auto-encoder's regulariser comes from: gradients
   against formulas written out for affine nets, and known optima.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/random.h"
#include "slivi/wae.h"
#include "suites.h"
#include "vae_inside.h"

#include <gsl/gsl_math.h> /* M_PI */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { X = 5, Z = 2, N = 6, MOST = 200 }; /* MOST: parameters */

static slivi_vae *make(int wasserstein, const char *const *options)
{
    slivi_vae *v = wasserstein ? slivi_wae_create(X) : slivi_vae_create(X);
    ck_assert_ptr_nonnull(v);
    for (; *options; options += 2)
        ck_assert_msg(!slivi_vae_set(v, options[0], options[1]), "%s",
                      slivi_errmsg());
    ck_assert_msg(!slivi_vae_ready(v), "%s", slivi_errmsg());
    return v;
}

/* n images of two latent causes and noise of sd 0.3. */
static void images(size_t n, float *x)
{
    static const double w[Z][X] = {{1, .8, -.5, .3, 0}, {0, .5, .9, -.7, .4}};
    slivi_address at = {.seed = 4, .stream = 50};
    double *z = calloc(n, Z * sizeof *z), *e = calloc(n, X * sizeof *e);
    slivi_draw(slivi_law_normal, &at, n, Z, z);
    at.stream = 51;
    slivi_draw(slivi_law_normal, &at, n, X, e);
    for (size_t i = 0; i < n * X; i++)
        x[i] = (float)(0.5 + 0.3 * e[i] + z[i / X * Z] * w[0][i % X]
                       + z[i / X * Z + 1] * w[1][i % X]);
    free(z);
    free(e);
}

/* ---- the model by hand --------------------------------------------------- */

/* out = the affine net `name` of in. */
static void affine(const slivi_params *p, const double *theta, const char *name,
                   const double *in, double *out)
{
    char w[64], b[64];
    const slivi_view *view[2] = {NULL, NULL};
    snprintf(w, sizeof w, "%s.w1", name);
    snprintf(b, sizeof b, "%s.b1", name);
    for (size_t i = 0; i < slivi_params_views(p); i++) {
        const slivi_view *one = slivi_params_view(p, i);
        if (!strcmp(one->name, w))
            view[0] = one;
        if (!strcmp(one->name, b))
            view[1] = one;
    }
    ck_assert(view[0] && view[1]);
    for (size_t j = 0; j < view[0]->cols; j++) {
        out[j] = theta[view[1]->offset + j];
        for (size_t k = 0; k < view[0]->rows; k++)
            out[j] += in[k] * theta[view[0]->offset + k * view[0]->cols + j];
    }
}

typedef struct draw {
    double t[Z], z[Z];
    double log_sigma; /* sum, where there is one */
    double log_q;     /* gaussian */
} draw;

/* The draw with noise e for the image x. */
static draw encode(const slivi_vae *v, const double *theta, const float *x,
                   const double *e)
{
    draw d = {.log_sigma = 0};
    double in[X + Z], out[2 * Z], r[Z] = {0};
    for (size_t k = 0; k < X; k++)
        in[k] = (double)x[k];
    memcpy(in + X, e, Z * sizeof *e);
    affine(v->params, theta, "encoder", in, out);
    if (v->residual)
        affine(v->params, theta, "displacement", in, r);
    const int placed = v->residual || v->family->is_gaussian;
    for (size_t j = 0; j < Z; j++) {
        d.t[j] = e[j] + tanh(r[j]);
        d.z[j] = placed ? out[j] + exp(out[Z + j]) * d.t[j] : out[j];
        if (!v->residual)
            d.t[j] = d.z[j];
        if (placed) {
            d.log_sigma += out[Z + j];
            d.log_q -= out[Z + j] + e[j] * e[j] / 2 + log(2 * M_PI) / 2;
        }
    }
    return d;
}

/* |x - G(z)|^2 */
static double error(const slivi_vae *v, const double *theta, const float *x,
                    const double *z)
{
    double y[X], sum = 0;
    affine(v->params, theta, "decoder", z, y);
    for (size_t k = 0; k < X; k++) {
        y[k] = v->is_bernoulli ? 1 / (1 + exp(-y[k])) : y[k];
        sum += pow((double)x[k] - y[k], 2);
    }
    return sum;
}

static double minus_log_normal(size_t d, double square, double sd)
{
    return square / sd / sd / 2 + (double)d * (log(sd) + log(2 * M_PI) / 2);
}

static double minus_log_prior(const double *z)
{
    return minus_log_normal(Z, z[0] * z[0] + z[1] * z[1], 1);
}

/* The noise of draw s of image i in the first step, as it is addressed: stream
   and slice. */
static void noise(size_t s, size_t i, size_t decoded, int weighted, double *e)
{
    slivi_address at = {.step = (uint64_t)1 << 47, .row = i};
    at.stream = weighted      ? SLIVI__VAE_WEIGHTED + (uint32_t)s
                : s < decoded ? SLIVI__VAE_NOISE
                              : SLIVI__VAE_MORE_NOISE;
    at.slice = (uint32_t)(weighted ? 0 : s < decoded ? s : s - decoded);
    slivi_draw(slivi_law_normal, &at, 1, Z, e);
}

/* ---- losses by hand ------------------------------------------------------ */

enum { P = 5, D = 2 }; /* particles, decoded */

typedef struct hand {
    const slivi_vae *v;
    const float *x;
    double push[N][P][Z]; /* held fixed */
} hand;

/* E[-log p(x|z) - log p(z) + push't - sum log sigma] */
static double pushed(const hand *h, const double *theta)
{
    double sum = 0, e[Z];
    for (size_t i = 0; i < N; i++)
        for (size_t s = 0; s < P; s++) {
            noise(s, i, D, 0, e);
            draw d = encode(h->v, theta, h->x + i * X, e);
            if (s < D)
                sum += minus_log_normal(
                           X, error(h->v, theta, h->x + i * X, d.z), 0.5)
                       / D / N;
            sum += minus_log_prior(d.z) / P / N;
            for (size_t j = 0; j < Z; j++)
                sum += h->push[i][s][j] * d.t[j] / P / N;
            if (h->v->residual)
                sum -= d.log_sigma / P / N;
        }
    return sum;
}

/* -E log (1/P) sum_s w_s */
static double weighted(const hand *h, const double *theta)
{
    double sum = 0, e[Z];
    for (size_t i = 0; i < N; i++) {
        double w = 0;
        for (size_t s = 0; s < P; s++) {
            noise(s, i, 0, 1, e);
            draw d = encode(h->v, theta, h->x + i * X, e);
            w += exp(
                -minus_log_normal(X, error(h->v, theta, h->x + i * X, d.z), 0.5)
                - minus_log_prior(d.z) - d.log_q);
        }
        sum -= log(w / P) / N;
    }
    return sum;
}

/* E[|x - G|^2] + 3 E[-log p(z) + push'z] */
static double wasserstein(const hand *h, const double *theta)
{
    static const double none[Z] = {0};
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        draw d = encode(h->v, theta, h->x + i * X, none);
        sum += (error(h->v, theta, h->x + i * X, d.z)
                + 3 * minus_log_prior(d.z))
               / N;
        for (size_t j = 0; j < Z; j++)
            sum += 3 * h->push[i][0][j] * d.z[j] / N;
    }
    return sum;
}

/* E[|x - G|^2] + 3 MMD^2 */
static double discrepant(const hand *h, const double *theta)
{
    static const double none[Z] = {0};
    double sum = 0, z[N * Z], y[N * Z], mmd = 0;
    slivi_address at = {.stream = SLIVI__VAE_PRIOR, .step = (uint64_t)1 << 47};
    slivi_draw(slivi_law_normal, &at, N, Z, y);
    for (size_t i = 0; i < N; i++) {
        draw d = encode(h->v, theta, h->x + i * X, none);
        sum += error(h->v, theta, h->x + i * X, d.z) / N;
        memcpy(z + i * Z, d.z, sizeof d.z);
    }
    slivi_discrepancy_workspace *ws = slivi_discrepancy_workspace_create(N, Z,
                                                                         NULL);
    ck_assert_int_eq(slivi_mmd(ws, N, z, N, y, 1, &mmd, NULL), 0);
    slivi_discrepancy_workspace_free(ws);
    return sum + 3 * mmd;
}

/* What an affine score net is given of draw e of image x: t and the image, or
   t from where it is without noise and z there. */
static void score_inputs(const slivi_vae *v, const double *theta,
                         const float *x, const double *e, double *in)
{
    static const double still[Z] = {0};
    const draw d = encode(v, theta, x, e), at = encode(v, theta, x, still);
    for (size_t j = 0; j < Z; j++) {
        in[j] = v->is_centred ? d.t[j] - at.t[j] : d.t[j];
        in[Z + j] = at.z[j];
    }
    for (size_t k = 0; k < X && !v->is_coded; k++)
        in[Z + k] = (double)x[k];
}

/* The score net's at each image's draws, which a step's first part leaves where
   they are but for its rate, 1e-12. */
static void net_scores(hand *h, const double *theta)
{
    double net[MOST], in[Z + X], e[Z];
    slivi_params_get(h->v->score_params, net);
    for (size_t i = 0; i < N; i++)
        for (size_t s = 0; s < P; s++) {
            noise(s, i, D, 0, e);
            score_inputs(h->v, theta, h->x + i * X, e, in);
            affine(h->v->score_params, net, "score", in, h->push[i][s]);
        }
}

/* Scores of each image's own draws, or of the draws of all. */
static void kernel_scores(hand *h, const double *theta)
{
    const int all = h->v->kind->is_wasserstein;
    const size_t groups = all ? 1 : N, m = all ? N : P;
    static const double none[Z] = {0};
    double t[N * P * Z], s[N * P * Z], e[Z];
    slivi_kernelscore_options how = slivi_kernelscore_default();
    slivi_kernelscore *k = slivi_kernelscore_create(h->v->opt.entropy, &how, m,
                                                    Z, 0);
    slivi_kernelscore_workspace *ws = slivi_kernelscore_workspace_create(k,
                                                                         NULL);
    for (size_t r = 0; r < groups * m; r++) {
        const size_t i = all ? r : r / P;
        noise(r % P, i, D, 0, e);
        draw d = encode(h->v, theta, h->x + i * X, all ? none : e);
        memcpy(t + r * Z, d.t, sizeof d.t);
    }
    ck_assert_int_eq(slivi_kernelscore_samples(k, groups, m, t, s, ws), 0);
    for (size_t r = 0; r < groups * m; r++)
        memcpy(all ? h->push[r][0] : h->push[r / P][r % P], s + r * Z,
               Z * sizeof *s);
    slivi_kernelscore_workspace_free(ws);
    slivi_kernelscore_free(k);
}

typedef void scores(hand *h, const double *theta);

static const struct {
    const char *options[9];
    int wasserstein;
    scores *scores;
    double (*loss)(const hand *h, const double *theta);
} cases[] = {
    {{"entropy", "ssm-vr", NULL}, 0, net_scores, pushed},
    {{"entropy", "dsm", "context", "code", NULL}, 0, net_scores, pushed},
    {{"entropy", "ssm", "context", "both", NULL}, 0, net_scores, pushed},
    {{"entropy", "ssm", "encoder", "residual", "context", "code", NULL},
     0,
     net_scores,
     pushed},
    {{"entropy", "ssm-vr", "encoder", "gaussian", "context", "code", NULL},
     0,
     net_scores,
     pushed},
    {{"entropy", "stein", NULL}, 0, kernel_scores, pushed},
    {{"entropy", "ssge", "encoder", "gaussian", NULL},
     0,
     kernel_scores,
     pushed},
    {{"entropy", "stein", "encoder", "residual", NULL},
     0,
     kernel_scores,
     pushed},
    {{"entropy", "iwae", "encoder", "gaussian", NULL}, 0, NULL, weighted},
    {{"entropy", "stein", "lambda", "3", NULL}, 1, kernel_scores, wasserstein},
    {{"entropy", "ssge", "lambda", "3", NULL}, 1, kernel_scores, wasserstein},
    {{"entropy", "mmd", "lambda", "3", NULL}, 1, NULL, discrepant},
    {{"entropy", "mmd", "lambda", "3", "likelihood", "bernoulli", "binarise",
      "none", NULL},
     1,
     NULL,
     discrepant},
};
enum { WEIGHTED = 8, CASES = sizeof cases / sizeof *cases };

static const char *const affine_nets[] = {
    "hidden",    "none",     "latent", "2",         "likelihood",
    "gaussian",  "x-sd",     "0.5",    "precision", "f64",
    "optimizer", "momentum", "rate",   "1e-12",     "threads",
    "1",         "batch",    "8",      "hidden",    "none"};

static slivi_vae *make_case(size_t k)
{
    const char *options[32];
    size_t count = 0;
    memcpy(options, affine_nets, sizeof affine_nets);
    count = sizeof affine_nets / sizeof *affine_nets;
    for (const char *const *o = cases[k].options; *o; o++)
        options[count++] = *o;
    if (!cases[k].wasserstein) {
        options[count++] = "particles";
        options[count++] = "5";
        options[count++] = "decoded";
        options[count++] = "2";
    }
    options[count] = NULL;
    return make(cases[k].wasserstein, options);
}

/* A step's gradient, entry by entry, against differences of the loss written
   out, with the scores of the draws as they are held fixed. */
START_TEST(gradients_are_those_of_the_loss)
{
    const double h = 1e-5;
    double theta[MOST], moved[MOST];
    float x[N * X];
    slivi_vae *v = make_case((size_t)_i);
    const size_t count = slivi_params_size(v->params);
    hand by = {.v = v, .x = x};
    ck_assert_uint_le(count, MOST);
    images(N, x);
    for (size_t k = 0; k < N * X && v->is_bernoulli; k++)
        x[k] = (float)(1 / (1 + exp(-(double)x[k])));
    if (v->residual) { /* not where it begins */
        double *value = slivi_params_values(v->params);
        for (size_t k = 0; k < count; k++)
            value[k] += 0.1 * sin((double)k);
    }
    slivi_params_get(v->params, theta);
    if (cases[_i].scores)
        cases[_i].scores(&by, theta);
    ck_assert_msg(!slivi_vae_step(v, x, N, NULL), "%s", slivi_errmsg());
    const double *gradient = slivi_learner_gradient(v->learner);
    memcpy(moved, theta, sizeof moved);
    for (size_t k = 0; k < count; k++) {
        moved[k] = theta[k] + h;
        double difference = cases[_i].loss(&by, moved);
        moved[k] = theta[k] - h;
        difference = (difference - cases[_i].loss(&by, moved)) / 2 / h;
        moved[k] = theta[k];
        ck_assert_double_eq_tol(gradient[k], difference,
                                1e-7 * (1 + fabs(difference)));
    }
    slivi_vae_free(v);
}
END_TEST

/* What a step of the weighted bound reports: means over images and draws. */
START_TEST(reports_of_the_weighted_bound)
{
    double theta[MOST], e[Z], fit = 0, rest = 0;
    float x[N * X];
    slivi_vae *v = make_case(WEIGHTED);
    slivi_vae_losses losses;
    images(N, x);
    slivi_params_get(v->params, theta);
    for (size_t i = 0; i < N * P; i++) {
        const float *image = x + i / P * X;
        noise(i % P, i / P, 0, 1, e);
        draw d = encode(v, theta, image, e);
        fit += minus_log_normal(X, error(v, theta, image, d.z), 0.5) / P / N;
        rest += (minus_log_prior(d.z) + d.log_q) / P / N;
    }
    ck_assert_int_eq(slivi_vae_step(v, x, N, &losses), 0);
    ck_assert_double_eq_tol(losses.reconstruction, fit, 1e-10 * fit);
    ck_assert_double_eq_tol(losses.prior, rest, 1e-10 * (1 + fabs(rest)));
    slivi_vae_free(v);
}
END_TEST

/* ---- the score net's own step ------------------------------------------- */

/* ssm-vr on 3 draws of each image, each with a slice of its own:
   E[v'A v + |s|^2 / 2], s = [t c] W + b, A the rows of W that meet t, and c the
   context. */
START_TEST(score_steps_take_every_draw)
{
    enum { DRAWS = 3 };
    static const char *const contexts[] = {"image", "code", "both"};
    const int residual = _i % 2;
    const char *const options[] = {
        "hidden",     "none",
        "latent",     "2",
        "precision",  "f64",
        "rate",       "1e-12",
        "optimizer",  "momentum",
        "threads",    "1",
        "batch",      "8",
        "particles",  "3",
        "likelihood", "gaussian",
        "encoder",    residual ? "residual" : "implicit",
        "base",       residual ? "standard" : "none",
        "context",    contexts[_i / 2],
        NULL};
    double theta[MOST], score[MOST], e[Z], u[Z], sum = 0;
    float x[N * X];
    slivi_vae *v = make(0, options);
    slivi_vae_losses losses;
    images(N, x);
    slivi_params_get(v->params, theta);
    slivi_params_get(v->score_params, score);
    for (size_t r = 0; r < N * DRAWS; r++) {
        const size_t i = r / DRAWS;
        double in[Z + X], s[Z], zero[Z + X] = {0}, at_zero[Z], a[Z];
        slivi_address at = {.stream = SLIVI__VAE_NOISE,
                            .slice = (uint32_t)(r % DRAWS),
                            .row = i};
        slivi_draw(slivi_law_normal, &at, 1, Z, e);
        at.stream = SLIVI__VAE_SLICES;
        slivi_draw(slivi_law_normal, &at, 1, Z, u);
        score_inputs(v, theta, x + i * X, e, in);
        affine(v->score_params, score, "score", in, s);
        affine(v->score_params, score, "score", zero, at_zero);
        memcpy(zero, u, sizeof u);
        affine(v->score_params, score, "score", zero, a);
        for (size_t j = 0; j < Z; j++) {
            const double s_j = s[j] - (residual ? in[j] : 0);
            sum += (u[j] * (a[j] - at_zero[j]) + s_j * s_j / 2) / N / DRAWS;
        }
    }
    ck_assert_int_eq(slivi_vae_step(v, x, N, &losses), 0);
    /* the base's trace, -1 for each dimension, needs no slices */
    ck_assert_double_eq_tol(losses.score, sum - (residual ? Z : 0), 1e-12);
    slivi_vae_free(v);
}
END_TEST

/* The trace in closed form is right for several draws too: a batch of one
   draw each, of as many images, has the same objective when the draws are the
   same; that is so where the encoder ignores its noise. */
START_TEST(exact_traces_of_several_draws)
{
    const char *options[] = {
        "hidden",    "4,3",   "latent",    "2",        "precision",  "f64",
        "rate",      "1e-12", "optimizer", "momentum", "threads",    "1",
        "batch",     "8",     "entropy",   "sm",       "likelihood", "gaussian",
        "particles", "3",     NULL};
    double score[2];
    float x[N * X];
    images(N, x);
    for (int k = 0; k < 2; k++) {
        options[19] = k ? "3" : "1";
        slivi_vae *v = make(0, options);
        slivi_vae_losses losses;
        const slivi_view *w = slivi_params_view(v->params, 0);
        double *value = slivi_params_values(v->params);
        ck_assert_str_eq(w->name, "encoder.w1");
        for (size_t j = X * w->cols; j < (X + Z) * w->cols; j++)
            value[w->offset + j] = 0; /* those of the noise */
        ck_assert_int_eq(slivi_vae_step(v, x, N, &losses), 0);
        score[k] = losses.score;
        slivi_vae_free(v);
    }
    ck_assert_double_eq_tol(score[0], score[1], 1e-13);
    ck_assert_double_ne(score[0], 0);
}
END_TEST

/* ---- known optima -------------------------------------------------------- */

enum { IMAGES = 512 };

static void train(slivi_vae *v, const float *x, size_t batch, int steps)
{
    for (int k = 0; k < steps; k++)
        ck_assert_msg(
            !slivi_vae_step(v, x + (size_t)k * batch % IMAGES * X, batch, NULL),
            "%s", slivi_errmsg());
}

static const char *const learning[] = {
    "hidden",  "none", "latent",    "2",      "likelihood", "gaussian",
    "x-sd",    "0.3",  "precision", "f64",    "optimizer",  "adam",
    "rate",    "0.01", "schedule",  "cosine", "steps",      "3000",
    "threads", "1",    "batch",     "128"};

/* Mean and covariance of the codes are the prior's when lambda is large
   (O20: the gradient of KL(N(m, S) | N(0, I)) is zero there only). */
START_TEST(codes_of_a_wae_follow_the_prior)
{
    static const char *const own[][7] = {
        {"entropy", "ssm-vr", "score-rate", "3", "law", "rademacher", NULL},
        {"entropy", "sm", "base", "standard", "score-rate", "3", NULL},
        {"entropy", "stein", "eta", "0.1", NULL},
        {"entropy", "ssge", "share", "0.95", NULL},
        {"entropy", "mmd", NULL},
    };
    const char *options[40];
    size_t count = sizeof learning / sizeof *learning;
    static float x[IMAGES * X], z[IMAGES * Z];
    double m[Z] = {0}, c[Z][Z] = {{0}};
    memcpy(options, learning, sizeof learning);
    for (const char *const *o = own[_i]; *o; o++)
        options[count++] = *o;
    options[count++] = "lambda";
    options[count++] = "20";
    options[count] = NULL;
    slivi_vae *v = make(1, options);
    images(IMAGES, x);
    train(v, x, 128, 3000);
    ck_assert_int_eq(slivi_vae_encode(v, x, IMAGES, 0, z), 0);
    for (size_t i = 0; i < IMAGES * Z; i++)
        m[i % Z] += (double)z[i] / IMAGES;
    for (size_t i = 0; i < IMAGES; i++)
        for (size_t j = 0; j < Z; j++)
            for (size_t k = 0; k < Z; k++)
                c[j][k] += ((double)z[i * Z + j] - m[j])
                           * ((double)z[i * Z + k] - m[k]) / IMAGES;
    for (size_t j = 0; j < Z; j++) {
        ck_assert_double_eq_tol(m[j], 0, 0.05);
        ck_assert_double_eq_tol(sqrt(c[j][j]), 1, 0.1);
    }
    ck_assert_double_eq_tol(c[0][1], 0, 0.1);
    slivi_vae_free(v);
}
END_TEST

Suite *slivi_suite_vae_sources(void)
{
    Suite *s = suite_create("vae_sources");
    TCase *c = tcase_create("sources");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, gradients_are_those_of_the_loss, 0, CASES);
    tcase_add_test(c, reports_of_the_weighted_bound);
    tcase_add_loop_test(c, score_steps_take_every_draw, 0, 6);
    tcase_add_test(c, exact_traces_of_several_draws);
    tcase_add_loop_test(c, codes_of_a_wae_follow_the_prior, 0, 5);
    suite_add_tcase(s, c);
    return s;
}
