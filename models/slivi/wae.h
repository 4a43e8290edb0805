/* slivi/wae.h - Wasserstein auto-encoders.

   The encoder is deterministic, z = net(x), and training minimises

     E |x - G(z)|^2 + lambda D(q(z), p)

   the squared error summed over the values of an image, q(z) the distribution
   of the codes of all images, p = N(0, I), and D as option "entropy" says
   (Tolstikhin, Bousquet, Gelly and Schoelkopf 2018; with scores Song, Garg, Shi
   and Ermon 2019, section 5.2):

     ssm-vr, ssm, sm, dsm   KL(q(z) | p), its gradient E[(z + s(z))' dz] by a
                            score net s(z) trained alongside on the codes
     stein, ssge            the same, s from the codes of a batch by kernels
     mmd                    MMD^2 between the codes of a batch and as many draws
                            of p, with the kernels of slivi/discrepancy.h

   A WAE is a slivi_vae with other options: every function of slivi/vae.h serves
   it, but slivi_vae_bound.  G's output passes through a sigmoid with likelihood
   bernoulli, and log p(x) takes its logits as those of bits; with likelihood
   gaussian it is a mean, and log p(x) takes option "x-sd" as its standard
   deviation.  Of the losses of a step, reconstruction is the squared error and
   prior -E log p(z), both without lambda; score is MMD^2 with mmd.

   UNSTABLE until 1.0.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_WAE_H
#define SLIVI_WAE_H

#include "slivi/vae.h"

#ifdef __cplusplus
extern "C" {
#endif

/* entropy, lambda, latent, hidden, ...; learning options can be set as well. */
extern const slivi_option slivi_wae_options[];

/* For images of dim values; slivi_vae_free releases it. */
slivi_vae *slivi_wae_create(size_t dim);

#ifdef __cplusplus
}
#endif
#endif
