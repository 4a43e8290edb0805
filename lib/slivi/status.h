/* slivi/status.h - status codes and the thread's last error message.

   Every function of slivi that can fail returns an int status (0 good, < 0
   one of the codes below) or a pointer (NULL on failure).  The detail of the
   last failure is kept per thread and read with slivi_errmsg().  The library
   never prints, never aborts and never exits.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_STATUS_H
#define SLIVI_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

enum slivi_status {
    SLIVI_OK = 0,
    SLIVI_ENOMEM = -1,     /* the allocator returned NULL */
    SLIVI_EINVAL = -2,     /* an argument or option has a value out of range */
    SLIVI_ESHAPE = -3,     /* shapes or sizes do not fit together */
    SLIVI_ENAME = -4,      /* no such name in a table */
    SLIVI_ENONFINITE = -5, /* a value that must be finite is not */
    SLIVI_EUNSUPPORTED = -6, /* a method needs what its argument cannot give */
    SLIVI_EOVERFLOW = -7,    /* a size does not fit into size_t */
    SLIVI_EIO = -8,          /* the system refused to read or write */
    SLIVI_EFORMAT = -9,      /* a file is not what it claims to be */
    SLIVI_ENOTPD = -10,      /* a matrix is not positive definite */
    SLIVI_ECALLBACK = -11,   /* a user's function returned a failure */
    SLIVI_ESYSTEM = -12      /* threads or BLAS could not be set up */
};

/* Short static text for a status code; never NULL, also for unknown codes. */
const char *slivi_strerror(int status);

/* Detail of this thread's last failure, e.g. "matmul: 3 x 4 times 5 x 6".
   Valid until the next failure in the same thread; "" before the first. */
const char *slivi_errmsg(void);

/* Version of the library, "major.minor.patch". */
const char *slivi_version(void);

#ifdef __cplusplus
}
#endif
#endif
