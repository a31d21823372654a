/*
 * The nodes of a cluster, and the pods that may be moved between them.
 *
 * What binds a pod to nodes is not read out of its spec once more: where it runs it may run. So it may move to nodes
 * whose labels have the same values, for the labels that its spec names, and that bear no taint which its own node does
 * not bear.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "base/timefmt.h"
#include "plan/nodes_internal.h"

#define MAY_MAX ((size_t)20 << 20) /* Kinds x nodes. */
#define LABEL_MAX 320              /* 253 characters, a slash, 63, and the end. */
#define PODS_UNKNOWN 1000000       /* A node that does not tell how many pods it takes. */

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static const struct cloud_node *node_of(const struct nodes_cluster *cluster, size_t j) {
    return cluster->nodes[j].resource->resource.node;
}

/* ---- where pods may go ---- */

/* The part of a list separated by commas; moves on. */
static bool part_next(const char **at, const char **ret, size_t *ret_size) {
    if (!**at)
        return false;
    *ret = *at;
    *ret_size = strcspn(*at, ",");
    *at += *ret_size + ((*at)[*ret_size] == ',');
    return true;
}

static bool list_has(const char *list, const char *part, size_t part_size) {
    const char *one;
    size_t size;
    while (part_next(&list, &one, &size))
        if (size == part_size && memcmp(one, part, size) == 0)
            return true;
    return false;
}

static bool is_tolerated(const char *taints, const char *known) {
    const char *one;
    size_t size;
    while (part_next(&taints, &one, &size))
        if (!list_has(known, one, size))
            return false;
    return true;
}

/* NULL: it has none of that name. */
static const char *label_of(const struct nodes_cluster *cluster, size_t j, const char *key, size_t key_size) {
    char name[LABEL_MAX];
    if (key_size >= sizeof(name))
        return NULL;
    memcpy(name, key, key_size);
    name[key_size] = '\0';
    return cloud_resource_tag(&cluster->nodes[j].resource->resource, name);
}

static bool is_alike(const struct nodes_cluster *cluster, const char *keys, size_t a, size_t b) {
    const char *one;
    size_t size;
    while (part_next(&keys, &one, &size))
        if (!str_eq(label_of(cluster, a, one, size), label_of(cluster, b, one, size)))
            return false;
    return true;
}

static bool admits(const struct nodes_cluster *cluster, const struct nodes_kind *kind, size_t j) {
    return is_tolerated(node_of(cluster, j)->taints, node_of(cluster, kind->origin)->taints) &&
           is_alike(cluster, kind->load->keys, kind->origin, j);
}

/* ---- kinds ---- */

static struct plan_row *row_of(const struct nodes_cluster *cluster, const char *workload) {
    size_t low = 0, high = cluster->workload_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(cluster->workloads[middle].resource->resource.id, workload);
        if (order == 0)
            return &cluster->workloads[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Equal of pods that are the same to the plan. */
static const char *identity(struct nodes_cluster *cluster, const struct cloud_load *load, size_t j) {
    const char *keys = load->keys, *one;
    size_t size;
    struct buf *key = &cluster->key;
    buf_clear(key);
    buf_printf(key, "%s|%lld|%lld|%d|%s|%s", load->workload, (long long)load->vcpu_milli, (long long)load->memory_mib,
               load->is_apart, load->stays ? load->stays : "", node_of(cluster, j)->taints);
    while (part_next(&keys, &one, &size)) {
        const char *value = label_of(cluster, j, one, size);
        buf_printf(key, "|%.*s=%s", (int)size, one, value ? value : "\n");
    }
    return buf_text(key);
}

/* What they request, or will: the template and its annotation may be ahead of the pods, and the plan of both. */
static void need_fill(const struct nodes_cluster *cluster, const struct nodes_kind *kind, int64_t *ret) {
    const struct plan_row *row = kind->row;
    ret[DRAIN_CPU] = kind->load->vcpu_milli;
    ret[DRAIN_MEMORY] = kind->load->memory_mib;
    ret[DRAIN_PODS] = 1;
    if (row) {
        bool is_cpu = cluster->work->input->policy->forecast.metric == CLOUD_METRIC_CPU;
        ret[DRAIN_CPU] = max64(ret[DRAIN_CPU], row->resource->resource.vcpu_milli);
        ret[DRAIN_MEMORY] = max64(ret[DRAIN_MEMORY], row->resource->resource.memory_mib);
        int64_t *metric = &ret[is_cpu ? DRAIN_CPU : DRAIN_MEMORY];
        *metric = max64(*metric, row->requests);
    }
    for (size_t d = 0; d < DRAIN_DIMENSIONS; d++)
        ret[d] = min64(max64(ret[d], 0), DRAIN_NEED_MAX);
}

static size_t kind_add(struct nodes_cluster *cluster, struct map *known, struct map *groups,
                       const struct cloud_load *load, size_t j) {
    struct arena *arena = cluster->work->arena;
    const char *key = identity(cluster, load, j);
    void *found = map_get(known, key);
    if (found)
        return (size_t)(uintptr_t)found - 1;
    struct nodes_kind kind = {load->workload, row_of(cluster, load->workload), load, j, load->stays != NULL};
    struct drain_kind drain = {.is_apart = load->is_apart};
    need_fill(cluster, &kind, drain.need);
    void *group = map_get(groups, load->workload);
    if (!group) {
        group = (void *)(uintptr_t)(groups->count + 1);
        (void)map_put(groups, load->workload, group);
    }
    drain.group = (size_t)(uintptr_t)group;
    cluster->kinds = arena_push(arena, cluster->kinds, cluster->kind_count, sizeof(kind));
    cluster->drain_kinds = arena_push(arena, cluster->drain_kinds, cluster->kind_count, sizeof(drain));
    cluster->kinds[cluster->kind_count] = kind;
    cluster->drain_kinds[cluster->kind_count] = drain;
    (void)map_put(known, key, (void *)(uintptr_t)(cluster->kind_count + 1));
    return cluster->kind_count++;
}

/* ---- nodes ---- */

const char *nodes_keep(const struct nodes_cluster *cluster, const struct plan_row *row, const char **ret_reason) {
    const struct plan_work *work = cluster->work;
    const struct cloud_resource *r = &row->resource->resource;
    int64_t age_ms = work->input->snapshot->as_of_ms - r->created_at_ms, hold_ms = plan_hold_ms(work->input->policy);
    char span[32];
    *ret_reason = "NotEvictable";
    if (r->node->keep)
        return arena_printf(work->arena, "%s", r->node->keep);
    for (size_t k = 0; k < r->node->load_count; k++)
        if (r->node->loads[k].stays)
            return arena_printf(work->arena, "pods of %s: %s", r->node->loads[k].workload, r->node->loads[k].stays);
    if (row->resource->claimed_by) {
        *ret_reason = "SelectedTwice";
        return arena_printf(work->arena, "policy %s selects it too", row->resource->claimed_by);
    }
    if (row->price < 0) {
        *ret_reason = "UnknownPrice";
        return "its price is not known";
    }
    if (r->created_at_ms > 0 && age_ms < hold_ms) {
        *ret_reason = "TooYoung";
        duration_format(hold_ms, span, sizeof(span));
        return arena_printf(work->arena, "it is there for less than %s: whoever made it has a reason", span);
    }
    return NULL;
}

static enum drain_role role_of(const struct nodes_cluster *cluster, const struct plan_row *row) {
    const char *reason;
    if (row->resource->resource.state != CLOUD_RUNNING)
        return DRAIN_LEAVES;
    return nodes_keep(cluster, row, &reason) ? DRAIN_STAYS : DRAIN_MAY_GO;
}

/* What is beside the fixed pods, and no less than what is there: a node that is full to overflowing has its pods. */
static void has_fill(const struct cloud_resource *r, int64_t *ret) {
    const struct cloud_node *node = r->node;
    int64_t used[DRAIN_DIMENSIONS] = {0};
    for (size_t k = 0; k < node->load_count; k++) {
        int64_t count = min64(node->loads[k].count, DRAIN_LOAD_MAX);
        used[DRAIN_CPU] += min64(node->loads[k].vcpu_milli, DRAIN_NEED_MAX) * count;
        used[DRAIN_MEMORY] += min64(node->loads[k].memory_mib, DRAIN_NEED_MAX) * count;
        used[DRAIN_PODS] += count;
    }
    ret[DRAIN_CPU] = r->vcpu_milli - node->fixed_vcpu_milli;
    ret[DRAIN_MEMORY] = r->memory_mib - node->fixed_memory_mib;
    ret[DRAIN_PODS] = (node->pods_max > 0 ? node->pods_max : PODS_UNKNOWN) - node->fixed_pods;
    for (size_t d = 0; d < DRAIN_DIMENSIONS; d++)
        ret[d] = max64(ret[d], used[d]);
}

static void node_fill(struct nodes_cluster *cluster, struct map *known, struct map *groups, size_t j) {
    const struct plan_row *row = &cluster->nodes[j];
    const struct cloud_node *node = row->resource->resource.node;
    struct drain_load *loads = arena_alloc_array(cluster->work->arena, node->load_count + 1, sizeof(*loads));
    struct drain_node *to = &cluster->drain_nodes[j];
    *to = (struct drain_node){.role = role_of(cluster, row), .price = max64(row->price, 0), .loads = loads};
    has_fill(&row->resource->resource, to->has);
    for (size_t k = 0; k < node->load_count; k++) {
        const struct cloud_load *load = &node->loads[k];
        if (to->role == DRAIN_LEAVES && load->stays)
            continue; /* It stays as long as the node does. */
        loads[to->load_count++] =
            (struct drain_load){kind_add(cluster, known, groups, load, j), min64(load->count, DRAIN_LOAD_MAX)};
    }
}

/* What is said of one kind of a workload's pods holds for all of them. */
static void apart_fill(struct nodes_cluster *cluster, size_t group_count) {
    bool *is_apart = arena_alloc_array(cluster->work->arena, group_count + 1, sizeof(*is_apart));
    for (size_t i = 0; i < cluster->kind_count; i++)
        is_apart[cluster->drain_kinds[i].group] |= cluster->drain_kinds[i].is_apart;
    for (size_t i = 0; i < cluster->kind_count; i++)
        cluster->drain_kinds[i].is_apart = is_apart[cluster->drain_kinds[i].group];
}

bool nodes_model(struct nodes_cluster *cluster) {
    struct map known = {0}, groups = {0};
    struct arena *arena = cluster->work->arena;
    cluster->drain_nodes = arena_alloc_array(arena, cluster->node_count, sizeof(*cluster->drain_nodes));
    for (size_t j = 0; j < cluster->node_count; j++)
        node_fill(cluster, &known, &groups, j);
    apart_fill(cluster, groups.count);
    map_release(&known);
    map_release(&groups);
    buf_release(&cluster->key);
    cluster->known_count = cluster->kind_count;
    size_t rooms = cluster->kind_count + cluster->workload_count; /* Of each workload one for what is new. */
    if (cluster->node_count > 0 && rooms > MAY_MAX / cluster->node_count)
        return false;
    uint8_t *may = arena_alloc_array(arena, rooms * cluster->node_count + 1, sizeof(*may));
    for (size_t i = 0; i < cluster->kind_count; i++)
        for (size_t j = 0; j < cluster->node_count; j++)
            may[i * cluster->node_count + j] =
                !cluster->kinds[i].may_not_move && admits(cluster, &cluster->kinds[i], j);
    cluster->problem = (struct drain_problem){.kinds = cluster->drain_kinds,
                                              .kind_count = cluster->kind_count,
                                              .nodes = cluster->drain_nodes,
                                              .node_count = cluster->node_count,
                                              .may = may};
    return true;
}

/* ---- what is not there yet ---- */

/* Replicas of a workload, once the plan is carried out, or when demand is greatest. What shrinks is still among the
 * loads of the nodes: whatever of the plan is carried out first, the pods have a place. */
static int64_t replicas_of(struct plan_work *work, const struct plan_row *row, bool is_horizon) {
    const struct policy *policy = work->input->policy;
    int64_t count = row->hold ? row->actual : plan_size_after(row, row->to);
    const char *manager = row->resource->resource.count_manager;
    bool may_change = manager ? policy_is_autoscaler(manager) : !row->hold && policy_may(policy, ACTION_SCALE);
    if (!is_horizon || !may_change || row->requests || row->raw < 0 || row->resource->capacity_per_machine <= 0)
        return count;
    int64_t most = row->resource->resource.count_max > 0 ? row->resource->resource.count_max : policy->capacity.max;
    int64_t peak = plan_count_for(work, row, plan_demand_peak(work, row));
    return max64(count, min64(peak, min64(most, policy->capacity.max)));
}

/* What new pods of a workload need, and where they may go: as those that are there; without any, to nodes without
 * taints. */
static void new_kind(struct nodes_cluster *cluster, struct plan_row *row) {
    size_t nodes = cluster->node_count, at = cluster->kind_count;
    static const struct cloud_load none = {.workload = "", .keys = ""};
    struct nodes_kind kind = {row->resource->resource.id, row, &none, 0, false};
    struct drain_kind drain = {.group = SIZE_MAX - at};
    uint8_t *may = (uint8_t *)(uintptr_t)(cluster->problem.may + at * nodes);
    bool has_any = false;
    need_fill(cluster, &kind, drain.need);
    memset(may, 0, nodes);
    for (size_t i = 0; i < cluster->known_count; i++) {
        const struct drain_kind *known = &cluster->drain_kinds[i];
        if (cluster->kinds[i].row != row)
            continue;
        has_any = true;
        drain.group = known->group;
        drain.is_apart |= known->is_apart;
        for (size_t d = 0; d < DRAIN_DIMENSIONS; d++)
            drain.need[d] = max64(drain.need[d], known->need[d]);
        for (size_t j = 0; j < nodes; j++)
            may[j] |= admits(cluster, &cluster->kinds[i], j);
    }
    for (size_t j = 0; !has_any && j < nodes; j++)
        may[j] = node_of(cluster, j)->taints[0] == '\0';
    cluster->kinds = arena_push(cluster->work->arena, cluster->kinds, at, sizeof(kind));
    cluster->drain_kinds = arena_push(cluster->work->arena, cluster->drain_kinds, at, sizeof(drain));
    cluster->kinds[at] = kind;
    cluster->drain_kinds[at] = drain;
    cluster->kind_count++;
}

void nodes_growth(struct nodes_cluster *cluster, bool is_horizon) {
    struct plan_work *work = cluster->work;
    struct drain_load *more = arena_alloc_array(work->arena, cluster->workload_count + 1, sizeof(*more));
    struct drain_problem *problem = &cluster->problem;
    cluster->kind_count = cluster->known_count;
    problem->more_count = 0;
    for (size_t i = 0; i < cluster->workload_count; i++) {
        struct plan_row *row = &cluster->workloads[i];
        int64_t count = replicas_of(work, row, is_horizon) - row->actual;
        if (count <= 0 || row->closure)
            continue;
        more[problem->more_count++] = (struct drain_load){cluster->kind_count, count};
        new_kind(cluster, row);
    }
    problem->kind_count = cluster->kind_count;
    problem->kinds = cluster->drain_kinds;
    problem->more = more;
}

size_t nodes_kind_new(struct nodes_cluster *cluster, struct plan_row *row) {
    for (size_t i = cluster->known_count; i < cluster->kind_count; i++)
        if (cluster->kinds[i].row == row)
            return i;
    new_kind(cluster, row);
    cluster->problem.kind_count = cluster->kind_count;
    cluster->problem.kinds = cluster->drain_kinds;
    return cluster->kind_count - 1;
}
