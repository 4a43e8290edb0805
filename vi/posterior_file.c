/* posterior_file.c - saving and loading posteriors.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "io/options.h"
#include "posterior_inside.h"

#include <string.h>

static enum slivi_dtype dtype(const slivi_posterior *q)
{
    return q->precision == SLIVI_F32 ? SLIVI_DTYPE_F32 : SLIVI_DTYPE_F64;
}

/* What is counted in training. */
enum { COUNTS = 5 };

static int save_state(slivi_posterior *q, slivi_checkpoint *c)
{
    const size_t d = q->d;
    const int64_t counts[COUNTS] = {
        q->has_best, (int64_t)q->best_step, (int64_t)q->since_best,
        (int64_t)q->score_steps, (int64_t)q->refused};
    const double bound[2] = {q->best_bound, q->best_se};
    int status = slivi_checkpoint_put(c, "whitening.mean", SLIVI_DTYPE_F64, 1,
                                      d, q->mean);
    if (!status)
        status = slivi_checkpoint_put(c, "whitening.factor", SLIVI_DTYPE_F64, d,
                                      d, q->chol);
    if (!status && q->k)
        status = slivi_checkpoint_put(c, "contexts.units", SLIVI_DTYPE_F64, 2,
                                      q->k, q->context_mean);
    if (!status)
        status = slivi_checkpoint_put(c, "best", dtype(q), 1,
                                      slivi_params_size(q->params), q->best);
    if (!status)
        status = slivi_checkpoint_put(c, "best.bound", SLIVI_DTYPE_F64, 1, 2,
                                      bound);
    if (!status)
        status = slivi_checkpoint_put(c, "counts", SLIVI_DTYPE_I64, 1, COUNTS,
                                      counts);
    if (!status)
        status = slivi_learner_save(q->learner, c, "posterior");
    return !status && q->source->save ? q->source->save(q, c) : status;
}

static int save_all(slivi_posterior *q, slivi_checkpoint *c)
{
    int status = slivi_checkpoint_put_text(c, "kind", "slivi posterior");
    if (!status)
        status = slivi_checkpoint_put_text(c, "family", q->family->name);
    if (!status)
        status = slivi__checkpoint_put_size(c, "dim", q->d);
    if (!status)
        status = slivi__checkpoint_put_size(c, "context", q->k);
    if (!status)
        status = slivi__options_put(slivi_posterior_options, &q->opt, NULL, c);
    if (!status)
        status = slivi__options_put(slivi_learning_options, &q->learning, NULL,
                                    c);
    return status ? status : save_state(q, c);
}

int slivi_posterior_save(slivi_posterior *q, const char *path)
{
    if (!q->whitened)
        return slivi__fail(SLIVI_EINVAL, "posterior: nothing was fitted yet");
    slivi_checkpoint *c = slivi_checkpoint_create();
    int status = c ? save_all(q, c) : slivi__status();
    if (!status)
        status = slivi_checkpoint_write(c, path);
    slivi_checkpoint_free(c);
    return status;
}

static int load_state(slivi_posterior *q, const slivi_checkpoint *c)
{
    const size_t d = q->d;
    int64_t counts[COUNTS] = {0};
    double bound[2] = {0, 0};
    int status = slivi_checkpoint_get(c, "whitening.mean", SLIVI_DTYPE_F64, 1,
                                      d, q->mean);
    if (!status)
        status = slivi_checkpoint_get(c, "whitening.factor", SLIVI_DTYPE_F64, d,
                                      d, q->chol);
    if (!status && q->k) /* means, and then sds */
        status = slivi_checkpoint_get(c, "contexts.units", SLIVI_DTYPE_F64, 2,
                                      q->k, q->context_mean);
    if (!status)
        status = slivi_checkpoint_get(c, "best", dtype(q), 1,
                                      slivi_params_size(q->params), q->best);
    if (!status)
        status = slivi_checkpoint_get(c, "best.bound", SLIVI_DTYPE_F64, 1, 2,
                                      bound);
    if (!status)
        status = slivi_checkpoint_get(c, "counts", SLIVI_DTYPE_I64, 1, COUNTS,
                                      counts);
    if (!status)
        status = slivi_learner_load(q->learner, c, "posterior");
    if (!status && (counts[3] < 1 || counts[3] > SLIVI__MOST_SCORE_STEPS))
        status = slivi__fail(SLIVI_EFORMAT, "counts: %lld score steps",
                             (long long)counts[3]);
    q->best_bound = bound[0];
    q->best_se = bound[1];
    q->has_best = counts[0] != 0;
    q->best_step = (size_t)counts[1];
    q->since_best = (size_t)counts[2];
    q->score_steps = (size_t)counts[3];
    q->refused = (uint64_t)counts[4];
    return !status && q->source->load ? q->source->load(q, c) : status;
}

static int check_target(const slivi_checkpoint *c, const slivi_target *target)
{
    size_t d, k;
    if (slivi__checkpoint_get_size(c, "dim", &d)
        || slivi__checkpoint_get_size(c, "context", &k))
        return SLIVI_EFORMAT;
    if (d == slivi_target_dim(target) && k == slivi_target_context(target))
        return 0;
    return slivi__fail(SLIVI_ESHAPE,
                       "a posterior of %zu dimensions and %zu columns of "
                       "context; the target has %zu and %zu",
                       d, k, slivi_target_dim(target),
                       slivi_target_context(target));
}

static int load_all(slivi_posterior **q, const slivi_checkpoint *c,
                    slivi_target *target)
{
    const char *kind = slivi_checkpoint_text(c, "kind");
    const char *family = slivi_checkpoint_text(c, "family");
    if (!kind || strcmp(kind, "slivi posterior") || !family)
        return slivi__fail(SLIVI_EFORMAT, "not a posterior");
    int status = check_target(c, target);
    if (status)
        return status;
    *q = slivi_posterior_create(family, target);
    if (!*q)
        return slivi__status();
    status = slivi__options_take(slivi_posterior_options, &(*q)->opt, NULL, c);
    if (!status)
        status = slivi__options_take(slivi_learning_options, &(*q)->learning,
                                     NULL, c);
    if (!status)
        status = slivi__posterior_ready(*q);
    if (!status)
        status = load_state(*q, c);
    (*q)->whitened = !status;
    return status;
}

slivi_posterior *slivi_posterior_load(const char *path, slivi_target *target)
{
    slivi_posterior *q = NULL;
    slivi_checkpoint *c = slivi_checkpoint_read(path);
    if (!c)
        return NULL;
    int status = load_all(&q, c, target);
    slivi_checkpoint_free(c);
    if (!status)
        return q;
    slivi__fail_in(status, "%s", path);
    slivi_posterior_free(q);
    return NULL;
}
