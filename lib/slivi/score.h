/* slivi/score.h - score estimators: samples in, scores and entropy gradients
   out.

   A score estimator learns s(z) = d log q(z) / dz, or the conditional
   s(z | c) = d log q(z | c) / dz, from samples of q alone.  Those with a net
   are trained by score matching (Hyvarinen 2005; sliced: Song, Garg, Shi and
   Ermon 2019), see slivi/objective.h; those of kernels, "stein" and "ssge",
   have closed forms, see slivi/kernelscore.h.

       slivi_score *s = slivi_score_create("ssm-vr", 2, 0);
       slivi_score_set(s, "seed", 1);
       slivi_score_fit(s, z, NULL, n, NULL, NULL, NULL);
       slivi_score_eval(s, z, NULL, n, out, NULL);
       slivi_score_free(s);

   Samples are rows: z is n x dim, c is n x context, row-major, double.

   Kernels: an update and a fit are the same, the samples take the place of
   those before.  With a context, samples whose contexts have the same bits form
   a group with a kernel of its own, 2 to 32,000 samples each in any number of
   groups and any order; scores are had for just those contexts.  At a sample
   the score is that of slivi_kernelscore_samples, at any other point that of
   slivi_kernelscore_eval.  m samples of a group take m^2 numbers of memory
   (ssge 3 m^2 while it fits) and m^3 operations.

   Threads: distinct estimators may be used in distinct threads.
   slivi_score_eval and slivi_entropy_grad read the estimator only, so several
   threads may call them at once, each with its own workspace (or NULL).

   This header's interface is kept.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_SCORE_H
#define SLIVI_SCORE_H

#include "slivi/option.h"
#include "slivi/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slivi_score slivi_score;
typedef struct slivi_score_workspace slivi_score_workspace;

/* Names of the estimators, NULL-terminated, and one line about each (NULL for
   an unknown name). */
extern const char *const slivi_score_names[];
const char *slivi_score_help(const char *name);

/* An estimator of that name for samples of `dim` columns and contexts of
   `context` columns (0: none).  NULL with SLIVI_ENAME, SLIVI_EINVAL (dim 0) or
   SLIVI_ENOMEM. */
slivi_score *slivi_score_create(const char *name, size_t dim, size_t context);
void slivi_score_free(slivi_score *s); /* NULL is fine */

const char *slivi_score_name(const slivi_score *s);
size_t slivi_score_dim(const slivi_score *s);
size_t slivi_score_context(const slivi_score *s);

/* ---- options ---------------------------------------------------------- */

/* The table of an estimator's own options, with defaults and helps:
     hidden "64,64"   activation "tanh"   base "gaussian"   slices 1
     law "rademacher"   sigma 0.1 (dsm)   batch 128   check 200   patience 20
     held-out 0.1   precision "f32"   threads 1   seed 0
   and, of kernels (slivi/kernelscore.h):
     width 0   eta 1e-3 (stein)   share 0.99 (ssge)   rank 0 (ssge)
   Options that an estimator has no use for are ignored; of kernels these are
   all but those four and threads, precision, too: they count in double.
   Beside them it takes the options of learning (slivi/learn.h), among them
   optimizer (here "adam"), rate 1e-3, schedule "constant", warmup, clip,
   average, and steps, which is how many a fit takes at most (0: 20,000) and at
   which the schedules linear and cosine, which need it, arrive at 0. */
extern const slivi_option slivi_score_options[];

/* Set an option by name, by number or by text ("hidden", "64,64").  Options
   are fixed by the first update, fit, loss or workspace: later only "rate"
   may be set (the others fail with SLIVI_EINVAL). */
int slivi_score_set(slivi_score *s, const char *name, double value);
int slivi_score_set_text(slivi_score *s, const char *name, const char *text);
/* The value as text that slivi_score_set_text reads back. */
int slivi_score_get(const slivi_score *s, const char *name, char *text,
                    size_t room);

/* ---- training --------------------------------------------------------- */

/* One optimiser step on n >= 1 fresh samples (ctx NULL when there is no
   context; one that is given to an estimator without is refused).  Allocates
   on the first call and when n is larger than ever before.  With base gaussian
   and no context the base's moments first follow the samples.  *loss, unless
   NULL, receives the objective before the step.
   SLIVI_ENONFINITE: a sample, the loss or a gradient is not finite; the
   estimator is as before the call.
   Kernels: no step, these samples replace all before; *loss is NaN.  Allocates
   when there are more samples, groups, or samples in a group than ever before,
   and in the call after that.
   SLIVI_EINVAL: a group of one sample, of more than 32,000, or of equal ones;
   SLIVI_ENOTPD: eta is too small; the estimator is as before. */
int slivi_score_update(slivi_score *s, const double *z, const double *ctx,
                       size_t n, double *loss);

typedef struct slivi_score_progress {
    size_t step;      /* optimiser steps done */
    double held_out;  /* objective on the held-out samples */
    double best;      /* the lowest so far */
    size_t best_step; /* where */
    int stopped;      /* 1 in the last report */
} slivi_score_progress;

/* Called after every evaluation of the held-out objective; nonzero stops the
   fit, which then returns 0 with the best parameters so far. */
typedef int slivi_score_report(const slivi_score_progress *p, void *ctx);

/* Train to convergence on n samples: minibatches in random order; every
   `check` steps the objective on the held-out share of the samples (exact up
   to 64 dimensions, else with fixed slices), the best parameters kept; ends
   after `steps` steps or `patience` checks without a better one.  Starts from
   the present parameters, with the schedule begun anew; moments of the base are
   those of all the training samples.  final, unless NULL, receives the last
   progress.  On failure the estimator has the best parameters of this fit if
   the held-out objective was evaluated, and else is as before the call.
   Kernels: an update with all n >= 2 samples; nothing is held out, report is
   never called, and final is {0, NaN, NaN, 0, 1}. */
int slivi_score_fit(slivi_score *s, const double *z, const double *ctx,
                    size_t n, slivi_score_report *report, void *report_ctx,
                    slivi_score_progress *final);

/* ---- use -------------------------------------------------------------- */

/* Scratch for evaluations; any number of rows is worked through in blocks.
   With kernels it grows in an evaluation of more points, or from more samples,
   than ever before. */
slivi_score_workspace *slivi_score_workspace_create(slivi_score *s);
void slivi_score_workspace_free(slivi_score_workspace *ws); /* NULL is fine */

/* out (n x dim) = s(z) or s(z | c).  ws NULL: scratch is made and freed.
   SLIVI_EINVAL before the first update, fit or load; with kernels also for a
   context that no samples had, and then out is as before. */
int slivi_score_eval(const slivi_score *s, const double *z, const double *ctx,
                     size_t n, double *out, slivi_score_workspace *ws);

/* out (n x dim) = -s(z), per sample, not divided by n.  For z = g(eps; phi)
   the entropy's gradient is  d H / d phi = E[ (dz/dphi)' out ]  (the gradient
   of log q with respect to phi has mean zero): ascend H along it. */
int slivi_entropy_grad(const slivi_score *s, const double *z, const double *ctx,
                       size_t n, double *out, slivi_score_workspace *ws);

/* The objective on n samples without a step: exact trace where dim <= 64, else
   with `slices` fixed slices; dsm's own.  In standardised units u
   (slivi/scorenet.h); with a Gaussian base and a context in units of the sds at
   the last fit (1 before one).  SLIVI_EUNSUPPORTED: kernels have none. */
int slivi_score_loss(slivi_score *s, const double *z, const double *ctx,
                     size_t n, double *loss);

/* ---- files ------------------------------------------------------------ */

/* Everything, so that a loaded estimator evaluates and goes on training bit
   for bit as the saved one would.  Written atomically.  Of kernels the samples
   and contexts are saved, and loading fits them again. */
int slivi_score_save(const slivi_score *s, const char *path);
slivi_score *slivi_score_load(const char *path);

#ifdef __cplusplus
}
#endif
#endif
