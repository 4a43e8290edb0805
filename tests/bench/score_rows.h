/* score_rows.h - a score net's step, cut into what works on rows and what
   works on weights; shared by the two direct versions.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_SCORE_ROWS_H
#define BENCH_SCORE_ROWS_H

#include "mlp.h"

enum { BLOCKS_MOST = 64, PAD = 8 };

/* Sums of one block, a cache line of its own. */
typedef struct sums {
    double at[PAD];
} sums;

typedef struct score_rows {
    mlp net;
    size_t d, c;
    size_t blocks;
    const float *x;         /* rows x c, of the present chunk */
    float *zv;              /* stacked: z over slices */
    float *h[2], *g[2], *s; /* stacked; s is [s; v] / n, then read only */
    parts grad;
    sums sum[BLOCKS_MOST];
} score_rows;

/* Buffers for `most` rows; `x` is where a chunk's context will be. */
int score_rows_create(score_rows *r, size_t d, size_t c, const size_t hidden[2],
                      size_t most, size_t blocks, const vectors *all,
                      const float *x);
void score_rows_clear(score_rows *r);

/* Forward and backward for block i of a chunk of n rows, of a batch of `all`
   rows; z and v are in place. */
void score_rows_run(score_rows *r, size_t i, size_t n, size_t all);
/* The loss of all blocks, and sums back to 0. */
double score_rows_loss(score_rows *r);

/* Where block i of n has its z; its v lies m rows behind, m the block's. */
float *score_rows_z(const score_rows *r, size_t i, size_t n, size_t *first,
                    size_t *m);

#endif
