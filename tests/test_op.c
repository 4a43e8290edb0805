/* test_op.c - the walk over the table of operations.

   For each operation, each of its probes (probe.c) and n = 1, 5 the walk
   compares, with respect to the samples x and to the fixed matrix w,
     value      with the formula, in eps
     single     f32 with f64: value, tangent and adjoint, in eps of float
     tangent    jvp with central differences, h and h/2 extrapolated
     adjoint    <u, Jv> with <J'u, v>, in eps
     tangent2, adjoint2   the same for jvp(y,x,v) and vjp(y,u) in y's place
     symmetry   D2y[v,w] with D2y[w,v], in eps
     slices     jvp along two directions at once with two jvp's, in eps
   An operation without a probe fails.  SLIVI_TEST_TABLE in the environment
   prints the worst figures.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/node.h"
#include "probe.h"
#include "suites.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { D = PROBE_COLS, SLICES = 2 };

enum figure {
    VALUE,
    SINGLE,
    TANGENT,
    ADJOINT,
    TANGENT2,
    ADJOINT2,
    SYMMETRY,
    SLICED,
    FIGURES
};

static const struct {
    const char *name;
    double limit;
} figures[FIGURES] = {
    [VALUE] = {"value", 16},         [SINGLE] = {"single", 16},
    [TANGENT] = {"tangent", 1e-7},   [ADJOINT] = {"adjoint", 50},
    [TANGENT2] = {"tangent2", 1e-7}, [ADJOINT2] = {"adjoint2", 50},
    [SYMMETRY] = {"symmetry", 16},   [SLICED] = {"slices", 4},
};

typedef struct walk {
    site s;
    const probe *p;
    slivi_node y;
    slivi_node v[2][2]; /* directions of x and of w, two each */
    double worst[FIGURES];
    int moves; /* a tangent was not zero */
} walk;

static slivi_node variable_of(const walk *k, int i)
{
    return i ? k->s.w : k->s.x;
}

static void walk_open(walk *k, const probe *p, enum slivi_precision precision,
                      size_t n)
{
    site *s = &k->s;
    testing *t = &s->t;
    k->p = p;
    testing_open(t, precision, n);
    s->x = testing_input(t, SLIVI_ROWS, D, p->lo, p->hi, p->gap);
    s->w = testing_input(t, D, D, p->lo, p->hi, p->gap);
    s->sliced = testing_input(t, 2 * SLIVI_ROWS, D, p->lo, p->hi, p->gap);
    s->index = testing_index(t, SLIVI_ROWS, 4);
    s->which = testing_index(t, D, 4);
    for (int i = 0; i < 2; i++) {
        k->v[0][i] = testing_input(t, SLIVI_ROWS, D, -1, 1, 0);
        k->v[1][i] = testing_input(t, D, D, -1, 1, 0);
    }
    k->y = p->build(s);
    ck_assert_msg(k->y.id, "%s: %s", p->variant, slivi_errmsg());
}

static void walk_close(walk *k)
{
    testing_close(&k->s.t);
}

static void note(walk *k, enum figure f, double error)
{
    if (!(error <= k->worst[f]))
        k->worst[f] = error;
    ck_assert_msg(error < figures[f].limit, "%s, n = %zu: %s %.3g, limit %g",
                  k->p->variant, k->s.t.n, figures[f].name, error,
                  figures[f].limit);
}

/* error / scale, where 0 / 0 is agreement */
static double ratio(double error, double scale)
{
    return error > 0 ? error / scale : error;
}

/* ---- value ------------------------------------------------------------ */

static void check_value(walk *k)
{
    testing *t = &k->s.t;
    const point p = {t->n, testing_value(t, k->s.x), testing_value(t, k->s.w),
                     testing_value(t, k->s.sliced), &t->run};
    size_t count = testing_entries(t, k->y);
    size_t cols = slivi_node_cols(t->g, k->y);
    double *y = testing_eval(t, k->y), *want = calloc(count, sizeof *want);
    ck_assert_ptr_nonnull(want);
    for (size_t i = 0; i < count; i++)
        want[i] = k->p->want(&p, i / cols, i % cols);
    note(k, VALUE,
         ratio(testing_distance(count, y, want),
               DBL_EPSILON * testing_most(count, want)));
    free(want);
    free(y);
}

/* ---- tangents and adjoints -------------------------------------------- */

/* (f(x + h v) - f(x - h v)) / 2h of the variable's memory x */
static double *difference(testing *t, slivi_node f, slivi_node x,
                          const double *v, double h)
{
    size_t size = testing_entries(t, x), count = testing_entries(t, f);
    double *at = testing_value(t, x), *keep = malloc(size * sizeof *keep);
    ck_assert_ptr_nonnull(keep);
    memcpy(keep, at, size * sizeof *keep);
    for (size_t i = 0; i < size; i++)
        at[i] = keep[i] + h * v[i];
    double *up = testing_eval(t, f);
    for (size_t i = 0; i < size; i++)
        at[i] = keep[i] - h * v[i];
    double *down = testing_eval(t, f);
    memcpy(at, keep, size * sizeof *keep);
    for (size_t i = 0; i < count; i++)
        up[i] = (up[i] - down[i]) / (2 * h);
    free(down);
    free(keep);
    return up;
}

/* The error of jv, relative to it (and a little to f, for differences of f
   are no better than f's own rounding). */
static double tangent_error(testing *t, slivi_node f, slivi_node x,
                            const double *v, const double *jv)
{
    size_t count = testing_entries(t, f);
    double most = testing_most(testing_entries(t, x), testing_value(t, x));
    double h = cbrt(DBL_EPSILON) * (1 + most);
    double *whole = difference(t, f, x, v, h);
    double *half = difference(t, f, x, v, h / 2), *y = testing_eval(t, f);
    for (size_t i = 0; i < count; i++)
        half[i] = (4 * half[i] - whole[i]) / 3;
    double error = ratio(testing_distance(count, half, jv),
                         testing_most(count, jv) + testing_most(count, y) / 64);
    free(y);
    free(half);
    free(whole);
    return error;
}

/* Both tests of f with respect to variable i along its direction `which`. */
static void check_first(walk *k, slivi_node f, int i, int which,
                        enum figure tangent, enum figure adjoint)
{
    testing *t = &k->s.t;
    slivi_node x = variable_of(k, i), v = k->v[i][which], gx;
    slivi_node u = testing_input(t, slivi_node_rows(t->g, f),
                                 slivi_node_cols(t->g, f), -1, 1, 0);
    slivi_node jv = slivi_jvp(t->g, f, x, v);
    ck_assert_msg(!slivi_vjp(t->g, f, u, 1, &x, &gx), "%s: %s", k->p->variant,
                  slivi_errmsg());
    ck_assert_int_eq(slivi_node_rows(t->g, jv), slivi_node_rows(t->g, f));
    ck_assert_uint_eq(slivi_node_cols(t->g, jv), slivi_node_cols(t->g, f));
    ck_assert_int_eq(slivi_node_rows(t->g, gx), slivi_node_rows(t->g, x));
    ck_assert_uint_eq(slivi_node_cols(t->g, gx), slivi_node_cols(t->g, x));
    size_t nf = testing_entries(t, f), nx = testing_entries(t, x);
    const double *uu = testing_value(t, u), *vv = testing_value(t, v);
    double *j = testing_eval(t, jv), *b = testing_eval(t, gx);
    double left = testing_dot(nf, uu, j), right = testing_dot(nx, b, vv);
    double scale = testing_norm(nf, uu) * testing_norm(nf, j)
                   + testing_norm(nx, b) * testing_norm(nx, vv);
    k->moves |= testing_most(nf, j) > 0;
    note(k, adjoint, ratio(fabs(left - right), DBL_EPSILON * scale));
    note(k, tangent, tangent_error(t, f, x, vv, j));
    free(b);
    free(j);
}

static void check_second(walk *k)
{
    testing *t = &k->s.t;
    slivi_node u = testing_input(t, slivi_node_rows(t->g, k->y),
                                 slivi_node_cols(t->g, k->y), -1, 1, 0);
    for (int i = 0; i < 2; i++) {
        slivi_node x = variable_of(k, i), gx;
        slivi_node jv = slivi_jvp(t->g, k->y, x, k->v[i][0]);
        slivi_vjp(t->g, k->y, u, 1, &x, &gx);
        for (int j = 0; j < 2; j++) {
            check_first(k, jv, j, 1, TANGENT2, ADJOINT2);
            check_first(k, gx, j, 1, TANGENT2, ADJOINT2);
        }
    }
}

/* D2y[v,w], v moving variable i and w variable j, either way round */
static void check_symmetry(walk *k, int i, int j)
{
    testing *t = &k->s.t;
    slivi_node xi = variable_of(k, i), xj = variable_of(k, j);
    slivi_node vi = k->v[i][0], vj = k->v[j][1];
    slivi_node a = slivi_jvp(t->g, slivi_jvp(t->g, k->y, xi, vi), xj, vj);
    slivi_node b = slivi_jvp(t->g, slivi_jvp(t->g, k->y, xj, vj), xi, vi);
    size_t count = testing_entries(t, k->y);
    double *one = testing_eval(t, a), *other = testing_eval(t, b);
    double *y = testing_eval(t, k->y);
    note(k, SYMMETRY,
         ratio(testing_distance(count, one, other),
               DBL_EPSILON
                   * (testing_most(count, one) + testing_most(count, y) / 64)));
    free(y);
    free(other);
    free(one);
}

/* A derivative beyond the last that exists is refused when it is built. */
static void check_order(const probe *p)
{
    for (int backward = 0; backward < 2; backward++) {
        walk k = {.p = p};
        walk_open(&k, p, SLIVI_F64, 1);
        slivi_graph *g = k.s.t.g;
        slivi_node y = k.y;
        for (int i = 0; i <= p->order; i++) {
            ck_assert_int_eq(slivi_graph_status(g), 0);
            slivi_node x = variable_of(&k, strstr(p->variant, "fixed") != NULL);
            slivi_node v = k.v[x.id == k.s.w.id][0];
            y = backward ? slivi_grad(g, y, x) : slivi_jvp(g, y, x, v);
        }
        ck_assert_msg(slivi_graph_status(g) == SLIVI_EUNSUPPORTED,
                      "%s: order %d was not refused", p->variant, p->order + 1);
        ck_assert_int_eq(y.id, 0);
        walk_close(&k);
    }
}

/* ---- slices ----------------------------------------------------------- */

static void compare_slices(walk *k, slivi_node both, const slivi_node *one)
{
    testing *t = &k->s.t;
    const ptrdiff_t rows = slivi_node_rows(t->g, k->y);
    size_t count = testing_entries(t, both);
    size_t part = rows < 0 ? count / SLICES : 0; /* fixed rows: no slices */
    double *y = testing_eval(t, both), most = testing_most(count, y);
    for (size_t s = 0; s < SLICES; s++) {
        double *z = testing_eval(t, one[s]);
        size_t from = rows == SLIVI_ROWS ? 0 : s * part;
        note(
            k, SLICED,
            ratio(testing_distance(part ? part : count, y + s * part, z + from),
                  DBL_EPSILON * most));
        free(z);
    }
    free(y);
}

static void check_slices(const probe *p, size_t n, double *worst)
{
    static const int status[] = {[ALLOWED] = 0,
                                 [OVER_SAMPLES] = SLIVI_EUNSUPPORTED,
                                 [OTHER_SLICES] = SLIVI_ESHAPE};
    walk k = {.p = p};
    walk_open(&k, p, SLIVI_F64, n);
    testing *t = &k.s.t;
    slivi_node v = testing_input(t, SLICES * SLIVI_ROWS, D, -1, 1, 0), one[2];
    for (size_t s = 0; s < SLICES; s++) {
        memcpy(testing_value(t, k.v[0][s]), testing_value(t, v) + s * n * D,
               n * D * sizeof(double));
        one[s] = slivi_jvp(t->g, k.y, k.s.x, k.v[0][s]);
    }
    slivi_node both = slivi_jvp(t->g, k.y, k.s.x, v);
    ck_assert_msg(slivi_graph_status(t->g) == status[p->slices],
                  "%s: two directions: %d %s", p->variant,
                  slivi_graph_status(t->g), slivi_errmsg());
    ck_assert_int_eq(both.id == 0, p->slices != ALLOWED);
    if (both.id)
        compare_slices(&k, both, one);
    *worst = fmax(*worst, k.worst[SLICED]);
    walk_close(&k);
}

/* ---- single precision ------------------------------------------------- */

static void check_single(walk *k)
{
    walk f = {.p = k->p};
    walk_open(&f, k->p, SLIVI_F32, k->s.t.n);
    walk *both[2] = {k, &f};
    slivi_node z[2][5];
    for (int i = 0; i < 2; i++) {
        testing *t = &both[i]->s.t;
        slivi_node y = both[i]->y, x[2] = {both[i]->s.x, both[i]->s.w};
        slivi_node u = testing_input(t, slivi_node_rows(t->g, y),
                                     slivi_node_cols(t->g, y), -1, 1, 0);
        z[i][0] = y;
        for (int j = 0; j < 2 && k->p->order; j++)
            z[i][1 + j] = slivi_jvp(t->g, y, x[j], both[i]->v[j][0]);
        if (k->p->order)
            slivi_vjp(t->g, y, u, 2, x, z[i] + 3);
    }
    for (int j = 0; j < (k->p->order ? 5 : 1); j++) {
        size_t count = testing_entries(&k->s.t, z[0][j]);
        double *a = testing_eval(&k->s.t, z[0][j]);
        double *b = testing_eval(&f.s.t, z[1][j]);
        note(k, SINGLE,
             ratio(testing_distance(count, a, b),
                   (double)FLT_EPSILON * testing_most(count, a)));
        free(b);
        free(a);
    }
    walk_close(&f);
}

/* ---- the walk --------------------------------------------------------- */

static int has_op(const walk *k, const char *op)
{
    const slivi_graph *g = k->s.t.g;
    for (int id = 1; id <= (int)slivi_graph_count(g); id++)
        if (!strcmp(slivi_node_op(g, (slivi_node){id}), op))
            return 1;
    return 0;
}

/* Operations whose derivative is zero. */
static int is_flat(const char *op)
{
    return !strcmp(op, "sign") || !strcmp(op, "step") || !strcmp(op, "row_max");
}

/* Returns whether y has moved. */
static int check_probe(const probe *p, size_t n, double *worst)
{
    walk k = {.p = p};
    walk_open(&k, p, SLIVI_F64, n);
    ck_assert_msg(has_op(&k, p->op), "%s has no %s", p->variant, p->op);
    check_value(&k);
    check_single(&k);
    for (int i = 0; i < 2 && p->order; i++)
        check_first(&k, k.y, i, 0, TANGENT, ADJOINT);
    int moves = k.moves;
    walk_close(&k);
    if (p->order > 1) { /* afresh: there is room for so many inputs only */
        walk_open(&k, p, SLIVI_F64, n);
        check_second(&k);
        for (int i = 0; i < 2; i++)
            for (int j = 0; j <= i; j++)
                check_symmetry(&k, i, j);
        walk_close(&k);
    } else {
        check_order(p);
    }
    for (int f = 0; f < FIGURES; f++)
        worst[f] = fmax(worst[f], k.worst[f]);
    if (p->order)
        check_slices(p, n, &worst[SLICED]);
    return moves;
}

static void print_worst(const char *op, int count, const double *worst)
{
    if (!getenv("SLIVI_TEST_TABLE"))
        return;
    printf("%-17s %2d", op, count);
    for (int f = 0; f < FIGURES; f++)
        printf(" %8.2g", worst[f]);
    printf("\n");
    fflush(stdout);
}

START_TEST(test_operation)
{
    const char *op = slivi__ops[_i]->name;
    double worst[FIGURES] = {0};
    int count = 0;
    for (const probe *p = probes; p->op; p++) {
        if (strcmp(p->op, op))
            continue;
        count++;
        int moves = check_probe(p, 1, worst) | check_probe(p, 5, worst);
        ck_assert_msg(moves || !p->order || is_flat(op), "%s does not move",
                      p->variant);
    }
    ck_assert_msg(count, "operation %s has no probe", op);
    print_worst(op, count, worst);
}
END_TEST

START_TEST(test_table)
{
    for (const probe *p = probes; p->op; p++) {
        int found = 0;
        for (size_t i = 0; slivi__ops[i]; i++)
            found |= !strcmp(slivi__ops[i]->name, p->op);
        ck_assert_msg(found, "no operation %s (%s)", p->op, p->variant);
    }
    for (size_t i = 0; slivi__ops[i]; i++) {
        const slivi__op *op = slivi__ops[i];
        const int input = (op->traits & SLIVI_OP_INPUT) != 0;
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(slivi__ops[j]->name, op->name);
        ck_assert_ptr_nonnull(op->shape);
        for (int j = 0; j < 2; j++)
            ck_assert_int_eq(op->kernel[j] == NULL, input);
        if (op->arity && !(op->traits & SLIVI_OP_CUT))
            ck_assert_int_ne(op->slope != NULL,
                             op->tangent != NULL && op->adjoint != NULL);
    }
    if (getenv("SLIVI_TEST_TABLE")) {
        printf("%-17s  n", "operation");
        for (int f = 0; f < FIGURES; f++)
            printf(" %8s", figures[f].name);
        printf("\n");
        fflush(stdout);
    }
}
END_TEST

Suite *slivi_suite_op(void)
{
    Suite *suite = suite_create("op");
    TCase *tc = tcase_create("op");
    int count = 0;

    while (slivi__ops[count])
        count++;
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, test_table);
    tcase_add_loop_test(tc, test_operation, 0, count);
    suite_add_tcase(suite, tc);
    return suite;
}
