/* wild.h - random graphs: what no net would think of.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_WILD_H
#define SLIVI_WILD_H

#include "slivi/graph.h"

#include <stddef.h>

enum { WILD_NODES = 80, WILD_INPUTS = 14 };

typedef struct wild_node {
    slivi_node x;
    int degree; /* roughly, as a polynomial of what is bounded */
} wild_node;

typedef struct wild {
    slivi_graph *g;
    wild_node node[WILD_NODES]; /* the inputs (no indices), then results */
    size_t count;
    slivi_node input[WILD_INPUTS];
    size_t inputs;
    size_t index_rows[WILD_INPUTS]; /* of an index: rows of the table */
    uint64_t state;
    uint32_t stream;
} wild;

/* A graph of about `operations` random operations; the same for one seed. */
void wild_open(wild *w, enum slivi_precision precision, uint64_t seed,
               size_t operations);
void wild_close(wild *w);

/* Memory of input number i for n samples, of which every entry has an address:
   n = 1 and row = r is row r of the others.  A wide one is mostly zero.  The
   caller frees it. */
void *wild_memory(const wild *w, size_t i, size_t n, size_t row);

/* 0 .. most - 1 */
size_t wild_draw(wild *w, size_t most);
/* `count` random nodes, among them now and then an input, an alias, or one
   twice. */
void wild_outputs(wild *w, size_t count, slivi_node *out);

#endif
