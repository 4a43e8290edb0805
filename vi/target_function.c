/* target_function.c - targets that are functions of the caller: of free or of
   constrained parameters, for each context, of parts of the data.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "target_inside.h"

#include <math.h>
#include <string.h>

struct function;

/* What the caller's function sees. */
struct view {
    size_t n;
    const double *x, *c;
    double *lp, *grad;
};

struct function {
    int (*call)(const struct function *f, const struct view *v);
    union {
        slivi_log_density *density;
        slivi_log_density_given *given;
        slivi_log_density_part *part;
    } as;
    void *ctx;
    size_t k, outside;
    slivi_transform *transform; /* NULL: x is z */
    slivi__parts parts;
};

static int call_density(const struct function *f, const struct view *v)
{
    return f->as.density(v->n, f->outside, v->x, v->lp, v->grad, f->ctx);
}

static int call_given(const struct function *f, const struct view *v)
{
    return f->as.given(v->n, f->outside, v->x, f->k, v->c, v->lp, v->grad,
                       f->ctx);
}

static int call_part(const struct function *f, const struct view *v)
{
    const slivi__parts *p = &f->parts;

    return f->as.part(v->n, f->outside, v->x, p->m, p->index,
                      (double)p->rows / (double)p->m, v->lp, v->grad, f->ctx);
}

/* -- evaluation ------------------------------------------------------------ */

/* A message that the function has set is kept. */
static int call(const struct function *f, const struct view *v)
{
    const size_t messages = slivi__failures();
    const int status = f->call(f, v);

    if (status == 0)
        return 0;
    if (slivi__failures() != messages)
        return slivi__fail_in(SLIVI_ECALLBACK, "target: log density");
    return slivi__fail(SLIVI_ECALLBACK, "target: log density returned %d",
                       status);
}

/* Of a block: theta and its gradient (n x outside), log |det|, lp, a row. */
static size_t room_of(size_t outside)
{
    return SLIVI__TARGET_BLOCK * (2 * outside + 2) + outside;
}

static int row_is_finite(size_t d, const double *x, double and)
{
    double sum = 0 * and;

    for (size_t j = 0; j < d; j++)
        sum += 0 * x[j];
    return sum == 0;
}

/* Rows where theta can be had are moved together; `from` (n) tells from where.
   Returns their number. */
static size_t transform_rows(const struct function *f, const slivi__points *p,
                             double *theta, double *log_det, size_t *from)
{
    const size_t o = f->outside;
    size_t kept = 0;

    slivi_transform_out(f->transform, p->n, p->z, theta, log_det);
    for (size_t i = 0; i < p->n; i++) {
        if (!row_is_finite(o, theta + i * o, log_det[i])) {
            slivi__target_refuse(p, i,
                                 "the parameters overflow, or a scale or an "
                                 "interval is not positive");
            continue;
        }
        memmove(theta + kept * o, theta + i * o, o * sizeof *theta);
        log_det[kept] = log_det[i];
        from[kept++] = i;
    }
    return kept;
}

static int eval_transformed(const struct function *f, const slivi__points *p)
{
    const size_t o = f->outside, d = slivi_transform_inside(f->transform);
    double *theta = p->scratch, *gtheta = theta + SLIVI__TARGET_BLOCK * o;
    double *log_det = gtheta + SLIVI__TARGET_BLOCK * o;
    double *lp = log_det + SLIVI__TARGET_BLOCK;
    double *row = lp + SLIVI__TARGET_BLOCK;
    size_t from[SLIVI__TARGET_BLOCK];
    const size_t kept = transform_rows(f, p, theta, log_det, from);
    const struct view v = {kept, theta, NULL, lp, gtheta};
    int status;

    for (size_t i = 0; i < kept; i++)
        lp[i] = NAN;
    for (size_t i = 0; i < kept * o; i++)
        gtheta[i] = NAN;
    status = kept > 0 ? call(f, &v) : 0;
    for (size_t i = 0; status == 0 && i < kept; i++) {
        p->lp[from[i]] = lp[i] + log_det[i];
        slivi_transform_gradient(f->transform, 1, p->z + from[i] * d,
                                 theta + i * o, gtheta + i * o,
                                 p->grad + from[i] * d, row);
    }
    return status;
}

static int eval(void *self, const slivi__points *p)
{
    const struct function *f = self;
    const struct view v = {p->n, p->z, p->c, p->lp, p->grad};

    return f->transform != NULL ? eval_transformed(f, p) : call(f, &v);
}

/* -- the kind -------------------------------------------------------------- */

static int outside(void *self, size_t n, const double *z, double *theta)
{
    const struct function *f = self;

    slivi_transform_out(f->transform, n, z, theta, NULL);
    return 0;
}

static int inside(void *self, size_t n, const double *theta, double *z)
{
    const struct function *f = self;

    return slivi_transform_in(f->transform, n, theta, z);
}

static const char *name(void *self, size_t i)
{
    const struct function *f = self;

    return slivi_transform_name(f->transform, i);
}

static const char *coordinate(void *self, size_t j)
{
    const struct function *f = self;

    return slivi__transform_coordinate(f->transform, j);
}

static int part(void *self, size_t step)
{
    struct function *f = self;

    return slivi__parts_take(&f->parts, step);
}

static void release(void *self)
{
    struct function *f = self;

    slivi_transform_free(f->transform);
    slivi__parts_close(&f->parts);
    slivi__free(f);
}

static const slivi__target_type plain = {
    .eval = eval, .set_pool = slivi__target_any_pool, .release = release};

static const slivi__target_type transformed = {
    .eval = eval,
    .outside = outside,
    .inside = inside,
    .name = name,
    .coordinate = coordinate,
    .set_pool = slivi__target_any_pool,
    .release = release};

static const slivi__target_type in_parts = {.eval = eval,
                                            .outside = outside,
                                            .inside = inside,
                                            .name = name,
                                            .coordinate = coordinate,
                                            .set_pool = slivi__target_any_pool,
                                            .part = part,
                                            .release = release};

/* -- making them ----------------------------------------------------------- */

static slivi_target *make_plain(const struct function *from)
{
    const slivi__target_shape shape = {
        .d = from->outside, .k = from->k, .outside = from->outside};
    struct function *f = slivi__alloc(1, sizeof *f);

    if (f == NULL)
        return NULL;
    *f = *from;
    return slivi__target_create(&plain, f, &shape);
}

slivi_target *slivi_target_create(size_t d, slivi_log_density *fn, void *ctx)
{
    const struct function f = {
        .call = call_density, .as.density = fn, .ctx = ctx, .outside = d};

    return make_plain(&f);
}

slivi_target *slivi_target_create_given(size_t d, size_t k,
                                        slivi_log_density_given *fn, void *ctx)
{
    const struct function f = {
        .call = call_given, .as.given = fn, .ctx = ctx, .k = k, .outside = d};

    if (k == 0)
        return slivi__fail_null(SLIVI_EINVAL,
                                "a target for each context needs contexts of "
                                "at least one number");
    return make_plain(&f);
}

/* `from` and the parts in it are taken over. */
static slivi_target *make_on(const slivi__target_type *type, size_t count,
                             const slivi_parameter parameters[],
                             struct function *from)
{
    slivi__target_shape shape = {.rows = from->parts.rows};
    struct function *f = slivi__alloc(1, sizeof *f);

    if (f == NULL) {
        slivi__parts_close(&from->parts);
        return NULL;
    }
    *f = *from;
    f->transform = slivi_transform_create(count, parameters);
    if (f->transform == NULL) {
        release(f);
        return NULL;
    }
    f->outside = slivi_transform_outside(f->transform);
    shape.d = slivi_transform_inside(f->transform);
    shape.outside = f->outside;
    shape.scratch = room_of(f->outside);
    return slivi__target_create(type, f, &shape);
}

slivi_target *slivi_target_create_on(size_t count,
                                     const slivi_parameter parameters[],
                                     slivi_log_density *fn, void *ctx)
{
    struct function f = {.call = call_density, .as.density = fn, .ctx = ctx};

    return make_on(&transformed, count, parameters, &f);
}

slivi_target *slivi_target_create_parts(size_t count,
                                        const slivi_parameter parameters[],
                                        size_t rows, size_t batch,
                                        uint64_t seed,
                                        slivi_log_density_part *fn, void *ctx)
{
    struct function f = {.call = call_part, .as.part = fn, .ctx = ctx};

    if (slivi__parts_open(&f.parts, rows, batch, seed) != 0) {
        slivi__parts_close(&f.parts);
        return NULL;
    }
    return make_on(&in_parts, count, parameters, &f);
}
