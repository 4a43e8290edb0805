/* estimator.h - the inside of a score estimator.  Private. */
#ifndef SLIVI_SCORE_ESTIMATOR_H
#define SLIVI_SCORE_ESTIMATOR_H

#include "base/base.h"
#include "slivi/io.h"
#include "slivi/kernelscore.h"
#include "slivi/learn.h"
#include "slivi/objective.h"
#include "slivi/score.h"
#include "slivi/scorenet.h"

typedef struct slivi__score_options {
    char precision[SLIVI_NAME_MAX], activation[SLIVI_NAME_MAX];
    char law[SLIVI_NAME_MAX], base[SLIVI_NAME_MAX];
    slivi_list hidden;
    size_t slices, threads, batch, check, patience;
    double sigma, held_out;
    uint64_t seed;
    slivi_kernelscore_options kernel;
} slivi__score_options;

/* What nets and kernels do each in their way; slivi/score.h says what.  A room
   is what an evaluation needs in memory. */
typedef struct slivi__score_type {
    const char *const *names;
    const char *(*help)(const char *name); /* of one of its names */
    /* all that options shape; drop also takes what a failed build left */
    int (*build)(slivi_score *s);
    void (*drop)(slivi_score *s);
    int (*update)(slivi_score *s, const double *z, const double *ctx, size_t n,
                  double *loss);
    int (*fit)(slivi_score *s, const double *z, const double *ctx, size_t n,
               slivi_score_report *report, void *report_ctx,
               slivi_score_progress *final);
    int (*loss)(slivi_score *s, const double *z, const double *ctx, size_t n,
                double *loss);
    void *(*open)(const slivi_score *s);
    void (*close)(void *room);
    int (*eval)(const slivi_score *s, const double *z, const double *ctx,
                size_t n, double *out, void *room);
    /* beside names, sizes and options */
    int (*save)(const slivi_score *s, slivi_checkpoint *c);
    int (*load)(slivi_score *s, const slivi_checkpoint *c);
} slivi__score_type;

extern const slivi__score_type slivi__score_nets, slivi__score_kernels;

/* A graph of the estimator with the memory of its inputs and its executor. */
typedef struct slivi__score_plan {
    slivi_graph *g;
    slivi_weights *w;
    slivi_node z, context, whiten, scale; /* inputs */
    slivi_node out;                       /* the loss, or the scores */
    size_t chunks;
    size_t outputs; /* gradients and out */
    slivi_plan *plan;
    slivi_workspace *ws;
    size_t rows; /* of the executor and the buffers */
    void *z_memory, *context_memory, *out_memory;
} slivi__score_plan;

enum slivi__score_purpose {
    SLIVI__SCORE_TRAIN, /* loss and gradient of the estimator's objective */
    SLIVI__SCORE_LOSS,  /* held-out objective */
    SLIVI__SCORE_EVAL   /* scores */
};

struct slivi_score {
    const slivi__score_type *type;
    const char *name;
    size_t dim, context;
    slivi__score_options opt;
    slivi_learning learning;
    int ready, trained;
    slivi_pool *pool; /* NULL: one thread */
    struct slivi__score_kernel *kernel;
    /* of a net, as is all below; made by its build */
    const slivi_objective *objective;
    enum slivi_precision precision;
    size_t entry; /* bytes */
    slivi_params *params;
    slivi_scorenet *net;
    slivi_learner *learner;
    slivi__score_plan train, loss;
    /* moments of the marginal Gaussian base, and as the graph reads them */
    double *mean, *cov, weight; /* d, d x d, samples counted */
    double *factor, *inverse;   /* d x d scratch */
    void *whiten_memory;
    void *scale_memory; /* d, units of the held-out objective with a head */
    double *saved;      /* moments before an update: mean, cov, weight */
};

struct slivi_score_workspace {
    const slivi__score_type *type;
    void *room;
};

enum { SLIVI__SCORE_BLOCK = 256 }; /* rows of an evaluation at a time */

/* Builds all that options shape, once. */
int slivi__score_ready(slivi_score *s);
void slivi__score_unready(slivi_score *s);
int slivi__score_check(const slivi_score *s, const double *z, const double *ctx,
                       size_t n);

/* ---- nets ------------------------------------------------------------- */

int slivi__score_has_moments(const slivi_score *s);
int slivi__score_has_head(const slivi_score *s);

/* Graph, executor for `rows` samples and buffers.  Once built a plan may be
   made larger. */
int slivi__score_plan_build(const slivi_score *s, slivi__score_plan *p,
                            enum slivi__score_purpose purpose);
int slivi__score_plan_room(const slivi_score *s, slivi__score_plan *p,
                           size_t rows, void *gradient);
void slivi__score_plan_clear(slivi__score_plan *p);
/* The parameters' memory: the average's once there is one. */
void slivi__score_bind(const slivi_score *s, slivi__score_plan *p);

/* double to and from the estimator's precision */
void slivi__score_load(const slivi_score *s, void *to, const double *from,
                       size_t count);
/* n samples, less the base's mean where there is one: subtracted in double,
   where their digits are. */
void slivi__score_load_samples(const slivi_score *s, void *to, const double *z,
                               size_t n);
void slivi__score_store(const slivi_score *s, double *to, const void *from,
                        size_t count);

/* One step; see slivi_score_update. */
int slivi__score_step(slivi_score *s, const double *z, const double *ctx,
                      size_t n, double *loss);
/* Moments of n samples replace (keep 0) or join (keep 1) the present ones. */
int slivi__score_moments(slivi_score *s, const double *z, size_t n, int keep);
/* mean and A of the moments into the memory that graphs read. */
int slivi__score_whiten(slivi_score *s);

int slivi__score_net_update(slivi_score *s, const double *z, const double *ctx,
                            size_t n, double *loss);
int slivi__score_net_fit(slivi_score *s, const double *z, const double *ctx,
                         size_t n, slivi_score_report *report, void *report_ctx,
                         slivi_score_progress *final);
int slivi__score_net_loss(slivi_score *s, const double *z, const double *ctx,
                          size_t n, double *loss);
int slivi__score_net_save(const slivi_score *s, slivi_checkpoint *c);
int slivi__score_net_load(slivi_score *s, const slivi_checkpoint *c);

#endif
