/* inference.c - a run that fits a posterior to a target.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "inference.h"
#include "complain.h"
#include "progress.h"

#include <slivi/io.h>
#include <slivi/learn.h>

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(void)
{
    return complain("%s", slivi_errmsg());
}

/* ---- options ------------------------------------------------------------- */

typedef struct own_options {
    char posterior[SLIVI_NAME_MAX], verdict[SLIVI_NAME_MAX];
    size_t steps, minibatch, draws, components, chains, transitions, reach,
        save_seconds;
    double tolerance;
} own_options;

static const char *const yes_or_no[] = {"yes", "no", NULL};

#define AT(field) offsetof(own_options, field)
/* clang-format off */
const slivi_option inference_options[] = {
    {"posterior", SLIVI_OPTION_NAME, AT(posterior), 0, 0, "semi-implicit",
     slivi_posterior_names, "family of q"},
    {"steps", SLIVI_OPTION_SIZE, AT(steps), 1, 1e12, "10000", NULL,
     "training steps"},
    {"minibatch", SLIVI_OPTION_SIZE, AT(minibatch), 0, 1e12, "0", NULL,
     "rows of data for each step; 0: all of them"},
    {"draws", SLIVI_OPTION_SIZE, AT(draws), 1000, 1e9, "100000", NULL,
     "of q: what is written, and what all results are of"},
    {"components", SLIVI_OPTION_SIZE, AT(components), 1, 1e7, "1024", NULL,
     "semi-implicit: of q's density in the weights, which are also had with "
     "4 times as many"},
    {"verdict", SLIVI_OPTION_NAME, AT(verdict), 0, 0, "yes", yes_or_no,
     "whether these draws can be believed"},
    {"chains", SLIVI_OPTION_SIZE, AT(chains), 10, 1e6, "4000", NULL,
     "verdict: chains of HMC that go on from draws of q"},
    {"transitions", SLIVI_OPTION_SIZE, AT(transitions), 2, 1e6, "50", NULL,
     "verdict: transitions of each"},
    {"reach", SLIVI_OPTION_SIZE, AT(reach), 0, 4096, "64", NULL,
     "verdict: chains from afar, the dearest part of it; 0: none"},
    {"tolerance", SLIVI_OPTION_REAL, AT(tolerance), 0, 1e3, "0", NULL,
     "verdict: errors of means that pass, in sds; of sds, half of that"},
    {"save-seconds", SLIVI_OPTION_SIZE, AT(save_seconds), 0, 1e9, "60", NULL,
     "write a checkpoint at a look at the bound when the last is so old"},
    {NULL, SLIVI_OPTION_REAL, 0, 0, 0, NULL, NULL, NULL},
};
/* clang-format on */

int inference_defaults(args *a)
{
    char text[256];
    slivi_target *t = slivi_target_named("gaussian", NULL, 0, 0);
    slivi_posterior *q = t ? slivi_posterior_create("gaussian-diag", t) : NULL;
    int status = q ? 0 : fail();
    for (const slivi_option *o = slivi_learning_options; o->name && !status;
         o++) {
        if (!strcmp(o->name, "steps"))
            continue;
        status = slivi_posterior_get(q, o->name, text, sizeof text)
                     ? fail()
                     : args_default(a, o->name, text);
    }
    slivi_posterior_free(q);
    slivi_target_free(t);
    return status;
}

void inference_list(void)
{
    printf("target: log densities to follow\n");
    for (const slivi_target_entry *e = slivi_target_entries; e->name; e++)
        printf("  %-17s  %s%s%s%s\n", e->name, e->help,
               e->data ? "; needs --data FILE." : "", e->data ? e->data : "",
               e->has_parts ? ", takes --minibatch" : "");
    printf("  %-17s  %s\n", "bridgestan:SO,JSON",
           "a Stan model that BridgeStan has compiled to SO, and its data");
}

/* ---- the target ---------------------------------------------------------- */

/* bridgestan:SO,JSON */
static slivi_target *open_stan(const char *spec, unsigned seed)
{
    char so[EXPERIMENT_PATH];
    const char *comma = strchr(spec, ',');
    const size_t n = comma ? (size_t)(comma - spec) : strlen(spec);
    if (n >= sizeof so)
        return NULL;
    memcpy(so, spec, n);
    so[n] = '\0';
    /* a file without a folder would be sought where libraries are */
    if (!strchr(so, '/') && !access(so, R_OK) && n + 2 < sizeof so) {
        memmove(so + 2, so, n + 1);
        memcpy(so, "./", 2);
    }
    return slivi_target_from_bridgestan(so, comma ? comma + 1 : NULL, seed);
}

/* A command line that no file could make good. */
static int is_misused(const slivi_target_entry *e, const char *data,
                      size_t batch)
{
    return e && (!e->data != !data || (batch && !e->has_parts));
}

static int make_target(inference *r)
{
    static const char stan[] = "bridgestan:";
    const char *name = args_text(r->args, "target");
    const char *data = args_text(r->args, "data");
    const size_t batch = args_size(r->args, "minibatch");
    const uint64_t seed = args_seed(r->args, "seed");
    const int is_stan = !strncmp(name, stan, sizeof stan - 1);
    if (is_stan && data)
        return complain_usage("--data: a Stan model's data stand after the "
                              "comma: bridgestan:SO,JSON");
    if (is_stan && batch)
        return complain_usage("--minibatch: a Stan model has no minibatches");
    if (!is_stan && !(r->entry = slivi_target_entry_find(name)))
        return complain_usage("%s", slivi_errmsg());
    r->target = is_stan ? open_stan(name + sizeof stan - 1, (unsigned)seed)
                        : slivi_target_named(name, data, batch, seed);
    if (!r->target)
        return is_misused(r->entry, data, batch)
                   ? complain_usage("%s", slivi_errmsg())
                   : fail();
    if (args_size(r->args, "threads") == 1)
        return 0;
    r->pool = slivi_pool_create(args_size(r->args, "threads"));
    if (!r->pool)
        return fail();
    const int status = slivi_target_set_pool(r->target, r->pool);
    return status && status != SLIVI_EUNSUPPORTED ? fail() : 0;
}

static int make_posterior(inference *r)
{
    const slivi_option *const both[] = {slivi_posterior_options,
                                        slivi_learning_options};
    r->posterior = slivi_posterior_create(args_text(r->args, "posterior"),
                                          r->target);
    if (!r->posterior)
        return fail();
    for (size_t t = 0; t < 2; t++)
        for (const slivi_option *o = both[t]; o->name; o++)
            if (slivi_posterior_set_text(r->posterior, o->name,
                                         args_text(r->args, o->name)))
                return complain_usage("%s", slivi_errmsg());
    return 0;
}

/* ---- going on ------------------------------------------------------------ */

/* Options that may be others in a run that goes on or is evaluated anew. */
static int is_free(const char *name)
{
    static const char *const names[] = {
        "data",      "reference",    "draws",       "components",
        "verdict",   "chains",       "transitions", "reach",
        "tolerance", "save-seconds", NULL,
    };
    for (size_t i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return 1;
    return 0;
}

/* Options of the old run where none are given; what is given must agree. */
static int adopt(inference *r, const json_t *old)
{
    const char *name;
    json_t *value;
    int status = 0;
    /* iterating does not change it */
    json_object_foreach((json_t *)old, name, value)
    {
        const char *there = json_string_value(value);
        const char *here = args_text(r->args, name);
        if (!there)
            continue;
        if (!args_given(r->args, name))
            status = args_set(r->args, "", name, there);
        else if (!is_free(name) && (!here || strcmp(here, there)))
            status = complain("%s: option %s is %s in this run, not %s",
                              r->place.folder, name, there, here);
        if (status)
            break;
    }
    return status;
}

/* Opens the folder and reads what the run in it was made with. */
static int open_old(inference *r)
{
    const char *folder = args_text(r->args, "out");
    snprintf(r->place.folder, sizeof r->place.folder, "%s", folder);
    if (!experiment_has(&r->place, "checkpoint.safetensors"))
        return complain("%s: no checkpoint.safetensors to go on from", folder);
    int status = experiment_open(&r->place, folder);
    if (status)
        return status;
    json_t *config = record_read(&r->place, "config.json");
    const char *maker = json_string_value(json_object_get(config, "program"));
    const json_t *old = json_object_get(config, "options");
    if (!maker || !json_is_object(old))
        status = complain("%s: no config.json of a run to be read", folder);
    else if (strcmp(maker, program_name))
        status = complain("%s: a run of %s, not of %s", folder, maker,
                          program_name);
    else
        status = adopt(r, old);
    const char *data = args_text(r->args, "data");
    if (!status && data && access(data, R_OK))
        status = complain("%s: %s (the run's data; give --data to say where "
                          "they are now)",
                          data, strerror(errno));
    json_decref(config);
    return status;
}

static int load_old(inference *r)
{
    char path[EXPERIMENT_PATH];
    int64_t counts[4] = {0};
    experiment_path(&r->place, "checkpoint.safetensors", path);
    r->posterior = slivi_posterior_load(path, r->target);
    if (!r->posterior)
        return fail();
    slivi_checkpoint *c = slivi_checkpoint_read(path);
    const int status = c ? slivi_checkpoint_get(c, "posterior.counts",
                                                SLIVI_DTYPE_I64, 1, 4, counts)
                         : 1;
    slivi_checkpoint_free(c);
    r->step = (size_t)counts[0];
    return status ? fail() : 0;
}

static int open_new(inference *r)
{
    const char *folder = args_text(r->args, "out");
    int status = experiment_open(&r->place, folder);
    if (!status && experiment_has(&r->place, "checkpoint.safetensors"))
        status = complain("%s: already holds a run; use --resume or another "
                          "--out",
                          folder);
    return status;
}

/* Where the seed of the run in the folder is from. */
static json_t *old_seed_from(const inference *r)
{
    json_t *config = record_read(&r->place, "config.json");
    json_t *from = json_incref(json_object_get(config, "seed_from"));
    json_decref(config);
    return json_is_string(from) ? from : json_string("run");
}

static int goes_on(const inference *r)
{
    return args_given(r->args, "resume") || args_given(r->args, "eval-only");
}

int inference_open(inference *r, args *a)
{
    *r = (inference){
        .args = a, .place.lock = -1, .metrics.file = -1, .best = NAN};
    int status = goes_on(r) ? open_old(r) : experiment_seed(a, &r->seed_from);
    if (!status)
        status = make_target(r);
    if (!status)
        status = goes_on(r) ? load_old(r) : make_posterior(r);
    return status;
}

int inference_begin(inference *r)
{
    int status = goes_on(r) ? 0 : open_new(r);
    if (!status)
        status = record_open(&r->metrics, &r->place, r->step, &r->last);
    r->seconds = json_number_value(json_object_get(r->last, "seconds"));
    r->points = (uint64_t)json_integer_value(
        json_object_get(r->last, "evaluations"));
    const json_t *best = json_object_get(r->last, "best");
    r->best = json_is_number(best) ? json_number_value(best) : NAN;
    if (status || args_given(r->args, "eval-only"))
        return status;
    return record_config(&r->place, r->args, "seed_from",
                         goes_on(r) ? old_seed_from(r)
                                    : json_string(r->seed_from));
}

void inference_close(inference *r)
{
    json_decref(r->last);
    record_close(&r->metrics);
    experiment_close(&r->place);
    slivi_posterior_free(r->posterior);
    slivi_target_free(r->target);
    slivi_pool_free(r->pool);
}

/* ---- training ------------------------------------------------------------ */

static int save(inference *r)
{
    char path[EXPERIMENT_PATH];
    experiment_path(&r->place, "checkpoint.safetensors", path);
    int status = record_sync(&r->metrics);
    if (!status && slivi_posterior_save(r->posterior, path))
        status = fail();
    r->saved = experiment_clock();
    return status;
}

static int write_line(inference *r, const slivi_posterior_progress *p)
{
    const double now = experiment_clock();
    const uint64_t count = slivi_target_evaluated(r->target);
    r->seconds += now - r->mark;
    r->points += count - r->counted;
    r->counted = count;
    r->step = p->step;
    r->best = p->best;
    json_t *line = json_object();
    record_size(line, "step", p->step);
    record_number(line, "seconds", r->seconds);
    record_number(line, "bound", p->bound);
    record_number(line, "bound_se", p->bound_se);
    record_number(line, "best", p->best);
    record_size(line, "best_step", p->best_step);
    record_number(line, "gap", p->gap);
    record_number(line, "norm", p->norm);
    record_size(line, "score_steps", p->score_steps);
    record_size(line, "draws", p->draws);
    record_seed(line, "refused", p->refused);
    record_seed(line, "evaluations", r->points);
    json_decref(r->last);
    r->last = line;
    return record_line(&r->metrics, json_incref(line));
}

typedef struct watch {
    inference *r;
    progress bar;
    int status;
} watch;

static int report(const slivi_posterior_progress *p, void *ctx)
{
    watch *w = ctx;
    inference *r = w->r;
    char note[64];
    const double patience = (double)args_size(r->args, "save-seconds");
    snprintf(note, sizeof note, "bound %.3f gap %.3f", p->bound, p->gap);
    progress_show(&w->bar, p->step, note);
    w->status = write_line(r, p);
    if (!w->status
        && (p->stopped || experiment_signal()
            || experiment_clock() - r->saved >= patience))
        w->status = save(r);
    r->mark = experiment_clock();
    return w->status || experiment_signal();
}

int inference_train(inference *r)
{
    watch w = {.r = r};
    r->mark = r->saved = experiment_clock();
    r->counted = slivi_target_evaluated(r->target);
    progress_begin(&w.bar, args_given(r->args, "quiet"), "fitting", r->step,
                   args_size(r->args, "steps"));
    const int status = slivi_posterior_fit(r->posterior, NULL, 0, report, &w,
                                           NULL);
    progress_end(&w.bar);
    if (w.status)
        return w.status;
    return status ? fail() : 0;
}
