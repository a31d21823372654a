/*
 * The decoded, defaulted, immutable specs. Durations are milliseconds, percentages integers. Optional parts are NULL or
 * carry their default. Field names are the API's in snake case.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_MANIFEST_SPEC_H
#define TRIMTAB_MANIFEST_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/cloud.h"
#include "base/json.h"
#include "base/money.h"
#include "manifest/schedule.h"

struct tag { /* Selects: equal value. Sorted by key. */
    const char *key;
    const char *value;
};

struct object_ref {
    const char *namespace; /* Filled with the referrer's own when the reference has none. */
    const char *name;
};

/* ---- Provider ---- */

enum provider_type {
    PROVIDER_AWS,
    PROVIDER_AZURE,
    PROVIDER_GCP,
    PROVIDER_ALIBABA,
    PROVIDER_HUAWEI,
    PROVIDER_KUBERNETES,
    PROVIDER_SIMULATED,
    PROVIDER_TYPE_COUNT
};
const char *provider_type_name(enum provider_type type); /* "aws" */

struct provider_sharing {
    const struct tag *namespace_labels; /* namespaceSelector.matchLabels: all must match; none: every namespace. */
    size_t namespace_label_count;
    const struct tag *require_tags; /* ANDed into the selector of policies outside the Provider's namespace. */
    size_t require_tag_count;
};

struct provider {
    enum provider_type type;
    const char *const *regions; /* Of type kubernetes: CLOUD_REGION_CLUSTER. */
    size_t region_count;
    const char *secret_name; /* credentials.secretRef.name in the Provider's namespace; NULL: workload identity. */
    const char *endpoint;    /* NULL: the cloud's own. */
    const struct provider_sharing *sharing;
    size_t sharing_count;
    const struct cloud_commitment *commitments; /* What is paid for either way, and no API tells. */
    size_t commitment_count;
    int64_t requests_per_second; /* limits.requestsPerSecond; 0: the adapter's default. */
    const char *parameters_json; /* The block named like the type ("simulated"), serialised; NULL: none. */
    const char *base_dir;        /* Directory of the manifest file; NULL from a cluster. */
    uint64_t hash;               /* Of the spec: a change reopens the adapter. */
};

/* ---- ResourcePolicy ---- */

enum policy_mode { MODE_OBSERVE, MODE_RECOMMEND, MODE_ENFORCE, MODE_COUNT };
const char *policy_mode_name(enum policy_mode mode); /* "Enforce" */

/* The actions that a policy may allow; names as in the API. */
enum action_type {
    ACTION_SCALE,
    ACTION_RIGHTSIZE,
    ACTION_MIGRATE,
    ACTION_START,
    ACTION_STOP,
    ACTION_DELETE,
    ACTION_SNAPSHOT,
    ACTION_TYPE_COUNT
};
const char *action_type_name(enum action_type type);

/* What to do where an autoscaler (HorizontalPodAutoscaler, ScaledObject) sets a workload's size. */
enum policy_autoscalers { AUTOSCALERS_ADVISE, AUTOSCALERS_TUNE_BOUNDS, AUTOSCALERS_COUNT };
const char *policy_autoscalers_name(enum policy_autoscalers autoscalers); /* "TuneBounds" */

struct policy_slot { /* sla.slots: worth of serving demand by time of day. */
    struct schedule schedule;
    int64_t duration_ms;
    int64_t weight;
};

struct policy_event { /* forecast.events: what multiplies demand while it lasts. */
    const char *name; /* Unique in the policy. */
    bool recurs;      /* By the schedule; else once, at start_ms. */
    int64_t start_ms;
    struct schedule schedule;
    int64_t duration_ms;
    int64_t factor_percent; /* 1..10000 */
};

struct policy_target { /* placement.targets */
    struct object_ref provider;
    const char *region;   /* Default CLOUD_REGION_CLUSTER: of Kubernetes clusters. */
    const char *template; /* NULL: none. */
    bool on_demand, spot; /* purchase; default on demand only. */
};

const char *policy_purchase_name(bool is_spot); /* "OnDemand", "Spot" */

struct policy_data { /* placement.data */
    const char *from;
    int64_t size_hint_bytes;
    bool continuous; /* sync: Continuous, else Once. */
};

/* What counts as one place; provider of region of zone. */
enum policy_topology { TOPOLOGY_ZONE, TOPOLOGY_REGION, TOPOLOGY_PROVIDER, TOPOLOGY_COUNT };
const char *policy_topology_name(enum policy_topology topology); /* "Zone", "Region", "Provider" */

struct policy_spread { /* placement.spread: of the machines of groups over places. */
    enum policy_topology topology;
    int64_t skew_max;    /* >= 1: by how much their numbers in two places may differ. */
    int64_t domains_min; /* >= 1, default 1: places that there must be at least. */
};

struct policy_window { /* disruption.windows */
    struct schedule schedule;
    int64_t duration_ms;
};

struct policy {
    struct { /* selector */
        const struct object_ref *providers;
        size_t provider_count;
        uint32_t kinds; /* Bits of enum cloud_kind. */
        const struct tag *tags;
        size_t tag_count;
    } selector;
    enum policy_mode mode;
    uint32_t actions; /* Bits of enum action_type. */
    enum policy_autoscalers autoscalers;
    struct {
        int64_t target_utilization_percent; /* 1..100, default 65 */
        int64_t max_violation_per_mille;    /* 0..1000, default 1 */
        int64_t violation_cost;             /* In mean demands for a step; 0: max_violation_per_mille counts instead. */
        int64_t lead_time_ms;               /* default 10m */
        const struct policy_slot *slots;
        size_t slot_count;
    } sla;
    struct {
        int64_t min; /* default 1 */
        int64_t max; /* INT64_MAX: not given */
    } capacity;      /* Sum of counts over the resources that the policy selects. */
    struct {
        enum cloud_metric metric; /* default cpu */
        int64_t history_ms;       /* default 14d */
        int64_t horizon_ms;       /* default 24h */
        const struct policy_event *events;
        size_t event_count;
    } forecast;
    struct {
        const struct policy_target *targets;
        size_t target_count;
        const char *const *architectures;
        size_t architecture_count;
        int64_t vcpu_min, vcpu_max; /* 0: not given */
        const char *const *exclude; /* Globs over instance types. */
        size_t exclude_count;
        struct {
            int64_t vcpu_milli, memory_mib;
            money_micros hourly_cost; /* USD */
        } overhead;                   /* What each machine keeps for agents, and costs for licences. */
        const struct policy_data *data;
        size_t data_count;
        const struct policy_spread *spreads;
        size_t spread_count;
        bool has_anti_affinity; /* No two groups in one place: */
        enum policy_topology anti_affinity;
    } placement;
    struct {
        const struct policy_window *windows; /* None: always open. */
        size_t window_count;
        int64_t max_concurrent;     /* default 1 */
        int64_t max_change_percent; /* 1..100, default 25 */
        int64_t cooldown_ms;        /* default 15m */
        int64_t min_saving_percent; /* default 5 */
    } disruption;
    struct {
        int64_t after_ms;        /* default 14d */
        int64_t snapshot_age_ms; /* default 90d */
    } idle;                      /* What nobody uses. */
};

/* What the policy may set of a resource whose size `manager` (cloud_resource.count_manager) sets: the size itself where
 * nobody does; the bounds where an autoscaler does and the policy says so; else nothing. */
enum policy_hold { POLICY_SETS_COUNT, POLICY_SETS_BOUNDS, POLICY_ADVISES };
enum policy_hold policy_hold_of(const struct policy *policy, const char *manager);
static inline bool policy_may(const struct policy *policy, enum action_type type) {
    return policy->actions >> type & 1u;
}
/* Whether one of disruption.windows is open; without any, always. */
bool policy_is_window(const struct policy *policy, int64_t now_ms);
/* Whether it selects workloads and the nodes that they run on: then how many nodes there are is planned too. */
static inline bool policy_plans_nodes(const struct policy *policy) {
    return policy->selector.kinds >> CLOUD_WORKLOAD & policy->selector.kinds >> CLOUD_NODE & 1u;
}
/* Whether its actions may change which machines are bought, and where: Rightsize or Migrate. */
bool policy_may_move(const struct policy *policy);
/* How many times as much serving demand is worth by sla.slots: the most of any moment in [from, to); 1 outside of all.
 */
int64_t policy_weight(const struct policy *policy, int64_t from_ms, int64_t to_ms);
/* Whether it is in force at some moment of [from, to). */
bool policy_event_is_in(const struct policy_event *event, int64_t from_ms, int64_t to_ms);
bool policy_is_autoscaler(const char *manager); /* "HorizontalPodAutoscaler/web", "ScaledObject/web" */

/* ---- Budget ---- */

enum budget_period { PERIOD_DAILY, PERIOD_WEEKLY, PERIOD_MONTHLY, PERIOD_QUARTERLY, PERIOD_YEARLY, PERIOD_COUNT };
enum budget_of { BUDGET_OF_FORECAST, BUDGET_OF_ACTUAL, BUDGET_OF_COUNT };
enum budget_effect {
    EFFECT_WARN,
    EFFECT_FREEZE_GROWTH,
    EFFECT_ECONOMIZE,
    EFFECT_SHRINK_TO_MINIMUM,
    BUDGET_EFFECT_COUNT
};
enum budget_basis { BASIS_BILLED_COST, BASIS_EFFECTIVE_COST, BASIS_LIST_COST, BASIS_CONTRACTED_COST, BASIS_COUNT };

const char *budget_period_name(enum budget_period period); /* "Monthly" */
const char *budget_of_name(enum budget_of of);             /* "Forecast" */
const char *budget_effect_name(enum budget_effect effect); /* "FreezeGrowth" */
const char *budget_basis_name(enum budget_basis basis);    /* "EffectiveCost" */

struct budget_threshold {
    int64_t percent;
    enum budget_of of;
    enum budget_effect effect;
};

struct budget {
    money_micros amount;
    char currency[4];
    enum budget_period period;
    const char *time_zone;    /* IANA name; default UTC */
    int64_t start_ms;         /* Midnight of `start` in time_zone; 0: not given. */
    struct object_ref parent; /* name NULL: none. */
    const struct object_ref *providers;
    size_t provider_count;
    const struct tag *tags;
    size_t tag_count;
    const char *const *policies;
    size_t policy_count;
    bool has_namespace_selector; /* scope.namespaceSelector is there; {} selects every namespace. */
    const struct tag *namespace_labels;
    size_t namespace_label_count;
    enum budget_basis basis;
    const struct budget_threshold *thresholds;
    size_t threshold_count;
    const char *const *webhook_secrets; /* notify[].webhook.secretRef.name */
    size_t webhook_secret_count;
};

#endif
