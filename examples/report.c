/* report.c - report.html: curves as inline SVG, pictures as base64.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "report.h"
#include "complain.h"
#include "record.h"

#include <slivi/io.h>
#include <slivi/status.h>

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct text {
    char *at; /* NULL before the first byte */
    size_t size, room;
    int failed;
} text;

static void add_bytes(text *t, const char *bytes, size_t size)
{
    while (!t->failed && t->room - t->size < size + 1) {
        size_t room = t->room ? 2 * t->room : 65536;
        char *at = realloc(t->at, room);
        t->failed = !at;
        if (at) {
            t->at = at;
            t->room = room;
        }
    }
    if (t->failed)
        return;
    memcpy(t->at + t->size, bytes, size);
    t->size += size;
    t->at[t->size] = '\0';
}

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
add(text *t, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= sizeof line)
        t->failed = 1;
    else
        add_bytes(t, line, (size_t)n);
}

/* Text as HTML shows it. */
static void add_escaped(text *t, const char *plain)
{
    static const char special[] = "&<>\"";
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;"};
    while (*plain) {
        size_t n = strcspn(plain, special);
        add_bytes(t, plain, n);
        plain += n;
        if (*plain)
            add(t, "%s", entities[strchr(special, *plain++) - special]);
    }
}

static void add_base64(text *t, const char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)data;
    for (size_t i = 0; i < size; i += 3) {
        size_t n = size - i < 3 ? size - i : 3;
        uint32_t bits = (uint32_t)p[i] << 16;
        if (n > 1)
            bits |= (uint32_t)p[i + 1] << 8;
        if (n > 2)
            bits |= p[i + 2];
        char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                        n > 1 ? digits[bits >> 6 & 63] : '=',
                        n > 2 ? digits[bits & 63] : '='};
        add_bytes(t, four, sizeof four);
    }
}

/* ---- curves ------------------------------------------------------------- */

enum { WIDE = 560, HIGH = 280, LEFT = 64, RIGHT = 24, TOP = 14, BELOW = 40 };

/* From values to places in a drawing. */
typedef struct axis {
    double low, high, tick;
    double from, to; /* places of low and high */
} axis;

static double place(const axis *a, double value)
{
    return a->from + (value - a->low) / (a->high - a->low) * (a->to - a->from);
}

/* Ticks 1, 2 or 5 times a power of ten apart, about `count` of them. */
static void choose_ticks(axis *a, int count)
{
    static const double steps[] = {1, 2, 5, 10};
    double raw = (a->high - a->low) / count;
    double power = pow(10, floor(log10(raw))), best = 10;
    for (size_t i = 4; i-- > 0;)
        if (steps[i] * power >= raw * (1 - 1e-9))
            best = steps[i];
    a->tick = best * power;
}

static void make_axis(axis *a, double low, double high, double from, double to)
{
    if (!(high > low)) { /* one value, or none */
        double around = low > high ? 0 : low;
        low = around - (fabs(around) + 1) / 2;
        high = around + (fabs(around) + 1) / 2;
    }
    *a = (axis){.low = low, .high = high, .from = from, .to = to};
    choose_ticks(a, 5);
}

/* The value under key in a line, NaN where there is none. */
static double value_of(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void widen(double value, double *low, double *high)
{
    if (isfinite(value) && value < *low)
        *low = value;
    if (isfinite(value) && value > *high)
        *high = value;
}

/* The range of a plot's curves.  The first twentieth of the lines may hang
   out, so that the beginning does not flatten the rest. */
static void find_range(const report_plot *plot, const json_t *lines,
                       double *low, double *high)
{
    const size_t n = json_array_size(lines);
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t k = 0; k < REPORT_CURVES && plot->keys[k]; k++)
        for (size_t i = n / 20; i < n; i++)
            widen(value_of(json_array_get(lines, i), plot->keys[k]), low, high);
    double margin = *high > *low ? 0.06 * (*high - *low) : 0;
    *low -= margin;
    *high += margin;
}

/* 1 when a value of the curves lies beyond the axis. */
static int hangs_out(const report_plot *plot, const json_t *lines,
                     const axis *y)
{
    double low = y->low, high = y->high;
    for (size_t k = 0; k < REPORT_CURVES && plot->keys[k]; k++)
        for (size_t i = 0; i < json_array_size(lines); i++)
            widen(value_of(json_array_get(lines, i), plot->keys[k]), &low,
                  &high);
    return low < y->low || high > y->high;
}

static void add_grid(text *t, const axis *x, const axis *y, const char *unit)
{
    const double first_y = ceil(y->low / y->tick - 1e-9);
    for (double k = first_y; k * y->tick <= y->high * (1 + 1e-12); k++) {
        double at = place(y, k * y->tick);
        add(t,
            "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" "
            "y2=\"%.1f\"/><text x=\"%d\" y=\"%.1f\" "
            "text-anchor=\"end\">%.6g</text>\n",
            LEFT, WIDE - RIGHT, at, at, LEFT - 8, at + 4, k * y->tick + 0.0);
    }
    for (double k = ceil(x->low / x->tick); k * x->tick <= x->high; k++) {
        double at = place(x, k * x->tick);
        add(t,
            "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" "
            "y2=\"%d\"/><text x=\"%.1f\" y=\"%d\" "
            "text-anchor=\"middle\">%.10g</text>\n",
            at, at, HIGH - BELOW, HIGH - BELOW + 4, at, HIGH - BELOW + 18,
            k * x->tick);
    }
    add(t, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n",
        LEFT, WIDE - RIGHT, HIGH - BELOW, HIGH - BELOW);
    add(t, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">step</text>\n",
        WIDE - RIGHT, HIGH - 4);
    add(t,
        "<text transform=\"translate(13 %d) rotate(-90)\" "
        "text-anchor=\"middle\">",
        (TOP + HIGH - BELOW) / 2);
    add_escaped(t, unit);
    add(t, "</text>\n");
}

static void add_curve(text *t, const json_t *lines, const char *key, size_t k,
                      const axis *x, const axis *y)
{
    int is_open = 0;
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        double v = value_of(line, key);
        if (isfinite(v)) {
            if (!is_open)
                add(t, "<polyline class=\"c%zu\" points=\"", k);
            add(t, "%.1f,%.1f ", place(x, value_of(line, "step")), place(y, v));
            is_open = 1;
        }
        /* not where a value is merely not part of the line */
        if (is_open && json_is_null(json_object_get(line, key))) {
            add(t, "\"/>\n");
            is_open = 0;
        }
    }
    if (is_open)
        add(t, "\"/>\n");
}

static void add_legend(text *t, const report_plot *plot, const json_t *last)
{
    add(t, "<p class=\"legend\">");
    for (size_t k = 0; k < REPORT_CURVES && plot->keys[k]; k++) {
        double v = value_of(last, plot->keys[k]);
        add(t, "<span><i class=\"b%zu\"></i>", k);
        add_escaped(t, plot->labels[k]);
        if (isfinite(v))
            add(t, " <b>%.4g</b>", v);
        add(t, "</span> ");
    }
    add(t, "</p>\n");
}

/* What is to be known about a plot, under it. */
static void add_notes(text *t, const report_plot *plot, int is_cut)
{
    if (plot->note) {
        add(t, "<p class=\"note\">");
        add_escaped(t, plot->note);
        add(t, "</p>\n");
    }
    if (is_cut)
        add(t, "<p class=\"note\">The axis cuts off some of the first "
               "values.</p>\n");
}

static void add_plot(text *t, const report_plot *plot, const json_t *lines)
{
    double low, high, first = INFINITY, last = -INFINITY;
    const size_t n = json_array_size(lines);
    axis x, y;
    find_range(plot, lines, &low, &high);
    if (!(low <= high))
        return; /* nothing to show */
    for (size_t i = 0; i < n; i++)
        widen(value_of(json_array_get(lines, i), "step"), &first, &last);
    make_axis(&x, n > 1 ? 0 : first, last, LEFT, WIDE - RIGHT);
    make_axis(&y, low, high, HIGH - BELOW, TOP);
    add(t, "<figure><figcaption>");
    add_escaped(t, plot->title);
    add(t,
        "</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" "
        "aria-label=\"",
        WIDE, HIGH);
    add_escaped(t, plot->title);
    add(t, "\">\n");
    add_grid(t, &x, &y, plot->unit);
    /* an inner drawing cuts off what hangs out */
    add(t,
        "<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
        "viewBox=\"%d %d %d %d\">\n",
        LEFT, TOP, WIDE - LEFT - RIGHT, HIGH - TOP - BELOW, LEFT, TOP,
        WIDE - LEFT - RIGHT, HIGH - TOP - BELOW);
    for (size_t k = 0; k < REPORT_CURVES && plot->keys[k]; k++)
        add_curve(t, lines, plot->keys[k], k, &x, &y);
    add(t, "</svg>\n</svg>\n");
    add_legend(t, plot, json_array_get(lines, n - 1));
    add_notes(t, plot, hangs_out(plot, lines, &y));
    add(t, "</figure>\n");
}

/* ---- the page ----------------------------------------------------------- */

static const char *const style =
    ":root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--ink:#1d2329;"
    "--soft:#626b75;--line:#e3e5e8;--a:#2563a8;--b:#c2571a;--c:#2e7d4f;"
    "--d:#8a4fa3}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1c2024;"
    "--ink:#e6e8ea;--soft:#98a1aa;--line:#30363c;--a:#6aa9f0;--b:#f0975a;"
    "--c:#69bf8c;--d:#c592dd}}\n"
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);"
    "color:var(--ink);font:16px/1.5 system-ui,-apple-system,\"Segoe UI\","
    "Roboto,sans-serif}\n"
    "main{max-width:1180px;margin:0 auto;padding:2.5rem 1.25rem}\n"
    "h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .8rem}"
    "header p{color:var(--soft);margin:.2rem 0 0}\n"
    ".numbers{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.5rem}"
    ".numbers div{background:var(--card);border:1px solid var(--line);"
    "border-radius:10px;padding:.7rem 1.1rem;min-width:9rem}"
    ".numbers b{display:block;font-size:1.35rem;font-weight:600;"
    "font-variant-numeric:tabular-nums}"
    ".numbers span{color:var(--soft);font-size:.85rem}\n"
    ".grid2{display:grid;gap:1rem;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))}"
    "figure{margin:0;background:var(--card);border:1px solid var(--line);"
    "border-radius:10px;padding:1rem}"
    "figcaption{font-weight:600;font-size:.95rem;margin-bottom:.5rem}\n"
    "figure>svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);"
    "font-size:12px;font-variant-numeric:tabular-nums}"
    "svg .grid{stroke:var(--line)}svg .axis,svg .tick{stroke:var(--soft)}"
    "polyline{fill:none;stroke-width:1.8;stroke-linejoin:round}\n"
    ".c0{stroke:var(--a)}.c1{stroke:var(--b)}.c2{stroke:var(--c)}"
    ".c3{stroke:var(--d)}"
    ".b0{background:var(--a)}.b1{background:var(--b)}.b2{background:var(--c)}"
    ".b3{background:var(--d)}\n"
    ".legend{margin:.5rem 0 0;font-size:.88rem;color:var(--soft);"
    "display:flex;flex-wrap:wrap;gap:.2rem 1.2rem}"
    ".legend i{display:inline-block;width:.9rem;height:.2rem;"
    "margin-right:.4rem;vertical-align:middle;border-radius:2px}"
    ".legend b{color:var(--ink);font-variant-numeric:tabular-nums}\n"
    ".note{margin:.4rem 0 0;font-size:.85rem;color:var(--soft)}\n"
    ".pictures{display:grid;gap:1rem}"
    "img{max-width:100%;height:auto;display:block;border-radius:4px}\n"
    ".tables{display:grid;gap:1rem;align-items:start;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr))}"
    "table{border-collapse:collapse;width:100%;font-size:.88rem;"
    "background:var(--card);border:1px solid var(--line)}"
    "caption{text-align:left;font-weight:600;padding:.3rem 0}"
    "th,td{text-align:left;padding:.28rem .7rem;"
    "border-top:1px solid var(--line);vertical-align:top;"
    "overflow-wrap:anywhere}th{font-weight:400;color:var(--soft);"
    "white-space:nowrap}td{font-variant-numeric:tabular-nums}\n";

/* The last component of a path: where it lies is nobody's affair. */
static void add_last(text *t, const char *path)
{
    char name[EXPERIMENT_PATH];
    snprintf(name, sizeof name, "%s", path);
    for (size_t n = strlen(name); n > 1 && name[n - 1] == '/'; n--)
        name[n - 1] = '\0';
    const char *slash = strrchr(name, '/');
    add_escaped(t, slash && slash[1] ? slash + 1 : name);
}

/* A setting; of one such as npy:/some/where/x.npy without the folders. */
static void add_setting(text *t, const char *setting)
{
    const char *colon = strchr(setting, ':');
    if (!strchr(setting, '/') || !colon) {
        add_escaped(t, setting);
        return;
    }
    add_bytes(t, setting, (size_t)(colon + 1 - setting));
    add_last(t, colon + 1);
}

static void add_value(text *t, const json_t *value)
{
    if (json_is_string(value))
        add_setting(t, json_string_value(value));
    else if (json_is_integer(value))
        add(t, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        add(t, "%.6g", json_real_value(value));
    else if (json_is_boolean(value))
        add(t, "%s", json_is_true(value) ? "yes" : "no");
    else
        add(t, "&ndash;");
}

static void add_table(text *t, const char *caption, json_t *object)
{
    const char *key;
    json_t *value;
    if (!json_object_size(object))
        return;
    add(t, "<table><caption>%s</caption>\n", caption);
    json_object_foreach(object, key, value)
    {
        if (json_is_object(value))
            continue;
        add(t, "<tr><th scope=\"row\">");
        add_escaped(t, key);
        add(t, "</th><td>");
        add_value(t, value);
        add(t, "</td></tr>\n");
    }
    add(t, "</table>\n");
}

/* A result's numbers: what each is called, and the key of its standard error.
   A note makes it one of those that are shown large. */
static const struct shown {
    const char *key, *se, *name, *note;
} shown[] = {
    {"nll", "nll_se", "negative log-likelihood",
     "negative log-likelihood, nats; lower is better"},
    {"ais_nll", "ais_nll_se", "the same by AIS", NULL},
    {"ais_minus_is", "ais_minus_is_se", "AIS above importance sampling", NULL},
    {"nll_corrected", "nll_corrected_se", "corrected for that if it matters",
     NULL},
    {"inference_gap", "inference_gap_se",
     "nats from encoder to posterior (not gaussian: or more)", NULL},
    {"bdmc_gap", "bdmc_gap_se", "gap of bounds on the model's images", NULL},
    {"test_error", NULL, "squared error of test images",
     "squared error of test images"},
    {"reconstruction", NULL, "reconstruction, nats",
     "reconstruction loss, nats"},
    {"prior", NULL, "prior term, nats", NULL},
    {"stein", NULL, "Stein's identity", NULL},
    {"code_mmd", NULL, "MMD<sup>2</sup> of codes and prior", NULL},
    {"code_mmd_floor", NULL, "its standard error, if they were alike", NULL},
    {"code_sliced_wasserstein", NULL, "sliced Wasserstein distance of them",
     NULL},
    {"code_sliced_wasserstein_floor", NULL, "the same of the prior's draws",
     NULL},
    {"log_evidence", "log_evidence_se", "log evidence", "log evidence"},
    {"worst_shift_q", NULL, "largest |error of a mean| / sd",
     "worst mean / sd"},
    {"worst_ratio_q", NULL, "sd farthest off, / sd", "worst sd / sd"},
    {"steps", NULL, "steps", "steps"},
    {"seconds", NULL, "seconds of training", NULL},
    {"steps_per_second", NULL, "steps per second", "steps per second"},
};

enum { SHOWN = sizeof shown / sizeof *shown };

/* Rounded where its error begins, with this error beside it. */
static int add_number(text *t, const json_t *result, const struct shown *s)
{
    const double value = value_of(result, s->key);
    const double se = s->se ? value_of(result, s->se) : NAN;
    if (!isfinite(value))
        return 0;
    if (isfinite(se) && se > 0) {
        int digits = (int)fmin(fmax(1 - floor(log10(se)), 0), 9);
        add(t, "%.*f &plusmn; %.*f", digits, value, digits, se);
    } else
        add(t, "%.5g", value);
    return 1;
}

static void add_numbers(text *t, const json_t *result)
{
    add(t, "<div class=\"numbers\">\n");
    for (size_t i = 0; i < SHOWN; i++) {
        if (!shown[i].note || !isfinite(value_of(result, shown[i].key)))
            continue;
        add(t, "<div><b>");
        add_number(t, result, &shown[i]);
        add(t, "</b><span>%s</span></div>\n", shown[i].note);
    }
    add(t, "</div>\n");
}

/* How the log-likelihood was had. */
static void add_likelihood_note(text *t, const json_t *result)
{
    const char *part = json_string_value(json_object_get(result, "eval_part"));
    const double draws = value_of(result, "eval_draws");
    if (!isfinite(value_of(result, "nll")))
        return;
    add(t,
        "<p class=\"note\">The negative log-likelihood is in nats, the mean of "
        "%.0f %s images by ",
        value_of(result, "eval_images"), part ? part : "test");
    if (isfinite(draws))
        add(t, "importance sampling with %.0f draws each", draws);
    else
        add(t, "annealed importance sampling (AIS)");
    add(t, "; lower is better, and &plusmn; is its standard error over "
           "images.</p>\n");
    if (isfinite(draws) && isfinite(value_of(result, "ais_images")))
        add(t,
            "<p class=\"note\">AIS, annealed importance sampling, is of the "
            "first %.0f of them.</p>\n",
            value_of(result, "ais_images"));
}

static void add_results(text *t, const json_t *result)
{
    if (!result)
        return; /* the run is not over */
    add(t, "<h2>Results</h2>\n<div class=\"tables\"><table>\n");
    for (size_t i = 0; i < SHOWN; i++) {
        if (!json_object_get(result, shown[i].key))
            continue; /* not asked for */
        add(t, "<tr><th scope=\"row\">%s</th><td>", shown[i].name);
        if (!add_number(t, result, &shown[i]))
            add(t, "&ndash;");
        add(t, "</td></tr>\n");
    }
    add(t, "</table>\n<div>");
    add_likelihood_note(t, result);
    if (json_object_get(result, "reconstruction"))
        add(t, "<p class=\"note\">Reconstruction, prior and Stein's identity "
               "are those of training, the last points of the curves.</p>\n");
    add(t, "</div></div>\n");
}

static void add_pictures(text *t, const experiment *e,
                         const report_picture *pictures)
{
    char path[EXPERIMENT_PATH], *bytes;
    size_t size;
    add(t, "<h2>Pictures</h2>\n<div class=\"pictures\">\n");
    for (; pictures->name; pictures++) {
        experiment_path(e, pictures->name, path);
        if (!experiment_has(e, pictures->name)
            || slivi_file_read(path, 0, &bytes, &size))
            continue;
        add(t, "<figure><figcaption>");
        add_escaped(t, pictures->caption);
        add(t, "</figcaption>\n<img alt=\"");
        add_escaped(t, pictures->caption);
        add(t, "\" src=\"data:image/png;base64,");
        add_base64(t, bytes, size);
        add(t, "\"></figure>\n");
        slivi_file_release(bytes);
    }
    add(t, "</div>\n");
}

/* The lines of metrics.jsonl as an array. */
static json_t *read_lines(const experiment *e)
{
    char path[EXPERIMENT_PATH], *bytes = NULL;
    size_t size;
    json_t *lines = json_array();
    experiment_path(e, "metrics.jsonl", path);
    if (!experiment_has(e, "metrics.jsonl")
        || slivi_file_read(path, 0, &bytes, &size))
        return lines;
    for (char *next = bytes, *end; (end = strchr(next, '\n')) != NULL;
         next = end + 1)
        json_array_append_new(lines,
                              json_loadb(next, (size_t)(end - next), 0, NULL));
    slivi_file_release(bytes);
    return lines;
}

static void add_page(text *t, const experiment *e, const char *title,
                     const report_plot *plots, const report_picture *pictures,
                     const char *inset)
{
    json_t *config = record_read(e, "config.json");
    json_t *result = record_read(e, "result.json"), *lines = read_lines(e);
    add(t, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
           "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
           "content=\"width=device-width, initial-scale=1\">\n<title>");
    add_escaped(t, title);
    add(t, "</title>\n<style>\n");
    add_bytes(t, style, strlen(style));
    add(t, "</style>\n</head>\n<body>\n<main>\n<header><h1>");
    add_escaped(t, title);
    add(t, "</h1><p>");
    add_last(t, e->folder);
    add(t, "</p></header>\n");
    add_numbers(t, result);
    if (inset)
        add_bytes(t, inset, strlen(inset));
    if (pictures)
        add_pictures(t, e, pictures);
    if (json_array_size(lines)) {
        add(t, "<h2>Curves</h2>\n<div class=\"grid2\">\n");
        for (; plots->title; plots++)
            add_plot(t, plots, lines);
        add(t, "</div>\n");
    }
    add_results(t, result);
    add(t, "<h2>Run</h2>\n<div class=\"tables\">\n");
    add_table(t, "Program and machine", config);
    add_table(t, "Options", json_object_get(config, "options"));
    add(t, "</div>\n</main>\n</body>\n</html>\n");
    json_decref(lines);
    json_decref(result);
    json_decref(config);
}

int report_write(const experiment *e, const char *title,
                 const report_plot *plots, const report_picture *pictures,
                 const char *inset)
{
    char path[EXPERIMENT_PATH];
    text t = {0};
    int status = 0;
    experiment_path(e, "report.html", path);
    add_page(&t, e, title, plots, pictures, inset);
    if (t.failed)
        status = complain("%s: no memory", path);
    else if (slivi_file_write(path, t.at, t.size))
        status = complain("%s", slivi_errmsg());
    free(t.at);
    return status;
}
