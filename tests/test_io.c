/* test_io.c - whole files and pictures.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "io/format.h"
#include "scratch.h"
#include "suites.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <png.h>
#include <slivi/io.h>
#include <slivi/status.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- writing ---------------------------------------------------------- */

START_TEST(write_then_read)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 200001};
    const char *path = scratch_path("file");
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        char *bytes = malloc(sizes[k] + 1), *back;
        size_t size;
        for (size_t i = 0; i < sizes[k]; i++)
            bytes[i] = (char)(i * 7 + i / 256);
        ck_assert_int_eq(slivi_file_write(path, bytes, sizes[k]), 0);
        ck_assert(scratch_holds(path, bytes, sizes[k]));
        ck_assert_int_eq(slivi_file_read(path, 0, &back, &size), 0);
        ck_assert_uint_eq(size, sizes[k]);
        ck_assert_mem_eq(back, bytes, size);
        ck_assert_int_eq(back[size], '\0');
        slivi_file_release(back);
        free(bytes);
        ck_assert_uint_eq(scratch_files(""), 1);
    }
}
END_TEST

static mode_t mode_of(const char *path)
{
    struct stat s;
    ck_assert_int_eq(lstat(path, &s), 0);
    return s.st_mode;
}

START_TEST(write_permissions)
{
    const char *path = scratch_path("file");
    mode_t old = umask(027);
    ck_assert_int_eq(slivi_file_write(path, "a", 1), 0);
    ck_assert_uint_eq(mode_of(path) & 07777, 0640);
    ck_assert_int_eq(chmod(path, 0606), 0); /* survives the umask */
    ck_assert_int_eq(slivi_file_write(path, "b", 1), 0);
    ck_assert_uint_eq(mode_of(path) & 07777, 0606);
    umask(old);
}
END_TEST

START_TEST(write_in_the_working_folder)
{
    int here = open(".", O_RDONLY);
    ck_assert_int_eq(chdir(scratch_path("")), 0);
    int status = slivi_file_write("plain", "x", 1);
    ck_assert_int_eq(fchdir(here), 0);
    close(here);
    ck_assert_int_eq(status, 0);
    ck_assert(scratch_holds(scratch_path("plain"), "x", 1));
}
END_TEST

START_TEST(write_over_a_link)
{
    const char *aim = scratch_path("aim"), *path = scratch_path("link");
    scratch_put(aim, "old", 3);
    ck_assert_int_eq(symlink("aim", path), 0);
    ck_assert_int_eq(slivi_file_write(path, "new", 3), 0);
    ck_assert(S_ISREG(mode_of(path)));
    ck_assert(scratch_holds(path, "new", 3));
    ck_assert(scratch_holds(aim, "old", 3));
    ck_assert_int_eq(unlink(path), 0); /* wherever it points */
    ck_assert_int_eq(symlink(".", path), 0);
    ck_assert_int_eq(slivi_file_write(path, "new", 3), 0);
    ck_assert(scratch_holds(path, "new", 3));
}
END_TEST

START_TEST(write_refused)
{
    const char *folder = scratch_path("folder"), *pipe = scratch_path("pipe");
    const char *nowhere = scratch_path("none/file");
    const char *slash = scratch_path("folder/");
    ck_assert_int_eq(mkdir(folder, 0755), 0);
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    ck_assert_int_eq(slivi_file_write(folder, "x", 1), SLIVI_EIO);
    scratch_check_message(folder, "not a regular file");
    ck_assert_int_eq(slivi_file_write(pipe, "x", 1), SLIVI_EIO);
    scratch_check_message(pipe, "not a regular file");
    ck_assert_int_eq(slivi_file_write(nowhere, "x", 1), SLIVI_EIO);
    scratch_check_message(nowhere, "No such file or directory");
    ck_assert_int_eq(slivi_file_write(slash, "x", 1), SLIVI_EIO);
    scratch_check_message(slash, "not a file name");
    ck_assert_int_eq(slivi_file_write("", "x", 1), SLIVI_EIO);
    scratch_check_message("\"\"", "not a file name");
    ck_assert_uint_eq(scratch_files(""), 2);
    ck_assert_uint_eq(scratch_files("folder"), 0);
}
END_TEST

/* A name that is taken, as a killed process leaves it, is passed over. */
START_TEST(write_beside_leftovers)
{
    char name[64];
    snprintf(name, sizeof name, ".slivi-%ld-0.tmp", (long)getpid());
    scratch_put(scratch_path(name), "left", 4);
    ck_assert_int_eq(slivi_file_write(scratch_path("file"), "x", 1), 0);
    ck_assert(scratch_holds(scratch_path("file"), "x", 1));
    ck_assert(scratch_holds(scratch_path(name), "left", 4));
    ck_assert_uint_eq(scratch_files(""), 2);
}
END_TEST

/* ---- faults of the system --------------------------------------------- */

/* The call that fails, counted over all four kinds, and how. */
static struct {
    int calls, fail_at, error;
    int syncs, renames;
    int in_order; /* synced before renamed */
    size_t most;  /* bytes that one write takes */
} fault;

static int fails(void)
{
    if (++fault.calls != fault.fail_at)
        return 0;
    errno = fault.error;
    return 1;
}

static ssize_t faulty_write(int fd, const void *bytes, size_t size)
{
    if (fails())
        return -1;
    return write(fd, bytes, size < fault.most ? size : fault.most);
}

static int faulty_fsync(int fd)
{
    fault.syncs++;
    return fails() ? -1 : fsync(fd);
}

static int faulty_close(int fd)
{
    int result = close(fd);
    return fails() ? -1 : result;
}

static int faulty_renameat(int from, const char *old, int to, const char *name)
{
    fault.renames++;
    fault.in_order = fault.syncs == 1;
    return fails() ? -1 : renameat(from, old, to, name);
}

static const slivi__file_calls faulty = {faulty_write, faulty_fsync,
                                         faulty_close, faulty_renameat};

static int replace_with_fault(const char *path, int fail_at, int error)
{
    scratch_put(path, "the old file", 12);
    memset(&fault, 0, sizeof fault);
    fault.fail_at = fail_at;
    fault.error = error;
    fault.most = 3;
    return slivi__file_replace(&faulty, path, "the new one", 11);
}

START_TEST(write_is_synced)
{
    const char *path = scratch_path("file");
    ck_assert_int_eq(replace_with_fault(path, 0, 0), 0);
    ck_assert(scratch_holds(path, "the new one", 11)); /* by short writes */
    ck_assert_int_eq(fault.renames, 1);
    ck_assert(fault.in_order);
    ck_assert_int_eq(fault.syncs, 2); /* the file, then the folder */
    ck_assert_int_eq(fault.calls, 8); /* 4 writes, and one close */
}
END_TEST

/* Calls 1-4 write, 5 syncs, 6 closes, 7 renames, 8 syncs the folder. */
START_TEST(write_faults)
{
    static const int errors[] = {EIO, ENOSPC, EDQUOT};
    const char *path = scratch_path("file");
    for (size_t e = 0; e < 3; e++) {
        for (int k = 1; k <= 8; k++) {
            ck_assert_int_eq(replace_with_fault(path, k, errors[e]), SLIVI_EIO);
            scratch_check_message(path, strerror(errors[e]));
            ck_assert(scratch_holds(
                path, k < 8 ? "the old file" : "the new one", k < 8 ? 12 : 11));
            ck_assert_uint_eq(scratch_files(""), 1);
        }
    }
}
END_TEST

START_TEST(write_interrupted)
{
    const char *path = scratch_path("file");
    for (int k = 1; k <= 8; k++) {
        if (k == 7) /* rename does not know EINTR */
            continue;
        ck_assert_int_eq(replace_with_fault(path, k, EINTR), 0);
        ck_assert(scratch_holds(path, "the new one", 11));
    }
    /* a file system that cannot sync folders is none of our business */
    ck_assert_int_eq(replace_with_fault(path, 8, EINVAL), 0);
}
END_TEST

/* ---- reading ---------------------------------------------------------- */

START_TEST(read_limit)
{
    const char *path = scratch_path("file");
    char *bytes;
    size_t size;
    scratch_put(path, "12345", 5);
    ck_assert_int_eq(slivi_file_read(path, 5, &bytes, &size), 0);
    ck_assert_str_eq(bytes, "12345");
    slivi_file_release(bytes);
    scratch_memory *m = scratch_watch(0);
    ck_assert_int_eq(slivi_file_read(path, 4, &bytes, &size), SLIVI_EFORMAT);
    ck_assert_uint_eq(m->calls, 0);
    scratch_unwatch();
    scratch_check_message(path, "larger than 4 bytes");
    ck_assert_ptr_null(bytes);
}
END_TEST

START_TEST(read_refused)
{
    const char *none = scratch_path("none"), *folder = scratch_path("");
    char *bytes;
    size_t size;
    ck_assert_int_eq(slivi_file_read(none, 0, &bytes, &size), SLIVI_EIO);
    scratch_check_message(none, "No such file or directory");
    ck_assert_ptr_null(bytes);
    ck_assert_int_eq(slivi_file_read(folder, 0, &bytes, &size), SLIVI_EIO);
    scratch_check_message(folder, "Is a directory");
    slivi_file_release(bytes);
}
END_TEST

/* What claims no size, and is longer than the first room. */
START_TEST(read_a_pipe)
{
    enum { PIECES = 50, PIECE = 4000 };
    const char *path = scratch_path("pipe");
    static char piece[PIECE];
    char *bytes;
    size_t size;
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    for (size_t limit = 0; limit <= 190000; limit += 190000) {
        pid_t child = fork();
        if (!child) {
            int fd = open(path, O_WRONLY);
            ssize_t done = 0;
            for (int i = 0; i < PIECES && done >= 0; i++) {
                memset(piece, 'a' + i % 26, PIECE);
                done = write(fd, piece, PIECE);
            }
            _exit(0);
        }
        int status = slivi_file_read(path, limit, &bytes, &size);
        if (limit) {
            ck_assert_int_eq(status, SLIVI_EFORMAT);
            scratch_check_message(path, "larger than 190000 bytes");
            continue;
        }
        ck_assert_int_eq(status, 0);
        ck_assert_uint_eq(size, PIECES * PIECE);
        for (size_t i = 0; i < size; i++)
            ck_assert_int_eq(bytes[i], 'a' + (int)(i / PIECE) % 26);
        ck_assert_int_eq(bytes[size], '\0');
        slivi_file_release(bytes);
    }
}
END_TEST

START_TEST(files_without_memory)
{
    const char *path = scratch_path("file"), *picture = scratch_path("png");
    float image[4] = {0, 1, 0, 1};
    double data[2] = {1, 2};
    char *bytes;
    size_t size, k, good = 0;
    scratch_put(path, "12345", 5);
    for (k = 1; good < 3; k++) {
        good = 0;
        for (int job = 0; job < 4; job++) {
            scratch_memory *m = scratch_watch(0);
            m->fail_at = k;
            int status = job == 0 ? slivi_file_read(path, 0, &bytes, &size)
                         : job == 1
                             ? slivi_png_grid(picture, image, 1, 2, 2, 1, 1)
                         : job == 2 ? slivi_npy_write(path, 1, 2, data)
                                    : slivi_file_write(path, "12345", 5);
            if (job == 0 && !status)
                slivi_file_release(bytes);
            ck_assert_uint_eq(m->live, 0);
            ck_assert_int_eq(status, m->calls < k ? 0 : SLIVI_ENOMEM);
            scratch_unwatch();
            if (status)
                ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "no memory"));
            good += !status;
        }
    }
    ck_assert_uint_gt(k, 3);
}
END_TEST

/* ---- pictures --------------------------------------------------------- */

/* Decodes with libpng's simplified interface; the caller frees. */
static uint8_t *decode(const char *path, png_uint_32 format, size_t rows,
                       size_t cols)
{
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    ck_assert(png_image_begin_read_from_file(&image, path));
    ck_assert_uint_eq(image.format, format); /* as stored */
    ck_assert_uint_eq(image.width, cols);
    ck_assert_uint_eq(image.height, rows);
    uint8_t *pixels = malloc(PNG_IMAGE_SIZE(image));
    ck_assert(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    return pixels;
}

START_TEST(png_round_trip)
{
    enum { ROWS = 37, COLS = 53 };
    static uint8_t pixels[ROWS * COLS * 3];
    const char *path = scratch_path("picture.png");
    unsigned x = 1; /* noise: more than one IDAT, and no luck with filters */
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)((x = x * 1103515245 + 12345) >> 16);
    for (size_t channels = 1; channels <= 3; channels += 2) {
        ck_assert_int_eq(slivi_png_write(path, ROWS, COLS, channels, pixels),
                         0);
        uint8_t *back = decode(
            path, channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB, ROWS, COLS);
        ck_assert_mem_eq(back, pixels, ROWS * COLS * channels);
        free(back);
    }
}
END_TEST

START_TEST(png_refused)
{
    const char *path = scratch_path("no.png");
    const char *nowhere = scratch_path("none/no.png");
    uint8_t p[4] = {0};
    float f[1] = {0};
    ck_assert_int_eq(slivi_png_write(path, 1, 1, 2, p), SLIVI_EINVAL);
    scratch_check_message(path, "2 channels");
    ck_assert_int_eq(slivi_png_write(path, 0, 1, 1, p), SLIVI_ESHAPE);
    scratch_check_message(path, "0 x 1");
    ck_assert_int_eq(slivi_png_write(path, 1, 1000001, 1, p), SLIVI_ESHAPE);
    ck_assert_int_eq(slivi_png_grid(path, f, 1, 1, 1, 0, 1), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_png_grid(path, f, 1, 1, 1, 1, 0), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_png_grid(path, f, 1, 1, 1, SIZE_MAX, 9),
                     SLIVI_EOVERFLOW);
    ck_assert_int_eq(slivi_png_grid(path, f, 1, SIZE_MAX, 1, 1, 1),
                     SLIVI_EOVERFLOW);
    ck_assert_int_eq(slivi_png_grid(path, f, 1, 1, 1, 1, 2000000),
                     SLIVI_ESHAPE);
    ck_assert_uint_eq(scratch_files(""), 0);
    ck_assert_int_eq(slivi_png_write(nowhere, 1, 1, 1, p), SLIVI_EIO);
    scratch_check_message(nowhere, "No such file");
}
END_TEST

/* Five images of 2 x 3, two across, zoom 2: cells of 4 x 6 with borders make
   (4 * 3 + 2) x (6 * 2 + 1). */
START_TEST(png_grid)
{
    enum { H = 2, W = 3, N = 5, ROWS = 14, COLS = 13 };
    const char *path = scratch_path("grid.png");
    float images[N * H * W];
    uint8_t grey[N * H * W];
    for (size_t i = 0; i < N * H * W; i++) {
        images[i] = (float)i / 40;
        grey[i] = (uint8_t)lround((double)i * 255 / 40);
    }
    images[1] = NAN, grey[1] = 0;
    images[2] = -3, grey[2] = 0;
    images[3] = 7, grey[3] = 255;
    images[4] = INFINITY, grey[4] = 255;
    images[5] = 1, grey[5] = 255;
    images[6] = 0.5f, grey[6] = 128;
    images[7] = 1.25f, grey[7] = 255;
    ck_assert_int_eq(slivi_png_grid(path, images, N, H, W, 2, 2), 0);
    uint8_t *back = decode(path, PNG_FORMAT_GRAY, ROWS, COLS);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < COLS; j++) {
            size_t cell = i / 5 * 2 + j / 7;
            size_t at = cell * H * W + i % 5 / 2 * W + j % 7 / 2;
            int border = i % 5 == 4 || j % 7 == 6 || cell >= N;
            ck_assert_uint_eq(back[i * COLS + j], border ? 128 : grey[at]);
        }
    }
    free(back);
}
END_TEST

START_TEST(png_grid_of_one)
{
    const char *path = scratch_path("one.png");
    float x = 0.25f;
    ck_assert_int_eq(slivi_png_grid(path, &x, 1, 1, 1, 1, 1), 0);
    uint8_t *back = decode(path, PNG_FORMAT_GRAY, 1, 1);
    ck_assert_uint_eq(back[0], 64);
    free(back);
}
END_TEST

/* ---- the suite -------------------------------------------------------- */

Suite *slivi_suite_io(void)
{
    const TTest *const writing[] = {write_then_read,
                                    write_permissions,
                                    write_in_the_working_folder,
                                    write_over_a_link,
                                    write_refused,
                                    write_beside_leftovers,
                                    write_is_synced,
                                    write_faults,
                                    write_interrupted,
                                    NULL};
    const TTest *const reading[] = {read_limit, read_refused, read_a_pipe,
                                    files_without_memory, NULL};
    const TTest *const pictures[] = {png_round_trip, png_refused, png_grid,
                                     png_grid_of_one, NULL};
    Suite *s = suite_create("io");
    scratch_add_case(s, "writing", writing);
    scratch_add_case(s, "reading", reading);
    scratch_add_case(s, "pictures", pictures);
    return s;
}
