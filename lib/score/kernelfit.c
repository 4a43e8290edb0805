/* kernelfit.c - one group: its kernel and width, Stein's linear system, the
   spectral estimator.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/kernelfit.h"
#include "base/base.h"
#include "kernel/isa.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LANES = SLIVI__KERNEL_LANES, TILE = SLIVI__KERNEL_TILE };

static const slivi__kernels *kernels(void)
{
    return slivi__isa_best()->kernels[SLIVI__DOUBLE];
}

/* ---- options ------------------------------------------------------------ */

static int is_within(double x, double lo, double hi)
{
    return x >= lo && x <= hi;
}

int slivi__kernelfit_check(const slivi_kernelscore_options *how)
{
    if (how->width != 0 && !is_within(how->width, 1e-140, 1e140))
        return slivi__fail(SLIVI_EINVAL, "width %g (0, or 1e-140 to 1e140)",
                           how->width);
    if (!is_within(how->eta, 0, 1e140))
        return slivi__fail(SLIVI_EINVAL, "eta %g (at least 0)", how->eta);
    if (!is_within(how->share, 0, 1) || how->share == 0)
        return slivi__fail(SLIVI_EINVAL, "share %g (above 0, at most 1)",
                           how->share);
    return 0;
}

/* ---- sums over the samples ---------------------------------------------- */

/* out_j <- |x - z_j|^2 for j < n, n rounded up to lanes.  By differences: the
   samples may be far from 0 and close together. */
static void squares(const slivi__kernelfit *f, const double *x, size_t n,
                    double *out)
{
    for (size_t j = 0; j < n; j += LANES) {
        double sum[LANES] = {0};
        for (size_t k = 0; k < f->d; k++) {
            const double *p = f->points + k * f->ld + j;
            for (size_t t = 0; t < LANES; t++)
                sum[t] += (p[t] - x[k]) * (p[t] - x[k]);
        }
        memcpy(out + j, sum, sizeof sum);
    }
}

/* out_k <- sum_j row_j (x_k - z_jk), by differences again; row has ld entries,
   0 beyond m. */
static void pull(const slivi__kernelfit *f, const double *x, const double *row,
                 double *out)
{
    for (size_t k = 0; k < f->d; k++) {
        const double *p = f->points + k * f->ld;
        double sum[LANES] = {0};
        for (size_t j = 0; j < f->ld; j += LANES)
            for (size_t t = 0; t < LANES; t++)
                sum[t] += row[j + t] * (x[k] - p[j + t]);
        out[k] = ((sum[0] + sum[4]) + (sum[2] + sum[6]))
                 + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
    }
}

static double kernel_of(const slivi__kernelfit *f, double square)
{
    return exp(-0.5 * (square / f->width2));
}

/* ---- the width ---------------------------------------------------------- */

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Entry number k (from 0) in decreasing order of those below the diagonal of
   the m x m matrix a, none negative: their bits are ordered as they are, and
   are found eight at a time, from the highest. */
static double select_entry(size_t m, const double *a, size_t k)
{
    uint64_t found = 0, known = 0;
    for (int shift = 56; shift >= 0; shift -= 8) {
        size_t count[256] = {0}, byte = 255;
        for (size_t i = 1; i < m; i++)
            for (size_t j = 0; j < i; j++) {
                uint64_t bits = bits_of(a[i * m + j]);
                if (!((bits ^ found) & known))
                    count[(bits >> shift) & 255]++;
            }
        for (; k >= count[byte]; byte--)
            k -= count[byte];
        found |= (uint64_t)byte << shift;
        known |= (uint64_t)255 << shift;
    }
    double x;
    memcpy(&x, &found, sizeof x);
    return x;
}

/* Of m^2 distances each of two distinct samples is there twice, before the m
   zeros: number floor(m^2 / 2) from 1 of all is half that among the pairs. */
static int find_width(slivi__kernelfit *f, double width)
{
    const size_t m = f->m;
    f->width2 = width > 0 ? width * width
                          : select_entry(m, f->matrix, (m * m / 2 - 1) / 2);
    if (f->width2 > DBL_MAX)
        return slivi__fail(SLIVI_ENONFINITE, "distances overflow");
    if (f->width2 < DBL_MIN / DBL_EPSILON)
        return slivi__fail(SLIVI_EINVAL,
                           "the median distance is %g: too many of the %zu "
                           "samples are equal",
                           sqrt(f->width2), m);
    return 0;
}

/* ---- the kernel --------------------------------------------------------- */

static int check_finite(const char *what, size_t n, size_t d, const double *x)
{
    if (kernels()->is_finite(n * d, x))
        return 0;
    for (size_t i = 0; i < n * d; i++)
        if (!isfinite(x[i]))
            return slivi__fail(SLIVI_ENONFINITE, "%s %zu column %zu is %s",
                               what, i / d, i % d, slivi__nonfinite(x[i]));
    return 0;
}

static int check_samples(size_t m, size_t d, const double *z)
{
    int status = check_finite("sample", m, d, z);
    if (status)
        return status;
    for (size_t i = d; i < m * d; i++)
        if (z[i] != z[i % d])
            return 0;
    return slivi__fail(SLIVI_EINVAL, "all %zu samples are equal", m);
}

/* The points, K (both triangles) in matrix, and h_i = sum_j K_ij (z_i - z_j) /
   w^2. */
static int prepare(const slivi_kernelscore_options *how, const double *z,
                   slivi__kernelfit *f, slivi__kernelroom *r)
{
    const size_t m = f->m, d = f->d, ld = f->ld;
    double *a = f->matrix, *row = r->rows;
    memset(f->points, 0, d * ld * sizeof *f->points);
    kernels()->transpose(m, d, z, d, f->points, ld);
    for (size_t i = 0; i < m; i++) {
        squares(f, z + i * d, i, row);
        memcpy(a + i * m, row, i * sizeof *a);
    }
    int status = find_width(f, how->width);
    if (status)
        return status;
    for (size_t i = 0; i < m; i++) {
        a[i * m + i] = 1;
        for (size_t j = 0; j < i; j++)
            a[j * m + i] = a[i * m + j] = kernel_of(f, a[i * m + j]);
    }
    memset(row, 0, ld * sizeof *row);
    for (size_t i = 0; i < m; i++) {
        memcpy(row, a + i * m, m * sizeof *row);
        pull(f, z + i * d, row, r->h + i * d);
    }
    for (size_t i = 0; i < m * d; i++)
        r->h[i] /= f->width2;
    return 0;
}

int slivi__kernelfit_make(const slivi__kernelmethod *method,
                          const slivi_kernelscore_options *how, size_t m,
                          size_t d, const double *z, slivi__kernelfit *f,
                          slivi__kernelroom *r)
{
    f->m = m;
    f->d = d;
    f->ld = (m + LANES - 1) / LANES * LANES;
    f->rank = m;
    int status = check_samples(m, d, z);
    if (!status)
        status = prepare(how, z, f, r);
    if (!status)
        status = method->fit(how, f, r);
    return status ? status : check_finite("score", m, d, r->scores);
}

size_t slivi__kernelfit_sample(const slivi__kernelfit *f, const double *x)
{
    for (size_t i = 0; i < f->m; i++) {
        size_t k = 0;
        while (k < f->d && f->points[k * f->ld + i] == x[k])
            k++;
        if (k == f->d)
            return i;
    }
    return f->m;
}

int slivi__kernelfit_eval(const slivi__kernelmethod *method,
                          const slivi_kernelscore_options *how,
                          const slivi__kernelfit *f, size_t n, const double *x,
                          slivi__kernelroom *r)
{
    const size_t m = f->m, d = f->d, ld = f->ld;
    int status = check_finite("point", n, d, x);
    if (status)
        return status;
    for (size_t q = 0; q < n; q++) {
        double *row = r->rows + q * ld;
        squares(f, x + q * d, m, row);
        for (size_t j = 0; j < m; j++)
            row[j] = kernel_of(f, row[j]);
        for (size_t j = m; j < ld; j++)
            row[j] = 0;
    }
    slivi__panel p = {r->rows, ld, r->out, d, n};
    kernels()->multiply(1, &p, d, m, f->coef, d, 0);
    if (method->finish)
        status = method->finish(how, f, r, n, x);
    return status ? status : check_finite("score", n, d, r->out);
}

/* ---- stein -------------------------------------------------------------- */

/* (K + eta I) G = -h */
static int stein_fit(const slivi_kernelscore_options *how, slivi__kernelfit *f,
                     slivi__kernelroom *r)
{
    const size_t m = f->m, d = f->d;
    for (size_t i = 0; i < m; i++)
        f->matrix[i * m + i] += how->eta;
    int status = slivi__cholesky(m, f->matrix);
    if (status)
        return slivi__fail_in(status, "eta %g", how->eta);
    for (size_t i = 0; i < m * d; i++)
        f->coef[i] = -r->h[i];
    slivi__trisolve(0, m, d, f->matrix, f->coef);
    slivi__trisolve(1, m, d, f->matrix, f->coef);
    memcpy(r->scores, f->coef, m * d * sizeof *r->scores);
    return 0;
}

/* The last row of the system for the samples and x: with k_i = k(x, z_i), e_i =
   k_i (x - z_i) / w^2 and the complement S = 1 + eta - k' (K + eta I)^-1 k,

     g = -(k' G + sum_i (1 + ((K + eta I)^-1 k)_i) e_i) / S. */
static int stein_finish(const slivi_kernelscore_options *how,
                        const slivi__kernelfit *f, slivi__kernelroom *r,
                        size_t n, const double *x)
{
    const size_t m = f->m, d = f->d;
    double *a = r->solve, *pulled = r->pulled;
    kernels()->transpose(n, m, r->rows, f->ld, a, n);
    slivi__trisolve(0, m, n, f->matrix, a);
    for (size_t q = 0; q < n; q++)
        r->schur[q] = 1 + how->eta;
    for (size_t i = 0; i < m; i++)
        for (size_t q = 0; q < n; q++)
            r->schur[q] -= a[i * n + q] * a[i * n + q];
    slivi__trisolve(1, m, n, f->matrix, a);
    for (size_t q = 0; q < n; q++) {
        double *row = r->rows + q * f->ld, *out = r->out + q * d;
        if (!(r->schur[q] > DBL_EPSILON * (double)m))
            return slivi__fail(SLIVI_ENOTPD,
                               "eta %g: point %zu is too close to the samples",
                               how->eta, q);
        for (size_t i = 0; i < m; i++)
            row[i] *= 1 + a[i * n + q];
        pull(f, x + q * d, row, pulled);
        for (size_t k = 0; k < d; k++)
            out[k] = -(out[k] + pulled[k] / f->width2) / r->schur[q];
    }
    return 0;
}

const slivi__kernelmethod slivi__kernel_stein = {
    .name = "stein",
    .help = "Stein gradient estimator (Li and Turner 2018)",
    .keeps = 1,
    .fit = stein_fit,
    .finish = stein_finish,
};

/* ---- ssge --------------------------------------------------------------- */

/* The trace of K is m. */
static size_t count_values(const slivi_kernelscore_options *how, size_t m,
                           const double *values)
{
    const double least = DBL_EPSILON * (double)m * values[m - 1];
    double sum = values[m - 1];
    size_t count = 1;
    for (; count < m && values[m - 1 - count] > least; count++) {
        sum += values[m - 1 - count];
        if (how->rank ? count == how->rank : !(sum < how->share * (double)m))
            break;
    }
    return count;
}

/* sum_i d psi_j(z_i) / d z_i = sqrt(m) / l_j u_j' h, so that

     sum_j b_j psi_j(x) = -sum_i k(x, z_i) (U' L^-2 U h)_i,

   with U's rows the eigenvectors in use, and at the samples -U' L^-1 U h. */
static int ssge_fit(const slivi_kernelscore_options *how, slivi__kernelfit *f,
                    slivi__kernelroom *r)
{
    const size_t m = f->m, d = f->d;
    int status = slivi__eigen(m, f->matrix, f->values, r->work, r->iwork);
    if (status)
        return status;
    f->rank = count_values(how, m, f->values);
    const double *u = f->matrix + (m - f->rank) * m;
    const double *l = f->values + (m - f->rank);
    double *t = r->work; /* rank x d */
    slivi__panel p = {u, m, t, d, f->rank};
    kernels()->multiply(1, &p, d, m, r->h, d, 0);
    for (size_t i = 0; i < f->rank * d; i++)
        t[i] /= -l[i / d];
    kernels()->multiply_t(1, &p, m, d, r->scores, d, 0);
    for (size_t i = 0; i < f->rank * d; i++)
        t[i] /= l[i / d];
    kernels()->multiply_t(1, &p, m, d, f->coef, d, 0);
    return 0;
}

const slivi__kernelmethod slivi__kernel_ssge = {
    .name = "ssge",
    .help = "spectral Stein gradient estimator (Shi, Sun and Zhu 2018)",
    .eigen = 1,
    .fit = ssge_fit,
};
