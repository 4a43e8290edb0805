/* vae_ais.c - log p(x) of images by annealed importance sampling.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/vae_ais.h"

#include "vae_inside.h"

#include <math.h>
#include <string.h>

enum {
    STREAM_NOISE = 0x76616531, /* of simulated real values */
    MEMORY = 32 << 20          /* bytes for the images of all chains */
};

/* Images that are annealed group by group. */
typedef struct annealing {
    slivi_vae *v;
    slivi__vae_plan *p;
    slivi_ais how; /* of the present group */
    slivi_ais_workspace *ws;
    size_t n, group, done;
    void *x;           /* group x chains rows: its image for each chain */
    slivi_evidence *e; /* group */
    /* of pairs, NULL else */
    slivi_evidence *upper;   /* group, backward */
    float *z, *mean, *image; /* group x latent, group x dim */
    double *start;           /* group x chains rows: z, where chains begin */
    int (*progress)(size_t done, void *ctx);
    void *ctx;
    int stopped;
} annealing;

/* ---- the likelihood ----------------------------------------------------- */

/* double to and from the vae's precision */
static void narrow(const slivi_vae *v, void *to, const double *from,
                   size_t count)
{
    if (v->precision == SLIVI_F64)
        memcpy(to, from, count * sizeof *from);
    else
        for (size_t i = 0; i < count; i++)
            ((float *)to)[i] = (float)from[i];
}

static void widen(const slivi_vae *v, double *to, const void *from,
                  size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = slivi__vae_entry(v, from, i);
}

static int report(annealing *a)
{
    if (a->progress == NULL || a->progress(a->done, a->ctx) == 0)
        return 0;
    a->stopped = 1;
    return slivi__fail(SLIVI_ECALLBACK, "stopped");
}

/* Of all chains of the group, whose images lie in a->x row by row. */
static int log_likelihood(size_t n, size_t d, const size_t *image,
                          const double *z, double *ll, double *grad, void *ctx)
{
    annealing *a = ctx;
    const slivi_vae *v = a->v;
    slivi__vae_plan *p = a->p;
    char *x = a->x;
    int status = 0;
    (void)image;
    for (size_t i = 0, rows; i < n && !status; i += rows) {
        rows = n - i < p->rows ? n - i : p->rows;
        const slivi_run run = {.n = rows};
        narrow(v, p->z_memory, z + i * d, rows * d);
        status = report(a);
        if (!status)
            status = slivi_workspace_bind(p->ws, p->x,
                                          x + i * v->dim * v->entry);
        if (!status)
            status = slivi_workspace_run(p->ws, &run);
        if (status)
            break;
        widen(v, ll + i, p->out_memory[0], rows);
        widen(v, grad + i * d, p->out_memory[1], rows * d);
    }
    return status;
}

/* ---- checks ------------------------------------------------------------- */

/* Bits are 0 or 1. */
static int check_images(const slivi_vae *v, const float *x, size_t n)
{
    const int status = slivi__vae_check(v, x, n, v->is_bernoulli);
    if (status || !v->is_bernoulli)
        return status;
    for (size_t i = 0; i < n * v->dim; i++)
        if (x[i] > 0 && x[i] < 1)
            return slivi__fail(SLIVI_EINVAL,
                               "ais: value %zu of image %zu is %g, neither 0 "
                               "nor 1",
                               i % v->dim, i / v->dim, (double)x[i]);
    return 0;
}

/* All that could fail in a later group.  *group <= n is what fits, or what was
   asked for where results depend on it. */
static int settle(const slivi_vae *v, const slivi_ais *how, size_t n,
                  size_t *group)
{
    size_t each;
    if (!*group || !how->chains)
        return slivi__fail(SLIVI_EINVAL, "ais: %s is 0",
                           *group ? "chains" : "group");
    const uint64_t most = (UINT64_C(1) << 32) / how->chains;
    if (how->first > most || n > most - how->first)
        return slivi__fail(SLIVI_EINVAL,
                           "ais: the numbers of the chains are not < 2^32");
    int status = slivi__mul(how->chains, v->dim * v->entry, &each);
    if (status)
        return status;
    const size_t fit = MEMORY > each ? MEMORY / each : 1;
    *group = *group < n ? *group : n;
    if (how->eps && *group > fit)
        *group = fit;
    return 0;
}

/* ---- a group ------------------------------------------------------------ */

static int allocate(annealing *a, int pairs)
{
    const size_t d = a->v->opt.latent, rows = a->group * a->how.chains;
    a->ws = slivi_ais_workspace_create(&a->how, a->group, d);
    if (!a->ws)
        return slivi__status();
    a->x = slivi__alloc(rows, a->v->dim * a->v->entry);
    a->e = slivi__alloc(a->group, sizeof *a->e);
    if (!a->x || !a->e)
        return SLIVI_ENOMEM;
    if (!pairs)
        return 0;
    a->upper = slivi__alloc(a->group, sizeof *a->upper);
    a->z = slivi__alloc(a->group, d * sizeof *a->z);
    a->mean = slivi__alloc(a->group, a->v->dim * sizeof *a->mean);
    a->image = slivi__alloc(a->group, a->v->dim * sizeof *a->image);
    a->start = slivi__alloc(rows, d * sizeof *a->start);
    return a->upper && a->z && a->mean && a->image && a->start ? 0
                                                               : SLIVI_ENOMEM;
}

static int open_annealing(annealing *a, int pairs)
{
    int status = slivi_vae_ready(a->v);
    if (!status)
        status = settle(a->v, &a->how, a->n, &a->group);
    if (status || !a->n)
        return status;
    a->p = slivi__vae_plan_get(a->v, SLIVI__VAE_LIKELIHOOD);
    return a->p ? allocate(a, pairs) : slivi__status();
}

static void close_annealing(annealing *a)
{
    slivi_ais_workspace_free(a->ws);
    slivi__free(a->x);
    slivi__free(a->e);
    slivi__free(a->upper);
    slivi__free(a->z);
    slivi__free(a->mean);
    slivi__free(a->image);
    slivi__free(a->start);
}

/* Every chain gets its image. */
static void seat(annealing *a, const float *x, size_t count)
{
    const size_t chains = a->how.chains, dim = a->v->dim;
    const size_t size = dim * a->v->entry;
    char *to = a->x;
    for (size_t i = 0; i < count; i++, to += chains * size) {
        slivi__vae_load(a->v, to, x + i * dim, dim);
        for (size_t c = 1; c < chains; c++)
            memcpy(to + c * size, to, size);
    }
}

/* What a failed group leaves to say. */
static int explain(const annealing *a, int status)
{
    if (a->stopped)
        return slivi__fail(SLIVI_ECALLBACK, "stopped after %zu of %zu images",
                           a->done, a->n);
    return slivi__fail_in(status, "images %zu and on", a->done);
}

static int forward_group(annealing *a, const float *x, size_t count)
{
    seat(a, x, count);
    const int status = slivi_ais_forward(a->ws, log_likelihood, a, count,
                                         &a->how, a->e, NULL);
    return status ? explain(a, status) : 0;
}

static void next_group(annealing *a, size_t count)
{
    a->done += count;
    a->how.first += count;
}

/* Images of the next group. */
static size_t count_next(const annealing *a)
{
    return a->n - a->done < a->group ? a->n - a->done : a->group;
}

/* The last word of progress. */
static int conclude(annealing *a)
{
    return report(a) ? explain(a, SLIVI_ECALLBACK) : 0;
}

/* ---- estimates ---------------------------------------------------------- */

static int estimate(annealing *a, const float *x, double *logp, double *se)
{
    while (a->done < a->n) {
        const size_t first = a->done, count = count_next(a);
        const int status = forward_group(a, x + first * a->v->dim, count);
        if (status)
            return status;
        for (size_t i = 0; i < count; i++) {
            logp[first + i] = a->e[i].log_evidence;
            if (se)
                se[first + i] = a->e[i].se;
        }
        next_group(a, count);
    }
    return conclude(a);
}

int slivi_vae_ais(slivi_vae *v, const float *x, size_t n, const slivi_ais *how,
                  size_t group, double *logp, double *se,
                  int (*progress)(size_t done, void *ctx), void *ctx)
{
    annealing a = {.v = v,
                   .how = *how,
                   .n = n,
                   .group = group,
                   .progress = progress,
                   .ctx = ctx};
    int status = open_annealing(&a, 0);
    if (!status)
        status = check_images(v, x, n);
    if (!status)
        status = estimate(&a, x, logp, se);
    close_annealing(&a);
    return status;
}

int slivi_vae_ais_tune(slivi_vae *v, const float *x, size_t n, size_t passes,
                       const slivi_ais *how, double *eps,
                       int (*progress)(size_t done, void *ctx), void *ctx)
{
    annealing a = {.v = v,
                   .how = *how,
                   .n = n,
                   .group = n,
                   .progress = progress,
                   .ctx = ctx};
    int status = n ? 0 : slivi__fail(SLIVI_EINVAL, "ais: no pilot images");
    a.how.eps = NULL; /* so that all images are one group */
    if (!status)
        status = open_annealing(&a, 0);
    if (!status)
        status = check_images(v, x, n);
    if (!status) {
        seat(&a, x, n);
        status = slivi_ais_tune(a.ws, log_likelihood, &a, n, passes, &a.how,
                                eps);
        if (a.stopped)
            status = slivi__fail(SLIVI_ECALLBACK, "stopped while tuning");
    }
    close_annealing(&a);
    return status;
}

/* ---- pairs drawn from the model ----------------------------------------- */

/* sd of p(x|z), real x */
static double x_sd(const slivi_vae *v)
{
    if (v->log_sd < 0)
        return v->opt.x_sd;
    const slivi_view *view = slivi_params_view(v->params, (size_t)v->log_sd);
    return exp(
        slivi__vae_entry(v, slivi_learner_average(v->learner), view->offset));
}

/* z ~ N(0, I), x ~ p(x|z) */
static int simulate(annealing *a, size_t count, uint64_t stream)
{
    slivi_vae *v = a->v;
    slivi_address at = {.seed = slivi__vae_seed(v, stream),
                        .stream = SLIVI__VAE_PRIOR,
                        .row = a->how.first};
    slivi_draw_f32(slivi_law_normal, &at, count, v->opt.latent, a->z);
    const int status = slivi_vae_decode(v, a->z, count, a->mean);
    if (status)
        return status;
    if (v->is_bernoulli) {
        slivi__vae_binarise(v, a->mean, count, at.seed, 0, at.row, a->image);
        return 0;
    }
    const double sd = x_sd(v);
    at.stream = STREAM_NOISE;
    slivi_draw_f32(slivi_law_normal, &at, count, v->dim, a->image);
    for (size_t i = 0; i < count * v->dim; i++)
        a->image[i] = (float)((double)a->mean[i] + sd * (double)a->image[i]);
    return 0;
}

static int backward_group(annealing *a, size_t count)
{
    const size_t d = a->v->opt.latent, chains = a->how.chains;
    for (size_t r = 0; r < count * chains; r++)
        for (size_t j = 0; j < d; j++)
            a->start[r * d + j] = (double)a->z[r / chains * d + j];
    const int status = slivi_ais_backward(a->ws, log_likelihood, a, count,
                                          a->start, &a->how, a->upper, NULL);
    return status ? explain(a, status) : 0;
}

static int sandwich(annealing *a, uint64_t stream, double *forward,
                    double *backward)
{
    while (a->done < a->n) {
        const size_t first = a->done, count = count_next(a);
        int status = simulate(a, count, stream);
        if (!status)
            status = forward_group(a, a->image, count);
        if (!status)
            status = backward_group(a, count);
        if (status)
            return status;
        for (size_t i = 0; i < count; i++) {
            forward[first + i] = a->e[i].log_evidence;
            backward[first + i] = a->upper[i].log_evidence;
        }
        next_group(a, count);
    }
    return conclude(a);
}

int slivi_vae_ais_gap(slivi_vae *v, size_t n, const slivi_ais *how,
                      size_t group, uint64_t stream, double *forward,
                      double *backward, int (*progress)(size_t done, void *ctx),
                      void *ctx)
{
    annealing a = {.v = v,
                   .how = *how,
                   .n = n,
                   .group = group,
                   .progress = progress,
                   .ctx = ctx};
    int status = how->eps ? open_annealing(&a, 1)
                          : slivi__fail(SLIVI_EINVAL,
                                        "ais: there is no upper bound without "
                                        "fixed step sizes, and eps is NULL");
    if (!status)
        status = sandwich(&a, stream, forward, backward);
    close_annealing(&a);
    return status;
}
