/* op_reduce.c - sums and repetition, which are each other's transposes.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/kernel.h"

static const slivi_node null = {0};

/* May `from` rows be summed down to `to`: all kept, all summed, or the slices
   of each sample summed. */
static int sums_to(ptrdiff_t from, ptrdiff_t to)
{
    return from == to || to == 1 || (from < 0 && to == SLIVI_ROWS);
}

static int refuse(const slivi__node *x, const slivi__node *y)
{
    char sx[48], sy[48];
    return slivi__fail(SLIVI_ESHAPE, "%s: from %s to %s", y->op->name,
                       slivi__shape_text(x->rows, x->cols, sx),
                       slivi__shape_text(y->a.rows, y->a.cols, sy));
}

static int shape_sum_to(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *x = slivi__at(g, y->in[0]);
    if (!sums_to(x->rows, y->a.rows)
        || (y->a.cols != x->cols && y->a.cols != 1))
        return refuse(x, y);
    y->rows = y->a.rows;
    y->cols = y->a.cols;
    return 0;
}

static int shape_broadcast(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *x = slivi__at(g, y->in[0]);
    if (!y->a.rows || !y->a.cols || !sums_to(y->a.rows, x->rows)
        || (y->a.cols != x->cols && x->cols != 1))
        return refuse(x, y);
    y->rows = y->a.rows;
    y->cols = y->a.cols;
    return 0;
}

static int shape_row_max(const slivi_graph *g, slivi__node *y)
{
    y->rows = slivi_node_rows(g, y->in[0]);
    y->cols = 1;
    return 0;
}

/* Several directions for each sample survive only where samples stay apart. */
static slivi_node sum_to_tangent(slivi_graph *g, slivi_node y,
                                 const slivi_node *dx, ptrdiff_t slices)
{
    ptrdiff_t from = slivi_node_rows(g, slivi__at(g, y)->in[0]);
    ptrdiff_t to = slivi_node_rows(g, y);
    if (slices > 1 && from < 0 && from != to)
        return slivi__refuse(g, SLIVI_EUNSUPPORTED,
                             "sum_to: %ld directions for each sample cannot "
                             "pass a sum over samples or slices",
                             (long)slices);
    return slivi__reduce(g, dx[0], slivi__tangent_rows(to, slices),
                         slivi_node_cols(g, y));
}

static slivi_node sum_to_adjoint(slivi_graph *g, slivi_node y, int k,
                                 slivi_node gy)
{
    slivi_node x = slivi__at(g, y)->in[k];
    return slivi__expand(g, gy, slivi_node_rows(g, x), slivi_node_cols(g, x));
}

static slivi_node broadcast_tangent(slivi_graph *g, slivi_node y,
                                    const slivi_node *dx, ptrdiff_t slices)
{
    ptrdiff_t rows = slivi__tangent_rows(slivi_node_rows(g, y), slices);
    return slivi__expand(g, dx[0], rows, slivi_node_cols(g, y));
}

static slivi_node broadcast_adjoint(slivi_graph *g, slivi_node y, int k,
                                    slivi_node gy)
{
    slivi_node x = slivi__at(g, y)->in[k];
    return slivi__reduce(g, gy, slivi_node_rows(g, x), slivi_node_cols(g, x));
}

static slivi_node row_max_refuse(slivi_graph *g)
{
    return slivi__refuse(g, SLIVI_EUNSUPPORTED,
                         "row_max: it has no derivative; put it behind "
                         "slivi_stop_gradient");
}

static slivi_node row_max_tangent(slivi_graph *g, slivi_node y,
                                  const slivi_node *dx, ptrdiff_t slices)
{
    (void)y, (void)dx, (void)slices;
    return row_max_refuse(g);
}

static slivi_node row_max_adjoint(slivi_graph *g, slivi_node y, int k,
                                  slivi_node gy)
{
    (void)y, (void)k, (void)gy;
    return row_max_refuse(g);
}

/* A double for each entry of the result. */
static size_t scratch_sum_to(const slivi__node *y, const slivi__node *const *in,
                             size_t n)
{
    (void)in;
    return slivi__count_rows(y->rows, n) * y->cols;
}

const slivi__op slivi__op_sum_to = {
    .name = "sum_to",
    .arity = 1,
    .shape = shape_sum_to,
    .tangent = sum_to_tangent,
    .adjoint = sum_to_adjoint,
    .kernel = KERNEL(sum_to),
    .scratch = scratch_sum_to,
};
const slivi__op slivi__op_broadcast = {
    .name = "broadcast",
    .arity = 1,
    .traits = SLIVI_OP_ROWWISE,
    .shape = shape_broadcast,
    .tangent = broadcast_tangent,
    .adjoint = broadcast_adjoint,
    .kernel = KERNEL(broadcast),
};
const slivi__op slivi__op_row_max = {
    .name = "row_max",
    .arity = 1,
    .traits = SLIVI_OP_ROWWISE,
    .shape = shape_row_max,
    .tangent = row_max_tangent,
    .adjoint = row_max_adjoint,
    .kernel = KERNEL(row_max),
};

slivi_node slivi_sum_to(slivi_graph *g, slivi_node x, ptrdiff_t rows,
                        size_t cols)
{
    slivi__attr a = {.rows = rows, .cols = cols};
    return slivi__make(g, &slivi__op_sum_to, x, null, &a);
}

slivi_node slivi_broadcast(slivi_graph *g, slivi_node x, ptrdiff_t rows,
                           size_t cols)
{
    slivi__attr a = {.rows = rows, .cols = cols};
    return slivi__make(g, &slivi__op_broadcast, x, null, &a);
}

slivi_node slivi_sum(slivi_graph *g, slivi_node x)
{
    return slivi__reduce(g, x, 1, 1);
}

slivi_node slivi_mean(slivi_graph *g, slivi_node x)
{
    if (!slivi__at(g, x)) /* sum reports it */
        return slivi_sum(g, x);
    slivi_node inverse = slivi_inverse_rows(g, slivi_node_rows(g, x));
    double cols = (double)slivi_node_cols(g, x);
    return slivi_scale(g, slivi_mul(g, slivi_sum(g, x), inverse), 1 / cols);
}

slivi_node slivi_row_sum(slivi_graph *g, slivi_node x)
{
    return slivi__reduce(g, x, slivi_node_rows(g, x), 1);
}

slivi_node slivi_row_dot(slivi_graph *g, slivi_node a, slivi_node b)
{
    return slivi_row_sum(g, slivi_mul(g, a, b));
}

slivi_node slivi_row_max(slivi_graph *g, slivi_node x)
{
    return slivi__make(g, &slivi__op_row_max, x, null, NULL);
}

slivi_node slivi_log_sum_exp(slivi_graph *g, slivi_node x)
{
    /* the shift by m cancels, so its derivative may be left out */
    slivi_node m = slivi_stop_gradient(g, slivi_row_max(g, x));
    slivi_node e = slivi_exp(g, slivi_sub(g, x, m));
    return slivi_add(g, m, slivi_log(g, slivi_row_sum(g, e)));
}
