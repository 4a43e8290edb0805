/* target_graph.c - an expression as a target: its gradient is built here.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "target_inside.h"

#include "graph/node.h"

/* Each worker has a workspace of its own; the plan is shared. */
struct expression {
    slivi_graph *g;
    slivi_node x, lp, grad;
    size_t d, count;
    slivi_plan *plan;
    slivi_workspace **ws;
};

/* -- what can be a target -------------------------------------------------- */

static int refuse_leaf(const slivi__node *y, slivi_node id, slivi_node x)
{
    if (id.id != x.id && y->op->traits & SLIVI_OP_INPUT)
        return slivi__fail(SLIVI_EINVAL,
                           "target: the expression has an input beside x");
    if (y->op == &slivi__op_noise || y->op == &slivi__op_units)
        return slivi__fail(SLIVI_EINVAL,
                           "target: the expression has draws of its own");
    if (y->op == &slivi__op_inverse_rows)
        return slivi__fail(SLIVI_EINVAL, "target: the expression depends on "
                                         "the number of points");
    return 0;
}

enum { BEHIND = 1, OF_X = 2 };

/* All that lp is made of: a row of lp must depend on a row of x and on nothing
   else.  What depends on x and has fixed rows is a sum over points. */
static int walk(const struct expression *e, unsigned char *mark)
{
    mark[e->lp.id] = BEHIND;
    for (int id = e->lp.id; id > 0; id--) {
        const slivi__node *y = slivi__at(e->g, (slivi_node){id});
        int status;

        if (!mark[id])
            continue;
        status = refuse_leaf(y, (slivi_node){id}, e->x);
        if (status != 0)
            return status;
        for (int k = 0; k < y->op->arity; k++)
            mark[y->in[k].id] = BEHIND;
    }
    mark[e->x.id] |= OF_X;
    for (int id = 1; id <= e->lp.id; id++) {
        const slivi__node *y = slivi__at(e->g, (slivi_node){id});

        for (int k = 0; mark[id] && k < y->op->arity; k++)
            mark[id] |= mark[y->in[k].id] & OF_X;
        if (mark[id] & OF_X && y->rows >= 0)
            return slivi__fail(SLIVI_EINVAL,
                               "target: the expression mixes points (%s)",
                               y->op->name);
    }
    return 0;
}

static int check_rows(const struct expression *e)
{
    const size_t room = (size_t)(e->lp.id > e->x.id ? e->lp.id : e->x.id) + 1;
    unsigned char *mark = slivi__alloc(room, 1);
    int status;

    if (mark == NULL)
        return SLIVI_ENOMEM;
    status = walk(e, mark);
    slivi__free(mark);
    return status;
}

static int check(const struct expression *e)
{
    const slivi_graph *g = e->g;
    const slivi__node *x = slivi__at(g, e->x);
    const char *jump;

    if (slivi_graph_status(g) != 0)
        return slivi_graph_status(g);
    if (slivi_graph_precision(g) != SLIVI_F64)
        return slivi__fail(SLIVI_EINVAL, "target: the graph is not f64");
    if (x == NULL || x->op != &slivi__op_input || x->rows != SLIVI_ROWS)
        return slivi__fail(SLIVI_EINVAL,
                           "target: x is not an input with SLIVI_ROWS rows");
    if (slivi_node_rows(g, e->lp) != SLIVI_ROWS
        || slivi_node_cols(g, e->lp) != 1)
        return slivi__fail(SLIVI_ESHAPE, "target: lp is not SLIVI_ROWS x 1");
    jump = slivi_jump(g, e->lp, e->x);
    if (jump != NULL)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "target: lp jumps (%s), which its gradient would "
                           "miss",
                           jump);
    return check_rows(e);
}

/* -- the kind -------------------------------------------------------------- */

static int eval(void *self, const slivi__points *p)
{
    const struct expression *e = self;
    slivi_workspace *ws = e->ws[p->worker];
    const slivi_run run = {.n = p->n};
    double *x = p->scratch;
    int status;

    for (size_t i = 0; i < p->n * e->d; i++)
        x[i] = p->z[i];
    status = slivi_workspace_bind(ws, e->x, x);
    if (status == 0)
        status = slivi_workspace_bind(ws, e->lp, p->lp);
    if (status == 0)
        status = slivi_workspace_bind(ws, e->grad, p->grad);
    if (status == 0)
        status = slivi_workspace_run(ws, &run);
    return status != 0 ? slivi__fail_in(status, "target: expression") : 0;
}

static void free_workspaces(size_t count, slivi_workspace **ws)
{
    for (size_t i = 0; ws != NULL && i < count; i++)
        slivi_workspace_free(ws[i]);
    slivi__free(ws);
}

static int set_workers(struct expression *e, size_t count)
{
    slivi_workspace **ws = slivi__alloc(count, sizeof(slivi_workspace *));

    for (size_t i = 0; ws != NULL && i < count; i++) {
        ws[i] = slivi_workspace_create(e->plan, NULL);
        if (ws[i] == NULL) {
            free_workspaces(i, ws);
            return slivi__status();
        }
    }
    if (ws == NULL)
        return slivi__status();
    free_workspaces(e->count, e->ws);
    e->ws = ws;
    e->count = count;
    return 0;
}

static int set_pool(void *self, slivi_pool *pool)
{
    return set_workers(self, slivi_pool_threads(pool));
}

static void release(void *self)
{
    struct expression *e = self;

    free_workspaces(e->count, e->ws);
    slivi_plan_free(e->plan);
    slivi__free(e);
}

static const slivi__target_type type = {
    .eval = eval, .set_pool = set_pool, .release = release, .apart = 1};

/* lp may be x, or its own gradient, and becomes a node of its own. */
static int build(struct expression *e)
{
    slivi_node outputs[2];

    e->d = slivi_node_cols(e->g, e->x);
    e->grad = slivi_grad(e->g, e->lp, e->x);
    e->lp = slivi_variable(e->g, e->lp);
    if (slivi_graph_status(e->g) != 0)
        return slivi_graph_status(e->g);
    outputs[0] = e->lp;
    outputs[1] = e->grad;
    e->plan = slivi_plan_create(e->g, 2, outputs, SLIVI__TARGET_BLOCK);
    return e->plan == NULL ? slivi__status() : set_workers(e, 1);
}

slivi_target *slivi_target_from_graph(slivi_graph *g, slivi_node x,
                                      slivi_node lp)
{
    struct expression *e = slivi__alloc(1, sizeof *e);
    slivi__target_shape shape = {0};

    if (e == NULL)
        return NULL;
    e->g = g;
    e->x = x;
    e->lp = lp;
    if (check(e) != 0 || build(e) != 0) {
        release(e);
        return NULL;
    }
    shape.d = shape.outside = e->d;
    shape.scratch = SLIVI__TARGET_BLOCK * e->d;
    return slivi__target_create(&type, e, &shape);
}
