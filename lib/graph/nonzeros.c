/* nonzeros.c - inputs that are mostly zero, found out at each run.

   Images of ones and zeros, one-hot rows, counts: a product with such an input
   need not touch what it multiplies by zero.  The sums that are left have the
   same terms in the same order, so a result does not depend on how it was made,
   but for the sign of a zero and for zero times what is not finite.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/run.h"

#include <string.h>

/* Where the parts are: starts, values and indices, by row and by column. */
typedef struct lists {
    uint32_t *row_start, *row_index, *column_start, *cursor, *column_index;
    char *row_value, *column_value;
    size_t most; /* entries that fit */
} lists;

size_t slivi__thin_most(size_t rows, size_t cols)
{
    return rows * cols / SLIVI__THIN_SHARE;
}

/* A row more than fits may be written before that is known. */
static lists parts(const slivi_workspace *ws, const slivi__thin *t, size_t cols)
{
    char *at = ws->batch;
    const size_t bands = (ws->p->blocks + ws->p->band - 1) / ws->p->band;
    lists l = {.most = slivi__thin_most(ws->p->max_rows, cols)};
    const size_t values = (l.most + cols) * ws->p->size;
    l.row_start = (uint32_t *)(at + t->offset[0]);
    l.row_value = at + t->offset[1];
    l.row_index = (uint32_t *)(at + t->offset[1] + values);
    l.column_start = (uint32_t *)(at + t->offset[2]);
    l.cursor = l.column_start + bands * (cols + 1);
    l.column_value = at + t->offset[3];
    l.column_index = (uint32_t *)(at + t->offset[3] + values);
    return l;
}

/* The nonzeros of each row; 0 when they are too many. */
static int by_row(const slivi_plan *p, const char *x, size_t n, size_t cols,
                  const lists *l)
{
    size_t t = 0;
    for (size_t i = 0; i < n; i++, x += cols * p->size) {
        l->row_start[i] = (uint32_t)t;
        t += p->k->nonzeros(cols, x, l->row_index + t,
                            l->row_value + t * p->size);
        if (t > l->most)
            return 0;
    }
    l->row_start[n] = (uint32_t)t;
    return 1;
}

/* Entries of rows [first, end) by column: start and cursor are of their band.
   Rows ascend, because they are met in order; `from` entries come before. */
static void by_column(const lists *l, size_t first, size_t end, size_t cols,
                      size_t size, uint32_t *start)
{
    const uint32_t from = l->row_start[first];
    memset(start, 0, (cols + 1) * sizeof *start);
    for (size_t t = from; t < l->row_start[end]; t++)
        start[l->row_index[t] + 1]++;
    start[0] = from;
    for (size_t j = 0; j < cols; j++) {
        start[j + 1] += start[j];
        l->cursor[j] = start[j];
    }
    for (size_t i = first; i < end; i++)
        for (size_t t = l->row_start[i]; t < l->row_start[i + 1]; t++) {
            const size_t to = l->cursor[l->row_index[t]]++;
            l->column_index[to] = (uint32_t)(i - first);
            memcpy(l->column_value + to * size, l->row_value + t * size, size);
        }
}

void slivi__find_nonzeros(slivi_workspace *ws, size_t i)
{
    const slivi_plan *p = ws->p;
    const slivi__thin *t = &p->thin[i];
    const size_t cols = p->value[t->node].node->cols, n = ws->run->n;
    const char *x = ws->base[t->node];
    const lists l = parts(ws, t, cols);
    const int found = by_row(p, x, n, cols, &l);
    ws->thin[i] = (slivi__nonzeros){{NULL, NULL, NULL}, {NULL, NULL, NULL}};
    /* few in all, though perhaps many in these rows */
    if (!found || l.row_start[n] > slivi__thin_most(n, cols))
        return;
    if (t->in_rows)
        ws->thin[i].rows = (slivi__sparse){l.row_start, l.row_index,
                                           l.row_value};
    if (!t->in_gradients)
        return;
    const size_t band = p->band * p->block;
    for (size_t first = 0; first < n; first += band)
        by_column(&l, first, first + band < n ? first + band : n, cols, p->size,
                  l.column_start + first / band * (cols + 1));
    ws->thin[i].columns = (slivi__sparse){l.column_start, l.column_index,
                                          l.column_value};
}
