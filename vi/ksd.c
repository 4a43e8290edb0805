/* ksd.c - kernel Stein discrepancy and maximum mean discrepancy of pairs, with
   the signs that tell what exact draws would give.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/ksd.h"
#include "base/base.h"
#include "score/cloud.h"

#include <math.h>

enum {
    BATCH = 64, /* rows of signs at a time */
    MOST_ROWS = 32768,
    MOST_COLUMNS = 65536,
    MOST_REPEATS = 1 << 20,
    STREAM_SIGNS = 0x6b736431
};

struct slivi_ksd {
    size_t rows, d, repeats;
    double *x, *y;            /* rows x d, of whitened points, and scores */
    double *h;                /* rows x rows */
    double *signs, *products; /* BATCH x rows */
    double *values, *spare;   /* repeats */
    double *memory;
};

/* ---- memory ------------------------------------------------------------- */

slivi_ksd *slivi_ksd_create(size_t rows, size_t d, size_t repeats)
{
    if (rows < 2 || rows > MOST_ROWS || !d || d > MOST_COLUMNS || !repeats
        || repeats > MOST_REPEATS)
        return slivi__fail_null(SLIVI_EINVAL,
                                "ksd: %zu rows (2 to %d) of %zu columns (1 to "
                                "%d), %zu repeats (1 to %d)",
                                rows, MOST_ROWS, d, MOST_COLUMNS, repeats,
                                MOST_REPEATS);
    const size_t each = 2 * d + rows + 2 * BATCH;
    size_t count;
    if (slivi__mul(rows, each, &count)
        || slivi__add(count, 2 * repeats, &count))
        return NULL;
    double *memory = slivi__alloc(count, sizeof *memory);
    slivi_ksd *ws = memory ? slivi__alloc(1, sizeof *ws) : NULL;
    if (!ws) {
        slivi__free(memory);
        return NULL;
    }
    *ws = (slivi_ksd){.rows = rows, .d = d, .repeats = repeats};
    ws->memory = memory;
    ws->x = memory;
    ws->y = ws->x + rows * d;
    ws->h = ws->y + rows * d;
    ws->signs = ws->h + rows * rows;
    ws->products = ws->signs + BATCH * rows;
    ws->values = ws->products + BATCH * rows;
    ws->spare = ws->values + repeats;
    return ws;
}

void slivi_ksd_free(slivi_ksd *ws)
{
    if (!ws)
        return;
    slivi__free(ws->memory);
    slivi__free(ws);
}

/* ---- whitening ----------------------------------------------------------- */

/* u = L^-1 x for each row */
static void whiten(size_t n, size_t d, const double *l, const double *x,
                   double *u)
{
    for (size_t i = 0; i < n; i++, x += d, u += d)
        for (size_t j = 0; j < d; j++) {
            double sum = x[j];
            for (size_t k = 0; l && k < j; k++)
                sum -= l[j * d + k] * u[k];
            u[j] = l ? sum / l[j * d + j] : sum;
        }
}

/* t = L's for each row */
static void turn(size_t n, size_t d, const double *l, const double *s,
                 double *t)
{
    for (size_t i = 0; i < n; i++, s += d, t += d)
        for (size_t j = 0; j < d; j++) {
            double sum = l ? 0 : s[j];
            for (size_t k = j; l && k < d; k++)
                sum += l[k * d + j] * s[k];
            t[j] = sum;
        }
}

/* ---- kernels ------------------------------------------------------------- */

static double stein(size_t d, const double *x, const double *y,
                    const double *sx, const double *sy)
{
    double square = 0, across = 0, scores = 0;
    for (size_t k = 0; k < d; k++) {
        const double r = x[k] - y[k];
        square += r * r;
        across += r * (sx[k] - sy[k]);
        scores += sx[k] * sy[k];
    }
    const double q = 1 / (1 + square), root = sqrt(q);
    return root * (scores + q * (across + (double)d - 3 * square * q));
}

static double kernel(size_t d, const double *x, const double *y)
{
    double square = 0;
    for (size_t k = 0; k < d; k++)
        square += (x[k] - y[k]) * (x[k] - y[k]);
    return 1 / sqrt(1 + square);
}

static double stein_at(const slivi_ksd *ws, size_t i, size_t j)
{
    const size_t d = ws->d;
    return stein(d, ws->x + i * d, ws->x + j * d, ws->y + i * d, ws->y + j * d);
}

static double pairs_at(const slivi_ksd *ws, size_t i, size_t j)
{
    const size_t d = ws->d;
    const double *x = ws->x + i * d, *y = ws->y + i * d;
    const double *u = ws->x + j * d, *v = ws->y + j * d;
    return kernel(d, x, u) + kernel(d, y, v) - kernel(d, x, v)
           - kernel(d, u, y);
}

/* Fills h, with 0 on its diagonal, and u and v. */
static void fill(const slivi_ksd *ws, size_t n,
                 double (*at)(const slivi_ksd *, size_t, size_t),
                 slivi_ksd_report *out)
{
    const double a = (double)n;
    double trace = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double row = 0;
        trace += at(ws, i, i);
        ws->h[i * n + i] = 0;
        for (size_t j = 0; j < i; j++) {
            const double value = at(ws, i, j);
            ws->h[i * n + j] = ws->h[j * n + i] = value;
            row += value;
        }
        sum += 2 * row;
    }
    out->u = sum / (a * (a - 1));
    out->v = (sum + trace) / (a * a);
}

/* ---- signs --------------------------------------------------------------- */

/* values[r] <- e'he for the rows e of signs from `first` on */
static int draw_values(const slivi_ksd *ws, size_t n, size_t first,
                       size_t count, uint64_t seed)
{
    const slivi_address at = {
        .seed = seed, .stream = STREAM_SIGNS, .row = first};
    slivi_draw(slivi_law_rademacher, &at, count, n, ws->signs);
    int status = slivi__dgemm(NULL, 0, 0, count, n, n, 1, ws->signs, n, ws->h,
                              n, 0, ws->products, n);
    for (size_t r = 0; !status && r < count; r++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += ws->signs[r * n + j] * ws->products[r * n + j];
        ws->values[first + r] = sum / ((double)n * ((double)n - 1));
    }
    return status;
}

static int compare(const slivi_ksd *ws, size_t n, double alpha, uint64_t seed,
                   slivi_ksd_report *out)
{
    const size_t all = ws->repeats;
    size_t above = 0;
    int status = slivi__blas_enter();
    if (status)
        return status;
    for (size_t r = 0; !status && r < all; r += BATCH)
        status = draw_values(ws, n, r, all - r < BATCH ? all - r : BATCH, seed);
    slivi__blas_leave();
    if (status)
        return status;
    for (size_t r = 0; r < all; r++)
        above += ws->values[r] >= out->u;
    slivi__sort(all, ws->values, ws->spare);
    const size_t rank = (size_t)floor(alpha * (double)all);
    out->level = ws->values[all - 1 - (rank < all ? rank : all - 1)];
    out->p = ((double)above + 1) / ((double)all + 1);
    return 0;
}

/* ---- tests --------------------------------------------------------------- */

static int check(const slivi_ksd *ws, const char *what, size_t n,
                 const double *l, double alpha)
{
    if (n < 2 || n > ws->rows)
        return slivi__fail(SLIVI_EINVAL, "%s: %zu points (2 to %zu)", what, n,
                           ws->rows);
    if (!(alpha > 0 && alpha < 1))
        return slivi__fail(SLIVI_EINVAL, "%s: alpha %g is not in (0, 1)", what,
                           alpha);
    for (size_t i = 0; l && i < ws->d; i++)
        for (size_t j = 0; j <= i; j++)
            if (!isfinite(l[i * ws->d + j])
                || (i == j && l[i * ws->d + j] == 0))
                return slivi__fail(SLIVI_EINVAL,
                                   "%s: l has %g in row %zu, column %zu", what,
                                   l[i * ws->d + j], i, j);
    return 0;
}

int slivi_ksd_stein(slivi_ksd *ws, size_t n, const double *x,
                    const double *score, const double *l, double alpha,
                    uint64_t seed, slivi_ksd_report *out)
{
    slivi__mode mode;
    slivi_ksd_report report;
    int status = check(ws, "ksd_stein", n, l, alpha);
    if (!status)
        status = slivi__cloud_check("ksd_stein", "x", n, ws->d, x);
    if (!status)
        status = slivi__cloud_check("ksd_stein", "score", n, ws->d, score);
    if (status)
        return status;
    slivi__mode_enter(&mode);
    whiten(n, ws->d, l, x, ws->x);
    turn(n, ws->d, l, score, ws->y);
    fill(ws, n, stein_at, &report);
    status = compare(ws, n, alpha, seed, &report);
    slivi__mode_leave(&mode);
    if (!status)
        *out = report;
    return status;
}

int slivi_ksd_pairs(slivi_ksd *ws, size_t n, const double *x, const double *y,
                    const double *l, double alpha, uint64_t seed,
                    slivi_ksd_report *out)
{
    slivi__mode mode;
    slivi_ksd_report report;
    int status = check(ws, "ksd_pairs", n, l, alpha);
    if (!status)
        status = slivi__cloud_check("ksd_pairs", "x", n, ws->d, x);
    if (!status)
        status = slivi__cloud_check("ksd_pairs", "y", n, ws->d, y);
    if (status)
        return status;
    slivi__mode_enter(&mode);
    whiten(n, ws->d, l, x, ws->x);
    whiten(n, ws->d, l, y, ws->y);
    fill(ws, n, pairs_at, &report);
    status = compare(ws, n, alpha, seed, &report);
    slivi__mode_leave(&mode);
    if (!status)
        *out = report;
    return status;
}
