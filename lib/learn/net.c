/* net.c - multilayer perceptrons.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/node.h"
#include "learn/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LAYERS = SLIVI_LIST_MAX + 1 };

struct slivi_net {
    char *name;
    slivi_list inputs;
    size_t layers;
    size_t width[LAYERS + 1];    /* width[l] into layer l, the last one out */
    size_t w[LAYERS], b[LAYERS]; /* views */
    const slivi_activation *activation;
};

/* ---- creation --------------------------------------------------------- */

static int check_spec(const slivi_net_spec *s)
{
    size_t zero = s->outputs == 0;
    if (!s->name || !*s->name)
        return slivi__fail(SLIVI_EINVAL, "net: no name");
    if (!s->inputs.count || s->inputs.count > SLIVI_LIST_MAX
        || s->hidden.count > SLIVI_LIST_MAX)
        return slivi__fail(SLIVI_EINVAL,
                           "net %.64s: %zu inputs, %zu hidden layers; at most "
                           "%d of each",
                           s->name, s->inputs.count, s->hidden.count,
                           SLIVI_LIST_MAX);
    for (size_t i = 0; i < s->inputs.count; i++)
        zero |= s->inputs.at[i] == 0;
    for (size_t i = 0; i < s->hidden.count; i++)
        zero |= s->hidden.at[i] == 0;
    if (zero)
        return slivi__fail(SLIVI_ESHAPE,
                           "net %.64s: an input, a hidden layer or the output "
                           "has width 0",
                           s->name);
    if (s->hidden.count && !s->activation)
        return slivi__fail(SLIVI_EINVAL, "net %.64s: no activation", s->name);
    return 0;
}

/* One view, "encoder.w1"; its number, or a status. */
static int add_view(slivi_params *p, const char *net, char kind, size_t layer,
                    size_t rows, size_t cols, double bound)
{
    char name[160];
    int n = snprintf(name, sizeof name, "%s.%c%zu", net, kind, layer + 1);
    if (n < 0 || (size_t)n >= sizeof name)
        return slivi__fail(SLIVI_EINVAL, "net %.64s: the name is too long",
                           net);
    return slivi_params_add(p, name, rows, cols, bound, 0);
}

static int add_layers(slivi_net *net, slivi_params *p, int from_zero)
{
    for (size_t l = 0; l < net->layers; l++) {
        const size_t in = net->width[l], out = net->width[l + 1];
        const int zero = from_zero && l + 1 == net->layers;
        const double bound = zero ? 0 : 1 / sqrt((double)in);
        int w = add_view(p, net->name, 'w', l, in, out, bound);
        int b = w < 0 ? w : add_view(p, net->name, 'b', l, 1, out, bound);
        if (b < 0)
            return b;
        net->w[l] = (size_t)w;
        net->b[l] = (size_t)b;
    }
    return 0;
}

slivi_net *slivi_net_create(slivi_params *p, const slivi_net_spec *spec)
{
    const size_t views = slivi_params_views(p);
    if (check_spec(spec))
        return NULL;
    slivi_net *net = slivi__alloc(1, sizeof *net);
    if (!net)
        return NULL;
    net->inputs = spec->inputs;
    net->activation = spec->activation;
    net->layers = spec->hidden.count + 1;
    for (size_t i = 0; i < spec->inputs.count; i++)
        if (slivi__add(net->width[0], spec->inputs.at[i], &net->width[0]))
            goto fail;
    memcpy(net->width + 1, spec->hidden.at,
           spec->hidden.count * sizeof *net->width);
    net->width[net->layers] = spec->outputs;
    net->name = slivi__strdup(spec->name);
    if (net->name && !add_layers(net, p, spec->from_zero))
        return net;
fail:
    slivi__params_cut(p, views);
    slivi_net_free(net);
    return NULL;
}

void slivi_net_free(slivi_net *net)
{
    if (!net)
        return;
    slivi__free(net->name);
    slivi__free(net);
}

/* ---- application ------------------------------------------------------ */

static int check_inputs(const slivi_net *net, slivi_graph *g,
                        const slivi_node *inputs)
{
    for (size_t i = 0; i < net->inputs.count; i++)
        if (slivi_node_cols(g, inputs[i]) != net->inputs.at[i]) {
            slivi__refuse(g, SLIVI_ESHAPE,
                          "net %.64s: input %zu has %zu columns, not %zu",
                          net->name, i, slivi_node_cols(g, inputs[i]),
                          net->inputs.at[i]);
            return 0;
        }
    return 1;
}

slivi_node slivi_net_input_weights(const slivi_net *net, slivi_weights *w,
                                   size_t k)
{
    size_t first = 0;
    if (k >= net->inputs.count)
        return slivi__refuse(slivi_weights_graph(w), SLIVI_EINVAL,
                             "net %.64s: input %zu of %zu", net->name, k,
                             net->inputs.count);
    for (size_t i = 0; i < k; i++)
        first += net->inputs.at[i];
    return slivi_weights_rows(w, net->w[0], first, net->inputs.at[k]);
}

/* a = sum_i x_i W_i + b, with one x beyond the first layer */
static slivi_node affine(const slivi_net *net, slivi_weights *w, size_t layer,
                         const slivi_node *x)
{
    slivi_graph *g = slivi_weights_graph(w);
    slivi_node a = slivi__weights_product(
        w, x[0],
        layer ? slivi_weights_view(w, net->w[layer])
              : slivi_net_input_weights(net, w, 0));
    for (size_t i = 1; !layer && i < net->inputs.count; i++) {
        slivi_node wi = slivi_net_input_weights(net, w, i);
        a = slivi_add(g, a, slivi__weights_product(w, x[i], wi));
    }
    return slivi_add(g, a, slivi_weights_view(w, net->b[layer]));
}

slivi_node slivi_net_apply(const slivi_net *net, slivi_weights *w,
                           const slivi_node *inputs)
{
    slivi_graph *g = slivi_weights_graph(w);
    if (!check_inputs(net, g, inputs))
        return (slivi_node){0};
    slivi_node a = affine(net, w, 0, inputs);
    for (size_t l = 1; l < net->layers; l++) {
        slivi_node h = net->activation->apply(g, a);
        a = affine(net, w, l, &h);
    }
    return a;
}

/* ---- the trace of the derivative, in closed form ----------------------- */

int slivi_net_has_trace(const slivi_net *net)
{
    return net->layers == 3;
}

/* f'(a) for h = f(a): entry by entry, so the derivative along ones */
static slivi_node slope(slivi_graph *g, slivi_node h, slivi_node a)
{
    slivi_node ones = slivi_full(g, slivi_node_rows(g, a),
                                 slivi_node_cols(g, a), 1);
    return slivi_jvp(g, h, a, ones);
}

/* With inputs as rows, d y_j / d x_i = sum_pq W1_ip d1_p W2_pq d2_q W3_qj, and
   the sum over i = j leaves  d1 (W2 o (W3 W1)') d2'. */
slivi_node slivi_net_trace(const slivi_net *net, slivi_weights *w,
                           const slivi_node *inputs, size_t k)
{
    slivi_graph *g = slivi_weights_graph(w);
    if (!slivi_net_has_trace(net))
        return slivi__refuse(g, SLIVI_EUNSUPPORTED,
                             "net %.64s: the trace needs two hidden layers, "
                             "not %zu",
                             net->name, net->layers - 1);
    if (k >= net->inputs.count || net->inputs.at[k] != net->width[3])
        return slivi__refuse(g, SLIVI_ESHAPE,
                             "net %.64s: no trace for input %zu: its columns "
                             "are not as many as the %zu outputs",
                             net->name, k, net->width[3]);
    if (!check_inputs(net, g, inputs))
        return (slivi_node){0};
    slivi_node a1 = affine(net, w, 0, inputs);
    slivi_node h1 = net->activation->apply(g, a1);
    slivi_node a2 = affine(net, w, 1, &h1);
    slivi_node h2 = net->activation->apply(g, a2);
    slivi_node w1 = slivi_net_input_weights(net, w, k);
    slivi_node w2 = slivi_weights_view(w, net->w[1]);
    slivi_node w3 = slivi_weights_view(w, net->w[2]);
    slivi_node m = slivi_mul(g, w2, slivi_matmul_t(g, w1, 1, w3, 1));
    slivi_node d1 = slope(g, h1, a1), d2 = slope(g, h2, a2);
    return slivi_row_dot(g, slivi_matmul(g, d1, m), d2);
}
