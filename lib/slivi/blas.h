/* slivi/blas.h - what the host may know about the inner loops in use: slivi's
   own and those of BLAS.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_BLAS_H
#define SLIVI_BLAS_H

#ifdef __cplusplus
extern "C" {
#endif

/* Name of the kernels that OpenBLAS chose, e.g. "Cooperlake"; "unknown" when
   another BLAS is linked. */
const char *slivi_blas_core(void);

/* Version and build options of the BLAS, e.g. "OpenBLAS 0.3.21 ...". */
const char *slivi_blas_config(void);

/* Instruction set of slivi's own inner loops, the best that this machine runs:
   "x86-64-v4", "x86-64-v3" or "baseline".  Results do not depend on it, but for
   the baseline on a machine without fused multiply-add. */
const char *slivi_instruction_set(void);

/* While a function of slivi runs, BLAS is held at one thread (slivi brings its
   own threads) and the host's number is restored when the last such function
   leaves.  A host that wants BLAS serial for good calls this once. */
void slivi_blas_serial(void);

#ifdef __cplusplus
}
#endif
#endif
