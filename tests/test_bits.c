/* test_bits.c - the parameters after 200 steps are the same to the last bit on
   any number of threads, in every repetition, for any size of a batch.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "score/estimator.h"
#include "slivi/random.h"
#include "suites.h"
#include "vae_inside.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 200, REPEATS = 3, THREADS = 4, DIM = 70 };
static const size_t sizes[] = {1, 8, 40, 257}; /* 257: blocks of 64, and 1 */

/* FNV-1a */
static uint64_t hash(uint64_t h, const void *memory, size_t bytes)
{
    const unsigned char *at = memory;
    for (size_t i = 0; i < bytes; i++)
        h = (h ^ at[i]) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t hash_params(uint64_t h, const slivi_params *p)
{
    return hash(h, slivi_params_const_values(p),
                slivi_params_size(p) * sizeof(float));
}

/* Batches of n and, every third time, of fewer: a ragged tail. */
static size_t batch(size_t n, size_t step)
{
    return step % 3 == 2 && n > 3 ? n - 3 : n;
}

static void set(slivi_vae *v, const char *name, size_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", value);
    ck_assert_int_eq(slivi_vae_set(v, name, text), 0);
}

/* Both nets, on images that are mostly zero. */
static uint64_t train_vae(size_t n, size_t threads)
{
    float *x = malloc(n * DIM * sizeof *x);
    slivi_vae *v = slivi_vae_create(DIM);
    ck_assert(x && v);
    set(v, "latent", 3);
    set(v, "batch", n);
    set(v, "threads", threads);
    set(v, "slices", 2);
    ck_assert_int_eq(slivi_vae_set(v, "hidden", "40,24"), 0);
    for (size_t step = 0; step < STEPS; step++) {
        slivi_address at = {.stream = 1, .step = step};
        slivi_draw_f32(slivi_law_uniform, &at, n, DIM, x);
        for (size_t i = 0; i < n * DIM; i++)
            x[i] *= x[i] * x[i] * x[i];
        ck_assert_msg(!slivi_vae_step(v, x, batch(n, step), NULL), "%s",
                      slivi_errmsg());
    }
    uint64_t h = hash_params(UINT64_C(0xcbf29ce484222325), v->params);
    h = hash_params(h, v->score_params);
    slivi_vae_free(v);
    free(x);
    return h;
}

static uint64_t train_score(size_t n, size_t threads)
{
    double *z = malloc(n * 5 * sizeof *z);
    slivi_score *s = slivi_score_create("ssm", 5, 0);
    ck_assert(z && s);
    ck_assert_int_eq(slivi_score_set(s, "threads", (double)threads), 0);
    ck_assert_int_eq(slivi_score_set(s, "slices", 7), 0);
    ck_assert_int_eq(slivi_score_set_text(s, "hidden", "33,20,20"), 0);
    for (size_t step = 0; step < STEPS; step++) {
        slivi_address at = {.stream = 2, .step = step};
        slivi_draw(slivi_law_normal, &at, n, 5, z);
        ck_assert_msg(!slivi_score_update(s, z, NULL, batch(n, step), NULL),
                      "%s", slivi_errmsg());
    }
    uint64_t h = hash_params(UINT64_C(0xcbf29ce484222325), s->params);
    slivi_score_free(s);
    free(z);
    return h;
}

static void check_hash(uint64_t (*train)(size_t n, size_t threads), size_t n)
{
    const uint64_t wanted = train(n, 1);
    for (size_t threads = 1; threads <= THREADS; threads++)
        for (int i = 0; i < REPEATS; i++)
            ck_assert_uint_eq(train(n, threads), wanted);
    /* and it is a hash of something that n changes */
    ck_assert_uint_ne(train(n + 1, 1), wanted);
    if (getenv("SLIVI_TEST_TABLE"))
        printf("n %3zu: %016llx\n", n, (unsigned long long)wanted);
}

START_TEST(vae_has_one_hash)
{
    check_hash(train_vae, sizes[_i]);
}
END_TEST

START_TEST(score_has_one_hash)
{
    check_hash(train_score, sizes[_i]);
}
END_TEST

Suite *slivi_suite_bits(void)
{
    Suite *s = suite_create("bits");
    TCase *c = tcase_create("hashes");
    tcase_add_loop_test(c, vae_has_one_hash, 0, 4);
    tcase_add_loop_test(c, score_has_one_hash, 0, 4);
    suite_add_tcase(s, c);
    return s;
}
