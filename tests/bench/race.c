/* race.c - timing of several contenders in turn.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "race.h"

#include "base/base.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const double block_seconds = 0.02;

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double race_now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

int race_add(race *r, const char *group, const char *version, size_t threads,
             double flops, runner run)
{
    if (r->count == RACE_MOST) {
        run.done(run.ctx);
        return slivi__fail(SLIVI_EOVERFLOW, "bench: too many contenders");
    }
    contender *c = &r->at[r->count++];
    *c = (contender){.threads = threads, .flops = flops, .run = run};
    snprintf(c->group, sizeof c->group, "%s", group);
    snprintf(c->version, sizeof c->version, "%s", version);
    return 0;
}

void race_clear(race *r)
{
    for (size_t i = 0; i < r->count; i++) {
        r->at[i].run.done(r->at[i].run.ctx);
        slivi__free(r->at[i].seconds);
    }
    memset(r, 0, sizeof *r);
}

/* Seconds for each of `inner` steps. */
static int time_block(const race *r, const contender *c, double *seconds)
{
    const clockid_t clock = r->own_time ? CLOCK_THREAD_CPUTIME_ID
                                        : CLOCK_MONOTONIC;
    int status = 0;
    const double start = seconds_of(clock);
    for (size_t i = 0; i < c->inner && !status; i++)
        status = c->run.step(c->run.ctx);
    *seconds = (seconds_of(clock) - start) / (double)c->inner;
    return status;
}

/* Steps for a block, from the faster of two tries after a first step. */
static int calibrate(const race *r, contender *c)
{
    double once, again;
    c->inner = 1;
    int status = c->run.step(c->run.ctx);
    if (!status)
        status = time_block(r, c, &once);
    if (!status)
        status = time_block(r, c, &again);
    if (!status)
        c->inner = (size_t)fmax(1, block_seconds / fmin(once, again));
    return status;
}

int race_run(race *r, size_t repeats, int (*between)(void *ctx), void *ctx)
{
    int status = 0;
    r->repeats = repeats < RACE_REPEATS_MOST ? repeats : RACE_REPEATS_MOST;
    for (size_t i = 0; i < r->count && !status; i++) {
        contender *c = &r->at[i];
        c->seconds = slivi__alloc(r->repeats, sizeof *c->seconds);
        status = c->seconds ? calibrate(r, c) : SLIVI_ENOMEM;
    }
    for (size_t k = 0; k < r->repeats && !status; k++) {
        for (size_t i = 0; i < r->count && !status; i++) {
            contender *c = &r->at[(i + k) % r->count];
            status = c->run.step(c->run.ctx); /* its memory into the caches */
            if (!status)
                status = time_block(r, c, &c->seconds[k]);
        }
        if (between && !status)
            status = between(ctx);
    }
    return status;
}

const contender *race_find(const race *r, const char *group,
                           const char *version, size_t threads)
{
    for (size_t i = 0; i < r->count; i++)
        if (!strcmp(r->at[i].group, group) && !strcmp(r->at[i].version, version)
            && r->at[i].threads == threads)
            return &r->at[i];
    return NULL;
}

/* ---- order statistics --------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of n >= 1 sorted values, between neighbours where it falls there. */
static double quantile(const double *x, size_t n, double q)
{
    const double at = q * (double)(n - 1);
    const size_t i = (size_t)at;
    return i + 1 < n ? x[i] + (at - (double)i) * (x[i + 1] - x[i]) : x[i];
}

spread race_times(const race *r, const contender *c)
{
    double *x = slivi__alloc(r->repeats, sizeof *x);
    if (!x || !r->repeats) {
        slivi__free(x);
        return (spread){NAN, NAN, NAN, NAN};
    }
    memcpy(x, c->seconds, r->repeats * sizeof *x);
    qsort(x, r->repeats, sizeof *x, ascending);
    const spread s = {x[0], quantile(x, r->repeats, 0.25),
                      quantile(x, r->repeats, 0.5),
                      quantile(x, r->repeats, 0.75)};
    slivi__free(x);
    return s;
}

double race_quotient(const race *r, const contender *a, const contender *b)
{
    double *x = a && b ? slivi__alloc(r->repeats, sizeof *x) : NULL, median;
    if (!x || !r->repeats) {
        slivi__free(x);
        return NAN;
    }
    for (size_t k = 0; k < r->repeats; k++)
        x[k] = a->seconds[k] / b->seconds[k];
    qsort(x, r->repeats, sizeof *x, ascending);
    median = quantile(x, r->repeats, 0.5);
    slivi__free(x);
    return median;
}

double race_rates(const race *r, const contender *a, const contender *b)
{
    return a && b ? a->flops / b->flops * race_quotient(r, b, a) : NAN;
}
