/* options.c - options in checkpoints, as texts "option.NAME".

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "io/options.h"

#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 256 };

static int is_left_out(const slivi_option *o, const char *except)
{
    return except && !strcmp(o->name, except);
}

static const char *key_of(const slivi_option *o, char key[TEXT])
{
    snprintf(key, TEXT, "option.%s", o->name);
    return key;
}

int slivi__options_put(const slivi_option *table, const void *fields,
                       const char *except, slivi_checkpoint *c)
{
    char key[TEXT], text[TEXT];
    int status = 0;
    for (const slivi_option *o = table; o->name && !status; o++) {
        if (is_left_out(o, except))
            continue;
        status = slivi_options_get(table, fields, o->name, text, sizeof text);
        if (!status)
            status = slivi_checkpoint_put_text(c, key_of(o, key), text);
    }
    return status;
}

int slivi__options_take(const slivi_option *table, void *fields,
                        const char *except, const slivi_checkpoint *c)
{
    char key[TEXT];
    int status = 0;
    for (const slivi_option *o = table; o->name && !status; o++) {
        if (is_left_out(o, except))
            continue;
        const char *text = slivi_checkpoint_text(c, key_of(o, key));
        status = slivi_options_set(table, fields, o->name,
                                   text ? text : o->initial);
    }
    return status;
}

int slivi__options_same(const slivi_option *table, const void *fields,
                        const char *except, const slivi_checkpoint *c)
{
    char key[TEXT], text[TEXT];
    for (const slivi_option *o = table; o->name; o++) {
        if (is_left_out(o, except))
            continue;
        const char *there = slivi_checkpoint_text(c, key_of(o, key));
        int status = slivi_options_get(table, fields, o->name, text,
                                       sizeof text);
        if (status)
            return status;
        if (!there)
            there = o->initial;
        if (strcmp(there, text))
            return slivi__fail(SLIVI_EINVAL, "%s is %s, in the checkpoint %s",
                               o->name, text, there);
    }
    return 0;
}

int slivi__checkpoint_put_size(slivi_checkpoint *c, const char *key,
                               size_t value)
{
    char text[TEXT];
    snprintf(text, sizeof text, "%zu", value);
    return slivi_checkpoint_put_text(c, key, text);
}

int slivi__checkpoint_get_size(const slivi_checkpoint *c, const char *key,
                               size_t *value)
{
    const char *text = slivi_checkpoint_text(c, key);
    char *end = NULL;
    errno = 0;
    unsigned long long n = text && *text >= '0' && *text <= '9'
                               ? strtoull(text, &end, 10)
                               : 0;
    if (!end || *end || errno || n > SIZE_MAX)
        return slivi__fail(SLIVI_EFORMAT, "no number \"%s\"", key);
    *value = (size_t)n;
    return 0;
}
