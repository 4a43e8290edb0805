/* reference.c - draws to compare those of q with.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "reference.h"
#include "complain.h"
#include "progress.h"

#include <slivi/random.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* ---- files --------------------------------------------------------------- */

enum { LINE = 1 << 20, FEWEST = 10 };

typedef struct table_file {
    const char *path;
    gzFile file;
    char *line;     /* LINE bytes */
    size_t number;  /* of the line */
    size_t fields;  /* in each line */
    size_t *column; /* for each field which column it is, or SIZE_MAX */
} table_file;

/* What zlib found wrong, or NULL. */
static const char *read_error(gzFile file)
{
    int error;
    const char *words = gzerror(file, &error);
    return error == Z_OK || error == Z_STREAM_END ? NULL
           : error == Z_ERRNO                     ? strerror(errno)
           : error == Z_BUF_ERROR                 ? "the gzip data is cut short"
                                                  : words;
}

/* 1 where there is a line, 0 at the end, -1 after a complaint. */
static int next_line(table_file *t)
{
    const int got = gzgets(t->file, t->line, LINE) != NULL;
    const size_t n = got ? strlen(t->line) : 0;
    const int is_whole = n && t->line[n - 1] == '\n';
    const char *words = is_whole ? NULL : read_error(t->file);
    t->number++;
    if (!words && n == LINE - 1 && !is_whole)
        words = "longer than a million bytes";
    if (words) {
        complain("%s: line %zu: %s", t->path, t->number, words);
        return -1;
    }
    if (got)
        t->line[strcspn(t->line, "\r\n")] = '\0';
    return got;
}

/* The end of the field at `at`, and its text without quotes. */
static char *field_end(char *at, char **text)
{
    char *end = at + strcspn(at, ",");
    *text = at;
    if (*at == '"' && strchr(at + 1, '"')) {
        *text = at + 1;
        end = strchr(at + 1, '"');
        *end++ = '\0';
        end += strcspn(end, ",");
    }
    return end;
}

/* What the first line says: which field is which column. */
static int read_names(table_file *t, size_t columns, const char *const names[])
{
    size_t found = 0, count = 1;
    int got = next_line(t);
    if (got <= 0)
        return got < 0 ? EXIT_FAILED
                       : complain("%s: empty; a line of names is expected",
                                  t->path);
    for (const char *c = t->line; (c = strchr(c, ',')) != NULL; c++)
        count++;
    t->column = calloc(count, sizeof *t->column);
    if (!t->column)
        return complain("no memory");
    for (char *at = t->line, *text;; at++) {
        char *end = field_end(at, &text);
        const int is_last = !*end;
        *end = '\0';
        t->column[t->fields] = SIZE_MAX;
        for (size_t k = 0; k < columns; k++)
            if (!strcmp(text, names[k])) {
                for (size_t i = 0; i < t->fields; i++)
                    if (t->column[i] == k)
                        return complain("%s: two columns \"%s\"", t->path,
                                        names[k]);
                t->column[t->fields] = k;
                found++;
            }
        t->fields++;
        if (is_last)
            break;
        at = end;
    }
    for (size_t k = 0; k < columns && found < columns; k++) {
        int has = 0;
        for (size_t i = 0; i < t->fields; i++)
            has |= t->column[i] == k;
        if (!has)
            return complain("%s: no column \"%s\" in its first line; the "
                            "target's parameters are needed",
                            t->path, names[k]);
    }
    return 0;
}

/* A line's numbers into row. */
static int read_numbers(const table_file *t, double *row)
{
    char *at = t->line;
    for (size_t i = 0; i < t->fields; i++) {
        char *end = at;
        const double value = strtod(at, &end);
        const size_t blank = strspn(end, " \t");
        const char expected = i + 1 < t->fields ? ',' : '\0';
        if (t->column[i] == SIZE_MAX)
            end = at + strcspn(at, ",");
        else if (end == at || (end[blank] != ',' && end[blank]))
            return complain("%s: line %zu, column %zu: \"%.*s\" is not a "
                            "number",
                            t->path, t->number, i + 1,
                            (int)(strcspn(at, ",") % 32), at);
        else
            end += blank;
        if (t->column[i] != SIZE_MAX && !isfinite(value))
            return complain("%s: line %zu, column %zu: %g is not finite",
                            t->path, t->number, i + 1, value);
        if (*end != expected)
            return complain("%s: line %zu: %s than %zu columns", t->path,
                            t->number, *end ? "more" : "fewer", t->fields);
        if (t->column[i] != SIZE_MAX)
            row[t->column[i]] = value;
        at = end + 1;
    }
    return 0;
}

static int read_rows(table_file *t, size_t columns, reference *ref)
{
    size_t room = 0;
    int got, status = 0;
    while (!status && (got = next_line(t)) != 0) {
        if (got < 0)
            return EXIT_FAILED;
        if (!*t->line)
            continue;
        if (ref->count == room) {
            room = room ? 2 * room : 4096;
            double *more = realloc(ref->draws, room * columns * sizeof *more);
            if (!more)
                return complain("no memory");
            ref->draws = more;
        }
        status = read_numbers(t, ref->draws + ref->count * columns);
        ref->count++;
    }
    if (!status && ref->count < FEWEST)
        status = complain("%s: %zu rows; at least %d are needed", t->path,
                          ref->count, FEWEST);
    return status;
}

int reference_read(const char *path, size_t columns, const char *const names[],
                   reference *ref)
{
    table_file t = {.path = path, .line = malloc(LINE)};
    *ref = (reference){.kind = "file", .columns = columns};
    errno = 0;
    t.file = gzopen(path, "rb");
    int status = !t.line   ? complain("no memory")
                 : !t.file ? complain("%s: %s", path,
                                      errno ? strerror(errno) : "no memory")
                           : read_names(&t, columns, names);
    if (!status)
        status = read_rows(&t, columns, ref);
    if (t.file)
        gzclose(t.file);
    free(t.line);
    free(t.column);
    return status;
}

static int read_file(reference *ref, const inference *r, const char *path)
{
    const size_t columns = slivi_target_outside_dim(r->target);
    const char **names = calloc(columns, sizeof *names);
    int status = names ? 0 : complain("no memory");
    for (size_t k = 0; k < columns && !status; k++)
        names[k] = slivi_target_name(r->target, k);
    if (!status)
        status = reference_read(path, columns, names, ref);
    free(names);
    return status;
}

/* ---- exact draws --------------------------------------------------------- */

enum { EXACT_SEED = 7919 }; /* away from the seeds that people take */

/* z (n x d, inside) as the rows of a reference. */
static int take(reference *ref, const inference *r, size_t n, const double *z)
{
    ref->count = n;
    ref->columns = slivi_target_outside_dim(r->target);
    ref->draws = calloc(n, ref->columns * sizeof *ref->draws);
    if (!ref->draws)
        return complain("no memory");
    return slivi_target_outside(r->target, n, z, ref->draws)
               ? complain("%s", slivi_errmsg())
               : 0;
}

static int draw_exact(reference *ref, const inference *r)
{
    const size_t n = args_size(r->args, "draws");
    double *z = calloc(n, slivi_target_dim(r->target) * sizeof *z);
    ref->kind = "exact";
    int status = !z ? complain("no memory")
                 : r->entry->exact(n, args_seed(r->args, "seed") + EXACT_SEED,
                                   z)
                     ? complain("%s", slivi_errmsg())
                     : take(ref, r, n, z);
    free(z);
    return status;
}

/* ---- HMC ----------------------------------------------------------------- */

enum { STARTS = 900, TRIES = 100, ROUNDS = 4, KEPT = 25000 };
static const double spread = 2, wanted = 10000, most_rhat = 1.01,
                    hopeless = 1.5, most_gradients = 3e7;

/* About q's mean, in twice its standard deviations. */
static int find_starts(const inference *r, size_t n, const double *z,
                       size_t chains, double *starts)
{
    const size_t d = slivi_target_dim(r->target);
    double lp = -INFINITY;
    slivi_address at = {.seed = args_seed(r->args, "seed"), .stream = STARTS};
    for (size_t c = 0; c < chains; c++) {
        double *x = starts + c * d;
        int status = 0;
        lp = -INFINITY;
        for (size_t k = 0; k < TRIES && !(lp > -INFINITY) && !status; k++) {
            at.step = c * TRIES + k;
            slivi_draw(slivi_law_normal, &at, 1, d, x);
            for (size_t j = 0; j < d; j++) {
                double mean = 0, square = 0;
                for (size_t i = 0; i < n; i++)
                    mean += z[i * d + j] / (double)n;
                for (size_t i = 0; i < n; i++)
                    square += pow(z[i * d + j] - mean, 2) / (double)n;
                x[j] = mean + spread * sqrt(square) * x[j];
            }
            status = slivi_target_eval(r->target, 1, x, NULL, &lp, NULL);
        }
        if (status)
            return complain("%s", slivi_errmsg());
        if (!(lp > -INFINITY))
            return complain("hmc: the density is zero wherever a chain might "
                            "start");
    }
    return 0;
}

typedef struct watch {
    progress bar;
} watch;

static int go_on(size_t transition, size_t of, void *ctx)
{
    watch *w = ctx;
    w->bar.total = of;
    progress_show(&w->bar, transition, "");
    return experiment_signal();
}

/* Longer runs, thinned where they get long, until the draws are worth what is
   wanted; more draws begin with the fewer, so what counts is the last run. */
static int sample(reference *ref, const inference *r, const double *starts,
                  double **draws, slivi_sampler *how)
{
    const size_t d = slivi_target_dim(r->target);
    for (size_t round = 0; round < ROUNDS; round++) {
        watch w;
        free(*draws);
        *draws = calloc(how->chains, how->draws * d * sizeof **draws);
        if (!*draws)
            return complain("no memory");
        progress_begin(&w.bar, args_given(r->args, "quiet"), "reference", 0, 1);
        const int status = slivi_sample(how, slivi_target_log_density,
                                        r->target, d, starts, *draws, NULL,
                                        go_on, &w, &ref->report);
        progress_end(&w.bar);
        if (experiment_signal())
            return 128 + experiment_signal();
        if (status)
            return complain("hmc: %s", slivi_errmsg());
        const double ess = ref->report.ess, rhat = ref->report.rhat;
        const double spent = (double)ref->report.gradients;
        const double more = fmin(1.3 * wanted / ess, 30);
        if (ess >= wanted || !(ess > 0) || !(rhat <= hopeless)
            || spent * more > most_gradients)
            return 0;
        const size_t all = (size_t)((double)(how->draws * how->thin) * more);
        how->thin = (all + KEPT - 1) / KEPT;
        how->draws = all / how->thin;
    }
    return 0;
}

int reference_sample(reference *ref, const inference *r, size_t n,
                     const double *z)
{
    const size_t d = slivi_target_dim(r->target);
    slivi_sampler how = slivi_sampler_default();
    double *draws = NULL, *starts = calloc(how.chains, d * sizeof *starts);
    const double begin = experiment_clock();
    how.seed = args_seed(r->args, "seed") + EXACT_SEED;
    int status = starts ? find_starts(r, n < KEPT ? n : KEPT, z, how.chains,
                                      starts)
                        : complain("no memory");
    if (!status)
        status = sample(ref, r, starts, &draws, &how);
    if (!status)
        status = take(ref, r, how.chains * how.draws, draws);
    ref->is_unreliable = !(ref->report.rhat <= most_rhat);
    ref->seconds = experiment_clock() - begin;
    free(starts);
    free(draws);
    return status;
}

int reference_open(reference *ref, const inference *r)
{
    const char *what = args_text(r->args, "reference");
    const int has_exact = r->entry && r->entry->exact;
    *ref = (reference){0};
    if (!what)
        what = has_exact ? "exact" : "none";
    if (!strcmp(what, "none"))
        return 0;
    if (!strcmp(what, "hmc")) {
        ref->kind = "hmc";
        return 0;
    }
    if (strcmp(what, "exact"))
        return read_file(ref, r, what);
    return has_exact ? draw_exact(ref, r)
                     : complain_usage("--reference exact: no exact draws of "
                                      "target %s are known",
                                      args_text(r->args, "target"));
}

void reference_clear(reference *ref)
{
    free(ref->draws);
    *ref = (reference){0};
}
