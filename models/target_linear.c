/* target_linear.c - linear models y ~ N(X b, s) of posteriordb:

     kidiq  kid_score ~ N(b_1 + b_2 mom_iq, s), b flat, s ~ half-Cauchy(0, 2.5)
            (Gelman and Hill, "Data analysis using regression", 2006)
     sblri  y ~ N(X b, s), b ~ N(0, 10), s ~ half-N(0, 10)
     arK    y_t ~ N(alpha + sum_k beta_k y_{t-k}, s) for t > K,
            alpha, beta ~ N(0, 10), s ~ half-Cauchy(0, 2.5)

   (N(m, s): s is the standard deviation) without constants.

   The data enter through what is sufficient, taken about some b_0: with
   e = b - b_0 and r = y - X b_0,

     |y - X b|^2 = |r|^2 - 2 e'X'r + e'X'X e

   exactly for any b_0; near the best one nothing cancels.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "targets_inside.h"

#include "target_data.h"

#include <math.h>
#include <string.h>

enum { MOST_COLS = 1 << 10 };

typedef struct prior {
    double precision;   /* of each b */
    double half_cauchy; /* scale of s; 0: half-normal with this sd: */
    double half_normal;
} prior;

typedef struct linear {
    size_t n, k;
    prior prior;
    double squares; /* |r|^2 */
    double *b0;     /* k */
    double *pull;   /* k, X'r */
    double *gram;   /* k x k, X'X */
    double memory[];
} linear;

/* ---- the density ------------------------------------------------------ */

/* d/ds of what it adds to *lp */
static double add_scale_prior(const prior *p, double s, double *lp)
{
    if (p->half_cauchy > 0) {
        const double q = s / p->half_cauchy;
        *lp -= log1p(q * q);
        return -2 * q / (p->half_cauchy * (1 + q * q));
    }
    const double q = s / p->half_normal;
    *lp -= 0.5 * q * q;
    return -q / p->half_normal;
}

/* x = (b, s) */
static int density(size_t n, size_t d, const double *x, double *lp,
                   double *grad, void *ctx)
{
    const linear *m = ctx;
    const size_t k = m->k;
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        const double s = x[k], rate = 1 / (s * s);
        double rss = m->squares, squares = 0;
        for (size_t a = 0; a < k; a++) {
            const double *row = m->gram + a * k;
            double slope = m->pull[a]; /* becomes entry a of X'(y - X b) */
            for (size_t b = 0; b < k; b++)
                slope -= row[b] * (x[b] - m->b0[b]);
            rss -= (x[a] - m->b0[a]) * (m->pull[a] + slope);
            squares += x[a] * x[a];
            grad[a] = rate * slope - m->prior.precision * x[a];
        }
        lp[i] = -(double)m->n * log(s) - 0.5 * rate * rss
                - 0.5 * m->prior.precision * squares;
        grad[k] = -(double)m->n / s + rate * rss / s;
        grad[k] += add_scale_prior(&m->prior, s, lp + i);
        lp[i] = slivi__settled(lp[i]);
    }
    return 0;
}

/* ---- making it -------------------------------------------------------- */

static void add_row(linear *m, const double *x, double r)
{
    m->squares += r * r;
    for (size_t a = 0; a < m->k; a++) {
        m->pull[a] += x[a] * r;
        for (size_t b = 0; b < m->k; b++)
            m->gram[a * m->k + b] += x[a] * x[b];
    }
}

/* The sums over all rows, about b0. */
static void sum_rows(linear *m, const double *x, const double *y)
{
    m->squares = 0;
    memset(m->pull, 0, (1 + m->k) * m->k * sizeof *m->pull); /* and gram */
    for (size_t i = 0; i < m->n; i++, x += m->k) {
        double r = y[i];
        for (size_t a = 0; a < m->k; a++)
            r -= x[a] * m->b0[a];
        add_row(m, x, r);
    }
}

/* b0 = (X'X + D)^-1 X'y, D the prior's precision and a little more, so that
   columns that depend on each other do no harm: any b0 will do. */
static int find_b0(linear *m, const double *x, const double *y)
{
    const size_t k = m->k;
    double trace = 0;
    memset(m->b0, 0, k * sizeof *m->b0);
    sum_rows(m, x, y);
    memcpy(m->b0, m->pull, k * sizeof *m->b0);
    for (size_t a = 0; a < k; a++)
        trace += m->gram[a * k + a];
    for (size_t a = 0; a < k; a++)
        m->gram[a * k + a] += m->prior.precision + 1e-12 * (trace + 1);
    int status = slivi__blas_enter();
    if (status)
        return status;
    status = slivi__cholesky(k, m->gram);
    if (!status) {
        slivi__trisolve(0, k, 1, m->gram, m->b0);
        slivi__trisolve(1, k, 1, m->gram, m->b0);
    }
    slivi__blas_leave();
    return status;
}

/* x: n x k */
static linear *create_model(size_t n, size_t k, const double *x,
                            const double *y, const prior *p)
{
    linear *m = slivi__alloc(1, sizeof *m + (2 + k) * k * sizeof *m->memory);
    if (!m)
        return NULL;
    m->n = n;
    m->k = k;
    m->prior = *p;
    m->b0 = m->memory;
    m->pull = m->b0 + k;
    m->gram = m->pull + k;
    int status = find_b0(m, x, y);
    if (!status) {
        sum_rows(m, x, y);
        if (isfinite(m->squares))
            return m;
    }
    if (!status || status == SLIVI_ENOTPD || status == SLIVI_ENONFINITE)
        slivi__fail(SLIVI_EFORMAT, "the squares of the data overflow");
    slivi__free(m);
    return NULL;
}

/* What a target reads: X (n x k) and y from its file, in memory of its own. */
typedef struct rows {
    size_t n, k;
    double *x, *y;
} rows;

static int make_room(rows *r, size_t n, size_t k)
{
    r->n = n;
    r->k = k;
    r->x = slivi__alloc(n, k * sizeof *r->x);
    r->y = slivi__alloc(n, sizeof *r->y);
    return r->x && r->y ? 0 : SLIVI_ENOMEM;
}

static slivi_target *create(const char *path,
                            int (*read)(const slivi__data *, rows *),
                            const prior *p, size_t count,
                            slivi_parameter *parameters)
{
    slivi__data d;
    rows r = {0};
    linear *m = NULL;
    slivi_target *t = NULL;
    if (slivi__data_open(&d, path))
        return NULL;
    int status = read(&d, &r);
    if (!status && !(m = create_model(r.n, r.k, r.x, r.y, p)))
        slivi__fail_in(slivi__status(), "%s", path);
    slivi__data_close(&d);
    slivi__free(r.x);
    slivi__free(r.y);
    if (m) {
        /* the last parameter is s; the one before has what coefficients the
           others leave */
        parameters[count - 2].count = r.k + 2 - count;
        t = slivi_target_create_on(count, parameters, density, m);
    }
    return m ? slivi__target_keep(t, m) : NULL;
}

/* ---- kidiq ------------------------------------------------------------ */

static int read_kidiq(const slivi__data *d, rows *r)
{
    size_t n = 0, same = 1;
    int status = slivi__data_count(d, "N", 3, SLIVI__DATA_MOST, &n);
    if (!status)
        status = slivi__data_array(d, "kid_score", n, -INFINITY, NULL);
    if (!status)
        status = make_room(r, n, 2);
    if (!status)
        status = slivi__data_array(d, "mom_iq", n, -INFINITY, r->y);
    for (size_t i = 0; i < n && !status; i++) {
        r->x[2 * i] = 1;
        r->x[2 * i + 1] = r->y[i];
        same = same && !(r->y[i] < r->y[0]) && !(r->y[i] > r->y[0]);
    }
    if (!status && same)
        status = slivi__fail(SLIVI_EFORMAT,
                             "%s: \"mom_iq\" has one value in all entries",
                             d->path);
    return status ? status
                  : slivi__data_array(d, "kid_score", n, -INFINITY, r->y);
}

slivi_target *slivi__create_kidiq(const char *data, size_t batch, uint64_t seed)
{
    static const prior p = {.half_cauchy = 2.5};
    slivi_parameter parameters[] = {{.name = "beta"},
                                    {.name = "sigma", .support = "lower"}};
    (void)batch, (void)seed;
    return create(data, read_kidiq, &p, 2, parameters);
}

/* ---- sblri ------------------------------------------------------------ */

static int read_sblri(const slivi__data *d, rows *r)
{
    size_t n = 0, k = 0;
    int status = slivi__data_count(d, "N", 1, SLIVI__DATA_MOST, &n);
    if (!status)
        status = slivi__data_count(d, "D", 1, MOST_COLS, &k);
    if (!status)
        status = slivi__data_matrix(d, "X", n, k, NULL);
    if (!status)
        status = make_room(r, n, k);
    if (!status)
        status = slivi__data_matrix(d, "X", n, k, r->x);
    return status ? status : slivi__data_array(d, "y", n, -INFINITY, r->y);
}

slivi_target *slivi__create_sblri(const char *data, size_t batch, uint64_t seed)
{
    static const prior p = {.precision = 0.01, .half_normal = 10};
    slivi_parameter parameters[] = {{.name = "beta"},
                                    {.name = "sigma", .support = "lower"}};
    (void)batch, (void)seed;
    return create(data, read_sblri, &p, 2, parameters);
}

/* ---- arK -------------------------------------------------------------- */

static int read_ark(const slivi__data *d, rows *r)
{
    size_t n = 0, k = 0;
    int status = slivi__data_count(d, "K", 1, MOST_COLS - 1, &k);
    if (!status)
        status = slivi__data_count(d, "T", k + 1, SLIVI__DATA_MOST, &n);
    if (!status)
        status = slivi__data_array(d, "y", n, -INFINITY, NULL);
    if (!status)
        status = make_room(r, n, k + 1);
    if (!status)
        status = slivi__data_array(d, "y", n, -INFINITY, r->y);
    if (status)
        return status;
    r->n = n - k;
    for (size_t i = 0; i < r->n; i++) {
        double *x = r->x + i * r->k;
        x[0] = 1;
        for (size_t j = 1; j <= k; j++)
            x[j] = r->y[i + k - j];
    }
    memmove(r->y, r->y + k, r->n * sizeof *r->y);
    return 0;
}

slivi_target *slivi__create_arK(const char *data, size_t batch, uint64_t seed)
{
    static const prior p = {.precision = 0.01, .half_cauchy = 2.5};
    slivi_parameter parameters[] = {{.name = "alpha"},
                                    {.name = "beta"},
                                    {.name = "sigma", .support = "lower"}};
    (void)batch, (void)seed;
    return create(data, read_ark, &p, 3, parameters);
}
