/* scratch.h - what tests of files share: a folder of their own, an allocator
   that counts and fails on demand, bytes put together by hand.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TEST_SCRATCH_H
#define SLIVI_TEST_SCRATCH_H

#include <check.h>
#include <stddef.h>

/* ---- a folder, made by open and removed with all in it by close ------- */

void scratch_open(void);
void scratch_close(void);
/* Path of a file in it; the text lives until the eighth call from now. */
const char *scratch_path(const char *name);
/* Number of files in it, or in the folder `name` within it. */
size_t scratch_files(const char *name);
/* Plain stdio, so that what is tested does not test itself. */
void scratch_put(const char *path, const void *bytes, size_t size);
/* 1 when the file holds just these bytes. */
int scratch_holds(const char *path, const void *bytes, size_t size);

/* Adds a case of these tests (up to NULL), each in a folder of its own. */
void scratch_add_case(Suite *s, const char *name, const TTest *const *tests);

/* ---- memory ----------------------------------------------------------- */

typedef struct scratch_memory {
    size_t calls;   /* allocations asked for */
    size_t live;    /* blocks not yet released */
    size_t bytes;   /* in live blocks */
    size_t peak;    /* the most that bytes was */
    size_t fail_at; /* number of the call that fails, from 1; 0 is none */
    int for_good;   /* and all calls after it */
} scratch_memory;

/* Put the counting allocator in, counters at zero; it also serves jansson
   when with_jansson.  Take it out again. */
scratch_memory *scratch_watch(int with_jansson);
void scratch_unwatch(void);

/* ---- messages --------------------------------------------------------- */

/* Fails the test unless the message begins with the name, then ": ", and has
   the words in it. */
void scratch_check_message(const char *name, const char *words);

/* ---- bytes ------------------------------------------------------------ */

typedef struct scratch_bytes {
    unsigned char data[4096];
    size_t size;
} scratch_bytes;

void scratch_add(scratch_bytes *b, const void *bytes, size_t size);
/* The same as gzip, in a new buffer. */
scratch_bytes scratch_gzip(const void *bytes, size_t size);

#endif
