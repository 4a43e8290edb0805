/* vae_graph.c - the graphs of a variational auto-encoder.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/node.h"
#include "vae_inside.h"

#include <math.h>

static const double log_2pi = 1.83787706640934548356;

/* ---- encoder: z, with mu and log sigma where it is Gaussian ------------- */

typedef struct encoding {
    slivi_node z, mu, log_sigma, noise;
} encoding;

/* x may be 1 x dim: then the draws of z are for the one x. */
static encoding encode(const slivi_vae *v, slivi__vae_plan *p)
{
    slivi_graph *g = p->g;
    const size_t d = v->opt.latent;
    encoding e = {.noise = slivi_noise(g, slivi_law_normal, SLIVI_ROWS,
                                       v->is_gaussian_encoder || !v->opt.noise
                                           ? d
                                           : v->opt.noise,
                                       SLIVI__VAE_NOISE)};
    if (!v->is_gaussian_encoder) {
        const slivi_node in[2] = {p->x, e.noise};
        e.z = slivi_net_apply(v->encoder, p->model, in);
        return e;
    }
    slivi_node both = slivi_net_apply(v->encoder, p->model, &p->x);
    e.mu = slivi_columns(g, both, 0, d);
    e.log_sigma = slivi_columns(g, both, d, d);
    slivi_node spread = slivi_mul(g, slivi_exp(g, e.log_sigma), e.noise);
    e.z = slivi_add(g, e.mu, spread);
    return e;
}

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

/* ---- the graphs -------------------------------------------------------- */

static slivi_scorenet_use score_use(const slivi_vae *v, slivi__vae_plan *p)
{
    return (slivi_scorenet_use){
        .net = v->score, .w = p->score, .context = p->x};
}

/* x W of the encoder's first layer.  The score net's step makes it and the
   model's step, which has the same x and W, takes it from there. */
static slivi_node first_product(const slivi_vae *v, slivi__vae_plan *p)
{
    return slivi_matmul(p->g, p->x,
                        slivi_net_input_weights(v->encoder, p->model, 0));
}

/* The score net's loss on z drawn from the encoder as it is. */
static int build_score(const slivi_vae *v, slivi__vae_plan *p)
{
    slivi_scorenet_use use = score_use(v, p);
    slivi_objective_options how = {.slices = v->opt.slices,
                                   .law = slivi_law_find(v->opt.law),
                                   .sigma = v->opt.sigma,
                                   .stream = SLIVI__VAE_SLICES};
    slivi_node z = slivi_stop_gradient(p->g, encode(v, p).z);
    p->out[p->outs++] = slivi_scorenet_loss(
        &use, z, slivi_objective_find(v->opt.entropy), &how, &p->chunks);
    if (p->chunks == 1) /* several would add up */
        p->out[p->outs++] = first_product(v, p);
    p->trained = p->score;
    return slivi_weights_differentiate(p->trained, p->out[0]);
}

/* E[-log p(x|z) + KL], or E[-log p(x|z) - log p(z) + stop(s(z|x))'z]. */
static int build_model(const slivi_vae *v, slivi__vae_plan *p)
{
    slivi_graph *g = p->g;
    if (!v->is_closed && v->plan[SLIVI__VAE_SCORE].outs > 1) {
        slivi_node product = first_product(v, p);
        p->shared = slivi_input(g, "x-product", SLIVI_ROWS,
                                slivi_node_cols(g, product));
        int status = slivi_weights_give(p->model, product, p->shared);
        if (status)
            return status;
    }
    encoding e = encode(v, p);
    slivi_node fit = slivi_mean(g, minus_log_likelihood(v, p, e.z));
    slivi_node prior = slivi_mean(g, v->is_closed ? kl(g, &e)
                                                  : minus_log_prior(g, e.z));
    slivi_node loss = slivi_add(g, fit, prior);
    if (!v->is_closed) {
        slivi_scorenet_use use = score_use(v, p);
        slivi_node s = slivi_scorenet_score(&use, slivi_stop_gradient(g, e.z));
        slivi_node surrogate = slivi_mean(
            g, slivi_row_dot(g, slivi_stop_gradient(g, s), e.z));
        loss = slivi_add(g, loss, surrogate);
        p->out[2] = surrogate;
    }
    p->out[0] = fit;
    p->out[1] = prior;
    p->outs = v->is_closed ? 2 : 3;
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
    int status = builders[name].build(v, p);
    return status ? status : slivi_graph_status(p->g);
}
