/* learner.c - steps along a gradient, and their checkpoints.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "learn/optimizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    KEY = 320,    /* room for the name of a tensor */
    CHUNK = 16384 /* entries that a task of a step takes */
};

struct slivi_learner {
    slivi_params *p;
    slivi_learning how;
    const slivi__optimizer *optimizer;
    const slivi__kernels *kernels;
    slivi_pool *pool; /* not l's own; NULL: none */
    size_t n, bytes;  /* entries of the parameters; their bytes */
    size_t chunks;
    double *squares; /* of each chunk, while the norm is taken */
    void *gradient;
    void *state[SLIVI__STATES]; /* NULL where not kept */
    void *average;              /* NULL where not kept */
    uint64_t steps, origin;     /* taken; those before the schedule began */
    double rate;
};

/* ---- creation --------------------------------------------------------- */

/* What a table can say about each option is said by setting it anew. */
static int check_options(const slivi_learning *how)
{
    slivi_learning copy = *how;
    char text[64];
    for (const slivi_option *o = slivi_learning_options; o->name; o++) {
        int status = slivi_options_get(slivi_learning_options, how, o->name,
                                       text, sizeof text);
        if (!status)
            status = slivi_options_set(slivi_learning_options, &copy, o->name,
                                       text);
        if (status)
            return status;
    }
    const slivi__schedule *s = slivi__schedule_find(how->schedule);
    if (s->needs_steps && !how->steps)
        return slivi__fail(SLIVI_EINVAL,
                           "option schedule: %s needs the option steps",
                           s->name);
    return 0;
}

static int allocate(slivi_learner *l)
{
    if (!(l->gradient = slivi__alloc(l->bytes, 1))
        || !(l->squares = slivi__alloc(l->chunks, sizeof *l->squares)))
        return SLIVI_ENOMEM;
    for (size_t k = 0; k < SLIVI__STATES; k++)
        if (slivi__optimizer_keeps(l->optimizer, k, &l->how)
            && !(l->state[k] = slivi__alloc(l->bytes, 1)))
            return SLIVI_ENOMEM;
    if (l->how.average > 0 && !(l->average = slivi__alloc(l->bytes, 1)))
        return SLIVI_ENOMEM;
    return 0;
}

slivi_learner *slivi_learner_create(slivi_params *p, const slivi_learning *how)
{
    if (check_options(how))
        return NULL;
    if (!slivi_params_size(p))
        return slivi__fail_null(SLIVI_EINVAL, "learner: no parameters");
    slivi_learner *l = slivi__alloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->p = p;
    l->how = *how;
    l->optimizer = slivi__optimizer_find(how->optimizer);
    l->kernels = slivi__isa_best()->kernels[slivi_params_precision(p)];
    l->n = slivi_params_size(p);
    l->chunks = (l->n - 1) / CHUNK + 1;
    l->bytes = l->n * slivi__precision_size(slivi_params_precision(p));
    l->rate = how->rate;
    if (!allocate(l))
        return l;
    slivi_learner_free(l);
    return NULL;
}

void slivi_learner_free(slivi_learner *l)
{
    if (!l)
        return;
    for (size_t k = 0; k < SLIVI__STATES; k++)
        slivi__free(l->state[k]);
    slivi__free(l->average);
    slivi__free(l->squares);
    slivi__free(l->gradient);
    slivi__free(l);
}

void *slivi_learner_gradient(slivi_learner *l)
{
    return l->gradient;
}

size_t slivi_learner_steps(const slivi_learner *l)
{
    return (size_t)l->steps;
}

const void *slivi_learner_average(const slivi_learner *l)
{
    /* before the first step there is nothing to average */
    return l->average && l->steps ? l->average
                                  : slivi_params_const_values(l->p);
}

void slivi_learner_set_rate(slivi_learner *l, double rate)
{
    l->rate = rate;
}

void slivi_learner_restart(slivi_learner *l)
{
    l->origin = l->steps;
}

void slivi_learner_set_pool(slivi_learner *l, slivi_pool *pool)
{
    l->pool = pool;
}

/* ---- a step ----------------------------------------------------------- */

static int is_single(const slivi_learner *l)
{
    return slivi_params_precision(l->p) == SLIVI_F32;
}

static double entry(const slivi_learner *l, size_t i)
{
    return is_single(l) ? (double)((const float *)l->gradient)[i]
                        : ((const double *)l->gradient)[i];
}

/* A pass over all entries, chunk by chunk: each is one task of the pool, and
   the chunks do not depend on who takes them. */
struct pass {
    slivi_learner *l;
    double c;               /* of the squares */
    const slivi__update *u; /* of all entries */
    double keep;            /* decay of the averages in this step */
};

static size_t chunk_entries(const slivi_learner *l, size_t i)
{
    const size_t left = l->n - i * CHUNK;
    return left < CHUNK ? left : CHUNK;
}

/* Where chunk i of a vector begins. */
static void *chunk(const slivi_learner *l, const void *vector, size_t i)
{
    const size_t size = slivi__precision_size(slivi_params_precision(l->p));
    return (char *)(uintptr_t)vector + i * CHUNK * size;
}

static int square_chunk(size_t i, void *ctx)
{
    const struct pass *pass = ctx;
    slivi_learner *l = pass->l;
    l->squares[i] = l->kernels->sum_squares(chunk(l, l->gradient, i),
                                            chunk_entries(l, i), pass->c);
    return 0;
}

/* Sum of (c g_i)^2 in double, in an order that n alone fixes. */
static double sum_squares(slivi_learner *l, double c)
{
    struct pass pass = {.l = l, .c = c};
    double sum = 0;
    slivi_pool_run(l->pool, l->chunks, square_chunk, &pass);
    for (size_t i = 0; i < l->chunks; i++)
        sum += l->squares[i];
    return sum;
}

static int name_nonfinite(const slivi_learner *l, size_t i)
{
    for (size_t k = 0; k < slivi_params_views(l->p); k++) {
        const slivi_view *v = slivi_params_view(l->p, k);
        if (i - v->offset < v->rows * v->cols)
            return slivi__fail(SLIVI_ENONFINITE,
                               "gradient of %.160s is not finite (step %zu)",
                               v->name, (size_t)l->steps);
    }
    return SLIVI_ENONFINITE;
}

/* The norm, and with it the check that every entry is finite. */
static int measure(slivi_learner *l, double *norm)
{
    double most = 0, sum = sum_squares(l, 1);
    *norm = sqrt(sum);
    if (isfinite(sum))
        return 0;
    for (size_t i = 0; i < l->n; i++) {
        double x = fabs(entry(l, i));
        if (!isfinite(x))
            return name_nonfinite(l, i);
        most = x > most ? x : most;
    }
    *norm = most * sqrt(sum_squares(l, 1 / most)); /* the squares overflowed */
    return 0;
}

/* The averages follow at once, while the chunk is in the cache; they begin at
   the first parameters. */
static int update_chunk(size_t i, void *ctx)
{
    const struct pass *pass = ctx;
    const slivi_learner *l = pass->l;
    slivi__update u = *pass->u;
    u.n = chunk_entries(l, i);
    u.gradient = chunk(l, u.gradient, i);
    u.values = chunk(l, u.values, i);
    for (size_t k = 0; k < SLIVI__STATES; k++)
        u.state[k] = l->state[k] ? chunk(l, l->state[k], i) : NULL;
    if (l->average && !l->steps)
        memcpy(chunk(l, l->average, i), u.values, u.n * (l->bytes / l->n));
    l->optimizer->update(l->kernels, &u);
    if (l->average)
        l->kernels->average(chunk(l, l->average, i), u.values, u.n, pass->keep);
    return 0;
}

static void update(slivi_learner *l, double rate, double scale)
{
    const slivi_learning *how = &l->how;
    const double t = (double)l->steps, rise = (1 + t) / (10 + t);
    const slivi__update u = {.rate = rate,
                             .scale = scale,
                             .momentum = how->momentum,
                             .alpha = how->alpha,
                             .beta1 = how->beta1,
                             .beta2 = how->beta2,
                             .epsilon = how->epsilon,
                             .power1 = pow(how->beta1, t + 1),
                             .power2 = pow(how->beta2, t + 1),
                             .gradient = l->gradient,
                             .values = slivi_params_values(l->p)};
    struct pass pass = {
        .l = l, .u = &u, .keep = how->average < rise ? how->average : rise};
    slivi_pool_run(l->pool, l->chunks, update_chunk, &pass);
}

static int take_step(slivi_learner *l, double *norm)
{
    const size_t t = (size_t)l->steps;
    double size, scale = 1;
    if (slivi_params_size(l->p) != l->n)
        return slivi__fail(SLIVI_ESHAPE,
                           "learner: the parameters have grown from %zu "
                           "entries to %zu",
                           l->n, slivi_params_size(l->p));
    const double rate = l->rate
                        * slivi_schedule_factor(&l->how, t - (size_t)l->origin);
    if (!isfinite(rate))
        return slivi__fail(SLIVI_ENONFINITE,
                           "learner: the rate is not finite (step %zu)", t);
    int status = measure(l, &size);
    if (status)
        return status;
    if (l->how.clip > 0 && size > l->how.clip)
        scale = l->how.clip / size;
    if (norm)
        *norm = size;
    update(l, rate, scale);
    l->steps++;
    return 0;
}

int slivi_learner_step(slivi_learner *l, double *norm)
{
    slivi__mode mode;
    slivi__mode_enter(&mode);
    int status = take_step(l, norm);
    slivi__mode_leave(&mode);
    return status;
}

/* ---- checkpoints ------------------------------------------------------ */

/* What is done with each tensor, of which memory is l's own copy. */
typedef int visitor(const char *name, enum slivi_dtype type, size_t rows,
                    size_t cols, void *memory, void *ctx);

/* The tensors of one vector: PREFIX.WHAT.VIEW. */
static int visit_vector(const slivi_learner *l, const char *prefix,
                        const char *what, void *vector, visitor *visit,
                        void *ctx)
{
    const enum slivi_dtype type = is_single(l) ? SLIVI_DTYPE_F32
                                               : SLIVI_DTYPE_F64;
    const size_t size = slivi__precision_size(slivi_params_precision(l->p));
    int status = 0;
    for (size_t i = 0; i < slivi_params_views(l->p) && !status; i++) {
        const slivi_view *v = slivi_params_view(l->p, i);
        char name[KEY];
        int n = snprintf(name, sizeof name, "%s.%s.%s", prefix, what, v->name);
        if (n < 0 || (size_t)n >= sizeof name)
            return slivi__fail(SLIVI_EINVAL,
                               "learner: the name %.64s.%s.%.64s is too long",
                               prefix, what, v->name);
        status = visit(name, type, v->rows, v->cols,
                       (char *)vector + v->offset * size, ctx);
    }
    return status;
}

static int visit_all(const slivi_learner *l, const char *prefix, uint64_t steps,
                     visitor *visit, void *ctx)
{
    int status = visit_vector(l, prefix, "param", slivi_params_values(l->p),
                              visit, ctx);
    for (size_t k = 0; k < SLIVI__STATES && !status; k++)
        if (l->state[k])
            status = visit_vector(l, prefix, l->optimizer->state[k],
                                  l->state[k], visit, ctx);
    if (l->average && steps && !status) /* they begin with the first step */
        status = visit_vector(l, prefix, "average", l->average, visit, ctx);
    return status;
}

/* What is no vector. */
typedef struct header {
    int64_t counts[4]; /* steps, views, entries, origin */
    double rate;
} header;

static int make_key(char key[KEY], const char *prefix, const char *what)
{
    int n = snprintf(key, KEY, "%s.%s", prefix, what);
    if (n >= 0 && n < KEY)
        return 0;
    return slivi__fail(SLIVI_EINVAL, "learner: the prefix %.64s is too long",
                       prefix);
}

static int save_one(const char *name, enum slivi_dtype type, size_t rows,
                    size_t cols, void *memory, void *ctx)
{
    return slivi_checkpoint_put(ctx, name, type, rows, cols, memory);
}

int slivi_learner_save(const slivi_learner *l, slivi_checkpoint *c,
                       const char *prefix)
{
    const int64_t counts[4] = {(int64_t)l->steps,
                               (int64_t)slivi_params_views(l->p), (int64_t)l->n,
                               (int64_t)l->origin};
    char key[KEY];
    int status = make_key(key, prefix, "optimizer");
    if (!status)
        status = slivi_checkpoint_put_text(c, key, l->optimizer->name);
    if (!status)
        status = make_key(key, prefix, "counts");
    if (!status)
        status = slivi_checkpoint_put(c, key, SLIVI_DTYPE_I64, 1, 4, counts);
    if (!status)
        status = make_key(key, prefix, "rate");
    if (!status)
        status = slivi_checkpoint_put(c, key, SLIVI_DTYPE_F64, 1, 1, &l->rate);
    return status ? status : visit_all(l, prefix, l->steps, save_one, c);
}

static int check_optimizer(const slivi_learner *l, const slivi_checkpoint *c,
                           const char *prefix)
{
    char key[KEY];
    int status = make_key(key, prefix, "optimizer");
    if (status)
        return status;
    const char *name = slivi_checkpoint_text(c, key);
    if (!name)
        return slivi__fail(SLIVI_ENAME,
                           "learner: the checkpoint has no text %.64s", key);
    if (strcmp(name, l->optimizer->name))
        return slivi__fail(SLIVI_EINVAL,
                           "learner: the checkpoint's optimizer is %.64s, not "
                           "%s",
                           name, l->optimizer->name);
    return 0;
}

static int load_header(const slivi_learner *l, const slivi_checkpoint *c,
                       const char *prefix, header *h)
{
    char key[KEY];
    int status = check_optimizer(l, c, prefix);
    if (!status)
        status = make_key(key, prefix, "counts");
    if (!status)
        status = slivi_checkpoint_get(c, key, SLIVI_DTYPE_I64, 1, 4, h->counts);
    if (!status)
        status = make_key(key, prefix, "rate");
    if (!status)
        status = slivi_checkpoint_get(c, key, SLIVI_DTYPE_F64, 1, 1, &h->rate);
    if (status)
        return status;
    const int64_t views = (int64_t)slivi_params_views(l->p);
    const int64_t entries = (int64_t)l->n;
    if (h->counts[1] != views || h->counts[2] != entries)
        return slivi__fail(SLIVI_ESHAPE,
                           "learner: the checkpoint has %lld parameters in "
                           "%lld views, not %lld in %lld",
                           (long long)h->counts[2], (long long)h->counts[1],
                           (long long)entries, (long long)views);
    if (h->counts[3] < 0 || h->counts[0] < h->counts[3] || !isfinite(h->rate))
        return slivi__fail(
            SLIVI_EFORMAT,
            "learner: the checkpoint has step %lld, its schedule "
            "from %lld, and rate %g",
            (long long)h->counts[0], (long long)h->counts[3], h->rate);
    return 0;
}

typedef struct source {
    const slivi_checkpoint *c;
    void *aside; /* where tensors go to be checked; NULL: to their place */
} source;

static int load_one(const char *name, enum slivi_dtype type, size_t rows,
                    size_t cols, void *memory, void *ctx)
{
    const source *s = ctx;
    return slivi_checkpoint_get(s->c, name, type, rows, cols,
                                s->aside ? s->aside : memory);
}

int slivi_learner_load(slivi_learner *l, const slivi_checkpoint *c,
                       const char *prefix)
{
    header h;
    int status = load_header(l, c, prefix, &h);
    if (status)
        return status;
    source from = {c, slivi__alloc(l->bytes, 1)};
    if (!from.aside)
        return SLIVI_ENOMEM;
    const uint64_t steps = (uint64_t)h.counts[0];
    status = visit_all(l, prefix, steps, load_one, &from);
    slivi__free(from.aside);
    if (status)
        return status;
    from.aside = NULL;
    status = visit_all(l, prefix, steps, load_one, &from);
    l->steps = steps;
    l->origin = (uint64_t)h.counts[3];
    l->rate = h.rate;
    return status;
}
