/*
 * A kube client that is driven until its one call is done.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/client.h"

#include <stdio.h>
#include <time.h>
#include <uv.h>

#include "base/mem.h"
#include "base/runtime_uv.h"
#include "cli/cli.h"
#include "cli/local_paths.h"
#include "kube/client.h"
#include "kube/config.h"
#include "net/http.h"

struct cli_client {
    uv_loop_t loop;
    struct runtime_uv runtime;
    struct http *http;
    struct kube_client *kube;
    struct arena arena;
    struct kube_config config;
    const char *namespace;
    int64_t date_ms; /* Of the last answer; 0: none told. */
};

static enum err_class config_find(struct cli_client *client, const struct cli_where *where, struct error *err) {
    if (!where->local)
        return kube_config_load(where->kubeconfig, where->context, &client->arena, &client->config, err);
    if (local_paths_find(where->local, &client->arena, &client->config.unix_socket, err) != ERR_NONE)
        return err->class;
    client->config.server = "http://localhost";
    client->config.namespace = "default";
    return ERR_NONE;
}

enum err_class cli_client_open(const struct cli_where *where, struct cli_client **ret, struct error *err) {
    struct cli_client *client = mem_alloc(sizeof(*client));
    if (config_find(client, where, err) != ERR_NONE) {
        arena_release(&client->arena);
        mem_free(client);
        return err->class;
    }
    client->namespace = where->namespace ? where->namespace : client->config.namespace;
    int rc = uv_loop_init(&client->loop);
    ASSERT(rc == 0);
    runtime_uv_init(&client->runtime, &client->loop, 1, 0);
    const struct http_options options = {.user_agent = "trimtab/" TRIMTAB_VERSION};
    client->http = http_new(&client->loop, &options);
    client->kube = kube_client_new(&client->runtime.base, client->http, &client->loop, &client->config,
                                   &(const struct kube_client_options){0});
    *ret = client;
    return ERR_NONE;
}

static void on_http_closed(void *ctx) {
    struct cli_client *client = ctx;
    http_free(client->http);
    runtime_uv_close(&client->runtime);
}

static void on_kube_closed(void *ctx) {
    struct cli_client *client = ctx;
    http_close(client->http, on_http_closed, client);
}

void cli_client_close(struct cli_client *client) {
    if (!client)
        return;
    kube_client_close(client->kube, on_kube_closed, client);
    uv_run(&client->loop, UV_RUN_DEFAULT);
    kube_client_free(client->kube);
    runtime_uv_release(&client->runtime);
    int rc = uv_loop_close(&client->loop);
    ASSERT(rc == 0);
    arena_release(&client->arena);
    mem_free(client);
}

const char *cli_client_namespace(const struct cli_client *client) {
    return client->namespace;
}

int64_t cli_client_now_ms(const struct cli_client *client) {
    struct timespec now;
    if (client->date_ms > 0)
        return client->date_ms;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000;
}

static void on_done(struct kube_call *call) {
    *(bool *)call->ctx = true;
}

static enum err_class run(struct cli_client *client, struct kube_call *call, struct json **ret, struct error *err) {
    bool is_done = false;
    call->done = on_done;
    call->ctx = &is_done;
    kube_call_send(client->kube, call);
    while (!is_done)
        uv_run(&client->loop, UV_RUN_ONCE);
    enum err_class class = call->error.class;
    client->date_ms = call->date_ms > 0 ? call->date_ms : client->date_ms;
    if (class != ERR_NONE) {
        *err = call->error;
    } else {
        *ret = call->reply;
        call->reply = NULL; /* Now the caller's. */
    }
    kube_call_release(call);
    return class;
}

enum err_class cli_client_get(struct cli_client *client, const char *path, struct json **ret, struct error *err) {
    struct kube_call call = {.method = "GET", .path = path};
    return run(client, &call, ret, err);
}

enum err_class cli_client_patch(struct cli_client *client, const char *path, const struct buf *body, struct json **ret,
                                struct error *err) {
    struct kube_call call = {
        .method = "PATCH", .path = path, .content_type = "application/merge-patch+json", .body = buf_bytes(body)};
    return run(client, &call, ret, err);
}

void cli_path_append(struct buf *out, enum object_kind kind, const char *namespace, const char *name) {
    if (kind == OBJECT_NAMESPACE) {
        buf_puts(out, "/api/v1/namespaces");
    } else {
        buf_puts(out, "/apis/" API_GROUP "/" API_VERSION);
        if (namespace) {
            buf_puts(out, "/namespaces/");
            http_append_escaped(out, namespace, "");
        }
        buf_printf(out, "/%s", object_kind_plural(kind));
    }
    if (name) {
        buf_putc(out, '/');
        http_append_escaped(out, name, "");
    }
}

int cli_fail(const struct error *err) {
    fprintf(stderr, "trimtab: %s\n", err->message);
    return CLI_FAILED;
}
