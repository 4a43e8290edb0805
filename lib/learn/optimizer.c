/* optimizer.c - the table of optimisers, and the options of learning.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "learn/optimizer.h"

#include <math.h>
#include <string.h>

static void momentum(const slivi__kernels *k, const slivi__update *u)
{
    k->momentum(u);
}

static void rmsprop(const slivi__kernels *k, const slivi__update *u)
{
    k->rmsprop(u);
}

static void adam(const slivi__kernels *k, const slivi__update *u)
{
    k->adam(u);
}

static const slivi__optimizer optimizers[] = {
    {.name = "momentum", .state = {"momentum"}, .update = momentum},
    {.name = "rmsprop",
     .state = {"square", "momentum"},
     .needs = {0, 1},
     .update = rmsprop},
    {.name = "adam", .state = {"m", "v"}, .update = adam},
};

const char *const slivi_optimizer_names[] = {"momentum", "rmsprop", "adam",
                                             NULL};

const slivi__optimizer *slivi__optimizer_find(const char *name)
{
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++)
        if (!strcmp(optimizers[i].name, name))
            return &optimizers[i];
    return slivi__fail_null(SLIVI_ENAME, "no optimizer \"%.64s\"", name);
}

int slivi__optimizer_keeps(const slivi__optimizer *o, size_t k,
                           const slivi_learning *how)
{
    return o->state[k] && (!o->needs[k] || how->momentum > 0);
}

/* ---- options ---------------------------------------------------------- */

/* Decays stay below 1, where adam would divide by 0 and averages stand still;
   epsilon stays above 0, where a zero gradient would give 0/0. */
#define DECAY_MOST 0.999999999
#define EPSILON_LEAST 1e-30

#define REAL_OPTION(FIELD, LEAST, MOST, INITIAL, HELP)                         \
    {                                                                          \
        .name = #FIELD, .kind = SLIVI_OPTION_REAL,                             \
        .offset = offsetof(slivi_learning, FIELD), .least = (LEAST),           \
        .most = (MOST), .initial = (INITIAL), .help = (HELP)                   \
    }
#define SIZE_OPTION(FIELD, INITIAL, HELP)                                      \
    {                                                                          \
        .name = #FIELD, .kind = SLIVI_OPTION_SIZE,                             \
        .offset = offsetof(slivi_learning, FIELD), .least = 0, .most = 1e15,   \
        .initial = (INITIAL), .help = (HELP)                                   \
    }
#define NAME_OPTION(FIELD, NAMES, INITIAL, HELP)                               \
    {                                                                          \
        .name = #FIELD, .kind = SLIVI_OPTION_NAME,                             \
        .offset = offsetof(slivi_learning, FIELD), .initial = (INITIAL),       \
        .names = (NAMES), .help = (HELP)                                       \
    }

const slivi_option slivi_learning_options[] = {
    NAME_OPTION(optimizer, slivi_optimizer_names, "rmsprop",
                "how parameters follow the gradient"),
    NAME_OPTION(schedule, slivi_schedule_names, "constant",
                "course of the learning rate"),
    REAL_OPTION(rate, 0, INFINITY, "1e-3", "learning rate"),
    REAL_OPTION(momentum, 0, DECAY_MOST, "0",
                "momentum of momentum and rmsprop"),
    REAL_OPTION(alpha, 0, DECAY_MOST, "0.99",
                "rmsprop: decay of the mean square"),
    REAL_OPTION(beta1, 0, DECAY_MOST, "0.9", "adam: decay of the mean"),
    REAL_OPTION(beta2, 0, DECAY_MOST, "0.999",
                "adam: decay of the mean square"),
    REAL_OPTION(epsilon, EPSILON_LEAST, INFINITY, "1e-8",
                "rmsprop, adam: added to the root of the mean square"),
    REAL_OPTION(clip, 0, INFINITY, "0",
                "largest norm of the gradient; 0: no bound"),
    REAL_OPTION(average, 0, DECAY_MOST, "0",
                "decay of the averaged parameters; 0: no averages"),
    SIZE_OPTION(warmup, "0", "steps over which the rate rises"),
    SIZE_OPTION(steps, "0", "step at which linear and cosine arrive at 0"),
    {.name = NULL}};
