/* test_graph.c - building graphs: sharing, errors, the two transforms.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/status.h"
#include "suites.h"
#include "testing.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int same(slivi_node a, slivi_node b)
{
    ck_assert_int_ne(a.id, 0);
    ck_assert_int_ne(b.id, 0);
    return a.id == b.id;
}

/* ---- sharing ---------------------------------------------------------- */

static int user(size_t n, size_t d, const double *x, double *value,
                double *grad, void *ctx)
{
    (void)n, (void)d, (void)x, (void)value, (void)grad, (void)ctx;
    return 1;
}

static int other_user(size_t n, size_t d, const double *x, double *value,
                      double *grad, void *ctx)
{
    return user(n, d, x, value, grad, ctx);
}

START_TEST(test_sharing)
{
    int ctx[2] = {0};
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 3);
    slivi_node w = slivi_input(g, "w", 3, 3);

    ck_assert(same(slivi_tanh(g, x), slivi_tanh(g, x)));
    ck_assert(!same(slivi_tanh(g, x), slivi_sin(g, x)));
    ck_assert(same(slivi_matmul(g, x, w), slivi_matmul(g, x, w)));
    ck_assert(!same(slivi_matmul(g, x, w), slivi_matmul_t(g, x, 0, w, 1)));
    ck_assert(same(slivi_scale(g, x, 2), slivi_scale(g, x, 2)));
    ck_assert(!same(slivi_scale(g, x, 2), slivi_scale(g, x, 3)));
    ck_assert(!same(slivi_shift(g, x, 0.0), slivi_shift(g, x, -0.0)));
    ck_assert(
        same(slivi_shift(g, x, (double)NAN), slivi_shift(g, x, (double)NAN)));
    ck_assert(!same(slivi_sub(g, x, slivi_tanh(g, x)),
                    slivi_sub(g, slivi_tanh(g, x), x)));
    ck_assert(!same(slivi_columns(g, x, 0, 1), slivi_columns(g, x, 1, 1)));
    ck_assert(!same(slivi_columns(g, x, 0, 1), slivi_columns(g, x, 0, 2)));
    ck_assert(!same(slivi_sum_to(g, x, 1, 3), slivi_sum_to(g, x, 1, 1)));
    ck_assert(same(slivi_full(g, 3, 2, 1), slivi_full(g, 3, 2, 1)));
    ck_assert(same(slivi_eye(g, 3), slivi_eye(g, 3)));
    ck_assert(same(slivi_units(g, 2, 3), slivi_units(g, 2, 3)));
    ck_assert(!same(slivi_units(g, 2, 3), slivi_units(g, 3, 3)));
    ck_assert(
        same(slivi_external(g, x, user, ctx), slivi_external(g, x, user, ctx)));
    ck_assert(!same(slivi_external(g, x, user, ctx),
                    slivi_external(g, x, user, ctx + 1)));
    ck_assert(!same(slivi_external(g, x, user, ctx),
                    slivi_external(g, x, other_user, ctx)));
    /* these never */
    ck_assert(!same(slivi_input(g, "x", SLIVI_ROWS, 3), x));
    ck_assert(
        !same(slivi_input_index(g, "i", 3), slivi_input_index(g, "i", 3)));
    ck_assert(!same(slivi_variable(g, x), slivi_variable(g, x)));
    ck_assert(!same(slivi_noise(g, slivi_law_normal, 3, 3, 0),
                    slivi_noise(g, slivi_law_normal, 3, 3, 1)));
    /* what is nothing */
    ck_assert(same(slivi_scale(g, x, 1), x));
    /* but a factor stays with its operand, of which one may ask a derivative */
    ck_assert(!same(slivi_neg(g, slivi_neg(g, x)), x));
    ck_assert(same(slivi_sum(g, slivi_sum(g, x)), slivi_sum(g, x)));
    ck_assert_int_eq(slivi_graph_status(g), 0);
    slivi_graph_free(g);
    slivi_graph_free(NULL);
    ck_assert_ptr_null(slivi_graph_create((enum slivi_precision)7));
}
END_TEST

/* The table of shared nodes is built anew as it grows. */
START_TEST(test_sharing_many)
{
    enum { MANY = 3000 };
    slivi_graph *g = slivi_graph_create(SLIVI_F32);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 3), y[MANY];
    for (int i = 0; i < MANY; i++)
        y[i] = slivi_shift(g, x, i);
    ck_assert_uint_eq(slivi_graph_count(g), MANY + 1);
    for (int i = 0; i < MANY; i++)
        ck_assert(same(slivi_shift(g, x, i), y[i]));
    ck_assert_uint_eq(slivi_graph_count(g), MANY + 1);
    ck_assert_int_eq(slivi_graph_precision(g), SLIVI_F32);
    ck_assert_str_eq(slivi_node_op(g, y[9]), "shift");
    ck_assert_int_eq(slivi_node_rows(g, y[9]), SLIVI_ROWS);
    ck_assert_uint_eq(slivi_node_cols(g, y[9]), 3);
    ck_assert_str_eq(slivi_node_op(g, (slivi_node){0}), "");
    ck_assert_int_eq(slivi_node_rows(g, (slivi_node){MANY + 2}), 0);
    ck_assert_uint_eq(slivi_node_cols(g, (slivi_node){-1}), 0);
    slivi_graph_free(g);
}
END_TEST

/* ---- errors ----------------------------------------------------------- */

typedef struct parts {
    slivi_graph *g;
    slivi_node x, x2, x3; /* n x 3, 2n x 3, 3n x 3 */
    slivi_node w;         /* 4 x 3 */
    slivi_node i;         /* n numbers */
} parts;

#define FAILS(NAME, EXPRESSION)                                                \
    static slivi_node fail_##NAME(const parts *p)                              \
    {                                                                          \
        slivi_graph *const g = p->g;                                           \
        return EXPRESSION;                                                     \
    }

static slivi_node vjp_of(slivi_graph *g, slivi_node y, slivi_node gy,
                         slivi_node x)
{
    slivi_node gx;
    int status = slivi_vjp(g, y, gy, 1, &x, &gx);
    ck_assert_int_eq(status, slivi_graph_status(g));
    return gx;
}

static slivi_node twice(slivi_graph *g)
{
    slivi_noise(g, slivi_law_normal, 2, 2, 4);
    return slivi_noise(g, slivi_law_sphere, 3, 3, 4);
}

static slivi_node jvp_sum(const parts *p, slivi_node y)
{
    return slivi_jvp(p->g, y, p->x, p->x2);
}

FAILS(add, slivi_add(g, p->x, p->w))
FAILS(mul, slivi_mul(g, p->x2, p->x3))
FAILS(cols, slivi_sub(g, p->x, slivi_columns(g, p->x, 0, 2)))
FAILS(matmul, slivi_matmul(g, p->x, p->w))
FAILS(matmul_t, slivi_matmul_t(g, p->x, 1, p->w, 1))
FAILS(matmul_rows, slivi_matmul_t(g, p->w, 0, p->x, 1))
FAILS(matmul_slices, slivi_matmul_t(g, p->x2, 1, p->x, 0))
FAILS(matmul_concat, slivi_matmul(g, slivi_concat(g, p->x, p->x), p->w))
FAILS(concat, slivi_concat(g, p->x, p->w))
FAILS(transpose, slivi_transpose(g, p->x))
FAILS(reshape, slivi_reshape(g, p->w, 5, 2))
FAILS(rows, slivi_rows(g, p->w, 2, 3))
FAILS(rows_none, slivi_rows(g, p->w, 2, 0))
FAILS(rows_x, slivi_rows(g, p->x, 0, 1))
FAILS(columns, slivi_columns(g, p->x, 2, 2))
FAILS(columns_huge, slivi_columns(g, p->x, 2, SIZE_MAX))
FAILS(pad, slivi_pad_rows(g, p->x, 1, 1))
FAILS(pad_huge, slivi_pad_columns(g, p->w, SIZE_MAX, 1))
FAILS(pad_rows_huge, slivi_pad_rows(g, p->w, 2, SIZE_MAX))
FAILS(sum_to, slivi_sum_to(g, p->x, 2, 3))
FAILS(sum_to_slices, slivi_sum_to(g, p->x3, 2 * SLIVI_ROWS, 3))
FAILS(broadcast, slivi_broadcast(g, p->x, 2 * SLIVI_ROWS, 4))
FAILS(gather, slivi_gather(g, p->w, p->x))
FAILS(gather_x, slivi_gather(g, p->x, p->i))
FAILS(scatter, slivi_scatter_add(g, p->w, p->i, 3))
FAILS(solve, slivi_spd_solve(g, p->w, p->w))
FAILS(solve_b, slivi_spd_solve(g, slivi_eye(g, 3), p->w))
FAILS(logdet, slivi_spd_logdet(g, p->x))
FAILS(noise, twice(g))
FAILS(noise_law, slivi_noise(g, NULL, 2, 2, 0))
FAILS(noise_slices, slivi_noise(g, slivi_law_normal, 65537 * SLIVI_ROWS, 2, 0))
FAILS(external, slivi_external(g, p->x, NULL, NULL))
FAILS(input, slivi_input(g, "a", 0, 3))
FAILS(input_name, slivi_input(g, NULL, 1, 3))
FAILS(units, slivi_units(g, 0, 3))
FAILS(eye, slivi_eye(g, 0))
FAILS(inverse, slivi_inverse_rows(g, 0))
FAILS(index, slivi_add(g, p->i, p->x))
FAILS(index_gather, slivi_gather(g, p->i, p->i))
FAILS(null, slivi_add(g, p->x, (slivi_node){0}))
FAILS(foreign, slivi_tanh(g, (slivi_node){99}))
FAILS(negative, slivi_scale(g, (slivi_node){-1}, 1))
FAILS(jvp, slivi_jvp(g, p->x, p->x, slivi_columns(g, p->x, 0, 2)))
FAILS(jvp_rows, slivi_jvp(g, p->x2, p->x2, p->x3))
FAILS(jvp_slices, slivi_jvp(g, slivi_mul(g, p->x, p->x3), p->x, p->x2))
FAILS(jvp_null, slivi_jvp(g, p->x, (slivi_node){0}, p->x))
FAILS(vjp, vjp_of(g, p->x, slivi_row_sum(g, p->x), p->x))
FAILS(vjp_null, vjp_of(g, p->x, (slivi_node){0}, p->x))
FAILS(grad_null, slivi_grad(g, (slivi_node){0}, p->x))
FAILS(over_sum, jvp_sum(p, slivi_sum(g, p->x)))
FAILS(over_slices,
      jvp_sum(p, slivi_sum_to(g, slivi_mul(g, p->x2, p->x), SLIVI_ROWS, 3)))
FAILS(over_product, jvp_sum(p, slivi_matmul_t(g, p->x, 1, p->x, 0)))
FAILS(over_scatter, jvp_sum(p, slivi_scatter_add(g, p->x, p->i, 3)))
FAILS(row_max, slivi_grad(g, slivi_row_max(g, p->x), p->x))

static const struct {
    slivi_node (*build)(const parts *p);
    int status;
    const char *message;
} failures[] = {
    {fail_add, SLIVI_ESHAPE, "add: n x 3 and 4 x 3 do not fit"},
    {fail_mul, SLIVI_ESHAPE, "mul: 2n x 3 and 3n x 3 do not fit"},
    {fail_cols, SLIVI_ESHAPE, "sub: n x 3 and n x 2 do not fit"},
    {fail_matmul, SLIVI_ESHAPE, "matmul: n x 3 times 4 x 3"},
    {fail_matmul_t, SLIVI_ESHAPE,
     "matmul: n x 3 transposed times 4 x 3 transposed"},
    {fail_matmul_rows, SLIVI_ESHAPE, "matmul: 4 x 3 times n x 3 transposed"},
    {fail_matmul_slices, SLIVI_ESHAPE, "matmul: 2n x 3 transposed times n x 3"},
    {fail_matmul_concat, SLIVI_ESHAPE, "matmul: n x 6 times 4 x 3"},
    {fail_concat, SLIVI_ESHAPE, "concat: n x 3 beside 4 x 3"},
    {fail_transpose, SLIVI_ESHAPE, "transpose: the rows are samples"},
    {fail_reshape, SLIVI_ESHAPE, "reshape: from 4 x 3 to 5 x 2"},
    {fail_rows, SLIVI_ESHAPE, "rows: 3 from 2 of 4"},
    {fail_rows_none, SLIVI_ESHAPE, "rows: 0 from 2 of 4"},
    {fail_rows_x, SLIVI_ESHAPE, "rows: the rows are samples"},
    {fail_columns, SLIVI_ESHAPE, "columns: 2 from 2 of 3"},
    {fail_columns_huge, SLIVI_ESHAPE, NULL},
    {fail_pad, SLIVI_ESHAPE, "pad_rows: the rows are samples"},
    {fail_pad_huge, SLIVI_EOVERFLOW, NULL},
    {fail_pad_rows_huge, SLIVI_EOVERFLOW, NULL},
    {fail_sum_to, SLIVI_ESHAPE, "sum_to: from n x 3 to 2 x 3"},
    {fail_sum_to_slices, SLIVI_ESHAPE, "sum_to: from 3n x 3 to 2n x 3"},
    {fail_broadcast, SLIVI_ESHAPE, "broadcast: from n x 3 to 2n x 4"},
    {fail_gather, SLIVI_EINVAL, "gather: operand 2 is not an index"},
    {fail_gather_x, SLIVI_ESHAPE, "gather: the table has no fixed rows"},
    {fail_scatter, SLIVI_ESHAPE,
     "scatter_add: the index has other rows than the operand, or no rows are "
     "wanted"},
    {fail_solve, SLIVI_ESHAPE, "spd_solve: the matrix is 4 x 3"},
    {fail_solve_b, SLIVI_ESHAPE, "spd_solve: order 3, but b is 4 x 3"},
    {fail_logdet, SLIVI_ESHAPE, "spd_logdet: the matrix is n x 3"},
    {fail_noise, SLIVI_EINVAL, "noise: stream 4 is used twice"},
    {fail_noise_law, SLIVI_EINVAL, "noise: no law"},
    {fail_noise_slices, SLIVI_EINVAL, "noise: 65537 slices, at most 65536"},
    {fail_external, SLIVI_EINVAL, "external: no function"},
    {fail_input, SLIVI_ESHAPE, "input a: no rows or no columns"},
    {fail_input_name, SLIVI_EINVAL, "input: no name"},
    {fail_units, SLIVI_ESHAPE, "units: no slices or no columns"},
    {fail_eye, SLIVI_ESHAPE, "eye: no rows or no columns"},
    {fail_inverse, SLIVI_ESHAPE, "inverse_rows: no rows"},
    {fail_index, SLIVI_EINVAL, "add: operand 1 is an index"},
    {fail_index_gather, SLIVI_EINVAL, "gather: operand 1 is an index"},
    {fail_null, SLIVI_EINVAL, "add: operand 2 is not a node of this graph"},
    {fail_foreign, SLIVI_EINVAL, "tanh: operand 1 is not a node of this graph"},
    {fail_negative, SLIVI_EINVAL,
     "scale: operand 1 is not a node of this graph"},
    {fail_jvp, SLIVI_ESHAPE, "jvp: the direction is n x 2, the variable n x 3"},
    {fail_jvp_rows, SLIVI_ESHAPE,
     "jvp: the direction is 3n x 3, the variable 2n x 3"},
    {fail_jvp_slices, SLIVI_ESHAPE,
     "jvp: 2 directions for a node of 3 slices (mul)"},
    {fail_jvp_null, SLIVI_EINVAL, "jvp: not a node of this graph"},
    {fail_vjp, SLIVI_ESHAPE, "vjp: the result is n x 3, its adjoint n x 1"},
    {fail_vjp_null, SLIVI_EINVAL, "vjp: not a node of this graph"},
    {fail_grad_null, SLIVI_EINVAL, "grad: not a node of this graph"},
    {fail_over_sum, SLIVI_EUNSUPPORTED,
     "sum_to: 2 directions for each sample cannot pass a sum over samples or "
     "slices"},
    {fail_over_slices, SLIVI_EUNSUPPORTED,
     "sum_to: 2 directions for each sample cannot pass a sum over samples or "
     "slices"},
    {fail_over_product, SLIVI_EUNSUPPORTED,
     "matmul: 2 directions for each sample cannot pass a sum over samples"},
    {fail_over_scatter, SLIVI_EUNSUPPORTED,
     "scatter_add: several directions for each sample cannot pass a sum over "
     "samples"},
    {fail_row_max, SLIVI_EUNSUPPORTED,
     "row_max: it has no derivative; put it behind slivi_stop_gradient"},
};

enum { FAILURES = sizeof failures / sizeof *failures };

static parts make_parts(void)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    return (parts){.g = g,
                   .x = slivi_input(g, "x", SLIVI_ROWS, 3),
                   .x2 = slivi_input(g, "x2", 2 * SLIVI_ROWS, 3),
                   .x3 = slivi_input(g, "x3", 3 * SLIVI_ROWS, 3),
                   .w = slivi_input(g, "w", 4, 3),
                   .i = slivi_input_index(g, "i", SLIVI_ROWS)};
}

/* After an error every call gives the null node, and the executor is not
   made; both give the first error's status and text. */
static void check_dead(const parts *p, int status, const char *text)
{
    slivi_graph *g = p->g;
    const size_t count = slivi_graph_count(g);
    slivi_node gx = {9};
    ck_assert_int_eq(slivi_tanh(g, p->x).id, 0);
    ck_assert_int_eq(slivi_scale(g, p->x, 1).id, 0);
    ck_assert_int_eq(slivi_scale(g, p->x, 2).id, 0);
    ck_assert_int_eq(slivi_row_sum(g, slivi_sum(g, p->x)).id, 0);
    ck_assert_int_eq(slivi_sum_to(g, p->x, SLIVI_ROWS, 3).id, 0);
    ck_assert_int_eq(slivi_input(g, "late", 1, 1).id, 0);
    ck_assert_int_eq(slivi_noise(g, slivi_law_normal, 1, 1, 77).id, 0);
    ck_assert_int_eq(slivi_add(g, p->x, p->w).id, 0);
    ck_assert_int_eq(slivi_noise(g, NULL, 1, 1, 78).id, 0);
    ck_assert_int_eq(slivi_external(g, p->x, NULL, NULL).id, 0);
    ck_assert_int_eq(slivi_jvp(g, p->x, p->x, p->x).id, 0);
    ck_assert_int_eq(slivi_grad(g, p->x, p->x).id, 0);
    ck_assert_int_eq(slivi_full(g, 1, 1, 2).id, 0);
    ck_assert_int_eq(slivi_vjp(g, p->x, p->x, 1, &p->x, &gx), status);
    ck_assert_int_eq(gx.id, 0);
    ck_assert_uint_eq(slivi_graph_count(g), count);
    ck_assert_int_eq(slivi_graph_status(g), status);
    ck_assert_str_eq(slivi_errmsg(), text);
    ck_assert_ptr_null(slivi_interp_create(g, 1, &p->x, 4, NULL));
    ck_assert_str_eq(slivi_errmsg(), text);
}

START_TEST(test_failures)
{
    parts p = make_parts();
    char text[512];
    ck_assert_int_eq(slivi_graph_status(p.g), 0);
    ck_assert_int_eq(failures[_i].build(&p).id, 0);
    strncpy(text, slivi_errmsg(), sizeof text - 1);
    text[sizeof text - 1] = '\0';
    if (failures[_i].message)
        ck_assert_str_eq(text, failures[_i].message);
    ck_assert_int_eq(slivi_graph_status(p.g), failures[_i].status);
    check_dead(&p, failures[_i].status, text);
    slivi_graph_free(p.g);
}
END_TEST

/* ---- derivatives ------------------------------------------------------ */

static void check_value(testing *t, slivi_node x, const double *want,
                        double tolerance)
{
    size_t count = testing_entries(t, x);
    double *y = testing_eval(t, x);
    double error = testing_distance(count, y, want);
    ck_assert_msg(error <= tolerance * testing_most(count, want),
                  "differs by %g", error);
    free(y);
}

static void check_equal(testing *t, slivi_node a, slivi_node b,
                        double tolerance)
{
    ck_assert_int_eq(slivi_node_rows(t->g, a), slivi_node_rows(t->g, b));
    ck_assert_uint_eq(slivi_node_cols(t->g, a), slivi_node_cols(t->g, b));
    double *want = testing_eval(t, b);
    ck_assert(testing_most(testing_entries(t, b), want) > 0);
    check_value(t, a, want, tolerance);
    free(want);
}

static void check_zero(testing *t, slivi_node x, ptrdiff_t rows, size_t cols)
{
    ck_assert_int_eq(slivi_node_rows(t->g, x), rows);
    ck_assert_uint_eq(slivi_node_cols(t->g, x), cols);
    double *y = testing_eval(t, x);
    for (size_t i = 0; i < testing_entries(t, x); i++)
        ck_assert_double_eq(y[i], 0);
    free(y);
}

START_TEST(test_variable)
{
    testing t;
    testing_open(&t, SLIVI_F64, 4);
    slivi_graph *g = t.g;
    slivi_node x = testing_input(&t, SLIVI_ROWS, 3, -1, 1, 0);
    slivi_node v = testing_input(&t, SLIVI_ROWS, 3, -1, 1, 0);
    slivi_node z = slivi_sin(g, x), a = slivi_variable(g, z), both[2], each[2];
    slivi_node y = slivi_mul(g, a, slivi_exp(g, z)); /* z by two ways */

    /* with respect to a, what is made of z directly stands still */
    check_equal(&t, slivi_jvp(g, y, a, v), slivi_mul(g, v, slivi_exp(g, z)),
                DBL_EPSILON);
    check_equal(&t, slivi_grad(g, y, a), slivi_exp(g, z), DBL_EPSILON);
    check_zero(&t, slivi_jvp(g, slivi_exp(g, z), a, v), SLIVI_ROWS, 3);
    check_zero(&t, slivi_grad(g, slivi_exp(g, z), a), SLIVI_ROWS, 3);
    /* with respect to x, it passes through: (z e^z)' = (1 + z) e^z cos x */
    slivi_node slope = slivi_mul(
        g, slivi_mul(g, slivi_shift(g, z, 1), slivi_exp(g, z)),
        slivi_cos(g, x));
    check_equal(&t, slivi_grad(g, y, x), slope, 8 * DBL_EPSILON);
    check_equal(&t, slivi_jvp(g, y, x, v), slivi_mul(g, slope, v),
                8 * DBL_EPSILON);
    /* with respect to both at once, each with the other held */
    both[0] = x;
    both[1] = a;
    ck_assert_int_eq(slivi_vjp(g, y, v, 2, both, each), 0);
    check_equal(&t, each[0], slivi_mul(g, v, slivi_mul(g, y, slivi_cos(g, x))),
                8 * DBL_EPSILON);
    check_equal(&t, each[1], slivi_mul(g, v, slivi_exp(g, z)), 8 * DBL_EPSILON);
    testing_close(&t);
}
END_TEST

START_TEST(test_stop_gradient)
{
    testing t;
    testing_open(&t, SLIVI_F64, 4);
    slivi_graph *g = t.g;
    slivi_node x = testing_input(&t, SLIVI_ROWS, 3, -1, 1, 0);
    slivi_node v = testing_input(&t, SLIVI_ROWS, 3, -1, 1, 0);
    slivi_node s = slivi_stop_gradient(g, slivi_sin(g, x));
    slivi_node y = slivi_mul(g, x, s);
    check_equal(&t, slivi_jvp(g, y, x, v), slivi_mul(g, v, s), 0);
    check_equal(&t, slivi_grad(g, y, x), s, 0);
    check_zero(&t, slivi_jvp(g, s, x, v), SLIVI_ROWS, 3);
    check_zero(&t, slivi_grad(g, s, x), SLIVI_ROWS, 3);
    /* the stopped value may itself be a variable */
    check_equal(&t, slivi_grad(g, y, s), x, 0);
    testing_close(&t);
}
END_TEST

/* given: its value is another's, its derivatives are its own. */
START_TEST(test_given)
{
    testing t;
    testing_open(&t, SLIVI_F64, 4);
    slivi_graph *g = t.g;
    slivi_node x = testing_input(&t, SLIVI_ROWS, 3, -1, 1, 0);
    slivi_node v = testing_input(&t, SLIVI_ROWS, 3, -1, 1, 0);
    slivi_node value = testing_input(&t, SLIVI_ROWS, 3, -1, 1, 0);
    slivi_node y = slivi_sin(g, x), h = slivi_given(g, y, value);
    slivi_node z = slivi_square(g, h);

    check_equal(&t, z, slivi_square(g, value), DBL_EPSILON);
    /* z' = 2 h y', where h is the value that was given */
    slivi_node slope = slivi_scale(g, slivi_mul(g, value, slivi_cos(g, x)), 2);
    check_equal(&t, slivi_jvp(g, z, x, v), slivi_mul(g, slope, v),
                4 * DBL_EPSILON);
    check_equal(&t, slivi_grad(g, z, x), slope, 4 * DBL_EPSILON);
    check_zero(&t, slivi_jvp(g, z, value, v), SLIVI_ROWS, 3);
    check_zero(&t, slivi_grad(g, z, value), SLIVI_ROWS, 3);

    slivi_interp *it = slivi_interp_create(g, 1, &z, 4, NULL);
    ck_assert_ptr_nonnull(it);
    ck_assert_uint_eq(slivi_interp_nodes(it), 3); /* value, h, z: not y */
    slivi_interp_free(it);
    ck_assert_int_eq(slivi_given(g, y, slivi_columns(g, value, 0, 2)).id, 0);
    ck_assert_int_eq(slivi_graph_status(g), SLIVI_ESHAPE);
    ck_assert_str_eq(slivi_errmsg(), "given: n x 2 for n x 3");
    testing_close(&t);
}
END_TEST

START_TEST(test_unrelated)
{
    testing t;
    testing_open(&t, SLIVI_F64, 3);
    slivi_graph *g = t.g;
    slivi_node early = testing_input(&t, 4, 2, -1, 1, 0);
    slivi_node x = testing_input(&t, SLIVI_ROWS, 5, -1, 1, 0);
    slivi_node v = testing_input(&t, 2 * SLIVI_ROWS, 5, -1, 1, 0);
    slivi_node other = testing_input(&t, SLIVI_ROWS, 2, -1, 1, 0);
    slivi_node y = slivi_tanh(g, x), gx[3];

    check_zero(&t, slivi_jvp(g, early, x, v), 4, 2);
    check_zero(&t, slivi_jvp(g, slivi_exp(g, early), x, v), 4, 2);
    check_zero(&t, slivi_jvp(g, slivi_exp(g, other), x, v), 2 * SLIVI_ROWS, 2);
    check_zero(&t, slivi_grad(g, y, early), 4, 2);
    check_zero(&t, slivi_grad(g, early, y), SLIVI_ROWS, 5);
    /* itself */
    ck_assert(same(slivi_jvp(g, y, y, v), v));
    ck_assert_int_eq(slivi_vjp(g, y, y, 3, (slivi_node[]){early, y, x}, gx), 0);
    check_zero(&t, gx[0], 4, 2);
    ck_assert(same(gx[1], y));
    check_zero(&t, gx[2], SLIVI_ROWS, 5); /* y is held */
    testing_close(&t);
}
END_TEST

START_TEST(test_jump)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 3);
    slivi_node v = slivi_input(g, "v", SLIVI_ROWS, 3);
    slivi_node relu = slivi_relu(g, x), tanh = slivi_tanh(g, x);
    slivi_node elu = slivi_elu(g, x), elu1 = slivi_jvp(g, elu, x, v);

    ck_assert_ptr_null(slivi_jump(g, relu, x));
    ck_assert_str_eq(slivi_jump(g, slivi_step(g, x), x), "step");
    ck_assert_str_eq(slivi_jump(g, slivi_jvp(g, relu, x, v), x), "step");
    ck_assert_str_eq(slivi_jump(g, slivi_grad(g, relu, x), x), "step");
    ck_assert_ptr_null(slivi_jump(g, slivi_jvp(g, relu, x, v), v));
    ck_assert_str_eq(slivi_jump(g, slivi_grad(g, slivi_abs(g, x), x), x),
                     "sign");
    ck_assert_ptr_null(slivi_jump(g, slivi_jvp(g, tanh, x, v), x));
    ck_assert_ptr_null(
        slivi_jump(g, slivi_jvp(g, slivi_jvp(g, tanh, x, v), x, v), x));
    ck_assert_ptr_null(slivi_jump(g, elu, x));
    ck_assert_ptr_null(slivi_jump(g, elu1, x));
    ck_assert_str_eq(slivi_jump(g, slivi_jvp(g, elu1, x, v), x), "elu2");
    /* not through what is cut, nor for what is no node */
    ck_assert_ptr_null(
        slivi_jump(g, slivi_stop_gradient(g, slivi_step(g, x)), x));
    ck_assert_ptr_null(slivi_jump(g, x, slivi_step(g, x)));
    ck_assert_ptr_null(slivi_jump(g, (slivi_node){0}, x));
    slivi_graph_free(g);
}
END_TEST

/* ---- energies --------------------------------------------------------- */

/* f = log sum exp x: grad f = p = softmax x, H = diag p - p p', so that
   v'Hv = sum p v^2 - (sum p v)^2. */
START_TEST(test_softmax)
{
    testing t;
    testing_open(&t, SLIVI_F64, 4);
    slivi_graph *g = t.g;
    slivi_node x = testing_input(&t, SLIVI_ROWS, 3, -2, 2, 0);
    slivi_node v = testing_input(&t, 2 * SLIVI_ROWS, 3, -1, 1, 0);
    slivi_node f = slivi_log_sum_exp(g, x);
    slivi_node e = slivi_exp(g, x);
    slivi_node p = slivi_div(g, e, slivi_row_sum(g, e));
    slivi_node pv = slivi_row_dot(g, v, p);
    slivi_node vhv = slivi_sub(g, slivi_row_dot(g, slivi_square(g, v), p),
                               slivi_square(g, pv));
    slivi_node df = slivi_jvp(g, f, x, v);

    check_equal(&t, slivi_grad(g, f, x), p, 8 * DBL_EPSILON);
    check_equal(&t, df, pv, 16 * DBL_EPSILON);
    /* the directions of the slices are paired: v'Hv, not v_i'H v_j */
    check_equal(&t, slivi_jvp(g, df, x, v), vhv, 64 * DBL_EPSILON);
    check_equal(&t,
                slivi_row_dot(g, slivi_jvp(g, slivi_grad(g, f, x), x, v), v),
                vhv, 64 * DBL_EPSILON);
    testing_close(&t);
}
END_TEST

START_TEST(test_log_sum_exp_range)
{
    static const double rows[][3] = {{1000, 1000, 0},
                                     {-1000, -1000, -1e6},
                                     {1000, -1000, 0},
                                     {-1000, -1000, -1000}};
    static const double want[] = {1000 + 0.69314718055994530942,
                                  -1000 + 0.69314718055994530942, 1000,
                                  -1000 + 1.09861228866810969140};
    static const double p[][3] = {
        {0.5, 0.5, 0}, {0.5, 0.5, 0}, {1, 0, 0}, {1. / 3, 1. / 3, 1. / 3}};
    for (int single = 0; single < 2; single++) {
        testing t;
        testing_open(&t, single ? SLIVI_F32 : SLIVI_F64, 4);
        slivi_node x = testing_input(&t, SLIVI_ROWS, 3, 0, 1, 0);
        slivi_node f = slivi_log_sum_exp(t.g, x);
        const double eps = single ? (double)FLT_EPSILON : DBL_EPSILON;
        memcpy(testing_value(&t, x), rows, sizeof rows);
        check_value(&t, f, want, 2 * eps);
        check_value(&t, slivi_grad(t.g, f, x), p[0], 2 * eps);
        testing_close(&t);
    }
}
END_TEST

static slivi_node net(slivi_graph *g, slivi_node x, slivi_node w, slivi_node u)
{
    slivi_node h = slivi_tanh(g, slivi_matmul(g, x, w));
    return slivi_matmul(g, slivi_softplus(g, slivi_matmul(g, h, u)), u);
}

/* The Hessian of an energy, row by row from jvp's of its gradient, against
   first and second directional derivatives of the energy itself. */
START_TEST(test_hessian)
{
    enum { D = 4 };
    testing t;
    testing_open(&t, SLIVI_F64, 5);
    slivi_graph *g = t.g;
    slivi_node x = testing_input(&t, SLIVI_ROWS, D, -1, 1, 0);
    slivi_node w = testing_input(&t, D, 7, -1, 1, 0);
    slivi_node o = testing_input(&t, 7, 7, -1, 1, 0);
    slivi_node u = testing_input(&t, SLIVI_ROWS, D, -1, 1, 0);
    slivi_node v = testing_input(&t, SLIVI_ROWS, D, -1, 1, 0);
    slivi_node f = slivi_row_sum(g, net(g, x, w, o));
    slivi_node score = slivi_grad(g, f, x);
    slivi_node units = slivi_units(g, D, D);
    double *h = testing_eval(&t, slivi_jvp(g, score, x, units));
    const double *uu = testing_value(&t, u), *vv = testing_value(&t, v);
    double uhv[5] = {0}, vhv[5] = {0};

    t.run.chunk = 0;
    free(h);
    h = testing_eval(&t, slivi_jvp(g, score, x, units));
    for (size_t i = 0; i < t.n; i++)
        for (size_t a = 0; a < D; a++)
            for (size_t b = 0; b < D; b++) {
                double hab = h[(a * t.n + i) * D + b];
                ck_assert_double_eq_tol(hab, h[(b * t.n + i) * D + a], 1e-13);
                uhv[i] += uu[i * D + a] * hab * vv[i * D + b];
                vhv[i] += vv[i * D + a] * hab * vv[i * D + b];
            }
    slivi_node fu = slivi_jvp(g, f, x, u), fv = slivi_jvp(g, f, x, v);
    check_value(&t, slivi_jvp(g, fv, x, v), vhv, 256 * DBL_EPSILON);
    check_value(&t, slivi_jvp(g, fv, x, u), uhv, 256 * DBL_EPSILON);
    check_value(&t, slivi_jvp(g, fu, x, v), uhv, 256 * DBL_EPSILON);
    check_value(&t, slivi_row_dot(g, u, slivi_jvp(g, score, x, v)), uhv,
                256 * DBL_EPSILON);
    check_value(&t, slivi_row_dot(g, v, slivi_jvp(g, score, x, u)), uhv,
                256 * DBL_EPSILON);
    check_value(&t, slivi_row_dot(g, u, slivi_grad(g, fv, x)), uhv,
                256 * DBL_EPSILON);
    free(h);
    testing_close(&t);
}
END_TEST

Suite *slivi_suite_graph(void)
{
    Suite *suite = suite_create("graph");
    TCase *tc = tcase_create("graph");

    tcase_add_test(tc, test_sharing);
    tcase_add_test(tc, test_sharing_many);
    tcase_add_loop_test(tc, test_failures, 0, FAILURES);
    tcase_add_test(tc, test_variable);
    tcase_add_test(tc, test_stop_gradient);
    tcase_add_test(tc, test_given);
    tcase_add_test(tc, test_unrelated);
    tcase_add_test(tc, test_jump);
    tcase_add_test(tc, test_softmax);
    tcase_add_test(tc, test_log_sum_exp_range);
    tcase_add_test(tc, test_hessian);
    suite_add_tcase(suite, tc);
    return suite;
}
