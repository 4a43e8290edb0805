/* verdict_inside.h - what the checks of a verdict share.  Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_VI_VERDICT_INSIDE_H
#define SLIVI_VI_VERDICT_INSIDE_H

#include "slivi/verdict.h"

/* Of exact draws a check fails this share; one by chains, whose tails are known
   less well, is to fail the latter (and was seen to fail up to four times as
   many). */
#define SLIVI__VERDICT_ALPHA 0.005
#define SLIVI__VERDICT_CHAINS_ALPHA 0.001

enum {
    SLIVI__VERDICT_ASK = 1024, /* points that the target is asked at a time */
    SLIVI__VERDICT_LEAST = 100 /* draws with a density, for anything else */
};

struct slivi_verdict {
    size_t n, d, checks, rows;
    slivi_verdict_check *check;
    slivi_verdict_row *row;
    double khat[2], ess;
    double *weights; /* n, or NULL */
    double *moved;   /* count x d, or NULL */
    size_t count;
};

/* Chains' states, time by time: times x chains x d, and log densities. */
typedef struct slivi__path {
    size_t times, chains;
    double *x, *lp;
} slivi__path;

/* What the checks see, and what some leave to others. */
typedef struct slivi__scene {
    slivi_target *target;
    size_t n, d;
    const double *draws;
    const double *c; /* NULL, or ASK rows of the context */
    const double *log_q[2];
    slivi_verdict_options how;
    double *lp, *grad;     /* n, n x d */
    double *mean, *sd, *l; /* d, d, d x d: q's moments; L L' = cov */
    double *fourth;        /* d: E ((z - m) / sd)^4 */
    double lp_mean, lp_var;
    size_t *good; /* draws with a density, in order */
    size_t goods;
    slivi__path start; /* of shift: one time */
    slivi__path later; /* and the later half of its transitions */
    double *wide;      /* of reach: arrived x draws x d, or NULL */
    size_t arrived;
    double unmet; /* share of q that no chain came near */
    double rhat;  /* theirs */
    slivi_verdict *v;
} slivi__scene;

typedef struct slivi__verdict_type {
    const char *name, *blind;
    /* Fills outcome, statistic, level and detail; NONE unless it does. */
    int (*make)(slivi__scene *s, slivi_verdict_check *out);
} slivi__verdict_type;

extern const slivi__verdict_type slivi__verdict_types[];
extern const size_t slivi__verdict_type_count;

int slivi__verdict_stein_mean(slivi__scene *s, slivi_verdict_check *out);
int slivi__verdict_stein_covariance(slivi__scene *s, slivi_verdict_check *out);
int slivi__verdict_stein_tails(slivi__scene *s, slivi_verdict_check *out);
int slivi__verdict_shift(slivi__scene *s, slivi_verdict_check *out);
int slivi__verdict_reach(slivi__scene *s, slivi_verdict_check *out);
int slivi__verdict_reference(slivi__scene *s, slivi_verdict_check *out);

/* A slivi_log_density whose ctx is the scene. */
int slivi__verdict_density(size_t n, size_t d, const double *x, double *lp,
                           double *grad, void *scene);

/* Row i of `of` that are spread evenly over the good draws. */
size_t slivi__verdict_pick(const slivi__scene *s, size_t i, size_t of);

/* Sums of terms, and the z-score of their mean. */
typedef struct slivi__sums {
    double n, one, two, three; /* number, sums of powers */
} slivi__sums;
void slivi__sums_add(slivi__sums *s, double term);
double slivi__sums_mean(const slivi__sums *s);
double slivi__sums_variance(const slivi__sums *s);
/* A standard normal variable to order 1/n, if the terms have mean `zero`;
   `more` is a variance that the mean has on top. */
double slivi__sums_score(const slivi__sums *s, double zero, double more);
/* The largest of `count` |scores| exceeds it with probability alpha. */
double slivi__verdict_level(double alpha, size_t count);

/* The worst of many scores, with those above the level. */
typedef struct slivi__worst {
    double score, error; /* error in the units of tolerance */
    size_t at;
} slivi__worst;
void slivi__worst_see(slivi__worst *w, double score, double error, size_t at);

/* Number f of 2 d + 1 quantities at a point: deviation from q's mean and its
   square of each coordinate, in q's sds; log p.  And q's mean and variance of
   it. */
double slivi__verdict_quantity(const slivi__scene *s, size_t f, const double *x,
                               double lp);
void slivi__verdict_moments(const slivi__scene *s, size_t f, double *mean,
                            double *variance);

/* What a quantity is off by, given terms with that mean; `more` is a variance
   on top. */
typedef struct slivi__change {
    double score, error, se;
} slivi__change;
slivi__change slivi__verdict_change(const slivi__scene *s, size_t f,
                                    const slivi__sums *terms, double more);
void slivi__verdict_describe(const slivi__scene *s, size_t f,
                             const slivi__change *c, const char *more,
                             slivi_verdict_check *out);

/* Name of unbounded coordinate j, for messages: the caller's where they are as
   many. */
const char *slivi__verdict_label(const slivi__scene *s, size_t j,
                                 char room[32]);

#endif
