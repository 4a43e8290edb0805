/* fields.c - see fields.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "fields.h"

#include "slivi/status.h"

#include <check.h>
#include <stdlib.h>

void fields_open(testing *t, enum slivi_precision precision, size_t n)
{
    testing_open(t, precision, n);
    t->run.chunk = 0;
}

slivi_node fields_linear_apply(slivi_graph *g, slivi_node x, void *ctx)
{
    const fields_line *l = ctx;
    slivi_node xw = slivi_matmul(g, x, l->w);
    if (!l->energy)
        return slivi_add(g, xw, l->c);
    return slivi_row_dot(g, slivi_add(g, slivi_scale(g, xw, 0.5), l->c), x);
}

slivi_field fields_linear(fields_line *l)
{
    return (slivi_field){.kind = l->energy ? SLIVI_FIELD_ENERGY
                                           : SLIVI_FIELD_SCORE,
                         .apply = fields_linear_apply,
                         .ctx = l};
}

slivi_objective_options fields_options(const slivi_law *law, size_t slices)
{
    return (slivi_objective_options){slices, law, 0.5, STREAM};
}

slivi_node fields_loss(testing *t, const char *name, const slivi_field *field,
                       slivi_node x, const slivi_law *law, size_t slices)
{
    slivi_objective_options how = fields_options(law, slices);
    size_t chunks;
    slivi_node loss = slivi_objective_loss(t->g, slivi_objective_find(name),
                                           field, x, &how, &chunks);
    ck_assert_msg(loss.id, "%s: %s", name, slivi_errmsg());
    ck_assert_uint_eq(chunks, 1);
    return loss;
}

double fields_value(testing *t, slivi_node x)
{
    double *y = testing_eval(t, x), first = y[0];
    free(y);
    return first;
}

const slivi_law *fields_law(int i)
{
    return i == 0   ? slivi_law_rademacher
           : i == 1 ? slivi_law_normal
                    : slivi_law_sphere;
}
