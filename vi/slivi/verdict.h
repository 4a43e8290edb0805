/* slivi/verdict.h - can these draws be believed?

   Given draws of an approximation q of a target p, and if it has one q's
   density, a verdict is a list of checks, each a statistic beside the level
   that it exceeds for exact draws once in 200 times (shift, mmd and reference:
   in 1000), and what it cannot see.
   m and sd are q's means and standard deviations.

     support    the share of draws where p has no density.

     stein-mean, stein-covariance, stein-tails
                z-scores of E_q[grad log p] = 0, of
                E_q[grad log p (z - m)'] = -I and of the same with squares and
                cubes of z - m, all d + 3 d^2 of them.  Terms
                whose tail is too heavy for a variance (k-hat above 0.5) decide
                nothing.  Cannot see a mode that q lacks, nor weights of modes
                that lie apart.
     psis       k-hat of the weights p/q at K and 4K components of q's density,
                and the share of draws that they are worth; unsure where log q
                still falls from K to 4K.  Cannot see what q does not cover;
                says little about moments.
     shift      z-scores of the change of means, variances and of log p when
                HMC goes on from draws of q with a step size tuned on other
                chains and then frozen: averages over the later half of the
                transitions, against the chains' own starts and all of q's
                draws (the starts are a control variate).  Unsure where chains
                do not leave their starts: cannot see a mode that no transition
                reaches, nor weights of such modes.
     ksd        kernel Stein discrepancy in whitened coordinates (slivi/
                ksd.h).  Cannot see a mode that q lacks, nor weights of modes
                that lie apart.
     mmd        of the chains' starts from their ends, beside its law when
                start and end change places.  Blind as shift is.
     reach      chains from overdispersed starts: how many of them stay where
                q has no draws near, by the distance to the nearest ones against
                the same of held-out draws of q.  Those that never come to where
                p has its mass (by log p and their own extent) do not count.
                Cannot see a mode that none of them finds, nor weights.
     reference  q's means and variances against those of these chains.  They
                are no reference, and this is unsure, where their R-hat exceeds
                1.01, over an eighth of them never came to p's mass, or none of
                them came near over 2 % of q's draws.

   Modes that lie so far apart that HMC does not pass between them have weights
   that none of this can see; reference or shift is then unsure.

   And three columns for every parameter, in the caller's coordinates: mean and
   sd of q, of q + PSIS (where there are weights) and of q + HMC (the later half
   of the transitions of shift).

   A failed check vetoes the whole.  Exact draws are to be failed at most 5 times
   in 100; where chains mix badly they are often called unsure.  With many draws
   the checks see errors that are of no consequence: `tolerance` says which.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_VERDICT_H
#define SLIVI_VERDICT_H

#include "slivi/target.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slivi_verdict_options {
    size_t chains;      /* that start in draws of q, default 1000 */
    size_t transitions; /* of each, 50 */
    size_t ksd;         /* draws for ksd and mmd (m^2 operations), 1000 */
    size_t reach;       /* overdispersed chains, 64; 0: no such check */
    double spread;      /* sd of their starts about q's mean, in q's sds, 3 */
    double tolerance; /* what errors of means (in sds; half of it of sds) stein,
                           shift and reference let pass, 0: none */
    uint64_t seed;
} slivi_verdict_options;

slivi_verdict_options slivi_verdict_default(void);

enum slivi_verdict_outcome {
    SLIVI_VERDICT_PASS,
    SLIVI_VERDICT_FAIL,
    SLIVI_VERDICT_UNSURE, /* the check itself is not reliable here */
    SLIVI_VERDICT_NONE    /* not made: there is nothing to make it from */
};

typedef struct slivi_verdict_check {
    const char *name;  /* as above; static */
    const char *blind; /* what it cannot see; static */
    enum slivi_verdict_outcome outcome;
    double statistic, level; /* fails above the level */
    char detail[160];        /* in words: where, of which parameter */
} slivi_verdict_check;

/* Moments of one parameter outside, in three columns; NaN where there is
   none. */
typedef struct slivi_verdict_row {
    const char *name;      /* the target's */
    double mean[3], sd[3]; /* q, q + PSIS, q + HMC */
} slivi_verdict_row;

typedef struct slivi_verdict slivi_verdict;

/* draws: n x d (unbounded coordinates), n >= 1000, independent draws of q; c:
   the one context (k numbers) of an amortised target, or NULL.  log_q (n),
   unless NULL, is log q (any constant) at each, for the weights; log_q4 (n),
   unless NULL, the same, with the same constant, from four times as many
   components.  All draws serve stein and psis, subsets the rest.  how may be NULL: the defaults.  A target
   with rows of data is left at all of them.  NULL with SLIVI_EINVAL,
   SLIVI_ENONFINITE (a draw, or log q, is not finite), SLIVI_ENOMEM, or what
   the target failed with. */
slivi_verdict *slivi_verdict_create(slivi_target *target, size_t n,
                                    const double *draws, const double *c,
                                    const double *log_q, const double *log_q4,
                                    const slivi_verdict_options *how);
void slivi_verdict_free(slivi_verdict *v); /* NULL is fine */

/* FAIL if a check failed, else UNSURE if one is, else PASS. */
enum slivi_verdict_outcome slivi_verdict_outcome(const slivi_verdict *v);
const char *slivi_verdict_word(enum slivi_verdict_outcome outcome); /* "pass" */
size_t slivi_verdict_checks(const slivi_verdict *v);
const slivi_verdict_check *slivi_verdict_check_at(const slivi_verdict *v,
                                                  size_t i);
size_t slivi_verdict_rows(const slivi_verdict *v);
const slivi_verdict_row *slivi_verdict_row_at(const slivi_verdict *v, size_t i);
/* NaN: none; -infinity: the weights are equal. */
double slivi_verdict_khat(const slivi_verdict *v, int four);
double slivi_verdict_ess(const slivi_verdict *v); /* of the weights, 0..n */
/* The draws after HMC (count x d, owned by v; NULL: none), and weights of the n
   draws that sum to 1 (NULL: none). */
const double *slivi_verdict_moved(const slivi_verdict *v, size_t *count);
const double *slivi_verdict_weights(const slivi_verdict *v);
/* The report as text, for people.  SLIVI_EIO. */
int slivi_verdict_print(const slivi_verdict *v, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
