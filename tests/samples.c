/* samples.c - see samples.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "samples.h"

#include "slivi/random.h"

#include <check.h>
#include <math.h>

void samples_normal(uint64_t seed, size_t n, size_t d, double *out)
{
    slivi_address at = {.seed = seed, .stream = 100};
    slivi_draw(slivi_law_normal, &at, n, d, out);
}

/* Sum |a - b|^2 / sum |b|^2: the relative Fisher error of a against b. */
double samples_error(size_t n, const double *a, const double *b)
{
    double error = 0, scale = 0;
    for (size_t i = 0; i < n; i++) {
        error += (a[i] - b[i]) * (a[i] - b[i]);
        scale += b[i] * b[i];
    }
    return error / scale;
}

slivi_score *samples_estimator(const char *name, size_t dim, size_t context,
                               const char *const *options)
{
    slivi_score *s = slivi_score_create(name, dim, context);
    ck_assert_msg(s != NULL, "%s", slivi_errmsg());
    for (; options && *options; options += 2)
        ck_assert_msg(!slivi_score_set_text(s, options[0], options[1]), "%s",
                      slivi_errmsg());
    return s;
}

void samples_eval(const slivi_score *s, const double *z, const double *ctx,
                  size_t n, double *out)
{
    ck_assert_msg(!slivi_score_eval(s, z, ctx, n, out, NULL), "%s",
                  slivi_errmsg());
}

void samples_mixture(uint64_t seed, size_t n, double *z, double *score)
{
    slivi_address at = {.seed = seed, .stream = 101};
    samples_normal(seed, n, 2, z);
    for (size_t i = 0; i < n; i++) {
        double sign, *x = z + 2 * i;
        at.row = i;
        slivi_draw(slivi_law_rademacher, &at, 1, 1, &sign);
        x[0] += 1.5 * sign;
        x[1] += 1.0 * sign;
        double t = tanh(1.5 * x[0] + x[1]);
        score[2 * i] = -x[0] + 1.5 * t;
        score[2 * i + 1] = -x[1] + t;
    }
}

/* O17: z|c ~ N(B c, S): conditionally -S^-1 (z - B c), marginally
   -(B B' + S)^-1 z for c ~ N(0, I).  2-d z, 3-d c, S = diag(.04, .25). */
const double samples_b[2][3] = {{.8, -.5, .3}, {.2, .6, -.9}};
const double samples_var[2] = {.04, .25};

void samples_linear(uint64_t seed, size_t n, double turn, double *c, double *z,
                    double *conditional, double *marginal)
{
    double v[2][2] = {{samples_var[0], 0}, {0, samples_var[1]}};
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            for (int k = 0; k < 3; k++)
                v[i][j] += samples_b[i][k] * samples_b[j][k];
    double det = v[0][0] * v[1][1] - v[0][1] * v[1][0];
    samples_normal(seed, n, 3, c);
    samples_normal(seed + 1000, n, 2, z);
    for (size_t i = 0; i < 2 * n; i++) {
        const size_t j = i % 2;
        double e = z[i] * sqrt(samples_var[j]), mean = turn;
        for (size_t k = 0; k < 3; k++)
            mean += samples_b[j][k] * c[i / 2 * 3 + k];
        conditional[i] = -e / samples_var[j];
        z[i] = mean + e;
    }
    /* a loop of its own: clang 14 vectorises the two together wrongly */
    for (size_t i = 0; i < n; i++) {
        const double *x = z + 2 * i;
        marginal[2 * i] = -(v[1][1] * x[0] - v[0][1] * x[1]) / det;
        marginal[2 * i + 1] = -(v[0][0] * x[1] - v[0][1] * x[0]) / det;
    }
}
