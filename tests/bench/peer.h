/* peer.h - another program that takes the same steps, in the same run.

   The peer is told "block" on its standard input once for each repetition,
   runs a block of each of its contenders and answers "done"; at "end" it
   prints its rows, one JSON object a line, and ends.  Before the first block
   it answers "ready".

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <jansson.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct peer {
    pid_t child;
    FILE *to, *from;
} peer;

/* Runs `command` by the shell with "--serve --threads T [--only P]" added, and
   waits until it is ready; a status. */
int peer_start(peer *p, const char *command, const char *threads,
               const char *only);
/* A peer's block; ctx is the peer.  For race_run. */
int peer_block(void *ctx);
/* Appends the peer's rows and ends it. */
int peer_end(peer *p, json_t *rows);
/* Ends it without its rows; fine when it was not started. */
void peer_stop(peer *p);

#endif
