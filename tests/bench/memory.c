/* memory.c - resident memory at two steps of a run: it should not grow.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "memory.h"

#include "machine.h"
#include "subject.h"

#include "base/base.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EARLY = 50, LATE = 400 };

typedef struct usage {
    size_t resident[2], peak[2]; /* kB, at step EARLY and LATE */
} usage;

static void note(usage *u, size_t step)
{
    const size_t k = step == LATE;
    if (step == EARLY || step == LATE)
        machine_memory(&u->resident[k], &u->peak[k]);
}

static int run_vae(const images *im, usage *u)
{
    const shape s = {
        .latent = 32, .dim = IMAGE_DIM, .hidden = {256, 256}, .batch = 128};
    slivi_vae *v = subject_vae(&s, 1, "dynamic");
    int status = v ? 0 : slivi__status();
    for (size_t i = 1; i <= LATE && !status; i++) {
        size_t at = i % (im->count / s.batch) * s.batch;
        status = slivi_vae_step(v, im->pixel + at * IMAGE_DIM, s.batch, NULL);
        note(u, i);
    }
    slivi_vae_free(v);
    return status;
}

/* Three hidden layers have no trace in closed form: unit vectors, 64 a run. */
static int run_trace(const images *im, usage *u)
{
    const shape s = {.latent = 1000, .batch = 10};
    samples x = {0};
    slivi_score *it = subject_score("sm", &s, "64,64,64", 1);
    int status = it ? samples_make(&x, &s, im) : slivi__status();
    for (size_t i = 1; i <= LATE && !status; i++) {
        status = slivi_score_update(it, x.z, NULL, x.n, NULL);
        note(u, i);
    }
    samples_clear(&x);
    slivi_score_free(it);
    return status;
}

static const struct {
    const char *name;
    int (*run)(const images *im, usage *u);
} subjects[] = {
    {"vae-z32-128", run_vae},
    {"sm-trace-d1000-10", run_trace},
};

/* In a child, whose figures are not those of what ran before. */
static int measure(size_t i, const images *im, usage *u)
{
    int ends[2], ended = 0;
    if (pipe(ends))
        return slivi__fail(SLIVI_ESYSTEM, "bench: no pipe");
    const pid_t child = fork();
    if (!child) {
        usage own = {{0}, {0}};
        int status = subjects[i].run(im, &own);
        if (status)
            fprintf(stderr, "slivi-bench: %s: %s\n", subjects[i].name,
                    slivi_errmsg());
        else
            status = write(ends[1], &own, sizeof own) != (ssize_t)sizeof own;
        _exit(status != 0);
    }
    close(ends[1]);
    ssize_t got = child > 0 ? read(ends[0], u, sizeof *u) : 0;
    close(ends[0]);
    if (child > 0)
        waitpid(child, &ended, 0);
    return got == (ssize_t)sizeof *u && !ended
               ? 0
               : slivi__fail(SLIVI_ESYSTEM, "bench: %s did not end well",
                             subjects[i].name);
}

int memory_measure(const images *im, json_t *rows)
{
    printf("%-24s %12s %12s %12s %12s   kB at steps %d and %d\n", "memory",
           "resident", "resident", "peak", "peak", EARLY, LATE);
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        usage u;
        int status = measure(i, im, &u);
        if (status)
            return status;
        printf("%-24s %12zu %12zu %12zu %12zu\n", subjects[i].name,
               u.resident[0], u.resident[1], u.peak[0], u.peak[1]);
        fflush(stdout);
        json_array_append_new(
            rows,
            json_pack("{s:s, s:[i,i], s:[I,I], s:[I,I]}", "case",
                      subjects[i].name, "steps", EARLY, LATE, "resident_kB",
                      (json_int_t)u.resident[0], (json_int_t)u.resident[1],
                      "peak_kB", (json_int_t)u.peak[0], (json_int_t)u.peak[1]));
    }
    return 0;
}
