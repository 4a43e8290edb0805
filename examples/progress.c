/* progress.c - one line on a terminal that says how far a program is.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "progress.h"
#include "experiment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 16, WIDTH = 79 };

void progress_begin(progress *p, int quiet, const char *what, size_t first,
                    size_t total)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    const double now = experiment_clock();
    *p = (progress){.what = what,

                    .first = first,
                    .total = total,
                    .begin = now,
                    .drawn = now - 1};
    p->is_on = !quiet && isatty(STDERR_FILENO);
    p->is_coloured = !(no_color && *no_color) && term && strcmp(term, "dumb");
}

int progress_is_due(const progress *p)
{
    return p->is_on && experiment_clock() - p->drawn >= 0.1;
}

/* "12 s", "3:05", "2:10:00" */
static void write_time(double seconds, char *text, size_t room)
{
    const unsigned long s = (unsigned long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(text, room, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else if (s >= 60)
        snprintf(text, room, "%lu:%02lu", s / 60, s % 60);
    else
        snprintf(text, room, "%lu s", s);
}

void progress_show(progress *p, size_t done, const char *note)
{
    if (!progress_is_due(p))
        return;
    char left[32] = "", line[256], filled[BAR + 1], empty[BAR + 1];
    const double now = experiment_clock(), spent = now - p->begin;
    const double rate = spent > 0 ? (double)(done - p->first) / spent : 0;
    const size_t cells = p->total ? BAR * done / p->total : BAR;
    const char *bright = p->is_coloured ? "\033[36m" : "";
    const char *dim = p->is_coloured ? "\033[90m" : "";
    const char *plain = p->is_coloured ? "\033[0m" : "";
    if (rate > 0)
        write_time((double)(p->total - done) / rate, left, sizeof left);
    memset(filled, p->is_coloured ? '=' : '#', sizeof filled);
    memset(empty, p->is_coloured ? '-' : '.', sizeof empty);
    filled[cells] = empty[BAR - cells] = '\0';
    snprintf(line, sizeof line, "  %zu/%zu  %.*f/s  %s left  %s", done,
             p->total, rate < 10 ? 1 : 0, rate, *left ? left : "?", note);
    const int head = (int)strlen(p->what) + 1 + BAR;
    fprintf(stderr, "\r%s %s%s%s%s%s%.*s\033[K", p->what, bright, filled, dim,
            empty, plain, WIDTH - head, line);
    fflush(stderr);
    p->drawn = now;
    p->is_drawn = 1;
}

void progress_end(progress *p)
{
    if (p->is_drawn)
        fputs("\r\033[K", stderr);
    p->is_drawn = 0;
    p->is_on = 0;
}
