/* inference.h - a run that fits a posterior to a target: made from options,
   saved, gone on with.

   Functions that can fail complain and return an exit code.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef INFERENCE_H
#define INFERENCE_H

#include "record.h"

#include <slivi/posterior.h>
#include <slivi/targets.h>

typedef struct inference {
    args *args; /* the caller's */
    const char *seed_from;
    slivi_pool *pool;
    const slivi_target_entry *entry; /* NULL: a Stan model */
    slivi_target *target;
    slivi_posterior *posterior;
    experiment place;
    record metrics;
    json_t *last;   /* the last line of metrics */
    size_t step;    /* of the posterior */
    double seconds; /* of training until mark, on the clock */
    double mark, saved;
    uint64_t points;  /* evaluated in training until mark; */
    uint64_t counted; /* the target's count there */
    double best;      /* of the bound; NaN: none yet */
} inference;

extern const slivi_option inference_options[];

/* The program's defaults of the options of learning are the posterior's. */
int inference_defaults(args *a);
/* Targets by name, for --list. */
void inference_list(void);

/* Target and posterior as the options say; with --resume or --eval-only as the
   run in the folder says, which the options must not contradict.  Close it in
   any case. */
int inference_open(inference *r, args *a);
/* Opens the folder, which was not touched before, and the records. */
int inference_begin(inference *r);
void inference_close(inference *r);

/* Trains on, with a line of metrics at every look at the bound and checkpoints.
   A signal ends it at the next look. */
int inference_train(inference *r);

#endif
