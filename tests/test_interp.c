/* test_interp.c - the plain executor.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "scratch.h"
#include "slivi/status.h"
#include "suites.h"
#include "testing.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- binding ---------------------------------------------------------- */

START_TEST(test_bind)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 2);
    slivi_node idle = slivi_input(g, "idle", SLIVI_ROWS, 2);
    slivi_node h = slivi_exp(g, x), y = slivi_scale(g, h, 2);
    slivi_node out[3] = {y, slivi_row_sum(g, y), y};
    double in[6] = {0, 0, 0, 0, 0, 0}, got[6] = {9, 9, 9, 9, 9, 9};
    slivi_run run = {.n = 2};

    slivi_interp *it = slivi_interp_create(g, 3, out, 3, NULL);
    ck_assert_ptr_nonnull(it);
    ck_assert_uint_eq(slivi_interp_nodes(it), 4);
    ck_assert_uint_gt(slivi_interp_bytes(it), 0);
    ck_assert_int_eq(slivi_interp_run(it, &run), SLIVI_EINVAL);
    ck_assert_str_eq(slivi_errmsg(), "interp: input x is not bound");
    ck_assert_int_eq(slivi_interp_bind(it, (slivi_node){0}, in), SLIVI_EINVAL);
    ck_assert_str_eq(slivi_errmsg(), "bind: not a node");
    ck_assert_int_eq(slivi_interp_bind(it, h, in), SLIVI_EINVAL);
    ck_assert_str_eq(slivi_errmsg(),
                     "bind: a node of exp is neither input nor output");
    ck_assert_int_eq(slivi_interp_bind(it, idle, NULL), 0); /* not needed */
    ck_assert_int_eq(slivi_interp_bind(it, x, in), 0);
    ck_assert_int_eq(slivi_interp_run(it, &run), 0); /* outputs stay unbound */
    ck_assert_int_eq(slivi_interp_bind(it, y, got), 0);
    ck_assert_int_eq(slivi_interp_run(it, &run), 0);
    for (int i = 0; i < 6; i++) /* 2 of 3 rows are written */
        ck_assert_double_eq(got[i], i < 4 ? 2 : 9);
    run.accumulate = 1; /* once, although y is listed twice */
    ck_assert_int_eq(slivi_interp_run(it, &run), 0);
    for (int i = 0; i < 6; i++)
        ck_assert_double_eq(got[i], i < 4 ? 4 : 9);
    ck_assert_int_eq(slivi_interp_bind(it, y, NULL), 0);
    ck_assert_int_eq(slivi_interp_run(it, &run), 0);
    ck_assert_double_eq(got[0], 4);
    ck_assert_int_eq(slivi_interp_bind(it, x, NULL), 0);
    ck_assert_int_eq(slivi_interp_run(it, &run), SLIVI_EINVAL);
    slivi_interp_free(it);
    slivi_graph_free(g);
}
END_TEST

START_TEST(test_limits)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node y = slivi_noise(g, slivi_law_normal, SLIVI_ROWS, 2, 0), x = y;
    slivi_node huge = slivi_full(g, PTRDIFF_MAX, 8, 1);
    slivi_interp *it = slivi_interp_create(g, 1, &y, 4, NULL);
    slivi_run run = {.n = 4,
                     .row = ((uint64_t)1 << 32) - 4,
                     .step = ((uint64_t)1 << 48) - 1};

    ck_assert_ptr_nonnull(it);
    ck_assert_int_eq(slivi_interp_run(it, &run), 0);
    run.row++;
    ck_assert_int_eq(slivi_interp_run(it, &run), SLIVI_EINVAL);
    run.row = 0;
    run.step++;
    ck_assert_int_eq(slivi_interp_run(it, &run), SLIVI_EINVAL);
    run.step = 0;
    run.n = 5;
    ck_assert_int_eq(slivi_interp_run(it, &run), SLIVI_EINVAL);
    ck_assert_str_eq(slivi_errmsg(), "interp: 5 rows, at most 4 fit");
    run.n = 0;
    ck_assert_int_eq(slivi_interp_run(it, &run), SLIVI_EINVAL);
    slivi_interp_free(it);
    slivi_interp_free(NULL);

    x.id = 99;
    ck_assert_ptr_null(slivi_interp_create(g, 1, &x, 4, NULL));
    ck_assert_str_eq(slivi_errmsg(), "interp: output 0 is not a node");
    ck_assert_ptr_null(slivi_interp_create(g, 0, &y, 4, NULL));
    ck_assert_ptr_null(slivi_interp_create(g, 1, &y, 0, NULL));
    ck_assert_str_eq(slivi_errmsg(),
                     "interp: max_rows is 0, not 1 to 2^32 - 1");
    ck_assert_ptr_null(slivi_interp_create(g, 1, &huge, 4, NULL));
    ck_assert_str_eq(slivi_errmsg(), "interp: broadcast of 8 columns");
    slivi_graph_free(g);
}
END_TEST

/* ---- addresses -------------------------------------------------------- */

/* Ten rows at once are the same bits as five and five. */
START_TEST(test_rows_are_addressed)
{
    testing t;
    testing_open(&t, SLIVI_F64, 10);
    slivi_node z = slivi_noise(t.g, slivi_law_normal, 2 * SLIVI_ROWS, 7, 3);
    slivi_node fixed = slivi_noise(t.g, slivi_law_normal, 3, 7, 4);
    double *all = testing_eval(&t, z), *same = testing_eval(&t, fixed);
    for (size_t half = 0; half < 2; half++) {
        t.n = t.run.n = 5;
        t.run.row = 11 + 5 * half;
        double *part = testing_eval(&t, z), *again = testing_eval(&t, fixed);
        for (size_t s = 0; s < 2; s++)
            ck_assert_mem_eq(part + s * 35, all + (s * 10 + half * 5) * 7,
                             35 * sizeof *all);
        ck_assert_mem_eq(same, again, 21 * sizeof *same);
        free(again);
        free(part);
    }
    for (int change = 0; change < 3; change++) { /* seed, step, row */
        t.n = t.run.n = 10;
        t.run = (slivi_run){.n = 10,
                            .seed = 7 + (change == 0),
                            .step = 3 + (change == 1),
                            .row = 11 + (change == 2)};
        double *other = testing_eval(&t, z);
        ck_assert(testing_distance(140, all, other) > 1);
        free(other);
    }
    free(same);
    free(all);
    testing_close(&t);
}
END_TEST

/* Unit vectors in three chunks of two give the trace of a 5 x 5 Jacobian. */
START_TEST(test_trace_in_chunks)
{
    enum { D = 5 };
    testing t;
    testing_open(&t, SLIVI_F64, 3);
    slivi_graph *g = t.g;
    slivi_node x = testing_input(&t, SLIVI_ROWS, D, -1, 1, 0);
    slivi_node w = testing_input(&t, D, D, -1, 1, 0);
    slivi_node s = slivi_tanh(g, slivi_matmul(g, x, w)); /* s' = (1 - s2) w' */
    slivi_node e = slivi_units(g, 2, D);
    slivi_node parts = slivi_row_dot(g, e, slivi_jvp(g, s, x, e));
    slivi_node trace = slivi_sum_to(g, parts, SLIVI_ROWS, 1);
    slivi_interp *it = slivi_interp_create(g, 1, &trace, 3, NULL);
    double got[3] = {0.5, 0.5, 0.5};
    ck_assert_ptr_nonnull(it);
    slivi_interp_bind(it, x, testing_value(&t, x));
    slivi_interp_bind(it, w, testing_value(&t, w));
    slivi_interp_bind(it, trace, got);
    for (size_t chunk = 0; chunk < 3; chunk++)
        ck_assert_int_eq(
            slivi_interp_run(
                it,
                &(slivi_run){.n = 3, .chunk = chunk, .accumulate = chunk > 0}),
            0);
    double *sv = testing_eval(&t, s), *wv = testing_value(&t, w);
    for (size_t i = 0; i < 3; i++) {
        double want = 0;
        for (size_t j = 0; j < D; j++)
            want += (1 - sv[i * D + j] * sv[i * D + j]) * wv[j * D + j];
        ck_assert_double_eq_tol(got[i], want, 1e-14);
    }
    free(sv);
    slivi_interp_free(it);
    testing_close(&t);
}
END_TEST

START_TEST(test_accumulate_single)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F32);
    slivi_node y = slivi_full(g, SLIVI_ROWS, 2, 0.5);
    slivi_interp *it = slivi_interp_create(g, 1, &y, 2, NULL);
    float got[5] = {1, 2, 3, 4, 5};
    slivi_interp_bind(it, y, got);
    ck_assert_int_eq(
        slivi_interp_run(it, &(slivi_run){.n = 2, .accumulate = 1}), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_float_eq(got[i], (float)(i + 1) + (i < 4 ? 0.5f : 0));
    slivi_interp_free(it);
    slivi_graph_free(g);
}
END_TEST

/* ---- failures of a run ------------------------------------------------ */

static int counted(size_t n, size_t d, const double *x, double *value,
                   double *grad, void *ctx)
{
    int *calls = ctx;
    (void)d, (void)x;
    (*calls)++;
    memset(value, 0, n * sizeof *value);
    memset(grad, 0, n * d * sizeof *grad);
    return *calls == 2 ? 42 : 0; /* the second call fails */
}

static void check_failed_run(slivi_interp *it, int status, const char *text,
                             const double *first, const double *second)
{
    ck_assert_int_eq(slivi_interp_run(it, &(slivi_run){.n = 2}), status);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), text));
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq(first[i], 7);
        ck_assert_double_eq(second[i], 7);
    }
}

START_TEST(test_failed_runs)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node x = slivi_input(g, "x", 2, 2), a = slivi_shift(g, x, 1), y[4];
    slivi_node i = slivi_input_index(g, "i", 2);
    double in[4] = {1, 0, 0, 1}, first[4], second[4];
    int32_t index[2] = {0, 1};
    int calls = 0;

    y[0] = slivi_spd_solve(g, x, x);
    y[1] = slivi_gather(g, x, i);
    y[2] = slivi_scatter_add(g, x, i, 2);
    y[3] = slivi_external(g, x, counted, &calls);
    for (int k = 0; k < 4; k++) {
        slivi_node out[2] = {a, y[k]};
        slivi_interp *it = slivi_interp_create(g, 2, out, 2, NULL);
        ck_assert_ptr_nonnull(it);
        slivi_interp_bind(it, x, in);
        slivi_interp_bind(it, i, index);
        slivi_interp_bind(it, a, first);
        slivi_interp_bind(it, y[k], second);
        ck_assert_int_eq(slivi_interp_run(it, &(slivi_run){.n = 1}), 0);
        ck_assert_double_eq(first[0], 2);
        for (int j = 0; j < 4; j++)
            first[j] = second[j] = 7;
        if (k == 0) {
            in[1] = 3; /* (x + x')/2 = [1 1.5; 1.5 1] */
            check_failed_run(it, SLIVI_ENOTPD, "spd_solve: ", first, second);
            in[1] = 0;
        } else if (k < 3) {
            index[1] = 2;
            check_failed_run(it, SLIVI_EINVAL,
                             "entry 1 of the index is 2, the table has 2 rows",
                             first, second);
            index[1] = -1;
            check_failed_run(it, SLIVI_EINVAL, "entry 1 of the index is -1",
                             first, second);
            index[1] = 1;
        } else {
            check_failed_run(it, SLIVI_ECALLBACK,
                             "external: the user's function returned 42", first,
                             second);
        }
        ck_assert_int_eq(slivi_interp_run(it, &(slivi_run){.n = 1}), 0);
        ck_assert_double_eq(first[0], 2); /* all is well again */
        slivi_interp_free(it);
    }
    slivi_graph_free(g);
}
END_TEST

/* What no output needs is not run, and one call serves value and gradient. */
START_TEST(test_dead_nodes)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 2);
    int calls = 2; /* past the failure */
    slivi_node f = slivi_external(g, x, counted, &calls);
    slivi_node out[3] = {slivi_tanh(g, x), f, slivi_grad(g, f, x)};
    double in[2] = {0, 0};
    slivi_interp *it = slivi_interp_create(g, 1, out, 1, NULL);
    slivi_interp_bind(it, x, in);
    ck_assert_uint_eq(slivi_interp_nodes(it), 2);
    ck_assert_int_eq(slivi_interp_run(it, &(slivi_run){.n = 1}), 0);
    ck_assert_int_eq(calls, 2);
    slivi_interp_free(it);
    it = slivi_interp_create(g, 3, out, 1, NULL);
    slivi_interp_bind(it, x, in);
    ck_assert_int_eq(slivi_interp_run(it, &(slivi_run){.n = 1}), 0);
    ck_assert_int_eq(calls, 3);
    slivi_interp_free(it);
    slivi_graph_free(g);
}
END_TEST

/* A derivative with respect to b never touches a: neither need be bound. */
START_TEST(test_concat)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node a = slivi_input(g, "a", SLIVI_ROWS, 2);
    slivi_node b = slivi_input(g, "b", SLIVI_ROWS, 1);
    slivi_node w = slivi_input(g, "w", 3, 2);
    slivi_node v = slivi_input(g, "v", SLIVI_ROWS, 1);
    slivi_node y = slivi_matmul(g, slivi_concat(g, a, b), w);
    slivi_node out[2] = {slivi_jvp(g, y, b, v), slivi_grad(g, y, b)};
    double w_[6] = {1, 2, 3, 4, 5, 6}, v_[2] = {1, -2}, jv[4], gb[2];
    slivi_interp *it = slivi_interp_create(g, 2, out, 2, NULL);
    ck_assert_ptr_nonnull(it);
    slivi_interp_bind(it, w, w_);
    slivi_interp_bind(it, v, v_);
    slivi_interp_bind(it, out[0], jv);
    slivi_interp_bind(it, out[1], gb);
    ck_assert_int_eq(slivi_interp_run(it, &(slivi_run){.n = 2}), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq(jv[i], v_[i / 2] * w_[4 + i % 2]);
    ck_assert_double_eq(gb[0], 11);
    ck_assert_double_eq(gb[1], 11);
    ck_assert_str_eq(slivi_node_op(g, y), "matmul");
    slivi_interp_free(it);
    slivi_graph_free(g);
}
END_TEST

/* tanh of floats of every exponent and both signs, within 2 units in the
   last place of the long double's; infinities, zeros, NaN. */
START_TEST(test_tanh)
{
    enum { COUNT = 1 << 18 };
    static float x[COUNT], y[COUNT];
    slivi_graph *g = slivi_graph_create(SLIVI_F32);
    slivi_node in = slivi_input(g, "x", SLIVI_ROWS, 1);
    slivi_node out = slivi_tanh(g, in);
    slivi_interp *it = slivi_interp_create(g, 1, &out, COUNT, NULL);
    ck_assert_ptr_nonnull(it);
    slivi_interp_bind(it, in, x);
    slivi_interp_bind(it, out, y);
    for (uint32_t i = 0; i < COUNT; i++) { /* bits spread by a large stride */
        uint32_t bits = i * 16381u;
        memcpy(&x[i], &bits, sizeof bits);
    }
    ck_assert_int_eq(slivi_interp_run(it, &(slivi_run){.n = COUNT}), 0);
    for (size_t i = 0; i < COUNT; i++) {
        if (isnan(x[i])) {
            ck_assert(isnan(y[i]));
            continue;
        }
        long double exact = tanhl((long double)x[i]);
        float near = fabsf((float)exact);
        long double unit = (long double)near - nextafterf(near, 0);
        ck_assert_msg(fabsl((long double)y[i] - exact) <= 2 * unit
                          || y[i] == (float)exact,
                      "tanh(%a) = %a", (double)x[i], (double)y[i]);
        ck_assert(!signbit(x[i]) == !signbit(y[i]));
    }
    slivi_interp_free(it);
    slivi_graph_free(g);
}
END_TEST

/* Builders keep their operands, so that a derivative with respect to them is
   not lost: of 3 (2 z) with respect to 2 z, and of concat(a, b) w. */
START_TEST(test_operands_are_kept)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node a = slivi_input(g, "a", SLIVI_ROWS, 2);
    slivi_node w = slivi_input(g, "w", 4, 1);
    slivi_node x = slivi_scale(g, a, 2), y = slivi_scale(g, x, 3);
    slivi_node c = slivi_concat(g, a, x);
    slivi_node q = slivi_matmul(g, c, w);
    slivi_node out[2] = {slivi_grad(g, y, x), slivi_grad(g, q, c)};
    double w_[4] = {1, 2, 3, 4}, gx[2], gc[4];
    slivi_interp *it = slivi_interp_create(g, 2, out, 1, NULL);
    ck_assert_ptr_nonnull(it);
    slivi_interp_bind(it, w, w_);
    slivi_interp_bind(it, out[0], gx);
    slivi_interp_bind(it, out[1], gc);
    ck_assert_int_eq(slivi_interp_run(it, &(slivi_run){.n = 1}), 0);
    ck_assert(gx[0] == 3 && gx[1] == 3);
    ck_assert_mem_eq(gc, w_, sizeof w_);
    slivi_interp_free(it);
    slivi_graph_free(g);
}
END_TEST

/* Buffers are used again by what comes later, never while still needed: a
   long chain needs few, and its early values survive to the end. */
START_TEST(test_buffers)
{
    enum { LONG = 40 };
    testing t;
    testing_open(&t, SLIVI_F64, 50);
    slivi_graph *g = t.g;
    slivi_node x = testing_input(&t, SLIVI_ROWS, 4, -1, 1, 0);
    slivi_node step[LONG], y = slivi_sin(g, x), chain = y;
    for (int i = 0; i < LONG; i++)
        step[i] = y = slivi_scale(g, slivi_shift(g, y, 0.25), 0.5);
    for (int i = 0; i < LONG; i += 3) /* late readers of early values */
        y = slivi_add(g, y, slivi_mul(g, step[i], step[LONG - 1 - i]));
    y = slivi_add(g, y, chain);
    double *got = testing_eval(&t, y), *in = testing_value(&t, x);
    for (size_t i = 0; i < 200; i++) {
        double v[LONG], z = sin(in[i]), want;
        for (int k = 0; k < LONG; k++)
            v[k] = z = (z + 0.25) * 0.5;
        want = z;
        for (int k = 0; k < LONG; k += 3)
            want += v[k] * v[LONG - 1 - k];
        ck_assert_double_eq_tol(got[i], want + sin(in[i]), 1e-14);
    }
    free(got);
    slivi_interp *it = slivi_interp_create(g, 1, &step[LONG - 1], 50, NULL);
    ck_assert_uint_eq(slivi_interp_bytes(it), 2 * 50 * 4 * sizeof(double));
    slivi_interp_free(it);
    testing_close(&t);
}
END_TEST

/* Outputs that later nodes read stay whole to the end of the run. */
START_TEST(test_early_outputs)
{
    enum { LONG = 6 };
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node y = slivi_full(g, SLIVI_ROWS, 2, 1), out[LONG];
    double got[LONG][2];
    for (int i = 0; i < LONG; i++)
        out[i] = y = slivi_shift(g, y, 1);
    slivi_interp *it = slivi_interp_create(g, LONG, out, 1, NULL);
    ck_assert_ptr_nonnull(it);
    for (int i = 0; i < LONG; i++)
        slivi_interp_bind(it, out[i], got[i]);
    ck_assert_int_eq(slivi_interp_run(it, &(slivi_run){.n = 1}), 0);
    for (int i = 0; i < LONG; i++)
        for (int j = 0; j < 2; j++)
            ck_assert_double_eq(got[i][j], i + 2);
    slivi_interp_free(it);
    slivi_graph_free(g);
}
END_TEST

/* 1 + 4096 times 2^-25: each term alone is lost in a float. */
START_TEST(test_sums_in_double)
{
    enum { MANY = 4097 };
    slivi_graph *g = slivi_graph_create(SLIVI_F32);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 1);
    slivi_node i = slivi_input_index(g, "i", SLIVI_ROWS);
    slivi_node out[2] = {slivi_sum(g, x), slivi_scatter_add(g, x, i, 1)};
    float in[MANY] = {1}, got[2];
    int32_t zero[MANY] = {0};
    slivi_interp *it = slivi_interp_create(g, 2, out, MANY, NULL);
    ck_assert_ptr_nonnull(it);
    for (int k = 1; k < MANY; k++)
        in[k] = 0x1p-25f;
    slivi_interp_bind(it, x, in);
    slivi_interp_bind(it, i, zero);
    for (int k = 0; k < 2; k++)
        slivi_interp_bind(it, out[k], got + k);
    ck_assert_int_eq(slivi_interp_run(it, &(slivi_run){.n = MANY}), 0);
    for (int k = 0; k < 2; k++)
        ck_assert_float_eq(got[k], 1 + 0x1p-13f);
    slivi_interp_free(it);
    slivi_graph_free(g);
}
END_TEST

/* ---- threads and memory ----------------------------------------------- */

typedef struct trained {
    slivi_node in[4], out[5]; /* x, weights; loss, draws, gradients */
    size_t cells[5];
} trained;

static const size_t widths[] = {784, 32, 24, 3};

/* A net with two hidden layers, its sliced derivative and their gradient. */
static trained make_net(slivi_graph *g)
{
    static const char *const names[] = {"w1", "w2", "w3"};
    trained t = {.cells = {1}};
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, widths[0]), h = x;
    slivi_node v = slivi_noise(g, slivi_law_rademacher, 2 * SLIVI_ROWS,
                               widths[0], 1);
    t.in[0] = x;
    for (size_t i = 0; i < 3; i++) {
        t.in[1 + i] = slivi_input(g, names[i], (ptrdiff_t)widths[i],
                                  widths[i + 1]);
        h = slivi_matmul(g, h, t.in[1 + i]);
        h = i < 2 ? slivi_softplus(g, h) : h;
        t.cells[2 + i] = widths[i] * widths[i + 1];
    }
    slivi_node jv = slivi_jvp(g, h, x, v);
    t.out[0] = slivi_add(g, slivi_mean(g, slivi_square(g, jv)),
                         slivi_mean(g, slivi_exp(g, h)));
    t.out[1] = slivi_scale(g, v, 2);
    slivi_vjp(g, t.out[0], slivi_constant(g, 1), 3, t.in + 1, t.out + 2);
    return t;
}

enum { MOST_CELLS = 2 * 257 * 784 };

static void fill(float *x, size_t count, double scale, uint32_t stream)
{
    const slivi_address at = {.seed = 5, .stream = stream};
    slivi_draw_f32(slivi_law_normal, &at, 1, count, x);
    for (size_t i = 0; i < count; i++)
        x[i] *= (float)scale;
}

/* One run on a pool of `threads` (0: none); out[i] gets its allocated copy. */
static void run_net(size_t threads, size_t n, float *out[5])
{
    slivi_graph *g = slivi_graph_create(SLIVI_F32);
    trained t = make_net(g);
    slivi_pool *pool = threads ? slivi_pool_create(threads) : NULL;
    slivi_interp *it = slivi_interp_create(g, 5, t.out, 257, pool);
    float *in[4];
    ck_assert_msg(it != NULL, "%s", slivi_errmsg());
    t.cells[1] = 2 * n * widths[0];
    for (uint32_t i = 0; i < 4; i++) {
        size_t cells = i ? t.cells[1 + i] : n * widths[0];
        in[i] = malloc(cells * sizeof(float));
        fill(in[i], cells, i ? 0.1 : 1, i);
        slivi_interp_bind(it, t.in[i], in[i]);
    }
    for (int i = 0; i < 5; i++) {
        out[i] = malloc(t.cells[i] * sizeof(float));
        ck_assert_int_eq(slivi_interp_bind(it, t.out[i], out[i]), 0);
    }
    ck_assert_int_eq(slivi_interp_run(it, &(slivi_run){.n = n, .seed = 3}), 0);
    for (int i = 0; i < 4; i++)
        free(in[i]);
    slivi_interp_free(it);
    slivi_pool_free(pool);
    slivi_graph_free(g);
}

START_TEST(test_same_bits)
{
    static const size_t sizes[] = {1, 8, 40, 257};
    const size_t n = sizes[_i];
    const size_t cells[5] = {1, 2 * n * 784, 784 * 32, 32 * 24, 24 * 3};
    float *want[5], *got[5];
    run_net(0, n, want);
    ck_assert(isfinite(want[0][0]));
    for (size_t threads = 1; threads <= 4; threads++) {
        run_net(threads, n, got);
        for (int i = 0; i < 5; i++) {
            ck_assert_mem_eq(got[i], want[i], cells[i] * sizeof(float));
            free(got[i]);
        }
    }
    for (int i = 0; i < 5; i++)
        free(want[i]);
}
END_TEST

START_TEST(test_run_allocates_nothing)
{
    scratch_memory *m = scratch_watch(0);
    slivi_graph *g = slivi_graph_create(SLIVI_F32);
    trained t = make_net(g);
    slivi_pool *pool = slivi_pool_create(2);
    slivi_interp *it = slivi_interp_create(g, 5, t.out, 40, pool);
    float *memory = calloc(MOST_CELLS, sizeof *memory);
    ck_assert_ptr_nonnull(it);
    for (int i = 0; i < 4; i++)
        slivi_interp_bind(it, t.in[i], memory);
    const size_t before = m->calls;
    for (size_t n = 1; n <= 40; n += 13)
        ck_assert_int_eq(slivi_interp_run(it, &(slivi_run){.n = n}), 0);
    ck_assert_uint_eq(m->calls, before);
    slivi_interp_free(it);
    slivi_pool_free(pool);
    slivi_graph_free(g);
    ck_assert_uint_eq(m->live, 0);
    scratch_unwatch();
    free(memory);
}
END_TEST

/* Builds a graph of every kind of work; 0, or the status of the failure. */
static int build_all(void)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    if (!g)
        return SLIVI_ENOMEM;
    trained t = make_net(g);
    for (int i = 0; i < 20; i++) /* more inputs than there is room for names */
        slivi_add(g, t.in[0], slivi_input(g, "more", 1, 784));
    for (int i = 0; i < 40; i++) /* and more nodes */
        slivi_shift(g, t.out[0], i);
    slivi_node a = slivi_input(g, "a", 4, 4);
    t.out[1] = slivi_grad(g, slivi_spd_logdet(g, a), a);
    int status = slivi_graph_status(g);
    if (!status && slivi_jump(g, t.out[0], t.in[0]))
        status = SLIVI_ENOMEM; /* it says so rather than miss one */
    slivi_interp *it = slivi_interp_create(g, 5, t.out, 8, NULL);
    ck_assert(!status || status == SLIVI_ENOMEM);
    if (slivi_graph_status(g))
        ck_assert_ptr_null(it);
    if (!it)
        status = SLIVI_ENOMEM;
    slivi_interp_free(it);
    slivi_graph_free(g);
    return status;
}

START_TEST(test_allocation_fails)
{
    scratch_memory *m = scratch_watch(0);
    ck_assert_int_eq(build_all(), 0);
    ck_assert_uint_eq(m->live, 0);
    const size_t calls = m->calls;
    ck_assert_uint_gt(calls, 40);
    for (int for_good = 0; for_good < 2; for_good++)
        for (size_t k = 1; k <= calls; k++) {
            m->calls = 0;
            m->fail_at = k;
            m->for_good = for_good;
            ck_assert_int_eq(build_all(), SLIVI_ENOMEM);
            ck_assert_uint_eq(m->live, 0);
        }
    scratch_unwatch();
}
END_TEST

Suite *slivi_suite_interp(void)
{
    Suite *suite = suite_create("interp");
    TCase *tc = tcase_create("interp");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, test_bind);
    tcase_add_test(tc, test_limits);
    tcase_add_test(tc, test_rows_are_addressed);
    tcase_add_test(tc, test_trace_in_chunks);
    tcase_add_test(tc, test_accumulate_single);
    tcase_add_test(tc, test_failed_runs);
    tcase_add_test(tc, test_dead_nodes);
    tcase_add_test(tc, test_concat);
    tcase_add_test(tc, test_operands_are_kept);
    tcase_add_test(tc, test_tanh);
    tcase_add_test(tc, test_sums_in_double);
    tcase_add_test(tc, test_buffers);
    tcase_add_test(tc, test_early_outputs);
    tcase_add_loop_test(tc, test_same_bits, 0, 4);
    tcase_add_test(tc, test_run_allocates_nothing);
    tcase_add_test(tc, test_allocation_fails);
    suite_add_tcase(suite, tc);
    return suite;
}
