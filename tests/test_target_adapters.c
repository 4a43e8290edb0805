/* test_target_adapters.c - kinds of targets: GSL's functions, expressions, one
   of its own.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "chains.h"
#include "evidence.h"
#include "slivi/target.h"
#include "suites.h"
#include "target_inside.h"

#include <math.h>
#include <string.h>
#include <time.h>

enum { N = 333 };

static void check_words(const char *words)
{
    ck_assert_msg(strstr(slivi_errmsg(), words) != NULL, "%s", slivi_errmsg());
}

/* -- GSL's functions ------------------------------------------------------- */

/* a (x_0 - 1)^2 + (x_1 + x_0)^4, and NaN or infinite beyond 3. */
static double gsl_value(const gsl_vector *x, void *params)
{
    const double a = *(double *)params;
    const double x0 = x->data[0], x1 = x->data[x->stride];

    if (x0 > 3)
        return x0 > 4 ? INFINITY : NAN;
    return a * (x0 - 1) * (x0 - 1) + pow(x1 + x0, 4);
}

static void gsl_slope(const gsl_vector *x, void *params, gsl_vector *g)
{
    const double a = *(double *)params;
    const double x0 = x->data[0], x1 = x->data[x->stride];

    g->data[g->stride] = 4 * pow(x1 + x0, 3);
    g->data[0] = g->data[g->stride] + 2 * a * (x0 - 1);
}

static void gsl_both(const gsl_vector *x, void *params, double *f,
                     gsl_vector *g)
{
    *f = gsl_value(x, params);
    gsl_slope(x, params, g);
}

START_TEST(test_gsl)
{
    double a = 0.7, z[] = {0.5, 0.2, 3.5, 0, 5, 0, 1, 1}, lp[4], grad[8];
    double near[80];
    gsl_multimin_function_fdf f = {gsl_value, gsl_slope, gsl_both, 2, &a};
    slivi_target *t = slivi_target_from_gsl(&f);
    slivi_pool *pool = slivi_pool_create(2);

    memset(&f, 0, sizeof f); /* it was copied */
    ck_assert_ptr_nonnull(t);
    ck_assert_uint_eq(slivi_target_dim(t), 2);
    ck_assert_int_eq(slivi_target_eval(t, 4, z, NULL, lp, grad), 0);
    ck_assert_double_eq_tol(lp[0], -0.7 * 0.25 - pow(0.7, 4), 1e-15);
    ck_assert_double_eq_tol(grad[0], 0.7 - 4 * pow(0.7, 3), 1e-15);
    ck_assert_double_eq_tol(grad[1], -4 * pow(0.7, 3), 1e-15);
    ck_assert(lp[1] == -INFINITY && lp[2] == -INFINITY && grad[2] == 0);
    ck_assert_double_eq_tol(lp[3], -16, 1e-14);
    ck_assert_uint_eq(slivi_target_refused(t), 2);
    ck_assert_str_eq(slivi_target_refusal(t), "GSL's function is infinite");
    evidence_draw(9, 0, 40, 2, near);
    ck_assert_msg(slivi_target_check_gradient(t, 40, near, NULL, NULL) == 0,
                  "%s", slivi_errmsg());
    ck_assert_int_eq(slivi_target_set_pool(t, pool), SLIVI_EUNSUPPORTED);
    ck_assert_int_eq(slivi_target_set_pool(t, NULL), 0);
    slivi_target_free(t);
    slivi_pool_free(pool);
    ck_assert_ptr_null(slivi_target_from_gsl(&f));
}
END_TEST

/* -- expressions ----------------------------------------------------------- */

/* chains_knotty as an expression: -sum log cosh x - (x'c)^4 / 4 + b'x, with
   log cosh x = softplus(2x) - x - log 2. */
static slivi_node knotty(slivi_graph *g, slivi_node x)
{
    static const double c[] = {0.7, -0.4, 0.5}, b[] = {0.3, -0.2, 0.1};
    slivi_node s = slivi_constant(g, 0), lp = slivi_constant(g, 3 * log(2));

    for (size_t j = 0; j < 3; j++) {
        const slivi_node xj = slivi_columns(g, x, j, 1);

        s = slivi_add(g, s, slivi_scale(g, xj, c[j]));
        lp = slivi_add(g, lp, slivi_scale(g, xj, 1 + b[j]));
        lp = slivi_sub(g, lp, slivi_softplus(g, slivi_scale(g, xj, 2)));
    }
    s = slivi_square(g, slivi_square(g, s));
    return slivi_sub(g, lp, slivi_scale(g, s, 0.25));
}

START_TEST(test_graph)
{
    enum { MANY = 1200 };
    static double z[MANY * 3], lp[MANY], grad[MANY * 3], want[MANY],
        right[MANY * 3];
    slivi_pool *pool = slivi_pool_create(3);
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    const slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 3);
    slivi_target *t = slivi_target_from_graph(g, x, knotty(g, x));

    ck_assert_msg(t != NULL, "%s", slivi_errmsg());
    ck_assert_uint_eq(slivi_target_dim(t), 3);
    evidence_draw(1, 0, MANY, 3, z);
    chains_knotty(MANY, 3, z, want, right, NULL);
    for (size_t n = 1; n <= MANY; n = n * 2 + 1) {
        memset(lp, 0, sizeof lp);
        ck_assert_int_eq(slivi_target_eval(t, n, z, NULL, lp, grad), 0);
        for (size_t i = 0; i < n; i++)
            ck_assert_double_eq_tol(lp[i], want[i], 1e-13 * (1 + fabs(lp[i])));
        for (size_t i = 0; i < 3 * n; i++)
            ck_assert_double_eq_tol(grad[i], right[i],
                                    1e-13 * (1 + fabs(grad[i])));
    }
    ck_assert_int_eq(slivi_target_eval(t, MANY, z, NULL, lp, grad), 0);
    ck_assert_int_eq(slivi_target_set_pool(t, pool), 0);
    ck_assert_int_eq(slivi_target_eval(t, MANY, z, NULL, want, right), 0);
    ck_assert_mem_eq(lp, want, sizeof lp);
    ck_assert_mem_eq(grad, right, sizeof grad);
    ck_assert_int_eq(slivi_target_set_pool(t, NULL), 0);
    ck_assert_int_eq(slivi_target_eval(t, MANY, z, NULL, want, NULL), 0);
    slivi_target_free(t);
    slivi_graph_free(g);
    slivi_pool_free(pool);
}
END_TEST

/* lp or its gradient that are x or each other; lp that does not vary. */
START_TEST(test_graph_simple)
{
    const double z[] = {-1, 2};
    double lp[2], grad[2];
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    const slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 1);
    const slivi_node y[] = {x, slivi_exp(g, x), slivi_abs(g, x),
                            slivi_full(g, SLIVI_ROWS, 1, 3),
                            slivi_mul(g, x, slivi_stop_gradient(g, x))};
    slivi_target *t;

    ck_assert_int_eq(slivi_graph_status(g), 0);
    t = slivi_target_from_graph(g, x, y[_i]);
    ck_assert_msg(t != NULL, "%s", slivi_errmsg());
    ck_assert_int_eq(slivi_target_eval(t, 2, z, NULL, lp, grad), 0);
    for (size_t i = 0; i < 2; i++) {
        const double values[] = {z[i], exp(z[i]), fabs(z[i]), 3, z[i] * z[i]};
        const double slopes[] = {1, exp(z[i]), z[i] < 0 ? -1 : 1, 0, z[i]};

        ck_assert_double_eq_tol(lp[i], values[_i], 1e-14);
        ck_assert_double_eq_tol(grad[i], slopes[_i], 1e-14);
    }
    slivi_target_free(t);
    slivi_graph_free(g);
}
END_TEST

enum {
    JUMP,
    INPUT,
    NOISE,
    MIXED,
    COUNTED,
    SHAPE,
    LEAF,
    SINGLE,
    BROKEN,
    WRONGS
};

static slivi_node wrong(slivi_graph *g, slivi_node x, int how)
{
    slivi_node sum = slivi_row_sum(g, slivi_square(g, x));

    switch (how) {
    case JUMP:
        return slivi_row_sum(g, slivi_step(g, x));
    case INPUT:
        return slivi_mul(g, sum, slivi_input(g, "w", 1, 1));
    case NOISE:
        return slivi_add(g, sum,
                         slivi_noise(g, slivi_law_normal, SLIVI_ROWS, 1, 1));
    case MIXED:
        return slivi_sub(g, sum, slivi_sum(g, sum));
    case COUNTED:
        return slivi_mul(g, sum, slivi_inverse_rows(g, SLIVI_ROWS));
    case SHAPE:
        return slivi_sum(g, x);
    case BROKEN:
        return slivi_matmul(g, x, x);
    default:
        return sum;
    }
}

START_TEST(test_graph_refused)
{
    static const struct {
        int status;
        const char *words;
    } want[WRONGS] = {
        [JUMP] = {SLIVI_EUNSUPPORTED, "lp jumps (step)"},
        [INPUT] = {SLIVI_EINVAL, "input beside x"},
        [NOISE] = {SLIVI_EINVAL, "draws of its own"},
        [MIXED] = {SLIVI_EINVAL, "mixes points"},
        [COUNTED] = {SLIVI_EINVAL, "number of points"},
        [SHAPE] = {SLIVI_ESHAPE, "not SLIVI_ROWS x 1"},
        [LEAF] = {SLIVI_EINVAL, "x is not an input"},
        [SINGLE] = {SLIVI_EINVAL, "not f64"},
        [BROKEN] = {SLIVI_ESHAPE, "matmul"},
    };
    slivi_graph *g = slivi_graph_create(_i == SINGLE ? SLIVI_F32 : SLIVI_F64);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 2);
    const slivi_node lp = wrong(g, x, _i);

    if (_i == LEAF)
        x = slivi_square(g, x);
    ck_assert_ptr_null(slivi_target_from_graph(g, x, lp));
    ck_assert_int_eq(slivi__status(), want[_i].status);
    check_words(want[_i].words);
    slivi_graph_free(g);
}
END_TEST

/* -- a kind of its own ----------------------------------------------------- */

/* Refuses points below 0, with words; theta is z and its square. */
static int own_eval(void *self, const slivi__points *p)
{
    const struct timespec pause = {0, 200000}; /* lets other threads in */

    (void)self;
    nanosleep(&pause, NULL);
    for (size_t i = 0; i < p->n; i++) {
        p->lp[i] = -p->z[i];
        p->grad[i] = -1;
        if (p->z[i] < 0)
            slivi__target_refuse(p, i, "%g is not for me", p->z[i]);
    }
    return 0;
}

static int own_outside(void *self, size_t n, const double *z, double *theta)
{
    (void)self;
    for (size_t i = 0; i < n; i++) {
        theta[2 * i] = z[i];
        theta[2 * i + 1] = z[i] * z[i];
    }
    return 0;
}

static void count_release(void *ctx)
{
    ++*(int *)ctx;
}

START_TEST(test_own_kind)
{
    static const slivi__target_type type = {.eval = own_eval,
                                            .outside = own_outside,
                                            .set_pool = slivi__target_any_pool,
                                            .release = count_release};
    const slivi__target_shape shape = {.d = 1, .outside = 2};
    const slivi__target_shape none = {0};
    static double z[N], lp[N], grad[N], theta[2 * N];
    slivi_pool *pool = slivi_pool_create(3);
    int released = 0;
    slivi_target *t = slivi__target_create(&type, &released, &shape);

    for (size_t i = 0; i < N; i++)
        z[i] = i < 300 ? -(double)i - 1 : 1;
    ck_assert_int_eq(slivi_target_set_pool(t, pool), 0);
    for (int round = 0; round < 20; round++) {
        ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp, grad), 0);
        ck_assert_str_eq(slivi_target_refusal(t), "-300 is not for me");
    }
    ck_assert(lp[299] == -INFINITY && grad[299] == 0 && lp[300] == -1);
    ck_assert_uint_eq(slivi_target_refused(t), 20 * 300);
    ck_assert_int_eq(slivi_target_eval(t, 1, z + 300, NULL, lp, grad), 0);
    ck_assert_str_eq(slivi_target_refusal(t), "-300 is not for me");
    z[3] = NAN;
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp, grad),
                     SLIVI_ENONFINITE);
    check_words("point 3 has z[1] NaN");
    ck_assert_str_eq(slivi_target_name(t, 1), "z[2]");
    ck_assert_int_eq(slivi_target_outside(t, 3, z, theta), 0);
    ck_assert_double_eq(theta[3], 4);
    ck_assert_int_eq(slivi_target_inside(t, 3, theta, z), SLIVI_EUNSUPPORTED);
    slivi_target_free(t);
    ck_assert_int_eq(released, 1);
    ck_assert_ptr_null(slivi__target_create(&type, &released, &none));
    ck_assert_int_eq(released, 2);
    slivi_pool_free(pool);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *slivi_suite_target_adapters(void)
{
    Suite *s = suite_create("target_adapters");
    TCase *c = tcase_create("adapters");
    tcase_add_test(c, test_gsl);
    tcase_add_test(c, test_graph);
    tcase_add_loop_test(c, test_graph_simple, 0, 5);
    tcase_add_loop_test(c, test_graph_refused, 0, WRONGS);
    tcase_add_test(c, test_own_kind);
    suite_add_tcase(s, c);
    return s;
}
