/* posterior_family.c - the families of q, as nodes of a graph.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posterior_inside.h"

#include <math.h>
#include <string.h>

/* ---- parts --------------------------------------------------------------- */

static size_t below(size_t d) /* entries of a triangle without its diagonal */
{
    return d * (d - 1) / 2;
}

static slivi_net *make_net(slivi_posterior *q, const char *name, size_t first,
                           size_t second, size_t outputs)
{
    const slivi_net_spec spec = {
        .name = name,
        .inputs = {second ? 2 : 1, {first, second}},
        .hidden = q->opt.hidden,
        .outputs = outputs,
        .activation = slivi_activation_find(q->opt.activation),
        .from_zero = 1,
    };
    return slivi_net_create(q->params, &spec);
}

/* a and log s, and below the diagonal T: parameters, or of a context. */
static int make_affine(slivi_posterior *q, int full)
{
    const size_t d = q->d;
    if (q->k) {
        q->affine = make_net(q, "affine", q->k, 0,
                             2 * d + (full ? below(d) : 0));
        return q->affine ? 0 : slivi__status();
    }
    q->view_a = slivi_params_add(q->params, "location", 1, d, 0, 0);
    q->view_b = slivi_params_add(q->params, "log-sd", 1, d, 0, 0);
    if (full)
        q->view_t = slivi_params_add(q->params, "triangle", d, d, 0, 0);
    return q->view_a < 0 || q->view_b < 0 || q->view_t < 0 ? slivi__status()
                                                           : 0;
}

static slivi_node view(const slivi__posterior_plan *p, int which)
{
    return slivi_weights_view(p->weights, (size_t)which);
}

typedef struct affine {
    slivi_node a, log_s, t; /* n or 1 rows; t: see slivi__family_draw */
} affine;

static affine affine_of(const slivi_posterior *q, slivi__posterior_plan *p,
                        int full)
{
    const size_t d = q->d;
    affine f = {{0}, {0}, {0}};
    if (q->k) {
        slivi_node all = slivi_net_apply(q->affine, p->weights,
                                         &p->in[IN_CONTEXT]);
        f.a = slivi_columns(p->g, all, 0, d);
        f.log_s = slivi_columns(p->g, all, d, d);
        if (full && d > 1)
            f.t = slivi_columns(p->g, all, 2 * d, below(d));
        return f;
    }
    f.a = view(p, q->view_a);
    f.log_s = slivi_broadcast(p->g, view(p, q->view_b), SLIVI_ROWS, d);
    if (full)
        f.t = slivi_mul(p->g, view(p, q->view_t), p->in[IN_LOWER]);
    return f;
}

/* a + exp(log_s) x + (T below its diagonal) x */
static slivi_node place(const slivi_posterior *q, slivi__posterior_plan *p,
                        const affine *f, slivi_node x)
{
    slivi_graph *g = p->g;
    slivi_node y = slivi_mul(g, slivi_exp(g, f->log_s), x);
    if (f->t.id && q->k) {
        /* entry (i, j) of T meets x_j, and adds to y_i */
        slivi_node xj = slivi_matmul(g, x, p->in[IN_SPREAD_OUT]);
        slivi_node tx = slivi_mul(g, f->t, xj);
        y = slivi_add(g, y, slivi_matmul(g, tx, p->in[IN_GATHER]));
    } else if (f->t.id) {
        slivi_node tx = slivi_matmul(g, x, slivi_transpose(g, f->t));
        y = slivi_add(g, y, tx);
    }
    return slivi_add(g, f->a, y);
}

static slivi_node normal(slivi__posterior_plan *p, size_t cols, uint32_t stream)
{
    return slivi_noise(p->g, slivi_law_normal, SLIVI_ROWS, cols, stream);
}

/* The net of noise e and context. */
static slivi_node net_of(const slivi_posterior *q, slivi__posterior_plan *p,
                         slivi_node e)
{
    const slivi_node inputs[2] = {e, p->in[IN_CONTEXT]};
    return slivi_net_apply(q->net, p->weights, inputs);
}

/* ---- Gaussians ----------------------------------------------------------- */

static slivi__family_draw draw_gaussian(const slivi_posterior *q,
                                        slivi__posterior_plan *p, int full)
{
    const affine f = affine_of(q, p, full);
    slivi__family_draw x = {.log_s = f.log_s, .t = f.t};
    x.u = normal(p, q->d, SLIVI__POSTERIOR_NORMAL);
    x.w = place(q, p, &f, x.u);
    return x;
}

static int make_diagonal(slivi_posterior *q)
{
    return make_affine(q, 0);
}

static slivi__family_draw draw_diagonal(const slivi_posterior *q,
                                        slivi__posterior_plan *p)
{
    return draw_gaussian(q, p, 0);
}

static int make_full(slivi_posterior *q)
{
    return make_affine(q, 1);
}

static slivi__family_draw draw_full(const slivi_posterior *q,
                                    slivi__posterior_plan *p)
{
    return draw_gaussian(q, p, 1);
}

/* ---- implicit: w = a + T h, h = e_1..d + r(e) ---------------------------- */

static int make_implicit(slivi_posterior *q)
{
    int status = make_affine(q, 1);
    if (status)
        return status;
    q->net = make_net(q, "net", q->noise, q->k, q->d);
    return q->net ? 0 : slivi__status();
}

static slivi__family_draw draw_implicit(const slivi_posterior *q,
                                        slivi__posterior_plan *p)
{
    slivi_graph *g = p->g;
    const affine f = affine_of(q, p, 1);
    slivi__family_draw x = {.log_s = f.log_s, .t = f.t};
    slivi_node e = normal(p, q->noise, SLIVI__POSTERIOR_NOISE);
    x.h = slivi_add(g, slivi_columns(g, e, 0, q->d), net_of(q, p, e));
    x.w = place(q, p, &f, x.h);
    return x;
}

/* ---- semi-implicit: w = a + B e + r(e) + s(e) u -------------------------- */

/* Of q's variance at the start, 1 in whitened units, what B e has. */
#define SKIPPED 0.75

static int make_semi_implicit(slivi_posterior *q)
{
    const double log_s = 0.5 * log(1 - SKIPPED);
    q->view_a = slivi_params_add(q->params, "location", 1, q->d, 0, 0);
    q->view_b = slivi_params_add(q->params, "log-sd", 1, q->d, 0, log_s);
    q->view_skip = slivi_params_add(q->params, "skip", q->noise, q->d, 0, 0);
    if (q->view_a < 0 || q->view_b < 0 || q->view_skip < 0)
        return slivi__status();
    q->net = make_net(q, "net", q->noise, q->k, 2 * q->d);
    return q->net ? 0 : slivi__status();
}

static void start_semi_implicit(const slivi_posterior *q, double *values)
{
    const slivi_view *skip = slivi_params_view(q->params, (size_t)q->view_skip);
    for (size_t i = 0; i < q->d; i++)
        values[skip->offset + i * q->d + i] = sqrt(SKIPPED);
}

static slivi__family_draw draw_semi_implicit(const slivi_posterior *q,
                                             slivi__posterior_plan *p)
{
    slivi_graph *g = p->g;
    const size_t d = q->d;
    slivi_node e = normal(p, q->noise, SLIVI__POSTERIOR_NOISE);
    slivi_node r = net_of(q, p, e);
    slivi__family_draw x = {{0}, {0}, {0}, {0}, {0}, {0}};
    x.u = normal(p, d, SLIVI__POSTERIOR_NORMAL);
    x.mu = slivi_add(g,
                     slivi_add(g, slivi_columns(g, r, 0, d),
                               slivi_matmul(g, e, view(p, q->view_skip))),
                     view(p, q->view_a));
    x.log_s = slivi_add(g, slivi_columns(g, r, d, d), view(p, q->view_b));
    if (q->opt.least > 0)
        x.log_s = slivi_log(
            g, slivi_shift(g, slivi_exp(g, x.log_s), q->opt.least));
    x.w = slivi_add(g, x.mu, slivi_mul(g, slivi_exp(g, x.log_s), x.u));
    return x;
}

const slivi__family slivi__families[] = {
    {.name = "semi-implicit",
     .help = "a Gaussian whose mean and sds are nets of noise",
     .entropies = {"mixture", "denoising"},
     .make = make_semi_implicit,
     .start = start_semi_implicit,
     .draw = draw_semi_implicit,
     .is_mixture = 1},
    {.name = "implicit",
     .help = "an affine map of noise that a net has bent; without a density",
     .entropies = {"sm", "ssm-vr"},
     .make = make_implicit,
     .draw = draw_implicit},
    {.name = "gaussian-full",
     .help = "a Gaussian",
     .entropies = {"closed", "closed"},
     .make = make_full,
     .draw = draw_full,
     .is_gaussian = 1},
    {.name = "gaussian-diag",
     .help = "a Gaussian without correlations",
     .entropies = {"closed", "closed"},
     .make = make_diagonal,
     .draw = draw_diagonal,
     .is_gaussian = 1},
    {.name = NULL},
};
