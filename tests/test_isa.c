/* test_isa.c - the inner loops: every instruction set of this machine against
   the baseline, bit for bit; the baseline against plain formulas; functions in
   single precision against the C library's in double.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "kernel/isa.h"
#include "kernel/special.h"
#include "kernel/update.h"
#include "suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 4096, GUARD = 0x5a };

static const size_t bytes_of[2] = {sizeof(float), sizeof(double)};

/* ---- what the sets are compared on ------------------------------------- */

/* Of both signs and all sizes, with zeros of both signs and specials. */
static double sample(size_t i, int special)
{
    static const double odd[] = {0, -0.0, INFINITY, -INFINITY, NAN, 1e-42};
    const double x = sin((double)(7 * i + 3)) * 3;
    if (special && i % 11 == 5)
        return odd[i / 11 % 6];
    return i % 5 ? x : x * 40;
}

static double read_entry(const void *x, int precision, size_t i)
{
    return precision ? ((const double *)x)[i] : (double)((const float *)x)[i];
}

static void write_entry(void *x, int precision, size_t i, double value)
{
    if (precision)
        ((double *)x)[i] = value;
    else
        ((float *)x)[i] = (float)value;
}

static void fill_samples(void *x, int precision, size_t from, int special)
{
    for (size_t i = 0; i < ROOM; i++)
        write_entry(x, precision, i, sample(i + from, special));
}

/* The same bits, but for those of a NaN. */
static int same(const void *x, const void *y, int precision)
{
    const unsigned char *a = x, *b = y;
    const size_t size = bytes_of[precision];
    for (size_t i = 0; i < ROOM; i++)
        if (memcmp(a + i * size, b + i * size, size)
            && !(isnan(read_entry(x, precision, i))
                 && isnan(read_entry(y, precision, i))))
            return 0;
    return 1;
}

static const slivi__kernels *baseline(int precision)
{
    size_t last = 0;
    while (slivi__isas[last + 1])
        last++;
    ck_assert_str_eq(slivi__isas[last]->name, "baseline");
    ck_assert(slivi__isas[last]->runs());
    return slivi__isas[last]->kernels[precision];
}

/* Each set that runs here. */
#define EACH_SET(set)                                                          \
    for (const slivi__isa *const *set = slivi__isas; *set; set++)              \
        if ((*set)->runs())

START_TEST(test_best)
{
    const slivi__isa *best = slivi__isa_best();
    const slivi__isa *const *set = slivi__isas;
    while (!(*set)->runs())
        set++;
    ck_assert_ptr_eq(best, *set);
    for (size_t l = 0; l < SLIVI__LOOP_COUNT; l++)
        for (int precision = 0; precision < 2; precision++)
            ck_assert(best->kernels[precision]->loop[l] != NULL);
}
END_TEST

/* ---- entrywise loops --------------------------------------------------- */

#define NAME_OF(name) #name,
static const char *const loop_names[] = {SLIVI__LOOPS(NAME_OF)};

static int is_binary(size_t loop)
{
    return loop >= SLIVI__LOOP_add && loop <= SLIVI__LOOP_div;
}

/* By the C library in double; for f32 the result is near this. */
static double formula(size_t loop, double a, double b, double c)
{
    const double y[SLIVI__LOOP_COUNT + 1] = {
        [SLIVI__LOOP_COUNT] = 0,
        [SLIVI__LOOP_copy] = a,
        [SLIVI__LOOP_add] = a + b,
        [SLIVI__LOOP_sub] = a - b,
        [SLIVI__LOOP_mul] = a * b,
        [SLIVI__LOOP_div] = a / b,
        [SLIVI__LOOP_scale] = c * a,
        [SLIVI__LOOP_shift] = a + c,
        [SLIVI__LOOP_exp] = exp(a),
        [SLIVI__LOOP_log] = log(a),
        [SLIVI__LOOP_sqrt] = sqrt(a),
        [SLIVI__LOOP_sin] = sin(a),
        [SLIVI__LOOP_cos] = cos(a),
        [SLIVI__LOOP_erf] = erf(a),
        [SLIVI__LOOP_abs] = fabs(a),
        [SLIVI__LOOP_sign] = (a > 0) - (a < 0),
        [SLIVI__LOOP_step] = a > 0,
        [SLIVI__LOOP_tanh] = tanh(a),
        [SLIVI__LOOP_one_minus_square] = (1 - a) * (1 + a),
        [SLIVI__LOOP_sigmoid] = 1 / (1 + exp(-a)),
        [SLIVI__LOOP_minus_square] = a * (1 - a),
        [SLIVI__LOOP_softplus] = fmax(a, 0) + log1p(exp(-fabs(a))),
        [SLIVI__LOOP_relu] = a > 0 ? a : 0,
        [SLIVI__LOOP_elu] = a > 0 ? a : expm1(a),
        [SLIVI__LOOP_elu1] = a > 0 ? 1 : exp(a),
        [SLIVI__LOOP_elu2] = a > 0 ? 0 : exp(a),
    };
    return y[loop];
}

/* Shapes of an operand: the rows follow, lie apart, or are one row for all;
   an entry for each row, or one for all. */
static const struct {
    int wide;
    size_t apart; /* stride - cols, or stride */
    int follow;
} shapes[] = {{1, 0, 1}, {1, 3, 1}, {1, 0, 0}, {0, 1, 0}, {0, 2, 0}, {0, 0, 0}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static size_t stride_of(size_t shape, size_t cols)
{
    return shapes[shape].apart + (shapes[shape].follow ? cols : 0);
}

static const size_t loop_sizes[][2] = {{1, 1},  {3, 1},  {5, 2},  {2, 7},
                                       {4, 16}, {3, 33}, {2, 64}, {1, 131},
                                       {0, 4},  {4, 0}};
enum { LOOP_SIZES = sizeof loop_sizes / sizeof *loop_sizes };

static slivi__loop loop_of(size_t size, size_t a, size_t b, size_t gap)
{
    const size_t rows = loop_sizes[size][0], cols = loop_sizes[size][1];
    return (slivi__loop){.rows = rows,
                         .cols = cols,
                         .stride_a = stride_of(a, cols),
                         .stride_b = stride_of(b, cols),
                         .wide_a = shapes[a].wide,
                         .wide_b = shapes[b].wide,
                         .c = 1.25,
                         .stride_y = cols + gap};
}

/* Largest error of y against the formula, in eps. */
static double formula_error(size_t loop, int precision, const slivi__loop *l)
{
    const int cancels = loop == SLIVI__LOOP_one_minus_square
                        || loop == SLIVI__LOOP_minus_square;
    double worst = 0;
    for (size_t i = 0; i < l->rows; i++)
        for (size_t j = 0; j < l->cols; j++) {
            const size_t in_a = i * l->stride_a + (l->wide_a ? j : 0);
            const size_t in_b = i * l->stride_b + (l->wide_b ? j : 0);
            const double a = read_entry(l->a, precision, in_a);
            const double b = l->b ? read_entry(l->b, precision, in_b) : 0;
            const double exact = formula(loop, a, b, l->c);
            const double want = precision ? exact : (double)(float)exact;
            const double got = read_entry(l->y, precision, i * l->stride_y + j);
            const double size = cancels ? 1 + a * a : fabs(want);
            if (isnan(want) != isnan(got))
                return INFINITY;
            if (got < want || got > want)
                worst = fmax(worst, fabs(got - want) / fmax(size, 0x1p-20));
        }
    return worst * (precision ? 0x1p52 : 0x1p23);
}

/* Bytes that have changed outside of the entries of y. */
static size_t strays(const slivi__loop *l, int precision)
{
    const unsigned char *y = l->y;
    size_t count = 0;
    for (size_t k = 0; k < ROOM * bytes_of[precision]; k++) {
        const size_t e = k / bytes_of[precision];
        if (!l->cols || e / l->stride_y >= l->rows
            || e % l->stride_y >= l->cols)
            count += y[k] != GUARD;
    }
    return count;
}

/* All shapes of operands and results for one loop, both precisions. */
START_TEST(test_loops)
{
    const size_t loop = (size_t)_i / 2, pairs = is_binary(loop) ? SHAPES : 1;
    const int precision = _i % 2;
    static double a[ROOM], b[ROOM], plain[ROOM], y[ROOM];
    fill_samples(a, precision, 0, 0);
    fill_samples(b, precision, 900, 0);
    for (size_t n = 0; n < LOOP_SIZES * SHAPES * pairs * 2; n++) {
        const size_t size = n / 2 % LOOP_SIZES;
        const size_t shape = n / 2 / LOOP_SIZES % SHAPES;
        slivi__loop l = loop_of(size, shape, n / 2 / LOOP_SIZES / SHAPES,
                                n % 2 * 5);
        l.a = a;
        l.b = is_binary(loop) ? b : NULL;
        memset(plain, GUARD, sizeof plain);
        l.y = plain;
        baseline(precision)->loop[loop](&l);
        ck_assert_double_le(formula_error(loop, precision, &l), 4);
        ck_assert_uint_eq(strays(&l, precision), 0);
        EACH_SET(set)
        {
            memset(y, GUARD, sizeof y);
            l.y = y;
            (*set)->kernels[precision]->loop[loop](&l);
            ck_assert_msg(!memcmp(y, plain, sizeof y), "%s on %s, shape %zu",
                          loop_names[loop], (*set)->name, n);
        }
    }
}
END_TEST

/* Infinities, NaN, zeros and denormals; y in the place of a, then of b. */
START_TEST(test_loops_in_place)
{
    const size_t loop = (size_t)_i / 2;
    const int precision = _i % 2;
    static double a[ROOM], b[ROOM], plain[ROOM], y[ROOM];
    fill_samples(b, precision, 900, 1);
    for (int place = 0; place < (is_binary(loop) ? 2 : 1); place++) {
        slivi__loop l = {.rows = 61,
                         .cols = 67,
                         .stride_a = 67,
                         .stride_b = 67,
                         .wide_a = 1,
                         .wide_b = 1,
                         .c = -3,
                         .stride_y = 67,
                         .a = a};
        fill_samples(a, precision, 0, 1);
        l.b = is_binary(loop) ? b : NULL;
        memcpy(plain, place ? b : a, sizeof plain);
        l.y = plain;
        baseline(precision)->loop[loop](&l);
        EACH_SET(set)
        {
            fill_samples(y, precision, place ? 900 : 0, 1);
            l.y = y;
            l.a = place ? a : y;
            l.b = l.b && place ? y : l.b;
            (*set)->kernels[precision]->loop[loop](&l);
            l.a = a;
            l.b = l.b ? b : NULL;
            ck_assert_msg(same(y, plain, precision), "%s on %s",
                          loop_names[loop], (*set)->name);
        }
    }
}
END_TEST

/* ---- sums -------------------------------------------------------------- */

START_TEST(test_sums)
{
    const size_t cols = _i < 40 ? (size_t)_i : (size_t)_i * 7, ldx = cols + 2;
    static double x[ROOM], rows[ROOM], plain[ROOM], y[ROOM];
    for (int precision = 0; precision < 2; precision++) {
        const size_t n = 5 + (size_t)_i % 4;
        fill_samples(x, precision, 0, 0);
        memset(plain, GUARD, sizeof plain);
        baseline(precision)->row_sum(n, cols, x, ldx, plain, 3);
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < cols; j++)
                sum += read_entry(x, precision, i * ldx + j);
            ck_assert_double_le(fabs(sum - read_entry(plain, precision, 3 * i)),
                                fabs(sum) * (precision ? 1e-12 : 1e-7)
                                    + 1e-12 * (double)cols);
        }
        for (size_t j = 0; j < cols; j++) {
            rows[j] = (double)j;
            for (size_t i = 0; i < n; i++)
                rows[j] += read_entry(x, precision, i * ldx + j);
        }
        EACH_SET(set)
        {
            memset(y, GUARD, sizeof y);
            (*set)->kernels[precision]->row_sum(n, cols, x, ldx, y, 3);
            ck_assert_mem_eq(y, plain, sizeof y);
            for (size_t j = 0; j <= cols; j++)
                y[j] = (double)j;
            (*set)->kernels[precision]->column_sum(n, cols, x, ldx, y);
            ck_assert_double_eq(y[cols], (double)cols);
            if (cols)
                ck_assert_mem_eq(y, rows, cols * sizeof *y);
        }
    }
}
END_TEST

/* ---- draws ------------------------------------------------------------- */

START_TEST(test_draws)
{
    static const size_t widths[] = {1, 3, 4, 8, 20, 67, 256, 260, 264, 1000};
    const slivi_law *law = slivi_laws[_i];
    const slivi_address at = {.seed = 8, .stream = 2, .step = 5, .row = 77};
    static double plain[ROOM], y[ROOM];
    for (int precision = 0; precision < 2; precision++)
        for (size_t k = 0; k < sizeof widths / sizeof *widths; k++)
            for (size_t n = 0; n < 4; n++) {
                memset(plain, GUARD, sizeof plain);
                baseline(precision)->draw(law, &at, n, widths[k], plain);
                EACH_SET(set)
                {
                    memset(y, GUARD, sizeof y);
                    (*set)->kernels[precision]->draw(law, &at, n, widths[k], y);
                    ck_assert_msg(!memcmp(y, plain, sizeof y), "%zu x %zu: %s",
                                  n, widths[k], (*set)->name);
                }
            }
}
END_TEST

/* FNV-1a of n bytes, after h. */
static uint64_t hash(const void *bytes, size_t n, uint64_t h)
{
    const unsigned char *b = bytes;

    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* Of draws in f32 and f64, one row after the
   other, by the scalar code of the first version (little-endian bytes): runs
   of then can be resumed and repeated. */
static const struct {
    const char *name;
    uint64_t f32, f64;
} kept[] = {
    {"normal", UINT64_C(0xe0c9e6ebfaa921d0), UINT64_C(0x3ddfea6ec900c154)},
    {"uniform", UINT64_C(0xcee5957c8d884013), UINT64_C(0x04f017597d6a52a6)},
    {"rademacher", UINT64_C(0xbbff4f5db2fe5fb8), UINT64_C(0xfc1a878f57411878)},
    {"sphere", UINT64_C(0x476e491bbdd0ea93), UINT64_C(0x203c23bf157e13a9)},
};

START_TEST(test_bits_are_kept)
{
    const slivi_law *law = slivi_law_find(kept[_i].name);
    static const size_t widths[] = {1,  2,  3,   4,   5,   17,
                                    32, 33, 255, 256, 257, 600};
    const slivi_address at = {.seed = 0x123456789abcdef0,
                              .stream = 0xfffffff7,
                              .step = 0xabc12345678,
                              .slice = 0xfedc,
                              .row = 0xffff0000};
    const uint16_t one = 1;
    double *x = malloc(21 * 600 * sizeof *x);
    float *f = malloc(21 * 600 * sizeof *f);
    uint64_t f32 = UINT64_C(0xcbf29ce484222325), f64 = f32;

    for (size_t k = 0; k < sizeof widths / sizeof *widths; k++) {
        slivi_draw(law, &at, 21, widths[k], x);
        slivi_draw_f32(law, &at, 21, widths[k], f);
        f64 = hash(x, 21 * widths[k] * sizeof *x, f64);
        f32 = hash(f, 21 * widths[k] * sizeof *f, f32);
    }
    free(f);
    free(x);
    if (!*(const unsigned char *)&one) /* big-endian */
        return;
    ck_assert_uint_eq(f64, kept[_i].f64);
    ck_assert_uint_eq(f32, kept[_i].f32);
}
END_TEST

/* ---- updates ----------------------------------------------------------- */

enum { UPDATES = 4, VECTORS = 4 /* values, two of state, averages */ };

/* Three steps of an optimiser on n entries. */
static void take_steps(const slivi__kernels *k, int which, int precision,
                       size_t n, double vector[VECTORS][ROOM])
{
    static double gradient[ROOM];
    slivi__update u = {.n = n,
                       .rate = 0.03,
                       .scale = 0.7,
                       .momentum = 0.4,
                       .alpha = 0.9,
                       .beta1 = 0.8,
                       .beta2 = 0.95,
                       .epsilon = 1e-4,
                       .gradient = gradient,
                       .values = vector[0],
                       .state = {vector[1], vector[2]}};
    memset(vector, 0, VECTORS * sizeof *vector);
    fill_samples(vector[0], precision, 0, 0);
    for (int t = 1; t < 4; t++) {
        fill_samples(gradient, precision, (size_t)t * 500, 0);
        u.power1 = pow(u.beta1, t);
        u.power2 = pow(u.beta2, t);
        u.state[1] = which == 1 ? NULL : vector[2];
        (which == 0 ? k->momentum : which < 3 ? k->rmsprop : k->adam)(&u);
        k->average(vector[3], vector[0], n, 0.25);
    }
}

START_TEST(test_updates)
{
    static double plain[VECTORS][ROOM], y[VECTORS][ROOM];
    for (int precision = 0; precision < 2; precision++)
        for (size_t n = 0; n < 100; n += 1 + n / 4) {
            take_steps(baseline(precision), _i, precision, n, plain);
            fill_samples(y[0], precision, 0, 0);
            /* what lies beyond n stays */
            ck_assert(!memcmp((char *)y[0] + n * bytes_of[precision],
                              (char *)plain[0] + n * bytes_of[precision],
                              (ROOM - n) * bytes_of[precision]));
            EACH_SET(set)
            {
                take_steps((*set)->kernels[precision], _i, precision, n, y);
                ck_assert_msg(!memcmp(y, plain, sizeof y), "%zu on %s", n,
                              (*set)->name);
            }
        }
}
END_TEST

START_TEST(test_sum_squares)
{
    static double x[ROOM];
    for (int precision = 0; precision < 2; precision++) {
        fill_samples(x, precision, 0, 0);
        for (size_t n = 0; n < 200; n += 1 + n / 8) {
            double sum = 0, found = baseline(precision)->sum_squares(x, n, 0.3);
            for (size_t i = 0; i < n; i++)
                sum += pow(0.3 * read_entry(x, precision, i), 2);
            ck_assert_double_le(fabs(sum - found), sum * 1e-14);
            EACH_SET(set)
            ck_assert_double_eq(
                (*set)->kernels[precision]->sum_squares(x, n, 0.3), found);
        }
    }
}
END_TEST

/* ---- functions in single precision ------------------------------------- */

static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double elu(double x)
{
    return x > 0 ? x : expm1(x);
}

static const struct {
    const char *name;
    float (*mine)(float x);
    double (*exact)(double x);
} functions[] = {
    {"exp", slivi__f32_exp, exp},
    {"log", slivi__f32_log, log},
    {"tanh", slivi__f32_tanh, tanh},
    {"sigmoid", slivi__f32_sigmoid, sigmoid},
    {"softplus", slivi__f32_softplus, softplus},
    {"elu", slivi__f32_elu, elu},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* |y - exact| in units of the last place of a float at exact; 0 where both are
   NaN or infinite alike, NaN where only one is. */
static double units(float y, double exact)
{
    int exponent;
    if (isnan(exact) || isinf((float)exact))
        return isnan(exact) == isnan(y)
                       && (isnan(y) || y == (float)exact
                           || fabs((double)y) >= 0x1.fffffcp127)
                   ? 0
                   : NAN;
    frexp(fmax(fabs(exact), 0x1p-126), &exponent);
    return fabs((double)y - exact) * ldexp(1, 24 - exponent);
}

/* Every exponent and both signs by a stride through the bits, and a finer one
   where functions bend; the ends beside. */
START_TEST(test_functions)
{
    static const uint32_t ends[] = {
        0,          1,          0x007fffff, 0x00800000, 0x7f7fffff, 0x7f800000,
        0x7fc00000, 0x42b17217, 0x42b17218, 0x42cff1b5, 0x42ce8ed0, 0x3f0ca9f7};
    double worst = 0;
    float where = 0;
    for (uint32_t i = 0, bits = 0; i < (1U << 19) + 24; i++, bits += 8191) {
        const uint32_t fine = 0x3c000000 + (i >> 1) * 417; /* 2^-7 to 2^7 */
        const uint32_t use = i < 24       ? ends[i % 12] | (i / 12) << 31
                             : i % 4 == 0 ? (fine & 0x7fffffff) | (i >> 2) << 31
                                          : bits;
        const float x = slivi__float_of(use), y = functions[_i].mine(x);
        const double exact = functions[_i].exact((double)x);
        double off = units(y, exact);
        if ((isinf(x) || fabsf(x) < 0x1p-149F) && fabs(y - exact) > 0)
            off = fmax(off, y == (float)exact ? 0 : INFINITY); /* limits */
        if (!(off <= worst)) {
            worst = off;
            where = x;
        }
    }
    ck_assert_msg(worst <= 2, "%s(%a) is off by %g", functions[_i].name,
                  (double)where, worst);
    if (getenv("SLIVI_TEST_TABLE"))
        printf("%-9s at most %.3f units in the last place, at %a\n",
               functions[_i].name, worst, (double)where);
}
END_TEST

Suite *slivi_suite_isa(void)
{
    Suite *suite = suite_create("isa");
    TCase *tc = tcase_create("sets");
    tcase_add_test(tc, test_best);
    tcase_add_loop_test(tc, test_loops, 0, 2 * SLIVI__LOOP_COUNT);
    tcase_add_loop_test(tc, test_loops_in_place, 0, 2 * SLIVI__LOOP_COUNT);
    tcase_add_loop_test(tc, test_sums, 0, 60);
    tcase_add_loop_test(tc, test_draws, 0, 4);
    tcase_add_loop_test(tc, test_bits_are_kept, 0, 4);
    tcase_add_loop_test(tc, test_updates, 0, UPDATES);
    tcase_add_test(tc, test_sum_squares);
    suite_add_tcase(suite, tc);
    tc = tcase_create("functions");
    tcase_add_loop_test(tc, test_functions, 0, FUNCTIONS);
    suite_add_tcase(suite, tc);
    return suite;
}
