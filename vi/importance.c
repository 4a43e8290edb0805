/* importance.c - the evidence by importance sampling with fitted proposals.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/importance.h"

#include "base/base.h"
#include "inside.h"
#include "proposal.h"

#include <float.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

#define LOG_2PI 1.83787706640934548356

enum {
    STARTS = SLIVI_IMPORTANCE_STARTS,
    ROWS = SLIVI_IMPORTANCE_ROWS,
    WINDOW = 8, /* rounds whose draws a fit weighs together, at most */
    /* streams of their own, so that a host may use the same seed and step */
    STREAM_NORMAL = 0x696d7031,
    STREAM_CHISQ = 0x696d7032
};

/* Variance below which the moments of a start are not believed: a start of
   equal draws must still reach something. */
static const double start_floor = 1e-4;

/* Standard deviations grow by this when no draw of a fit had weight. */
static const double widening = 2;

/* S over the covariance that was matched.  Measured on Gaussian posteriors of
   linear models: in 32 dimensions, after 30 rounds of 256, the ESS is 0.10,
   0.13 and 0.12 of the draws with 1, 1.1 and 1.2; in 2 and 8 dimensions 1.1
   costs 0.02 at most. */
static const double inflation = 1.1;

/* A round of fitting: its proposal and its draws. */
struct trial {
    slivi__proposal proposal;
    double *z;             /* round_draws x d */
    double *lp;            /* round_draws, log joint */
    double *log_q[WINDOW]; /* round_draws each, log density of trial t */
};

struct slivi_importance_workspace {
    size_t d, draws, round_draws;
    slivi__proposal fit[STARTS];
    struct trial trial[WINDOW];
    double *memory; /* of all that follows and of the above */
    double *match;  /* d (d + 1), scratch */
    double *u;      /* rows x d, standardised draws */
    double *z;      /* ROWS x d */
    double *lw;     /* rows, log weights */
    double *w;      /* rows, tempered weights */
    gsl_rng chisq;  /* its state is owned */
};

/* One estimate. */
struct job {
    slivi_importance_workspace *ws;
    slivi_log_joint *log_joint;
    void *ctx;
    const slivi_importance *how;
};

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
        || slivi__mul(rows, STARTS, &rows)
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

    c->status = slivi__mul(n, WINDOW, &rows);
    if (c->status != 0)
        return;
    for (size_t k = 0; k < STARTS; k++)
        carve_proposal(c, &ws->fit[k], d);
    for (size_t t = 0; t < WINDOW; t++) {
        carve_proposal(c, &ws->trial[t].proposal, d);
        ws->trial[t].z = carve(c, n, d);
        ws->trial[t].lp = carve(c, n, 1);
        for (size_t s = 0; s < WINDOW; s++)
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

/* -- draws and their log joint --------------------------------------------- */

/* What a sequence of chi-squares serves: the estimate's must not be one that
   the fits have seen. */
enum purpose { FITTING, ESTIMATE };

/* The generator of the chi-squares is a sequence: its seed is a draw. */
static void seed_chisq(struct job *job, enum purpose purpose)
{
    const slivi_address at = {.seed = job->how->seed,
                              .stream = STREAM_CHISQ,
                              .step = job->how->step,
                              .row = purpose};
    const gsl_rng *rng = &job->ws->chisq;
    double word[2];

    slivi_draw(slivi_law_uniform, &at, 1, 2, word);
    rng->type->set(rng->state,
                   (unsigned long)((uint64_t)(word[0] * 0x1p32) << 32
                                   | (uint64_t)(word[1] * 0x1p32)));
}

/* Rows of standard normal draws to u. */
static void draw_normal(struct job *job, size_t row, size_t n)
{
    const slivi_address at = {.seed = job->how->seed,
                              .stream = STREAM_NORMAL,
                              .step = job->how->step,
                              .row = row};

    slivi_draw(slivi_law_normal, &at, n, job->ws->d, job->ws->u);
}

/* u normal becomes z from p: t_nu is a normal over sqrt(chi^2_nu / nu). */
static void place(struct job *job, const slivi__proposal *p, const double *u,
                  double *z)
{
    const double nu = job->how->dof;

    slivi__proposal_place(p, sqrt(nu / gsl_ran_chisq(&job->ws->chisq, nu)), u,
                          z);
}

/* lp = log p(x, z); `what` names the draws. */
static int evaluate(struct job *job, size_t n, const double *z, double *lp,
                    const char *what)
{
    const size_t messages = slivi__failures();
    int status;

    for (size_t i = 0; i < n; i++)
        lp[i] = NAN; /* so that what the callback leaves out is found */
    status = job->log_joint(n, job->ws->d, z, lp, job->ctx);
    if (status != 0 && slivi__failures() != messages)
        return slivi__fail_in(SLIVI_ECALLBACK, "log_joint");
    if (status != 0)
        return slivi__fail(SLIVI_ECALLBACK, "log_joint returned %d", status);
    for (size_t i = 0; i < n; i++)
        if (isnan(lp[i]) || lp[i] == INFINITY)
            return slivi__fail(SLIVI_ENONFINITE,
                               "log_joint is %g at draw %zu of %s", lp[i], i,
                               what);
    return 0;
}

/* -- fitting --------------------------------------------------------------- */

/* w = exp(beta lw) up to a factor; returns its effective number. */
static double temper(size_t n, const double *lw, double beta, double *w)
{
    double most = -INFINITY, sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, lw[i]);
    for (size_t i = 0; i < n; i++) {
        w[i] = exp(beta * (lw[i] - most));
        sum += w[i];
        squares += w[i] * w[i];
    }
    return sum * sum / squares;
}

/* The largest beta in (0, 1] that leaves `target` effective draws: their
   number falls as beta grows. */
static double choose_beta(size_t n, const double *lw, double target, double *w)
{
    double low = DBL_EPSILON, high = 1;

    if (temper(n, lw, 1, w) >= target)
        return 1;
    for (int i = 0; i < 30; i++) {
        const double middle = 0.5 * (low + high);

        if (temper(n, lw, middle, w) >= target)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Enough for a covariance, but no more than can be had. */
static double ess_target(size_t n, size_t alive, size_t d)
{
    return fmin(fmax(2 * (double)d + 10, (double)n / 8), 0.5 * (double)alive);
}

/* log sum_t q_t over the trials in use, at draw i of a trial. */
static double log_sum_q(const struct trial *at, size_t used,
                        const size_t slots[], size_t i)
{
    double most = -INFINITY, sum = 0;

    for (size_t t = 0; t < used; t++)
        most = fmax(most, at->log_q[slots[t]][i]);
    for (size_t t = 0; t < used; t++)
        sum += exp(at->log_q[slots[t]][i] - most);
    return most + log(sum);
}

/* Log weights of the draws of all trials in use against the mixture of their
   proposals (Cornuet, Marin, Mira and Robert, "Adaptive multiple importance
   sampling", 2012), and the draws in the coordinates of the newest, which is
   slots[0].  Returns how many have weight. */
static size_t weigh_trials(struct job *job, size_t used, const size_t slots[])
{
    slivi_importance_workspace *ws = job->ws;
    struct trial *now = &ws->trial[slots[0]];
    const size_t d = ws->d, n = job->how->round_draws;
    size_t alive = 0;

    for (size_t t = 1; t < used; t++) /* ws->u as scratch */
        for (size_t i = 0; i < n; i++)
            now->log_q[slots[t]][i] = slivi__proposal_log(
                &ws->trial[slots[t]].proposal, now->z + i * d, ws->u);
    for (size_t t = 0; t < used; t++) {
        struct trial *old = &ws->trial[slots[t]];

        for (size_t i = 0; i < n; i++) {
            const size_t row = t * n + i;

            old->log_q[slots[0]][i] = slivi__proposal_log(
                &now->proposal, old->z + i * d, ws->u + row * d);
            ws->lw[row] = old->lp[i] - log_sum_q(old, used, slots, i);
            alive += old->lp[i] > -INFINITY;
        }
    }
    return alive;
}

/* One round for start k; *beta is 1 when it needed no tempering. */
static int fit_round(struct job *job, size_t k, size_t round, double *beta)
{
    slivi_importance_workspace *ws = job->ws;
    slivi__proposal *p = &ws->fit[k];
    const size_t n = job->how->round_draws, d = ws->d;
    /* The first rounds may be far off, so the later half counts.  With no
       memory at all the ESS above is 0.007, not 0.13: a covariance has too
       many entries for the draws of one round. */
    const size_t half = round / 2 + 1, used = half < WINDOW ? half : WINDOW;
    struct trial *now = &ws->trial[round % WINDOW];
    size_t slots[WINDOW], alive;
    double ess;
    int status;

    for (size_t t = 0; t < used; t++)
        slots[t] = (round - t) % WINDOW;
    slivi__proposal_copy(&now->proposal, p);
    draw_normal(job, job->how->draws + (k * job->how->rounds + round) * n, n);
    for (size_t i = 0; i < n; i++)
        place(job, p, ws->u + i * d, now->z + i * d);
    status = evaluate(job, n, now->z, now->lp, "a round of fitting");
    if (status != 0)
        return status;
    alive = weigh_trials(job, used, slots);
    *beta = 0;
    if (alive == 0) {
        slivi__proposal_widen(p, widening);
        return 0;
    }
    *beta = choose_beta(used * n, ws->lw, ess_target(used * n, alive, d),
                        ws->w);
    ess = temper(used * n, ws->lw, *beta, ws->w);
    return slivi__proposal_match(p, used * n, ws->u, ws->w, ess, 1 / (1 + ess),
                                 inflation, ws->match);
}

static int fit(struct job *job, size_t k, size_t count, const double *draws)
{
    slivi__proposal *p = &job->ws->fit[k];
    double before = 0, beta = 0;
    int status;

    p->dof = job->how->dof;
    slivi__proposal_reset(p);
    status = slivi__proposal_match(p, count, draws, NULL, (double)count,
                                   start_floor, inflation, job->ws->match);
    for (size_t r = 0; status == 0 && r < job->how->rounds; r++) {
        status = fit_round(job, k, r, &beta);
        if (beta >= 1 && before >= 1)
            break;
        before = beta;
    }
    return status;
}

/* -- the estimate ---------------------------------------------------------- */

/* The components of q: the fits in their order, then the prior. */
struct mixture {
    size_t fits, components;
    size_t end[STARTS + 1]; /* first draw of the next one */
    double log_share[STARTS + 1];
};

/* Draws are shared out as `share` says, at least one to each component; what
   was shared out, not `share`, are the weights of q. */
static void allocate(const slivi_importance *how, size_t starts,
                     struct mixture *q)
{
    const size_t draws = how->draws;
    size_t prior = (size_t)(how->share * (double)draws + 0.5), begin = 0;

    q->fits = how->share < 1 ? starts : 0;
    q->components = q->fits + (how->share > 0);
    if (how->share > 0 && prior == 0)
        prior = 1;
    if (prior > draws - q->fits)
        prior = draws - q->fits;
    for (size_t k = 0; k < q->components; k++) {
        q->end[k] = k < q->fits ? (draws - prior) * (k + 1) / q->fits : draws;
        q->log_share[k] = log((double)(q->end[k] - begin) / (double)draws);
        begin = q->end[k];
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
    double term[STARTS + 1], most = -INFINITY, sum = 0;

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
static int weigh(struct job *job, const struct mixture *q)
{
    slivi_importance_workspace *ws = job->ws;
    const size_t d = ws->d, draws = job->how->draws;
    size_t k = 0, n;

    for (size_t first = 0; first < draws; first += n) {
        double *lw = ws->lw + first;
        int status;

        n = draws - first < ROWS ? draws - first : ROWS;
        draw_normal(job, first, n);
        for (size_t i = 0; i < n; i++) {
            const double *u = ws->u + i * d;

            while (first + i >= q->end[k])
                k++;
            if (k < q->fits)
                place(job, &ws->fit[k], u, ws->z + i * d);
            else
                memcpy(ws->z + i * d, u, d * sizeof *u);
        }
        status = evaluate(job, n, ws->z, lw, "a batch of the estimate");
        if (status != 0)
            return status;
        for (size_t i = 0; i < n; i++)
            lw[i] -= log_mixture(ws, q, ws->z + i * d);
    }
    return 0;
}

static int check_call(const slivi_importance_workspace *ws, size_t starts,
                      size_t count, const double *draws,
                      const slivi_importance *how)
{
    const int status = check_options(how);

    if (status != 0)
        return status;
    if (how->draws > ws->draws || how->round_draws > ws->round_draws)
        return slivi__fail(SLIVI_ESHAPE,
                           "importance: %zu draws and %zu in a round, in a "
                           "workspace for %zu and %zu",
                           how->draws, how->round_draws, ws->draws,
                           ws->round_draws);
    if (starts < 1 || starts > STARTS)
        return slivi__fail(SLIVI_EINVAL, "importance: %zu starts, not in 1..%d",
                           starts, STARTS);
    if (count < 2)
        return slivi__fail(SLIVI_EINVAL,
                           "importance: %zu draws in a start, not >= 2", count);
    if (how->draws < starts + 1)
        return slivi__fail(SLIVI_EINVAL,
                           "importance: %zu draws are too few for %zu starts "
                           "and the prior",
                           how->draws, starts);
    for (size_t i = 0; i < starts * count * ws->d; i++)
        if (!isfinite(draws[i]))
            return slivi__fail(SLIVI_ENONFINITE,
                               "importance: a draw of start %zu is %g",
                               i / (count * ws->d), draws[i]);
    return 0;
}

int slivi_importance_evidence(slivi_importance_workspace *ws,
                              slivi_log_joint *log_joint, void *ctx,
                              size_t starts, size_t count, const double *draws,
                              const slivi_importance *how, slivi_evidence *out)
{
    struct job job = {ws, log_joint, ctx, how};
    int status = check_call(ws, starts, count, draws, how);
    struct mixture q;

    if (status != 0)
        return status;
    allocate(how, starts, &q);
    seed_chisq(&job, FITTING);
    for (size_t k = 0; k < q.fits; k++) {
        status = fit(&job, k, count, draws + k * count * ws->d);
        if (status != 0)
            return slivi__fail_in(status, "importance: start %zu", k);
    }
    seed_chisq(&job, ESTIMATE);
    status = weigh(&job, &q);
    if (status != 0)
        return slivi__fail_in(status, "importance");
    *out = slivi__summarise(how->draws, ws->lw);
    return 0;
}
