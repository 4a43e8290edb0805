/* schedule.c - the order of a plan's work.

   Row by row levels: products are run as soon as their operands can be had,
   except that one waits for others of the same right operand, to be run with
   them; entrywise passes and row sums are run in chains, just before what needs
   them, and those that nothing but sums and outputs need, as soon as a chain has
   their operands at hand.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/plan.h"

enum {
    COPY_ROWS = 64, /* of a matrix that is transposed */
    PATIENCE = 1 << 24
};

/* What is known of a node while a level is put in order. */
typedef struct state {
    char done;      /* its instruction is there */
    char blocked;   /* an instruction has to come before its chain */
    char wanted;    /* by an instruction that is next */
    char kept;      /* an instruction of its own needs it, now or later */
    char met;       /* in the present search */
    int first_mate; /* of a right operand: its first product, or 0 */
    int mate;       /* of a product: the next one */
    int step;       /* of the present chain that makes it, or -1 */
} state;

typedef struct scheduler {
    slivi_plan *p;
    state *of; /* by id */
    int level;
    size_t patience; /* nodes that may still be looked at for mates */
} scheduler;

/* ---- the nodes of a level --------------------------------------------- */

/* Chains make totals' sums, one level below the total. */
static int chained(const scheduler *s, int id)
{
    const slivi__value *v = &s->p->value[id];
    return v->kind == SLIVI__TOTAL
               ? v->level - 1 == s->level
               : slivi__plan_in_chain(v) && v->level == s->level;
}

static int heavy(const scheduler *s, int id)
{
    const slivi__value *v = &s->p->value[id];
    return v->kind >= SLIVI__FIRST_HEAVY && v->level == s->level;
}

static int pending(const scheduler *s, int id)
{
    return !s->of[id].done && (chained(s, id) || heavy(s, id));
}

static int arity(const scheduler *s, int id)
{
    return s->p->value[id].node->op->arity;
}

static int ready(const scheduler *s, int id)
{
    for (int k = 0; k < arity(s, id); k++)
        if (pending(s, s->p->value[id].in[k]))
            return 0;
    return 1;
}

static void mark_kept(scheduler *s)
{
    for (int id = (int)s->p->count; id > 0; id--) {
        if (!chained(s, id) && !heavy(s, id))
            continue;
        for (int k = 0; k < arity(s, id); k++)
            if (heavy(s, id) || s->of[id].kept)
                s->of[s->p->value[id].in[k]].kept = 1;
    }
}

static void mark_blocked(scheduler *s)
{
    for (int id = 1; id <= (int)s->p->count; id++) {
        s->of[id].blocked = s->of[id].wanted = 0;
        for (int k = 0; pending(s, id) && k < arity(s, id); k++) {
            int in = s->p->value[id].in[k];
            if (pending(s, in))
                s->of[id].blocked |= heavy(s, in) || s->of[in].blocked;
        }
    }
}

/* ---- chains ----------------------------------------------------------- */

/* Rows and columns of the passes: a sum's are those of its operand. */
static const slivi__node *shape(const scheduler *s, int id)
{
    const slivi__value *v = &s->p->value[id];
    return v->kind == SLIVI__ENTRYWISE ? v->node : s->p->value[v->in[0]].node;
}

static int same_shape(const slivi__node *a, const slivi__node *b)
{
    return a->rows == b->rows && a->cols == b->cols;
}

/* Cheaper to do again than to keep: one short pass over what is there. */
static int is_cheap(const slivi__op *op)
{
    static const slivi__op *const cheap[] = {&slivi__op_one_minus_square,
                                             &slivi__op_minus_square,
                                             &slivi__op_scale,
                                             &slivi__op_shift,
                                             &slivi__op_step,
                                             &slivi__op_sign,
                                             &slivi__op_abs,
                                             &slivi__op_relu,
                                             &slivi__op_broadcast};
    for (size_t i = 0; i < sizeof cheap / sizeof *cheap; i++)
        if (op == cheap[i])
            return 1;
    return 0;
}

static int made_again(const scheduler *s, int id, const slivi__node *like)
{
    const slivi__value *v = &s->p->value[id];
    if (v->stored || v->kind != SLIVI__ENTRYWISE || !is_cheap(v->node->op)
        || !same_shape(v->node, like))
        return 0;
    const int in = v->in[0];
    return s->of[in].step >= 0 || s->p->value[in].stored || !chained(s, in);
}

static int add_step(scheduler *s, int id, int local, size_t first);

/* How the chain that began at step `first` reads the value. */
static int operand(scheduler *s, int id, const slivi__node *like, size_t first,
                   int *status)
{
    if (s->of[id].step < 0 && chained(s, id) && made_again(s, id, like))
        *status = add_step(s, id, 1, first);
    if (s->of[id].step >= 0)
        return s->of[id].step;
    s->p->value[id].stored = 1;
    return ~id;
}

static int what_of(const slivi__value *v)
{
    if (v->kind == SLIVI__ROW_SUM)
        return SLIVI__STEP_ROW_SUM;
    if (v->kind == SLIVI__TOTAL)
        return SLIVI__STEP_TOTAL;
    return v->node->op->loop ? v->node->op->loop - 1 : SLIVI__LOOP_copy;
}

static int add_step(scheduler *s, int id, int local, size_t first)
{
    const slivi__value *v = &s->p->value[id];
    slivi__step step = {.what = what_of(v),
                        .node = id,
                        .arity = v->node->op->arity,
                        .local = local,
                        .slot = -1};
    int status = 0;
    for (int k = 0; k < step.arity && !status; k++)
        step.in[k] = operand(s, v->in[k], shape(s, id), first, &status);
    slivi__step *at = status ? NULL : SLIVI__PUSH(s->p->step, s->p->step_count);
    if (!at)
        return SLIVI_ENOMEM;
    *at = step;
    if (v->kind != SLIVI__TOTAL)
        s->of[id].step = (int)(s->p->step_count - 1 - first);
    s->of[id].done = 1;
    return 0;
}

/* Does the chain make, or something in memory hold, an operand of id? */
static int at_hand(const scheduler *s, int id)
{
    for (int k = 0; k < arity(s, id); k++) {
        const int in = s->p->value[id].in[k];
        if (s->of[in].step >= 0 || s->p->value[in].stored)
            return 1;
    }
    return 0;
}

static int joins(const scheduler *s, int id, const slivi__node *like, int last)
{
    if (!pending(s, id) || !chained(s, id) || !ready(s, id)
        || !same_shape(shape(s, id), like))
        return 0;
    return last || s->of[id].wanted || (!s->of[id].kept && at_hand(s, id));
}

static int emit_chain(scheduler *s, int head, int last)
{
    slivi_plan *p = s->p;
    const slivi__node *like = shape(s, head);
    const size_t first = p->step_count;
    int status = 0;
    for (int id = 1; id <= (int)p->count; id++)
        s->of[id].step = -1;
    for (int id = 1; id <= (int)p->count && !status; id++)
        if (joins(s, id, like, last))
            status = add_step(s, id, 0, first);
    slivi__instruction *c = status ? NULL : SLIVI__PUSH(p->code, p->code_count);
    if (!c)
        return SLIVI_ENOMEM;
    *c = (slivi__instruction){.kind = SLIVI__ENTRYWISE,
                              .first = first,
                              .count = p->step_count - first,
                              .slices = (size_t)-like->rows,
                              .cols = like->cols};
    return 0;
}

/* Chains of what is wanted; of all that is left when `last`. */
static int emit_chains(scheduler *s, int last)
{
    for (int id = 1; id <= (int)s->p->count; id++) {
        /* the first one is ready: what it reads has smaller ids */
        if (!pending(s, id) || !chained(s, id) || !(last || s->of[id].wanted))
            continue;
        if (emit_chain(s, id, last))
            return SLIVI_ENOMEM;
    }
    return 0;
}

/* ---- instructions of their own ------------------------------------------ */

static int same_right(const slivi__value *a, const slivi__value *b)
{
    return a->kind == SLIVI__PRODUCT && b->kind == SLIVI__PRODUCT
           && a->in[1] == b->in[1] && a->node->a.j == b->node->a.j;
}

/* Marks as met what is made from `from`, within the level. */
static void meet(scheduler *s, int from)
{
    for (int id = 1; id <= (int)s->p->count; id++) {
        s->of[id].met = id == from;
        for (int k = 0; pending(s, id) && k < arity(s, id); k++)
            s->of[id].met |= s->of[s->p->value[id].in[k]].met;
    }
}

/* Links the level's products by right operand, in order of id. */
static void link_mates(scheduler *s)
{
    for (int id = (int)s->p->count; id > 0; id--) {
        if (!heavy(s, id) || s->p->value[id].kind != SLIVI__PRODUCT)
            continue;
        state *right = &s->of[s->p->value[id].in[1]];
        s->of[id].mate = right->first_mate;
        right->first_mate = id;
    }
}

/* A product waits for those of its right operand that do not need it.  Where that
   takes long to find out, in graphs of thousands of products, it does not. */
static int waits(scheduler *s, int id)
{
    const slivi__value *v = &s->p->value[id];
    int met = 0;
    for (int mate = s->of[v->in[1]].first_mate;
         mate && v->kind == SLIVI__PRODUCT; mate = s->of[mate].mate) {
        if (mate == id || !pending(s, mate) || !s->of[mate].blocked
            || !same_right(v, &s->p->value[mate]))
            continue;
        if (!met && s->patience < s->p->count)
            return 0;
        if (!met) {
            s->patience -= s->p->count;
            meet(s, id);
            met = 1;
        }
        if (!s->of[mate].met)
            return 1;
    }
    return 0;
}

/* Wants the operands of the instructions that are next; returns how many. */
static int choose_next(scheduler *s)
{
    int chosen = 0, first = 0;
    for (int id = 1; id <= (int)s->p->count; id++) {
        if (!pending(s, id) || !heavy(s, id) || s->of[id].blocked)
            continue;
        first = first ? first : id;
        if (!waits(s, id)) {
            s->of[id].wanted = 1;
            chosen++;
        }
    }
    if (!chosen && first) { /* they wait for one another */
        s->of[first].wanted = 1;
        chosen = 1;
    }
    for (int id = (int)s->p->count; id > 0; id--)
        for (int k = 0; s->of[id].wanted && k < arity(s, id); k++)
            if (pending(s, s->p->value[id].in[k]))
                s->of[s->p->value[id].in[k]].wanted = 1;
    return chosen;
}

/* The number of the copy x' of a right operand, made where there is none. */
static int transposed(slivi_plan *p, int id)
{
    for (size_t i = 0; i < p->copy_count; i++)
        if (p->copy[i].node == id)
            return (int)i;
    slivi__transposed *c = SLIVI__PUSH(p->copy, p->copy_count);
    if (!c)
        return SLIVI_ENOMEM; /* negative */
    *c = (slivi__transposed){.node = id, .level = p->value[id].level};
    return (int)(p->copy_count - 1);
}

static int emit_product(scheduler *s, int head, slivi__instruction *c)
{
    slivi_plan *p = s->p;
    const slivi__value *v = &p->value[head];
    c->node = v->in[1];
    c->first = p->pair_count;
    for (int id = head; id <= (int)p->count; id++) {
        const slivi__value *mate = &p->value[id];
        if (!pending(s, id) || !heavy(s, id) || !ready(s, id)
            || !same_right(v, mate) || (id != head && !s->of[id].wanted))
            continue;
        slivi__pair *q = SLIVI__PUSH(p->pair, p->pair_count);
        if (!q)
            return SLIVI_ENOMEM;
        *q = (slivi__pair){mate->in[0], id};
        s->of[id].done = 1;
        c->count++;
    }
    if (v->node->a.j)
        c->transposed = transposed(p, c->node);
    return v->node->a.j && c->transposed < 0 ? SLIVI_ENOMEM : 0;
}

static int emit_heavy(scheduler *s)
{
    slivi_plan *p = s->p;
    for (int id = 1; id <= (int)p->count; id++) {
        const slivi__value *v = &p->value[id];
        slivi__instruction c = {.kind = v->kind, .node = id, .transposed = -1};
        if (!pending(s, id) || !heavy(s, id) || !s->of[id].wanted)
            continue;
        c.slices = slivi__plan_slices(p, id);
        c.cols = v->node->cols;
        if (v->kind == SLIVI__PRODUCT && emit_product(s, id, &c))
            return SLIVI_ENOMEM;
        s->of[id].done = 1;
        slivi__instruction *at = SLIVI__PUSH(p->code, p->code_count);
        if (!at)
            return SLIVI_ENOMEM;
        *at = c;
    }
    return 0;
}

static int schedule_rows(scheduler *s)
{
    slivi__phase *phase = &s->p->phase[s->level];
    int status = 0, more = 1;
    phase->code = s->p->code_count;
    mark_kept(s);
    link_mates(s);
    while (more && !status) {
        mark_blocked(s);
        more = choose_next(s);
        status = emit_chains(s, !more);
        if (!status)
            status = emit_heavy(s);
    }
    phase->code_end = s->p->code_count;
    return status;
}

/* ---- steps that nobody reads after all ----------------------------------- */

/* Made for a later chain, which then made them again. */
static void drop_idle_steps(slivi_plan *p, slivi__instruction *c, int *number)
{
    slivi__step *step = p->step + c->first;
    size_t kept = 0;
    for (size_t i = c->count; i-- > 0;) {
        const slivi__value *v = &p->value[step[i].node];
        if (v->kind == SLIVI__TOTAL || (v->stored && !step[i].local))
            number[i] = 1;
        for (int k = 0; number[i] && k < step[i].arity; k++)
            if (step[i].in[k] >= 0)
                number[step[i].in[k]] = 1;
    }
    for (size_t i = 0; i < c->count; i++) {
        if (!number[i])
            continue;
        for (int k = 0; k < step[i].arity; k++)
            if (step[i].in[k] >= 0)
                step[i].in[k] = number[step[i].in[k]];
        number[i] = (int)kept;
        step[kept++] = step[i];
    }
    for (size_t i = 0; i < c->count; i++)
        number[i] = 0;
    c->count = kept;
}

static int drop_idle(slivi_plan *p)
{
    int *number = slivi__alloc(p->step_count + 1, sizeof *number);
    if (!number)
        return SLIVI_ENOMEM;
    for (size_t i = 0; i < p->code_count; i++)
        if (p->code[i].kind == SLIVI__ENTRYWISE)
            drop_idle_steps(p, &p->code[i], number);
    slivi__free(number);
    return 0;
}

/* ---- what concerns the whole batch --------------------------------------- */

static int push_id(slivi_plan *p, int id)
{
    int *at = SLIVI__PUSH(p->order, p->order_count);
    if (!at)
        return SLIVI_ENOMEM;
    *at = id;
    return 0;
}

static int push_tiles(slivi_plan *p, int what, size_t rows, size_t most)
{
    for (size_t i = 0; i < rows; i += most) {
        slivi__tile *t = SLIVI__PUSH(p->tile, p->tile_count);
        if (!t)
            return SLIVI_ENOMEM;
        *t = (slivi__tile){what, i, i + most < rows ? i + most : rows};
    }
    return 0;
}

/* The list of all ids of this kind and level. */
static int list_ids(slivi_plan *p, int level, enum slivi__kind kind)
{
    int status = 0;
    for (int id = 1; id <= (int)p->count && !status; id++)
        if (p->value[id].kind == kind && p->value[id].level == level)
            status = push_id(p, id);
    return status;
}

/* A copy is late where its matrix is made at the copy's own level. */
static int is_late(const slivi_plan *p, const slivi__transposed *c)
{
    const slivi__value *v = &p->value[c->node];
    while (v->kind == SLIVI__VIEW)
        v = &p->value[v->in[0]];
    return v->kind != SLIVI__BOUND;
}

static int list_copies(slivi_plan *p, int level, int late)
{
    int status = 0;
    for (size_t i = 0; i < p->copy_count && !status; i++) {
        const slivi__transposed *c = &p->copy[i];
        if (c->level == level && is_late(p, c) == late)
            status = push_tiles(p, (int)i, (size_t)p->value[c->node].node->rows,
                                COPY_ROWS);
    }
    return status;
}

static int list_gradients(slivi_plan *p, int level)
{
    int status = 0;
    for (int id = 1; id <= (int)p->count && !status; id++) {
        const slivi__value *v = &p->value[id];
        if (v->kind == SLIVI__GRADIENT && v->level == level)
            status = push_tiles(p, id, (size_t)v->node->rows, SLIVI__TILE_ROWS);
    }
    return status;
}

static int schedule_batch(slivi_plan *p, int level)
{
    slivi__phase *f = &p->phase[level];
    int status;
    f->tile = p->tile_count;
    status = list_gradients(p, level);
    f->tile_end = f->copy = p->tile_count;
    f->total = p->order_count;
    status = status ? status : list_ids(p, level, SLIVI__TOTAL);
    f->total_end = f->whole = p->order_count;
    status = status ? status : list_ids(p, level, SLIVI__WHOLE);
    f->whole_end = p->order_count;
    status = status ? status : list_copies(p, level, 0);
    f->copy_end = f->late = p->tile_count;
    status = status ? status : list_copies(p, level, 1);
    f->late_end = p->tile_count;
    return status;
}

int slivi__plan_schedule(slivi_plan *p)
{
    scheduler s = {p, slivi__alloc(p->count + 1, sizeof *s.of), 0, PATIENCE};
    p->phases += p->phases % 2 == 0; /* totals follow the last rows */
    p->phase = slivi__alloc(p->phases, sizeof *p->phase);
    int status = s.of && p->phase ? 0 : SLIVI_ENOMEM;
    for (s.level = 1; s.level < (int)p->phases && !status; s.level += 2)
        status = schedule_rows(&s);
    slivi__free(s.of);
    status = status ? status : drop_idle(p);
    for (int level = 0; level < (int)p->phases && !status; level += 2)
        status = schedule_batch(p, level);
    return status;
}
