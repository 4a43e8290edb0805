/* psis.c - Pareto smoothed importance weights.

   The largest weights are taken for draws of a generalised Pareto law above a
   cutoff, P(excess > y) = (1 + k y / sigma)^(-1/k), and replaced by that law's
   quantiles.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "order.h"
#include "slivi/sampler.h"

#include <float.h>
#include <math.h>

/* Excesses below are zeros of the fit: their inverse would overflow. */
#define LEAST 1e-290
/* A tail that varies by less, in logs, has no shape: it is rounding. */
#define FLAT 1e-8

enum { TAIL_LEAST = 5, PRIOR = 10 /* draws of shape 1/2 */ };

struct pareto {
    double k, sigma;
};

/* ---- the fit ------------------------------------------------------------- */

/* With b = -k / sigma the shape is a mean: the likelihood's maximum over k is
   at mean log(1 - b y). */
static double shape(size_t m, const double *y, double b)
{
    double sum = 0;

    for (size_t i = 0; i < m; i++)
        sum += log1p(-b * y[i]);
    return sum / (double)m;
}

/* The log likelihood of one excess there, at most over k. */
static double profile(size_t m, const double *y, double b)
{
    const double k = shape(m, y, b);
    double mean = 0;

    if (b != 0 && k != 0)
        return log(-b / k) - k - 1;
    for (size_t i = 0; i < m; i++)
        mean += y[i] / (double)m;
    return -log(mean) - 1; /* the exponential law's */
}

/* Zhang and Stephens, "A new and efficient estimation method for the
   generalized Pareto distribution", 2009, equations 6 to 8: b is the mean of a
   grid under the profile likelihood and a prior that the quartile scales; y (m,
   increasing, > 0).  k then gets a weak prior (Vehtari et al., 2024, section
   6). */
static struct pareto fit(size_t m, const double *y, double *grid)
{
    const size_t count = 30 + (size_t)sqrt((double)m);
    const double n = (double)m;
    const double quartile = y[(size_t)floor(n / 4 + 0.5) - 1];
    double most = -INFINITY, sum = 0, b = 0;
    struct pareto p;

    for (size_t j = 0; j < count; j++) {
        const double node = 1 - sqrt((double)count / ((double)j + 0.5));

        grid[2 * j] = 1 / y[m - 1] + node / (3 * quartile);
        grid[2 * j + 1] = n * profile(m, y, grid[2 * j]);
        most = fmax(most, grid[2 * j + 1]);
    }
    for (size_t j = 0; j < count; j++) {
        const double w = exp(grid[2 * j + 1] - most);

        sum += w;
        b += w * grid[2 * j];
    }
    b /= sum;
    p.k = shape(m, y, b);
    p.sigma = b != 0 ? -p.k / b : y[m - 1];
    p.k = (p.k * n + 0.5 * PRIOR) / (n + PRIOR);
    return p;
}

static double quantile(const struct pareto *p, double at)
{
    const double e = -log1p(-at);

    return p->sigma * (p->k != 0 ? expm1(p->k * e) / p->k : e);
}

/* ---- the weights --------------------------------------------------------- */

/* exp(a) - exp(b) for b <= a */
static double excess(double a, double b)
{
    return b == -INFINITY ? exp(a) : exp(b) * expm1(a - b);
}

static size_t tail_of(size_t n)
{
    const double third = ceil(3 * sqrt((double)n));

    return (double)(n / 5) < third ? n / 5 : (size_t)third;
}

/* Smooths weights with largest log 0; order as slivi__order's.  y: room for
   the tail and for the fit's grid. */
static double smooth(size_t n, double *lw, const size_t *order, double *y)
{
    const size_t tail = tail_of(n);
    const double cut = lw[order[n - tail - 1]];
    size_t first = n - tail, m;
    struct pareto p;

    if (tail < TAIL_LEAST)
        return INFINITY;
    if (cut > -FLAT)
        return -INFINITY;
    while (first < n && !(excess(lw[order[first]], cut) > LEAST))
        first++; /* equal to the cutoff */
    m = n - first;
    if (m < TAIL_LEAST)
        return INFINITY;
    for (size_t i = 0; i < m; i++)
        y[i] = excess(lw[order[first + i]], cut);
    p = fit(m, y, y + m);
    for (size_t i = 0; isfinite(p.k) && isfinite(p.sigma) && i < m; i++) {
        const double at = ((double)i + 0.5) / (double)m;

        lw[order[first + i]] = fmin(log(exp(cut) + quantile(&p, at)), 0);
    }
    return p.k;
}

/* sum exp lw = 1; returns 1 / sum w^2. */
static double normalise(size_t n, double *lw)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++)
        sum += exp(lw[i]);
    sum = log(sum);
    for (size_t i = 0; i < n; i++) {
        lw[i] -= sum;
        squares += exp(2 * lw[i]);
    }
    return 1 / squares;
}

static int check(size_t n, const double *lw, double *most)
{
    *most = -INFINITY;
    if (n < 5)
        return slivi__fail(SLIVI_EINVAL, "psis: %zu weights, not 5 or more", n);
    for (size_t i = 0; i < n; i++) {
        if (isnan(lw[i]) || lw[i] == INFINITY)
            return slivi__fail(SLIVI_ENONFINITE, "psis: log weight %zu is %s",
                               i, slivi__nonfinite(lw[i]));
        *most = fmax(*most, lw[i]);
    }
    if (*most == -INFINITY)
        return slivi__fail(SLIVI_EINVAL, "psis: all weights are zero");
    return 0;
}

int slivi_psis(size_t n, double *lw, double *k, double *ess)
{
    const size_t room = 2 * tail_of(n) + 128; /* the grid's and to spare */
    size_t *order;
    double *y, most, worth;
    int status = check(n, lw, &most);

    if (status != 0)
        return status;
    order = slivi__alloc(n, sizeof *order);
    y = slivi__alloc(room, sizeof *y);
    if (order == NULL || y == NULL)
        status = slivi__status();
    else
        status = slivi__order(n, lw, order);
    if (status == 0) {
        for (size_t i = 0; i < n; i++)
            lw[i] -= most;
        *k = smooth(n, lw, order, y);
        worth = normalise(n, lw);
        if (ess != NULL)
            *ess = fmin(worth, (double)n); /* above by rounding alone */
    }
    slivi__free(y);
    slivi__free(order);
    return status;
}
