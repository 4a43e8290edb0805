/* hmc.c - Hamiltonian Monte Carlo on many chains at once.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/hmc.h"

#include "base/base.h"
#include "inside.h"

#include <math.h>
#include <string.h>

/* What the slices of a transition's address hold. */
enum { MOMENTA, UNIFORMS };

struct slivi_hmc_workspace {
    size_t n, d;
    double *memory;   /* of all that follows */
    double *x, *grad; /* n x d, of the trajectories */
    double *lp;       /* n */
    double *p;        /* n x d, momenta */
    double *kinetic;  /* n, energies before */
    double *u;        /* n, uniform */
    double *next;     /* d, where a chain goes */
};

slivi_hmc slivi_hmc_default(void)
{
    const slivi_hmc how = {.leapfrogs = 9, .eps = 0.01};

    return how;
}

/* -- the workspace --------------------------------------------------------- */

slivi_hmc_workspace *slivi_hmc_workspace_create(size_t n, size_t d)
{
    slivi_hmc_workspace *ws;
    size_t each, count;

    if (n == 0 || d == 0)
        return slivi__fail_null(SLIVI_ESHAPE,
                                "hmc: %zu chains in %zu "
                                "dimensions",
                                n, d);
    if (slivi__mul(d, 3, &each) || slivi__add(each, 3, &each)
        || slivi__mul(n, each, &count) || slivi__add(count, d, &count))
        return NULL;
    ws = slivi__alloc(1, sizeof *ws);
    if (ws == NULL)
        return NULL;
    ws->n = n;
    ws->d = d;
    ws->memory = slivi__alloc(count, sizeof *ws->memory);
    if (ws->memory == NULL) {
        slivi__free(ws);
        return NULL;
    }
    ws->x = ws->memory;
    ws->grad = ws->x + n * d;
    ws->p = ws->grad + n * d;
    ws->lp = ws->p + n * d;
    ws->kinetic = ws->lp + n;
    ws->u = ws->kinetic + n;
    ws->next = ws->u + n;
    return ws;
}

void slivi_hmc_workspace_free(slivi_hmc_workspace *ws)
{
    if (ws == NULL)
        return;
    slivi__free(ws->memory);
    slivi__free(ws);
}

/* -- checks ---------------------------------------------------------------- */

static int check_steps(const slivi_chains *c, const slivi_hmc *how)
{
    if (how->leapfrogs == 0)
        return slivi__fail(SLIVI_EINVAL, "hmc: leapfrogs is 0");
    if (how->each == NULL && !(how->eps >= 0 && isfinite(how->eps)))
        return slivi__fail(SLIVI_EINVAL, "hmc: eps is %g, not finite and >= 0",
                           how->eps);
    for (size_t i = 0; how->each != NULL && i < c->n; i++)
        if (!(how->each[i] >= 0 && isfinite(how->each[i])))
            return slivi__fail(SLIVI_EINVAL,
                               "hmc: eps of chain %zu is %g, not finite and "
                               ">= 0",
                               i, how->each[i]);
    for (size_t j = 0; how->mass != NULL && j < c->d; j++)
        if (!(how->mass[j] > 0 && isfinite(how->mass[j])))
            return slivi__fail(SLIVI_EINVAL,
                               "hmc: mass %zu is %g, not finite and > 0", j,
                               how->mass[j]);
    return 0;
}

static int check_address(const slivi_chains *c, const slivi_address *at)
{
    size_t rows;

    if (at->step >> 48 != 0)
        return slivi__fail(SLIVI_EINVAL, "hmc: step is not < 2^48");
    if (at->row > UINT32_MAX || slivi__add((size_t)at->row, c->n, &rows) != 0
        || (uint64_t)rows > UINT64_C(1) << 32)
        return slivi__fail(SLIVI_EINVAL,
                           "hmc: the numbers of the chains are not < 2^32");
    return 0;
}

static int check_shape(const slivi_chains *c)
{
    if (c->n == 0 || c->d == 0)
        return slivi__fail(SLIVI_ESHAPE, "hmc: %zu chains in %zu dimensions",
                           c->n, c->d);
    return 0;
}

static int check_move(const slivi_hmc_workspace *ws, const slivi_chains *c,
                      const slivi_hmc *how)
{
    int status = check_shape(c);

    if (status == 0)
        status = check_steps(c, how);
    if (status == 0)
        status = check_address(c, &how->at);
    if (status != 0)
        return status;
    if (c->n > ws->n || c->d != ws->d)
        return slivi__fail(SLIVI_ESHAPE,
                           "hmc: %zu chains in %zu dimensions, in a workspace "
                           "for %zu in %zu",
                           c->n, c->d, ws->n, ws->d);
    for (size_t i = 0; i < c->n; i++)
        if (!isfinite(c->lp[i]))
            return slivi__fail(SLIVI_ENONFINITE,
                               "hmc: chain %zu is at log density %g", i,
                               c->lp[i]);
    return 0;
}

/* -- the trajectory -------------------------------------------------------- */

int slivi__hmc_evaluate(const slivi__target *target, slivi_chains *c)
{
    const size_t messages = slivi__failures();
    const int status = target->f(c->n, c->d, c->x, c->lp, c->grad, target->ctx);

    if (status != 0 && slivi__failures() != messages)
        return slivi__fail_in(SLIVI_ECALLBACK, "%s", target->name);
    if (status != 0)
        return slivi__fail(SLIVI_ECALLBACK, "%s returned %d", target->name,
                           status);
    return 0;
}

static int is_finite(size_t d, const double *row)
{
    double sum = 0;

    for (size_t j = 0; j < d; j++)
        sum += 0 * row[j];
    return sum == 0;
}

static double step_size(const slivi_hmc *how, size_t i)
{
    return how->each != NULL ? how->each[i] : how->eps;
}

/* p += part eps grad log pi.  What is not finite here or there makes p so, and
   no later kick mends that. */
static void kick(const slivi__target *target, const slivi_chains *c, double *p,
                 const slivi_hmc *how, double part)
{
    for (size_t i = 0; i < c->n; i++, p += c->d) {
        const double *x = c->x + i * c->d, *g = c->grad + i * c->d;
        const double h = part * step_size(how, i);

        for (size_t j = 0; j < c->d; j++)
            p[j] += h * (target->t * g[j] - target->prior * x[j]);
        if (!isfinite(c->lp[i]))
            p[0] = NAN;
    }
}

/* x += eps p / mass, where that is finite; else the chain is lost, and stays
   at a point where the density can be asked for.  next: room for d, or NULL. */
static void drift(slivi_chains *c, double *p, const slivi_hmc *how,
                  double *next)
{
    const double *mass = how->mass;

    for (size_t i = 0; i < c->n; i++, p += c->d) {
        const double eps = step_size(how, i);
        double *x = c->x + i * c->d, sum = 0;

        for (size_t j = 0; j < c->d; j++) {
            const double y = x[j] + eps * (mass ? p[j] / mass[j] : p[j]);

            sum += 0 * y;
            if (next)
                next[j] = y;
        }
        if (sum != 0) {
            p[0] = NAN;
            continue;
        }
        for (size_t j = 0; j < c->d; j++)
            x[j] = next   ? next[j]
                   : mass ? x[j] + eps * (p[j] / mass[j])
                          : x[j] + eps * p[j];
    }
}

static int leapfrog(const slivi__target *target, slivi_chains *c, double *p,
                    const slivi_hmc *how, double *next)
{
    kick(target, c, p, how, 0.5);
    for (size_t l = 1; l <= how->leapfrogs; l++) {
        int status;

        drift(c, p, how, next);
        status = slivi__hmc_evaluate(target, c);
        if (status != 0)
            return status;
        kick(target, c, p, how, l < how->leapfrogs ? 1 : 0.5);
    }
    for (size_t i = 0; i < c->n; i++)
        if (!is_finite(c->d, p + i * c->d))
            c->lp[i] = NAN;
    return 0;
}

int slivi_hmc_leapfrog(slivi_chains *chains, double *p,
                       slivi_log_density *log_density, void *ctx,
                       const slivi_hmc *how)
{
    const slivi__target target = {log_density, ctx, "log_density", 0, 1};
    int status = check_shape(chains);

    if (status == 0)
        status = check_steps(chains, how);
    return status != 0 ? status : leapfrog(&target, chains, p, how, NULL);
}

/* -- the transition -------------------------------------------------------- */

/* p ~ N(0, mass), and uniforms. */
static void draw(slivi_hmc_workspace *ws, const slivi_chains *c,
                 const slivi_hmc *how)
{
    slivi_address at = how->at;

    at.slice = MOMENTA;
    slivi_draw(slivi_law_normal, &at, c->n, c->d, ws->p);
    at.slice = UNIFORMS;
    slivi_draw(slivi_law_uniform, &at, c->n, 1, ws->u);
    if (how->mass == NULL)
        return;
    for (size_t i = 0; i < c->n; i++)
        for (size_t j = 0; j < c->d; j++)
            ws->p[i * c->d + j] *= sqrt(how->mass[j]);
}

/* p' mass^-1 p / 2 */
static double kinetic(size_t d, const double *p, const double *mass)
{
    double sum = 0;

    for (size_t j = 0; j < d; j++)
        sum += p[j] * p[j] / (mass != NULL ? mass[j] : 1);
    return 0.5 * sum;
}

/* log pi(to) - log pi(from), by differences of its terms. */
static double rise(const slivi__target *target, const slivi_chains *from,
                   const slivi_chains *to, size_t i)
{
    const double *a = from->x + i * from->d, *b = to->x + i * from->d;
    double sum = 0;

    for (size_t j = 0; j < from->d; j++)
        sum += (b[j] - a[j]) * (b[j] + a[j]);
    return target->t * (to->lp[i] - from->lp[i]) - 0.5 * target->prior * sum;
}

/* Chain i goes where its trajectory went, or stays. */
static void decide(const slivi_hmc_workspace *ws, slivi_chains *c,
                   const slivi_chains *to, size_t i, double accept)
{
    const size_t d = c->d;

    if (c->accept != NULL)
        c->accept[i] = accept;
    if (ws->u[i] >= accept)
        return;
    memcpy(c->x + i * d, to->x + i * d, d * sizeof *c->x);
    memcpy(c->grad + i * d, to->grad + i * d, d * sizeof *c->grad);
    c->lp[i] = to->lp[i];
}

int slivi__hmc_move(slivi_hmc_workspace *ws, slivi_chains *c,
                    const slivi__target *target, const slivi_hmc *how,
                    slivi_hmc_report *out)
{
    const size_t n = c->n, d = c->d;
    slivi_chains to = {n, d, ws->x, ws->lp, ws->grad, NULL};
    slivi_hmc_report report = {0};
    int status;

    draw(ws, c, how);
    for (size_t i = 0; i < n; i++)
        ws->kinetic[i] = kinetic(d, ws->p + i * d, how->mass);
    memcpy(to.x, c->x, n * d * sizeof *to.x);
    memcpy(to.grad, c->grad, n * d * sizeof *to.grad);
    memcpy(to.lp, c->lp, n * sizeof *to.lp);
    status = leapfrog(target, &to, ws->p, how, ws->next);
    if (status != 0)
        return status;
    for (size_t i = 0; i < n; i++) {
        /* H before - H after */
        const double fall = rise(target, c, &to, i) + ws->kinetic[i]
                            - kinetic(d, ws->p + i * d, how->mass);
        const double accept = isnan(fall) ? 0 : exp(fmin(fall, 0));

        report.lost += isnan(to.lp[i]) != 0;
        report.moved += ws->u[i] < accept;
        report.accept += accept / (double)n;
        decide(ws, c, &to, i, accept);
    }
    if (out != NULL)
        *out = report;
    return 0;
}

int slivi_hmc_move(slivi_hmc_workspace *ws, slivi_chains *chains,
                   slivi_log_density *log_density, void *ctx,
                   const slivi_hmc *how, slivi_hmc_report *out)
{
    const slivi__target target = {log_density, ctx, "log_density", 0, 1};
    int status = check_move(ws, chains, how);

    if (status == 0)
        status = slivi__hmc_move(ws, chains, &target, how, out);
    return status;
}

int slivi_hmc_start(slivi_chains *c, slivi_log_density *log_density, void *ctx)
{
    const slivi__target target = {log_density, ctx, "log_density", 0, 1};
    int status = check_shape(c);

    if (status != 0)
        return status;
    for (size_t i = 0; i < c->n; i++) {
        if (!is_finite(c->d, c->x + i * c->d))
            return slivi__fail(SLIVI_ENONFINITE,
                               "hmc: chain %zu starts where x is not finite",
                               i);
        c->lp[i] = NAN; /* so that what the callback leaves out is found */
    }
    status = slivi__hmc_evaluate(&target, c);
    for (size_t i = 0; status == 0 && i < c->n; i++) {
        if (!isfinite(c->lp[i]))
            return slivi__fail(SLIVI_ENONFINITE,
                               "hmc: chain %zu starts at log density %g", i,
                               c->lp[i]);
        if (!is_finite(c->d, c->grad + i * c->d))
            return slivi__fail(SLIVI_ENONFINITE,
                               "hmc: chain %zu starts where the gradient is "
                               "not finite",
                               i);
    }
    return status;
}

/* -- the step size --------------------------------------------------------- */

slivi_hmc_tuner slivi_hmc_tuner_default(void)
{
    const slivi_hmc_tuner tuner = {.eps = 0.01,
                                   .rate = 0.65,
                                   .target = 0.65,
                                   .memory = 0.9,
                                   .up = 1.02,
                                   .down = 0.98,
                                   .least = 1e-4,
                                   .most = 0.5};

    return tuner;
}

void slivi_hmc_tune(slivi_hmc_tuner *t, double moved)
{
    t->eps *= t->rate > t->target ? t->up : t->down;
    t->eps = fmax(fmin(t->eps, t->most), t->least);
    t->rate = t->memory * t->rate + (1 - t->memory) * moved;
}

int slivi__hmc_check_tuner(const slivi_hmc_tuner *t)
{
    if (!(t->least > 0 && t->eps >= t->least && t->eps <= t->most
          && isfinite(t->most)))
        return slivi__fail(SLIVI_EINVAL,
                           "tuner: eps is %g, not in %g..%g, which must be "
                           "finite and > 0",
                           t->eps, t->least, t->most);
    if (!(t->up >= 1 && isfinite(t->up) && t->down > 0 && t->down <= 1))
        return slivi__fail(SLIVI_EINVAL,
                           "tuner: up is %g, not >= 1, or down %g, not in "
                           "(0, 1]",
                           t->up, t->down);
    if (!(t->rate >= 0 && t->rate <= 1 && t->target >= 0 && t->target <= 1
          && t->memory >= 0 && t->memory <= 1))
        return slivi__fail(SLIVI_EINVAL,
                           "tuner: rate %g, target %g and memory %g are not "
                           "all in [0, 1]",
                           t->rate, t->target, t->memory);
    return 0;
}
