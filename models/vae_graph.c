/* vae_graph.c - the graphs of a variational auto-encoder.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/node.h"
#include "vae_inside.h"

#include <math.h>

static const double log_2pi = 1.83787706640934548356;

typedef slivi__encoding encoding;

/* The vae's first draw of z for each of the plan's images. */
static encoding encode(const slivi_vae *v, slivi__vae_plan *p)
{
    return v->family->encode(v, p, SLIVI_ROWS, SLIVI__VAE_NOISE);
}

/* ---- densities ----------------------------------------------------------- */

/* KL(N(mu, sigma^2) | N(0, I)) = sum (mu^2 + sigma^2 - 1 - 2 log sigma) / 2 */
static slivi_node kl(slivi_graph *g, const encoding *e)
{
    slivi_node l2 = slivi_scale(g, e->log_sigma, 2);
    slivi_node t = slivi_add(g, slivi_square(g, e->mu), slivi_exp(g, l2));
    t = slivi_shift(g, slivi_sub(g, t, l2), -1);
    return slivi_scale(g, slivi_row_sum(g, t), 0.5);
}

/* -log q(z|x) = sum (noise^2 / 2 + log sigma) + d log(2 pi) / 2 */
static slivi_node minus_log_q(slivi_graph *g, const encoding *e)
{
    slivi_node t = slivi_scale(g, slivi_square(g, e->noise), 0.5);
    double d = (double)slivi_node_cols(g, e->mu);
    return slivi_shift(g, slivi_row_sum(g, slivi_add(g, t, e->log_sigma)),
                       0.5 * d * log_2pi);
}

/* -log N(z; 0, I), rows x 1 */
static slivi_node minus_log_prior(slivi_graph *g, slivi_node z)
{
    double d = (double)slivi_node_cols(g, z);
    return slivi_shift(g, slivi_scale(g, slivi_row_dot(g, z, z), 0.5),
                       0.5 * d * log_2pi);
}

/* ---- decoder ---------------------------------------------------------- */

/* Logits or means. */
static slivi_node decode(const slivi_vae *v, slivi__vae_plan *p, slivi_node z)
{
    return slivi_net_apply(v->decoder, p->model, &z);
}

static slivi_node log_sd(const slivi_vae *v, slivi__vae_plan *p)
{
    return v->log_sd < 0 ? slivi_constant(p->g, log(v->opt.x_sd))
                         : slivi_weights_view(p->model, (size_t)v->log_sd);
}

/* -log p(x|z), rows x 1.
   Bernoulli:  sum softplus(y) - x y
   Gaussian:   sum ((x - y) / sd)^2 / 2 + dim (log sd + log(2 pi) / 2) */
static slivi_node minus_log_likelihood(const slivi_vae *v, slivi__vae_plan *p,
                                       slivi_node z)
{
    slivi_graph *g = p->g;
    slivi_node y = decode(v, p, z);
    if (v->is_bernoulli)
        return slivi_row_sum(
            g, slivi_sub(g, slivi_softplus(g, y), slivi_mul(g, p->x, y)));
    slivi_node l = log_sd(v, p);
    slivi_node r = slivi_mul(g, slivi_sub(g, p->x, y),
                             slivi_exp(g, slivi_neg(g, l)));
    slivi_node square = slivi_scale(g, slivi_row_dot(g, r, r), 0.5);
    double d = (double)v->dim;
    return slivi_add(g, square,
                     slivi_scale(g, slivi_shift(g, l, 0.5 * log_2pi), d));
}

/* |x - mean|^2, rows x 1 */
static slivi_node squared_error(const slivi_vae *v, slivi__vae_plan *p,
                                slivi_node z)
{
    slivi_graph *g = p->g;
    slivi_node y = decode(v, p, z);
    slivi_node r = slivi_sub(g, p->x,
                             v->is_bernoulli ? slivi_sigmoid(g, y) : y);
    return slivi_row_dot(g, r, r);
}

/* ---- the graphs -------------------------------------------------------- */

static slivi_scorenet_use score_use(const slivi_vae *v, slivi__vae_plan *p,
                                    const encoding *e)
{
    return (slivi_scorenet_use){
        .net = v->score,
        .w = p->score,
        .context = v->kind->is_wasserstein ? (slivi_node){0} : e->context};
}

/* x W of the encoder's first layer.  The score net's step makes it and the
   model's step, which has the same x and W, takes it from there. */
static slivi_node first_product(const slivi_vae *v, slivi__vae_plan *p)
{
    return slivi_matmul(p->g, p->x,
                        slivi_net_input_weights(v->encoder, p->model, 0));
}

/* The score net's loss on draws of the encoder as it is. */
static int build_score(const slivi_vae *v, slivi__vae_plan *p)
{
    slivi_objective_options how = {.slices = v->opt.slices,
                                   .law = slivi_law_find(v->opt.law),
                                   .sigma = v->opt.sigma,
                                   .stream = SLIVI__VAE_SLICES};
    encoding e = slivi__vae_draw(v, p, (ptrdiff_t)v->opt.particles * SLIVI_ROWS,
                                 SLIVI__VAE_NOISE);
    slivi_scorenet_use use = score_use(v, p, &e);
    slivi_node t = slivi_stop_gradient(p->g, e.t);
    p->out[p->outs++] = slivi_scorenet_loss(
        &use, t, slivi_objective_find(v->opt.entropy), &how, &p->chunks);
    if (p->chunks == 1) /* several would add up */
        p->out[p->outs++] = first_product(v, p);
    p->trained = p->score;
    return slivi_weights_differentiate(p->trained, p->out[0]);
}

/* The draws of a step: those that are decoded, and the rest, if any. */
static size_t draw(const slivi_vae *v, slivi__vae_plan *p, encoding e[2])
{
    static const uint32_t streams[2] = {SLIVI__VAE_NOISE,
                                        SLIVI__VAE_MORE_NOISE};
    const size_t count[2] = {v->opt.decoded, v->opt.particles - v->opt.decoded};
    size_t k = 0;
    for (; k < 2 && count[k]; k++)
        e[k] = slivi__vae_draw(v, p, (ptrdiff_t)count[k] * SLIVI_ROWS,
                               streams[k]);
    return k;
}

/* Their sum of f over draws and images, over the number of both. */
static slivi_node mean_over(const slivi_vae *v, slivi_graph *g, size_t count,
                            const slivi_node f[])
{
    const double all = (double)v->opt.particles;
    if (count == 1)
        return slivi_mean(g, f[0]);
    const double first = (double)v->opt.decoded / all;
    return slivi_add(g, slivi_scale(g, slivi_mean(g, f[0]), first),
                     slivi_scale(g, slivi_mean(g, f[1]), 1 - first));
}

static int build_codes(const slivi_vae *v, slivi__vae_plan *p)
{
    encoding e[2];
    p->outs = draw(v, p, e);
    for (size_t k = 0; k < p->outs; k++)
        p->out[k] = slivi_variable(p->g, e[k].t); /* two may be equal nodes */
    return 0;
}

/* What training pushes the draws t by: the score of q at t, or the gradient of
   a discrepancy, which is held fixed. */
static slivi_node push_of(const slivi_vae *v, slivi__vae_plan *p, size_t k,
                          const encoding *e)
{
    static const char *const names[2] = {"push", "push-rest"};
    if (v->source != SLIVI__VAE_NET) {
        p->push[k] = slivi_input(p->g, names[k], slivi_node_rows(p->g, e->t),
                                 slivi_node_cols(p->g, e->t));
        return p->push[k];
    }
    slivi_scorenet_use use = score_use(v, p, e);
    slivi_node s = slivi_scorenet_score(&use, slivi_stop_gradient(p->g, e->t));
    return slivi_stop_gradient(p->g, s);
}

/* E push't of all draws: its gradient is that of minus the entropy of t. */
static slivi_node surrogate(const slivi_vae *v, slivi__vae_plan *p,
                            size_t count, const encoding e[])
{
    slivi_node f[2];
    for (size_t k = 0; k < count; k++)
        f[k] = slivi_row_dot(p->g, push_of(v, p, k, &e[k]), e[k].t);
    return mean_over(v, p->g, count, f);
}

/* -E log p(z) of all draws */
static slivi_node prior_of(const slivi_vae *v, slivi__vae_plan *p, size_t count,
                           const encoding e[])
{
    slivi_node f[2];
    for (size_t k = 0; k < count; k++)
        f[k] = minus_log_prior(p->g, e[k].z);
    return mean_over(v, p->g, count, f);
}

/* E[-log p(x|z) + KL] */
static slivi_node closed_loss(const slivi_vae *v, slivi__vae_plan *p)
{
    slivi_graph *g = p->g;
    encoding e[2];
    (void)draw(v, p, e);
    p->out[0] = slivi_mean(g, minus_log_likelihood(v, p, e[0].z));
    p->out[1] = slivi_mean(g, kl(g, &e[0]));
    p->outs = 2;
    return slivi_add(g, p->out[0], p->out[1]);
}

/* E[-log p(x|z) - log p(z) + push't], and for z = mu + sigma t the rest of
   minus the entropy, - sum log sigma. */
static slivi_node pushed_loss(const slivi_vae *v, slivi__vae_plan *p)
{
    slivi_graph *g = p->g;
    encoding e[2];
    const size_t count = draw(v, p, e);
    p->out[0] = slivi_mean(g, minus_log_likelihood(v, p, e[0].z));
    p->out[1] = prior_of(v, p, count, e);
    p->out[2] = surrogate(v, p, count, e);
    p->outs = 3;
    slivi_node loss = slivi_add(g, slivi_add(g, p->out[0], p->out[1]),
                                p->out[2]);
    if (!v->family->is_placed)
        return loss;
    return slivi_sub(g, loss, slivi_mean(g, slivi_row_sum(g, e[0].log_sigma)));
}

/* E[|x - mean|^2] + lambda (-E log p(z) + E push't) or, the push being the
   gradient of the discrepancy,  + lambda n E push't. */
static slivi_node wasserstein_loss(const slivi_vae *v, slivi__vae_plan *p)
{
    slivi_graph *g = p->g;
    encoding e[2];
    const size_t count = draw(v, p, e);
    p->out[0] = slivi_mean(g, squared_error(v, p, e[0].z));
    p->out[1] = prior_of(v, p, count, e);
    p->out[2] = surrogate(v, p, count, e);
    p->outs = 3;
    slivi_node pull = slivi_add(g, p->out[1], p->out[2]);
    if (v->source == SLIVI__VAE_DISCREPANCY)
        pull = slivi_div(g, p->out[2], slivi_inverse_rows(g, SLIVI_ROWS));
    return slivi_add(g, p->out[0], slivi_scale(g, pull, v->opt.lambda));
}

/* -E log (1/K) sum_k w_k,  w = p(x, z) / q(z|x)    (Burda, Grosse and
   Salakhutdinov 2016).  log(e^a + e^b) = a + softplus(b - a). */
static slivi_node weighted_loss(const slivi_vae *v, slivi__vae_plan *p)
{
    slivi_graph *g = p->g;
    const size_t count = v->opt.particles;
    const double each = 1 / (double)count;
    slivi_node fit = {0}, rest = {0}, all = {0};
    for (size_t k = 0; k < count; k++) {
        encoding e = v->family->encode(v, p, SLIVI_ROWS,
                                       SLIVI__VAE_WEIGHTED + (uint32_t)k);
        slivi_node f = minus_log_likelihood(v, p, e.z);
        slivi_node r = slivi_sub(g, minus_log_prior(g, e.z),
                                 minus_log_q(g, &e));
        slivi_node w = slivi_neg(g, slivi_add(g, f, r));
        fit = k ? slivi_add(g, fit, f) : f;
        rest = k ? slivi_add(g, rest, r) : r;
        all = k ? slivi_add(g, all, slivi_softplus(g, slivi_sub(g, w, all)))
                : w;
    }
    p->out[0] = slivi_scale(g, slivi_mean(g, fit), each);
    p->out[1] = slivi_scale(g, slivi_mean(g, rest), each);
    p->outs = 2;
    return slivi_neg(g, slivi_mean(g, slivi_shift(g, all, log(each))));
}

static int build_model(const slivi_vae *v, slivi__vae_plan *p)
{
    slivi_graph *g = p->g;
    if (v->source == SLIVI__VAE_NET && v->plan[SLIVI__VAE_SCORE].outs > 1) {
        slivi_node product = first_product(v, p);
        p->shared = slivi_input(g, "x-product", SLIVI_ROWS,
                                slivi_node_cols(g, product));
        int status = slivi_weights_give(p->model, product, p->shared);
        if (status)
            return status;
    }
    slivi_node loss = v->kind->is_wasserstein          ? wasserstein_loss(v, p)
                      : v->source == SLIVI__VAE_CLOSED ? closed_loss(v, p)
                      : v->source == SLIVI__VAE_IMPORTANCE ? weighted_loss(v, p)
                                                           : pushed_loss(v, p);
    p->trained = p->model;
    return slivi_weights_differentiate(p->trained, loss);
}

static int build_encode(const slivi_vae *v, slivi__vae_plan *p)
{
    p->out[p->outs++] = encode(v, p).z;
    return 0;
}

static int build_decode(const slivi_vae *v, slivi__vae_plan *p)
{
    p->z = slivi_input(p->g, "z", SLIVI_ROWS, v->opt.latent);
    slivi_node y = decode(v, p, p->z);
    p->out[p->outs++] = v->is_bernoulli ? slivi_sigmoid(p->g, y) : y;
    return 0;
}

static int build_bound(const slivi_vae *v, slivi__vae_plan *p)
{
    slivi_graph *g = p->g;
    encoding e = encode(v, p);
    slivi_node minus = slivi_add(g, minus_log_likelihood(v, p, e.z),
                                 minus_log_prior(g, e.z));
    p->out[p->outs++] = slivi_sub(g, minus_log_q(g, &e), minus);
    return 0;
}

static int build_joint(const slivi_vae *v, slivi__vae_plan *p)
{
    slivi_graph *g = p->g;
    p->z = slivi_input(g, "z", SLIVI_ROWS, v->opt.latent);
    slivi_node minus = slivi_add(g, minus_log_likelihood(v, p, p->z),
                                 minus_log_prior(g, p->z));
    p->out[p->outs++] = slivi_neg(g, minus);
    return 0;
}

/* log p(x|z) and its gradient in z, row by row. */
static int build_likelihood(const slivi_vae *v, slivi__vae_plan *p)
{
    slivi_graph *g = p->g;
    p->z = slivi_input(g, "z", SLIVI_ROWS, v->opt.latent);
    slivi_node lp = slivi_neg(g, minus_log_likelihood(v, p, p->z));
    p->out[p->outs++] = lp;
    p->out[p->outs++] = slivi_grad(g, lp, p->z);
    return 0;
}

/* The Fisher information of z in x ~ p(x|z) is J' W J, J = dy/dz, with
   W = p (1 - p) for bits and 1 / sd^2 else. */
static int build_laplace(const slivi_vae *v, slivi__vae_plan *p)
{
    slivi_graph *g = p->g;
    int status = build_likelihood(v, p);
    slivi_node e = slivi_units(g, v->opt.latent, v->opt.latent), root;
    slivi_node y = decode(v, p, p->z);
    if (v->is_bernoulli) {
        slivi_node s = slivi_sigmoid(g, y);
        root = slivi_sqrt(g,
                          slivi_mul(g, s, slivi_shift(g, slivi_neg(g, s), 1)));
    } else {
        root = slivi_exp(g, slivi_neg(g, log_sd(v, p)));
    }
    p->out[p->outs++] = slivi_mul(g, slivi_jvp(g, y, p->z, e), root);
    return status;
}

/* Builder and the rows of its x: 0 where there is none. */
static const struct {
    int (*build)(const slivi_vae *v, slivi__vae_plan *p);
    ptrdiff_t x_rows;
} builders[SLIVI__VAE_PLANS] = {
    [SLIVI__VAE_SCORE] = {build_score, SLIVI_ROWS},
    [SLIVI__VAE_CODES] = {build_codes, SLIVI_ROWS},
    [SLIVI__VAE_MODEL] = {build_model, SLIVI_ROWS},
    [SLIVI__VAE_ENCODE] = {build_encode, SLIVI_ROWS},
    [SLIVI__VAE_DRAWS] = {build_encode, 1},
    [SLIVI__VAE_DECODE] = {build_decode, 0},
    [SLIVI__VAE_BOUND] = {build_bound, SLIVI_ROWS},
    [SLIVI__VAE_JOINT] = {build_joint, 1},
    [SLIVI__VAE_LIKELIHOOD] = {build_likelihood, SLIVI_ROWS},
    [SLIVI__VAE_LAPLACE] = {build_laplace, SLIVI_ROWS},
};

int slivi__vae_build(const slivi_vae *v, slivi__vae_plan *p,
                     enum slivi__vae_plan_name name)
{
    ptrdiff_t rows = builders[name].x_rows;
    p->g = slivi_graph_create(v->precision);
    p->model = p->g ? slivi_weights_create(p->g, v->params) : NULL;
    if (!p->model)
        return slivi__status();
    if (v->score_params) {
        p->score = slivi_weights_create(p->g, v->score_params);
        if (!p->score)
            return slivi__status();
    }
    if (rows)
        p->x = slivi_input(p->g, "x", rows, v->dim);
    p->chunks = 1;
    p->trains = name <= SLIVI__VAE_MODEL;
    int status = builders[name].build(v, p);
    return status ? status : slivi_graph_status(p->g);
}
