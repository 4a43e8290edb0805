/* vae.c - an auto-encoder: what it is made of, and its plans.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "vae_inside.h"

#include <math.h>
#include <string.h>

/* ---- building --------------------------------------------------------- */

static int make_decoder(slivi_vae *v)
{
    slivi_net_spec spec = {
        .name = "decoder",
        .inputs = {1, {v->opt.latent}},
        .hidden = v->opt.hidden,
        .outputs = v->dim,
        .activation = slivi_activation_find(v->opt.activation),
    };
    v->decoder = slivi_net_create(v->params, &spec);
    if (!v->decoder)
        return slivi__status();
    if (!v->is_bernoulli && v->opt.x_sd == 0) {
        v->log_sd = slivi_params_add(v->params, "decoder.log-sd", 1, 1, 0, 0);
        if (v->log_sd < 0)
            return v->log_sd;
    }
    return 0;
}

static int make_model(slivi_vae *v)
{
    v->params = slivi_params_create(v->precision);
    if (!v->params)
        return slivi__status();
    int status = v->family->make(v);
    if (!status)
        status = make_decoder(v);
    if (status)
        return status;
    slivi_params_init(v->params, v->opt.seed, SLIVI__VAE_INIT);
    v->learner = slivi_learner_create(v->params, &v->learning);
    if (!v->learner)
        return slivi__status();
    slivi_learner_set_pool(v->learner, v->pool);
    return 0;
}

static int make_score(slivi_vae *v)
{
    slivi_learning how = v->learning;
    how.rate *= v->opt.score_rate;
    how.steps *= v->opt.score_steps;
    how.warmup = 0; /* it follows the encoder, so must not start slower */
    how.average = 0;
    slivi_scorenet_spec spec = {
        .name = "score",
        .dim = v->opt.latent,
        .context = v->kind->is_wasserstein ? 0
                   : v->is_coded           ? v->opt.latent
                                           : v->dim,
        .hidden = v->opt.hidden,
        .activation = slivi_activation_find(v->opt.activation),
        .gaussian = !strcmp(v->opt.base, "gaussian"),
        .standard = !strcmp(v->opt.base, "standard"),
    };
    v->score_params = slivi_params_create(v->precision);
    v->score = v->score_params ? slivi_scorenet_create(v->score_params, &spec)
                               : NULL;
    if (!v->score)
        return slivi__status();
    slivi_params_init(v->score_params, v->opt.seed, SLIVI__VAE_INIT_SCORE);
    v->score_learner = slivi_learner_create(v->score_params, &how);
    if (!v->score_learner)
        return slivi__status();
    slivi_learner_set_pool(v->score_learner, v->pool);
    return 0;
}

/* What turns draws into pushes without a net. */
static int make_pushes(slivi_vae *v)
{
    const slivi_kernelscore_options how = {.width = v->opt.width,
                                           .eta = v->opt.eta,
                                           .share = v->opt.share,
                                           .rank = v->opt.rank};
    const size_t d = v->opt.latent;
    const size_t group = v->kind->is_wasserstein ? v->opt.batch
                                                 : v->opt.particles;
    size_t count;
    int status = slivi__mul(v->opt.batch * d, v->opt.particles, &count);
    if (status)
        return status;
    v->codes = slivi__alloc(count, sizeof *v->codes);
    v->pushes = slivi__alloc(count, sizeof *v->pushes);
    if (!v->codes || !v->pushes)
        return slivi__status();
    if (v->source == SLIVI__VAE_DISCREPANCY) {
        v->prior = slivi__alloc(count, sizeof *v->prior);
        v->mmd = slivi_discrepancy_workspace_create(v->opt.batch, d, v->pool);
        return v->prior && v->mmd ? 0 : slivi__status();
    }
    v->kernel = slivi_kernelscore_create(v->opt.entropy, &how, group, d, 0);
    v->kernel_ws = v->kernel
                       ? slivi_kernelscore_workspace_create(v->kernel, v->pool)
                       : NULL;
    return v->kernel_ws ? 0 : slivi__status();
}

/* What the source of the regulariser's gradient needs. */
static int make_source(slivi_vae *v)
{
    switch (v->source) {
    case SLIVI__VAE_CLOSED:
    case SLIVI__VAE_IMPORTANCE:
        return 0;
    case SLIVI__VAE_NET: {
        int status = make_score(v);
        if (!status && !slivi__vae_plan_get(v, SLIVI__VAE_SCORE))
            status = slivi__status();
        return status;
    }
    default: {
        int status = make_pushes(v);
        if (!status && !slivi__vae_plan_get(v, SLIVI__VAE_CODES))
            status = slivi__status();
        return status;
    }
    }
}

static void unready(slivi_vae *v)
{
    for (int i = 0; i < SLIVI__VAE_PLANS; i++)
        slivi__vae_plan_clear(&v->plan[i]);
    slivi_learner_free(v->learner);
    slivi_learner_free(v->score_learner);
    slivi_net_free(v->encoder);
    slivi_net_free(v->residual);
    slivi_net_free(v->decoder);
    slivi_kernelscore_workspace_free(v->kernel_ws);
    slivi_kernelscore_free(v->kernel);
    slivi_discrepancy_workspace_free(v->mmd);
    slivi__free(v->prior);
    slivi__free(v->codes);
    slivi__free(v->pushes);
    slivi_scorenet_free(v->score);
    slivi_params_free(v->params);
    slivi_params_free(v->score_params);
    slivi_pool_free(v->pool);
    slivi__free(v->binary);
    slivi_vae clean = {.dim = v->dim,
                       .kind = v->kind,
                       .opt = v->opt,
                       .learning = v->learning,
                       .log_sd = -1};
    *v = clean;
}

int slivi_vae_ready(slivi_vae *v)
{
    size_t count;
    if (v->ready)
        return 0;
    int status = slivi__vae_settle(v);
    if (!status)
        status = slivi__mul(v->opt.batch, v->dim, &count);
    if (status)
        return status;
    v->pool = slivi_pool_create(v->opt.threads);
    v->binary = slivi__alloc(count, sizeof *v->binary);
    status = v->pool && v->binary ? 0 : slivi__status();
    if (!status)
        status = make_model(v);
    if (!status)
        status = make_source(v);
    if (!status && !slivi__vae_plan_get(v, SLIVI__VAE_MODEL))
        status = slivi__status();
    if (status == SLIVI_EUNSUPPORTED)
        slivi__fail_in(status, "%s: activation %s with entropy %s",
                       v->kind->name, v->opt.activation, v->opt.entropy);
    if (status)
        unready(v); /* so that options can be mended */
    v->ready = !status;
    return status;
}

void slivi_vae_free(slivi_vae *v)
{
    if (!v)
        return;
    unready(v);
    slivi__free(v);
}

size_t slivi_vae_steps(const slivi_vae *v)
{
    return v->ready ? slivi_learner_steps(v->learner) : 0;
}

size_t slivi_vae_dim(const slivi_vae *v)
{
    return v->dim;
}

size_t slivi_vae_latent(const slivi_vae *v)
{
    return v->opt.latent;
}

/* ---- plans ------------------------------------------------------------ */

void slivi__vae_load(const slivi_vae *v, void *to, const float *from,
                     size_t count)
{
    if (v->precision == SLIVI_F32)
        memcpy(to, from, count * sizeof *from);
    else
        for (size_t i = 0; i < count; i++)
            ((double *)to)[i] = (double)from[i];
}

void slivi__vae_take(const slivi_vae *v, slivi__vae_plan *p, const float *x,
                     size_t count)
{
    void *memory = p->x_memory;
    if (memory)
        slivi__vae_load(v, memory, x, count);
    else /* inputs are only read */
        memory = (void *)(uintptr_t)x;
    slivi_workspace_bind(p->ws, p->x, memory);
}

void slivi__vae_store(const slivi_vae *v, float *to, const void *from,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)slivi__vae_entry(v, from, i);
}

double slivi__vae_entry(const slivi_vae *v, const void *x, size_t i)
{
    return v->precision == SLIVI_F32 ? (double)((const float *)x)[i]
                                     : ((const double *)x)[i];
}

static void bind(const slivi_vae *v, slivi__vae_plan *p)
{
    /* training reads the parameters, evaluation their average */
    const void *model = p->trains ? slivi_params_const_values(v->params)
                                  : slivi_learner_average(v->learner);
    slivi_weights_bind(p->model, p->ws, model,
                       p->trained == p->model && p->trained
                           ? slivi_learner_gradient(v->learner)
                           : NULL);
    if (p->score)
        slivi_weights_bind(
            p->score, p->ws, slivi_params_const_values(v->score_params),
            p->trained == p->score ? slivi_learner_gradient(v->score_learner)
                                   : NULL);
    if (p->z.id)
        slivi_workspace_bind(p->ws, p->z, p->z_memory);
    if (p->shared.id)
        slivi_workspace_bind(p->ws, p->shared,
                             v->plan[SLIVI__VAE_SCORE].out_memory[1]);
    for (size_t k = 0; k < 2; k++)
        if (p->push[k].id)
            slivi_workspace_bind(p->ws, p->push[k], p->push_memory[k]);
    for (size_t i = 0; i < p->outs; i++)
        slivi_workspace_bind(p->ws, p->out[i], p->out_memory[i]);
}

/* For the rows of a node in a run of all the plan's rows. */
static void *room_for(const slivi_vae *v, const slivi__vae_plan *p,
                      slivi_node x)
{
    ptrdiff_t rows = slivi_node_rows(p->g, x);
    size_t most = rows < 0 ? (size_t)-rows * p->rows : (size_t)rows;
    return slivi__alloc(most * slivi_node_cols(p->g, x), v->entry);
}

static int make_memory(const slivi_vae *v, slivi__vae_plan *p)
{
    if (v->precision == SLIVI_F64)
        p->x_memory = slivi__alloc(p->rows * v->dim, v->entry);
    p->z_memory = slivi__alloc(p->rows * v->opt.latent, v->entry);
    if ((v->precision == SLIVI_F64 && !p->x_memory) || !p->z_memory)
        return SLIVI_ENOMEM;
    for (size_t i = 0; i < p->outs; i++)
        if (!(p->out_memory[i] = room_for(v, p, p->out[i])))
            return SLIVI_ENOMEM;
    for (size_t k = 0; k < 2; k++)
        if (p->push[k].id && !(p->push_memory[k] = room_for(v, p, p->push[k])))
            return SLIVI_ENOMEM;
    return 0;
}

static int make_plan(const slivi_vae *v, slivi__vae_plan *p)
{
    size_t gradients = p->trained ? slivi_weights_count(p->trained) : 0;
    slivi_node *out = slivi__alloc(gradients + p->outs, sizeof *out);
    if (!out)
        return SLIVI_ENOMEM;
    if (gradients)
        slivi_weights_gradients(p->trained, out);
    memcpy(out + gradients, p->out, p->outs * sizeof *out);
    p->plan = slivi_plan_create(p->g, gradients + p->outs, out, p->rows);
    p->ws = p->plan ? slivi_workspace_create(p->plan, v->pool) : NULL;
    slivi__free(out);
    return p->ws ? 0 : slivi__status();
}

slivi__vae_plan *slivi__vae_plan_get(slivi_vae *v,
                                     enum slivi__vae_plan_name name)
{
    slivi__vae_plan *p = &v->plan[name];
    if (p->ws && !p->trains)
        bind(v, p); /* the averages' memory is there after the first step */
    if (p->ws)
        return p;
    p->rows = name <= SLIVI__VAE_MODEL     ? v->opt.batch
              : name == SLIVI__VAE_LAPLACE ? SLIVI__VAE_LAPLACE_ROWS
                                           : SLIVI__VAE_BLOCK;
    if (!slivi__vae_build(v, p, name) && !make_memory(v, p)
        && !make_plan(v, p)) {
        bind(v, p);
        return p;
    }
    slivi__vae_plan_clear(p);
    return NULL;
}

void slivi__vae_plan_clear(slivi__vae_plan *p)
{
    slivi_workspace_free(p->ws);
    slivi_plan_free(p->plan);
    slivi_weights_free(p->model);
    slivi_weights_free(p->score);
    slivi_graph_free(p->g);
    slivi__free(p->x_memory);
    slivi__free(p->z_memory);
    for (int i = 0; i < SLIVI__VAE_OUTS; i++)
        slivi__free(p->out_memory[i]);
    slivi__free(p->push_memory[0]);
    slivi__free(p->push_memory[1]);
    memset(p, 0, sizeof *p);
}
