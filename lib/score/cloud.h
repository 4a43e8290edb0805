/* cloud.h - samples in blocks, side by side, for sums over all pairs; sorting.
   Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_SCORE_CLOUD_H
#define SLIVI_SCORE_CLOUD_H

#include <stddef.h>

enum {
    SLIVI__LANES = 8,   /* samples of a block, side by side */
    SLIVI__CHUNK = 128, /* samples that a row of a tile meets at a time */
    SLIVI__TILE = 32    /* rows of a task */
};

/* Without it the sums of the lanes go through memory. */
#if defined __GNUC__
#define SLIVI__UNROLLED _Pragma("GCC unroll 8")
#else
#define SLIVI__UNROLLED
#endif

/* n samples, and the same in blocks of d x LANES, 0 beyond n. */
typedef struct slivi__cloud {
    size_t n;
    const double *rows;
    double *blocks;
} slivi__cloud;

static inline size_t slivi__round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* blocks: round_up(n, LANES) d doubles */
slivi__cloud slivi__cloud_pack(size_t n, size_t d, const double *x,
                               double *blocks);
/* SLIVI_ENONFINITE names an entry that is not finite or beyond 1e140: squares
   and their sums do not overflow. */
int slivi__cloud_check(const char *what, const char *name, size_t n, size_t d,
                       const double *x);

/* x ascending; spare has as much room. */
void slivi__sort(size_t n, double *x, double *spare);

/* sum_t |x - p_t|^2 of a block.  By differences: the samples may be far from
   0. */
static inline void slivi__cloud_squares(size_t d, const double *x,
                                        const double *p,
                                        double sum[SLIVI__LANES])
{
    double s[SLIVI__LANES] = {0};
    for (size_t k = 0; k < d; k++, p += SLIVI__LANES)
        SLIVI__UNROLLED for (size_t t = 0; t < SLIVI__LANES; t++)
            s[t] += (x[k] - p[t]) * (x[k] - p[t]);
    for (size_t t = 0; t < SLIVI__LANES; t++)
        sum[t] = s[t];
}

/* The same tree for any number of blocks. */
static inline double slivi__fold(const double sum[SLIVI__LANES])
{
    return ((sum[0] + sum[4]) + (sum[2] + sum[6]))
           + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

#endif
