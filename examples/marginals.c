/* marginals.c - what report.html shows of a posterior, as HTML and SVG.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "marginals.h"
#include "complain.h"
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MARGINALS = 24, /* parameters shown at most, */
    ROWS = 100,     /* in the table, */
    PAIRS = 5,      /* in pairs */
    BINS = 60,
    WIDE = 320,
    HIGH = 170,
    BELOW = 22, /* for numbers */
    CELL = 150,
    DOTS = 1000
};

static const char style[] =
    "<style>.bar{fill:var(--a);opacity:.4}.line{fill:none;stroke:var(--b);"
    "stroke-width:1.6}.dot0{fill:var(--a);opacity:.45}"
    ".dot1{fill:var(--b);opacity:.45}.frame{fill:none;stroke:var(--line)}"
    ".small{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,"
    "minmax(min(100%,260px),1fr))}.scroll{overflow-x:auto}"
    ".scroll table{white-space:nowrap}.scroll td.words{white-space:normal;"
    "min-width:14rem}td.right{text-align:right}"
    ".fail{color:#c62828;font-weight:600}.unsure{color:#b26a00;"
    "font-weight:600}.pass{color:var(--c);font-weight:600}"
    "</style>\n";

/* Text as HTML shows it. */
static void put(FILE *f, const char *plain)
{
    for (; *plain; plain++)
        if (*plain == '<')
            fputs("&lt;", f);
        else if (*plain == '&')
            fputs("&amp;", f);
        else if (*plain == '"')
            fputs("&quot;", f);
        else
            putc(*plain, f);
}

/* ---- the verdict --------------------------------------------------------- */

static void add_verdict(FILE *f, const slivi_verdict *v)
{
    const char *word = slivi_verdict_word(slivi_verdict_outcome(v));
    fprintf(f,
            "<h2>Verdict: <span class=\"%s\">%s</span></h2>\n"
            "<div class=\"scroll\"><table>\n<tr><th>check</th>"
            "<th>outcome</th><th>statistic</th><th>fails above</th>"
            "<th>what it found</th><th>what it cannot see</th></tr>\n",
            word, word);
    for (size_t i = 0; i < slivi_verdict_checks(v); i++) {
        const slivi_verdict_check *c = slivi_verdict_check_at(v, i);
        word = slivi_verdict_word(c->outcome);
        fprintf(f, "<tr><th>%s</th><td class=\"%s\">%s</td>", c->name, word,
                word);
        if (isnan(c->statistic))
            fputs("<td></td><td></td>", f);
        else
            fprintf(f,
                    "<td class=\"right\">%.3g</td><td class=\"right\">%.3g"
                    "</td>",
                    c->statistic, c->level);
        fputs("<td class=\"words\">", f);
        put(f, c->detail);
        fputs("</td><td class=\"words\">", f);
        put(f, c->blind);
        fputs("</td></tr>\n", f);
    }
    fputs("</table></div>\n<p class=\"note\">One failed check is enough to "
          "doubt the draws. A pass says that nothing was found, and no more "
          "than the checks together can see.</p>\n",
          f);
}

/* ---- the table ----------------------------------------------------------- */

static void add_number(FILE *f, const char *format, double value)
{
    fputs("<td class=\"right\">", f);
    if (!isnan(value))
        fprintf(f, format, value);
    fputs("</td>", f);
}

static void add_cell(FILE *f, const table *t, const table_cell *c)
{
    add_number(f, "%.4g", c->mean);
    add_number(f, "%.4g", c->sd);
    for (size_t k = 0; k < TABLE_QUANTILES; k++)
        add_number(f, "%.4g", c->quantile[k]);
    if (table_has(t, TABLE_REFERENCE)) {
        add_number(f, "%.4f", c->shift);
        add_number(f, "%.4f", c->ratio);
        add_number(f, "%.4f", c->w1);
    }
    fputs("</tr>\n", f);
}

static void add_rows(FILE *f, const table *t, const char *name,
                     const table_cell *cells, size_t columns)
{
    for (size_t k = 0; k < columns; k++) {
        if (!table_has(t, k))
            continue;
        fputs("<tr><th>", f);
        put(f, k ? "" : name);
        fprintf(f, "</th><td>%s</td>", table_headings[k]);
        add_cell(f, t, &cells[k]);
    }
}

static void add_table(FILE *f, const table *t)
{
    const size_t shown = t->parameters < ROWS ? t->parameters : ROWS;
    fputs("<h2>Parameters</h2>\n<div class=\"scroll\"><table>\n<tr>"
          "<th>parameter</th><th>of</th><th>mean</th><th>sd</th><th>5 %</th>"
          "<th>50 %</th><th>95 %</th>",
          f);
    if (table_has(t, TABLE_REFERENCE))
        fputs("<th>|error of mean| / sd</th><th>sd / its</th>"
              "<th>W<sub>1</sub> / sd</th>",
              f);
    fputs("</tr>\n", f);
    for (size_t j = 0; j < shown; j++)
        add_rows(f, t, t->names[j], table_at(t, j, 0), TABLE_COLUMNS);
    if (table_has(t, TABLE_REFERENCE))
        add_rows(f, t, "worst", t->worst, TABLE_REFERENCE);
    fputs("</table></div>\n", f);
    if (shown < t->parameters)
        fprintf(f,
                "<p class=\"note\">%zu more parameters stand in "
                "result.json.</p>\n",
                t->parameters - shown);
}

/* ---- marginals ----------------------------------------------------------- */

/* A column of n rows. */
typedef struct column {
    const double *x;
    size_t n, stride;
} column;

static column column_of(const double *x, size_t n, size_t columns, size_t j)
{
    return (column){x ? x + j : NULL, x ? n : 0, columns};
}

/* Densities in BINS bins of [low, high]. */
static void count(const column *c, double low, double high, double bin[BINS])
{
    const double width = (high - low) / BINS;
    memset(bin, 0, BINS * sizeof *bin);
    for (size_t i = 0; i < c->n; i++) {
        const double at = (c->x[i * c->stride] - low) / width;
        if (at >= 0 && at < BINS)
            bin[(size_t)at] += 1 / ((double)c->n * width);
    }
}

/* From the quantiles of q, and of the reference where it is wider. */
static void find_range(const table *t, size_t j, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t k = 0; k < TABLE_COLUMNS; k++) {
        const table_cell *c = table_at(t, j, k);
        if (isnan(c->mean) || k == TABLE_PSIS)
            continue;
        const double reach = 0.6 * (c->quantile[2] - c->quantile[0]);
        *low = fmin(*low, c->quantile[0] - reach);
        *high = fmax(*high, c->quantile[2] + reach);
    }
    if (!(*high > *low)) {
        *low -= 1;
        *high += 1;
    }
}

static void add_axis(FILE *f, double low, double high)
{
    fprintf(f,
            "<line class=\"axis\" x1=\"0\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n",
            WIDE, HIGH - BELOW, HIGH - BELOW);
    for (int k = 1; k < 4; k++)
        fprintf(f,
                "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%.3g</text>\n",
                k * WIDE / 4, HIGH - 5, low + (high - low) * k / 4);
}

static void add_marginal(FILE *f, const char *name, const column *q,
                         const column *other, double low, double high)
{
    double bar[BINS], line[BINS], top = 0;
    const double across = (double)WIDE / BINS;
    count(q, low, high, bar);
    count(other, low, high, line);
    for (size_t k = 0; k < BINS; k++)
        top = fmax(top, fmax(bar[k], line[k]));
    const double up = (HIGH - BELOW - 6) / (top > 0 ? top : 1);
    fputs("<figure><figcaption>", f);
    put(f, name);
    fprintf(f, "</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\">\n",
            WIDE, HIGH);
    for (size_t k = 0; k < BINS; k++)
        if (bar[k] > 0)
            fprintf(f,
                    "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" "
                    "width=\"%.2f\" height=\"%.1f\"/>",
                    (double)k * across, HIGH - BELOW - up * bar[k], across,
                    up * bar[k]);
    if (other->n) {
        fputs("<polyline class=\"line\" points=\"", f);
        for (size_t k = 0; k < BINS; k++)
            fprintf(f, "%.1f,%.1f %.1f,%.1f ", (double)k * across,
                    HIGH - BELOW - up * line[k], (double)(k + 1) * across,
                    HIGH - BELOW - up * line[k]);
        fputs("\"/>", f);
    }
    add_axis(f, low, high);
    fputs("</svg>\n</figure>\n", f);
}

/* ---- pairs --------------------------------------------------------------- */

static double place(double x, double low, double high)
{
    return 4 + (x - low) / (high - low) * (CELL - 8);
}

static void add_dots(FILE *f, const column *x, const column *y,
                     const double *low, const double *high, const char *class)
{
    const size_t n = x->n < DOTS ? x->n : DOTS;
    for (size_t i = 0; i < n; i++) {
        const size_t at = i * (x->n / n); /* chains lie one after the other */
        const double px = place(x->x[at * x->stride], low[0], high[0]);
        const double py = CELL - place(y->x[at * y->stride], low[1], high[1]);
        if (px >= 0 && px <= CELL && py >= 0 && py <= CELL)
            fprintf(f,
                    "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" "
                    "r=\"1.2\"/>",
                    class, px, py);
    }
}

/* Below the diagonal draws of q, above it the others. */
static void add_pairs(FILE *f, const outcome *o, const double *other, size_t n)
{
    const size_t m = o->columns < PAIRS ? o->columns : PAIRS;
    double low[PAIRS], high[PAIRS];
    for (size_t j = 0; j < m; j++)
        find_range(&o->table, j, &low[j], &high[j]);
    fprintf(f,
            "<figure style=\"max-width:%zupx\"><svg viewBox=\"0 0 %zu %zu\" "
            "role=\"img\">\n",
            m * CELL + 80, m * CELL, m * CELL);
    for (size_t row = 0; row < m; row++)
        for (size_t k = 0; k < m; k++) {
            const int is_q = k < row;
            const double a[2] = {low[k], low[row]};
            const double b[2] = {high[k], high[row]};
            const double *from = is_q ? o->theta : other;
            const size_t count = is_q ? o->n : n;
            const column x = column_of(from, count, o->columns, k);
            const column y = column_of(from, count, o->columns, row);
            fprintf(f,
                    "<g transform=\"translate(%zu %zu)\"><rect "
                    "class=\"frame\" width=\"%d\" height=\"%d\"/>\n",
                    k * CELL, row * CELL, CELL, CELL);
            if (k == row) {
                fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
                        CELL / 2, CELL / 2);
                put(f, o->names[k]);
                fputs("</text>", f);
            } else if (from) {
                add_dots(f, &x, &y, a, b, is_q ? "dot0" : "dot1");
            }
            fputs("</g>\n", f);
        }
    fputs("</svg>\n</figure>\n", f);
}

/* ---- all of it ----------------------------------------------------------- */

static void add_legend(FILE *f, const char *other)
{
    fputs("<p class=\"legend\"><span><i class=\"b0\"></i>q</span>", f);
    if (other)
        fprintf(f, " <span><i class=\"b1\"></i>%s</span>", other);
    fputs("</p>\n", f);
}

static char *make_html(const outcome *o, const reference *ref)
{
    const size_t shown = o->columns < MARGINALS ? o->columns : MARGINALS;
    const double *x = ref->draws ? ref->draws : o->moved;
    const size_t n = ref->draws ? ref->count : o->moved_count;
    const char *name = ref->draws ? "reference" : x ? "q + HMC" : NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    fputs(style, f);
    if (o->verdict)
        add_verdict(f, o->verdict);
    fputs("<h2>Marginals</h2>\n", f);
    add_legend(f, name);
    fputs("<div class=\"small\">\n", f);
    for (size_t j = 0; j < shown; j++) {
        const column q = column_of(o->theta, o->n, o->columns, j);
        const column other = column_of(x, n, o->columns, j);
        double low, high;
        find_range(&o->table, j, &low, &high);
        add_marginal(f, o->names[j], &q, &other, low, high);
    }
    fputs("</div>\n", f);
    if (o->columns > 1) {
        fprintf(f,
                "<h2>Pairs</h2>\n<p class=\"note\">Below the diagonal %d "
                "draws of q%s%s.</p>\n",
                DOTS, name ? ", above it those of " : "", name ? name : "");
        add_pairs(f, o, x, n);
    }
    add_table(f, &o->table);
    const int is_short = ferror(f);
    if (!fclose(f) && !is_short)
        return text;
    free(text);
    return NULL;
}

/* ---- with curves --------------------------------------------------------- */

static const report_plot plots[] = {
    {"Bound",
     "nats",
     {"bound", "best"},
     {"at this step", "best so far"},
     "E log p - log q of fixed draws: never above the log evidence on average, "
     "and there for q = p."},
    {"Gap",
     "per dimension",
     {"gap"},
     {"of the two scores"},
     "Root mean square of grad log q - grad log p along a step's draws, in "
     "whitened units: 0 for q = p."},
    {"Gradient",
     "norm",
     {"norm"},
     {"of the step"},
     "Growth without end means a rate that is too high."},
    {NULL, NULL, {NULL}, {NULL}, NULL},
};

int marginals_report(const inference *r, const outcome *o, const reference *ref)
{
    char title[256];
    char *inset = make_html(o, ref);
    snprintf(title, sizeof title, "%s: %s, %s, entropy %s", program_name,
             args_text(r->args, "target"), args_text(r->args, "posterior"),
             args_text(r->args, "entropy"));
    int status = inset ? report_write(&r->place, title, plots, NULL, inset)
                       : complain("no memory");
    free(inset);
    return status;
}
