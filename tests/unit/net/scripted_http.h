/*
 * A small real HTTP/1.1 server on the loopback that runs on the test's own loop and answers the n-th request with the
 * n-th row of a script: whole replies, cut ones, resets, silence, slow drips. It knows nothing of what it serves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_NET_SCRIPTED_HTTP_H
#define TRIMTAB_TESTS_NET_SCRIPTED_HTTP_H

#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"

enum scripted_end {
    SCRIPTED_KEEP,  /* The connection stays open for the next request. */
    SCRIPTED_CLOSE, /* Closed in order after the reply. */
    SCRIPTED_RESET, /* A TCP reset after the reply (which may be empty). */
    SCRIPTED_HANG,  /* Nothing more is ever said. */
};

struct scripted_reply {
    const char *text; /* Bytes as they go out; NULL: none. */
    size_t size;      /* 0: strlen(text) */
    enum scripted_end end;
    uint32_t delay_ms; /* Before the reply. */
    uint32_t repeat;   /* Then `text` this many times more, every `interval_ms`. */
    uint32_t interval_ms;
};

#define SCRIPTED_REQUESTS_MAX 4096

struct scripted_server {
    uv_loop_t *loop;
    uint16_t port;
    char url[64]; /* "http://127.0.0.1:PORT" */
    size_t connection_count, open_count, request_count;
    struct buf requests[SCRIPTED_REQUESTS_MAX]; /* Head and body as received. */
    /* private */
    const struct scripted_reply *script;
    size_t script_count;
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } listener;
    struct scripted_connection *connections;
};

/* The last row answers all further requests. unix_path NULL: a free TCP port of the loopback. */
struct scripted_server *scripted_server_start(uv_loop_t *loop, const char *unix_path,
                                              const struct scripted_reply *script, size_t script_count);
/* Requests from now on are answered from the start of another script. */
void scripted_server_rescript(struct scripted_server *server, const struct scripted_reply *script, size_t count);
/* Closes all, runs the loop until it is done, frees. */
void scripted_server_stop(struct scripted_server *server);

/* Runs the loop until *flag or for limit_ms of real time; returns *flag. */
bool scripted_run_until(uv_loop_t *loop, const bool *flag, uint32_t limit_ms);

#endif
