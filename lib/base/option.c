/* option.c - options by name: parsing, printing, messages.

   Text is read and written the same in every locale.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/option.h"
#include "base/base.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NUMBER = 40, /* room for any number's text */
    WANTED = 320 /* room for what an option takes, in words */
};

/* What a kind of option does; fields are reached by memcpy, untyped. */
typedef struct kind {
    int (*parse)(const slivi_option *o, const char *text, void *field);
    /* Length of the text, as snprintf. */
    int (*print)(const void *field, char *text, size_t room);
    void (*wanted)(const slivi_option *o, char text[WANTED]);
    int takes_number;
} kind;

/* ---- numbers ---------------------------------------------------------- */

/* The locale's decimal point, which printf and strtod speak. */
static void decimal_point(char point[NUMBER])
{
    char text[NUMBER];
    snprintf(text, sizeof text, "%.1f", 0.5);
    size_t n = strlen(text) - 2; /* of what stands between 0 and 5 */
    memcpy(point, text + 1, n);
    point[n] = '\0';
}

/* Text with the first `from` in it replaced; 0 when it does not fit. */
static int exchange(const char *text, const char *from, const char *to,
                    char *out, size_t room)
{
    const char *at = strstr(text, from);
    int n = at ? snprintf(out, room, "%.*s%s%s", (int)(at - text), text, to,
                          at + strlen(from))
               : snprintf(out, room, "%s", text);
    return n >= 0 && (size_t)n < room;
}

static int read_real(const char *text, double *value)
{
    char point[NUMBER], local[128], *end;
    decimal_point(point);
    /* no spaces, hexadecimal digits, infinities or NaNs */
    if (!*text || text[strspn(text, "0123456789+-.eE")]
        || !exchange(text, ".", point, local, sizeof local))
        return 0;
    *value = strtod(local, &end);
    return !*end && isfinite(*value);
}

/* The shortest text that reads back as the same number. */
static int write_real(double value, char *text, size_t room)
{
    char point[NUMBER], local[NUMBER];
    double back = 0;
    decimal_point(point);
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(local, sizeof local, "%.*g", digits, value);
        back = strtod(local, NULL);
        if (back >= value && back <= value)
            break;
    }
    return exchange(local, point, ".", text, room) ? (int)strlen(text)
                                                   : (int)room;
}

/* The number in the digits text[0..n); 0 when it is none or too large. */
static int read_whole(const char *text, size_t n, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        unsigned digit = (unsigned)(text[i] - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return 0;
        *value = 10 * *value + digit;
    }
    return n != 0;
}

static int read_size(const slivi_option *o, const char *text, size_t n,
                     size_t *value)
{
    uint64_t x;
    if (!read_whole(text, n, &x) || x > SIZE_MAX || (double)x < o->least
        || (double)x > o->most)
        return 0;
    *value = (size_t)x;
    return 1;
}

/* ---- the kinds: reading ----------------------------------------------- */

static int parse_real(const slivi_option *o, const char *text, void *field)
{
    double x;
    if (!read_real(text, &x) || x < o->least || x > o->most)
        return 0;
    memcpy(field, &x, sizeof x);
    return 1;
}

static int parse_size(const slivi_option *o, const char *text, void *field)
{
    size_t x;
    if (!read_size(o, text, strlen(text), &x))
        return 0;
    memcpy(field, &x, sizeof x);
    return 1;
}

static int parse_seed(const slivi_option *o, const char *text, void *field)
{
    uint64_t x;
    (void)o;
    if (!read_whole(text, strlen(text), &x))
        return 0;
    memcpy(field, &x, sizeof x);
    return 1;
}

static int parse_list(const slivi_option *o, const char *text, void *field)
{
    slivi_list list = {0};
    if (!strcmp(text, "none"))
        text = "";
    while (*text) {
        size_t n = strcspn(text, ",");
        if (list.count == SLIVI_LIST_MAX
            || !read_size(o, text, n, &list.at[list.count++]))
            return 0;
        text += n;
        if (*text && !*++text) /* a comma at the end */
            return 0;
    }
    memcpy(field, &list, sizeof list);
    return 1;
}

static int parse_name(const slivi_option *o, const char *text, void *field)
{
    for (size_t i = 0; o->names[i]; i++)
        if (!strcmp(o->names[i], text) && strlen(text) < SLIVI_NAME_MAX) {
            memset(field, 0, SLIVI_NAME_MAX);
            memcpy(field, text, strlen(text));
            return 1;
        }
    return 0;
}

/* ---- the kinds: writing ----------------------------------------------- */

static int print_real(const void *field, char *text, size_t room)
{
    double x;
    memcpy(&x, field, sizeof x);
    return write_real(x, text, room);
}

static int print_size(const void *field, char *text, size_t room)
{
    size_t x;
    memcpy(&x, field, sizeof x);
    return snprintf(text, room, "%zu", x);
}

static int print_seed(const void *field, char *text, size_t room)
{
    uint64_t x;
    memcpy(&x, field, sizeof x);
    return snprintf(text, room, "%" PRIu64, x);
}

static int print_list(const void *field, char *text, size_t room)
{
    slivi_list list;
    char whole[SLIVI_LIST_MAX * NUMBER] = "none";
    memcpy(&list, field, sizeof list);
    size_t count = list.count < SLIVI_LIST_MAX ? list.count : SLIVI_LIST_MAX;
    for (size_t i = 0, at = 0; i < count; i++)
        at += (size_t)snprintf(whole + at, sizeof whole - at, "%s%zu",
                               i ? "," : "", list.at[i]);
    return snprintf(text, room, "%s", whole);
}

static int print_name(const void *field, char *text, size_t room)
{
    return snprintf(text, room, "%.*s", SLIVI_NAME_MAX - 1,
                    (const char *)field);
}

/* ---- the kinds: what they take, in words ------------------------------- */

static void wanted_real(const slivi_option *o, char text[WANTED])
{
    char least[NUMBER], most[NUMBER];
    write_real(o->least, least, sizeof least);
    write_real(o->most, most, sizeof most);
    if (isfinite(o->least) && isfinite(o->most))
        snprintf(text, WANTED, "a number from %s to %s", least, most);
    else if (isfinite(o->least))
        snprintf(text, WANTED, "a number of at least %s", least);
    else if (isfinite(o->most))
        snprintf(text, WANTED, "a number of at most %s", most);
    else
        snprintf(text, WANTED, "a finite number");
}

static void wanted_size(const slivi_option *o, char text[WANTED])
{
    const double least = o->least > 0 ? o->least : 0;
    if (o->most < (double)SIZE_MAX)
        snprintf(text, WANTED, "a whole number from %.0f to %.0f", least,
                 o->most);
    else
        snprintf(text, WANTED, "a whole number of at least %.0f", least);
}

static void wanted_seed(const slivi_option *o, char text[WANTED])
{
    (void)o;
    snprintf(text, WANTED, "a whole number from 0 to %" PRIu64, UINT64_MAX);
}

static void wanted_list(const slivi_option *o, char text[WANTED])
{
    char entry[WANTED];
    wanted_size(o, entry);
    snprintf(text, WANTED, "a list of up to %d, such as 256,256, each %.160s",
             SLIVI_LIST_MAX, entry);
}

static void wanted_name(const slivi_option *o, char text[WANTED])
{
    size_t at = (size_t)snprintf(text, WANTED, "one of");
    for (size_t i = 0; o->names[i] && at < WANTED; i++)
        at += (size_t)snprintf(text + at, WANTED - at, "%s %s", i ? "," : "",
                               o->names[i]);
}

static const kind kinds[] = {
    [SLIVI_OPTION_REAL] = {parse_real, print_real, wanted_real, 1},
    [SLIVI_OPTION_SIZE] = {parse_size, print_size, wanted_size, 1},
    [SLIVI_OPTION_SEED] = {parse_seed, print_seed, wanted_seed, 1},
    [SLIVI_OPTION_LIST] = {parse_list, print_list, wanted_list, 0},
    [SLIVI_OPTION_NAME] = {parse_name, print_name, wanted_name, 0},
};

/* ---- by name ---------------------------------------------------------- */

const slivi_option *slivi_options_find(const slivi_option *table,
                                       const char *name)
{
    for (; table->name; table++)
        if (!strcmp(table->name, name))
            return table;
    return NULL;
}

size_t slivi_word_distance(const char *a, const char *b)
{
    enum { LONG = 32 };
    size_t row[LONG + 1], n = strlen(b);
    if (strlen(a) > LONG || n > LONG)
        return LONG;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t corner = row[0]; /* of the row above */
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t best = corner + (a[i] != b[j]);
            corner = row[j + 1];
            best = corner + 1 < best ? corner + 1 : best;
            row[j + 1] = row[j] + 1 < best ? row[j] + 1 : best;
        }
    }
    return row[n];
}

static const slivi_option *find(const slivi_option *table, const char *name)
{
    const slivi_option *o = slivi_options_find(table, name), *near = NULL;
    size_t least = 3; /* two slips of the pen at most */
    if (o)
        return o;
    for (o = table; o->name; o++) {
        size_t d = slivi_word_distance(name, o->name);
        if (d < least && d < strlen(o->name)) {
            least = d;
            near = o;
        }
    }
    if (near)
        return slivi__fail_null(SLIVI_ENAME,
                                "no option \"%.64s\"; did you mean %s?", name,
                                near->name);
    return slivi__fail_null(SLIVI_ENAME, "no option \"%.64s\"", name);
}

static int set(const slivi_option *o, void *options, const char *text)
{
    char wanted[WANTED];
    if (kinds[o->kind].parse(o, text, (char *)options + o->offset))
        return 0;
    kinds[o->kind].wanted(o, wanted);
    return slivi__fail(SLIVI_EINVAL, "option %s: \"%.64s\" is not %s", o->name,
                       text, wanted);
}

int slivi_options_default(const slivi_option *table, void *options)
{
    int status = 0;
    for (; table->name && !status; table++)
        status = set(table, options, table->initial);
    return status;
}

int slivi_options_set(const slivi_option *table, void *options,
                      const char *name, const char *text)
{
    const slivi_option *o = find(table, name);
    return o ? set(o, options, text) : SLIVI_ENAME;
}

/* By way of its text, so that there is one set of checks and messages. */
int slivi_options_set_number(const slivi_option *table, void *options,
                             const char *name, double value)
{
    const slivi_option *o = find(table, name);
    char text[NUMBER], wanted[WANTED];
    if (!o)
        return SLIVI_ENAME;
    if (!kinds[o->kind].takes_number) {
        kinds[o->kind].wanted(o, wanted);
        return slivi__fail(SLIVI_EINVAL, "option %s: takes text: %s", name,
                           wanted);
    }
    if (o->kind == SLIVI_OPTION_SEED && !(fabs(value) <= 0x1p53))
        return slivi__fail(SLIVI_EINVAL,
                           "option %s: a seed beyond 2^53 is not exact as a "
                           "number; give it as text",
                           name);
    if (o->kind != SLIVI_OPTION_REAL && fabs(value) < 1e19
        && floor(value) >= value)
        snprintf(text, sizeof text, "%.0f", value + 0.0); /* 0 for -0 */
    else
        write_real(value, text, sizeof text);
    return set(o, options, text);
}

int slivi_options_get(const slivi_option *table, const void *options,
                      const char *name, char *text, size_t room)
{
    const slivi_option *o = find(table, name);
    if (!o)
        return SLIVI_ENAME;
    int n = kinds[o->kind].print((const char *)options + o->offset, text, room);
    if (n >= 0 && (size_t)n < room)
        return 0;
    return slivi__fail(SLIVI_EINVAL,
                       "option %s: its text does not fit into %zu bytes", name,
                       room);
}
