/*
 * The embedded HTTP server (libmicrohttpd in external epoll mode on the libuv loop): handlers run on the loop thread
 * and answer at once from what is published. Bodies, header sizes, connections and time are bounded.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_SERVE_SERVER_H
#define TRIMTAB_SERVE_SERVER_H

#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"
#include "base/error.h"

struct server;

struct server_request {        /* Borrowed. */
    const char *method, *path; /* Path without query, percent-decoded. */
    const char *(*query)(const struct server_request *request,
                         const char *key); /* NULL if absent; "" for a bare key. */
    const char *(*header)(const struct server_request *request, const char *name);
    struct bytes body;
    void *impl;
};

struct server_reply {
    unsigned status;          /* 200 */
    const char *content_type; /* Static; "application/json" */
    struct buf body;
    int64_t date_ms; /* What the Date header says, where that is not the machine's clock; 0: it is. */
};

/* First match wins; a route whose path ends in '/' matches as a prefix. */
struct server_route {
    const char *path;
    void (*handle)(void *ctx, const struct server_request *request, struct server_reply *reply);
};

struct server_options {
    const char *listen;                /* "127.0.0.1:8080", "[::1]:0", ":8080"; NULL with unix_socket. */
    const char *unix_socket;           /* Created with mode 0600; a stale one is replaced. */
    const struct server_route *routes; /* Ends at path NULL. Outlives the server. */
    void *ctx;
};

MUST_CHECK enum err_class server_start(uv_loop_t *loop, const struct server_options *options, struct server **ret,
                                       struct error *err);
uint16_t server_port(const struct server *server);                              /* The bound one. */
void server_stop(struct server *server, void (*stopped)(void *ctx), void *ctx); /* Then it is freed. */

/* Whether somebody listens on a unix socket; never waits. */
bool server_socket_answers(const char *path);

#endif
