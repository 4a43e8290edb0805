/* array.c - arrays read from files: shapes and the decoding of elements.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "io/format.h"

#include <string.h>

uint32_t slivi__load32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16
           | (uint32_t)p[3] << 24;
}

uint64_t slivi__load64(const unsigned char *p)
{
    return (uint64_t)slivi__load32(p) | (uint64_t)slivi__load32(p + 4) << 32;
}

void slivi__store32(unsigned char *p, uint32_t x)
{
    p[0] = (unsigned char)(x & 0xff);
    p[1] = (unsigned char)(x >> 8 & 0xff);
    p[2] = (unsigned char)(x >> 16 & 0xff);
    p[3] = (unsigned char)(x >> 24);
}

void slivi__store64(unsigned char *p, uint64_t x)
{
    slivi__store32(p, (uint32_t)(x & 0xffffffff));
    slivi__store32(p + 4, (uint32_t)(x >> 32));
}

static uint32_t big32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8
           | (uint32_t)p[3];
}

static float as_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float as_double(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return (float)x;
}

static void decode_u1(const unsigned char *p, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)p[i];
}

static void decode_i1(const unsigned char *p, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(p[i] < 128 ? p[i] : p[i] - 256);
}

static void decode_i2_big(const unsigned char *p, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        int x = p[2 * i] << 8 | p[2 * i + 1];
        out[i] = (float)(x < 32768 ? x : x - 65536);
    }
}

static void decode_i4_big(const unsigned char *p, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        int64_t x = big32(p + 4 * i);
        out[i] = (float)(x < INT64_C(1) << 31 ? x : x - (INT64_C(1) << 32));
    }
}

static void decode_f4_big(const unsigned char *p, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = as_float(big32(p + 4 * i));
}

static void decode_f8_big(const unsigned char *p, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = as_double((uint64_t)big32(p + 8 * i) << 32
                           | big32(p + 8 * i + 4));
}

static void decode_f4_little(const unsigned char *p, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = as_float(slivi__load32(p + 4 * i));
}

static void decode_f8_little(const unsigned char *p, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = as_double(slivi__load64(p + 8 * i));
}

const slivi__element slivi__elements[] = {
    {.npy = "|u1", .idx = 0x08, .size = 1, .decode = decode_u1},
    {.npy = NULL, .idx = 0x09, .size = 1, .decode = decode_i1},
    {.npy = NULL, .idx = 0x0b, .size = 2, .decode = decode_i2_big},
    {.npy = NULL, .idx = 0x0c, .size = 4, .decode = decode_i4_big},
    {.npy = ">f4", .idx = 0x0d, .size = 4, .decode = decode_f4_big},
    {.npy = ">f8", .idx = 0x0e, .size = 8, .decode = decode_f8_big},
    {.npy = "<f4", .idx = 0, .size = 4, .decode = decode_f4_little},
    {.npy = "<f8", .idx = 0, .size = 8, .decode = decode_f8_little},
    {.npy = NULL, .idx = 0, .size = 0, .decode = NULL}};

int slivi__array_shape(slivi_array *a, const char *name, size_t rank,
                       const uint64_t *shape)
{
    size_t bytes = 0;
    int status = 0;
    if (rank < 1 || rank > SLIVI_MAX_RANK)
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: %zu dimensions, expected 1 to %d", name, rank,
                           SLIVI_MAX_RANK);
    a->rank = rank;
    a->count = 1;
    for (size_t i = 0; i < SLIVI_MAX_RANK; i++) {
        uint64_t side = i < rank ? shape[i] : 1;
        a->shape[i] = (size_t)side;
        if (a->shape[i] != side)
            status = SLIVI_EOVERFLOW;
        else if (!status)
            status = slivi__mul(a->count, a->shape[i], &a->count);
    }
    if (!status)
        status = slivi__mul(a->count, sizeof(double), &bytes);
    if (status)
        return slivi__fail(SLIVI_EOVERFLOW,
                           "%s: the product of the %zu dimensions that its "
                           "header claims does not fit",
                           name, rank);
    return 0;
}

void slivi_array_clear(slivi_array *a)
{
    if (!a)
        return;
    slivi__free(a->data);
    memset(a, 0, sizeof *a);
}
