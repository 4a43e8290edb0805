/* test_bridgestan.c - Stan models, by a shared object that stands for one
   (fake_bridgestan.c).

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "scratch.h"
#include "slivi/random.h"
#include "suites.h"
#include "target_inside.h"
#include "testing.h"

#include <dlfcn.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FOLDER SLIVI_BUILD "tests/.libs/"
#define PLAIN FOLDER "fake_stan.so"
#define THREADS FOLDER "fake_stan_threads.so"
#define OLD FOLDER "fake_stan_old.so"

/* Built without shared libraries there is nothing to open. */
static int is_static(void)
{
    return access(PLAIN, F_OK) && access(SLIVI_BUILD ".libs/libslivi.so", F_OK);
}

static slivi_target *open_fake(const char *so, const char *data)
{
    slivi_target *t = slivi_target_from_bridgestan(so, data, 1);
    ck_assert_msg(t != NULL, "%s", slivi_errmsg());
    return t;
}

/* Models and texts that the fake has made and that were not given back.  The
   handle that is kept here keeps the object loaded. */
static atomic_int *live_of(const char *so)
{
    void *library = dlopen(so, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(library != NULL, "%s", dlerror());
    atomic_int *live = dlsym(library, "fake_live");
    ck_assert_ptr_nonnull(live);
    return live;
}

START_TEST(test_model)
{
    const double z[] = {3, 0.5, -1, 2};
    double lp[2], grad[4], theta[8], back[4];
    slivi_target *t = open_fake(PLAIN, "xy"); /* its a is 2 */
    ck_assert_uint_eq(slivi_target_dim(t), 2);
    ck_assert_uint_eq(slivi_target_context(t), 0);
    ck_assert_uint_eq(slivi_target_outside_dim(t), 4);
    ck_assert_str_eq(slivi_target_name(t, 0), "mu");
    ck_assert_str_eq(slivi_target_name(t, 1), "sigma");
    ck_assert_str_eq(slivi_target_name(t, 2), "theta[1,1]");
    ck_assert_str_eq(slivi_target_name(t, 3), "theta[1,2]");
    ck_assert_str_eq(slivi__target_coordinate(t, 0), "mu");
    ck_assert_str_eq(slivi__target_coordinate(t, 1), "sigma.x1");
    ck_assert_int_eq(slivi_target_eval(t, 2, z, NULL, lp, grad), 0);
    for (size_t i = 0; i < 2; i++) { /* with the Jacobian, without constants */
        const double u = (z[2 * i] - 1) / 2, v = z[2 * i + 1] - 2;
        ck_assert_double_eq_tol(lp[i], -0.5 * (u * u + v * v), 1e-14);
        ck_assert_double_eq_tol(grad[2 * i], -0.5 * u, 1e-15);
        ck_assert_double_eq_tol(grad[2 * i + 1], -v, 1e-15);
    }
    ck_assert_int_eq(slivi_target_check_gradient(t, 2, z, NULL, NULL), 0);
    ck_assert_int_eq(slivi_target_outside(t, 2, z, theta), 0);
    for (size_t i = 0; i < 2; i++) {
        const double mu = z[2 * i], sigma = exp(z[2 * i + 1]);
        const double want[] = {mu, sigma, mu + sigma, mu * sigma};
        ck_assert_double_lt(testing_distance(4, theta + 4 * i, want), 1e-14);
    }
    ck_assert_int_eq(slivi_target_inside(t, 2, theta, back), 0);
    ck_assert_double_lt(testing_distance(4, z, back), 1e-15);
    slivi_target_free(t);
}
END_TEST

/* Points where the model throws are refused, counted and explained. */
START_TEST(test_throws)
{
    const double z[] = {3, 0.5, 51, 0, -51, 1, 60, 0};
    double lp[4], grad[8], theta[16];
    atomic_int *live = live_of(PLAIN);
    slivi_target *t = open_fake(PLAIN, NULL);
    ck_assert_int_eq(*live, 1);
    ck_assert_str_eq(slivi_target_refusal(t), "");
    ck_assert_int_eq(slivi_target_eval(t, 4, z, NULL, lp, grad), 0);
    ck_assert(isfinite(lp[0]) && isfinite(lp[2]));
    ck_assert(isinf(lp[1]) && lp[1] < 0 && isinf(lp[3]) && lp[3] < 0);
    ck_assert(fabs(grad[2]) + fabs(grad[3]) + fabs(grad[6]) <= 0);
    ck_assert_uint_eq(slivi_target_evaluated(t), 4);
    ck_assert_uint_eq(slivi_target_refused(t), 2);
    ck_assert_str_eq(slivi_target_refusal(t),
                     "Exception: mu is above 50 (in 'fake.stan', line 7, "
                     "column 4)");
    ck_assert_int_eq(slivi_target_outside(t, 4, z, theta), SLIVI_ECALLBACK);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "theta[1,2] is too small"));
    ck_assert_int_eq(slivi_target_outside(t, 2, z, theta), 0);
    theta[5] = -1;
    ck_assert_int_eq(slivi_target_inside(t, 2, theta, grad), SLIVI_ECALLBACK);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "sigma is not positive"));
    ck_assert_int_eq(*live, 1); /* every text was given back */
    slivi_target_free(t);
    ck_assert_int_eq(*live, 0);
}
END_TEST

START_TEST(test_refused)
{
    atomic_int *live = live_of(PLAIN);
    ck_assert_ptr_null(slivi_target_from_bridgestan(PLAIN, "bad", 1));
    ck_assert_str_eq(slivi_errmsg(), PLAIN ": Exception: y[2] is nan, but must "
                                           "be finite!");
    ck_assert_int_eq(*live, 0);
    ck_assert_ptr_null(slivi_target_from_bridgestan(OLD, NULL, 1));
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), OLD ": no function "
                                                     "bs_param_names"));
    ck_assert_ptr_null(slivi_target_from_bridgestan("nowhere.so", NULL, 1));
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "nowhere.so: cannot open: "));
    scratch_put(scratch_path("text.so"), "no library", 10);
    ck_assert_ptr_null(
        slivi_target_from_bridgestan(scratch_path("text.so"), NULL, 1));
    scratch_check_message(scratch_path("text.so"), "cannot open");
}
END_TEST

/* A bare name is a file here, not in the system's folders. */
START_TEST(test_here)
{
    ck_assert_int_eq(chdir(FOLDER), 0);
    slivi_target_free(open_fake("fake_stan.so", NULL));
}
END_TEST

START_TEST(test_pool)
{
    enum { N = 300 };
    static double z[2 * N], lp[2][N], grad[2][2 * N];
    slivi_pool *pool = slivi_pool_create(2);
    slivi_target *t = open_fake(PLAIN, "a");
    slivi_draw(slivi_law_normal, &(slivi_address){.seed = 9}, N, 2, z);
    for (size_t i = 0; i < N; i += 10)
        z[2 * i] = 51 + (double)i;
    ck_assert_int_eq(slivi_target_set_pool(t, pool), SLIVI_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "STAN_THREADS=true"));
    ck_assert_int_eq(slivi_target_set_pool(t, NULL), 0);
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp[0], grad[0]), 0);
    slivi_target_free(t);
    t = open_fake(THREADS, "a");
    ck_assert_int_eq(slivi_target_set_pool(t, pool), 0);
    ck_assert_int_eq(slivi_target_eval(t, N, z, NULL, lp[1], grad[1]), 0);
    ck_assert_mem_eq(lp[0], lp[1], sizeof lp[0]);
    ck_assert_mem_eq(grad[0], grad[1], sizeof grad[0]);
    ck_assert_uint_eq(slivi_target_refused(t), N / 10);
    slivi_target_free(t);
    slivi_pool_free(pool);
}
END_TEST

START_TEST(test_memory)
{
    atomic_int *live = live_of(PLAIN);
    scratch_memory *m = scratch_watch(0);
    slivi_target *t = NULL;
    for (size_t i = 1; !t; i++) {
        m->calls = 0;
        m->fail_at = i;
        t = slivi_target_from_bridgestan(PLAIN, NULL, 1);
        ck_assert(t || (m->live == 0 && *live == 0));
        ck_assert_uint_lt(i, 50);
    }
    slivi_target_free(t);
    ck_assert_uint_eq(m->live, 0);
    scratch_unwatch();
}
END_TEST

Suite *slivi_suite_bridgestan(void)
{
    const TTest *const none[] = {NULL};
    const TTest *const all[] = {test_model, test_throws, test_refused,
                                test_here,  test_pool,   test_memory,
                                NULL};
    Suite *s = suite_create("bridgestan");
    scratch_add_case(s, "fake", is_static() ? none : all);
    return s;
}
