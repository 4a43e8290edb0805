/* targets.c - targets by name.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "targets_inside.h"

#include "slivi/option.h"

#include <math.h>
#include <string.h>

const slivi_target_entry slivi_target_entries[] = {
    {"banana", "x1 = y1, x2 = y2 - x1^2 - 1, y ~ N(0, [1 .9; .9 1]); d = 2",
     NULL, 0, slivi__exact_banana, slivi__create_banana},
    {"x-shaped",
     "halves N(0, [2 1.8; 1.8 2]) and N(0, [2 -1.8; -1.8 2]); d = 2", NULL, 0,
     slivi__exact_x_shaped, slivi__create_x_shaped},
    {"multimodal", "halves N((-2, 0), I) and N((2, 0), I); d = 2", NULL, 0,
     slivi__exact_multimodal, slivi__create_multimodal},
    {"four-modes",
     "N((2, 2), I), N((-2, -2), I), N((2, -2), I), N((-2, 2), I) with weights "
     "1/8, 1/8, 1/2, 1/4; d = 2",
     NULL, 0, slivi__exact_four_modes, slivi__create_four_modes},
    {"funnel", "v ~ N(0, 1), x1..x9 ~ N(0, sd exp(v/2)); d = 10", NULL, 0,
     slivi__exact_funnel, slivi__create_funnel},
    {"gaussian", "correlated, standard deviations from 0.1 to 3; d = 5", NULL,
     0, slivi__exact_gaussian, slivi__create_gaussian},
    {"logistic",
     "regression on a table whose last column is 0 or 1; an intercept, and a "
     "prior N(0, sd 10) on every weight",
     "csv", 1, NULL, slivi__create_logistic},
    {"eight_schools", "hierarchical model, data J, y, sigma; d = 10", "json", 0,
     NULL, slivi__create_eight_schools},
    {"kidiq", "kid_score on mom_iq, data N, kid_score, mom_iq; d = 3", "json",
     0, NULL, slivi__create_kidiq},
    {"sblri", "regression with a weak prior, data N, D, X, y; d = D + 1",
     "json", 0, NULL, slivi__create_sblri},
    {"arK", "autoregression of order K, data T, K, y; d = K + 2", "json", 0,
     NULL, slivi__create_arK},
    {"garch", "GARCH(1, 1), data T, y, sigma1; d = 4", "json", 0, NULL,
     slivi__create_garch},
    {"low_dim_gauss_mix", "two Gaussians mixed, data N, y; d = 5", "json", 0,
     NULL, slivi__create_low_dim_gauss_mix},
    {"diffusion", "a diffusion's path given 20 noisy observations; d = 100",
     NULL, 0, NULL, slivi__create_diffusion},
    {NULL, NULL, NULL, 0, NULL, NULL},
};

const slivi_target_entry *slivi_target_entry_find(const char *name)
{
    const slivi_target_entry *near = NULL;
    size_t least = 3; /* letters that may be wrong, and one */
    for (const slivi_target_entry *e = slivi_target_entries; e->name; e++) {
        size_t distance = slivi_word_distance(name, e->name);
        if (!strcmp(name, e->name))
            return e;
        if (distance < least) {
            least = distance;
            near = e;
        }
    }
    return slivi__fail_null(SLIVI_ENAME, "no target \"%.64s\"%s%s%s", name,
                            near ? "; did you mean \"" : "",
                            near ? near->name : "", near ? "\"?" : "");
}

slivi_target *slivi_target_named(const char *name, const char *data,
                                 size_t batch, uint64_t seed)
{
    const slivi_target_entry *e = slivi_target_entry_find(name);
    if (!e)
        return NULL;
    if (e->data && !data)
        return slivi__fail_null(SLIVI_EINVAL,
                                "target %s: needs a file of data (%s)", name,
                                e->data);
    if (data && !e->data)
        return slivi__fail_null(SLIVI_EINVAL,
                                "target %s: takes no data, but is given "
                                "\"%.256s\"",
                                name, data);
    if (batch && !e->has_parts)
        return slivi__fail_null(SLIVI_EUNSUPPORTED,
                                "target %s: has no minibatches", name);
    return e->create(data, batch, seed);
}

slivi_target *slivi__target_keep(slivi_target *t, void *model)
{
    if (t)
        slivi_target_own(t, slivi__free, model);
    else
        slivi__free(model);
    return t;
}

double slivi__settled(double lp)
{
    return lp < INFINITY ? lp : -INFINITY;
}
