/* report.h - report.html: a run's curves, pictures and numbers in one file.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef REPORT_H
#define REPORT_H

#include "experiment.h"

enum { REPORT_CURVES = 4 };

/* One plot of values of metrics.jsonl over its steps. */
typedef struct report_plot {
    const char *title;                 /* NULL ends a list */
    const char *unit;                  /* of the vertical axis */
    const char *keys[REPORT_CURVES];   /* NULL: fewer */
    const char *labels[REPORT_CURVES]; /* their names in the legend */
    const char *note;                  /* a line that explains, or NULL */
} report_plot;

typedef struct report_picture {
    const char *name; /* a PNG of the folder; NULL ends a list */
    const char *caption;
} report_picture;

/* Writes FOLDER/report.html from the folder's config.json, metrics.jsonl,
   result.json and pictures (NULL: no such section), and a section of HTML
   before these (NULL: none); what is not there is left out.  Complains and
   returns an exit code on failure. */
int report_write(const experiment *e, const char *title,
                 const report_plot *plots, const report_picture *pictures,
                 const char *inset);

#endif
