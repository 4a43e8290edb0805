/* slivi/option.h - options by name: one table serves the setters of a type,
   the command line, its help and the tests.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_OPTION_H
#define SLIVI_OPTION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SLIVI_LIST_MAX = 8, SLIVI_NAME_MAX = 24 };

/* A list of sizes, such as the widths of hidden layers. */
typedef struct slivi_list {
    size_t count;
    size_t at[SLIVI_LIST_MAX];
} slivi_list;

enum slivi_option_kind {
    SLIVI_OPTION_REAL, /* double                    */
    SLIVI_OPTION_SIZE, /* size_t                    */
    SLIVI_OPTION_SEED, /* uint64_t                  */
    SLIVI_OPTION_LIST, /* slivi_list, text "256,256" */
    SLIVI_OPTION_NAME  /* char[SLIVI_NAME_MAX], one of `names` */
};

typedef struct slivi_option {
    const char *name;
    enum slivi_option_kind kind;
    size_t offset;       /* of the field within the options' struct */
    double least, most;  /* closed bounds of REAL, SIZE and of LIST's entries */
    const char *initial; /* text of the default */
    const char *const *names; /* of NAME: NULL-terminated */
    const char *help;
} slivi_option;

/* Tables end with an option whose name is NULL. */

/* Sets every field of `options` to its default. */
int slivi_options_default(const slivi_option *table, void *options);

/* Parses text into the field of that name; on failure the field is as it was
   and the message names the option, the text and what was expected. */
int slivi_options_set(const slivi_option *table, void *options,
                      const char *name, const char *text);
/* The same from a number, for REAL and SIZE, and SEED up to 2^53. */
int slivi_options_set_number(const slivi_option *table, void *options,
                             const char *name, double value);

/* The field's value as text that slivi_options_set reads back exactly, into
   a buffer of `room` bytes. */
int slivi_options_get(const slivi_option *table, const void *options,
                      const char *name, char *text, size_t room);

/* The option of that name, or NULL without an error. */
const slivi_option *slivi_options_find(const slivi_option *table,
                                       const char *name);

/* Levenshtein's distance of two words, for "did you mean"; 32 where one is
   longer than that. */
size_t slivi_word_distance(const char *a, const char *b);

#ifdef __cplusplus
}
#endif
#endif
