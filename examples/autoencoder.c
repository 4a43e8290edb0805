/* autoencoder.c - a program that trains auto-encoders.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "autoencoder.h"
#include "complain.h"
#include "data.h"
#include "evaluate.h"
#include "progress.h"
#include "run.h"

#include <slivi/blas.h>
#include <slivi/random.h>
#include <slivi/status.h>

#include <stdlib.h>
#include <string.h>

/* ---- options ------------------------------------------------------------ */

typedef struct own_options {
    size_t steps, report_steps, save_seconds;
} own_options;

#define AT(field) offsetof(own_options, field)
const slivi_option autoencoder_options[] = {
    {"steps", SLIVI_OPTION_SIZE, AT(steps), 1, 1e12, "4000", NULL,
     "training steps, those of a resumed run included"},
    {"report-steps", SLIVI_OPTION_SIZE, AT(report_steps), 0, 1e12, "0", NULL,
     "steps for each line of metrics.jsonl; 0: a hundredth of all"},
    {"save-seconds", SLIVI_OPTION_SIZE, AT(save_seconds), 1, 1e9, "60", NULL,
     "write a checkpoint at least this often, and at every tenth of the steps"},
    {NULL, SLIVI_OPTION_REAL, 0, 0, 0, NULL, NULL, NULL},
};

static void list(void)
{
    printf("data: images to learn from\n");
    for (const data_kind *k = data_kinds; k->name; k++)
        experiment_choice(k->form, k->help);
    nll_list();
}

/* ---- training ------------------------------------------------------------ */

enum { STREAM_ORDER = 1000 }; /* the vae has the small ones */

/* The images of a step are a pure function of seed and step, so that a run
   that goes on sees what it would have seen. */
typedef struct batch {
    size_t epoch;    /* that order holds */
    uint32_t *order; /* of the training images */
    float *x;        /* batch x dim */
} batch;

static int batch_make(batch *b, const run *r)
{
    b->epoch = SIZE_MAX;
    b->order = calloc(r->images.size[DATA_TRAIN], sizeof *b->order);
    b->x = calloc(r->batch, r->images.dim * sizeof *b->x);
    return b->order && b->x ? 0 : complain("no memory");
}

static void batch_fill(batch *b, const run *r, size_t t)
{
    const size_t count = r->images.size[DATA_TRAIN], dim = r->images.dim;
    const size_t each = count / r->batch, first = t % each * r->batch;
    if (t / each != b->epoch) {
        b->epoch = t / each;
        slivi_address at = {.seed = args_seed(r->args, "seed"),
                            .stream = STREAM_ORDER,
                            .step = b->epoch};
        slivi_permutation(&at, count, b->order);
    }
    for (size_t i = 0; i < r->batch; i++)
        memcpy(b->x + i * dim,
               data_image(&r->images, DATA_TRAIN, b->order[first + i]),
               dim * sizeof *b->x);
}

static int step(run *r, batch *b, slivi_vae_losses *now)
{
    const size_t t = slivi_vae_steps(r->vae);
    batch_fill(b, r, t);
    if (slivi_vae_step(r->vae, b->x, r->batch, now))
        return complain("%s", slivi_errmsg()); /* which names the step */
    r->sum.reconstruction += now->reconstruction;
    r->sum.prior += now->prior;
    r->sum.score += now->score;
    r->sum.stein += now->stein;
    r->sum.norm += now->norm;
    r->summed++;
    return 0;
}

static void show_progress(progress *bar, size_t at, const slivi_vae_losses *now)
{
    char note[64];
    if (!progress_is_due(bar))
        return;
    snprintf(note, sizeof note, "rec %.1f prior %.1f", now->reconstruction,
             now->prior);
    progress_show(bar, at, note);
}

/* At least one; every step when there are fewer than parts. */
static size_t part_of(size_t steps, size_t parts)
{
    return steps / parts ? steps / parts : 1;
}

static int train(run *r, batch *b)
{
    const size_t asked = args_size(r->args, "report-steps");
    const size_t report = asked ? asked : part_of(r->steps, 100);
    const size_t tenth = part_of(r->steps, 10);
    const double patience = (double)args_size(r->args, "save-seconds");
    size_t at = slivi_vae_steps(r->vae);
    slivi_vae_losses now;
    progress bar;
    int status = 0;
    progress_begin(&bar, args_given(r->args, "quiet"), "training", at,
                   r->steps);
    r->mark = r->saved = experiment_clock();
    while (at < r->steps && !experiment_signal() && !status) {
        status = step(r, b, &now);
        at = slivi_vae_steps(r->vae);
        if (!status && (at % tenth == 0 || at == r->steps))
            status = run_save(r, 1);
        else if (!status && experiment_clock() - r->saved > patience)
            status = run_save(r, 0);
        else if (!status && at % report == 0)
            status = run_line(r, 0);
        if (!status)
            show_progress(&bar, at, &now);
    }
    if (!status && experiment_signal())
        status = run_save(r, 0);
    progress_end(&bar);
    return status;
}

/* ---- results ------------------------------------------------------------- */

static int add_distances(run *r, json_t *result)
{
    evaluate_distances far;
    int status = evaluate_codes(r->vae, &r->images,
                                args_size(r->args, "threads"), &far);
    if (status)
        return status;
    record_number(result, "code_mmd", far.mmd);
    record_number(result, "code_mmd_floor", far.mmd_floor);
    record_number(result, "code_sliced_wasserstein", far.wasserstein);
    record_number(result, "code_sliced_wasserstein_floor",
                  far.wasserstein_floor);
    return 0;
}

/* What trained the run: where it is only evaluated, what the result of its
   training says. */
static void add_training(const run *r, json_t *result)
{
    static const char *const keys[] = {
        "threads", "version", "instruction_set", "blas_core", "compiler", NULL};
    json_t *old = args_given(r->args, "eval-only")
                      ? record_read(&r->place, "result.json")
                      : NULL;
    record_size(result, "threads", args_size(r->args, "threads"));
    record_text(result, "version", slivi_version());
    record_text(result, "instruction_set", slivi_instruction_set());
    record_text(result, "blas_core", slivi_blas_core());
    record_text(result, "compiler", experiment_compiler());
    for (size_t i = 0; keys[i]; i++)
        if (json_object_get(old, keys[i]))
            json_object_set(result, keys[i], json_object_get(old, keys[i]));
    json_decref(old);
}

/* A number is one in the result. */
static void record_option(json_t *result, const run *r, const char *name)
{
    const char *text = args_text(r->args, name);
    if (slivi_options_find(r->spec->model, name)->kind == SLIVI_OPTION_REAL)
        record_number(result, name, strtod(text, NULL));
    else
        record_text(result, name, text);
}

static int make_result(run *r, json_t *result)
{
    static const char *const copied[] = {
        "reconstruction", "prior", "score", "stein", "validation_error", NULL};
    const double steps = (double)slivi_vae_steps(r->vae);
    double error = 0;
    record_text(result, "program", program_name);
    record_text(result, "data", args_text(r->args, "data"));
    for (const char *const *k = r->spec->kinds; *k; k++)
        record_option(result, r, *k);
    record_size(result, "steps", slivi_vae_steps(r->vae));
    record_number(result, "seconds", r->seconds);
    record_number(result, "steps_per_second", steps / r->seconds);
    for (size_t i = 0; copied[i]; i++)
        json_object_set(result, copied[i], json_object_get(r->last, copied[i]));
    int status = evaluate_error(r->vae, &r->images, DATA_TEST, &error);
    record_number(result, "test_error", error);
    if (!status)
        status = add_distances(r, result);
    if (!status)
        status = nll_evaluate(&r->eval, r->args, r->vae, &r->images, &r->place,
                              result);
    record_size(result, "train_images", r->images.size[DATA_TRAIN]);
    record_text(result, "images", r->about);
    record_seed(result, "seed", args_seed(r->args, "seed"));
    add_training(r, result);
    return status;
}

static int finish(run *r)
{
    static const char *const files[] = {"samples.png", "reconstructions.png",
                                        "report.html", NULL};
    const int is_json = args_given(r->args, "json");
    json_t *result = json_object();
    int status = make_result(r, result);
    if (!status)
        status = record_write(&r->place, "result.json", json_incref(result));
    if (!status)
        status = run_show(r);
    if (!status)
        status = record_print(result, is_json);
    for (size_t i = 0; files[i] && !status && !is_json; i++)
        printf("%s%s/%s\n", i ? "" : "\n", r->place.folder, files[i]);
    json_decref(result);
    return status ? status : experiment_flush();
}

/* One line about the signal that ended a run, and the exit code. */
static int stopped(const run *r, const char *how)
{
    if (!args_given(r->args, "quiet"))
        complain("stopped %s step %zu; --resume goes on", how,
                 slivi_vae_steps(r->vae));
    return 128 + experiment_signal();
}

static int work(const autoencoder *spec, args *a)
{
    run r;
    batch b = {0};
    int status = run_open(&r, spec, a);
    if (!status)
        status = batch_make(&b, &r);
    if (!status && !args_given(a, "eval-only")
        && slivi_vae_steps(r.vae) < r.steps)
        status = train(&r, &b);
    if (!status && experiment_signal())
        status = stopped(&r, "at");
    else if (!status && (status = finish(&r)) > 128)
        status = stopped(&r, "evaluating, after");
    free(b.order);
    free(b.x);
    run_close(&r);
    return status;
}

int autoencoder_main(const autoencoder *spec, int argc, char **argv)
{
    args *a = args_create(&spec->args);
    int status = a ? 0 : complain("no memory");
    experiment_begin();
    if (a && experiment_arguments(a, argc, argv, list, &status))
        status = work(spec, a);
    args_free(a);
    return status;
}
