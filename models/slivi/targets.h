/* slivi/targets.h - targets to try inference on, by name.

   Toys whose exact draws are known and whose log densities are normalised;
   regression on a table of numbers; six posteriors whose data come from a JSON
   file, with the parameters' names of posteriordb (in another order where one
   needs another); a diffusion conditioned on observations.  Formulas and
   sources stand beside each, in models/target_*.c.

   UNSTABLE until 1.0.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TARGETS_H
#define SLIVI_TARGETS_H

#include "slivi/target.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What there is; NULL name at the end. */
typedef struct slivi_target_entry {
    const char *name; /* "banana" */
    const char *help; /* one line */
    const char *data; /* NULL: needs none; "json" or "csv": kind of its file */
    int has_parts;    /* can be learnt from minibatches */
    /* exact draws (n x d), a pure function of the seed; NULL: none known */
    int (*exact)(size_t n, uint64_t seed, double *draws);
    /* what slivi_target_named calls when it has looked at the arguments */
    slivi_target *(*create)(const char *data, size_t batch, uint64_t seed);
} slivi_target_entry;
extern const slivi_target_entry slivi_target_entries[];
/* NULL with SLIVI_ENAME. */
const slivi_target_entry *slivi_target_entry_find(const char *name);

/* The target of that name, which owns all that it needs.  data: the file, NULL
   where none is needed.  batch > 0: minibatches of so many rows, in an order
   that the seed gives; the seed does nothing else.  NULL with SLIVI_ENAME,
   SLIVI_EINVAL (a file missing, or not wanted; more rows in a minibatch than
   there are), SLIVI_EUNSUPPORTED (minibatches of a target without), SLIVI_EIO,
   SLIVI_EFORMAT (what in the file is not as it should be, with the file's name
   and the key, or the line) or SLIVI_ENOMEM. */
slivi_target *slivi_target_named(const char *name, const char *data,
                                 size_t batch, uint64_t seed);

#ifdef __cplusplus
}
#endif
#endif
