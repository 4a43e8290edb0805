/* slivi/posterior.h - a log density in, a posterior out.

   A posterior is a distribution q(z), or q(z | c) for an amortised target, that
   is trained to follow a target p (slivi/target.h) by descending
   KL(q || p) = E_q[log q - log p], and from which independent draws are cheap.

       slivi_target *t = slivi_target_create(d, my_log_density, my_data);
       slivi_posterior *q = slivi_posterior_create("semi-implicit", t);
       slivi_posterior_set(q, "seed", 1);
       slivi_posterior_fit(q, NULL, 0, NULL, NULL, NULL);
       slivi_posterior_draw(q, n, NULL, 1, z);
       slivi_target_outside(t, n, z, theta);

   z = m + L w: m and L whiten, they are those of a Gaussian fitted first (Opper
   and Archambeau 2009), so that a standard deviation of 1e-3 is learnt as one
   of 1 is.  The families of w, with u ~ N(0, I_d) and e ~ N(0, I_k), k >= d:

     gaussian-diag   w = a + s u
     gaussian-full   w = a + T u                          T lower triangular
     implicit        w = a + T h,  h = (e_1..e_d) + r(e)   r a net
     semi-implicit   w = a + B e + r(e) + s(e) u           r, s a net's outputs
                     (Yin and Zhou, "Semi-implicit variational inference", 2018)

   Amortised ones have nets of the context for a, s and T, and the context as an
   input of r and s.  (implicit: the affine part's entropy, log |T|, is in closed
   form, and the score is learnt of h alone.)

   Entropy, where the gradient of E[log q] comes from:

     closed     exact, of the Gaussian families; path gradient (Roeder, Wu and
                Duvenaud, "Sticking the landing", 2017)
     mixture    semi-implicit: the score at z of the mixture of z's own
                component and K others, log 1/(K+1) sum_k N(z; mu_k, s_k^2),
                jackknifed over halves of the others, which takes its bias from
                O(1/K) to O(1/K^2)
     denoising  semi-implicit: a net learns E[-u/s | z], which is the score of q
                (Vincent 2011), by regression
     ksivi      semi-implicit, a peer to compare with: descends the kernel Stein
                discrepancy of q's conditional scores from p's (Cheng et al.,
                "Kernel semi-implicit variational inference", 2024); needs no
                score of q, twice more gradients of p (for p's Hessian times a
                vector, by differences)
     sm ssm ssm-vr dsm stein ssge ...   any score estimator of slivi/score.h

   Every gradient but ksivi's is the mean of (ds/dphi)' (s - grad log p) along
   draws; the mean of the gradient of log q with respect to its parameters is 0.

   The same seed gives the same posterior, bit for bit, on any number of
   threads, and also when a fit is broken off, saved, loaded and gone on with.

   Threads: a posterior is used by one thread at a time.

   This header's interface is kept.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_POSTERIOR_H
#define SLIVI_POSTERIOR_H

#include "slivi/option.h"
#include "slivi/target.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slivi_posterior slivi_posterior;

/* Families and sources of the entropy's gradient, NULL-terminated, and one
   line about each (NULL for an unknown name).  "auto" is closed; mixture, or
   denoising beyond 20 dimensions and where it is amortised (there every draw
   would need a mixture of its own); or sm and ssm-vr: as the family can. */
extern const char *const slivi_posterior_names[];
const char *slivi_posterior_help(const char *name);
extern const char *const slivi_posterior_entropy_names[];
const char *slivi_posterior_entropy_help(const char *name);

/* A posterior for this target, which it uses and must not outlive.  NULL with
   SLIVI_ENAME or SLIVI_ENOMEM. */
slivi_posterior *slivi_posterior_create(const char *family,
                                        slivi_target *target);
void slivi_posterior_free(slivi_posterior *q); /* NULL is fine */
const char *slivi_posterior_name(const slivi_posterior *q);
slivi_target *slivi_posterior_target(const slivi_posterior *q);

/* ---- options ------------------------------------------------------------ */

/* The table, with defaults and helps; beside it the options of learning
   (slivi/learn.h; defaults here optimizer adam, rate 2e-3, schedule cosine,
   average 0.999, steps 10000).  By number, or by text; fixed by the first fit. */
extern const slivi_option slivi_posterior_options[];
int slivi_posterior_set(slivi_posterior *q, const char *name, double value);
int slivi_posterior_set_text(slivi_posterior *q, const char *name,
                             const char *text);
int slivi_posterior_get(const slivi_posterior *q, const char *name, char *text,
                        size_t room);

/* ---- fitting ------------------------------------------------------------- */

typedef struct slivi_posterior_progress {
    size_t step, steps; /* done, of how many */
    double bound;       /* E_q[log p - log q_{K+1}] <= log int p, of fixed draws
                           with the averaged parameters; NaN: q has no density */
    double bound_se;
    double best;        /* the highest so far; NaN: none chooses */
    size_t best_step;   /* of the parameters that are used: the latest whose
                           bound is within two standard errors of it */
    double norm;        /* of the last gradient */
    double gap;         /* root mean square of s - grad log p over the last
                           step's draws, in whitened units and per dimension:
                           0 for q = p; NaN: family implicit */
    size_t score_steps; /* of the score for each step, at present */
    size_t draws;       /* of a step, at present */
    uint64_t refused;   /* draws of training at which the density was zero */
    int stopped;        /* in the last report: 1 steps done, 2 plateau,
                           3 the report's wish */
} slivi_posterior_progress;

/* Called after every check; nonzero stops the fit, which can go on later. */
typedef int slivi_posterior_report(const slivi_posterior_progress *p,
                                   void *ctx);

/* Whitens, if that was not done, and trains on from where q is until the
   option `steps`, or until the bound has not gained for `patience` checks.
   contexts (rows x k) of an amortised target, of which every step takes some
   at random; nets see them in units of their standard deviations; they must be
   the same when a fit goes on.
   On failure q is as after the last good step, and the message names what was
   not finite (SLIVI_ENONFINITE), where. */
int slivi_posterior_fit(slivi_posterior *q, const double *contexts, size_t rows,
                        slivi_posterior_report *report, void *ctx,
                        slivi_posterior_progress *final);

/* ---- use ----------------------------------------------------------------- */

/* z (n x d), n independent draws, a pure function of (seed, number of the
   draw): more draws with the same seed begin with the same ones.  c: n x k
   contexts.  SLIVI_EINVAL before a fit, as all below. */
int slivi_posterior_draw(slivi_posterior *q, size_t n, const double *c,
                         uint64_t seed, double *z);

/* The same draws, with log q at each (normalised): exact for the Gaussian
   families; for semi-implicit log of the mixture of the draw's own component
   and `mixture` others (>= 1, rounded up to a multiple of half the option
   mixture), fresh ones for every block of 256 draws: exp(log p -
   log_q) has the evidence int p as its mean whatever their number.
   SLIVI_EUNSUPPORTED: implicit has no density. */
int slivi_posterior_weigh(slivi_posterior *q, size_t n, const double *c,
                          uint64_t seed, size_t mixture, double *z,
                          double *log_q);

/* log q at points that are not its own draws: as above without an own
   component, so a lower bound on average. */
int slivi_posterior_log_density(slivi_posterior *q, size_t n, const double *c,
                                const double *z, uint64_t seed, size_t mixture,
                                double *log_q);

/* ---- files --------------------------------------------------------------- */

/* Everything, so that a fit goes on bit for bit; written atomically.  A target
   is not saved: loading takes one of the same dimensions. */
int slivi_posterior_save(slivi_posterior *q, const char *path);
slivi_posterior *slivi_posterior_load(const char *path, slivi_target *target);

#ifdef __cplusplus
}
#endif
#endif
