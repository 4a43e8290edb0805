/* posteriors.c - see posteriors.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posteriors.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double log_2pi = 1.83787706640934548356;

/* ---- matrices ------------------------------------------------------------ */

/* Gauss with pivots on a copy; b (d) may be NULL. */
static double eliminate(size_t d, const double *matrix, double *b)
{
    double a[POSTERIORS_MOST * POSTERIORS_MOST], log_det = 0;

    memcpy(a, matrix, d * d * sizeof *a);
    for (size_t k = 0; k < d; k++) {
        size_t top = k;
        for (size_t i = k + 1; i < d; i++)
            if (fabs(a[i * d + k]) > fabs(a[top * d + k]))
                top = i;
        for (size_t j = 0; j < d; j++) {
            const double swap = a[k * d + j];
            a[k * d + j] = a[top * d + j];
            a[top * d + j] = swap;
        }
        if (b) {
            const double swap = b[k];
            b[k] = b[top];
            b[top] = swap;
        }
        log_det += log(fabs(a[k * d + k]));
        for (size_t i = k + 1; i < d; i++) {
            const double f = a[i * d + k] / a[k * d + k];
            for (size_t j = k; j < d; j++)
                a[i * d + j] -= f * a[k * d + j];
            if (b)
                b[i] -= f * b[k];
        }
    }
    for (size_t k = d; k-- > 0 && b;) {
        for (size_t j = k + 1; j < d; j++)
            b[k] -= a[k * d + j] * b[j];
        b[k] /= a[k * d + k];
    }
    return log_det;
}

double posteriors_log_det(size_t d, const double *a)
{
    return eliminate(d, a, NULL);
}

void posteriors_solve(size_t d, const double *a, double *b)
{
    eliminate(d, a, b);
}

/* ---- targets ------------------------------------------------------------- */

posteriors_normal posteriors_plane(double sd1, double sd2, double mean,
                                   double rho)
{
    const double one = 1 - rho * rho;
    posteriors_normal p = {
        .d = 2,
        .mean = {mean * sd1, -mean * sd2},
        .precision = {1 / (sd1 * sd1 * one), -rho / (sd1 * sd2 * one),
                      -rho / (sd1 * sd2 * one), 1 / (sd2 * sd2 * one)}};
    return p;
}

int posteriors_log_given(size_t n, size_t d, const double *x, size_t k,
                         const double *c, double *lp, double *grad, void *ctx)
{
    const posteriors_normal *p = ctx;
    const double level = 0.5 * posteriors_log_det(d, p->precision)
                         - 0.5 * (double)d * log_2pi;

    for (size_t r = 0; r < n; r++) {
        double off[POSTERIORS_MOST];
        for (size_t j = 0; j < d; j++)
            off[j] = x[r * d + j] - p->mean[j] - (k ? p->slope[j] * c[r] : 0);
        lp[r] = level;
        for (size_t i = 0; i < d; i++) {
            double sum = 0;
            for (size_t j = 0; j < d; j++)
                sum += p->precision[i * d + j] * off[j];
            grad[r * d + i] = -sum;
            lp[r] -= 0.5 * off[i] * sum;
        }
    }
    return 0;
}

int posteriors_log_normal(size_t n, size_t d, const double *x, double *lp,
                          double *grad, void *ctx)
{
    return posteriors_log_given(n, d, x, 0, NULL, lp, grad, ctx);
}

slivi_target *posteriors_target(posteriors_normal *p)
{
    return slivi_target_create(p->d, posteriors_log_normal, p);
}

slivi_target *posteriors_amortised(posteriors_normal *p)
{
    return slivi_target_create_given(p->d, 1, posteriors_log_given, p);
}

int posteriors_banana(size_t n, size_t d, const double *x, double *lp,
                      double *grad, void *ctx)
{
    (void)d;
    (void)ctx;
    for (size_t i = 0; i < n; i++, x += 2, grad += 2) {
        const double off = x[1] - 0.25 * x[0] * x[0];
        lp[i] = -log_2pi - 0.25 * x[0] * x[0] - off * off;
        grad[0] = -0.5 * x[0] + off * x[0];
        grad[1] = -2 * off;
    }
    return 0;
}

/* ---- posteriors ---------------------------------------------------------- */

slivi_posterior *posteriors_make(const char *family, slivi_target *t,
                                 const char *const *options)
{
    slivi_posterior *q = slivi_posterior_create(family, t);

    ck_assert_msg(q != NULL, "%s", slivi_errmsg());
    for (; options && *options; options += 2)
        ck_assert_msg(slivi_posterior_set_text(q, options[0], options[1]) == 0,
                      "%s", slivi_errmsg());
    return q;
}

slivi_posterior *posteriors_bent(const char *family, slivi_target *t,
                                 const char *const *options, double size)
{
    const slivi_address at = {.seed = 5, .stream = 1};
    slivi_posterior *q = posteriors_make(family, t, options);

    ck_assert_int_eq(slivi_posterior_set(q, "average", 0), 0);
    ck_assert_msg(slivi__posterior_ready(q) == 0, "%s", slivi_errmsg());
    const size_t count = slivi_params_size(q->params), d = q->d;
    double *values = malloc(2 * count * sizeof *values);
    double *noise = values + count;
    slivi_params_get(q->params, values);
    slivi_draw(slivi_law_normal, &at, count, 1, noise);
    for (size_t i = 0; i < count; i++)
        values[i] += size * noise[i];
    slivi_params_set(q->params, values);
    free(values);
    for (size_t i = 0; i < d; i++) {
        q->mean[i] = 0.3 * (double)i - 0.2;
        for (size_t j = 0; j <= i; j++)
            q->chol[i * d + j] = i == j ? 0.8 + 0.3 * (double)i : 0.4;
    }
    q->whitened = 1;
    return q;
}

slivi_posterior_progress posteriors_fit(slivi_posterior *q, const double *c,
                                        size_t rows)
{
    slivi_posterior_progress p;

    ck_assert_msg(slivi_posterior_fit(q, c, rows, NULL, NULL, &p) == 0, "%s",
                  slivi_errmsg());
    return p;
}

int posteriors_same(slivi_posterior *a, slivi_posterior *b)
{
    enum { N = 50 };
    double x[N * POSTERIORS_MOST], y[N * POSTERIORS_MOST], c[N];

    for (size_t i = 0; i < N; i++)
        c[i] = 0.04 * (double)i - 1;
    ck_assert_int_eq(slivi_posterior_draw(a, N, c, 3, x), 0);
    ck_assert_int_eq(slivi_posterior_draw(b, N, c, 3, y), 0);
    return !memcmp(x, y, N * a->d * sizeof *x);
}

/* ---- small ones ---------------------------------------------------------- */

const double posteriors_contexts[POSTERIORS_ROWS] = {-1, -0.3, 0.2, 0.9, 1.4};

const posteriors_kind posteriors_kinds[POSTERIORS_KINDS] = {
    {"semi-implicit", "mixture", 0}, {"semi-implicit", "denoising", 0},
    {"semi-implicit", "ksivi", 0},   {"semi-implicit", "stein", 0},
    {"implicit", "ssm-vr", 0},       {"gaussian-full", "closed", 0},
    {"gaussian-full", "closed", 1},  {"semi-implicit", "denoising", 1},
    {"semi-implicit", "mixture", 1}, {"implicit", "ssm-vr", 1},
    {"implicit", "ssge", 0}};

slivi_target *posteriors_of_kind(int kind)
{
    static posteriors_normal normal;

    normal = posteriors_plane(0.7, 1.3, 0.4, 0.5);
    normal.slope[0] = 0.5;
    return posteriors_kinds[kind].amortised ? posteriors_amortised(&normal)
                                            : posteriors_target(&normal);
}

slivi_posterior *posteriors_small(int kind, slivi_target *t,
                                  const char *const *options)
{
    const char *const all[] = {
        "hidden",      "8",       "batch",
        "16",          "mixture", "256",
        "steps",       "24",      "check",
        "8",           "rate",    "0.01",
        "bound-draws", "20",      "whiten",
        "diagonal",    "entropy", posteriors_kinds[kind].entropy,
        NULL};
    slivi_posterior *q = posteriors_make(posteriors_kinds[kind].family, t, all);

    for (; options && *options; options += 2)
        ck_assert_msg(slivi_posterior_set_text(q, options[0], options[1]) == 0,
                      "%s", slivi_errmsg());
    return q;
}

slivi_posterior_progress posteriors_fit_small(int kind, slivi_posterior *q)
{
    const int amortised = posteriors_kinds[kind].amortised;

    return posteriors_fit(q, amortised ? posteriors_contexts : NULL,
                          amortised ? POSTERIORS_ROWS : 0);
}

/* ---- affine maps --------------------------------------------------------- */

posteriors_affine posteriors_map(slivi_posterior *q, const double *c)
{
    enum { N = POSTERIORS_MOST + 4 };
    const size_t d = q->d;
    const slivi_run run = slivi__posterior_run(q, N, SLIVI__FOR_GAIN, 77);
    posteriors_affine f;
    double basis[POSTERIORS_MOST * POSTERIORS_MOST];

    for (size_t i = 0; i < N && q->k; i++)
        memcpy(q->now.c + i * q->k, c, q->k * sizeof *c);
    ck_assert_int_eq(slivi__posterior_draws(q, NULL, &run, &q->now), 0);
    const double *x = q->family->is_gaussian ? q->now.u : q->now.h;
    const double *w = q->now.w;
    for (size_t r = 0; r < d; r++) /* x_r+1 - x_0 */
        for (size_t j = 0; j < d; j++)
            basis[r * d + j] = x[(r + 1) * d + j] - x[j];
    for (size_t i = 0; i < d; i++) {
        double row[POSTERIORS_MOST];
        for (size_t r = 0; r < d; r++)
            row[r] = w[(r + 1) * d + i] - w[i];
        posteriors_solve(d, basis, row);
        memcpy(f.t + i * d, row, d * sizeof *row);
        f.a[i] = w[i];
        for (size_t j = 0; j < d; j++)
            f.a[i] -= row[j] * x[j];
    }
    for (size_t r = 0; r < N; r++)
        for (size_t i = 0; i < d; i++) {
            double want = f.a[i];
            for (size_t j = 0; j < d; j++)
                want += f.t[i * d + j] * x[r * d + j];
            ck_assert_double_eq_tol(w[r * d + i], want, 1e-9);
        }
    return f;
}

double posteriors_kl(const slivi_posterior *q, const posteriors_affine *f,
                     const posteriors_normal *p, double c)
{
    const size_t d = q->d;
    double off[POSTERIORS_MOST], lt[POSTERIORS_MOST * POSTERIORS_MOST];
    double kl = -0.5 * (double)d - posteriors_log_det(d, f->t)
                - posteriors_log_det(d, q->chol)
                - 0.5 * posteriors_log_det(d, p->precision);

    for (size_t i = 0; i < d; i++) {
        off[i] = q->mean[i] - p->mean[i] - (q->k ? p->slope[i] * c : 0);
        for (size_t j = 0; j < d; j++) {
            lt[i * d + j] = 0;
            off[i] += q->chol[i * d + j] * f->a[j];
            for (size_t k = 0; k < d; k++)
                lt[i * d + j] += q->chol[i * d + k] * f->t[k * d + j];
        }
    }
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double cov = 0;
            for (size_t k = 0; k < d; k++)
                cov += lt[i * d + k] * lt[j * d + k];
            kl += 0.5 * p->precision[i * d + j] * (cov + off[i] * off[j]);
        }
    return kl;
}

void posteriors_moments(size_t n, size_t d, const double *z, size_t j,
                        double *mean, double *sd)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++)
        sum += z[i * d + j];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double off = z[i * d + j] - *mean;
        squares += off * off;
    }
    *sd = sqrt(squares / (double)n);
}
