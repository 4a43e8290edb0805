/* test_sampler.c - runs of Hamiltonian Monte Carlo: moments, what warm-up
   finds, what is counted.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "chains.h"
#include "evidence.h"
#include "scratch.h"
#include "slivi/sampler.h"
#include "suites.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { D_MOST = 10, CHAINS_EACH = 16, DRAWS_MOST = 1500 };

static double draws[CHAINS_EACH * DRAWS_MOST * D_MOST];
static double starts[CHAINS_EACH * D_MOST];

/* A Gaussian: x_j = mean + sd_j (neighbours correlated by rho). */
struct normal {
    double sd[D_MOST], mean, rho;
    size_t rows, wild; /* points asked for, and entries that are not finite */
};

static int normal(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    struct normal *m = ctx;

    m->rows += n;
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        double u[D_MOST], g[D_MOST] = {0};

        lp[i] = 0;
        for (size_t j = 0; j < d; j++) {
            m->wild += isfinite(x[j]) == 0;
            u[j] = (x[j] - m->mean) / m->sd[j];
        }
        /* a chain u_j | u_{j-1} ~ N(rho u_{j-1}, 1 - rho^2) */
        for (size_t j = 0; j < d; j++) {
            const double var = j ? 1 - m->rho * m->rho : 1;
            const double off = u[j] - (j ? m->rho * u[j - 1] : 0);

            lp[i] -= 0.5 * off * off / var;
            g[j] -= off / var;
            if (j > 0)
                g[j - 1] += m->rho * off / var;
        }
        for (size_t j = 0; j < d; j++)
            grad[j] = g[j] / m->sd[j];
    }
    return 0;
}

static struct normal standard(void)
{
    struct normal m = {.mean = 0};

    for (size_t j = 0; j < D_MOST; j++)
        m.sd[j] = 1;
    return m;
}

static slivi_sampler plan(size_t warmup, size_t count)
{
    slivi_sampler how = slivi_sampler_default();

    how.chains = CHAINS_EACH;
    how.warmup = warmup;
    how.draws = count;
    how.seed = 3;
    return how;
}

static slivi_sampler_report go(const slivi_sampler *how, slivi_log_density *f,
                               void *ctx, size_t d, double *mass)
{
    slivi_sampler_report r;

    ck_assert_uint_le(how->chains * how->draws * d,
                      sizeof draws / sizeof *draws);
    ck_assert_msg(
        slivi_sample(how, f, ctx, d, starts, draws, mass, NULL, NULL, &r) == 0,
        "%s", slivi_errmsg());
    return r;
}

/* ---- the law ------------------------------------------------------------- */

/* The mean of f(x_j) - want in standard errors by its own ess. */
static double error_of(const slivi_sampler *how, size_t d, size_t j, int square,
                       double mean, double sd)
{
    static double f[CHAINS_EACH * DRAWS_MOST];
    const size_t n = how->chains * how->draws;
    double ess, sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++) {
        const double u = (draws[i * d + j] - mean) / sd;

        f[i] = square ? u * u - 1 : u;
        sum += f[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        squares += (f[i] - sum) * (f[i] - sum) / (double)n;
    ck_assert_int_eq(slivi_ess_mean(how->chains, how->draws, f, 1, &ess), 0);
    ck_assert_msg(ess > 500, "coordinate %zu: ess %g", j, ess);
    return sum / sqrt(squares / ess);
}

/* Moments and the metric, of scales from 1e-3 to 1e3; starts are far off in
   the small and close together in the large. */
START_TEST(test_scales)
{
    enum { D = 7 };
    struct normal m = standard();
    const slivi_sampler how = plan(1000, 1000);
    double mass[D], chi = 0;

    m.mean = 0.3;
    m.rho = _i ? 0.6 : 0;
    for (size_t j = 0; j < D; j++)
        m.sd[j] = pow(10, (double)j - 3);
    evidence_draw(1, 0, CHAINS_EACH, D, starts);
    const slivi_sampler_report r = go(&how, normal, &m, D, mass);
    ck_assert_msg(r.rhat < 1.01 && r.ess > 2000, "%g %g", r.rhat, r.ess);
    ck_assert_uint_eq(r.gradients, m.rows);
    ck_assert_uint_eq(m.wild + r.lost, 0);
    for (size_t j = 0; j < D; j++) {
        ck_assert_double_eq_tol(mass[j] * m.sd[j] * m.sd[j], 1, 0.2);
        for (int square = 0; square < 2; square++) {
            const double e = error_of(&how, D, j, square, m.mean, m.sd[j]);

            chi += e * e;
            ck_assert_msg(fabs(e) < 4, "coordinate %zu, %s: %g se", j,
                          square ? "square" : "mean", e);
        }
    }
    /* of 14: sd 5.3 */
    ck_assert_msg(chi < 35, "%g", chi);
    /* leapfrogs do not go with the scales */
    ck_assert_double_gt(r.eps, 0.3);
}
END_TEST

/* Units do not matter: the same run in other ones, draw by draw. */
START_TEST(test_units)
{
    enum { D = 3 };
    static double before[CHAINS_EACH * 50 * D];
    const slivi_sampler how = plan(200, 50);
    const double scale = 0x1p-30;
    struct normal m = standard();

    evidence_draw(2, 0, CHAINS_EACH, D, starts);
    const slivi_sampler_report a = go(&how, normal, &m, D, NULL);
    memcpy(before, draws, sizeof before);
    m.sd[1] = scale;
    for (size_t i = 0; i < CHAINS_EACH; i++)
        starts[i * D + 1] *= scale;
    const slivi_sampler_report b = go(&how, normal, &m, D, NULL);
    /* all but the first guess, whose weight is 5 in thousands */
    ck_assert_double_eq_tol(a.eps / b.eps, 1, 0.2);
    ck_assert_double_gt(b.ess, 400);
}
END_TEST

/* exp(x - x^4) has moments by quadrature; here no Gaussian one fits. */
static int quartic(size_t n, size_t d, const double *x, double *lp,
                   double *grad, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        lp[i] = 0;
    for (size_t i = 0; i < n * d; i++) {
        lp[i / d] += x[i] - x[i] * x[i] * x[i] * x[i];
        grad[i] = 1 - 4 * x[i] * x[i] * x[i];
    }
    return 0;
}

START_TEST(test_quartic)
{
    slivi_sampler how = plan(500, 1000);
    double sums[3] = {0};

    for (int i = -4000; i <= 4000; i++) {
        const double x = i * 1e-3, w = exp(x - x * x * x * x);

        sums[0] += w;
        sums[1] += w * x;
        sums[2] += w * x * x;
    }
    const double mean = sums[1] / sums[0];
    const double sd = sqrt(sums[2] / sums[0] - mean * mean);
    how.thin = 2;
    evidence_draw(3, 0, CHAINS_EACH, 2, starts);
    go(&how, quartic, NULL, 2, NULL);
    for (size_t j = 0; j < 2; j++)
        for (int square = 0; square < 2; square++)
            ck_assert_double_lt(fabs(error_of(&how, 2, j, square, mean, sd)),
                                4);
}
END_TEST

/* ---- what warm-up finds -------------------------------------------------- */

/* Acceptance comes near its aim; from a first step that is too long by far or
   too short, in a metric that is off. */
START_TEST(test_aim)
{
    static const double aims[] = {0.8, 0.65, 0.95};
    struct normal m = standard();
    slivi_sampler how = plan(1000, 300);
    double sum = 0, least = INFINITY, most = 0;

    how.accept = aims[_i];
    how.length = 1.5;
    for (uint64_t seed = 0; seed < 4; seed++) {
        how.seed = seed;
        evidence_draw(4, seed, CHAINS_EACH, D_MOST, starts);
        for (size_t i = 0; i < CHAINS_EACH * D_MOST; i++)
            starts[i] *= pow(10, (double)seed - 2);
        const slivi_sampler_report r = go(&how, normal, &m, D_MOST, NULL);

        sum += r.accept / 4;
        least = fmin(least, r.eps);
        most = fmax(most, r.eps);
    }
    /* it is an average, which varies less than what is averaged */
    ck_assert_msg(most / least < 1.25, "eps from %g to %g", least, most);
    ck_assert_msg(fabs(sum - how.accept) < 0.05 + 0.02 * (_i == 1),
                  "%g, not %g", sum, how.accept);
}
END_TEST

/* The report's acceptance and the count of points, by a run without warm-up,
   with steps as many as allowed. */
START_TEST(test_counts)
{
    struct normal m = standard();
    slivi_sampler how = plan(0, 200);
    slivi_sampler_report r;

    how.leapfrogs = 3;
    how.length = 1e6;
    evidence_draw(5, 0, CHAINS_EACH, 2, starts);
    r = go(&how, normal, &m, 2, NULL);
    ck_assert_uint_eq(r.gradients, m.rows);
    ck_assert_uint_ge(r.gradients, CHAINS_EACH * (1 + 200 * 3));
    ck_assert_uint_le(r.gradients, CHAINS_EACH * (1 + 200 * 3 + 20));
    ck_assert_double_gt(r.accept, 0.3);
    ck_assert_double_le(r.accept, 1);
    /* a trajectory has one step at least, and about length / eps of them */
    how.leapfrogs = 512;
    how.length = 1e-9;
    m.rows = 0;
    go(&how, normal, &m, 2, NULL);
    ck_assert_uint_le(m.rows, CHAINS_EACH * (1 + 200 + 20));
    how.length = 20;
    m.rows = 0;
    r = go(&how, normal, &m, 2, NULL);
    const double steps = (double)m.rows / CHAINS_EACH / 200;
    ck_assert_double_eq_tol(steps, 20 / r.eps + 0.5, 0.06 * steps);
    /* warm-ups too short for windows, for one and for more */
    for (how.warmup = 1; how.warmup < 300; how.warmup += 37) {
        how.length = 1;
        ck_assert(isfinite(go(&how, normal, &m, 2, NULL).eps));
    }
}
END_TEST

/* The first guess of the metric; and the step sizes of a first transition, from
   where there is no force: E x^2 = E eps_i^2 = 1 + 0.8^2 / 12. */
static int first_move(size_t n, size_t d, const double *x, double *lp,
                      double *grad, void *ctx)
{
    double *squares = ctx;

    chains_harmonic(n, d, x, lp, grad, NULL);
    if (squares[0]++ == 1)
        for (size_t i = 0; i < n * d; i++)
            squares[1] += x[i] * x[i] / (double)(n * d);
    return 0;
}

START_TEST(test_first)
{
    enum { D = 2, MANY = 4000 };
    static double zero[MANY];
    struct normal m = standard();
    slivi_sampler how = plan(0, 1);
    double mass[D], squares[2] = {0};

    evidence_draw(5, 1, CHAINS_EACH, D, starts);
    for (size_t i = 0; i < CHAINS_EACH; i++)
        starts[i * D] = 1e3 * starts[i * D] - 50;
    go(&how, normal, &m, D, mass);
    for (size_t j = 0; j < D; j++) {
        double mean = 0, var = 0;

        for (size_t i = 0; i < CHAINS_EACH; i++)
            mean += starts[i * D + j] / CHAINS_EACH;
        for (size_t i = 0; i < CHAINS_EACH; i++)
            var += pow(starts[i * D + j] - mean, 2) / (CHAINS_EACH - 1);
        ck_assert_double_eq_tol(mass[j] * pow(var, 16. / 21), 1, 1e-9);
    }
    how.chains = MANY;
    ck_assert_int_eq(slivi_sample(&how, first_move, squares, 1, zero, draws,
                                  NULL, NULL, NULL, NULL),
                     0);
    ck_assert_double_eq_tol(squares[1], 1 + 0.64 / 12, 0.1);
}
END_TEST

/* Thinned draws are every other one; fewer draws are the first of more. */
START_TEST(test_addressed)
{
    enum { D = 2, FULL = 60 };
    static double whole[CHAINS_EACH * FULL * D];
    struct normal m = standard();
    slivi_sampler how = plan(160, FULL);

    m.rho = 0.5;
    evidence_draw(6, 0, CHAINS_EACH, D, starts);
    go(&how, normal, &m, D, NULL);
    memcpy(whole, draws, sizeof whole);
    go(&how, normal, &m, D, NULL);
    ck_assert_mem_eq(whole, draws, sizeof whole);
    how.draws = FULL / 3;
    for (how.thin = 1; how.thin <= 3; how.thin += 2) {
        go(&how, normal, &m, D, NULL);
        for (size_t c = 0; c < CHAINS_EACH; c++)
            for (size_t i = 0; i < how.draws; i++)
                ck_assert_mem_eq(draws + (c * how.draws + i) * D,
                                 whole
                                     + (c * FULL + (i + 1) * how.thin - 1) * D,
                                 D * sizeof *draws);
    }
    how.seed++;
    go(&how, normal, &m, D, NULL);
    ck_assert_mem_ne(draws, whole, D * sizeof *draws);
}
END_TEST

/* Chains at once are moved one by one elsewhere: they do not mix. */
START_TEST(test_report)
{
    enum { D = 3 };
    struct normal m = standard();
    slivi_sampler how = plan(200, 100);
    slivi_sampler_report r;
    double most = 0, least = INFINITY;
    size_t worst = 0;

    m.sd[1] = 3;
    evidence_draw(7, 0, CHAINS_EACH, D, starts);
    r = go(&how, normal, &m, D, NULL);
    for (size_t j = 0; j < D; j++) {
        double rhat, ess;

        slivi_rhat(CHAINS_EACH, 100, draws + j, D, &rhat);
        slivi_ess_bulk(CHAINS_EACH, 100, draws + j, D, &ess);
        worst = rhat > most ? j : worst;
        most = fmax(most, rhat);
        least = fmin(least, ess);
    }
    ck_assert(r.rhat == most && r.ess == least && r.worst == worst);
    how.draws = 3;
    r = go(&how, normal, &m, D, NULL);
    ck_assert(isnan(r.rhat) && isnan(r.ess));
}
END_TEST

/* Two modes 12 sds apart, chains in both: R-hat says so. */
static int modes(size_t n, size_t d, const double *x, double *lp, double *grad,
                 void *ctx)
{
    (void)d, (void)ctx;
    for (size_t i = 0; i < n; i++) {
        const double off = fabs(x[i]) - 6;

        lp[i] = -0.5 * off * off;
        grad[i] = x[i] > 0 ? -off : off;
    }
    return 0;
}

START_TEST(test_modes)
{
    slivi_sampler how = plan(300, 200);

    for (size_t i = 0; i < CHAINS_EACH; i++)
        starts[i] = i < 3 ? -6 : 6;
    how.length = 0.3;
    ck_assert_double_gt(go(&how, modes, NULL, 1, NULL).rhat, 1.2);
}
END_TEST

/* ---- losing and failing -------------------------------------------------- */

/* exp(-x'x/2) within |x_0| < 1, and a wall of height `wall` outside. */
static int walled(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    const double *wall = ctx;

    chains_harmonic(n, d, x, lp, grad, NULL);
    for (size_t i = 0; i < n; i++)
        if (!(fabs(x[i * d]) < 1))
            lp[i] -= *wall;
    return 0;
}

/* What the density refuses counts, and so does a wall higher than 690. */
START_TEST(test_lost)
{
    static const double walls[] = {INFINITY, 720, 660};
    double wall = walls[_i], outside = 0;
    const slivi_sampler how = plan(200, 500);

    memset(starts, 0, sizeof starts);
    const slivi_sampler_report r = go(&how, walled, &wall, 2, NULL);
    if (_i < 2) {
        ck_assert_uint_gt(r.lost, 100);
        ck_assert_double_le((double)r.lost,
                            (1 - r.accept) * CHAINS_EACH * 500 + 1e-6);
    } else {
        ck_assert_uint_eq(r.lost, 0);
    }
    for (size_t i = 0; i < CHAINS_EACH * 500; i++)
        outside += fabs(draws[2 * i]) >= 1;
    ck_assert(outside == 0);
}
END_TEST

static int flat(size_t n, size_t d, const double *x, double *lp, double *grad,
                void *ctx)
{
    (void)x, (void)ctx;
    for (size_t i = 0; i < n; i++)
        lp[i] = 0;
    for (size_t i = 0; i < n * d; i++)
        grad[i] = 0;
    return 0;
}

static int attempt(const slivi_sampler *how, slivi_log_density *f, void *ctx,
                   size_t d)
{
    slivi_sampler_report r = {.eps = 7};
    const int status = slivi_sample(how, f, ctx, d, starts, draws, NULL, NULL,
                                    NULL, &r);

    ck_assert(status != 0 && r.eps == 7);
    return status;
}

START_TEST(test_refused)
{
    static const struct {
        slivi_sampler how;
        size_t d;
        int status;
        const char *words;
    } bad[] = {
        {{0, 9, 9, 1, .8, 1, 9, 0}, 1, SLIVI_EINVAL, "chains 0"},
        {{2, 9, 0, 1, .8, 1, 9, 0}, 1, SLIVI_EINVAL, "draws 0"},
        {{2, 9, 9, 0, .8, 1, 9, 0}, 1, SLIVI_EINVAL, "thin 0"},
        {{2, 9, 9, 1, .8, 1, 0, 0}, 1, SLIVI_EINVAL, "leapfrogs 0"},
        {{2, 9, 9, 1, 0, 1, 9, 0}, 1, SLIVI_EINVAL, "accept is 0"},
        {{2, 9, 9, 1, 1, 1, 9, 0}, 1, SLIVI_EINVAL, "accept is 1"},
        {{2, 9, 9, 1, NAN, 1, 9, 0}, 1, SLIVI_EINVAL, "accept is"},
        {{2, 9, 9, 1, .8, 0, 9, 0}, 1, SLIVI_EINVAL, "length is 0"},
        {{2, 9, 9, 1, .8, INFINITY, 9, 0}, 1, SLIVI_EINVAL, "length is inf"},
        {{2, 9, 9, 1, .8, 1, 9, 0}, 0, SLIVI_ESHAPE, "0 dimensions"},
        {{2, 9, SIZE_MAX, 2, .8, 1, 9, 0}, 1, SLIVI_EOVERFLOW, ""},
        {{2, 9, SIZE_MAX, 1, .8, 1, 9, 0}, 1, SLIVI_EOVERFLOW, ""},
    };
    struct normal m = standard();
    slivi_sampler how = plan(100, 10);
    double wall = INFINITY;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(attempt(&bad[i].how, normal, &m, bad[i].d),
                         bad[i].status);
        scratch_check_message("sampler", bad[i].words);
    }
    ck_assert_uint_eq(m.rows, 0);
    memset(starts, 0, sizeof starts);
    starts[2 * 5] = 2;
    ck_assert_int_eq(attempt(&how, walled, &wall, 2), SLIVI_EINVAL);
    scratch_check_message("sampler", "chain 5 starts at log density -inf");
    starts[2 * 5] = NAN;
    ck_assert_int_eq(attempt(&how, walled, &wall, 2), SLIVI_EINVAL);
    scratch_check_message("sampler", "chain 5 starts where x is not finite");
    memset(starts, 0, sizeof starts);
    ck_assert_int_eq(attempt(&how, flat, NULL, 2), SLIVI_EINVAL);
    scratch_check_message("sampler", "is the density proper");
}
END_TEST

struct limit {
    size_t calls, at, of;
};

static int enough(size_t transition, size_t of, void *ctx)
{
    struct limit *l = ctx;

    l->calls++;
    ck_assert_uint_eq(transition, l->calls);
    l->of = of;
    return transition == l->at;
}

static int failing(size_t n, size_t d, const double *x, double *lp,
                   double *grad, void *ctx)
{
    int *left = ctx;

    chains_harmonic(n, d, x, lp, grad, NULL);
    return (*left)-- == 0 ? 7 : 0;
}

START_TEST(test_stop)
{
    static const size_t ends[] = {1, 30, 101, 150};
    scratch_memory *memory = scratch_watch(0);
    struct normal m = standard();
    const slivi_sampler how = plan(100, 50);
    slivi_sampler_report r;
    int left = 100;

    evidence_draw(8, 0, CHAINS_EACH, 2, starts);
    for (size_t i = 0; i < 4; i++) {
        struct limit l = {0, ends[i], 0};

        ck_assert_int_eq(slivi_sample(&how, normal, &m, 2, starts, draws, NULL,
                                      enough, &l, &r),
                         SLIVI_ECALLBACK);
        scratch_check_message("sampler", "stopped after transition");
        ck_assert_uint_eq(l.calls, ends[i]);
        ck_assert_uint_eq(l.of, 150);
        ck_assert_uint_eq(memory->live, 0);
    }
    struct limit never = {0, 0, 0};
    ck_assert_int_eq(slivi_sample(&how, normal, &m, 2, starts, draws, NULL,
                                  enough, &never, NULL),
                     0);
    ck_assert_uint_eq(never.calls, 150);
    ck_assert_int_eq(attempt(&how, failing, &left, 2), SLIVI_ECALLBACK);
    scratch_check_message("sampler", "log_density returned 7");
    ck_assert_uint_eq(memory->live, 0);
    scratch_unwatch();
}
END_TEST

START_TEST(test_memory)
{
    scratch_memory *memory = scratch_watch(0);
    struct normal m = standard();
    const slivi_sampler how = plan(20, 10);

    evidence_draw(9, 0, CHAINS_EACH, 2, starts);
    for (memory->fail_at = 1;; memory->fail_at++) {
        slivi_sampler_report r;
        int status;

        memory->calls = 0;
        status = slivi_sample(&how, normal, &m, 2, starts, draws, NULL, NULL,
                              NULL, &r);
        ck_assert_uint_eq(memory->live, 0);
        if (status == 0)
            break;
        ck_assert_int_eq(status, SLIVI_ENOMEM);
    }
    ck_assert_uint_gt(memory->fail_at, 5);
    scratch_unwatch();
}
END_TEST

/* ---- the suite ----------------------------------------------------------- */

Suite *slivi_suite_sampler(void)
{
    const TTest *const tests[] = {
        test_first,  test_units, test_quartic, test_counts, test_addressed,
        test_report, test_modes, test_refused, test_stop,   test_memory};
    Suite *s = suite_create("sampler");
    TCase *c = tcase_create("sampler");

    tcase_add_loop_test(c, test_scales, 0, 2);
    tcase_add_loop_test(c, test_aim, 0, 3);
    tcase_add_loop_test(c, test_lost, 0, 3);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(c, tests[i]);
    suite_add_tcase(s, c);
    return s;
}
