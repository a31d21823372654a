/*
 * Requests of pods beside their number: when they give way, in what steps, and when they are left alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "world.h"

static struct world w; /* One test, one process. */

/* Pods of 2 vCPU and 8 GiB, 1.3 vCPU a replica at 65 %, for 0.05 USD an hour. */
static struct snapshot_resource *requests_init(int64_t count, double demand) {
    world_init(&w);
    w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_RIGHTSIZE;
    w.policy.forecast.horizon_ms = WORLD_STEPS * STEP_MS;
    w.policy.disruption.min_saving_percent = 5;
    struct snapshot_resource *r = world_add(&w, count, demand);
    r->resource.kind = CLOUD_WORKLOAD;
    r->resource.type = "";
    r->resource.count_max = 0;
    r->resource.vcpu_milli = 2000;
    r->resource.memory_mib = 8192;
    r->resource.price_hourly = 50000;
    return r;
}

static const struct plan_action *only_action(struct plan *plan) {
    *plan = world_plan(&w);
    return plan->action_count == 1 ? &plan->actions[0] : NULL;
}

Test(plan_requests, where_fewer_replicas_are_not_allowed_requests_come_down) {
    requests_init(3, 1.3); /* One replica would do; 3 x 0.667 vCPU. */
    w.policy.capacity.min = 3;
    struct plan plan;
    const struct plan_action *a = only_action(&plan);
    cr_assert_not_null(a);
    cr_expect_eq(a->type, ACTION_RIGHTSIZE);
    cr_expect_eq(a->from.vcpu_milli, 2000);
    cr_expect_eq(a->to.vcpu_milli, 670);
    cr_expect_eq(a->to.memory_mib, 0, "what is not known to be too much stays");
    cr_expect_eq(a->from.count, 3);
    cr_expect_eq(a->to.count, 3);
    /* The CPU's part of the price: 2 x 0.031611 of that and 8 x 0.004237. */
    double saving = 3 * 50000 * (2 * 0.031611) / (2 * 0.031611 + 8 * 0.004237) * (1 - 0.335);
    cr_expect_lt(fabs((double)a->saving_hourly - saving), 10);
    cr_expect_eq(a->cost_hourly, 150000 - a->saving_hourly);
    cr_expect_eq(plan.desired_cost_hourly, a->cost_hourly);
    cr_expect_leq(plan.lower_bound_hourly, plan.desired_cost_hourly);
    cr_expect_eq(plan.desired, 3);
    arena_release(&w.arena);
}

Test(plan_requests, a_price_beyond_all_measure_stays_one) {
    struct snapshot_resource *r = requests_init(3, 3e6);
    r->resource.vcpu_milli = r->capacity_per_machine = 1;
    r->resource.price_hourly = INT64_C(1) << 50;
    w.policy.capacity.max = 3;
    struct plan plan;
    const struct plan_action *a = only_action(&plan);
    cr_assert_not_null(a);
    cr_expect_gt(a->to.vcpu_milli, 1000000);
    cr_expect_eq(a->cost_hourly, INT64_MAX);
    cr_expect_lt(a->saving_hourly, 0);
    arena_release(&w.arena);
}

Test(plan_requests, replicas_that_may_follow_demand_do_and_requests_stay) {
    requests_init(3, 1.3);
    struct plan plan;
    const struct plan_action *a = only_action(&plan);
    cr_assert_not_null(a);
    cr_expect_eq(a->type, ACTION_SCALE);
    cr_expect_eq(a->to.count, 1);
    world_apply(&w, &plan);
    cr_expect_eq(only_action(&plan), NULL, "one replica is used to the full");
    arena_release(&w.arena);
}

Test(plan_requests, what_the_horizon_still_needs_stays) {
    struct snapshot_resource *r = requests_init(3, 1.3);
    w.policy.capacity.min = 3;
    struct forecast *f = &w.forecasts[0]; /* Three full replicas at its end. */
    for (size_t j = 0; j < f->quantile_count; j++)
        w.values[0][(WORLD_STEPS - 1) * f->quantile_count + j] = 3.9;
    struct plan plan;
    cr_expect_eq(only_action(&plan), NULL);
    r->resource.count_min = 3;
    w.policy.capacity.min = 0;
    cr_expect_eq(only_action(&plan), NULL);
    arena_release(&w.arena);
}

Test(plan_requests, where_more_replicas_are_not_allowed_requests_go_up) {
    requests_init(3, 7.8); /* Six replicas' worth. */
    w.policy.capacity.max = 3;
    struct plan plan;
    const struct plan_action *a = only_action(&plan);
    cr_assert_not_null(a);
    cr_expect_eq(a->type, ACTION_RIGHTSIZE);
    cr_expect_eq(a->to.vcpu_milli, 4000);
    cr_expect_lt(a->saving_hourly, 0);
    arena_release(&w.arena);
}

Test(plan_requests, a_policy_that_does_not_scale_sizes_by_requests_alone) {
    requests_init(4, 2.6);
    w.policy.actions = 1U << ACTION_RIGHTSIZE;
    struct plan plan;
    const struct plan_action *a = only_action(&plan);
    cr_assert_not_null(a);
    cr_expect_eq(a->to.vcpu_milli, 1000);
    w.policy.forecast.metric = CLOUD_METRIC_MEMORY;
    w.resources[0].capacity_per_machine = 8192;
    world_demand(&w, 0, 4 * 0.65 * 2000);
    a = only_action(&plan);
    cr_assert_not_null(a);
    cr_expect_eq(a->to.memory_mib, 2000);
    cr_expect_eq(a->to.vcpu_milli, 0);
    arena_release(&w.arena);
}

Test(plan_requests, they_are_left_alone_when) {
    struct plan plan;
    for (int i = 0; i < 8; i++) {
        struct snapshot_resource *r = requests_init(3, 1.3);
        w.policy.capacity.min = 3;
        const char *reason = "InTrim";
        switch (i) {
        case 0:
            w.policy.actions = 1U << ACTION_SCALE;
            break;
        case 1: /* It sets the number by shares of the requests. */
            r->resource.count_manager = "HorizontalPodAutoscaler/web";
            reason = "ManagedElsewhere";
            break;
        case 2:
            r->resource.size_manager = "VerticalPodAutoscaler/web";
            reason = "ManagedElsewhere";
            break;
        case 3:
            w.sources[0].state = SOURCE_STALE;
            break;
        case 4:
            w.forecasts[0].basis = FORECAST_BASIS_PRIOR;
            break;
        case 5:
            w.policy.disruption.min_saving_percent = 70;
            reason = "BelowMinSaving";
            break;
        case 6:
            r->claimed_by = "team/other";
            reason = "SelectedTwice";
            break;
        default:
            r->resource.count = r->resource.serving = 0;
            w.policy.capacity.min = 0;
            w.policy.capacity.max = 0;
            reason = "AtMaximum";
            break;
        }
        cr_expect_eq(only_action(&plan), NULL, "case %d", i);
        bool is_told = false;
        for (size_t k = 0; k < plan.why_not_count; k++)
            is_told |= strcmp(plan.why_not[k].reason, reason) == 0 || i == 3 || i == 0 || i == 4;
        cr_expect(is_told, "case %d: %s", i, plan.why_not[0].reason);
        arena_release(&w.arena);
    }
}

static uint64_t state = 1;
static int64_t draw(int64_t low, int64_t high) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return low + (int64_t)((state >> 33) % (uint64_t)(high - low + 1));
}

/* At most 25 per cent a step, never below what serves the horizon, and in the end nothing more. */
Test(plan_requests, steps_come_to_an_end_and_serve_all_the_way) {
    size_t changed = 0;
    for (int round = 0; round < 2000; round++) {
        double demand = (double)draw(1, 2000) / 100;
        struct snapshot_resource *r = requests_init(draw(1, 10), demand);
        r->resource.vcpu_milli = r->capacity_per_machine = draw(100, 4000);
        w.policy.capacity.min = draw(0, 10);
        w.policy.capacity.max = draw(10, 20);
        w.policy.disruption.max_change_percent = 25;
        struct plan plan;
        int turn = 0;
        for (; turn < 40; turn++) {
            const struct plan_action *a = only_action(&plan);
            if (!a)
                break;
            if (a->type == ACTION_SCALE) {
                world_apply(&w, &plan);
                continue;
            }
            changed++;
            int64_t from = r->capacity_per_machine, to = a->to.vcpu_milli;
            cr_assert_neq(from, to);
            cr_assert(from - to <= (from * 25 + 99) / 100, "round %d: %lld -> %lld", round, (long long)from,
                      (long long)to);
            cr_assert(to >= 10);
            cr_assert(to > from || (double)to / 1000 * 0.65 * (double)r->resource.count >= demand - 1e-9,
                      "round %d: %lld -> %lld", round, (long long)from, (long long)to);
            r->resource.price_hourly = r->resource.price_hourly * to / from;
            r->resource.vcpu_milli = r->capacity_per_machine = to;
        }
        cr_assert_lt(turn, 40, "round %d", round);
        cr_assert_leq(plan.lower_bound_hourly, plan.desired_cost_hourly, "round %d", round);
        arena_release(&w.arena);
    }
    cr_expect_gt(changed, 1000u);
}
