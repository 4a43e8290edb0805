/* test_net.c - activations, perceptrons, the closed form of the trace.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/node.h"
#include "scratch.h"
#include "slivi/learn.h"
#include "slivi/status.h"
#include "test_learn.h"
#include "testing.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- activations, once more ------------------------------------------- */

static double f_identity(double x)
{
    return x;
}
static double f_softplus(double x)
{
    return log1p(exp(x));
}
static double f_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
static double f_relu(double x)
{
    return x > 0 ? x : 0;
}
static double f_leaky(double x)
{
    return x > 0 ? x : 0.2 * x;
}
static double f_elu(double x)
{
    return x > 0 ? x : exp(x) - 1;
}
static double f_silu(double x)
{
    return x / (1 + exp(-x));
}
static double f_gelu(double x)
{
    return x * erfc(-x / sqrt(2)) / 2;
}

static const struct {
    const char *name;
    double (*f)(double x);
} functions[] = {
    {"identity", f_identity}, {"tanh", tanh},
    {"softplus", f_softplus}, {"sigmoid", f_sigmoid},
    {"relu", f_relu},         {"leaky-relu", f_leaky},
    {"elu", f_elu},           {"silu", f_silu},
    {"gelu", f_gelu},         {"sin", sin},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

START_TEST(test_names)
{
    for (size_t i = 0; i < FUNCTIONS; i++) {
        const slivi_activation *a = slivi_activation_find(functions[i].name);
        ck_assert_ptr_nonnull(a);
        ck_assert_ptr_eq(a, slivi_activations[i]);
        ck_assert_str_eq(a->name, slivi_activation_names[i]);
    }
    ck_assert_ptr_null(slivi_activations[FUNCTIONS]);
    ck_assert_ptr_null(slivi_activation_names[FUNCTIONS]);
    ck_assert_ptr_null(slivi_activation_find("swish"));
    CHECK_WORDS("no activation \"swish\"; there is identity, tanh");
    CHECK_WORDS(", gelu, sin");
}
END_TEST

/* f, f' and f'' as nodes of x; f' is the derivative along ones. */
static void derivatives(slivi_graph *g, const slivi_activation *a, slivi_node x,
                        slivi_node y[3])
{
    slivi_node one = slivi_full(g, slivi_node_rows(g, x), 1, 1);
    y[0] = a->apply(g, x);
    y[1] = slivi_jvp(g, y[0], x, one);
    y[2] = slivi_jvp(g, y[1], x, one);
}

START_TEST(test_activation)
{
    enum { N = 60 };
    const double h = cbrt(DBL_EPSILON);
    testing t;
    slivi_node y[3];
    testing_open(&t, SLIVI_F64, N);
    slivi_node x = testing_input(&t, SLIVI_ROWS, 1, -4, 4, 0.01);
    double *at = testing_value(&t, x);
    derivatives(t.g, slivi_activation_find(functions[_i].name), x, y);
    for (int k = 0; k < 3; k++) {
        double *now = testing_eval(&t, y[k]);
        for (size_t i = 0; i < N && !k; i++)
            ck_assert_double_le(fabs(now[i] - functions[_i].f(at[i])), 1e-14);
        for (size_t i = 0; i < N; i++)
            at[i] += h;
        double *up = k ? testing_eval(&t, y[k - 1]) : NULL;
        for (size_t i = 0; i < N; i++)
            at[i] -= 2 * h;
        double *down = k ? testing_eval(&t, y[k - 1]) : NULL;
        for (size_t i = 0; i < N; i++)
            at[i] += h;
        for (size_t i = 0; i < N && k; i++)
            ck_assert_msg(fabs(now[i] - (up[i] - down[i]) / (2 * h)) < 1e-9,
                          "%s: derivative %d at %g", functions[_i].name, k,
                          at[i]);
        free(now);
        free(up);
        free(down);
    }
    testing_close(&t);
}
END_TEST

/* ---- a net with its inputs --------------------------------------------- */

typedef struct world {
    testing t;
    slivi_params *p;
    slivi_weights *w;
    slivi_net *net;
    slivi_net_spec spec;
    slivi_node x[3];
} world;

static const slivi_list no_hidden = {0};

/* Input k has slices[k] n rows. */
static void open_world(world *o, enum slivi_precision precision,
                       const char *activation, slivi_list inputs,
                       slivi_list hidden, size_t outputs,
                       const ptrdiff_t *slices)
{
    testing_open(&o->t, precision, 5);
    o->t.run.chunk = 0;
    o->p = slivi_params_create(precision);
    o->spec = (slivi_net_spec){
        "net", inputs, hidden, outputs, slivi_activation_find(activation), 0};
    o->net = slivi_net_create(o->p, &o->spec);
    ck_assert_msg(o->net != NULL, "%s", slivi_errmsg());
    slivi_params_init(o->p, 11, 2);
    o->w = slivi_weights_create(o->t.g, o->p);
    ck_assert_ptr_nonnull(o->w);
    for (size_t k = 0; k < inputs.count; k++)
        o->x[k] = testing_input(&o->t, (slices ? slices[k] : 1) * SLIVI_ROWS,
                                inputs.at[k], -2, 2, 0);
}

static void close_world(world *o)
{
    slivi_weights_free(o->w);
    slivi_net_free(o->net);
    slivi_params_free(o->p);
    testing_close(&o->t);
}

/* The value of a node; gradient, unless NULL, is filled as well. */
static double *eval(world *o, slivi_node y, double *gradient)
{
    slivi_node out[32] = {slivi_variable(o->t.g, y)};
    size_t count = gradient ? slivi_weights_count(o->w) : 0;
    ck_assert_uint_lt(count, 32);
    if (gradient)
        slivi_weights_gradients(o->w, out + 1);
    slivi_plan *plan = slivi_plan_create(o->t.g, 1 + count, out, o->t.n);
    ck_assert_msg(plan != NULL, "%s", slivi_errmsg());
    slivi_workspace *ws = slivi_workspace_create(plan, o->t.pool);
    ck_assert_msg(ws != NULL, "%s", slivi_errmsg());
    double *value = calloc(testing_entries(&o->t, y), sizeof *value);
    ck_assert_ptr_nonnull(value);
    for (size_t i = 0; i < o->t.count; i++)
        CHECK_OK(
            slivi_workspace_bind(ws, o->t.leaf[i].node, o->t.leaf[i].value));
    CHECK_OK(slivi_weights_bind(o->w, ws, slivi_params_const_values(o->p),
                                gradient));
    CHECK_OK(slivi_workspace_bind(ws, out[0], value));
    CHECK_OK(slivi_workspace_run(ws, &o->t.run));
    slivi_workspace_free(ws);
    slivi_plan_free(plan);
    return value;
}

/* y = ... f(sum_i x_i W1_i + b1) ... by plain loops, for row r */
static void by_hand(world *o, double (*f)(double), size_t r, double *y)
{
    const slivi_net_spec *s = &o->spec;
    const double *v = slivi_params_const_values(o->p);
    double h[64], a[64];
    size_t in = 0;
    for (size_t k = 0; k < s->inputs.count; k++) {
        size_t d = s->inputs.at[k];
        size_t rows = testing_entries(&o->t, o->x[k]) / d;
        for (size_t j = 0; j < d; j++)
            h[in++] = testing_value(&o->t, o->x[k])[r % rows * d + j];
    }
    for (size_t l = 0; l <= s->hidden.count; l++) {
        size_t out = l < s->hidden.count ? s->hidden.at[l] : s->outputs;
        const double *w = v, *b = v + in * out; /* w1 b1 w2 b2 ... */
        v += (in + 1) * out;
        for (size_t j = 0; j < out; j++) {
            a[j] = b[j];
            for (size_t i = 0; i < in; i++)
                a[j] += h[i] * w[i * out + j];
        }
        for (size_t j = 0; j < out; j++)
            h[j] = l < s->hidden.count ? f(a[j]) : a[j];
        in = out;
    }
    memcpy(y, h, in * sizeof *y);
}

static const slivi_list widths[] = {
    {0, {0}}, {1, {6}}, {2, {6, 5}}, {3, {4, 7, 3}}};
static const slivi_list columns[] = {{1, {4}}, {2, {3, 2}}, {3, {1, 4, 2}}};
static const ptrdiff_t one[3] = {1, 1, 1}, mixed[3] = {1, 3, 1};

/* 4 depths x 3 numbers of inputs x rows alike or by slices */
START_TEST(test_apply)
{
    const size_t depth = (size_t)_i % 4, inputs = (size_t)_i / 4 % 3;
    const int sliced = _i >= 12;
    world o;
    open_world(&o, SLIVI_F64, depth % 2 ? "tanh" : "gelu", columns[inputs],
               widths[depth], 3, sliced ? mixed : one);
    slivi_node y = slivi_net_apply(o.net, o.w, o.x);
    size_t rows = testing_entries(&o.t, y) / 3;
    ck_assert_uint_eq(slivi_node_cols(o.t.g, y), 3);
    ck_assert_uint_eq(rows, sliced && inputs ? 15 : 5);
    double *got = eval(&o, y, NULL), wanted[3];
    for (size_t r = 0; r < rows; r++) {
        by_hand(&o, depth % 2 ? tanh : f_gelu, r, wanted);
        for (size_t j = 0; j < 3; j++)
            ck_assert_double_le(fabs(got[3 * r + j] - wanted[j]), 1e-14);
    }
    free(got);
    close_world(&o);
}
END_TEST

START_TEST(test_views)
{
    /* fan-in of the first layer counts all inputs: 7, then 6 and 5 */
    const struct {
        const char *name;
        size_t rows, cols, fan_in;
    } wanted[] = {{"net.w1", 7, 6, 7}, {"net.b1", 1, 6, 7},
                  {"net.w2", 6, 5, 6}, {"net.b2", 1, 5, 6},
                  {"net.w3", 5, 3, 5}, {"net.b3", 1, 3, 5}};
    world o;
    open_world(&o, SLIVI_F64, "tanh", columns[2], widths[2], 3, NULL);
    const double *v = slivi_params_const_values(o.p);
    ck_assert_uint_eq(slivi_params_views(o.p), 6);
    for (size_t i = 0; i < 6; i++) {
        const slivi_view *view = slivi_params_view(o.p, i);
        const double bound = 1 / sqrt((double)wanted[i].fan_in);
        double most = 0;
        ck_assert_str_eq(view->name, wanted[i].name);
        ck_assert_uint_eq(view->rows, wanted[i].rows);
        ck_assert_uint_eq(view->cols, wanted[i].cols);
        ck_assert_double_eq_tol(view->bound, bound, 1e-15);
        for (size_t j = 0; j < view->rows * view->cols; j++)
            most = fmax(most, fabs(v[view->offset + j]));
        ck_assert_double_le(most, bound);
        ck_assert_double_ge(most, bound / 10);
    }
    close_world(&o);
}
END_TEST

static size_t products(const slivi_graph *g, size_t from)
{
    size_t count = 0;
    for (size_t id = from + 1; id <= slivi_graph_count(g); id++)
        count += !strcmp(slivi_node_op(g, (slivi_node){(int)id}), "matmul");
    return count;
}

/* s(z | x): the tangent in z makes one product per layer, none of them over
   the 40 columns of x. */
START_TEST(test_conditional)
{
    world o;
    open_world(&o, SLIVI_F64, "tanh", (slivi_list){2, {40, 4}}, widths[2], 4,
               NULL);
    slivi_graph *g = o.t.g;
    slivi_node y = slivi_net_apply(o.net, o.w, o.x);
    ck_assert_uint_eq(products(g, 0), 4);
    slivi_node v = slivi_noise(g, slivi_law_rademacher, 2 * SLIVI_ROWS, 4, 1);
    const size_t before = slivi_graph_count(g);
    slivi_node jv = slivi_jvp(g, y, o.x[1], v);
    ck_assert_int_eq(slivi_node_rows(g, jv), 2 * SLIVI_ROWS);
    ck_assert_uint_eq(products(g, before), 3);
    for (size_t id = before + 1; id <= slivi_graph_count(g); id++) {
        const slivi__node *node = slivi__at(g, (slivi_node){(int)id});
        for (int k = 0; k < node->op->arity; k++) {
            ck_assert_uint_ne(slivi_node_cols(g, node->in[k]), 40);
            ck_assert_int_ne(slivi_node_rows(g, node->in[k]), 40);
        }
    }
    close_world(&o);
}
END_TEST

START_TEST(test_single)
{
    world o, s;
    open_world(&o, SLIVI_F64, "softplus", columns[1], widths[3], 3, NULL);
    open_world(&s, SLIVI_F32, "softplus", columns[1], widths[3], 3, NULL);
    size_t n = slivi_params_size(o.p);
    double *v = malloc(n * sizeof *v);
    float x[2][16], y[15];
    slivi_params_get(o.p, v);
    slivi_params_set(s.p, v);
    slivi_node out = slivi_net_apply(s.net, s.w, s.x);
    slivi_plan *plan = slivi_plan_create(s.t.g, 1, &out, 5);
    slivi_workspace *ws = slivi_workspace_create(plan, NULL);
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < s.t.leaf[k].count; i++)
            x[k][i] = (float)s.t.leaf[k].value[i];
        CHECK_OK(slivi_workspace_bind(ws, s.x[k], x[k]));
    }
    CHECK_OK(slivi_weights_bind(s.w, ws, slivi_params_values(s.p), NULL));
    CHECK_OK(slivi_workspace_bind(ws, out, y));
    CHECK_OK(slivi_workspace_run(ws, &s.t.run));
    double *wanted = eval(&o, slivi_net_apply(o.net, o.w, o.x), NULL);
    for (size_t i = 0; i < 15; i++)
        ck_assert_double_le(fabs((double)y[i] - wanted[i]), 1e-5);
    free(wanted);
    free(v);
    slivi_workspace_free(ws);
    slivi_plan_free(plan);
    close_world(&o);
    close_world(&s);
}
END_TEST

/* ---- the trace -------------------------------------------------------- */

enum { D = 3 };

static void open_score(world *o, const char *activation)
{
    open_world(o, SLIVI_F64, activation, (slivi_list){3, {2, D, D}},
               (slivi_list){2, {6, 5}}, D, NULL);
}

/* every activation, by both inputs that have D columns */
START_TEST(test_trace)
{
    const size_t k = _i % 2 ? 2 : 1;
    world o;
    open_score(&o, functions[_i / 2].name);
    slivi_graph *g = o.t.g;
    ck_assert_int_eq(slivi_net_has_trace(o.net), 1);
    slivi_node v = slivi_units(g, D, D);
    slivi_node jv = slivi_jvp(g, slivi_net_apply(o.net, o.w, o.x), o.x[k], v);
    slivi_node sum = slivi_sum_to(g, slivi_row_dot(g, v, jv), SLIVI_ROWS, 1);
    slivi_node tr = slivi_net_trace(o.net, o.w, o.x, k);
    ck_assert_int_eq(slivi_node_rows(g, tr), SLIVI_ROWS);
    ck_assert_uint_eq(slivi_node_cols(g, tr), 1);
    double *wanted = eval(&o, sum, NULL), *got = eval(&o, tr, NULL);
    ck_assert_double_ge(testing_most(5, wanted), 1e-3);
    ck_assert_double_le(testing_distance(5, wanted, got),
                        1e-12 * testing_most(5, wanted));
    free(wanted);
    free(got);
    close_world(&o);
}
END_TEST

/* d/dW mean tr^2 against central differences, entry by entry */
START_TEST(test_trace_gradient)
{
    const double h = cbrt(DBL_EPSILON);
    world o;
    open_score(&o, "softplus");
    slivi_graph *g = o.t.g;
    slivi_node tr = slivi_net_trace(o.net, o.w, o.x, 1);
    slivi_node loss = slivi_mean(g, slivi_square(g, tr));
    CHECK_OK(slivi_weights_differentiate(o.w, loss));
    size_t n = slivi_params_size(o.p);
    double *values = slivi_params_values(o.p);
    double *found = calloc(n, sizeof *found);
    double *numeric = calloc(n, sizeof *numeric);
    free(eval(&o, loss, found));
    for (size_t i = 0; i < n; i++) {
        const double keep = values[i];
        values[i] = keep + h;
        double *up = eval(&o, loss, NULL);
        values[i] = keep - h;
        double *down = eval(&o, loss, NULL);
        values[i] = keep;
        numeric[i] = (*up - *down) / (2 * h);
        free(up);
        free(down);
    }
    /* all of w1, b1, w2, b2 and w3 matter; b3 does not */
    const slivi_view *b3 = slivi_params_view(o.p, 5);
    for (size_t i = 0; i < 5; i++) {
        const slivi_view *v = slivi_params_view(o.p, i);
        ck_assert_double_ge(testing_most(v->rows * v->cols, found + v->offset),
                            1e-6);
    }
    ck_assert_double_eq(testing_most(D, found + b3->offset), 0);
    ck_assert_double_le(testing_distance(n, found, numeric),
                        1e-7 * testing_most(n, found));
    free(found);
    free(numeric);
    close_world(&o);
}
END_TEST

/* ---- refusals --------------------------------------------------------- */

START_TEST(test_trace_refusals)
{
    world o;
    open_world(&o, SLIVI_F64, "tanh", (slivi_list){1, {3}}, widths[1], 3, NULL);
    ck_assert_int_eq(slivi_net_has_trace(o.net), 0);
    ck_assert_int_eq(slivi_net_trace(o.net, o.w, o.x, 0).id, 0);
    CHECK_FAILS(slivi_graph_status(o.t.g), SLIVI_EUNSUPPORTED,
                "needs two hidden layers, not 1");
    close_world(&o);
    for (size_t k = 0; k < 4; k += 3) { /* too few columns; no such input */
        open_score(&o, "tanh");
        ck_assert_int_eq(slivi_net_trace(o.net, o.w, o.x, k).id, 0);
        CHECK_FAILS(slivi_graph_status(o.t.g), SLIVI_ESHAPE,
                    "not as many as the 3 outputs");
        close_world(&o);
    }
    open_score(&o, "tanh");
    o.x[0] = o.x[1];
    ck_assert_int_eq(slivi_net_apply(o.net, o.w, o.x).id, 0);
    CHECK_FAILS(slivi_graph_status(o.t.g), SLIVI_ESHAPE,
                "input 0 has 3 columns, not 2");
    close_world(&o);
}
END_TEST

/* The value of a node and the gradient of its mean square. */
static double *eval_square(world *o, slivi_node y, double *gradient)
{
    slivi_graph *g = o->t.g;
    ck_assert_int_eq(
        slivi_weights_differentiate(o->w, slivi_mean(g, slivi_square(g, y))),
        0);
    return eval(o, y, gradient);
}

/* A product that is given, 1/4 too large, acts like a bias that is so: in the
   value, and in every gradient, that of the product's weights included. */
START_TEST(test_given_product)
{
    const slivi_list inputs = {2, {2, 3}}, hidden = {1, {4}};
    world plain, given;
    open_world(&plain, SLIVI_F64, "tanh", inputs, hidden, 3, NULL);
    open_world(&given, SLIVI_F64, "tanh", inputs, hidden, 3, NULL);
    const size_t n = slivi_params_size(plain.p), rows = plain.t.n;
    double *g1 = calloc(2 * n, sizeof *g1), *g2 = g1 + n;

    slivi_graph *g = given.t.g;
    slivi_node product = slivi_matmul(
        g, given.x[0], slivi_net_input_weights(given.net, given.w, 0));
    double *xw = eval(&given, product, NULL);
    slivi_node value = testing_input(&given.t, SLIVI_ROWS, 4, -1, 1, 0);
    for (size_t i = 0; i < 4 * rows; i++)
        testing_value(&given.t, value)[i] = xw[i] + 0.25;
    CHECK_OK(slivi_weights_give(given.w, product, value));
    double *b = (double *)slivi_params_values(plain.p)
                + slivi_params_view(plain.p, 1)->offset;
    ck_assert_str_eq(slivi_params_view(plain.p, 1)->name, "net.b1");
    for (size_t j = 0; j < 4; j++)
        b[j] += 0.25;

    double *y1 = eval_square(&plain,
                             slivi_net_apply(plain.net, plain.w, plain.x), g1);
    double *y2 = eval_square(&given,
                             slivi_net_apply(given.net, given.w, given.x), g2);
    ck_assert_double_le(testing_distance(3 * rows, y1, y2), 1e-14);
    ck_assert_double_le(testing_distance(n, g1, g2), 1e-14);
    ck_assert_double_ge(testing_norm(2 * 4, g1), 1e-3); /* of these weights */

    ck_assert_int_eq(slivi_net_input_weights(given.net, given.w, 2).id, 0);
    CHECK_WORDS("input 2 of 2");
    free(y1);
    free(y2);
    free(xw);
    free(g1);
    close_world(&plain);
    close_world(&given);
}
END_TEST

START_TEST(test_create_refusals)
{
    const slivi_activation *f = slivi_activation_find("tanh");
    const slivi_list in = {1, {3}}, none = {0, {0}}, zero = {2, {3, 0}};
    const slivi_list many = {9, {0}};
    const slivi_net_spec wrong[] = {
        {NULL, in, in, 2, f, 0},   {"", in, in, 2, f, 0},
        {"n", none, in, 2, f, 0},  {"n", many, in, 2, f, 0},
        {"n", in, many, 2, f, 0},  {"n", zero, in, 2, f, 0},
        {"n", in, zero, 2, f, 0},  {"n", in, in, 0, f, 0},
        {"n", in, in, 2, NULL, 0}, {"n", {2, {SIZE_MAX, 2}}, none, 2, f, 0},
        {"taken", in, in, 2, f, 0}};
    slivi_params *p = slivi_params_create(SLIVI_F64);
    ck_assert_int_eq(slivi_params_add(p, "taken.b2", 2, 2, 0, 0), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_ptr_null(slivi_net_create(p, &wrong[i]));
        ck_assert_uint_eq(slivi_params_views(p), 1);
        ck_assert_uint_eq(slivi_params_size(p), 4);
    }
    CHECK_WORDS("taken.b2 is taken");
    slivi_net_spec affine = {"n", in, no_hidden, 2, NULL, 0};
    slivi_net *net = slivi_net_create(p, &affine);
    ck_assert_ptr_nonnull(net);
    ck_assert_uint_eq(slivi_params_size(p), 4 + 8);
    slivi_net_free(net);
    slivi_net_free(NULL);
    slivi_params_free(p);
}
END_TEST

/* ---- memory ----------------------------------------------------------- */

/* All from parameters to gradients; 1 when it came to its end. */
static int build_all(void)
{
    const slivi_net_spec spec = {
        "net", {2, {2, 3}}, {2, {4, 4}}, 3, slivi_activation_find("gelu"), 0};
    slivi_params *p = slivi_params_create(SLIVI_F32);
    slivi_net *net = p ? slivi_net_create(p, &spec) : NULL;
    slivi_graph *g = slivi_graph_create(SLIVI_F32);
    slivi_weights *w = g && net ? slivi_weights_create(g, p) : NULL;
    int good = 0;
    if (p && !net)
        ck_assert_uint_eq(slivi_params_size(p), 0);
    if (w) {
        slivi_node x[2] = {slivi_input(g, "x", SLIVI_ROWS, 2),
                           slivi_input(g, "z", SLIVI_ROWS, 3)};
        slivi_node tr = slivi_net_trace(net, w, x, 1);
        slivi_node y = slivi_net_apply(net, w, x);
        slivi_node loss = slivi_mean(g, slivi_add(g, tr, slivi_square(g, y)));
        good = slivi_weights_differentiate(w, loss) == 0;
        if (!good)
            ck_assert_uint_eq(slivi_weights_count(w), 0);
    }
    slivi_weights_free(w);
    slivi_graph_free(g);
    slivi_net_free(net);
    slivi_params_free(p);
    return good;
}

START_TEST(test_no_memory)
{
    size_t k = 0;
    int good = 0;
    while (!good) {
        scratch_memory *m = scratch_watch(0);
        m->fail_at = ++k;
        m->for_good = _i;
        good = build_all();
        if (!good)
            ck_assert_str_ne(slivi_errmsg(), "");
        ck_assert_uint_eq(m->live, 0);
        ck_assert_uint_lt(k, 1000);
        if (good)
            ck_assert_uint_gt(k, m->calls);
        scratch_unwatch();
    }
    ck_assert_uint_gt(k, 20);
}
END_TEST

TCase *learn_nets(void)
{
    TCase *c = tcase_create("nets");
    tcase_add_test(c, test_names);
    tcase_add_loop_test(c, test_activation, 0, FUNCTIONS);
    tcase_add_loop_test(c, test_apply, 0, 24);
    tcase_add_test(c, test_views);
    tcase_add_test(c, test_conditional);
    tcase_add_test(c, test_single);
    tcase_add_loop_test(c, test_trace, 0, 2 * FUNCTIONS);
    tcase_add_test(c, test_trace_gradient);
    tcase_add_test(c, test_trace_refusals);
    tcase_add_test(c, test_given_product);
    tcase_add_test(c, test_create_refusals);
    tcase_add_loop_test(c, test_no_memory, 0, 2);
    return c;
}
