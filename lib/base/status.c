/* status.c - status codes, the thread's message, the version.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "base/base.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const texts[] = {
    [-SLIVI_OK] = "success",
    [-SLIVI_ENOMEM] = "out of memory",
    [-SLIVI_EINVAL] = "invalid argument",
    [-SLIVI_ESHAPE] = "shapes do not fit together",
    [-SLIVI_ENAME] = "unknown name",
    [-SLIVI_ENONFINITE] = "value is not finite",
    [-SLIVI_EUNSUPPORTED] = "method needs what its argument cannot give",
    [-SLIVI_EOVERFLOW] = "size too large",
    [-SLIVI_EIO] = "input or output error",
    [-SLIVI_EFORMAT] = "malformed file",
    [-SLIVI_ENOTPD] = "matrix is not positive definite",
    [-SLIVI_ECALLBACK] = "user's function failed",
    [-SLIVI_ESYSTEM] = "threads or BLAS could not be set up",
};

/* Per thread, so that no lock is needed and no other thread overwrites it. */
static _Thread_local char message[SLIVI__MESSAGE];
static _Thread_local size_t failures;
static _Thread_local int latest;

const char *slivi_strerror(int status)
{
    const int last = (int)(sizeof texts / sizeof texts[0]) - 1;

    return status <= 0 && status >= -last ? texts[-status] : "unknown status";
}

const char *slivi_errmsg(void)
{
    return message;
}

const char *slivi_version(void)
{
    return PACKAGE_VERSION;
}

int slivi__status(void)
{
    return latest;
}

const char *slivi__nonfinite(double x)
{
    return isnan(x) ? "NaN" : x > 0 ? "infinite" : "minus infinite";
}

size_t slivi__failures(void)
{
    return failures;
}

/* Formatted aside first: the arguments may point into the message itself. */
static void set_message(const char *tail, const char *format, va_list args)
{
    char text[SLIVI__MESSAGE];

    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    if (tail != NULL && tail[0] != '\0') {
        /* what does not fit is cut */
        strncat(text, ": ", sizeof text - strlen(text) - 1);
        strncat(text, tail, sizeof text - strlen(text) - 1);
    }
    memcpy(message, text, sizeof message);
    failures++;
}

int slivi__fail(int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_message(NULL, format, args);
    va_end(args);
    return latest = status;
}

int slivi__fail_in(int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_message(message, format, args);
    va_end(args);
    return latest = status;
}
