/* test_vae_use.c - variational auto-encoders' manners: threads, files, options,
   memory.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "scratch.h"
#include "slivi/random.h"
#include "slivi/wae.h"
#include "suites.h"
#include "io/options.h"
#include "vae_inside.h"

#include <math.h>
#include <string.h>

/* ---- manners ------------------------------------------------------------- */

/* Every tensor of the two checkpoints, byte for byte. */
static void same_bits(const slivi_vae *a, const slivi_vae *b)
{
    const char *pa = scratch_path("a"), *pb = scratch_path("b");
    const slivi_vae *both[2] = {a, b};
    const char *paths[2] = {pa, pb};
    char *bytes[2];
    size_t size[2];
    for (int i = 0; i < 2; i++) {
        slivi_checkpoint *c = slivi_checkpoint_create();
        ck_assert_int_eq(slivi_vae_save(both[i], c), 0);
        ck_assert_int_eq(slivi_checkpoint_write(c, paths[i]), 0);
        slivi_checkpoint_free(c);
        ck_assert_int_eq(slivi_file_read(paths[i], 0, &bytes[i], &size[i]), 0);
    }
    ck_assert_uint_eq(size[0], size[1]);
    ck_assert(!memcmp(bytes[0], bytes[1], size[0]));
    slivi_file_release(bytes[0]);
    slivi_file_release(bytes[1]);
}

/* The last of them are Wasserstein auto-encoders. */
static const char *const kinds[][10] = {
    {"encoder", "implicit", "entropy", "ssm-vr", NULL},
    {"encoder", "implicit", "entropy", "sm", "average", "0.9", NULL},
    {"encoder", "gaussian", "entropy", "closed", NULL},
    {"encoder", "gaussian", "entropy", "dsm", "base", "gaussian", NULL},
    {"encoder", "gaussian", "entropy", "iwae", "particles", "3", NULL},
    {"encoder", "residual", "entropy", "ssm-vr", "base", "standard", NULL},
    {"encoder", "residual", "entropy", "sm", "context", "code", NULL},
    {"entropy", "ssm-vr", "context", "code", "particles", "2", NULL},
    {"entropy", "ssm-vr", "context", "both", NULL},
    {"entropy", "sm", "particles", "3", "decoded", "2", NULL},
    {"entropy", "stein", "particles", "5", "decoded", "2", NULL},
    {"entropy", "ssge", "encoder", "residual", "particles", "4", NULL},
    {"entropy", "ssm-vr", NULL},
    {"entropy", "ssge", "optimizer", "adam", NULL},
    {"entropy", "mmd", NULL},
};
enum { KINDS = sizeof kinds / sizeof *kinds, WASSERSTEIN = KINDS - 3 };

static slivi_vae *make_kind(int i, const char *threads)
{
    slivi_vae *v = i < WASSERSTEIN ? slivi_vae_create(50)
                                   : slivi_wae_create(50);
    for (const char *const *o = kinds[i]; *o; o += 2)
        ck_assert_int_eq(slivi_vae_set(v, o[0], o[1]), 0);
    ck_assert_int_eq(slivi_vae_set(v, "threads", threads), 0);
    ck_assert_int_eq(slivi_vae_set(v, "hidden", "70,40"), 0);
    ck_assert_int_eq(slivi_vae_set(v, "seed", "9"), 0);
    return v;
}

static void pixels(float *x)
{
    slivi_address at = {.seed = 8, .stream = 70};
    slivi_draw_f32(slivi_law_uniform, &at, 128, 50, x);
}

static void steps(slivi_vae *v, const float *x, int count)
{
    for (int k = 0; k < count; k++) /* ragged batches as well */
        ck_assert_msg(!slivi_vae_step(v, x, k % 3 ? 128 : 37, NULL), "%s",
                      slivi_errmsg());
}

START_TEST(threads_do_not_change_bits)
{
    float x[128 * 50];
    const char *const threads[] = {"2", "3", "4"};
    slivi_vae *a = make_kind(_i / 3, "1"),
              *b = make_kind(_i / 3, threads[_i % 3]);
    pixels(x);
    steps(a, x, 10);
    steps(b, x, 10);
    same_bits(a, b);
    slivi_vae_free(a);
    slivi_vae_free(b);
}
END_TEST

/* The model's step takes x W from the score's, which must have made that of its
   own images and weights. */
START_TEST(x_w_is_shared)
{
    enum { N = 5, DIM = 50, WIDE = 8 };
    float x[128 * DIM], w[DIM * WIDE];
    slivi_vae *v = slivi_vae_create(DIM);
    pixels(x);
    ck_assert_int_eq(slivi_vae_set(v, "hidden", "8"), 0);
    ck_assert_int_eq(slivi_vae_set(v, "binarise", "none"), 0);
    ck_assert_int_eq(slivi_vae_ready(v), 0);
    steps(v, x, 2);
    memcpy(w, slivi_params_const_values(v->params), sizeof w);
    ck_assert_str_eq(slivi_params_view(v->params, 0)->name, "encoder.w1");
    ck_assert_int_eq(slivi_vae_step(v, x, N, NULL), 0);
    ck_assert_int_ne(v->plan[SLIVI__VAE_MODEL].shared.id, 0);
    const float *shared = v->plan[SLIVI__VAE_SCORE].out_memory[1];
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < WIDE; j++) {
            double sum = 0;
            for (size_t k = 0; k < DIM; k++)
                sum += (double)x[i * DIM + k] * (double)w[k * WIDE + j];
            ck_assert_double_le(fabs(sum - (double)shared[i * WIDE + j]), 1e-5);
        }
    slivi_vae_free(v);
}
END_TEST

START_TEST(resumed_training_is_bit_for_bit)
{
    float x[128 * 50];
    slivi_checkpoint *c = slivi_checkpoint_create();
    slivi_vae *a = make_kind(_i, "1");
    pixels(x);
    steps(a, x, 6);
    ck_assert_int_eq(slivi_vae_save(a, c), 0);
    slivi_vae *b = slivi_vae_from(c);
    ck_assert_msg(b != NULL, "%s", slivi_errmsg());
    ck_assert_uint_eq(slivi_vae_steps(b), 6);
    ck_assert_uint_eq(slivi_vae_dim(b), 50);
    ck_assert_uint_eq(slivi_vae_latent(b), 8);
    steps(a, x, 6);
    steps(b, x, 6);
    same_bits(a, b);
    slivi_vae *other = make_kind((_i + 1) % KINDS, "1"); /* another model */
    slivi_vae *same = make_kind((_i + 1) % KINDS, "1");
    ck_assert_int_lt(slivi_vae_load(other, c), 0);
    ck_assert_int_eq(slivi_vae_ready(same), 0);
    same_bits(other, same);
    slivi_vae_free(a);
    slivi_vae_free(b);
    slivi_vae_free(other);
    slivi_vae_free(same);
    slivi_checkpoint_free(c);
}
END_TEST

/* Evaluation reads the averages, also where its graph was built before there
   were any: as a vae that is loaded from the checkpoint does. */
START_TEST(evaluation_follows_the_averages)
{
    float x[128 * 50], a_out[50], b_out[50], z[8] = {.3f, -1};
    slivi_checkpoint *c = slivi_checkpoint_create();
    slivi_vae *a = make_kind(1, "1");
    pixels(x);
    ck_assert_int_eq(slivi_vae_decode(a, z, 1, a_out), 0);
    steps(a, x, 5);
    ck_assert_int_eq(slivi_vae_decode(a, z, 1, a_out), 0);
    ck_assert_int_eq(slivi_vae_save(a, c), 0);
    slivi_vae *b = slivi_vae_from(c);
    ck_assert_ptr_nonnull(b);
    ck_assert_int_eq(slivi_vae_decode(b, z, 1, b_out), 0);
    ck_assert_mem_eq(a_out, b_out, sizeof a_out);
    slivi_checkpoint_free(c);
    slivi_vae_free(a);
    slivi_vae_free(b);
}
END_TEST

START_TEST(bad_pixels_leave_the_parameters_alone)
{
    float x[128 * 50], keep;
    slivi_vae *a = make_kind(0, "1"), *b = make_kind(0, "1");
    ck_assert_int_eq(slivi_vae_set(a, "likelihood", "gaussian"), 0);
    ck_assert_int_eq(slivi_vae_set(b, "likelihood", "gaussian"), 0);
    pixels(x);
    keep = x[333];
    steps(a, x, 3);
    steps(b, x, 3);
    x[333] = NAN;
    ck_assert_int_eq(slivi_vae_step(a, x, 128, NULL), SLIVI_ENONFINITE);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "step 3"));
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "value 33 of image 6"));
    x[333] = keep;
    steps(a, x, 3);
    steps(b, x, 3);
    same_bits(a, b);
    slivi_vae_free(a);
    slivi_vae_free(b);
}
END_TEST

/* Pixels are probabilities: what is not in [0, 1] is refused. */
START_TEST(values_that_are_no_pixels_are_refused)
{
    const float wrong[] = {NAN, INFINITY, -0.01f, 1.01f, 255};
    float x[128 * 50], out[128 * 50];
    double bound[128];
    slivi_vae *v = make_kind(2, "1");
    pixels(x);
    steps(v, x, 1);
    x[777] = wrong[_i];
    ck_assert_int_eq(slivi_vae_step(v, x, 128, NULL),
                     _i < 2 ? SLIVI_ENONFINITE : SLIVI_EINVAL);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "value 27 of image 15"));
    ck_assert_int_lt(slivi_vae_binarise(v, x, 128, 0, out), 0);
    ck_assert_uint_eq(slivi_vae_steps(v), 1);
    if (_i == 0)
        ck_assert_int_eq(slivi_vae_bound(v, x, 128, 3, 0, bound),
                         SLIVI_ENONFINITE);
    slivi_vae_free(v);
}
END_TEST

/* A checkpoint that lacks the score net changes nothing. */
START_TEST(half_a_checkpoint_changes_nothing)
{
    float x[128 * 50];
    slivi_vae *a = make_kind(0, "1"), *b = make_kind(0, "1");
    slivi_vae *same = make_kind(0, "1");
    slivi_checkpoint *c = slivi_checkpoint_create();
    pixels(x);
    steps(a, x, 3);
    ck_assert_int_eq(slivi_checkpoint_put_text(c, "kind", "slivi vae"), 0);
    ck_assert_int_eq(slivi_checkpoint_put_text(c, "dim", "50"), 0);
    ck_assert_int_eq(
        slivi__options_put(slivi_vae_options, &a->opt, "threads", c), 0);
    ck_assert_int_eq(
        slivi__options_put(slivi_learning_options, &a->learning, NULL, c), 0);
    ck_assert_int_eq(slivi_learner_save(a->learner, c, "model"), 0);
    ck_assert_int_lt(slivi_vae_load(b, c), 0);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "score"));
    ck_assert_int_eq(slivi_vae_ready(same), 0);
    same_bits(b, same);
    slivi_checkpoint_free(c);
    slivi_vae_free(a);
    slivi_vae_free(b);
    slivi_vae_free(same);
}
END_TEST

START_TEST(options_that_do_not_fit_are_refused)
{
    const struct {
        const char *option[4], *words;
        int status;
    } all[] = {
        {{"encoder", "implicit", "entropy", "closed"},
         "encoder gaussian",
         SLIVI_EUNSUPPORTED},
        {{"activation", "relu", "entropy", "ssm-vr"},
         "kink",
         SLIVI_EUNSUPPORTED},
        {{"activation", "relu", "entropy", "sm"}, "kink", SLIVI_EUNSUPPORTED},
        {{"schedule", "cosine", "steps", "0"}, "steps", SLIVI_EINVAL},
        {{"entropy", "iwae", "particles", "2"},
         "encoder gaussian",
         SLIVI_EUNSUPPORTED},
        {{"entropy", "stein", "batch", "128"},
         "2 particles",
         SLIVI_EUNSUPPORTED},
        {{"particles", "2", "slices", "2"}, "slices is 1", SLIVI_EUNSUPPORTED},
        {{"particles", "2", "decoded", "3"}, "decoded", SLIVI_EUNSUPPORTED},
    };
    float x[128 * 50];
    slivi_vae *v = slivi_vae_create(50);
    pixels(x);
    for (int k = 0; k < 4; k += 2)
        ck_assert_int_eq(
            slivi_vae_set(v, all[_i].option[k], all[_i].option[k + 1]), 0);
    ck_assert_int_eq(slivi_vae_step(v, x, 128, NULL), all[_i].status);
    ck_assert_msg(strstr(slivi_errmsg(), all[_i].words) != NULL, "%s",
                  slivi_errmsg());
    ck_assert_int_lt(slivi_vae_set(v, "encoder", "implicitt"), 0);
    ck_assert_int_lt(slivi_vae_set(v, "no-such-option", "1"), 0);
    ck_assert_int_eq(slivi_vae_set(v, "entropy", "dsm"), 0); /* mended */
    ck_assert_int_eq(slivi_vae_set(v, "particles", "1"), 0);
    ck_assert_int_eq(slivi_vae_set(v, "decoded", "1"), 0);
    ck_assert_int_eq(slivi_vae_set(v, "slices", "1"), 0);
    ck_assert_int_eq(slivi_vae_set(v, "schedule", "constant"), 0);
    ck_assert_int_eq(slivi_vae_step(v, x, 128, NULL), 0);
    ck_assert_int_eq(slivi_vae_step(v, x, 129, NULL), SLIVI_EINVAL);
    ck_assert_int_eq(slivi_vae_set(v, "latent", "3"), SLIVI_EINVAL);
    slivi_vae_free(v);
}
END_TEST

/* Option "warmup" is the model's alone. */
START_TEST(the_score_net_does_not_warm_up)
{
    float x[128 * 50];
    slivi_vae *v[2];
    pixels(x);
    for (int k = 0; k < 2; k++) {
        v[k] = make_kind(0, "1");
        ck_assert_int_eq(slivi_vae_set(v[k], "warmup", k ? "100" : "0"), 0);
        ck_assert_int_eq(slivi_vae_ready(v[k]), 0);
        steps(v[k], x, 1);
    }
    for (int score = 0; score < 2; score++) {
        const slivi_params *a = score ? v[0]->score_params : v[0]->params;
        const slivi_params *b = score ? v[1]->score_params : v[1]->params;
        ck_assert_int_eq(!memcmp(slivi_params_const_values(a),
                                 slivi_params_const_values(b),
                                 slivi_params_size(a) * sizeof(float)),
                         score);
    }
    slivi_vae_free(v[0]);
    slivi_vae_free(v[1]);
}
END_TEST

/* Of a version that did not know the option yet. */
START_TEST(an_option_not_in_a_checkpoint_is_at_its_default)
{
    slivi_checkpoint *c = slivi_checkpoint_create();
    slivi_vae *v = slivi_vae_create(50);
    slivi__vae_options *o = &v->opt;
    ck_assert_int_eq(slivi__options_put(slivi_vae_options, o, "particles", c),
                     0);
    ck_assert_int_eq(slivi__options_same(slivi_vae_options, o, NULL, c), 0);
    o->particles = 2;
    ck_assert_int_lt(slivi__options_same(slivi_vae_options, o, NULL, c), 0);
    ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "particles is 2"));
    ck_assert_int_eq(slivi__options_take(slivi_vae_options, o, NULL, c), 0);
    ck_assert_uint_eq(o->particles, 1);
    slivi_vae_free(v);
    slivi_checkpoint_free(c);
}
END_TEST

START_TEST(steps_allocate_nothing)
{
    float x[128 * 50];
    scratch_memory *memory = scratch_watch(0);
    slivi_vae *v = make_kind(_i, "2");
    pixels(x);
    steps(v, x, 1);
    size_t before = memory->calls;
    ck_assert_uint_gt(before, 20);
    steps(v, x, 4);
    ck_assert_uint_eq(memory->calls, before);
    slivi_vae_free(v);
    ck_assert_uint_eq(memory->live, 0);
    scratch_unwatch();
}
END_TEST

/* The k-th allocation fails, for every k: a status, no leak, still usable. */
START_TEST(lack_of_memory_is_survived)
{
    float x[128 * 50], out[3 * 50];
    double logp[1];
    scratch_memory *memory = scratch_watch(0);
    pixels(x);
    for (size_t k = 1, done = 0; !done; k += 1 + k / 40) {
        memory->calls = 0;
        memory->fail_at = k;
        slivi_vae *v = slivi_vae_create(50);
        if (v) {
            int bad = slivi_vae_set(v, "hidden", "5,5")
                      || slivi_vae_set(v, "context", "both")
                      || slivi_vae_step(v, x, 128, NULL)
                      || slivi_vae_sample(v, 3, 0, out)
                      || slivi_vae_elbo(v, x, 1, 20, 0, logp, NULL, NULL)
                      || slivi_vae_log_likelihood(v, x, 1, 100, 0, logp, NULL,
                                                  NULL, NULL);
            done = !bad;
            if (bad)
                ck_assert_ptr_nonnull(strstr(slivi_errmsg(), "memory"));
        }
        slivi_vae_free(v);
        ck_assert_uint_eq(memory->live, 0);
    }
    scratch_unwatch();
}
END_TEST

Suite *slivi_suite_vae_use(void)
{
    Suite *s = suite_create("vae_use");
    TCase *c = tcase_create("manners");
    tcase_set_timeout(c, 60);
    tcase_add_unchecked_fixture(c, scratch_open, scratch_close);
    tcase_add_loop_test(c, threads_do_not_change_bits, 0, 3 * KINDS);
    tcase_add_test(c, x_w_is_shared);
    tcase_add_loop_test(c, resumed_training_is_bit_for_bit, 0, KINDS);
    tcase_add_test(c, evaluation_follows_the_averages);
    tcase_add_test(c, bad_pixels_leave_the_parameters_alone);
    tcase_add_loop_test(c, values_that_are_no_pixels_are_refused, 0, 5);
    tcase_add_test(c, half_a_checkpoint_changes_nothing);
    tcase_add_loop_test(c, options_that_do_not_fit_are_refused, 0, 8);
    tcase_add_test(c, the_score_net_does_not_warm_up);
    tcase_add_test(c, an_option_not_in_a_checkpoint_is_at_its_default);
    tcase_add_loop_test(c, steps_allocate_nothing, 0, KINDS);
    tcase_add_test(c, lack_of_memory_is_survived);
    suite_add_tcase(s, c);
    return s;
}
