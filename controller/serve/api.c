/*
 * Takes a path apart and asks the local store. Every way out is one reply: the object, the list, or a Status.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/api.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define SEGMENTS_MAX 8

struct target { /* What a path names. */
    bool is_events;
    enum object_kind kind;
    const char *namespace; /* NULL: all. */
    const char *name;      /* NULL: a list. */
};

static void reply_status(struct server_reply *reply, unsigned code, const char *reason, const char *message) {
    struct json_writer w = {.out = &reply->body};
    reply->status = code;
    buf_clear(&reply->body);
    jw_open(&w, '{');
    jw_put_string(&w, "kind", "Status");
    jw_put_string(&w, "apiVersion", "v1");
    jw_key(&w, "metadata");
    jw_raw(&w, "{}");
    jw_put_string(&w, "status", "Failure");
    jw_put_string(&w, "message", message);
    jw_put_string(&w, "reason", reason);
    jw_put_int(&w, "code", code);
    jw_close(&w, '}');
}

static void reply_error(struct server_reply *reply, const struct error *err) {
    unsigned code = err->http_status > 0 ? err->http_status : err->class == ERR_RETRYABLE ? 503 : 500;
    reply_status(reply, code,
                 err->code[0]  ? err->code
                 : code == 503 ? "ServiceUnavailable"
                               : "InternalError",
                 err->message);
}

/* "/a/b/c" to {"a", "b", "c"} in place; -1: too many, or an empty one. */
static int segments_split(char *path, const char *segments[SEGMENTS_MAX]) {
    int count = 0;
    for (char *at = path; *at == '/';) {
        *at++ = '\0';
        if (*at == '\0' || *at == '/' || count == SEGMENTS_MAX)
            return -1;
        segments[count++] = at;
        at += strcspn(at, "/");
    }
    return count;
}

static bool kind_of_plural(const char *plural, enum object_kind *ret) {
    for (int i = 0; i < OBJECT_KIND_COUNT; i++) {
        if (i != OBJECT_NAMESPACE && str_eq(plural, object_kind_plural((enum object_kind)i))) {
            *ret = (enum object_kind)i;
            return true;
        }
    }
    return false;
}

/* What follows "/apis/trimtab.dev/v1alpha1/". */
static bool parse_group(const char *const *segments, int count, struct target *ret) {
    if (count == 1)
        return kind_of_plural(segments[0], &ret->kind);
    if ((count != 3 && count != 4) || !str_eq(segments[0], "namespaces"))
        return false;
    ret->namespace = segments[1];
    ret->name = count == 4 ? segments[3] : NULL;
    return kind_of_plural(segments[2], &ret->kind);
}

/* What follows "/api/v1/". */
static bool parse_core(const char *const *segments, int count, struct target *ret) {
    if (count == 1 && str_eq(segments[0], "events"))
        return ret->is_events = true;
    if (count < 1 || count > 3 || !str_eq(segments[0], "namespaces"))
        return false;
    if (count == 3) {
        ret->namespace = segments[1];
        return ret->is_events = str_eq(segments[2], "events");
    }
    ret->kind = OBJECT_NAMESPACE;
    ret->namespace = count == 2 ? "" : NULL;
    ret->name = count == 2 ? segments[1] : NULL;
    return true;
}

static bool target_parse(const char *const *segments, int count, struct target *ret) {
    *ret = (struct target){0};
    if (count > 3 && str_eq(segments[0], "apis") && str_eq(segments[1], API_GROUP) && str_eq(segments[2], API_VERSION))
        return parse_group(segments + 3, count - 3, ret);
    if (count > 2 && str_eq(segments[0], "api") && str_eq(segments[1], "v1"))
        return parse_core(segments + 2, count - 2, ret);
    return false;
}

static void get_events(struct store *store, const struct target *target, char *selector, struct server_reply *reply) {
    const char *kind = NULL, *name = NULL, *namespace = target->namespace;
    char *rest = selector;
    for (char *term; rest && (term = strsep(&rest, ","));) {
        char *value = strchr(term, '=');
        if (value)
            *value++ = '\0';
        if (value && str_eq(term, "involvedObject.kind"))
            kind = value;
        else if (value && str_eq(term, "involvedObject.name"))
            name = value;
        else if (value && str_eq(term, "involvedObject.namespace"))
        namespace = value;
        else {
            reply_status(reply, 400, "BadRequest", "fieldSelector: only involvedObject.kind, .name and .namespace");
            return;
        }
    }
    store_local_print_events(store, namespace, kind, name, &reply->body);
}

static void get(struct store *store, const struct target *target, const struct server_request *request,
                struct server_reply *reply) {
    const char *selector = request->query(request, "fieldSelector");
    if (target->is_events) {
        char *copy = mem_strdup(selector && *selector ? selector : NULL);
        get_events(store, target, copy, reply);
        mem_free(copy);
    } else if (selector || request->query(request, "labelSelector") || request->query(request, "watch")) {
        reply_status(reply, 400, "BadRequest", "a local instance knows no selectors and no watch");
    } else if (!target->name) {
        store_local_print_list(store, target->kind, target->namespace, &reply->body);
    } else if (!store_local_print(store, target->kind, target->namespace, target->name, &reply->body)) {
        char *message = mem_printf("%s \"%s\" not found", object_kind_plural(target->kind), target->name);
        reply_status(reply, 404, "NotFound", message);
        mem_free(message);
    }
}

static void patch(struct store *store, const struct target *target, const struct server_request *request,
                  struct server_reply *reply) {
    const char *type = request->header(request, "Content-Type");
    struct error err = {0};
    struct json *json = NULL;
    if (!type || !str_has_prefix(type, "application/merge-patch+json")) {
        reply_status(reply, 415, "UnsupportedMediaType", "a patch here is application/merge-patch+json");
        return;
    }
    if (json_parse(request->body, &json, &err) != ERR_NONE)
        reply_status(reply, 400, "BadRequest", err.message);
    else if (store_local_patch(store, target->kind, target->namespace, target->name, json, &err) != ERR_NONE)
        reply_error(reply, &err);
    else
        (void)store_local_print(store, target->kind, target->namespace, target->name, &reply->body);
    json_free(json);
}

void api_handle(struct store *store, const struct server_request *request, struct server_reply *reply) {
    char *path = mem_strdup(request->path);
    const char *segments[SEGMENTS_MAX];
    struct target target;
    if (!target_parse(segments, segments_split(path, segments), &target))
        reply_status(reply, 404, "NotFound", "the server could not find the requested resource");
    else if (str_eq(request->method, "GET"))
        get(store, &target, request, reply);
    else if (str_eq(request->method, "PATCH") && target.name)
        patch(store, &target, request, reply);
    else
        reply_status(reply, 405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
    mem_free(path);
}
