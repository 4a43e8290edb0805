/* subject.c - vaes and score estimators with the options that are timed.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "subject.h"

#include "base/base.h"

#include <stdio.h>
#include <string.h>

double shape_flops(const shape *s)
{
    return s->dim
               ? direct_vae_flops(s->dim, s->latent, s->hidden, s->batch)
               : direct_score_flops(s->latent, s->context, s->hidden, s->batch);
}

slivi_vae *subject_vae(const shape *s, size_t threads, const char *binarise)
{
    char latent[24], batch[24], count[24], hidden[48];
    snprintf(latent, sizeof latent, "%zu", s->latent);
    snprintf(batch, sizeof batch, "%zu", s->batch);
    snprintf(count, sizeof count, "%zu", threads);
    snprintf(hidden, sizeof hidden, "%zu,%zu", s->hidden[0], s->hidden[1]);
    const char *const options[][2] = {
        {"encoder", "implicit"}, {"entropy", "ssm-vr"}, {"latent", latent},
        {"hidden", hidden},      {"batch", batch},      {"threads", count},
        {"binarise", binarise},
    };
    slivi_vae *v = slivi_vae_create(s->dim);
    int status = v ? 0 : slivi__status();
    for (size_t i = 0; i < sizeof options / sizeof *options && !status; i++)
        status = slivi_vae_set(v, options[i][0], options[i][1]);
    if (!status && !slivi_vae_ready(v))
        return v;
    slivi_vae_free(v);
    return NULL;
}

slivi_score *subject_score(const char *objective, const shape *s,
                           const char *hidden, size_t threads)
{
    char count[24], text[48];
    snprintf(count, sizeof count, "%zu", threads);
    snprintf(text, sizeof text, "%zu,%zu", s->hidden[0], s->hidden[1]);
    const char *const options[][2] = {
        {"base", "none"},
        {"law", "normal"},
        {"optimizer", "rmsprop"},
        {"threads", count},
        {"hidden", hidden ? hidden : text},
    };
    slivi_score *it = slivi_score_create(objective, s->latent, s->context);
    int status = it ? 0 : slivi__status();
    for (size_t i = 0; i < sizeof options / sizeof *options && !status; i++)
        status = slivi_score_set_text(it, options[i][0], options[i][1]);
    if (!status)
        return it;
    slivi_score_free(it);
    return NULL;
}

enum { STREAM_Z = 910, STREAM_C };

static void draw(uint32_t stream, size_t n, size_t cols, double *out)
{
    const slivi_address at = {.stream = stream};
    slivi_draw(slivi_law_normal, &at, n, cols, out);
}

int samples_make(samples *to, const shape *s, const images *im)
{
    memset(to, 0, sizeof *to);
    to->n = s->batch;
    to->z = slivi__alloc(to->n * s->latent, sizeof(double));
    if (s->context)
        to->c = slivi__alloc(to->n * s->context, sizeof(double));
    if (!to->z || (s->context && !to->c))
        return SLIVI_ENOMEM;
    draw(STREAM_Z, to->n, s->latent, to->z);
    if (s->context == IMAGE_DIM)
        for (size_t i = 0; i < to->n; i++)
            for (size_t j = 0; j < IMAGE_DIM; j++)
                to->c[i * IMAGE_DIM + j] =
                    (double)im->pixel[i % im->count * IMAGE_DIM + j];
    else if (s->context)
        draw(STREAM_C, to->n, s->context, to->c);
    return 0;
}

void samples_clear(samples *s)
{
    slivi__free(s->z);
    slivi__free(s->c);
    memset(s, 0, sizeof *s);
}
