/* fuzz_checkpoint.c - libFuzzer entry: checkpoints.

   Besides the bytes as they come, they are read as header and data behind a
   CRC that holds, which the fuzzer could not guess: the first two bytes are
   the length of the header's rest.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "io/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define PREFIX "{\"__metadata__\":{\"crc32\":\"00000000"

enum { HEAD = 8 + sizeof PREFIX - 1 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    slivi_checkpoint_free(slivi__checkpoint_parse("fuzz", bytes, size));
    if (size < 2)
        return 0;
    size_t rest = (size_t)bytes[0] | (size_t)bytes[1] << 8;
    size_t whole = HEAD + size - 2;
    unsigned char *file = malloc(whole);
    char digits[9];
    if (!file)
        return 0;
    slivi__store64(file, sizeof PREFIX - 1 + rest);
    memcpy(file + 8, PREFIX, sizeof PREFIX - 1);
    memcpy(file + HEAD, bytes + 2, size - 2);
    snprintf(digits, sizeof digits, "%08lx", crc32(0, file, (uInt)whole));
    memcpy(file + HEAD - 8, digits, 8);
    slivi_checkpoint *c = slivi__checkpoint_parse("fuzz", file, whole);
    slivi_checkpoint_free(c);
    free(file);
    return 0;
}
