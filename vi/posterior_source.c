/* posterior_source.c - the entropy's gradient where q's density is at hand:
   in closed form, or as a mixture.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posterior_inside.h"

#include <math.h>

/* ---- closed: the score at w = a + T u is -T'^-1 u ------------------------ */

/* T's entry (i, j), j < i: where in the plan's output, which holds one T, or
   one for each draw row by row without the diagonal. */
size_t slivi__posterior_entry_of_t(const slivi_posterior *q, size_t row,
                                   size_t i, size_t j)
{
    const size_t d = q->d;
    return q->k ? row * (d * (d - 1) / 2) + i * (i - 1) / 2 + j : i * d + j;
}

/* T' s = -u from the last entry to the first. */
static void solve(const slivi_posterior *q, size_t row, const double *t,
                  double *s)
{
    const size_t d = q->d;
    const double *u = q->now.u + row * d, *log_s = q->now.log_s + row * d;
    for (size_t j = d; j-- > 0;) {
        double sum = -u[j];
        for (size_t i = j + 1; i < d && t; i++)
            sum -= t[slivi__posterior_entry_of_t(q, row, i, j)] * s[i];
        s[j] = sum * exp(-log_s[j]);
    }
}

static int score_closed(slivi_posterior *q, size_t step)
{
    const slivi__posterior_plan *p = &q->plan[SLIVI__POSTERIOR_DRAW];
    const slivi_node t = p->out[OUT_T];
    const size_t rows = q->k ? q->now.n : q->d;
    (void)step;
    if (t.id)
        slivi__posterior_take(q, p, OUT_T, q->t,
                              rows * slivi_node_cols(p->g, t));
    for (size_t i = 0; i < q->now.n; i++)
        solve(q, i, t.id ? q->t : NULL, q->score + i * q->d);
    return 0;
}

const slivi__source slivi__source_closed = {
    .name = "closed",
    .help = "exact, along the path of each draw; Gaussian families",
    .gaussian = 1,
    .score = score_closed,
};

/* ---- mixture ------------------------------------------------------------- */

/* Of one draw: log density and score of its own component, and of each half of
   the others. */
enum { OWN, HALF, OTHER_HALF, PARTS };
typedef struct parts {
    double log_sum[PARTS];
    const double *score[PARTS]; /* d */
} parts;

/* The score of the mixture of own component and one half, or both:
   sum_p w_p s_p, w_p in proportion to e^log_sum_p. */
static double mixed(const parts *x, const double weight[PARTS], size_t first,
                    size_t last, size_t j)
{
    double sum = weight[OWN], score = weight[OWN] * x->score[OWN][j];
    for (size_t p = first; p <= last; p++) {
        sum += weight[p];
        score += weight[p] * x->score[p][j];
    }
    return score / sum;
}

/* The score of a mixture of K + 1 differs from q's by O(1/K) on average, since
   a draw's own component is always there: the jackknife, twice the estimate of
   all less the mean of those with half of the others, leaves O(1/K^2). */
static void jackknife(const parts *x, size_t d, double *score)
{
    double top = x->log_sum[OWN], weight[PARTS];
    for (size_t p = HALF; p < PARTS; p++)
        top = fmax(top, x->log_sum[p]);
    for (size_t p = 0; p < PARTS; p++)
        weight[p] = exp(x->log_sum[p] - top);
    if (!(weight[OWN] > 0)) { /* without it, a half's sum may vanish */
        for (size_t j = 0; j < d; j++)
            score[j] = mixed(x, weight, HALF, OTHER_HALF, j);
        return;
    }
    for (size_t j = 0; j < d; j++)
        score[j] = 2 * mixed(x, weight, HALF, OTHER_HALF, j)
                   - 0.5 * mixed(x, weight, HALF, HALF, j)
                   - 0.5 * mixed(x, weight, OTHER_HALF, OTHER_HALF, j);
}

static int score_mixture(slivi_posterior *q, size_t step)
{
    const size_t n = q->now.n, d = q->d;
    const size_t half = slivi__posterior_mixture(q, step) / 2;
    double *const score[PARTS] = {q->work, q->work + n * d,
                                  q->work + 2 * n * d};
    double *const log_sum[PARTS] = {q->log_q, q->work + 3 * n * d,
                                    q->work + 3 * n * d + n};
    slivi_run run = slivi__posterior_run(q, 0, SLIVI__FOR_OTHERS, step);
    int status = 0;
    for (size_t p = 0; p < PARTS && !status; p++) {
        status = slivi__posterior_density(q, NULL, &q->now, p == OWN,
                                          p == OWN ? 0 : half, &run, log_sum[p],
                                          score[p]);
        run.row += p == OWN ? 0 : half * (q->k ? n : 1);
    }
    for (size_t i = 0; i < n && !status; i++) {
        parts x;
        for (size_t p = 0; p < PARTS; p++) {
            x.log_sum[p] = log_sum[p][i] + (p == OWN ? 0 : log((double)half));
            x.score[p] = score[p] + i * d;
        }
        jackknife(&x, d, q->score + i * d);
    }
    return status;
}

const slivi__source slivi__source_mixture = {
    .name = "mixture",
    .help = "of the mixture of a draw's component and others; semi-implicit",
    .mixture = 1,
    .score = score_mixture,
};
