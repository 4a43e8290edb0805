/* slivi/objective.h - how a score is learnt: the objectives of score matching
   as nodes of a graph.

   UNSTABLE until 1.0, as slivi/graph.h.

   Notation: p the density of the samples x (n x d), s = d log q / dx the
   model's score, A = ds/dx, v a slice with E v v' = I.  Every objective is,
   up to a constant that does not depend on the model, an estimate of the
   Fisher divergence  1/2 E_p |s - d log p/dx|^2  (dsm: that of p convolved
   with N(0, sigma^2 I)).

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_OBJECTIVE_H
#define SLIVI_OBJECTIVE_H

#include "slivi/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- fields: what is fitted ------------------------------------------- */

enum slivi_field_kind {
    SLIVI_FIELD_SCORE, /* apply gives s, as many columns as x */
    SLIVI_FIELD_ENERGY /* apply gives log q up to a constant, one column */
};

/* A function of x as a builder of nodes; x may have S n rows. */
typedef struct slivi_field {
    enum slivi_field_kind kind;
    slivi_node (*apply)(slivi_graph *g, slivi_node x, void *ctx);
    /* Optional, for scores: a part that is known and is not fitted.  The score
       is base + apply, and *trace (n x 1 or 1 x 1) is the trace of the base's
       derivative, which then needs no slices. */
    slivi_node (*base)(slivi_graph *g, slivi_node x, slivi_node *trace,
                       void *ctx);
    /* Optional, for scores: tr d apply / dx in closed form, n x 1. */
    slivi_node (*trace)(slivi_graph *g, slivi_node x, void *ctx);
    void *ctx;
} slivi_field;

/* s at x: base + apply, or the gradient of the energy. */
slivi_node slivi_field_score(slivi_graph *g, const slivi_field *field,
                             slivi_node x);

/* ---- objectives ------------------------------------------------------- */

typedef struct slivi_objective_options {
    size_t slices;        /* M slices (dsm: noises) for each sample */
    const slivi_law *law; /* of the slices; isotropic */
    double sigma;         /* dsm: standard deviation of the noise */
    uint32_t stream;      /* of the noise */
} slivi_objective_options;

typedef struct slivi_objective {
    const char *name;
    const char *help;
    slivi_node (*build)(slivi_graph *g, const slivi_field *field, slivi_node x,
                        const slivi_objective_options *how, size_t *chunks);
} slivi_objective;

/* sm      exact:      E[ tr A + |s|^2 / 2 ]              (Hyvarinen 2005)
   ssm     sliced:     E[ v'A v + (v's)^2 / 2 ]           (Song et al. 2019, 8)
   ssm-vr  sliced, reduced variance:
                       E[ v'A v + |s|^2 / 2 ]             (Song et al. 2019, 9)
   dsm     denoising:  E[ |s(x + e) + e / sigma^2|^2 / 2 ], e ~ N(0, sigma^2 I)
                                                          (Vincent 2011)
   An even number of dsm's noises is drawn as antithetic pairs. */
extern const slivi_objective *const slivi_objectives[]; /* NULL at the end */
extern const char *const slivi_objective_names[];       /* NULL at the end */
const slivi_objective *slivi_objective_find(const char *name);

/* The loss, 1 x 1, of samples x (SLIVI_ROWS x d; what lies behind x is held
   fixed).  x may have S n rows, S draws for each sample; then slices must be 1:
   each draw has a slice of its own.  *chunks is the number of runs (chunk = 0, 1, ...) whose losses, and
   gradients, must be added up: 1 for all but sm with d > 64 without a closed
   form.
   Refused with SLIVI_EUNSUPPORTED: a field with a jump (the kink of relu, once
   differentiated) where the objective differentiates across it, since the
   mean of the derivative would miss the jump's delta.  With SLIVI_EINVAL: no
   slices, a law that is not isotropic, a sigma that is not positive. */
slivi_node slivi_objective_loss(slivi_graph *g, const slivi_objective *which,
                                const slivi_field *field, slivi_node x,
                                const slivi_objective_options *how,
                                size_t *chunks);

#ifdef __cplusplus
}
#endif
#endif
