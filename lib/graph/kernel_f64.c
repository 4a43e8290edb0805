/* kernel_f64.c - the kernels in double precision. */
#define REAL double
#define NAME(x) slivi__##x##_f64
#define M(x) x
#define SPECIAL(x) slivi__f64_##x
#define GEMM slivi__dgemm
#define DRAW slivi_draw
#include "graph/kernel.inc"
