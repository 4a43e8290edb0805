/* file.c - whole files: read into memory, replaced atomically.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "io/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_TRANSFER = 1 << 30, FIRST_READ = 1 << 16, MAX_NAMES = 1000 };

const slivi__file_calls slivi__file_system = {
    .write = write, .fsync = fsync, .close = close, .renameat = renameat};

static int fail_errno(const char *path, const char *what, int error)
{
    char text[128];
    if (strerror_r(error, text, sizeof text))
        snprintf(text, sizeof text, "error %d", error);
    return slivi__fail(SLIVI_EIO, "%s: cannot %s: %s", path, what, text);
}

/* ---- writing ---------------------------------------------------------- */

/* A replacement under way: a temporary file in the folder of its target. */
typedef struct target {
    const slivi__file_calls *calls;
    const char *path; /* as the caller gave it, for messages */
    const char *base; /* last component of path */
    char temp[64];    /* name within the folder */
    int folder;       /* descriptors, -1 when not open */
    int file;
    int made; /* the temporary file is there */
} target;

static int open_folder(target *t)
{
    const char *slash = strrchr(t->path, '/');
    t->base = slash ? slash + 1 : t->path;
    if (!*t->base)
        return slivi__fail(SLIVI_EIO, "%s: cannot write: not a file name",
                           *t->path ? t->path : "\"\"");
    char *folder = slivi__strdup(slash ? t->path : ".");
    if (!folder)
        return SLIVI_ENOMEM;
    if (slash) /* keeps the slash of "/name" */
        folder[slash == t->path ? 1 : slash - t->path] = '\0';
    do
        t->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (t->folder < 0 && errno == EINTR);
    int error = errno;
    slivi__free(folder);
    return t->folder < 0 ? fail_errno(t->path, "open its folder", error) : 0;
}

/* Only a regular file (or a link, which is replaced) gives way; mode receives
   its permissions, or -1 when there is no file. */
static int look_at_old(const target *t, long *mode)
{
    struct stat s;
    *mode = -1;
    if (fstatat(t->folder, t->base, &s, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : fail_errno(t->path, "write", errno);
    if (S_ISREG(s.st_mode))
        *mode = (long)(s.st_mode & 0777);
    else if (!S_ISLNK(s.st_mode))
        return slivi__fail(SLIVI_EIO, "%s: cannot write: not a regular file",
                           t->path);
    return 0;
}

static int make_temp(target *t, long mode)
{
    int error = EEXIST;
    for (int i = 0; t->file < 0 && i < MAX_NAMES; i++) {
        snprintf(t->temp, sizeof t->temp, ".slivi-%ld-%d.tmp", (long)getpid(),
                 i);
        do
            t->file = openat(t->folder, t->temp,
                             O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        while (t->file < 0 && errno == EINTR);
        error = errno;
        if (t->file < 0 && error != EEXIST)
            break;
    }
    if (t->file < 0)
        return fail_errno(t->path, "write", error);
    t->made = 1;
    if (mode >= 0 && fchmod(t->file, (mode_t)mode))
        return fail_errno(t->path, "set its permissions", errno);
    return 0;
}

static int write_all(const target *t, const char *bytes, size_t size)
{
    while (size) {
        size_t part = size < MAX_TRANSFER ? size : MAX_TRANSFER;
        ssize_t done = t->calls->write(t->file, bytes, part);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return fail_errno(t->path, "write", errno);
        if (done == 0) /* would be for ever */
            return fail_errno(t->path, "write", ENOSPC);
        bytes += done;
        size -= (size_t)done;
    }
    return 0;
}

static int sync_fd(const target *t, int fd)
{
    int result;
    do
        result = t->calls->fsync(fd);
    while (result && errno == EINTR);
    return result;
}

static int write_temp(target *t, const void *bytes, size_t size)
{
    long mode;
    int status = look_at_old(t, &mode);
    if (!status)
        status = make_temp(t, mode);
    if (!status)
        status = write_all(t, bytes, size);
    if (!status && sync_fd(t, t->file))
        status = fail_errno(t->path, "write", errno);
    /* Synced already, so EINTR from close loses nothing. */
    if (t->file >= 0 && t->calls->close(t->file) && errno != EINTR && !status)
        status = fail_errno(t->path, "write", errno);
    return status;
}

int slivi__file_replace(const slivi__file_calls *calls, const char *path,
                        const void *bytes, size_t size)
{
    target t = {.calls = calls, .path = path, .folder = -1, .file = -1};
    int status = open_folder(&t);
    if (!status)
        status = write_temp(&t, bytes, size);
    if (!status && calls->renameat(t.folder, t.temp, t.folder, t.base))
        status = fail_errno(path, "replace", errno);
    if (status && t.made)
        unlinkat(t.folder, t.temp, 0);
    /* Some file systems cannot sync a folder, and say EINVAL. */
    if (!status && sync_fd(&t, t.folder) && errno != EINVAL)
        status = fail_errno(path, "sync its folder", errno);
    if (t.folder >= 0)
        close(t.folder);
    return status;
}

int slivi_file_write(const char *path, const void *bytes, size_t size)
{
    return slivi__file_replace(&slivi__file_system, path, bytes, size);
}

/* ---- reading ---------------------------------------------------------- */

static int fail_limit(const char *path, size_t limit)
{
    return slivi__fail(SLIVI_EFORMAT, "%s: larger than %zu bytes", path, limit);
}

/* The room to begin with: the size that a regular file claims, and one byte
   more for the NUL and to see the end. */
static int first_room(int fd, const char *path, size_t limit, size_t *room)
{
    struct stat s;
    if (fstat(fd, &s))
        return fail_errno(path, "read", errno);
    if (S_ISDIR(s.st_mode))
        return fail_errno(path, "read", EISDIR);
    *room = FIRST_READ;
    if (!S_ISREG(s.st_mode) || s.st_size <= 0)
        return 0;
    if (limit && (uintmax_t)s.st_size > limit)
        return fail_limit(path, limit);
    if ((uintmax_t)s.st_size >= SIZE_MAX / 2)
        return slivi__fail(SLIVI_EOVERFLOW, "%s: too large for memory", path);
    *room = (size_t)s.st_size + 1;
    return 0;
}

static int grow_room(char **block, size_t *room)
{
    size_t wanted;
    if (slivi__mul(*room, 2, &wanted))
        return SLIVI_EOVERFLOW;
    char *grown = slivi__grow(*block, *room, wanted, 1);
    if (!grown)
        return SLIVI_ENOMEM;
    *block = grown;
    *room = wanted;
    return 0;
}

/* The size in stat is only a hint: files grow, and those of /proc claim 0. */
static int read_all(int fd, const char *path, size_t limit, char **block,
                    size_t room, size_t *size)
{
    size_t have = 0;
    for (;;) {
        size_t part = room - 1 - have;
        if (!part) {
            char probe;
            ssize_t more = read(fd, &probe, 1);
            if (more < 0 && errno == EINTR)
                continue;
            if (more < 0)
                return fail_errno(path, "read", errno);
            if (!more)
                break;
            int status = grow_room(block, &room);
            if (status)
                return slivi__fail_in(status, "%s", path);
            (*block)[have++] = probe;
        } else {
            ssize_t got = read(fd, *block + have,
                               part < MAX_TRANSFER ? part : MAX_TRANSFER);
            if (got < 0 && errno == EINTR)
                continue;
            if (got < 0)
                return fail_errno(path, "read", errno);
            if (!got)
                break;
            have += (size_t)got;
        }
        if (limit && have > limit)
            return fail_limit(path, limit);
    }
    (*block)[have] = '\0';
    *size = have;
    return 0;
}

int slivi_file_read(const char *path, size_t limit, char **bytes, size_t *size)
{
    size_t room = 0;
    int fd;
    *bytes = NULL;
    *size = 0;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return fail_errno(path, "open", errno);
    int status = first_room(fd, path, limit, &room);
    if (!status && !(*bytes = slivi__alloc(room, 1)))
        status = slivi__fail_in(SLIVI_ENOMEM, "%s", path);
    if (!status)
        status = read_all(fd, path, limit, bytes, room, size);
    close(fd);
    if (status) {
        slivi__free(*bytes);
        *bytes = NULL;
    }
    return status;
}

void slivi_file_release(char *bytes)
{
    slivi__free(bytes);
}
