/* posterior_step.c - a training step of a posterior.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posterior_inside.h"

#include <math.h>
#include <string.h>

/* ---- what grows in training ---------------------------------------------- */

/* Powers of 2, at equal parts of the steps, up to `grow`. */
static size_t growth(const slivi_posterior *q, size_t t)
{
    const size_t steps = q->learning.steps;
    size_t doublings = 0, now;
    while ((size_t)2 << doublings <= q->opt.grow)
        doublings++;
    now = steps ? (size_t)((double)t / (double)steps * (double)(doublings + 1))
                : 0;
    return (size_t)1 << (now < doublings ? now : doublings);
}

size_t slivi__posterior_batch(const slivi_posterior *q, size_t t)
{
    return q->opt.batch * growth(q, t);
}

/* An even number of the graph's runs. */
size_t slivi__posterior_mixture(const slivi_posterior *q, size_t t)
{
    return 2 * q->components * growth(q, t);
}

/* Geometrically from beta to 1 in the annealed share of the steps. */
double slivi__posterior_beta(const slivi_posterior *q, size_t t)
{
    const double end = q->opt.anneal * (double)q->learning.steps;
    return (double)t < end ? pow(q->opt.beta, 1 - (double)t / end) : 1;
}

/* ---- contexts ------------------------------------------------------------ */

void slivi__posterior_contexts(const slivi_posterior *q, const double *contexts,
                               size_t rows, const slivi_run *run, double *c)
{
    const slivi_address at = {.seed = run->seed,
                              .stream = SLIVI__POSTERIOR_CONTEXTS,
                              .step = run->step,
                              .row = run->row};
    if (!q->k)
        return;
    slivi_draw(slivi_law_uniform, &at, run->n, 1, c);
    for (size_t i = run->n; i-- > 0;) { /* c's head holds the draws */
        const size_t row = (size_t)(c[i] * (double)rows);
        memcpy(c + i * q->k, contexts + row * q->k, q->k * sizeof *c);
    }
}

/* ---- parts of a step ----------------------------------------------------- */

/* z, log p and its gradient in w, times beta. */
static int ask_target(slivi_posterior *q, double beta)
{
    const size_t n = q->now.n, d = q->d;
    int status = slivi__posterior_place(q, n, q->now.w, q->z);
    if (!status)
        status = slivi_target_eval(q->target, n, q->z, q->k ? q->now.c : NULL,
                                   q->lp, q->score);
    if (!status)
        status = slivi__posterior_pull(q, n, q->score, q->pull);
    for (size_t j = 0; j < n * d && !status; j++)
        q->pull[j] *= beta;
    return status;
}

/* Draws where the density is zero push nothing: they are counted. */
static void drop_refused(slivi_posterior *q)
{
    const size_t n = q->now.n, d = q->d;
    for (size_t i = 0; i < n; i++)
        if (q->lp[i] == -INFINITY) {
            memset(q->pull + i * d, 0, d * sizeof *q->pull);
            memset(q->score + i * d, 0, d * sizeof *q->score);
            memset(q->spread + i * d, 0, d * sizeof *q->spread);
            q->refused++;
        }
}

static int descend(slivi_posterior *q, const slivi_run *run, double *norm)
{
    slivi__posterior_plan *p = &q->plan[SLIVI__POSTERIOR_PUSH];
    const size_t count = q->now.n * q->d;
    double square = 0;
    for (size_t j = 0; j < count; j++) {
        const double gap = q->pull[j] - q->score[j];
        square += gap * gap;
        if (!p->in[IN_H].id)
            q->pull[j] = gap;
    }
    q->gap = p->in[IN_H].id ? NAN : sqrt(square / (double)count);
    slivi__posterior_give(q, p, IN_W, q->pull, count);
    if (p->in[IN_H].id)
        slivi__posterior_give(q, p, IN_H, q->score, count);
    if (p->in[IN_LOG_S].id)
        slivi__posterior_give(q, p, IN_LOG_S, q->spread, count);
    if (q->k)
        slivi__posterior_give(q, p, IN_CONTEXT, q->standard, q->now.n * q->k);
    int status = slivi__posterior_go(p, NULL, run);
    return status ? status : slivi_learner_step(q->learner, norm);
}

/* The score's rate falls with the posterior's, but not to nothing: it must
   follow what still moves. */
static void set_score_rate(slivi_posterior *q, size_t t)
{
    const double least = 0.05, factor = slivi_schedule_factor(&q->learning, t);
    const double rate = q->learning.rate * q->opt.score_rate
                        * (factor > least ? factor : least);
    if (q->estimator)
        slivi_score_set(q->estimator, "rate", rate);
    if (q->net_learner)
        slivi_learner_set_rate(q->net_learner, rate);
}

int slivi__posterior_teach(slivi_posterior *q, const double *contexts,
                           size_t rows, uint64_t first, size_t times)
{
    const size_t n = slivi__posterior_batch(q, slivi_learner_steps(q->learner));
    int status = 0;
    for (size_t i = 0; i < times && !status; i++) {
        const slivi_run run = slivi__posterior_run(q, n, SLIVI__FOR_SCORE,
                                                   first + i);
        slivi__posterior_contexts(q, contexts, rows, &run, q->now.c);
        status = slivi__posterior_draws(q, NULL, &run, &q->now);
        if (!status)
            status = q->source->teach(q, 1);
    }
    return status;
}

/* ---- the step ------------------------------------------------------------ */

/* From the step's own draws, which it has not seen when it gave their scores,
   and from more of the posterior that has moved on. */
static int teach_score(slivi_posterior *q, const double *contexts, size_t rows,
                       size_t t)
{
    int status = q->source->teach(q, 0);
    return status
               ? status
               : slivi__posterior_teach(q, contexts, rows,
                                        (uint64_t)t * SLIVI__MOST_SCORE_STEPS,
                                        q->score_steps - 1);
}

int slivi__posterior_step(slivi_posterior *q, const double *contexts,
                          size_t rows, double *norm)
{
    const size_t t = slivi_learner_steps(q->learner);
    const size_t n = slivi__posterior_batch(q, t);
    const slivi_run run = slivi__posterior_run(q, n, SLIVI__FOR_STEP, t);
    slivi__posterior_contexts(q, contexts, rows, &run, q->now.c);
    int status = slivi__posterior_draws(q, NULL, &run, &q->now);
    if (!status)
        status = slivi_target_part(q->target, t);
    if (!status)
        status = ask_target(q, slivi__posterior_beta(q, t));
    if (!status)
        status = q->source->score(q, t);
    if (status)
        return status;
    drop_refused(q);
    status = descend(q, &run, norm);
    if (status || !slivi__posterior_learns(q))
        return status;
    set_score_rate(q, t);
    return teach_score(q, contexts, rows, t);
}
