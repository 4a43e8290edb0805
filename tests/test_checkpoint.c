/* test_checkpoint.c - checkpoints: what goes in comes out, and nothing else.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "io/format.h"
#include "scratch.h"
#include "suites.h"

#include <math.h>
#include <slivi/io.h>
#include <slivi/status.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const float weights[6] = {1, -2.5f, 0.1f, -0.0f, 1e-45f, INFINITY};
static const double moments[3] = {0.1, -0.0, 4.9e-324};
static const int64_t steps[2] = {INT64_MIN, 12345678901234};
static const char *const config = "{\"seed\": 1,\n \"name\": \"caf\xc3\xa9 "
                                  "\xf0\x9f\x8e\xb2\\\"\t\"}";

/* One of everything. */
static slivi_checkpoint *sample(void)
{
    slivi_checkpoint *c = slivi_checkpoint_create();
    if (c
        && (slivi_checkpoint_put(c, "net/w", SLIVI_DTYPE_F32, 2, 3, weights)
            || slivi_checkpoint_put(c, "empty", SLIVI_DTYPE_F32, 0, 5, NULL)
            || slivi_checkpoint_put(c, "moments", SLIVI_DTYPE_F64, 3, 1,
                                    moments)
            || slivi_checkpoint_put(c, "step", SLIVI_DTYPE_I64, 1, 2, steps)
            || slivi_checkpoint_put_text(c, "config", config)
            || slivi_checkpoint_put_text(c, "note", ""))) {
        slivi_checkpoint_free(c);
        return NULL;
    }
    return c;
}

static void check_sample(const slivi_checkpoint *c)
{
    float w[6];
    double m[3];
    int64_t s[2];
    size_t rows = 9, cols = 9;
    ck_assert_int_eq(slivi_checkpoint_get(c, "net/w", SLIVI_DTYPE_F32, 2, 3, w),
                     0);
    ck_assert_mem_eq(w, weights, sizeof w);
    ck_assert_int_eq(
        slivi_checkpoint_get(c, "moments", SLIVI_DTYPE_F64, 3, 1, m), 0);
    ck_assert_mem_eq(m, moments, sizeof m);
    ck_assert_int_eq(slivi_checkpoint_get(c, "step", SLIVI_DTYPE_I64, 1, 2, s),
                     0);
    ck_assert_mem_eq(s, steps, sizeof s);
    ck_assert_int_eq(
        slivi_checkpoint_get(c, "empty", SLIVI_DTYPE_F32, 0, 5, NULL), 0);
    ck_assert_int_eq(slivi_checkpoint_has(c, "empty", &rows, &cols), 1);
    ck_assert_uint_eq(rows, 0);
    ck_assert_uint_eq(cols, 5);
    ck_assert_int_eq(slivi_checkpoint_has(c, "none", NULL, NULL), 0);
    ck_assert_str_eq(slivi_checkpoint_text(c, "config"), config);
    ck_assert_str_eq(slivi_checkpoint_text(c, "note"), "");
    ck_assert_ptr_null(slivi_checkpoint_text(c, "none"));
    ck_assert_ptr_null(slivi_checkpoint_text(c, "crc32"));
}

/* ---- the set ---------------------------------------------------------- */

START_TEST(round_trip)
{
    const char *path = scratch_path("c"), *again = scratch_path("d");
    char *first;
    size_t size;
    slivi_checkpoint *c = sample();
    check_sample(c);
    ck_assert_int_eq(slivi_checkpoint_write(c, path), 0);
    slivi_checkpoint_free(c);
    c = slivi_checkpoint_read(path);
    ck_assert_ptr_nonnull(c);
    check_sample(c);
    ck_assert_int_eq(slivi_checkpoint_write(c, again), 0);
    slivi_checkpoint_free(c);
    ck_assert_int_eq(slivi_file_read(path, 0, &first, &size), 0);
    ck_assert(scratch_holds(again, first, size));
    slivi_file_release(first);
    slivi_checkpoint_free(NULL);
}
END_TEST

START_TEST(nothing_and_many)
{
    const char *path = scratch_path("c");
    char name[32];
    slivi_checkpoint *c = slivi_checkpoint_create();
    ck_assert_int_eq(slivi_checkpoint_write(c, path), 0);
    slivi_checkpoint_free(c);
    ck_assert_ptr_nonnull(c = slivi_checkpoint_read(path));
    for (int i = 0; i < 100; i++) {
        float x = (float)i;
        snprintf(name, sizeof name, "t%d", i);
        ck_assert_int_eq(
            slivi_checkpoint_put(c, name, SLIVI_DTYPE_F32, 1, 1, &x), 0);
        ck_assert_int_eq(slivi_checkpoint_put_text(c, name, name), 0);
    }
    ck_assert_int_eq(slivi_checkpoint_put_text(c, "t7", "seven"), 0);
    ck_assert_int_eq(slivi_checkpoint_write(c, path), 0);
    slivi_checkpoint_free(c);
    ck_assert_ptr_nonnull(c = slivi_checkpoint_read(path));
    for (int i = 0; i < 100; i++) {
        float x = -1;
        snprintf(name, sizeof name, "t%d", i);
        ck_assert_int_eq(
            slivi_checkpoint_get(c, name, SLIVI_DTYPE_F32, 1, 1, &x), 0);
        ck_assert_float_eq(x, (float)i);
        ck_assert_str_eq(slivi_checkpoint_text(c, name),
                         i == 7 ? "seven" : name);
    }
    slivi_checkpoint_free(c);
}
END_TEST

START_TEST(get_refused)
{
    const char *path = scratch_path("c");
    float w[6];
    slivi_checkpoint *c = sample();
    ck_assert_int_eq(slivi_checkpoint_write(c, path), 0);
    slivi_checkpoint_free(c);
    c = slivi_checkpoint_read(path);
    ck_assert_int_eq(slivi_checkpoint_get(c, "w", SLIVI_DTYPE_F32, 2, 3, w),
                     SLIVI_ENAME);
    scratch_check_message(path, "no tensor 'w'");
    ck_assert_int_eq(slivi_checkpoint_get(c, "net/w", SLIVI_DTYPE_F32, 3, 2, w),
                     SLIVI_ESHAPE);
    scratch_check_message(path, "tensor 'net/w' is F32 2 x 3, expected F32 3 "
                                "x 2");
    ck_assert_int_eq(slivi_checkpoint_get(c, "net/w", SLIVI_DTYPE_F32, 2, 2, w),
                     SLIVI_ESHAPE);
    ck_assert_int_eq(slivi_checkpoint_get(c, "net/w", SLIVI_DTYPE_F32, 1, 3, w),
                     SLIVI_ESHAPE);
    ck_assert_int_eq(
        slivi_checkpoint_get(c, "moments", SLIVI_DTYPE_I64, 3, 1, w),
        SLIVI_ESHAPE);
    scratch_check_message(path, "is F64 3 x 1, expected I64 3 x 1");
    ck_assert_int_eq(
        slivi_checkpoint_get(c, "net/w", (enum slivi_dtype)3, 2, 3, w),
        SLIVI_EINVAL);
    slivi_checkpoint_free(c);
}
END_TEST

START_TEST(put_refused)
{
    static const char *const bad[] = {"",
                                      "a\nb",
                                      "\x7f",
                                      "\xff",
                                      "\xc0\x80",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xc3",
                                      "\xe2\x82",
                                      "\xf8\x88",
                                      "\x80",
                                      "\xf0\x80\x80\x80"};
    static const char *const good[] = {"\xc2\x80", "\xe0\xa0\x80",
                                       "\xed\x9f\xbf", "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    slivi_checkpoint *c = sample();
    float x = 1;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(
            slivi_checkpoint_put(c, bad[i], SLIVI_DTYPE_F32, 1, 1, &x),
            SLIVI_EINVAL);
        scratch_check_message("checkpoint", "must be printable UTF-8");
        ck_assert_int_eq(slivi_checkpoint_put_text(c, bad[i], "x"),
                         SLIVI_EINVAL);
        if (i > 2)
            ck_assert_int_eq(slivi_checkpoint_put_text(c, "key", bad[i]),
                             SLIVI_EINVAL);
    }
    /* what is let in must be what the JSON library lets out */
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_int_eq(slivi_checkpoint_put_text(c, good[i], good[i]), 0);
    ck_assert_int_eq(slivi_checkpoint_write(c, scratch_path("c")), 0);
    ck_assert_int_eq(
        slivi_checkpoint_put(c, "__metadata__", SLIVI_DTYPE_F32, 1, 1, &x),
        SLIVI_EINVAL);
    ck_assert_int_eq(slivi_checkpoint_put_text(c, "crc32", "0"), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_checkpoint_put(c, "step", SLIVI_DTYPE_F32, 1, 1, &x),
                     SLIVI_EINVAL);
    scratch_check_message("checkpoint", "'step' is there already");
    ck_assert_int_eq(
        slivi_checkpoint_put(c, "x", (enum slivi_dtype)3, 1, 1, &x),
        SLIVI_EINVAL);
    ck_assert_int_eq(
        slivi_checkpoint_put(c, "x", SLIVI_DTYPE_F64, SIZE_MAX / 4, 2, &x),
        SLIVI_EOVERFLOW);
    scratch_check_message("checkpoint", "too large");
    check_sample(c);
    slivi_checkpoint_free(c);
}
END_TEST

/* ---- the file --------------------------------------------------------- */

/* Put together by the safetensors description; the CRC (1cee06e3) and the
   layout are from Python's zlib and struct. */
static const char golden[] =
    "\xa8\0\0\0\0\0\0\0"
    "{\"__metadata__\":{\"crc32\":\"1cee06e3\",\"note\":\"caf\xc3\xa9\"},"
    "\"w\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
    "\"step\":{\"dtype\":\"I64\",\"shape\":[1,1],\"data_offsets\":[8,16]}}  "
    "\0\0\x80\x3f\0\0\0\xc0\xfd\xff\xff\xff\xff\xff\xff\xff";

START_TEST(file_bytes)
{
    const char *path = scratch_path("c");
    float w[2] = {1, -2};
    int64_t step = -3;
    slivi_checkpoint *c = slivi_checkpoint_create();
    ck_assert_int_eq(slivi_checkpoint_put(c, "w", SLIVI_DTYPE_F32, 1, 2, w), 0);
    ck_assert_int_eq(
        slivi_checkpoint_put(c, "step", SLIVI_DTYPE_I64, 1, 1, &step), 0);
    ck_assert_int_eq(slivi_checkpoint_put_text(c, "note", "caf\xc3\xa9"), 0);
    ck_assert_int_eq(slivi_checkpoint_write(c, path), 0);
    ck_assert(scratch_holds(path, golden, sizeof golden - 1));
    slivi_checkpoint_free(c);
}
END_TEST

static void refuse_bytes(const void *bytes, size_t size, const char *what,
                         size_t where)
{
    slivi_checkpoint *c = slivi__checkpoint_parse("mem", bytes, size);
    if (c)
        ck_abort_msg("%s at %zu went unnoticed", what, where);
    scratch_check_message("mem", "damaged");
}

START_TEST(damage_detected)
{
    const char *path = scratch_path("c");
    char *bytes;
    size_t size;
    slivi_checkpoint *c = sample();
    ck_assert_int_eq(slivi_checkpoint_write(c, path), 0);
    slivi_checkpoint_free(c);
    ck_assert_int_eq(slivi_file_read(path, 0, &bytes, &size), 0);
    scratch_memory *m = scratch_watch(1);
    for (size_t i = 0; i < size; i++) {
        char good = bytes[i];
        for (int bits = 1; bits < 256; bits++) {
            bytes[i] = (char)(good ^ bits);
            refuse_bytes(bytes, size, "a changed byte", i);
        }
        bytes[i] = good;
    }
    ck_assert_uint_lt(m->peak, 1 << 20);
    ck_assert_uint_eq(m->live, 0);
    scratch_unwatch();
    ck_assert_ptr_nonnull(c = slivi__checkpoint_parse("mem", bytes, size));
    slivi_checkpoint_free(c);
    slivi_file_release(bytes);
}
END_TEST

START_TEST(truncation_detected)
{
    const char *path = scratch_path("c"), *cut = scratch_path("cut");
    char *bytes;
    size_t size;
    slivi_checkpoint *c = sample();
    ck_assert_int_eq(slivi_checkpoint_write(c, path), 0);
    slivi_checkpoint_free(c);
    ck_assert_int_eq(slivi_file_read(path, 0, &bytes, &size), 0);
    for (size_t n = 0; n < size; n++) {
        scratch_put(cut, bytes, n);
        ck_assert_ptr_null(slivi_checkpoint_read(cut));
        scratch_check_message(cut, n < 45 ? "too short" : "cut short");
    }
    /* bytes[size] is the NUL of slivi_file_read: one byte too many */
    scratch_put(cut, bytes, size + 1);
    ck_assert_ptr_null(slivi_checkpoint_read(cut));
    scratch_check_message(cut, "CRC mismatch");
    slivi_file_release(bytes);
}
END_TEST

#define PREFIX "{\"__metadata__\":{\"crc32\":\""

/* Puts the CRC in, over whatever is there. */
static void sign(scratch_bytes *b)
{
    unsigned char *digits = b->data + 8 + sizeof PREFIX - 1;
    char text[9];
    memcpy(digits, "00000000", 8);
    snprintf(text, sizeof text, "%08lx", crc32(0, b->data, (uInt)b->size));
    memcpy(digits, text, 8);
}

/* A file with a CRC that holds, whatever follows it in the header. */
static scratch_bytes craft(const char *rest, size_t data_size)
{
    static const char zeros[16];
    scratch_bytes b = {.size = 0};
    unsigned char length[8];
    slivi__store64(length, sizeof PREFIX - 1 + 8 + strlen(rest));
    scratch_add(&b, length, 8);
    scratch_add(&b, PREFIX, sizeof PREFIX - 1);
    scratch_add(&b, zeros, 8);
    scratch_add(&b, rest, strlen(rest));
    scratch_add(&b, zeros, data_size);
    sign(&b);
    return b;
}

#define ENTRY(dtype, shape, offsets)                                           \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define F64 "\"dtype\":\"F64\""
#define GOOD ENTRY("F64", "[1,1]", "[0,8]")

START_TEST(headers_accepted)
{
    static const char *const good[] = {
        ("\"},\"a\":" GOOD "}"), ("\" } ,\n\"a\" : " GOOD " }      "),
        ("\",\"k\":\"v\"},\"a\":" GOOD "}"),
        ("\"},\"a\":{\"shape\":[1,1],\"data_offsets\":[0,8]," F64 "}}")};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        double x = 1;
        scratch_bytes b = craft(good[i], 8);
        slivi_checkpoint *c = slivi__checkpoint_parse("mem", b.data, b.size);
        ck_assert_msg(c != NULL, "%zu: %s", i, slivi_errmsg());
        ck_assert_int_eq(
            slivi_checkpoint_get(c, "a", SLIVI_DTYPE_F64, 1, 1, &x), 0);
        ck_assert_double_eq(x, 0);
        slivi_checkpoint_free(c);
    }
}
END_TEST

/* All come with a CRC that holds and 8 bytes of data. */
static const struct {
    const char *rest, *words;
} hostile[] = {
    {"\"},\"a\":" ENTRY("F32", "[1,1]", "[0,4]") "}", "8 bytes of data, but"},
    {"\"}}", "8 bytes of data, but its tensors have 0"},
    {"\"},\"a\":" ENTRY("F64", "[1,2]", "[0,16]") "}", "of 8 in all"},
    {"\"},\"a\":" ENTRY("F64", "[1,1]", "[0,9]") "}", "expected 8 bytes"},
    {"\"},\"a\":" ENTRY("F64", "[1,1]", "[1,8]") "}", "data from 1 to 8"},
    {"\"},\"a\":" ENTRY("F32", "[1,1]", "[0,8]") "}", "expected 4 bytes"},
    {"\"},\"a\":" ENTRY("F64", "[1,2]", "[0,8]") "}", "expected 16 bytes"},
    {"\"},\"a\":" ENTRY("F32", "[1,1]", "[4,8]") "}", "expected 4 bytes from "
                                                      "0"},
    {"\"},\"a\":" ENTRY("F32", "[1,1]", "[0,4]") ",\"b\":" ENTRY("F32", "[1,1]",
                                                                 "[0,4]") "}",
     "'b': data from 0 to 4"},
    {"\"},\"a\":" ENTRY("F32", "[1,1]", "[4,8]") ",\"b\":" ENTRY("F32", "[1,1]",
                                                                 "[0,4]") "}",
     "'a': data from 4 to 8"},
    {"\"},\"a\":" ENTRY("F32", "[1,1]", "[4,0]") "}", "data from 4 to 0"},
    {"\"},\"a\":" ENTRY("BF16", "[1,1]", "[0,8]") "}", "dtype BF16"},
    {"\"},\"a\":" ENTRY("F\\n6", "[1,1]", "[0,8]") "}", "dtype missing"},
    {"\"},\"a\":{\"shape\":[1,1],\"data_offsets\":[0,8]}}", "dtype missing"},
    {"\"},\"a\":{\"dtype\":\"F64\",\"data_offsets\":[0,8]}}", "expected"},
    {"\"},\"a\":{\"dtype\":\"F64\",\"shape\":[1,1]}}", "expected dtype"},
    {"\"},\"a\":{\"dtype\":\"F64\",\"shape\":[1,1],\"data_offsets\":[0,8],"
     "\"x\":1}}",
     "expected dtype, shape and data_offsets"},
    {"\"},\"a\":" ENTRY("F64", "[1]", "[0,8]") "}", "pairs of sizes"},
    {"\"},\"a\":" ENTRY("F64", "[1,1,1]", "[0,8]") "}", "pairs of sizes"},
    {"\"},\"a\":" ENTRY("F64", "[-1,-1]", "[0,8]") "}", "pairs of sizes"},
    {"\"},\"a\":" ENTRY("F64", "[1.0,1]", "[0,8]") "}", "pairs of sizes"},
    {"\"},\"a\":" ENTRY("F64", "[1,1]", "[0,\"8\"]") "}", "pairs of sizes"},
    {"\"},\"a\":" ENTRY("F64", "8", "[0,8]") "}", "pairs of sizes"},
    {"\"},\"a\":" ENTRY("F64", "[4611686018427387904,4]", "[0,8]") "}",
     "too large"},
    {"\"},\"a\":" ENTRY("F64", "[2305843009213693953,1]", "[0,8]") "}",
     "too large"},
    {"\"},\"a\":" ENTRY("F64", "[99999999999999999999,1]", "[0,8]") "}",
     "not JSON"},
    {"\"},\"a\":[1]}", "dtype missing"},
    {"\"},\"a\":" GOOD ",\"a\":" GOOD "}", "not JSON"},
    {"\"},\"\":" GOOD "}", "not printable"},
    {"\"},\"a\\nb\":" GOOD "}", "not printable"},
    {"\"},\"\xff\":" GOOD "}", "not JSON"},
    {"\",\"k\":1},\"a\":" GOOD "}", "not a string"},
    {"\",\"\":\"v\"},\"a\":" GOOD "}", "no key"},
    {"\",\"crc32\":\"00000000\"},\"a\":" GOOD "}", "not JSON"},
    {"\"},\"__metadata__\":{},\"a\":" GOOD "}", "not JSON"},
    {"\"},\"a\":" GOOD "}}", "not JSON"},
    {"\"},\"a\":" GOOD "", "not JSON"},
    {"0\"},\"a\":" GOOD "}", "does not begin with a CRC"},
    {"\\u0000\"},\"a\":" GOOD "}", "does not begin with a CRC"},
};

START_TEST(headers_refused)
{
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        scratch_bytes b = craft(hostile[i].rest, 8);
        scratch_memory *m = scratch_watch(1);
        slivi_checkpoint *c = slivi__checkpoint_parse("mem", b.data, b.size);
        size_t live = m->live, peak = m->peak;
        scratch_unwatch();
        ck_assert_msg(!c, "case %zu went unnoticed", i);
        scratch_check_message("mem", hostile[i].words);
        ck_assert_uint_eq(live, 0);
        ck_assert_uint_lt(peak, 1 << 20);
    }
}
END_TEST

START_TEST(frames_refused)
{
    static const char foreign[] =
        "\x40\0\0\0\0\0\0\0{\"weight\":{\"dtype\":\"F64\",\"shape\":[1,1],"
        "\"data_offsets\":[0,8]}}     01234567";
    const char *none = scratch_path("none");
    scratch_bytes b = craft("\"},\"a\":" GOOD "}", 8);
    refuse_bytes(foreign, sizeof foreign - 1, "a foreign file", 0);
    scratch_check_message("mem", "not written by slivi");
    b.data[7] = 0x80; /* a header of 2^63 bytes */
    refuse_bytes(b.data, b.size, "an endless header", 0);
    for (unsigned claim = 1; claim < 255; claim += 4) {
        b = craft("\"},\"a\":" GOOD "}", 8);
        b.data[0] = (unsigned char)claim; /* may reach into the data */
        sign(&b);
        ck_assert_ptr_null(slivi__checkpoint_parse("mem", b.data, b.size));
        scratch_check_message("mem", claim < 37 || claim > b.size - 8
                                         ? "claims a header of"
                                         : "not JSON");
    }
    ck_assert_ptr_null(slivi_checkpoint_read(none));
    scratch_check_message(none, "No such file or directory");
    ck_assert_ptr_null(slivi_checkpoint_read(scratch_path("")));
    scratch_check_message(scratch_path(""), "Is a directory");
}
END_TEST

/* ---- failing memory --------------------------------------------------- */

static int write_sample(const char *path)
{
    slivi_checkpoint *c = sample();
    int status = c ? slivi_checkpoint_put_text(c, "note", "") : SLIVI_ENOMEM;
    if (!status)
        status = slivi_checkpoint_write(c, path);
    slivi_checkpoint_free(c);
    return status;
}

static int read_sample(const char *path)
{
    slivi_checkpoint *c = slivi_checkpoint_read(path);
    if (c)
        check_sample(c);
    slivi_checkpoint_free(c);
    return c ? 0 : SLIVI_ENOMEM;
}

/* Every allocation fails once, alone or with all that follow.  Those of
   jansson only while writing: its reader (2.14) aborts. */
START_TEST(without_memory)
{
    static const struct {
        int (*job)(const char *path);
        int with_jansson;
        size_t least; /* number of points that fail */
    } jobs[] = {
        {write_sample, 0, 15}, {write_sample, 1, 100}, {read_sample, 0, 15}};
    const char *path = scratch_path("c");
    char *old;
    size_t size;
    ck_assert_int_eq(write_sample(path), 0);
    ck_assert_int_eq(slivi_file_read(path, 0, &old, &size), 0);
    for (size_t j = 0; j < 6; j++) {
        int done = 0;
        size_t k = 0;
        while (!done) {
            scratch_put(path, old, size);
            scratch_memory *m = scratch_watch(jobs[j / 2].with_jansson);
            m->fail_at = ++k;
            m->for_good = j % 2;
            int status = jobs[j / 2].job(path);
            size_t live = m->live;
            done = m->calls < k;
            scratch_unwatch();
            ck_assert_uint_eq(live, 0);
            ck_assert_int_eq(status, done ? 0 : SLIVI_ENOMEM);
            ck_assert_msg(done || strstr(slivi_errmsg(), "no memory"),
                          "%zu: %s", k, slivi_errmsg());
            ck_assert_uint_eq(scratch_files(""), 1);
            ck_assert_int_eq(read_sample(path), 0); /* old or new */
        }
        ck_assert_uint_gt(k, jobs[j / 2].least);
    }
    slivi_file_release(old);
}
END_TEST

/* ---- the suite -------------------------------------------------------- */

Suite *slivi_suite_checkpoint(void)
{
    const TTest *const set[] = {round_trip, nothing_and_many, get_refused,
                                put_refused, NULL};
    const TTest *const file[] = {file_bytes,
                                 damage_detected,
                                 truncation_detected,
                                 headers_accepted,
                                 headers_refused,
                                 frames_refused,
                                 NULL};
    const TTest *const memory[] = {without_memory, NULL};
    Suite *s = suite_create("checkpoint");
    scratch_add_case(s, "set", set);
    scratch_add_case(s, "file", file);
    scratch_add_case(s, "memory", memory);
    return s;
}
