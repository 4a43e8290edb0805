/* npy.c - NumPy's array files.

     "\x93NUMPY" major minor, the length of the header (16 bits, from version
     2 on 32 bits, little-endian), the header: a Python dict literal such as
     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
     padded with spaces and closed by a newline; then the elements.

   The parser reads just this dict, keys in any order, and no other Python.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "io/format.h"

#include <stdio.h>
#include <string.h>

enum { MAX_TEXT = 32 };

typedef struct parser {
    const char *name; /* of the file */
    const unsigned char *at, *end;
    size_t skipped; /* position of the header in the file */
    const unsigned char *start;
} parser;

typedef struct header {
    const slivi__element *element;
    size_t rank;
    uint64_t shape[SLIVI_MAX_RANK];
    unsigned seen; /* bit per row of the table of keys */
} header;

static int unexpected(const parser *p, const char *wanted)
{
    return slivi__fail(SLIVI_EFORMAT, "%s: NPY header, byte %zu: expected %s",
                       p->name, (size_t)(p->at - p->start) + p->skipped,
                       wanted);
}

static void skip_space(parser *p)
{
    while (p->at < p->end
           && (*p->at == ' ' || *p->at == '\n' || *p->at == '\t'))
        p->at++;
}

/* Takes c, after spaces, if it is next. */
static int accept(parser *p, char c)
{
    skip_space(p);
    if (p->at == p->end || *p->at != (unsigned char)c)
        return 0;
    p->at++;
    return 1;
}

/* Takes the word if it is next. */
static int accept_word(parser *p, const char *word)
{
    size_t n = strlen(word);
    skip_space(p);
    if ((size_t)(p->end - p->at) < n || memcmp(p->at, word, n))
        return 0;
    p->at += n;
    return 1;
}

/* A short string of printable ASCII without escapes. */
static int parse_text(parser *p, char text[MAX_TEXT], const char *wanted)
{
    size_t n = 0;
    char quote = '\'';
    if (!accept(p, quote)) {
        quote = '"';
        if (!accept(p, quote))
            return unexpected(p, wanted);
    }
    while (p->at < p->end && *p->at != (unsigned char)quote) {
        if (n == MAX_TEXT - 1 || *p->at < ' ' || *p->at > '~' || *p->at == '\\')
            return unexpected(p, wanted);
        text[n++] = (char)*p->at++;
    }
    text[n] = '\0';
    if (p->at == p->end)
        return unexpected(p, "a closing quote");
    p->at++;
    return 0;
}

static int parse_descr(parser *p, header *h)
{
    char text[MAX_TEXT];
    int status = parse_text(p, text, "a plain dtype such as '<f4'");
    if (status)
        return status;
    if (strchr(text, 'O'))
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: dtype '%s': pickled objects are not read",
                           p->name, text);
    for (const slivi__element *e = slivi__elements; e->size; e++)
        if (e->npy && !strcmp(e->npy, text))
            h->element = e;
    if (!h->element)
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: dtype '%s' is not read, only <f4, >f4, <f8, "
                           ">f8 and |u1",
                           p->name, text);
    return 0;
}

static int parse_order(parser *p, header *h)
{
    (void)h;
    if (accept_word(p, "True"))
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: stored in Fortran order, which is not read; "
                           "save numpy.ascontiguousarray of it",
                           p->name);
    return accept_word(p, "False") ? 0 : unexpected(p, "True or False");
}

static int parse_size(parser *p, uint64_t *size)
{
    const unsigned char *first;
    skip_space(p);
    first = p->at;
    *size = 0;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9') {
        uint64_t digit = *p->at - '0';
        if (*size > (UINT64_MAX - digit) / 10)
            return slivi__fail(SLIVI_EOVERFLOW,
                               "%s: a dimension in its header does not fit",
                               p->name);
        *size = 10 * *size + digit;
        p->at++;
    }
    return p->at == first ? unexpected(p, "a size") : 0;
}

/* A tuple: (), (3,), (3, 4) or (3, 4,), but (3) is a number. */
static int parse_shape(parser *p, header *h)
{
    int comma = 1;
    if (!accept(p, '('))
        return unexpected(p, "a tuple");
    while (!accept(p, ')')) {
        uint64_t size;
        if (!comma)
            return unexpected(p, "',' or ')'");
        int status = parse_size(p, &size);
        if (status)
            return status;
        if (h->rank < SLIVI_MAX_RANK)
            h->shape[h->rank] = size;
        h->rank++;
        comma = accept(p, ',');
    }
    return h->rank == 1 && !comma ? unexpected(p, "a tuple") : 0;
}

static const struct key {
    const char *name;
    int (*parse)(parser *p, header *h);
} keys[] = {{"descr", parse_descr},
            {"fortran_order", parse_order},
            {"shape", parse_shape}};

enum { KEYS = sizeof keys / sizeof keys[0] };

static int parse_pair(parser *p, header *h)
{
    char text[MAX_TEXT];
    int status = parse_text(p, text, "a key");
    for (unsigned i = 0; !status && i < KEYS; i++) {
        if (strcmp(keys[i].name, text) || (h->seen & 1u << i))
            continue;
        h->seen |= 1u << i;
        return accept(p, ':') ? keys[i].parse(p, h) : unexpected(p, "':'");
    }
    if (status)
        return status;
    return slivi__fail(SLIVI_EFORMAT,
                       "%s: NPY header: key '%s' twice or unknown", p->name,
                       text);
}

static int parse_dict(parser *p, header *h)
{
    int comma = 1;
    if (!accept(p, '{'))
        return unexpected(p, "'{'");
    while (!accept(p, '}')) {
        int status = comma ? parse_pair(p, h) : unexpected(p, "',' or '}'");
        if (status)
            return status;
        comma = accept(p, ',');
    }
    skip_space(p);
    if (p->at < p->end)
        return unexpected(p, "nothing but spaces");
    for (unsigned i = 0; i < KEYS; i++)
        if (!(h->seen & 1u << i))
            return slivi__fail(SLIVI_EFORMAT,
                               "%s: NPY header without the key '%s'", p->name,
                               keys[i].name);
    return 0;
}

/* Finds the dict: sets start, at, end and skipped. */
static int find_dict(parser *p, const unsigned char *bytes, size_t size)
{
    size_t length;
    if (size < 10 || memcmp(bytes, "\x93NUMPY", 6))
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: not an NPY file: does not begin with "
                           "\\x93NUMPY and a version",
                           p->name);
    unsigned major = bytes[6], minor = bytes[7];
    if (major < 1 || major > 3 || minor)
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: NPY version %u.%u, expected 1.0, 2.0 or 3.0",
                           p->name, major, minor);
    p->skipped = major == 1 ? 10 : 12;
    length = major == 1  ? (size_t)bytes[8] | (size_t)bytes[9] << 8
             : size < 12 ? 0
                         : slivi__load32(bytes + 8);
    if (size < p->skipped || size - p->skipped < length)
        return slivi__fail(SLIVI_EFORMAT, "%s: ends within the NPY header",
                           p->name);
    p->start = p->at = bytes + p->skipped;
    p->end = p->start + length;
    return 0;
}

int slivi__npy_parse(const char *name, const void *bytes, size_t size,
                     slivi_array *out)
{
    parser p = {.name = name};
    header h = {.rank = 0};
    memset(out, 0, sizeof *out);
    int status = find_dict(&p, bytes, size);
    if (!status)
        status = parse_dict(&p, &h);
    if (!status)
        status = slivi__array_shape(out, name, h.rank, h.shape);
    if (!status) {
        size_t have = size - (size_t)(p.end - (const unsigned char *)bytes);
        if (have != out->count * h.element->size)
            status = slivi__fail(SLIVI_EFORMAT,
                                 "%s: %zu bytes of data, but its header claims "
                                 "%zu",
                                 name, have, out->count * h.element->size);
    }
    if (!status) {
        out->is_byte = h.element->size == 1;
        out->data = slivi__alloc(out->count, sizeof *out->data);
        if (!out->data)
            status = slivi__fail_in(SLIVI_ENOMEM, "%s", name);
    }
    if (status)
        slivi_array_clear(out);
    else
        h.element->decode(p.end, out->count, out->data);
    return status;
}

int slivi_npy_read(const char *path, slivi_array *out)
{
    char *bytes;
    size_t size;
    memset(out, 0, sizeof *out);
    int status = slivi_file_read(path, 0, &bytes, &size);
    if (!status)
        status = slivi__npy_parse(path, bytes, size, out);
    slivi_file_release(bytes);
    return status;
}

int slivi_npy_write(const char *path, size_t n, size_t d, const double *data)
{
    enum { HEADER = 128, PREFIX = 10 }; /* a multiple of 64, room to spare */
    size_t count, bytes, size;
    if (slivi__mul(n, d, &count) || slivi__mul(count, sizeof(double), &bytes)
        || slivi__add(bytes, HEADER, &size))
        return slivi__fail_in(SLIVI_EOVERFLOW, "%s", path);
    unsigned char *file = slivi__alloc(size, 1);
    if (!file)
        return slivi__fail_in(SLIVI_ENOMEM, "%s", path);
    memset(file, ' ', HEADER);
    memcpy(file, "\x93NUMPY\x01\x00", 8);
    file[8] = HEADER - PREFIX;
    file[9] = 0;
    char dict[HEADER];
    int length = snprintf(
        dict, sizeof dict,
        "{'descr': '<f8', 'fortran_order': False, 'shape': (%zu, %zu), }", n,
        d);
    memcpy(file + PREFIX, dict, (size_t)length);
    file[HEADER - 1] = '\n';
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, data + i, sizeof bits);
        slivi__store64(file + HEADER + 8 * i, bits);
    }
    int status = slivi_file_write(path, file, size);
    slivi__free(file);
    return status;
}
