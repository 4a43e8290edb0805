/* test_blas.c - products, the guard and Cholesky.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "suites.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

Suite *slivi_suite_blas(void);

/* The host's side of the guard; absent when another BLAS is linked. */
void openblas_set_num_threads(int threads) __attribute__((weak));
int openblas_get_num_threads(void) __attribute__((weak));
int openblas_get_parallel(void) __attribute__((weak));

/* -- products -------------------------------------------------------------- */

enum { PAD = 2, MOST = 130, ROOM = MOST * (MOST + PAD) };

/* Values that f32 holds, so that one reference serves both precisions. */
static void fill(double *x, float *f, uint32_t stream)
{
    const slivi_address at = {.seed = 11, .stream = stream};

    slivi_draw_f32(slivi_law_normal, &at, 1, ROOM, f);
    for (size_t i = 0; i < ROOM; i++)
        x[i] = f[i];
}

struct operands {
    double a[ROOM], b[ROOM], c[ROOM], out[ROOM];
    float fa[ROOM], fb[ROOM], fc[ROOM], fout[ROOM];
};

/* |C - reference| <= 2 eps (k + 2) (|alpha| |A| |B| + |beta C|), and nothing
   outside C's columns is written. */
static void check_product(const struct operands *o, int ta, int tb,
                          const size_t s[3], double alpha, double beta)
{
    const size_t m = s[0], n = s[1], k = s[2];
    const size_t lda = (ta ? m : k) + PAD, ldb = (tb ? k : n) + PAD;
    size_t wrong = 0;

    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n + PAD; j++) {
            const size_t at = i * (n + PAD) + j;
            long double sum = 0, size = 0;
            double bound;

            for (size_t l = 0; j < n && l < k; l++) {
                const long double t = (long double)
                                          o->a[ta ? l * lda + i : i * lda + l]
                                      * o->b[tb ? j * ldb + l : l * ldb + j];

                sum += t;
                size += fabsl(t);
            }
            if (j >= n) { /* padding */
                wrong += memcmp(&o->out[at], &o->c[at], sizeof o->c[at]) != 0;
                wrong += memcmp(&o->fout[at], &o->fc[at], sizeof o->fc[at])
                         != 0;
                continue;
            }
            sum *= alpha;
            size *= fabs(alpha);
            if (beta != 0) {
                sum += beta * o->c[at];
                size += fabs(beta * o->c[at]);
            }
            bound = 2 * (double)size * (double)(k + 2);
            wrong += !(fabs(o->out[at] - (double)sum) <= bound * DBL_EPSILON);
            wrong += !(fabs(o->fout[at] - (double)sum)
                       <= bound * (double)FLT_EPSILON);
        }
    ck_assert_msg(wrong == 0, "%zu wrong of %zu x %zu, k = %zu, trans %d %d",
                  wrong, m, n, k, ta, tb);
}

static void multiply(slivi_pool *pool, struct operands *o, int ta, int tb,
                     const size_t s[3], double alpha, double beta)
{
    const size_t m = s[0], n = s[1], k = s[2];
    const size_t lda = (ta ? m : k) + PAD, ldb = (tb ? k : n) + PAD;

    memcpy(o->out, o->c, sizeof o->c);
    memcpy(o->fout, o->fc, sizeof o->fc);
    if (beta == 0) /* then C is not read */
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                o->out[i * (n + PAD) + j] = NAN;
                o->fout[i * (n + PAD) + j] = NAN;
            }
    ck_assert_int_eq(slivi__dgemm(pool, ta, tb, m, n, k, alpha, o->a, lda, o->b,
                                  ldb, beta, o->out, n + PAD),
                     0);
    ck_assert_int_eq(slivi__sgemm(pool, ta, tb, m, n, k, alpha, o->fa, lda,
                                  o->fb, ldb, beta, o->fout, n + PAD),
                     0);
}

static const size_t shapes[][3] = {
    {1, 1, 1},     {1, 130, 3},  {3, 1, 65},     {3, 63, 64},  {63, 64, 1},
    {64, 65, 63},  {65, 3, 130}, {65, 63, 3},    {64, 1, 130}, {130, 130, 65},
    {130, 64, 64}, {130, 1, 1},  {1, 65, 130},   {63, 130, 0}, {130, 3, 0},
    {65, 65, 65},  {130, 63, 3}, {130, 130, 130}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static const double scales[][2] = {{1, 0}, {1, 1}, {-0.5, 2}, {0, 0.5}};

START_TEST(test_gemm)
{
    struct operands *o = malloc(sizeof *o);
    const int ta = _i & 1, tb = _i >> 1;

    fill(o->a, o->fa, 1);
    fill(o->b, o->fb, 2);
    fill(o->c, o->fc, 3);
    ck_assert_int_eq(slivi__blas_enter(), 0);
    for (size_t s = 0; s < SHAPES; s++) {
        const double *scale = scales[(s + (size_t)_i) % 4];

        multiply(NULL, o, ta, tb, shapes[s], scale[0], scale[1]);
        check_product(o, ta, tb, shapes[s], scale[0], scale[1]);
    }
    slivi__blas_leave();
    free(o);
}
END_TEST

START_TEST(test_gemm_bits)
{
    struct operands *o = malloc(sizeof *o), *serial = malloc(sizeof *serial);
    slivi_pool *pool = slivi_pool_create((size_t)_i);

    fill(o->a, o->fa, 1);
    fill(o->b, o->fb, 2);
    fill(o->c, o->fc, 3);
    memcpy(serial, o, sizeof *o);
    ck_assert_int_eq(slivi__blas_enter(), 0);
    for (size_t s = 0; s < SHAPES; s++)
        for (int t = 0; t < 4; t++) {
            multiply(NULL, serial, t & 1, t >> 1, shapes[s], 1.5, 1);
            multiply(pool, o, t & 1, t >> 1, shapes[s], 1.5, 1);
            ck_assert_mem_eq(o->out, serial->out, sizeof o->out);
            ck_assert_mem_eq(o->fout, serial->fout, sizeof o->fout);
        }
    slivi__blas_leave();
    slivi_pool_free(pool);
    free(serial);
    free(o);
}
END_TEST

START_TEST(test_gemm_arguments)
{
    double c[4] = {1, 2, 3, 4};
    const size_t big = (size_t)INT_MAX + 1;

    ck_assert_int_eq(slivi__dgemm(NULL, 0, 0, 0, 2, 2, 1, c, 2, c, 2, 0, c, 2),
                     0);
    ck_assert_int_eq(slivi__dgemm(NULL, 0, 0, 2, 0, 2, 1, c, 2, c, 2, 0, c, 2),
                     0);
    ck_assert_double_eq(c[0], 1);
    ck_assert_int_eq(slivi__dgemm(NULL, 0, 0, 2, 2, 0, 1, c, 0, c, 2, 3, c, 2),
                     0);
    ck_assert_double_eq(c[3], 12);
    ck_assert_int_eq(
        slivi__dgemm(NULL, 0, 0, 2, big, 2, 1, c, 2, c, big, 0, c, big),
        SLIVI_EOVERFLOW);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "n = 2147483648"));
    ck_assert_int_eq(
        slivi__dgemm(NULL, 0, 0, 2, 2, big, 1, c, big, c, 2, 0, c, 2),
        SLIVI_EOVERFLOW);
    ck_assert_int_eq(slivi__dgemm(NULL, 0, 0, 2, 2, 2, 1, c, 1, c, 2, 0, c, 2),
                     SLIVI_ESHAPE);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "lda = 1"));
    ck_assert_int_eq(slivi__dgemm(NULL, 1, 0, 3, 2, 2, 1, c, 2, c, 2, 0, c, 2),
                     SLIVI_ESHAPE);
    ck_assert_int_eq(slivi__dgemm(NULL, 0, 1, 2, 2, 3, 1, c, 3, c, 2, 0, c, 2),
                     SLIVI_ESHAPE);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "ldb = 2"));
    ck_assert_int_eq(slivi__dgemm(NULL, 0, 0, 2, 2, 2, 1, c, 2, c, 2, 0, c, 1),
                     SLIVI_ESHAPE);
    ck_assert_double_eq(c[3], 12);
}
END_TEST

/* -- the guard ------------------------------------------------------------- */

static int enter_and_leave(size_t i, void *ctx)
{
    int status = 0;

    (void)i;
    (void)ctx;
    for (int repeat = 0; status == 0 && repeat < 20; repeat++) {
        status = slivi__blas_enter();
        if (status == 0 && openblas_get_num_threads() != 1)
            status = slivi__fail(SLIVI_ESYSTEM, "not serial");
        slivi__blas_leave();
    }
    return status;
}

START_TEST(test_guard)
{
    slivi_pool *pool;

    ck_assert_ptr_nonnull(slivi_blas_core());
    ck_assert_str_ne(slivi_instruction_set(), "");
    ck_assert_ptr_nonnull(slivi_blas_config());
    if (openblas_set_num_threads == NULL || openblas_get_num_threads == NULL)
        return;
    ck_assert_ptr_nonnull(strstr(slivi_blas_config(), "OpenBLAS"));
    ck_assert_str_ne(slivi_blas_core(), "unknown");

    openblas_set_num_threads(2);
    /* built for one thread; or for OpenMP, which is held call by call */
    if (openblas_get_num_threads() != 2 || openblas_get_parallel() == 2)
        return;
    ck_assert_int_eq(slivi__blas_enter(), 0);
    ck_assert_int_eq(openblas_get_num_threads(), 1);
    ck_assert_int_eq(slivi__blas_enter(), 0);
    slivi__blas_leave();
    ck_assert_int_eq(openblas_get_num_threads(), 1);
    slivi__blas_leave();
    ck_assert_int_eq(openblas_get_num_threads(), 2);

    pool = slivi_pool_create(4);
    ck_assert_int_eq(slivi_pool_run(pool, 100, enter_and_leave, NULL), 0);
    slivi_pool_free(pool);
    ck_assert_int_eq(openblas_get_num_threads(), 2);

    ck_assert_int_eq(slivi__blas_enter(), 0);
    slivi_blas_serial(); /* also while a function of slivi runs */
    slivi__blas_leave();
    ck_assert_int_eq(openblas_get_num_threads(), 1);
    openblas_set_num_threads(2);
    slivi_blas_serial();
    ck_assert_int_eq(openblas_get_num_threads(), 1);
    ck_assert_int_eq(slivi__blas_enter(), 0);
    slivi__blas_leave();
    ck_assert_int_eq(openblas_get_num_threads(), 1);
}
END_TEST

/* -- Cholesky -------------------------------------------------------------- */

/* A = B B' / m + I from a fixed stream; NAN above the diagonal, which must
   not be read. */
static void spd(size_t m, double *a)
{
    const slivi_address at = {.seed = 12, .stream = (uint32_t)m};
    double *b = malloc(m * m * sizeof *b);

    slivi_draw(slivi_law_normal, &at, m, m, b);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            double sum = i == j;

            for (size_t k = 0; k < m; k++)
                sum += b[i * m + k] * b[j * m + k] / (double)m;
            a[i * m + j] = j > i ? (double)NAN : sum;
        }
    free(b);
}

/* L L' = A, L X = B and L' X = B to a few eps times the sizes summed. */
START_TEST(test_cholesky)
{
    static const size_t sizes[] = {1, 2, 5, 33, 130};
    enum { K = 3 };
    const size_t m = sizes[_i];
    const double eps = 4 * (double)(m + 1) * DBL_EPSILON;
    const slivi_address at = {.seed = 13};
    double *a = malloc(m * m * sizeof *a), *l = malloc(m * m * sizeof *l);
    double b[MOST * K], x[MOST * K];

    spd(m, a);
    memcpy(l, a, m * m * sizeof *l);
    ck_assert_int_eq(slivi__cholesky(m, l), 0);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            double sum = 0, size = 0;

            if (j > i) {
                ck_assert_double_nan(l[i * m + j]);
                continue;
            }
            for (size_t k = 0; k <= j; k++) {
                sum += l[i * m + k] * l[j * m + k];
                size += fabs(l[i * m + k] * l[j * m + k]);
            }
            ck_assert_double_le(fabs(sum - a[i * m + j]), eps * size);
        }
    slivi_draw(slivi_law_normal, &at, m, K, b);
    for (int trans = 0; trans < 2; trans++) {
        memcpy(x, b, sizeof x);
        slivi__trisolve(trans, m, K, l, x);
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < K; j++) {
                double sum = 0, size = fabs(b[i * K + j]);

                for (size_t k = trans ? i : 0; k < (trans ? m : i + 1); k++) {
                    const double t = l[trans ? k * m + i : i * m + k]
                                     * x[k * K + j];

                    sum += t;
                    size += fabs(t);
                }
                ck_assert_double_le(fabs(sum - b[i * K + j]), eps * size);
            }
    }
    free(l);
    free(a);
}
END_TEST

START_TEST(test_cholesky_fails)
{
    double a[25];

    spd(5, a);
    a[2 * 5 + 2] = -1;
    ck_assert_int_eq(slivi__cholesky(5, a), SLIVI_ENOTPD);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "order 3 of 5"));
    spd(5, a);
    a[3 * 5 + 1] = (double)NAN;
    ck_assert_int_eq(slivi__cholesky(5, a), SLIVI_ENONFINITE);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "order 4 of 5"));
    spd(5, a);
    a[0] = (double)INFINITY;
    ck_assert_int_eq(slivi__cholesky(5, a), SLIVI_ENONFINITE);
    ck_assert_int_eq(slivi__cholesky((size_t)INT_MAX + 1, a), SLIVI_EOVERFLOW);
    ck_assert_int_eq(slivi__cholesky(0, NULL), 0);
    slivi__trisolve(0, 0, 1, a, a);
    slivi__trisolve(0, 1, 0, a, a);
}
END_TEST

Suite *slivi_suite_blas(void)
{
    Suite *suite = suite_create("blas");
    TCase *tc = tcase_create("blas");

    tcase_add_loop_test(tc, test_gemm, 0, 4);
    tcase_add_loop_test(tc, test_gemm_bits, 1, 5);
    tcase_add_test(tc, test_gemm_arguments);
    tcase_add_test(tc, test_guard);
    tcase_add_loop_test(tc, test_cholesky, 0, 5);
    tcase_add_test(tc, test_cholesky_fails);
    suite_add_tcase(suite, tc);
    return suite;
}
