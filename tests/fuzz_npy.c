/* fuzz_npy.c - libFuzzer entry: NumPy's arrays.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "io/format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    slivi_array a;
    int status = slivi__npy_parse("fuzz", bytes, size, &a);
    /* what is read came from the file, and a failure leaves nothing */
    if (status ? a.data || a.count : !a.data || a.count > size)
        abort();
    slivi_array_clear(&a);
    return 0;
}
