/* test_vae_nll_use.c - log p(x) of a vae's images: what images beside an image,
   and threads, change: nothing.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/vae.h"
#include "suites.h"
#include "vae_laplace.h"

#include <string.h>

enum { X = 40 };

static void estimate(slivi_vae *v, const float *x, size_t n, size_t draws,
                     double *logp, double *se)
{
    ck_assert_msg(
        !slivi_vae_log_likelihood(v, x, n, draws, 1, logp, se, NULL, NULL),
        "%s", slivi_errmsg());
}

static slivi_vae *make_large(const char *threads)
{
    const char *const options[] = {"hidden",  "20,20", "latent", "8",
                                   "threads", threads, NULL};
    slivi_vae *v = slivi_vae_create(X);
    ck_assert_ptr_nonnull(v);
    for (const char *const *o = options; *o; o += 2)
        ck_assert_int_eq(slivi_vae_set(v, o[0], o[1]), 0);
    ck_assert_int_eq(slivi_vae_ready(v), 0);
    return v;
}

/* An estimate depends on the image and its number, not on the others, nor on
   threads. */
START_TEST(an_estimate_has_no_neighbours)
{
    enum { IMAGES = 37 };
    static const size_t counts[] = {1, 5, 16, 17, 36};
    static float x[IMAGES * X];
    double all[IMAGES], some[IMAGES];
    slivi_vae *v = make_large("1"), *other = make_large("2");
    const slivi_address at = {.seed = 8, .stream = 40};
    slivi_draw_f32(slivi_law_uniform, &at, IMAGES, X, x);
    for (size_t i = 0; i < IMAGES * X; i++)
        x[i] = x[i] < 0.3f;
    estimate(v, x, IMAGES, 100, all, NULL);
    estimate(other, x, IMAGES, 100, some, NULL);
    ck_assert(!memcmp(all, some, sizeof all));
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        estimate(v, x, counts[k], 100, some, NULL);
        ck_assert(!memcmp(all, some, counts[k] * sizeof *all));
    }
    for (size_t i = 0; i < X; i++)
        x[3 * X + i] = 1 - x[3 * X + i];
    estimate(v, x, IMAGES, 100, some, NULL);
    for (size_t i = 0; i < IMAGES; i++)
        ck_assert_int_eq(all[i] == some[i], i != 3);
    slivi_vae_free(v);
    slivi_vae_free(other);
}
END_TEST

/* The same for climbs alone: in any order, and alone. */
START_TEST(a_climb_has_no_neighbours)
{
    enum { CLIMBS = 45, D = 8 };
    static float x[CLIMBS * X];
    static double z[2][CLIMBS * D], cov[2][CLIMBS * D * D];
    static slivi__peak peak[2][CLIMBS];
    slivi__peak *order[CLIMBS];
    slivi_vae *v = make_large("1");
    slivi__laplace *l = slivi__laplace_create(v);
    const slivi_address at = {.seed = 8, .stream = 41};
    const slivi_address starts = {.seed = 8, .stream = 42};
    slivi_draw_f32(slivi_law_uniform, &at, CLIMBS, X, x);
    for (int k = 0; k < 2; k++) {
        slivi_draw(slivi_law_normal, &starts, CLIMBS, D, z[k]);
        for (size_t i = 0; i < CLIMBS; i++) {
            peak[k][i] = (slivi__peak){
                x + i * X, z[k] + i * D, cov[k] + i * D * D, 0, 0, 0, 0};
            order[k ? CLIMBS - 1 - i : i] = &peak[k][i];
        }
        ck_assert_int_eq(slivi__laplace_climb(l, CLIMBS, order), 0);
    }
    ck_assert(!memcmp(z[0], z[1], sizeof z[0]));
    ck_assert(!memcmp(cov[0], cov[1], sizeof cov[0]));
    for (size_t i = 0; i < CLIMBS; i += 7) {
        double alone[D], own[D * D], start[CLIMBS * D];
        slivi_draw(slivi_law_normal, &starts, CLIMBS, D, start);
        memcpy(alone, start + i * D, sizeof alone);
        slivi__peak p = {.x = x + i * X, .z = alone, .cov = own}, *one = &p;
        ck_assert_int_eq(slivi__laplace_climb(l, 1, &one), 0);
        ck_assert(!memcmp(alone, z[0] + i * D, sizeof alone));
        ck_assert(!memcmp(own, cov[0] + i * D * D, sizeof own));
        ck_assert(p.top == peak[0][i].top && p.runs == peak[0][i].runs);
    }
    slivi__laplace_free(l);
    slivi_vae_free(v);
}
END_TEST

Suite *slivi_suite_vae_nll_use(void)
{
    Suite *s = suite_create("vae_nll_use");
    TCase *c = tcase_create("neighbours");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, an_estimate_has_no_neighbours);
    tcase_add_test(c, a_climb_has_no_neighbours);
    suite_add_tcase(s, c);
    return s;
}
