/* verdict_reach.c - the checks of a verdict by chains from afar.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "verdict_inside.h"
#include "base/base.h"
#include "score/cloud.h"
#include "slivi/neighbours.h"
#include "slivi/sampler.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    STREAM_START = 0x76646334, /* so that a host may use the same seed */
    WARMUP = 500,
    DRAWS = 500,  /* of each chain */
    THIN = 5,     /* of the second run, where chains of the first disagree */
    LOOKS = 20,   /* at a chain's later half */
    KNOWN = 5000, /* draws that neighbours are looked for in */
    HELD_OUT = 1000,
    HALVINGS = 30
};

/* Less of the mass than e^-5 would not show among the KNOWN draws. */
#define SLIGHT 5
/* A draw that is farther from the others than so many of the held-out ones */
#define FAR 0.99
/* More of q's draws that no chain came near make chains no reference. */
#define UNMET_MOST 0.02
#define RHAT 1.01 /* Vehtari et al., see slivi/sampler.h */

/* ---- starts -------------------------------------------------------------- */

/* m + spread sd N(0, I), nearer to m where there is no density, and where there
   is none a draw of q. */
static int start_afar(slivi__scene *s, double *x)
{
    const size_t d = s->d;
    const slivi_address at = {.seed = s->how.seed, .stream = STREAM_START};
    slivi_draw(slivi_law_normal, &at, s->how.reach, d, x);
    double *grad = slivi__alloc(d, sizeof *grad);
    int status = grad ? 0 : slivi__status();
    for (size_t i = 0; !status && i < s->how.reach; i++, x += d) {
        double lp = -INFINITY;
        for (size_t j = 0; j < d; j++)
            x[j] = s->mean[j] + s->how.spread * s->sd[j] * x[j];
        for (size_t t = 0; !status && t < HALVINGS && !isfinite(lp); t++) {
            for (size_t j = 0; t && j < d; j++)
                x[j] = 0.5 * (x[j] + s->mean[j]);
            status = slivi__verdict_density(1, d, x, &lp, grad, s);
        }
        if (!isfinite(lp))
            memcpy(x, s->draws + slivi__verdict_pick(s, i, s->how.reach) * d,
                   d * sizeof *x);
    }
    slivi__free(grad);
    return status;
}

/* u = L^-1 (x - m) */
static void whiten(const slivi__scene *s, const double *x, double *u)
{
    const size_t d = s->d;
    for (size_t j = 0; j < d; j++) {
        double sum = x[j] - s->mean[j];
        for (size_t k = 0; k < j; k++)
            sum -= s->l[j * d + k] * u[k];
        u[j] = sum / s->l[j * d + j];
    }
}

/* Log of the mass about a chain, up to a constant that all share, as if it were
   Gaussian with this diagonal: E log p + sum log sd. */
static double mass_about(const slivi__scene *s, size_t n, const double *x,
                         const double *lp)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += lp[i] / (double)n;
    for (size_t j = 0; j < s->d; j++) {
        slivi__sums q = {0};
        for (size_t i = 0; i < n; i++)
            slivi__sums_add(&q, (x[i * s->d + j] - s->mean[j]) / s->sd[j]);
        sum += 0.5 * log(slivi__sums_variance(&q));
    }
    return sum;
}

/* The same of q's own draws, were they Gaussian with sds 1: too large by
   up to about one for each coordinate where they are not. */
static double mass_of_q(const slivi__scene *s)
{
    return s->lp_mean - (double)s->d;
}

/* Whitened: known draws, held-out ones, looks at the chains; distances of the
   latter two. */
typedef struct hunt {
    size_t known, held, looks;
    double *u, *near, *spare, *mass, *lp, *grad, *starts;
    slivi_neighbours *ws;
} hunt;

static int open_hunt(hunt *h, slivi__scene *s)
{
    const size_t d = s->d, chains = s->how.reach;
    size_t draws;
    h->known = s->goods / 2 < KNOWN ? s->goods / 2 : KNOWN;
    h->held = s->goods / 4 < HELD_OUT ? s->goods / 4 : HELD_OUT;
    h->looks = chains * LOOKS;
    const size_t queries = h->held + h->looks;
    const size_t rows = queries > h->known ? queries : h->known;
    h->u = slivi__alloc(h->known + queries, d * sizeof *h->u);
    h->near = slivi__alloc(2 * queries + chains * (d + 1) + DRAWS * (d + 1),
                           sizeof *h->near);
    h->ws = slivi_neighbours_create(rows, d, NULL);
    if (!slivi__mul(chains * DRAWS, d, &draws))
        s->wide = slivi__alloc(draws, sizeof *s->wide);
    if (!h->u || !h->near || !h->ws || !s->wide)
        return slivi__status();
    h->spare = h->near + queries;
    h->mass = h->spare + queries;
    h->lp = h->mass + chains;
    h->grad = h->lp + DRAWS;
    h->starts = h->grad + DRAWS * d;
    return 0;
}

static void close_hunt(hunt *h)
{
    slivi__free(h->u);
    slivi__free(h->near);
    slivi_neighbours_free(h->ws);
}

/* Of all draws that are looked at, `known` before number i: one is held out
   after so many known ones. */
static int is_held_out(const hunt *h, size_t i, size_t known)
{
    return (i + 1) * h->known / (h->known + h->held) == known;
}

/* Distances of the held-out draws, then of looks at the later halves. */
static int find_near(hunt *h, const slivi__scene *s)
{
    const size_t d = s->d, all = h->known + h->held, half = DRAWS / 2;
    double *u = h->u;
    for (size_t i = 0, known = 0; i < all; i++) {
        const int out = is_held_out(h, i, known);
        double *to = out ? u + (h->known + i - known) * d : u + known * d;
        whiten(s, s->draws + slivi__verdict_pick(s, i, all) * d, to);
        known += !out;
    }
    u += all * d;
    for (size_t c = 0; c < s->arrived; c++)
        for (size_t k = 0; k < LOOKS; k++, u += d)
            whiten(s,
                   s->wide
                       + (c * DRAWS + half + k * (DRAWS - half) / LOOKS) * d,
                   u);
    return slivi_nearest(h->ws, h->held + s->arrived * LOOKS,
                         h->u + h->known * d, h->known, h->u,
                         SLIVI_NEIGHBOURS_K, h->near);
}

/* What log p all but a tenth of the looks at chains exceed, to h->spare[0]. */
static int usual_density(hunt *h, slivi__scene *s, double *usual)
{
    const size_t d = s->d, half = DRAWS / 2, looks = s->arrived * LOOKS;
    for (size_t k = 0; k < looks; k++) {
        const size_t c = k / LOOKS, step = k % LOOKS * (DRAWS - half) / LOOKS;
        int status = slivi__verdict_density(
            1, d, s->wide + (c * DRAWS + half + step) * d, h->spare + k,
            h->grad, s);
        if (status)
            return status;
    }
    slivi__sort(looks, h->spare, h->near);
    *usual = h->spare[looks / 10];
    return 0;
}

/* The share of the held-out draws that no chain came near, though p is as large
   there as where chains are: some times as far from looks at chains as from as
   many draws of q.  (Where both have one law, the ratio's d-th power is about
   that of two gamma variables of shape SLIVI_NEIGHBOURS_K, over 6 once in 200
   times; a q that is too narrow makes it 2 or so.) */
static int find_unmet(hunt *h, slivi__scene *s)
{
    const size_t all = h->known + h->held, looks = s->arrived * LOOKS;
    const size_t like = looks < h->known ? looks : h->known;
    const double *held = h->u + h->known * s->d;
    const double much = s->d > 1 ? 4 : 6;
    double usual;
    size_t count = 0;
    if (like <= SLIVI_NEIGHBOURS_K)
        return 0;
    int status = usual_density(h, s, &usual);
    if (!status)
        status = slivi_nearest(h->ws, h->held, held, like, h->u,
                               SLIVI_NEIGHBOURS_K, h->near);
    if (!status)
        status = slivi_nearest(h->ws, h->held, held, looks,
                               held + h->held * s->d, SLIVI_NEIGHBOURS_K,
                               h->spare);
    for (size_t i = 0, known = 0; i < all && !status; i++) {
        const int out = is_held_out(h, i, known);
        if (out)
            count += h->spare[i - known] > much * h->near[i - known]
                     && s->lp[slivi__verdict_pick(s, i, all)] >= usual;
        known += !out;
    }
    s->unmet = (double)count / (double)h->held;
    return status;
}

/* ---- runs ---------------------------------------------------------------- */

/* Chains that have come to where p has its mass, by h->mass, come first in
   s->wide, in order. */
static int gather(hunt *h, slivi__scene *s)
{
    const size_t chains = s->how.reach, size = DRAWS * s->d;
    double most = mass_of_q(s);
    for (size_t c = 0; c < chains; c++) {
        const double *x = s->wide + c * size;
        int status = slivi__verdict_density(DRAWS, s->d, x, h->lp, h->grad, s);
        if (status)
            return status;
        h->mass[c] = mass_about(s, DRAWS, x, h->lp);
        most = fmax(most, h->mass[c]);
    }
    s->arrived = 0;
    for (size_t c = 0; c < chains; c++) {
        if (!(h->mass[c] >= most - SLIGHT))
            continue;
        if (s->arrived != c)
            memcpy(s->wide + s->arrived * size, s->wide + c * size,
                   size * sizeof(double));
        s->arrived++;
    }
    return 0;
}

/* The largest of all coordinates, of those that arrived; NaN if one is. */
static int find_rhat(slivi__scene *s)
{
    s->rhat = s->arrived > 1 ? 0 : NAN;
    for (size_t j = 0; j < s->d && s->arrived > 1; j++) {
        double rhat;
        int status = slivi_rhat(s->arrived, DRAWS, s->wide + j, s->d, &rhat);
        if (status)
            return status;
        if (!(rhat <= s->rhat))
            s->rhat = rhat;
    }
    return 0;
}

static int run_once(hunt *h, slivi__scene *s, size_t thin)
{
    slivi_sampler how = slivi_sampler_default();
    slivi_sampler_report report;
    how.chains = s->how.reach;
    how.warmup = WARMUP;
    how.draws = DRAWS;
    how.thin = thin;
    how.seed = s->how.seed + thin;
    int status = slivi_sample(&how, slivi__verdict_density, s, s->d, h->starts,
                              s->wide, NULL, NULL, NULL, &report);
    for (size_t c = 0; !status && c < how.chains; c++)
        memcpy(h->starts + c * s->d, s->wide + ((c + 1) * DRAWS - 1) * s->d,
               s->d * sizeof(double));
    if (!status)
        status = gather(h, s);
    return status ? status : find_rhat(s);
}

static void judge_reach(hunt *h, const slivi__scene *s,
                        slivi_verdict_check *out)
{
    size_t elsewhere = 0, chains = s->how.reach, lost = chains - s->arrived;
    memcpy(h->spare, h->near, h->held * sizeof *h->spare);
    slivi__sort(h->held, h->spare, h->spare + h->held);
    const double far = h->spare[(size_t)(FAR * (double)h->held)];
    for (size_t c = 0; c < s->arrived; c++) {
        const double *at = h->near + h->held + c * LOOKS;
        size_t count = 0;
        for (size_t k = 0; k < LOOKS; k++)
            count += at[k] > far;
        elsewhere += count > LOOKS / 2;
    }
    out->statistic = (double)elsewhere / (double)chains;
    out->level = 1.5 / (double)chains;
    out->outcome = elsewhere > 1                    ? SLIVI_VERDICT_FAIL
                   : elsewhere || lost > chains / 2 ? SLIVI_VERDICT_UNSURE
                                                    : SLIVI_VERDICT_PASS;
    snprintf(out->detail, sizeof out->detail,
             "%zu of %zu chains stay where q has no draws, %zu did not arrive; "
             "R-hat %.3f",
             elsewhere, chains, lost, s->rhat);
}

int slivi__verdict_reach(slivi__scene *s, slivi_verdict_check *out)
{
    hunt h = {0};
    if (!s->how.reach)
        return 0;
    int status = open_hunt(&h, s);
    if (!status)
        status = start_afar(s, h.starts);
    if (!status)
        status = run_once(&h, s, 1);
    if (!status && !(s->rhat <= RHAT))
        status = run_once(&h, s, THIN);
    if (!status)
        status = find_near(&h, s);
    if (!status)
        judge_reach(&h, s, out);
    if (!status)
        status = find_unmet(&h, s);
    close_hunt(&h);
    return status;
}

/* ---- as a reference ------------------------------------------------------ */

/* The mean of quantity f over a chain, of all that arrived, from q's: chains
   are independent, so their means tell their own error. */
static slivi__change differ(const slivi__scene *s, size_t f)
{
    const double *x = s->wide;
    slivi__sums means = {0};
    double mean, var;
    slivi__verdict_moments(s, f, &mean, &var);
    for (size_t c = 0; c < s->arrived; c++) {
        slivi__sums one = {0};
        for (size_t i = 0; i < DRAWS; i++, x += s->d)
            slivi__sums_add(&one, slivi__verdict_quantity(s, f, x, 0));
        slivi__sums_add(&means, slivi__sums_mean(&one) - mean);
    }
    return slivi__verdict_change(s, f, &means, var / (double)s->goods);
}

int slivi__verdict_reference(slivi__scene *s, slivi_verdict_check *out)
{
    const size_t count = 2 * s->d, chains = s->how.reach;
    slivi__worst w = {0};
    slivi__change worst = {0};
    char more[128];
    if (!chains || s->arrived < 2)
        return 0;
    for (size_t f = 0; f < count; f++) {
        const slivi__change c = differ(s, f);
        slivi__worst_see(&w, c.score, c.error, f);
        worst = w.at == f ? c : worst;
    }
    const int unsure = !(s->rhat <= RHAT) || chains - s->arrived > chains / 8
                       || s->unmet > UNMET_MOST;
    snprintf(more, sizeof more,
             "; R-hat %.3f, %zu of %zu chains arrived, near %.3g %% of q%s",
             s->rhat, s->arrived, chains, 100 * (1 - s->unmet),
             unsure ? ": no reference" : "");
    out->statistic = w.score;
    out->level = slivi__verdict_level(SLIVI__VERDICT_CHAINS_ALPHA, count);
    out->outcome = unsure                 ? SLIVI_VERDICT_UNSURE
                   : w.score > out->level ? SLIVI_VERDICT_FAIL
                                          : SLIVI_VERDICT_PASS;
    slivi__verdict_describe(s, w.at, &worst, more, out);
    return 0;
}
