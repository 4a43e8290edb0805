/* fuzz_idx.c - libFuzzer entry: IDX, plain and gzip.

   Besides the bytes as they come, they are read as the content of a gzip
   file, whose CRC the fuzzer could not guess.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include <slivi/io.h>

#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void parse(const uint8_t *bytes, size_t size)
{
    slivi_array a;
    int status = slivi_idx_parse("fuzz", bytes, size, &a);
    /* a failure leaves nothing; else every value is there, infinite or not */
    if (status ? a.data || a.count : !a.data || !a.rank)
        abort();
    for (size_t i = 0; i < a.count; i++)
        if (a.is_byte && !(a.data[i] >= 0 && a.data[i] <= 255))
            abort();
    slivi_array_clear(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    parse(bytes, size);
    z_stream z;
    memset(&z, 0, sizeof z);
    if (deflateInit2(&z, 1, Z_DEFLATED, 16 + 9, 1, Z_DEFAULT_STRATEGY))
        return 0;
    uLong room = deflateBound(&z, (uLong)size) + 64;
    uint8_t *packed = malloc(room);
    z.next_in = bytes;
    z.avail_in = (uInt)size;
    z.next_out = packed;
    z.avail_out = (uInt)room;
    if (packed && deflate(&z, Z_FINISH) == Z_STREAM_END)
        parse(packed, z.total_out);
    deflateEnd(&z);
    free(packed);
    return 0;
}
