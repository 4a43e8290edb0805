/* op.c - the table of operations.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/node.h"

const slivi__op *const slivi__ops[] = {
    /* leaves */
    &slivi__op_input, &slivi__op_index, &slivi__op_constant, &slivi__op_eye,
    &slivi__op_inverse_rows, &slivi__op_noise, &slivi__op_units,
    /* elementwise */
    &slivi__op_add, &slivi__op_sub, &slivi__op_mul, &slivi__op_div,
    &slivi__op_scale, &slivi__op_shift, &slivi__op_exp, &slivi__op_log,
    &slivi__op_sqrt, &slivi__op_sin, &slivi__op_cos, &slivi__op_erf,
    &slivi__op_abs, &slivi__op_sign, &slivi__op_step, &slivi__op_tanh,
    &slivi__op_one_minus_square, &slivi__op_sigmoid, &slivi__op_minus_square,
    &slivi__op_softplus, &slivi__op_relu, &slivi__op_elu, &slivi__op_elu1,
    &slivi__op_elu2,
    /* sums and repetition */
    &slivi__op_sum_to, &slivi__op_broadcast, &slivi__op_row_max,
    /* matrices */
    &slivi__op_matmul, &slivi__op_transpose, &slivi__op_reshape,
    &slivi__op_concat, &slivi__op_columns, &slivi__op_rows,
    &slivi__op_pad_columns, &slivi__op_pad_rows, &slivi__op_gather,
    &slivi__op_scatter_add, &slivi__op_spd_solve, &slivi__op_spd_logdet,
    /* steering */
    &slivi__op_stop_gradient, &slivi__op_variable, &slivi__op_given,
    &slivi__op_external, &slivi__op_external_value, &slivi__op_external_grad,
    NULL};
