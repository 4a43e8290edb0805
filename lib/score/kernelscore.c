/* kernelscore.c - kernel estimators as objects: names, memory, groups on the
   pool.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/kernelfit.h"
#include "base/base.h"
#include "score/names.h"

#include <math.h>
#include <string.h>

enum { MOST_COLUMNS = 65536 };

static const slivi__kernelmethod *const methods[] = {&slivi__kernel_stein,
                                                     &slivi__kernel_ssge, NULL};

const char *const slivi_kernelscore_names[] = {SLIVI__KERNEL_NAMES, NULL};

struct slivi_kernelscore {
    const slivi__kernelmethod *method;
    slivi_kernelscore_options how;
    size_t m, d, room;      /* most samples and groups; columns */
    size_t groups;          /* fitted */
    slivi__kernelfit *fits; /* room */
    void *memory;
};

struct slivi_kernelscore_workspace {
    slivi_pool *pool;
    size_t m, d, threads;
    slivi__kernelroom *rooms;
    void *memory;
};

const slivi__kernelmethod *slivi__kernelmethod_find(const char *name)
{
    for (size_t i = 0; methods[i]; i++)
        if (!strcmp(methods[i]->name, name))
            return methods[i];
    return NULL;
}

const char *slivi_kernelscore_help(const char *name)
{
    const slivi__kernelmethod *method = slivi__kernelmethod_find(name);
    return method ? method->help : NULL;
}

slivi_kernelscore_options slivi_kernelscore_default(void)
{
    return (slivi_kernelscore_options){.eta = 1e-3, .share = 0.99};
}

/* ---- memory ------------------------------------------------------------- */

/* Of one thread: all that any method needs. */
static void carve_room(slivi__carver *c, size_t m, size_t d,
                       slivi__kernelroom *r)
{
    slivi__carve_kernelfit(c, m, d, &r->own);
    slivi__carve_make(c, NULL, m, d, r);
    slivi__carve_eval(c, m, d, r);
}

static void *allocate_score(const slivi_kernelscore *s)
{
    slivi__carver c = {0}, one = {0};
    slivi__kernelfit fit;
    slivi__carve_kernelfit(&one, s->m, s->d, &fit);
    slivi__carve(&c, s->room, 1, sizeof fit);
    slivi__carve_times(&c, s->room, &one);
    return c.status ? NULL : slivi__alloc(c.bytes, 1);
}

static void carve_score(slivi_kernelscore *s)
{
    slivi__carver c = {.at = s->memory};
    s->fits = slivi__carve(&c, s->room, 1, sizeof *s->fits);
    for (size_t g = 0; g < s->room; g++)
        slivi__carve_kernelfit(&c, s->m, s->d, &s->fits[g]);
}

static void *allocate_workspace(const slivi_kernelscore_workspace *ws)
{
    slivi__carver c = {0}, one = {0};
    slivi__kernelroom room;
    carve_room(&one, ws->m, ws->d, &room);
    slivi__carve(&c, ws->threads, 1, sizeof room);
    slivi__carve_times(&c, ws->threads, &one);
    return c.status ? NULL : slivi__alloc(c.bytes, 1);
}

static void carve_workspace(slivi_kernelscore_workspace *ws)
{
    slivi__carver c = {.at = ws->memory};
    ws->rooms = slivi__carve(&c, ws->threads, 1, sizeof *ws->rooms);
    for (size_t t = 0; t < ws->threads; t++)
        carve_room(&c, ws->m, ws->d, &ws->rooms[t]);
}

slivi_kernelscore *
slivi_kernelscore_create(const char *name, const slivi_kernelscore_options *how,
                         size_t m, size_t d, size_t fits)
{
    slivi_kernelscore like = {
        .method = slivi__kernelmethod_find(name), .m = m, .d = d, .room = fits};
    like.how = how ? *how : slivi_kernelscore_default();
    if (!like.method)
        return slivi__fail_null(
            SLIVI_ENAME, "kernelscore: \"%s\" is none of stein, ssge", name);
    if (m < 2 || m > SLIVI__KERNEL_MOST || !d || d > MOST_COLUMNS)
        return slivi__fail_null(SLIVI_EINVAL,
                                "kernelscore: %zu samples (2 to %d) of %zu "
                                "columns (1 to %d)",
                                m, SLIVI__KERNEL_MOST, d, MOST_COLUMNS);
    if (slivi__kernelfit_check(&like.how)) {
        slivi__fail_in(slivi__status(), "kernelscore");
        return NULL;
    }
    like.memory = allocate_score(&like);
    slivi_kernelscore *s = like.memory ? slivi__alloc(1, sizeof *s) : NULL;
    if (!s) {
        slivi__free(like.memory);
        return NULL;
    }
    *s = like;
    carve_score(s);
    return s;
}

void slivi_kernelscore_free(slivi_kernelscore *s)
{
    if (!s)
        return;
    slivi__free(s->memory);
    slivi__free(s);
}

slivi_kernelscore_workspace *
slivi_kernelscore_workspace_create(const slivi_kernelscore *s, slivi_pool *pool)
{
    slivi_kernelscore_workspace like = {.pool = pool, .m = s->m, .d = s->d};
    like.threads = slivi_pool_threads(pool);
    like.memory = allocate_workspace(&like);
    slivi_kernelscore_workspace *ws = like.memory ? slivi__alloc(1, sizeof *ws)
                                                  : NULL;
    if (!ws) {
        slivi__free(like.memory);
        return NULL;
    }
    *ws = like;
    carve_workspace(ws);
    return ws;
}

void slivi_kernelscore_workspace_free(slivi_kernelscore_workspace *ws)
{
    if (!ws)
        return;
    slivi__free(ws->memory);
    slivi__free(ws);
}

/* ---- groups ------------------------------------------------------------- */

/* A call, as its tasks see it. */
typedef struct call {
    const slivi_kernelscore *s;
    const slivi_kernelscore_workspace *ws;
    size_t m, n, tiles; /* samples, points and tiles of a group */
    const double *in;
    double *out;
    slivi__kernelfit *keep; /* of each group, or NULL */
} call;

static int fit_group(size_t g, size_t worker, void *ctx)
{
    const call *c = ctx;
    const slivi_kernelscore *s = c->s;
    const size_t count = c->m * s->d;
    slivi__kernelroom *r = &c->ws->rooms[worker];
    int status = slivi__kernelfit_make(s->method, &s->how, c->m, s->d,
                                       c->in + g * count,
                                       c->keep ? &c->keep[g] : &r->own, r);
    if (status)
        return slivi__fail_in(status, "kernelscore: group %zu", g);
    if (c->out)
        memcpy(c->out + g * count, r->scores, count * sizeof *c->out);
    return 0;
}

static int eval_tile(size_t i, size_t worker, void *ctx)
{
    const call *c = ctx;
    const slivi_kernelscore *s = c->s;
    const size_t g = i / c->tiles, first = i % c->tiles * SLIVI__KERNEL_TILE,
                 left = c->n - first,
                 n = left < SLIVI__KERNEL_TILE ? left : SLIVI__KERNEL_TILE,
                 at = (g * c->n + first) * s->d;
    slivi__kernelroom *r = &c->ws->rooms[worker];
    int status = slivi__kernelfit_eval(s->method, &s->how, &s->fits[g], n,
                                       c->in + at, r);
    if (status)
        return slivi__fail_in(status, "kernelscore: group %zu, points from %zu",
                              g, first);
    memcpy(c->out + at, r->out, n * s->d * sizeof *c->out);
    return 0;
}

static int run(call *c, size_t count, int (*task)(size_t, size_t, void *))
{
    int status = slivi__blas_enter();
    if (status)
        return status;
    status = slivi__pool_share(c->ws->pool, count, task, c);
    slivi__blas_leave();
    return status;
}

static int check_call(const slivi_kernelscore *s, size_t groups, size_t rows,
                      const slivi_kernelscore_workspace *ws)
{
    size_t count;
    if (ws->m < s->m || ws->d != s->d)
        return slivi__fail(SLIVI_EINVAL,
                           "kernelscore: a workspace for %zu x %zu, samples of "
                           "%zu x %zu",
                           ws->m, ws->d, s->m, s->d);
    if (slivi__mul(groups, rows, &count) || slivi__mul(count, s->d, &count)
        || slivi__mul(count, sizeof(double), &count))
        return SLIVI_EOVERFLOW;
    return 0;
}

static int check_fit(const slivi_kernelscore *s, size_t groups, size_t m,
                     const slivi_kernelscore_workspace *ws)
{
    if (m < 2 || m > s->m)
        return slivi__fail(SLIVI_EINVAL,
                           "kernelscore: groups of %zu samples (2 to %zu)", m,
                           s->m);
    return check_call(s, groups, m, ws);
}

int slivi_kernelscore_samples(const slivi_kernelscore *s, size_t groups,
                              size_t m, const double *z, double *out,
                              slivi_kernelscore_workspace *ws)
{
    call c = {.s = s, .ws = ws, .m = m, .in = z, .out = out};
    int status = check_fit(s, groups, m, ws);
    return status ? status : run(&c, groups, fit_group);
}

int slivi_kernelscore_fit(slivi_kernelscore *s, size_t groups, size_t m,
                          const double *z, slivi_kernelscore_workspace *ws)
{
    call c = {.s = s, .ws = ws, .m = m, .in = z, .keep = s->fits};
    s->groups = 0;
    int status = check_fit(s, groups, m, ws);
    if (!status && groups > s->room)
        status = slivi__fail(SLIVI_EINVAL,
                             "kernelscore: %zu groups to keep (room for %zu)",
                             groups, s->room);
    if (!status)
        status = run(&c, groups, fit_group);
    s->groups = status ? 0 : groups;
    return status;
}

int slivi_kernelscore_eval(const slivi_kernelscore *s, size_t n,
                           const double *x, double *out,
                           slivi_kernelscore_workspace *ws)
{
    call c = {.s = s, .ws = ws, .n = n, .in = x, .out = out};
    c.tiles = n / SLIVI__KERNEL_TILE + (n % SLIVI__KERNEL_TILE != 0);
    if (!s->groups)
        return slivi__fail(SLIVI_EINVAL, "kernelscore: nothing was fitted yet");
    int status = check_call(s, s->groups, n, ws);
    return status ? status : run(&c, s->groups * c.tiles, eval_tile);
}

size_t slivi_kernelscore_groups(const slivi_kernelscore *s)
{
    return s->groups;
}

double slivi_kernelscore_width(const slivi_kernelscore *s, size_t g)
{
    return g < s->groups ? sqrt(s->fits[g].width2) : 0;
}

size_t slivi_kernelscore_rank(const slivi_kernelscore *s, size_t g)
{
    return g < s->groups ? s->fits[g].rank : 0;
}
