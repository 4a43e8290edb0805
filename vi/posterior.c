/* posterior.c - a posterior: its options, and what it is made of.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "posterior_inside.h"
#include "score/names.h"

#include <math.h>
#include <string.h>

const char *const slivi_posterior_names[] = {
    "semi-implicit", "implicit", "gaussian-full", "gaussian-diag", NULL};
const char *const slivi_posterior_entropy_names[] = {
    "auto",  "closed", "mixture", "denoising", "ksivi", SLIVI__OBJECTIVE_NAMES,
    "stein", "ssge",   NULL};
static const char *const precisions[] = {"f32", "f64", NULL};
static const char *const answers[] = {"yes", "no", NULL};
static const char *const whitenings[] = {"full", "diagonal", "none", NULL};

#define AT(field) offsetof(slivi__posterior_options, field)

/* clang-format off */
const slivi_option slivi_posterior_options[] = {
    {"entropy", SLIVI_OPTION_NAME, AT(entropy), 0, 0, "auto",
     slivi_posterior_entropy_names,
     "where the gradient of the entropy comes from"},
    {"hidden", SLIVI_OPTION_LIST, AT(hidden), 1, 65536, "50,50", NULL,
     "widths of the hidden layers of all nets"},
    {"activation", SLIVI_OPTION_NAME, AT(activation), 0, 0, "silu",
     slivi_activation_names, "of the hidden layers"},
    {"noise", SLIVI_OPTION_SIZE, AT(noise), 0, 65536, "0", NULL,
     "columns of the noise e, at least the target's; 0: so many, and 1 more"},
    {"least", SLIVI_OPTION_REAL, AT(least), 0, 1, "0.1", NULL,
     "semi-implicit: what sds s(e) stay above, in whitened units"},
    {"batch", SLIVI_OPTION_SIZE, AT(batch), 1, 1048576, "128", NULL,
     "draws of a step"},
    {"grow", SLIVI_OPTION_SIZE, AT(grow), 1, 1024, "2", NULL,
     "how many times larger batch and mixture are at the end, by doubling"},
    {"mixture", SLIVI_OPTION_SIZE, AT(mixture), 2, 65536, "1024", NULL,
     "other components K of the mixture that semi-implicit's density is"},
    {"slices", SLIVI_OPTION_SIZE, AT(slices), 1, 4096, "1", NULL,
     "of sliced score matching, for each draw"},
    {"sigma", SLIVI_OPTION_REAL, AT(sigma), 1e-6, 1e6, "0.1", NULL,
     "dsm: noise level in whitened units"},
    {"score-steps", SLIVI_OPTION_SIZE, AT(score_steps), 0, 1000, "0", NULL,
     "of the score for each step; 0: as held-out comparison finds, up to 8"},
    {"score-rate", SLIVI_OPTION_REAL, AT(score_rate), 1e-6, 1e6, "3", NULL,
     "learning rate of the score in units of rate"},
    {"whiten", SLIVI_OPTION_NAME, AT(whiten), 0, 0, "full", whitenings,
     "by a Gaussian that is fitted first: how much of its covariance"},
    {"check-gradient", SLIVI_OPTION_NAME, AT(check_gradient), 0, 0, "yes",
     answers,
     "compare the target's gradient with differences at some points first"},
    {"anneal", SLIVI_OPTION_REAL, AT(anneal), 0, 1, "0", NULL,
     "share of the steps in which the target is tempered"},
    {"beta", SLIVI_OPTION_REAL, AT(beta), 1e-6, 1, "0.1", NULL,
     "its exponent at first, rising to 1"},
    {"check", SLIVI_OPTION_SIZE, AT(check), 1, 1e9, "500", NULL,
     "steps between looks at the bound"},
    {"bound-draws", SLIVI_OPTION_SIZE, AT(bound_draws), 2, 1e9, "1000", NULL,
     "of such a look"},
    {"patience", SLIVI_OPTION_SIZE, AT(patience), 0, 1e9, "0", NULL,
     "looks without gain after which a fit ends; 0: none"},
    {"precision", SLIVI_OPTION_NAME, AT(precision), 0, 0, "f32", precisions,
     "of the nets; targets and densities count in double"},
    {"threads", SLIVI_OPTION_SIZE, AT(threads), 0, 1024, "1", NULL,
     "0: one for each processor"},
    {"seed", SLIVI_OPTION_SEED, AT(seed), 0, 0, "0", NULL,
     "of everything that is drawn"},
    {NULL, SLIVI_OPTION_REAL, 0, 0, 0, NULL, NULL, NULL}};
/* clang-format on */

/* What differs from slivi/learn.h. */
static const struct {
    const char *name, *text;
} defaults[] = {{"optimizer", "adam"},
                {"rate", "0.002"},
                {"schedule", "cosine"},
                {"average", "0.999"},
                {"steps", "10000"}};

/* Sources that are no score estimators. */
static const slivi__source *const sources[] = {
    &slivi__source_closed, &slivi__source_mixture, &slivi__source_denoising,
    &slivi__source_ksivi, NULL};

/* ---- names --------------------------------------------------------------- */

static const slivi__family *family_find(const char *name)
{
    for (const slivi__family *f = slivi__families; f->name; f++)
        if (!strcmp(f->name, name))
            return f;
    return NULL;
}

static const slivi__source *source_find(const char *name)
{
    for (size_t i = 0; sources[i]; i++)
        if (!strcmp(sources[i]->name, name))
            return sources[i];
    return &slivi__source_estimator;
}

const char *slivi_posterior_help(const char *name)
{
    const slivi__family *f = family_find(name);
    return f ? f->help : NULL;
}

const char *slivi_posterior_entropy_help(const char *name)
{
    const slivi__source *s = source_find(name);
    if (!strcmp(name, "auto"))
        return "closed; mixture, beyond 20 dimensions or amortised denoising; sm, ssm-vr";
    return s == &slivi__source_estimator ? slivi_score_help(name) : s->help;
}

/* ---- creating ------------------------------------------------------------ */

slivi_posterior *slivi_posterior_create(const char *family,
                                        slivi_target *target)
{
    const slivi__family *f = family_find(family);
    if (!f)
        return slivi__fail_null(SLIVI_ENAME,
                                "posterior: no family \"%s\" (semi-implicit, "
                                "implicit, gaussian-full, gaussian-diag)",
                                family);
    slivi_posterior *q = slivi__alloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->target = target;
    q->family = f;
    q->d = slivi_target_dim(target);
    q->k = slivi_target_context(target);
    int status = slivi_options_default(slivi_posterior_options, &q->opt);
    if (!status)
        status = slivi_options_default(slivi_learning_options, &q->learning);
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults && !status; i++)
        status = slivi_options_set(slivi_learning_options, &q->learning,
                                   defaults[i].name, defaults[i].text);
    if (!status)
        return q;
    slivi_posterior_free(q);
    return NULL;
}

const char *slivi_posterior_name(const slivi_posterior *q)
{
    return q->family->name;
}

slivi_target *slivi_posterior_target(const slivi_posterior *q)
{
    return q->target;
}

static int may_set(const slivi_posterior *q, const char *name)
{
    return q->ready ? slivi__fail(SLIVI_EINVAL,
                                  "posterior: option %s is fixed by the "
                                  "first fit",
                                  name)
                    : 0;
}

static const slivi_option *table_of(slivi_posterior *q, const char *name,
                                    void **fields)
{
    const int learns = slivi_options_find(slivi_learning_options, name) != NULL;
    *fields = learns ? (void *)&q->learning : (void *)&q->opt;
    return learns ? slivi_learning_options : slivi_posterior_options;
}

int slivi_posterior_set(slivi_posterior *q, const char *name, double value)
{
    void *fields;
    const slivi_option *table = table_of(q, name, &fields);
    int status = may_set(q, name);
    return status ? status
                  : slivi_options_set_number(table, fields, name, value);
}

int slivi_posterior_set_text(slivi_posterior *q, const char *name,
                             const char *text)
{
    void *fields;
    const slivi_option *table = table_of(q, name, &fields);
    int status = may_set(q, name);
    return status ? status : slivi_options_set(table, fields, name, text);
}

int slivi_posterior_get(const slivi_posterior *q, const char *name, char *text,
                        size_t room)
{
    if (slivi_options_find(slivi_learning_options, name))
        return slivi_options_get(slivi_learning_options, &q->learning, name,
                                 text, room);
    return slivi_options_get(slivi_posterior_options, &q->opt, name, text,
                             room);
}

/* ---- what the options come to -------------------------------------------- */

static int settle_source(slivi_posterior *q)
{
    const slivi__family *f = q->family;
    const char *name = q->opt.entropy;
    if (!strcmp(name, "auto"))
        name = f->entropies[q->d > SLIVI__FEW || q->k];
    q->source = source_find(name);
    q->entropy = slivi_options_find(slivi_posterior_options, "entropy")->names;
    while (strcmp(*q->entropy, name))
        q->entropy++;
    if (q->source->gaussian && !f->is_gaussian)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "posterior: entropy %s needs a Gaussian family; the "
                           "entropy of %s is not known in closed form",
                           name, f->name);
    if (q->source->mixture && !f->is_mixture)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "posterior: entropy %s needs family semi-implicit, "
                           "not %s",
                           name, f->name);
    if (q->source->moves_spread && q->k)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "posterior: entropy %s compares draws of one "
                           "density, and an amortised target has many",
                           name);
    return 0;
}

static int settle(slivi_posterior *q)
{
    const slivi__posterior_options *o = &q->opt;
    if (o->noise && o->noise < q->d)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "posterior: %zu columns of noise cannot fill %zu "
                           "dimensions: q would have no density",
                           o->noise, q->d);
    q->noise = o->noise ? o->noise : q->d + 1;
    q->precision = strcmp(o->precision, "f32") ? SLIVI_F64 : SLIVI_F32;
    int status = slivi__mul(o->batch, o->grow, &q->batch_most);
    if (status)
        return status;
    q->components = o->mixture / 2;
    q->rows = q->batch_most > q->components ? q->batch_most : q->components;
    return settle_source(q);
}

/* ---- building ------------------------------------------------------------ */

static int make_params(slivi_posterior *q)
{
    q->params = slivi_params_create(q->precision);
    if (!q->params)
        return slivi__status();
    int status = q->family->make(q);
    if (status)
        return status;
    slivi_params_init(q->params, q->opt.seed, SLIVI__POSTERIOR_INIT);
    if (q->family->start) {
        const size_t count = slivi_params_size(q->params);
        double *values = slivi__alloc(count, sizeof *values);
        if (!values)
            return slivi__status();
        slivi_params_get(q->params, values);
        q->family->start(q, values);
        slivi_params_set(q->params, values);
        slivi__free(values);
    }
    q->learner = slivi_learner_create(q->params, &q->learning);
    if (!q->learner)
        return slivi__status();
    slivi_learner_set_pool(q->learner, q->pool);
    q->best = slivi__alloc(slivi_params_size(q->params), sizeof(double));
    return q->best ? 0 : slivi__status();
}

static int make_draws(slivi_posterior *q)
{
    const size_t n = q->rows, d = q->d;
    size_t count;
    int status = slivi__mul(n, 14 * d + 3 * q->k + 5, &count);
    if (!status)
        status = slivi__add(count, d + d * d + 2 * q->k, &count);
    if (status)
        return status;
    double *x = q->memory = slivi__alloc(count, sizeof *x);
    if (!x)
        return slivi__status();
    double **const wide[] = {&q->now.w,     &q->now.h, &q->now.u, &q->now.mu,
                             &q->now.log_s, &q->z,     &q->pull,  &q->score,
                             &q->spread,    &q->other};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++, x += n * d)
        *wide[i] = x;
    q->work = x;
    q->now.c = q->work + 4 * n * d + 2 * n;
    q->contexts = q->now.c + n * q->k;
    q->standard = q->contexts + n * q->k;
    q->lp = q->standard + n * q->k;
    q->log_q = q->lp + n;
    q->log_more = q->log_q + n;
    q->mean = q->log_more + n;
    q->chol = q->mean + d;
    q->context_mean = q->chol + d * d;
    q->context_sd = q->context_mean + q->k;
    for (size_t j = 0; j < q->k; j++)
        q->context_sd[j] = 1;
    for (size_t i = 0; i < d; i++)
        q->chol[i * d + i] = 1;
    return 0;
}

/* Room for T, as the plan of draws gives it. */
static int make_t(slivi_posterior *q)
{
    const slivi__posterior_plan *p = &q->plan[SLIVI__POSTERIOR_DRAW];
    const slivi_node t = p->out[OUT_T];
    size_t count;
    if (!t.id)
        return 0;
    int status = slivi__mul(q->k ? q->rows : q->d, slivi_node_cols(p->g, t),
                            &count);
    if (status)
        return status;
    q->t = slivi__alloc(count, sizeof *q->t);
    return q->t ? 0 : slivi__status();
}

static int make_plans(slivi_posterior *q)
{
    const int mixes = q->family->is_mixture;
    return slivi__posterior_plan_get(q, SLIVI__POSTERIOR_DRAW)
                   && slivi__posterior_plan_get(q, SLIVI__POSTERIOR_PUSH)
                   && (!mixes
                       || slivi__posterior_plan_get(q,
                                                    SLIVI__POSTERIOR_MIXTURE))
               ? 0
               : slivi__status();
}

static void unready(slivi_posterior *q)
{
    if (q->source && q->source->drop)
        q->source->drop(q);
    for (int i = 0; i < SLIVI__POSTERIOR_PLANS; i++)
        slivi__posterior_plan_clear(&q->plan[i]);
    slivi_learner_free(q->learner);
    slivi_net_free(q->net);
    slivi_net_free(q->affine);
    slivi_params_free(q->params);
    slivi_pool_free(q->pool);
    slivi__free(q->memory);
    slivi__free(q->t);
    slivi__free(q->best);
    *q = (slivi_posterior){.target = q->target,
                           .family = q->family,
                           .opt = q->opt,
                           .learning = q->learning,
                           .d = q->d,
                           .k = q->k};
}

int slivi__posterior_ready(slivi_posterior *q)
{
    if (q->ready)
        return 0;
    int status = settle(q);
    if (status)
        return status;
    q->best_bound = -INFINITY;
    q->score_steps = q->opt.score_steps ? q->opt.score_steps : 1;
    q->pool = slivi_pool_create(q->opt.threads);
    status = q->pool ? make_params(q) : slivi__status();
    if (!status)
        status = make_draws(q);
    if (!status)
        status = make_plans(q);
    if (!status)
        status = make_t(q);
    if (!status && q->source->make)
        status = q->source->make(q);
    if (status)
        unready(q); /* so that options can be mended */
    q->ready = !status;
    return status;
}

void slivi_posterior_free(slivi_posterior *q)
{
    if (!q)
        return;
    unready(q);
    slivi__free(q);
}
