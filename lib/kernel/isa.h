/* isa.h - the inner loops, compiled once for each instruction set.  Private.

   Every set computes the same bits, so that a result does not depend on the
   machine's: entrywise loops are free of contraction, sums have one fixed tree
   whatever the width of a vector, and a product is a chain of fused
   multiply-adds in the order of k for each entry on its own.  (The baseline of
   a machine without fused multiply-add rounds twice; nothing else differs.)
   So a row of a product does not depend on the rows beside it either.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_KERNEL_ISA_H
#define SLIVI_KERNEL_ISA_H

#include "slivi/random.h"

#include <stddef.h>
#include <stdint.h>

/* X(name): entrywise loops, with the meaning of the operation of that name. */
#define SLIVI__LOOPS(X)                                                        \
    X(copy)                                                                    \
    X(add)                                                                     \
    X(sub)                                                                     \
    X(mul)                                                                     \
    X(div)                                                                     \
    X(scale)                                                                   \
    X(shift)                                                                   \
    X(exp)                                                                     \
    X(log)                                                                     \
    X(sqrt)                                                                    \
    X(sin)                                                                     \
    X(cos)                                                                     \
    X(erf)                                                                     \
    X(abs)                                                                     \
    X(sign)                                                                    \
    X(step)                                                                    \
    X(tanh)                                                                    \
    X(one_minus_square)                                                        \
    X(sigmoid)                                                                 \
    X(minus_square)                                                            \
    X(softplus)                                                                \
    X(relu)                                                                    \
    X(elu)                                                                     \
    X(elu1)                                                                    \
    X(elu2)

/* SLIVI__LOOP_copy is 0. */
#define SLIVI__LOOP_NAME(name) SLIVI__LOOP_##name,
enum slivi__loop_name { SLIVI__LOOPS(SLIVI__LOOP_NAME) SLIVI__LOOP_COUNT };
#undef SLIVI__LOOP_NAME

/* One pass y_ij <- f(a_ij, b_ij, c).  An operand that is not wide has one entry
   for each row; its stride is then from entry to entry, and 0 repeats one row
   (or one entry) for all.  y may be a or b itself, but not overlap them
   otherwise. */
typedef struct slivi__loop {
    size_t rows, cols;
    const void *a, *b;         /* b NULL: a function of one operand */
    size_t stride_a, stride_b; /* entries from row to row */
    int wide_a, wide_b;
    double c; /* of scale and shift */
    void *y;  /* its rows are stride_y entries apart */
    size_t stride_y;
} slivi__loop;

/* One of the left operands (or, of multiply_t, pairs) of a product. */
typedef struct slivi__panel {
    const void *a; /* rows x k, or rows x m for multiply_t */
    size_t lda;
    void *c; /* rows x n; multiply_t: the right operand, rows x n, only read */
    size_t ldc;
    size_t rows;
} slivi__panel;

/* Rows of a sparse matrix: the entries of row i are index[t], value[t] for
   start[i] <= t < start[i + 1], index ascending. */
typedef struct slivi__sparse {
    const uint32_t *start, *index;
    const void *value;
} slivi__sparse;

/* What a step of an optimiser is told; see kernel/update.h. */
struct slivi__update;

/* Everything in one precision.  Matrices are row-major, ld is the distance of
   rows in entries; nothing here fails or allocates. */
typedef struct slivi__kernels {
    void (*loop[SLIVI__LOOP_COUNT])(const slivi__loop *l);

    /* y_i <- sum_j x_ij (y_i: every stride_y-th entry), summed in double */
    void (*row_sum)(size_t rows, size_t cols, const void *x, size_t ldx,
                    void *y, size_t stride_y);
    /* sum_j += sum_i x_ij, rows in order */
    void (*column_sum)(size_t rows, size_t cols, const void *x, size_t ldx,
                       double *sum);

    /* conversions, and whether all of x is finite */
    void (*from_double)(size_t n, const double *x, void *y);
    void (*to_double)(size_t n, const void *x, double *y);
    int (*is_finite)(size_t n, const void *x);

    /* C_p <- A_p B, or C_p + A_p B where add, for each panel p: with one pass
       over B, k x n */
    void (*multiply)(size_t panels, const slivi__panel *p, size_t n, size_t k,
                     const void *b, size_t ldb, int add);
    /* C <- sum_p A_p' B_p, or C + that; C is m x n, A_p rows x m */
    void (*multiply_t)(size_t panels, const slivi__panel *p, size_t m, size_t n,
                       void *c, size_t ldc, int add);
    /* C <- A B, or C + A B, for rows [first, last) of the sparse A and of C */
    void (*multiply_sparse)(const slivi__sparse *a, size_t first, size_t last,
                            size_t n, const void *b, size_t ldb, void *c,
                            size_t ldc, int add);
    /* index and value of the entries of x that are not zero, in order; returns
       how many.  Up to n entries of each may be written. */
    size_t (*nonzeros)(size_t n, const void *x, uint32_t *index, void *value);
    /* y <- x', x is rows x cols */
    void (*transpose)(size_t rows, size_t cols, const void *x, size_t ldx,
                      void *y, size_t ldy);

    /* as slivi_draw and slivi_draw_f32 */
    void (*draw)(const slivi_law *law, const slivi_address *at, size_t n,
                 size_t cols, void *out);

    void (*momentum)(const struct slivi__update *u);
    void (*rmsprop)(const struct slivi__update *u);
    void (*adam)(const struct slivi__update *u);
    /* sum of (c x_i)^2 */
    double (*sum_squares)(const void *x, size_t n, double c);
    /* a <- b a + (1 - b) p */
    void (*average)(void *a, const void *p, size_t n, double b);
} slivi__kernels;

typedef struct slivi__isa {
    const char *name;                 /* "x86-64-v4" */
    int (*runs)(void);                /* can this machine run it? */
    const slivi__kernels *kernels[2]; /* by enum slivi_precision, or these: */
} slivi__isa;
enum { SLIVI__SINGLE, SLIVI__DOUBLE };

/* Best first; the last one, "baseline", runs everywhere.  NULL at the end. */
extern const slivi__isa *const slivi__isas[];
/* The best that this machine runs. */
const slivi__isa *slivi__isa_best(void);

#endif
