/* sampler.c - Hamiltonian Monte Carlo as a whole run.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/sampler.h"

#include "base/base.h"

#include <math.h>
#include <string.h>

enum {
    /* streams of their own, so that a host may use the same seed */
    STREAM_MOVE = 0x736d7031,
    STREAM_TIME = 0x736d7032,
    STREAM_STEP = 0x736d7033,
    DOUBLINGS = 100 /* of the first step size, at most */
};

/* A chain moves with a smaller probability only where its energy rises by more
   than 690 or is no number. */
#define LOST 1e-300
/* A transition's time is `length`, and a chain's step eps, times 1 plus or
   minus half of these.  Steps differ because time is a whole number of them:
   of few equal steps every trajectory might be half a period, and a chain in a
   tail too steep for eps would stay there for long. */
#define TIME_JITTER 0.5
#define STEP_JITTER 0.8

/* Towards the log of a step size whose acceptance is the aim: Nesterov's dual
   averaging, Hoffman and Gelman's constants but for gamma, 0.1 and not 0.05.
   Acceptance is a mean over chains, so noise is smaller; and as it is concave
   in the step size, wide swings end at steps too short (0.86 instead of 0.8 on
   a Gaussian in 10 dimensions). */
struct averaging {
    double centre, error, mean; /* mean: of logs, the late ones weigh most */
    double count;
};

/* Windows after which the metric is set: the first begins at `first`, they
   double, and the last ends at `last`. */
struct windows {
    size_t first, last, size, end; /* end of the present one */
};

struct run {
    const slivi_sampler *how;
    slivi_log_density *f;
    void *ctx;
    slivi_hmc_workspace *ws;
    double *memory; /* of all that follows, and of the chains' */
    slivi_chains chains;
    double *each;           /* n, step sizes */
    double *variance;       /* d, 1 / mass */
    double *mass;           /* d */
    double *mean, *squares; /* d, of the draws of a window */
    double seen;            /* these draws */
    double eps;
    struct averaging averaging;
    struct windows windows;
    uint64_t step; /* number of the next transition's address */
    uint64_t gradients;
};

slivi_sampler slivi_sampler_default(void)
{
    const slivi_sampler how = {.chains = 8,
                               .warmup = 1000,
                               .draws = 1000,
                               .thin = 1,
                               .accept = 0.8,
                               .length = 2,
                               .leapfrogs = 512};

    return how;
}

/* ---- checks and memory --------------------------------------------------- */

static int check(const slivi_sampler *how, size_t d, size_t *transitions)
{
    int status;

    if (d == 0)
        return slivi__fail(SLIVI_ESHAPE, "0 dimensions");
    if (how->chains == 0 || how->draws == 0 || how->thin == 0
        || how->leapfrogs == 0)
        return slivi__fail(SLIVI_EINVAL,
                           "chains %zu, draws %zu, thin %zu and leapfrogs %zu "
                           "are not all 1 or more",
                           how->chains, how->draws, how->thin, how->leapfrogs);
    if (!(how->accept > 0 && how->accept < 1))
        return slivi__fail(SLIVI_EINVAL, "accept is %g, not in (0, 1)",
                           how->accept);
    if (!(how->length > 0 && isfinite(how->length)))
        return slivi__fail(SLIVI_EINVAL, "length is %g, not finite and > 0",
                           how->length);
    status = slivi__mul(how->draws, how->thin, transitions);
    return status != 0 ? status
                       : slivi__add(*transitions, how->warmup, transitions);
}

static void close_run(struct run *r)
{
    slivi_hmc_workspace_free(r->ws);
    slivi__free(r->memory);
}

static int open_run(struct run *r, size_t d, const double *starts)
{
    const size_t n = r->how->chains;
    size_t points, count;
    int status = slivi__add(d, 2, &points); /* x to accept below, and each */

    if (status == 0)
        status = slivi__mul(n, points, &points);
    if (status == 0)
        status = slivi__add(points, 2 * d, &count);
    if (status != 0)
        return status;
    r->ws = slivi_hmc_workspace_create(n, d);
    r->memory = slivi__alloc(count, 2 * sizeof *r->memory);
    if (r->ws == NULL || r->memory == NULL)
        return slivi__status();
    r->chains = (slivi_chains){.n = n, .d = d, .x = r->memory};
    r->chains.lp = r->chains.x + n * d;
    r->chains.grad = r->chains.lp + n;
    r->chains.accept = r->chains.grad + n * d;
    r->each = r->chains.accept + n;
    r->variance = r->each + n;
    r->mass = r->variance + d;
    r->mean = r->mass + d;
    r->squares = r->mean + d;
    memcpy(r->chains.x, starts, n * d * sizeof *starts);
    return 0;
}

/* ---- the metric ---------------------------------------------------------- */

static void forget(struct run *r)
{
    const size_t d = r->chains.d;

    r->seen = 0;
    memset(r->mean, 0, d * sizeof *r->mean);
    memset(r->squares, 0, d * sizeof *r->squares);
}

/* Where the chains are counts as a draw of each (Welford's sums). */
static void take(struct run *r)
{
    const size_t d = r->chains.d;
    const double *x = r->chains.x;

    for (size_t i = 0; i < r->chains.n; i++, x += d) {
        const double part = 1 / ++r->seen;

        for (size_t j = 0; j < d; j++) {
            const double off = x[j] - r->mean[j];

            r->mean[j] += off * part;
            r->squares[j] += off * (x[j] - r->mean[j]);
        }
    }
}

/* The variances of what was taken are drawn to the last ones as if these were
   worth five draws.  Stan's weights, but of logs and not towards 1e-3, so that
   units do not matter.  A coordinate that did not move keeps what it has. */
static void set_metric(struct run *r)
{
    const double weight = r->seen / (r->seen + 5);

    for (size_t j = 0; j < r->chains.d; j++) {
        const double ratio = r->squares[j] / (r->seen - 1) / r->variance[j];

        if (r->seen > 1 && ratio > 0 && isfinite(ratio))
            r->variance[j] *= pow(ratio, weight);
        r->mass[j] = 1 / r->variance[j];
    }
    forget(r);
}

/* As in Stan: a start of 75 transitions that go for the step size alone, a
   first window of 25, an end of 50, or 15, 75 and 10 % of a warm-up too short
   for these; windows are not worth it below 20. */
static struct windows windows_of(size_t warmup)
{
    struct windows w = {75, warmup, 25, 0};

    if (warmup < 20)
        return (struct windows){0, 0, 0, 0};
    if (warmup >= 150) {
        w.last = warmup - 50;
    } else {
        w.first = warmup * 15 / 100;
        w.last = warmup - warmup / 10;
        w.size = w.last - w.first;
    }
    w.end = w.first + w.size;
    return w;
}

/* The next window; it takes in what would be too short for one after it. */
static void next_window(struct windows *w)
{
    w->size *= 2;
    if (w->end + 3 * w->size > w->last)
        w->end = w->last;
    else
        w->end += w->size;
}

/* ---- the step size ------------------------------------------------------- */

static void start_averaging(struct averaging *a, double eps)
{
    *a = (struct averaging){.centre = log(10 * eps)};
}

/* The next step size to try after one that was accepted so often. */
static double average(struct averaging *a, double short_of_aim)
{
    const double gamma = 0.1, delay = 10, kappa = 0.75;
    double part, next;

    a->count++;
    part = 1 / (a->count + delay);
    a->error = (1 - part) * a->error + part * short_of_aim;
    next = a->centre - sqrt(a->count) / gamma * a->error;
    part = pow(a->count, -kappa);
    a->mean = part * next + (1 - part) * a->mean;
    return exp(next);
}

/* One transition of all chains. */
static int move(struct run *r, size_t leapfrogs, slivi_hmc_report *report)
{
    slivi_address at = {
        .seed = r->how->seed, .stream = STREAM_STEP, .step = r->step};
    slivi_hmc hmc = {.leapfrogs = leapfrogs, .each = r->each, .mass = r->mass};

    slivi_draw(slivi_law_uniform, &at, r->chains.n, 1, r->each);
    for (size_t i = 0; i < r->chains.n; i++)
        r->each[i] = r->eps * (1 + STEP_JITTER * (r->each[i] - 0.5));
    at.stream = STREAM_MOVE;
    hmc.at = at;
    r->step++;
    r->gradients += (uint64_t)r->chains.n * leapfrogs;
    return slivi_hmc_move(r->ws, &r->chains, r->f, r->ctx, &hmc, report);
}

/* Doubles or halves the step size until trajectories of one step no longer, or
   at last, pass 0.8; it ends at one that passed. */
static int find_step(struct run *r)
{
    slivi_hmc_report report = {0};
    int up = 0;

    for (int i = 0; i <= DOUBLINGS; i++) {
        const int status = move(r, 1, &report);
        const int passed = report.accept > 0.8;

        if (status != 0)
            return status;
        if (i == 0)
            up = passed;
        if (up != passed) {
            r->eps *= up ? 0.5 : 1;
            return 0;
        }
        r->eps *= up ? 2 : 0.5;
    }
    return slivi__fail(SLIVI_EINVAL,
                       "no step size: acceptance is %g at %g; is the density "
                       "proper, and the gradient its own?",
                       report.accept, r->eps);
}

/* A trajectory as long as the next transition's time.  All chains have the
   same: they take their steps together, and none waits for the longest. */
static size_t leapfrogs(const struct run *r)
{
    const slivi_address at = {
        .seed = r->how->seed, .stream = STREAM_TIME, .step = r->step};
    double u, steps;

    slivi_draw(slivi_law_uniform, &at, 1, 1, &u);
    steps = ceil(r->how->length * (1 + TIME_JITTER * (u - 0.5)) / r->eps);
    if (!(steps < (double)r->how->leapfrogs))
        return r->how->leapfrogs;
    return steps > 1 ? (size_t)steps : 1;
}

/* ---- the run ------------------------------------------------------------- */

/* Metric and step size where the chains start.  The starts' own variances are
   a first guess of the scales. */
static int begin(struct run *r)
{
    int status = slivi_hmc_start(&r->chains, r->f, r->ctx);

    r->gradients += r->chains.n;
    if (status == SLIVI_ENONFINITE)
        return slivi__fail_in(SLIVI_EINVAL, "starts");
    if (status != 0)
        return status;
    for (size_t j = 0; j < r->chains.d; j++)
        r->variance[j] = 1;
    forget(r);
    take(r);
    set_metric(r);
    r->eps = 1;
    status = find_step(r);
    start_averaging(&r->averaging, r->eps);
    r->windows = windows_of(r->how->warmup);
    return status;
}

/* After transition t of the warm-up. */
static int adapt(struct run *r, size_t t, double accept)
{
    struct windows *w = &r->windows;
    int status = 0;

    r->eps = average(&r->averaging, r->how->accept - accept);
    if (t >= w->first && t < w->last)
        take(r);
    if (t + 1 == w->end) {
        next_window(w);
        set_metric(r);
        status = find_step(r);
        start_averaging(&r->averaging, r->eps);
    }
    if (t + 1 == r->how->warmup)
        r->eps = exp(r->averaging.mean);
    return status;
}

static void keep(const struct run *r, size_t draw, double *draws)
{
    const size_t d = r->chains.d, each = r->how->draws * d;

    for (size_t i = 0; i < r->chains.n; i++)
        memcpy(draws + i * each + draw * d, r->chains.x + i * d,
               d * sizeof *draws);
}

/* After a transition that counts. */
static void count(const struct run *r, size_t of, double accept,
                  slivi_sampler_report *out)
{
    out->accept += accept / (double)of;
    for (size_t i = 0; i < r->chains.n; i++)
        out->lost += r->chains.accept[i] < LOST;
}

static int go(struct run *r, size_t transitions, double *draws,
              int (*stop)(size_t, size_t, void *), void *stop_ctx,
              slivi_sampler_report *out)
{
    const size_t warmup = r->how->warmup, thin = r->how->thin;
    int status = begin(r);

    for (size_t t = 0; status == 0 && t < transitions; t++) {
        slivi_hmc_report report;

        status = move(r, leapfrogs(r), &report);
        if (status == 0 && t < warmup)
            status = adapt(r, t, report.accept);
        else if (status == 0)
            count(r, transitions - warmup, report.accept, out);
        if (status == 0 && t >= warmup && (t + 1 - warmup) % thin == 0)
            keep(r, (t - warmup) / thin, draws);
        if (status == 0 && stop != NULL && stop(t + 1, transitions, stop_ctx))
            status = slivi__fail(SLIVI_ECALLBACK,
                                 "stopped after transition %zu of %zu", t + 1,
                                 transitions);
    }
    out->eps = r->eps;
    out->gradients = r->gradients;
    return status;
}

/* ---- the report ---------------------------------------------------------- */

/* Of the coordinates; what is NaN is the worst. */
static int judge(const slivi_sampler *how, size_t d, const double *draws,
                 slivi_sampler_report *out)
{
    out->rhat = NAN;
    out->ess = NAN;
    for (size_t j = 0; how->draws >= 4 && j < d; j++) {
        double rhat, ess;
        int status = slivi_rhat(how->chains, how->draws, draws + j, d, &rhat);

        if (status == 0)
            status = slivi_ess_bulk(how->chains, how->draws, draws + j, d,
                                    &ess);
        if (status != 0)
            return status;
        if (j == 0 || !(rhat <= out->rhat || isnan(out->rhat))) {
            out->rhat = rhat;
            out->worst = j;
        }
        if (j == 0 || !(ess >= out->ess || isnan(out->ess)))
            out->ess = ess;
    }
    return 0;
}

int slivi_sample(const slivi_sampler *how, slivi_log_density *f, void *ctx,
                 size_t d, const double *starts, double *draws, double *mass,
                 int (*stop)(size_t transition, size_t of, void *ctx),
                 void *stop_ctx, slivi_sampler_report *out)
{
    struct run r = {.how = how, .f = f, .ctx = ctx};
    slivi_sampler_report report = {0};
    size_t transitions;
    int status = check(how, d, &transitions);

    if (status == 0)
        status = open_run(&r, d, starts);
    if (status == 0)
        status = go(&r, transitions, draws, stop, stop_ctx, &report);
    if (status == 0 && out != NULL)
        status = judge(how, d, draws, &report);
    if (status == 0 && mass != NULL)
        memcpy(mass, r.mass, d * sizeof *mass);
    close_run(&r);
    if (status != 0)
        return slivi__fail_in(status, "sampler");
    if (out != NULL)
        *out = report;
    return 0;
}
