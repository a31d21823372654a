/*
 * act_step as a table of every state that matters, and as properties over random ones.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "act/step.h"
#include "base/mem.h"

#define NOW_MS INT64_C(1790000000000)
#define MINUTE_MS INT64_C(60000)

struct world {
    struct recommendation r;
    struct policy policy;
    struct cloud_resource group;
    struct act_input in;
};

/* Growth 6 -> 8 with every gate open and a fresh view that shows 6. */
static void world_init(struct world *w, enum recommendation_phase phase, int64_t from, int64_t to) {
    memset(w, 0, sizeof(*w));
    w->r = (struct recommendation){.policy_name = "web",
                                   .from.count = from,
                                   .to.count = to,
                                   .attempt = 1,
                                   .phase = phase,
                                   .phase_since_ms = NOW_MS - 1000,
                                   .decision = DECISION_APPROVED};
    w->policy.mode = MODE_ENFORCE;
    w->policy.capacity.min = 2;
    w->policy.capacity.max = 20;
    w->policy.sla.lead_time_ms = 10 * MINUTE_MS;
    w->policy.disruption.max_concurrent = 1;
    w->policy.disruption.max_change_percent = 50;
    w->policy.disruption.cooldown_ms = 15 * MINUTE_MS;
    w->group = (struct cloud_resource){
        .kind = CLOUD_INSTANCE_GROUP, .count = from, .count_min = 1, .count_max = 30, .serving = from};
    w->in = (struct act_input){.now_ms = NOW_MS,
                               .recommendation = &w->r,
                               .policy = &w->policy,
                               .selected = true,
                               .resource = &w->group,
                               .source = SOURCE_FRESH,
                               .seen_at_ms = NOW_MS - 500,
                               .seen_sequence = 8,
                               .floor_sequence = 7,
                               .may_act = true,
                               .others_known = true};
}

static const char *type_name(enum act_step_type type) {
    static const char *const names[] = {"IDLE", "WAIT", "REFRESH", "RECORD", "SEND", "POLL"};
    return names[type];
}

/* "RECORD Running Started", "WAIT CoolingDown", "IDLE" */
static const char *told(const struct act_step *step) {
    static char text[96];
    (void)snprintf(text, sizeof(text), "%s%s%s%s%s", type_name(step->type), step->type == ACT_RECORD ? " " : "",
                   step->type == ACT_RECORD ? recommendation_phase_name(step->phase) : "", step->reason[0] ? " " : "",
                   step->reason);
    return text;
}

static void expect(struct world *w, const char *wanted) {
    struct act_step step = act_step(&w->in);
    cr_expect_str_eq(told(&step), wanted);
    if (step.type == ACT_WAIT)
        cr_expect_gt(step.until_ms, w->in.now_ms);
    if (step.type == ACT_RECORD)
        cr_expect_neq(step.message[0], '\0', "%s has no message", wanted);
}

/* Each case changes one thing of a world in which the step would be the plain one. */
#define CASE(phase_, from_, to_, change_, wanted_)                                                                     \
    do {                                                                                                               \
        struct world w;                                                                                                \
        world_init(&w, phase_, from_, to_);                                                                            \
        change_;                                                                                                       \
        expect(&w, wanted_);                                                                                           \
    } while (0)

#define GROW(phase, change, wanted) CASE(phase, 6, 8, change, wanted)
#define SHRINK(phase, change, wanted) CASE(phase, 6, 4, change, wanted)
#define BOTH(phase, change, wanted)                                                                                    \
    do {                                                                                                               \
        GROW(phase, change, wanted);                                                                                   \
        SHRINK(phase, change, wanted);                                                                                 \
    } while (0)

Test(act_step, undecided_follows_the_decision) {
    static const enum recommendation_phase phases[] = {PHASE_NONE, PHASE_PENDING, PHASE_SNOOZED};
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        BOTH(phases[i], , "RECORD Approved Approved");
        BOTH(phases[i], w.in.may_act = false, "RECORD Approved Approved"); /* No effect follows from that. */
        BOTH(phases[i], w.r.decision = DECISION_REJECTED, "RECORD Rejected Rejected");
        BOTH(phases[i], (w.r.decision = DECISION_SNOOZED, w.r.snooze_until_ms = NOW_MS + 1),
             phases[i] == PHASE_SNOOZED ? "WAIT Snoozed" : "RECORD Snoozed Snoozed");
        BOTH(phases[i], (w.r.decision = DECISION_SNOOZED, w.r.snooze_until_ms = NOW_MS),
             phases[i] == PHASE_PENDING ? "IDLE" : "RECORD Pending Proposed");
        BOTH(phases[i], w.r.decision = DECISION_NONE, phases[i] == PHASE_PENDING ? "IDLE" : "RECORD Pending Proposed");
        BOTH(phases[i], (w.r.decision = DECISION_NONE, w.in.policy = NULL), "RECORD Superseded PolicyGone");
        BOTH(phases[i], (w.r.decision = DECISION_NONE, w.policy.mode = MODE_OBSERVE), "RECORD Superseded ModeObserve");
        BOTH(phases[i], (w.r.decision = DECISION_NONE, w.in.provider_gone = true), "RECORD Superseded ProviderGone");
    }
    BOTH(PHASE_PENDING, (w.r.decision = DECISION_NONE, w.r.phase_since_ms = NOW_MS - ACT_PENDING_MAX_MS), "IDLE");
    BOTH(PHASE_PENDING, (w.r.decision = DECISION_NONE, w.r.phase_since_ms = NOW_MS - ACT_PENDING_MAX_MS - 1),
         "RECORD Expired Expired");
}

/* Approving does not make this version able to do it: least of all by setting the size alone. */
Test(act_step, what_is_done_by_hand_stays_undecided_whatever_is_approved) {
    static const enum action_type actions[] = {ACTION_RIGHTSIZE, ACTION_MIGRATE};
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        BOTH(PHASE_PENDING, (w.r.action = (int)actions[i], w.r.target.kind = CLOUD_INSTANCE_GROUP), "IDLE");
        BOTH(PHASE_PENDING,
             (w.r.action = (int)actions[i], w.r.target.kind = CLOUD_INSTANCE_GROUP, w.r.decision = DECISION_REJECTED),
             "RECORD Rejected Rejected");
    }
}

/* Requests of 2 pods, CPU 1000m -> 800m; the size is whatever it is. */
#define REQUESTS                                                                                                       \
    (w.r.action = ACTION_RIGHTSIZE, w.r.target.kind = CLOUD_WORKLOAD, w.r.from.vcpu_milli = 1000,                      \
     w.r.to.vcpu_milli = 800, w.group.kind = CLOUD_WORKLOAD, w.group.vcpu_milli = 1000, w.group.memory_mib = 512,      \
     w.group.count = w.group.serving = 2)
#define SHOWN (REQUESTS, w.group.vcpu_milli = 800)

Test(act_step, requests_are_changed_like_sizes_in_the_policys_windows) {
    struct policy_window window = {.duration_ms = 30 * MINUTE_MS};
    struct error err;
    cr_assert_eq(schedule_parse("0 3 * * *", "UTC", &window.schedule, &err), ERR_NONE);
    BOTH(PHASE_APPROVED, REQUESTS, "RECORD Running Started");
    BOTH(PHASE_APPROVED, (REQUESTS, w.policy.disruption.windows = &window, w.policy.disruption.window_count = 1),
         "WAIT OutsideWindows");
    BOTH(PHASE_APPROVED,
         (REQUESTS, w.r.to.vcpu_milli = 1200, w.policy.disruption.windows = &window,
          w.policy.disruption.window_count = 1),
         "RECORD Running Started"); /* What demand needs waits for nothing. */
    BOTH(PHASE_APPROVED, (REQUESTS, w.r.to.vcpu_milli = 400), "RECORD Superseded MaxChangePercent");
    BOTH(PHASE_APPROVED, (REQUESTS, w.in.active = 1), "WAIT MaxConcurrent");
    BOTH(PHASE_APPROVED, (REQUESTS, w.in.source = SOURCE_STALE), "WAIT StaleObservation");
    BOTH(PHASE_APPROVED, (REQUESTS, w.group.size_manager = "VerticalPodAutoscaler/web"),
         "RECORD Superseded ManagedElsewhere");
    BOTH(PHASE_APPROVED, SHOWN, "RECORD Superseded AlreadyThere");
    BOTH(PHASE_APPROVED, (REQUESTS, w.group.vcpu_milli = 900), "RECORD Superseded TargetChanged");
    BOTH(PHASE_APPROVED, (REQUESTS, w.in.others_low = 0, w.policy.capacity.min = 100), "RECORD Running Started");
    BOTH(PHASE_RUNNING, REQUESTS, "SEND Send");
    BOTH(PHASE_RUNNING, SHOWN, "RECORD Verifying Applied");
    BOTH(PHASE_VERIFYING, (SHOWN, w.group.drifted = 1), "WAIT WaitsUntilServing");
    BOTH(PHASE_VERIFYING, (SHOWN, w.group.serving = 1), "WAIT WaitsUntilServing");
    BOTH(PHASE_VERIFYING, SHOWN, "RECORD Succeeded Succeeded");
}

Test(act_step, what_somebody_else_changed_is_told_in_its_own_words) {
    static struct world w;
    world_init(&w, PHASE_APPROVED, 6, 8);
    (void)REQUESTS;
    w.group.vcpu_milli = 900;
    cr_expect_str_eq(act_step(&w.in).message,
                     "the requests are 900m, neither 1000m nor 800m: somebody else changed them; a new plan follows");
    world_init(&w, PHASE_APPROVED, 6, 8);
    w.group.count = 7;
    cr_expect_str_eq(act_step(&w.in).message,
                     "the size is 7, neither 6 nor 8: somebody else changed it; a new plan follows");
}

Test(act_step, approved_starts_when_its_gates_are_open) {
    BOTH(PHASE_APPROVED, , "RECORD Running Started");
    BOTH(PHASE_APPROVED, w.r.decision = DECISION_NONE, "RECORD Running Started"); /* Approved stays approved. */
    BOTH(PHASE_APPROVED, w.r.decision = DECISION_REJECTED, "RECORD Rejected Rejected");
    BOTH(PHASE_APPROVED, (w.r.decision = DECISION_SNOOZED, w.r.snooze_until_ms = NOW_MS + 1), "RECORD Snoozed Snoozed");
    BOTH(PHASE_APPROVED, w.in.policy = NULL, "RECORD Superseded PolicyGone");
    BOTH(PHASE_APPROVED, w.policy.mode = MODE_OBSERVE, "RECORD Superseded ModeObserve");
    BOTH(PHASE_APPROVED, w.policy.mode = MODE_RECOMMEND, "RECORD Running Started");
    BOTH(PHASE_APPROVED, w.in.provider_gone = true, "RECORD Superseded ProviderGone");
    BOTH(PHASE_APPROVED, w.in.selected = false, "RECORD Superseded NotSelected");
    BOTH(PHASE_APPROVED, w.in.suspended = true, "IDLE");
    BOTH(PHASE_APPROVED, w.in.claimed_twice = true, "IDLE");
    BOTH(PHASE_APPROVED, w.in.target_busy = true, "WAIT TargetBusy");
    BOTH(PHASE_APPROVED, w.in.may_act = false, "WAIT Fence");
    BOTH(PHASE_APPROVED, w.in.others_known = false, "WAIT OthersUnknown");
    BOTH(PHASE_APPROVED, w.in.floor_sequence = 100, "RECORD Running Started"); /* Read again before the effect. */
}

Test(act_step, approved_looks_at_the_source) {
    static const enum source_state old[] = {SOURCE_STALE, SOURCE_TRUNCATED};
    for (size_t i = 0; i < ARRAY_LEN(old); i++) {
        GROW(PHASE_APPROVED, w.in.source = old[i], "RECORD Running Started");
        SHRINK(PHASE_APPROVED, w.in.source = old[i], "WAIT StaleObservation");
        SHRINK(PHASE_APPROVED, (w.in.source = old[i], w.in.seen_at_ms = NOW_MS - 10000), "REFRESH StaleObservation");
        BOTH(PHASE_APPROVED, (w.in.source = old[i], w.in.resource = NULL), "WAIT StaleObservation");
        BOTH(PHASE_APPROVED, (w.in.source = old[i], w.in.resource = NULL, w.in.seen_at_ms = NOW_MS + 3600000),
             "REFRESH StaleObservation");
    }
    BOTH(PHASE_APPROVED, (w.in.source = SOURCE_MISSING, w.in.resource = NULL, w.in.seen_at_ms = 0),
         "REFRESH StaleObservation");
    BOTH(PHASE_APPROVED, w.in.resource = NULL, "RECORD Failed TargetGone");
    GROW(PHASE_APPROVED, w.group.count = 8, "RECORD Superseded AlreadyThere");
    GROW(PHASE_APPROVED, w.group.count = 7, "RECORD Superseded TargetChanged");
}

Test(act_step, approved_keeps_inside_the_bounds) {
    GROW(PHASE_APPROVED, w.group.count_max = 7, "RECORD Superseded OutsideLimits");
    GROW(PHASE_APPROVED, w.group.count_max = 8, "RECORD Running Started");
    GROW(PHASE_APPROVED, w.group.count_max = 0, "RECORD Running Started");
    SHRINK(PHASE_APPROVED, w.group.count_min = 5, "RECORD Superseded OutsideLimits");
    SHRINK(PHASE_APPROVED, w.group.count_min = 4, "RECORD Running Started");
    CASE(PHASE_APPROVED, 6, -1, , "RECORD Superseded OutsideLimits");
    GROW(PHASE_APPROVED, w.policy.capacity.max = 7, "WAIT CapacityReserved");
    GROW(PHASE_APPROVED, w.in.others_high = 12, "RECORD Running Started");
    GROW(PHASE_APPROVED, w.in.others_high = 13, "WAIT CapacityReserved");
    GROW(PHASE_APPROVED, (w.policy.capacity.max = INT64_MAX, w.in.others_high = 1000), "RECORD Running Started");
    SHRINK(PHASE_APPROVED, w.policy.capacity.min = 5, "WAIT CapacityReserved");
    SHRINK(PHASE_APPROVED, (w.policy.capacity.min = 5, w.in.others_low = 1), "RECORD Running Started");
    SHRINK(PHASE_APPROVED, w.in.others_high = 1000, "RECORD Running Started"); /* Too much is shrunk all the same. */
}

Test(act_step, cooldown_concurrency_and_step_size_gate_shrinking_alone) {
    GROW(PHASE_APPROVED, w.in.last_finished_ms = NOW_MS - 1, "RECORD Running Started");
    SHRINK(PHASE_APPROVED, w.in.last_finished_ms = NOW_MS - 1, "WAIT CoolingDown");
    SHRINK(PHASE_APPROVED, w.in.last_finished_ms = NOW_MS - 15 * MINUTE_MS + 1, "WAIT CoolingDown");
    SHRINK(PHASE_APPROVED, w.in.last_finished_ms = NOW_MS - 15 * MINUTE_MS, "RECORD Running Started");
    GROW(PHASE_APPROVED, w.in.active = 5, "RECORD Running Started");
    SHRINK(PHASE_APPROVED, w.in.active = 1, "WAIT MaxConcurrent");
    SHRINK(PHASE_APPROVED, (w.in.active = 1, w.policy.disruption.max_concurrent = 2), "RECORD Running Started");
    GROW(PHASE_APPROVED, w.policy.disruption.max_change_percent = 1, "RECORD Running Started");
    SHRINK(PHASE_APPROVED, w.policy.disruption.max_change_percent = 16, "RECORD Superseded MaxChangePercent");
    SHRINK(PHASE_APPROVED, w.policy.disruption.max_change_percent = 17, "RECORD Running Started");    /* 1.02, up: 2 */
    CASE(PHASE_APPROVED, 6, 5, w.policy.disruption.max_change_percent = 1, "RECORD Running Started"); /* At least 1. */
}

Test(act_step, running_reads_before_it_sends) {
    BOTH(PHASE_RUNNING, , "SEND Send");
    BOTH(PHASE_RUNNING, w.in.floor_sequence = 8, "REFRESH ReadBeforeWrite");
    BOTH(PHASE_RUNNING, w.in.source = SOURCE_STALE, "REFRESH ReadBeforeWrite");
    BOTH(PHASE_RUNNING, w.in.source = SOURCE_MISSING, "REFRESH ReadBeforeWrite");
    BOTH(PHASE_RUNNING, w.in.sending = true, "IDLE");
    BOTH(PHASE_RUNNING, w.in.may_act = false, "WAIT Fence");
    BOTH(PHASE_RUNNING, w.in.retry_at_ms = NOW_MS + 1, "WAIT BackOff");
    BOTH(PHASE_RUNNING, w.in.retry_at_ms = NOW_MS, "SEND Send");
    BOTH(PHASE_RUNNING, w.in.tries = ACT_TRIES_MAX - 1, "SEND Send");
    BOTH(PHASE_RUNNING, w.in.tries = ACT_TRIES_MAX, "RECORD Failed TriesExhausted");
}

Test(act_step, running_is_settled_by_what_is_seen) {
    BOTH(PHASE_RUNNING, w.group.count = w.r.to.count, "RECORD Verifying Applied");
    BOTH(PHASE_RUNNING, (w.group.count = w.r.to.count, w.in.tries = ACT_TRIES_MAX), "RECORD Verifying Applied");
    BOTH(PHASE_RUNNING, (w.group.count = w.r.to.count, w.in.policy = NULL), "RECORD Verifying Applied");
    BOTH(PHASE_RUNNING, (w.group.count = w.r.to.count, w.in.suspended = true), "RECORD Verifying Applied");
    BOTH(PHASE_RUNNING, (w.group.count = w.r.to.count, w.in.floor_sequence = 8), "REFRESH ReadBeforeWrite");
    BOTH(PHASE_RUNNING, w.group.count = 5, "RECORD Failed TargetChanged");
    BOTH(PHASE_RUNNING, w.in.resource = NULL, "RECORD Failed TargetGone");
    BOTH(PHASE_RUNNING, w.in.provider_gone = true, "RECORD Failed ProviderGone");
    BOTH(PHASE_RUNNING, (w.in.provider_gone = true, w.in.sending = true), "IDLE");
}

Test(act_step, running_does_not_send_what_is_no_longer_wanted) {
    BOTH(PHASE_RUNNING, w.in.policy = NULL, "RECORD Superseded PolicyGone");
    BOTH(PHASE_RUNNING, w.policy.mode = MODE_OBSERVE, "RECORD Superseded ModeObserve");
    BOTH(PHASE_RUNNING, w.in.selected = false, "RECORD Superseded NotSelected");
    BOTH(PHASE_RUNNING, w.in.suspended = true, "IDLE");
    BOTH(PHASE_RUNNING, w.in.claimed_twice = true, "IDLE");
    BOTH(PHASE_RUNNING, w.in.others_known = false, "WAIT OthersUnknown");
    GROW(PHASE_RUNNING, w.policy.capacity.max = 7, "RECORD Superseded OutsideLimits");
    SHRINK(PHASE_RUNNING, w.policy.capacity.min = 5, "RECORD Superseded OutsideLimits");
    GROW(PHASE_RUNNING, w.group.count_max = 7, "RECORD Superseded OutsideLimits");
}

Test(act_step, running_believes_what_is_in_a_cut_listing_and_not_what_is_missing) {
    GROW(PHASE_RUNNING, w.in.source = SOURCE_TRUNCATED, "SEND Send");
    SHRINK(PHASE_RUNNING, w.in.source = SOURCE_TRUNCATED, "WAIT TruncatedObservation");
    BOTH(PHASE_RUNNING, (w.in.source = SOURCE_TRUNCATED, w.group.count = w.r.to.count), "RECORD Verifying Applied");
    BOTH(PHASE_RUNNING, (w.in.source = SOURCE_TRUNCATED, w.in.resource = NULL), "WAIT TruncatedObservation");
}

Test(act_step, verifying_ends_when_the_new_size_serves) {
    GROW(PHASE_VERIFYING, w.group.count = w.group.serving = 8, "RECORD Succeeded Succeeded");
    SHRINK(PHASE_VERIFYING, w.group.count = w.group.serving = 4, "RECORD Succeeded Succeeded");
    GROW(PHASE_VERIFYING, w.group.count = 8, "WAIT WaitsUntilServing");
    SHRINK(PHASE_VERIFYING, w.group.count = 4, "WAIT WaitsUntilServing");
    GROW(PHASE_VERIFYING, (w.group.count = 8, w.in.seen_at_ms = NOW_MS - 10000), "REFRESH WaitsUntilServing");
    BOTH(PHASE_VERIFYING, , "WAIT WaitsUntilVisible");
    BOTH(PHASE_VERIFYING, w.r.phase_since_ms = NOW_MS - 2 * MINUTE_MS, "RECORD Failed TargetChanged");
    BOTH(PHASE_VERIFYING, w.group.count = 5, "RECORD Failed TargetChanged");
    BOTH(PHASE_VERIFYING, w.in.floor_sequence = 8, "REFRESH Verify");
    BOTH(PHASE_VERIFYING, w.in.resource = NULL, "RECORD Failed TargetGone");
    BOTH(PHASE_VERIFYING, w.in.provider_gone = true, "RECORD Failed ProviderGone");
    BOTH(PHASE_VERIFYING, w.in.sending = true, "IDLE");
    BOTH(PHASE_VERIFYING, w.in.retry_at_ms = NOW_MS + 1, "WAIT BackOff");
}

Test(act_step, verifying_goes_on_without_its_policy_and_ends_in_time) {
    GROW(PHASE_VERIFYING, (w.in.policy = NULL, w.group.count = w.group.serving = 8), "RECORD Succeeded Succeeded");
    GROW(PHASE_VERIFYING, (w.in.suspended = true, w.group.count = w.group.serving = 8), "RECORD Succeeded Succeeded");
    GROW(PHASE_VERIFYING, (w.group.count = 8, w.r.phase_since_ms = NOW_MS - 25 * MINUTE_MS), "WAIT WaitsUntilServing");
    GROW(PHASE_VERIFYING, (w.group.count = 8, w.r.phase_since_ms = NOW_MS - 25 * MINUTE_MS - 1),
         "RECORD Failed NotServing");
    GROW(PHASE_VERIFYING, (w.group.count = 8, w.in.policy = NULL, w.r.phase_since_ms = NOW_MS - 15 * MINUTE_MS - 1),
         "RECORD Failed NotServing");
    BOTH(PHASE_VERIFYING, (w.in.source = SOURCE_TRUNCATED, w.in.resource = NULL), "WAIT TruncatedObservation");
    BOTH(PHASE_VERIFYING,
         (w.in.source = SOURCE_TRUNCATED, w.in.resource = NULL, w.r.phase_since_ms = NOW_MS - 26 * MINUTE_MS),
         "RECORD Failed NotSeen");
}

Test(act_step, verifying_polls_an_operation_until_it_is_late) {
    BOTH(PHASE_VERIFYING, w.r.operation = "op-1", "POLL Poll");
    BOTH(PHASE_VERIFYING, w.r.operation = "", "WAIT WaitsUntilVisible");
    BOTH(PHASE_VERIFYING, (w.r.operation = "op-1", w.in.may_act = false), "WAIT Fence");
    BOTH(PHASE_VERIFYING, (w.r.operation = "op-1", w.in.sending = true), "IDLE");
    BOTH(PHASE_VERIFYING, (w.r.operation = "op-1", w.in.retry_at_ms = NOW_MS + 1), "WAIT BackOff");
    BOTH(PHASE_VERIFYING, (w.r.operation = "op-1", w.r.phase_since_ms = NOW_MS - 26 * MINUTE_MS),
         "RECORD Failed TargetChanged");
}

Test(act_step, what_is_final_stays) {
    static const enum recommendation_phase phases[] = {PHASE_SUCCEEDED, PHASE_REVERTED,   PHASE_FAILED,
                                                       PHASE_REJECTED,  PHASE_SUPERSEDED, PHASE_EXPIRED};
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        cr_assert(recommendation_phase_is_final(phases[i]));
        BOTH(phases[i], , "IDLE");
        BOTH(phases[i], w.in.policy = NULL, "IDLE");
        BOTH(phases[i], w.r.decision = DECISION_REJECTED, "IDLE");
    }
}

/* ---- properties ---- */

static uint64_t next(uint64_t *state) { /* xorshift64* */
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static bool coin(uint64_t *state, uint64_t one_in) {
    return next(state) % one_in == 0;
}

static void world_random(struct world *w, uint64_t *s) {
    static const char *const operations[] = {NULL, NULL, "", "op-7"};
    int64_t from = (int64_t)(next(s) % 12), to = (int64_t)(next(s) % 12);
    enum recommendation_phase phase = (enum recommendation_phase)(next(s) % PHASE_COUNT);
    if (coin(s, 2))
        phase = coin(s, 2) ? PHASE_APPROVED : PHASE_RUNNING; /* Where most can go wrong. */
    world_init(w, phase, from, to == from ? from + 1 : to);
    w->r.decision = (enum recommendation_decision)(next(s) % DECISION_COUNT);
    w->r.snooze_until_ms = NOW_MS + (int64_t)(next(s) % 3) - 1;
    w->r.phase_since_ms = NOW_MS - (int64_t)(next(s) % (40 * (uint64_t)MINUTE_MS));
    w->r.operation = operations[next(s) % 4];
    w->policy.mode = (enum policy_mode)(next(s) % MODE_COUNT);
    w->policy.capacity.min = (int64_t)(next(s) % 6);
    w->policy.capacity.max = w->policy.capacity.min + (int64_t)(next(s) % 16);
    w->policy.disruption.max_change_percent = 1 + (int64_t)(next(s) % 100);
    w->group.count = coin(s, 4) ? (int64_t)(next(s) % 12) : coin(s, 4) ? w->r.to.count : from;
    w->group.serving = (int64_t)(next(s) % 12);
    w->group.count_min = (int64_t)(next(s) % 4);
    w->group.count_max = (int64_t)(next(s) % 14);
    if (coin(s, 8))
        w->in.policy = NULL;
    if (coin(s, 8))
        w->in.resource = NULL;
    w->in.selected = !coin(s, 8);
    w->in.suspended = coin(s, 6);
    w->in.claimed_twice = coin(s, 6);
    w->in.target_busy = coin(s, 6);
    w->in.provider_gone = coin(s, 12);
    w->in.source = coin(s, 3) ? (enum source_state)(next(s) % 4) : SOURCE_FRESH;
    w->in.seen_at_ms = NOW_MS - (int64_t)(next(s) % 20000) + 5000;
    w->in.floor_sequence = 6 + next(s) % 3;
    w->in.sending = coin(s, 6);
    w->in.may_act = !coin(s, 6);
    w->in.tries = (int64_t)(next(s) % (ACT_TRIES_MAX + 2));
    w->in.retry_at_ms = coin(s, 4) ? NOW_MS + 1000 : 0;
    w->in.active = (int64_t)(next(s) % 3);
    w->in.last_finished_ms = coin(s, 2) ? 0 : NOW_MS - (int64_t)(next(s) % (30 * (uint64_t)MINUTE_MS));
    w->in.others_known = !coin(s, 8);
    w->in.others_low = (int64_t)(next(s) % 6);
    w->in.others_high = w->in.others_low + (int64_t)(next(s) % 4);
}

static bool is_sum_within(const struct world *w) {
    return act_shrinks(&w->r) ? w->in.others_low + w->r.to.count >= w->policy.capacity.min
                              : w->in.others_high + w->r.to.count <= w->policy.capacity.max;
}

#define HOLD(condition) cr_assert(condition, "seed %llu: %s", (unsigned long long)seed, told(&step))

static void check_send(const struct world *w, struct act_step step, uint64_t seed) {
    HOLD(w->r.phase == PHASE_RUNNING);
    HOLD(w->in.may_act && !w->in.sending && !w->in.suspended && !w->in.claimed_twice && w->in.selected);
    HOLD(w->in.policy && w->policy.mode != MODE_OBSERVE && !w->in.provider_gone);
    HOLD(w->in.source == SOURCE_FRESH || (w->in.source == SOURCE_TRUNCATED && !act_shrinks(&w->r)));
    HOLD(w->in.seen_sequence > w->in.floor_sequence);
    HOLD(w->in.resource && w->group.count == w->r.from.count);
    HOLD(w->in.tries < ACT_TRIES_MAX && w->in.retry_at_ms <= NOW_MS);
    HOLD(w->in.others_known && is_sum_within(w));
    HOLD(w->r.to.count >= w->group.count_min && (!w->group.count_max || w->r.to.count <= w->group.count_max));
}

static void check_start(const struct world *w, struct act_step step, uint64_t seed) {
    HOLD(w->r.phase == PHASE_APPROVED && w->in.may_act && !w->in.suspended && !w->in.claimed_twice);
    HOLD(!w->in.target_busy);
    HOLD(w->r.decision != DECISION_REJECTED && w->in.policy && w->policy.mode != MODE_OBSERVE);
    HOLD(w->in.resource && w->in.selected && w->group.count == w->r.from.count);
    HOLD(w->in.others_known && is_sum_within(w));
    if (!act_shrinks(&w->r))
        return;
    HOLD(w->in.source == SOURCE_FRESH);
    HOLD(w->in.active < w->policy.disruption.max_concurrent);
    HOLD(!w->in.last_finished_ms || w->in.last_finished_ms + w->policy.disruption.cooldown_ms <= NOW_MS);
}

/* What a step may do at all, by phase: the edges of the state machine. */
static bool is_edge(enum recommendation_phase from, enum recommendation_phase to) {
    static const uint32_t edges[PHASE_COUNT] = {
#define TO(phase) (1u << PHASE_##phase)
        [PHASE_NONE] = TO(PENDING) | TO(SNOOZED) | TO(APPROVED) | TO(REJECTED) | TO(SUPERSEDED),
        [PHASE_PENDING] = TO(SNOOZED) | TO(APPROVED) | TO(REJECTED) | TO(SUPERSEDED) | TO(EXPIRED),
        [PHASE_SNOOZED] = TO(PENDING) | TO(APPROVED) | TO(REJECTED) | TO(SUPERSEDED),
        [PHASE_APPROVED] = TO(SNOOZED) | TO(RUNNING) | TO(REJECTED) | TO(SUPERSEDED) | TO(FAILED),
        [PHASE_RUNNING] = TO(VERIFYING) | TO(SUPERSEDED) | TO(FAILED),
        [PHASE_VERIFYING] = TO(SUCCEEDED) | TO(FAILED),
#undef TO
    };
    return edges[from] >> to & 1u;
}

Test(act_step, properties_hold_for_any_state, .timeout = 60) {
    size_t sends = 0, starts = 0;
    for (uint64_t seed = 1; seed <= 400000; seed++) {
        struct world w;
        uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15);
        world_random(&w, &state);
        struct act_step step = act_step(&w.in);
        if (step.type == ACT_SEND) {
            check_send(&w, step, seed);
            sends++;
        }
        if (step.type == ACT_RECORD && step.phase == PHASE_RUNNING) {
            check_start(&w, step, seed);
            starts++;
        }
        if (step.type == ACT_RECORD)
            HOLD(is_edge(w.r.phase, step.phase));
        if (step.type == ACT_POLL)
            HOLD(w.r.phase == PHASE_VERIFYING && !w.in.sending && w.in.may_act);
        if (step.type == ACT_WAIT)
            HOLD(step.until_ms > NOW_MS);
        if (recommendation_phase_is_final(w.r.phase))
            HOLD(step.type == ACT_IDLE);
        HOLD(step.reason != NULL);
    }
    cr_assert_gt(sends, 1000, "the generator must reach it");
    cr_assert_gt(starts, 1000);
}

Test(act_step, growth_is_held_back_by_no_gate_of_shrinking, .timeout = 60) {
    for (uint64_t seed = 1; seed <= 200000; seed++) {
        struct world w;
        uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15);
        world_random(&w, &state);
        if (act_shrinks(&w.r))
            continue;
        struct act_step gated = act_step(&w.in);
        w.in.active = 0;
        w.in.last_finished_ms = 0;
        w.policy.disruption.max_change_percent = 100;
        struct act_step step = act_step(&w.in);
        HOLD(step.type == gated.type && step.phase == gated.phase && step.until_ms == gated.until_ms);
    }
}

/* ---- failures ---- */

Test(act_apply_failed, settles_or_gives_up_by_class_and_effect) {
    static const struct {
        enum err_class class;
        bool gives_up[3]; /* By effect: NONE, APPLIED, UNKNOWN. */
    } table[] = {
        {ERR_RETRYABLE, {false, false, false}}, {ERR_THROTTLED, {false, false, false}},
        {ERR_CANCELLED, {false, false, false}}, {ERR_CAPACITY, {true, false, false}},
        {ERR_CONFLICT, {true, false, false}},   {ERR_PERMISSION, {true, false, false}},
        {ERR_PERMANENT, {true, false, false}},
    };
    cr_assert_eq(ARRAY_LEN(table), ERR_CLASS_COUNT - 1);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        for (int effect = EFFECT_NONE; effect <= EFFECT_UNKNOWN; effect++) {
            struct error error = {.class = table[i].class, .effect = (enum err_effect)effect};
            int64_t retry_at_ms = -1;
            bool gave_up = act_apply_failed(1, &error, NOW_MS, &retry_at_ms);
            cr_expect_eq(gave_up, table[i].gives_up[effect], "%s, effect %d", error_class_name(error.class), effect);
            cr_expect(gave_up ? retry_at_ms == -1 : retry_at_ms > NOW_MS);
        }
    }
}

Test(act_apply_failed, backs_off_up_to_five_minutes_and_heeds_the_cloud) {
    struct error error = {.class = ERR_RETRYABLE};
    int64_t last_ms = 0, retry_at_ms = 0;
    for (int64_t tries = 1; tries <= 40; tries++) {
        cr_assert_not(act_apply_failed(tries, &error, 0, &retry_at_ms));
        cr_assert_geq(retry_at_ms, last_ms);
        cr_assert_leq(retry_at_ms, 5 * MINUTE_MS);
        last_ms = retry_at_ms;
    }
    cr_assert_eq(last_ms, 5 * MINUTE_MS);
    error.retry_after_ms = 90000;
    cr_assert_not(act_apply_failed(1, &error, 0, &retry_at_ms));
    cr_assert_eq(retry_at_ms, 90000);
    error.retry_after_ms = UINT32_MAX;
    cr_assert_not(act_apply_failed(1, &error, 0, &retry_at_ms));
    cr_assert_leq(retry_at_ms, 5 * MINUTE_MS);
}
