/* kernel_f32.c - the kernels in single precision. */
#define REAL float
#define NAME(x) slivi__##x##_f32
#define M(x) x##f
#define SPECIAL(x) slivi__f32_##x
#define GEMM slivi__sgemm
#define DRAW slivi_draw_f32
#include "graph/kernel.inc"
