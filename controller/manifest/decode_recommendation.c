/*
 * Recommendation: the proposal, the user's decision, and the journal in its status. The spec is read as strictly as any
 * other; of the status only an unknown phase is a fault, because acting on a phase that a newer version wrote could
 * repeat an effect.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "base/error.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "manifest/decode_internal.h"

#define COUNT_MAX 1000000

static const char *action_name(int value) {
    return action_type_name((enum action_type)value);
}
static const char *kind_name(int value) {
    return cloud_kind_name((enum cloud_kind)value);
}
static const char *decision_name(int value) {
    return recommendation_decision_name((enum recommendation_decision)value);
}
static const char *phase_name(int value) {
    return recommendation_phase_name((enum recommendation_phase)value);
}

static void decode_target(struct decoder *d, const struct place *spec, struct recommendation *ret) {
    static const char *const keys[] = {"provider", "region", "kind", "id", NULL};
    struct place at = decode_object(d, spec, "target", keys), provider = place_key(&at, "provider");
    if (!at.json) {
        if (!json_get(spec->json, "target"))
            decode_fault(d, &at, "is required");
        return;
    }
    if (provider.json) {
        struct object_ref ref = decode_reference_at(d, &provider);
        if (ref.name)
            ret->target.provider = arena_printf(d->arena, "%s/%s", ref.namespace, ref.name);
    } else {
        decode_fault(d, &provider, "is required");
    }
    ret->target.region = decode_text(d, &at, "region", &text_region, true);
    ret->target.kind = (enum cloud_kind)decode_enum(d, &at, "kind", kind_name, CLOUD_KIND_COUNT, -1);
    ret->target.id = decode_text(d, &at, "id", &text_id, true);
}

static void decode_requests(struct decoder *d, const struct place *state, struct target_state *ret) {
    static const char *const keys[] = {"cpu", "memory", NULL};
    struct place at = decode_object(d, state, "requests", keys);
    ret->vcpu_milli = decode_cpu(d, &at);
    ret->memory_mib = decode_memory(d, &at);
}

struct sizes { /* -1: not given. */
    int64_t count, min, max;
};

static struct sizes decode_sizes(struct decoder *d, const struct place *at, bool is_scale) {
    bool has_bounds = json_get(at->json, "minCount") && json_get(at->json, "maxCount");
    const struct int_rule rule = {.min = 0, .max = COUNT_MAX, .fallback = -1, .required = is_scale && !has_bounds};
    struct sizes sizes = {
        .count = decode_int(d, at, "count", rule),
        .min = decode_int(d, at, "minCount", INT_RULE(.min = 0, .max = COUNT_MAX, .fallback = -1)),
        .max = decode_int(d, at, "maxCount", INT_RULE(.min = 0, .max = COUNT_MAX, .fallback = -1)),
    };
    if (sizes.max > 0 && sizes.min > sizes.max) {
        struct place min_at = place_key(at, "minCount");
        decode_fault(d, &min_at, "%lld is above maxCount %lld", (long long)sizes.min, (long long)sizes.max);
    }
    return sizes;
}

static struct sizes decode_state(struct decoder *d, const struct place *spec, const char *key, bool is_scale,
                                 struct target_state *ret) {
    static const char *const keys[] = {"count",    "minCount", "maxCount", "instanceType", "requests", "rollout",
                                       "provider", "region",   "template", "purchase",     "state",    NULL};
    struct place at = decode_object(d, spec, key, keys);
    if (!at.json) {
        if (is_scale && !json_get(spec->json, key))
            decode_fault(d, &at, "is required for action Scale");
        return (struct sizes){-1, -1, -1};
    }
    ret->type = decode_text(d, &at, "instanceType", &text_instance_type, false);
    decode_requests(d, &at, ret);
    decode_bool(d, &at, "rollout", false);
    ret->provider = decode_text(d, &at, "provider", &text_reference, false);
    ret->region = decode_text(d, &at, "region", &text_region, false);
    ret->template = decode_text(d, &at, "template", &text_template, false);
    ret->purchase = decode_text(d, &at, "purchase", &text_reason, false);
    ret->state = decode_text(d, &at, "state", &text_hash, false);
    return decode_sizes(d, &at, is_scale);
}

static int64_t or_zero(int64_t value) {
    return value < 0 ? 0 : value;
}

/* Both speak of the size, or both of its bounds. */
static void decode_change(struct decoder *d, const struct place *spec, bool is_scale, struct recommendation *ret) {
    struct sizes from = decode_state(d, spec, "from", is_scale, &ret->from);
    struct sizes to = decode_state(d, spec, "to", is_scale, &ret->to);
    struct place to_at = place_key(spec, "to");
    ret->is_bounds = is_scale && to.count < 0 && to.min >= 0 && to.max >= 0;
    bool from_bounds = is_scale && from.count < 0 && from.min >= 0 && from.max >= 0;
    if ((from_bounds && to.count >= 0) || (ret->is_bounds && from.count >= 0))
        decode_fault(d, &to_at, "must speak of what from does: count, or minCount and maxCount");
    ret->from.count = or_zero(ret->is_bounds ? from.min : from.count);
    ret->to.count = or_zero(ret->is_bounds ? to.min : to.count);
    ret->from.count_max = or_zero(from.max);
    ret->to.count_max = or_zero(to.max);
}

static void decode_decision(struct decoder *d, const struct place *spec, struct recommendation *ret) {
    static const char *const keys[] = {"reason", "note", NULL};
    struct place at = place_key(spec, "decision"), until = place_key(spec, "snoozeUntil");
    ret->decision =
        (enum recommendation_decision)decode_enum(d, spec, "decision", decision_name, DECISION_COUNT, DECISION_NONE);
    ret->snooze_until_ms = decode_time(d, spec, "snoozeUntil");
    if (ret->decision == DECISION_SNOOZED && !until.json)
        decode_fault(d, &at, "Snoozed needs snoozeUntil; say until when");
    struct place feedback = decode_object(d, spec, "feedback", keys);
    ret->feedback_reason = decode_text(d, &feedback, "reason", &text_reason, false);
    ret->feedback_note = decode_text(d, &feedback, "note", &text_note, false);
}

/* A decimal from 0 to 1, in per mille; -1: not given. */
static int64_t status_share(const struct json *json, const char *key) {
    money_micros micros;
    return money_parse(json_string(json_get(json, key), ""), &micros) ? micros / 1000 : -1;
}

static int64_t status_time(const struct json *status, const char *key) {
    int64_t value = 0;
    return time_parse(json_string(json_get(status, key), ""), &value) ? value : 0;
}

/* The summary's reason is the class of the error that it failed with. */
static bool status_is_out_of_stock(const struct json *status) {
    const struct json *conditions = json_get(status, "conditions");
    for (size_t i = 0; i < json_array_count(conditions); i++) {
        const struct json *one = json_array_at(conditions, i);
        if (str_eq(json_string(json_get(one, "type"), ""), condition_type_name(CONDITION_READY)))
            return str_eq(json_string(json_get(one, "reason"), ""), error_class_name(ERR_CAPACITY));
    }
    return false;
}

static void decode_journal(struct decoder *d, const struct place *status, struct recommendation *ret) {
    const struct json *json = status->json;
    struct place at = place_key(status, "phase");
    const char *phase = json_string(at.json, "");
    int found = enum_find(phase, phase_name, PHASE_COUNT);
    if (found < 0)
        decode_fault(d, &at, "\"%.80s\" is a phase that this version does not know; it is left alone", phase);
    else
        ret->phase = (enum recommendation_phase)found;
    ret->is_out_of_stock = ret->phase == PHASE_FAILED && status_is_out_of_stock(json);
    ret->message = arena_strdup(d->arena, json_string(json_get(json, "message"), NULL));
    ret->operation = arena_strdup(d->arena, json_string(json_get(json, "operation"), NULL));
    ret->tries = json_int(json_get(json, "tries"), 0);
    ret->phase_since_ms = status_time(json, "phaseSince");
    ret->finished_at_ms = status_time(json, "finishedAt");
    const struct json *saving = json_get(json, "saving");
    if (!money_parse(json_string(json_get(saving, "hourly"), "0"), &ret->saving_hourly))
        ret->saving_hourly = 0;
    ret->saving_currency = arena_strdup(d->arena, json_string(json_get(saving, "currency"), NULL));
    ret->saving_text = decode_raw(d, saving);
    ret->why_json = decode_raw(d, json_get(json, "why"));
    ret->risk_per_mille = status_share(json, "risk");
    ret->confidence_per_mille = status_share(json, "confidence");
}

const struct recommendation *decode_recommendation(struct decoder *d, const struct place *spec,
                                                   const struct place *status) {
    static const char *const keys[] = {"policyRef", "action",   "target",      "from",     "to", "attempt",
                                       "planHash",  "decision", "snoozeUntil", "feedback", NULL};
    static const char *const ref_keys[] = {"name", NULL};
    struct place at = *spec;
    decode_object_at(d, &at, keys);
    struct recommendation *rec = arena_alloc(d->arena, sizeof(*rec));
    struct place ref = decode_object(d, &at, "policyRef", ref_keys);
    if (ref.json)
        rec->policy_name = decode_text(d, &ref, "name", &text_subdomain, true);
    else if (!json_get(at.json, "policyRef"))
        decode_fault(d, &ref, "is required");
    rec->action = decode_enum(d, &at, "action", action_name, ACTION_TYPE_COUNT, -1);
    bool is_scale = json_get(at.json, "action") && rec->action == ACTION_SCALE;
    decode_target(d, &at, rec);
    decode_change(d, &at, is_scale, rec);
    struct place to = place_key(&at, "to");
    if (json_get(at.json, "action") && recommendation_is_machine(rec) && !rec->to.type)
        decode_fault(d, &to, "needs instanceType for Rightsize of an Instance");
    rec->attempt = decode_int(d, &at, "attempt", INT_RULE(.min = 1, .max = 1000000, .fallback = 1));
    rec->plan_hash = decode_text(d, &at, "planHash", &text_hash, false);
    decode_decision(d, &at, rec);
    decode_journal(d, status, rec);
    return rec;
}
