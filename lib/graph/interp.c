/* interp.c - the plain executor.

   At creation: the nodes that the outputs need, in order; a buffer for each,
   reused when its last reader has run (outputs keep theirs).  A run calls one
   kernel after the other.  Kernels that work row by row are cut into blocks of
   rows for the pool; the cut cannot change a bit of the result.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/node.h"

#include <stdint.h>
#include <string.h>

enum {
    BLOCK_ENTRIES = 16384, /* rows are shared out in blocks of this size */
    NO_BUFFER = -1
};

typedef struct buffer {
    char *memory;
    size_t bytes;
    int busy;
} buffer;

typedef struct instruction {
    slivi_node x;
    int buffer; /* NO_BUFFER: an input, bound by the user */
    int last;   /* number of the last instruction that reads it */
} instruction;

struct slivi_interp {
    const slivi_graph *g;
    slivi_pool *pool;
    size_t max_rows, size; /* size: bytes of an entry */
    instruction *code;     /* in order of id */
    size_t count;
    int *where;   /* instruction of a node id, or -1 */
    void **bound; /* memory of inputs, by instruction */
    slivi_node *outputs;
    void **result; /* memory of outputs */
    size_t output_count;
    buffer *buffers;
    size_t buffer_count;
    double *scratch;
    size_t bytes;
};

/* ---- creation --------------------------------------------------------- */

static const slivi__node *node_at(const slivi_interp *it, size_t i)
{
    return slivi__at(it->g, it->code[i].x);
}

/* The nodes that the outputs need: where[id] = 0 for those, -1 for others. */
static int select_nodes(slivi_interp *it, size_t count,
                        const slivi_node *outputs)
{
    size_t total = slivi_graph_count(it->g);
    it->where = slivi__alloc(total + 1, sizeof *it->where);
    if (!it->where)
        return SLIVI_ENOMEM;
    for (size_t i = 0; i <= total; i++)
        it->where[i] = -1;
    for (size_t i = 0; i < count; i++)
        it->where[outputs[i].id] = 0;
    for (int id = (int)total; id > 0; id--) {
        const slivi__node *node = slivi__at(it->g, (slivi_node){id});
        if (it->where[id] < 0)
            continue;
        it->count++;
        for (int k = 0; k < slivi__reads(node->op); k++)
            it->where[node->in[k].id] = 0;
    }
    it->code = slivi__alloc(it->count, sizeof *it->code);
    it->bound = slivi__alloc(it->count, sizeof *it->bound);
    it->buffers = slivi__alloc(it->count, sizeof *it->buffers);
    if (!it->code || !it->bound || !it->buffers)
        return SLIVI_ENOMEM;
    int at = 0;
    for (int id = 1; id <= (int)total; id++)
        if (it->where[id] == 0) {
            it->code[at] = (instruction){{id}, NO_BUFFER, at};
            it->where[id] = at++;
        }
    return 0;
}

static void find_last_readers(slivi_interp *it)
{
    for (size_t i = 0; i < it->count; i++) {
        const slivi__node *node = node_at(it, i);
        for (int k = 0; k < slivi__reads(node->op); k++)
            it->code[it->where[node->in[k].id]].last = (int)i;
    }
    for (size_t i = 0; i < it->output_count; i++)
        it->code[it->where[it->outputs[i].id]].last = (int)it->count;
}

/* The free buffer that fits best: the smallest that is large enough, else the
   largest, which then grows. */
static int take_buffer(slivi_interp *it, size_t bytes)
{
    int best = NO_BUFFER;
    for (size_t i = 0; i < it->buffer_count; i++) {
        const buffer *b = &it->buffers[i];
        if (b->busy)
            continue;
        size_t have = best < 0 ? 0 : it->buffers[best].bytes;
        if (best < 0
            || (have < bytes ? b->bytes > have
                             : b->bytes >= bytes && b->bytes < have))
            best = (int)i;
    }
    if (best < 0)
        best = (int)it->buffer_count++;
    buffer *b = &it->buffers[best];
    b->busy = 1;
    b->bytes = b->bytes > bytes ? b->bytes : bytes;
    return best;
}

static int place_buffers(slivi_interp *it)
{
    for (size_t i = 0; i < it->count; i++) {
        const slivi__node *node = node_at(it, i);
        size_t rows, entries, bytes;
        if (slivi__mul(node->rows < 0 ? (size_t)-node->rows : 1,
                       node->rows < 0 ? it->max_rows : (size_t)node->rows,
                       &rows)
            || slivi__mul(rows, node->cols, &entries)
            || slivi__mul(entries, sizeof(double), &bytes))
            return slivi__fail(SLIVI_EOVERFLOW, "interp: %s of %zu columns",
                               node->op->name, node->cols);
        if (!(node->op->traits & SLIVI_OP_INPUT))
            it->code[i].buffer = take_buffer(it, entries * it->size);
        for (int k = 0; k < slivi__reads(node->op);
             k++) { /* free what ends here */
            instruction *in = &it->code[it->where[node->in[k].id]];
            if (in->last == (int)i && in->buffer >= 0)
                it->buffers[in->buffer].busy = 0;
        }
    }
    for (size_t i = 0; i < it->buffer_count; i++) {
        it->buffers[i].memory = slivi__alloc(it->buffers[i].bytes, 1);
        it->bytes += it->buffers[i].bytes;
        if (!it->buffers[i].memory)
            return SLIVI_ENOMEM;
    }
    return 0;
}

static int place_scratch(slivi_interp *it)
{
    size_t most = 0;
    for (size_t i = 0; i < it->count; i++) {
        const slivi__node *node = node_at(it, i), *in[SLIVI_ARITY] = {0};
        if (!node->op->scratch)
            continue;
        for (int k = 0; k < slivi__reads(node->op); k++)
            in[k] = slivi__at(it->g, node->in[k]);
        size_t need = node->op->scratch(node, in, it->max_rows);
        most = need > most ? need : most;
    }
    it->bytes += most * sizeof(double);
    it->scratch = slivi__alloc(most, sizeof(double));
    return it->scratch ? 0 : SLIVI_ENOMEM;
}

static int check_outputs(const slivi_graph *g, size_t count,
                         const slivi_node *outputs)
{
    for (size_t i = 0; i < count; i++)
        if (!slivi__at(g, outputs[i]))
            return slivi__fail(SLIVI_EINVAL, "interp: output %zu is not a node",
                               i);
    return 0;
}

static int build(slivi_interp *it, size_t count, const slivi_node *outputs)
{
    it->outputs = slivi__alloc(count, sizeof *it->outputs);
    it->result = slivi__alloc(count, sizeof *it->result);
    if (!it->outputs || !it->result)
        return SLIVI_ENOMEM;
    memcpy(it->outputs, outputs, count * sizeof *outputs);
    it->output_count = count;
    int status = select_nodes(it, count, outputs);
    if (status)
        return status;
    find_last_readers(it);
    status = place_buffers(it);
    return status ? status : place_scratch(it);
}

slivi_interp *slivi_interp_create(const slivi_graph *g, size_t count,
                                  const slivi_node outputs[], size_t max_rows,
                                  slivi_pool *pool)
{
    if (!g)
        return slivi__fail_null(SLIVI_EINVAL, "interp: no graph");
    if (slivi_graph_status(g) || check_outputs(g, count, outputs))
        return NULL;
    if (!count)
        return slivi__fail_null(SLIVI_EINVAL, "interp: no outputs");
    if (!max_rows || max_rows > UINT32_MAX)
        return slivi__fail_null(SLIVI_EINVAL,
                                "interp: max_rows is %zu, not 1 to 2^32 - 1",
                                max_rows);
    slivi_interp *it = slivi__alloc(1, sizeof *it);
    if (!it)
        return NULL;
    it->g = g;
    it->pool = pool;
    it->max_rows = max_rows;
    it->size = slivi_graph_precision(g) == SLIVI_F32 ? sizeof(float)
                                                     : sizeof(double);
    if (!build(it, count, outputs))
        return it;
    slivi_interp_free(it);
    return NULL;
}

void slivi_interp_free(slivi_interp *it)
{
    if (!it)
        return;
    for (size_t i = 0; i < it->buffer_count; i++)
        slivi__free(it->buffers[i].memory);
    slivi__free(it->scratch);
    slivi__free(it->buffers);
    slivi__free(it->bound);
    slivi__free(it->code);
    slivi__free(it->where);
    slivi__free(it->result);
    slivi__free(it->outputs);
    slivi__free(it);
}

size_t slivi_interp_bytes(const slivi_interp *it)
{
    return it->bytes;
}

size_t slivi_interp_nodes(const slivi_interp *it)
{
    return it->count;
}

/* ---- runs ------------------------------------------------------------- */

int slivi_interp_bind(slivi_interp *it, slivi_node x, void *memory)
{
    const slivi__node *node = slivi__at(it->g, x);
    int found = 0;
    if (!node)
        return slivi__fail(SLIVI_EINVAL, "bind: not a node");
    if (node->op->traits & SLIVI_OP_INPUT) {
        found = 1; /* an input that no output needs is bound in vain */
        if (it->where[x.id] >= 0)
            it->bound[it->where[x.id]] = memory;
    }
    for (size_t i = 0; i < it->output_count && !found; i++)
        if (it->outputs[i].id == x.id) { /* a node listed twice: once is it */
            it->result[i] = memory;
            found = 1;
        }
    return found ? 0
                 : slivi__fail(SLIVI_EINVAL,
                               "bind: a node of %s is neither input nor output",
                               node->op->name);
}

static const void *memory_of(const slivi_interp *it, slivi_node x)
{
    int at = it->where[x.id], b = it->code[at].buffer;
    return b < 0 ? it->bound[at] : it->buffers[b].memory;
}

typedef struct block_task {
    const slivi__call *call;
    slivi__kernel *kernel;
    size_t rows; /* of a block */
} block_task;

static int run_block(size_t i, void *ctx)
{
    const block_task *task = ctx;
    slivi__call c = *task->call;
    c.first = i * task->rows;
    c.last = c.first + task->rows < c.rows ? c.first + task->rows : c.rows;
    return task->kernel(&c);
}

static int run_node(slivi_interp *it, size_t i, const slivi_run *run)
{
    const slivi__node *node = node_at(it, i);
    if (node->op->traits & SLIVI_OP_INPUT)
        return 0;
    slivi__call c = {
        .node = node, .run = run, .pool = it->pool, .scratch = it->scratch};
    for (int k = 0; k < slivi__reads(node->op); k++) {
        const slivi__node *in = slivi__at(it->g, node->in[k]);
        c.in[k] = memory_of(it, node->in[k]);
        c.in_rows[k] = slivi__count_rows(in->rows, run->n);
        c.in_cols[k] = in->cols;
    }
    c.out = it->buffers[it->code[i].buffer].memory;
    c.rows = slivi__count_rows(node->rows, run->n);
    c.cols = node->cols;
    c.last = c.rows;
    slivi__kernel *kernel = node->op->kernel[slivi_graph_precision(it->g)];
    if (!(node->op->traits & SLIVI_OP_ROWWISE)
        || c.rows * c.cols <= BLOCK_ENTRIES)
        return kernel(&c);
    size_t rows = BLOCK_ENTRIES / c.cols ? BLOCK_ENTRIES / c.cols : 1;
    block_task task = {&c, kernel, rows};
    return slivi_pool_run(it->pool, (c.rows + rows - 1) / rows, run_block,
                          &task);
}

static void deliver(const slivi_interp *it, size_t i, const slivi_run *run)
{
    const slivi__node *node = slivi__at(it->g, it->outputs[i]);
    size_t count = slivi__count_rows(node->rows, run->n) * node->cols;
    const void *from = memory_of(it, it->outputs[i]);
    if (!it->result[i])
        return;
    if (!run->accumulate) {
        memcpy(it->result[i], from, count * it->size);
    } else if (it->size == sizeof(float)) {
        float *y = it->result[i];
        for (size_t j = 0; j < count; j++)
            y[j] += ((const float *)from)[j];
    } else {
        double *y = it->result[i];
        for (size_t j = 0; j < count; j++)
            y[j] += ((const double *)from)[j];
    }
}

static int check_run(const slivi_interp *it, const slivi_run *run)
{
    if (!run->n || run->n > it->max_rows)
        return slivi__fail(SLIVI_EINVAL, "interp: %zu rows, at most %zu fit",
                           run->n, it->max_rows);
    if (run->row > (uint64_t)UINT32_MAX + 1 - run->n || run->step >> 48)
        return slivi__fail(SLIVI_EINVAL,
                           "interp: row or step beyond the addresses of draws");
    for (size_t i = 0; i < it->count; i++)
        if (node_at(it, i)->op->traits & SLIVI_OP_INPUT && !it->bound[i])
            return slivi__fail(SLIVI_EINVAL, "interp: input %s is not bound",
                               (const char *)node_at(it, i)->a.p);
    return 0;
}

int slivi_interp_run(slivi_interp *it, const slivi_run *run)
{
    int status = check_run(it, run);
    if (!status)
        status = slivi__blas_enter();
    if (status)
        return status;
    for (size_t i = 0; i < it->count && !status; i++)
        status = run_node(it, i, run);
    slivi__blas_leave();
    for (size_t i = 0; i < it->output_count && !status; i++)
        deliver(it, i, run);
    return status;
}
