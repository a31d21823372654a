/*
 * The names of the API's enums: one table for each, so that decoding, status, metrics and messages say the same word.
 * And what a policy says of a resource or of a time, so that all stages read it the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "manifest/spec.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

static const char *const provider_types[] = {
    [PROVIDER_AWS] = "aws",
    [PROVIDER_AZURE] = "azure",
    [PROVIDER_GCP] = "gcp",
    [PROVIDER_ALIBABA] = "alibaba",
    [PROVIDER_HUAWEI] = "huawei",
    [PROVIDER_KUBERNETES] = "kubernetes",
    [PROVIDER_SIMULATED] = "simulated",
};
static const char *const modes[] = {
    [MODE_OBSERVE] = "Observe", [MODE_RECOMMEND] = "Recommend", [MODE_ENFORCE] = "Enforce"};
static const char *const actions[] = {
    [ACTION_SCALE] = "Scale",       [ACTION_RIGHTSIZE] = "Rightsize", [ACTION_MIGRATE] = "Migrate",
    [ACTION_START] = "Start",       [ACTION_STOP] = "Stop",           [ACTION_DELETE] = "Delete",
    [ACTION_SNAPSHOT] = "Snapshot",
};
static const char *const autoscalers_words[] = {
    [AUTOSCALERS_ADVISE] = "Advise", [AUTOSCALERS_TUNE_BOUNDS] = "TuneBounds"};
static const char *const periods[] = {
    [PERIOD_DAILY] = "Daily",         [PERIOD_WEEKLY] = "Weekly", [PERIOD_MONTHLY] = "Monthly",
    [PERIOD_QUARTERLY] = "Quarterly", [PERIOD_YEARLY] = "Yearly",
};
static const char *const ofs[] = {[BUDGET_OF_FORECAST] = "Forecast", [BUDGET_OF_ACTUAL] = "Actual"};
static const char *const effects[] = {
    [EFFECT_WARN] = "Warn",
    [EFFECT_FREEZE_GROWTH] = "FreezeGrowth",
    [EFFECT_ECONOMIZE] = "Economize",
    [EFFECT_SHRINK_TO_MINIMUM] = "ShrinkToMinimum",
};
static const char *const bases[] = {
    [BASIS_BILLED_COST] = "BilledCost",
    [BASIS_EFFECTIVE_COST] = "EffectiveCost",
    [BASIS_LIST_COST] = "ListCost",
    [BASIS_CONTRACTED_COST] = "ContractedCost",
};

_Static_assert(ARRAY_LEN(provider_types) == PROVIDER_TYPE_COUNT, "a name for each type");
_Static_assert(ARRAY_LEN(modes) == MODE_COUNT, "a name for each mode");
_Static_assert(ARRAY_LEN(actions) == ACTION_TYPE_COUNT, "a name for each action");
_Static_assert(ARRAY_LEN(autoscalers_words) == AUTOSCALERS_COUNT, "a name for each way");
_Static_assert(ARRAY_LEN(periods) == PERIOD_COUNT, "a name for each period");
_Static_assert(ARRAY_LEN(ofs) == BUDGET_OF_COUNT, "a name for each figure");
_Static_assert(ARRAY_LEN(effects) == BUDGET_EFFECT_COUNT, "a name for each effect");
_Static_assert(ARRAY_LEN(bases) == BASIS_COUNT, "a name for each basis");

const char *provider_type_name(enum provider_type type) {
    ASSERT((size_t)type < ARRAY_LEN(provider_types));
    return provider_types[type];
}

const char *policy_mode_name(enum policy_mode mode) {
    ASSERT((size_t)mode < ARRAY_LEN(modes));
    return modes[mode];
}

const char *action_type_name(enum action_type type) {
    ASSERT((size_t)type < ARRAY_LEN(actions));
    return actions[type];
}

const char *policy_autoscalers_name(enum policy_autoscalers autoscalers) {
    ASSERT((size_t)autoscalers < ARRAY_LEN(autoscalers_words));
    return autoscalers_words[autoscalers];
}

const char *policy_topology_name(enum policy_topology topology) {
    static const char *const words[] = {
        [TOPOLOGY_ZONE] = "Zone", [TOPOLOGY_REGION] = "Region", [TOPOLOGY_PROVIDER] = "Provider"};
    ASSERT((size_t)topology < ARRAY_LEN(words));
    return words[topology];
}

bool policy_is_autoscaler(const char *manager) {
    return manager && (str_has_prefix(manager, "HorizontalPodAutoscaler/") || str_has_prefix(manager, "ScaledObject/"));
}

/* Open at some moment of [from, to): it opened late enough to reach into it, and before its end. */
static bool opens_for(const struct schedule *schedule, int64_t duration_ms, int64_t from_ms, int64_t to_ms) {
    return schedule_next(schedule, from_ms - duration_ms + 1) < to_ms;
}

bool policy_event_is_in(const struct policy_event *event, int64_t from_ms, int64_t to_ms) {
    if (event->recurs)
        return opens_for(&event->schedule, event->duration_ms, from_ms, to_ms);
    return event->start_ms < to_ms && event->start_ms + event->duration_ms > from_ms;
}

int64_t policy_weight(const struct policy *policy, int64_t from_ms, int64_t to_ms) {
    int64_t weight = 1;
    for (size_t i = 0; i < policy->sla.slot_count; i++) {
        const struct policy_slot *slot = &policy->sla.slots[i];
        if (slot->weight > weight && opens_for(&slot->schedule, slot->duration_ms, from_ms, to_ms))
            weight = slot->weight;
    }
    return weight;
}

enum policy_hold policy_hold_of(const struct policy *policy, const char *manager) {
    if (!manager)
        return POLICY_SETS_COUNT;
    return policy->autoscalers == AUTOSCALERS_TUNE_BOUNDS && policy_is_autoscaler(manager) ? POLICY_SETS_BOUNDS
                                                                                           : POLICY_ADVISES;
}

const char *budget_period_name(enum budget_period period) {
    ASSERT((size_t)period < ARRAY_LEN(periods));
    return periods[period];
}

const char *budget_of_name(enum budget_of of) {
    ASSERT((size_t)of < ARRAY_LEN(ofs));
    return ofs[of];
}

const char *budget_effect_name(enum budget_effect effect) {
    ASSERT((size_t)effect < ARRAY_LEN(effects));
    return effects[effect];
}

const char *budget_basis_name(enum budget_basis basis) {
    ASSERT((size_t)basis < ARRAY_LEN(bases));
    return bases[basis];
}

const char *policy_purchase_name(bool is_spot) {
    return is_spot ? "Spot" : "OnDemand";
}

bool policy_is_window(const struct policy *policy, int64_t now_ms) {
    for (size_t i = 0; i < policy->disruption.window_count; i++) {
        const struct policy_window *window = &policy->disruption.windows[i];
        if (schedule_is_open(&window->schedule, window->duration_ms, now_ms))
            return true;
    }
    return policy->disruption.window_count == 0;
}

bool policy_may_move(const struct policy *policy) {
    return policy_may(policy, ACTION_RIGHTSIZE) || policy_may(policy, ACTION_MIGRATE);
}
