/* summary.c - what the folder of a run says, for slivi-results.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "summary.h"
#include "complain.h"
#include "experiment.h"

#include <slivi/learn.h>
#include <slivi/status.h>
#include <slivi/wae.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- numbers and text ---------------------------------------------------- */

double summary_number(const summary *s, const char *key)
{
    const json_t *value = json_object_get(s->result, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *summary_option(const summary *s, const char *name)
{
    const char *text = json_string_value(json_object_get(s->options, name));
    const slivi_option *tables[] = {s->table, slivi_learning_options};
    for (size_t t = 0; !text && t < sizeof tables / sizeof *tables; t++) {
        const slivi_option *o = slivi_options_find(tables[t], name);
        text = o ? o->initial : NULL;
    }
    return text;
}

int summary_same_text(const char *a, const char *b)
{
    char *a_end, *b_end;
    if (!a || !b || !*a || !*b)
        return a == b || (a && b && !*a && !*b);
    const double x = strtod(a, &a_end), y = strtod(b, &b_end);
    return !strcmp(a, b) || (!*a_end && !*b_end && x == y);
}

/* ---- reading ------------------------------------------------------------- */

/* The object in a file of the folder. */
static int read_object(const char *folder, const char *name, json_t **object)
{
    char path[EXPERIMENT_PATH];
    json_error_t error;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    *object = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!*object && error.line > 0)
        return complain("%s: line %d: %s", path, error.line, error.text);
    if (!*object)
        return complain("%s: no finished run: no %s to be read", folder, name);
    if (!json_is_object(*object))
        return complain("%s: not a JSON object", path);
    return 0;
}

/* mnist:/some/where/mnist/ is mnist:mnist. */
static void shorten(const char *spec, char *text, size_t room)
{
    const char *colon = strchr(spec, ':');
    size_t end = strlen(spec), first;
    while (end && spec[end - 1] == '/')
        end--;
    for (first = end; first && spec[first - 1] != '/'; first--)
        ;
    if (colon && first > (size_t)(colon - spec))
        snprintf(text, room, "%.*s%.*s", (int)(colon + 1 - spec), spec,
                 (int)(end - first), spec + first);
    else
        snprintf(text, room, "%s", spec);
}

static int take_program(summary *s)
{
    static const struct {
        const char *program, *model;
        const slivi_option *table;
    } programs[] = {
        {"slivi-vae", "vae", slivi_vae_options},
        {"slivi-wae", "wae", slivi_wae_options},
    };
    const char *name = json_string_value(json_object_get(s->config, "program"));
    const char *images;
    for (size_t i = 0; name && i < sizeof programs / sizeof *programs; i++)
        if (!strcmp(name, programs[i].program)) {
            s->model = programs[i].model;
            s->table = programs[i].table;
        }
    s->options = json_object_get(s->config, "options");
    if (!s->model || !json_is_object(s->options))
        return complain("%s: config.json is not that of a run of slivi-vae or "
                        "slivi-wae",
                        s->folder);
    images = json_string_value(json_object_get(s->options, "data"));
    shorten(images ? images : "", s->data, sizeof s->data);
    return 0;
}

static double entry(const summary *s, size_t i, size_t column)
{
    return (double)s->images.data[i * s->images.shape[1] + column];
}

/* nll.npy, which must be what result.json is about: float has seven digits. */
static int read_images(summary *s)
{
    char path[EXPERIMENT_PATH];
    double sum = 0, size = summary_number(s, "eval_images");
    size_t n = 0;
    snprintf(path, sizeof path, "%s/nll.npy", s->folder);
    if (slivi_npy_read(path, &s->images))
        return complain("%s", slivi_errmsg());
    if (s->images.rank != 2
        || (s->images.shape[1] != 3 && s->images.shape[1] != 5))
        return complain("%s: not an array of 3 or 5 columns", path);
    for (size_t i = 0; i < summary_images(s); i++) {
        const double number = entry(s, i, 0);
        if (!(number >= 0 && number < 4294967296.0) || number != floor(number))
            return complain("%s: row %zu: %g is not an image's number", path, i,
                            number);
        if (!isnan(summary_value(s, i))) {
            sum += summary_value(s, i) + s->offset;
            n++;
        }
    }
    const double mean = sum / (double)n, told = summary_number(s, "nll");
    if ((double)n != size || !(fabs(mean - told) <= 1e-4 * (1 + fabs(told))))
        return complain("%s: not the images that result.json tells of: %zu, "
                        "mean %.4f, not %.0f, mean %.4f",
                        path, n, mean, size, told);
    return 0;
}

/* Importance sampling is corrected where AIS finds more. */
static int take_nll(summary *s)
{
    s->nll = s->nll_se = NAN;
    if (!isfinite(summary_number(s, "nll")))
        return 0;
    if (json_is_false(json_object_get(s->result, "is_accepted"))
        && summary_number(s, "ais_minus_is") > 0) {
        s->offset = summary_number(s, "ais_minus_is");
        s->offset_se = summary_number(s, "ais_minus_is_se");
    }
    s->nll = summary_number(s, "nll") - s->offset;
    s->nll_se = hypot(summary_number(s, "nll_se"), s->offset_se);
    return read_images(s);
}

int summary_read(const char *folder, summary *s)
{
    struct stat at;
    *s = (summary){.folder = folder};
    if (stat(folder, &at))
        return complain("%s: %s", folder, strerror(errno));
    int status = read_object(folder, "result.json", &s->result);
    if (!status)
        status = read_object(folder, "config.json", &s->config);
    if (!status)
        status = take_program(s);
    return status ? status : take_nll(s);
}

void summary_clear(summary *s)
{
    json_decref(s->result);
    json_decref(s->config);
    slivi_array_clear(&s->images);
    *s = (summary){0};
}

/* ---- images -------------------------------------------------------------- */

size_t summary_images(const summary *s)
{
    return s->images.count ? s->images.shape[0] : 0;
}

size_t summary_image(const summary *s, size_t i)
{
    return (size_t)entry(s, i, 0);
}

double summary_value(const summary *s, size_t i)
{
    const char *how = json_string_value(
        json_object_get(s->result, "eval_method"));
    const int is_ais = s->images.shape[1] == 5 && how && !strcmp(how, "ais");
    return entry(s, i, is_ais ? 3 : 1) - s->offset;
}

/* ---- comparing ----------------------------------------------------------- */

int summary_has_default(const summary *s, const char *name)
{
    const slivi_option *o = slivi_options_find(s->table, name);
    o = o ? o : slivi_options_find(slivi_learning_options, name);
    return !o || summary_same_text(summary_option(s, name), o->initial);
}

/* Options of the tables that change neither the model nor what is reported of
   it, or have a column. */
static int is_indifferent(const char *name)
{
    static const char *const names[] = {"seed", "steps", "threads", NULL};
    for (size_t i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return 1;
    return 0;
}

const char *summary_option_name(const summary *s, size_t i)
{
    const slivi_option *tables[] = {s->table, slivi_learning_options};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const slivi_option *o = tables[t]; o->name; o++)
            if (!is_indifferent(o->name) && !i--)
                return o->name;
    return NULL;
}

/* Both have the same text in result.json; where one has none it is `otherwise`. */
static int same_result(const summary *a, const summary *b, const char *key,
                       const char *otherwise)
{
    const char *x = json_string_value(json_object_get(a->result, key));
    const char *y = json_string_value(json_object_get(b->result, key));
    return !strcmp(x ? x : otherwise, y ? y : otherwise);
}

/* Both have the same number in result.json, or none. */
static int same_number(const summary *a, const summary *b, const char *key)
{
    const double x = summary_number(a, key), y = summary_number(b, key);
    return x == y || (isnan(x) && isnan(y));
}

/* The images themselves, where both runs tell of them; else their place. */
static int same_images(const summary *a, const summary *b)
{
    const json_t *x = json_object_get(a->result, "images");
    const json_t *y = json_object_get(b->result, "images");
    return x && y ? json_equal(x, y) : !strcmp(a->data, b->data);
}

int summary_comparable(const summary *a, const summary *b)
{
    return same_images(a, b) && same_result(a, b, "eval_part", "test")
           && same_result(a, b, "eval_method", "is")
           && summary_same_text(summary_option(a, "likelihood"),
                                summary_option(b, "likelihood"))
           && same_number(a, b, "train_images");
}

int summary_alike(const summary *a, const summary *b)
{
    static const char *const numbers[] = {"steps", "eval_images", "eval_draws",
                                          NULL};
    const char *name;
    if (a->table != b->table || !summary_comparable(a, b)
        || summary_images(a) != summary_images(b)
        || !same_result(a, b, "ais_steps", ""))
        return 0;
    for (size_t i = 0; numbers[i]; i++)
        if (!same_number(a, b, numbers[i]))
            return 0;
    for (size_t i = 0; (name = summary_option_name(a, i)) != NULL; i++)
        if (!summary_same_text(summary_option(a, name),
                               summary_option(b, name)))
            return 0;
    return 1;
}
