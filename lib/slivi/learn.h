/* slivi/learn.h - parameters, nets, optimisers: what training is made of.

   UNSTABLE until 1.0, as slivi/graph.h.

   Parameters live in one flat vector, in the graph's precision, with named
   views.  A graph uses them through a slivi_weights, which makes one input
   node for each view and, after slivi_weights_differentiate, one gradient node
   each; the gradients form one flat vector of the same layout.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_LEARN_H
#define SLIVI_LEARN_H

#include "slivi/graph.h"
#include "slivi/io.h"
#include "slivi/option.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- parameters ------------------------------------------------------- */

typedef struct slivi_params slivi_params;

typedef struct slivi_view {
    const char *name; /* "encoder.w1" */
    size_t rows, cols;
    size_t offset; /* of its first entry in the flat vector */
    double bound;  /* initial values are uniform on [-bound, bound] */
    double centre; /* added to them */
} slivi_view;

slivi_params *slivi_params_create(enum slivi_precision precision);
void slivi_params_free(slivi_params *p); /* NULL is fine */

/* Adds a view, filled with `centre`; returns its number, or < 0 a status (a
   name taken, no memory).  The values' memory may move. */
int slivi_params_add(slivi_params *p, const char *name, size_t rows,
                     size_t cols, double bound, double centre);

enum slivi_precision slivi_params_precision(const slivi_params *p);
size_t slivi_params_size(const slivi_params *p);  /* entries in all */
size_t slivi_params_views(const slivi_params *p); /* number of views */
/* Owned by p, valid until the next view is added; NULL beyond the last. */
const slivi_view *slivi_params_view(const slivi_params *p, size_t i);
/* Flat vector of slivi_params_size entries (float or double), owned by p. */
void *slivi_params_values(slivi_params *p);
const void *slivi_params_const_values(const slivi_params *p);

/* Draws every view anew from its address (seed, stream, step = view number). */
void slivi_params_init(slivi_params *p, uint64_t seed, uint32_t stream);

/* Copy in and out as double, the whole vector. */
void slivi_params_set(slivi_params *p, const double *values);
void slivi_params_get(const slivi_params *p, double *values);

/* ---- parameters in a graph --------------------------------------------- */

typedef struct slivi_weights slivi_weights;

/* How graph g uses p; both must outlive it, and p gets no more views. */
slivi_weights *slivi_weights_create(slivi_graph *g, const slivi_params *p);
void slivi_weights_free(slivi_weights *w); /* NULL is fine */
slivi_graph *slivi_weights_graph(const slivi_weights *w);

/* The node of a whole view, or of `count` of its rows from `first` (a row view
   shares memory with the whole, nothing is copied).  Asked again it is the
   same node.  Within one slivi_weights the row views of a view must not
   overlap, or their gradients would: that is refused. */
slivi_node slivi_weights_view(slivi_weights *w, size_t view);
slivi_node slivi_weights_rows(slivi_weights *w, size_t view, size_t first,
                              size_t count);

/* From now on nets use the node `value` where they would multiply to get
   `product` (slivi_matmul of an input and a node of w): x W that another run
   has made, of the same shape.  Derivatives are the product's. */
int slivi_weights_give(slivi_weights *w, slivi_node product, slivi_node value);

/* Adds the gradient of the 1 x 1 node `loss` with respect to every node made
   so far.  Once for each slivi_weights. */
int slivi_weights_differentiate(slivi_weights *w, slivi_node loss);

/* Number of gradient nodes, and the nodes themselves (outputs of an
   executor), one for each view or row view in the order of asking. */
size_t slivi_weights_count(const slivi_weights *w);
void slivi_weights_gradients(const slivi_weights *w, slivi_node *out);

/* Binds the values (flat vector of p's layout) and, unless NULL, the flat
   gradient vector.  Parts of the gradient vector that belong to no gradient
   node are left alone; the gradient of a node that the loss does not use is
   zero. */
int slivi_weights_bind(const slivi_weights *w, slivi_workspace *ws,
                       const void *values, void *gradient);

/* ---- nets ------------------------------------------------------------- */

/* Activations, found by name: identity, tanh, softplus, sigmoid, relu,
   leaky-relu (slope 0.2 below 0), elu, silu, gelu, sin. */
typedef struct slivi_activation {
    const char *name;
    slivi_node (*apply)(slivi_graph *g, slivi_node x);
} slivi_activation;
extern const slivi_activation *const slivi_activations[]; /* NULL at the end */
extern const char *const slivi_activation_names[];        /* NULL at the end */
/* NULL with SLIVI_ENAME when there is none of that name. */
const slivi_activation *slivi_activation_find(const char *name);

/* A multilayer perceptron: x_1, x_2, ... -> hidden -> ... -> output, with
   y = f(sum_i x_i W1_i + b1) W2 + b2 and so on; no activation at the output.
   Weights are [in][out].  Initial values are uniform within 1/sqrt(fan in),
   weights and biases, as PyTorch's Linear has them. */
typedef struct slivi_net slivi_net;

typedef struct slivi_net_spec {
    const char *name;  /* prefix of its views: "encoder" -> "encoder.w1" */
    slivi_list inputs; /* columns of each input, together the first layer's */
    slivi_list hidden; /* widths; count 0 gives an affine map */
    size_t outputs;
    const slivi_activation *activation;
    int from_zero; /* the last layer starts at 0, and so does the output */
} slivi_net_spec;

/* Adds the net's views to p (none on failure); `spec` is copied. */
slivi_net *slivi_net_create(slivi_params *p, const slivi_net_spec *spec);
void slivi_net_free(slivi_net *net); /* NULL is fine */

/* The rows of the first layer's weights that belong to input k. */
slivi_node slivi_net_input_weights(const slivi_net *net, slivi_weights *w,
                                   size_t k);
/* The net applied to its inputs (one node each; rows may differ by slices).
   The derivative along one input has no product with the others' weights. */
slivi_node slivi_net_apply(const slivi_net *net, slivi_weights *w,
                           const slivi_node *inputs);

/* 1 when slivi_net_trace can serve: two hidden layers. */
int slivi_net_has_trace(const slivi_net *net);
/* For a net with two hidden layers whose input k has as many columns as the
   net has outputs: n x 1, the trace of d output / d input k of each sample,
   exact, at about the price of one directional derivative:
   tr = d1 (W2 o (W3 W1_k)') d2',  d_l = f'(a_l), o the entrywise product. */
slivi_node slivi_net_trace(const slivi_net *net, slivi_weights *w,
                           const slivi_node *inputs, size_t k);

/* ---- learning --------------------------------------------------------- */

/* Names of the optimisers: "momentum", "rmsprop", "adam". */
extern const char *const slivi_optimizer_names[];
/* Names of the schedules: "constant", "linear", "cosine". */
extern const char *const slivi_schedule_names[];

typedef struct slivi_learning {
    char optimizer[SLIVI_NAME_MAX];
    char schedule[SLIVI_NAME_MAX];
    double rate;         /* learning rate before the schedule */
    double momentum;     /* of momentum and rmsprop; 0: none */
    double alpha;        /* rmsprop: decay of the mean square */
    double beta1, beta2; /* adam */
    double epsilon;      /* added to the root, outside of it */
    double clip;    /* largest Euclidean norm of the gradient; 0: no bound */
    double average; /* decay of the averaged parameters; 0: none kept */
    size_t warmup;  /* steps of linear rise: factor (t+1)/warmup before it */
    size_t steps;   /* at which linear and cosine arrive at 0 */
} slivi_learning;

/* rate, optimizer, schedule, ...: the names of the fields above.  Defaults:
   rmsprop, rate 1e-3, constant, momentum 0, alpha 0.99, beta 0.9 and 0.999,
   epsilon 1e-8, all else 0. */
extern const slivi_option slivi_learning_options[];

/* Factor on the rate at step t = 0, 1, ...: warm-up times schedule, which is 1
   (constant), 1 - r (linear) or (1 + cos pi r)/2 (cosine), r = t/steps up to 1
   (1 where steps is 0).  NaN when there is no schedule of that name. */
double slivi_schedule_factor(const slivi_learning *how, size_t t);

typedef struct slivi_learner slivi_learner;

/* Trains p, which must outlive it and get no more views; `how` is copied, and
   refused if an option is out of range, or steps is 0 and the schedule needs
   it. */
slivi_learner *slivi_learner_create(slivi_params *p, const slivi_learning *how);
void slivi_learner_free(slivi_learner *l); /* NULL is fine */

/* Flat gradient to be filled before a step, zero at first; owned by l.  Steps
   do not change it. */
void *slivi_learner_gradient(slivi_learner *l);

/* One step along the gradient: checks that it is finite (SLIVI_ENONFINITE
   names the view, and nothing has changed), clips, updates, averages.
   Definitions as PyTorch's SGD, RMSprop and Adam; the averaged parameters are
   a <- b a + (1-b) p with b = min(average, (1+t)/(10+t)), t the steps taken
   before and a = p before the first.  Allocates nothing.
   norm, unless NULL, receives the gradient's norm before clipping. */
int slivi_learner_step(slivi_learner *l, double *norm);

size_t slivi_learner_steps(const slivi_learner *l); /* taken so far */
/* The averaged parameters if they are kept, else the parameters. */
const void *slivi_learner_average(const slivi_learner *l);
/* The learning rate from now on, before the schedule; kept in checkpoints. */
void slivi_learner_set_rate(slivi_learner *l, double rate);
/* The schedule begins anew with the next step; kept in checkpoints. */
void slivi_learner_restart(slivi_learner *l);
/* Steps share their passes with the pool, which l does not own; NULL: none.
   Bits do not depend on it. */
void slivi_learner_set_pool(slivi_learner *l, slivi_pool *pool);

/* Parameters, optimiser state, averages and step into a checkpoint and back,
   vectors by view: PREFIX.param.VIEW, PREFIX.square.VIEW (momentum, m, v),
   PREFIX.average.VIEW; and PREFIX.counts (steps, views, entries, first
   step of the schedule),
   PREFIX.rate, and the text PREFIX.optimizer.  Loading checks every name
   and shape before it changes anything. */
int slivi_learner_save(const slivi_learner *l, slivi_checkpoint *c,
                       const char *prefix);
int slivi_learner_load(slivi_learner *l, const slivi_checkpoint *c,
                       const char *prefix);

#ifdef __cplusplus
}
#endif
#endif
