/* vae_elbo.c - how far the encoder is from the posterior: its ELBO.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "vae_inside.h"

#include <float.h>
#include <gsl/gsl_sf_psi.h>
#include <math.h>
#include <string.h>

static const double log_2pi = 1.83787706640934548356;

typedef struct elbo {
    slivi_vae *v;
    slivi__vae_plan *encoder, *joint;
    size_t d, draws;
    uint64_t seed;
    double *z;   /* draws x d */
    double *cov; /* d x d */
    double *mean;
    double log_det_bias; /* of the sample covariance of normal draws */
} elbo;

/* E log det S - log det Sigma of n normal draws: (n - 1) S is Wishart, and
   log det of that a sum of d logs of chi-squared with n - 1, ..., n - d degrees
   of freedom (Anderson 2003, thm 7.5.3). */
static double log_det_bias(size_t n, size_t d)
{
    double sum = 0;
    for (size_t i = 1; i <= d; i++) {
        gsl_sf_result psi = {0, 0}; /* of a positive number: cannot fail */
        gsl_sf_psi_e(0.5 * (double)(n - i), &psi);
        sum += psi.val - log(0.5 * (double)(n - 1));
    }
    return sum;
}

/* z, and the mean of log p(x, z) over its rows. */
static int draw(elbo *s, const float *x, size_t image, double *lp)
{
    const slivi_vae *v = s->v;
    slivi__vae_plan *e = s->encoder, *j = s->joint;
    const size_t most = e->rows < j->rows ? e->rows : j->rows;
    int status = 0;
    slivi__vae_take(v, e, x, v->dim);
    slivi__vae_take(v, j, x, v->dim);
    *lp = 0;
    for (size_t i = 0, rows; i < s->draws && !status; i += rows) {
        rows = s->draws - i < most ? s->draws - i : most;
        const slivi_run run = {
            .n = rows, .seed = s->seed, .step = image, .row = i};
        status = slivi_workspace_run(e->ws, &run);
        if (status)
            break;
        for (size_t k = 0; k < rows * s->d; k++)
            s->z[i * s->d + k] = slivi__vae_entry(v, e->out_memory[0], k);
        memcpy(j->z_memory, e->out_memory[0], rows * s->d * v->entry);
        status = slivi_workspace_run(j->ws, &run);
        for (size_t k = 0; k < rows && !status; k++)
            *lp += slivi__vae_entry(v, j->out_memory[0], k) / (double)s->draws;
    }
    return status;
}

/* z less its mean, and its covariance. */
static int covariance(elbo *s)
{
    const size_t n = s->draws, d = s->d;
    memset(s->mean, 0, d * sizeof *s->mean);
    for (size_t k = 0; k < n * d; k++)
        s->mean[k % d] += s->z[k] / (double)n;
    for (size_t k = 0; k < n * d; k++)
        s->z[k] -= s->mean[k % d];
    int status = slivi__blas_enter();
    if (status)
        return status;
    status = slivi__dgemm(s->v->pool, 1, 0, d, d, n, 1 / (double)(n - 1), s->z,
                          d, s->z, d, 0, s->cov, d);
    slivi__blas_leave();
    return status;
}

/* Entropy of the normal law with the draws' covariance; -infinity where a
   deviation, the others given, is within the rounding of z. */
static int normal_entropy(elbo *s, double *h)
{
    const size_t d = s->d;
    const double eps = s->v->precision == SLIVI_F32 ? (double)FLT_EPSILON
                                                    : DBL_EPSILON;
    int status = covariance(s);
    if (status)
        return status;
    *h = 0.5 * ((double)d * (1 + log_2pi) - s->log_det_bias);
    for (size_t a = 0; a < d; a++) /* of z as it was */
        s->mean[a] = sqrt(s->mean[a] * s->mean[a] + s->cov[a * d + a]);
    int is_flat = slivi__cholesky(d, s->cov) != 0;
    for (size_t a = 0; a < d && !is_flat; a++) {
        const double sd = s->cov[a * d + a];
        is_flat = !(sd > 4 * eps * s->mean[a]);
        *h += log(sd);
    }
    if (is_flat)
        *h = -INFINITY;
    return 0;
}

static int prepare(elbo *s, uint64_t stream)
{
    const size_t d = s->d;
    size_t rows, count;
    int status = slivi__add(s->draws, d + 1, &rows);
    if (!status)
        status = slivi__mul(rows, d, &count);
    if (status)
        return status;
    s->seed = slivi__vae_seed(s->v, stream);
    s->log_det_bias = log_det_bias(s->draws, d);
    s->encoder = slivi__vae_plan_get(s->v, SLIVI__VAE_DRAWS);
    s->joint = s->encoder ? slivi__vae_plan_get(s->v, SLIVI__VAE_JOINT) : NULL;
    s->z = s->joint ? slivi__alloc(count, sizeof *s->z) : NULL;
    if (!s->z)
        return slivi__status();
    s->cov = s->z + s->draws * d;
    s->mean = s->cov + d * d;
    return 0;
}

int slivi_vae_elbo(slivi_vae *v, const float *x, size_t n, size_t draws,
                   uint64_t stream, double *out,
                   int (*progress)(size_t done, void *ctx), void *ctx)
{
    elbo s = {.v = v, .d = v->opt.latent, .draws = draws};
    int status = slivi_vae_ready(v);
    if (!status && v->kind->is_wasserstein)
        status = slivi__fail(SLIVI_EUNSUPPORTED,
                             "wae: the encoder is deterministic, so there is "
                             "no ELBO");
    if (!status && draws < s.d + 2)
        status = slivi__fail(SLIVI_EINVAL,
                             "vae: the ELBO needs latent + 2 draws, %zu, or "
                             "more, not %zu",
                             s.d + 2, draws);
    if (!status)
        status = prepare(&s, stream);
    if (!status)
        status = slivi__vae_check(v, x, n, v->is_bernoulli);
    for (size_t i = 0; i < n && !status; i++) {
        double lp, h;
        status = draw(&s, x + i * v->dim, i, &lp);
        if (!status && !isfinite(lp))
            status = slivi__fail(SLIVI_ENONFINITE,
                                 "vae: log p(x, z) of image %zu is not finite",
                                 i);
        if (!status)
            status = normal_entropy(&s, &h);
        if (!status)
            out[i] = lp + h;
        if (!status && progress && progress(i + 1, ctx))
            status = slivi__fail(SLIVI_ECALLBACK,
                                 "stopped after %zu of %zu images", i + 1, n);
    }
    slivi__free(s.z);
    return status;
}
