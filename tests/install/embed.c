/* embed.c - a host that knows slivi by its installed headers alone, in C and
   in C++: a gradient, a few draws, and whose BLAS it got.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif
#include <slivi/blas.h>
#include <slivi/graph.h>
#include <slivi/random.h>
#include <slivi/status.h>

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 3 };

static int fail(const char *what)
{
    fprintf(stderr, "embed: %s: %s\n", what, slivi_errmsg());
    return 1;
}

/* y = x*x: dy/dx is 2 x. */
static int check_gradient(void)
{
    double x[N] = {-1.5, 0.25, 3.0}, dx[N] = {0, 0, 0};
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node in = slivi_input(g, "x", SLIVI_ROWS, 1);
    slivi_node out = slivi_grad(g, slivi_mul(g, in, in), in);
    slivi_interp *it = slivi_interp_create(g, 1, &out, N, NULL);
    slivi_run run;
    int i;

    memset(&run, 0, sizeof run);
    run.n = N;
    if (it == NULL || slivi_interp_bind(it, in, x) != 0
        || slivi_interp_bind(it, out, dx) != 0
        || slivi_interp_run(it, &run) != 0)
        return fail("gradient");
    for (i = 0; i < N; i++) {
        printf("x = %5.2f, d(x*x)/dx = %5.2f\n", x[i], dx[i]);
        if (dx[i] != 2 * x[i])
            return fail("the gradient of x*x is not 2 x");
    }
    slivi_interp_free(it);
    slivi_graph_free(g);
    return 0;
}

/* The sphere law: rows of length sqrt(columns). */
static int check_law(void)
{
    const slivi_law *law = slivi_law_find("sphere");
    slivi_address at;
    double v[2 * N];
    int i;

    if (law == NULL)
        return fail("law");
    memset(&at, 0, sizeof at);
    at.seed = 1;
    slivi_draw(law, &at, N, 2, v);
    for (i = 0; i < N; i++) {
        printf("v = (%6.3f, %6.3f)\n", v[2 * i], v[2 * i + 1]);
        if (!(fabs(hypot(v[2 * i], v[2 * i + 1]) - sqrt(2.0)) < 1e-12))
            return fail("a draw is not on the sphere");
    }
    return 0;
}

/* gslcblas first in the link line must not come between slivi and OpenBLAS.
   Without an argument that says so, another BLAS is fine. */
static int check_blas(const char *expected)
{
    void *address = dlsym(RTLD_DEFAULT, "sgemm_");
    Dl_info info;

    printf("BLAS: %s, %s\n", slivi_blas_core(), slivi_blas_config());
    if (address == NULL) {
        printf("sgemm_ is part of the program\n");
    } else {
        if (dladdr(address, &info) == 0 || info.dli_fname == NULL)
            return fail("nobody owns sgemm_");
        printf("sgemm_ is in %s\n", info.dli_fname);
        if (strstr(info.dli_fname, "gslcblas") != NULL)
            return fail("sgemm_ is that of gslcblas");
    }
    if (strcmp(expected, "openblas") == 0
        && strcmp(slivi_blas_core(), "unknown") == 0)
        return fail("slivi was configured with OpenBLAS and does not see it");
    return 0;
}

int main(int argc, char **argv)
{
    printf("slivi %s\n", slivi_version());
    return check_gradient() != 0 || check_law() != 0
           || check_blas(argc > 1 ? argv[1] : "") != 0;
}
