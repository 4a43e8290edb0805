/* test_objective.c - objectives of score matching against closed
   forms: their formulas given the slices, and Gaussian models.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "fields.h"
#include "slivi/status.h"
#include "suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The slice that the objective draws for sample i. */
static void slice(const testing *t, const slivi_law *law, size_t s, size_t i,
                  size_t d, double *v)
{
    slivi_address at = {.seed = t->run.seed,
                        .stream = STREAM,
                        .step = t->run.step,
                        .slice = (uint32_t)s,
                        .row = t->run.row + i};
    slivi_draw(law, &at, 1, d, v);
}

/* v' a v, row-major d x d */
static double form(size_t d, const double *a, const double *u, const double *v)
{
    double sum = 0;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            sum += u[i] * a[i * d + j] * v[j];
    return sum;
}

/* ---- O1, O2: slices ----------------------------------------------------- */

/* Variance of v'Av over 200,000 slices; its own standard error is below 1 %
   for these laws, so 5 % is beyond five of them. */
START_TEST(slices_have_the_variance_of_their_law)
{
    enum { N = 200000 };
    const double a[D * D] = {2,  .5, -1, 0,   .5, -1, .3,  .7,
                             -1, .3, .5, -.2, 0,  .7, -.2, 1.5};
    double trace = 0, square = 0, diagonal = 0;
    for (size_t i = 0; i < D * D; i++)
        square += a[i] * a[i];
    for (size_t i = 0; i < D; i++) {
        trace += a[i * D + i];
        diagonal += a[i * D + i] * a[i * D + i];
    }
    const double want[3] = {2 * (square - diagonal), 2 * square,
                            2.0 * D / (D + 2) * (square - trace * trace / D)};
    double *v = malloc(N * D * sizeof *v), sum = 0, sum2 = 0;
    slivi_address at = {.seed = 3, .stream = 1};
    slivi_draw(fields_law(_i), &at, N, D, v);
    for (size_t i = 0; i < N; i++) {
        double q = form(D, a, v + i * D, v + i * D) - trace;
        sum += q / N;
        sum2 += q * q / N;
    }
    free(v);
    ck_assert_double_eq_tol(sum, 0, 5 * sqrt(want[_i] / N));
    ck_assert_double_eq_tol(sum2 / want[_i], 1, 0.05);
}
END_TEST

/* Given its slices, each objective is the formula, to rounding. */
START_TEST(objectives_are_their_formulas)
{
    enum { N = 3, M = 2 };
    const slivi_law *law = fields_law(_i % 3);
    const int energy = _i >= 3;
    testing t;
    fields_open(&t, SLIVI_F64, N);
    slivi_node x = testing_input(&t, SLIVI_ROWS, D, -2, 2, 0);
    fields_line l = {testing_input(&t, D, D, -1, 1, 0),
                     testing_input(&t, 1, D, -1, 1, 0), energy};
    double *w = testing_value(&t, l.w);
    const double *c = testing_value(&t, l.c), *px = testing_value(&t, x);
    for (size_t i = 0; i < D && energy; i++) /* the score of x w x'/2 is xw */
        for (size_t j = 0; j < i; j++)
            w[i * D + j] = w[j * D + i];
    double ssm = 0, vr = 0, sm = 0, dsm = 0, sigma = 0.5;
    for (size_t k = 0; k < M * N; k++) {
        double v[D], e[D], s[D], sx[D], vs = 0, ss = 0, r = 0, trace = 0;
        const double *xi = px + k % N * D;
        slice(&t, law, k / N, k % N, D, v);
        slice(&t, slivi_law_normal, 0, k % N, D, e); /* a pair */
        for (size_t j = 0; j < D; j++) {
            s[j] = sx[j] = c[j];
            trace += w[j * D + j];
            e[j] *= k < N ? 1 : -1;
        }
        for (size_t j = 0; j < D; j++) {
            for (size_t i = 0; i < D; i++) {
                s[j] += xi[i] * w[i * D + j];
                sx[j] += (xi[i] + sigma * e[i]) * w[i * D + j];
            }
            vs += v[j] * s[j];
            ss += s[j] * s[j];
            r += (sx[j] + e[j] / sigma) * (sx[j] + e[j] / sigma);
        }
        double curve = form(D, w, v, v);
        ssm += (curve + vs * vs / 2) / (M * N);
        vr += (curve + ss / 2) / (M * N);
        sm += (trace + ss / 2) / (M * N);
        dsm += r / 2 / (M * N);
    }
    const struct {
        const char *name;
        double want;
    } all[] = {{"ssm", ssm}, {"ssm-vr", vr}, {"sm", sm}, {"dsm", dsm}};
    for (size_t i = 0; i < 4; i++) {
        testing u; /* a stream serves one node of a graph: one graph each */
        fields_open(&u, SLIVI_F64, N);
        slivi_node ux = testing_input(&u, SLIVI_ROWS, D, -2, 2, 0);
        fields_line ul = {testing_input(&u, D, D, -1, 1, 0),
                          testing_input(&u, 1, D, -1, 1, 0), energy};
        memcpy(testing_value(&u, ul.w), w, D * D * sizeof *w);
        slivi_field f = fields_linear(&ul);
        double got = fields_value(&u,
                                  fields_loss(&u, all[i].name, &f, ux, law, M));
        ck_assert_msg(fabs(got - all[i].want) < 1e-13 * (1 + fabs(got)),
                      "%s: %.17g, not %.17g", all[i].name, got, all[i].want);
        testing_close(&u);
    }
    testing_close(&t);
}
END_TEST

/* Losses of one sample, for 400 slices, by the sign vector drawn: averaged over
   all 2^3 of them ssm and ssm-vr are sm exactly; with d = 1 each is. */
START_TEST(rademacher_slices_average_to_the_trace)
{
    const size_t d = _i ? 1 : 3, all = (size_t)1 << d;
    double sums[2] = {0, 0}, exact = 0;
    const char *const names[] = {"ssm", "ssm-vr", "sm"};
    for (int k = 0; k < 3; k++) {
        testing t;
        fields_open(&t, SLIVI_F64, 1);
        slivi_node x = testing_input(&t, SLIVI_ROWS, d, -2, 2, 0);
        fields_line l = {testing_input(&t, (ptrdiff_t)d, d, -1, 1, 0),
                         testing_input(&t, 1, d, -1, 1, 0), 0};
        slivi_field field = fields_linear(&l);
        slivi_node loss = fields_loss(&t, names[k], &field, x,
                                      slivi_law_rademacher, 1);
        unsigned seen = 0;
        for (t.run.step = 0; t.run.step < 400 && k < 2; t.run.step++) {
            double v[3];
            unsigned code = 0;
            slice(&t, slivi_law_rademacher, 0, 0, d, v);
            for (size_t j = 0; j < d; j++)
                code |= (unsigned)(v[j] > 0) << j;
            if (seen >> code & 1)
                continue;
            seen |= 1u << code;
            sums[k] += fields_value(&t, loss) / (double)all;
        }
        if (k < 2)
            ck_assert_uint_eq(seen, (1u << all) - 1);
        else
            exact = fields_value(&t, loss);
        testing_close(&t);
    }
    ck_assert_double_eq_tol(sums[0], exact, 1e-13);
    ck_assert_double_eq_tol(sums[1], exact, 1e-13);
}
END_TEST

/* ---- O4, O5, O6: Gaussian models ---------------------------------------- */

/* 1/N moments */
static void moments(size_t n, const double *x, double *mean, double *cov)
{
    memset(mean, 0, D * sizeof *mean);
    memset(cov, 0, D * D * sizeof *cov);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < D; j++)
            mean[j] += x[i * D + j] / (double)n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < D; j++)
            for (size_t k = 0; k < D; k++)
                cov[j * D + k] += (x[i * D + j] - mean[j])
                                  * (x[i * D + k] - mean[k]) / (double)n;
}

/* a <- a^-1 by Gauss-Jordan, a symmetric positive definite */
static void invert(double *a)
{
    double b[D * D] = {0};
    for (size_t i = 0; i < D; i++)
        b[i * D + i] = 1;
    for (size_t i = 0; i < D; i++) {
        double p = a[i * D + i];
        for (size_t j = 0; j < D; j++) {
            a[i * D + j] /= p;
            b[i * D + j] /= p;
        }
        for (size_t k = 0; k < D; k++) {
            double f = a[k * D + i];
            for (size_t j = 0; j < D && k != i; j++) {
                a[k * D + j] -= f * a[i * D + j];
                b[k * D + j] -= f * b[i * D + j];
            }
        }
    }
    memcpy(a, b, sizeof b);
}

/* O4, O17: with s = -(x - m) S^-1 of the samples' own moments, sm is
   -tr S^-1 / 2 and its gradient in every parameter is zero. */
START_TEST(sm_is_least_at_the_gaussian_of_the_samples)
{
    enum { N = 50 };
    testing t;
    fields_open(&t, SLIVI_F64, N);
    slivi_node x = testing_input(&t, SLIVI_ROWS, D, -2, 3, 0);
    fields_line l = {testing_input(&t, D, D, -1, 1, 0),
                     testing_input(&t, 1, D, -1, 1, 0), _i};
    double mean[D], cov[D * D], trace = 0;
    moments(N, testing_value(&t, x), mean, cov);
    invert(cov);
    double *w = testing_value(&t, l.w), *c = testing_value(&t, l.c);
    for (size_t i = 0; i < D; i++) {
        c[i] = 0;
        trace += cov[i * D + i];
        for (size_t j = 0; j < D; j++) {
            w[i * D + j] = -cov[i * D + j];
            c[i] += cov[i * D + j] * mean[j];
        }
    }
    slivi_field field = fields_linear(&l);
    slivi_node loss = fields_loss(&t, "sm", &field, x, slivi_law_normal, 1);
    const slivi_node leaves[2] = {l.w, l.c};
    slivi_node grad[2];
    ck_assert_int_eq(
        slivi_vjp(t.g, loss, slivi_constant(t.g, 1), 2, leaves, grad), 0);
    ck_assert_double_eq_tol(fields_value(&t, loss), -trace / 2, 1e-12 * trace);
    for (int k = 0; k < 2; k++) {
        double *gy = testing_eval(&t, grad[k]);
        ck_assert_double_eq_tol(testing_most(k ? D : D * D, gy), 0, 1e-12);
        free(gy);
    }
    /* and away from the optimum it is the formula of O4 */
    double want = 0;
    for (size_t i = 0; i < D; i++)
        w[i * D + i] -= 0.5;
    moments(N, testing_value(&t, x), mean, cov);
    for (size_t i = 0; i < D; i++) {
        double b = c[i]; /* mean of s */
        for (size_t j = 0; j < D; j++)
            b += mean[j] * w[j * D + i];
        want += w[i * D + i] + b * b / 2;
        for (size_t j = 0; j < D; j++)
            for (size_t k = 0; k < D; k++)
                want += w[j * D + i] * cov[j * D + k] * w[k * D + i] / 2;
    }
    ck_assert_double_eq_tol(fields_value(&t, loss), want, 1e-12 * fabs(want));
    testing_close(&t);
}
END_TEST

/* Score -th x; the losses are quadratic in th, so one Newton step from the
   gradients at 0 and 1 is their minimiser. */
static slivi_node isotropic_apply(slivi_graph *g, slivi_node x, void *ctx)
{
    const slivi_node *th = ctx;
    return slivi_neg(g, slivi_mul(g, x, *th));
}

typedef struct isotropic {
    testing t;
    slivi_node x, th, grad;
    slivi_interp *it;
    double x_memory[400 * D], th_memory, grad_memory;
} isotropic;

static void isotropic_open(isotropic *m, const char *name, const slivi_law *law,
                           size_t slices, size_t n)
{
    fields_open(&m->t, SLIVI_F64, n);
    slivi_graph *g = m->t.g;
    m->x = slivi_input(g, "x", SLIVI_ROWS, D);
    m->th = slivi_input(g, "th", 1, 1);
    slivi_field field = {.apply = isotropic_apply, .ctx = &m->th};
    m->grad = slivi_grad(g, fields_loss(&m->t, name, &field, m->x, law, slices),
                         m->th);
    m->it = slivi_interp_create(g, 1, &m->grad, n, NULL);
    ck_assert_ptr_nonnull(m->it);
    slivi_interp_bind(m->it, m->x, m->x_memory);
    slivi_interp_bind(m->it, m->th, &m->th_memory);
    slivi_interp_bind(m->it, m->grad, &m->grad_memory);
}

static double isotropic_gradient(isotropic *m, double th)
{
    m->th_memory = th;
    ck_assert_int_eq(slivi_interp_run(m->it, &m->t.run), 0);
    return m->grad_memory;
}

static double isotropic_minimiser(isotropic *m)
{
    double g0 = isotropic_gradient(m, 0), g1 = isotropic_gradient(m, 1);
    return -g0 / (g1 - g0);
}

static void isotropic_close(isotropic *m)
{
    slivi_interp_free(m->it);
    testing_close(&m->t);
}

/* O5: closed forms of the minimiser on given samples and slices; they are
   also where plain gradient descent arrives. */
START_TEST(minimisers_of_an_isotropic_gaussian)
{
    enum { N = 100 };
    const char *const names[] = {"sm", "ssm", "ssm-vr", "dsm"};
    isotropic *m = malloc(sizeof *m);
    double xx = 0, vv = 0, vx = 0, ex = 0, mm = 0, sigma = 0.5;
    slivi_address at = {.seed = 5, .stream = 2};
    isotropic_open(m, names[_i], slivi_law_normal, 1, N);
    slivi_draw(slivi_law_normal, &at, N, D, m->x_memory);
    for (size_t i = 0; i < N; i++) {
        double v[D], p = 0;
        slice(&m->t, slivi_law_normal, 0, i, D, v);
        for (size_t j = 0; j < D; j++) {
            double x = m->x_memory[i * D + j], moved = x + sigma * v[j];
            xx += x * x;
            vv += v[j] * v[j];
            p += v[j] * x;
            ex += sigma * v[j] * moved;
            mm += moved * moved;
        }
        vx += p * p;
    }
    const double want[] = {N * D / xx, vv / vx, vv / xx,
                           ex / (sigma * sigma * mm)};
    ck_assert_double_eq_tol(isotropic_minimiser(m), want[_i], 1e-12);
    double th = 0.1;
    for (int k = 0; k < 200; k++)
        th -= 0.2 * isotropic_gradient(m, th);
    ck_assert_double_eq_tol(th, want[_i], 1e-8);
    isotropic_close(m);
    free(m);
}
END_TEST

/* O6 (Theorem 3 of Song et al.): N var(th) / th^2 over 3,000 data sets of 400;
   the ratio's standard error is sqrt(2/3000) = 2.6 %, plus O(1/N); 12 % is
   beyond four. */
START_TEST(minimisers_have_the_variance_of_the_theory)
{
    enum { N = 400, SETS = 3000 };
    const struct {
        const char *name;
        int law;
        size_t slices;
        double want;
    } all[] = {
        {"sm", 0, 1, 2.0 / D},
        {"ssm", 0, 1, 2.0 / D * (1 + (D - 1))},
        {"ssm", 0, 2, 2.0 / D * (1 + (D - 1) / 2.0)},
        {"ssm", 1, 1, 2 * (1 + 2.0 / D)},
        {"ssm-vr", 1, 1, 2.0 / D * 2},
        {"ssm-vr", 0, 1, 2.0 / D},
    };
    isotropic *m = malloc(sizeof *m);
    double sum = 0, sum2 = 0;
    isotropic_open(m, all[_i].name, fields_law(all[_i].law), all[_i].slices, N);
    for (uint64_t k = 0; k < SETS; k++) {
        slivi_address at = {.seed = 9, .stream = 2, .step = k};
        slivi_draw(slivi_law_normal, &at, N, D, m->x_memory);
        m->t.run.step = k;
        double th = isotropic_minimiser(m);
        sum += th / SETS;
        sum2 += (th - 1) * (th - 1) / SETS;
    }
    double variance = N * (sum2 - (sum - 1) * (sum - 1));
    ck_assert_double_eq_tol(variance / all[_i].want, 1, 0.12);
    isotropic_close(m);
    free(m);
}
END_TEST

Suite *slivi_suite_objective(void)
{
    Suite *s = suite_create("objective");
    TCase *c = tcase_create("objectives");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, slices_have_the_variance_of_their_law, 0, 3);
    tcase_add_loop_test(c, objectives_are_their_formulas, 0, 6);
    tcase_add_loop_test(c, rademacher_slices_average_to_the_trace, 0, 2);
    tcase_add_loop_test(c, sm_is_least_at_the_gaussian_of_the_samples, 0, 2);
    tcase_add_loop_test(c, minimisers_of_an_isotropic_gaussian, 0, 4);
    tcase_add_loop_test(c, minimisers_have_the_variance_of_the_theory, 0, 6);
    suite_add_tcase(s, c);
    return s;
}
