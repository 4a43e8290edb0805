/* verdict_stein.c - z-scores, and the checks by Stein's identities.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "verdict_inside.h"
#include "base/base.h"
#include "score/cloud.h"
#include "slivi/sampler.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdio.h>

enum {
    LANES = SLIVI__LANES,
    HEAVY_MOST = 8 /* identities whose tails are looked at */
};

/* Above it a mean has no variance; of terms. */
#define HEAVY 0.5

/* ---- z-scores ------------------------------------------------------------ */

void slivi__sums_add(slivi__sums *s, double term)
{
    s->n++;
    s->one += term;
    s->two += term * term;
    s->three += term * term * term;
}

double slivi__sums_mean(const slivi__sums *s)
{
    return s->one / s->n;
}

double slivi__sums_variance(const slivi__sums *s)
{
    const double mean = s->one / s->n;
    return fmax(0, (s->two - s->n * mean * mean) / (s->n - 1));
}

/* t with Hall's monotone correction for skewness g ("On the removal of skewness
   by transformation", 1992), t + a t^2 + a^2 t^3 / 3 + a / 2 with
   a = g / (3 sqrt n), and to the normal by Wallace's approximation (1959). */
double slivi__sums_score(const slivi__sums *s, double zero, double more)
{
    const double n = s->n, m = s->one / n;
    const double v = slivi__sums_variance(s);
    const double third = s->three / n - 3 * m * s->two / n + 2 * m * m * m;
    double t = (m - zero) / sqrt(v / n + more);
    if (m == zero)
        return 0;
    if (v > 0) {
        const double a = third / (v * sqrt(v)) / (3 * sqrt(n));
        t += a * t * t + a * a * t * t * t / 3 + a / 2;
    }
    const double z = sqrt((n - 1) * log1p(t * t / (n - 1)));
    return copysign(z * (8 * n - 7) / (8 * n - 5), t);
}

double slivi__verdict_level(double alpha, size_t count)
{
    return -gsl_cdf_ugaussian_Pinv(alpha / 2 / (double)count);
}

void slivi__worst_see(slivi__worst *w, double score, double error, size_t at)
{
    if (!(fabs(score) <= w->score))
        *w = (slivi__worst){isnan(score) ? INFINITY : fabs(score), error, at};
}

/* ---- identities ---------------------------------------------------------- */

/* With g_i = sd_i d log p / d z_i and u = (z - m) / sd, E[f g_i + df/du_i] = 0
   for any f that is tame: terms a_i w_j + [i = j] e_i with

     f          w_j     a_i           e_i
     1          1       g_i           0
     u_j        u_j     g_i           1
     u_j^2      u_j^2   g_i           2 u_i
     u_i u_j^2  u_j^2   g_i u_i + 1   2 u_i^2                                  */
typedef struct family {
    int power;  /* of w */
    int radial; /* f has u_i too */
    const char *words;
} family;

static const family mean_family[] = {{0, 0, ""}};
static const family covariance_family[] = {{1, 0, "u"}};
static const family tail_families[] = {{2, 0, "u^2"}, {2, 1, "own u, u^2"}};

/* Numbers in a family: one for each i, or for each i and j. */
static size_t columns_of(const family *f, size_t d)
{
    return f->power ? d : 1;
}

static double w_of(const family *f, double u)
{
    return f->power == 0 ? 1 : f->power == 1 ? u : u * u;
}

static double a_of(const family *f, double g, double u)
{
    return f->radial ? g * u + 1 : g;
}

static double e_of(const family *f, double u)
{
    return f->power == 0   ? 0
           : f->power == 1 ? 1
           : f->radial     ? 2 * u * u
                           : 2 * u;
}

/* A check's families; the sums of number i, j of family k are at
   (k d + i) stride + j. */
typedef struct stein {
    slivi__scene *s;
    const family *family;
    size_t families, stride;
    double *one, *two, *three;
    double *w, *t; /* stride */
    double *room;  /* n */
    double *memory;
} stein;

static slivi__sums sums_at(const stein *c, size_t at)
{
    return (slivi__sums){(double)c->s->goods, c->one[at], c->two[at],
                         c->three[at]};
}

static void split(const stein *c, size_t at, size_t *k, size_t *i, size_t *j)
{
    *j = at % c->stride;
    *i = at / c->stride % c->s->d;
    *k = at / c->stride / c->s->d;
}

static double deviation(const slivi__scene *s, size_t row, size_t j)
{
    return (s->draws[row * s->d + j] - s->mean[j]) / s->sd[j];
}

static double term(const stein *c, size_t row, size_t at)
{
    const slivi__scene *s = c->s;
    size_t k, i, j;
    split(c, at, &k, &i, &j);
    const family *f = &c->family[k];
    const double u = deviation(s, row, i);
    const double g = s->grad[row * s->d + i] * s->sd[i];
    return a_of(f, g, u) * w_of(f, deviation(s, row, j))
           + (f->power && i == j ? e_of(f, u) : 0);
}

/* one += t, two += t^2, three += t^3 */
static void add_powers(size_t n, const double *t, double *one, double *two,
                       double *three)
{
    for (size_t j = 0; j < n; j += LANES)
        SLIVI__UNROLLED for (size_t l = j; l < j + LANES; l++)
        {
            const double square = t[l] * t[l];
            one[l] += t[l];
            two[l] += square;
            three[l] += square * t[l];
        }
}

static void add_row(const stein *c, size_t k, size_t row)
{
    const slivi__scene *s = c->s;
    const family *f = &c->family[k];
    const size_t d = s->d, stride = c->stride;
    for (size_t j = 0; j < columns_of(f, d); j++)
        c->w[j] = w_of(f, deviation(s, row, j));
    for (size_t i = 0; i < d; i++) {
        const size_t at = (k * d + i) * stride;
        const double u = deviation(s, row, i);
        const double a = a_of(f, s->grad[row * d + i] * s->sd[i], u);
        for (size_t j = 0; j < stride; j += LANES)
            SLIVI__UNROLLED for (size_t l = j; l < j + LANES; l++)
                c->t[l] = a * c->w[l];
        if (f->power)
            c->t[i] += e_of(f, u);
        add_powers(stride, c->t, c->one + at, c->two + at, c->three + at);
    }
}

static void describe(const stein *c, const slivi__worst *w, int heavy,
                     slivi_verdict_check *out)
{
    char a[32], b[32];
    size_t k, i, j;
    split(c, w->at, &k, &i, &j);
    const slivi__sums sums = sums_at(c, w->at);
    const double se = sqrt(slivi__sums_variance(&sums) / sums.n);
    const char *more = heavy ? "; too heavy a tail to tell" : "";
    const char *name = slivi__verdict_label(c->s, i, a);
    if (!c->family[k].power)
        snprintf(out->detail, sizeof out->detail,
                 "sd E[grad log p] of %s is %.3g +- %.2g, not 0%s", name,
                 w->error, se, more);
    else
        snprintf(out->detail, sizeof out->detail,
                 "grad log p of %s times %s of %s is off by %.3g +- %.2g%s",
                 name, c->family[k].words, slivi__verdict_label(c->s, j, b),
                 w->error, se, more);
}

/* The worst identity, as far as errors exceed the tolerance. */
static slivi__worst find(const stein *c)
{
    const size_t d = c->s->d;
    const double free = c->s->how.tolerance;
    slivi__worst w = {0};
    for (size_t k = 0; k < c->families; k++)
        for (size_t r = k * d; r < (k + 1) * d; r++)
            for (size_t j = 0; j < columns_of(&c->family[k], d); j++) {
                const size_t at = r * c->stride + j;
                const slivi__sums q = sums_at(c, at);
                const double m = slivi__sums_mean(&q);
                if (!(fabs(m) <= free))
                    slivi__worst_see(
                        &w, slivi__sums_score(&q, copysign(free, m), 0), m, at);
            }
    return w;
}

/* k-hat of the terms' sizes. */
static int tail_of(const stein *c, size_t at, double *k)
{
    const slivi__scene *s = c->s;
    for (size_t r = 0; r < s->goods; r++)
        c->room[r] = log(fabs(term(c, s->good[r], at)));
    return slivi_psis(s->goods, c->room, k, NULL);
}

/* The worst one decides, unless its tail is heavy: then the next. */
static int judge(const stein *c, slivi_verdict_check *out)
{
    const size_t d = c->s->d;
    out->level = slivi__verdict_level(SLIVI__VERDICT_ALPHA, d + 3 * d * d);
    out->outcome = SLIVI_VERDICT_PASS;
    for (size_t tries = 0; tries < HEAVY_MOST; tries++) {
        const slivi__worst w = find(c);
        double k = 0;
        if (w.score > out->level) {
            const int status = tail_of(c, w.at, &k);
            if (status)
                return status;
        }
        const int heavy = k > HEAVY && isfinite(k);
        if (!tries || w.score > out->level) {
            out->statistic = w.score;
            describe(c, &w, heavy, out);
        }
        if (!heavy) {
            if (w.score > out->level)
                out->outcome = SLIVI_VERDICT_FAIL;
            return 0;
        }
        out->outcome = SLIVI_VERDICT_UNSURE;
        c->one[w.at] = c->two[w.at] = c->three[w.at] = 0;
    }
    return 0;
}

static int run(slivi__scene *s, const family *families, size_t count,
               slivi_verdict_check *out)
{
    stein c = {.s = s, .family = families, .families = count};
    size_t sums;
    c.stride = slivi__round_up(columns_of(families, s->d), LANES);
    int status = slivi__mul(count * s->d, c.stride, &sums);
    if (!status) {
        c.memory = slivi__alloc(3 * sums + 2 * c.stride + s->goods,
                                sizeof *c.memory);
        status = c.memory ? 0 : slivi__status();
    }
    if (status)
        return status;
    c.one = c.memory;
    c.two = c.one + sums;
    c.three = c.two + sums;
    c.w = c.three + sums;
    c.t = c.w + c.stride;
    c.room = c.t + c.stride;
    for (size_t r = 0; r < s->goods; r++)
        for (size_t k = 0; k < count; k++)
            add_row(&c, k, s->good[r]);
    status = judge(&c, out);
    slivi__free(c.memory);
    return status;
}

int slivi__verdict_stein_mean(slivi__scene *s, slivi_verdict_check *out)
{
    return run(s, mean_family, 1, out);
}

int slivi__verdict_stein_covariance(slivi__scene *s, slivi_verdict_check *out)
{
    return run(s, covariance_family, 1, out);
}

int slivi__verdict_stein_tails(slivi__scene *s, slivi_verdict_check *out)
{
    return run(s, tail_families, 2, out);
}
