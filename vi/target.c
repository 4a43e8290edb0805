/* target.c - targets: what all kinds share.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "target_inside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 32, BLOCKS = 16 };

/* What a thread of the pool has for itself. */
struct worker {
    double *grad, *scratch; /* SLIVI__TARGET_BLOCK x d, shape.scratch */
    slivi__refusal refusal;
};

struct slivi_target {
    const slivi__target_type *type;
    void *self;
    slivi__target_shape shape;
    slivi_pool *pool;
    size_t workers;
    struct worker *worker;
    char *names; /* d of NAME bytes where the type has none */
    char coordinate[NAME];
    void (*release)(void *ctx);
    void *ctx; /* of release */
    uint64_t evaluated, refused;
    char refusal[SLIVI__MESSAGE];
};

/* -- making and freeing ---------------------------------------------------- */

static void free_workers(size_t count, struct worker *w)
{
    for (size_t i = 0; w != NULL && i < count; i++) {
        slivi__free(w[i].grad);
        slivi__free(w[i].scratch);
    }
    slivi__free(w);
}

static struct worker *make_workers(const slivi__target_shape *s, size_t count)
{
    struct worker *w = slivi__alloc(count, sizeof *w);
    size_t room;

    if (w == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (slivi__mul(s->d, SLIVI__TARGET_BLOCK, &room) == 0)
            w[i].grad = slivi__alloc(room, sizeof *w[i].grad);
        if (w[i].grad != NULL)
            w[i].scratch = slivi__alloc(s->scratch, sizeof *w[i].scratch);
        if (w[i].scratch == NULL) {
            free_workers(count, w);
            return NULL;
        }
    }
    return w;
}

/* z[1], z[2], ... */
static char *make_names(size_t d)
{
    char *names = slivi__alloc(d, NAME);

    for (size_t j = 0; names != NULL && j < d; j++)
        snprintf(names + j * NAME, NAME, "z[%zu]", j + 1);
    return names;
}

slivi_target *slivi__target_create(const slivi__target_type *type, void *self,
                                   const slivi__target_shape *shape)
{
    slivi_target *t = slivi__alloc(1, sizeof *t);

    if (t == NULL) {
        if (type->release != NULL)
            type->release(self);
        return NULL;
    }
    t->type = type;
    t->self = self;
    t->shape = *shape;
    t->workers = 1;
    if (shape->d == 0)
        slivi__fail(SLIVI_EINVAL, "a target needs at least one dimension");
    else
        t->worker = make_workers(shape, 1);
    if (t->worker != NULL && type->name == NULL)
        t->names = make_names(shape->outside);
    if (t->worker == NULL || (type->name == NULL && t->names == NULL)) {
        slivi_target_free(t);
        return NULL;
    }
    return t;
}

void slivi_target_free(slivi_target *t)
{
    if (t == NULL)
        return;
    if (t->type->release != NULL)
        t->type->release(t->self);
    if (t->release != NULL)
        t->release(t->ctx);
    free_workers(t->workers, t->worker);
    slivi__free(t->names);
    slivi__free(t);
}

void slivi_target_own(slivi_target *t, void (*release)(void *ctx), void *ctx)
{
    t->release = release;
    t->ctx = ctx;
}

/* -- what it is ------------------------------------------------------------ */

size_t slivi_target_dim(const slivi_target *t)
{
    return t->shape.d;
}

size_t slivi_target_context(const slivi_target *t)
{
    return t->shape.k;
}

size_t slivi_target_rows(const slivi_target *t)
{
    return t->shape.rows;
}

size_t slivi_target_outside_dim(const slivi_target *t)
{
    return t->shape.outside;
}

const char *slivi_target_name(const slivi_target *t, size_t i)
{
    if (i >= t->shape.outside)
        return NULL;
    return t->names != NULL ? t->names + i * NAME : t->type->name(t->self, i);
}

const char *slivi__target_coordinate(slivi_target *t, size_t j)
{
    if (t->type->coordinate != NULL)
        return t->type->coordinate(t->self, j);
    if (t->shape.outside == t->shape.d)
        return slivi_target_name(t, j);
    snprintf(t->coordinate, sizeof t->coordinate, "z[%zu]", j + 1);
    return t->coordinate;
}

uint64_t slivi_target_evaluated(const slivi_target *t)
{
    return t->evaluated;
}

uint64_t slivi_target_refused(const slivi_target *t)
{
    return t->refused;
}

const char *slivi_target_refusal(const slivi_target *t)
{
    return t->refusal;
}

/* -- one evaluation -------------------------------------------------------- */

void slivi__target_refuse(const slivi__points *p, size_t i, const char *format,
                          ...)
{
    va_list args;

    p->lp[i] = -INFINITY;
    p->refusal->made = 1;
    p->refusal->row = p->first + i;
    va_start(args, format);
    vsnprintf(p->refusal->text, sizeof p->refusal->text, format, args);
    va_end(args);
}

struct job {
    slivi_target *t;
    size_t n, block;
    const double *z, *c;
    double *lp, *grad;
};

static void fill(size_t n, double value, double *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = value;
}

/* Block number i.  NaN first, so that what a callback leaves out is found. */
static int eval_block(size_t i, size_t worker, void *ctx)
{
    const struct job *job = ctx;
    const slivi_target *t = job->t;
    const size_t d = t->shape.d, first = i * job->block;
    struct worker *w = t->worker + worker;
    const slivi__points p = {
        .n = job->n - first < job->block ? job->n - first : job->block,
        .z = job->z + first * d,
        .c = t->shape.k > 0 ? job->c + first * t->shape.k : NULL,
        .lp = job->lp + first,
        .grad = job->grad != NULL ? job->grad + first * d : w->grad,
        .first = first,
        .worker = worker,
        .scratch = w->scratch,
        .refusal = &w->refusal};

    fill(p.n, NAN, p.lp);
    fill(p.n * d, NAN, p.grad);
    return t->type->eval(t->self, &p);
}

/* The words of the last row that has any. */
static void keep_refusal(slivi_target *t)
{
    const slivi__refusal *last = NULL;

    for (size_t i = 0; i < t->workers; i++) {
        const slivi__refusal *r = &t->worker[i].refusal;

        if (r->made && (last == NULL || r->row > last->row))
            last = r;
    }
    if (last != NULL)
        memcpy(t->refusal, last->text, sizeof t->refusal);
}

/* The number of the first entry that is not finite, or d. */
static size_t find_nonfinite(size_t d, const double *x)
{
    double sum = 0;
    size_t j = 0;

    for (size_t k = 0; k < d; k++)
        sum += 0 * x[k];
    if (sum == 0)
        return d;
    while (isfinite(x[j]))
        j++;
    return j;
}

static int check_points(slivi_target *t, size_t n, const double *z,
                        const double *c)
{
    const size_t d = t->shape.d, k = t->shape.k;

    if (k > 0 && c == NULL && n > 0)
        return slivi__fail(SLIVI_EINVAL,
                           "target: needs contexts of %zu numbers, and c is "
                           "NULL",
                           k);
    for (size_t i = 0; i < n; i++) {
        const size_t j = find_nonfinite(d, z + i * d);

        if (j < d)
            return slivi__fail(SLIVI_ENONFINITE, "target: point %zu has %s %s",
                               i, slivi__target_coordinate(t, j),
                               slivi__nonfinite(z[i * d + j]));
    }
    for (size_t i = 0; k > 0 && i < n; i++)
        if (find_nonfinite(k, c + i * k) < k)
            return slivi__fail(SLIVI_ENONFINITE,
                               "target: the context of point %zu is not finite",
                               i);
    return 0;
}

static int run(slivi_target *t, size_t n, const double *z, const double *c,
               double *lp, double *grad)
{
    struct job job = {t, n, 0, z, c, lp, grad};
    int status = check_points(t, n, z, c);

    if (status != 0 || n == 0)
        return status;
    /* by n alone: a function of many rows may round a row by its neighbours */
    job.block = (n - 1) / BLOCKS + 1;
    if (job.block > SLIVI__TARGET_BLOCK || (t->type->apart && t->pool == NULL))
        job.block = SLIVI__TARGET_BLOCK;
    for (size_t i = 0; i < t->workers; i++)
        t->worker[i].refusal.made = 0;
    t->evaluated += n;
    status = slivi__pool_share(t->pool, (n - 1) / job.block + 1, eval_block,
                               &job);
    keep_refusal(t);
    return status;
}

/* -- what is not finite ---------------------------------------------------- */

/* "at point 3 (mu = 1.5, tau = -2)" */
static const char *place(slivi_target *t, size_t row, const double *z,
                         char *text, size_t room)
{
    enum { SHOWN = 6 };
    const size_t d = t->shape.d;
    size_t at = (size_t)snprintf(text, room, "at point %zu (%s", row,
                                 t->type->outside ? "unbounded " : "");

    for (size_t j = 0; j < d && j < SHOWN && at < room; j++)
        at += (size_t)snprintf(text + at, room - at, "%s%s = %.6g",
                               j == 0 ? "" : ", ",
                               slivi__target_coordinate(t, j), z[j]);
    if (at < room)
        snprintf(text + at, room - at, "%s", d > SHOWN ? ", ...)" : ")");
    return text;
}

/* What must not be at a row: the status, with a message, or 0. */
static int check_row(slivi_target *t, size_t i, const double *z, double lp,
                     const double *grad)
{
    const size_t d = t->shape.d;
    char where[SLIVI__MESSAGE / 2];
    size_t j;

    if (!isfinite(lp))
        return slivi__fail(SLIVI_ENONFINITE, "target: the log density is %s %s",
                           slivi__nonfinite(lp),
                           place(t, i, z, where, sizeof where));
    j = grad != NULL ? find_nonfinite(d, grad) : d;
    if (j < d)
        return slivi__fail(
            SLIVI_ENONFINITE, "target: the gradient in %s is %s %s",
            slivi__target_coordinate(t, j), slivi__nonfinite(grad[j]),
            place(t, i, z, where, sizeof where));
    return 0;
}

/* Density 0 or an error in each row; `lenient`: an error becomes lp NaN. */
static int settle(slivi_target *t, size_t n, const double *z, double *lp,
                  double *grad, int lenient)
{
    const size_t d = t->shape.d;

    for (size_t i = 0; i < n; i++) {
        double *g = grad != NULL ? grad + i * d : NULL;
        int status;

        if (lp[i] == -INFINITY) {
            t->refused++;
            if (g != NULL)
                fill(d, 0, g);
            continue;
        }
        status = check_row(t, i, z + i * d, lp[i], g);
        if (status == 0)
            continue;
        t->refused++;
        snprintf(t->refusal, sizeof t->refusal, "%s", slivi_errmsg());
        if (!lenient)
            return status;
        lp[i] = NAN;
        if (g != NULL)
            fill(d, 0, g);
    }
    return 0;
}

int slivi_target_eval(slivi_target *t, size_t n, const double *z,
                      const double *c, double *lp, double *grad)
{
    const int status = run(t, n, z, c, lp, grad);

    return status != 0 ? status : settle(t, n, z, lp, grad, 0);
}

int slivi__target_try(slivi_target *t, size_t n, const double *z,
                      const double *c, double *lp, double *grad)
{
    const int status = run(t, n, z, c, lp, grad);

    return status != 0 ? status : settle(t, n, z, lp, grad, 1);
}

int slivi_target_log_density(size_t n, size_t d, const double *x, double *lp,
                             double *grad, void *target)
{
    slivi_target *t = target;

    if (t->shape.k > 0)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "target: it is a density for each context, and "
                           "none is given");
    if (d != t->shape.d)
        return slivi__fail(SLIVI_ESHAPE,
                           "target: points of %zu dimensions, not of %zu", d,
                           t->shape.d);
    return slivi__target_try(t, n, x, NULL, lp, grad);
}

/* -- the caller's coordinates ---------------------------------------------- */

int slivi_target_outside(slivi_target *t, size_t n, const double *z,
                         double *theta)
{
    if (t->type->outside != NULL)
        return t->type->outside(t->self, n, z, theta);
    if (n > 0)
        memmove(theta, z, n * t->shape.d * sizeof *z);
    return 0;
}

int slivi_target_inside(slivi_target *t, size_t n, const double *theta,
                        double *z)
{
    if (t->type->inside != NULL)
        return t->type->inside(t->self, n, theta, z);
    if (t->type->outside != NULL)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "target: there is no way back from its parameters");
    if (n > 0)
        memmove(z, theta, n * t->shape.d * sizeof *z);
    return 0;
}

/* -- parts, threads -------------------------------------------------------- */

int slivi__target_is_transformed(const slivi_target *t)
{
    return t->type->outside != NULL;
}

int slivi_target_part(slivi_target *t, size_t step)
{
    return t->type->part != NULL ? t->type->part(t->self, step) : 0;
}

int slivi__target_any_pool(void *self, slivi_pool *pool)
{
    (void)self;
    (void)pool;
    return 0;
}

int slivi_target_set_pool(slivi_target *t, slivi_pool *pool)
{
    const size_t count = pool != NULL ? slivi_pool_threads(pool) : 1;
    struct worker *w;
    int status = 0;

    if (pool != NULL && t->type->set_pool == NULL)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "target: its function cannot be called by several "
                           "threads");
    w = make_workers(&t->shape, count);
    if (w == NULL)
        return slivi__status();
    if (pool != NULL)
        status = t->type->set_pool(t->self, pool);
    if (status != 0) {
        free_workers(count, w);
        return status;
    }
    free_workers(t->workers, t->worker);
    t->worker = w;
    t->workers = count;
    t->pool = pool;
    return 0;
}
