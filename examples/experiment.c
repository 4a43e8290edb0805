/* experiment.c - what the programs share.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "experiment.h"
#include "choices.h"
#include "complain.h"

#include <slivi/blas.h>
#include <slivi/status.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- clock and signals -------------------------------------------------- */

double experiment_clock(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The one thing that a handler may touch. */
static volatile sig_atomic_t noted;

static void note(int number)
{
    noted = number;
}

void experiment_begin(void)
{
    static const struct {
        int number;
        void (*handler)(int);
    } signals[] = {
        {SIGINT, note},
        {SIGTERM, note},
        {SIGPIPE, SIG_IGN},
        {SIGXFSZ, SIG_IGN},
    };
    struct sigaction action = {.sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        action.sa_handler = signals[i].handler;
        sigaction(signals[i].number, &action, NULL);
    }
    slivi_blas_serial();
}

int experiment_signal(void)
{
    return (int)noted;
}

/* ---- the command line --------------------------------------------------- */

const char *experiment_compiler(void)
{
#if defined(__clang__)
    return "clang " __clang_version__;
#elif defined(__GNUC__)
    return "gcc " __VERSION__;
#else
    return "unknown";
#endif
}

static void print_version(void)
{
    printf("%s (slivi) %s\n", program_name, slivi_version());
    printf("kernels    %s\n", slivi_instruction_set());
    printf("BLAS core  %s\n", slivi_blas_core());
    printf("BLAS       %s\n", slivi_blas_config());
    printf("compiler   %s\n", experiment_compiler());
}

void experiment_choice(const char *name, const char *help)
{
    printf(help ? "  %-14s  %s\n" : "  %s\n", name, help);
}

/* The choices of every option that takes names; an empty line comes before
   all but what begins the list. */
static void print_names(const args_spec *spec, int is_begun)
{
    for (const args_table *t = spec->tables; t->title; t++)
        for (const slivi_option *o = t->options; o->name; o++) {
            if (o->kind != SLIVI_OPTION_NAME)
                continue;
            printf("%s%s: %s\n", is_begun ? "\n" : "", o->name, o->help);
            is_begun = 1;
            for (size_t i = 0; o->names[i]; i++)
                experiment_choice(o->names[i],
                                  choices_help(o->name, o->names[i]));
        }
}

int experiment_arguments(args *a, int argc, char **argv, void (*list)(void),
                         int *code)
{
    *code = args_parse(a, argc, argv);
    if (*code)
        return 0;
    if (args_given(a, "help"))
        args_help(a);
    else if (args_given(a, "version"))
        print_version();
    else if (args_given(a, "list")) {
        if (list)
            list();
        print_names(args_specification(a), list != NULL);
    } else
        return 1;
    *code = experiment_flush();
    return 0;
}

int experiment_seed(args *a, const char **from)
{
    const char *text = getenv("GSL_RNG_SEED");
    *from = args_given(a, "seed") ? "option" : "default";
    if (args_given(a, "seed") || !text)
        return 0;
    *from = "GSL_RNG_SEED";
    return args_set(a, "environment variable GSL_RNG_SEED: ", "seed", text);
}

int experiment_flush(void)
{
    if (!fflush(stdout) && !ferror(stdout))
        return 0;
    return complain("standard output: %s", strerror(errno));
}

/* ---- the folder --------------------------------------------------------- */

static int make_folders(char *path)
{
    char *slash = path;
    struct stat s;
    do {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        int made = !mkdir(path, 0777);
        int error = errno;
        if (!made && error != EEXIST && error != EISDIR
            && (stat(path, &s) || !S_ISDIR(s.st_mode)))
            return complain("%s: cannot make the folder: %s", path,
                            strerror(error));
        if (slash)
            *slash = '/';
    } while (slash && slash[1]);
    return 0;
}

int experiment_open(experiment *e, const char *folder)
{
    e->lock = -1;
    if (!*folder || strlen(folder) >= sizeof e->folder)
        return complain_usage("option out: not the name of a folder");
    strcpy(e->folder, folder);
    int status = make_folders(e->folder);
    if (status)
        return status;
    e->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (e->lock < 0)
        return complain("%s: cannot use the folder: %s", folder,
                        strerror(errno));
    /* file systems without locks just have none */
    if (flock(e->lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return complain("%s: another run is using it", folder);
    if (access(folder, W_OK))
        return complain("%s: cannot write into the folder: %s", folder,
                        strerror(errno));
    return 0;
}

void experiment_close(experiment *e)
{
    if (e->lock >= 0)
        close(e->lock); /* and with it the lock */
    e->lock = -1;
}

void experiment_path(const experiment *e, const char *name,
                     char path[EXPERIMENT_PATH])
{
    snprintf(path, EXPERIMENT_PATH, "%s/%s", e->folder, name);
}

int experiment_has(const experiment *e, const char *name)
{
    char path[EXPERIMENT_PATH];
    experiment_path(e, name, path);
    return !access(path, F_OK);
}
