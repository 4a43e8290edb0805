/* posterior_summary.h - runs of slivi-posterior in a table, for slivi-results.

   Complains and returns an exit code.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef POSTERIOR_SUMMARY_H
#define POSTERIOR_SUMMARY_H

#include "args.h"

/* 1 where the folder's config.json is that of a run of slivi-posterior. */
int posterior_summary_is(const char *folder);

/* A row for runs that differ in their seeds alone: medians over seeds and the
   worst ones. */
int posterior_summary(size_t count, char **folders, const args *a);

#endif
