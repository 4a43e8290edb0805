/* idx.c - the IDX files of MNIST and its kin, plain or gzip.

     0 0 type rank, then rank sizes (32 bits), then the elements, row-major,
     all numbers big-endian.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "io/format.h"

#include <string.h>
#define ZLIB_CONST /* inflate only reads its input */
#include <zlib.h>

enum { CHUNK = 1 << 16, MAX_GIVE = 1 << 30 };

/* Where the bytes come from: memory as it is, or inflated on the way. */
typedef struct source {
    const char *name;
    const unsigned char *next;
    size_t left; /* bytes at next that nobody has taken */
    int packed;
    int ended; /* the last gzip member is over */
    z_stream z;
} source;

static int is_gzip(const unsigned char *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

static int source_open(source *s, const char *name, const void *bytes,
                       size_t size)
{
    memset(s, 0, sizeof *s);
    s->name = name;
    s->next = bytes;
    s->left = size;
    s->packed = size && is_gzip(bytes, size);
    /* 16: expect the gzip wrapper, and check its CRC and length */
    if (s->packed && inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK)
        return slivi__fail(SLIVI_ENOMEM, "%s: no memory to inflate", name);
    return 0;
}

static void source_close(source *s)
{
    if (s->packed)
        inflateEnd(&s->z);
}

/* A gzip file may have several members, one after the other. */
static int next_member(source *s)
{
    if (!s->left) {
        s->ended = 1;
        return 0;
    }
    if (!is_gzip(s->next, s->left))
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: %zu bytes too many after the gzip data",
                           s->name, s->left);
    return inflateReset(&s->z) == Z_OK
               ? 0
               : slivi__fail(SLIVI_EFORMAT, "%s: damaged gzip data", s->name);
}

/* One call of inflate: some of the input is taken, some room is filled. */
static int inflate_some(source *s)
{
    uInt give = (uInt)(s->left < MAX_GIVE ? s->left : MAX_GIVE);
    s->z.next_in = s->next;
    s->z.avail_in = give;
    int code = inflate(&s->z, Z_NO_FLUSH);
    s->next += give - s->z.avail_in;
    s->left -= give - s->z.avail_in;
    if (code == Z_STREAM_END)
        return next_member(s);
    if (code == Z_MEM_ERROR)
        return slivi__fail(SLIVI_ENOMEM, "%s: no memory to inflate", s->name);
    if (code == Z_BUF_ERROR) /* it wants input, and there is none */
        return slivi__fail(SLIVI_EFORMAT, "%s: the gzip data is cut short",
                           s->name);
    if (code != Z_OK)
        return slivi__fail(SLIVI_EFORMAT, "%s: damaged gzip data (%s)", s->name,
                           s->z.msg ? s->z.msg : "wrong dictionary");
    return 0;
}

/* Takes n <= CHUNK bytes; *got is less only at the end. */
static int source_read(source *s, unsigned char *out, size_t n, size_t *got)
{
    if (!s->packed) {
        *got = n < s->left ? n : s->left;
        if (*got) { /* next may be NULL, when there is nothing */
            memcpy(out, s->next, *got);
            s->next += *got;
            s->left -= *got;
        }
        return 0;
    }
    s->z.next_out = out;
    s->z.avail_out = (uInt)n;
    int status = 0;
    while (!status && !s->ended && s->z.avail_out)
        status = inflate_some(s);
    *got = n - s->z.avail_out;
    return status;
}

/* ---- the format ------------------------------------------------------- */

static const slivi__element *element_of(unsigned char type)
{
    for (const slivi__element *e = slivi__elements; e->size; e++)
        if (type && e->idx == type)
            return e;
    return NULL;
}

static int read_exact(source *s, unsigned char *out, size_t n, const char *what)
{
    size_t got = 0;
    int status = source_read(s, out, n, &got);
    if (!status && got < n)
        status = slivi__fail(SLIVI_EFORMAT, "%s: ends within the %s", s->name,
                             what);
    return status;
}

static int read_header(source *s, slivi_array *a, const slivi__element **e)
{
    unsigned char magic[4] = {0}, sizes[4 * SLIVI_MAX_RANK] = {0};
    uint64_t shape[SLIVI_MAX_RANK] = {0};
    int status = read_exact(s, magic, sizeof magic, "IDX header");
    if (status)
        return status;
    *e = element_of(magic[2]);
    if (magic[0] || magic[1] || !*e)
        return slivi__fail(SLIVI_EFORMAT,
                           "%s: not an IDX file: begins %02x %02x %02x %02x, "
                           "expected 00 00, a type (08, 09, 0b to 0e) and a "
                           "rank",
                           s->name, magic[0], magic[1], magic[2], magic[3]);
    size_t rank = magic[3];
    if (rank >= 1 && rank <= SLIVI_MAX_RANK)
        status = read_exact(s, sizes, 4 * rank, "IDX header");
    if (status)
        return status;
    for (size_t i = 0; i < SLIVI_MAX_RANK; i++) {
        const unsigned char *p = sizes + 4 * i;
        shape[i] = (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16
                   | (uint64_t)p[2] << 8 | p[3];
    }
    a->is_byte = (*e)->idx == 0x08;
    return slivi__array_shape(a, s->name, rank, shape);
}

/* A plain file shows its size at once. */
static int check_size(const source *s, const slivi_array *a, size_t element)
{
    size_t expected = a->count * element;
    if (s->packed || s->left == expected)
        return 0;
    return slivi__fail(SLIVI_EFORMAT,
                       "%s: %zu bytes of data, but its header claims %zu",
                       s->name, s->left, expected);
}

/* Room for the elements grows with the bytes that are really there, since a
   packed file may claim any size. */
static int grow_data(slivi_array *a, const source *s, size_t *room)
{
    size_t wanted = *room ? 2 * *room : CHUNK;
    if (!s->packed || wanted > a->count)
        wanted = a->count;
    float *grown = slivi__grow(a->data, *room, wanted, sizeof(float));
    if (!grown)
        return slivi__fail_in(SLIVI_ENOMEM, "%s", s->name);
    a->data = grown;
    *room = wanted;
    return 0;
}

static int read_data(source *s, slivi_array *a, const slivi__element *e,
                     unsigned char *chunk)
{
    size_t room = 0, got = 0;
    int status = grow_data(a, s, &room);
    for (size_t done = 0; !status && done < a->count;) {
        if (done == room)
            status = grow_data(a, s, &room);
        size_t n = CHUNK / e->size;
        if (n > room - done)
            n = room - done;
        if (!status)
            status = read_exact(s, chunk, n * e->size, "data");
        if (!status)
            e->decode(chunk, n, a->data + done);
        done += n;
    }
    if (!status)
        status = source_read(s, chunk, 1, &got);
    if (!status && got)
        status = slivi__fail(SLIVI_EFORMAT,
                             "%s: more data than its header claims", s->name);
    return status;
}

int slivi_idx_parse(const char *name, const void *bytes, size_t size,
                    slivi_array *out)
{
    source s;
    const slivi__element *e = NULL;
    unsigned char *chunk = NULL;
    memset(out, 0, sizeof *out);
    int status = source_open(&s, name, bytes, size);
    if (status)
        return status;
    status = read_header(&s, out, &e);
    if (!status)
        status = check_size(&s, out, e->size);
    if (!status && !(chunk = slivi__alloc(CHUNK, 1)))
        status = slivi__fail_in(SLIVI_ENOMEM, "%s", name);
    if (!status)
        status = read_data(&s, out, e, chunk);
    slivi__free(chunk);
    source_close(&s);
    if (status)
        slivi_array_clear(out);
    return status;
}

int slivi_idx_read(const char *path, slivi_array *out)
{
    char *bytes;
    size_t size;
    memset(out, 0, sizeof *out);
    int status = slivi_file_read(path, 0, &bytes, &size);
    if (!status)
        status = slivi_idx_parse(path, bytes, size, out);
    slivi_file_release(bytes);
    return status;
}
