/* vae.c - train a variational auto-encoder on images: slivi-vae.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "autoencoder.h"
#include "complain.h"

const char program_name[] = "slivi-vae";

static const args_word words[] = {AUTOENCODER_WORDS("slivi-vae-out")};
static const args_table tables[] = {AUTOENCODER_TABLES(slivi_vae_options)};
static const char *const kinds[] = {"encoder", "entropy", NULL};

static const report_plot plots[] = {
    {"Reconstruction",
     "nats for each image",
     {"reconstruction"},
     {"-E log p(x|z)"},
     NULL},
    {"Prior term", "nats for each image", {"prior"}, {"-E log p(z)"}, NULL},
    {"Score matching",
     "objective",
     {"score"},
     {"objective of the score net"},
     "What the score net descends: lower is a better score of the same q, but "
     "q moves as the encoder learns."},
    {"Stein's identity",
     "E s(z|x)'z + latent",
     {"stein"},
     {"0 for the exact score"},
     "A check of the score: the exact one has E s(z|x)'z = -latent. It "
     "scatters around 0 when all is well."},
    AUTOENCODER_PLOTS,
};

static const autoencoder spec = {
    .args = {"Trains a variational auto-encoder, its encoder implicit or "
             "Gaussian, on images.",
             words, tables},
    .model = slivi_vae_options,
    .create = slivi_vae_create,
    .kinds = kinds,
    .plots = plots,
    .closed_prior = "KL(q(z|x) | p(z))",
};

int main(int argc, char **argv)
{
    return autoencoder_main(&spec, argc, argv);
}
