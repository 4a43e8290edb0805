/* slivi/target.h - targets: the log density that inference is to follow.

   A target is a density on R^d, known up to a constant, with its gradient.  It
   is made from a function of the caller,

       slivi_target *t = slivi_target_create(d, my_log_density, my_data);

   from one of constrained parameters (slivi/transform.h), whose unbounded
   coordinates are then the target's,

       static const slivi_parameter parameters[] = {
           {.name = "mu"}, {.name = "tau", .support = "lower"}};
       t = slivi_target_create_on(2, parameters, my_log_density, my_data);

   from one of GSL's functions to be minimised, from an expression (slivi/
   graph.h), or from a Stan model (BridgeStan).  Results go back to the
   caller's parameters by slivi_target_outside.

   Points where the density is zero or cannot be had: the function sets
   lp = -infinity (its gradient is then not looked at) and returns 0.  It
   returns nonzero when nothing can go on; the call that asked then fails with
   SLIVI_ECALLBACK.  What it does not set is found: lp and grad are NaN before.

   Threads: functions are called on the caller's thread only, unless
   slivi_target_set_pool says that they can do more.  A target is used by one
   thread at a time.

   This header's interface is kept.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TARGET_H
#define SLIVI_TARGET_H

#include "slivi/graph.h"
#include "slivi/hmc.h"
#include "slivi/pool.h"
#include "slivi/transform.h"

#include <gsl/gsl_multimin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slivi_target slivi_target;

/* ---- making targets ---------------------------------------------------- */

/* slivi_log_density (slivi/hmc.h): lp (n) and grad (n x d) at rows x (n x d).
   ctx must outlive the target.  NULL with SLIVI_EINVAL (d 0) or
   SLIVI_ENOMEM, as all below. */
slivi_target *slivi_target_create(size_t d, slivi_log_density *f, void *ctx);

/* f is the log density of theta and its gradient; the target is that of u.
   Where theta overflows, f is not asked: the density counts as 0. */
slivi_target *slivi_target_create_on(size_t count,
                                     const slivi_parameter parameters[],
                                     slivi_log_density *f, void *ctx);

/* Amortised: a density for each context c (n x k, a row for each of x): what
   is learnt is q(z | c). */
typedef int slivi_log_density_given(size_t n, size_t d, const double *x,
                                    size_t k, const double *c, double *lp,
                                    double *grad, void *ctx);
slivi_target *slivi_target_create_given(size_t d, size_t k,
                                        slivi_log_density_given *f, void *ctx);

/* Minibatches: lp = log prior + scale * sum over the m data rows index[0..m-1]
   of log likelihoods; index NULL: all the `rows` of them, m = rows, scale 1. */
typedef int slivi_log_density_part(size_t n, size_t d, const double *x,
                                   size_t m, const size_t *index, double scale,
                                   double *lp, double *grad, void *ctx);
/* Parts of `batch` of the rows (1..rows), a new random order in every sweep
   over them.  Part of m rows has scale rows / m, also a last part that is short:
   so each step's gradient is unbiased.  Training takes
   slivi_target_part(step); everything else uses all rows. */
slivi_target *slivi_target_create_parts(size_t count,
                                        const slivi_parameter parameters[],
                                        size_t rows, size_t batch,
                                        uint64_t seed,
                                        slivi_log_density_part *f, void *ctx);

/* What GSL would minimise is minus the log density.  f is copied, f->params
   must outlive the target.  Only f->fdf is called.  A value that is not finite
   counts as density 0. */
slivi_target *slivi_target_from_gsl(const gsl_multimin_function_fdf *f);

/* lp (SLIVI_ROWS x 1) is the log density at the rows of the input x (SLIVI_ROWS
   x d) in an f64 graph, which must outlive the target; its gradient is added to
   the graph, which is not to change from then on.  SLIVI_EUNSUPPORTED where lp
   jumps; SLIVI_EINVAL where it depends on another input, on draws, or, in one
   row, on another row of x. */
slivi_target *slivi_target_from_graph(slivi_graph *g, slivi_node x,
                                      slivi_node lp);

/* A Stan model, compiled by BridgeStan to the shared object `so` and given its
   data (a path that ends in .json, JSON text, or NULL).  Opened at run time;
   slivi is not linked to it.  Points where the model throws count as density
   0, and slivi_target_refused tells how many.  Parameters outside include
   transformed ones.  SLIVI_EIO: it cannot be opened; SLIVI_EFORMAT: it lacks a
   function; SLIVI_ECALLBACK: the model refused the data, with its words. */
slivi_target *slivi_target_from_bridgestan(const char *so, const char *data,
                                           unsigned seed);

void slivi_target_free(slivi_target *t); /* NULL is fine */

/* When the target is freed, release(ctx) is called last, so that a target can
   own the ctx of its function.  Of several such calls the last one counts. */
void slivi_target_own(slivi_target *t, void (*release)(void *ctx), void *ctx);

/* ---- what a target is --------------------------------------------------- */

size_t slivi_target_dim(const slivi_target *t);     /* d, unbounded */
size_t slivi_target_context(const slivi_target *t); /* k, 0: not amortised */
size_t slivi_target_rows(const slivi_target *t);    /* of data; 0: no parts */
/* Parameters as the caller knows them: their number, and the name of number i
   (z[1], z[2], ... where there are no names), owned by t. */
size_t slivi_target_outside_dim(const slivi_target *t);
const char *slivi_target_name(const slivi_target *t, size_t i);

/* ---- use ---------------------------------------------------------------- */

/* lp (n) and grad (n x d, or NULL) at z (n x d, finite), contexts c (n x k; NULL
   where k is 0).  lp is a number or -infinity; where it is that, grad's row is
   0.  SLIVI_ENONFINITE names the point and the component: lp NaN or +infinity,
   or a gradient that is not finite at a finite lp.  A function of the caller
   sees blocks of up to 64 points, cut by n alone.  Allocates nothing. */
int slivi_target_eval(slivi_target *t, size_t n, const double *z,
                      const double *c, double *lp, double *grad);
/* The same as a slivi_log_density, ctx the target (one without contexts): what
   slivi/hmc.h, slivi/ais.h and slivi/sampler.h take.  A trajectory may come to
   where a density breaks down, and is then rejected; so what slivi_target_eval
   fails with SLIVI_ENONFINITE for is here lp NaN and a gradient 0, and counts
   as refused. */
int slivi_target_log_density(size_t n, size_t d, const double *x, double *lp,
                             double *grad, void *target);

/* theta (n x outside) at z, and z from theta (SLIVI_EUNSUPPORTED for targets
   that have no way back). */
int slivi_target_outside(slivi_target *t, size_t n, const double *z,
                         double *theta);
int slivi_target_inside(slivi_target *t, size_t n, const double *theta,
                        double *z);

/* From now on evaluations see the part of training step `step`, a pure function
   of seed and step; SIZE_MAX, and at first: all rows.  A target without parts
   is as it was. */
int slivi_target_part(slivi_target *t, size_t step);

/* Points are shared out among the pool's threads (NULL: none).  For a caller's
   function this is the caller's promise that it may be called by several
   threads at once.  Results have the same bits for any pool.
   SLIVI_EUNSUPPORTED: a Stan model that was not built with STAN_THREADS=true,
   GSL's functions.  The pool must outlive the target. */
int slivi_target_set_pool(slivi_target *t, slivi_pool *pool);

/* Points evaluated so far (also by the check below), and those among them where
   the density was zero or could not be had. */
uint64_t slivi_target_evaluated(const slivi_target *t);
uint64_t slivi_target_refused(const slivi_target *t);
/* What was said at the last of these (a Stan model's exception); "" if
   nothing. */
const char *slivi_target_refusal(const slivi_target *t);

/* ---- is the gradient right? ---------------------------------------------- */

typedef struct slivi_target_check {
    double error;     /* largest |gradient - difference| / (1 + |difference|
                         + 1e4 of what the difference may be off by) */
    size_t point;     /* where: row and component, */
    size_t component;
    double gradient, difference; /* and the two there */
} slivi_target_check;

/* Compares the gradient at n points (n x d, contexts as above) with central
   differences of lp (steps h and h/2, extrapolated, with the h that suits best;
   32 d points for each of the n).  *out may be NULL.
   SLIVI_EINVAL, with both numbers in the message, where the error exceeds
   1e-4; SLIVI_ENONFINITE where lp is not finite at a point. */
int slivi_target_check_gradient(slivi_target *t, size_t n, const double *z,
                                const double *c, slivi_target_check *out);

#ifdef __cplusplus
}
#endif
#endif
