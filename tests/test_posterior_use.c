/* test_posterior_use.c - in the making.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "suites.h"

Suite *slivi_suite_posterior_use(void)
{
    return suite_create("posterior_use");
}
