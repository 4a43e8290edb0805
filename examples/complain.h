/* complain.h - how the programs report what went wrong: one line on stderr.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef COMPLAIN_H
#define COMPLAIN_H

#if defined(__GNUC__)
#define COMPLAIN_FORMAT __attribute__((format(printf, 1, 2)))
#else
#define COMPLAIN_FORMAT
#endif

/* Exit codes: 0 good, these, or 128 + the number of a signal. */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Begins every message; each program defines its own. */
extern const char program_name[];

/* Both write "NAME: message" as one line, whatever is in the arguments, and
   return the exit code; the second adds a hint to --help. */
int complain(const char *format, ...) COMPLAIN_FORMAT;
int complain_usage(const char *format, ...) COMPLAIN_FORMAT;

#endif
