/* discrepancy.c - distances of samples from a prior: maximum mean discrepancy,
   sliced Wasserstein.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/discrepancy.h"
#include "base/base.h"
#include "score/cloud.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <string.h>

enum {
    LANES = SLIVI__LANES,
    CHUNK = SLIVI__CHUNK,
    TILE = SLIVI__TILE,
    BATCH = 64, /* directions of a run on the pool */

    /* streams of their own, so that a host may use the same seed */
    STREAM_DIRECTIONS = 0x64697331,
    STREAM_Z = 0x64697332,
    STREAM_Y = 0x64697333,

    MOST_COLUMNS = 65536
};

#define MOST_ROWS 0x80000000u

/* What a thread needs for a direction. */
typedef struct room {
    double *v, *t, *target, *spare;
} room;

struct slivi_discrepancy_workspace {
    slivi_pool *pool;
    size_t rows, d;
    double *blocks[2], *draws[2]; /* of z and y; rows x d */
    double *cells;                /* rows */
    double *sums;                 /* 2 for each tile of both */
    double *rooms;                /* of each thread */
    size_t room;                  /* entries of one */
    double *memory;
};

/* ---- memory ------------------------------------------------------------- */

/* Hands out one block, or without one counts. */
typedef struct carver {
    double *at;
    size_t used;
    int status;
} carver;

static double *carve(carver *c, size_t n, size_t times)
{
    double *part = c->at ? c->at + c->used : NULL;
    size_t count;
    if (!c->status && !slivi__mul(slivi__round_up(n, LANES), times, &count)
        && !slivi__add(c->used, count, &c->used))
        return part;
    c->status = SLIVI_EOVERFLOW;
    return NULL;
}

static void carve_workspace(carver *c, slivi_discrepancy_workspace *ws)
{
    const size_t n = ws->rows, d = ws->d;
    for (int k = 0; k < 2; k++) {
        ws->blocks[k] = carve(c, n, d);
        ws->draws[k] = carve(c, n, d);
    }
    ws->cells = carve(c, n, 1);
    ws->sums = carve(c, 4, n / TILE + 1);
    ws->room = slivi__round_up(d, LANES) + 3 * slivi__round_up(n, LANES);
    ws->rooms = carve(c, ws->room, slivi_pool_threads(ws->pool));
}

slivi_discrepancy_workspace *
slivi_discrepancy_workspace_create(size_t rows, size_t d, slivi_pool *pool)
{
    slivi_discrepancy_workspace like = {.pool = pool, .rows = rows, .d = d};
    carver c = {0};
    if (!rows || rows > MOST_ROWS || !d || d > MOST_COLUMNS)
        return slivi__fail_null(SLIVI_EINVAL,
                                "discrepancy: %zu rows (1 to 2^31) of %zu "
                                "columns (1 to %d)",
                                rows, d, MOST_COLUMNS);
    carve_workspace(&c, &like);
    if (c.status)
        return slivi__fail_null(
            c.status, "discrepancy: %zu rows of %zu columns", rows, d);
    like.memory = slivi__alloc(c.used, sizeof *like.memory);
    slivi_discrepancy_workspace *ws = like.memory ? slivi__alloc(1, sizeof *ws)
                                                  : NULL;
    if (!ws) {
        slivi__free(like.memory);
        return NULL;
    }
    c = (carver){.at = like.memory};
    carve_workspace(&c, &like);
    *ws = like;
    return ws;
}

void slivi_discrepancy_workspace_free(slivi_discrepancy_workspace *ws)
{
    if (!ws)
        return;
    slivi__free(ws->memory);
    slivi__free(ws);
}

/* ---- samples ------------------------------------------------------------ */

static int check_rows(const slivi_discrepancy_workspace *ws, const char *what,
                      size_t n, size_t least)
{
    if (n >= least && n <= ws->rows)
        return 0;
    return slivi__fail(SLIVI_EINVAL, "%s: %zu samples (%zu to %zu)", what, n,
                       least, ws->rows);
}

static int check_entries(const slivi_discrepancy_workspace *ws,
                         const char *what, const char *name, size_t n,
                         const double *x)
{
    return slivi__cloud_check(what, name, n, ws->d, x);
}

static slivi__cloud pack(const slivi_discrepancy_workspace *ws, int which,
                         size_t n, const double *x)
{
    return slivi__cloud_pack(n, ws->d, x, ws->blocks[which]);
}

/* Draws number `at` of N(0, sd^2 I). */
static const double *draw(const slivi_discrepancy_workspace *ws, int which,
                          size_t n, double sd, uint64_t seed, size_t at)
{
    const slivi_address address = {
        .seed = seed, .stream = which ? STREAM_Y : STREAM_Z, .step = at};
    double *x = ws->draws[which];
    slivi_draw(slivi_law_normal, &address, n, ws->d, x);
    for (size_t i = 0; i < n * ws->d; i++)
        x[i] *= sd;
    return x;
}

/* ---- maximum mean discrepancy ------------------------------------------- */

static const double scales[] = {0.1, 0.2, 0.5, 1, 2, 5, 10};
enum { SCALES = sizeof scales / sizeof scales[0] };

typedef struct mmd {
    size_t d, tiles; /* of z; those of y come after them */
    slivi__cloud z, y;
    double unit;       /* 1 / (2 d sd^2) */
    double own, other; /* -d MMD^2 / d k(z_i, z_j), and k(z_i, y_j), 2 unit */
    double *grad, *sums;
} mmd;

/* u_j <- unit |x - p_j|^2 */
static void distances(size_t d, double unit, const double *x, const double *p,
                      double u[LANES])
{
    slivi__cloud_squares(d, x, p, u);
    for (size_t t = 0; t < LANES; t++)
        u[t] *= unit;
}

/* k_j = sum_s s / (s + u_j), and u_j <- -dk_j / du_j; both 0 where u_j is
   infinite. */
static void kernel(double u[LANES], double k[LANES])
{
    double sum[LANES] = {0}, slope[LANES] = {0};
    for (size_t s = 0; s < SCALES; s++)
        for (size_t t = 0; t < LANES; t++) {
            const double r = 1 / (scales[s] + u[t]), q = scales[s] * r;
            sum[t] += q;
            slope[t] += q * r;
        }
    memcpy(k, sum, sizeof sum);
    memcpy(u, slope, sizeof slope);
}

/* grad -= c sum_j w_j (x - p_j) over so many blocks */
static void pull(size_t d, size_t blocks, double c, const double *x,
                 const double *p, const double *w, double *grad)
{
    for (size_t k = 0; k < d; k++, p += LANES) {
        double sum[LANES] = {0};
        for (size_t b = 0; b < blocks; b++)
            SLIVI__UNROLLED for (size_t t = 0; t < LANES; t++)
                sum[t] += w[b * LANES + t] * (x[k] - p[b * d * LANES + t]);
        grad[k] -= c * slivi__fold(sum);
    }
}

/* Row i of a against the chunk of b at `from`: the sum of k, within one cloud
   over j < i.  The gradient has all j, where j = i adds zero; the value has the
   same bits without it. */
static double meet(const mmd *c, const slivi__cloud *a, size_t i,
                   const slivi__cloud *b, size_t from)
{
    const size_t d = c->d, below = a == b ? i : b->n;
    double *grad = a == &c->z ? c->grad : NULL;
    const size_t end = grad ? b->n : below;
    if (from >= end)
        return 0;
    const size_t count = end - from < CHUNK ? end - from : CHUNK;
    const size_t blocks = (count + LANES - 1) / LANES;
    const double *x = a->rows + i * d, *p = b->blocks + from * d;
    double w[CHUNK], k[CHUNK], sum[LANES] = {0};
    for (size_t j = 0; j < blocks; j++)
        distances(d, c->unit, x, p + j * d * LANES, w + j * LANES);
    for (size_t j = count; j < blocks * LANES; j++)
        w[j] = INFINITY;
    for (size_t j = 0; j < blocks; j++)
        kernel(w + j * LANES, k + j * LANES);
    for (size_t j = below > from ? below - from : 0; j < blocks * LANES; j++)
        k[j] = 0;
    for (size_t j = 0; j < blocks * LANES; j += LANES)
        for (size_t t = 0; t < LANES; t++)
            sum[t] += k[j + t];
    if (grad)
        pull(d, blocks, a == b ? c->own : c->other, x, p, w, grad + i * d);
    return slivi__fold(sum);
}

static double meet_all(const mmd *c, const slivi__cloud *a, size_t tile,
                       const slivi__cloud *b)
{
    const size_t first = tile * TILE;
    const size_t last = first + TILE < a->n ? first + TILE : a->n;
    double sum = 0;
    for (size_t from = 0; from < b->n; from += CHUNK)
        for (size_t i = first; i < last; i++)
            sum += meet(c, a, i, b, from);
    return sum;
}

static int mmd_task(size_t task, void *ctx)
{
    const mmd *c = ctx;
    double *sum = c->sums + 2 * task;
    if (task < c->tiles) {
        sum[0] = meet_all(c, &c->z, task, &c->z);
        sum[1] = meet_all(c, &c->z, task, &c->y);
    } else {
        sum[0] = meet_all(c, &c->y, task - c->tiles, &c->y);
    }
    return 0;
}

/* Of samples that are good. */
static int run_mmd(const slivi_discrepancy_workspace *ws, size_t n,
                   const double *z, size_t m, const double *y, double sd,
                   double *mmd2, double *grad)
{
    const double a = (double)n, b = (double)m;
    mmd c = {.d = ws->d,
             .tiles = (n + TILE - 1) / TILE,
             .z = pack(ws, 0, n, z),
             .y = pack(ws, 1, m, y),
             .unit = 0.5 / (sd * sd) / (double)ws->d,
             .grad = grad,
             .sums = ws->sums};
    const size_t tasks = c.tiles + (m + TILE - 1) / TILE;
    double own = 0, cross = 0, others = 0;
    c.own = 4 * c.unit / (a * (a - 1));
    c.other = -4 * c.unit / (a * b);
    if (grad)
        memset(grad, 0, n * ws->d * sizeof *grad);
    int status = slivi_pool_run(ws->pool, tasks, mmd_task, &c);
    if (status)
        return status;
    for (size_t i = 0; i < c.tiles; i++) {
        own += c.sums[2 * i];
        cross += c.sums[2 * i + 1];
    }
    for (size_t i = c.tiles; i < tasks; i++)
        others += c.sums[2 * i];
    *mmd2 = 2
            * (own / (a * (a - 1)) + others / (b * (b - 1)) - cross / (a * b));
    return 0;
}

static int check_mmd(const slivi_discrepancy_workspace *ws, const char *what,
                     size_t n, size_t m, double sd)
{
    int status = check_rows(ws, what, n, 2);
    if (!status)
        status = check_rows(ws, what, m, 2);
    if (!status && !(sd >= 1e-60 && sd <= 1e60))
        status = slivi__fail(SLIVI_EINVAL, "%s: sd %g (1e-60 to 1e60)", what,
                             sd);
    return status;
}

int slivi_mmd(slivi_discrepancy_workspace *ws, size_t n, const double *z,
              size_t m, const double *y, double sd, double *mmd2, double *grad)
{
    slivi__mode mode;
    int status = check_mmd(ws, "mmd", n, m, sd);
    if (!status)
        status = check_entries(ws, "mmd", "z", n, z);
    if (!status)
        status = check_entries(ws, "mmd", "y", m, y);
    if (status)
        return status;
    slivi__mode_enter(&mode);
    status = run_mmd(ws, n, z, m, y, sd, mmd2, grad);
    slivi__mode_leave(&mode);
    return status;
}

static int check_repeats(const char *what, size_t repeats)
{
    if (repeats && repeats <= (uint64_t)1 << 32)
        return 0;
    return slivi__fail(SLIVI_EINVAL, "%s: %zu repeats (1 to 2^32)", what,
                       repeats);
}

int slivi_mmd_floor(slivi_discrepancy_workspace *ws, size_t n, size_t m,
                    double sd, uint64_t seed, size_t repeats, double *rms)
{
    slivi__mode mode;
    double sum = 0, one;
    int status = check_mmd(ws, "mmd_floor", n, m, sd);
    if (!status)
        status = check_repeats("mmd_floor", repeats);
    if (status)
        return status;
    slivi__mode_enter(&mode);
    for (size_t i = 0; !status && i < repeats; i++) {
        const double *z = draw(ws, 0, n, sd, seed, i);
        const double *y = draw(ws, 1, m, sd, seed, i);
        status = run_mmd(ws, n, z, m, y, sd, &one, NULL);
        sum += status ? 0 : one * one;
    }
    if (!status)
        *rms = sqrt(sum / (double)repeats);
    slivi__mode_leave(&mode);
    return status;
}

/* ---- sliced Wasserstein -------------------------------------------------- */

typedef struct slicing {
    const slivi_discrepancy_workspace *ws;
    slivi__cloud z, y; /* y.n 0: the prior */
    uint64_t seed;
    size_t first; /* direction of task 0 */
    double value[BATCH];
} slicing;

/* q_i = n int_{(i-1)/n}^{i/n} Phi^-1(u) du, the mean of cell i: with phi the
   density, int Phi^-1 = -phi(Phi^-1).  Then

     int (t_i - Phi^-1)^2 du = (t_i - q_i)^2 / n + int (q_i - Phi^-1)^2 du

   in each cell, where the last summands add up to 1 - sum_i q_i^2 / n, because
   int_0^1 (Phi^-1)^2 = 1; that is returned. */
static double cut(size_t n, double *q)
{
    const double peak = 0.39894228040143267794; /* 1 / sqrt(2 pi) */
    double last = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double next = 0;
        if (i + 1 < n) {
            const double x = gsl_cdf_ugaussian_Pinv((double)(i + 1)
                                                    / (double)n);
            next = peak * exp(-0.5 * x * x);
        }
        q[i] = (double)n * (last - next);
        sum += q[i] * q[i];
        last = next;
    }
    return 1 - sum / (double)n;
}

static void project(const slivi__cloud *c, size_t d, const double *v, double *t)
{
    for (size_t i = 0; i < c->n; i += LANES) {
        const double *p = c->blocks + i * d;
        double sum[LANES] = {0};
        for (size_t k = 0; k < d; k++, p += LANES)
            SLIVI__UNROLLED for (size_t l = 0; l < LANES; l++)
                sum[l] += v[k] * p[l];
        memcpy(t + i, sum, sizeof sum);
    }
}

static room room_of(const slivi_discrepancy_workspace *ws, size_t worker)
{
    const size_t n = slivi__round_up(ws->rows, LANES);
    double *v = ws->rooms + worker * ws->room;
    double *t = v + slivi__round_up(ws->d, LANES);
    return (room){v, t, t + n, t + 2 * n};
}

/* The mean of (t_i - target_i)^2 over what is sorted. */
static int slice_task(size_t task, size_t worker, void *ctx)
{
    slicing *s = ctx;
    const size_t n = s->z.n, d = s->ws->d;
    const room r = room_of(s->ws, worker);
    const slivi_address at = {
        .seed = s->seed, .stream = STREAM_DIRECTIONS, .row = s->first + task};
    const double *target = s->ws->cells;
    double sum = 0;
    slivi_draw(slivi_law_sphere, &at, 1, d, r.v);
    for (size_t k = 0; k < d; k++)
        r.v[k] /= sqrt((double)d);
    project(&s->z, d, r.v, r.t);
    slivi__sort(n, r.t, r.spare);
    if (s->y.n) {
        project(&s->y, d, r.v, r.target);
        slivi__sort(n, r.target, r.spare);
        target = r.target;
    }
    for (size_t i = 0; i < n; i++)
        sum += (r.t[i] - target[i]) * (r.t[i] - target[i]);
    s->value[task] = sum / (double)n;
    return 0;
}

/* *square <- W_2^2, of samples that are good. */
static int run_slices(const slivi_discrepancy_workspace *ws, size_t n,
                      const double *z, const double *y, size_t directions,
                      uint64_t seed, double *square)
{
    slicing s = {.ws = ws, .z = pack(ws, 0, n, z), .seed = seed};
    double sum = 0, rest = 0;
    if (y)
        s.y = pack(ws, 1, n, y);
    else
        rest = cut(n, ws->cells);
    for (; s.first < directions; s.first += BATCH) {
        const size_t left = directions - s.first;
        const size_t count = left < BATCH ? left : BATCH;
        int status = slivi__pool_share(ws->pool, count, slice_task, &s);
        if (status)
            return status;
        for (size_t i = 0; i < count; i++)
            sum += s.value[i];
    }
    *square = sum / (double)directions + rest;
    return 0;
}

static int check_slices(const slivi_discrepancy_workspace *ws, const char *what,
                        size_t n, size_t directions)
{
    int status = check_rows(ws, what, n, 1);
    if (!status && (!directions || directions > UINT32_MAX))
        status = slivi__fail(SLIVI_EINVAL, "%s: %zu directions (1 to 2^32 - 1)",
                             what, directions);
    return status;
}

int slivi_sliced_wasserstein(slivi_discrepancy_workspace *ws, size_t n,
                             const double *z, const double *y,
                             size_t directions, uint64_t seed, double *w)
{
    static const char what[] = "sliced_wasserstein";
    slivi__mode mode;
    double square;
    int status = check_slices(ws, what, n, directions);
    if (!status)
        status = check_entries(ws, what, "z", n, z);
    if (!status && y)
        status = check_entries(ws, what, "y", n, y);
    if (status)
        return status;
    slivi__mode_enter(&mode);
    status = run_slices(ws, n, z, y, directions, seed, &square);
    if (!status)
        *w = sqrt(square);
    slivi__mode_leave(&mode);
    return status;
}

int slivi_sliced_wasserstein_floor(slivi_discrepancy_workspace *ws, size_t n,
                                   int clouds, size_t directions, uint64_t seed,
                                   size_t repeats, double *rms)
{
    static const char what[] = "sliced_wasserstein_floor";
    slivi__mode mode;
    double sum = 0, one;
    int status = check_slices(ws, what, n, directions);
    if (!status)
        status = check_repeats(what, repeats);
    if (!status && clouds != 1 && clouds != 2)
        status = slivi__fail(SLIVI_EINVAL, "%s: %d clouds (1 or 2)", what,
                             clouds);
    if (status)
        return status;
    slivi__mode_enter(&mode);
    for (size_t i = 0; !status && i < repeats; i++) {
        const double *z = draw(ws, 0, n, 1, seed, i);
        const double *y = clouds == 2 ? draw(ws, 1, n, 1, seed, i) : NULL;
        status = run_slices(ws, n, z, y, directions, seed, &one);
        sum += status ? 0 : one;
    }
    if (!status)
        *rms = sqrt(sum / (double)repeats);
    slivi__mode_leave(&mode);
    return status;
}
