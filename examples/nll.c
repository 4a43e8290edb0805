/* nll.c - the log-likelihood of chosen images.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "nll.h"
#include "complain.h"
#include "evaluate.h"
#include "progress.h"
#include "record.h"

#include <slivi/ais.h>
#include <slivi/blas.h>
#include <slivi/io.h>
#include <slivi/random.h>
#include <slivi/vae_ais.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- options ------------------------------------------------------------ */

typedef struct own_options {
    char part[SLIVI_NAME_MAX], steps[SLIVI_NAME_MAX];
    size_t draws, chains, temperatures, leapfrogs, group;
} own_options;

static const char *const parts[] = {"test", "validation", NULL};
static const char *const step_rules[] = {"frozen", "led", NULL};

#define AT(field) offsetof(own_options, field)
const slivi_option nll_options[] = {
    {"eval-part", SLIVI_OPTION_NAME, AT(part), 0, 0, "test", parts,
     "images to evaluate on"},
    {"eval-draws", SLIVI_OPTION_SIZE, AT(draws), 10, 1e7, "2000", NULL,
     "is: draws for each image"},
    {"ais-chains", SLIVI_OPTION_SIZE, AT(chains), 1, 1e5, "16", NULL,
     "ais, bdmc: chains for each image"},
    {"ais-temperatures", SLIVI_OPTION_SIZE, AT(temperatures), 2, 1e7, "1000",
     NULL, "ais, bdmc: temperatures from prior to posterior"},
    {"ais-leapfrogs", SLIVI_OPTION_SIZE, AT(leapfrogs), 1, 1e5, "9", NULL,
     "ais, bdmc: leapfrogs of a transition"},
    {"ais-group", SLIVI_OPTION_SIZE, AT(group), 1, 1e5, "32", NULL,
     "ais, bdmc: images at a time"},
    {"ais-steps", SLIVI_OPTION_NAME, AT(steps), 0, 0, "frozen", step_rules,
     "ais: how step sizes are had"},
    {NULL, SLIVI_OPTION_REAL, 0, 0, 0, NULL, NULL, NULL},
};

static const struct {
    const char *name, *form, *help;
} methods[NLL_METHODS] = {
    [NLL_IS] = {"is", "is:N", "importance sampling for N random images"},
    [NLL_AIS] = {"ais", "ais:N",
                 "annealed importance sampling for the first N of the same"},
    [NLL_ELBO] =
        {"elbo", "elbo:N",
         "the ELBO, of encoders with noise, for the first N of the same"},
    [NLL_BDMC] = {"bdmc", "bdmc:N",
                  "AIS in both directions for N images of the model's own"},
};

void nll_list(void)
{
    printf("\neval: log-likelihood of images\n");
    experiment_choice("none", "not computed");
    for (int m = 0; m < NLL_METHODS; m++)
        experiment_choice(methods[m].form, methods[m].help);
}

/* NAME:N of the list, up to a comma; each method once. */
static int read_item(const char *item, size_t size, nll *out)
{
    for (int m = 0; m < NLL_METHODS; m++) {
        const size_t n = strlen(methods[m].name);
        if (size < n + 2 || size > n + 10 || item[n] != ':'
            || strncmp(item, methods[m].name, n)
            || strspn(item + n + 1, "0123456789") < size - n - 1)
            continue;
        const size_t images = strtoul(item + n + 1, NULL, 10);
        const int is_first = !out->images[m];
        out->images[m] = images;
        return images && is_first;
    }
    return 0;
}

int nll_read(const args *a, int has_elbo, nll *out)
{
    const char *text = args_text(a, "eval"), *item = text;
    const char *part = args_text(a, "eval-part");
    *out = (nll){.part = strcmp(part, "test") ? DATA_VALIDATION : DATA_TEST};
    if (!strcmp(text, "none"))
        return 0;
    for (size_t size;; item += size + 1) {
        size = strcspn(item, ",");
        if (!read_item(item, size, out))
            return complain_usage("option eval: \"%.64s\" is neither none nor "
                                  "a list of is:N, ais:N, elbo:N and bdmc:N",
                                  text);
        if (!item[size])
            break;
    }
    return has_elbo || !out->images[NLL_ELBO]
               ? 0
               : complain_usage("option eval: an encoder without noise has no "
                                "ELBO");
}

/* Images that are evaluated at all, by one method or more. */
static size_t most_images(const nll *n)
{
    size_t most = 0;
    for (int m = 0; m < NLL_BDMC; m++)
        most = n->images[m] > most ? n->images[m] : most;
    return most;
}

int nll_check(const nll *n, const data *d)
{
    return most_images(n) <= d->size[n->part]
               ? 0
               : complain_usage("option eval: there are only %zu %s images",
                                d->size[n->part],
                                parts[n->part == DATA_VALIDATION]);
}

/* ---- what is evaluated --------------------------------------------------- */

enum { /* draws; the first of DATA_SEED, the same in all runs */
       STREAM_CHOICE = 1,
       STREAM_IS = 5, /* of the model's, beside evaluate.c's */
       STREAM_BDMC,
       STREAM_ELBO = 9
};

enum { PILOTS = 32, PILOT_CHAINS = 4, PASSES = 2, ESTIMATES = NLL_AIS + 1 };

typedef struct task {
    const nll *what;
    const args *args;
    slivi_vae *vae;
    const data *data;
    size_t count;      /* images */
    uint32_t *numbers; /* of all images of the part, the chosen ones first */
    float *x;          /* count x dim */
    double *nll[ESTIMATES], *se[ESTIMATES]; /* count; NaN: not computed */
    double *eps;                            /* step sizes of AIS */
    progress bar;
} task;

static int fail(int status)
{
    if (status == SLIVI_ECALLBACK && experiment_signal())
        return 128 + experiment_signal();
    return complain("%s", status ? slivi_errmsg() : "no memory");
}

/* Room for an estimate of each image, none computed yet. */
static int make_room(task *t)
{
    const size_t n = t->count + 1; /* it may be 0 */
    for (int m = 0; m < ESTIMATES; m++) {
        t->nll[m] = calloc(n, sizeof **t->nll);
        t->se[m] = calloc(n, sizeof **t->se);
        if (!t->nll[m] || !t->se[m])
            return fail(0);
        for (size_t i = 0; i < n; i++)
            t->nll[m][i] = t->se[m][i] = NAN;
    }
    return 0;
}

/* Chooses the images, never simply the first. */
static int make_task(task *t)
{
    const size_t of = t->data->size[t->what->part];
    const slivi_address at = {.seed = DATA_SEED, .stream = STREAM_CHOICE};
    t->numbers = calloc(of, sizeof *t->numbers);
    t->x = calloc(t->count + 1, t->data->dim * sizeof *t->x);
    if (!t->numbers || !t->x)
        return fail(0);
    slivi_permutation(&at, of, t->numbers);
    for (size_t i = 0; i < t->count; i++)
        evaluate_bits(t->vae, t->data, t->what->part, t->numbers[i],
                      t->x + i * t->data->dim);
    return make_room(t);
}

static void clear_task(task *t)
{
    for (int m = 0; m < ESTIMATES; m++) {
        free(t->nll[m]);
        free(t->se[m]);
    }
    free(t->eps);
    free(t->x);
    free(t->numbers);
}

static int show_progress(size_t done, void *ctx)
{
    progress_show(ctx, done, "");
    return experiment_signal();
}

static int ask_signal(size_t done, void *ctx)
{
    (void)done, (void)ctx;
    return experiment_signal();
}

static void begin_bar(task *t, const char *what, size_t total)
{
    progress_begin(&t->bar, args_given(t->args, "quiet"), what, 0, total);
}

static int end_bar(task *t, int status)
{
    progress_end(&t->bar);
    return status ? fail(status) : 0;
}

/* ---- the methods --------------------------------------------------------- */

/* The first n estimates of log p(x) are there. */
static int end_estimates(task *t, enum nll_method m, int status)
{
    for (size_t i = 0; i < t->what->images[m]; i++)
        t->nll[m][i] = -t->nll[m][i];
    return end_bar(t, status);
}

static int run_is(task *t)
{
    const size_t n = t->what->images[NLL_IS];
    begin_bar(t, "evaluating", n);
    return end_estimates(t, NLL_IS,
                         slivi_vae_log_likelihood(
                             t->vae, t->x, n, args_size(t->args, "eval-draws"),
                             STREAM_IS, t->nll[NLL_IS], t->se[NLL_IS],
                             show_progress, &t->bar));
}

static slivi_ais make_ais(const task *t)
{
    slivi_ais how = slivi_ais_default();
    how.chains = args_size(t->args, "ais-chains");
    how.temperatures = args_size(t->args, "ais-temperatures");
    how.leapfrogs = args_size(t->args, "ais-leapfrogs");
    how.seed = args_seed(t->args, "seed"); /* AIS has streams of its own */
    how.eps = t->eps;
    return how;
}

/* Step sizes from validation images, with other draws than the evaluation's;
   where validation images are evaluated, these come last among them. */
static int tune(task *t)
{
    const size_t have = t->data->size[DATA_VALIDATION], dim = t->data->dim;
    const size_t n = have < PILOTS ? have : PILOTS;
    slivi_ais how = make_ais(t);
    float *x = calloc(n, dim * sizeof *x);
    if (how.chains > PILOT_CHAINS)
        how.chains = PILOT_CHAINS;
    t->eps = calloc(how.temperatures, sizeof *t->eps);
    if (!x || !t->eps) {
        free(x);
        return fail(0);
    }
    for (size_t i = 0; i < n; i++) {
        const size_t last = have - 1 - i;
        const int is_part = t->what->part == DATA_VALIDATION;
        evaluate_bits(t->vae, t->data, DATA_VALIDATION,
                      is_part ? t->numbers[last] : last, x + i * dim);
    }
    int status = slivi_vae_ais_tune(t->vae, x, n, PASSES, &how, t->eps,
                                    ask_signal, NULL);
    free(x);
    return status ? fail(status) : 0;
}

/* Images of a group end together, so the bar counts their temperatures, by the
   pieces of work that were asked about since the last group ended. */
typedef struct pace {
    progress *bar;
    size_t images, group, temperatures; /* group: of images */
    size_t pieces;                      /* of a group, about */
    size_t done, seen;                  /* images; pieces since then */
} pace;

static int show_pace(size_t done, void *ctx)
{
    pace *p = ctx;
    p->seen = done > p->done ? 0 : p->seen + 1;
    p->done = done;
    size_t rest = p->images - done < p->group ? p->images - done : p->group;
    rest *= p->temperatures;
    const double part = (double)p->seen / (double)p->pieces;
    const size_t more = part < 1 ? (size_t)(part * (double)rest) : rest;
    progress_show(p->bar, done * p->temperatures + more, "");
    return experiment_signal();
}

/* directions: 2 where chains run back as well. */
static pace begin_pace(task *t, const char *what, enum nll_method m,
                       const slivi_ais *how, size_t directions)
{
    enum { PIECE = 256 }; /* chains, slivi/vae_ais.h */
    const size_t n = t->what->images[m];
    const size_t group = args_size(t->args, "ais-group");
    const size_t rows = (group < n ? group : n) * how->chains;
    begin_bar(t, what, n * how->temperatures);
    return (pace){.bar = &t->bar,
                  .images = n,
                  .group = group,
                  .temperatures = how->temperatures,
                  .pieces = directions * (rows + PIECE - 1) / PIECE
                            * how->temperatures * how->leapfrogs};
}

static int run_ais(task *t)
{
    const size_t n = t->what->images[NLL_AIS];
    slivi_ais how = make_ais(t);
    if (!strcmp(args_text(t->args, "ais-steps"), "led"))
        how.eps = NULL;
    pace p = begin_pace(t, "annealing", NLL_AIS, &how, 1);
    return end_estimates(
        t, NLL_AIS,
        slivi_vae_ais(t->vae, t->x, n, &how, args_size(t->args, "ais-group"),
                      t->nll[NLL_AIS], t->se[NLL_AIS], show_pace, &p));
}

/* Mean and standard error of n values; of one, the error is NaN. */
static void moments(size_t n, const double *x, double *mean, double *se)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += pow(x[i] - *mean, 2);
    *se = sqrt(squares / ((double)n - 1) / (double)n);
}

static void record_moments(json_t *result, const char *key, const char *se_key,
                           size_t n, const double *x)
{
    double mean, se;
    moments(n, x, &mean, &se);
    record_number(result, key, mean);
    record_number(result, se_key, se);
}

/* The ELBO, and how far below log p(x) it is. */
static int run_elbo(task *t, json_t *result)
{
    enum { DRAWS = 2000 };
    const size_t n = t->what->images[NLL_ELBO], is = t->what->images[NLL_IS];
    const size_t least = slivi_vae_latent(t->vae) + 2;
    double *elbo = calloc(n, sizeof *elbo);
    int code = elbo ? 0 : fail(0);
    begin_bar(t, "encoding", n);
    if (!code)
        code = end_bar(
            t, slivi_vae_elbo(t->vae, t->x, n, DRAWS > least ? DRAWS : least,
                              STREAM_ELBO, elbo, show_progress, &t->bar));
    if (!code) {
        record_moments(result, "elbo", "elbo_se", n, elbo);
        record_size(result, "elbo_images", n);
    }
    for (size_t i = 0; i < n && !code; i++)
        elbo[i] = -t->nll[NLL_IS][i] - elbo[i];
    if (!code && is) {
        const size_t both = n < is ? n : is;
        record_moments(result, "inference_gap", "inference_gap_se", both, elbo);
        record_size(result, "inference_gap_images", both);
    }
    free(elbo);
    return code;
}

/* Bounds of log p(x) from above and below, of images whose z is known. */
static int run_bdmc(task *t, json_t *result)
{
    const size_t n = t->what->images[NLL_BDMC];
    const slivi_ais how = make_ais(t);
    double *below = calloc(n, sizeof *below), *above = calloc(n, sizeof *above);
    int code = below && above ? 0 : fail(0);
    pace p = begin_pace(t, "bounding", NLL_BDMC, &how, 2);
    if (!code)
        code = end_bar(t, slivi_vae_ais_gap(
                              t->vae, n, &how, args_size(t->args, "ais-group"),
                              STREAM_BDMC, below, above, show_pace, &p));
    for (size_t i = 0; i < n && !code; i++)
        above[i] -= below[i];
    if (!code) {
        record_moments(result, "bdmc_gap", "bdmc_gap_se", n, above);
        record_size(result, "bdmc_images", n);
    }
    free(above);
    free(below);
    return code;
}

/* ---- what comes of them -------------------------------------------------- */

enum { FAR = 1 }; /* nats */

/* Importance sampling is believed where AIS finds hardly more: it has missed
   a mode otherwise.  What AIS finds more, if it does on average, is then taken
   off the mean.  Both are lower bounds of log p on average, so where AIS finds
   less, it is AIS that missed. */
static int compare(const task *t, json_t *result)
{
    const size_t *asked = t->what->images;
    const size_t n = asked[NLL_IS] < asked[NLL_AIS] ? asked[NLL_IS]
                                                    : asked[NLL_AIS];
    double mean, se, all, all_se, far = 0, off = 0;
    double *more = n ? calloc(n, sizeof *more) : NULL;
    if (!more)
        return n ? fail(0) : 0;
    for (size_t i = 0; i < n; i++) {
        more[i] = t->nll[NLL_IS][i] - t->nll[NLL_AIS][i];
        far += !(more[i] <= FAR);
    }
    moments(n, more, &mean, &se);
    moments(asked[NLL_IS], t->nll[NLL_IS], &all, &all_se);
    const int is_accepted = mean <= 0.10 + 2 * se && far <= 0.02 * (double)n;
    record_number(result, "ais_minus_is", mean);
    record_number(result, "ais_minus_is_se", se);
    record_number(result, "ais_far", far / (double)n);
    json_object_set_new(result, "is_accepted", json_boolean(is_accepted));
    if (!is_accepted && mean > 0)
        off = mean;
    record_number(result, "nll_corrected", all - off);
    record_number(result, "nll_corrected_se",
                  off > 0 ? hypot(all_se, se) : all_se);
    free(more);
    return 0;
}

static void record_means(const task *t, json_t *result)
{
    const size_t *asked = t->what->images;
    const enum nll_method first = asked[NLL_IS] ? NLL_IS : NLL_AIS;
    record_moments(result, "nll", "nll_se", asked[first], t->nll[first]);
    record_text(result, "eval_method", methods[first].name);
    record_size(result, "eval_images", asked[first]);
    if (asked[NLL_IS])
        record_size(result, "eval_draws", args_size(t->args, "eval-draws"));
    if (!asked[NLL_AIS])
        return;
    record_moments(result, "ais_nll", "ais_nll_se", asked[NLL_AIS],
                   t->nll[NLL_AIS]);
    record_size(result, "ais_images", asked[NLL_AIS]);
}

/* How AIS was run: config.json tells of the training. */
static void record_ais(const task *t, json_t *result)
{
    record_text(result, "ais_steps", args_text(t->args, "ais-steps"));
    record_size(result, "ais_chains", args_size(t->args, "ais-chains"));
    record_size(result, "ais_temperatures",
                args_size(t->args, "ais-temperatures"));
    record_size(result, "ais_leapfrogs", args_size(t->args, "ais-leapfrogs"));
    record_size(result, "ais_group", args_size(t->args, "ais-group"));
}

static int write_images(const task *t, const experiment *e)
{
    enum { COLUMNS = 5 };
    char path[EXPERIMENT_PATH];
    double *rows = calloc(t->count, COLUMNS * sizeof *rows);
    for (size_t i = 0; rows && i < t->count; i++) {
        double *row = rows + COLUMNS * i;
        row[0] = (double)t->numbers[i];
        for (int m = 0; m < ESTIMATES; m++) {
            row[1 + 2 * m] = t->nll[m][i];
            row[2 + 2 * m] = t->se[m][i];
        }
    }
    experiment_path(e, "nll.npy", path);
    int status = rows ? slivi_npy_write(path, t->count, COLUMNS, rows) : 0;
    int code = rows && !status ? 0 : fail(status);
    free(rows);
    return code;
}

/* nll.npy of this evaluation in place of that of an earlier one. */
static int replace_images(const task *t, const experiment *e)
{
    char path[EXPERIMENT_PATH];
    if (t->what->images[NLL_IS] || t->what->images[NLL_AIS])
        return write_images(t, e);
    experiment_path(e, "nll.npy", path);
    unlink(path);
    return 0;
}

/* Runs what is asked for, the means into result. */
static int run(task *t, const experiment *e, json_t *result)
{
    const size_t *asked = t->what->images;
    const int is_led = !strcmp(args_text(t->args, "ais-steps"), "led");
    int code = make_task(t);
    if (!code && asked[NLL_IS])
        code = run_is(t);
    if (!code && (asked[NLL_BDMC] || (asked[NLL_AIS] && !is_led)))
        code = tune(t);
    if (!code && asked[NLL_AIS])
        code = run_ais(t);
    if (!code && t->count)
        record_text(result, "eval_part", args_text(t->args, "eval-part"));
    if (!code && (asked[NLL_IS] || asked[NLL_AIS]))
        record_means(t, result);
    if (!code && (asked[NLL_AIS] || asked[NLL_BDMC]))
        record_ais(t, result);
    if (!code)
        code = compare(t, result);
    if (!code && asked[NLL_ELBO])
        code = run_elbo(t, result);
    if (!code && asked[NLL_BDMC])
        code = run_bdmc(t, result);
    return code ? code : replace_images(t, e);
}

int nll_evaluate(const nll *n, const args *a, slivi_vae *v, const data *d,
                 const experiment *e, json_t *result)
{
    const double begin = experiment_clock();
    task t = {
        .what = n, .args = a, .vae = v, .data = d, .count = most_images(n)};
    if (!t.count && !n->images[NLL_BDMC])
        return replace_images(&t, e);
    int code = run(&t, e, result);
    if (!code) {
        record_number(result, "eval_seconds", experiment_clock() - begin);
        record_text(result, "eval_blas_core", slivi_blas_core());
    }
    clear_task(&t);
    return code;
}
