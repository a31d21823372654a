/*
 * What is on each node, for whoever asks which nodes are needed: pods that are alike counted together, those that go
 * with the node summed up, and what forbids to move one.
 *
 * What keeps a node or a pod where it is, is what Karpenter and the cluster autoscaler go by:
 * https://karpenter.sh/docs/concepts/disruption/ and
 * https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/kubernetes/world.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#define LOADS_MAX 300000 /* Pods: more than a cluster may have (150,000). What has more is not told. */
#define KEYS_MAX 16
#define KEY_HOSTNAME "kubernetes.io/hostname"
#define KEY_ZONE "topology.kubernetes.io/zone"
#define AUTOSCALER "cluster-autoscaler.kubernetes.io/"

static bool is_true(const struct json *object, const char *key, const char *value) {
    return str_eq(json_string(json_get(object, key), NULL), value);
}

/* ---- what a node says of itself ---- */

static int text_cmp(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *joined(struct arena *arena, const char **texts, size_t count) {
    struct buf all = {0};
    if (count > 1)
        qsort(texts, count, sizeof(*texts), text_cmp);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !str_eq(texts[i], texts[i - 1]))
            buf_printf(&all, "%s%s", all.size > 0 ? "," : "", texts[i]);
    const char *text = arena_strdup(arena, buf_text(&all));
    buf_release(&all);
    return text;
}

const char *kubernetes_node_taints(struct kubernetes_world *world, const struct json *item) {
    const struct json *taints = json_at(item, "spec.taints");
    size_t count = 0;
    const char **texts = arena_alloc_array(world->scratch, json_array_count(taints), sizeof(*texts));
    for (size_t i = 0; i < json_array_count(taints); i++) {
        const struct json *it = json_array_at(taints, i);
        const char *key = json_string(json_get(it, "key"), ""), *effect = json_string(json_get(it, "effect"), "");
        if (!str_eq(effect, "PreferNoSchedule") && !str_has_prefix(key, "node.kubernetes.io/")) /* Those are states. */
            texts[count++] =
                arena_printf(world->scratch, "%s=%s:%s", key, json_string(json_get(it, "value"), ""), effect);
    }
    return joined(world->scratch, texts, count);
}

const char *kubernetes_node_keep(const struct json *item) {
    const struct json *annotations = json_at(item, "metadata.annotations"), *labels = json_at(item, "metadata.labels");
    if (is_true(annotations, "karpenter.sh/do-not-disrupt", "true"))
        return "karpenter.sh/do-not-disrupt";
    if (is_true(annotations, AUTOSCALER "scale-down-disabled", "true"))
        return AUTOSCALER "scale-down-disabled";
    if (json_get(labels, "node-role.kubernetes.io/control-plane") != NULL)
        return "it runs the control plane";
    return NULL;
}

/* ---- what binds a pod ---- */

struct bonds {
    const char *keys[KEYS_MAX];
    size_t key_count;
    bool is_apart;
    const char *stays;
};

static void stay(struct bonds *bonds, const char *why) {
    if (bonds->stays == NULL)
        bonds->stays = why;
}

static void bind_key(struct bonds *bonds, const char *key) {
    if (bonds->key_count == KEYS_MAX)
        stay(bonds, "more labels bind it than are weighed");
    else if (strchr(key, ',') == NULL)
        bonds->keys[bonds->key_count++] = key;
}

/* Within the same value of the key nothing changes; of nodes each is one of its own. */
static void bind_topology(struct bonds *bonds, const char *key) {
    if (str_eq(key, KEY_HOSTNAME))
        bonds->is_apart = true;
    else
        bind_key(bonds, key);
}

static void bind_nodes(struct bonds *bonds, const struct json *spec) {
    const struct json *terms =
        json_at(spec, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
    for (struct json_iter it = json_iter(json_get(spec, "nodeSelector")); json_iter_next(&it);)
        bind_key(bonds, it.key);
    for (size_t i = 0; i < json_array_count(terms); i++) {
        const struct json *expressions = json_get(json_array_at(terms, i), "matchExpressions");
        if (json_array_count(json_get(json_array_at(terms, i), "matchFields")) > 0)
            stay(bonds, "it is bound to a node by name");
        for (size_t k = 0; k < json_array_count(expressions); k++)
            bind_key(bonds, json_string(json_get(json_array_at(expressions, k), "key"), ""));
    }
}

static void bind_pods(struct kubernetes_world *world, struct bonds *bonds, const struct json *item) {
    const struct json *spec = json_get(item, "spec"), *labels = json_at(item, "metadata.labels");
    static const char *const required = "requiredDuringSchedulingIgnoredDuringExecution";
    const struct json *spread = json_get(spec, "topologySpreadConstraints");
    const struct json *apart = json_get(json_at(spec, "affinity.podAntiAffinity"), required);
    if (json_array_count(json_get(json_at(spec, "affinity.podAffinity"), required)) > 0)
        stay(bonds, "it has to run beside other pods");
    for (size_t i = 0; i < json_array_count(apart); i++) {
        const struct json *term = json_array_at(apart, i);
        if (!kubernetes_selector_matches(world, json_get(term, "labelSelector"), labels))
            stay(bonds, "it may not run beside certain other pods");
        bind_topology(bonds, json_string(json_get(term, "topologyKey"), ""));
    }
    for (size_t i = 0; i < json_array_count(spread); i++)
        if (is_true(json_array_at(spread, i), "whenUnsatisfiable", "DoNotSchedule"))
            bind_topology(bonds, json_string(json_get(json_array_at(spread, i), "topologyKey"), ""));
}

static bool is_named(const char *list, const char *name) {
    for (size_t size; *list != '\0'; list += size + (list[size] == ',')) {
        size = strcspn(list, ",");
        if (size == strlen(name) && strncmp(list, name, size) == 0)
            return true;
    }
    return false;
}

static void bind_volumes(struct bonds *bonds, const struct json *spec, const struct json *annotations) {
    const struct json *volumes = json_get(spec, "volumes");
    const char *safe = json_string(json_get(annotations, AUTOSCALER "safe-to-evict-local-volumes"), "");
    bool is_safe = is_true(annotations, AUTOSCALER "safe-to-evict", "true");
    for (size_t i = 0; i < json_array_count(volumes); i++) {
        const struct json *it = json_array_at(volumes, i), *empty = json_get(it, "emptyDir");
        bool is_local = (empty != NULL && !is_true(empty, "medium", "Memory")) || json_get(it, "hostPath") != NULL;
        if (is_local && !is_safe && !is_named(safe, json_string(json_get(it, "name"), "")))
            stay(bonds, "local storage");
        if (json_get(it, "persistentVolumeClaim") != NULL || json_get(it, "ephemeral") != NULL)
            bind_key(bonds, KEY_ZONE);
    }
}

/* Ports of the node, and what is neither CPU nor memory. */
static void bind_containers(struct kubernetes_world *world, struct bonds *bonds, const struct json *spec) {
    const struct json *containers = json_get(spec, "containers");
    bonds->is_apart |= json_bool(json_get(spec, "hostNetwork"), false);
    for (size_t i = 0; i < json_array_count(containers); i++) {
        const struct json *it = json_array_at(containers, i), *ports = json_get(it, "ports");
        for (size_t k = 0; k < json_array_count(ports); k++)
            bonds->is_apart |= json_int(json_get(json_array_at(ports, k), "hostPort"), 0) > 0;
        for (struct json_iter r = json_iter(json_at(it, "resources.requests")); json_iter_next(&r);)
            if (!str_eq(r.key, "cpu") && !str_eq(r.key, "memory"))
                stay(bonds, arena_printf(world->scratch, "it requests %s", r.key));
    }
}

static struct bonds bonds_of(struct kubernetes_world *world, const struct json *item) {
    const struct json *metadata = json_get(item, "metadata"), *spec = json_get(item, "spec");
    const struct json *annotations = json_get(metadata, "annotations");
    struct bonds bonds = {0};
    if (is_true(annotations, "karpenter.sh/do-not-disrupt", "true"))
        stay(&bonds, "karpenter.sh/do-not-disrupt");
    if (is_true(annotations, AUTOSCALER "safe-to-evict", "false"))
        stay(&bonds, AUTOSCALER "safe-to-evict: \"false\"");
    stay(&bonds, kubernetes_budget_of_pod(world, metadata));
    bind_nodes(&bonds, spec);
    bind_pods(world, &bonds, item);
    bind_volumes(&bonds, spec, annotations);
    bind_containers(world, &bonds, spec);
    return bonds;
}

/* ---- pods ---- */

/* Of what no other copy would be made elsewhere, or of which each node has its own. */
static const char *controller_of(struct kubernetes_world *world, const struct json *metadata) {
    const struct json *owners = json_get(metadata, "ownerReferences");
    const char *namespace = json_string(json_get(metadata, "namespace"), "");
    const char *workload = kubernetes_pod_workload(world->scratch, namespace, metadata);
    for (size_t i = 0; workload == NULL && i < json_array_count(owners); i++)
        if (json_bool(json_get(json_array_at(owners, i), "controller"), false))
            workload = arena_printf(world->scratch, "%s/%s/%s", namespace,
                                    json_string(json_get(json_array_at(owners, i), "kind"), ""),
                                    json_string(json_get(json_array_at(owners, i), "name"), ""));
    return workload;
}

static bool is_of_node(const struct json *metadata) {
    const struct json *owners = json_get(metadata, "ownerReferences");
    for (size_t i = 0; i < json_array_count(owners); i++) {
        const char *kind = json_string(json_get(json_array_at(owners, i), "kind"), "");
        if (str_eq(kind, "DaemonSet") || str_eq(kind, "Node")) /* Node: what its kubelet runs by itself. */
            return true;
    }
    return json_get(json_get(metadata, "annotations"), "kubernetes.io/config.mirror") != NULL;
}

void kubernetes_load_read(struct kubernetes_world *world, const struct json *item) {
    struct arena *arena = world->scratch;
    const struct json *metadata = json_get(item, "metadata"), *spec = json_get(item, "spec");
    const char *node = json_string(json_get(spec, "nodeName"), "");
    bool is_leaving = json_get(metadata, "deletionTimestamp") != NULL;
    if (node[0] == '\0') { /* What is gated waits for somebody else. */
        world->pending += !is_leaving && json_array_count(json_get(spec, "schedulingGates")) == 0;
        return;
    }
    struct kubernetes_load *row = kubernetes_rows_add(world, &world->loads, sizeof(*row));
    struct kubernetes_requests requests = kubernetes_pod_scheduled(spec);
    *row = (struct kubernetes_load){.node = arena_strdup(arena, node)};
    row->load = (struct cloud_load){
        .count = 1, .vcpu_milli = requests.vcpu_milli, .memory_mib = requests.memory_mib, .keys = ""};
    if (is_leaving || is_of_node(metadata))
        return;
    row->load.workload = controller_of(world, metadata);
    if (row->load.workload == NULL) {
        row->bare = arena_printf(arena, "pod %s/%s has no controller", json_string(json_get(metadata, "namespace"), ""),
                                 json_string(json_get(metadata, "name"), ""));
        return;
    }
    struct bonds bonds = bonds_of(world, item);
    for (size_t i = 0; i < bonds.key_count; i++)
        bonds.keys[i] = arena_strdup(arena, bonds.keys[i]);
    row->load.stays = arena_strdup(arena, bonds.stays);
    row->load.is_apart = bonds.is_apart;
    row->load.keys = joined(arena, bonds.keys, bonds.key_count);
}

/* ---- nodes with their loads ---- */

/* By node; what is in no load first. */
static int load_cmp(const void *a, const void *b) {
    const struct kubernetes_load *x = a, *y = b;
    int order = str_cmp(x->node, y->node);
    if (order == 0)
        order = cloud_load_cmp(&x->load, &y->load);
    return order ? order : str_cmp(x->bare, y->bare);
}

static int node_cmp(const void *a, const void *b) {
    const struct kubernetes_load *x = a, *y = b;
    return str_cmp(x->node, y->node);
}

static void fixed_add(struct cloud_node *node, const struct cloud_load *load) {
    node->fixed_pods++;
    if (__builtin_add_overflow(node->fixed_vcpu_milli, load->vcpu_milli, &node->fixed_vcpu_milli))
        node->fixed_vcpu_milli = INT64_MAX;
    if (__builtin_add_overflow(node->fixed_memory_mib, load->memory_mib, &node->fixed_memory_mib))
        node->fixed_memory_mib = INT64_MAX;
}

static struct cloud_load load_copy(struct arena *arena, const struct cloud_load *load, const struct cloud_load *last) {
    struct cloud_load to = *load;
    bool is_same = last != NULL && str_eq(last->workload, load->workload);
    to.workload = is_same ? last->workload : arena_strdup(arena, load->workload);
    to.stays = arena_strdup(arena, load->stays);
    to.keys = load->keys[0] == '\0' ? "" : arena_strdup(arena, load->keys);
    return to;
}

/* The rows of one node, in order. */
static const struct cloud_node *node_make(struct kubernetes_world *world, const struct kubernetes_node *row,
                                          const struct kubernetes_load *loads, size_t count) {
    struct cloud_node *node = arena_alloc(world->arena, sizeof(*node));
    struct cloud_load *to = NULL, *last = NULL;
    const char *bare = NULL;
    *node = (struct cloud_node){
        .pods_max = row->pods_max, .taints = arena_strdup(world->arena, row->taints), .pending = world->pending};
    for (size_t i = 0; i < count; i++) {
        const struct cloud_load *load = &loads[i].load;
        if (load->workload == NULL) {
            fixed_add(node, load);
            bare = bare == NULL || (loads[i].bare != NULL && str_cmp(loads[i].bare, bare) < 0) ? loads[i].bare : bare;
        } else if (last != NULL && cloud_load_cmp(last, load) == 0) {
            last->count++;
        } else {
            to = arena_push(world->arena, to, node->load_count, sizeof(*to));
            to[node->load_count] = load_copy(world->arena, load, last);
            last = &to[node->load_count++];
        }
    }
    node->loads = to;
    node->keep = arena_strdup(world->arena, row->keep != NULL ? row->keep : bare);
    return node;
}

/* Not where something of it could not be seen: what is not seen must not be taken for absent. */
void kubernetes_loads_join(struct kubernetes_world *world) {
    const uint32_t needed = SOURCE_BIT(SOURCE_PODS) | SOURCE_BIT(SOURCE_DISRUPTION_BUDGETS);
    struct kubernetes_load *loads = world->loads.items;
    struct kubernetes_node *nodes = world->nodes.items;
    size_t count = world->loads.count;
    if (!world->wants_loads || (world->denied & needed) != 0 || world->is_truncated || count > LOADS_MAX)
        return;
    if (count > 1)
        qsort(loads, count, sizeof(*loads), load_cmp);
    for (size_t i = 0; i < world->nodes.count; i++) {
        const struct kubernetes_load key = {.node = nodes[i].resource.name};
        const struct kubernetes_load *first = count ? bsearch(&key, loads, count, sizeof(key), node_cmp) : NULL;
        size_t from = first != NULL ? (size_t)(first - loads) : 0, to = from;
        while (first != NULL && from > 0 && node_cmp(&loads[from - 1], &key) == 0)
            from--;
        while (first != NULL && to < count && node_cmp(&loads[to], &key) == 0)
            to++;
        nodes[i].resource.node = node_make(world, &nodes[i], count ? &loads[from] : NULL, to - from);
    }
}
