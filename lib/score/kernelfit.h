/* kernelfit.h - the kernel estimators' formulas, for one group of samples.
   Private.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_SCORE_KERNELFIT_H
#define SLIVI_SCORE_KERNELFIT_H

#include "base/base.h"
#include "slivi/kernelscore.h"

enum {
    SLIVI__KERNEL_MOST = 32000, /* samples of a group: LAPACK counts in ints */
    SLIVI__KERNEL_TILE = 64,    /* points of an evaluation at a time */
    SLIVI__KERNEL_LANES = 8 /* sums side by side: fixed, for the same bits */
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
    /* to fit */
    double *h, *scores; /* m x d; scores at the samples */
    double *work;       /* LAPACK's; products */
    int *iwork;
    slivi__kernelfit own; /* of a group that is not kept */
    /* to fit, one row; to evaluate, tile x ld: k(x_q, z_i) */
    double *rows;
    /* to evaluate */
    double *solve;  /* m x tile */
    double *out;    /* tile x d */
    double *schur;  /* tile */
    double *pulled; /* d */
} slivi__kernelroom;

typedef struct slivi__kernelmethod {
    const char *name, *help;
    int eigen; /* whether its fit needs room for eigenvectors */
    int keeps; /* whether coef are the scores at the samples */
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

/* NULL without an error where there is none of that name. */
const slivi__kernelmethod *slivi__kernelmethod_find(const char *name);
/* The options' bounds; the message begins with the option's name. */
int slivi__kernelfit_check(const slivi_kernelscore_options *how);

/* Fits m samples; room->scores are then those at the samples. */
int slivi__kernelfit_make(const slivi__kernelmethod *method,
                          const slivi_kernelscore_options *how, size_t m,
                          size_t d, const double *z, slivi__kernelfit *f,
                          slivi__kernelroom *r);
/* The sample that x is, or m. */
size_t slivi__kernelfit_sample(const slivi__kernelfit *f, const double *x);
/* Scores at n <= tile points, in room->out. */
int slivi__kernelfit_eval(const slivi__kernelmethod *method,
                          const slivi_kernelscore_options *how,
                          const slivi__kernelfit *f, size_t n, const double *x,
                          slivi__kernelroom *r);

/* ---- memory (kernelroom.c) ---------------------------------------------- */

/* Hands out one block, cache line by cache line; without one (at NULL) it
   counts the bytes. */
typedef struct slivi__carver {
    char *at;
    size_t bytes;
    int status; /* SLIVI_EOVERFLOW once the sizes are too large */
} slivi__carver;

void *slivi__carve(slivi__carver *c, size_t rows, size_t cols, size_t size);
/* Counts n blocks as large as the one. */
void slivi__carve_times(slivi__carver *c, size_t n, const slivi__carver *one);
void slivi__carve_kernelfit(slivi__carver *c, size_t m, size_t d,
                            slivi__kernelfit *f);
/* What fits by this method (NULL: by any), and what evaluations, need; for both
   the latter comes last. */
void slivi__carve_make(slivi__carver *c, const slivi__kernelmethod *method,
                       size_t m, size_t d, slivi__kernelroom *r);
void slivi__carve_eval(slivi__carver *c, size_t m, size_t d,
                       slivi__kernelroom *r);

#endif
