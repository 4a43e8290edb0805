/* autoencoder.h - a program that trains auto-encoders, from what one is.

   slivi-vae and slivi-wae differ in the rows of such a spec and share the rest:
   options, training, saving and going on, evaluation, the report.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef AUTOENCODER_H
#define AUTOENCODER_H

#include "experiment.h"
#include "nll.h"
#include "report.h"

#include <slivi/learn.h>
#include <slivi/vae.h>

typedef struct autoencoder {
    args_spec args;
    const slivi_option *model; /* options of what create makes */
    slivi_vae *(*create)(size_t dim);
    /* options that tell runs apart, for results and titles; NULL ends them */
    const char *const *kinds;
    const report_plot *plots;
    /* What the prior term is called where option entropy is "closed"; NULL: as
       in plots. */
    const char *closed_prior;
} autoencoder;

/* The words and tables of its args, with what only this one has. */
#define AUTOENCODER_WORDS(folder)                                              \
    {"data", ARGS_TEXT, "SPEC", "digits",                                      \
     "digits, mnist:DIR, fashion[:DIR], idx:FILE or npy:FILE"},                \
        NLL_WORD,                                                              \
        {"resume", ARGS_SWITCH, NULL, NULL,                                    \
         "go on with the run in DIR, with its options"},                       \
        {"eval-only", ARGS_SWITCH, NULL, NULL,                                 \
         "evaluate the run in DIR without training"},                          \
        EXPERIMENT_WORDS(folder),                                              \
    {                                                                          \
        NULL, ARGS_SWITCH, NULL, NULL, NULL                                    \
    }
#define AUTOENCODER_TABLES(model)                                              \
    {"Training", autoencoder_options}, {"Evaluation", nll_options},            \
        {"Model", model}, {"Learning", slivi_learning_options},                \
    {                                                                          \
        NULL, NULL                                                             \
    }
extern const slivi_option autoencoder_options[];
/* The last of a program's plots, and the end of their list. */
#define AUTOENCODER_PLOTS                                                      \
    {"Error of reconstructed validation images",                               \
     "mean square of a pixel",                                                 \
     {"validation_error"},                                                     \
     {"validation images"},                                                    \
     NULL},                                                                    \
        {"Gradient",                                                           \
         "norm",                                                               \
         {"norm"},                                                             \
         {"encoder and decoder"},                                              \
         "Length of the gradient that encoder and decoder follow: growth "     \
         "without end means a rate that is too high."},                        \
    {                                                                          \
        NULL, NULL, {NULL}, {NULL}, NULL                                       \
    }

/* The whole program; returns its exit code. */
int autoencoder_main(const autoencoder *spec, int argc, char **argv);

#endif
