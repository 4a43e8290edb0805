/* slivi/scorenet.h - a net for a score, with or without a Gaussian base.

   UNSTABLE until 1.0, as slivi/graph.h.

   The net models the score s_u of standardised samples u, and the score of z
   is s_z:

     base none                u = z                 s_z = r(u, c)
     base standard            u = z                 s_z = r(u, c) - u
     base gaussian, marginal  u = z A               s_z = (r(u) - u) A'
     base gaussian, with context c
                              u = (z - m(c)) / e^l(c)
                                                    s_z = (r(u, c) - u) / e^l(c)

   r is a multilayer perceptron, A = L'^-1 with L L' a covariance of z, whose
   mean is to be 0 then (it is best subtracted in double), and m, l come from a
   second perceptron, the head, fitted by maximum likelihood (never pooled
   moments: those are the marginal's).  Objectives are taken in u, so dsm's
   sigma is in units of u, and the base's trace is exactly -d.
   With a base the net starts at r = 0 and m = l = 0: as the base itself.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_SCORENET_H
#define SLIVI_SCORENET_H

#include "slivi/learn.h"
#include "slivi/objective.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slivi_scorenet slivi_scorenet;

typedef struct slivi_scorenet_spec {
    const char *name; /* prefix of its views */
    size_t dim;       /* of z */
    size_t context;   /* of c; 0: marginal */
    slivi_list hidden;
    const slivi_activation *activation;
    int gaussian; /* base gaussian */
    int standard; /* base standard, the score of N(0, I); not with gaussian */
} slivi_scorenet_spec;

/* Adds its views to p. */
slivi_scorenet *slivi_scorenet_create(slivi_params *p,
                                      const slivi_scorenet_spec *spec);
void slivi_scorenet_free(slivi_scorenet *net); /* NULL is fine */

/* The net in a graph: w its parameters there, context its c (or the null
   node); whiten (A, d x d) is needed for the marginal Gaussian base only. Must
   outlive the construction of the graph. */
typedef struct slivi_scorenet_use {
    const slivi_scorenet *net;
    slivi_weights *w;
    slivi_node context, whiten;
} slivi_scorenet_use;

/* s_z at z; no derivative passes into the head. */
slivi_node slivi_scorenet_score(slivi_scorenet_use *use, slivi_node z);
/* The loss of samples z to be minimised: the objective in u, plus the head's
   negative log-likelihood where there is a head. */
slivi_node slivi_scorenet_loss(slivi_scorenet_use *use, slivi_node z,
                               const slivi_objective *objective,
                               const slivi_objective_options *how,
                               size_t *chunks);

/* The exact objective sm of s_z in the fixed units z / scale (1 x d): the
   one to compare nets by, since u's units move with the head. */
slivi_node slivi_scorenet_held_out(slivi_scorenet_use *use, slivi_node z,
                                   slivi_node scale, size_t *chunks);

#ifdef __cplusplus
}
#endif
#endif
