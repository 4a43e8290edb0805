/* target_check.c - is a target's gradient that of its log density?

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "target_inside.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Steps 2^-4 max(1, |z|), halved over and over: a density may be as narrow as
   1e-4, and where it is wide a larger step loses fewer digits. */
enum { STEPS = 16, SIDES = 2 * STEPS };

static const double bound = 1e-4;

struct probe {
    slivi_target *t;
    double *z, *c; /* SIDES rows: one point, moved along one coordinate */
    double *lp;    /* SIDES */
    double *grad;  /* d, at the point */
    double h[STEPS];
    double value; /* lp at the point */
};

/* Derivative of lp along a coordinate, and what it may be off by. */
struct slope {
    double value, error;
};

static void place_points(struct probe *p, const double *z, size_t j)
{
    const size_t d = slivi_target_dim(p->t);
    double h = fmax(1, fabs(z[j])) / 16;

    for (size_t s = 0; s < STEPS; s++, h /= 2) {
        double *up = p->z + 2 * s * d, *down = up + d;

        memcpy(up, z, d * sizeof *z);
        memcpy(down, z, d * sizeof *z);
        up[j] += h;
        down[j] -= h;
        p->h[s] = (up[j] - down[j]) / 2;
    }
}

/* Of step h and h/2, extrapolated, where that agrees best with what larger
   steps gave. */
static struct slope best_slope(const struct probe *p)
{
    struct slope best = {0, INFINITY};
    double before = NAN, last = NAN;

    for (size_t s = 0; s < STEPS; s++) {
        const double *lp = p->lp + 2 * s;
        const double most = fmax(fabs(p->value),
                                 fmax(fabs(lp[0]), fabs(lp[1])));
        const double plain = (lp[0] - lp[1]) / (2 * p->h[s]);
        const double value = (4 * plain - before) / 3;
        const double change = fmax(fabs(value - last), fabs(value - plain) / 8);
        const double error = change + 4 * DBL_EPSILON * (1 + most) / p->h[s];

        before = plain;
        last = value;
        if (isfinite(error) && error < best.error)
            best = (struct slope){value, error};
    }
    return best;
}

static int check_coordinate(struct probe *p, const double *z, size_t i,
                            size_t j, slivi_target_check *out)
{
    const double *c = slivi_target_context(p->t) > 0 ? p->c : NULL;
    struct slope slope;
    double error;
    int status;

    place_points(p, z, j);
    status = slivi__target_try(p->t, SIDES, p->z, c, p->lp, NULL);
    if (status != 0)
        return status;
    slope = best_slope(p);
    if (slope.error == INFINITY)
        return slivi__fail(SLIVI_ENONFINITE,
                           "gradient check: the log density is not finite "
                           "around point %zu along %s",
                           i, slivi__target_coordinate(p->t, j));
    error = fabs(p->grad[j] - slope.value)
            / (1 + fabs(slope.value) + slope.error / bound);
    if (error > out->error)
        *out = (slivi_target_check){error, i, j, p->grad[j], slope.value};
    return 0;
}

static int check_point(struct probe *p, const double *z, const double *c,
                       size_t i, slivi_target_check *out)
{
    const size_t d = slivi_target_dim(p->t), k = slivi_target_context(p->t);
    int status = slivi_target_eval(p->t, 1, z, c, &p->value, p->grad);

    if (status == 0 && !isfinite(p->value))
        status = slivi__fail(SLIVI_ENONFINITE,
                             "gradient check: the density is 0 at point %zu",
                             i);
    for (size_t s = 0; k > 0 && s < SIDES; s++)
        memcpy(p->c + s * k, c, k * sizeof *c);
    for (size_t j = 0; status == 0 && j < d; j++)
        status = check_coordinate(p, z, i, j, out);
    return status;
}

static int open_probe(struct probe *p)
{
    const size_t d = slivi_target_dim(p->t), k = slivi_target_context(p->t);
    size_t room;

    if (slivi__mul(d, SIDES, &room) != 0)
        return SLIVI_EOVERFLOW;
    p->z = slivi__alloc(room, sizeof *p->z);
    p->c = slivi__alloc(k, SIDES * sizeof *p->c);
    p->lp = slivi__alloc(SIDES, sizeof *p->lp);
    p->grad = slivi__alloc(d, sizeof *p->grad);
    return p->z && p->c && p->lp && p->grad ? 0 : SLIVI_ENOMEM;
}

static void close_probe(struct probe *p)
{
    slivi__free(p->z);
    slivi__free(p->c);
    slivi__free(p->lp);
    slivi__free(p->grad);
}

int slivi_target_check_gradient(slivi_target *t, size_t n, const double *z,
                                const double *c, slivi_target_check *out)
{
    const size_t d = slivi_target_dim(t), k = slivi_target_context(t);
    slivi_target_check worst = {.error = -1};
    struct probe p = {.t = t};
    int status = 0;

    if (n == 0)
        return slivi__fail(SLIVI_EINVAL, "gradient check: there are no points");
    if (k > 0 && c == NULL)
        return slivi__fail(SLIVI_EINVAL, "gradient check: c is NULL");
    status = open_probe(&p);
    for (size_t i = 0; status == 0 && i < n; i++)
        status = check_point(&p, z + i * d, k > 0 ? c + i * k : NULL, i,
                             &worst);
    close_probe(&p);
    if (status != 0)
        return status;
    if (out != NULL)
        *out = worst;
    if (worst.error > bound)
        return slivi__fail(SLIVI_EINVAL,
                           "gradient check: at point %zu, in %s, the gradient "
                           "is %.8g, but differences of the log density give "
                           "%.8g",
                           worst.point,
                           slivi__target_coordinate(t, worst.component),
                           worst.gradient, worst.difference);
    return 0;
}
