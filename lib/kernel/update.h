/* update.h - what a step of an optimiser is told.  Private.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_KERNEL_UPDATE_H
#define SLIVI_KERNEL_UPDATE_H

#include <stddef.h>

enum { SLIVI__STATES = 2 };

/* One update of n entries; what the options are, is said in slivi/learn.h. */
typedef struct slivi__update {
    size_t n;
    double rate;
    double scale; /* on the gradient, from clipping */
    double momentum, alpha, beta1, beta2, epsilon;
    double power1, power2; /* adam: beta1^s, beta2^s, s counts this step */
    const void *gradient;
    void *values, *state[SLIVI__STATES]; /* state may be NULL */
} slivi__update;

#endif
