/* target_files.h - what tests of the targets with names share: small data, as
   numbers and as files.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TEST_TARGET_FILES_H
#define SLIVI_TEST_TARGET_FILES_H

#include "slivi/targets.h"

enum {
    FILES_SCHOOLS = 3,
    FILES_KIDS = 6,
    FILES_ROWS = 5,
    FILES_COLS = 2,
    FILES_TIMES = 40, /* more than garch takes at once */
    FILES_LAGS = 2,
    FILES_BLEND = 37, /* more than one block of rows */
    FILES_LABELS = 45,
    FILES_FEATURES = 3
};

typedef struct files {
    double school_y[FILES_SCHOOLS], school_sigma[FILES_SCHOOLS];
    double iq[FILES_KIDS], score[FILES_KIDS];
    double x[FILES_ROWS][FILES_COLS], y[FILES_ROWS];
    double series[FILES_TIMES], sigma1;
    double blend[FILES_BLEND];
    double features[FILES_LABELS][FILES_FEATURES + 1]; /* and the label */
} files;

/* The same in every test. */
const files *files_data(void);
/* Writes the file of that target to the scratch folder; its path, or NULL
   where it needs none. */
const char *files_write(const char *name);
/* The target with that name and file; the test fails if it cannot be made. */
slivi_target *files_target(const char *name, size_t batch);

#endif
