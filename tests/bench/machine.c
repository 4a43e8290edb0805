/* machine.c - on what, and with what, the figures were taken.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "machine.h"

#include "loops.h"
#include "product.h"

#include "kernel/isa.h"
#include "slivi/blas.h"
#include "slivi/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef SLIVI_BENCH_FLAGS
#define SLIVI_BENCH_FLAGS "unknown"
#endif
#ifndef SLIVI_BENCH_COMMIT
#define SLIVI_BENCH_COMMIT "unknown"
#endif

extern char **environ;

static const char *const prefixes[] = {"OPENBLAS_", "OMP_", "GOMP_", "KMP_",
                                       "MKL_"};

/* The text after "key ... :" on the file's first line of that key. */
static int look_up(const char *path, const char *key, char *text, size_t room)
{
    char line[512];
    int found = 0;
    FILE *f = fopen(path, "r");
    while (f && !found && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)))
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(text, room, "%s", colon);
        found = 1;
    }
    if (f)
        fclose(f);
    return found;
}

static json_t *variables(void)
{
    json_t *all = json_object();
    for (char **e = environ; *e && all; e++)
        for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
            const char *value = strchr(*e, '=');
            if (!value || strncmp(*e, prefixes[i], strlen(prefixes[i])))
                continue;
            char name[128];
            snprintf(name, sizeof name, "%.*s", (int)(value - *e), *e);
            json_object_set_new(all, name, json_string(value + 1));
        }
    return all;
}

static const char *instructions(void)
{
#if SLIVI_BENCH_KERNEL
    return slivi__isa_best()->name;
#else
    return loops_best()->name;
#endif
}

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

json_t *machine_describe(void)
{
    char model[256] = "unknown", date[64] = "";
    const time_t now = time(NULL);
    struct tm utc;
    look_up("/proc/cpuinfo", "model name", model, sizeof model);
    if (gmtime_r(&now, &utc))
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, "
                     "s:o}",
                     "date", date, "cpu", model, "cores",
                     (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "blas_core",
                     slivi_blas_core(), "blas", slivi_blas_config(),
                     "instructions", instructions(), "direct_products",
                     product_name(), "compiler", COMPILER, "flags",
                     SLIVI_BENCH_FLAGS, "commit", SLIVI_BENCH_COMMIT, "slivi",
                     slivi_version(), "environment", variables());
}

void machine_print(const json_t *machine)
{
    const char *key, *name;
    json_t *value, *text;
    json_object_foreach((json_t *)machine, key, value)
    {
        if (json_is_string(value))
            printf("# %-16s %s\n", key, json_string_value(value));
        else if (json_is_integer(value))
            printf("# %-16s %lld\n", key, (long long)json_integer_value(value));
        else
            json_object_foreach(value, name, text)
                printf("# %-16s %s\n", name, json_string_value(text));
    }
}

void machine_warn(void)
{
    static const char *const names[] = {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE",
                                        "OPENBLAS_NUM_THREADS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]))
            fprintf(stderr,
                    "slivi-bench: %s is set (%s): BLAS may be much slower than "
                    "it is on this machine\n",
                    names[i], getenv(names[i]));
}

void machine_memory(size_t *resident, size_t *peak)
{
    char text[64];
    *resident = *peak = 0;
    if (look_up("/proc/self/status", "VmRSS", text, sizeof text))
        *resident = strtoul(text, NULL, 10);
    if (look_up("/proc/self/status", "VmHWM", text, sizeof text))
        *peak = strtoul(text, NULL, 10);
}
