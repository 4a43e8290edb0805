/* blas.c - the one door to BLAS and LAPACK: no other file names their symbols.

   Only Fortran symbols are used, because an embedder's -lgslcblas may shadow
   every cblas_ one.  A row-major matrix is the transpose of the column-major
   one in the same memory, so C = A B is asked for as C' = B' A'.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>

/* Rows of C in one call of BLAS.  Part of what fixes the bits of a product:
   the same rows may round otherwise in a tile of another height. */
enum { TILE_ROWS = 64 };

/* The trailing size_t are the lengths that Fortran passes for CHARACTER. */
void sgemm_(const char *transa, const char *transb, const int *m, const int *n,
            const int *k, const float *alpha, const float *a, const int *lda,
            const float *b, const int *ldb, const float *beta, float *c,
            const int *ldc, size_t, size_t);
void dgemm_(const char *transa, const char *transb, const int *m, const int *n,
            const int *k, const double *alpha, const double *a, const int *lda,
            const double *b, const int *ldb, const double *beta, double *c,
            const int *ldc, size_t, size_t);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda,
             int *info, size_t);
void dtrsm_(const char *side, const char *uplo, const char *transa,
            const char *diag, const int *m, const int *n, const double *alpha,
            const double *a, const int *lda, double *b, const int *ldb, size_t,
            size_t, size_t, size_t);
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a,
             const int *lda, double *w, double *work, const int *lwork,
             int *iwork, const int *liwork, int *info, size_t, size_t);

/* Absent (NULL) in every BLAS but OpenBLAS. */
#define OPTIONAL __attribute__((weak))
void openblas_set_num_threads(int threads) OPTIONAL;
int openblas_get_num_threads(void) OPTIONAL;
int openblas_get_parallel(void) OPTIONAL;
char *openblas_get_corename(void) OPTIONAL;
char *openblas_get_config(void) OPTIONAL;

/* Present when that OpenBLAS, or the host, uses OpenMP. */
int omp_get_max_threads(void) OPTIONAL;
void omp_set_num_threads(int threads) OPTIONAL;

enum { OPENBLAS_OPENMP = 2 }; /* what openblas_get_parallel says of OpenMP */

const char *slivi_blas_core(void)
{
    return openblas_get_corename != NULL ? openblas_get_corename() : "unknown";
}

const char *slivi_blas_config(void)
{
    return openblas_get_config != NULL ? openblas_get_config() : "unknown";
}

/* The number of threads of BLAS belongs to the process, so its guard does. */
static struct {
    pthread_mutex_t lock;
    size_t inside; /* calls of enter without their leave */
    int host;      /* the host's number of threads, while inside > 0 */
} guard = {PTHREAD_MUTEX_INITIALIZER, 0, 1};

static int has_threads(void)
{
    return openblas_set_num_threads != NULL && openblas_get_num_threads != NULL;
}

/* An OpenMP build asks OpenMP at each call, and there the number belongs to
   the calling thread: every call of ours is made between these two. */
static int hold_thread(void)
{
    int host = 1;

    if (omp_get_max_threads != NULL && omp_set_num_threads != NULL)
        host = omp_get_max_threads();
    if (host != 1)
        omp_set_num_threads(1);
    return host;
}

static void release_thread(int host)
{
    if (host != 1)
        omp_set_num_threads(host);
}

static int make_serial(void)
{
    guard.host = 1;
    if (!has_threads() || openblas_get_num_threads() == 1)
        return 0;
    if (openblas_get_parallel != NULL
        && openblas_get_parallel() == OPENBLAS_OPENMP) {
        if (omp_get_max_threads != NULL && omp_set_num_threads != NULL)
            return 0; /* hold_thread does it */
        return slivi__fail(SLIVI_ESYSTEM,
                           "blas: this OpenMP build of OpenBLAS cannot be "
                           "made serial; set OMP_NUM_THREADS=1 before the "
                           "start");
    }
    guard.host = openblas_get_num_threads();
    openblas_set_num_threads(1);
    if (openblas_get_num_threads() == 1)
        return 0;
    return slivi__fail(SLIVI_ESYSTEM,
                       "blas: OpenBLAS stays at %d threads; set "
                       "OPENBLAS_NUM_THREADS=1 before the start",
                       openblas_get_num_threads());
}

int slivi__blas_enter(void)
{
    int status = 0;

    pthread_mutex_lock(&guard.lock);
    if (guard.inside == 0)
        status = make_serial();
    if (status == 0)
        guard.inside++;
    pthread_mutex_unlock(&guard.lock);
    return status;
}

void slivi__blas_leave(void)
{
    pthread_mutex_lock(&guard.lock);
    assert(guard.inside > 0);
    if (--guard.inside == 0 && has_threads() && guard.host != 1)
        openblas_set_num_threads(guard.host);
    pthread_mutex_unlock(&guard.lock);
}

void slivi_blas_serial(void)
{
    pthread_mutex_lock(&guard.lock);
    guard.host = 1;
    if (has_threads())
        openblas_set_num_threads(1);
    pthread_mutex_unlock(&guard.lock);
}

/* One product, as its tiles see it. */
struct product {
    int ta, tb;
    size_t m;
    int n, k, lda, ldb, ldc;
    double alpha, beta;
    const void *a, *b;
    void *c;
};

static const char *letter(int transposed)
{
    return transposed ? "T" : "N";
}

/* Where tile i starts in A (elements), and how many rows it has. */
static size_t tile(const struct product *p, size_t i, int *rows)
{
    const size_t first = i * TILE_ROWS, left = p->m - first;

    *rows = left < TILE_ROWS ? (int)left : TILE_ROWS;
    return p->ta ? first : first * (size_t)p->lda;
}

static int sgemm_tile(size_t i, void *ctx)
{
    const struct product *p = ctx;
    const float alpha = (float)p->alpha, beta = (float)p->beta;
    const int host = hold_thread();
    int rows;
    const float *a = (const float *)p->a + tile(p, i, &rows);
    float *c = (float *)p->c + i * TILE_ROWS * (size_t)p->ldc;

    sgemm_(letter(p->tb), letter(p->ta), &p->n, &rows, &p->k, &alpha, p->b,
           &p->ldb, a, &p->lda, &beta, c, &p->ldc, 1, 1);
    release_thread(host);
    return 0;
}

static int dgemm_tile(size_t i, void *ctx)
{
    const struct product *p = ctx;
    const int host = hold_thread();
    int rows;
    const double *a = (const double *)p->a + tile(p, i, &rows);
    double *c = (double *)p->c + i * TILE_ROWS * (size_t)p->ldc;

    dgemm_(letter(p->tb), letter(p->ta), &p->n, &rows, &p->k, &p->alpha, p->b,
           &p->ldb, a, &p->lda, &p->beta, c, &p->ldc, 1, 1);
    release_thread(host);
    return 0;
}

/* BLAS prints and may stop the program on a bad argument: none gets there. */
static int to_int(const char *what, size_t size, int *out)
{
    if (size > INT_MAX)
        return slivi__fail(SLIVI_EOVERFLOW,
                           "blas: %s = %zu does not fit an int", what, size);
    *out = (int)size;
    return 0;
}

/* A row stride: at least the row's length; BLAS wants 1 for empty rows. */
static int to_stride(const char *what, size_t stride, size_t length, int *out)
{
    if (stride < length)
        return slivi__fail(SLIVI_ESHAPE,
                           "blas: %s = %zu is less than its row of %zu", what,
                           stride, length);
    return to_int(what, stride > 0 ? stride : 1, out);
}

static int multiply(slivi_pool *pool, int (*gemm_tile)(size_t, void *),
                    struct product *p, const size_t size[2], const size_t ld[3])
{
    const size_t n = size[0], k = size[1];
    int status;

    if (p->m == 0 || n == 0)
        return 0;
    if ((status = to_int("n", n, &p->n)) != 0
        || (status = to_int("k", k, &p->k)) != 0
        || (status = to_stride("lda", ld[0], p->ta ? p->m : k, &p->lda)) != 0
        || (status = to_stride("ldb", ld[1], p->tb ? k : n, &p->ldb)) != 0
        || (status = to_stride("ldc", ld[2], n, &p->ldc)) != 0)
        return status;
    return slivi_pool_run(pool, (p->m - 1) / TILE_ROWS + 1, gemm_tile, p);
}

int slivi__sgemm(slivi_pool *pool, int ta, int tb, size_t m, size_t n, size_t k,
                 double alpha, const float *a, size_t lda, const float *b,
                 size_t ldb, double beta, float *c, size_t ldc)
{
    struct product p = {.ta = ta,
                        .tb = tb,
                        .m = m,
                        .alpha = alpha,
                        .beta = beta,
                        .a = a,
                        .b = b,
                        .c = c};

    return multiply(pool, sgemm_tile, &p, (const size_t[]){n, k},
                    (const size_t[]){lda, ldb, ldc});
}

int slivi__dgemm(slivi_pool *pool, int ta, int tb, size_t m, size_t n, size_t k,
                 double alpha, const double *a, size_t lda, const double *b,
                 size_t ldb, double beta, double *c, size_t ldc)
{
    struct product p = {.ta = ta,
                        .tb = tb,
                        .m = m,
                        .alpha = alpha,
                        .beta = beta,
                        .a = a,
                        .b = b,
                        .c = c};

    return multiply(pool, dgemm_tile, &p, (const size_t[]){n, k},
                    (const size_t[]){lda, ldb, ldc});
}

/* Column-major LAPACK sees the upper triangle of A = U' U with U = L'. */
int slivi__cholesky(size_t m, double *a)
{
    int order, host, info = 0, status = to_int("m", m, &order);
    size_t minor;

    if (status != 0 || m == 0)
        return status;
    host = hold_thread();
    dpotrf_("U", &order, a, &order, &info, 1);
    release_thread(host);
    assert(info >= 0);
    minor = (size_t)info;
    /* not every LAPACK looks for what is not finite */
    for (size_t i = 0; minor == 0 && i < m; i++)
        if (!isfinite(a[i * m + i]))
            minor = i + 1;
    if (minor == 0)
        return 0;
    if (!isfinite(a[(minor - 1) * m + minor - 1]))
        return slivi__fail(SLIVI_ENONFINITE,
                           "cholesky: the leading minor of order %zu of %zu "
                           "is not finite",
                           minor, m);
    return slivi__fail(SLIVI_ENOTPD,
                       "cholesky: the leading minor of order %zu of %zu is "
                       "not positive",
                       minor, m);
}

/* X' U = B' (or X' U' = B') with U = L'. */
void slivi__trisolve(int trans, size_t m, size_t k, const double *l, double *b)
{
    const double one = 1;
    int order, columns, host;

    if (m == 0 || k == 0)
        return;
    assert(m <= INT_MAX && k <= INT_MAX);
    order = (int)m;
    columns = (int)k;
    host = hold_thread();
    dtrsm_("R", "U", letter(trans), "N", &columns, &order, &one, l, &order, b,
           &columns, 1, 1, 1, 1);
    release_thread(host);
}

/* 1 + 6 m + 2 m^2 and 3 + 5 m: dsyevd's own bounds, which must fit its int. */
int slivi__eigen_room(size_t m, size_t *work, size_t *iwork)
{
    if (m > 32000)
        return slivi__fail(SLIVI_EOVERFLOW,
                           "eigen: order %zu is more than 32000", m);
    *work = 1 + 6 * m + 2 * m * m;
    *iwork = 3 + 5 * m;
    return 0;
}

/* LAPACK may not return from a NaN. */
static int check_triangle(size_t m, const double *a)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j <= i; j++)
            if (!isfinite(a[i * m + j]))
                return slivi__fail(SLIVI_ENONFINITE,
                                   "eigen: row %zu column %zu of %zu x %zu is "
                                   "%s",
                                   i, j, m, m, slivi__nonfinite(a[i * m + j]));
    return 0;
}

/* Column-major LAPACK sees the upper triangle, and leaves eigenvectors in
   columns: rows here. */
int slivi__eigen(size_t m, double *a, double *values, double *work, int *iwork)
{
    int order, host, lwork, liwork, info = 0, status;
    size_t length = 0, ilength = 0;

    if (m == 0)
        return 0;
    if ((status = slivi__eigen_room(m, &length, &ilength)) != 0
        || (status = check_triangle(m, a)) != 0)
        return status;
    order = (int)m;
    lwork = (int)length;
    liwork = (int)ilength;
    host = hold_thread();
    dsyevd_("V", "U", &order, a, &order, values, work, &lwork, iwork, &liwork,
            &info, 1, 1);
    release_thread(host);
    assert(info >= 0);
    if (info > 0)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "eigen: no convergence at order %zu", m);
    return 0;
}
