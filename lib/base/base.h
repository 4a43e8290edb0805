/* base.h - what every file of the library shares: failing, sizes, memory,
   BLAS.  Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_BASE_H
#define SLIVI_BASE_H

#include "slivi/blas.h"
#include "slivi/memory.h"
#include "slivi/pool.h"
#include "slivi/random.h"
#include "slivi/status.h"

#include <fenv.h>
#include <stdarg.h>
#include <stddef.h>

#if defined(__GNUC__)
#define SLIVI_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define SLIVI_PRINTF(f, a)
#endif

enum { SLIVI__MESSAGE = 512 }; /* room for a message; longer ones are cut */

/* Sets the thread's message and returns status (!= 0).  The arguments may
   point into the present message. */
int slivi__fail(int status, const char *format, ...) SLIVI_PRINTF(2, 3);
/* Puts "prefix: " before the thread's present message; returns status. */
int slivi__fail_in(int status, const char *format, ...) SLIVI_PRINTF(2, 3);
/* How often this thread's message was set: tells a failure that set it. */
size_t slivi__failures(void);
/* Status of this thread's last failure: of a function that returned NULL. */
int slivi__status(void);
/* "NaN", "infinite" or "minus infinite", for messages. */
const char *slivi__nonfinite(double x);
/* As slivi__fail, for functions that return a pointer. */
#define slivi__fail_null(...) (slivi__fail(__VA_ARGS__), (void *)0)

/* *out = a * b (or a + b); SLIVI_EOVERFLOW when it does not fit. */
int slivi__mul(size_t a, size_t b, size_t *out);
int slivi__add(size_t a, size_t b, size_t *out);

/* Zeroed, 64-byte aligned room for count things of `size` bytes through the
   hook; count 0 gives a valid pointer.  NULL with SLIVI_ENOMEM or
   SLIVI_EOVERFLOW set. */
void *slivi__alloc(size_t count, size_t size);
/* Grows a block from old to count things of `size` bytes; on failure returns
   NULL and leaves the old block alone. */
void *slivi__grow(void *block, size_t old, size_t count, size_t size);
void slivi__free(void *block); /* NULL is fine */
char *slivi__strdup(const char *text);

/* The default floating-point mode from enter to leave, on the calling thread. */
typedef struct slivi__mode {
    int changed;
    fenv_t old;
} slivi__mode;
void slivi__mode_enter(slivi__mode *m);
void slivi__mode_leave(const slivi__mode *m);

/* As slivi_pool_run; tasks are told which of the pool's threads runs them:
   0 (the caller) <= worker < slivi_pool_threads(pool).  No two tasks of a run
   have the same one at the same time. */
int slivi__pool_share(slivi_pool *pool, size_t count,
                      int (*task)(size_t i, size_t worker, void *ctx),
                      void *ctx);

/* BLAS is serial between enter and leave (counted, thread-safe). */
int slivi__blas_enter(void);
void slivi__blas_leave(void);

/* C <- alpha op(A) op(B) + beta C, row-major; op(A) is m x k, op(B) k x n;
   lda, ldb, ldc are row strides.  The rows of C are cut into fixed tiles that
   the pool (NULL is fine) shares out; the cut depends on the shapes alone, so
   the bits do not depend on the number of threads.  Call between
   slivi__blas_enter and slivi__blas_leave. */
int slivi__sgemm(slivi_pool *pool, int ta, int tb, size_t m, size_t n, size_t k,
                 double alpha, const float *a, size_t lda, const float *b,
                 size_t ldb, double beta, float *c, size_t ldc);
int slivi__dgemm(slivi_pool *pool, int ta, int tb, size_t m, size_t n, size_t k,
                 double alpha, const double *a, size_t lda, const double *b,
                 size_t ldb, double beta, double *c, size_t ldc);

/* A = L L', row-major m x m: the lower triangle is read and overwritten by L,
   the strict upper triangle is left alone.  SLIVI_ENOTPD names the order of
   the leading minor that is not positive; SLIVI_ENONFINITE the one that is
   not finite. */
int slivi__cholesky(size_t m, double *a);
/* Solve L X = B (trans 0) or L' X = B (trans 1) in place; B is m x k. */
void slivi__trisolve(int trans, size_t m, size_t k, const double *l, double *b);

/* Room that slivi__eigen needs, in doubles and in ints. */
int slivi__eigen_room(size_t m, size_t *work, size_t *iwork);

/* A = V' diag(values) V, row-major m x m: the lower triangle is read, and A
   becomes V, whose row j is the eigenvector of values[j]; values ascend.
   SLIVI_ENONFINITE names the row of A that is not finite, SLIVI_EUNSUPPORTED
   is a matrix that LAPACK gave up.  Call between slivi__blas_enter and
   slivi__blas_leave. */
int slivi__eigen(size_t m, double *a, double *values, double *work, int *iwork);

#endif
