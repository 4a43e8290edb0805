/* kernelfit.h - the kernel estimators' formulas, for one group of samples.
   Private.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_SCORE_KERNELFIT_H
#define SLIVI_SCORE_KERNELFIT_H

#include "base/base.h"
#include "slivi/kernelscore.h"

enum {
    SLIVI__KERNEL_TILE = 64, /* points of an evaluation at a time */
    SLIVI__KERNEL_LANES = 8  /* sums side by side: fixed, for the same bits */
};

/* What is kept of m samples. */
typedef struct slivi__kernelfit {
    size_t m, d, ld; /* ld: m rounded up to lanes */
    double width2;   /* w^2 */
    size_t rank;     /* eigenvalues in use; stein: m */
    double *points;  /* d x ld: the samples' columns, 0 beyond m */
    double *coef;    /* m x d: what k(x, z_i) is multiplied with */
    double *matrix;  /* m x m: stein L; ssge the eigenvectors, in rows */
    double *values;  /* m: ssge's eigenvalues, ascending */
} slivi__kernelfit;

/* What one thread needs besides. */
typedef struct slivi__kernelroom {
    double *h, *scores; /* m x d; scores at the samples */
    double *work;       /* LAPACK's; products */
    int *iwork;
    double *rows;         /* tile x ld: k(x_q, z_i) */
    double *solve;        /* m x tile */
    double *out;          /* tile x d */
    double *schur;        /* tile */
    slivi__kernelfit own; /* of a group that is not kept */
} slivi__kernelroom;

typedef struct slivi__kernelmethod {
    const char *name, *help;
    /* from points, width2, K in matrix and h to scores and the rest */
    int (*fit)(const slivi_kernelscore_options *how, slivi__kernelfit *f,
               slivi__kernelroom *r);
    /* at n <= tile points x; rows hold the kernel, out its product with coef;
       NULL: that is the score */
    int (*finish)(const slivi_kernelscore_options *how,
                  const slivi__kernelfit *f, slivi__kernelroom *r, size_t n,
                  const double *x);
} slivi__kernelmethod;

extern const slivi__kernelmethod slivi__kernel_stein, slivi__kernel_ssge;

/* Fits m samples; room->scores are then those at the samples. */
int slivi__kernelfit_make(const slivi__kernelmethod *method,
                          const slivi_kernelscore_options *how, size_t m,
                          size_t d, const double *z, slivi__kernelfit *f,
                          slivi__kernelroom *r);
/* Scores at n <= tile points, in room->out. */
int slivi__kernelfit_eval(const slivi__kernelmethod *method,
                          const slivi_kernelscore_options *how,
                          const slivi__kernelfit *f, size_t n, const double *x,
                          slivi__kernelroom *r);

#endif
