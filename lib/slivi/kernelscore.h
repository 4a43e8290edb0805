/* slivi/kernelscore.h - scores from samples by kernels, without a net.

   From the m samples z_i of a density q, with k(x, y) = exp(-|x - y|^2 / 2w^2),
   K_ij = k(z_i, z_j) and h_i = sum_j d k(z_i, z_j) / d z_j:

   "stein" (Li and Turner, "Gradient estimators for implicit models", 2018):
   the scores at the samples are the rows of -(K + eta I)^-1 h.  At another
   point x the estimate is what these have for x on the m samples and x, w being
   that of the samples; so there it costs m^2 operations, and at a sample eta
   must not be 0.

   "ssge" (Shi, Sun and Zhu, "A spectral approach to gradient estimation for
   implicit distributions", 2018): with K u_j = l_j u_j, the eigenfunctions
   psi_j(x) = sqrt(m) / l_j sum_i u_ji k(x, z_i) and b_j = -mean_i of the
   gradients of psi_j at z_i, the score is sum_j b_j psi_j(x) over the largest
   eigenvalues; m d operations.  Far from all samples it is 0.

   Samples come in groups of m, rows of d columns, row-major: every group has a
   kernel and a width of its own, as q(z|x_i) for each x_i needs it; a marginal
   density is one group.  Groups do not see each other: a group's result has the
   same bits alone, among others, and on any number of threads.

       slivi_kernelscore *s = slivi_kernelscore_create("ssge", NULL, m, d, 0);
       slivi_kernelscore_workspace *ws =
           slivi_kernelscore_workspace_create(s, NULL);
       slivi_kernelscore_samples(s, groups, m, z, out, ws);

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_KERNELSCORE_H
#define SLIVI_KERNELSCORE_H

#include "slivi/pool.h"
#include "slivi/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slivi_kernelscore slivi_kernelscore;
typedef struct slivi_kernelscore_workspace slivi_kernelscore_workspace;

typedef struct slivi_kernelscore_options {
    double width; /* w, 1e-140 to 1e140; 0 (default): of each group, among its
                     m^2 distances |z_i - z_j| in decreasing order number
                     floor(m^2 / 2) (from 1), which is about the median */
    double eta;   /* stein: >= 0, default 1e-3, as its authors have it; where
                     samples are few, larger ones can be much better */
    double share; /* ssge: eigenvalues count, from the largest, while their
                     sum is less than this share of all, at least one; in
                     (0, 1], default 0.99 */
    size_t rank;  /* ssge: so many eigenvalues; 0 (default): by share.  Either
                     way none that is rounding alone, 2.2e-16 m of the
                     largest */
} slivi_kernelscore_options;

slivi_kernelscore_options slivi_kernelscore_default(void);

/* "stein" and "ssge", NULL-terminated, and one line about each (NULL for an
   unknown name). */
extern const char *const slivi_kernelscore_names[];
const char *slivi_kernelscore_help(const char *name);

/* An estimator for up to m samples in a group, of d columns, that can keep up
   to `fits` groups for slivi_kernelscore_eval (m^2 entries each).  `how` NULL:
   the default.  NULL with SLIVI_ENAME, SLIVI_EINVAL (an option or a size: m 2
   to 32000, d 1 to 65536), SLIVI_EOVERFLOW or SLIVI_ENOMEM. */
slivi_kernelscore *
slivi_kernelscore_create(const char *name, const slivi_kernelscore_options *how,
                         size_t m, size_t d, size_t fits);
void slivi_kernelscore_free(slivi_kernelscore *s); /* NULL is fine */

/* Memory for the calls below on this pool (NULL: in the caller alone).  One
   thread uses a workspace at a time; it serves any estimator whose m and d are
   those of s. */
slivi_kernelscore_workspace *
slivi_kernelscore_workspace_create(const slivi_kernelscore *s,
                                   slivi_pool *pool);
void slivi_kernelscore_workspace_free(slivi_kernelscore_workspace *ws);

/* The calls below allocate nothing.  They return SLIVI_EINVAL for sizes that
   are out of range, for a group whose samples are all equal, or so many of them
   that the width is 0; SLIVI_ENONFINITE for what is not finite, or overflows;
   SLIVI_ENOTPD where stein's eta is too small for the kernel's matrix.  The
   message is of the first group that failed. */

/* Scores at the samples: z and out are groups x m x d, and may be the same.
   The fits that s keeps stay.  When groups fail their rows of out are as they
   were, those of others are written. */
int slivi_kernelscore_samples(const slivi_kernelscore *s, size_t groups,
                              size_t m, const double *z, double *out,
                              slivi_kernelscore_workspace *ws);

/* Keeps fits of these groups in place of those that s had; after a failure it
   has none. */
int slivi_kernelscore_fit(slivi_kernelscore *s, size_t groups, size_t m,
                          const double *z, slivi_kernelscore_workspace *ws);

/* Scores of the groups that were fitted, each at its own n points: x and out
   are groups x n x d, and may be the same.  Reads s only.  n may be 0.  After a
   failure what out holds is not specified. */
int slivi_kernelscore_eval(const slivi_kernelscore *s, size_t n,
                           const double *x, double *out,
                           slivi_kernelscore_workspace *ws);

/* Of the fits: how many there are, the width of group g, and how many
   eigenvalues it uses (stein: m); 0 without such a group. */
size_t slivi_kernelscore_groups(const slivi_kernelscore *s);
double slivi_kernelscore_width(const slivi_kernelscore *s, size_t g);
size_t slivi_kernelscore_rank(const slivi_kernelscore *s, size_t g);

#ifdef __cplusplus
}
#endif
#endif
