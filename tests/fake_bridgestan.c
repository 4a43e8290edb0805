/* fake_bridgestan.c - stands for a Stan model that BridgeStan has compiled:

     mu ~ N(1, 2), sigma > 0 with log sigma ~ N(a, 1), theta[1,1] and
     theta[1,2] made from them: mu + sigma, mu sigma

   Inside (mu, log sigma).  It throws where mu > 50, and everywhere but in its
   density where mu < -50.  a is the length of the data's text, which must not
   be "bad".  With FAKE_THREADS it claims STAN_THREADS, with FAKE_OLD it lacks a
   function.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct bs_model {
    double a;
    unsigned seed;
} bs_model;
typedef struct bs_rng bs_rng;

bs_model *bs_model_construct(const char *data, unsigned seed, char **error);
void bs_model_destruct(bs_model *m);
void bs_free_error_msg(char *error);
const char *bs_model_info(const bs_model *m);
const char *bs_param_names(const bs_model *m, bool tp, bool gq);
const char *bs_param_unc_names(const bs_model *m);
int bs_param_num(const bs_model *m, bool tp, bool gq);
int bs_param_unc_num(const bs_model *m);
int bs_param_constrain(const bs_model *m, bool tp, bool gq, const double *unc,
                       double *theta, bs_rng *rng, char **error);
int bs_param_unconstrain(const bs_model *m, const double *theta, double *unc,
                         char **error);
int bs_log_density_gradient(const bs_model *m, bool propto, bool jacobian,
                            const double *unc, double *lp, double *grad,
                            char **error);

/* Models and texts that are not freed yet: tests look at it. */
extern atomic_int fake_live;
atomic_int fake_live;

static int throw_error(char **error, const char *text)
{
    *error = malloc(strlen(text) + 1);
    if (*error) {
        strcpy(*error, text);
        fake_live++;
    }
    return -1;
}

bs_model *bs_model_construct(const char *data, unsigned seed, char **error)
{
    if (data && !strcmp(data, "bad")) {
        throw_error(error, "Exception: y[2] is nan, but must be finite!\n");
        return NULL;
    }
    bs_model *m = malloc(sizeof *m);
    if (!m)
        return NULL;
    m->a = data ? (double)strlen(data) : 0;
    m->seed = seed;
    fake_live++;
    return m;
}

void bs_model_destruct(bs_model *m)
{
    fake_live--;
    free(m);
}

void bs_free_error_msg(char *error)
{
    fake_live--;
    free(error);
}

const char *bs_model_info(const bs_model *m)
{
    (void)m;
#ifdef FAKE_THREADS
    return "BridgeStan version: 2.6.1\n\tSTAN_THREADS=true\n\tSTAN_MPI=false\n";
#else
    return "BridgeStan version: 2.6.1\n\tSTAN_THREADS=false\n\tSTAN_MPI=true\n";
#endif
}

#ifndef FAKE_OLD
const char *bs_param_names(const bs_model *m, bool tp, bool gq)
{
    (void)m;
    return gq   ? "mu,sigma,theta.1,theta.2,y.1"
           : tp ? "mu,sigma,theta.1.1,theta.1.2"
                : "mu,sigma";
}
#endif

const char *bs_param_unc_names(const bs_model *m)
{
    (void)m;
    return "mu,sigma.x1";
}

int bs_param_num(const bs_model *m, bool tp, bool gq)
{
    (void)m;
    return 2 + 2 * tp + gq;
}

int bs_param_unc_num(const bs_model *m)
{
    (void)m;
    return 2;
}

int bs_param_constrain(const bs_model *m, bool tp, bool gq, const double *unc,
                       double *theta, bs_rng *rng, char **error)
{
    (void)m, (void)rng;
    if (unc[0] < -50)
        return throw_error(error, "Exception: theta[1,2] is too small");
    theta[0] = unc[0];
    theta[1] = exp(unc[1]);
    if (tp) {
        theta[2] = theta[0] + theta[1];
        theta[3] = theta[0] * theta[1];
    }
    if (gq)
        theta[2 + 2 * tp] = 0;
    return 0;
}

int bs_param_unconstrain(const bs_model *m, const double *theta, double *unc,
                         char **error)
{
    (void)m;
    if (!(theta[1] > 0))
        return throw_error(error, "Exception: sigma is not positive");
    unc[0] = theta[0];
    unc[1] = log(theta[1]);
    return 0;
}

int bs_log_density_gradient(const bs_model *m, bool propto, bool jacobian,
                            const double *unc, double *lp, double *grad,
                            char **error)
{
    const double u = (unc[0] - 1) / 2, v = unc[1] - m->a;
    if (unc[0] > 50)
        return throw_error(error, "Exception: mu is above 50 (in 'fake.stan', "
                                  "line 7, column 4)\n");
    /* the density of sigma itself has 1 / sigma, which its Jacobian undoes */
    *lp = -0.5 * (u * u + v * v) - (jacobian ? 0 : unc[1])
          - (propto ? 0 : 2.5310242469692907);
    grad[0] = -0.5 * u;
    grad[1] = -v - (jacobian ? 0 : 1);
    return 0;
}
