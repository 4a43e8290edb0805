/* test_learn.c - parameters, and parameters in a graph.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "test_learn.h"
#include "slivi/status.h"
#include "suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- parameters ------------------------------------------------------- */

static slivi_params *three_views(enum slivi_precision precision)
{
    slivi_params *p = slivi_params_create(precision);
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(slivi_params_add(p, "a", 3, 4, 0.5, 0), 0);
    ck_assert_int_eq(slivi_params_add(p, "b", 1, 5, 0, 2), 1);
    ck_assert_int_eq(slivi_params_add(p, "c", 40, 50, 0.1, -3), 2);
    return p;
}

START_TEST(test_params)
{
    slivi_params *p = three_views(SLIVI_F64);
    const slivi_view *c = slivi_params_view(p, 2);
    ck_assert_uint_eq(slivi_params_size(p), 12 + 5 + 2000);
    ck_assert_uint_eq(slivi_params_views(p), 3);
    ck_assert_str_eq(c->name, "c");
    ck_assert_uint_eq(c->rows, 40);
    ck_assert_uint_eq(c->cols, 50);
    ck_assert_uint_eq(c->offset, 17);
    ck_assert_ptr_null(slivi_params_view(p, 3));
    ck_assert_ptr_eq(slivi_params_values(p), slivi_params_const_values(p));
    const double *x = slivi_params_const_values(p);
    ck_assert_double_eq(x[0], 0);
    ck_assert_double_eq(x[12], 2); /* new views are filled with the centre */
    ck_assert_double_eq(x[2016], -3);
    slivi_params_free(p);
    slivi_params_free(NULL);
}
END_TEST

START_TEST(test_params_refusals)
{
    slivi_params *p = three_views(SLIVI_F32);
    CHECK_FAILS(slivi_params_add(p, "b", 1, 1, 0, 0), SLIVI_ENAME,
                "the name b is taken");
    CHECK_FAILS(slivi_params_add(p, "", 1, 1, 0, 0), SLIVI_EINVAL, "name");
    CHECK_FAILS(slivi_params_add(p, "x\n", 1, 1, 0, 0), SLIVI_EINVAL, "name");
    CHECK_FAILS(slivi_params_add(p, "x", 0, 1, 0, 0), SLIVI_ESHAPE, "0 x 1");
    CHECK_FAILS(slivi_params_add(p, "x", 1, 0, 0, 0), SLIVI_ESHAPE, "1 x 0");
    CHECK_FAILS(slivi_params_add(p, "x", 1, 1, -1, 0), SLIVI_EINVAL, "bound");
    CHECK_FAILS(slivi_params_add(p, "x", 1, 1, NAN, 0), SLIVI_EINVAL, "bound");
    CHECK_FAILS(slivi_params_add(p, "x", 1, 1, 0, INFINITY), SLIVI_EINVAL,
                "centre");
    CHECK_FAILS(slivi_params_add(p, "x", SIZE_MAX, 2, 0, 0), SLIVI_EOVERFLOW,
                "params: x");
    CHECK_FAILS(slivi_params_add(p, "x", SIZE_MAX / 8, 3, 0, 0),
                SLIVI_EOVERFLOW, "x");
    ck_assert_uint_eq(slivi_params_views(p), 3);
    ck_assert_uint_eq(slivi_params_size(p), 2017);
    slivi_params_free(p);
    ck_assert_ptr_null(slivi_params_create((enum slivi_precision)9));
}
END_TEST

static double *values_of(const slivi_params *p)
{
    double *x = malloc(slivi_params_size(p) * sizeof *x);
    ck_assert_ptr_nonnull(x);
    slivi_params_get(p, x);
    return x;
}

START_TEST(test_init)
{
    const enum slivi_precision precision = _i ? SLIVI_F64 : SLIVI_F32;
    slivi_params *p = three_views(precision), *q = three_views(precision);
    slivi_params_init(p, 5, 9);
    slivi_params_init(q, 5, 9);
    double *x = values_of(p), *y = values_of(q);
    ck_assert_mem_eq(x, y, 2017 * sizeof *x); /* same seed, same values */
    double mean = 0, square = 0;
    for (size_t i = 0; i < 12; i++)
        ck_assert_double_le(fabs(x[i]), 0.5);
    for (size_t i = 12; i < 17; i++)
        ck_assert_double_eq(x[i], 2);
    for (size_t i = 17; i < 2017; i++) {
        double u = (x[i] + 3) / 0.1;
        ck_assert_double_le(fabs(u), 1 + 1e-5);
        mean += u / 2000;
        square += u * u / 2000;
    }
    /* uniform on [-1,1]: variance 1/3, that of u^2 4/45; four deviations */
    ck_assert_double_le(fabs(mean), 4 * sqrt(1.0 / 3 / 2000));
    ck_assert_double_le(fabs(square - 1.0 / 3), 4 * sqrt(4.0 / 45 / 2000));
    /* another seed, stream or view has other draws */
    slivi_params_init(q, 6, 9);
    slivi_params_get(q, y);
    ck_assert_double_ne(x[0], y[0]);
    slivi_params_init(q, 5, 10);
    slivi_params_get(q, y);
    ck_assert_double_ne(x[0], y[0]);
    ck_assert_double_ge(fabs(x[0] / 0.5 - (x[17] + 3) / 0.1), 1e-3);
    free(x);
    free(y);
    slivi_params_free(p);
    slivi_params_free(q);
}
END_TEST

START_TEST(test_set_get)
{
    slivi_params *p = three_views(SLIVI_F32), *q = three_views(SLIVI_F64);
    slivi_params_init(p, 1, 1);
    slivi_params_init(q, 1, 1);
    double *x = values_of(p), *y = values_of(q);
    for (size_t i = 0; i < 2017; i++) /* the same draws, rounded */
        ck_assert_double_le(fabs(x[i] - y[i]), 1e-6);
    slivi_params_set(q, x);
    slivi_params_get(q, y);
    ck_assert_mem_eq(x, y, 2017 * sizeof *x);
    x[3] = 0.1;
    slivi_params_set(p, x);
    slivi_params_get(p, y);
    ck_assert_double_eq(y[3], (double)0.1f);
    free(x);
    free(y);
    slivi_params_free(p);
    slivi_params_free(q);
}
END_TEST

/* ---- parameters in a graph --------------------------------------------- */

typedef struct stage {
    slivi_params *p;
    slivi_graph *g;
    slivi_weights *w;
} stage;

static stage open_stage(void)
{
    stage s = {slivi_params_create(SLIVI_F64), slivi_graph_create(SLIVI_F64),
               NULL};
    ck_assert_int_eq(slivi_params_add(s.p, "m", 4, 2, 1, 0), 0);
    ck_assert_int_eq(slivi_params_add(s.p, "b1", 1, 2, 1, 0), 1);
    ck_assert_int_eq(slivi_params_add(s.p, "b2", 1, 2, 1, 0), 2);
    slivi_params_init(s.p, 3, 1);
    s.w = slivi_weights_create(s.g, s.p);
    ck_assert_ptr_nonnull(s.w);
    return s;
}

static void close_stage(stage *s)
{
    slivi_weights_free(s->w);
    slivi_graph_free(s->g);
    slivi_params_free(s->p);
}

START_TEST(test_row_views)
{
    stage s = open_stage();
    slivi_node top = slivi_weights_rows(s.w, 0, 0, 1);
    slivi_node low = slivi_weights_rows(s.w, 0, 2, 2);
    ck_assert_int_ne(top.id, 0);
    ck_assert_int_eq(slivi_node_rows(s.g, low), 2);
    ck_assert_int_eq(slivi_weights_rows(s.w, 0, 2, 2).id, low.id);
    ck_assert_int_eq(slivi_weights_view(s.w, 1).id,
                     slivi_weights_rows(s.w, 1, 0, 1).id);
    /* the node sees the rows of the flat vector, without a copy */
    double out[4], *values = slivi_params_values(s.p);
    slivi_node y = slivi_scale(s.g, low, 2);
    slivi_plan *plan = slivi_plan_create(s.g, 1, &y, 1);
    slivi_workspace *ws = slivi_workspace_create(plan, NULL);
    CHECK_OK(slivi_weights_bind(s.w, ws, values, NULL));
    CHECK_OK(slivi_workspace_bind(ws, y, out));
    values[6] = 17;
    CHECK_OK(slivi_workspace_run(ws, &(slivi_run){.n = 1}));
    ck_assert_double_eq(out[0], 2 * values[4]);
    ck_assert_double_eq(out[2], 34);
    slivi_workspace_free(ws);
    slivi_plan_free(plan);
    close_stage(&s);
}
END_TEST

START_TEST(test_overlap)
{
    static const struct {
        size_t view, first, count;
        int status;
        const char *words;
    } cases[] = {
        {0, 1, 1, SLIVI_EINVAL, "m: rows 1 to 1 overlap rows 1 to 2"},
        {0, 2, 2, SLIVI_EINVAL, "overlap"},
        {0, 0, 2, SLIVI_EINVAL, "overlap"},
        {0, 0, 4, SLIVI_EINVAL, "overlap"},
        {0, 0, 5, SLIVI_ESHAPE, "5 rows from 0 of 4"},
        {0, 4, 1, SLIVI_ESHAPE, "1 rows from 4 of 4"},
        {0, 3, SIZE_MAX, SLIVI_ESHAPE, "of 4"},
        {0, 0, 0, SLIVI_ESHAPE, "0 rows"},
        {3, 0, 1, SLIVI_EINVAL, "view 3 of 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        stage s = open_stage();
        ck_assert_int_ne(slivi_weights_rows(s.w, 0, 1, 2).id, 0);
        ck_assert_int_eq(slivi_weights_rows(s.w, cases[i].view, cases[i].first,
                                            cases[i].count)
                             .id,
                         0);
        CHECK_FAILS(slivi_graph_status(s.g), cases[i].status, cases[i].words);
        close_stage(&s);
    }
    stage s = open_stage();
    ck_assert_int_ne(slivi_weights_rows(s.w, 0, 1, 2).id, 0);
    ck_assert_int_eq(slivi_weights_view(s.w, 0).id, 0);
    CHECK_FAILS(slivi_graph_status(s.g), SLIVI_EINVAL, "overlap");
    close_stage(&s);
}
END_TEST

/* Runs the gradients of w alone, with x bound to ones. */
static void run_gradients(const stage *s, slivi_weights *w, slivi_node x,
                          double *gradient)
{
    const double ones[2] = {1, 1};
    slivi_node out[8];
    size_t count = slivi_weights_count(w);
    ck_assert_uint_le(count, 8);
    slivi_weights_gradients(w, out);
    slivi_plan *plan = slivi_plan_create(s->g, count, out, 1);
    slivi_workspace *ws = slivi_workspace_create(plan, NULL);
    ck_assert_msg(ws != NULL, "%s", slivi_errmsg());
    CHECK_OK(
        slivi_weights_bind(w, ws, slivi_params_const_values(s->p), gradient));
    CHECK_OK(slivi_workspace_bind(ws, x, (void *)(uintptr_t)ones));
    CHECK_OK(slivi_workspace_run(ws, &(slivi_run){.n = 1}));
    slivi_workspace_free(ws);
    slivi_plan_free(plan);
}

/* The gradients of both biases are one node, and it is an input; a second
   slivi_weights has it once more.  Each must get its memory. */
START_TEST(test_gradient_nodes)
{
    stage s = open_stage();
    slivi_weights *w2 = slivi_weights_create(s.g, s.p);
    slivi_node x = slivi_input(s.g, "x", 1, 2);
    slivi_node b = slivi_add(s.g, slivi_weights_view(s.w, 1),
                             slivi_weights_view(s.w, 2));
    b = slivi_add(s.g, b, slivi_weights_view(w2, 1));
    slivi_weights_rows(s.w, 0, 1, 2); /* not used by the loss */
    slivi_node loss = slivi_sum(s.g, slivi_mul(s.g, b, x));
    CHECK_OK(slivi_weights_differentiate(s.w, loss));
    CHECK_OK(slivi_weights_differentiate(w2, loss));
    ck_assert_uint_eq(slivi_weights_count(s.w), 3);
    ck_assert_uint_eq(slivi_weights_count(w2), 1);
    double g1[12], g2[12];
    for (size_t i = 0; i < 12; i++)
        g1[i] = g2[i] = 7;
    slivi_node all[4];
    slivi_weights_gradients(s.w, all);
    slivi_weights_gradients(w2, all + 3);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            ck_assert_int_ne(all[i].id, all[j].id);
    const double ones[2] = {1, 1};
    slivi_plan *plan = slivi_plan_create(s.g, 4, all, 1);
    slivi_workspace *ws = slivi_workspace_create(plan, NULL);
    const void *values = slivi_params_const_values(s.p);
    CHECK_OK(slivi_weights_bind(s.w, ws, values, g1));
    CHECK_OK(slivi_weights_bind(w2, ws, values, g2));
    CHECK_OK(slivi_workspace_bind(ws, x, (void *)(uintptr_t)ones));
    CHECK_OK(slivi_workspace_run(ws, &(slivi_run){.n = 1}));
    const double wanted1[12] = {7, 7, 0, 0, 0, 0, 7, 7, 1, 1, 1, 1};
    const double wanted2[12] = {7, 7, 7, 7, 7, 7, 7, 7, 1, 1, 7, 7};
    ck_assert_mem_eq(g1, wanted1, sizeof g1);
    ck_assert_mem_eq(g2, wanted2, sizeof g2);
    slivi_workspace_free(ws);
    slivi_plan_free(plan);
    slivi_weights_free(w2);
    close_stage(&s);
}
END_TEST

START_TEST(test_gradient_by_rows)
{
    /* loss = sum_j x_j (m_3j - 2 m_0j): gradients in their own rows */
    stage s = open_stage();
    slivi_node x = slivi_input(s.g, "x", 1, 2);
    slivi_node d = slivi_sub(
        s.g, slivi_weights_rows(s.w, 0, 3, 1),
        slivi_scale(s.g, slivi_weights_rows(s.w, 0, 0, 1), 2));
    CHECK_OK(
        slivi_weights_differentiate(s.w, slivi_sum(s.g, slivi_mul(s.g, d, x))));
    double g[12];
    for (size_t i = 0; i < 12; i++)
        g[i] = 7;
    run_gradients(&s, s.w, x, g);
    const double wanted[12] = {-2, -2, 7, 7, 7, 7, 1, 1, 7, 7, 7, 7};
    ck_assert_mem_eq(g, wanted, sizeof g);
    close_stage(&s);
}
END_TEST

START_TEST(test_differentiate_refusals)
{
    stage s = open_stage();
    slivi_graph *f32 = slivi_graph_create(SLIVI_F32);
    ck_assert_ptr_null(slivi_weights_create(f32, s.p));
    CHECK_WORDS("differ in precision");
    CHECK_FAILS(slivi_weights_differentiate(s.w, slivi_constant(s.g, 1)),
                SLIVI_EINVAL, "no parameter is used");
    slivi_node b = slivi_weights_view(s.w, 1);
    CHECK_FAILS(slivi_weights_differentiate(s.w, b), SLIVI_ESHAPE,
                "the loss is 1 x 2");
    CHECK_OK(slivi_weights_differentiate(s.w, slivi_sum(s.g, b)));
    CHECK_FAILS(slivi_weights_differentiate(s.w, slivi_sum(s.g, b)),
                SLIVI_EINVAL, "differentiated before");
    ck_assert_ptr_eq(slivi_weights_graph(s.w), s.g);
    slivi_weights_free(NULL);
    slivi_graph_free(f32);
    close_stage(&s);
}
END_TEST

Suite *slivi_suite_learn(void)
{
    Suite *s = suite_create("learn");
    TCase *c = tcase_create("params");
    suite_add_tcase(s, learn_options());
    tcase_add_test(c, test_params);
    tcase_add_test(c, test_params_refusals);
    tcase_add_loop_test(c, test_init, 0, 2);
    tcase_add_test(c, test_set_get);
    suite_add_tcase(s, c);
    c = tcase_create("weights");
    tcase_add_test(c, test_row_views);
    tcase_add_test(c, test_overlap);
    tcase_add_test(c, test_gradient_nodes);
    tcase_add_test(c, test_gradient_by_rows);
    tcase_add_test(c, test_differentiate_refusals);
    suite_add_tcase(s, c);
    suite_add_tcase(s, learn_nets());
    suite_add_tcase(s, learn_learner());
    suite_add_tcase(s, learn_resume());
    return s;
}
