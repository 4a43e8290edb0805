/* weights.c - parameters as the nodes of a graph, and their gradients.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/node.h"
#include "learn/params.h"

#include <stdio.h>

typedef struct part {
    size_t view, first, count; /* rows of the view */
    slivi_node node, gradient;
} part;

/* A product, and the node to be used for it. */
typedef struct given {
    slivi_node product, instead;
} given;

struct slivi_weights {
    slivi_graph *g;
    const slivi_params *p;
    part *parts;
    size_t count, room;
    size_t differentiated; /* parts that have a gradient */
    given *given;
    size_t given_count;
};

slivi_weights *slivi_weights_create(slivi_graph *g, const slivi_params *p)
{
    if (slivi_graph_status(g))
        return NULL;
    if (slivi_graph_precision(g) != slivi_params_precision(p))
        return slivi__fail_null(SLIVI_EINVAL,
                                "weights: the graph and the parameters differ "
                                "in precision");
    slivi_weights *w = slivi__alloc(1, sizeof *w);
    if (w) {
        w->g = g;
        w->p = p;
    }
    return w;
}

void slivi_weights_free(slivi_weights *w)
{
    if (!w)
        return;
    slivi__free(w->given);
    slivi__free(w->parts);
    slivi__free(w);
}

slivi_graph *slivi_weights_graph(const slivi_weights *w)
{
    return w->g;
}

/* ---- nodes ------------------------------------------------------------ */

static slivi_node add_part(slivi_weights *w, const slivi_view *v, part q)
{
    char name[160];
    if (w->count == w->room) {
        size_t room = w->room ? 2 * w->room : 16;
        part *parts = slivi__grow(w->parts, w->count, room, sizeof *parts);
        if (!parts)
            return slivi__refuse(w->g, SLIVI_ENOMEM, "weights: no memory");
        w->parts = parts;
        w->room = room;
    }
    if (q.count == v->rows)
        snprintf(name, sizeof name, "%.100s", v->name);
    else
        snprintf(name, sizeof name, "%.100s[%zu:%zu]", v->name, q.first,
                 q.first + q.count);
    q.node = slivi_input(w->g, name, (ptrdiff_t)q.count, v->cols);
    if (!slivi__is_null(q.node))
        w->parts[w->count++] = q;
    return q.node;
}

slivi_node slivi_weights_rows(slivi_weights *w, size_t view, size_t first,
                              size_t count)
{
    if (view >= slivi_params_views(w->p))
        return slivi__refuse(w->g, SLIVI_EINVAL, "weights: view %zu of %zu",
                             view, slivi_params_views(w->p));
    const slivi_view *v = slivi_params_view(w->p, view);
    if (!count || first > v->rows || count > v->rows - first)
        return slivi__refuse(w->g, SLIVI_ESHAPE,
                             "weights: %.64s: %zu rows from %zu of %zu",
                             v->name, count, first, v->rows);
    for (size_t i = 0; i < w->count; i++) {
        const part *q = &w->parts[i];
        if (q->view != view)
            continue;
        if (q->first == first && q->count == count)
            return q->node;
        if (first < q->first + q->count && q->first < first + count)
            return slivi__refuse(w->g, SLIVI_EINVAL,
                                 "weights: %.64s: rows %zu to %zu overlap "
                                 "rows %zu to %zu",
                                 v->name, first, first + count - 1, q->first,
                                 q->first + q->count - 1);
    }
    return add_part(w, v, (part){view, first, count, {0}, {0}});
}

slivi_node slivi_weights_view(slivi_weights *w, size_t view)
{
    const size_t good = view < slivi_params_views(w->p);
    return slivi_weights_rows(w, view, 0,
                              good ? slivi_params_view(w->p, view)->rows : 0);
}

/* ---- products that are known already ---------------------------------- */

int slivi_weights_give(slivi_weights *w, slivi_node product, slivi_node value)
{
    slivi_node instead = slivi_given(w->g, product, value);
    given *more = slivi__is_null(instead)
                      ? NULL
                      : slivi__grow(w->given, w->given_count,
                                    w->given_count + 1, sizeof *more);
    if (!more)
        return slivi__status();
    more[w->given_count++] = (given){product, instead};
    w->given = more;
    return 0;
}

slivi_node slivi__weights_product(slivi_weights *w, slivi_node x,
                                  slivi_node rows)
{
    slivi_node y = slivi_matmul(w->g, x, rows);
    for (size_t i = 0; i < w->given_count; i++)
        if (w->given[i].product.id == y.id)
            return w->given[i].instead;
    return y;
}

/* ---- gradients -------------------------------------------------------- */

/* Equal nodes are shared, but memory is bound to a node: a gradient that is
   also something else (an input, a node made before the sweep, the gradient of
   another part) gets a node of its own. */
static slivi_node own_node(const slivi_weights *w, size_t i, slivi_node gx,
                           size_t before)
{
    int shared = (size_t)gx.id <= before;
    for (size_t j = 0; j < i && !shared; j++)
        shared = w->parts[j].gradient.id == gx.id;
    return shared ? slivi_variable(w->g, gx) : gx;
}

int slivi_weights_differentiate(slivi_weights *w, slivi_node loss)
{
    slivi_graph *g = w->g;
    char shape[48];
    if (slivi_graph_status(g))
        return slivi_graph_status(g);
    if (w->differentiated || !w->count)
        return slivi__fail(SLIVI_EINVAL, w->count
                                             ? "weights: differentiated before"
                                             : "weights: no parameter is used");
    if (slivi_node_rows(g, loss) != 1 || slivi_node_cols(g, loss) != 1)
        return slivi__fail(SLIVI_ESHAPE, "weights: the loss is %s, not 1 x 1",
                           slivi__shape_text(slivi_node_rows(g, loss),
                                             slivi_node_cols(g, loss), shape));
    const size_t before = slivi_graph_count(g);
    slivi_node *x = slivi__alloc(2 * w->count, sizeof *x), *gx = x + w->count;
    if (!x)
        return SLIVI_ENOMEM;
    for (size_t i = 0; i < w->count; i++)
        x[i] = w->parts[i].node;
    int status = slivi_vjp(g, loss, slivi_full(g, 1, 1, 1), w->count, x, gx);
    for (size_t i = 0; i < w->count && !status; i++) {
        w->parts[i].gradient = own_node(w, i, gx[i], before);
        status = slivi_graph_status(g);
    }
    slivi__free(x);
    if (!status)
        w->differentiated = w->count;
    return status;
}

size_t slivi_weights_count(const slivi_weights *w)
{
    return w->differentiated;
}

void slivi_weights_gradients(const slivi_weights *w, slivi_node *out)
{
    for (size_t i = 0; i < w->differentiated; i++)
        out[i] = w->parts[i].gradient;
}

static size_t first_byte(const slivi_weights *w, const part *q)
{
    const slivi_view *v = slivi_params_view(w->p, q->view);
    return (v->offset + q->first * v->cols)
           * slivi__precision_size(slivi_params_precision(w->p));
}

int slivi_weights_bind(const slivi_weights *w, slivi_workspace *ws,
                       const void *values, void *gradient)
{
    int status = 0;
    for (size_t i = 0; i < w->count && !status; i++) {
        /* inputs are only read */
        char *from = (char *)(uintptr_t)values;
        status = slivi_workspace_bind(ws, w->parts[i].node,
                                      from + first_byte(w, &w->parts[i]));
    }
    for (size_t i = 0; gradient && i < w->differentiated && !status; i++)
        status = slivi_workspace_bind(ws, w->parts[i].gradient,
                                      (char *)gradient
                                          + first_byte(w, &w->parts[i]));
    return status;
}
