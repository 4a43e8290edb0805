/* kernelscore.c - kernel estimators as objects: names, memory, groups on the
   pool.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/kernelfit.h"
#include "base/base.h"

#include <math.h>
#include <string.h>

enum { MOST_SAMPLES = 32000, MOST_COLUMNS = 65536 };

static const slivi__kernelmethod *const methods[] = {&slivi__kernel_stein,
                                                     &slivi__kernel_ssge, NULL};

const char *const slivi_kernelscore_names[] = {"stein", "ssge", NULL};

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

static const slivi__kernelmethod *find(const char *name)
{
    for (size_t i = 0; methods[i]; i++)
        if (!strcmp(methods[i]->name, name))
            return methods[i];
    return NULL;
}

const char *slivi_kernelscore_help(const char *name)
{
    const slivi__kernelmethod *method = find(name);
    return method ? method->help : NULL;
}

slivi_kernelscore_options slivi_kernelscore_default(void)
{
    return (slivi_kernelscore_options){.eta = 1e-3, .share = 0.99};
}

/* ---- memory ------------------------------------------------------------- */

/* Hands out one block, cache line by cache line; without one it counts. */
typedef struct carver {
    char *at;
    size_t bytes;
    int status;
} carver;

static void *carve(carver *c, size_t rows, size_t cols, size_t size)
{
    void *part = c->at ? c->at + c->bytes : NULL;
    size_t count, bytes;
    if (!c->status
        && !(slivi__mul(rows, cols, &count) || slivi__mul(count, size, &bytes)
             || slivi__add(bytes, 63, &bytes)
             || slivi__add(c->bytes, bytes / 64 * 64, &c->bytes)))
        return part;
    c->status = SLIVI_EOVERFLOW;
    return NULL;
}

static size_t lanes(size_t m)
{
    return (m + SLIVI__KERNEL_LANES - 1) / SLIVI__KERNEL_LANES
           * SLIVI__KERNEL_LANES;
}

static void carve_fit(carver *c, size_t m, size_t d, slivi__kernelfit *f)
{
    f->points = carve(c, d, lanes(m), sizeof *f->points);
    f->coef = carve(c, m, d, sizeof *f->coef);
    f->matrix = carve(c, m, m, sizeof *f->matrix);
    f->values = carve(c, m, 1, sizeof *f->values);
}

static void carve_room(carver *c, size_t m, size_t d, slivi__kernelroom *r)
{
    size_t work = 0, iwork = 0; /* m is not too large */
    (void)slivi__eigen_room(m, &work, &iwork);
    carve_fit(c, m, d, &r->own);
    r->h = carve(c, m, d, sizeof *r->h);
    r->scores = carve(c, m, d, sizeof *r->scores);
    r->work = carve(c, work > m * d ? work : m * d, 1, sizeof *r->work);
    r->iwork = carve(c, iwork, 1, sizeof *r->iwork);
    r->rows = carve(c, SLIVI__KERNEL_TILE, lanes(m), sizeof *r->rows);
    r->solve = carve(c, SLIVI__KERNEL_TILE, m, sizeof *r->solve);
    r->out = carve(c, SLIVI__KERNEL_TILE, d, sizeof *r->out);
    r->schur = carve(c, SLIVI__KERNEL_TILE, 1, sizeof *r->schur);
}

/* What n things like the one take. */
static void repeat(carver *c, size_t n, const carver *one)
{
    size_t all;
    if (c->status || one->status || slivi__mul(n, one->bytes, &all)
        || slivi__add(c->bytes, all, &c->bytes))
        c->status = SLIVI_EOVERFLOW;
}

static void *allocate_score(const slivi_kernelscore *s)
{
    carver c = {0}, one = {0};
    slivi__kernelfit fit;
    carve_fit(&one, s->m, s->d, &fit);
    carve(&c, s->room, 1, sizeof fit);
    repeat(&c, s->room, &one);
    return c.status ? NULL : slivi__alloc(c.bytes, 1);
}

static void carve_score(slivi_kernelscore *s)
{
    carver c = {.at = s->memory};
    s->fits = carve(&c, s->room, 1, sizeof *s->fits);
    for (size_t g = 0; g < s->room; g++)
        carve_fit(&c, s->m, s->d, &s->fits[g]);
}

static void *allocate_workspace(const slivi_kernelscore_workspace *ws)
{
    carver c = {0}, one = {0};
    slivi__kernelroom room;
    carve_room(&one, ws->m, ws->d, &room);
    carve(&c, ws->threads, 1, sizeof room);
    repeat(&c, ws->threads, &one);
    return c.status ? NULL : slivi__alloc(c.bytes, 1);
}

static void carve_workspace(slivi_kernelscore_workspace *ws)
{
    carver c = {.at = ws->memory};
    ws->rooms = carve(&c, ws->threads, 1, sizeof *ws->rooms);
    for (size_t t = 0; t < ws->threads; t++)
        carve_room(&c, ws->m, ws->d, &ws->rooms[t]);
}

static int is_within(double x, double lo, double hi)
{
    return x >= lo && x <= hi;
}

static int check_options(const slivi_kernelscore_options *how)
{
    if (how->width != 0 && !is_within(how->width, 1e-140, 1e140))
        return slivi__fail(SLIVI_EINVAL,
                           "kernelscore: width %g (0, or 1e-140 to 1e140)",
                           how->width);
    if (!is_within(how->eta, 0, 1e140))
        return slivi__fail(SLIVI_EINVAL, "kernelscore: eta %g (at least 0)",
                           how->eta);
    if (!is_within(how->share, 0, 1) || how->share == 0)
        return slivi__fail(SLIVI_EINVAL,
                           "kernelscore: share %g (above 0, at most 1)",
                           how->share);
    return 0;
}

slivi_kernelscore *
slivi_kernelscore_create(const char *name, const slivi_kernelscore_options *how,
                         size_t m, size_t d, size_t fits)
{
    slivi_kernelscore like = {
        .method = find(name), .m = m, .d = d, .room = fits};
    like.how = how ? *how : slivi_kernelscore_default();
    if (!like.method)
        return slivi__fail_null(
            SLIVI_ENAME, "kernelscore: \"%s\" is none of stein, ssge", name);
    if (m < 2 || m > MOST_SAMPLES || !d || d > MOST_COLUMNS)
        return slivi__fail_null(SLIVI_EINVAL,
                                "kernelscore: %zu samples (2 to %d) of %zu "
                                "columns (1 to %d)",
                                m, MOST_SAMPLES, d, MOST_COLUMNS);
    if (check_options(&like.how))
        return NULL;
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
