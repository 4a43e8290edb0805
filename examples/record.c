/* record.c - what a run writes down.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "record.h"
#include "complain.h"

#include <slivi/blas.h>
#include <slivi/io.h>
#include <slivi/status.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- objects ------------------------------------------------------------ */

void record_number(json_t *object, const char *key, double value)
{
    json_object_set_new(object, key,
                        isfinite(value) ? json_real(value) : json_null());
}

void record_size(json_t *object, const char *key, size_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

void record_text(json_t *object, const char *key, const char *value)
{
    json_object_set_new(object, key, json_string(value));
}

void record_seed(json_t *object, const char *key, uint64_t value)
{
    char text[32];
    if (value <= INT64_MAX) {
        json_object_set_new(object, key, json_integer((json_int_t)value));
        return;
    }
    snprintf(text, sizeof text, "%" PRIu64, value);
    record_text(object, key, text);
}

int record_write(const experiment *e, const char *name, json_t *object)
{
    char path[EXPERIMENT_PATH];
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    size_t size = text ? strlen(text) : 0;
    int status = 0;
    experiment_path(e, name, path);
    if (text)
        text[size] = '\n'; /* a line's end in place of the string's */
    if (!text)
        status = complain("%s: no memory", path);
    else if (slivi_file_write(path, text, size + 1))
        status = complain("%s", slivi_errmsg());
    free(text);
    json_decref(object);
    return status;
}

json_t *record_read(const experiment *e, const char *name)
{
    char path[EXPERIMENT_PATH];
    experiment_path(e, name, path);
    return json_load_file(path, 0, NULL);
}

int record_config(const experiment *e, const args *a, const char *key,
                  json_t *value)
{
    json_t *config = json_object();
    record_text(config, "program", program_name);
    record_text(config, "version", slivi_version());
    record_text(config, "compiler", experiment_compiler());
    record_text(config, "instruction_set", slivi_instruction_set());
    record_text(config, "blas_core", slivi_blas_core());
    record_text(config, "blas", slivi_blas_config());
    json_object_set_new(config, key, value);
    json_object_set_new(config, "options", args_json(a));
    return record_write(e, "config.json", config);
}

static void print_value(const json_t *value)
{
    if (json_is_string(value))
        printf("%s\n", json_string_value(value));
    else if (json_is_integer(value))
        printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
    else if (json_is_real(value))
        printf("%.6g\n", json_real_value(value));
    else if (json_is_boolean(value))
        printf("%s\n", json_is_true(value) ? "yes" : "no");
    else
        printf("-\n");
}

int record_print(const json_t *result, int json)
{
    json_t *all = (json_t *)result, *value; /* iterating does not change it */
    const char *key;
    size_t wide = 0;
    if (json) {
        json_dumpf(result, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        putchar('\n');
        return experiment_flush();
    }
    json_object_foreach(all, key, value) wide = strlen(key) > wide ? strlen(key)
                                                                   : wide;
    json_object_foreach(all, key, value)
    {
        printf("%-*s", (int)wide + 2, key);
        print_value(value);
    }
    return experiment_flush();
}

/* ---- metrics.jsonl ------------------------------------------------------ */

static int fail(const record *r, const char *what)
{
    return complain("%s: cannot %s: %s", r->path, what, strerror(errno));
}

/* Length of the leading whole lines of at most this step. */
static size_t lines_until(const char *text, size_t step, json_t **last)
{
    size_t keep = 0;
    for (const char *end; (end = strchr(text + keep, '\n')) != NULL;) {
        const char *line = text + keep;
        json_t *object = json_loadb(line, (size_t)(end - line), 0, NULL);
        json_t *at = json_object_get(object, "step");
        if (!json_is_integer(at) || json_integer_value(at) < 0
            || (size_t)json_integer_value(at) > step) {
            json_decref(object);
            break;
        }
        json_decref(*last);
        *last = object;
        keep = (size_t)(end + 1 - text);
    }
    return keep;
}

int record_open(record *r, const experiment *e, size_t step, json_t **last)
{
    char *text = NULL;
    size_t size, keep = 0;
    *last = NULL;
    experiment_path(e, "metrics.jsonl", r->path);
    r->file = open(r->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (r->file < 0)
        return fail(r, "write");
    if (step && slivi_file_read(r->path, 0, &text, &size))
        return complain("%s", slivi_errmsg());
    if (text)
        keep = lines_until(text, step, last);
    slivi_file_release(text);
    return ftruncate(r->file, (off_t)keep) ? fail(r, "cut it") : 0;
}

int record_line(record *r, json_t *object)
{
    char *text = json_dumps(object, JSON_PRESERVE_ORDER);
    size_t left = text ? strlen(text) + 1 : 0;
    int status = text ? 0 : complain("%s: no memory", r->path);
    if (text)
        text[left - 1] = '\n';
    for (const char *next = text; left && !status;) {
        ssize_t done = write(r->file, next, left);
        if (done < 0 && errno != EINTR)
            status = fail(r, "write");
        else if (done > 0) {
            next += done;
            left -= (size_t)done;
        }
    }
    free(text);
    json_decref(object);
    return status;
}

int record_sync(record *r)
{
    return fsync(r->file) && errno != EINVAL ? fail(r, "write") : 0;
}

void record_close(record *r)
{
    if (r->file >= 0)
        close(r->file);
    r->file = -1;
}
