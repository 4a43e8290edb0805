/* run.c - running a plan: workspaces, bindings, phases.

   Threads only choose who runs a block or a tile; what those are, and the order
   of every sum, is the plan's.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/run.h"

#include <string.h>

/* Phases of fewer operations are not worth waking anybody. */
enum { SHARED_WORK = 1000000 };

/* ---- workspaces ------------------------------------------------------- */

static size_t widest(const slivi_plan *p)
{
    size_t cols = 1;
    for (int id = 1; id <= (int)p->count; id++)
        if (p->value[id].kind != SLIVI__IDLE && p->value[id].node->cols > cols)
            cols = p->value[id].node->cols;
    return cols;
}

static size_t slot_bytes(const slivi_plan *p)
{
    size_t most = 0;
    for (size_t i = 0; i < p->code_count; i++) {
        const slivi__instruction *c = &p->code[i];
        size_t room = c->cols > SLIVI__CHUNK ? c->cols : SLIVI__CHUNK;
        most = room * c->slots > most ? room * c->slots : most;
    }
    return most * p->size;
}

static int make_bench(slivi_workspace *ws, slivi__bench *b)
{
    const slivi_plan *p = ws->p;
    const size_t slots = slot_bytes(p), wide = widest(p);
    const size_t piece = SLIVI__TILE_ROWS * p->most_columns;
    b->block = slivi__alloc(p->block_bytes, 1);
    b->slots = slivi__alloc(slots, 1);
    b->panels = slivi__alloc(p->most_panels, sizeof *b->panels);
    b->passes = slivi__alloc(p->most_steps, sizeof *b->passes);
    b->sums = slivi__alloc(wide, sizeof *b->sums);
    b->piece = slivi__alloc(piece, p->size);
    ws->bytes += p->block_bytes + slots + p->most_panels * sizeof *b->panels
                 + p->most_steps * sizeof *b->passes + wide * sizeof *b->sums
                 + piece * p->size;
    return b->block && b->slots && b->panels && b->passes && b->sums && b->piece
               ? 0
               : SLIVI_ENOMEM;
}

static int make_room(slivi_workspace *ws)
{
    const slivi_plan *p = ws->p;
    int status = 0;
    ws->bound = slivi__alloc(p->count + 1, sizeof *ws->bound);
    ws->base = slivi__alloc(p->count + 1, sizeof *ws->base);
    ws->result = slivi__alloc(p->output_count, sizeof *ws->result);
    ws->thin = slivi__alloc(p->thin_count, sizeof *ws->thin);
    ws->batch = slivi__alloc(p->batch_bytes, 1);
    ws->scratch = slivi__alloc(p->scratch, sizeof *ws->scratch);
    ws->bench = slivi__alloc(ws->workers, sizeof *ws->bench);
    ws->bytes = p->batch_bytes + p->scratch * sizeof *ws->scratch;
    if (!ws->bound || !ws->base || !ws->result || !ws->thin || !ws->batch
        || !ws->scratch || !ws->bench)
        return SLIVI_ENOMEM;
    for (size_t i = 0; i < ws->workers && !status; i++)
        status = make_bench(ws, &ws->bench[i]);
    return status;
}

slivi_workspace *slivi_workspace_create(const slivi_plan *p, slivi_pool *pool)
{
    slivi_workspace *ws = p ? slivi__alloc(1, sizeof *ws)
                            : slivi__fail_null(SLIVI_EINVAL,
                                               "workspace: no plan");
    if (!ws)
        return NULL;
    ws->p = p;
    ws->pool = pool;
    ws->workers = slivi_pool_threads(pool);
    if (!make_room(ws))
        return ws;
    slivi_workspace_free(ws);
    return NULL;
}

void slivi_workspace_free(slivi_workspace *ws)
{
    if (!ws)
        return;
    for (size_t i = 0; ws->bench && i < ws->workers; i++) {
        slivi__free(ws->bench[i].block);
        slivi__free(ws->bench[i].slots);
        slivi__free(ws->bench[i].panels);
        slivi__free(ws->bench[i].passes);
        slivi__free(ws->bench[i].sums);
        slivi__free(ws->bench[i].piece);
    }
    slivi__free(ws->bench);
    slivi__free(ws->scratch);
    slivi__free(ws->batch);
    slivi__free(ws->thin);
    slivi__free(ws->result);
    slivi__free(ws->base);
    slivi__free(ws->bound);
    slivi__free(ws);
}

size_t slivi_workspace_bytes(const slivi_workspace *ws)
{
    return ws->bytes;
}

int slivi_workspace_bind(slivi_workspace *ws, slivi_node x, void *memory)
{
    const slivi_plan *p = ws->p;
    const slivi__node *node = slivi__at(p->g, x);
    if (!node || (size_t)x.id > p->count)
        return slivi__fail(SLIVI_EINVAL, "bind: %d is not a node of the plan",
                           x.id);
    ws->apart = 0;
    if (node->op->traits & SLIVI_OP_INPUT) {
        ws->bound[x.id] = memory; /* in vain if no output needs it */
        return 0;
    }
    for (size_t i = 0; i < p->output_count; i++)
        if (p->outputs[i].id == x.id) { /* a node listed twice: once is it */
            ws->result[i] = memory;
            return 0;
        }
    return slivi__fail(SLIVI_EINVAL, "bind: %s.%d is neither input nor output",
                       node->op->name, x.id);
}

/* ---- addresses -------------------------------------------------------- */

static size_t entry_size(const slivi_workspace *ws, const slivi__node *node)
{
    return node->op->traits & SLIVI_OP_INDEX ? sizeof(int32_t) : ws->p->size;
}

char *slivi__run_row(const slivi_workspace *ws, int id, size_t slice,
                     size_t row)
{
    const slivi__value *v = &ws->p->value[id];
    if (v->node->rows > 0)
        return ws->base[id];
    if (v->home == SLIVI__BAND)
        row += slice * ws->rows - ws->first;
    else
        row += slice * ws->run->n;
    return ws->base[id] + row * v->node->cols * entry_size(ws, v->node);
}

/* Where an output's memory serves as the value's home: that of a gradient may be
   added to, if nobody needs the value alone. */
static char *direct(const slivi_workspace *ws, const slivi__value *v)
{
    if (v->output < 0 || !ws->result[v->output])
        return NULL;
    if (!ws->run->accumulate
        || (v->kind == SLIVI__GRADIENT && v->readers == 0 && v->outputs == 1))
        return ws->result[v->output];
    return NULL;
}

static void set_addresses(slivi_workspace *ws)
{
    const slivi_plan *p = ws->p;
    for (int id = 1; id <= (int)p->count; id++) {
        const slivi__value *v = &p->value[id];
        char *own = v->home == SLIVI__BATCH ? direct(ws, v) : NULL;
        if (v->kind == SLIVI__BOUND)
            ws->base[id] = ws->bound[id];
        else if (v->kind == SLIVI__VIEW)
            ws->base[id] = ws->base[v->in[0]] + v->shift * p->size;
        else if (v->home == SLIVI__BATCH || v->home == SLIVI__BAND)
            ws->base[id] = own ? own : ws->batch + v->offset;
    }
}

static size_t rows_of(const slivi_workspace *ws, int id)
{
    return slivi__count_rows(ws->p->value[id].node->rows, ws->run->n);
}

/* ---- sparse inputs ------------------------------------------------------ */

const slivi__nonzeros *slivi__run_thin(const slivi_workspace *ws, int id)
{
    for (size_t i = 0; i < ws->p->thin_count; i++)
        if (ws->p->thin[i].node == id)
            return &ws->thin[i];
    return NULL;
}

/* ---- what concerns the whole batch --------------------------------------- */

/* What is made of a gradient's tile: the terms' rows in the band, in pieces, each
   summed from zero and then added. */
typedef struct making {
    const slivi_workspace *ws;
    const slivi__tile *tile;
    size_t n;
    char *c; /* tile */
    int add;
    const slivi__bench *bench;
    size_t panels, rows; /* of the piece so far */
} making;

/* Where the next piece goes. */
static char *piece_room(const making *m)
{
    return m->add ? m->bench->piece : m->c;
}

static void end_piece(making *m)
{
    const slivi__kernels *k = m->ws->p->k;
    const slivi__loop sum = {.rows = 1,
                             .cols = (m->tile->last - m->tile->first) * m->n,
                             .a = m->c,
                             .b = m->bench->piece,
                             .wide_a = 1,
                             .wide_b = 1,
                             .y = m->c};
    if (m->add)
        k->loop[SLIVI__LOOP_add](&sum);
    m->add = 1;
}

static void flush(making *m)
{
    if (!m->rows)
        return;
    m->ws->p->k->multiply_t(m->panels, m->bench->panels,
                            m->tile->last - m->tile->first, m->n, piece_room(m),
                            m->n, 0);
    m->panels = m->rows = 0;
    end_piece(m);
}

/* Rows of a term that lie together. */
static void take_rows(making *m, slivi__panel q)
{
    const size_t size = m->ws->p->size;
    for (size_t left = q.rows; left > 0; left -= q.rows) {
        q.rows = SLIVI__PIECE_ROWS - m->rows;
        q.rows = q.rows < left ? q.rows : left;
        m->bench->panels[m->panels++] = q;
        m->rows += q.rows;
        if (m->rows == SLIVI__PIECE_ROWS)
            flush(m);
        q.a = (const char *)q.a + q.rows * q.lda * size;
        q.c = (char *)q.c + q.rows * q.ldc * size;
    }
}

static void take_dense(making *m, const slivi__pair *t)
{
    const slivi_workspace *ws = m->ws;
    const slivi_plan *p = ws->p;
    const slivi__value *a = &p->value[t->a], *b = &p->value[t->b];
    for (size_t s = 0; s < slivi__plan_slices(p, t->a); s++)
        take_rows(m, (slivi__panel){.a = slivi__run_row(ws, t->a, s, ws->first)
                                         + m->tile->first * p->size,
                                    .lda = a->node->cols,
                                    .c = slivi__run_row(ws, t->b, s, ws->first),
                                    .ldc = b->node->cols,
                                    .rows = ws->rows});
}

/* A thin input's term is a piece of its own, sparse or not: so its bits are the
   same. */
static void take_thin(making *m, const slivi__pair *t,
                      const slivi__nonzeros *thin)
{
    const slivi_workspace *ws = m->ws;
    const slivi_plan *p = ws->p;
    slivi__sparse a = thin->columns;
    flush(m);
    if (!a.start) {
        take_dense(m, t);
        flush(m);
        return;
    }
    a.start += ws->first / (p->band * p->block)
                   * (p->value[t->a].node->cols + 1)
               + m->tile->first;
    p->k->multiply_sparse(&a, 0, m->tile->last - m->tile->first, m->n,
                          slivi__run_row(ws, t->b, 0, ws->first), m->n,
                          piece_room(m), m->n, 0);
    end_piece(m);
}

static void run_gradient(const slivi_workspace *ws, const slivi__tile *tile,
                         int add, const slivi__bench *bench)
{
    const slivi__value *v = &ws->p->value[tile->what];
    making m = {
        .ws = ws, .tile = tile, .n = v->node->cols, .add = add, .bench = bench};
    m.c = ws->base[tile->what] + tile->first * m.n * ws->p->size;
    for (size_t i = 0; i < v->count; i++) {
        const slivi__pair *t = &ws->p->pair[v->first + i];
        const slivi__nonzeros *thin = slivi__run_thin(ws, t->a);
        if (thin)
            take_thin(&m, t, thin);
        else
            take_dense(&m, t);
    }
    flush(&m);
}

static void run_copy(slivi_workspace *ws, const slivi__tile *t)
{
    const slivi_plan *p = ws->p;
    const slivi__transposed *c = &p->copy[t->what];
    const slivi__node *x = p->value[c->node].node;
    p->k->transpose(t->last - t->first, x->cols,
                    ws->base[c->node] + t->first * x->cols * p->size, x->cols,
                    ws->batch + c->offset + t->first * p->size,
                    (size_t)x->rows);
}

/* The sums of the blocks, in order. */
static void run_total(slivi_workspace *ws, int id)
{
    const slivi_plan *p = ws->p;
    const slivi__value *v = &p->value[id];
    const size_t wide = p->value[v->in[0]].node->cols, cols = v->node->cols;
    const size_t blocks = (ws->run->n + p->block - 1) / p->block;
    double *sum = (double *)(ws->batch + v->partial);
    for (size_t b = 1; b < blocks; b++)
        for (size_t j = 0; j < wide; j++)
            sum[j] += sum[b * wide + j];
    for (size_t j = 1; cols < wide && j < wide; j++)
        sum[0] += sum[j];
    for (size_t j = 0; j < cols; j++)
        if (p->size == sizeof(float))
            ((float *)ws->base[id])[j] = (float)sum[j];
        else
            ((double *)ws->base[id])[j] = sum[j];
}

static int run_whole(slivi_workspace *ws, int id)
{
    const slivi__value *v = &ws->p->value[id];
    slivi__call call = {.node = v->node,
                        .run = ws->run,
                        .pool = ws->pool,
                        .scratch = ws->scratch,
                        .out = ws->base[id],
                        .rows = rows_of(ws, id),
                        .last = rows_of(ws, id),
                        .cols = v->node->cols};
    for (int k = 0; k < v->node->op->arity; k++) {
        call.in[k] = ws->base[v->in[k]];
        call.in_rows[k] = rows_of(ws, v->in[k]);
        call.in_cols[k] = ws->p->value[v->in[k]].node->cols;
    }
    return v->node->op->kernel[slivi_graph_precision(ws->p->g)](&call);
}

/* ---- phases ----------------------------------------------------------- */

typedef struct task {
    slivi_workspace *ws;
    const slivi__phase *phase;
    size_t first; /* tile or block */
} task;

static int block_task(size_t i, size_t worker, void *ctx)
{
    const task *t = ctx;
    return slivi__run_block(t->ws, t->phase, t->first + i,
                            &t->ws->bench[worker]);
}

/* In bands after the first, and where the user's memory is added to. */
static int adds(const slivi_workspace *ws, const slivi__value *v)
{
    return ws->first > 0 || (ws->run->accumulate && direct(ws, v));
}

static int gradient_task(size_t i, size_t worker, void *ctx)
{
    const task *t = ctx;
    const slivi__tile *tile = &t->ws->p->tile[t->first + i];
    run_gradient(t->ws, tile, adds(t->ws, &t->ws->p->value[tile->what]),
                 &t->ws->bench[worker]);
    return 0;
}

static int copy_task(size_t i, size_t worker, void *ctx)
{
    const task *t = ctx;
    (void)worker; /* nothing is computed */
    run_copy(t->ws, &t->ws->p->tile[t->first + i]);
    return 0;
}

/* Inputs are looked through first: that takes longer than a tile. */
static int first_task(size_t i, size_t worker, void *ctx)
{
    const task *t = ctx;
    const size_t thin = t->ws->p->thin_count;
    if (i >= thin)
        return copy_task(i - thin, worker, ctx);
    slivi__find_nonzeros(t->ws, i);
    return 0;
}

static int share(slivi_workspace *ws, const slivi__phase *f, size_t first,
                 size_t end, int (*run)(size_t i, size_t worker, void *ctx))
{
    task t = {ws, f, first};
    return slivi__pool_share(f->work < SHARED_WORK ? NULL : ws->pool,
                             end - first, run, &t);
}

static int run_batch_phase(slivi_workspace *ws, const slivi__phase *f)
{
    const slivi_plan *p = ws->p;
    int status = 0;
    for (size_t i = f->total; i < f->total_end && !status; i++)
        run_total(ws, p->order[i]);
    for (size_t i = f->whole; i < f->whole_end && !status; i++)
        status = run_whole(ws, p->order[i]);
    if (!status)
        status = share(ws, f, f->late, f->late_end, copy_task);
    return status;
}

/* Rows, and the gradients of the next level: these take up what a band of blocks
   has left before the next band begins, while it is still in a cache. */
static int run_bands(slivi_workspace *ws, const slivi__phase *rows,
                     const slivi__phase *gradients)
{
    const slivi_plan *p = ws->p;
    const size_t n = ws->run->n, blocks = (n + p->block - 1) / p->block;
    const int any = gradients->tile < gradients->tile_end;
    const size_t band = any ? p->band : blocks;
    int status = 0;
    for (size_t i = 0; i < blocks && !status; i += band) {
        const size_t end = i + band < blocks ? i + band : blocks;
        ws->first = i * p->block;
        ws->rows = (end * p->block < n ? end * p->block : n) - ws->first;
        if (rows && rows->code < rows->code_end)
            status = share(ws, rows, i, end, block_task);
        if (!status)
            status = share(ws, gradients, gradients->tile, gradients->tile_end,
                           gradient_task);
    }
    return status;
}

static int run_phases(slivi_workspace *ws)
{
    const slivi_plan *p = ws->p;
    const slivi__phase *first = p->phase;
    int status = share(ws, first, first->copy, first->copy_end + p->thin_count,
                       first_task);
    if (!status)
        status = run_bands(ws, NULL, first);
    for (size_t i = 0; i < p->phases && !status; i++) {
        const slivi__phase *f = &p->phase[i];
        status = i % 2 ? run_bands(ws, f, f + 1) : run_batch_phase(ws, f);
    }
    return status;
}

/* ---- results ---------------------------------------------------------- */

static void deliver(const slivi_workspace *ws, size_t i)
{
    const slivi_plan *p = ws->p;
    const int id = p->value[p->outputs[i].id].same;
    const size_t count = rows_of(ws, id) * p->value[id].node->cols;
    const char *from = ws->base[id];
    char *to = ws->result[i];
    if (!to || to == from)
        return;
    if (!ws->run->accumulate)
        memcpy(to, from, count * p->size);
    else if (p->size == sizeof(float))
        for (size_t j = 0; j < count; j++)
            ((float *)to)[j] += ((const float *)from)[j];
    else
        for (size_t j = 0; j < count; j++)
            ((double *)to)[j] += ((const double *)from)[j];
}

static size_t bytes_of(const slivi_workspace *ws, const slivi__node *node,
                       size_t n)
{
    return slivi__count_rows(node->rows, n) * node->cols * entry_size(ws, node);
}

/* Results are written while inputs are still read. */
static int check_apart(slivi_workspace *ws, size_t n)
{
    const slivi_plan *p = ws->p;
    for (size_t i = 0; i < p->output_count; i++) {
        const slivi__node *y = slivi__at(p->g, p->outputs[i]);
        const char *to = ws->result[i];
        const char *end = to + bytes_of(ws, y, n);
        for (int id = 1; to && id <= (int)p->count; id++) {
            const slivi__node *x = p->value[id].node;
            const char *from = ws->bound[id];
            if (p->value[id].kind == SLIVI__BOUND && from < end
                && to < from + bytes_of(ws, x, n))
                return slivi__fail(SLIVI_EINVAL,
                                   "plan: output %s.%d lies in the memory of "
                                   "input %s",
                                   y->op->name, p->outputs[i].id,
                                   (const char *)x->a.p);
        }
    }
    ws->apart = n;
    return 0;
}

static int check_run(slivi_workspace *ws, const slivi_run *run)
{
    const slivi_plan *p = ws->p;
    if (!run->n || run->n > p->max_rows)
        return slivi__fail(SLIVI_EINVAL, "plan: %zu rows, at most %zu fit",
                           run->n, p->max_rows);
    if (run->row > (uint64_t)UINT32_MAX + 1 - run->n || run->step >> 48)
        return slivi__fail(SLIVI_EINVAL,
                           "plan: row or step beyond the addresses of draws");
    for (int id = 1; id <= (int)p->count; id++)
        if (p->value[id].kind == SLIVI__BOUND && !ws->bound[id])
            return slivi__fail(SLIVI_EINVAL, "plan: input %s is not bound",
                               (const char *)p->value[id].node->a.p);
    return run->n > ws->apart ? check_apart(ws, run->n) : 0;
}

int slivi_workspace_run(slivi_workspace *ws, const slivi_run *run)
{
    slivi__mode mode;
    int status = check_run(ws, run);
    if (!status && ws->p->uses_blas)
        status = slivi__blas_enter();
    if (status)
        return status;
    slivi__mode_enter(&mode);
    ws->run = run;
    set_addresses(ws);
    status = run_phases(ws);
    for (size_t i = 0; i < ws->p->output_count && !status; i++)
        deliver(ws, i);
    ws->run = NULL;
    slivi__mode_leave(&mode);
    if (ws->p->uses_blas)
        slivi__blas_leave();
    return status;
}
