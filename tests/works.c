/* works.c - see works.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "works.h"

#include "slivi/objective.h"
#include "slivi/status.h"

#include <check.h>
#include <stdlib.h>

works works_open(slivi_graph *g, size_t count, const slivi_node *out,
                 size_t max_rows, size_t threads)
{
    works k = {slivi_plan_create(g, count, out, max_rows), NULL, NULL};
    ck_assert_msg(k.p != NULL, "%s", slivi_errmsg());
    for (size_t i = 0; i < k.p->phases; i++)
        k.p->phase[i].work = 1e12;
    if (threads) {
        k.pool = slivi_pool_create(threads);
        ck_assert_ptr_nonnull(k.pool);
    }
    k.ws = slivi_workspace_create(k.p, k.pool);
    ck_assert_msg(k.ws != NULL, "%s", slivi_errmsg());
    ck_assert_uint_gt(slivi_workspace_bytes(k.ws), 0);
    return k;
}

void works_close(works *k)
{
    slivi_workspace_free(k->ws);
    slivi_pool_free(k->pool);
    slivi_plan_free(k->p);
}

void works_bind(works *k, slivi_node x, void *memory)
{
    ck_assert_msg(!slivi_workspace_bind(k->ws, x, memory), "%s",
                  slivi_errmsg());
}

void works_go(works *k, const slivi_run *run)
{
    ck_assert_msg(!slivi_workspace_run(k->ws, run), "%s", slivi_errmsg());
}

size_t works_entries(const slivi_graph *g, slivi_node x, size_t n)
{
    const ptrdiff_t rows = slivi_node_rows(g, x);
    return (rows < 0 ? (size_t)-rows * n : (size_t)rows)
           * slivi_node_cols(g, x);
}

size_t works_bytes(const slivi_graph *g, slivi_node x, size_t n)
{
    return works_entries(g, x, n)
           * (slivi_graph_precision(g) == SLIVI_F32 ? sizeof(float)
                                                    : sizeof(double));
}

void *works_room(const slivi_graph *g, slivi_node x, size_t n)
{
    void *y = calloc(works_bytes(g, x, n) + 1, 1);
    ck_assert_ptr_nonnull(y);
    return y;
}

double works_entry(const slivi_graph *g, const void *x, size_t i)
{
    return slivi_graph_precision(g) == SLIVI_F32 ? (double)((const float *)x)[i]
                                                 : ((const double *)x)[i];
}

/* ---- trials ----------------------------------------------------------- */

void trial_open(trial *t, enum slivi_precision precision, uint64_t seed,
                size_t n)
{
    wild_open(&t->w, precision, seed, 5 + seed % 36);
    t->count = 1 + seed % OUTPUTS;
    wild_outputs(&t->w, t->count, t->out);
    for (size_t i = 0; i < t->w.inputs; i++)
        t->in[i] = wild_memory(&t->w, i, n, 0);
}

void trial_close(trial *t)
{
    for (size_t i = 0; i < t->w.inputs; i++)
        free(t->in[i]);
    wild_close(&t->w);
}

static int is_input(const trial *t, slivi_node x)
{
    for (size_t i = 0; i < t->w.inputs; i++)
        if (t->w.input[i].id == x.id)
            return 1;
    return 0;
}

int trial_repeats(const trial *t, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (t->out[j].id == t->out[i].id)
            return 1;
    return is_input(t, t->out[i]);
}

void trial_run(const trial *t, works *k, const slivi_run *run, void **y)
{
    for (size_t i = 0; i < t->w.inputs; i++)
        works_bind(k, t->w.input[i], t->in[i]);
    for (size_t i = 0; i < t->count; i++)
        if (!trial_repeats(t, i))
            works_bind(k, t->out[i], y[i]);
    works_go(k, run);
}

void trial_results(trial *t, works *k, size_t n, size_t row, void **y)
{
    const slivi_run run = {.n = n, .seed = 3, .row = row};
    for (size_t i = 0; i < t->count; i++)
        y[i] = works_room(t->w.g, t->out[i], n);
    trial_run(t, k, &run, y);
}

void trial_release(const trial *t, void **y)
{
    for (size_t i = 0; i < t->count; i++)
        free(y[i]);
}

/* ---- nets ------------------------------------------------------------- */

static slivi_node apply(slivi_graph *g, slivi_node z, void *ctx)
{
    const net *t = ctx;
    slivi_node h = z;
    for (int i = 0; i < t->layers; i++) {
        slivi_node a = slivi_add(g, slivi_matmul(g, h, t->w[i]), t->b[i]);
        if (!i && t->x.id)
            a = slivi_add(g, a, slivi_matmul(g, t->x, t->wx));
        h = i + 1 < t->layers ? slivi_tanh(g, a) : a;
    }
    return h;
}

void net_open(net *t, int layers, size_t d, size_t out, int context)
{
    static const char *const names[] = {"w1", "w2", "w3", "w4",
                                        "b1", "b2", "b3", "b4"};
    slivi_graph *g = slivi_graph_create(SLIVI_F32);
    *t = (net){.g = g, .layers = layers};
    t->z = slivi_input(g, "z", SLIVI_ROWS, d);
    if (context) {
        t->x = slivi_input(g, "x", SLIVI_ROWS, X);
        t->wx = slivi_input(g, "wx", X, H);
    }
    for (int i = 0; i < layers; i++) {
        const size_t in = i ? H : d, to = i + 1 < layers ? H : out;
        t->w[i] = slivi_input(g, names[i], (ptrdiff_t)in, to);
        t->b[i] = slivi_input(g, names[4 + i], 1, to);
    }
}

slivi_plan *net_plan(net *t, const char *objective, size_t slices, int energy,
                     size_t max_rows)
{
    const slivi_field field = {.kind = energy ? SLIVI_FIELD_ENERGY
                                              : SLIVI_FIELD_SCORE,
                               .apply = apply,
                               .ctx = t};
    const slivi_objective_options how = {slices, slivi_law_rademacher, 0.5, 7};
    slivi_node out[2 * LAYERS + 2], wrt[2 * LAYERS + 1];
    size_t count = 0, chunks;
    for (int i = 0; i < t->layers; i++) {
        wrt[count++] = t->w[i];
        wrt[count++] = t->b[i];
    }
    if (t->x.id)
        wrt[count++] = t->wx;
    out[0] = slivi_objective_loss(t->g, slivi_objective_find(objective), &field,
                                  t->z, &how, &chunks);
    slivi_vjp(t->g, out[0], slivi_constant(t->g, 1), count, wrt, out + 1);
    slivi_plan *p = slivi_plan_create(t->g, count + 1, out, max_rows);
    ck_assert_msg(p != NULL, "%s", slivi_errmsg());
    return p;
}
