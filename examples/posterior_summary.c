/* posterior_summary.c - runs of slivi-posterior in a table.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posterior_summary.h"
#include "complain.h"
#include "experiment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- runs ---------------------------------------------------------------- */

typedef struct one {
    const char *folder;
    json_t *result, *config; /* owned */
    json_t *options;         /* those that tell rows apart; owned */
} one;

/* Runs that differ in their seeds alone. */
typedef struct row {
    const one **runs;
    size_t count;
} row;

typedef struct table {
    one *runs;
    row *rows;
    size_t runs_count, rows_count;
    const char **options; /* names of those that rows differ in */
    size_t options_count;
} table;

static json_t *load(const char *folder, const char *name)
{
    char path[EXPERIMENT_PATH];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return json_load_file(path, 0, NULL);
}

static int is_run(const json_t *config)
{
    const char *name = json_string_value(json_object_get(config, "program"));
    return name && !strcmp(name, "slivi-posterior");
}

int posterior_summary_is(const char *folder)
{
    json_t *config = load(folder, "config.json");
    const int is = is_run(config);
    json_decref(config);
    return is;
}

/* Options that change nothing of what is reported but its precision. */
static const char *const indifferent[] = {
    "seed",    "data",         "threads",     "reference",
    "verdict", "save-seconds", "chains",      "transitions",
    "reach",   "components",   "bound-draws", NULL,
};

static int read_run(one *o, const char *folder)
{
    *o = (one){.folder = folder};
    o->result = load(folder, "result.json");
    o->config = load(folder, "config.json");
    if (!is_run(o->config))
        return complain("%s: not a run of slivi-posterior, as the first one "
                        "is",
                        folder);
    if (!json_is_object(o->result))
        return complain("%s: no finished run: no result.json to be read",
                        folder);
    o->options = json_deep_copy(json_object_get(o->config, "options"));
    for (size_t i = 0; indifferent[i]; i++)
        json_object_del(o->options, indifferent[i]);
    return o->options ? 0 : complain("%s: config.json has no options", folder);
}

static const json_t *seed_of(const one *o)
{
    return json_object_get(o->result, "seed");
}

/* Puts a run where it belongs; of one row no seed is there twice. */
static int place_run(table *t, const one *o)
{
    row *r = t->rows;
    while (r < t->rows + t->rows_count
           && !json_equal(r->runs[0]->options, o->options))
        r++;
    for (size_t i = 0; i < r->count; i++)
        if (json_equal(seed_of(r->runs[i]), seed_of(o)))
            return complain("%s: the same run as %s", o->folder,
                            r->runs[i]->folder);
    if (r == t->rows + t->rows_count)
        t->rows_count++;
    if (!r->runs)
        r->runs = calloc(t->runs_count, sizeof *r->runs);
    if (!r->runs)
        return complain("no memory");
    r->runs[r->count++] = o;
    return 0;
}

/* target, posterior, entropy and steps always, and what rows differ in. */
static int find_options(table *t)
{
    static const char *const always[] = {"target", "posterior", "entropy",
                                         "steps"};
    enum { ALWAYS = sizeof always / sizeof *always };
    const char *name;
    json_t *value;
    const size_t most = json_object_size(t->runs[0].options) + ALWAYS;
    t->options = calloc(most, sizeof *t->options);
    if (!t->options)
        return complain("no memory");
    for (size_t i = 0; i < ALWAYS; i++)
        t->options[t->options_count++] = always[i];
    json_object_foreach(t->runs[0].options, name, value)
    {
        int differs = 0, is_there = 0;
        for (size_t i = 0; i < ALWAYS; i++)
            is_there |= !strcmp(always[i], name);
        for (size_t k = 0; k < t->rows_count; k++)
            differs |= !json_equal(
                value, json_object_get(t->rows[k].runs[0]->options, name));
        if (differs && !is_there)
            t->options[t->options_count++] = name;
    }
    return 0;
}

/* ---- numbers ------------------------------------------------------------- */

/* What is summed up over seeds; of a ratio how far it is from 1. */
static const struct measure {
    const char *key, *heading;
    int is_ratio, has_worst;
    const char *format;
} measures[] = {
    {"worst_shift_q", "mean q", 0, 1, "%.4f"},
    {"worst_ratio_q", "sd q", 1, 1, "%.4f"},
    {"worst_w1_q", "W1 q", 0, 1, "%.4f"},
    {"worst_shift_hmc", "mean HMC", 0, 1, "%.4f"},
    {"worst_ratio_hmc", "sd HMC", 1, 1, "%.4f"},
    {"energy", "energy", 0, 1, "%.5f"},
    {"energy_floor", "floor", 0, 0, "%.5f"},
    {"sliced_wasserstein", "SW", 0, 1, "%.4f"},
    {"sliced_wasserstein_floor", "floor", 0, 0, "%.4f"},
    {"kl", "KL", 0, 1, "%.4f"},
    {"kl_floor", "floor", 0, 0, "%.4f"},
    {"quadrant_tv", "TV", 0, 1, "%.4f"},
    {"quadrant_tv_floor", "floor", 0, 0, "%.4f"},
    {"khat", "k-hat", 0, 1, "%.2f"},
    {"evaluations", "gradients", 0, 0, "%.4g"},
    {"seconds", "seconds", 0, 1, "%.1f"},
};
static const char *const outcomes[] = {"pass", "fail", "unsure"};
enum {
    MEASURES = sizeof measures / sizeof *measures,
    OUTCOMES = sizeof outcomes / sizeof *outcomes,
    COLUMNS = 1 + 2 * MEASURES + OUTCOMES, /* seeds come first */
    CELL = 96
};

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median over the runs that have it, or the largest; NaN: none has. */
static double over_seeds(const row *r, const struct measure *m, int is_worst)
{
    double *x = calloc(r->count, sizeof *x), y = NAN;
    size_t n = 0;
    for (size_t i = 0; x && i < r->count; i++) {
        const json_t *v = json_object_get(r->runs[i]->result, m->key);
        if (json_is_number(v))
            x[n++] = m->is_ratio ? fabs(json_number_value(v) - 1)
                                 : json_number_value(v);
    }
    if (n) {
        qsort(x, n, sizeof *x, ascending);
        y = is_worst ? x[n - 1] : (x[(n - 1) / 2] + x[n / 2]) / 2;
    }
    free(x);
    return y;
}

static double count_outcomes(const row *r, const char *word)
{
    double n = 0, judged = 0;
    for (size_t i = 0; i < r->count; i++) {
        const char *v = json_string_value(
            json_object_get(r->runs[i]->result, "verdict"));
        judged += v != NULL;
        n += v && !strcmp(v, word);
    }
    return judged > 0 ? n : NAN;
}

static double number_of(const row *r, size_t i)
{
    if (i == 0)
        return (double)r->count;
    i--;
    if (i >= 2 * MEASURES)
        return count_outcomes(r, outcomes[i - 2 * MEASURES]);
    const struct measure *m = &measures[i / 2];
    return i % 2 && !m->has_worst ? NAN : over_seeds(r, m, i % 2);
}

/* The heading for people, or the key. */
static void name_of(size_t i, int is_key, char name[CELL])
{
    if (i == 0) {
        strcpy(name, "seeds");
        return;
    }
    i--;
    if (i >= 2 * MEASURES) {
        snprintf(name, CELL, is_key ? "verdict_%s" : "%s",
                 outcomes[i - 2 * MEASURES]);
        return;
    }
    const struct measure *m = &measures[i / 2];
    if (is_key)
        snprintf(name, CELL, "%s_%s", m->key, i % 2 ? "worst" : "median");
    else
        snprintf(name, CELL, "%s", i % 2 ? "worst" : m->heading);
}

static int is_shown(const table *t, size_t i)
{
    for (size_t k = 0; k < t->rows_count; k++)
        if (!isnan(number_of(&t->rows[k], i)))
            return 1;
    return 0;
}

/* ---- printing ------------------------------------------------------------ */

/* The cell of a row, or of the heading where r is NULL. */
static void write_cell(const table *t, const row *r, size_t i, int all,
                       char cell[CELL])
{
    if (i < t->options_count) {
        const char *text = r ? json_string_value(json_object_get(
                               r->runs[0]->options, t->options[i]))
                             : t->options[i];
        char *end = NULL;
        const double number = text && *text ? strtod(text, &end) : 0;
        if (end && !*end && r)
            snprintf(cell, CELL, "%.10g", number);
        else
            snprintf(cell, CELL, "%s", text ? text : "-");
        return;
    }
    i -= t->options_count;
    const double value = r ? number_of(r, i) : 0;
    const int is_count = i == 0 || i > 2 * MEASURES;
    const char *format = is_count ? "%.0f" : measures[(i - 1) / 2].format;
    if (!r)
        name_of(i, all, cell);
    else if (isnan(value))
        snprintf(cell, CELL, "%s", all ? "" : "-");
    else
        snprintf(cell, CELL, all ? "%.10g" : format, value);
}

static void print_text(const table *t, const size_t *wide, int is_markdown)
{
    char cell[CELL];
    for (size_t k = 0; k <= t->rows_count; k++) {
        const char *gap = is_markdown ? "| " : "";
        for (size_t i = 0; i < t->options_count + COLUMNS; i++) {
            if (!wide[i])
                continue;
            const int width = (int)wide[i];
            write_cell(t, k ? &t->rows[k - 1] : NULL, i, 0, cell);
            printf("%s%*s", gap, i < t->options_count ? -width : width, cell);
            gap = is_markdown ? " | " : "  ";
        }
        puts(is_markdown ? " |" : "");
        for (size_t i = 0; i < t->options_count + COLUMNS && !k; i++)
            if (is_markdown && wide[i])
                printf(i < t->options_count ? "|---" : "|---:");
        if (is_markdown && !k)
            puts("|");
    }
}

static void print_csv(const table *t, const size_t *wide)
{
    char cell[CELL];
    for (size_t k = 0; k <= t->rows_count; k++) {
        const char *gap = "";
        for (size_t i = 0; i < t->options_count + COLUMNS; i++) {
            if (!wide[i])
                continue;
            write_cell(t, k ? &t->rows[k - 1] : NULL, i, 1, cell);
            const char *quote = strchr(cell, ',') ? "\"" : "";
            printf("%s%s%s%s", gap, quote, cell, quote);
            gap = ",";
        }
        putchar('\n');
    }
}

static void print_json(const table *t)
{
    char name[CELL];
    json_t *all = json_array();
    for (size_t k = 0; k < t->rows_count; k++) {
        const row *r = &t->rows[k];
        json_t *o = json_object(), *folders = json_array();
        for (size_t i = 0; i < t->options_count; i++)
            json_object_set(
                o, t->options[i],
                json_object_get(r->runs[0]->options, t->options[i]));
        for (size_t i = 0; i < COLUMNS; i++) {
            const double value = number_of(r, i);
            name_of(i, 1, name);
            if (!isnan(value))
                json_object_set_new(o, name, json_real(value));
        }
        for (size_t i = 0; i < r->count; i++)
            json_array_append_new(folders, json_string(r->runs[i]->folder));
        json_object_set_new(o, "folders", folders);
        json_array_append_new(all, o);
    }
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(all);
}

static int print(const table *t, const args *a)
{
    const size_t columns = t->options_count + COLUMNS;
    const int is_csv = args_given(a, "csv");
    size_t *wide = calloc(columns, sizeof *wide);
    char cell[CELL];
    if (!wide)
        return complain("no memory");
    for (size_t i = 0; i < columns; i++)
        for (size_t k = 0; k <= t->rows_count; k++) {
            if (i >= t->options_count && !is_shown(t, i - t->options_count))
                continue;
            write_cell(t, k ? &t->rows[k - 1] : NULL, i, is_csv, cell);
            wide[i] = strlen(cell) > wide[i] ? strlen(cell) : wide[i];
        }
    if (args_given(a, "json"))
        print_json(t);
    else if (is_csv)
        print_csv(t, wide);
    else
        print_text(t, wide, args_given(a, "markdown"));
    free(wide);
    return experiment_flush();
}

/* ---- all of it ----------------------------------------------------------- */

int posterior_summary(size_t count, char **folders, const args *a)
{
    table t = {0};
    int status = 0;
    if (args_text(a, "against"))
        return complain_usage("--against: runs of slivi-posterior have no "
                              "images to compare");
    t.runs = calloc(count, sizeof *t.runs);
    t.rows = calloc(count, sizeof *t.rows);
    if (!t.runs || !t.rows)
        status = complain("no memory");
    for (; t.runs_count < count && !status; t.runs_count++)
        status = read_run(&t.runs[t.runs_count], folders[t.runs_count]);
    for (size_t i = 0; i < count && !status; i++)
        status = place_run(&t, &t.runs[i]);
    if (!status)
        status = find_options(&t);
    if (!status)
        status = print(&t, a);
    for (size_t i = 0; i < t.runs_count; i++) {
        json_decref(t.runs[i].result);
        json_decref(t.runs[i].config);
        json_decref(t.runs[i].options);
    }
    for (size_t i = 0; i < t.rows_count; i++)
        free(t.rows[i].runs);
    free(t.options);
    free(t.rows);
    free(t.runs);
    return status;
}
