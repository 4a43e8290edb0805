/* entropy.c - gradients of an entropy that is known, by score estimators.

   Of z = m + L u, u ~ N(0, I_d), the entropy's gradient in L is L'^-1, and
   E[-s(z) u'] with the score s of z.  An estimator learns s from n samples; with
   it the mean is taken over POINTS fresh ones, G.  F is the same mean with the
   exact score, -L'^-1 u.  All are Frobenius norms in units of that of L'^-1,
   over SEEDS seeds:

     bias    |E[G - F]|
     spread  the root mean square of G - F about its mean
     error   the root mean square of G - L'^-1
     floor   the root mean square of F - L'^-1: what sampling alone leaves

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "entropy.h"

#include "base/base.h"
#include "race.h"

#include "slivi/random.h"
#include "slivi/score.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SEEDS = 10, POINTS = 4000, SAMPLES_MOST = 5000 };

/* of draws */
enum { STREAM_SHAPE = 930, STREAM_SAMPLES, STREAM_POINTS };

/* ---- what is tried ------------------------------------------------------ */

/* Slices at n = 1000 are walked through, samples with one slice. */
static const size_t dims[] = {2, 8, 32}, samples[] = {256, 1000, 5000},
                    slices[] = {1, 4, 16};
enum { DIMS = 3, SAMPLES = 3, SLICES = 3, MIDDLE = 1 };

static const struct {
    const char *name;
    int sliced, kernel;
} estimators[] = {
    {"sm", 0, 0},  {"ssm", 1, 0},   {"ssm-vr", 1, 0},
    {"dsm", 1, 0}, {"stein", 0, 1}, {"ssge", 0, 1},
};
enum { ESTIMATORS = sizeof estimators / sizeof *estimators };

/* Eigenvalues of 5000 samples would take longer than all the rest. */
enum { KERNEL_SAMPLES_MOST = 1000, KERNEL_DIM_MOST = 8 };

static const char *const bases[] = {"none", "gaussian"};
enum { BASES = sizeof bases / sizeof *bases };

/* Of the nets, beside the defaults. */
static const char *const options[][2] = {{"rate", "0.003"},
                                         {"schedule", "cosine"},
                                         {"steps", "2000"},
                                         {"check", "200"},
                                         {"patience", "5"}};
enum { OPTIONS = sizeof options / sizeof *options };

typedef struct trial {
    size_t d, n, slices, which; /* which estimator */
    const char *base;
} trial;

/* ---- the Gaussian ------------------------------------------------------- */

typedef struct gaussian {
    size_t d;
    double *mean, *l, *exact; /* d; L and L'^-1, d x d */
} gaussian;

static void draw(uint32_t stream, uint64_t seed, size_t n, size_t d, double *u)
{
    const slivi_address at = {.seed = seed, .stream = stream};
    slivi_draw(slivi_law_normal, &at, n, d, u);
}

/* L'^-1 from the columns x of L^-1, which are L x = e_j. */
static void invert(const gaussian *q)
{
    const size_t d = q->d;
    for (size_t j = 0; j < d; j++)
        for (size_t i = 0; i < d; i++) {
            double sum = i == j;
            for (size_t k = j; k < i; k++)
                sum -= q->l[i * d + k] * q->exact[j * d + k];
            q->exact[j * d + i] = i < j ? 0 : sum / q->l[i * d + i];
        }
}

static int make_gaussian(gaussian *q, size_t d)
{
    double *x = slivi__alloc(d + 2 * d * d, sizeof *x);
    if (!x)
        return slivi__status();
    *q = (gaussian){d, x, x + d, x + d + d * d};
    draw(STREAM_SHAPE, d, 1, d + d * d, x);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double *l = q->l + i * d + j;
            *l = j > i    ? 0
                 : j == i ? exp(0.5 * *l)
                          : 0.5 * *l / sqrt((double)d);
        }
    invert(q);
    return 0;
}

static void place(const gaussian *q, size_t n, const double *u, double *z)
{
    const size_t d = q->d;
    for (size_t r = 0; r < n; r++, u += d, z += d)
        for (size_t i = 0; i < d; i++) {
            z[i] = q->mean[i];
            for (size_t j = 0; j <= i; j++)
                z[i] += q->l[i * d + j] * u[j];
        }
}

/* ---- one seed ----------------------------------------------------------- */

/* Scratch, and sums over seeds. */
typedef struct study {
    gaussian q;
    double *u, *z, *out;         /* SAMPLES_MOST x d */
    double *g, *f, *gap;         /* d x d: G, F, sum of G - F */
    double gaps, errors, floors; /* sums of squares */
    double seconds;
} study;

static int make_study(study *s, size_t d)
{
    const size_t rows = SAMPLES_MOST > POINTS ? SAMPLES_MOST : POINTS;
    memset(s, 0, sizeof *s);
    int status = make_gaussian(&s->q, d);
    if (status)
        return status;
    s->u = slivi__alloc(3 * rows * d + 3 * d * d, sizeof *s->u);
    if (!s->u)
        return slivi__status();
    s->z = s->u + rows * d;
    s->out = s->z + rows * d;
    s->g = s->out + rows * d;
    s->f = s->g + d * d;
    s->gap = s->f + d * d;
    return 0;
}

static void clear_study(study *s)
{
    slivi__free(s->q.mean);
    slivi__free(s->u);
}

static slivi_score *make_score(const trial *t, uint64_t seed)
{
    char text[24];
    slivi_score *s = slivi_score_create(estimators[t->which].name, t->d, 0);
    int status = s ? 0 : slivi__status();
    for (size_t i = 0; i < OPTIONS && !status; i++)
        status = slivi_score_set_text(s, options[i][0], options[i][1]);
    if (!status)
        status = slivi_score_set_text(s, "base", t->base);
    if (!status)
        status = slivi_score_set(s, "slices", (double)t->slices);
    snprintf(text, sizeof text, "%d", (int)seed);
    if (!status)
        status = slivi_score_set_text(s, "seed", text);
    if (!status)
        return s;
    slivi_score_free(s);
    return NULL;
}

/* mean of out u' */
static void mean_product(size_t d, const double *out, const double *u,
                         double *g)
{
    memset(g, 0, d * d * sizeof *g);
    for (size_t r = 0; r < POINTS; r++, out += d, u += d)
        for (size_t i = 0; i < d; i++)
            for (size_t j = 0; j < d; j++)
                g[i * d + j] += out[i] * u[j] / POINTS;
}

/* -s of the exact score s: L'^-1 u */
static void exact_gradient(const gaussian *q, const double *u, double *out)
{
    const size_t d = q->d;
    for (size_t r = 0; r < POINTS; r++, u += d, out += d)
        for (size_t i = 0; i < d; i++) {
            out[i] = 0;
            for (size_t j = i; j < d; j++)
                out[i] += q->exact[i * d + j] * u[j];
        }
}

static void tally(study *s)
{
    const size_t size = s->q.d * s->q.d;
    for (size_t k = 0; k < size; k++) {
        const double gap = s->g[k] - s->f[k];
        s->gap[k] += gap;
        s->gaps += gap * gap;
        s->errors += pow(s->g[k] - s->q.exact[k], 2);
        s->floors += pow(s->f[k] - s->q.exact[k], 2);
    }
}

static int take_seed(study *s, const trial *t, uint64_t seed)
{
    slivi_score *it = make_score(t, seed);
    int status = it ? 0 : slivi__status();
    const double start = race_now();
    draw(STREAM_SAMPLES, seed, t->n, t->d, s->u);
    place(&s->q, t->n, s->u, s->z);
    if (!status)
        status = slivi_score_fit(it, s->z, NULL, t->n, NULL, NULL, NULL);
    s->seconds += race_now() - start;
    draw(STREAM_POINTS, seed, POINTS, t->d, s->u);
    place(&s->q, POINTS, s->u, s->z);
    if (!status)
        status = slivi_entropy_grad(it, s->z, NULL, POINTS, s->out, NULL);
    slivi_score_free(it);
    if (status)
        return status;
    mean_product(t->d, s->out, s->u, s->g);
    exact_gradient(&s->q, s->u, s->out);
    mean_product(t->d, s->out, s->u, s->f);
    tally(s);
    return 0;
}

/* ---- rows ----------------------------------------------------------------- */

static double norm2(const double *x, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += x[k] * x[k];
    return sum;
}

static int print_row(const study *s, const trial *t, json_t *rows)
{
    const size_t size = t->d * t->d;
    const double unit = norm2(s->q.exact, size);
    const double bias2 = norm2(s->gap, size) / SEEDS / SEEDS;
    const double bias = sqrt(bias2 / unit);
    const double apart = sqrt(fmax(s->gaps / SEEDS - bias2, 0) / unit);
    const double error = sqrt(s->errors / SEEDS / unit);
    const double least = sqrt(s->floors / SEEDS / unit);
    const char *name = estimators[t->which].name;
    printf("%-8s %-9s %3zu %5zu %4zu %9.4f %9.4f %9.4f %9.4f %8.2f\n", name,
           t->base, t->d, t->n, t->slices, bias, apart, error, least,
           s->seconds / SEEDS);
    fflush(stdout);
    json_t *row = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "estimator", name,
        "base", t->base, "d", (json_int_t)t->d, "n", (json_int_t)t->n, "slices",
        (json_int_t)t->slices, "bias", bias, "spread", apart, "error", error,
        "floor", least, "seconds", s->seconds / SEEDS);
    return row && !json_array_append_new(rows, row) ? 0 : SLIVI_ENOMEM;
}

static int take_trial(const trial *t, json_t *rows)
{
    study s;
    int status = make_study(&s, t->d);
    for (uint64_t seed = 1; seed <= SEEDS && !status; seed++)
        status = take_seed(&s, t, seed);
    if (!status)
        status = print_row(&s, t, rows);
    clear_study(&s);
    return status;
}

/* An estimator's trials in one dimension, with one base. */
static int walk(trial t, json_t *rows)
{
    const int sliced = estimators[t.which].sliced;
    int status = 0;
    for (size_t i = 0; i < SAMPLES && !status; i++)
        for (size_t k = 0; k < SLICES && !status; k++) {
            if (k && (!sliced || i != MIDDLE))
                continue;
            if (estimators[t.which].kernel && samples[i] > KERNEL_SAMPLES_MOST)
                continue;
            t.n = samples[i];
            t.slices = slices[k];
            status = take_trial(&t, rows);
        }
    return status;
}

int entropy_measure(json_t *rows)
{
    int status = 0;
    printf("Gradient of the entropy of m + L u in L, E[-s(z) u'], exact "
           "L'^-1;\n%d seeds, mean over %d points; in units of |L'^-1|.\n\n",
           SEEDS, POINTS);
    printf("%-8s %-9s %3s %5s %4s %9s %9s %9s %9s %8s\n", "score", "base", "d",
           "n", "M", "bias", "spread", "error", "floor", "s a fit");
    for (size_t d = 0; d < DIMS && !status; d++)
        for (size_t e = 0; e < ESTIMATORS && !status; e++)
            for (size_t b = 0; b < BASES && !status; b++) {
                const trial t = {.d = dims[d], .which = e, .base = bases[b]};
                if (estimators[e].kernel && (b || t.d > KERNEL_DIM_MOST))
                    continue;
                status = walk(t, rows);
            }
    return status;
}
