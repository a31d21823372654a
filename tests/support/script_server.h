/*
 * A small HTTP/1.1 server in the loop of the test: it answers each request with the next reply of a script and keeps
 * what was asked. It can also fall silent, cut a body, or send what is no HTTP at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_SUPPORT_SCRIPT_SERVER_H
#define TRIMTAB_TESTS_SUPPORT_SCRIPT_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"

#define SCRIPT_STEPS_MAX 64

struct script_connection;

struct script_server {
    uv_tcp_t listener;
    int port;
    char *steps[SCRIPT_STEPS_MAX]; /* Raw replies; NULL: never answer. */
    bool step_closes[SCRIPT_STEPS_MAX];
    size_t step_count, step_at;
    char *(*endless)(size_t number); /* Beyond the script: the body of a 200, by mem_alloc. NULL: silence. */
    size_t endless_count;
    char *requests[SCRIPT_STEPS_MAX]; /* Head and body as they came. */
    size_t request_count;
    struct script_connection *connections;
};

void script_server_start(struct script_server *server, uv_loop_t *loop);
void script_server_stop(struct script_server *server); /* Run the loop afterwards, then script_server_release. */
void script_server_release(struct script_server *server);

/* extra_headers: "Name: value\r\n..." or "". */
void script_reply(struct script_server *server, int status, const char *extra_headers, const char *body);
void script_raw(struct script_server *server, const char *raw); /* Sent as it is, then the connection is closed. */
void script_silence(struct script_server *server);
/* The request in that position; "" if there was none. */
const char *script_request(const struct script_server *server, size_t index);

#endif
