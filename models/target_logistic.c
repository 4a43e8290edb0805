/* target_logistic.c - Bayesian logistic regression on a table.

   The last column is the label y in {0, 1}, the others are features x; with
   w_0 the intercept

     w ~ N(0, 10^2 I),  P(y = 1) = sigmoid(w_0 + w'x)

   the prior precision .01 of Yin and Zhou, "Semi-implicit variational
   inference" (2018).  As they stand: no feature is standardised.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "targets_inside.h"

#include "kernel/isa.h"
#include "target_data.h"

#include <math.h>
#include <string.h>

static const double precision = 0.01;

/* ---- sums of softplus ------------------------------------------------- */

/* Blocks of points, of rows, of columns: what is at work fits a cache. */
enum { POINTS = 32, ROWS = 32, COLS = 32 };

typedef struct block {
    double z[ROWS * COLS];      /* rows that were picked, side by side */
    double turned[COLS * ROWS]; /* their transpose */
    double t[POINTS * ROWS];
} block;

/* Rows r.. of z, columns c..; *ld is how far they are apart. */
static const double *pick(block *b, size_t d, const double *z,
                          const size_t *index, size_t r, size_t rows, size_t c,
                          size_t cols, size_t *ld)
{
    *ld = index ? COLS : d;
    for (size_t i = 0; index && i < rows; i++)
        memcpy(b->z + i * COLS, z + index[r + i] * d + c, cols * sizeof *z);
    return index ? b->z : z + r * d + c;
}

/* Turns t into sigmoid(t) and adds the sum of log(1 + e^t) = max(t, 0)
   + log(1 + e^-|t|) to *lp; of ROWS factors between 1 and 2 one logarithm
   will do. */
static void bend(size_t rows, double *t, double *lp)
{
    double product = 1, sum = 0;
    for (size_t r = 0; r < rows; r++) {
        const double e = exp(-fabs(t[r])), whole = 1 + e;
        product *= whole;
        sum += t[r] > 0 ? t[r] : 0;
        t[r] = (t[r] > 0 ? 1 : e) / whole;
    }
    *lp += sum + log(product);
}

/* The sums over rows r.. at up to POINTS points are added. */
static void add_rows(const slivi__kernels *k, block *b, size_t points, size_t d,
                     const double *x, size_t ldx, const double *z,
                     const size_t *index, size_t r, size_t rows, double *lp,
                     double *grad, size_t ldg)
{
    const double *picked;
    size_t ld, cols;
    for (size_t c = 0; c < d; c += cols) { /* t = x z' */
        const slivi__panel p = {x + c, ldx, b->t, ROWS, points};
        cols = d - c < COLS ? d - c : COLS;
        picked = pick(b, d, z, index, r, rows, c, cols, &ld);
        k->transpose(rows, cols, picked, ld, b->turned, ROWS);
        k->multiply(1, &p, rows, cols, b->turned, ROWS, c > 0);
    }
    for (size_t i = 0; i < points; i++)
        bend(rows, b->t + i * ROWS, lp + i);
    for (size_t c = 0; c < d; c += cols) { /* grad += sigmoid(t) z */
        const slivi__panel p = {b->t, ROWS, grad + c, ldg, points};
        cols = d - c < COLS ? d - c : COLS;
        picked = pick(b, d, z, index, r, rows, c, cols, &ld);
        k->multiply(1, &p, cols, rows, picked, ld, 1);
    }
}

void slivi__softplus_sum(size_t n, size_t d, const double *x, size_t ldx,
                         size_t m, const size_t *index, const double *z,
                         double *lp, double *grad, size_t ldg)
{
    const slivi__kernels *k = slivi__isa_best()->kernels[SLIVI__DOUBLE];
    block b;
    for (size_t i = 0; i < n; i++) {
        lp[i] = 0;
        memset(grad + i * ldg, 0, d * sizeof *grad);
    }
    for (size_t i = 0; i < n; i += POINTS)
        for (size_t r = 0; r < m; r += ROWS)
            add_rows(k, &b, n - i < POINTS ? n - i : POINTS, d, x + i * ldx,
                     ldx, z, index, r, m - r < ROWS ? m - r : ROWS, lp + i,
                     grad + i * ldg, ldg);
}

/* ---- the target ------------------------------------------------------- */

typedef struct logistic {
    size_t rows, cols; /* columns with the intercept's */
    double z[];        /* rows x cols: (1, x) where y = 0, -(1, x) where it is
                          1; so log p(y | x) = -softplus(z'w) */
} logistic;

static int density(size_t n, size_t d, const double *x, size_t m,
                   const size_t *index, double scale, double *lp, double *grad,
                   void *ctx)
{
    const logistic *model = ctx;
    slivi__softplus_sum(n, d, x, d, m, index, model->z, lp, grad, d);
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        double squares = 0;
        for (size_t j = 0; j < d; j++) {
            squares += x[j] * x[j];
            grad[j] = -scale * grad[j] - precision * x[j];
        }
        lp[i] = slivi__settled(-scale * lp[i] - 0.5 * precision * squares);
    }
    return 0;
}

static int take_row(const char *path, size_t i, const slivi__table *t,
                    double *z)
{
    const double *row = t->x + i * t->cols, y = row[t->cols - 1];
    if (y < 0 || y > 1 || (y > 0 && y < 1))
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: row %zu has the label %g in its last column, "
                           "expected 0 or 1",
                           path, i + 1, y);
    z[0] = y > 0 ? -1 : 1;
    for (size_t j = 1; j < t->cols; j++)
        z[j] = row[j - 1] * z[0];
    return 0;
}

static logistic *create_model(const char *path, const slivi__table *t)
{
    logistic *m;
    size_t bytes;
    int status = 0;
    if (t->cols < 2)
        return slivi__fail_null(SLIVI_EFORMAT,
                                "%s: one column, expected features and a label",
                                path);
    if (slivi__mul(t->rows * t->cols, sizeof *m->z, &bytes)
        || slivi__add(bytes, sizeof *m, &bytes)
        || !(m = slivi__alloc(1, bytes)))
        return NULL;
    m->rows = t->rows;
    m->cols = t->cols;
    for (size_t i = 0; i < t->rows && !status; i++)
        status = take_row(path, i, t, m->z + i * t->cols);
    if (!status)
        return m;
    slivi__free(m);
    return NULL;
}

slivi_target *slivi__create_logistic(const char *data, size_t batch,
                                     uint64_t seed)
{
    slivi__table t;
    if (slivi__table_read(&t, data))
        return NULL;
    logistic *m = create_model(data, &t);
    slivi__table_clear(&t);
    if (!m)
        return NULL;
    if (batch > m->rows) {
        slivi__fail(SLIVI_EINVAL,
                    "target logistic: minibatches of %zu, but %s has %zu rows",
                    batch, data, m->rows);
        slivi__free(m);
        return NULL;
    }
    const slivi_parameter names[] = {{.name = "intercept"},
                                     {.name = "w", .count = m->cols - 1}};
    return slivi__target_keep(slivi_target_create_parts(2, names, m->rows,
                                                        batch ? batch : m->rows,
                                                        seed, density, m),
                              m);
}
