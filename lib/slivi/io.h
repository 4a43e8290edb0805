/* slivi/io.h - files in (IDX, NPY), pictures out, checkpoints.

   Readers treat every byte as hostile until checked; the message of a failure
   names the file, what was found and what was expected, and nothing is
   allocated on the word of a header alone.  Writers write beside the target,
   sync, rename and sync the folder: after a crash at any moment either the
   old file or the new one is there, whole.

   Status of readers: SLIVI_EIO (the system refused), SLIVI_EFORMAT (not what
   it claims to be), SLIVI_EOVERFLOW (sizes beyond size_t), SLIVI_ENOMEM.
   Status of writers: SLIVI_EIO, SLIVI_EOVERFLOW, SLIVI_ENOMEM, and
   SLIVI_EINVAL or SLIVI_ESHAPE for arguments out of range.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_IO_H
#define SLIVI_IO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- arrays ----------------------------------------------------------- */

enum { SLIVI_MAX_RANK = 4 };

typedef struct slivi_array {
    size_t rank;                  /* 1..SLIVI_MAX_RANK */
    size_t shape[SLIVI_MAX_RANK]; /* entries past rank are 1 */
    size_t count;                 /* product of the shape; may be 0 */
    float *data;                  /* row-major; owned, see slivi_array_clear */
    int is_byte;                  /* the file held unsigned bytes 0..255 */
} slivi_array;

/* Read an IDX file (LeCun's MNIST format; plain or gzip), any of its element
   types, rank 1..4; values as stored (bytes 0..255), rounded to float.  *out
   is overwritten, and zeroed on failure; clear it with slivi_array_clear. */
int slivi_idx_read(const char *path, slivi_array *out);
/* The same from memory; name stands for the path in messages. */
int slivi_idx_parse(const char *name, const void *bytes, size_t size,
                    slivi_array *out);

/* Read a NumPy .npy file, versions 1-3, little- or big-endian floats of 4 or
   8 bytes or unsigned bytes, C order, rank 1..4.  Pickled objects and Fortran
   order are refused.  *out as for slivi_idx_read. */
int slivi_npy_read(const char *path, slivi_array *out);
/* Write n x d doubles as '<f8'. */
int slivi_npy_write(const char *path, size_t n, size_t d, const double *data);

void slivi_array_clear(slivi_array *a); /* frees data, zeroes the struct */

/* ---- pictures --------------------------------------------------------- */

/* Write rows x cols pixels, 8-bit, channels 1 (grey) or 3 (RGB); at most a
   million rows and columns. */
int slivi_png_write(const char *path, size_t rows, size_t cols, size_t channels,
                    const uint8_t *pixels);

/* Write `count` grey images of h x w values in [0,1] (clamped; NaN is black)
   as a grid of `across` columns, each pixel enlarged `zoom` times, with a
   one-pixel border between images.  Borders and the empty cells of the last
   row are mid-grey (128). */
int slivi_png_grid(const char *path, const float *images, size_t count,
                   size_t h, size_t w, size_t across, size_t zoom);

/* ---- whole files ------------------------------------------------------ */

/* Replace path by these bytes, atomically and durably.  The permissions of a
   file that is there are kept; a symbolic link is replaced, not followed;
   what is no regular file is left alone (SLIVI_EIO). */
int slivi_file_write(const char *path, const void *bytes, size_t size);
/* Read a whole file; *bytes is followed by a NUL that size does not count, is
   owned by the caller and released with slivi_file_release; NULL on failure.
   Files larger than `limit` bytes are refused (0 = no limit). */
int slivi_file_read(const char *path, size_t limit, char **bytes, size_t *size);
void slivi_file_release(char *bytes); /* NULL is fine */

/* ---- checkpoints ------------------------------------------------------ */

/* A set of named tensors and named strings, stored as safetensors (header of
   JSON, then little-endian data).  "__metadata__" holds the strings and, as
   the first thing in the file, "crc32": the CRC-32 of the whole file taken
   with its own eight hexadecimal digits as "00000000".  Any damaged byte is
   reported on load. */
typedef struct slivi_checkpoint slivi_checkpoint;

slivi_checkpoint *slivi_checkpoint_create(void);
void slivi_checkpoint_free(slivi_checkpoint *c); /* NULL is fine */

enum slivi_dtype { SLIVI_DTYPE_F32, SLIVI_DTYPE_F64, SLIVI_DTYPE_I64 };

/* Add a tensor of rows x cols (either may be 0); the data is copied.  Names
   are unique, not empty, not "__metadata__", and UTF-8 without control
   characters; others are SLIVI_EINVAL. */
int slivi_checkpoint_put(slivi_checkpoint *c, const char *name,
                         enum slivi_dtype type, size_t rows, size_t cols,
                         const void *data);
/* Add or replace a string (UTF-8).  Keys are as names are, and not "crc32". */
int slivi_checkpoint_put_text(slivi_checkpoint *c, const char *key,
                              const char *value);
/* Copy a tensor out; type and shape must be what the file has, or the message
   says what was found: SLIVI_ENAME (no such tensor) or SLIVI_ESHAPE. */
int slivi_checkpoint_get(const slivi_checkpoint *c, const char *name,
                         enum slivi_dtype type, size_t rows, size_t cols,
                         void *data);
/* 1 when there is a tensor of this name, else 0; rows and cols (each may be
   NULL) receive its shape. */
int slivi_checkpoint_has(const slivi_checkpoint *c, const char *name,
                         size_t *rows, size_t *cols);
/* The string, owned by c until it is replaced, or NULL without an error. */
const char *slivi_checkpoint_text(const slivi_checkpoint *c, const char *key);

int slivi_checkpoint_write(const slivi_checkpoint *c, const char *path);
/* NULL with the message of EIO, EFORMAT (wrong CRC, truncated, overlapping or
   misordered offsets, unknown dtype) or ENOMEM.  A file written by another
   program, without "crc32", is refused. */
slivi_checkpoint *slivi_checkpoint_read(const char *path);

#ifdef __cplusplus
}
#endif
#endif
