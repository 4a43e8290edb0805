/* direct_vae.c - a step of an auto-encoder with an implicit encoder, by hand.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "direct.h"
#include "score_rows.h"

#include "base/base.h"
#include "vae_inside.h"

#include <math.h>
#include <string.h>

static const rmsprop plain = {1e-3f, 0.99f, 1e-8f};

enum { FIT = 1, PRIOR, INNER }; /* numbers of sums beside the score's */

struct direct_vae {
    size_t dim, d, hidden[2], batch, blocks;
    uint64_t seed, step;
    slivi_pool *pool;
    vectors model_all, score_all;
    mlp encoder, decoder;
    score_rows score;
    parts grad; /* of the model */
    /* rows x ... */
    float *x;           /* dim: binary */
    float *ex;          /* hidden: x W1 of the encoder */
    float *noise, *z;   /* d */
    float *e[2], *f[2]; /* hidden layers of encoder and decoder */
    float *y;           /* dim: logits, then their adjoint */
    float *ge[2], *gf[2], *gz;
    float *s1, *s2, *s; /* of the score net in the model's pass */
    /* of the present step */
    const float *pixels;
    size_t n;
};

/* ---- creation ----------------------------------------------------------- */

static float *room(const direct_vae *v, size_t cols)
{
    return slivi__alloc(v->batch * cols, sizeof(float));
}

static int make_rows(direct_vae *v)
{
    const struct {
        float **at;
        size_t cols;
    } all[] = {
        {&v->x, v->dim},
        {&v->y, v->dim},
        {&v->ex, v->hidden[0]},
        {&v->noise, v->d},
        {&v->z, v->d},
        {&v->gz, v->d},
        {&v->s, v->d},
        {&v->s1, v->hidden[0]},
        {&v->s2, v->hidden[1]},
        {&v->e[0], v->hidden[0]},
        {&v->e[1], v->hidden[1]},
        {&v->f[0], v->hidden[0]},
        {&v->f[1], v->hidden[1]},
        {&v->ge[0], v->hidden[0]},
        {&v->ge[1], v->hidden[1]},
        {&v->gf[0], v->hidden[0]},
        {&v->gf[1], v->hidden[1]},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(*all[i].at = room(v, all[i].cols)))
            return SLIVI_ENOMEM;
    return 0;
}

static void list_net(direct_vae *v, const mlp *net, const float *const a[3],
                     const float *const g[3])
{
    for (size_t l = 0; l < MLP_LAYERS; l++) {
        if (a[l])
            parts_add(&v->grad, net, l, 0, net->width[l], a[l], g[l],
                      PART_PLAIN);
        parts_add(&v->grad, net, l, 0, 1, NULL, g[l], PART_PLAIN);
    }
}

static void list_parts(direct_vae *v)
{
    const mlp *e = &v->encoder;
    v->grad.loop = loops_best();
    parts_add(&v->grad, e, 0, 0, v->dim, v->x, v->ge[0], PART_PLAIN);
    parts_add(&v->grad, &v->decoder, 2, 0, v->hidden[1], v->f[1], v->y,
              PART_PLAIN);
    parts_add(&v->grad, e, 0, v->dim, v->d, v->noise, v->ge[0], PART_PLAIN);
    list_net(v, e, (const float *[]){NULL, v->e[0], v->e[1]},
             (const float *[]){v->ge[0], v->ge[1], v->gz});
    list_net(v, &v->decoder, (const float *[]){v->z, v->f[0], NULL},
             (const float *[]){v->gf[0], v->gf[1], v->y});
    parts_cut(&v->grad, v->blocks);
}

static int make_nets(direct_vae *v)
{
    const size_t *h = v->hidden;
    const size_t encoder[] = {v->dim + v->d, h[0], h[1], v->d};
    const size_t decoder[] = {v->d, h[0], h[1], v->dim};
    const size_t score[] = {v->d + v->dim, h[0], h[1], v->d};
    if (vectors_create(&v->model_all, mlp_size(encoder) + mlp_size(decoder))
        || vectors_create(&v->score_all, mlp_size(score)))
        return SLIVI_ENOMEM;
    size_t at = mlp_place(&v->encoder, encoder, &v->model_all, 0);
    mlp_place(&v->decoder, decoder, &v->model_all, at);
    if (mlp_turn(&v->encoder, 1) || mlp_turn(&v->decoder, 0)
        || score_rows_create(&v->score, v->d, v->dim, h, v->batch, v->blocks,
                             &v->score_all, v->x))
        return SLIVI_ENOMEM;
    mlp_init(&v->encoder, v->seed, SLIVI__VAE_INIT, 0);
    mlp_init(&v->decoder, v->seed, SLIVI__VAE_INIT, 2 * MLP_LAYERS);
    mlp_init(&v->score.net, v->seed, SLIVI__VAE_INIT_SCORE, 0);
    return 0;
}

direct_vae *direct_vae_create(size_t dim, size_t latent, const size_t hidden[2],
                              size_t batch, uint64_t seed, slivi_pool *pool)
{
    direct_vae *v = slivi__alloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->dim = dim;
    v->d = latent;
    memcpy(v->hidden, hidden, sizeof v->hidden);
    v->batch = batch;
    v->seed = seed;
    v->pool = pool;
    v->blocks = pool ? slivi_pool_threads(pool) : 1;
    if (make_rows(v) || make_nets(v)) {
        direct_vae_free(v);
        return NULL;
    }
    list_parts(v);
    return v;
}

void direct_vae_free(direct_vae *v)
{
    if (!v)
        return;
    float *all[] = {v->x,    v->y,     v->ex,    v->noise, v->z,    v->gz,
                    v->s,    v->s1,    v->s2,    v->e[0],  v->e[1], v->f[0],
                    v->f[1], v->ge[0], v->ge[1], v->gf[0], v->gf[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        slivi__free(all[i]);
    score_rows_clear(&v->score);
    mlp_clear(&v->encoder);
    mlp_clear(&v->decoder);
    vectors_clear(&v->model_all);
    vectors_clear(&v->score_all);
    slivi__free(v);
}

vectors *direct_vae_model(direct_vae *v)
{
    return &v->model_all;
}

vectors *direct_vae_score(direct_vae *v)
{
    return &v->score_all;
}

void direct_vae_refresh(direct_vae *v)
{
    mlp_refresh(&v->encoder);
    mlp_refresh(&v->decoder);
    mlp_refresh(&v->score.net);
}

/* ---- a step ------------------------------------------------------------- */

static void draw(const direct_vae *v, const slivi_law *law, uint32_t stream,
                 uint64_t step, size_t row, size_t m, size_t cols, float *out)
{
    const slivi_address at = {
        .seed = v->seed, .stream = stream, .step = step, .row = row};
    slivi_draw_f32(law, &at, m, cols, out);
}

/* z of m rows from `row`, with noise of this step; ex is there already. */
static void encode(direct_vae *v, uint64_t step, size_t row, size_t m, float *z)
{
    const mlp *net = &v->encoder;
    const loops *f = v->grad.loop;
    const size_t *h = v->hidden, d = v->d;
    float *noise = v->noise + row * d;
    float *e1 = v->e[0] + row * h[0], *e2 = v->e[1] + row * h[1];
    draw(v, slivi_law_normal, SLIVI__VAE_NOISE, step, row, m, d, noise);
    memcpy(e1, v->ex + row * h[0], m * h[0] * sizeof *e1);
    mlp_forward(net, 0, v->dim, d, m, noise, e1, 1);
    loops_activate(f, m, h[0], mlp_bias(net, 0), e1);
    mlp_forward(net, 1, 0, h[0], m, e1, e2, 0);
    loops_activate(f, m, h[1], mlp_bias(net, 1), e2);
    mlp_forward(net, 2, 0, h[1], m, e2, z, 0);
    f->finish(m, d, mlp_bias(net, 2), 1, z);
}

static int score_block(size_t i, void *ctx)
{
    direct_vae *v = ctx;
    size_t row, m;
    float *z = score_rows_z(&v->score, i, v->n, &row, &m);
    float *x = v->x + row * v->dim;
    draw(v, slivi_law_uniform, SLIVI__VAE_BINARISE, v->step, row, m, v->dim, x);
    v->grad.loop->threshold(m * v->dim, v->pixels + row * v->dim, x);
    mlp_forward(&v->encoder, 0, 0, v->dim, m, x, v->ex + row * v->hidden[0], 0);
    encode(v, v->step, row, m, z);
    draw(v, slivi_law_normal, SLIVI__VAE_SLICES, v->step, row, m, v->d,
         z + m * v->d);
    score_rows_run(&v->score, i, v->n, v->n);
    return 0;
}

/* gz <- adjoint of z through the decoder; y becomes the logits' adjoint. */
static double decode(direct_vae *v, size_t row, size_t m, float c)
{
    const mlp *net = &v->decoder;
    const loops *f = v->grad.loop;
    const size_t *h = v->hidden, d = v->d, dim = v->dim;
    float *f1 = v->f[0] + row * h[0], *f2 = v->f[1] + row * h[1];
    float *g1 = v->gf[0] + row * h[0], *g2 = v->gf[1] + row * h[1];
    float *y = v->y + row * dim;
    double sum = 0;
    mlp_forward(net, 0, 0, d, m, v->z + row * d, f1, 0);
    loops_activate(f, m, h[0], mlp_bias(net, 0), f1);
    mlp_forward(net, 1, 0, h[0], m, f1, f2, 0);
    loops_activate(f, m, h[1], mlp_bias(net, 1), f2);
    mlp_forward(net, 2, 0, h[1], m, f2, y, 0);
    for (size_t i = 0; i < m; i++)
        sum += f->bernoulli(dim, mlp_bias(net, 2), v->x + (row + i) * dim, c,
                            y + i * dim);
    mlp_back(net, 2, m, y, g2);
    f->slope(m * h[1], f2, g2);
    mlp_back(net, 1, m, g2, g1);
    f->slope(m * h[0], f1, g1);
    mlp_back(net, 0, m, g1, v->gz + row * d);
    return sum;
}

static void score_at(direct_vae *v, size_t row, size_t m)
{
    const mlp *net = &v->score.net;
    const loops *f = v->grad.loop;
    const size_t *h = v->hidden, d = v->d;
    float *s1 = v->s1 + row * h[0], *s2 = v->s2 + row * h[1];
    float *s = v->s + row * d;
    mlp_forward(net, 0, d, v->dim, m, v->x + row * v->dim, s1, 0);
    mlp_forward(net, 0, 0, d, m, v->z + row * d, s1, 1);
    loops_activate(f, m, h[0], mlp_bias(net, 0), s1);
    mlp_forward(net, 1, 0, h[0], m, s1, s2, 0);
    loops_activate(f, m, h[1], mlp_bias(net, 1), s2);
    mlp_forward(net, 2, 0, h[1], m, s2, s, 0);
    f->finish(m, d, mlp_bias(net, 2), 1, s);
}

static int model_block(size_t i, void *ctx)
{
    direct_vae *v = ctx;
    const loops *f = v->grad.loop;
    const size_t *h = v->hidden, d = v->d;
    const size_t row = block_first(v->n, i, v->blocks);
    const size_t m = block_first(v->n, i + 1, v->blocks) - row;
    const float c = 1 / (float)v->n;
    float *ge1 = v->ge[0] + row * h[0], *ge2 = v->ge[1] + row * h[1];
    double *sum = v->score.sum[i].at;
    /* fresh z: the library draws it at steps that no score step has */
    encode(v, ((uint64_t)1 << 47) + v->step, row, m, v->z + row * d);
    sum[FIT] = decode(v, row, m, c);
    score_at(v, row, m);
    sum[PRIOR] = sum[INNER] = 0;
    /* d/dz of |z|^2 / 2 + stop(s)'z */
    f->latent(m * d, c, v->z + row * d, v->s + row * d, v->gz + row * d,
              sum + PRIOR);
    mlp_back(&v->encoder, 2, m, v->gz + row * d, ge2);
    f->slope(m * h[1], v->e[1] + row * h[1], ge2);
    mlp_back(&v->encoder, 1, m, ge2, ge1);
    f->slope(m * h[0], v->e[0] + row * h[0], ge1);
    return 0;
}

static void report(direct_vae *v, direct_losses *losses)
{
    const double n = (double)v->n, d = (double)v->d;
    const double log_2pi = 1.83787706640934548356;
    double sum[PAD] = {0};
    losses->score = score_rows_loss(&v->score);
    for (size_t i = 0; i < v->blocks; i++)
        for (size_t k = 0; k < PAD; k++)
            sum[k] += v->score.sum[i].at[k];
    losses->reconstruction = sum[FIT] / n;
    losses->prior = sum[PRIOR] / (2 * n) + 0.5 * d * log_2pi;
    losses->stein = sum[INNER] / n + d;
}

void direct_vae_step(direct_vae *v, const float *x, size_t n,
                     direct_losses *losses)
{
    parts *score = &v->score.grad, *model = &v->grad;
    v->pixels = x;
    v->n = score->n = model->n = n;
    score->to = model->to = &plain;
    slivi_pool_run(v->pool, v->blocks, score_block, v);
    parts_run(score, v->pool);
    slivi_pool_run(v->pool, v->blocks, model_block, v);
    parts_run(model, v->pool);
    v->step++;
    report(v, losses);
}

double direct_vae_flops(size_t dim, size_t latent, const size_t hidden[2],
                        size_t n)
{
    const double a = (double)hidden[0], b = (double)hidden[1];
    const double x = (double)dim, d = (double)latent;
    /* encoder: x once, two passes; back and gradient of the second */
    const double encoder = 2 * x * a + 4 * a * b + 3 * d * a + 4 * d * b;
    const double decoder = 3 * (d * a + a * b + b * x);
    const double score = x * a + a * b + d * (a + b); /* in the model's pass */
    return direct_score_flops(latent, dim, hidden, n)
           + 2 * (double)n * (encoder + decoder + score);
}
