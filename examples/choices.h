/* choices.h - a line about each name that an option may take, for --list.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef CHOICES_H
#define CHOICES_H

/* NULL when there is nothing to say. */
const char *choices_help(const char *option, const char *name);

#endif
