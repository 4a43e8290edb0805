/* test_transform.c - unbounded coordinates: Jacobians against differences,
   densities that integrate to 1, round trips, extremes, refusals.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "evidence.h"
#include "slivi/transform.h"
#include "suites.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16, POINTS = 20 };

/* -- what is tried --------------------------------------------------------- */

#define AFTER(v, s, i)                                                         \
    {                                                                          \
        .value = (v), .slope = (s), .of = (i)                                  \
    }

static const slivi_parameter reals[] = {
    {.name = "a", .offset.value = 1.5, .scale.value = 0.3},
    {.name = "b", .count = 2},
};
static const slivi_parameter bounds[] = {
    {.name = "a", .support = "lower", .lower.value = -1},
    {.name = "b", .count = 2, .support = "upper", .upper.value = 2},
    {.name = "c", .support = "interval", .lower.value = -1, .upper.value = 3},
};
static const slivi_parameter simplex[] = {
    {.name = "p", .count = 4, .support = "simplex"},
    {.name = "q", .support = "lower", .lower = AFTER(0.5, 2, 3)},
};
static const slivi_parameter ordered[] = {
    {.name = "c", .count = 3, .support = "ordered"},
    {.name = "d",
     .count = 2,
     .offset = AFTER(1, -1, 0),
     .scale = AFTER(9, 0.5, 2)},
};
static const slivi_parameter garch[] = {
    {.name = "mu"},
    {.name = "alpha0", .support = "lower"},
    {.name = "alpha1", .support = "interval", .upper.value = 1},
    {.name = "beta1", .support = "interval", .upper = AFTER(1, -1, 2)},
};
static const slivi_parameter schools[] = {
    {.name = "mu", .scale.value = 5},
    {.name = "tau", .support = "lower"},
    {.name = "theta",
     .count = 3,
     .offset = AFTER(0, 1, 0),
     .scale = AFTER(0, 1, 1)},
};
/* Bounds of bounds: adjoints are passed on twice. */
static const slivi_parameter nested[] = {
    {.name = "a"},
    {.name = "b", .support = "upper", .upper = AFTER(1, -2, 0)},
    {.name = "c",
     .count = 2,
     .support = "interval",
     .lower = AFTER(-1, 3, 1),
     .upper = AFTER(40, -0.5, 1)},
    {.name = "d", .support = "lower", .lower = AFTER(0, 1, 3)},
};

static const struct {
    const slivi_parameter *parameters;
    size_t count;
    size_t dropped; /* an entry of theta that is what others leave, or MOST */
} cases[] = {
    {reals, 2, MOST}, {bounds, 3, MOST},  {simplex, 2, 3},   {ordered, 2, MOST},
    {garch, 4, MOST}, {schools, 3, MOST}, {nested, 4, MOST},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static slivi_transform *make(int c)
{
    slivi_transform *t = slivi_transform_create(cases[c].count,
                                                cases[c].parameters);

    ck_assert_msg(t != NULL, "%s", slivi_errmsg());
    ck_assert_uint_le(slivi_transform_outside(t), MOST);
    return t;
}

/* -- against differences --------------------------------------------------- */

/* log |det a| of an n x n matrix, by elimination with pivots. */
static double log_det(size_t n, double a[MOST][MOST])
{
    double sum = 0;

    for (size_t k = 0; k < n; k++) {
        size_t best = k;

        for (size_t i = k + 1; i < n; i++)
            if (fabs(a[i][k]) > fabs(a[best][k]))
                best = i;
        for (size_t j = 0; j < n; j++) {
            const double swap = a[k][j];

            a[k][j] = a[best][j];
            a[best][j] = swap;
        }
        sum += log(fabs(a[k][k]));
        for (size_t i = k + 1; i < n; i++)
            for (size_t j = n; j-- > k;)
                a[i][j] -= a[i][k] / a[k][k] * a[k][j];
    }
    return sum;
}

/* Row j of jacobian: d theta / d u_j, without the dropped entry. */
static void differences(const slivi_transform *t, int c, const double *u,
                        double jacobian[MOST][MOST])
{
    const size_t d = slivi_transform_inside(t), o = slivi_transform_outside(t);
    const double h = 1e-3;

    for (size_t j = 0; j < d; j++) {
        double at[MOST], theta[4][MOST];
        static const double steps[] = {1, -1, 2, -2};
        size_t column = 0;

        for (size_t s = 0; s < 4; s++) {
            memcpy(at, u, d * sizeof *u);
            at[j] += steps[s] * h;
            slivi_transform_out(t, 1, at, theta[s], NULL);
        }
        for (size_t k = 0; k < o; k++)
            if (k != cases[c].dropped)
                jacobian[j][column++] = (8 * (theta[0][k] - theta[1][k])
                                         - (theta[2][k] - theta[3][k]))
                                        / (12 * h);
    }
}

START_TEST(test_log_det)
{
    slivi_transform *t = make(_i);
    const size_t d = slivi_transform_inside(t);
    double u[POINTS * MOST], theta[MOST], got, jacobian[MOST][MOST];

    evidence_draw(1, 0, POINTS, d, u);
    for (size_t i = 0; i < POINTS; i++) {
        slivi_transform_out(t, 1, u + i * d, theta, &got);
        differences(t, _i, u + i * d, jacobian);
        ck_assert_double_eq_tol(got, log_det(d, jacobian), 1e-8);
    }
    slivi_transform_free(t);
}
END_TEST

/* log |det| + sum_k w_k sin(theta_k + k), w_k = 1 + k/2 */
static double objective(const slivi_transform *t, const double *u)
{
    double theta[MOST], sum;

    slivi_transform_out(t, 1, u, theta, &sum);
    for (size_t k = 0; k < slivi_transform_outside(t); k++)
        sum += (1 + 0.5 * (double)k) * sin(theta[k] + (double)k);
    return sum;
}

START_TEST(test_gradient)
{
    slivi_transform *t = make(_i);
    const size_t d = slivi_transform_inside(t), o = slivi_transform_outside(t);
    double u[POINTS * MOST], theta[POINTS * MOST], gtheta[POINTS * MOST];
    double gu[POINTS * MOST], scratch[MOST];
    const double h = 1e-4;

    evidence_draw(2, 0, POINTS, d, u);
    slivi_transform_out(t, POINTS, u, theta, NULL);
    for (size_t i = 0; i < POINTS * o; i++)
        gtheta[i] = (1 + 0.5 * (double)(i % o))
                    * cos(theta[i] + (double)(i % o));
    slivi_transform_gradient(t, POINTS, u, theta, gtheta, gu, scratch);
    for (size_t i = 0; i < POINTS * d; i++) {
        double *at = u + i / d * d, *x = u + i, x0 = *x, f[4];

        for (int s = 0; s < 4; s++) {
            *x = x0 + (s % 2 ? -1 : 1) * (1 + s / 2) * h;
            f[s] = objective(t, at);
        }
        *x = x0;
        ck_assert_double_eq_tol(gu[i],
                                (8 * (f[0] - f[1]) - (f[2] - f[3])) / (12 * h),
                                1e-7 * (1 + fabs(gu[i])));
    }
    slivi_transform_free(t);
}
END_TEST

/* Back and forth; rows apart or together. */
START_TEST(test_round_trip)
{
    slivi_transform *t = make(_i);
    const size_t d = slivi_transform_inside(t), o = slivi_transform_outside(t);
    double u[POINTS * MOST], theta[POINTS * MOST], back[POINTS * MOST];
    double one[MOST], det[POINTS], got;

    evidence_draw(3, 0, POINTS, d, u);
    slivi_transform_out(t, POINTS, u, theta, det);
    ck_assert_int_eq(slivi_transform_in(t, POINTS, theta, back), 0);
    for (size_t i = 0; i < POINTS * d; i++)
        ck_assert_double_eq_tol(back[i], u[i], 1e-12);
    for (size_t i = 0; i < POINTS; i++) {
        slivi_transform_out(t, 1, u + i * d, one, &got);
        ck_assert_double_eq(got, det[i]);
        ck_assert_mem_eq(one, theta + i * o, o * sizeof *one);
    }
    slivi_transform_free(t);
}
END_TEST

/* -- densities ------------------------------------------------------------- */

/* Integral over u in [-span, span]^d (d 1 or 2) of f(theta) |det|, by the
   trapezoidal rule, which is exact to rounding for what falls off smoothly. */
static double integral(const slivi_parameter *p, double span, size_t cells,
                       double (*f)(const double *theta))
{
    slivi_transform *t = slivi_transform_create(1, p);
    const size_t d = slivi_transform_inside(t);
    const size_t others = d == 2 ? cells : 1;
    const double h = 2 * span / (double)cells;
    double sum = 0, theta[4], u[2], det;

    ck_assert_uint_le(d, 2);
    for (size_t i = 0; i < cells; i++)
        for (size_t j = 0; j < others; j++) {
            u[0] = ((double)i + 0.5) * h - span;
            u[1] = ((double)j + 0.5) * h - span;
            slivi_transform_out(t, 1, u, theta, &det);
            sum += f(theta) * exp(det) * (d == 2 ? h * h : h);
        }
    slivi_transform_free(t);
    return sum;
}

static double beta(const double *x) /* Beta(2, 3) */
{
    return 12 * x[0] * (1 - x[0]) * (1 - x[0]);
}

static double beta_mean(const double *x)
{
    return x[0] * beta(x);
}

static double dirichlet(const double *x) /* (2, 3, 1.5) */
{
    return exp(lgamma(6.5) - lgamma(2) - lgamma(3) - lgamma(1.5)) * x[0] * x[1]
           * x[1] * sqrt(x[2]);
}

static double dirichlet_mean(const double *x)
{
    return x[1] * dirichlet(x);
}

static double exponential(const double *x)
{
    return 2 * exp(-2 * (x[0] - 3));
}

static double mirrored(const double *x)
{
    return 2 * exp(2 * (x[0] - 3));
}

static double normal(const double *x)
{
    return exp(-x[0] * x[0] / 2) / sqrt(2 * acos(-1));
}

/* Of two independent normals, sorted. */
static double sorted(const double *x)
{
    return 2 * normal(x) * normal(x + 1);
}

START_TEST(test_integrals)
{
    const slivi_parameter unit = {
        .name = "x", .support = "interval", .upper.value = 1};
    const slivi_parameter three = {
        .name = "x", .count = 3, .support = "simplex"};
    const slivi_parameter above = {
        .name = "x", .support = "lower", .lower.value = 3};
    const slivi_parameter below = {
        .name = "x", .support = "upper", .upper.value = 3};
    const slivi_parameter real = {
        .name = "x", .offset.value = 1, .scale.value = 0.5};
    const slivi_parameter two = {.name = "x", .count = 2, .support = "ordered"};

    ck_assert_double_eq_tol(integral(&unit, 40, 1000, beta), 1, 1e-12);
    ck_assert_double_eq_tol(integral(&unit, 40, 1000, beta_mean), 0.4, 1e-12);
    ck_assert_double_eq_tol(integral(&three, 25, 400, dirichlet), 1, 1e-9);
    ck_assert_double_eq_tol(integral(&three, 25, 400, dirichlet_mean), 3 / 6.5,
                            1e-9);
    ck_assert_double_eq_tol(integral(&above, 40, 4000, exponential), 1, 1e-12);
    ck_assert_double_eq_tol(integral(&below, 40, 4000, mirrored), 1, 1e-12);
    ck_assert_double_eq_tol(integral(&real, 40, 1000, normal), 1, 1e-12);
    ck_assert_double_eq_tol(integral(&two, 35, 1000, sorted), 1, 1e-9);
}
END_TEST

/* -- far out --------------------------------------------------------------- */

static void far_out(const slivi_parameter *p, const double *u, double want,
                    const double *slope)
{
    slivi_transform *t = slivi_transform_create(1, p);
    const size_t d = slivi_transform_inside(t), o = slivi_transform_outside(t);
    double theta[4], det, gu[4], scratch[4], back[4];
    const double none[4] = {0};

    slivi_transform_out(t, 1, u, theta, &det);
    ck_assert_double_eq_tol(det, want, 1e-14 * fabs(want));
    for (size_t k = 0; k < o; k++)
        ck_assert_msg(isfinite(log(theta[k])) || theta[k] < 0, "%g", theta[k]);
    slivi_transform_gradient(t, 1, u, theta, none, gu, scratch);
    for (size_t j = 0; j < d; j++)
        ck_assert_double_eq_tol(gu[j], slope[j], 1e-14);
    ck_assert_int_eq(slivi_transform_in(t, 1, theta, back), 0);
    slivi_transform_free(t);
}

START_TEST(test_far)
{
    const slivi_parameter unit = {
        .name = "x", .support = "interval", .upper.value = 1};
    const slivi_parameter off = {
        .name = "x", .support = "interval", .lower.value = 5, .upper.value = 6};
    const slivi_parameter above = {.name = "x", .support = "lower"};
    const slivi_parameter below = {
        .name = "x", .support = "upper", .upper.value = -1};
    const slivi_parameter three = {
        .name = "x", .count = 3, .support = "simplex"};
    const slivi_parameter two = {.name = "x", .count = 2, .support = "ordered"};
    static const double sides[] = {40, 300, 700, 744};

    for (size_t i = 0; i < 4; i++) {
        const double u = sides[i], v = u - log(2);
        const double up[] = {u, u}, down[] = {-u, -u};
        const double one[] = {0, 1}, minus[] = {-1, -1}, plus[] = {1, 1};
        const double mixed[] = {u, -u}, left[] = {-2, 1}, right[] = {1, 1};

        far_out(&unit, up, -u, minus);
        far_out(&unit, down, -u, plus);
        far_out(&off, up, -u, minus);
        far_out(&off, down, -u, plus);
        far_out(&above, down, -u, plus);
        far_out(&below, down, -u, plus);
        far_out(&two, (const double[]){1, -u}, -u, one);
        /* y_1 (1 - y_1) = e^-v, what is left e^-v, y_2 = e^-u */
        far_out(&three, mixed, -2 * v - u, left);
        far_out(&three, down, -u - log(2) - u, right);
    }
}
END_TEST

/* The gradient through an interval's end: d theta/du = e^-40, not 0. */
START_TEST(test_slope_far)
{
    const slivi_parameter unit = {
        .name = "x", .support = "interval", .upper.value = 1};
    slivi_transform *t = slivi_transform_create(1, &unit);
    const double u = 40, g = exp(40);
    double theta, gu, scratch;

    slivi_transform_out(t, 1, &u, &theta, NULL);
    ck_assert_double_lt(theta, 1);
    slivi_transform_gradient(t, 1, &u, &theta, &g, &gu, &scratch);
    ck_assert_double_eq_tol(gu, 0, 1e-12); /* 1 - tanh 20 */
    slivi_transform_free(t);
}
END_TEST

/* Overflow, and bounds that leave no room, show. */
START_TEST(test_no_room)
{
    const slivi_parameter p[] = {
        {.name = "a", .support = "lower"},
        {.name = "b", .support = "interval", .upper = AFTER(1, -1, 0)},
        {.name = "c", .scale = AFTER(1, -1, 0)}};
    slivi_transform *t = slivi_transform_create(3, p);
    double u[] = {1, 0, 0}, theta[3], det;

    slivi_transform_out(t, 1, u, theta, &det); /* upper and scale 1 - e */
    ck_assert(!isfinite(det));
    u[0] = 800;
    slivi_transform_out(t, 1, u, theta, &det);
    ck_assert(!isfinite(theta[0]));
    u[0] = -1;
    slivi_transform_out(t, 1, u, theta, &det);
    ck_assert(isfinite(det) && isfinite(theta[0]));
    slivi_transform_free(t);
}
END_TEST

START_TEST(test_centre)
{
    const slivi_parameter p = {.name = "p", .count = 5, .support = "simplex"};
    slivi_transform *t = slivi_transform_create(1, &p);
    const double u[4] = {0};
    double theta[5];

    slivi_transform_out(t, 1, u, theta, NULL);
    for (size_t k = 0; k < 5; k++)
        ck_assert_double_eq_tol(theta[k], 0.2, 4 * DBL_EPSILON);
    slivi_transform_free(t);
}
END_TEST

/* -- names and refusals ---------------------------------------------------- */

START_TEST(test_names)
{
    slivi_transform *t = make(2);

    ck_assert_uint_eq(slivi_transform_inside(t), 4);
    ck_assert_uint_eq(slivi_transform_outside(t), 5);
    ck_assert_str_eq(slivi_transform_name(t, 0), "p[1]");
    ck_assert_str_eq(slivi_transform_name(t, 3), "p[4]");
    ck_assert_str_eq(slivi_transform_name(t, 4), "q");
    ck_assert_ptr_null(slivi_transform_name(t, 5));
    for (size_t s = 0; slivi_support_names[s] != NULL; s++) {
        const slivi_parameter p = {.name = "x",
                                   .count = 2,
                                   .support = slivi_support_names[s],
                                   .upper.value = s == 2 || s == 3};
        slivi_transform *each = slivi_transform_create(1, &p);

        ck_assert_msg(each != NULL, "%s", slivi_errmsg());
        slivi_transform_free(each);
    }
    slivi_transform_free(t);
    slivi_transform_free(NULL);
}
END_TEST

static const struct {
    slivi_parameter p[2];
    const char *words;
} refusals[] = {
    {{{.name = ""}}, "parameter 0 has no name"},
    {{{.support = "real"}}, "parameter 0 has no name"},
    {{{.name = "x", .support = "positive"}}, "\"positive\""},
    {{{.name = "x"}, {.name = "x"}}, "the name x is taken"},
    {{{.name = "x", .count = 2}, {.name = "x[1]"}}, "x[1] is taken"},
    {{{.name = "x[1]"}, {.name = "x", .count = 2}}, "x is taken"},
    {{{.name = "x", .lower.value = 1}}, "\"real\" has no lower"},
    {{{.name = "x", .support = "lower", .upper.value = 1}}, "has no upper"},
    {{{.name = "x", .support = "upper", .scale.value = 1}}, "has no scale"},
    {{{.name = "x", .count = 2, .support = "simplex", .offset.value = 1}},
     "has no offset"},
    {{{.name = "x", .support = "interval"}}, "lower 0 is not below upper 0"},
    {{{.name = "x", .support = "interval", .lower.value = 2, .upper.value = 1}},
     "lower 2 is not below upper 1"},
    {{{.name = "x", .scale.value = -1}}, "scale is -1"},
    {{{.name = "x", .offset.value = NAN}}, "offset is nan"},
    {{{.name = "x", .support = "lower", .lower.value = -INFINITY}},
     "lower is -inf"},
    {{{.name = "x", .support = "simplex"}}, "1 entries"},
    {{{.name = "x", .count = 1, .support = "ordered"}}, "1 entries"},
    {{{.name = "x", .offset = AFTER(0, 1, 0)}}, "offset depends on entry 0"},
    {{{.name = "x", .count = 2},
      {.name = "y", .support = "lower", .lower = AFTER(0, 1, 2)}},
     "only 2 come before"},
};
enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

START_TEST(test_refusals)
{
    const slivi_parameter *p = refusals[_i].p;

    ck_assert_ptr_null(slivi_transform_create(p[1].name != NULL ? 2 : 1, p));
    ck_assert_msg(strstr(slivi_errmsg(), refusals[_i].words) != NULL, "%s",
                  slivi_errmsg());
    ck_assert_ptr_null(slivi_transform_create(0, p));
}
END_TEST

static const struct {
    int c;
    double theta[5];
    const char *words;
} outsiders[] = {
    {0, {NAN, 0, 0}, "row 0: a is nan, not finite"},
    {0, {0, 0, INFINITY}, "b[2] is inf"},
    {1, {-1, 0, 0, 0}, "a is -1, not above its bound"},
    {1, {0, 0, 2, 0}, "b[2] is 2, not below its bound"},
    {1, {0, 0, 0, 3}, "c is 3, not between its bounds"},
    {1, {0, 0, 0, -1.5}, "c is -1.5, not between"},
    {2, {0.5, 0, 0.25, 0.25, 5}, "p[2] is 0, not > 0"},
    {2, {0.5, 0.1, 0.1, 0.1, 5}, "sum to 1"},
    {2, {0.25, 0.25, 0.25, 0.25, 1}, "q is 1, not above"},
    {3, {1, 1, 2, 0, 0}, "c[2] is 1, not above the one before"},
    {4, {0, 1, 0.7, 0.4}, "beta1 is 0.4, not between"},
    {5, {0, 0, 0, 0, 0}, "tau is 0, not above"},
};
enum { OUTSIDERS = sizeof outsiders / sizeof outsiders[0] };

START_TEST(test_outsiders)
{
    slivi_transform *t = make(outsiders[_i].c);
    double u[MOST];

    ck_assert_int_eq(slivi_transform_in(t, 1, outsiders[_i].theta, u),
                     SLIVI_EINVAL);
    ck_assert_msg(strstr(slivi_errmsg(), outsiders[_i].words) != NULL, "%s",
                  slivi_errmsg());
    slivi_transform_free(t);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *slivi_suite_transform(void)
{
    Suite *s = suite_create("transform");
    TCase *c = tcase_create("jacobian");

    tcase_add_loop_test(c, test_log_det, 0, CASES);
    tcase_add_loop_test(c, test_gradient, 0, CASES);
    tcase_add_loop_test(c, test_round_trip, 0, CASES);
    tcase_add_test(c, test_integrals);
    suite_add_tcase(s, c);
    c = tcase_create("extremes");
    tcase_add_test(c, test_far);
    tcase_add_test(c, test_slope_far);
    tcase_add_test(c, test_no_room);
    tcase_add_test(c, test_centre);
    suite_add_tcase(s, c);
    c = tcase_create("refusals");
    tcase_add_test(c, test_names);
    tcase_add_loop_test(c, test_refusals, 0, REFUSALS);
    tcase_add_loop_test(c, test_outsiders, 0, OUTSIDERS);
    suite_add_tcase(s, c);
    return s;
}
