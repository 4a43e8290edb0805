/* test_resume.c - checkpoints of learning, and its memory.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "scratch.h"
#include "slivi/status.h"
#include "test_learn.h"

#include <math.h>
#include <string.h>

static slivi_learning resumed_options(int i)
{
    slivi_learning how = learn_optimizer(i);
    how.average = 0.9;
    how.clip = 5;
    how.warmup = 3;
    how.steps = 25;
    strcpy(how.schedule, "cosine");
    return how;
}

/* 20 steps = 10 + a file + 10, to the bit; also from a file of step 0 */
START_TEST(test_resume)
{
    const enum slivi_precision precision = _i % 2 ? SLIVI_F32 : SLIVI_F64;
    const slivi_learning how = resumed_options(_i / 2 % LEARN_OPTIMIZERS);
    const size_t half = _i < 2 * LEARN_OPTIMIZERS ? 10 : 0;
    const size_t bytes = LEARN_N
                         * (precision == SLIVI_F32 ? sizeof(float)
                                                   : sizeof(double));
    slivi_params *p = learn_params(precision), *q = learn_params(precision);
    slivi_learner *l = slivi_learner_create(p, &how);
    slivi_learner *m = slivi_learner_create(q, &how);
    scratch_open();
    slivi_params_init(q, 77, 7); /* other values, to be replaced */
    learn_steps(m, precision, 0, 3);
    learn_steps(l, precision, 0, half);
    slivi_learner_set_rate(l, 0.7 * how.rate);
    if (_i % 2)
        slivi_learner_restart(l);
    slivi_checkpoint *c = slivi_checkpoint_create();
    CHECK_OK(slivi_learner_save(l, c, "vae.score"));
    CHECK_OK(slivi_checkpoint_write(c, scratch_path("x")));
    slivi_checkpoint_free(c);
    learn_steps(l, precision, half, 20);
    c = slivi_checkpoint_read(scratch_path("x"));
    ck_assert_msg(c != NULL, "%s", slivi_errmsg());
    CHECK_OK(slivi_learner_load(m, c, "vae.score"));
    ck_assert_uint_eq(slivi_learner_steps(m), half);
    learn_steps(m, precision, half, 20);
    ck_assert_mem_eq(slivi_params_values(p), slivi_params_values(q), bytes);
    ck_assert_mem_eq(slivi_learner_average(l), slivi_learner_average(m), bytes);
    ck_assert_ptr_ne(slivi_learner_average(l), slivi_params_values(p));
    slivi_checkpoint_free(c);
    slivi_learner_free(l);
    slivi_learner_free(m);
    slivi_params_free(p);
    slivi_params_free(q);
    scratch_close();
}
END_TEST

START_TEST(test_tensor_names)
{
    const slivi_learning how = resumed_options(3);
    slivi_params *p = learn_params(SLIVI_F32);
    slivi_learner *l = slivi_learner_create(p, &how);
    slivi_checkpoint *c = slivi_checkpoint_create();
    float w[LEARN_A];
    size_t rows, cols;
    learn_steps(l, SLIVI_F32, 0, 1);
    CHECK_OK(slivi_learner_save(l, c, "vae"));
    CHECK_OK(slivi_checkpoint_get(c, "vae.param.encoder.w1", SLIVI_DTYPE_F32, 3,
                                  4, w));
    ck_assert_mem_eq(w, slivi_params_values(p), sizeof w);
    ck_assert_int_eq(slivi_checkpoint_has(c, "vae.v.encoder.b1", &rows, &cols),
                     1);
    ck_assert_uint_eq(rows, 5);
    ck_assert_uint_eq(cols, 5);
    ck_assert_int_eq(
        slivi_checkpoint_has(c, "vae.average.encoder.b1", NULL, NULL), 1);
    ck_assert_str_eq(slivi_checkpoint_text(c, "vae.optimizer"), "adam");
    slivi_checkpoint_free(c);
    slivi_learner_free(l);
    slivi_params_free(p);
}
END_TEST

/* LEARN_A learner of one or two views, by names and shapes. */
typedef struct layout {
    const char *optimizer, *view;
    size_t rows, cols;
    double momentum, average;
    enum slivi_precision precision;
    int second; /* view */
    int status;
    const char *words;
} layout;

static slivi_params *params_of(const layout *y)
{
    slivi_params *p = slivi_params_create(y->precision);
    ck_assert_int_eq(slivi_params_add(p, "b", 1, 2, 1, 0), 0);
    ck_assert_int_eq(slivi_params_add(p, y->view, y->rows, y->cols, 1, 0), 1);
    if (y->second)
        ck_assert_int_eq(slivi_params_add(p, "more", 1, 1, 1, 0), 2);
    slivi_params_init(p, 1, 1);
    return p;
}

static slivi_learner *learner_of(slivi_params *p, const layout *y)
{
    slivi_learning how = learn_options_of(y->optimizer);
    how.momentum = y->momentum;
    how.average = y->average;
    slivi_learner *l = slivi_learner_create(p, &how);
    ck_assert_ptr_nonnull(l);
    CHECK_OK(slivi_learner_step(l, NULL)); /* a zero gradient */
    return l;
}

static const layout saved = {"rmsprop", "w", 3, 4, 0, 0, SLIVI_F64, 0, 0, ""};
static const layout others[] = {
    {"rmsprop", "w", 3, 4, 0, 0, SLIVI_F64, 0, 0, ""},
    {"rmsprop", "v", 3, 4, 0, 0, SLIVI_F64, 0, SLIVI_ENAME, "x.param.v"},
    {"rmsprop", "w", 4, 3, 0, 0, SLIVI_F64, 0, SLIVI_ESHAPE, "3 x 4"},
    {"rmsprop", "w", 3, 5, 0, 0, SLIVI_F64, 0, SLIVI_ESHAPE, "14 parameters"},
    {"rmsprop", "w", 3, 4, 0, 0, SLIVI_F64, 1, SLIVI_ESHAPE, "2 views"},
    {"rmsprop", "w", 3, 4, 0, 0, SLIVI_F32, 0, SLIVI_ESHAPE, "F64"},
    {"adam", "w", 3, 4, 0, 0, SLIVI_F64, 0, SLIVI_EINVAL,
     "the checkpoint's optimizer is rmsprop, not adam"},
    {"rmsprop", "w", 3, 4, 0.5, 0, SLIVI_F64, 0, SLIVI_ENAME, "x.momentum.b"},
    {"rmsprop", "w", 3, 4, 0, 0.5, SLIVI_F64, 0, SLIVI_ENAME, "x.average.b"},
};

START_TEST(test_other_layout)
{
    const layout *y = &others[_i];
    slivi_params *p = params_of(&saved), *q = params_of(y);
    slivi_learner *l = learner_of(p, &saved), *m = learner_of(q, y);
    slivi_checkpoint *c = slivi_checkpoint_create();
    double before[32], after[32];
    for (size_t i = 0; i < 5; i++) /* step 6 */
        CHECK_OK(slivi_learner_step(l, NULL));
    for (size_t i = 0; i < slivi_params_size(p); i++)
        ((double *)slivi_params_values(p))[i] = 100;
    CHECK_OK(slivi_learner_save(l, c, "x"));
    slivi_params_get(q, before);
    ck_assert_int_eq(slivi_learner_load(m, c, "x"), y->status);
    slivi_params_get(q, after);
    if (y->status) {
        CHECK_WORDS(y->words);
        ck_assert_uint_eq(slivi_learner_steps(m), 1);
        ck_assert_mem_eq(before, after, slivi_params_size(q) * sizeof *before);
    } else {
        ck_assert_uint_eq(slivi_learner_steps(m), 6);
        ck_assert_double_eq(after[7], 100);
    }
    CHECK_FAILS(slivi_learner_load(m, c, "y"), SLIVI_ENAME, "y.optimizer");
    slivi_checkpoint_free(c);
    slivi_learner_free(l);
    slivi_learner_free(m);
    slivi_params_free(p);
    slivi_params_free(q);
}
END_TEST

/* ---- memory ----------------------------------------------------------- */

START_TEST(test_no_allocation)
{
    const enum slivi_precision precision = _i % 2 ? SLIVI_F32 : SLIVI_F64;
    const slivi_learning how = resumed_options(_i / 2);
    scratch_memory *m = scratch_watch(0);
    slivi_params *p = learn_params(precision);
    slivi_learner *l = slivi_learner_create(p, &how);
    const size_t before = m->calls;
    ck_assert_uint_gt(before, 0);
    learn_steps(l, precision, 0, 3);
    ((float *)slivi_learner_gradient(l))[1] = NAN;
    slivi_learner_step(l, NULL);
    ck_assert_uint_eq(m->calls, before);
    slivi_learner_free(l);
    slivi_params_free(p);
    ck_assert_uint_eq(m->live, 0);
    scratch_unwatch();
}
END_TEST

/* Create, save and load; 1 when all came to its end. */
static int learn_all(void)
{
    const slivi_learning how = resumed_options(2);
    int good = 0;
    slivi_params *p = slivi_params_create(SLIVI_F64);
    slivi_learner *l = NULL;
    slivi_checkpoint *c = NULL;
    if (p && slivi_params_add(p, "a", 2, 3, 1, 0) == 0
        && slivi_params_add(p, "b", 2, 3, 1, 0) == 1
        && (l = slivi_learner_create(p, &how)) && !slivi_learner_step(l, NULL)
        && (c = slivi_checkpoint_create()) && !slivi_learner_save(l, c, "x"))
        good = !slivi_learner_load(l, c, "x");
    slivi_checkpoint_free(c);
    slivi_learner_free(l);
    slivi_params_free(p);
    return good;
}

START_TEST(test_no_memory)
{
    size_t k = 0;
    int good = 0;
    while (!good) {
        scratch_memory *m = scratch_watch(0);
        m->fail_at = ++k;
        m->for_good = _i;
        good = learn_all();
        ck_assert_uint_eq(m->live, 0);
        ck_assert_uint_lt(k, 1000);
        if (good)
            ck_assert_uint_gt(k, m->calls);
        scratch_unwatch();
    }
    ck_assert_uint_gt(k, 10);
}
END_TEST

TCase *learn_resume(void)
{
    TCase *c = tcase_create("resume");
    tcase_add_loop_test(c, test_resume, 0, 4 * LEARN_OPTIMIZERS);
    tcase_add_test(c, test_tensor_names);
    tcase_add_loop_test(c, test_other_layout, 0,
                        sizeof others / sizeof *others);
    tcase_add_loop_test(c, test_no_allocation, 0, 2 * LEARN_OPTIMIZERS);
    tcase_add_loop_test(c, test_no_memory, 0, 2);
    return c;
}
