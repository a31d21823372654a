/*
 * What the fuzz targets of network adapters share: an HTTP that answers from the input, instead of the real one of
 * net/, and a driver that makes one call of the contract and checks how it ended. Included by one file of a program.
 *
 *     input = chooser byte, then replies separated by 0x1e: three digits of a status, "+" or a content type's initial,
 *             and the body; when they have run out, the connection fails.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_FUZZ_REPLY_H
#define TRIMTAB_TESTS_FUZZ_REPLY_H

#include <stdlib.h>
#include <string.h>

#include "adapters/adapter.h"
#include "adapters/common/catalogue.h"
#include "base/mem.h"
#include "base/runtime_virtual.h"
#include "base/str.h"
#include "net/http.h"

#define FUZZ_SEPARATOR 0x1e
#define FUZZ_START_MS INT64_C(1790000000000)
#define FUZZ_SEED 1

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- an HTTP that answers from the input ---- */

struct http {
    struct runtime *runtime;
    uv_loop_t *loop;
    const uint8_t *data;
    size_t size;
    size_t request_count;
};

struct http_transfer {
    struct http_request *request;
    struct timer timer;
    bool is_cancelled;
};

uv_loop_t *http_loop(const struct http *http) {
    return http->loop;
}

bool http_request_in_flight(const struct http_request *request) {
    return request->transfer != NULL;
}

void http_request_release(struct http_request *request) {
    ASSERT(request->transfer == NULL);
    buf_release(&request->reply);
}

static struct bytes fuzz_next(struct http *http) {
    const uint8_t *end = http->size > 0 ? memchr(http->data, FUZZ_SEPARATOR, http->size) : NULL;
    size_t size = end != NULL ? (size_t)(end - http->data) : http->size;
    struct bytes piece = {(const char *)http->data, size};
    size_t skip = end != NULL ? size + 1 : size;
    http->data += skip;
    http->size -= skip;
    return piece;
}

static void fuzz_answer(struct http_request *request, struct bytes piece) {
    request->reply = (struct buf){0};
    if (piece.size < 4) {
        error_set(&request->error, ERR_RETRYABLE, "the connection broke");
        request->error.effect = EFFECT_UNKNOWN;
        return;
    }
    for (size_t i = 0; i < 3; i++)
        request->status = request->status * 10 + ((unsigned)piece.data[i] % 10);
    if (request->status < 200)
        request->status += 200;
    static const char *const types[] = {"text/xml", "application/json", "text/html", "text/csv"};
    (void)str_copy(request->content_type, sizeof(request->content_type), types[(unsigned)piece.data[3] % 4]);
    struct bytes body = {piece.data + 4, piece.size - 4};
    if (request->on_data != NULL && request->status < 300) {
        while (body.size > 0) {
            size_t size = body.size < 100 ? body.size : 100;
            if (!request->on_data(request, (struct bytes){body.data, size})) {
                error_set(&request->error, ERR_CANCELLED, "aborted");
                return;
            }
            body.data += size;
            body.size -= size;
        }
    } else {
        buf_append(&request->reply, body.data, body.size);
    }
}

static void fuzz_deliver(struct timer *timer) {
    struct http_transfer *transfer = timer->ctx;
    struct http_request *request = transfer->request;
    if (transfer->is_cancelled) {
        request->reply = (struct buf){0};
        error_set(&request->error, ERR_CANCELLED, "cancelled");
    } else {
        fuzz_answer(request, fuzz_next(request->http));
    }
    request->transfer = NULL;
    mem_free(transfer);
    request->done(request);
}

void http_send(struct http *http, struct http_request *request) {
    ASSERT(request->method != NULL && request->url != NULL && request->done != NULL);
    struct http_transfer *transfer = mem_alloc(sizeof(*transfer));
    transfer->request = request;
    request->http = http;
    request->transfer = transfer;
    request->status = 0;
    request->error = (struct error){0};
    http->request_count++;
    timer_start(http->runtime, &transfer->timer, NS_PER_MS, fuzz_deliver, transfer);
}

void http_cancel(struct http_request *request) {
    if (request->transfer != NULL)
        request->transfer->is_cancelled = true;
}

/* ---- one call of the contract ---- */

struct fuzz_run {
    struct runtime_virtual runtime;
    uv_loop_t loop;
    struct http http;
    struct adapter *adapter;
    struct arena arena;
    struct adapter_call call;
    int done_count;
    bool is_closed;
};

static void fuzz_done(struct adapter_call *call) {
    struct fuzz_run *run = call->ctx;
    ASSERT(call->state == NULL);
    run->done_count++;
}

static void fuzz_closed(void *ctx) {
    *(bool *)ctx = true;
}

static void fuzz_check_text(const char *text) {
    ASSERT(text != NULL);
    ASSERT(str_is_utf8(text, strlen(text)));
}

static void fuzz_check_resources(const struct adapter_reply *reply) {
    for (size_t i = 0; i < reply->count; i++) {
        const struct cloud_resource *resource = &reply->as.resources[i];
        fuzz_check_text(resource->id);
        fuzz_check_text(resource->name);
        fuzz_check_text(resource->type);
        fuzz_check_text(resource->zone);
        ASSERT(resource->kind < CLOUD_KIND_COUNT && resource->state < CLOUD_STATE_COUNT);
        ASSERT(i == 0 || cloud_resource_cmp(resource - 1, resource) <= 0);
        for (size_t t = 0; t < resource->tag_count; t++)
            ASSERT(t == 0 || cloud_tag_cmp(&resource->tags[t - 1], &resource->tags[t]) <= 0);
    }
}

static void fuzz_check(const struct fuzz_run *run, size_t verb) {
    const struct adapter_reply *reply = &run->call.reply;
    ASSERT(run->done_count == 1);
    if (reply->error.class != ERR_NONE) {
        ASSERT(reply->error.message[0] != '\0');
        ASSERT(str_is_utf8(reply->error.message, strlen(reply->error.message)));
        return;
    }
    if (verb == 1)
        fuzz_check_resources(reply);
    for (size_t i = 0; verb == 3 && i < reply->count; i++) {
        const struct cloud_series *series = &reply->as.series[i];
        for (size_t k = 1; k < series->utilization_count; k++)
            ASSERT(series->utilization[k - 1].time_ms < series->utilization[k].time_ms);
    }
    if (verb >= 6)
        ASSERT(reply->as.operation != NULL && strlen(reply->as.operation) <= ADAPTER_OPERATION_MAX);
}

/* verb: 0 account, 1 list, 2 prices, 3 usage, 4 charges, 5 limits, 6 poll, 7... apply of action - 7. */
static void fuzz_submit(struct fuzz_run *run, size_t verb, const struct cloud_query *query,
                        const struct cloud_action *actions, const char *operation) {
    const struct adapter_ops *ops = run->adapter->ops;
    run->call = (struct adapter_call){.done = fuzz_done, .ctx = run, .arena = &run->arena, .timeout_ms = 60000};
    switch (verb) {
    case 0:
        ops->account(run->adapter, &run->call);
        break;
    case 1:
        ops->list(run->adapter, &run->call, query);
        break;
    case 2:
        ops->prices(run->adapter, &run->call, query);
        break;
    case 3:
        ops->usage(run->adapter, &run->call, query);
        break;
    case 4:
        ops->charges(run->adapter, &run->call, query);
        break;
    case 5:
        ops->limits(run->adapter, &run->call, query);
        break;
    case 6:
        ops->poll(run->adapter, &run->call, operation);
        break;
    default:
        ops->apply(run->adapter, &run->call, &actions[verb - 7]);
        break;
    }
}

/* Opens, makes the call that the first byte chooses, closes. */
static void fuzz_adapter(const struct adapter_ops *ops, const struct adapter_config *config,
                         const struct cloud_query *query, const struct cloud_action *actions, size_t action_count,
                         const char *const *operations, size_t operation_count, const uint8_t *data, size_t size) {
    struct fuzz_run run = {0};
    struct error err = {0};
    if (size == 0)
        return;
    runtime_virtual_init(&run.runtime, FUZZ_SEED, FUZZ_START_MS);
    uv_loop_init(&run.loop);
    run.http.loop = &run.loop;
    run.http.runtime = &run.runtime.base;
    run.http.data = data + 1;
    run.http.size = size - 1;
    const struct adapter_env env = {.runtime = &run.runtime.base, .http = &run.http};
    enum err_class class = ops->open(&run.adapter, &env, config, &err);
    ASSERT(class == ERR_NONE);
    size_t verb = data[0] % (7 + action_count);
    fuzz_submit(&run, verb, query, actions, operations[data[0] % operation_count]);
    while (run.done_count == 0 && runtime_virtual_step(&run.runtime, UINT64_MAX))
        uv_run(&run.loop, UV_RUN_NOWAIT);
    fuzz_check(&run, verb);
    run.adapter->ops->close(run.adapter, fuzz_closed, &run.is_closed);
    while (!run.is_closed) {
        runtime_virtual_step(&run.runtime, UINT64_MAX);
        uv_run(&run.loop, UV_RUN_NOWAIT);
    }
    ASSERT(uv_loop_close(&run.loop) == 0);
    arena_release(&run.arena);
    runtime_virtual_release(&run.runtime);
}

#endif
