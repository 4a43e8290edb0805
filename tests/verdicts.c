/* verdicts.c - what tests of verdicts share.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "verdicts.h"

#include <check.h>
#include <string.h>

double verdicts_draws[VERDICTS_N * VERDICTS_MOST];

slivi_verdict_options verdicts_quick(uint64_t seed)
{
    slivi_verdict_options how = slivi_verdict_default();
    how.chains = 500;
    how.ksd = 300;
    how.reach = 32;
    how.seed = seed;
    return how;
}

/* Stein's identities alone. */
slivi_verdict_options verdicts_bare(void)
{
    slivi_verdict_options how = slivi_verdict_default();
    how.chains = how.ksd = how.reach = 0;
    return how;
}

slivi_verdict *verdicts_judge(slivi_target *t, size_t n,
                              slivi_verdict_options how)
{
    slivi_verdict *v = slivi_verdict_create(t, n, verdicts_draws, NULL, NULL,
                                            NULL, &how);
    ck_assert_msg(v != NULL, "%s", slivi_errmsg());
    return v;
}

const slivi_verdict_check *verdicts_find(const slivi_verdict *v,
                                         const char *name)
{
    for (size_t i = 0; i < slivi_verdict_checks(v); i++)
        if (!strcmp(slivi_verdict_check_at(v, i)->name, name))
            return slivi_verdict_check_at(v, i);
    ck_abort_msg("no check %s", name);
    return NULL;
}

void verdicts_is(const slivi_verdict *v, const char *name,
                 enum slivi_verdict_outcome outcome)
{
    const slivi_verdict_check *c = verdicts_find(v, name);
    ck_assert_msg(c->outcome == outcome, "%s: %s, %g of %g, %s", name,
                  slivi_verdict_word(c->outcome), c->statistic, c->level,
                  c->detail);
}

/* ---- targets ------------------------------------------------------------- */

int verdicts_normal(size_t n, size_t d, const double *x, double *lp,
                    double *grad, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        lp[i] = 0;
        for (size_t j = i * d; j < (i + 1) * d; j++) {
            lp[i] -= 0.5 * x[j] * x[j];
            grad[j] = -x[j];
        }
    }
    return 0;
}

/* Correlation 0.9. */
int verdicts_tied(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        grad[0] = (0.9 * x[1] - x[0]) / 0.19;
        grad[1] = (0.9 * x[0] - x[1]) / 0.19;
        lp[i] = 0.5 * (x[0] * grad[0] + x[1] * grad[1]);
    }
    return 0;
}
