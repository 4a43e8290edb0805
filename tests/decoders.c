/* decoders.c - auto-encoders with given decoders.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "decoders.h"
#include "base/base.h"
#include "vae_inside.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST = DECODERS_MOST, X = DECODERS_X };

#define LOG_2PI 1.83787706640934548356

slivi_vae *decoders_make(size_t dim, const char *const *options)
{
    slivi_vae *v = slivi_vae_create(dim);
    ck_assert_ptr_nonnull(v);
    for (; *options; options += 2)
        ck_assert_msg(!slivi_vae_set(v, options[0], options[1]), "%s",
                      slivi_errmsg());
    ck_assert_msg(!slivi_vae_ready(v), "%s", slivi_errmsg());
    return v;
}

void decoders_draw(uint32_t stream, size_t n, size_t d, double *out)
{
    const slivi_address at = {.seed = 8, .stream = stream};
    slivi_draw(slivi_law_normal, &at, n, d, out);
}

void decoders_put(slivi_vae *v, const char *name, size_t count,
                  const double *values)
{
    const slivi_view *view = NULL;
    for (size_t i = 0; i < slivi_params_views(v->params); i++)
        if (!strcmp(slivi_params_view(v->params, i)->name, name))
            view = slivi_params_view(v->params, i);
    ck_assert_msg(view && view->rows * view->cols == count, "%s", name);
    for (size_t i = 0; i < count; i++)
        if (v->precision == SLIVI_F32)
            ((float *)slivi_params_values(
                v->params))[view->offset + i] = (float)values[i];
        else
            ((double *)slivi_params_values(
                v->params))[view->offset + i] = values[i];
}

/* ---- x = z w + b + sd e ------------------------------------------------ */

/* mean = P^-1 w (x - b) / sd^2, P = I + w w' / sd^2; log p(x) is the log joint
   there plus log (2 pi)^(d/2) |P|^(-1/2). */
void decoders_solve(decoders_model *m)
{
    static double l[MOST * MOST];
    const size_t d = m->d;
    const double s2 = m->sd * m->sd;
    for (size_t i = 0; i < d; i++) {
        m->mean[i] = 0;
        for (size_t k = 0; k < X; k++)
            m->mean[i] += m->w[i * X + k] * ((double)m->x[k] - m->b[k]) / s2;
        for (size_t j = 0; j < d; j++) {
            m->precision[i * d + j] = i == j;
            for (size_t k = 0; k < X; k++)
                m->precision[i * d + j] += m->w[i * X + k] * m->w[j * X + k]
                                           / s2;
        }
    }
    memcpy(l, m->precision, d * d * sizeof *l);
    ck_assert_int_eq(slivi__cholesky(d, l), 0);
    slivi__trisolve(0, d, 1, l, m->mean);
    slivi__trisolve(1, d, 1, l, m->mean);
    m->log_p = -X * (0.5 * LOG_2PI + log(m->sd));
    for (size_t i = 0; i < d; i++)
        m->log_p -= 0.5 * m->mean[i] * m->mean[i] + log(l[i * d + i]);
    for (size_t k = 0; k < X; k++) {
        double rest = (double)m->x[k] - m->b[k];
        for (size_t i = 0; i < d; i++)
            rest -= m->mean[i] * m->w[i * X + k];
        m->log_p -= 0.5 * rest * rest / s2;
    }
}

slivi_vae *decoders_linear(decoders_model *m, size_t d, const char *precision)
{
    char latent[8];
    double z[MOST], e[X];
    const char *const options[] = {"hidden",     "none",     "latent",  latent,
                                   "likelihood", "gaussian", "x-sd",    "0.5",
                                   "encoder",    "gaussian", "threads", "1",
                                   "precision",  precision,  NULL};
    snprintf(latent, sizeof latent, "%zu", d);
    slivi_vae *v = decoders_make(X, options);
    m->d = d;
    m->sd = 0.5;
    decoders_draw(1, d, X, m->w);
    decoders_draw(2, 1, X, m->b);
    decoders_draw(3, 1, d, z);
    decoders_draw(4, 1, X, e);
    for (size_t i = 0; i < d * X; i++)
        m->w[i] /= sqrt((double)d);
    for (size_t k = 0; k < X; k++) {
        double x = m->b[k] + m->sd * e[k];
        for (size_t i = 0; i < d; i++)
            x += z[i] * m->w[i * X + k];
        m->x[k] = (float)x;
    }
    decoders_put(v, "decoder.w1", d * X, m->w);
    decoders_put(v, "decoder.b1", X, m->b);
    decoders_solve(m);
    return v;
}
