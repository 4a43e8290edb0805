/* results.c - a table of runs that are over: slivi-results.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "complain.h"
#include "experiment.h"
#include "posterior_summary.h"
#include "record.h"
#include "summary.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char program_name[] = "slivi-results";

/* ---- rows ---------------------------------------------------------------- */

/* Runs that differ in their seeds alone, and means over them. */
typedef struct row {
    const summary **runs; /* owned */
    size_t count;
    int is_corrected; /* one of them, or more */
    double steps, seeds, images, nll, nll_se, nll_sd, difference, difference_se,
        pairs, gap, error, mmd, wasserstein, ms;
} row;

typedef struct table {
    summary *runs;
    row *rows;
    size_t runs_count, rows_count;
    const char **options; /* names of those that tell rows apart */
    size_t options_count;
    int has_data; /* so do the images */
} table;

static double mean_of(const row *r, const char *key)
{
    double sum = 0;
    for (size_t i = 0; i < r->count; i++)
        sum += summary_number(r->runs[i], key);
    return sum / (double)r->count;
}

/* A sum over images, numbers of which are not dense. */
typedef struct images {
    size_t room;   /* numbers are below that */
    double *sum;   /* of what belongs to an image */
    size_t *count; /* how often something came */
} images;

static int make_images(images *all, const table *t)
{
    *all = (images){.room = 1};
    for (size_t i = 0; i < t->runs_count; i++)
        for (size_t k = 0; k < summary_images(&t->runs[i]); k++)
            if (summary_image(&t->runs[i], k) >= all->room)
                all->room = summary_image(&t->runs[i], k) + 1;
    all->sum = calloc(all->room, sizeof *all->sum);
    all->count = calloc(all->room, sizeof *all->count);
    return all->sum && all->count ? 0 : complain("no memory");
}

static void clear_images(images *all)
{
    free(all->sum);
    free(all->count);
}

static void reset_images(images *all)
{
    memset(all->sum, 0, all->room * sizeof *all->sum);
    memset(all->count, 0, all->room * sizeof *all->count);
}

static void add_run(images *all, const summary *s, double factor)
{
    for (size_t i = 0; i < summary_images(s); i++) {
        const double value = summary_value(s, i);
        if (isnan(value))
            continue;
        all->sum[summary_image(s, i)] += factor * value;
        all->count[summary_image(s, i)]++;
    }
}

/* Mean, and its standard error, of sum / divisor over images to which `terms`
   came. */
static void over_images(const images *all, size_t terms, double divisor,
                        double *mean, double *se)
{
    double sum = 0, squares = 0, n = 0;
    for (size_t i = 0; i < all->room; i++)
        if (all->count[i] == terms) {
            sum += all->sum[i] / divisor;
            n++;
        }
    *mean = sum / n;
    for (size_t i = 0; i < all->room; i++)
        if (all->count[i] == terms)
            squares += pow(all->sum[i] / divisor - *mean, 2);
    *se = sqrt(squares / (n - 1) / n);
}

/* The standard error of the mean of the runs' corrections. */
static double correction_se(const row *r)
{
    double squares = 0;
    for (size_t i = 0; i < r->count; i++)
        squares += pow(r->runs[i]->offset_se, 2);
    return sqrt(squares) / (double)r->count;
}

/* Each image's mean over seeds is one value: seeds share their images. */
static void find_nll(row *r, images *all)
{
    double squares = 0, mean = 0;
    reset_images(all);
    for (size_t i = 0; i < r->count; i++) {
        add_run(all, r->runs[i], 1);
        mean += r->runs[i]->nll / (double)r->count;
        r->is_corrected |= r->runs[i]->offset != 0;
    }
    over_images(all, r->count, (double)r->count, &r->nll, &r->nll_se);
    r->nll_se = hypot(r->nll_se, correction_se(r));
    for (size_t i = 0; i < r->count; i++)
        squares += pow(r->runs[i]->nll - mean, 2);
    r->nll_sd = r->count > 1 ? sqrt(squares / (double)(r->count - 1)) : NAN;
}

static int same_seed(const summary *a, const summary *b)
{
    return summary_same_text(summary_option(a, "seed"),
                             summary_option(b, "seed"));
}

/* Image by image and seed by seed. */
static void find_difference(row *r, const row *base, images *all)
{
    double squares = 0;
    size_t pairs = 0;
    reset_images(all);
    for (size_t i = 0; i < r->count; i++)
        for (size_t j = 0; j < base->count; j++) {
            const summary *a = r->runs[i], *b = base->runs[j];
            if (!same_seed(a, b) || !summary_comparable(a, b))
                continue;
            add_run(all, a, 1);
            add_run(all, b, -1);
            squares += pow(a->offset_se, 2) + pow(b->offset_se, 2);
            pairs++;
        }
    r->pairs = (double)pairs;
    if (!pairs || r == base)
        return;
    over_images(all, 2 * pairs, (double)pairs, &r->difference,
                &r->difference_se);
    r->difference_se = hypot(r->difference_se, sqrt(squares) / (double)pairs);
}

/* Puts a run where it belongs; of one row no seed is there twice. */
static int place_run(table *t, const summary *s)
{
    row *r = t->rows;
    while (r < t->rows + t->rows_count && !summary_alike(r->runs[0], s))
        r++;
    for (size_t i = 0; i < r->count; i++)
        if (same_seed(r->runs[i], s))
            return complain("%s: the same run as %s", s->folder,
                            r->runs[i]->folder);
    if (r == t->rows + t->rows_count)
        t->rows_count++;
    if (!r->runs)
        r->runs = calloc(t->runs_count, sizeof *r->runs);
    if (!r->runs)
        return complain("no memory");
    r->runs[r->count++] = s;
    return 0;
}

static int fill_rows(table *t, const row *base)
{
    images all;
    int status = make_images(&all, t);
    for (row *r = t->rows; r < t->rows + t->rows_count && !status; r++) {
        r->steps = mean_of(r, "steps");
        r->seeds = (double)r->count;
        r->images = mean_of(r, "eval_images");
        r->gap = mean_of(r, "inference_gap");
        r->error = mean_of(r, "test_error");
        r->mmd = mean_of(r, "code_mmd");
        r->wasserstein = mean_of(r, "code_sliced_wasserstein");
        r->ms = 1000 * mean_of(r, "seconds") / r->steps;
        r->difference = r->difference_se = r->pairs = NAN;
        find_nll(r, &all);
        if (base)
            find_difference(r, base, &all);
    }
    clear_images(&all);
    return status;
}

/* The row that has the folder. */
static int find_base(const table *t, const char *folder, const row **base)
{
    struct stat wanted, have;
    *base = NULL;
    if (!folder)
        return 0;
    for (size_t i = 0; i < t->rows_count && !*base; i++)
        for (size_t k = 0; k < t->rows[i].count; k++)
            if (!stat(folder, &wanted)
                && !stat(t->rows[i].runs[k]->folder, &have)
                && wanted.st_dev == have.st_dev && wanted.st_ino == have.st_ino)
                *base = &t->rows[i];
    return *base
               ? 0
               : complain_usage("--against %s: not one of the folders", folder);
}

/* ---- what tells rows apart ----------------------------------------------- */

static const char *option_of(const row *r, const char *name)
{
    return summary_option(r->runs[0], name);
}

/* encoder, entropy and latent always; others where two rows that have them do
   not agree, and not just because the defaults of their programs do not. */
static int tells_apart(const table *t, const char *name)
{
    static const char *const always[] = {"encoder", "entropy", "latent"};
    const char *first = NULL;
    int differs = 0, is_chosen = 0;
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        if (!strcmp(name, always[i]))
            return 1;
    for (size_t i = 0; i < t->rows_count; i++) {
        const char *here = option_of(&t->rows[i], name);
        differs |= first && here && !summary_same_text(first, here);
        is_chosen |= !summary_has_default(t->rows[i].runs[0], name);
        first = first ? first : here;
    }
    return differs && is_chosen;
}

static int has_option(const table *t, const char *name)
{
    for (size_t i = 0; i < t->options_count; i++)
        if (!strcmp(t->options[i], name))
            return 1;
    return 0;
}

static int find_options(table *t)
{
    enum { MOST = 256 };
    t->options = calloc(MOST, sizeof *t->options);
    if (!t->options)
        return complain("no memory");
    for (size_t i = 0; i < t->rows_count; i++) {
        const summary *s = t->rows[i].runs[0];
        const char *name;
        t->has_data |= strcmp(s->data, t->runs[0].data) != 0;
        for (size_t k = 0; (name = summary_option_name(s, k)) != NULL; k++)
            if (!has_option(t, name) && t->options_count < MOST
                && tells_apart(t, name))
                t->options[t->options_count++] = name;
    }
    return 0;
}

/* ---- cells --------------------------------------------------------------- */

static const struct column {
    const char *heading, *key; /* in tables; in CSV and JSON */
    const char *format;
    size_t offset;
    int is_needed; /* also where no row has it */
} columns[] = {
    {"steps", "steps", "%.0f", offsetof(row, steps), 1},
    {"seeds", "seeds", "%.0f", offsetof(row, seeds), 1},
    {"images", "images", "%.0f", offsetof(row, images), 0},
    {"NLL", "nll", "%.2f", offsetof(row, nll), 1},
    {"SE", "nll_se", "%.2f", offsetof(row, nll_se), 1},
    {"sd(seed)", "nll_sd", "%.2f", offsetof(row, nll_sd), 0},
    {"diff", "difference", "%+.3f", offsetof(row, difference), 0},
    {"SE(diff)", "difference_se", "%.3f", offsetof(row, difference_se), 0},
    {"pairs", "pairs", "%.0f", offsetof(row, pairs), 0},
    {"gap", "inference_gap", "%.1f", offsetof(row, gap), 0},
    {"error", "test_error", "%.5f", offsetof(row, error), 1},
    {"MMD^2", "code_mmd", "%.3g", offsetof(row, mmd), 1},
    {"SW", "code_sliced_wasserstein", "%.3g", offsetof(row, wasserstein), 1},
    {"ms/step", "ms_per_step", "%.3g", offsetof(row, ms), 1},
};
enum { COLUMNS = sizeof columns / sizeof *columns, CELL = 128 };

static double number_of(const row *r, const struct column *c)
{
    double value;
    memcpy(&value, (const char *)r + c->offset, sizeof value);
    return value;
}

static int is_shown(const table *t, const struct column *c)
{
    for (size_t i = 0; i < t->rows_count; i++)
        if (!isnan(number_of(&t->rows[i], c)))
            return 1;
    return c->is_needed;
}

/* Texts that come before the numbers: the model, the data, options. */
static size_t count_texts(const table *t)
{
    return 1 + (size_t)t->has_data + t->options_count;
}

static const char *text_name(const table *t, size_t i)
{
    if (i == 0)
        return "model";
    i -= (size_t)t->has_data;
    return i == 0 ? "data" : t->options[i - 1];
}

static const char *text_of(const table *t, const row *r, size_t i)
{
    const summary *s = r->runs[0];
    if (i == 0)
        return s->model;
    return t->has_data && i == 1 ? s->data : summary_option(s, text_name(t, i));
}

/* 1 where the whole text is a number. */
static int is_number(const char *text, double *value)
{
    char *end = NULL;
    *value = text ? strtod(text, &end) : 0;
    return text && *text && !*end;
}

/* Numbers of options are shown as people write them. */
static void write_text(const char *text, int all, char cell[CELL])
{
    double value;
    if (!text)
        snprintf(cell, CELL, "%s", all ? "" : "-");
    else if (is_number(text, &value))
        snprintf(cell, CELL, "%.10g", value);
    else
        snprintf(cell, CELL, "%s", text);
}

/* The cell of a row, or of the heading where r is NULL; all: as much as there
   is, for programs. */
static void write_cell(const table *t, const row *r, size_t i, int all,
                       char cell[CELL])
{
    const size_t texts = count_texts(t);
    if (i < texts) {
        write_text(r ? text_of(t, r, i) : text_name(t, i), all, cell);
        return;
    }
    const struct column *c = &columns[i - texts];
    const double value = r ? number_of(r, c) : 0;
    const int is_marked = r && !all && r->is_corrected
                          && !strcmp(c->key, "nll");
    if (!r)
        snprintf(cell, CELL, "%s", all ? c->key : c->heading);
    else if (!isfinite(value))
        snprintf(cell, CELL, "%s", all ? "" : "-");
    else
        snprintf(cell, CELL, all ? "%.10g" : c->format, value);
    if (is_marked)
        strcat(cell, "*");
}

/* ---- printing ------------------------------------------------------------ */

static void print_line(const table *t, const row *r, const size_t *wide,
                       int is_markdown)
{
    const size_t texts = count_texts(t);
    const char *gap = is_markdown ? "| " : "";
    char cell[CELL];
    for (size_t i = 0; i < texts + COLUMNS; i++) {
        if (!wide[i])
            continue;
        write_cell(t, r, i, 0, cell);
        printf("%s%*s", gap, i < texts ? -(int)wide[i] : (int)wide[i], cell);
        gap = is_markdown ? " | " : "  ";
    }
    puts(is_markdown ? " |" : "");
}

/* Columns as wide as their widest cell; 0: not shown. */
static size_t *find_widths(const table *t)
{
    const size_t texts = count_texts(t);
    size_t *wide = calloc(texts + COLUMNS, sizeof *wide);
    char cell[CELL];
    for (size_t i = 0; wide && i < texts + COLUMNS; i++) {
        if (i >= texts && !is_shown(t, &columns[i - texts]))
            continue;
        for (size_t k = 0; k <= t->rows_count; k++) {
            write_cell(t, k ? &t->rows[k - 1] : NULL, i, 0, cell);
            wide[i] = strlen(cell) > wide[i] ? strlen(cell) : wide[i];
        }
    }
    return wide;
}

static int print_table(const table *t, int is_markdown)
{
    const size_t texts = count_texts(t);
    size_t *wide = find_widths(t);
    int is_corrected = 0;
    if (!wide)
        return complain("no memory");
    print_line(t, NULL, wide, is_markdown);
    for (size_t i = 0; i < texts + COLUMNS && is_markdown; i++)
        if (wide[i])
            printf(i < texts ? "|---" : "|---:");
    if (is_markdown)
        puts("|");
    for (size_t i = 0; i < t->rows_count; i++) {
        print_line(t, &t->rows[i], wide, is_markdown);
        is_corrected |= t->rows[i].is_corrected;
    }
    if (is_corrected)
        printf("\n%s importance sampling corrected by what AIS found more\n",
               is_markdown ? "\\*" : "*");
    free(wide);
    return experiment_flush();
}

/* Within quotes where it must be, which are doubled then. */
static void print_quoted(const char *cell)
{
    const int is_quoted = strpbrk(cell, ",\"\n") != NULL;
    if (is_quoted)
        putchar('"');
    for (; *cell; cell++) {
        if (*cell == '"')
            putchar('"');
        putchar(*cell);
    }
    printf(is_quoted ? "\"," : ",");
}

static int print_csv(const table *t)
{
    const size_t texts = count_texts(t);
    char cell[CELL];
    for (size_t k = 0; k <= t->rows_count; k++) {
        const row *r = k ? &t->rows[k - 1] : NULL;
        for (size_t i = 0; i < texts + COLUMNS; i++) {
            write_cell(t, r, i, 1, cell);
            print_quoted(cell);
        }
        printf("%s\n", !r ? "is_corrected" : r->is_corrected ? "yes" : "no");
    }
    return experiment_flush();
}

static json_t *row_json(const table *t, const row *r)
{
    json_t *object = json_object(), *folders = json_array();
    for (size_t i = 0; i < count_texts(t); i++) {
        const char *name = text_name(t, i), *text = text_of(t, r, i);
        double value;
        if (is_number(text, &value))
            record_number(object, name, value);
        else
            json_object_set_new(object, name,
                                text ? json_string(text) : json_null());
    }
    for (const struct column *c = columns; c < columns + COLUMNS; c++)
        record_number(object, c->key, number_of(r, c));
    json_object_set_new(object, "is_corrected", json_boolean(r->is_corrected));
    for (size_t i = 0; i < r->count; i++)
        json_array_append_new(folders, json_string(r->runs[i]->folder));
    json_object_set_new(object, "folders", folders);
    return object;
}

static int print_json(const table *t)
{
    json_t *all = json_array();
    for (size_t k = 0; k < t->rows_count; k++)
        json_array_append_new(all, row_json(t, &t->rows[k]));
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(all);
    return experiment_flush();
}

/* ---- the program --------------------------------------------------------- */

static const args_word words[] = {
    {"DIR", ARGS_OTHERS, NULL, NULL, "the folders of runs"},
    {"against", ARGS_PLACE, "DIR", NULL,
     "differences of NLL, image by image, from the row of this folder"},
    {"markdown", ARGS_SWITCH, NULL, NULL, "a table in Markdown"},
    {"csv", ARGS_SWITCH, NULL, NULL, "comma-separated values, all digits"},
    {"json", ARGS_SWITCH, NULL, NULL, "the same as JSON"},
    {"help", ARGS_SWITCH, NULL, NULL, "print this and leave, as -h does"},
    {"version", ARGS_SWITCH, NULL, NULL,
     "print versions, BLAS and compiler and leave"},
    {NULL, ARGS_SWITCH, NULL, NULL, NULL},
};

static const args_table no_tables[] = {{NULL, NULL}};

static const args_spec spec = {
    "Prints a table of runs of slivi-vae and slivi-wae, or of runs of "
    "slivi-posterior,\nruns that differ in their seeds alone in one row.",
    words,
    no_tables,
};

static int print(const table *t, const args *a)
{
    if (args_given(a, "json"))
        return print_json(t);
    if (args_given(a, "csv"))
        return print_csv(t);
    return print_table(t, args_given(a, "markdown"));
}

static int work(const args *a)
{
    table t = {0};
    const row *base;
    size_t count;
    char **folders = args_others(a, &count);
    int status = 0;
    if (!count)
        return complain_usage("no folder of a run given");
    if (args_given(a, "json") + args_given(a, "csv") + args_given(a, "markdown")
        > 1)
        return complain_usage("--json, --csv and --markdown exclude each "
                              "other");
    if (posterior_summary_is(folders[0]))
        return posterior_summary(count, folders, a);
    t.runs = calloc(count, sizeof *t.runs);
    t.rows = calloc(count, sizeof *t.rows);
    if (!t.runs || !t.rows)
        status = complain("no memory");
    for (; t.runs_count < count && !status; t.runs_count++)
        status = summary_read(folders[t.runs_count], &t.runs[t.runs_count]);
    for (size_t i = 0; i < count && !status; i++)
        status = place_run(&t, &t.runs[i]);
    if (!status)
        status = find_base(&t, args_text(a, "against"), &base);
    if (!status)
        status = fill_rows(&t, base);
    if (!status)
        status = find_options(&t);
    if (!status)
        status = print(&t, a);
    for (size_t i = 0; i < t.runs_count; i++)
        summary_clear(&t.runs[i]);
    for (size_t i = 0; i < t.rows_count; i++)
        free(t.rows[i].runs);
    free(t.options);
    free(t.rows);
    free(t.runs);
    return status;
}

int main(int argc, char **argv)
{
    args *a = args_create(&spec);
    int status = a ? 0 : complain("no memory");
    experiment_begin();
    if (a && experiment_arguments(a, argc, argv, NULL, &status))
        status = work(a);
    args_free(a);
    return status;
}
