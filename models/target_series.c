/* target_series.c - posteriors of series in time, without constants.

     garch      y_t ~ N(mu, s_t), s_1 = sigma1,
                s_t^2 = alpha0 + alpha1 (y_{t-1} - mu)^2 + beta1 s_{t-1}^2,
                flat on mu, alpha0 > 0, 0 < alpha1 < 1, 0 < beta1 < 1 - alpha1
                (Bollerslev, "Generalized autoregressive conditional
                heteroskedasticity", 1986; data of posteriordb)
     diffusion  a path x_1..x_100 by Euler and Maruyama, x_0 = 0, dt = 0.01,
                x_{i+1} ~ N(x_i + f(x_i) dt, sqrt(dt)),
                f(x) = 10 x (1 - x^2) / (1 + x^2),
                seen as y_k ~ N(x_{5k}, 0.1), k = 1..20
                (Detommaso, Cui, Spantini, Marzouk and Scheichl, "A Stein
                variational Newton method", 2018)

   The unknowns of diffusion are the path's values; the observations are of a
   path that is simulated, the same in every build.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "targets_inside.h"

#include "target_data.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- garch ------------------------------------------------------------ */

typedef struct garch {
    size_t count;
    double first; /* sigma1^2 */
    double y[];
} garch;

/* Points side by side, and times whose logarithms are taken at once. */
enum { LANES = 8, TIMES = 16, GARCH = 4, MU = 0, ALPHA0, ALPHA1, BETA1 };

/* The state of LANES recursions: h = s_t^2, and its gradient. */
typedef struct lanes {
    double x[GARCH][LANES];
    double h[LANES], dh[GARCH][LANES];
    double lp[LANES], g[GARCH][LANES];
    double seen[TIMES][LANES]; /* of h, until their logarithms are taken */
} lanes;

/* log N(y; mu, s_t), but for log s_t */
static void see(lanes *s, double y)
{
    for (size_t l = 0; l < LANES; l++) {
        const double e = y - s->x[MU][l], rate = 1 / s->h[l];
        const double u = e * rate, w = 0.5 * (u * u - rate);
        s->lp[l] -= 0.5 * e * u;
        s->g[MU][l] += u;
        for (size_t j = 0; j < GARCH; j++)
            s->g[j][l] += w * s->dh[j][l];
    }
}

static void step(lanes *s, double y)
{
    for (size_t l = 0; l < LANES; l++) {
        const double e = y - s->x[MU][l], a = s->x[ALPHA1][l];
        const double b = s->x[BETA1][l], h = s->h[l];
        s->h[l] = s->x[ALPHA0][l] + a * e * e + b * h;
        s->dh[MU][l] = b * s->dh[MU][l] - 2 * a * e;
        s->dh[ALPHA0][l] = b * s->dh[ALPHA0][l] + 1;
        s->dh[ALPHA1][l] = b * s->dh[ALPHA1][l] + e * e;
        s->dh[BETA1][l] = b * s->dh[BETA1][l] + h;
    }
}

/* The logarithms of the times that were seen: of their product, unless that
   leaves the range of numbers. */
static void settle(lanes *s, size_t times)
{
    for (size_t l = 0; l < LANES; l++) {
        double product = 1, sum = 0;
        for (size_t t = 0; t < times; t++)
            product *= s->seen[t][l];
        if (product > DBL_MIN && product <= DBL_MAX)
            sum = log(product);
        else
            for (size_t t = 0; t < times; t++)
                sum += log(s->seen[t][l]);
        s->lp[l] -= 0.5 * sum;
    }
}

static void run_lanes(const garch *m, lanes *s)
{
    size_t times = 0;
    memset(s->dh, 0, sizeof s->dh);
    memset(s->lp, 0, sizeof s->lp);
    memset(s->g, 0, sizeof s->g);
    for (size_t l = 0; l < LANES; l++)
        s->h[l] = m->first;
    for (size_t t = 0; t < m->count; t++) {
        if (t)
            step(s, m->y[t - 1]);
        see(s, m->y[t]);
        memcpy(s->seen[times++], s->h, sizeof s->h);
        if (times == TIMES || t + 1 == m->count) {
            settle(s, times);
            times = 0;
        }
    }
}

static int garch_density(size_t n, size_t d, const double *x, double *lp,
                         double *grad, void *ctx)
{
    lanes s;
    (void)d;
    for (size_t i = 0; i < n; i += LANES) {
        /* lanes beyond the last point repeat one */
        for (size_t l = 0; l < LANES; l++)
            for (size_t j = 0; j < GARCH; j++)
                s.x[j][l] = x[(i + l < n ? i + l : i) * GARCH + j];
        run_lanes(ctx, &s);
        for (size_t l = 0; l < LANES && i + l < n; l++) {
            lp[i + l] = slivi__settled(s.lp[l]);
            for (size_t j = 0; j < GARCH; j++)
                grad[(i + l) * GARCH + j] = s.g[j][l];
        }
    }
    return 0;
}

static garch *read_garch(const slivi__data *d)
{
    size_t n = 0;
    garch *m = NULL;
    int status = slivi__data_count(d, "T", 1, SLIVI__DATA_MOST, &n);
    if (!status)
        status = slivi__data_array(d, "y", n, -INFINITY, NULL);
    if (!status && !(m = slivi__alloc(1, sizeof *m + n * sizeof *m->y)))
        return NULL;
    if (!status)
        status = slivi__data_array(d, "y", n, -INFINITY, m->y);
    if (!status)
        status = slivi__data_number(d, "sigma1", 0, &m->first);
    if (status) {
        slivi__free(m);
        return NULL;
    }
    m->count = n;
    m->first *= m->first;
    return m;
}

slivi_target *slivi__create_garch(const char *data, size_t batch, uint64_t seed)
{
    static const slivi_parameter parameters[] = {
        {.name = "mu"},
        {.name = "alpha0", .support = "lower"},
        {.name = "alpha1", .support = "interval", .upper = {.value = 1}},
        {.name = "beta1",
         .support = "interval",
         .upper = {.value = 1, .slope = -1, .of = ALPHA1}},
    };
    slivi__data d;
    (void)batch, (void)seed;
    if (slivi__data_open(&d, data))
        return NULL;
    garch *m = read_garch(&d);
    slivi__data_close(&d);
    if (!m)
        return NULL;
    return slivi__target_keep(
        slivi_target_create_on(GARCH, parameters, garch_density, m), m);
}

/* ---- diffusion -------------------------------------------------------- */

enum { TIMES_OF_PATH = 100, EVERY = 5, SEEN = TIMES_OF_PATH / EVERY };
enum { DIFFUSION_SEED = 100, STREAM_PATH = 0x64696666, STREAM_SEEN };
static const double dt = 0.01, beta = 10, noise = 0.1;

/* f dt; and its slope, with p = 1 / (1 + x^2) and q = x^2 p.  So written that
   nothing overflows before x does. */
static double drift(double x, double p)
{
    return beta * dt * x * (2 * p - 1);
}

static double drift_slope(double p, double q)
{
    return beta * dt * (p * p - 4 * p * q - q * q);
}

static int diffusion(size_t n, size_t d, const double *x, double *lp,
                     double *grad, void *ctx)
{
    const double *y = ctx;
    const double rate = 1 / dt, seen_rate = 1 / (noise * noise);
    (void)d;
    for (size_t i = 0; i < n; i++, x += TIMES_OF_PATH, grad += TIMES_OF_PATH) {
        double r[TIMES_OF_PATH + 1], slope[TIMES_OF_PATH]; /* noise to x_t */
        double sum = x[0] * x[0], misfit = 0;
        r[0] = x[0];
        r[TIMES_OF_PATH] = 0;
        for (size_t t = 0; t < TIMES_OF_PATH; t++) {
            const double p = 1 / (1 + x[t] * x[t]);
            slope[t] = 1 + drift_slope(p, 1 - p);
            r[t + 1] = -x[t] - drift(x[t], p);
        }
        for (size_t t = 1; t < TIMES_OF_PATH; t++) {
            r[t] += x[t];
            sum += r[t] * r[t];
        }
        r[TIMES_OF_PATH] = 0; /* nothing follows the last */
        for (size_t t = 0; t < TIMES_OF_PATH; t++)
            grad[t] = rate * (r[t + 1] * slope[t] - r[t]);
        for (size_t k = 0; k < SEEN; k++) {
            const double e = y[k] - x[(k + 1) * EVERY - 1];
            misfit += e * e;
            grad[(k + 1) * EVERY - 1] += seen_rate * e;
        }
        lp[i] = slivi__settled(-0.5 * (rate * sum + seen_rate * misfit));
    }
    return 0;
}

slivi_target *slivi__create_diffusion(const char *data, size_t batch,
                                      uint64_t seed)
{
    static const slivi_parameter names[] = {
        {.name = "x", .count = TIMES_OF_PATH}};
    const slivi_address path = {.seed = DIFFUSION_SEED, .stream = STREAM_PATH};
    const slivi_address seen = {.seed = DIFFUSION_SEED, .stream = STREAM_SEEN};
    double step[TIMES_OF_PATH], x = 0;
    double *y = slivi__alloc(SEEN, sizeof *y);
    (void)data, (void)batch, (void)seed;
    if (!y)
        return NULL;
    slivi_draw(slivi_law_normal, &path, 1, TIMES_OF_PATH, step);
    slivi_draw(slivi_law_normal, &seen, 1, SEEN, y);
    for (size_t t = 0; t < TIMES_OF_PATH; t++) {
        x += drift(x, 1 / (1 + x * x)) + sqrt(dt) * step[t];
        if ((t + 1) % EVERY == 0)
            y[t / EVERY] = x + noise * y[t / EVERY];
    }
    return slivi__target_keep(slivi_target_create_on(1, names, diffusion, y),
                              y);
}
