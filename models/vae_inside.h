/* vae_inside.h - the inside of an auto-encoder, variational or Wasserstein.
   Private. */
#ifndef SLIVI_VAE_INSIDE_H
#define SLIVI_VAE_INSIDE_H

#include "base/base.h"
#include "slivi/discrepancy.h"
#include "slivi/kernelscore.h"
#include "slivi/learn.h"
#include "slivi/objective.h"
#include "slivi/scorenet.h"
#include "slivi/vae.h"

typedef struct slivi__vae_options {
    char encoder[SLIVI_NAME_MAX], entropy[SLIVI_NAME_MAX];
    char likelihood[SLIVI_NAME_MAX], binarise[SLIVI_NAME_MAX];
    char activation[SLIVI_NAME_MAX], law[SLIVI_NAME_MAX];
    char base[SLIVI_NAME_MAX], context[SLIVI_NAME_MAX];
    char precision[SLIVI_NAME_MAX];
    slivi_list hidden;
    size_t latent, noise, particles, decoded, slices, score_steps;
    size_t batch, threads, rank;
    double sigma, x_sd, score_rate, lambda, width, eta, share;
    uint64_t seed;
} slivi__vae_options;

/* Variational or Wasserstein. */
typedef struct slivi__vae_kind {
    const char *name; /* in messages */
    const char *file; /* what a checkpoint says that it is of */
    const slivi_option *options;
    int is_wasserstein;
} slivi__vae_kind;

/* How the gradient of the entropy, or of the whole regulariser, is had. */
enum slivi__vae_source {
    SLIVI__VAE_CLOSED,     /* KL(q|p) in closed form */
    SLIVI__VAE_IMPORTANCE, /* part of the importance-weighted bound */
    SLIVI__VAE_NET,        /* from a score net */
    SLIVI__VAE_KERNEL,     /* from samples by kernels */
    SLIVI__VAE_DISCREPANCY /* no entropy: MMD(q(z), p) */
};

/* A step's draws of z, as nodes. */
typedef struct slivi__encoding {
    slivi_node z;
    slivi_node t;  /* of which the score is taken: z, or z standardised */
    slivi_node mu; /* null where there is none */
    slivi_node log_sigma;
    slivi_node noise;
    slivi_node context; /* what the score net knows of x */
} slivi__encoding;

typedef struct slivi__vae_plan slivi__vae_plan;

/* A family of q(z|x). */
typedef struct slivi__vae_encoder {
    const char *name;
    /* adds its nets to the parameters */
    int (*make)(slivi_vae *v);
    /* z for the plan's x: `rows` of them, SLIVI_ROWS or a multiple, where the
       family has noise.  x may be 1 x dim: then they are all of the one x.
       Sets no context. */
    slivi__encoding (*encode)(const slivi_vae *v, slivi__vae_plan *p,
                              ptrdiff_t rows, uint32_t stream);
    int is_gaussian;
    int is_placed; /* z = mu + sigma t, t of unknown density */
} slivi__vae_encoder;

/* The graphs of a vae. */
enum slivi__vae_plan_name {
    SLIVI__VAE_SCORE,      /* x -> loss and gradient of the score net */
    SLIVI__VAE_CODES,      /* x -> the step's draws, whose scores others make */
    SLIVI__VAE_MODEL,      /* x -> losses, gradient of encoder and decoder */
    SLIVI__VAE_ENCODE,     /* x -> z */
    SLIVI__VAE_DRAWS,      /* one x (1 x dim) -> n draws of z */
    SLIVI__VAE_DECODE,     /* z -> mean of x */
    SLIVI__VAE_BOUND,      /* x -> log p(x, z) - log q(z|x), one draw each */
    SLIVI__VAE_JOINT,      /* one x, n z -> log p(x, z) */
    SLIVI__VAE_LIKELIHOOD, /* x, z -> log p(x|z), its gradient in z */
    SLIVI__VAE_LAPLACE,    /* the same, and J (d n x dim), slice by slice: row
                              j n + i is sqrt(weight) dy/dz_j of image i, so
                              that the Fisher information of z_i is the Gram
                              matrix of its d rows */
    SLIVI__VAE_PLANS
};

enum { SLIVI__VAE_OUTS = 4 };

struct slivi__vae_plan {
    slivi_graph *g;
    slivi_weights *model, *score; /* either may be NULL */
    slivi_node x, z;              /* inputs, or the null node */
    slivi_node shared;            /* input: x W that the score's plan makes */
    slivi_node push[2]; /* inputs: gradients that others made, of the decoded
                           draws and of the rest */
    slivi_node out[SLIVI__VAE_OUTS];
    size_t outs, chunks, rows;
    slivi_weights *trained; /* whose gradient is made, or NULL */
    int trains;             /* reads the parameters, not their average */
    slivi_plan *plan;
    slivi_workspace *ws;
    void *x_memory, *z_memory; /* x_memory: of f64 only */
    void *out_memory[SLIVI__VAE_OUTS], *push_memory[2];
};

struct slivi_vae {
    size_t dim;
    const slivi__vae_kind *kind;
    slivi__vae_options opt;
    slivi_learning learning;
    /* made by slivi_vae_ready */
    int ready, is_bernoulli;
    int is_coded, is_centred; /* a score net that is given the code alone;
                                 draws less where they are without noise */
    const slivi__vae_encoder *family;
    enum slivi__vae_source source;
    enum slivi_precision precision;
    size_t entry; /* bytes */
    slivi_pool *pool;
    slivi_params *params, *score_params;
    slivi_net *encoder, *residual, *decoder; /* residual: or NULL */
    slivi_scorenet *score;
    slivi_kernelscore *kernel;
    slivi_kernelscore_workspace *kernel_ws;
    slivi_discrepancy_workspace *mmd;
    double *prior;          /* batch x latent */
    double *codes, *pushes; /* draws of a step and their gradients, an image's
                               together: batch x particles x latent */
    int log_sd;             /* view of the likelihood's learnt log sd, or -1 */
    slivi_learner *learner, *score_learner;
    slivi__vae_plan plan[SLIVI__VAE_PLANS];
    float *binary; /* batch x dim */
};

/* Streams of draws. */
enum {
    SLIVI__VAE_STILL, /* no noise: zeros */
    SLIVI__VAE_INIT,
    SLIVI__VAE_INIT_SCORE,
    SLIVI__VAE_BINARISE,
    SLIVI__VAE_NOISE,
    SLIVI__VAE_SLICES,
    SLIVI__VAE_PRIOR,
    SLIVI__VAE_MORE_NOISE, /* of the draws that are not decoded */
    SLIVI__VAE_WEIGHTED    /* and on: a draw each of the weighted bound */
};

enum { SLIVI__VAE_VARIATIONAL, SLIVI__VAE_WASSERSTEIN, SLIVI__VAE_KINDS };
extern const slivi__vae_kind slivi__vae_kinds[SLIVI__VAE_KINDS];
slivi_vae *slivi__vae_create(const slivi__vae_kind *kind, size_t dim);
extern const slivi__vae_encoder slivi__vae_encoders[]; /* name NULL: the end */
/* The family's draws, as the score net wants them. */
slivi__encoding slivi__vae_draw(const slivi_vae *v, slivi__vae_plan *p,
                                ptrdiff_t rows, uint32_t stream);

/* Sets kind, family, source and the like from the options, or refuses. */
int slivi__vae_settle(slivi_vae *v);

enum {
    SLIVI__VAE_BLOCK = 256, /* rows of an evaluation at a time */
    SLIVI__VAE_LAPLACE_ROWS = 16
};

/* The plan, built with executor and buffers at its first use. */
slivi__vae_plan *slivi__vae_plan_get(slivi_vae *v,
                                     enum slivi__vae_plan_name name);
void slivi__vae_plan_clear(slivi__vae_plan *p);
/* The graph alone; in vae_graph.c. */
int slivi__vae_build(const slivi_vae *v, slivi__vae_plan *p,
                     enum slivi__vae_plan_name name);

/* float to and from the vae's precision */
void slivi__vae_load(const slivi_vae *v, void *to, const float *from,
                     size_t count);
/* x is the plan's input for the next run: in place where precisions agree, so
   that it must stay until then. */
void slivi__vae_take(const slivi_vae *v, slivi__vae_plan *p, const float *x,
                     size_t count);
void slivi__vae_store(const slivi_vae *v, float *to, const void *from,
                      size_t count);
double slivi__vae_entry(const slivi_vae *v, const void *x, size_t i);
/* Seed of evaluations with this stream number. */
uint64_t slivi__vae_seed(const slivi_vae *v, uint64_t stream);
/* Refuses values that are not finite or, where they are pixels, not in [0, 1].
   */
int slivi__vae_check(const slivi_vae *v, const float *x, size_t n, int pixels);
/* u < x entry by entry; out is not x. */
void slivi__vae_binarise(const slivi_vae *v, const float *x, size_t n,
                         uint64_t seed, uint64_t step, uint64_t row,
                         float *out);

#endif
