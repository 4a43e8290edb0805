/* verdict_shift.c - the check of a verdict by chains that go on from q's
   draws.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "verdict_inside.h"
#include "base/base.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    /* streams of their own, so that a host may use the same seed */
    STREAM_PILOT = 0x76646331,
    STREAM_MOVE = 0x76646332,
    STREAM_TIME = 0x00f00000, /* flips these bits of the others */

    PILOTS = 64,      /* chains */
    PILOT_TIMES = 60, /* transitions of these */
    LEAPFROGS = 64    /* of a transition at most */
};

#define ACCEPT 0.8
#define TIME 1.5 /* of a trajectory, in units of q's sds */
/* Chains that keep more than this share of their starts' deviations tell
   little of anything but their starts. */
#define STUCK 0.9

/* ---- transitions from q's draws ------------------------------------------ */

typedef struct mover {
    slivi__scene *s;
    slivi_chains chains;
    slivi_hmc_workspace *ws;
    slivi_hmc how;
    double *memory;
} mover;

static void close_mover(mover *m)
{
    slivi_hmc_workspace_free(m->ws);
    slivi__free(m->memory);
}

static int open_mover(mover *m, slivi__scene *s, size_t n, uint32_t stream)
{
    const size_t d = s->d;
    size_t count;
    *m = (mover){.s = s, .chains = {.n = n, .d = d}};
    int status = slivi__mul(n, 2 * d + 2, &count);
    if (status)
        return status;
    m->memory = slivi__alloc(count + d, sizeof *m->memory);
    m->ws = slivi_hmc_workspace_create(n, d);
    if (!m->memory || !m->ws)
        return slivi__status();
    m->chains.x = m->memory;
    m->chains.grad = m->chains.x + n * d;
    m->chains.lp = m->chains.grad + n * d;
    m->chains.accept = m->chains.lp + n;
    double *mass = m->chains.accept + n;
    for (size_t j = 0; j < d; j++)
        mass[j] = 1 / (s->sd[j] * s->sd[j]);
    m->how = (slivi_hmc){.mass = mass,
                         .eps = pow((double)d, -0.25),
                         .at = {.seed = s->how.seed, .stream = stream}};
    return 0;
}

static void seat(mover *m, size_t i, size_t row)
{
    const slivi__scene *s = m->s;
    const size_t d = s->d;
    memcpy(m->chains.x + i * d, s->draws + row * d, d * sizeof(double));
    memcpy(m->chains.grad + i * d, s->grad + row * d, d * sizeof(double));
    m->chains.lp[i] = s->lp[row];
}

/* A transition with a time of half to one and a half times TIME, so that no
   coordinate is caught in a period, and a step size of 0.8 to 1.2 eps. */
static int move(mover *m, double eps, size_t time, slivi_hmc_report *out)
{
    double u[2];
    slivi_address at = m->how.at;
    at.step = time;
    at.stream ^= STREAM_TIME;
    slivi_draw(slivi_law_uniform, &at, 1, 2, u);
    m->how.at.step = time;
    m->how.eps = eps * (0.8 + 0.4 * u[0]);
    const double steps = ceil(TIME * (0.5 + u[1]) / m->how.eps);
    m->how.leapfrogs = steps < LEAPFROGS ? (size_t)fmax(1, steps) : LEAPFROGS;
    return slivi_hmc_move(m->ws, &m->chains, slivi__verdict_density, m->s,
                          &m->how, out);
}

/* Robbins and Monro on log eps; the mean of the later half. */
static int tune(slivi__scene *s, double *eps)
{
    const size_t n = s->goods < PILOTS ? s->goods : PILOTS;
    mover m;
    double at = 0, sum = 0;
    int status = open_mover(&m, s, n, STREAM_PILOT);
    for (size_t i = 0; !status && i < n; i++) /* not those that shift takes */
        seat(&m, i, s->good[s->goods - 1 - i * (s->goods / n)]);
    at = log(m.how.eps);
    for (size_t t = 0; !status && t < PILOT_TIMES; t++) {
        slivi_hmc_report r;
        status = move(&m, exp(at), t, &r);
        at += 2 * (r.accept - ACCEPT) / sqrt((double)t / 4 + 1);
        sum += t < PILOT_TIMES / 2 ? 0 : at;
    }
    *eps = exp(sum / (PILOT_TIMES - PILOT_TIMES / 2));
    close_mover(&m);
    return status;
}

static int open_path(slivi__path *p, size_t times, size_t chains, size_t d)
{
    size_t count;
    int status = slivi__mul(times * chains, d + 1, &count);
    p->times = times;
    p->chains = chains;
    p->x = status ? NULL : slivi__alloc(count, sizeof *p->x);
    if (!p->x)
        return slivi__status();
    p->lp = p->x + times * chains * d;
    return 0;
}

static void keep(const mover *m, slivi__path *p, size_t time)
{
    const size_t n = m->chains.n, d = m->chains.d;
    memcpy(p->x + time * n * d, m->chains.x, n * d * sizeof *p->x);
    memcpy(p->lp + time * n, m->chains.lp, n * sizeof *p->lp);
}

static int go(slivi__scene *s, size_t chains, double eps, double *accept)
{
    const size_t times = s->how.transitions, half = times / 2;
    mover m;
    int status = open_mover(&m, s, chains, STREAM_MOVE);
    if (!status)
        status = open_path(&s->start, 1, chains, s->d);
    if (!status)
        status = open_path(&s->later, times - half, chains, s->d);
    for (size_t i = 0; !status && i < chains; i++)
        seat(&m, i, slivi__verdict_pick(s, i, chains));
    if (!status)
        keep(&m, &s->start, 0);
    *accept = 0;
    for (size_t t = 0; !status && t < times; t++) {
        slivi_hmc_report r;
        status = move(&m, eps, t, &r);
        *accept += status ? 0 : r.accept / (double)times;
        if (!status && t >= half)
            keep(&m, &s->later, t - half);
    }
    close_mover(&m);
    return status;
}

/* ---- what changed -------------------------------------------------------- */

double slivi__verdict_quantity(const slivi__scene *s, size_t f, const double *x,
                               double lp)
{
    const size_t j = f / 2;
    if (j == s->d)
        return lp;
    const double u = (x[j] - s->mean[j]) / s->sd[j];
    return f % 2 ? u * u : u;
}

void slivi__verdict_moments(const slivi__scene *s, size_t f, double *mean,
                            double *variance)
{
    const double n = (double)s->goods;
    const double square = (n - 1) / n; /* of the u's, with sd's n - 1 */
    if (f / 2 == s->d) {
        *mean = s->lp_mean;
        *variance = s->lp_var;
    } else {
        *mean = f % 2 ? square : 0;
        *variance = f % 2 ? s->fourth[f / 2] - square * square : 1;
    }
}

/* a <- means over the later half, b <- at the start. */
static void gather(const slivi__scene *s, size_t f, double *a, double *b)
{
    const slivi__path *p = &s->later;
    const size_t n = p->chains, d = s->d;
    for (size_t i = 0; i < n; i++) {
        a[i] = 0;
        b[i] = slivi__verdict_quantity(s, f, s->start.x + i * d,
                                       s->start.lp[i]);
    }
    for (size_t t = 0; t < p->times; t++)
        for (size_t i = 0, at = t * n; i < n; i++, at++)
            a[i] += slivi__verdict_quantity(s, f, p->x + at * d, p->lp[at])
                    / (double)p->times;
}

/* a - r b + r E_q f - E_q f is 0 on average for any r; the regression's has the
   least variance.  *stays <- r, the share of the start's deviation. */
static slivi__change compare(const slivi__scene *s, size_t f, double *a,
                             double *b, double *stays)
{
    const size_t n = s->later.chains;
    slivi__sums start = {0}, sums = {0};
    double across = 0, mean, var;
    gather(s, f, a, b);
    slivi__verdict_moments(s, f, &mean, &var);
    for (size_t i = 0; i < n; i++)
        slivi__sums_add(&start, b[i] - mean);
    for (size_t i = 0; i < n; i++)
        across += (a[i] - mean) * (b[i] - mean - slivi__sums_mean(&start))
                  / ((double)n - 1);
    const double own = slivi__sums_variance(&start);
    const double r = own > 0 ? fmin(fmax(across / own, 0), 1) : 0;
    for (size_t i = 0; i < n; i++)
        slivi__sums_add(&sums, (a[i] - mean) - r * (b[i] - mean));
    *stays = r;
    return slivi__verdict_change(s, f, &sums,
                                 (1 - r) * (1 - r) * var / (double)s->goods);
}

slivi__change slivi__verdict_change(const slivi__scene *s, size_t f,
                                    const slivi__sums *sums, double more)
{
    double mean, var;
    slivi__verdict_moments(s, f, &mean, &var);
    slivi__change c = {.error = slivi__sums_mean(sums)};
    const double unit = f / 2 == s->d && var > 0 ? sqrt(var) : 1;
    const double free = copysign(s->how.tolerance * unit, c.error);
    c.se = sqrt(slivi__sums_variance(sums) / sums->n + more);
    if (!(fabs(c.error) <= fabs(free)))
        c.score = slivi__sums_score(sums, free, more);
    return c;
}

void slivi__verdict_describe(const slivi__scene *s, size_t f,
                             const slivi__change *c, const char *more,
                             slivi_verdict_check *out)
{
    static const char *const words[] = {"mean", "variance"};
    char name[32];
    if (f == 2 * s->d)
        snprintf(out->detail, sizeof out->detail,
                 "E[log p] changes by %.3g +- %.2g%s", c->error, c->se, more);
    else
        snprintf(out->detail, sizeof out->detail,
                 "%s of %s changes by %.3f +- %.3f %s%s", words[f % 2],
                 slivi__verdict_label(s, f / 2, name), c->error, c->se,
                 f % 2 ? "of itself" : "sd", more);
}

static int judge_shift(slivi__scene *s, double accept, slivi_verdict_check *out)
{
    const size_t count = 2 * s->d + 1, n = s->later.chains;
    double *a = slivi__alloc(n, 2 * sizeof *a);
    slivi__worst w = {0};
    slivi__change worst = {0};
    double most = 0;
    if (!a)
        return slivi__status();
    for (size_t f = 0; f < count; f++) {
        double stays;
        const slivi__change c = compare(s, f, a, a + n, &stays);
        slivi__worst_see(&w, c.score, c.error, f);
        worst = w.at == f ? c : worst;
        most = f % 2 == 0 && f < 2 * s->d ? fmax(most, stays) : most;
    }
    slivi__free(a);
    const int stuck = most > STUCK || accept < 0.2;
    out->statistic = w.score;
    out->level = slivi__verdict_level(SLIVI__VERDICT_CHAINS_ALPHA, count);
    out->outcome = w.score > out->level ? SLIVI_VERDICT_FAIL
                   : stuck              ? SLIVI_VERDICT_UNSURE
                                        : SLIVI_VERDICT_PASS;
    slivi__verdict_describe(
        s, w.at, &worst, stuck ? "; chains stay near their starts" : "", out);
    return 0;
}

int slivi__verdict_shift(slivi__scene *s, slivi_verdict_check *out)
{
    const size_t chains = s->how.chains < s->goods ? s->how.chains : s->goods;
    slivi_verdict *v = s->v;
    double eps, accept;
    if (chains < 2)
        return 0;
    int status = tune(s, &eps);
    if (!status)
        status = go(s, chains, eps, &accept);
    if (!status)
        status = judge_shift(s, accept, out);
    if (status)
        return status;
    v->moved = slivi__alloc(chains, s->d * sizeof *v->moved);
    if (!v->moved)
        return slivi__status();
    v->count = chains;
    memcpy(v->moved, s->later.x + (s->later.times - 1) * chains * s->d,
           chains * s->d * sizeof *v->moved);
    return 0;
}
