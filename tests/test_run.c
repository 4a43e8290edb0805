/* test_run.c - what runs of a plan give: the plain executor's results, the same
   bits whoever runs what, and outputs where they are wanted.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/status.h"
#include "suites.h"
#include "testing.h"
#include "works.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- random graphs ---------------------------------------------------- */

static void plain(const trial *t, const slivi_run *run, void **y)
{
    slivi_interp *it = slivi_interp_create(t->w.g, t->count, t->out, run->n,
                                           NULL);
    ck_assert_msg(it != NULL, "%s", slivi_errmsg());
    for (size_t i = 0; i < t->w.inputs; i++)
        slivi_interp_bind(it, t->w.input[i], t->in[i]);
    for (size_t i = 0; i < t->count; i++)
        if (!trial_repeats(t, i))
            slivi_interp_bind(it, t->out[i], y[i]);
    ck_assert_msg(!slivi_interp_run(it, run), "%s", slivi_errmsg());
    slivi_interp_free(it);
}

/* Norm-wise to rounding, where all is finite. */
static int agree(const slivi_graph *g, size_t count, const void *a,
                 const void *b)
{
    const double eps = slivi_graph_precision(g) == SLIVI_F32 ? 0x1p-23
                                                             : 0x1p-52;
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs(works_entry(g, a, i)));
    for (size_t i = 0; i < count; i++)
        if (!(fabs(works_entry(g, a, i) - works_entry(g, b, i))
              <= 2000 * eps * (1 + most)))
            return 0;
    return 1;
}

enum { GRAPHS = 30 };

START_TEST(random_graphs_are_the_plain_ones)
{
    static const size_t sizes[] = {1, 8, 40, 257};
    for (uint64_t k = 0; k < GRAPHS; k++) {
        const uint64_t seed = 1 + (uint64_t)_i * GRAPHS + k;
        const slivi_run run = {.n = sizes[seed / 3 % 4],
                               .seed = 5,
                               .step = 2,
                               .row = 9,
                               .chunk = seed % 2};
        trial t;
        void *want[OUTPUTS], *got[OUTPUTS];
        trial_open(&t, seed % 2 ? SLIVI_F64 : SLIVI_F32, seed, run.n);
        works p = works_open(t.w.g, t.count, t.out,
                             seed % 4 ? MOST_ROWS : run.n, 1 + seed % 3);
        for (size_t i = 0; i < t.count; i++) {
            want[i] = works_room(t.w.g, t.out[i], run.n);
            got[i] = works_room(t.w.g, t.out[i], run.n);
        }
        plain(&t, &run, want);
        trial_run(&t, &p, &run, got);
        for (size_t i = 0; i < t.count; i++) {
            ck_assert_msg(agree(t.w.g, works_entries(t.w.g, t.out[i], run.n),
                                want[i], got[i]),
                          "graph %lu, output %zu", (unsigned long)seed, i);
            free(want[i]);
            free(got[i]);
        }
        works_close(&p);
        trial_close(&t);
    }
}
END_TEST

/* ---- the same bits ---------------------------------------------------- */

START_TEST(bits_do_not_depend_on_the_pool)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        trial t;
        void *want[OUTPUTS], *got[OUTPUTS];
        trial_open(&t, seed % 2 ? SLIVI_F32 : SLIVI_F64, 36 * seed + 35,
                   MOST_ROWS);
        works one = works_open(t.w.g, t.count, t.out, MOST_ROWS, 0);
        works many = works_open(t.w.g, t.count, t.out, MOST_ROWS,
                                (size_t)_i + 1);
        trial_results(&t, &one, MOST_ROWS, 0, want);
        for (int again = 0; again < 3; again++) {
            trial_results(&t, &many, MOST_ROWS, 0, got);
            for (size_t i = 0; i < t.count; i++)
                ck_assert_mem_eq(got[i], want[i],
                                 works_bytes(t.w.g, t.out[i], MOST_ROWS));
            trial_release(&t, got);
        }
        trial_release(&t, want);
        works_close(&one);
        works_close(&many);
        trial_close(&t);
    }
}
END_TEST

/* What sums over samples, or is made from such a sum. */
static void mark_mixed(const slivi_graph *g, char *mixed)
{
    for (int id = 1; id <= (int)slivi_graph_count(g); id++) {
        const slivi__node *node = slivi__at(g, (slivi_node){id});
        for (int k = 0; k < node->op->arity; k++) {
            const slivi_node in = node->in[k];
            mixed[id] |= mixed[in.id]
                         || (node->rows > 0 && slivi_node_rows(g, in) < 0);
        }
    }
}

static int is_by_row(const slivi_graph *g, slivi_node x)
{
    char mixed[4096] = {0};
    ck_assert_uint_lt(slivi_graph_count(g), sizeof mixed);
    mark_mixed(g, mixed);
    return slivi_node_rows(g, x) < 0 && !mixed[x.id];
}

/* Entries of one slice of row `row` among `all` of n; slices compared. */
static size_t compare_row(const trial *t, size_t row, void **all, void **alone)
{
    size_t compared = 0;
    for (size_t i = 0; i < t->count; i++) {
        const size_t slices = (size_t)-slivi_node_rows(t->w.g, t->out[i]);
        const size_t wide = works_bytes(t->w.g, t->out[i], 1) / slices;
        if (!is_by_row(t->w.g, t->out[i]) || trial_repeats(t, i))
            continue;
        for (size_t s = 0; s < slices; s++, compared++)
            ck_assert_msg(!memcmp((char *)alone[i] + s * wide,
                                  (char *)all[i] + (s * MOST_ROWS + row) * wide,
                                  wide),
                          "row %zu, output %zu (%s)", row, i,
                          slivi_node_op(t->w.g, t->out[i]));
    }
    return compared;
}

START_TEST(a_row_is_the_same_alone)
{
    static const size_t rows[] = {0, 63, 64, 200, 256};
    size_t compared = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        trial t;
        void *all[OUTPUTS], *alone[OUTPUTS];
        trial_open(&t, seed % 2 ? SLIVI_F32 : SLIVI_F64, 500 + seed, MOST_ROWS);
        works k = works_open(t.w.g, t.count, t.out, MOST_ROWS, 0);
        trial_results(&t, &k, MOST_ROWS, 0, all);
        for (size_t i = 0; i < t.w.inputs; i++)
            free(t.in[i]);
        for (int r = 0; r < 5; r++) {
            for (size_t i = 0; i < t.w.inputs; i++)
                t.in[i] = wild_memory(&t.w, i, 1, rows[r]);
            trial_results(&t, &k, 1, rows[r], alone);
            compared += compare_row(&t, rows[r], all, alone);
            trial_release(&t, alone);
            for (size_t i = 0; i < t.w.inputs; i++)
                free(t.in[i]);
        }
        trial_release(&t, all);
        works_close(&k);
        wild_close(&t.w);
    }
    ck_assert_uint_gt(compared, 200);
}
END_TEST

/* Two threads with a workspace each, one pool between them. */
typedef struct racer {
    trial *t;
    works k;
    void *const *want[2]; /* by step */
    int bad;
} racer;

static void *race(void *arg)
{
    racer *r = arg;
    void *y[OUTPUTS];
    for (size_t i = 0; i < r->t->count; i++) {
        y[i] = calloc(works_bytes(r->t->w.g, r->t->out[i], 40) + 1, 1);
        if (!trial_repeats(r->t, i))
            slivi_workspace_bind(r->k.ws, r->t->out[i], y[i]);
    }
    for (uint64_t step = 0; step < 400; step++) {
        const slivi_run run = {.n = 40, .seed = 3, .step = step % 2};
        r->bad += slivi_workspace_run(r->k.ws, &run) != 0;
        for (size_t i = 0; i < r->t->count; i++)
            r->bad += memcmp(y[i], r->want[step % 2][i],
                             works_bytes(r->t->w.g, r->t->out[i], 40))
                      != 0;
    }
    for (size_t i = 0; i < r->t->count; i++)
        free(y[i]);
    return NULL;
}

START_TEST(two_workspaces_run_at_the_same_time)
{
    trial t;
    racer r[2];
    void *want[2][OUTPUTS];
    pthread_t thread;
    trial_open(&t, SLIVI_F32, 36 * 7 + 35, 40);
    works k = works_open(t.w.g, t.count, t.out, 40, 2);
    for (uint64_t step = 0; step < 2; step++) {
        const slivi_run run = {.n = 40, .seed = 3, .step = step};
        for (size_t i = 0; i < t.count; i++)
            want[step][i] = works_room(t.w.g, t.out[i], 40);
        trial_run(&t, &k, &run, want[step]);
    }
    for (int i = 0; i < 2; i++) {
        r[i] = (racer){&t, k, {want[0], want[1]}, 0};
        r[i].k.ws = slivi_workspace_create(k.p, k.pool);
        for (size_t j = 0; j < t.w.inputs; j++)
            works_bind(&r[i].k, t.w.input[j], t.in[j]);
    }
    ck_assert_int_eq(pthread_create(&thread, NULL, race, &r[0]), 0);
    race(&r[1]);
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(r[i].bad, 0);
        slivi_workspace_free(r[i].k.ws);
        trial_release(&t, want[i]);
    }
    works_close(&k);
    trial_close(&t);
}
END_TEST

/* ---- outputs ---------------------------------------------------------- */

/* y = e^x, its square, an alias, an input: bound, unbound, bound to NULL. */
START_TEST(outputs_are_bound_and_unbound)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 1);
    slivi_node idle = slivi_input(g, "idle", 3, 3);
    slivi_node y = slivi_exp(g, x), z = slivi_square(g, y);
    slivi_node out[] = {y,
                        z,
                        slivi_variable(g, y),
                        x,
                        slivi_variable(g, x),
                        y,
                        slivi_variable(g, slivi_variable(g, z))};
    double in[2] = {0, 1}, m[4][3];
    const double e[2] = {1, exp(1)};
    works k = works_open(g, 7, out, 3, 0);
    ck_assert_int_eq(slivi_workspace_run(k.ws, &(slivi_run){.n = 2}),
                     SLIVI_EINVAL);
    ck_assert_str_eq(slivi_errmsg(), "plan: input x is not bound");
    works_bind(&k, x, in);
    for (int bound = 0; bound < 16; bound++) {
        const slivi_node to[4] = {y, z, out[2], out[4]};
        for (int i = 0; i < 4; i++) {
            for (int j = 0; j < 3; j++)
                m[i][j] = -7;
            works_bind(&k, to[i], bound >> i & 1 ? m[i] : NULL);
        }
        for (int add = 0; add < 2; add++) {
            works_go(&k, &(slivi_run){.n = 2, .accumulate = add});
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 3; j++) {
                    const double once = i == 1   ? e[j % 2] * e[j % 2]
                                        : i == 3 ? in[j % 2]
                                                 : e[j % 2];
                    const double want = !(bound >> i & 1) || j == 2
                                            ? -7
                                            : once * (1 + add);
                    ck_assert_double_eq_tol(m[i][j], want, 1e-14);
                }
        }
    }
    works_bind(&k, idle, NULL);
    ck_assert_int_eq(slivi_workspace_bind(k.ws, (slivi_node){0}, in),
                     SLIVI_EINVAL);
    ck_assert_int_eq(slivi_workspace_bind(k.ws, (slivi_node){99}, in),
                     SLIVI_EINVAL);
    slivi_node late = slivi_input(g, "late", 1, 1);
    ck_assert_int_eq(slivi_workspace_bind(k.ws, late, in), SLIVI_EINVAL);
    works_bind(&k, x, NULL);
    ck_assert_int_eq(slivi_workspace_run(k.ws, &(slivi_run){.n = 2}),
                     SLIVI_EINVAL);
    works_close(&k);
    slivi_graph_free(g);
}
END_TEST

enum { ALONE, READ, ALIAS, ALIAS_FIRST };

/* A gradient, a sum, a row value, a gradient of two terms, a fixed product, a
   term that is read twice. */
static slivi_node kind_of_output(slivi_graph *g, int kind, slivi_node x,
                                 slivi_node w)
{
    slivi_node h = slivi_matmul(g, x, w);
    slivi_node d = slivi_matmul_t(g, x, 1, h, 0);
    slivi_node two = slivi_add(g, d, slivi_matmul_t(g, x, 1, x, 0));
    const slivi_node all[] = {d,
                              slivi_sum_to(g, h, 1, slivi_node_cols(g, h)),
                              h,
                              two,
                              slivi_matmul(g, w, w),
                              slivi_add(g, two, d)};
    return all[kind];
}

/* Alone, with a reader or with an alias: two runs that accumulate are twice
   one. */
START_TEST(accumulated_outputs)
{
    enum { N = 70, C = 6 };
    for (int kind = 0; kind < 6; kind++) {
        testing t;
        testing_open(&t, SLIVI_F64, N);
        slivi_node x = testing_input(&t, SLIVI_ROWS, C, -1, 1, 0);
        slivi_node w = testing_input(&t, C, C, -1, 1, 0);
        slivi_node y = kind_of_output(t.g, kind, x, w);
        slivi_node beside = _i == ALONE  ? y
                            : _i == READ ? slivi_scale(t.g, y, 2)
                                         : slivi_variable(t.g, y);
        const slivi_node out[2] = {_i == ALIAS_FIRST ? beside : y,
                                   _i == ALIAS_FIRST ? y : beside};
        const size_t count = testing_entries(&t, y);
        double *want = testing_eval(&t, y);
        double *got[2] = {works_room(t.g, y, N), works_room(t.g, y, N)};
        works k = works_open(t.g, 2, out, N, 2);
        works_bind(&k, x, testing_value(&t, x));
        works_bind(&k, w, testing_value(&t, w));
        for (int i = 0; i < 2 - (_i == ALONE); i++)
            works_bind(&k, out[i], got[i]);
        for (int again = 0; again < 2; again++)
            works_go(&k, &(slivi_run){.n = N, .accumulate = 1});
        for (size_t i = 0; i < count; i++)
            for (int j = 0; j < 2; j++) {
                const double times = j && _i < ALIAS ? 4 * _i : 2;
                ck_assert_msg(fabs(got[j][i] - times * want[i]) < 1e-12,
                              "kind %d, output %d: %g, not %g times %g", kind,
                              j, got[j][i], times, want[i]);
            }
        free(want);
        free(got[0]);
        free(got[1]);
        works_close(&k);
        testing_close(&t);
    }
}
END_TEST

/* The trace by unit vectors: chunks of 2 add up to one of 6; the second plan
   reads what the first one writes. */
START_TEST(chunks_and_plans_in_a_row)
{
    enum { N = 66, D = 6 };
    testing t;
    testing_open(&t, SLIVI_F64, N);
    slivi_graph *g = t.g;
    slivi_node x = testing_input(&t, SLIVI_ROWS, D, -1, 1, 0);
    slivi_node w = testing_input(&t, D, D, -1, 1, 0);
    slivi_node s = slivi_tanh(g, slivi_matmul(g, x, w));
    slivi_node trace[2], z = slivi_input(g, "z", SLIVI_ROWS, 1);
    double got[2][N], last[N];
    for (size_t i = 0; i < 2; i++) {
        slivi_node e = slivi_units(g, i ? D : 2, D);
        trace[i] = slivi_sum_to(g, slivi_row_dot(g, e, slivi_jvp(g, s, x, e)),
                                SLIVI_ROWS, 1);
    }
    slivi_node after = slivi_scale(g, z, 3);
    works second = works_open(g, 1, &after, N, 0);
    works_bind(&second, z, got[0]);
    works_bind(&second, after, last);
    for (size_t i = 0; i < 2; i++) {
        works k = works_open(g, 1, &trace[i], N, 2);
        works_bind(&k, x, testing_value(&t, x));
        works_bind(&k, w, testing_value(&t, w));
        works_bind(&k, trace[i], got[i]);
        for (size_t c = 0; c < (i ? 1 : 3); c++)
            works_go(&k, &(slivi_run){.n = N, .chunk = c, .accumulate = c > 0});
        if (!i)
            works_go(&second, &(slivi_run){.n = N});
        works_close(&k);
    }
    for (size_t i = 0; i < N; i++) {
        ck_assert_double_eq_tol(got[0][i], got[1][i], 1e-13);
        ck_assert_double_eq(last[i], 3 * got[0][i]);
    }
    works_close(&second);
    testing_close(&t);
}
END_TEST

/* d mean(tanh(x w)) / dw at w = 0, x = 0.1: each of many rows (samples, or slices
   of few) adds the same, so that nothing is rounded away by chance. */
START_TEST(gradients_of_many_rows_keep_their_digits)
{
    enum { MANY = 60000, SLICES = 250, D = 4, WIDE = 32 };
    const size_t n = _i ? MANY / SLICES : MANY;
    float *x = malloc(MANY * D * sizeof *x), w[D * WIDE] = {0}, gw[D * WIDE];
    slivi_graph *g = slivi_graph_create(SLIVI_F32);
    slivi_node in = slivi_input(g, "x", SLIVI_ROWS, D), xs = in;
    slivi_node ws = slivi_input(g, "w", D, WIDE), grad;
    if (_i)
        xs = slivi_broadcast(g, xs, SLICES * SLIVI_ROWS, D);
    slivi_node y = slivi_mean(g, slivi_tanh(g, slivi_matmul(g, xs, ws)));
    ck_assert_int_eq(slivi_vjp(g, y, slivi_full(g, 1, 1, 1), 1, &ws, &grad), 0);
    for (size_t i = 0; i < n * D; i++)
        x[i] = 0.1F;
    works k = works_open(g, 1, &grad, n, 1);
    works_bind(&k, in, x);
    works_bind(&k, ws, w);
    works_bind(&k, grad, gw);
    works_go(&k, &(slivi_run){.n = n});
    const double exact = (double)0.1F / WIDE;
    for (size_t i = 0; i < D * WIDE; i++)
        ck_assert_double_le(fabs((double)gw[i] / exact - 1), 1e-4);
    works_close(&k);
    slivi_graph_free(g);
    free(x);
}
END_TEST

/* A gradient that is an output is not merged into the sum that reads it; rows
   that a later level's gradient reads outlive their band. */
START_TEST(gradients_that_others_need)
{
    enum { N = 700, D = 3 };
    testing t;
    testing_open(&t, SLIVI_F64, N);
    slivi_graph *g = t.g;
    slivi_node x = testing_input(&t, SLIVI_ROWS, D, -1, 1, 0);
    slivi_node z = testing_input(&t, SLIVI_ROWS, D, -1, 1, 0);
    slivi_node w = testing_input(&t, D, D, -1, 1, 0);
    slivi_node a = slivi_matmul_t(g, x, 1, z, 0);
    slivi_node out[2] = {a, slivi_add(g, a, slivi_matmul_t(g, z, 1, z, 0))};
    double *want[2] = {testing_eval(&t, out[0]), testing_eval(&t, out[1])};
    double got[2][D * D];
    works k = works_open(g, 2, out, N, 2);
    for (size_t i = 0; i < t.count; i++)
        works_bind(&k, t.leaf[i].node, t.leaf[i].value);
    for (size_t i = 0; i < 2; i++)
        works_bind(&k, out[i], got[i]);
    works_go(&k, &t.run);
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < D * D; j++)
            ck_assert_double_le(fabs(got[i][j] - want[i][j]), 1e-9);
    works_close(&k);
    free(want[0]);
    free(want[1]);
    /* e' c, where c needs a sum over all samples and e does not */
    slivi_node h = slivi_tanh(g, slivi_matmul(g, x, w));
    slivi_node m = slivi_mean(g, slivi_square(g, h));
    slivi_node e = slivi_exp(g, h);
    slivi_node c = slivi_sin(g, slivi_mul(g, slivi_cos(g, x), m));
    free(testing_eval(&t, slivi_matmul_t(g, e, 1, c, 0)));
    testing_close(&t);
}
END_TEST

Suite *slivi_suite_run(void)
{
    Suite *suite = suite_create("run");
    TCase *tc = tcase_create("run");

    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, random_graphs_are_the_plain_ones, 0, 10);
    tcase_add_loop_test(tc, bits_do_not_depend_on_the_pool, 0, 4);
    tcase_add_test(tc, a_row_is_the_same_alone);
    tcase_add_test(tc, two_workspaces_run_at_the_same_time);
    tcase_add_test(tc, outputs_are_bound_and_unbound);
    tcase_add_loop_test(tc, accumulated_outputs, 0, 4);
    tcase_add_test(tc, chunks_and_plans_in_a_row);
    tcase_add_loop_test(tc, gradients_of_many_rows_keep_their_digits, 0, 2);
    tcase_add_test(tc, gradients_that_others_need);
    suite_add_tcase(suite, tc);
    return suite;
}
