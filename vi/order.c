/* order.c - sorting by number.

   By digits of the bits, the last first: a double's bits, all turned where it
   is negative and the sign alone where not, are in the order of the doubles.
   The C library's qsort may allocate past the hook.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "order.h"

#include "base/base.h"

#include <stdint.h>
#include <string.h>

enum { BITS = 8, DIGITS = 64 / BITS, VALUES = 1 << BITS };

struct item {
    uint64_t key;
    size_t at;
};

static uint64_t key_of(double x)
{
    const uint64_t sign = UINT64_C(1) << 63;
    uint64_t bits;

    x += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &x, sizeof bits);
    return bits & sign ? ~bits : bits | sign;
}

static size_t digit(uint64_t key, unsigned d)
{
    return (size_t)(key >> (BITS * d)) & (VALUES - 1);
}

/* From a to b by digit d, equal digits in the order that they have; returns 0
   where all are equal, so that there is nothing to do. */
static int spread(size_t n, const struct item *a, struct item *b,
                  const size_t *count, unsigned d)
{
    size_t next[VALUES], sum = 0;

    for (size_t v = 0; v < VALUES; v++) {
        if (count[v] == n)
            return 0;
        next[v] = sum;
        sum += count[v];
    }
    for (size_t i = 0; i < n; i++)
        b[next[digit(a[i].key, d)]++] = a[i];
    return 1;
}

int slivi__order(size_t n, const double *x, size_t *order)
{
    struct item *a = slivi__alloc(n, sizeof *a);
    struct item *b = slivi__alloc(n, sizeof *b);
    size_t count[DIGITS][VALUES] = {{0}};
    int status = 0;

    if (a == NULL || b == NULL)
        status = slivi__status();
    for (size_t i = 0; status == 0 && i < n; i++) {
        a[i] = (struct item){key_of(x[i]), i};
        for (unsigned d = 0; d < DIGITS; d++)
            count[d][digit(a[i].key, d)]++;
    }
    for (unsigned d = 0; status == 0 && d < DIGITS; d++)
        if (spread(n, a, b, count[d], d)) {
            struct item *const swap = a;

            a = b;
            b = swap;
        }
    for (size_t i = 0; status == 0 && i < n; i++)
        order[i] = a[i].at;
    slivi__free(a);
    slivi__free(b);
    return status;
}
