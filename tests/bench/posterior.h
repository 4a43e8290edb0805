/* posterior.h - steps of posteriors, beside another program's.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_POSTERIOR_H
#define BENCH_POSTERIOR_H

#include <jansson.h>
#include <stddef.h>

/* Times the steps whose name contains `only` (NULL: all) on one thread, and
   those of the peer (its command, or NULL), and prints them; rows as those of
   report_rows, with the steps for each second. */
int posterior_measure(const char *only, size_t repeats, const char *command,
                      json_t *rows);

#endif
