/* graph.c - nodes: making them, sharing equal ones, keeping the first error.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/node.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ERROR_TEXT = 512 };

struct slivi_graph {
    enum slivi_precision precision;
    slivi__node *nodes; /* nodes[id - 1]; inputs come before their users */
    size_t count, room;
    int *table;   /* open addressing: ids by hash, 0 empty */
    size_t slots; /* power of two, > 2 count */
    char **names; /* owned texts of inputs */
    size_t name_count, name_room;
    int status;
    char error[ERROR_TEXT];
};

slivi_graph *slivi_graph_create(enum slivi_precision precision)
{
    if (precision != SLIVI_F32 && precision != SLIVI_F64)
        return slivi__fail_null(SLIVI_EINVAL, "graph: unknown precision %d",
                                (int)precision);
    slivi_graph *g = slivi__alloc(1, sizeof *g);
    if (g)
        g->precision = precision;
    return g;
}

void slivi_graph_free(slivi_graph *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->name_count; i++)
        slivi__free(g->names[i]);
    slivi__free(g->names);
    slivi__free(g->table);
    slivi__free(g->nodes);
    slivi__free(g);
}

enum slivi_precision slivi_graph_precision(const slivi_graph *g)
{
    return g->precision;
}

int slivi_graph_status(const slivi_graph *g)
{
    return g->status ? slivi__fail(g->status, "%s", g->error) : 0;
}

size_t slivi_graph_count(const slivi_graph *g)
{
    return g->count;
}

int slivi__is_null(slivi_node x)
{
    return x.id == 0;
}

const slivi__node *slivi__at(const slivi_graph *g, slivi_node x)
{
    return x.id > 0 && (size_t)x.id <= g->count ? &g->nodes[x.id - 1] : NULL;
}

ptrdiff_t slivi_node_rows(const slivi_graph *g, slivi_node x)
{
    const slivi__node *node = slivi__at(g, x);
    return node ? node->rows : 0;
}

size_t slivi_node_cols(const slivi_graph *g, slivi_node x)
{
    const slivi__node *node = slivi__at(g, x);
    return node ? node->cols : 0;
}

const char *slivi_node_op(const slivi_graph *g, slivi_node x)
{
    const slivi__node *node = slivi__at(g, x);
    return node ? node->op->name : "";
}

slivi_node slivi__refuse(slivi_graph *g, int status, const char *format, ...)
{
    if (!g->status) {
        va_list args;
        va_start(args, format);
        vsnprintf(g->error, sizeof g->error, format, args);
        va_end(args);
        g->status = status;
        slivi__fail(status, "%s", g->error);
    }
    return (slivi_node){0};
}

const char *slivi__shape_text(ptrdiff_t rows, size_t cols, char *buffer)
{
    if (rows == SLIVI_ROWS)
        snprintf(buffer, 48, "n x %zu", cols);
    else if (rows < 0)
        snprintf(buffer, 48, "%zun x %zu", (size_t)-rows, cols);
    else
        snprintf(buffer, 48, "%zu x %zu", (size_t)rows, cols);
    return buffer;
}

int slivi__reads(const slivi__op *op)
{
    return op->traits & SLIVI_OP_GIVEN ? 1 : op->arity;
}

size_t slivi__count_rows(ptrdiff_t rows, size_t n)
{
    return rows < 0 ? (size_t)-rows * n : (size_t)rows;
}

ptrdiff_t slivi__tangent_rows(ptrdiff_t rows, ptrdiff_t slices)
{
    return rows == SLIVI_ROWS ? slices * SLIVI_ROWS : rows;
}

slivi_node slivi__expand(slivi_graph *g, slivi_node x, ptrdiff_t rows,
                         size_t cols)
{
    if (slivi_node_rows(g, x) == rows && slivi_node_cols(g, x) == cols)
        return x;
    return slivi_broadcast(g, x, rows, cols);
}

slivi_node slivi__reduce(slivi_graph *g, slivi_node x, ptrdiff_t rows,
                         size_t cols)
{
    if (!g->status && slivi_node_rows(g, x) == rows
        && slivi_node_cols(g, x) == cols)
        return x;
    return slivi_sum_to(g, x, rows, cols);
}

/* ---- sharing ---------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

static uint64_t hash(const slivi__node *x)
{
    uint64_t h = mix(0, (uint64_t)(uintptr_t)x->op), bits;
    for (int k = 0; k < SLIVI_ARITY; k++)
        h = mix(h, (uint64_t)x->in[k].id);
    memcpy(&bits, &x->a.c, sizeof bits);
    h = mix(mix(h, (uint64_t)x->rows), x->cols);
    return mix(mix(mix(h, x->a.i), x->a.j), bits);
}

static int equal(const slivi__node *x, const slivi__node *y)
{
    /* bits of c: 0 and -0 differ, and a NaN equals itself */
    return x->op == y->op && x->in[0].id == y->in[0].id
           && x->in[1].id == y->in[1].id && x->rows == y->rows
           && x->cols == y->cols && x->a.rows == y->a.rows
           && x->a.cols == y->a.cols && x->a.i == y->a.i && x->a.j == y->a.j
           && !memcmp(&x->a.c, &y->a.c, sizeof x->a.c) && x->a.p == y->a.p
           && x->a.fn == y->a.fn;
}

static void insert(slivi_graph *g, int id)
{
    size_t at = hash(&g->nodes[id - 1]) & (g->slots - 1);
    while (g->table[at])
        at = (at + 1) & (g->slots - 1);
    g->table[at] = id;
}

static int find(const slivi_graph *g, const slivi__node *x)
{
    if (!g->slots)
        return 0;
    size_t at = hash(x) & (g->slots - 1);
    for (; g->table[at]; at = (at + 1) & (g->slots - 1))
        if (equal(x, &g->nodes[g->table[at] - 1]))
            return g->table[at];
    return 0;
}

static int make_room(slivi_graph *g)
{
    if (g->count < g->room)
        return 0;
    size_t room = g->room ? 2 * g->room : 64;
    int *table = slivi__alloc(4 * room, sizeof *table);
    slivi__node *nodes = table ? slivi__grow(g->nodes, g->count, room,
                                             sizeof *nodes)
                               : NULL;
    if (!nodes) {
        slivi__free(table);
        return SLIVI_ENOMEM;
    }
    slivi__free(g->table);
    g->nodes = nodes;
    g->room = room;
    g->table = table;
    g->slots = 4 * room;
    for (size_t i = 0; i < g->count; i++)
        if (!(g->nodes[i].op->traits & SLIVI_OP_UNIQUE))
            insert(g, (int)i + 1);
    return 0;
}

/* Row numbers (int32_t) may only stand where the operation reads such. */
static int check_inputs(slivi_graph *g, const slivi__node *x)
{
    for (int k = 0; k < x->op->arity; k++) {
        const slivi__node *in = slivi__at(g, x->in[k]);
        const int wanted = k == 1 && (x->op->traits & SLIVI_OP_INDEXED);
        const char *what = !in ? "not a node of this graph"
                           : wanted == !!(in->op->traits & SLIVI_OP_INDEX)
                               ? NULL
                           : wanted ? "not an index"
                                    : "an index";
        if (what) {
            slivi__refuse(g, SLIVI_EINVAL, "%s: operand %d is %s", x->op->name,
                          k + 1, what);
            return 0;
        }
    }
    return 1;
}

slivi_node slivi__make(slivi_graph *g, const slivi__op *op, slivi_node x,
                       slivi_node y, const slivi__attr *attr)
{
    const slivi_node null = {0};
    slivi__node node = {.op = op, .in = {x, y}};
    if (attr)
        node.a = *attr;
    if (g->status || !check_inputs(g, &node))
        return null;
    int status = op->shape(g, &node);
    if (!status && node.cols > ((size_t)1 << 40))
        status = slivi__fail(SLIVI_EOVERFLOW, "%s: %zu columns", op->name,
                             node.cols);
    if (status)
        return slivi__refuse(g, status, "%s", slivi_errmsg());
    int shared = op->traits & SLIVI_OP_UNIQUE ? 0 : find(g, &node);
    if (shared)
        return (slivi_node){shared};
    if (make_room(g))
        return slivi__refuse(g, SLIVI_ENOMEM, "graph: no memory for %zu nodes",
                             g->count + 1);
    g->nodes[g->count++] = node;
    if (!(op->traits & SLIVI_OP_UNIQUE))
        insert(g, (int)g->count);
    return (slivi_node){(int)g->count};
}

/* ---- inputs: named, so the graph owns a text --------------------------- */

static const char *keep_name(slivi_graph *g, const char *name)
{
    if (g->name_count == g->name_room) {
        size_t room = g->name_room ? 2 * g->name_room : 16;
        char **names = slivi__grow(g->names, g->name_count, room,
                                   sizeof *names);
        if (!names)
            return NULL;
        g->names = names;
        g->name_room = room;
    }
    char *copy = slivi__strdup(name);
    if (copy)
        g->names[g->name_count++] = copy;
    return copy;
}

static slivi_node named(slivi_graph *g, const slivi__op *op, const char *name,
                        ptrdiff_t rows, size_t cols)
{
    const slivi_node null = {0};
    if (g->status)
        return null;
    if (!name)
        return slivi__refuse(g, SLIVI_EINVAL, "%s: no name", op->name);
    slivi__attr a = {.rows = rows, .cols = cols, .p = keep_name(g, name)};
    if (!a.p)
        return slivi__refuse(g, SLIVI_ENOMEM, "input %s: no memory", name);
    return slivi__make(g, op, null, null, &a);
}

slivi_node slivi_input(slivi_graph *g, const char *name, ptrdiff_t rows,
                       size_t cols)
{
    return named(g, &slivi__op_input, name, rows, cols);
}

slivi_node slivi_input_index(slivi_graph *g, const char *name, ptrdiff_t rows)
{
    return named(g, &slivi__op_index, name, rows, 1);
}

/* Streams are few: a walk over the nodes finds a second use. */
slivi_node slivi_noise(slivi_graph *g, const slivi_law *law, ptrdiff_t rows,
                       size_t cols, uint32_t stream)
{
    const slivi_node null = {0};
    if (!law)
        return slivi__refuse(g, SLIVI_EINVAL, "noise: no law");
    if (rows < 65536 * SLIVI_ROWS) /* see slivi_address */
        return slivi__refuse(g, SLIVI_EINVAL,
                             "noise: %zu slices, at most 65536", (size_t)-rows);
    for (size_t i = 0; i < g->count; i++)
        if (g->nodes[i].op == &slivi__op_noise && g->nodes[i].a.i == stream)
            return slivi__refuse(g, SLIVI_EINVAL,
                                 "noise: stream %lu is used twice",
                                 (unsigned long)stream);
    slivi__attr a = {.rows = rows, .cols = cols, .i = stream, .p = law};
    return slivi__make(g, &slivi__op_noise, null, null, &a);
}
