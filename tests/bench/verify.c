/* verify.c - the library's gradients, read from inside, against the direct
   ones.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "verify.h"

#include "score/estimator.h"
#include "vae_inside.h"

#include <math.h>
#include <string.h>

int verdict_holds(const verdict *v)
{
    /* an update divides by the root of its own square, so entries whose
       gradient is all rounding may differ: only the others are asked */
    return v->loss <= VERIFY_BOUND && v->gradient <= VERIFY_BOUND
           && v->entry <= VERIFY_BOUND && v->update <= 100 * VERIFY_BOUND;
}

static void worst(double *most, double x)
{
    *most = x > *most || isnan(x) ? x : *most;
}

static void compare_loss(verdict *v, double a, double b)
{
    worst(&v->loss, fabs(a - b) / fmax(1, fabs(b)));
}

static void compare_gradient(verdict *v, const vectors *own, const float *its)
{
    double square = 0, all = 0, most = 0;
    for (size_t i = 0; i < own->size; i++) {
        double g = (double)its[i], e = (double)own->gradient[i] - g;
        square += e * e;
        all += g * g;
        most = fabs(e) > most || isnan(e) ? fabs(e) : most;
    }
    worst(&v->gradient, sqrt(square / all));
    worst(&v->entry, most / sqrt(all));
}

/* After a first step from `before`: entries whose gradient is not small. */
static void compare_update(verdict *v, const vectors *own, const float *before,
                           const float *after)
{
    double largest = 0;
    for (size_t i = 0; i < own->size; i++)
        largest = fmax(largest, fabs((double)own->gradient[i]));
    for (size_t i = 0; i < own->size; i++) {
        double move = (double)after[i] - (double)before[i];
        double e = (double)own->value[i] - (double)after[i];
        if (fabs((double)own->gradient[i]) > 1e-2 * largest)
            worst(&v->update, fabs(e / move));
    }
}

/* ---- score -------------------------------------------------------------- */

static void take_params(vectors *own, slivi_params *its)
{
    memcpy(own->value, slivi_params_const_values(its),
           own->size * sizeof *own->value);
}

static int compare_score(direct_score *own, slivi_score *its, const samples *x,
                         verdict *v)
{
    vectors *mine = direct_score_vectors(own);
    float *before = slivi__alloc(mine->size, sizeof *before);
    int status = before ? 0 : SLIVI_ENOMEM;
    for (size_t i = 0; i < VERIFY_STEPS && !status; i++) {
        double loss, hers = 0;
        memcpy(before, mine->value, mine->size * sizeof *before);
        loss = direct_score_step(own, x->z, x->c, x->n);
        status = slivi_score_update(its, x->z, x->c, x->n, &hers);
        if (status)
            break;
        if (slivi_params_size(its->params) != mine->size) {
            status = slivi__fail(SLIVI_ESHAPE, "bench: %zu parameters, not %zu",
                                 slivi_params_size(its->params), mine->size);
            break;
        }
        compare_loss(v, loss, hers);
        compare_gradient(v, mine, slivi_learner_gradient(its->learner));
        if (!i)
            compare_update(v, mine, before,
                           slivi_params_const_values(its->params));
        take_params(mine, its->params);
        direct_score_refresh(own);
    }
    slivi__free(before);
    return status;
}

static int verify_score(const shape *s, size_t threads, const images *im,
                        slivi_pool *pool, verdict *v)
{
    samples x = {0};
    slivi_score *its = subject_score("ssm-vr", s, NULL, threads);
    direct_score *own = direct_score_create(s->latent, s->context, s->hidden, 0,
                                            pool);
    int status = its && own ? samples_make(&x, s, im) : slivi__status();
    if (!status)
        status = compare_score(own, its, &x, v);
    samples_clear(&x);
    slivi_score_free(its);
    direct_score_free(own);
    return status;
}

/* ---- auto-encoder ------------------------------------------------------- */

/* Parameters before a step: the model's, then the score net's. */
static void keep(float *before, const vectors *model, const vectors *score)
{
    memcpy(before, model->value, model->size * sizeof *before);
    memcpy(before + model->size, score->value, score->size * sizeof *before);
}

static void compare_losses(verdict *v, const direct_losses *own,
                           const slivi_vae_losses *its)
{
    compare_loss(v, own->score, its->score);
    compare_loss(v, own->reconstruction, its->reconstruction);
    compare_loss(v, own->prior, its->prior);
    compare_loss(v, own->stein, its->stein);
}

static int compare_vae(direct_vae *own, slivi_vae *its, const shape *s,
                       const images *im, verdict *v)
{
    vectors *model = direct_vae_model(own), *score = direct_vae_score(own);
    float *before = slivi__alloc(model->size + score->size, sizeof *before);
    int status = before ? 0 : SLIVI_ENOMEM;
    for (size_t i = 0; i < VERIFY_STEPS && !status; i++) {
        const size_t at = i % (im->count / s->batch) * s->batch;
        const float *x = im->pixel + at * IMAGE_DIM;
        direct_losses mine;
        slivi_vae_losses hers;
        keep(before, model, score);
        direct_vae_step(own, x, s->batch, &mine);
        status = slivi_vae_step(its, x, s->batch, &hers);
        if (status)
            break;
        compare_losses(v, &mine, &hers);
        compare_gradient(v, score, slivi_learner_gradient(its->score_learner));
        compare_gradient(v, model, slivi_learner_gradient(its->learner));
        if (!i) {
            compare_update(v, model, before,
                           slivi_params_const_values(its->params));
            compare_update(v, score, before + model->size,
                           slivi_params_const_values(its->score_params));
        }
        take_params(model, its->params);
        take_params(score, its->score_params);
        direct_vae_refresh(own);
    }
    slivi__free(before);
    return status;
}

static int verify_vae(const shape *s, size_t threads, const images *im,
                      slivi_pool *pool, verdict *v)
{
    slivi_vae *its = subject_vae(s, threads, "dynamic");
    direct_vae *own = direct_vae_create(s->dim, s->latent, s->hidden, s->batch,
                                        0, pool);
    int status = its && own ? compare_vae(own, its, s, im, v) : slivi__status();
    slivi_vae_free(its);
    direct_vae_free(own);
    return status;
}

int verify_shape(const shape *s, size_t threads, const images *im, verdict *v)
{
    slivi_pool *pool = threads > 1 ? slivi_pool_create(threads) : NULL;
    if (threads > 1 && !pool)
        return slivi__status();
    memset(v, 0, sizeof *v);
    int status = (s->dim ? verify_vae : verify_score)(s, threads, im, pool, v);
    slivi_pool_free(pool);
    return status;
}
