/*
 * Pods: what they request, whose they are, what they mount and what they use.
 *
 * A Deployment's pod belongs to a ReplicaSet that is named after the Deployment and the hash of its template, and bears
 * that hash as a label: so the ReplicaSets need not be listed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/kubernetes/world.h"
#include "base/str.h"

struct sums {
    int64_t milli, bytes;
};

/* A container that names a limit but no request has the limit for its request: the API server sets it on pods, not on
 * templates. */
static const char *asked_of(const struct json *resources, const char *name) {
    const char *request = json_string(json_get(json_get(resources, "requests"), name), NULL);
    return request != NULL ? request : json_string(json_get(json_get(resources, "limits"), name), "");
}

static void add_container(struct sums *sums, const struct json *container) {
    const struct json *resources = json_get(container, "resources");
    int64_t value;
    if (kubernetes_quantity_milli(asked_of(resources, "cpu"), &value) &&
        __builtin_add_overflow(sums->milli, value, &sums->milli))
        sums->milli = INT64_MAX;
    if (kubernetes_quantity_bytes(asked_of(resources, "memory"), &value) &&
        __builtin_add_overflow(sums->bytes, value, &sums->bytes))
        sums->bytes = INT64_MAX;
}

struct kubernetes_requests kubernetes_pod_requests(const struct json *spec) {
    const struct json *containers = json_get(spec, "containers"), *inits = json_get(spec, "initContainers");
    const struct json *whole = json_get(spec, "resources"); /* Of the pod: stands above its containers'. */
    struct sums sums = {0};
    int64_t value;
    for (size_t i = 0; i < json_array_count(containers); i++)
        add_container(&sums, json_array_at(containers, i));
    for (size_t i = 0; i < json_array_count(inits); i++) { /* A sidecar runs as long as the pod; others are gone. */
        if (str_eq(json_string(json_get(json_array_at(inits, i), "restartPolicy"), ""), "Always"))
            add_container(&sums, json_array_at(inits, i));
    }
    if (kubernetes_quantity_milli(asked_of(whole, "cpu"), &value))
        sums.milli = value;
    if (kubernetes_quantity_bytes(asked_of(whole, "memory"), &value))
        sums.bytes = value;
    return (struct kubernetes_requests){sums.milli, kubernetes_mib(sums.bytes)};
}

/* What its first steps need is free again before it serves, but not when it is placed. */
struct kubernetes_requests kubernetes_pod_scheduled(const struct json *spec) {
    const struct json *inits = json_get(spec, "initContainers"), *overhead = json_get(spec, "overhead");
    struct kubernetes_requests ret = kubernetes_pod_requests(spec);
    struct sums sidecars = {0};
    int64_t value;
    for (size_t i = 0; i < json_array_count(inits); i++) {
        const struct json *it = json_array_at(inits, i);
        bool is_sidecar = str_eq(json_string(json_get(it, "restartPolicy"), ""), "Always");
        struct sums step = sidecars;
        add_container(is_sidecar ? &sidecars : &step, it);
        ret.vcpu_milli = step.milli > ret.vcpu_milli ? step.milli : ret.vcpu_milli;
        ret.memory_mib = kubernetes_mib(step.bytes) > ret.memory_mib ? kubernetes_mib(step.bytes) : ret.memory_mib;
    }
    if (kubernetes_quantity_milli(json_string(json_get(overhead, "cpu"), ""), &value) &&
        __builtin_add_overflow(ret.vcpu_milli, value, &ret.vcpu_milli))
        ret.vcpu_milli = INT64_MAX;
    if (kubernetes_quantity_bytes(json_string(json_get(overhead, "memory"), ""), &value) &&
        __builtin_add_overflow(ret.memory_mib, kubernetes_mib(value), &ret.memory_mib))
        ret.memory_mib = INT64_MAX;
    return ret;
}

const char *kubernetes_pod_workload(struct arena *arena, const char *namespace, const struct json *metadata) {
    const struct json *owners = json_get(metadata, "ownerReferences");
    const char *hash = json_string(json_get(json_get(metadata, "labels"), "pod-template-hash"), NULL);
    for (size_t i = 0; i < json_array_count(owners); i++) {
        const struct json *owner = json_array_at(owners, i);
        const char *kind = json_string(json_get(owner, "kind"), ""), *name = json_string(json_get(owner, "name"), "");
        if (!json_bool(json_get(owner, "controller"), false) ||
            !str_has_prefix(json_string(json_get(owner, "apiVersion"), ""), "apps/"))
            continue;
        if (str_eq(kind, "StatefulSet"))
            return arena_printf(arena, "%s/StatefulSet/%s", namespace, name);
        if (!str_eq(kind, "ReplicaSet") || hash == NULL)
            return NULL;
        size_t size = strlen(name), tail = strlen(hash) + 1;
        if (size <= tail || name[size - tail] != '-' || !str_has_suffix(name, hash))
            return NULL;
        return arena_printf(arena, "%s/Deployment/%.*s", namespace, (int)(size - tail), name);
    }
    return NULL;
}

static void read_claims(struct arena *arena, const char *namespace, const struct json *volumes,
                        struct kubernetes_pod *pod) {
    const char **claims = NULL;
    for (size_t i = 0; i < json_array_count(volumes); i++) {
        const char *name = json_string(json_at(json_array_at(volumes, i), "persistentVolumeClaim.claimName"), NULL);
        if (name == NULL)
            continue;
        claims = arena_push(arena, claims, pod->claim_count, sizeof(*claims));
        claims[pod->claim_count++] = arena_printf(arena, "%s/PersistentVolumeClaim/%s", namespace, name);
    }
    pod->claims = claims;
}

static const char *key_of(struct arena *arena, const struct json *metadata) {
    return arena_printf(arena, "%s/%s", json_string(json_get(metadata, "namespace"), ""),
                        json_string(json_get(metadata, "name"), ""));
}

/* ---- what was killed for want of memory ---- */

static const struct json *container_find(const struct json *spec, const char *name) {
    static const char *const lists[] = {"containers", "initContainers"};
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        const struct json *list = json_get(spec, lists[k]);
        for (size_t i = 0; i < json_array_count(list); i++) {
            if (str_eq(json_string(json_get(json_array_at(list, i), "name"), NULL), name))
                return json_array_at(list, i);
        }
    }
    return NULL;
}

/* What the pod may use while this container uses all that it may. See struct cloud_kill. */
static int64_t allowed_mib(const struct json *spec, const char *container) {
    const struct json *resources = json_get(container_find(spec, container), "resources");
    const char *pod_limit = json_string(json_at(spec, "resources.limits.memory"), NULL);
    const char *limit = json_string(json_at(resources, "limits.memory"), "");
    int64_t asked = 0, most = 0, pod = kubernetes_pod_requests(spec).memory_mib;
    if (pod_limit != NULL && kubernetes_quantity_bytes(pod_limit, &most))
        return kubernetes_mib(most);
    if (!kubernetes_quantity_bytes(asked_of(resources, "memory"), &asked))
        return 0;
    if (!kubernetes_quantity_bytes(limit, &most) || most < asked)
        most = asked;
    return __builtin_add_overflow(pod, kubernetes_mib(most) - kubernetes_mib(asked), &pod) ? INT64_MAX : pod;
}

/* state or lastState of a container. What has ended stands in the one, then in the other, with the same id. */
static void read_end(struct arena *arena, const struct json *item, const char *container, const struct json *state,
                     struct kubernetes_pod *pod) {
    const struct json *end = json_get(state, "terminated");
    int64_t time_ms = kubernetes_time(json_get(end, "finishedAt"));
    const char *id = json_string(json_get(end, "containerID"), "");
    if (!str_eq(json_string(json_get(end, "reason"), NULL), "OOMKilled") || time_ms <= 0)
        return;
    if (id[0] == '\0')
        id = json_string(json_get(end, "finishedAt"), "");
    struct cloud_kill *kills = (struct cloud_kill *)(uintptr_t)pod->kills;
    kills = arena_push(arena, kills, pod->kill_count, sizeof(*kills));
    kills[pod->kill_count++] = (struct cloud_kill){
        .id = arena_printf(arena, "%s/%s/%s", json_string(json_at(item, "metadata.uid"), pod->key), container, id),
        .time_ms = time_ms,
        .memory_mib = allowed_mib(json_get(item, "spec"), container)};
    pod->kills = kills;
}

static void read_kills(struct arena *arena, const struct json *item, struct kubernetes_pod *pod) {
    static const char *const lists[] = {"containerStatuses", "initContainerStatuses"};
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        const struct json *statuses = json_get(json_get(item, "status"), lists[k]);
        for (size_t i = 0; i < json_array_count(statuses) && pod->kill_count < CLOUD_KILLS_MAX; i++) {
            const struct json *status = json_array_at(statuses, i);
            const char *container = json_string(json_get(status, "name"), "");
            read_end(arena, item, container, json_get(status, "state"), pod);
            read_end(arena, item, container, json_get(status, "lastState"), pod);
        }
    }
}

void kubernetes_pod_read(struct kubernetes_world *world, const struct json *item) {
    struct arena *arena = world->scratch;
    const struct json *metadata = json_get(item, "metadata"), *spec = json_get(item, "spec");
    const char *namespace = json_string(json_get(metadata, "namespace"), "");
    if (world->wants_loads)
        kubernetes_load_read(world, item);
    if (world->is_loads_only)
        return;
    struct kubernetes_pod *row = kubernetes_rows_add(world, &world->pods, sizeof(*row));
    *row = (struct kubernetes_pod){.key = key_of(arena, metadata),
                                   .workload = kubernetes_pod_workload(arena, namespace, metadata),
                                   .requests = kubernetes_pod_requests(spec)};
    row->is_running = str_eq(json_string(json_at(item, "status.phase"), ""), "Running") &&
                      json_get(metadata, "deletionTimestamp") == NULL;
    read_claims(arena, namespace, json_get(spec, "volumes"), row);
    if (world->wants_kills)
        read_kills(arena, item, row);
}

void kubernetes_pod_metric_read(struct kubernetes_world *world, const struct json *item) {
    const struct json *containers = json_get(item, "containers");
    struct kubernetes_pod_metric *row = kubernetes_rows_add(world, &world->metrics, sizeof(*row));
    *row = (struct kubernetes_pod_metric){.pod = key_of(world->scratch, json_get(item, "metadata")),
                                          .time_ms = kubernetes_time(json_get(item, "timestamp"))};
    for (size_t i = 0; i < json_array_count(containers); i++) {
        const struct json *usage = json_get(json_array_at(containers, i), "usage");
        double value;
        if (kubernetes_quantity(json_string(json_get(usage, "cpu"), ""), &value))
            row->cores += value;
        if (kubernetes_quantity(json_string(json_get(usage, "memory"), ""), &value))
            row->bytes += value;
    }
}
