/* record.h - what a run writes down: config.json, metrics.jsonl, result.json.

   Numbers that are not finite are null.  Functions that can fail complain and
   return an exit code.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef RECORD_H
#define RECORD_H

#include "experiment.h"

#include <stdio.h>

/* Adds to an object; a NULL object or a lack of memory shows in
   record_write. */
void record_number(json_t *object, const char *key, double value);
void record_size(json_t *object, const char *key, size_t value);
void record_text(json_t *object, const char *key, const char *value);
/* A number; text where JSON's numbers do not reach. */
void record_seed(json_t *object, const char *key, uint64_t value);

/* Replaces the folder's file by the object, which is released. */
int record_write(const experiment *e, const char *name, json_t *object);
/* The object in the folder's file, or NULL, without a complaint. */
json_t *record_read(const experiment *e, const char *name);

/* config.json: the program, its versions, its options, and one value more (is
   released). */
int record_config(const experiment *e, const args *a, const char *key,
                  json_t *value);

/* result.json to stdout: as it is (json), or as a table. */
int record_print(const json_t *result, int json);

/* ---- metrics.jsonl ------------------------------------------------------ */

typedef struct record {
    char path[EXPERIMENT_PATH];
    int file; /* -1: closed */
} record;

/* Cuts the file back to lines of at most this step (0: to nothing) and opens
   it for more. *last receives the last line that stays, or NULL. */
int record_open(record *r, const experiment *e, size_t step, json_t **last);
/* Appends a line; the object is released. */
int record_line(record *r, json_t *object);
int record_sync(record *r); /* to the disk */
void record_close(record *r);

#endif
