/*
 * What nobody uses: which action is proposed for what, and what is left alone and why.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "world.h"

#define HOUR (INT64_C(3600000))
#define DAY (24 * HOUR)
#define SAMPLES (20 * 288)

static struct world w; /* One test, one process. */
static float samples[SAMPLES];

static void idle_init(void) {
    world_init(&w);
    w.policy.selector.kinds = 1U << CLOUD_VOLUME | 1U << CLOUD_SNAPSHOT;
    w.policy.actions = 1U << ACTION_STOP | 1U << ACTION_DELETE | 1U << ACTION_SNAPSHOT;
    w.policy.forecast.history_ms = 14 * DAY;
    w.policy.idle.after_ms = 14 * DAY;
    w.policy.idle.snapshot_age_ms = 90 * DAY;
}

/* Of what has no demand. */
static struct cloud_resource *thing(enum cloud_kind kind, enum cloud_state state, int64_t age_ms) {
    struct snapshot_resource *r = world_add(&w, 1, 0);
    r->resource.kind = kind;
    r->resource.state = state;
    r->resource.type = kind == CLOUD_VOLUME ? "gp3" : "";
    r->resource.memory_mib = 100 * 1024;
    r->resource.created_at_ms = age_ms > 0 ? NOW_MS - age_ms : 0;
    r->resource.count_max = 0;
    r->has_offer = false;
    r->capacity_per_machine = 0;
    w.forecasts[w.count - 1].basis = FORECAST_BASIS_NONE;
    w.sources[w.count - 1].kind = kind;
    return &r->resource;
}

static const char *verdict(const char *id) {
    struct plan plan = world_plan(&w);
    const struct plan_action *action = world_action(&plan, id);
    return action ? action_type_name(action->type) : world_why_not(&plan, id);
}

Test(plan_idle, each_kind_has_its_own_signs) {
    static const struct {
        enum cloud_kind kind;
        enum cloud_state state;
        int64_t age_ms, since_ms; /* Ago; 0: not told. */
        const char *parent, *verdict;
    } rows[] = {
        {CLOUD_VOLUME, CLOUD_AVAILABLE, 15 * DAY, 0, NULL, "Snapshot"},
        {CLOUD_VOLUME, CLOUD_AVAILABLE, 13 * DAY, 0, NULL, "TooYoung"},
        {CLOUD_VOLUME, CLOUD_AVAILABLE, 0, 0, NULL, "TooYoung"},
        {CLOUD_VOLUME, CLOUD_IN_USE, 15 * DAY, 0, "i-1", "InUse"},
        {CLOUD_VOLUME, CLOUD_AVAILABLE, 15 * DAY, 0, "i-1", "InUse"},
        {CLOUD_VOLUME, CLOUD_STATE_UNKNOWN, 15 * DAY, 0, NULL, "InUse"},
        {CLOUD_VOLUME, CLOUD_DELETING, 15 * DAY, 0, NULL, "BeingDeleted"},
        {CLOUD_ADDRESS, CLOUD_AVAILABLE, 0, 0, NULL, "Delete"},
        {CLOUD_ADDRESS, CLOUD_IN_USE, 0, 0, NULL, "InUse"},
        {CLOUD_SNAPSHOT, CLOUD_AVAILABLE, 91 * DAY, 0, "vol-1", "LastCopy"},
        {CLOUD_SNAPSHOT, CLOUD_AVAILABLE, 91 * DAY, 0, NULL, "LastCopy"},
        {CLOUD_SNAPSHOT, CLOUD_AVAILABLE, 89 * DAY, 0, "vol-1", "TooYoung"},
        {CLOUD_INSTANCE, CLOUD_STOPPED, 400 * DAY, 15 * DAY, NULL, "Delete"},
        {CLOUD_INSTANCE, CLOUD_STOPPED, 400 * DAY, 13 * DAY, NULL, "TooYoung"},
        {CLOUD_INSTANCE, CLOUD_STOPPED, 400 * DAY, 0, NULL, "TooYoung"},
        {CLOUD_INSTANCE, CLOUD_STOPPED, 400 * DAY, 15 * DAY, "web", "ManagedElsewhere"},
        {CLOUD_BUCKET, CLOUD_AVAILABLE, 400 * DAY, 0, NULL, "NotScalable"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        idle_init();
        struct cloud_resource *r = thing(rows[i].kind, rows[i].state, rows[i].age_ms);
        thing(CLOUD_SNAPSHOT, CLOUD_AVAILABLE, DAY); /* The snapshots of the region are seen. */
        r->state_since_ms = rows[i].since_ms ? NOW_MS - rows[i].since_ms : 0;
        r->parent = rows[i].parent;
        cr_expect_str_eq(verdict("g0"), rows[i].verdict, "row %zu: %s", i, verdict("g0"));
        w.policy.actions = 1U << ACTION_SCALE;
        const char *other = verdict("g0");
        bool was_action = strcmp(rows[i].verdict, "Delete") == 0 || strcmp(rows[i].verdict, "Snapshot") == 0;
        cr_expect(!was_action || strcmp(other, "ActionNotAllowed") == 0 || rows[i].kind == CLOUD_VOLUME, "row %zu: %s",
                  i, other);
        arena_release(&w.arena);
    }
}

Test(plan_idle, nothing_is_idle_by_a_view_that_is_not_fresh_or_not_ours_alone) {
    for (int i = 0; i < 4; i++) {
        idle_init();
        thing(CLOUD_ADDRESS, CLOUD_AVAILABLE, 0);
        if (i < 3)
            w.sources[0].state = (enum source_state[]){SOURCE_STALE, SOURCE_TRUNCATED, SOURCE_MISSING}[i];
        else
            w.resources[0].claimed_by = "team/other";
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, 0, "case %d", i);
        cr_expect_eq(plan.why_not_count, 1);
        arena_release(&w.arena);
    }
}

/* Snapshot, then Delete; without leave for the first, at once and for good. */
Test(plan_idle, a_disk_is_copied_before_it_goes) {
    idle_init();
    thing(CLOUD_VOLUME, CLOUD_AVAILABLE, 30 * DAY);
    struct cloud_resource *copy = thing(CLOUD_SNAPSHOT, CLOUD_AVAILABLE, 2 * DAY);
    copy->parent = w.ids[0];
    struct plan plan = world_plan(&w);
    const struct plan_action *action = world_action(&plan, "g0");
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(action->type, ACTION_DELETE);
    cr_expect_str_eq(action->from.state, "available");
    cr_expect_str_eq(action->to.state, TARGET_STATE_DELETED);
    cr_expect_eq(action->risk_per_mille, 0, "the copy stays");
    cr_expect_eq(action->cost_hourly, -1, "no price is known");
    copy->created_at_ms = NOW_MS - 20 * DAY;
    cr_expect_str_eq(verdict("g0"), "Snapshot", "an old copy may lack what was written since");
    copy->created_at_ms = NOW_MS - 2 * DAY;
    copy->state = CLOUD_PENDING;
    cr_expect_str_eq(verdict("g0"), "Snapshot", "it is not whole yet");
    copy->state = CLOUD_AVAILABLE;
    for (enum source_state state = SOURCE_FRESH + 1; state <= SOURCE_MISSING; state++) {
        w.sources[1].state = state;
        cr_expect_str_eq(verdict("g0"), "StaleObservation", "the copy may be gone");
    }
    w.sources[1].state = SOURCE_FRESH;
    copy->region = "eu-west-1";
    cr_expect_str_eq(verdict("g0"), "Snapshot", "it is another disk's");
    w.policy.selector.kinds = 1U << CLOUD_VOLUME;
    cr_expect_str_eq(verdict("g0"), "SnapshotsNotSelected");
    w.policy.actions = 1U << ACTION_DELETE;
    plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].risk_per_mille, 1000);
    arena_release(&w.arena);
}

Test(plan_idle, of_the_snapshots_of_a_disk_the_newest_stays) {
    idle_init();
    static const int64_t ages[] = {100 * DAY, 300 * DAY, 200 * DAY};
    for (size_t i = 0; i < 3; i++)
        thing(CLOUD_SNAPSHOT, CLOUD_AVAILABLE, ages[i])->parent = "vol-1";
    thing(CLOUD_SNAPSHOT, CLOUD_AVAILABLE, DAY)->parent = "vol-2";
    cr_expect_str_eq(verdict("g0"), "LastCopy");
    cr_expect_str_eq(verdict("g1"), "Delete");
    cr_expect_str_eq(verdict("g2"), "Delete");
    arena_release(&w.arena);
}

/* `days` of five minutes up to now with this demand in vCPU, and `busy` samples of much. */
static void observe_demand(struct snapshot_resource *r, size_t days, float demand, size_t busy) {
    size_t count = days * 288;
    for (size_t i = 0; i < count; i++)
        samples[i] = i < busy ? 1 : demand;
    r->history = (struct history_series){
        .start_ms = NOW_MS - (int64_t)count * STEP_MS, .step_ms = STEP_MS, .count = count, .demand = samples};
}

Test(plan_idle, a_machine_that_does_nothing_is_stopped) {
    static const struct {
        size_t days;
        float demand;
        size_t busy;
        const char *verdict;
    } rows[] = {
        {14, 0.05F, 0, "Stop"},         {14, 0.07F, 0, "NotScalable"}, {14, 0.05F, 40, "Stop"},
        {14, 0.05F, 41, "NotScalable"}, {12, 0.05F, 0, "NotScalable"}, /* Not known for long enough. */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        idle_init();
        struct snapshot_resource *r = world_add(&w, 1, 0.1);
        r->resource.kind = CLOUD_INSTANCE; /* Of 2 vCPU: 3 % are 0.06. */
        observe_demand(r, rows[i].days, rows[i].demand, rows[i].busy);
        struct plan plan = world_plan(&w);
        cr_expect_str_eq(verdict("g0"), rows[i].verdict, "row %zu", i);
        if (plan.action_count) {
            cr_expect_eq(plan.actions[0].saving_hourly, 96000);
            cr_expect_eq(plan.desired, 0);
            cr_expect_eq(plan.desired_cost_hourly, 0);
            cr_expect_eq(plan.actions[0].risk_per_mille, (int64_t)rows[i].busy * 1000 / (14 * 288));
        }
        w.policy.forecast.metric = CLOUD_METRIC_MEMORY;
        cr_expect_str_eq(verdict("g0"), "NotScalable", "memory is held, whatever is done");
        arena_release(&w.arena);
    }
}

/* Three single machines, of which two are stopped: one for long, one that is cheaper. */
static void stopped_init(int64_t min) {
    idle_init();
    w.policy.actions |= 1U << ACTION_START;
    w.policy.capacity.min = min;
    for (size_t i = 0; i < 3; i++) {
        struct snapshot_resource *r = world_add(&w, 1, 1);
        r->resource.kind = CLOUD_INSTANCE;
        r->resource.state = i == 0 ? CLOUD_RUNNING : CLOUD_STOPPED;
        r->resource.state_since_ms = NOW_MS - 30 * DAY;
        r->offer.price_hourly = i == 2 ? 50000 : 96000;
    }
}

Test(plan_idle, what_is_stopped_is_started_for_capacity_min) {
    static const char *const verdicts[][2] = {
        {"Delete", "Delete"}, {"Delete", "Delete"}, {"Delete", "Start"}, {"Start", "Start"}, {"Start", "Start"}};
    for (int64_t min = 0; min <= 4; min++) {
        stopped_init(min);
        cr_expect_str_eq(verdict("g1"), verdicts[min][0], "min %d", (int)min);
        cr_expect_str_eq(verdict("g2"), verdicts[min][1], "min %d", (int)min);
        arena_release(&w.arena);
    }
    stopped_init(2);
    struct plan plan = world_plan(&w);
    const struct plan_action *a = &plan.actions[0]; /* Before what goes. */
    cr_assert_eq(a->type, ACTION_START);
    cr_expect_str_eq(a->from.state, "stopped");
    cr_expect_str_eq(a->to.state, "running");
    cr_expect_eq(a->cost_hourly, 50000);
    cr_expect_eq(a->saving_hourly, -50000);
    cr_expect_str_eq(a->why[0], "1 machine runs, capacity.min is 2, and it is stopped");
    cr_expect_str_eq(a->why[1], "costs 0.0500 USD an hour");
    cr_expect_eq(plan.cost_hourly, 96000);
    cr_expect_eq(plan.desired_cost_hourly, 96000 + 50000);
    w.resources[2].resource.state = CLOUD_RUNNING; /* Carried out. */
    cr_expect_str_neq(verdict("g2"), "Start");
    cr_expect_str_eq(verdict("g1"), "Delete");
    arena_release(&w.arena);
}

Test(plan_idle, what_is_stopped_is_not_started_where_that_is_not_ours) {
    stopped_init(3);
    w.headroom.freeze_growth = true;
    cr_expect_str_eq(verdict("g2"), "BudgetFreeze");
    w.headroom.freeze_growth = false;
    w.resources[2].resource.parent = "asg";
    cr_expect_str_eq(verdict("g2"), "ManagedElsewhere");
    w.resources[2].resource.parent = NULL;
    w.resources[2].claimed_by = "other/policy";
    cr_expect_str_eq(verdict("g2"), "SelectedTwice");
    w.resources[2].claimed_by = NULL;
    w.sources[2].state = SOURCE_STALE;
    cr_expect_str_neq(verdict("g2"), "Start");
    w.sources[2].state = SOURCE_FRESH;
    w.headroom.closures = &(struct headroom_closure){.type = "m5.*", .text = "type=m5.*"};
    w.headroom.closure_count = 1;
    cr_expect_str_eq(verdict("g2"), "Delete");
    w.headroom.closure_count = 0;
    w.policy.actions &= ~(1U << ACTION_START);
    cr_expect_str_eq(verdict("g2"), "Delete");
    arena_release(&w.arena);
}

Test(plan_idle, what_is_stopped_is_started_as_far_as_quotas_go) {
    stopped_init(3);
    w.snapshot.limits = &(struct snapshot_limit){
        "platform/aws",
        {.region = "us-east-1", .id = "L-1", .name = "n", .types = "m5.*", .unit = "vCPU", .value = 10, .used = 8}};
    w.snapshot.limit_count = 1;
    for (size_t i = 0; i < 3; i++)
        w.resources[i].resource.vcpu_milli = 2000;
    cr_expect_str_eq(verdict("g2"), "Start");
    cr_expect_str_eq(verdict("g1"), "QuotaExceeded");
    arena_release(&w.arena);
}

/* What is stopped because nobody uses it is not wanted back. */
Test(plan_idle, stopping_keeps_capacity_min_and_so_nothing_is_started_again) {
    idle_init();
    w.policy.actions |= 1U << ACTION_START;
    w.policy.capacity.min = 1;
    for (size_t i = 0; i < 2; i++) {
        struct snapshot_resource *r = world_add(&w, 1, 0.1);
        r->resource.kind = CLOUD_INSTANCE;
        r->resource.state_since_ms = NOW_MS - DAY;
        observe_demand(r, 14, 0.05F, 0);
    }
    cr_expect_str_eq(verdict("g0"), "Stop");
    cr_expect_str_eq(verdict("g1"), "AtMinimum");
    w.resources[0].resource.state = CLOUD_STOPPED;
    cr_expect_str_eq(verdict("g0"), "TooYoung");
    cr_expect_str_eq(verdict("g1"), "AtMinimum");
    arena_release(&w.arena);
}

Test(plan_idle, a_group_is_made_small_before_it_is_stopped) {
    idle_init();
    w.policy.actions |= 1U << ACTION_SCALE;
    struct snapshot_resource *r = world_add(&w, 2, 0.02);
    r->resource.count_min = 1;
    observe_demand(r, 14, 0.02F, 0);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].type, ACTION_SCALE);
    world_apply(&w, &plan);
    plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].type, ACTION_STOP);
    cr_expect_str_eq(plan.actions[0].to.state, "stopped");
    arena_release(&w.arena);
}

Test(plan_idle, the_groups_that_stay_keep_capacity_min) {
    for (int64_t min = 0; min <= 3; min++) {
        idle_init();
        w.policy.capacity.min = min;
        for (int i = 0; i < 3; i++) {
            struct snapshot_resource *r = world_add(&w, 1, 0.02);
            r->resource.count_min = 1;
            observe_demand(r, 14, 0.02F, 0);
        }
        cr_expect_eq(world_plan(&w).action_count, (size_t)(3 - min), "min %lld", (long long)min);
        arena_release(&w.arena);
    }
}

/* Nor is capacity.min kept by what the same plan takes away. */
Test(plan_idle, a_group_is_not_stopped_beside_shrinking_that_leaves_just_capacity_min) {
    for (int64_t min = 3; min <= 4; min++) {
        idle_init();
        w.policy.actions |= 1U << ACTION_SCALE;
        w.policy.capacity.min = min;
        struct snapshot_resource *r = world_add(&w, 1, 0.02);
        r->resource.count_min = 1;
        observe_demand(r, 14, 0.02F, 0);
        world_add(&w, 8, 3 * 1.3);
        struct plan plan = world_plan(&w);
        cr_expect_eq(world_action(&plan, "g1")->to.count, 3, "min %lld", (long long)min);
        cr_expect_eq(world_action(&plan, "g0") != NULL, min == 3, "min %lld", (long long)min);
        arena_release(&w.arena);
    }
}

/* What would be raised again for the spread, or leave too few places, is not stopped. */
Test(plan_idle, the_groups_that_stay_keep_the_spread) {
    static const struct {
        int64_t skew, domains;
        bool is_stopped;
    } rows[] = {{3, 1, true}, {2, 1, false}, {3, 2, true}, {3, 3, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct policy_spread spread = {TOPOLOGY_ZONE, rows[i].skew, rows[i].domains};
        idle_init();
        w.policy.placement.spreads = &spread;
        w.policy.placement.spread_count = 1;
        struct snapshot_resource *r = world_add(&w, 1, 0.02);
        r->resource.zone = "a";
        observe_demand(r, 14, 0.02F, 0);
        world_add(&w, 3, 3 * 1.3)->resource.zone = "b";
        world_add(&w, 3, 3 * 1.3)->resource.zone = "c";
        cr_expect_str_eq(verdict("g0"), rows[i].is_stopped ? "Stop" : "InTrim", "row %zu", i);
        const struct plan plan = world_plan(&w);
        bool is_told = false;
        for (size_t k = 0; k < plan.why_not_count; k++)
            is_told |= strcmp(plan.why_not[k].reason, "SpreadViolated") == 0 &&
                       strstr(plan.why_not[k].message, "placement.spread");
        cr_expect_eq(is_told, !rows[i].is_stopped, "row %zu", i);
        arena_release(&w.arena);
    }
}

/* What stores has no size: it neither fills capacity.min nor hides what the machines cost. */
Test(plan_idle, what_stores_is_no_part_of_the_sums) {
    idle_init();
    w.policy.actions = 1U << ACTION_SCALE;
    w.policy.capacity.min = 4;
    world_add(&w, 3, 1);
    thing(CLOUD_VOLUME, CLOUD_IN_USE, DAY);
    struct plan plan = world_plan(&w);
    cr_expect_eq(plan.actual, 3);
    cr_expect_eq(plan.desired, 4);
    cr_expect_eq(plan.cost_hourly, 3 * 96000);
    cr_expect_eq(plan.desired_cost_hourly, 4 * 96000);
    arena_release(&w.arena);
}
