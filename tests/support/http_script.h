/*
 * An HTTP server on loopback that follows a script: each request must be the next one of the list, and gets its reply
 * in the given pieces. A reply may be held open; the test then pushes more bytes and ends or cuts it. Runs on the
 * test's own loop. What does not fit the script is kept in `complaint` and answered by 599.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_HTTP_SCRIPT_H
#define TRIMTAB_TESTS_HTTP_SCRIPT_H

#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"

enum http_script_end {
    HTTP_SCRIPT_END,  /* The reply ends in good order. */
    HTTP_SCRIPT_HOLD, /* It stays open. */
    HTTP_SCRIPT_CUT,  /* The connection is closed in the middle. */
};

struct http_script_step {
    const char *method;    /* NULL: GET */
    const char *target;    /* The target must contain it. */
    const char *target2;   /* And this; NULL: nothing more. */
    const char *lacks;     /* And must not contain this. */
    const char *head_has;  /* The header lines must contain it; NULL: anything. */
    const char *body_has;  /* So must the body; NULL: anything. */
    int status;            /* 0: 200 */
    const char *header;    /* One more header line, without its end; NULL: none. */
    const char *pieces[4]; /* Of the body, each its own write. */
    enum http_script_end end;
    bool repeats; /* Any number of times (also none), until a request fits the next step. */
};

struct http_script_connection;

struct http_script {
    uv_loop_t *loop;
    uv_tcp_t listener;
    int port;
    const struct http_script_step *steps;
    size_t step_count, step_index; /* step_index: how many are done with. */
    struct http_script_connection *connections;
    struct http_script_connection *held; /* The latest reply held open; NULL: none. */
    struct buf last_body;
    char complaint[512]; /* "" while all goes by the script. */
};

void http_script_open(struct http_script *server, uv_loop_t *loop, const struct http_script_step *steps, size_t count);
void http_script_close(struct http_script *server); /* Then run the loop until it is empty. */
void http_script_release(struct http_script *server);

void http_script_push(struct http_script *server, const char *text);        /* One more piece of the held reply. */
void http_script_end(struct http_script *server, enum http_script_end end); /* END or CUT of the held reply. */

#endif
