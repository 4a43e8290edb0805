/* test_plan.c - what plans do: no more products than an objective needs, and
   each of them once.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/learn.h"
#include "slivi/scorenet.h"
#include "slivi/status.h"
#include "suites.h"
#include "works.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- products and gradients of a plan, as text -------------------------- */

enum { LINES = 40, LINE = 96 };

typedef struct lines {
    char line[LINES][LINE];
    size_t count;
} lines;

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int by_size(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* "1 + 10": slices of the left operands, ascending */
static void add_line(lines *l, const slivi_plan *p, const char *name,
                     size_t first, size_t count)
{
    size_t slices[LINES];
    ck_assert_uint_lt(l->count, LINES);
    ck_assert_uint_lt(count, LINES);
    char *at = l->line[l->count++];
    int n = snprintf(at, LINE, "%s:", name);
    for (size_t i = 0; i < count; i++)
        slices[i] = slivi__plan_slices(p, p->pair[first + i].a);
    qsort(slices, count, sizeof *slices, by_size);
    for (size_t i = 0; i < count; i++)
        n += snprintf(at + n, LINE - (size_t)n, i ? "+%zu" : " %zu", slices[i]);
}

/* All lines in order of their text. */
static void check_lines(lines *l, const char *want)
{
    char text[LINES * LINE] = "";
    qsort(l->line, l->count, LINE, by_text);
    for (size_t i = 0; i < l->count; i++) {
        strcat(text, i ? ", " : "");
        strcat(text, l->line[i]);
    }
    ck_assert_str_eq(text, want);
}

static void check_products(const slivi_plan *p, const char *want)
{
    lines l = {.count = 0};
    for (size_t i = 0; i < p->code_count; i++) {
        const slivi__instruction *c = &p->code[i];
        const slivi__node *w = c->kind == SLIVI__PRODUCT
                                   ? p->value[c->node].node
                                   : NULL;
        char name[LINE / 2];
        if (!w)
            continue;
        snprintf(name, sizeof name, "%s%s",
                 w->op->traits & SLIVI_OP_INPUT ? (const char *)w->a.p
                                                : w->op->name,
                 c->transposed < 0 ? "" : "'");
        add_line(&l, p, name, c->first, c->count);
    }
    check_lines(&l, want);
}

static void check_gradients(const slivi_plan *p, const char *want)
{
    lines l = {.count = 0};
    for (int id = 1; id <= (int)p->count; id++) {
        const slivi__value *v = &p->value[id];
        char name[48];
        if (v->kind == SLIVI__GRADIENT)
            add_line(&l, p,
                     slivi__shape_text(v->node->rows, v->node->cols, name),
                     v->first, v->count);
    }
    check_lines(&l, want);
}

/* ---- objectives ------------------------------------------------------- */

enum { D = 32 };

/* ssm-vr and ssm of s(z | x) with M slices v, tangents d.. = f' .., and sums g..
   backward: z, v times w1; x wx, once; h1, dh1 times w2; h2, dh2 times w3; then
   back gs, v times w3'; ga2, gda2 times w2'; and no further, since nothing
   before is a parameter.  So M slices are beside one in each but x wx, and in
   gradients z' ga1 + v' gda1, x' ga1 (v never meets x), h1' ga2 + dh1' gda2,
   h2' gs + dh2' v. */
START_TEST(products_of_a_conditional_score)
{
    static const struct {
        const char *objective;
        size_t slices;
        const char *products, *gradients;
    } all[] = {
        {"ssm-vr", 1, "w1: 1+1, w2': 1+1, w2: 1+1, w3': 1+1, w3: 1+1, wx: 1",
         "256 x 256: 1+1, 256 x 32: 1+1, 32 x 256: 1+1, 784 x 256: 1"},
        {"ssm", 10, "w1: 1+10, w2': 1+10, w2: 1+10, w3': 1+10, w3: 1+10, wx: 1",
         "256 x 256: 1+10, 256 x 32: 1+10, 32 x 256: 1+10, 784 x 256: 1"},
    };
    net t;
    net_open(&t, 3, D, D, 1);
    slivi_plan *p = net_plan(&t, all[_i].objective, all[_i].slices, 0, 128);
    check_products(p, all[_i].products);
    check_gradients(p, all[_i].gradients);
    slivi_plan_free(p);
    slivi_graph_free(t.g);
}
END_TEST

/* Of a net with three hidden layers, by 64 unit vectors: the same. */
START_TEST(products_of_a_trace_by_units)
{
    net t;
    net_open(&t, 4, 64, 64, 0);
    slivi_plan *p = net_plan(&t, "sm", 1, 0, 128);
    check_products(p, "w1: 1+64, w2': 1+64, w2: 1+64, w3': 1+64, w3: 1+64, "
                      "w4': 1+64, w4: 1+64");
    check_gradients(p, "256 x 256: 1+64, 256 x 256: 1+64, 256 x 64: 1+64, "
                       "64 x 256: 1+64");
    slivi_plan_free(p);
    slivi_graph_free(t.g);
}
END_TEST

/* ssm-vr of an energy E(z): with q2 = f'(a2) w3', q1 = f'(a1) (q2 w2') the score
   is s = q1 w1', and v'Av = E'' along v, d2.. its second tangents.
   w1: z, v, and later the gradient's s w1; w2: h1, dh1, d2h1, and (s w1 f') w2;
   w3: d2h2; back w3': ones of the score and of the curvature; w2': q2, and
   ga2, gda2, gd2a2; w1': q1.  What comes from s cannot be run with what s is
   made from, so w1, w2 and w2' take two each and no less. */
START_TEST(products_of_an_energy)
{
    net t;
    lines l = {.count = 0};
    size_t operands = 0, rows[4] = {0};
    net_open(&t, 3, D, 1, 0);
    slivi_plan *p = net_plan(&t, "ssm-vr", 1, 1, 128);
    for (size_t i = 0; i < p->code_count; i++)
        if (p->code[i].kind == SLIVI__PRODUCT) {
            l.count++;
            operands += p->code[i].count;
            for (int k = 0; k < 3; k++)
                rows[k] += p->code[i].node == t.w[k].id;
        }
    ck_assert_uint_eq(l.count, 9);
    ck_assert_uint_eq(operands, 15);
    ck_assert_uint_eq(rows[0], 3); /* transposed ones among them */
    ck_assert_uint_eq(rows[1], 4);
    ck_assert_uint_eq(rows[2], 2);
    check_gradients(p, "256 x 1: 1+1, 256 x 256: 1+1+1+1, 32 x 256: 1+1+1");
    slivi_plan_free(p);
    slivi_graph_free(t.g);
}
END_TEST

/* sm in closed form, trace = d1 K d2' with K = w2 o (w3 w1)' of fixed values:
   beside the net's own products only d1 K and, back, d2 K'; the gradient of K
   is one of five. */
START_TEST(products_of_a_trace_in_closed_form)
{
    const slivi_scorenet_spec spec = {
        "s", D, X, {2, {H, H}}, slivi_activation_find("tanh"), 0, 0};
    const slivi_objective_options how = {1, slivi_law_rademacher, 0.5, 7};
    slivi_params *params = slivi_params_create(SLIVI_F32);
    slivi_scorenet *s = slivi_scorenet_create(params, &spec);
    slivi_graph *g = slivi_graph_create(SLIVI_F32);
    slivi_weights *w = slivi_weights_create(g, params);
    slivi_scorenet_use use = {
        .net = s, .w = w, .context = slivi_input(g, "x", SLIVI_ROWS, X)};
    slivi_node out[16];
    size_t chunks;
    out[0] = slivi_scorenet_loss(&use, slivi_input(g, "z", SLIVI_ROWS, D),
                                 slivi_objective_find("sm"), &how, &chunks);
    ck_assert_int_eq(slivi_weights_differentiate(w, out[0]), 0);
    ck_assert_uint_lt(slivi_weights_count(w), 16);
    slivi_weights_gradients(w, out + 1);
    slivi_plan *p = slivi_plan_create(g, 1 + slivi_weights_count(w), out, 128);
    ck_assert_msg(p != NULL, "%s", slivi_errmsg());
    size_t products = 0, operands = 0;
    for (size_t i = 0; i < p->code_count; i++)
        if (p->code[i].kind == SLIVI__PRODUCT) {
            products++;
            operands += p->code[i].count;
        }
    ck_assert_uint_eq(products, 8);
    ck_assert_uint_eq(operands, 8);
    check_gradients(p, "256 x 256: 1, 256 x 256: 1, 256 x 32: 1, 32 x 256: 1, "
                       "784 x 256: 1");
    slivi_plan_free(p);
    slivi_weights_free(w);
    slivi_graph_free(g);
    slivi_scorenet_free(s);
    slivi_params_free(params);
}
END_TEST

/* ---- order ------------------------------------------------------------ */

static size_t count_kind(const slivi_plan *p, enum slivi__kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < p->code_count; i++)
        count += p->code[i].kind == kind;
    return count;
}

/* x w w: in sequence.  a = x w1, b = x w2, f(b) w1, f(a) w2: each pair waits
   for its mate, which needs the other; three products, or four, but an end. */
START_TEST(products_that_wait)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 4);
    slivi_node w1 = slivi_input(g, "w1", 4, 4), w2 = slivi_input(g, "w2", 4, 4);
    slivi_node a = slivi_matmul(g, x, w1), b = slivi_matmul(g, x, w2);
    const slivi_node twice = slivi_matmul(g, a, w1);
    const slivi_node out[2] = {slivi_matmul(g, slivi_exp(g, b), w1),
                               slivi_matmul(g, slivi_exp(g, a), w2)};
    slivi_plan *p = slivi_plan_create(g, 1, &twice, 8);
    check_products(p, "w1: 1, w1: 1");
    slivi_plan_free(p);
    p = slivi_plan_create(g, 2, out, 8);
    ck_assert_uint_eq(count_kind(p, SLIVI__PRODUCT), 3);
    slivi_plan_free(p);
    slivi_graph_free(g);
}
END_TEST

/* x^(2^40) by squares between two products of one operand: a walk along every
   path would not end. */
START_TEST(many_paths)
{
    enum { DEEP = 40 };
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 4);
    slivi_node w = slivi_input(g, "w", 4, 4), v = slivi_input(g, "v", 4, 4);
    slivi_node first = slivi_matmul(g, x, w), h = slivi_matmul(g, x, v);
    for (int i = 0; i < DEEP; i++)
        h = slivi_square(g, h);
    h = slivi_matmul(g, h, v);
    for (int i = 0; i < DEEP; i++)
        h = slivi_add(g, h, slivi_square(g, h));
    const slivi_node out[2] = {first, slivi_matmul(g, h, w)};
    slivi_plan *p = slivi_plan_create(g, 2, out, 8);
    check_products(p, "v: 1, v: 1, w: 1+1");
    slivi_plan_free(p);
    slivi_graph_free(g);
}
END_TEST

/* Dead work is not done, nor is equal work done twice; what only a chain sees
   has no home. */
START_TEST(nothing_in_vain)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 4);
    slivi_node w = slivi_input(g, "w", 4, 4);
    slivi_node dead = slivi_matmul(g, slivi_exp(g, x), w);
    slivi_node h = slivi_tanh(g, slivi_matmul(g, x, w));
    slivi_node again = slivi_tanh(g, slivi_matmul(g, x, w)); /* is h */
    slivi_node inside = slivi_sin(g, h);
    const slivi_node y = slivi_matmul(g, slivi_add(g, inside, slivi_exp(g, h)),
                                      w);
    const slivi_node out[3] = {y, slivi_variable(g, y), y};
    slivi_plan *p = slivi_plan_create(g, 3, out, 8);
    ck_assert_int_eq(again.id, h.id);
    check_products(p, "w: 1, w: 1");
    ck_assert_uint_eq(count_kind(p, SLIVI__ENTRYWISE), 1);
    ck_assert_int_eq(p->value[dead.id].kind, SLIVI__IDLE);
    ck_assert_int_eq(p->value[h.id].home, SLIVI__NOWHERE);
    ck_assert_int_eq(p->value[inside.id].home, SLIVI__NOWHERE);
    slivi_plan_free(p);
    slivi_graph_free(g);
}
END_TEST

/* ---- refusals --------------------------------------------------------- */

START_TEST(bad_plans)
{
    slivi_graph *g = slivi_graph_create(SLIVI_F64);
    slivi_node y = slivi_input(g, "y", SLIVI_ROWS, 1), none = {99};
    ck_assert_ptr_null(slivi_plan_create(g, 1, &none, 4));
    ck_assert_str_eq(slivi_errmsg(), "plan: output 0 is not a node");
    ck_assert_ptr_null(slivi_plan_create(g, 0, &y, 4));
    ck_assert_ptr_null(slivi_plan_create(g, 1, &y, 0));
    ck_assert_str_eq(slivi_errmsg(), "plan: max_rows is 0, not 1 to 2^32 - 1");
    ck_assert_ptr_null(slivi_plan_create(g, 1, &y, (size_t)UINT32_MAX + 1));
    slivi_plan_free(NULL);
    slivi_workspace_free(NULL);
    slivi_matmul(g, y, y); /* the graph keeps its error */
    ck_assert_ptr_null(slivi_plan_create(g, 1, &y, 4));
    ck_assert_int_eq(slivi__status(), SLIVI_ESHAPE);
    slivi_graph_free(g);
}
END_TEST

/* ---- for people to read ------------------------------------------------- */

START_TEST(a_plan_is_printed)
{
    static const char want[] =
        "plan for 100 rows in blocks of 64; ; 8 KiB for the batch, 7 "
        "KiB for a block\n"
        "the batch:\n"
        "  inverse_rows.12 1 x 1\n"
        "  constant.16 = 1 1 x 1\n"
        "  scale.17(constant.16) 1 x 1\n"
        "  mul.18(scale.17, inverse_rows.12) 1 x 1\n"
        "each block:\n"
        "  noise.4 2n x 3 (band)\n"
        "  product n + 2n rows, 3 to 4: x, noise.4 times w -> matmu"
        "l.5, matmul.8\n"
        "  chain n x 4, 1 slots: add.6(matmul.5, b), tanh.7(add.6),"
        " one_minus_square.9(tanh.7) (kept), scale.25(tanh.7) (kept"
        ")\n"
        "  chain 2n x 4, 2 slots: mul.10(matmul.8, one_minus_square"
        ".9), mul.11(mul.10, mul.10), sum_to.13(mul.11), mul.20(mul"
        ".18, mul.10), add.21(mul.20, mul.20), mul.22(add.21, one_m"
        "inus_square.9) (kept) (band), mul.23(add.21, matmul.8) (ke"
        "pt)\n"
        "  sum_to.24(mul.23) n x 4\n"
        "  chain n x 4, 1 slots: mul.26(sum_to.24, scale.25), mul.2"
        "8(mul.26, one_minus_square.9) (kept) (band), sum_to.29(mul"
        ".28)\n"
        "each band of 2 blocks:\n"
        "  gradient 3 x 4, 2n + n rows: noise.4' mul.22 + x' mul.28"
        " -> add.31 = output 1\n"
        "the batch:\n"
        "  total sum_to.13(mul.11) 1 x 1\n"
        "  total sum_to.29(mul.28) 1 x 4 = output 2\n"
        "  mul.14(sum_to.13, inverse_rows.12) 1 x 1\n"
        "  scale.15(mul.14) 1 x 1 = output 0\n";
    slivi_graph *g = slivi_graph_create(SLIVI_F32);
    slivi_node x = slivi_input(g, "x", SLIVI_ROWS, 3);
    slivi_node w = slivi_input(g, "w", 3, 4), b = slivi_input(g, "b", 1, 4);
    slivi_node v = slivi_noise(g, slivi_law_normal, 2 * SLIVI_ROWS, 3, 1);
    slivi_node y = slivi_tanh(g, slivi_add(g, slivi_matmul(g, x, w), b));
    slivi_node dy = slivi_jvp(g, y, x, v);
    slivi_node out[3] = {slivi_mean(g, slivi_square(g, dy))};
    const slivi_node wrt[2] = {w, b};
    char *text = NULL;
    size_t size;
    slivi_vjp(g, out[0], slivi_constant(g, 1), 2, wrt, out + 1);
    slivi_plan *p = slivi_plan_create(g, 3, out, 100);
    FILE *f = open_memstream(&text, &size);
    ck_assert_int_eq(slivi_plan_print(p, f), 0);
    fclose(f);
    /* the name of the instruction set is the machine's */
    char *set = strstr(text, p->isa->name);
    ck_assert_ptr_nonnull(set);
    memmove(set, set + strlen(p->isa->name),
            strlen(set + strlen(p->isa->name)) + 1);
    ck_assert_str_eq(text, want);
    free(text);
    slivi_plan_free(p);
    slivi_graph_free(g);
}
END_TEST

Suite *slivi_suite_plan(void)
{
    Suite *suite = suite_create("plan");
    TCase *tc = tcase_create("plan");

    tcase_set_timeout(tc, 20);
    tcase_add_loop_test(tc, products_of_a_conditional_score, 0, 2);
    tcase_add_test(tc, products_of_a_trace_by_units);
    tcase_add_test(tc, products_of_an_energy);
    tcase_add_test(tc, products_of_a_trace_in_closed_form);
    tcase_add_test(tc, products_that_wait);
    tcase_add_test(tc, many_paths);
    tcase_add_test(tc, nothing_in_vain);
    tcase_add_test(tc, bad_plans);
    tcase_add_test(tc, a_plan_is_printed);
    suite_add_tcase(suite, tc);
    return suite;
}
