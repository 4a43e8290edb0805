/* chains.h - what tests of samplers share: chains with their memory, densities,
   means against what they must be.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TEST_CHAINS_H
#define SLIVI_TEST_CHAINS_H

#include "slivi/ais.h"
#include "slivi/hmc.h"

#include <stddef.h>

enum { CHAINS_MOST = 40000, CHAINS_KNOTTY = 3 };

/* Densities, of the type slivi_log_density: U = -lp is
   sum_j log cosh x_j + (x'c)^4 / 4 - b'x, in CHAINS_KNOTTY dimensions: no
   symmetry that would hide a term; and x'x / 2. */
int chains_knotty(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx);
int chains_harmonic(size_t n, size_t d, const double *x, double *lp,
                    double *grad, void *ctx);

struct chains {
    slivi_chains chains;
    double x[CHAINS_MOST], lp[CHAINS_MOST], grad[CHAINS_MOST];
    double accept[CHAINS_MOST];
};

/* n chains in d dimensions, n d <= CHAINS_MOST; x is left alone. */
void chains_seat(struct chains *m, size_t n, size_t d);
/* The test fails if these do. */
void chains_start(struct chains *m, slivi_log_density *fn, void *ctx);
/* `count` transitions from number `first` on; the last one's report. */
slivi_hmc_report chains_go(struct chains *m, slivi_log_density *fn, void *ctx,
                           slivi_hmc how, size_t first, size_t count);
/* With a seed and a stream. */
slivi_hmc chains_fixed(size_t leapfrogs, double eps);

/* p(x_j|z_j) = N(a_j z_j, s^2) with a_j = a (1 + j/2) and z ~ N(0, I): the
   evidence and the posterior of each image are known. */
struct chains_decoder {
    size_t d;
    double a, s, shift; /* added to the log likelihood */
    const double *x;    /* images x d */
    size_t calls, rows; /* so far */
};
/* Its log likelihood, of the type slivi_log_likelihood, with ctx the decoder. */
int chains_decode(size_t n, size_t d, const size_t *image, const double *z,
                  double *ll, double *grad, void *ctx);
double chains_evidence(const struct chains_decoder *m, size_t image);
/* Mean and standard deviation of z_j given the image. */
void chains_posterior(const struct chains_decoder *m, size_t image, size_t j,
                      double *mean, double *sd);

/* Mean of n independent values within 4.5 standard errors of what it must
   be. */
void chains_check_mean(const char *what, size_t n, const double *f,
                       double want);

#endif
