/* test_field.c - objectives of score matching for fields that are not
   linear: a mixture and nets, by formulas and by differences; refusals.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "fields.h"
#include "slivi/score.h"
#include "slivi/status.h"
#include "suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- O8: a mixture ------------------------------------------------------ */

/* log of N(x;-a,I)/2 + N(x;a,I)/2:  -|x|^2/2 + log cosh(a.x) + const */
static slivi_node mixture_apply(slivi_graph *g, slivi_node x, void *ctx)
{
    const slivi_node *a = ctx; /* D x 1 */
    slivi_node u = slivi_matmul(g, x, *a);
    /* log(2 cosh u) = u + log(1 + e^-2u) */
    slivi_node lc = slivi_add(g, u, slivi_softplus(g, slivi_scale(g, u, -2)));
    return slivi_sub(g, lc, slivi_scale(g, slivi_row_dot(g, x, x), 0.5));
}

static const double mode[D] = {1.2, -.4, 0, .8};

static slivi_node mixture_open(testing *t, slivi_field *field, slivi_node *a,
                               size_t n)
{
    fields_open(t, SLIVI_F64, n);
    slivi_node x = testing_input(t, SLIVI_ROWS, D, -2, 2, 0);
    *a = testing_input(t, D, 1, -1, 1, 0);
    memcpy(testing_value(t, *a), mode, sizeof mode);
    *field = (slivi_field){
        .kind = SLIVI_FIELD_ENERGY, .apply = mixture_apply, .ctx = a};
    return x;
}

/* tanh and sech^2 of a.x, and a.a */
static double mixture_slope(const double *x, double *curve, double *aa)
{
    double u = 0;
    *aa = 0;
    for (size_t j = 0; j < D; j++) {
        u += mode[j] * x[j];
        *aa += mode[j] * mode[j];
    }
    *curve = 1 / (cosh(u) * cosh(u));
    return tanh(u);
}

START_TEST(mixture_score_and_objective_are_the_formulas)
{
    enum { N = 20 };
    testing t;
    slivi_field field;
    slivi_node a, x = mixture_open(&t, &field, &a, N);
    const double *px = testing_value(&t, x);
    double *s = testing_eval(&t, slivi_field_score(t.g, &field, x)), want = 0;
    for (size_t i = 0; i < N; i++) {
        double curve, aa, slope = mixture_slope(px + i * D, &curve, &aa);
        want += (aa * curve - D) / N;
        for (size_t j = 0; j < D; j++) {
            double exact = -px[i * D + j] + mode[j] * slope;
            ck_assert_double_eq_tol(s[i * D + j], exact, 1e-14 * 10);
            want += exact * exact / 2 / N;
        }
    }
    ck_assert_double_eq_tol(
        fields_value(&t, fields_loss(&t, "sm", &field, x, slivi_law_normal, 1)),
        want, 1e-13 * 10);
    free(s);
    testing_close(&t);
}
END_TEST

/* At the truth J = -E|s|^2 / 2, for sm, ssm and ssm-vr: with 100,000 exact
   samples the difference's standard error is computed from blocks; alpha of
   |z| < 4 is 6e-5. */
START_TEST(objectives_at_the_truth_are_minus_half_the_energy_of_the_score)
{
    enum { N = 1000, BLOCKS = 100 };
    const char *const names[] = {"sm", "ssm", "ssm-vr"};
    testing t;
    slivi_field field;
    slivi_node a, x = mixture_open(&t, &field, &a, N);
    slivi_node s = slivi_field_score(t.g, &field, x);
    slivi_node loss = fields_loss(&t, names[_i], &field, x,
                                  slivi_law_rademacher, 1);
    slivi_node half = slivi_scale(
        t.g, slivi_mean(t.g, slivi_row_dot(t.g, s, s)), 0.5);
    slivi_node zero = slivi_add(t.g, loss, half);
    double *px = testing_value(&t, x), sum = 0, sum2 = 0;
    for (uint64_t k = 0; k < BLOCKS; k++) {
        double sign[N];
        slivi_address at = {.seed = 11, .stream = 3, .step = k};
        slivi_draw(slivi_law_normal, &at, N, D, px);
        at.stream = 4;
        slivi_draw(slivi_law_rademacher, &at, N, 1, sign);
        for (size_t i = 0; i < N * D; i++)
            px[i] += sign[i / D] * mode[i % D];
        t.run.step = k;
        double y = fields_value(&t, zero);
        sum += y / BLOCKS;
        sum2 += y * y / BLOCKS;
    }
    double se = sqrt((sum2 - sum * sum) / (BLOCKS - 1));
    ck_assert_double_lt(fabs(sum), 4 * se);
    ck_assert_double_lt(se, 0.02); /* sharp enough to see a missing 1/2 */
    testing_close(&t);
}
END_TEST

/* ---- O9: a net with two hidden layers, by differences -------------------- */

typedef struct mlp {
    slivi_node w1, w2, w3;
    int energy, known;
} mlp;

static slivi_node mlp_apply(slivi_graph *g, slivi_node x, void *ctx)
{
    const mlp *m = ctx;
    slivi_node h = slivi_tanh(g, slivi_matmul(g, x, m->w1));
    h = slivi_softplus(g, slivi_matmul(g, h, m->w2));
    return slivi_matmul(g, h, m->w3);
}

/* A base that is known: s_0(x) = -2 x, with trace -2 D. */
static slivi_node mlp_base(slivi_graph *g, slivi_node x, slivi_node *trace,
                           void *ctx)
{
    (void)ctx;
    *trace = slivi_constant(g, -2.0 * D);
    return slivi_scale(g, x, -2);
}

static slivi_node mlp_whole(slivi_graph *g, slivi_node x, void *ctx)
{
    return slivi_add(g, mlp_apply(g, x, ctx), slivi_scale(g, x, -2));
}

static slivi_node mlp_open(testing *t, mlp *m, slivi_field *field, int energy)
{
    fields_open(t, SLIVI_F64, 3);
    slivi_node x = testing_input(t, SLIVI_ROWS, D, -1, 1, 0);
    m->w1 = testing_input(t, D, 6, -1, 1, 0);
    m->w2 = testing_input(t, 6, 5, -1, 1, 0);
    m->w3 = testing_input(t, 5, energy ? 1 : D, -1, 1, 0);
    *field = (slivi_field){.kind = energy ? SLIVI_FIELD_ENERGY
                                          : SLIVI_FIELD_SCORE,
                           .apply = mlp_apply,
                           .ctx = m};
    return x;
}

/* d y / d leaf[k] by central differences with Richardson's correction */
static double difference(testing *t, slivi_node y, slivi_node leaf, size_t k)
{
    double *p = testing_value(t, leaf), keep = p[k], d[2];
    for (int i = 0; i < 2; i++) {
        double h = i ? 5e-4 : 1e-3;
        p[k] = keep + h;
        double up = fields_value(t, y);
        p[k] = keep - h;
        d[i] = (up - fields_value(t, y)) / (2 * h);
    }
    p[k] = keep;
    return (4 * d[1] - d[0]) / 3;
}

static const char *const four[] = {"sm", "ssm", "ssm-vr", "dsm"};

/* _i = objective + 4 * energy: the gradient of each loss in each weight */
START_TEST(parameter_gradients_agree_with_differences)
{
    testing t;
    mlp m;
    slivi_field field;
    slivi_node x = mlp_open(&t, &m, &field, _i / 4);
    slivi_node loss = fields_loss(&t, four[_i % 4], &field, x, slivi_law_normal,
                                  2);
    const slivi_node leaves[3] = {m.w1, m.w2, m.w3};
    slivi_node grad[3];
    ck_assert_int_eq(
        slivi_vjp(t.g, loss, slivi_constant(t.g, 1), 3, leaves, grad), 0);
    for (int k = 0; k < 3; k++) {
        size_t n = testing_entries(&t, leaves[k]);
        double *gw = testing_eval(&t, grad[k]), scale = testing_most(n, gw);
        ck_assert_double_gt(scale, 1e-3);
        for (size_t i = 0; i < n; i++)
            ck_assert_msg(fabs(gw[i] - difference(&t, loss, leaves[k], i))
                              < 1e-7 * scale,
                          "%s w%d[%zu]: %.12g and %.12g", four[_i % 4], k + 1,
                          i, gw[i], difference(&t, loss, leaves[k], i));
        free(gw);
    }
    testing_close(&t);
}
END_TEST

/* The energy's score and curvature by differences of the energy itself. */
START_TEST(energy_derivatives_agree_with_differences)
{
    testing t;
    mlp m;
    slivi_field field;
    slivi_node x = mlp_open(&t, &m, &field, 1);
    slivi_node v = testing_input(&t, SLIVI_ROWS, D, -1, 1, 0);
    slivi_node f = mlp_apply(t.g, x, &m), sum = slivi_sum(t.g, f);
    slivi_node first = slivi_jvp(t.g, f, x, v);
    slivi_node curve = slivi_sum(t.g, slivi_jvp(t.g, first, x, v));
    double *s = testing_eval(&t, slivi_field_score(t.g, &field, x));
    for (size_t k = 0; k < 3 * D; k++)
        ck_assert_double_eq_tol(s[k], difference(&t, sum, x, k), 1e-9);
    double *px = testing_value(&t, x), *pv = testing_value(&t, v), y[3];
    const double h = 1e-3;
    for (int i = 0; i < 3; i++) { /* f(x - hv), f(x), f(x + hv) */
        for (size_t k = 0; k < 3 * D; k++)
            px[k] += (i - 1) * h * pv[k];
        y[i] = fields_value(&t, sum);
        for (size_t k = 0; k < 3 * D; k++)
            px[k] -= (i - 1) * h * pv[k];
    }
    ck_assert_double_eq_tol(fields_value(&t, curve),
                            (y[0] - 2 * y[1] + y[2]) / h / h, 1e-5);
    free(s);
    testing_close(&t);
}
END_TEST

/* A base that is known enters with its exact trace.  For sm, and for slices
   with v'v = D, whose v'(-2)v is -2 D always, that changes nothing at all. */
START_TEST(a_known_base_enters_with_its_exact_trace)
{
    double got[2];
    for (int known = 0; known < 2; known++) {
        testing t;
        mlp m;
        slivi_field field;
        slivi_node x = mlp_open(&t, &m, &field, 0);
        field.base = known ? mlp_base : NULL;
        field.apply = known ? mlp_apply : mlp_whole;
        got[known] = fields_value(
            &t, fields_loss(&t, four[_i], &field, x, slivi_law_rademacher, 3));
        testing_close(&t);
    }
    ck_assert_double_eq_tol(got[0], got[1], 1e-13 * 100);
}
END_TEST

/* ---- refusals, chunks ---------------------------------------------------- */

static slivi_node relu_apply(slivi_graph *g, slivi_node x, void *ctx)
{
    const mlp *m = ctx;
    slivi_node h = slivi_leaky_relu(g, slivi_matmul(g, x, m->w1), 0.1);
    return slivi_matmul(g, h, m->w3);
}

/* Kinks are refused wherever they are differentiated twice: everywhere but
   for dsm with a score field. */
START_TEST(kinks_are_refused_by_their_derivative)
{
    const int energy = _i / 4;
    testing t;
    fields_open(&t, SLIVI_F64, 3);
    slivi_node x = testing_input(&t, SLIVI_ROWS, D, -1, 1, 0);
    mlp m = {.w1 = testing_input(&t, D, 6, -1, 1, 0),
             .w3 = testing_input(&t, 6, energy ? 1 : D, -1, 1, 0)};
    slivi_field field = {energy ? SLIVI_FIELD_ENERGY : SLIVI_FIELD_SCORE,
                         relu_apply, NULL, NULL, &m};
    slivi_objective_options how = fields_options(slivi_law_normal, 1);
    slivi_node loss = slivi_objective_loss(
        t.g, slivi_objective_find(four[_i % 4]), &field, x, &how, NULL);
    if (_i == 3) {
        ck_assert_int_ne(loss.id, 0);
    } else {
        ck_assert_int_eq(loss.id, 0);
        ck_assert_int_eq(slivi_graph_status(t.g), SLIVI_EUNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "step"));
    }
    testing_close(&t);
}
END_TEST

static slivi_node elu_apply(slivi_graph *g, slivi_node x, void *ctx)
{
    const mlp *m = ctx;
    return slivi_matmul(g, slivi_elu(g, slivi_matmul(g, x, m->w1)), m->w3);
}

/* The second derivative of elu jumps: a score may have elu, an energy, which
   is differentiated once more, may not. */
START_TEST(elu_serves_scores_but_not_energies)
{
    testing t;
    fields_open(&t, SLIVI_F64, 3);
    slivi_node x = testing_input(&t, SLIVI_ROWS, D, -1, 1, 0);
    mlp m = {.w1 = testing_input(&t, D, 6, -1, 1, 0),
             .w3 = testing_input(&t, 6, _i ? 1 : D, -1, 1, 0)};
    slivi_field field = {_i ? SLIVI_FIELD_ENERGY : SLIVI_FIELD_SCORE, elu_apply,
                         NULL, NULL, &m};
    slivi_objective_options how = fields_options(slivi_law_normal, 1);
    slivi_node loss = slivi_objective_loss(t.g, slivi_objective_find("ssm"),
                                           &field, x, &how, NULL);
    ck_assert_int_eq(slivi_graph_status(t.g), _i ? SLIVI_EUNSUPPORTED : 0);
    ck_assert_int_eq(loss.id == 0, _i);
    testing_close(&t);
}
END_TEST

START_TEST(bad_options_are_refused)
{
    const struct {
        const char *name, *text;
        slivi_objective_options how;
    } all[] = {
        {"ssm", "0 slices", {0, slivi_law_normal, 1, STREAM}},
        {"ssm-vr", "isotropic", {1, slivi_law_uniform, 1, STREAM}},
        {"ssm", "(none)", {1, NULL, 1, STREAM}},
        {"dsm", "sigma", {1, slivi_law_normal, 0, STREAM}},
        {"dsm", "sigma", {1, slivi_law_normal, NAN, STREAM}},
    };
    testing t;
    mlp m;
    slivi_field field;
    slivi_node x = mlp_open(&t, &m, &field, 0);
    slivi_node loss = slivi_objective_loss(
        t.g, slivi_objective_find(all[_i].name), &field, x, &all[_i].how, NULL);
    ck_assert_int_eq(loss.id, 0);
    ck_assert_int_eq(slivi_graph_status(t.g), SLIVI_EINVAL);
    ck_assert_msg(strstr(slivi_errmsg(), all[_i].text) != NULL, "%s",
                  slivi_errmsg());
    size_t count = 0; /* the lists and the table agree */
    for (; slivi_objectives[count]; count++) {
        ck_assert_str_eq(slivi_objectives[count]->name,
                         slivi_objective_names[count]);
        ck_assert_str_eq(slivi_objectives[count]->name,
                         slivi_score_names[count]);
    }
    ck_assert_ptr_null(slivi_objective_names[count]);
    ck_assert_ptr_nonnull(slivi_score_names[count]); /* kernels come after */
    ck_assert_ptr_null(slivi_objective_find("smm"));
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "ssm-vr"));
    testing_close(&t);
}
END_TEST

/* A base that is known: s_0(x) = -2 x, with trace -2 d. */
static slivi_node wide_base(slivi_graph *g, slivi_node x, slivi_node *trace,
                            void *ctx)
{
    (void)ctx;
    *trace = slivi_constant(g, -2.0 * (double)slivi_node_cols(g, x));
    return slivi_scale(g, x, -2);
}

/* 150 dimensions take three chunks of 64 unit vectors; they add up to the
   formula tr w + |xw + c|^2 / 2, and with the base to that of w - 2 I. */
START_TEST(chunks_of_the_trace_add_up)
{
    enum { BIG = 150 };
    testing t;
    fields_open(&t, SLIVI_F64, 2);
    slivi_node x = testing_input(&t, SLIVI_ROWS, BIG, -1, 1, 0);
    fields_line l = {testing_input(&t, BIG, BIG, -1, 1, 0),
                     testing_input(&t, 1, BIG, -1, 1, 0), 0};
    slivi_field field = fields_linear(&l);
    field.base = _i ? wide_base : NULL;
    slivi_objective_options how = fields_options(slivi_law_normal, 1);
    size_t chunks = 0;
    slivi_node loss = slivi_objective_loss(t.g, slivi_objective_find("sm"),
                                           &field, x, &how, &chunks);
    ck_assert_uint_eq(chunks, 3);
    double sum = 0, want = 0;
    for (t.run.chunk = 0; t.run.chunk < chunks; t.run.chunk++)
        sum += fields_value(&t, loss);
    double *s = testing_eval(&t, slivi_field_score(t.g, &field, x));
    for (size_t j = 0; j < 2 * BIG; j++)
        want += s[j] * s[j] / 4;
    for (size_t j = 0; j < BIG; j++)
        want += testing_value(&t, l.w)[j * BIG + j] - (_i ? 2 : 0);
    ck_assert_double_eq_tol(sum, want, 1e-11);
    free(s);
    testing_close(&t);
}
END_TEST

Suite *slivi_suite_field(void)
{
    Suite *s = suite_create("field");
    TCase *c = tcase_create("fields");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, mixture_score_and_objective_are_the_formulas);
    tcase_add_loop_test(
        c, objectives_at_the_truth_are_minus_half_the_energy_of_the_score, 0,
        3);
    tcase_add_loop_test(c, parameter_gradients_agree_with_differences, 0, 8);
    tcase_add_test(c, energy_derivatives_agree_with_differences);
    tcase_add_loop_test(c, a_known_base_enters_with_its_exact_trace, 0, 3);
    tcase_add_loop_test(c, kinks_are_refused_by_their_derivative, 0, 8);
    tcase_add_loop_test(c, bad_options_are_refused, 0, 5);
    tcase_add_loop_test(c, chunks_of_the_trace_add_up, 0, 2);
    tcase_add_loop_test(c, elu_serves_scores_but_not_energies, 0, 2);
    suite_add_tcase(s, c);
    return s;
}
