/* table.h - every parameter's mean, standard deviation and quantiles, of q and
   of what becomes of it, beside a reference.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef TABLE_H
#define TABLE_H

#include <jansson.h>

#include <stddef.h>

enum { TABLE_Q, TABLE_PSIS, TABLE_HMC, TABLE_REFERENCE, TABLE_COLUMNS };

/* Draws of all parameters, n x parameters; x NULL: there are none. */
typedef struct table_draws {
    size_t n;
    const double *x;
    const double *weights;   /* that sum to 1; NULL: all equal */
    const double *mean, *sd; /* better ones than those of x, or NULL */
} table_draws;

enum { TABLE_QUANTILES = 3 };

/* NaN where there is none. */
typedef struct table_cell {
    double mean, sd, quantile[TABLE_QUANTILES]; /* 5, 50, 95 % */
    double shift, ratio, w1; /* |mean - its| / its sd, sd / its, W_1 / its sd */
} table_cell;

typedef struct table {
    size_t parameters;
    const char *const *names; /* the caller's */
    table_cell *cells;        /* parameters x TABLE_COLUMNS; owned */
    /* The largest shift, the ratio farthest from 1, the largest w1. */
    table_cell worst[TABLE_COLUMNS];
} table;

/* What the columns are called: for people, and in result.json. */
extern const char *const table_headings[TABLE_COLUMNS];
extern const char *const table_keys[TABLE_COLUMNS];

/* Complains and returns an exit code; clear it in any case. */
int table_make(table *t, size_t parameters, const char *const names[],
               const table_draws draws[TABLE_COLUMNS]);
void table_clear(table *t);
const table_cell *table_at(const table *t, size_t parameter, size_t column);
int table_has(const table *t, size_t column);

/* "parameters" and the worst of each column into the result. */
void table_record(const table *t, json_t *result);
void table_print(const table *t, size_t most); /* so many parameters */

#endif
