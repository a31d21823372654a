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
    CLOUD_KIND_COUNT,
};

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

struct cloud_resource {
    enum cloud_kind kind;
    enum cloud_state state;
    const char *region;
    const char *zone; /* "" if it has none or several. */
    const char *id;   /* The cloud's stable id; a group's is the name that its API takes. */
    const char *name; /* For people; "" if none. */
    const char *type; /* Instance type or disk class; of a group its machines'; "" if unknown. */

    /* Groups: desired size, its bounds, and machines healthy in service. Others: count 1, the rest 0. */
    int64_t count, count_min, count_max, serving;

    int64_t vcpu_milli;    /* Of one machine; 0 unknown. */
    int64_t memory_mib;    /* Of one machine; of disks and snapshots: their size. 0 unknown. */
    int64_t created_at_ms; /* Unix ms; 0 unknown. */

    const struct cloud_tag *tags; /* Sorted by key. */
    size_t tag_count;
};

struct cloud_offer { /* What a region sells. */
    const char *region;
    const char *type;
    int64_t vcpu_milli, memory_mib;
    money_micros price_hourly; /* On demand, USD; -1 unknown. */
    int64_t as_of_ms;          /* When the price was read or published. */
    const char *source;        /* "catalogue karpenter-aws", "pricing API" */
};

struct cloud_sample {
    int64_t time_ms; /* The start of the period. */
    double value;
};

struct cloud_series { /* Ascending, one sample a time at most; gaps are missing samples, never zeros. */
    const char *id;   /* The resource. */
    const struct cloud_sample *utilization; /* Percent of one machine's capacity, mean over the machines. */
    size_t utilization_count;
    const struct cloud_sample *serving; /* Machines in service; empty: the cloud keeps no record. */
    size_t serving_count;
};

enum cloud_metric { CLOUD_METRIC_CPU, CLOUD_METRIC_MEMORY, CLOUD_METRIC_COUNT };

struct cloud_query {
    uint32_t kinds;           /* Bits 1u << enum cloud_kind. list */
    const char *region;       /* Always set. */
    size_t count_max;         /* list: more are cut, and reply.truncated says so. */
    const char *const *types; /* prices: only these; NULL: all that the region sells. */
    size_t type_count;
    /* usage */
    enum cloud_kind kind;
    enum cloud_metric metric;
    const char *const *ids;
    size_t id_count;
    int64_t from_ms, to_ms; /* [from, to) */
    int64_t step_ms;
};

enum cloud_verb { CLOUD_SCALE, CLOUD_VERB_COUNT };

struct cloud_action {
    enum cloud_verb verb;
    enum cloud_kind kind;
    const char *region;
    const char *id;
    int64_t count;     /* SCALE: the absolute target. */
    const char *token; /* Idempotency token, the same on every try; used where the API takes one. */
};

const char *cloud_kind_name(enum cloud_kind kind); /* "InstanceGroup" */
bool cloud_kind_parse(const char *name, enum cloud_kind *ret);
const char *cloud_state_name(enum cloud_state state);                                   /* "running" */
const char *cloud_metric_name(enum cloud_metric metric);                                /* "cpu" */
const char *cloud_verb_name(enum cloud_verb verb);                                      /* "Scale" */
const char *cloud_resource_tag(const struct cloud_resource *resource, const char *key); /* NULL if absent. */
int cloud_resource_cmp(const void *a, const void *b); /* By region, kind, id: the order of inventories. */
int cloud_tag_cmp(const void *a, const void *b);      /* By key. */

#endif
