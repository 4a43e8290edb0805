/* experiment.h - what the programs share: their folder, signals, the clock,
   the answers to --list and --version.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef EXPERIMENT_H
#define EXPERIMENT_H

#include "args.h"

#include <stddef.h>

enum { EXPERIMENT_PATH = 4096 };

/* The options that all programs have. */
#define EXPERIMENT_WORDS(folder)                                               \
    {"out", ARGS_PLACE, "DIR", folder, "where everything is written"},         \
        {"set", ARGS_SET, "KEY=VALUE", NULL, "another way to give an option"}, \
        {"config", ARGS_CONFIG, "FILE", NULL,                                  \
         "options from a file such as a run's config.json"},                   \
        {"json", ARGS_SWITCH, NULL, NULL, "print result.json, not a table"},   \
        {"quiet", ARGS_SWITCH, NULL, NULL, "no progress on stderr"},           \
        {"list", ARGS_SWITCH, NULL, NULL, "list all choices and leave"},       \
        {"help", ARGS_SWITCH, NULL, NULL, "print this and leave, as -h does"}, \
    {                                                                          \
        "version", ARGS_SWITCH, NULL, NULL,                                    \
            "print versions, BLAS and compiler and leave"                      \
    }

/* Seconds of a clock that only goes forward. */
double experiment_clock(void);

/* SIGINT and SIGTERM are noted from now on, SIGPIPE and SIGXFSZ become errors
   of writing.  BLAS is held at one thread. */
void experiment_begin(void);
/* The last signal noted, or 0. */
int experiment_signal(void);

/* Reads the command line.  Returns 1 when the program shall go on; otherwise
   *code is its exit code (--help, --list and --version are answered; `list`,
   unless NULL, begins the list with what the tables of options do not know). */
int experiment_arguments(args *a, int argc, char **argv, void (*list)(void),
                         int *code);
/* One choice of a list. */
void experiment_choice(const char *name, const char *help);

/* GSL_RNG_SEED as option seed, unless that was given; *from tells config.json
   where the seed is from. */
int experiment_seed(args *a, const char **from);

const char *experiment_compiler(void);

/* Results are out: an error when stdout did not take them. */
int experiment_flush(void);

/* ---- the folder -------------------------------------------------------- */

typedef struct experiment {
    char folder[EXPERIMENT_PATH - 64]; /* room for the names of files */
    int lock;                          /* the folder, locked; -1: not */
} experiment;

/* Makes the folder (and those above) and locks it against other runs. */
int experiment_open(experiment *e, const char *folder);
void experiment_close(experiment *e);
/* FOLDER/name */
void experiment_path(const experiment *e, const char *name,
                     char path[EXPERIMENT_PATH]);
int experiment_has(const experiment *e, const char *name);

#endif
