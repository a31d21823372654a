/*
 * Quotas: what grows, moves or asks for more stays within what is free of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "world.h"

static struct world w; /* One test, one process. */
static struct snapshot_limit limits[4];

static void quota(size_t i, const char *id, const char *types, const char *unit, double value, double used) {
    limits[i] = (struct snapshot_limit){"platform/aws",
                                        {.region = "us-east-1",
                                         .id = id,
                                         .name = "Running On-Demand",
                                         .types = types,
                                         .unit = unit,
                                         .value = value,
                                         .used = used}};
    w.snapshot.limits = limits;
    w.snapshot.limit_count = i + 1;
}

/* Machines of 2 vCPU; 1.3 of demand each. */
static struct snapshot_resource *group(int64_t count, double demand) {
    struct snapshot_resource *r = world_add(&w, count, demand);
    r->resource.vcpu_milli = 2000;
    return r;
}

Test(plan_quota, growth_stops_where_the_quota_does_and_says_so) {
    static const struct {
        const char *types, *unit;
        double value, used;
        int64_t to; /* Of 2 that should be 10; 0: no action. */
    } rows[] = {
        {"m5.*", "vCPU", 64, 20, 10},    {"m5.*", "vCPU", 30, 20, 7}, {"m5.*", "vCPU", 21, 20, 0},
        {"m5.*", "vCPU", 10, 20, 0},     {"m5.*", "vCPU", 12, -1, 6}, /* 4 are its own. */
        {"c5.*,m?.*", "vCPU", 8, 0, 6},  {"c5.*", "vCPU", 0, 0, 10},  {"", "vCPU", 0, 0, 10},
        {"m5.*", "spot vCPU", 0, 0, 10}, {"m5.*", "count", 0, 0, 10},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        world_init(&w);
        group(2, 13);
        quota(0, "L-1216C47A", rows[i].types, rows[i].unit, rows[i].value, rows[i].used);
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, rows[i].to != 0, "row %zu", i);
        cr_expect(rows[i].to == 0 || plan.actions[0].to.count == rows[i].to, "row %zu: %lld", i,
                  (long long)(plan.action_count ? plan.actions[0].to.count : 0));
        bool is_held = rows[i].to < 10;
        cr_expect_eq(plan.binding && strcmp(plan.binding, "quota") == 0, is_held, "row %zu", i);
        if (rows[i].to == 0)
            cr_expect_str_eq(world_why_not(&plan, "g0"), "QuotaExceeded", "row %zu", i);
        bool is_told = false;
        for (size_t k = 0; plan.action_count && k < plan.actions[0].why_count; k++)
            is_told |= strstr(plan.actions[0].why[k], "quota L-1216C47A") != NULL;
        cr_expect_eq(is_told, is_held && rows[i].to != 0, "row %zu", i);
        cr_expect_eq(plan.desired, 10);
        arena_release(&w.arena);
    }
}

Test(plan_quota, what_one_takes_another_does_not_get) {
    world_init(&w);
    group(2, 13);
    group(2, 13);
    quota(0, "a", "m5.*", "vCPU", 30, 8);
    struct plan plan = world_plan(&w);
    cr_expect_eq(world_action(&plan, "g0")->to.count, 10);
    cr_expect_eq(world_action(&plan, "g1")->to.count, 5);
    quota(1, "b", "*", "vCPU", 14, 8);
    plan = world_plan(&w);
    cr_expect_eq(world_action(&plan, "g0")->to.count, 5, "the tightest counts");
    cr_expect_eq(world_action(&plan, "g1"), NULL);
    limits[0].limit.region = limits[1].limit.region = "eu-west-1";
    plan = world_plan(&w);
    cr_expect_eq(world_action(&plan, "g1")->to.count, 10, "another region's");
    arena_release(&w.arena);
}

Test(plan_quota, shrinking_asks_for_none) {
    world_init(&w);
    group(10, 1.3);
    quota(0, "a", "m5.*", "vCPU", 4, 20);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].to.count, 1);
    arena_release(&w.arena);
}

/* Ten of 2 vCPU, and one for sale of which five of 4 vCPU would do. Both run while one is replaced by the other. */
Test(plan_quota, other_machines_need_room_beside_those_that_are_there) {
    for (int round = 0; round < 2; round++) {
        world_init(&w);
        w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_RIGHTSIZE;
        w.policy.forecast.horizon_ms = WORLD_STEPS * STEP_MS;
        w.policy.sla.lead_time_ms = STEP_MS;
        struct snapshot_resource *r = group(10, 13);
        world_large(r);
        world_sell(&w, world_offer("us-east-1", "m6a.xlarge", 4, 16, 100000));
        quota(0, "a", "m6a.*", "vCPU", round == 0 ? 20 : 19, 0);
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, round == 0);
        bool is_told = false;
        for (size_t i = 0; i < plan.why_not_count; i++)
            is_told |= strcmp(plan.why_not[i].reason, "QuotaExceeded") == 0;
        cr_expect_eq(is_told, round == 1);
        arena_release(&w.arena);
    }
}

static struct snapshot_resource *workload(const char *id) {
    struct snapshot_resource *r = group(2, 13);
    r->resource.kind = CLOUD_WORKLOAD;
    r->resource.id = id;
    r->resource.type = "";
    r->resource.memory_mib = 1024;
    r->resource.count_max = 0;
    return r;
}

Test(plan_quota, pods_count_against_the_quotas_of_their_namespace) {
    static const struct {
        const char *id;
        double value, used;
        int64_t to;
    } rows[] = {
        {"shop/team/requests.cpu", 12, 4, 6},
        {"shop/team/cpu", 12, 4, 6},
        {"shop/team/requests.memory", 5120, 2048, 5},
        {"shop/team/pods", 9, 6, 5},
        {"shop/team/count/pods", 9, 6, 5},
        {"shop/team/persistentvolumeclaims", 0, 0, 10},
        {"shopping/team/requests.cpu", 0, 0, 10},
        {"sho/team/requests.cpu", 0, 0, 10},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        world_init(&w);
        workload("shop/Deployment/web");
        quota(0, rows[i].id, "", "", rows[i].value, rows[i].used);
        struct plan plan = world_plan(&w);
        cr_assert_eq(plan.action_count, 1, "row %zu", i);
        cr_expect_eq(plan.actions[0].to.count, rows[i].to, "row %zu: %lld", i, (long long)plan.actions[0].to.count);
        arena_release(&w.arena);
    }
}

Test(plan_quota, requests_do_not_go_up_beyond_it) {
    for (int round = 0; round < 5; round++) {
        world_init(&w);
        w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_RIGHTSIZE;
        w.policy.capacity.max = 2;
        w.headroom.freeze_growth = round == 4;
        workload("shop/Deployment/web"); /* 13 by two pods at 65 %: 8 more each. */
        if (round < 2)
            quota(0, "shop/team/requests.cpu", "", "vCPU", round == 0 ? 20 : 19, 4);
        else
            quota(0, "shop/team/pods", "", "count", 2, 2);
        if (round == 3) /* That no pod may be added does not hide it. */
            quota(1, "shop/team/requests.cpu", "", "vCPU", 19, 4);
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, round == 0 || round == 2, "round %d", round);
        arena_release(&w.arena);
    }
}

Test(plan_quota, what_one_workload_requests_more_another_does_not_get) {
    world_init(&w);
    w.policy.actions = 1U << ACTION_RIGHTSIZE;
    workload("shop/Deployment/web");
    workload("shop/Deployment/api");
    quota(0, "shop/team/requests.cpu", "", "vCPU", 30, 8); /* Each wants 16 more. */
    cr_expect_eq(world_plan(&w).action_count, 1);
    limits[0].limit.value = 40;
    cr_expect_eq(world_plan(&w).action_count, 2);
    arena_release(&w.arena);
}

static uint64_t state = 1;
static int64_t draw(int64_t low, int64_t high) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return low + (int64_t)((state >> 33) % (uint64_t)(high - low + 1));
}

/* Whatever grows: together it is no more than is free, and one more of what is held back would not fit. */
Test(plan_quota, the_free_part_is_never_exceeded_and_never_left_without_need) {
    size_t held = 0;
    for (int round = 0; round < 3000; round++) {
        world_init(&w);
        int64_t count = draw(1, 4);
        for (int64_t i = 0; i < count; i++)
            group(draw(1, 6), (double)draw(1, 200) / 10)->resource.vcpu_milli = 1000 * draw(1, 4);
        double free = (double)draw(0, 40);
        quota(0, "a", "m5.*", "vCPU", 100 + free, 100);
        struct plan plan = world_plan(&w);
        double taken = 0;
        for (size_t i = 0; i < w.count; i++) {
            const struct cloud_resource *r = &w.resources[i].resource;
            const struct plan_action *a = world_action(&plan, r->id);
            if (a && a->to.count > r->count)
                taken += (double)((a->to.count - r->count) * r->vcpu_milli) / 1000;
        }
        cr_assert_leq(taken, free + 1e-9, "round %d", round);
        for (size_t i = 0; i < plan.resource_count; i++) {
            const struct cloud_resource *r = &w.resources[i].resource;
            const struct plan_action *a = world_action(&plan, r->id);
            int64_t to = a ? a->to.count : r->count;
            if (to >= plan.resources[i].desired)
                continue;
            held++;
            cr_assert_gt(taken + (double)r->vcpu_milli / 1000, free, "round %d", round);
        }
        arena_release(&w.arena);
    }
    cr_expect_gt(held, 500u);
}

/* Ten of 2 vCPU at 0.096. The cheapest that would do is kept out; what it dominates is of a family that has room. */
Test(plan_quota, what_a_quota_keeps_out_dominates_nothing) {
    static const struct {
        double value; /* Of the quota over m6a.*; five of 4 vCPU would count. */
        const char *chosen;
        bool is_told;
    } rows[] = {{20, "m6a.xlarge", false}, {19, "m6b.xlarge", true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        world_init(&w);
        w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_RIGHTSIZE;
        w.policy.forecast.horizon_ms = WORLD_STEPS * STEP_MS;
        w.policy.sla.lead_time_ms = STEP_MS;
        struct snapshot_resource *r = group(10, 13);
        world_large(r);
        static const char *const types[] = {"m6a.xlarge", "m6b.xlarge", "m6c.xlarge"};
        for (size_t k = 0; k < 3; k++)
            world_sell(&w, world_offer("us-east-1", types[k], 4, 16, 100000 + 5000 * (int64_t)k));
        quota(0, "a", "m6a.*", "vCPU", rows[i].value, 0);
        struct plan plan = world_plan(&w);
        cr_assert_eq(plan.action_count, 1, "row %zu", i);
        cr_expect_str_eq(plan.actions[0].to.type, rows[i].chosen, "row %zu", i);
        bool is_told = false;
        for (size_t k = 0; k < plan.why_not_count; k++) {
            is_told |= strcmp(plan.why_not[k].reason, "QuotaExceeded") == 0 &&
                       strstr(plan.why_not[k].message, "m6a.xlarge") != NULL;
            cr_expect_not(strstr(plan.why_not[k].message, "m6c"), "row %zu: it is dominated by what there is room for",
                          i);
        }
        cr_expect_eq(is_told, rows[i].is_told, "row %zu", i);
        cr_expect_leq(plan.lower_bound_hourly, plan.desired_cost_hourly, "row %zu", i);
        arena_release(&w.arena);
    }
}
