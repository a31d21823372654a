/*
 * The names of the cloud nouns: one table for each enum, so that JSON, policies, metrics and C say the same word; and
 * the orders in which inventories and tags are kept.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/cloud.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

static const char *const kind_names[] = {
    [CLOUD_INSTANCE] = "Instance", [CLOUD_INSTANCE_GROUP] = "InstanceGroup",
    [CLOUD_VOLUME] = "Volume",     [CLOUD_SNAPSHOT] = "Snapshot",
    [CLOUD_BUCKET] = "Bucket",     [CLOUD_WORKLOAD] = "Workload",
    [CLOUD_NODE] = "Node",         [CLOUD_ADDRESS] = "Address",
};
static const char *const state_names[] = {
    [CLOUD_STATE_UNKNOWN] = "unknown", [CLOUD_PENDING] = "pending", [CLOUD_RUNNING] = "running",
    [CLOUD_STOPPING] = "stopping",     [CLOUD_STOPPED] = "stopped", [CLOUD_DELETING] = "deleting",
    [CLOUD_AVAILABLE] = "available",   [CLOUD_IN_USE] = "in-use",
};
static const char *const metric_names[] = {[CLOUD_METRIC_CPU] = "cpu", [CLOUD_METRIC_MEMORY] = "memory"};
static const char *const verb_names[] = {
    [CLOUD_SCALE] = "Scale",   [CLOUD_SET_BOUNDS] = "SetBounds",
    [CLOUD_RESIZE] = "Resize", [CLOUD_START] = "Start",
    [CLOUD_STOP] = "Stop",     [CLOUD_CREATE] = "Create",
    [CLOUD_DELETE] = "Delete", [CLOUD_TAKE_SNAPSHOT] = "Snapshot",
    [CLOUD_TAG] = "Tag",
};

_Static_assert(ARRAY_LEN(kind_names) == CLOUD_KIND_COUNT, "a name for each kind");
_Static_assert(ARRAY_LEN(state_names) == CLOUD_STATE_COUNT, "a name for each state");
_Static_assert(ARRAY_LEN(metric_names) == CLOUD_METRIC_COUNT, "a name for each metric");
_Static_assert(ARRAY_LEN(verb_names) == CLOUD_VERB_COUNT, "a name for each verb");

const char *cloud_kind_name(enum cloud_kind kind) {
    ASSERT((size_t)kind < ARRAY_LEN(kind_names));
    return kind_names[kind];
}

bool cloud_kind_parse(const char *name, enum cloud_kind *ret) {
    for (size_t i = 0; i < ARRAY_LEN(kind_names); i++) {
        if (str_eq(name, kind_names[i])) {
            *ret = (enum cloud_kind)i;
            return true;
        }
    }
    return false;
}

const char *cloud_state_name(enum cloud_state state) {
    ASSERT((size_t)state < ARRAY_LEN(state_names));
    return state_names[state];
}

const char *cloud_metric_name(enum cloud_metric metric) {
    ASSERT((size_t)metric < ARRAY_LEN(metric_names));
    return metric_names[metric];
}

const char *cloud_verb_name(enum cloud_verb verb) {
    ASSERT((size_t)verb < ARRAY_LEN(verb_names));
    return verb_names[verb];
}

const char *cloud_resource_tag(const struct cloud_resource *resource, const char *key) {
    size_t low = 0, high = resource->tag_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(resource->tags[middle].key, key);
        if (order == 0) {
            return resource->tags[middle].value;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

int cloud_resource_cmp(const void *a, const void *b) {
    const struct cloud_resource *x = a, *y = b;
    int order = str_cmp(x->region, y->region);
    if (order == 0) {
        order = (x->kind > y->kind) - (x->kind < y->kind);
    }
    return order != 0 ? order : str_cmp(x->id, y->id);
}

int cloud_tag_cmp(const void *a, const void *b) {
    const struct cloud_tag *x = a, *y = b;
    return str_cmp(x->key, y->key);
}

int cloud_load_cmp(const void *a, const void *b) {
    const struct cloud_load *x = a, *y = b;
    int order = str_cmp(x->workload, y->workload);
    if (order == 0)
        order = (x->vcpu_milli > y->vcpu_milli) - (x->vcpu_milli < y->vcpu_milli);
    if (order == 0)
        order = (x->memory_mib > y->memory_mib) - (x->memory_mib < y->memory_mib);
    if (order == 0)
        order = str_cmp(x->stays, y->stays);
    if (order == 0)
        order = str_cmp(x->keys, y->keys);
    return order ? order : x->is_apart - y->is_apart;
}

bool cloud_offer_is_stale(const struct cloud_offer *offer, int64_t now_ms) {
    return offer->as_of_ms <= 0 || now_ms - offer->as_of_ms > CLOUD_OFFER_STALE_MS;
}

#define PATTERN_MAX 129

static bool is_one_of(const char *types, const char *type) {
    char pattern[PATTERN_MAX];
    for (const char *at = types; *at;) {
        size_t size = strcspn(at, ",");
        if (size < sizeof(pattern)) {
            memcpy(pattern, at, size);
            pattern[size] = '\0';
            if (str_glob(pattern, type))
                return true;
        }
        at += size + (at[size] == ',');
    }
    return false;
}

bool cloud_limit_covers(const struct cloud_limit *limit, const char *type, bool is_spot) {
    return str_eq(limit->unit, is_spot ? "spot vCPU" : "vCPU") && is_one_of(limit->types, type);
}

int64_t cloud_commitment_use(const struct cloud_commitment *commitment, const char *type, int64_t vcpu_milli) {
    if (!is_one_of(commitment->types, type))
        return 0;
    return commitment->is_vcpu ? vcpu_milli : 1000;
}
