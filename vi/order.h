/* order.h - sorting by number.  Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_VI_ORDER_H
#define SLIVI_VI_ORDER_H

#include <stddef.h>

/* order (n): the numbers of the entries of x, none NaN, from the least to the
   greatest, equal ones (0 and -0 are) by number.  Allocates while it works. */
int slivi__order(size_t n, const double *x, size_t *order);

#endif
