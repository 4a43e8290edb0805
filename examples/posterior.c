/* posterior.c - fit a posterior to a log density, judge it: slivi-posterior.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "complain.h"
#include "inference.h"
#include "marginals.h"
#include "outcome.h"
#include "reference.h"

#include <slivi/learn.h>
#include <slivi/status.h>

#include <stdlib.h>
#include <string.h>

const char program_name[] = "slivi-posterior";

enum { SHOWN = 20 }; /* parameters in the table on stdout */

static const args_word words[] = {
    {"target", ARGS_TEXT, "NAME", "banana",
     "log density to follow: a name, or bridgestan:SO,JSON; list: all names"},
    {"data", ARGS_TEXT, "FILE", NULL, "the target's data, CSV or JSON"},
    {"reference", ARGS_TEXT, "WHAT", NULL,
     "draws to compare with: FILE.csv, FILE.csv.gz, hmc, exact or none; "
     "without it exact where exact draws are known, else none"},
    {"resume", ARGS_SWITCH, NULL, NULL,
     "go on with the run in DIR, with its options"},
    {"eval-only", ARGS_SWITCH, NULL, NULL,
     "evaluate the run in DIR without training"},
    EXPERIMENT_WORDS("slivi-posterior-out"),
    {NULL, ARGS_SWITCH, NULL, NULL, NULL},
};
static const args_table tables[] = {
    {"Inference", inference_options},
    {"Posterior", slivi_posterior_options},
    {"Learning", slivi_learning_options},
    {NULL, NULL},
};
static const args_spec spec = {
    "Fits a posterior to a log density, draws from it, and says whether the "
    "draws can be\nbelieved.",
    words,
    tables,
};

/* ---- results ------------------------------------------------------------- */

static void record_run(const inference *r, json_t *result)
{
    static const char *const texts[] = {"target", "data", "posterior",
                                        "entropy", NULL};
    record_text(result, "program", program_name);
    for (size_t i = 0; texts[i]; i++)
        if (args_text(r->args, texts[i]))
            record_text(result, texts[i], args_text(r->args, texts[i]));
    record_seed(result, "seed", args_seed(r->args, "seed"));
    record_size(result, "dimension", slivi_target_dim(r->target));
    record_size(result, "steps", r->step);
    record_number(result, "seconds", r->seconds);
    record_number(result, "steps_per_second", (double)r->step / r->seconds);
    record_seed(result, "evaluations", r->points);
    record_size(result, "threads", args_size(r->args, "threads"));
    record_number(result, "best_bound", r->best);
    record_size(result, "draws", args_size(r->args, "draws"));
    record_text(result, "version", slivi_version());
}

static int print(const inference *r, const outcome *o, const json_t *result)
{
    if (args_given(r->args, "json"))
        return record_print(result, 1);
    json_t *flat = json_copy((json_t *)result);
    json_object_del(flat, "parameters");
    json_object_del(flat, "checks");
    int status = record_print(flat, 0);
    json_decref(flat);
    putchar('\n');
    table_print(&o->table, SHOWN);
    if (o->verdict) {
        putchar('\n');
        if (slivi_verdict_print(o->verdict, stdout))
            status = complain("standard output: %s", slivi_errmsg());
    }
    const char *folder = r->place.folder;
    printf("\n%s/report.html\n%s/draws.csv\n", folder, folder);
    return status ? status : experiment_flush();
}

static int finish(const inference *r, reference *ref)
{
    outcome o;
    json_t *result = json_object();
    record_run(r, result);
    int status = outcome_make(&o, r, ref, result);
    if (!status)
        status = record_write(&r->place, "result.json", json_incref(result));
    if (!status)
        status = marginals_report(r, &o, ref);
    if (!status)
        status = print(r, &o, result);
    outcome_clear(&o);
    json_decref(result);
    return status;
}

/* ---- the program --------------------------------------------------------- */

static int stopped(const inference *r, const char *how)
{
    if (!args_given(r->args, "quiet"))
        complain("stopped %s step %zu; --resume goes on", how, r->step);
    return 128 + experiment_signal();
}

static int work(args *a)
{
    inference r;
    reference ref = {0};
    int status = inference_open(&r, a);
    if (!status)
        status = reference_open(&ref, &r);
    if (!status)
        status = inference_begin(&r);
    if (!status && !args_given(a, "eval-only"))
        status = inference_train(&r);
    if (!status && experiment_signal())
        status = stopped(&r, "at");
    else if (!status && (status = finish(&r, &ref)) > 128)
        status = stopped(&r, "evaluating, after");
    reference_clear(&ref);
    inference_close(&r);
    return status;
}

int main(int argc, char **argv)
{
    args *a = args_create(&spec);
    int status = a ? inference_defaults(a) : complain("no memory");
    experiment_begin();
    if (!status
        && experiment_arguments(a, argc, argv, inference_list, &status)) {
        const int is_list = !strcmp(args_text(a, "target"), "list");
        if (is_list)
            inference_list();
        status = is_list ? experiment_flush() : work(a);
    }
    args_free(a);
    return status;
}
