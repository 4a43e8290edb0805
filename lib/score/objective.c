/* objective.c - the objectives of score matching.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/objective.h"

#include "base/base.h"
#include "graph/node.h"
#include "score/names.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 64 }; /* unit vectors in one run of the exact trace */

static const slivi_node null = {0};

/* ---- fields ----------------------------------------------------------- */

/* Refuse y if it jumps where it is going to be differentiated. */
static int smooth(slivi_graph *g, slivi_node y, slivi_node x)
{
    const char *jump = slivi_graph_status(g) ? NULL : slivi_jump(g, y, x);
    if (jump)
        slivi__refuse(g, SLIVI_EUNSUPPORTED,
                      "it has a kink (the derivative makes '%s', which jumps) "
                      "where a second derivative is taken; choose a smooth "
                      "one, or dsm",
                      jump);
    return !jump;
}

slivi_node slivi_field_score(slivi_graph *g, const slivi_field *field,
                             slivi_node x)
{
    slivi_node y = field->apply(g, x, field->ctx), trace;
    if (field->kind == SLIVI_FIELD_ENERGY)
        return slivi_grad(g, y, x);
    if (!field->base)
        return y;
    return slivi_add(g, field->base(g, x, &trace, field->ctx), y);
}

/* What the objectives are made of, at a point x. */
typedef struct parts {
    slivi_node y;     /* apply */
    slivi_node s;     /* score; of an energy only where it was asked for */
    slivi_node trace; /* of the base, or null */
} parts;

static parts take(slivi_graph *g, const slivi_field *field, slivi_node x,
                  int want_score)
{
    parts p = {field->apply(g, x, field->ctx), null, null};
    size_t wide = field->kind == SLIVI_FIELD_ENERGY ? 1 : slivi_node_cols(g, x);
    if (!slivi_graph_status(g) && slivi_node_cols(g, p.y) != wide)
        slivi__refuse(g, SLIVI_ESHAPE,
                      "objective: the field has %zu columns, not %zu",
                      slivi_node_cols(g, p.y), wide);
    p.s = p.y;
    if (field->kind == SLIVI_FIELD_ENERGY)
        p.s = want_score ? slivi_grad(g, p.y, x) : null;
    else if (field->base)
        p.s = slivi_add(g, field->base(g, x, &p.trace, field->ctx), p.y);
    return p;
}

/* v'A v without the base's part: rows as v, one column.  *along receives
   the energy's first derivative along v. */
static slivi_node curvature(slivi_graph *g, const slivi_field *field,
                            const parts *p, slivi_node x, slivi_node v,
                            slivi_node *along)
{
    slivi_node jv = slivi_jvp(g, p->y, x, v);
    *along = jv;
    if (!smooth(g, p->y, x) || !smooth(g, jv, x))
        return null;
    if (field->kind == SLIVI_FIELD_SCORE)
        return slivi_row_dot(g, v, jv);
    slivi_node w = slivi_jvp(g, jv, x, v); /* second derivative along v */
    return smooth(g, w, x) ? w : null;
}

/* E[curvature] + E[base's trace] + E[half], each over its own rows. */
static slivi_node total(slivi_graph *g, const parts *p, slivi_node curve,
                        slivi_node square)
{
    slivi_node loss = slivi_add(g, slivi_mean(g, curve),
                                slivi_scale(g, slivi_mean(g, square), 0.5));
    return slivi__is_null(p->trace)
               ? loss
               : slivi_add(g, loss, slivi_mean(g, p->trace));
}

static slivi_node slices(slivi_graph *g, slivi_node x,
                         const slivi_objective_options *how)
{
    return slivi_noise(g, how->law,
                       (ptrdiff_t)how->slices * slivi_node_rows(g, x),
                       slivi_node_cols(g, x), how->stream);
}

/* ---- objectives ------------------------------------------------------- */

/* E[ v'A v + (v's)^2 / 2 ] */
static slivi_node ssm(slivi_graph *g, const slivi_field *field, slivi_node x,
                      const slivi_objective_options *how, size_t *chunks)
{
    (void)chunks;
    parts p = take(g, field, x, 0);
    slivi_node v = slices(g, x, how), vs;
    slivi_node curve = curvature(g, field, &p, x, v, &vs);
    if (field->kind == SLIVI_FIELD_SCORE)
        vs = slivi_row_dot(g, v, p.s);
    return total(g, &p, curve, slivi_square(g, vs));
}

/* E[ v'A v + |s|^2 / 2 ] */
static slivi_node ssm_vr(slivi_graph *g, const slivi_field *field, slivi_node x,
                         const slivi_objective_options *how, size_t *chunks)
{
    (void)chunks;
    parts p = take(g, field, x, 1);
    slivi_node v = slices(g, x, how), along;
    slivi_node curve = curvature(g, field, &p, x, v, &along);
    return total(g, &p, curve, slivi_row_dot(g, p.s, p.s));
}

/* E[ tr A + |s|^2 / 2 ]: the closed form, or unit vectors as slices, CHUNK at
   a time; then each run counts |s|^2 in full and is weighted to add up. */
static slivi_node sm(slivi_graph *g, const slivi_field *field, slivi_node x,
                     const slivi_objective_options *how, size_t *chunks)
{
    (void)how;
    parts p = take(g, field, x, 1);
    slivi_node square = slivi_row_dot(g, p.s, p.s), along;
    if (field->kind == SLIVI_FIELD_SCORE && field->trace) {
        slivi_node trace = field->trace(g, x, field->ctx);
        return smooth(g, p.y, x) && smooth(g, trace, x)
                   ? total(g, &p, trace, square)
                   : null;
    }
    size_t d = slivi_node_cols(g, x), s = d < CHUNK ? d : CHUNK;
    if (!d)
        return null;
    if (slivi_node_rows(g, x) != SLIVI_ROWS)
        return slivi__refuse(g, SLIVI_EUNSUPPORTED,
                             "sm: several draws of a sample need the trace in "
                             "closed form, a net with two hidden layers");
    *chunks = (d + s - 1) / s;
    const double share = 1 / (double)*chunks;
    slivi_node e = slivi_units(g, s, d);
    slivi_node curve = curvature(g, field, &p, x, e, &along);
    curve = slivi_scale(g, curve, (double)s); /* mean over slices -> sum */
    if (!slivi__is_null(p.trace))
        p.trace = slivi_scale(g, p.trace, share);
    return total(g, &p, curve, slivi_scale(g, square, share));
}

/* |s(x + sigma u) + u / sigma|^2, a row for each noise */
static slivi_node denoise(slivi_graph *g, const slivi_field *field,
                          slivi_node x, slivi_node u, double sigma)
{
    slivi_node moved = slivi_variable(
        g, slivi_add(g, x, slivi_scale(g, u, sigma)));
    parts p = take(g, field, moved, 1);
    if (!smooth(g, p.s, moved))
        return null;
    slivi_node r = slivi_add(g, p.s, slivi_scale(g, u, 1 / sigma));
    return slivi_row_dot(g, r, r);
}

/* E[ |s(x + e) + e / sigma^2|^2 / 2 ].  An even number of noises is drawn as
   pairs u, -u, whose terms of order 1 / sigma cancel in the gradient. */
static slivi_node dsm(slivi_graph *g, const slivi_field *field, slivi_node x,
                      const slivi_objective_options *how, size_t *chunks)
{
    const int pairs = how->slices % 2 == 0;
    const size_t draws = pairs ? how->slices / 2 : how->slices;
    (void)chunks;
    if (!(how->sigma > 0) || !isfinite(how->sigma))
        return slivi__refuse(g, SLIVI_EINVAL,
                             "dsm: sigma is %g, not a positive number",
                             how->sigma);
    slivi_node u = slivi_noise(g, slivi_law_normal,
                               (ptrdiff_t)draws * slivi_node_rows(g, x),
                               slivi_node_cols(g, x), how->stream);
    slivi_node square = denoise(g, field, x, u, how->sigma);
    if (pairs)
        square = slivi_scale(
            g,
            slivi_add(g, square,
                      denoise(g, field, x, slivi_neg(g, u), how->sigma)),
            0.5);
    return slivi_scale(g, slivi_mean(g, square), 0.5);
}

static const slivi_objective table[] = {
    {"sm", "exact score matching, by the trace of the derivative", sm},
    {"ssm", "sliced score matching", ssm},
    {"ssm-vr", "sliced score matching with reduced variance", ssm_vr},
    {"dsm", "denoising score matching at noise level sigma", dsm},
};

const slivi_objective *const slivi_objectives[] = {&table[0], &table[1],
                                                   &table[2], &table[3], NULL};
const char *const slivi_objective_names[] = {SLIVI__OBJECTIVE_NAMES, NULL};

const slivi_objective *slivi_objective_find(const char *name)
{
    for (size_t i = 0; slivi_objectives[i]; i++)
        if (!strcmp(name, slivi_objectives[i]->name))
            return slivi_objectives[i];
    return slivi__fail_null(SLIVI_ENAME,
                            "no objective \"%s\" (sm, ssm, ssm-vr, dsm)", name);
}

slivi_node slivi_objective_loss(slivi_graph *g, const slivi_objective *which,
                                const slivi_field *field, slivi_node x,
                                const slivi_objective_options *how,
                                size_t *chunks)
{
    size_t count = 1;
    if (!how->slices || !how->law || !slivi_law_is_isotropic(how->law))
        return slivi__refuse(g, SLIVI_EINVAL,
                             "objective: %zu slices of law %s; at least one, "
                             "and an isotropic law (E v v' = I) are needed",
                             how->slices,
                             how->law ? slivi_law_name(how->law) : "(none)");
    if (slivi__at(g, x) && slivi_node_rows(g, x) >= 0)
        return slivi__refuse(g, SLIVI_ESHAPE,
                             "objective: the rows of x are not the samples");
    if (slivi_node_rows(g, x) < SLIVI_ROWS && how->slices > 1)
        return slivi__refuse(g, SLIVI_EUNSUPPORTED,
                             "objective: %zu slices for each of several draws "
                             "of a sample; with those, slices is 1",
                             how->slices);
    x = slivi_variable(g, slivi_stop_gradient(g, x));
    slivi_node loss = which->build(g, field, x, how, &count);
    if (chunks)
        *chunks = count;
    return loss;
}
