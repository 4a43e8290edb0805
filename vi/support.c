/* support.c - how entries of each support are made from unbounded coordinates.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "support.h"

#include "base/base.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* -- bounds ---------------------------------------------------------------- */

static double value_of(const slivi__block *b, int which, const double *all)
{
    const slivi_bound *at = b->bound + which;

    return at->slope != 0 ? at->value + at->slope * all[at->of] : at->value;
}

/* The adjoint of a bound, passed on. */
static void feel(const slivi__block *b, int which, double g, double *gall)
{
    const slivi_bound *at = b->bound + which;

    if (at->slope != 0)
        gall[at->of] += at->slope * g;
}

/* log(1 + e^u) */
static double softplus(double u)
{
    return fmax(u, 0) + log1p(exp(-fabs(u)));
}

static double sigmoid(double u)
{
    const double e = exp(-fabs(u));

    return u > 0 ? 1 / (1 + e) : e / (1 + e);
}

/* s (1 - s), without the difference that is 0 from u = 37 on */
static double sigmoid_slope(double u)
{
    const double e = exp(-fabs(u));

    return e / ((1 + e) * (1 + e));
}

/* Its log */
static double log_slope(double u)
{
    return -fabs(u) - 2 * log1p(exp(-fabs(u)));
}

/* A distance that rounding has made 0 is not: the bound itself is no value, and
   1 / theta is to be a number. */
static double distance(double x)
{
    return x < DBL_MIN ? DBL_MIN : x;
}

static double above(double bound, double x)
{
    return bound + x == bound ? nextafter(bound, INFINITY) : bound + x;
}

static double below(double bound, double x)
{
    return bound - x == bound ? nextafter(bound, -INFINITY) : bound - x;
}

/* -- real: theta = offset + scale u ----------------------------------------- */

static double real_out(const slivi__block *b, const double *all,
                       const double *u, double *x)
{
    const double offset = value_of(b, SLIVI__OFFSET, all);
    const double scale = value_of(b, SLIVI__SCALE, all);

    for (size_t i = 0; i < b->count; i++)
        x[i] = offset + scale * u[i];
    return scale == 1 ? 0 : (double)b->count * log(scale);
}

static void real_pull(const slivi__block *b, const double *all, const double *u,
                      const double *gx, double *gu, double *gall)
{
    const double scale = value_of(b, SLIVI__SCALE, all);
    double goffset = 0, gscale = (double)b->count / scale;

    for (size_t i = 0; i < b->count; i++) {
        gu[i] = scale * gx[i];
        goffset += gx[i];
        gscale += gx[i] * u[i];
    }
    feel(b, SLIVI__OFFSET, goffset, gall);
    feel(b, SLIVI__SCALE, gscale, gall);
}

static size_t real_in(const slivi__block *b, const double *all, const double *x,
                      double *u)
{
    const double offset = value_of(b, SLIVI__OFFSET, all);
    const double scale = value_of(b, SLIVI__SCALE, all);

    for (size_t i = 0; i < b->count; i++) {
        u[i] = (x[i] - offset) / scale;
        if (!(isfinite(u[i]) && isfinite(x[i]) && scale > 0))
            return i;
    }
    return b->count;
}

/* -- lower: theta = lower + e^u; upper: theta = upper - e^u ----------------- */

static double sum_of(size_t n, const double *x)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

static double lower_out(const slivi__block *b, const double *all,
                        const double *u, double *x)
{
    const double lower = value_of(b, SLIVI__LOWER, all);

    for (size_t i = 0; i < b->count; i++)
        x[i] = above(lower, distance(exp(u[i])));
    return sum_of(b->count, u);
}

static double upper_out(const slivi__block *b, const double *all,
                        const double *u, double *x)
{
    const double upper = value_of(b, SLIVI__UPPER, all);

    for (size_t i = 0; i < b->count; i++)
        x[i] = below(upper, distance(exp(u[i])));
    return sum_of(b->count, u);
}

static void lower_pull(const slivi__block *b, const double *all,
                       const double *u, const double *gx, double *gu,
                       double *gall)
{
    (void)all;
    for (size_t i = 0; i < b->count; i++)
        gu[i] = exp(u[i]) * gx[i] + 1;
    feel(b, SLIVI__LOWER, sum_of(b->count, gx), gall);
}

static void upper_pull(const slivi__block *b, const double *all,
                       const double *u, const double *gx, double *gu,
                       double *gall)
{
    (void)all;
    for (size_t i = 0; i < b->count; i++)
        gu[i] = -exp(u[i]) * gx[i] + 1;
    feel(b, SLIVI__UPPER, sum_of(b->count, gx), gall);
}

static size_t lower_in(const slivi__block *b, const double *all,
                       const double *x, double *u)
{
    const double lower = value_of(b, SLIVI__LOWER, all);

    for (size_t i = 0; i < b->count; i++) {
        if (!(x[i] > lower && isfinite(x[i])))
            return i;
        u[i] = log(x[i] - lower);
    }
    return b->count;
}

static size_t upper_in(const slivi__block *b, const double *all,
                       const double *x, double *u)
{
    const double upper = value_of(b, SLIVI__UPPER, all);

    for (size_t i = 0; i < b->count; i++) {
        if (!(x[i] < upper && isfinite(x[i])))
            return i;
        u[i] = log(upper - x[i]);
    }
    return b->count;
}

/* -- interval: theta = lower + (upper - lower) sigmoid(u) ------------------- */

/* Measured from the nearer end, which may be 0. */
static double interval_out(const slivi__block *b, const double *all,
                           const double *u, double *x)
{
    const double lower = value_of(b, SLIVI__LOWER, all);
    const double upper = value_of(b, SLIVI__UPPER, all), width = upper - lower;
    double sum = (double)b->count * log(width);

    for (size_t i = 0; i < b->count; i++) {
        const double gap = distance(width * sigmoid(-fabs(u[i])));

        x[i] = u[i] > 0 ? below(upper, gap) : above(lower, gap);
        sum += log_slope(u[i]);
    }
    return sum;
}

static void interval_pull(const slivi__block *b, const double *all,
                          const double *u, const double *gx, double *gu,
                          double *gall)
{
    const double lower = value_of(b, SLIVI__LOWER, all);
    const double width = value_of(b, SLIVI__UPPER, all) - lower;
    double glower = -(double)b->count / width, gupper = -glower;

    for (size_t i = 0; i < b->count; i++) {
        gu[i] = width * sigmoid_slope(u[i]) * gx[i] - tanh(u[i] / 2);
        glower += gx[i] * sigmoid(-u[i]);
        gupper += gx[i] * sigmoid(u[i]);
    }
    feel(b, SLIVI__LOWER, glower, gall);
    feel(b, SLIVI__UPPER, gupper, gall);
}

static size_t interval_in(const slivi__block *b, const double *all,
                          const double *x, double *u)
{
    const double lower = value_of(b, SLIVI__LOWER, all);
    const double upper = value_of(b, SLIVI__UPPER, all);

    for (size_t i = 0; i < b->count; i++) {
        if (!(x[i] > lower && x[i] < upper))
            return i;
        u[i] = log(x[i] - lower) - log(upper - x[i]);
    }
    return b->count;
}

/* -- simplex: parts of what is left ---------------------------------------- */

/* With y_k = sigmoid(u_k - log(count - k)) and what is left before it, l_k:
   x_k = l_k y_k, l_{k+1} = l_k (1 - y_k), and the last is l_count.
   |det| is the product of l_k y_k (1 - y_k). */
static double shifted(const slivi__block *b, const double *u, size_t k)
{
    return u[k] - log((double)(b->count - 1 - k));
}

static double simplex_out(const slivi__block *b, const double *all,
                          const double *u, double *x)
{
    double left = 1, log_left = 0, sum = 0;

    (void)all;
    for (size_t k = 0; k < b->nu; k++) {
        const double v = shifted(b, u, k);

        x[k] = distance(left * sigmoid(v));
        sum += log_left + log_slope(v);
        left *= sigmoid(-v);
        log_left -= softplus(v);
    }
    x[b->nu] = distance(left);
    return sum;
}

/* From the last to the first, with l_k as the sum of what comes from k on, and
   g the adjoint of l_{k+1}.  l_k stands in the logs of nu - k factors. */
static void simplex_pull(const slivi__block *b, const double *all,
                         const double *u, const double *gx, double *gu,
                         double *gall)
{
    const double *x = all + b->theta;
    double left = x[b->nu], g = gx[b->nu];

    (void)gall;
    for (size_t k = b->nu; k-- > 0;) {
        const double v = shifted(b, u, k), y = sigmoid(v);

        left += x[k];
        gu[k] = left * sigmoid_slope(v) * (gx[k] - g) - tanh(v / 2)
                - (double)(b->nu - 1 - k) * y;
        g = y * gx[k] + sigmoid(-v) * g;
    }
}

static size_t simplex_in(const slivi__block *b, const double *all,
                         const double *x, double *u)
{
    double rest = x[b->nu], sum = sum_of(b->count, x);

    (void)all;
    for (size_t k = 0; k < b->count; k++)
        if (!(x[k] > 0))
            return k;
    if (!(fabs(sum - 1) <= 1e-8))
        return b->nu;
    for (size_t k = b->nu; k-- > 0; rest += x[k])
        u[k] = log(x[k]) - log(rest) + log((double)(b->nu - k));
    return b->count;
}

/* -- ordered: theta_k = theta_{k-1} + e^u_k --------------------------------- */

static double ordered_out(const slivi__block *b, const double *all,
                          const double *u, double *x)
{
    (void)all;
    x[0] = u[0];
    for (size_t k = 1; k < b->count; k++)
        x[k] = above(x[k - 1], distance(exp(u[k])));
    return sum_of(b->count - 1, u + 1);
}

static void ordered_pull(const slivi__block *b, const double *all,
                         const double *u, const double *gx, double *gu,
                         double *gall)
{
    double g = 0;

    (void)all;
    (void)gall;
    for (size_t k = b->count; k-- > 1;) {
        g += gx[k];
        gu[k] = exp(u[k]) * g + 1;
    }
    gu[0] = g + gx[0];
}

static size_t ordered_in(const slivi__block *b, const double *all,
                         const double *x, double *u)
{
    (void)all;
    for (size_t k = 0; k < b->count; k++) {
        if (!isfinite(x[k]) || (k > 0 && !(x[k] > x[k - 1])))
            return k;
        u[k] = k == 0 ? x[0] : log(x[k] - x[k - 1]);
    }
    return b->count;
}

/* -- the table ------------------------------------------------------------- */

enum {
    LOWER = 1 << SLIVI__LOWER,
    UPPER = 1 << SLIVI__UPPER,
    OFFSET = 1 << SLIVI__OFFSET,
    SCALE = 1 << SLIVI__SCALE
};

static const slivi__support supports[] = {
    {"real", "finite, its scale > 0", OFFSET | SCALE, 1, 0, real_out, real_pull,
     real_in},
    {"lower", "above its bound", LOWER, 1, 0, lower_out, lower_pull, lower_in},
    {"upper", "below its bound", UPPER, 1, 0, upper_out, upper_pull, upper_in},
    {"interval", "between its bounds", LOWER | UPPER, 1, 0, interval_out,
     interval_pull, interval_in},
    {"simplex", "> 0, and all sum to 1", 0, 2, 1, simplex_out, simplex_pull,
     simplex_in},
    {"ordered", "above the one before", 0, 2, 0, ordered_out, ordered_pull,
     ordered_in},
};
enum { SUPPORTS = sizeof supports / sizeof supports[0] };

const char *const slivi_support_names[] = {
    "real", "lower", "upper", "interval", "simplex", "ordered", NULL};

const slivi__support *slivi__support_find(const char *name)
{
    if (name == NULL)
        return supports;
    for (size_t s = 0; s < SUPPORTS; s++)
        if (strcmp(supports[s].name, name) == 0)
            return supports + s;
    return slivi__fail_null(SLIVI_ENAME, "no support is called \"%s\"", name);
}
