/* score_train.c - estimators with a net: moments of the base, steps, and
   fitting to convergence.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/estimator.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- moments of the marginal Gaussian base ------------------------------ */

/* Moving moments remember so many samples: enough for an inverse covariance
   (50 d), and some batches, so that the base does not follow their noise. */
enum { MEMORY_DIMS = 50, MEMORY_BATCHES = 20 };

static void mean_of(const double *z, size_t n, size_t d, double *mean)
{
    memset(mean, 0, d * sizeof *mean);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++)
            mean[j] += z[i * d + j] / (double)n;
}

/* Pooled moments of the present ones (of weight w) and the samples':
   cov <- (w cov + n cov_z + w n / (w + n) delta delta') / (w + n) */
int slivi__score_moments(slivi_score *s, const double *z, size_t n, int keep)
{
    const size_t d = s->dim;
    double *delta = s->factor; /* scratch of at least d */
    double cap = fmax((double)(MEMORY_DIMS * d), (double)(MEMORY_BATCHES * n));
    double w = keep ? fmin(s->weight, cap) : 0, all = w + (double)n;
    mean_of(z, n, d, delta);
    for (size_t j = 0; j < d; j++) {
        delta[j] = w > 0 ? delta[j] - s->mean[j] : delta[j];
        s->mean[j] = w > 0 ? s->mean[j] + delta[j] * (double)n / all : delta[j];
    }
    for (size_t j = 0; j < d; j++)
        for (size_t k = 0; k < d; k++)
            s->cov[j * d + k] = w > 0 ? s->cov[j * d + k] * w / all : 0;
    /* about the new mean: cov_z's and the old mean's shares together */
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++) {
            double a = z[i * d + j] - s->mean[j];
            for (size_t k = 0; k <= j; k++)
                s->cov[j * d + k] += a * (z[i * d + k] - s->mean[k]) / all;
        }
    for (size_t j = 0; j < d; j++)
        for (size_t k = 0; k <= j; k++) {
            double back = w / all * ((double)n / all) * ((double)n / all);
            s->cov[j * d + k] += back * delta[j] * delta[k];
            s->cov[k * d + j] = s->cov[j * d + k];
        }
    s->weight = all;
    return slivi__score_whiten(s);
}

/* Covariance shrunk to its diagonal by d / (d + samples), so that it can be
   inverted from the first sample on; a column that does not vary counts as
   sd 1e-13 of its mean, or 1. */
static void shrink(const slivi_score *s, double *cov)
{
    const size_t d = s->dim;
    const double kept = s->weight / ((double)d + s->weight);
    for (size_t j = 0; j < d; j++)
        for (size_t k = 0; k < d; k++)
            cov[j * d + k] = s->cov[j * d + k] * (j == k ? 1 : kept);
    for (size_t j = 0; j < d; j++) {
        double least = 1e-26 * s->mean[j] * s->mean[j];
        double *v = &cov[j * d + j];
        *v = *v > least ? *v : least > 0 ? least : 1;
    }
}

/* A = L'^-1, so that u = (z - m) A has covariance A' cov A = I. */
int slivi__score_whiten(slivi_score *s)
{
    const size_t d = s->dim;
    double *l = s->factor;
    shrink(s, l);
    int status = slivi__cholesky(d, l);
    if (status)
        return slivi__fail_in(status, "score: covariance of the samples");
    double *a = s->inverse;
    memset(a, 0, d * d * sizeof *a);
    for (size_t i = 0; i < d; i++)
        a[i * d + i] = 1;
    slivi__trisolve(1, d, d, l, a); /* L' A = I */
    slivi__score_load(s, s->whiten_memory, a, d * d);
    return 0;
}

static void keep_moments(slivi_score *s)
{
    const size_t d = s->dim;
    memcpy(s->saved, s->mean, d * sizeof *s->mean);
    memcpy(s->saved + d, s->cov, d * d * sizeof *s->cov);
    s->saved[d + d * d] = s->weight;
}

static void restore_moments(slivi_score *s)
{
    const size_t d = s->dim;
    memcpy(s->mean, s->saved, d * sizeof *s->mean);
    memcpy(s->cov, s->saved + d, d * d * sizeof *s->cov);
    s->weight = s->saved[d + d * d];
    (void)slivi__score_whiten(s); /* it could be done before */
}

/* ---- one step --------------------------------------------------------- */

static double first_entry(const slivi_score *s, const void *x)
{
    double y;
    slivi__score_store(s, &y, x, 1);
    return y;
}

/* Runs a loss plan on n samples that fit its room; the chunks add up. */
static int run_loss(const slivi_score *s, slivi__score_plan *p, const double *z,
                    const double *ctx, slivi_run run, double *loss)
{
    int status = 0;
    slivi__score_load_samples(s, p->z_memory, z, run.n);
    slivi__score_bind(s, p);
    if (s->context)
        slivi__score_load(s, p->context_memory, ctx, run.n * s->context);
    for (size_t c = 0; c < p->chunks && !status; c++) {
        run.chunk = c;
        run.accumulate = c > 0;
        status = slivi_workspace_run(p->ws, &run);
    }
    *loss = status ? 0 : first_entry(s, p->out_memory);
    return status;
}

int slivi__score_step(slivi_score *s, const double *z, const double *ctx,
                      size_t n, double *loss)
{
    double value;
    slivi_run run = {
        .n = n, .seed = s->opt.seed, .step = slivi_learner_steps(s->learner)};
    int status = slivi__score_plan_room(s, &s->train, n,
                                        slivi_learner_gradient(s->learner));
    if (!status)
        status = run_loss(s, &s->train, z, ctx, run, &value);
    if (!status && !isfinite(value))
        status = slivi__fail(SLIVI_ENONFINITE,
                             "score: the loss is %s (step "
                             "%zu)",
                             slivi__nonfinite(value),
                             slivi_learner_steps(s->learner));
    if (!status)
        status = slivi_learner_step(s->learner, NULL);
    if (!status && loss)
        *loss = value;
    return status;
}

int slivi__score_net_update(slivi_score *s, const double *z, const double *ctx,
                            size_t n, double *loss)
{
    const int first = !s->ready;
    int status = slivi__score_check(s, z, ctx, n);
    if (!status)
        status = slivi__score_ready(s);
    if (status)
        return status;
    int moving = slivi__score_has_moments(s);
    if (moving) {
        keep_moments(s);
        status = slivi__score_moments(s, z, n, 1);
    }
    if (!status)
        status = slivi__score_step(s, z, ctx, n, loss);
    if (status && first)
        slivi__score_unready(s); /* as before: options may still be set */
    else if (status && moving)
        restore_moments(s);
    s->trained |= !status;
    return status;
}

/* ---- held-out objective ------------------------------------------------ */

int slivi__score_net_loss(slivi_score *s, const double *z, const double *ctx,
                          size_t n, double *loss)
{
    int status = slivi__score_check(s, z, ctx, n);
    size_t block = n < SLIVI__SCORE_BLOCK ? n : SLIVI__SCORE_BLOCK;
    double sum = 0, part;
    if (!status)
        status = slivi__score_ready(s);
    if (!status)
        status = slivi__score_plan_room(s, &s->loss, block, NULL);
    for (size_t i = 0; i < n && !status; i += block) {
        block = n - i < block ? n - i : block;
        /* step 2^48 - 1 is never trained on: fixed slices of their own */
        slivi_run run = {.n = block,
                         .seed = s->opt.seed,
                         .row = i,
                         .step = ((uint64_t)1 << 48) - 1};
        status = run_loss(s, &s->loss, z + i * s->dim,
                          ctx ? ctx + i * s->context : NULL, run, &part);
        sum += part * (double)block;
    }
    if (!status)
        *loss = sum / (double)n;
    return status;
}

/* ---- fitting ---------------------------------------------------------- */

enum { STREAM_SPLIT = 3, STREAM_ORDER = 4 };

typedef struct fit {
    slivi_score *s;
    size_t train, held;
    double *z, *ctx; /* shuffled: train rows, then held-out ones */
    uint32_t *order; /* of the training rows in this epoch */
    uint64_t epoch;
    double *batch_z, *batch_ctx;
    slivi_checkpoint *best; /* of the learner */
    slivi_score_progress at;
} fit;

static void fit_clear(fit *f)
{
    slivi__free(f->z);
    slivi__free(f->ctx);
    slivi__free(f->order);
    slivi__free(f->batch_z);
    slivi__free(f->batch_ctx);
    slivi_checkpoint_free(f->best);
}

static void gather(double *to, const double *from, size_t cols,
                   const uint32_t *rows, size_t n)
{
    for (size_t i = 0; i < n && cols; i++)
        memcpy(to + i * cols, from + rows[i] * cols, cols * sizeof *to);
}

/* The held-out objective's units: standard deviations of the training samples,
   whatever the context. */
static void pooled_scale(fit *f)
{
    const slivi_score *s = f->s;
    for (size_t j = 0; j < s->dim; j++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < f->train; i++)
            mean += f->z[i * s->dim + j] / (double)f->train;
        for (size_t i = 0; i < f->train; i++) {
            double a = f->z[i * s->dim + j] - mean;
            square += a * a / (double)f->train;
        }
        double sd = square > 0 ? sqrt(square) : 1;
        slivi__score_load(s, (char *)s->scale_memory + j * s->entry, &sd, 1);
    }
}

static int fit_start(fit *f, slivi_score *s, const double *z, const double *ctx,
                     size_t n)
{
    size_t d = s->dim, c = s->context, batch = s->opt.batch;
    slivi_address at = {.seed = s->opt.seed, .stream = STREAM_SPLIT};
    f->s = s;
    f->held = (size_t)fmax(1, floor(s->opt.held_out * (double)n));
    f->train = n - f->held;
    f->z = slivi__alloc(n * d, sizeof *z);
    f->ctx = slivi__alloc(n * c, sizeof *ctx);
    f->order = slivi__alloc(n, sizeof *f->order);
    f->batch_z = slivi__alloc(batch * d, sizeof *z);
    f->batch_ctx = slivi__alloc(batch * c, sizeof *ctx);
    if (!f->z || !f->ctx || !f->order || !f->batch_z || !f->batch_ctx)
        return slivi__status();
    slivi_permutation(&at, n, f->order);
    gather(f->z, z, d, f->order, n);
    gather(f->ctx, ctx, c, f->order, n);
    f->at.best = INFINITY;
    slivi_learner_restart(s->learner);
    pooled_scale(f);
    return slivi__score_has_moments(s)
               ? slivi__score_moments(s, f->z, f->train, 0)
               : 0;
}

/* Batch number t of the endless shuffled stream. */
static size_t next_batch(fit *f, size_t t)
{
    const slivi_score *s = f->s;
    size_t size = s->opt.batch < f->train ? s->opt.batch : f->train;
    size_t each = f->train / size, at = t % each;
    uint64_t epoch = t / each + 1;
    if (epoch != f->epoch) {
        slivi_address a = {
            .seed = s->opt.seed, .stream = STREAM_ORDER, .step = epoch};
        slivi_permutation(&a, f->train, f->order);
        f->epoch = epoch;
    }
    gather(f->batch_z, f->z, s->dim, f->order + at * size, size);
    gather(f->batch_ctx, f->ctx, s->context, f->order + at * size, size);
    return size;
}

static int keep_best(fit *f)
{
    slivi_checkpoint *c = slivi_checkpoint_create();
    int status = c ? slivi_learner_save(f->s->learner, c, "best")
                   : slivi__status();
    if (status) {
        slivi_checkpoint_free(c);
        return status;
    }
    slivi_checkpoint_free(f->best);
    f->best = c;
    f->at.best = f->at.held_out;
    f->at.best_step = f->at.step;
    return 0;
}

static int check_held_out(fit *f)
{
    const slivi_score *s = f->s;
    const double *ctx = s->context ? f->ctx + f->train * s->context : NULL;
    int status = slivi__score_net_loss(f->s, f->z + f->train * s->dim, ctx,
                                       f->held, &f->at.held_out);
    if (!status && !isfinite(f->at.held_out))
        status = slivi__fail(SLIVI_ENONFINITE,
                             "score: the held-out objective is %s (step %zu)",
                             slivi__nonfinite(f->at.held_out), f->at.step);
    if (!status && f->at.held_out < f->at.best)
        status = keep_best(f);
    return status;
}

static int fit_run(fit *f, slivi_score_report *report, void *report_ctx)
{
    const slivi_score *s = f->s;
    size_t most = s->learning.steps ? s->learning.steps : 20000;
    int status = check_held_out(f), stop = 0;
    while (!status && !stop && f->at.step < most) {
        size_t n = next_batch(f, f->at.step);
        status = slivi__score_step(f->s, f->batch_z, f->batch_ctx, n, NULL);
        if (status)
            break;
        f->at.step++;
        if (f->at.step % s->opt.check && f->at.step != most)
            continue;
        status = check_held_out(f);
        stop = f->at.step - f->at.best_step >= s->opt.check * s->opt.patience;
        f->at.stopped = stop || f->at.step == most;
        if (!status && report)
            stop |= report(&f->at, report_ctx) != 0;
    }
    return status;
}

int slivi__score_net_fit(slivi_score *s, const double *z, const double *ctx,
                         size_t n, slivi_score_report *report, void *report_ctx,
                         slivi_score_progress *final)
{
    const int first = !s->ready;
    fit f = {0};
    if (final)
        *final = f.at;
    int status = slivi__score_check(s, z, ctx, n);
    if (!status && (n < 4 || n > UINT32_MAX))
        status = slivi__fail(SLIVI_EINVAL,
                             "score: fit needs 4 to 2^32 - 1 "
                             "samples, not %zu",
                             n);
    if (!status)
        status = slivi__score_ready(s);
    if (status)
        return status;
    if (slivi__score_has_moments(s))
        keep_moments(s);
    status = fit_start(&f, s, z, ctx, n);
    if (!status)
        status = fit_run(&f, report, report_ctx);
    if (f.best) { /* after a failure, too: the last good state */
        int back = slivi_learner_load(s->learner, f.best, "best");
        status = status ? status : back;
    } else if (first) {
        slivi__score_unready(s); /* as before: options may still be set */
    } else if (slivi__score_has_moments(s)) {
        restore_moments(s);
    }
    if (!status)
        s->trained = 1;
    if (final)
        *final = f.at;
    fit_clear(&f);
    return status;
}
