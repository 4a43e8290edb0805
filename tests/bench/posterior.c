/* posterior.c - steps of posteriors, beside another program's.

   All are of family semi-implicit with a batch of 500 and nets of 50, 50 on one
   thread: what KSIVI (2024) and SIVI-SM (2023) take for their toys, but for the
   net's outputs, which here are log s too.  The score learns once a step.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posterior.h"

#include "peer.h"
#include "race.h"
#include "report.h"

#include "posterior_inside.h"
#include "slivi/targets.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Those of the peers' own programs that were measured before, steps for each
   second, banana, one thread. */
static const struct {
    const char *version;
    double rate;
} published[] = {{"ksivi", 133}, {"sivi-sm", 450}};
enum { PEERS = sizeof published / sizeof *published };

/* Sliced score matching needs an activation with two derivatives. */
static const struct {
    const char *version, *entropy, *mixture, *activation;
} sources[] = {
    {"mixture-512", "mixture", "512", "relu"},
    {"mixture-1024", "mixture", "1024", "relu"},
    {"denoising", "denoising", NULL, "relu"},
    {"sm", "sm", NULL, "silu"},
    {"ssm-vr", "ssm-vr", NULL, "silu"},
    {"ksivi", "ksivi", NULL, "relu"},
};
enum { SOURCES = sizeof sources / sizeof *sources };

static const char *const targets[] = {"banana", "gaussian", "funnel",
                                      "diffusion"};
enum { TARGETS = sizeof targets / sizeof *targets };

static const char *const options[][2] = {
    {"batch", "500"}, {"grow", "1"},        {"hidden", "50,50"},
    {"seed", "1"},    {"score-steps", "1"}, {"whiten", "none"},
    {"rate", "1e-3"}, {"steps", "2"},       {"bound-draws", "2"},
};
enum { OPTIONS = sizeof options / sizeof *options, VERIFIED = 3 };

/* ---- a step --------------------------------------------------------------- */

typedef struct subject {
    slivi_target *target;
    slivi_posterior *q;
    double norm;
} subject;

static void free_subject(void *ctx)
{
    subject *s = ctx;
    if (!s)
        return;
    slivi_posterior_free(s->q);
    slivi_target_free(s->target);
    slivi__free(s);
}

static int step_subject(void *ctx)
{
    subject *s = ctx;
    slivi__mode mode;
    slivi__mode_enter(&mode);
    int status = slivi__posterior_step(s->q, NULL, 0, &s->norm);
    slivi__mode_leave(&mode);
    return status;
}

/* Set up, and after a fit of two steps. */
static int begin(subject *s, size_t target, size_t source)
{
    s->target = slivi_target_named(targets[target], NULL, 0, 0);
    if (s->target)
        s->q = slivi_posterior_create("semi-implicit", s->target);
    int status = s->q ? 0 : slivi__status();
    for (size_t i = 0; i < OPTIONS && !status; i++)
        status = slivi_posterior_set_text(s->q, options[i][0], options[i][1]);
    if (!status)
        status = slivi_posterior_set_text(s->q, "entropy",
                                          sources[source].entropy);
    if (!status && sources[source].mixture)
        status = slivi_posterior_set_text(s->q, "mixture",
                                          sources[source].mixture);
    if (!status)
        status = slivi_posterior_set_text(s->q, "activation",
                                          sources[source].activation);
    return status ? status
                  : slivi_posterior_fit(s->q, NULL, 0, NULL, NULL, NULL);
}

static subject *new_subject(size_t target, size_t source)
{
    subject *s = slivi__alloc(1, sizeof *s);
    if (s && !begin(s, target, source))
        return s;
    free_subject(s);
    return NULL;
}

/* ---- verification --------------------------------------------------------- */

static int same_parameters(const slivi_params *a, const slivi_params *b)
{
    const size_t n = slivi_params_size(a);
    double *x = slivi__alloc(2 * n, sizeof *x);
    if (!x)
        return slivi__status();
    slivi_params_get(a, x);
    slivi_params_get(b, x + n);
    int status = memcmp(x, x + n, n * sizeof *x)
                     ? slivi__fail(SLIVI_EINVAL, "bench: the same seed gave "
                                                 "other parameters")
                     : 0;
    slivi__free(x);
    return status;
}

/* Gradients that are finite and not zero; the same seed, the same bits. */
static int verify(subject *s, size_t target, size_t source)
{
    subject *again = new_subject(target, source);
    int status = again ? 0 : slivi__status();
    for (int i = 0; i < VERIFIED && !status; i++) {
        status = step_subject(s);
        if (!status)
            status = step_subject(again);
        if (!status && !(s->norm > 0 && isfinite(s->norm)))
            status = slivi__fail(SLIVI_EINVAL, "bench: a gradient of %g",
                                 s->norm);
    }
    if (!status)
        status = same_parameters(s->q->params, again->q->params);
    free_subject(again);
    return status ? slivi__fail_in(status, "bench: %s, %s", targets[target],
                                   sources[source].version)
                  : 0;
}

static int enter(race *r, size_t target, size_t source)
{
    subject *s = new_subject(target, source);
    int status = s ? verify(s, target, source) : slivi__status();
    if (!status)
        return race_add(r, targets[target], sources[source].version, 1, 0,
                        (runner){step_subject, free_subject, s});
    free_subject(s);
    return status;
}

static int enter_all(race *r, const char *only)
{
    int status = 0;
    for (size_t t = 0; t < TARGETS; t++)
        for (size_t i = 0; i < SOURCES && !status; i++) {
            char name[64];
            snprintf(name, sizeof name, "%s-%s", targets[t],
                     sources[i].version);
            if (!only || strstr(name, only))
                status = enter(r, t, i);
        }
    if (!status && !r->count)
        status = slivi__fail(SLIVI_ENAME, "bench: no step's name contains %s",
                             only);
    return status;
}

/* ---- the table -------------------------------------------------------------- */

static double value(const json_t *row, const char *key)
{
    const json_t *x = json_object_get(row, key);
    return json_is_number(x) ? json_number_value(x) : NAN;
}

static const char *text(const json_t *row, const char *key)
{
    const char *s = json_string_value(json_object_get(row, key));
    return s ? s : "?";
}

/* The peer's median where it takes the same target's steps, in ms. */
static double peer_ms(const json_t *rows, const json_t *row,
                      const char *version)
{
    size_t i;
    json_t *other;
    json_array_foreach((json_t *)rows, i, other)
    {
        if (json_object_get(other, "torch")
            && !strcmp(text(other, "case"), text(row, "case"))
            && !strcmp(text(other, "version"), version))
            return value(other, "median_ms");
    }
    return NAN;
}

static void cell(double x, int digits)
{
    if (isfinite(x))
        printf(" %10.*f", digits, x);
    else
        printf(" %10s", "-");
}

static void print_row(const json_t *rows, json_t *row)
{
    const int toy = !strcmp(text(row, "case"), targets[0]);
    const double ms = value(row, "median_ms"), rate = 1e3 / ms;
    const int ours = !json_object_get(row, "torch");
    printf("%-10s %-8s %-13s", text(row, "case"), ours ? "slivi" : "peer",
           text(row, "version"));
    cell(rate, 0);
    cell(1e3 / value(row, "high_ms"), 0);
    cell(1e3 / value(row, "low_ms"), 0);
    for (size_t i = 0; i < PEERS && ours; i++)
        cell(peer_ms(rows, row, published[i].version) / ms, 2);
    for (size_t i = 0; i < PEERS && ours; i++)
        cell(toy ? rate / published[i].rate : NAN, 2);
    putchar('\n');
    json_object_set_new(row, "steps_per_second", json_real(rate));
}

static void print_table(const json_t *rows)
{
    size_t i;
    json_t *row;
    printf("\n%-33s %10s %10s %10s %10s %10s %10s %10s\n", "steps a second",
           "median", "q1", "q3", "/ ksivi", "/ sivi-sm", "/ 133", "/ 450");
    json_array_foreach((json_t *)rows, i, row) print_row(rows, row);
    printf("\n/ ksivi and / sivi-sm: over the peer's in this run; / 133 and "
           "/ 450: over what\ntheir authors' programs were measured to take.  "
           "Batch 500, nets 50,50; relu, but\nsilu for sm and ssm-vr.  Of each "
           "second of the one thread, not of the clock.\n");
}

int posterior_measure(const char *only, size_t repeats, const char *command,
                      json_t *rows)
{
    race r = {.count = 0, .own_time = 1};
    peer other = {0};
    int status = enter_all(&r, only);
    if (!status && command)
        status = peer_start(&other, command, "1", NULL);
    if (!status)
        status = race_run(&r, repeats, command ? peer_block : NULL, &other);
    if (!status)
        status = report_rows(&r, rows);
    if (!status && command)
        status = peer_end(&other, rows);
    peer_stop(&other);
    race_clear(&r);
    if (!status)
        print_table(rows);
    return status;
}
