/* distances.h - how far draws of q are from exact ones, each beside what two
   sets of exact draws are from one another.

   Functions that can fail complain and return an exit code.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef DISTANCES_H
#define DISTANCES_H

#include "inference.h"

/* Adds to the result, for targets of few dimensions with exact draws: the
   squared energy distance, the sliced Wasserstein distance and the divergence
   KL(p || q) by nearest neighbours of the first 10,000 of n draws z (inside);
   of four-modes also the masses of its quadrants. */
int distances_record(const inference *r, size_t n, const double *z,
                     json_t *result);

#endif
