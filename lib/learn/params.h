/* params.h - what nets need of parameters beside the public interface.
   Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_LEARN_PARAMS_H
#define SLIVI_LEARN_PARAMS_H

#include "base/base.h"
#include "slivi/learn.h"

/* Bytes of an entry. */
size_t slivi__precision_size(enum slivi_precision precision);

/* Takes back all views but the first `count`. */
void slivi__params_cut(slivi_params *p, size_t count);

/* x times a node of w, or what was given for it. */
slivi_node slivi__weights_product(slivi_weights *w, slivi_node x,
                                  slivi_node rows);

#endif
