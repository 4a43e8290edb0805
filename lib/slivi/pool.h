/* slivi/pool.h - a pool of threads that runs numbered tasks.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_POOL_H
#define SLIVI_POOL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slivi_pool slivi_pool;

/* A pool of `threads` workers, the caller of slivi_pool_run being one of them
   (so 1 starts no thread); 0 means the number of processors that the process
   may use.  Signals are blocked in the workers.  NULL on failure. */
slivi_pool *slivi_pool_create(size_t threads);

/* Joins the workers; NULL is fine.  No run may be in progress. */
void slivi_pool_free(slivi_pool *pool);

size_t slivi_pool_threads(const slivi_pool *pool);

/* Calls task(i, ctx) once for every i in 0..count-1, on any worker in any
   order, and returns when all have ended: the first failure by task number,
   with its message in the calling thread, or 0.  After a failure the remaining
   tasks are still called.  A NULL pool runs the tasks in order in the caller.
   Tasks run in the default floating-point mode, whatever the caller's.
   Runs of several threads on one pool take turns, but for runs of one task or on
   a pool of one thread, which are the caller's alone; a task must not run on
   its own pool.
   Allocates nothing. */
int slivi_pool_run(slivi_pool *pool, size_t count,
                   int (*task)(size_t i, void *ctx), void *ctx);

#ifdef __cplusplus
}
#endif
#endif
