/* names.h - the names of objectives and of kernel estimators, in the order of
   their tables.  Private. */
#ifndef SLIVI_SCORE_NAMES_H
#define SLIVI_SCORE_NAMES_H

/* for lists that are constants: of objectives, estimators and entropies */
#define SLIVI__OBJECTIVE_NAMES "sm", "ssm", "ssm-vr", "dsm"
#define SLIVI__KERNEL_NAMES "stein", "ssge"

#endif
