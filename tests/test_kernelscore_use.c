/* test_kernelscore_use.c - kernel estimators in use: groups and threads,
   eigenvalues in use, memory, failures.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "kernels.h"
#include "samples.h"
#include "scratch.h"
#include "suites.h"

#include <fenv.h>
#include <math.h>
#include <string.h>

Suite *slivi_suite_kernelscore_use(void);

/* ---- groups and threads -------------------------------------------------- */

enum {
    GROUPS = 7,
    FEW = GROUPS * KERNELS_GROUP * KERNELS_COLUMNS,
    MANY = GROUPS * KERNELS_POINTS * KERNELS_COLUMNS
};

/* Groups of unequal place and scale; `at` is off any alignment. */
static void draw_groups(uint64_t seed, size_t each, double *z)
{
    kernels_draw(seed, GROUPS * each, z);
    for (size_t i = 0; i < GROUPS * each * KERNELS_COLUMNS; i++) {
        double g = (double)(i / (each * KERNELS_COLUMNS));
        z[i] = (z[i] + g) * (1 + g);
    }
}

/* _i = method + 2 * threads; 0 threads is no pool */
START_TEST(groups_have_the_bits_of_one_alone)
{
    static double z[FEW + 1], x[MANY], out[FEW + 1], alone[FEW], far[MANY],
        far_alone[MANY];
    slivi_pool *pool = _i / 2 ? slivi_pool_create((size_t)_i / 2) : NULL;
    kernels_estimator e = kernels_make_with(
        slivi_kernelscore_names[_i % 2], slivi_kernelscore_default(),
        KERNELS_GROUP + 20, KERNELS_COLUMNS, GROUPS, pool);
    kernels_estimator one = kernels_make(_i % 2, KERNELS_GROUP, KERNELS_COLUMNS,
                                         1);
    draw_groups(1, KERNELS_GROUP, z + 1);
    draw_groups(2, KERNELS_POINTS, x);
    for (size_t g = 0; g < GROUPS; g++) {
        const double *mine = z + 1 + g * KERNELS_GROUP * KERNELS_COLUMNS;
        const size_t at = g * KERNELS_POINTS * KERNELS_COLUMNS;
        kernels_samples(one, 1, KERNELS_GROUP, mine,
                        alone + g * KERNELS_GROUP * KERNELS_COLUMNS);
        kernels_points(one, 1, KERNELS_GROUP, mine, KERNELS_POINTS, x + at,
                       far_alone + at);
    }
    kernels_points(e, GROUPS, KERNELS_GROUP, z + 1, KERNELS_POINTS, x, far);
    ck_assert_mem_eq(far, far_alone, sizeof far);
    kernels_samples(e, GROUPS, KERNELS_GROUP, z + 1, out + 1);
    ck_assert_mem_eq(out + 1, alone, sizeof alone);
    kernels_samples(e, GROUPS, KERNELS_GROUP, z + 1, z + 1); /* in place */
    ck_assert_mem_eq(z + 1, alone, sizeof alone);
    /* the fits are still there, and points may be replaced, too */
    ck_assert_uint_eq(slivi_kernelscore_groups(e.s), GROUPS);
    ck_assert_int_eq(slivi_kernelscore_eval(e.s, KERNELS_POINTS, x, x, e.ws),
                     0);
    ck_assert_mem_eq(x, far_alone, sizeof x);
    kernels_drop(e);
    kernels_drop(one);
    slivi_pool_free(pool);
}
END_TEST

START_TEST(hosts_rounding_changes_nothing)
{
    static double z[FEW], out[FEW], other[FEW];
    kernels_estimator e = kernels_make(_i, KERNELS_GROUP, KERNELS_COLUMNS, 0);
    draw_groups(1, KERNELS_GROUP, z);
    kernels_samples(e, GROUPS, KERNELS_GROUP, z, out);
    fesetround(FE_UPWARD);
    kernels_samples(e, GROUPS, KERNELS_GROUP, z, other);
    ck_assert_int_eq(fegetround(), FE_UPWARD);
    fesetround(FE_TONEAREST);
    ck_assert_mem_eq(out, other, sizeof out);
    kernels_drop(e);
}
END_TEST

/* ---- eigenvalues in use -------------------------------------------------- */

static size_t rank_of(slivi_kernelscore_options how, const double *z)
{
    kernels_estimator e = kernels_make_with("ssge", how, 60, 2, 1, NULL);
    ck_assert_int_eq(slivi_kernelscore_fit(e.s, 1, 60, z, e.ws), 0);
    size_t rank = slivi_kernelscore_rank(e.s, 0);
    kernels_drop(e);
    return rank;
}

START_TEST(eigenvalues_are_counted_anew)
{
    double z[60 * 2], other[60 * 2], out[60 * 2];
    slivi_kernelscore_options how = slivi_kernelscore_default();
    samples_normal(1, 60, 2, z);
    samples_normal(2, 60, 2, other);
    for (size_t i = 0; i < 60; i++)
        other[2 * i] *= 1e-3; /* next to a line: fewer values matter */
    kernels_estimator e = kernels_make(1, 60, 2, 1);
    ck_assert_int_eq(slivi_kernelscore_fit(e.s, 1, 60, z, e.ws), 0);
    size_t first = slivi_kernelscore_rank(e.s, 0);
    ck_assert_int_eq(slivi_kernelscore_fit(e.s, 1, 60, other, e.ws), 0);
    ck_assert_uint_lt(slivi_kernelscore_rank(e.s, 0), first);
    ck_assert_int_eq(slivi_kernelscore_fit(e.s, 1, 60, z, e.ws), 0);
    ck_assert_uint_eq(slivi_kernelscore_rank(e.s, 0), first);
    kernels_drop(e);
    how.width = 1e4; /* the first value has all of the share: never none */
    ck_assert_uint_eq(rank_of(how, z), 1);
    e = kernels_make_with("ssge", how, 60, 2, 0, NULL);
    kernels_samples(e, 1, 60, z,
                    out); /* b_1 psi_1 is almost constant, and small */
    for (size_t i = 2; i < 120; i++)
        ck_assert_double_eq_tol(out[i], out[i % 2], 1e-6);
    kernels_drop(e);
    how.width = 0;
    how.rank = 7;
    ck_assert_uint_eq(rank_of(how, z), 7);
    how.rank = 1;
    ck_assert_uint_eq(rank_of(how, z), 1);
    how.rank = 100;
    ck_assert_uint_le(rank_of(how, z), 60);
    ck_assert_uint_gt(rank_of(how, z), 30);
    how.width = 100; /* of 60 values most are rounding */
    ck_assert_uint_lt(rank_of(how, z), 30);
    how = slivi_kernelscore_default();
    how.share = 1;
    ck_assert_uint_gt(rank_of(how, z), 30);
}
END_TEST

/* ---- memory and failures ------------------------------------------------- */

START_TEST(calls_allocate_nothing)
{
    static double z[FEW], x[MANY], out[MANY];
    scratch_memory *memory = scratch_watch(0);
    kernels_estimator e = kernels_make(_i, KERNELS_GROUP, KERNELS_COLUMNS,
                                       GROUPS);
    size_t before = memory->calls;
    ck_assert_uint_eq(before, 4);
    draw_groups(1, KERNELS_GROUP, z);
    draw_groups(2, KERNELS_POINTS, x);
    kernels_points(e, GROUPS, KERNELS_GROUP, z, KERNELS_POINTS, x, out);
    kernels_samples(e, GROUPS, KERNELS_GROUP, z, out);
    ck_assert_uint_eq(memory->calls, before);
    kernels_drop(e);
    ck_assert_uint_eq(memory->live, 0);
    for (size_t k = 1; k <= before; k++) {
        memory->calls = 0;
        memory->fail_at = k;
        slivi_kernelscore *s = slivi_kernelscore_create("ssge", NULL, 5, 2, 3);
        slivi_kernelscore_workspace *ws = NULL;
        if (s)
            ws = slivi_kernelscore_workspace_create(s, NULL);
        ck_assert_ptr_null(ws);
        ck_assert_int_eq(slivi__status(), SLIVI_ENOMEM);
        slivi_kernelscore_free(s);
        ck_assert_uint_eq(memory->live, 0);
    }
    scratch_unwatch();
    slivi_kernelscore_free(NULL);
    slivi_kernelscore_workspace_free(NULL);
}
END_TEST

/* What is done to group 3 of GROUPS, and what is said of it. */
static const struct {
    const char *words;
    int status;
} faults[] = {
    {"group 3: sample 5 column 2 is NaN", SLIVI_ENONFINITE},
    {"group 3: sample 5 column 2 is minus infinite", SLIVI_ENONFINITE},
    {"group 3: all 37 samples are equal", SLIVI_EINVAL},
    {"group 3: the median distance is 0: too many of the 37", SLIVI_EINVAL},
    {"group 3: distances overflow", SLIVI_ENONFINITE},
};
enum { FAULTS = sizeof faults / sizeof faults[0] };

static void damage(int fault, double *z)
{
    for (size_t i = 0; i < KERNELS_GROUP * KERNELS_COLUMNS; i++) {
        if (fault < 2 && i == 5 * KERNELS_COLUMNS + 2)
            z[i] = fault ? -INFINITY : NAN;
        if (fault == 2 || (fault == 3 && i < 28 * KERNELS_COLUMNS))
            z[i] = 2.5;
        if (fault == 4)
            z[i] *= 1e200;
    }
}

/* _i = method + 2 * fault */
START_TEST(degenerate_groups_are_refused)
{
    enum { BAD = 3 * KERNELS_GROUP * KERNELS_COLUMNS };
    static double z[FEW], out[FEW], good[FEW], bad[FEW];
    kernels_estimator e = kernels_make(_i % 2, KERNELS_GROUP, KERNELS_COLUMNS,
                                       GROUPS);
    draw_groups(1, KERNELS_GROUP, z);
    kernels_samples(e, GROUPS, KERNELS_GROUP, z, good);
    ck_assert_int_eq(slivi_kernelscore_fit(e.s, GROUPS, KERNELS_GROUP, z, e.ws),
                     0);
    memcpy(bad, z, sizeof z);
    damage(_i / 2, bad + BAD);
    for (size_t i = 0; i < FEW; i++)
        out[i] = 123;
    for (size_t i = 0; i < KERNELS_GROUP * KERNELS_COLUMNS; i++)
        good[BAD + i] = 123;
    ck_assert_int_eq(
        slivi_kernelscore_samples(e.s, GROUPS, KERNELS_GROUP, bad, out, e.ws),
        faults[_i / 2].status);
    scratch_check_message("kernelscore", faults[_i / 2].words);
    ck_assert_mem_eq(out, good, sizeof out); /* the others are there */
    ck_assert_uint_eq(slivi_kernelscore_groups(e.s), GROUPS);
    ck_assert_int_eq(
        slivi_kernelscore_fit(e.s, GROUPS, KERNELS_GROUP, bad, e.ws),
        faults[_i / 2].status);
    ck_assert_uint_eq(slivi_kernelscore_groups(e.s), 0);
    ck_assert(slivi_kernelscore_width(e.s, 0) == 0);
    ck_assert_uint_eq(slivi_kernelscore_rank(e.s, 0), 0);
    ck_assert_int_eq(slivi_kernelscore_eval(e.s, 1, z, out, e.ws),
                     SLIVI_EINVAL);
    kernels_drop(e);
}
END_TEST

START_TEST(arguments_are_checked)
{
    double z[2 * 70] = {0, 1, 2, 3, 5, 8}, out[2 * 70];
    const slivi_kernelscore_options bad[] = {{.width = -1, .share = .9},
                                             {.width = NAN, .share = .9},
                                             {.width = 1e141, .share = .9},
                                             {.width = 1e-141, .share = .9},
                                             {.eta = -1e-9, .share = .9},
                                             {.eta = INFINITY, .share = .9},
                                             {.share = 0},
                                             {.share = 1.5},
                                             {.share = NAN}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_ptr_null(slivi_kernelscore_create("ssge", &bad[i], 9, 2, 0));
        ck_assert_int_eq(slivi__status(), SLIVI_EINVAL);
    }
    ck_assert_ptr_null(slivi_kernelscore_create("stain", NULL, 9, 2, 0));
    ck_assert_int_eq(slivi__status(), SLIVI_ENAME);
    ck_assert_ptr_null(slivi_kernelscore_create("stein", NULL, 1, 2, 0));
    ck_assert_ptr_null(slivi_kernelscore_create("stein", NULL, 32001, 2, 0));
    ck_assert_ptr_null(slivi_kernelscore_create("stein", NULL, 9, 0, 0));
    ck_assert_ptr_null(slivi_kernelscore_create("stein", NULL, 9, 65537, 0));
    ck_assert_int_eq(slivi__status(), SLIVI_EINVAL);
    ck_assert_ptr_null(
        slivi_kernelscore_create("stein", NULL, 9, 1, SIZE_MAX / 100));
    ck_assert_int_eq(slivi__status(), SLIVI_EOVERFLOW);
    for (size_t i = 0; slivi_kernelscore_names[i]; i++)
        ck_assert_ptr_nonnull(
            slivi_kernelscore_help(slivi_kernelscore_names[i]));
    ck_assert_ptr_null(slivi_kernelscore_help("stain"));

    const slivi_kernelscore_options usual = slivi_kernelscore_default();
    ck_assert(usual.width == 0 && usual.eta == 1e-3);
    ck_assert(usual.share == 0.99 && usual.rank == 0);

    kernels_estimator e = kernels_make(0, 3, 2, 1),
                      small = kernels_make(0, 2, 2, 1);
    for (size_t m = 0; m < 5; m++)
        ck_assert_int_eq(slivi_kernelscore_samples(e.s, 1, m, z, out, e.ws),
                         m < 2 || m > 3 ? SLIVI_EINVAL : 0);
    ck_assert_int_eq(slivi_kernelscore_samples(e.s, 1, 3, z, out, small.ws),
                     SLIVI_EINVAL);
    ck_assert_int_eq(slivi_kernelscore_samples(small.s, 1, 2, z, out, e.ws), 0);
    ck_assert_int_eq(slivi_kernelscore_samples(e.s, 0, 3, z, out, e.ws), 0);
    ck_assert_int_eq(
        slivi_kernelscore_samples(e.s, SIZE_MAX / 4, 3, z, out, e.ws),
        SLIVI_EOVERFLOW);
    ck_assert_int_eq(
        slivi_kernelscore_samples(e.s, SIZE_MAX / 25, 3, z, out, e.ws),
        SLIVI_EOVERFLOW);
    ck_assert_int_eq(slivi_kernelscore_fit(e.s, 1, 1, z, e.ws), SLIVI_EINVAL);
    scratch_check_message("kernelscore", "groups of 1 samples (2 to 3)");
    ck_assert_int_eq(slivi_kernelscore_fit(e.s, 2, 3, z, e.ws), SLIVI_EINVAL);
    scratch_check_message("kernelscore", "2 groups to keep (room for 1)");
    ck_assert_int_eq(slivi_kernelscore_fit(e.s, 1, 3, z, e.ws), 0);
    ck_assert_int_eq(slivi_kernelscore_eval(e.s, 0, z, out, e.ws), 0);
    z[2 * 67 + 1] = NAN;
    ck_assert_int_eq(slivi_kernelscore_eval(e.s, 70, z, out, e.ws),
                     SLIVI_ENONFINITE);
    scratch_check_message("kernelscore",
                          "group 0, points from 64: point 3 column 1 is NaN");
    kernels_drop(small);
    kernels_drop(e);
}
END_TEST

/* Equal samples are fine as long as eta is not 0; so is a point on a sample. */
START_TEST(eta_is_needed_for_equal_samples)
{
    double z[] = {0, 1, 1, 3, 7}, out[5];
    slivi_kernelscore_options how = slivi_kernelscore_default();
    kernels_estimator e = kernels_make_with("stein", how, 5, 1, 1, NULL);
    kernels_samples(e, 1, 5, z, out);
    ck_assert_double_eq_tol(out[1], out[2], 1e-10);
    kernels_points(e, 1, 5, z, 5, z, out);
    kernels_drop(e);
    how.eta = 0;
    e = kernels_make_with("stein", how, 5, 1, 1, NULL);
    ck_assert_int_eq(slivi_kernelscore_samples(e.s, 1, 5, z, out, e.ws),
                     SLIVI_ENOTPD);
    z[2] = 2;
    kernels_points(e, 1, 5, z, 1, (const double[]){1.5}, out);
    ck_assert_int_eq(slivi_kernelscore_eval(e.s, 5, z, out, e.ws),
                     SLIVI_ENOTPD);
    scratch_check_message("kernelscore", "point 0 is too close");
    kernels_drop(e);
    e = kernels_make(1, 5, 1, 0); /* ssge uses no eta */
    z[2] = 1;
    kernels_samples(e, 1, 5, z, out);
    ck_assert_double_eq_tol(out[1], out[2], 1e-10);
    kernels_drop(e);
}
END_TEST

Suite *slivi_suite_kernelscore_use(void)
{
    Suite *suite = suite_create("kernelscore_use");
    TCase *tc = tcase_create("groups");
    tcase_add_loop_test(tc, groups_have_the_bits_of_one_alone, 0, 8);
    tcase_add_loop_test(tc, hosts_rounding_changes_nothing, 0, 2);
    tcase_add_test(tc, eigenvalues_are_counted_anew);
    suite_add_tcase(suite, tc);
    tc = tcase_create("failures");
    tcase_add_loop_test(tc, calls_allocate_nothing, 0, 2);
    tcase_add_loop_test(tc, degenerate_groups_are_refused, 0, 2 * FAULTS);
    tcase_add_test(tc, arguments_are_checked);
    tcase_add_test(tc, eta_is_needed_for_equal_samples);
    suite_add_tcase(suite, tc);
    return suite;
}
