/* score_rows.c - forward and backward of ssm-vr through a net with two hidden
   layers.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score_rows.h"

#include "base/base.h"

#include <string.h>

static float *room(size_t rows, size_t cols)
{
    return slivi__alloc(2 * rows * cols, sizeof(float));
}

/* Big products first: threads then end together. */
static void list_parts(score_rows *r)
{
    parts *p = &r->grad;
    const mlp *net = &r->net;
    const size_t d = r->d;
    parts_add(p, net, 0, d, r->c, r->x, r->g[0], PART_PRIMAL);
    parts_add(p, net, 1, 0, net->width[1], r->h[0], r->g[1], PART_STACKED);
    parts_add(p, net, 2, 0, net->width[2], r->h[1], r->s, PART_STACKED);
    parts_add(p, net, 0, 0, d, r->zv, r->g[0], PART_STACKED);
    parts_add(p, net, 0, 0, 1, NULL, r->g[0], PART_PRIMAL);
    parts_add(p, net, 1, 0, 1, NULL, r->g[1], PART_PRIMAL);
    parts_add(p, net, 2, 0, 1, NULL, r->s, PART_PRIMAL);
    parts_cut(p, r->blocks);
}

int score_rows_create(score_rows *r, size_t d, size_t c, const size_t hidden[2],
                      size_t most, size_t blocks, const vectors *all,
                      const float *x)
{
    const size_t width[] = {d + c, hidden[0], hidden[1], d};
    memset(r, 0, sizeof *r);
    r->d = d;
    r->c = c;
    r->blocks = blocks;
    r->x = x;
    r->grad.loop = loops_best();
    mlp_place(&r->net, width, all, 0);
    r->zv = room(most, d);
    r->s = room(most, d);
    for (size_t l = 0; l < 2; l++) {
        r->h[l] = room(most, hidden[l]);
        r->g[l] = room(most, hidden[l]);
        if (!r->h[l] || !r->g[l])
            return SLIVI_ENOMEM;
    }
    if (!r->zv || !r->s || mlp_turn(&r->net, 1))
        return SLIVI_ENOMEM;
    list_parts(r);
    return 0;
}

void score_rows_clear(score_rows *r)
{
    slivi__free(r->zv);
    slivi__free(r->s);
    for (size_t l = 0; l < 2; l++) {
        slivi__free(r->h[l]);
        slivi__free(r->g[l]);
    }
    mlp_clear(&r->net);
}

float *score_rows_z(const score_rows *r, size_t i, size_t n, size_t *first,
                    size_t *m)
{
    *first = block_first(n, i, r->blocks);
    *m = block_first(n, i + 1, r->blocks) - *first;
    return r->zv + 2 * *first * r->d;
}

/* h = tanh(a), and its tangent, below: d = (1 - h^2) a' */
static void activate(const score_rows *r, size_t l, size_t m, float *h)
{
    const size_t wide = r->net.width[l + 1];
    loops_activate(r->grad.loop, m, wide, mlp_bias(&r->net, l), h);
    r->grad.loop->slope(m * wide, h, h + m * wide);
}

void score_rows_run(score_rows *r, size_t i, size_t n, size_t all)
{
    const mlp *net = &r->net;
    const loops *f = r->grad.loop;
    const size_t d = r->d, *wide = net->width;
    const float c = 1 / (float)all;
    size_t first, m;
    const float *zv = score_rows_z(r, i, n, &first, &m);
    float *h1 = r->h[0] + 2 * first * wide[1], *g1 = r->g[0] + (h1 - r->h[0]);
    float *h2 = r->h[1] + 2 * first * wide[2], *g2 = r->g[1] + (h2 - r->h[1]);
    float *s = r->s + 2 * first * d;
    double *sum = r->sum[i].at;

    mlp_forward(net, 0, 0, d, 2 * m, zv, h1, 0);
    if (r->c)
        mlp_forward(net, 0, d, r->c, m, r->x + first * r->c, h1, 1);
    activate(r, 0, m, h1);
    mlp_forward(net, 1, 0, wide[1], 2 * m, h1, h2, 0);
    activate(r, 1, m, h2);
    mlp_forward(net, 2, 0, wide[2], m, h2, s, 0);
    sum[0] += 0.5 * (double)c * f->finish(m, d, mlp_bias(net, 2), c, s);
    f->scale(m * d, c, zv + m * d, s + m * d);

    /* the cotangent of [s; J v] is [s; v] / n, so the last tangent's inner
       product with its adjoint is the mean of v'J v */
    mlp_back(net, 2, 2 * m, s, g2);
    sum[0] += f->pull(m * wide[2], h2, h2 + m * wide[2], g2, g2 + m * wide[2]);
    mlp_back(net, 1, 2 * m, g2, g1);
    f->pull(m * wide[1], h1, h1 + m * wide[1], g1, g1 + m * wide[1]);
}

double score_rows_loss(score_rows *r)
{
    double loss = 0;
    for (size_t i = 0; i < r->blocks; i++) {
        loss += r->sum[i].at[0];
        r->sum[i].at[0] = 0;
    }
    return loss;
}
