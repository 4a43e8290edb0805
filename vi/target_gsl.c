/* target_gsl.c - a function that GSL would minimise, as a target.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "target_inside.h"

#include <math.h>
#include <string.h>

/* Vectors are made by hand: GSL's own functions abort on what they dislike. */
static gsl_vector vector_of(size_t n, double *data)
{
    const gsl_vector v = {.size = n, .stride = 1, .data = data};

    return v;
}

static int eval(void *self, const slivi__points *p)
{
    gsl_multimin_function_fdf *f = self;
    const size_t d = f->n;

    for (size_t i = 0; i < p->n; i++) {
        /* a copy, which the function may as well write to */
        const gsl_vector x = vector_of(d, p->scratch);
        gsl_vector g = vector_of(d, p->grad + i * d);
        double value = NAN;

        memcpy(p->scratch, p->z + i * d, d * sizeof *p->scratch);
        f->fdf(&x, f->params, &value, &g);
        if (!isfinite(value)) {
            slivi__target_refuse(p, i, "GSL's function is %s",
                                 slivi__nonfinite(value));
            continue;
        }
        p->lp[i] = -value;
        for (size_t j = 0; j < d; j++)
            g.data[j] = -g.data[j];
    }
    return 0;
}

static const slivi__target_type type = {.eval = eval, .release = slivi__free};

slivi_target *slivi_target_from_gsl(const gsl_multimin_function_fdf *f)
{
    const slivi__target_shape shape = {
        .d = f->n, .outside = f->n, .scratch = f->n};
    gsl_multimin_function_fdf *copy;

    if (f->fdf == NULL)
        return slivi__fail_null(SLIVI_EINVAL, "GSL's function has no fdf");
    copy = slivi__alloc(1, sizeof *copy);
    if (copy == NULL)
        return NULL;
    *copy = *f;
    return slivi__target_create(&type, copy, &shape);
}
