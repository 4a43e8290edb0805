/* outcome.c - what a fitted posterior is worth.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "outcome.h"
#include "complain.h"
#include "distances.h"

#include <slivi/io.h>
#include <slivi/sampler.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 }; /* draws that share the components of q's density */

static int fail(void)
{
    return complain("%s", slivi_errmsg());
}

static double *numbers(size_t n, size_t d)
{
    return d && n > SIZE_MAX / sizeof(double) / d
               ? NULL
               : calloc(n, d * sizeof(double));
}

/* n rows inside as new rows outside. */
static double *outside(const inference *r, size_t n, const double *z)
{
    double *theta = numbers(n, slivi_target_outside_dim(r->target));
    if (!theta)
        complain("no memory");
    else if (slivi_target_outside(r->target, n, z, theta)) {
        fail();
        free(theta);
        theta = NULL;
    }
    return theta;
}

/* ---- draws and weights --------------------------------------------------- */

typedef struct densities {
    double *p, *q, *q4; /* logs, of every draw; q NULL: none */
    int is_mixture;     /* q and q4 are of 1 and 4 times as many components */
} densities;

static void densities_clear(densities *l)
{
    free(l->p);
    free(l->q);
    free(l->q4);
}

static int has_density(const inference *r)
{
    return strcmp(args_text(r->args, "posterior"), "implicit") != 0;
}

static int draw(outcome *o, const inference *r, densities *l)
{
    const uint64_t seed = args_seed(r->args, "seed");
    const size_t components = args_size(r->args, "components");
    o->z = numbers(o->n, o->d);
    l->p = numbers(o->n, 1);
    l->is_mixture = !strcmp(args_text(r->args, "posterior"), "semi-implicit");
    if (has_density(r)) {
        l->q = numbers(o->n, 1);
        l->q4 = numbers(o->n, 1);
    }
    if (!o->z || !l->p || (has_density(r) && (!l->q || !l->q4)))
        return complain("no memory");
    int status = l->q ? slivi_posterior_weigh(r->posterior, o->n, NULL, seed,
                                              components, o->z, l->q)
                      : slivi_posterior_draw(r->posterior, o->n, NULL, seed,
                                             o->z);
    if (!status && l->q && l->is_mixture)
        status = slivi_posterior_weigh(r->posterior, o->n, NULL, seed,
                                       4 * components, o->z, l->q4);
    else if (!status && l->q)
        memcpy(l->q4, l->q, o->n * sizeof *l->q);
    if (!status)
        status = slivi_target_eval(r->target, o->n, o->z, NULL, l->p, NULL);
    if (status)
        return fail();
    o->theta = outside(r, o->n, o->z);
    return o->theta ? 0 : EXIT_FAILED;
}

/* log of the mean of p/q, its standard error from means of blocks, and the mean
   of log p/q with its own. */
static void record_bounds(const outcome *o, const densities *l, json_t *result)
{
    const size_t blocks = o->n / BLOCK;
    double top = -INFINITY, mean = 0, squares = 0, sum = 0, sum2 = 0;
    for (size_t i = 0; i < o->n; i++)
        top = fmax(top, l->p[i] - l->q4[i]);
    for (size_t b = 0; b < blocks; b++) {
        double weight = 0, bound = 0;
        for (size_t i = b * BLOCK; i < (b + 1) * BLOCK; i++) {
            weight += exp(l->p[i] - l->q4[i] - top) / BLOCK;
            bound += (l->p[i] - l->q4[i]) / BLOCK;
        }
        mean += weight / (double)blocks;
        squares += weight * weight / (double)blocks;
        sum += bound / (double)blocks;
        sum2 += bound * bound / (double)blocks;
    }
    const double left = (double)(blocks - 1);
    record_number(result, "bound", sum);
    record_number(result, "bound_se", sqrt(fmax(sum2 - sum * sum, 0) / left));
    record_number(result, "log_evidence", top + log(mean));
    record_number(result, "log_evidence_se",
                  sqrt(fmax(squares - mean * mean, 0) / left) / mean);
}

/* k-hat and what the draws are worth; lw <- log p - log q, then smoothed. */
static int smooth(size_t n, const double *p, const double *q, double *lw,
                  double *khat, double *ess)
{
    for (size_t i = 0; i < n; i++)
        lw[i] = p[i] - q[i];
    return slivi_psis(n, lw, khat, ess) ? fail() : 0;
}

static int weigh(outcome *o, const densities *l, json_t *result)
{
    double khat = NAN, khat4 = NAN, ess = NAN, ess4;
    if (!l->q)
        return 0;
    o->weights = numbers(o->n, 1);
    if (!o->weights)
        return complain("no memory");
    record_bounds(o, l, result);
    int status = l->is_mixture
                     ? smooth(o->n, l->p, l->q4, o->weights, &khat4, &ess4)
                     : 0;
    if (!status)
        status = smooth(o->n, l->p, l->q, o->weights, &khat, &ess);
    for (size_t i = 0; i < o->n && !status; i++)
        o->weights[i] = exp(o->weights[i]);
    record_number(result, "khat", khat);
    if (l->is_mixture)
        record_number(result, "khat4", khat4);
    record_number(result, "ess", ess);
    record_number(result, "ess_share", ess / (double)o->n);
    return status;
}

/* ---- the verdict --------------------------------------------------------- */

static void record_check(json_t *checks, const slivi_verdict_check *c)
{
    json_t *o = json_object();
    record_text(o, "outcome", slivi_verdict_word(c->outcome));
    record_number(o, "statistic", c->statistic);
    record_number(o, "level", c->level);
    record_text(o, "detail", c->detail);
    record_text(o, "blind", c->blind);
    json_object_set_new(checks, c->name, o);
}

/* Draws after HMC, and their moments, which the verdict knows better than they
   do. */
static int take_moved(outcome *o, const inference *r, const double *moved)
{
    o->moved = outside(r, o->moved_count, moved);
    o->mean = numbers(o->columns, 2);
    if (!o->moved || !o->mean)
        return o->moved ? complain("no memory") : EXIT_FAILED;
    o->sd = o->mean + o->columns;
    for (size_t j = 0; j < o->columns; j++) {
        const slivi_verdict_row *row = slivi_verdict_row_at(o->verdict, j);
        o->mean[j] = row->mean[TABLE_HMC];
        o->sd[j] = row->sd[TABLE_HMC];
    }
    return 0;
}

static int judge(outcome *o, const inference *r, const densities *l,
                 json_t *result)
{
    slivi_verdict_options how = slivi_verdict_default();
    const uint64_t before = slivi_target_evaluated(r->target);
    const double begin = experiment_clock();
    const double *moved;
    if (strcmp(args_text(r->args, "verdict"), "yes"))
        return 0;
    how.seed = args_seed(r->args, "seed");
    how.chains = args_size(r->args, "chains");
    how.transitions = args_size(r->args, "transitions");
    how.reach = args_size(r->args, "reach");
    how.tolerance = strtod(args_text(r->args, "tolerance"), NULL);
    o->verdict = slivi_verdict_create(r->target, o->n, o->z, NULL, l->q,
                                      l->is_mixture ? l->q4 : NULL, &how);
    if (!o->verdict)
        return fail();
    json_t *checks = json_object();
    for (size_t i = 0; i < slivi_verdict_checks(o->verdict); i++)
        record_check(checks, slivi_verdict_check_at(o->verdict, i));
    record_number(result, "verdict_tolerance", how.tolerance);
    record_size(result, "verdict_chains", how.chains);
    record_text(result, "verdict",
                slivi_verdict_word(slivi_verdict_outcome(o->verdict)));
    json_object_set_new(result, "checks", checks);
    record_number(result, "verdict_seconds", experiment_clock() - begin);
    record_seed(result, "verdict_evaluations",
                slivi_target_evaluated(r->target) - before);
    moved = slivi_verdict_moved(o->verdict, &o->moved_count);
    return moved ? take_moved(o, r, moved) : 0;
}

/* ---- the reference ------------------------------------------------------- */

static int record_reference(const outcome *o, const inference *r,
                            reference *ref, json_t *result)
{
    int status = 0;
    if (!ref->kind)
        return 0;
    if (!strcmp(ref->kind, "hmc"))
        status = reference_sample(ref, r, o->n, o->z);
    record_text(result, "reference", ref->kind);
    record_size(result, "reference_draws", ref->count);
    if (status || strcmp(ref->kind, "hmc"))
        return status;
    record_number(result, "reference_rhat", ref->report.rhat);
    record_number(result, "reference_ess", ref->report.ess);
    record_seed(result, "reference_evaluations", ref->report.gradients);
    record_number(result, "reference_seconds", ref->seconds);
    record_text(result, "reference_verdict",
                ref->is_unreliable ? "unreliable" : "good");
    if (ref->is_unreliable)
        complain("reference unreliable: R-hat of HMC is %.3f, above 1.01",
                 ref->report.rhat);
    return 0;
}

static int compare(outcome *o, const inference *r, const reference *ref,
                   json_t *result)
{
    const table_draws draws[TABLE_COLUMNS] = {
        [TABLE_Q] = {.n = o->n, .x = o->theta},
        [TABLE_PSIS] = {.n = o->n,
                        .x = o->weights ? o->theta : NULL,
                        .weights = o->weights},
        [TABLE_HMC] = {.n = o->moved_count,
                       .x = o->moved,
                       .mean = o->mean,
                       .sd = o->sd},
        [TABLE_REFERENCE] = {.n = ref->count, .x = ref->draws},
    };
    int status = distances_record(r, o->n, o->z, result);
    if (!status)
        status = table_make(&o->table, o->columns, o->names, draws);
    if (!status)
        table_record(&o->table, result);
    return status;
}

/* ---- files --------------------------------------------------------------- */

/* Names with a comma stand in quotes. */
static void write_name(FILE *f, const char *name)
{
    const char *quote = strpbrk(name, ",\"") ? "\"" : "";
    fprintf(f, "%s%s%s", quote, name, quote);
}

static int write_draws(const outcome *o, const inference *r)
{
    char path[EXPERIMENT_PATH], *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return complain("no memory");
    for (size_t k = 0; k < o->columns; k++) {
        write_name(f, o->names[k]);
        putc(k + 1 < o->columns ? ',' : '\n', f);
    }
    for (size_t i = 0; i < o->n * o->columns; i++)
        fprintf(f, "%.9g%c", o->theta[i], (i + 1) % o->columns ? ',' : '\n');
    const int is_short = ferror(f);
    experiment_path(&r->place, "draws.csv", path);
    int status = fclose(f) || is_short                ? complain("no memory")
                 : slivi_file_write(path, text, size) ? fail()
                                                      : 0;
    free(text);
    experiment_path(&r->place, "draws.npy", path);
    if (!status && slivi_npy_write(path, o->n, o->columns, o->theta))
        status = fail();
    return status;
}

/* What corrects draws: their weights, and draws that HMC has moved on. */
static int write_corrections(const outcome *o, const inference *r)
{
    char path[EXPERIMENT_PATH];
    int status = 0;
    experiment_path(&r->place, "weights.npy", path);
    if (o->weights && slivi_npy_write(path, o->n, 1, o->weights))
        status = fail();
    experiment_path(&r->place, "hmc.npy", path);
    if (!status && o->moved
        && slivi_npy_write(path, o->moved_count, o->columns, o->moved))
        status = fail();
    return status;
}

/* ---- all of it ----------------------------------------------------------- */

int outcome_make(outcome *o, const inference *r, reference *ref, json_t *result)
{
    densities l = {0};
    *o = (outcome){.n = args_size(r->args, "draws"),
                   .d = slivi_target_dim(r->target),
                   .columns = slivi_target_outside_dim(r->target)};
    o->names = calloc(o->columns, sizeof *o->names);
    for (size_t k = 0; o->names && k < o->columns; k++)
        o->names[k] = slivi_target_name(r->target, k);
    int status = o->names ? draw(o, r, &l) : complain("no memory");
    if (!status)
        status = write_draws(o, r);
    if (!status)
        status = weigh(o, &l, result);
    if (!status && !experiment_signal())
        status = judge(o, r, &l, result);
    if (!status && !experiment_signal())
        status = write_corrections(o, r);
    if (!status && !experiment_signal())
        status = record_reference(o, r, ref, result);
    if (!status && !experiment_signal())
        status = compare(o, r, ref, result);
    densities_clear(&l);
    return status                ? status
           : experiment_signal() ? 128 + experiment_signal()
                                 : 0;
}

void outcome_clear(outcome *o)
{
    table_clear(&o->table);
    slivi_verdict_free(o->verdict);
    free(o->z);
    free(o->theta);
    free(o->weights);
    free(o->moved);
    free(o->mean);
    free(o->names);
    *o = (outcome){0};
}
