/* kernels.c - see kernels.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "kernels.h"

#include "samples.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static kernels_real distance2(size_t d, const kernels_real *x,
                              const kernels_real *y)
{
    kernels_real sum = 0;
    for (size_t k = 0; k < d; k++)
        sum += (x[k] - y[k]) * (x[k] - y[k]);
    return sum;
}

static kernels_real rbf(const kernels_reference *r, const kernels_real *x,
                        const kernels_real *y)
{
    return expl(-distance2(r->d, x, y) / (2 * r->w2));
}

static int falling(const void *a, const void *b)
{
    const kernels_real x = *(const kernels_real *)a,
                       y = *(const kernels_real *)b;
    return (x < y) - (x > y);
}

kernels_reference kernels_refer(size_t m, size_t d, const double *z,
                                double width)
{
    kernels_reference r = {.m = m, .d = d, .w2 = (kernels_real)width * width};
    kernels_real all[KERNELS_MOST * KERNELS_MOST];
    for (size_t i = 0; i < m * d; i++)
        r.z[i / d][i % d] = z[i];
    for (size_t i = 0; i < m * m; i++)
        all[i] = distance2(d, r.z[i / m], r.z[i % m]);
    qsort(all, m * m, sizeof *all, falling);
    if (width == 0)
        r.w2 = all[m * m / 2 - 1];
    for (size_t i = 0; i < m * m; i++)
        r.k[i / m][i % m] = rbf(&r, r.z[i / m], r.z[i % m]);
    return r;
}

kernels_real kernels_slope(const kernels_reference *r, const kernels_real *x,
                           const kernels_real *y, size_t c)
{
    return rbf(r, x, y) * (x[c] - y[c]) / r->w2;
}

/* By elimination with pivots. */
void kernels_stein(const kernels_reference *r, kernels_real eta,
                   kernels_real g[KERNELS_MOST][KERNELS_WIDE])
{
    const size_t m = r->m;
    kernels_real a[KERNELS_MOST][KERNELS_MOST + KERNELS_WIDE];
    for (size_t i = 0; i < m; i++) {
        memcpy(a[i], r->k[i], sizeof r->k[i]);
        a[i][i] += eta;
        for (size_t c = 0; c < r->d; c++) {
            a[i][m + c] = 0;
            for (size_t j = 0; j < m; j++)
                a[i][m + c] -= kernels_slope(r, r->z[i], r->z[j], c);
        }
    }
    for (size_t p = 0; p < m; p++) {
        size_t best = p;
        for (size_t i = p; i < m; i++)
            best = fabsl(a[i][p]) > fabsl(a[best][p]) ? i : best;
        for (size_t j = 0; j < m + r->d; j++) {
            kernels_real t = a[p][j];
            a[p][j] = a[best][j];
            a[best][j] = t;
        }
        for (size_t i = 0; i < m; i++) {
            kernels_real t = i == p ? 0 : a[i][p] / a[p][p];
            for (size_t j = p; j < m + r->d; j++)
                a[i][j] -= t * a[p][j];
        }
    }
    for (size_t i = 0; i < m; i++)
        for (size_t c = 0; c < r->d; c++)
            g[i][c] = a[i][m + c] / a[i][i];
}

/* One of Jacobi's rotations, after which a_pq is 0. */
static void rotate(size_t m, kernels_real a[KERNELS_MOST][KERNELS_MOST],
                   kernels_real u[KERNELS_MOST][KERNELS_MOST], size_t p,
                   size_t q)
{
    if (a[p][q] == 0)
        return;
    kernels_real angle = atan2l(2 * a[p][q], a[q][q] - a[p][p]) / 2;
    kernels_real c = cosl(angle), s = sinl(angle);
    for (size_t k = 0; k < m; k++) {
        kernels_real x = a[k][p], y = a[k][q], v = u[k][p], w = u[k][q];
        a[k][p] = c * x - s * y;
        a[k][q] = s * x + c * y;
        u[k][p] = c * v - s * w;
        u[k][q] = s * v + c * w;
    }
    for (size_t k = 0; k < m; k++) {
        kernels_real x = a[p][k], y = a[q][k];
        a[p][k] = c * x - s * y;
        a[q][k] = s * x + c * y;
    }
}

/* Eigenvalues, falling, with their vectors in columns of u. */
static void find_eigen(const kernels_reference *r, kernels_real l[KERNELS_MOST],
                       kernels_real u[KERNELS_MOST][KERNELS_MOST])
{
    const size_t m = r->m;
    kernels_real a[KERNELS_MOST][KERNELS_MOST],
        v[KERNELS_MOST][KERNELS_MOST] = {{0}}, pair[KERNELS_MOST][2];
    memcpy(a, r->k, sizeof a);
    for (size_t i = 0; i < m; i++)
        v[i][i] = 1;
    for (int sweep = 0; sweep < 30; sweep++)
        for (size_t p = 0; p < m; p++)
            for (size_t q = p + 1; q < m; q++)
                rotate(m, a, v, p, q);
    for (size_t i = 0; i < m; i++) {
        pair[i][0] = a[i][i];
        pair[i][1] = (kernels_real)i;
    }
    qsort(pair, m, sizeof *pair, falling);
    for (size_t j = 0; j < m; j++) {
        l[j] = pair[j][0];
        for (size_t i = 0; i < m; i++)
            u[i][j] = v[i][(size_t)pair[j][1]];
    }
}

void kernels_ssge(kernels_reference *r, double share, const kernels_real *x,
                  kernels_real *s)
{
    const size_t m = r->m, d = r->d;
    const kernels_real root = sqrtl((kernels_real)m);
    kernels_real l[KERNELS_MOST], u[KERNELS_MOST][KERNELS_MOST], total = 0,
                                                                 sum = 0;
    find_eigen(r, l, u);
    for (size_t j = 0; j < m; j++)
        total += l[j];
    for (r->used = 0; r->used < m; r->used++)
        if (!((sum += l[r->used]) < (kernels_real)share * total))
            break;
    r->used = r->used ? r->used : 1;
    for (size_t c = 0; c < d; c++) {
        s[c] = 0;
        for (size_t j = 0; j < r->used; j++) {
            kernels_real b = 0, psi = 0;
            for (size_t i = 0; i < m; i++) {
                psi += root / l[j] * u[i][j] * rbf(r, x, r->z[i]);
                for (size_t n = 0; n < m; n++) /* of psi_j at z_n */
                    b -= root / l[j] * u[i][j]
                         * kernels_slope(r, r->z[i], r->z[n], c)
                         / (kernels_real)m;
            }
            s[c] += b * psi;
        }
    }
}

/* ---- estimators --------------------------------------------------------- */

kernels_estimator kernels_make_with(const char *name,
                                    slivi_kernelscore_options how, size_t m,
                                    size_t d, size_t fits, slivi_pool *pool)
{
    kernels_estimator e;
    e.s = slivi_kernelscore_create(name, &how, m, d, fits);
    ck_assert_msg(e.s != NULL, "%s", slivi_errmsg());
    e.ws = slivi_kernelscore_workspace_create(e.s, pool);
    ck_assert_msg(e.ws != NULL, "%s", slivi_errmsg());
    return e;
}

kernels_estimator kernels_make(int method, size_t m, size_t d, size_t fits)
{
    return kernels_make_with(slivi_kernelscore_names[method],
                             slivi_kernelscore_default(), m, d, fits, NULL);
}

void kernels_drop(kernels_estimator e)
{
    slivi_kernelscore_workspace_free(e.ws);
    slivi_kernelscore_free(e.s);
}

void kernels_samples(kernels_estimator e, size_t groups, size_t m,
                     const double *z, double *out)
{
    ck_assert_msg(!slivi_kernelscore_samples(e.s, groups, m, z, out, e.ws),
                  "%s", slivi_errmsg());
}

void kernels_points(kernels_estimator e, size_t groups, size_t m,
                    const double *z, size_t n, const double *x, double *out)
{
    ck_assert_msg(!slivi_kernelscore_fit(e.s, groups, m, z, e.ws), "%s",
                  slivi_errmsg());
    ck_assert_msg(!slivi_kernelscore_eval(e.s, n, x, out, e.ws), "%s",
                  slivi_errmsg());
}

void kernels_near(size_t n, const double *a, const double *b, double most)
{
    double error = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        error = fabs(a[i] - b[i]) <= error ? error : fabs(a[i] - b[i]);
        size = fmax(size, fabs(b[i]));
    }
    ck_assert_msg(error <= most * size + 1e-14, "%g of %g", error, size);
}

void kernels_draw(uint64_t seed, size_t n, double *z)
{
    samples_normal(seed, n, KERNELS_COLUMNS, z);
    for (size_t i = 0; i < n * KERNELS_COLUMNS; i++)
        z[i] = ldexp(nearbyint(ldexp(z[i], 20)), -20);
}
