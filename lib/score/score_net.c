/* score_net.c - estimators with a net: building, graphs, evaluating.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/estimator.h"

#include <string.h>

/* ---- building --------------------------------------------------------- */

int slivi__score_has_moments(const slivi_score *s)
{
    return !s->context && !strcmp(s->opt.base, "gaussian");
}

int slivi__score_has_head(const slivi_score *s)
{
    return s->context && !strcmp(s->opt.base, "gaussian");
}

/* Before any samples the base is N(0, I). */
static int make_moments(slivi_score *s)
{
    size_t d = s->dim, square;
    if (!slivi__score_has_moments(s))
        return 0;
    int status = slivi__mul(d, d, &square);
    if (status)
        return status;
    s->mean = slivi__alloc(d, sizeof *s->mean);
    s->cov = slivi__alloc(square, sizeof *s->cov);
    s->factor = slivi__alloc(square, sizeof *s->factor);
    s->inverse = slivi__alloc(square, sizeof *s->inverse);
    s->saved = slivi__alloc(square + d + 1, sizeof *s->saved);
    s->whiten_memory = slivi__alloc(square, s->entry);
    if (!s->mean || !s->cov || !s->factor || !s->inverse || !s->saved
        || !s->whiten_memory)
        return slivi__status();
    for (size_t i = 0; i < d; i++)
        s->cov[i * d + i] = 1;
    return slivi__score_whiten(s);
}

static int make_scale(slivi_score *s)
{
    s->scale_memory = slivi__alloc(s->dim, s->entry);
    if (!s->scale_memory)
        return slivi__status();
    for (size_t i = 0; i < s->dim; i++)
        slivi__score_load(s, (char *)s->scale_memory + i * s->entry,
                          &(double){1}, 1);
    return 0;
}

static int make_net(slivi_score *s)
{
    slivi_scorenet_spec spec = {
        .name = "score",
        .dim = s->dim,
        .context = s->context,
        .hidden = s->opt.hidden,
        .activation = slivi_activation_find(s->opt.activation),
        .gaussian = !strcmp(s->opt.base, "gaussian"),
        .standard = !strcmp(s->opt.base, "standard"),
    };
    s->params = slivi_params_create(s->precision);
    s->net = s->params ? slivi_scorenet_create(s->params, &spec) : NULL;
    if (!s->net)
        return slivi__status();
    slivi_params_init(s->params, s->opt.seed, 1);
    s->learner = slivi_learner_create(s->params, &s->learning);
    if (!s->learner)
        return slivi__status();
    slivi_learner_set_pool(s->learner, s->pool);
    return 0;
}

static void drop(slivi_score *s)
{
    slivi__score_plan_clear(&s->train);
    slivi__score_plan_clear(&s->loss);
    slivi_learner_free(s->learner);
    slivi_scorenet_free(s->net);
    slivi_params_free(s->params);
    slivi__free(s->mean);
    slivi__free(s->cov);
    slivi__free(s->factor);
    slivi__free(s->inverse);
    slivi__free(s->saved);
    slivi__free(s->whiten_memory);
    slivi__free(s->scale_memory);
    s->learner = NULL;
    s->net = NULL;
    s->params = NULL;
    s->mean = s->cov = s->factor = s->inverse = s->saved = NULL;
    s->whiten_memory = s->scale_memory = NULL;
    s->weight = 0;
}

static int build(slivi_score *s)
{
    s->objective = slivi_objective_find(s->name);
    s->precision = strcmp(s->opt.precision, "f64") ? SLIVI_F32 : SLIVI_F64;
    s->entry = s->precision == SLIVI_F32 ? sizeof(float) : sizeof(double);
    int status = make_net(s);
    if (!status)
        status = make_moments(s);
    if (!status)
        status = make_scale(s);
    if (!status)
        status = slivi__score_plan_build(s, &s->train, SLIVI__SCORE_TRAIN);
    if (!status)
        status = slivi__score_plan_build(s, &s->loss, SLIVI__SCORE_LOSS);
    if (status == SLIVI_EUNSUPPORTED)
        slivi__fail_in(status, "score: activation %s with %s",
                       s->opt.activation, s->name);
    return status;
}

/* ---- graphs ----------------------------------------------------------- */

enum { STREAM_SLICES = 2 };

static slivi_node build_out(const slivi_score *s, slivi__score_plan *p,
                            enum slivi__score_purpose purpose)
{
    slivi_scorenet_use use = {s->net, p->w, p->context, p->whiten};
    slivi_objective_options how = {.slices = s->opt.slices,
                                   .law = slivi_law_find(s->opt.law),
                                   .sigma = s->opt.sigma,
                                   .stream = STREAM_SLICES};
    /* a held-out objective without noise wherever that can be had: dsm's
       target is another density, so it stays as it is */
    int exact = purpose == SLIVI__SCORE_LOSS && s->dim <= 64
                && strcmp(s->objective->name, "dsm");
    if (purpose == SLIVI__SCORE_EVAL)
        return slivi_scorenet_score(&use, p->z);
    if (exact && slivi__score_has_head(s)) {
        p->scale = slivi_input(p->g, "scale", 1, s->dim);
        return slivi_scorenet_held_out(&use, p->z, p->scale, &p->chunks);
    }
    return slivi_scorenet_loss(
        &use, p->z, exact ? slivi_objective_find("sm") : s->objective, &how,
        &p->chunks);
}

int slivi__score_plan_build(const slivi_score *s, slivi__score_plan *p,
                            enum slivi__score_purpose purpose)
{
    p->g = slivi_graph_create(s->precision);
    p->w = p->g ? slivi_weights_create(p->g, s->params) : NULL;
    if (!p->w)
        return slivi__status();
    p->z = slivi_input(p->g, "z", SLIVI_ROWS, s->dim);
    if (s->context)
        p->context = slivi_input(p->g, "context", SLIVI_ROWS, s->context);
    if (slivi__score_has_moments(s)) {
        p->whiten = slivi_input(p->g, "whiten", (ptrdiff_t)s->dim, s->dim);
    }
    p->chunks = 1;
    p->out = build_out(s, p, purpose);
    if (purpose == SLIVI__SCORE_TRAIN)
        slivi_weights_differentiate(p->w, p->out);
    p->outputs = purpose == SLIVI__SCORE_TRAIN ? slivi_weights_count(p->w) : 0;
    return slivi_graph_status(p->g);
}

/* p's plan and workspace for so many rows. */
static int make_plan(const slivi_score *s, slivi__score_plan *p, size_t rows,
                     void *gradient)
{
    slivi_node *out = slivi__alloc(p->outputs + 1, sizeof *out);
    if (!out)
        return SLIVI_ENOMEM;
    if (p->outputs)
        slivi_weights_gradients(p->w, out);
    out[p->outputs] = p->out;
    p->plan = slivi_plan_create(p->g, p->outputs + 1, out, rows);
    p->ws = p->plan ? slivi_workspace_create(p->plan, s->pool) : NULL;
    slivi__free(out);
    if (!p->ws)
        return slivi__status();
    if (p->outputs)
        slivi_weights_bind(p->w, p->ws, slivi_params_const_values(s->params),
                           gradient);
    if (p->scale.id)
        slivi_workspace_bind(p->ws, p->scale, s->scale_memory);
    if (p->whiten.id)
        slivi_workspace_bind(p->ws, p->whiten, s->whiten_memory);
    return 0;
}

/* What depends on the number of rows. */
static void drop_room(slivi__score_plan *p)
{
    slivi_workspace_free(p->ws);
    slivi_plan_free(p->plan);
    slivi__free(p->z_memory);
    slivi__free(p->context_memory);
    slivi__free(p->out_memory);
}

int slivi__score_plan_room(const slivi_score *s, slivi__score_plan *p,
                           size_t rows, void *gradient)
{
    if (rows <= p->rows)
        return 0;
    size_t zs, cs;
    if (slivi__mul(rows, s->dim, &zs) || slivi__mul(rows, s->context, &cs))
        return SLIVI_EOVERFLOW;
    slivi__score_plan q = *p;
    q.plan = NULL;
    q.ws = NULL;
    int status = make_plan(s, &q, rows, gradient);
    q.z_memory = slivi__alloc(zs, s->entry);
    q.context_memory = slivi__alloc(cs, s->entry);
    q.out_memory = slivi__alloc(zs, s->entry);
    q.rows = rows;
    if (!status && !(q.z_memory && q.context_memory && q.out_memory))
        status = SLIVI_ENOMEM;
    drop_room(status ? &q : p); /* what failed, or the old one */
    if (status)
        return status;
    *p = q;
    slivi_workspace_bind(p->ws, p->z, p->z_memory);
    slivi_workspace_bind(p->ws, p->out, p->out_memory);
    if (s->context)
        slivi_workspace_bind(p->ws, p->context, p->context_memory);
    return 0;
}

void slivi__score_bind(const slivi_score *s, slivi__score_plan *p)
{
    if (!p->outputs) /* training's binding is for good */
        slivi_weights_bind(p->w, p->ws, slivi_learner_average(s->learner),
                           NULL);
}

void slivi__score_plan_clear(slivi__score_plan *p)
{
    drop_room(p);
    slivi_weights_free(p->w);
    slivi_graph_free(p->g);
    memset(p, 0, sizeof *p);
}

/* ---- evaluation ------------------------------------------------------- */

static void *open_room(const slivi_score *s)
{
    slivi__score_plan *p = slivi__alloc(1, sizeof *p);
    if (!p)
        return NULL;
    if (!slivi__score_plan_build(s, p, SLIVI__SCORE_EVAL)
        && !slivi__score_plan_room(s, p, SLIVI__SCORE_BLOCK, NULL))
        return p;
    slivi__score_plan_clear(p);
    slivi__free(p);
    return NULL;
}

static void close_room(void *room)
{
    slivi__score_plan_clear(room);
    slivi__free(room);
}

static int eval(const slivi_score *s, const double *z, const double *ctx,
                size_t n, double *out, void *room)
{
    slivi__score_plan *p = room;
    size_t d = s->dim, block;
    int status = 0;
    slivi__score_bind(s, p);
    for (size_t i = 0; i < n && !status; i += block) {
        block = n - i < p->rows ? n - i : p->rows;
        slivi_run run = {.n = block, .seed = s->opt.seed, .row = 0};
        slivi__score_load_samples(s, p->z_memory, z + i * d, block);
        if (s->context)
            slivi__score_load(s, p->context_memory, ctx + i * s->context,
                              block * s->context);
        status = slivi_workspace_run(p->ws, &run);
        if (!status)
            slivi__score_store(s, out + i * d, p->out_memory, block * d);
    }
    return status;
}

static const char *help(const char *name)
{
    return slivi_objective_find(name)->help;
}

const slivi__score_type slivi__score_nets = {
    .names = slivi_objective_names,
    .help = help,
    .build = build,
    .drop = drop,
    .update = slivi__score_net_update,
    .fit = slivi__score_net_fit,
    .loss = slivi__score_net_loss,
    .open = open_room,
    .close = close_room,
    .eval = eval,
    .save = slivi__score_net_save,
    .load = slivi__score_net_load,
};
