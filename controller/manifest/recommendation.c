/*
 * The names of a Recommendation's phases and decisions, and the states of its target.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "manifest/recommendation.h"

#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "manifest/spec.h"

static const char *const phases[] = {
    [PHASE_NONE] = "",
    [PHASE_PENDING] = "Pending",
    [PHASE_SNOOZED] = "Snoozed",
    [PHASE_APPROVED] = "Approved",
    [PHASE_RUNNING] = "Running",
    [PHASE_VERIFYING] = "Verifying",
    [PHASE_REVERTING] = "Reverting",
    [PHASE_SUCCEEDED] = "Succeeded",
    [PHASE_REVERTED] = "Reverted",
    [PHASE_FAILED] = "Failed",
    [PHASE_REJECTED] = "Rejected",
    [PHASE_SUPERSEDED] = "Superseded",
    [PHASE_EXPIRED] = "Expired",
};
static const char *const decisions[] = {
    [DECISION_NONE] = "",
    [DECISION_APPROVED] = "Approved",
    [DECISION_REJECTED] = "Rejected",
    [DECISION_SNOOZED] = "Snoozed",
};

_Static_assert(ARRAY_LEN(phases) == PHASE_COUNT, "a name for each phase");
_Static_assert(ARRAY_LEN(decisions) == DECISION_COUNT, "a name for each decision");

const char *recommendation_phase_name(enum recommendation_phase phase) {
    ASSERT((size_t)phase < ARRAY_LEN(phases));
    return phases[phase];
}

bool recommendation_phase_is_final(enum recommendation_phase phase) {
    ASSERT((size_t)phase < ARRAY_LEN(phases));
    return phase >= PHASE_SUCCEEDED;
}

const char *recommendation_decision_name(enum recommendation_decision decision) {
    ASSERT((size_t)decision < ARRAY_LEN(decisions));
    return decisions[decision];
}

bool recommendation_is_by_hand(int action, enum cloud_kind kind) {
    bool is_one = kind == CLOUD_WORKLOAD || kind == CLOUD_INSTANCE;
    return action != ACTION_SCALE && !(action == ACTION_RIGHTSIZE && is_one);
}

bool recommendation_is_requests(const struct recommendation *r) {
    return r->action == ACTION_RIGHTSIZE && r->target.kind == CLOUD_WORKLOAD;
}

bool recommendation_is_machine(const struct recommendation *r) {
    return r->action == ACTION_RIGHTSIZE && r->target.kind == CLOUD_INSTANCE;
}

/* ---- states of a target ---- */

bool target_state_has_count(int action, enum cloud_kind kind) {
    bool is_sized = kind == CLOUD_INSTANCE_GROUP || kind == CLOUD_WORKLOAD;
    return action == ACTION_SCALE || (is_sized && (action == ACTION_RIGHTSIZE || action == ACTION_MIGRATE));
}

#define TARGET_TEXTS 6

static void texts_of(const struct target_state *state, const char *ret[static TARGET_TEXTS]) {
    const char *const texts[TARGET_TEXTS] = {state->type,     state->provider, state->region,
                                             state->template, state->purchase, state->state};
    for (size_t i = 0; i < TARGET_TEXTS; i++)
        ret[i] = texts[i] ? texts[i] : "";
}

bool target_state_is_equal(const struct target_state *a, const struct target_state *b) {
    const char *left[TARGET_TEXTS], *right[TARGET_TEXTS];
    texts_of(a, left);
    texts_of(b, right);
    for (size_t i = 0; i < TARGET_TEXTS; i++)
        if (!str_eq(left[i], right[i]))
            return false;
    return a->count == b->count && a->count_max == b->count_max && a->vcpu_milli == b->vcpu_milli &&
           a->memory_mib == b->memory_mib;
}

uint64_t target_state_hash(uint64_t hash, const struct target_state *state) {
    const int64_t numbers[] = {state->count, state->count_max, state->vcpu_milli, state->memory_mib};
    const char *texts[TARGET_TEXTS];
    texts_of(state, texts);
    hash = str_hash(hash, numbers, sizeof(numbers));
    for (size_t i = 0; i < TARGET_TEXTS; i++)
        hash = str_hash_text(hash, texts[i]);
    return hash;
}

void target_state_words(const struct target_state *state, bool has_count, bool is_bounds,
                        char ret[static TARGET_WORDS_MAX]) {
    long long count = (long long)state->count;
    if (state->state)
        (void)snprintf(ret, TARGET_WORDS_MAX, "%.40s", state->state);
    else if (is_bounds)
        (void)snprintf(ret, TARGET_WORDS_MAX, "%lld to %lld", count, (long long)state->count_max);
    else if (state->vcpu_milli > 0)
        (void)snprintf(ret, TARGET_WORDS_MAX, "%lldm", (long long)state->vcpu_milli);
    else if (state->memory_mib > 0)
        (void)snprintf(ret, TARGET_WORDS_MAX, "%lldMi", (long long)state->memory_mib);
    else if (state->type && has_count)
        (void)snprintf(ret, TARGET_WORDS_MAX, "%lld x %.40s", count, state->type);
    else if (state->type)
        (void)snprintf(ret, TARGET_WORDS_MAX, "%.40s", state->type);
    else
        (void)snprintf(ret, TARGET_WORDS_MAX, "%lld", count);
}

static void put_text(struct json_writer *w, const char *key, const char *text) {
    if (text)
        jw_put_string(w, key, text);
}

static void put_quantity(struct json_writer *w, const char *key, int64_t value, const char *suffix) {
    char text[32];
    if (value <= 0)
        return;
    (void)snprintf(text, sizeof(text), "%lld%s", (long long)value, suffix);
    jw_put_string(w, key, text);
}

void target_state_print(struct json_writer *w, const struct target_state *state, bool has_count, bool is_bounds) {
    jw_open(w, '{');
    if (has_count && !is_bounds)
        jw_put_int(w, "count", state->count);
    put_text(w, "instanceType", state->type);
    if (is_bounds) {
        jw_put_int(w, "maxCount", state->count_max);
        jw_put_int(w, "minCount", state->count);
    }
    put_text(w, "provider", state->provider);
    put_text(w, "purchase", state->purchase);
    put_text(w, "region", state->region);
    if (state->vcpu_milli > 0 || state->memory_mib > 0) {
        jw_key(w, "requests");
        jw_open(w, '{');
        put_quantity(w, "cpu", state->vcpu_milli, "m");
        put_quantity(w, "memory", state->memory_mib, "Mi");
        jw_close(w, '}');
    }
    put_text(w, "state", state->state);
    put_text(w, "template", state->template);
    jw_close(w, '}');
}
