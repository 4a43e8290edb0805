/* score_kernel.c - estimators by kernels: the samples, in groups of equal
   contexts, each with a fit of its own.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/estimator.h"
#include "score/kernelfit.h"
#include "score/score_groups.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { TILE = SLIVI__KERNEL_TILE };

/* Samples are taken into the set that is not in use, so that a failure loses
   none. */
struct slivi__score_kernel {
    const slivi__kernelmethod *method;
    slivi__groups sets[2];
    int now; /* the set in use, once trained */
    slivi__kernelfit *fits;
    slivi__kernelroom *rooms; /* of each thread */
    slivi__block kept, scratch;
};

static const slivi__groups *groups_of(const slivi_score *s)
{
    return &s->kernel->sets[s->kernel->now];
}

static size_t size_of(const slivi__groups *g, size_t k)
{
    return g->first[k + 1] - g->first[k];
}

static size_t largest(const slivi__groups *g)
{
    size_t most = 0;
    for (size_t k = 0; k < g->count; k++)
        most = size_of(g, k) > most ? size_of(g, k) : most;
    return most;
}

/* ---- building ----------------------------------------------------------- */

static void drop(slivi_score *s)
{
    struct slivi__score_kernel *kernel = s->kernel;
    if (!kernel)
        return;
    slivi__groups_clear(&kernel->sets[0]);
    slivi__groups_clear(&kernel->sets[1]);
    slivi__block_clear(&kernel->kept);
    slivi__block_clear(&kernel->scratch);
    slivi__free(kernel);
    s->kernel = NULL;
}

static int build(slivi_score *s)
{
    int status = slivi__kernelfit_check(&s->opt.kernel);
    if (status)
        return slivi__fail_in(status, "score");
    s->kernel = slivi__alloc(1, sizeof *s->kernel);
    if (!s->kernel)
        return slivi__status();
    s->kernel->method = slivi__kernelmethod_find(s->name);
    for (int i = 0; i < 2; i++) {
        s->kernel->sets[i].dim = s->dim;
        s->kernel->sets[i].context = s->context;
    }
    return 0;
}

/* ---- fitting ------------------------------------------------------------ */

static int check_sizes(const slivi__groups *g)
{
    for (size_t k = 0; k < g->count; k++) {
        const size_t m = size_of(g, k);
        if (m >= 2 && m <= SLIVI__KERNEL_MOST)
            continue;
        if (!g->context)
            return slivi__fail(SLIVI_EINVAL, "%zu samples (2 to %d)", m,
                               SLIVI__KERNEL_MOST);
        return slivi__fail(SLIVI_EINVAL,
                           "%zu samples (2 to %d) have the context of row %zu",
                           m, SLIVI__KERNEL_MOST, g->row[k]);
    }
    return 0;
}

static slivi__kernelfit *carve_fits(const slivi__groups *g, slivi__carver *c)
{
    slivi__kernelfit *fits = slivi__carve(c, g->count, 1, sizeof *fits), one;
    for (size_t k = 0; k < g->count; k++)
        slivi__carve_kernelfit(c, size_of(g, k), g->dim,
                               fits ? &fits[k] : &one);
    return fits;
}

static size_t threads_for(const slivi_score *s, size_t tasks)
{
    return tasks < 2 ? 1 : slivi_pool_threads(s->pool);
}

static slivi__kernelroom *carve_rooms(const slivi_score *s,
                                      const slivi__groups *g, slivi__carver *c)
{
    const size_t m = largest(g), threads = threads_for(s, g->count);
    slivi__kernelroom *rooms = slivi__carve(c, threads, 1, sizeof *rooms), one;
    for (size_t t = 0; t < threads; t++)
        slivi__carve_make(c, s->kernel->method, m, g->dim,
                          rooms ? &rooms[t] : &one);
    return rooms;
}

/* For the fits of one set; what there was is lost only with status 0. */
static int make_room(slivi_score *s, const slivi__groups *g)
{
    struct slivi__score_kernel *kernel = s->kernel;
    slivi__carver fits = {0}, rooms = {0};
    carve_rooms(s, g, &rooms);
    carve_fits(g, &fits);
    int status = rooms.status ? rooms.status : fits.status;
    if (!status)
        status = slivi__block_hold(&kernel->scratch, rooms.bytes);
    if (!status)
        status = slivi__block_hold(&kernel->kept, fits.bytes);
    return status;
}

typedef struct fit_call {
    const slivi_score *s;
    const slivi__groups *g;
} fit_call;

static int fit_group(size_t k, size_t worker, void *ctx)
{
    const fit_call *c = ctx;
    const slivi_score *s = c->s;
    const slivi__groups *g = c->g;
    int status = slivi__kernelfit_make(
        s->kernel->method, &s->opt.kernel, size_of(g, k), s->dim,
        g->z + g->first[k] * s->dim, &s->kernel->fits[k],
        &s->kernel->rooms[worker]);
    if (status && s->context)
        slivi__fail_in(status, "samples with the context of row %zu",
                       g->row[k]);
    return status;
}

/* Fits into memory that is large enough. */
static int fit_groups(slivi_score *s, const slivi__groups *g)
{
    fit_call c = {s, g};
    slivi__carver fits = {.at = s->kernel->kept.memory},
                  rooms = {.at = s->kernel->scratch.memory};
    s->kernel->rooms = carve_rooms(s, g, &rooms);
    s->kernel->fits = carve_fits(g, &fits);
    int status = slivi__blas_enter();
    if (status)
        return status;
    status = slivi__pool_share(s->pool, g->count, fit_group, &c);
    slivi__blas_leave();
    return status;
}

/* The samples of the set that is not in use become those in use.  After a fit
   that fails those of the samples in use are made again: the same bits, and no
   second set of matrices while all goes well. */
static int change(slivi_score *s)
{
    struct slivi__score_kernel *kernel = s->kernel;
    const slivi__groups *next = &kernel->sets[!kernel->now];
    int status = check_sizes(next);
    if (status)
        return status;
    status = make_room(s, next);
    if (status)
        return slivi__fail_in(status, "fits of %zu samples in %zu groups",
                              next->n, next->count);
    status = fit_groups(s, next);
    if (!status)
        kernel->now = !kernel->now;
    else if (s->trained && fit_groups(s, groups_of(s)))
        s->trained = 0; /* never: it could be done before */
    return status;
}

static int replace(slivi_score *s, const double *z, const double *ctx,
                   const size_t *which, size_t n)
{
    struct slivi__score_kernel *kernel = s->kernel;
    int status = slivi__groups_take(&kernel->sets[!kernel->now], z, ctx, which,
                                    n);
    if (!status)
        status = change(s);
    return status ? slivi__fail_in(status, "score") : 0;
}

static int update(slivi_score *s, const double *z, const double *ctx, size_t n,
                  double *loss)
{
    const int first = !s->ready;
    int status = slivi__score_check(s, z, ctx, n);
    if (!status)
        status = slivi__score_ready(s);
    if (status)
        return status;
    status = replace(s, z, ctx, NULL, n);
    if (status && first)
        slivi__score_unready(s); /* as before: options may still be set */
    if (!status && loss)
        *loss = NAN;
    s->trained |= !status;
    return status;
}

static int fit(slivi_score *s, const double *z, const double *ctx, size_t n,
               slivi_score_report *report, void *report_ctx,
               slivi_score_progress *final)
{
    (void)report; /* there is nothing to evaluate on the way */
    (void)report_ctx;
    if (final)
        *final = (slivi_score_progress){
            .held_out = NAN, .best = NAN, .stopped = 1};
    return update(s, z, ctx, n, NULL);
}

static int no_loss(slivi_score *s, const double *z, const double *ctx, size_t n,
                   double *loss)
{
    (void)z;
    (void)ctx;
    (void)n;
    (void)loss;
    return slivi__fail(SLIVI_EUNSUPPORTED,
                       "score: %s has no objective to evaluate", s->name);
}

/* ---- evaluation --------------------------------------------------------- */

/* Up to TILE points of one group. */
typedef struct tile {
    size_t group, first, n; /* first: in `order` */
} tile;

typedef struct room {
    /* of each thread */
    slivi__kernelroom *rooms;
    double **points; /* TILE x d */
    /* of the call */
    size_t *of, *order; /* n: each point's group; points group by group */
    size_t *next;       /* groups: where in `order` their next point goes */
    tile *tiles;
    slivi__block scratch, rows;
} room;

static void *open_room(const slivi_score *s)
{
    (void)s;
    return slivi__alloc(1, sizeof(room));
}

static void close_room(void *memory)
{
    room *r = memory;
    slivi__block_clear(&r->scratch);
    slivi__block_clear(&r->rows);
    slivi__free(r);
}

static void carve_threads(const slivi_score *s, room *r, slivi__carver *c)
{
    const size_t m = largest(groups_of(s)), count = slivi_pool_threads(s->pool);
    slivi__kernelroom *rooms = slivi__carve(c, count, 1, sizeof *rooms), one;
    double **points = slivi__carve(c, count, 1, sizeof *points), *tile_points;
    for (size_t t = 0; t < count; t++) {
        slivi__carve_eval(c, m, s->dim, rooms ? &rooms[t] : &one);
        tile_points = slivi__carve(c, TILE, s->dim, sizeof **points);
        if (points)
            points[t] = tile_points;
    }
    r->rooms = rooms;
    r->points = points;
}

static void carve_points(const slivi_score *s, room *r, size_t n,
                         slivi__carver *c)
{
    const size_t groups = groups_of(s)->count;
    r->of = slivi__carve(c, n, 1, sizeof *r->of);
    r->order = slivi__carve(c, n, 1, sizeof *r->order);
    r->next = slivi__carve(c, groups, 1, sizeof *r->next);
    /* each group's last tile may have few points */
    r->tiles = slivi__carve(c, n / TILE + (groups < n ? groups : n), 1,
                            sizeof *r->tiles);
}

static int grow_room(const slivi_score *s, room *r, size_t n)
{
    slivi__carver threads = {0}, points = {0};
    carve_threads(s, r, &threads);
    carve_points(s, r, n, &points);
    int status = threads.status ? threads.status : points.status;
    if (!status)
        status = slivi__block_hold(&r->scratch, threads.bytes);
    if (!status)
        status = slivi__block_hold(&r->rows, points.bytes);
    if (status)
        return status;
    threads = (slivi__carver){.at = r->scratch.memory};
    points = (slivi__carver){.at = r->rows.memory};
    carve_threads(s, r, &threads);
    carve_points(s, r, n, &points);
    return 0;
}

static int find_groups(const slivi_score *s, const double *ctx, size_t n,
                       size_t *of)
{
    const slivi__groups *g = groups_of(s);
    for (size_t i = 0; i < n; i++) {
        of[i] = slivi__groups_find(g, ctx ? ctx + i * s->context : NULL);
        if (of[i] == g->count)
            return slivi__fail(SLIVI_EINVAL,
                               "score: context row %zu is that of no samples",
                               i);
    }
    return 0;
}

/* Order and tiles: a group's points are cut as if they were alone.  Returns how
   many tiles there are. */
static size_t arrange(size_t groups, size_t n, room *r)
{
    size_t tiles = 0, at = 0;
    memset(r->next, 0, groups * sizeof *r->next);
    for (size_t i = 0; i < n; i++)
        r->next[r->of[i]]++;
    for (size_t k = 0; k < groups; k++) {
        const size_t count = r->next[k];
        r->next[k] = at;
        for (size_t i = 0; i < count; i += TILE)
            r->tiles[tiles++] = (tile){k, at + i,
                                       count - i < TILE ? count - i : TILE};
        at += count;
    }
    for (size_t i = 0; i < n; i++)
        r->order[r->next[r->of[i]]++] = i;
    return tiles;
}

typedef struct eval_call {
    const slivi_score *s;
    const room *r;
    const double *z;
    double *out;
} eval_call;

/* At its samples stein's estimate is the one that it has of them; an evaluation
   there would take the point for one sample more. */
static int eval_tile(size_t i, size_t worker, void *ctx)
{
    const eval_call *c = ctx;
    const struct slivi__score_kernel *kernel = c->s->kernel;
    const tile *t = &c->r->tiles[i];
    const slivi__kernelfit *f = &kernel->fits[t->group];
    const size_t d = f->d, *order = c->r->order + t->first;
    slivi__kernelroom *own = &c->r->rooms[worker];
    double *points = c->r->points[worker];
    size_t n = 0, rows[TILE]; /* of the points that are no samples */
    for (size_t q = 0; q < t->n; q++) {
        const double *x = c->z + order[q] * d;
        const size_t like = kernel->method->keeps
                                ? slivi__kernelfit_sample(f, x)
                                : f->m;
        if (like < f->m) {
            memcpy(c->out + order[q] * d, f->coef + like * d, d * sizeof *x);
            continue;
        }
        memcpy(points + n * d, x, d * sizeof *x);
        rows[n++] = order[q];
    }
    if (!n)
        return 0;
    int status = slivi__kernelfit_eval(kernel->method, &c->s->opt.kernel, f, n,
                                       points, own);
    if (status)
        return slivi__fail_in(status, "score: %zu points from row %zu on", n,
                              rows[0]);
    for (size_t q = 0; q < n; q++)
        memcpy(c->out + rows[q] * d, own->out + q * d, d * sizeof *points);
    return 0;
}

static int eval(const slivi_score *s, const double *z, const double *ctx,
                size_t n, double *out, void *memory)
{
    room *r = memory;
    eval_call c = {s, r, z, out};
    int status = grow_room(s, r, n);
    if (!status)
        status = find_groups(s, ctx, n, r->of);
    if (!status)
        status = slivi__blas_enter();
    if (status)
        return status;
    status = slivi__pool_share(s->pool, arrange(groups_of(s)->count, n, r),
                               eval_tile, &c);
    slivi__blas_leave();
    return status;
}

/* ---- files -------------------------------------------------------------- */

static int save(const slivi_score *s, slivi_checkpoint *c)
{
    const slivi__groups *g = groups_of(s);
    int64_t *sizes = slivi__alloc(g->count, sizeof *sizes);
    if (!sizes)
        return slivi__status();
    for (size_t k = 0; k < g->count; k++)
        sizes[k] = (int64_t)size_of(g, k);
    int status = slivi_checkpoint_put(c, "samples", SLIVI_DTYPE_F64, g->n,
                                      s->dim, g->z);
    if (!status)
        status = slivi_checkpoint_put(c, "sizes", SLIVI_DTYPE_I64, 1, g->count,
                                      sizes);
    if (!status && s->context)
        status = slivi_checkpoint_put(c, "contexts", SLIVI_DTYPE_F64, g->count,
                                      s->context, g->contexts);
    slivi__free(sizes);
    return status;
}

typedef struct loading {
    size_t n, groups;
    double *z, *contexts;
    int64_t *sizes;
    size_t *which; /* n: each sample's group */
} loading;

static int read_tensors(const slivi_score *s, const slivi_checkpoint *c,
                        loading *l)
{
    size_t d = 0, one = 0, rows = 0, cols = 0, zs, cs;
    slivi_checkpoint_has(c, "samples", &l->n, &d);
    slivi_checkpoint_has(c, "sizes", &one, &l->groups);
    if (s->context)
        slivi_checkpoint_has(c, "contexts", &rows, &cols);
    if (d != s->dim || one != 1 || cols != s->context
        || (s->context && rows != l->groups))
        return slivi__fail(SLIVI_EFORMAT,
                           "no samples of %zu columns with "
                           "contexts of %zu",
                           s->dim, s->context);
    if (slivi__mul(l->n, d, &zs) || slivi__mul(rows, cols, &cs))
        return SLIVI_EOVERFLOW; /* never: the file has them */
    l->z = slivi__alloc(zs, sizeof *l->z);
    l->contexts = slivi__alloc(cs, sizeof *l->contexts);
    l->sizes = slivi__alloc(l->groups, sizeof *l->sizes);
    l->which = slivi__alloc(l->n, sizeof *l->which);
    if (!l->z || !l->contexts || !l->sizes || !l->which)
        return slivi__status();
    int status = slivi_checkpoint_get(c, "samples", SLIVI_DTYPE_F64, l->n,
                                      s->dim, l->z);
    if (!status)
        status = slivi_checkpoint_get(c, "sizes", SLIVI_DTYPE_I64, 1, l->groups,
                                      l->sizes);
    if (!status && s->context)
        status = slivi_checkpoint_get(c, "contexts", SLIVI_DTYPE_F64, l->groups,
                                      s->context, l->contexts);
    return status;
}

static int read_sizes(loading *l)
{
    size_t at = 0;
    for (size_t k = 0; k < l->groups; k++) {
        if (l->sizes[k] < 2 || (uint64_t)l->sizes[k] > l->n - at)
            return slivi__fail(SLIVI_EFORMAT, "size %zu is %lld of %zu samples",
                               k, (long long)l->sizes[k], l->n);
        for (int64_t i = 0; i < l->sizes[k]; i++)
            l->which[at++] = k;
    }
    return at == l->n && at
               ? 0
               : slivi__fail(SLIVI_EFORMAT, "sizes for %zu of %zu samples", at,
                             l->n);
}

static int load(slivi_score *s, const slivi_checkpoint *c)
{
    loading l = {0};
    int status = read_tensors(s, c, &l);
    if (!status)
        status = read_sizes(&l);
    if (!status)
        status = replace(s, l.z, l.contexts, l.which, l.n);
    if (!status && groups_of(s)->count != l.groups)
        status = slivi__fail(SLIVI_EFORMAT, "%zu of %zu contexts differ",
                             groups_of(s)->count, l.groups);
    slivi__free(l.z);
    slivi__free(l.contexts);
    slivi__free(l.sizes);
    slivi__free(l.which);
    return status;
}

const slivi__score_type slivi__score_kernels = {
    .names = slivi_kernelscore_names,
    .help = slivi_kernelscore_help,
    .build = build,
    .drop = drop,
    .update = update,
    .fit = fit,
    .loss = no_loss,
    .open = open_room,
    .close = close_room,
    .eval = eval,
    .save = save,
    .load = load,
};
