/*
 * A client that says exactly the bytes it is given and runs the server's loop while it waits for the answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_SUPPORT_RAW_HTTP_H
#define TRIMTAB_TESTS_SUPPORT_RAW_HTTP_H

#include <uv.h>

#include "base/buf.h"

/* A connected blocking socket: to a port of the loopback, or to a unix socket. -1: refused. */
int raw_http_connect_tcp(uint16_t port);
int raw_http_connect_unix(const char *path);
/* Sends, then runs the loop until the peer closes or 5 s have passed. The answer is in *reply, whole. */
void raw_http_exchange(uv_loop_t *loop, int fd, struct bytes request, struct buf *reply);
/* The body of an answer. */
const char *raw_http_body(const struct buf *reply);

#endif
