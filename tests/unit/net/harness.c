/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/net/harness.h"

#include <criterion/criterion.h>

#include "base/mem.h"

uv_loop_t loop;
struct http *http;
struct scripted_server *server;

void harness_open(const struct http_options *options) {
    uv_loop_init(&loop);
    http = http_new(&loop, options);
}

static void on_closed(void *ctx) {
    ++*(int *)ctx;
}

void harness_close(void) {
    int closed_count = 0;
    if (http) {
        http_close(http, on_closed, &closed_count);
        cr_assert_eq(closed_count, 0, "closed must run later");
        for (int i = 0; i < 1000 && closed_count == 0; i++)
            uv_run(&loop, UV_RUN_NOWAIT);
        cr_assert_eq(closed_count, 1);
        http_free(http);
    }
    if (server)
        scripted_server_stop(server);
    uv_run(&loop, UV_RUN_NOWAIT);
    cr_assert_eq(uv_loop_close(&loop), 0, "a handle is left open");
}

void harness_serve(const struct scripted_reply *script, size_t count) {
    /* Compound literals die with the test's block, which outlives the server's use of them. */
    server = scripted_server_start(&loop, NULL, script, count);
}

bool probe_on_data(struct http_request *request, struct bytes piece) {
    struct probe *probe = CONTAINER_OF(request, struct probe, request);
    cr_assert(http_request_in_flight(request), "data after done");
    buf_append(&probe->body, piece.data, piece.size);
    if (probe->cancel_inside)
        http_cancel(probe->cancel_inside);
    return ++probe->pieces != probe->stop_after;
}

void probe_done(struct http_request *request) {
    struct probe *probe = CONTAINER_OF(request, struct probe, request);
    probe->done_count++;
    probe->is_done = true;
    cr_assert_not(http_request_in_flight(request));
    if (probe->send_in_done)
        http_send(http, probe->send_in_done);
}

void probe_init(struct probe *probe) {
    *probe = (struct probe){0};
    probe->request.method = "GET";
    probe->request.url = server ? server->url : "http://127.0.0.1:1/";
    probe->request.done = probe_done;
    probe->request.timeout_ms = 8000;
}

void probe_stream(struct probe *probe) {
    probe_init(probe);
    probe->request.on_data = probe_on_data;
}

void probe_send(struct probe *probe) {
    probe->is_done = false;
    int before = probe->done_count;
    http_send(http, &probe->request);
    cr_assert_eq(probe->done_count, before, "done must not run inside http_send");
}

void probe_wait(struct probe *probe) {
    cr_assert(scripted_run_until(&loop, &probe->is_done, 10000), "no answer");
}

void probe_run(struct probe *probe) {
    probe_send(probe);
    probe_wait(probe);
}

void probe_release(struct probe *probe) {
    http_request_release(&probe->request);
    buf_release(&probe->body);
}
