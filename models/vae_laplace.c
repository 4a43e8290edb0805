/* vae_laplace.c - see vae_laplace.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "vae_laplace.h"

#include <math.h>
#include <string.h>

#define LOG_2PI 1.83787706640934548356

enum { ROWS = SLIVI__VAE_LAPLACE_ROWS };

/* A climb ends when this much is left to gain, by what the quadratic model
   says (so the mode is off by 0.05 of a standard deviation), */
static const double enough = 1e-3;
/* or after so many points, */
enum { MOST_RUNS = 60 };
/* or where no step that can still be told from none rises. */
static const double most_damping = 1e8, first_damping = 0.1;

/* A climb under way. */
typedef struct climb {
    slivi__peak *mode;
    double *trial;    /* latent, the point to be looked at next */
    double *g;        /* latent, gradient of log p(x, z) at mode->z */
    double *h;        /* latent x latent, I + F at mode->z */
    double damping;   /* lambda */
    double growth;    /* of lambda, where the next step is refused */
    double predicted; /* what the step to `trial` should gain */
} climb;

struct slivi__laplace {
    slivi_vae *v;
    slivi__vae_plan *p;
    size_t d;
    climb climb[ROWS];
    double *memory; /* of the climbs and of what follows */
    double *factor; /* d x d */
    double *step;   /* d */
    float *x;       /* ROWS x dim */
    float *jac;     /* d x dim, of one image */
    float *gram;    /* d x d */
};

slivi__laplace *slivi__laplace_create(slivi_vae *v)
{
    const size_t d = v->opt.latent;
    slivi__laplace *l = slivi__alloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->v = v;
    l->d = d;
    l->p = slivi__vae_plan_get(v, SLIVI__VAE_LAPLACE);
    l->memory = slivi__alloc(ROWS * (2 + d) + d + 1, d * sizeof *l->memory);
    l->x = slivi__alloc(ROWS * v->dim, sizeof *l->x);
    l->jac = slivi__alloc(d * v->dim, sizeof *l->jac);
    l->gram = slivi__alloc(d * d, sizeof *l->gram);
    if (!l->p || !l->memory || !l->x || !l->jac || !l->gram) {
        slivi__laplace_free(l);
        return NULL;
    }
    double *at = l->memory;
    for (size_t r = 0; r < ROWS; r++, at += (2 + d) * d) {
        l->climb[r].trial = at;
        l->climb[r].g = at + d;
        l->climb[r].h = at + 2 * d;
    }
    l->factor = at;
    l->step = at + d * d;
    return l;
}

void slivi__laplace_free(slivi__laplace *l)
{
    if (!l)
        return;
    slivi__free(l->memory);
    slivi__free(l->x);
    slivi__free(l->jac);
    slivi__free(l->gram);
    slivi__free(l);
}

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* h = I + J J' for row r of a run of n.  J is gathered, so that its product
   does not depend on n. */
static int curvature(slivi__laplace *l, size_t r, size_t n, double *h)
{
    const size_t d = l->d, dim = l->v->dim;
    for (size_t j = 0; j < d; j++)
        slivi__vae_store(l->v, l->jac + j * dim,
                         (const char *)l->p->out_memory[2]
                             + (j * n + r) * dim * l->v->entry,
                         dim);
    int status = slivi__sgemm(NULL, 0, 1, d, d, dim, 1, l->jac, dim, l->jac,
                              dim, 0, l->gram, d);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            h[i * d + j] = (double)l->gram[i * d + j] + (i == j);
    return status;
}

/* factor = Cholesky's of h with its diagonal times 1 + damping. */
static int factorise(slivi__laplace *l, const double *h, double damping)
{
    const size_t d = l->d;
    memcpy(l->factor, h, d * d * sizeof *h);
    for (size_t i = 0; i < d; i++)
        l->factor[i * d + i] *= 1 + damping;
    return slivi__cholesky(d, l->factor);
}

/* The next point, trial = z + s with (h + damping diag h) s = g (Marquardt
   1963), and what it should gain: s'g - s'h s / 2. */
static int aim(slivi__laplace *l, climb *c)
{
    const size_t d = l->d;
    double *s = l->step;
    int status = factorise(l, c->h, c->damping);
    if (status)
        return status;
    memcpy(s, c->g, d * sizeof *s);
    slivi__trisolve(0, d, 1, l->factor, s);
    slivi__trisolve(1, d, 1, l->factor, s);
    c->predicted = 0.5 * dot(d, s, c->g);
    for (size_t i = 0; i < d; i++) {
        c->predicted += 0.5 * c->damping * c->h[i * d + i] * s[i] * s[i];
        c->trial[i] = c->mode->z[i] + s[i];
    }
    return 0;
}

/* Whether there is another point to look at. */
static int look_at(slivi__laplace *l, climb *c, size_t r, size_t n)
{
    const size_t d = l->d;
    const slivi_vae *v = l->v;
    slivi__peak *m = c->mode;
    double top = slivi__vae_entry(v, l->p->out_memory[0], r)
                 - 0.5 * (dot(d, c->trial, c->trial) + (double)d * LOG_2PI);
    const double gain = top - m->top;
    m->runs++;
    if (m->runs == 1 && !isfinite(top))
        return 0;
    if (m->runs == 1 || gain > 0) {
        m->top = top;
        memcpy(m->z, c->trial, d * sizeof *m->z);
        for (size_t i = 0; i < d; i++)
            c->g[i] = slivi__vae_entry(v, l->p->out_memory[1], r * d + i)
                      - m->z[i];
        if (curvature(l, r, n, c->h))
            return 0;
    }
    if (m->runs > 1 && gain > 0) { /* Nielsen 1999 */
        c->damping *= fmax(1.0 / 3, 1 - pow(2 * gain / c->predicted - 1, 3));
        c->growth = 2;
    } else if (m->runs > 1) {
        c->damping *= c->growth;
        c->growth *= 2;
    }
    if (aim(l, c))
        return 0;
    m->rise = c->predicted;
    return m->rise * (1 + c->damping) > enough && c->damping < most_damping
           && m->runs < MOST_RUNS;
}

static void begin(slivi__laplace *l, climb *c, slivi__peak *m)
{
    const size_t d = l->d;
    c->mode = m;
    c->damping = first_damping;
    c->growth = 2;
    m->runs = 0;
    m->top = m->log_mass = -INFINITY;
    m->rise = INFINITY;
    memcpy(c->trial, m->z, d * sizeof *m->z);
    memset(c->h, 0, d * d * sizeof *c->h);
    for (size_t i = 0; i < d; i++)
        c->h[i * d + i] = 1;
}

/* cov = h^-1 */
static void end(slivi__laplace *l, climb *c)
{
    const size_t d = l->d;
    slivi__peak *m = c->mode;
    memset(m->cov, 0, d * d * sizeof *m->cov);
    for (size_t i = 0; i < d; i++)
        m->cov[i * d + i] = 1;
    if (factorise(l, c->h, 0))
        return;
    slivi__trisolve(0, d, d, l->factor, m->cov);
    slivi__trisolve(1, d, d, l->factor, m->cov);
    m->log_mass = m->top + 0.5 * (double)d * LOG_2PI;
    for (size_t i = 0; i < d; i++)
        m->log_mass -= log(l->factor[i * d + i]);
}

static int run(slivi__laplace *l, size_t n)
{
    const slivi_vae *v = l->v;
    slivi_run how = {.n = n};
    for (size_t r = 0; r < n; r++) {
        const climb *c = &l->climb[r];
        memcpy(l->x + r * v->dim, c->mode->x, v->dim * sizeof *l->x);
        for (size_t i = 0; i < l->d; i++)
            if (v->precision == SLIVI_F32)
                ((float *)l->p->z_memory)[r * l->d + i] = (float)c->trial[i];
            else
                ((double *)l->p->z_memory)[r * l->d + i] = c->trial[i];
    }
    slivi__vae_take(v, l->p, l->x, n * v->dim);
    return slivi_workspace_run(l->p->ws, &how);
}

static int climb_all(slivi__laplace *l, size_t n, slivi__peak *const peak[])
{
    size_t next = 0, under_way = 0;
    int status = 0;
    while (!status && (next < n || under_way)) {
        while (under_way < ROWS && next < n)
            begin(l, &l->climb[under_way++], peak[next++]);
        const size_t rows = under_way;
        status = run(l, rows);
        for (size_t r = 0; r < rows && !status; r++)
            if (!look_at(l, &l->climb[r], r, rows)) {
                end(l, &l->climb[r]);
                l->climb[r].mode = NULL;
            }
        under_way = 0;
        for (size_t r = 0; r < rows && !status; r++)
            if (l->climb[r].mode) {
                const climb c = l->climb[under_way];
                l->climb[under_way++] = l->climb[r];
                l->climb[r] = c;
            }
    }
    return status;
}

int slivi__laplace_climb(slivi__laplace *l, size_t n, slivi__peak *const peak[])
{
    int status = slivi__blas_enter();
    if (status)
        return status;
    status = climb_all(l, n, peak);
    slivi__blas_leave();
    return status;
}

int slivi__laplace_is_same(slivi__laplace *l, const slivi__peak *a,
                           const slivi__peak *b)
{
    const size_t d = l->d;
    memcpy(l->factor, a->cov, d * d * sizeof *l->factor);
    if (slivi__cholesky(d, l->factor))
        return 0;
    for (size_t i = 0; i < d; i++)
        l->step[i] = b->z[i] - a->z[i];
    slivi__trisolve(0, d, 1, l->factor, l->step);
    return dot(d, l->step, l->step) < 1;
}
