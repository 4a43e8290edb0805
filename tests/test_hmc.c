/* test_hmc.c - Hamiltonian Monte Carlo: the trajectory by its identities, the
   transition against moments known in closed form or by quadrature.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "chains.h"
#include "evidence.h"
#include "slivi/hmc.h"
#include "suites.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { D = CHAINS_KNOTTY };

/* -- densities ------------------------------------------------------------- */

/* N(m, P^-1), with m and P below */
static const double mean[] = {1, -2, 0.5};
static const double precision[] = {2.0, 0.9, 0, 0.9, 1.0, 0.2, 0, 0.2, 0.5};

static int gaussian(size_t n, size_t d, const double *x, double *lp,
                    double *grad, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        lp[i] = 0;
        for (size_t j = 0; j < d; j++) {
            grad[j] = 0;
            for (size_t k = 0; k < d; k++)
                grad[j] -= precision[j * D + k] * (x[k] - mean[k]);
            lp[i] += 0.5 * grad[j] * (x[j] - mean[j]);
        }
    }
    return 0;
}

/* exp(x - x^4) in one dimension: skew, lighter tails than a Gaussian */
static int quartic(size_t n, size_t d, const double *x, double *lp,
                   double *grad, void *ctx)
{
    (void)d;
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        lp[i] = x[i] - x[i] * x[i] * x[i] * x[i];
        grad[i] = 1 - 4 * x[i] * x[i] * x[i];
    }
    return 0;
}

/* -- the trajectory -------------------------------------------------------- */

static const double masses[] = {0.5, 2, 1.3};

/* x and p of one chain, as one vector, through a trajectory. */
static void fly(double state[2 * D], const slivi_hmc *how)
{
    double lp, grad[D];
    slivi_chains c = {1, D, state, &lp, grad, NULL};

    ck_assert_int_eq(slivi_hmc_start(&c, chains_knotty, NULL), 0);
    ck_assert_int_eq(
        slivi_hmc_leapfrog(&c, state + D, chains_knotty, NULL, how), 0);
}

static void launch(double state[2 * D])
{
    evidence_draw(1, 0, 2, D, state);
}

/* One step by hand, of x'' = -x / mass: it tells kicks from drifts, and their
   halves. */
START_TEST(test_formula)
{
    ck_assert_uint_eq(slivi_hmc_default().leapfrogs, 9);
    ck_assert_double_eq(slivi_hmc_default().eps, 0.01);

    const double mass = 2, e = 0.3, x0 = 1, p0 = 0.7;
    slivi_hmc how = chains_fixed(1, e);
    double x = x0, p = p0, lp, grad;
    slivi_chains c = {1, 1, &x, &lp, &grad, NULL};

    how.mass = &mass;
    ck_assert_int_eq(slivi_hmc_start(&c, chains_harmonic, NULL), 0);
    ck_assert_int_eq(slivi_hmc_leapfrog(&c, &p, chains_harmonic, NULL, &how),
                     0);
    const double half = p0 - 0.5 * e * x0, x1 = x0 + e * half / mass;
    ck_assert_double_eq_tol(x, x1, 4 * DBL_EPSILON);
    ck_assert_double_eq_tol(p, half - 0.5 * e * x1, 4 * DBL_EPSILON);
    ck_assert_double_eq_tol(lp, -0.5 * x1 * x1, 4 * DBL_EPSILON);
    ck_assert_double_eq_tol(grad, -x1, 4 * DBL_EPSILON);
    /* two steps are a step and a step */
    double y = x0, q = p0;
    c.x = &y;
    how.leapfrogs = 2;
    ck_assert_int_eq(slivi_hmc_start(&c, chains_harmonic, NULL), 0);
    ck_assert_int_eq(slivi_hmc_leapfrog(&c, &q, chains_harmonic, NULL, &how),
                     0);
    how.leapfrogs = 1;
    c.x = &x;
    ck_assert_int_eq(slivi_hmc_start(&c, chains_harmonic, NULL), 0);
    ck_assert_int_eq(slivi_hmc_leapfrog(&c, &p, chains_harmonic, NULL, &how),
                     0);
    ck_assert_double_eq_tol(x, y, 8 * DBL_EPSILON);
    ck_assert_double_eq_tol(p, q, 8 * DBL_EPSILON);
}
END_TEST

START_TEST(test_reversible)
{
    slivi_hmc how = chains_fixed(25, 0.1);
    double state[2 * D], begun[2 * D], far = 0;

    how.mass = _i ? masses : NULL;
    launch(state);
    memcpy(begun, state, sizeof begun);
    fly(state, &how);
    for (size_t j = 0; j < D; j++) {
        far = fmax(far, fabs(state[j] - begun[j]));
        state[D + j] = -state[D + j];
    }
    ck_assert_double_gt(far, 0.5);
    fly(state, &how);
    for (size_t j = 0; j < D; j++) {
        ck_assert_double_eq_tol(state[j], begun[j], 1e-12);
        ck_assert_double_eq_tol(state[D + j], -begun[D + j], 1e-12);
    }
}
END_TEST

static double determinant(size_t n, double *a)
{
    double det = 1;

    for (size_t i = 0; i < n; i++) {
        size_t top = i;

        for (size_t r = i + 1; r < n; r++)
            if (fabs(a[r * n + i]) > fabs(a[top * n + i]))
                top = r;
        for (size_t k = 0; k < n; k++) {
            const double swap = a[i * n + k];

            a[i * n + k] = a[top * n + k];
            a[top * n + k] = swap;
        }
        det *= top == i ? a[i * n + i] : -a[i * n + i];
        for (size_t r = i + 1; r < n; r++) {
            const double f = a[r * n + i] / a[i * n + i];

            for (size_t k = i; k < n; k++)
                a[r * n + k] -= f * a[i * n + k];
        }
    }
    return det;
}

/* The determinant of the Jacobian, by differences of the fourth order, is 1. */
START_TEST(test_volume)
{
    static const double at[] = {-2, -1, 1, 2};
    static const double weight[] = {1. / 12, -8. / 12, 8. / 12, -1. / 12};
    slivi_hmc how = chains_fixed(6, 0.3);
    const double h = 1e-3;
    double begun[2 * D], jacobian[4 * D * D] = {0};

    how.mass = _i ? masses : NULL;
    launch(begun);
    for (size_t k = 0; k < 2 * D; k++)
        for (size_t s = 0; s < 4; s++) {
            double state[2 * D];

            memcpy(state, begun, sizeof state);
            state[k] += at[s] * h;
            fly(state, &how);
            for (size_t j = 0; j < 2 * D; j++)
                jacobian[j * 2 * D + k] += weight[s] * state[j] / h;
        }
    ck_assert_double_eq_tol(determinant(2 * D, jacobian), 1, 1e-9);
}
END_TEST

/* H after - H before over a time of 1.2, by `steps` steps. */
static double energy_error(size_t steps, const double *mass)
{
    slivi_hmc how = chains_fixed(steps, 1.2 / (double)steps);
    double state[2 * D], lp[2], grad[D], h[2];

    how.mass = mass;
    launch(state);
    for (size_t end = 0; end < 2; end++) {
        chains_knotty(1, D, state, &lp[end], grad, NULL);
        h[end] = -lp[end];
        for (size_t j = 0; j < D; j++)
            h[end] += 0.5 * state[D + j] * state[D + j]
                      / (mass != NULL ? mass[j] : 1);
        if (end == 0)
            fly(state, &how);
    }
    return h[1] - h[0];
}

/* Half the step, a quarter of the error. */
START_TEST(test_second_order)
{
    const double *mass = _i ? masses : NULL;
    const double coarse = energy_error(24, mass), fine = energy_error(48, mass);

    ck_assert_double_gt(fabs(coarse), 1e-6);
    ck_assert_msg(fabs(coarse / fine - 4) < 0.05, "%g and %g", coarse, fine);
}
END_TEST

/* -- the density is kept --------------------------------------------------- */

/* P^-1 by Gauss-Jordan without pivots. */
static void invert(const double *p, double *out)
{
    double a[D * D];

    memcpy(a, p, sizeof a);
    for (size_t i = 0; i < D * D; i++)
        out[i] = i % (D + 1) == 0;
    for (size_t i = 0; i < D; i++) {
        const double pivot = a[i * D + i];

        for (size_t k = 0; k < D; k++) {
            a[i * D + k] /= pivot;
            out[i * D + k] /= pivot;
        }
        for (size_t r = 0; r < D; r++) {
            const double f = r == i ? 0 : a[r * D + i];

            for (size_t k = 0; k < D; k++) {
                a[r * D + k] -= f * a[i * D + k];
                out[r * D + k] -= f * out[i * D + k];
            }
        }
    }
}

static void check_gaussian(const struct chains *m)
{
    static double f[CHAINS_MOST];
    const size_t n = m->chains.n;
    double cov[D * D];

    invert(precision, cov);
    for (size_t j = 0; j < D; j++) {
        for (size_t i = 0; i < n; i++)
            f[i] = m->x[i * D + j];
        chains_check_mean("mean", n, f, mean[j]);
        for (size_t k = 0; k <= j; k++) {
            for (size_t i = 0; i < n; i++)
                f[i] = (m->x[i * D + j] - mean[j])
                       * (m->x[i * D + k] - mean[k]);
            chains_check_mean("covariance", n, f, cov[j * D + k]);
        }
    }
}

/* From far away chains forget where they began; in the second loop each has a
   step of its own.  Trajectories are well below half a period of the fastest
   direction, which would turn x to -x. */
START_TEST(test_gaussian)
{
    enum { CHAINS = 10000 };
    static struct chains m;
    static double each[CHAINS];
    slivi_hmc how = chains_fixed(2, 0.7);

    chains_seat(&m, CHAINS, D);
    for (size_t i = 0; i < CHAINS; i++) {
        each[i] = 0.4 + 0.2 * (double)(i % 97) / 97;
        for (size_t j = 0; j < D; j++)
            m.x[i * D + j] = 3;
    }
    how.mass = _i ? masses : NULL;
    how.each = _i ? each : NULL;
    chains_start(&m, gaussian, NULL);
    const slivi_hmc_report r = chains_go(&m, gaussian, NULL, how, 0, 120);
    ck_assert_msg(r.accept > 0.4 && r.accept < 0.97, "%g", r.accept);
    check_gaussian(&m);
}
END_TEST

/* Moments of exp(x - x^4) by the trapezoid rule, which converges faster than
   any power here. */
static double quartic_moment(int power)
{
    double sum = 0, mass = 0;

    for (int i = -4000; i <= 4000; i++) {
        const double x = i * 1e-3, w = exp(x - x * x * x * x);

        sum += w * pow(x, power);
        mass += w;
    }
    return sum / mass;
}

/* Exact draws of exp(x - x^4) by inversion at addressed uniforms. */
static void draw_quartic(size_t n, double *x)
{
    const slivi_address at = {.seed = 8, .stream = 1};
    static double cdf[80001];
    double sum = 0;

    slivi_draw(slivi_law_uniform, &at, n, 1, x);
    for (int i = 0; i <= 80000; i++) {
        const double y = (i - 40000) * 1e-4;

        sum += exp(y - y * y * y * y);
        cdf[i] = sum;
    }
    for (size_t i = 0; i < n; i++) {
        size_t low = 0, high = 80000;

        while (low < high) {
            const size_t middle = (low + high) / 2;

            if (cdf[middle] < x[i] * sum)
                low = middle + 1;
            else
                high = middle;
        }
        x[i] = ((double)low - 40000) * 1e-4;
    }
}

/* Chains that start in the density stay in it, through one transition with
   coarse steps as through many; so do those that start elsewhere and wait.  The
   moments are of odd and even powers. */
START_TEST(test_quartic)
{
    enum { CHAINS = 40000 };
    static const size_t moves[] = {1, 10, 30};
    static struct chains m;
    static double f[CHAINS];
    const slivi_hmc how = chains_fixed(2, 0.7);

    chains_seat(&m, CHAINS, 1);
    draw_quartic(CHAINS, m.x);
    for (size_t i = 0; _i == 2 && i < CHAINS; i++)
        m.x[i] = i % 2 ? 1.2 : -0.5;
    chains_start(&m, quartic, NULL);
    const slivi_hmc_report r = chains_go(&m, quartic, NULL, how, 0, moves[_i]);
    ck_assert_msg(r.accept > 0.3 && r.accept < 0.85, "%g", r.accept);
    for (int power = 1; power <= 4; power++) {
        for (size_t i = 0; i < CHAINS; i++)
            f[i] = pow(m.x[i], power);
        chains_check_mean("power", CHAINS, f, quartic_moment(power));
    }
}
END_TEST

/* Detailed balance: from the density, pairs (before, after) have the law of
   (after, before). */
START_TEST(test_balance)
{
    enum { CHAINS = 40000 };
    static struct chains m;
    static double before[CHAINS], f[CHAINS];
    const slivi_hmc how = chains_fixed(2, 0.6);

    chains_seat(&m, CHAINS, 1);
    draw_quartic(CHAINS, m.x);
    memcpy(before, m.x, sizeof before);
    chains_start(&m, quartic, NULL);
    chains_go(&m, quartic, NULL, how, 7, 1);
    for (int a = 1; a <= 3; a++)
        for (int b = 0; b < a; b++) {
            for (size_t i = 0; i < CHAINS; i++)
                f[i] = pow(before[i], a) * pow(m.x[i], b)
                       - pow(m.x[i], a) * pow(before[i], b);
            chains_check_mean("exchange", CHAINS, f, 0);
        }
}
END_TEST

/* The probability told is min(1, exp(-change of H)), and the chains move with
   it: E[exp(-change)] = 1 from the density. */
START_TEST(test_acceptance)
{
    enum { CHAINS = 40000 };
    static struct chains m;
    static double before[CHAINS], f[CHAINS];
    const slivi_hmc how = chains_fixed(2, 0.7);
    size_t moved = 0, wrong = 0;
    double sum = 0;

    chains_seat(&m, CHAINS, 1);
    draw_quartic(CHAINS, m.x);
    memcpy(before, m.x, sizeof before);
    chains_start(&m, quartic, NULL);
    const slivi_hmc_report r = chains_go(&m, quartic, NULL, how, 3, 1);
    for (size_t i = 0; i < CHAINS; i++) {
        const int here = before[i] != m.x[i];
        double lp, grad;

        moved += here != 0;
        f[i] = here - m.accept[i];
        sum += m.accept[i] / CHAINS;
        quartic(1, 1, &m.x[i], &lp, &grad, NULL);
        wrong += !(m.accept[i] >= 0 && m.accept[i] <= 1) || lp != m.lp[i]
                 || grad != m.grad[i];
    }
    ck_assert_uint_eq(wrong, 0);
    chains_check_mean("moved", CHAINS, f, 0);
    ck_assert_uint_eq(r.moved, moved);
    ck_assert_uint_eq(r.lost, 0);
    ck_assert_double_eq_tol(r.accept, sum, 1e-12);
}
END_TEST

/* One dimension, one step, sizes of their own: H can be worked out from the address. */
START_TEST(test_ratio)
{
    const double mass = 3;
    slivi_hmc how = chains_fixed(1, 0);
    static struct chains m;
    double x[64], p[64], each[64];
    slivi_address at = how.at;

    chains_seat(&m, 64, 1);
    evidence_draw(9, 0, 64, 1, x);
    memcpy(m.x, x, sizeof x);
    chains_start(&m, chains_harmonic, NULL);
    how.mass = &mass;
    how.each = each;
    for (size_t i = 0; i < 64; i++)
        each[i] = 1.2 + 0.01 * (double)i;
    chains_go(&m, chains_harmonic, NULL, how, 5, 1);
    at.step = 5;
    slivi_draw(slivi_law_normal, &at, 64, 1, p);
    for (size_t i = 0; i < 64; i++) {
        const double e = each[i];
        const double p0 = p[i] * sqrt(mass), half = p0 - 0.5 * e * x[i];
        const double y = x[i] + e * half / mass, p1 = half - 0.5 * e * y;
        const double fall = 0.5 * (x[i] * x[i] - y * y)
                            + 0.5 * (p0 * p0 - p1 * p1) / mass;

        ck_assert_double_eq_tol(m.accept[i], exp(fmin(0, fall)), 1e-14);
        ck_assert(m.x[i] == x[i] || fabs(m.x[i] - y) < 1e-14);
    }
}
END_TEST

/* -- the step size --------------------------------------------------------- */

/* The share that moves settles at the target; and the rule, step by step. */
START_TEST(test_tuner)
{
    static struct chains m;
    slivi_hmc_tuner t = slivi_hmc_tuner_default();
    slivi_hmc how = chains_fixed(9, 0);
    double share = 0;

    slivi_hmc_tune(&t, 1); /* the rate before is 0.65: not above */
    ck_assert_double_eq_tol(t.eps, 0.0098, 1e-16);
    ck_assert_double_eq_tol(t.rate, 0.9 * 0.65 + 0.1, 1e-15);
    slivi_hmc_tune(&t, 0);
    ck_assert_double_eq_tol(t.eps, 0.0098 * 1.02, 1e-16);
    ck_assert_double_eq_tol(t.rate, 0.9 * 0.685, 1e-15);
    t.eps = 0.499;
    t.rate = 0.66;
    slivi_hmc_tune(&t, 0);
    ck_assert_double_eq(t.eps, 0.5);
    t.eps = 1.01e-4;
    t.rate = 0.64;
    slivi_hmc_tune(&t, 0);
    ck_assert_double_eq(t.eps, 1e-4);

    t = slivi_hmc_tuner_default();
    t.most = 10;
    chains_seat(&m, 500, D);
    memset(m.x, 0, sizeof m.x);
    chains_start(&m, gaussian, NULL);
    for (size_t i = 0; i < 500; i++) {
        how.eps = t.eps;
        const slivi_hmc_report r = chains_go(&m, gaussian, NULL, how, i, 1);
        slivi_hmc_tune(&t, (double)r.moved / 500);
        share += i >= 300 ? (double)r.moved / 500 / 200 : 0;
    }
    ck_assert_msg(fabs(share - 0.65) < 0.03, "%g at %g", share, t.eps);
    ck_assert_double_gt(t.eps, 0.5);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *slivi_suite_hmc(void)
{
    Suite *s = suite_create("hmc");
    TCase *c = tcase_create("trajectory");

    tcase_add_test(c, test_formula);
    tcase_add_loop_test(c, test_reversible, 0, 2);
    tcase_add_loop_test(c, test_volume, 0, 2);
    tcase_add_loop_test(c, test_second_order, 0, 2);
    suite_add_tcase(s, c);
    c = tcase_create("kept");
    tcase_add_loop_test(c, test_gaussian, 0, 2);
    tcase_add_loop_test(c, test_quartic, 0, 3);
    tcase_add_test(c, test_balance);
    tcase_add_test(c, test_acceptance);
    tcase_add_test(c, test_ratio);
    tcase_add_test(c, test_tuner);
    suite_add_tcase(s, c);
    return s;
}
