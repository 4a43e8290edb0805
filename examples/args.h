/* args.h - the command line of a program, from const tables.

   An option is a word of the program's own (text, or a switch) or a row of a
   table of slivi/option.h.  Every one is given as --name VALUE, --name=VALUE
   or --set name=VALUE; --config FILE gives many at once, and the command line
   wins over the file.  Of two options of one name the first table's counts.

   Functions that can fail complain and return an exit code, 0 when all is
   well.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef ARGS_H
#define ARGS_H

#include <jansson.h>
#include <slivi/option.h>

#include <stddef.h>
#include <stdint.h>

enum args_kind {
    ARGS_TEXT,   /* has a value, belongs to the experiment */
    ARGS_PLACE,  /* has a value, does not: is not in config.json */
    ARGS_SWITCH, /* is there or not */
    ARGS_OTHERS, /* what is no option, all of it; `name` for --help */
    ARGS_SET,    /* --set KEY=VALUE */
    ARGS_CONFIG  /* --config FILE */
};

typedef struct args_word {
    const char *name; /* NULL ends a table */
    enum args_kind kind;
    const char *value;   /* how --help calls the value */
    const char *initial; /* default of TEXT and PLACE, or NULL */
    const char *help;
} args_word;

typedef struct args_table {
    const char *title; /* NULL ends the list of tables */
    const slivi_option *options;
} args_table;

typedef struct args_spec {
    const char *about; /* for --help: what the program does */
    const args_word *words;
    const args_table *tables;
} args_spec;

typedef struct args args;

/* NULL when there is no memory. */
args *args_create(const args_spec *spec);
void args_free(args *a); /* NULL is fine */

int args_parse(args *a, int argc, char **argv);

/* The value as canonical text; NULL: not given, and without a default. */
const char *args_text(const args *a, const char *name);
/* A switch is on, or an option was given (not left at its default). */
int args_given(const args *a, const char *name);
/* Numbers of the tables' options. */
size_t args_size(const args *a, const char *name);
uint64_t args_seed(const args *a, const char *name);

/* What is no option, `count` of argv's words. */
char **args_others(const args *a, size_t *count);

/* Another default than the table's. */
int args_default(args *a, const char *name, const char *text);
/* A value as from the command line; `where` begins the message. */
int args_set(args *a, const char *where, const char *name, const char *text);

/* All options of the experiment, {name: text}, or NULL without memory. */
json_t *args_json(const args *a);
/* As --config does, from options as args_json makes them, or from an object
   that has them under "options". */
int args_from_json(args *a, const char *where, const json_t *options);

void args_help(const args *a); /* on stdout */
const args_spec *args_specification(const args *a);

#endif
