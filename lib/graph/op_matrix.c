/* op_matrix.c - products, and moving rows and columns about.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/kernel.h"

static const slivi_node null = {0};

/* ---- products --------------------------------------------------------- */

/* Attributes: i and j say whether the left and right operand is transposed. */
static int shape_matmul(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *a = slivi__at(g, y->in[0]), *b = slivi__at(g, y->in[1]);
    ptrdiff_t ac = (ptrdiff_t)a->cols, bc = (ptrdiff_t)b->cols;
    ptrdiff_t m = y->a.i ? ac : a->rows, ka = y->a.i ? a->rows : ac;
    ptrdiff_t kb = y->a.j ? bc : b->rows, n = y->a.j ? b->rows : bc;
    char sa[48], sb[48];
    if (ka != kb || n < 0)
        return slivi__fail(SLIVI_ESHAPE, "matmul: %s%s times %s%s",
                           slivi__shape_text(a->rows, a->cols, sa),
                           y->a.i ? " transposed" : "",
                           slivi__shape_text(b->rows, b->cols, sb),
                           y->a.j ? " transposed" : "");
    y->rows = m;
    y->cols = (size_t)n;
    return 0;
}

/* da b.  The tangent of concat(c, d) along d alone is [0 dd]: then only the
   rows of b that meet dd are multiplied.  Only here: a product of the user's
   keeps its operand, so that one may differentiate with respect to it. */
static slivi_node left_product(slivi_graph *g, slivi_node da, int ta,
                               slivi_node b, int tb)
{
    const slivi__node *pad = slivi__at(g, da);
    if (!pad || ta || pad->op != &slivi__op_pad_columns)
        return slivi_matmul_t(g, da, ta, b, tb);
    const size_t before = pad->a.i;
    const slivi_node inner = pad->in[0];
    const size_t cols = slivi_node_cols(g, inner);
    return slivi_matmul_t(g, inner, 0,
                          tb ? slivi_columns(g, b, before, cols)
                             : slivi_rows(g, b, before, cols),
                          tb);
}

static slivi_node matmul_tangent(slivi_graph *g, slivi_node y,
                                 const slivi_node *dx, ptrdiff_t slices)
{
    const slivi__node node = *slivi__at(g, y);
    int ta = (int)node.a.i, tb = (int)node.a.j;
    if (slices > 1 && ta && slivi_node_rows(g, node.in[0]) < 0)
        return slivi__refuse(g, SLIVI_EUNSUPPORTED,
                             "matmul: %ld directions for each sample cannot "
                             "pass a sum over samples",
                             (long)slices);
    slivi_node dy = null;
    if (!slivi__is_null(dx[0])) /* dy = da b */
        dy = left_product(g, dx[0], ta, node.in[1], tb);
    if (slivi__is_null(dx[1]))
        return dy;
    slivi_node t = slivi_matmul_t(g, node.in[0], ta, dx[1], tb); /* a db */
    return slivi__is_null(dx[0]) ? t : slivi_add(g, dy, t);
}

static slivi_node matmul_adjoint(slivi_graph *g, slivi_node y, int k,
                                 slivi_node gy)
{
    const slivi__node node = *slivi__at(g, y);
    slivi_node a = node.in[0], b = node.in[1];
    int ta = (int)node.a.i, tb = (int)node.a.j;
    if (k == 0) /* ga = gy b',  or b gy' where a is transposed */
        return ta ? slivi_matmul_t(g, b, tb, gy, 1)
                  : slivi_matmul_t(g, gy, 0, b, !tb);
    /* gb = a' gy,  or gy' a where b is transposed */
    return tb ? slivi_matmul_t(g, gy, 1, a, ta)
              : slivi_matmul_t(g, a, !ta, gy, 0);
}

const slivi__op slivi__op_matmul = {
    .name = "matmul",
    .arity = 2,
    .shape = shape_matmul,
    .tangent = matmul_tangent,
    .adjoint = matmul_adjoint,
    .kernel = KERNEL(matmul),
};

slivi_node slivi_matmul_t(slivi_graph *g, slivi_node x, int tx, slivi_node y,
                          int ty)
{
    slivi__attr a = {.i = tx != 0, .j = ty != 0};
    return slivi__make(g, &slivi__op_matmul, x, y, &a);
}

slivi_node slivi_matmul(slivi_graph *g, slivi_node x, slivi_node y)
{
    return slivi_matmul_t(g, x, 0, y, 0);
}

/* ---- fixed matrices: transpose, reshape, rows -------------------------- */

static int shape_transpose(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *x = slivi__at(g, y->in[0]);
    if (x->rows < 0)
        return slivi__fail(SLIVI_ESHAPE, "transpose: the rows are samples");
    y->rows = (ptrdiff_t)x->cols;
    y->cols = (size_t)x->rows;
    return 0;
}

static slivi_node transpose_tangent(slivi_graph *g, slivi_node y,
                                    const slivi_node *dx, ptrdiff_t slices)
{
    (void)y, (void)slices;
    return slivi_transpose(g, dx[0]);
}

static slivi_node transpose_adjoint(slivi_graph *g, slivi_node y, int k,
                                    slivi_node gy)
{
    (void)y, (void)k;
    return slivi_transpose(g, gy);
}

static int shape_reshape(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *x = slivi__at(g, y->in[0]);
    size_t count;
    char sx[48];
    if (x->rows < 0)
        return slivi__fail(SLIVI_ESHAPE, "reshape: the rows are samples");
    if (slivi__mul(y->a.i, y->a.j, &count)
        || count != (size_t)x->rows * x->cols)
        return slivi__fail(SLIVI_ESHAPE, "reshape: from %s to %zu x %zu",
                           slivi__shape_text(x->rows, x->cols, sx), y->a.i,
                           y->a.j);
    y->rows = (ptrdiff_t)y->a.i;
    y->cols = y->a.j;
    return 0;
}

static slivi_node reshape_tangent(slivi_graph *g, slivi_node y,
                                  const slivi_node *dx, ptrdiff_t slices)
{
    (void)slices;
    return slivi_reshape(g, dx[0], (size_t)slivi_node_rows(g, y),
                         slivi_node_cols(g, y));
}

static slivi_node reshape_adjoint(slivi_graph *g, slivi_node y, int k,
                                  slivi_node gy)
{
    slivi_node x = slivi__at(g, y)->in[k];
    return slivi_reshape(g, gy, (size_t)slivi_node_rows(g, x),
                         slivi_node_cols(g, x));
}

/* Attributes of rows and columns: i the first, j the count; of pad_rows and
   pad_columns: i before, j after. */
static int shape_rows(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *x = slivi__at(g, y->in[0]);
    size_t end;
    if (x->rows < 0)
        return slivi__fail(SLIVI_ESHAPE, "rows: the rows are samples");
    if (!y->a.j || slivi__add(y->a.i, y->a.j, &end) || end > (size_t)x->rows)
        return slivi__fail(SLIVI_ESHAPE, "rows: %zu from %zu of %zu", y->a.j,
                           y->a.i, (size_t)x->rows);
    y->rows = (ptrdiff_t)y->a.j;
    y->cols = x->cols;
    return 0;
}

static slivi_node rows_tangent(slivi_graph *g, slivi_node y,
                               const slivi_node *dx, ptrdiff_t slices)
{
    const slivi__attr a = slivi__at(g, y)->a;
    (void)slices;
    return slivi_rows(g, dx[0], a.i, a.j);
}

static slivi_node rows_adjoint(slivi_graph *g, slivi_node y, int k,
                               slivi_node gy)
{
    const slivi__attr a = slivi__at(g, y)->a;
    size_t rows = (size_t)slivi_node_rows(g, slivi__at(g, y)->in[k]);
    return slivi_pad_rows(g, gy, a.i, rows - a.i - a.j);
}

/* *out = size + before + after, which must be a ptrdiff_t. */
static int padded(const slivi__node *y, size_t size, size_t *out)
{
    *out = size;
    if (slivi__add(size, y->a.i, out) || slivi__add(*out, y->a.j, out)
        || *out > PTRDIFF_MAX)
        return slivi__fail(SLIVI_EOVERFLOW, "%s: %zu and %zu around %zu",
                           y->op->name, y->a.i, y->a.j, size);
    return 0;
}

static int shape_pad_rows(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *x = slivi__at(g, y->in[0]);
    if (x->rows < 0)
        return slivi__fail(SLIVI_ESHAPE, "pad_rows: the rows are samples");
    size_t rows;
    int status = padded(y, (size_t)x->rows, &rows);
    y->rows = (ptrdiff_t)rows;
    y->cols = x->cols;
    return status;
}

static slivi_node pad_rows_tangent(slivi_graph *g, slivi_node y,
                                   const slivi_node *dx, ptrdiff_t slices)
{
    const slivi__attr a = slivi__at(g, y)->a;
    (void)slices;
    return slivi_pad_rows(g, dx[0], a.i, a.j);
}

static slivi_node pad_rows_adjoint(slivi_graph *g, slivi_node y, int k,
                                   slivi_node gy)
{
    size_t before = slivi__at(g, y)->a.i;
    slivi_node x = slivi__at(g, y)->in[k];
    return slivi_rows(g, gy, before, (size_t)slivi_node_rows(g, x));
}

/* ---- columns ---------------------------------------------------------- */

static int shape_concat(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *a = slivi__at(g, y->in[0]), *b = slivi__at(g, y->in[1]);
    char sa[48], sb[48];
    if (a->rows != b->rows)
        return slivi__fail(SLIVI_ESHAPE, "concat: %s beside %s",
                           slivi__shape_text(a->rows, a->cols, sa),
                           slivi__shape_text(b->rows, b->cols, sb));
    y->rows = a->rows;
    y->cols = a->cols + b->cols;
    return 0;
}

static slivi_node concat_tangent(slivi_graph *g, slivi_node y,
                                 const slivi_node *dx, ptrdiff_t slices)
{
    const slivi__node node = *slivi__at(g, y);
    size_t ca = slivi_node_cols(g, node.in[0]), cb = node.cols - ca;
    (void)slices;
    if (slivi__is_null(dx[0]))
        return slivi_pad_columns(g, dx[1], ca, 0);
    if (slivi__is_null(dx[1]))
        return slivi_pad_columns(g, dx[0], 0, cb);
    ptrdiff_t ra = slivi_node_rows(g, dx[0]), rb = slivi_node_rows(g, dx[1]);
    ptrdiff_t rows = ra < rb ? ra : rb; /* the one with more slices */
    return slivi_concat(g, slivi__expand(g, dx[0], rows, ca),
                        slivi__expand(g, dx[1], rows, cb));
}

static slivi_node concat_adjoint(slivi_graph *g, slivi_node y, int k,
                                 slivi_node gy)
{
    const slivi__node node = *slivi__at(g, y);
    size_t ca = slivi_node_cols(g, node.in[0]);
    return k ? slivi_columns(g, gy, ca, node.cols - ca)
             : slivi_columns(g, gy, 0, ca);
}

static int shape_columns(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *x = slivi__at(g, y->in[0]);
    size_t end;
    if (!y->a.j || slivi__add(y->a.i, y->a.j, &end) || end > x->cols)
        return slivi__fail(SLIVI_ESHAPE, "columns: %zu from %zu of %zu", y->a.j,
                           y->a.i, x->cols);
    y->rows = x->rows;
    y->cols = y->a.j;
    return 0;
}

static slivi_node columns_tangent(slivi_graph *g, slivi_node y,
                                  const slivi_node *dx, ptrdiff_t slices)
{
    const slivi__attr a = slivi__at(g, y)->a;
    (void)slices;
    return slivi_columns(g, dx[0], a.i, a.j);
}

static slivi_node columns_adjoint(slivi_graph *g, slivi_node y, int k,
                                  slivi_node gy)
{
    const slivi__attr a = slivi__at(g, y)->a;
    size_t cols = slivi_node_cols(g, slivi__at(g, y)->in[k]);
    return slivi_pad_columns(g, gy, a.i, cols - a.i - a.j);
}

static int shape_pad_columns(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *x = slivi__at(g, y->in[0]);
    y->rows = x->rows;
    return padded(y, x->cols, &y->cols);
}

static slivi_node pad_columns_tangent(slivi_graph *g, slivi_node y,
                                      const slivi_node *dx, ptrdiff_t slices)
{
    const slivi__attr a = slivi__at(g, y)->a;
    (void)slices;
    return slivi_pad_columns(g, dx[0], a.i, a.j);
}

static slivi_node pad_columns_adjoint(slivi_graph *g, slivi_node y, int k,
                                      slivi_node gy)
{
    size_t before = slivi__at(g, y)->a.i;
    slivi_node x = slivi__at(g, y)->in[k];
    return slivi_columns(g, gy, before, slivi_node_cols(g, x));
}

/* ---- rows by number --------------------------------------------------- */

static int shape_gather(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *x = slivi__at(g, y->in[0]);
    if (x->rows < 0)
        return slivi__fail(SLIVI_ESHAPE, "gather: the table has no fixed rows");
    y->rows = slivi_node_rows(g, y->in[1]);
    y->cols = x->cols;
    return 0;
}

static slivi_node gather_tangent(slivi_graph *g, slivi_node y,
                                 const slivi_node *dx, ptrdiff_t slices)
{
    (void)slices;
    return slivi_gather(g, dx[0], slivi__at(g, y)->in[1]);
}

static slivi_node gather_adjoint(slivi_graph *g, slivi_node y, int k,
                                 slivi_node gy)
{
    const slivi__node node = *slivi__at(g, y);
    return k ? null
             : slivi_scatter_add(g, gy, node.in[1],
                                 (size_t)slivi_node_rows(g, node.in[0]));
}

static int shape_scatter_add(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *x = slivi__at(g, y->in[0]);
    if (x->rows != slivi_node_rows(g, y->in[1]) || !y->a.i)
        return slivi__fail(SLIVI_ESHAPE,
                           "scatter_add: the index has other rows than the "
                           "operand, or no rows are wanted");
    y->rows = (ptrdiff_t)y->a.i;
    y->cols = x->cols;
    return 0;
}

static slivi_node scatter_add_tangent(slivi_graph *g, slivi_node y,
                                      const slivi_node *dx, ptrdiff_t slices)
{
    const slivi__node node = *slivi__at(g, y);
    if (slices > 1 && slivi_node_rows(g, node.in[0]) < 0)
        return slivi__refuse(g, SLIVI_EUNSUPPORTED,
                             "scatter_add: several directions for each sample "
                             "cannot pass a sum over samples");
    return slivi_scatter_add(g, dx[0], node.in[1], node.a.i);
}

static slivi_node scatter_add_adjoint(slivi_graph *g, slivi_node y, int k,
                                      slivi_node gy)
{
    return k ? null : slivi_gather(g, gy, slivi__at(g, y)->in[1]);
}

#define MOVE(NAME, ARITY, TRAITS, KERNELS)                                     \
    const slivi__op slivi__op_##NAME = {                                       \
        .name = #NAME,                                                         \
        .arity = ARITY,                                                        \
        .traits = TRAITS,                                                      \
        .shape = shape_##NAME,                                                 \
        .tangent = NAME##_tangent,                                             \
        .adjoint = NAME##_adjoint,                                             \
        .kernel = KERNEL(KERNELS),                                             \
    };

MOVE(transpose, 1, 0, transpose)
MOVE(reshape, 1, 0, copy)
MOVE(rows, 1, SLIVI_OP_ROWWISE, rows)
MOVE(pad_rows, 1, SLIVI_OP_ROWWISE, pad_rows)
MOVE(concat, 2, SLIVI_OP_ROWWISE, concat)
MOVE(columns, 1, SLIVI_OP_ROWWISE, columns)
MOVE(pad_columns, 1, SLIVI_OP_ROWWISE, pad_columns)
MOVE(gather, 2, SLIVI_OP_ROWWISE | SLIVI_OP_INDEXED, gather)

/* A double for each entry of the result. */
static size_t scratch_scatter_add(const slivi__node *y,
                                  const slivi__node *const *in, size_t n)
{
    (void)in, (void)n;
    return (size_t)y->rows * y->cols;
}

const slivi__op slivi__op_scatter_add = {
    .name = "scatter_add",
    .arity = 2,
    .traits = SLIVI_OP_INDEXED,
    .shape = shape_scatter_add,
    .tangent = scatter_add_tangent,
    .adjoint = scatter_add_adjoint,
    .kernel = KERNEL(scatter_add),
    .scratch = scratch_scatter_add,
};

slivi_node slivi_transpose(slivi_graph *g, slivi_node x)
{
    return slivi__make(g, &slivi__op_transpose, x, null, NULL);
}

slivi_node slivi_concat(slivi_graph *g, slivi_node a, slivi_node b)
{
    return slivi__make(g, &slivi__op_concat, a, b, NULL);
}

static slivi_node two(slivi_graph *g, const slivi__op *op, slivi_node x,
                      size_t i, size_t j)
{
    slivi__attr a = {.i = i, .j = j};
    return slivi__make(g, op, x, null, &a);
}

slivi_node slivi_reshape(slivi_graph *g, slivi_node x, size_t rows, size_t cols)
{
    return two(g, &slivi__op_reshape, x, rows, cols);
}

slivi_node slivi_columns(slivi_graph *g, slivi_node x, size_t first,
                         size_t count)
{
    return two(g, &slivi__op_columns, x, first, count);
}

slivi_node slivi_rows(slivi_graph *g, slivi_node x, size_t first, size_t count)
{
    return two(g, &slivi__op_rows, x, first, count);
}

slivi_node slivi_pad_columns(slivi_graph *g, slivi_node x, size_t before,
                             size_t after)
{
    return two(g, &slivi__op_pad_columns, x, before, after);
}

slivi_node slivi_pad_rows(slivi_graph *g, slivi_node x, size_t before,
                          size_t after)
{
    return two(g, &slivi__op_pad_rows, x, before, after);
}

slivi_node slivi_gather(slivi_graph *g, slivi_node x, slivi_node index)
{
    return slivi__make(g, &slivi__op_gather, x, index, NULL);
}

slivi_node slivi_scatter_add(slivi_graph *g, slivi_node x, slivi_node index,
                             size_t rows)
{
    slivi__attr a = {.i = rows};
    return slivi__make(g, &slivi__op_scatter_add, x, index, &a);
}
