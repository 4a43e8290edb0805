/* vae_use.c - a trained vae: encoding, decoding, bounds, files.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "io/options.h"
#include "vae_inside.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- maps of rows ------------------------------------------------------ */

/* splitmix64's constant keeps the seeds of different streams apart. */
uint64_t slivi__vae_seed(const slivi_vae *v, uint64_t stream)
{
    return v->opt.seed + 0x9e3779b97f4a7c15u * (stream + 1);
}

/* out (n x out_cols) = the plan's first output at in (n x in_cols). */
static int map_rows(slivi_vae *v, enum slivi__vae_plan_name name,
                    const float *in, size_t in_cols, size_t n, uint64_t stream,
                    float *out, size_t out_cols)
{
    int status = slivi_vae_ready(v);
    if (status)
        return status;
    slivi__vae_plan *p = slivi__vae_plan_get(v, name);
    if (!p)
        return slivi__status();
    for (size_t i = 0, rows; i < n && !status; i += rows) {
        rows = n - i < p->rows ? n - i : p->rows;
        slivi_run run = {
            .n = rows, .seed = slivi__vae_seed(v, stream), .row = i};
        if (p->x.id)
            slivi__vae_take(v, p, in + i * in_cols, rows * in_cols);
        else
            slivi__vae_load(v, p->z_memory, in + i * in_cols, rows * in_cols);
        status = slivi_workspace_run(p->ws, &run);
        if (!status)
            slivi__vae_store(v, out + i * out_cols, p->out_memory[0],
                             rows * out_cols);
    }
    return status;
}

int slivi_vae_encode(slivi_vae *v, const float *x, size_t n, uint64_t stream,
                     float *z)
{
    return map_rows(v, SLIVI__VAE_ENCODE, x, v->dim, n, stream, z,
                    v->opt.latent);
}

int slivi_vae_decode(slivi_vae *v, const float *z, size_t n, float *x)
{
    return map_rows(v, SLIVI__VAE_DECODE, z, v->opt.latent, n, 0, x, v->dim);
}

/* z is n x latent; released by the caller. */
static float *room_for_z(const slivi_vae *v, size_t n)
{
    return slivi__alloc(n, v->opt.latent * sizeof(float));
}

int slivi_vae_sample(slivi_vae *v, size_t n, uint64_t stream, float *x)
{
    slivi_address at = {.seed = slivi__vae_seed(v, stream),
                        .stream = SLIVI__VAE_PRIOR};
    float *z = room_for_z(v, n);
    if (!z)
        return slivi__status();
    slivi_draw_f32(slivi_law_normal, &at, n, v->opt.latent, z);
    int status = slivi_vae_decode(v, z, n, x);
    slivi__free(z);
    return status;
}

int slivi_vae_reconstruct(slivi_vae *v, const float *x, size_t n,
                          uint64_t stream, float *out)
{
    float *z = room_for_z(v, n);
    if (!z)
        return slivi__status();
    int status = slivi_vae_encode(v, x, n, stream, z);
    if (!status)
        status = slivi_vae_decode(v, z, n, out);
    slivi__free(z);
    return status;
}

int slivi_vae_binarise(const slivi_vae *v, const float *x, size_t n,
                       uint64_t stream, float *out)
{
    int status = slivi__vae_check(v, x, n, 1);
    if (!status)
        slivi__vae_binarise(v, x, n, slivi__vae_seed(v, stream), 0, 0, out);
    return status;
}

/* ---- the importance-weighted bound -------------------------------------- */

/* bound[i] <- log(e^bound[i] + e^w[i]), then all minus log k at the end */
static int add_weights(const slivi_vae *v, const void *w, size_t n,
                       double *bound)
{
    for (size_t i = 0; i < n; i++) {
        double a = bound[i], b = slivi__vae_entry(v, w, i);
        if (isnan(b))
            return slivi__fail(SLIVI_ENONFINITE,
                               "vae: the bound's weight is NaN (image %zu of "
                               "its block)",
                               i);
        double most = a > b ? a : b;
        if (most > -INFINITY)
            bound[i] = most + log1p(exp(-fabs(a - b)));
    }
    return 0;
}

int slivi_vae_bound(slivi_vae *v, const float *x, size_t n, size_t k,
                    uint64_t stream, double *bound)
{
    int status = slivi_vae_ready(v);
    if (!status && (!v->family->is_gaussian || !k))
        status = slivi__fail(SLIVI_EUNSUPPORTED,
                             "vae: the bound needs encoder gaussian (an "
                             "implicit one has no density) and k >= 1");
    slivi__vae_plan *p = status ? NULL
                                : slivi__vae_plan_get(v, SLIVI__VAE_BOUND);
    if (!p)
        return status ? status : slivi__status();
    for (size_t i = 0, rows; i < n && !status; i += rows) {
        rows = n - i < p->rows ? n - i : p->rows;
        slivi__vae_take(v, p, x + i * v->dim, rows * v->dim);
        for (size_t j = 0; j < rows; j++)
            bound[i + j] = -INFINITY;
        for (size_t draw = 0; draw < k && !status; draw++) {
            slivi_run run = {.n = rows,
                             .seed = slivi__vae_seed(v, stream),
                             .step = draw,
                             .row = i};
            status = slivi_workspace_run(p->ws, &run);
            if (!status)
                status = add_weights(v, p->out_memory[0], rows, bound + i);
        }
        for (size_t j = 0; j < rows; j++)
            bound[i + j] -= log((double)k);
    }
    return status;
}

/* ---- files ------------------------------------------------------------ */

/* It changes nothing in the results, so it may differ on loading. */
static const char free_option[] = "threads";

int slivi_vae_save(const slivi_vae *v, slivi_checkpoint *c)
{
    if (!v->ready)
        return slivi__fail(SLIVI_EINVAL, "%s: nothing to save before a step",
                           v->kind->name);
    int status = slivi_checkpoint_put_text(c, "kind", v->kind->file);
    if (!status)
        status = slivi__checkpoint_put_size(c, "dim", v->dim);
    if (!status)
        status = slivi__options_put(v->kind->options, &v->opt, free_option, c);
    if (!status)
        status = slivi__options_put(slivi_learning_options, &v->learning, NULL,
                                    c);
    if (!status)
        status = slivi_learner_save(v->learner, c, "model");
    return status || !v->score
               ? status
               : slivi_learner_save(v->score_learner, c, "score");
}

/* What a checkpoint is of, and its dim; NULL with a message if it is none of
   an auto-encoder. */
static const slivi__vae_kind *kind_of(const slivi_checkpoint *c, size_t *dim)
{
    const char *file = slivi_checkpoint_text(c, "kind");
    for (size_t i = 0; file && i < SLIVI__VAE_KINDS; i++)
        if (!strcmp(file, slivi__vae_kinds[i].file)
            && !slivi__checkpoint_get_size(c, "dim", dim) && *dim)
            return &slivi__vae_kinds[i];
    return slivi__fail_null(SLIVI_EFORMAT, "not an auto-encoder's checkpoint");
}

/* Both learners check everything before they change anything, but the second
   may refuse after the first was loaded: so it is tried on a copy first. */
static int load_learners(slivi_vae *v, const slivi_checkpoint *c)
{
    if (!v->score)
        return slivi_learner_load(v->learner, c, "model");
    slivi_checkpoint *before = slivi_checkpoint_create();
    int status = before ? slivi_learner_save(v->learner, before, "model")
                        : slivi__status();
    if (!status)
        status = slivi_learner_load(v->learner, c, "model");
    if (!status) {
        status = slivi_learner_load(v->score_learner, c, "score");
        if (status) {
            char why[512];
            snprintf(why, sizeof why, "%s", slivi_errmsg());
            (void)slivi_learner_load(v->learner, before, "model");
            slivi__fail(status, "%s", why);
        }
    }
    slivi_checkpoint_free(before);
    return status;
}

int slivi_vae_load(slivi_vae *v, const slivi_checkpoint *c)
{
    size_t dim = 0;
    const slivi__vae_kind *kind = kind_of(c, &dim);
    int status = kind ? slivi_vae_ready(v) : slivi__status();
    if (!status && kind != v->kind)
        status = slivi__fail(SLIVI_EFORMAT, "a checkpoint of a %s, not of a %s",
                             kind->name, v->kind->name);
    if (!status && dim != v->dim)
        status = slivi__fail(SLIVI_ESHAPE,
                             "%s: images of %zu values, in the "
                             "checkpoint %zu",
                             v->kind->name, v->dim, dim);
    if (!status)
        status = slivi__options_same(v->kind->options, &v->opt, free_option, c);
    if (!status)
        status = slivi__options_same(slivi_learning_options, &v->learning, NULL,
                                     c);
    return status ? status : load_learners(v, c);
}

slivi_vae *slivi_vae_from(const slivi_checkpoint *c)
{
    size_t dim = 0;
    const slivi__vae_kind *kind = kind_of(c, &dim);
    slivi_vae *v = kind ? slivi__vae_create(kind, dim) : NULL;
    if (v && !slivi__options_take(kind->options, &v->opt, free_option, c)
        && !slivi__options_take(slivi_learning_options, &v->learning, NULL, c)
        && !slivi_vae_load(v, c))
        return v;
    slivi_vae_free(v);
    return NULL;
}
