/* score_samples.c - samples as callers give them: checked, and converted to the
   estimator's precision.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "kernel/isa.h"
#include "score/estimator.h"

#include <math.h>
#include <string.h>

/* Samples and contexts come as double, and a context may be an image: they are
   looked through and converted in pieces, by the pool. */
typedef struct pieces {
    const slivi__kernels *k;
    const double *from;
    size_t count, size; /* size: bytes of an entry of `to` */
    char *to;
} pieces;

enum { PIECE = 16384 };

static size_t piece(const pieces *p, size_t i)
{
    return p->count - i * PIECE < PIECE ? p->count - i * PIECE : PIECE;
}

static int convert_piece(size_t i, void *ctx)
{
    const pieces *p = ctx;
    p->k->from_double(piece(p, i), p->from + i * PIECE,
                      p->to + i * PIECE * p->size);
    return 0;
}

static int check_piece(size_t i, void *ctx)
{
    const pieces *p = ctx;
    return p->k->is_finite(piece(p, i), p->from + i * PIECE) ? 0
                                                             : SLIVI_ENONFINITE;
}

static int run_pieces(const slivi_score *s, pieces *p,
                      int (*task)(size_t i, void *ctx))
{
    return slivi_pool_run(p->count < 4 * PIECE ? NULL : s->pool,
                          (p->count + PIECE - 1) / PIECE, task, p);
}

void slivi__score_load(const slivi_score *s, void *to, const double *from,
                       size_t count)
{
    pieces p = {slivi__isa_best()->kernels[s->precision], from, count, s->entry,
                to};
    run_pieces(s, &p, convert_piece);
}

void slivi__score_load_samples(const slivi_score *s, void *to, const double *z,
                               size_t n)
{
    const size_t d = s->dim;
    if (!slivi__score_has_moments(s)) {
        slivi__score_load(s, to, z, n * d);
        return;
    }
    for (size_t i = 0; i < n; i++, z += d)
        for (size_t j = 0; j < d; j++)
            if (s->precision == SLIVI_F64)
                ((double *)to)[i * d + j] = z[j] - s->mean[j];
            else
                ((float *)to)[i * d + j] = (float)(z[j] - s->mean[j]);
}

void slivi__score_store(const slivi_score *s, double *to, const void *from,
                        size_t count)
{
    if (s->precision == SLIVI_F64)
        memcpy(to, from, count * sizeof *to);
    else
        slivi__isa_best()->kernels[SLIVI_F32]->to_double(count, from, to);
}

static int check_finite(const slivi_score *s, const char *what, const double *x,
                        size_t n, size_t d)
{
    pieces p = {slivi__isa_best()->kernels[SLIVI_F64], x, n * d, 0, NULL};
    if (!run_pieces(s, &p, check_piece))
        return 0;
    for (size_t i = 0; i < n * d; i++)
        if (!isfinite(x[i]))
            return slivi__fail(SLIVI_ENONFINITE,
                               "score: %s row %zu column %zu is %g", what,
                               i / d, i % d, x[i]);
    return 0;
}

int slivi__score_check(const slivi_score *s, const double *z, const double *ctx,
                       size_t n)
{
    size_t most;
    if (ctx && !s->context)
        return slivi__fail(SLIVI_EINVAL,
                           "score: a context is given, but the estimator was "
                           "created without one");
    if (!n || !z || (s->context && !ctx))
        return slivi__fail(SLIVI_EINVAL, "score: %s",
                           !n  ? "no samples"
                           : z ? "no context given"
                               : "samples are NULL");
    if (slivi__mul(n, s->dim > s->context ? s->dim : s->context, &most))
        return SLIVI_EOVERFLOW;
    int status = check_finite(s, "sample", z, n, s->dim);
    return status || !s->context
               ? status
               : check_finite(s, "context", ctx, n, s->context);
}
