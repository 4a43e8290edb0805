/* marginals.h - report.html of a posterior: verdict,
   parameters, marginals and pairs.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef MARGINALS_H
#define MARGINALS_H

#include "outcome.h"
#include "reference.h"

/* Writes report.html, with the curves of training.  Complains and returns an
   exit code on failure. */
int marginals_report(const inference *r, const outcome *o,
                     const reference *ref);

#endif
