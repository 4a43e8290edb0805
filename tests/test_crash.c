/* test_crash.c - checkpoints when the disk fails or the writer is killed.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "scratch.h"
#include "suites.h"

#include <signal.h>
#include <slivi/io.h>
#include <slivi/status.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Every value of "w" is the number of the save. */
enum { ROWS = 30000 };

static int save(const char *path, int number)
{
    static float w[ROWS];
    slivi_checkpoint *c = slivi_checkpoint_create();
    for (size_t i = 0; i < ROWS; i++)
        w[i] = (float)number;
    int status = c ? slivi_checkpoint_put(c, "w", SLIVI_DTYPE_F32, ROWS, 1, w)
                   : SLIVI_ENOMEM;
    if (!status)
        status = slivi_checkpoint_write(c, path);
    slivi_checkpoint_free(c);
    return status;
}

/* Gives the number of the save, having checked that it is whole. */
static int load(const char *path)
{
    static float w[ROWS];
    slivi_checkpoint *c = slivi_checkpoint_read(path);
    ck_assert_msg(c != NULL, "%s", slivi_errmsg());
    ck_assert_int_eq(slivi_checkpoint_get(c, "w", SLIVI_DTYPE_F32, ROWS, 1, w),
                     0);
    for (size_t i = 1; i < ROWS; i++)
        if (w[i] != w[0])
            ck_abort_msg("row %zu: %g, not %g", i, (double)w[i], (double)w[0]);
    slivi_checkpoint_free(c);
    return (int)w[0];
}

/* Runs the save in a child and gives its status, negated. */
static int in_child(void (*prepare)(void), const char *path)
{
    int code = 0;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (!child) {
        prepare();
        _exit(-save(path, 2));
    }
    ck_assert_int_eq(waitpid(child, &code, 0), child);
    ck_assert(WIFEXITED(code));
    return WEXITSTATUS(code);
}

/* Writing stops in the midst of the data. */
static void limit_file_size(void)
{
    struct rlimit limit = {50000, 50000};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void drop_rights(void)
{
    if (!geteuid() && seteuid(65534))
        _exit(99);
}

START_TEST(disk_full)
{
    const char *path = scratch_path("c");
    ck_assert_int_eq(save(path, 1), 0);
    ck_assert_int_eq(in_child(limit_file_size, path), -SLIVI_EIO);
    ck_assert_uint_eq(scratch_files(""), 1);
    ck_assert_int_eq(load(path), 1);
}
END_TEST

START_TEST(folder_not_writable)
{
    const char *folder = scratch_path("locked");
    const char *path = scratch_path("locked/c");
    ck_assert_int_eq(mkdir(folder, 0755), 0);
    ck_assert_int_eq(save(path, 1), 0);
    ck_assert_int_eq(chmod(folder, 0555), 0);
    ck_assert_int_eq(in_child(drop_rights, path), -SLIVI_EIO);
    ck_assert_int_eq(chmod(folder, 0755), 0);
    ck_assert_uint_eq(scratch_files("locked"), 1);
    ck_assert_int_eq(load(path), 1);
}
END_TEST

static void save_for_ever(const char *path)
{
    for (int n = 1; !save(path, n); n++)
        ;
    _exit(1);
}

START_TEST(killed_while_saving)
{
    enum { KILLS = 100 };
    const char *path = scratch_path("c");
    unsigned x = 1;
    ck_assert_int_eq(save(path, 0), 0);
    for (int k = 0; k < KILLS; k++) {
        int code = 0;
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (!child)
            save_for_ever(path);
        x = x * 1103515245 + 12345;
        struct timespec nap = {0, (long)(x >> 16) % 8000 * 1000};
        nanosleep(&nap, NULL);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ck_assert_int_eq(waitpid(child, &code, 0), child);
        ck_assert(WIFSIGNALED(code));
        load(path);
    }
    /* else no kill came in time to interrupt a save */
    ck_assert_uint_gt(scratch_files(""), 1);
}
END_TEST

Suite *slivi_suite_crash(void)
{
    const TTest *const tests[] = {disk_full, folder_not_writable,
                                  killed_while_saving, NULL};
    Suite *s = suite_create("crash");
    scratch_add_case(s, "crash", tests);
    return s;
}
