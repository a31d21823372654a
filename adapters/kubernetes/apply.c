/*
 * What can be done to a cluster, and how an action goes: a chain of steps in one call, each one exchange, that reads
 * before it writes. Whatever is not in KUBERNETES_VERBS is refused before any request.
 *
 *     apply:  check -> step -> step -> ... -> done, or a handle
 *     poll:   parse the handle -> step -> ... -> done, or a handle
 *
 * A handle is "verb/cluster/namespace/Kind/name" and what the verb adds: "resize/cluster/shop/Deployment/web/500/512".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "adapters/kubernetes/apply_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define NAME_MAX_SIZE 253

static const struct kubernetes_place places[] = {
    {"Deployment", CLOUD_WORKLOAD, "/apis/apps/v1", "deployments"},
    {"StatefulSet", CLOUD_WORKLOAD, "/apis/apps/v1", "statefulsets"},
    {"PersistentVolumeClaim", CLOUD_VOLUME, "/api/v1", "persistentvolumeclaims"},
    {"VolumeSnapshot", CLOUD_SNAPSHOT, "/apis/snapshot.storage.k8s.io/v1", "volumesnapshots"},
};

static kubernetes_begin_fn *begin_of(const struct cloud_action *action) {
    if (action->kind >= CLOUD_KIND_COUNT || action->verb >= CLOUD_VERB_COUNT ||
        (adapter_kubernetes.verbs[action->kind] & 1u << action->verb) == 0)
        return NULL;
    switch (action->verb) {
    case CLOUD_SCALE:
        return kubernetes_scale_begin;
    case CLOUD_SET_BOUNDS:
        return kubernetes_bounds_begin;
    case CLOUD_RESIZE:
        return action->is_rollout ? kubernetes_rollout_begin : kubernetes_resize_begin;
    case CLOUD_START:
        return kubernetes_start_begin;
    case CLOUD_STOP:
        return kubernetes_stop_begin;
    case CLOUD_TAG:
        return kubernetes_tag_begin;
    case CLOUD_DELETE:
        return action->kind == CLOUD_VOLUME ? kubernetes_delete_volume_begin : kubernetes_delete_snapshot_begin;
    case CLOUD_TAKE_SNAPSHOT:
        return kubernetes_snapshot_begin;
    case CLOUD_CREATE:
    case CLOUD_VERB_COUNT:
        break;
    }
    return NULL;
}

/* The chain. */

static void apply_build(struct call *call) {
    const struct kubernetes_step *step = kubernetes_change_of(call)->step;
    call->label = step->label;
    call->mutates = step->mutates;
    step->build(call);
}

static enum exchange_next apply_read(struct call *call, struct error *err) {
    struct kubernetes_change *change = kubernetes_change_of(call);
    const struct kubernetes_step *step = change->step;
    call->has_mutated |= step->mutates;
    change->step = step->read(call, err);
    return change->step != NULL ? EXCHANGE_MORE : EXCHANGE_DONE;
}

/* Only a refusal of the server is an answer; what a step's read says, and what never arrived, is none. */
static enum exchange_next apply_failed(struct call *call, struct error *err) {
    struct kubernetes_change *change = kubernetes_change_of(call);
    const struct kubernetes_step *next = NULL;
    if (err->http_status < 300 || change->step->refused == NULL || !change->step->refused(call, err, &next))
        return EXCHANGE_DONE;
    change->step = next;
    return next != NULL ? EXCHANGE_MORE : EXCHANGE_DONE;
}

static const struct call_verb apply_verb = {.name = "apply",
                                            .mutates = true,
                                            .priority = GATE_ACTION,
                                            .build = apply_build,
                                            .read = apply_read,
                                            .failed = apply_failed};

static void begin(struct call *call, const struct kubernetes_step *first, const struct error *err) {
    call->mutates = false; /* Nothing has been sent yet. */
    if (first == NULL) {
        call_end(call, err);
        return;
    }
    kubernetes_change_of(call)->step = first;
    call_start(call);
}

/* Names as Kubernetes takes them, which therefore need no escape in a path. */
static bool is_name(const char *text) {
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.");
    return size > 0 && size <= NAME_MAX_SIZE && text[size] == '\0' && text[0] != '-' && text[0] != '.';
}

static bool is_in_scope(const struct kubernetes *self, const char *namespace) {
    for (size_t i = 0; i < self->namespace_count; i++) {
        if (str_eq(self->namespaces[i], namespace))
            return true;
    }
    return self->namespace_count == 0;
}

static enum err_class take_target(struct call *call, const char *id, struct error *err) {
    struct kubernetes_change *change = kubernetes_change_of(call);
    if (id == NULL || !kubernetes_id_parse(id, &call->arena, &change->id) || !is_name(change->id.namespace) ||
        !is_name(change->id.name))
        return error_set(err, ERR_PERMANENT, "kubernetes: not namespace/Kind/name: \"%s\"", id != NULL ? id : "");
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (str_eq(places[i].kind, change->id.kind))
            change->place = &places[i];
    }
    if (change->place == NULL)
        return error_set(err, ERR_PERMANENT, "kubernetes: nothing is done to a %s", change->id.kind);
    if (!is_in_scope(kubernetes_of(call), change->id.namespace))
        return error_set(err, ERR_PERMANENT, "kubernetes: namespace %s is not among the Provider's",
                         change->id.namespace);
    return ERR_NONE;
}

static const struct kubernetes_step *first_step(struct call *call, const struct cloud_action *action,
                                                struct error *err) {
    kubernetes_begin_fn *of = begin_of(action);
    if (of == NULL) {
        error_set(err, ERR_PERMANENT, "kubernetes: %s of %s is not supported", cloud_verb_name(action->verb),
                  cloud_kind_name(action->kind));
        return NULL;
    }
    if (take_target(call, action->id, err) != ERR_NONE)
        return NULL;
    if (kubernetes_change_of(call)->place->of != action->kind) {
        error_set(err, ERR_PERMANENT, "kubernetes: %s is no %s", action->id, cloud_kind_name(action->kind));
        return NULL;
    }
    return of(call, err);
}

void kubernetes_apply(struct kubernetes *self, struct adapter_call *outer, const struct cloud_action *action) {
    struct call *call = call_new(&self->host, outer, &apply_verb, sizeof(struct kubernetes_change));
    kubernetes_change_of(call)->action = action;
    if (!kubernetes_region_check(call, action->region))
        return;
    struct error err = {0};
    const struct kubernetes_step *first = first_step(call, action, &err);
    begin(call, first, &err);
}

/* Handles. */

static const struct {
    const char *prefix;
    enum cloud_kind kind;
    kubernetes_poll_fn *poll;
} handles[] = {
    {"resize/" CLOUD_REGION_CLUSTER "/", CLOUD_WORKLOAD, kubernetes_resize_poll},
    {"rollout/" CLOUD_REGION_CLUSTER "/", CLOUD_WORKLOAD, kubernetes_rollout_poll},
    {"stop/" CLOUD_REGION_CLUSTER "/", CLOUD_WORKLOAD, kubernetes_stop_poll},
    {"start/" CLOUD_REGION_CLUSTER "/", CLOUD_WORKLOAD, kubernetes_start_poll},
    {"snapshot/" CLOUD_REGION_CLUSTER "/", CLOUD_SNAPSHOT, kubernetes_snapshot_poll},
};

static const struct kubernetes_step *malformed(struct error *err, const char *operation) {
    /* Only what is sure to be printable is repeated. */
    size_t size = operation != NULL ? strspn(operation, "abcdefghijklmnopqrstuvwxyzDSVP0123456789-./") : 0;
    error_set(err, ERR_PERMANENT, "kubernetes: not a handle of this adapter: \"%.*s\"", size < 80 ? (int)size : 80,
              operation != NULL ? operation : "");
    return NULL;
}

/* The end of the id at the beginning of text: its third '/', or the end of text. */
static size_t id_size(const char *text) {
    size_t at = 0;
    for (int slashes = 0; text[at] != '\0'; at++) {
        if (text[at] == '/' && ++slashes == 3)
            break;
    }
    return at;
}

static const struct kubernetes_step *first_poll(struct call *call, const char *operation, struct error *err) {
    if (operation == NULL || strlen(operation) > ADAPTER_OPERATION_MAX)
        return malformed(err, NULL);
    for (size_t i = 0; i < ARRAY_LEN(handles); i++) {
        if (!str_has_prefix(operation, handles[i].prefix))
            continue;
        const char *id = operation + strlen(handles[i].prefix);
        size_t size = id_size(id);
        if (take_target(call, arena_strndup(&call->arena, id, size), err) != ERR_NONE)
            return NULL;
        if (kubernetes_change_of(call)->place->of != handles[i].kind)
            break;
        const char *rest = arena_strdup(&call->arena, id[size] == '/' ? id + size + 1 : "");
        const struct kubernetes_step *first = handles[i].poll(call, rest, err);
        return first != NULL || err->class != ERR_NONE ? first : malformed(err, operation);
    }
    return malformed(err, operation);
}

void kubernetes_poll(struct kubernetes *self, struct adapter_call *outer, const char *operation) {
    struct call *call = call_new(&self->host, outer, &apply_verb, sizeof(struct kubernetes_change));
    struct error err = {0};
    const struct kubernetes_step *first = first_poll(call, operation, &err);
    begin(call, first, &err);
}

/* What the steps share. */

const char *kubernetes_target_path(struct call *call, const char *suffix) {
    const struct kubernetes_change *change = kubernetes_change_of(call);
    return arena_printf(&call->exchange.arena, "%s/namespaces/%s/%s/%s%s", change->place->prefix, change->id.namespace,
                        change->place->plural, change->id.name, suffix);
}

void kubernetes_target_get(struct call *call) {
    kubernetes_request(call, "GET", kubernetes_target_path(call, ""));
}

const struct json *kubernetes_target_read(struct call *call, struct error *err) {
    struct kubernetes_change *change = kubernetes_change_of(call);
    const struct json *object = kubernetes_reply(call, err);
    if (object == NULL)
        return NULL;
    change->uid = arena_strdup(&call->arena, json_string(json_at(object, "metadata.uid"), ""));
    change->resource_version = arena_strdup(&call->arena, json_string(json_at(object, "metadata.resourceVersion"), ""));
    if (change->uid[0] == '\0' || change->resource_version[0] == '\0') {
        error_set(err, ERR_RETRYABLE, "the reply holds no object");
        return NULL;
    }
    return object;
}

void kubernetes_send(struct call *call, const char *method, const char *content_type, const char *path,
                     struct buf *body) {
    kubernetes_request(call, method, path);
    kubernetes_request_body(call, content_type, buf_bytes(body));
    buf_release(body);
}

void kubernetes_list_page(struct call *call, const char *path) {
    if (call->page_token[0] != '\0')
        path = arena_printf(&call->exchange.arena, "%s&continue=%s", path, kubernetes_escape(call, call->page_token));
    kubernetes_request(call, "GET", path);
}

const struct kubernetes_step *kubernetes_refuse(struct error *err, enum err_class class, const char *code,
                                                const char *format, ...) {
    *err = (struct error){.class = class};
    str_copy(err->code, sizeof(err->code), code);
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    return NULL;
}

const struct kubernetes_step *kubernetes_finish(struct call *call) {
    call->outer->reply.as.operation = "";
    return NULL;
}

const struct kubernetes_step *kubernetes_finish_read(struct call *call, struct error *err) {
    return kubernetes_reply(call, err) != NULL ? kubernetes_finish(call) : NULL;
}

const struct kubernetes_step *kubernetes_ask_again(struct call *call, uint32_t after_ms, const char *format, ...) {
    va_list args;
    va_start(args, format);
    call->outer->reply.as.operation = arena_vprintf(call->outer->arena, format, args);
    va_end(args);
    call->outer->reply.poll_after_ms = after_ms;
    return NULL;
}

bool kubernetes_is_unknown_api(const struct call *call, const struct error *err) {
    /* "404 page not found" of a group that is not served, and the message of a resource or subresource that is not. A
     * missing object is named. */
    return err->http_status == 404 &&
           (err->code[0] == '\0' || strstr(err->message, "could not find the requested resource") != NULL) &&
           call->exchange.request.status == 404;
}
