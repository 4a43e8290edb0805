/* machine.h - on what, and with what, the figures were taken.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <jansson.h>
#include <stddef.h>

/* An object of texts, numbers and the environment's variables that matter;
   NULL without memory. */
json_t *machine_describe(void);
void machine_print(const json_t *machine);
/* On stderr: what makes figures not worth having. */
void machine_warn(void);

/* VmRSS and VmHWM in kB, 0 where the system does not tell. */
void machine_memory(size_t *resident, size_t *peak);

#endif
