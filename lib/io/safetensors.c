/* safetensors.c - the file of a checkpoint.

   8 bytes (little-endian) with the length of the header, the header (JSON,
   padded with spaces to a multiple of 8), the data.  Ours begins with the
   CRC, at a place that needs no parsing, so that a file is known to be
   undamaged before anything in it is believed.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "io/checkpoint.h"
#include "io/format.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define PREFIX "{\"__metadata__\":{\"crc32\":\""
#define NO_DIGITS "00000000"

enum {
    LENGTH = 8, /* bytes of the length of the header */
    DIGITS = 8,
    DIGITS_AT = LENGTH + sizeof PREFIX - 1,
    SHORTEST = DIGITS_AT + DIGITS + sizeof "\"}}" - 1,
    MAX_HEADER = 100000000 /* as the reference implementation has it */
};

/* Between the host's byte order and the file's; the same both ways. */
static void copy_data(const slivi__tensor *t, const unsigned char *from,
                      unsigned char *to)
{
    static const unsigned char one[2] = {1, 0};
    size_t size = t->type->size;
    uint16_t host;
    memcpy(&host, one, sizeof host);
    if (host == 1 && t->bytes)
        memcpy(to, from, t->bytes);
    for (size_t i = 0; host != 1 && i < t->bytes; i++)
        to[i] = from[i / size * size + size - 1 - i % size];
}

/* Writes the digits of the CRC-32 that the file has with NO_DIGITS in it. */
static void file_crc(const unsigned char *bytes, size_t size,
                     char digits[DIGITS + 1])
{
    size_t rest = DIGITS_AT + DIGITS;
    uLong crc = crc32_z(0, bytes, DIGITS_AT);
    crc = crc32_z(crc, (const Bytef *)NO_DIGITS, DIGITS);
    crc = crc32_z(crc, bytes + rest, size - rest);
    snprintf(digits, DIGITS + 1, "%08lx", crc & 0xffffffff);
}

/* ---- writing ---------------------------------------------------------- */

/* A setter of jansson takes the value's reference, also when it fails, and
   fails when the object or the value is NULL. */
static json_t *metadata_json(const slivi_checkpoint *c)
{
    json_t *m = json_object();
    int bad = json_object_set_new(m, "crc32", json_string(NO_DIGITS));
    for (size_t i = 0; !bad && i < c->text_count; i++)
        bad = json_object_set_new(m, c->texts[i].key,
                                  json_string(c->texts[i].value));
    if (!bad)
        return m;
    json_decref(m);
    return NULL;
}

/* Objects keep the order of insertion, so the CRC comes first.  The offsets
   cannot overflow: the data is in memory already. */
static json_t *header_json(const slivi_checkpoint *c, size_t *data_size)
{
    json_t *root = json_object();
    int bad = json_object_set_new(root, "__metadata__", metadata_json(c));
    size_t at = 0;
    for (size_t i = 0; !bad && i < c->tensor_count; i++) {
        const slivi__tensor *t = c->tensors + i;
        size_t end = at + t->bytes;
        json_t *entry = json_pack("{s:s, s:[I, I], s:[I, I]}", "dtype",
                                  t->type->name, "shape", (json_int_t)t->rows,
                                  (json_int_t)t->cols, "data_offsets",
                                  (json_int_t)at, (json_int_t)end);
        bad = json_object_set_new(root, t->name, entry);
        at = end;
    }
    *data_size = at;
    if (!bad)
        return root;
    json_decref(root);
    return NULL;
}

/* The bytes of the file; the caller frees them. */
static int build_file(const slivi_checkpoint *c, const json_t *root,
                      size_t data_size, unsigned char **file, size_t *size)
{
    size_t length = json_dumpb(root, NULL, 0, JSON_COMPACT);
    size_t padded = (length + 7) / 8 * 8;
    if (!length)
        return slivi__fail(SLIVI_ENOMEM, "no memory for the header");
    if (padded > MAX_HEADER)
        return slivi__fail(SLIVI_EOVERFLOW,
                           "a header of %zu bytes, more than %d", padded,
                           MAX_HEADER);
    if (slivi__add(data_size, LENGTH + padded, size))
        return SLIVI_EOVERFLOW;
    unsigned char *at = *file = slivi__alloc(*size, 1);
    if (!at)
        return SLIVI_ENOMEM;
    slivi__store64(at, padded);
    at += LENGTH;
    memset(at, ' ', padded);
    if (json_dumpb(root, (char *)at, length, JSON_COMPACT) != length)
        return slivi__fail(SLIVI_ENOMEM, "no memory for the header");
    at += padded;
    for (size_t i = 0; i < c->tensor_count; i++) {
        copy_data(c->tensors + i, c->tensors[i].data, at);
        at += c->tensors[i].bytes;
    }
    char digits[DIGITS + 1];
    file_crc(*file, *size, digits);
    memcpy(*file + DIGITS_AT, digits, DIGITS);
    return 0;
}

int slivi_checkpoint_write(const slivi_checkpoint *c, const char *path)
{
    unsigned char *file = NULL;
    size_t data_size = 0, size = 0;
    json_t *root = header_json(c, &data_size);
    int status = root ? build_file(c, root, data_size, &file, &size)
                      : slivi__fail(SLIVI_ENOMEM, "no memory for the header");
    json_decref(root);
    if (status)
        slivi__fail_in(status, "%s", path);
    else
        status = slivi_file_write(path, file, size);
    slivi__free(file);
    return status;
}

/* ---- reading ---------------------------------------------------------- */

/* Believes nothing but lengths; afterwards the bytes are those written. */
static int check_frame(const char *name, const unsigned char *bytes,
                       size_t size, size_t *length)
{
    char digits[DIGITS + 1];
    if (size < SHORTEST)
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: %zu bytes, too short for a checkpoint", name,
                           size);
    uint64_t claimed = slivi__load64(bytes);
    if (claimed < SHORTEST - LENGTH || claimed > MAX_HEADER
        || claimed > size - LENGTH)
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: claims a header of %llu bytes in a file of "
                           "%zu: damaged, cut short or not a checkpoint",
                           name, (unsigned long long)claimed, size);
    if (memcmp(bytes + LENGTH, PREFIX, sizeof PREFIX - 1)
        || bytes[DIGITS_AT + DIGITS] != '"')
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: its header does not begin with a CRC: damaged "
                           "or not written by slivi",
                           name);
    file_crc(bytes, size, digits);
    if (memcmp(bytes + DIGITS_AT, digits, DIGITS))
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: CRC mismatch: damaged or cut short", name);
    *length = (size_t)claimed;
    return 0;
}

/* An array of two sizes. */
static int read_pair(const json_t *pair, size_t out[2])
{
    if (json_array_size(pair) != 2) /* 0 also when it is no array */
        return SLIVI_EFORMAT;
    for (size_t i = 0; i < 2; i++) {
        const json_t *number = json_array_get(pair, i);
        json_int_t value = json_integer_value(number);
        if (!json_is_integer(number) || value < 0
            || (uintmax_t)value > SIZE_MAX)
            return SLIVI_EFORMAT;
        out[i] = (size_t)value;
    }
    return 0;
}

static const slivi__dtype *find_dtype(const char *name)
{
    for (const slivi__dtype *t = slivi__dtypes; name && t->name; t++)
        if (!strcmp(t->name, name))
            return t;
    return NULL;
}

static int read_tensor(slivi_checkpoint *c, const char *name,
                       const json_t *entry, const unsigned char *data,
                       size_t data_size, size_t *at)
{
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    const slivi__dtype *type = find_dtype(dtype);
    size_t shape[2], span[2], bytes;
    slivi__tensor *t;
    if (!type)
        return slivi__fail(SLIVI_EFORMAT,
                           "dtype %.16s, expected F32, F64 or "
                           "I64",
                           dtype && slivi__is_name(dtype) ? dtype : "missing");
    if (json_object_size(entry) != 3
        || read_pair(json_object_get(entry, "shape"), shape)
        || read_pair(json_object_get(entry, "data_offsets"), span))
        return slivi__fail(SLIVI_EFORMAT,
                           "expected dtype, shape and data_offsets, the "
                           "latter two pairs of sizes");
    if (slivi__mul(shape[0], shape[1], &bytes)
        || slivi__mul(bytes, type->size, &bytes))
        return SLIVI_EOVERFLOW;
    if (span[0] != *at || span[1] < *at || span[1] - *at != bytes
        || span[1] > data_size)
        return slivi__fail(SLIVI_EFORMAT,
                           "data from %zu to %zu, expected %zu bytes from "
                           "%zu, of %zu in all",
                           span[0], span[1], bytes, *at, data_size);
    int status = slivi__checkpoint_add(c, name, type, shape[0], shape[1], &t);
    if (!status)
        copy_data(t, data + *at, t->data);
    *at = span[1];
    return status;
}

static int read_metadata(slivi_checkpoint *c, json_t *metadata)
{
    const char *key;
    json_t *value;
    int status = 0;
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value) || !slivi__is_name(key))
            return slivi__fail(SLIVI_EFORMAT, "not a string, or no key");
        if (strcmp(key, "crc32"))
            status = slivi__checkpoint_add_text(c, key,
                                                json_string_value(value));
        if (status)
            return status;
    }
    return 0;
}

/* Tensors lie in the order of the header, without holes, to the end. */
static int read_header(slivi_checkpoint *c, json_t *root,
                       const unsigned char *data, size_t data_size)
{
    const char *key;
    json_t *value;
    size_t at = 0;
    json_object_foreach(root, key, value)
    {
        if (!slivi__is_name(key))
            return slivi__fail(SLIVI_EFORMAT,
                               "%s: a tensor's name is not printable", c->name);
        int status = strcmp(key, "__metadata__")
                         ? read_tensor(c, key, value, data, data_size, &at)
                         : read_metadata(c, value);
        if (status)
            return slivi__fail_in(status, "%s: '%.64s'", c->name, key);
    }
    if (at != data_size)
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: %zu bytes of data, but its tensors have %zu",
                           c->name, data_size, at);
    return 0;
}

static json_t *load_json(const char *name, const unsigned char *header,
                         size_t length)
{
    json_error_t error;
    json_t *root = json_loadb((const char *)header, length,
                              JSON_REJECT_DUPLICATES, &error);
    if (root)
        return root;
    if (!*error.text || json_error_code(&error) == json_error_out_of_memory)
        return slivi__fail_null(SLIVI_ENOMEM, "%s: no memory for its header",
                                name);
    return slivi__fail_null(SLIVI_EFORMAT,
                            "%s: its header is not JSON at byte %d", name,
                            error.position);
}

slivi_checkpoint *slivi__checkpoint_parse(const char *name, const void *bytes,
                                          size_t size)
{
    const unsigned char *file = bytes;
    size_t length = 0;
    if (check_frame(name, file, size, &length))
        return NULL;
    json_t *root = load_json(name, file + LENGTH, length);
    if (!root)
        return NULL;
    slivi_checkpoint *c = slivi__checkpoint_create(name);
    if (!c) {
        slivi__fail_in(SLIVI_ENOMEM, "%s", name);
    } else if (read_header(c, root, file + LENGTH + length,
                           size - LENGTH - length)) {
        slivi_checkpoint_free(c);
        c = NULL;
    }
    json_decref(root);
    return c;
}

slivi_checkpoint *slivi_checkpoint_read(const char *path)
{
    slivi_checkpoint *c = NULL;
    char *bytes;
    size_t size;
    if (!slivi_file_read(path, 0, &bytes, &size))
        c = slivi__checkpoint_parse(path, bytes, size);
    slivi_file_release(bytes);
    return c;
}
