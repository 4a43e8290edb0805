/* bench.c - slivi-bench: verifies the direct steps against the library's, then
   times both, in turn.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "cases.h"
#include "entropy.h"
#include "machine.h"
#include "memory.h"
#include "peer.h"
#include "posterior.h"
#include "report.h"
#include "verify.h"

#include "base/base.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 2048, THREADS_MOST = 8, THREADS_TOP = 64 };

/* ---- the command line --------------------------------------------------- */

typedef struct command {
    const char *mnist, *only, *repeat, *threads, *json, *peer, *one_case;
    size_t repeats;
    size_t thread[THREADS_MOST], thread_counts;
} command;

static const struct {
    const char *name, *value;
    size_t at; /* of its text in command */
    const char *help;
} options[] = {
    {"--mnist", "DIR", offsetof(command, mnist),
     "folder of train-images-idx3-ubyte[.gz]; else blobs are made"},
    {"--only", "PATTERN", offsetof(command, only),
     "cases whose name contains PATTERN"},
    {"--repeat", "N", offsetof(command, repeat), "repetitions (default 21)"},
    {"--threads", "LIST", offsetof(command, threads),
     "numbers of threads (default 1,2)"},
    {"--json", "FILE", offsetof(command, json), "write all figures to FILE"},
    {"--peer", "COMMAND", offsetof(command, peer),
     "another program in the same run, see tests/bench/peer.h"},
    {"--case", "NAME", offsetof(command, one_case),
     "something else instead, see below"},
};

enum { OPTIONS = sizeof options / sizeof *options };

/* What --case names. */
typedef struct study {
    const char *name;
    int times; /* takes --only, --repeat and --peer, too */
    int (*run)(const command *c, json_t *rows);
    const char *help;
} study;

static int study_memory(const command *c, json_t *rows);
static int study_posterior(const command *c, json_t *rows);
static int study_entropy(const command *c, json_t *rows);

static const study studies[] = {
    {"memory", 0, study_memory, "resident memory at two steps of long runs"},
    {"posterior", 1, study_posterior,
     "steps of posteriors, --peer tests/bench/peer/sivi.py beside them"},
    {"entropy", 0, study_entropy,
     "a known entropy's gradient by score estimators (some minutes)"},
    {NULL, 0, NULL, NULL}};

static const study *study_find(const char *name)
{
    const study *s = studies;
    while (s->name && strcmp(s->name, name))
        s++;
    return s->name ? s : NULL;
}

static const char legend[] =
    "Columns: ms for a step; of sgemm: its rate over that of a product of\n"
    "order 1024 by OpenBLAS on as many threads; / direct: its time over the\n"
    "hand-written step's.  Medians of ratios within a repetition.\n";

static int help(FILE *out)
{
    fprintf(out, "slivi-bench [OPTION]...\n\n"
                 "Verifies hand-written training steps against the library's, "
                 "then times both.\n\n");
    for (size_t i = 0; i < OPTIONS; i++)
        fprintf(out, "  %-10s %-8s  %s\n", options[i].name, options[i].value,
                options[i].help);
    fprintf(out, "  %-10s %-8s  this text\n\n%s\ncases:\n", "--help", "",
            legend);
    for (const bench_case *c = bench_cases; c->name; c++)
        fprintf(out, "  %s\n", c->name);
    fprintf(out, "\n--case, each with --json:\n");
    for (const study *s = studies; s->name; s++)
        fprintf(out, "  %-10s %s%s\n", s->name, s->help,
                s->times ? "; --only, --repeat" : "");
    return out == stdout ? 0 : 2;
}

static int complain(const char *what, const char *text)
{
    fprintf(stderr, "slivi-bench: %s: %s\n", what, text);
    return 2;
}

static int read_threads(command *c)
{
    const char *at = c->threads;
    for (;;) {
        char *end;
        const unsigned long t = strtoul(at, &end, 10);
        if (end == at || t < 1 || t > THREADS_TOP
            || c->thread_counts == THREADS_MOST || (*end && *end != ','))
            return complain("--threads wants numbers from 1 to 64", c->threads);
        c->thread[c->thread_counts++] = t;
        if (!*end)
            return 0;
        at = end + 1;
    }
}

static int chosen(const command *c, const bench_case *b)
{
    return !c->only || strstr(b->name, c->only) != NULL;
}

static int any_chosen(const command *c)
{
    for (const bench_case *b = bench_cases; b->name; b++)
        if (chosen(c, b))
            return 1;
    return 0;
}

static int check_study(const command *c, int given)
{
    const study *s = study_find(c->one_case);
    if (!s)
        return complain("--case takes memory, posterior or entropy; for times "
                        "of others there is --only",
                        c->one_case);
    if (!s->times && (c->only || c->peer || given))
        return complain("takes --mnist and --json only", s->name);
    return 0;
}

static int read_command(command *c, int argc, char **argv)
{
    int given = 0; /* --repeat or --threads, which have defaults */
    *c = (command){.repeat = "21", .threads = "1,2"};
    for (int i = 1; i < argc; i += 2) {
        size_t k = 0;
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            exit(help(stdout));
        while (k < OPTIONS && strcmp(argv[i], options[k].name))
            k++;
        if (k == OPTIONS)
            return complain("no such option (try --help)", argv[i]);
        if (i + 1 == argc)
            return complain("a value is missing", argv[i]);
        memcpy((char *)c + options[k].at, &argv[i + 1], sizeof(char *));
        given |= options[k].at == offsetof(command, repeat)
                 || options[k].at == offsetof(command, threads);
    }
    char *end;
    const long repeats = strtol(c->repeat, &end, 10);
    if (*end || repeats < 1 || repeats > RACE_REPEATS_MOST)
        return complain("--repeat wants a number from 1 to 10000", c->repeat);
    c->repeats = (size_t)repeats;
    if (c->one_case)
        return check_study(c, given);
    if (c->only && !any_chosen(c))
        return complain("no case's name contains", c->only);
    return read_threads(c);
}

/* Is there a place for the figures?  Found out before hours of timing. */
static int check_json(const char *path)
{
    FILE *file = path ? fopen(path, "a") : NULL;
    if (path && !file) {
        fprintf(stderr, "slivi-bench: cannot write: %s: %s\n", path,
                strerror(errno));
        return 1;
    }
    if (file)
        fclose(file);
    return 0;
}

/* ---- verification ------------------------------------------------------- */

static int print_verdict(const bench_case *b, size_t threads, const verdict *v,
                         json_t *rows)
{
    const int good = verdict_holds(v);
    printf("%-24s %3zu %10.1e %10.1e %10.1e %10.1e  %s\n", b->name, threads,
           v->loss, v->gradient, v->entry, v->update, good ? "ok" : "WRONG");
    json_array_append_new(
        rows, json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:b}", "case", b->name,
                        "threads", (json_int_t)threads, "loss",
                        json_real(v->loss), "gradient", json_real(v->gradient),
                        "entry", json_real(v->entry), "update",
                        json_real(v->update), "holds", good));
    return good ? 0
                : slivi__fail(SLIVI_EINVAL,
                              "bench: %s: the direct step is not the "
                              "library's; nothing is timed",
                              b->name);
}

static int verify_all(const command *c, const images *im, json_t *rows)
{
    int status = 0;
    printf("%-24s %3s %10s %10s %10s %10s\n", "direct against library", "thr",
           "loss", "gradient", "entry", "update");
    for (const bench_case *b = bench_cases; b->name && !status; b++)
        for (size_t t = 0; t < c->thread_counts && !status; t++) {
            verdict v;
            if (b->images || !chosen(c, b))
                continue;
            status = verify_shape(&b->shape, c->thread[t], im, &v);
            if (!status)
                status = print_verdict(b, c->thread[t], &v, rows);
        }
    return status;
}

/* By hand: 690 and 657 million, 8 products with the 784 pixels and 14 others. */
static int check_flops(void)
{
    const shape s32 = {32, 0, IMAGE_DIM, {256, 256}, 128};
    const shape s8 = {8, 0, IMAGE_DIM, {256, 256}, 128};
    if (lround(shape_flops(&s32) / 1e6) == 690
        && lround(shape_flops(&s8) / 1e6) == 657)
        return 0;
    return slivi__fail(SLIVI_EINVAL,
                       "bench: a step of a vae is %g and %g flops",
                       shape_flops(&s32), shape_flops(&s8));
}

/* ---- timing ------------------------------------------------------------- */

static int enter_all(const command *c, const images *im, race *r)
{
    int status = 0;
    for (size_t t = 0; t < c->thread_counts && !status; t++)
        status = case_add_sgemm(r, c->thread[t]);
    for (const bench_case *b = bench_cases; b->name && !status; b++)
        for (size_t t = 0; t < c->thread_counts && chosen(c, b) && !status; t++)
            status = case_add(r, b, im, c->thread[t]);
    return status;
}

static int time_all(const command *c, const images *im, json_t *all)
{
    race r = {.count = 0};
    peer other = {0};
    json_t *rows = json_array(), *scaling = json_array();
    json_object_set_new(all, "rows", rows);
    json_object_set_new(all, "scaling", scaling);
    int status = enter_all(c, im, &r);
    if (!status && c->peer)
        status = peer_start(&other, c->peer, c->threads, c->only);
    if (!status)
        status = race_run(&r, c->repeats, c->peer ? peer_block : NULL, &other);
    if (!status)
        status = report_rows(&r, rows);
    if (!status)
        status = report_scaling(&r, scaling);
    if (!status && c->peer)
        status = peer_end(&other, rows);
    report_peer(&r, rows);
    peer_stop(&other);
    race_clear(&r);
    if (status)
        return status;
    report_print(rows);
    report_print_scaling(scaling);
    return 0;
}

static int take_images(const command *c, images *im, json_t *all)
{
    int status = images_read(im, c->mnist, IMAGES);
    if (status)
        return status;
    json_object_set_new(all, "images", json_string(im->source));
    printf("# %-16s %s, %.1f %% ones when binarised\n\n", "images", im->source,
           100 * im->ones);
    return 0;
}

static int run(const command *c, json_t *all)
{
    images im = {0};
    json_t *verified = json_array();
    json_object_set_new(all, "verified", verified);
    int status = check_flops();
    if (!status)
        status = take_images(c, &im, all);
    if (!status)
        status = verify_all(c, &im, verified);
    if (!status)
        status = time_all(c, &im, all);
    images_clear(&im);
    return status;
}

/* ---- --case --------------------------------------------------------------- */

static int study_memory(const command *c, json_t *rows)
{
    images im = {0};
    int status = images_read(&im, c->mnist, IMAGES);
    if (!status)
        status = memory_measure(&im, rows);
    images_clear(&im);
    return status;
}

static int study_posterior(const command *c, json_t *rows)
{
    return posterior_measure(c->only, c->repeats, c->peer, rows);
}

static int study_entropy(const command *c, json_t *rows)
{
    (void)c;
    return entropy_measure(rows);
}

static int run_study(const command *c, json_t *all)
{
    json_t *rows = json_array();
    json_object_set_new(all, c->one_case, rows);
    putchar('\n');
    return study_find(c->one_case)->run(c, rows);
}

int main(int argc, char **argv)
{
    command c;
    int code = read_command(&c, argc, argv);
    if (!code)
        code = check_json(c.json);
    if (code)
        return code;
    signal(SIGPIPE, SIG_IGN); /* a peer may end early */
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    slivi_blas_serial();
    machine_warn();
    json_t *all = json_object(), *machine = machine_describe();
    if (!all || !machine)
        return complain("no memory", "json");
    json_object_set_new(all, "machine", machine);
    machine_print(machine);
    int status = (c.one_case ? run_study : run)(&c, all);
    if (status)
        code = complain("failed", slivi_errmsg());
    if (c.json && json_dump_file(all, c.json, JSON_INDENT(1)))
        code = complain("cannot write", c.json);
    json_decref(all);
    return code ? 1 : 0;
}
