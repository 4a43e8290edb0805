/* test_random.c - Philox, the laws, permutations and the generator for GSL.

   Every statistical test has a fixed seed and compares |z| with Z, so each
   comparison has alpha = 1e-5 (two-sided, normal).

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "suites.h"

#include <slivi/random.h>
#include <slivi/status.h>

#include <float.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define Z 4.417 /* normal quantile of 1 - 5e-6 */

/* -- the generator --------------------------------------------------------- */

/* From Random123's kat_vectors. */
static const struct {
    uint32_t counter[4], key[2], out[4];
} known[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

START_TEST(test_known_answers)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint32_t out[4];

        slivi_philox4x32(known[i].counter, known[i].key, out);
        ck_assert_mem_eq(out, known[i].out, sizeof out);
    }
}
END_TEST

/* Vigna's splitmix64: its first output for state x. */
static uint64_t splitmix64(uint64_t x)
{
    uint64_t z = x + 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* The words of an address as slivi/random.h documents it. */
static void reference_words(const slivi_address *at, size_t row, size_t block,
                            uint32_t w[4])
{
    const uint64_t k = splitmix64(splitmix64(at->seed) + at->stream);
    const uint32_t key[2] = {(uint32_t)k, (uint32_t)(k >> 32)};
    const uint32_t counter[4] = {
        (uint32_t)block, (uint32_t)(at->row + row), (uint32_t)at->step,
        at->slice * 65536 + (uint32_t)(at->step >> 32)};

    slivi_philox4x32(counter, key, w);
}

static double unit(uint32_t w, int bits)
{
    return (w + 0.5) / ldexp(1, bits);
}

/* Value of a law that is not the sphere, by libm. */
static double reference(const slivi_law *law, const slivi_address *at,
                        size_t row, size_t col)
{
    const size_t i = col % 4;
    uint32_t w[4];
    double r, turns;

    reference_words(at, row, col / 4, w);
    if (law == slivi_law_uniform)
        return unit(w[i], 32);
    if (law == slivi_law_rademacher)
        return w[i] < 0x80000000 ? 1 : -1;
    r = sqrt(-2 * log(unit(w[i & 2], 32)));
    turns = unit(w[(i & 2) + 1], 32) - 0.125;
    return i % 2 == 0 ? r * cos(2 * M_PI * turns) : r * sin(2 * M_PI * turns);
}

static const size_t widths[] = {1, 2, 3, 4, 5, 17, 32, 33, 255, 256, 257, 600};
enum { WIDTHS = sizeof widths / sizeof widths[0], ROWS = 21, MOST = 600 };

static const slivi_address somewhere = {.seed = 0x123456789abcdef0,
                                        .stream = 0xfffffff7,
                                        .step = 0xabc12345678,
                                        .slice = 0xfedc,
                                        .row = 0xffff0000};

/* Every law at every width against the documented address and libm. */
START_TEST(test_laws_by_reference)
{
    const slivi_law *law = slivi_laws[_i];
    const int sphere = law == slivi_law_sphere;
    double *x = malloc(ROWS * MOST * sizeof *x), worst = 0;

    for (size_t k = 0; k < WIDTHS; k++) {
        const size_t cols = widths[k];

        slivi_draw(law, &somewhere, ROWS, cols, x);
        for (size_t i = 0; i < ROWS; i++) {
            double scale = 1, sum = 0;

            for (size_t j = 0; sphere && j < cols; j++)
                sum += pow(reference(slivi_law_normal, &somewhere, i, j), 2);
            if (sphere)
                scale = sqrt((double)cols / sum);
            for (size_t j = 0; j < cols; j++) {
                const double want = scale
                                    * reference(sphere ? slivi_law_normal : law,
                                                &somewhere, i, j);

                /* the reference's angle has an error of 2 pi eps */
                worst = fmax(worst, fabs(x[i * cols + j] - want) / (1 + scale));
            }
        }
    }
    ck_assert_double_le(worst, 40 * DBL_EPSILON);
    free(x);
}
END_TEST

/* The logarithm and circle in normal against libm to a few ulp, by r^2 and by
   the direction, over many words. */
START_TEST(test_normal_is_accurate)
{
    enum { N = 1 << 16 };
    double *x = malloc(4 * N * sizeof *x);
    double radius = 0, direction = 0;

    slivi_draw(slivi_law_normal, &somewhere, N / 4, 16, x);
    for (size_t i = 0; i < N / 4; i++)
        for (size_t j = 0; j < 16; j += 2) {
            const double *v = x + 16 * i + j;
            const double r = hypot(v[0], v[1]);
            uint32_t w[4];
            double want, turns;

            reference_words(&somewhere, i, j / 4, w);
            want = sqrt(-2 * log(unit(w[j % 4], 32)));
            radius = fmax(radius, fabs(r - want) / want);
            /* within the quadrant, where no digits cancel */
            turns = unit(w[j % 4 + 1] & 0x3fffffff, 30) - 0.5;
            want = w[j % 4 + 1] >> 30 & 1 ? -v[0] / v[1] : v[1] / v[0];
            direction = fmax(direction,
                             fabs(want - tan(M_PI / 2 * turns)) / fabs(want));
        }
    ck_assert_double_le(radius, 4 * DBL_EPSILON);
    ck_assert_double_le(direction, 4 * DBL_EPSILON);
    free(x);
}
END_TEST

/* -- addresses ------------------------------------------------------------- */

/* Draws do not depend on how rows are grouped; f32 is f64 rounded. */
START_TEST(test_draws_by_rows)
{
    static const size_t groups[] = {1, 2, 7, 8};
    const slivi_law *law = slivi_laws[_i];
    double *x = malloc(ROWS * MOST * sizeof *x), row[8 * MOST];
    float *f = malloc(ROWS * MOST * sizeof *f), frow[8 * MOST];
    size_t differ = 0;

    for (size_t k = 0; k < WIDTHS; k++) {
        const size_t cols = widths[k];

        slivi_draw(law, &somewhere, ROWS, cols, x);
        slivi_draw_f32(law, &somewhere, ROWS, cols, f);
        for (size_t i = 0; i < ROWS * cols; i++)
            differ += f[i] < (float)x[i] || f[i] > (float)x[i];
        for (size_t g = 0; g < 4; g++)
            for (size_t i = 0; i < ROWS; i += groups[g]) {
                const size_t n = ROWS - i < groups[g] ? ROWS - i : groups[g];
                slivi_address at = somewhere;

                at.row += i;
                slivi_draw(law, &at, n, cols, row);
                slivi_draw_f32(law, &at, n, cols, frow);
                ck_assert_mem_eq(row, x + i * cols, n * cols * sizeof *row);
                ck_assert_mem_eq(frow, f + i * cols, n * cols * sizeof *frow);
            }
        frow[0] = 7; /* nothing to draw */
        slivi_draw_f32(law, &somewhere, 0, cols, frow);
        slivi_draw_f32(law, &somewhere, 3, 0, frow);
        ck_assert_float_eq(frow[0], 7);
    }
    ck_assert_uint_eq(differ, 0);
    free(f);
    free(x);
}
END_TEST

/* Addresses that differ in one field give words with nothing in common. */
START_TEST(test_addresses_differ)
{
    enum { N = 64 };
    const slivi_address at[] = {
        {.seed = 1},
        {.seed = 2},
        {.seed = UINT64_C(1) << 63},
        {.seed = 1, .stream = 1},
        {.seed = 1, .stream = 0xffffffff},
        {.seed = 1, .step = 1},
        {.seed = 1, .step = UINT64_C(1) << 32},
        {.seed = 1, .slice = 1},
        {.seed = 1, .slice = 0xffff},
    };
    enum { COUNT = sizeof at / sizeof at[0] };
    double x[COUNT][N];
    size_t equal = 0;

    for (size_t a = 0; a < COUNT; a++) {
        slivi_draw(slivi_law_uniform, &at[a], 2, N / 2, x[a]);
        for (size_t b = 0; b < a; b++)
            for (size_t i = 0; i < N; i++)
                for (size_t j = 0; j < N; j++)
                    equal += !(x[a][i] < x[b][j]) && !(x[a][i] > x[b][j]);
    }
    ck_assert_uint_eq(equal, 0);
}
END_TEST

/* -- moments --------------------------------------------------------------- */

/* |mean - want| in standard errors, for values of known variance. */
static double z_score(double sum, double n, double want, double variance)
{
    return fabs(sum / n - want) / sqrt(variance / n);
}

START_TEST(test_moments)
{
    /* mean, and mean and variance of the second and fourth central power */
    static const struct {
        const char *name;
        double mean, second[2], fourth[2];
    } laws[] = {
        {"normal", 0, {1, 2}, {3, 96}},
        {"uniform", 0.5, {1. / 12, 1. / 180}, {1. / 80, 1. / 3600}},
        {"rademacher", 0, {1, 0}, {1, 0}},
        /* of one coordinate in 3 dimensions: uniform on (-sqrt 3, sqrt 3) */
        {"sphere", 0, {1, 0.8}, {1.8, 5.76}},
    };
    enum { N = 100000, COLS = 3 };
    const slivi_law *law = slivi_law_find(laws[_i].name);
    const slivi_address at = {.seed = 20, .stream = 1};
    double *x = malloc(N * COLS * sizeof *x), sum[3] = {0, 0, 0};
    const double n = N * (double)COLS;
    size_t outside = 0;

    ck_assert_str_eq(slivi_law_name(law), laws[_i].name);
    slivi_draw(law, &at, N, COLS, x);
    for (size_t i = 0; i < N * COLS; i++) {
        const double d = x[i] - laws[_i].mean;

        outside += _i == 1 && !(x[i] > 0 && x[i] < 1);
        sum[0] += d;
        sum[1] += d * d;
        sum[2] += d * d * d * d;
    }
    free(x);
    ck_assert_uint_eq(outside, 0);
    ck_assert_double_le(z_score(sum[0], n, 0, laws[_i].second[0]), Z);
    if (laws[_i].second[1] == 0) {
        ck_assert_double_eq(sum[1], n);
        return;
    }
    /* the sphere's coordinates are not independent: test the mean of a row,
       whose variance is at most that of one coordinate */
    ck_assert_double_le(z_score(sum[1], _i == 3 ? N : n,
                                laws[_i].second[0] * (_i == 3 ? COLS : 1),
                                laws[_i].second[1]),
                        Z);
    ck_assert_double_le(z_score(sum[2], _i == 3 ? N : n,
                                laws[_i].fourth[0] * (_i == 3 ? COLS : 1),
                                laws[_i].fourth[1] * (_i == 3 ? COLS : 1)),
                        Z);
}
END_TEST

/* E v v' = I, between the columns of a row and between neighbouring rows. */
START_TEST(test_isotropic)
{
    enum { N = 100000, D = 6 };
    const slivi_law *law = slivi_laws[_i];
    const slivi_address at = {.seed = 21, .stream = 1};
    double *x = malloc(N * D * sizeof *x);

    ck_assert_int_eq(slivi_law_is_isotropic(law), law != slivi_law_uniform);
    slivi_draw(law, &at, N, D, x);
    for (size_t i = 0; slivi_law_is_isotropic(law) && i < D; i++)
        for (size_t j = 0; j < D; j++) {
            double same = 0, next = 0;

            for (size_t r = 0; r < N; r++)
                same += x[r * D + i] * x[r * D + j];
            for (size_t r = 0; r + 1 < N; r++)
                next += x[r * D + i] * x[(r + 1) * D + j];
            /* variances of products: at most 1, of squares: at most 2 */
            ck_assert_double_le(z_score(same, N, i == j, i == j ? 2 : 1), Z);
            ck_assert_double_le(z_score(next, N - 1, 0, 1), Z);
        }
    free(x);
}
END_TEST

/* Quantiles: 64 cells of equal probability, chi-squared at alpha = 1e-5. */
START_TEST(test_distribution)
{
    enum { N = 200000, CELLS = 64 };
    const int normal = _i == 0;
    const slivi_address at = {.seed = 22, .stream = 1};
    double *x = malloc(N * sizeof *x), sum = 0;
    size_t count[CELLS] = {0};

    slivi_draw(normal ? slivi_law_normal : slivi_law_uniform, &at, N / 8, 8, x);
    for (size_t i = 0; i < N; i++) {
        const double p = normal ? 0.5 * erfc(-x[i] * M_SQRT1_2) : x[i];

        count[(size_t)(p * CELLS)]++;
    }
    for (size_t c = 0; c < CELLS; c++)
        sum += pow((double)count[c] - (double)N / CELLS, 2) * CELLS / N;
    ck_assert_double_le(sum, gsl_cdf_chisq_Qinv(1e-5, CELLS - 1));
    free(x);
}
END_TEST

START_TEST(test_sphere_norm)
{
    double *x = malloc(ROWS * MOST * sizeof *x);

    for (size_t k = 0; k < WIDTHS; k++) {
        const size_t cols = widths[k];

        slivi_draw(slivi_law_sphere, &somewhere, ROWS, cols, x);
        for (size_t i = 0; i < ROWS; i++) {
            double sum = 0;

            for (size_t j = 0; j < cols; j++)
                sum += x[i * cols + j] * x[i * cols + j];
            ck_assert_double_le(fabs(sum / (double)cols - 1),
                                (double)(cols + 4) * DBL_EPSILON);
        }
    }
    free(x);
}
END_TEST

/* Row and column of a word that is next to 2^32, found by search: as a double
   it is below 1, rounded to float it is not. */
START_TEST(test_uniform_f32_below_one)
{
    enum { COL = 179 };
    const slivi_address at = {.seed = 7, .row = 720593};
    double x[256];
    float f[256];

    slivi_draw(slivi_law_uniform, &at, 1, 256, x);
    slivi_draw_f32(slivi_law_uniform, &at, 1, 256, f);
    ck_assert_double_lt(x[COL], 1);
    ck_assert_float_eq((float)x[COL], 1);
    ck_assert_float_eq(f[COL], 1 - FLT_EPSILON / 2);
}
END_TEST

START_TEST(test_find)
{
    size_t count = 0;

    for (; slivi_laws[count] != NULL; count++) {
        const char *name = slivi_law_name(slivi_laws[count]);

        ck_assert_ptr_eq(slivi_law_find(name), slivi_laws[count]);
    }
    ck_assert_uint_eq(count, 4);
    ck_assert_ptr_null(slivi_law_find("gauss"));
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "'gauss'"));
}
END_TEST

/* -- permutations ---------------------------------------------------------- */

START_TEST(test_permutation)
{
    enum { N = 1000 };
    static const size_t sizes[] = {0, 1, 2, 3, 10, N};
    const slivi_address at[] = {{.seed = 1},
                                {.seed = 2},
                                {.seed = 1, .stream = 1},
                                {.seed = 1, .step = 1},
                                {.seed = 1, .step = UINT64_C(1) << 32}};
    const slivi_address same = {.seed = 1, .row = 5, .slice = 3};
    uint32_t p[5][N + 1], again[N];

    for (size_t a = 0; a < 5; a++) {
        for (size_t s = 0; s < 6; s++) {
            const size_t n = sizes[s];
            int seen[N] = {0};

            p[a][n] = 77;
            slivi_permutation(&at[a], n, p[a]);
            ck_assert_uint_eq(p[a][n], 77);
            for (size_t i = 0; i < n; i++) {
                ck_assert_uint_lt(p[a][i], n);
                ck_assert_int_eq(seen[p[a][i]]++, 0);
            }
        }
        for (size_t b = 0; b < a; b++) {
            size_t fixed = 0; /* Poisson(1): P(> 12) < 1e-10 */

            for (size_t i = 0; i < N; i++)
                fixed += p[a][i] == p[b][i];
            ck_assert_uint_le(fixed, 12);
        }
    }
    slivi_permutation(&same, N, again);
    ck_assert_mem_eq(again, p[0], sizeof again);
}
END_TEST

/* All 24 orders of 4 things equally often; chi-squared, alpha = 1e-5. */
START_TEST(test_permutation_is_uniform)
{
    enum { N = 48000 };
    size_t count[256] = {0};
    double sum = 0;
    int orders = 0;

    for (size_t i = 0; i < N; i++) {
        const slivi_address at = {.seed = 23, .step = i};
        uint32_t p[4];

        slivi_permutation(&at, 4, p);
        count[p[0] * 64 + p[1] * 16 + p[2] * 4 + p[3]]++;
    }
    for (size_t c = 0; c < 256; c++)
        if (count[c] > 0) {
            orders++;
            sum += pow((double)count[c] - N / 24., 2) / (N / 24.);
        }
    ck_assert_int_eq(orders, 24);
    ck_assert_double_le(sum, gsl_cdf_chisq_Qinv(1e-5, 23));
}
END_TEST

/* The same by the textbook: Fisher-Yates where a word that would favour some
   value is thrown away, which at this n happens about 30 times. */
START_TEST(test_permutation_by_reference)
{
    enum { N = 700000 };
    const slivi_address at = {.seed = 25, .stream = 3, .step = 9};
    uint32_t *p = malloc(N * sizeof *p), *q = malloc(N * sizeof *q), w[4];
    size_t used = 0, rejected = 0;

    slivi_permutation(&at, N, p);
    for (size_t i = 0; i < N; i++)
        q[i] = (uint32_t)i;
    for (uint64_t i = N; i > 1; i--) {
        const uint64_t two32 = UINT64_C(1) << 32;
        uint64_t product, swap;

        for (;; rejected++) {
            reference_words(&at, 0, used / 4, w);
            product = w[used++ % 4] * i;
            if (product % two32 >= two32 % i)
                break;
        }
        swap = q[product / two32];
        q[product / two32] = q[i - 1];
        q[i - 1] = (uint32_t)swap;
    }
    ck_assert_uint_gt(rejected, 0);
    ck_assert_int_eq(memcmp(p, q, N * sizeof *p), 0);
    free(q);
    free(p);
}
END_TEST

/* -- the generator for GSL ------------------------------------------------- */

START_TEST(test_gsl_type)
{
    gsl_rng *r = gsl_rng_alloc(slivi_rng_philox), *copy;
    unsigned long first[9];
    uint32_t w[4];
    const uint64_t k = splitmix64(42);
    const uint32_t key[2] = {(uint32_t)k, (uint32_t)(k >> 32)};

    ck_assert_str_eq(gsl_rng_name(r), "philox4x32");
    ck_assert_uint_eq(gsl_rng_min(r), 0);
    ck_assert_uint_eq(gsl_rng_max(r), 0xffffffff);
    gsl_rng_set(r, 42);
    for (size_t i = 0; i < 9; i++) {
        const uint32_t counter[4] = {(uint32_t)(i / 4), 0, 0, 0};

        first[i] = gsl_rng_get(r);
        slivi_philox4x32(counter, key, w);
        ck_assert_uint_eq(first[i], w[i % 4]);
    }
    copy = gsl_rng_clone(r);
    ck_assert_uint_eq(gsl_rng_get(copy), gsl_rng_get(r));
    gsl_rng_free(copy);
    gsl_rng_set(r, 42);
    ck_assert_uint_eq(gsl_rng_get(r), first[0]);
    ck_assert_double_eq(gsl_rng_uniform(r), (double)first[1] * 0x1p-32);
    gsl_rng_set(r, 43);
    ck_assert_uint_ne(gsl_rng_get(r), first[0]);
    gsl_rng_free(r);
}
END_TEST

/* The block counter has 128 bits.  The state is key[2], counter[4], word[4]
   and the number of words used. */
START_TEST(test_gsl_carry)
{
    gsl_rng *r = gsl_rng_alloc(slivi_rng_philox);
    uint32_t *state = gsl_rng_state(r);
    uint32_t w[4];

    for (size_t carries = 1; carries < 5; carries++) {
        uint32_t counter[4] = {0, 0, 0, 0};

        gsl_rng_set(r, 1);
        for (size_t i = 0; i < carries; i++)
            state[2 + i] = 0xffffffff;
        for (size_t i = 0; i < 4; i++)
            gsl_rng_get(r);
        if (carries < 4)
            counter[carries] = 1;
        slivi_philox4x32(counter, state, w);
        ck_assert_uint_eq(gsl_rng_get(r), w[0]);
    }
    gsl_rng_free(r);
}
END_TEST

START_TEST(test_gsl_gaussian)
{
    enum { N = 200000 };
    gsl_rng *r = gsl_rng_alloc(slivi_rng_philox);
    double sum = 0, squares = 0, below = 0;
    size_t outside = 0;

    gsl_rng_set(r, 24);
    for (size_t i = 0; i < N; i++) {
        const double x = gsl_ran_gaussian(r, 2), u = gsl_rng_uniform(r);

        outside += !(u >= 0 && u < 1);
        sum += x;
        squares += x * x;
        below += u < 0.25;
    }
    ck_assert_uint_eq(outside, 0);
    ck_assert_double_le(z_score(sum, N, 0, 4), Z);
    ck_assert_double_le(z_score(squares, N, 4, 32), Z);
    ck_assert_double_le(z_score(below, N, 0.25, 0.1875), Z);
    gsl_rng_free(r);
}
END_TEST

Suite *slivi_suite_random(void)
{
    Suite *suite = suite_create("random");
    TCase *tc = tcase_create("random");

    tcase_add_test(tc, test_known_answers);
    tcase_add_loop_test(tc, test_laws_by_reference, 0, 4);
    tcase_add_test(tc, test_normal_is_accurate);
    tcase_add_loop_test(tc, test_draws_by_rows, 0, 4);
    tcase_add_test(tc, test_addresses_differ);
    tcase_add_loop_test(tc, test_moments, 0, 4);
    tcase_add_loop_test(tc, test_isotropic, 0, 4);
    tcase_add_loop_test(tc, test_distribution, 0, 2);
    tcase_add_test(tc, test_sphere_norm);
    tcase_add_test(tc, test_uniform_f32_below_one);
    tcase_add_test(tc, test_find);
    tcase_add_test(tc, test_permutation);
    tcase_add_test(tc, test_permutation_is_uniform);
    tcase_add_test(tc, test_permutation_by_reference);
    tcase_add_test(tc, test_gsl_type);
    tcase_add_test(tc, test_gsl_carry);
    tcase_add_test(tc, test_gsl_gaussian);
    suite_add_tcase(suite, tc);
    return suite;
}
