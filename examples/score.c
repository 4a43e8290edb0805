/* score.c - samples in, scores out: slivi-score, an example of embedding.

   A score estimator learns d log q(z) / dz from samples of q alone.  Here q is
   a mixture of four Gaussians in the plane, whose score is known, so that what
   was learnt can be compared with the truth.  What a program of your own needs
   is in learn() below; the rest makes samples, compares and draws.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "complain.h"
#include "field.h"
#include "progress.h"
#include "record.h"

#include <slivi/io.h>
#include <slivi/learn.h>
#include <slivi/random.h>
#include <slivi/score.h>
#include <slivi/status.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char program_name[] = "slivi-score";

/* ---- the mixture -------------------------------------------------------- */

enum { PARTS = 4 };
static const struct {
    double share, mean[2], sd;
} parts[PARTS] = {
    {0.3, {2.0, 1.2}, 0.7},
    {0.3, {-1.8, 1.6}, 0.8},
    {0.2, {-1.4, -2.0}, 0.6},
    {0.2, {1.6, -1.6}, 1.0},
};

/* q(z), and d log q / dz unless score is NULL. */
static double density(const double z[2], double score[2])
{
    double sum = 0, gradient[2] = {0, 0};
    for (size_t k = 0; k < PARTS; k++) {
        double u = z[0] - parts[k].mean[0], v = z[1] - parts[k].mean[1];
        double variance = parts[k].sd * parts[k].sd;
        double q = parts[k].share / variance / (2 * acos(-1))
                   * exp(-(u * u + v * v) / (2 * variance));
        sum += q;
        gradient[0] -= q * u / variance;
        gradient[1] -= q * v / variance;
    }
    for (size_t i = 0; score && i < 2; i++)
        score[i] = gradient[i] / sum;
    return sum;
}

/* n samples, n x 2; the owner frees them. */
static double *sample(uint64_t seed, uint32_t stream, size_t n)
{
    const slivi_address at = {.seed = seed, .stream = stream};
    const slivi_address at_u = {.seed = seed, .stream = stream + 1};
    double *z = calloc(n, 2 * sizeof *z), *u = calloc(n, sizeof *u);
    if (z && u) {
        slivi_draw(slivi_law_normal, &at, n, 2, z);
        slivi_draw(slivi_law_uniform, &at_u, n, 1, u);
    }
    for (size_t i = 0; z && u && i < n; i++) {
        size_t k = 0;
        for (; k < PARTS - 1 && u[i] >= parts[k].share; k++)
            u[i] -= parts[k].share;
        for (size_t j = 0; j < 2; j++)
            z[2 * i + j] = parts[k].mean[j] + parts[k].sd * z[2 * i + j];
    }
    free(u);
    return z;
}

/* ---- learning ----------------------------------------------------------- */

static int report(const slivi_score_progress *p, void *ctx)
{
    char note[64];
    snprintf(note, sizeof note, "held-out objective %.4f", p->held_out);
    progress_show(ctx, p->step, note);
    return experiment_signal(); /* nonzero stops the fit */
}

/* Options by name, as text. */
static int set_options(slivi_score *s, const args *a)
{
    static const slivi_option *const both[] = {slivi_score_options,
                                               slivi_learning_options};
    for (size_t t = 0; t < 2; t++)
        for (const slivi_option *o = both[t]; o->name; o++)
            if (slivi_score_set_text(s, o->name, args_text(a, o->name)))
                return complain_usage("%s", slivi_errmsg());
    return 0;
}

static int learn(slivi_score *s, const double *z, size_t n, const args *a,
                 slivi_score_progress *end)
{
    progress bar;
    progress_begin(&bar, args_given(a, "quiet"), "learning", 0,
                   args_size(a, "steps"));
    int status = slivi_score_fit(s, z, NULL, n, report, &bar, end);
    progress_end(&bar);
    return status ? complain("%s", slivi_errmsg()) : 0;
}

/* ---- comparing ---------------------------------------------------------- */

/* E |s - s*|^2 / E |s*|^2 over n fresh samples. */
static int compare(const slivi_score *s, const double *z, size_t n,
                   const experiment *e, double *error)
{
    char path[EXPERIMENT_PATH];
    double *scores = calloc(n, 2 * sizeof *scores), above = 0, below = 0;
    int status = scores ? 0 : complain("no memory");
    if (!status && slivi_score_eval(s, z, NULL, n, scores, NULL))
        status = complain("%s", slivi_errmsg());
    for (size_t i = 0; i < n && !status; i++) {
        double truth[2];
        density(z + 2 * i, truth);
        for (size_t j = 0; j < 2; j++) {
            above += pow(scores[2 * i + j] - truth[j], 2);
            below += pow(truth[j], 2);
        }
    }
    *error = above / below;
    experiment_path(e, "samples.npy", path);
    if (!status && slivi_npy_write(path, n, 2, z))
        status = complain("%s", slivi_errmsg());
    experiment_path(e, "scores.npy", path);
    if (!status && slivi_npy_write(path, n, 2, scores))
        status = complain("%s", slivi_errmsg());
    free(scores);
    return status;
}

/* The density in colour, with true (white) and learnt (cyan) arrows. */
static int draw(const slivi_score *s, const experiment *e)
{
    enum { ARROWS = 19 };
    static const uint8_t white[] = {255, 255, 255}, cyan[] = {40, 225, 240};
    const double top = density(parts[2].mean, NULL);
    char path[EXPERIMENT_PATH];
    double x[2], v[ARROWS * ARROWS][2], z[ARROWS * ARROWS][2];
    field f;
    if (field_create(&f, 4.4))
        return EXIT_FAILED;
    for (size_t row = 0; row < FIELD_SIDE; row++)
        for (size_t column = 0; column < FIELD_SIDE; column++) {
            field_point(&f, row, column, x);
            field_colour(&f, row, column, sqrt(density(x, NULL) / top));
        }
    for (size_t i = 0; i < ARROWS * ARROWS; i++)
        field_point(&f, (2 * (i / ARROWS) + 1) * FIELD_SIDE / (2 * ARROWS),
                    (2 * (i % ARROWS) + 1) * FIELD_SIDE / (2 * ARROWS), z[i]);
    int status = slivi_score_eval(s, z[0], NULL, ARROWS * ARROWS, v[0], NULL)
                     ? complain("%s", slivi_errmsg())
                     : 0;
    for (size_t i = 0; i < ARROWS * ARROWS && !status; i++) {
        density(z[i], x);
        for (int learnt = 0; learnt < 2; learnt++) {
            const double *from = learnt ? v[i] : x, scale = 0.09;
            const double arrow[2] = {scale * from[0], scale * from[1]};
            field_arrow(&f, z[i], arrow, learnt ? cyan : white);
        }
    }
    experiment_path(e, "field.png", path);
    status = status ? status : field_write(&f, path);
    field_clear(&f);
    return status;
}

/* One line about the signal, and the exit code. */
static int stopped(const args *a, size_t step)
{
    if (!args_given(a, "quiet"))
        complain("stopped at step %zu; nothing is kept but config.json", step);
    return 128 + experiment_signal();
}

/* ---- the program -------------------------------------------------------- */

typedef struct own_options {
    char estimator[SLIVI_NAME_MAX];
    size_t samples, steps;
} own_options;

static const slivi_option options[] = {
    {"estimator", SLIVI_OPTION_NAME, offsetof(own_options, estimator), 0, 0,
     "ssm-vr", slivi_score_names, "how the score is learnt"},
    {"samples", SLIVI_OPTION_SIZE, offsetof(own_options, samples), 20, 1e8,
     "10000", NULL, "to learn from"},
    {"steps", SLIVI_OPTION_SIZE, offsetof(own_options, steps), 1, 1e9, "20000",
     NULL, "of training at most"},
    {NULL, SLIVI_OPTION_REAL, 0, 0, 0, NULL, NULL, NULL},
};

static const args_word words[] = {
    EXPERIMENT_WORDS("slivi-score-out"),
    {NULL, ARGS_SWITCH, NULL, NULL, NULL},
};

static const args_table tables[] = {
    {"The example", options},
    {"Estimator", slivi_score_options},
    {"Learning", slivi_learning_options},
    {NULL, NULL},
};

static const args_spec spec = {
    "Learns the score of a mixture of Gaussians from samples, compares it with "
    "the\ntruth and draws it.",
    words,
    tables,
};

static int write_result(const args *a, const experiment *e, double error,
                        const slivi_score_progress *end, double seconds)
{
    json_t *result = json_object();
    record_text(result, "estimator", args_text(a, "estimator"));
    record_size(result, "samples", args_size(a, "samples"));
    record_size(result, "steps", end->step);
    record_size(result, "best_step", end->best_step);
    record_number(result, "held_out", end->best);
    record_number(result, "fisher_error", error);
    record_number(result, "seconds", seconds);
    record_seed(result, "seed", args_seed(a, "seed"));
    record_size(result, "threads", args_size(a, "threads"));
    record_text(result, "version", slivi_version());
    int status = record_write(e, "result.json", json_incref(result));
    if (!status)
        status = record_print(result, args_given(a, "json"));
    if (!status && !args_given(a, "json"))
        printf("\n%s/field.png\n", e->folder);
    json_decref(result);
    return status ? status : experiment_flush();
}

static int work(args *a)
{
    const size_t n = args_size(a, "samples");
    const double begin = experiment_clock();
    const char *seed_from, *name = args_text(a, "estimator");
    char path[EXPERIMENT_PATH];
    slivi_score_progress end = {0};
    experiment e = {.lock = -1};
    double error = 0, *z = NULL, *fresh = NULL;
    int status = experiment_seed(a, &seed_from);
    slivi_score *s = status ? NULL : slivi_score_create(name, 2, 0);
    if (!status)
        status = s ? set_options(s, a) : complain("%s", slivi_errmsg());
    if (!status)
        status = experiment_open(&e, args_text(a, "out"));
    if (!status)
        status = record_config(&e, a, "seed_from", json_string(seed_from));
    if (!status) {
        z = sample(args_seed(a, "seed"), 100, n);
        fresh = sample(args_seed(a, "seed"), 200, n);
        status = z && fresh ? 0 : complain("no memory");
    }
    if (!status)
        status = learn(s, z, n, a, &end);
    if (!status && experiment_signal())
        status = stopped(a, end.step);
    if (!status)
        status = compare(s, fresh, n, &e, &error);
    if (!status)
        status = draw(s, &e);
    experiment_path(&e, "score.safetensors", path);
    if (!status && slivi_score_save(s, path))
        status = complain("%s", slivi_errmsg());
    if (!status)
        status = write_result(a, &e, error, &end, experiment_clock() - begin);
    free(z);
    free(fresh);
    slivi_score_free(s);
    experiment_close(&e);
    return status;
}

/* An estimator's defaults may differ from those of the tables. */
static int take_defaults(args *a)
{
    static const slivi_option *const both[] = {slivi_score_options,
                                               slivi_learning_options};
    char text[256];
    int status = 0;
    slivi_score *s = slivi_score_create("ssm-vr", 2, 0);
    for (size_t t = 0; s && t < 2; t++)
        for (const slivi_option *o = both[t]; o->name && !status; o++)
            if (strcmp(o->name, "steps") != 0
                && !slivi_score_get(s, o->name, text, sizeof text))
                status = args_default(a, o->name, text);
    slivi_score_free(s);
    return status;
}

int main(int argc, char **argv)
{
    args *a = args_create(&spec);
    int status = a ? take_defaults(a) : complain("no memory");
    experiment_begin();
    if (!status && experiment_arguments(a, argc, argv, NULL, &status))
        status = work(a);
    args_free(a);
    return status;
}
