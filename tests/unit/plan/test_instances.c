/*
 * Other types for single machines: which are weighed, what they must serve, and what is told of the others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "world.h"

static struct world w; /* One test, one process. */
static struct snapshot_limit limit;

static void sell(const char *type, int64_t vcpu, int64_t gib, int64_t price) {
    world_sell(&w, world_offer("us-east-1", type, vcpu, gib, price));
}

static struct snapshot_resource *machine(double demand) {
    struct snapshot_resource *r = world_add(&w, 1, demand);
    r->resource.kind = w.sources[w.count - 1].kind = CLOUD_INSTANCE;
    r->resource.type = "m5.xlarge";
    r->resource.count_max = r->resource.serving = 0;
    r->resource.vcpu_milli = r->capacity_per_machine = 4000;
    r->resource.memory_mib = 16384;
    r->offer = (struct cloud_offer){.region = "us-east-1",
                                    .type = "m5.xlarge",
                                    .vcpu_milli = 4000,
                                    .memory_mib = 16384,
                                    .architecture = "amd64",
                                    .price_hourly = 192000,
                                    .price_spot_hourly = -1};
    return r;
}

/* One m5.xlarge (4 vCPU, 16 GiB, 0.192), which serves 2.6; the horizon is two hours, the lead time one step. */
static struct snapshot_resource *start(double demand) {
    world_init(&w);
    w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_RIGHTSIZE | 1U << ACTION_STOP;
    w.policy.forecast.horizon_ms = WORLD_STEPS * STEP_MS;
    w.policy.disruption.min_saving_percent = 5;
    w.policy.sla.lead_time_ms = STEP_MS;
    w.policy.capacity.min = 1;
    w.policy.idle.after_ms = 14 * INT64_C(86400000);
    w.policy.forecast.history_ms = w.policy.idle.after_ms;
    struct snapshot_resource *r = machine(demand);
    sell("m5.xlarge", 4, 16, 192000);
    return r;
}

/* The type that is proposed; "" if none is. */
static const char *chosen(const struct plan *plan) {
    return plan->action_count == 1 && plan->actions[0].type == ACTION_RIGHTSIZE ? plan->actions[0].to.type : "";
}

static bool has_why(const struct plan *plan, const char *text) {
    for (size_t i = 0; plan->action_count && i < plan->actions[0].why_count; i++)
        if (strstr(plan->actions[0].why[i], text))
            return true;
    return false;
}

Test(plan_instances, a_cheaper_type_that_serves_the_horizon_is_proposed) {
    start(1.2);
    sell("r5.large", 2, 16, 126000);
    sell("r6a.xlarge", 4, 32, 140000);
    struct plan plan = world_plan(&w);
    cr_assert_str_eq(chosen(&plan), "r5.large");
    const struct plan_action *a = &plan.actions[0];
    cr_expect_str_eq(a->from.type, "m5.xlarge");
    cr_expect_eq(a->from.count, 0, "one it is before and after: its number is not said");
    cr_expect_eq(a->to.count, 0);
    cr_expect_eq(a->kind, CLOUD_INSTANCE);
    cr_expect_eq(a->cost_hourly, 126000);
    cr_expect_eq(a->saving_hourly, 192000 - 126000);
    cr_expect_eq(plan.desired, 1);
    cr_expect_eq(plan.desired_cost_hourly, 126000);
    cr_expect_eq(plan.lower_bound_hourly, 126000);
    cr_expect_eq(plan.gap_per_mille, 0);
    cr_expect(world_message(&plan, "DearerThanChosen")[0], "r6a.xlarge would save too");
    cr_expect(has_why(&plan, "it stops and starts again"));
    arena_release(&w.arena);
}

/* Beyond the hold window of shrinking, which groups would look at: nobody grows a single machine in time. */
Test(plan_instances, the_greatest_demand_of_the_horizon_is_what_it_must_serve) {
    static const struct {
        size_t step;
        double demand;
        const char *chosen;
    } rows[] = {{0, 1.2, "r5.large"},
                {WORLD_STEPS - 1, 1.29, "r5.large"},
                {WORLD_STEPS - 1, 1.31, ""},
                {WORLD_STEPS - 1, 2.59, ""},
                {WORLD_STEPS - 1, 2.7, "r5.2xlarge"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        start(1.2);
        sell("r5.large", 2, 16, 126000);
        sell("r5.2xlarge", 8, 64, 504000);
        struct forecast *f = &w.forecasts[0];
        for (size_t j = 0; j < f->quantile_count; j++)
            w.values[0][rows[i].step * f->quantile_count + j] *= rows[i].demand / 1.2;
        struct plan plan = world_plan(&w);
        cr_expect_str_eq(chosen(&plan), rows[i].chosen, "row %zu: %s", i, chosen(&plan));
        cr_expect_leq(plan.lower_bound_hourly, plan.desired_cost_hourly, "row %zu", i);
        arena_release(&w.arena);
    }
}

Test(plan_instances, why_not_of_each_kind_of_candidate) {
    static const struct {
        const char *reason, *type;
        int64_t vcpu, gib, price;
    } rows[] = {
        {"DearerThanNow", "m6a.xlarge", 4, 16, 200000}, {"BelowMinSaving", "m6a.xlarge", 4, 16, 184000},
        {"TooSmall", "c5.xlarge", 4, 8, 170000}, /* Half of the memory for all that is on it. */
        {"TooSmall", "m5.large", 2, 8, 96000},          {"TooSmall", "r5.small", 1, 16, 60000},
        {"TooSmall", "t3.xlarge", 4, 16, 100000},       {"NotWorthDisruption", "r5.large", 2, 16, 126000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        start(1.2);
        bool is_dear = strcmp(rows[i].reason, "NotWorthDisruption") == 0;
        w.policy.sla.lead_time_ms = is_dear ? 8 * STEP_MS : STEP_MS;
        sell(rows[i].type, rows[i].vcpu, rows[i].gib, rows[i].price);
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, 0, "row %zu", i);
        cr_expect(strstr(world_message(&plan, rows[i].reason), rows[i].type), "row %zu: %s", i,
                  world_message(&plan, rows[i].reason));
        cr_expect_str_eq(world_why_not(&plan, "g0"), "InTrim", "row %zu", i);
        arena_release(&w.arena);
    }
}

/* Saving 0.066 of 0.192 an hour for two hours, and 5 minutes of both cost 0.0265. */
Test(plan_instances, what_is_not_served_while_it_stops_has_the_price_of_a_violation) {
    static const struct {
        int64_t cost;
        bool is_proposed;
    } rows[] = {{0, true}, {5, true}, {9, true}, {20, false}, {1000000, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        start(1.2);
        w.policy.sla.violation_cost = rows[i].cost;
        world_demand(&w, 0, 1.0);
        w.forecasts[0].level = 1.0;
        sell("r5.large", 2, 16, 126000);
        struct plan plan = world_plan(&w);
        cr_expect_str_eq(chosen(&plan), rows[i].is_proposed ? "r5.large" : "", "row %zu", i);
        cr_expect_eq(world_message(&plan, "NotWorthDisruption")[0] != '\0', !rows[i].is_proposed, "row %zu", i);
        cr_expect_eq(has_why(&plan, "not served meanwhile"), rows[i].cost > 0 && rows[i].is_proposed, "row %zu", i);
        arena_release(&w.arena);
    }
}

/* ---- growth ---- */

static struct plan grow(void) {
    start(4.0);
    sell("m5.2xlarge", 8, 32, 384000);
    sell("r6a.xlarge", 4, 32, 140000); /* Serves no more than today's. */
    sell("m5.4xlarge", 16, 64, 768000);
    sell("c5.2xlarge", 8, 16, 340000); /* Demand is half as much again as it serves: so is what it holds in memory. */
    return world_plan(&w);
}

Test(plan_instances, what_does_not_serve_takes_a_larger_type) {
    struct plan plan = grow();
    cr_assert_str_eq(chosen(&plan), "m5.2xlarge");
    cr_expect_eq(plan.actions[0].saving_hourly, 192000 - 384000);
    cr_expect_eq(plan.actions[0].risk_per_mille, 1);
    cr_expect(has_why(&plan, "today's type serves 2.6 vCPU, and the horizon asks for up to 4.0"));
    cr_expect_eq(plan.lower_bound_hourly, 384000, "staying does not serve");
    cr_expect_eq(plan.gap_per_mille, 0);
    cr_expect_eq(plan.binding, NULL);
    cr_expect(strstr(world_message(&plan, "DearerThanChosen"), "m5.4xlarge"));
    arena_release(&w.arena);
}

Test(plan_instances, growth_asks_for_a_fresh_view_and_a_history_of_its_own) {
    static const struct {
        enum source_state source;
        enum forecast_basis basis;
        bool freeze, shrink;
        const char *reason;
    } rows[] = {
        {SOURCE_FRESH, FORECAST_BASIS_OWN, false, false, ""},
        {SOURCE_STALE, FORECAST_BASIS_OWN, false, false, "StaleObservation"},
        {SOURCE_TRUNCATED, FORECAST_BASIS_OWN, false, false, "TruncatedObservation"},
        {SOURCE_FRESH, FORECAST_BASIS_POOLED, false, false, "LittleHistory"},
        {SOURCE_FRESH, FORECAST_BASIS_PRIOR, false, false, "LittleHistory"},
        {SOURCE_FRESH, FORECAST_BASIS_OWN, true, false, "BudgetFreeze"},
        {SOURCE_FRESH, FORECAST_BASIS_OWN, false, true, "BudgetFreeze"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        (void)grow();
        w.sources[0].state = rows[i].source;
        w.forecasts[0].basis = rows[i].basis;
        w.headroom.freeze_growth = rows[i].freeze;
        w.headroom.shrink_to_minimum = rows[i].shrink;
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, rows[i].reason[0] == '\0', "row %zu", i);
        cr_expect(!rows[i].reason[0] || world_message(&plan, rows[i].reason)[0], "row %zu", i);
        cr_expect(plan.action_count || strstr(world_why_not(&plan, "g0"), "AtMaximum"), "row %zu: %s", i,
                  world_why_not(&plan, "g0"));
        arena_release(&w.arena);
    }
}

/* Down again only after the horizon; up whatever was before, and dearer ones are no excuse for being too small. */
Test(plan_instances, ping_pong_is_no_way_down_but_one_up) {
    struct snapshot_resource *r = start(1.2);
    sell("r5.large", 2, 16, 126000);
    r->last_change = (struct snapshot_change){NOW_MS - STEP_MS, "platform/aws", "us-east-1", "r5.large"};
    struct plan plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 0);
    cr_expect(world_message(&plan, "PingPong")[0]);
    r->last_change.at_ms = NOW_MS - w.policy.forecast.horizon_ms;
    plan = world_plan(&w);
    cr_expect_str_eq(chosen(&plan), "r5.large");
    arena_release(&w.arena);
    (void)grow();
    w.resources[0].last_change = (struct snapshot_change){NOW_MS - STEP_MS, "platform/aws", "us-east-1", "m5.2xlarge"};
    plan = world_plan(&w);
    cr_expect_str_eq(chosen(&plan), "m5.2xlarge");
    arena_release(&w.arena);
}

/* ---- what it stops for, and what others decide ---- */

Test(plan_instances, a_machine_that_nobody_uses_is_stopped_and_not_made_smaller) {
    static float samples[14 * 288];
    struct snapshot_resource *r = start(0.01);
    sell("r5.large", 2, 16, 126000);
    struct plan plan = world_plan(&w);
    cr_expect_str_eq(chosen(&plan), "r5.large");
    r->history = (struct history_series){
        .start_ms = NOW_MS - 14 * INT64_C(86400000), .step_ms = STEP_MS, .count = 14 * 288, .demand = samples};
    plan = world_plan(&w);
    cr_expect_str_eq(chosen(&plan), "r5.large", "the last that runs may be smaller");
    cr_expect(world_message(&plan, "AtMinimum")[0]);
    w.policy.capacity.min = 0;
    plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].type, ACTION_STOP);
    cr_expect_eq(plan.desired, 0);
    cr_expect_eq(plan.desired_cost_hourly, 0);
    cr_expect_eq(plan.why_not_count, 0, "%s", plan.why_not_count ? plan.why_not[0].reason : "");
    w.policy.actions &= ~(1U << ACTION_STOP);
    plan = world_plan(&w);
    cr_expect_str_eq(chosen(&plan), "r5.large", "what may not be stopped may be smaller");
    cr_expect(world_message(&plan, "ActionNotAllowed")[0]);
    arena_release(&w.arena);
}

Test(plan_instances, what_is_not_a_single_running_machine_of_ours_keeps_its_type) {
    static const struct cloud_tag node = {"kubernetes.io/cluster/shop", "owned"};
    for (int i = 0; i < 7; i++) {
        struct snapshot_resource *r = start(1.2);
        sell("r5.large", 2, 16, 126000);
        if (i == 0)
            r->resource.parent = "web";
        else if (i == 1)
            r->resource.state = CLOUD_STOPPED;
        else if (i == 2)
            r->claimed_by = "shop/other";
        else if (i == 3)
            r->capacity_per_machine = 0;
        else if (i == 4)
            w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_MIGRATE;
        else if (i == 5)
            r->resource.tags = &node, r->resource.tag_count = 1;
        else
            r->resource.is_spot = true;
        struct plan plan = world_plan(&w);
        static const char *const reasons[] = {"ManagedElsewhere", "TooYoung",    "SelectedTwice",
                                              "UnknownCapacity",  "NotScalable", "ManagedElsewhere",
                                              "NotScalable"};
        cr_expect_eq(plan.action_count, 0, "case %d", i);
        cr_expect_str_eq(world_why_not(&plan, "g0"), reasons[i], "case %d", i);
        cr_expect_eq(plan.why_not_count, 1, "case %d", i);
        arena_release(&w.arena);
    }
}

Test(plan_instances, it_is_one_in_the_sums_and_bounds_none) {
    start(1.2);
    sell("r5.large", 2, 16, 126000);
    w.policy.capacity.min = 3; /* Nothing can be added: it binds nothing. */
    struct plan plan = world_plan(&w);
    cr_expect_str_eq(chosen(&plan), "r5.large");
    cr_expect_eq(plan.binding, NULL);
    w.policy.capacity.min = 0;
    w.policy.capacity.max = 1;
    machine(1.2);
    plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 2, "no fewer and no more than there are");
    cr_expect_eq(plan.desired, 2);
    arena_release(&w.arena);
}

/* It has stopped before the other starts: what it had is free then. */
Test(plan_instances, a_quota_counts_what_is_more_than_before) {
    static const struct {
        const char *types;
        double value, used;
        bool is_room;
    } rows[] = {{"m5.*", 8, 4, true}, {"m5.*", 7, 4, false}, {"m5.2xlarge", 7, 0, false}, {"m5.2xlarge", 8, 0, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        start(4.0);
        sell("m5.2xlarge", 8, 32, 384000);
        limit = (struct snapshot_limit){"platform/aws",
                                        {.region = "us-east-1",
                                         .id = "a",
                                         .name = "Running",
                                         .types = rows[i].types,
                                         .unit = "vCPU",
                                         .value = rows[i].value,
                                         .used = rows[i].used}};
        w.snapshot.limits = &limit;
        w.snapshot.limit_count = 1;
        struct plan plan = world_plan(&w);
        cr_expect_str_eq(chosen(&plan), rows[i].is_room ? "m5.2xlarge" : "", "row %zu", i);
        cr_expect_eq(world_message(&plan, "QuotaExceeded")[0] != '\0', !rows[i].is_room, "row %zu", i);
        arena_release(&w.arena);
    }
}

Test(plan_instances, a_type_that_is_closed_is_left_for_another) {
    static const struct headroom_closure closure = {.type = "m5.*", .text = "type=m5.*"};
    start(1.2);
    sell("r5.large", 2, 16, 300000);
    w.headroom.closures = &closure;
    w.headroom.closure_count = 1;
    struct plan plan = world_plan(&w);
    cr_assert_str_eq(chosen(&plan), "r5.large");
    cr_expect_eq(plan.desired, 1);
    cr_expect(has_why(&plan, "must leave: type=m5.* is closed"));
    arena_release(&w.arena);
}

Test(plan_instances, once_it_is_done_there_is_nothing_more_to_do) {
    struct snapshot_resource *r = start(1.2);
    sell("r5.large", 2, 16, 126000);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    r->resource.type = "r5.large";
    r->resource.vcpu_milli = r->capacity_per_machine = 2000;
    r->offer.price_hourly = 126000;
    r->offer.vcpu_milli = 2000;
    r->last_change = (struct snapshot_change){NOW_MS, "platform/aws", "us-east-1", "m5.xlarge"};
    plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 0);
    cr_expect_str_eq(world_why_not(&plan, "g0"), "InTrim");
    arena_release(&w.arena);
}

/* It cannot be two machines, whatever capacity.min says. */
Test(plan_instances, what_cannot_grow_to_capacity_min_is_in_no_bound) {
    start(1.2);
    w.policy.capacity.min = 4;
    sell("r5.large", 2, 16, 126000);
    struct plan plan = world_plan(&w);
    cr_expect_str_eq(chosen(&plan), "r5.large");
    cr_expect_eq(plan.desired_cost_hourly, 126000);
    cr_expect_leq(plan.lower_bound_hourly, plan.desired_cost_hourly);
    cr_expect_geq(plan.gap_per_mille, 0);
    arena_release(&w.arena);
}
