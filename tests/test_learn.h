/* test_learn.h - the parts of the suite on learning, and what they share.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TEST_LEARN_H
#define SLIVI_TEST_LEARN_H

#include "slivi/learn.h"

#include <check.h>

TCase *learn_options(void); /* test_option.c */
TCase *learn_nets(void);    /* test_net.c */
TCase *learn_learner(void); /* test_learner.c */
TCase *learn_resume(void);  /* test_resume.c */

/* ---- learners over a vector of two views, in test_learner.c ------------ */

enum {
    LEARN_A = 12, /* entries of encoder.w1, 3 x 4 */
    LEARN_N = 37, /* of all; the rest is encoder.b1, 5 x 5 */
    LEARN_OPTIMIZERS = 4
};

slivi_params *learn_params(enum slivi_precision precision);
/* Defaults with this optimiser. */
slivi_learning learn_options_of(const char *optimizer);
/* momentum, rmsprop without and with momentum, adam (i = 0..3), with options
   far from their defaults. */
slivi_learning learn_optimizer(int i);
/* Gradient of entry i at step t: a float. */
double learn_slope(size_t i, size_t t);
/* Fills the learner's gradient for step t; takes steps from..to-1. */
void learn_fill(slivi_learner *l, enum slivi_precision precision, size_t t);
void learn_steps(slivi_learner *l, enum slivi_precision precision, size_t from,
                 size_t to);

/* ---- status and message ------------------------------------------------ */

#define CHECK_OK(CALL) ck_assert_msg((CALL) == 0, "%s", slivi_errmsg())
/* The call fails with this status and a message that has the words. */
#define CHECK_FAILS(CALL, STATUS, WORDS)                                       \
    do {                                                                       \
        ck_assert_int_eq((CALL), (STATUS));                                    \
        CHECK_WORDS(WORDS);                                                    \
    } while (0)
#define CHECK_WORDS(WORDS)                                                     \
    ck_assert_msg(strstr(slivi_errmsg(), (WORDS)) != NULL,                     \
                  "\"%s\" is not in \"%s\"", (WORDS), slivi_errmsg())

#endif
