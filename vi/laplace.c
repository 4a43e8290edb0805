/* laplace.c - see laplace.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "laplace.h"

#include "base/base.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MEMORY = 10, HALVINGS = 60, NEWTONS = 20 };

/* A step must gain this part of what the slope promises. */
static const double enough = 1e-4;

/* Eigenvalues of the curvature, scaled to a diagonal of 1, are at least this. */
static const double least = 1e-10;

typedef struct point {
    double *x, *g; /* d each; g the gradient of log p */
    double lp;
} point;

typedef struct climb {
    size_t d;
    slivi_log_density *f;
    void *ctx;
    point now, next;
    double *direction;
    double *s[MEMORY], *y[MEMORY]; /* steps, and minus what gradients gained */
    double product[MEMORY];        /* s'y > 0 */
    size_t kept;                   /* pairs so far, the last MEMORY are there */
    double *memory;
} climb;

static double dot(size_t d, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < d; i++)
        sum += a[i] * b[i];
    return sum;
}

static int evaluate(climb *c, point *p)
{
    int status = c->f(1, c->d, p->x, &p->lp, p->g, c->ctx);
    if (status)
        return status;
    double all = p->lp;
    for (size_t i = 0; i < c->d; i++)
        all += p->g[i];
    if (!isfinite(all))
        p->lp = -INFINITY;
    return 0;
}

/* direction <- (inverse of minus the Hessian, as the pairs show it) gradient */
static void turn(climb *c)
{
    const size_t d = c->d, count = c->kept < MEMORY ? c->kept : MEMORY;
    double a[MEMORY], *r = c->direction, scale;
    memcpy(r, c->now.g, d * sizeof *r);
    for (size_t k = 0; k < count; k++) {
        const size_t i = (c->kept - 1 - k) % MEMORY;
        a[i] = dot(d, c->s[i], r) / c->product[i];
        for (size_t j = 0; j < d; j++)
            r[j] -= a[i] * c->y[i][j];
    }
    if (count) {
        const size_t last = (c->kept - 1) % MEMORY;
        scale = c->product[last] / dot(d, c->y[last], c->y[last]);
    } else { /* a first step of length 1 at most */
        scale = 1 / fmax(1, sqrt(dot(d, r, r)));
    }
    for (size_t j = 0; j < d; j++)
        r[j] *= scale;
    for (size_t k = count; k-- > 0;) {
        const size_t i = (c->kept - 1 - k) % MEMORY;
        const double b = dot(d, c->y[i], r) / c->product[i];
        for (size_t j = 0; j < d; j++)
            r[j] += (a[i] - b) * c->s[i][j];
    }
}

/* A pair that does not curve down is not kept; the place of the oldest is not
   free before. */
static void remember(climb *c)
{
    const size_t d = c->d, i = c->kept % MEMORY;
    double product = 0, square = 0;
    for (size_t j = 0; j < d; j++) {
        const double y = c->now.g[j] - c->next.g[j];
        product += (c->next.x[j] - c->now.x[j]) * y;
        square += y * y;
    }
    if (!(product > DBL_EPSILON * square))
        return;
    for (size_t j = 0; j < d; j++) {
        c->s[i][j] = c->next.x[j] - c->now.x[j];
        c->y[i][j] = c->now.g[j] - c->next.g[j];
    }
    c->product[i] = product;
    c->kept++;
}

/* Moves now along the direction; *moved 0 when nothing is gained. */
static int advance(climb *c, int *moved)
{
    const double slope = dot(c->d, c->direction, c->now.g);
    double part = 1;
    *moved = 0;
    if (!(slope > 0))
        return 0;
    for (int i = 0; i < HALVINGS && !*moved; i++, part *= 0.5) {
        for (size_t j = 0; j < c->d; j++)
            c->next.x[j] = c->now.x[j] + part * c->direction[j];
        int status = evaluate(c, &c->next);
        if (status)
            return status;
        *moved = c->next.lp >= c->now.lp + enough * part * slope;
    }
    if (*moved) {
        const point old = c->now;
        remember(c);
        c->now = c->next;
        c->next = old;
    }
    return 0;
}

static int ascend(climb *c, size_t steps)
{
    int status = evaluate(c, &c->now), moved = 1;
    if (!status && c->now.lp == -INFINITY)
        return slivi__fail(SLIVI_EINVAL, "laplace: the density is zero where "
                                         "the climb begins");
    for (size_t t = 0; t < steps && moved && !status; t++) {
        const double before = c->now.lp;
        turn(c);
        status = advance(c, &moved);
        if (!moved && c->kept) { /* once more, straight up */
            c->kept = 0;
            moved = 1;
        } else if (c->now.lp - before < 1e-9 * (1 + fabs(before))) {
            moved = 0;
        }
    }
    return status;
}

/* The gradient at now + h e_i, to next. */
static int probe(climb *c, size_t i, double h)
{
    memcpy(c->next.x, c->now.x, c->d * sizeof *c->next.x);
    c->next.x[i] += h;
    return evaluate(c, &c->next);
}

/* The matrix <- minus the Hessian, by central differences, each over a step
   that changes log p by little: one well within a standard deviation. */
static int curvature(climb *c, double *hessian)
{
    const size_t d = c->d;
    int status = 0;
    for (size_t i = 0; i < d && !status; i++) {
        double h = 4e-5 * fmax(1, fabs(c->now.x[i])), grown = INFINITY;
        for (int tries = 0; tries < 20 && !(grown < 1e-2) && !status; tries++) {
            h *= 0.25;
            status = probe(c, i, h);
            grown = fabs(c->next.lp - c->now.lp);
        }
        memcpy(c->direction, c->next.g, d * sizeof *c->direction);
        if (!status)
            status = probe(c, i, -h);
        for (size_t j = 0; j < d; j++)
            hessian[i * d + j] = (c->next.g[j] - c->direction[j]) / (2 * h);
    }
    return status;
}

/* Rows of v become eigenvectors over the roots of eigenvalues, of the symmetric
   part of h in units in which its diagonal is 1; unit[i] is coordinate i's. */
static int analyse(size_t d, const double *h, double *unit, double *v,
                   double *values)
{
    size_t works, iworks;
    int status = slivi__eigen_room(d, &works, &iworks);
    if (status)
        return status;
    double *work = slivi__alloc(works, sizeof *work);
    int *iwork = slivi__alloc(iworks, sizeof *iwork);
    status = work && iwork ? slivi__blas_enter() : slivi__status();
    for (size_t i = 0; i < d; i++)
        unit[i] = h[i * d + i] != 0 ? 1 / sqrt(fabs(h[i * d + i])) : 1;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            v[i * d + j] = 0.5 * (h[i * d + j] + h[j * d + i]) * unit[i]
                           * unit[j];
    if (!status) {
        status = slivi__eigen(d, v, values, work, iwork);
        slivi__blas_leave();
    }
    for (size_t i = 0; i < d && !status; i++)
        for (size_t j = 0; j < d; j++)
            v[i * d + j] /= sqrt(fmax(fabs(values[i]), least));
    slivi__free(work);
    slivi__free(iwork);
    return status;
}

/* cov <- the inverse of h, with what does not curve down made to. */
static int invert(size_t d, const double *h, double *cov)
{
    double *room = slivi__alloc(d * d + 2 * d, sizeof *room);
    if (!room)
        return slivi__status();
    double *v = room, *unit = room + d * d, *values = unit + d;
    int status = analyse(d, h, unit, v, values);
    for (size_t i = 0; i < d && !status; i++)
        for (size_t j = 0; j < d; j++) {
            double sum = 0;
            for (size_t k = 0; k < d; k++)
                sum += v[k * d + i] * v[k * d + j];
            cov[i * d + j] = sum * unit[i] * unit[j];
        }
    slivi__free(room);
    return status;
}

static int make_room(climb *c)
{
    const size_t d = c->d;
    size_t count;
    int status = slivi__mul(d, 5 + 2 * MEMORY, &count);
    if (status)
        return status;
    double *x = c->memory = slivi__alloc(count, sizeof *x);
    if (!x)
        return slivi__status();
    double **const each[] = {&c->now.x, &c->now.g, &c->next.x, &c->next.g,
                             &c->direction};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++, x += d)
        *each[i] = x;
    for (size_t i = 0; i < MEMORY; i++, x += 2 * d) {
        c->s[i] = x;
        c->y[i] = x + d;
    }
    return 0;
}

/* Newton's steps from where the climb ended, which L-BFGS may have done far from
   the mode along a direction that is much wider than others; cov is that of
   where they end. */
static int settle(climb *c, double *h, double *cov)
{
    const size_t d = c->d;
    int status = 0, moved = 1;
    for (int t = 0; moved && !status; t++) {
        double promise = 0;
        status = curvature(c, h);
        if (!status)
            status = invert(d, h, cov);
        for (size_t i = 0; i < d && !status; i++) {
            c->direction[i] = dot(d, cov + i * d, c->now.g);
            promise += c->direction[i] * c->now.g[i];
        }
        if (status || !(promise > 1e-8) || t == NEWTONS)
            break;
        status = advance(c, &moved);
    }
    return status;
}

int slivi__laplace(size_t d, slivi_log_density *f, void *ctx, size_t steps,
                   double *mean, double *cov)
{
    climb c = {.d = d, .f = f, .ctx = ctx};
    double *h = slivi__alloc(d * d, sizeof *h);
    int status = h ? make_room(&c) : slivi__status();
    if (!status) {
        memcpy(c.now.x, mean, d * sizeof *mean);
        status = ascend(&c, steps);
    }
    if (!status)
        status = settle(&c, h, cov);
    if (!status)
        memcpy(mean, c.now.x, d * sizeof *mean);
    slivi__free(c.memory);
    slivi__free(h);
    return status;
}
