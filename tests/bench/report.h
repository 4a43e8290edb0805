/* report.h - the figures as tables and as JSON.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "race.h"

#include <jansson.h>

/* Appends a row {case, version, threads, median_ms, low_ms, high_ms, least_ms,
   repeats, steps, gflops, of_sgemm, over_direct} for each contender.  of_sgemm
   is its rate as a share of that of sgemm in as many threads; over_direct its
   time in units of the direct step's. */
int report_rows(const race *r, json_t *rows);
/* Speed-up of two threads, alone and as a share of sgemm's: {case, version,
   speedup, of_sgemm}. */
int report_scaling(const race *r, json_t *rows);

/* Completes rows that a peer gave, by quotients of medians. */
void report_peer(const race *r, json_t *rows);

void report_print(const json_t *rows);
void report_print_scaling(const json_t *rows);

#endif
