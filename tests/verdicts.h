/* verdicts.h - what tests of verdicts share: small verdicts, and targets.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_TEST_VERDICTS_H
#define SLIVI_TEST_VERDICTS_H

#include "slivi/verdict.h"

enum { VERDICTS_N = 20000, VERDICTS_MOST = 10 };

extern double verdicts_draws[VERDICTS_N * VERDICTS_MOST];

/* All checks with fewer chains and draws; Stein's identities alone. */
slivi_verdict_options verdicts_quick(uint64_t seed);
slivi_verdict_options verdicts_bare(void);

/* On the first n draws; the test fails if it cannot be had. */
slivi_verdict *verdicts_judge(slivi_target *t, size_t n,
                              slivi_verdict_options how);
const slivi_verdict_check *verdicts_find(const slivi_verdict *v,
                                         const char *name);
/* The test fails unless the check of that name has this outcome. */
void verdicts_is(const slivi_verdict *v, const char *name,
                 enum slivi_verdict_outcome outcome);

/* Log densities, of the type slivi_log_density: N(0, I), and in the plane
   N(0, [1 .9; .9 1]). */
int verdicts_normal(size_t n, size_t d, const double *x, double *lp,
                    double *grad, void *ctx);
int verdicts_tied(size_t n, size_t d, const double *x, double *lp, double *grad,
                  void *ctx);

#endif
