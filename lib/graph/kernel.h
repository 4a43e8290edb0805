/* kernel.h - every kernel, in both precisions.  Private. */
#ifndef SLIVI_GRAPH_KERNEL_H
#define SLIVI_GRAPH_KERNEL_H

#include "graph/node.h"

#define SLIVI_KERNELS(X)                                                       \
    X(add)                                                                     \
    X(sub)                                                                     \
    X(mul)                                                                     \
    X(div)                                                                     \
    X(scale) X(shift) X(exp) X(log) X(sqrt) X(sin) X(cos) X(erf) X(abs)        \
        X(sign) X(step) X(tanh) X(one_minus_square) X(sigmoid) X(minus_square) \
            X(softplus) X(relu) X(elu) X(elu1) X(elu2) X(constant) X(eye)      \
                X(inverse_rows) X(noise) X(units) X(sum_to) X(broadcast)       \
                    X(row_max) X(matmul) X(transpose) X(copy) X(concat)        \
                        X(columns) X(rows) X(pad_columns) X(pad_rows)          \
                            X(gather) X(scatter_add) X(spd_solve)              \
                                X(spd_logdet) X(external) X(external_value)    \
                                    X(external_grad)

#define SLIVI_DECLARE(name)                                                    \
    slivi__kernel slivi__##name##_f32, slivi__##name##_f64;
SLIVI_KERNELS(SLIVI_DECLARE)
#undef SLIVI_DECLARE

/* The table's entry for a kernel. */
#define KERNEL(name)                                                           \
    {                                                                          \
        slivi__##name##_f32, slivi__##name##_f64                               \
    }

#endif
