/* op_leaf.c - operations without operands, and those that steer derivatives.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/kernel.h"

static const slivi_node null = {0};

static int shape_told(const slivi_graph *g, slivi__node *y)
{
    (void)g;
    y->rows = y->a.rows;
    y->cols = y->a.cols;
    if (y->rows && y->cols)
        return 0;
    return slivi__fail(SLIVI_ESHAPE, "%s%s%s: no rows or no columns",
                       y->op->name, y->op->traits & SLIVI_OP_INPUT ? " " : "",
                       y->op->traits & SLIVI_OP_INPUT ? (const char *)y->a.p
                                                      : "");
}

static int shape_units(const slivi_graph *g, slivi__node *y)
{
    (void)g;
    if (!y->a.i || !y->a.j)
        return slivi__fail(SLIVI_ESHAPE, "units: no slices or no columns");
    y->rows = (ptrdiff_t)y->a.i * SLIVI_ROWS;
    y->cols = y->a.j;
    return 0;
}

static int shape_same(const slivi_graph *g, slivi__node *y)
{
    y->rows = slivi_node_rows(g, y->in[0]);
    y->cols = slivi_node_cols(g, y->in[0]);
    return 0;
}

const slivi__op slivi__op_input = {
    .name = "input",
    .traits = SLIVI_OP_UNIQUE | SLIVI_OP_INPUT,
    .shape = shape_told,
};
const slivi__op slivi__op_index = {
    .name = "index",
    .traits = SLIVI_OP_UNIQUE | SLIVI_OP_INPUT | SLIVI_OP_INDEX,
    .shape = shape_told,
};
const slivi__op slivi__op_constant = {
    .name = "constant",
    .shape = shape_told,
    .kernel = KERNEL(constant),
};
const slivi__op slivi__op_eye = {
    .name = "eye",
    .shape = shape_told,
    .kernel = KERNEL(eye),
};
const slivi__op slivi__op_inverse_rows = {
    .name = "inverse_rows",
    .shape = shape_told,
    .kernel = KERNEL(inverse_rows),
};
const slivi__op slivi__op_noise = {
    .name = "noise",
    .traits = SLIVI_OP_UNIQUE | SLIVI_OP_ROWWISE,
    .shape = shape_told,
    .kernel = KERNEL(noise),
};
const slivi__op slivi__op_units = {
    .name = "units",
    .traits = SLIVI_OP_ROWWISE,
    .shape = shape_units,
    .kernel = KERNEL(units),
};

slivi_node slivi_constant(slivi_graph *g, double c)
{
    slivi__attr a = {.rows = 1, .cols = 1, .c = c};
    return slivi__make(g, &slivi__op_constant, null, null, &a);
}

slivi_node slivi_full(slivi_graph *g, ptrdiff_t rows, size_t cols, double c)
{
    return slivi__expand(g, slivi_constant(g, c), rows, cols);
}

slivi_node slivi_eye(slivi_graph *g, size_t m)
{
    slivi__attr a = {.rows = (ptrdiff_t)m, .cols = m};
    return slivi__make(g, &slivi__op_eye, null, null, &a);
}

slivi_node slivi_inverse_rows(slivi_graph *g, ptrdiff_t rows)
{
    if (rows > 0)
        return slivi_constant(g, 1.0 / (double)rows);
    if (!rows)
        return slivi__refuse(g, SLIVI_ESHAPE, "inverse_rows: no rows");
    slivi__attr a = {.rows = 1, .cols = 1, .i = (size_t)-rows};
    return slivi__make(g, &slivi__op_inverse_rows, null, null, &a);
}

slivi_node slivi_units(slivi_graph *g, size_t s, size_t d)
{
    slivi__attr a = {.i = s, .j = d};
    return slivi__make(g, &slivi__op_units, null, null, &a);
}

/* ---- steering --------------------------------------------------------- */

static slivi_node pass_tangent(slivi_graph *g, slivi_node y,
                               const slivi_node *dx, ptrdiff_t slices)
{
    (void)g, (void)y, (void)slices;
    return dx[0];
}

static slivi_node pass_adjoint(slivi_graph *g, slivi_node y, int k,
                               slivi_node gy)
{
    (void)g, (void)y, (void)k;
    return gy;
}

const slivi__op slivi__op_stop_gradient = {
    .name = "stop_gradient",
    .arity = 1,
    .traits = SLIVI_OP_CUT | SLIVI_OP_ROWWISE,
    .shape = shape_same,
    .kernel = KERNEL(copy),
};
const slivi__op slivi__op_variable = {
    .name = "variable",
    .arity = 1,
    .traits = SLIVI_OP_UNIQUE | SLIVI_OP_ROWWISE,
    .shape = shape_same,
    .tangent = pass_tangent,
    .adjoint = pass_adjoint,
    .kernel = KERNEL(copy),
};

slivi_node slivi_stop_gradient(slivi_graph *g, slivi_node x)
{
    return slivi__make(g, &slivi__op_stop_gradient, x, null, NULL);
}

slivi_node slivi_variable(slivi_graph *g, slivi_node x)
{
    return slivi__make(g, &slivi__op_variable, x, null, NULL);
}

/* given(value, y): as y, but for its value. */

static int shape_given(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *v = slivi__at(g, y->in[0]), *x = slivi__at(g, y->in[1]);
    char sv[48], sx[48];
    y->rows = x->rows;
    y->cols = x->cols;
    if (v->rows == x->rows && v->cols == x->cols)
        return 0;
    return slivi__fail(SLIVI_ESHAPE, "given: %s for %s",
                       slivi__shape_text(v->rows, v->cols, sv),
                       slivi__shape_text(x->rows, x->cols, sx));
}

static slivi_node given_tangent(slivi_graph *g, slivi_node y,
                                const slivi_node *dx, ptrdiff_t slices)
{
    (void)g, (void)y, (void)slices;
    return dx[1];
}

static slivi_node given_adjoint(slivi_graph *g, slivi_node y, int k,
                                slivi_node gy)
{
    (void)g, (void)y;
    return k ? gy : null;
}

const slivi__op slivi__op_given = {
    .name = "given",
    .arity = 2,
    .traits = SLIVI_OP_GIVEN | SLIVI_OP_ROWWISE,
    .shape = shape_given,
    .tangent = given_tangent,
    .adjoint = given_adjoint,
    .kernel = KERNEL(copy),
};

slivi_node slivi_given(slivi_graph *g, slivi_node y, slivi_node value)
{
    return slivi__make(g, &slivi__op_given, value, y, NULL);
}

/* ---- a user's function ------------------------------------------------ */

/* external(x) = [f(x), grad f(x)], n x (1 + d): one call of the user's
   function.  external_value and external_grad pick their part; they also take
   x, through which derivatives go, while external itself is cut. */

static int shape_external(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *x = slivi__at(g, y->in[0]);
    y->rows = x->rows;
    y->cols = 1 + x->cols;
    return 0;
}

static int shape_external_value(const slivi_graph *g, slivi__node *y)
{
    y->rows = slivi_node_rows(g, y->in[0]);
    y->cols = 1;
    return 0;
}

static int shape_external_grad(const slivi_graph *g, slivi__node *y)
{
    y->rows = slivi_node_rows(g, y->in[0]);
    y->cols = slivi_node_cols(g, y->in[0]) - 1;
    return 0;
}

static slivi_node external_gradient(slivi_graph *g, slivi_node y)
{
    const slivi__node *node = slivi__at(g, y);
    return slivi__make(g, &slivi__op_external_grad, node->in[0], node->in[1],
                       NULL);
}

static slivi_node external_tangent(slivi_graph *g, slivi_node y,
                                   const slivi_node *dx, ptrdiff_t slices)
{
    (void)slices; /* df = grad f . dx */
    return slivi_row_dot(g, external_gradient(g, y), dx[1]);
}

static slivi_node external_adjoint(slivi_graph *g, slivi_node y, int k,
                                   slivi_node gy)
{
    return k ? slivi_mul(g, gy, external_gradient(g, y)) : null;
}

static slivi_node external_refuse(slivi_graph *g)
{
    return slivi__refuse(g, SLIVI_EUNSUPPORTED,
                         "external: the user's function has first derivatives "
                         "only, and a second one is needed");
}

static slivi_node grad_tangent(slivi_graph *g, slivi_node y,
                               const slivi_node *dx, ptrdiff_t slices)
{
    (void)y, (void)dx, (void)slices;
    return external_refuse(g);
}

static slivi_node grad_adjoint(slivi_graph *g, slivi_node y, int k,
                               slivi_node gy)
{
    (void)y, (void)k, (void)gy;
    return external_refuse(g);
}

/* Doubles for x (n d), the values (n) and their gradients (n d). */
static size_t scratch_external(const slivi__node *y,
                               const slivi__node *const *in, size_t n)
{
    (void)in;
    return slivi__count_rows(y->rows, n) * (2 * y->cols - 1);
}

const slivi__op slivi__op_external = {
    .name = "external",
    .arity = 1,
    .traits = SLIVI_OP_CUT,
    .shape = shape_external,
    .kernel = KERNEL(external),
    .scratch = scratch_external,
};
const slivi__op slivi__op_external_value = {
    .name = "external_value",
    .arity = 2,
    .traits = SLIVI_OP_ROWWISE,
    .shape = shape_external_value,
    .tangent = external_tangent,
    .adjoint = external_adjoint,
    .kernel = KERNEL(external_value),
};
const slivi__op slivi__op_external_grad = {
    .name = "external_grad",
    .arity = 2,
    .traits = SLIVI_OP_ROWWISE,
    .shape = shape_external_grad,
    .tangent = grad_tangent,
    .adjoint = grad_adjoint,
    .kernel = KERNEL(external_grad),
};

slivi_node slivi_external(slivi_graph *g, slivi_node x, slivi_external_fn *fn,
                          void *ctx)
{
    slivi__attr a = {.p = ctx, .fn = fn};
    if (!fn)
        return slivi__refuse(g, SLIVI_EINVAL, "external: no function");
    slivi_node both = slivi__make(g, &slivi__op_external, x, null, &a);
    return slivi__make(g, &slivi__op_external_value, both, x, NULL);
}
