/* scorenet.c - a net for a score, with or without a Gaussian base.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/scorenet.h"

#include "base/base.h"
#include "graph/node.h"

#include <stdio.h>

struct slivi_scorenet {
    size_t dim, context;
    int gaussian, standard;
    slivi_net *residual; /* r: u, c -> d */
    slivi_net *head;     /* c -> m, l; conditional Gaussian base only */
};

slivi_scorenet *slivi_scorenet_create(slivi_params *p,
                                      const slivi_scorenet_spec *spec)
{
    char name[128];
    slivi_scorenet *net = slivi__alloc(1, sizeof *net);
    if (!net)
        return NULL;
    net->dim = spec->dim;
    net->context = spec->context;
    net->gaussian = spec->gaussian;
    net->standard = spec->standard;
    slivi_net_spec r = {
        .name = spec->name,
        .inputs = {spec->context ? 2 : 1, {spec->dim, spec->context}},
        .hidden = spec->hidden,
        .outputs = spec->dim,
        .activation = spec->activation,
        .from_zero = spec->gaussian || spec->standard};
    net->residual = slivi_net_create(p, &r);
    if (net->residual && spec->gaussian && spec->context) {
        snprintf(name, sizeof name, "%s.head", spec->name);
        slivi_net_spec h = {.name = name,
                            .inputs = {1, {spec->context}},
                            .hidden = spec->hidden,
                            .outputs = 2 * spec->dim,
                            .activation = spec->activation,
                            .from_zero = 1};
        net->head = slivi_net_create(p, &h);
    }
    if (net->residual && (net->head || !spec->gaussian || !spec->context))
        return net;
    slivi_scorenet_free(net);
    return NULL;
}

void slivi_scorenet_free(slivi_scorenet *net)
{
    if (!net)
        return;
    slivi_net_free(net->residual);
    slivi_net_free(net->head);
    slivi__free(net);
}

/* ---- standardising ---------------------------------------------------- */

/* m(c) and l(c) of the head. */
static void moments(const slivi_scorenet_use *use, slivi_node *m, slivi_node *l)
{
    slivi_graph *g = slivi_weights_graph(use->w);
    slivi_node both = slivi_net_apply(use->net->head, use->w, &use->context);
    *m = slivi_columns(g, both, 0, use->net->dim);
    *l = slivi_columns(g, both, use->net->dim, use->net->dim);
}

/* u, and *inverse_sd = e^-l(c) where there is a head. */
static slivi_node standardise(const slivi_scorenet_use *use, slivi_node z,
                              slivi_node *inverse_sd)
{
    slivi_graph *g = slivi_weights_graph(use->w);
    slivi_node m, l;
    if (!use->net->gaussian)
        return z;
    if (!use->net->head)
        return slivi_matmul(g, z, use->whiten);
    moments(use, &m, &l);
    *inverse_sd = slivi_exp(g, slivi_neg(g, slivi_stop_gradient(g, l)));
    return slivi_mul(g, slivi_sub(g, z, slivi_stop_gradient(g, m)),
                     *inverse_sd);
}

/* ---- the field in u --------------------------------------------------- */

static slivi_node residual(slivi_graph *g, slivi_node u, void *ctx)
{
    const slivi_scorenet_use *use = ctx;
    const slivi_node in[2] = {u, use->context};
    (void)g;
    return slivi_net_apply(use->net->residual, use->w, in);
}

static slivi_node residual_trace(slivi_graph *g, slivi_node u, void *ctx)
{
    const slivi_scorenet_use *use = ctx;
    const slivi_node in[2] = {u, use->context};
    (void)g;
    return slivi_net_trace(use->net->residual, use->w, in, 0);
}

static slivi_node base(slivi_graph *g, slivi_node u, slivi_node *trace,
                       void *ctx)
{
    const slivi_scorenet_use *use = ctx;
    *trace = slivi_constant(g, -(double)use->net->dim);
    return slivi_neg(g, u);
}

static slivi_field field_of(slivi_scorenet_use *use)
{
    return (slivi_field){
        .kind = SLIVI_FIELD_SCORE,
        .apply = residual,
        .base = use->net->gaussian || use->net->standard ? base : NULL,
        .trace = slivi_net_has_trace(use->net->residual) ? residual_trace
                                                         : NULL,
        .ctx = use,
    };
}

slivi_node slivi_scorenet_score(slivi_scorenet_use *use, slivi_node z)
{
    slivi_graph *g = slivi_weights_graph(use->w);
    slivi_node inverse_sd = {0};
    slivi_node u = standardise(use, z, &inverse_sd);
    const slivi_field field = field_of(use);
    slivi_node s = slivi_field_score(g, &field, u);
    if (!use->net->gaussian)
        return s;
    return use->net->head ? slivi_mul(g, s, inverse_sd)
                          : slivi_matmul_t(g, s, 0, use->whiten, 1);
}

/* -E log N(z; m, e^2l) up to a constant: E sum_j ((z - m)^2 e^-2l / 2 + l) */
static slivi_node head_loss(const slivi_scorenet_use *use, slivi_node z)
{
    slivi_graph *g = slivi_weights_graph(use->w);
    slivi_node m, l;
    moments(use, &m, &l);
    slivi_node r = slivi_mul(g, slivi_sub(g, slivi_stop_gradient(g, z), m),
                             slivi_exp(g, slivi_neg(g, l)));
    slivi_node sum = slivi_add(g, slivi_scale(g, slivi_square(g, r), 0.5), l);
    return slivi_mean(g, slivi_row_sum(g, sum));
}

slivi_node slivi_scorenet_loss(slivi_scorenet_use *use, slivi_node z,
                               const slivi_objective *objective,
                               const slivi_objective_options *how,
                               size_t *chunks)
{
    slivi_graph *g = slivi_weights_graph(use->w);
    slivi_node inverse_sd = {0};
    slivi_node u = standardise(use, z, &inverse_sd);
    const slivi_field field = field_of(use);
    size_t runs = 1;
    slivi_node loss = slivi_objective_loss(g, objective, &field, u, how, &runs);
    if (use->net->head) /* each of the runs adds its share */
        loss = slivi_add(g, loss,
                         slivi_scale(g, head_loss(use, z), 1 / (double)runs));
    if (chunks)
        *chunks = runs;
    return loss;
}

/* ---- held out ----------------------------------------------------------- */

typedef struct scaled {
    slivi_scorenet_use *use;
    slivi_node scale;
} scaled;

/* Score of v = z / scale. */
static slivi_node scaled_score(slivi_graph *g, slivi_node v, void *ctx)
{
    const scaled *c = ctx;
    slivi_node s = slivi_scorenet_score(c->use, slivi_mul(g, v, c->scale));
    return slivi_mul(g, s, c->scale);
}

slivi_node slivi_scorenet_held_out(slivi_scorenet_use *use, slivi_node z,
                                   slivi_node scale, size_t *chunks)
{
    slivi_graph *g = slivi_weights_graph(use->w);
    scaled ctx = {use, scale};
    const slivi_field field = {
        .kind = SLIVI_FIELD_SCORE, .apply = scaled_score, .ctx = &ctx};
    const slivi_objective_options how = {1, slivi_law_rademacher, 1, 0};
    return slivi_objective_loss(g, slivi_objective_find("sm"), &field,
                                slivi_div(g, z, scale), &how, chunks);
}
