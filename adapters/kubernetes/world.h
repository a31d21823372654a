/*
 * What a verb gathers of a cluster in one call: collections, each listed page by page in each namespace that the
 * Provider names, and each item read into a small row as it passes. Whole objects are never kept.
 *
 * A collection is a source; several sources may fill one table of rows. Sources are read in the order of their enum,
 * and reading one may ask for a later one (pods are wanted once a workload says what its pods should request).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_KUBERNETES_WORLD_H
#define TRIMTAB_ADAPTERS_KUBERNETES_WORLD_H

#include "adapters/kubernetes/kubernetes_internal.h"
#include "base/json.h"

enum kubernetes_source {
    SOURCE_NODES,
    SOURCE_AUTOSCALERS,
    SOURCE_SCALED_OBJECTS,
    SOURCE_VERTICAL_AUTOSCALERS,
    SOURCE_DISRUPTION_BUDGETS,
    SOURCE_DEPLOYMENTS,
    SOURCE_STATEFUL_SETS,
    SOURCE_CLAIMS,
    SOURCE_SNAPSHOTS,
    SOURCE_PODS,
    SOURCE_POD_METRICS,
    SOURCE_QUOTAS,
    SOURCE_COUNT,
};
#define SOURCE_BIT(source) (1u << (source))
#define SOURCES_WORKLOADS (SOURCE_BIT(SOURCE_DEPLOYMENTS) | SOURCE_BIT(SOURCE_STATEFUL_SETS))
#define SOURCES_OWNERS                                                                                                 \
    (SOURCE_BIT(SOURCE_AUTOSCALERS) | SOURCE_BIT(SOURCE_SCALED_OBJECTS) | SOURCE_BIT(SOURCE_VERTICAL_AUTOSCALERS) |    \
     SOURCE_BIT(SOURCE_DISRUPTION_BUDGETS))

struct kubernetes_requests { /* Of one pod; -1: not said. */
    int64_t vcpu_milli, memory_mib;
};

struct kubernetes_workload {
    struct cloud_resource resource;
    const char *namespace;
    struct cloud_tag *pod_labels;
    size_t pod_label_count;
    struct kubernetes_requests asked;                /* The annotation's. */
    const char *replicas_manager, *requests_manager; /* By managedFields; NULL: nobody who would fight. */
};

struct kubernetes_node {
    struct cloud_resource resource;
    const char *provider; /* As in the catalogue; "" unknown. */
    const char *region;   /* The cloud's. */
    int64_t pods_max;
    const char *taints, *keep; /* cloud_node's. */
};

struct kubernetes_load { /* One pod on a node. */
    const char *node;
    struct cloud_load load; /* workload NULL: it goes with the node, or is bare. */
    const char *bare;       /* It is no controller's, in words. */
};

struct kubernetes_pod {
    const char *key;      /* "namespace/name" */
    const char *workload; /* "namespace/Kind/name"; NULL: of neither of our kinds. */
    struct kubernetes_requests requests;
    bool is_running;
    const char *const *claims; /* Ids of the volumes that it mounts. */
    size_t claim_count;
    const struct cloud_kill *kills; /* Of its containers, as far as they are remembered; only where they are wanted. */
    size_t kill_count;
};

enum kubernetes_scaler_kind { SCALER_AUTOSCALER, SCALER_SCALED_OBJECT, SCALER_VERTICAL };
struct kubernetes_scaler {
    enum kubernetes_scaler_kind kind;
    const char *workload; /* The target's id. */
    const char *name;     /* "HorizontalPodAutoscaler/web" */
    int64_t count_min, count_max;
};

struct kubernetes_term { /* key op values, of a label selector. */
    const char *key, *operator;
    const char *const *values;
    size_t value_count;
};
struct kubernetes_budget { /* A PodDisruptionBudget. */
    const char *namespace, *name;
    const struct kubernetes_term *terms;
    size_t term_count;
    int64_t min_available; /* 0: it asks for no number. */
    bool is_used_up;       /* It allows no disruption now. */
};

struct kubernetes_pod_metric {
    const char *pod; /* "namespace/name" */
    int64_t time_ms;
    double cores, bytes;
};

struct kubernetes_rows {
    void *items;
    size_t count;
};

struct kubernetes_world;
typedef enum exchange_next kubernetes_finish_fn(struct call *call, struct kubernetes_world *world, struct error *err);

struct kubernetes_world { /* The first member of the state of a verb that uses it. */
    struct kubernetes *self;
    struct arena *arena;   /* The caller's: resources and their strings. */
    struct arena *scratch; /* The call's. */
    uint32_t wanted;       /* Sources that are still to be read, the present one among them. */
    uint32_t lenient;      /* Sources that may be forbidden: then they are empty. */
    size_t count_max;      /* Of resources; more are not read. */
    bool is_truncated;
    bool has_no_drift;  /* Drift is not asked for: annotations want no pods. */
    bool wants_kills;   /* Of the pods. */
    bool wants_loads;   /* What is on each node. */
    bool is_loads_only; /* The pods are read for nothing else. */
    bool has_sorted_budgets;
    uint32_t denied;              /* Lenient sources that were forbidden. */
    int64_t pending;              /* Pods without a node. */
    kubernetes_finish_fn *finish; /* All is read. EXCHANGE_MORE: it has requests of its own. */

    enum kubernetes_source source;
    size_t namespace_index;
    size_t mark;        /* How many rows there were when the present list began. */
    bool has_restarted; /* The present list, because its continue token had expired. */
    bool is_over;       /* finish has run. */
    int64_t as_of_ms;   /* When the present request was sent. */
    struct kubernetes_rows nodes, scalers, budgets, workloads, volumes, snapshots, pods, metrics, limits, loads;
};

/* Sets up a new call's world; call_start follows. The verb's build, read and failed are, or call, those below. */
void kubernetes_world_init(struct kubernetes_world *world, struct call *call, uint32_t wanted,
                           kubernetes_finish_fn *finish);
void kubernetes_world_build(struct call *call);
enum exchange_next kubernetes_world_read(struct call *call, struct error *err);
enum exchange_next kubernetes_world_failed(struct call *call, struct error *err);
void *kubernetes_rows_add(struct kubernetes_world *world, struct kubernetes_rows *rows, size_t item_size);

/* objects.c, pods.c, owners.c, limits.c: one item of a source. */
typedef void kubernetes_item_fn(struct kubernetes_world *world, const struct json *item);
kubernetes_item_fn kubernetes_node_read, kubernetes_deployment_read, kubernetes_stateful_set_read,
    kubernetes_claim_read, kubernetes_snapshot_read, kubernetes_pod_read, kubernetes_pod_metric_read,
    kubernetes_autoscaler_read, kubernetes_scaled_object_read, kubernetes_vertical_autoscaler_read,
    kubernetes_disruption_budget_read, kubernetes_quota_read;

/* Of a pod's spec, as the scheduler counts it while it runs. */
struct kubernetes_requests kubernetes_pod_requests(const struct json *spec);
/* What the scheduler needs to place it: its first steps too, and its overhead. */
struct kubernetes_requests kubernetes_pod_scheduled(const struct json *spec);
/* "namespace/Kind/name"; NULL: of neither a Deployment nor a StatefulSet. */
const char *kubernetes_pod_workload(struct arena *arena, const char *namespace, const struct json *metadata);
/* From 0 Ki up: MiB, rounded up. */
int64_t kubernetes_mib(int64_t bytes);
int64_t kubernetes_time(const struct json *node); /* 0: absent. */

/* owners.c. Sets count_manager, size_manager and bounds of each workload. */
void kubernetes_owners_join(struct kubernetes_world *world);
/* Who else owns spec.replicas and the containers' requests, by the managedFields of a workload. */
bool kubernetes_is_manager(const char *field_manager); /* One that would put a field back. */
void kubernetes_field_managers(const struct json *metadata, const char **ret_replicas, const char **ret_requests);

bool kubernetes_selector_matches(struct kubernetes_world *world, const struct json *selector,
                                 const struct json *labels);
/* The first by name that selects the pod and allows no disruption, in words; NULL: none. The budgets are read. */
const char *kubernetes_budget_of_pod(struct kubernetes_world *world, const struct json *metadata);

/* loads.c */
const char *kubernetes_node_taints(struct kubernetes_world *world, const struct json *item);
const char *kubernetes_node_keep(const struct json *item);
void kubernetes_load_read(struct kubernetes_world *world, const struct json *item); /* A pod. */
void kubernetes_loads_join(struct kubernetes_world *world);                         /* Sets cloud_resource.node. */

/* node_price.c. Hourly; -1 unknown. */
money_micros kubernetes_node_price(const struct kubernetes *self, const struct kubernetes_node *node, bool is_spot,
                                   const char **ret_source);
/* Sets price_hourly of nodes and workloads. */
void kubernetes_prices_join(struct kubernetes_world *world);

#endif
