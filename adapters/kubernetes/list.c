/*
 * list: the resources of the kinds asked for, with all that other objects say about them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/kubernetes/world.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

static const uint32_t sources_of[CLOUD_KIND_COUNT] = {
    [CLOUD_WORKLOAD] = SOURCE_BIT(SOURCE_NODES) | SOURCES_OWNERS | SOURCES_WORKLOADS,
    [CLOUD_NODE] = SOURCE_BIT(SOURCE_NODES),
    [CLOUD_VOLUME] = SOURCE_BIT(SOURCE_CLAIMS) | SOURCE_BIT(SOURCE_PODS),
    [CLOUD_SNAPSHOT] = SOURCE_BIT(SOURCE_SNAPSHOTS),
};

struct list_state {
    struct kubernetes_world world;
    uint32_t kinds;
};

static bool is_other(int64_t asked, int64_t has) {
    return asked >= 0 && asked != has;
}

/* Pods whose requests are not what was asked for, and the volumes that pods mount. */
static void pods_join(struct kubernetes_world *world) {
    const struct kubernetes_pod *pods = world->pods.items;
    struct kubernetes_workload *workloads = world->workloads.items;
    struct cloud_resource *volumes = world->volumes.items;
    struct map by_id = {0};
    for (size_t i = 0; i < world->workloads.count; i++)
        map_put(&by_id, workloads[i].resource.id, &workloads[i]);
    for (size_t i = 0; i < world->volumes.count; i++)
        map_put(&by_id, volumes[i].id, &volumes[i]);
    for (size_t i = 0; i < world->pods.count; i++) {
        const struct kubernetes_pod *pod = &pods[i];
        struct kubernetes_workload *workload = pod->workload != NULL ? map_get(&by_id, pod->workload) : NULL;
        if (workload != NULL && pod->is_running &&
            (is_other(workload->asked.vcpu_milli, pod->requests.vcpu_milli) ||
             is_other(workload->asked.memory_mib, pod->requests.memory_mib)))
            workload->resource.drifted++;
        for (size_t k = 0; k < pod->claim_count; k++) {
            struct cloud_resource *volume = map_get(&by_id, pod->claims[k]);
            if (volume == NULL)
                continue;
            volume->parent = pod->workload != NULL ? arena_strdup(world->arena, pod->workload) : volume->parent;
            if (volume->state == CLOUD_AVAILABLE)
                volume->state = CLOUD_IN_USE;
        }
    }
    map_release(&by_id);
}

static void gather(struct cloud_resource *all, size_t *count, const struct kubernetes_rows *rows, size_t row_size) {
    for (size_t i = 0; i < rows->count; i++) /* Each row begins with its resource. */
        memcpy(&all[(*count)++], (const char *)rows->items + i * row_size, sizeof(*all));
}

static enum exchange_next finish(struct call *call, struct kubernetes_world *world, struct error *err) {
    const struct list_state *state = call->state;
    struct adapter_reply *reply = &call->outer->reply;
    size_t count = 0, count_max = world->count_max;
    (void)err;
    kubernetes_owners_join(world);
    kubernetes_prices_join(world);
    pods_join(world);
    kubernetes_loads_join(world);
    struct cloud_resource *all = arena_alloc_array(
        world->arena, world->nodes.count + world->workloads.count + world->volumes.count + world->snapshots.count,
        sizeof(*all));
    if ((state->kinds & 1u << CLOUD_NODE) != 0)
        gather(all, &count, &world->nodes, sizeof(struct kubernetes_node));
    gather(all, &count, &world->workloads, sizeof(struct kubernetes_workload));
    gather(all, &count, &world->volumes, sizeof(struct cloud_resource));
    gather(all, &count, &world->snapshots, sizeof(struct cloud_resource));
    if (count > 1)
        qsort(all, count, sizeof(*all), cloud_resource_cmp);
    reply->truncated = world->is_truncated || count > count_max;
    reply->count = count > count_max ? count_max : count;
    reply->as.resources = all;
    return EXCHANGE_DONE;
}

static const struct call_verb list_verb = {.name = "list",
                                           .priority = GATE_INVENTORY,
                                           .build = kubernetes_world_build,
                                           .read = kubernetes_world_read,
                                           .failed = kubernetes_world_failed};

void kubernetes_list(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query) {
    struct call *call = call_new(&self->host, outer, &list_verb, sizeof(struct list_state));
    struct list_state *state = call->state;
    uint32_t wanted = 0;
    if (!kubernetes_region_check(call, query->region))
        return;
    for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++)
        wanted |= (query->kinds & 1u << kind) != 0 ? sources_of[kind] : 0;
    if (wanted == 0) {
        call_end(call, NULL); /* None of the kinds is known here: nothing to list. */
        return;
    }
    bool has_nodes = (query->kinds & 1u << CLOUD_NODE) != 0;
    bool wants_loads = has_nodes && query->wants_loads && self->namespace_count == 0; /* Else not all pods are seen. */
    wanted |= wants_loads ? SOURCE_BIT(SOURCE_PODS) | SOURCE_BIT(SOURCE_DISRUPTION_BUDGETS) : 0;
    kubernetes_world_init(&state->world, call, wanted, finish);
    state->world.wants_loads = wants_loads;
    state->kinds = query->kinds;
    state->world.count_max = query->count_max;
    if (query->kinds == 1u << CLOUD_NODE) { /* Without them it is not known what is on the nodes. */
        state->world.is_loads_only = true;
        state->world.lenient = SOURCE_BIT(SOURCE_PODS) | SOURCE_BIT(SOURCE_DISRUPTION_BUDGETS);
    }
    /* Without them workloads have no price; who may look only into namespaces may not see nodes. */
    if (!has_nodes)
        state->world.lenient = SOURCE_BIT(SOURCE_NODES);
    call_start(call);
}
