/* progress.h - one line on a terminal that says how far a program is.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stddef.h>

typedef struct progress {
    int is_on, is_coloured, is_drawn;
    const char *what; /* "training" */
    size_t first, total;
    double begin, drawn; /* on experiment_clock */
} progress;

/* Nothing is written unless stderr is a terminal and quiet is 0.  `first` of
   `total` units are done already; the rate is that of the others. */
void progress_begin(progress *p, int quiet, const char *what, size_t first,
                    size_t total);
/* Redraws the line, at most ten times a second; note (short) comes last. */
void progress_show(progress *p, size_t done, const char *note);
/* 1 when progress_show would draw: for notes that cost something. */
int progress_is_due(const progress *p);
/* Clears the line, so that other text can be written. */
void progress_end(progress *p);

#endif
