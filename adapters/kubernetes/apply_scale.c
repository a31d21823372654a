/*
 * The size of a workload: SCALE by its scale subresource, STOP and START, and the bounds of the autoscaler that sets
 * it. Each write is conditional on the resourceVersion that was read, so that nobody's change in between is undone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/kubernetes/apply_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define STOP_POLL_MS 2000
#define FIELD_MANAGER_QUERY "?fieldManager=" KUBERNETES_FIELD_MANAGER

static const struct cloud_action *action_of(const struct call *call) {
    return kubernetes_change_of(call)->action;
}

/* {"metadata": {"resourceVersion": ..., and then what the caller adds. */
static void open_metadata(struct json_writer *w, const char *resource_version) {
    jw_open(w, '{');
    jw_key(w, "metadata");
    jw_open(w, '{');
    jw_put_string(w, "resourceVersion", resource_version);
}

static void write_replicas(struct json_writer *w, int64_t count) {
    jw_key(w, "spec");
    jw_open(w, '{');
    jw_put_int(w, "replicas", count);
    jw_close(w, '}');
}

static const struct kubernetes_step *
begin_guarded(struct call *call, const struct kubernetes_step *(*decide)(struct call *call, struct error *err)) {
    struct kubernetes_guard *guard = arena_alloc(&call->arena, sizeof(*guard));
    guard->autoscalers = true;
    guard->decide = decide;
    return kubernetes_guard_begin(call, guard);
}

/* SCALE */

static void scale_build(struct call *call) {
    struct buf body = {0};
    struct json_writer w = {.out = &body};
    open_metadata(&w, kubernetes_change_of(call)->resource_version);
    jw_close(&w, '}');
    write_replicas(&w, action_of(call)->count);
    jw_close(&w, '}');
    kubernetes_send(call, "PATCH", KUBERNETES_MERGE_PATCH, kubernetes_target_path(call, "/scale" FIELD_MANAGER_QUERY),
                    &body);
}

static const struct kubernetes_step scale_deployment_step = {"patch deployments/scale", true, scale_build,
                                                             kubernetes_finish_read, NULL};
static const struct kubernetes_step scale_stateful_set_step = {"patch statefulsets/scale", true, scale_build,
                                                               kubernetes_finish_read, NULL};

static bool is_deployment(const struct call *call) {
    return str_eq(kubernetes_change_of(call)->place->kind, "Deployment");
}

static const struct kubernetes_step *scale_decide(struct call *call, struct error *err) {
    const struct kubernetes_guard *guard = kubernetes_guard_of(call);
    if (!kubernetes_guard_count(guard, err))
        return NULL;
    if (guard->replicas == action_of(call)->count)
        return kubernetes_finish(call);
    return is_deployment(call) ? &scale_deployment_step : &scale_stateful_set_step;
}

const struct kubernetes_step *kubernetes_scale_begin(struct call *call, struct error *err) {
    int64_t count = action_of(call)->count;
    if (count < 0 || count > INT32_MAX) {
        error_set(err, ERR_PERMANENT, "kubernetes: a size of %lld", (long long)count);
        return NULL;
    }
    return begin_guarded(call, scale_decide);
}

/* STOP and START: the size and the note of the former one change together. They are done when the workload serves
 * nothing, or something. */

static const struct kubernetes_step *stop_again(struct call *call, bool is_stop) {
    const struct kubernetes_id *id = &kubernetes_change_of(call)->id;
    return kubernetes_ask_again(call, STOP_POLL_MS, "%s/" CLOUD_REGION_CLUSTER "/%s/%s/%s", is_stop ? "stop" : "start",
                                id->namespace, id->kind, id->name);
}

/* The workload as it is now. */
static const struct kubernetes_step *stop_look(struct call *call, bool is_stop) {
    const struct kubernetes_guard *guard = kubernetes_guard_of(call);
    bool is_done = guard->is_observed && (is_stop ? guard->serving == 0 : guard->serving > 0);
    return is_done ? kubernetes_finish(call) : stop_again(call, is_stop);
}

static const struct kubernetes_step *stop_read(struct call *call, struct error *err) {
    return kubernetes_reply(call, err) != NULL ? stop_again(call, action_of(call)->verb == CLOUD_STOP) : NULL;
}

static void stop_build(struct call *call) {
    const struct kubernetes_guard *guard = kubernetes_guard_of(call);
    bool is_stop = action_of(call)->verb == CLOUD_STOP;
    int64_t former = 0;
    struct buf body = {0};
    struct json_writer w = {.out = &body};
    open_metadata(&w, kubernetes_change_of(call)->resource_version);
    jw_key(&w, "annotations");
    jw_open(&w, '{');
    jw_key(&w, KUBERNETES_REPLICAS_ANNOTATION);
    jw_string(&w, is_stop ? arena_printf(&call->exchange.arena, "%lld", (long long)guard->replicas) : NULL);
    jw_close(&w, '}');
    jw_close(&w, '}');
    if (!is_stop)
        ASSERT(str_to_int64(guard->stopped_replicas, &former));
    write_replicas(&w, former);
    jw_close(&w, '}');
    kubernetes_send(call, "PATCH", KUBERNETES_MERGE_PATCH, kubernetes_target_path(call, FIELD_MANAGER_QUERY), &body);
}

static const struct kubernetes_step stop_deployment_step = {"patch deployments", true, stop_build, stop_read, NULL};
static const struct kubernetes_step stop_stateful_set_step = {"patch statefulsets", true, stop_build, stop_read, NULL};

static const struct kubernetes_step *stop_step(const struct call *call) {
    return is_deployment(call) ? &stop_deployment_step : &stop_stateful_set_step;
}

static const struct kubernetes_step *stop_decide(struct call *call, struct error *err) {
    const struct kubernetes_guard *guard = kubernetes_guard_of(call);
    if (!kubernetes_guard_count(guard, err))
        return NULL;
    return guard->replicas == 0 ? stop_look(call, true) : stop_step(call);
}

const struct kubernetes_step *kubernetes_stop_begin(struct call *call, struct error *err) {
    (void)err;
    return begin_guarded(call, stop_decide);
}

static const struct kubernetes_step *start_decide(struct call *call, struct error *err) {
    const struct kubernetes_guard *guard = kubernetes_guard_of(call);
    int64_t former;
    if (!kubernetes_guard_count(guard, err))
        return NULL;
    if (guard->replicas > 0)
        return stop_look(call, false);
    if (guard->stopped_replicas == NULL || !str_to_int64(guard->stopped_replicas, &former) || former < 1 ||
        former > INT32_MAX)
        return kubernetes_refuse(err, ERR_PERMANENT, "NotStopped",
                                 "no annotation " KUBERNETES_REPLICAS_ANNOTATION " says what size it had: scale it");
    return stop_step(call);
}

const struct kubernetes_step *kubernetes_start_begin(struct call *call, struct error *err) {
    (void)err;
    return begin_guarded(call, start_decide);
}

static const struct kubernetes_step *stopped_decide(struct call *call, struct error *err) {
    if (kubernetes_guard_of(call)->replicas != 0)
        return kubernetes_refuse(err, ERR_CONFLICT, "Superseded", "somebody has started it again");
    return stop_look(call, true);
}

static const struct kubernetes_step *started_decide(struct call *call, struct error *err) {
    if (kubernetes_guard_of(call)->replicas == 0)
        return kubernetes_refuse(err, ERR_CONFLICT, "Superseded", "somebody has stopped it again");
    return stop_look(call, false);
}

static const struct kubernetes_step *begin_look(struct call *call, const char *rest,
                                                const struct kubernetes_step *(*decide)(struct call *call,
                                                                                        struct error *err)) {
    struct kubernetes_guard *guard = arena_alloc(&call->arena, sizeof(*guard));
    guard->decide = decide;
    return rest[0] == '\0' ? kubernetes_guard_begin(call, guard) : NULL;
}

const struct kubernetes_step *kubernetes_stop_poll(struct call *call, const char *rest, struct error *err) {
    (void)err;
    return begin_look(call, rest, stopped_decide);
}

const struct kubernetes_step *kubernetes_start_poll(struct call *call, const char *rest, struct error *err) {
    (void)err;
    return begin_look(call, rest, started_decide);
}

/* SET_BOUNDS: the minimum as asked for; the maximum is raised, never lowered: it is the user's own ceiling. */

static int64_t bounds_max(const struct call *call) {
    const struct cloud_action *action = action_of(call);
    int64_t max = kubernetes_guard_of(call)->bounds.count_max;
    if (max < action->count_max)
        max = action->count_max;
    return max > action->count_min ? max : action->count_min;
}

static void bounds_build(struct call *call) {
    const struct kubernetes_bounds_owner *bounds = &kubernetes_guard_of(call)->bounds;
    bool is_scaled_object = str_eq(bounds->kind, "ScaledObject");
    struct buf body = {0};
    struct json_writer w = {.out = &body};
    open_metadata(&w, bounds->resource_version);
    jw_close(&w, '}');
    jw_key(&w, "spec");
    jw_open(&w, '{');
    jw_put_int(&w, is_scaled_object ? "minReplicaCount" : "minReplicas", action_of(call)->count_min);
    jw_put_int(&w, is_scaled_object ? "maxReplicaCount" : "maxReplicas", bounds_max(call));
    jw_close(&w, '}');
    jw_close(&w, '}');
    const char *path = arena_printf(&call->exchange.arena, "%s/namespaces/%s/%s/%s" FIELD_MANAGER_QUERY,
                                    is_scaled_object ? "/apis/keda.sh/v1alpha1" : "/apis/autoscaling/v2",
                                    kubernetes_change_of(call)->id.namespace,
                                    is_scaled_object ? "scaledobjects" : "horizontalpodautoscalers", bounds->name);
    kubernetes_send(call, "PATCH", KUBERNETES_MERGE_PATCH, path, &body);
}

static const struct kubernetes_step bounds_autoscaler_step = {"patch horizontalpodautoscalers", true, bounds_build,
                                                              kubernetes_finish_read, NULL};
static const struct kubernetes_step bounds_scaled_object_step = {"patch scaledobjects", true, bounds_build,
                                                                 kubernetes_finish_read, NULL};

static const struct kubernetes_step *bounds_decide(struct call *call, struct error *err) {
    const struct kubernetes_bounds_owner *bounds = &kubernetes_guard_of(call)->bounds;
    if (bounds->name == NULL)
        return kubernetes_refuse(err, ERR_CONFLICT, "NoAutoscaler", "no autoscaler sets the size of the workload");
    if (bounds->manager != NULL)
        return kubernetes_refuse(err, ERR_CONFLICT, "ManagedElsewhere", "%s sets the bounds of %s/%s", bounds->manager,
                                 bounds->kind, bounds->name);
    if (bounds->count_min == action_of(call)->count_min && bounds->count_max == bounds_max(call))
        return kubernetes_finish(call);
    return str_eq(bounds->kind, "ScaledObject") ? &bounds_scaled_object_step : &bounds_autoscaler_step;
}

const struct kubernetes_step *kubernetes_bounds_begin(struct call *call, struct error *err) {
    const struct cloud_action *action = action_of(call);
    if (action->count_min < 0 || action->count_max > INT32_MAX || action->count_min > INT32_MAX ||
        action->count_max < action->count_min) {
        error_set(err, ERR_PERMANENT, "kubernetes: bounds of %lld to %lld", (long long)action->count_min,
                  (long long)action->count_max);
        return NULL;
    }
    return begin_guarded(call, bounds_decide);
}
