/*
 * What an API server's refusal means: a metav1 Status (reason, message, details.retryAfterSeconds), or whatever a proxy
 * on the way had to say.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/kubernetes/kubernetes_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define RETRY_AFTER_MAX_S 3600

const struct error_rule kubernetes_error_rules[] = {
    /* The credential: one refresh is worth it, a file or a plugin may have a new one. */
    {.code = "*", .status = 401, .class = ERR_PERMISSION, .hint = ERROR_HINT_EXPIRED},
    /* A quota that is full refuses as Forbidden; waiting for rights would be the wrong reaction. */
    {.code = "Forbidden", .message = "exceeded quota", .class = ERR_PERMANENT},
    /* So do a LimitRange, a webhook and the pod security standards: of this one object. */
    {.code = "Forbidden", .message = "usage per ", .class = ERR_PERMANENT},
    {.code = "Forbidden", .message = "ratio per ", .class = ERR_PERMANENT},
    {.code = "Forbidden", .message = "admission webhook", .class = ERR_PERMANENT},
    {.code = "Forbidden", .message = "violates PodSecurity", .class = ERR_PERMANENT},
    {.code = "Forbidden", .class = ERR_PERMISSION},
    {.code = "Unauthorized", .class = ERR_PERMISSION},

    /* Priority and fairness, and evictions that a PodDisruptionBudget holds back. */
    {.code = "TooManyRequests", .class = ERR_THROTTLED},

    /* The world moved. */
    {.code = "Conflict", .class = ERR_CONFLICT},
    {.code = "AlreadyExists", .class = ERR_CONFLICT},
    {.code = "NotFound", .class = ERR_CONFLICT},
    {.code = "Gone", .class = ERR_CONFLICT},
    {.code = "Expired", .class = ERR_CONFLICT}, /* A continue token. */

    /* Our request is wrong. */
    {.code = "Invalid", .class = ERR_PERMANENT},
    {.code = "BadRequest", .class = ERR_PERMANENT},
    {.code = "MethodNotAllowed", .class = ERR_PERMANENT},
    {.code = "NotAcceptable", .class = ERR_PERMANENT},
    {.code = "UnsupportedMediaType", .class = ERR_PERMANENT},
    {.code = "RequestEntityTooLarge", .class = ERR_PERMANENT},

    /* The server: a timeout and a fault may have done it, what was not admitted has not. */
    {.code = "ServerTimeout", .class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN},
    {.code = "Timeout", .class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN},
    {.code = "InternalError", .class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN},
    {.code = "ServiceUnavailable", .class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN},
    {.code = "StorageReadError", .class = ERR_RETRYABLE},
};
const size_t kubernetes_error_rule_count = ARRAY_LEN(kubernetes_error_rules);

bool kubernetes_repeats_secret(const struct call *call, const char *text) {
    const struct kubernetes *self = kubernetes_of(call);
    const char *header = kube_auth_header(self->credential.auth);
    const char *token = header != NULL ? strrchr(header, ' ') : NULL;
    return (token != NULL && token[1] != '\0' && strstr(text, token + 1) != NULL) ||
           (self->prometheus_token != NULL && strstr(text, self->prometheus_token) != NULL);
}

enum error_hint kubernetes_refusal(struct call *call, struct error *err) {
    const struct http_request *request = &call->exchange.request;
    struct error ignored = {0};
    const struct json *status = kubernetes_reply(call, &ignored);
    bool is_cluster = str_eq(call->api, KUBERNETES_API);
    /* Prometheus says {"status": "error", "errorType", "error"}. */
    const char *code = json_string(json_get(status, is_cluster ? "reason" : "errorType"), "");
    const char *message = json_string(json_get(status, is_cluster ? "message" : "error"), "");
    int64_t retry_s = json_int(json_at(status, "details.retryAfterSeconds"), 0);
    const struct error_rule *rule =
        error_table_find(kubernetes_error_rules, kubernetes_error_rule_count, code, message, request->status);
    *err = (struct error){.class = rule->class, .effect = rule->effect};
    call_quote_code(call, code, err);
    if (retry_s > 0 && retry_s <= RETRY_AFTER_MAX_S && request->retry_after_ms == 0)
        err->retry_after_ms = (uint32_t)retry_s * 1000;
    if (message[0] == '\0') {
        error_set(err, rule->class, "HTTP status %u (%s)", request->status,
                  request->content_type[0] != '\0' ? request->content_type : "no content type");
        err->effect = rule->effect;
    } else {
        call_quote(call, message, err);
    }
    /* A wrong token of Prometheus is not the cluster's: no refresh mends it. */
    return is_cluster ? rule->hint : ERROR_HINT_NONE;
}
