/* target_posteriors.c - two posteriors of posteriordb, without constants.

     eight_schools      mu ~ N(0, 5), tau ~ half-Cauchy(0, 5),
                        theta_j ~ N(mu, tau), y_j ~ N(theta_j, sigma_j)
                        (Rubin, "Estimation in parallel randomized experiments",
                        1981; Gelman, "Prior distributions for variance
                        parameters in hierarchical models", 2006)
     low_dim_gauss_mix  y ~ theta N(mu_1, s_1) + (1 - theta) N(mu_2, s_2),
                        mu_1 < mu_2 ~ N(0, 2), s ~ half-N(0, 2),
                        theta ~ Beta(5, 5)

   N(m, s): s is the standard deviation.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "targets_inside.h"

#include "target_data.h"

#include <math.h>

/* ---- eight_schools ---------------------------------------------------- */

typedef struct schools {
    size_t count;
    double data[]; /* y, sigma^-2 of each */
} schools;

/* x = (mu, tau, theta).  Inside, theta_j = mu + tau u_j: the form that is not
   centred, in which tau may be near zero. */
static int schools_density(size_t n, size_t d, const double *x, double *lp,
                           double *grad, void *ctx)
{
    const schools *m = ctx;
    const double *y = m->data, *rate = y + m->count;
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        const double mu = x[0], tau = x[1], q = tau / 5;
        double sum = 0, pull = 0, misfit = 0;
        for (size_t j = 0; j < m->count; j++) {
            const double u = (x[2 + j] - mu) / tau;
            const double r = y[j] - x[2 + j];
            sum += u * u;
            pull += u;
            misfit += rate[j] * r * r;
            grad[2 + j] = rate[j] * r - u / tau;
        }
        const double count = (double)m->count;
        lp[i] = slivi__settled(-0.5 * (mu * mu / 25 + sum + misfit)
                               - count * log(tau) - log1p(q * q));
        grad[0] = -mu / 25 + pull / tau;
        grad[1] = (sum - count) / tau - 2 * q / (5 * (1 + q * q));
    }
    return 0;
}

static schools *read_schools(const slivi__data *d)
{
    size_t n = 0;
    schools *m = NULL;
    int status = slivi__data_count(d, "J", 1, SLIVI__DATA_MOST, &n);
    if (!status)
        status = slivi__data_array(d, "y", n, -INFINITY, NULL);
    if (!status && !(m = slivi__alloc(1, sizeof *m + 2 * n * sizeof *m->data)))
        return NULL;
    if (!status)
        status = slivi__data_array(d, "y", n, -INFINITY, m->data);
    if (!status)
        status = slivi__data_array(d, "sigma", n, 0, m->data + n);
    if (status) {
        slivi__free(m);
        return NULL;
    }
    m->count = n;
    for (size_t j = n; j < 2 * n; j++)
        m->data[j] = 1 / (m->data[j] * m->data[j]);
    return m;
}

slivi_target *slivi__create_eight_schools(const char *data, size_t batch,
                                          uint64_t seed)
{
    enum { MU, TAU };
    slivi__data d;
    (void)batch, (void)seed;
    if (slivi__data_open(&d, data))
        return NULL;
    schools *m = read_schools(&d);
    slivi__data_close(&d);
    if (!m)
        return NULL;
    const slivi_parameter parameters[] = {
        {.name = "mu"},
        {.name = "tau", .support = "lower"},
        {.name = "theta",
         .count = m->count,
         .offset = {.slope = 1, .of = MU},
         .scale = {.slope = 1, .of = TAU}},
    };
    return slivi__target_keep(
        slivi_target_create_on(3, parameters, schools_density, m), m);
}

/* ---- low_dim_gauss_mix ------------------------------------------------ */

/* With l_k(y) = log of what component k adds, log p(y) = l_2 + log(1 + e^q) and
   q = l_1 - l_2 a quadratic in y: the sum of l_2 needs two moments of y, the
   other one is slivi__softplus_sum with rows (1, y, y^2). */
typedef struct blend {
    size_t n;
    double mean, squares; /* of y; sum of (y - mean)^2 */
    double powers[];      /* n x 3 */
} blend;

enum { POINTS = 32, POWERS = 3, BLEND = 5 };

/* x = (mu_1, mu_2, s_1, s_2, theta); q = c[0] + c[1] y + c[2] y^2 */
static void quadratic(const double *x, double *c)
{
    const double a = 1 / (x[2] * x[2]), b = 1 / (x[3] * x[3]);
    c[0] = log(x[4] * x[3] / ((1 - x[4]) * x[2]))
           - 0.5 * (a * x[0] * x[0] - b * x[1] * x[1]);
    c[1] = a * x[0] - b * x[1];
    c[2] = -0.5 * (a - b);
}

/* All but the sum of softplus in *lp, and the gradient; r is that sum's
   gradient in c. */
static void finish_blend(const blend *m, const double *x, const double *r,
                         double *lp, double *grad)
{
    const double n = (double)m->n, s = x[2], t = x[3], p = x[4];
    const double gap = m->mean - x[1];
    const double squares = m->squares + n * gap * gap;
    /* sums of weights, and of weights (y - mu)^2 */
    const double left = r[2] - 2 * x[0] * r[1] + x[0] * x[0] * r[0];
    const double right = r[2] - 2 * x[1] * r[1] + x[1] * x[1] * r[0];
    *lp += n * log((1 - p) / t) - 0.5 * squares / (t * t);
    *lp -= 0.125 * (x[0] * x[0] + x[1] * x[1] + s * s + t * t);
    *lp = slivi__settled(*lp + 4 * log(p * (1 - p)));
    grad[0] = (r[1] - x[0] * r[0]) / (s * s) - 0.25 * x[0];
    grad[1] = (n * gap - r[1] + x[1] * r[0]) / (t * t) - 0.25 * x[1];
    grad[2] = (left / (s * s) - r[0]) / s - 0.25 * s;
    grad[3] = ((squares - right) / (t * t) - n + r[0]) / t - 0.25 * t;
    grad[4] = (r[0] + 4) / p - (n - r[0] + 4) / (1 - p);
}

static int blend_density(size_t n, size_t d, const double *x, double *lp,
                         double *grad, void *ctx)
{
    const blend *m = ctx;
    double c[POINTS * POWERS], r[POINTS * POWERS];
    (void)d;
    for (size_t from = 0; from < n; from += POINTS) {
        const size_t some = n - from < POINTS ? n - from : POINTS;
        for (size_t i = 0; i < some; i++)
            quadratic(x + (from + i) * BLEND, c + i * POWERS);
        slivi__softplus_sum(some, POWERS, c, POWERS, m->n, NULL, m->powers,
                            lp + from, r, POWERS);
        for (size_t i = 0; i < some; i++)
            finish_blend(m, x + (from + i) * BLEND, r + i * POWERS,
                         lp + from + i, grad + (from + i) * BLEND);
    }
    return 0;
}

static blend *read_blend(const slivi__data *d)
{
    size_t n = 0;
    blend *m = NULL;
    int status = slivi__data_count(d, "N", 1, SLIVI__DATA_MOST, &n);
    if (!status)
        status = slivi__data_array(d, "y", n, -INFINITY, NULL);
    if (!status
        && !(m = slivi__alloc(1, sizeof *m + POWERS * n * sizeof *m->powers)))
        return NULL;
    if (!status)
        status = slivi__data_array(d, "y", n, -INFINITY, m->powers);
    if (status) {
        slivi__free(m);
        return NULL;
    }
    m->n = n;
    for (size_t i = 0; i < n; i++)
        m->mean += m->powers[i] / (double)n;
    for (size_t i = n; i-- > 0;) { /* spread out, last first */
        const double y = m->powers[i];
        m->squares += (y - m->mean) * (y - m->mean);
        m->powers[i * POWERS + 2] = y * y;
        m->powers[i * POWERS + 1] = y;
        m->powers[i * POWERS] = 1;
    }
    return m;
}

slivi_target *slivi__create_low_dim_gauss_mix(const char *data, size_t batch,
                                              uint64_t seed)
{
    static const slivi_parameter parameters[] = {
        {.name = "mu", .count = 2, .support = "ordered"},
        {.name = "sigma", .count = 2, .support = "lower"},
        {.name = "theta", .support = "interval", .upper = {.value = 1}},
    };
    slivi__data d;
    (void)batch, (void)seed;
    if (slivi__data_open(&d, data))
        return NULL;
    blend *m = read_blend(&d);
    slivi__data_close(&d);
    if (!m)
        return NULL;
    return slivi__target_keep(
        slivi_target_create_on(3, parameters, blend_density, m), m);
}
