/* score_groups.h - samples in groups of equal contexts.  Private.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_SCORE_GROUPS_H
#define SLIVI_SCORE_GROUPS_H

#include "base/base.h"

/* Memory that only grows. */
typedef struct slivi__block {
    void *memory;
    size_t bytes;
} slivi__block;

/* At least so many bytes, zero where they are new; what there was is lost then,
   but not after a failure. */
int slivi__block_hold(slivi__block *b, size_t bytes);
void slivi__block_clear(slivi__block *b);

typedef struct slivi__groups {
    size_t dim, context;  /* columns */
    size_t n, count;      /* samples, groups */
    double *z;            /* n x dim: group by group, as they came within one */
    size_t *first;        /* count + 1: the sample with which each begins */
    size_t *row;          /* count: that sample's row among those taken */
    size_t *of;           /* n: each row's group */
    double *contexts;     /* count x context */
    const double **at;    /* count: of each group the context */
    size_t *table, slots; /* group + 1 by hash, 0: empty; at least 2 n, 2^k */
    slivi__block rows, kept;
} slivi__groups;

/* Takes n samples; the context of sample i is row which[i] of ctx, or row i
   where which is NULL.  Contexts are equal when their bits are; without context
   there is one group.  Groups are in the order in which they come.  Allocates
   when there are more samples or groups than ever; after a failure there are no
   samples. */
int slivi__groups_take(slivi__groups *g, const double *z, const double *ctx,
                       const size_t *which, size_t n);
/* The group of a context, or count. */
size_t slivi__groups_find(const slivi__groups *g, const double *ctx);
void slivi__groups_clear(slivi__groups *g);

#endif
