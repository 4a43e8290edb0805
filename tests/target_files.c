/* target_files.c - see target_files.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "target_files.h"

#include "scratch.h"
#include "slivi/random.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void draw(uint32_t stream, size_t n, double *x)
{
    const slivi_address at = {.seed = 8, .stream = stream};
    slivi_draw(slivi_law_normal, &at, 1, n, x);
}

const files *files_data(void)
{
    static files f;
    draw(1, FILES_SCHOOLS, f.school_y);
    draw(2, FILES_KIDS, f.iq);
    draw(3, FILES_KIDS, f.score);
    draw(4, FILES_ROWS * FILES_COLS, f.x[0]);
    draw(5, FILES_ROWS, f.y);
    draw(6, FILES_TIMES, f.series);
    draw(7, FILES_BLEND, f.blend);
    draw(8, FILES_LABELS * (FILES_FEATURES + 1), f.features[0]);
    f.sigma1 = 0.75;
    for (size_t j = 0; j < FILES_SCHOOLS; j++) {
        f.school_sigma[j] = 2.5 + (double)j;
        f.school_y[j] *= 4;
    }
    for (size_t i = 0; i < FILES_KIDS; i++) {
        f.iq[i] = 100 + 15 * f.iq[i];
        f.score[i] = 30 + 0.5 * f.iq[i] + 9 * f.score[i];
    }
    for (size_t i = 0; i < FILES_BLEND; i++)
        f.blend[i] += i % 3 ? 2 : -2.5;
    for (size_t i = 0; i < FILES_LABELS; i++)
        f.features[i][FILES_FEATURES] = f.features[i][FILES_FEATURES] > 0.3;
    return &f;
}

/* ---- texts ------------------------------------------------------------ */

static char text[16384];

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *format, ...)
{
    const size_t n = strlen(text);
    va_list list;
    va_start(list, format);
    vsnprintf(text + n, sizeof text - n, format, list);
    va_end(list);
}

static void add_array(const char *key, size_t n, const double *x)
{
    if (key)
        add(", \"%s\": ", key);
    for (size_t i = 0; i < n; i++)
        add("%s%.17g", i ? ", " : "[", x[i]);
    add("]");
}

static void eight_schools(const files *f)
{
    add("{\"J\": %d", FILES_SCHOOLS);
    add_array("y", FILES_SCHOOLS, f->school_y);
    add_array("sigma", FILES_SCHOOLS, f->school_sigma);
}

static void kidiq(const files *f)
{
    add("{\"N\": %d, \"mom_hs_new\": 1", FILES_KIDS);
    add_array("kid_score", FILES_KIDS, f->score);
    add_array("mom_iq", FILES_KIDS, f->iq);
}

static void sblri(const files *f)
{
    add("{\"N\": %d, \"D\": %d", FILES_ROWS, FILES_COLS);
    add_array("y", FILES_ROWS, f->y);
    add(", \"X\": ");
    for (size_t i = 0; i < FILES_ROWS; i++) {
        add("%s", i ? ", " : "[");
        add_array(NULL, FILES_COLS, f->x[i]);
    }
    add("]");
}

static void series(const files *f)
{
    add("{\"T\": %d, \"K\": %d, \"sigma1\": %g", FILES_TIMES, FILES_LAGS,
        f->sigma1);
    add_array("y", FILES_TIMES, f->series);
}

static void blend(const files *f)
{
    add("{\"N\": %d", FILES_BLEND);
    add_array("y", FILES_BLEND, f->blend);
}

static void logistic(const files *f)
{
    add("age, height, weight, label\r\n\r\n");
    for (size_t i = 0; i < FILES_LABELS; i++)
        for (size_t j = 0; j <= FILES_FEATURES; j++)
            add("%.17g%s", f->features[i][j],
                j < FILES_FEATURES     ? ", "
                : i + 1 < FILES_LABELS ? "\r\n"
                                       : "");
}

static const struct {
    const char *name;
    void (*print)(const files *f);
} kinds[] = {
    {"eight_schools", eight_schools},
    {"kidiq", kidiq},
    {"sblri", sblri},
    {"arK", series},
    {"garch", series},
    {"low_dim_gauss_mix", blend},
    {"logistic", logistic},
};

const char *files_write(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(name, kinds[i].name))
            continue;
        const char *path = scratch_path(name);
        text[0] = '\0';
        kinds[i].print(files_data());
        add("%s", text[0] == '{' ? "}\n" : "");
        ck_assert_uint_lt(strlen(text), sizeof text - 1);
        scratch_put(path, text, strlen(text));
        return path;
    }
    return NULL;
}

slivi_target *files_target(const char *name, size_t batch)
{
    slivi_target *t = slivi_target_named(name, files_write(name), batch, 5);
    ck_assert_msg(t != NULL, "%s: %s", name, slivi_errmsg());
    return t;
}
