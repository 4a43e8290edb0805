/* run.h - a run of an auto-encoder: made from options, saved, gone on with.

   Functions that can fail complain and return an exit code.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef RUN_H
#define RUN_H

#include "autoencoder.h"
#include "data.h"
#include "nll.h"
#include "record.h"

#include <slivi/vae.h>

typedef struct run {
    const autoencoder *spec; /* the caller's, as are args */
    args *args;
    data images;
    slivi_vae *vae;
    experiment place;
    record metrics;
    slivi_checkpoint *old; /* of the run that goes on, or NULL */
    size_t steps, batch;
    nll eval;
    slivi_vae_losses sum; /* since the last line of metrics */
    size_t summed;
    double seconds, mark; /* of training until mark, on the clock */
    double saved;         /* clock at the last checkpoint */
    json_t *last;         /* the last line of metrics */
    char about[128];      /* the images, in words */
} run;

/* Images, model and folder as the options say; with --resume or --eval-only
   as the run in the folder says, which the options must not contradict.  The
   folder is touched last. */
int run_open(run *r, const autoencoder *spec,
             args *a); /* close it in any case */
void run_close(run *r);

/* Appends the means since the last line to metrics.jsonl. */
int run_line(run *r, int validate);
/* A line, a checkpoint, and (shows) pictures and report.html. */
int run_save(run *r, int shows);
/* Pictures and report.html. */
int run_show(run *r);

#endif
