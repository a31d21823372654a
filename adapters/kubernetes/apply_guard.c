/*
 * What is read before a workload is changed: the workload itself, the autoscalers that target it, and the disruption
 * budgets that select its pods. Who owns what is told by the same functions as in the listing (owners.c), so that an
 * action is refused exactly where the inventory names a manager.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/kubernetes/apply_internal.h"
#include "adapters/kubernetes/world.h"
#include "base/mem.h"
#include "base/str.h"

#define PAGE_SIZE 250

enum stage_id { STAGE_AUTOSCALERS, STAGE_SCALED_OBJECTS, STAGE_VERTICAL, STAGE_BUDGETS, STAGE_COUNT };

typedef void item_fn(struct call *call, struct kubernetes_guard *guard, const struct json *item);

struct stage { /* A list to go through. */
    const char *api, *resource;
    bool is_optional; /* A cluster may not serve it: then there are none. */
    item_fn *read;
    struct kubernetes_step step;
};

static const struct stage stages[STAGE_COUNT];

static bool is_wanted(const struct kubernetes_guard *guard, size_t stage) {
    switch ((enum stage_id)stage) {
    case STAGE_AUTOSCALERS:
    case STAGE_SCALED_OBJECTS:
        return guard->autoscalers;
    case STAGE_VERTICAL:
        return guard->vertical_autoscalers;
    case STAGE_BUDGETS:
        return guard->budgets;
    case STAGE_COUNT:
        break;
    }
    return false;
}

/* The step of the first wanted list from `from` on, or what decide says. */
static const struct kubernetes_step *enter(struct call *call, size_t from, struct error *err) {
    struct kubernetes_guard *guard = kubernetes_guard_of(call);
    call_pages_restart(call);
    for (guard->stage = from; guard->stage < STAGE_COUNT; guard->stage++) {
        if (is_wanted(guard, guard->stage))
            return &stages[guard->stage].step;
    }
    return guard->decide(call, err);
}

static void list_build(struct call *call) {
    const struct stage *stage = &stages[kubernetes_guard_of(call)->stage];
    kubernetes_list_page(call, arena_printf(&call->exchange.arena, "%s/namespaces/%s/%s?limit=%d", stage->api,
                                            kubernetes_change_of(call)->id.namespace, stage->resource, PAGE_SIZE));
}

static const struct kubernetes_step *list_read(struct call *call, struct error *err) {
    struct kubernetes_guard *guard = kubernetes_guard_of(call);
    const struct json *list = kubernetes_reply(call, err), *items = json_get(list, "items");
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < json_array_count(items); i++)
        stages[guard->stage].read(call, guard, json_array_at(items, i));
    enum exchange_next next = call_page(call, json_string(json_at(list, "metadata.continue"), ""), err);
    if (err->class != ERR_NONE)
        return NULL;
    return next == EXCHANGE_MORE ? &stages[guard->stage].step : enter(call, guard->stage + 1, err);
}

static bool list_refused(struct call *call, struct error *err, const struct kubernetes_step **ret) {
    struct kubernetes_guard *guard = kubernetes_guard_of(call);
    if (!stages[guard->stage].is_optional || !kubernetes_is_unknown_api(call, err))
        return false;
    *err = (struct error){0};
    *ret = enter(call, guard->stage + 1, err);
    return true;
}

/* Autoscalers. */

/* The item as the listing would read it: NULL if it targets another workload. */
static const struct kubernetes_scaler *scaler_of(struct call *call, const struct json *item, kubernetes_item_fn *read) {
    struct kubernetes_world world = {
        .self = kubernetes_of(call), .arena = &call->exchange.arena, .scratch = &call->exchange.arena};
    const struct kubernetes_id *id = &kubernetes_change_of(call)->id;
    read(&world, item);
    const struct kubernetes_scaler *found = world.scalers.items;
    const char *own = arena_printf(&call->exchange.arena, "%s/%s/%s", id->namespace, id->kind, id->name);
    return world.scalers.count == 1 && str_eq(found->workload, own) ? found : NULL;
}

/* Who by managedFields owns spec.<field> and would put it back; NULL: nobody. */
static const char *spec_manager(const struct json *metadata, const char *field) {
    const struct json *entries = json_get(metadata, "managedFields");
    for (size_t i = 0; i < json_array_count(entries); i++) {
        const struct json *entry = json_array_at(entries, i);
        const char *name = json_string(json_get(entry, "manager"), "unknown");
        if (json_get(json_get(json_get(entry, "fieldsV1"), "f:spec"), field) != NULL && kubernetes_is_manager(name))
            return name;
    }
    return NULL;
}

static void bounds_read(struct call *call, struct kubernetes_guard *guard, const struct json *item, const char *kind,
                        const char *const fields[2]) {
    struct arena *arena = &call->arena;
    const struct json *metadata = json_get(item, "metadata"), *spec = json_get(item, "spec");
    const char *manager = spec_manager(metadata, fields[0]);
    if (manager == NULL)
        manager = spec_manager(metadata, fields[1]);
    bool is_scaled_object = str_eq(kind, "ScaledObject");
    guard->bounds = (struct kubernetes_bounds_owner){
        .kind = kind,
        .name = arena_strdup(arena, json_string(json_get(metadata, "name"), "")),
        .resource_version = arena_strdup(arena, json_string(json_get(metadata, "resourceVersion"), "")),
        .count_min = json_int(json_get(spec, fields[0] + 2), is_scaled_object ? 0 : 1),
        .count_max = json_int(json_get(spec, fields[1] + 2), is_scaled_object ? 100 : 1),
        .manager = arena_strdup(arena, manager),
    };
}

/* The controller that made an object and keeps it as it is; NULL: none. */
static const char *controller_of(struct call *call, const struct json *item) {
    const struct json *owners = json_at(item, "metadata.ownerReferences");
    for (size_t i = 0; i < json_array_count(owners); i++) {
        const struct json *one = json_array_at(owners, i);
        if (json_bool(json_get(one, "controller"), false))
            return arena_printf(&call->arena, "%s/%s", json_string(json_get(one, "kind"), ""),
                                json_string(json_get(one, "name"), ""));
    }
    return NULL;
}

static void autoscaler_read(struct call *call, struct kubernetes_guard *guard, const struct json *item) {
    static const char *const fields[] = {"f:minReplicas", "f:maxReplicas"};
    if (scaler_of(call, item, kubernetes_autoscaler_read) == NULL)
        return;
    bounds_read(call, guard, item, "HorizontalPodAutoscaler", fields);
    const char *controller = controller_of(call, item);
    if (controller != NULL)
        guard->bounds.manager = controller;
}

/* Read after the autoscalers: its own autoscaler follows it, so that the bounds are changed here. */
static void scaled_object_read(struct call *call, struct kubernetes_guard *guard, const struct json *item) {
    static const char *const fields[] = {"f:minReplicaCount", "f:maxReplicaCount"};
    if (scaler_of(call, item, kubernetes_scaled_object_read) != NULL)
        bounds_read(call, guard, item, "ScaledObject", fields);
}

static void vertical_read(struct call *call, struct kubernetes_guard *guard, const struct json *item) {
    const struct kubernetes_scaler *scaler = scaler_of(call, item, kubernetes_vertical_autoscaler_read);
    if (scaler != NULL)
        guard->requests_manager = arena_strdup(&call->arena, scaler->name);
}

/* Disruption budgets. */

static const char *label_of(const struct kubernetes_guard *guard, const char *key) {
    for (size_t i = 0; i < guard->pod_label_count; i++) {
        if (str_eq(guard->pod_labels[i].key, key))
            return guard->pod_labels[i].value;
    }
    return NULL;
}

static bool expression_holds(const struct kubernetes_guard *guard, const struct json *expression) {
    const char *value = label_of(guard, json_string(json_get(expression, "key"), ""));
    const char *operator= json_string(json_get(expression, "operator"), "");
    const struct json *values = json_get(expression, "values");
    bool is_among = false;
    for (size_t i = 0; value != NULL && i < json_array_count(values); i++)
        is_among |= str_eq(json_string(json_array_at(values, i), NULL), value);
    if (str_eq(operator, "In"))
        return is_among;
    if (str_eq(operator, "NotIn"))
        return !is_among;
    return str_eq(operator, "Exists") ? value != NULL : value == NULL;
}

/* In policy/v1 an empty selector selects all pods of the namespace; one that is absent none. */
static bool selects(const struct kubernetes_guard *guard, const struct json *selector) {
    if (selector == NULL)
        return false;
    for (struct json_iter it = json_iter(json_get(selector, "matchLabels")); json_iter_next(&it);) {
        if (!str_eq(label_of(guard, it.key), json_string(it.value, "")))
            return false;
    }
    const struct json *expressions = json_get(selector, "matchExpressions");
    for (size_t i = 0; i < json_array_count(expressions); i++) {
        if (!expression_holds(guard, json_array_at(expressions, i)))
            return false;
    }
    return true;
}

static void budget_read(struct call *call, struct kubernetes_guard *guard, const struct json *item) {
    if (!selects(guard, json_at(item, "spec.selector")))
        return;
    /* No status yet: nobody has counted, so nothing is allowed. */
    int64_t allowed = json_int(json_at(item, "status.disruptionsAllowed"), 0);
    if (guard->budget != NULL && guard->budget_allowed <= allowed)
        return;
    guard->budget = arena_strdup(&call->arena, json_string(json_at(item, "metadata.name"), ""));
    guard->budget_allowed = allowed;
}

#define LIST(words)                                                                                                    \
    { "list " words, false, list_build, list_read, list_refused }
static const struct stage stages[STAGE_COUNT] = {
    [STAGE_AUTOSCALERS] = {"/apis/autoscaling/v2", "horizontalpodautoscalers", false, autoscaler_read,
                           LIST("horizontalpodautoscalers")},
    [STAGE_SCALED_OBJECTS] = {"/apis/keda.sh/v1alpha1", "scaledobjects", true, scaled_object_read,
                              LIST("scaledobjects")},
    [STAGE_VERTICAL] = {"/apis/autoscaling.k8s.io/v1", "verticalpodautoscalers", true, vertical_read,
                        LIST("verticalpodautoscalers")},
    [STAGE_BUDGETS] = {"/apis/policy/v1", "poddisruptionbudgets", false, budget_read, LIST("poddisruptionbudgets")},
};

/* The workload. */

static void append_term(struct buf *out, const char *before, const char *key, const char *after) {
    buf_printf(out, "%s%s%s%s", out->size > 0 ? "," : "", before, key, after);
}

/* A label selector in the words of a query: "app=web,tier in (a,b),!old". */
static const char *selector_query(struct call *call, const struct json *selector) {
    struct buf out = {0};
    for (struct json_iter it = json_iter(json_get(selector, "matchLabels")); json_iter_next(&it);) {
        append_term(&out, "", it.key, "=");
        buf_puts(&out, json_string(it.value, ""));
    }
    const struct json *expressions = json_get(selector, "matchExpressions");
    for (size_t i = 0; i < json_array_count(expressions); i++) {
        const struct json *one = json_array_at(expressions, i), *values = json_get(one, "values");
        const char *key = json_string(json_get(one, "key"), ""), *operator= json_string(json_get(one, "operator"), "");
        if (json_array_count(values) == 0) {
            append_term(&out, str_eq(operator, "DoesNotExist") ? "!" : "", key, "");
            continue;
        }
        append_term(&out, "", key, str_eq(operator, "In") ? " in (" : " notin (");
        for (size_t v = 0; v < json_array_count(values); v++)
            buf_printf(&out, "%s%s", v > 0 ? "," : "", json_string(json_array_at(values, v), ""));
        buf_putc(&out, ')');
    }
    const char *text = arena_strdup(&call->arena, kubernetes_escape(call, buf_text(&out)));
    buf_release(&out);
    return text;
}

static void labels_read(struct call *call, struct kubernetes_guard *guard, const struct json *labels) {
    struct cloud_tag *tags = arena_alloc_array(&call->arena, json_object_count(labels), sizeof(*tags));
    for (struct json_iter it = json_iter(labels); json_iter_next(&it);)
        tags[guard->pod_label_count++] = (struct cloud_tag){arena_strdup(&call->arena, it.key),
                                                            arena_strdup(&call->arena, json_string(it.value, ""))};
    guard->pod_labels = tags;
}

static int64_t status_of(const struct json *object, const char *field) {
    return json_int(json_get(json_get(object, "status"), field), 0);
}

/* All pods are of the present template, available, and no others are left. */
static bool is_settled(const struct kubernetes_guard *guard, const struct json *object) {
    const struct json *status = json_get(object, "status");
    if (!guard->is_observed || status_of(object, "replicas") != guard->replicas ||
        status_of(object, "availableReplicas") != guard->replicas)
        return false;
    /* A StatefulSet without a change pending says nothing of updated pods. */
    const char *current = json_string(json_get(status, "currentRevision"), NULL);
    if (current != NULL && str_eq(current, json_string(json_get(status, "updateRevision"), NULL)))
        return true;
    return status_of(object, "updatedReplicas") == guard->replicas;
}

/* What is said of an earlier template does not count. */
static bool is_failed(const struct kubernetes_guard *guard, const struct json *object) {
    if (!guard->is_observed)
        return false;
    const struct json *conditions = json_at(object, "status.conditions");
    for (size_t i = 0; i < json_array_count(conditions); i++) {
        const struct json *one = json_array_at(conditions, i);
        if (str_eq(json_string(json_get(one, "type"), ""), "Progressing") &&
            str_eq(json_string(json_get(one, "reason"), ""), "ProgressDeadlineExceeded"))
            return true;
    }
    return false;
}

static const char *no_rollout(const struct json *spec) {
    if (json_bool(json_get(spec, "paused"), false))
        return "the Deployment is paused";
    if (str_eq(json_string(json_at(spec, "updateStrategy.type"), ""), "OnDelete"))
        return "the StatefulSet's update strategy is OnDelete";
    if (json_int(json_at(spec, "updateStrategy.rollingUpdate.partition"), 0) > 0)
        return "the StatefulSet's update is partitioned";
    return NULL;
}

static const struct kubernetes_step *workload_read(struct call *call, struct error *err) {
    struct kubernetes_guard *guard = kubernetes_guard_of(call);
    const struct json *object = kubernetes_target_read(call, err);
    if (object == NULL)
        return NULL;
    if (json_at(object, "metadata.deletionTimestamp") != NULL)
        return kubernetes_refuse(err, ERR_CONFLICT, "Deleting", "the workload is being deleted");
    const struct json *metadata = json_get(object, "metadata"), *spec = json_get(object, "spec");
    const struct json *annotations = json_get(metadata, "annotations");
    if (kubernetes_resources_read(json_at(spec, "template.spec"), &call->arena, &guard->template, err) != ERR_NONE)
        return NULL;
    guard->replicas = json_int(json_get(spec, "replicas"), 1);
    guard->serving = status_of(object, "readyReplicas");
    guard->is_observed = status_of(object, "observedGeneration") >= json_int(json_get(metadata, "generation"), 0);
    guard->asked = kubernetes_target_parse(json_string(json_get(annotations, KUBERNETES_REQUESTS_ANNOTATION), NULL));
    guard->stopped_replicas =
        arena_strdup(&call->arena, json_string(json_get(annotations, KUBERNETES_REPLICAS_ANNOTATION), NULL));
    guard->selector = selector_query(call, json_get(spec, "selector"));
    guard->no_rollout = no_rollout(spec);
    guard->is_settled = is_settled(guard, object);
    guard->is_failed = is_failed(guard, object);
    labels_read(call, guard, json_at(spec, "template.metadata.labels"));
    const char *replicas_manager = NULL, *requests_manager = NULL;
    kubernetes_field_managers(metadata, &replicas_manager, &requests_manager);
    guard->replicas_manager = arena_strdup(&call->arena, replicas_manager);
    guard->requests_manager = arena_strdup(&call->arena, requests_manager);
    if (guard->budgets_if_restart)
        guard->budgets |= kubernetes_resources_may_restart(&guard->template);
    return enter(call, 0, err);
}

static const struct kubernetes_step deployment_step = {"get deployments", false, kubernetes_target_get, workload_read,
                                                       NULL};
static const struct kubernetes_step stateful_set_step = {"get statefulsets", false, kubernetes_target_get,
                                                         workload_read, NULL};

const struct kubernetes_step *kubernetes_guard_begin(struct call *call, struct kubernetes_guard *guard) {
    struct kubernetes_change *change = kubernetes_change_of(call);
    change->own = guard;
    return str_eq(change->place->kind, "Deployment") ? &deployment_step : &stateful_set_step;
}

bool kubernetes_guard_count(const struct kubernetes_guard *guard, struct error *err) {
    if (guard->bounds.name != NULL)
        kubernetes_refuse(err, ERR_CONFLICT, "ManagedElsewhere", "%s/%s sets its size", guard->bounds.kind,
                          guard->bounds.name);
    else if (guard->replicas_manager != NULL)
        kubernetes_refuse(err, ERR_CONFLICT, "ManagedElsewhere", "%s sets spec.replicas", guard->replicas_manager);
    else
        return true;
    return false;
}

bool kubernetes_guard_size(const struct kubernetes_guard *guard, struct error *err) {
    if (guard->requests_manager == NULL)
        return true;
    kubernetes_refuse(err, ERR_CONFLICT, "ManagedElsewhere", "%s sets the requests", guard->requests_manager);
    return false;
}
