/*
 * The `simulated` block of a Provider, checked as its CRD does. Its values are read by adapters/simulated from the
 * serialised block; nothing is kept here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/money.h"
#include "base/str.h"
#include "manifest/decode_internal.h"

#define GROUPS_MAX 10000
#define INSTANCES_MAX 10000
#define CAPACITIES_MAX 1000
#define MACHINES_MAX 100000
#define AGE_MAX_MS (3650 * DAY_MS)
#define GROUP_MAX_DEFAULT 1000 /* As in adapters/simulated. */

enum { STATE_COUNT = CLOUD_DELETING - CLOUD_PENDING + 1 };
static const char *state_name(int value) {
    return cloud_state_name((enum cloud_state)(CLOUD_PENDING + value));
}

static void check_tags(struct decoder *d, const struct place *up) {
    size_t ignored;
    decode_tags(d, up, "tags", &ignored);
}

static void check_demand(struct decoder *d, const struct place *group) {
    static const char *const keys[] = {"trace", "vcpuPeak", "offset", NULL};
    struct place at = decode_object(d, group, "demand", keys), peak_at = place_key(&at, "vcpuPeak");
    if (!at.json)
        return;
    decode_text_borrowed(d, &at, "trace", &text_file, true);
    const char *peak = decode_text_borrowed(d, &at, "vcpuPeak", &text_decimal, true);
    money_micros value;
    if (peak && (!money_parse(peak, &value) || value <= 0))
        decode_fault(d, &peak_at, "must be above zero");
    decode_duration(d, &at, "offset", DURATION_RULE(.min_ms = 0, .max_ms = 3650 * DAY_MS));
}

static void check_group(struct decoder *d, struct place *at) {
    static const char *const keys[] = {"name", "region", "zone",      "instanceType", "count", "min",
                                       "max",  "tags",   "bootDelay", "demand",       NULL};
    decode_object_at(d, at, keys);
    decode_text_borrowed(d, at, "name", &text_id, true);
    decode_text_borrowed(d, at, "region", &text_region, true);
    decode_text_borrowed(d, at, "zone", &text_region, false);
    decode_text_borrowed(d, at, "instanceType", &text_instance_type, true);
    int64_t count =
        decode_int(d, at, "count", INT_RULE(.min = 0, .max = MACHINES_MAX, .fallback = -1, .required = true));
    int64_t min = decode_int(d, at, "min", INT_RULE(.min = 0, .max = MACHINES_MAX));
    int64_t max = decode_int(d, at, "max", INT_RULE(.min = 0, .max = MACHINES_MAX, .fallback = GROUP_MAX_DEFAULT));
    if (count >= 0 && (count < min || count > max)) {
        struct place count_at = place_key(at, "count");
        decode_fault(d, &count_at, "%lld is not between min (%lld) and max (%lld)", (long long)count, (long long)min,
                     (long long)max);
    }
    decode_duration(d, at, "bootDelay", DURATION_RULE(.min_ms = 0, .max_ms = DAY_MS));
    check_tags(d, at);
    check_demand(d, at);
}

static void check_instance(struct decoder *d, struct place *at) {
    static const char *const keys[] = {"name", "region", "instanceType", "state", "bootDelay",
                                       "age",  "tags",   "demand",       NULL};
    decode_object_at(d, at, keys);
    decode_text_borrowed(d, at, "name", &text_id, true);
    decode_text_borrowed(d, at, "region", &text_region, true);
    decode_text_borrowed(d, at, "instanceType", &text_instance_type, true);
    decode_enum(d, at, "state", state_name, STATE_COUNT, 0);
    decode_duration(d, at, "bootDelay", DURATION_RULE(.min_ms = 0, .max_ms = DAY_MS));
    decode_duration(d, at, "age", DURATION_RULE(.min_ms = 0, .max_ms = AGE_MAX_MS));
    check_tags(d, at);
    check_demand(d, at);
}

static void check_volume(struct decoder *d, struct place *at) {
    static const char *const keys[] = {"name",          "region", "type", "sizeGiB", "instance",
                                       "snapshotDelay", "age",    "tags", NULL};
    decode_object_at(d, at, keys);
    decode_text_borrowed(d, at, "name", &text_id, true);
    decode_text_borrowed(d, at, "region", &text_region, true);
    decode_text_borrowed(d, at, "type", &text_instance_type, false);
    decode_int(d, at, "sizeGiB", INT_RULE(.min = 1, .max = 65536, .required = true));
    decode_text_borrowed(d, at, "instance", &text_id, false);
    decode_duration(d, at, "snapshotDelay", DURATION_RULE(.min_ms = 0, .max_ms = DAY_MS));
    decode_duration(d, at, "age", DURATION_RULE(.min_ms = 0, .max_ms = AGE_MAX_MS));
    check_tags(d, at);
}

struct machine_key {
    const char *region, *name;
    size_t index;
};

static int key_cmp(const void *a, const void *b) {
    const struct machine_key *x = a, *y = b;
    int order = str_cmp(x->region, y->region);
    if (order == 0)
        order = str_cmp(x->name, y->name);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* Region and name are the key of the list in the CRD. */
static void check_keys(struct decoder *d, const struct place *list, size_t count) {
    struct machine_key *keys = mem_alloc_array(count, sizeof(*keys));
    for (size_t i = 0; i < count; i++) {
        const struct json *it = json_array_at(list->json, i);
        keys[i] =
            (struct machine_key){json_string(json_get(it, "region"), NULL), json_string(json_get(it, "name"), NULL), i};
    }
    qsort(keys, count, sizeof(*keys), key_cmp);
    for (size_t i = 1; i < count; i++) {
        struct place at = place_index(list, keys[i].index);
        if (keys[i].name && keys[i].region && str_eq(keys[i].name, keys[i - 1].name) &&
            str_eq(keys[i].region, keys[i - 1].region))
            decode_fault(d, &at, "%.63s has a \"%.80s\" already", keys[i].region, keys[i].name);
    }
    mem_free(keys);
}

static void check_list(struct decoder *d, const struct place *up, const char *key, size_t count_max,
                       void (*check)(struct decoder *d, struct place *at)) {
    struct place list;
    size_t count = decode_list(d, up, key, 0, count_max, &list);
    for (size_t i = 0; i < count; i++) {
        struct place at = place_index(&list, i);
        check(d, &at);
    }
    check_keys(d, &list, count);
}

static void check_faults(struct decoder *d, const struct place *up) {
    static const char *const keys[] = {"latency",           "errorPerMille",     "throttlePerMille",
                                       "lostReplyPerMille", "staleReadPerMille", NULL};
    struct place at = decode_object(d, up, "faults", keys);
    decode_duration(d, &at, "latency", DURATION_RULE(.min_ms = 0, .max_ms = HOUR_MS));
    for (size_t i = 1; keys[i]; i++)
        decode_int(d, &at, keys[i], INT_RULE(.min = 0, .max = 1000));
}

static void check_capacity(struct decoder *d, const struct place *up) {
    struct place at = decode_object(d, up, "capacity", NULL);
    size_t count = json_object_count(at.json);
    if (count > CAPACITIES_MAX)
        decode_fault(d, &at, "has %zu entries; at most %d are allowed", count, CAPACITIES_MAX);
    for (struct json_iter it = json_iter(at.json); json_iter_next(&it);) {
        struct place entry = {.up = &at, .key = it.key, .json = it.value};
        const char *slash = strchr(it.key, '/');
        if (!slash || slash == it.key || !slash[1])
            decode_fault(d, &entry, "the key must be region/type");
        decode_int(d, &at, it.key, INT_RULE(.min = 0, .max = 1000000, .required = true));
    }
}

static void check_quotas(struct decoder *d, const struct place *up) {
    struct place at = decode_object(d, up, "quotas", NULL);
    size_t count = json_object_count(at.json);
    if (count > CAPACITIES_MAX)
        decode_fault(d, &at, "has %zu entries; at most %d are allowed", count, CAPACITIES_MAX);
    for (struct json_iter it = json_iter(at.json); json_iter_next(&it);)
        decode_int(d, &at, it.key, INT_RULE(.min = 0, .max = 1000000, .required = true));
}

void decode_simulated(struct decoder *d, const struct place *block) {
    static const char *const keys[] = {"prices", "seed",     "groups", "instances", "volumes",
                                       "faults", "capacity", "quotas", NULL};
    struct place at = *block;
    decode_object_at(d, &at, keys);
    decode_text_borrowed(d, &at, "prices", &text_file, false);
    decode_int(d, &at, "seed", INT_RULE(.min = INT64_MIN, .max = INT64_MAX));
    check_list(d, &at, "groups", GROUPS_MAX, check_group);
    check_list(d, &at, "instances", INSTANCES_MAX, check_instance);
    check_list(d, &at, "volumes", INSTANCES_MAX, check_volume);
    check_faults(d, &at);
    check_capacity(d, &at);
    check_quotas(d, &at);
}
