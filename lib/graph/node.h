/* node.h - nodes, operations and what executors see of them.  Private. */
#ifndef SLIVI_GRAPH_NODE_H
#define SLIVI_GRAPH_NODE_H

#include "base/base.h"
#include "slivi/graph.h"

enum { SLIVI_ARITY = 2 };

typedef struct slivi__op slivi__op;

/* Attributes: their meaning is the operation's own. */
typedef struct slivi__attr {
    ptrdiff_t rows; /* wanted shape, for operations that are told it */
    size_t cols;
    size_t i, j;
    double c;
    const void *p;
    slivi_external_fn *fn;
} slivi__attr;

typedef struct slivi__node {
    const slivi__op *op;
    slivi_node in[SLIVI_ARITY];
    ptrdiff_t rows;
    size_t cols;
    slivi__attr a;
} slivi__node;

/* What a kernel gets.  Matrices are dense and row-major. */
typedef struct slivi__call {
    const slivi__node *node;
    const void *in[SLIVI_ARITY];
    size_t in_rows[SLIVI_ARITY], in_cols[SLIVI_ARITY];
    void *out;
    size_t rows, cols;
    size_t first, last; /* rows of out to compute; all of them unless ROWWISE */
    size_t origin;      /* number of row 0 among the run's, for messages */
    const slivi_run *run;
    slivi_pool *pool;
    double *scratch;
} slivi__call;

enum {
    SLIVI_OP_UNIQUE = 1,   /* equal nodes are not shared */
    SLIVI_OP_ROWWISE = 2,  /* a kernel may compute some rows alone */
    SLIVI_OP_JUMP = 4,     /* not continuous: its derivative misses a delta */
    SLIVI_OP_CUT = 8,      /* derivative zero by definition */
    SLIVI_OP_INPUT = 16,   /* memory is bound by the user */
    SLIVI_OP_INDEX = 32,   /* entries are int32_t */
    SLIVI_OP_INDEXED = 64, /* the second operand is such an index */
    SLIVI_OP_GIVEN = 128   /* the second operand serves derivatives alone */
};

typedef int slivi__kernel(const slivi__call *c);

/* One row of the table of operations.  `tangent` gets the inputs' tangents
   (null node: zero) and the number of slices of the direction; `adjoint` gets
   the input's number.  An elementwise function of one input gives only
   `slope`, a builder of f'(x). */
struct slivi__op {
    const char *name;
    int arity;
    unsigned traits;
    /* Sets y->rows and y->cols, or fails with a message. */
    int (*shape)(const slivi_graph *g, slivi__node *y);
    slivi_node (*slope)(slivi_graph *g, slivi_node x, slivi_node y);
    slivi_node (*tangent)(slivi_graph *g, slivi_node y, const slivi_node *dx,
                          ptrdiff_t slices);
    slivi_node (*adjoint)(slivi_graph *g, slivi_node y, int k, slivi_node gy);
    slivi__kernel *kernel[2]; /* by precision */
    int loop; /* 1 + enum slivi__loop_name where a plan may chain it; or 0 */
    /* Doubles of scratch for one call with n samples; NULL: none. */
    size_t (*scratch)(const slivi__node *y, const slivi__node *const *in,
                      size_t n);
};

/* All operations, NULL-terminated. */
extern const slivi__op *const slivi__ops[];

/* The node of this operation, shared if there is an equal one. */
slivi_node slivi__make(slivi_graph *g, const slivi__op *op, slivi_node x,
                       slivi_node y, const slivi__attr *attr);

const slivi__node *slivi__at(const slivi_graph *g, slivi_node x);
int slivi__is_null(slivi_node x);
/* Keeps the first error of the graph; returns the null node. */
slivi_node slivi__refuse(slivi_graph *g, int status, const char *format, ...)
    SLIVI_PRINTF(3, 4);
/* "n x 3", "4n x 3" or "2 x 3" into a buffer of at least 48 bytes. */
const char *slivi__shape_text(ptrdiff_t rows, size_t cols, char *buffer);
/* Broadcast x to the shape unless it has it. */
slivi_node slivi__expand(slivi_graph *g, slivi_node x, ptrdiff_t rows,
                         size_t cols);
slivi_node slivi__reduce(slivi_graph *g, slivi_node x, ptrdiff_t rows,
                         size_t cols);
/* Operands that an executor reads. */
int slivi__reads(const slivi__op *op);
/* Entries at run time: rows with n samples. */
size_t slivi__count_rows(ptrdiff_t rows, size_t n);

/* Rows of y's tangent along `slices` directions. */
ptrdiff_t slivi__tangent_rows(ptrdiff_t rows, ptrdiff_t slices);

/* The tables of operations, one list for each file. */
extern const slivi__op slivi__op_add, slivi__op_sub, slivi__op_mul,
    slivi__op_div;
extern const slivi__op slivi__op_scale, slivi__op_shift, slivi__op_exp,
    slivi__op_log, slivi__op_sqrt, slivi__op_sin, slivi__op_cos, slivi__op_erf,
    slivi__op_abs, slivi__op_sign, slivi__op_step, slivi__op_tanh,
    slivi__op_one_minus_square, slivi__op_sigmoid, slivi__op_minus_square,
    slivi__op_softplus, slivi__op_relu, slivi__op_elu, slivi__op_elu1,
    slivi__op_elu2;
extern const slivi__op slivi__op_input, slivi__op_index, slivi__op_constant,
    slivi__op_eye, slivi__op_inverse_rows, slivi__op_noise, slivi__op_units;
extern const slivi__op slivi__op_sum_to, slivi__op_broadcast, slivi__op_row_max;
extern const slivi__op slivi__op_matmul, slivi__op_transpose, slivi__op_reshape,
    slivi__op_concat, slivi__op_columns, slivi__op_rows, slivi__op_pad_columns,
    slivi__op_pad_rows, slivi__op_gather, slivi__op_scatter_add;
extern const slivi__op slivi__op_spd_solve, slivi__op_spd_logdet;
extern const slivi__op slivi__op_stop_gradient, slivi__op_variable,
    slivi__op_given, slivi__op_external, slivi__op_external_value,
    slivi__op_external_grad;

#endif
