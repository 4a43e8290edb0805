/* testing.c - see testing.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "testing.h"

#include "slivi/status.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void testing_open(testing *t, enum slivi_precision precision, size_t n)
{
    memset(t, 0, sizeof *t);
    t->g = slivi_graph_create(precision);
    t->n = n;
    t->run = (slivi_run){.n = n, .seed = 7, .step = 3, .row = 11, .chunk = 1};
    ck_assert_ptr_nonnull(t->g);
}

void testing_close(testing *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->leaf[i].value);
        free(t->leaf[i].index);
    }
    slivi_graph_free(t->g);
}

static testing_leaf *new_leaf(testing *t, slivi_node x)
{
    ck_assert_uint_lt(t->count, TESTING_LEAVES);
    ck_assert_msg(x.id, "%s", slivi_errmsg());
    testing_leaf *leaf = &t->leaf[t->count++];
    leaf->node = x;
    leaf->count = testing_entries(t, x);
    return leaf;
}

slivi_node testing_input(testing *t, ptrdiff_t rows, size_t cols, double lo,
                         double hi, double gap)
{
    const slivi_address at = {.seed = 20, .stream = (uint32_t)t->count};
    char name[24];
    snprintf(name, sizeof name, "leaf %zu", t->count);
    testing_leaf *leaf = new_leaf(t, slivi_input(t->g, name, rows, cols));
    leaf->value = malloc(leaf->count * sizeof *leaf->value);
    ck_assert_ptr_nonnull(leaf->value);
    slivi_draw(slivi_law_uniform, &at, leaf->count / cols, cols, leaf->value);
    for (size_t i = 0; i < leaf->count; i++) {
        double y = lo + (hi - lo) * leaf->value[i];
        if (fabs(y) < gap)
            y = y < 0 ? y - gap : y + gap;
        leaf->value[i] = (double)(float)y;
    }
    return leaf->node;
}

slivi_node testing_index(testing *t, ptrdiff_t rows, size_t table_rows)
{
    testing_leaf *leaf = new_leaf(t, slivi_input_index(t->g, "index", rows));
    leaf->index = malloc(leaf->count * sizeof *leaf->index);
    ck_assert_ptr_nonnull(leaf->index);
    for (size_t i = 0; i < leaf->count; i++)
        leaf->index[i] = (int32_t)(i * 5 % table_rows);
    return leaf->node;
}

double *testing_value(testing *t, slivi_node x)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->leaf[i].node.id == x.id)
            return t->leaf[i].value;
    ck_abort_msg("node %d is no leaf of the test", x.id);
    return NULL;
}

size_t testing_entries(const testing *t, slivi_node x)
{
    ptrdiff_t rows = slivi_node_rows(t->g, x);
    size_t count = rows < 0 ? (size_t)-rows * t->n : (size_t)rows;
    return count * slivi_node_cols(t->g, x);
}

static void *as_float(size_t n, const double *x)
{
    float *y = malloc(n * sizeof *y);
    ck_assert_ptr_nonnull(y);
    for (size_t i = 0; i < n; i++)
        y[i] = (float)x[i];
    return y;
}

/* Memory of the leaves in the graph's precision; the caller frees the floats. */
static void load_leaves(const testing *t, void *memory[TESTING_LEAVES],
                        void *floats[TESTING_LEAVES])
{
    const int single = slivi_graph_precision(t->g) == SLIVI_F32;
    for (size_t i = 0; i < t->count; i++) {
        const testing_leaf *leaf = &t->leaf[i];
        floats[i] = single && leaf->value ? as_float(leaf->count, leaf->value)
                                          : NULL;
        memory[i] = leaf->index ? (void *)leaf->index
                    : floats[i] ? floats[i]
                                : (void *)leaf->value;
    }
}

static void plain(testing *t, slivi_node out, void *const *memory, void *y)
{
    slivi_interp *it = slivi_interp_create(t->g, 1, &out, t->n, t->pool);
    ck_assert_msg(it != NULL, "%s", slivi_errmsg());
    for (size_t i = 0; i < t->count; i++)
        ck_assert_int_eq(slivi_interp_bind(it, t->leaf[i].node, memory[i]), 0);
    ck_assert_int_eq(slivi_interp_bind(it, out, y), 0);
    ck_assert_msg(!slivi_interp_run(it, &t->run), "%s", slivi_errmsg());
    slivi_interp_free(it);
}

static void planned(testing *t, slivi_node out, void *const *memory, void *y)
{
    slivi_plan *p = slivi_plan_create(t->g, 1, &out, t->n);
    ck_assert_msg(p != NULL, "%s", slivi_errmsg());
    slivi_workspace *ws = slivi_workspace_create(p, t->pool);
    ck_assert_msg(ws != NULL, "%s", slivi_errmsg());
    for (size_t i = 0; i < t->count; i++)
        ck_assert_int_eq(slivi_workspace_bind(ws, t->leaf[i].node, memory[i]),
                         0);
    ck_assert_int_eq(slivi_workspace_bind(ws, out, y), 0);
    ck_assert_msg(!slivi_workspace_run(ws, &t->run), "%s", slivi_errmsg());
    slivi_workspace_free(ws);
    slivi_plan_free(p);
}

/* Both executors agree to rounding. */
static void compare(const testing *t, size_t count, const double *a,
                    const double *b)
{
    const int single = slivi_graph_precision(t->g) == SLIVI_F32;
    const double eps = single ? 0x1p-23 : 0x1p-52;
    const double most = testing_most(count, a);
    for (size_t i = 0; i < count; i++)
        if (isnan(a[i]) || isinf(a[i]))
            ck_assert_msg(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])),
                          "entry %zu: plain %g, planned %g", i, a[i], b[i]);
        else
            ck_assert_msg(!(isfinite(most)
                            && !(fabs(a[i] - b[i]) <= 500 * eps * (1 + most))),
                          "entry %zu: plain %.17g, planned %.17g", i, a[i],
                          b[i]);
}

static void widen(const testing *t, size_t count, double *y)
{
    if (slivi_graph_precision(t->g) == SLIVI_F64)
        return;
    for (size_t i = count; i-- > 0;) { /* the floats lie in the same memory */
        float f;
        memcpy(&f, (char *)y + i * sizeof f, sizeof f);
        y[i] = (double)f;
    }
}

double *testing_eval(testing *t, slivi_node x)
{
    void *memory[TESTING_LEAVES] = {0}, *floats[TESTING_LEAVES] = {0};
    slivi_node out = slivi_variable(t->g, x); /* x may be an input */
    const size_t count = testing_entries(t, x);
    double *y = calloc(2 * count, sizeof *y), *z = y + count;
    ck_assert_ptr_nonnull(y);
    load_leaves(t, memory, floats);
    plain(t, out, memory, y);
    planned(t, out, memory, z);
    widen(t, count, y);
    widen(t, count, z);
    compare(t, count, y, z);
    for (size_t i = 0; i < t->count; i++)
        free(floats[i]);
    return y;
}

double testing_dot(size_t n, const double *a, const double *b)
{
    long double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (long double)a[i] * b[i];
    return (double)sum;
}

double testing_norm(size_t n, const double *a)
{
    return sqrt(testing_dot(n, a, a));
}

double testing_most(size_t n, const double *a)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(a[i]))
            return a[i];
        if (fabs(a[i]) > most)
            most = fabs(a[i]);
    }
    return most;
}

double testing_distance(size_t n, const double *a, const double *b)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double d = a[i] - b[i];
        if (isnan(d))
            return d;
        if (fabs(d) > most)
            most = fabs(d);
    }
    return most;
}

double testing_sum(size_t n, const double *a, size_t stride)
{
    double y = 0;
    for (size_t i = 0; i < n; i++)
        y += a[i * stride];
    return y;
}

double testing_squares(size_t n, const double *a, size_t stride)
{
    double y = 0;
    for (size_t i = 0; i < n; i++)
        y += a[i * stride] * a[i * stride];
    return y;
}

double testing_squares_by(size_t n, const double *w, const double *a)
{
    double y = 0;
    for (size_t i = 0; i < n; i++)
        y += w[i] * a[i] * a[i];
    return y;
}

double testing_sum_exp(size_t n, const double *a)
{
    double y = 0;
    for (size_t i = 0; i < n; i++)
        y += exp(a[i]);
    return y;
}

double testing_largest(size_t n, const double *a)
{
    double y = a[0];
    for (size_t i = 1; i < n; i++)
        y = fmax(y, a[i]);
    return y;
}

double testing_solve(size_t n, double *a, double *b)
{
    double logdet = 0;
    for (size_t k = 0; k < n; k++) { /* Gauss-Jordan */
        logdet += log(a[k * n + k]);
        for (size_t i = 0; i < n; i++) {
            double f = a[i * n + k] / a[k * n + k];
            for (size_t j = 0; i != k && j < n; j++)
                a[i * n + j] -= f * a[k * n + j];
            b[i] -= i != k ? f * b[k] : 0;
        }
    }
    for (size_t k = 0; k < n; k++)
        b[k] /= a[k * n + k];
    return logdet;
}
