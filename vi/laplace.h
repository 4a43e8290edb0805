/* laplace.h - a mode of a density and the Gaussian of its curvature there, to
   begin with.  Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_LAPLACE_H
#define SLIVI_LAPLACE_H

#include "slivi/hmc.h"

/* Climbs from mean (d) by L-BFGS (Liu and Nocedal 1989) until the gradient is
   small, nothing is gained or `steps` are done; mean becomes where it got, cov
   (d x d) the inverse of minus the Hessian there, by differences, with
   directions that do not curve down made to.  SLIVI_EINVAL: the density is
   zero at the start.  Allocates. */
int slivi__laplace(size_t d, slivi_log_density *f, void *ctx, size_t steps,
                   double *mean, double *cov);

#endif
