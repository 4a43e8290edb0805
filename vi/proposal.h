/* proposal.h - Student-t proposals z = m + L u, u ~ t_nu(0, I): density,
   coordinates, fitting by moments.  Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_PROPOSAL_H
#define SLIVI_PROPOSAL_H

#include <stddef.h>

typedef struct slivi__proposal {
    size_t d;
    double dof;   /* nu */
    double *mean; /* m, d */
    double *chol; /* L, d x d, lower triangle */
    double top;   /* log density at m */
} slivi__proposal;

/* m = 0, L = I. */
void slivi__proposal_reset(slivi__proposal *p);
/* L L' = cov, of which the lower triangle is read. */
int slivi__proposal_set(slivi__proposal *p, const double *mean,
                        const double *cov);
void slivi__proposal_copy(slivi__proposal *to, const slivi__proposal *from);
/* L = c L */
void slivi__proposal_widen(slivi__proposal *p, double c);

/* z = m + scale L u */
void slivi__proposal_place(const slivi__proposal *p, double scale,
                           const double *u, double *z);
/* Log density at z; u = L^-1 (z - m). */
double slivi__proposal_log(const slivi__proposal *p, const double *z,
                           double *u);

/* Takes the moments of n rows u, given in its coordinates, under weights w
   (NULL: equal ones) whose effective number is ess: L L' becomes `inflate`
   times the covariance, shrunk towards its diagonal, in these coordinates, by
   d/(d + ess), and with variances of at least `least`.  So what was learnt of
   correlations before is not shrunk again.  scratch has d (d + 1) entries. */
int slivi__proposal_match(slivi__proposal *p, size_t n, const double *u,
                          const double *w, double ess, double least,
                          double inflate, double *scratch);

#endif
