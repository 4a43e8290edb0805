/* diff.c - the two transforms: tangents forward, adjoints backward.

   Both walk the nodes between x and y in the order of their numbers (inputs
   come before users) and add nodes by the rules of the operation table.  A
   null node stands for a derivative that is zero by structure, so that no
   nodes are made for it.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/node.h"

#include <string.h>

enum { FROM_X = 1, TO_Y = 2, BETWEEN = 3 };

static int depends_here(const slivi__node *node, const unsigned char *mark)
{
    if (node->op->traits & (SLIVI_OP_CUT | SLIVI_OP_INDEX))
        return 0;
    for (int k = 0; k < node->op->arity; k++)
        if (mark[node->in[k].id] & FROM_X)
            return 1;
    return 0;
}

/* mark[id] = FROM_X where the node depends on one of x, TO_Y where y depends
   on the node; what lies behind an x counts only if another x reaches it. */
static void mark_between(const slivi_graph *g, slivi_node y, size_t count,
                         const slivi_node *x, unsigned char *mark)
{
    for (size_t i = 0; i < count; i++)
        mark[x[i].id] |= FROM_X;
    for (int id = 1; id <= y.id; id++)
        if (depends_here(slivi__at(g, (slivi_node){id}), mark))
            mark[id] |= FROM_X;
    mark[y.id] |= TO_Y;
    for (int id = y.id; id > 0; id--) {
        const slivi__node *node = slivi__at(g, (slivi_node){id});
        if (!(mark[id] & TO_Y) || (node->op->traits & SLIVI_OP_CUT))
            continue;
        for (int k = 0; k < node->op->arity; k++)
            mark[node->in[k].id] |= TO_Y;
    }
}

static int check_nodes(slivi_graph *g, const char *what, slivi_node y,
                       size_t count, const slivi_node *x)
{
    int good = slivi__at(g, y) != NULL;
    for (size_t i = 0; i < count; i++)
        good = good && slivi__at(g, x[i]);
    if (!good)
        slivi__refuse(g, SLIVI_EINVAL, "%s: not a node of this graph", what);
    return good && !slivi_graph_status(g);
}

/* ---- forward ---------------------------------------------------------- */

static slivi_node tangent_of(slivi_graph *g, slivi_node y,
                             const slivi_node *tangent, ptrdiff_t slices)
{
    const slivi__node node = *slivi__at(g, y);
    slivi_node dx[SLIVI_ARITY] = {{0}};
    int any = 0;
    for (int k = 0; k < node.op->arity; k++) {
        dx[k] = tangent[node.in[k].id];
        any |= dx[k].id;
    }
    if (!any)
        return (slivi_node){0};
    if (node.op->slope) /* dy = f'(x) dx */
        return slivi_mul(g, dx[0], node.op->slope(g, node.in[0], y));
    return node.op->tangent(g, y, dx, slices);
}

static ptrdiff_t slices_of(slivi_graph *g, slivi_node x, slivi_node v)
{
    ptrdiff_t rx = slivi_node_rows(g, x), rv = slivi_node_rows(g, v);
    char sx[48], sv[48];
    if (slivi_node_cols(g, x) == slivi_node_cols(g, v)) {
        if (rx == SLIVI_ROWS && rv < 0)
            return -rv;
        if (rx == rv)
            return 1;
    }
    slivi__refuse(g, SLIVI_ESHAPE, "jvp: the direction is %s, the variable %s",
                  slivi__shape_text(rv, slivi_node_cols(g, v), sv),
                  slivi__shape_text(rx, slivi_node_cols(g, x), sx));
    return 0;
}

/* A node that has slices of its own may only meet as many directions. */
static int slices_fit(slivi_graph *g, slivi_node y, ptrdiff_t slices)
{
    ptrdiff_t rows = slivi_node_rows(g, y);
    if (slices == 1 || rows >= SLIVI_ROWS || rows == -slices)
        return 1;
    slivi__refuse(g, SLIVI_ESHAPE,
                  "jvp: %ld directions for a node of %ld slices (%s)",
                  (long)slices, (long)-rows, slivi_node_op(g, y));
    return 0;
}

slivi_node slivi_jvp(slivi_graph *g, slivi_node y, slivi_node x, slivi_node v)
{
    const slivi_node null = {0};
    if (!check_nodes(g, "jvp", y, 1, &x) || !check_nodes(g, "jvp", v, 0, NULL))
        return null;
    ptrdiff_t slices = slices_of(g, x, v);
    size_t room = (size_t)(y.id > x.id ? y.id : x.id) + 1;
    slivi_node *tangent = slivi__alloc(room, sizeof *tangent);
    unsigned char *mark = slivi__alloc(room, 1);
    slivi_node dy = null;
    if (!tangent || !mark)
        slivi__refuse(g, SLIVI_ENOMEM, "jvp: no memory");
    else if (slices) {
        mark_between(g, y, 1, &x, mark);
        tangent[x.id] = v;
        for (int id = x.id + 1; id <= y.id && !slivi_graph_status(g); id++)
            if (mark[id] == BETWEEN && slices_fit(g, (slivi_node){id}, slices))
                tangent[id] = tangent_of(g, (slivi_node){id}, tangent, slices);
        dy = y.id >= x.id ? tangent[y.id] : null;
    }
    slivi__free(mark);
    slivi__free(tangent);
    if (slivi_graph_status(g) || !slivi__is_null(dy))
        return dy;
    return slivi_full(g, slivi__tangent_rows(slivi_node_rows(g, y), slices),
                      slivi_node_cols(g, y), 0);
}

/* ---- backward --------------------------------------------------------- */

static void accumulate(slivi_graph *g, slivi_node *sum, slivi_node term)
{
    if (!slivi__is_null(term))
        *sum = slivi__is_null(*sum) ? term : slivi_add(g, *sum, term);
}

static void push_adjoint(slivi_graph *g, slivi_node y, slivi_node *adjoint,
                         const unsigned char *mark)
{
    const slivi__node node = *slivi__at(g, y);
    slivi_node gy = adjoint[y.id];
    for (int k = 0; k < node.op->arity; k++) {
        if (!(mark[node.in[k].id] & FROM_X))
            continue;
        slivi_node gx = node.op->slope /* gx += f'(x) gy */
                            ? slivi_mul(g, gy, node.op->slope(g, node.in[0], y))
                            : node.op->adjoint(g, y, k, gy);
        accumulate(g, &adjoint[node.in[k].id], gx);
    }
}

/* x[i] is held fixed in the derivative with respect to the others, so nothing
   is passed on from it. */
static int is_leaf(size_t count, const slivi_node *x, int id)
{
    for (size_t i = 0; i < count; i++)
        if (x[i].id == id)
            return 1;
    return 0;
}

static void sweep(slivi_graph *g, slivi_node y, slivi_node gy, size_t count,
                  const slivi_node *x, slivi_node *adjoint,
                  const unsigned char *mark)
{
    adjoint[y.id] = gy;
    for (int id = y.id; id > 0 && !slivi_graph_status(g); id--) {
        const slivi__node *node = slivi__at(g, (slivi_node){id});
        if (mark[id] != BETWEEN || slivi__is_null(adjoint[id])
            || (node->op->traits & SLIVI_OP_CUT) || is_leaf(count, x, id))
            continue;
        push_adjoint(g, (slivi_node){id}, adjoint, mark);
    }
}

static int check_adjoint(slivi_graph *g, slivi_node y, slivi_node gy)
{
    char sy[48], sg[48];
    ptrdiff_t ry = slivi_node_rows(g, y), rg = slivi_node_rows(g, gy);
    size_t cy = slivi_node_cols(g, y), cg = slivi_node_cols(g, gy);
    if (ry == rg && cy == cg)
        return 1;
    slivi__refuse(g, SLIVI_ESHAPE, "vjp: the result is %s, its adjoint %s",
                  slivi__shape_text(ry, cy, sy), slivi__shape_text(rg, cg, sg));
    return 0;
}

int slivi_vjp(slivi_graph *g, slivi_node y, slivi_node gy, size_t count,
              const slivi_node x[], slivi_node gx[])
{
    memset(gx, 0, count * sizeof *gx);
    if (!check_nodes(g, "vjp", y, count, x)
        || !check_nodes(g, "vjp", gy, 0, NULL) || !check_adjoint(g, y, gy))
        return slivi_graph_status(g);
    size_t room = slivi_graph_count(g) + 1; /* of the nodes before the sweep */
    slivi_node *adjoint = slivi__alloc(room, sizeof *adjoint);
    unsigned char *mark = slivi__alloc(room, 1);
    if (!adjoint || !mark)
        slivi__refuse(g, SLIVI_ENOMEM, "vjp: no memory");
    else {
        mark_between(g, y, count, x, mark);
        sweep(g, y, gy, count, x, adjoint, mark);
        for (size_t i = 0; i < count && !slivi_graph_status(g); i++)
            gx[i] = slivi__is_null(adjoint[x[i].id])
                        ? slivi_full(g, slivi_node_rows(g, x[i]),
                                     slivi_node_cols(g, x[i]), 0)
                        : adjoint[x[i].id];
    }
    slivi__free(mark);
    slivi__free(adjoint);
    return slivi_graph_status(g);
}

slivi_node slivi_grad(slivi_graph *g, slivi_node y, slivi_node x)
{
    slivi_node gx = {0};
    if (check_nodes(g, "grad", y, 1, &x))
        slivi_vjp(
            g, y,
            slivi_full(g, slivi_node_rows(g, y), slivi_node_cols(g, y), 1), 1,
            &x, &gx);
    return gx;
}

const char *slivi_jump(const slivi_graph *g, slivi_node y, slivi_node x)
{
    if (!slivi__at(g, y) || !slivi__at(g, x))
        return NULL;
    size_t room = (size_t)(y.id > x.id ? y.id : x.id) + 1;
    unsigned char *mark = slivi__alloc(room, 1);
    const char *name = NULL;
    if (!mark)
        return "an unknown operation (no memory)"; /* refuse, never miss one */
    mark_between(g, y, 1, &x, mark);
    for (int id = x.id + 1; id <= y.id && !name; id++) {
        const slivi__node *node = slivi__at(g, (slivi_node){id});
        if (mark[id] == BETWEEN && (node->op->traits & SLIVI_OP_JUMP))
            name = node->op->name;
    }
    slivi__free(mark);
    return name;
}
