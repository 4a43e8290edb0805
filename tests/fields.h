/* fields.h - what tests of objectives share: a linear field, a loss

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_FIELDS_H
#define SLIVI_FIELDS_H

#include "slivi/objective.h"
#include "testing.h"

/* Stream of the objectives' noise, and columns of most samples. */
enum { STREAM = 7, D = 4 };

/* Linear score s(x) = x w + c (rows), or its energy x w x'/2 + c x'. */
typedef struct fields_line {
    slivi_node w, c;
    int energy;
} fields_line;

slivi_node fields_linear_apply(slivi_graph *g, slivi_node x, void *ctx);
slivi_field fields_linear(fields_line *l);

/* As testing_open, at chunk 0. */
void fields_open(testing *t, enum slivi_precision precision, size_t n);

/* Options with sigma 0.5; the loss with them, in one chunk. */
slivi_objective_options fields_options(const slivi_law *law, size_t slices);
slivi_node fields_loss(testing *t, const char *name, const slivi_field *field,
                       slivi_node x, const slivi_law *law, size_t slices);

/* First entry of x. */
double fields_value(testing *t, slivi_node x);

/* The isotropic laws by number: rademacher, normal, sphere. */
const slivi_law *fields_law(int i);

#endif
