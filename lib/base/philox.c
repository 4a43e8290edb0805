/* philox.c - Philox 4x32-10 and what is drawn from it.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* -- the generator (Salmon et al. 2011, section 5.3) ----------------------- */

#define PHILOX_M0 UINT64_C(0xd2511f53)
#define PHILOX_M1 UINT64_C(0xcd9e8d57)
#define PHILOX_W0 0x9e3779b9 /* golden ratio */
#define PHILOX_W1 0xbb67ae85 /* sqrt(3) - 1 */

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

/* An address without its row and columns. */
struct place {
    uint32_t key[2], step, slice;
};

static struct place place_of(const slivi_address *at)
{
    const uint64_t key = splitmix64(splitmix64(at->seed) + at->stream);
    struct place p;

    assert(at->step >> 48 == 0 && at->slice >> 16 == 0);
    p.key[0] = (uint32_t)key;
    p.key[1] = (uint32_t)(key >> 32);
    p.step = (uint32_t)at->step;
    p.slice = (at->slice << 16) + (uint32_t)(at->step >> 32);
    return p;
}

/* Blocks made side by side, so that the compiler can use vector registers:
   every loop over lanes has this fixed length. */
enum { LANES = 8 };

static inline void philox_lanes(uint32_t w[4][LANES], uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        for (size_t l = 0; l < LANES; l++) {
            const uint64_t p0 = PHILOX_M0 * w[0][l];
            const uint64_t p1 = PHILOX_M1 * w[2][l];

            w[0][l] = (uint32_t)(p1 >> 32) ^ w[1][l] ^ k0;
            w[1][l] = (uint32_t)p1;
            w[2][l] = (uint32_t)(p0 >> 32) ^ w[3][l] ^ k1;
            w[3][l] = (uint32_t)p0;
        }
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
}

/* Where a group of blocks stands: rows have `blocks` blocks each. */
struct cursor {
    uint32_t row, block, blocks;
};

/* The next LANES blocks in row-major order: w[i] holds their i-th words. */
static inline void next_words(const struct place *p, struct cursor *at,
                              uint32_t w[4][LANES])
{
    for (size_t l = 0; l < LANES; l++) {
        w[0][l] = at->block;
        w[1][l] = at->row;
        w[2][l] = p->step;
        w[3][l] = p->slice;
        if (++at->block == at->blocks) {
            at->block = 0;
            at->row++;
        }
    }
    philox_lanes(w, p->key[0], p->key[1]);
}

/* -- the laws -------------------------------------------------------------- */

struct slivi_law {
    const char *name;
    /* LANES blocks of four values from the words of next_words */
    void (*make)(uint32_t w[4][LANES], double out[4 * LANES]);
    float top;     /* no f32 value is above it after rounding */
    int isotropic; /* E v v' = I */
    int sphere;    /* rows are scaled to norm sqrt(cols) */
};

static inline double from_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t to_bits(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* n < 2^52 as a double: vector units convert integers of other widths only. */
static inline double to_double(uint64_t n)
{
    return from_bits(n | UINT64_C(0x4330000000000000)) - 0x1p52;
}

/* On the open interval (0,1), exact in double. */
static inline double open_unit(uint32_t w)
{
    return (to_double(w) + 0.5) * 0x1p-32;
}

static void make_uniform(uint32_t w[4][LANES], double out[4 * LANES])
{
    for (size_t i = 0; i < 4; i++)
        for (size_t l = 0; l < LANES; l++)
            out[4 * l + i] = open_unit(w[i][l]);
}

static void make_rademacher(uint32_t w[4][LANES], double out[4 * LANES])
{
    for (size_t i = 0; i < 4; i++)
        for (size_t l = 0; l < LANES; l++)
            out[4 * l + i] = 1 - 2 * to_double(w[i][l] >> 31);
}

/* log x for x in [2^-33, 1): x = 2^e (1 + f) with 1 + f in [sqrt(1/2),
   sqrt(2)), log(1 + f) = 2 atanh(s), s = f / (2 + f), by a polynomial in s^2
   (fdlibm, e_log.c).  Free of branches and calls; error below 2 ulp. */
static inline double log_unit(double x)
{
    const uint64_t half = UINT64_C(0x3fe6a09e667f3bcd); /* sqrt(1/2) */
    const uint64_t up = to_bits(x) - half + (UINT64_C(1023) << 52);
    const double e = to_double(up >> 52) - 1023;
    const double f = from_bits((up & UINT64_C(0x000fffffffffffff)) + half) - 1;
    const double s = f / (2 + f), z = s * s, q = 0.5 * f * f;
    double r = 1.479819860511658591e-01;

    r = 1.531383769920937332e-01 + z * r;
    r = 1.818357216161805012e-01 + z * r;
    r = 2.222219843214978396e-01 + z * r;
    r = 2.857142874366239149e-01 + z * r;
    r = 3.999999999940941908e-01 + z * r;
    r = 6.666666666666735130e-01 + z * r;
    r = z * r;
    return e * 6.93147180369123816490e-01
           - (q - (s * (q + r) + e * 1.90821492927058770002e-10) - f);
}

/* The point of the unit circle at 1/4 (quadrant + x) turns, where the first
   two bits of w are the quadrant and the others are x in (-1/2, 1/2): the
   polynomials of fdlibm's k_sin.c and k_cos.c, then turned by the quadrant. */
static inline void circle(uint32_t w, double *cosine, double *sine)
{
    const double half_pi = 1.57079632679489661923;
    const double y = half_pi
                     * ((to_double(w & 0x3fffffff) + 0.5) * 0x1p-30 - 0.5);
    const double z = y * y;
    double s = 1.58969099521155010221e-10;
    double c = -1.13596475577881948265e-11;
    const uint64_t odd = -(uint64_t)(w >> 30 & 1);
    const uint64_t turned = (uint64_t)(w >> 31) << 63;
    uint64_t swap;

    s = -2.50507602534068634195e-08 + z * s;
    s = 2.75573137070700676789e-06 + z * s;
    s = -1.98412698298579493134e-04 + z * s;
    s = 8.33333333332248946124e-03 + z * s;
    s = -1.66666666666666324348e-01 + z * s;
    s = y + y * z * s;
    c = 2.08757232129817482790e-09 + z * c;
    c = -2.75573143513906633035e-07 + z * c;
    c = 2.48015872894767294178e-05 + z * c;
    c = -1.38888888888741095749e-03 + z * c;
    c = 4.16666666666666019037e-02 + z * c;
    c = 1 - 0.5 * z + z * z * c;
    swap = (to_bits(c) ^ to_bits(s)) & odd;
    *cosine = from_bits(to_bits(c) ^ swap ^ turned ^ (odd << 63));
    *sine = from_bits(to_bits(s) ^ swap ^ turned);
}

/* Box and Muller: r = sqrt(-2 log u), (r cos t, r sin t).  The root stands
   alone because it may set errno, which keeps a loop from being vectorised. */
static void make_normal(uint32_t w[4][LANES], double out[4 * LANES])
{
    double r[LANES], x[LANES], y[LANES];

    for (size_t i = 0; i < 4; i += 2) {
        for (size_t l = 0; l < LANES; l++)
            r[l] = -2 * log_unit(open_unit(w[i][l]));
        for (size_t l = 0; l < LANES; l++)
            circle(w[i + 1][l], &x[l], &y[l]);
        for (size_t l = 0; l < LANES; l++) {
            const double root = sqrt(r[l]);

            out[4 * l + i] = root * x[l];
            out[4 * l + i + 1] = root * y[l];
        }
    }
}

static const slivi_law normal = {
    .name = "normal", .make = make_normal, .top = FLT_MAX, .isotropic = 1};
static const slivi_law uniform = {
    .name = "uniform", .make = make_uniform, .top = 0x1.fffffep-1F};
static const slivi_law rademacher = {.name = "rademacher",
                                     .make = make_rademacher,
                                     .top = FLT_MAX,
                                     .isotropic = 1};
static const slivi_law sphere = {.name = "sphere",
                                 .make = make_normal,
                                 .top = FLT_MAX,
                                 .isotropic = 1,
                                 .sphere = 1};

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

/* -- draws ----------------------------------------------------------------- */

/* Values made at a time, on the stack: whole groups of blocks. */
enum { CHUNK = 8 * 4 * LANES };

/* The values of `blocks` blocks from the cursor, rounded up to groups. */
static void fill(const slivi_law *law, const struct place *p, struct cursor *at,
                 size_t blocks, double *chunk)
{
    for (size_t i = 0; i < blocks; i += LANES) {
        uint32_t w[4][LANES];

        next_words(p, at, w);
        law->make(w, chunk + 4 * i);
    }
}

static double sum_squares(const double *v, size_t count)
{
    double sum = 0;

    for (size_t j = 0; j < count; j++)
        sum += v[j] * v[j];
    return sum;
}

static void store_f64(void *out, size_t at, const double *v, size_t count,
                      double scale, float top)
{
    double *to = (double *)out + at;

    (void)top;
    for (size_t j = 0; j < count; j++)
        to[j] = scale * v[j];
}

static void store_f32(void *out, size_t at, const double *v, size_t count,
                      double scale, float top)
{
    float *to = (float *)out + at;

    for (size_t j = 0; j < count; j++) {
        const float value = (float)(scale * v[j]);

        to[j] = value < top ? value : top;
    }
}

typedef void store_fn(void *out, size_t at, const double *v, size_t count,
                      double scale, float top);

/* Rows that fit a chunk, as many as do. */
static void draw_rows(const slivi_law *law, const struct place *p,
                      struct cursor *at, size_t n, size_t cols, void *out,
                      size_t first, store_fn *store)
{
    const size_t stride = 4 * (size_t)at->blocks;
    double chunk[CHUNK];

    fill(law, p, at, n * at->blocks, chunk);
    for (size_t i = 0; i < n; i++) {
        const double *v = chunk + i * stride;
        double scale = 1;

        if (law->sphere)
            scale = sqrt((double)cols / sum_squares(v, cols));
        store(out, (first + i) * cols, v, cols, scale, law->top);
    }
}

/* One row of several chunks; the sphere makes them twice, to know the norm
   before it stores. */
static void draw_long_row(const slivi_law *law, const struct place *p,
                          struct cursor *at, size_t cols, void *out,
                          size_t first, store_fn *store)
{
    double chunk[CHUNK], sum = 0;

    for (int pass = !law->sphere; pass < 2; pass++) {
        struct cursor here = *at;

        for (size_t j = 0; j < cols; j += CHUNK) {
            const size_t count = cols - j < CHUNK ? cols - j : CHUNK;

            fill(law, p, &here, (count + 3) / 4, chunk);
            if (pass == 0)
                sum += sum_squares(chunk, count);
            else
                store(out, first * cols + j, chunk, count,
                      law->sphere ? sqrt((double)cols / sum) : 1, law->top);
        }
    }
}

static void draw(const slivi_law *law, const slivi_address *at, size_t n,
                 size_t cols, void *out, store_fn *store)
{
    const struct place p = place_of(at);
    const size_t blocks = (cols + 3) / 4;
    const size_t together = blocks > 0 ? CHUNK / 4 / blocks : n;
    size_t i, rows;

    for (i = 0; cols > 0 && i < n; i += rows) {
        struct cursor here = {(uint32_t)(at->row + i), 0, (uint32_t)blocks};

        rows = 1;
        if (together == 0) {
            draw_long_row(law, &p, &here, cols, out, i, store);
            continue;
        }
        rows = n - i < together ? n - i : together;
        draw_rows(law, &p, &here, rows, cols, out, i, store);
    }
}

void slivi_draw(const slivi_law *law, const slivi_address *at, size_t n,
                size_t cols, double *out)
{
    draw(law, at, n, cols, out, store_f64);
}

void slivi_draw_f32(const slivi_law *law, const slivi_address *at, size_t n,
                    size_t cols, float *out)
{
    draw(law, at, n, cols, out, store_f32);
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
    const struct place p = place_of(at);
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
