/* cloud.c - samples in blocks, sorting.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/cloud.h"
#include "base/base.h"

#include <math.h>
#include <string.h>

#define MOST_ENTRY 1e140

slivi__cloud slivi__cloud_pack(size_t n, size_t d, const double *x,
                               double *blocks)
{
    enum { LANES = SLIVI__LANES };
    for (size_t i = 0; i < slivi__round_up(n, LANES); i++) {
        double *lane = blocks + i / LANES * LANES * d + i % LANES;
        for (size_t k = 0; k < d; k++)
            lane[k * LANES] = i < n ? x[i * d + k] : 0;
    }
    return (slivi__cloud){n, x, blocks};
}

int slivi__cloud_check(const char *what, const char *name, size_t n, size_t d,
                       const double *x)
{
    for (size_t i = 0; i < n * d; i++)
        if (!(fabs(x[i]) <= MOST_ENTRY))
            return slivi__fail(SLIVI_ENONFINITE, "%s: %s %zu column %zu is %g",
                               what, name, i / d, i % d, x[i]);
    return 0;
}

/* Bits that ascend as the numbers do. */
static uint64_t key_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits ^ (bits >> 63 ? UINT64_MAX : (uint64_t)1 << 63);
}

/* By one byte of the keys after the other. */
void slivi__sort(size_t n, double *x, double *spare)
{
    size_t start[8][256] = {{0}};
    double *from = x, *to = spare;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = key_of(x[i]);
        for (size_t b = 0; b < 8; b++)
            start[b][key >> 8 * b & 255]++;
    }
    for (size_t b = 0; b < 8; b++) {
        size_t at = 0;
        for (size_t v = 0; v < 256; v++) {
            const size_t count = start[b][v];
            start[b][v] = at;
            at += count;
        }
        for (size_t i = 0; i < n; i++)
            to[start[b][key_of(from[i]) >> 8 * b & 255]++] = from[i];
        double *swap = from;
        from = to;
        to = swap;
    }
}
