/* neighbours.c - distances between samples by distances between points.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/neighbours.h"
#include "base/base.h"
#include "score/cloud.h"

#include <math.h>
#include <string.h>

enum {
    LANES = SLIVI__LANES,
    CHUNK = SLIVI__CHUNK,
    TILE = SLIVI__TILE,
    MOST = SLIVI_NEIGHBOURS_MOST,
    MOST_COLUMNS = 65536
};

#define MOST_ROWS 0x80000000u
#define MOST_ENTRY 1e140

struct slivi_neighbours {
    slivi_pool *pool;
    size_t rows, d;
    double *blocks[2]; /* of z and y: rows x d */
    double *near[2];   /* rows: to the nearest z, and y */
    double *spare;     /* rows */
    double *sums;      /* 2 for each tile of both */
    double *memory;
};

/* ---- memory ------------------------------------------------------------- */

/* Room of ws in doubles; its parts begin at `memory` unless that is NULL. */
static int lay_out(slivi_neighbours *ws, double *memory, size_t *count)
{
    const size_t row = slivi__round_up(ws->rows, LANES);
    const size_t tiles = 4 * (ws->rows / TILE + 1);
    size_t all;
    if (slivi__mul(row, ws->d, &all) || slivi__mul(2, all, count)
        || slivi__add(*count, 3 * row, count)
        || slivi__add(*count, tiles, count))
        return slivi__status();
    if (!memory)
        return 0;
    ws->memory = memory;
    for (int k = 0; k < 2; k++) {
        ws->blocks[k] = memory + (size_t)k * all;
        ws->near[k] = memory + 2 * all + (size_t)k * row;
    }
    ws->spare = ws->near[1] + row;
    ws->sums = ws->spare + row;
    return 0;
}

slivi_neighbours *slivi_neighbours_create(size_t rows, size_t d,
                                          slivi_pool *pool)
{
    slivi_neighbours like = {.pool = pool, .rows = rows, .d = d};
    size_t count;
    if (!rows || rows > MOST_ROWS || !d || d > MOST_COLUMNS)
        return slivi__fail_null(SLIVI_EINVAL,
                                "neighbours: %zu rows (1 to 2^31) of %zu "
                                "columns (1 to %d)",
                                rows, d, MOST_COLUMNS);
    if (lay_out(&like, NULL, &count))
        return NULL;
    double *memory = slivi__alloc(count, sizeof *memory);
    slivi_neighbours *ws = memory ? slivi__alloc(1, sizeof *ws) : NULL;
    if (!ws) {
        slivi__free(memory);
        return NULL;
    }
    lay_out(&like, memory, &count);
    *ws = like;
    return ws;
}

void slivi_neighbours_free(slivi_neighbours *ws)
{
    if (!ws)
        return;
    slivi__free(ws->memory);
    slivi__free(ws);
}

/* ---- arguments ---------------------------------------------------------- */

static int check(const slivi_neighbours *ws, const char *what, const char *name,
                 size_t n, size_t least, const double *x)
{
    if (n < least || n > ws->rows)
        return slivi__fail(SLIVI_EINVAL, "%s: %zu samples %s (%zu to %zu)",
                           what, n, name, least, ws->rows);
    return slivi__cloud_check(what, name, n, ws->d, x);
}

static size_t tiles_of(size_t n)
{
    return (n + TILE - 1) / TILE;
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- energy distance ---------------------------------------------------- */

typedef struct energy {
    size_t d;
    slivi__cloud z, y;
    double *sums;
} energy;

/* Distances of row i of a from those of b at from..end. */
static double reach(const energy *c, const slivi__cloud *a, size_t i,
                    const slivi__cloud *b, size_t from, size_t end)
{
    const size_t d = c->d;
    double total[LANES] = {0}, u[LANES];
    for (size_t j = from; j < end; j += LANES) {
        slivi__cloud_squares(d, a->rows + i * d, b->blocks + j * d, u);
        for (size_t t = end - j; t < LANES; t++)
            u[t] = 0;
        for (size_t t = 0; t < LANES; t++)
            total[t] += sqrt(u[t]);
    }
    return slivi__fold(total);
}

/* Of a tile of a and all of b; within one cloud of pairs j < i. */
static double reach_all(const energy *c, const slivi__cloud *a, size_t tile,
                        const slivi__cloud *b)
{
    const size_t first = tile * TILE, last = least_of(first + TILE, a->n);
    double sum = 0;
    for (size_t from = 0; from < b->n; from += CHUNK)
        for (size_t i = first; i < last; i++)
            sum += reach(c, a, i, b, from,
                         least_of(from + CHUNK, a == b ? i : b->n));
    return sum;
}

static int energy_task(size_t task, void *ctx)
{
    const energy *c = ctx;
    const size_t tiles = tiles_of(c->z.n);
    double *sum = c->sums + 2 * task;
    if (task < tiles) {
        sum[0] = reach_all(c, &c->z, task, &c->z);
        sum[1] = reach_all(c, &c->z, task, &c->y);
    } else {
        sum[0] = reach_all(c, &c->y, task - tiles, &c->y);
    }
    return 0;
}

static int run_energy(const slivi_neighbours *ws, size_t n, const double *z,
                      size_t m, const double *y, slivi_energy *out)
{
    const double a = (double)n, b = (double)m;
    const size_t tiles = tiles_of(n), tasks = tiles + tiles_of(m);
    energy c = {.d = ws->d,
                .z = slivi__cloud_pack(n, ws->d, z, ws->blocks[0]),
                .y = slivi__cloud_pack(m, ws->d, y, ws->blocks[1]),
                .sums = ws->sums};
    double own = 0, others = 0, cross = 0;
    int status = slivi_pool_run(ws->pool, tasks, energy_task, &c);
    if (status)
        return status;
    for (size_t i = 0; i < tiles; i++) {
        own += c.sums[2 * i];
        cross += c.sums[2 * i + 1];
    }
    for (size_t i = tiles; i < tasks; i++)
        others += c.sums[2 * i];
    out->v = 2 * (cross / (a * b) - own / (a * a) - others / (b * b));
    out->u = 2
             * (cross / (a * b) - own / (a * (a - 1)) - others / (b * (b - 1)));
    return 0;
}

int slivi_energy_distance(slivi_neighbours *ws, size_t n, const double *z,
                          size_t m, const double *y, slivi_energy *out)
{
    slivi__mode mode;
    int status = check(ws, "energy_distance", "z", n, 2, z);
    if (!status)
        status = check(ws, "energy_distance", "y", m, 2, y);
    if (status)
        return status;
    slivi__mode_enter(&mode);
    status = run_energy(ws, n, z, m, y, out);
    slivi__mode_leave(&mode);
    return status;
}

/* ---- nearest neighbours ------------------------------------------------- */

typedef struct search {
    size_t d, n, k;
    const double *z;
    slivi__cloud y;
    int own; /* y is z: a point is no neighbour of itself */
    double *distance;
} search;

/* The k smallest squares so far of a point, ascending. */
static void insert(double *best, size_t k, double square)
{
    size_t at = k - 1;
    for (; at > 0 && best[at - 1] > square; at--)
        best[at] = best[at - 1];
    best[at] = square;
}

/* Point i meets the chunk of y at `from`. */
static void look(const search *s, size_t i, size_t from, double *best)
{
    const size_t d = s->d, end = least_of(from + CHUNK, s->y.n);
    const double *x = s->z + i * d;
    double u[LANES];
    for (size_t j = from; j < end; j += LANES) {
        double least = INFINITY;
        slivi__cloud_squares(d, x, s->y.blocks + j * d, u);
        for (size_t t = 0; t < LANES; t++)
            least = u[t] < least ? u[t] : least;
        if (least >= best[s->k - 1])
            continue;
        for (size_t t = 0; t < LANES && j + t < end; t++)
            if (u[t] < best[s->k - 1] && !(s->own && j + t == i))
                insert(best, s->k, u[t]);
    }
}

static int search_task(size_t task, void *ctx)
{
    const search *s = ctx;
    const size_t first = task * TILE, last = least_of(first + TILE, s->n);
    double best[TILE * MOST];
    for (size_t i = 0; i < TILE * s->k; i++)
        best[i] = INFINITY;
    for (size_t from = 0; from < s->y.n; from += CHUNK)
        for (size_t i = first; i < last; i++)
            look(s, i, from, best + (i - first) * s->k);
    for (size_t i = first; i < last; i++)
        s->distance[i] = sqrt(best[(i - first) * s->k + s->k - 1]);
    return 0;
}

static int check_nearest(const slivi_neighbours *ws, const char *what, size_t n,
                         const double *z, size_t m, const double *y, size_t k)
{
    int status = check(ws, what, "z", n, 1, z);
    if (!status && y)
        status = check(ws, what, "y", m, 1, y);
    if (status)
        return status;
    const size_t others = y ? m : n - 1, most = least_of(others, MOST);
    if (!k || k > most)
        return slivi__fail(SLIVI_EINVAL,
                           "%s: neighbour %zu (1 to %zu) among %zu", what, k,
                           most, others);
    return 0;
}

static int run_nearest(const slivi_neighbours *ws, size_t n, const double *z,
                       size_t m, const double *y, size_t k, double *distance)
{
    search s = {.d = ws->d, .n = n, .k = k, .z = z, .distance = distance};
    s.own = !y;
    s.y = slivi__cloud_pack(y ? m : n, ws->d, y ? y : z, ws->blocks[0]);
    return slivi_pool_run(ws->pool, tiles_of(n), search_task, &s);
}

int slivi_nearest(slivi_neighbours *ws, size_t n, const double *z, size_t m,
                  const double *y, size_t k, double *distance)
{
    slivi__mode mode;
    int status = check_nearest(ws, "nearest", n, z, m, y, k);
    if (status)
        return status;
    slivi__mode_enter(&mode);
    status = run_nearest(ws, n, z, m, y, k, distance);
    slivi__mode_leave(&mode);
    return status;
}

/* Sum of logs of nu_i / rho_i. */
static int add_logs(size_t n, const double *rho, const double *nu, size_t k,
                    double *sum)
{
    *sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(rho[i] > 0 && nu[i] > 0))
            return slivi__fail(SLIVI_EUNSUPPORTED,
                               "nearest_kl: z %zu lies on the same point as "
                               "%zu of %s",
                               i, k, rho[i] > 0 ? "y" : "the other z");
        *sum += log(nu[i]) - log(rho[i]);
    }
    return 0;
}

int slivi_nearest_kl(slivi_neighbours *ws, size_t n, const double *z, size_t m,
                     const double *y, size_t k, double *kl)
{
    slivi__mode mode;
    double sum = 0;
    int status = check_nearest(ws, "nearest_kl", n, z, m, y, k);
    if (!status)
        status = check_nearest(ws, "nearest_kl", n, z, 0, NULL, k);
    if (status)
        return status;
    slivi__mode_enter(&mode);
    status = run_nearest(ws, n, z, 0, NULL, k, ws->near[0]);
    if (!status)
        status = run_nearest(ws, n, z, m, y, k, ws->near[1]);
    if (!status)
        status = add_logs(n, ws->near[0], ws->near[1], k, &sum);
    if (!status)
        *kl = (double)ws->d * sum / (double)n
              + log((double)m / ((double)n - 1));
    slivi__mode_leave(&mode);
    return status;
}

/* ---- on a line ---------------------------------------------------------- */

static int gather(const slivi_neighbours *ws, const char *name, size_t n,
                  const double *x, size_t stride, double *out)
{
    if (!n || n > ws->rows || !stride)
        return slivi__fail(SLIVI_EINVAL,
                           "wasserstein_1: %zu samples %s (1 to %zu) with "
                           "stride %zu",
                           n, name, ws->rows, stride);
    for (size_t i = 0; i < n; i++) {
        out[i] = x[i * stride];
        if (!(fabs(out[i]) <= MOST_ENTRY))
            return slivi__fail(SLIVI_ENONFINITE, "wasserstein_1: %s %zu is %g",
                               name, i, out[i]);
    }
    return 0;
}

/* int |F^-1 - G^-1| of what is sorted: between the steps of either. */
static double between(size_t n, const double *z, size_t m, const double *y)
{
    double sum = 0, done = 0;
    for (size_t i = 0, j = 0; i < n && j < m;) {
        const double a = (double)(i + 1) * (double)m;
        const double b = (double)(j + 1) * (double)n;
        const double next = a < b ? a : b; /* n m u */
        sum += (next - done) * fabs(z[i] - y[j]);
        done = next;
        i += a <= b;
        j += b <= a;
    }
    return sum / ((double)n * (double)m);
}

int slivi_wasserstein_1(slivi_neighbours *ws, size_t n, const double *z,
                        size_t stride_z, size_t m, const double *y,
                        size_t stride_y, double *w)
{
    slivi__mode mode;
    int status = gather(ws, "z", n, z, stride_z, ws->near[0]);
    if (!status)
        status = gather(ws, "y", m, y, stride_y, ws->near[1]);
    if (status)
        return status;
    slivi__mode_enter(&mode);
    slivi__sort(n, ws->near[0], ws->spare);
    slivi__sort(m, ws->near[1], ws->spare);
    *w = between(n, ws->near[0], m, ws->near[1]);
    slivi__mode_leave(&mode);
    return 0;
}
