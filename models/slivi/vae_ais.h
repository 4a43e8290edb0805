/* slivi/vae_ais.h - log p(x) of a vae's decoder by annealed importance sampling
   (slivi/ais.h has what it is, and what it cannot see).

   The decoder is that of the averaged parameters, where they are kept, and the
   encoder has no part in it: so it judges proposals that were fitted with its
   help, as those of slivi_vae_log_likelihood.

   Nearly all time goes into gradients of log p(x|z).  They are made for up to
   256 chains at a time and shared out among the vae's threads in pieces of up
   to 64: groups of fewer chains leave threads idle.

   Images of a bernoulli likelihood are 0 and 1; others are refused.

   progress, unless NULL, is called before every piece of that work, which is some
   milliseconds of it, with the number of finished images, and once more when
   all are finished; it should be quick and leave v alone.  Nonzero stops with
   SLIVI_ECALLBACK.  After a failure, results are written for finished images
   only.

   Threads, and UNSTABLE, as slivi/vae.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_VAE_AIS_H
#define SLIVI_VAE_AIS_H

#include "slivi/ais.h"
#include "slivi/vae.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An estimate of log p(x) for each of n images, a lower bound on average, in
   groups of `group` >= 1 images that move together; se, unless NULL, receives
   each estimate's own standard error.  Image i has the number how->first + i
   in the address of its draws.

   With how->eps results do not depend on group, which is brought down to what
   keeps the images of all chains within 32 MiB.  With how->eps NULL the chains
   of a group lead one step size, so that results do depend on it, and a group
   takes group x chains x dim values of memory.  (Song, Garg, Shi and Ermon,
   2019: the defaults of slivi_ais, groups of 32.) */
int slivi_vae_ais(slivi_vae *v, const float *x, size_t n, const slivi_ais *how,
                  size_t group, double *logp, double *se,
                  int (*progress)(size_t done, void *ctx), void *ctx);

/* Step sizes for how->eps, as slivi_ais_tune, from n >= 1 pilot images, all of
   them one group.  progress, unless NULL, is called as above, with done 0. */
int slivi_vae_ais_tune(slivi_vae *v, const float *x, size_t n, size_t passes,
                       const slivi_ais *how, double *eps,
                       int (*progress)(size_t done, void *ctx), void *ctx);

/* Both bounds for n pairs z ~ N(0, I), x ~ p(x|z) drawn from the model: on
   average forward <= log p(x) <= backward, and the mean difference is the most
   that forward falls short (Wu, Burda, Salakhutdinov and Grosse 2017; Grosse,
   Ghahramani and Adams 2015).  It says so of the model's own images, with those
   step sizes: of others only as far as they are alike.  how->eps must be set.

   Pair i has the number how->first + i; with `stream` it selects z, and x.
   z are those of slivi_vae_sample where how->first is 0, and the bits of a
   bernoulli likelihood then slivi_vae_binarise's of its means.  All backward
   chains of a pair begin at its z, so they have much in common: the spread of
   backward over pairs is to be trusted, their own standard errors would not
   be, and there are none here. */
int slivi_vae_ais_gap(slivi_vae *v, size_t n, const slivi_ais *how,
                      size_t group, uint64_t stream, double *forward,
                      double *backward, int (*progress)(size_t done, void *ctx),
                      void *ctx);

#ifdef __cplusplus
}
#endif
#endif
