/* evidence.c - see evidence.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "evidence.h"

#include "slivi/random.h"

#include <check.h>
#include <math.h>
#include <string.h>

#define LOG_2PI 1.83787706640934548356

enum { X = EVIDENCE_X, MOST = EVIDENCE_MOST };

void evidence_draw(uint32_t stream, uint64_t step, size_t n, size_t d,
                   double *out)
{
    const slivi_address at = {.seed = 5, .stream = stream, .step = step};

    slivi_draw(slivi_law_normal, &at, n, d, out);
}

double evidence_log_normal(size_t d, const double *z, double mean, double sd)
{
    double sum = 0;

    for (size_t j = 0; j < d; j++)
        sum += (z[j] - mean) * (z[j] - mean) / (sd * sd);
    return -0.5 * sum - (double)d * (0.5 * LOG_2PI + log(sd));
}

int evidence_constant(size_t n, size_t d, const double *z, double *lp,
                      void *ctx)
{
    for (size_t r = 0; r < n; r++)
        lp[r] = evidence_log_normal(d, z + r * d, 0, 1) + *(const double *)ctx;
    return 0;
}

int evidence_linear_joint(size_t n, size_t d, const double *z, double *lp,
                          void *ctx)
{
    const evidence_model *m = ctx;

    for (size_t r = 0; r < n; r++) {
        double rest[X];

        for (size_t i = 0; i < X; i++) {
            rest[i] = m->gap[i];
            for (size_t j = 0; j < d; j++)
                rest[i] -= m->w[i * d + j] * z[r * d + j];
        }
        lp[r] = evidence_log_normal(d, z + r * d, 0, 1)
                + evidence_log_normal(X, rest, 0, m->s) + m->shift;
    }
    return 0;
}

/* a = L L' in place; y = L^-1 y. */
static void factorise(size_t m, double *a, double *y)
{
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = a[i * m + j];

            for (size_t k = 0; k < j; k++)
                sum -= a[i * m + k] * a[j * m + k];
            a[i * m + j] = i == j ? sqrt(sum) : sum / a[j * m + j];
        }
        for (size_t k = 0; k < i; k++)
            y[i] -= a[i * m + k] * y[k];
        y[i] /= a[i * m + i];
    }
}

static void linear_truth(evidence_model *m)
{
    double c[X * X], y[X];

    for (size_t i = 0; i < X; i++)
        for (size_t j = 0; j < X; j++) {
            c[i * X + j] = i == j ? m->s * m->s : 0;
            for (size_t k = 0; k < m->d; k++)
                c[i * X + j] += m->w[i * m->d + k] * m->w[j * m->d + k];
        }
    memcpy(y, m->gap, sizeof y);
    factorise(X, c, y);
    m->truth = evidence_log_normal(X, y, 0, 1);
    for (size_t i = 0; i < X; i++)
        m->truth -= log(c[i * X + i]);
}

/* Precision P = I + W'W / s^2, mean = P^-1 W' gap / s^2. */
static void linear_posterior(evidence_model *m)
{
    const size_t d = m->d;
    double p[MOST * MOST];

    for (size_t i = 0; i < d; i++) {
        m->mean[i] = 0;
        for (size_t k = 0; k < X; k++)
            m->mean[i] += m->w[k * d + i] * m->gap[k] / (m->s * m->s);
        for (size_t j = 0; j < d; j++) {
            p[i * d + j] = i == j;
            for (size_t k = 0; k < X; k++)
                p[i * d + j] += m->w[k * d + i] * m->w[k * d + j]
                                / (m->s * m->s);
        }
        m->sd[i] = 1 / sqrt(p[i * d + i]);
    }
    factorise(d, p, m->mean);
    for (size_t i = d; i-- > 0;) { /* L' */
        for (size_t k = i + 1; k < d; k++)
            m->mean[i] -= p[k * d + i] * m->mean[k];
        m->mean[i] /= p[i * d + i];
    }
}

evidence_model evidence_linear(size_t d, double s)
{
    evidence_model m = {.d = d, .s = s};
    double z[MOST];

    evidence_draw(1, d, X, d, m.w);
    evidence_draw(2, d, 1, d, z);
    evidence_draw(3, d, 1, X, m.gap);
    for (size_t i = 0; i < X * d; i++)
        m.w[i] /= sqrt((double)d);
    for (size_t i = 0; i < X; i++) {
        m.gap[i] *= s;
        for (size_t j = 0; j < d; j++)
            m.gap[i] += m.w[i * d + j] * z[j];
    }
    linear_truth(&m);
    linear_posterior(&m);
    return m;
}

void evidence_encoder(const evidence_model *m, double off, size_t count,
                      double *draws)
{
    evidence_draw(4, m->d, count, m->d, draws);
    for (size_t r = 0; r < count; r++)
        for (size_t j = 0; j < m->d; j++) {
            double *z = &draws[r * m->d + j];

            *z = m->mean[j] + m->sd[j] * (*z + (j % 2 ? -off : off));
        }
}

slivi_evidence evidence_estimate(const slivi_importance *how, size_t d,
                                 slivi_log_joint *fn, void *ctx, size_t starts,
                                 size_t count, const double *draws)
{
    slivi_importance_workspace *ws = slivi_importance_workspace_create(how, d);
    slivi_evidence e = {0};

    ck_assert_msg(ws != NULL, "%s", slivi_errmsg());
    ck_assert_msg(
        slivi_importance_evidence(ws, fn, ctx, starts, count, draws, how, &e)
            == 0,
        "%s", slivi_errmsg());
    slivi_importance_workspace_free(ws);
    return e;
}
