/* distances.c - how far draws of q are from exact ones.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "distances.h"
#include "complain.h"

#include <slivi/discrepancy.h>
#include <slivi/neighbours.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 10000,
    MOST_DIMENSIONS = 5,
    DIRECTIONS = 100,
    REPEATS = 4,
    EACH = 64,        /* sets that a run draws, at most */
    SEEDS = 15485863, /* of exact draws, away from those of references */
    MEASURES = 3
};

static const char *const keys[MEASURES] = {"energy", "sliced_wasserstein",
                                           "kl"};

typedef struct ruler {
    size_t n, d;
    slivi_neighbours *near;
    slivi_discrepancy_workspace *slices;
    double *x, *y; /* exact draws */
} ruler;

static int fail(void)
{
    return complain("%s", slivi_errmsg());
}

static int ruler_make(ruler *u, const inference *r, size_t n)
{
    u->n = n < ROWS ? n : ROWS;
    u->d = slivi_target_dim(r->target);
    u->near = slivi_neighbours_create(u->n, u->d, r->pool);
    u->slices = slivi_discrepancy_workspace_create(u->n, u->d, r->pool);
    if (!u->near || !u->slices)
        return fail();
    u->x = calloc(u->n, u->d * sizeof *u->x);
    u->y = calloc(u->n, u->d * sizeof *u->y);
    return u->x && u->y ? 0 : complain("no memory");
}

static void ruler_clear(ruler *u)
{
    slivi_neighbours_free(u->near);
    slivi_discrepancy_workspace_free(u->slices);
    free(u->x);
    free(u->y);
}

/* Of x, exact, from z. */
static int measure(const ruler *u, const double *x, const double *z,
                   double value[MEASURES])
{
    slivi_energy energy;
    int status = slivi_energy_distance(u->near, u->n, x, u->n, z, &energy);
    value[0] = energy.v;
    if (!status)
        status = slivi_sliced_wasserstein(u->slices, u->n, z, x, DIRECTIONS, 1,
                                          &value[1]);
    if (!status)
        status = slivi_nearest_kl(u->near, u->n, x, u->n, z, SLIVI_NEIGHBOURS_K,
                                  &value[2]);
    return status ? fail() : 0;
}

static int draw(const inference *r, size_t n, uint64_t number, double *to)
{
    const uint64_t seed = args_seed(r->args, "seed") * EACH + SEEDS + number;
    return r->entry->exact(n, seed, to) ? fail() : 0;
}

/* Values of q's draws, and the mean and the largest of exact ones. */
static int record_measures(const inference *r, const ruler *u, const double *z,
                           json_t *result)
{
    double value[MEASURES], floors[MEASURES], mean[MEASURES] = {0},
                                              most[MEASURES];
    char key[64];
    for (size_t k = 0; k < MEASURES; k++)
        most[k] = -INFINITY;
    int status = draw(r, u->n, 0, u->x);
    if (!status)
        status = measure(u, u->x, z, value);
    for (size_t i = 0; i < REPEATS && !status; i++) {
        status = draw(r, u->n, 2 * i + 1, u->x);
        if (!status)
            status = draw(r, u->n, 2 * i + 2, u->y);
        if (!status)
            status = measure(u, u->x, u->y, floors);
        for (size_t k = 0; k < MEASURES && !status; k++) {
            mean[k] += floors[k] / REPEATS;
            most[k] = fmax(most[k], floors[k]);
        }
    }
    for (size_t k = 0; k < MEASURES && !status; k++) {
        record_number(result, keys[k], value[k]);
        snprintf(key, sizeof key, "%s_floor", keys[k]);
        record_number(result, key, mean[k]);
        snprintf(key, sizeof key, "%s_floor_most", keys[k]);
        record_number(result, key, most[k]);
    }
    if (!status)
        record_size(result, "distance_draws", u->n);
    return status;
}

/* ---- quadrants ----------------------------------------------------------- */

enum { QUADRANTS = 4 }; /* (-,-), (-,+), (+,-), (+,+) */

/* Of four-modes: N((+-2, +-2), I), weights of slivi/targets.h. */
static void true_masses(double mass[QUADRANTS])
{
    static const double weights[QUADRANTS] = {0.125, 0.25, 0.5, 0.125};
    const double leaves = 0.5 * erfc(sqrt(2)), stays = 1 - leaves;
    for (size_t k = 0; k < QUADRANTS; k++) {
        mass[k] = 0;
        for (size_t m = 0; m < QUADRANTS; m++)
            mass[k] += weights[m] * ((m ^ k) & 2 ? leaves : stays)
                       * ((m ^ k) & 1 ? leaves : stays);
    }
}

/* Total variation of the masses that n draws have from the true ones. */
static double variation(size_t n, const double *z, double mass[QUADRANTS])
{
    double exact[QUADRANTS], sum = 0;
    true_masses(exact);
    memset(mass, 0, QUADRANTS * sizeof *mass);
    for (size_t i = 0; i < n; i++)
        mass[2 * (z[2 * i] > 0) + (z[2 * i + 1] > 0)] += 1 / (double)n;
    for (size_t k = 0; k < QUADRANTS; k++)
        sum += 0.5 * fabs(mass[k] - exact[k]);
    return sum;
}

static int record_quadrants(const inference *r, size_t n, const double *z,
                            json_t *result)
{
    static const char *const names[QUADRANTS] = {
        "quadrant_minus_minus", "quadrant_minus_plus", "quadrant_plus_minus",
        "quadrant_plus_plus"};
    double mass[QUADRANTS], exact[QUADRANTS], floors = 0;
    double *x = calloc(n, 2 * sizeof *x);
    int status = x ? 0 : complain("no memory");
    record_number(result, "quadrant_tv", variation(n, z, mass));
    true_masses(exact);
    for (size_t k = 0; k < QUADRANTS; k++) {
        char key[64];
        record_number(result, names[k], mass[k]);
        snprintf(key, sizeof key, "%s_true", names[k]);
        record_number(result, key, exact[k]);
    }
    for (size_t i = 0; i < REPEATS && !status; i++) {
        status = draw(r, n, 100 + i, x);
        if (!status)
            floors += variation(n, x, mass) / REPEATS;
    }
    if (!status)
        record_number(result, "quadrant_tv_floor", floors);
    free(x);
    return status;
}

int distances_record(const inference *r, size_t n, const double *z,
                     json_t *result)
{
    ruler u = {0};
    if (!r->entry || !r->entry->exact
        || slivi_target_dim(r->target) > MOST_DIMENSIONS)
        return 0;
    int status = ruler_make(&u, r, n);
    if (!status)
        status = record_measures(r, &u, z, result);
    if (!status && !strcmp(r->entry->name, "four-modes"))
        status = record_quadrants(r, n, z, result);
    ruler_clear(&u);
    return status;
}
