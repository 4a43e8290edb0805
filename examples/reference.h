/* reference.h - draws to compare those of q with: exact ones, a file's, or
   those of a run of HMC.

   Functions that can fail complain and return an exit code.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "inference.h"

#include <slivi/sampler.h>

typedef struct reference {
    const char *kind; /* "exact", "hmc" or "file"; NULL: there is none */
    size_t count, columns;
    double *draws;               /* count x columns, outside; owned */
    slivi_sampler_report report; /* of hmc */
    double seconds;
    int is_unreliable; /* R-hat above 1.01 */
} reference;

/* What --reference asks for; of hmc only that it is asked for. */
int reference_open(reference *ref, const inference *r);
/* Draws of hmc, from chains that start about draws z of q (n x d, inside). */
int reference_sample(reference *ref, const inference *r, size_t n,
                     const double *z);
void reference_clear(reference *ref);

/* The columns of these names of a file of comma-separated values with a line
   of names, plain or gzip; other columns are passed over. */
int reference_read(const char *path, size_t columns, const char *const names[],
                   reference *ref);

#endif
