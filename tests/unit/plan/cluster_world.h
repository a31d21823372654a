/*
 * A small cluster for the tests of nodes: workloads, nodes, and the pods on them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_PLAN_CLUSTER_WORLD_H
#define TRIMTAB_TESTS_PLAN_CLUSTER_WORLD_H

#include "world.h"

static struct world w;
static struct cloud_node facts[WORLD_MAX];
static struct cloud_load loads[WORLD_MAX][4];

/* Nodes of 4 vCPU and 16 GiB at 0.10 USD; at 65 % a pod serves 0.65 vCPU for each that it requests. */
static inline void start(uint32_t actions) {
    world_init(&w);
    memset(facts, 0, sizeof(facts));
    memset(loads, 0, sizeof(loads));
    w.policy.selector.kinds = 1U << CLOUD_WORKLOAD | 1U << CLOUD_NODE;
    w.policy.actions = actions;
    w.policy.disruption.min_saving_percent = 5;
    w.policy.capacity.max = 100;
}

static inline struct snapshot_resource *place(struct snapshot_resource *r, enum cloud_kind kind) {
    size_t i = w.count - 1;
    r->provider = w.sources[i].provider = "platform/east";
    r->resource.kind = w.sources[i].kind = kind;
    r->resource.region = w.sources[i].region = CLOUD_REGION_CLUSTER;
    r->resource.count_max = 0;
    r->resource.type = "";
    r->has_offer = false;
    return r;
}

static inline struct snapshot_resource *add_workload(int64_t count, int64_t cpu, double demand) {
    struct snapshot_resource *r = place(world_add(&w, count, demand), CLOUD_WORKLOAD);
    r->resource.vcpu_milli = r->capacity_per_machine = cpu;
    r->resource.memory_mib = 1024;
    r->resource.price_hourly = 20000;
    return r;
}

static inline struct snapshot_resource *add_node(int64_t cpu, money_micros price) {
    struct snapshot_resource *r = place(world_add(&w, 1, 0), CLOUD_NODE);
    size_t i = w.count - 1;
    r->resource.type = "m5.xlarge";
    r->resource.vcpu_milli = r->capacity_per_machine = cpu;
    r->resource.memory_mib = 16384;
    r->resource.price_hourly = price;
    facts[i] = (struct cloud_node){.pods_max = 110, .taints = "", .loads = loads[i]};
    r->resource.node = &facts[i];
    w.forecasts[i].basis = FORECAST_BASIS_NONE;
    return r;
}

static inline struct cloud_load *on(size_t node, const char *workload, int64_t count, int64_t cpu) {
    struct cloud_load *load = &loads[node][facts[node].load_count++];
    *load =
        (struct cloud_load){.workload = workload, .count = count, .vcpu_milli = cpu, .memory_mib = 1024, .keys = ""};
    return load;
}

#endif
