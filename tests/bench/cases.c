/* cases.c - what is measured, and how a step of it is taken.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "cases.h"

#include "base/base.h"

#include <string.h>

#define VAE(Z)                                                                 \
    {                                                                          \
        .latent = Z, .dim = IMAGE_DIM, .hidden = {256, 256}, .batch = 128      \
    }
#define SCORE(C, N)                                                            \
    {                                                                          \
        .latent = 32, .context = C, .hidden = {256, 256}, .batch = N           \
    }
#define SMALL                                                                  \
    {                                                                          \
        .latent = 2, .context = 1, .hidden = {50, 50}, .batch = 100            \
    }

const bench_case bench_cases[] = {
    {"vae-z8", VAE(8), NULL},
    {"vae-z32", VAE(32), NULL},
    {"vae-z32-binary", VAE(32), images_binary},
    {"vae-z32-uniform", VAE(32), images_uniform},
    {"score-conditional-128", SCORE(IMAGE_DIM, 128), NULL},
    {"score-conditional-512", SCORE(IMAGE_DIM, 512), NULL},
    {"score-conditional-2048", SCORE(IMAGE_DIM, 2048), NULL},
    {"score-marginal-128", SCORE(0, 128), NULL},
    {"score-marginal-512", SCORE(0, 512), NULL},
    {"score-marginal-2048", SCORE(0, 2048), NULL},
    {"score-small", SMALL, NULL},
    {NULL, {0}, NULL},
};

/* ---- a vae's steps ------------------------------------------------------ */

typedef struct vae_run {
    slivi_vae *its;
    direct_vae *own;
    slivi_pool *pool; /* of own */
    images made;      /* where they are not the common ones */
    const images *im;
    size_t batch, at;
} vae_run;

static const float *next_batch(vae_run *v)
{
    return v->im->pixel
           + v->at++ % (v->im->count / v->batch) * v->batch * IMAGE_DIM;
}

static int step_library_vae(void *ctx)
{
    vae_run *v = ctx;
    return slivi_vae_step(v->its, next_batch(v), v->batch, NULL);
}

static int step_direct_vae(void *ctx)
{
    vae_run *v = ctx;
    direct_losses losses;
    direct_vae_step(v->own, next_batch(v), v->batch, &losses);
    return 0;
}

static void free_vae(void *ctx)
{
    vae_run *v = ctx;
    if (!v)
        return;
    slivi_vae_free(v->its);
    direct_vae_free(v->own);
    slivi_pool_free(v->pool);
    images_clear(&v->made);
    slivi__free(v);
}

static vae_run *new_vae(const bench_case *c, const images *im)
{
    vae_run *v = slivi__alloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->im = im;
    v->batch = c->shape.batch;
    if (!c->images)
        return v;
    v->im = &v->made;
    if (!c->images(&v->made, im))
        return v;
    free_vae(v);
    return NULL;
}

static int make_pool(slivi_pool **pool, size_t threads)
{
    if (threads > 1)
        *pool = slivi_pool_create(threads);
    return threads > 1 && !*pool ? slivi__status() : 0;
}

static int add_vae(race *r, const bench_case *c, const images *im,
                   size_t threads)
{
    const shape *s = &c->shape;
    vae_run *its = new_vae(c, im), *own = its ? new_vae(c, im) : NULL;
    int status = own ? make_pool(&own->pool, threads) : slivi__status();
    if (!status) {
        its->its = subject_vae(s, threads, c->images ? "none" : "dynamic");
        own->own = direct_vae_create(s->dim, s->latent, s->hidden, s->batch, 0,
                                     own->pool);
        status = its->its && own->own ? 0 : slivi__status();
    }
    if (status) {
        free_vae(its);
        free_vae(own);
        return status;
    }
    status = race_add(r, c->name, "library", threads, shape_flops(s),
                      (runner){step_library_vae, free_vae, its});
    if (status || c->images) {
        free_vae(own);
        return status;
    }
    return race_add(r, c->name, "direct", threads, shape_flops(s),
                    (runner){step_direct_vae, free_vae, own});
}

/* ---- steps of a score net ----------------------------------------------- */

typedef struct score_run {
    slivi_score *its;
    direct_score *own;
    slivi_pool *pool;
    samples x;
} score_run;

static int step_library_score(void *ctx)
{
    score_run *s = ctx;
    return slivi_score_update(s->its, s->x.z, s->x.c, s->x.n, NULL);
}

static int step_direct_score(void *ctx)
{
    score_run *s = ctx;
    direct_score_step(s->own, s->x.z, s->x.c, s->x.n);
    return 0;
}

static void free_score(void *ctx)
{
    score_run *s = ctx;
    if (!s)
        return;
    slivi_score_free(s->its);
    direct_score_free(s->own);
    slivi_pool_free(s->pool);
    samples_clear(&s->x);
    slivi__free(s);
}

static score_run *new_score(const shape *s, const images *im)
{
    score_run *run = slivi__alloc(1, sizeof *run);
    if (!run || !samples_make(&run->x, s, im))
        return run;
    free_score(run);
    return NULL;
}

static int add_score(race *r, const bench_case *c, const images *im,
                     size_t threads)
{
    const shape *s = &c->shape;
    score_run *its = new_score(s, im), *own = its ? new_score(s, im) : NULL;
    int status = own ? make_pool(&own->pool, threads) : slivi__status();
    if (!status) {
        its->its = subject_score("ssm-vr", s, NULL, threads);
        own->own = direct_score_create(s->latent, s->context, s->hidden, 0,
                                       own->pool);
        status = its->its && own->own ? 0 : slivi__status();
    }
    if (status) {
        free_score(its);
        free_score(own);
        return status;
    }
    status = race_add(r, c->name, "library", threads, shape_flops(s),
                      (runner){step_library_score, free_score, its});
    if (status) {
        free_score(own);
        return status;
    }
    return race_add(r, c->name, "direct", threads, shape_flops(s),
                    (runner){step_direct_score, free_score, own});
}

int case_add(race *r, const bench_case *c, const images *im, size_t threads)
{
    return (c->shape.dim ? add_vae : add_score)(r, c, im, threads);
}

/* ---- sgemm -------------------------------------------------------------- */

enum { SIDE = 1024 };

typedef struct sgemm_run {
    slivi_pool *pool;
    size_t threads;
    float *memory; /* A, B, C of each thread */
} sgemm_run;

static int multiply(size_t i, void *ctx)
{
    const sgemm_run *s = ctx;
    const size_t size = (size_t)SIDE * SIDE;
    float *a = s->memory + 3 * i * size;
    product_blas(SIDE, a, a + size, a + 2 * size);
    return 0;
}

static int step_sgemm(void *ctx)
{
    sgemm_run *s = ctx;
    return slivi_pool_run(s->pool, s->threads, multiply, s);
}

static void free_sgemm(void *ctx)
{
    sgemm_run *s = ctx;
    if (!s)
        return;
    slivi_pool_free(s->pool);
    slivi__free(s->memory);
    slivi__free(s);
}

int case_add_sgemm(race *r, size_t threads)
{
    const size_t size = (size_t)SIDE * SIDE;
    const double flops = 2 * (double)threads * (double)size * SIDE;
    const slivi_address at = {.stream = 920};
    sgemm_run *s = slivi__alloc(1, sizeof *s);
    int status = s ? make_pool(&s->pool, threads) : slivi__status();
    if (!status) {
        s->threads = threads;
        s->memory = slivi__alloc(3 * threads * size, sizeof(float));
        status = s->memory ? 0 : slivi__status();
    }
    if (status) {
        free_sgemm(s);
        return status;
    }
    slivi_draw_f32(slivi_law_normal, &at, 3 * threads * SIDE, SIDE, s->memory);
    return race_add(r, SGEMM_GROUP, "blas", threads, flops,
                    (runner){step_sgemm, free_sgemm, s});
}
