/* slivi/vae.h - variational auto-encoders with explicit and implicit
   encoders.  (slivi/wae.h: Wasserstein auto-encoders.)

   The model is p(z) = N(0, I), p(x|z) = Bernoulli(logits(z)) for binary x or
   N(mean(z), sd^2 I) for real x.  The encoder is

     gaussian   z = mu(x) + sigma(x) e            e ~ N(0, I)
     implicit   z = net(x, e)
     residual   z = mu(x) + sigma(x) t,  t = e + tanh r(x, e),  r = 0 at first

   and training minimises E[-log p(x|z) - log p(z)] - H(q(z|x)), or a tighter
   bound.  Where the gradient of the entropy H is from is option "entropy":

     closed    in closed form (gaussian only; then KL(q|p) is exact)
     iwae      part of the importance-weighted bound with `particles` draws
               (Burda, Grosse and Salakhutdinov 2016; gaussian only)
     ssm-vr, ssm, sm, dsm
               -E[ s(z|x)' dz/dphi ]  with a score net s(z|x) that is trained
               alongside by score matching (Song, Garg, Shi and Ermon 2019,
               section 5): each step first takes `score-steps` steps on the
               score net, with z drawn from the present encoder, and then one on
               encoder and decoder with fresh z
     stein, ssge
               the same, s from an image's own `particles` draws by kernels
               (slivi/kernelscore.h)

   The score of residual is that of t given x; the rest of its entropy, the sum
   of log sigma(x), is in closed form.

   What the score net is given beside a draw is option "context":

     image   the image, as in the paper.  The net must find from it where the
             posterior lies, which may be narrow
     code    the code, which is the encoder's z at e = 0 (of residual, mu and
             what tanh r(x, 0) adds), and the draw less where it is at e = 0.
             The score can be exact where the code determines the shape of
             q(z|x)
     both    the image, and the draw less where it is at e = 0

   Where there is no score net the option has no effect.  Learning option
   "warmup" does not hold for the score net, which follows the encoder.

   In a step each image has `particles` draws of z.  All are in the prior's and
   the entropy's term and train the score net (each has a slice of its own);
   the first `decoded` of them are decoded (iwae: all).

   Images are rows of floats in [0, 1], n x dim.

   Threads: one thread at a time for one vae (it has a pool of its own, option
   "threads").  Results do not depend on the number of threads.

   UNSTABLE until 1.0.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_VAE_H
#define SLIVI_VAE_H

#include "slivi/io.h"
#include "slivi/option.h"
#include "slivi/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slivi_vae slivi_vae;

/* encoder, entropy, latent, hidden, likelihood, slices, ...; learning options
   (optimizer, rate, ...: slivi/learn.h) can be set as well and hold for all
   nets, "score-rate" multiplying the score net's rate. */
extern const slivi_option slivi_vae_options[];

/* For images of dim values. Set options, then use: the first step (or load)
   fixes them. */
slivi_vae *slivi_vae_create(size_t dim);
void slivi_vae_free(slivi_vae *v); /* NULL is fine */
int slivi_vae_set(slivi_vae *v, const char *name, const char *text);
int slivi_vae_get(const slivi_vae *v, const char *name, char *text,
                  size_t room);
/* Checks that the options fit together and allocates everything; called by
   the first step if it was not before. */
int slivi_vae_ready(slivi_vae *v);

typedef struct slivi_vae_losses {
    double reconstruction; /* -E log p(x|z), nats for each image */
    double prior;          /* closed, iwae: KL(q|p); else -E log p(z) */
    double score;          /* objective of the score net; NaN without one */
    double stein;          /* E[s(z|x)'z] + latent (residual: of t; context
                              code, both: less where it is at e = 0):
                              0 for the exact score; NaN where there is none */
    double norm;           /* of the encoder's and decoder's gradient */
} slivi_vae_losses;

/* One training step on n images, n up to option "batch".  x is binarised anew
   (u < pixel) where the likelihood is bernoulli and option "binarise" is
   "dynamic".  A value that is not finite, or with likelihood bernoulli not in
   [0, 1], is refused before anything changes.  SLIVI_ENONFINITE of a loss or gradient
   names the tensor; encoder and decoder are then as before the step, and the
   score net may have done some of its steps.  Allocates nothing after the
   first. */
int slivi_vae_step(slivi_vae *v, const float *x, size_t n,
                   slivi_vae_losses *losses);
size_t slivi_vae_steps(const slivi_vae *v); /* taken so far */
size_t slivi_vae_dim(const slivi_vae *v);
size_t slivi_vae_latent(const slivi_vae *v);

/* The functions below use the averaged parameters where they are kept
   (learning option "average"). `stream` (any number) selects the draws. */

/* One draw of z (n x latent) from q(z|x) for each image; x as given (not
   binarised). */
int slivi_vae_encode(slivi_vae *v, const float *x, size_t n, uint64_t stream,
                     float *z);
/* Means of p(x|z), n x dim. */
int slivi_vae_decode(slivi_vae *v, const float *z, size_t n, float *x);
/* Means of p(x|z), n x dim, for z drawn from the prior. */
int slivi_vae_sample(slivi_vae *v, size_t n, uint64_t stream, float *x);
/* decode(encode(x)). */
int slivi_vae_reconstruct(slivi_vae *v, const float *x, size_t n,
                          uint64_t stream, float *out);
/* x with Bernoulli(pixel) draws in place of pixels, by u < pixel. */
int slivi_vae_binarise(const slivi_vae *v, const float *x, size_t n,
                       uint64_t stream, float *out);

/* The importance-weighted bound log (1/k) sum p(x, z_i) / q(z_i|x) for each
   image (Burda, Grosse and Salakhutdinov 2016; k = 1: the ELBO's one-sample
   estimate).  Gaussian encoder only. */
int slivi_vae_bound(slivi_vae *v, const float *x, size_t n, size_t k,
                    uint64_t stream, double *bound);

/* The ELBO, E[log p(x, z)] + H(q(z|x)), of each image from `draws` >= latent + 2
   draws of q, with the entropy of the normal law that has their covariance.
   For a gaussian encoder that is the ELBO, on average.  For the others, whose
   entropy is not known, it is no less than the ELBO, since of all laws with a
   covariance the normal one has the largest entropy (Cover and Thomas 2006,
   thm 8.6.5); what few draws do to the covariance's determinant is taken off as
   for a normal law, so take many more than latent.
   log p(x) less this is the divergence KL(q(z|x) | p(z|x)) or, of an encoder
   that is not gaussian, a part of it: nats that the encoder is away from the
   posterior (the inference gap of Cremer, Li and Duvenaud 2018).
   -infinity where the draws lie in fewer dimensions, to rounding.
   x is n x dim, 0 or 1 for bernoulli (other pixels are taken as they are), elbo
   has n values.  An image's draws depend on its number in the call, and on no
   other image.  progress, unless NULL, is called after each image, and nonzero
   stops with SLIVI_ECALLBACK; only finished images' values are written.
   SLIVI_EUNSUPPORTED: a Wasserstein auto-encoder; SLIVI_EINVAL: too few draws;
   SLIVI_ENONFINITE names an image without a finite x or log p(x, z). */
int slivi_vae_elbo(slivi_vae *v, const float *x, size_t n, size_t draws,
                   uint64_t stream, double *elbo,
                   int (*progress)(size_t done, void *ctx), void *ctx);

/* log p(x) of n images by importance sampling with `draws` final draws each
   (slivi/importance.h): on average a lower bound.  Up to 64 dimensions the
   proposals lie at the modes of p(z|x) that climbs from the encoder's mean and
   from draws of the prior reach, each a Gaussian fitted there by its gradients
   (Opper and Archambeau 2009); beyond, they are fitted to draws.  An image's
   estimate depends on its number in the call, and on no other image.  x must be as the likelihood wants it (0 or 1 for bernoulli).
   se, unless NULL, receives each estimate's own standard error.  progress,
   unless NULL, is called after each image, and nonzero stops with
   SLIVI_ECALLBACK; logp and se are written for finished images only. */
int slivi_vae_log_likelihood(slivi_vae *v, const float *x, size_t n,
                             size_t draws, uint64_t stream, double *logp,
                             double *se,
                             int (*progress)(size_t done, void *ctx),
                             void *ctx);

/* Everything needed to go on bit for bit, into a checkpoint (to which the
   caller may add its own) and back.  Loading needs a vae of the same options
   and dim, checks before it changes, and names what differs.  An option that a
   checkpoint of an earlier version does not have counts as its default. */
int slivi_vae_save(const slivi_vae *v, slivi_checkpoint *c);
int slivi_vae_load(slivi_vae *v, const slivi_checkpoint *c);
/* A vae with the options and dim that the checkpoint tells, loaded. */
slivi_vae *slivi_vae_from(const slivi_checkpoint *c);

#ifdef __cplusplus
}
#endif
#endif
