/* vae.c - a variational auto-encoder: options, building, training steps.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/names.h"
#include "vae_inside.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- options ---------------------------------------------------------- */

static const char *const encoders[] = {"gaussian", "implicit", NULL};
static const char *const entropies[] = {"closed", SLIVI__OBJECTIVE_NAMES, NULL};
static const char *const likelihoods[] = {"bernoulli", "gaussian", NULL};
static const char *const binarisations[] = {"dynamic", "none", NULL};
static const char *const laws[] = {"normal", "rademacher", "sphere", NULL};
static const char *const bases[] = {"none", "gaussian", NULL};
static const char *const precisions[] = {"f32", "f64", NULL};

#define AT(field) offsetof(slivi__vae_options, field)

const slivi_option slivi_vae_options[] = {
    {"encoder", SLIVI_OPTION_NAME, AT(encoder), 0, 0, "implicit", encoders,
     "family of q(z|x)"},
    {"entropy", SLIVI_OPTION_NAME, AT(entropy), 0, 0, "ssm-vr", entropies,
     "how the entropy's gradient is had"},
    {"latent", SLIVI_OPTION_SIZE, AT(latent), 1, 4096, "8", NULL,
     "dimension of z"},
    {"noise", SLIVI_OPTION_SIZE, AT(noise), 0, 65536, "0", NULL,
     "dimension of the implicit encoder's noise; 0: that of z"},
    {"hidden", SLIVI_OPTION_LIST, AT(hidden), 1, 65536, "256,256", NULL,
     "widths of the hidden layers of all nets"},
    {"activation", SLIVI_OPTION_NAME, AT(activation), 0, 0, "tanh",
     slivi_activation_names, "of the hidden layers"},
    {"likelihood", SLIVI_OPTION_NAME, AT(likelihood), 0, 0, "bernoulli",
     likelihoods, "p(x|z)"},
    {"binarise", SLIVI_OPTION_NAME, AT(binarise), 0, 0, "dynamic",
     binarisations, "bernoulli: draw x from the pixels at each step"},
    {"x-sd", SLIVI_OPTION_REAL, AT(x_sd), 0, 1e6, "0", NULL,
     "gaussian likelihood: standard deviation; 0: learnt"},
    {"base", SLIVI_OPTION_NAME, AT(base), 0, 0, "none", bases,
     "known part of the score that the score net corrects"},
    {"slices", SLIVI_OPTION_SIZE, AT(slices), 1, 4096, "1", NULL,
     "slices (dsm: noises) for each sample"},
    {"law", SLIVI_OPTION_NAME, AT(law), 0, 0, "normal", laws, "of the slices"},
    {"sigma", SLIVI_OPTION_REAL, AT(sigma), 1e-6, 1e6, "0.1", NULL,
     "noise level of dsm"},
    {"score-steps", SLIVI_OPTION_SIZE, AT(score_steps), 1, 1000, "1", NULL,
     "steps of the score net for each step"},
    {"score-rate", SLIVI_OPTION_REAL, AT(score_rate), 1e-6, 1e6, "1", NULL,
     "learning rate of the score net in units of rate"},
    {"batch", SLIVI_OPTION_SIZE, AT(batch), 1, 1048576, "128", NULL,
     "images of a step"},
    {"precision", SLIVI_OPTION_NAME, AT(precision), 0, 0, "f32", precisions,
     "of all nets"},
    {"threads", SLIVI_OPTION_SIZE, AT(threads), 0, 1024, "0", NULL,
     "0: one for each processor"},
    {"seed", SLIVI_OPTION_SEED, AT(seed), 0, 0, "0", NULL,
     "of everything that is drawn"},
    {NULL, SLIVI_OPTION_REAL, 0, 0, 0, NULL, NULL, NULL},
};

slivi_vae *slivi_vae_create(size_t dim)
{
    if (!dim || dim > (1u << 24))
        return slivi__fail_null(SLIVI_EINVAL, "vae: images of %zu values", dim);
    slivi_vae *v = slivi__alloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->dim = dim;
    v->log_sd = -1;
    if (!slivi_options_default(slivi_vae_options, &v->opt)
        && !slivi_options_default(slivi_learning_options, &v->learning))
        return v;
    slivi_vae_free(v);
    return NULL;
}

int slivi_vae_set(slivi_vae *v, const char *name, const char *text)
{
    if (v->ready)
        return slivi__fail(SLIVI_EINVAL,
                           "vae: option %s is fixed by the first use", name);
    if (slivi_options_find(slivi_learning_options, name))
        return slivi_options_set(slivi_learning_options, &v->learning, name,
                                 text);
    return slivi_options_set(slivi_vae_options, &v->opt, name, text);
}

int slivi_vae_get(const slivi_vae *v, const char *name, char *text, size_t room)
{
    if (slivi_options_find(slivi_learning_options, name))
        return slivi_options_get(slivi_learning_options, &v->learning, name,
                                 text, room);
    return slivi_options_get(slivi_vae_options, &v->opt, name, text, room);
}

/* ---- building --------------------------------------------------------- */

static int check_options(slivi_vae *v)
{
    v->is_gaussian_encoder = !strcmp(v->opt.encoder, "gaussian");
    v->is_closed = !strcmp(v->opt.entropy, "closed");
    v->is_bernoulli = !strcmp(v->opt.likelihood, "bernoulli");
    v->precision = strcmp(v->opt.precision, "f64") ? SLIVI_F32 : SLIVI_F64;
    v->entry = v->precision == SLIVI_F32 ? sizeof(float) : sizeof(double);
    if (v->is_closed && !v->is_gaussian_encoder)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "vae: entropy closed needs encoder gaussian; an "
                           "implicit encoder has no entropy in closed form "
                           "(choose sm, ssm, ssm-vr or dsm)");
    return 0;
}

static slivi_net *make_net(slivi_vae *v, const char *name, size_t in,
                           size_t noise, size_t out)
{
    slivi_net_spec spec = {
        .name = name,
        .inputs = {noise ? 2 : 1, {in, noise}},
        .hidden = v->opt.hidden,
        .outputs = out,
        .activation = slivi_activation_find(v->opt.activation),
    };
    return slivi_net_create(v->params, &spec);
}

static int make_model(slivi_vae *v)
{
    const size_t d = v->opt.latent, noise = v->opt.noise ? v->opt.noise : d;
    v->params = slivi_params_create(v->precision);
    if (!v->params)
        return slivi__status();
    v->encoder = v->is_gaussian_encoder
                     ? make_net(v, "encoder", v->dim, 0, 2 * d)
                     : make_net(v, "encoder", v->dim, noise, d);
    v->decoder = v->encoder ? make_net(v, "decoder", d, 0, v->dim) : NULL;
    if (!v->decoder)
        return slivi__status();
    if (!v->is_bernoulli && v->opt.x_sd == 0) {
        v->log_sd = slivi_params_add(v->params, "decoder.log-sd", 1, 1, 0, 0);
        if (v->log_sd < 0)
            return v->log_sd;
    }
    slivi_params_init(v->params, v->opt.seed, SLIVI__VAE_INIT);
    v->learner = slivi_learner_create(v->params, &v->learning);
    if (!v->learner)
        return slivi__status();
    slivi_learner_set_pool(v->learner, v->pool);
    return 0;
}

static int make_score(slivi_vae *v)
{
    if (v->is_closed)
        return 0;
    slivi_learning how = v->learning;
    how.rate *= v->opt.score_rate;
    how.steps *= v->opt.score_steps;
    how.warmup *= v->opt.score_steps;
    how.average = 0;
    slivi_scorenet_spec spec = {
        .name = "score",
        .dim = v->opt.latent,
        .context = v->dim,
        .hidden = v->opt.hidden,
        .activation = slivi_activation_find(v->opt.activation),
        .gaussian = !strcmp(v->opt.base, "gaussian"),
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

static void unready(slivi_vae *v)
{
    for (int i = 0; i < SLIVI__VAE_PLANS; i++)
        slivi__vae_plan_clear(&v->plan[i]);
    slivi_learner_free(v->learner);
    slivi_learner_free(v->score_learner);
    slivi_net_free(v->encoder);
    slivi_net_free(v->decoder);
    slivi_scorenet_free(v->score);
    slivi_params_free(v->params);
    slivi_params_free(v->score_params);
    slivi_pool_free(v->pool);
    slivi__free(v->binary);
    slivi_vae clean = {
        .dim = v->dim, .opt = v->opt, .learning = v->learning, .log_sd = -1};
    *v = clean;
}

int slivi_vae_ready(slivi_vae *v)
{
    size_t count;
    if (v->ready)
        return 0;
    int status = check_options(v);
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
        status = make_score(v);
    if (!status && !v->is_closed && !slivi__vae_plan_get(v, SLIVI__VAE_SCORE))
        status = slivi__status();
    if (!status && !slivi__vae_plan_get(v, SLIVI__VAE_MODEL))
        status = slivi__status();
    if (status == SLIVI_EUNSUPPORTED)
        slivi__fail_in(status, "vae: activation %s with entropy %s",
                       v->opt.activation, v->opt.entropy);
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
    const void *model = p->trained ? slivi_params_const_values(v->params)
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
    for (size_t i = 0; i < p->outs; i++)
        slivi_workspace_bind(p->ws, p->out[i], p->out_memory[i]);
}

static int make_memory(const slivi_vae *v, slivi__vae_plan *p)
{
    if (v->precision == SLIVI_F64)
        p->x_memory = slivi__alloc(p->rows * v->dim, v->entry);
    p->z_memory = slivi__alloc(p->rows * v->opt.latent, v->entry);
    if ((v->precision == SLIVI_F64 && !p->x_memory) || !p->z_memory)
        return SLIVI_ENOMEM;
    for (size_t i = 0; i < p->outs; i++) {
        ptrdiff_t rows = slivi_node_rows(p->g, p->out[i]);
        size_t most = rows < 0 ? (size_t)-rows * p->rows : (size_t)rows;
        p->out_memory[i] = slivi__alloc(most * slivi_node_cols(p->g, p->out[i]),
                                        v->entry);
        if (!p->out_memory[i])
            return SLIVI_ENOMEM;
    }
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
    if (p->ws && !p->trained)
        bind(v, p); /* the averages' memory is there after the first step */
    if (p->ws)
        return p;
    p->rows = name == SLIVI__VAE_SCORE || name == SLIVI__VAE_MODEL
                  ? v->opt.batch
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
    memset(p, 0, sizeof *p);
}

/* ---- a training step --------------------------------------------------- */

typedef struct binarise_task {
    const float *x;
    float *out;
    size_t n, dim;
    slivi_address at;
} binarise_task;

enum { BINARISE_ROWS = 16 };

static int binarise_rows(size_t i, void *ctx)
{
    const binarise_task *t = ctx;
    size_t first = i * BINARISE_ROWS, rows = t->n - first;
    rows = rows < BINARISE_ROWS ? rows : BINARISE_ROWS;
    slivi_address at = t->at;
    at.row += first;
    const float *x = t->x + first * t->dim;
    float *u = t->out + first * t->dim;
    slivi_draw_f32(slivi_law_uniform, &at, rows, t->dim, u);
    for (size_t j = 0; j < rows * t->dim; j++)
        u[j] = u[j] < x[j];
    return 0;
}

void slivi__vae_binarise(const slivi_vae *v, const float *x, size_t n,
                         uint64_t seed, uint64_t step, uint64_t row, float *out)
{
    binarise_task task = {x,
                          out,
                          n,
                          v->dim,
                          {.seed = seed,
                           .stream = SLIVI__VAE_BINARISE,
                           .step = step,
                           .row = row}};
    slivi_pool_run(v->pool, (n + BINARISE_ROWS - 1) / BINARISE_ROWS,
                   binarise_rows, &task);
}

static int check_value(const char *what, double value, size_t step)
{
    return isfinite(value)
               ? 0
               : slivi__fail(SLIVI_ENONFINITE, "vae: the %s is %s (step %zu)",
                             what, slivi__nonfinite(value), step);
}

static int step_score(slivi_vae *v, const float *x, size_t n,
                      slivi_vae_losses *losses)
{
    slivi__vae_plan *p = &v->plan[SLIVI__VAE_SCORE];
    slivi_run run = {.n = n,
                     .seed = v->opt.seed,
                     .step = slivi_learner_steps(v->score_learner)};
    int status = 0;
    slivi__vae_take(v, p, x, n * v->dim);
    for (size_t c = 0; c < p->chunks && !status; c++) {
        run.chunk = c;
        run.accumulate = c > 0;
        status = slivi_workspace_run(p->ws, &run);
    }
    if (status)
        return status;
    losses->score = slivi__vae_entry(v, p->out_memory[0], 0);
    status = check_value("score objective", losses->score,
                         slivi_learner_steps(v->learner));
    return status ? status : slivi_learner_step(v->score_learner, NULL);
}

static int step_model(slivi_vae *v, const float *x, size_t n,
                      slivi_vae_losses *losses)
{
    slivi__vae_plan *p = &v->plan[SLIVI__VAE_MODEL];
    size_t step = slivi_learner_steps(v->learner);
    /* z must be fresh: its draws are those of steps that no score step has */
    slivi_run run = {
        .n = n, .seed = v->opt.seed, .step = ((uint64_t)1 << 47) + step};
    slivi__vae_take(v, p, x, n * v->dim);
    int status = slivi_workspace_run(p->ws, &run);
    if (status)
        return status;
    losses->reconstruction = slivi__vae_entry(v, p->out_memory[0], 0);
    losses->prior = slivi__vae_entry(v, p->out_memory[1], 0);
    losses->stein = v->is_closed ? NAN
                                 : slivi__vae_entry(v, p->out_memory[2], 0)
                                       + (double)v->opt.latent;
    status = check_value("reconstruction loss", losses->reconstruction, step);
    if (!status)
        status = check_value("prior loss", losses->prior, step);
    return status ? status : slivi_learner_step(v->learner, &losses->norm);
}

enum { LANES = 16 }; /* looked at together */

/* Is any of x outside of [least, most]?  A NaN is in no interval. */
static int any_outside(const float *x, size_t count, float least, float most)
{
    int wrong[LANES] = {0}, any = 0;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            wrong[j] |= !(x[i + j] >= least) | !(x[i + j] <= most);
    for (size_t j = 0; j < LANES; j++)
        any |= wrong[j];
    for (; i < count; i++)
        any |= !(x[i] >= least && x[i] <= most);
    return any;
}

int slivi__vae_check(const slivi_vae *v, const float *x, size_t n, int pixels)
{
    const float least = pixels ? 0 : -FLT_MAX, most = pixels ? 1 : FLT_MAX;
    size_t i = 0;
    if (!any_outside(x, n * v->dim, least, most))
        return 0;
    while (x[i] >= least && x[i] <= most)
        i++;
    return slivi__fail(isfinite(x[i]) ? SLIVI_EINVAL : SLIVI_ENONFINITE,
                       "vae: value %zu of image %zu is %g%s (step %zu)",
                       i % v->dim, i / v->dim, (double)x[i],
                       pixels ? ", not in [0, 1]" : "", slivi_vae_steps(v));
}

static int take_step(slivi_vae *v, const float *x, size_t n,
                     slivi_vae_losses *losses)
{
    slivi_vae_losses own;
    losses = losses ? losses : &own;
    int status = slivi_vae_ready(v);
    if (!status && (!n || n > v->opt.batch))
        status = slivi__fail(SLIVI_EINVAL, "vae: %zu images, batch is %zu", n,
                             v->opt.batch);
    if (!status)
        status = slivi__vae_check(v, x, n, v->is_bernoulli);
    if (status)
        return status;
    if (v->is_bernoulli && !strcmp(v->opt.binarise, "dynamic")) {
        slivi__vae_binarise(v, x, n, v->opt.seed, slivi_vae_steps(v), 0,
                            v->binary);
        x = v->binary;
    }
    losses->score = NAN;
    for (size_t i = 0; i < v->opt.score_steps && !v->is_closed && !status; i++)
        status = step_score(v, x, n, losses);
    return status ? status : step_model(v, x, n, losses);
}

int slivi_vae_step(slivi_vae *v, const float *x, size_t n,
                   slivi_vae_losses *losses)
{
    slivi__mode mode;
    slivi__mode_enter(&mode);
    int status = take_step(v, x, n, losses);
    slivi__mode_leave(&mode);
    return status;
}
