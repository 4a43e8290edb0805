/* target_data.c - see target_data.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "target_data.h"

#include "base/base.h"
#include "slivi/io.h"
#include "slivi/option.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MOST_BYTES = 1 << 30 };

/* ---- JSON ------------------------------------------------------------- */

static int fail_json(const char *path, const json_error_t *error)
{
    if (!*error->text || json_error_code(error) == json_error_out_of_memory)
        return slivi__fail(SLIVI_ENOMEM, "%s: no memory", path);
    if (json_error_code(error) == json_error_duplicate_key)
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: line %d: a key that is there before", path,
                           error->line);
    if (json_error_code(error) == json_error_premature_end_of_input)
        return slivi__fail(SLIVI_EFORMAT, "%s: cut short in line %d", path,
                           error->line);
    return slivi__fail(SLIVI_EFORMAT, "%s: line %d, column %d: not JSON", path,
                       error->line, error->column);
}

int slivi__data_open(slivi__data *d, const char *path)
{
    char *bytes;
    size_t size;
    json_error_t error;
    *d = (slivi__data){.path = path};
    int status = slivi_file_read(path, MOST_BYTES, &bytes, &size);
    if (status)
        return status;
    d->root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    slivi_file_release(bytes);
    if (!d->root)
        return fail_json(path, &error);
    if (json_is_object(d->root))
        return 0;
    slivi__data_close(d);
    return slivi__fail(SLIVI_EFORMAT,
                       "%s: not an object of named numbers: { \"y\": ... }",
                       path);
}

void slivi__data_close(slivi__data *d)
{
    json_decref(d->root);
    d->root = NULL;
}

static int find(const slivi__data *d, const char *key, const json_t **value)
{
    *value = json_object_get(d->root, key);
    return *value ? 0
                  : slivi__fail(SLIVI_EFORMAT, "%s: no \"%s\"", d->path, key);
}

int slivi__data_count(const slivi__data *d, const char *key, size_t least,
                      size_t most, size_t *out)
{
    const json_t *value;
    int status = find(d, key, &value);
    if (status)
        return status;
    json_int_t x = json_integer_value(value);
    if (!json_is_integer(value) || x < 0 || (uintmax_t)x < least
        || (uintmax_t)x > most)
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: \"%s\" is not a whole number from %zu to %zu",
                           d->path, key, least, most);
    *out = (size_t)x;
    return 0;
}

/* A number of the list called `key`, which is in the place `where`. */
static int take(const slivi__data *d, const char *key, const char *where,
                const json_t *value, double above, double *out)
{
    *out = json_number_value(value);
    if (!json_is_number(value))
        return slivi__fail(SLIVI_EFORMAT, "%s: \"%s\"%s is not a number",
                           d->path, key, where);
    if (!(*out > above))
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: \"%s\"%s is %g, expected a number above %g",
                           d->path, key, where, *out, above);
    return 0;
}

int slivi__data_number(const slivi__data *d, const char *key, double above,
                       double *out)
{
    const json_t *value;
    int status = find(d, key, &value);
    return status ? status : take(d, key, "", value, above, out);
}

/* An array of n; `row` is "" or says which row of the key it is. */
static int take_array(const slivi__data *d, const char *key, const char *row,
                      const json_t *value, size_t n, double above, double *out)
{
    int status = 0;
    if (!json_is_array(value))
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: \"%s\"%s is not an array of %zu numbers",
                           d->path, key, row, n);
    if (json_array_size(value) != n)
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: \"%s\"%s has %zu entries, expected %zu",
                           d->path, key, row, json_array_size(value), n);
    for (size_t i = 0; i < n && out && !status; i++) {
        char where[64];
        snprintf(where, sizeof where, "%s[%zu]", row, i + 1);
        status = take(d, key, where, json_array_get(value, i), above, out + i);
    }
    return status;
}

int slivi__data_array(const slivi__data *d, const char *key, size_t n,
                      double above, double *out)
{
    const json_t *value;
    int status = find(d, key, &value);
    return status ? status : take_array(d, key, "", value, n, above, out);
}

int slivi__data_matrix(const slivi__data *d, const char *key, size_t n,
                       size_t k, double *out)
{
    const json_t *value;
    int status = find(d, key, &value);
    if (!status && json_array_size(value) != n) /* 0 also for no array */
        status = slivi__fail(SLIVI_EFORMAT,
                             "%s: \"%s\" is not an array of %zu rows", d->path,
                             key, n);
    for (size_t i = 0; i < n && !status; i++) {
        char row[32];
        snprintf(row, sizeof row, "[%zu]", i + 1);
        status = take_array(d, key, row, json_array_get(value, i), k, -INFINITY,
                            out ? out + i * k : NULL);
    }
    return status;
}

/* ---- CSV -------------------------------------------------------------- */

/* Numbers are those of options: no locale, no infinities, no NaNs. */
static int read_number(char *text, double *out)
{
    static const slivi_option number[] = {
        {.name = "number",
         .kind = SLIVI_OPTION_REAL,
         .least = -DBL_MAX,
         .most = DBL_MAX},
        {.name = NULL},
    };
    char *end = text + strlen(text);
    text += strspn(text, " \t");
    while (end > text && strchr(" \t\r", end[-1]))
        *--end = '\0';
    return !slivi_options_set(number, out, "number", text);
}

/* Where the reader is in a file. */
typedef struct reader {
    const char *path;
    char *at, *end;
    size_t line; /* from 1 */
} reader;

static int is_blank(const char *text)
{
    return !text[strspn(text, " \t\r")];
}

/* The next line that holds something, as a string; NULL at the end. */
static char *next_line(reader *r)
{
    while (r->at < r->end) {
        char *line = r->at;
        char *stop = memchr(line, '\n', (size_t)(r->end - line));
        r->at = stop ? stop + 1 : r->end;
        r->line++;
        if (stop)
            *stop = '\0'; /* the file's end has a NUL of its own */
        if (!is_blank(line))
            return line;
    }
    return NULL;
}

static size_t count_fields(const char *line)
{
    size_t n = 1;
    while ((line = strchr(line, ',')))
        line++, n++;
    return n;
}

/* The field that *line begins with, as a string; *line goes behind it. */
static char *next_field(char **line)
{
    char *field = *line, *comma = strchr(field, ',');
    if (comma)
        *comma = '\0';
    *line = comma ? comma + 1 : field + strlen(field);
    return field;
}

/* Sets *numbers to how many fields of a copy of the line are numbers. */
static int count_numbers(const char *line, size_t fields, size_t *numbers)
{
    char *copy = slivi__strdup(line), *at = copy;
    double x;
    *numbers = 0;
    if (!copy)
        return SLIVI_ENOMEM;
    for (size_t j = 0; j < fields; j++)
        *numbers += (size_t)read_number(next_field(&at), &x);
    slivi__free(copy);
    return 0;
}

static int read_row(const reader *r, char *line, size_t cols, double *out)
{
    size_t found = count_fields(line);
    if (found != cols)
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: line %zu has %zu columns, "
                           "expected %zu",
                           r->path, r->line, found, cols);
    for (size_t j = 0; j < cols; j++) {
        char *field = next_field(&line);
        if (!read_number(field, out + j))
            return slivi__fail(SLIVI_EFORMAT,
                               "%s: line %zu, column %zu: \"%.32s\" is not a "
                               "number",
                               r->path, r->line, j + 1,
                               field + strspn(field, " \t"));
    }
    return 0;
}

static int read_table(slivi__table *t, reader *r)
{
    const size_t size = (size_t)(r->end - r->at);
    size_t numbers;
    char *line = next_line(r);
    if (!line)
        return slivi__fail(SLIVI_EFORMAT, "%s: no rows", r->path);
    t->cols = count_fields(line);
    int status = count_numbers(line, t->cols, &numbers);
    if (!status && !numbers)
        line = next_line(r);
    /* a field is followed by something and takes two bytes; one row more, for
       one that fails */
    if (!status
        && !(t->x = slivi__alloc(size / (2 * t->cols) + 2,
                                 t->cols * sizeof *t->x)))
        status = SLIVI_ENOMEM;
    for (; line && !status; line = next_line(r))
        status = read_row(r, line, t->cols, t->x + t->rows++ * t->cols);
    if (!status && !t->rows)
        status = slivi__fail(SLIVI_EFORMAT, "%s: no rows", r->path);
    return status;
}

int slivi__table_read(slivi__table *t, const char *path)
{
    char *bytes;
    size_t size;
    *t = (slivi__table){0};
    int status = slivi_file_read(path, MOST_BYTES, &bytes, &size);
    if (status)
        return status;
    reader r = {.path = path, .at = bytes, .end = bytes + size};
    if (memchr(bytes, '\0', size))
        status = slivi__fail(SLIVI_EFORMAT, "%s: not a text", path);
    else
        status = read_table(t, &r);
    slivi_file_release(bytes);
    if (status)
        slivi__table_clear(t);
    return status;
}

void slivi__table_clear(slivi__table *t)
{
    slivi__free(t->x);
    *t = (slivi__table){0};
}
