/* place.c - where a plan's values are, and how many samples a block has.

   Batch memory holds a value for the whole run.  Block memory is used again as
   soon as the last reader of a value has run: offsets are found for one sample
   and scale with the rows of a block, which are then as many as fit a share of
   a core's cache.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/plan.h"

enum {
    BLOCK_ROWS = 64,          /* at most, and */
    BLOCK_LEAST = 32,         /* at least, unless there are fewer samples */
    BLOCK_BYTES = 768 * 1024, /* of a block's values, if that is possible */
    BAND_ROWS = 256,          /* of a band, slices counted */
    ALIGN = 64
};

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* ---- homes ------------------------------------------------------------ */

static void choose_homes(slivi_plan *p)
{
    for (int id = 1; id <= (int)p->count; id++) {
        slivi__value *v = &p->value[id];
        if (v->kind == SLIVI__WHOLE || v->kind == SLIVI__TOTAL
            || v->kind == SLIVI__GRADIENT)
            v->home = SLIVI__BATCH;
        else if (v->kind >= SLIVI__FIRST_HEAVY
                 || (v->kind >= SLIVI__FIRST_ROW && v->stored))
            v->home = v->home ? v->home : SLIVI__BLOCK;
        else
            v->home = SLIVI__NOWHERE;
    }
}

static int batch_room(slivi_plan *p, size_t rows, size_t cols, size_t size,
                      size_t *offset)
{
    size_t bytes;
    *offset = p->batch_bytes;
    if (slivi__mul(rows, cols, &bytes) || slivi__mul(bytes, size, &bytes)
        || slivi__add(bytes, ALIGN, &bytes)
        || slivi__add(p->batch_bytes, bytes / ALIGN * ALIGN, &p->batch_bytes))
        return slivi__fail(SLIVI_EOVERFLOW, "plan: no room for %zu columns",
                           cols);
    return 0;
}

static int place_batch(slivi_plan *p)
{
    int status = 0;
    for (int id = 1; id <= (int)p->count && !status; id++) {
        slivi__value *v = &p->value[id];
        size_t rows = (size_t)v->node->rows, most = p->max_rows;
        if (v->home == SLIVI__BAND && p->band * p->block < most)
            most = p->band * p->block;
        else if (v->home != SLIVI__BATCH && v->home != SLIVI__BAND)
            continue;
        if (v->node->rows < 0
            && slivi__mul(slivi__plan_slices(p, id), most, &rows))
            return slivi__status();
        status = batch_room(p, rows, v->node->cols, p->size, &v->offset);
    }
    for (size_t i = 0; i < p->copy_count && !status; i++) {
        const slivi__node *node = p->value[p->copy[i].node].node;
        status = batch_room(p, (size_t)node->rows, node->cols, p->size,
                            &p->copy[i].offset);
    }
    return status;
}

/* Sums by block of totals, in double. */
static int place_partials(slivi_plan *p)
{
    int status = 0;
    for (int id = 1; id <= (int)p->count && !status; id++) {
        slivi__value *v = &p->value[id];
        if (v->kind == SLIVI__TOTAL)
            status = batch_room(p, p->blocks, p->value[v->in[0]].node->cols,
                                sizeof(double), &v->partial);
    }
    return status;
}

/* ---- inputs that may be sparse ------------------------------------------ */

/* Starts and entries, by row and, band by band, by column. */
static int place_thin(slivi_plan *p)
{
    int status = 0;
    for (size_t i = 0; i < p->thin_count && !status; i++) {
        slivi__thin *t = &p->thin[i];
        const size_t cols = p->value[t->node].node->cols;
        const size_t most = slivi__thin_most(p->max_rows, cols) + cols;
        const size_t bands = (p->blocks + p->band - 1) / p->band;
        status = batch_room(p, p->max_rows + 1, 1, 4, &t->offset[0]);
        if (!status)
            status = batch_room(p, most, 1, 4 + p->size, &t->offset[1]);
        if (!status)
            status = batch_room(p, bands * (cols + 1) + cols, 1, 4,
                                &t->offset[2]);
        if (!status)
            status = batch_room(p, most, 1, 4 + p->size, &t->offset[3]);
    }
    return status;
}

/* ---- block memory ----------------------------------------------------- */

/* A stretch of an instruction's list, for each value it reads (or writes). */
typedef void visitor(slivi_plan *p, int id, size_t at, void *ctx);

static void visit_reads(slivi_plan *p, size_t at, visitor *visit, void *ctx)
{
    const slivi__instruction *c = &p->code[at];
    if (c->kind == SLIVI__ENTRYWISE) {
        for (size_t i = c->first; i < c->first + c->count; i++)
            for (int k = 0; k < p->step[i].arity; k++)
                if (p->step[i].in[k] < 0)
                    visit(p, ~p->step[i].in[k], at, ctx);
    } else if (c->kind == SLIVI__PRODUCT) {
        for (size_t i = c->first; i < c->first + c->count; i++)
            visit(p, p->pair[i].a, at, ctx);
    } else {
        const slivi__value *v = &p->value[c->node];
        for (int k = 0; k < v->node->op->arity; k++)
            visit(p, v->in[k], at, ctx);
    }
}

static void visit_writes(slivi_plan *p, size_t at, visitor *visit, void *ctx)
{
    const slivi__instruction *c = &p->code[at];
    if (c->kind == SLIVI__ENTRYWISE) {
        for (size_t i = c->first; i < c->first + c->count; i++)
            if (!p->step[i].local)
                visit(p, p->step[i].node, at, ctx);
    } else if (c->kind == SLIVI__PRODUCT) {
        for (size_t i = c->first; i < c->first + c->count; i++)
            visit(p, p->pair[i].b, at, ctx);
    } else {
        visit(p, c->node, at, ctx);
    }
}

/* A piece of block memory, in entries for each sample. */
typedef struct hole {
    size_t offset, entries;
} hole;

typedef struct block_map {
    size_t *last; /* reader of a value, by id */
    hole *free;   /* in order of offset, none touching another */
    size_t holes, end;
} block_map;

static void note_last(slivi_plan *p, int id, size_t at, void *ctx)
{
    (void)p;
    ((block_map *)ctx)->last[id] = at;
}

static size_t entries_of(const slivi_plan *p, int id)
{
    return slivi__plan_slices(p, id) * p->value[id].node->cols;
}

/* The smallest hole that is large enough, or the end. */
static void take(slivi_plan *p, int id, size_t at, void *ctx)
{
    block_map *m = ctx;
    size_t need = entries_of(p, id), best = m->holes;
    (void)at;
    if (p->value[id].home != SLIVI__BLOCK)
        return;
    for (size_t i = 0; i < m->holes; i++)
        if (m->free[i].entries >= need
            && (best == m->holes || m->free[i].entries < m->free[best].entries))
            best = i;
    if (best == m->holes) {
        p->value[id].offset = m->end;
        m->end += need;
        return;
    }
    p->value[id].offset = m->free[best].offset;
    m->free[best].offset += need;
    m->free[best].entries -= need;
}

static void give(slivi_plan *p, int id, size_t at, void *ctx)
{
    block_map *m = ctx;
    size_t i = 0, need = entries_of(p, id), offset = p->value[id].offset;
    if (p->value[id].home != SLIVI__BLOCK || m->last[id] != at)
        return;
    m->last[id] = (size_t)-1; /* an operand twice is given once */
    while (i < m->holes && m->free[i].offset < offset)
        i++;
    for (size_t j = m->holes++; j > i; j--)
        m->free[j] = m->free[j - 1];
    m->free[i] = (hole){offset, need};
    for (size_t j = i ? i - 1 : 0; j + 1 < m->holes;) { /* join neighbours */
        if (m->free[j].offset + m->free[j].entries < m->free[j + 1].offset) {
            j++;
            continue;
        }
        m->free[j].entries += m->free[j + 1].entries;
        m->holes--;
        for (size_t k = j + 1; k < m->holes; k++)
            m->free[k] = m->free[k + 1];
    }
}

/* A block's value of more than 2^40 bytes is refused, so that their sums fit. */
static int check_entries(const slivi_plan *p)
{
    const size_t most = ((size_t)1 << 40) / (BLOCK_ROWS * p->size);
    for (int id = 1; id <= (int)p->count; id++) {
        size_t entries;
        if (p->value[id].home == SLIVI__BLOCK
            && (slivi__mul(slivi__plan_slices(p, id), p->value[id].node->cols,
                           &entries)
                || entries > most))
            return slivi__fail(
                SLIVI_EOVERFLOW, "plan: %s of %zu columns and %zu slices",
                p->value[id].node->op->name, p->value[id].node->cols,
                slivi__plan_slices(p, id));
    }
    return 0;
}

/* Entries for a sample of all that a block keeps. */
static int map_block(slivi_plan *p, size_t *entries)
{
    block_map m = {slivi__alloc(p->count + 1, sizeof *m.last),
                   slivi__alloc(p->count + 1, sizeof *m.free), 0, 0};
    int status = m.last && m.free ? 0 : SLIVI_ENOMEM;
    *entries = 0;
    for (size_t f = 1; f < p->phases && !status; f += 2) {
        m.holes = m.end = 0;
        for (size_t i = p->phase[f].code; i < p->phase[f].code_end; i++) {
            visit_writes(p, i, note_last, &m); /* one that nobody reads */
            visit_reads(p, i, note_last, &m);
        }
        for (size_t i = p->phase[f].code; i < p->phase[f].code_end; i++) {
            visit_writes(p, i, take, &m);
            visit_reads(p, i, give, &m);
            visit_writes(p, i, give, &m);
        }
        *entries = m.end > *entries ? m.end : *entries;
    }
    slivi__free(m.last);
    slivi__free(m.free);
    return status;
}

/* Of any value that goes sample by sample. */
static size_t most_slices(const slivi_plan *p)
{
    size_t most = 1;
    for (int id = 1; id <= (int)p->count; id++)
        if (p->value[id].kind >= SLIVI__FIRST_ROW
            && slivi__plan_slices(p, id) > most)
            most = slivi__plan_slices(p, id);
    return most;
}

static int place_block(slivi_plan *p)
{
    size_t entries;
    int status = check_entries(p);
    if (!status)
        status = map_block(p, &entries);
    if (status)
        return status;
    p->block = BLOCK_ROWS;
    while (p->block > BLOCK_LEAST && p->block * entries * p->size > BLOCK_BYTES)
        p->block /= 2;
    if (p->max_rows < p->block)
        p->block = p->max_rows;
    p->blocks = (p->max_rows + p->block - 1) / p->block;
    p->band = p->block * most_slices(p) < BAND_ROWS
                  ? BAND_ROWS / (p->block * most_slices(p))
                  : 1;
    p->block_bytes = aligned(p->block * entries * p->size);
    for (int id = 1; id <= (int)p->count; id++)
        if (p->value[id].home == SLIVI__BLOCK)
            p->value[id].offset *= p->block * p->size;
    return 0;
}

/* ---- chains ----------------------------------------------------------- */

/* Is the operand's result one of the chain's slots, read here last? */
static int ends_here(const slivi_plan *p, const slivi__instruction *c,
                     size_t at, int in)
{
    if (in < 0 || p->step[c->first + (size_t)in].slot < 0)
        return 0;
    for (size_t i = at + 1; i < c->first + c->count; i++)
        for (int k = 0; k < p->step[i].arity; k++)
            if (p->step[i].in[k] == in)
                return 0;
    return 1;
}

/* Node of an operand. */
static const slivi__node *operand_node(const slivi_plan *p,
                                       const slivi__instruction *c, int in)
{
    const int id = in < 0 ? ~in : p->step[c->first + (size_t)in].node;
    return p->value[id].node;
}

static int is_flat(const slivi_plan *p, const slivi__instruction *c,
                   const slivi__step *s)
{
    for (int k = 0; k < s->arity; k++) {
        const slivi__node *x = operand_node(p, c, s->in[k]);
        const int one = x->rows == 1 && x->cols == 1;
        if (!one && (x->rows == 1 || x->cols != c->cols))
            return 0;
    }
    return s->what < SLIVI__LOOP_COUNT;
}

/* The operands' slots that are free once step `at` has run, or (early) even
   for its result: a loop may overwrite an operand of its own width. */
static void free_slots(const slivi_plan *p, const slivi__instruction *c,
                       size_t at, int early, char *busy)
{
    const slivi__step *s = &p->step[at];
    for (int k = 0; k < s->arity; k++) {
        const int wide = s->what < SLIVI__LOOP_COUNT
                         && operand_node(p, c, s->in[k])->cols == c->cols;
        if (wide == early && ends_here(p, c, at, s->in[k]))
            busy[p->step[c->first + (size_t)s->in[k]].slot] = 0;
    }
}

static int place_slots(slivi_plan *p, slivi__instruction *c)
{
    char *busy = slivi__alloc(c->count + 1, 1);
    if (!busy)
        return SLIVI_ENOMEM;
    for (size_t i = c->first; i < c->first + c->count; i++) {
        slivi__step *s = &p->step[i];
        const int at_home = !s->local && p->value[s->node].home;
        s->flat = is_flat(p, c, s);
        free_slots(p, c, i, 1, busy);
        if (s->what != SLIVI__STEP_TOTAL && !at_home) {
            for (s->slot = 0; busy[s->slot];)
                s->slot++;
            busy[s->slot] = 1;
            c->slots = (size_t)s->slot + 1 > c->slots ? (size_t)s->slot + 1
                                                      : c->slots;
        }
        free_slots(p, c, i, 0, busy);
    }
    slivi__free(busy);
    return 0;
}

/* ---- sizes of what runs need ------------------------------------------- */

static void measure_code(slivi_plan *p)
{
    for (size_t i = 0; i < p->code_count; i++) {
        const slivi__instruction *c = &p->code[i];
        size_t panels = 0;
        for (size_t j = 0; c->kind == SLIVI__PRODUCT && j < c->count; j++)
            panels += slivi__plan_slices(p, p->pair[c->first + j].b);
        if (panels > p->most_panels)
            p->most_panels = panels;
        if (c->kind == SLIVI__ENTRYWISE && c->count > p->most_steps)
            p->most_steps = c->count;
    }
    for (int id = 1; id <= (int)p->count; id++) {
        const slivi__value *v = &p->value[id];
        size_t panels = 0;
        for (size_t i = 0; v->kind == SLIVI__GRADIENT && i < v->count; i++)
            panels += slivi__plan_slices(p, p->pair[v->first + i].a);
        if (panels > p->most_panels)
            p->most_panels = panels;
        if (v->kind == SLIVI__GRADIENT && v->node->cols > p->most_columns)
            p->most_columns = v->node->cols;
    }
}

/* Doubles of scratch for kernels on the whole batch. */
static void measure_scratch(slivi_plan *p)
{
    for (int id = 1; id <= (int)p->count; id++) {
        const slivi__value *v = &p->value[id];
        const slivi__node *in[SLIVI_ARITY] = {0};
        if (v->kind != SLIVI__WHOLE)
            continue;
        if (v->node->op == &slivi__op_matmul
            || v->node->op == &slivi__op_spd_solve
            || v->node->op == &slivi__op_spd_logdet)
            p->uses_blas = 1;
        if (!v->node->op->scratch)
            continue;
        for (int k = 0; k < v->node->op->arity; k++)
            in[k] = p->value[v->in[k]].node;
        size_t need = v->node->op->scratch(v->node, in, p->max_rows);
        p->scratch = need > p->scratch ? need : p->scratch;
    }
}

/* Entries of a value in the largest run. */
static double entries_at_most(const slivi_plan *p, int id)
{
    const slivi__node *node = p->value[id].node;
    return (double)node->cols
           * (node->rows < 0 ? (double)-node->rows * (double)p->max_rows
                             : (double)node->rows);
}

static double instruction_work(const slivi_plan *p, const slivi__instruction *c)
{
    double work = 0;
    if (c->kind != SLIVI__PRODUCT)
        return 4 * (double)(c->kind == SLIVI__ENTRYWISE ? c->count : 1)
               * (double)(c->slices * c->cols) * (double)p->max_rows;
    for (size_t i = c->first; i < c->first + c->count; i++)
        work += 2 * entries_at_most(p, p->pair[i].b)
                * (double)p->value[p->pair[i].a].node->cols;
    return work;
}

/* Roughly, in operations. */
static void measure_work(slivi_plan *p)
{
    for (size_t f = 1; f < p->phases; f += 2)
        for (size_t i = p->phase[f].code; i < p->phase[f].code_end; i++)
            p->phase[f].work += instruction_work(p, &p->code[i]);
    for (int id = 1; id <= (int)p->count; id++) {
        const slivi__value *v = &p->value[id];
        for (size_t i = 0; v->kind == SLIVI__GRADIENT && i < v->count; i++)
            p->phase[v->level].work += 2
                                       * entries_at_most(
                                           p, p->pair[v->first + i].a)
                                       * (double)v->node->cols;
    }
    for (size_t i = 0; i < p->copy_count; i++)
        p->phase[p->copy[i].level].work += 4
                                           * entries_at_most(p,
                                                             p->copy[i].node);
    for (size_t i = 0; i < p->thin_count; i++)
        p->phase[0].work += 8 * entries_at_most(p, p->thin[i].node);
}

int slivi__plan_place(slivi_plan *p)
{
    int status;
    choose_homes(p);
    measure_code(p);
    measure_scratch(p);
    measure_work(p);
    status = place_block(p);
    if (!status)
        status = place_batch(p);
    if (!status)
        status = place_partials(p);
    if (!status)
        status = place_thin(p);
    for (size_t i = 0; i < p->code_count && !status; i++)
        if (p->code[i].kind == SLIVI__ENTRYWISE)
            status = place_slots(p, &p->code[i]);
    return status;
}
