/* product.c - matrix products of the direct versions.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "product.h"

#include "kernel/isa.h"
#include "slivi/graph.h"

/* The trailing size_t are the lengths that Fortran passes for CHARACTER. */
void sgemm_(const char *transa, const char *transb, const int *m, const int *n,
            const int *k, const float *alpha, const float *a, const int *lda,
            const float *b, const int *ldb, const float *beta, float *c,
            const int *ldc, size_t, size_t);

/* Row-major C = A B is column-major C' = B' A'. */
static void blas(int ta, int tb, size_t m, size_t n, size_t k, matrix a,
                 matrix b, float *c, size_t ldc, int add)
{
    const int im = (int)m, in = (int)n, ik = (int)k;
    const int lda = (int)a.ld, ldb = (int)b.ld, ld = (int)ldc;
    const float one = 1, beta = add ? 1 : 0;
    sgemm_(tb ? "T" : "N", ta ? "T" : "N", &in, &im, &ik, &one, b.at, &ldb,
           a.at, &lda, &beta, c, &ld, 1, 1);
}

void product_blas(size_t m, const float *a, const float *b, float *c)
{
    blas(0, 0, m, m, m, (matrix){a, m}, (matrix){b, m}, c, m, 0);
}

#if SLIVI_BENCH_KERNEL

static const slivi__kernels *kernels(void)
{
    return slivi__isa_best()->kernels[SLIVI_F32];
}

void product(size_t m, size_t n, size_t k, matrix a, matrix b, matrix bt,
             float *c, size_t ldc, int add)
{
    const slivi__panel p = {a.at, a.ld, c, ldc, m};
    (void)bt;
    kernels()->multiply(1, &p, n, k, b.at, b.ld, add);
}

void product_t(size_t m, size_t n, size_t k, matrix a, matrix b, float *c,
               size_t ldc, int add)
{
    /* a panel of multiply_t only reads its right operand */
    const slivi__panel p = {a.at, a.ld, (void *)(uintptr_t)b.at, b.ld, k};
    kernels()->multiply_t(1, &p, m, n, c, ldc, add);
}

void transpose(size_t rows, size_t cols, matrix x, float *y, size_t ldy)
{
    kernels()->transpose(rows, cols, x.at, x.ld, y, ldy);
}

const char *product_name(void)
{
    return "kernel";
}

#else

void product(size_t m, size_t n, size_t k, matrix a, matrix b, matrix bt,
             float *c, size_t ldc, int add)
{
    const int turned = b.at == NULL;
    blas(0, turned, m, n, k, a, turned ? bt : b, c, ldc, add);
}

void product_t(size_t m, size_t n, size_t k, matrix a, matrix b, float *c,
               size_t ldc, int add)
{
    blas(1, 0, m, n, k, a, b, c, ldc, add);
}

void transpose(size_t rows, size_t cols, matrix x, float *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            y[j * ldy + i] = x.at[i * x.ld + j];
}

const char *product_name(void)
{
    return "blas";
}

#endif
