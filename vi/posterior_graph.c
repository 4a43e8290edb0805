/* posterior_graph.c - the graphs of a posterior, and their memory.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "kernel/isa.h"
#include "posterior_inside.h"

#include <string.h>

/* ---- what is in the graphs ----------------------------------------------- */

static void input(slivi__posterior_plan *p, int which, const char *name,
                  ptrdiff_t rows, size_t cols)
{
    p->in[which] = slivi_input(p->g, name, rows, cols);
}

/* Contexts, and the constants that families ask for. */
static void draw_inputs(const slivi_posterior *q, slivi__posterior_plan *p)
{
    const size_t d = q->d, below = d * (d - 1) / 2;
    if (q->k) {
        input(p, IN_CONTEXT, "contexts", SLIVI_ROWS, q->k);
        if (below) {
            input(p, IN_SPREAD_OUT, "columns of T", (ptrdiff_t)d, below);
            input(p, IN_GATHER, "rows of T", (ptrdiff_t)below, d);
        }
    } else {
        input(p, IN_LOWER, "below the diagonal", (ptrdiff_t)d, d);
    }
}

static slivi__family_draw begin_draws(const slivi_posterior *q,
                                      slivi__posterior_plan *p)
{
    p->weights = slivi_weights_create(p->g, q->params);
    p->params = q->params;
    p->learner = q->learner;
    if (!p->weights)
        return (slivi__family_draw){{0}, {0}, {0}, {0}, {0}, {0}};
    draw_inputs(q, p);
    return q->family->draw(q, p);
}

static int build_draw(const slivi_posterior *q, slivi__posterior_plan *p)
{
    const slivi__family_draw x = begin_draws(q, p);
    p->out[OUT_W] = x.w;
    p->out[OUT_H] = x.h;
    p->out[OUT_U] = x.u;
    p->out[OUT_MU] = x.mu;
    p->out[OUT_LOG_S] = x.log_s;
    p->out[OUT_T] = x.t;
    return p->weights ? slivi_graph_status(p->g) : slivi__status();
}

/* log sum_k N(w; mu_k, s_k^2), without a factor of pi, and its gradient:
     log N = -|(w - mu)/s|^2 / 2 - sum log s
           = [w^2 w 1] [-1/(2 s^2)  mu/s^2  -level]',
   the square multiplied out, so that one product does the work.  With e =
   exp(log N - max) the gradient is (2 w * (e a) + e b) / sum e, a and b the
   first columns of the right factor: a product again, and by hand, as n x K
   numbers need not be divided. */
static int build_mixture(const slivi_posterior *q, slivi__posterior_plan *p)
{
    slivi_graph *g = p->g;
    const size_t d = q->d;
    const ptrdiff_t count = (ptrdiff_t)q->components;
    input(p, IN_W, "draws", SLIVI_ROWS, d);
    input(p, IN_MEANS, "means", count, d);
    input(p, IN_LOG_S, "log s", count, d);
    slivi_node w = p->in[IN_W], mu = p->in[IN_MEANS], log_s = p->in[IN_LOG_S];
    slivi_node precision = slivi_exp(g, slivi_scale(g, log_s, -2));
    slivi_node line = slivi_mul(g, mu, precision);
    slivi_node level = slivi_add(
        g, slivi_row_sum(g, log_s),
        slivi_scale(g, slivi_row_dot(g, mu, line), 0.5));
    slivi_node factor = slivi_concat(g, slivi_scale(g, precision, -0.5), line);
    slivi_node one = slivi_broadcast(g, slivi_constant(g, 1), SLIVI_ROWS, 1);
    slivi_node left = slivi_concat(g, slivi_concat(g, slivi_square(g, w), w),
                                   one);
    slivi_node right = slivi_concat(g, factor, slivi_neg(g, level));
    slivi_node all = slivi_matmul(g, left, slivi_transpose(g, right));
    slivi_node top = slivi_row_max(g, all);
    slivi_node e = slivi_exp(g, slivi_sub(g, all, top));
    slivi_node sum = slivi_row_sum(g, e);
    slivi_node slope = slivi_matmul(g, e, factor);
    slivi_node twice = slivi_scale(g, slivi_columns(g, slope, 0, d), 2);
    p->out[0] = slivi_add(g, top, slivi_log(g, sum));
    p->out[1] = slivi_div(
        g, slivi_add(g, slivi_mul(g, w, twice), slivi_columns(g, slope, d, d)),
        sum);
    return slivi_graph_status(g);
}

/* Descends -E[push_w' w] - E[push_log_s' log_s] + E[push_h' h] - log |T|,
   with pushes that are held fixed.  The last two are of families with h. */
static int build_push(const slivi_posterior *q, slivi__posterior_plan *p)
{
    slivi_graph *g = p->g;
    const slivi__family_draw x = begin_draws(q, p);
    if (!p->weights)
        return slivi__status();
    input(p, IN_W, "push of w", SLIVI_ROWS, q->d);
    slivi_node gain = slivi_row_dot(g, x.w, p->in[IN_W]);
    if (x.h.id) {
        input(p, IN_H, "score of h", SLIVI_ROWS, q->d);
        gain = slivi_sub(g, gain, slivi_row_dot(g, x.h, p->in[IN_H]));
        gain = slivi_add(g, gain, slivi_row_sum(g, x.log_s));
    }
    if (q->source->moves_spread) {
        input(p, IN_LOG_S, "push of log s", SLIVI_ROWS, q->d);
        gain = slivi_add(g, gain, slivi_row_dot(g, x.log_s, p->in[IN_LOG_S]));
    }
    p->out[0] = slivi_neg(g, slivi_mean(g, gain));
    p->trains = 1;
    return slivi_weights_differentiate(p->weights, p->out[0]);
}

/* The score's net t(w, c) = w A + net, A = -I at first, and its loss, the mean
   of |t + u/s|^2 / 2, whose minimum over all functions is t = E[-u/s | w]; each
   column in units of its geometric mean of 1/s.  (Weights that differ from draw
   to draw, such as s^2, would be cheaper in variance and wrong: the minimum
   would be E[-s u | w] / E[s^2 | w].) */
static int build_denoise(const slivi_posterior *q, slivi__posterior_plan *p)
{
    slivi_graph *g = p->g;
    p->weights = slivi_weights_create(g, q->net_params);
    p->params = q->net_params;
    p->learner = q->net_learner;
    p->trains = 1;
    if (!p->weights)
        return slivi__status();
    input(p, IN_W, "draws", SLIVI_ROWS, q->d);
    input(p, IN_LOG_S, "log s", SLIVI_ROWS, q->d);
    input(p, IN_U, "normal draws", SLIVI_ROWS, q->d);
    if (q->k)
        input(p, IN_CONTEXT, "contexts", SLIVI_ROWS, q->k);
    const slivi_node inputs[2] = {p->in[IN_W], p->in[IN_CONTEXT]};
    slivi_node line = slivi_weights_view(p->weights, (size_t)q->view_line);
    slivi_node t = slivi_add(g, slivi_matmul(g, p->in[IN_W], line),
                             slivi_net_apply(q->denoiser, p->weights, inputs));
    slivi_node log_s = p->in[IN_LOG_S];
    slivi_node unit = slivi_exp(g,
                                slivi_mul(g, slivi_sum_to(g, log_s, 1, q->d),
                                          slivi_inverse_rows(g, SLIVI_ROWS)));
    slivi_node noise = slivi_div(g, p->in[IN_U], slivi_exp(g, log_s));
    slivi_node r = slivi_mul(g, slivi_add(g, t, noise), unit);
    p->out[0] = slivi_scale(g, slivi_mean(g, slivi_row_dot(g, r, r)), 0.5);
    p->out[1] = t;
    return slivi_weights_differentiate(p->weights, p->out[0]);
}

static int (*const builders[SLIVI__POSTERIOR_PLANS])(
    const slivi_posterior *q, slivi__posterior_plan *p) = {
    [SLIVI__POSTERIOR_DRAW] = build_draw,
    [SLIVI__POSTERIOR_MIXTURE] = build_mixture,
    [SLIVI__POSTERIOR_PUSH] = build_push,
    [SLIVI__POSTERIOR_DENOISE] = build_denoise,
};

/* ---- memory -------------------------------------------------------------- */

static size_t entry(const slivi_posterior *q)
{
    return q->precision == SLIVI_F32 ? sizeof(float) : sizeof(double);
}

static const slivi__kernels *kernels(const slivi_posterior *q)
{
    return slivi__isa_best()->kernels[q->precision];
}

void slivi__posterior_give(const slivi_posterior *q, slivi__posterior_plan *p,
                           size_t which, const double *x, size_t count)
{
    kernels(q)->from_double(count, x, p->in_memory[which]);
}

void slivi__posterior_take(const slivi_posterior *q,
                           const slivi__posterior_plan *p, size_t which,
                           double *x, size_t count)
{
    kernels(q)->to_double(count, p->out_memory[which], x);
}

static int make_room(const slivi_posterior *q, slivi__posterior_plan *p,
                     slivi_node x, void **memory)
{
    if (!x.id)
        return 0;
    const ptrdiff_t rows = slivi_node_rows(p->g, x);
    const size_t cols = slivi_node_cols(p->g, x);
    *memory = slivi__alloc((rows < 0 ? p->rows : (size_t)rows) * cols,
                           entry(q));
    if (!*memory)
        return slivi__status();
    return slivi_workspace_bind(p->ws, x, *memory);
}

static void set_entry(const slivi_posterior *q, void *memory, size_t i)
{
    const double one = 1;
    kernels(q)->from_double(1, &one, (char *)memory + i * entry(q));
}

/* Ones below the diagonal; entry (i, j) of T, number e, takes x_j and adds to
   y_i. */
static void fill_constants(const slivi_posterior *q, slivi__posterior_plan *p)
{
    const size_t d = q->d, below = d * (d - 1) / 2;
    for (size_t i = 0, e = 0; i < d; i++)
        for (size_t j = 0; j < i; j++, e++) {
            if (p->in[IN_LOWER].id)
                set_entry(q, p->in_memory[IN_LOWER], i * d + j);
            if (p->in[IN_SPREAD_OUT].id) {
                set_entry(q, p->in_memory[IN_SPREAD_OUT], j * below + e);
                set_entry(q, p->in_memory[IN_GATHER], e * d + i);
            }
        }
}

static int make_memory(const slivi_posterior *q, slivi__posterior_plan *p)
{
    int status = 0;
    for (size_t i = 0; i < SLIVI__POSTERIOR_INS && !status; i++)
        status = make_room(q, p, p->in[i], &p->in_memory[i]);
    for (size_t i = 0; i < SLIVI__POSTERIOR_OUTS && !status; i++)
        status = make_room(q, p, p->out[i], &p->out_memory[i]);
    if (!status)
        fill_constants(q, p);
    return status;
}

static int make_plan(const slivi_posterior *q, slivi__posterior_plan *p)
{
    size_t count = p->trains ? slivi_weights_count(p->weights) : 0;
    slivi_node *out = slivi__alloc(count + SLIVI__POSTERIOR_OUTS, sizeof *out);
    if (!out)
        return slivi__status();
    if (count)
        slivi_weights_gradients(p->weights, out);
    for (size_t i = 0; i < SLIVI__POSTERIOR_OUTS; i++)
        if (p->out[i].id)
            out[count++] = p->out[i];
    p->plan = slivi_plan_create(p->g, count, out, p->rows);
    p->ws = p->plan ? slivi_workspace_create(p->plan, q->pool) : NULL;
    slivi__free(out);
    return p->ws ? 0 : slivi__status();
}

slivi__posterior_plan *
slivi__posterior_plan_get(slivi_posterior *q,
                          enum slivi__posterior_plan_name name)
{
    slivi__posterior_plan *p = &q->plan[name];
    if (p->ws)
        return p;
    p->rows = q->rows;
    p->g = slivi_graph_create(q->precision);
    if (p->g && !builders[name](q, p) && !make_plan(q, p) && !make_memory(q, p))
        return p;
    slivi__posterior_plan_clear(p);
    return NULL;
}

void slivi__posterior_plan_clear(slivi__posterior_plan *p)
{
    slivi_workspace_free(p->ws);
    slivi_plan_free(p->plan);
    slivi_weights_free(p->weights);
    slivi_graph_free(p->g);
    for (size_t i = 0; i < SLIVI__POSTERIOR_INS; i++)
        slivi__free(p->in_memory[i]);
    for (size_t i = 0; i < SLIVI__POSTERIOR_OUTS; i++)
        slivi__free(p->out_memory[i]);
    memset(p, 0, sizeof *p);
}

int slivi__posterior_go(slivi__posterior_plan *p, const void *values,
                        const slivi_run *run)
{
    int status = 0;
    if (p->weights) {
        values = values ? values : slivi_params_const_values(p->params);
        void *gradient = p->trains ? slivi_learner_gradient(p->learner) : NULL;
        status = slivi_weights_bind(p->weights, p->ws, values, gradient);
    }
    return status ? status : slivi_workspace_run(p->ws, run);
}
