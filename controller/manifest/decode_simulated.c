/*
 * The `simulated` block of a Provider, checked as its CRD does. Its values are read by adapters/simulated from the
 * serialised block; nothing is kept here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "base/str.h"
#include "manifest/decode_internal.h"

#define GROUPS_MAX 1000
#define INSTANCES_MAX 1000
#define COUNT_MAX 1000000

static void check_tags(struct decoder *d, const struct place *up) {
    size_t ignored;
    decode_tags(d, up, "tags", &ignored);
}

/* A decimal string, or a whole number. */
static void check_quantity(struct decoder *d, const struct place *up, const char *key, bool required) {
    struct place at = place_key(up, key);
    if (json_type(at.json) == JSON_INT)
        decode_int(d, up, key, INT_RULE(.min = 0, .max = COUNT_MAX));
    else
        decode_text(d, up, key, &text_decimal, required);
}

static void check_demand(struct decoder *d, const struct place *group) {
    static const char *const keys[] = {"trace", "vcpuPeak", "offset", NULL};
    struct place at = decode_object(d, group, "demand", keys);
    if (!at.json)
        return;
    decode_text(d, &at, "trace", &text_file, true);
    check_quantity(d, &at, "vcpuPeak", false);
    decode_duration(d, &at, "offset", DURATION_RULE(.min_ms = 0, .max_ms = 3650 * DAY_MS));
}

static void check_group(struct decoder *d, struct place *at) {
    static const char *const keys[] = {"name", "region", "zone",      "instanceType", "count", "min",
                                       "max",  "tags",   "bootDelay", "demand",       NULL};
    decode_object_at(d, at, keys);
    decode_text(d, at, "name", &text_id, true);
    decode_text(d, at, "region", &text_region, true);
    decode_text(d, at, "zone", &text_region, false);
    decode_text(d, at, "instanceType", &text_instance_type, true);
    decode_int(d, at, "count", INT_RULE(.min = 0, .max = COUNT_MAX));
    int64_t min = decode_int(d, at, "min", INT_RULE(.min = 0, .max = COUNT_MAX));
    int64_t max = decode_int(d, at, "max", INT_RULE(.min = 0, .max = COUNT_MAX, .fallback = COUNT_MAX));
    if (min > max) {
        struct place min_at = place_key(at, "min");
        decode_fault(d, &min_at, "%lld is above max %lld; lower min or raise max", (long long)min, (long long)max);
    }
    decode_duration(d, at, "bootDelay", DURATION_RULE(.min_ms = 0, .max_ms = DAY_MS));
    check_tags(d, at);
    check_demand(d, at);
}

static void check_instance(struct decoder *d, struct place *at) {
    static const char *const keys[] = {"name", "region", "zone", "instanceType", "state", "tags", NULL};
    decode_object_at(d, at, keys);
    decode_text(d, at, "name", &text_id, true);
    decode_text(d, at, "region", &text_region, true);
    decode_text(d, at, "zone", &text_region, false);
    decode_text(d, at, "instanceType", &text_instance_type, true);
    const char *state = decode_text(d, at, "state", &text_any, false);
    if (state && !str_eq(state, "running") && !str_eq(state, "stopped")) {
        struct place state_at = place_key(at, "state");
        decode_fault(d, &state_at, "\"%.80s\" is not one of running, stopped", state);
    }
    check_tags(d, at);
}

static int text_cmp(const void *a, const void *b) {
    return str_cmp(*(const char *const *)a, *(const char *const *)b);
}

/* The same name twice in one list, which is its key in the CRD. */
static void check_names(struct decoder *d, const struct place *list, size_t count) {
    const char **names = count > 0 ? arena_alloc_array(d->arena, count, sizeof(*names)) : NULL;
    size_t named = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string(json_get(json_array_at(list->json, i), "name"), NULL);
        if (name)
            names[named++] = name;
    }
    if (named > 0)
        qsort(names, named, sizeof(*names), text_cmp);
    for (size_t i = 1; i < named; i++) {
        if (str_eq(names[i], names[i - 1]))
            decode_fault(d, list, "\"%.80s\" stands twice; names must differ", names[i]);
    }
}

static void check_list(struct decoder *d, const struct place *up, const char *key, size_t count_max,
                       void (*check)(struct decoder *d, struct place *at)) {
    struct place list;
    size_t count = decode_list(d, up, key, 0, count_max, &list);
    for (size_t i = 0; i < count; i++) {
        struct place at = place_index(&list, i);
        check(d, &at);
    }
    check_names(d, &list, count);
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
    if (count > GROUPS_MAX)
        decode_fault(d, &at, "has %zu entries; at most %d are allowed", count, GROUPS_MAX);
    for (struct json_iter it = json_iter(at.json); json_iter_next(&it);)
        decode_int(d, &at, it.key, INT_RULE(.min = 0, .max = COUNT_MAX));
}

void decode_simulated(struct decoder *d, const struct place *block) {
    static const char *const keys[] = {"prices", "seed", "groups", "instances", "faults", "capacity", NULL};
    struct place at = *block;
    decode_object_at(d, &at, keys);
    decode_text(d, &at, "prices", &text_file, false);
    decode_int(d, &at, "seed", INT_RULE(.min = 0, .max = INT64_C(1) << 53));
    check_list(d, &at, "groups", GROUPS_MAX, check_group);
    check_list(d, &at, "instances", INSTANCES_MAX, check_instance);
    check_faults(d, &at);
    check_capacity(d, &at);
}
