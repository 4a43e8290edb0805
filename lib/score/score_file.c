/* score_file.c - saving and loading estimators.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "io/options.h"
#include "score/estimator.h"

#include <string.h>

static int save_moments(const slivi_score *s, slivi_checkpoint *c)
{
    const size_t d = s->dim;
    if (!slivi__score_has_moments(s))
        return 0;
    int status = slivi_checkpoint_put(c, "base.mean", SLIVI_DTYPE_F64, 1, d,
                                      s->mean);
    if (!status)
        status = slivi_checkpoint_put(c, "base.cov", SLIVI_DTYPE_F64, d, d,
                                      s->cov);
    return status ? status
                  : slivi_checkpoint_put(c, "base.weight", SLIVI_DTYPE_F64, 1,
                                         1, &s->weight);
}

/* Units of the held-out objective, in the estimator's precision. */
static enum slivi_dtype dtype(const slivi_score *s)
{
    return s->precision == SLIVI_F32 ? SLIVI_DTYPE_F32 : SLIVI_DTYPE_F64;
}

static int save_scale(const slivi_score *s, slivi_checkpoint *c)
{
    return slivi_checkpoint_put(c, "scale", dtype(s), 1, s->dim,
                                s->scale_memory);
}

int slivi__score_net_save(const slivi_score *s, slivi_checkpoint *c)
{
    int status = save_moments(s, c);
    if (!status)
        status = save_scale(s, c);
    return status ? status : slivi_learner_save(s->learner, c, "score");
}

static int save_all(const slivi_score *s, slivi_checkpoint *c)
{
    int status = slivi_checkpoint_put_text(c, "kind", "slivi score");
    if (!status)
        status = slivi_checkpoint_put_text(c, "estimator", s->name);
    if (!status)
        status = slivi__checkpoint_put_size(c, "dim", s->dim);
    if (!status)
        status = slivi__checkpoint_put_size(c, "context", s->context);
    if (!status)
        status = slivi__options_put(slivi_score_options, &s->opt, NULL, c);
    if (!status)
        status = slivi__options_put(slivi_learning_options, &s->learning, NULL,
                                    c);
    return status ? status : s->type->save(s, c);
}

int slivi_score_save(const slivi_score *s, const char *path)
{
    if (!s->trained)
        return slivi__fail(SLIVI_EINVAL, "score: nothing was learnt yet");
    slivi_checkpoint *c = slivi_checkpoint_create();
    int status = c ? save_all(s, c) : slivi__status();
    if (!status)
        status = slivi_checkpoint_write(c, path);
    slivi_checkpoint_free(c);
    return status;
}

static int load_moments(slivi_score *s, const slivi_checkpoint *c)
{
    const size_t d = s->dim;
    if (!slivi__score_has_moments(s))
        return 0;
    int status = slivi_checkpoint_get(c, "base.mean", SLIVI_DTYPE_F64, 1, d,
                                      s->mean);
    if (!status)
        status = slivi_checkpoint_get(c, "base.cov", SLIVI_DTYPE_F64, d, d,
                                      s->cov);
    if (!status)
        status = slivi_checkpoint_get(c, "base.weight", SLIVI_DTYPE_F64, 1, 1,
                                      &s->weight);
    return status ? status : slivi__score_whiten(s);
}

int slivi__score_net_load(slivi_score *s, const slivi_checkpoint *c)
{
    int status = slivi_learner_load(s->learner, c, "score");
    if (!status)
        status = slivi_checkpoint_get(c, "scale", dtype(s), 1, s->dim,
                                      s->scale_memory);
    return status ? status : load_moments(s, c);
}

static int load_all(slivi_score **s, const slivi_checkpoint *c)
{
    const char *kind = slivi_checkpoint_text(c, "kind");
    const char *name = slivi_checkpoint_text(c, "estimator");
    size_t dim, context;
    if (!kind || strcmp(kind, "slivi score") || !name)
        return slivi__fail(SLIVI_EFORMAT, "not a score estimator");
    if (slivi__checkpoint_get_size(c, "dim", &dim)
        || slivi__checkpoint_get_size(c, "context", &context))
        return SLIVI_EFORMAT;
    *s = slivi_score_create(name, dim, context);
    if (!*s)
        return slivi__status();
    int status = slivi__options_take(slivi_score_options, &(*s)->opt, NULL, c);
    if (!status)
        status = slivi__options_take(slivi_learning_options, &(*s)->learning,
                                     NULL, c);
    if (!status)
        status = slivi__score_ready(*s);
    if (!status)
        status = (*s)->type->load(*s, c);
    (*s)->trained = !status;
    return status;
}

slivi_score *slivi_score_load(const char *path)
{
    slivi_score *s = NULL;
    slivi_checkpoint *c = slivi_checkpoint_read(path);
    if (!c)
        return NULL;
    int status = load_all(&s, c);
    slivi_checkpoint_free(c);
    if (!status)
        return s;
    slivi__fail_in(status, "%s", path);
    slivi_score_free(s);
    return NULL;
}
