/* verdict_checks.c - the checks of a verdict, and those that need no chains.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "verdict_inside.h"
#include "base/base.h"
#include "slivi/ksd.h"
#include "slivi/sampler.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    REPEATS = 2000 /* of signs */
};

/* Exact draws are where p has a density; one in a thousand draws elsewhere
   makes a difference to none of the other checks. */
#define OUTSIDE 1e-3

/* ---- support ------------------------------------------------------------- */

static int support(slivi__scene *s, slivi_verdict_check *out)
{
    const size_t lost = s->n - s->goods;
    out->statistic = (double)lost / (double)s->n;
    out->level = OUTSIDE;
    out->outcome = out->statistic > OUTSIDE ? SLIVI_VERDICT_FAIL
                                            : SLIVI_VERDICT_PASS;
    snprintf(out->detail, sizeof out->detail,
             "%zu of %zu draws where the target has no density", lost, s->n);
    return 0;
}

/* ---- weights ------------------------------------------------------------- */

static int weigh(slivi__scene *s, int four, double *lw, double *ess)
{
    for (size_t i = 0; i < s->n; i++)
        lw[i] = s->lp[i] - s->log_q[four][i];
    return slivi_psis(s->n, lw, &s->v->khat[four], ess);
}

/* By how much log q falls, on average, from K components to 4K.  Where a
   mixture shows q's density that is next to nothing; where it shows little but
   each draw's own component, log 4: then weights tell nothing of q. */
#define SETTLED 0.2

static double fall(const slivi__scene *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->n && s->log_q[1]; i++)
        sum += s->log_q[0][i] - s->log_q[1][i];
    return sum / (double)s->n;
}

/* Draws that are worth less of their number are none of the target's. */
#define WORTH 0.05

static void judge_weights(const slivi__scene *s, slivi_verdict_check *out)
{
    const double *k = s->v->khat;
    const double m = 3 * sqrt((double)s->n); /* the tail's length */
    const double se = (1 + (isfinite(k[0]) ? fabs(k[0]) : 0)) / sqrt(m);
    out->level = fmin(1 - 1 / log10((double)s->n), 0.7);
    out->statistic = isnan(k[1]) ? k[0] : fmax(k[0], k[1]);
    out->outcome = out->statistic <= out->level ? SLIVI_VERDICT_PASS
                                                : SLIVI_VERDICT_FAIL;
    if (!(s->v->ess >= WORTH * (double)s->n))
        out->outcome = SLIVI_VERDICT_FAIL;
    const int far = !isnan(k[1]) && k[0] != k[1]
                    && !(fabs(k[0] - k[1]) <= fmax(0.2, 4 * se));
    if (far && !(fmin(k[0], k[1]) > out->level))
        out->outcome = SLIVI_VERDICT_UNSURE;
    if (fall(s) > SETTLED) {
        out->outcome = SLIVI_VERDICT_UNSURE;
        snprintf(out->detail, sizeof out->detail,
                 "k-hat %.2f, but K components do not show q's density: with "
                 "4K log q is lower by %.2g",
                 k[0], fall(s));
        return;
    }
    if (isnan(k[1]))
        snprintf(out->detail, sizeof out->detail,
                 "k-hat %.2f; the draws are worth %.3g %%", k[0],
                 100 * s->v->ess / (double)s->n);
    else
        snprintf(out->detail, sizeof out->detail,
                 "k-hat %.2f, at 4K %.2f%s; the draws are worth %.3g %%", k[0],
                 k[1], far ? ": not settled" : "",
                 100 * s->v->ess / (double)s->n);
}

static int psis(slivi__scene *s, slivi_verdict_check *out)
{
    slivi_verdict *v = s->v;
    double *room;
    int status;
    if (!s->log_q[0]) {
        snprintf(out->detail, sizeof out->detail, "q has no density here");
        return 0;
    }
    v->weights = slivi__alloc(s->n, sizeof *v->weights);
    if (!v->weights)
        return slivi__status();
    status = weigh(s, 0, v->weights, &v->ess);
    for (size_t i = 0; !status && i < s->n; i++)
        v->weights[i] = exp(v->weights[i]);
    if (!status && s->log_q[1]) {
        room = slivi__alloc(s->n, sizeof *room);
        status = room ? weigh(s, 1, room, NULL) : slivi__status();
        slivi__free(room);
    }
    if (!status)
        judge_weights(s, out);
    return status;
}

/* ---- kernels ------------------------------------------------------------- */

static void gather(const slivi__scene *s, size_t m, const double *from,
                   double *to)
{
    for (size_t i = 0; i < m; i++)
        memcpy(to + i * s->d, from + slivi__verdict_pick(s, i, m) * s->d,
               s->d * sizeof *to);
}

static void judge_kernel(const slivi_ksd_report *r, size_t m, double alpha,
                         slivi_verdict_check *out)
{
    out->statistic = r->u;
    out->level = r->level;
    out->outcome = r->p <= alpha ? SLIVI_VERDICT_FAIL : SLIVI_VERDICT_PASS;
    snprintf(out->detail, sizeof out->detail, "%zu draws, p = %.2g", m, r->p);
}

static int ksd(slivi__scene *s, slivi_verdict_check *out)
{
    const size_t d = s->d;
    const size_t m = s->how.ksd < s->goods ? s->how.ksd : s->goods;
    slivi_ksd_report r;
    if (!s->how.ksd)
        return 0;
    double *x = slivi__alloc(m, 2 * d * sizeof *x);
    slivi_ksd *ws = x ? slivi_ksd_create(m, d, REPEATS) : NULL;
    int status = ws ? 0 : slivi__status();
    if (!status) {
        gather(s, m, s->draws, x);
        gather(s, m, s->grad, x + m * d);
        status = slivi_ksd_stein(ws, m, x, x + m * d, s->l,
                                 SLIVI__VERDICT_ALPHA, s->how.seed, &r);
    }
    if (!status)
        judge_kernel(&r, m, SLIVI__VERDICT_ALPHA, out);
    slivi_ksd_free(ws);
    slivi__free(x);
    return status;
}

static int mmd(slivi__scene *s, slivi_verdict_check *out)
{
    const size_t chains = s->later.chains;
    const size_t m = s->how.ksd < chains ? s->how.ksd : chains;
    slivi_ksd_report r;
    if (m < 2)
        return 0;
    slivi_ksd *ws = slivi_ksd_create(m, s->d, REPEATS);
    if (!ws)
        return slivi__status();
    const int status = slivi_ksd_pairs(ws, m, s->start.x, s->v->moved, s->l,
                                       SLIVI__VERDICT_CHAINS_ALPHA, s->how.seed,
                                       &r);
    if (!status)
        judge_kernel(&r, m, SLIVI__VERDICT_CHAINS_ALPHA, out);
    slivi_ksd_free(ws);
    return status;
}

/* ---- the table ----------------------------------------------------------- */

#define MODES "a mode that q lacks, weights of modes that lie apart"
#define PASSAGE "a mode that no transition reaches, and such modes' weights"

const slivi__verdict_type slivi__verdict_types[] = {
    {"support", "what q does not cover", support},
    {"stein-mean", MODES, slivi__verdict_stein_mean},
    {"stein-covariance", MODES, slivi__verdict_stein_covariance},
    {"stein-tails", MODES, slivi__verdict_stein_tails},
    {"psis", "what q does not cover; says little about moments", psis},
    {"shift", PASSAGE, slivi__verdict_shift},
    {"ksd", MODES, ksd},
    {"mmd", PASSAGE, mmd},
    {"reach", "modes that no chain finds; weights", slivi__verdict_reach},
    {"reference", "what the chains of reach did not see",
     slivi__verdict_reference},
};
const size_t slivi__verdict_type_count = sizeof slivi__verdict_types
                                         / sizeof slivi__verdict_types[0];
