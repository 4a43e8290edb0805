/* works.h - plans at work: with a workspace and a pool, on random graphs.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_WORKS_H
#define SLIVI_WORKS_H

#include "graph/run.h"
#include "wild.h"

enum { MOST_ROWS = 257, OUTPUTS = 4 };

typedef struct works {
    slivi_plan *p;
    slivi_workspace *ws;
    slivi_pool *pool;
} works;

/* Every phase is shared by the threads (0: no pool), however small it is. */
works works_open(slivi_graph *g, size_t count, const slivi_node *out,
                 size_t max_rows, size_t threads);
void works_close(works *k);
/* These fail the test if the plan refuses. */
void works_bind(works *k, slivi_node x, void *memory);
void works_go(works *k, const slivi_run *run);

/* A node's entries and bytes with n samples; zeros for it; one of them. */
size_t works_entries(const slivi_graph *g, slivi_node x, size_t n);
size_t works_bytes(const slivi_graph *g, slivi_node x, size_t n);
void *works_room(const slivi_graph *g, slivi_node x, size_t n);
double works_entry(const slivi_graph *g, const void *x, size_t i);

/* A random graph, 1 to OUTPUTS outputs, inputs for n samples. */
typedef struct trial {
    wild w;
    slivi_node out[OUTPUTS];
    size_t count;
    void *in[WILD_INPUTS];
} trial;

void trial_open(trial *t, enum slivi_precision precision, uint64_t seed,
                size_t n);
void trial_close(trial *t);
/* Is output i an input, or listed before? */
int trial_repeats(const trial *t, size_t i);
/* A run with y[i] the memory of output i. */
void trial_run(const trial *t, works *k, const slivi_run *run, void **y);
/* The outputs of n rows from `row` on, freshly allocated. */
void trial_results(trial *t, works *k, size_t n, size_t row, void **y);
void trial_release(const trial *t, void **y);

enum { LAYERS = 4, H = 256, X = 784 };

/* tanh nets d -> H .. -> d (or 1), the first layer with x beside z or not. */
typedef struct net {
    slivi_graph *g;
    slivi_node z, x, wx, w[LAYERS], b[LAYERS];
    int layers;
} net;

/* `layers` products, from d columns to `out`. */
void net_open(net *t, int layers, size_t d, size_t out, int context);
/* The plan of an objective's loss and of its gradient in every parameter. */
slivi_plan *net_plan(net *t, const char *objective, size_t slices, int energy,
                     size_t max_rows);

#endif
