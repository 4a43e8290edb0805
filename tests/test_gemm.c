/* test_gemm.c - the matrix kernels of each instruction set that runs here
   against plain loops of fma(), bit for bit: so all sets give the same bits,
   and a row of a product does not depend on its neighbours.

   Every matrix ends where the next page cannot be read, its rows are further
   apart than they are long, and what lies between them is NaN where it is only
   read and must stay where it is written.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "kernel/isa.h"
#include "slivi/graph.h"
#include "suites.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

Suite *slivi_suite_gemm(void);

/* -- sets and precisions --------------------------------------------------- */

enum { SETS = 4, KINDS = 2 * SETS }; /* SETS: at least as many as there are */

/* One set in one precision. */
static struct {
    const slivi__kernels *run;
    enum slivi_precision precision;
    size_t size; /* of an entry */
    int fused;   /* does its product round once? */
} now;

static double get(const void *x, size_t i)
{
    return now.precision == SLIVI_F32 ? (double)((const float *)x)[i]
                                      : ((const double *)x)[i];
}

static void set(void *x, size_t i, double value)
{
    if (now.precision == SLIVI_F32)
        ((float *)x)[i] = (float)value;
    else
        ((double *)x)[i] = value;
}

/* (1 + e)(1 - e) - 1 is -e^2 when rounded once, 0 when rounded twice. */
static int is_fused(void)
{
    const double e = now.precision == SLIVI_F32 ? 0x1p-13 : 0x1p-27;
    double a, b, c;
    set(&a, 0, 1 + e);
    set(&b, 0, 1 - e);
    set(&c, 0, -1);
    const slivi__panel p = {.a = &a, .lda = 1, .c = &c, .ldc = 1, .rows = 1};
    now.run->multiply(1, &p, 1, 1, &b, 1, 1);
    return get(&c, 0) != 0;
}

/* Selects kind i; 0 where there is none or it does not run here. */
static int choose(int i)
{
    int s = 0;
    while (s < i / 2 && slivi__isas[s] != NULL)
        s++;
    if (slivi__isas[s] == NULL || !slivi__isas[s]->runs())
        return 0;
    now.precision = i % 2 ? SLIVI_F64 : SLIVI_F32;
    now.size = i % 2 ? sizeof(double) : sizeof(float);
    now.run = slivi__isas[s]->kernels[now.precision];
    now.fused = is_fused();
    if (strncmp(slivi__isas[s]->name, "x86-64-v", 8) == 0)
        ck_assert_msg(now.fused, "%s rounds twice", slivi__isas[s]->name);
    return 1;
}

/* a b + c as the set has it */
static double step(double a, double b, double c)
{
    if (now.precision == SLIVI_F64) {
        volatile double product = a * b;
        return now.fused ? fma(a, b, c) : product + c;
    }
    volatile float product = (float)a * (float)b;
    return now.fused ? (double)fmaf((float)a, (float)b, (float)c)
                     : (double)(product + (float)c);
}

/* -- matrices -------------------------------------------------------------- */

enum { MARGIN = 64 }; /* entries watched before a matrix */

typedef struct matrix {
    size_t rows, cols, ld;
    size_t extent; /* entries from the first to the last */
    void *x;
    void *map;
    size_t mapped;
} matrix;

static double noise[1 << 13];

static void draw_noise(void)
{
    const slivi_address at = {.seed = 31};
    slivi_draw(slivi_law_normal, &at, 1, sizeof noise / sizeof *noise, noise);
}

/* rows x cols, NaN everywhere */
static matrix make(size_t rows, size_t cols, size_t gap)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    matrix m = {.rows = rows, .cols = cols, .ld = cols + gap};
    m.extent = rows > 0 && cols > 0 ? (rows - 1) * m.ld + cols : 0;
    const size_t bytes = (MARGIN + m.extent) * now.size;
    const size_t data = (bytes + page - 1) / page * page;
    const int zero = open("/dev/zero", O_RDWR);
    m.mapped = data + page;
    m.map = mmap(NULL, m.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
    ck_assert(zero >= 0 && m.map != MAP_FAILED);
    close(zero);
    ck_assert_int_eq(mprotect((char *)m.map + data, page, PROT_NONE), 0);
    m.x = (char *)m.map + data - m.extent * now.size;
    memset((char *)m.x - MARGIN * now.size, 0xff, bytes);
    return m;
}

static void unmake(matrix *m)
{
    munmap(m->map, m->mapped);
}

static void put(const matrix *m, size_t i, size_t j, double value)
{
    set(m->x, i * m->ld + j, value);
}

static double at(const matrix *m, size_t i, size_t j)
{
    return get(m->x, i * m->ld + j);
}

static matrix make_noise(size_t rows, size_t cols, size_t gap)
{
    static size_t next;
    matrix m = make(rows, cols, gap);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            put(&m, i, j, noise[next++ % (sizeof noise / sizeof *noise)]);
    return m;
}

static matrix copy_of(const matrix *m)
{
    matrix y = make(m->rows, m->cols, m->ld - m->cols);
    if (m->extent > 0)
        memcpy(y.x, m->x, m->extent * now.size);
    return y;
}

/* Equal bits, margins included; NaNs need not be the same one. */
static void check_equal(const matrix *got, const matrix *want, const char *what)
{
    const char *g = (const char *)got->x - MARGIN * now.size;
    const char *w = (const char *)want->x - MARGIN * now.size;
    for (size_t i = 0; i < MARGIN + want->extent; i++) {
        if (memcmp(g + i * now.size, w + i * now.size, now.size) == 0)
            continue;
        const double a = get(g, i), b = get(w, i);
        ck_assert_msg(i >= MARGIN && isnan(a) && isnan(b),
                      "%s, %zu x %zu: entry %ld is %a, not %a", what,
                      want->rows, want->cols, (long)i - MARGIN, a, b);
    }
}

/* -- products -------------------------------------------------------------- */

enum { PANELS = 3 };

/* C_p <- A_p B of each panel, or multiply_t's C <- sum_p A_p' B_p. */
typedef struct product {
    matrix a[PANELS], b[PANELS], c[PANELS], want[PANELS];
    slivi__panel panel[PANELS];
} product;

/* sum_k A(i, k) B(k, j) in the order of k, from `sum` */
static double chain(const matrix *a, int transposed, const matrix *b, size_t i,
                    size_t j, double sum)
{
    for (size_t k = 0; k < b->rows; k++)
        sum = step(transposed ? at(a, k, i) : at(a, i, k), at(b, k, j), sum);
    return sum;
}

static void refer(const matrix *a, int transposed, const matrix *b, matrix *c,
                  int add)
{
    for (size_t i = 0; i < c->rows; i++)
        for (size_t j = 0; j < c->cols; j++)
            put(c, i, j, chain(a, transposed, b, i, j, add ? at(c, i, j) : 0));
}

static void finish(product *o, size_t as, size_t bs, size_t cs)
{
    for (size_t p = 0; p < as; p++)
        unmake(&o->a[p]);
    for (size_t p = 0; p < bs; p++)
        unmake(&o->b[p]);
    for (size_t p = 0; p < cs; p++) {
        check_equal(&o->c[p], &o->want[p], "C");
        unmake(&o->c[p]);
        unmake(&o->want[p]);
    }
}

/* Without add, C is not read: NaN. */
static void check_multiply(size_t panels, const size_t *rows, size_t n,
                           size_t k, int add)
{
    product o = {0};
    o.b[0] = make_noise(k, n, 3);
    for (size_t p = 0; p < panels; p++) {
        o.a[p] = make_noise(rows[p], k, 1 + p);
        o.c[p] = add ? make_noise(rows[p], n, 5) : make(rows[p], n, 5);
        o.want[p] = copy_of(&o.c[p]);
        refer(&o.a[p], 0, &o.b[0], &o.want[p], add);
        o.panel[p] = (slivi__panel){.a = o.a[p].x,
                                    .lda = o.a[p].ld,
                                    .c = o.c[p].x,
                                    .ldc = o.c[p].ld,
                                    .rows = rows[p]};
    }
    now.run->multiply(panels, o.panel, n, k, o.b[0].x, o.b[0].ld, add);
    finish(&o, panels, 1, panels);
}

static void check_multiply_t(size_t panels, const size_t *rows, size_t m,
                             size_t n, int add)
{
    product o = {0};
    o.c[0] = add ? make_noise(m, n, 5) : make(m, n, 5);
    o.want[0] = copy_of(&o.c[0]);
    for (size_t i = 0; panels == 0 && !add && i < m * n; i++)
        put(&o.want[0], i / n, i % n, 0);
    for (size_t p = 0; p < panels; p++) {
        o.a[p] = make_noise(rows[p], m, 1 + p);
        o.b[p] = make_noise(rows[p], n, 3);
        refer(&o.a[p], 1, &o.b[p], &o.want[0], add || p > 0);
        o.panel[p] = (slivi__panel){.a = o.a[p].x,
                                    .lda = o.a[p].ld,
                                    .c = o.b[p].x,
                                    .ldc = o.b[p].ld,
                                    .rows = rows[p]};
    }
    now.run->multiply_t(panels, o.panel, m, n, o.c[0].x, o.c[0].ld, add);
    finish(&o, panels, panels, 1);
}

static const size_t ms[] = {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 25, 31, 64, 100};
static const size_t ns[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 12,
                            13, 15, 16, 17, 24, 31, 32, 33, 35, 64, 100};
static const size_t ks[] = {0, 1, 2, 7, 16, 35};
#define COUNT(x) (sizeof(x) / sizeof(x)[0])

START_TEST(products_are_chains)
{
    size_t turn = 0;
    if (!choose(_i))
        return;
    for (size_t m = 0; m < COUNT(ms); m++)
        for (size_t n = 0; n < COUNT(ns); n++)
            for (size_t k = 0; k < COUNT(ks); k++, turn++) {
                const size_t rows[PANELS] = {ms[m], turn % 7, ms[m] / 2};
                check_multiply(1 + turn % 3, rows, ns[n], ks[k], turn / 3 % 2);
            }
}
END_TEST

START_TEST(transposed_products_are_chains)
{
    size_t turn = 0;
    if (!choose(_i))
        return;
    for (size_t m = 0; m < COUNT(ms); m++)
        for (size_t n = 0; n < COUNT(ns); n++)
            for (size_t k = 0; k < COUNT(ks); k++, turn++) {
                const size_t rows[PANELS] = {ks[k], turn % 7, ks[k] / 2};
                check_multiply_t(1 + turn % 3, rows, ms[m], ns[n],
                                 turn / 3 % 2);
            }
}
END_TEST

/* So long that they are cut. */
START_TEST(long_products_are_chains)
{
    static const size_t length[] = {100, 129, 800, 801, 1025};
    if (!choose(_i))
        return;
    for (size_t l = 0; l < COUNT(length); l++)
        for (size_t n = 5; n < 80; n += 29) {
            const size_t few[PANELS] = {17, 40, 2};
            const size_t many[PANELS] = {6, length[l], 4};
            check_multiply(2, few, n, length[l], l % 2);
            check_multiply_t(3, many, 33, n, l % 2);
            check_multiply_t(1, many + 1, 9, n, !(l % 2));
        }
}
END_TEST

START_TEST(empty_products)
{
    static const size_t none[PANELS], some[PANELS] = {3, 4, 5};
    if (!choose(_i))
        return;
    for (int add = 0; add < 2; add++) {
        check_multiply(0, none, 3, 4, add);
        check_multiply(3, none, 3, 4, add);
        check_multiply(3, some, 0, 4, add);
        check_multiply_t(0, none, 13, 40, add);
        check_multiply_t(3, none, 13, 40, add);
        check_multiply_t(3, some, 0, 4, add);
        check_multiply_t(3, some, 4, 0, add);
    }
}
END_TEST

/* NaN and infinity reach all that depends on them and nothing else. */
START_TEST(exceptional_values_are_carried)
{
    if (!choose(_i))
        return;
    for (size_t n = 3; n < 70; n += 33)
        for (size_t row = 0; row < 29; row++) {
            matrix a = make_noise(29, 21, 2), b = make_noise(21, n, 2);
            matrix c = make(29, n, 2);
            put(&a, row, 4, NAN);
            put(&a, (row + 7) % 29, 9, INFINITY);
            put(&b, row % 21, n - 1, -INFINITY);
            matrix want = copy_of(&c);
            refer(&a, 0, &b, &want, 0);
            ck_assert(isnan(at(&want, row, 0)));
            ck_assert(isfinite(at(&want, (row + 1) % 29, 0)));
            ck_assert(isinf(at(&want, (row + 7) % 29, 0)));
            ck_assert(isinf(at(&want, (row + 1) % 29, n - 1)));
            const slivi__panel p = {
                .a = a.x, .lda = a.ld, .c = c.x, .ldc = c.ld, .rows = 29};
            now.run->multiply(1, &p, n, 21, b.x, b.ld, 0);
            check_equal(&c, &want, "with NaN");
            unmake(&a);
            unmake(&b);
            unmake(&c);
            unmake(&want);
        }
}
END_TEST

/* -- sparse ---------------------------------------------------------------- */

enum { SPARSE_ROWS = 9, SPARSE_COLS = 90 };

/* Zeroes most of a and lists the rest; row 3 is empty, row 5 has one. */
static slivi__sparse thin(const matrix *a, uint32_t *start, uint32_t *index,
                          void *value)
{
    uint32_t count = 0;
    for (size_t i = 0; i < a->rows; i++) {
        start[i] = count;
        for (size_t j = 0; j < a->cols; j++) {
            int keep = at(a, i, j) > 1.1; /* 14 % of normal draws */
            keep = i == 3 ? 0 : i == 5 ? j == a->cols - 1 : keep;
            put(a, i, j, !keep ? 0 : j % 3 ? 1 : at(a, i, j));
            if (keep) {
                set(value, count, at(a, i, j));
                index[count++] = (uint32_t)j;
            }
        }
    }
    start[a->rows] = count;
    return (slivi__sparse){.start = start, .index = index, .value = value};
}

static void check_sparse(size_t n, int add)
{
    uint32_t start[SPARSE_ROWS + 1], index[SPARSE_ROWS * SPARSE_COLS];
    double value[SPARSE_ROWS * SPARSE_COLS];
    matrix a = make_noise(SPARSE_ROWS, SPARSE_COLS, 1);
    matrix b = make_noise(SPARSE_COLS, n, 3);
    const slivi__sparse s = thin(&a, start, index, value);
    ck_assert_uint_gt(start[SPARSE_ROWS], SPARSE_ROWS * SPARSE_COLS / 20);
    matrix c = add ? make_noise(SPARSE_ROWS, n, 4) : make(SPARSE_ROWS, n, 4);
    matrix some = copy_of(&c), want = copy_of(&c), dense = copy_of(&c);
    matrix part = copy_of(&c);
    refer(&a, 0, &b, &want, add);
    const slivi__panel p = {.a = a.x,
                            .lda = a.ld,
                            .c = dense.x,
                            .ldc = dense.ld,
                            .rows = SPARSE_ROWS};
    now.run->multiply(1, &p, n, SPARSE_COLS, b.x, b.ld, add);
    now.run->multiply_sparse(&s, 0, SPARSE_ROWS, n, b.x, b.ld, c.x, c.ld, add);
    check_equal(&c, &want, "sparse");
    check_equal(&c, &dense, "sparse and dense");
    /* rows 2 to 6 alone */
    now.run->multiply_sparse(&s, 2, 7, n, b.x, b.ld, some.x, some.ld, add);
    for (size_t i = 2; i < 7; i++)
        for (size_t j = 0; j < n; j++)
            put(&part, i, j, at(&want, i, j));
    check_equal(&some, &part, "sparse rows");
    matrix *all[] = {&a, &b, &c, &some, &want, &dense, &part};
    for (size_t i = 0; i < COUNT(all); i++)
        unmake(all[i]);
}

START_TEST(sparse_products_are_dense_ones)
{
    if (!choose(_i))
        return;
    for (size_t n = 0; n < COUNT(ns); n++)
        for (int add = 0; add < 2; add++)
            check_sparse(ns[n], add);
    check_sparse(256, 0);
    check_sparse(3 * 256 + 255, 1);
}
END_TEST

/* -- transposition --------------------------------------------------------- */

START_TEST(transposition)
{
    if (!choose(_i))
        return;
    for (size_t rows = 0; rows < 70; rows++)
        for (size_t n = 0; n < COUNT(ns); n++) {
            matrix x = make_noise(rows, ns[n], 3), y = make(ns[n], rows, 2);
            matrix want = copy_of(&y);
            for (size_t i = 0; i < rows; i++)
                for (size_t j = 0; j < ns[n]; j++)
                    put(&want, j, i, at(&x, i, j));
            now.run->transpose(rows, ns[n], x.x, x.ld, y.x, y.ld);
            check_equal(&y, &want, "transpose");
            unmake(&x);
            unmake(&y);
            unmake(&want);
        }
}
END_TEST

/* NaNs keep their bits when they only move. */
START_TEST(transposition_moves_bits)
{
    uint64_t x[64], y[64];
    if (!choose(_i))
        return;
    for (size_t i = 0; i < 64; i++)
        x[i] = UINT64_C(0x7ff0000200000003) + (i << 40 | i);
    const size_t side = now.precision == SLIVI_F32 ? 11 : 8;
    now.run->transpose(side, side, x, side, y, side);
    for (size_t i = 0; i < side * side; i++)
        ck_assert_mem_eq((char *)y + i * now.size,
                         (char *)x + (i % side * side + i / side) * now.size,
                         now.size);
}
END_TEST

/* Rows of every length and density; NaN is no zero, -0 is one. */
START_TEST(nonzeros_are_found)
{
    uint32_t index[80];
    if (!choose(_i))
        return;
    for (size_t n = 0; n < 70; n++)
        for (size_t every = 1; every < 40; every = 2 * every + 1) {
            matrix x = make(1, n, 0), value = make(1, n, 0);
            size_t count = 0;
            memset(index, 0xff, sizeof index);
            for (size_t j = 0; j < n; j++)
                put(&x, 0, j,
                    j % every ? (j % 2 ? -0.0 : 0.0)
                    : j % 7   ? noise[j]
                              : (double)NAN);
            const size_t got = now.run->nonzeros(n, x.x, index, value.x);
            for (size_t j = 0; j < n; j += every, count++) {
                ck_assert_uint_eq(index[count], j);
                ck_assert_mem_eq((char *)value.x + count * now.size,
                                 (char *)x.x + j * now.size, now.size);
            }
            ck_assert_uint_eq(got, count);
            ck_assert_uint_eq(index[n], UINT32_MAX); /* beyond n: nothing */
            unmake(&x);
            unmake(&value);
        }
}
END_TEST

Suite *slivi_suite_gemm(void)
{
    const struct {
        const char *name;
        const TTest *test;
    } cases[] = {{"multiply", products_are_chains},
                 {"multiply_t", transposed_products_are_chains},
                 {"long", long_products_are_chains},
                 {"empty", empty_products},
                 {"nan", exceptional_values_are_carried},
                 {"sparse", sparse_products_are_dense_ones},
                 {"nonzeros", nonzeros_are_found},
                 {"transpose", transposition},
                 {"bits", transposition_moves_bits}};
    Suite *s = suite_create("gemm");
    for (size_t i = 0; i < COUNT(cases); i++) {
        TCase *t = tcase_create(cases[i].name);
        tcase_add_unchecked_fixture(t, draw_noise, NULL);
        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, cases[i].test, 0, KINDS);
        suite_add_tcase(s, t);
    }
    return s;
}
