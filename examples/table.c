/* table.c - every parameter's mean, standard deviation and quantiles.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "table.h"
#include "complain.h"
#include "record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const table_headings[TABLE_COLUMNS] = {"q", "q + PSIS", "q + HMC",
                                                   "reference"};
const char *const table_keys[TABLE_COLUMNS] = {"q", "psis", "hmc", "reference"};
static const double levels[TABLE_QUANTILES] = {0.05, 0.5, 0.95};
static const char *const level_keys[TABLE_QUANTILES] = {"q05", "q50", "q95"};

/* ---- one parameter ------------------------------------------------------- */

typedef struct point {
    double x, w;
} point;

static int compare(const void *a, const void *b)
{
    const double x = ((const point *)a)->x, y = ((const point *)b)->x;
    return (x > y) - (x < y);
}

/* A column of draws in ascending order. */
static void sort(const table_draws *d, size_t columns, size_t j, point *to)
{
    for (size_t i = 0; i < d->n; i++)
        to[i] = (point){d->x[i * columns + j],
                        d->weights ? d->weights[i] : 1 / (double)d->n};
    qsort(to, d->n, sizeof *to, compare);
}

static void describe(const point *p, size_t n, table_cell *c)
{
    double sum = 0, squares = 0, below = 0;
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        sum += p[i].w * p[i].x;
    for (size_t i = 0; i < n; i++)
        squares += p[i].w * (p[i].x - sum) * (p[i].x - sum);
    c->mean = sum;
    c->sd = sqrt(squares);
    for (size_t i = 0; i < n && k < TABLE_QUANTILES; i++)
        for (below += p[i].w; k < TABLE_QUANTILES && below >= levels[k] - 1e-12;
             k++)
            c->quantile[k] = p[i].x;
    for (; k < TABLE_QUANTILES && n; k++) /* weights sum to 1, nearly */
        c->quantile[k] = p[n - 1].x;
}

/* int |F^-1 - G^-1|: both quantile functions are steps. */
static double wasserstein(const point *p, size_t n, const point *q, size_t m)
{
    double sum = 0, left_p = n ? p[0].w : 0, left_q = m ? q[0].w : 0;
    for (size_t i = 0, j = 0; i < n && j < m;) {
        const double part = left_p < left_q ? left_p : left_q;
        sum += part * fabs(p[i].x - q[j].x);
        left_p -= part;
        left_q -= part;
        if (!(left_p > 0) && ++i < n)
            left_p = p[i].w;
        if (!(left_q > 0) && ++j < m)
            left_q = q[j].w;
    }
    return sum;
}

static void compare_with(table_cell *c, const table_cell *reference)
{
    c->shift = fabs(c->mean - reference->mean) / reference->sd;
    c->ratio = c->sd / reference->sd;
    c->w1 /= reference->sd;
}

/* ---- all of them --------------------------------------------------------- */

const table_cell *table_at(const table *t, size_t parameter, size_t column)
{
    return &t->cells[parameter * TABLE_COLUMNS + column];
}

int table_has(const table *t, size_t column)
{
    return t->parameters && !isnan(table_at(t, 0, column)->mean);
}

static const table_cell no_cell = {NAN, NAN, {NAN, NAN, NAN}, NAN, NAN, NAN};

static void find_worst(table *t, size_t column)
{
    table_cell *w = &t->worst[column];
    for (size_t j = 0; j < t->parameters; j++) {
        const table_cell *c = table_at(t, j, column);
        if (!(c->shift <= w->shift))
            w->shift = c->shift;
        if (!(fabs(c->ratio - 1) <= fabs(w->ratio - 1)))
            w->ratio = c->ratio;
        if (!(c->w1 <= w->w1))
            w->w1 = c->w1;
    }
}

int table_make(table *t, size_t parameters, const char *const names[],
               const table_draws draws[TABLE_COLUMNS])
{
    const table_draws *of = &draws[TABLE_REFERENCE];
    size_t most = 1;
    for (size_t k = 0; k < TABLE_COLUMNS; k++)
        most = draws[k].n > most ? draws[k].n : most;
    *t = (table){.parameters = parameters, .names = names};
    t->cells = calloc(parameters * TABLE_COLUMNS, sizeof *t->cells);
    point *p = calloc(most, sizeof *p), *q = calloc(most, sizeof *q);
    int status = t->cells && p && q ? 0 : complain("no memory");
    for (size_t j = 0; j < parameters && !status; j++) {
        table_cell *row = &t->cells[j * TABLE_COLUMNS];
        for (size_t k = 0; k < TABLE_COLUMNS; k++)
            row[k] = no_cell;
        if (of->x) {
            sort(of, parameters, j, q);
            describe(q, of->n, &row[TABLE_REFERENCE]);
        }
        for (size_t k = 0; k < TABLE_REFERENCE; k++) {
            if (!draws[k].x)
                continue;
            sort(&draws[k], parameters, j, p);
            describe(p, draws[k].n, &row[k]);
            if (draws[k].mean)
                row[k].mean = draws[k].mean[j];
            if (draws[k].sd)
                row[k].sd = draws[k].sd[j];
            if (!of->x)
                continue;
            row[k].w1 = wasserstein(p, draws[k].n, q, of->n);
            compare_with(&row[k], &row[TABLE_REFERENCE]);
        }
    }
    for (size_t k = 0; k < TABLE_COLUMNS && !status; k++) {
        t->worst[k] = no_cell;
        find_worst(t, k);
    }
    free(p);
    free(q);
    return status;
}

void table_clear(table *t)
{
    free(t->cells);
    *t = (table){0};
}

/* ---- showing it ---------------------------------------------------------- */

static json_t *cell_json(const table_cell *c, int is_compared)
{
    json_t *o = json_object();
    record_number(o, "mean", c->mean);
    record_number(o, "sd", c->sd);
    for (size_t k = 0; k < TABLE_QUANTILES; k++)
        record_number(o, level_keys[k], c->quantile[k]);
    if (is_compared) {
        record_number(o, "shift", c->shift);
        record_number(o, "ratio", c->ratio);
        record_number(o, "w1", c->w1);
    }
    return o;
}

void table_record(const table *t, json_t *result)
{
    json_t *all = json_object();
    char key[64];
    const int is_compared = table_has(t, TABLE_REFERENCE);
    for (size_t k = 0; k < TABLE_REFERENCE && is_compared; k++) {
        if (!table_has(t, k))
            continue;
        snprintf(key, sizeof key, "worst_shift_%s", table_keys[k]);
        record_number(result, key, t->worst[k].shift);
        snprintf(key, sizeof key, "worst_ratio_%s", table_keys[k]);
        record_number(result, key, t->worst[k].ratio);
        snprintf(key, sizeof key, "worst_w1_%s", table_keys[k]);
        record_number(result, key, t->worst[k].w1);
    }
    for (size_t j = 0; j < t->parameters; j++) {
        json_t *row = json_object();
        for (size_t k = 0; k < TABLE_COLUMNS; k++)
            if (table_has(t, k))
                json_object_set_new(
                    row, table_keys[k],
                    cell_json(table_at(t, j, k),
                              is_compared && k != TABLE_REFERENCE));
        json_object_set_new(all, t->names[j], row);
    }
    json_object_set_new(result, "parameters", all);
}

static void print_number(double value, const char *format, int wide)
{
    if (isnan(value))
        printf(" %*s", wide, "");
    else
        printf(format, value);
}

static void print_cell(const table_cell *c)
{
    print_number(c->mean, " %10.4g", 10);
    print_number(c->sd, " %10.4g", 10);
    for (size_t k = 0; k < TABLE_QUANTILES; k++)
        print_number(c->quantile[k], " %10.4g", 10);
    print_number(c->shift, " %9.4f", 9);
    print_number(c->ratio, " %9.4f", 9);
    print_number(c->w1, " %9.4f", 9);
    putchar('\n');
}

static void print_rows(const char *name, int wide, const table *t,
                       const table_cell *cells)
{
    for (size_t k = 0; k < TABLE_COLUMNS; k++) {
        if (!table_has(t, k) || (cells == t->worst && k == TABLE_REFERENCE))
            continue;
        printf("%-*s  %-9s", wide, k ? "" : name, table_headings[k]);
        print_cell(&cells[k]);
    }
}

void table_print(const table *t, size_t most)
{
    const size_t shown = t->parameters < most ? t->parameters : most;
    size_t wide = strlen("parameter");
    for (size_t j = 0; j < shown; j++)
        if (strlen(t->names[j]) > wide)
            wide = strlen(t->names[j]);
    printf("%-*s  %-9s %10s %10s %10s %10s %10s", (int)wide, "parameter", "of",
           "mean", "sd", "5 %", "50 %", "95 %");
    puts(table_has(t, TABLE_REFERENCE) ? " |dmean|/sd sd ratio    W1/sd" : "");
    for (size_t j = 0; j < shown; j++)
        print_rows(t->names[j], (int)wide, t, table_at(t, j, 0));
    if (table_has(t, TABLE_REFERENCE))
        print_rows("worst", (int)wide, t, t->worst);
    if (shown < t->parameters)
        printf("%zu more parameters stand in result.json\n",
               t->parameters - shown);
}
