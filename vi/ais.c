/* ais.c - the evidence of images by annealed importance sampling.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/ais.h"

#include "base/base.h"
#include "inside.h"

#include <math.h>
#include <string.h>

enum {
    /* streams of their own, so that a host may use the same seed */
    STREAM_START = 0x61697331,
    STREAM_FORWARD = 0x61697332,
    STREAM_BACKWARD = 0x61697333,
    STREAM_PILOT_START = 0x61697334,
    STREAM_PILOT = 0x61697335,
    PASSES_MOST = 65535 /* a step has 16 bits for the pass */
};

struct slivi_ais_workspace {
    size_t rows, d;
    slivi_hmc_workspace *hmc;
    size_t *image;       /* rows */
    double *memory;      /* of all that follows */
    slivi_chains chains; /* rows; f is log p(x|z) */
    double *lw;          /* rows, log weights */
};

/* One run over the temperatures. */
struct job {
    slivi_ais_workspace *ws;
    slivi_log_likelihood *log_lik;
    void *ctx;
    const slivi_ais *how;
    const double *eps;     /* NULL: the tuner's */
    slivi_hmc_tuner tuner; /* as it goes along */
    double *pilot;         /* sizes to correct, or NULL */
    slivi__target target;
    uint32_t stream;
    uint64_t pass;
    slivi_ais_trace trace;
};

slivi_ais slivi_ais_default(void)
{
    const slivi_ais how = {.chains = 16,
                           .temperatures = 1000,
                           .leapfrogs = 9,
                           .tuner = slivi_hmc_tuner_default()};

    return how;
}

/* -- temperatures ---------------------------------------------------------- */

static double logistic(size_t k, size_t count)
{
    return 1 / (1 + exp(4 - 8 * ((double)k / (double)(count - 1))));
}

static double sigmoidal(size_t k, size_t count)
{
    const double low = logistic(0, count), high = logistic(count - 1, count);

    return (logistic(k, count) - low) / (high - low);
}

void slivi_ais_schedule(size_t count, double *t)
{
    for (size_t k = 0; k < count; k++)
        t[k] = sigmoidal(k, count);
}

static double temperature(const slivi_ais *how, size_t k)
{
    return how->schedule != NULL ? how->schedule[k]
                                 : sigmoidal(k, how->temperatures);
}

/* -- checks ---------------------------------------------------------------- */

static int check_schedule(const slivi_ais *how)
{
    const size_t last = how->temperatures - 1;
    const double *t = how->schedule;

    if (t == NULL)
        return 0;
    if (!(t[0] == 0 && t[last] == 1))
        return slivi__fail(SLIVI_EINVAL,
                           "ais: the schedule goes from %g to %g, not from 0 "
                           "to 1",
                           t[0], t[last]);
    for (size_t k = 1; k <= last; k++)
        if (!(t[k] > t[k - 1]))
            return slivi__fail(SLIVI_EINVAL,
                               "ais: temperature %zu is %.17g, not above %.17g",
                               k, t[k], t[k - 1]);
    return 0;
}

static int check_eps(const slivi_ais *how)
{
    for (size_t k = 1; how->eps != NULL && k < how->temperatures; k++)
        if (!(how->eps[k] >= 0 && isfinite(how->eps[k])))
            return slivi__fail(SLIVI_EINVAL,
                               "ais: eps %zu is %g, not finite and >= 0", k,
                               how->eps[k]);
    return 0;
}

static int check_options(const slivi_ais *how)
{
    int status;

    if (how->chains == 0)
        return slivi__fail(SLIVI_EINVAL, "ais: chains is 0");
    if (how->temperatures < 2 || how->temperatures > UINT32_MAX)
        return slivi__fail(SLIVI_EINVAL,
                           "ais: temperatures is %zu, not in 2..2^32 - 1",
                           how->temperatures);
    if (how->leapfrogs == 0)
        return slivi__fail(SLIVI_EINVAL, "ais: leapfrogs is 0");
    status = check_schedule(how);
    if (status == 0)
        status = check_eps(how);
    if (status != 0)
        return status;
    status = slivi__hmc_check_tuner(&how->tuner);
    return status != 0 ? slivi__fail_in(status, "ais") : 0;
}

/* Rows are numbered below 2^32 in an address. */
static int check_call(const slivi_ais_workspace *ws, size_t images,
                      const slivi_ais *how)
{
    const int status = check_options(how);
    uint64_t most;

    if (status != 0)
        return status;
    if (images == 0 || images > ws->rows / how->chains)
        return slivi__fail(SLIVI_ESHAPE,
                           "ais: %zu images with %zu chains, in a workspace "
                           "for %zu chains",
                           images, how->chains, ws->rows);
    most = (UINT64_C(1) << 32) / how->chains;
    if (how->first > most || images > most - how->first)
        return slivi__fail(SLIVI_EINVAL,
                           "ais: the numbers of the chains are not < 2^32");
    return 0;
}

/* -- the workspace --------------------------------------------------------- */

static int allocate(slivi_ais_workspace *ws)
{
    const size_t rows = ws->rows, d = ws->d;
    size_t each, count;
    int status = slivi__mul(d, 2, &each);

    if (status == 0)
        status = slivi__add(each, 2, &each);
    if (status == 0)
        status = slivi__mul(rows, each, &count);
    if (status != 0)
        return status;
    ws->hmc = slivi_hmc_workspace_create(rows, d);
    ws->image = slivi__alloc(rows, sizeof *ws->image);
    ws->memory = slivi__alloc(count, sizeof *ws->memory);
    if (ws->hmc == NULL || ws->image == NULL || ws->memory == NULL)
        return slivi__status();
    ws->chains.d = d;
    ws->chains.x = ws->memory;
    ws->chains.grad = ws->chains.x + rows * d;
    ws->chains.lp = ws->chains.grad + rows * d;
    ws->lw = ws->chains.lp + rows;
    return 0;
}

slivi_ais_workspace *slivi_ais_workspace_create(const slivi_ais *how,
                                                size_t images, size_t d)
{
    slivi_ais_workspace *ws;
    size_t rows;

    if (check_options(how) != 0)
        return NULL;
    if (images == 0 || d == 0)
        return slivi__fail_null(SLIVI_ESHAPE,
                                "ais: %zu images in %zu dimensions", images, d);
    if (slivi__mul(images, how->chains, &rows) != 0)
        return NULL;
    ws = slivi__alloc(1, sizeof *ws);
    if (ws == NULL)
        return NULL;
    ws->rows = rows;
    ws->d = d;
    if (allocate(ws) != 0) {
        slivi_ais_workspace_free(ws);
        return NULL;
    }
    return ws;
}

void slivi_ais_workspace_free(slivi_ais_workspace *ws)
{
    if (ws == NULL)
        return;
    slivi_hmc_workspace_free(ws->hmc);
    slivi__free(ws->image);
    slivi__free(ws->memory);
    slivi__free(ws);
}

/* -- the weights ----------------------------------------------------------- */

slivi_evidence slivi__summarise(size_t n, const double *lw)
{
    slivi_evidence e = {-INFINITY, INFINITY, 0, 0};
    const double count = (double)n;
    double most = -INFINITY, sum = 0, squares = 0, spread = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, lw[i]);
    if (most == -INFINITY)
        return e;
    for (size_t i = 0; i < n; i++) {
        const double w = exp(lw[i] - most);

        sum += w;
        squares += w * w;
    }
    for (size_t i = 0; i < n; i++) {
        const double off = exp(lw[i] - most) - sum / count;

        spread += off * off;
    }
    e.log_evidence = most + log(sum / count);
    if (n > 1)
        e.se = sqrt(spread / (count - 1) * count) / sum;
    e.ess = fmin(sum * sum / squares, count);
    e.weight_max = 1 / sum;
    return e;
}

/* lw += change log p(x|z) */
static void weigh(struct job *job, double change)
{
    const slivi_chains *c = &job->ws->chains;

    for (size_t i = 0; i < c->n; i++)
        job->ws->lw[i] += change * c->lp[i];
}

/* -- the run --------------------------------------------------------------- */

static int log_density(size_t n, size_t d, const double *z, double *ll,
                       double *grad, void *ctx)
{
    const struct job *job = ctx;

    return job->log_lik(n, d, job->ws->image, z, ll, grad, job->ctx);
}

static uint64_t first_row(const slivi_ais *how)
{
    return how->first * how->chains;
}

/* A run of the images; target.ctx is the job. */
static void open_job(struct job *job, size_t images, const double *eps,
                     const slivi_ais_trace *trace)
{
    slivi_ais_workspace *ws = job->ws;
    const size_t chains = job->how->chains;

    job->eps = eps;
    job->tuner = job->how->tuner;
    job->target = (slivi__target){log_density, job, "log_likelihood", 1, 0};
    job->trace = (slivi_ais_trace){0};
    if (trace != NULL)
        job->trace = *trace;
    if (job->trace.eps != NULL)
        job->trace.eps[0] = 0;
    if (job->trace.accept != NULL)
        job->trace.accept[0] = 0;
    ws->chains.n = images * chains;
    for (size_t i = 0; i < ws->chains.n; i++) {
        ws->image[i] = i / chains;
        ws->lw[i] = 0;
    }
}

/* log p(x|z) where the chains begin; -infinity only if `empty` is allowed. */
static int begin(struct job *job, int empty)
{
    slivi_chains *c = &job->ws->chains;
    const size_t chains = job->how->chains;
    int status;

    for (size_t i = 0; i < c->n; i++)
        c->lp[i] = NAN; /* so that what the callback leaves out is found */
    status = slivi__hmc_evaluate(&job->target, c);
    for (size_t i = 0; status == 0 && i < c->n; i++)
        if (!isfinite(c->lp[i]) && !(empty && c->lp[i] == -INFINITY))
            return slivi__fail(SLIVI_ENONFINITE,
                               "chain %zu of image %zu begins at log "
                               "likelihood %g",
                               i % chains, i / chains, c->lp[i]);
    return status;
}

/* eps towards the acceptance that is wanted: in many dimensions acceptance is
   2 Phi(-c eps^2), whose slope in log eps is -0.65 where it is 0.65.  In few it
   can be several times as steep, so corrections become smaller. */
static double correct(const struct job *job, double eps, double accept)
{
    const slivi_hmc_tuner *t = &job->tuner;
    const double gain = 2 / (double)(job->pass + 1);

    return fmax(fmin(eps * exp(gain * (accept - t->target)), t->most),
                t->least);
}

/* One transition at temperature k. */
static int move(struct job *job, size_t k)
{
    const slivi_ais *how = job->how;
    slivi_ais_workspace *ws = job->ws;
    const slivi_hmc hmc = {.leapfrogs = how->leapfrogs,
                           .eps = job->eps != NULL ? job->eps[k]
                                                   : job->tuner.eps,
                           .at = {.seed = how->seed,
                                  .stream = job->stream,
                                  .step = job->pass << 32 | k,
                                  .row = first_row(how)}};
    slivi_hmc_report report;
    int status;

    job->target.t = temperature(how, k);
    status = slivi__hmc_move(ws->hmc, &ws->chains, &job->target, &hmc, &report);
    if (status != 0)
        return slivi__fail_in(status, "temperature %zu", k);
    if (job->eps == NULL)
        slivi_hmc_tune(&job->tuner,
                       (double)report.moved / (double)ws->chains.n);
    if (job->pilot != NULL)
        job->pilot[k] = correct(job, hmc.eps, report.accept);
    if (job->trace.eps != NULL)
        job->trace.eps[k] = hmc.eps;
    if (job->trace.accept != NULL)
        job->trace.accept[k] = report.accept;
    return 0;
}

/* From the prior to p(z|x). */
static int anneal(struct job *job, uint32_t start)
{
    const slivi_ais *how = job->how;
    slivi_chains *c = &job->ws->chains;
    const slivi_address at = {.seed = how->seed,
                              .stream = start,
                              .step = job->pass,
                              .row = first_row(how)};
    int status;

    slivi_draw(slivi_law_normal, &at, c->n, c->d, c->x);
    status = begin(job, 1);
    for (size_t k = 1; status == 0 && k < how->temperatures; k++) {
        weigh(job, temperature(how, k) - temperature(how, k - 1));
        status = move(job, k);
    }
    return status;
}

/* And back. */
static int melt(struct job *job)
{
    const slivi_ais *how = job->how;
    int status = begin(job, 0);

    for (size_t k = how->temperatures - 1; status == 0 && k > 0; k--) {
        status = move(job, k);
        if (status == 0)
            weigh(job, temperature(how, k - 1) - temperature(how, k));
    }
    return status;
}

static void finish(const struct job *job, size_t images, slivi_evidence *out)
{
    const slivi_ais_workspace *ws = job->ws;
    const slivi_chains *c = &ws->chains;
    const size_t chains = job->how->chains;

    for (size_t i = 0; i < images; i++)
        out[i] = slivi__summarise(chains, ws->lw + i * chains);
    if (job->trace.log_weight != NULL)
        memcpy(job->trace.log_weight, ws->lw, c->n * sizeof *ws->lw);
    if (job->trace.z != NULL)
        memcpy(job->trace.z, c->x, c->n * c->d * sizeof *c->x);
}

/* -- the functions --------------------------------------------------------- */

int slivi_ais_forward(slivi_ais_workspace *ws, slivi_log_likelihood *log_lik,
                      void *ctx, size_t images, const slivi_ais *how,
                      slivi_evidence *out, const slivi_ais_trace *trace)
{
    struct job job = {.ws = ws,
                      .log_lik = log_lik,
                      .ctx = ctx,
                      .how = how,
                      .stream = STREAM_FORWARD};
    int status = check_call(ws, images, how);

    if (status != 0)
        return status;
    open_job(&job, images, how->eps, trace);
    status = anneal(&job, STREAM_START);
    if (status != 0)
        return slivi__fail_in(status, "ais");
    finish(&job, images, out);
    return 0;
}

int slivi_ais_backward(slivi_ais_workspace *ws, slivi_log_likelihood *log_lik,
                       void *ctx, size_t images, const double *z,
                       const slivi_ais *how, slivi_evidence *out,
                       const slivi_ais_trace *trace)
{
    struct job job = {.ws = ws,
                      .log_lik = log_lik,
                      .ctx = ctx,
                      .how = how,
                      .stream = STREAM_BACKWARD};
    int status = check_call(ws, images, how);
    size_t count;

    if (status != 0)
        return status;
    if (how->eps == NULL)
        return slivi__fail(SLIVI_EINVAL,
                           "ais: there is no bound without fixed step sizes, "
                           "and eps is NULL");
    count = images * how->chains * ws->d;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(z[i]))
            return slivi__fail(SLIVI_ENONFINITE,
                               "ais: z of row %zu is %g, not finite", i / ws->d,
                               z[i]);
    open_job(&job, images, how->eps, trace);
    memcpy(ws->chains.x, z, count * sizeof *z);
    status = melt(&job);
    if (status != 0)
        return slivi__fail_in(status, "ais");
    finish(&job, images, out);
    for (size_t i = 0; i < images; i++)
        out[i].log_evidence = -out[i].log_evidence;
    return 0;
}

int slivi_ais_tune(slivi_ais_workspace *ws, slivi_log_likelihood *log_lik,
                   void *ctx, size_t images, size_t passes,
                   const slivi_ais *how, double *eps)
{
    const slivi_ais_trace sizes = {.eps = eps};
    slivi_ais led = *how;
    struct job job = {.ws = ws,
                      .log_lik = log_lik,
                      .ctx = ctx,
                      .how = &led,
                      .stream = STREAM_PILOT};
    int status;

    led.eps = NULL;
    status = check_call(ws, images, &led);
    if (status != 0)
        return status;
    if (passes == 0 || passes > PASSES_MOST)
        return slivi__fail(SLIVI_EINVAL, "ais: %zu passes, not in 1..%d",
                           passes, PASSES_MOST);
    for (; job.pass < passes; job.pass++) {
        open_job(&job, images, job.pass == 0 ? NULL : eps,
                 job.pass == 0 ? &sizes : NULL);
        job.pilot = job.pass == 0 ? NULL : eps;
        status = anneal(&job, STREAM_PILOT_START);
        if (status != 0)
            return slivi__fail_in(status, "ais: pass %zu", (size_t)job.pass);
    }
    return 0;
}
