/*
 * RESIZE in place. The intent stands in an annotation of the workload; then each pod that has other requests is patched
 * by its `resize` subresource. Level-triggered: apply and every poll go through the pods and patch those that differ,
 * so that pods made later from the old template follow when the same target is asked for again.
 *
 *     workload -> API has pods/resize? -> annotation -> pods, page by page -> patch, patch... -> ask again | done
 *     poll: workload (still the same target?) ---------> pods ...
 *
 * One call patches at most PATCHES_MAX pods. Containers that a resize restarts go as the disruption budget allows, or
 * one pod at a time, and the next ones when the former are ready.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/kubernetes/apply_internal.h"
#include "adapters/kubernetes/world.h"
#include "base/mem.h"
#include "base/str.h"

#define PODS_PAGE 250
#define PATCHES_MAX 50
#define RESIZE_POLL_MS 2000
#define MORE_POLL_MS 200 /* There is more to patch. */

struct pod_patch {
    const char *name;
    const char *body;
    bool restarts;
};

struct resize {
    struct kubernetes_guard guard;
    struct kubernetes_target target;
    struct pod_patch patches[PATCHES_MAX]; /* Of the pods read so far. */
    size_t patch_count, patch_index;
    bool has_more;          /* Pods that are left for the next call. */
    size_t waiting;         /* Patched before; the kubelet has not done it yet. */
    const char *infeasible; /* A pod that its node can never resize so. */
};

static struct resize *resize_of(const struct call *call) {
    return CONTAINER_OF(kubernetes_guard_of(call), struct resize, guard);
}

static const struct kubernetes_step *ask_again(struct call *call) {
    const struct kubernetes_id *id = &kubernetes_change_of(call)->id;
    const struct resize *self = resize_of(call);
    return kubernetes_ask_again(call, self->has_more ? MORE_POLL_MS : RESIZE_POLL_MS,
                                "resize/" CLOUD_REGION_CLUSTER "/%s/%s/%s/%lld/%lld", id->namespace, id->kind, id->name,
                                (long long)self->target.cpu_milli, (long long)self->target.memory_mib);
}

/* One pod. */

static const char *reason_of(const struct json *pod, const char *type) {
    const struct json *conditions = json_at(pod, "status.conditions");
    for (size_t i = 0; i < json_array_count(conditions); i++) {
        const struct json *one = json_array_at(conditions, i);
        if (str_eq(json_string(json_get(one, "type"), ""), type) &&
            str_eq(json_string(json_get(one, "status"), ""), "True"))
            return json_string(json_get(one, "reason"), "");
    }
    return NULL;
}

/* The node runs what the spec says. Where the kubelet tells which generation it has seen, no condition about a resize
 * means that it is done; before 1.34 what the containers have is compared. */
static bool is_actuated(const struct json *pod, const struct kubernetes_resources *spec) {
    if (reason_of(pod, "PodResizePending") != NULL || reason_of(pod, "PodResizeInProgress") != NULL)
        return false;
    int64_t generation = json_int(json_at(pod, "metadata.generation"), 0);
    if (generation > 0 && json_int(json_at(pod, "status.observedGeneration"), 0) >= generation)
        return true;
    const struct json *statuses = json_at(pod, "status.containerStatuses");
    for (size_t i = 0; i < json_array_count(statuses); i++) {
        const struct json *status = json_array_at(statuses, i), *has = json_get(status, "resources");
        if (has != NULL && !kubernetes_resources_has(spec, json_string(json_get(status, "name"), ""), has))
            return false;
    }
    return true;
}

static bool is_running(const struct json *pod) {
    return str_eq(json_string(json_at(pod, "status.phase"), ""), "Running");
}

/* Ours, and neither at its end nor on its way there. */
static bool is_of_workload(struct call *call, const struct json *pod) {
    const struct kubernetes_id *id = &kubernetes_change_of(call)->id;
    struct arena *scratch = &call->exchange.arena;
    struct kubernetes_world world = {.self = kubernetes_of(call), .arena = scratch, .scratch = scratch};
    const char *phase = json_string(json_at(pod, "status.phase"), "");
    if (json_at(pod, "metadata.deletionTimestamp") != NULL || str_eq(phase, "Succeeded") || str_eq(phase, "Failed"))
        return false;
    kubernetes_pod_read(&world, pod);
    const struct kubernetes_pod *row = world.pods.items;
    return str_eq(row->workload, arena_printf(scratch, "%s/%s/%s", id->namespace, id->kind, id->name));
}

static const char *patch_body(struct call *call, const struct json *pod, const struct kubernetes_resources *to) {
    struct buf body = {0};
    struct json_writer w = {.out = &body};
    jw_open(&w, '{');
    jw_key(&w, "metadata"); /* A StatefulSet's next pod has the same name. */
    jw_open(&w, '{');
    jw_put_string(&w, "uid", json_string(json_at(pod, "metadata.uid"), ""));
    jw_close(&w, '}');
    jw_key(&w, "spec");
    jw_open(&w, '{');
    kubernetes_resources_write(to, &w);
    jw_close(&w, '}');
    jw_close(&w, '}');
    const char *text = arena_strdup(&call->arena, buf_text(&body));
    buf_release(&body);
    return text;
}

static enum err_class read_pod(struct call *call, const struct json *pod, struct error *err) {
    struct resize *self = resize_of(call);
    struct kubernetes_resources resources;
    const char *name = json_string(json_at(pod, "metadata.name"), "");
    if (kubernetes_resources_read(json_get(pod, "spec"), &call->exchange.arena, &resources, err) != ERR_NONE)
        return error_wrap(err, "pod %s", name);
    if (kubernetes_resources_match(&resources, &self->target)) {
        if (!is_running(pod))
            return ERR_NONE;
        if (str_eq(reason_of(pod, "PodResizePending"), "Infeasible"))
            self->infeasible = arena_strdup(&call->arena, name);
        bool has_restarting = kubernetes_resources_may_restart(&resources);
        if (!is_actuated(pod, &resources) || (has_restarting && reason_of(pod, "Ready") == NULL))
            self->waiting++;
        return ERR_NONE;
    }
    if (self->patch_count == PATCHES_MAX) {
        self->has_more = true;
        return ERR_NONE;
    }
    if (kubernetes_resources_plan(&resources, &self->target, err) != ERR_NONE)
        return error_wrap(err, "pod %s", name);
    self->patches[self->patch_count++] = (struct pod_patch){.name = arena_strdup(&call->arena, name),
                                                            .body = patch_body(call, pod, &resources),
                                                            .restarts = kubernetes_resources_restart(&resources)};
    return ERR_NONE;
}

/* Of the patches that restart containers those that may go now stay. */
static void hold_back(struct resize *self) {
    const struct kubernetes_guard *guard = &self->guard;
    int64_t allowed = guard->budget != NULL ? guard->budget_allowed : 1;
    size_t kept = 0;
    if (self->waiting > 0)
        allowed = 0;
    for (size_t i = 0; i < self->patch_count; i++) {
        if (self->patches[i].restarts && allowed-- <= 0) {
            self->waiting++;
            continue;
        }
        self->patches[kept++] = self->patches[i];
    }
    self->patch_count = kept;
}

/* The patches. */

static const struct kubernetes_step patch_step;

static const struct kubernetes_step *next_patch(struct call *call) {
    struct resize *self = resize_of(call);
    return self->patch_index < self->patch_count ? &patch_step : ask_again(call);
}

static void patch_build(struct call *call) {
    const struct resize *self = resize_of(call);
    const struct pod_patch *patch = &self->patches[self->patch_index];
    struct buf body = {0};
    buf_puts(&body, patch->body);
    kubernetes_send(call, "PATCH", KUBERNETES_STRATEGIC_PATCH,
                    arena_printf(&call->exchange.arena,
                                 "/api/v1/namespaces/%s/pods/%s/resize?fieldManager=" KUBERNETES_FIELD_MANAGER,
                                 kubernetes_change_of(call)->id.namespace, patch->name),
                    &body);
}

static const struct kubernetes_step *patch_read(struct call *call, struct error *err) {
    if (kubernetes_reply(call, err) == NULL)
        return NULL;
    resize_of(call)->patch_index++;
    return next_patch(call);
}

/* A pod that has gone meanwhile, or has been replaced, is seen by the next poll. */
static bool patch_refused(struct call *call, struct error *err, const struct kubernetes_step **ret) {
    bool is_replaced = err->http_status == 422 && strstr(err->message, "metadata.uid") != NULL;
    if (!is_replaced && (err->class != ERR_CONFLICT || kubernetes_is_unknown_api(call, err)))
        return false;
    *err = (struct error){0};
    resize_of(call)->patch_index++;
    *ret = next_patch(call);
    return true;
}

static const struct kubernetes_step patch_step = {"patch pods/resize", true, patch_build, patch_read, patch_refused};

/* The pods. */

static const struct kubernetes_step pods_step;

static void pods_build(struct call *call) {
    kubernetes_list_page(
        call, arena_printf(&call->exchange.arena, "/api/v1/namespaces/%s/pods?limit=%d&labelSelector=%s",
                           kubernetes_change_of(call)->id.namespace, PODS_PAGE, resize_of(call)->guard.selector));
}

static const struct kubernetes_step *pods_end(struct call *call, struct error *err) {
    struct resize *self = resize_of(call);
    if (self->infeasible != NULL)
        return kubernetes_refuse(err, ERR_CAPACITY, "Infeasible", "pod %s: its node can never give it that much",
                                 self->infeasible);
    hold_back(self);
    if (self->patch_count == 0 && self->waiting == 0 && !self->has_more)
        return kubernetes_finish(call);
    return next_patch(call);
}

static const struct kubernetes_step *pods_read(struct call *call, struct error *err) {
    const struct json *list = kubernetes_reply(call, err), *items = json_get(list, "items");
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *pod = json_array_at(items, i);
        if (is_of_workload(call, pod) && read_pod(call, pod, err) != ERR_NONE)
            return NULL;
    }
    enum exchange_next next = call_page(call, json_string(json_at(list, "metadata.continue"), ""), err);
    if (err->class != ERR_NONE)
        return NULL;
    return next == EXCHANGE_MORE ? &pods_step : pods_end(call, err);
}

static const struct kubernetes_step pods_step = {"list pods", false, pods_build, pods_read, NULL};

static const struct kubernetes_step *enter_pods(struct call *call) {
    call_pages_restart(call);
    return &pods_step;
}

/* The intent: our manager applies this one field of the workload, and nothing else by server-side apply. */

static void annotate_build(struct call *call) {
    const struct kubernetes_change *change = kubernetes_change_of(call);
    struct buf body = {0};
    struct json_writer w = {.out = &body};
    jw_open(&w, '{');
    jw_put_string(&w, "apiVersion", "apps/v1");
    jw_put_string(&w, "kind", change->id.kind);
    jw_key(&w, "metadata");
    jw_open(&w, '{');
    jw_put_string(&w, "name", change->id.name);
    jw_put_string(&w, "uid", change->uid); /* One that was deleted meanwhile is not made anew. A
                                               change of its status in between is none of ours. */
    jw_key(&w, "annotations");
    jw_open(&w, '{');
    jw_put_string(&w, KUBERNETES_REQUESTS_ANNOTATION,
                  kubernetes_target_print(&resize_of(call)->target, &call->exchange.arena));
    jw_close(&w, '}');
    jw_close(&w, '}');
    jw_close(&w, '}');
    kubernetes_send(call, "PATCH", KUBERNETES_APPLY_PATCH,
                    kubernetes_target_path(call, "?force=true&fieldManager=" KUBERNETES_FIELD_MANAGER), &body);
}

static const struct kubernetes_step *annotate_read(struct call *call, struct error *err) {
    return kubernetes_reply(call, err) != NULL ? enter_pods(call) : NULL;
}

static const struct kubernetes_step annotate_deployment_step = {"patch deployments", true, annotate_build,
                                                                annotate_read, NULL};
static const struct kubernetes_step annotate_stateful_set_step = {"patch statefulsets", true, annotate_build,
                                                                  annotate_read, NULL};

/* Before anything is written: a cluster that cannot resize says so, not half-way. */

static void discover_build(struct call *call) {
    kubernetes_request(call, "GET", "/api/v1");
}

static const struct kubernetes_step *discover_read(struct call *call, struct error *err) {
    const struct json *reply = kubernetes_reply(call, err), *resources = json_get(reply, "resources");
    const struct resize *self = resize_of(call);
    bool is_served = false;
    if (reply == NULL)
        return NULL;
    for (size_t i = 0; i < json_array_count(resources); i++)
        is_served |= str_eq(json_string(json_get(json_array_at(resources, i), "name"), ""), "pods/resize");
    if (!is_served)
        return kubernetes_refuse(err, ERR_PERMANENT, "NoInPlaceResize",
                                 "the cluster (before 1.33) cannot resize pods in place: ask for a rollout");
    if (self->guard.asked.cpu_milli == self->target.cpu_milli &&
        self->guard.asked.memory_mib == self->target.memory_mib)
        return enter_pods(call);
    return str_eq(kubernetes_change_of(call)->place->kind, "Deployment") ? &annotate_deployment_step
                                                                         : &annotate_stateful_set_step;
}

static const struct kubernetes_step discover_step = {"get resources of v1", false, discover_build, discover_read, NULL};

static const struct kubernetes_step *decide(struct call *call, struct error *err) {
    struct resize *self = resize_of(call);
    struct kubernetes_guard *guard = &self->guard;
    if (!kubernetes_guard_size(guard, err))
        return NULL;
    self->target = kubernetes_target_merge(guard->asked, self->target);
    if (kubernetes_resources_plan(&guard->template, &self->target, err) != ERR_NONE)
        return NULL;
    if (kubernetes_resources_may_restart(&guard->template) && guard->budget != NULL && guard->budget_allowed <= 0)
        return kubernetes_refuse(err, ERR_CONFLICT, "DisruptionBudget",
                                 "the resize restarts containers, and PodDisruptionBudget %s allows no disruption now",
                                 guard->budget);
    return &discover_step;
}

const struct kubernetes_step *kubernetes_resize_begin(struct call *call, struct error *err) {
    const struct cloud_action *action = kubernetes_change_of(call)->action;
    struct resize *self = arena_alloc(&call->arena, sizeof(*self));
    self->target = (struct kubernetes_target){action->vcpu_milli, action->memory_mib};
    if (!kubernetes_target_check(&self->target, err))
        return NULL;
    self->guard.vertical_autoscalers = self->guard.budgets_if_restart = true;
    self->guard.decide = decide;
    return kubernetes_guard_begin(call, &self->guard);
}

static const struct kubernetes_step *go_on(struct call *call, struct error *err) {
    const struct resize *self = resize_of(call);
    if (self->guard.asked.cpu_milli != self->target.cpu_milli ||
        self->guard.asked.memory_mib != self->target.memory_mib)
        return kubernetes_refuse(err, ERR_CONFLICT, "Superseded",
                                 "annotation " KUBERNETES_REQUESTS_ANNOTATION " asks for something else by now");
    return enter_pods(call);
}

const struct kubernetes_step *kubernetes_resize_poll(struct call *call, const char *rest, struct error *err) {
    (void)err;
    struct resize *self = arena_alloc(&call->arena, sizeof(*self));
    if (!kubernetes_target_of_handle(rest, &self->target))
        return NULL;
    self->guard.budgets_if_restart = true;
    self->guard.decide = go_on;
    return kubernetes_guard_begin(call, &self->guard);
}
