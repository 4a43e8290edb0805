/* product.h - matrix products of the direct versions: OpenBLAS, or with
   -DSLIVI_BENCH_KERNEL=1 the library's own kernels.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_PRODUCT_H
#define BENCH_PRODUCT_H

#include <stddef.h>

#ifndef SLIVI_BENCH_KERNEL
#define SLIVI_BENCH_KERNEL 0
#endif

/* Row-major; ld is the distance of rows in entries. */
typedef struct matrix {
    const float *at;
    size_t ld;
} matrix;

/* C <- A B, or C + A B where add; A is m x k, B k x n.  b.at may be NULL: then
   B is the transpose of bt, n x k, which only BLAS takes. */
void product(size_t m, size_t n, size_t k, matrix a, matrix b, matrix bt,
             float *c, size_t ldc, int add);
/* C <- A' B, or C + A' B where add; A is k x m, B k x n. */
void product_t(size_t m, size_t n, size_t k, matrix a, matrix b, float *c,
               size_t ldc, int add);
/* y <- x', x is rows x cols. */
void transpose(size_t rows, size_t cols, matrix x, float *y, size_t ldy);
/* A square product of 2 m^3 flops by serial BLAS, whatever the switch. */
void product_blas(size_t m, const float *a, const float *b, float *c);

const char *product_name(void);

#endif
