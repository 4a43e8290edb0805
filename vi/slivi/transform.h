/* slivi/transform.h - parameters with bounds, and the unbounded coordinates in
   which inference works.

   theta (outside, constrained) is made from u (inside, any real numbers) block
   by block, in the order of the parameters:

     real      theta = offset + scale u
     lower     theta = lower + exp(u)
     upper     theta = upper - exp(u)
     interval  theta = lower + (upper - lower) sigmoid(u)
     simplex   count entries that are >= 0 and sum to 1, from count - 1 by
               stick breaking: with k = 1..count-1, y = sigmoid(u_k -
               log(count - k)) is the part that theta_k takes of what is left;
               so u = 0 is the centre
     ordered   theta_1 = u_1, theta_k = theta_{k-1} + exp(u_k)

   lower, upper, offset and scale are numbers, or affine functions of one
   entry of theta that came before.  A density p(theta) becomes that of u,

     log p(u) = log p(theta(u)) + log |det d theta / d u|

   (for simplex the volume is that of the first count - 1 entries), and its
   gradient (dtheta/du)' grad log p(theta) + d log|det| / du.

   Definitions as those of Stan (Carpenter et al., "Stan: a probabilistic
   programming language", 2017; reference manual, "Constraint transforms").

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TRANSFORM_H
#define SLIVI_TRANSFORM_H

#include "slivi/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* value + slope theta[of]; `of` counts entries of theta from 0 and is read
   where slope is not 0: an entry of an earlier parameter.  As in

       {.name = "alpha", .support = "interval", .upper.value = 1},
       {.name = "beta",                            in (0, 1 - alpha)
        .support = "interval",
        .upper = {.value = 1, .slope = -1, .of = 0}},
*/
typedef struct slivi_bound {
    double value;
    double slope;
    size_t of;
} slivi_bound;

typedef struct slivi_parameter {
    const char *name;    /* copied; entries are name, or name[1], name[2], ... */
    size_t count;        /* 0: one entry called name; else name[1]..name[count] */
    const char *support; /* one of slivi_support_names; NULL: "real" */
    slivi_bound lower;   /* of lower and interval */
    slivi_bound upper;   /* of upper and interval */
    slivi_bound offset;  /* of real */
    slivi_bound scale;   /* of real; all zero: 1 */
} slivi_parameter;

/* "real", "lower", "upper", "interval", "simplex", "ordered"; NULL-terminated. */
extern const char *const slivi_support_names[];

typedef struct slivi_transform slivi_transform;

/* NULL with SLIVI_EINVAL (no parameters, a bound of a later entry or of the
   parameter's own, one that is not finite, one that the support does not read,
   lower >= upper where both are numbers, a scale that is a number <= 0, a
   simplex or ordered of fewer than 2 entries, a name that is empty or taken),
   SLIVI_ENAME (support) or SLIVI_ENOMEM. */
slivi_transform *slivi_transform_create(size_t count,
                                        const slivi_parameter parameters[]);
void slivi_transform_free(slivi_transform *t); /* NULL is fine */

size_t slivi_transform_inside(const slivi_transform *t);  /* entries of u */
size_t slivi_transform_outside(const slivi_transform *t); /* of theta */
/* Name of entry i of theta, owned by t; NULL beyond the last. */
const char *slivi_transform_name(const slivi_transform *t, size_t i);

/* The calls below work on n rows (n x inside, n x outside, row-major), allocate
   nothing and read t only, so threads may share it. */

/* theta from u; log_det (n), unless NULL, is log |det d theta / d u|.  theta is
   never rounded onto a bound, and distances from bounds and entries of a simplex
   never below DBL_MIN, so that logs and inverses of them are finite.  An exp that
   overflows, or a scale or an interval that is not positive, makes theta or
   log_det what is not finite; that is no failure. */
void slivi_transform_out(const slivi_transform *t, size_t n, const double *u,
                         double *theta, double *log_det);
/* gu = (dtheta/du)' gtheta + d log_det / du, with theta that of u.  scratch:
   outside entries. */
void slivi_transform_gradient(const slivi_transform *t, size_t n,
                              const double *u, const double *theta,
                              const double *gtheta, double *gu,
                              double *scratch);
/* u from theta; SLIVI_EINVAL names the row and the entry that is not inside of
   its support (for a simplex: that is not > 0, or the last where the sum is off
   from 1 by more than 1e-8). */
int slivi_transform_in(const slivi_transform *t, size_t n, const double *theta,
                       double *u);

#ifdef __cplusplus
}
#endif
#endif
