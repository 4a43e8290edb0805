/* direct_score.c - a step of a score net, by hand.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "direct.h"
#include "score_rows.h"

#include "base/base.h"

/* Rows of a chunk for each thread: what they leave stays in a cache of L2. */
enum { CHUNK = 128, INIT = 1, SLICES = 2 };

static const rmsprop plain = {1e-3f, 0.99f, 1e-8f};

struct direct_score {
    vectors all;
    score_rows rows;
    slivi_pool *pool;
    size_t blocks, most;
    uint64_t seed, step;
    float *x;
    /* of the present chunk */
    const double *z, *c;
    size_t base, n, batch;
};

direct_score *direct_score_create(size_t d, size_t c, const size_t hidden[2],
                                  uint64_t seed, slivi_pool *pool)
{
    const size_t width[] = {d + c, hidden[0], hidden[1], d};
    direct_score *s = slivi__alloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->pool = pool;
    s->blocks = pool ? slivi_pool_threads(pool) : 1;
    s->seed = seed;
    s->most = CHUNK * s->blocks;
    s->x = slivi__alloc(s->most * c, sizeof(float));
    if (s->x && !vectors_create(&s->all, mlp_size(width))
        && !score_rows_create(&s->rows, d, c, hidden, s->most, s->blocks,
                              &s->all, s->x)) {
        mlp_init(&s->rows.net, seed, INIT, 0);
        return s;
    }
    direct_score_free(s);
    return NULL;
}

void direct_score_free(direct_score *s)
{
    if (!s)
        return;
    score_rows_clear(&s->rows);
    vectors_clear(&s->all);
    slivi__free(s->x);
    slivi__free(s);
}

vectors *direct_score_vectors(direct_score *s)
{
    return &s->all;
}

void direct_score_refresh(direct_score *s)
{
    mlp_refresh(&s->rows.net);
}

static int run_block(size_t i, void *ctx)
{
    direct_score *s = ctx;
    score_rows *r = &s->rows;
    size_t first, m;
    float *z = score_rows_z(r, i, s->n, &first, &m);
    const size_t row = s->base + first;
    const slivi_address at = {
        .seed = s->seed, .stream = SLICES, .step = s->step, .row = row};
    r->grad.loop->narrow(m * r->d, s->z + row * r->d, z);
    if (r->c)
        r->grad.loop->narrow(m * r->c, s->c + row * r->c, s->x + first * r->c);
    slivi_draw_f32(slivi_law_normal, &at, m, r->d, z + m * r->d);
    score_rows_run(r, i, s->n, s->batch);
    return 0;
}

double direct_score_step(direct_score *s, const double *z, const double *c,
                         size_t n)
{
    parts *grad = &s->rows.grad;
    s->z = z;
    s->c = c;
    s->batch = n;
    for (s->base = 0; s->base < n; s->base += s->n) {
        s->n = n - s->base < s->most ? n - s->base : s->most;
        slivi_pool_run(s->pool, s->blocks, run_block, s);
        grad->n = s->n;
        grad->add = s->base > 0;
        grad->to = s->base + s->n == n ? &plain : NULL;
        parts_run(grad, s->pool);
    }
    s->step++;
    return score_rows_loss(&s->rows);
}

double direct_score_flops(size_t d, size_t c, const size_t hidden[2], size_t n)
{
    const double a = (double)hidden[0], b = (double)hidden[1];
    const double from = (double)d * a, to = (double)d * b;
    const double each = 2 * (double)c * a /* x: forward, gradient */
                        + 6 * a * b       /* stacked: forward, back, gradient */
                        + 4 * from        /* z and v: forward, gradient */
                        + 5 * to;         /* s; [s; v]: back, gradient */
    return 2 * (double)n * each;
}
