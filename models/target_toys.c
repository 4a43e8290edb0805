/* target_toys.c - targets with known draws, normalised.

     banana      y ~ N(0, [1 .9; .9 1]), x_1 = y_1, x_2 = y_2 - x_1^2 - 1
     x-shaped    N(0, [2 1.8; 1.8 2]) / 2 + N(0, [2 -1.8; -1.8 2]) / 2
     multimodal  N((-2, 0), I) / 2 + N((2, 0), I) / 2

   as in Yu and Zhang, "Semi-implicit variational inference via score matching"
   (2023); and

     four-modes  N((2, 2), I) / 8 + N((-2, -2), I) / 8 + N((2, -2), I) / 2
                 + N((-2, 2), I) / 4
     funnel      v ~ N(0, 1), x_1..x_9 ~ N(0, e^v) (e^v the variance): Neal,
                 "Slice sampling" (2003), with 1 instead of 9 as the variance of
                 v, whose tails no finite set of draws would know
     gaussian    x = m + s e, entrywise, with e_1 ~ N(0, 1) and
                 e_j = .7 e_{j-1} + sqrt(.51) N(0, 1)

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "targets_inside.h"

#include <math.h>

#define LOG_2PI 1.83787706640934548356

/* of the draws */
enum { STREAM = 0x746f7973, STREAM_WHICH };

static int draw_normals(size_t n, size_t d, uint64_t seed, double *draws)
{
    const slivi_address at = {.seed = seed, .stream = STREAM};
    slivi_draw(slivi_law_normal, &at, n, d, draws);
    return 0;
}

/* ---- banana ----------------------------------------------------------- */

static const double banana_slope = 0.9, banana_var = 0.19;

static int banana(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    const double constant = -LOG_2PI - 0.5 * log(banana_var);
    (void)ctx;
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        const double a = x[0];
        const double r = x[1] + a * a + 1 - banana_slope * a;
        const double gr = -r / banana_var;
        lp[i] = slivi__settled(constant - 0.5 * a * a + 0.5 * r * gr);
        grad[0] = -a + gr * (2 * a - banana_slope);
        grad[1] = gr;
    }
    return 0;
}

slivi_target *slivi__create_banana(const char *data, size_t batch,
                                   uint64_t seed)
{
    (void)data, (void)batch, (void)seed;
    return slivi_target_create(2, banana, NULL);
}

int slivi__exact_banana(size_t n, uint64_t seed, double *draws)
{
    draw_normals(n, 2, seed, draws);
    for (double *x = draws; x < draws + 2 * n; x += 2)
        x[1] = banana_slope * x[0] + sqrt(banana_var) * x[1] - x[0] * x[0] - 1;
    return 0;
}

/* ---- mixtures of Gaussians in the plane ------------------------------- */

enum { MOST_HILLS = 4 };

/* A component; both variances are `var`. */
typedef struct hill {
    double weight, mean[2], var, cov;
} hill;

static const hill x_shaped[] = {
    {.5, {0, 0}, 2, 1.8}, {.5, {0, 0}, 2, -1.8}, {0, {0, 0}, 0, 0}};
static const hill multimodal[] = {
    {.5, {-2, 0}, 1, 0}, {.5, {2, 0}, 1, 0}, {0, {0, 0}, 0, 0}};
static const hill four_modes[] = {{.125, {2, 2}, 1, 0},
                                  {.125, {-2, -2}, 1, 0},
                                  {.5, {2, -2}, 1, 0},
                                  {.25, {-2, 2}, 1, 0},
                                  {0, {0, 0}, 0, 0}};

/* The same as the log density needs it: with h = mean - x,
   log w N(x) = top - (h'h p / 2 + h_0 h_1 q). */
typedef struct slope {
    double top, mean[2], p, q;
} slope;

typedef struct hills {
    size_t count;
    slope at[MOST_HILLS];
} hills;

static int hills_density(size_t n, size_t d, const double *x, double *lp,
                         double *grad, void *ctx)
{
    const hills *m = ctx;
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        double each[MOST_HILLS], g[MOST_HILLS][2];
        double most = -INFINITY, sum = 0, gx = 0, gy = 0;
        for (size_t k = 0; k < m->count; k++) {
            const slope *s = &m->at[k];
            const double a = s->mean[0] - x[0], b = s->mean[1] - x[1];
            g[k][0] = s->p * a + s->q * b;
            g[k][1] = s->p * b + s->q * a;
            each[k] = s->top - 0.5 * (a * g[k][0] + b * g[k][1]);
            most = each[k] > most ? each[k] : most;
        }
        for (size_t k = 0; k < m->count; k++) {
            const double w = exp(each[k] - most);
            sum += w;
            gx += w * g[k][0];
            gy += w * g[k][1];
        }
        lp[i] = slivi__settled(most + log(sum));
        grad[0] = gx / sum;
        grad[1] = gy / sum;
    }
    return 0;
}

static slivi_target *create_hills(const hill *h)
{
    hills *m = slivi__alloc(1, sizeof *m);
    if (!m)
        return NULL;
    for (; h->weight > 0; h++) {
        const double det = h->var * h->var - h->cov * h->cov;
        m->at[m->count++] = (slope){
            .top = log(h->weight) - LOG_2PI - 0.5 * log(det),
            .mean = {h->mean[0], h->mean[1]},
            .p = h->var / det,
            .q = -h->cov / det,
        };
    }
    return slivi__target_keep(slivi_target_create(2, hills_density, m), m);
}

static int exact_hills(const hill *first, size_t n, uint64_t seed,
                       double *draws)
{
    draw_normals(n, 2, seed, draws);
    for (size_t i = 0; i < n; i++, draws += 2) {
        const slivi_address at = {
            .seed = seed, .stream = STREAM_WHICH, .row = i};
        const hill *h = first;
        double u;
        slivi_draw(slivi_law_uniform, &at, 1, 1, &u);
        while (u >= h->weight && h[1].weight > 0)
            u -= h++->weight;
        const double a = draws[0], b = draws[1], sd = sqrt(h->var);
        draws[0] = h->mean[0] + sd * a;
        draws[1] = h->mean[1] + h->cov / sd * a
                   + sqrt(h->var - h->cov * h->cov / h->var) * b;
    }
    return 0;
}

/* Its two functions for the table. */
#define HILLS(name)                                                            \
    slivi_target *slivi__create_##name(const char *data, size_t batch,         \
                                       uint64_t seed)                          \
    {                                                                          \
        (void)data, (void)batch, (void)seed;                                   \
        return create_hills(name);                                             \
    }                                                                          \
    int slivi__exact_##name(size_t n, uint64_t seed, double *draws)            \
    {                                                                          \
        return exact_hills(name, n, seed, draws);                              \
    }
HILLS(x_shaped)
HILLS(multimodal)
HILLS(four_modes)
#undef HILLS

/* ---- funnel ----------------------------------------------------------- */

enum { FUNNEL = 10 };

static int funnel(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    (void)d, (void)ctx;
    for (size_t i = 0; i < n; i++, x += FUNNEL, grad += FUNNEL) {
        const double v = x[0], root = exp(-0.5 * v);
        double sum = 0;
        for (size_t j = 1; j < FUNNEL; j++) {
            const double u = root * x[j];
            sum += u * u;
            grad[j] = -root * u;
        }
        lp[i] = slivi__settled(-0.5 * (v * v + sum + (FUNNEL - 1) * v)
                               - 0.5 * FUNNEL * LOG_2PI);
        grad[0] = -v + 0.5 * (sum - (FUNNEL - 1));
    }
    return 0;
}

slivi_target *slivi__create_funnel(const char *data, size_t batch,
                                   uint64_t seed)
{
    static const slivi_parameter names[] = {{.name = "v"},
                                            {.name = "x", .count = FUNNEL - 1}};
    (void)data, (void)batch, (void)seed;
    return slivi_target_create_on(2, names, funnel, NULL);
}

int slivi__exact_funnel(size_t n, uint64_t seed, double *draws)
{
    draw_normals(n, FUNNEL, seed, draws);
    for (double *x = draws; x < draws + FUNNEL * n; x += FUNNEL)
        for (size_t j = 1; j < FUNNEL; j++)
            x[j] *= exp(0.5 * x[0]);
    return 0;
}

/* ---- gaussian --------------------------------------------------------- */

enum { GAUSSIAN = 5 };
static const double gaussian_mean[GAUSSIAN] = {1, -1, 2, 0, -3};
static const double gaussian_sd[GAUSSIAN] = {1, 0.5, 3, 0.1, 2};
static const double gaussian_slope = 0.7, gaussian_var = 0.51;

static int gaussian(size_t n, size_t d, const double *x, double *lp,
                    double *grad, void *ctx)
{
    double constant = -0.5
                      * (GAUSSIAN * LOG_2PI
                         + (GAUSSIAN - 1) * log(gaussian_var));
    (void)d, (void)ctx;
    for (size_t j = 0; j < GAUSSIAN; j++)
        constant -= log(gaussian_sd[j]);
    for (size_t i = 0; i < n; i++, x += GAUSSIAN, grad += GAUSSIAN) {
        double before = 0, sum = 0;
        for (size_t j = 0; j < GAUSSIAN; j++) {
            const double e = (x[j] - gaussian_mean[j]) / gaussian_sd[j];
            const double r = e - gaussian_slope * before;
            const double gr = j ? -r / gaussian_var : -r;
            sum += r * gr;
            grad[j] = gr / gaussian_sd[j];
            if (j)
                grad[j - 1] -= gr * gaussian_slope / gaussian_sd[j - 1];
            before = e;
        }
        lp[i] = slivi__settled(constant + 0.5 * sum);
    }
    return 0;
}

slivi_target *slivi__create_gaussian(const char *data, size_t batch,
                                     uint64_t seed)
{
    (void)data, (void)batch, (void)seed;
    return slivi_target_create(GAUSSIAN, gaussian, NULL);
}

int slivi__exact_gaussian(size_t n, uint64_t seed, double *draws)
{
    draw_normals(n, GAUSSIAN, seed, draws);
    for (double *x = draws; x < draws + GAUSSIAN * n; x += GAUSSIAN) {
        for (size_t j = 1; j < GAUSSIAN; j++)
            x[j] = gaussian_slope * x[j - 1] + sqrt(gaussian_var) * x[j];
        for (size_t j = 0; j < GAUSSIAN; j++)
            x[j] = gaussian_mean[j] + gaussian_sd[j] * x[j];
    }
    return 0;
}
