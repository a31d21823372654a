/*
 * The bench.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/common/catalogue.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

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
    runtime_uv_init(&bench->runtime, &bench->loop, 1, BENCH_NOW_MS);
    bench->http = http_new(&bench->loop, &(struct http_options){.user_agent = "trimtab-test"});
    script_server_start(&bench->server, &bench->loop);
}

static const char *credential(void *ctx, const char *key) {
    struct bench *bench = ctx;
    if (str_eq(key, "PROMETHEUS_TOKEN"))
        return "prometheus-t0ken";
    if (str_eq(key, "KUBECONFIG"))
        return bench->own_kubeconfig;
    if (!str_eq(key, "kubeconfig") || bench->has_no_kubeconfig)
        return NULL;
    if (bench->kubeconfig != NULL)
        return bench->kubeconfig;
    mem_free(bench->made_kubeconfig);
    bench->made_kubeconfig = mem_printf("apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                                        "clusters: [{name: k, cluster: {server: \"http://127.0.0.1:%d\"}}]\n"
                                        "users: [{name: u, user: {token: " BENCH_TOKEN "}}]\n"
                                        "contexts: [{name: c, context: {cluster: k, user: u}}]\n",
                                        bench->server.port);
    return bench->made_kubeconfig;
}

/* "@" is the server's address. */
static struct json *parse_parameters(const struct bench *bench, const char *text) {
    struct buf out = {0};
    struct json *root = NULL;
    struct error err = {0};
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '@')
            buf_printf(&out, "http://127.0.0.1:%d", bench->server.port);
        else
            buf_putc(&out, *c);
    }
    cr_assert_eq(json_parse(buf_bytes(&out), &root, &err), ERR_NONE, "%s", err.message);
    buf_release(&out);
    return root;
}

enum err_class bench_open(struct bench *bench, const char *parameters, struct error *err) {
    struct json *block = parameters != NULL ? parse_parameters(bench, parameters) : NULL;
    const struct adapter_config config = {.name = "test",
                                          .endpoint = bench->endpoint,
                                          .credential = credential,
                                          .credential_ctx = bench,
                                          .is_environment = bench->is_environment,
                                          .parameters = block};
    const struct adapter_env env = {&bench->runtime.base, bench->http, bench->catalogue};
    enum err_class class = adapter_kubernetes.open(&bench->adapter, &env, &config, err);
    json_free(block);
    return class;
}

void bench_open_well(struct bench *bench, const char *parameters) {
    struct error err = {0};
    cr_assert_eq(bench_open(bench, parameters, &err), ERR_NONE, "%s", err.message);
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

void bench_submit(struct bench *bench, size_t index, const struct cloud_query *query) {
    struct bench_call *self = &bench->calls[index];
    bench_call(bench, index);
    self->is_submitting = true;
    bench->adapter->ops->list(bench->adapter, &self->call, query);
    self->is_submitting = false;
}

void bench_wait(struct bench *bench, size_t index) {
    while (bench->calls[index].done_count == 0)
        uv_run(&bench->loop, UV_RUN_ONCE);
}

void bench_turn(struct bench *bench) {
    uv_run(&bench->loop, UV_RUN_NOWAIT);
}

const struct adapter_reply *bench_query(struct bench *bench, bench_verb *verb, const struct cloud_query *query) {
    struct adapter_call *call = bench_call(bench, 0);
    bench->calls[0].is_submitting = true;
    verb(bench->adapter, call, query);
    bench->calls[0].is_submitting = false;
    bench_wait(bench, 0);
    return &call->reply;
}

const struct adapter_reply *bench_list(struct bench *bench, uint32_t kinds, size_t count_max) {
    const struct cloud_query query = {.kinds = kinds, .region = CLOUD_REGION_CLUSTER, .count_max = count_max};
    return bench_query(bench, adapter_kubernetes.list, &query);
}

const struct adapter_reply *bench_account(struct bench *bench) {
    struct adapter_call *call = bench_call(bench, 0);
    bench->adapter->ops->account(bench->adapter, call);
    bench_wait(bench, 0);
    return &call->reply;
}

void bench_items(struct bench *bench, const char *more, const char *items) {
    char *body = mem_printf("{\"kind\": \"List\", \"metadata\": {\"continue\": \"%s\"}, \"items\": [%s]}", more, items);
    script_reply(&bench->server, 200, "Content-Type: application/json\r\n", body);
    mem_free(body);
}

void bench_status(struct bench *bench, int status, const char *reason, const char *message) {
    char *body = mem_printf("{\"kind\": \"Status\", \"status\": \"Failure\", \"reason\": \"%s\", \"message\": \"%s\", "
                            "\"code\": %d}",
                            reason, message, status);
    script_reply(&bench->server, status, "Content-Type: application/json\r\n", body);
    mem_free(body);
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
    catalogue_free(bench->catalogue);
    arena_release(&bench->arena);
    mem_free(bench->made_kubeconfig);
    cr_expect_eq(uv_loop_close(&bench->loop), 0, "handles are left over");
}
