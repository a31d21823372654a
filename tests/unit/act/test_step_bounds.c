/*
 * act_step for the bounds of an autoscaler, and for what somebody else has come to manage.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "act/step.h"

#define NOW_MS INT64_C(1790000000000)
#define MINUTE_MS INT64_C(60000)

struct world {
    struct recommendation r;
    struct policy policy;
    struct cloud_resource workload;
    struct act_input in;
};

/* Minimum 2 -> 6 (or back), maximum 8 -> 8, while 3 run. */
static struct world world_of(enum recommendation_phase phase, int64_t from, int64_t to) {
    struct world w = {
        .r = {.policy_name = "web",
              .target = {.kind = CLOUD_WORKLOAD},
              .is_bounds = true,
              .from.count = from,
              .to.count = to,
              .from.count_max = 8,
              .to.count_max = 8,
              .attempt = 1,
              .phase = phase,
              .phase_since_ms = NOW_MS - 1000,
              .decision = DECISION_APPROVED},
        .policy = {.mode = MODE_ENFORCE,
                   .autoscalers = AUTOSCALERS_TUNE_BOUNDS,
                   .capacity = {.min = 1, .max = 20},
                   .sla = {.lead_time_ms = 10 * MINUTE_MS},
                   .disruption = {.max_concurrent = 1, .max_change_percent = 100}},
        .workload = {.kind = CLOUD_WORKLOAD,
                     .count = 3,
                     .serving = 3,
                     .count_min = from,
                     .count_max = 8,
                     .count_manager = "HorizontalPodAutoscaler/web"},
    };
    w.in = (struct act_input){.now_ms = NOW_MS,
                              .recommendation = &w.r,
                              .policy = &w.policy,
                              .selected = true,
                              .resource = &w.workload,
                              .source = SOURCE_FRESH,
                              .seen_at_ms = NOW_MS - 500,
                              .seen_sequence = 8,
                              .floor_sequence = 7,
                              .may_act = true,
                              .others_known = true};
    return w;
}

static struct world w;

/* The input points into the world it came from. */
static struct act_step step(void) {
    w.in.recommendation = &w.r;
    w.in.policy = &w.policy;
    w.in.resource = w.in.resource ? &w.workload : NULL;
    return act_step(&w.in);
}

static void expect(enum act_step_type type, enum recommendation_phase phase, const char *reason) {
    struct act_step got = step();
    cr_expect_eq(got.type, type, "%s: type %d", got.reason, (int)got.type);
    if (type == ACT_RECORD)
        cr_expect_eq(got.phase, phase, "%s", recommendation_phase_name(got.phase));
    cr_expect_str_eq(got.reason, reason);
}

Test(act_bounds, the_minimum_is_what_must_still_stand_not_the_size) {
    w = world_of(PHASE_APPROVED, 2, 6);
    expect(ACT_RECORD, PHASE_RUNNING, "Started");
    w.workload.count = 5; /* The autoscaler's affair. */
    expect(ACT_RECORD, PHASE_RUNNING, "Started");
    w.workload.count_min = 3;
    expect(ACT_RECORD, PHASE_SUPERSEDED, "TargetChanged");
    w.workload.count_min = 6;
    expect(ACT_RECORD, PHASE_SUPERSEDED, "AlreadyThere");
    w = world_of(PHASE_APPROVED, 2, 6);
    w.workload.count_max = 9;
    expect(ACT_RECORD, PHASE_SUPERSEDED, "TargetChanged");
    cr_expect_str_eq(step().message,
                     "the bounds are 2 to 9, neither 2 to 8 nor 6 to 8: somebody else changed them; a new "
                     "plan follows");
}

Test(act_bounds, their_own_present_values_do_not_bound_them) {
    w = world_of(PHASE_APPROVED, 6, 2);
    w.workload.count_min = 6;
    expect(ACT_RECORD, PHASE_RUNNING, "Started");
    w = world_of(PHASE_APPROVED, 2, 12);
    w.r.to.count_max = 12;
    expect(ACT_RECORD, PHASE_RUNNING, "Started");
    w.r.to.count_max = 11;
    expect(ACT_RECORD, PHASE_SUPERSEDED, "OutsideLimits");
    w.r.to.count_max = 12;
    w.policy.capacity.max = 11;
    expect(ACT_WAIT, PHASE_NONE, "CapacityReserved");
}

Test(act_bounds, are_sent_once_read_and_found_where_they_were) {
    w = world_of(PHASE_RUNNING, 2, 6);
    expect(ACT_SEND, PHASE_NONE, "Send");
    w.in.floor_sequence = 8;
    expect(ACT_REFRESH, PHASE_NONE, "ReadBeforeWrite");
    w = world_of(PHASE_RUNNING, 2, 6);
    w.workload.count_min = 6;
    expect(ACT_RECORD, PHASE_VERIFYING, "Applied");
    w.r.to.count_max = 9; /* Only half of it is there. */
    expect(ACT_RECORD, PHASE_FAILED, "TargetChanged");
    w = world_of(PHASE_RUNNING, 2, 6);
    w.workload.count_min = 4;
    expect(ACT_RECORD, PHASE_FAILED, "TargetChanged");
}

Test(act_bounds, that_grow_wait_until_the_minimum_serves) {
    w = world_of(PHASE_VERIFYING, 2, 6);
    expect(ACT_WAIT, PHASE_NONE, "WaitsUntilVisible");
    w.workload.count_min = 6;
    expect(ACT_WAIT, PHASE_NONE, "WaitsUntilServing");
    w.workload.count = 7;
    w.workload.serving = 5;
    expect(ACT_WAIT, PHASE_NONE, "WaitsUntilServing");
    w.workload.serving = 6;
    expect(ACT_RECORD, PHASE_SUCCEEDED, "Succeeded");
    w.workload.serving = 5;
    w.r.phase_since_ms = NOW_MS - 26 * MINUTE_MS;
    expect(ACT_RECORD, PHASE_FAILED, "NotServing");
    cr_expect_str_eq(step().message, "the pods did not become ready in time");
}

Test(act_bounds, that_shrink_are_done_when_they_are_set) {
    w = world_of(PHASE_VERIFYING, 6, 2);
    w.workload.count = w.workload.serving = 6;
    expect(ACT_WAIT, PHASE_NONE, "WaitsUntilVisible");
    w.workload.count_min = 2;
    expect(ACT_RECORD, PHASE_SUCCEEDED, "Succeeded");
}

Test(act_bounds, lowering_a_minimum_is_gated_as_a_shrink) {
    w = world_of(PHASE_APPROVED, 6, 2);
    w.workload.count_min = 6;
    w.policy.disruption.max_change_percent = 25;
    expect(ACT_RECORD, PHASE_SUPERSEDED, "MaxChangePercent");
    w.policy.disruption.max_change_percent = 100;
    w.in.active = 1;
    expect(ACT_WAIT, PHASE_NONE, "MaxConcurrent");
    w.in.active = 0;
    w.in.source = SOURCE_STALE;
    expect(ACT_WAIT, PHASE_NONE, "StaleObservation");
}

Test(act_bounds, nothing_begins_where_somebody_else_has_come_to_manage) {
    static const enum recommendation_phase phases[] = {PHASE_APPROVED, PHASE_RUNNING};
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        w = world_of(phases[i], 2, 6);
        w.policy.autoscalers = AUTOSCALERS_ADVISE;
        expect(ACT_RECORD, PHASE_SUPERSEDED, "ManagedElsewhere");
        w = world_of(phases[i], 2, 6);
        w.workload.count_manager = "argocd-controller";
        expect(ACT_RECORD, PHASE_SUPERSEDED, "ManagedElsewhere");
        cr_expect_str_eq(step().message, "argocd-controller sets its size now, and the policy leaves it alone");
        w = world_of(phases[i], 2, 6);
        w.workload.count_manager = NULL;
        expect(ACT_RECORD, PHASE_SUPERSEDED, "ManagedElsewhere");
        cr_expect_str_eq(step().message, "no autoscaler sets its size any more");
        w = world_of(phases[i], 3, 5); /* A size, and now an autoscaler sets it. */
        w.r.is_bounds = false;
        expect(ACT_RECORD, PHASE_SUPERSEDED, "ManagedElsewhere");
    }
    w = world_of(PHASE_VERIFYING, 2, 6); /* What has happened is followed to its end. */
    w.policy.autoscalers = AUTOSCALERS_ADVISE;
    w.workload.count_min = w.workload.count = w.workload.serving = 6;
    expect(ACT_RECORD, PHASE_SUCCEEDED, "Succeeded");
}

Test(act_bounds, a_workload_that_nobody_else_sets_is_scaled_like_a_group) {
    w = world_of(PHASE_APPROVED, 3, 5);
    w.r.is_bounds = false;
    w.workload.count_manager = NULL;
    w.workload.count_min = 0;
    w.workload.count_max = 0; /* None. */
    expect(ACT_RECORD, PHASE_RUNNING, "Started");
    w.r.phase = PHASE_RUNNING;
    expect(ACT_SEND, PHASE_NONE, "Send");
    w.workload.count = 5;
    expect(ACT_RECORD, PHASE_VERIFYING, "Applied");
    w.r.phase = PHASE_VERIFYING;
    expect(ACT_WAIT, PHASE_NONE, "WaitsUntilServing");
    w.workload.serving = 5;
    expect(ACT_RECORD, PHASE_SUCCEEDED, "Succeeded");
}

Test(act_refusal, tells_what_is_not_ours_to_change_from_what_failed) {
    static const struct {
        struct error error;
        const char *reason;
    } rows[] = {
        {{.class = ERR_CONFLICT, .code = "ManagedElsewhere"}, "ManagedElsewhere"},
        {{.class = ERR_PERMANENT, .code = "DisruptionBudget"}, "DisruptionBudget"},
        {{.class = ERR_CONFLICT, .code = "ManagedElsewhere", .effect = EFFECT_UNKNOWN}, NULL},
        {{.class = ERR_CONFLICT, .code = "Conflict"}, NULL},
        {{.class = ERR_NONE, .code = "ManagedElsewhere"}, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *reason = act_refusal(&rows[i].error);
        if (rows[i].reason)
            cr_expect(reason && strcmp(reason, rows[i].reason) == 0, "%zu", i);
        else
            cr_expect_null(reason, "%zu", i);
    }
}
