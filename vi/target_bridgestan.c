/* target_bridgestan.c - targets from Stan models that BridgeStan has compiled
   (Roualdes, Ward, Carpenter, Seyboldt and Axen, "BridgeStan: efficient
   in-memory access to the methods of a Stan model", 2023; its C interface).

   The shared object is opened when the program runs, so slivi needs neither
   Stan nor BridgeStan.  A model throws where its density cannot be had, in C an
   error with a text: the point is refused with that text.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "target_inside.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* ---- BridgeStan's functions ------------------------------------------- */

typedef struct bs_model bs_model;

typedef struct calls {
    bs_model *(*model_construct)(const char *data, unsigned seed, char **error);
    void (*model_destruct)(bs_model *model);
    void (*free_error_msg)(char *error);
    const char *(*model_info)(const bs_model *model);
    const char *(*param_names)(const bs_model *model, bool tp, bool gq);
    const char *(*param_unc_names)(const bs_model *model);
    int (*param_num)(const bs_model *model, bool tp, bool gq);
    int (*param_unc_num)(const bs_model *model);
    int (*param_constrain)(const bs_model *model, bool tp, bool gq,
                           const double *unc, double *theta, void *rng,
                           char **error);
    int (*param_unconstrain)(const bs_model *model, const double *theta,
                             double *unc, char **error);
    int (*log_density_gradient)(const bs_model *model, bool propto,
                                bool jacobian, const double *unc, double *lp,
                                double *grad, char **error);
} calls;

#define CALL(name)                                                             \
    {                                                                          \
        "bs_" #name, offsetof(calls, name)                                     \
    }
static const struct {
    const char *name;
    size_t offset; /* of its pointer */
} table[] = {
    CALL(model_construct),   CALL(model_destruct),       CALL(free_error_msg),
    CALL(model_info),        CALL(param_names),          CALL(param_unc_names),
    CALL(param_num),         CALL(param_unc_num),        CALL(param_constrain),
    CALL(param_unconstrain), CALL(log_density_gradient),
};
#undef CALL

typedef struct stan {
    const char *so; /* the caller's, while it is opened */
    void *library;
    calls call;
    bs_model *model;
    size_t d, outside;
    char *names, *unc_names; /* one string after the other */
    const char **name;       /* outside, then d, in these */
} stan;

static int load(stan *m)
{
    char path[4096]; /* a bare name would be looked for elsewhere */
    const int n = snprintf(path, sizeof path, "%s%s",
                           strchr(m->so, '/') ? "" : "./", m->so);
    if (n < 0 || (size_t)n >= sizeof path)
        return slivi__fail(SLIVI_EIO, "%.64s...: too long a path", m->so);
    m->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!m->library) {
        const char *words = dlerror();
        return slivi__fail(SLIVI_EIO, "%s: cannot open: %s", m->so,
                           words ? words : "no reason is given");
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        void *f = dlsym(m->library, table[i].name);
        if (!f)
            return slivi__fail(SLIVI_EFORMAT,
                               "%s: no function %s: not a model made by "
                               "BridgeStan, or by an old one",
                               m->so, table[i].name);
        /* C has no conversion from void * to a function, POSIX has */
        memcpy((char *)&m->call + table[i].offset, &f, sizeof f);
    }
    return 0;
}

/* What was said, for a message; the caller frees the error. */
static const char *words(char *error)
{
    size_t n = error ? strlen(error) : 0;
    while (n && isspace((unsigned char)error[n - 1]))
        error[--n] = '\0';
    return n ? error : "the model threw and said nothing";
}

static void forget(const stan *m, char *error)
{
    if (error)
        m->call.free_error_msg(error);
}

/* ---- a target's functions --------------------------------------------- */

static int eval(void *self, const slivi__points *p)
{
    const stan *m = self;
    for (size_t i = 0; i < p->n; i++) {
        char *error = NULL;
        if (m->call.log_density_gradient(m->model, true, true, p->z + i * m->d,
                                         p->lp + i, p->grad + i * m->d, &error))
            slivi__target_refuse(p, i, "%s", words(error));
        forget(m, error);
    }
    return 0;
}

static int fail_row(const stan *m, size_t row, char *error)
{
    int status = slivi__fail(SLIVI_ECALLBACK, "point %zu: %s", row + 1,
                             words(error));
    forget(m, error);
    return status;
}

static int outside(void *self, size_t n, const double *z, double *theta)
{
    const stan *m = self;
    for (size_t i = 0; i < n; i++) {
        char *error = NULL;
        if (m->call.param_constrain(m->model, true, false, z + i * m->d,
                                    theta + i * m->outside, NULL, &error))
            return fail_row(m, i, error);
        forget(m, error);
    }
    return 0;
}

/* The parameters come first in theta; what is made from them is not read. */
static int inside(void *self, size_t n, const double *theta, double *z)
{
    const stan *m = self;
    for (size_t i = 0; i < n; i++) {
        char *error = NULL;
        if (m->call.param_unconstrain(m->model, theta + i * m->outside,
                                      z + i * m->d, &error))
            return fail_row(m, i, error);
        forget(m, error);
    }
    return 0;
}

static const char *name(void *self, size_t i)
{
    return ((const stan *)self)->name[i];
}

static const char *coordinate(void *self, size_t j)
{
    const stan *m = self;
    return m->name[m->outside + j];
}

/* Without STAN_THREADS the threads of a process share one memory for
   derivatives, and spoil it silently. */
static int set_pool(void *self, slivi_pool *pool)
{
    const stan *m = self;
    const char *info = m->call.model_info(m->model);
    (void)pool;
    if (info && strstr(info, "STAN_THREADS=true"))
        return 0;
    return slivi__fail(SLIVI_EUNSUPPORTED,
                       "this Stan model was not built with STAN_THREADS=true, "
                       "so only one thread may use it");
}

static void release(void *self)
{
    stan *m = self;
    if (m->model)
        m->call.model_destruct(m->model);
    if (m->library)
        dlclose(m->library);
    slivi__free(m->names);
    slivi__free(m->unc_names);
    slivi__free(m->name);
    slivi__free(m);
}

static const slivi__target_type stan_type = {.eval = eval,
                                             .outside = outside,
                                             .inside = inside,
                                             .name = name,
                                             .coordinate = coordinate,
                                             .set_pool = set_pool,
                                             .release = release};

/* ---- opening ---------------------------------------------------------- */

static int construct(stan *m, const char *data, unsigned seed)
{
    char *error = NULL;
    m->model = m->call.model_construct(data, seed, &error);
    if (m->model) {
        forget(m, error);
        return 0;
    }
    int status = slivi__fail(SLIVI_ECALLBACK, "%s: %s", m->so, words(error));
    forget(m, error);
    return status;
}

/* "theta.2.1" becomes "theta[2,1]" in place and in a byte more, as slivi and
   posteriordb have it.  Names that go on otherwise stay. */
static size_t bracket(const char *from, size_t n, char *to)
{
    const char *dot = memchr(from, '.', n);
    memcpy(to, from, n);
    to[n] = '\0';
    if (!dot || dot == from
        || strspn(dot, ".0123456789") < n - (size_t)(dot - from))
        return n + 1;
    for (char *at = to + (dot - from); at < to + n; at++)
        if (*at == '.')
            *at = ',';
    to[dot - from] = '[';
    memcpy(to + n, "]", 2);
    return n + 2;
}

/* Splits `count` names at commas into *room, which receives memory. */
static int split(const stan *m, const char *text, size_t count, char **room,
                 const char **at)
{
    size_t found = 0;
    char *to = slivi__alloc((text ? strlen(text) : 0) + 2 * count + 1, 1);
    *room = to;
    if (!to)
        return SLIVI_ENOMEM;
    for (const char *end; text && found < count; text = *end ? end + 1 : NULL) {
        end = text + strcspn(text, ",");
        at[found++] = to;
        to += bracket(text, (size_t)(end - text), to);
    }
    return found == count && !text
               ? 0
               : slivi__fail(SLIVI_EFORMAT,
                             "%s: its names are not as many as its %zu numbers",
                             m->so, count);
}

static int describe(stan *m)
{
    const int unc = m->call.param_unc_num(m->model);
    const int all = m->call.param_num(m->model, true, false);
    const int own = m->call.param_num(m->model, false, false);
    if (unc < 1 || own < 1 || all < own)
        return slivi__fail(SLIVI_EINVAL, "%s: the model has no parameters",
                           m->so);
    m->d = (size_t)unc;
    m->outside = (size_t)all;
    m->name = slivi__alloc(m->d + m->outside, sizeof *m->name);
    if (!m->name)
        return SLIVI_ENOMEM;
    int status = split(m, m->call.param_names(m->model, true, false),
                       m->outside, &m->names, m->name);
    return status ? status
                  : split(m, m->call.param_unc_names(m->model), m->d,
                          &m->unc_names, m->name + m->outside);
}

slivi_target *slivi_target_from_bridgestan(const char *so, const char *data,
                                           unsigned seed)
{
    stan *m = slivi__alloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->so = so;
    int status = load(m);
    if (!status)
        status = construct(m, data, seed);
    if (!status)
        status = describe(m);
    if (status) {
        release(m);
        return NULL;
    }
    const slivi__target_shape shape = {.d = m->d, .outside = m->outside};
    m->so = NULL;
    return slivi__target_create(&stan_type, m, &shape);
}
