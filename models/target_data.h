/* target_data.h - data of targets: named numbers in JSON, tables in CSV.
   Private to slivi.

   Failures name the file and the key, or the line: SLIVI_EIO, SLIVI_EFORMAT,
   SLIVI_ENOMEM.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TARGET_DATA_H
#define SLIVI_TARGET_DATA_H

#include <jansson.h>
#include <stddef.h>

/* ---- JSON: one object, as Stan has its data --------------------------- */

typedef struct slivi__data {
    const char *path;
    json_t *root;
} slivi__data;

int slivi__data_open(slivi__data *d, const char *path);
void slivi__data_close(slivi__data *d);

/* A whole number in [least, most]. */
int slivi__data_count(const slivi__data *d, const char *key, size_t least,
                      size_t most, size_t *out);
/* Numbers above `above`: one; n of them; n rows of k.  Where out is NULL the
   sizes alone are looked at, so that no memory need be had on the word of a
   count. */
int slivi__data_number(const slivi__data *d, const char *key, double above,
                       double *out);
int slivi__data_array(const slivi__data *d, const char *key, size_t n,
                      double above, double *out);
int slivi__data_matrix(const slivi__data *d, const char *key, size_t n,
                       size_t k, double *out);

/* The most rows that data may have. */
enum { SLIVI__DATA_MOST = 1 << 24 };

/* ---- CSV -------------------------------------------------------------- */

/* Numbers between commas, as many on each line; empty lines do not count. A
   first line without any number is a heading. */
typedef struct slivi__table {
    size_t rows, cols;
    double *x; /* rows x cols */
} slivi__table;

int slivi__table_read(slivi__table *t, const char *path);
void slivi__table_clear(slivi__table *t);

#endif
