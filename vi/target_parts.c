/* target_parts.c - parts of the rows of data, in a new order in every sweep.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "target_inside.h"

/* a stream of its own, so that a host may use the same seed */
enum { STREAM_ORDER = 0x74617231 };

int slivi__parts_open(slivi__parts *p, size_t rows, size_t batch, uint64_t seed)
{
    if (batch == 0 || batch > rows)
        return slivi__fail(SLIVI_EINVAL,
                           "target: parts of %zu of %zu rows, not of 1..%zu",
                           batch, rows, rows);
    if (rows > UINT32_MAX)
        return slivi__fail(SLIVI_EINVAL, "target: %zu rows are not < 2^32",
                           rows);
    p->rows = p->m = rows;
    p->batch = batch;
    p->seed = seed;
    p->sweep = UINT64_MAX;
    p->order = slivi__alloc(rows, sizeof *p->order);
    p->room = slivi__alloc(batch, sizeof *p->room);
    return p->order != NULL && p->room != NULL ? 0 : SLIVI_ENOMEM;
}

void slivi__parts_close(slivi__parts *p)
{
    slivi__free(p->order);
    slivi__free(p->room);
}

int slivi__parts_take(slivi__parts *p, size_t step)
{
    const size_t parts = (p->rows - 1) / p->batch + 1;
    const size_t first = step % parts * p->batch;
    const uint64_t sweep = step / parts;

    if (step == SIZE_MAX || parts == 1) {
        p->m = p->rows;
        p->index = NULL;
        return 0;
    }
    if (sweep >> 48 != 0)
        return slivi__fail(SLIVI_EINVAL, "target: step %zu is too large", step);
    if (sweep != p->sweep) {
        const slivi_address at = {
            .seed = p->seed, .stream = STREAM_ORDER, .step = sweep};

        slivi_permutation(&at, p->rows, p->order);
        p->sweep = sweep;
    }
    p->m = p->rows - first < p->batch ? p->rows - first : p->batch;
    for (size_t i = 0; i < p->m; i++)
        p->room[i] = p->order[first + i];
    p->index = p->room;
    return 0;
}
