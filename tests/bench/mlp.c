/* mlp.c - parameters of nets, and their gradients by tiles of rows.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "mlp.h"

#include "base/base.h"

#include <math.h>
#include <string.h>

#ifndef TILE_ENTRIES
#define TILE_ENTRIES 32768
#endif

int vectors_create(vectors *v, size_t size)
{
    v->size = size;
    v->value = slivi__alloc(size, sizeof(float));
    v->gradient = slivi__alloc(size, sizeof(float));
    v->square = slivi__alloc(size, sizeof(float));
    return v->value && v->gradient && v->square ? 0 : SLIVI_ENOMEM;
}

void vectors_clear(vectors *v)
{
    slivi__free(v->value);
    slivi__free(v->gradient);
    slivi__free(v->square);
    memset(v, 0, sizeof *v);
}

/* ---- nets --------------------------------------------------------------- */

size_t mlp_size(const size_t width[MLP_LAYERS + 1])
{
    size_t size = 0;
    for (size_t l = 0; l < MLP_LAYERS; l++)
        size += (width[l] + 1) * width[l + 1];
    return size;
}

size_t mlp_place(mlp *net, const size_t width[MLP_LAYERS + 1],
                 const vectors *all, size_t offset)
{
    memset(net, 0, sizeof *net);
    net->all = all;
    memcpy(net->width, width, sizeof net->width);
    for (size_t l = 0; l < MLP_LAYERS; l++) {
        net->w[l] = offset;
        net->b[l] = offset + width[l] * width[l + 1];
        offset = net->b[l] + width[l + 1];
    }
    return offset;
}

static void init_view(float *x, size_t rows, size_t cols, double bound,
                      slivi_address at)
{
    slivi_draw_f32(slivi_law_uniform, &at, rows, cols, x);
    for (size_t i = 0; i < rows * cols; i++)
        x[i] = (float)(bound * (2 * (double)x[i] - 1));
}

void mlp_init(const mlp *net, uint64_t seed, uint32_t stream, size_t view)
{
    slivi_address at = {.seed = seed, .stream = stream, .step = view};
    for (size_t l = 0; l < MLP_LAYERS; l++) {
        const size_t in = net->width[l], out = net->width[l + 1];
        const double bound = 1 / sqrt((double)in);
        init_view(net->all->value + net->w[l], in, out, bound, at);
        at.step++;
        init_view(net->all->value + net->b[l], 1, out, bound, at);
        at.step++;
    }
    mlp_refresh(net);
}

int mlp_turn(mlp *net, size_t layer)
{
    for (size_t l = layer; l < MLP_LAYERS && SLIVI_BENCH_KERNEL; l++) {
        net->turned[l] = slivi__alloc(net->width[l] * net->width[l + 1],
                                      sizeof(float));
        if (!net->turned[l])
            return SLIVI_ENOMEM;
    }
    return 0;
}

static matrix weights(const mlp *net, size_t l, size_t first)
{
    const size_t out = net->width[l + 1];
    return (matrix){net->all->value + net->w[l] + first * out, out};
}

static void refresh(const mlp *net, size_t l, size_t first, size_t rows)
{
    if (net->turned[l])
        transpose(rows, net->width[l + 1], weights(net, l, first),
                  net->turned[l] + first, net->width[l]);
}

void mlp_refresh(const mlp *net)
{
    for (size_t l = 0; l < MLP_LAYERS; l++)
        refresh(net, l, 0, net->width[l]);
}

void mlp_clear(mlp *net)
{
    for (size_t l = 0; l < MLP_LAYERS; l++)
        slivi__free(net->turned[l]);
    memset(net, 0, sizeof *net);
}

void mlp_forward(const mlp *net, size_t l, size_t first, size_t k, size_t m,
                 const float *x, float *y, int add)
{
    const size_t out = net->width[l + 1];
    product(m, out, k, (matrix){x, k}, weights(net, l, first),
            (matrix){NULL, 0}, y, out, add);
}

void mlp_back(const mlp *net, size_t l, size_t m, const float *gy, float *gx)
{
    const size_t in = net->width[l], out = net->width[l + 1];
    product(m, in, out, (matrix){gy, out}, (matrix){net->turned[l], in},
            weights(net, l, 0), gx, in, 0);
}

const float *mlp_bias(const mlp *net, size_t l)
{
    return net->all->value + net->b[l];
}

/* ---- gradients ---------------------------------------------------------- */

size_t block_first(size_t n, size_t i, size_t blocks)
{
    return n * i / blocks;
}

void parts_add(parts *p, const mlp *net, size_t layer, size_t first,
               size_t rows, const float *a, const float *g, enum part_kind kind)
{
    if (rows)
        p->at[p->count++] = (part){net, layer, first, rows, a, g, kind};
}

/* Tiles whose gradient, square and values stay in a cache of L2 between the
   product and the update, but at least one for each thread. */
static size_t count_cuts(const part *of, size_t blocks)
{
    const size_t out = of->net->width[of->layer + 1];
    const size_t cuts = (of->rows * out + TILE_ENTRIES - 1) / TILE_ENTRIES;
    if (!of->a || of->rows < 16 * blocks)
        return 1;
    return (cuts + blocks - 1) / blocks * blocks;
}

void parts_cut(parts *p, size_t blocks)
{
    p->blocks = blocks;
    for (size_t k = 0; k < p->count; k++) {
        const part *of = &p->at[k];
        const size_t cuts = count_cuts(of, blocks);
        for (size_t i = 0; i < cuts && p->tiles < TILES_MOST; i++) {
            const size_t first = block_first(of->rows, i, cuts);
            p->tile[p->tiles++] = (tile){
                of, first, block_first(of->rows, i + 1, cuts) - first};
        }
    }
}

static void weight_tile(const parts *p, const tile *t, float *gw)
{
    const part *of = t->of;
    const size_t in = of->rows, out = of->net->width[of->layer + 1];
    const float *a = of->a + t->first;
    if (of->kind != PART_PRIMAL) {
        product_t(t->rows, out, of->kind == PART_STACKED ? 2 * p->n : p->n,
                  (matrix){a, in}, (matrix){of->g, out}, gw, out, p->add);
        return;
    }
    for (size_t i = 0; i < p->blocks; i++) {
        size_t r = block_first(p->n, i, p->blocks);
        size_t m = block_first(p->n, i + 1, p->blocks) - r;
        product_t(t->rows, out, m, (matrix){a + r * in, in},
                  (matrix){of->g + 2 * r * out, out}, gw, out, p->add || i);
    }
}

static void bias_tile(const parts *p, const part *of, float *gb)
{
    const size_t out = of->net->width[of->layer + 1];
    const size_t space = of->kind == PART_PLAIN ? 1 : 2;
    for (size_t i = 0; i < p->blocks; i++) {
        size_t r = block_first(p->n, i, p->blocks);
        size_t m = block_first(p->n, i + 1, p->blocks) - r;
        p->loop->column_sum(m, out, of->g + space * r * out, p->add || i, gb);
    }
}

static int run_tile(size_t i, void *ctx)
{
    const parts *p = ctx;
    const tile *t = &p->tile[i];
    const part *of = t->of;
    const mlp *net = of->net;
    const vectors *v = net->all;
    const size_t out = net->width[of->layer + 1], first = of->first + t->first;
    const size_t at = of->a ? net->w[of->layer] + first * out
                            : net->b[of->layer];
    const size_t count = of->a ? t->rows * out : out;
    if (of->a)
        weight_tile(p, t, v->gradient + at);
    else
        bias_tile(p, of, v->gradient + at);
    if (!p->to)
        return 0;
    p->loop->update(p->to, count, v->gradient + at, v->square + at,
                    v->value + at);
    if (of->a)
        refresh(net, of->layer, first, t->rows);
    return 0;
}

int parts_run(parts *p, slivi_pool *pool)
{
    return slivi_pool_run(pool, p->tiles, run_tile, p);
}
