/* test_target_kinds.c - targets that are functions: of constrained parameters,
   for each context, of parts of the data.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "chains.h"
#include "evidence.h"
#include "slivi/target.h"
#include "suites.h"

#include "base/base.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { N = 150 };

static void check_words(const char *words)
{
    ck_assert_msg(strstr(slivi_errmsg(), words) != NULL, "%s", slivi_errmsg());
}

/* At `count` points about 0, and that values there agree with the gradient. */
static void check_gradient(slivi_target *t, size_t count, const double *c)
{
    static double z[64 * 8];

    ck_assert_uint_le(count * slivi_target_dim(t), 64 * 8);
    evidence_draw(9, 0, count, slivi_target_dim(t), z);
    ck_assert_msg(slivi_target_check_gradient(t, count, z, c, NULL) == 0, "%s",
                  slivi_errmsg());
}

/* -- constrained parameters ------------------------------------------------ */

/* y_i ~ N(theta_i, s_i), theta_i ~ N(mu, tau), mu ~ N(0, 5), tau ~ half
   Cauchy(0, 5). */
enum { SCHOOLS = 3, ASKED_NONFINITE = 1, ASKED_NOTHING };
static const double seen[SCHOOLS] = {28, 8, -3}, sds[SCHOOLS] = {15, 10, 16};

static const slivi_parameter schools_parameters[] = {
    {.name = "mu"},
    {.name = "tau", .support = "lower"},
    {.name = "theta",
     .count = SCHOOLS,
     .offset = {.slope = 1, .of = 0},
     .scale = {.slope = 1, .of = 1}},
};

static int schools(size_t n, size_t d, const double *x, double *lp,
                   double *grad, void *ctx)
{
    size_t *rows = ctx;

    if (n == 0)
        return ASKED_NOTHING;
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        const double mu = x[0], tau = x[1], ratio = tau / 5;

        if (!(isfinite(mu) && isfinite(tau) && isfinite(x[4])))
            return ASKED_NONFINITE;
        lp[i] = -mu * mu / 50 - log1p(ratio * ratio);
        grad[0] = -mu / 25;
        grad[1] = -2 * ratio / 5 / (1 + ratio * ratio);
        for (size_t k = 0; k < SCHOOLS; k++) {
            const double r = (x[2 + k] - mu) / tau;
            const double e = (seen[k] - x[2 + k]) / sds[k];

            lp[i] -= log(tau) + r * r / 2 + e * e / 2;
            grad[0] += r / tau;
            grad[1] += (r * r - 1) / tau;
            grad[2 + k] = e / sds[k] - r / tau;
        }
    }
    if (rows != NULL)
        *rows += n;
    return 0;
}

/* By hand, without a centre: theta = mu + tau u; log tau cancels. */
static double schools_by_hand(const double *u)
{
    const double tau = exp(u[1]);
    double lp = -u[0] * u[0] / 50 - log1p(tau * tau / 25) + u[1];

    for (size_t k = 0; k < SCHOOLS; k++) {
        const double e = (seen[k] - u[0] - tau * u[2 + k]) / sds[k];

        lp -= u[2 + k] * u[2 + k] / 2 + e * e / 2;
    }
    return lp;
}

START_TEST(test_constrained)
{
    static double z[N * 5], lp[N], theta[N * 5], back[N * 5];
    slivi_target *t = slivi_target_create_on(3, schools_parameters, schools,
                                             NULL);

    ck_assert_ptr_nonnull(t);
    ck_assert_uint_eq(slivi_target_dim(t), 5);
    ck_assert_uint_eq(slivi_target_outside_dim(t), 5);
    ck_assert_str_eq(slivi_target_name(t, 1), "tau");
    ck_assert_str_eq(slivi_target_name(t, 4), "theta[3]");
    ck_assert_ptr_null(slivi_target_name(t, 5));
    evidence_draw(1, 0, N, 5, z);
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp, NULL), 0);
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq_tol(lp[i], schools_by_hand(z + 5 * i), 1e-11);
    check_gradient(t, 40, NULL);
    ck_assert_int_eq(slivi_target_outside(t, N, z, theta), 0);
    ck_assert_double_eq_tol(theta[4], theta[0] + theta[1] * z[4], 1e-14);
    ck_assert_int_eq(slivi_target_inside(t, N, theta, back), 0);
    for (size_t i = 0; i < N * 5; i++)
        ck_assert_double_eq_tol(back[i], z[i], 1e-11);
    theta[6] = -1;
    ck_assert_int_eq(slivi_target_inside(t, N, theta, back), SLIVI_EINVAL);
    check_words("row 1: tau is -1");
    slivi_target_free(t);
    ck_assert_ptr_null(
        slivi_target_create_on(0, schools_parameters, schools, NULL));
}
END_TEST

/* Points where exp overflows are not shown to the function; their neighbours
   keep their values and places. */
START_TEST(test_overflow)
{
    static double z[N * 5], lp[N], grad[N * 5], want[N], right[N * 5];
    size_t rows = 0;
    slivi_target *t = slivi_target_create_on(3, schools_parameters, schools,
                                             &rows);

    evidence_draw(1, 0, N, 5, z);
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, want, right), 0);
    rows = 0;
    for (size_t i = 0; i < N; i += 7)
        z[5 * i + 1] = 800;
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp, grad), 0);
    for (size_t i = 0; i < N; i++)
        if (i % 7 == 0) {
            ck_assert(lp[i] == -INFINITY && grad[5 * i + 1] == 0);
        } else {
            ck_assert_double_eq(lp[i], want[i]);
            ck_assert_mem_eq(grad + 5 * i, right + 5 * i, 5 * sizeof *grad);
        }
    ck_assert_uint_eq(slivi_target_refused(t), (N + 6) / 7);
    ck_assert_uint_eq(rows, N - (N + 6) / 7);
    ck_assert_msg(strstr(slivi_target_refusal(t), "overflow") != NULL, "%s",
                  slivi_target_refusal(t));
    for (size_t i = 0; i < N; i++)
        z[5 * i + 1] = 800;
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp, grad), 0);
    slivi_target_free(t);
}
END_TEST

/* A message tells the parameter, and that its value is the unbounded one. */
static int spoilt(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    const int status = schools(n, d, x, lp, grad, ctx);

    grad[1] = NAN;
    return status;
}

START_TEST(test_spoilt)
{
    const double z[5] = {0.5, 1, 0, 0, 0};
    slivi_target *t = slivi_target_create_on(3, schools_parameters, spoilt,
                                             NULL);
    double lp, grad[5];

    ck_assert_int_eq(slivi_target_eval(t, 1, z, NULL, &lp, grad),
                     SLIVI_ENONFINITE);
    check_words("the gradient in tau is NaN at point 0 (unbounded mu = 0.5, "
                "tau = 1, theta[1] = 0");
    slivi_target_free(t);
}
END_TEST

/* A simplex has one coordinate less: the names of those are its first ones. */
static int flat(size_t n, size_t d, const double *x, double *lp, double *grad,
                void *ctx)
{
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        lp[i] = log(x[0]) + 2 * log(x[1]) - x[3];
        grad[0] = 1 / x[0];
        grad[1] = 2 / x[1];
        grad[2] = 0;
        grad[3] = ctx == NULL ? -1 : NAN;
    }
    return 0;
}

START_TEST(test_simplex)
{
    static const slivi_parameter p[] = {
        {.name = "p", .count = 3, .support = "simplex"},
        {.name = "s", .support = "lower", .lower.value = 1}};
    const double z[3] = {0};
    double lp, grad[3];
    int on = 1;
    slivi_target *t = slivi_target_create_on(2, p, flat, NULL);

    ck_assert_uint_eq(slivi_target_dim(t), 3);
    ck_assert_uint_eq(slivi_target_outside_dim(t), 4);
    check_gradient(t, 40, NULL);
    slivi_target_free(t);
    t = slivi_target_create_on(2, p, flat, &on);
    ck_assert_int_eq(slivi_target_eval(t, 1, z, NULL, &lp, grad),
                     SLIVI_ENONFINITE);
    check_words("in s is NaN at point 0 (unbounded p[1] = 0, p[2] = 0, s = 0)");
    slivi_target_free(t);
}
END_TEST

/* -- contexts -------------------------------------------------------------- */

/* N(z; (c_0, c_1 c_0), I) */
static int given(size_t n, size_t d, const double *x, size_t k, const double *c,
                 double *lp, double *grad, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++, x += d, grad += d, c += k) {
        grad[0] = c[0] - x[0];
        grad[1] = c[1] * c[0] - x[1];
        lp[i] = -0.5 * (grad[0] * grad[0] + grad[1] * grad[1]);
    }
    return 0;
}

START_TEST(test_given)
{
    static double z[N * 2], c[N * 3], lp[N], grad[N * 2];
    slivi_target *t = slivi_target_create_given(2, 3, given, NULL);

    ck_assert_uint_eq(slivi_target_context(t), 3);
    evidence_draw(1, 0, N, 2, z);
    evidence_draw(2, 0, N, 3, c);
    ck_assert_int_eq(slivi_target_eval(t, N, z, c, lp, grad), 0);
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq(grad[2 * i + 1],
                            c[3 * i + 1] * c[3 * i] - z[2 * i + 1]);
    check_gradient(t, 40, c);
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp, grad), SLIVI_EINVAL);
    check_words("contexts of 3 numbers");
    ck_assert_int_eq(slivi_target_check_gradient(t, 1, z, NULL, NULL),
                     SLIVI_EINVAL);
    c[3 * 4 + 2] = INFINITY;
    ck_assert_int_eq(slivi_target_eval(t, N, z, c, lp, grad), SLIVI_ENONFINITE);
    check_words("context of point 4");
    ck_assert_int_eq(slivi_target_log_density(N, 2, z, lp, grad, t),
                     SLIVI_EUNSUPPORTED);
    slivi_target_free(t);
    ck_assert_ptr_null(slivi_target_create_given(2, 0, given, NULL));
}
END_TEST

/* -- parts of the data ----------------------------------------------------- */

/* y_r ~ N(mu, s), mu ~ N(0, 3), s ~ Exp(1), with y_r = r / 10; notes what it
   was asked for. */
struct data {
    size_t m;
    double scale;
    size_t index[64];
    size_t seen[64]; /* how often each row was asked for */
};

static const slivi_parameter data_parameters[] = {
    {.name = "mu"}, {.name = "s", .support = "lower"}};

static int likelihood(size_t n, size_t d, const double *x, size_t m,
                      const size_t *index, double scale, double *lp,
                      double *grad, void *ctx)
{
    struct data *data = ctx;

    data->m = m;
    data->scale = scale;
    for (size_t k = 0; k < m; k++) {
        data->index[k] = index != NULL ? index[k] : k;
        data->seen[data->index[k]]++;
    }
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        lp[i] = -x[0] * x[0] / 18 - x[1];
        grad[0] = -x[0] / 9;
        grad[1] = -1;
        for (size_t k = 0; k < m; k++) {
            const double e = ((double)data->index[k] / 10 - x[0]) / x[1];

            lp[i] -= scale * (log(x[1]) + e * e / 2);
            grad[0] += scale * e / x[1];
            grad[1] += scale * (e * e - 1) / x[1];
        }
    }
    return 0;
}

static slivi_target *make_parts(struct data *data, size_t batch, uint64_t seed)
{
    slivi_target *t = slivi_target_create_parts(2, data_parameters, 23, batch,
                                                seed, likelihood, data);

    ck_assert_ptr_nonnull(t);
    return t;
}

/* 23 rows in parts of 5, the last of 3: each once in a sweep; weighted by
   their rows the parts' gradients are the gradient. */
START_TEST(test_sweep)
{
    static struct data data;
    slivi_target *t = make_parts(&data, 5, 7);
    const double z[2] = {0.3, -0.2};
    double lp, grad[2], sum[2] = {0}, part[2], total = 0, whole;

    ck_assert_uint_eq(slivi_target_rows(t), 23);
    ck_assert_int_eq(slivi_target_eval(t, 1, z, NULL, &whole, grad), 0);
    ck_assert_uint_eq(data.m, 23);
    ck_assert_double_eq(data.scale, 1);
    memset(data.seen, 0, sizeof data.seen);
    for (size_t step = 10; step < 15; step++) {
        ck_assert_int_eq(slivi_target_part(t, step), 0);
        ck_assert_int_eq(slivi_target_eval(t, 1, z, NULL, &lp, part), 0);
        ck_assert_uint_eq(data.m, step == 14 ? 3 : 5);
        ck_assert_double_eq(data.scale, step == 14 ? 23.0 / 3 : 23.0 / 5);
        for (size_t j = 0; j < 2; j++)
            sum[j] += part[j] * (double)data.m / 23;
        total += lp * (double)data.m / 23;
    }
    for (size_t r = 0; r < 23; r++)
        ck_assert_uint_eq(data.seen[r], 1);
    ck_assert_double_eq_tol(total, whole, 1e-12 * fabs(whole));
    for (size_t j = 0; j < 2; j++)
        ck_assert_double_eq_tol(sum[j], grad[j], 1e-11 * fabs(grad[j]));
    ck_assert_int_eq(slivi_target_part(t, SIZE_MAX), 0);
    ck_assert_int_eq(slivi_target_eval(t, 1, z, NULL, &lp, part), 0);
    ck_assert_double_eq(lp, whole);
    check_gradient(t, 20, NULL);
    slivi_target_free(t);
}
END_TEST

/* A part is a function of seed and step, whatever was asked for before; sweeps
   and seeds differ. */
START_TEST(test_pure)
{
    static struct data data;
    static size_t first[12][64];
    const double z[2] = {0};
    slivi_target *t = make_parts(&data, 6, 7), *other = make_parts(&data, 6, 8);
    double lp;

    for (size_t step = 0; step < 12; step++) {
        slivi_target_part(t, step);
        ck_assert_int_eq(slivi_target_eval(t, 1, z, NULL, &lp, NULL), 0);
        memcpy(first[step], data.index, sizeof data.index);
    }
    ck_assert_mem_ne(first[0], first[4], 6 * sizeof(size_t));
    ck_assert_mem_ne(first[0], first[8], 6 * sizeof(size_t));
    for (size_t k = 12; k-- > 0;) {
        const size_t step = k * 5 % 12;

        slivi_target_part(t, step);
        ck_assert_int_eq(slivi_target_eval(t, 1, z, NULL, &lp, NULL), 0);
        ck_assert_mem_eq(first[step], data.index, data.m * sizeof(size_t));
    }
    slivi_target_part(other, 0);
    ck_assert_int_eq(slivi_target_eval(other, 1, z, NULL, &lp, NULL), 0);
    ck_assert_mem_ne(first[0], data.index, 6 * sizeof(size_t));
    slivi_target_free(t);
    slivi_target_free(other);

    t = make_parts(&data, 23, 7); /* one part: all rows, as they are */
    slivi_target_part(t, 3);
    ck_assert_int_eq(slivi_target_eval(t, 1, z, NULL, &lp, NULL), 0);
    ck_assert_uint_eq(data.m, 23);
    ck_assert_double_eq(data.scale, 1);
    for (size_t k = 0; k < 23; k++)
        ck_assert_uint_eq(data.index[k], k);
    slivi_target_free(t);
}
END_TEST

START_TEST(test_parts_refused)
{
    struct data data;

    ck_assert_ptr_null(slivi_target_create_parts(2, data_parameters, 23, 0, 1,
                                                 likelihood, &data));
    check_words("parts of 0 of 23 rows");
    ck_assert_ptr_null(slivi_target_create_parts(2, data_parameters, 23, 24, 1,
                                                 likelihood, &data));
    ck_assert_ptr_null(slivi_target_create_parts(2, data_parameters, 0, 0, 1,
                                                 likelihood, &data));
    ck_assert_ptr_null(slivi_target_create_parts(
        2, data_parameters, (size_t)1 << 33, 1, 1, likelihood, &data));
    ck_assert_int_eq(slivi__status(), SLIVI_EINVAL);
    ck_assert_ptr_null(
        slivi_target_create_parts(0, NULL, 23, 5, 1, likelihood, &data));
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *slivi_suite_target_kinds(void)
{
    Suite *s = suite_create("target_kinds");
    TCase *c = tcase_create("constrained");

    tcase_add_test(c, test_constrained);
    tcase_add_test(c, test_overflow);
    tcase_add_test(c, test_spoilt);
    tcase_add_test(c, test_simplex);
    suite_add_tcase(s, c);
    c = tcase_create("data");
    tcase_add_test(c, test_given);
    tcase_add_test(c, test_sweep);
    tcase_add_test(c, test_pure);
    tcase_add_test(c, test_parts_refused);
    suite_add_tcase(s, c);
    return s;
}
