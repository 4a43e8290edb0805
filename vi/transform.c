/* transform.c - parameters with bounds, and their unbounded coordinates.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/transform.h"

#include "base/base.h"
#include "support.h"
#include "target_inside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct slivi_transform {
    size_t count; /* of blocks */
    slivi__block *block;
    size_t inside, outside;
    char *text;   /* all names, one behind the other */
    char **label; /* outside */
};

static const char *const bound_names[SLIVI__BOUNDS] = {"lower", "upper",
                                                       "offset", "scale"};

/* -- making one ------------------------------------------------------------ */

static int is_set(const slivi_bound *b)
{
    return b->value != 0 || b->slope != 0;
}

/* Bounds as numbers, or of an entry before `theta`; none that is not read. */
static int check_bounds(const slivi_parameter *p, const slivi__block *b)
{
    for (int i = 0; i < SLIVI__BOUNDS; i++) {
        const slivi_bound *at = b->bound + i;

        if (!(isfinite(at->value) && isfinite(at->slope)))
            return slivi__fail(SLIVI_EINVAL,
                               "parameter %s: %s is %g + %g theta, not finite",
                               p->name, bound_names[i], at->value, at->slope);
        if (is_set(at) && !(b->support->reads & 1u << i))
            return slivi__fail(SLIVI_EINVAL,
                               "parameter %s: the support \"%s\" has no %s",
                               p->name, b->support->name, bound_names[i]);
        if (at->slope != 0 && at->of >= b->theta)
            return slivi__fail(SLIVI_EINVAL,
                               "parameter %s: %s depends on entry %zu, but "
                               "only %zu come before",
                               p->name, bound_names[i], at->of, b->theta);
    }
    return 0;
}

static int check_numbers(const slivi_parameter *p, slivi__block *b)
{
    const slivi_bound *lower = b->bound + SLIVI__LOWER, *upper = lower + 1;
    const unsigned both = 1u << SLIVI__LOWER | 1u << SLIVI__UPPER;
    slivi_bound *scale = b->bound + SLIVI__SCALE;

    if ((b->support->reads & both) == both && lower->slope == 0
        && upper->slope == 0 && lower->value >= upper->value)
        return slivi__fail(SLIVI_EINVAL,
                           "parameter %s: lower %g is not below upper %g",
                           p->name, lower->value, upper->value);
    if (!is_set(scale))
        scale->value = 1;
    if (scale->slope == 0 && scale->value <= 0)
        return slivi__fail(SLIVI_EINVAL, "parameter %s: scale is %g, not > 0",
                           p->name, scale->value);
    return 0;
}

/* Of an entry of `vector`, "x[1]", the name of another? */
static int hides(const slivi_parameter *vector, const slivi_parameter *other)
{
    const size_t length = strlen(vector->name);

    return vector->count > 0 && strncmp(other->name, vector->name, length) == 0
           && other->name[length] == '[';
}

static int check_name(const slivi_parameter p[], size_t i)
{
    if (p[i].name == NULL || p[i].name[0] == '\0')
        return slivi__fail(SLIVI_EINVAL, "parameter %zu has no name", i);
    for (size_t j = 0; j < i; j++)
        if (strcmp(p[i].name, p[j].name) == 0 || hides(p + i, p + j)
            || hides(p + j, p + i))
            return slivi__fail(SLIVI_EINVAL,
                               "parameter %zu: the name %s is taken", i,
                               p[i].name);
    return 0;
}

static int add_block(slivi_transform *t, const slivi_parameter p[], size_t i)
{
    slivi__block *b = t->block + i;
    int status = check_name(p, i);

    if (status != 0)
        return status;
    b->support = slivi__support_find(p[i].support);
    if (b->support == NULL)
        return slivi__fail_in(SLIVI_ENAME, "parameter %s", p[i].name);
    b->count = p[i].count > 0 ? p[i].count : 1;
    if (b->count < b->support->least)
        return slivi__fail(
            SLIVI_EINVAL, "parameter %s: %zu entries, \"%s\" has at least %zu",
            p[i].name, b->count, b->support->name, b->support->least);
    b->nu = b->count - b->support->dropped;
    b->u = t->inside;
    b->theta = t->outside;
    b->bound[SLIVI__LOWER] = p[i].lower;
    b->bound[SLIVI__UPPER] = p[i].upper;
    b->bound[SLIVI__OFFSET] = p[i].offset;
    b->bound[SLIVI__SCALE] = p[i].scale;
    t->inside += b->nu;
    status = check_bounds(p + i, b);
    if (status == 0)
        status = check_numbers(p + i, b);
    return status != 0 ? status : slivi__add(t->outside, b->count, &t->outside);
}

enum { DIGITS = 24 }; /* of "[", a number, "]" and the end */

static int add_names(slivi_transform *t, const slivi_parameter p[])
{
    size_t room = 0, i = 0;
    char *at;

    for (size_t k = 0; k < t->count; k++) {
        size_t more;

        if (slivi__mul(t->block[k].count, strlen(p[k].name) + DIGITS, &more)
            || slivi__add(room, more, &room))
            return SLIVI_EOVERFLOW;
    }
    t->text = slivi__alloc(room, 1);
    t->label = slivi__alloc(t->outside, sizeof *t->label);
    if (t->text == NULL || t->label == NULL)
        return SLIVI_ENOMEM;
    at = t->text;
    for (size_t k = 0; k < t->count; k++)
        for (size_t j = 1; j <= t->block[k].count; j++) {
            const size_t most = strlen(p[k].name) + DIGITS;

            t->label[i++] = at;
            if (p[k].count == 0)
                at += snprintf(at, most, "%s", p[k].name) + 1;
            else
                at += snprintf(at, most, "%s[%zu]", p[k].name, j) + 1;
        }
    return 0;
}

slivi_transform *slivi_transform_create(size_t count,
                                        const slivi_parameter parameters[])
{
    slivi_transform *t;
    int status = 0;

    if (count == 0)
        return slivi__fail_null(SLIVI_EINVAL, "there are no parameters");
    t = slivi__alloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->block = slivi__alloc(count, sizeof *t->block);
    if (t->block == NULL)
        status = SLIVI_ENOMEM;
    t->count = count;
    for (size_t i = 0; status == 0 && i < count; i++)
        status = add_block(t, parameters, i);
    if (status == 0)
        status = add_names(t, parameters);
    if (status != 0) {
        slivi_transform_free(t);
        return NULL;
    }
    return t;
}

void slivi_transform_free(slivi_transform *t)
{
    if (t == NULL)
        return;
    slivi__free(t->block);
    slivi__free(t->text);
    slivi__free(t->label);
    slivi__free(t);
}

/* -- what it is ------------------------------------------------------------ */

size_t slivi_transform_inside(const slivi_transform *t)
{
    return t->inside;
}

size_t slivi_transform_outside(const slivi_transform *t)
{
    return t->outside;
}

const char *slivi_transform_name(const slivi_transform *t, size_t i)
{
    return i < t->outside ? t->label[i] : NULL;
}

const char *slivi__transform_coordinate(const slivi_transform *t, size_t j)
{
    const slivi__block *b = t->block;

    while (j >= b->u + b->nu)
        b++;
    return t->label[b->theta + j - b->u];
}

/* -- use ------------------------------------------------------------------- */

void slivi_transform_out(const slivi_transform *t, size_t n, const double *u,
                         double *theta, double *log_det)
{
    for (size_t i = 0; i < n; i++, u += t->inside, theta += t->outside) {
        double sum = 0;

        for (const slivi__block *b = t->block; b < t->block + t->count; b++)
            sum += b->support->out(b, theta, u + b->u, theta + b->theta);
        if (log_det != NULL)
            log_det[i] = sum;
    }
}

void slivi_transform_gradient(const slivi_transform *t, size_t n,
                              const double *u, const double *theta,
                              const double *gtheta, double *gu, double *scratch)
{
    for (size_t i = 0; i < n; i++) {
        memcpy(scratch, gtheta, t->outside * sizeof *scratch);
        /* backwards: what bounds feel belongs to entries that came before */
        for (const slivi__block *b = t->block + t->count; b-- > t->block;)
            b->support->pull(b, theta, u + b->u, scratch + b->theta, gu + b->u,
                             scratch);
        u += t->inside;
        theta += t->outside;
        gtheta += t->outside;
        gu += t->inside;
    }
}

int slivi_transform_in(const slivi_transform *t, size_t n, const double *theta,
                       double *u)
{
    for (size_t i = 0; i < n; i++, u += t->inside, theta += t->outside)
        for (const slivi__block *b = t->block; b < t->block + t->count; b++) {
            const double *x = theta + b->theta;
            const size_t bad = b->support->in(b, theta, x, u + b->u);

            if (bad < b->count)
                return slivi__fail(SLIVI_EINVAL, "row %zu: %s is %g, not %s", i,
                                   t->label[b->theta + bad], x[bad],
                                   b->support->rule);
        }
    return 0;
}
