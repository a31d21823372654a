/*
 * The neutral nouns of a cloud: what all adapters speak and all stages of the controller read. No behaviour but names.
 * Strings and arrays live in the arena of the reply that carries them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_CLOUD_H
#define TRIMTAB_ADAPTERS_CLOUD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/money.h"

/* The names in JSON and in policies: cloud_kind_name. */
enum cloud_kind {
    CLOUD_INSTANCE,
    CLOUD_INSTANCE_GROUP,
    CLOUD_VOLUME,
    CLOUD_SNAPSHOT,
    CLOUD_BUCKET,
    CLOUD_WORKLOAD,
    CLOUD_NODE,
    CLOUD_ADDRESS, /* A public address that is held, attached or not. */
    CLOUD_KIND_COUNT,
};

/* The region of a cloud that has none: a Kubernetes cluster is one place. */
#define CLOUD_REGION_CLUSTER "cluster"

enum cloud_state {                      /* Of machines: what the cloud's own states amount to. */
                   CLOUD_STATE_UNKNOWN, /* A word that this version does not know; never acted on. */
                   CLOUD_PENDING,
                   CLOUD_RUNNING,
                   CLOUD_STOPPING,
                   CLOUD_STOPPED,
                   CLOUD_DELETING,
                   CLOUD_AVAILABLE, /* Disks, buckets, snapshots: there, not attached. */
                   CLOUD_IN_USE,    /* Disks: attached. */
                   CLOUD_STATE_COUNT,
};

struct cloud_tag {
    const char *key;
    const char *value;
};

struct cloud_load {       /* Pods on a node that are alike, and that a controller would make anew elsewhere. */
    const char *workload; /* "namespace/Kind/name" */
    int64_t count;
    int64_t vcpu_milli, memory_mib; /* What one of them requests, as the scheduler counts it. */
    const char *stays;              /* Why they may not be moved: "local storage"; NULL: they may. */
    const char *keys; /* Labels of nodes that bind them, separated by commas: they run where these have the values that
                         they have on this node. "" none. */
    bool is_apart;    /* No two of the workload on one node. */
};

struct cloud_node { /* What is on a node of a cluster. */
    int64_t pods_max;
    int64_t fixed_pods, fixed_vcpu_milli, fixed_memory_mib; /* Of pods that are in no load: they go with the node. */
    const char *keep; /* Why it may not be drained: "pod shop/x has no controller"; NULL: as far as its loads let it. */
    const char *taints; /* Those that keep pods away: "key=value:NoSchedule", separated by commas; "" none. */
    int64_t pending;    /* Pods of the cluster that wait for a node: the same of all its nodes. */
    const struct cloud_load *loads; /* Sorted: cloud_load_cmp. */
    size_t load_count;
};

struct cloud_resource {
    enum cloud_kind kind;
    enum cloud_state state;
    const char *region;
    const char *zone; /* "" if it has none or several. */
    const char *id;   /* The cloud's stable id; a group's is the name that its API takes; of what lives in a Kubernetes
                         namespace "namespace/Kind/name". */
    const char *name; /* For people; "" if none. */
    const char *type; /* Instance type or disk class; of a group its machines'; "" if unknown. */
    const char *parent; /* The id of what it belongs to: an instance's group, a disk's or an address's instance, a
                           snapshot's disk. NULL: nothing, or unknown. */

    /* Groups and workloads: desired size, its bounds, and machines or pods healthy in service. Bounds: a group's own; a
     * workload's those of its HorizontalPodAutoscaler, else count_min what a PodDisruptionBudget asks for; count_max 0:
     * none. Others: count 1, the rest 0. */
    int64_t count, count_min, count_max, serving;

    int64_t vcpu_milli;     /* Of one machine, or the requests of one pod; 0 unknown. */
    int64_t memory_mib;     /* The same; of disks and snapshots: their size. 0 unknown. */
    int64_t created_at_ms;  /* Unix ms; 0 unknown. */
    int64_t state_since_ms; /* When it came to be in its state; 0: not told. */
    int64_t as_of_ms;       /* Wall time at which the request whose reply told this was sent. */

    /* Where the listing itself tells a price: of one pod, its share of the nodes. 0: by its type, from the offers. */
    money_micros price_hourly;
    bool is_spot; /* Bought as spare capacity: may be taken back. */

    /* Who else sets the size (spec.replicas) or the requests: "HorizontalPodAutoscaler/web", "argocd-controller". We
     * never fight: what is not NULL is not set by us. */
    const char *count_manager, *size_manager;
    int64_t drifted;               /* Workloads: pods whose requests are not what was asked for by RESIZE. */
    const struct cloud_node *node; /* Of nodes, where it is asked for and all of it is seen; NULL. */

    const struct cloud_tag *tags; /* Sorted by key. */
    size_t tag_count;
};

/* How the price of a machine parts into that of a core and of a GiB, as OpenCost has it: its default prices of both, in
 * USD an hour (configs/default.json of opencost/opencost, from GCP us-central1). */
#define CLOUD_CORE_WEIGHT 0.031611
#define CLOUD_GIB_WEIGHT 0.004237

struct cloud_offer { /* What a region sells. */
    const char *region;
    const char *type;
    int64_t vcpu_milli, memory_mib;
    int64_t gpu;                    /* Whole devices. */
    const char *architecture;       /* "amd64", "arm64"; "" unknown. */
    money_micros price_hourly;      /* On demand, USD; -1 unknown. */
    money_micros price_spot_hourly; /* Of the cheapest zone; -1 unknown. */
    int64_t as_of_ms;               /* When the price was read or published. */
    const char *source;             /* "catalogue karpenter-aws", "pricing API" */
};

/* One row of a bill, in the columns of FOCUS 1.0. Amounts are decimals as the source writes them; "" if it has none. */
struct cloud_charge {
    const char *billing_account_id, *sub_account_id;
    const char *service_name, *service_category;
    const char *region_id, *resource_id, *resource_type, *sku_id;
    const char *charge_category, *charge_description, *pricing_category, *commitment_discount_id;
    int64_t charge_period_start_ms, charge_period_end_ms;
    const char *billing_currency;
    const char *billed_cost, *effective_cost, *list_cost, *contracted_cost;
    const char *consumed_quantity, *consumed_unit;
    const struct cloud_tag *tags; /* Sorted by key. */
    size_t tag_count;
};

struct cloud_limit { /* A quota. */
    const char *region;
    const char *id;    /* The cloud's code: "L-1216C47A"; of a ResourceQuota "namespace/name/requests.cpu". */
    const char *name;  /* For people. */
    const char *types; /* Glob alternatives, separated by commas, over the instance types that count; "" all. */
    const char *unit;  /* "vCPU", "spot vCPU", "MiB", "count" */
    double value;
    double used; /* -1 unknown. */
};

/* Whether machines of this type count against it, bought so. False for what no type is said of. */
bool cloud_limit_covers(const struct cloud_limit *limit, const char *type, bool is_spot);

/* Capacity that is paid for whether or not anything runs on it, reserved or committed to for a time. What it covers
 * costs nothing more while it runs. */
#define CLOUD_COMMITMENT_MAX 1000000000 /* Machines or vCPU of one. */
struct cloud_commitment {
    const char *region;
    const char *id;            /* The cloud's, or the name in spec.commitments. */
    const char *types;         /* As in cloud_limit; never "". */
    bool is_vcpu;              /* The amount is in vCPU; else in machines. */
    int64_t amount;            /* Whole machines, or vCPU. */
    money_micros price_hourly; /* What is owed for all of it; -1 unknown. */
    int64_t ends_at_ms;        /* 0: not told. */
};

/* How much of it a machine of this type takes, on demand, in thousandths of its unit. 0: it does not cover it. */
int64_t cloud_commitment_use(const struct cloud_commitment *commitment, const char *type, int64_t vcpu_milli);
static inline bool cloud_commitment_is_live(const struct cloud_commitment *commitment, int64_t at_ms) {
    return commitment->ends_at_ms == 0 || at_ms < commitment->ends_at_ms;
}

struct cloud_sample {
    int64_t time_ms; /* The start of the period. */
    double value;
};

#define CLOUD_KILLS_MAX 64 /* Of one resource; older ones go. */

struct cloud_kill {     /* A container that was killed for want of memory (OOM). */
    const char *id;     /* Of this one death: the same as often as it is told, so that it can be counted once. */
    int64_t time_ms;    /* When it ended. */
    int64_t memory_mib; /* What its pod was allowed then: the container's limit (without one its request), and the
                           requests of the others. 0: it had neither, nobody knows. */
};

struct cloud_series { /* Ascending, one sample a time at most; gaps are missing samples, never zeros. */
    const char *id;   /* The resource. */
    const struct cloud_sample *utilization; /* Percent of one machine's capacity; of what, enum cloud_metric says. */
    size_t utilization_count;
    const struct cloud_sample *serving; /* Machines in service; empty: the cloud keeps no record. */
    size_t serving_count;
    /* Usage of memory: ascending by time, told as long as the cloud remembers, whatever the range. None: the cloud does
     * not tell (AWS knows nothing of what runs in a machine), or nothing was killed. */
    const struct cloud_kill *kills;
    size_t kill_count;
    bool is_present; /* The cloud tells only what is now: what is not asked for in time is lost. */
};

/* What the sample of a step is. Work that waits a moment for a core is done all the same, on another machine too: CPU
 * is the mean over the step and the machines. Who lacks memory for a moment is killed, and what others have free does
 * not help: memory is the peak, the greatest in the step of the machine or pod that used most. (The Vertical Pod
 * Autoscaler too keeps peaks of memory, one a container and day: kubernetes/autoscaler,
 * vertical-pod-autoscaler/pkg/recommender/model/container.go, addMemorySample.) */
enum cloud_metric { CLOUD_METRIC_CPU, CLOUD_METRIC_MEMORY, CLOUD_METRIC_COUNT };

struct cloud_query {
    uint32_t kinds;           /* Bits 1u << enum cloud_kind. list */
    const char *region;       /* Always set. */
    size_t count_max;         /* list, charges: at most so many. list: more are cut, and reply.truncated says so. */
    bool wants_loads;         /* list: what is on each node too, which takes reading all pods. */
    const char *const *types; /* prices: only these; NULL: all that the region sells. */
    size_t type_count;
    /* usage; charges take the range */
    enum cloud_kind kind;
    enum cloud_metric metric;
    const char *const *ids;
    size_t id_count;
    /* [from, to). A cloud that tells only what is now gives that, one sample, also where it is of the step after to:
     * when that step is over it is too late to ask. */
    int64_t from_ms, to_ms;
    int64_t step_ms;
    const char *cursor; /* charges: "" or NULL at first, then reply.cursor of the call before. */
};

/* What can be done to a resource. Each verb says an absolute target, so that doing it twice is doing it once; CREATE
 * and TAKE_SNAPSHOT, which make something new, carry the token in a tag where the API takes none. */
enum cloud_verb {
    CLOUD_SCALE,      /* count */
    CLOUD_SET_BOUNDS, /* count_min, count_max: of the autoscaler that sets a workload's size. */
    CLOUD_RESIZE,     /* Instance: type; stops, modifies and starts it again if it ran. Workload: vcpu_milli, memory_mib
                         of each pod, in place, or with is_rollout by its template. */
    CLOUD_START,
    CLOUD_STOP,
    CLOUD_CREATE, /* Instance from a template: id is the template. type "": the template's own. */
    CLOUD_DELETE,
    CLOUD_TAKE_SNAPSHOT, /* Of a volume. */
    CLOUD_TAG,           /* Sets these tags, leaves others. */
    CLOUD_VERB_COUNT,
};

struct cloud_action {
    enum cloud_verb verb;
    enum cloud_kind kind; /* Of the target; CREATE: of what is made. */
    const char *region;
    const char *id;
    int64_t count;                  /* SCALE */
    int64_t count_min, count_max;   /* SET_BOUNDS */
    const char *type;               /* RESIZE, CREATE */
    const char *zone;               /* CREATE; NULL or "": the template's. */
    int64_t vcpu_milli, memory_mib; /* RESIZE of a workload; 0: as it is. */
    bool is_rollout;
    const struct cloud_tag *tags; /* TAG, CREATE, TAKE_SNAPSHOT */
    size_t tag_count;
    const char *token; /* Idempotency token, the same on every try; used where the API takes one. */
};

/* The tag that marks what we made, with the instance's name; and the one that carries the token of its making. */
#define CLOUD_TAG_OWNER "trimtab.dev/owner"
#define CLOUD_TAG_TOKEN "trimtab.dev/token"

const char *cloud_kind_name(enum cloud_kind kind); /* "InstanceGroup" */
/* What has no size that serves demand. */
static inline bool cloud_kind_is_storage(enum cloud_kind kind) {
    return kind == CLOUD_VOLUME || kind == CLOUD_SNAPSHOT || kind == CLOUD_BUCKET || kind == CLOUD_ADDRESS;
}
bool cloud_kind_parse(const char *name, enum cloud_kind *ret);
const char *cloud_state_name(enum cloud_state state);    /* "running" */
const char *cloud_metric_name(enum cloud_metric metric); /* "cpu" */
const char *cloud_verb_name(enum cloud_verb verb);       /* "Scale" */
/* Whether the offer's price is older than CLOUD_OFFER_STALE_MS, or of an unknown date: users are told so. */
#define CLOUD_OFFER_STALE_MS (INT64_C(30) * 24 * 3600 * 1000)
bool cloud_offer_is_stale(const struct cloud_offer *offer, int64_t now_ms);
const char *cloud_resource_tag(const struct cloud_resource *resource, const char *key); /* NULL if absent. */
int cloud_resource_cmp(const void *a, const void *b); /* By region, kind, id: the order of inventories. */
int cloud_tag_cmp(const void *a, const void *b);      /* By key. */
int cloud_load_cmp(const void *a, const void *b);     /* By workload, requests, and the rest but the count. */

#endif
