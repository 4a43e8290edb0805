/* run.c - a run of an auto-encoder: made from options, saved, gone on with.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "run.h"
#include "complain.h"
#include "evaluate.h"
#include "report.h"

#include <slivi/learn.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RUN_PLOTS = 8 }; /* at most */

static int fail(void)
{
    return complain("%s", slivi_errmsg());
}

/* ---- going on ------------------------------------------------------------ */

static int is_named(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (!strcmp(*names, name))
            return 1;
    return 0;
}

/* Options that may be others in a run that goes on. */
static const char *const free_options[] = {
    "data", "eval", "steps", "report-steps", "save-seconds", "threads", NULL,
};

static int is_free(const char *name)
{
    return is_named(free_options, name)
           || slivi_options_find(nll_options, name);
}

static int complain_other(const run *r, const char *name, const char *there,
                          const char *here, const char *course)
{
    if (is_free(name)) /* then it is steps */
        return complain("%s: option steps is %s in this run, not %s: its "
                        "schedule, %s, depends on steps",
                        r->place.folder, there, here, course);
    return complain("%s: option %s is %s in this run, not %s", r->place.folder,
                    name, there, here);
}

/* The images may have moved, or the run was started in another folder. */
static int find_images(const run *r)
{
    const char *path = data_path(args_text(r->args, "data"));
    if (!path || !access(path, F_OK))
        return 0;
    return complain("%s: %s (the run's data; give --data to say where it is "
                    "now)",
                    path, strerror(errno));
}

/* Options of the old run where none are given; what is given must agree. */
static int adopt(run *r, const json_t *old)
{
    const json_t *schedule = json_object_get(old, "schedule");
    const char *course = json_string_value(schedule), *name;
    const int has_data = args_given(r->args, "data");
    json_t *value;
    int status = 0;
    /* iterating does not change it */
    json_object_foreach((json_t *)old, name, value)
    {
        const char *there = json_string_value(value);
        const char *here = args_text(r->args, name);
        int may_differ = is_free(name)
                         && (strcmp(name, "steps") || !course
                             || !strcmp(course, "constant"));
        if (!there)
            continue;
        if (!args_given(r->args, name))
            status = args_set(r->args, "", name, there);
        else if (!may_differ && (!here || strcmp(here, there)))
            status = complain_other(r, name, there, here, course);
        if (status)
            break;
    }
    return status || has_data ? status : find_images(r);
}

/* Opens the folder and reads what the run in it was made with. */
static int open_old(run *r)
{
    char path[EXPERIMENT_PATH];
    const char *folder = args_text(r->args, "out");
    snprintf(r->place.folder, sizeof r->place.folder, "%s", folder);
    if (!experiment_has(&r->place, "checkpoint.safetensors"))
        return complain("%s: no checkpoint.safetensors to go on from", folder);
    int status = experiment_open(&r->place, folder);
    if (status)
        return status;
    experiment_path(&r->place, "checkpoint.safetensors", path);
    r->old = slivi_checkpoint_read(path);
    if (!r->old)
        return fail();
    const char *maker = slivi_checkpoint_text(r->old, "program.name");
    const char *text = slivi_checkpoint_text(r->old, "program.options");
    /* once there was only one that did not say so */
    maker = maker ? maker : text ? "slivi-vae" : "another program";
    if (strcmp(maker, program_name))
        return complain("%s: a run of %s, not of %s", folder, maker,
                        program_name);
    json_t *old = text ? json_loads(text, 0, NULL) : NULL;
    status = json_is_object(old)
                 ? adopt(r, old)
                 : complain("%s: not a checkpoint of %s", path, program_name);
    json_decref(old);
    return status;
}

static int load_old(run *r)
{
    const char *there = slivi_checkpoint_text(r->old, "program.images");
    if (!there || strcmp(there, r->about))
        return complain("%s: other images than the run's: %s, not %s",
                        args_text(r->args, "data"), r->about,
                        there ? there : "known");
    if (slivi_vae_load(r->vae, r->old))
        return fail();
    if (slivi_vae_steps(r->vae) > r->steps)
        return complain("%s: the run is at step %zu, beyond option steps %zu",
                        r->place.folder, slivi_vae_steps(r->vae), r->steps);
    return 0;
}

/* ---- saving -------------------------------------------------------------- */

/* Free options that are no part of the results stay out, so that checkpoints
   of the same training are the same bytes. */
static int save_checkpoint(run *r)
{
    char path[EXPERIMENT_PATH];
    json_t *all = args_json(r->args);
    json_object_del(all, "threads");
    char *text = json_dumps(all, JSON_SORT_KEYS);
    slivi_checkpoint *c = slivi_checkpoint_create();
    experiment_path(&r->place, "checkpoint.safetensors", path);
    int status = text ? 0 : complain("%s: no memory", path);
    if (!status
        && (!c || slivi_vae_save(r->vae, c)
            || slivi_checkpoint_put_text(c, "program.name", program_name)
            || slivi_checkpoint_put_text(c, "program.options", text)
            || slivi_checkpoint_put_text(c, "program.images", r->about)
            || slivi_checkpoint_write(c, path)))
        status = fail();
    slivi_checkpoint_free(c);
    free(text);
    json_decref(all);
    r->saved = experiment_clock();
    return status;
}

int run_line(run *r, int validate)
{
    const double now = experiment_clock(), n = (double)r->summed;
    double error;
    if (!r->summed)
        return 0;
    r->seconds += now - r->mark;
    json_t *line = json_object();
    record_size(line, "step", slivi_vae_steps(r->vae));
    record_number(line, "seconds", r->seconds);
    record_number(line, "reconstruction", r->sum.reconstruction / n);
    record_number(line, "prior", r->sum.prior / n);
    record_number(line, "score", r->sum.score / n);
    record_number(line, "stein", r->sum.stein / n);
    record_number(line, "norm", r->sum.norm / n);
    int status = validate ? evaluate_error(r->vae, &r->images, DATA_VALIDATION,
                                           &error)
                          : 0;
    if (validate && !status)
        record_number(line, "validation_error", error);
    json_decref(r->last);
    r->last = line;
    r->sum = (slivi_vae_losses){0};
    r->summed = 0;
    r->mark = experiment_clock();
    return status ? status : record_line(&r->metrics, json_incref(line));
}

/* The spec's, where the entropy of q is had in closed form. */
static void make_plots(const run *r, report_plot own[RUN_PLOTS + 1])
{
    const char *entropy = args_text(r->args, "entropy");
    const int is_closed = r->spec->closed_prior
                          && (!strcmp(entropy, "closed")
                              || !strcmp(entropy, "iwae"));
    size_t n = 0;
    for (const report_plot *p = r->spec->plots; p->title && n < RUN_PLOTS; p++)
        own[n++] = *p;
    own[n] = (report_plot){0};
    for (report_plot *p = own; p->title && is_closed; p++)
        if (!strcmp(p->keys[0], "prior"))
            p->labels[0] = r->spec->closed_prior;
}

/* The program, and what tells its runs apart. */
static void make_title(const run *r, char *title, size_t room)
{
    size_t at = (size_t)snprintf(title, room, "%s:", program_name);
    for (const char *const *k = r->spec->kinds; *k && at < room; k++) {
        const slivi_option *o = slivi_options_find(r->spec->model, *k);
        const char *text = args_text(r->args, *k);
        const char *comma = k == r->spec->kinds ? "" : ",";
        at += (size_t)(o->kind == SLIVI_OPTION_REAL
                           ? snprintf(title + at, room - at, "%s %s %g", comma,
                                      *k, strtod(text, NULL))
                           : snprintf(title + at, room - at, "%s %s %s", comma,
                                      *k, text));
    }
}

static const report_picture pictures[] = {
    {"samples.png", "Means of images drawn from the model"},
    {"reconstructions.png",
     "Test images, and below each row its reconstructions"},
    {NULL, NULL},
};

int run_show(run *r)
{
    report_plot plots[RUN_PLOTS + 1];
    char title[128];
    int status = evaluate_pictures(r->vae, &r->images, &r->place);
    if (status)
        return status;
    make_title(r, title, sizeof title);
    make_plots(r, plots);
    return report_write(&r->place, title, plots, pictures, NULL);
}

int run_save(run *r, int shows)
{
    int status = run_line(r, shows);
    if (!status)
        status = record_sync(&r->metrics);
    if (!status)
        status = save_checkpoint(r);
    if (!status && shows)
        status = run_show(r);
    r->mark = experiment_clock();
    return status;
}

/* ---- from the command line ----------------------------------------------- */

static int make_vae(run *r)
{
    const slivi_option *const both[] = {r->spec->model, slivi_learning_options};
    const int is_constant = !strcmp(args_text(r->args, "schedule"), "constant");
    r->vae = r->spec->create(r->images.dim);
    for (size_t t = 0; r->vae && t < 2; t++)
        for (const slivi_option *o = both[t]; o->name; o++) {
            /* the number of steps matters to the other schedules only */
            if (!strcmp(o->name, "steps") && is_constant)
                continue;
            if (slivi_vae_set(r->vae, o->name, args_text(r->args, o->name)))
                return fail();
        }
    if (r->vae && slivi_vae_ready(r->vae) == SLIVI_EUNSUPPORTED)
        return complain_usage("%s", slivi_errmsg());
    return r->vae && !slivi_vae_ready(r->vae) ? 0 : fail();
}

static int load_images(run *r)
{
    data *d = &r->images;
    int status = data_load(args_text(r->args, "data"), d);
    if (status)
        return status;
    snprintf(r->about, sizeof r->about, "%zu of %zu x %zu, hash %016" PRIx64,
             d->count, d->height, d->width, data_hash(d));
    r->batch = args_size(r->args, "batch");
    if (r->batch > d->size[DATA_TRAIN])
        r->batch = d->size[DATA_TRAIN];
    return nll_check(&r->eval, d);
}

static int open_new(run *r)
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
static json_t *old_seed_from(const run *r)
{
    json_t *config = record_read(&r->place, "config.json");
    json_t *from = json_incref(json_object_get(config, "seed_from"));
    json_decref(config);
    return json_is_string(from) ? from : json_string("run");
}

int run_open(run *r, const autoencoder *spec, args *a)
{
    const char *seed_from = NULL;
    const int goes_on = args_given(a, "resume") || args_given(a, "eval-only");
    *r = (run){.spec = spec, .args = a, .place.lock = -1, .metrics.file = -1};
    int status = goes_on ? open_old(r) : experiment_seed(a, &seed_from);
    if (!status)
        status = nll_read(a, slivi_options_find(spec->model, "encoder") != NULL,
                          &r->eval);
    if (!status)
        status = load_images(r);
    if (!status)
        status = make_vae(r);
    r->steps = args_size(a, "steps");
    if (!status)
        status = goes_on ? load_old(r) : open_new(r);
    if (!status)
        status = record_open(&r->metrics, &r->place, slivi_vae_steps(r->vae),
                             &r->last);
    r->seconds = json_number_value(json_object_get(r->last, "seconds"));
    if (status || args_given(a, "eval-only"))
        return status;
    return record_config(&r->place, a, "seed_from",
                         goes_on ? old_seed_from(r) : json_string(seed_from));
}

void run_close(run *r)
{
    json_decref(r->last);
    record_close(&r->metrics);
    experiment_close(&r->place);
    slivi_checkpoint_free(r->old);
    slivi_vae_free(r->vae);
    data_clear(&r->images);
}
