/* args.c - the command line of a program, from const tables.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "args.h"
#include "complain.h"

#include <slivi/status.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 1024, CONFIG_MOST = 1 << 20, WIDTH = 79, INDENT = 24 };

typedef struct entry {
    const char *name;
    const args_word *word;       /* one of these two */
    const slivi_option *options; /* the table that has it */
    void *values;                /* of the table: owned by args.block */
    char *text;                  /* canonical, owned; NULL: none */
    int given, is_on;
} entry;

struct args {
    const args_spec *spec;
    size_t count, tables;
    entry *entries;
    void **block;  /* for each table its options' struct */
    char **others; /* what is no option: of argv */
    size_t others_count;
};

/* ---- making ----------------------------------------------------------- */

static size_t field_size(const slivi_option *o)
{
    static const size_t sizes[] = {
        [SLIVI_OPTION_REAL] = sizeof(double),
        [SLIVI_OPTION_SIZE] = sizeof(size_t),
        [SLIVI_OPTION_SEED] = sizeof(uint64_t),
        [SLIVI_OPTION_LIST] = sizeof(slivi_list),
        [SLIVI_OPTION_NAME] = SLIVI_NAME_MAX,
    };
    return sizes[o->kind];
}

/* A struct of unknown type that has room for all options of the table. */
static void *make_block(const slivi_option *options)
{
    size_t size = 1;
    for (const slivi_option *o = options; o->name; o++)
        if (o->offset + field_size(o) > size)
            size = o->offset + field_size(o);
    void *block = calloc(1, size);
    if (block && slivi_options_default(options, block)) {
        free(block);
        return NULL;
    }
    return block;
}

static entry *find(const args *a, const char *name)
{
    for (size_t i = 0; i < a->count; i++)
        if (!strcmp(a->entries[i].name, name))
            return &a->entries[i];
    return NULL;
}

static int keep_text(entry *e, const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    if (!copy)
        return complain("no memory");
    strcpy(copy, text);
    free(e->text);
    e->text = copy;
    return 0;
}

/* The option's text as the table prints it. */
static int keep_option(entry *e)
{
    char text[TEXT];
    if (slivi_options_get(e->options, e->values, e->name, text, sizeof text))
        return complain("%s", slivi_errmsg());
    return keep_text(e, text);
}

static int add_entries(args *a)
{
    const args_spec *spec = a->spec;
    int status = 0;
    for (const args_word *w = spec->words; w->name && !status; w++) {
        entry *e = &a->entries[a->count++];
        *e = (entry){.name = w->name, .word = w};
        if (w->initial)
            status = keep_text(e, w->initial);
    }
    for (size_t t = 0; spec->tables[t].title && !status; t++) {
        const slivi_option *o = spec->tables[t].options;
        a->block[t] = make_block(o);
        status = !a->block[t];
        for (; o->name && !status; o++)
            if (!find(a, o->name)) {
                entry *e = &a->entries[a->count++];
                *e = (entry){.name = o->name,
                             .options = spec->tables[t].options,
                             .values = a->block[t]};
                status = keep_option(e);
            }
    }
    return status;
}

args *args_create(const args_spec *spec)
{
    size_t count = 0, tables = 0;
    for (const args_word *w = spec->words; w->name; w++)
        count++;
    for (; spec->tables[tables].title; tables++)
        for (const slivi_option *o = spec->tables[tables].options; o->name; o++)
            count++;
    args *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->spec = spec;
    a->tables = tables;
    a->entries = calloc(count, sizeof *a->entries);
    a->block = calloc(tables + 1, sizeof *a->block);
    if (a->entries && a->block && !add_entries(a))
        return a;
    args_free(a);
    return NULL;
}

void args_free(args *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++)
        free(a->entries[i].text);
    for (size_t t = 0; a->block && t < a->tables; t++)
        free(a->block[t]);
    free(a->block);
    free(a->others);
    free(a->entries);
    free(a);
}

/* ---- asking ----------------------------------------------------------- */

const char *args_text(const args *a, const char *name)
{
    const entry *e = find(a, name);
    return e ? e->text : NULL;
}

int args_given(const args *a, const char *name)
{
    const entry *e = find(a, name);
    return e && (e->given || e->is_on);
}

char **args_others(const args *a, size_t *count)
{
    *count = a->others_count;
    return a->others;
}

const args_spec *args_specification(const args *a)
{
    return a->spec;
}

/* The field of an option of this kind, zero when there is none. */
static void field(const args *a, const char *name, enum slivi_option_kind kind,
                  void *value, size_t size)
{
    const entry *e = find(a, name);
    const slivi_option *o = e && e->options
                                ? slivi_options_find(e->options, name)
                                : NULL;
    memset(value, 0, size);
    if (o && o->kind == kind)
        memcpy(value, (const char *)e->values + o->offset, size);
}

size_t args_size(const args *a, const char *name)
{
    size_t value;
    field(a, name, SLIVI_OPTION_SIZE, &value, sizeof value);
    return value;
}

uint64_t args_seed(const args *a, const char *name)
{
    uint64_t value;
    field(a, name, SLIVI_OPTION_SEED, &value, sizeof value);
    return value;
}

/* ---- setting ---------------------------------------------------------- */

static int complain_unknown(const args *a, const char *where, const char *name)
{
    const char *near = NULL;
    size_t least = 3; /* two slips of the pen at most, in less than half */
    for (size_t i = 0; i < a->count; i++) {
        const args_word *w = a->entries[i].word;
        size_t d = slivi_word_distance(name, a->entries[i].name);
        if (w && w->kind == ARGS_OTHERS)
            continue;
        if (d < least && 2 * d < strlen(a->entries[i].name)) {
            least = d;
            near = a->entries[i].name;
        }
    }
    if (near)
        return complain_usage("%sno option \"%.64s\"; did you mean %s?", where,
                              name, near);
    return complain_usage("%sno option \"%.64s\"", where, name);
}

static int set_entry(entry *e, const char *where, const char *text)
{
    if (e->word)
        return keep_text(e, text);
    if (slivi_options_set(e->options, e->values, e->name, text))
        return complain_usage("%s%s", where, slivi_errmsg());
    return keep_option(e);
}

/* What belongs to the experiment, and so may stand in a file. */
static int is_of_experiment(const entry *e)
{
    return !e->word || e->word->kind == ARGS_TEXT;
}

int args_default(args *a, const char *name, const char *text)
{
    entry *e = find(a, name);
    return e ? set_entry(e, "", text) : complain_unknown(a, "", name);
}

int args_set(args *a, const char *where, const char *name, const char *text)
{
    entry *e = find(a, name);
    if (!e || !is_of_experiment(e))
        return complain_unknown(a, where, name);
    e->given = 1;
    return set_entry(e, where, text);
}

/* ---- files ------------------------------------------------------------ */

json_t *args_json(const args *a)
{
    json_t *all = json_object();
    for (size_t i = 0; all && i < a->count; i++) {
        const entry *e = &a->entries[i];
        if (is_of_experiment(e) && e->text
            && json_object_set_new(all, e->name, json_string(e->text))) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

/* Text of a JSON value: a string, a number, or a list of whole numbers. */
static int value_text(const json_t *value, char text[TEXT])
{
    size_t at = 0;
    *text = '\0';
    if (json_is_string(value))
        return snprintf(text, TEXT, "%s", json_string_value(value)) < TEXT;
    if (json_is_integer(value))
        return snprintf(text, TEXT, "%" JSON_INTEGER_FORMAT,
                        json_integer_value(value))
               < TEXT;
    if (json_is_real(value))
        return snprintf(text, TEXT, "%.17g", json_real_value(value)) < TEXT;
    if (!json_is_array(value) || json_array_size(value) > SLIVI_LIST_MAX)
        return 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_integer(item))
            return 0;
        at += (size_t)snprintf(text + at, TEXT - at, "%s%" JSON_INTEGER_FORMAT,
                               i ? "," : "", json_integer_value(item));
    }
    return 1;
}

int args_from_json(args *a, const char *where, const json_t *options)
{
    char text[TEXT];
    const char *name;
    json_t *inner = json_object_get(options, "options"), *value;
    int status = 0;
    if (!json_is_object(options) || (inner && !json_is_object(inner)))
        return complain_usage("%snot a JSON object of options", where);
    /* iterating does not change it */
    json_object_foreach(inner ? inner : (json_t *)options, name, value)
    {
        if (!value_text(value, text))
            status = complain_usage("%soption %.64s: neither text nor a "
                                    "number nor a list of whole numbers",
                                    where, name);
        else
            status = args_set(a, where, name, text);
        if (status)
            break;
    }
    return status;
}

static int read_config(args *a, const char *path)
{
    char where[TEXT];
    json_error_t error;
    json_t *config = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!config && error.line > 0)
        return complain("%s: line %d: %s", path, error.line, error.text);
    if (!config)
        return complain("%s", error.text); /* names the file */
    snprintf(where, sizeof where, "%s: ", path);
    int status = args_from_json(a, where, config);
    json_decref(config);
    return status;
}

/* ---- the command line ------------------------------------------------- */

static int set_pair(args *a, const char *pair)
{
    char name[TEXT];
    size_t n = strcspn(pair, "=");
    if (!pair[n] || n >= sizeof name)
        return complain_usage("--set takes KEY=VALUE, not \"%.64s\"", pair);
    memcpy(name, pair, n);
    name[n] = '\0';
    return args_set(a, "", name, pair + n + 1);
}

static int apply(args *a, entry *e, const char *text)
{
    enum args_kind kind = e->word ? e->word->kind : ARGS_TEXT;
    if (kind == ARGS_SET)
        return set_pair(a, text);
    if (kind == ARGS_CONFIG)
        return read_config(a, text);
    e->given = 1;
    return set_entry(e, "", text);
}

/* Does the program take what is no option? */
static int takes_others(const args *a)
{
    const args_word *w = a->spec->words;
    while (w->name && w->kind != ARGS_OTHERS)
        w++;
    return w->name != NULL;
}

/* Takes one option and its value; configs: only --config, or all others. */
static int parse_one(args *a, char ***next, int configs)
{
    char name[TEXT];
    const char *word = *(*next)++, *text = NULL;
    if (!strcmp(word, "-h"))
        word = "--help";
    size_t n = strcspn(word, "=");
    if (strncmp(word, "--", 2) && takes_others(a)) {
        if (!configs)
            a->others[a->others_count++] = (*next)[-1];
        return 0;
    }
    if (strncmp(word, "--", 2) || n >= sizeof name)
        return complain_usage("unexpected argument \"%.64s\"", word);
    memcpy(name, word + 2, n - 2);
    name[n - 2] = '\0';
    entry *e = find(a, name);
    if (!e || (e->word && e->word->kind == ARGS_OTHERS))
        return complain_unknown(a, "", name);
    if (word[n])
        text = word + n + 1;
    if (e->word && e->word->kind == ARGS_SWITCH) {
        e->is_on = 1;
        return text ? complain_usage("--%s takes no value", name) : 0;
    }
    if (!text && !(text = *(*next)))
        return complain_usage("--%s needs a value", name);
    if (!word[n])
        (*next)++;
    if ((e->word && e->word->kind == ARGS_CONFIG) != configs)
        return 0;
    return apply(a, e, text);
}

int args_parse(args *a, int argc, char **argv)
{
    int status = 0;
    a->others = calloc((size_t)argc + 1, sizeof *a->others);
    if (!a->others)
        return complain("no memory");
    /* files first, so that the command line wins */
    for (int configs = 1; configs >= 0 && argc > 0; configs--)
        for (char **next = argv + 1; *next && !status;)
            status = parse_one(a, &next, configs);
    return status;
}

/* ---- help ------------------------------------------------------------- */

/* Words of text from column `at`, broken before WIDTH. */
static void print_wrapped(const char *text, size_t at)
{
    while (*text) {
        size_t n = strcspn(text, " ");
        if (at + n + 1 > WIDTH) {
            printf("\n%*s", INDENT, "");
            at = INDENT;
        } else if (at > INDENT) {
            putchar(' ');
            at++;
        }
        printf("%.*s", (int)n, text);
        at += n;
        text += n + strspn(text + n, " ");
    }
}

static void print_option(const entry *e, const char *value, const char *help,
                         const char *const *names)
{
    char text[TEXT];
    const int is_other = e->word && e->word->kind == ARGS_OTHERS;
    int n = printf("  %s%s%s%s", is_other ? "" : "--", e->name,
                   value ? " " : "", value ? value : "");
    size_t at = n > 0 ? (size_t)n : 0;
    if (at + 2 > INDENT)
        printf("\n%*s", INDENT, "");
    else
        printf("%*s", (int)(INDENT - at), "");
    at = (size_t)snprintf(text, sizeof text, "%s", help);
    for (size_t i = 0; names && names[i] && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s",
                               i ? ", " : ": ", names[i]);
    if (e->text && *e->text && at < sizeof text)
        snprintf(text + at, sizeof text - at, " (default %s)", e->text);
    print_wrapped(text, INDENT);
    putchar('\n');
}

void args_help(const args *a)
{
    static const char *const values[] = {
        [SLIVI_OPTION_REAL] = "NUMBER", [SLIVI_OPTION_SIZE] = "N",
        [SLIVI_OPTION_SEED] = "N",      [SLIVI_OPTION_LIST] = "N,N,...",
        [SLIVI_OPTION_NAME] = "NAME",
    };
    const slivi_option *table = NULL;
    printf("Usage: %s [OPTION]...", program_name);
    for (const args_word *w = a->spec->words; w->name; w++)
        if (w->kind == ARGS_OTHERS)
            printf(" %s...", w->name);
    printf("\n%s\n\n", a->spec->about);
    for (size_t i = 0; i < a->count; i++) {
        const entry *e = &a->entries[i];
        if (e->word) {
            print_option(e, e->word->value, e->word->help, NULL);
            continue;
        }
        for (const args_table *t = a->spec->tables; t->title; t++)
            if (t->options == e->options && table != e->options)
                printf("\n%s:\n", t->title);
        table = e->options;
        const slivi_option *o = slivi_options_find(table, e->name);
        print_option(e, values[o->kind], o->help, o->names);
    }
}
