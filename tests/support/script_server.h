/*
 * An HTTP server on loopback that follows a script: each request must be the next one of the list, and gets its reply
 * in the given pieces. A reply may be held open; the test then pushes more bytes and ends or cuts it. Runs on the
 * test's own loop. What does not fit the script is kept in `complaint` and answered by 599.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_SCRIPT_SERVER_H
#define TRIMTAB_TESTS_SCRIPT_SERVER_H

#include <uv.h>

#include "base/buf.h"

enum script_end {
    SCRIPT_END,  /* The reply ends in good order. */
    SCRIPT_HOLD, /* It stays open. */
    SCRIPT_CUT,  /* The connection is closed in the middle. */
};

struct script_step {
    const char *method;    /* NULL: GET */
    const char *target;    /* The target must contain it. */
    const char *target2;   /* And this; NULL: nothing more. */
    const char *lacks;     /* And must not contain this. */
    const char *body_has;  /* So must the body; NULL: anything. */
    int status;            /* 0: 200 */
    const char *header;    /* One more header line, without its end; NULL: none. */
    const char *pieces[4]; /* Of the body, each its own write. */
    enum script_end end;
};

struct script_connection;

struct script_server {
    uv_loop_t *loop;
    uv_tcp_t listener;
    int port;
    const struct script_step *steps;
    size_t step_count, step_index; /* step_index: also the number of requests that fitted. */
    struct script_connection *connections;
    struct script_connection *held; /* The latest reply held open; NULL: none. */
    struct buf last_body;
    char complaint[512]; /* "" while all goes by the script. */
};

void script_server_open(struct script_server *server, uv_loop_t *loop, const struct script_step *steps, size_t count);
void script_server_close(struct script_server *server); /* Then run the loop until it is empty. */
void script_server_release(struct script_server *server);

void script_server_push(struct script_server *server, const char *text);   /* One more piece of the held reply. */
void script_server_end(struct script_server *server, enum script_end end); /* END or CUT of the held reply. */

#endif
