/* op_spd.c - solving with, and log determinant of, a symmetric positive
   definite matrix S = (a + a')/2.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/kernel.h"

static const slivi_node null = {0};

static int check_square(const slivi_graph *g, const slivi__node *y)
{
    const slivi__node *a = slivi__at(g, y->in[0]);
    char sa[48];
    if (a->rows == (ptrdiff_t)a->cols)
        return 0;
    return slivi__fail(SLIVI_ESHAPE, "%s: the matrix is %s", y->op->name,
                       slivi__shape_text(a->rows, a->cols, sa));
}

static int shape_solve(const slivi_graph *g, slivi__node *y)
{
    const slivi__node *a = slivi__at(g, y->in[0]), *b = slivi__at(g, y->in[1]);
    char sb[48];
    if (check_square(g, y))
        return SLIVI_ESHAPE;
    if (b->rows != a->rows)
        return slivi__fail(SLIVI_ESHAPE, "spd_solve: order %zu, but b is %s",
                           a->cols, slivi__shape_text(b->rows, b->cols, sb));
    y->rows = b->rows;
    y->cols = b->cols;
    return 0;
}

static int shape_logdet(const slivi_graph *g, slivi__node *y)
{
    y->rows = 1;
    y->cols = 1;
    return check_square(g, y);
}

/* S = (a + a')/2 of any square node. */
static slivi_node symmetric(slivi_graph *g, slivi_node a)
{
    return slivi_scale(g, slivi_add(g, a, slivi_transpose(g, a)), 0.5);
}

/* dx = S^-1 (db - dS x) */
static slivi_node solve_tangent(slivi_graph *g, slivi_node y,
                                const slivi_node *dx, ptrdiff_t slices)
{
    slivi_node a = slivi__at(g, y)->in[0], right = dx[1];
    (void)slices;
    if (!slivi__is_null(dx[0])) {
        slivi_node t = slivi_matmul(g, symmetric(g, dx[0]), y);
        right = slivi__is_null(right) ? slivi_neg(g, t)
                                      : slivi_sub(g, right, t);
    }
    return slivi_spd_solve(g, a, right);
}

/* gb = S^-1 gx,  gS = -gb x' */
static slivi_node solve_adjoint(slivi_graph *g, slivi_node y, int k,
                                slivi_node gy)
{
    slivi_node gb = slivi_spd_solve(g, slivi__at(g, y)->in[0], gy);
    if (k)
        return gb;
    return slivi_neg(g, symmetric(g, slivi_matmul_t(g, gb, 0, y, 1)));
}

static slivi_node inverse(slivi_graph *g, slivi_node a)
{
    return slivi_spd_solve(g, a, slivi_eye(g, slivi_node_cols(g, a)));
}

/* d log det S = tr(S^-1 dS), and S^-1 is symmetric */
static slivi_node logdet_tangent(slivi_graph *g, slivi_node y,
                                 const slivi_node *dx, ptrdiff_t slices)
{
    (void)slices;
    slivi_node inv = inverse(g, slivi__at(g, y)->in[0]);
    return slivi_sum(g, slivi_mul(g, inv, dx[0]));
}

static slivi_node logdet_adjoint(slivi_graph *g, slivi_node y, int k,
                                 slivi_node gy)
{
    return slivi_mul(g, gy, inverse(g, slivi__at(g, y)->in[k]));
}

/* Doubles: S, and for the solve the right-hand sides. */
static size_t scratch_spd(const slivi__node *y, const slivi__node *const *in,
                          size_t n)
{
    (void)n;
    return in[0]->cols * in[0]->cols + (size_t)y->rows * y->cols;
}

const slivi__op slivi__op_spd_solve = {
    .name = "spd_solve",
    .arity = 2,
    .shape = shape_solve,
    .tangent = solve_tangent,
    .adjoint = solve_adjoint,
    .kernel = KERNEL(spd_solve),
    .scratch = scratch_spd,
};
const slivi__op slivi__op_spd_logdet = {
    .name = "spd_logdet",
    .arity = 1,
    .shape = shape_logdet,
    .tangent = logdet_tangent,
    .adjoint = logdet_adjoint,
    .kernel = KERNEL(spd_logdet),
    .scratch = scratch_spd,
};

slivi_node slivi_spd_solve(slivi_graph *g, slivi_node a, slivi_node b)
{
    return slivi__make(g, &slivi__op_spd_solve, a, b, NULL);
}

slivi_node slivi_spd_logdet(slivi_graph *g, slivi_node a)
{
    return slivi__make(g, &slivi__op_spd_logdet, a, null, NULL);
}
