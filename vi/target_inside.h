/* target_inside.h - what a kind of target gives, and what it is given.  Private
   to slivi.

   target.c counts points, cuts them into blocks of up to SLIVI__TARGET_BLOCK
   rows that the pool shares out (so that its threads do not change bits), and
   refuses what is not finite.  A kind is a table of functions with a `self` of its own:
   target_function.c has callbacks, target_graph.c expressions, and so on.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TARGET_INSIDE_H
#define SLIVI_TARGET_INSIDE_H

#include "slivi/target.h"

#include "base/base.h"

enum { SLIVI__TARGET_BLOCK = 64 }; /* rows of an eval at most */

/* The last point of a worker that was refused, and what was said. */
typedef struct slivi__refusal {
    int made;
    size_t row; /* of the whole call */
    char text[SLIVI__MESSAGE];
} slivi__refusal;

/* Rows of one call of eval. */
typedef struct slivi__points {
    size_t n;        /* 1..SLIVI__TARGET_BLOCK */
    const double *z; /* n x d, finite */
    const double *c; /* n x k; NULL where k is 0 */
    double *lp;      /* n, NaN before */
    double *grad;    /* n x d, NaN before; never NULL */
    size_t first;    /* number of the first row in the whole call */
    size_t worker;   /* 0 <= worker < threads of the pool; no two calls at the
                        same time have the same one */
    double *scratch; /* the worker's, shape.scratch doubles */
    slivi__refusal *refusal;
} slivi__points;

typedef struct slivi__target_type {
    /* lp and its gradient at the rows.  A point where the density is zero has
       lp -infinity, and its grad need not be set; slivi__target_refuse does
       this and says why.  Nonzero, with a message set, fails the whole call. */
    int (*eval)(void *self, const slivi__points *p);
    /* theta (n x outside) from z.  NULL: theta is z, and back. */
    int (*outside)(void *self, size_t n, const double *z, double *theta);
    /* And back.  NULL where outside is not: there is no way back. */
    int (*inside)(void *self, size_t n, const double *theta, double *z);
    /* Of entry i of theta, i < outside, owned by self.  NULL: z[1], ... */
    const char *(*name)(void *self, size_t i);
    /* Of coordinate j of z, for messages.  NULL: as theta's where there are as
       many, else z[j + 1]. */
    const char *(*coordinate)(void *self, size_t j);
    /* Before a pool (never NULL here) is used: makes what further workers
       need, or refuses.  On failure all is as it was.  NULL:
       SLIVI_EUNSUPPORTED; slivi__target_any_pool allows any.  Without a pool
       there is worker 0 alone. */
    int (*set_pool)(void *self, slivi_pool *pool);
    /* Takes the part of a step, SIZE_MAX: all.  NULL: there are no parts. */
    int (*part)(void *self, size_t step);
    void (*release)(void *self); /* NULL: nothing to free */
    /* 1: a row's bits do not depend on the rows beside it, and few large calls
       are cheaper than many small ones; so they are large without a pool. */
    int apart;
} slivi__target_type;

typedef struct slivi__target_shape {
    size_t d;       /* coordinates of z, >= 1 */
    size_t k;       /* of a context */
    size_t outside; /* entries of theta; d where type->outside is NULL */
    size_t rows;    /* of data, 0: no parts */
    size_t scratch; /* doubles for each worker */
} slivi__target_shape;

/* The target takes self over, also when this fails: then self is released at
   once.  NULL with SLIVI_EINVAL (d 0) or SLIVI_ENOMEM. */
slivi_target *slivi__target_create(const slivi__target_type *type, void *self,
                                   const slivi__target_shape *shape);

/* Density 0 at row i of p (its number in p): lp becomes -infinity, and the text
   is kept for slivi_target_refusal. */
void slivi__target_refuse(const slivi__points *p, size_t i, const char *format,
                          ...) SLIVI_PRINTF(3, 4);

/* Do the caller's parameters differ from the target's coordinates? */
int slivi__target_is_transformed(const slivi_target *t);

int slivi__target_any_pool(void *self, slivi_pool *pool); /* 0 */

/* slivi_target_eval, but where that fails with SLIVI_ENONFINITE lp is NaN, and
   grad's row is 0: for those who can do without a point. */
int slivi__target_try(slivi_target *t, size_t n, const double *z,
                      const double *c, double *lp, double *grad);

/* Of coordinate j of z, for messages; valid until the next such call. */
const char *slivi__target_coordinate(slivi_target *t, size_t j);

/* Name of the entry of theta that entry j of u makes. */
const char *slivi__transform_coordinate(const slivi_transform *t, size_t j);

/* ---- parts of the rows of data (target_parts.c) -------------------------- */

typedef struct slivi__parts {
    size_t rows, batch;
    uint64_t seed;
    size_t m;            /* rows of the present part */
    const size_t *index; /* m of them; NULL: all */
    uint64_t sweep;      /* that `order` holds; UINT64_MAX: none */
    uint32_t *order;     /* rows */
    size_t *room;        /* batch */
} slivi__parts;

/* Zeroed before.  SLIVI_EINVAL: batch not in 1..rows, rows >= 2^32. */
int slivi__parts_open(slivi__parts *p, size_t rows, size_t batch,
                      uint64_t seed);
void slivi__parts_close(slivi__parts *p);
int slivi__parts_take(slivi__parts *p, size_t step);

#endif
