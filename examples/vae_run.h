/* vae_run.h - a run of slivi-vae: made from options, saved, gone on with.

   Functions that can fail complain and return an exit code.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef VAE_RUN_H
#define VAE_RUN_H

#include "data.h"
#include "record.h"

#include <slivi/vae.h>

typedef struct vae_run {
    args *args; /* the caller's */
    data images;
    slivi_vae *vae;
    experiment place;
    record metrics;
    slivi_checkpoint *old; /* of the run that goes on, or NULL */
    size_t steps, batch, eval_images;
    slivi_vae_losses sum; /* since the last line of metrics */
    size_t summed;
    double seconds, mark; /* of training until mark, on the clock */
    double saved;         /* clock at the last checkpoint */
    json_t *last;         /* the last line of metrics */
    char about[128];      /* the images, in words */
} vae_run;

/* Images, model and folder as the options say; with --resume or --eval-only
   as the run in the folder says, which the options must not contradict.  The
   folder is touched last. */
int vae_run_open(vae_run *r, args *a); /* close it in any case */
void vae_run_close(vae_run *r);

/* Appends the means since the last line to metrics.jsonl. */
int vae_run_line(vae_run *r, int validate);
/* A line, a checkpoint, and (shows) pictures and report.html. */
int vae_run_save(vae_run *r, int shows);
/* Pictures and report.html. */
int vae_run_show(vae_run *r);

#endif
