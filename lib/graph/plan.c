/* plan.c - making a plan: what is needed, of which kind, at which level.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/plan.h"

#include <string.h>

enum {
    FIRST_ROOM = 32,  /* of a list */
    THIN_COLUMNS = 64 /* narrower inputs are not looked at for zeros */
};

void *slivi__plan_push(void **list, size_t *count, size_t size)
{
    /* lists grow at powers of two, from FIRST_ROOM on */
    if (*count == 0 || (*count >= FIRST_ROOM && !(*count & (*count - 1)))) {
        size_t room = *count ? 2 * *count : FIRST_ROOM;
        void *more = slivi__grow(*list, *count, room, size);
        if (!more)
            return NULL;
        *list = more;
    }
    return (char *)*list + size * (*count)++;
}

size_t slivi__plan_slices(const slivi_plan *p, int id)
{
    ptrdiff_t rows = p->value[id].node->rows;
    return rows < 0 ? (size_t)-rows : 0;
}

int slivi__plan_in_chain(const slivi__value *v)
{
    return v->kind == SLIVI__ENTRYWISE || v->kind == SLIVI__ROW_SUM;
}

/* ---- the same value --------------------------------------------------- */

/* A chain reads a repeated operand in place: the repetition need not be made.
   Any kind of operand shape fits, because the chain's own shape is that of the
   node that reads. */
static int seen_through(const slivi_plan *p, int id)
{
    const slivi__value *v = &p->value[id];
    while (v->node->op == &slivi__op_broadcast && v->node->rows < 0) {
        id = p->value[v->node->in[0].id].same;
        v = &p->value[id];
    }
    return id;
}

/* Its value is its first operand's. */
static int is_pass(const slivi__node *node)
{
    return node->op == &slivi__op_variable
           || node->op == &slivi__op_stop_gradient
           || node->op == &slivi__op_given;
}

/* ---- kinds ------------------------------------------------------------ */

static enum slivi__kind row_kind(const slivi__node *node,
                                 const slivi__node *left)
{
    const slivi__op *op = node->op;
    if (op->loop || op == &slivi__op_broadcast)
        return SLIVI__ENTRYWISE;
    if (op == &slivi__op_sum_to && left->rows != node->rows)
        return SLIVI__SLICE_SUM;
    if (op == &slivi__op_sum_to) /* or a copy */
        return left->cols != node->cols ? SLIVI__ROW_SUM : SLIVI__ENTRYWISE;
    if (op == &slivi__op_matmul)
        return SLIVI__PRODUCT;
    if (op == &slivi__op_noise)
        return SLIVI__NOISE;
    if (op == &slivi__op_units)
        return SLIVI__UNITS;
    return op->traits & SLIVI_OP_ROWWISE ? SLIVI__ROW_KERNEL : SLIVI__WHOLE;
}

static enum slivi__kind fixed_kind(const slivi__node *node,
                                   const slivi__node *left)
{
    const slivi__op *op = node->op;
    if (op == &slivi__op_rows || op == &slivi__op_reshape)
        return SLIVI__VIEW;
    if (op == &slivi__op_sum_to && left->rows < 0)
        return SLIVI__TOTAL;
    if (op == &slivi__op_matmul && node->a.i && left->rows < 0)
        return SLIVI__GRADIENT;
    return SLIVI__WHOLE;
}

/* The first of the values that are made alike: nodes that differ only in what
   they pass through. */
static int first_alike(const slivi_plan *p, int id)
{
    const slivi__value *v = &p->value[id];
    const slivi__attr *a = &v->node->a;
    for (int e = 1; e < id; e++) {
        const slivi__value *u = &p->value[e];
        const slivi__attr *b = &u->node->a;
        if (u->same == e && u->node->op == v->node->op && u->in[0] == v->in[0]
            && u->in[1] == v->in[1] && u->node->rows == v->node->rows
            && u->node->cols == v->node->cols && a->i == b->i && a->j == b->j
            && !memcmp(&a->c, &b->c, sizeof a->c) && a->p == b->p
            && a->fn == b->fn)
            return e;
    }
    return id;
}

static void classify(slivi_plan *p, int id)
{
    slivi__value *v = &p->value[id];
    const slivi__node *node = v->node, *left = NULL;
    v->same = id;
    v->output = -1;
    for (int k = 0; k < node->op->arity; k++)
        v->in[k] = p->value[node->in[k].id].same;
    if (node->op->arity)
        left = p->value[v->in[0]].node;
    if (node->op->traits & SLIVI_OP_INPUT)
        v->kind = SLIVI__BOUND;
    else if (is_pass(node))
        v->same = v->in[0];
    else
        v->kind = node->rows < 0 ? row_kind(node, left)
                                 : fixed_kind(node, left);
    if (v->kind == SLIVI__VIEW && node->op == &slivi__op_rows)
        v->shift = node->a.i * node->cols;
    if (v->kind == SLIVI__ENTRYWISE)
        for (int k = 0; k < node->op->arity; k++)
            v->in[k] = seen_through(p, v->in[k]);
    if (v->same == id && !(node->op->traits & SLIVI_OP_UNIQUE))
        v->same = first_alike(p, id);
}

/* ---- what is needed --------------------------------------------------- */

static void drop_dead(slivi_plan *p)
{
    for (int id = 1; id <= (int)p->count; id++)
        p->value[id].readers = -1; /* not needed */
    for (size_t i = 0; i < p->output_count; i++)
        p->value[p->value[p->outputs[i].id].same].readers = 0;
    for (int id = (int)p->count; id > 0; id--) {
        slivi__value *v = &p->value[id];
        if (v->readers < 0 || v->same != id) {
            v->kind = SLIVI__IDLE;
            continue;
        }
        for (int k = 0; k < v->node->op->arity; k++) {
            slivi__value *in = &p->value[v->in[k]];
            in->readers = in->readers < 0 ? 1 : in->readers + 1;
        }
    }
}

/* ---- gradients: sums of products over samples -------------------------- */

static int add_terms(slivi_plan *p, slivi__value *v, const slivi__value *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const slivi__pair term = p->pair[from->first + i];
        slivi__pair *q = SLIVI__PUSH(p->pair, p->pair_count);
        if (!q)
            return SLIVI_ENOMEM;
        *q = term;
        v->count++;
    }
    return 0;
}

/* a sum of two gradients that nobody else reads is one gradient */
static int is_merged(const slivi_plan *p, const slivi__value *v)
{
    if (v->node->op != &slivi__op_add || v->node->rows < 0)
        return 0;
    for (int k = 0; k < 2; k++) {
        const slivi__value *in = &p->value[v->in[k]];
        if (in->kind != SLIVI__GRADIENT || in->readers != 1 || in->output >= 0
            || in->node->rows != v->node->rows
            || in->node->cols != v->node->cols)
            return 0;
    }
    return 1;
}

static int collect_gradients(slivi_plan *p)
{
    for (int id = 1; id <= (int)p->count; id++) {
        slivi__value *v = &p->value[id];
        int status = 0;
        if (v->kind == SLIVI__GRADIENT) {
            slivi__pair *q = SLIVI__PUSH(p->pair, p->pair_count);
            if (!q)
                return SLIVI_ENOMEM;
            *q = (slivi__pair){v->in[0], v->in[1]};
            v->first = p->pair_count - 1;
            v->count = 1;
        } else if (v->kind == SLIVI__WHOLE && is_merged(p, v)) {
            v->kind = SLIVI__GRADIENT;
            v->first = p->pair_count;
            for (int k = 0; k < 2 && !status; k++) {
                status = add_terms(p, v, &p->value[v->in[k]]);
                p->value[v->in[k]].kind = SLIVI__IDLE;
            }
        }
        if (status)
            return status;
    }
    return 0;
}

/* ---- inputs that may be sparse ------------------------------------------ */

static int note_thin(slivi_plan *p, int id, int in_gradient)
{
    slivi__thin *t = NULL;
    if (p->value[id].kind != SLIVI__BOUND
        || p->value[id].node->cols < THIN_COLUMNS
        || slivi__plan_slices(p, id) != 1
        || p->max_rows > INT32_MAX / p->value[id].node->cols)
        return 0;
    for (size_t i = 0; i < p->thin_count && !t; i++)
        if (p->thin[i].node == id)
            t = &p->thin[i];
    if (!t) {
        t = SLIVI__PUSH(p->thin, p->thin_count);
        if (!t)
            return SLIVI_ENOMEM;
        *t = (slivi__thin){.node = id};
    }
    *(in_gradient ? &t->in_gradients : &t->in_rows) = 1;
    return 0;
}

static int find_thin(slivi_plan *p)
{
    int status = 0;
    for (int id = 1; id <= (int)p->count && !status; id++) {
        const slivi__value *v = &p->value[id];
        if (v->kind == SLIVI__PRODUCT)
            status = note_thin(p, v->in[0], 0);
        for (size_t i = 0; v->kind == SLIVI__GRADIENT && i < v->count; i++)
            status = note_thin(p, p->pair[v->first + i].a, 1);
    }
    return status;
}

/* ---- levels and stores ------------------------------------------------- */

/* v reads the value `id`. */
static void read_value(slivi_plan *p, slivi__value *v, int id)
{
    const slivi__value *in = &p->value[id];
    int row = v->kind >= SLIVI__FIRST_ROW, least = in->level;
    least += (least & 1) != row; /* rows at odd levels, the others at even */
    if (v->kind == SLIVI__GRADIENT && in->kind == SLIVI__WHOLE)
        least += 2; /* gradients come first in their phase */
    v->level = least > v->level ? least : v->level;
}

static void set_level(slivi_plan *p, int id)
{
    slivi__value *v = &p->value[id];
    v->level = v->kind >= SLIVI__FIRST_ROW;
    if (v->kind == SLIVI__BOUND)
        return;
    if (v->kind == SLIVI__TOTAL) /* a chain of an odd level makes its sums */
        v->level = (p->value[v->in[0]].level | 1) + 1;
    else if (v->kind == SLIVI__GRADIENT)
        for (size_t i = 0; i < v->count; i++) {
            read_value(p, v, p->pair[v->first + i].a);
            read_value(p, v, p->pair[v->first + i].b);
        }
    else
        for (int k = 0; k < v->node->op->arity; k++)
            read_value(p, v, v->in[k]);
    p->phases = (size_t)v->level + 1 > p->phases ? (size_t)v->level + 1
                                                 : p->phases;
}

/* The value must be in memory: where it is read by an instruction of its own,
   or at another level, where its block is gone. */
static void store(slivi_plan *p, int id, int level)
{
    slivi__value *v = &p->value[id];
    v->stored = 1;
    if (v->kind >= SLIVI__FIRST_ROW && v->level != level)
        v->home = SLIVI__BATCH;
}

/* Gradients take up their rows band by band. */
static void store_terms(slivi_plan *p, const slivi__value *v)
{
    for (size_t i = 0; i < 2 * v->count; i++) {
        const slivi__pair *t = &p->pair[v->first + i / 2];
        slivi__value *in = &p->value[i % 2 ? t->a : t->b];
        in->stored = 1;
        if (in->kind < SLIVI__FIRST_ROW)
            continue;
        if (in->level != v->level - 1) /* its band is gone */
            in->home = SLIVI__BATCH;
        else if (in->home == SLIVI__NOWHERE)
            in->home = SLIVI__BAND;
    }
}

static void mark_stored(slivi_plan *p, int id)
{
    slivi__value *v = &p->value[id];
    if (v->kind == SLIVI__GRADIENT)
        store_terms(p, v);
    if (v->kind == SLIVI__BOUND)
        v->stored = 1;
    if (v->kind == SLIVI__IDLE || v->kind == SLIVI__BOUND
        || v->kind == SLIVI__GRADIENT)
        return;
    for (int k = 0; k < v->node->op->arity; k++) {
        const slivi__value *in = &p->value[v->in[k]];
        /* a total's sums are made by the chain of its operand */
        int level = v->kind == SLIVI__TOTAL ? v->level - 1 : v->level;
        if ((!slivi__plan_in_chain(v) && v->kind != SLIVI__TOTAL)
            || in->level != level)
            store(p, v->in[k], level);
    }
}

/* ---- outputs ---------------------------------------------------------- */

/* The user's memory of an output may be the value's home when nothing but the
   value is kept there. */
static void mark_outputs(slivi_plan *p)
{
    for (size_t i = 0; i < p->output_count; i++) {
        slivi__value *v = &p->value[p->value[p->outputs[i].id].same];
        v->stored = 1;
        v->outputs++;
        if (v->kind >= SLIVI__FIRST_ROW || v->kind == SLIVI__WHOLE
            || v->kind == SLIVI__TOTAL || v->kind == SLIVI__GRADIENT) {
            v->home = SLIVI__BATCH;
            if (v->output < 0)
                v->output = (int)i;
        }
    }
}

/* ---- creation --------------------------------------------------------- */

static int build(slivi_plan *p, size_t count, const slivi_node *outputs)
{
    p->value = slivi__alloc(p->count + 1, sizeof *p->value);
    p->outputs = slivi__alloc(count, sizeof *p->outputs);
    if (!p->value || !p->outputs)
        return SLIVI_ENOMEM;
    memcpy(p->outputs, outputs, count * sizeof *outputs);
    p->output_count = count;
    for (int id = 1; id <= (int)p->count; id++) {
        p->value[id].node = slivi__at(p->g, (slivi_node){id});
        classify(p, id);
    }
    drop_dead(p);
    mark_outputs(p); /* first: merging gradients looks at them */
    int status = collect_gradients(p);
    if (!status)
        status = find_thin(p);
    for (int id = 1; id <= (int)p->count && !status; id++)
        if (p->value[id].kind != SLIVI__IDLE)
            set_level(p, id);
    for (int id = 1; id <= (int)p->count && !status; id++)
        mark_stored(p, id);
    if (!status)
        status = slivi__plan_schedule(p);
    return status ? status : slivi__plan_place(p);
}

static int check(const slivi_graph *g, size_t count, const slivi_node *outputs,
                 size_t max_rows)
{
    if (!g)
        return slivi__fail(SLIVI_EINVAL, "plan: no graph");
    if (slivi_graph_status(g))
        return slivi_graph_status(g);
    for (size_t i = 0; i < count; i++)
        if (!slivi__at(g, outputs[i]))
            return slivi__fail(SLIVI_EINVAL, "plan: output %zu is not a node",
                               i);
    if (!count)
        return slivi__fail(SLIVI_EINVAL, "plan: no outputs");
    if (!max_rows || max_rows > UINT32_MAX)
        return slivi__fail(
            SLIVI_EINVAL, "plan: max_rows is %zu, not 1 to 2^32 - 1", max_rows);
    return 0;
}

slivi_plan *slivi_plan_create(const slivi_graph *g, size_t count,
                              const slivi_node outputs[], size_t max_rows)
{
    if (check(g, count, outputs, max_rows))
        return NULL;
    slivi_plan *p = slivi__alloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->g = g;
    p->isa = slivi__isa_best();
    p->k = p->isa->kernels[slivi_graph_precision(g)];
    p->size = slivi_graph_precision(g) == SLIVI_F32 ? sizeof(float)
                                                    : sizeof(double);
    p->count = slivi_graph_count(g);
    p->max_rows = max_rows;
    p->phases = 1;
    if (!build(p, count, outputs))
        return p;
    slivi_plan_free(p);
    return NULL;
}

void slivi_plan_free(slivi_plan *p)
{
    if (!p)
        return;
    slivi__free(p->thin);
    slivi__free(p->order);
    slivi__free(p->tile);
    slivi__free(p->copy);
    slivi__free(p->pair);
    slivi__free(p->step);
    slivi__free(p->code);
    slivi__free(p->phase);
    slivi__free(p->outputs);
    slivi__free(p->value);
    slivi__free(p);
}
