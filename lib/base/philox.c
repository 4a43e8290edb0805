/* philox.c - Philox 4x32-10 and what is drawn from it.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "kernel/draw.h"
#include "kernel/isa.h"

#include <assert.h>
#include <string.h>

/* -- the generator (Salmon et al. 2011, section 5.3) ----------------------- */

static inline void philox(uint32_t x[4], uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = PHILOX_M0 * x[0];
        const uint64_t p1 = PHILOX_M1 * x[2];

        x[0] = (uint32_t)(p1 >> 32) ^ x[1] ^ k0;
        x[1] = (uint32_t)p1;
        x[2] = (uint32_t)(p0 >> 32) ^ x[3] ^ k1;
        x[3] = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
}

void slivi_philox4x32(const uint32_t counter[4], const uint32_t key[2],
                      uint32_t out[4])
{
    uint32_t x[4] = {counter[0], counter[1], counter[2], counter[3]};

    philox(x, key[0], key[1]);
    memcpy(out, x, sizeof x);
}

/* A bijection, so distinct streams of one seed have distinct keys. */
static uint64_t splitmix64(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

slivi__place slivi__place_of(const slivi_address *at)
{
    const uint64_t key = splitmix64(splitmix64(at->seed) + at->stream);
    slivi__place p;

    assert(at->step >> 48 == 0 && at->slice >> 16 == 0);
    p.key[0] = (uint32_t)key;
    p.key[1] = (uint32_t)(key >> 32);
    p.step = (uint32_t)at->step;
    p.slice = (at->slice << 16) + (uint32_t)(at->step >> 32);
    return p;
}

/* -- the laws -------------------------------------------------------------- */

static const slivi_law normal = {
    .name = "normal", .kind = SLIVI__LAW_NORMAL, .isotropic = 1};
static const slivi_law uniform = {.name = "uniform",
                                  .kind = SLIVI__LAW_UNIFORM};
static const slivi_law rademacher = {
    .name = "rademacher", .kind = SLIVI__LAW_RADEMACHER, .isotropic = 1};
static const slivi_law sphere = {
    .name = "sphere", .kind = SLIVI__LAW_SPHERE, .isotropic = 1};

const slivi_law *const slivi_law_normal = &normal;
const slivi_law *const slivi_law_uniform = &uniform;
const slivi_law *const slivi_law_rademacher = &rademacher;
const slivi_law *const slivi_law_sphere = &sphere;

const slivi_law *const slivi_laws[] = {&normal, &uniform, &rademacher, &sphere,
                                       NULL};

const slivi_law *slivi_law_find(const char *name)
{
    for (const slivi_law *const *law = slivi_laws; *law != NULL; law++)
        if (strcmp((*law)->name, name) == 0)
            return *law;
    return slivi__fail_null(SLIVI_ENAME, "no law is called '%s'", name);
}

const char *slivi_law_name(const slivi_law *law)
{
    return law->name;
}

int slivi_law_is_isotropic(const slivi_law *law)
{
    return law->isotropic;
}

/* -- draws, by the machine's best instructions ----------------------------- */

void slivi_draw(const slivi_law *law, const slivi_address *at, size_t n,
                size_t cols, double *out)
{
    slivi__isa_best()->kernels[SLIVI__DOUBLE]->draw(law, at, n, cols, out);
}

void slivi_draw_f32(const slivi_law *law, const slivi_address *at, size_t n,
                    size_t cols, float *out)
{
    slivi__isa_best()->kernels[SLIVI__SINGLE]->draw(law, at, n, cols, out);
}

/* -- sequences of words ---------------------------------------------------- */

/* Words one after another; also the state of the generator of GSL. */
struct sequence {
    uint32_t key[2], counter[4], word[4];
    uint32_t used; /* of word; 4 when a new block is due */
};

static uint32_t next_word(struct sequence *s)
{
    if (s->used == 4) {
        slivi_philox4x32(s->counter, s->key, s->word);
        for (size_t i = 0; i < 4 && ++s->counter[i] == 0; i++)
            ; /* carry */
        s->used = 0;
    }
    return s->word[s->used++];
}

/* Uniform on 0..range-1 without bias (Lemire, "Fast random integer generation
   in an interval", TOMACS 2019). */
static uint32_t below(struct sequence *s, uint32_t range)
{
    const uint32_t biased = (uint32_t)(-range) % range;
    uint64_t product;

    do
        product = (uint64_t)next_word(s) * range;
    while ((uint32_t)product < biased);
    return (uint32_t)(product >> 32);
}

void slivi_permutation(const slivi_address *at, size_t n, uint32_t *out)
{
    const slivi__place p = slivi__place_of(at);
    struct sequence s = {.key = {p.key[0], p.key[1]},
                         .counter = {0, 0, p.step, p.slice & 0xffff},
                         .used = 4};

    assert(n <= UINT32_MAX);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        const size_t j = below(&s, (uint32_t)i);
        const uint32_t last = out[i - 1];

        out[i - 1] = out[j];
        out[j] = last;
    }
}

static void rng_set(void *state, unsigned long seed)
{
    struct sequence *s = state;
    const uint64_t key = splitmix64(seed);

    memset(s, 0, sizeof *s);
    s->key[0] = (uint32_t)key;
    s->key[1] = (uint32_t)(key >> 32);
    s->used = 4;
}

static unsigned long rng_get(void *state)
{
    return next_word(state);
}

static double rng_get_double(void *state)
{
    return next_word(state) * 0x1p-32;
}

static const gsl_rng_type philox4x32 = {
    .name = "philox4x32",
    .max = 0xffffffff,
    .min = 0,
    .size = sizeof(struct sequence),
    .set = rng_set,
    .get = rng_get,
    .get_double = rng_get_double,
};

const gsl_rng_type *const slivi_rng_philox = &philox4x32;
