/*
 * A small world for the tests of plan/: groups of machines with flat or given forecasts. A test sets what matters and
 * leaves the rest at plain values.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_PLAN_WORLD_H
#define TRIMTAB_TESTS_PLAN_WORLD_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/compute.h"

#define WORLD_MAX 8
#define WORLD_OFFERS_MAX 32
#define WORLD_STEPS 24
#define STEP_MS INT64_C(300000)
#define NOW_MS (STEP_MS * 5900000)

struct world {
    struct policy policy;
    struct snapshot snapshot;
    struct snapshot_source sources[WORLD_MAX];
    struct snapshot_resource resources[WORLD_MAX];
    struct forecast forecasts[WORLD_MAX];
    double values[WORLD_MAX][WORLD_STEPS * FORECAST_QUANTILES_MAX];
    char ids[WORLD_MAX][8];
    struct snapshot_offer offers[WORLD_OFFERS_MAX];
    struct headroom headroom;
    size_t count;
    struct arena arena;
};

/* Capacity 1.3 vCPU a machine: m5.large (2 vCPU) at 65 %. */
static inline void world_init(struct world *w) {
    memset(w, 0, sizeof(*w));
    w->policy.mode = MODE_ENFORCE;
    w->policy.actions = 1U << ACTION_SCALE;
    w->policy.sla.target_utilization_percent = 65;
    w->policy.sla.max_violation_per_mille = 1;
    w->policy.sla.lead_time_ms = 2 * STEP_MS;
    w->policy.capacity.max = INT64_MAX;
    w->policy.disruption.max_change_percent = 100;
    w->policy.disruption.max_concurrent = 1;
    w->snapshot =
        (struct snapshot){.as_of_ms = NOW_MS, .sources = w->sources, .resources = w->resources, .offers = w->offers};
}

/* The same demand in every step: `demand` at the policy's quantile, half of it at the median. */
static inline void world_demand(struct world *w, size_t i, double demand) {
    struct forecast *f = &w->forecasts[i];
    *f = (struct forecast){.model = "test",
                           .basis = FORECAST_BASIS_OWN,
                           .start_ms = NOW_MS,
                           .step_ms = STEP_MS,
                           .steps = WORLD_STEPS,
                           .coverage_per_mille = 990,
                           .values = w->values[i]};
    f->quantile_count = plan_quantiles(&w->policy, f->quantiles);
    double own = 1 - (double)w->policy.sla.max_violation_per_mille / 1000;
    for (size_t s = 0; s < WORLD_STEPS; s++) {
        for (size_t j = 0; j < f->quantile_count; j++) {
            double share = own > 0.5 ? 0.5 + 0.5 * (f->quantiles[j] - 0.5) / (own - 0.5) : 1;
            w->values[i][s * f->quantile_count + j] = demand * share;
        }
    }
}

static inline struct snapshot_resource *world_add(struct world *w, int64_t count, double demand) {
    size_t i = w->count++;
    snprintf(w->ids[i], sizeof(w->ids[i]), "g%zu", i);
    w->sources[i] = (struct snapshot_source){.provider = "platform/aws", .region = "us-east-1", .message = ""};
    w->resources[i] =
        (struct snapshot_resource){.provider = "platform/aws",
                                   .source = i,
                                   .resource = {.kind = CLOUD_INSTANCE_GROUP,
                                                .state = CLOUD_RUNNING,
                                                .region = "us-east-1",
                                                .zone = "",
                                                .id = w->ids[i],
                                                .name = w->ids[i],
                                                .type = "m5.large",
                                                .count = count,
                                                .count_max = 1000,
                                                .serving = count},
                                   .has_offer = true,
                                   .offer = {.region = "us-east-1", .type = "m5.large", .price_hourly = 96000},
                                   .capacity_per_machine = 2000};
    world_demand(w, i, demand);
    w->snapshot.source_count = w->snapshot.resource_count = w->count;
    return &w->resources[i];
}

/* Of 2 vCPU and 8 GiB, as an m5.large has them. */
static inline void world_large(struct snapshot_resource *r) {
    r->resource.vcpu_milli = r->offer.vcpu_milli = 2000;
    r->resource.memory_mib = r->offer.memory_mib = 8192;
    r->offer.architecture = "amd64";
    r->offer.price_spot_hourly = -1;
}

static inline struct snapshot_offer world_offer(const char *region, const char *type, int64_t vcpu, int64_t gib,
                                                money_micros price) {
    return (struct snapshot_offer){"platform/aws",
                                   {.region = region,
                                    .type = type,
                                    .vcpu_milli = vcpu * 1000,
                                    .memory_mib = gib * 1024,
                                    .architecture = "amd64",
                                    .price_hourly = price,
                                    .price_spot_hourly = -1,
                                    .source = "test"}};
}

static inline void world_sell(struct world *w, struct snapshot_offer offer) {
    w->offers[w->snapshot.offer_count++] = offer;
    qsort(w->offers, w->snapshot.offer_count, sizeof(*w->offers), snapshot_offer_cmp);
}

static inline struct plan world_plan(struct world *w) {
    const struct plan_input input = {&w->policy, &w->snapshot, w->forecasts, w->headroom};
    struct plan plan;
    plan_compute(&input, &w->arena, &plan);
    return plan;
}

/* What the cloud would be after the plan was carried out. */
static inline void world_apply(struct world *w, const struct plan *plan) {
    for (size_t a = 0; a < plan->action_count; a++)
        for (size_t i = 0; i < w->count; i++)
            if (strcmp(w->resources[i].resource.id, plan->actions[a].id) == 0)
                w->resources[i].resource.count = w->resources[i].resource.serving = plan->actions[a].to.count;
}

static inline const struct plan_action *world_action(const struct plan *plan, const char *id) {
    for (size_t i = 0; i < plan->action_count; i++)
        if (strcmp(plan->actions[i].id, id) == 0)
            return &plan->actions[i];
    return NULL;
}

/* The message of a candidate that was not taken for that reason; "" if there is none. */
static inline const char *world_message(const struct plan *plan, const char *reason) {
    for (size_t i = 0; i < plan->why_not_count; i++)
        if (strcmp(plan->why_not[i].reason, reason) == 0)
            return plan->why_not[i].message;
    return "";
}

/* "" if there is none. */
static inline const char *world_why_not(const struct plan *plan, const char *id) {
    for (size_t i = 0; i < plan->why_not_count; i++) {
        const char *slash = strrchr(plan->why_not[i].target, '/');
        if (slash && strcmp(slash + 1, id) == 0)
            return plan->why_not[i].reason;
    }
    return "";
}

#endif
