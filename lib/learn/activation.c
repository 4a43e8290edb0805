/* activation.c - the table of activations.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "slivi/learn.h"

#include <string.h>

static slivi_node identity(slivi_graph *g, slivi_node x)
{
    (void)g;
    return x;
}

static slivi_node leaky_relu(slivi_graph *g, slivi_node x)
{
    return slivi_leaky_relu(g, x, 0.2);
}

/* name, builder: one list makes the table and the names. */
#define ACTIVATIONS(X)                                                         \
    X("identity", identity)                                                    \
    X("tanh", slivi_tanh)                                                      \
    X("softplus", slivi_softplus)                                              \
    X("sigmoid", slivi_sigmoid)                                                \
    X("relu", slivi_relu)                                                      \
    X("leaky-relu", leaky_relu)                                                \
    X("elu", slivi_elu)                                                        \
    X("silu", slivi_silu)                                                      \
    X("gelu", slivi_gelu)                                                      \
    X("sin", slivi_sin)

#define AS_NAME(NAME, APPLY) NAME,
#define AS_ENTRY(NAME, APPLY) &(const slivi_activation){NAME, APPLY},

const slivi_activation *const slivi_activations[] = {ACTIVATIONS(AS_ENTRY)
                                                         NULL};
const char *const slivi_activation_names[] = {ACTIVATIONS(AS_NAME) NULL};

const slivi_activation *slivi_activation_find(const char *name)
{
    char list[160] = "";
    for (size_t i = 0; slivi_activations[i]; i++) {
        if (!strcmp(slivi_activations[i]->name, name))
            return slivi_activations[i];
        strcat(strcat(list, i ? ", " : ""), slivi_activations[i]->name);
    }
    return slivi__fail_null(SLIVI_ENAME, "no activation \"%.64s\"; there is %s",
                            name, list);
}
