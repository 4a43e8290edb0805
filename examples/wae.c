/* wae.c - train a Wasserstein auto-encoder on images: slivi-wae.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "autoencoder.h"
#include "complain.h"

#include <slivi/wae.h>

const char program_name[] = "slivi-wae";

static const args_word words[] = {AUTOENCODER_WORDS("slivi-wae-out")};
static const args_table tables[] = {AUTOENCODER_TABLES(slivi_wae_options)};
static const char *const kinds[] = {"entropy", "lambda", NULL};

static const report_plot plots[] = {
    {"Reconstruction",
     "squared error of an image",
     {"reconstruction"},
     {"E |x - G(z)|^2"},
     NULL},
    {"Prior term",
     "nats for each image",
     {"prior"},
     {"-E log p(z)"},
     "Of draws of N(0, I) it is 1.42 latent on average: below that, codes lie "
     "closer together than the prior's draws."},
    {"Distance from the prior",
     "objective",
     {"score"},
     {"objective of the score net; with mmd, MMD^2"},
     NULL},
    {"Stein's identity",
     "E s(z)'z + latent",
     {"stein"},
     {"0 for the exact score"},
     "A check of the score: the exact one has E s(z)'z = -latent. It scatters "
     "around 0 when all is well."},
    AUTOENCODER_PLOTS,
};

static const autoencoder spec = {
    .args = {"Trains a Wasserstein auto-encoder, its codes held to the prior "
             "by their\nscore or by MMD, on images.",
             words, tables},
    .model = slivi_wae_options,
    .create = slivi_wae_create,
    .kinds = kinds,
    .plots = plots,
};

int main(int argc, char **argv)
{
    return autoencoder_main(&spec, argc, argv);
}
