/* score_file.c - saving and loading estimators.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/estimator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 128 };

static int save_options(const slivi_score *s, slivi_checkpoint *c,
                        const slivi_option *table)
{
    char key[TEXT], text[TEXT];
    int status = 0;
    for (const slivi_option *o = table; o->name && !status; o++) {
        snprintf(key, sizeof key, "option.%s", o->name);
        status = slivi_score_get(s, o->name, text, sizeof text);
        if (!status)
            status = slivi_checkpoint_put_text(c, key, text);
    }
    return status;
}

static int put_size(slivi_checkpoint *c, const char *key, size_t value)
{
    char text[TEXT];
    snprintf(text, sizeof text, "%zu", value);
    return slivi_checkpoint_put_text(c, key, text);
}

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

static int save_all(const slivi_score *s, slivi_checkpoint *c)
{
    int status = slivi_checkpoint_put_text(c, "kind", "slivi score");
    if (!status)
        status = slivi_checkpoint_put_text(c, "estimator", s->objective->name);
    if (!status)
        status = put_size(c, "dim", s->dim);
    if (!status)
        status = put_size(c, "context", s->context);
    if (!status)
        status = save_options(s, c, slivi_score_options);
    if (!status)
        status = save_options(s, c, slivi_learning_options);
    if (!status)
        status = save_moments(s, c);
    return status ? status : slivi_learner_save(s->learner, c, "score");
}

int slivi_score_save(const slivi_score *s, const char *path)
{
    if (!s->ready)
        return slivi__fail(SLIVI_EINVAL, "score: nothing was learnt yet");
    slivi_checkpoint *c = slivi_checkpoint_create();
    int status = c ? save_all(s, c) : slivi__status();
    if (!status)
        status = slivi_checkpoint_write(c, path);
    slivi_checkpoint_free(c);
    return status;
}

static int get_size(const slivi_checkpoint *c, const char *key, size_t *value)
{
    const char *text = slivi_checkpoint_text(c, key);
    char *end;
    *value = text && *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    return text && *text >= '0' && *text <= '9' && !*end
               ? 0
               : slivi__fail(SLIVI_EFORMAT, "no number \"%s\"", key);
}

static int load_options(slivi_score *s, const slivi_checkpoint *c,
                        const slivi_option *table)
{
    char key[TEXT];
    int status = 0;
    for (const slivi_option *o = table; o->name && !status; o++) {
        snprintf(key, sizeof key, "option.%s", o->name);
        const char *text = slivi_checkpoint_text(c, key);
        status = text ? slivi_score_set_text(s, o->name, text)
                      : slivi__fail(SLIVI_EFORMAT, "no \"%s\"", key);
    }
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

static int load_all(slivi_score **s, const slivi_checkpoint *c)
{
    const char *kind = slivi_checkpoint_text(c, "kind");
    const char *name = slivi_checkpoint_text(c, "estimator");
    size_t dim, context;
    if (!kind || strcmp(kind, "slivi score") || !name)
        return slivi__fail(SLIVI_EFORMAT, "not a score estimator");
    if (get_size(c, "dim", &dim) || get_size(c, "context", &context))
        return SLIVI_EFORMAT;
    *s = slivi_score_create(name, dim, context);
    if (!*s)
        return slivi__status();
    int status = load_options(*s, c, slivi_score_options);
    if (!status)
        status = load_options(*s, c, slivi_learning_options);
    if (!status)
        status = slivi__score_ready(*s);
    if (!status)
        status = slivi_learner_load((*s)->learner, c, "score");
    return status ? status : load_moments(*s, c);
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
