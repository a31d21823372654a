/*
 * What is known to be out of stock: nothing is changed to it, and what may grow elsewhere does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "world.h"

static struct world w; /* One test, one process. */
static struct snapshot_outage outages[2];

static void out(const char *type, bool is_spot, int64_t left_ms) {
    outages[0] = (struct snapshot_outage){"platform/aws", "us-east-1", type, is_spot, NOW_MS + left_ms};
    w.snapshot.outages = outages;
    w.snapshot.outage_count = 1;
}

static void begin(void) {
    world_init(&w);
    w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_RIGHTSIZE;
    w.policy.forecast.horizon_ms = WORLD_STEPS * STEP_MS;
    w.policy.sla.lead_time_ms = STEP_MS;
}

static struct snapshot_resource *group(int64_t count, double machines) {
    struct snapshot_resource *r = world_add(&w, count, machines * 1.3);
    world_large(r);
    return r;
}

static void sell(const char *type, int64_t vcpu, int64_t price) {
    world_sell(&w, world_offer("us-east-1", type, vcpu, 4 * vcpu, price));
}

Test(plan_outages, nothing_is_changed_to_what_is_out_and_the_next_best_is_taken) {
    for (int round = 0; round < 4; round++) {
        begin();
        group(10, 10);
        sell("m6a.xlarge", 4, 100000);
        sell("m7a.xlarge", 4, 120000);
        if (round > 0)
            out("m6a.xlarge", round == 2, round == 3 ? 0 : 60000);
        struct plan plan = world_plan(&w);
        cr_assert_eq(plan.action_count, 1);
        cr_expect_str_eq(plan.actions[0].to.type, round == 1 ? "m7a.xlarge" : "m6a.xlarge", "round %d", round);
        cr_expect_eq(plan.desired_cost_hourly, plan.lower_bound_hourly, "what cannot be had is no bound");
        bool is_told = false;
        for (size_t i = 0; i < plan.why_not_count; i++)
            is_told |= strcmp(plan.why_not[i].reason, "OutOfStock") == 0 &&
                       strstr(plan.why_not[i].message, "m6a.xlarge in platform/aws/us-east-1 was out of stock") != NULL;
        cr_expect_eq(is_told, round == 1, "round %d", round);
        arena_release(&w.arena);
    }
}

/* capacity.min asks for four more; g0 is the cheaper one. */
Test(plan_outages, what_only_the_sum_asks_for_grows_elsewhere) {
    for (int is_out = 0; is_out <= 1; is_out++) {
        begin();
        group(3, 3);
        struct snapshot_resource *dear = group(3, 3);
        dear->resource.type = dear->offer.type = "m6i.large";
        dear->offer.price_hourly = 100000;
        w.policy.capacity.min = 10;
        if (is_out)
            out("m5.large", false, 60000);
        struct plan plan = world_plan(&w);
        cr_assert_eq(plan.action_count, 1);
        cr_expect_str_eq(plan.actions[0].id, is_out ? "g1" : "g0");
        cr_expect_eq(plan.actions[0].to.count, 7);
        dear->resource.count_max = 5;
        plan = world_plan(&w);
        cr_expect_eq(plan.action_count, is_out ? 2 : 1, "the rest is asked for all the same");
        cr_expect_eq(plan.desired, 10);
        arena_release(&w.arena);
    }
}

Test(plan_outages, growth_that_demand_asks_for_is_told) {
    begin();
    group(3, 6);
    out("m5.large", false, 60000);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].to.count, 6);
    bool is_told = false;
    for (size_t i = 0; i < plan.actions[0].why_count; i++)
        is_told |= strstr(plan.actions[0].why[i], "m5.large in platform/aws/us-east-1 was out of stock") != NULL;
    cr_expect(is_told);
    arena_release(&w.arena);
}

static uint64_t state = 1;
static int64_t draw(int64_t low, int64_t high) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return low + (int64_t)((state >> 33) % (uint64_t)(high - low + 1));
}

Test(plan_outages, never_make_a_plan_cheaper) {
    static const char *const types[] = {"c7.large", "c7.xlarge", "m5.xlarge", "m6.2xlarge", "m6.large"};
    static const int64_t vcpus[] = {2, 4, 4, 8, 2};
    size_t dearer = 0;
    for (int round = 0; round < 3000; round++) {
        begin();
        w.policy.sla.lead_time_ms = 0;
        for (int64_t i = draw(1, 4); i > 0; i--) {
            int64_t count = draw(1, 12);
            group(count, (double)(draw(0, 2) ? count : draw(1, 14)));
        }
        for (size_t i = 0; i < 5; i++)
            sell(types[i], vcpus[i], vcpus[i] * draw(20000, 70000));
        struct plan before = world_plan(&w);
        out(types[draw(0, 4)], false, 60000);
        struct plan after = world_plan(&w);
        cr_assert_geq(after.desired_cost_hourly, before.desired_cost_hourly, "round %d", round);
        cr_assert_geq(after.lower_bound_hourly, before.lower_bound_hourly, "round %d", round);
        for (size_t i = 0; i < after.action_count; i++)
            cr_assert(!after.actions[i].to.type || strcmp(after.actions[i].to.type, outages[0].type) != 0);
        dearer += after.desired_cost_hourly > before.desired_cost_hourly;
        arena_release(&w.arena);
    }
    cr_expect_gt(dearer, 300u);
}
