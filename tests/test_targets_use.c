/* test_targets_use.c - the targets with names as functions: arguments, files
   that are not as they should be, minibatches, threads, memory.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "scratch.h"
#include "slivi/random.h"
#include "suites.h"
#include "target_files.h"
#include "testing.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST = 100 };

static void eval(slivi_target *t, size_t n, const double *z, double *lp,
                 double *grad)
{
    ck_assert_msg(!slivi_target_eval(t, n, z, NULL, lp, grad), "%s",
                  slivi_errmsg());
}

/* ---- arguments -------------------------------------------------------- */

START_TEST(test_arguments)
{
    static const struct {
        const char *name, *data;
        size_t batch;
        const char *words;
    } wrong[] = {
        {"bananna", NULL, 0, "no target \"bananna\"; did you mean \"banana\"?"},
        {"", NULL, 0, "no target \"\""},
        {"nothing-like-it", NULL, 0, "no target \"nothing-like-it\""},
        {"garch", NULL, 0, "target garch: needs a file of data (json)"},
        {"logistic", NULL, 0, "target logistic: needs a file of data (csv)"},
        {"funnel", "x.json", 0,
         "target funnel: takes no data, but is given \"x.json\""},
        {"banana", NULL, 5, "target banana: has no minibatches"},
        {"kidiq", "x.json", 5, "target kidiq: has no minibatches"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_ptr_null(slivi_target_named(wrong[i].name, wrong[i].data,
                                              wrong[i].batch, 1));
        ck_assert_str_eq(slivi_errmsg(), wrong[i].words);
    }
}
END_TEST

/* ---- files ------------------------------------------------------------ */

typedef struct broken {
    const char *name, *text, *words;
} broken;

static const broken jsons[] = {
    {"garch", "", "cut short in line 1"},
    {"garch", "{\"T\": 2, \"y\": [1, 2", "cut short in line 1"},
    {"garch", "{\"T\": 2, \"y\": [1, NaN]}", "line 1, column "},
    {"garch", "{\"T\": 2,\n\"y\": [1, 1e999]}", "line 2, column "},
    {"garch", "{\"T\": 2, \"T\": 3}", "line 1: a key that is there before"},
    {"garch", "[1, 2]", "not an object of named numbers"},
    {"garch", "\x1f\x8b\x08", "not JSON"},
    {"garch", "{}", "no \"T\""},
    {"garch", "{\"T\": 2}", "no \"y\""},
    {"garch", "{\"T\": 2, \"y\": [1, 2]}", "no \"sigma1\""},
    {"garch", "{\"T\": 2, \"y\": [1, 2], \"sigma1\": \"1\"}",
     "\"sigma1\" is not a number"},
    {"garch", "{\"T\": 2, \"y\": [1, 2], \"sigma1\": 0}",
     "\"sigma1\" is 0, expected a number above 0"},
    {"garch", "{\"T\": 0, \"y\": [], \"sigma1\": 1}",
     "\"T\" is not a whole number from 1"},
    {"garch", "{\"T\": 2.5, \"y\": [1, 2]}", "\"T\" is not a whole number"},
    {"garch", "{\"T\": -2, \"y\": [1, 2]}", "\"T\" is not a whole number"},
    {"garch", "{\"T\": 99999999999999, \"y\": [1]}",
     "\"T\" is not a whole number"},
    {"garch", "{\"T\": 3, \"y\": [1, 2], \"sigma1\": 1}",
     "\"y\" has 2 entries, expected 3"},
    {"garch", "{\"T\": 1, \"y\": [1, 2], \"sigma1\": 1}",
     "\"y\" has 2 entries, expected 1"},
    {"garch", "{\"T\": 2, \"y\": 7}", "\"y\" is not an array of 2 numbers"},
    {"garch", "{\"T\": 2, \"y\": [1, \"a\"], \"sigma1\": 1}",
     "\"y\"[2] is not a number"},
    {"garch", "{\"T\": 2, \"y\": [1, null], \"sigma1\": 1}",
     "\"y\"[2] is not a number"},
    {"eight_schools", "{\"J\": 2, \"y\": [1, 2], \"sigma\": [1, -1]}",
     "\"sigma\"[2] is -1, expected a number above 0"},
    {"eight_schools", "{\"J\": 2, \"y\": [1, 2]}", "no \"sigma\""},
    {"kidiq", "{\"N\": 3, \"kid_score\": [1, 2, 3], \"mom_iq\": [4, 4, 4]}",
     "\"mom_iq\" has one value in all entries"},
    {"kidiq", "{\"N\": 3, \"kid_score\": [1, 2, 3], \"mom_iq\": [4, 5]}",
     "\"mom_iq\" has 2 entries, expected 3"},
    {"kidiq", "{\"N\": 3, \"mom_iq\": [4, 4, 5]}", "no \"kid_score\""},
    {"kidiq", "{\"N\": 3, \"kid_score\": [1, 2e200, 3], \"mom_iq\": [4, 5, 6]}",
     "the squares of the data overflow"},
    {"kidiq", "{\"N\": 3, \"kid_score\": [1, 2, 3], \"mom_iq\": [4, 5, 6e200]}",
     "the squares of the data overflow"},
    {"sblri", "{\"N\": 2, \"D\": 2, \"y\": [1, 2], \"X\": [1, 2]}",
     "\"X\"[1] is not an array of 2 numbers"},
    {"sblri", "{\"N\": 2, \"D\": 2, \"y\": [1, 2], \"X\": [[1, 2], [1]]}",
     "\"X\"[2] has 1 entries, expected 2"},
    {"sblri", "{\"N\": 2, \"D\": 1, \"y\": [1, 2], \"X\": [[1], [[2]]]}",
     "\"X\"[2][1] is not a number"},
    {"sblri", "{\"N\": 3, \"D\": 1, \"y\": [1, 2, 3], \"X\": [[1], [2]]}",
     "\"X\" is not an array of 3 rows"},
    {"sblri", "{\"N\": 9999999, \"D\": 1000}", "no \"X\""},
    {"arK", "{\"T\": 3, \"K\": 3, \"y\": [1, 2, 3]}",
     "\"T\" is not a whole number from 4"},
    {"low_dim_gauss_mix", "{\"N\": 1, \"y\": [true]}",
     "\"y\"[1] is not a number"},
    {"logistic", "", "no rows"},
    {"logistic", "\n \r\n", "no rows"},
    {"logistic", "a,b\n", "no rows"},
    {"logistic", "1\n0\n", "one column"},
    {"logistic", "1,0\n2,1,1\n", "line 2 has 3 columns, expected 2"},
    {"logistic", "1,0\n2\n", "line 2 has 1 columns, expected 2"},
    {"logistic", "x,y\n\n1,0\n2,b\n",
     "line 4, column 2: \"b\" is not a number"},
    {"logistic", "1,0\n,1\n", "line 2, column 1: \"\" is not a number"},
    {"logistic", "1,0\nNaN,1\n", "line 2, column 1: \"NaN\" is not"},
    {"logistic", "1,0\n1e999,1\n", "line 2, column 1: \"1e999\" is not"},
    {"logistic", "x,1\n1,0\n", "line 1, column 1: \"x\" is not a number"},
    {"logistic", "x,y\n1,0\n1,2\n",
     "row 2 has the label 2 in its last column, expected 0 or 1"},
    {"logistic", "1,0.5\n", "row 1 has the label 0.5"},
};
enum { JSONS = sizeof jsons / sizeof *jsons };

START_TEST(test_broken)
{
    const broken *b = &jsons[_i];
    const char *path = scratch_path("data");
    scratch_put(path, b->text, strlen(b->text));
    ck_assert_msg(!slivi_target_named(b->name, path, 0, 1), "%s", b->text);
    scratch_check_message(path, b->words);
    /* once */
    ck_assert_ptr_null(strstr(slivi_errmsg() + 1, path));
}
END_TEST

START_TEST(test_unreadable)
{
    static const char *const names[] = {"garch", "logistic"};
    for (size_t i = 0; i < 2; i++) {
        const char *path = scratch_path("none");
        ck_assert_ptr_null(slivi_target_named(names[i], path, 0, 1));
        scratch_check_message(path, "No such file");
        path = scratch_path("folder");
        ck_assert(i || !mkdir(path, 0755));
        ck_assert_ptr_null(slivi_target_named(names[i], path, 0, 1));
        scratch_check_message(path, "directory");
    }
    scratch_put(scratch_path("zero"), "1,0\n1\0,1\n", 9);
    ck_assert_ptr_null(
        slivi_target_named("logistic", scratch_path("zero"), 0, 1));
    scratch_check_message(scratch_path("zero"), "not a text");
}
END_TEST

/* Columns that depend on each other, and data far from zero: fine. */
START_TEST(test_regression)
{
    static const char text[] =
        "{\"N\": 3, \"D\": 2, \"y\": [1e6, 2e6, 3.000001e6],"
        " \"X\": [[1e6, 2e6], [2e6, 4e6], [3e6, 6e6]]}";
    const double z[] = {0.2, 0.4, -0.5}, y[] = {1e6, 2e6, 3.000001e6};
    double lp, grad[3], sum = 0;
    scratch_put(scratch_path("d"), text, strlen(text));
    slivi_target *t = slivi_target_named("sblri", scratch_path("d"), 0, 1);
    ck_assert_msg(t != NULL, "%s", slivi_errmsg());
    eval(t, 1, z, &lp, grad);
    for (int i = 1; i <= 3; i++) /* X z = i 1e6: residuals 0, 0, 1 */
        sum += pow(y[i - 1] - i * 1e6, 2);
    const double s = exp(-0.5);
    const double want = -3 * log(s) - sum / (2 * s * s) - 0.2 / 200
                        - s * s / 200 + log(s);
    ck_assert_double_eq_tol(lp, want, 1e-6);
    slivi_target_free(t);
}
END_TEST

/* ---- minibatches ------------------------------------------------------ */

/* Over a sweep each row is seen once: with parts of equal size the mean of the
   parts is the whole. */
START_TEST(test_parts)
{
    enum { N = 3, D = 1 + FILES_FEATURES, BATCH = 9 };
    enum { STEPS = FILES_LABELS / BATCH };
    double z[N * D], lp[N], grad[N * D], all[N], whole[N * D];
    double sum[N] = {0}, total[N * D] = {0};
    const slivi_address at = {.seed = 6};
    slivi_target *t = files_target("logistic", BATCH);
    slivi_draw(slivi_law_normal, &at, N, D, z);
    ck_assert_uint_eq(slivi_target_rows(t), FILES_LABELS);
    eval(t, N, z, all, whole);
    for (size_t step = 0; step < STEPS; step++) {
        ck_assert_int_eq(slivi_target_part(t, 2 * STEPS + step), 0);
        eval(t, N, z, lp, grad);
        ck_assert_double_gt(testing_distance(N, lp, all), 1e-3);
        for (size_t i = 0; i < N; i++)
            sum[i] += lp[i] / STEPS;
        for (size_t i = 0; i < N * D; i++)
            total[i] += grad[i] / STEPS;
        ck_assert_int_eq(slivi_target_check_gradient(t, N, z, NULL, NULL), 0);
    }
    ck_assert_double_lt(testing_distance(N, sum, all), 1e-11);
    ck_assert_double_lt(testing_distance(N * D, total, whole), 1e-11);
    slivi_target_free(t);
    /* rows 0..39 of an order, and the other 5 */
    t = files_target("logistic", 40);
    memset(sum, 0, sizeof sum);
    for (size_t step = 0; step < 2; step++) {
        ck_assert_int_eq(slivi_target_part(t, step), 0);
        eval(t, N, z, lp, grad);
        for (size_t i = 0; i < N; i++)
            sum[i] += lp[i] * (step ? 5 : 40) / FILES_LABELS;
    }
    ck_assert_double_lt(testing_distance(N, sum, all), 1e-11);
    slivi_target_free(t);
    /* another seed, another order */
    t = slivi_target_named("logistic", scratch_path("logistic"), 40, 6);
    ck_assert_int_eq(slivi_target_part(t, 1), 0);
    eval(t, N, z, sum, total);
    ck_assert_double_gt(testing_distance(N, lp, sum), 1e-6);
    slivi_target_free(t);
    ck_assert_ptr_null(slivi_target_named("logistic", scratch_path("logistic"),
                                          FILES_LABELS + 1, 1));
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "minibatches of 46, but"));
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "has 45 rows"));
}
END_TEST

/* More columns than are taken at once, and points. */
START_TEST(test_wide)
{
    enum { ROWS = 70, COLS = 75, N = 1500 };
    static char text[ROWS * COLS * 24];
    static double x[ROWS * COLS], z[N * COLS], lp[N], grad[N * COLS];
    size_t at = 0;
    slivi_draw(slivi_law_normal, &(slivi_address){.seed = 1}, ROWS, COLS, x);
    slivi_draw(slivi_law_normal, &(slivi_address){.seed = 2}, N, COLS, z);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < COLS; j++)
            at += (size_t)(j + 1 < COLS
                               ? sprintf(text + at, "%.17g,", x[i * COLS + j])
                               : sprintf(text + at, "%zu\n", i % 2));
    scratch_put(scratch_path("d"), text, at);
    slivi_target *t = slivi_target_named("logistic", scratch_path("d"), 0, 1);
    ck_assert_msg(t != NULL, "%s", slivi_errmsg());
    eval(t, N, z, lp, grad);
    for (size_t i = 0; i < N; i++) {
        const double *w = z + i * COLS;
        double want = -testing_squares(COLS, w, 1) / 200, last = -w[74] / 100;
        for (size_t r = 0; r < ROWS; r++) {
            const double *row = x + r * COLS, s = r % 2 ? -1 : 1;
            const double u = s * (w[0] + testing_dot(COLS - 1, row, w + 1));
            want -= u > 0 ? u + log1p(exp(-u)) : log1p(exp(u));
            last -= s * row[COLS - 2] / (1 + exp(-u));
        }
        ck_assert_double_eq_tol(lp[i], want, 1e-12 * fabs(want));
        ck_assert_double_eq_tol(grad[i * COLS + 74], last, 1e-11);
    }
    ck_assert_int_eq(slivi_target_check_gradient(t, 2, z, NULL, NULL), 0);
    slivi_target_free(t);
}
END_TEST

/* ---- every entry ------------------------------------------------------ */

/* However far out, a density is a number or zero. */
START_TEST(test_far)
{
    static const double far[] = {-1e300, -1e160, -1e10, -800, -50,   -12,
                                 12,     50,     800,   1e10, 1e160, 1e300};
    enum { FAR = sizeof far / sizeof *far };
    static double z[2 * FAR * MOST], lp[2 * FAR], grad[2 * FAR * MOST];
    for (const slivi_target_entry *e = slivi_target_entries; e->name; e++) {
        slivi_target *t = files_target(e->name, 0);
        const size_t d = slivi_target_dim(t);
        for (size_t i = 0; i < FAR; i++)
            for (size_t j = 0; j < d; j++) {
                z[i * d + j] = far[i];
                z[(FAR + i) * d + j] = j % 2 ? far[i] : -far[i];
            }
        ck_assert_msg(!slivi_target_eval(t, 2 * FAR, z, NULL, lp, grad),
                      "%s: %s", e->name, slivi_errmsg());
        slivi_target_free(t);
    }
}
END_TEST

/* The same bits with a pool, in parts of a call, and without. */
START_TEST(test_threads)
{
    enum { N = 150 };
    static double z[N * MOST], lp[2][N], grad[2][N * MOST];
    slivi_pool *pool = slivi_pool_create(2);
    for (const slivi_target_entry *e = slivi_target_entries; e->name; e++) {
        slivi_target *t = files_target(e->name, 0);
        const size_t d = slivi_target_dim(t);
        slivi_draw(slivi_law_normal, &(slivi_address){.seed = 4}, N, d, z);
        eval(t, N, z, lp[0], grad[0]);
        ck_assert_int_eq(slivi_target_set_pool(t, pool), 0);
        eval(t, N, z, lp[1], grad[1]);
        ck_assert_mem_eq(lp[0], lp[1], sizeof lp[0]);
        ck_assert_mem_eq(grad[0], grad[1], N * d * sizeof grad[0][0]);
        for (size_t i = 0; i < N; i += 7)
            eval(t, 1, z + i * d, lp[1] + i, grad[1] + i * d);
        ck_assert_mem_eq(lp[0], lp[1], sizeof lp[0]);
        ck_assert_mem_eq(grad[0], grad[1], N * d * sizeof grad[0][0]);
        slivi_target_free(t);
    }
    slivi_pool_free(pool);
}
END_TEST

/* Each allocation may fail; a target makes none when it is evaluated. */
START_TEST(test_memory)
{
    double z[MOST] = {0}, lp, grad[MOST];
    for (const slivi_target_entry *e = slivi_target_entries; e->name; e++) {
        const char *path = files_write(e->name);
        scratch_memory *m = scratch_watch(0);
        slivi_target *t = NULL;
        for (size_t i = 1; !t; i++) {
            m->calls = 0;
            m->fail_at = i;
            t = slivi_target_named(e->name, path, 0, 1);
            ck_assert_msg(t || m->live == 0, "%s: %zu blocks are left", e->name,
                          m->live);
            ck_assert_uint_lt(i, 100);
        }
        eval(t, 1, z, &lp, grad);
        const size_t calls = m->calls;
        eval(t, 1, z, &lp, grad);
        ck_assert_uint_eq(m->calls, calls);
        slivi_target_free(t);
        ck_assert_uint_eq(m->live, 0);
        scratch_unwatch();
    }
}
END_TEST

Suite *slivi_suite_targets_use(void)
{
    const TTest *const arguments[] = {test_arguments, test_unreadable,
                                      test_regression, NULL};
    const TTest *const parts[] = {test_parts, test_wide, NULL};
    const TTest *const every[] = {test_far, test_threads, test_memory, NULL};
    Suite *s = suite_create("targets_use");
    scratch_add_case(s, "arguments", arguments);
    scratch_add_case(s, "parts", parts);
    scratch_add_case(s, "every", every);
    TCase *c = tcase_create("broken");
    tcase_add_checked_fixture(c, scratch_open, scratch_close);
    tcase_add_loop_test(c, test_broken, 0, JSONS);
    suite_add_tcase(s, c);
    return s;
}
