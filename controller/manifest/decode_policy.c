/*
 * ResourcePolicy: what is wanted of a set of resources, and how carefully it may be brought about.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "manifest/decode_internal.h"

#define PROVIDERS_MAX 16
#define WINDOWS_MAX 16
#define TARGETS_MAX 32
#define DATA_MAX 16
#define EXCLUDE_MAX 64
#define DOMAINS_MAX 100
#define EVENTS_MAX 64
#define CAPACITY_MAX 1000000
#define VIOLATION_COST_MAX 1000000
#define VCPU_MAX 4096

static const char *kind_name(int value) {
    return cloud_kind_name((enum cloud_kind)value);
}
static const char *mode_name(int value) {
    return policy_mode_name((enum policy_mode)value);
}
static const char *action_name(int value) {
    return action_type_name((enum action_type)value);
}
static const char *metric_name(int value) {
    return cloud_metric_name((enum cloud_metric)value);
}

static const char *autoscalers_name(int value) {
    return policy_autoscalers_name((enum policy_autoscalers)value);
}

enum purchase { PURCHASE_ON_DEMAND, PURCHASE_SPOT, PURCHASE_COUNT };
static const char *purchase_name(int value) {
    return policy_purchase_name(value == PURCHASE_SPOT);
}
enum sync { SYNC_ONCE, SYNC_CONTINUOUS, SYNC_COUNT };
static const char *sync_name(int value) {
    return value == SYNC_CONTINUOUS ? "Continuous" : "Once";
}
static const char *topology_name(int value) {
    return policy_topology_name((enum policy_topology)value);
}
enum { ARCHITECTURE_COUNT = 2 };
static const char *architecture_name(int value) {
    return value == 0 ? "amd64" : "arm64";
}

static void decode_selection(struct decoder *d, const struct place *spec, struct policy *ret) {
    static const char *const keys[] = {"providers", "kinds", "tags", NULL};
    struct place at = decode_object(d, spec, "selector", keys);
    if (!at.json) {
        if (!json_get(spec->json, "selector"))
            decode_fault(d, &at, "is required");
        return;
    }
    ret->selector.providers = decode_references(d, &at, "providers", 1, PROVIDERS_MAX, &ret->selector.provider_count);
    ret->selector.kinds = decode_enum_set(d, &at, "kinds", kind_name, CLOUD_KIND_COUNT, 1u << CLOUD_INSTANCE_GROUP);
    ret->selector.tags = decode_tags(d, &at, "tags", &ret->selector.tag_count);
}

static void decode_sla(struct decoder *d, const struct place *spec, struct policy *ret) {
    static const char *const keys[] = {
        "targetUtilization", "maxViolationPerMille", "violationCost", "leadTime", "slots", NULL};
    static const char *const slot_keys[] = {"schedule", "duration", "timeZone", "weight", NULL};
    struct place at = decode_object(d, spec, "sla", keys);
    ret->sla.target_utilization_percent =
        decode_int(d, &at, "targetUtilization", INT_RULE(.min = 1, .max = 100, .fallback = 65));
    ret->sla.max_violation_per_mille =
        decode_int(d, &at, "maxViolationPerMille", INT_RULE(.min = 0, .max = 1000, .fallback = 1));
    ret->sla.violation_cost =
        decode_int(d, &at, "violationCost", INT_RULE(.min = 1, .max = VIOLATION_COST_MAX, .fallback = 0));
    ret->sla.lead_time_ms = decode_duration(
        d, &at, "leadTime", DURATION_RULE(.min_ms = 0, .max_ms = DAY_MS, .fallback_ms = 10 * MINUTE_MS));

    struct place list;
    size_t count = decode_list(d, &at, "slots", 0, WINDOWS_MAX, &list);
    struct policy_slot *slots = count > 0 ? arena_alloc_array(d->arena, count, sizeof(*slots)) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct place slot = place_index(&list, i);
        decode_object_at(d, &slot, slot_keys);
        decode_window(d, &slot, &slots[i].schedule, &slots[i].duration_ms);
        slots[i].weight = decode_int(d, &slot, "weight", INT_RULE(.min = 1, .max = 1000, .fallback = 1));
    }
    ret->sla.slots = slots;
    ret->sla.slot_count = count;
}

static void decode_capacity(struct decoder *d, const struct place *spec, struct policy *ret) {
    static const char *const keys[] = {"min", "max", NULL};
    struct place at = decode_object(d, spec, "capacity", keys);
    int64_t min = decode_int(d, &at, "min", INT_RULE(.min = 0, .max = CAPACITY_MAX, .fallback = 1));
    int64_t max = decode_int(d, &at, "max", INT_RULE(.min = 1, .max = CAPACITY_MAX, .fallback = INT64_MAX));
    if (min > max) {
        struct place min_at = place_key(&at, "min");
        decode_fault(d, &min_at, "%lld is above max %lld; lower min or raise max", (long long)min, (long long)max);
    }
    ret->capacity.min = min;
    ret->capacity.max = max;
}

/* When it is: once at a moment that carries its own offset, or by a schedule in a time zone. */
static void decode_event_time(struct decoder *d, const struct place *at, struct policy_event *ret) {
    struct place start = place_key(at, "start"), schedule = place_key(at, "schedule"), zone = place_key(at, "timeZone");
    ret->recurs = schedule.json != NULL;
    if (!start.json == !schedule.json)
        decode_fault(d, at,
                     start.json ? "has both start and schedule; keep one of them"
                                : "must have start (once) or schedule (again and again)");
    if (ret->recurs) {
        decode_window(d, at, &ret->schedule, &ret->duration_ms);
        return;
    }
    ret->duration_ms = decode_window_duration(d, at);
    ret->start_ms = decode_time(d, at, "start");
    if (start.json && zone.json)
        decode_fault(d, &zone, "goes with schedule; start carries its own offset, like +08:00");
}

static void decode_events(struct decoder *d, const struct place *forecast, struct policy *ret) {
    static const char *const keys[] = {"name", "start", "schedule", "duration", "timeZone", "factorPercent", NULL};
    struct place list;
    size_t count = decode_list(d, forecast, "events", 0, EVENTS_MAX, &list);
    struct policy_event *events = count > 0 ? arena_alloc_array(d->arena, count, sizeof(*events)) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct place at = place_index(&list, i), name = place_key(&at, "name");
        decode_object_at(d, &at, keys);
        events[i].name = decode_text(d, &at, "name", &text_label, true);
        for (size_t j = 0; events[i].name && j < i; j++) {
            if (str_eq(events[i].name, events[j].name)) {
                decode_fault(d, &name, "\"%s\" stands twice; each event needs a name of its own", events[i].name);
                break;
            }
        }
        decode_event_time(d, &at, &events[i]);
        events[i].factor_percent =
            decode_int(d, &at, "factorPercent", INT_RULE(.min = 1, .max = 10000, .fallback = 100, .required = true));
    }
    ret->forecast.events = events;
    ret->forecast.event_count = count;
}

static void decode_forecast(struct decoder *d, const struct place *spec, struct policy *ret) {
    static const char *const keys[] = {"metric", "history", "horizon", "events", NULL};
    struct place at = decode_object(d, spec, "forecast", keys);
    ret->forecast.metric =
        (enum cloud_metric)decode_enum(d, &at, "metric", metric_name, CLOUD_METRIC_COUNT, CLOUD_METRIC_CPU);
    ret->forecast.history_ms = decode_duration(
        d, &at, "history", DURATION_RULE(.min_ms = HOUR_MS, .max_ms = 366 * DAY_MS, .fallback_ms = 14 * DAY_MS));
    ret->forecast.horizon_ms = decode_duration(
        d, &at, "horizon", DURATION_RULE(.min_ms = 5 * MINUTE_MS, .max_ms = 31 * DAY_MS, .fallback_ms = DAY_MS));
    decode_events(d, &at, ret);
}

static void decode_targets(struct decoder *d, const struct place *placement, struct policy *ret) {
    static const char *const keys[] = {"provider", "region", "template", "purchase", NULL};
    struct place list;
    size_t count = decode_list(d, placement, "targets", 0, TARGETS_MAX, &list);
    struct policy_target *targets = count > 0 ? arena_alloc_array(d->arena, count, sizeof(*targets)) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct place at = place_index(&list, i), provider = place_key(&at, "provider");
        decode_object_at(d, &at, keys);
        if (provider.json)
            targets[i].provider = decode_reference_at(d, &provider);
        else
            decode_fault(d, &provider, "is required");
        targets[i].region = json_get(at.json, "region")
                                ? decode_text(d, &at, "region", &text_region, false)
                                : CLOUD_REGION_CLUSTER; /* load_cross.c sees whether it is one. */
        targets[i].template = decode_text(d, &at, "template", &text_template, false);
        uint32_t purchase =
            decode_enum_set(d, &at, "purchase", purchase_name, PURCHASE_COUNT, 1u << PURCHASE_ON_DEMAND);
        targets[i].on_demand = purchase & 1u << PURCHASE_ON_DEMAND;
        targets[i].spot = purchase & 1u << PURCHASE_SPOT;
        for (size_t j = 0; targets[i].region && j < i; j++) {
            if (str_eq(targets[i].region, targets[j].region) &&
                str_eq(targets[i].provider.name, targets[j].provider.name) &&
                str_eq(targets[i].provider.namespace, targets[j].provider.namespace))
                decode_fault(d, &at, "is the same provider and region as targets[%zu]; merge the two", j);
        }
    }
    ret->placement.targets = targets;
    ret->placement.target_count = count;
}

/* "2-16" or "4" */
static bool vcpu_parse(const char *text, int64_t *ret_min, int64_t *ret_max) {
    char low[8], high[8];
    size_t size = strcspn(text, "-");
    if (size == 0 || size >= sizeof(low) || text[0] < '1')
        return false;
    memcpy(low, text, size);
    low[size] = '\0';
    const char *rest = text[size] == '-' ? text + size + 1 : low;
    if (*rest < '1' || !str_copy(high, sizeof(high), rest))
        return false;
    return str_to_int64(low, ret_min) && str_to_int64(high, ret_max) && *ret_min <= VCPU_MAX && *ret_max <= VCPU_MAX;
}

static void decode_vcpu(struct decoder *d, const struct place *types, struct policy *ret) {
    const char *text = decode_text_borrowed(d, types, "vcpu", &text_any, false);
    if (!text)
        return;
    struct place at = place_key(types, "vcpu");
    int64_t min, max;
    if (!vcpu_parse(text, &min, &max)) {
        decode_fault(d, &at, "\"%.80s\" must be a range of whole vCPUs like 2-16, or one number, 1 to %d", text,
                     VCPU_MAX);
    } else if (min > max) {
        decode_fault(d, &at, "\"%s\" runs backwards; write the smaller number first", text);
    } else {
        ret->placement.vcpu_min = min;
        ret->placement.vcpu_max = max;
    }
}

/* A whole number with a binary or decimal suffix; false on overflow or anything else. */
static bool size_parse(const char *text, int64_t *ret) {
    static const struct {
        const char *suffix;
        int64_t factor;
    } units[] = {
        {"", 1},
        {"Ki", INT64_C(1) << 10},
        {"Mi", INT64_C(1) << 20},
        {"Gi", INT64_C(1) << 30},
        {"Ti", INT64_C(1) << 40},
        {"Pi", INT64_C(1) << 50},
        {"k", 1000},
        {"M", 1000000},
        {"G", 1000000000},
        {"T", INT64_C(1000000000000)},
        {"P", INT64_C(1000000000000000)},
    };
    char digits[16];
    size_t size = strspn(text, "0123456789");
    if (size == 0 || size > 12)
        return false;
    memcpy(digits, text, size);
    digits[size] = '\0';
    int64_t value;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (str_eq(text + size, units[i].suffix))
            return str_to_int64(digits, &value) && !__builtin_mul_overflow(value, units[i].factor, ret);
    }
    return false;
}

static void decode_data(struct decoder *d, const struct place *placement, struct policy *ret) {
    static const char *const keys[] = {"from", "sizeHint", "sync", NULL};
    struct place list;
    size_t count = decode_list(d, placement, "data", 0, DATA_MAX, &list);
    struct policy_data *data = count > 0 ? arena_alloc_array(d->arena, count, sizeof(*data)) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct place at = place_index(&list, i), size_at = place_key(&at, "sizeHint");
        decode_object_at(d, &at, keys);
        data[i].from = decode_text(d, &at, "from", &text_uri, true);
        const char *size = decode_text_borrowed(d, &at, "sizeHint", &text_any, false);
        if (size && !size_parse(size, &data[i].size_hint_bytes))
            decode_fault(d, &size_at, "\"%.80s\" must be a size like 200Gi or 500M", size);
        data[i].continuous = decode_enum(d, &at, "sync", sync_name, SYNC_COUNT, SYNC_ONCE) == SYNC_CONTINUOUS;
    }
    ret->placement.data = data;
    ret->placement.data_count = count;
}

static void decode_overhead(struct decoder *d, const struct place *placement, struct policy *ret) {
    static const char *const keys[] = {"cpu", "memory", "hourlyCost", NULL};
    struct place at = decode_object(d, placement, "overhead", keys), cost_at = place_key(&at, "hourlyCost");
    ret->placement.overhead.vcpu_milli = decode_cpu(d, &at);
    ret->placement.overhead.memory_mib = decode_memory(d, &at);
    const char *cost = decode_text_borrowed(d, &at, "hourlyCost", &text_decimal, false);
    if (cost && !money_parse(cost, &ret->placement.overhead.hourly_cost))
        decode_fault(d, &cost_at, "\"%.40s\" must be a decimal like \"0.02\"", cost);
}

static enum policy_topology decode_topology(struct decoder *d, const struct place *at) {
    return (enum policy_topology)decode_enum(d, at, "topologyKey", topology_name, TOPOLOGY_COUNT, -1);
}

static void decode_spread(struct decoder *d, const struct place *placement, struct policy *ret) {
    static const char *const keys[] = {"topologyKey", "maxSkew", "minDomains", NULL};
    static const char *const affinity_keys[] = {"topologyKey", NULL};
    struct place list;
    size_t count = decode_list(d, placement, "spread", 0, TOPOLOGY_COUNT, &list);
    struct policy_spread *spreads = count > 0 ? arena_alloc_array(d->arena, count, sizeof(*spreads)) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct place at = place_index(&list, i);
        decode_object_at(d, &at, keys);
        spreads[i].topology = decode_topology(d, &at);
        spreads[i].skew_max = decode_int(d, &at, "maxSkew", INT_RULE(.min = 1, .max = CAPACITY_MAX, .required = true));
        spreads[i].domains_min =
            decode_int(d, &at, "minDomains", INT_RULE(.min = 1, .max = DOMAINS_MAX, .fallback = 1));
        for (size_t j = 0; j < i; j++)
            if (spreads[i].topology == spreads[j].topology)
                decode_fault(d, &at, "has the topologyKey of spread[%zu]; merge the two", j);
    }
    ret->placement.spreads = spreads;
    ret->placement.spread_count = count;
    struct place affinity = decode_object(d, placement, "antiAffinity", affinity_keys);
    ret->placement.has_anti_affinity = affinity.json != NULL;
    if (affinity.json)
        ret->placement.anti_affinity = decode_topology(d, &affinity);
}

static void decode_placement(struct decoder *d, const struct place *spec, struct policy *ret) {
    static const char *const keys[] = {"targets", "instanceTypes", "overhead", "data", "spread", "antiAffinity", NULL};
    static const char *const type_keys[] = {"architectures", "vcpu", "exclude", NULL};
    struct place at = decode_object(d, spec, "placement", keys);
    decode_targets(d, &at, ret);
    struct place types = decode_object(d, &at, "instanceTypes", type_keys);
    uint32_t bits = decode_enum_set(d, &types, "architectures", architecture_name, ARCHITECTURE_COUNT, 0);
    if (bits != 0) {
        const char **names = arena_alloc_array(d->arena, ARCHITECTURE_COUNT, sizeof(*names));
        for (int i = 0; i < ARCHITECTURE_COUNT; i++) {
            if (bits & 1u << i)
                names[ret->placement.architecture_count++] = architecture_name(i);
        }
        ret->placement.architectures = names;
    }
    decode_vcpu(d, &types, ret);
    ret->placement.exclude =
        decode_texts(d, &types, "exclude", &text_glob, 0, EXCLUDE_MAX, &ret->placement.exclude_count);
    decode_overhead(d, &at, ret);
    decode_data(d, &at, ret);
    decode_spread(d, &at, ret);
}

static void decode_disruption(struct decoder *d, const struct place *spec, struct policy *ret) {
    static const char *const keys[] = {"windows",  "maxConcurrent",    "maxChangePercent",
                                       "cooldown", "minSavingPercent", NULL};
    static const char *const window_keys[] = {"schedule", "duration", "timeZone", NULL};
    struct place at = decode_object(d, spec, "disruption", keys), list;
    size_t count = decode_list(d, &at, "windows", 0, WINDOWS_MAX, &list);
    struct policy_window *windows = count > 0 ? arena_alloc_array(d->arena, count, sizeof(*windows)) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct place window = place_index(&list, i);
        decode_object_at(d, &window, window_keys);
        decode_window(d, &window, &windows[i].schedule, &windows[i].duration_ms);
    }
    ret->disruption.windows = windows;
    ret->disruption.window_count = count;
    ret->disruption.max_concurrent =
        decode_int(d, &at, "maxConcurrent", INT_RULE(.min = 1, .max = 1000, .fallback = 1));
    ret->disruption.max_change_percent =
        decode_int(d, &at, "maxChangePercent", INT_RULE(.min = 1, .max = 100, .fallback = 25));
    ret->disruption.cooldown_ms = decode_duration(
        d, &at, "cooldown", DURATION_RULE(.min_ms = 0, .max_ms = 31 * DAY_MS, .fallback_ms = 15 * MINUTE_MS));
    ret->disruption.min_saving_percent =
        decode_int(d, &at, "minSavingPercent", INT_RULE(.min = 0, .max = 100, .fallback = 5));
}

static void decode_idle(struct decoder *d, const struct place *spec, struct policy *ret) {
    static const char *const keys[] = {"after", "snapshotAge", NULL};
    struct place at = decode_object(d, spec, "idle", keys);
    ret->idle.after_ms = decode_duration(
        d, &at, "after", DURATION_RULE(.min_ms = DAY_MS, .max_ms = 366 * DAY_MS, .fallback_ms = 14 * DAY_MS));
    ret->idle.snapshot_age_ms = decode_duration(
        d, &at, "snapshotAge", DURATION_RULE(.min_ms = DAY_MS, .max_ms = 3650 * DAY_MS, .fallback_ms = 90 * DAY_MS));
}

const struct policy *decode_policy(struct decoder *d, const struct place *spec) {
    static const char *const keys[] = {"selector", "mode",      "actions",    "autoscalers", "sla",     "capacity",
                                       "forecast", "placement", "disruption", "idle",        "suspend", NULL};
    struct place at = *spec;
    decode_object_at(d, &at, keys);
    struct policy *policy = arena_alloc(d->arena, sizeof(*policy));
    decode_selection(d, &at, policy);
    policy->mode = (enum policy_mode)decode_enum(d, &at, "mode", mode_name, MODE_COUNT, MODE_RECOMMEND);
    policy->actions = decode_enum_set(d, &at, "actions", action_name, ACTION_TYPE_COUNT, 1u << ACTION_SCALE);
    policy->autoscalers = (enum policy_autoscalers)decode_enum(d, &at, "autoscalers", autoscalers_name,
                                                               AUTOSCALERS_COUNT, AUTOSCALERS_ADVISE);
    decode_sla(d, &at, policy);
    decode_capacity(d, &at, policy);
    decode_forecast(d, &at, policy);
    decode_placement(d, &at, policy);
    decode_disruption(d, &at, policy);
    decode_idle(d, &at, policy);
    return policy;
}
