/* vae_nll.c - log p(x) of images by importance sampling.

   Proposals come from the decoder's gradients: climbs to modes of p(z|x), for
   many images at once, then at each mode the Gaussian nearest to p(z|x).
   Compared with fits to the moments of draws (measured on MNIST, hidden layers
   256,256, a thread) that takes about a third of the time at about the same
   ESS where z has 8 dimensions, and a seventeenth at a higher ESS where it has
   32.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "gaussian.h"
#include "slivi/importance.h"
#include "vae_laplace.h"

#include <math.h>
#include <string.h>

enum {
    IMAGES = 16, /* whose modes are looked for together */
    /* Climbs for an image: one from the mean of the encoder's draws, others
       from the prior, on the far side of the origin and on the near in turn.  There are
       more where the first do not agree, or where the encoder's took LONG: its
       mean was far off, and there may be other modes.  (With two climbs, 2 or
       3 of 200 MNIST images lacked 1 to 20 nats of trained models.) */
    FIRST = 3,
    STARTS = SLIVI_IMPORTANCE_STARTS,
    LONG = 15,
    ENCODER_DRAWS = 128,
    GROUP = 64,       /* draws of the prior, of which the best starts a climb */
    ROUNDS = 5,       /* of fitting a Gaussian */
    MOST_LATENT = 64, /* beyond, proposals are fitted to draws: */
    SETS = 2          /* the encoder's and the prior's */
};

/* A mode with a mass smaller by this, in nats, has no component of its own. */
static const double negligible = 12;

/* Covariances of proposals over those of the fitted Gaussians. */
static const double inflation = 1.2;

/* What the estimates need. */
typedef struct sampler {
    slivi_vae *v;
    size_t d;
    slivi__vae_plan *encoder, *joint, *likelihood;
    slivi__laplace *laplace;
    slivi__gaussian *gaussian;
    slivi_importance how; /* of fits to draws; those to modes have no rounds */
    slivi_importance_workspace *ws;
    slivi__peak peak[IMAGES][STARTS];
    size_t peaks[IMAGES]; /* in use */
    double *draws, *lp;   /* SETS x ENCODER_DRAWS x latent, ENCODER_DRAWS */
    double *mean, *cov;   /* STARTS of them */
    float *x;             /* rows of one image, as many as a Gaussian's draws */
} sampler;

/* ---- the model as the samplers want it ----------------------------------- */

static void load_z(const slivi_vae *v, slivi__vae_plan *p, const double *z,
                   size_t count)
{
    for (size_t k = 0; k < count; k++)
        if (v->precision == SLIVI_F32)
            ((float *)p->z_memory)[k] = (float)z[k];
        else
            ((double *)p->z_memory)[k] = z[k];
}

/* log p(x, z) for the x that is in the plan's memory. */
static int log_joint(size_t n, size_t d, const double *z, double *lp, void *ctx)
{
    const sampler *s = ctx;
    slivi__vae_plan *p = s->joint;
    int status = 0;
    for (size_t i = 0, rows; i < n && !status; i += rows) {
        rows = n - i < p->rows ? n - i : p->rows;
        slivi_run run = {.n = rows};
        load_z(s->v, p, z + i * d, rows * d);
        status = slivi_workspace_run(p->ws, &run);
        for (size_t k = 0; k < rows && !status; k++)
            lp[i + k] = slivi__vae_entry(s->v, p->out_memory[0], k);
    }
    return status;
}

/* The same, up to a constant, with its gradient in z. */
static int log_density(size_t n, size_t d, const double *z, double *lp,
                       double *grad, void *ctx)
{
    const sampler *s = ctx;
    slivi__vae_plan *p = s->likelihood;
    slivi_run run = {.n = n};
    load_z(s->v, p, z, n * d);
    int status = slivi_workspace_run(p->ws, &run);
    for (size_t i = 0; i < n && !status; i++) {
        lp[i] = slivi__vae_entry(s->v, p->out_memory[0], i);
        for (size_t k = i * d; k < (i + 1) * d; k++) {
            lp[i] -= 0.5 * z[k] * z[k];
            grad[k] = slivi__vae_entry(s->v, p->out_memory[1], k) - z[k];
        }
    }
    return status;
}

/* ---- starts -------------------------------------------------------------- */

static int draw_encoder(sampler *s, const float *x, uint64_t image, double *z)
{
    slivi__vae_plan *p = s->encoder;
    slivi_run run = {.n = ENCODER_DRAWS, .seed = s->how.seed, .step = image};
    slivi__vae_take(s->v, p, x, s->v->dim);
    int status = slivi_workspace_run(p->ws, &run);
    for (size_t i = 0; i < ENCODER_DRAWS * s->d && !status; i++)
        z[i] = slivi__vae_entry(s->v, p->out_memory[0], i);
    return status;
}

static void draw_prior(sampler *s, uint64_t image, size_t row, size_t n,
                       double *z)
{
    slivi_address at = {.seed = s->how.seed,
                        .stream = SLIVI__VAE_PRIOR,
                        .step = image,
                        .row = row};
    slivi_draw(slivi_law_normal, &at, n, s->d, z);
}

/* Of the group, the draw with the highest lp among those on the same side of
   the origin as side * z. */
static const double *best_of(const sampler *s, double side, const double *z)
{
    size_t best = GROUP;
    for (size_t i = 0; i < GROUP; i++) {
        double dot = 0;
        for (size_t j = 0; j < s->d; j++)
            dot += side * s->draws[i * s->d + j] * z[j];
        if (dot >= 0 && (best == GROUP || s->lp[i] > s->lp[best]))
            best = i;
    }
    return s->draws + best % GROUP * s->d;
}

/* z of the image's climbs number `first` to last - 1. */
static int start(sampler *s, const float *x, uint64_t image, size_t first,
                 size_t last, slivi__peak peak[])
{
    const size_t d = s->d;
    int status = 0;
    for (size_t k = first; k < last && !status; k++) {
        peak[k].x = x;
        if (k == 0) {
            status = draw_encoder(s, x, image, s->draws);
            memset(peak[k].z, 0, d * sizeof *peak[k].z);
            for (size_t i = 0; i < ENCODER_DRAWS * d && !status; i++)
                peak[k].z[i % d] += s->draws[i] / ENCODER_DRAWS;
            continue;
        }
        draw_prior(s, image, k * GROUP, GROUP, s->draws);
        slivi__vae_take(s->v, s->joint, x, s->v->dim);
        status = log_joint(GROUP, d, s->draws, s->lp, s);
        if (!status)
            memcpy(peak[k].z, best_of(s, k % 2 ? -1 : 1, peak[0].z),
                   d * sizeof *s->draws);
    }
    return status;
}

/* ---- modes --------------------------------------------------------------- */

/* Orders peaks by mass and keeps those that differ and matter; returns how
   many. */
static size_t sift(sampler *s, size_t n, slivi__peak peak[])
{
    size_t kept = 0;
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k && peak[k].log_mass > peak[k - 1].log_mass; k--) {
            const slivi__peak p = peak[k];
            peak[k] = peak[k - 1];
            peak[k - 1] = p;
        }
    for (size_t i = 0; i < n; i++) {
        int same = !(peak[i].log_mass > peak[0].log_mass - negligible);
        for (size_t k = 0; k < kept && !same; k++)
            same = slivi__laplace_is_same(s->laplace, &peak[k], &peak[i]);
        if (same)
            continue;
        const slivi__peak p = peak[kept];
        peak[kept++] = peak[i];
        peak[i] = p;
    }
    return kept;
}

/* Climbs number `first` to last - 1 of the images that are still open. */
static int climb(sampler *s, const float *x, size_t n, uint64_t image,
                 size_t first, size_t last)
{
    slivi__peak *all[IMAGES * STARTS];
    size_t count = 0;
    int status = 0;
    for (size_t i = 0; i < n && !status; i++) {
        if (s->peaks[i] != first)
            continue;
        status = start(s, x + i * s->v->dim, image + i, first, last,
                       s->peak[i]);
        for (size_t k = first; k < last; k++)
            all[count++] = &s->peak[i][k];
        s->peaks[i] = last;
    }
    return status || !count ? status
                            : slivi__laplace_climb(s->laplace, count, all);
}

/* Modes of n <= IMAGES images, the first of which has number `image`.  Where
   the first climbs end in one place, as nearly all do, there are no more. */
static int find_modes(sampler *s, const float *x, size_t n, uint64_t image)
{
    memset(s->peaks, 0, sizeof s->peaks);
    int status = climb(s, x, n, image, 0, FIRST);
    for (size_t i = 0; i < n && !status; i++) {
        int done = s->peak[i][0].runs < LONG;
        for (size_t k = 1; k < FIRST; k++)
            done &= slivi__laplace_is_same(s->laplace, &s->peak[i][0],
                                           &s->peak[i][k]);
        s->peaks[i] += done ? 1 : 0; /* anything but FIRST */
    }
    if (!status)
        status = climb(s, x, n, image, FIRST, STARTS);
    for (size_t i = 0; i < n && !status; i++) {
        size_t climbs = s->peaks[i] == STARTS ? STARTS : FIRST;
        s->peaks[i] = sift(s, climbs, s->peak[i]);
        if (s->peaks[i] >= s->how.draws) /* one is the prior's */
            s->peaks[i] = s->how.draws - 1;
    }
    return status;
}

/* ---- an image ------------------------------------------------------------ */

/* Gaussians at the modes, and the estimate with them. */
static int estimate_at(sampler *s, const float *x, uint64_t image, size_t n,
                       slivi__peak peak[], slivi_evidence *e)
{
    const size_t d = s->d, rows = slivi__gaussian_draws(s->gaussian);
    slivi_importance how = s->how;
    double mass[STARTS];
    how.rounds = 0;
    for (size_t i = 0; i < rows; i++)
        memcpy(s->x + i * s->v->dim, x, s->v->dim * sizeof *x);
    slivi__vae_take(s->v, s->likelihood, s->x, rows * s->v->dim);
    int status = slivi__blas_enter();
    if (status)
        return status;
    for (size_t k = 0; k < n && !status; k++) {
        status = slivi__gaussian_fit(s->gaussian, log_density, s, ROUNDS,
                                     how.seed, image * STARTS + k, peak[k].z,
                                     peak[k].cov, &mass[k]);
        memcpy(s->mean + k * d, peak[k].z, d * sizeof *s->mean);
        for (size_t i = 0; i < d * d; i++)
            s->cov[k * d * d + i] = inflation * peak[k].cov[i];
    }
    slivi__blas_leave();
    return status ? status
                  : slivi_importance_evidence_at(
                      s->ws, log_joint, s, n, s->mean, s->cov, mass, &how, e);
}

/* Where no mode was looked for, or none was found. */
static int estimate_from_draws(sampler *s, const float *x, uint64_t image,
                               slivi_evidence *e)
{
    int status = draw_encoder(s, x, image, s->draws);
    draw_prior(s, image, 0, ENCODER_DRAWS, s->draws + ENCODER_DRAWS * s->d);
    return status
               ? status
               : slivi_importance_evidence(s->ws, log_joint, s, SETS,
                                           ENCODER_DRAWS, s->draws, &s->how, e);
}

static int estimate(sampler *s, const float *x, uint64_t image, size_t i,
                    slivi_evidence *e)
{
    s->how.step = image;
    slivi__vae_take(s->v, s->joint, x, s->v->dim);
    return s->laplace && s->peaks[i]
               ? estimate_at(s, x, image, s->peaks[i], s->peak[i], e)
               : estimate_from_draws(s, x, image, e);
}

/* ---- memory -------------------------------------------------------------- */

static int prepare_modes(sampler *s)
{
    const size_t d = s->d, n = 2 * d > 32 ? 2 * d : 32;
    const size_t peaks = IMAGES * STARTS;
    s->likelihood = slivi__vae_plan_get(s->v, SLIVI__VAE_LIKELIHOOD);
    s->laplace = s->likelihood ? slivi__laplace_create(s->v) : NULL;
    s->gaussian = s->laplace ? slivi__gaussian_create(d, n) : NULL;
    s->mean = s->gaussian ? slivi__alloc((peaks + STARTS) * (d + 1),
                                         d * sizeof *s->mean)
                          : NULL;
    s->x = s->mean ? slivi__alloc(n, s->v->dim * sizeof *s->x) : NULL;
    if (!s->x)
        return slivi__status();
    s->cov = s->mean + STARTS * d;
    double *at = s->cov + STARTS * d * d;
    for (size_t k = 0; k < peaks; k++, at += d * (d + 1))
        s->peak[k / STARTS][k % STARTS] = (slivi__peak){.z = at, .cov = at + d};
    return 0;
}

static int prepare(sampler *s, size_t draws, uint64_t stream)
{
    slivi_vae *v = s->v;
    const size_t d = s->d;
    s->how = slivi_importance_default();
    s->how.draws = draws;
    /* fits in many dimensions need more draws a round */
    s->how.round_draws = d > 8 ? 32 * d : s->how.round_draws;
    s->how.seed = slivi__vae_seed(v, stream);
    s->encoder = slivi__vae_plan_get(v, SLIVI__VAE_DRAWS);
    s->joint = s->encoder ? slivi__vae_plan_get(v, SLIVI__VAE_JOINT) : NULL;
    s->draws = s->joint ? slivi__alloc(SETS * ENCODER_DRAWS * d + ENCODER_DRAWS,
                                       sizeof *s->draws)
                        : NULL;
    s->ws = s->draws ? slivi_importance_workspace_create(&s->how, d) : NULL;
    if (!s->ws)
        return slivi__status();
    s->lp = s->draws + SETS * ENCODER_DRAWS * d;
    return d <= MOST_LATENT ? prepare_modes(s) : 0;
}

static void release(sampler *s)
{
    slivi__laplace_free(s->laplace);
    slivi__gaussian_free(s->gaussian);
    slivi_importance_workspace_free(s->ws);
    slivi__free(s->draws);
    slivi__free(s->mean);
    slivi__free(s->x);
    slivi__free(s);
}

int slivi_vae_log_likelihood(slivi_vae *v, const float *x, size_t n,
                             size_t draws, uint64_t stream, double *logp,
                             double *se,
                             int (*progress)(size_t done, void *ctx), void *ctx)
{
    int status = slivi_vae_ready(v);
    if (status)
        return status;
    sampler *s = slivi__alloc(1, sizeof *s);
    if (!s)
        return slivi__status();
    s->v = v;
    s->d = v->opt.latent;
    status = prepare(s, draws, stream);
    for (size_t i = 0; i < n && !status; i++) {
        slivi_evidence e = {0};
        if (s->laplace && i % IMAGES == 0)
            status = find_modes(s, x + i * v->dim,
                                n - i < IMAGES ? n - i : IMAGES, i);
        if (!status)
            status = estimate(s, x + i * v->dim, i, i % IMAGES, &e);
        if (!status)
            logp[i] = e.log_evidence;
        if (!status && se)
            se[i] = e.se;
        if (!status && progress && progress(i + 1, ctx))
            status = slivi__fail(SLIVI_ECALLBACK,
                                 "stopped after %zu of %zu images", i + 1, n);
    }
    release(s);
    return status;
}
