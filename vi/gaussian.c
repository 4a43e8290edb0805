/* gaussian.c - see gaussian.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "gaussian.h"

#include "base/base.h"

#include <math.h>
#include <string.h>

#define LOG_2PI 1.83787706640934548356

enum { STREAM = 0x67617573 }; /* of its own */

/* Slopes are found from n draws in d dimensions as if d of them had shown none:
   E[u r'] is divided by E[u u'] + d/n. */
static const double ridge = 1;

/* No round may widen a direction by more than 1 / sqrt(this), or move the mean
   by more than sqrt(d) of its standard deviations. */
static const double narrowest = 0.3;

/* After a round that lost, the step is cut to this; after one that gained it
   doubles. */
static const double cut = 0.25;

/* A round has lost when its bound, which is an estimate, is lower by this. */
static const double slack = 0.3;

/* Steps that gain less than this are taken on trust when no round is left. */
static const double settling = 1;

/* The Gaussian that is being improved, and what was found at its draws, in
   coordinates u = L^-1 (z - m). */
typedef struct state {
    double *mean;   /* d */
    double *chol;   /* d x d, L */
    double *push;   /* d, E[gradient of log p] */
    double *slopes; /* d x d, E[gradient u'] made symmetric, plus I */
    double bound;
} state;

struct slivi__gaussian {
    size_t d, n;
    double *memory;    /* of all that follows */
    state now, next;   /* the best so far, what is tried */
    double *u, *z, *g; /* n x d; g becomes the residual r = gradient + u */
    double *lp;        /* n */
    double *a, *b;     /* d x d, scratch */
    double *s;         /* d, scratch */
};

slivi__gaussian *slivi__gaussian_create(size_t d, size_t n)
{
    slivi__gaussian *w = slivi__alloc(1, sizeof *w);
    const size_t one = 2 * d * (d + 1);

    if (w == NULL)
        return NULL;
    w->d = d;
    w->n = n;
    w->memory = slivi__alloc(2 * one + 3 * n * d + n + 2 * d * d + d,
                             sizeof *w->memory);
    if (w->memory == NULL) {
        slivi__gaussian_free(w);
        return NULL;
    }
    w->now = (state){.mean = w->memory,
                     .chol = w->memory + d,
                     .push = w->memory + d + d * d,
                     .slopes = w->memory + 2 * d + d * d};
    w->next = (state){.mean = w->now.mean + one,
                      .chol = w->now.chol + one,
                      .push = w->now.push + one,
                      .slopes = w->now.slopes + one};
    w->u = w->memory + 2 * one;
    w->z = w->u + n * d;
    w->g = w->z + n * d;
    w->lp = w->g + n * d;
    w->a = w->lp + n;
    w->b = w->a + d * d;
    w->s = w->b + d * d;
    return w;
}

void slivi__gaussian_free(slivi__gaussian *w)
{
    if (w == NULL)
        return;
    slivi__free(w->memory);
    slivi__free(w);
}

size_t slivi__gaussian_draws(const slivi__gaussian *w)
{
    return w->n;
}

/* z = m + L u, with u in pairs u, -u. */
static void draw(slivi__gaussian *w, const state *q, const slivi_address *at)
{
    const size_t d = w->d, half = w->n / 2 * d;

    slivi_draw(slivi_law_normal, at, w->n / 2, d, w->u);
    for (size_t i = 0; i < half; i++)
        w->u[half + i] = -w->u[i];
    for (size_t r = 0; r < w->n; r++)
        for (size_t i = 0; i < d; i++) {
            double sum = q->mean[i];

            for (size_t j = 0; j <= i; j++)
                sum += q->chol[i * d + j] * w->u[r * d + j];
            w->z[r * d + i] = sum;
        }
}

/* E[log p - log q]: of exact Gaussians each draw gives the same. */
static double bound_of(const slivi__gaussian *w, const state *q)
{
    const size_t d = w->d;
    double sum = 0;

    for (size_t r = 0; r < w->n; r++) {
        double square = 0;

        for (size_t i = 0; i < d; i++)
            square += w->u[r * d + i] * w->u[r * d + i];
        sum += (w->lp[r] + 0.5 * square) / (double)w->n;
    }
    for (size_t i = 0; i < d; i++)
        sum += log(q->chol[i * d + i]) + 0.5 * LOG_2PI;
    return isfinite(sum) ? sum : -INFINITY;
}

/* push and slopes.  r = L' gradient + u would vanish if p were q, and least
   squares of r on u (with a ridge) has little noise when it nearly is. */
static int regress(slivi__gaussian *w, state *q)
{
    const size_t d = w->d, n = w->n;
    int status;

    memset(q->push, 0, d * sizeof *q->push);
    for (size_t r = 0; r < n; r++) {
        double *g = w->g + r * d;

        for (size_t j = 0; j < d; j++) {
            double sum = 0;

            for (size_t i = j; i < d; i++)
                sum += q->chol[i * d + j] * g[i];
            q->push[j] += sum / (double)n;
            g[j] = sum + w->u[r * d + j]; /* later columns need g[i], i > j */
        }
    }
    status = slivi__dgemm(NULL, 1, 0, d, d, n, 1, w->u, d, w->u, d, 0, w->a, d);
    for (size_t i = 0; i < d; i++)
        w->a[i * d + i] += ridge * (double)d;
    if (status == 0)
        status = slivi__dgemm(NULL, 1, 0, d, d, n, 1, w->u, d, w->g, d, 0, w->b,
                              d);
    if (status == 0)
        status = slivi__cholesky(d, w->a);
    if (status != 0)
        return status;
    slivi__trisolve(0, d, d, w->a, w->b);
    slivi__trisolve(1, d, d, w->a, w->b);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            q->slopes[i * d + j] = 0.5 * (w->b[i * d + j] + w->b[j * d + i]);
    return 0;
}

/* a = R with R R' = I - part slopes, the precision in coordinates u; 0 when
   nothing becomes too wide. */
static int precision(slivi__gaussian *w, double part)
{
    const size_t d = w->d;
    int status;

    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            w->a[i * d + j] = (i == j) - part * w->now.slopes[i * d + j];
    status = slivi__cholesky(d, w->a);
    for (size_t i = 0; i < d && status == 0; i++)
        status = !(w->a[i * d + i] * w->a[i * d + i] >= narrowest);
    return status;
}

/* next = now, a part of the way on: covariance L (R R')^-1 L', mean
   m + L (R R')^-1 push. */
static int advance(slivi__gaussian *w, double part)
{
    const size_t d = w->d;
    double *x = w->b, square = 0, limit;
    int status;

    while (precision(w, part) != 0)
        if ((part *= 0.5) < 1e-3)
            return SLIVI_ENOTPD;
    for (size_t i = 0; i < d; i++)
        w->s[i] = part * w->now.push[i];
    slivi__trisolve(0, d, 1, w->a, w->s);
    for (size_t i = 0; i < d; i++)
        square += w->s[i] * w->s[i];
    limit = square > (double)d ? sqrt((double)d / square) : 1;
    for (size_t i = 0; i < d; i++) /* x = R^-1 L' */
        for (size_t j = 0; j < d; j++)
            x[i * d + j] = i <= j ? w->now.chol[j * d + i] : 0;
    slivi__trisolve(0, d, d, w->a, x);
    memcpy(w->next.mean, w->now.mean, d * sizeof *w->next.mean);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            w->next.mean[j] += limit * x[i * d + j] * w->s[i];
    status = slivi__dgemm(NULL, 1, 0, d, d, d, 1, x, d, x, d, 0, w->next.chol,
                          d);
    return status != 0 ? status : slivi__cholesky(d, w->next.chol);
}

static void swap(slivi__gaussian *w)
{
    const state old = w->now;

    w->now = w->next;
    w->next = old;
}

/* The bound of what is tried; 0 unless the callback fails. */
static int try(slivi__gaussian *w, slivi_log_density *log_p, void *ctx,
               const slivi_address *at)
{
    int status;

    draw(w, &w->next, at);
    status = log_p(w->n, w->d, w->z, w->lp, w->g, ctx);
    if (status == 0)
        w->next.bound = bound_of(w, &w->next);
    return status;
}

/* Round by round: w->now is the best that was tried, w->next a step further.
   Returns whether that step is small enough to be trusted untried. */
static int improve(slivi__gaussian *w, slivi_log_density *log_p, void *ctx,
                   size_t rounds, slivi_address at, int *status)
{
    double part = 1;
    int settled = 0;

    for (size_t r = 0; r < rounds; r++, at.row += w->n) {
        const double before = w->now.bound;

        *status = try(w, log_p, ctx, &at);
        if (*status != 0)
            return 0;
        settled = 0;
        if (w->next.bound > -INFINITY && w->next.bound >= before - slack
            && regress(w, &w->next) == 0) {
            swap(w);
            part = fmin(1, r > 0 ? 2 * part : part);
            settled = part >= 1 && w->now.bound < before + settling;
        } else {
            part *= cut;
        }
        if (!(w->now.bound > -INFINITY) || advance(w, part) != 0)
            return 0;
    }
    return settled;
}

int slivi__gaussian_fit(slivi__gaussian *w, slivi_log_density *log_p, void *ctx,
                        size_t rounds, uint64_t seed, uint64_t step,
                        double *mean, double *cov, double *bound)
{
    const slivi_address at = {.seed = seed, .stream = STREAM, .step = step};
    const size_t d = w->d;
    const state *best;
    int status = 0;

    memcpy(w->next.mean, mean, d * sizeof *mean);
    memcpy(w->next.chol, cov, d * d * sizeof *cov);
    w->now.bound = *bound = -INFINITY;
    if (slivi__cholesky(d, w->next.chol) != 0)
        return 0;
    best = improve(w, log_p, ctx, rounds, at, &status) ? &w->next : &w->now;
    if (status != 0 || !(w->now.bound > -INFINITY))
        return status;
    *bound = w->now.bound;
    memcpy(mean, best->mean, d * sizeof *mean);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;

            for (size_t k = 0; k <= j; k++)
                sum += best->chol[i * d + k] * best->chol[j * d + k];
            cov[i * d + j] = cov[j * d + i] = sum;
        }
    return 0;
}
