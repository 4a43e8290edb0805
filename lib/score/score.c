/* score.c - the estimator: names, options, building, evaluating.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "kernel/isa.h"
#include "score/estimator.h"
#include "score/names.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- names and options ------------------------------------------------ */

static const char *const precisions[] = {"f32", "f64", NULL};
static const char *const bases[] = {"none", "gaussian", NULL};
static const char *const laws[] = {"rademacher", "normal", "sphere", NULL};

#define AT(field) offsetof(slivi__score_options, field)

const slivi_option slivi_score_options[] = {
    {"hidden", SLIVI_OPTION_LIST, AT(hidden), 1, 65536, "64,64", NULL,
     "widths of the hidden layers"},
    {"activation", SLIVI_OPTION_NAME, AT(activation), 0, 0, "tanh",
     slivi_activation_names, "of the hidden layers"},
    {"base", SLIVI_OPTION_NAME, AT(base), 0, 0, "gaussian", bases,
     "known part of the score that the net corrects"},
    {"slices", SLIVI_OPTION_SIZE, AT(slices), 1, 4096, "1", NULL,
     "slices (dsm: noises) for each sample"},
    {"law", SLIVI_OPTION_NAME, AT(law), 0, 0, "rademacher", laws,
     "of the slices"},
    {"sigma", SLIVI_OPTION_REAL, AT(sigma), 1e-6, 1e6, "0.1", NULL,
     "noise level of dsm, in standardised units"},
    {"batch", SLIVI_OPTION_SIZE, AT(batch), 1, 1048576, "128", NULL,
     "samples of a step of fit"},
    {"check", SLIVI_OPTION_SIZE, AT(check), 1, 1e9, "200", NULL,
     "steps of fit between held-out evaluations"},
    {"patience", SLIVI_OPTION_SIZE, AT(patience), 1, 1e9, "20", NULL,
     "evaluations without a better one after which fit ends"},
    {"held-out", SLIVI_OPTION_REAL, AT(held_out), 0.001, 0.9, "0.1", NULL,
     "share of the samples that fit holds out"},
    {"precision", SLIVI_OPTION_NAME, AT(precision), 0, 0, "f32", precisions,
     "of the net"},
    {"threads", SLIVI_OPTION_SIZE, AT(threads), 0, 1024, "1", NULL,
     "0: one for each processor"},
    {"seed", SLIVI_OPTION_SEED, AT(seed), 0, 0, "0", NULL,
     "of initial values, slices and batches"},
    {NULL, SLIVI_OPTION_REAL, 0, 0, 0, NULL, NULL, NULL},
};

const char *const slivi_score_names[] = {SLIVI__OBJECTIVE_NAMES, NULL};

const char *slivi_score_help(const char *name)
{
    for (size_t i = 0; slivi_objectives[i]; i++)
        if (!strcmp(slivi_objectives[i]->name, name))
            return slivi_objectives[i]->help;
    return NULL;
}

slivi_score *slivi_score_create(const char *name, size_t dim, size_t context)
{
    const slivi_objective *objective = slivi_objective_find(name);
    if (!objective)
        return NULL;
    if (!dim || dim > 65536 || context > (1u << 24))
        return slivi__fail_null(SLIVI_EINVAL,
                                "score: dim %zu (1 to 65536), context %zu "
                                "(at most 2^24)",
                                dim, context);
    slivi_score *s = slivi__alloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->objective = objective;
    s->dim = dim;
    s->context = context;
    if (!slivi_options_default(slivi_score_options, &s->opt)
        && !slivi_options_default(slivi_learning_options, &s->learning)
        && !slivi_options_set(slivi_learning_options, &s->learning, "optimizer",
                              "adam"))
        return s;
    slivi_score_free(s);
    return NULL;
}

const char *slivi_score_name(const slivi_score *s)
{
    return s->objective->name;
}

size_t slivi_score_dim(const slivi_score *s)
{
    return s->dim;
}

size_t slivi_score_context(const slivi_score *s)
{
    return s->context;
}

/* The table and the struct that hold an option. */
static const slivi_option *table_of(const slivi_score *s, const char *name,
                                    const void **fields)
{
    if (slivi_options_find(slivi_learning_options, name)) {
        *fields = &s->learning;
        return slivi_learning_options;
    }
    *fields = &s->opt; /* it also names the unknown */
    return slivi_score_options;
}

static int may_set(const slivi_score *s, const char *name)
{
    const void *fields;
    if (!s->ready || !strcmp(name, "rate")
        || !slivi_options_find(table_of(s, name, &fields), name))
        return 0;
    return slivi__fail(SLIVI_EINVAL,
                       "score: option %s is fixed by the first use", name);
}

int slivi_score_set(slivi_score *s, const char *name, double value)
{
    const void *fields;
    const slivi_option *table = table_of(s, name, &fields);
    int status = may_set(s, name);
    if (!status) /* fields is a part of *s, which is not const */
        status = slivi_options_set_number(
            table, fields == &s->opt ? (void *)&s->opt : &s->learning, name,
            value);
    if (!status && s->ready)
        slivi_learner_set_rate(s->learner, s->learning.rate);
    return status;
}

int slivi_score_set_text(slivi_score *s, const char *name, const char *text)
{
    const void *fields;
    const slivi_option *table = table_of(s, name, &fields);
    int status = may_set(s, name);
    if (!status)
        status = slivi_options_set(
            table, fields == &s->opt ? (void *)&s->opt : &s->learning, name,
            text);
    if (!status && s->ready)
        slivi_learner_set_rate(s->learner, s->learning.rate);
    return status;
}

int slivi_score_get(const slivi_score *s, const char *name, char *text,
                    size_t room)
{
    const void *fields;
    const slivi_option *table = table_of(s, name, &fields);
    return slivi_options_get(table, fields, name, text, room);
}

/* ---- building --------------------------------------------------------- */

int slivi__score_has_moments(const slivi_score *s)
{
    return !s->context && !strcmp(s->opt.base, "gaussian");
}

int slivi__score_has_head(const slivi_score *s)
{
    return s->context && !strcmp(s->opt.base, "gaussian");
}

/* Samples and contexts come as double, and a context may be an image: they are
   looked through and converted in pieces, by the pool. */
typedef struct pieces {
    const slivi__kernels *k;
    const double *from;
    size_t count, size; /* size: bytes of an entry of `to` */
    char *to;
} pieces;

enum { PIECE = 16384 };

static size_t piece(const pieces *p, size_t i)
{
    return p->count - i * PIECE < PIECE ? p->count - i * PIECE : PIECE;
}

static int convert_piece(size_t i, void *ctx)
{
    const pieces *p = ctx;
    p->k->from_double(piece(p, i), p->from + i * PIECE,
                      p->to + i * PIECE * p->size);
    return 0;
}

static int check_piece(size_t i, void *ctx)
{
    const pieces *p = ctx;
    return p->k->is_finite(piece(p, i), p->from + i * PIECE) ? 0
                                                             : SLIVI_ENONFINITE;
}

static int run_pieces(const slivi_score *s, pieces *p,
                      int (*task)(size_t i, void *ctx))
{
    return slivi_pool_run(p->count < 4 * PIECE ? NULL : s->pool,
                          (p->count + PIECE - 1) / PIECE, task, p);
}

void slivi__score_load(const slivi_score *s, void *to, const double *from,
                       size_t count)
{
    pieces p = {slivi__isa_best()->kernels[s->precision], from, count, s->entry,
                to};
    run_pieces(s, &p, convert_piece);
}

void slivi__score_load_samples(const slivi_score *s, void *to, const double *z,
                               size_t n)
{
    const size_t d = s->dim;
    if (!slivi__score_has_moments(s)) {
        slivi__score_load(s, to, z, n * d);
        return;
    }
    for (size_t i = 0; i < n; i++, z += d)
        for (size_t j = 0; j < d; j++)
            if (s->precision == SLIVI_F64)
                ((double *)to)[i * d + j] = z[j] - s->mean[j];
            else
                ((float *)to)[i * d + j] = (float)(z[j] - s->mean[j]);
}

void slivi__score_store(const slivi_score *s, double *to, const void *from,
                        size_t count)
{
    if (s->precision == SLIVI_F64)
        memcpy(to, from, count * sizeof *to);
    else
        slivi__isa_best()->kernels[SLIVI_F32]->to_double(count, from, to);
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

void slivi__score_unready(slivi_score *s)
{
    slivi__score_plan_clear(&s->train);
    slivi__score_plan_clear(&s->loss);
    slivi_learner_free(s->learner);
    slivi_scorenet_free(s->net);
    slivi_params_free(s->params);
    slivi_pool_free(s->pool);
    slivi__free(s->mean);
    slivi__free(s->cov);
    slivi__free(s->factor);
    slivi__free(s->inverse);
    slivi__free(s->saved);
    slivi__free(s->whiten_memory);
    slivi__free(s->scale_memory);
    s->scale_memory = NULL;
    s->ready = 0;
    s->learner = NULL;
    s->net = NULL;
    s->params = NULL;
    s->pool = NULL;
    s->mean = s->cov = s->factor = s->inverse = s->saved = NULL;
    s->whiten_memory = NULL;
}

int slivi__score_ready(slivi_score *s)
{
    if (s->ready)
        return 0;
    s->precision = strcmp(s->opt.precision, "f64") ? SLIVI_F32 : SLIVI_F64;
    s->entry = s->precision == SLIVI_F32 ? sizeof(float) : sizeof(double);
    int status = 0;
    if (s->opt.threads != 1) {
        s->pool = slivi_pool_create(s->opt.threads);
        status = s->pool ? 0 : slivi__status();
    }
    if (!status)
        status = make_net(s);
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
                       s->opt.activation, s->objective->name);
    if (status)
        slivi__score_unready(s); /* so that options can be mended */
    s->ready = !status;
    return status;
}

void slivi_score_free(slivi_score *s)
{
    if (!s)
        return;
    slivi__score_unready(s);
    slivi__free(s);
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

static int check_finite(const slivi_score *s, const char *what, const double *x,
                        size_t n, size_t d)
{
    pieces p = {slivi__isa_best()->kernels[SLIVI_F64], x, n * d, 0, NULL};
    if (!run_pieces(s, &p, check_piece))
        return 0;
    for (size_t i = 0; i < n * d; i++)
        if (!isfinite(x[i]))
            return slivi__fail(SLIVI_ENONFINITE,
                               "score: %s row %zu column %zu is %g", what,
                               i / d, i % d, x[i]);
    return 0;
}

int slivi__score_check(const slivi_score *s, const double *z, const double *ctx,
                       size_t n)
{
    size_t most;
    if (ctx && !s->context)
        return slivi__fail(SLIVI_EINVAL,
                           "score: a context is given, but the estimator was "
                           "created without one");
    if (!n || !z || (s->context && !ctx))
        return slivi__fail(SLIVI_EINVAL, "score: %s",
                           !n  ? "no samples"
                           : z ? "no context given"
                               : "samples are NULL");
    if (slivi__mul(n, s->dim > s->context ? s->dim : s->context, &most))
        return SLIVI_EOVERFLOW;
    int status = check_finite(s, "sample", z, n, s->dim);
    return status || !s->context
               ? status
               : check_finite(s, "context", ctx, n, s->context);
}

slivi_score_workspace *slivi_score_workspace_create(slivi_score *s)
{
    if (slivi__score_ready(s))
        return NULL;
    slivi_score_workspace *ws = slivi__alloc(1, sizeof *ws);
    if (!ws)
        return NULL;
    if (!slivi__score_plan_build(s, &ws->plan, SLIVI__SCORE_EVAL)
        && !slivi__score_plan_room(s, &ws->plan, SLIVI__SCORE_BLOCK, NULL))
        return ws;
    slivi_score_workspace_free(ws);
    return NULL;
}

void slivi_score_workspace_free(slivi_score_workspace *ws)
{
    if (!ws)
        return;
    slivi__score_plan_clear(&ws->plan);
    slivi__free(ws);
}

static int eval_blocks(const slivi_score *s, const double *z, const double *ctx,
                       size_t n, double *out, slivi__score_plan *p)
{
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

int slivi_score_eval(const slivi_score *s, const double *z, const double *ctx,
                     size_t n, double *out, slivi_score_workspace *ws)
{
    slivi_score_workspace *own = NULL;
    int status = slivi__score_check(s, z, ctx, n);
    if (status)
        return status;
    if (!s->trained)
        return slivi__fail(SLIVI_EINVAL,
                           "score: nothing was learnt yet; call "
                           "slivi_score_fit or slivi_score_update first");
    if (!ws) /* s is ready, so that it is not changed */
        ws = own = slivi_score_workspace_create((slivi_score *)(void *)s);
    slivi__mode mode;
    slivi__mode_enter(&mode);
    status = ws ? eval_blocks(s, z, ctx, n, out, &ws->plan) : slivi__status();
    slivi__mode_leave(&mode);
    slivi_score_workspace_free(own);
    return status;
}

int slivi_entropy_grad(const slivi_score *s, const double *z, const double *ctx,
                       size_t n, double *out, slivi_score_workspace *ws)
{
    int status = slivi_score_eval(s, z, ctx, n, out, ws);
    for (size_t i = 0; i < n * s->dim && !status; i++)
        out[i] = -out[i];
    return status;
}
