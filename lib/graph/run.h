/* run.h - what runs of a plan share.  Private.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_GRAPH_RUN_H
#define SLIVI_GRAPH_RUN_H

#include "graph/plan.h"

/* Entries of a chain's chunk: with its operands it stays in the first cache. */
enum { SLIVI__CHUNK = 1024 };

/* A step of a chain with the addresses of one slice. */
typedef struct slivi__pass {
    const slivi__step *step;
    slivi__loop loop;
    size_t move_a, move_b, move_y; /* bytes for each row */
    double *sum;                   /* of a total */
} slivi__pass;

/* What a thread needs for a block. */
typedef struct slivi__bench {
    char *block, *slots;
    slivi__panel *panels;
    slivi__pass *passes;
    double *sums; /* widest value's columns */
    char *piece;  /* of a gradient's tile */
} slivi__bench;

/* A sparse input of this run, by row and, band by band with rows counted from
   the band's first, by column; start NULL: it is dense. */
typedef struct slivi__nonzeros {
    slivi__sparse rows, columns;
} slivi__nonzeros;

struct slivi_workspace {
    const slivi_plan *p;
    slivi_pool *pool;
    void **bound;  /* memory of inputs, by id */
    void **result; /* memory of outputs, by number */
    size_t apart;  /* samples for which bindings are known not to overlap */
    char *batch;
    slivi__bench *bench; /* by worker */
    size_t workers, bytes;
    double *scratch;
    /* of the present run */
    const slivi_run *run;
    char **base; /* by id; block values have none */
    slivi__nonzeros *thin;
    size_t first, rows; /* of the present band */
};

/* block.c: block number i of level f's samples. */
int slivi__run_block(slivi_workspace *ws, const slivi__phase *f, size_t i,
                     slivi__bench *b);
/* The nonzeros of input `id` in this run; NULL where there are none known. */
const slivi__nonzeros *slivi__run_thin(const slivi_workspace *ws, int id);
/* nonzeros.c: looks through input number i of the plan's thin ones. */
void slivi__find_nonzeros(slivi_workspace *ws, size_t i);
/* Row number `row` of a slice of a value that is not in block memory; a fixed
   value's first. */
char *slivi__run_row(const slivi_workspace *ws, int id, size_t slice,
                     size_t row);

#endif
