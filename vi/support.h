/* support.h - the supports of parameters: how each is made from unbounded
   coordinates.  Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_SUPPORT_H
#define SLIVI_SUPPORT_H

#include "slivi/transform.h"

/* What a support reads of a parameter: bit i for bound i. */
enum slivi__bound {
    SLIVI__LOWER,
    SLIVI__UPPER,
    SLIVI__OFFSET,
    SLIVI__SCALE,
    SLIVI__BOUNDS
};

typedef struct slivi__support slivi__support;

/* A parameter's entries. */
typedef struct slivi__block {
    const slivi__support *support;
    size_t u, theta;  /* where they begin, inside and outside */
    size_t nu, count; /* how many there are */
    slivi_bound bound[SLIVI__BOUNDS];
} slivi__block;

/* Of one row.  `all` is the whole row of theta; x, u and their adjoints are the
   block's. */
struct slivi__support {
    const char *name;
    const char *rule; /* what its entries are, for messages */
    unsigned reads;
    size_t least;   /* entries */
    size_t dropped; /* entries outside that have no coordinate inside */
    /* x from u; returns log |det| */
    double (*out)(const slivi__block *b, const double *all, const double *u,
                  double *x);
    /* gu = (dx/du)' gx + d log|det| / du, and to gall what bounds feel */
    void (*pull)(const slivi__block *b, const double *all, const double *u,
                 const double *gx, double *gu, double *gall);
    /* u from x; returns the number of an entry that breaks the rule, or
       count */
    size_t (*in)(const slivi__block *b, const double *all, const double *x,
                 double *u);
};

/* NULL: "real".  NULL with SLIVI_ENAME where there is none. */
const slivi__support *slivi__support_find(const char *name);

#endif
