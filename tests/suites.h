/* suites.h - every suite of the test program. */
#ifndef SLIVI_SUITES_H
#define SLIVI_SUITES_H

#include <check.h>

Suite *slivi_suite_base(void);
Suite *slivi_suite_random(void);
Suite *slivi_suite_isa(void);
Suite *slivi_suite_gemm(void);
Suite *slivi_suite_bits(void);
Suite *slivi_suite_blas(void);
Suite *slivi_suite_io(void);
Suite *slivi_suite_crash(void);
Suite *slivi_suite_checkpoint(void);
Suite *slivi_suite_array(void);
Suite *slivi_suite_graph(void);
Suite *slivi_suite_op(void);
Suite *slivi_suite_interp(void);
Suite *slivi_suite_plan(void);
Suite *slivi_suite_place(void);
Suite *slivi_suite_run(void);
Suite *slivi_suite_run_use(void);
Suite *slivi_suite_learn(void);
Suite *slivi_suite_objective(void);
Suite *slivi_suite_field(void);
Suite *slivi_suite_estimator(void);
Suite *slivi_suite_estimator_use(void);
Suite *slivi_suite_kernel_estimator(void);
Suite *slivi_suite_kernelscore(void);
Suite *slivi_suite_kernelscore_use(void);
Suite *slivi_suite_discrepancy(void);
Suite *slivi_suite_importance(void);
Suite *slivi_suite_importance_use(void);
Suite *slivi_suite_gaussian(void);
Suite *slivi_suite_hmc(void);
Suite *slivi_suite_hmc_use(void);
Suite *slivi_suite_ais(void);
Suite *slivi_suite_ais_use(void);
Suite *slivi_suite_vae(void);
Suite *slivi_suite_vae_ais(void);
Suite *slivi_suite_vae_ais_use(void);
Suite *slivi_suite_vae_nll(void);
Suite *slivi_suite_vae_nll_use(void);
Suite *slivi_suite_vae_sources(void);
Suite *slivi_suite_vae_use(void);

#endif
