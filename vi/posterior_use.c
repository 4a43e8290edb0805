/* posterior_use.c - draws for the caller, with and without their density.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posterior_inside.h"

#include <math.h>
#include <string.h>

/* Draws that share the other components of their mixture. */
enum { SHARED = 256 };

/* components: of a density, or NULL. */
static int check(const slivi_posterior *q, const double *c,
                 const size_t *components)
{
    if (!q->whitened)
        return slivi__fail(SLIVI_EINVAL, "posterior: nothing was fitted yet");
    if (q->k && !c)
        return slivi__fail(SLIVI_EINVAL, "posterior: draws of an amortised "
                                         "posterior need contexts");
    if (components && !q->family->is_gaussian && !q->family->is_mixture)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "posterior: family %s has no density that could be "
                           "had",
                           q->family->name);
    if (components && !*components && q->family->is_mixture)
        return slivi__fail(SLIVI_EINVAL, "posterior: a mixture of no "
                                         "components has no density");
    return 0;
}

static slivi_run user_run(uint64_t seed, enum slivi__drawn_for what,
                          const slivi_posterior *q)
{
    slivi_run run = slivi__posterior_run(q, 0, what, 0);
    run.seed = seed;
    return run;
}

/* log |det L| */
static double volume(const slivi_posterior *q)
{
    double sum = 0;
    for (size_t i = 0; i < q->d; i++)
        sum += log(q->chol[i * q->d + i]);
    return sum;
}

/* Draws from number `row` on, up to `most`, to q->now and z. */
static int draw_some(slivi_posterior *q, slivi_run *run, size_t n, size_t most,
                     const double *c, double *z)
{
    run->n = n - run->row < most ? n - run->row : most;
    if (q->k)
        memcpy(q->now.c, c + run->row * q->k, run->n * q->k * sizeof *c);
    int status = slivi__posterior_draws(q, slivi__posterior_values(q), run,
                                        &q->now);
    return status ? status
                  : slivi__posterior_place(q, run->n, q->now.w,
                                           z + run->row * q->d);
}

int slivi_posterior_draw(slivi_posterior *q, size_t n, const double *c,
                         uint64_t seed, double *z)
{
    int status = check(q, c, NULL);
    slivi_run run = user_run(seed, SLIVI__FOR_USER, q);
    for (; run.row < n && !status; run.row += run.n)
        status = draw_some(q, &run, n, q->rows, c, z);
    return status;
}

int slivi_posterior_weigh(slivi_posterior *q, size_t n, const double *c,
                          uint64_t seed, size_t mixture, double *z,
                          double *log_q)
{
    int status = check(q, c, &mixture);
    const void *values = status ? NULL : slivi__posterior_values(q);
    slivi_run run = user_run(seed, SLIVI__FOR_USER, q);
    slivi_run others = user_run(seed, SLIVI__FOR_USER_OTHERS, q);
    const double level = status ? 0 : volume(q);
    for (; run.row < n && !status; run.row += run.n, others.step++) {
        status = draw_some(q, &run, n, q->rows < SHARED ? q->rows : SHARED, c,
                           z);
        if (!status)
            status = slivi__posterior_density(q, values, &q->now, 1, mixture,
                                              &others, log_q + run.row, NULL);
        for (size_t i = 0; i < run.n && !status; i++)
            log_q[run.row + i] -= level;
    }
    return status;
}

/* ---- at other points ----------------------------------------------------- */

/* w = L^-1 (z - m) */
static void whiten_points(const slivi_posterior *q, size_t n, const double *z,
                          double *w)
{
    const size_t d = q->d;
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < d; i++) {
            double sum = z[r * d + i] - q->mean[i];
            for (size_t j = 0; j < i; j++)
                sum -= q->chol[i * d + j] * w[r * d + j];
            w[r * d + i] = sum / q->chol[i * d + i];
        }
}

/* For Gaussians: u of points w, q->now holding draws of the same contexts, of
   which w = a + T u gives a. */
static void standardise_points(slivi_posterior *q, size_t n, const double *w)
{
    const slivi__posterior_plan *p = &q->plan[SLIVI__POSTERIOR_DRAW];
    const size_t d = q->d;
    const slivi_node t = p->out[OUT_T];
    if (t.id)
        slivi__posterior_take(q, p, OUT_T, q->t,
                              (q->k ? n : d) * slivi_node_cols(p->g, t));
    for (size_t r = 0; r < n; r++) {
        double *u = q->now.u + r * d, *x = q->other + r * d;
        for (size_t i = 0; i < d; i++) {
            double sum = w[r * d + i] - q->now.w[r * d + i];
            /* w - w0 = T (x - u): x - u row by row */
            for (size_t j = 0; j < i && t.id; j++)
                sum -= q->t[slivi__posterior_entry_of_t(q, r, i, j)] * x[j];
            x[i] = sum * exp(-q->now.log_s[r * d + i]);
        }
        for (size_t i = 0; i < d; i++)
            u[i] += x[i];
    }
}

int slivi_posterior_log_density(slivi_posterior *q, size_t n, const double *c,
                                const double *z, uint64_t seed, size_t mixture,
                                double *log_q)
{
    int status = check(q, c, &mixture);
    const void *values = status ? NULL : slivi__posterior_values(q);
    const size_t d = q->d, most = q->rows < SHARED ? q->rows : SHARED;
    slivi_run run = user_run(seed, SLIVI__FOR_USER, q);
    slivi_run others = user_run(seed, SLIVI__FOR_USER_OTHERS, q);
    const double level = status ? 0 : volume(q);
    const int gaussian = q->family->is_gaussian;
    for (; run.row < n && !status; run.row += run.n, others.step++) {
        run.n = n - run.row < most ? n - run.row : most;
        if (q->k)
            memcpy(q->now.c, c + run.row * q->k, run.n * q->k * sizeof *c);
        status = slivi__posterior_draws(q, values, &run, &q->now);
        if (status)
            break;
        whiten_points(q, run.n, z + run.row * d, q->work);
        if (gaussian)
            standardise_points(q, run.n, q->work);
        memcpy(q->now.w, q->work, run.n * d * sizeof *q->work);
        status = slivi__posterior_density(q, values, &q->now, gaussian, mixture,
                                          &others, log_q + run.row, NULL);
        for (size_t i = 0; i < run.n && !status; i++)
            log_q[run.row + i] -= level;
    }
    return status;
}
