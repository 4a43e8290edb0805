/* format.h - what the readers and writers of files share.  Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_FORMAT_H
#define SLIVI_FORMAT_H

#include "slivi/io.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One way to store a number.  The table lists every way that some format
   knows and ends with a row of size 0. */
typedef struct slivi__element {
    const char *npy;   /* dtype string, NULL when the NPY reader refuses it */
    unsigned char idx; /* type byte of IDX, 0 when IDX has none */
    size_t size;       /* bytes */
    void (*decode)(const unsigned char *bytes, size_t n, float *out);
} slivi__element;

extern const slivi__element slivi__elements[];

/* Little-endian numbers at any address, on any host. */
uint32_t slivi__load32(const unsigned char *p);
uint64_t slivi__load64(const unsigned char *p);
void slivi__store32(unsigned char *p, uint32_t x);
void slivi__store64(unsigned char *p, uint64_t x);

/* Fills rank, shape and count of an array without data; name is the file. */
int slivi__array_shape(slivi_array *a, const char *name, size_t rank,
                       const uint64_t *shape);

/* The readers, from memory; name stands for the path in messages. */
int slivi__npy_parse(const char *name, const void *bytes, size_t size,
                     slivi_array *out);
slivi_checkpoint *slivi__checkpoint_parse(const char *name, const void *bytes,
                                          size_t size);

/* The calls of the system that replacing a file depends on; a table of its
   own so that the tests can let each of them fail. */
typedef struct slivi__file_calls {
    ssize_t (*write)(int fd, const void *bytes, size_t size);
    int (*fsync)(int fd);
    int (*close)(int fd);
    int (*renameat)(int from, const char *old, int to, const char *name);
} slivi__file_calls;

extern const slivi__file_calls slivi__file_system;

/* slivi_file_write through these calls. */
int slivi__file_replace(const slivi__file_calls *calls, const char *path,
                        const void *bytes, size_t size);

#endif
