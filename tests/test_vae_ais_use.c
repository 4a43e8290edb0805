/* test_vae_ais_use.c - how annealed importance sampling of a vae behaves as a
   function: groups, threads, progress, refusals, memory.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "scratch.h"
#include "slivi/vae_ais.h"
#include "suites.h"

#include <math.h>
#include <string.h>

enum { X = 6, Z = 2, MOST = 30 };

static double logp[64], se[64], other[64];

static slivi_vae *make(size_t dim, const char *const *options)
{
    slivi_vae *v = slivi_vae_create(dim);
    ck_assert_ptr_nonnull(v);
    for (; *options; options += 2)
        ck_assert_msg(!slivi_vae_set(v, options[0], options[1]), "%s",
                      slivi_errmsg());
    return v;
}

/* As its first draws made it. */
static slivi_vae *bits(const char *threads)
{
    const char *const options[] = {"hidden",  "20",    "latent", "2",
                                   "threads", threads, NULL};
    return make(X, options);
}

/* K step sizes of eps; the first is none. */
static slivi_ais with(size_t chains, size_t temperatures, double eps)
{
    static double sizes[MOST];
    slivi_ais how = slivi_ais_default();
    for (size_t k = 1; k < temperatures; k++)
        sizes[k] = eps;
    how.chains = chains;
    how.temperatures = temperatures;
    how.leapfrogs = 3;
    how.eps = sizes;
    how.seed = 5;
    return how;
}

static void ais(slivi_vae *v, const float *x, size_t n, const slivi_ais *how,
                size_t group, double *out)
{
    ck_assert_msg(!slivi_vae_ais(v, x, n, how, group, out, NULL, NULL, NULL),
                  "%s", slivi_errmsg());
}

static void gap(slivi_vae *v, size_t n, const slivi_ais *how, size_t group,
                double *below, double *above)
{
    ck_assert_msg(
        !slivi_vae_ais_gap(v, n, how, group, 9, below, above, NULL, NULL), "%s",
        slivi_errmsg());
}

/* Image i has the bits of i. */
static const float *all_images(void)
{
    static float x[64 * X];
    for (size_t i = 0; i < 64 * X; i++)
        x[i] = (float)(i / X >> i % X & 1);
    return x;
}

/* ---- groups, threads ----------------------------------------------------- */

START_TEST(fixed_sizes_give_the_same_bits)
{
    enum { IMAGES = 23 };
    static const size_t groups[] = {1, 3, 7, IMAGES, 1000};
    slivi_vae *v[2] = {bits("1"), bits("2")};
    slivi_ais how = with(16, 6, 0.3);
    ais(v[0], all_images(), IMAGES, &how, IMAGES, logp);
    for (size_t k = 0; k < 10; k++) {
        ais(v[k % 2], all_images(), IMAGES, &how, groups[k / 2], other);
        ck_assert_mem_eq(logp, other, IMAGES * sizeof *logp);
    }
    how.first = 9; /* among several calls */
    ais(v[0], all_images() + 9 * X, IMAGES - 9, &how, 4, other + 9);
    ck_assert_mem_eq(logp, other, IMAGES * sizeof *logp);
    ais(v[0], all_images(), IMAGES, &how, IMAGES, other);
    ck_assert_double_ne(logp[0], other[0]);
    slivi_vae_free(v[0]);
    slivi_vae_free(v[1]);
}
END_TEST

START_TEST(pairs_give_the_same_bits)
{
    enum { PAIRS = 9 };
    double below[PAIRS], above[PAIRS];
    slivi_vae *v = bits("1"), *w = bits("2");
    slivi_ais how = with(16, 6, 0.3);
    gap(v, PAIRS, &how, 1, below, above);
    gap(w, PAIRS, &how, 4, logp, other);
    ck_assert_mem_eq(logp, below, sizeof below);
    ck_assert_mem_eq(other, above, sizeof above);
    how.first = 5;
    gap(v, PAIRS - 5, &how, PAIRS, logp, other);
    ck_assert_mem_eq(logp, below + 5, (PAIRS - 5) * sizeof *below);
    ck_assert_mem_eq(other, above + 5, (PAIRS - 5) * sizeof *above);
    slivi_vae_free(v);
    slivi_vae_free(w);
}
END_TEST

/* A group is what leads a step size: nothing more, nothing less. */
START_TEST(led_sizes_are_of_a_group)
{
    enum { IMAGES = 5, GROUP = 2 };
    slivi_vae *v = bits("1");
    slivi_ais how = with(8, 30, 0);
    how.eps = NULL;
    how.tuner.eps = 1.9;
    how.tuner.most = 5;
    ais(v, all_images(), IMAGES, &how, GROUP, logp);
    for (size_t i = 0; i < IMAGES; i += GROUP) {
        how.first = i;
        ais(v, all_images() + i * X, IMAGES - i < GROUP ? 1 : GROUP, &how,
            IMAGES, other + i);
    }
    ck_assert_mem_eq(logp, other, IMAGES * sizeof *logp);
    how.first = 0;
    ais(v, all_images(), IMAGES, &how, IMAGES, other);
    ck_assert_double_ne(logp[0], other[0]);
    slivi_vae_free(v);
}
END_TEST

/* Groups shrink to 32 MiB of images, but not where results depend on them. */
START_TEST(groups_are_bounded)
{
    enum { DIM = 1 << 15, IMAGES = 3, CHAINS = 128, MIB = 1 << 20 };
    const char *const options[] = {"hidden",  "1",   "latent", "1",
                                   "threads", "1",   "batch",  "1",
                                   "entropy", "dsm", NULL};
    static float x[IMAGES * DIM];
    scratch_memory *memory = scratch_watch(0);
    slivi_vae *v = make(DIM, options);
    slivi_ais how = with(CHAINS, 2, 0.01);
    how.leapfrogs = 1;
    ais(v, x, 1, &how, 1, logp); /* 16 MiB */
    const size_t idle = memory->bytes;
    memory->peak = idle;
    ais(v, x, IMAGES, &how, IMAGES, logp);
    ck_assert_uint_ge(memory->peak - idle, 32 * MIB);
    ck_assert_uint_lt(memory->peak - idle, 33 * MIB);
    memory->peak = idle;
    ais(v, x, 1, &how, 4, logp);
    ck_assert_uint_lt(memory->peak - idle, 17 * MIB);
    ck_assert_int_eq(
        slivi_vae_ais_tune(v, x, IMAGES, 1, &how, logp, NULL, NULL), 0);
    how.chains = 300; /* one image is more */
    ais(v, x, 1, &how, 1, logp);
    how.chains = CHAINS;
    how.eps = NULL;
    ais(v, x, IMAGES, &how, IMAGES, logp);
    ck_assert_uint_ge(memory->peak - idle, 48 * MIB);
    slivi_vae_free(v);
    ck_assert_uint_eq(memory->live, 0);
    scratch_unwatch();
}
END_TEST

/* ---- progress, failures -------------------------------------------------- */

typedef struct watch {
    size_t calls, stop_at, done, stop_done;
} watch;

static int look(size_t done, void *ctx)
{
    watch *w = ctx;
    ck_assert_uint_ge(done, w->done);
    w->done = done;
    return ++w->calls == w->stop_at || (done && done == w->stop_done);
}

enum { IMAGES = 5, GROUP = 2, K = 6 };

static int watched(slivi_vae *v, int is_gap, watch *w)
{
    const slivi_ais how = with(4, K, 0.3);
    for (size_t i = 0; i < IMAGES; i++)
        logp[i] = se[i] = 7;
    return is_gap
               ? slivi_vae_ais_gap(v, IMAGES, &how, GROUP, 1, logp, se, look, w)
               : slivi_vae_ais(v, all_images(), IMAGES, &how, GROUP, logp, se,
                               look, w);
}

static void check_written(size_t done)
{
    for (size_t i = 0; i < IMAGES; i++)
        ck_assert((logp[i] != 7) == (i < done) && (se[i] != 7) == (i < done));
}

START_TEST(progress_is_told_and_stops)
{
    slivi_vae *v = bits("1");
    watch w = {0};
    /* once for every call of the likelihood, and at the end */
    const size_t each = 1 + (K - 1) * 3, all = (_i ? 6u : 3u) * each + 1;
    ck_assert_int_eq(watched(v, _i, &w), 0);
    ck_assert_uint_eq(w.calls, all);
    ck_assert_uint_eq(w.done, IMAGES);
    check_written(IMAGES);
    w = (watch){.stop_at = each / 2}; /* amid the first group */
    ck_assert_int_eq(watched(v, _i, &w), SLIVI_ECALLBACK);
    ck_assert_uint_eq(w.calls, each / 2);
    ck_assert_str_eq(slivi_errmsg(), "stopped after 0 of 5 images");
    check_written(0);
    w = (watch){.stop_at = all - each / 2}; /* amid the last */
    ck_assert_int_eq(watched(v, _i, &w), SLIVI_ECALLBACK);
    ck_assert_str_eq(slivi_errmsg(), "stopped after 4 of 5 images");
    check_written(4);
    w = (watch){.stop_done = 2};
    ck_assert_int_eq(watched(v, _i, &w), SLIVI_ECALLBACK);
    check_written(2);
    w = (watch){.stop_done = 5};
    ck_assert_int_eq(watched(v, _i, &w), SLIVI_ECALLBACK);
    ck_assert_str_eq(slivi_errmsg(), "stopped after 5 of 5 images");
    check_written(5);
    slivi_vae_free(v);
}
END_TEST

START_TEST(bad_images_are_refused)
{
    static const struct {
        float value;
        int status;
    } wrong[] = {{0.5f, SLIVI_EINVAL},
                 {-1, SLIVI_EINVAL},
                 {2, SLIVI_EINVAL},
                 {NAN, SLIVI_ENONFINITE}};
    const char *const options[] = {"likelihood", "gaussian", NULL};
    float x[3 * X] = {0};
    double eps[K];
    slivi_vae *v = bits("1"), *real = make(X, options);
    const slivi_ais how = with(4, K, 0.3);
    x[2 * X + 1] = wrong[_i].value;
    ck_assert_int_eq(slivi_vae_ais(v, x, 3, &how, 3, logp, NULL, NULL, NULL),
                     wrong[_i].status);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "value 1 of image 2"));
    ck_assert_int_eq(slivi_vae_ais_tune(v, x, 3, 1, &how, eps, NULL, NULL),
                     wrong[_i].status);
    ais(v, x, 2, &how, 2, logp);
    ck_assert_int_eq(slivi_vae_ais(real, x, 3, &how, 3, logp, NULL, NULL, NULL),
                     _i < 3 ? 0 : SLIVI_ENONFINITE);
    slivi_vae_free(v);
    slivi_vae_free(real);
}
END_TEST

START_TEST(bad_calls_are_refused)
{
    double eps[K];
    watch w = {0};
    slivi_vae *v = bits("1");
    const slivi_ais good = with(4, K, 0.3);
    const float *x = all_images();
    slivi_ais how = good;
    ck_assert_int_eq(slivi_vae_ais(v, x, 0, &how, 3, logp, NULL, NULL, NULL),
                     0);
    ck_assert_int_eq(
        slivi_vae_ais_gap(v, 0, &how, 3, 0, logp, other, NULL, NULL), 0);
    ck_assert_int_eq(slivi_vae_ais(v, x, 3, &how, 0, logp, NULL, NULL, NULL),
                     SLIVI_EINVAL);
    ck_assert_int_eq(slivi_vae_ais_tune(v, x, 0, 1, &how, eps, NULL, NULL),
                     SLIVI_EINVAL);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "pilot"));
    ck_assert_int_eq(slivi_vae_ais_tune(v, x, 3, 0, &how, eps, NULL, NULL),
                     SLIVI_EINVAL);
    how.chains = 0;
    ck_assert_int_eq(slivi_vae_ais(v, x, 3, &how, 3, logp, NULL, NULL, NULL),
                     SLIVI_EINVAL);
    how = good;
    how.temperatures = 1;
    ck_assert_int_eq(slivi_vae_ais(v, x, 3, &how, 3, logp, NULL, NULL, NULL),
                     SLIVI_EINVAL);
    how = good;
    how.eps = NULL; /* at once, not when it comes to the upper bound */
    ck_assert_int_eq(slivi_vae_ais_gap(v, 3, &how, 3, 0, logp, other, look, &w),
                     SLIVI_EINVAL);
    ck_assert_uint_eq(w.calls, 0);
    how = good; /* before the first group, not at the last */
    how.first = (UINT64_C(1) << 30) - 2;
    logp[0] = 7;
    ck_assert_int_eq(slivi_vae_ais(v, x, 3, &how, 1, logp, NULL, NULL, NULL),
                     SLIVI_EINVAL);
    ck_assert_double_eq(logp[0], 7);
    ais(v, x, 2, &how, 1, logp);
    slivi_vae_free(v);
}
END_TEST

static int call(slivi_vae *v, size_t which)
{
    const slivi_ais how = with(4, 3, 0.3);
    double eps[3];
    return which == 0 ? slivi_vae_ais(v, all_images(), 3, &how, 2, logp, NULL,
                                      NULL, NULL)
           : which == 1
               ? slivi_vae_ais_gap(v, 3, &how, 2, 1, logp, other, NULL, NULL)
               : slivi_vae_ais_tune(v, all_images(), 3, 2, &how, eps, NULL,
                                    NULL);
}

/* The k-th allocation fails, for many k of a first call and all k of a later
   one: a status, no leak, still usable. */
START_TEST(lack_of_memory_is_survived)
{
    scratch_memory *memory = scratch_watch(0);
    for (size_t k = 1, done = 0; !done; k += 1 + k / 20) {
        slivi_vae *v = bits("1");
        memory->calls = 0;
        memory->fail_at = k;
        done = !call(v, (size_t)_i);
        ck_assert(done || strstr(slivi_errmsg(), "memory"));
        memory->fail_at = 0;
        ck_assert_int_eq(call(v, (size_t)_i), 0);
        const size_t live = memory->live;
        for (size_t j = 1, whole = 0; done && !whole; j++) {
            memory->calls = 0;
            memory->fail_at = j;
            whole = !call(v, (size_t)_i);
            ck_assert(whole || strstr(slivi_errmsg(), "memory"));
            ck_assert_uint_eq(whole, j > memory->calls);
            ck_assert_uint_eq(memory->live, live);
        }
        memory->fail_at = 0;
        slivi_vae_free(v);
        ck_assert_uint_eq(memory->live, 0);
    }
    scratch_unwatch();
}
END_TEST

Suite *slivi_suite_vae_ais_use(void)
{
    Suite *s = suite_create("vae_ais_use");
    TCase *c = tcase_create("manners");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, fixed_sizes_give_the_same_bits);
    tcase_add_test(c, pairs_give_the_same_bits);
    tcase_add_test(c, led_sizes_are_of_a_group);
    tcase_add_test(c, groups_are_bounded);
    tcase_add_loop_test(c, progress_is_told_and_stops, 0, 2);
    tcase_add_loop_test(c, bad_images_are_refused, 0, 4);
    tcase_add_test(c, bad_calls_are_refused);
    tcase_add_loop_test(c, lack_of_memory_is_survived, 0, 3);
    suite_add_tcase(s, c);
    return s;
}
