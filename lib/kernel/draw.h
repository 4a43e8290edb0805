/* draw.h - what the drawing of an instruction set is told.  Private.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_KERNEL_DRAW_H
#define SLIVI_KERNEL_DRAW_H

#include "slivi/random.h"

/* Philox 4x32 (Salmon et al. 2011, section 5.3) */
#define PHILOX_M0 UINT64_C(0xd2511f53)
#define PHILOX_M1 UINT64_C(0xcd9e8d57)
#define PHILOX_W0 0x9e3779b9 /* golden ratio */
#define PHILOX_W1 0xbb67ae85 /* sqrt(3) - 1 */

enum slivi__law_kind {
    SLIVI__LAW_NORMAL,
    SLIVI__LAW_UNIFORM,
    SLIVI__LAW_RADEMACHER,
    SLIVI__LAW_SPHERE /* rows of normals, scaled to norm sqrt(cols) */
};

struct slivi_law {
    const char *name;
    enum slivi__law_kind kind;
    int isotropic; /* E v v' = I */
};

/* An address without its row and columns. */
typedef struct slivi__place {
    uint32_t key[2], step, slice;
} slivi__place;

slivi__place slivi__place_of(const slivi_address *at);

#endif
