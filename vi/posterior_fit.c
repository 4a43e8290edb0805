/* posterior_fit.c - fitting: whitening, looks at the bound, the loop.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "gaussian.h"
#include "laplace.h"
#include "posterior_inside.h"
#include "target_inside.h"

#include <math.h>
#include <string.h>

/* A fit with its data. */
typedef struct fit {
    slivi_posterior *q;
    const double *contexts;
    size_t rows;
    double norm;
    slivi_posterior_progress at;
} fit;

/* ---- whitening ----------------------------------------------------------- */

enum {
    PROBES = 4,
    STARTS = 16,
    CLIMB = 500,
    ROUNDS = 100,
    CONTEXTS_OF_FIT = 32
};

/* What the Gaussian is fitted to: the target to the power with which training
   begins; of an amortised one the mean over some contexts. */
typedef struct wide {
    const fit *f;
    double beta;
    double *c, *lp, *grad;
} wide;

static int add_context(const wide *a, size_t n, const double *z,
                       const double *context, double part, double *lp,
                       double *grad)
{
    slivi_posterior *q = a->f->q;
    for (size_t i = 0; i < n && q->k; i++)
        memcpy(a->c + i * q->k, context, q->k * sizeof *context);
    int status = slivi__target_try(q->target, n, z, q->k ? a->c : NULL, a->lp,
                                   a->grad);
    for (size_t i = 0; i < n && !status; i++)
        lp[i] += part * a->lp[i];
    for (size_t j = 0; j < n * q->d && !status; j++)
        grad[j] += part * a->grad[j];
    return status;
}

/* Draws where the density is zero, or not to be had, count as the least likely
   of the others: a Gaussian reaches beyond any bound. */
static void lift(size_t n, size_t d, double *lp, double *grad)
{
    double least = INFINITY;
    for (size_t i = 0; i < n; i++)
        if (isfinite(lp[i]))
            least = fmin(least, lp[i]);
    for (size_t i = 0; i < n && least < INFINITY; i++)
        if (!isfinite(lp[i])) {
            lp[i] = least;
            memset(grad + i * d, 0, d * sizeof *grad);
        }
}

static int wide_density(size_t n, size_t d, const double *z, double *lp,
                        double *grad, void *ctx)
{
    const wide *a = ctx;
    const size_t k = a->f->q->k;
    const size_t count = !k                             ? 1
                         : a->f->rows < CONTEXTS_OF_FIT ? a->f->rows
                                                        : CONTEXTS_OF_FIT;
    int status = 0;
    memset(lp, 0, n * sizeof *lp);
    memset(grad, 0, n * d * sizeof *grad);
    for (size_t i = 0; i < count && !status; i++) {
        const size_t row = k ? i * (a->f->rows / count) : 0;
        status = add_context(a, n, z, k ? a->f->contexts + row * k : NULL,
                             a->beta / (double)count, lp, grad);
    }
    if (!status)
        lift(n, d, lp, grad);
    return status;
}

/* m and L from a covariance. */
static int take_moments(slivi_posterior *q, const double *mean, double *cov)
{
    const size_t d = q->d;
    if (!strcmp(q->opt.whiten, "diagonal"))
        for (size_t i = 0; i < d; i++)
            for (size_t j = 0; j < d; j++)
                cov[i * d + j] *= i == j;
    int status = slivi__cholesky(d, cov);
    if (status)
        return slivi__fail_in(status, "posterior: whitening");
    memcpy(q->mean, mean, d * sizeof *mean);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            q->chol[i * d + j] = j <= i ? cov[i * d + j] : 0;
    return 0;
}

/* Where the search for a mode begins: 0, or if there is no density the likeliest
   of draws that lie wider and wider about it.  room: 2 d + 1 for each draw. */
static int find_start(wide *a, double *room, double *x)
{
    static const double scales[] = {0, 1, 10, 100, 1000};
    const size_t d = a->f->q->d;
    double *z = room, *lp = z + STARTS * d, *grad = lp + STARTS;
    for (size_t t = 0; t < sizeof scales / sizeof *scales; t++) {
        const slivi_address at = {.seed = a->f->q->opt.seed,
                                  .stream = SLIVI__POSTERIOR_PROBES,
                                  .step = t + 1};
        const size_t n = t ? STARTS : 1;
        size_t best = 0;
        slivi_draw(slivi_law_normal, &at, n, d, z);
        for (size_t j = 0; j < n * d; j++)
            z[j] *= scales[t];
        int status = wide_density(n, d, z, lp, grad, a);
        if (status)
            return status;
        for (size_t i = 1; i < n; i++)
            if (lp[i] > lp[best])
                best = i;
        if (isfinite(lp[best])) {
            memcpy(x, z + best * d, d * sizeof *x);
            return 0;
        }
    }
    return 0; /* the climb will say what is wrong at 0 */
}

/* A Gaussian fitted from N(0, I), or from a mode and the curvature there:
   whichever has the higher bound. */
static int fit_gaussian(fit *f, slivi__gaussian *w, wide *a)
{
    slivi_posterior *q = f->q;
    const size_t d = q->d, size = d + d * d;
    double bound[2], *mean[2], *cov[2];
    double *room = slivi__alloc(2 * size + STARTS * (2 * d + 1), sizeof *room);
    if (!room)
        return slivi__status();
    for (size_t k = 0; k < 2; k++) {
        mean[k] = room + k * size;
        cov[k] = mean[k] + d;
    }
    for (size_t i = 0; i < d; i++)
        cov[0][i * d + i] = 1;
    int status = find_start(a, room + 2 * size, mean[1]);
    if (!status)
        status = slivi__laplace(d, wide_density, a, CLIMB, mean[1], cov[1]);
    if (status == SLIVI_EINVAL && *slivi_target_refusal(q->target))
        slivi__fail(status,
                    "posterior: at 0, where the search for a mode "
                    "begins: %s",
                    slivi_target_refusal(q->target));
    if (!status)
        status = slivi__blas_enter();
    if (!status) {
        for (size_t k = 0; k < 2 && !status; k++)
            status = slivi__gaussian_fit(w, wide_density, a, ROUNDS,
                                         q->opt.seed, k, mean[k], cov[k],
                                         &bound[k]);
        slivi__blas_leave();
    }
    if (!status && !(bound[0] > -INFINITY || bound[1] > -INFINITY))
        status = slivi__fail(SLIVI_EINVAL,
                             "posterior: the target's density is zero at all "
                             "draws of a Gaussian about its mode");
    if (!status) {
        const size_t k = bound[1] > bound[0];
        status = take_moments(q, mean[k], cov[k]);
    }
    slivi__free(room);
    return status;
}

/* Units of contexts: their means and sds, or 1 where they do not vary. */
static void scale_contexts(const fit *f)
{
    slivi_posterior *q = f->q;
    const double n = (double)f->rows;
    for (size_t j = 0; j < q->k; j++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < f->rows; i++)
            mean += f->contexts[i * q->k + j] / n;
        for (size_t i = 0; i < f->rows; i++) {
            const double a = f->contexts[i * q->k + j] - mean;
            square += a * a / n;
        }
        q->context_mean[j] = mean;
        q->context_sd[j] = square > 0 ? sqrt(square) : 1;
    }
}

static int probe_gradient(const fit *f, size_t i)
{
    const slivi_posterior *q = f->q;
    return slivi_target_check_gradient(
        q->target, 1, q->work + i * q->d,
        q->k ? f->contexts + i % f->rows * q->k : NULL, NULL);
}

/* Is the gradient that of the log density?  Looked at where both are finite;
   kinks may be met at some of the points, not at most. */
static int check_gradient(const fit *f)
{
    slivi_posterior *q = f->q;
    const slivi_address at = {.seed = q->opt.seed,
                              .stream = SLIVI__POSTERIOR_PROBES};
    size_t seen = 0, wrong = 0, last = 0;
    if (strcmp(q->opt.check_gradient, "yes"))
        return 0;
    slivi_draw(slivi_law_normal, &at, PROBES, q->d, q->work);
    for (size_t i = 0; i < PROBES; i++) {
        const int status = probe_gradient(f, i);
        if (status && status != SLIVI_EINVAL && status != SLIVI_ENONFINITE)
            return status;
        seen += status != SLIVI_ENONFINITE;
        wrong += status == SLIVI_EINVAL;
        last = status == SLIVI_EINVAL ? i : last;
    }
    if (2 * wrong <= seen)
        return 0;
    return slivi__fail_in(probe_gradient(f, last), "posterior"); /* its words */
}

static int whiten(fit *f)
{
    slivi_posterior *q = f->q;
    const size_t d = q->d, n = 4 * d < 64 ? 64 : 4 * d;
    wide a = {.f = f, .beta = slivi__posterior_beta(q, 0)};
    if (!strcmp(q->opt.whiten, "none"))
        return 0;
    slivi__gaussian *w = slivi__gaussian_create(d, n);
    a.c = slivi__alloc(n * (q->k + 1 + d), sizeof *a.c);
    a.lp = a.c + n * q->k;
    a.grad = a.lp + n;
    int status = w && a.c ? slivi_target_part(q->target, SIZE_MAX)
                          : slivi__status();
    if (!status)
        status = fit_gaussian(f, w, &a);
    slivi__gaussian_free(w);
    slivi__free(a.c);
    return status;
}

/* ---- looks --------------------------------------------------------------- */

static int has_density(const slivi_posterior *q)
{
    return q->family->is_gaussian || q->family->is_mixture;
}

/* Components that show q's density in a look; fewer favour wide ones. */
enum { COMPONENTS = 16384 };

/* Adds log p - log q of a run's draws to sum and squares. */
static int look_at(fit *f, slivi_run run, double *sum, double *squares)
{
    slivi_posterior *q = f->q;
    const void *values = slivi_learner_average(q->learner);
    slivi_run others = slivi__posterior_run(q, 0, SLIVI__FOR_CHECK_OTHERS, 0);
    const size_t components = q->k || q->opt.mixture > COMPONENTS
                                  ? q->opt.mixture
                                  : COMPONENTS;
    slivi__posterior_contexts(q, f->contexts, f->rows, &run, q->now.c);
    int status = slivi__posterior_draws(q, values, &run, &q->now);
    if (!status)
        status = slivi__posterior_place(q, run.n, q->now.w, q->z);
    if (!status)
        status = slivi_target_eval(q->target, run.n, q->z,
                                   q->k ? q->now.c : NULL, q->lp, NULL);
    others.row = q->k ? run.row * components : 0;
    if (!status)
        status = slivi__posterior_density(q, values, &q->now, 1, components,
                                          &others, q->log_q, NULL);
    for (size_t i = 0; i < run.n && !status; i++) {
        const double x = q->lp[i] - q->log_q[i];
        *sum += x;
        *squares += x * x;
    }
    return status;
}

/* The same draws at every look, so that looks can be compared. */
static int look_at_bound(fit *f)
{
    slivi_posterior *q = f->q;
    const double n = (double)q->opt.bound_draws;
    double sum = 0, squares = 0, volume = 0;
    int status = slivi_target_part(q->target, SIZE_MAX);
    slivi_run run = slivi__posterior_run(q, 0, SLIVI__FOR_CHECK, 0);
    for (; run.row < q->opt.bound_draws && !status; run.row += run.n) {
        const size_t left = q->opt.bound_draws - run.row;
        run.n = left < q->rows ? left : q->rows;
        status = look_at(f, run, &sum, &squares);
    }
    for (size_t i = 0; i < q->d; i++)
        volume += log(q->chol[i * q->d + i]);
    f->at.bound = sum / n + volume;
    f->at.bound_se = sqrt(fmax(squares / n - sum / n * (sum / n), 0) / (n - 1));
    return status;
}

/* The latest parameters whose bound is not lower than the highest so far by more
   than two standard errors: later ones have been learnt at lower rates. */
static void keep_best(fit *f)
{
    slivi_posterior *q = f->q;
    const size_t bytes = slivi_params_size(q->params)
                         * (q->precision == SLIVI_F32 ? sizeof(float)
                                                      : sizeof(double));
    const double se = f->at.bound_se;
    if (slivi__posterior_beta(q, f->at.step) < 1 || !isfinite(f->at.bound))
        return; /* not yet at the target, or nowhere */
    if (q->family->is_mixture && q->d > SLIVI__FEW)
        return; /* the bound is one of the mixture's reach, not of q */
    q->since_best++;
    if (!q->has_best || f->at.bound > q->best_bound) {
        q->best_bound = f->at.bound;
        q->best_se = se;
        q->since_best = 0;
    } else if (f->at.bound
               < q->best_bound - 2 * sqrt(se * se + q->best_se * q->best_se)) {
        return;
    }
    memcpy(q->best, slivi_learner_average(q->learner), bytes);
    q->best_step = f->at.step;
    q->has_best = 1;
}

/* ---- how many score steps ------------------------------------------------ */

/* Steps tried, and the gains per dimension of an objective whose minimum is
   about -d/2 above which score steps are doubled, below which halved. */
enum { TRIED = 25, MOST = 8 };
static const double much = 0.005, little = 0.001;

static int loss_at(fit *f, double *loss)
{
    slivi_posterior *q = f->q;
    const size_t t = f->at.step;
    const slivi_run run = slivi__posterior_run(q, slivi__posterior_batch(q, t),
                                               SLIVI__FOR_GAIN, t);
    slivi__posterior_contexts(q, f->contexts, f->rows, &run, q->now.c);
    int status = slivi__posterior_draws(q, NULL, &run, &q->now);
    return status ? status : q->source->loss(q, loss);
}

/* What some more steps gain on held-out draws of one and the same q. */
static int compare_score_steps(fit *f)
{
    slivi_posterior *q = f->q;
    const uint64_t first = (uint64_t)f->at.step * SLIVI__MOST_SCORE_STEPS
                           + SLIVI__MOST_SCORE_STEPS / 2;
    double before, after, gain;
    int status = loss_at(f, &before);
    if (!status)
        status = slivi__posterior_teach(q, f->contexts, f->rows, first, TRIED);
    if (!status)
        status = loss_at(f, &after);
    if (status)
        return status;
    gain = (before - after) / (double)q->d;
    if (gain > much && q->score_steps < MOST)
        q->score_steps *= 2;
    else if (gain < little && q->score_steps > 1)
        q->score_steps /= 2;
    return 0;
}

static int adapts(const slivi_posterior *q)
{
    return !q->opt.score_steps && slivi__posterior_learns(q);
}

/* ---- the loop ------------------------------------------------------------ */

/* What the posterior itself knows of its progress. */
static void describe(fit *f)
{
    const slivi_posterior *q = f->q;
    f->at.best = q->has_best ? q->best_bound : NAN;
    f->at.best_step = q->best_step;
    f->at.norm = f->norm;
    f->at.gap = q->gap;
    f->at.score_steps = slivi__posterior_learns(q) ? q->score_steps : 0;
    f->at.refused = q->refused;
    f->at.draws = slivi__posterior_batch(q, f->at.step);
}

static int look(fit *f)
{
    slivi_posterior *q = f->q;
    int status = has_density(q) ? look_at_bound(f) : 0;
    if (!status && has_density(q))
        keep_best(f);
    if (!status && adapts(q))
        status = compare_score_steps(f);
    describe(f);
    return status;
}

static int start(fit *f)
{
    slivi_posterior *q = f->q;
    int status = slivi__posterior_ready(q);
    if (!status && q->k && (!f->contexts || !f->rows))
        status = slivi__fail(SLIVI_EINVAL,
                             "posterior: an amortised target needs contexts");
    if (!status && !q->learning.steps)
        status = slivi__fail(SLIVI_EINVAL,
                             "posterior: option steps is 0: nothing to do");
    if (status || q->whitened)
        return status;
    scale_contexts(f);
    status = check_gradient(f);
    if (!status)
        status = whiten(f);
    if (!status && slivi__posterior_learns(q))
        status = slivi__posterior_teach(
            q, f->contexts, f->rows, (uint64_t)1 << 42, q->source->head_start);
    q->whitened = !status;
    return status;
}

/* Why a fit ends, or 0. */
static int ends(const fit *f, slivi_posterior_report *report, void *ctx)
{
    const slivi_posterior *q = f->q;
    slivi_posterior_progress now = f->at;
    int wish;
    now.stopped = now.step >= now.steps                                 ? 1
                  : q->opt.patience && q->since_best >= q->opt.patience ? 2
                                                                        : 0;
    wish = report ? report(&now, ctx) : 0;
    return now.stopped ? now.stopped : wish ? 3 : 0;
}

static int run_fit(fit *f, slivi_posterior_report *report, void *ctx)
{
    slivi_posterior *q = f->q;
    int status = start(f);
    if (status)
        return status;
    f->at.steps = q->learning.steps;
    f->at.step = slivi_learner_steps(q->learner);
    f->at.stopped = f->at.step >= f->at.steps;
    describe(f);
    while (!status && !f->at.stopped) {
        status = slivi__posterior_step(q, f->contexts, f->rows, &f->norm);
        if (status)
            return slivi__fail_in(status, "posterior: step %zu", f->at.step);
        f->at.step++;
        if (f->at.step % q->opt.check && f->at.step < f->at.steps)
            continue;
        status = look(f);
        if (!status)
            f->at.stopped = ends(f, report, ctx);
    }
    return status;
}

int slivi_posterior_fit(slivi_posterior *q, const double *contexts, size_t rows,
                        slivi_posterior_report *report, void *ctx,
                        slivi_posterior_progress *final)
{
    fit f = {.q = q,
             .contexts = contexts,
             .rows = rows,
             .norm = NAN,
             .at = {.bound = NAN, .bound_se = NAN, .best = NAN}};
    slivi__mode mode;
    slivi__mode_enter(&mode);
    int status = run_fit(&f, report, ctx);
    if (q->ready)
        slivi_target_part(q->target, SIZE_MAX);
    slivi__mode_leave(&mode);
    if (final)
        *final = f.at;
    return status;
}
