/* names.h - the objectives' names, in the order of their table.  Private. */
#ifndef SLIVI_SCORE_NAMES_H
#define SLIVI_SCORE_NAMES_H

/* for lists that are constants: of objectives, estimators and entropies */
#define SLIVI__OBJECTIVE_NAMES "sm", "ssm", "ssm-vr", "dsm"

#endif
