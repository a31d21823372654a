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

/* NULL: of neither a Deployment nor a StatefulSet. */
static const char *workload_of(struct arena *arena, const char *namespace, const struct json *metadata) {
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

void kubernetes_pod_read(struct kubernetes_world *world, const struct json *item) {
    struct arena *arena = world->scratch;
    const struct json *metadata = json_get(item, "metadata"), *spec = json_get(item, "spec");
    const char *namespace = json_string(json_get(metadata, "namespace"), "");
    struct kubernetes_pod *row = kubernetes_rows_add(world, &world->pods, sizeof(*row));
    *row = (struct kubernetes_pod){.key = key_of(arena, metadata),
                                   .workload = workload_of(arena, namespace, metadata),
                                   .requests = kubernetes_pod_requests(spec)};
    row->is_running = str_eq(json_string(json_at(item, "status.phase"), ""), "Running") &&
                      json_get(metadata, "deletionTimestamp") == NULL;
    read_claims(arena, namespace, json_get(spec, "volumes"), row);
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
