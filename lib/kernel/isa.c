/* isa.c - the instruction sets, and which of them this machine runs.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "kernel/isa.h"
#include "slivi/blas.h"

#define ISA(short_name, long_name, test)                                       \
    extern const slivi__kernels slivi__kernels_##short_name##_f32;             \
    extern const slivi__kernels slivi__kernels_##short_name##_f64;             \
    static const slivi__isa short_name = {                                     \
        .name = (long_name),                                                   \
        .runs = (test),                                                        \
        .kernels = {&slivi__kernels_##short_name##_f32,                        \
                    &slivi__kernels_##short_name##_f64}};

static int runs_always(void)
{
    return 1;
}

ISA(baseline, "baseline", runs_always)

#ifdef HAVE_X86_64_LEVELS
/* All of the level that the flags in Makefile.am let the compiler use; avx and
   avx512f tell of the system as well. */
static int runs_v3(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt")
           && __builtin_cpu_supports("avx") && __builtin_cpu_supports("avx2")
           && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi")
           && __builtin_cpu_supports("bmi2");
}

static int runs_v4(void)
{
    return runs_v3() && __builtin_cpu_supports("avx512f")
           && __builtin_cpu_supports("avx512bw")
           && __builtin_cpu_supports("avx512cd")
           && __builtin_cpu_supports("avx512dq")
           && __builtin_cpu_supports("avx512vl");
}

ISA(v3, "x86-64-v3", runs_v3)
ISA(v4, "x86-64-v4", runs_v4)
#endif

const slivi__isa *const slivi__isas[] = {
#ifdef HAVE_X86_64_LEVELS
    &v4, &v3,
#endif
    &baseline, NULL};

const char *slivi_instruction_set(void)
{
    return slivi__isa_best()->name;
}

const slivi__isa *slivi__isa_best(void)
{
    const slivi__isa *const *isa = slivi__isas;
    while (!(*isa)->runs())
        isa++;
    return *isa;
}
