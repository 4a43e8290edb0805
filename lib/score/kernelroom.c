/* kernelroom.c - memory of kernel estimators: blocks cut into arrays.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/kernelfit.h"

enum { LINE = 64 };

void *slivi__carve(slivi__carver *c, size_t rows, size_t cols, size_t size)
{
    void *part = c->at ? c->at + c->bytes : NULL;
    size_t count, bytes;
    if (!c->status
        && !(slivi__mul(rows, cols, &count) || slivi__mul(count, size, &bytes)
             || slivi__add(bytes, LINE - 1, &bytes)
             || slivi__add(c->bytes, bytes / LINE * LINE, &c->bytes)))
        return part;
    c->status = SLIVI_EOVERFLOW;
    return NULL;
}

void slivi__carve_times(slivi__carver *c, size_t n, const slivi__carver *one)
{
    size_t all;
    if (c->status || one->status || slivi__mul(n, one->bytes, &all)
        || slivi__add(c->bytes, all, &c->bytes))
        c->status = SLIVI_EOVERFLOW;
}

static size_t lanes(size_t m)
{
    return (m + SLIVI__KERNEL_LANES - 1) / SLIVI__KERNEL_LANES
           * SLIVI__KERNEL_LANES;
}

void slivi__carve_kernelfit(slivi__carver *c, size_t m, size_t d,
                            slivi__kernelfit *f)
{
    f->points = slivi__carve(c, d, lanes(m), sizeof *f->points);
    f->coef = slivi__carve(c, m, d, sizeof *f->coef);
    f->matrix = slivi__carve(c, m, m, sizeof *f->matrix);
    f->values = slivi__carve(c, m, 1, sizeof *f->values);
}

void slivi__carve_make(slivi__carver *c, const slivi__kernelmethod *method,
                       size_t m, size_t d, slivi__kernelroom *r)
{
    size_t work = 0, iwork = 0;
    if (!method || method->eigen)
        (void)slivi__eigen_room(m, &work, &iwork); /* m is not too large */
    r->h = slivi__carve(c, m, d, sizeof *r->h);
    r->scores = slivi__carve(c, m, d, sizeof *r->scores);
    r->rows = slivi__carve(c, lanes(m), 1, sizeof *r->rows);
    r->work = slivi__carve(c, work > m * d ? work : m * d, 1, sizeof *r->work);
    r->iwork = slivi__carve(c, iwork, 1, sizeof *r->iwork);
}

void slivi__carve_eval(slivi__carver *c, size_t m, size_t d,
                       slivi__kernelroom *r)
{
    /* of the two it is the larger one */
    r->rows = slivi__carve(c, SLIVI__KERNEL_TILE, lanes(m), sizeof *r->rows);
    r->solve = slivi__carve(c, SLIVI__KERNEL_TILE, m, sizeof *r->solve);
    r->out = slivi__carve(c, SLIVI__KERNEL_TILE, d, sizeof *r->out);
    r->schur = slivi__carve(c, SLIVI__KERNEL_TILE, 1, sizeof *r->schur);
    r->pulled = slivi__carve(c, d, 1, sizeof *r->pulled);
}
