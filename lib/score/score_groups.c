/* score_groups.c - see score_groups.h: a hash table from contexts to groups.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/score_groups.h"
#include "score/kernelfit.h"

#include <stdint.h>
#include <string.h>

/* ---- memory ------------------------------------------------------------- */

int slivi__block_hold(slivi__block *b, size_t bytes)
{
    if (bytes <= b->bytes)
        return 0;
    void *memory = slivi__alloc(bytes, 1);
    if (!memory)
        return slivi__status();
    slivi__free(b->memory);
    *b = (slivi__block){memory, bytes};
    return 0;
}

void slivi__block_clear(slivi__block *b)
{
    slivi__free(b->memory);
    *b = (slivi__block){NULL, 0};
}

static void carve_rows(slivi__groups *g, slivi__carver *c, size_t n)
{
    g->z = slivi__carve(c, n, g->dim, sizeof *g->z);
    g->first = slivi__carve(c, n + 1, 1, sizeof *g->first);
    g->row = slivi__carve(c, n, 1, sizeof *g->row);
    g->of = slivi__carve(c, n, 1, sizeof *g->of);
    g->at = slivi__carve(c, n, 1, sizeof *g->at);
    g->table = slivi__carve(c, g->slots, 1, sizeof *g->table);
}

static int make_rows(slivi__groups *g, size_t n)
{
    slivi__carver need = {0}, c = {0};
    if (n > SIZE_MAX / 64)
        return slivi__fail(SLIVI_EOVERFLOW, "%zu samples", n);
    for (g->slots = 1; g->context && g->slots < 2 * n;)
        g->slots *= 2;
    carve_rows(g, &need, n);
    int status = need.status ? need.status
                             : slivi__block_hold(&g->rows, need.bytes);
    c.at = g->rows.memory;
    if (!status)
        carve_rows(g, &c, n);
    return status;
}

void slivi__groups_clear(slivi__groups *g)
{
    slivi__block_clear(&g->rows);
    slivi__block_clear(&g->kept);
    g->n = g->count = 0;
}

/* ---- lookup ------------------------------------------------------------- */

/* Every bit of every number counts: those of round numbers are high ones. */
static size_t hash(size_t n, const double *x)
{
    uint64_t h = n, bits;
    for (size_t i = 0; i < n; i++) {
        memcpy(&bits, x + i, sizeof bits);
        h = (h ^ bits ^ bits >> 32) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return (size_t)(h ^ h >> 32);
}

/* The slot of that context, or the empty one where it belongs. */
static size_t slot_of(const slivi__groups *g, const double *ctx)
{
    const size_t mask = g->slots - 1, bytes = g->context * sizeof *ctx;
    size_t slot = hash(g->context, ctx) & mask;
    while (g->table[slot] && memcmp(g->at[g->table[slot] - 1], ctx, bytes))
        slot = (slot + 1) & mask;
    return slot;
}

size_t slivi__groups_find(const slivi__groups *g, const double *ctx)
{
    if (!g->context)
        return 0;
    const size_t group = g->table[slot_of(g, ctx)];
    return group ? group - 1 : g->count;
}

/* ---- arranging ---------------------------------------------------------- */

/* Each row's group; `at` then points into ctx. */
static void find_groups(slivi__groups *g, const double *ctx,
                        const size_t *which, size_t n)
{
    g->count = 0;
    memset(g->table, 0, g->slots * sizeof *g->table);
    for (size_t i = 0; i < n; i++) {
        const double *x = ctx ? ctx + (which ? which[i] : i) * g->context
                              : NULL;
        size_t *group = &g->table[g->context ? slot_of(g, x) : 0];
        if (!*group) {
            g->row[g->count] = i;
            g->at[g->count] = x;
            *group = ++g->count;
        }
        g->of[i] = *group - 1;
    }
}

/* The contexts into memory of our own. */
static int keep_contexts(slivi__groups *g)
{
    size_t count, bytes;
    if (slivi__mul(g->count, g->context, &count)
        || slivi__mul(count, sizeof *g->contexts, &bytes))
        return SLIVI_EOVERFLOW;
    int status = slivi__block_hold(&g->kept, bytes);
    g->contexts = g->kept.memory;
    for (size_t k = 0; k < g->count && g->context && !status; k++) {
        double *to = g->contexts + k * g->context;
        memcpy(to, g->at[k], g->context * sizeof *to);
        g->at[k] = to;
    }
    return status;
}

/* Sorts by counting; first[k + 1] is where group k's next sample goes. */
static void arrange(slivi__groups *g, const double *z, size_t n)
{
    const size_t d = g->dim;
    memset(g->first, 0, (g->count + 1) * sizeof *g->first);
    for (size_t i = 0; i < n; i++)
        if (g->of[i] + 1 < g->count)
            g->first[g->of[i] + 2]++;
    for (size_t k = 2; k <= g->count; k++)
        g->first[k] += g->first[k - 1];
    for (size_t i = 0; i < n; i++)
        memcpy(g->z + g->first[g->of[i] + 1]++ * d, z + i * d, d * sizeof *z);
    g->n = n;
}

int slivi__groups_take(slivi__groups *g, const double *z, const double *ctx,
                       const size_t *which, size_t n)
{
    g->n = 0;
    int status = make_rows(g, n);
    if (!status) {
        find_groups(g, ctx, which, n);
        status = keep_contexts(g);
    }
    if (!status)
        arrange(g, z, n);
    if (status)
        g->n = g->count = 0;
    return status;
}
