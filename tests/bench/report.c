/* report.c - the figures as tables and as JSON.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "report.h"

#include "cases.h"

#include "slivi/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* JSON has no NaN. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static const char *text(const json_t *row, const char *key)
{
    const char *s = json_string_value(json_object_get(row, key));
    return s ? s : "?";
}

int report_rows(const race *r, json_t *rows)
{
    for (size_t i = 0; i < r->count; i++) {
        const contender *c = &r->at[i];
        const contender *blas = race_find(r, SGEMM_GROUP, "blas", c->threads);
        const contender *own = race_find(r, c->group, "direct", c->threads);
        const spread s = race_times(r, c);
        json_t *row = json_pack(
            "{s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:o, s:o, s:o}",
            "case", c->group, "version", c->version, "threads",
            (json_int_t)c->threads, "median_ms", 1e3 * s.median, "low_ms",
            1e3 * s.low, "high_ms", 1e3 * s.high, "least_ms", 1e3 * s.least,
            "repeats", (json_int_t)r->repeats, "steps", (json_int_t)c->inner,
            "gflops", number(1e-9 * c->flops / s.median), "of_sgemm",
            number(race_rates(r, c, blas)), "over_direct",
            number(race_quotient(r, c, own)));
        if (!row || json_array_append_new(rows, row))
            return SLIVI_ENOMEM;
    }
    return 0;
}

int report_scaling(const race *r, json_t *rows)
{
    const contender *b1 = race_find(r, SGEMM_GROUP, "blas", 1);
    const contender *b2 = race_find(r, SGEMM_GROUP, "blas", 2);
    for (size_t i = 0; i < r->count; i++) {
        const contender *c = &r->at[i];
        const contender *two = race_find(r, c->group, c->version, 2);
        if (c->threads != 1 || !two || !b1 || !b2)
            continue;
        const double speedup = race_rates(r, two, c);
        json_t *row = json_pack("{s:s, s:s, s:f, s:f}", "case", c->group,
                                "version", c->version, "speedup", speedup,
                                "of_sgemm", speedup / race_rates(r, b2, b1));
        if (!row || json_array_append_new(rows, row))
            return SLIVI_ENOMEM;
    }
    return 0;
}

void report_peer(const race *r, json_t *rows)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        const size_t t = (size_t)json_integer_value(
            json_object_get(row, "threads"));
        const double s = 1e-3
                         * json_number_value(json_object_get(row, "median_ms"));
        const contender *own = race_find(r, text(row, "case"), "direct", t);
        const contender *blas = race_find(r, SGEMM_GROUP, "blas", t);
        if (json_object_get(row, "gflops") || !own || !blas)
            continue;
        const double rate = own->flops / s;
        json_object_set_new(row, "gflops", number(1e-9 * rate));
        json_object_set_new(
            row, "of_sgemm",
            number(rate * race_times(r, blas).median / blas->flops));
        json_object_set_new(row, "over_direct",
                            number(s / race_times(r, own).median));
    }
}

/* ---- tables ------------------------------------------------------------- */

static void cell(const json_t *row, const char *key, int digits)
{
    const json_t *x = json_object_get(row, key);
    if (json_is_number(x))
        printf(" %9.*f", digits, json_number_value(x));
    else
        printf(" %9s", "-");
}

void report_print(const json_t *rows)
{
    size_t i;
    json_t *row;
    printf("\n%-24s %-10s %3s %9s %9s %9s %9s %9s %9s %9s\n", "ms for a step",
           "version", "thr", "median", "q1", "q3", "least", "GFLOP/s",
           "of sgemm", "/ direct");
    json_array_foreach((json_t *)rows, i, row)
    {
        printf("%-24s %-10s %3lld", text(row, "case"), text(row, "version"),
               (long long)json_integer_value(json_object_get(row, "threads")));
        cell(row, "median_ms", 4);
        cell(row, "low_ms", 4);
        cell(row, "high_ms", 4);
        cell(row, "least_ms", 4);
        cell(row, "gflops", 1);
        cell(row, "of_sgemm", 3);
        cell(row, "over_direct", 3);
        putchar('\n');
    }
}

void report_print_scaling(const json_t *rows)
{
    size_t i;
    json_t *row;
    if (!json_array_size(rows))
        return;
    printf("\n%-24s %-10s %9s %9s\n", "two threads over one", "version",
           "speed-up", "of sgemm");
    json_array_foreach((json_t *)rows, i, row)
    {
        printf("%-24s %-10s", text(row, "case"), text(row, "version"));
        cell(row, "speedup", 2);
        cell(row, "of_sgemm", 2);
        putchar('\n');
    }
}
