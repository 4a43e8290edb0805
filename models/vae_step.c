/* vae_step.c - a training step of an auto-encoder.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "vae_inside.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- x ------------------------------------------------------------------ */

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

static int check_value(const slivi_vae *v, const char *what, double value)
{
    return isfinite(value)
               ? 0
               : slivi__fail(SLIVI_ENONFINITE, "%s: the %s is %s (step %zu)",
                             v->kind->name, what, slivi__nonfinite(value),
                             slivi_vae_steps(v));
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
    status = check_value(v, "score objective", losses->score);
    return status ? status : slivi_learner_step(v->score_learner, NULL);
}

/* z must be fresh: its draws are those of steps that no score step has. */
static slivi_run model_run(const slivi_vae *v, size_t n)
{
    return (slivi_run){.n = n,
                       .seed = v->opt.seed,
                       .step = ((uint64_t)1 << 47)
                               + slivi_learner_steps(v->learner)};
}

/* ---- pushes that no net makes -------------------------------------------- */

/* Between a plan's memory, slice by slice, and doubles with an image's draws
   together: draw s of image i is row s n + i there and i particles + s here. */
typedef void move(const slivi_vae *v, void *plan, size_t at, double *here,
                  size_t count);

static void take_draw(const slivi_vae *v, void *plan, size_t at, double *here,
                      size_t count)
{
    for (size_t j = 0; j < count; j++)
        here[j] = slivi__vae_entry(v, plan, at + j);
}

static void give_push(const slivi_vae *v, void *plan, size_t at, double *here,
                      size_t count)
{
    for (size_t j = 0; j < count; j++)
        if (v->precision == SLIVI_F32)
            ((float *)plan)[at + j] = (float)here[j];
        else
            ((double *)plan)[at + j] = here[j];
}

static void move_draws(const slivi_vae *v, size_t n, void *const memory[2],
                       double *here, move *one)
{
    const size_t d = v->opt.latent, decoded = v->opt.decoded;
    for (size_t s = 0; s < v->opt.particles; s++)
        for (size_t i = 0; i < n; i++) {
            const size_t slice = s < decoded ? s : s - decoded;
            one(v, memory[s < decoded ? 0 : 1], (slice * n + i) * d,
                here + (i * v->opt.particles + s) * d, d);
        }
}

/* MMD(q(z), p) with as many draws of the prior, and its gradient. */
static int push_by_discrepancy(slivi_vae *v, size_t n, uint64_t step,
                               double *value)
{
    const slivi_address at = {
        .seed = v->opt.seed, .stream = SLIVI__VAE_PRIOR, .step = step};
    slivi_draw(slivi_law_normal, &at, n, v->opt.latent, v->prior);
    return slivi_mmd(v->mmd, n, v->codes, n, v->prior, 1, value, v->pushes);
}

/* The gradient that draws follow, from the draws themselves. */
static int step_pushes(slivi_vae *v, const float *x, size_t n,
                       slivi_vae_losses *losses)
{
    slivi__vae_plan *p = &v->plan[SLIVI__VAE_CODES];
    slivi_run run = model_run(v, n);
    const int one = v->kind->is_wasserstein;
    if (one && n < 2)
        return slivi__fail(SLIVI_EINVAL, "wae: entropy %s needs 2 images",
                           v->opt.entropy);
    slivi__vae_take(v, p, x, n * v->dim);
    int status = slivi_workspace_run(p->ws, &run);
    if (status)
        return status;
    move_draws(v, n, p->out_memory, v->codes, take_draw);
    if (v->source == SLIVI__VAE_DISCREPANCY)
        status = push_by_discrepancy(v, n, run.step, &losses->score);
    else
        status = slivi_kernelscore_samples(v->kernel, one ? 1 : n,
                                           one ? n : v->opt.particles, v->codes,
                                           v->pushes, v->kernel_ws);
    if (status)
        return slivi__fail_in(status, "%s: step %zu", v->kind->name,
                              slivi_vae_steps(v));
    move_draws(v, n, v->plan[SLIVI__VAE_MODEL].push_memory, v->pushes,
               give_push);
    return 0;
}

/* ---- the step ------------------------------------------------------------ */

static int step_model(slivi_vae *v, const float *x, size_t n,
                      slivi_vae_losses *losses)
{
    slivi__vae_plan *p = &v->plan[SLIVI__VAE_MODEL];
    slivi_run run = model_run(v, n);
    slivi__vae_take(v, p, x, n * v->dim);
    int status = slivi_workspace_run(p->ws, &run);
    if (status)
        return status;
    losses->reconstruction = slivi__vae_entry(v, p->out_memory[0], 0);
    losses->prior = slivi__vae_entry(v, p->out_memory[1], 0);
    losses->stein = v->source == SLIVI__VAE_NET
                            || v->source == SLIVI__VAE_KERNEL
                        ? slivi__vae_entry(v, p->out_memory[2], 0)
                              + (double)v->opt.latent
                        : NAN;
    status = check_value(v, "reconstruction loss", losses->reconstruction);
    if (!status)
        status = check_value(v, "prior loss", losses->prior);
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
                       "%s: value %zu of image %zu is %g%s (step %zu)",
                       v->kind->name, i % v->dim, i / v->dim, (double)x[i],
                       pixels ? ", not in [0, 1]" : "", slivi_vae_steps(v));
}

static int take_step(slivi_vae *v, const float *x, size_t n,
                     slivi_vae_losses *losses)
{
    slivi_vae_losses own;
    losses = losses ? losses : &own;
    int status = slivi_vae_ready(v);
    if (!status && (!n || n > v->opt.batch))
        status = slivi__fail(SLIVI_EINVAL, "%s: %zu images, batch is %zu",
                             v->kind->name, n, v->opt.batch);
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
    for (size_t i = 0; i < v->opt.score_steps && v->score && !status; i++)
        status = step_score(v, x, n, losses);
    if (v->codes)
        status = step_pushes(v, x, n, losses);
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
