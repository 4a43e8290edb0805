/* peer.c - another program that takes the same steps, in the same run.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "peer.h"

#include "base/base.h"

#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The peer's threads may spin for some milliseconds after their last block. */
static const struct timespec rest = {0, 20000000};

static void start_child(const int in[2], const int out[2], const char *command,
                        const char *threads, const char *only)
{
    char line[4096];
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    close(in[0]);
    close(in[1]);
    close(out[0]);
    close(out[1]);
    /* options are quoted as arguments of the shell's own */
    int n = snprintf(line, sizeof line, "exec %s --serve --threads \"$1\"%s",
                     command, only ? " --only \"$2\"" : "");
    if (n > 0 && (size_t)n < sizeof line)
        execl("/bin/sh", "sh", "-c", line, "peer", threads, only, (char *)NULL);
    _exit(127);
}

/* Reads lines until this one; others are shown on stderr. */
static int await(peer *p, const char *word)
{
    char line[1024];
    while (fgets(line, sizeof line, p->from)) {
        line[strcspn(line, "\n")] = '\0';
        if (!strcmp(line, word))
            return 0;
        fprintf(stderr, "peer: %s\n", line);
    }
    return slivi__fail(SLIVI_ESYSTEM,
                       "bench: the peer ended before it said \"%s\"", word);
}

static int say(peer *p, const char *word)
{
    return fprintf(p->to, "%s\n", word) > 0 && !fflush(p->to)
               ? 0
               : slivi__fail(SLIVI_ESYSTEM, "bench: the peer does not listen");
}

int peer_start(peer *p, const char *command, const char *threads,
               const char *only)
{
    int in[2], out[2];
    memset(p, 0, sizeof *p);
    if (pipe(in) || pipe(out))
        return slivi__fail(SLIVI_ESYSTEM, "bench: no pipe for the peer");
    p->child = fork();
    if (!p->child)
        start_child(in, out, command, threads, only);
    close(in[0]);
    close(out[1]);
    p->to = fdopen(in[1], "w");
    p->from = fdopen(out[0], "r");
    if (p->child < 0 || !p->to || !p->from)
        return slivi__fail(SLIVI_ESYSTEM, "bench: the peer did not start");
    return await(p, "ready");
}

int peer_block(void *ctx)
{
    peer *p = ctx;
    int status = say(p, "block");
    if (!status)
        status = await(p, "done");
    nanosleep(&rest, NULL);
    return status;
}

void peer_stop(peer *p)
{
    if (p->to)
        fclose(p->to);
    if (p->from)
        fclose(p->from);
    if (p->child > 0)
        waitpid(p->child, NULL, 0);
    memset(p, 0, sizeof *p);
}

int peer_end(peer *p, json_t *rows)
{
    char line[4096];
    int status = say(p, "end");
    while (!status && fgets(line, sizeof line, p->from)) {
        json_error_t error;
        json_t *row = json_loads(line, 0, &error);
        if (row)
            json_array_append_new(rows, row);
        else
            status = slivi__fail(SLIVI_EFORMAT,
                                 "bench: the peer's row is not JSON: %.*s",
                                 (int)strcspn(line, "\n"), line);
    }
    peer_stop(p);
    return status;
}
