/*
 * limits: the ResourceQuotas of the namespaces, one limit for each resource that one bounds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/kubernetes/world.h"
#include "base/mem.h"
#include "base/str.h"

#define MIB 1048576.0

static const struct {     /* The first that matches. */
    const char *resource; /* Glob. */
    const char *unit;
    double divisor;
} units[] = {
    {"count/*", "count", 1},
    {"cpu", "vCPU", 1},
    {"*.cpu", "vCPU", 1},
    {"memory", "MiB", MIB},
    {"*.memory", "MiB", MIB},
    {"*storage", "MiB", MIB}, /* requests.storage, *.storageclass.storage.k8s.io/requests.storage */
    {"*ephemeral-storage", "MiB", MIB},
    {"*", "count", 1},
};

void kubernetes_quota_read(struct kubernetes_world *world, const struct json *item) {
    const char *namespace = json_string(json_at(item, "metadata.namespace"), "");
    const char *name = json_string(json_at(item, "metadata.name"), "");
    const struct json *hard = json_at(item, "status.hard"), *used = json_at(item, "status.used");
    if (hard == NULL) /* Its controller has not looked yet. */
        hard = json_at(item, "spec.hard");
    for (struct json_iter it = json_iter(hard); json_iter_next(&it);) {
        double value, in_use;
        size_t unit = 0;
        if (!kubernetes_quantity(json_string(it.value, ""), &value))
            continue;
        while (!str_glob(units[unit].resource, it.key))
            unit++;
        bool is_known = kubernetes_quantity(json_string(json_get(used, it.key), ""), &in_use);
        struct cloud_limit *row = kubernetes_rows_add(world, &world->limits, sizeof(*row));
        *row = (struct cloud_limit){
            .region = CLOUD_REGION_CLUSTER,
            .id = arena_printf(world->arena, "%s/%s/%s", namespace, name, it.key),
            .name = arena_printf(world->arena, "%s of namespace %s", it.key, namespace),
            .types = "",
            .unit = units[unit].unit,
            .value = value / units[unit].divisor,
            .used = is_known ? in_use / units[unit].divisor : -1,
        };
    }
}

static enum exchange_next finish(struct call *call, struct kubernetes_world *world, struct error *err) {
    struct adapter_reply *reply = &call->outer->reply;
    (void)err;
    reply->as.limits =
        arena_memdup(world->arena, world->limits.items, world->limits.count * sizeof(struct cloud_limit));
    reply->count = world->limits.count;
    return EXCHANGE_DONE;
}

static const struct call_verb limits_verb = {.name = "limits",
                                             .priority = GATE_INVENTORY,
                                             .build = kubernetes_world_build,
                                             .read = kubernetes_world_read,
                                             .failed = kubernetes_world_failed};

void kubernetes_limits(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query) {
    struct call *call = call_new(&self->host, outer, &limits_verb, sizeof(struct kubernetes_world));
    if (!kubernetes_region_check(call, query->region))
        return;
    kubernetes_world_init(call->state, call, SOURCE_BIT(SOURCE_QUOTAS), finish);
    call_start(call);
}
