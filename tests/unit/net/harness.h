/*
 * What the tests of net/ share: one loop, one client, and a probe that records how a request ended.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_NET_HARNESS_H
#define TRIMTAB_TESTS_NET_HARNESS_H

#include "net/http.h"
#include "tests/unit/net/scripted_http.h"

struct probe {
    struct http_request request;
    int done_count;
    bool is_done;
    struct buf body;                    /* What on_data was given. */
    size_t pieces, stop_after;          /* stop_after n: on_data says false at piece n. 0: never. */
    struct http_request *cancel_inside; /* on_data cancels this one. */
    struct http_request *send_in_done;  /* done sends this one. */
};

extern uv_loop_t loop;
extern struct http *http;
extern struct scripted_server *server;

void harness_open(const struct http_options *options);
void harness_close(void); /* Also checks that no handle is left. */
void harness_serve(const struct scripted_reply *script, size_t count);
#define SERVE(...)                                                                                                     \
    harness_serve((const struct scripted_reply[]){__VA_ARGS__},                                                        \
                  sizeof((const struct scripted_reply[]){__VA_ARGS__}) / sizeof(struct scripted_reply))

/* A GET of the server's root, unless changed before probe_send. */
void probe_init(struct probe *probe);
void probe_stream(struct probe *probe); /* With on_data. */
void probe_send(struct probe *probe);
void probe_wait(struct probe *probe); /* Fails the test after 10 s. */
void probe_run(struct probe *probe);  /* send + wait */
void probe_release(struct probe *probe);
bool probe_on_data(struct http_request *request, struct bytes piece);
void probe_done(struct http_request *request);

#endif
