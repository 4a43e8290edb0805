/* vae_nll.c - log p(x) of images by importance sampling.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/importance.h"
#include "vae_inside.h"

#include <string.h>

enum { STARTS = 2, START_DRAWS = 128 }; /* the encoder's draws, the prior's */

typedef struct joint {
    slivi_vae *v;
    slivi__vae_plan *p;
} joint;

/* log p(x, z) for the x that is in the plan's memory. */
static int log_joint(size_t n, size_t d, const double *z, double *lp, void *ctx)
{
    const joint *j = ctx;
    slivi__vae_plan *p = j->p;
    int status = 0;
    for (size_t i = 0, rows; i < n && !status; i += rows) {
        rows = n - i < p->rows ? n - i : p->rows;
        slivi_run run = {.n = rows};
        for (size_t k = 0; k < rows * d; k++)
            if (j->v->precision == SLIVI_F32)
                ((float *)p->z_memory)[k] = (float)z[i * d + k];
            else
                ((double *)p->z_memory)[k] = z[i * d + k];
        status = slivi_workspace_run(p->ws, &run);
        for (size_t k = 0; k < rows && !status; k++)
            lp[i + k] = slivi__vae_entry(j->v, p->out_memory[0], k);
    }
    return status;
}

/* Where the fits start: draws of the encoder, and of the prior. */
static int start(slivi_vae *v, slivi__vae_plan *draws, const float *x,
                 uint64_t stream, uint64_t image, double *out)
{
    const size_t d = v->opt.latent;
    slivi_address at = {.seed = slivi__vae_seed(v, stream),
                        .stream = SLIVI__VAE_PRIOR,
                        .step = image};
    slivi_run run = {.n = START_DRAWS, .seed = at.seed, .step = image};
    slivi__vae_take(v, draws, x, v->dim);
    int status = slivi_workspace_run(draws->ws, &run);
    for (size_t i = 0; i < START_DRAWS * d && !status; i++)
        out[i] = slivi__vae_entry(v, draws->out_memory[0], i);
    slivi_draw(slivi_law_normal, &at, START_DRAWS, d, out + START_DRAWS * d);
    return status;
}

int slivi_vae_log_likelihood(slivi_vae *v, const float *x, size_t n,
                             size_t draws, uint64_t stream, double *logp,
                             double *se,
                             int (*progress)(size_t done, void *ctx), void *ctx)
{
    int status = slivi_vae_ready(v);
    if (status)
        return status;
    const size_t d = v->opt.latent;
    slivi_importance how = slivi_importance_default();
    how.draws = draws;
    /* fits in many dimensions need more draws a round */
    how.round_draws = d > 8 ? 32 * d : how.round_draws;
    how.seed = slivi__vae_seed(v, stream);
    slivi__vae_plan *encoder = slivi__vae_plan_get(v, SLIVI__VAE_DRAWS);
    joint j = {v, encoder ? slivi__vae_plan_get(v, SLIVI__VAE_JOINT) : NULL};
    double *z = slivi__alloc(STARTS * START_DRAWS * d, sizeof *z);
    slivi_importance_workspace *ws = j.p && z
                                         ? slivi_importance_workspace_create(
                                             &how, d)
                                         : NULL;
    status = ws ? 0 : slivi__status();
    for (size_t i = 0; i < n && !status; i++) {
        slivi_evidence e = {0};
        how.step = i;
        status = start(v, encoder, x + i * v->dim, stream, i, z);
        slivi__vae_take(v, j.p, x + i * v->dim, v->dim);
        if (!status)
            status = slivi_importance_evidence(ws, log_joint, &j, STARTS,
                                               START_DRAWS, z, &how, &e);
        if (!status)
            logp[i] = e.log_evidence;
        if (!status && se)
            se[i] = e.se;
        if (!status && progress && progress(i + 1, ctx))
            status = slivi__fail(SLIVI_ECALLBACK,
                                 "stopped after %zu of %zu images", i + 1, n);
    }
    slivi_importance_workspace_free(ws);
    slivi__free(z);
    return status;
}
