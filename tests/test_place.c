/* test_place.c - where plans keep their values: nowhere that anybody else writes
   in the meantime; sizes that overflow, allocations that fail.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "scratch.h"
#include "slivi/status.h"
#include "suites.h"
#include "works.h"

#include <stdlib.h>

enum { D = 32 };

/* ---- memory ----------------------------------------------------------- */

/* Who is where: bytes [first, last) while instructions [born, dies] run. */
typedef struct place {
    size_t first, last, born, dies;
    int id;
} place;

typedef struct places {
    place at[4096];
    size_t count;
} places;

static void check_apart(const places *m, size_t most)
{
    for (size_t i = 0; i < m->count; i++) {
        const place *a = &m->at[i];
        ck_assert_uint_le(a->last, most);
        for (size_t j = 0; j < i; j++) {
            const place *b = &m->at[j];
            ck_assert_msg(a->last <= b->first || b->last <= a->first
                              || a->dies < b->born || b->dies < a->born,
                          "values %d and %d share memory", a->id, b->id);
        }
    }
}

static place *find(places *m, int id)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->at[i].id == id)
            return &m->at[i];
    return NULL;
}

/* Instruction `at` makes (or reads) the value. */
static void see(const slivi_plan *p, places *m, int id, size_t at, int makes)
{
    const slivi__value *v = &p->value[id];
    place *old = find(m, id);
    if (v->home != SLIVI__BLOCK) {
        ck_assert_msg(makes || v->home == SLIVI__BATCH || v->home == SLIVI__BAND
                          || v->kind == SLIVI__BOUND || v->kind == SLIVI__VIEW,
                      "value %d is read, but nowhere", id);
        return;
    }
    ck_assert_msg(makes ? !old : !!old, "value %d: instruction %zu", id, at);
    if (old) {
        old->dies = at;
        return;
    }
    ck_assert_uint_lt(m->count, sizeof m->at / sizeof *m->at);
    const size_t size = slivi__plan_slices(p, id) * v->node->cols * p->block
                        * p->size;
    m->at[m->count++] = (place){v->offset, v->offset + size, at, at, id};
}

/* A slot is read only while it holds what the step asks for. */
static void check_slots(const slivi_plan *p, const slivi__instruction *c)
{
    int *holder = malloc((c->slots + 1) * sizeof *holder);
    for (size_t i = 0; i <= c->slots; i++)
        holder[i] = -1;
    for (size_t i = 0; i < c->count; i++) {
        const slivi__step *s = &p->step[c->first + i];
        for (int k = 0; k < s->arity; k++) {
            const slivi__step *in =
                &p->step[c->first + (size_t)(s->in[k] < 0 ? 0 : s->in[k])];
            if (s->in[k] < 0)
                continue;
            ck_assert_int_lt(s->in[k], (int)i);
            ck_assert(in->slot >= 0 ? holder[in->slot] == s->in[k]
                                    : p->value[in->node].home);
            if (in->slot >= 0 && in->slot == s->slot) /* only a whole pass */
                ck_assert(s->what < SLIVI__LOOP_COUNT
                          && p->value[in->node].node->cols == c->cols);
        }
        if (s->slot >= 0) {
            ck_assert_uint_lt((size_t)s->slot, c->slots);
            holder[s->slot] = (int)i;
        }
    }
    free(holder);
}

/* Everything that instruction `at` makes, then everything that it reads. */
static void see_all(const slivi_plan *p, places *m, size_t at)
{
    const slivi__instruction *c = &p->code[at];
    const int chain = c->kind == SLIVI__ENTRYWISE;
    const slivi__node *node = p->value[c->node].node;
    if (!chain && c->kind != SLIVI__PRODUCT)
        see(p, m, c->node, at, 1);
    for (size_t i = c->first; i < c->first + c->count; i++)
        if (!chain)
            see(p, m, p->pair[i].b, at, 1);
        else if (!p->step[i].local && p->step[i].what != SLIVI__STEP_TOTAL)
            see(p, m, p->step[i].node, at, 1);
    for (size_t i = c->first; i < c->first + c->count; i++)
        for (int k = 0; k < (chain ? p->step[i].arity : 1); k++)
            if (!chain)
                see(p, m, p->pair[i].a, at, 0);
            else if (p->step[i].in[k] < 0)
                see(p, m, ~p->step[i].in[k], at, 0);
    for (int k = 0; !chain && c->kind != SLIVI__PRODUCT && k < node->op->arity;
         k++)
        see(p, m, p->value[c->node].in[k], at, 0);
    if (chain)
        check_slots(p, c);
}

static void add_place(places *m, size_t first, size_t size, int id)
{
    ck_assert_uint_lt(m->count, sizeof m->at / sizeof *m->at);
    ck_assert_uint_eq(first % 64, 0);
    m->at[m->count++] = (place){first, first + size, 0, 0, id};
}

/* Values, sums by block, copies and the parts of sparse inputs. */
static void see_batch(const slivi_plan *p, places *m)
{
    for (int id = 1; id <= (int)p->count; id++) {
        const slivi__value *v = &p->value[id];
        size_t rows = p->max_rows;
        if (v->home == SLIVI__BAND && p->band * p->block < rows)
            rows = p->band * p->block;
        if (v->home == SLIVI__BATCH || v->home == SLIVI__BAND)
            add_place(m, v->offset,
                      slivi__count_rows(v->node->rows, rows) * v->node->cols
                          * p->size,
                      id);
        if (v->kind == SLIVI__TOTAL)
            add_place(m, v->partial,
                      p->blocks * p->value[v->in[0]].node->cols
                          * sizeof(double),
                      -id);
    }
    for (size_t i = 0; i < p->copy_count; i++) {
        const slivi__node *w = p->value[p->copy[i].node].node;
        add_place(m, p->copy[i].offset, (size_t)w->rows * w->cols * p->size,
                  -1);
    }
    for (size_t i = 0; i < p->thin_count; i++) {
        const slivi__thin *t = &p->thin[i];
        const size_t cols = p->value[t->node].node->cols;
        const size_t most = p->max_rows * cols / SLIVI__THIN_SHARE + cols;
        const size_t size[4] = {4 * (p->max_rows + 1), (4 + p->size) * most,
                                4 * (2 * cols + 1), (4 + p->size) * most};
        for (int k = 0; k < 4; k++)
            add_place(m, t->offset[k], size[k], -2 - k);
    }
}

static void check_memory(const slivi_plan *p)
{
    places *m = calloc(1, sizeof *m);
    for (size_t f = 1; f < p->phases; f += 2) {
        m->count = 0;
        for (size_t i = p->phase[f].code; i < p->phase[f].code_end; i++)
            see_all(p, m, i);
        check_apart(m, p->block_bytes);
    }
    m->count = 0;
    see_batch(p, m);
    check_apart(m, p->batch_bytes);
    free(m);
}

START_TEST(values_do_not_share_memory)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        trial t;
        trial_open(&t, seed % 2 ? SLIVI_F32 : SLIVI_F64, 1000 + seed, 1);
        slivi_plan *p = slivi_plan_create(t.w.g, t.count, t.out,
                                          1 + seed % 200);
        ck_assert_msg(p != NULL, "%s", slivi_errmsg());
        check_memory(p);
        slivi_plan_free(p);
        trial_close(&t);
    }
    for (int energy = 0; energy < 2; energy++) {
        net t;
        net_open(&t, 4, D, energy ? 1 : D, !energy);
        slivi_plan *p = net_plan(&t, energy ? "ssm-vr" : "ssm", 3, energy, 200);
        check_memory(p);
        slivi_plan_free(p);
        slivi_graph_free(t.g);
    }
}
END_TEST

/* A deep net that keeps nothing needs the memory of two layers. */
START_TEST(block_memory_does_not_grow_with_depth)
{
    size_t bytes[2];
    for (int k = 0; k < 2; k++) {
        slivi_graph *g = slivi_graph_create(SLIVI_F32);
        slivi_node h = slivi_input(g, "x", SLIVI_ROWS, 64);
        slivi_node w = slivi_input(g, "w", 64, 64);
        for (int i = 0; i < (k ? 50 : 3); i++)
            h = slivi_tanh(g, slivi_matmul(g, h, w));
        slivi_plan *p = slivi_plan_create(g, 1, &h, 64);
        bytes[k] = p->block_bytes;
        check_memory(p);
        slivi_plan_free(p);
        slivi_graph_free(g);
    }
    ck_assert_uint_eq(bytes[0], 2 * 64 * 64 * sizeof(float));
    ck_assert_uint_eq(bytes[1], bytes[0]);
}
END_TEST

/* Blocks are the same for more rows than one has, and cover all of them; small
   runs are one block; values too large for a cache make it smaller. */
START_TEST(rows_of_blocks)
{
    static const size_t rows[] = {1, 31, 32, 63, 64, 65, 200};
    for (size_t i = 0; i < 7; i++)
        for (size_t slices = 1; slices <= 128; slices *= 128) {
            net t;
            net_open(&t, 3, D, D, 0);
            slivi_plan *p = net_plan(&t, "ssm", slices, 0, rows[i]);
            const size_t most = slices > 1 ? 32 : 64;
            ck_assert_uint_eq(p->block, rows[i] < most ? rows[i] : most);
            ck_assert_uint_eq(p->blocks, (rows[i] + p->block - 1) / p->block);
            check_memory(p);
            slivi_plan_free(p);
            slivi_graph_free(t.g);
        }
}
END_TEST

/* ---- refusals --------------------------------------------------------- */

START_TEST(sizes_overflow)
{
    static const struct {
        ptrdiff_t rows;
        size_t cols, max_rows;
    } all[] = {{SLIVI_ROWS, (size_t)1 << 40, UINT32_MAX},
               {((ptrdiff_t)1 << 24) * SLIVI_ROWS, (size_t)1 << 40, 1},
               {((ptrdiff_t)1 << 30) * SLIVI_ROWS, (size_t)1 << 40, 7},
               {((ptrdiff_t)1 << 62) * SLIVI_ROWS, 4, 1},
               {-PTRDIFF_MAX, 8, 4},
               {PTRDIFF_MAX, 8, 4}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (int kind = 0; kind < 2; kind++) {
            slivi_graph *g = slivi_graph_create(SLIVI_F64);
            slivi_node x = slivi_input(g, "x", all[i].rows, all[i].cols);
            slivi_node y = slivi_exp(g, x); /* kept for the batch, or a block */
            if (kind)
                y = slivi_row_max(g, y);
            if (kind && (i == 0 || i == 5)) /* fits */
                y = slivi_concat(g, slivi_exp(g, x), slivi_sin(g, x));
            slivi_plan *p = slivi_plan_create(g, 1, &y, all[i].max_rows);
            ck_assert_msg(!p, "sizes %zu, %d", i, kind);
            ck_assert_int_eq(slivi__status(), SLIVI_EOVERFLOW);
            slivi_graph_free(g);
        }
}
END_TEST

/* A plan and a workspace; 0, or what failed. */
static int make_both(slivi_graph *g, size_t count, const slivi_node *out,
                     slivi_pool *pool)
{
    slivi_plan *p = slivi_plan_create(g, count, out, 100);
    slivi_workspace *ws = p ? slivi_workspace_create(p, pool) : NULL;
    const int status = ws ? 0 : slivi__status();
    slivi_workspace_free(ws);
    slivi_plan_free(p);
    return status;
}

START_TEST(allocations_fail)
{
    scratch_memory *m = scratch_watch(0);
    trial t;
    trial_open(&t, SLIVI_F32, 1000 + (uint64_t)_i, 1);
    slivi_pool *pool = slivi_pool_create(2);
    const size_t before = m->live;
    m->calls = 0;
    ck_assert_int_eq(make_both(t.w.g, t.count, t.out, pool), 0);
    ck_assert_uint_eq(m->live, before);
    const size_t calls = m->calls;
    ck_assert_uint_gt(calls, 25);
    for (int for_good = 0; for_good < 2; for_good++)
        for (size_t k = 1; k <= calls; k++) {
            m->calls = 0;
            m->fail_at = k;
            m->for_good = for_good;
            ck_assert_int_eq(make_both(t.w.g, t.count, t.out, pool),
                             SLIVI_ENOMEM);
            ck_assert_uint_eq(m->live, before);
        }
    m->fail_at = 0;
    slivi_pool_free(pool);
    trial_close(&t);
    ck_assert_uint_eq(m->live, 0);
    scratch_unwatch();
}
END_TEST

Suite *slivi_suite_place(void)
{
    Suite *suite = suite_create("place");
    TCase *tc = tcase_create("place");

    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, values_do_not_share_memory);
    tcase_add_test(tc, block_memory_does_not_grow_with_depth);
    tcase_add_test(tc, rows_of_blocks);
    tcase_add_test(tc, sizes_overflow);
    tcase_add_loop_test(tc, allocations_fail, 0, 12);
    suite_add_tcase(suite, tc);
    return suite;
}
