/* mlp.h - parameters of a net with two hidden layers, and its gradient as a
   list of products.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_MLP_H
#define BENCH_MLP_H

#include "loops.h"
#include "product.h"

#include "slivi/pool.h"

#include <stddef.h>
#include <stdint.h>

enum { MLP_LAYERS = 3 };

/* Flat vectors of one layout, that of the library's parameters: for each net
   w1, b1, w2, b2, w3, b3, weights as [in][out]. */
typedef struct vectors {
    size_t size;
    float *value, *gradient, *square;
} vectors;

int vectors_create(vectors *v, size_t size);
void vectors_clear(vectors *v);

typedef struct mlp {
    const vectors *all;
    size_t width[MLP_LAYERS + 1];
    size_t w[MLP_LAYERS], b[MLP_LAYERS]; /* offsets */
    float *turned[MLP_LAYERS];           /* w', or NULL: see mlp_turn */
} mlp;

size_t mlp_size(const size_t width[MLP_LAYERS + 1]);
/* The net whose first entry is at `offset`; returns the offset beyond it. */
size_t mlp_place(mlp *net, const size_t width[MLP_LAYERS + 1],
                 const vectors *all, size_t offset);
/* Initial values as slivi_params_init draws them; `view` is the number of the
   net's first view. */
void mlp_init(const mlp *net, uint64_t seed, uint32_t stream, size_t view);
/* Transposes of the weights from `layer` on, where products need them. */
int mlp_turn(mlp *net, size_t layer);
void mlp_refresh(const mlp *net);
void mlp_clear(mlp *net);

/* y <- x W (+ y where add), W the rows from `first` of layer l: m x k */
void mlp_forward(const mlp *net, size_t l, size_t first, size_t k, size_t m,
                 const float *x, float *y, int add);
/* gx <- gy W' */
void mlp_back(const mlp *net, size_t l, size_t m, const float *gy, float *gx);
const float *mlp_bias(const mlp *net, size_t l);

/* ---- the gradient ------------------------------------------------------- */

/* Rows of the batch are cut into blocks, one for each thread.  Of a "stacked"
   array a block has twice its rows: first the primal ones, then as many
   tangent ones. */
enum part_kind {
    PART_PLAIN,   /* n rows against n rows */
    PART_STACKED, /* 2 n rows against 2 n rows, both stacked */
    PART_PRIMAL   /* n rows against the primal ones of a stacked array */
};

/* gw[first + i][j] = sum_r a[r][i] g[r][j], or gb[j] = sum_r g[r][j] where a
   is NULL */
typedef struct part {
    const mlp *net;
    size_t layer, first, rows;
    const float *a;
    const float *g;
    enum part_kind kind;
} part;

typedef struct tile {
    const part *of;
    size_t first, rows; /* of the part's */
} tile;

enum { PARTS_MOST = 16, TILES_MOST = 128 };

typedef struct parts {
    part at[PARTS_MOST];
    tile tile[TILES_MOST];
    size_t count, tiles;
    size_t blocks; /* threads */
    const loops *loop;
    /* of the present run: */
    size_t n;
    int add;           /* to the gradient as it is */
    const rmsprop *to; /* update with it, or NULL */
} parts;

void parts_add(parts *p, const mlp *net, size_t layer, size_t first,
               size_t rows, const float *a, const float *g,
               enum part_kind kind);
/* Cuts the parts into tiles for so many threads; once, after the last add. */
void parts_cut(parts *p, size_t blocks);
/* The gradient, and where p->to the update with it. */
int parts_run(parts *p, slivi_pool *pool);

/* First row of block i of n rows; block_first(n, blocks, blocks) is n. */
size_t block_first(size_t n, size_t i, size_t blocks);

#endif
