/* params.c - one flat vector with named views.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "learn/params.h"
#include "io/checkpoint.h"

#include <limits.h>
#include <math.h>
#include <string.h>

struct slivi_params {
    enum slivi_precision precision;
    slivi_view *views;
    char **names; /* owned; views point at them */
    size_t count, room;
    void *values; /* size entries */
    size_t size;
};

size_t slivi__precision_size(enum slivi_precision precision)
{
    return precision == SLIVI_F32 ? sizeof(float) : sizeof(double);
}

slivi_params *slivi_params_create(enum slivi_precision precision)
{
    if (precision != SLIVI_F32 && precision != SLIVI_F64)
        return slivi__fail_null(SLIVI_EINVAL, "params: unknown precision %d",
                                (int)precision);
    slivi_params *p = slivi__alloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->precision = precision;
    p->values = slivi__alloc(0, 1);
    if (p->values)
        return p;
    slivi_params_free(p);
    return NULL;
}

void slivi__params_cut(slivi_params *p, size_t count)
{
    while (p->count > count) {
        p->size = p->views[--p->count].offset;
        slivi__free(p->names[p->count]);
    }
}

void slivi_params_free(slivi_params *p)
{
    if (!p)
        return;
    slivi__params_cut(p, 0);
    slivi__free(p->names);
    slivi__free(p->views);
    slivi__free(p->values);
    slivi__free(p);
}

/* ---- views ------------------------------------------------------------ */

static int check_view(const slivi_params *p, const slivi_view *v)
{
    if (!slivi__is_name(v->name))
        return slivi__fail(SLIVI_EINVAL,
                           "params: a name must be printable UTF-8 and not "
                           "empty");
    if (!v->rows || !v->cols)
        return slivi__fail(SLIVI_ESHAPE, "params: %.64s is %zu x %zu", v->name,
                           v->rows, v->cols);
    if (!isfinite(v->bound) || v->bound < 0 || !isfinite(v->centre))
        return slivi__fail(SLIVI_EINVAL, "params: %.64s: bound %g, centre %g",
                           v->name, v->bound, v->centre);
    for (size_t i = 0; i < p->count; i++)
        if (!strcmp(p->views[i].name, v->name))
            return slivi__fail(SLIVI_ENAME, "params: the name %.64s is taken",
                               v->name);
    return 0;
}

static int more_views(slivi_params *p)
{
    if (p->count < p->room)
        return 0;
    size_t room = p->room ? 2 * p->room : 16;
    slivi_view *views = slivi__grow(p->views, p->count, room, sizeof *views);
    if (!views)
        return SLIVI_ENOMEM;
    p->views = views;
    char **names = slivi__grow(p->names, p->count, room, sizeof *names);
    if (!names)
        return SLIVI_ENOMEM;
    p->names = names;
    p->room = room;
    return 0;
}

/* One entry, from and to double. */
static void store(slivi_params *p, size_t i, double x)
{
    if (p->precision == SLIVI_F32)
        ((float *)p->values)[i] = (float)x;
    else
        ((double *)p->values)[i] = x;
}

static double fetch(const slivi_params *p, size_t i)
{
    return p->precision == SLIVI_F32 ? (double)((const float *)p->values)[i]
                                     : ((const double *)p->values)[i];
}

int slivi_params_add(slivi_params *p, const char *name, size_t rows,
                     size_t cols, double bound, double centre)
{
    slivi_view v = {name, rows, cols, p->size, bound, centre};
    size_t entries, size;
    int status = check_view(p, &v);
    if (status)
        return status;
    if (slivi__mul(rows, cols, &entries) || slivi__add(p->size, entries, &size))
        return slivi__fail_in(SLIVI_EOVERFLOW, "params: %.64s", name);
    if (rows > UINT32_MAX || p->count == INT_MAX)
        return slivi__fail(SLIVI_EOVERFLOW, "params: %.64s has too many rows",
                           name);
    if (more_views(p))
        return SLIVI_ENOMEM;
    char *copy = slivi__strdup(name);
    void *values = copy ? slivi__grow(p->values, p->size, size,
                                      slivi__precision_size(p->precision))
                        : NULL;
    if (!values) {
        slivi__free(copy);
        return SLIVI_ENOMEM;
    }
    v.name = p->names[p->count] = copy;
    p->values = values;
    p->views[p->count] = v;
    for (size_t i = p->size; i < size; i++)
        store(p, i, centre);
    p->size = size;
    return (int)p->count++;
}

enum slivi_precision slivi_params_precision(const slivi_params *p)
{
    return p->precision;
}

size_t slivi_params_size(const slivi_params *p)
{
    return p->size;
}

size_t slivi_params_views(const slivi_params *p)
{
    return p->count;
}

const slivi_view *slivi_params_view(const slivi_params *p, size_t i)
{
    if (i < p->count)
        return &p->views[i];
    return slivi__fail_null(SLIVI_EINVAL, "params: view %zu of %zu", i,
                            p->count);
}

void *slivi_params_values(slivi_params *p)
{
    return p->values;
}

const void *slivi_params_const_values(const slivi_params *p)
{
    return p->values;
}

/* ---- values ----------------------------------------------------------- */

void slivi_params_init(slivi_params *p, uint64_t seed, uint32_t stream)
{
    for (size_t i = 0; i < p->count; i++) {
        const slivi_view *v = &p->views[i];
        const slivi_address at = {.seed = seed, .stream = stream, .step = i};
        if (p->precision == SLIVI_F32)
            slivi_draw_f32(slivi_law_uniform, &at, v->rows, v->cols,
                           (float *)p->values + v->offset);
        else
            slivi_draw(slivi_law_uniform, &at, v->rows, v->cols,
                       (double *)p->values + v->offset);
        for (size_t j = v->offset; j < v->offset + v->rows * v->cols; j++)
            store(p, j, v->centre + v->bound * (2 * fetch(p, j) - 1));
    }
}

void slivi_params_set(slivi_params *p, const double *values)
{
    for (size_t i = 0; i < p->size; i++)
        store(p, i, values[i]);
}

void slivi_params_get(const slivi_params *p, double *values)
{
    for (size_t i = 0; i < p->size; i++)
        values[i] = fetch(p, i);
}
