/* nll.h - the log-likelihood of chosen images: option eval.

   Functions that can fail complain and return an exit code.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef NLL_H
#define NLL_H

#include "args.h"
#include "data.h"
#include "experiment.h"

#include <jansson.h>
#include <slivi/vae.h>

enum nll_method {
    NLL_IS,   /* importance sampling, slivi/importance.h */
    NLL_AIS,  /* annealed importance sampling, slivi/ais.h */
    NLL_ELBO, /* the encoder's ELBO */
    NLL_BDMC, /* AIS in both directions, of simulated images */
    NLL_METHODS
};

typedef struct nll {
    size_t images[NLL_METHODS]; /* how many; 0: the method is not asked for */
    enum data_part part;
} nll;

/* The table of options that say how, and the word that says what. */
extern const slivi_option nll_options[];
#define NLL_WORD                                                               \
    {                                                                          \
        "eval", ARGS_TEXT, "LIST", "is:100",                                   \
            "log-likelihood of random images: none, or a list of is:N, "       \
            "ais:N, bdmc:N and, of encoders with noise, elbo:N"                \
    }

/* What --list says about the word. */
void nll_list(void);

/* From the options.  elbo:N needs an encoder with noise. */
int nll_read(const args *a, int has_elbo, nll *out);
/* There are as many images. */
int nll_check(const nll *n, const data *d);

/* -log p(x) of images of the part, chosen, and drawn from their pixels where
   the likelihood is of bits, in the same way in every run, so that runs can be
   compared image by image.  nll.npy has a row for each: its number in the part,
   then -log p(x) and that one's standard error by importance sampling, and both
   by AIS, NaN where they were not computed.  Numbers for result.json are added
   to the result.  When a signal comes it returns 128 + its number. */
int nll_evaluate(const nll *n, const args *a, slivi_vae *v, const data *d,
                 const experiment *e, json_t *result);

#endif
