/*
 * When nothing is done, and why: freshness, history, budgets, ownership.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "world.h"

static struct world w;

/* Each case for a group that should shrink from 10 to 2 and for one that should grow from 2 to 10. */
static void change_stale(void) {
    w.sources[0].state = w.sources[1].state = SOURCE_STALE;
}
static void change_truncated(void) {
    w.sources[0].state = w.sources[1].state = SOURCE_TRUNCATED;
}
static void change_missing(void) {
    w.sources[0].state = w.sources[1].state = SOURCE_MISSING;
    w.sources[0].message = "access denied";
}
static void change_claimed(void) {
    w.resources[0].claimed_by = w.resources[1].claimed_by = "team/other";
}
static void change_no_actions(void) {
    w.policy.actions = 1U << ACTION_MIGRATE;
}
static void change_freeze(void) {
    w.headroom = (struct headroom){.freeze_growth = true, .budget = "platform/company"};
}
static void change_no_history(void) {
    w.forecasts[0].basis = w.forecasts[1].basis = FORECAST_BASIS_NONE;
}
static void change_kind(void) {
    w.resources[0].resource.kind = w.resources[1].resource.kind = CLOUD_NODE;
}
static void change_deleting(void) {
    w.resources[0].resource.state = w.resources[1].resource.state = CLOUD_DELETING;
}
static void change_capacity(void) {
    w.resources[0].capacity_per_machine = w.resources[1].capacity_per_machine = 0;
}
static void change_expired(void) {
    w.snapshot.as_of_ms += (WORLD_STEPS + 1) * STEP_MS;
}

static const struct {
    const char *what;
    void (*change)(void);
    bool shrinks, grows;
    const char *shrink_reason, *grow_reason;
} cases[] = {
    {"stale", change_stale, false, true, "StaleObservation", ""},
    {"truncated", change_truncated, false, true, "TruncatedObservation", ""},
    {"missing", change_missing, false, false, "MissingObservation", "MissingObservation"},
    {"claimed by another", change_claimed, false, false, "SelectedTwice", "SelectedTwice"},
    {"action not allowed", change_no_actions, false, false, "ActionNotAllowed", "ActionNotAllowed"},
    {"budget freeze", change_freeze, true, false, "", "BudgetFreeze"},
    {"no history", change_no_history, false, false, "NoHistory", "NoHistory"},
    {"another kind", change_kind, false, false, "NotScalable", "NotScalable"},
    {"being deleted", change_deleting, false, false, "BeingDeleted", "BeingDeleted"},
    {"unknown capacity", change_capacity, false, false, "UnknownCapacity", "UnknownCapacity"},
    {"expired forecast", change_expired, false, true, "ForecastExpired", ""},
};

Test(plan_gates, each_gate_holds_back_what_it_should) {
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        world_init(&w);
        world_add(&w, 10, 2.6);
        world_add(&w, 2, 13);
        cases[i].change();
        struct plan plan = world_plan(&w);
        cr_expect_eq(world_action(&plan, "g0") != NULL, cases[i].shrinks, "%s: shrink", cases[i].what);
        cr_expect_eq(world_action(&plan, "g1") != NULL, cases[i].grows, "%s: growth", cases[i].what);
        cr_expect_str_eq(world_why_not(&plan, "g0"), cases[i].shrink_reason, "%s", cases[i].what);
        cr_expect_str_eq(world_why_not(&plan, "g1"), cases[i].grow_reason, "%s", cases[i].what);
        cr_expect_eq(plan.action_count + plan.why_not_count, 2, "%s: each is acted on or explained", cases[i].what);
        arena_release(&w.arena);
    }
}

Test(plan_gates, a_gate_that_changes_nothing_is_not_the_reason) {
    world_init(&w);
    world_add(&w, 2, 2.6);
    w.sources[0].state = SOURCE_STALE;
    struct plan plan = world_plan(&w);
    cr_assert_str_eq(world_why_not(&plan, "g0"), "InTrim");
    arena_release(&w.arena);
}

Test(plan_gates, without_history_a_bound_may_still_raise) {
    world_init(&w);
    w.policy.capacity.min = 4;
    world_add(&w, 1, 0);
    w.forecasts[0].basis = FORECAST_BASIS_NONE;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.actions[0].to.count, 4);
    cr_assert_eq(plan.actions[0].risk_per_mille, 1000, "nobody knows");
    arena_release(&w.arena);
}

Test(plan_gates, a_held_group_counts_against_capacity_max) {
    world_init(&w);
    w.policy.capacity.max = 10;
    world_add(&w, 7, 13)->claimed_by = "team/other";
    world_add(&w, 1, 13);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.actions[0].to.count, 3);
    arena_release(&w.arena);
}

Test(plan_gates, a_budget_may_shrink_to_the_minimum) {
    world_init(&w);
    w.policy.capacity.min = 5;
    w.headroom = (struct headroom){.shrink_to_minimum = true, .budget = "platform/company"};
    world_add(&w, 10, 13)->resource.count_min = 2;
    world_add(&w, 10, 13)->resource.count_min = 1;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.desired, 5);
    for (int turn = 0; turn < 5; turn++) {
        world_apply(&w, &plan);
        plan = world_plan(&w);
        cr_assert_geq(plan.actual, 5);
    }
    cr_assert_eq(plan.actual, 5);
    w.sources[0].state = SOURCE_STALE;
    w.resources[0].resource.count = 10;
    plan = world_plan(&w);
    cr_assert_null(world_action(&plan, "g0"), "not even a budget shrinks on a stale view");
    arena_release(&w.arena);
}
