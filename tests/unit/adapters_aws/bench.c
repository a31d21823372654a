/*
 * The bench.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"

const struct cloud_query bench_groups = {.kinds = 1u << CLOUD_INSTANCE_GROUP, .region = "us-east-1", .count_max = 1000};
static struct cloud_query query;
static struct cloud_action action;

static void on_watchdog(uv_timer_t *timer) {
    (void)timer;
    fputs("the test hangs\n", stderr);
    abort(); /* An assertion would only run the end of the fixture, which may hang likewise. */
}

void bench_init(struct bench *bench) {
    *bench = (struct bench){0};
    uv_loop_init(&bench->loop);
    uv_timer_init(&bench->loop, &bench->watchdog);
    uv_timer_start(&bench->watchdog, on_watchdog, 10000, 0);
    uv_timeval64_t now;
    uv_gettimeofday(&now);
    /* A wall clock of its own: bench_advance steps it. */
    runtime_uv_init(&bench->runtime, &bench->loop, 1, now.tv_sec * 1000);
    bench->http = http_new(&bench->loop, &(struct http_options){.user_agent = "trimtab-test"});
    script_server_start(&bench->server, &bench->loop);
}

void bench_advance(struct bench *bench, int64_t seconds) {
    bench->runtime.origin_wall_ms += seconds * 1000;
}

void bench_key(struct bench *bench, const char *name, const char *value) {
    size_t i = 0;
    while (i < BENCH_KEYS_MAX && bench->keys[i][0] != NULL)
        i++;
    cr_assert(i < BENCH_KEYS_MAX);
    bench->keys[i][0] = name;
    bench->keys[i][1] = value;
}

void bench_static_keys(struct bench *bench) {
    bench_key(bench, "AWS_ACCESS_KEY_ID", BENCH_ID);
    bench_key(bench, "AWS_SECRET_ACCESS_KEY", BENCH_SECRET);
}

static const char *credential(void *ctx, const char *key) {
    const struct bench *bench = ctx;
    for (size_t i = 0; i < BENCH_KEYS_MAX && bench->keys[i][0] != NULL; i++) {
        if (str_eq(bench->keys[i][0], key))
            return bench->keys[i][1];
    }
    return NULL;
}

enum err_class bench_open(struct bench *bench, struct error *err) {
    char *endpoint = mem_printf("http://127.0.0.1:%d/", bench->server.port);
    const char *regions[] = {"us-east-1"};
    struct json *parameters = NULL;
    if (bench->parameters != NULL)
        cr_assert_eq(json_parse(bytes_of(bench->parameters), &parameters, err), ERR_NONE, "%s", err->message);
    const struct adapter_config config = {.name = "test",
                                          .regions = regions,
                                          .region_count = 1,
                                          .endpoint = bench->endpoint != NULL ? bench->endpoint : endpoint,
                                          .gate = bench->gate,
                                          .credential = credential,
                                          .credential_ctx = bench,
                                          .is_environment = !bench->is_secret,
                                          .parameters = parameters};
    const struct adapter_env env = {&bench->runtime.base, bench->http, bench->catalogue};
    enum err_class class = adapter_aws.open(&bench->adapter, &env, &config, err);
    json_free(parameters);
    mem_free(endpoint);
    return class;
}

void bench_open_static(struct bench *bench) {
    struct error err = {0};
    bench_static_keys(bench);
    cr_assert_eq(bench_open(bench, &err), ERR_NONE, "%s", err.message);
}

static void on_done(struct adapter_call *call) {
    struct bench_call *self = CONTAINER_OF(call, struct bench_call, call);
    cr_assert(!self->is_submitting, "done ran inside the submit");
    cr_assert_null(call->state);
    self->done_count++;
    uv_stop(&((struct bench *)call->ctx)->loop); /* libuv would poll once more before it returns. */
}

struct adapter_call *bench_call(struct bench *bench, size_t index) {
    struct bench_call *self = &bench->calls[index];
    *self = (struct bench_call){.call = {.done = on_done, .ctx = bench, .arena = &bench->arena}};
    return &self->call;
}

void bench_submit_list(struct bench *bench, size_t index) {
    struct bench_call *self = &bench->calls[index];
    self->is_submitting = true;
    bench->adapter->ops->list(bench->adapter, &self->call, &bench_groups);
    self->is_submitting = false;
}

void bench_wait(struct bench *bench, size_t index) {
    while (bench->calls[index].done_count == 0)
        uv_run(&bench->loop, UV_RUN_ONCE);
}

void bench_turn(struct bench *bench) {
    uv_run(&bench->loop, UV_RUN_NOWAIT);
}

const struct adapter_reply *bench_list(struct bench *bench, uint32_t kinds, size_t count_max) {
    query = (struct cloud_query){.kinds = kinds, .region = "us-east-1", .count_max = count_max};
    struct adapter_call *call = bench_call(bench, 0);
    bench->adapter->ops->list(bench->adapter, call, &query);
    bench_wait(bench, 0);
    return &call->reply;
}

const struct adapter_reply *bench_query(struct bench *bench,
                                        void (*verb)(struct adapter *self, struct adapter_call *call,
                                                     const struct cloud_query *query),
                                        const struct cloud_query *what) {
    struct adapter_call *call = bench_call(bench, 0);
    bench->calls[0].is_submitting = true;
    verb(bench->adapter, call, what);
    bench->calls[0].is_submitting = false;
    bench_wait(bench, 0);
    return &call->reply;
}

const struct adapter_reply *bench_scale(struct bench *bench, const char *id, int64_t count) {
    action = (struct cloud_action){.verb = CLOUD_SCALE,
                                   .kind = CLOUD_INSTANCE_GROUP,
                                   .region = "us-east-1",
                                   .id = id,
                                   .count = count,
                                   .token = "token"};
    struct adapter_call *call = bench_call(bench, 0);
    bench->adapter->ops->apply(bench->adapter, call, &action);
    bench_wait(bench, 0);
    return &call->reply;
}

static void on_closed(void *ctx) {
    struct bench *self = ctx;
    self->is_closed = true;
    uv_stop(&self->loop);
}

void bench_release(struct bench *bench) {
    if (bench->adapter != NULL && !bench->is_closed) {
        bench->adapter->ops->close(bench->adapter, on_closed, bench);
        cr_assert(!bench->is_closed, "closed ran inside close");
        while (!bench->is_closed)
            uv_run(&bench->loop, UV_RUN_ONCE);
    }
    for (size_t i = 0; i < BENCH_CALLS_MAX; i++)
        cr_expect_eq(bench->calls[i].done_count, bench->calls[i].call.done != NULL, "call %zu", i);
    bench->is_closed = false;
    http_close(bench->http, on_closed, bench);
    while (!bench->is_closed)
        uv_run(&bench->loop, UV_RUN_ONCE);
    http_free(bench->http);
    script_server_stop(&bench->server);
    runtime_uv_close(&bench->runtime);
    uv_close((uv_handle_t *)&bench->watchdog, NULL);
    while (uv_run(&bench->loop, UV_RUN_DEFAULT) != 0)
        continue;
    runtime_uv_release(&bench->runtime);
    script_server_release(&bench->server);
    arena_release(&bench->arena);
    cr_expect_eq(uv_loop_close(&bench->loop), 0, "handles are left over");
}
