/* pool.c - threads that sleep until a run gives them numbered tasks.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity, where there is one */
#endif

#include "base/base.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* One run; it lives on the caller's stack. */
struct job {
    int (*task)(size_t i, size_t worker, void *ctx);
    void *ctx;
    size_t count;
    atomic_size_t next; /* the first task that nobody has taken */

    /* the failure with the smallest number so far, under the pool's lock */
    int status;
    size_t failed;
    char message[SLIVI__MESSAGE];
};

struct slivi_pool {
    pthread_mutex_t turn; /* held by the caller of a run */
    pthread_mutex_t lock;
    pthread_cond_t wake;  /* there is a job, or the pool stops */
    pthread_cond_t idle;  /* no worker is inside the job any more */
    struct job *job;      /* the open job, or NULL */
    atomic_size_t runs;   /* number of jobs so far: a worker joins each once */
    atomic_size_t inside; /* workers in the job */
    atomic_int stop;
    size_t born;    /* workers that have begun */
    int spins;      /* looks at what is awaited before sleep */
    size_t workers; /* threads started, without the caller */
    pthread_t thread[];
};

/* Some tens of microseconds: the phases of a training step follow one another
   faster than a sleeper wakes up. */
enum { SPINS = 1000 };

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void note_failure(struct job *job, size_t i, int status, size_t before)
{
    if (job->status != 0 && job->failed < i)
        return;
    job->status = status;
    job->failed = i;
    if (slivi__failures() == before) /* the task left no message */
        slivi__fail(status, "task %zu: %s", i, slivi_strerror(status));
    memcpy(job->message, slivi_errmsg(), strlen(slivi_errmsg()) + 1);
}

/* Take tasks until none is left. */
static void work(slivi_pool *pool, struct job *job, size_t worker)
{
    for (;;) {
        const size_t i = atomic_fetch_add(&job->next, 1);
        const size_t before = slivi__failures();
        int status;

        if (i >= job->count)
            return;
        status = job->task(i, worker, job->ctx);
        if (status == 0)
            continue;
        if (pool != NULL)
            pthread_mutex_lock(&pool->lock);
        note_failure(job, i, status, before);
        if (pool != NULL)
            pthread_mutex_unlock(&pool->lock);
    }
}

/* The next job that has not been seen, or NULL when the pool stops; the lock is
   held on return. */
static struct job *await_job(slivi_pool *pool, size_t seen)
{
    for (int i = 0; i < pool->spins && atomic_load(&pool->runs) == seen
                    && !atomic_load(&pool->stop);
         i++)
        relax();
    pthread_mutex_lock(&pool->lock);
    while (!pool->stop && (pool->job == NULL || pool->runs == seen))
        pthread_cond_wait(&pool->wake, &pool->lock);
    return pool->stop ? NULL : pool->job;
}

static void *worker(void *arg)
{
    slivi_pool *pool = arg;
    struct job *job;
    size_t seen = 0, number;

    fesetenv(FE_DFL_ENV); /* not that of the thread that made this one */
    pthread_mutex_lock(&pool->lock);
    number = ++pool->born;
    pthread_mutex_unlock(&pool->lock);
    while ((job = await_job(pool, seen)) != NULL) {
        seen = pool->runs;
        pool->inside++;
        pthread_mutex_unlock(&pool->lock);
        work(pool, job, number);
        pthread_mutex_lock(&pool->lock);
        if (--pool->inside == 0)
            pthread_cond_signal(&pool->idle);
        pthread_mutex_unlock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* A worker that wakes up after the job was closed does not join it, so that a
   short run never waits for a sleeper. */
static void run_shared(slivi_pool *pool, struct job *job)
{
    pthread_mutex_lock(&pool->turn);
    pthread_mutex_lock(&pool->lock);
    pool->job = job;
    pool->runs++;
    for (size_t i = 0; i < pool->workers && i + 1 < job->count; i++)
        pthread_cond_signal(&pool->wake); /* no more than there are tasks for */
    pthread_mutex_unlock(&pool->lock);

    work(pool, job, 0);

    pthread_mutex_lock(&pool->lock);
    pool->job = NULL;
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->spins && atomic_load(&pool->inside) != 0; i++)
        relax();
    pthread_mutex_lock(&pool->lock);
    while (pool->inside != 0)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    pthread_mutex_unlock(&pool->turn);
}

int slivi__pool_share(slivi_pool *pool, size_t count,
                      int (*task)(size_t i, size_t worker, void *ctx),
                      void *ctx)
{
    struct job job;
    slivi__mode mode;

    if (count == 0)
        return 0;
    job.task = task;
    job.ctx = ctx;
    job.count = count;
    atomic_init(&job.next, 0);
    job.status = 0;
    job.failed = 0;
    slivi__mode_enter(&mode);
    if (pool == NULL || pool->workers == 0 || count < 2)
        work(NULL, &job, 0);
    else
        run_shared(pool, &job);
    slivi__mode_leave(&mode);
    return job.status != 0 ? slivi__fail(job.status, "%s", job.message) : 0;
}

/* A task that does not ask who runs it. */
struct plain {
    int (*task)(size_t i, void *ctx);
    void *ctx;
};

static int run_plain(size_t i, size_t worker, void *ctx)
{
    const struct plain *p = ctx;

    (void)worker;
    return p->task(i, p->ctx);
}

int slivi_pool_run(slivi_pool *pool, size_t count,
                   int (*task)(size_t i, void *ctx), void *ctx)
{
    struct plain p = {task, ctx};

    return slivi__pool_share(pool, count, run_plain, &p);
}

static size_t processors(void)
{
    long online;

#ifdef CPU_COUNT
    cpu_set_t set;

    /* fails on machines with more processors than the set holds */
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (size_t)CPU_COUNT(&set);
#endif
    online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}

/* The host's signals are for the host's threads: a worker inherits a mask that
   blocks all of them. */
static int start_workers(slivi_pool *pool, size_t count)
{
    sigset_t all, old;
    int error;

    sigfillset(&all);
    error = pthread_sigmask(SIG_SETMASK, &all, &old);
    if (error != 0)
        return slivi__fail(SLIVI_ESYSTEM, "pool: cannot block signals: %s",
                           strerror(error));
    for (; pool->workers < count && error == 0; pool->workers += error == 0)
        error = pthread_create(&pool->thread[pool->workers], NULL, worker,
                               pool);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error != 0)
        return slivi__fail(SLIVI_ESYSTEM, "pool: cannot start thread %zu: %s",
                           pool->workers + 1, strerror(error));
    return 0;
}

static int init_locks(slivi_pool *pool)
{
    if (pthread_mutex_init(&pool->lock, NULL) != 0)
        goto fail;
    if (pthread_cond_init(&pool->wake, NULL) != 0)
        goto fail_lock;
    if (pthread_cond_init(&pool->idle, NULL) != 0)
        goto fail_wake;
    if (pthread_mutex_init(&pool->turn, NULL) != 0)
        goto fail_idle;
    return 0;
fail_idle:
    pthread_cond_destroy(&pool->idle);
fail_wake:
    pthread_cond_destroy(&pool->wake);
fail_lock:
    pthread_mutex_destroy(&pool->lock);
fail:
    return slivi__fail(SLIVI_ESYSTEM, "pool: the system gave no lock");
}

slivi_pool *slivi_pool_create(size_t threads)
{
    slivi_pool *pool;
    size_t bytes;

    if (threads == 0)
        threads = processors();
    if (slivi__mul(threads - 1, sizeof pool->thread[0], &bytes)
        || slivi__add(bytes, sizeof *pool, &bytes))
        return NULL;
    pool = slivi__alloc(1, bytes);
    if (pool == NULL)
        return NULL;
    if (init_locks(pool) != 0) {
        slivi__free(pool);
        return NULL;
    }
    /* waiting in a loop pays only where every thread has a processor */
    pool->spins = threads <= processors() ? SPINS : 0;
    if (start_workers(pool, threads - 1) != 0) {
        slivi_pool_free(pool);
        return NULL;
    }
    return pool;
}

void slivi_pool_free(slivi_pool *pool)
{
    size_t i;

    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = 1;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (i = 0; i < pool->workers; i++)
        pthread_join(pool->thread[i], NULL);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->turn);
    slivi__free(pool);
}

size_t slivi_pool_threads(const slivi_pool *pool)
{
    return pool != NULL ? pool->workers + 1 : 1;
}
