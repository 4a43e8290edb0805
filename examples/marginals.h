/* marginals.h - the section of report.html that shows a posterior: verdict,
   parameters, marginals and pairs.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef MARGINALS_H
#define MARGINALS_H

#include "outcome.h"
#include "reference.h"

/* HTML, which the caller frees; NULL without memory. */
char *marginals_html(const outcome *o, const reference *ref);

#endif
