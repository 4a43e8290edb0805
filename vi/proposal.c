/* proposal.c - see proposal.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "proposal.h"

#include "base/base.h"

#include <math.h>
#include <string.h>

#define LOG_PI 1.14472988584940017414

/* Smallest conditional standard deviation: a fit to equal draws, round after
   round, must not reach zero. */
static const double chol_floor = 1e-8;

/* The normaliser  Gamma((nu + d)/2) / (Gamma(nu/2) (nu pi)^(d/2) |L|). */
static void normalise(slivi__proposal *p)
{
    const double d = (double)p->d, nu = p->dof;

    p->top = lgamma(0.5 * (nu + d)) - lgamma(0.5 * nu)
             - 0.5 * d * (log(nu) + LOG_PI);
    for (size_t i = 0; i < p->d; i++)
        p->top -= log(p->chol[i * p->d + i]);
}

void slivi__proposal_reset(slivi__proposal *p)
{
    memset(p->mean, 0, p->d * sizeof *p->mean);
    memset(p->chol, 0, p->d * p->d * sizeof *p->chol);
    for (size_t i = 0; i < p->d; i++)
        p->chol[i * p->d + i] = 1;
    normalise(p);
}

int slivi__proposal_set(slivi__proposal *p, const double *mean,
                        const double *cov)
{
    int status;

    memcpy(p->mean, mean, p->d * sizeof *mean);
    memcpy(p->chol, cov, p->d * p->d * sizeof *cov);
    status = slivi__cholesky(p->d, p->chol);
    if (status != 0)
        return slivi__fail_in(status, "a covariance");
    normalise(p);
    return 0;
}

void slivi__proposal_copy(slivi__proposal *to, const slivi__proposal *from)
{
    memcpy(to->mean, from->mean, from->d * sizeof *to->mean);
    memcpy(to->chol, from->chol, from->d * from->d * sizeof *to->chol);
    to->dof = from->dof;
    to->top = from->top;
}

void slivi__proposal_widen(slivi__proposal *p, double c)
{
    for (size_t i = 0; i < p->d * p->d; i++)
        p->chol[i] *= c;
    normalise(p);
}

void slivi__proposal_place(const slivi__proposal *p, double scale,
                           const double *u, double *z)
{
    for (size_t i = 0; i < p->d; i++) {
        const double *l = p->chol + i * p->d;
        double sum = 0;

        for (size_t j = 0; j <= i; j++)
            sum += l[j] * u[j];
        z[i] = p->mean[i] + scale * sum;
    }
}

double slivi__proposal_log(const slivi__proposal *p, const double *z, double *u)
{
    double square = 0;

    for (size_t i = 0; i < p->d; i++) {
        const double *l = p->chol + i * p->d;
        double rest = z[i] - p->mean[i];

        for (size_t j = 0; j < i; j++)
            rest -= l[j] * u[j];
        u[i] = rest / l[i];
        square += u[i] * u[i];
    }
    return p->top - 0.5 * (p->dof + (double)p->d) * log1p(square / p->dof);
}

/* shift and cov (lower triangle) = mean and covariance of the rows. */
static void moments(size_t n, size_t d, const double *u, const double *w,
                    double *shift, double *cov)
{
    double total = 0;

    memset(shift, 0, d * sizeof *shift);
    memset(cov, 0, d * d * sizeof *cov);
    for (size_t r = 0; r < n; r++)
        total += w != NULL ? w[r] : 1;
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < d; i++)
            shift[i] += (w != NULL ? w[r] : 1) / total * u[r * d + i];
    for (size_t r = 0; r < n; r++) {
        const double part = (w != NULL ? w[r] : 1) / total;

        for (size_t i = 0; part > 0 && i < d; i++) {
            const double off = part * (u[r * d + i] - shift[i]);

            for (size_t j = 0; j <= i; j++)
                cov[i * d + j] += off * (u[r * d + j] - shift[j]);
        }
    }
}

static void shrink(size_t d, double *cov, double ess, double least,
                   double inflate)
{
    const double keep = ess / ((double)d + ess);

    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < i; j++)
            cov[i * d + j] *= inflate * keep;
        cov[i * d + i] = inflate * fmax(cov[i * d + i], least);
    }
}

int slivi__proposal_match(slivi__proposal *p, size_t n, const double *u,
                          const double *w, double ess, double least,
                          double inflate, double *scratch)
{
    const size_t d = p->d;
    double *shift = scratch, *k = scratch + d;
    int status;

    moments(n, d, u, w, shift, k);
    shrink(d, k, ess, least, inflate);
    status = slivi__cholesky(d, k);
    if (status != 0)
        return slivi__fail_in(status, "moments of a proposal");
    /* m += L shift, then L = L K, in place: entry j of a row needs those of
       the old row from j on */
    for (size_t i = 0; i < d; i++) {
        double *l = p->chol + i * d;

        for (size_t j = 0; j <= i; j++)
            p->mean[i] += l[j] * shift[j];
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;

            for (size_t h = j; h <= i; h++)
                sum += l[h] * k[h * d + j];
            l[j] = sum;
        }
        l[i] = fmax(l[i], chol_floor);
    }
    normalise(p);
    return 0;
}
