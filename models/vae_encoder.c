/* vae_encoder.c - the families of q(z|x).

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "vae_inside.h"

static size_t noise_of(const slivi_vae *v)
{
    return v->opt.noise ? v->opt.noise : v->opt.latent;
}

static slivi_net *make_net(slivi_vae *v, const char *name, size_t noise,
                           size_t out, int from_zero)
{
    slivi_net_spec spec = {
        .name = name,
        .inputs = {noise ? 2 : 1, {v->dim, noise}},
        .hidden = v->opt.hidden,
        .outputs = out,
        .activation = slivi_activation_find(v->opt.activation),
        .from_zero = from_zero,
    };
    return slivi_net_create(v->params, &spec);
}

static slivi_node normal(slivi__vae_plan *p, ptrdiff_t rows, size_t cols,
                         uint32_t stream)
{
    if (stream == SLIVI__VAE_STILL)
        return slivi_broadcast(p->g, slivi_constant(p->g, 0), rows, cols);
    return slivi_noise(p->g, slivi_law_normal, rows, cols, stream);
}

/* ---- deterministic: z = net(x) ------------------------------------------ */

static int make_deterministic(slivi_vae *v)
{
    v->encoder = make_net(v, "encoder", 0, v->opt.latent, 0);
    return v->encoder ? 0 : slivi__status();
}

static slivi__encoding encode_deterministic(const slivi_vae *v,
                                            slivi__vae_plan *p, ptrdiff_t rows,
                                            uint32_t stream)
{
    slivi__encoding e = {.z = slivi_net_apply(v->encoder, p->model, &p->x)};
    (void)stream;
    if (slivi_node_rows(p->g, e.z) != rows) /* of one x */
        e.z = slivi_broadcast(p->g, e.z, rows, v->opt.latent);
    e.t = e.z;
    return e;
}

/* ---- gaussian: z = mu(x) + sigma(x) e ------------------------------------ */

static int make_gaussian(slivi_vae *v)
{
    v->encoder = make_net(v, "encoder", 0, 2 * v->opt.latent, 0);
    return v->encoder ? 0 : slivi__status();
}

/* z = mu + sigma t */
static void place(const slivi_vae *v, slivi__vae_plan *p, slivi_node t,
                  slivi__encoding *e)
{
    slivi_graph *g = p->g;
    const size_t d = v->opt.latent;
    slivi_node both = slivi_net_apply(v->encoder, p->model, &p->x);
    e->mu = slivi_columns(g, both, 0, d);
    e->log_sigma = slivi_columns(g, both, d, d);
    slivi_node spread = slivi_mul(g, slivi_exp(g, e->log_sigma), t);
    e->z = slivi_add(g, e->mu, spread);
}

static slivi__encoding encode_gaussian(const slivi_vae *v, slivi__vae_plan *p,
                                       ptrdiff_t rows, uint32_t stream)
{
    slivi__encoding e = {.noise = normal(p, rows, v->opt.latent, stream)};
    place(v, p, e.noise, &e);
    e.t = e.z;
    return e;
}

/* ---- implicit: z = net(x, e) --------------------------------------------- */

static int make_implicit(slivi_vae *v)
{
    v->encoder = make_net(v, "encoder", noise_of(v), v->opt.latent, 0);
    return v->encoder ? 0 : slivi__status();
}

static slivi__encoding encode_implicit(const slivi_vae *v, slivi__vae_plan *p,
                                       ptrdiff_t rows, uint32_t stream)
{
    slivi__encoding e = {.noise = normal(p, rows, noise_of(v), stream)};
    const slivi_node in[2] = {p->x, e.noise};
    e.z = e.t = slivi_net_apply(v->encoder, p->model, in);
    return e;
}

/* ---- residual: z = mu(x) + sigma(x) t, t = e + tanh r(x, e) --------------

   r = 0 at first.  The bound keeps t about as wide as e: place and width are
   mu's and sigma's, whose part of the entropy is exact, and a score net that
   lags cannot let t shrink to a point. */

static int make_residual(slivi_vae *v)
{
    int status = make_gaussian(v);
    if (status)
        return status;
    v->residual = make_net(v, "displacement", v->opt.latent, v->opt.latent, 1);
    return v->residual ? 0 : slivi__status();
}

static slivi__encoding encode_residual(const slivi_vae *v, slivi__vae_plan *p,
                                       ptrdiff_t rows, uint32_t stream)
{
    slivi__encoding e = {.noise = normal(p, rows, v->opt.latent, stream)};
    const slivi_node in[2] = {p->x, e.noise};
    slivi_node r = slivi_net_apply(v->residual, p->model, in);
    e.t = slivi_add(p->g, e.noise, slivi_tanh(p->g, r));
    place(v, p, e.t, &e);
    return e;
}

const slivi__vae_encoder slivi__vae_encoders[] = {
    {"deterministic", make_deterministic, encode_deterministic, 0, 0},
    {"gaussian", make_gaussian, encode_gaussian, 1, 0},
    {"implicit", make_implicit, encode_implicit, 0, 0},
    {"residual", make_residual, encode_residual, 0, 1},
    {NULL, NULL, NULL, 0, 0},
};

/* ---- what the score net is given ----------------------------------------

   A posterior is often narrow, and a score net of x must find its place from x
   to within a fraction of its width.  While it does not, it takes the error
   for width, -s is too small, and the encoder makes the posterior narrower
   still.  With contexts code and both the net is told the place: it learns the
   score of t - t(x, 0), a shift of t by what x alone determines.  With code it
   is given z(x, 0) in place of x, and of images with one z(x, 0) it learns the
   score of all their draws together. */

slivi__encoding slivi__vae_draw(const slivi_vae *v, slivi__vae_plan *p,
                                ptrdiff_t rows, uint32_t stream)
{
    slivi__encoding e = v->family->encode(v, p, rows, stream);
    e.context = p->x;
    if (!v->is_centred)
        return e;
    slivi__encoding still = v->family->encode(v, p, SLIVI_ROWS,
                                              SLIVI__VAE_STILL);
    e.context = v->is_coded ? still.z : p->x;
    e.t = slivi_sub(p->g, e.t, slivi_stop_gradient(p->g, still.t));
    return e;
}
