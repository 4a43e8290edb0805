/* testing.h - what tests of graphs share: a graph whose inputs are filled with
   fixed draws, its evaluation, norms.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TESTING_H
#define SLIVI_TESTING_H

#include "slivi/graph.h"

#include <stddef.h>

enum { TESTING_LEAVES = 64 };

typedef struct testing_leaf {
    slivi_node node;
    size_t count;   /* entries */
    double *value;  /* rounded to float, so that both precisions see the same */
    int32_t *index; /* of an index input, else NULL */
} testing_leaf;

typedef struct testing {
    slivi_graph *g;
    size_t n; /* samples */
    slivi_run run;
    slivi_pool *pool;
    testing_leaf leaf[TESTING_LEAVES];
    size_t count;
} testing;

void testing_open(testing *t, enum slivi_precision precision, size_t n);
void testing_close(testing *t);

/* An input with entries uniform on [lo, hi], but not within `gap` of zero. The
   k-th input of a test has the same draws in each graph. */
slivi_node testing_input(testing *t, ptrdiff_t rows, size_t cols, double lo,
                         double hi, double gap);
/* An index input whose entries are i * 5 mod rows: they repeat and jump. */
slivi_node testing_index(testing *t, ptrdiff_t rows, size_t table_rows);
/* Its entries. */
double *testing_value(testing *t, slivi_node leaf);

/* Entries of a node in this test's runs. */
size_t testing_entries(const testing *t, slivi_node x);
/* The value of x in double; the caller frees it.  The test fails if the
   evaluation does. */
double *testing_eval(testing *t, slivi_node x);

double testing_dot(size_t n, const double *a, const double *b);
double testing_norm(size_t n, const double *a);
/* Largest |a[i]|, and largest |a[i] - b[i]|; NaN if there is one. */
double testing_most(size_t n, const double *a);
double testing_distance(size_t n, const double *a, const double *b);

/* Of n entries `stride` apart: their sum, and the sum of their squares. */
double testing_sum(size_t n, const double *a, size_t stride);
double testing_squares(size_t n, const double *a, size_t stride);
/* Sum of w[i] a[i]^2, sum of e^a[i], largest a[i]. */
double testing_squares_by(size_t n, const double *w, const double *a);
double testing_sum_exp(size_t n, const double *a);
double testing_largest(size_t n, const double *a);
/* b <- a^-1 b without pivots, for a definite n x n matrix a, which is
   destroyed; returns log det a. */
double testing_solve(size_t n, double *a, double *b);

#endif
