/*
 * The objects that are resources: Deployment and StatefulSet, Node, PersistentVolumeClaim, VolumeSnapshot.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/kubernetes/world.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

#define MIB (INT64_C(1) << 20)

int64_t kubernetes_mib(int64_t bytes) {
    return bytes / MIB + (bytes % MIB != 0);
}

int64_t kubernetes_time(const struct json *node) {
    int64_t ms;
    return time_parse(json_string(node, ""), &ms) ? ms : 0;
}

static int64_t milli_of(const struct json *quantity) {
    int64_t value;
    return kubernetes_quantity_milli(json_string(quantity, ""), &value) ? value : 0;
}

static int64_t mib_of(const struct json *quantity) {
    int64_t value;
    return kubernetes_quantity_bytes(json_string(quantity, ""), &value) ? kubernetes_mib(value) : 0;
}

/* ---- what all objects have ---- */

static struct cloud_tag *read_tags(struct arena *arena, const struct json *labels, size_t *ret_count) {
    size_t count = 0;
    struct cloud_tag *tags = arena_alloc_array(arena, json_object_count(labels), sizeof(*tags));
    for (struct json_iter it = json_iter(labels); json_iter_next(&it);) {
        tags[count].key = arena_strdup(arena, it.key);
        tags[count++].value = arena_strdup(arena, json_string(it.value, ""));
    }
    if (count > 1)
        qsort(tags, count, sizeof(*tags), cloud_tag_cmp);
    *ret_count = count;
    return tags;
}

static struct cloud_resource resource_of(struct kubernetes_world *world, enum cloud_kind kind, const char *object_kind,
                                         const struct json *item) {
    struct arena *arena = world->arena;
    const struct json *metadata = json_get(item, "metadata");
    const char *namespace = json_string(json_get(metadata, "namespace"), NULL);
    struct cloud_resource ret = {
        .kind = kind, .region = CLOUD_REGION_CLUSTER, .zone = "", .type = "", .count = 1, .as_of_ms = world->as_of_ms};
    ret.name = arena_strdup(arena, json_string(json_get(metadata, "name"), ""));
    ret.id = namespace != NULL ? arena_printf(arena, "%s/%s/%s", namespace, object_kind, ret.name) : ret.name;
    ret.tags = read_tags(arena, json_get(metadata, "labels"), &ret.tag_count);
    ret.created_at_ms = kubernetes_time(json_get(metadata, "creationTimestamp"));
    if (json_get(metadata, "deletionTimestamp") != NULL)
        ret.state = CLOUD_DELETING;
    return ret;
}

/* ---- workloads ---- */

static struct kubernetes_requests annotation_read(const struct json *annotations) {
    struct kubernetes_requests ret = {-1, -1};
    const char *text = json_string(json_get(annotations, KUBERNETES_REQUESTS_ANNOTATION), NULL);
    struct json *asked = NULL;
    struct error ignored;
    int64_t bytes;
    if (text == NULL || json_parse(bytes_of(text), &asked, &ignored) != ERR_NONE)
        return ret; /* Somebody's own text: as if it were not there. */
    if (!kubernetes_quantity_milli(json_string(json_get(asked, "cpu"), ""), &ret.vcpu_milli))
        ret.vcpu_milli = -1;
    if (kubernetes_quantity_bytes(json_string(json_get(asked, "memory"), ""), &bytes))
        ret.memory_mib = kubernetes_mib(bytes);
    json_free(asked);
    return ret;
}

static enum cloud_state workload_state(const struct cloud_resource *it) {
    if (it->state == CLOUD_DELETING)
        return CLOUD_DELETING;
    if (it->count == 0)
        return it->serving == 0 ? CLOUD_STOPPED : CLOUD_STOPPING;
    return it->serving == 0 ? CLOUD_PENDING : CLOUD_RUNNING;
}

/* Pods that are ready; what a status of an older generation says of a newer one is still the pods that serve. */
static void workload_read(struct kubernetes_world *world, const char *kind, const struct json *item) {
    const struct json *metadata = json_get(item, "metadata"), *spec = json_get(item, "spec");
    struct kubernetes_workload *row = kubernetes_rows_add(world, &world->workloads, sizeof(*row));
    *row = (struct kubernetes_workload){.resource = resource_of(world, CLOUD_WORKLOAD, kind, item)};
    struct cloud_resource *resource = &row->resource;
    resource->count = json_int(json_get(spec, "replicas"), 1);
    resource->serving = json_int(json_at(item, "status.readyReplicas"), 0);
    resource->state = workload_state(resource);
    row->namespace = arena_strdup(world->scratch, json_string(json_get(metadata, "namespace"), ""));
    row->pod_labels = read_tags(world->scratch, json_at(spec, "template.metadata.labels"), &row->pod_label_count);
    row->asked = annotation_read(json_get(metadata, "annotations"));
    struct kubernetes_requests requests = kubernetes_pod_requests(json_at(spec, "template.spec"));
    resource->vcpu_milli = row->asked.vcpu_milli >= 0 ? row->asked.vcpu_milli : requests.vcpu_milli;
    resource->memory_mib = row->asked.memory_mib >= 0 ? row->asked.memory_mib : requests.memory_mib;
    if (!world->has_no_drift && (row->asked.vcpu_milli >= 0 || row->asked.memory_mib >= 0))
        world->wanted |= SOURCE_BIT(SOURCE_PODS); /* Only they tell which of them have drifted. */
    const char *replicas, *asked;
    kubernetes_field_managers(metadata, &replicas, &asked);
    row->replicas_manager = arena_strdup(world->arena, replicas);
    row->requests_manager = arena_strdup(world->arena, asked);
}

void kubernetes_deployment_read(struct kubernetes_world *world, const struct json *item) {
    workload_read(world, "Deployment", item);
}

void kubernetes_stateful_set_read(struct kubernetes_world *world, const struct json *item) {
    workload_read(world, "StatefulSet", item);
}

/* ---- nodes ---- */

static const char *label_any(const struct json *labels, const char *const *keys) {
    for (size_t i = 0; keys[i] != NULL; i++) {
        const char *value = json_string(json_get(labels, keys[i]), "");
        if (value[0] != '\0')
            return value;
    }
    return "";
}

static const struct {
    const char *key, *value; /* Glob, upper or lower case as the provider writes it. */
} spot_labels[] = {
    {"karpenter.sh/capacity-type", "spot"},        {"eks.amazonaws.com/capacityType", "SPOT"},
    {"cloud.google.com/gke-spot", "true"},         {"cloud.google.com/gke-preemptible", "true"},
    {"cloud.google.com/gke-provisioning", "spot"}, {"kubernetes.azure.com/scalesetpriority", "spot"},
    {"node.alibabacloud.com/spot", "true"},
};

static bool is_spot(const struct json *labels) {
    for (size_t i = 0; i < ARRAY_LEN(spot_labels); i++) {
        if (str_eq(json_string(json_get(labels, spot_labels[i].key), ""), spot_labels[i].value))
            return true;
    }
    return false;
}

/* The cloud that a node was bought from: by its providerID, else by labels that only this cloud's clusters have. */
static const struct {
    const char *id_prefix, *label_prefix, *provider;
} clouds[] = {
    {"aws://", "eks.amazonaws.com/", "aws"},         {"gce://", "cloud.google.com/gke-", "gcp"},
    {"azure://", "kubernetes.azure.com/", "azure"},  {"alicloud://", "node.alibabacloud.com/", "alibaba"},
    {"alicloud://", "alibabacloud.com/", "alibaba"}, {"huaweicloud://", "node.kubernetes.io/huawei", "huawei"},
};

static const char *provider_of(const struct json *labels, const char *provider_id) {
    for (size_t i = 0; i < ARRAY_LEN(clouds); i++) {
        if (str_has_prefix(provider_id, clouds[i].id_prefix))
            return clouds[i].provider;
    }
    for (struct json_iter it = json_iter(labels); json_iter_next(&it);) {
        for (size_t i = 0; i < ARRAY_LEN(clouds); i++) {
            if (str_has_prefix(it.key, clouds[i].label_prefix))
                return clouds[i].provider;
        }
    }
    return "";
}

static enum cloud_state node_state(const struct json *item) {
    const struct json *conditions = json_at(item, "status.conditions");
    const char *ready = "";
    for (size_t i = 0; i < json_array_count(conditions); i++) {
        const struct json *it = json_array_at(conditions, i);
        if (str_eq(json_string(json_get(it, "type"), ""), "Ready"))
            ready = json_string(json_get(it, "status"), "");
    }
    if (!str_eq(ready, "True")) /* "Unknown": its kubelet is not heard. */
        return str_eq(ready, "Unknown") ? CLOUD_STATE_UNKNOWN : CLOUD_PENDING;
    return json_bool(json_at(item, "spec.unschedulable"), false) ? CLOUD_STOPPING : CLOUD_RUNNING;
}

void kubernetes_node_read(struct kubernetes_world *world, const struct json *item) {
    static const char *const types[] = {"node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type", NULL};
    static const char *const zones[] = {"topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone", NULL};
    static const char *const regions[] = {"topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region",
                                          NULL};
    const struct json *labels = json_at(item, "metadata.labels");
    const struct json *allocatable = json_at(item, "status.allocatable");
    struct kubernetes_node *row = kubernetes_rows_add(world, &world->nodes, sizeof(*row));
    *row = (struct kubernetes_node){.resource = resource_of(world, CLOUD_NODE, "Node", item)};
    struct cloud_resource *resource = &row->resource;
    resource->type = arena_strdup(world->arena, label_any(labels, types));
    resource->zone = arena_strdup(world->arena, label_any(labels, zones));
    resource->vcpu_milli = milli_of(json_get(allocatable, "cpu"));
    resource->memory_mib = mib_of(json_get(allocatable, "memory"));
    resource->is_spot = is_spot(labels);
    if (!kubernetes_quantity_milli(json_string(json_get(allocatable, "pods"), ""), &row->pods_max))
        row->pods_max = 0;
    row->pods_max /= 1000;
    row->taints = kubernetes_node_taints(world, item);
    row->keep = kubernetes_node_keep(item);
    if (resource->state != CLOUD_DELETING)
        resource->state = node_state(item);
    row->region = arena_strdup(world->scratch, label_any(labels, regions));
    row->provider = provider_of(labels, json_string(json_at(item, "spec.providerID"), ""));
}

/* ---- volumes and snapshots ---- */

/* Whether a pod mounts it, and whose, is known only when all are read: kubernetes_list joins. */
void kubernetes_claim_read(struct kubernetes_world *world, const struct json *item) {
    struct cloud_resource *row = kubernetes_rows_add(world, &world->volumes, sizeof(*row));
    const struct json *capacity = json_at(item, "status.capacity.storage");
    const char *phase = json_string(json_at(item, "status.phase"), "");
    *row = resource_of(world, CLOUD_VOLUME, "PersistentVolumeClaim", item);
    row->type = arena_strdup(world->arena, json_string(json_at(item, "spec.storageClassName"), ""));
    row->memory_mib = mib_of(capacity != NULL ? capacity : json_at(item, "spec.resources.requests.storage"));
    if (row->state == CLOUD_DELETING)
        return;
    if (str_eq(phase, "Bound"))
        row->state = CLOUD_AVAILABLE;
    else if (str_eq(phase, "Pending"))
        row->state = CLOUD_PENDING;
}

void kubernetes_snapshot_read(struct kubernetes_world *world, const struct json *item) {
    struct cloud_resource *row = kubernetes_rows_add(world, &world->snapshots, sizeof(*row));
    const char *claim = json_string(json_at(item, "spec.source.persistentVolumeClaimName"), NULL);
    const char *namespace = json_string(json_at(item, "metadata.namespace"), "");
    *row = resource_of(world, CLOUD_SNAPSHOT, "VolumeSnapshot", item);
    row->type = arena_strdup(world->arena, json_string(json_at(item, "spec.volumeSnapshotClassName"), ""));
    row->memory_mib = mib_of(json_at(item, "status.restoreSize"));
    if (claim != NULL)
        row->parent = arena_printf(world->arena, "%s/PersistentVolumeClaim/%s", namespace, claim);
    if (row->state == CLOUD_DELETING)
        return;
    if (json_bool(json_at(item, "status.readyToUse"), false))
        row->state = CLOUD_AVAILABLE;
    else if (json_at(item, "status.error") == NULL)
        row->state = CLOUD_PENDING;
}
