/* memory.c - the allocation hook, checked sizes, aligned zeroed blocks.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A cache line, and the widest vector register in use. */
#define ALIGNMENT ((size_t)64)

static void *default_alloc(size_t bytes, void *ctx)
{
    (void)ctx;
    return malloc(bytes);
}

static void default_release(void *block, void *ctx)
{
    (void)ctx;
    free(block);
}

static const slivi_allocator default_hook = {default_alloc, default_release,
                                             NULL};

/* Set once, before use: see slivi/memory.h. */
static slivi_allocator hook = {default_alloc, default_release, NULL};

void slivi_set_allocator(const slivi_allocator *new_hook)
{
    hook = new_hook != NULL ? *new_hook : default_hook;
}

static int overflow(size_t a, char operation, size_t b)
{
    slivi__fail(SLIVI_EOVERFLOW, "size %zu %c %zu is too large", a, operation,
                b);
    return SLIVI_EOVERFLOW;
}

int slivi__mul(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b)
        return overflow(a, 'x', b);
    *out = a * b;
    return 0;
}

int slivi__add(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b)
        return overflow(a, '+', b);
    *out = a + b;
    return 0;
}

/* The hook gives no alignment, so a block lies at the first aligned address
   that leaves room below for the pointer that the hook must get back. */
void *slivi__alloc(size_t count, size_t size)
{
    const size_t spare = sizeof(void *) + ALIGNMENT - 1;
    size_t bytes, total, gap;
    char *raw, *block;

    if (slivi__mul(count, size, &bytes) || slivi__add(bytes, spare, &total))
        return NULL;
    raw = hook.alloc(total, hook.ctx);
    if (raw == NULL)
        return slivi__fail_null(SLIVI_ENOMEM, "no memory for %zu bytes", bytes);
    block = raw + sizeof(void *);
    gap = (size_t)((uintptr_t)block % ALIGNMENT);
    if (gap != 0)
        block += ALIGNMENT - gap;
    memcpy(block - sizeof raw, &raw, sizeof raw);
    memset(block, 0, bytes);
    return block;
}

void *slivi__grow(void *block, size_t old, size_t count, size_t size)
{
    const size_t keep = old < count ? old : count;
    void *grown = slivi__alloc(count, size);

    if (grown == NULL)
        return NULL;
    if (block != NULL && keep != 0)
        memcpy(grown, block, keep * size);
    slivi__free(block);
    return grown;
}

void slivi__free(void *block)
{
    void *raw;

    if (block == NULL)
        return;
    memcpy(&raw, (char *)block - sizeof raw, sizeof raw);
    hook.release(raw, hook.ctx);
}

char *slivi__strdup(const char *text)
{
    const size_t length = strlen(text);
    char *copy = slivi__alloc(length + 1, 1);

    if (copy != NULL)
        memcpy(copy, text, length);
    return copy;
}
