/*
 * placement.spread and placement.antiAffinity: how many machines each place has, and where groups may be moved to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "world.h"

static struct world w; /* One test, one process. */
static struct policy_spread spread;
static struct policy_target targets[3];

static void spread_by(enum policy_topology topology, int64_t skew, int64_t domains) {
    spread = (struct policy_spread){topology, skew, domains};
    w.policy.placement.spreads = &spread;
    w.policy.placement.spread_count = 1;
}

static struct snapshot_resource *add(int64_t count, double machines, const char *region, const char *zone) {
    struct snapshot_resource *r = world_add(&w, count, machines * 1.3);
    r->resource.region = r->offer.region = w.sources[w.count - 1].region = region;
    r->resource.zone = zone;
    world_large(r);
    return r;
}

static int64_t desired(const struct plan *plan, size_t i) {
    for (size_t r = 0; r < plan->resource_count; r++)
        if (strcmp(plan->resources[r].id, w.ids[i]) == 0)
            return plan->resources[r].desired;
    return -1;
}

/* ---- numbers of machines ---- */

Test(plan_placement, the_zones_with_the_fewest_are_raised) {
    world_init(&w);
    add(8, 8, "r", "a");
    add(3, 3, "r", "b");
    add(4, 4, "r", "b");
    add(2, 2, "r", "c");
    spread_by(TOPOLOGY_ZONE, 2, 1);
    struct plan plan = world_plan(&w);
    cr_expect_eq(desired(&plan, 0), 8);
    cr_expect_eq(desired(&plan, 1) + desired(&plan, 2), 7, "two groups are one zone");
    cr_expect_eq(desired(&plan, 3), 6);
    cr_expect_str_eq(plan.binding, "placement.spread");
    const struct plan_action *a = world_action(&plan, "g3");
    cr_assert_not_null(a);
    bool is_told = false;
    for (size_t i = 0; i < a->why_count; i++)
        is_told |= strcmp(a->why[i], "placement.spread asks for 4 more than demand") == 0;
    cr_expect(is_told);
    world_apply(&w, &plan);
    arena_release(&w.arena);
    cr_expect_eq(world_plan(&w).action_count, 0, "and then it is quiet");
    arena_release(&w.arena);
}

Test(plan_placement, a_zone_is_one_of_its_own_region_and_a_group_over_several_counts_in_none) {
    world_init(&w);
    add(8, 8, "r", "a");
    add(2, 2, "s", "a");
    add(2, 2, "r", "");
    spread_by(TOPOLOGY_ZONE, 1, 1);
    struct plan plan = world_plan(&w);
    cr_expect_eq(desired(&plan, 1), 7);
    cr_expect_eq(desired(&plan, 2), 2);
    spread.topology = TOPOLOGY_PROVIDER;
    plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 0, "all are of one");
    arena_release(&w.arena);
}

Test(plan_placement, no_group_is_raised_above_its_maximum_nor_all_above_capacity_max) {
    world_init(&w);
    add(8, 8, "r", "a");
    add(2, 2, "r", "b")->resource.count_max = 4;
    spread_by(TOPOLOGY_ZONE, 1, 1);
    struct plan plan = world_plan(&w);
    cr_expect_eq(desired(&plan, 1), 4);
    cr_expect_str_eq(plan.binding, "placement.spread");
    w.policy.capacity.max = 11;
    plan = world_plan(&w);
    cr_expect_eq(desired(&plan, 0), 8);
    cr_expect_eq(desired(&plan, 1), 3);
    arena_release(&w.arena);
}

Test(plan_placement, what_is_spread_twice_keeps_both_or_the_first) {
    world_init(&w);
    const struct policy_spread both[] = {{TOPOLOGY_ZONE, 1, 1}, {TOPOLOGY_REGION, 1, 1}};
    add(4, 4, "r", "a");
    add(1, 1, "r", "b");
    add(5, 5, "s", "c");
    add(2, 2, "s", "d");
    w.policy.placement.spreads = both;
    w.policy.placement.spread_count = 2;
    struct plan plan = world_plan(&w); /* Zones 4 4 5 4: the regions have 8 and 9. */
    cr_expect_eq(desired(&plan, 0), 4);
    cr_expect_eq(desired(&plan, 1), 4);
    cr_expect_eq(desired(&plan, 3), 4);
    w.resources[3].resource.kind = CLOUD_INSTANCE; /* s has one zone now: as many in each zone and in each region? */
    plan = world_plan(&w);
    cr_expect_eq(desired(&plan, 0), 4);
    cr_expect_eq(desired(&plan, 1), 4);
    cr_expect_eq(desired(&plan, 2), 5, "not up to its maximum");
    cr_expect_str_eq(plan.binding, "placement.spread");
    arena_release(&w.arena);
}

/* g1 may not shrink, as its view is old: g0 waits for it. */
Test(plan_placement, nothing_shrinks_that_would_leave_a_zone_behind) {
    world_init(&w);
    add(8, 4, "r", "a");
    add(8, 4, "r", "b");
    spread_by(TOPOLOGY_ZONE, 2, 1);
    w.sources[1].state = SOURCE_STALE;
    struct plan plan = world_plan(&w);
    const struct plan_action *a = world_action(&plan, "g0");
    cr_assert_not_null(a);
    cr_expect_eq(a->to.count, 6);
    spread.skew_max = 1;
    w.resources[1].resource.count = w.resources[1].resource.serving = 9; /* They differ by 1 as it is. */
    plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 0);
    cr_expect_str_eq(world_why_not(&plan, "g0"), "SpreadViolated");
    w.sources[1].state = SOURCE_FRESH;
    plan = world_plan(&w);
    cr_expect_eq(world_action(&plan, "g0")->to.count, 4, "both may");
    arena_release(&w.arena);
}

/* Whatever is now and is wanted: demand is served, bounds are kept, and the end keeps the skew where it can. */
Test(plan_placement, any_zones_are_spread_as_far_as_their_bounds_go) {
    static const char *const zones[] = {"", "a", "b", "c"};
    uint64_t state = 1;
    for (int round = 0; round < 10000; round++) {
        uint64_t chance[40];
        for (size_t i = 0; i < 40; i++)
            chance[i] = (state = state * UINT64_C(6364136223846793005) + 1) >> 33;
        world_init(&w);
        size_t count = 2 + chance[0] % 4;
        int64_t needs = 0;
        for (size_t i = 0; i < count; i++) {
            int64_t need = (int64_t)(chance[1 + 5 * i] % 12), now = (int64_t)(chance[2 + 5 * i] % 12);
            add(now, (double)need, "r", zones[chance[3 + 5 * i] % 4]);
            w.resources[i].resource.count_max = 12 + (int64_t)(chance[4 + 5 * i] % 4);
            needs += need;
        }
        spread_by(TOPOLOGY_ZONE, 1 + (int64_t)(chance[30] % 4), 1);
        w.policy.disruption.max_change_percent = 50;
        w.policy.capacity.max = needs + (int64_t)(chance[31] % 20);
        struct plan plan = world_plan(&w);
        int64_t wanted[4] = {-1, -1, -1, -1}, now[4] = {0}, end[4] = {0}, most = 0, now_skew = 0, end_skew = 0;
        for (size_t i = 0; i < count; i++) {
            size_t z = 0;
            while (strcmp(zones[z], w.resources[i].resource.zone) != 0)
                z++;
            const struct plan_action *a = world_action(&plan, w.ids[i]);
            int64_t size = w.resources[i].resource.count;
            wanted[z] = (wanted[z] < 0 ? 0 : wanted[z]) + desired(&plan, i);
            now[z] += size;
            end[z] += a ? a->to.count : size;
            cr_assert_leq(desired(&plan, i), w.resources[i].resource.count_max);
        }
        cr_assert_geq(plan.desired, needs);
        cr_assert_leq(plan.desired, w.policy.capacity.max);
        for (size_t z = 1; z < 4; z++)
            most = wanted[z] > most ? wanted[z] : most;
        for (size_t z = 1; z < 4; z++) {
            bool is_full = plan.desired == w.policy.capacity.max;
            for (size_t i = 0; i < count; i++)
                is_full |= strcmp(zones[z], w.resources[i].resource.zone) == 0 &&
                           desired(&plan, i) == w.resources[i].resource.count_max;
            if (wanted[z] >= 0 && !is_full)
                cr_assert_geq(wanted[z], most - spread.skew_max, "round %d", round);
            for (size_t y = 1; y < 4; y++) {
                if (wanted[z] < 0 || wanted[y] < 0)
                    continue;
                now_skew = now[z] - now[y] > now_skew ? now[z] - now[y] : now_skew;
                /* Growth serves demand, whatever the others are held back by: what shrinks keeps the skew. */
                if (end[y] < now[y])
                    end_skew = end[z] - end[y] > end_skew ? end[z] - end[y] : end_skew;
            }
        }
        cr_assert(end_skew <= now_skew || end_skew <= spread.skew_max, "round %d: %d, now %d", round, (int)end_skew,
                  (int)now_skew);
        arena_release(&w.arena);
    }
}

/* ---- other machines and places ---- */

static void sell(const char *region, const char *type, int64_t vcpu, int64_t price) {
    world_sell(&w, world_offer(region, type, vcpu, 4 * vcpu, price));
}

static void target(const char *region) {
    targets[w.policy.placement.target_count++] =
        (struct policy_target){.provider = {"platform", "aws"}, .region = region, .on_demand = true};
}

static void estate(enum action_type type) {
    world_init(&w);
    w.policy.actions = 1U << ACTION_SCALE | 1U << type;
    w.policy.forecast.horizon_ms = WORLD_STEPS * STEP_MS;
    w.policy.disruption.min_saving_percent = 5;
    w.policy.sla.lead_time_ms = STEP_MS;
    w.policy.placement.targets = targets;
}

/* Of machines twice as large there are half as many: both zones change together, or none. */
Test(plan_placement, machines_are_changed_where_all_zones_can_follow) {
    estate(ACTION_RIGHTSIZE);
    add(8, 8, "r", "a");
    add(8, 8, "r", "b");
    sell("r", "m6a.xlarge", 4, 150000);
    spread_by(TOPOLOGY_ZONE, 1, 1);
    struct plan plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 2);
    w.forecasts[1].basis = FORECAST_BASIS_POOLED; /* It may not change its machines yet. */
    plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 0);
    cr_expect_str_eq(world_message(&plan, "SpreadViolated"),
                     "4 x m6a.xlarge would save more; machines of one Zone would be 4 more than of another; "
                     "placement.spread allows 1");
    cr_expect_leq(plan.lower_bound_hourly, plan.desired_cost_hourly);
    spread.skew_max = 4;
    cr_expect_eq(world_plan(&w).action_count, 1);
    arena_release(&w.arena);
}

Test(plan_placement, a_migration_leaves_as_many_places_as_are_asked_for) {
    estate(ACTION_MIGRATE);
    add(8, 8, "r", "a");
    add(8, 8, "s", "b");
    sell("t", "m5.large", 2, 40000);
    target("t");
    spread_by(TOPOLOGY_REGION, 100, 2);
    struct plan plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 1, "only one of them goes");
    cr_expect_str_eq(world_message(&plan, "SpreadViolated"),
                     "8 x m5.large in platform/aws/t would save more; placement.spread asks for 2 of Region at least, "
                     "and 1 would be left");
    spread.domains_min = 1;
    cr_expect_eq(world_plan(&w).action_count, 2);
    spread.domains_min = 3; /* There are 2 as it is: no fewer. */
    cr_expect_eq(world_plan(&w).action_count, 1);
    arena_release(&w.arena);
}

Test(plan_placement, no_group_is_moved_to_where_another_one_is) {
    estate(ACTION_MIGRATE);
    add(8, 8, "r", "a");
    add(8, 8, "s", "b");
    sell("t", "m5.large", 2, 40000);
    target("t");
    w.policy.placement.has_anti_affinity = true;
    w.policy.placement.anti_affinity = TOPOLOGY_REGION;
    struct plan plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 1, "the other one goes there in the same plan");
    cr_expect_neq(strstr(world_message(&plan, "AntiAffinity"), "placement.antiAffinity"), NULL);
    w.policy.placement.anti_affinity = TOPOLOGY_ZONE; /* Of a migration the zone is not known: its region. */
    cr_expect_eq(world_plan(&w).action_count, 1);
    add(8, 8, "t", "c");
    sell("t", "m5.large", 2, 40000);
    plan = world_plan(&w);
    for (size_t i = 0; i < plan.action_count; i++)
        cr_expect_str_eq(plan.actions[i].id, "g2", "somebody stands in t");
    w.policy.placement.anti_affinity = TOPOLOGY_PROVIDER; /* Within its own place a group may move. */
    plan = world_plan(&w);
    cr_expect_geq(plan.action_count, 2);
    cr_expect_neq(strstr(world_message(&plan, "AntiAffinity"), "g0 is in platform/aws too"), NULL,
                  "told, and left as it is");
    arena_release(&w.arena);
}

/* The one that a quota takes out of the plan was what kept the zones even. */
Test(plan_placement, a_quota_that_takes_one_out_takes_those_that_need_it) {
    estate(ACTION_RIGHTSIZE);
    add(8, 8, "r", "a");
    add(8, 8, "r", "b");
    sell("r", "m6a.xlarge", 4, 150000);
    spread_by(TOPOLOGY_ZONE, 1, 1);
    const struct snapshot_limit limit = {
        "platform/aws", {.region = "r", .id = "L-1", .name = "vCPU", .types = "m6a.*", .unit = "vCPU", .value = 20}};
    w.snapshot.limits = &limit;
    w.snapshot.limit_count = 1;
    struct plan plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 0, "there is room for 4 of 8");
    cr_expect_neq(strstr(world_message(&plan, "SpreadViolated"), "without what a quota keeps back"), NULL);
    arena_release(&w.arena);
}
