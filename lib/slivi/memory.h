/* slivi/memory.h - the allocation hook.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_MEMORY_H
#define SLIVI_MEMORY_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slivi_allocator {
    void *(*alloc)(size_t bytes, void *ctx); /* NULL when there is none */
    void (*release)(void *block, void *ctx); /* block is never NULL */
    void *ctx;
} slivi_allocator;

/* Replace the allocator of the whole process (malloc and free by default);
   NULL restores the default.  The struct is copied.  Call it before any other
   function of slivi, from one thread: blocks must be released by the hook that
   made them. */
void slivi_set_allocator(const slivi_allocator *hook);

#ifdef __cplusplus
}
#endif
#endif
