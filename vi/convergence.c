/* convergence.c - are chains of draws one law, and how much are they worth?

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "order.h"
#include "slivi/sampler.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_fft_halfcomplex.h>
#include <gsl/gsl_fft_real.h>
#include <math.h>
#include <string.h>

/* Chains cut in two, so that one that drifts differs from itself. */
struct halves {
    size_t m, n; /* m = 2 chains halves of n draws */
    int moves;   /* every chain does, and all is finite */
    double *z;   /* m x n */
    size_t *order;
};

/* ---- halves -------------------------------------------------------------- */

/* The middle draw of an odd number belongs to neither. */
static void cut(struct halves *h, size_t n, const double *x, size_t stride)
{
    h->moves = 1;
    for (size_t c = 0; c < h->m / 2; c++, x += n * stride) {
        double *z = h->z + 2 * c * h->n;
        int moves = 0;

        for (size_t i = 0; i < n; i++) {
            moves |= x[i * stride] != x[0];
            if (!isfinite(x[i * stride]))
                h->moves = 0;
        }
        if (!moves)
            h->moves = 0;
        for (size_t i = 0; i < h->n; i++) {
            z[i] = x[i * stride];
            z[h->n + i] = x[(n - h->n + i) * stride];
        }
    }
}

static void close_halves(struct halves *h)
{
    slivi__free(h->z);
    slivi__free(h->order);
    h->z = NULL;
    h->order = NULL;
}

static int open_halves(struct halves *h, size_t chains, size_t n,
                       const double *x, size_t stride)
{
    size_t count;
    int status;

    *h = (struct halves){.m = 2 * chains, .n = n / 2};
    if (chains == 0 || n < 4 || stride == 0)
        return slivi__fail(SLIVI_EINVAL,
                           "%zu chains of %zu draws with stride %zu: not 1, 4 "
                           "and 1 or more",
                           chains, n, stride);
    status = slivi__mul(chains, n, &count);
    if (status != 0)
        return status;
    h->z = slivi__alloc(count, sizeof *h->z);
    h->order = slivi__alloc(count, sizeof *h->order);
    if (h->z == NULL || h->order == NULL) {
        close_halves(h);
        return slivi__status();
    }
    cut(h, n, x, stride);
    return 0;
}

/* ---- ranks --------------------------------------------------------------- */

/* Draws become normal scores of their ranks (Blom's), equal ones of their mean
   rank. */
static int to_scores(struct halves *h)
{
    const size_t count = h->m * h->n;
    const int status = slivi__order(count, h->z, h->order);

    if (status != 0)
        return status;
    for (size_t i = 0, end; i < count; i = end) {
        const double value = h->z[h->order[i]];
        double rank, score;

        for (end = i + 1; end < count && h->z[h->order[end]] == value;)
            end++;
        rank = 0.5 * (double)(i + 1 + end);
        score = gsl_cdf_ugaussian_Pinv((rank - 0.375) / ((double)count + 0.25));
        for (size_t r = i; r < end; r++)
            h->z[h->order[r]] = score;
    }
    return 0;
}

/* z = |z - median| */
static int fold(struct halves *h)
{
    const size_t count = h->m * h->n; /* even */
    const int status = slivi__order(count, h->z, h->order);
    double median;

    if (status != 0)
        return status;
    median = 0.5 * h->z[h->order[count / 2 - 1]]
             + 0.5 * h->z[h->order[count / 2]];
    for (size_t i = 0; i < count; i++)
        h->z[i] = fabs(h->z[i] - median);
    return 0;
}

/* ---- variances ----------------------------------------------------------- */

/* Takes each half's mean away; *within is the mean of the variances, *between
   the variance of the means. */
static void split_variance(struct halves *h, double *within, double *between)
{
    const double n = (double)h->n, m = (double)h->m;
    double mean = 0, spread = 0, squares = 0;

    for (size_t c = 0; c < h->m; c++) {
        double *z = h->z + c * h->n, sum = 0;

        for (size_t i = 0; i < h->n; i++)
            sum += z[i] / n;
        for (size_t i = 0; i < h->n; i++) {
            z[i] -= sum;
            squares += z[i] * z[i];
        }
        /* Welford's */
        spread += (sum - mean) * (sum - mean) * (double)c / (double)(c + 1);
        mean += (sum - mean) / (double)(c + 1);
    }
    *within = squares / (m * (n - 1));
    *between = spread / (m - 1);
}

static double ratio(struct halves *h)
{
    const double n = (double)h->n;
    double within, between;

    split_variance(h, &within, &between);
    return sqrt((n - 1) / n + between / within);
}

/* ---- autocovariance ------------------------------------------------------ */

/* rho (size, a power of 2, >= 2 n): the mean over halves, whose means are
   zero, of sum_i z_i z_{i+t} / n at t < n, by Fourier transforms of what zeros
   lengthen; room: size. */
static void autocovariance(const struct halves *h, size_t size, double *rho,
                           double *room)
{
    const double each = 1 / ((double)h->m * (double)h->n);

    memset(rho, 0, size * sizeof *rho);
    for (size_t c = 0; c < h->m; c++) {
        memcpy(room, h->z + c * h->n, h->n * sizeof *room);
        memset(room + h->n, 0, (size - h->n) * sizeof *room);
        gsl_fft_real_radix2_transform(room, 1, size);
        rho[0] += each * room[0] * room[0];
        rho[size / 2] += each * room[size / 2] * room[size / 2];
        for (size_t i = 1; i < size / 2; i++)
            rho[i] += each
                      * (room[i] * room[i] + room[size - i] * room[size - i]);
    }
    gsl_fft_halfcomplex_radix2_inverse(rho, 1, size);
}

/* Geyer's initial monotone sequence: pairs rho_2k + rho_2k+1 fall and are
   positive for a reversible chain; where noise makes one negative they end.
   Returns 1 + 2 sum_{t > 0} rho_t; of the pair that ends it the even one,
   where positive, counts once, which helps antithetic chains. */
static double autocorrelation_time(size_t n, const double *rho)
{
    double sum = 0, last = INFINITY;

    for (size_t t = 0; t + 1 < n; t += 2) {
        const double pair = rho[t] + rho[t + 1];

        if (!(pair > 0))
            return 2 * sum - 1 + fmax(rho[t], 0);
        last = fmin(last, pair);
        sum += last;
    }
    return 2 * sum - 1;
}

static int effective(struct halves *h, double *ess)
{
    const double n = (double)h->n, all = n * (double)h->m;
    size_t size = 4;
    double within, between, total, *rho;

    while (size < 2 * h->n)
        size *= 2;
    rho = slivi__alloc(size, 2 * sizeof *rho);
    if (rho == NULL)
        return slivi__status();
    split_variance(h, &within, &between);
    autocovariance(h, size, rho, rho + size);
    total = within * (n - 1) / n + between;
    for (size_t t = 1; t < h->n; t++)
        rho[t] = 1 - (within - rho[t]) / total;
    rho[0] = 1;
    *ess = fmin(all / autocorrelation_time(h->n, rho), all * log10(all));
    if (!(*ess > 0)) /* a time below zero: as antithetic as it gets */
        *ess = all * log10(all);
    slivi__free(rho);
    return 0;
}

/* ---- the functions ------------------------------------------------------- */

int slivi_rhat(size_t chains, size_t n, const double *x, size_t stride,
               double *rhat)
{
    struct halves h;
    double whole = NAN, folded = NAN;
    int status = open_halves(&h, chains, n, x, stride);

    if (status != 0)
        return slivi__fail_in(status, "rhat");
    if (h.moves) {
        status = to_scores(&h);
        if (status == 0) {
            whole = ratio(&h);
            cut(&h, n, x, stride);
            status = fold(&h);
        }
        if (status == 0)
            status = to_scores(&h);
        if (status == 0)
            folded = ratio(&h);
    }
    close_halves(&h);
    if (status != 0)
        return slivi__fail_in(status, "rhat");
    *rhat = fmax(whole, folded); /* folded values may all be equal: NaN */
    return 0;
}

static int ess(size_t chains, size_t n, const double *x, size_t stride,
               int ranks, double *out)
{
    struct halves h;
    double value = NAN;
    int status = open_halves(&h, chains, n, x, stride);

    if (status == 0 && h.moves) {
        if (ranks)
            status = to_scores(&h);
        if (status == 0)
            status = effective(&h, &value);
    }
    if (status == 0)
        *out = value;
    else
        slivi__fail_in(status, "ess");
    close_halves(&h);
    return status;
}

int slivi_ess_bulk(size_t chains, size_t n, const double *x, size_t stride,
                   double *out)
{
    return ess(chains, n, x, stride, 1, out);
}

int slivi_ess_mean(size_t chains, size_t n, const double *x, size_t stride,
                   double *out)
{
    return ess(chains, n, x, stride, 0, out);
}
