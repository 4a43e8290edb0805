/* scratch.c - see scratch.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "scratch.h"

#include <dirent.h>
#include <jansson.h>
#include <slivi/memory.h>
#include <slivi/status.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define ZLIB_CONST
#include <zlib.h>

static char folder[256];

void scratch_open(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/slivi-test-XXXXXX",
             parent && *parent ? parent : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0755), 0);
}

static void remove_all(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char inner[512];
        struct stat s;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (!lstat(inner, &s) && S_ISDIR(s.st_mode))
            remove_all(inner);
        else
            unlink(inner);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

void scratch_close(void)
{
    remove_all(folder);
}

const char *scratch_path(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

size_t scratch_files(const char *name)
{
    size_t n = 0;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(d);
    return n;
}

void scratch_put(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
}

int scratch_holds(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "rb");
    char *found = malloc(size + 1);
    int same = f && found && fread(found, 1, size + 1, f) == size
               && !memcmp(found, bytes, size);
    if (f)
        fclose(f);
    free(found);
    return same;
}

void scratch_add_case(Suite *s, const char *name, const TTest *const *tests)
{
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, scratch_open, scratch_close);
    tcase_set_timeout(c, 20);
    for (; *tests; tests++)
        tcase_add_test(c, *tests);
    suite_add_tcase(s, c);
}

/* ---- memory ----------------------------------------------------------- */

enum { BEFORE = 64 }; /* in front of each block, for its size */

static scratch_memory memory;

static void *counted_alloc(size_t bytes)
{
    memory.calls++;
    if (memory.fail_at
        && (memory.for_good ? memory.calls >= memory.fail_at
                            : memory.calls == memory.fail_at))
        return NULL;
    char *block = malloc(BEFORE + bytes);
    if (!block)
        return NULL;
    memcpy(block, &bytes, sizeof bytes);
    memory.live++;
    memory.bytes += bytes;
    if (memory.bytes > memory.peak)
        memory.peak = memory.bytes;
    return block + BEFORE;
}

static void counted_free(void *block)
{
    size_t bytes;
    if (!block)
        return;
    memcpy(&bytes, (char *)block - BEFORE, sizeof bytes);
    memory.live--;
    memory.bytes -= bytes;
    free((char *)block - BEFORE);
}

static void *hook_alloc(size_t bytes, void *ctx)
{
    (void)ctx;
    return counted_alloc(bytes);
}

static void hook_release(void *block, void *ctx)
{
    (void)ctx;
    counted_free(block);
}

scratch_memory *scratch_watch(int with_jansson)
{
    static const slivi_allocator hook = {hook_alloc, hook_release, NULL};
    memset(&memory, 0, sizeof memory);
    slivi_set_allocator(&hook);
    if (with_jansson)
        json_set_alloc_funcs(counted_alloc, counted_free);
    return &memory;
}

void scratch_unwatch(void)
{
    slivi_set_allocator(NULL);
    json_set_alloc_funcs(malloc, free);
}

/* ---- messages and bytes ----------------------------------------------- */

void scratch_check_message(const char *name, const char *words)
{
    const char *message = slivi_errmsg();
    size_t n = strlen(name);
    if (strncmp(message, name, n) || strncmp(message + n, ": ", 2)
        || !strstr(message + n, words) || strchr(message, '\n'))
        ck_abort_msg("message \"%s\", expected \"%s: ...%s...\"", message, name,
                     words);
}

void scratch_add(scratch_bytes *b, const void *bytes, size_t size)
{
    ck_assert_uint_le(size, sizeof b->data - b->size);
    if (size)
        memcpy(b->data + b->size, bytes, size);
    b->size += size;
}

scratch_bytes scratch_gzip(const void *bytes, size_t size)
{
    scratch_bytes out = {.size = 0};
    z_stream z;
    memset(&z, 0, sizeof z);
    ck_assert_int_eq(
        deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
        Z_OK);
    z.next_in = bytes;
    z.avail_in = (uInt)size;
    z.next_out = out.data;
    z.avail_out = sizeof out.data;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.size = z.total_out;
    deflateEnd(&z);
    return out;
}
