/* race.h - timing of several contenders in turn.

   Within a repetition each contender runs a block of steps, so that what
   disturbs the machine disturbs all alike; quotients of two contenders are
   taken within repetitions.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_RACE_H
#define BENCH_RACE_H

#include <stddef.h>

typedef struct runner {
    int (*step)(void *ctx); /* a status */
    void (*done)(void *ctx);
    void *ctx;
} runner;

typedef struct contender {
    char group[40];   /* "vae-z32" */
    char version[16]; /* "library" */
    size_t threads;
    double flops; /* of a step; 0: not known */
    runner run;
    size_t inner;    /* steps of a block */
    double *seconds; /* of a step, by repetition */
} contender;

enum { RACE_MOST = 192, RACE_REPEATS_MOST = 10000 };

typedef struct race {
    contender at[RACE_MOST];
    size_t count, repeats;
    int own_time; /* times are of the thread, whatever else the machine runs:
                     for contenders that have no other threads */
} race;

/* Takes over the runner in any case. */
int race_add(race *r, const char *group, const char *version, size_t threads,
             double flops, runner run);
/* `between` is called once for each repetition with its ctx; NULL is fine. */
int race_run(race *r, size_t repeats, int (*between)(void *ctx), void *ctx);
void race_clear(race *r);

const contender *race_find(const race *r, const char *group,
                           const char *version, size_t threads);

typedef struct spread {
    double least, low, median, high; /* low, high: quartiles */
} spread;

spread race_times(const race *r, const contender *c);
/* Median over repetitions of a's time over b's; NaN where one is NULL. */
double race_quotient(const race *r, const contender *a, const contender *b);
/* The same of operations for each second. */
double race_rates(const race *r, const contender *a, const contender *b);

double race_now(void);

#endif
