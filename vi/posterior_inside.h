/* posterior_inside.h - the inside of a posterior.  Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_POSTERIOR_INSIDE_H
#define SLIVI_POSTERIOR_INSIDE_H

#include "base/base.h"
#include "slivi/learn.h"
#include "slivi/posterior.h"
#include "slivi/score.h"

typedef struct slivi__posterior_options {
    char entropy[SLIVI_NAME_MAX], activation[SLIVI_NAME_MAX];
    char precision[SLIVI_NAME_MAX], whiten[SLIVI_NAME_MAX];
    char check_gradient[SLIVI_NAME_MAX];
    slivi_list hidden;
    size_t noise, batch, mixture, grow, check, bound_draws, patience;
    size_t score_steps, slices, threads;
    double least, score_rate, anneal, beta, sigma;
    uint64_t seed;
} slivi__posterior_options;

typedef struct slivi__posterior_plan slivi__posterior_plan;

/* Dimensions in which a mixture of draws' components shows q's density. */
enum { SLIVI__FEW = 20 };

/* A step's draws, as nodes. */
typedef struct slivi__family_draw {
    slivi_node w;     /* n x d */
    slivi_node h;     /* implicit: of which the score is taken; else null */
    slivi_node u;     /* n x d, the normal draw that w is affine in; or null */
    slivi_node mu;    /* semi-implicit: n x d, w = mu + exp(log_s) u */
    slivi_node log_s; /* n x d: of that, or log of T's diagonal */
    slivi_node t;     /* T below its diagonal: d x d, or where there are
                         contexts n x d(d-1)/2, row by row; or null */
} slivi__family_draw;

typedef struct slivi__family {
    const char *name, *help;
    const char *entropies[2];        /* what "auto" is: few dimensions, many */
    int (*make)(slivi_posterior *q); /* adds views and nets */
    /* sets initial parameters that are not drawn; or NULL */
    void (*start)(const slivi_posterior *q, double *values);
    /* draws, one for each of the run's rows and its context */
    slivi__family_draw (*draw)(const slivi_posterior *q,
                               slivi__posterior_plan *p);
    int is_gaussian, is_mixture;
} slivi__family;
extern const slivi__family slivi__families[]; /* name NULL at the end */

/* Where the gradient of the entropy comes from. */
typedef struct slivi__source {
    const char *name, *help;
    int gaussian, mixture;           /* needs such a family */
    int moves_spread;                /* its push has a part for log_s */
    size_t head_start;               /* steps that it learns before the first */
    int (*make)(slivi_posterior *q); /* or NULL */
    void (*drop)(slivi_posterior *q); /* or NULL */
    /* q->score: at the draws of training step t, in w (h where there is one);
       q->pull is there. */
    int (*score)(slivi_posterior *q, size_t t);
    /* Learns from q->now, which are fresh draws or those that score has seen
       last; NULL: there is nothing to learn. */
    int (*teach)(slivi_posterior *q, int fresh);
    /* Its objective at q->now; NULL: none. */
    int (*loss)(slivi_posterior *q, double *loss);
    int (*save)(slivi_posterior *q, slivi_checkpoint *c); /* or NULL */
    int (*load)(slivi_posterior *q, const slivi_checkpoint *c);
} slivi__source;
extern const slivi__source slivi__source_closed, slivi__source_mixture,
    slivi__source_denoising, slivi__source_ksivi, slivi__source_estimator;

/* The graphs. */
enum slivi__posterior_plan_name {
    SLIVI__POSTERIOR_DRAW,    /* contexts -> draws */
    SLIVI__POSTERIOR_MIXTURE, /* draws, components -> log density, score */
    SLIVI__POSTERIOR_PUSH,    /* contexts, pushes -> gradient */
    SLIVI__POSTERIOR_DENOISE, /* draws -> score, and gradient of its net */
    SLIVI__POSTERIOR_PLANS
};

enum { SLIVI__POSTERIOR_INS = 9, SLIVI__POSTERIOR_OUTS = 6 };

/* Inputs and outputs have memory in the graph's precision, for `rows` rows;
   null nodes have none. */
struct slivi__posterior_plan {
    slivi_graph *g;
    slivi_weights *weights;     /* NULL: there are none */
    const slivi_params *params; /* whose they are */
    slivi_learner *learner;
    int trains; /* makes the gradient */
    size_t rows;
    slivi_node in[SLIVI__POSTERIOR_INS], out[SLIVI__POSTERIOR_OUTS];
    void *in_memory[SLIVI__POSTERIOR_INS], *out_memory[SLIVI__POSTERIOR_OUTS];
    slivi_plan *plan;
    slivi_workspace *ws;
};

/* Inputs and outputs by number. */
enum {
    IN_CONTEXT,
    IN_LOWER,
    IN_SPREAD_OUT,
    IN_GATHER,
    IN_W,
    IN_H,
    IN_MEANS,
    IN_LOG_S,
    IN_U
};
enum { OUT_W, OUT_H, OUT_U, OUT_MU, OUT_LOG_S, OUT_T };

/* Draws in double, with room for as many rows as plans have. */
typedef struct slivi__draws {
    size_t n;
    double *c;                      /* n x k, contexts */
    double *w, *h, *u, *mu, *log_s; /* n x d; what a family lacks is NULL */
} slivi__draws;

struct slivi_posterior {
    slivi_target *target; /* the caller's */
    const slivi__family *family;
    slivi__posterior_options opt;
    slivi_learning learning;
    size_t d, k; /* dimensions; columns of a context */
    int ready, whitened;
    /* made by ready */
    const slivi__source *source;
    const char *const *entropy; /* its name */
    enum slivi_precision precision;
    size_t noise;      /* columns of e */
    size_t batch_most; /* draws of a step at most */
    size_t rows;       /* of plans */
    size_t components; /* of the mixture's graph: half the least mixture */
    slivi_pool *pool;
    slivi_params *params;
    slivi_net *net, *affine; /* either may be NULL */
    slivi_learner *learner;
    int view_a, view_b, view_t, view_skip; /* where there is such */
    slivi__posterior_plan plan[SLIVI__POSTERIOR_PLANS];
    double *t; /* T as the plan has it */
    slivi_score *estimator;
    slivi_score_workspace *estimator_ws;
    slivi_params *net_params; /* of the denoising net */
    slivi_net *denoiser;
    int view_line; /* its linear part */
    slivi_learner *net_learner;
    double *mean, *chol; /* m, L, d and d x d */
    void *best;          /* parameters of the highest bound */
    int has_best;
    double best_bound, best_se;
    size_t best_step, since_best, score_steps;
    uint64_t refused;
    double *memory;           /* of all that follows, and of mean and chol */
    slivi__draws now;         /* of a step */
    double *z, *lp;           /* n x d, n */
    double *pull, *score;     /* n x d: beta L' grad log p; of q */
    double *spread;           /* n x d: what log_s is pushed by */
    double *log_q, *log_more; /* n */
    double *other;            /* n x d */
    double *standard; /* n x k: contexts in standard units, as nets see them */
    double *context_mean, *context_sd; /* k */
    double *contexts;                  /* n x k: one, repeated */
    double *work;                      /* 4 n d + 2 n, scratch of sources */
    double gap;
};

/* Streams of draws. */
enum {
    SLIVI__POSTERIOR_INIT = 0x706f7301,
    SLIVI__POSTERIOR_INIT_NET,
    SLIVI__POSTERIOR_NOISE,
    SLIVI__POSTERIOR_NORMAL,
    SLIVI__POSTERIOR_CONTEXTS,
    SLIVI__POSTERIOR_PROBES
};

/* What draws are for: their steps never meet. */
enum slivi__drawn_for {
    SLIVI__FOR_STEP,   /* training */
    SLIVI__FOR_OTHERS, /* other components in training */
    SLIVI__FOR_SCORE,  /* the score alone */
    SLIVI__FOR_CHECK,  /* the bound */
    SLIVI__FOR_CHECK_OTHERS,
    SLIVI__FOR_GAIN, /* whether more score steps are worth while */
    SLIVI__FOR_USER,
    SLIVI__FOR_USER_OTHERS
};
slivi_run slivi__posterior_run(const slivi_posterior *q, size_t n,
                               enum slivi__drawn_for what, uint64_t step);

int slivi__posterior_ready(slivi_posterior *q);

/* ---- posterior_graph.c -------------------------------------------------- */

/* The plan, built at its first use; NULL on failure. */
slivi__posterior_plan *
slivi__posterior_plan_get(slivi_posterior *q,
                          enum slivi__posterior_plan_name name);
void slivi__posterior_plan_clear(slivi__posterior_plan *p);
/* doubles into an input's memory, and out of an output's */
void slivi__posterior_give(const slivi_posterior *q, slivi__posterior_plan *p,
                           size_t input, const double *x, size_t count);
void slivi__posterior_take(const slivi_posterior *q,
                           const slivi__posterior_plan *p, size_t output,
                           double *x, size_t count);
/* Runs it with its own parameters, or `values` (NULL: its own). */
int slivi__posterior_go(slivi__posterior_plan *p, const void *values,
                        const slivi_run *run);

/* ---- posterior_draws.c --------------------------------------------------- */

/* c (n x k) in standard units. */
void slivi__posterior_standardise(const slivi_posterior *q, size_t n,
                                  const double *c, double *to);
/* Draws of run->n rows, at most q->rows, to x, whose contexts are there. */
int slivi__posterior_draws(slivi_posterior *q, const void *values,
                           const slivi_run *run, slivi__draws *x);
/* log q (n) and, unless NULL, its score (n x d) at draws x, in w: of the
   Gaussian families exact; of mixtures with x's own component (own) and
   `components` others, drawn as `run` says. */
int slivi__posterior_density(slivi_posterior *q, const void *values,
                             const slivi__draws *x, int own, size_t components,
                             const slivi_run *run, double *log_q,
                             double *score);
/* z (n x d) = m + L w; and y (n x d) = x L */
int slivi__posterior_place(const slivi_posterior *q, size_t n, const double *w,
                           double *z);
int slivi__posterior_pull(const slivi_posterior *q, size_t n, const double *x,
                          double *y);
/* Parameters that draws are to be made with: the best, or the averages. */
const void *slivi__posterior_values(const slivi_posterior *q);

/* ---- posterior_step.c ---------------------------------------------------- */

/* Step number t: sizes, and the target's exponent. */
size_t slivi__posterior_batch(const slivi_posterior *q, size_t t);
size_t slivi__posterior_mixture(const slivi_posterior *q, size_t t);
double slivi__posterior_beta(const slivi_posterior *q, size_t t);
int slivi__posterior_step(slivi_posterior *q, const double *contexts,
                          size_t rows, double *norm);
/* Fresh draws, `times` times, from which the score learns; numbers of draws
   from `first` on. */
int slivi__posterior_teach(slivi_posterior *q, const double *contexts,
                           size_t rows, uint64_t first, size_t times);
enum { SLIVI__MOST_SCORE_STEPS = 1000 };
/* Contexts of a run's draws, some of the rows at random. */
void slivi__posterior_contexts(const slivi_posterior *q, const double *contexts,
                               size_t rows, const slivi_run *run, double *c);

/* Does a score learn, step by step? */
int slivi__posterior_learns(const slivi_posterior *q);
/* Where entry (i, j), j < i, of T lies in what the plan of draws gives: one T,
   or one for each draw row by row without the diagonal. */
size_t slivi__posterior_entry_of_t(const slivi_posterior *q, size_t row,
                                   size_t i, size_t j);

#endif
