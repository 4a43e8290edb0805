/* formulas.h - the elementwise operations, for the kernels of the interpreter
   and the loops of every instruction set.  Private.

   Whoever expands the lists has REAL, float or double, and defines before
   including this

     M(x)        the C library's function x of REAL
     SPECIAL(x)  function x of kernel/special.h of REAL

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_KERNEL_FORMULAS_H
#define SLIVI_KERNEL_FORMULAS_H

#include "kernel/special.h"

/* X(name, y as a formula of a and b) */
#define SLIVI__BINARY_FORMULAS(X)                                              \
    X(add, a + b)                                                              \
    X(sub, a - b)                                                              \
    X(mul, a *b)                                                               \
    X(div, a / b)

/* X(name, y as a formula of x and the constant c) */
#define SLIVI__UNARY_FORMULAS(X)                                               \
    X(scale, c *x)                                                             \
    X(shift, x + c)                                                            \
    X(exp, SPECIAL(exp)(x))                                                    \
    X(log, SPECIAL(log)(x))                                                    \
    X(sqrt, M(sqrt)(x))                                                        \
    X(sin, M(sin)(x))                                                          \
    X(cos, M(cos)(x))                                                          \
    X(erf, M(erf)(x))                                                          \
    X(abs, M(fabs)(x))                                                         \
    X(sign, (REAL)(x > 0) - (REAL)(x < 0))                                     \
    X(step, (REAL)(x > 0))                                                     \
    X(tanh, SPECIAL(tanh)(x))                                                  \
    X(one_minus_square, 1 - x * x)                                             \
    X(sigmoid, SPECIAL(sigmoid)(x))                                            \
    X(minus_square, x - x * x)                                                 \
    X(softplus, SPECIAL(softplus)(x))                                          \
    X(relu, x > 0 ? x : (x <= 0 ? 0 : x)) /* NaN stays NaN */                  \
    X(elu, SPECIAL(elu)(x))                                                    \
    X(elu1, x > 0 ? 1 : SPECIAL(exp)(x))                                       \
    X(elu2, x > 0 ? 0 : SPECIAL(exp)(x))

#endif
