/* slivi/ais.h - the evidence p(x) = int N(z; 0, I) p(x|z) dz of many images at
   once by annealed importance sampling (Neal, "Annealed importance sampling",
   2001; for decoders, and with the reverse direction, Wu, Burda, Salakhutdinov
   and Grosse, "On the quantitative analysis of decoder-based generative
   models", 2017).

   The path is pi_t(z) ~ N(z; 0, I) p(x|z)^t along temperatures
   0 = t_0 < ... < t_{K-1} = 1.  A chain begins at a draw of the prior; then
   for k = 1..K-1

     log w += (t_k - t_{k-1}) log p(x|z)
     z moves by one transition of Hamiltonian Monte Carlo that keeps pi_{t_k}

   and log_evidence is the log of the mean of w over the chains of an image.

   Step sizes: fixed for each temperature (eps), E[w] is exactly p(x), so that
   log_evidence is a lower bound of log p(x) on average.  With eps NULL one step
   size, of all chains of the call, is led by their acceptance; that is the
   protocol of Song, Garg, Shi and Ermon, "Sliced score matching", 2019, whose
   numbers are the defaults.  It is not quite unbiased, and its results depend
   on which images a call has.  slivi_ais_tune finds fixed sizes with other
   draws, best on other images.

   Of an image that was drawn together with its z from the model, z is an exact
   draw of p(z|x), and the chains of slivi_ais_backward, which begin there, give
   an upper bound on average: with both, log p(x) lies between.  It is not known
   of other images, for which there is no such z.

   What it cannot see: a mode that chains do not reach is missing from
   log_evidence, and from se and ess.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_AIS_H
#define SLIVI_AIS_H

#include "slivi/hmc.h"
#include "slivi/importance.h"
#include "slivi/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ll[r] = log p(x|z_r) for rows z_r (n x d) and the image x with number
   image[r] (0 is the call's first), and its gradient in z (n x d).  Every call
   has the rows of all images, those of an image together.  z is finite.  Values
   may be as in slivi_log_density; -infinity is allowed where a chain begins in
   the prior, and is a weight of zero.  Nonzero fails. */
typedef int slivi_log_likelihood(size_t n, size_t d, const size_t *image,
                                 const double *z, double *ll, double *grad,
                                 void *ctx);

typedef struct slivi_ais {
    size_t chains;          /* of an image, >= 1, default 16 */
    size_t temperatures;    /* K, 2 <= K < 2^32, default 1000 */
    const double *schedule; /* K temperatures; NULL: slivi_ais_schedule's */
    size_t leapfrogs;       /* of a transition, default 9: 10 gradients, of
                               which one is known */
    const double *eps;      /* K step sizes, of which the first is not used; or
                               NULL: led by acceptance, as `tuner` says */
    slivi_hmc_tuner tuner;
    uint64_t seed;
    uint64_t first; /* number of the call's first image, an address of draws:
                       images may be split among calls */
} slivi_ais;

slivi_ais slivi_ais_default(void);

/* t[k] = s(k) rescaled to t[0] = 0, t[count - 1] = 1, with s the logistic
   function on `count` >= 2 evenly spaced points of [-4, 4]. */
void slivi_ais_schedule(size_t count, double *t);

/* What else a run can give, each NULL or an array to fill; on failure their
   contents are not specified.  Row r is chain r mod chains of image r / chains.
   */
typedef struct slivi_ais_trace {
    double *log_weight; /* rows: of w forward, of 1/w backward */
    double *z;          /* rows x d, where the chains ended: forward, about
                           draws of p(z|x) */
    double *eps;        /* K, step sizes used; the first is 0 */
    double *accept;     /* K, mean probability of acceptance; the first is 0 */
} slivi_ais_trace;

typedef struct slivi_ais_workspace slivi_ais_workspace;

/* Workspace for up to images x how->chains chains in d dimensions.  Distinct
   workspaces may be used by distinct threads. */
slivi_ais_workspace *slivi_ais_workspace_create(const slivi_ais *how,
                                                size_t images, size_t d);
void slivi_ais_workspace_free(slivi_ais_workspace *ws);

/* An estimate of log p(x) for each image (out has `images`): with its standard
   error by the delta method (infinite for one chain) and the effective number
   of its chains.  Where all weights are zero it is -infinity, as of
   slivi_importance_evidence.  trace may be NULL.  On failure out is as it was.
   Allocates nothing. */
int slivi_ais_forward(slivi_ais_workspace *ws, slivi_log_likelihood *log_lik,
                      void *ctx, size_t images, const slivi_ais *how,
                      slivi_evidence *out, const slivi_ais_trace *trace);

/* The same chain in reverse, from K-1 down to 1, beginning at exact draws z of
   p(z|x) (images x chains x d); needs how->eps, those of the forward runs.  The
   estimate is minus the log of the mean of 1/w: an upper bound on average,
   whatever the chains of an image have in common.  The se takes them as
   independent, so it is too small where they begin at the same z. */
int slivi_ais_backward(slivi_ais_workspace *ws, slivi_log_likelihood *log_lik,
                       void *ctx, size_t images, const double *z,
                       const slivi_ais *how, slivi_evidence *out,
                       const slivi_ais_trace *trace);

/* Sets eps (K of them) from 1..65535 passes over pilot images.  Pass 0 is led
   by acceptance; pass p multiplies eps[k], within tuner.least..most, by
   exp(2 (mean acceptance at k - tuner.target) / (p + 1)).  The draws are none
   of those of the other functions.  how->eps is ignored.  Few temperatures need
   a tuner.eps that is near right for the first of them, or more passes. */
int slivi_ais_tune(slivi_ais_workspace *ws, slivi_log_likelihood *log_lik,
                   void *ctx, size_t images, size_t passes,
                   const slivi_ais *how, double *eps);

#ifdef __cplusplus
}
#endif
#endif
