/* plan.h - what a plan is made of.  Private.

   A plan is a list of phases, by level.  Even levels hold what concerns the
   batch as a whole: gradients of weights, sums over samples, parameters.  Odd
   levels hold what goes sample by sample, as instructions that are run for one
   block of samples after the other.  A value at a level reads only values of
   lower levels or, in order, of its own.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_GRAPH_PLAN_H
#define SLIVI_GRAPH_PLAN_H

#include "graph/node.h"
#include "kernel/isa.h"

enum slivi__kind {
    SLIVI__IDLE,      /* nothing to do: dead, or the same as another */
    SLIVI__BOUND,     /* memory is the user's */
    SLIVI__VIEW,      /* entries of another fixed value, from `shift` on */
    SLIVI__WHOLE,     /* a kernel on the whole batch */
    SLIVI__TOTAL,     /* sum over samples: of sums that chains make by block */
    SLIVI__GRADIENT,  /* sum of a'b over samples, in tiles */
    SLIVI__FIRST_ROW, /* from here on: sample by sample */
    SLIVI__ENTRYWISE = SLIVI__FIRST_ROW, /* a loop in a chain */
    SLIVI__ROW_SUM,                      /* in a chain as well */
    SLIVI__FIRST_HEAVY, /* from here on: an instruction of its own */
    SLIVI__PRODUCT = SLIVI__FIRST_HEAVY, /* with others of its right operand */
    SLIVI__NOISE,
    SLIVI__UNITS,
    SLIVI__SLICE_SUM,
    SLIVI__ROW_KERNEL
};

enum slivi__home {
    SLIVI__NOWHERE, /* only ever in a chain's slots, or the user's memory */
    SLIVI__BAND,    /* memory of the workspace, for a band of blocks */
    SLIVI__BATCH,   /* the same, for the whole run */
    SLIVI__BLOCK    /* memory of a thread, while it runs a block */
};

/* What becomes of a node, by id. */
typedef struct slivi__value {
    const slivi__node *node;
    enum slivi__kind kind;
    enum slivi__home home;
    int level;
    int same;            /* id of the node that has its value, or its own */
    int in[SLIVI_ARITY]; /* ids of operands, repetitions looked through */
    int stored;          /* some reader needs it in memory */
    int readers;         /* operands that it is, outputs not counted */
    int output;          /* number of the output that may be its home, or -1 */
    int outputs;         /* how many are this value */
    size_t shift;        /* of a view, in entries */
    size_t offset;       /* bytes into its home */
    size_t first, count; /* of a gradient: its terms */
    size_t partial;      /* of a total: offset of its sums by block */
} slivi__value;

/* One pass of a chain.  Operand k is the result of step in[k] of the same
   chain, or the value ~in[k]. */
enum { SLIVI__STEP_ROW_SUM = SLIVI__LOOP_COUNT, SLIVI__STEP_TOTAL };
typedef struct slivi__step {
    int what; /* enum slivi__loop_name, or one of the above */
    int node;
    int in[SLIVI_ARITY];
    int arity;
    int local; /* made again for this chain only: not to the value's home */
    int slot;  /* where the result is, or -1: at home (totals: nowhere) */
    int flat;  /* operands and result are dense or one entry */
} slivi__step;

typedef struct slivi__pair {
    int a, b;
} slivi__pair;

/* What is run for a block.  A chain is `count` steps from `first`, a product
   `count` pairs (left operand, result) with one right operand. */
typedef struct slivi__instruction {
    enum slivi__kind kind; /* SLIVI__ENTRYWISE: a chain */
    int node;              /* the value; of a product: the right operand */
    int transposed;        /* product: number of the transposed copy, or -1 */
    size_t first, count;
    size_t slices, cols; /* of the chain's passes, or of the result */
    size_t slots;
} slivi__instruction;

/* A copy x' of a fixed value. */
typedef struct slivi__transposed {
    int node, level;
    size_t offset;
} slivi__transposed;

/* Rows [first, last) of a gradient (or of a copy x'). */
typedef struct slivi__tile {
    int what; /* id, or number of the copy */
    size_t first, last;
} slivi__tile;

/* Rows of a gradient's tile, at most (a multiple of the kernels' own), and of its
   terms that are summed by themselves before they are added: a single sum of
   floats over a large batch would lose digits. */
enum { SLIVI__TILE_ROWS = 96, SLIVI__PIECE_ROWS = 512 };

/* Products skip the zeros of an input of which at most one entry in so many is
   not zero. */
enum { SLIVI__THIN_SHARE = 4 };

/* A left operand that may turn out sparse: an input of many columns. */
typedef struct slivi__thin {
    int node;
    int in_rows, in_gradients; /* which form is read */
    size_t offset[4];          /* starts and entries by row and by column */
} slivi__thin;

typedef struct slivi__phase {
    size_t code, code_end;   /* odd levels: instructions */
    size_t tile, tile_end;   /* even: of gradients */
    size_t total, total_end; /* ids */
    size_t whole, whole_end; /* ids */
    size_t copy, copy_end;   /* tiles of copies of what is there before */
    size_t late, late_end;   /* and of what this phase makes */
    double work;             /* about so many operations */
} slivi__phase;

struct slivi_plan {
    const slivi_graph *g;
    const slivi__isa *isa;
    const slivi__kernels *k;
    size_t size; /* bytes of an entry */
    size_t max_rows, block, blocks;
    size_t band;         /* blocks that are run before gradients take them up */
    slivi__value *value; /* by id, [0] unused */
    size_t count;
    slivi_node *outputs;
    size_t output_count;
    slivi__phase *phase; /* by level */
    size_t phases;
    slivi__instruction *code;
    size_t code_count;
    slivi__step *step;
    size_t step_count;
    slivi__pair *pair; /* of products, then terms of gradients */
    size_t pair_count;
    slivi__transposed *copy;
    size_t copy_count;
    slivi__tile *tile;
    size_t tile_count;
    int *order; /* ids of totals and whole kernels by phase */
    size_t order_count;
    slivi__thin *thin;
    size_t thin_count;
    size_t batch_bytes, block_bytes, scratch;     /* scratch: doubles */
    size_t most_panels, most_steps, most_columns; /* columns: of gradients */
    int uses_blas;
};

/* Makes room for one more of `size` bytes; NULL when there is no memory. */
void *slivi__plan_push(void **list, size_t *count, size_t size);
#define SLIVI__PUSH(list, count)                                               \
    slivi__plan_push((void **)&(list), &(count), sizeof *(list))

/* Slices of a value with rows by sample; 0 for a fixed one. */
size_t slivi__plan_slices(const slivi_plan *p, int id);
/* Steps of a chain make this node's value. */
int slivi__plan_in_chain(const slivi__value *v);

/* nonzeros.c: entries that a sparse rows x cols may have. */
size_t slivi__thin_most(size_t rows, size_t cols);
/* schedule.c: instructions, copies and the order of whole kernels. */
int slivi__plan_schedule(slivi_plan *p);
/* place.c: homes, offsets, slots and the rows of a block. */
int slivi__plan_place(slivi_plan *p);

#endif
