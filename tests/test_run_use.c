/* test_run_use.c - runs of a plan in hard places: zeros, floating-point modes,
   failures, memory.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "scratch.h"
#include "slivi/status.h"
#include "suites.h"
#include "works.h"

#include <fenv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

/* ---- sparse inputs ---------------------------------------------------- */

enum { WIDE = 80, OUT = 5 };

/* x (looked through for zeros) beside [a b] (never): products, gradients. */
typedef struct thin {
    slivi_graph *g;
    slivi_node x, a, b, w, gy, out[4];
    works k;
    char memory[4][MOST_ROWS * WIDE * sizeof(double)]; /* x, a, b, gy */
    char weights[WIDE * OUT * sizeof(double)];
    char result[4][MOST_ROWS * WIDE * sizeof(double)];
} thin;

static void put(const thin *t, char *x, size_t i, double value)
{
    if (slivi_graph_precision(t->g) == SLIVI_F32)
        ((float *)(void *)x)[i] = (float)value;
    else
        ((double *)(void *)x)[i] = value;
}

static void thin_open(thin *t, enum slivi_precision precision)
{
    slivi_graph *g = t->g = slivi_graph_create(precision);
    t->x = slivi_input(g, "x", SLIVI_ROWS, WIDE);
    t->a = slivi_input(g, "a", SLIVI_ROWS, WIDE / 2);
    t->b = slivi_input(g, "b", SLIVI_ROWS, WIDE / 2);
    t->w = slivi_input(g, "w", WIDE, OUT);
    t->gy = slivi_input(g, "gy", SLIVI_ROWS, OUT);
    slivi_node both[2] = {t->x, slivi_concat(g, t->a, t->b)};
    for (int i = 0; i < 2; i++) {
        t->out[i] = slivi_matmul(g, both[i], t->w);
        t->out[2 + i] = slivi_matmul_t(g, both[i], 1, t->gy, 0);
    }
    t->k = works_open(g, 4, t->out, MOST_ROWS, 2);
    const slivi_node in[4] = {t->x, t->a, t->b, t->gy};
    for (size_t i = 0; i < 4; i++) {
        works_bind(&t->k, in[i], t->memory[i]);
        works_bind(&t->k, t->out[i], t->result[i]);
    }
    works_bind(&t->k, t->w, t->weights);
    for (size_t i = 0; i < WIDE * OUT; i++)
        put(t, t->weights, i, sin((double)i));
    for (size_t i = 0; i < MOST_ROWS * OUT; i++)
        put(t, t->memory[3], i, cos((double)i));
}

/* `count` entries of n rows are not zero, spread by a stride. */
static void thin_fill(thin *t, size_t n, size_t count, int odd)
{
    for (size_t i = 0; i < n * WIDE; i++)
        put(t, t->memory[0], i, odd && i % 3 == 0 ? -0.0 : 0);
    for (size_t j = 0; j < count; j++) {
        const size_t i = j * 7919 % (n * WIDE); /* a prime */
        put(t, t->memory[0], i, 0.5 + sin((double)i));
    }
    if (odd) {
        put(t, t->memory[0], 7919 % (n * WIDE), NAN);
        put(t, t->memory[0], 0, -INFINITY);
    }
    for (size_t i = 0; i < n * WIDE; i++)
        put(t, t->memory[1 + (i % WIDE >= WIDE / 2)],
            i / WIDE * (WIDE / 2) + i % (WIDE / 2),
            works_entry(t->g, t->memory[0], i));
}

static void thin_check(thin *t, size_t n, int sparse)
{
    memset(t->result, 1, sizeof t->result);
    works_go(&t->k, &(slivi_run){.n = n});
    ck_assert_uint_eq(t->k.p->thin_count, 1);
    ck_assert_int_eq(t->k.ws->thin[0].rows.start != NULL, sparse);
    ck_assert_int_eq(t->k.ws->thin[0].columns.start != NULL, sparse);
    for (int i = 0; i < 4; i += 2)
        for (size_t j = 0; j < works_entries(t->g, t->out[i], n); j++) {
            const double a = works_entry(t->g, t->result[i], j);
            const double b = works_entry(t->g, t->result[i + 1], j);
            ck_assert_msg(a == b ? signbit(a) == signbit(b)
                                 : isnan(a) && isnan(b),
                          "output %d, entry %zu: %g, dense %g", i, j, a, b);
        }
}

START_TEST(zeros_are_skipped_without_a_trace)
{
    static const size_t sizes[] = {1, 64, 100, 257};
    thin *t = malloc(sizeof *t);
    thin_open(t, _i ? SLIVI_F64 : SLIVI_F32);
    for (int k = 0; k < 4; k++) {
        const size_t n = sizes[k], most = n * WIDE / 4;
        const struct {
            size_t count;
            int odd, sparse;
        } all[] = {{0, 0, 1},        {most / 5, 0, 1}, {n * WIDE, 0, 0},
                   {most, 0, 1},     {most + 1, 0, 0}, {most - 2, 1, 1},
                   {n * WIDE, 1, 0}, {most / 2, 1, 1}};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            thin_fill(t, n, all[i].count, all[i].odd);
            thin_check(t, n, all[i].sparse);
        }
    }
    works_close(&t->k);
    slivi_graph_free(t->g);
    free(t);
}
END_TEST

/* ---- floating-point modes --------------------------------------------- */

static unsigned mode(int which)
{
#ifdef __SSE__
    const unsigned old = _mm_getcsr();
    if (which == 1)
        _mm_setcsr(old | 0x8040); /* denormals are zeros, in and out */
    if (which >= 2)
        fesetround(which == 2 ? FE_UPWARD : FE_TOWARDZERO);
    return old;
#else
    if (which >= 2)
        fesetround(which == 2 ? FE_UPWARD : FE_TOWARDZERO);
    return 0;
#endif
}

static void check_mode(int which, unsigned before)
{
    ck_assert_int_eq(fegetround(), which == 2   ? FE_UPWARD
                                   : which == 3 ? FE_TOWARDZERO
                                                : FE_TONEAREST);
#ifdef __SSE__
    ck_assert_uint_eq((_mm_getcsr() ^ before) & 0x8040,
                      which == 1 ? 0x8040 : 0);
    _mm_setcsr(before);
#else
    (void)before;
#endif
    fesetround(FE_TONEAREST);
}

enum { TINY_ROWS = 257, TINY_COLS = 80, TINY_OUT = 10, TINY_IN = 8 };

/* Results that are, or come from, numbers below the normal ones. */
static void tiny_outputs(slivi_graph *g, const slivi_node *in, slivi_node *out)
{
    slivi_node x = in[0], w = in[1], f = in[2];
    out[0] = slivi_scale(g, slivi_mul(g, x, x), 1e30);
    out[1] = slivi_matmul(g, slivi_tanh(g, x), w);
    out[2] = slivi_row_sum(g, slivi_scale(g, x, 1e-20));
    out[3] = slivi_matmul_t(g, slivi_sin(g, x), 1, x, 0);
    out[4] = slivi_scale(g, slivi_sum_to(g, x, 1, TINY_COLS), 1e-20);
    out[5] = slivi_scale(g, slivi_matmul(g, f, w), 1e10); /* whole */
    for (int i = 0; i < 4; i++)                           /* sparse */
        out[6 + i] = slivi_matmul(g, in[4 + i], in[3]);
}

static void tiny_run(int which, int at_birth, float *result[TINY_OUT])
{
    static float x[TINY_ROWS * TINY_COLS], w[TINY_COLS * 80], f[300 * 80];
    static float thin_x[TINY_ROWS * TINY_COLS], big[TINY_COLS];
    slivi_graph *g = slivi_graph_create(SLIVI_F32);
    const slivi_node in[TINY_IN] = {slivi_input(g, "x", SLIVI_ROWS, TINY_COLS),
                                    slivi_input(g, "w", TINY_COLS, 80),
                                    slivi_input(g, "f", 300, 80),
                                    slivi_input(g, "big", TINY_COLS, 1),
                                    slivi_input(g, "p", SLIVI_ROWS, TINY_COLS),
                                    slivi_input(g, "q", SLIVI_ROWS, TINY_COLS),
                                    slivi_input(g, "r", SLIVI_ROWS, TINY_COLS),
                                    slivi_input(g, "s", SLIVI_ROWS, TINY_COLS)};
    float *const memory[TINY_IN] = {x,      w,      f,      big,
                                    thin_x, thin_x, thin_x, thin_x};
    slivi_node out[TINY_OUT];
    for (size_t i = 0; i < TINY_ROWS * TINY_COLS; i++) {
        x[i] = (float)(sin((double)i) * 1e-20);
        thin_x[i] = i % 11 ? 0 : 1e-40f;
    }
    for (size_t i = 0; i < TINY_COLS * 80; i++)
        w[i] = (float)(cos((double)i) * 1e-20);
    for (size_t i = 0; i < 300 * 80; i++)
        f[i] = (float)(cos((double)i) * 1e-20);
    for (size_t i = 0; i < TINY_COLS; i++)
        big[i] = 1e30f;
    tiny_outputs(g, in, out);
    unsigned before = mode(at_birth ? which : 0);
    works k = works_open(g, TINY_OUT, out, TINY_ROWS, 4);
    check_mode(at_birth ? which : 0, before);
    for (int i = 0; i < TINY_IN; i++)
        works_bind(&k, in[i], memory[i]);
    for (int i = 0; i < TINY_OUT; i++) {
        result[i] = works_room(g, out[i], TINY_ROWS);
        works_bind(&k, out[i], result[i]);
    }
    before = mode(which);
    const int status = slivi_workspace_run(k.ws, &(slivi_run){.n = TINY_ROWS});
    check_mode(which, before);
    ck_assert_int_eq(status, 0);
    works_close(&k);
    slivi_graph_free(g);
}

/* 0 .. 2: the caller's mode; 3 .. 5: also that of the pool's threads. */
START_TEST(the_mode_of_the_caller_does_not_matter)
{
    static const size_t cells[TINY_OUT] = {TINY_ROWS * TINY_COLS,
                                           TINY_ROWS * 80,
                                           TINY_ROWS,
                                           TINY_COLS * TINY_COLS,
                                           TINY_COLS,
                                           300 * 80,
                                           TINY_ROWS,
                                           TINY_ROWS,
                                           TINY_ROWS,
                                           TINY_ROWS};
    float *want[TINY_OUT], *got[TINY_OUT];
    tiny_run(0, 0, want);
    for (int again = 0; again < 8; again++) {
        unsigned differ = 0; /* bits by output */
        tiny_run(1 + _i % 3, _i >= 3, got);
        for (int i = 0; i < TINY_OUT; i++) {
            differ |= memcmp(got[i], want[i], cells[i] * sizeof(float))
                          ? 1u << i
                          : 0;
            ck_assert_float_ne(want[i][cells[i] / 2], 0);
            free(got[i]);
        }
        ck_assert_uint_eq(differ, 0);
    }
    for (int i = 0; i < TINY_OUT; i++)
        free(want[i]);
}
END_TEST

/* ---- failures --------------------------------------------------------- */

START_TEST(limits_of_a_run)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node y = slivi_noise(g, slivi_law_normal, SLIVI_ROWS, 2, 0);
    works k = works_open(g, 1, &y, 4, 0);
    const slivi_run good = {.n = 4,
                            .row = ((uint64_t)1 << 32) - 4,
                            .step = ((uint64_t)1 << 48) - 1};
    slivi_run bad[4] = {good, good, good, good};
    bad[0].row++;
    bad[1].step++;
    bad[2].n = 0;
    bad[3].n = 5;
    bad[3].row = 0;
    works_go(&k, &good);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(slivi_workspace_run(k.ws, &bad[i]), SLIVI_EINVAL);
    ck_assert_str_eq(slivi_errmsg(), "plan: 5 rows, at most 4 fit");
    works_go(&k, &good);
    works_close(&k);
    slivi_graph_free(g);
}
END_TEST

static int failing(size_t n, size_t d, const double *x, double *value,
                   double *grad, void *ctx)
{
    memset(grad, 0, n * d * sizeof *grad);
    memset(value, 0, n * sizeof *value);
    return *(int *)ctx ? (int)x[0] + 41 : 0;
}

/* Row 150 of 300 is in the third block of five; the same status and message as
   the plain executor's, on any pool, and all is well afterwards. */
/* Results are written while inputs are still read: memory of both is refused,
   where it is used by so many samples. */
START_TEST(overlaps_are_refused)
{
    float memory[30] = {0};
    slivi_graph *g = slivi_graph_create(SLIVI_F32);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 3);
    slivi_node y = slivi_tanh(g, x);
    works k = works_open(g, 1, &y, 5, 0);
    slivi_run run = {.n = 5};
    works_bind(&k, x, memory);
    works_bind(&k, y, memory + 15);
    works_go(&k, &run);
    works_bind(&k, y, memory + 12); /* apart with 4 samples */
    run.n = 4;
    works_go(&k, &run);
    run.n = 5;
    ck_assert_int_eq(slivi_workspace_run(k.ws, &run), SLIVI_EINVAL);
    ck_assert_str_eq(slivi_errmsg(),
                     "plan: output tanh.2 lies in the memory of input x");
    works_bind(&k, x, memory + 15);
    works_bind(&k, y, memory + 15);
    ck_assert_int_eq(slivi_workspace_run(k.ws, &run), SLIVI_EINVAL);
    works_bind(&k, y, memory);
    works_go(&k, &run);
    works_close(&k);
    slivi_graph_free(g);
    /* row numbers take 4 bytes, whatever the graph's precision */
    struct {
        int32_t index[4];
        double out[4];
    } near = {{1, 0, 1, 0}, {0}};
    double table[2] = {5, 7};
    g = slivi_graph_create(SLIVI_F64);
    slivi_node i = slivi_input_index(g, "i", SLIVI_ROWS);
    slivi_node t = slivi_input(g, "table", 2, 1), z = slivi_gather(g, t, i);
    k = works_open(g, 1, &z, 4, 0);
    works_bind(&k, i, near.index);
    works_bind(&k, t, table);
    works_bind(&k, z, near.out);
    works_go(&k, &(slivi_run){.n = 4});
    ck_assert_double_eq(near.out[0], 7);
    works_close(&k);
    slivi_graph_free(g);
    ck_assert_ptr_null(slivi_plan_create(NULL, 1, &y, 5));
    ck_assert_ptr_null(slivi_workspace_create(NULL, NULL));
    ck_assert_ptr_null(slivi_interp_create(NULL, 1, &y, 5, NULL));
}
END_TEST

START_TEST(failures_inside_a_run)
{
    enum { N = 300 };
    static double x[N * 2], y[N * 2];
    static int32_t index[2 * N];
    static const int status[] = {SLIVI_EINVAL, SLIVI_EINVAL, SLIVI_ENOTPD,
                                 SLIVI_ECALLBACK};
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    int fail = 0;
    double table[] = {1, 0, 0, 1};
    slivi_node in = slivi_input(g, "x", SLIVI_ROWS, 2);
    slivi_node a = slivi_input(g, "a", 2, 2);
    slivi_node i = slivi_input_index(g, "i", 2 * SLIVI_ROWS);
    slivi_node first = slivi_input_index(g, "first", SLIVI_ROWS);
    slivi_node gather = slivi_gather(g, a, i);
    slivi_node all[] = {slivi_sum_to(g, gather, SLIVI_ROWS, 2),
                        slivi_scatter_add(g, in, first, 2),
                        slivi_spd_solve(g, a, a),
                        slivi_external(g, in, failing, &fail)};
    const slivi_node out[2] = {slivi_exp(g, in), all[_i]};
    works k = works_open(g, 2, out, N, 1 + (size_t)_i % 3);
    slivi_interp *it = slivi_interp_create(g, 2, out, N, NULL);
    const slivi_node nodes[] = {in, a, i, first};
    void *const memory[] = {x, table, index, index};
    x[0] = 1;
    for (int j = 0; j < 4; j++) {
        works_bind(&k, nodes[j], memory[j]);
        slivi_interp_bind(it, nodes[j], memory[j]);
    }
    works_bind(&k, out[1], y);
    for (int again = 0; again < 3; again++) {
        char message[SLIVI__MESSAGE];
        works_go(&k, &(slivi_run){.n = N});
        table[1] = _i == 2 ? 3 : 0;
        index[150] = _i < 2 ? 7 : 0;
        index[200] = -1;
        fail = 1;
        ck_assert_int_eq(slivi_interp_run(it, &(slivi_run){.n = N}),
                         status[_i]);
        strcpy(message, slivi_errmsg());
        ck_assert_int_eq(slivi_workspace_run(k.ws, &(slivi_run){.n = N}),
                         status[_i]);
        ck_assert_str_eq(slivi_errmsg(), message);
        table[1] = fail = index[150] = index[200] = 0;
    }
    works_go(&k, &(slivi_run){.n = N});
    slivi_interp_free(it);
    works_close(&k);
    slivi_graph_free(g);
}
END_TEST

static int halves(size_t n, size_t d, const double *x, double *value,
                  double *grad, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n * d; i++)
        grad[i] = x[i];
    for (size_t i = 0; i < n; i++)
        value[i] = i ? 1 : 2;
    return 0;
}

/* What a user's function gives the whole batch is there when a sum over the
   samples reads it: sum x_i f'(x_i), sum x_i f(x_i), 5 (2 + 1 + ... + 1). */
START_TEST(sums_of_what_a_user_gives)
{
    enum { N = 70 };
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 1);
    slivi_node f = slivi_external(g, x, halves, NULL);
    const slivi_node out[3] = {slivi_matmul_t(g, x, 1, slivi_grad(g, f, x), 0),
                               slivi_matmul_t(g, x, 1, f, 0),
                               slivi_sum(g, slivi_scale(g, f, 5))};
    double in[N], got[3] = {0}, want, sum;
    works k = works_open(g, 3, out, N, 2);
    works_bind(&k, x, in);
    for (int again = 0; again < 2; again++) {
        want = sum = 0;
        for (int i = 0; i < N; i++) {
            in[i] = i + again;
            sum += in[i] * (i ? 1 : 2);
            want += in[i] * in[i];
        }
        for (int i = 0; i < 3; i++)
            works_bind(&k, out[i], &got[i]);
        works_go(&k, &(slivi_run){.n = N});
        ck_assert_double_eq(got[0], want);
        ck_assert_double_eq(got[1], sum);
        ck_assert_double_eq(got[2], 5 * (N + 1));
    }
    works_close(&k);
    slivi_graph_free(g);
}
END_TEST

START_TEST(a_run_allocates_nothing)
{
    scratch_memory *m = scratch_watch(0);
    for (uint64_t seed = 700; seed < 720; seed++) {
        trial t;
        void *y[OUTPUTS];
        trial_open(&t, seed % 2 ? SLIVI_F32 : SLIVI_F64, seed, 100);
        works k = works_open(t.w.g, t.count, t.out, 100, 2);
        trial_results(&t, &k, 100, 0, y);
        const size_t before = m->calls;
        for (size_t n = 1; n <= 100; n += 33)
            works_go(&k, &(slivi_run){.n = n, .accumulate = n > 50});
        ck_assert_uint_eq(m->calls, before);
        trial_release(&t, y);
        works_close(&k);
        trial_close(&t);
    }
    ck_assert_uint_eq(m->live, 0);
    scratch_unwatch();
}
END_TEST

Suite *slivi_suite_run_use(void)
{
    Suite *suite = suite_create("run_use");
    TCase *tc = tcase_create("run_use");

    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, zeros_are_skipped_without_a_trace, 0, 2);
    tcase_add_loop_test(tc, the_mode_of_the_caller_does_not_matter, 0, 6);
    tcase_add_test(tc, limits_of_a_run);
    tcase_add_test(tc, overlaps_are_refused);
    tcase_add_loop_test(tc, failures_inside_a_run, 0, 4);
    tcase_add_test(tc, sums_of_what_a_user_gives);
    tcase_add_test(tc, a_run_allocates_nothing);
    suite_add_tcase(suite, tc);
    return suite;
}
