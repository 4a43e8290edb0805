/* verdict.c - a verdict's making: what the checks see, and what is left of it.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "verdict_inside.h"
#include "base/base.h"
#include "target_inside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

slivi_verdict_options slivi_verdict_default(void)
{
    const slivi_verdict_options how = {.chains = 1000,
                                       .transitions = 50,
                                       .ksd = 1000,
                                       .reach = 64,
                                       .spread = 3};
    return how;
}

/* ---- what is asked of the target ----------------------------------------- */

int slivi__verdict_density(size_t n, size_t d, const double *x, double *lp,
                           double *grad, void *scene)
{
    slivi__scene *s = scene;
    int status = 0;
    for (size_t i = 0; !status && i < n; i += SLIVI__VERDICT_ASK) {
        const size_t left = n - i;
        /* trajectories may go where there is nothing to be had */
        status = slivi__target_try(
            s->target, left < SLIVI__VERDICT_ASK ? left : SLIVI__VERDICT_ASK,
            x + i * d, s->c, lp + i, grad + i * d);
    }
    return status;
}

size_t slivi__verdict_pick(const slivi__scene *s, size_t i, size_t of)
{
    return s->good[(size_t)((double)i * (double)s->goods / (double)of)];
}

const char *slivi__verdict_label(const slivi__scene *s, size_t j, char room[32])
{
    if (slivi_target_outside_dim(s->target) == s->d)
        snprintf(room, 32, "%s%s",
                 slivi__target_is_transformed(s->target) ? "unbounded " : "",
                 slivi_target_name(s->target, j));
    else
        snprintf(room, 32, "z[%zu]", j + 1);
    return room;
}

/* ---- arguments ----------------------------------------------------------- */

static int check_options(const slivi_verdict_options *how)
{
    if (how->chains && how->transitions < 2)
        return slivi__fail(SLIVI_EINVAL, "verdict: %zu transitions (from 2)",
                           how->transitions);
    if (how->reach == 1)
        return slivi__fail(SLIVI_EINVAL, "verdict: reach 1 (0, or from 2)");
    if (how->ksd == 1 || how->ksd > 32768)
        return slivi__fail(SLIVI_EINVAL, "verdict: ksd %zu (0, 2 to 32768)",
                           how->ksd);
    if (!(how->spread > 0 && isfinite(how->spread)))
        return slivi__fail(SLIVI_EINVAL, "verdict: spread %g", how->spread);
    if (!(how->tolerance >= 0 && isfinite(how->tolerance)))
        return slivi__fail(SLIVI_EINVAL, "verdict: tolerance %g",
                           how->tolerance);
    return 0;
}

static int check_finite(const char *name, size_t n, size_t d, const double *x)
{
    for (size_t i = 0; x && i < n * d; i++)
        if (!isfinite(x[i]))
            return slivi__fail(SLIVI_ENONFINITE,
                               "verdict: %s %zu column %zu is %s", name, i / d,
                               i % d, slivi__nonfinite(x[i]));
    return 0;
}

static int check(const slivi__scene *s, size_t k, const double *c)
{
    int status = check_options(&s->how);
    if (status)
        return status;
    if (s->n < 1000)
        return slivi__fail(SLIVI_EINVAL, "verdict: %zu draws (from 1000)",
                           s->n);
    if (!k != !c)
        return slivi__fail(SLIVI_EINVAL,
                           k ? "verdict: the target needs a context"
                             : "verdict: the target takes no context");
    status = check_finite("draw", s->n, s->d, s->draws);
    for (size_t i = 0; !status && i < 2; i++)
        status = check_finite(i ? "log_q4" : "log_q", s->n, 1, s->log_q[i]);
    return status;
}

/* ---- q's moments --------------------------------------------------------- */

/* From the first draw on: equal draws have no spread, to the last bit. */
static void set_mean(slivi__scene *s)
{
    const size_t d = s->d;
    const double *first = s->draws + s->good[0] * d;
    for (size_t i = 0; i < s->goods; i++)
        for (size_t j = 0; j < d; j++)
            s->mean[j] += (s->draws[s->good[i] * d + j] - first[j])
                          / (double)s->goods;
    for (size_t j = 0; j < d; j++)
        s->mean[j] += first[j];
}

/* l += sum (z - m) (z - m)' / (goods - 1), room for ASK rows */
static int set_covariance(slivi__scene *s, double *room)
{
    const size_t d = s->d;
    int status = slivi__blas_enter();
    if (status)
        return status;
    for (size_t from = 0; !status && from < s->goods;
         from += SLIVI__VERDICT_ASK) {
        const size_t left = s->goods - from;
        const size_t m = left < SLIVI__VERDICT_ASK ? left : SLIVI__VERDICT_ASK;
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < d; j++)
                room[i * d + j] = s->draws[s->good[from + i] * d + j]
                                  - s->mean[j];
        status = slivi__dgemm(NULL, 1, 0, d, d, m, 1 / ((double)s->goods - 1),
                              room, d, room, d, 1, s->l, d);
    }
    slivi__blas_leave();
    return status;
}

static void set_rest(slivi__scene *s)
{
    const size_t d = s->d;
    slivi__sums lp = {0};
    for (size_t i = 0; i < s->goods; i++) {
        const double *x = s->draws + s->good[i] * d;
        slivi__sums_add(&lp, s->lp[s->good[i]]);
        for (size_t j = 0; j < d; j++) {
            const double u = (x[j] - s->mean[j]) / s->sd[j];
            s->fourth[j] += u * u * u * u / (double)s->goods;
        }
    }
    s->lp_mean = slivi__sums_mean(&lp);
    s->lp_var = slivi__sums_variance(&lp);
}

/* A direction without spread is held open by 1e-9 of the coordinates' own. */
static int set_moments(slivi__scene *s)
{
    const size_t d = s->d;
    double *room = slivi__alloc(SLIVI__VERDICT_ASK, d * sizeof *room);
    if (!room)
        return slivi__status();
    set_mean(s);
    int status = set_covariance(s, room);
    slivi__free(room);
    for (size_t j = 0; !status && j < d; j++) {
        s->sd[j] = sqrt(s->l[j * d + j]);
        if (!(s->sd[j] > 0 && isfinite(s->sd[j])))
            return slivi__fail(SLIVI_EINVAL,
                               "verdict: the draws' column %zu has sd %g", j,
                               s->sd[j]);
        s->l[j * d + j] *= 1 + 1e-9;
    }
    if (status)
        return status;
    set_rest(s);
    return slivi__cholesky(d, s->l);
}

/* ---- the columns --------------------------------------------------------- */

/* Adds to column `at` of all rows n points with these weights (NULL: equal);
   mean and sd hold sums until slivi's columns are settled.  `from`: what is
   subtracted first, so that sds do not cancel. */
static int add_points(slivi__scene *s, size_t n, const double *z,
                      const double *w, int at, double *theta,
                      const double *from)
{
    const size_t p = s->v->rows;
    slivi_verdict_row *row = s->v->row;
    for (size_t i = 0; i < n; i += SLIVI__VERDICT_ASK) {
        const size_t left = n - i;
        const size_t m = left < SLIVI__VERDICT_ASK ? left : SLIVI__VERDICT_ASK;
        int status = slivi_target_outside(s->target, m, z + i * s->d, theta);
        if (status)
            return status;
        for (size_t r = 0; r < m; r++)
            for (size_t j = 0; j < p; j++) {
                const double x = theta[r * p + j] - from[j];
                const double part = w ? w[i + r] : 1 / (double)n;
                row[j].mean[at] += part * x;
                row[j].sd[at] += part * x * x;
            }
    }
    for (size_t j = 0; j < p; j++) {
        const double mean = row[j].mean[at];
        row[j].sd[at] = sqrt(fmax(0, row[j].sd[at] - mean * mean));
        row[j].mean[at] = from[j] + mean;
    }
    return 0;
}

static void no_column(slivi_verdict *v, int at)
{
    for (size_t j = 0; j < v->rows; j++)
        v->row[j].mean[at] = v->row[j].sd[at] = NAN;
}

static int fill_rows(slivi__scene *s)
{
    slivi_verdict *v = s->v;
    const slivi__path *path = &s->later;
    double *theta = slivi__alloc((SLIVI__VERDICT_ASK + 1) * v->rows,
                                 sizeof *theta);
    if (!theta)
        return slivi__status();
    double *from = theta + SLIVI__VERDICT_ASK * v->rows;
    int status = slivi_target_outside(s->target, 1, s->draws, from);
    if (!status)
        status = add_points(s, s->n, s->draws, NULL, 0, theta, from);
    if (!status && v->weights)
        status = add_points(s, s->n, s->draws, v->weights, 1, theta, from);
    else
        no_column(v, 1);
    if (!status && path->x)
        status = add_points(s, path->times * path->chains, path->x, NULL, 2,
                            theta, from);
    else
        no_column(v, 2);
    slivi__free(theta);
    return status;
}

/* ---- making -------------------------------------------------------------- */

static int open_scene(slivi__scene *s, size_t k, const double *c)
{
    const size_t n = s->n, d = s->d;
    double *context = NULL;
    s->lp = slivi__alloc(n, sizeof *s->lp);
    s->grad = slivi__alloc(n, d * sizeof *s->grad);
    s->mean = slivi__alloc(d + 3, d * sizeof *s->mean);
    s->good = slivi__alloc(n, sizeof *s->good);
    if (c)
        s->c = context = slivi__alloc(SLIVI__VERDICT_ASK, k * sizeof *context);
    if (!s->lp || !s->grad || !s->mean || !s->good || (c && !context))
        return slivi__status();
    for (size_t i = 0; c && i < SLIVI__VERDICT_ASK; i++)
        memcpy(context + i * k, c, k * sizeof *c);
    s->sd = s->mean + d;
    s->fourth = s->sd + d;
    s->l = s->fourth + d;
    int status = slivi__verdict_density(n, d, s->draws, s->lp, s->grad, s);
    for (size_t i = 0; !status && i < n; i++)
        if (isfinite(s->lp[i]))
            s->good[s->goods++] = i;
    return status || s->goods < SLIVI__VERDICT_LEAST ? status : set_moments(s);
}

static void close_scene(slivi__scene *s)
{
    slivi__free(s->lp);
    slivi__free(s->grad);
    slivi__free(s->mean);
    slivi__free(s->good);
    slivi__free((void *)s->c);
    slivi__free(s->start.x);
    slivi__free(s->later.x);
    slivi__free(s->wide);
}

static int make_checks(slivi__scene *s)
{
    int status = 0;
    for (size_t i = 0; !status && i < s->v->checks; i++) {
        const slivi__verdict_type *type = &slivi__verdict_types[i];
        slivi_verdict_check *check = &s->v->check[i];
        *check = (slivi_verdict_check){
            type->name, type->blind, SLIVI_VERDICT_NONE, NAN, NAN, ""};
        if (i && s->goods < SLIVI__VERDICT_LEAST)
            snprintf(check->detail, sizeof check->detail,
                     "too few draws have a density");
        else
            status = type->make(s, check);
    }
    return status;
}

static slivi_verdict *open_verdict(const slivi__scene *s)
{
    slivi_verdict *v = slivi__alloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->n = s->n;
    v->d = s->d;
    v->checks = slivi__verdict_type_count;
    v->rows = slivi_target_outside_dim(s->target);
    v->khat[0] = v->khat[1] = v->ess = NAN;
    v->check = slivi__alloc(v->checks, sizeof *v->check);
    v->row = slivi__alloc(v->rows, sizeof *v->row);
    int good = v->check && v->row;
    for (size_t j = 0; good && j < v->rows; j++) {
        v->row[j].name = slivi__strdup(slivi_target_name(s->target, j));
        good = v->row[j].name != NULL;
    }
    if (good)
        return v;
    slivi_verdict_free(v);
    return NULL;
}

slivi_verdict *slivi_verdict_create(slivi_target *target, size_t n,
                                    const double *draws, const double *c,
                                    const double *log_q, const double *log_q4,
                                    const slivi_verdict_options *how)
{
    const size_t k = slivi_target_context(target);
    slivi__scene s = {.target = target,
                      .n = n,
                      .d = slivi_target_dim(target),
                      .draws = draws,
                      .log_q = {log_q, log_q4},
                      .how = how ? *how : slivi_verdict_default()};
    if (check(&s, k, c))
        return NULL;
    if (slivi_target_rows(target) && slivi_target_part(target, SIZE_MAX) != 0)
        return NULL;
    slivi__mode mode;
    slivi__mode_enter(&mode);
    s.v = open_verdict(&s);
    int status = s.v ? open_scene(&s, k, c) : slivi__status();
    if (!status)
        status = make_checks(&s);
    if (!status)
        status = fill_rows(&s);
    close_scene(&s);
    slivi__mode_leave(&mode);
    if (!status)
        return s.v;
    slivi_verdict_free(s.v);
    return NULL;
}

void slivi_verdict_free(slivi_verdict *v)
{
    if (!v)
        return;
    for (size_t j = 0; v->row && j < v->rows; j++)
        slivi__free((void *)v->row[j].name);
    slivi__free(v->row);
    slivi__free(v->check);
    slivi__free(v->weights);
    slivi__free(v->moved);
    slivi__free(v);
}

/* ---- reading ------------------------------------------------------------- */

enum slivi_verdict_outcome slivi_verdict_outcome(const slivi_verdict *v)
{
    enum slivi_verdict_outcome all = SLIVI_VERDICT_PASS;
    for (size_t i = 0; i < v->checks; i++) {
        if (v->check[i].outcome == SLIVI_VERDICT_FAIL)
            return SLIVI_VERDICT_FAIL;
        if (v->check[i].outcome == SLIVI_VERDICT_UNSURE)
            all = SLIVI_VERDICT_UNSURE;
    }
    return all;
}

size_t slivi_verdict_checks(const slivi_verdict *v)
{
    return v->checks;
}

const slivi_verdict_check *slivi_verdict_check_at(const slivi_verdict *v,
                                                  size_t i)
{
    return i < v->checks ? &v->check[i] : NULL;
}

size_t slivi_verdict_rows(const slivi_verdict *v)
{
    return v->rows;
}

const slivi_verdict_row *slivi_verdict_row_at(const slivi_verdict *v, size_t i)
{
    return i < v->rows ? &v->row[i] : NULL;
}

double slivi_verdict_khat(const slivi_verdict *v, int four)
{
    return v->khat[four != 0];
}

double slivi_verdict_ess(const slivi_verdict *v)
{
    return v->ess;
}

const double *slivi_verdict_moved(const slivi_verdict *v, size_t *count)
{
    *count = v->count;
    return v->moved;
}

const double *slivi_verdict_weights(const slivi_verdict *v)
{
    return v->weights;
}
