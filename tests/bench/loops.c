/* loops.c - the fused passes, for each instruction set.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "loops.h"

#include "product.h"

#include "kernel/isa.h"
#include "slivi/graph.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* exp(-x) for 0 <= x < 2^21, relative error below 2e-7 up to x = 87 and a tiny
   value beyond.  -x = k ln 2 + r, and exp(r) by its series to degree 6.  The
   bound is put on k: on x it would be a branch that stops vectorisation. */
static inline float exp_minus(float x)
{
    const float shift = 12582912.0f; /* 1.5 * 2^23 rounds to whole */
    const float t = shift - x * 1.44269504f, k = t - shift;
    const float r = (-x - k * 0.693359375f) + k * 2.12194440e-4f;
    float p = 1.0f / 720, two_k;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1;
    p = p * r + 1;
    int32_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits -= 0x4b400000; /* those of shift: leaves k */
    bits = bits > -126 ? bits : -126;
    bits = (bits + 127) * (1 << 23);
    memcpy(&two_k, &bits, sizeof two_k);
    return p * two_k;
}

/* tanh x = (1 - e) / (1 + e), e = exp(-2 |x|), absolute error below 1e-7 */
static inline float bend(float x)
{
    const float e = exp_minus(2 * fabsf(x));
    return copysignf((1 - e) / (1 + e), x);
}

#define NAME(x) x##_baseline
#define NAME_TEXT "baseline"
#define ISA
#include "loops.inc"
#undef NAME
#undef NAME_TEXT
#undef ISA

#ifdef __x86_64__

#define NAME(x) x##_v3
#define NAME_TEXT "x86-64-v3"
#define ISA __attribute__((target("arch=x86-64-v3")))
#include "loops.inc"
#undef NAME
#undef NAME_TEXT
#undef ISA

#define NAME(x) x##_v4
#define NAME_TEXT "x86-64-v4"
#define ISA __attribute__((target("arch=x86-64-v4")))
#include "loops.inc"
#undef NAME
#undef NAME_TEXT
#undef ISA

#endif

#if SLIVI_BENCH_KERNEL

/* In pieces that stay in the first cache between the two passes. */
void loops_activate(const loops *f, size_t rows, size_t cols, const float *bias,
                    float *h)
{
    enum { PIECE = 4096 };
    const slivi__kernels *k = slivi__isa_best()->kernels[SLIVI_F32];
    const size_t most = cols < PIECE ? PIECE / cols : 1;
    (void)f;
    for (size_t i = 0; i < rows; i += most) {
        const slivi__loop l = {.rows = rows - i < most ? rows - i : most,
                               .cols = cols,
                               .a = h + i * cols,
                               .b = bias,
                               .stride_a = cols,
                               .wide_a = 1,
                               .wide_b = 1,
                               .y = h + i * cols,
                               .stride_y = cols};
        slivi__loop bent = l;
        bent.b = NULL;
        k->loop[SLIVI__LOOP_add](&l);
        k->loop[SLIVI__LOOP_tanh](&bent);
    }
}

#else

void loops_activate(const loops *f, size_t rows, size_t cols, const float *bias,
                    float *h)
{
    f->activate(rows, cols, bias, h);
}

#endif

const loops *loops_best(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512cd")
        && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl"))
        return &table_v4;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
        && __builtin_cpu_supports("bmi2"))
        return &table_v3;
#endif
    return &table_baseline;
}
