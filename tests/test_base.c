/* test_base.c - status, memory and pool.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "suites.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* -- status ---------------------------------------------------------------- */

START_TEST(test_strerror)
{
    for (int i = SLIVI_ESYSTEM; i <= SLIVI_OK; i++) {
        ck_assert_str_ne(slivi_strerror(i), "unknown status");
        ck_assert_uint_gt(strlen(slivi_strerror(i)), 5);
        for (int j = SLIVI_ESYSTEM; j < i; j++)
            ck_assert_str_ne(slivi_strerror(i), slivi_strerror(j));
    }
    ck_assert_str_eq(slivi_strerror(SLIVI_OK), "success");
    ck_assert_str_eq(slivi_strerror(SLIVI_ENOMEM), "out of memory");
    ck_assert_ptr_nonnull(strstr(slivi_strerror(SLIVI_ESYSTEM), "BLAS"));
    ck_assert_str_eq(slivi_strerror(1), "unknown status");
    ck_assert_str_eq(slivi_strerror(SLIVI_ESYSTEM - 1), "unknown status");
    ck_assert_str_eq(slivi_strerror(INT_MIN), "unknown status");
    ck_assert_str_eq(slivi_strerror(INT_MAX), "unknown status");
    ck_assert_str_eq(slivi_version(), PACKAGE_VERSION);
}
END_TEST

START_TEST(test_messages)
{
    char longer[2 * SLIVI__MESSAGE];
    const size_t before = slivi__failures();

    ck_assert_int_eq(slivi__fail(SLIVI_EIO, "a %d", 1), SLIVI_EIO);
    ck_assert_str_eq(slivi_errmsg(), "a 1");
    ck_assert_int_eq(slivi__fail_in(SLIVI_EFORMAT, "in %s", "b"),
                     SLIVI_EFORMAT);
    ck_assert_str_eq(slivi_errmsg(), "in b: a 1");
    /* the arguments may be the message itself */
    slivi__fail(SLIVI_EIO, "%s, twice %s", slivi_errmsg(), slivi_errmsg());
    ck_assert_str_eq(slivi_errmsg(), "in b: a 1, twice in b: a 1");
    ck_assert_uint_eq(slivi__failures() - before, 3);
    ck_assert_ptr_null(slivi__fail_null(SLIVI_EIO, "null"));
    ck_assert_str_eq(slivi_errmsg(), "null");

    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    slivi__fail(SLIVI_EIO, "%s", longer);
    ck_assert_uint_eq(strlen(slivi_errmsg()), SLIVI__MESSAGE - 1);
    slivi__fail_in(SLIVI_EIO, "front");
    ck_assert_uint_eq(strlen(slivi_errmsg()), SLIVI__MESSAGE - 1);
    ck_assert_int_eq(strncmp(slivi_errmsg(), "front: xxx", 10), 0);
}
END_TEST

static void *fail_elsewhere(void *arg)
{
    *(int *)arg = slivi_errmsg()[0] == '\0';
    slivi__fail(SLIVI_EIO, "elsewhere");
    *(int *)arg &= strcmp(slivi_errmsg(), "elsewhere") == 0;
    return NULL;
}

START_TEST(test_message_per_thread)
{
    pthread_t thread;
    int good = 0;

    slivi__fail(SLIVI_EIO, "here");
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, &good), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(good, 1);
    ck_assert_str_eq(slivi_errmsg(), "here");
}
END_TEST

/* -- memory ---------------------------------------------------------------- */

/* A hook that counts, fails on demand and gives badly aligned blocks. */
struct counter {
    size_t made, released, left; /* left: calls until all fail */
};

static void *count_alloc(size_t bytes, void *ctx)
{
    struct counter *c = ctx;
    char *raw;

    if (c->left == 0)
        return NULL;
    c->left--;
    raw = malloc(bytes + 16);
    if (raw == NULL)
        return NULL;
    memset(raw, 0xa5, bytes + 16);
    c->made++;
    return raw + 8 * (c->made % 2);
}

static void count_release(void *block, void *ctx)
{
    struct counter *c = ctx;
    const uintptr_t odd = (uintptr_t)block % 16;

    c->released++;
    free((char *)block - odd);
}

static void set_counter(struct counter *c)
{
    const slivi_allocator hook = {count_alloc, count_release, c};

    slivi_set_allocator(c != NULL ? &hook : NULL);
}

START_TEST(test_sizes)
{
    size_t out = 7;

    ck_assert_int_eq(slivi__mul(3, 5, &out), 0);
    ck_assert_uint_eq(out, 15);
    ck_assert_int_eq(slivi__mul(SIZE_MAX, 0, &out), 0);
    ck_assert_uint_eq(out, 0);
    ck_assert_int_eq(slivi__mul(0, SIZE_MAX, &out), 0);
    ck_assert_int_eq(slivi__mul(SIZE_MAX / 2, 2, &out), 0);
    ck_assert_uint_eq(out, SIZE_MAX - 1);
    ck_assert_int_eq(slivi__mul(SIZE_MAX / 2 + 1, 2, &out), SLIVI_EOVERFLOW);
    ck_assert_uint_eq(out, SIZE_MAX - 1); /* left alone */
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), " x 2 "));
    ck_assert_int_eq(slivi__add(SIZE_MAX - 1, 1, &out), 0);
    ck_assert_uint_eq(out, SIZE_MAX);
    ck_assert_int_eq(slivi__add(SIZE_MAX, 1, &out), SLIVI_EOVERFLOW);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), " + 1 "));
}
END_TEST

START_TEST(test_alloc)
{
    struct counter c = {0, 0, SIZE_MAX};
    const size_t sizes[] = {0, 1, 7, 64, 65, 1000, 100000};
    size_t dirty = 0;

    set_counter(&c);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int twice = 0; twice < 2; twice++) { /* both misalignments */
            unsigned char *p = slivi__alloc(sizes[i], 1);

            ck_assert_ptr_nonnull(p);
            ck_assert_uint_eq((uintptr_t)p % 64, 0);
            for (size_t j = 0; j < sizes[i]; j++)
                dirty += p[j] != 0;
            memset(p, 0xff, sizes[i]);
            slivi__free(p);
        }
    ck_assert_uint_eq(dirty, 0);
    slivi__free(NULL);
    set_counter(NULL);
    ck_assert_uint_eq(c.made, 14);
    ck_assert_uint_eq(c.released, c.made);

    ck_assert_ptr_null(slivi__alloc(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(slivi__alloc(SIZE_MAX - 8, 1));
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "too large"));
}
END_TEST

START_TEST(test_alloc_fails)
{
    struct counter c = {0, 0, 1};
    char *p, *text;

    set_counter(&c);
    p = slivi__alloc(10, 1);
    ck_assert_ptr_nonnull(p);
    strcpy(p, "kept");
    ck_assert_ptr_null(slivi__alloc(3, 5));
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "no memory for 15 bytes"));
    ck_assert_ptr_null(slivi__grow(p, 10, 20, 1));
    ck_assert_str_eq(p, "kept");
    ck_assert_ptr_null(slivi__strdup("x"));
    ck_assert_ptr_null(slivi_pool_create(1));
    c.left = SIZE_MAX;
    p = slivi__grow(p, 10, 20, 1);
    ck_assert_str_eq(p, "kept");
    ck_assert_int_eq(p[19], 0);
    p = slivi__grow(p, 20, 2, 1); /* shrinks */
    ck_assert_int_eq(memcmp(p, "ke", 2), 0);
    slivi__free(p);
    p = slivi__grow(NULL, 0, 3, 8);
    ck_assert_int_eq(p[23], 0);
    slivi__free(p);
    text = slivi__strdup("copy");
    ck_assert_str_eq(text, "copy");
    slivi__free(text);
    set_counter(NULL);
    ck_assert_uint_eq(c.released, c.made);
}
END_TEST

/* -- the pool -------------------------------------------------------------- */

enum { TASKS = 1000 };

static int count_task(size_t i, void *ctx)
{
    atomic_int *called = ctx;

    atomic_fetch_add(&called[i], 1);
    return 0;
}

START_TEST(test_pool_runs_each_task_once)
{
    static const size_t counts[] = {0, 1, 2, 3, 7, TASKS};
    static atomic_int called[TASKS];
    slivi_pool *pool = _i == 0 ? NULL : slivi_pool_create((size_t)_i);
    size_t wrong = 0;

    ck_assert_uint_eq(slivi_pool_threads(pool), _i == 0 ? 1 : (size_t)_i);
    for (int repeat = 0; repeat < 50; repeat++)
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            for (size_t i = 0; i < TASKS; i++)
                atomic_store(&called[i], 0);
            ck_assert_int_eq(
                slivi_pool_run(pool, counts[c], count_task, called), 0);
            for (size_t i = 0; i < TASKS; i++)
                wrong += atomic_load(&called[i]) != (i < counts[c]);
        }
    ck_assert_uint_eq(wrong, 0);
    slivi_pool_free(pool);
}
END_TEST

/* Several host threads run on one pool: while a task of one run is at work, no
   task of another is. */
enum { CALLERS = 4 };

struct shared {
    slivi_pool *pool;
    atomic_int active[CALLERS], overlaps, done;
};

struct caller {
    struct shared *s;
    int number;
};

static int turn_task(size_t i, void *ctx)
{
    const struct caller *me = ctx;
    struct shared *s = me->s;

    (void)i;
    atomic_fetch_add(&s->active[me->number], 1);
    for (int spin = 0; spin < 300; spin++)
        for (int k = 0; k < CALLERS; k++)
            if (k != me->number && atomic_load(&s->active[k]))
                atomic_fetch_add(&s->overlaps, 1);
    atomic_fetch_sub(&s->active[me->number], 1);
    atomic_fetch_add(&s->done, 1);
    return 0;
}

static void *call(void *arg)
{
    struct caller *me = arg;

    for (int round = 0; round < 100; round++)
        slivi_pool_run(me->s->pool, 8, turn_task, me);
    return NULL;
}

START_TEST(test_pool_runs_take_turns)
{
    static struct shared s;
    struct caller caller[CALLERS];
    pthread_t thread[CALLERS];

    s.pool = slivi_pool_create(3);
    ck_assert_ptr_nonnull(s.pool);
    for (int k = 0; k < CALLERS; k++) {
        caller[k] = (struct caller){&s, k};
        ck_assert_int_eq(pthread_create(&thread[k], NULL, call, &caller[k]), 0);
    }
    for (int k = 0; k < CALLERS; k++)
        pthread_join(thread[k], NULL);
    ck_assert_int_eq(atomic_load(&s.overlaps), 0);
    ck_assert_int_eq(atomic_load(&s.done), CALLERS * 100 * 8);
    slivi_pool_free(s.pool);
}
END_TEST

/* Tasks 37, 40, ... fail; 38, 41, ... fail and leave no message. */
static int fail_task(size_t i, void *ctx)
{
    atomic_int *called = ctx;

    atomic_fetch_add(called, 1);
    if (i < 37 || i % 3 == 0)
        return 0;
    if (i % 3 == 2)
        return SLIVI_ECALLBACK;
    return slivi__fail(SLIVI_EIO, "number %zu", i);
}

static int silent_task(size_t i, void *ctx)
{
    (void)ctx;
    return i == 5 ? SLIVI_ECALLBACK : 0;
}

START_TEST(test_pool_reports_first_failure)
{
    slivi_pool *pool = _i == 0 ? NULL : slivi_pool_create((size_t)_i);

    for (int repeat = 0; repeat < 50; repeat++) {
        atomic_int called = 0;

        slivi__fail(SLIVI_EINVAL, "stale");
        ck_assert_int_eq(slivi_pool_run(pool, 100, fail_task, &called),
                         SLIVI_EIO);
        ck_assert_str_eq(slivi_errmsg(), "number 37");
        ck_assert_int_eq(called, 100);
        /* a stale message of whatever thread is not taken for this one's */
        ck_assert_int_eq(slivi_pool_run(pool, 9, silent_task, NULL),
                         SLIVI_ECALLBACK);
        ck_assert_str_eq(slivi_errmsg(), "task 5: user's function failed");
        ck_assert_int_eq(slivi_pool_run(pool, 5, silent_task, NULL), 0);
        ck_assert_str_eq(slivi_errmsg(), "task 5: user's function failed");
    }
    slivi_pool_free(pool);
}
END_TEST

struct meeting {
    pthread_barrier_t barrier;
    pthread_t caller;
    atomic_int workers, unblocked;
};

/* Two tasks meet, so two threads must have taken them. */
static int meet(size_t i, void *ctx)
{
    struct meeting *m = ctx;
    sigset_t mask;

    (void)i;
    pthread_barrier_wait(&m->barrier);
    if (pthread_equal(pthread_self(), m->caller))
        return 0;
    atomic_fetch_add(&m->workers, 1);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    atomic_fetch_add(&m->unblocked, !sigismember(&mask, SIGINT)
                                        + !sigismember(&mask, SIGTERM)
                                        + !sigismember(&mask, SIGPROF));
    return 0;
}

START_TEST(test_pool_threads_and_signals)
{
    slivi_pool *pool = slivi_pool_create(2);
    struct meeting m = {.caller = pthread_self()};
    sigset_t mask;

    pthread_barrier_init(&m.barrier, NULL, 2);
    ck_assert_int_eq(slivi_pool_run(pool, 2, meet, &m), 0);
    ck_assert_int_eq(m.workers, 1);
    ck_assert_int_eq(m.unblocked, 0);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGINT), 0);
    pthread_barrier_destroy(&m.barrier);
    slivi_pool_free(pool);

    pool = slivi_pool_create(0);
    ck_assert_uint_ge(slivi_pool_threads(pool), 1);
    slivi_pool_free(pool);
    ck_assert_ptr_null(slivi_pool_create(SIZE_MAX));
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "too large"));
}
END_TEST

START_TEST(test_pool_allocates_nothing)
{
    struct counter c = {0, 0, SIZE_MAX};
    static atomic_int called[TASKS];
    static float x[130 * 130];
    atomic_int failed = 0;
    slivi_pool *pool;
    size_t made;

    set_counter(&c);
    pool = slivi_pool_create(3);
    made = c.made;
    ck_assert_uint_gt(made, 0);
    slivi_pool_run(pool, TASKS, count_task, called);
    slivi_pool_run(pool, 100, fail_task, &failed);
    ck_assert_int_eq(slivi__blas_enter(), 0);
    ck_assert_int_eq(
        slivi__sgemm(pool, 0, 0, 130, 130, 130, 1, x, 130, x, 130, 0, x, 130),
        0);
    slivi__blas_leave();
    ck_assert_uint_eq(c.made, made);
    slivi_pool_free(pool);
    set_counter(NULL);
    ck_assert_uint_eq(c.released, c.made);
}
END_TEST

Suite *slivi_suite_base(void)
{
    Suite *suite = suite_create("base");
    TCase *tc = tcase_create("base");

    tcase_add_test(tc, test_strerror);
    tcase_add_test(tc, test_messages);
    tcase_add_test(tc, test_message_per_thread);
    tcase_add_test(tc, test_sizes);
    tcase_add_test(tc, test_alloc);
    tcase_add_test(tc, test_alloc_fails);
    tcase_add_loop_test(tc, test_pool_runs_each_task_once, 0, 5);
    tcase_add_loop_test(tc, test_pool_reports_first_failure, 0, 5);
    tcase_add_test(tc, test_pool_runs_take_turns);
    tcase_add_test(tc, test_pool_threads_and_signals);
    tcase_add_test(tc, test_pool_allocates_nothing);
    suite_add_tcase(suite, tc);
    return suite;
}
