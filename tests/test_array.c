/* test_array.c - arrays from files: IDX and NPY.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "io/format.h"
#include "scratch.h"
#include "suites.h"

#include <math.h>
#include <slivi/io.h>
#include <slivi/status.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_ALLOWED = 1 << 20 }; /* bytes to be taken on a false claim */

/* ---- IDX -------------------------------------------------------------- */

static scratch_bytes idx_header(unsigned char type, unsigned char rank,
                                const unsigned *shape)
{
    scratch_bytes b = {.size = 4, .data = {0, 0, type, rank}};
    for (unsigned i = 0; i < rank && shape; i++) {
        unsigned char size[4] = {(unsigned char)(shape[i] >> 24),
                                 (unsigned char)(shape[i] >> 16 & 255),
                                 (unsigned char)(shape[i] >> 8 & 255),
                                 (unsigned char)(shape[i] & 255)};
        scratch_add(&b, size, 4);
    }
    return b;
}

/* Three values of each type, as the format spells them. */
static const struct idx_case {
    unsigned char type, size;
    unsigned char bytes[24];
    float values[3];
} idx_cases[] = {
    {0x08, 1, {0, 128, 255}, {0, 128, 255}},
    {0x09, 1, {127, 128, 255}, {127, -128, -1}},
    {0x0b, 2, {1, 2, 0x7f, 0xff, 0x80, 0}, {258, 32767, -32768}},
    {0x0c,
     4,
     {0, 1, 2, 3, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe},
     {66051, -2147483648.0f, -2}},
    {0x0d,
     4,
     {0x3f, 0xc0, 0, 0, 0xc0, 0x49, 0x0f, 0xdb, 0, 0, 0, 1},
     {1.5f, -3.14159274f, 1.40129846e-45f}},
    {0x0e,
     8,
     {0x3f, 0xf8, 0,    0,    0,    0,    0, 0, 0xc0, 0x09, 0x21, 0xfb,
      0x54, 0x44, 0x2d, 0x18, 0x7f, 0xf0, 0, 0, 0,    0,    0,    0},
     {1.5f, -3.14159274f, INFINITY}},
};

enum { IDX_CASES = sizeof idx_cases / sizeof idx_cases[0] };

static scratch_bytes idx_case_file(const struct idx_case *c)
{
    static const unsigned shape[] = {3, 1};
    scratch_bytes b = idx_header(c->type, 2, shape);
    scratch_add(&b, c->bytes, 3u * c->size);
    return b;
}

START_TEST(idx_types)
{
    const char *path = scratch_path("idx");
    for (size_t k = 0; k < IDX_CASES; k++) {
        const struct idx_case *c = idx_cases + k;
        scratch_bytes plain = idx_case_file(c);
        scratch_bytes packed = scratch_gzip(plain.data, plain.size);
        for (int gz = 0; gz < 2; gz++) {
            const scratch_bytes *b = gz ? &packed : &plain;
            slivi_array a;
            scratch_put(path, b->data, b->size);
            ck_assert_int_eq(slivi_idx_read(path, &a), 0);
            ck_assert_uint_eq(a.rank, 2);
            ck_assert_uint_eq(a.count, 3);
            ck_assert_uint_eq(a.shape[0], 3);
            ck_assert_uint_eq(a.shape[1], 1);
            ck_assert_uint_eq(a.shape[2], 1);
            ck_assert_uint_eq(a.shape[3], 1);
            ck_assert_int_eq(a.is_byte, c->type == 0x08);
            ck_assert_mem_eq(a.data, c->values, sizeof c->values);
            slivi_array_clear(&a);
            ck_assert_ptr_null(a.data);
            ck_assert_uint_eq(a.count, 0);
        }
    }
}
END_TEST

START_TEST(idx_ranks)
{
    static const unsigned shape[] = {2, 3, 1, 2};
    static const unsigned empty[] = {0, 28, 28};
    static const size_t counts[] = {2, 6, 6, 12};
    static const unsigned char body[12] = {1, 2, 3, 4,  5,  6,
                                           7, 8, 9, 10, 11, 12};
    slivi_array a;
    for (unsigned char rank = 1; rank <= 4; rank++) {
        scratch_bytes b = idx_header(0x08, rank, shape);
        scratch_add(&b, body, counts[rank - 1]);
        ck_assert_int_eq(slivi_idx_parse("mem", b.data, b.size, &a), 0);
        ck_assert_uint_eq(a.rank, rank);
        ck_assert_uint_eq(a.count, counts[rank - 1]);
        for (size_t i = 0; i < a.count; i++)
            ck_assert_float_eq(a.data[i], (float)(i + 1));
        slivi_array_clear(&a);
    }
    scratch_bytes b = idx_header(0x08, 3, empty);
    ck_assert_int_eq(slivi_idx_parse("mem", b.data, b.size, &a), 0);
    ck_assert_uint_eq(a.count, 0);
    ck_assert_ptr_nonnull(a.data);
    slivi_array_clear(&a);
}
END_TEST

/* More than several chunks, of a size that no chunk divides, and two gzip
   members. */
START_TEST(idx_large)
{
    enum { N = 300007, SPLIT = 123456 };
    static unsigned char file[8 + N];
    static const unsigned shape[] = {N};
    const char *path = scratch_path("big.gz");
    scratch_bytes h = idx_header(0x08, 1, shape);
    memcpy(file, h.data, 8);
    for (size_t i = 0; i < N; i++)
        file[8 + i] = (unsigned char)(i % 251);
    scratch_bytes b = scratch_gzip(file, SPLIT);
    scratch_bytes c = scratch_gzip(file + SPLIT, sizeof file - SPLIT);
    scratch_add(&b, c.data, c.size);
    for (int gz = 0; gz < 2; gz++) {
        slivi_array a;
        if (gz)
            scratch_put(path, b.data, b.size);
        else
            scratch_put(path, file, sizeof file);
        ck_assert_int_eq(slivi_idx_read(path, &a), 0);
        ck_assert_uint_eq(a.count, N);
        for (size_t i = 0; i < N; i++)
            if (a.data[i] != (float)(i % 251))
                ck_abort_msg("value %zu is %g", i, (double)a.data[i]);
        slivi_array_clear(&a);
    }
}
END_TEST

static void refuse_idx(const void *bytes, size_t size, int status,
                       const char *words)
{
    const char *path = scratch_path("bad");
    slivi_array a = {.rank = 9};
    scratch_put(path, bytes, size);
    scratch_memory *m = scratch_watch(0);
    int found = slivi_idx_read(path, &a);
    size_t live = m->live, peak = m->peak;
    scratch_unwatch();
    if (found != status)
        ck_abort_msg("status %d, expected %d with \"%s\"", found, status,
                     words);
    scratch_check_message(path, words);
    ck_assert_uint_eq(live, 0);
    ck_assert_uint_lt(peak, MAX_ALLOWED);
    ck_assert_ptr_null(a.data);
    ck_assert_uint_eq(a.rank, 0);
}

/* Cut at every length, and one byte too long. */
START_TEST(idx_truncated)
{
    for (size_t k = 0; k < IDX_CASES; k++) {
        scratch_bytes plain = idx_case_file(idx_cases + k);
        scratch_bytes packed = scratch_gzip(plain.data, plain.size);
        for (size_t n = 0; n < plain.size; n++)
            refuse_idx(plain.data, n, SLIVI_EFORMAT,
                       n < 12 ? "ends within the IDX header"
                              : "but its header claims");
        for (size_t n = 2; n < packed.size; n++)
            refuse_idx(packed.data, n, SLIVI_EFORMAT, "gzip data is cut short");
        scratch_add(&plain, "", 1);
        refuse_idx(plain.data, plain.size, SLIVI_EFORMAT,
                   "but its header claims");
        scratch_add(&packed, "", 1);
        refuse_idx(packed.data, packed.size, SLIVI_EFORMAT,
                   "1 bytes too many after the gzip data");
        packed = scratch_gzip(plain.data, plain.size);
        refuse_idx(packed.data, packed.size, SLIVI_EFORMAT,
                   "more data than its header claims");
        packed = scratch_gzip(plain.data, plain.size - 2);
        refuse_idx(packed.data, packed.size, SLIVI_EFORMAT,
                   "ends within the data");
    }
}
END_TEST

START_TEST(idx_damaged_gzip)
{
    scratch_bytes plain = idx_case_file(idx_cases);
    scratch_bytes packed = scratch_gzip(plain.data, plain.size);
    scratch_bytes bad = packed;
    bad.data[bad.size - 8] ^= 1;
    refuse_idx(bad.data, bad.size, SLIVI_EFORMAT, "incorrect data check");
    bad = packed;
    bad.data[bad.size - 4] ^= 1;
    refuse_idx(bad.data, bad.size, SLIVI_EFORMAT, "incorrect length check");
    bad = packed;
    bad.data[2] = 7;
    refuse_idx(bad.data, bad.size, SLIVI_EFORMAT, "damaged gzip data");
    bad = packed;
    bad.data[10] = 0xff;
    refuse_idx(bad.data, bad.size, SLIVI_EFORMAT, "damaged gzip data");
}
END_TEST

START_TEST(idx_headers)
{
    static const unsigned shape[5] = {1, 1, 1, 1, 1};
    static const unsigned char types[] = {0, 0x07, 0x0a, 0x0f, 0xff};
    for (size_t i = 0; i < sizeof types; i++) {
        scratch_bytes b = idx_header(types[i], 1, shape);
        scratch_add(&b, "12345678", 8);
        refuse_idx(b.data, b.size, SLIVI_EFORMAT, "not an IDX file");
    }
    for (size_t i = 0; i < 2; i++) {
        scratch_bytes b = idx_header(0x08, 1, shape);
        b.data[i] = 1;
        scratch_add(&b, "1", 1);
        refuse_idx(b.data, b.size, SLIVI_EFORMAT, "not an IDX file");
    }
    for (unsigned char rank = 0; rank <= 5; rank += 5) {
        scratch_bytes b = idx_header(0x08, rank, shape);
        scratch_add(&b, "1", 1);
        refuse_idx(b.data, b.size, SLIVI_EFORMAT,
                   rank ? "5 dimensions, expected 1 to 4" : "0 dimensions");
    }
}
END_TEST

START_TEST(idx_absurd_sizes)
{
    static const unsigned all[] = {~0u, ~0u, ~0u, ~0u};
    static const unsigned late[] = {1, 1, ~0u, ~0u};
    scratch_bytes plain[] = {idx_header(0x08, 4, all), idx_header(0x0e, 2, all),
                             idx_header(0x08, 1, all), idx_header(0x0e, 1, all),
                             idx_header(0x0d, 3, late)};
    static const int status[] = {SLIVI_EOVERFLOW, SLIVI_EOVERFLOW,
                                 SLIVI_EFORMAT, SLIVI_EFORMAT, SLIVI_EFORMAT};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        const char *words = status[i] == SLIVI_EOVERFLOW ? "does not fit"
                                                         : "claims";
        refuse_idx(plain[i].data, plain[i].size, status[i], words);
        scratch_bytes packed = scratch_gzip(plain[i].data, plain[i].size);
        refuse_idx(packed.data, packed.size, status[i],
                   status[i] == SLIVI_EOVERFLOW ? words
                                                : "ends within the data");
    }
}
END_TEST

START_TEST(array_paths)
{
    static int (*const readers[])(const char *, slivi_array *) = {
        slivi_idx_read, slivi_npy_read};
    for (size_t i = 0; i < 2; i++) {
        const char *none = scratch_path("none"), *folder = scratch_path("");
        slivi_array a = {.rank = 9};
        ck_assert_int_eq(readers[i](none, &a), SLIVI_EIO);
        scratch_check_message(none, "No such file or directory");
        ck_assert_uint_eq(a.rank, 0);
        ck_assert_int_eq(readers[i](folder, &a), SLIVI_EIO);
        scratch_check_message(folder, "Is a directory");
    }
}
END_TEST

/* ---- NPY -------------------------------------------------------------- */

static scratch_bytes npy_file(unsigned version, const char *dict,
                              const void *data, size_t size)
{
    scratch_bytes b = {.size = 0};
    size_t n = strlen(dict);
    unsigned char head[12] = "\x93NUMPY";
    head[6] = (unsigned char)version;
    head[8] = (unsigned char)(n & 255);
    head[9] = (unsigned char)(n >> 8);
    scratch_add(&b, head, version == 1 ? 10 : 12);
    scratch_add(&b, dict, n);
    scratch_add(&b, data, size);
    return b;
}

#define DICT(descr, shape)                                                     \
    "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }  \n"

/* 1.5 and -pi, as each dtype spells them; bytes 7 and 255. */
static const struct npy_case {
    const char *dict;
    size_t size;
    const char *bytes;
    float values[2];
} npy_cases[] = {
    {DICT("<f4", "(2,)"), 4, "\0\0\xc0\x3f\xdb\x0f\x49\xc0", {1.5f, 0}},
    {DICT(">f4", "(2,)"), 4, "\x3f\xc0\0\0\xc0\x49\x0f\xdb", {1.5f, 0}},
    {DICT("<f8", "(2,)"),
     8,
     "\0\0\0\0\0\0\xf8\x3f\x18\x2d\x44\x54\xfb\x21\x09\xc0",
     {1.5f, 0}},
    {DICT(">f8", "(2,)"),
     8,
     "\x3f\xf8\0\0\0\0\0\0\xc0\x09\x21\xfb\x54\x44\x2d\x18",
     {1.5f, 0}},
    {DICT("|u1", "(2,)"), 1, "\x07\xff", {7, 255}},
};

START_TEST(npy_types)
{
    const char *path = scratch_path("npy");
    for (size_t k = 0; k < sizeof npy_cases / sizeof npy_cases[0]; k++) {
        const struct npy_case *c = npy_cases + k;
        for (unsigned version = 1; version <= 3; version++) {
            scratch_bytes b = npy_file(version, c->dict, c->bytes, 2 * c->size);
            slivi_array a;
            scratch_put(path, b.data, b.size);
            ck_assert_int_eq(slivi_npy_read(path, &a), 0);
            ck_assert_uint_eq(a.rank, 1);
            ck_assert_uint_eq(a.count, 2);
            ck_assert_int_eq(a.is_byte, c->size == 1);
            ck_assert_float_eq(a.data[0], c->values[0]);
            ck_assert_float_eq(a.data[1], c->size == 1 ? 255 : -3.14159274f);
            slivi_array_clear(&a);
        }
    }
}
END_TEST

/* What Python would read as the same dict. */
START_TEST(npy_spellings)
{
    static const struct {
        const char *dict;
        size_t rank, count;
    } cases[] = {
        {DICT("|u1", "(6,)"), 1, 6},
        {DICT("|u1", "(2, 3)"), 2, 6},
        {DICT("|u1", "(2,3,)"), 2, 6},
        {DICT("|u1", "( 3 , 1 , 2 )"), 3, 6},
        {DICT("|u1", "(1, 2, 3, 1)"), 4, 6},
        {DICT("|u1", "(0, 3)"), 2, 0},
        {"{\"shape\":(6,),\"fortran_order\":False,\"descr\":\"|u1\"}", 1, 6},
        {"\t{ 'shape' : (6,) ,'descr':'|u1', 'fortran_order' :False }\n", 1, 6},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        slivi_array a;
        scratch_bytes b = npy_file(1, cases[k].dict, "\1\2\3\4\5\6",
                                   cases[k].count);
        ck_assert_int_eq(slivi__npy_parse("mem", b.data, b.size, &a), 0);
        ck_assert_uint_eq(a.rank, cases[k].rank);
        ck_assert_uint_eq(a.count, cases[k].count);
        for (size_t i = 0; i < a.count; i++)
            ck_assert_float_eq(a.data[i], (float)(i + 1));
        slivi_array_clear(&a);
    }
}
END_TEST

static void refuse_npy(const scratch_bytes *b, int status, const char *words)
{
    const char *path = scratch_path("bad");
    slivi_array a = {.rank = 9};
    scratch_put(path, b->data, b->size);
    scratch_memory *m = scratch_watch(0);
    int found = slivi_npy_read(path, &a);
    size_t live = m->live, peak = m->peak;
    scratch_unwatch();
    if (found != status)
        ck_abort_msg("status %d, expected %d with \"%s\"", found, status,
                     words);
    scratch_check_message(path, words);
    ck_assert_uint_eq(live, 0);
    ck_assert_uint_lt(peak, MAX_ALLOWED);
    ck_assert_ptr_null(a.data);
}

START_TEST(npy_dicts_refused)
{
    static const struct {
        const char *dict, *words;
        int status;
    } cases[] = {
        {DICT("|O", "(6,)"), "pickled objects are not read", 0},
        {DICT("<i8", "(6,)"), "dtype '<i8' is not read", 0},
        {DICT("|i1", "(6,)"), "dtype '|i1' is not read", 0},
        {DICT("", "(6,)"), "dtype '' is not read", 0},
        {DICT("|u1\\n", "(6,)"), "expected a plain dtype", 0},
        {DICT("|u1", "()"), "0 dimensions", 0},
        {DICT("|u1", "(6)"), "expected a tuple", 0},
        {DICT("|u1", "6"), "expected a tuple", 0},
        {DICT("|u1", "(,)"), "expected a size", 0},
        {DICT("|u1", "(6,,)"), "expected a size", 0},
        {DICT("|u1", "(-6,)"), "expected a size", 0},
        {DICT("|u1", "(6L,)"), "expected ',' or ')'", 0},
        {DICT("|u1", "(1, 1, 1, 1, 6)"), "5 dimensions", 0},
        {DICT("|u1", "(5,)"), "6 bytes of data, but its header claims 5", 0},
        {DICT("|u1", "(7,)"), "6 bytes of data, but its header claims 7", 0},
        {DICT("<f8", "(4000000000,)"), "claims 32000000000", 0},
        {DICT("<f8", "(4000000000, 4000000000)"), "does not fit",
         SLIVI_EOVERFLOW},
        {DICT("|u1", "(18446744073709551622,)"), "does not fit", /* 2^64+6 */
         SLIVI_EOVERFLOW},
        {"{'descr': '|u1', 'fortran_order': True, 'shape': (6,), }",
         "Fortran order", 0},
        {"{'descr': '|u1', 'fortran_order': 0, 'shape': (6,), }",
         "expected True or False", 0},
        {"{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (6,)}",
         "expected a plain dtype", 0},
        {"{'descr': '|u1', 'fortran_order': False}", "the key 'shape'", 0},
        {"{'descr': '|u1', 'shape': (6,)}", "the key 'fortran_order'", 0},
        {"{'fortran_order': False, 'shape': (6,)}", "the key 'descr'", 0},
        {"{'descr': '|u1', 'descr': '|u1'}", "'descr' twice or unknown", 0},
        {"{'shape': (6,), 'colour': 3}", "'colour' twice or unknown", 0},
        {"{'descr' '|u1'}", "expected ':'", 0},
        {"{'descr': '|u1' 'shape': (6,)}", "expected ',' or '}'", 0},
        {"{'descr': '|u1", "expected a closing quote", 0},
        {DICT("|u1", "(6,)") "x", "expected nothing but spaces", 0},
        {"['descr', '|u1']", "byte 10: expected '{'", 0},
        {"{3: 4}", "byte 11: expected a key", 0},
        {"", "expected '{'", 0},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        scratch_bytes b = npy_file(1, cases[k].dict, "\1\2\3\4\5\6", 6);
        refuse_npy(&b, cases[k].status ? cases[k].status : SLIVI_EFORMAT,
                   cases[k].words);
    }
}
END_TEST

START_TEST(npy_truncated)
{
    static const char dict[] = DICT("<f4", "(2, 1)");
    for (unsigned version = 1; version <= 2; version++) {
        scratch_bytes b = npy_file(version, dict, "12345678", 8);
        size_t head = version == 1 ? 10 : 12;
        for (size_t n = 0; n < b.size; n++) {
            scratch_bytes cut = b;
            cut.size = n;
            refuse_npy(&cut, SLIVI_EFORMAT,
                       n < 10                       ? "not an NPY file"
                       : n < head + sizeof dict - 1 ? "ends within the NPY "
                                                      "header"
                                                    : "claims 8");
        }
        scratch_add(&b, "9", 1);
        refuse_npy(&b, SLIVI_EFORMAT, "9 bytes of data");
    }
}
END_TEST

/* Longer than one byte of the length can say. */
START_TEST(npy_padded)
{
    static const char dict[] = DICT("|u1", "(2,)");
    for (unsigned version = 1; version <= 3; version++) {
        char padded[1001];
        slivi_array a;
        memset(padded, ' ', 1000);
        padded[1000] = '\0';
        memcpy(padded, dict, sizeof dict - 1);
        scratch_bytes b = npy_file(version, padded, "\7\5", 2);
        ck_assert_int_eq(slivi__npy_parse("mem", b.data, b.size, &a), 0);
        ck_assert_float_eq(a.data[0], 7);
        ck_assert_float_eq(a.data[1], 5);
        slivi_array_clear(&a);
    }
}
END_TEST

START_TEST(npy_versions_refused)
{
    scratch_bytes good = npy_file(1, DICT("|u1", "(1,)"), "1", 1), b = good;
    b.data[6] = 4;
    refuse_npy(&b, SLIVI_EFORMAT, "version 4.0");
    b.data[6] = 0;
    refuse_npy(&b, SLIVI_EFORMAT, "version 0.0");
    b = good;
    b.data[7] = 1;
    refuse_npy(&b, SLIVI_EFORMAT, "version 1.1");
    b = good;
    b.data[0] = 'P';
    refuse_npy(&b, SLIVI_EFORMAT, "not an NPY file");
    b = npy_file(2, DICT("|u1", "(1,)"), "1", 1);
    b.data[11] = 0xff; /* a header of 4 GB */
    refuse_npy(&b, SLIVI_EFORMAT, "ends within the NPY header");
}
END_TEST

START_TEST(npy_write_then_read)
{
    const char *path = scratch_path("out.npy");
    double x[6] = {1, -2.5, 1e-30, 3e8, 0, 0.1};
    slivi_array a;
    ck_assert_int_eq(slivi_npy_write(path, 2, 3, x), 0);
    ck_assert_int_eq(slivi_npy_read(path, &a), 0);
    ck_assert_uint_eq(a.rank, 2);
    ck_assert_uint_eq(a.shape[0], 2);
    ck_assert_uint_eq(a.shape[1], 3);
    for (size_t i = 0; i < 6; i++)
        ck_assert_float_eq(a.data[i], (float)x[i]);
    slivi_array_clear(&a);
    ck_assert_int_eq(slivi_npy_write(path, 0, 3, x), 0);
    ck_assert_int_eq(slivi_npy_read(path, &a), 0);
    ck_assert_uint_eq(a.count, 0);
    slivi_array_clear(&a);
    ck_assert_int_eq(slivi_npy_write(path, SIZE_MAX / 2, 3, x),
                     SLIVI_EOVERFLOW);
    scratch_check_message(path, "too large");
}
END_TEST

/* The bytes of 1 x 2, by NumPy's format description: 118 characters of
   header end at byte 128, and 1.0 is 3ff0..., 2.0 is 4000... . */
START_TEST(npy_bytes)
{
    static const char dict[] =
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }";
    const char *path = scratch_path("out.npy");
    unsigned char file[144] = "\x93NUMPY\x01\x00\x76";
    double x[2] = {1, 2};
    memset(file + 10, ' ', 117);
    memcpy(file + 10, dict, sizeof dict - 1);
    file[127] = '\n';
    memcpy(file + 128, "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\x40", 16);
    ck_assert_int_eq(slivi_npy_write(path, 1, 2, x), 0);
    ck_assert(scratch_holds(path, file, sizeof file));
}
END_TEST

/* ---- both ------------------------------------------------------------- */

/* Every allocation fails once, alone or with all that follow. */
START_TEST(arrays_without_memory)
{
    scratch_bytes idx = idx_case_file(idx_cases);
    scratch_bytes npy = npy_file(1, DICT("|u1", "(6,)"), "123456", 6);
    scratch_bytes files[3] = {idx, scratch_gzip(idx.data, idx.size), npy};
    for (int f = 0; f < 6; f++) {
        const char *path = scratch_path("in");
        int status = SLIVI_ENOMEM;
        size_t k = 0;
        scratch_put(path, files[f / 2].data, files[f / 2].size);
        while (status) {
            slivi_array a;
            scratch_memory *m = scratch_watch(0);
            m->fail_at = ++k;
            m->for_good = f % 2;
            status = f / 2 < 2 ? slivi_idx_read(path, &a)
                               : slivi_npy_read(path, &a);
            slivi_array_clear(&a);
            ck_assert_uint_eq(m->live, 0);
            ck_assert_int_eq(status, m->calls < k ? 0 : SLIVI_ENOMEM);
            scratch_unwatch();
            if (status)
                scratch_check_message(path, "no memory");
        }
        ck_assert_uint_ge(k, 3); /* the file, the data, and good */
    }
}
END_TEST

Suite *slivi_suite_array(void)
{
    const TTest *const idx[] = {
        idx_types,        idx_ranks,   idx_large,        idx_truncated,
        idx_damaged_gzip, idx_headers, idx_absurd_sizes, NULL};
    const TTest *const npy[] = {
        npy_types,           npy_spellings, npy_dicts_refused,
        npy_truncated,       npy_padded,    npy_versions_refused,
        npy_write_then_read, npy_bytes,     NULL};
    const TTest *const both[] = {array_paths, arrays_without_memory, NULL};
    Suite *s = suite_create("array");
    scratch_add_case(s, "idx", idx);
    scratch_add_case(s, "npy", npy);
    scratch_add_case(s, "both", both);
    return s;
}
