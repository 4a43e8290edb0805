/* slivi/graph.h - expressions, their derivatives, and their evaluation.

   UNSTABLE until 1.0: the score headers are the interface that is kept.

   A graph holds nodes: matrices made by operations from other matrices.
   Expressions are built by plain calls,

       slivi_node y = slivi_tanh(g, slivi_matmul(g, x, w));

   differentiated by adding more nodes (slivi_jvp, slivi_vjp), and evaluated by
   an executor (slivi_plan, the fast one, or slivi_interp, the plain one).  The derivative nodes are made of the same
   operations, so derivatives nest to any order.

   Rows are symbolic.  A node has either a fixed number of rows, or S n rows
   where n is the number of samples given to a run and S a constant: the
   samples' S slices.  Its rows are then S blocks of n rows, slice by slice.
   `rows` arguments are written  5  or  SLIVI_ROWS  or  S * SLIVI_ROWS.

   Errors: a builder that cannot do as asked returns the null node (id 0), the
   graph keeps the first error, and every later call on the graph returns the
   null node, so that only the end of a construction needs a check
   (slivi_graph_status; the executor checks too).

   Threads: a graph is built by one thread at a time, and not changed while an
   executor made from it lives.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_GRAPH_H
#define SLIVI_GRAPH_H

#include "slivi/pool.h"
#include "slivi/random.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slivi_graph slivi_graph;
typedef struct slivi_node {
    int id; /* 0: the null node */
} slivi_node;

enum slivi_precision { SLIVI_F32, SLIVI_F64 };

#define SLIVI_ROWS ((ptrdiff_t)-1)

/* ---- the graph -------------------------------------------------------- */

slivi_graph *slivi_graph_create(enum slivi_precision precision);
void slivi_graph_free(slivi_graph *g); /* NULL is fine */

enum slivi_precision slivi_graph_precision(const slivi_graph *g);
/* Status of the first error (0: none); its text becomes slivi_errmsg(). */
int slivi_graph_status(const slivi_graph *g);
/* Number of nodes made so far. */
size_t slivi_graph_count(const slivi_graph *g);

/* Rows as above (negative: symbolic), columns; 0 for the null node. */
ptrdiff_t slivi_node_rows(const slivi_graph *g, slivi_node x);
size_t slivi_node_cols(const slivi_graph *g, slivi_node x);
/* Name of the operation that made x; "" for the null node. */
const char *slivi_node_op(const slivi_graph *g, slivi_node x);

/* ---- leaves ----------------------------------------------------------- */

/* A matrix bound to memory at run time; `name` (copied) serves messages. */
slivi_node slivi_input(slivi_graph *g, const char *name, ptrdiff_t rows,
                       size_t cols);
/* A column of row numbers (int32_t in memory) for slivi_gather. */
slivi_node slivi_input_index(slivi_graph *g, const char *name, ptrdiff_t rows);
/* The 1 x 1 matrix c. */
slivi_node slivi_constant(slivi_graph *g, double c);
/* rows x cols, all c. */
slivi_node slivi_full(slivi_graph *g, ptrdiff_t rows, size_t cols, double c);
/* The identity matrix of order m. */
slivi_node slivi_eye(slivi_graph *g, size_t m);
/* 1 / (number of rows at run time), 1 x 1. */
slivi_node slivi_inverse_rows(slivi_graph *g, ptrdiff_t rows);
/* Fresh draws, addressed by (seed, stream, step, slice, row, column) of the
   run: see slivi/random.h.  A stream serves one node of a graph. */
slivi_node slivi_noise(slivi_graph *g, const slivi_law *law, ptrdiff_t rows,
                       size_t cols, uint32_t stream);
/* Slices that are unit vectors: S n x d, slice s is e_j in every row, with
   j = chunk * S + s for the chunk number of the run; zero for j >= d. */
slivi_node slivi_units(slivi_graph *g, size_t s, size_t d);

/* ---- elementwise ------------------------------------------------------ */

/* Two operands: equal shapes, or one row, one column or one entry repeated,
   or n rows repeated over the other's S slices. */
slivi_node slivi_add(slivi_graph *g, slivi_node a, slivi_node b);
slivi_node slivi_sub(slivi_graph *g, slivi_node a, slivi_node b);
slivi_node slivi_mul(slivi_graph *g, slivi_node a, slivi_node b);
slivi_node slivi_div(slivi_graph *g, slivi_node a, slivi_node b);

slivi_node slivi_scale(slivi_graph *g, slivi_node x, double c); /* c x */
slivi_node slivi_shift(slivi_graph *g, slivi_node x, double c); /* x + c */
slivi_node slivi_neg(slivi_graph *g, slivi_node x);
slivi_node slivi_square(slivi_graph *g, slivi_node x);
slivi_node slivi_exp(slivi_graph *g, slivi_node x);
slivi_node slivi_log(slivi_graph *g, slivi_node x);
slivi_node slivi_sqrt(slivi_graph *g, slivi_node x);
slivi_node slivi_sin(slivi_graph *g, slivi_node x);
slivi_node slivi_cos(slivi_graph *g, slivi_node x);
slivi_node slivi_erf(slivi_graph *g, slivi_node x);
slivi_node slivi_abs(slivi_graph *g, slivi_node x);
slivi_node slivi_sign(slivi_graph *g, slivi_node x); /* -1, 0 or 1 */
slivi_node slivi_step(slivi_graph *g, slivi_node x); /* 1 where x > 0, else 0 */
slivi_node slivi_tanh(slivi_graph *g, slivi_node x);
slivi_node slivi_sigmoid(slivi_graph *g, slivi_node x);
slivi_node slivi_softplus(slivi_graph *g, slivi_node x); /* log(1 + e^x) */
slivi_node slivi_relu(slivi_graph *g, slivi_node x);
slivi_node slivi_leaky_relu(slivi_graph *g, slivi_node x, double slope);
slivi_node slivi_elu(slivi_graph *g, slivi_node x);  /* x, or e^x - 1 below 0 */
slivi_node slivi_silu(slivi_graph *g, slivi_node x); /* x sigmoid(x) */
slivi_node slivi_gelu(slivi_graph *g, slivi_node x); /* x Phi(x) */

/* ---- reductions and repetition ---------------------------------------- */

slivi_node slivi_sum(slivi_graph *g, slivi_node x);     /* of all: 1 x 1 */
slivi_node slivi_mean(slivi_graph *g, slivi_node x);    /* of all: 1 x 1 */
slivi_node slivi_row_sum(slivi_graph *g, slivi_node x); /* rows x 1 */
slivi_node slivi_row_dot(slivi_graph *g, slivi_node a, slivi_node b);
/* Largest entry of each row, rows x 1.  It has no derivative: put it behind
   slivi_stop_gradient. */
slivi_node slivi_row_max(slivi_graph *g, slivi_node x);
/* log sum exp of each row, rows x 1, without overflow. */
slivi_node slivi_log_sum_exp(slivi_graph *g, slivi_node x);
/* Sum x down to rows x cols, each of which is x's own, or 1, or (rows) x's
   samples without their slices.  slivi_broadcast is its transpose. */
slivi_node slivi_sum_to(slivi_graph *g, slivi_node x, ptrdiff_t rows,
                        size_t cols);
slivi_node slivi_broadcast(slivi_graph *g, slivi_node x, ptrdiff_t rows,
                           size_t cols);

/* ---- matrices --------------------------------------------------------- */

/* x y.  The tangent of slivi_concat(a, b) y along b multiplies only those rows
   of y that meet b. */
slivi_node slivi_matmul(slivi_graph *g, slivi_node x, slivi_node y);
/* op(x) op(y), where op transposes when tx or ty is nonzero. */
slivi_node slivi_matmul_t(slivi_graph *g, slivi_node x, int tx, slivi_node y,
                          int ty);
slivi_node slivi_transpose(slivi_graph *g, slivi_node x); /* fixed rows only */
slivi_node slivi_reshape(slivi_graph *g, slivi_node x, size_t rows,
                         size_t cols); /* fixed rows only */
slivi_node slivi_concat(slivi_graph *g, slivi_node a, slivi_node b); /* [a b] */
slivi_node slivi_columns(slivi_graph *g, slivi_node x, size_t first,
                         size_t count);
slivi_node slivi_rows(slivi_graph *g, slivi_node x, size_t first,
                      size_t count); /* fixed rows only */
/* Zeros around x: `before` and `after` more columns (rows). */
slivi_node slivi_pad_columns(slivi_graph *g, slivi_node x, size_t before,
                             size_t after);
slivi_node slivi_pad_rows(slivi_graph *g, slivi_node x, size_t before,
                          size_t after);
/* Row index[i] of the fixed table x, for each i.  A number outside the table
   fails the run. */
slivi_node slivi_gather(slivi_graph *g, slivi_node x, slivi_node index);
/* Its transpose: rows x cols, row r the sum of the rows i of x that have
   index[i] = r. */
slivi_node slivi_scatter_add(slivi_graph *g, slivi_node x, slivi_node index,
                             size_t rows);
/* S^-1 b and log det S for the symmetric part S = (a + a')/2 of a, which must
   be positive definite or the run fails; a is m x m, b is m x k, both fixed. */
slivi_node slivi_spd_solve(slivi_graph *g, slivi_node a, slivi_node b);
slivi_node slivi_spd_logdet(slivi_graph *g, slivi_node a);

/* ---- control of differentiation --------------------------------------- */

/* x, with zero tangent and zero adjoint. */
slivi_node slivi_stop_gradient(slivi_graph *g, slivi_node x);
/* x as a new independent variable: derivatives may be taken with respect to
   it, and see nothing behind it.  A derivative with respect to something
   behind it passes through. */
slivi_node slivi_variable(slivi_graph *g, slivi_node x);

/* y, of which the value is already in `value`, a node of its shape: often an
   input that holds the output of another graph's run.  y itself is not
   evaluated for it; derivatives are y's and see nothing behind `value`. */
slivi_node slivi_given(slivi_graph *g, slivi_node y, slivi_node value);

/* A user's function of rows: value[i] = f(x_i) and grad (n x d) its gradient,
   in double.  x has n rows and d columns.  Returns 0, or nonzero to fail the
   run. It is called in the thread that runs the executor. */
typedef int slivi_external_fn(size_t n, size_t d, const double *x,
                              double *value, double *grad, void *ctx);
/* n x 1.  First derivatives only: a second one is refused when it is built. */
slivi_node slivi_external(slivi_graph *g, slivi_node x, slivi_external_fn *fn,
                          void *ctx);

/* ---- derivatives ------------------------------------------------------ */

/* The derivative of y along v: (dy/dx) v.  v has x's columns and x's rows, or,
   where x has n rows, S n rows: S directions for each sample, with x and
   everything made from it shared by the slices.  x may be any node; what lies
   behind it is held fixed.  A derivative that is zero by structure is
   slivi_full(..., 0). */
slivi_node slivi_jvp(slivi_graph *g, slivi_node y, slivi_node x, slivi_node v);

/* gx[i] = (dy/dx[i])' gy, with the shape of x[i]; gy has the shape of y.
   Derivatives with respect to one x[i] hold the others fixed. */
int slivi_vjp(slivi_graph *g, slivi_node y, slivi_node gy, size_t count,
              const slivi_node x[], slivi_node gx[]);

/* Gradient of the sum of y's entries; for y = n x 1 made row by row from x
   this is the gradient of each row. */
slivi_node slivi_grad(slivi_graph *g, slivi_node y, slivi_node x);

/* If y depends on x through an operation that jumps (slivi_step, slivi_sign,
   the second derivative of slivi_elu), its name; NULL if there is none.  The
   derivative of such a y exists almost everywhere but misses a delta, so its
   mean is wrong. */
const char *slivi_jump(const slivi_graph *g, slivi_node y, slivi_node x);

/* ---- evaluation ------------------------------------------------------- */

/* The plain executor: runs the nodes that the outputs need one by one, in the
   order in which they were made.  It defines what a graph means. */
typedef struct slivi_interp slivi_interp;

/* For runs of up to max_rows samples.  The graph must outlive it; the pool may
   be NULL. All memory that runs need is allocated here. */
slivi_interp *slivi_interp_create(const slivi_graph *g, size_t count,
                                  const slivi_node outputs[], size_t max_rows,
                                  slivi_pool *pool);
void slivi_interp_free(slivi_interp *it); /* NULL is fine */

/* Memory of an input (read) or of an output (written), row-major, in the
   graph's precision (int32_t for index inputs); kept until bound anew, owned
   by the caller.  An output may stay unbound.  Memory belongs to the node:
   equal nodes are one (two gradients may be), and an output that is an input is
   only read; slivi_variable(x) makes such an output a node of its own. */
int slivi_interp_bind(slivi_interp *it, slivi_node x, void *memory);

typedef struct slivi_run {
    size_t n;      /* samples of this run, 1..max_rows */
    uint64_t seed; /* address of the run's noise */
    uint64_t step;
    uint64_t row;   /* global number of the first sample */
    size_t chunk;   /* see slivi_units */
    int accumulate; /* add to the outputs' memory instead of overwriting it */
} slivi_run;

/* Evaluate.  On failure the outputs' memory is as it was.  Values are not
   checked for being finite. */
int slivi_interp_run(slivi_interp *it, const slivi_run *run);

/* Bytes of its buffers, and how many nodes it runs. */
size_t slivi_interp_bytes(const slivi_interp *it);
size_t slivi_interp_nodes(const slivi_interp *it);

/* The fast executor: a plan of what the outputs need.  Dead nodes are dropped,
   entrywise operations run in chains over pieces that stay in a core's first
   cache, products with one right operand run as one, samples go block by block
   through all that concerns them alone, and gradients of weights are then made
   in tiles.  The results are the plain executor's to rounding (gradients
   of f32 add up rows in pieces of up to 512 and these in order: over n rows with
   an error of some (512 + n / 256) eps).  Bits do not depend on the pool, and a
   row's bits not on the other rows; but whether enough of an input is zero to
   be skipped does, and with it the sign of a zero, and what becomes of zero
   times infinity.

   A plan does not change once it is made: runs may use it at the same time,
   each with a workspace of its own. */
typedef struct slivi_plan slivi_plan;
typedef struct slivi_workspace slivi_workspace;

/* For runs of up to max_rows samples, 1 to 2^32 - 1.  The graph must outlive
   it; `outputs` is copied. */
slivi_plan *slivi_plan_create(const slivi_graph *g, size_t count,
                              const slivi_node outputs[], size_t max_rows);
void slivi_plan_free(slivi_plan *p); /* NULL is fine */
/* Writes what the plan does, for people to read.  op.NUMBER is a node, x' a
   transposed matrix, n the samples of a run.  A chain lists its passes as
   op.NUMBER(operands); (kept): the result goes to memory, (band) until gradients
   have taken up a band of blocks, (batch) for the whole run; (again): made anew
   for this chain; slots: pieces of a chain that never go to memory. */
int slivi_plan_print(const slivi_plan *p, FILE *out);

/* The memory of one run at a time, all of it allocated here; used by one thread
   at a time.  The plan must outlive it, and the pool, which may be NULL. */
slivi_workspace *slivi_workspace_create(const slivi_plan *p, slivi_pool *pool);
void slivi_workspace_free(slivi_workspace *ws); /* NULL is fine */
size_t slivi_workspace_bytes(const slivi_workspace *ws);

/* As slivi_interp_bind; NULL unbinds.  Results may be written while a run still reads its
   inputs, so no output's memory may overlap an input's; the output of one
   workspace may be the input of another. */
int slivi_workspace_bind(slivi_workspace *ws, slivi_node x, void *memory);

/* Evaluate, as slivi_interp_run, but after a failure the outputs' memory is
   undefined. Runs in the default floating-point mode, whatever the caller's. */
int slivi_workspace_run(slivi_workspace *ws, const slivi_run *run);

#ifdef __cplusplus
}
#endif
#endif
