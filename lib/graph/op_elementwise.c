/* op_elementwise.c - arithmetic and functions, entry by entry.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/kernel.h"
#include "kernel/isa.h"

#include <math.h>

static const slivi_node null = {0};

/* ---- two operands ----------------------------------------------------- */

/* Rows (or columns, which are never negative) of a op b; 0: they do not fit. */
static ptrdiff_t join(ptrdiff_t a, ptrdiff_t b)
{
    if (a == b || b == 1)
        return a;
    if (a == 1)
        return b;
    if (a < 0 && b == SLIVI_ROWS)
        return a;
    if (b < 0 && a == SLIVI_ROWS)
        return b;
    return 0;
}

static int shape_binary(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *a = slivi__at(g, y->in[0]), *b = slivi__at(g, y->in[1]);
    char sa[48], sb[48];
    y->rows = join(a->rows, b->rows);
    y->cols = (size_t)join((ptrdiff_t)a->cols, (ptrdiff_t)b->cols);
    if (y->rows && y->cols)
        return 0;
    return slivi__fail(SLIVI_ESHAPE, "%s: %s and %s do not fit", y->op->name,
                       slivi__shape_text(a->rows, a->cols, sa),
                       slivi__shape_text(b->rows, b->cols, sb));
}

/* Gradients of repeated operands are summed over the repetitions. */
static slivi_node fold(slivi_graph *g, slivi_node gy, slivi_node x)
{
    return slivi__reduce(g, gy, slivi_node_rows(g, x), slivi_node_cols(g, x));
}

/* A tangent made of one operand's alone may be smaller than y. */
static slivi_node spread(slivi_graph *g, slivi_node dy, slivi_node y,
                         ptrdiff_t slices)
{
    ptrdiff_t rows = slivi__tangent_rows(slivi_node_rows(g, y), slices);
    return slivi__expand(g, dy, rows, slivi_node_cols(g, y));
}

static slivi_node in(slivi_graph *g, slivi_node y, int k)
{
    return slivi__at(g, y)->in[k];
}

static slivi_node add_tangent(slivi_graph *g, slivi_node y,
                              const slivi_node *dx, ptrdiff_t slices)
{
    if (slivi__is_null(dx[0]) || slivi__is_null(dx[1]))
        return spread(g, dx[slivi__is_null(dx[0])], y, slices);
    return spread(g, slivi_add(g, dx[0], dx[1]), y, slices);
}

static slivi_node add_adjoint(slivi_graph *g, slivi_node y, int k,
                              slivi_node gy)
{
    return fold(g, gy, in(g, y, k));
}

static slivi_node sub_tangent(slivi_graph *g, slivi_node y,
                              const slivi_node *dx, ptrdiff_t slices)
{
    if (slivi__is_null(dx[1]))
        return spread(g, dx[0], y, slices);
    if (slivi__is_null(dx[0]))
        return spread(g, slivi_neg(g, dx[1]), y, slices);
    return spread(g, slivi_sub(g, dx[0], dx[1]), y, slices);
}

static slivi_node sub_adjoint(slivi_graph *g, slivi_node y, int k,
                              slivi_node gy)
{
    slivi_node gx = fold(g, gy, in(g, y, k));
    return k ? slivi_neg(g, gx) : gx;
}

static slivi_node mul_tangent(slivi_graph *g, slivi_node y,
                              const slivi_node *dx, ptrdiff_t slices)
{
    slivi_node a = in(g, y, 0), b = in(g, y, 1), dy = null;
    if (!slivi__is_null(dx[0])) /* dy = da b */
        dy = spread(g, slivi_mul(g, dx[0], b), y, slices);
    if (!slivi__is_null(dx[1])) { /* dy += a db */
        slivi_node t = spread(g, slivi_mul(g, a, dx[1]), y, slices);
        dy = slivi__is_null(dx[0]) ? t : slivi_add(g, dy, t);
    }
    return dy;
}

static slivi_node mul_adjoint(slivi_graph *g, slivi_node y, int k,
                              slivi_node gy)
{
    slivi_node other = in(g, y, !k); /* ga = gy b */
    return fold(g, slivi_mul(g, gy, other), in(g, y, k));
}

/* y = a / b:  dy = (da - y db) / b */
static slivi_node div_tangent(slivi_graph *g, slivi_node y,
                              const slivi_node *dx, ptrdiff_t slices)
{
    slivi_node top = dx[0];
    if (!slivi__is_null(dx[1])) {
        slivi_node t = slivi_mul(g, y, dx[1]);
        top = slivi__is_null(dx[0]) ? slivi_neg(g, t) : slivi_sub(g, dx[0], t);
    }
    return spread(g, slivi_div(g, top, in(g, y, 1)), y, slices);
}

/* ga = gy / b,  gb = -y gy / b */
static slivi_node div_adjoint(slivi_graph *g, slivi_node y, int k,
                              slivi_node gy)
{
    slivi_node t = slivi_div(g, gy, in(g, y, 1));
    if (k)
        t = slivi_neg(g, slivi_mul(g, y, t));
    return fold(g, t, in(g, y, k));
}

#define BINARY(NAME)                                                           \
    const slivi__op slivi__op_##NAME = {                                       \
        .name = #NAME,                                                         \
        .arity = 2,                                                            \
        .traits = SLIVI_OP_ROWWISE,                                            \
        .shape = shape_binary,                                                 \
        .tangent = NAME##_tangent,                                             \
        .adjoint = NAME##_adjoint,                                             \
        .kernel = KERNEL(NAME),                                                \
        .loop = 1 + SLIVI__LOOP_##NAME,                                        \
    };                                                                         \
    slivi_node slivi_##NAME(slivi_graph *g, slivi_node a, slivi_node b)        \
    {                                                                          \
        return slivi__make(g, &slivi__op_##NAME, a, b, NULL);                  \
    }

BINARY(add)
BINARY(sub)
BINARY(mul)
BINARY(div)

/* ---- one operand: f and a builder of f' ------------------------------- */

static int shape_same(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *x = slivi__at(g, y->in[0]);
    y->rows = x->rows;
    y->cols = x->cols;
    return 0;
}

static double factor(slivi_graph *g, slivi_node y)
{
    return slivi__at(g, y)->a.c;
}

static slivi_node scale_tangent(slivi_graph *g, slivi_node y,
                                const slivi_node *dx, ptrdiff_t slices)
{
    (void)slices;
    return slivi_scale(g, dx[0], factor(g, y));
}

static slivi_node scale_adjoint(slivi_graph *g, slivi_node y, int k,
                                slivi_node gy)
{
    (void)k;
    return slivi_scale(g, gy, factor(g, y));
}

static slivi_node same_tangent(slivi_graph *g, slivi_node y,
                               const slivi_node *dx, ptrdiff_t slices)
{
    (void)g, (void)y, (void)slices;
    return dx[0];
}

static slivi_node same_adjoint(slivi_graph *g, slivi_node y, int k,
                               slivi_node gy)
{
    (void)g, (void)y, (void)k;
    return gy;
}

static slivi_node zero_tangent(slivi_graph *g, slivi_node y,
                               const slivi_node *dx, ptrdiff_t slices)
{
    (void)g, (void)y, (void)dx, (void)slices;
    return null;
}

static slivi_node zero_adjoint(slivi_graph *g, slivi_node y, int k,
                               slivi_node gy)
{
    (void)g, (void)y, (void)k, (void)gy;
    return null;
}

static slivi_node exp_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)g, (void)x;
    return y;
}

static slivi_node log_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)y;
    return slivi_div(g, slivi_constant(g, 1), x);
}

static slivi_node sqrt_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)x;
    return slivi_div(g, slivi_constant(g, 0.5), y);
}

static slivi_node sin_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)y;
    return slivi_cos(g, x);
}

static slivi_node cos_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)y;
    return slivi_neg(g, slivi_sin(g, x));
}

static slivi_node erf_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)y; /* 2 / sqrt(pi) exp(-x^2) */
    return slivi_scale(g, slivi_exp(g, slivi_neg(g, slivi_square(g, x))),
                       1.12837916709551257390);
}

static slivi_node abs_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)y;
    return slivi_sign(g, x);
}

static slivi_node unary(slivi_graph *g, const slivi__op *op, slivi_node x)
{
    return slivi__make(g, op, x, null, NULL);
}

static slivi_node tanh_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)x;
    return unary(g, &slivi__op_one_minus_square, y);
}

static slivi_node one_minus_square_slope(slivi_graph *g, slivi_node x,
                                         slivi_node y)
{
    (void)y;
    return slivi_scale(g, x, -2);
}

static slivi_node sigmoid_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)x;
    return unary(g, &slivi__op_minus_square, y);
}

static slivi_node minus_square_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)y;
    return slivi_shift(g, slivi_scale(g, x, -2), 1);
}

static slivi_node softplus_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)y;
    return slivi_sigmoid(g, x);
}

static slivi_node relu_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)y;
    return slivi_step(g, x);
}

static slivi_node elu_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)y;
    return unary(g, &slivi__op_elu1, x);
}

static slivi_node elu1_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)y;
    return unary(g, &slivi__op_elu2, x);
}

static slivi_node elu2_slope(slivi_graph *g, slivi_node x, slivi_node y)
{
    (void)g, (void)x;
    return y; /* e^x below 0, 0 above: almost everywhere */
}

#define LINEAR(NAME, RULE)                                                     \
    const slivi__op slivi__op_##NAME = {                                       \
        .name = #NAME,                                                         \
        .arity = 1,                                                            \
        .traits = SLIVI_OP_ROWWISE,                                            \
        .shape = shape_same,                                                   \
        .tangent = RULE##_tangent,                                             \
        .adjoint = RULE##_adjoint,                                             \
        .kernel = KERNEL(NAME),                                                \
        .loop = 1 + SLIVI__LOOP_##NAME,                                        \
    };

LINEAR(scale, scale)
LINEAR(shift, same)

#define UNARY(NAME, TRAITS)                                                    \
    const slivi__op slivi__op_##NAME = {                                       \
        .name = #NAME,                                                         \
        .arity = 1,                                                            \
        .traits = SLIVI_OP_ROWWISE | (TRAITS),                                 \
        .shape = shape_same,                                                   \
        .slope = NAME##_slope,                                                 \
        .kernel = KERNEL(NAME),                                                \
        .loop = 1 + SLIVI__LOOP_##NAME,                                        \
    };

UNARY(exp, 0)
UNARY(log, 0)
UNARY(sqrt, 0)
UNARY(sin, 0)
UNARY(cos, 0)
UNARY(erf, 0)
UNARY(abs, 0)
UNARY(tanh, 0)
UNARY(one_minus_square, 0)
UNARY(sigmoid, 0)
UNARY(minus_square, 0)
UNARY(softplus, 0)
UNARY(relu, 0)
UNARY(elu, 0)
UNARY(elu1, 0)
UNARY(elu2, SLIVI_OP_JUMP)

/* Piecewise constant: the derivative is zero almost everywhere. */
#define STAIR(NAME)                                                            \
    const slivi__op slivi__op_##NAME = {                                       \
        .name = #NAME,                                                         \
        .arity = 1,                                                            \
        .traits = SLIVI_OP_ROWWISE | SLIVI_OP_JUMP,                            \
        .shape = shape_same,                                                   \
        .tangent = zero_tangent,                                               \
        .adjoint = zero_adjoint,                                               \
        .kernel = KERNEL(NAME),                                                \
        .loop = 1 + SLIVI__LOOP_##NAME,                                        \
    };

STAIR(step)
STAIR(sign)

#define BUILDER(NAME)                                                          \
    slivi_node slivi_##NAME(slivi_graph *g, slivi_node x)                      \
    {                                                                          \
        return unary(g, &slivi__op_##NAME, x);                                 \
    }

BUILDER(exp)
BUILDER(log)
BUILDER(sqrt)
BUILDER(sin)
BUILDER(cos)
BUILDER(erf)
BUILDER(abs)
BUILDER(sign)
BUILDER(step)
BUILDER(tanh)
BUILDER(sigmoid)
BUILDER(softplus)
BUILDER(relu)
BUILDER(elu)

slivi_node slivi_scale(slivi_graph *g, slivi_node x, double c)
{
    const slivi__node *node = slivi__at(g, x);
    if (node && c == 1 && !slivi_graph_status(g))
        return x;
    slivi__attr a = {.c = c};
    return slivi__make(g, &slivi__op_scale, x, null, &a);
}

slivi_node slivi_shift(slivi_graph *g, slivi_node x, double c)
{
    slivi__attr a = {.c = c};
    return slivi__make(g, &slivi__op_shift, x, null, &a);
}

slivi_node slivi_neg(slivi_graph *g, slivi_node x)
{
    return slivi_scale(g, x, -1);
}

slivi_node slivi_square(slivi_graph *g, slivi_node x)
{
    return slivi_mul(g, x, x);
}

slivi_node slivi_leaky_relu(slivi_graph *g, slivi_node x, double slope)
{
    slivi_node up = slivi_scale(g, slivi_relu(g, x), 1 - slope);
    return slivi_add(g, up, slivi_scale(g, x, slope));
}

slivi_node slivi_silu(slivi_graph *g, slivi_node x)
{
    return slivi_mul(g, x, slivi_sigmoid(g, x));
}

slivi_node slivi_gelu(slivi_graph *g, slivi_node x)
{
    /* Phi(x) = (1 + erf(x / sqrt 2)) / 2 */
    slivi_node e = slivi_erf(g, slivi_scale(g, x, 0.70710678118654752440));
    return slivi_mul(g, x, slivi_scale(g, slivi_shift(g, e, 1), 0.5));
}
