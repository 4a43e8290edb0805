/* posterior_draws.c - draws of q, and their density.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posterior_inside.h"

#include <math.h>
#include <string.h>

#define LOG_2PI 1.83787706640934548356

enum { STEP_BITS = 44 };

slivi_run slivi__posterior_run(const slivi_posterior *q, size_t n,
                               enum slivi__drawn_for what, uint64_t step)
{
    return (slivi_run){.n = n,
                       .seed = q->opt.seed,
                       .step = ((uint64_t)what << STEP_BITS) + step};
}

const void *slivi__posterior_values(const slivi_posterior *q)
{
    return q->has_best ? q->best : slivi_learner_average(q->learner);
}

void slivi__posterior_standardise(const slivi_posterior *q, size_t n,
                                  const double *c, double *to)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < q->k; j++)
            to[i * q->k + j] = (c[i * q->k + j] - q->context_mean[j])
                               / q->context_sd[j];
}

int slivi__posterior_draws(slivi_posterior *q, const void *values,
                           const slivi_run *run, slivi__draws *x)
{
    slivi__posterior_plan *p = &q->plan[SLIVI__POSTERIOR_DRAW];
    const size_t count = run->n * q->d;
    double *const to[] = {[OUT_W] = x->w,
                          [OUT_H] = x->h,
                          [OUT_U] = x->u,
                          [OUT_MU] = x->mu,
                          [OUT_LOG_S] = x->log_s};
    slivi__posterior_standardise(q, run->n, x->c, q->standard);
    if (q->k)
        slivi__posterior_give(q, p, IN_CONTEXT, q->standard, run->n * q->k);
    int status = slivi__posterior_go(p, values, run);
    if (status)
        return status;
    x->n = run->n;
    for (size_t i = 0; i < sizeof to / sizeof *to; i++)
        if (p->out[i].id && to[i])
            slivi__posterior_take(q, p, i, to[i], count);
    return 0;
}

/* ---- whitening ----------------------------------------------------------- */

int slivi__posterior_place(const slivi_posterior *q, size_t n, const double *w,
                           double *z)
{
    const size_t d = q->d;
    for (size_t i = 0; i < n; i++)
        memcpy(z + i * d, q->mean, d * sizeof *z);
    int status = slivi__blas_enter();
    if (status)
        return status;
    status = slivi__dgemm(q->pool, 0, 1, n, d, d, 1, w, d, q->chol, d, 1, z, d);
    slivi__blas_leave();
    return status;
}

int slivi__posterior_pull(const slivi_posterior *q, size_t n, const double *x,
                          double *y)
{
    const size_t d = q->d;
    int status = slivi__blas_enter();
    if (status)
        return status;
    status = slivi__dgemm(q->pool, 0, 0, n, d, d, 1, x, d, q->chol, d, 0, y, d);
    slivi__blas_leave();
    return status;
}

/* ---- density ------------------------------------------------------------- */

/* log N(w; mu, s^2) of each draw's own component, or of a Gaussian, without
   the factor of pi: -|u|^2 / 2 - sum log s */
static double own_density(const slivi__draws *x, size_t d, size_t i)
{
    double sum = 0;
    for (size_t j = i * d; j < (i + 1) * d; j++)
        sum -= 0.5 * x->u[j] * x->u[j] + x->log_s[j];
    return sum;
}

/* Components: mu and log s of as many draws as the graph takes, which stay in
   the plan's precision. */
static int make_components(slivi_posterior *q, const void *values,
                           const slivi_run *run)
{
    slivi__posterior_plan *draw = &q->plan[SLIVI__POSTERIOR_DRAW];
    slivi__posterior_plan *mix = &q->plan[SLIVI__POSTERIOR_MIXTURE];
    const size_t bytes = run->n * q->d
                         * (q->precision == SLIVI_F32 ? sizeof(float)
                                                      : sizeof(double));
    int status = slivi__posterior_go(draw, values, run);
    if (status)
        return status;
    memcpy(mix->in_memory[IN_MEANS], draw->out_memory[OUT_MU], bytes);
    memcpy(mix->in_memory[IN_LOG_S], draw->out_memory[OUT_LOG_S], bytes);
    return 0;
}

/* a <- log(e^a + e^b), and scores are averaged accordingly. */
static void join(size_t d, double *a, double *score_a, double b,
                 const double *score_b)
{
    const double top = *a > b ? *a : b;
    if (top == -INFINITY)
        return;
    const double sum = top + log(exp(*a - top) + exp(b - top));
    const double part = exp(b - sum);
    for (size_t j = 0; j < d && score_a; j++)
        score_a[j] += part * (score_b[j] - score_a[j]);
    *a = sum;
}

/* Adds the components of one run to log_q and score at n draws w. */
static int join_components(slivi_posterior *q, size_t n, const double *w,
                           double *log_q, double *score)
{
    slivi__posterior_plan *mix = &q->plan[SLIVI__POSTERIOR_MIXTURE];
    const slivi_run run = {.n = n};
    const size_t d = q->d;
    double *more = q->log_more, *slope = q->other;
    slivi__posterior_give(q, mix, IN_W, w, n * d);
    int status = slivi__posterior_go(mix, NULL, &run);
    if (status)
        return status;
    slivi__posterior_take(q, mix, 0, more, n);
    if (score)
        slivi__posterior_take(q, mix, 1, slope, n * d);
    for (size_t i = 0; i < n; i++)
        join(d, &log_q[i], score ? score + i * d : NULL, more[i],
             slope + i * d);
    return 0;
}

/* All components, as many at a time as the graph takes, at draws which have
   one context (repeated over the graph's rows) or none. */
static int join_all(slivi_posterior *q, const void *values, size_t n,
                    const double *w, const double *c, size_t components,
                    slivi_run run, double *log_q, double *score)
{
    slivi__posterior_plan *draw = &q->plan[SLIVI__POSTERIOR_DRAW];
    int status = 0;
    run.n = q->components;
    for (size_t i = 0; i < run.n && q->k; i++)
        slivi__posterior_standardise(q, 1, c, q->contexts + i * q->k);
    if (q->k)
        slivi__posterior_give(q, draw, IN_CONTEXT, q->contexts, run.n * q->k);
    for (size_t done = 0; done < components && !status; done += run.n) {
        status = make_components(q, values, &run);
        if (!status)
            status = join_components(q, n, w, log_q, score);
        run.row += run.n;
    }
    return status;
}

int slivi__posterior_density(slivi_posterior *q, const void *values,
                             const slivi__draws *x, int own, size_t components,
                             const slivi_run *run, double *log_q, double *score)
{
    const size_t d = q->d, n = x->n;
    slivi_run others = *run;
    int status = 0;
    for (size_t i = 0; i < n; i++)
        log_q[i] = own ? own_density(x, d, i) : -INFINITY;
    for (size_t j = 0; j < n * d && score; j++) /* of N(mu, s^2): -u/s */
        score[j] = own ? -x->u[j] * exp(-x->log_s[j]) : 0;
    if (q->family->is_gaussian)
        components = 0;
    /* as many as the graph takes, or a multiple */
    components = (components + q->components - 1) / q->components
                 * q->components;
    if (components && !q->k)
        status = join_all(q, values, n, x->w, NULL, components, others, log_q,
                          score);
    for (size_t i = 0; i < n && components && q->k && !status; i++) {
        status = join_all(q, values, 1, x->w + i * d, x->c + i * q->k,
                          components, others, log_q + i,
                          score ? score + i * d : NULL);
        others.row += components;
    }
    for (size_t i = 0; i < n; i++)
        log_q[i] -= log((double)components + (own != 0))
                    + 0.5 * (double)d * LOG_2PI;
    return status;
}
