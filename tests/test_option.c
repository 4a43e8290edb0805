/* test_option.c - options by name.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "slivi/option.h"
#include "slivi/status.h"
#include "test_learn.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct settings {
    double noise, offset;
    size_t slices, large;
    uint64_t seed;
    slivi_list hidden;
    char law[SLIVI_NAME_MAX];
} settings;

static const char *const laws[] = {"normal", "sphere", NULL};

#define AT(FIELD) .offset = offsetof(settings, FIELD)

static const slivi_option table[] = {
    {.name = "noise",
     .kind = SLIVI_OPTION_REAL,
     AT(noise),
     .least = 0,
     .most = 1,
     .initial = "0.25"},
    {.name = "offset",
     .kind = SLIVI_OPTION_REAL,
     AT(offset),
     .least = -INFINITY,
     .most = INFINITY,
     .initial = "-1e-3"},
    {.name = "slices",
     .kind = SLIVI_OPTION_SIZE,
     AT(slices),
     .least = 1,
     .most = 1000,
     .initial = "1"},
    {.name = "large",
     .kind = SLIVI_OPTION_SIZE,
     AT(large),
     .least = 0,
     .most = INFINITY,
     .initial = "0"},
    {.name = "seed", .kind = SLIVI_OPTION_SEED, AT(seed), .initial = "42"},
    {.name = "hidden",
     .kind = SLIVI_OPTION_LIST,
     AT(hidden),
     .least = 1,
     .most = 4096,
     .initial = "256,128"},
    {.name = "law",
     .kind = SLIVI_OPTION_NAME,
     AT(law),
     .names = laws,
     .initial = "sphere"},
    {.name = NULL}};

static settings defaults(void)
{
    settings s;
    memset(&s, 0x55, sizeof s);
    CHECK_OK(slivi_options_default(table, &s));
    return s;
}

START_TEST(test_defaults)
{
    settings s = defaults();
    ck_assert_double_eq(s.noise, 0.25);
    ck_assert_double_eq(s.offset, -1e-3);
    ck_assert_uint_eq(s.slices, 1);
    ck_assert_uint_eq(s.large, 0);
    ck_assert_uint_eq(s.seed, 42);
    ck_assert_uint_eq(s.hidden.count, 2);
    ck_assert_uint_eq(s.hidden.at[0], 256);
    ck_assert_uint_eq(s.hidden.at[1], 128);
    ck_assert_str_eq(s.law, "sphere");
    ck_assert_ptr_eq(slivi_options_find(table, "slices"), &table[2]);
    ck_assert_ptr_null(slivi_options_find(table, "slice"));
}
END_TEST

/* Text that is set, and as which it reads back. */
static const struct {
    const char *name, *text, *back;
} good[] = {
    {"noise", "0.1", "0.1"},
    {"noise", "1e-1", "0.1"},
    {"noise", "0", "0"},
    {"noise", "1", "1"},
    {"noise", "+.5", "0.5"},
    {"noise", "4.9406564584124654e-324", "5e-324"},
    {"noise", "0.33333333333333331", "0.3333333333333333"},
    {"noise", "0.10000000000000002", "0.10000000000000002"},
    {"offset", "-1.7976931348623157e308", "-1.7976931348623157e+308"},
    {"slices", "1", "1"},
    {"slices", "1000", "1000"},
    {"large", "18446744073709551615", "18446744073709551615"},
    {"seed", "18446744073709551615", "18446744073709551615"},
    {"seed", "0", "0"},
    {"hidden", "4096", "4096"},
    {"hidden", "1,2,3,4,5,6,7,8", "1,2,3,4,5,6,7,8"},
    {"hidden", "", "none"},
    {"hidden", "none", "none"},
    {"law", "normal", "normal"},
};

START_TEST(test_round_trip)
{
    settings s = defaults(), again = defaults();
    char text[128], longer[128];
    CHECK_OK(slivi_options_set(table, &s, good[_i].name, good[_i].text));
    CHECK_OK(slivi_options_get(table, &s, good[_i].name, text, sizeof text));
    ck_assert_str_eq(text, good[_i].back);
    CHECK_OK(slivi_options_set(table, &again, good[_i].name, text));
    ck_assert_mem_eq(&s, &again, sizeof s);
    /* a buffer that is one byte too small */
    size_t room = strlen(text);
    CHECK_FAILS(slivi_options_get(table, &s, good[_i].name, longer, room),
                SLIVI_EINVAL, "does not fit into");
    CHECK_OK(slivi_options_get(table, &s, good[_i].name, longer, room + 1));
    ck_assert_str_eq(longer, text);
}
END_TEST

#define SLICES "is not a whole number from 1 to 1000"
#define NOISE "is not a number from 0 to 1"
#define HIDDEN                                                                 \
    "is not a list of up to 8, such as 256,256, each a whole number from 1 "   \
    "to 4096"

static const struct {
    const char *name, *text, *message;
} bad[] = {
    {"slices", "x7", "option slices: \"x7\" " SLICES},
    {"slices", "7x", "option slices: \"7x\" " SLICES},
    {"slices", "", "option slices: \"\" " SLICES},
    {"slices", "0", "option slices: \"0\" " SLICES},
    {"slices", "1001", "option slices: \"1001\" " SLICES},
    {"slices", "-1", "option slices: \"-1\" " SLICES},
    {"slices", "+1", "option slices: \"+1\" " SLICES},
    {"slices", " 1", "option slices: \" 1\" " SLICES},
    {"slices", "1.5", "option slices: \"1.5\" " SLICES},
    {"slices", "1e2", "option slices: \"1e2\" " SLICES},
    /* 2^64 + 1 */
    {"slices", "18446744073709551617",
     "option slices: \"18446744073709551617\" " SLICES},
    {"large", "18446744073709551616",
     "option large: \"18446744073709551616\" is not a whole number of at "
     "least 0"},
    {"noise", "1.5", "option noise: \"1.5\" " NOISE},
    {"noise", "-0.1", "option noise: \"-0.1\" " NOISE},
    {"noise", "nan", "option noise: \"nan\" " NOISE},
    {"noise", "0.5 ", "option noise: \"0.5 \" " NOISE},
    {"noise", "0.5f", "option noise: \"0.5f\" " NOISE},
    {"noise", "0,5", "option noise: \"0,5\" " NOISE},
    {"noise", "0x1", "option noise: \"0x1\" " NOISE},
    {"noise", ".", "option noise: \".\" " NOISE},
    {"noise", "", "option noise: \"\" " NOISE},
    {"offset", "inf", "option offset: \"inf\" is not a finite number"},
    {"offset", "-infinity",
     "option offset: \"-infinity\" is not a finite number"},
    {"offset", "1e999", "option offset: \"1e999\" is not a finite number"},
    {"seed", "-1",
     "option seed: \"-1\" is not a whole number from 0 to "
     "18446744073709551615"},
    {"hidden", "3,x", "option hidden: \"3,x\" " HIDDEN},
    {"hidden", "3,,4", "option hidden: \"3,,4\" " HIDDEN},
    {"hidden", "3,", "option hidden: \"3,\" " HIDDEN},
    {"hidden", ",3", "option hidden: \",3\" " HIDDEN},
    {"hidden", "0", "option hidden: \"0\" " HIDDEN},
    {"hidden", "5000", "option hidden: \"5000\" " HIDDEN},
    {"hidden", "1,2,3,4,5,6,7,8,9",
     "option hidden: \"1,2,3,4,5,6,7,8,9\" " HIDDEN},
    {"law", "cauchy", "option law: \"cauchy\" is not one of normal, sphere"},
    {"law", "norm", "option law: \"norm\" is not one of normal, sphere"},
};

START_TEST(test_refusals)
{
    settings s = defaults(), before = s;
    ck_assert_int_eq(slivi_options_set(table, &s, bad[_i].name, bad[_i].text),
                     SLIVI_EINVAL);
    ck_assert_str_eq(slivi_errmsg(), bad[_i].message);
    ck_assert_mem_eq(&s, &before, sizeof s);
}
END_TEST

START_TEST(test_unknown)
{
    settings s = defaults();
    char text[64];
    ck_assert_int_eq(slivi_options_set(table, &s, "slicez", "3"), SLIVI_ENAME);
    ck_assert_str_eq(slivi_errmsg(),
                     "no option \"slicez\"; did you mean slices?");
    ck_assert_int_eq(slivi_options_set(table, &s, "hiden", "3"), SLIVI_ENAME);
    ck_assert_str_eq(slivi_errmsg(),
                     "no option \"hiden\"; did you mean hidden?");
    ck_assert_int_eq(slivi_options_set_number(table, &s, "width", 3),
                     SLIVI_ENAME);
    ck_assert_str_eq(slivi_errmsg(), "no option \"width\"");
    ck_assert_int_eq(slivi_options_get(table, &s, "", text, sizeof text),
                     SLIVI_ENAME);
    ck_assert_str_eq(slivi_errmsg(), "no option \"\"");
}
END_TEST

START_TEST(test_numbers)
{
    settings s = defaults(), before;
    CHECK_OK(slivi_options_set_number(table, &s, "noise", 1.0 / 3));
    ck_assert_double_eq(s.noise, 1.0 / 3);
    CHECK_OK(slivi_options_set_number(table, &s, "offset", -DBL_MAX));
    ck_assert_double_eq(s.offset, -DBL_MAX);
    CHECK_OK(slivi_options_set_number(table, &s, "slices", 17));
    ck_assert_uint_eq(s.slices, 17);
    CHECK_OK(slivi_options_set_number(table, &s, "large", 1e15));
    ck_assert_uint_eq(s.large, 1000000000000000u);
    CHECK_OK(slivi_options_set_number(table, &s, "large", -0.0));
    ck_assert_uint_eq(s.large, 0);
    before = s;
    const struct {
        const char *name;
        double value;
    } wrong[] = {{"noise", NAN},  {"noise", 2},     {"offset", INFINITY},
                 {"slices", 2.5}, {"slices", -3},   {"slices", 0},
                 {"slices", NAN}, {"large", 2e19},  {"large", INFINITY},
                 {"hidden", 3},   {"seed", 2.5},    {"seed", -1},
                 {"seed", NAN},   {"seed", 0x1p54}, {"law", 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(
            slivi_options_set_number(table, &s, wrong[i].name, wrong[i].value)
                == SLIVI_EINVAL,
            "%s %g", wrong[i].name, wrong[i].value);
    CHECK_WORDS("option law: takes text");
    CHECK_FAILS(slivi_options_set_number(table, &s, "slices", 2.5),
                SLIVI_EINVAL, "option slices: \"2.5\" " SLICES);
    ck_assert_mem_eq(&s, &before, sizeof s);
    ck_assert_int_eq(slivi_options_set_number(table, &s, "seed", 0x1p53), 0);
    ck_assert_uint_eq(s.seed, 9007199254740992u);
}
END_TEST

/* Decimal commas of the host change nothing; where the system has no such
   locale there is nothing to see. */
START_TEST(test_locale)
{
    settings s = defaults();
    char text[64];
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8")
        || setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
        CHECK_OK(slivi_options_set(table, &s, "noise", "0.125"));
        ck_assert_double_eq(s.noise, 0.125);
        CHECK_OK(slivi_options_get(table, &s, "noise", text, sizeof text));
        ck_assert_str_eq(text, "0.125");
        CHECK_FAILS(slivi_options_set(table, &s, "noise", "0,5"), SLIVI_EINVAL,
                    "from 0 to 1");
        setlocale(LC_NUMERIC, "C");
    }
}
END_TEST

TCase *learn_options(void)
{
    TCase *c = tcase_create("options");
    tcase_add_test(c, test_defaults);
    tcase_add_loop_test(c, test_round_trip, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(c, test_refusals, 0, sizeof bad / sizeof *bad);
    tcase_add_test(c, test_unknown);
    tcase_add_test(c, test_numbers);
    tcase_add_test(c, test_locale);
    return c;
}
