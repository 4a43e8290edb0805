/* importance.c - the evidence by importance sampling with fitted proposals.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/importance.h"

#include "base/base.h"
#include "inside.h"
#include "importance_inside.h"

#include <math.h>
#include <string.h>

#define LOG_2PI 1.83787706640934548356

enum { ROWS = SLIVI_IMPORTANCE_ROWS };

/* Part of the draws that fits have in equal parts, whatever their masses. */
static const double even_part = 0.2;

slivi_importance slivi_importance_default(void)
{
    const slivi_importance how = {.draws = 2000,
                                  .rounds = 12,
                                  .round_draws = 256,
                                  .dof = 7,
                                  .share = 0.05};

    return how;
}

/* -- the workspace --------------------------------------------------------- */

/* Rows are numbered below 2^32 in an address; the estimate's come first. */
static int check_rows(const slivi_importance *how)
{
    size_t rows;

    if (slivi__mul(how->rounds, how->round_draws, &rows)
        || slivi__mul(rows, SLIVI_IMPORTANCE_STARTS, &rows)
        || slivi__add(rows, how->draws, &rows))
        return slivi__fail_in(SLIVI_EOVERFLOW, "importance");
    if (rows > UINT32_MAX)
        return slivi__fail(SLIVI_EINVAL,
                           "importance: %zu rounds of %zu draws and %zu draws "
                           "are too many",
                           how->rounds, how->round_draws, how->draws);
    return 0;
}

static int check_options(const slivi_importance *how)
{
    if (how->draws < 2 || how->round_draws < 2)
        return slivi__fail(SLIVI_EINVAL,
                           "importance: draws is %zu and round_draws %zu, not "
                           "both >= 2",
                           how->draws, how->round_draws);
    if (!(how->dof >= 1 && isfinite(how->dof)))
        return slivi__fail(SLIVI_EINVAL,
                           "importance: dof is %g, not finite and >= 1",
                           how->dof);
    if (!(how->share >= 0 && how->share <= 1))
        return slivi__fail(
            SLIVI_EINVAL, "importance: share is %g, not in [0, 1]", how->share);
    if (how->step >> 48 != 0)
        return slivi__fail(SLIVI_EINVAL, "importance: step is not < 2^48");
    return check_rows(how);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The next `count` entries of the workspace's memory.  Counts first, with the
   memory still NULL, then hands out. */
struct carver {
    double *memory;
    size_t used;
    int status;
};

static double *carve(struct carver *c, size_t rows, size_t cols)
{
    double *at = c->memory != NULL ? c->memory + c->used : NULL;
    size_t count;

    if (c->status == 0)
        c->status = slivi__mul(rows, cols, &count);
    if (c->status == 0)
        c->status = slivi__add(c->used, count, &c->used);
    return at;
}

static void carve_proposal(struct carver *c, slivi__proposal *p, size_t d)
{
    p->d = d;
    p->mean = carve(c, 1, d);
    p->chol = carve(c, d, d);
}

static void carve_all(struct carver *c, slivi_importance_workspace *ws)
{
    const size_t d = ws->d, n = ws->round_draws;
    size_t rows;

    c->status = slivi__mul(n, SLIVI__WINDOW, &rows);
    if (c->status != 0)
        return;
    for (size_t k = 0; k < SLIVI_IMPORTANCE_STARTS; k++)
        carve_proposal(c, &ws->fit[k], d);
    for (size_t t = 0; t < SLIVI__WINDOW; t++) {
        carve_proposal(c, &ws->trial[t].proposal, d);
        ws->trial[t].z = carve(c, n, d);
        ws->trial[t].lp = carve(c, n, 1);
        for (size_t s = 0; s < SLIVI__WINDOW; s++)
            ws->trial[t].log_q[s] = carve(c, n, 1);
    }
    ws->match = carve(c, d + 1, d);
    ws->u = carve(c, larger(rows, ROWS), d);
    ws->z = carve(c, ROWS, d);
    ws->lw = carve(c, larger(rows, ws->draws), 1);
    ws->w = carve(c, rows, 1);
}

slivi_importance_workspace *
slivi_importance_workspace_create(const slivi_importance *how, size_t d)
{
    slivi_importance_workspace *ws;
    struct carver c = {0};

    if (check_options(how) != 0)
        return NULL;
    if (d == 0)
        return slivi__fail_null(SLIVI_ESHAPE, "importance: d is 0");
    ws = slivi__alloc(1, sizeof *ws);
    if (ws == NULL)
        return NULL;
    ws->d = d;
    ws->draws = how->draws;
    ws->round_draws = how->round_draws;
    ws->chisq.type = slivi_rng_philox;
    carve_all(&c, ws);
    if (c.status != 0)
        goto fail;
    ws->memory = slivi__alloc(c.used, sizeof *ws->memory);
    ws->chisq.state = slivi__alloc(1, slivi_rng_philox->size);
    if (ws->memory == NULL || ws->chisq.state == NULL)
        goto fail;
    c = (struct carver){.memory = ws->memory};
    carve_all(&c, ws);
    return ws;
fail:
    slivi_importance_workspace_free(ws);
    return NULL;
}

void slivi_importance_workspace_free(slivi_importance_workspace *ws)
{
    if (ws == NULL)
        return;
    slivi__free(ws->memory);
    slivi__free(ws->chisq.state);
    slivi__free(ws);
}

/* -- the estimate ---------------------------------------------------------- */

/* The components of q: the fits in their order, then the prior. */
struct mixture {
    size_t fits, components;
    size_t end[SLIVI_IMPORTANCE_STARTS + 1]; /* first draw of the next one */
    double log_share[SLIVI_IMPORTANCE_STARTS + 1];
};

/* The fits' `left` draws up to those of fit k: in equal parts, or where masses
   are told, a fifth in equal parts and the rest by mass. */
static size_t end_of(const slivi__starts *from, size_t k, size_t left)
{
    double most = -INFINITY, sum = 0, up_to = 0, part;

    for (size_t i = 0; from->log_mass != NULL && i < from->starts; i++)
        most = fmax(most, from->log_mass[i]);
    if (!(most > -INFINITY))
        return left * (k + 1) / from->starts;
    for (size_t i = 0; i < from->starts; i++) {
        sum += exp(from->log_mass[i] - most);
        up_to = i == k ? sum : up_to;
    }
    part = even_part * (double)(k + 1) / (double)from->starts
           + (1 - even_part) * up_to / sum;
    return (size_t)(part * (double)left);
}

/* Draws are shared out as `share` says, at least one to each component; what
   was shared out, not `share`, are the weights of q. */
static void allocate(const slivi__estimate *job, struct mixture *q)
{
    const size_t draws = job->how->draws, starts = job->from->starts;
    const double share = job->how->share;
    size_t prior = (size_t)(share * (double)draws + 0.5), begin = 0;

    q->fits = share < 1 ? starts : 0;
    q->components = q->fits + (share > 0);
    if (share > 0 && prior == 0)
        prior = 1;
    if (prior > draws - q->fits)
        prior = draws - q->fits;
    for (size_t k = 0; k < q->components; k++) {
        const size_t left = draws - prior, after = q->fits - k - 1;
        size_t end = draws;

        if (k < q->fits) {
            end = k + 1 < q->fits ? end_of(job->from, k, left) : left;
            end = end > begin ? end : begin + 1;
            end = end < left - after ? end : left - after;
        }
        q->end[k] = end;
        q->log_share[k] = log((double)(end - begin) / (double)draws);
        begin = end;
    }
}

static double log_prior(size_t d, const double *z)
{
    double square = 0;

    for (size_t j = 0; j < d; j++)
        square += z[j] * z[j];
    return -0.5 * ((double)d * LOG_2PI + square);
}

/* log q(z) */
static double log_mixture(const slivi_importance_workspace *ws,
                          const struct mixture *q, const double *z)
{
    double term[SLIVI_IMPORTANCE_STARTS + 1], most = -INFINITY, sum = 0;

    for (size_t k = 0; k < q->components; k++) {
        term[k] = q->log_share[k]
                  + (k < q->fits ? slivi__proposal_log(&ws->fit[k], z, ws->u)
                                 : log_prior(ws->d, z));
        most = fmax(most, term[k]);
    }
    for (size_t k = 0; k < q->components; k++)
        sum += exp(term[k] - most);
    return most + log(sum);
}

/* Log weights of all draws. */
static int weigh(slivi__estimate *job, const struct mixture *q)
{
    slivi_importance_workspace *ws = job->ws;
    const size_t d = ws->d, draws = job->how->draws;
    size_t k = 0, n;

    for (size_t first = 0; first < draws; first += n) {
        double *lw = ws->lw + first;
        int status;

        n = draws - first < ROWS ? draws - first : ROWS;
        slivi__importance_normal(job, first, n);
        for (size_t i = 0; i < n; i++) {
            const double *u = ws->u + i * d;

            while (first + i >= q->end[k])
                k++;
            if (k < q->fits)
                slivi__importance_place(job, &ws->fit[k], u, ws->z + i * d);
            else
                memcpy(ws->z + i * d, u, d * sizeof *u);
        }
        status = slivi__importance_evaluate(job, n, ws->z, lw,
                                            "a batch of the estimate");
        if (status != 0)
            return status;
        for (size_t i = 0; i < n; i++)
            lw[i] -= log_mixture(ws, q, ws->z + i * d);
    }
    return 0;
}

static int check_entries(const slivi__starts *from, size_t d)
{
    const double *all = from->draws != NULL ? from->draws : from->means;
    const size_t each = from->draws != NULL ? from->count * d : d;

    for (size_t i = 0; i < from->starts * each; i++)
        if (!isfinite(all[i]))
            return slivi__fail(
                SLIVI_ENONFINITE, "importance: a %s of start %zu is %g",
                from->draws != NULL ? "draw" : "mean", i / each, all[i]);
    for (size_t k = 0; from->log_mass != NULL && k < from->starts; k++)
        if (isnan(from->log_mass[k]) || from->log_mass[k] == INFINITY)
            return slivi__fail(SLIVI_ENONFINITE,
                               "importance: log mass of start %zu is %g", k,
                               from->log_mass[k]);
    return 0;
}

static int check_call(const slivi__estimate *job)
{
    const slivi_importance_workspace *ws = job->ws;
    const slivi_importance *how = job->how;
    const slivi__starts *from = job->from;
    const int status = check_options(how);

    if (status != 0)
        return status;
    if (how->draws > ws->draws || how->round_draws > ws->round_draws)
        return slivi__fail(SLIVI_ESHAPE,
                           "importance: %zu draws and %zu in a round, in a "
                           "workspace for %zu and %zu",
                           how->draws, how->round_draws, ws->draws,
                           ws->round_draws);
    if (from->starts < 1 || from->starts > SLIVI_IMPORTANCE_STARTS)
        return slivi__fail(SLIVI_EINVAL, "importance: %zu starts, not in 1..%d",
                           from->starts, SLIVI_IMPORTANCE_STARTS);
    if (from->draws != NULL && from->count < 2)
        return slivi__fail(SLIVI_EINVAL,
                           "importance: %zu draws in a start, not >= 2",
                           from->count);
    if (how->draws < from->starts + 1)
        return slivi__fail(SLIVI_EINVAL,
                           "importance: %zu draws are too few for %zu starts "
                           "and the prior",
                           how->draws, from->starts);
    return check_entries(from, ws->d);
}

static int run(slivi__estimate *job, slivi_evidence *out)
{
    struct mixture q;
    int status = check_call(job);

    if (status != 0)
        return status;
    allocate(job, &q);
    slivi__importance_seed(job, SLIVI__FITTING);
    for (size_t k = 0; k < q.fits; k++) {
        status = slivi__importance_fit(job, k);
        if (status != 0)
            return slivi__fail_in(status, "importance: start %zu", k);
    }
    slivi__importance_seed(job, SLIVI__ESTIMATE);
    status = weigh(job, &q);
    if (status != 0)
        return slivi__fail_in(status, "importance");
    *out = slivi__summarise(job->how->draws, job->ws->lw);
    return 0;
}

int slivi_importance_evidence(slivi_importance_workspace *ws,
                              slivi_log_joint *log_joint, void *ctx,
                              size_t starts, size_t count, const double *draws,
                              const slivi_importance *how, slivi_evidence *out)
{
    const slivi__starts from = {
        .starts = starts, .count = count, .draws = draws};
    slivi__estimate job = {ws, log_joint, ctx, how, &from};

    return run(&job, out);
}

int slivi_importance_evidence_at(slivi_importance_workspace *ws,
                                 slivi_log_joint *log_joint, void *ctx,
                                 size_t starts, const double *means,
                                 const double *covs, const double *log_mass,
                                 const slivi_importance *how,
                                 slivi_evidence *out)
{
    const slivi__starts from = {
        .starts = starts, .means = means, .covs = covs, .log_mass = log_mass};
    slivi__estimate job = {ws, log_joint, ctx, how, &from};

    return run(&job, out);
}
