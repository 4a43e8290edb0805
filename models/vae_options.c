/* vae_options.c - the options of auto-encoders, and what they come to.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/names.h"
#include "slivi/wae.h"
#include "vae_inside.h"

#include <string.h>

static const char *const encoders[] = {"gaussian", "implicit", "residual",
                                       NULL};
static const char *const entropies[] = {
    "closed", "iwae", SLIVI__OBJECTIVE_NAMES, "stein", "ssge", NULL};
static const char *const distances[] = {"mmd", SLIVI__OBJECTIVE_NAMES, "stein",
                                        "ssge", NULL};
static const char *const likelihoods[] = {"bernoulli", "gaussian", NULL};
static const char *const binarisations[] = {"dynamic", "none", NULL};
static const char *const laws[] = {"normal", "rademacher", "sphere", NULL};
static const char *const bases[] = {"none", "gaussian", "standard", NULL};
static const char *const marginal_bases[] = {"none", "standard", NULL};
static const char *const contexts[] = {"image", "code", "both", NULL};
static const char *const precisions[] = {"f32", "f64", NULL};

#define AT(field) offsetof(slivi__vae_options, field)

/* clang-format off */

/* What both kinds have. */
#define NETS                                                                  \
    {"hidden", SLIVI_OPTION_LIST, AT(hidden), 1, 65536, "256,256", NULL,      \
     "widths of the hidden layers of all nets"},                              \
    {"activation", SLIVI_OPTION_NAME, AT(activation), 0, 0, "tanh",           \
     slivi_activation_names,                                                  \
     "of the hidden layers"}
#define BINARISE                                                              \
    {"binarise", SLIVI_OPTION_NAME, AT(binarise), 0, 0, "dynamic",            \
     binarisations,                                                           \
     "bernoulli: draw x from the pixels at each step"}
#define SCORES                                                                \
    {"slices", SLIVI_OPTION_SIZE, AT(slices), 1, 4096, "1", NULL,             \
     "slices (dsm: noises) for each sample"},                                 \
    {"law", SLIVI_OPTION_NAME, AT(law), 0, 0, "normal", laws,                 \
     "of the slices"},                                                        \
    {"sigma", SLIVI_OPTION_REAL, AT(sigma), 1e-6, 1e6, "0.1", NULL,           \
     "noise level of dsm"},                                                   \
    {"score-steps", SLIVI_OPTION_SIZE, AT(score_steps), 1, 1000, "1", NULL,   \
     "steps of the score net for each step"},                                 \
    {"score-rate", SLIVI_OPTION_REAL, AT(score_rate), 1e-6, 1e6, "1", NULL,   \
     "learning rate of the score net in units of rate"},                      \
    {"width", SLIVI_OPTION_REAL, AT(width), 0, 1e6, "0", NULL,                \
     "stein, ssge: width of the kernel; 0: the samples' median distance"},    \
    {"eta", SLIVI_OPTION_REAL, AT(eta), 0, 1e6, "0.001", NULL,                \
     "stein: regularisation"},                                                \
    {"share", SLIVI_OPTION_REAL, AT(share), 1e-6, 1, "0.99", NULL,            \
     "ssge: share of the eigenvalues that count"},                            \
    {"rank", SLIVI_OPTION_SIZE, AT(rank), 0, 32000, "0", NULL,                \
     "ssge: how many eigenvalues count; 0: by share"},                        \
    {"batch", SLIVI_OPTION_SIZE, AT(batch), 1, 1048576, "128", NULL,          \
     "images of a step"},                                                     \
    {"precision", SLIVI_OPTION_NAME, AT(precision), 0, 0, "f32", precisions,  \
     "of all nets"},                                                          \
    {"threads", SLIVI_OPTION_SIZE, AT(threads), 0, 1024, "0", NULL,           \
     "0: one for each processor"},                                            \
    {"seed", SLIVI_OPTION_SEED, AT(seed), 0, 0, "0", NULL,                    \
     "of everything that is drawn"},                                          \
    {NULL, SLIVI_OPTION_REAL, 0, 0, 0, NULL, NULL, NULL}

const slivi_option slivi_vae_options[] = {
    {"encoder", SLIVI_OPTION_NAME, AT(encoder), 0, 0, "implicit", encoders,
     "family of q(z|x)"},
    {"entropy", SLIVI_OPTION_NAME, AT(entropy), 0, 0, "ssm-vr", entropies,
     "how the entropy's gradient is had"},
    {"latent", SLIVI_OPTION_SIZE, AT(latent), 1, 4096, "8", NULL,
     "dimension of z"},
    {"noise", SLIVI_OPTION_SIZE, AT(noise), 0, 65536, "0", NULL,
     "dimension of the implicit encoder's noise; 0: that of z"},
    NETS,
    {"likelihood", SLIVI_OPTION_NAME, AT(likelihood), 0, 0, "bernoulli",
     likelihoods, "p(x|z)"},
    BINARISE,
    {"x-sd", SLIVI_OPTION_REAL, AT(x_sd), 0, 1e6, "0", NULL,
     "gaussian likelihood: standard deviation; 0: learnt"},
    {"base", SLIVI_OPTION_NAME, AT(base), 0, 0, "none", bases,
     "known part of the score that the score net corrects"},
    {"context", SLIVI_OPTION_NAME, AT(context), 0, 0, "image", contexts,
     "what the score net is given: the image, its code, or both"},
    {"particles", SLIVI_OPTION_SIZE, AT(particles), 1, 4096, "1", NULL,
     "draws of z for each image in a step"},
    {"decoded", SLIVI_OPTION_SIZE, AT(decoded), 1, 4096, "1", NULL,
     "how many of them are decoded (iwae: all)"},
    SCORES,
};

const slivi_option slivi_wae_options[] = {
    {"entropy", SLIVI_OPTION_NAME, AT(entropy), 0, 0, "ssm-vr", distances,
     "how q(z) is drawn to the prior: by its score, or mmd"},
    {"lambda", SLIVI_OPTION_REAL, AT(lambda), 0, 1e9, "10", NULL,
     "weight of that beside the squared error of an image"},
    {"latent", SLIVI_OPTION_SIZE, AT(latent), 1, 4096, "8", NULL,
     "dimension of z"},
    NETS,
    {"likelihood", SLIVI_OPTION_NAME, AT(likelihood), 0, 0, "bernoulli",
     likelihoods, "of the decoder's mean, for log p(x): in [0, 1], or any"},
    BINARISE,
    {"x-sd", SLIVI_OPTION_REAL, AT(x_sd), 1e-6, 1e6, "1", NULL,
     "gaussian likelihood: standard deviation"},
    {"base", SLIVI_OPTION_NAME, AT(base), 0, 0, "none", marginal_bases,
     "known part of the score that the score net corrects"},
    SCORES,
};
/* clang-format on */

const slivi__vae_kind slivi__vae_kinds[] = {
    [SLIVI__VAE_VARIATIONAL] = {"vae", "slivi vae", slivi_vae_options, 0},
    [SLIVI__VAE_WASSERSTEIN] = {"wae", "slivi wae", slivi_wae_options, 1},
};

/* ---- creating ----------------------------------------------------------- */

slivi_vae *slivi__vae_create(const slivi__vae_kind *kind, size_t dim)
{
    if (!dim || dim > (1u << 24))
        return slivi__fail_null(SLIVI_EINVAL, "%s: images of %zu values",
                                kind->name, dim);
    slivi_vae *v = slivi__alloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->dim = dim;
    v->kind = kind;
    v->log_sd = -1;
    if (!slivi_options_default(slivi_vae_options, &v->opt)
        && !slivi_options_default(kind->options, &v->opt)
        && !slivi_options_default(slivi_learning_options, &v->learning))
        return v;
    slivi_vae_free(v);
    return NULL;
}

slivi_vae *slivi_vae_create(size_t dim)
{
    return slivi__vae_create(&slivi__vae_kinds[SLIVI__VAE_VARIATIONAL], dim);
}

slivi_vae *slivi_wae_create(size_t dim)
{
    return slivi__vae_create(&slivi__vae_kinds[SLIVI__VAE_WASSERSTEIN], dim);
}

int slivi_vae_set(slivi_vae *v, const char *name, const char *text)
{
    if (v->ready)
        return slivi__fail(SLIVI_EINVAL,
                           "%s: option %s is fixed by the first use",
                           v->kind->name, name);
    if (slivi_options_find(slivi_learning_options, name))
        return slivi_options_set(slivi_learning_options, &v->learning, name,
                                 text);
    return slivi_options_set(v->kind->options, &v->opt, name, text);
}

int slivi_vae_get(const slivi_vae *v, const char *name, char *text, size_t room)
{
    if (slivi_options_find(slivi_learning_options, name))
        return slivi_options_get(slivi_learning_options, &v->learning, name,
                                 text, room);
    return slivi_options_get(v->kind->options, &v->opt, name, text, room);
}

/* ---- what the options come to ------------------------------------------- */

/* Names that are no objectives; these come from a score net. */
static const struct {
    const char *name;
    enum slivi__vae_source source;
} sources[] = {
    {"closed", SLIVI__VAE_CLOSED},   {"iwae", SLIVI__VAE_IMPORTANCE},
    {"stein", SLIVI__VAE_KERNEL},    {"ssge", SLIVI__VAE_KERNEL},
    {"mmd", SLIVI__VAE_DISCREPANCY},
};

static enum slivi__vae_source source_of(const char *entropy)
{
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (!strcmp(sources[i].name, entropy))
            return sources[i].source;
    return SLIVI__VAE_NET;
}

static const slivi__vae_encoder *family_of(const slivi_vae *v)
{
    const char *name = v->kind->is_wasserstein ? "deterministic"
                                               : v->opt.encoder;
    const slivi__vae_encoder *e = slivi__vae_encoders;
    while (strcmp(e->name, name))
        e++;
    return e;
}

enum { WEIGHTED_MOST = 64 }; /* draws that iwae's graph has room for */

/* Options that do not go together. */
static int check(const slivi_vae *v)
{
    const slivi__vae_options *o = &v->opt;
    const int needs_density = v->source == SLIVI__VAE_CLOSED
                              || v->source == SLIVI__VAE_IMPORTANCE;
    if (needs_density && !v->family->is_gaussian)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "vae: entropy %s needs encoder gaussian; the "
                           "density of encoder %s is not known (choose sm, "
                           "ssm, ssm-vr, dsm, stein or ssge)",
                           o->entropy, o->encoder);
    if (v->source == SLIVI__VAE_IMPORTANCE && o->particles > WEIGHTED_MOST)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "vae: entropy iwae takes up to %d particles, not "
                           "%zu",
                           WEIGHTED_MOST, o->particles);
    if (o->decoded > o->particles)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "vae: decoded is %zu, of %zu particles", o->decoded,
                           o->particles);
    if (v->source == SLIVI__VAE_CLOSED && o->decoded < o->particles)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "vae: entropy closed has no use for particles that "
                           "are not decoded: %zu, decoded %zu",
                           o->particles, o->decoded);
    if (v->source == SLIVI__VAE_KERNEL && !v->kind->is_wasserstein
        && o->particles < 2)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "vae: entropy %s needs 2 particles or more for each "
                           "image (100 are usual)",
                           o->entropy);
    if (v->source == SLIVI__VAE_NET && o->particles > 1 && o->slices > 1)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "vae: %zu particles have a slice each; with "
                           "particles, slices is 1",
                           o->particles);
    if (v->kind->is_wasserstein && v->source != SLIVI__VAE_NET && o->batch < 2)
        return slivi__fail(SLIVI_EUNSUPPORTED,
                           "wae: entropy %s needs a batch of 2 or more",
                           o->entropy);
    return 0;
}

int slivi__vae_settle(slivi_vae *v)
{
    v->family = family_of(v);
    v->source = source_of(v->opt.entropy);
    v->is_coded = !strcmp(v->opt.context, "code");
    v->is_centred = v->source == SLIVI__VAE_NET && !v->kind->is_wasserstein
                    && strcmp(v->opt.context, "image") != 0;
    v->is_bernoulli = !strcmp(v->opt.likelihood, "bernoulli");
    v->precision = strcmp(v->opt.precision, "f64") ? SLIVI_F32 : SLIVI_F64;
    v->entry = v->precision == SLIVI_F32 ? sizeof(float) : sizeof(double);
    return check(v);
}
