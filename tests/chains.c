/* chains.c - see chains.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "chains.h"

#include "evidence.h"

#include <check.h>
#include <math.h>

#define LOG_2PI 1.83787706640934548356

int chains_knotty(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    static const double c[] = {0.7, -0.4, 0.5}, b[] = {0.3, -0.2, 0.1};

    (void)ctx;
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        double s = 0;

        for (size_t j = 0; j < d; j++)
            s += c[j] * x[j];
        lp[i] = -0.25 * s * s * s * s;
        for (size_t j = 0; j < d; j++) {
            lp[i] += b[j] * x[j] - log(cosh(x[j]));
            grad[j] = b[j] - tanh(x[j]) - s * s * s * c[j];
        }
    }
    return 0;
}

int chains_harmonic(size_t n, size_t d, const double *x, double *lp,
                    double *grad, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        lp[i] = 0;
    for (size_t i = 0; i < n * d; i++) {
        lp[i / d] -= 0.5 * x[i] * x[i];
        grad[i] = -x[i];
    }
    return 0;
}

void chains_seat(struct chains *m, size_t n, size_t d)
{
    ck_assert_uint_le(n * d, CHAINS_MOST);
    m->chains = (slivi_chains){n, d, m->x, m->lp, m->grad, m->accept};
}

void chains_start(struct chains *m, slivi_log_density *fn, void *ctx)
{
    ck_assert_msg(slivi_hmc_start(&m->chains, fn, ctx) == 0, "%s",
                  slivi_errmsg());
}

slivi_hmc chains_fixed(size_t leapfrogs, double eps)
{
    slivi_hmc how = slivi_hmc_default();

    how.leapfrogs = leapfrogs;
    how.eps = eps;
    how.at.seed = 11;
    how.at.stream = 3;
    return how;
}

slivi_hmc_report chains_go(struct chains *m, slivi_log_density *fn, void *ctx,
                           slivi_hmc how, size_t first, size_t count)
{
    slivi_hmc_workspace *ws = slivi_hmc_workspace_create(m->chains.n,
                                                         m->chains.d);
    slivi_hmc_report report = {0};

    ck_assert_ptr_nonnull(ws);
    for (size_t t = first; t < first + count; t++) {
        how.at.step = t;
        ck_assert_msg(slivi_hmc_move(ws, &m->chains, fn, ctx, &how, &report)
                          == 0,
                      "%s", slivi_errmsg());
    }
    slivi_hmc_workspace_free(ws);
    return report;
}

static double gain(const struct chains_decoder *m, size_t j)
{
    return m->a * (1 + 0.5 * (double)j);
}

int chains_decode(size_t n, size_t d, const size_t *image, const double *z,
                  double *ll, double *grad, void *ctx)
{
    struct chains_decoder *m = ctx;

    m->calls++;
    m->rows += n;
    for (size_t i = 0; i < n; i++, z += d, grad += d) {
        ll[i] = m->shift;
        for (size_t j = 0; j < d; j++) {
            const double rest = (m->x[image[i] * d + j] - gain(m, j) * z[j])
                                / m->s;

            ll[i] -= 0.5 * rest * rest + log(m->s) + 0.5 * LOG_2PI;
            grad[j] = rest * gain(m, j) / m->s;
        }
    }
    return 0;
}

double chains_evidence(const struct chains_decoder *m, size_t image)
{
    double sum = m->shift;

    for (size_t j = 0; j < m->d; j++)
        sum += evidence_log_normal(1, &m->x[image * m->d + j], 0,
                                   hypot(gain(m, j), m->s));
    return sum;
}

void chains_posterior(const struct chains_decoder *m, size_t image, size_t j,
                      double *mean, double *sd)
{
    const double a = gain(m, j) / m->s;

    *sd = 1 / sqrt(1 + a * a);
    *mean = *sd * *sd * a * m->x[image * m->d + j] / m->s;
}

void chains_check_mean(const char *what, size_t n, const double *f, double want)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++)
        sum += f[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (f[i] - sum) * (f[i] - sum);
    const double se = sqrt(squares) / (double)n;
    ck_assert_msg(fabs(sum - want) < 4.5 * se, "%s: %g, not %g, se %g", what,
                  sum, want, se);
}
