/* posterior_ksivi.c - descent of a kernel Stein discrepancy (Cheng, Yu, Xie,
   Zhang and Zhang, "Kernel semi-implicit variational inference", 2024), a peer
   for the score's methods.

   With f_i = grad log p(w_i) + u_i / s_i, the difference of the scores of p and
   of q given the noise, and k of the draws' median width h, held fixed,

     S = 1 / (n (n-1)) sum_{i != j} k(w_i, w_j) f_i' f_j.

   Its derivatives, with v_i = 2 / (n (n-1)) sum_{j != i} k_ij f_j:
     d S / d w_i     = H_i v_i - 2 / (n (n-1)) sum_j f_i' f_j k_ij (w_i - w_j)
                       / h^2,        H_i the Hessian of log p at w_i
     d S / d log s_i = -v_i u_i / s_i      (entrywise)

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posterior_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double square_distance(const double *a, const double *b, size_t d)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sum;
}

static double norm_of(const double *v, size_t d)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += v[j] * v[j];
    return sqrt(sum);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* h^2: the median squared distance of neighbours in the order of drawing,
   which are independent pairs. */
static double width_of(slivi_posterior *q)
{
    const size_t n = q->now.n, d = q->d, pairs = n / 2;
    for (size_t i = 0; i < pairs; i++)
        q->log_more[i] = square_distance(q->now.w + 2 * i * d,
                                         q->now.w + (2 * i + 1) * d, d);
    qsort(q->log_more, pairs, sizeof *q->log_more, ascending);
    return fmax(q->log_more[pairs / 2], 1e-12);
}

/* f to `f`, v to `v`, and the kernel's part of d S / d w to `push`. */
static void pair_up(slivi_posterior *q, double *f, double *v, double *push)
{
    const size_t n = q->now.n, d = q->d;
    const double h2 = width_of(q), c = 2 / ((double)n * (double)(n - 1));
    memset(v, 0, n * d * sizeof *v);
    memset(push, 0, n * d * sizeof *push);
    for (size_t j = 0; j < n * d; j++) /* refused draws take no part */
        f[j] = q->lp[j / d] == -INFINITY
                   ? 0
                   : q->pull[j] + q->now.u[j] * exp(-q->now.log_s[j]);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            const double *wi = q->now.w + i * d, *wj = q->now.w + j * d;
            const double k = c * exp(-0.5 * square_distance(wi, wj, d) / h2);
            double dot = 0;
            for (size_t a = 0; a < d; a++) {
                v[i * d + a] += k * f[j * d + a];
                v[j * d + a] += k * f[i * d + a];
                dot += f[i * d + a] * f[j * d + a];
            }
            for (size_t a = 0; a < d; a++) {
                const double slope = k * dot * (wi[a] - wj[a]) / h2;
                push[i * d + a] -= slope;
                push[j * d + a] += slope;
            }
        }
}

/* push += H v, by central differences of the gradient along v. */
static int add_curvature(slivi_posterior *q, const double *v, double *push,
                         double beta)
{
    const double step = 1e-4; /* in whitened units */
    const size_t n = q->now.n, d = q->d;
    double *at = q->other, *gradient = q->score;
    for (int side = 0; side < 2; side++) {
        const double sign = side ? -1 : 1;
        for (size_t i = 0; i < n; i++) {
            const double *vi = v + i * d;
            const double norm = norm_of(vi, d);
            for (size_t a = 0; a < d; a++)
                at[i * d + a] = q->now.w[i * d + a]
                                + (norm > 0 ? sign * step / norm * vi[a] : 0);
        }
        int status = slivi__posterior_place(q, n, at, q->z);
        if (!status)
            status = slivi_target_eval(q->target, n, q->z,
                                       q->k ? q->now.c : NULL, q->log_more,
                                       gradient);
        if (!status)
            status = slivi__posterior_pull(q, n, gradient, at);
        if (status)
            return status;
        for (size_t i = 0; i < n; i++) {
            const double norm = norm_of(v + i * d, d);
            for (size_t a = 0; a < d; a++)
                push[i * d + a] += sign * beta * norm / (2 * step)
                                   * at[i * d + a];
        }
    }
    return 0;
}

/* What descends S: pull - score becomes -n dS/dw, as a mean over draws is
   made of it. */
static int score_ksivi(slivi_posterior *q, size_t t)
{
    const size_t n = q->now.n, count = n * q->d;
    double *f = q->work, *v = f + count, *push = v + count;
    if (n < 2)
        return slivi__fail(SLIVI_EINVAL, "posterior: entropy ksivi needs a "
                                         "batch of 2 or more");
    pair_up(q, f, v, push);
    int status = add_curvature(q, v, push, slivi__posterior_beta(q, t));
    if (status)
        return status;
    for (size_t j = 0; j < count; j++) {
        q->spread[j] = (double)n * v[j] * q->now.u[j] * exp(-q->now.log_s[j]);
        q->score[j] = q->pull[j] + (double)n * push[j];
    }
    return 0;
}

const slivi__source slivi__source_ksivi = {
    .name = "ksivi",
    .help = "descends a kernel Stein discrepancy instead; a peer to compare",
    .mixture = 1,
    .moves_spread = 1,
    .score = score_ksivi,
};
