/* choices.c - a line about each name that an option may take, for --list.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "choices.h"

#include <slivi/posterior.h>
#include <slivi/score.h>

#include <stddef.h>
#include <string.h>

typedef struct choice {
    const char *option, *name, *help;
} choice;

static const choice choices[] = {
    {"encoder", "gaussian", "N(mean(x), sd(x)^2), diagonal"},
    {"encoder", "implicit", "a net of x and noise; its density is unknown"},
    {"encoder", "residual",
     "mean(x) + sd(x) (noise + tanh of a net of x and noise)"},
    {"entropy", "closed", "in closed form, of Gaussians only"},
    {"entropy", "iwae",
     "the importance-weighted bound's; encoder gaussian only"},
    {"entropy", "mmd", "MMD^2 between codes and draws of the prior, no score"},
    {"likelihood", "bernoulli", "bits, from their logits"},
    {"likelihood", "gaussian", "real numbers around a mean, see x-sd"},
    {"binarise", "dynamic", "bits drawn from the pixels at each step"},
    {"binarise", "none", "pixels as they are"},
    {"base", "none", "the net is the whole score"},
    {"base", "gaussian",
     "the score of a fitted Gaussian, which a net corrects"},
    {"base", "standard", "the score of N(0, I), which a net corrects"},
    {"context", "image", "all of it, as in the paper"},
    {"context", "code",
     "the encoder's z at zero noise, and draws less where they are there"},
    {"context", "both", "the image, and draws less where they are there"},
    {"precision", "f32", "single precision"},
    {"precision", "f64", "double precision"},
    {"law", "normal", "N(0, I)"},
    {"law", "rademacher", "every entry +1 or -1"},
    {"law", "sphere", "uniform on the sphere of radius sqrt(dimension)"},
    {"activation", "identity", "x: an affine net"},
    {"activation", "tanh", "smooth"},
    {"activation", "softplus", "log(1 + exp x), smooth"},
    {"activation", "sigmoid", "1 / (1 + exp -x), smooth"},
    {"activation", "relu", "max(x, 0); its kink does not suit score nets"},
    {"activation", "leaky-relu", "x, or 0.2 x below 0; the same kink"},
    {"activation", "elu", "x, or exp x - 1 below 0"},
    {"activation", "silu", "x sigmoid(x), smooth"},
    {"activation", "gelu", "x Phi(x), smooth"},
    {"activation", "sin", "smooth and periodic"},
    {"optimizer", "momentum", "stochastic gradient descent with momentum"},
    {"optimizer", "rmsprop", "steps scaled by a running root mean square"},
    {"optimizer", "adam", "the same, with a running mean of the gradient"},
    {"schedule", "constant", "the same rate throughout"},
    {"schedule", "linear", "falls to 0 along a line"},
    {"schedule", "cosine", "falls to 0 along half a cosine"},
    {"whiten", "full", "all of it"},
    {"whiten", "diagonal", "its variances"},
    {"whiten", "none", "the target is learnt as it is"},
    {"check-gradient", "yes", "refuse a target whose gradient is wrong"},
    {"check-gradient", "no", "trust it, which saves a few evaluations"},
    {"verdict", "yes", "judge the draws"},
    {"verdict", "no", "do not, which saves time"},
    {"eval-part", "test", "for the numbers that are reported"},
    {"eval-part", "validation", "for the choice of options"},
    {"ais-steps", "frozen",
     "one for each temperature, found on validation images: unbiased"},
    {"ais-steps", "led", "one for each group, by its chains' acceptance"},
    {NULL, NULL, NULL},
};

const char *choices_help(const char *option, const char *name)
{
    for (const choice *c = choices; c->name; c++)
        if (!strcmp(c->option, option) && !strcmp(c->name, name))
            return c->help;
    if (!strcmp(option, "posterior"))
        return slivi_posterior_help(name);
    const char *help = slivi_score_help(name);
    return help ? help : slivi_posterior_entropy_help(name);
}
