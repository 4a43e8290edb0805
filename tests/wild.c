/* wild.c - see wild.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "wild.h"

#include "graph/node.h"
#include "slivi/status.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 60, DEGREE = 3 };

static const slivi_node null = {0};

size_t wild_draw(wild *w, size_t most)
{
    uint64_t z = w->state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (size_t)((z ^ (z >> 31)) >> 16) % most;
}

/* ---- picking operands ------------------------------------------------- */

static ptrdiff_t rows_of(const wild *w, slivi_node x)
{
    return slivi_node_rows(w->g, x);
}

static size_t cols_of(const wild *w, slivi_node x)
{
    return slivi_node_cols(w->g, x);
}

enum want { ANY, SAMPLES, FIXED };

static wild_node pick(wild *w, enum want want, size_t cols)
{
    for (int i = 0; i < TRIES; i++) {
        const wild_node at = w->node[wild_draw(w, w->count)];
        const ptrdiff_t rows = rows_of(w, at.x);
        if ((want == ANY || (want == SAMPLES) == (rows < 0))
            && (!cols || cols_of(w, at.x) == cols))
            return at;
    }
    return (wild_node){null, 0};
}

static wild_node pick_rows(wild *w, ptrdiff_t rows, size_t cols)
{
    for (int i = 0; i < TRIES; i++) {
        const wild_node at = w->node[wild_draw(w, w->count)];
        if (rows_of(w, at.x) == rows && (!cols || cols_of(w, at.x) == cols))
            return at;
    }
    return (wild_node){null, 0};
}

static int is_operand(const wild *w, slivi_node a, slivi_node b)
{
    const ptrdiff_t ra = rows_of(w, a), rb = rows_of(w, b);
    const size_t ca = cols_of(w, a), cb = cols_of(w, b);
    return (ra == rb || ra == 1 || rb == 1
            || (ra < 0 && rb < 0 && (ra == SLIVI_ROWS || rb == SLIVI_ROWS)))
           && (ca == cb || ca == 1 || cb == 1);
}

static wild_node keep(slivi_node x, int degree)
{
    return (wild_node){x, degree};
}

static wild_node tame(wild *w, wild_node x)
{
    return x.degree < 2 ? x : keep(slivi_tanh(w->g, x.x), 1);
}

/* ---- operations ------------------------------------------------------- */

static wild_node entrywise(wild *w)
{
    static slivi_node (*const all[])(slivi_graph *, slivi_node) = {
        slivi_tanh, slivi_sin,      slivi_cos, slivi_erf,
        slivi_silu, slivi_softplus, slivi_elu, slivi_sigmoid};
    const wild_node x = pick(w, ANY, 0);
    slivi_graph *g = w->g;
    switch (wild_draw(w, 8)) {
    case 0:
        return keep(slivi_exp(g, slivi_tanh(g, x.x)), 1);
    case 1:
        return keep(slivi_log(g, slivi_shift(g, slivi_square(g, x.x), 1)), 1);
    case 2:
        return keep(slivi_sqrt(g, slivi_shift(g, slivi_square(g, x.x), 1)),
                    x.degree);
    case 3:
        return keep(slivi_scale(g, slivi_shift(g, x.x, 0.25), -0.5), x.degree);
    default:
        return keep(all[wild_draw(w, 8)](g, x.x), x.degree);
    }
}

/* These jump or bend: only where both executors see the same bits. */
static wild_node bent(wild *w)
{
    static slivi_node (*const all[])(slivi_graph *, slivi_node) = {
        slivi_step, slivi_sign, slivi_abs, slivi_relu, slivi_row_max};
    const size_t which = wild_draw(w, 5);
    slivi_node x = w->node[wild_draw(w, w->inputs - 2)].x;
    if (which == 4)
        x = slivi_stop_gradient(w->g, x);
    return keep(all[which](w->g, x), 1);
}

static wild_node two(wild *w)
{
    slivi_graph *g = w->g;
    wild_node a = pick(w, ANY, 0), b = pick(w, ANY, 0);
    for (int i = 0; i < TRIES && !is_operand(w, a.x, b.x); i++)
        b = pick(w, ANY, 0);
    if (!is_operand(w, a.x, b.x))
        return keep(null, 0);
    const int most = a.degree > b.degree ? a.degree : b.degree;
    switch (wild_draw(w, 5)) {
    case 0:
        return keep(slivi_add(g, a.x, b.x), most);
    case 1:
        return keep(slivi_sub(g, a.x, b.x), most);
    case 2:
        b.x = slivi_shift(g, slivi_square(g, tame(w, b).x), 1);
        return keep(slivi_div(g, a.x, b.x), most);
    default:
        if (a.degree + b.degree > DEGREE) {
            a = tame(w, a);
            b = tame(w, b);
        }
        return keep(slivi_mul(g, a.x, b.x), a.degree + b.degree);
    }
}

static wild_node product(wild *w)
{
    const wild_node b = tame(w, pick(w, FIXED, 0));
    const int transposed = (int)wild_draw(w, 2);
    const size_t k = transposed ? cols_of(w, b.x) : (size_t)rows_of(w, b.x);
    const wild_node a = pick(w, wild_draw(w, 4) ? SAMPLES : FIXED, k);
    if (!a.x.id)
        return a;
    return keep(
        slivi_scale(w->g, slivi_matmul_t(w->g, a.x, 0, b.x, transposed), 0.25),
        a.degree);
}

static wild_node gradient(wild *w)
{
    const wild_node a = pick(w, ANY, 0);
    const wild_node b = pick_rows(w, rows_of(w, a.x), 0);
    if (!b.x.id)
        return b;
    return keep(slivi_tanh(w->g, slivi_matmul_t(w->g, a.x, 1, b.x, 0)), 1);
}

static wild_node sum(wild *w)
{
    slivi_graph *g = w->g;
    const wild_node x = pick(w, ANY, 0);
    const ptrdiff_t rows = rows_of(w, x.x);
    const ptrdiff_t fewer[] = {rows, rows, 1, rows < 0 ? SLIVI_ROWS : rows};
    const ptrdiff_t to = fewer[wild_draw(w, 4)];
    const size_t cols = wild_draw(w, 2) ? 1 : cols_of(w, x.x);
    if (wild_draw(w, 8) == 0)
        return keep(slivi_log_sum_exp(g, x.x), x.degree);
    slivi_node y = slivi_sum_to(g, x.x, to, cols);
    return to == 1 ? keep(slivi_tanh(g, slivi_scale(g, y, 0.01)), 1)
                   : keep(slivi_scale(g, y, 0.25), x.degree);
}

/* x and the sums of its rows meet in one chain. */
static wild_node centred(wild *w)
{
    const wild_node x = tame(w, pick(w, ANY, 0));
    slivi_node r = slivi_row_sum(w->g, x.x);
    slivi_node y = wild_draw(w, 2) ? slivi_mul(w->g, x.x, r)
                                   : slivi_sub(w->g, r, x.x);
    return keep(slivi_tanh(w->g, y), 1);
}

static wild_node repeat(wild *w)
{
    const wild_node x = pick(w, ANY, 0);
    const ptrdiff_t rows = rows_of(w, x.x);
    const size_t cols = cols_of(w, x.x);
    const ptrdiff_t more = -(ptrdiff_t)(1 + wild_draw(w, 3));
    if (rows > 1 || (rows != 1 && rows != SLIVI_ROWS && cols > 1))
        return keep(null, 0);
    return keep(slivi_broadcast(w->g, x.x, rows < SLIVI_ROWS ? rows : more,
                                cols == 1 && wild_draw(w, 2) ? 5 : cols),
                x.degree);
}

static wild_node move(wild *w)
{
    slivi_graph *g = w->g;
    const wild_node x = pick(w, ANY, 0);
    const size_t cols = cols_of(w, x.x), first = wild_draw(w, cols);
    switch (wild_draw(w, 3)) {
    case 0: {
        const wild_node y = pick_rows(w, rows_of(w, x.x), 0);
        if (cols + cols_of(w, y.x) > 90 || !y.x.id)
            return keep(null, 0);
        return keep(slivi_concat(g, x.x, y.x),
                    x.degree > y.degree ? x.degree : y.degree);
    }
    case 1:
        return keep(
            slivi_columns(g, x.x, first, 1 + wild_draw(w, cols - first)),
            x.degree);
    default:
        return keep(slivi_pad_columns(g, x.x, wild_draw(w, 3), wild_draw(w, 3)),
                    x.degree);
    }
}

static wild_node move_fixed(wild *w)
{
    slivi_graph *g = w->g;
    const wild_node x = pick(w, FIXED, 0);
    const size_t rows = (size_t)rows_of(w, x.x), first = wild_draw(w, rows);
    switch (wild_draw(w, 6)) {
    case 0:
        return keep(slivi_transpose(g, x.x), x.degree);
    case 1:
        return keep(slivi_reshape(g, x.x, cols_of(w, x.x), rows), x.degree);
    case 2:
        return keep(slivi_pad_rows(g, x.x, 1, wild_draw(w, 3)), x.degree);
    case 3: { /* a'a + 2 is definite */
        slivi_node a = slivi_matmul_t(g, x.x, 1, x.x, 0);
        a = slivi_add(g, slivi_tanh(g, slivi_scale(g, a, 0.01)),
                      slivi_scale(g, slivi_eye(g, cols_of(w, x.x)), 99));
        return cols_of(w, x.x) > 20 ? keep(null, 0)
               : wild_draw(w, 2)    ? keep(slivi_spd_logdet(g, a), 1)
                                    : keep(slivi_spd_solve(g, a, a), 1);
    }
    default:
        return keep(slivi_rows(g, x.x, first, 1 + wild_draw(w, rows - first)),
                    x.degree);
    }
}

/* The last two inputs are indices, n and 2n of them. */
static wild_node by_index(wild *w)
{
    const size_t which = wild_draw(w, 2);
    const slivi_node index = w->input[w->inputs - 2 + which];
    const size_t rows = w->index_rows[w->inputs - 2 + which];
    if (wild_draw(w, 2)) {
        const wild_node x = pick_rows(w, (ptrdiff_t)rows, 0);
        return x.x.id ? keep(slivi_gather(w->g, x.x, index), x.degree) : x;
    }
    const wild_node x = pick_rows(w, (ptrdiff_t)(which + 1) * SLIVI_ROWS, 0);
    if (!x.x.id)
        return x;
    return keep(slivi_tanh(w->g, slivi_scatter_add(w->g, x.x, index, rows)), 1);
}

static wild_node leaf(wild *w)
{
    slivi_graph *g = w->g;
    static const size_t widths[] = {1, 2, 5, 16};
    const size_t cols = widths[wild_draw(w, 4)];
    const ptrdiff_t rows = (ptrdiff_t)(1 + wild_draw(w, 3));
    const slivi_law *law = wild_draw(w, 2) ? slivi_law_normal
                                           : slivi_law_rademacher;
    switch (wild_draw(w, 6)) {
    case 0:
        return keep(slivi_units(g, (size_t)rows, cols), 1);
    case 1:
        return keep(slivi_full(g, -rows, cols, 0.5), 1);
    case 2:
        return keep(slivi_noise(g, law, rows, cols, w->stream++), 1);
    default:
        return keep(slivi_noise(g, law, -rows, cols, w->stream++), 1);
    }
}

static wild_node aside(wild *w)
{
    const wild_node x = pick(w, ANY, 0);
    return keep(wild_draw(w, 3) ? slivi_variable(w->g, x.x)
                                : slivi_stop_gradient(w->g, x.x),
                x.degree);
}

/* Something behind y, a few operations back. */
static slivi_node behind(wild *w, slivi_node y)
{
    for (size_t steps = 1 + wild_draw(w, 5); steps; steps--) {
        const slivi__node *node = slivi__at(w->g, y);
        if (!node->op->arity || (node->op->traits & SLIVI_OP_CUT))
            break;
        y = node->in[node->op->traits & SLIVI_OP_INDEXED
                         ? 0
                         : wild_draw(w, (size_t)node->op->arity)];
    }
    return y;
}

static wild_node derivative(wild *w)
{
    const wild_node y = pick(w, ANY, 0);
    const slivi_node x = behind(w, y.x);
    const ptrdiff_t rows = rows_of(w, x);
    slivi_node d;
    if (wild_draw(w, 2))
        d = slivi_grad(w->g, y.x, x);
    else {
        wild_node v = pick_rows(w, rows, cols_of(w, x));
        if (rows == SLIVI_ROWS && wild_draw(w, 2))
            v = pick(w, SAMPLES, cols_of(w, x));
        if (!v.x.id)
            return v;
        d = slivi_jvp(w->g, y.x, x, v.x);
    }
    return wild_draw(w, 2) ? keep(slivi_tanh(w->g, d), 1)
                           : keep(slivi_scale(w->g, d, 0.125), DEGREE);
}

static wild_node (*const operations[])(wild *) = {
    entrywise, entrywise,  entrywise,  two,        two,   two,
    product,   product,    product,    gradient,   sum,   sum,
    repeat,    move,       move,       leaf,       aside, move_fixed,
    by_index,  derivative, derivative, derivative, bent,  centred};

/* ---- graphs ----------------------------------------------------------- */

static void add_input(wild *w, ptrdiff_t rows, size_t cols)
{
    static const char *const names[WILD_INPUTS] = {
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"};
    const slivi_node x = slivi_input(w->g, names[w->inputs], rows, cols);
    w->input[w->inputs++] = w->node[w->count].x = x;
    w->node[w->count++].degree = 1;
}

static void add_index(wild *w, const char *name, ptrdiff_t rows, size_t table)
{
    w->index_rows[w->inputs] = table;
    w->input[w->inputs++] = slivi_input_index(w->g, name, rows);
}

static void begin(wild *w, enum slivi_precision precision)
{
    memset(w, 0, sizeof *w);
    w->g = slivi_graph_create(precision);
    ck_assert_ptr_nonnull(w->g);
    add_input(w, SLIVI_ROWS, 5);
    add_input(w, SLIVI_ROWS, 70);
    add_input(w, SLIVI_ROWS, 16);
    add_input(w, SLIVI_ROWS, 1);
    add_input(w, 2 * SLIVI_ROWS, 5);
    add_input(w, 3 * SLIVI_ROWS, 2);
    add_input(w, 1, 5);
    add_input(w, 1, 1);
    add_input(w, 5, 16);
    add_input(w, 16, 5);
    add_input(w, 70, 16);
    add_input(w, 5, 5);
    add_index(w, "row", SLIVI_ROWS, 5);
    add_index(w, "rows", 2 * SLIVI_ROWS, 16);
}

/* What an operation refuses spoils the graph: it is made again without. */
void wild_open(wild *w, enum slivi_precision precision, uint64_t seed,
               size_t count)
{
    char *refused = calloc(count, 1);
    size_t i = 0;
    begin(w, precision);
    while (i < count && w->count < WILD_NODES) {
        w->state = seed << 20 | i;
        const wild_node y = refused[i]
                                ? keep(null, 0)
                                : operations[wild_draw(
                                    w, sizeof operations / sizeof *operations)](
                                    w);
        i++;
        if (slivi_graph_status(w->g)) {
            refused[i - 1] = 1;
            slivi_graph_free(w->g);
            begin(w, precision);
            i = 0;
        } else if (y.x.id) {
            w->node[w->count++] = y;
        }
    }
    w->state = seed << 20 | 0xfffff;
    free(refused);
}

void wild_close(wild *w)
{
    slivi_graph_free(w->g);
}

void wild_outputs(wild *w, size_t count, slivi_node *out)
{
    for (size_t i = 0; i < count; i++) {
        const size_t late = w->count - w->inputs + 2;
        const size_t at = late > 1 && wild_draw(w, 8)
                              ? w->count - 1 - wild_draw(w, late - 1)
                              : wild_draw(w, w->count);
        out[i] = w->node[at].x;
        if (i && wild_draw(w, 6) == 0)
            out[i] = wild_draw(w, 2) ? slivi_variable(w->g, out[i - 1])
                                     : out[i - 1];
    }
}

/* ---- memory ----------------------------------------------------------- */

void *wild_memory(const wild *w, size_t i, size_t n, size_t row)
{
    const slivi_node x = w->input[i];
    const ptrdiff_t given = rows_of(w, x);
    const size_t slices = given < 0 ? (size_t)-given : 1, cols = cols_of(w, x);
    const size_t rows = given < 0 ? n : (size_t)given;
    const int single = slivi_graph_precision(w->g) == SLIVI_F32;
    double *y = malloc(slices * rows * cols * sizeof *y);
    ck_assert_ptr_nonnull(y);
    for (size_t s = 0; s < slices; s++) {
        const slivi_address at = {.seed = 77,
                                  .stream = (uint32_t)i,
                                  .slice = (uint32_t)s,
                                  .row = given < 0 ? row : 0};
        slivi_draw(slivi_law_uniform, &at, rows, cols, y + s * rows * cols);
    }
    for (size_t k = 0; k < slices * rows * cols; k++) {
        const double u = y[k];
        const double value = cols < 64 || given > 0 ? 2 * u - 1
                             : u < 0.15             ? 8 * u - 0.5
                                                    : 0;
        if (w->index_rows[i])
            ((int32_t *)(void *)y)[k] = (int32_t)(u * (double)w->index_rows[i]);
        else if (single)
            ((float *)(void *)y)[k] = (float)value;
        else
            y[k] = (double)(float)value;
    }
    return y;
}
