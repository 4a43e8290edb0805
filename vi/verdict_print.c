/* verdict_print.c - a verdict as text.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "verdict_inside.h"
#include "base/base.h"

#include <math.h>
#include <string.h>

enum { COLUMNS = 3 };

static const char *const words[] = {"pass", "fail", "unsure", "-"};
static const char *const columns[] = {"q", "q + PSIS", "q + HMC"};

const char *slivi_verdict_word(enum slivi_verdict_outcome outcome)
{
    const size_t i = (size_t)outcome;
    return words[i < sizeof words / sizeof words[0] ? i : SLIVI_VERDICT_NONE];
}

static void print_checks(const slivi_verdict *v, FILE *out)
{
    fprintf(out, "%-17s %-7s %9s %9s\n", "check", "outcome", "statistic",
            "level");
    for (size_t i = 0; i < v->checks; i++) {
        const slivi_verdict_check *c = &v->check[i];
        fprintf(out, "%-17s %-7s", c->name, slivi_verdict_word(c->outcome));
        if (isnan(c->statistic))
            fprintf(out, "\n");
        else
            fprintf(out, " %9.3g %9.3g\n", c->statistic, c->level);
        if (c->detail[0])
            fprintf(out, "    %s\n", c->detail);
        fprintf(out, "    blind to: %s\n", c->blind);
    }
}

/* The columns that there are. */
static void print_rows(const slivi_verdict *v, FILE *out)
{
    int width = 9;
    for (size_t j = 0; j < v->rows; j++) {
        const int length = (int)strlen(v->row[j].name);
        width = length > width ? length : width;
    }
    fprintf(out, "\n%-*s", width, "parameter");
    for (int k = 0; k < COLUMNS; k++)
        if (v->rows && !isnan(v->row[0].mean[k]))
            fprintf(out, "  %11s mean          sd", columns[k]);
    fprintf(out, "\n");
    for (size_t j = 0; j < v->rows; j++) {
        const slivi_verdict_row *r = &v->row[j];
        fprintf(out, "%-*s", width, r->name);
        for (int k = 0; k < COLUMNS; k++)
            if (!isnan(v->row[0].mean[k]))
                fprintf(out, "  %16.6g %11.6g", r->mean[k], r->sd[k]);
        fprintf(out, "\n");
    }
}

int slivi_verdict_print(const slivi_verdict *v, FILE *out)
{
    fprintf(out, "verdict on %zu draws in %zu dimensions: %s\n\n", v->n, v->d,
            slivi_verdict_word(slivi_verdict_outcome(v)));
    print_checks(v, out);
    print_rows(v, out);
    if (fflush(out) != 0 || ferror(out))
        return slivi__fail(SLIVI_EIO, "verdict: cannot be written");
    return 0;
}
