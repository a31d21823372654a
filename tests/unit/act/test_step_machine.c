/*
 * act_step for the type of a single machine: what stops and starts again, and is not left down.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "act/step.h"

#define NOW_MS INT64_C(1790000000000)
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)

struct world {
    struct recommendation r;
    struct policy policy;
    struct cloud_resource machine;
    struct act_input in;
};

/* m5.xlarge -> r5.large, every gate open, a fresh view that shows it running as it was. */
static struct world world_of(enum recommendation_phase phase) {
    return (struct world){
        .r = {.policy_name = "db",
              .action = ACTION_RIGHTSIZE,
              .target.kind = CLOUD_INSTANCE,
              .from.type = "m5.xlarge",
              .to.type = "r5.large",
              .attempt = 1,
              .phase = phase,
              .phase_since_ms = NOW_MS - 1000,
              .decision = DECISION_APPROVED},
        .policy = {.mode = MODE_ENFORCE,
                   .capacity = {.min = 1, .max = 1},
                   .sla.lead_time_ms = 10 * MINUTE_MS,
                   .disruption = {.max_concurrent = 1, .max_change_percent = 1, .cooldown_ms = 15 * MINUTE_MS}},
        .machine = {.kind = CLOUD_INSTANCE, .state = CLOUD_RUNNING, .type = "m5.xlarge", .count = 1},
        .in = {.now_ms = NOW_MS,
               .selected = true,
               .source = SOURCE_FRESH,
               .seen_at_ms = NOW_MS - 500,
               .seen_sequence = 8,
               .floor_sequence = 7,
               .may_act = true,
               .others_known = true},
    };
}

static struct act_step step_of(struct world *w) {
    w->in.recommendation = &w->r;
    w->in.policy = &w->policy;
    w->in.resource = &w->machine;
    return act_step(&w->in);
}

static void expect(struct world *w, const char *wanted) {
    static const char *const names[] = {"IDLE", "WAIT", "REFRESH", "RECORD", "SEND", "POLL"};
    char text[96];
    struct act_step step = step_of(w);
    (void)snprintf(text, sizeof(text), "%s%s%s%s%s", names[step.type], step.type == ACT_RECORD ? " " : "",
                   step.type == ACT_RECORD ? recommendation_phase_name(step.phase) : "", step.reason[0] ? " " : "",
                   step.reason);
    cr_expect_str_eq(text, wanted, "%s instead of %s", text, wanted);
}

#define CASE(phase_, change_, wanted_)                                                                                 \
    do {                                                                                                               \
        struct world w = world_of(phase_);                                                                             \
        change_;                                                                                                       \
        expect(&w, wanted_);                                                                                           \
    } while (0)

#define DOWN(state_) w.machine.state = CLOUD_##state_
#define DONE w.machine.type = "r5.large"

Test(act_step_machine, it_starts_when_the_gates_of_what_disturbs_are_open) {
    struct policy_window window = {.duration_ms = 30 * MINUTE_MS};
    struct error err;
    cr_assert_eq(schedule_parse("0 3 * * *", "UTC", &window.schedule, &err), ERR_NONE);
    CASE(PHASE_PENDING, , "RECORD Approved Approved");
    CASE(PHASE_APPROVED, , "RECORD Running Started");
    CASE(PHASE_APPROVED, (w.policy.disruption.windows = &window, w.policy.disruption.window_count = 1),
         "WAIT OutsideWindows");
    CASE(PHASE_APPROVED, w.in.active = 1, "WAIT MaxConcurrent");
    CASE(PHASE_APPROVED, w.in.last_finished_ms = NOW_MS - 15 * MINUTE_MS + 1, "WAIT CoolingDown");
    CASE(PHASE_APPROVED, w.in.source = SOURCE_STALE, "WAIT StaleObservation");
    CASE(PHASE_APPROVED, w.in.source = SOURCE_TRUNCATED, "WAIT StaleObservation");
    CASE(PHASE_APPROVED, w.in.others_low = w.in.others_high = 5, "RECORD Running Started"); /* Their number stays. */
    CASE(PHASE_APPROVED, DONE, "RECORD Superseded AlreadyThere");
    CASE(PHASE_APPROVED, w.machine.type = "c5.large", "RECORD Superseded TargetChanged");
    CASE(PHASE_APPROVED, w.machine.parent = "web", "RECORD Superseded ManagedElsewhere");
    CASE(PHASE_APPROVED, DOWN(STOPPED), "RECORD Superseded NotRunning");
    CASE(PHASE_APPROVED, DOWN(PENDING), "RECORD Superseded NotRunning");
}

Test(act_step_machine, a_machine_that_is_down_is_not_asked_for_again) {
    CASE(PHASE_RUNNING, , "SEND Send");
    CASE(PHASE_RUNNING, w.in.source = SOURCE_TRUNCATED, "WAIT TruncatedObservation");
    CASE(PHASE_RUNNING, w.in.floor_sequence = 8, "REFRESH ReadBeforeWrite");
    CASE(PHASE_RUNNING, DOWN(STOPPING), "WAIT WaitsUntilRunning"); /* It may be our own effect. */
    CASE(PHASE_RUNNING, DOWN(STOPPED), "WAIT WaitsUntilRunning");
    CASE(PHASE_RUNNING, (DOWN(STOPPED), w.r.phase_since_ms = NOW_MS - HOUR_MS), "RECORD Failed TargetChanged");
    CASE(PHASE_RUNNING, DONE, "RECORD Verifying Applied");
    CASE(PHASE_RUNNING, (DONE, DOWN(PENDING)), "RECORD Verifying Applied");
}

Test(act_step_machine, it_has_succeeded_when_it_runs_as_the_new_type) {
    CASE(PHASE_VERIFYING, w.r.operation = "op", "POLL Poll");
    CASE(PHASE_VERIFYING, DONE, "RECORD Succeeded Succeeded");
    CASE(PHASE_VERIFYING, (DONE, DOWN(PENDING)), "WAIT WaitsUntilServing");
    CASE(PHASE_VERIFYING, (DONE, DOWN(PENDING), w.r.phase_since_ms = NOW_MS - HOUR_MS), "RECORD Failed NotServing");
    CASE(PHASE_VERIFYING, , "WAIT WaitsUntilVisible");
    CASE(PHASE_VERIFYING, w.r.phase_since_ms = NOW_MS - HOUR_MS, "RECORD Failed TargetChanged");
}

/* What takes longer than it may is settled by the listing, but not while the machine may be down because of us. */
Test(act_step_machine, polling_goes_on_until_it_is_seen_to_run) {
#define LATE (w.r.operation = "op", w.r.phase_since_ms = NOW_MS - HOUR_MS)
    CASE(PHASE_VERIFYING, (LATE, DOWN(STOPPED)), "POLL Poll");
    CASE(PHASE_VERIFYING, (LATE, w.in.floor_sequence = 8), "POLL Poll"); /* Seen before the last request. */
    CASE(PHASE_VERIFYING, LATE, "RECORD Failed TargetChanged");
    CASE(PHASE_VERIFYING, (LATE, DOWN(STOPPED), w.in.now_ms += 48 * HOUR_MS, w.in.seen_at_ms = w.in.now_ms),
         "RECORD Failed TargetChanged");
    struct world w = world_of(PHASE_VERIFYING);
    w.machine.state = CLOUD_STOPPED;
    w.r.phase_since_ms = NOW_MS - HOUR_MS;
    cr_expect_str_eq(
        step_of(&w).message,
        "the type is still m5.xlarge: the change has not come about; the machine does not run, it is stopped");
}

Test(act_step_machine, what_has_failed_for_good_is_only_told_when_it_is_up) {
    struct world w = world_of(PHASE_VERIFYING);
    (void)step_of(&w);
    cr_expect(act_is_up_again(&w.in));
    w.machine.state = CLOUD_STOPPED;
    cr_expect_not(act_is_up_again(&w.in));
    w.in.resource = NULL;
    cr_expect(act_is_up_again(&w.in), "it is gone");
    w.in.source = SOURCE_TRUNCATED;
    cr_expect_not(act_is_up_again(&w.in), "it may be in what was cut");
    w.in.provider_gone = true;
    cr_expect(act_is_up_again(&w.in), "nobody can be asked");
    w.in.provider_gone = false;
    w.r.action = ACTION_SCALE;
    cr_expect(act_is_up_again(&w.in), "only machines stop");
}
