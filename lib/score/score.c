/* score.c - the estimator: names, options, and what its type does.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/estimator.h"
#include "score/names.h"

#include <stdio.h>
#include <string.h>

/* ---- names and options ------------------------------------------------ */

static const char *const precisions[] = {"f32", "f64", NULL};
static const char *const bases[] = {"none", "gaussian", "standard", NULL};
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
    {"width", SLIVI_OPTION_REAL, AT(kernel.width), 0, 1e140, "0", NULL,
     "stein, ssge: width of the kernel; 0: the samples' median distance"},
    {"eta", SLIVI_OPTION_REAL, AT(kernel.eta), 0, 1e140, "0.001", NULL,
     "stein: regularisation"},
    {"share", SLIVI_OPTION_REAL, AT(kernel.share), 1e-6, 1, "0.99", NULL,
     "ssge: share of the eigenvalues that count"},
    {"rank", SLIVI_OPTION_SIZE, AT(kernel.rank), 0, 32000, "0", NULL,
     "ssge: how many eigenvalues count; 0: by share"},
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

const char *const slivi_score_names[] = {SLIVI__OBJECTIVE_NAMES,
                                         SLIVI__KERNEL_NAMES, NULL};

static const slivi__score_type *const types[] = {&slivi__score_nets,
                                                 &slivi__score_kernels, NULL};

/* The type with an estimator of that name, and its copy of the name. */
static const slivi__score_type *find(const char **name)
{
    for (size_t t = 0; types[t]; t++)
        for (size_t i = 0; types[t]->names[i]; i++)
            if (!strcmp(types[t]->names[i], *name)) {
                *name = types[t]->names[i];
                return types[t];
            }
    return NULL;
}

const char *slivi_score_help(const char *name)
{
    const slivi__score_type *type = find(&name);
    return type ? type->help(name) : NULL;
}

static void *fail_name(const char *name)
{
    char all[128] = "";
    for (size_t i = 0; slivi_score_names[i]; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s",
                 i ? ", " : "", slivi_score_names[i]);
    return slivi__fail_null(SLIVI_ENAME, "no score estimator \"%s\" (%s)", name,
                            all);
}

slivi_score *slivi_score_create(const char *name, size_t dim, size_t context)
{
    const slivi__score_type *type = find(&name);
    if (!type)
        return fail_name(name);
    if (!dim || dim > 65536 || context > (1u << 24))
        return slivi__fail_null(SLIVI_EINVAL,
                                "score: dim %zu (1 to 65536), context %zu "
                                "(at most 2^24)",
                                dim, context);
    slivi_score *s = slivi__alloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->type = type;
    s->name = name;
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
    return s->name;
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
    if (!status && s->learner)
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
    if (!status && s->learner)
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

/* ---- life ------------------------------------------------------------- */

void slivi__score_unready(slivi_score *s)
{
    s->type->drop(s);
    slivi_pool_free(s->pool);
    s->pool = NULL;
    s->ready = 0;
}

int slivi__score_ready(slivi_score *s)
{
    int status = 0;
    if (s->ready)
        return 0;
    if (s->opt.threads != 1) {
        s->pool = slivi_pool_create(s->opt.threads);
        status = s->pool ? 0 : slivi__status();
    }
    if (!status)
        status = s->type->build(s);
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

/* ---- what the types do ------------------------------------------------ */

int slivi_score_update(slivi_score *s, const double *z, const double *ctx,
                       size_t n, double *loss)
{
    slivi__mode mode;
    slivi__mode_enter(&mode);
    int status = s->type->update(s, z, ctx, n, loss);
    slivi__mode_leave(&mode);
    return status;
}

int slivi_score_fit(slivi_score *s, const double *z, const double *ctx,
                    size_t n, slivi_score_report *report, void *report_ctx,
                    slivi_score_progress *final)
{
    slivi__mode mode;
    slivi__mode_enter(&mode);
    int status = s->type->fit(s, z, ctx, n, report, report_ctx, final);
    slivi__mode_leave(&mode);
    return status;
}

int slivi_score_loss(slivi_score *s, const double *z, const double *ctx,
                     size_t n, double *loss)
{
    slivi__mode mode;
    slivi__mode_enter(&mode);
    int status = s->type->loss(s, z, ctx, n, loss);
    slivi__mode_leave(&mode);
    return status;
}

slivi_score_workspace *slivi_score_workspace_create(slivi_score *s)
{
    if (slivi__score_ready(s))
        return NULL;
    slivi_score_workspace *ws = slivi__alloc(1, sizeof *ws);
    if (!ws)
        return NULL;
    ws->type = s->type;
    ws->room = s->type->open(s);
    if (ws->room)
        return ws;
    slivi__free(ws);
    return NULL;
}

void slivi_score_workspace_free(slivi_score_workspace *ws)
{
    if (!ws)
        return;
    ws->type->close(ws->room);
    slivi__free(ws);
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
    status = ws ? s->type->eval(s, z, ctx, n, out, ws->room) : slivi__status();
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
