/*
 * One request to the API server, and its reply as JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/kubernetes/kubernetes_internal.h"
#include "base/str.h"

void kubernetes_request(struct call *call, const char *method, const char *path) {
    ASSERT(path[0] == '/');
    call->api = KUBERNETES_API;
    call->region = CLOUD_REGION_CLUSTER;
    call->exchange.request.method = method;
    buf_puts(&call->exchange.url, kubernetes_of(call)->config.server);
    buf_puts(&call->exchange.url, path);
    exchange_header(&call->exchange, "accept", "application/json");
}

void kubernetes_request_body(struct call *call, const char *content_type, struct bytes body) {
    exchange_header(&call->exchange, "content-type", "%s", content_type);
    buf_append(&call->exchange.body, body.data, body.size);
}

const struct json *kubernetes_reply(struct call *call, struct error *err) {
    return exchange_reply_object(&call->exchange, err);
}

const char *kubernetes_escape(struct call *call, const char *text) {
    struct buf out = {0};
    signing_append_encoded(&out, bytes_of(text), "");
    const char *escaped = arena_strdup(&call->exchange.arena, buf_text(&out));
    buf_release(&out);
    return escaped;
}
