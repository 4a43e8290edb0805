/* check_main.c - runs the suites: all of them, those named by the arguments,
   or as CK_RUN_SUITE and Check's other variables say.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    Suite *(*create)(void);
} suites[] = {
    {"base", slivi_suite_base},
    {"blas", slivi_suite_blas},
    {"random", slivi_suite_random},
    {"isa", slivi_suite_isa},
    {"gemm", slivi_suite_gemm},
    {"bits", slivi_suite_bits},
    {"op", slivi_suite_op},
    {"graph", slivi_suite_graph},
    {"interp", slivi_suite_interp},
    {"plan", slivi_suite_plan},
    {"place", slivi_suite_place},
    {"run", slivi_suite_run},
    {"run_use", slivi_suite_run_use},
    {"learn", slivi_suite_learn},
    {"objective", slivi_suite_objective},
    {"field", slivi_suite_field},
    {"estimator", slivi_suite_estimator},
    {"estimator_use", slivi_suite_estimator_use},
    {"kernel_estimator", slivi_suite_kernel_estimator},
    {"kernelscore", slivi_suite_kernelscore},
    {"kernelscore_use", slivi_suite_kernelscore_use},
    {"discrepancy", slivi_suite_discrepancy},
    {"neighbours", slivi_suite_neighbours},
    {"ksd", slivi_suite_ksd},
    {"verdict", slivi_suite_verdict},
    {"verdict_use", slivi_suite_verdict_use},
    {"array", slivi_suite_array},
    {"io", slivi_suite_io},
    {"checkpoint", slivi_suite_checkpoint},
    {"crash", slivi_suite_crash},
    {"importance", slivi_suite_importance},
    {"importance_use", slivi_suite_importance_use},
    {"gaussian", slivi_suite_gaussian},
    {"hmc", slivi_suite_hmc},
    {"hmc_use", slivi_suite_hmc_use},
    {"transform", slivi_suite_transform},
    {"target", slivi_suite_target},
    {"target_adapters", slivi_suite_target_adapters},
    {"target_kinds", slivi_suite_target_kinds},
    {"bridgestan", slivi_suite_bridgestan},
    {"targets", slivi_suite_targets},
    {"targets_use", slivi_suite_targets_use},
    {"sampler", slivi_suite_sampler},
    {"convergence", slivi_suite_convergence},
    {"psis", slivi_suite_psis},
    {"laplace", slivi_suite_laplace},
    {"posterior", slivi_suite_posterior},
    {"posterior_fail", slivi_suite_posterior_fail},
    {"posterior_fit", slivi_suite_posterior_fit},
    {"posterior_sources", slivi_suite_posterior_sources},
    {"posterior_step", slivi_suite_posterior_step},
    {"posterior_use", slivi_suite_posterior_use},
    {"ais", slivi_suite_ais},
    {"ais_use", slivi_suite_ais_use},
    {"vae", slivi_suite_vae},
    {"vae_ais", slivi_suite_vae_ais},
    {"vae_ais_use", slivi_suite_vae_ais_use},
    {"vae_elbo", slivi_suite_vae_elbo},
    {"vae_nll", slivi_suite_vae_nll},
    {"vae_nll_use", slivi_suite_vae_nll_use},
    {"vae_sources", slivi_suite_vae_sources},
    {"vae_use", slivi_suite_vae_use},
};
enum { SUITES = sizeof suites / sizeof suites[0] };

static int is_wanted(const char *name, int count, char **names)
{
    int i;

    for (i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return 1;
    return count == 0;
}

/* A misspelt name must not pass as a run without failures. */
static int is_known(const char *name)
{
    size_t i;

    for (i = 0; i < SUITES; i++)
        if (strcmp(suites[i].name, name) == 0)
            return 1;
    fprintf(stderr, "check_slivi: no suite \"%s\"; there are:", name);
    for (i = 0; i < SUITES; i++)
        fprintf(stderr, " %s", suites[i].name);
    fprintf(stderr, "\n");
    return 0;
}

int main(int argc, char **argv)
{
    SRunner *runner = srunner_create(NULL);
    int failed, i;
    size_t s;

    for (i = 1; i < argc; i++)
        if (!is_known(argv[i]))
            return 2;
    for (s = 0; s < SUITES; s++)
        if (is_wanted(suites[s].name, argc - 1, argv + 1))
            srunner_add_suite(runner, suites[s].create());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
