/*
 * Demand that is not served has a price where the policy says so: machines that cannot serve all of it are weighed by
 * that, and without it they are refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "world.h"

static struct world w; /* One test, one process. */

/* Machines of 2 vCPU at 0.096, which serve 1.3; the median of demand is half of it, and its level. */
static struct snapshot_resource *begin(int64_t violation_cost, int64_t count, int64_t max, double demand) {
    world_init(&w);
    w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_RIGHTSIZE;
    w.policy.forecast.horizon_ms = WORLD_STEPS * STEP_MS;
    w.policy.sla.lead_time_ms = STEP_MS;
    w.policy.sla.violation_cost = violation_cost;
    struct snapshot_resource *r = world_add(&w, count, demand);
    w.forecasts[0].level = demand / 2;
    r->resource.count_max = max;
    r->resource.memory_mib = r->offer.memory_mib = 8192;
    r->offer.vcpu_milli = 2000;
    r->offer.architecture = "amd64";
    r->offer.price_spot_hourly = -1;
    return r;
}

static void sell(const char *type, int64_t vcpu, int64_t price) {
    world_sell(&w, world_offer("us-east-1", type, vcpu, 4 * vcpu, price));
}

static bool is_told(const struct plan_action *a, const char *text) {
    for (size_t i = 0; i < a->why_count; i++)
        if (strstr(a->why[i], text))
            return true;
    return false;
}

/* Fifteen of 1 vCPU serve 9.75 of 12.98: more in one step of four. They would save 0.66 an hour; a step costs V x 6.5
 * vCPU at 0.0738, so an hour V x 0.12. */
Test(plan_unmet, what_cannot_serve_the_peak_pays_for_it) {
    static const struct {
        int64_t violation_cost;
        double level;
        bool is_taken;
        const char *text;
    } rows[] = {
        {0, 6.5, false, "would need too many machines"},
        {2, 6.5, true, ""},
        {5, 6.5, true, ""},
        {6, 6.5, false, "but not serve all"},
        {8, 6.5, false, "but not serve all"},
        {2, 0, false, "would need too many machines"}, /* What a violation costs is not known. */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        begin(rows[i].violation_cost, 10, 15, 12.98);
        w.forecasts[0].level = rows[i].level;
        sell("m5.medium", 1, 20000);
        struct plan plan = world_plan(&w);
        cr_assert_eq(plan.action_count, rows[i].is_taken, "row %zu: %s", i, plan.why_not[0].message);
        if (rows[i].is_taken) {
            cr_expect_eq(plan.actions[0].to.count, 15);
            cr_expect_eq(plan.actions[0].saving_hourly, 960000 - 15 * 20000,
                         "what is paid, without what is not served");
            cr_expect(is_told(&plan.actions[0], "do not serve all of its peak"));
        } else {
            cr_expect(strstr(world_message(&plan, "TooSmall"), rows[i].text), "row %zu: %s", i,
                      world_message(&plan, "TooSmall"));
        }
        cr_expect_leq(plan.lower_bound_hourly, plan.desired_cost_hourly, "row %zu", i);
        arena_release(&w.arena);
    }
}

Test(plan_unmet, it_is_worth_more_where_the_slots_say_so) {
    for (int64_t weight = 1; weight <= 5; weight += 4) {
        begin(2, 10, 15, 12.98);
        struct policy_slot slot = {.weight = weight, .duration_ms = 24 * STEP_MS};
        struct error err;
        cr_assert_eq(schedule_parse("* * * * *", "UTC", &slot.schedule, &err), ERR_NONE);
        w.policy.sla.slots = &slot;
        w.policy.sla.slot_count = 1;
        sell("m5.medium", 1, 20000);
        cr_expect_eq(world_plan(&w).action_count, weight == 1);
        arena_release(&w.arena);
    }
}

/* Ten, the most that it may have, serve 13 of 20; seven of 4 vCPU would serve 18.2, eight all of it, at twice the
 * price. */
Test(plan_unmet, dearer_machines_are_worth_what_they_serve_more) {
    static const int64_t costs[] = {0, 1, 100};
    for (size_t i = 0; i < 3; i++) {
        begin(costs[i], 10, 10, 20);
        sell("m5.xlarge", 4, 210000);
        struct plan plan = world_plan(&w);
        bool is_moved = plan.action_count == 1 && plan.actions[0].type == ACTION_RIGHTSIZE;
        cr_assert_eq(is_moved, costs[i] == 100, "%lld", (long long)costs[i]);
        if (is_moved) {
            cr_expect_eq(plan.actions[0].to.count, 8);
            cr_expect_eq(plan.actions[0].saving_hourly, 960000 - 8 * 210000);
        }
        arena_release(&w.arena);
    }
}

/* Memory that was held against an OOM kill is no matter of price. */
Test(plan_unmet, memory_after_a_kill_is_served_whatever_it_is_worth) {
    static const struct history_raise raise = {.time_ms = NOW_MS - STEP_MS, .demand = 53000};
    for (int has_raise = 0; has_raise <= 1; has_raise++) {
        struct snapshot_resource *r = begin(2, 10, 15, 53000);
        w.policy.forecast.metric = CLOUD_METRIC_MEMORY;
        r->capacity_per_machine = 8192;
        r->resource.vcpu_milli = 2000;
        r->history.raises = &raise;
        r->history.raise_count = (size_t)has_raise;
        sell("m5.medium", 1, 20000);
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, has_raise == 0, "%d %s", has_raise, plan.why_not[0].message);
        arena_release(&w.arena);
    }
}

/* ---- capacity.max does not suffice ---- */

static bool is_in_why_not(const struct plan *plan, const char *text) {
    for (size_t i = 0; i < plan->why_not_count; i++)
        if (strstr(plan->why_not[i].message, text))
            return true;
    return false;
}

/* Two that want ten; one of them is worth ten times as much. */
Test(plan_unmet, a_cut_hurts_least_where_that_has_a_price) {
    static const struct {
        int64_t violation_cost;
        double level;          /* Of the first; 1 of the second. */
        int64_t first, second; /* Of 12. */
    } rows[] = {{0, 10, 6, 6}, {100, 10, 10, 2}, {100, 0.1, 2, 10}, {100, 0, 6, 6}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        begin(rows[i].violation_cost, 1, 10, 20);
        struct snapshot_resource *other = world_add(&w, 1, 20);
        other->resource.count_max = 10;
        w.policy.actions = 1U << ACTION_SCALE;
        w.policy.capacity.max = 12;
        w.forecasts[0].level = rows[i].level;
        w.forecasts[1].level = 1;
        struct plan plan = world_plan(&w);
        cr_expect_str_eq(plan.binding, "capacity.max");
        cr_expect_eq(plan.desired, 12);
        cr_expect_eq(plan.resources[0].desired, rows[i].first, "row %zu: %lld", i,
                     (long long)plan.resources[0].desired);
        cr_expect_eq(plan.resources[1].desired, rows[i].second, "row %zu", i);
        arena_release(&w.arena);
    }
}

/* The sum of what violations cost is no more than of any other division. */
Test(plan_unmet, no_other_division_costs_less) {
    begin(50, 1, 10, 20);
    world_add(&w, 1, 30)->resource.count_max = 20;
    w.forecasts[0].level = 6;
    w.forecasts[1].level = 9;
    w.policy.actions = 1U << ACTION_SCALE;
    for (w.policy.capacity.max = 2; w.policy.capacity.max < 30; w.policy.capacity.max++) {
        struct plan plan = world_plan(&w);
        int64_t total = w.policy.capacity.max, ours = plan.resources[0].desired;
        double least = INFINITY, cost = 0;
        for (int64_t first = 0; first <= total; first++) {
            double here = 0;
            for (size_t k = 0; k < 2; k++) { /* The chance is straight in demand, from 0. */
                double demand = k ? 30 : 20, serves = 1.3 * (double)(k ? total - first : first);
                here += w.forecasts[k].level * fmax(0, 1 - serves / demand);
            }
            if (first <= 10 && total - first <= 20)
                least = fmin(least, here);
            if (first == ours)
                cost = here;
        }
        cr_expect_leq(cost, least + 0.25, "%lld: %.3f, not %.3f", (long long)total, cost, least);
        arena_release(&w.arena);
    }
}

Test(plan_unmet, what_is_not_served_is_told_with_what_binds) {
    begin(0, 4, 6, 13);
    w.policy.actions = 1U << ACTION_SCALE;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect(is_told(&plan.actions[0], "the group's own maximum is 6; demand asks for 10: 5.2 of 13.0 vCPU are not"));
    w.policy.capacity.max = 5;
    plan = world_plan(&w);
    cr_expect(is_told(&plan.actions[0], "capacity.max 5 leaves it 5 of the 6 that demand asks for: 6.5 of 13.0 vCPU"));
    w.policy.capacity.max = 4;
    plan = world_plan(&w);
    cr_expect(is_in_why_not(&plan, "capacity.max 4 leaves it 4 of the 6 that demand asks for: 7.8 of 13.0 vCPU"));
    arena_release(&w.arena);
}
