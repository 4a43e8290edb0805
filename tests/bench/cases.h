/* cases.h - what is measured.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include "images.h"
#include "race.h"
#include "subject.h"

typedef struct bench_case {
    const char *name; /* NULL ends the list */
    shape shape;
    /* of a vae of which there is no direct version: its images */
    int (*images)(images *to, const images *from);
} bench_case;

extern const bench_case bench_cases[];

/* Contenders of a case at each number of threads. */
int case_add(race *r, const bench_case *c, const images *im, size_t threads);
/* sgemm 1024 x 1024 x 1024 in each of `threads` threads at the same time. */
int case_add_sgemm(race *r, size_t threads);

#define SGEMM_GROUP "sgemm-1024"

#endif
