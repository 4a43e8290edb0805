/* block.c - the instructions of a plan for one block of samples.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/run.h"

#include <string.h>

/* Samples [first, first + rows) of the run. */
typedef struct block {
    slivi_workspace *ws;
    slivi__bench *bench;
    size_t index, first, rows;
} block;

/* ---- addresses -------------------------------------------------------- */

static const slivi__node *node_of(const block *b, int id)
{
    return b->ws->p->value[id].node;
}

/* The block's first row of a slice; fixed values have no slices. */
static char *row_of(const block *b, int id, size_t slice)
{
    const slivi__value *v = &b->ws->p->value[id];
    if (v->home == SLIVI__BLOCK)
        return b->bench->block + v->offset
               + slice * b->rows * v->node->cols * b->ws->p->size;
    return slivi__run_row(b->ws, id, slice, b->first);
}

/* Slice of an operand that meets slice s of the result. */
static size_t slice_of(const block *b, int id, size_t s)
{
    return slivi__plan_slices(b->ws->p, id) > 1 ? s : 0;
}

/* ---- chains ----------------------------------------------------------- */

typedef struct chunk_operand {
    const void *x;
    size_t stride, move; /* entries from row to row; bytes */
    int wide;
} chunk_operand;

static char *slot(const block *b, const slivi__instruction *c, int number)
{
    const size_t room = c->cols > SLIVI__CHUNK ? c->cols : SLIVI__CHUNK;
    return b->bench->slots + (size_t)number * room * b->ws->p->size;
}

static chunk_operand operand(const block *b, const slivi__instruction *c,
                             const slivi__step *s, int k, size_t slice)
{
    const slivi_plan *p = b->ws->p;
    const int in = s->in[k];
    const slivi__step *made = in < 0 ? NULL : &p->step[c->first + (size_t)in];
    const int id = made ? made->node : ~in;
    const slivi__node *x = node_of(b, id);
    const int one = x->rows == 1 && x->cols == 1;
    chunk_operand o = {.wide = x->cols == c->cols && !one,
                       .stride = x->rows < 0 ? x->cols : 0};
    if (made && made->slot >= 0) { /* made anew for each chunk */
        o.x = slot(b, c, made->slot);
        return o;
    }
    o.x = row_of(b, id, slice_of(b, id, slice));
    o.move = o.stride * p->size;
    return o;
}

/* The passes of a slice from its first row on. */
static void prepare(const block *b, const slivi__instruction *c, size_t slice)
{
    const slivi_plan *p = b->ws->p;
    for (size_t i = 0; i < c->count; i++) {
        const slivi__step *s = &p->step[c->first + i];
        slivi__pass *q = &b->bench->passes[i];
        const size_t cols = node_of(b, s->node)->cols;
        const slivi__value *v = &p->value[s->node];
        memset(q, 0, sizeof *q);
        q->step = s;
        q->loop.c = v->node->a.c;
        for (int k = 0; k < s->arity; k++) {
            const chunk_operand o = operand(b, c, s, k, slice);
            *(k ? &q->loop.b : &q->loop.a) = o.x;
            *(k ? &q->loop.stride_b : &q->loop.stride_a) = o.stride;
            *(k ? &q->loop.wide_b : &q->loop.wide_a) = o.wide;
            *(k ? &q->move_b : &q->move_a) = o.move;
        }
        if (s->what == SLIVI__STEP_TOTAL) {
            q->sum = (double *)(b->ws->batch + v->partial) + b->index * c->cols;
            continue;
        }
        q->loop.stride_y = cols;
        q->loop.y = s->slot < 0 ? row_of(b, s->node, slice)
                                : slot(b, c, s->slot);
        q->move_y = s->slot < 0 ? cols * p->size : 0;
    }
}

/* Any operation on `rows` rows, then on to the next ones. */
static void run_pass(const slivi_plan *p, slivi__pass *q, size_t rows,
                     size_t cols)
{
    slivi__loop *l = &q->loop;
    if (q->step->what == SLIVI__STEP_TOTAL) {
        p->k->column_sum(rows, cols, l->a, l->stride_a, q->sum);
    } else if (q->step->what == SLIVI__STEP_ROW_SUM) {
        p->k->row_sum(rows, cols, l->a, l->stride_a, l->y, 1);
    } else {
        l->rows = q->step->flat ? 1 : rows;
        l->cols = q->step->flat ? rows * cols : cols;
        p->k->loop[q->step->what](l);
    }
    l->a = (const char *)l->a + rows * q->move_a;
    if (l->b)
        l->b = (const char *)l->b + rows * q->move_b;
    if (l->y)
        l->y = (char *)l->y + rows * q->move_y;
}

/* Sums of totals begin anew with each block. */
static void clear_sums(const block *b, const slivi__instruction *c)
{
    const slivi_plan *p = b->ws->p;
    for (size_t i = c->first; i < c->first + c->count; i++)
        if (p->step[i].what == SLIVI__STEP_TOTAL)
            memset((double *)(b->ws->batch + p->value[p->step[i].node].partial)
                       + b->index * c->cols,
                   0, c->cols * sizeof(double));
}

static int run_chain(const block *b, const slivi__instruction *c)
{
    const slivi_plan *p = b->ws->p;
    const size_t most = c->cols < SLIVI__CHUNK ? SLIVI__CHUNK / c->cols : 1;
    clear_sums(b, c);
    for (size_t s = 0; s < c->slices; s++) {
        prepare(b, c, s);
        for (size_t i = 0; i < b->rows; i += most) {
            const size_t rows = b->rows - i < most ? b->rows - i : most;
            for (size_t j = 0; j < c->count; j++)
                run_pass(p, &b->bench->passes[j], rows, c->cols);
        }
    }
    return 0;
}

/* ---- products --------------------------------------------------------- */

/* Panels of one pair: a single one where all slices lie together. */
static size_t add_panels(const block *b, const slivi__pair *q, slivi__panel *at)
{
    const slivi_plan *p = b->ws->p;
    const slivi__value *x = &p->value[q->a], *y = &p->value[q->b];
    const size_t slices = slivi__plan_slices(p, q->b);
    const int whole = slices == 1
                      || (x->home == SLIVI__BLOCK && y->home == SLIVI__BLOCK);
    const size_t count = whole ? 1 : slices;
    for (size_t s = 0; s < count; s++)
        at[s] = (slivi__panel){.a = row_of(b, q->a, s),
                               .lda = x->node->cols,
                               .c = row_of(b, q->b, s),
                               .ldc = y->node->cols,
                               .rows = whole ? slices * b->rows : b->rows};
    return count;
}

static void run_sparse(const block *b, const slivi__sparse *x, int result,
                       const void *right, size_t n)
{
    slivi__sparse here = *x;
    here.start += b->first;
    b->ws->p->k->multiply_sparse(&here, 0, b->rows, n, right, n,
                                 row_of(b, result, 0), n, 0);
}

static int run_product(const block *b, const slivi__instruction *c)
{
    const slivi_plan *p = b->ws->p;
    const slivi__node *right = node_of(b, c->node);
    const size_t rows = (size_t)right->rows;
    const size_t n = c->transposed < 0 ? right->cols : rows;
    const size_t k = c->transposed < 0 ? rows : right->cols;
    const void *w = c->transposed < 0
                        ? b->ws->base[c->node]
                        : b->ws->batch + p->copy[c->transposed].offset;
    size_t panels = 0;
    for (size_t i = c->first; i < c->first + c->count; i++) {
        const slivi__nonzeros *thin = slivi__run_thin(b->ws, p->pair[i].a);
        if (thin && thin->rows.start)
            run_sparse(b, &thin->rows, p->pair[i].b, w, n);
        else
            panels += add_panels(b, &p->pair[i], b->bench->panels + panels);
    }
    if (panels)
        p->k->multiply(panels, b->bench->panels, n, k, w, n, 0);
    return 0;
}

/* ---- the others ------------------------------------------------------- */

static int run_noise(const block *b, const slivi__instruction *c)
{
    const slivi_run *run = b->ws->run;
    const slivi__node *node = node_of(b, c->node);
    for (size_t s = 0; s < c->slices; s++) {
        const slivi_address at = {.seed = run->seed,
                                  .stream = (uint32_t)node->a.i,
                                  .step = run->step,
                                  .slice = (uint32_t)s,
                                  .row = run->row + b->first};
        b->ws->p->k->draw(node->a.p, &at, b->rows, c->cols,
                          row_of(b, c->node, s));
    }
    return 0;
}

static int run_units(const block *b, const slivi__instruction *c)
{
    const slivi_plan *p = b->ws->p;
    for (size_t s = 0; s < c->slices; s++) {
        char *y = row_of(b, c->node, s);
        const size_t j = b->ws->run->chunk * c->slices + s;
        memset(y, 0, b->rows * c->cols * p->size);
        for (size_t i = 0; j < c->cols && i < b->rows; i++)
            if (p->size == sizeof(float))
                ((float *)y)[i * c->cols + j] = 1;
            else
                ((double *)y)[i * c->cols + j] = 1;
    }
    return 0;
}

static void store(const slivi_plan *p, char *y, size_t i, double value)
{
    if (p->size == sizeof(float))
        ((float *)y)[i] = (float)value;
    else
        ((double *)y)[i] = value;
}

/* Each sample's slices summed in order, and its columns where one is wanted. */
static int run_slice_sum(const block *b, const slivi__instruction *c)
{
    const slivi_plan *p = b->ws->p;
    const int in = p->value[c->node].in[0];
    const size_t wide = node_of(b, in)->cols,
                 slices = slivi__plan_slices(p, in);
    const size_t step = (size_t)(row_of(b, in, 1) - row_of(b, in, 0)) / p->size;
    char *y = row_of(b, c->node, 0);
    double *sum = b->bench->sums;
    for (size_t i = 0; i < b->rows; i++) {
        memset(sum, 0, wide * sizeof *sum);
        p->k->column_sum(slices, wide, row_of(b, in, 0) + i * wide * p->size,
                         step, sum);
        for (size_t j = 1; c->cols < wide && j < wide; j++)
            sum[0] += sum[j];
        for (size_t j = 0; j < c->cols; j++)
            store(p, y, i * c->cols + j, sum[j]);
    }
    return 0;
}

/* The plain kernel, slice by slice. */
static int run_kernel(const block *b, const slivi__instruction *c)
{
    const slivi_plan *p = b->ws->p;
    const slivi__value *v = &p->value[c->node];
    int status = 0;
    for (size_t s = 0; s < c->slices && !status; s++) {
        slivi__call call = {.node = v->node,
                            .run = b->ws->run,
                            .out = row_of(b, c->node, s),
                            .rows = b->rows,
                            .last = b->rows,
                            .origin = s * b->ws->run->n + b->first,
                            .cols = c->cols};
        for (int k = 0; k < v->node->op->arity; k++) {
            const slivi__node *in = node_of(b, v->in[k]);
            call.in[k] = row_of(b, v->in[k], slice_of(b, v->in[k], s));
            call.in_rows[k] = in->rows < 0 ? b->rows : (size_t)in->rows;
            call.in_cols[k] = in->cols;
        }
        status = v->node->op->kernel[slivi_graph_precision(p->g)](&call);
    }
    return status;
}

/* ---- a block ---------------------------------------------------------- */

static int (*const runners[])(const block *b, const slivi__instruction *c) = {
    [SLIVI__ENTRYWISE] = run_chain,     [SLIVI__PRODUCT] = run_product,
    [SLIVI__NOISE] = run_noise,         [SLIVI__UNITS] = run_units,
    [SLIVI__SLICE_SUM] = run_slice_sum, [SLIVI__ROW_KERNEL] = run_kernel,
};

int slivi__run_block(slivi_workspace *ws, const slivi__phase *f, size_t i,
                     slivi__bench *bench)
{
    const slivi_plan *p = ws->p;
    const size_t first = i * p->block, left = ws->run->n - first;
    const block b = {.ws = ws,
                     .bench = bench,
                     .index = i,
                     .first = first,
                     .rows = left < p->block ? left : p->block};
    int status = 0;
    for (size_t j = f->code; j < f->code_end && !status; j++)
        status = runners[p->code[j].kind](&b, &p->code[j]);
    return status;
}
