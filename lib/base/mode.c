/* mode.c - the floating-point mode: a host's rounding or flush-to-zero must not
   change the results of plans, tasks, training steps and estimators.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"

/* All of it costs a hundred nanoseconds to set and restore, but on x86-64 one
   register is all that floats and doubles depend on: low bits are flags. */
static int is_default(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    return (__builtin_ia32_stmxcsr() & ~0x3fU) == 0x1f80;
#else
    return 0;
#endif
}

void slivi__mode_enter(slivi__mode *m)
{
    m->changed = !is_default();
    if (!m->changed)
        return;
    fegetenv(&m->old);
    fesetenv(FE_DFL_ENV);
}

void slivi__mode_leave(const slivi__mode *m)
{
    if (m->changed)
        fesetenv(&m->old);
}
