/* memory.h - resident memory of long runs.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include "images.h"

#include <jansson.h>

/* Adds a row for each subject to `rows` and prints it.  Each runs in a process
   of its own, so call it before any thread is started. */
int memory_measure(const images *im, json_t *rows);

#endif
