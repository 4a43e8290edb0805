/* slivi/random.h - addressed random numbers.

   A draw is a pure function of its address (seed, stream, step, slice, row,
   column), so results depend neither on the order of evaluation nor on the
   number of threads, and a run is resumed by knowing its step.  The generator
   is Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers:
   as easy as 1, 2, 3", SC 2011).

   Address to Philox input:  key     = splitmix64(splitmix64(seed) + stream)
                             counter = { column / 4, row, step mod 2^32,
                                         slice * 2^16 + step / 2^32 }
   With one seed distinct addresses give distinct inputs for row < 2^32,
   stream < 2^32, step < 2^48, slice < 2^16.

   Every function here is thread-safe.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_RANDOM_H
#define SLIVI_RANDOM_H

#include <gsl/gsl_rng.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One block of Philox 4x32-10. */
void slivi_philox4x32(const uint32_t counter[4], const uint32_t key[2],
                      uint32_t out[4]);

/* Laws, found by name: "normal", "uniform" (on the open interval (0,1)),
   "rademacher" (+1 or -1) and "sphere" (uniform on the sphere of radius
   sqrt(cols)).  All but "uniform" have E v v' = I, which slices need. */
typedef struct slivi_law slivi_law;
extern const slivi_law *const slivi_law_normal;
extern const slivi_law *const slivi_law_uniform;
extern const slivi_law *const slivi_law_rademacher;
extern const slivi_law *const slivi_law_sphere;

/* NULL-terminated list of all laws. */
extern const slivi_law *const slivi_laws[];

/* The law with this name, or NULL with SLIVI_ENAME's message set. */
const slivi_law *slivi_law_find(const char *name);
const char *slivi_law_name(const slivi_law *law);
/* 1 when E v v' = I holds, so that the law may draw slices. */
int slivi_law_is_isotropic(const slivi_law *law);

typedef struct slivi_address {
    uint64_t seed;
    uint32_t stream;
    uint64_t step;  /* < 2^48 */
    uint32_t slice; /* < 2^16 */
    uint64_t row;   /* number of the first row, row + n <= 2^32 */
} slivi_address;

/* Draw n rows of cols values, row-major, at consecutive rows from at->row.
   The f32 values are the f64 values rounded, except
   that "uniform" stays below 1. */
void slivi_draw(const slivi_law *law, const slivi_address *at, size_t n,
                size_t cols, double *out);
void slivi_draw_f32(const slivi_law *law, const slivi_address *at, size_t n,
                    size_t cols, float *out);

/* A permutation of 0..n-1 (Fisher-Yates), a pure function of its address
   (row and slice are ignored).  n < 2^32. */
void slivi_permutation(const slivi_address *at, size_t n, uint32_t *out);

/* Philox as a generator of GSL: seeded by gsl_rng_set, period 2^130. */
extern const gsl_rng_type *const slivi_rng_philox;

#ifdef __cplusplus
}
#endif
#endif
