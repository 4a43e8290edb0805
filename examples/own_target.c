/* own_target.c - inference on a log density of your own, in one page.

   Ten counts y_i at x_i, Poisson with mean a exp(b x_i): a > 0 with prior
   exp(-a / 5), b with prior N(0, 1).  Build it by

       cc own_target.c $(pkg-config --cflags --libs slivi) -lm

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include <slivi/posterior.h>
#include <slivi/verdict.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DRAWS = 20000, ROWS = 10 };

static const double x[ROWS] = {-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5};
static const double y[ROWS] = {1, 0, 2, 1, 3, 2, 6, 4, 8, 13};

/* log p(a, b | y) but for a constant, and its gradient, at n points (a, b). */
static int log_density(size_t n, size_t d, const double *at, double *lp,
                       double *grad, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        const double a = at[i * d], b = at[i * d + 1];
        double sum = -a / 5 - b * b / 2, by_a = -1.0 / 5, by_b = -b;
        for (size_t k = 0; k < ROWS; k++) {
            const double mean = a * exp(b * x[k]);
            sum += y[k] * log(mean) - mean;
            by_a += (y[k] - mean) / a;
            by_b += (y[k] - mean) * x[k];
        }
        lp[i] = sum;
        grad[i * d] = by_a;
        grad[i * d + 1] = by_b;
    }
    return 0;
}

int main(void)
{
    static const slivi_parameter parameters[] = {
        {.name = "a", .support = "lower"}, {.name = "b"}};
    static double z[DRAWS * 2], theta[DRAWS * 2], log_q[DRAWS];
    slivi_target *t = slivi_target_create_on(2, parameters, log_density, NULL);
    slivi_posterior *q = t ? slivi_posterior_create("semi-implicit", t) : NULL;
    slivi_verdict *v = NULL;
    if (q && !slivi_posterior_set(q, "steps", 1500)
        && !slivi_posterior_set_text(q, "seed", "1")
        && !slivi_posterior_fit(q, NULL, 0, NULL, NULL, NULL)
        && !slivi_posterior_weigh(q, DRAWS, NULL, 1, 1024, z, log_q)
        && !slivi_target_outside(t, DRAWS, z, theta)) {
        printf("a draw: a = %.3f, b = %.3f\n\n", theta[0], theta[1]);
        v = slivi_verdict_create(t, DRAWS, z, NULL, log_q, NULL, NULL);
    }
    if (!v || slivi_verdict_print(v, stdout))
        fprintf(stderr, "own_target: %s\n", slivi_errmsg());
    const int failed = !v || slivi_verdict_outcome(v) == SLIVI_VERDICT_FAIL;
    slivi_verdict_free(v);
    slivi_posterior_free(q);
    slivi_target_free(t);
    return failed;
}
