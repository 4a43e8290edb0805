/* posterior_score.c - the entropy's gradient from a score that is learnt of
   q's draws: by denoising, or with any of slivi/score.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posterior_inside.h"
#include "score/estimator.h"

#include <math.h>
#include <string.h>

/* Steps that a score learns of the first q before that moves. */
enum { HEAD_START = 100 };

/* ---- denoising ----------------------------------------------------------- */

static int make_denoiser(slivi_posterior *q)
{
    slivi_learning how = q->learning;
    const slivi_net_spec spec = {
        .name = "denoiser",
        .inputs = {q->k ? 2 : 1, {q->d, q->k}},
        .hidden = q->opt.hidden,
        .outputs = q->d,
        .activation = slivi_activation_find(q->opt.activation),
        .from_zero = 1,
    };
    how.rate *= q->opt.score_rate;
    how.average = 0;
    memcpy(how.schedule, "constant", sizeof "constant"); /* set step by step */
    q->net_params = slivi_params_create(q->precision);
    if (!q->net_params)
        return slivi__status();
    q->view_line = slivi_params_add(q->net_params, "denoiser.line", q->d, q->d,
                                    0, 0);
    if (q->view_line >= 0)
        q->denoiser = slivi_net_create(q->net_params, &spec);
    if (!q->denoiser)
        return slivi__status();
    slivi_params_init(q->net_params, q->opt.seed, SLIVI__POSTERIOR_INIT_NET);
    const size_t count = slivi_params_size(q->net_params), d = q->d;
    double *values = slivi__alloc(count, sizeof *values);
    if (!values)
        return slivi__status();
    slivi_params_get(q->net_params, values);
    for (size_t i = 0; i < d; i++) /* the score of N(0, I); the view is first */
        values[i * d + i] = -1;
    slivi_params_set(q->net_params, values);
    slivi__free(values);
    q->net_learner = slivi_learner_create(q->net_params, &how);
    if (!q->net_learner)
        return slivi__status();
    slivi_learner_set_pool(q->net_learner, q->pool);
    return slivi__posterior_plan_get(q, SLIVI__POSTERIOR_DENOISE)
               ? 0
               : slivi__status();
}

static void drop_denoiser(slivi_posterior *q)
{
    slivi__posterior_plan_clear(&q->plan[SLIVI__POSTERIOR_DENOISE]);
    slivi_learner_free(q->net_learner);
    slivi_net_free(q->denoiser);
    slivi_params_free(q->net_params);
    q->net_learner = NULL;
    q->denoiser = NULL;
    q->net_params = NULL;
}

static int run_denoiser(slivi_posterior *q)
{
    slivi__posterior_plan *p = &q->plan[SLIVI__POSTERIOR_DENOISE];
    const slivi__draws *x = &q->now;
    const size_t count = x->n * q->d;
    const slivi_run run = {.n = x->n};
    slivi__posterior_give(q, p, IN_W, x->w, count);
    slivi__posterior_give(q, p, IN_LOG_S, x->log_s, count);
    slivi__posterior_give(q, p, IN_U, x->u, count);
    if (q->k)
        slivi__posterior_give(q, p, IN_CONTEXT, q->standard, x->n * q->k);
    return slivi__posterior_go(p, NULL, &run);
}

/* Scores of the net before it has seen these draws. */
static int score_denoising(slivi_posterior *q, size_t t)
{
    int status = run_denoiser(q);
    (void)t;
    if (!status)
        slivi__posterior_take(q, &q->plan[SLIVI__POSTERIOR_DENOISE], 1,
                              q->score, q->now.n * q->d);
    return status;
}

static int teach_denoiser(slivi_posterior *q, int fresh)
{
    int status = fresh ? run_denoiser(q) : 0; /* else its gradient is there */
    return status ? status : slivi_learner_step(q->net_learner, NULL);
}

static int loss_denoising(slivi_posterior *q, double *loss)
{
    int status = run_denoiser(q);
    if (!status)
        slivi__posterior_take(q, &q->plan[SLIVI__POSTERIOR_DENOISE], 0, loss,
                              1);
    return status;
}

static int save_denoiser(slivi_posterior *q, slivi_checkpoint *c)
{
    return slivi_learner_save(q->net_learner, c, "score");
}

static int load_denoiser(slivi_posterior *q, const slivi_checkpoint *c)
{
    return slivi_learner_load(q->net_learner, c, "score");
}

const slivi__source slivi__source_denoising = {
    .name = "denoising",
    .help = "a net that learns E[-u/s | z]; semi-implicit",
    .mixture = 1,
    .make = make_denoiser,
    .drop = drop_denoiser,
    .head_start = HEAD_START,
    .score = score_denoising,
    .teach = teach_denoiser,
    .loss = loss_denoising,
    .save = save_denoiser,
    .load = load_denoiser,
};

/* ---- estimators ---------------------------------------------------------- */

/* Kernels have no parameters: their samples are the draws themselves. */
int slivi__posterior_learns(const slivi_posterior *q)
{
    return q->net_learner
           || (q->estimator && q->estimator->type == &slivi__score_nets);
}

static const double *seen(const slivi_posterior *q)
{
    return q->family->is_mixture || q->family->is_gaussian ? q->now.w
                                                           : q->now.h;
}

static const double *contexts(const slivi_posterior *q)
{
    return q->k ? q->standard : NULL;
}

static int set_texts(slivi_posterior *q)
{
    static const char *const same[] = {"hidden", "activation", "precision",
                                       "slices", "sigma",      "optimizer",
                                       "clip",   "threads",    "seed"};
    char text[256];
    int status = 0;
    for (size_t i = 0; i < sizeof same / sizeof *same && !status; i++) {
        status = slivi_posterior_get(q, same[i], text, sizeof text);
        if (!status)
            status = slivi_score_set_text(q->estimator, same[i], text);
    }
    /* draws are whitened: what a net learns is the difference from N(0, I) */
    if (!status)
        status = slivi_score_set_text(q->estimator, "base", "standard");
    return status;
}

static int make_estimator(slivi_posterior *q)
{
    q->estimator = slivi_score_create(*q->entropy, q->d, q->k);
    if (!q->estimator)
        return slivi__status();
    int status = set_texts(q);
    if (!status)
        status = slivi_score_set(q->estimator, "rate",
                                 q->learning.rate * q->opt.score_rate);
    if (status)
        return status;
    q->estimator_ws = slivi_score_workspace_create(q->estimator);
    return q->estimator_ws ? 0 : slivi__status();
}

static void drop_estimator(slivi_posterior *q)
{
    slivi_score_workspace_free(q->estimator_ws);
    slivi_score_free(q->estimator);
    q->estimator_ws = NULL;
    q->estimator = NULL;
}

static int teach_estimator(slivi_posterior *q, int fresh)
{
    (void)fresh;
    return slivi_score_update(q->estimator, seen(q), contexts(q), q->now.n,
                              NULL);
}

static int score_estimator(slivi_posterior *q, size_t t)
{
    /* kernels: of these very draws */
    int status = slivi__posterior_learns(q) ? 0 : teach_estimator(q, 1);
    (void)t;
    return status ? status
                  : slivi_score_eval(q->estimator, seen(q), contexts(q),
                                     q->now.n, q->score, q->estimator_ws);
}

static int loss_estimator(slivi_posterior *q, double *loss)
{
    return slivi_score_loss(q->estimator, seen(q), contexts(q), q->now.n, loss);
}

/* Kernels are made of a step's draws, and have nothing to keep. */
static int save_estimator(slivi_posterior *q, slivi_checkpoint *c)
{
    return slivi__posterior_learns(q)
               ? q->estimator->type->save(q->estimator, c)
               : 0;
}

static int load_estimator(slivi_posterior *q, const slivi_checkpoint *c)
{
    if (!slivi__posterior_learns(q))
        return 0;
    int status = q->estimator->type->load(q->estimator, c);
    q->estimator->trained = !status;
    return status;
}

const slivi__source slivi__source_estimator = {
    .make = make_estimator,
    .drop = drop_estimator,
    .head_start = HEAD_START,
    .score = score_estimator,
    .teach = teach_estimator,
    .loss = loss_estimator,
    .save = save_estimator,
    .load = load_estimator,
};
