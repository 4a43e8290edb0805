/* checkpoint.c - a set of named tensors and named strings.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "io/checkpoint.h"
#include "base/base.h"

#include <string.h>

const slivi__dtype slivi__dtypes[] = {[SLIVI_DTYPE_F32] = {"F32", 4},
                                      [SLIVI_DTYPE_F64] = {"F64", 8},
                                      [SLIVI_DTYPE_I64] = {"I64", 8},
                                      {NULL, 0}};

slivi_checkpoint *slivi__checkpoint_create(const char *name)
{
    slivi_checkpoint *c = slivi__alloc(1, sizeof *c);
    if (c && !(c->name = slivi__strdup(name))) {
        slivi__free(c);
        c = NULL;
    }
    return c;
}

slivi_checkpoint *slivi_checkpoint_create(void)
{
    return slivi__checkpoint_create("checkpoint");
}

void slivi_checkpoint_free(slivi_checkpoint *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->tensor_count; i++) {
        slivi__free(c->tensors[i].name);
        slivi__free(c->tensors[i].data);
    }
    for (size_t i = 0; i < c->text_count; i++) {
        slivi__free(c->texts[i].key);
        slivi__free(c->texts[i].value);
    }
    slivi__free(c->tensors);
    slivi__free(c->texts);
    slivi__free(c->name);
    slivi__free(c);
}

/* ---- names ------------------------------------------------------------ */

/* Length of the UTF-8 sequence at s, 0 when it is not one (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
    static const struct {
        unsigned char mask, lead;
        unsigned long least;
    } forms[] = {{0x80, 0x00, 0},
                 {0xe0, 0xc0, 0x80},
                 {0xf0, 0xe0, 0x800},
                 {0xf8, 0xf0, 0x10000}};
    size_t n = 0;
    while (n < 4 && (s[0] & forms[n].mask) != forms[n].lead)
        n++;
    if (n == 4)
        return 0;
    unsigned long code = s[0] & (0xffu ^ forms[n].mask);
    for (size_t i = 1; i <= n; i++) {
        if ((s[i] & 0xc0) != 0x80) /* stops at the NUL as well */
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    if (code < forms[n].least || code > 0x10ffff
        || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return n + 1;
}

static int is_utf8(const char *s)
{
    size_t n = 1;
    while (*s && n) {
        n = utf8_length((const unsigned char *)s);
        s += n;
    }
    return n != 0;
}

int slivi__is_name(const char *s)
{
    if (!*s || !is_utf8(s))
        return 0;
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return 0;
    return 1;
}

/* ---- the set ---------------------------------------------------------- */

static slivi__tensor *find_tensor(const slivi_checkpoint *c, const char *name)
{
    for (size_t i = 0; i < c->tensor_count; i++)
        if (!strcmp(c->tensors[i].name, name))
            return c->tensors + i;
    return NULL;
}

static slivi__text *find_text(const slivi_checkpoint *c, const char *key)
{
    for (size_t i = 0; i < c->text_count; i++)
        if (!strcmp(c->texts[i].key, key))
            return c->texts + i;
    return NULL;
}

/* The block, old or grown, with room for one more thing of `size` bytes. */
static void *one_more(void *block, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return block;
    size_t wanted = *room ? 2 * *room : 8;
    void *grown = slivi__grow(block, *room, wanted, size);
    if (grown)
        *room = wanted;
    return grown;
}

int slivi__checkpoint_add(slivi_checkpoint *c, const char *name,
                          const slivi__dtype *type, size_t rows, size_t cols,
                          slivi__tensor **out)
{
    slivi__tensor t = {.type = type, .rows = rows, .cols = cols};
    size_t count;
    if (slivi__mul(rows, cols, &count)
        || slivi__mul(count, type->size, &t.bytes))
        return SLIVI_EOVERFLOW;
    slivi__tensor *grown = one_more(c->tensors, c->tensor_count,
                                    &c->tensor_room, sizeof t);
    if (!grown)
        return SLIVI_ENOMEM;
    c->tensors = grown;
    t.name = slivi__strdup(name);
    t.data = slivi__alloc(t.bytes, 1);
    if (!t.name || !t.data) {
        slivi__free(t.name);
        slivi__free(t.data);
        return SLIVI_ENOMEM;
    }
    *out = c->tensors + c->tensor_count++;
    **out = t;
    return 0;
}

int slivi__checkpoint_add_text(slivi_checkpoint *c, const char *key,
                               const char *value)
{
    slivi__text t;
    slivi__text *grown = one_more(c->texts, c->text_count, &c->text_room,
                                  sizeof t);
    if (!grown)
        return SLIVI_ENOMEM;
    c->texts = grown;
    t.key = slivi__strdup(key);
    t.value = slivi__strdup(value);
    if (!t.key || !t.value) {
        slivi__free(t.key);
        slivi__free(t.value);
        return SLIVI_ENOMEM;
    }
    c->texts[c->text_count++] = t;
    return 0;
}

/* The row of the table, or NULL with the failure set. */
static const slivi__dtype *check_dtype(const slivi_checkpoint *c,
                                       const char *name, enum slivi_dtype type)
{
    for (size_t i = 0; slivi__dtypes[i].name; i++)
        if (i == (size_t)type)
            return slivi__dtypes + i;
    return slivi__fail_null(SLIVI_EINVAL, "%s: tensor '%.64s': no dtype %d",
                            c->name, name, (int)type);
}

int slivi_checkpoint_put(slivi_checkpoint *c, const char *name,
                         enum slivi_dtype type, size_t rows, size_t cols,
                         const void *data)
{
    slivi__tensor *t;
    if (!slivi__is_name(name) || !strcmp(name, "__metadata__"))
        return slivi__fail(SLIVI_EINVAL,
                           "%s: a tensor's name must be printable UTF-8, not "
                           "empty and not __metadata__",
                           c->name);
    const slivi__dtype *dtype = check_dtype(c, name, type);
    if (!dtype)
        return SLIVI_EINVAL;
    if (find_tensor(c, name))
        return slivi__fail(SLIVI_EINVAL, "%s: tensor '%.64s' is there already",
                           c->name, name);
    int status = slivi__checkpoint_add(c, name, dtype, rows, cols, &t);
    if (status)
        return slivi__fail_in(status, "%s: tensor '%.64s'", c->name, name);
    if (t->bytes)
        memcpy(t->data, data, t->bytes);
    return 0;
}

int slivi_checkpoint_put_text(slivi_checkpoint *c, const char *key,
                              const char *value)
{
    if (!slivi__is_name(key) || !strcmp(key, "crc32"))
        return slivi__fail(SLIVI_EINVAL,
                           "%s: a key must be printable UTF-8, not empty and "
                           "not crc32",
                           c->name);
    if (!is_utf8(value))
        return slivi__fail(SLIVI_EINVAL, "%s: text '%.64s' is not UTF-8",
                           c->name, key);
    slivi__text *t = find_text(c, key);
    if (!t)
        return slivi__checkpoint_add_text(c, key, value);
    char *copy = slivi__strdup(value);
    if (!copy)
        return SLIVI_ENOMEM;
    slivi__free(t->value);
    t->value = copy;
    return 0;
}

int slivi_checkpoint_get(const slivi_checkpoint *c, const char *name,
                         enum slivi_dtype type, size_t rows, size_t cols,
                         void *data)
{
    const slivi__dtype *dtype = check_dtype(c, name, type);
    const slivi__tensor *t = find_tensor(c, name);
    if (!dtype)
        return SLIVI_EINVAL;
    if (!t)
        return slivi__fail(SLIVI_ENAME, "%s: no tensor '%.64s'", c->name, name);
    if (t->type != dtype || t->rows != rows || t->cols != cols)
        return slivi__fail(SLIVI_ESHAPE,
                           "%s: tensor '%.64s' is %s %zu x %zu, expected %s "
                           "%zu x %zu",
                           c->name, name, t->type->name, t->rows, t->cols,
                           dtype->name, rows, cols);
    if (t->bytes)
        memcpy(data, t->data, t->bytes);
    return 0;
}

int slivi_checkpoint_has(const slivi_checkpoint *c, const char *name,
                         size_t *rows, size_t *cols)
{
    const slivi__tensor *t = find_tensor(c, name);
    if (t && rows)
        *rows = t->rows;
    if (t && cols)
        *cols = t->cols;
    return t != NULL;
}

const char *slivi_checkpoint_text(const slivi_checkpoint *c, const char *key)
{
    const slivi__text *t = find_text(c, key);
    return t ? t->value : NULL;
}
