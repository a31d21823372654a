/*
 * Workloads of Kubernetes: replicas that nobody else sets, those that an autoscaler sets, and those of a GitOps tool.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/buf.h"
#include "base/str.h"
#include "world.h"

static struct world w;

/* Pods that request 2 vCPU, so 1.3 vCPU a replica at 65 %. */
static struct snapshot_resource *add_workload(int64_t count, double demand, const char *manager) {
    struct snapshot_resource *r = world_add(&w, count, demand);
    r->provider = "platform/east";
    r->resource.kind = CLOUD_WORKLOAD;
    r->resource.region = CLOUD_REGION_CLUSTER;
    r->resource.type = "";
    r->resource.count_manager = manager;
    r->resource.count_max = 0;
    r->resource.vcpu_milli = 2000;
    w.sources[w.count - 1].region = CLOUD_REGION_CLUSTER;
    w.sources[w.count - 1].provider = "platform/east";
    return r;
}

static struct snapshot_resource *add_autoscaled(int64_t count, double demand, int64_t min, int64_t max) {
    struct snapshot_resource *r = add_workload(count, demand, "HorizontalPodAutoscaler/web");
    r->resource.count_min = min;
    r->resource.count_max = max;
    return r;
}

static void start(enum policy_autoscalers autoscalers) {
    world_init(&w);
    w.policy.autoscalers = autoscalers;
}

static void end(void) {
    arena_release(&w.arena);
}

static const char *message_of(const struct plan *plan, const char *id) {
    for (size_t i = 0; i < plan->why_not_count; i++)
        if (str_has_suffix(plan->why_not[i].target, id))
            return plan->why_not[i].message;
    return "";
}

Test(plan_workloads, replicas_are_scaled_like_machines_and_without_an_upper_bound) {
    start(AUTOSCALERS_ADVISE);
    add_workload(2, 13, NULL);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1u);
    cr_expect_eq(plan.actions[0].kind, CLOUD_WORKLOAD);
    cr_expect_eq(plan.actions[0].to.count, 10);
    cr_expect_not(plan.actions[0].is_bounds);
    cr_expect_str_eq(plan.unit, "replicas");
    cr_expect_str_eq(plan.actions[0].why[1], "2 x replica (2 vCPU) at 65 % serve 2.6 vCPU; 10 serve 13.0 vCPU");
    end();
}

Test(plan_workloads, a_minimum_that_a_disruption_budget_asks_for_holds) {
    start(AUTOSCALERS_ADVISE);
    add_workload(6, 1.3, NULL)->resource.count_min = 4;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1u);
    cr_expect_eq(plan.actions[0].to.count, 4);
    end();
}

Test(plan_workloads, the_price_of_a_pod_is_the_one_that_its_listing_tells) {
    start(AUTOSCALERS_ADVISE);
    add_workload(2, 13, NULL)->resource.price_hourly = 50000;
    struct plan plan = world_plan(&w);
    cr_expect_eq(plan.actions[0].saving_hourly, -8 * 50000);
    cr_expect_eq(plan.cost_hourly, 2 * 50000);
    end();
}

Test(plan_workloads, a_size_that_somebody_else_sets_is_advised_upon) {
    static const struct {
        enum policy_autoscalers autoscalers;
        const char *manager, *message;
    } rows[] = {
        {AUTOSCALERS_ADVISE, "HorizontalPodAutoscaler/web",
         "HorizontalPodAutoscaler/web sets its size; the plan would want 10 replicas (now 2); "
         "spec.autoscalers: TuneBounds would set its bounds"},
        {AUTOSCALERS_ADVISE, "argocd-controller",
         "argocd-controller sets its size; the plan would want 10 replicas (now 2)"},
        {AUTOSCALERS_TUNE_BOUNDS, "kustomize-controller",
         "kustomize-controller sets its size; the plan would want 10 replicas (now 2)"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(rows[i].autoscalers);
        add_workload(2, 13, rows[i].manager);
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, 0u);
        cr_expect_str_eq(world_why_not(&plan, "g0"), "ManagedElsewhere");
        cr_expect_str_eq(message_of(&plan, "g0"), rows[i].message);
        cr_expect_eq(plan.desired, 2, "what is there is counted on");
        end();
    }
}

Test(plan_workloads, what_is_advised_upon_counts_for_the_others) {
    start(AUTOSCALERS_ADVISE);
    w.policy.capacity.max = 12;
    add_workload(4, 13, "argocd-controller");
    world_add(&w, 2, 13);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1u);
    cr_expect_str_eq(plan.actions[0].id, "g1");
    cr_expect_eq(plan.actions[0].to.count, 8);
    cr_expect_str_eq(plan.unit, "machines and replicas");
    end();
}

Test(plan_workloads, bounds_are_raised_ahead_of_demand) {
    start(AUTOSCALERS_TUNE_BOUNDS);
    add_autoscaled(3, 13, 2, 8);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1u);
    const struct plan_action *action = &plan.actions[0];
    cr_expect(action->is_bounds);
    cr_expect_eq(action->type, ACTION_SCALE);
    cr_expect_eq(action->from.count, 2);
    cr_expect_eq(action->to.count, 10);
    cr_expect_eq(action->from.count_max, 8);
    cr_expect_eq(action->to.count_max, 10);
    cr_expect_eq(action->saving_hourly, -7 * 96000, "from the 3 that run");
    cr_expect_eq(plan.actual, 3);
    cr_expect_eq(plan.desired, 10);
    bool is_said = false;
    for (size_t i = 0; i < action->why_count; i++)
        is_said |=
            strcmp(action->why[i], "HorizontalPodAutoscaler/web sets the size, now 3: its minimum goes from 2 to 10, "
                                   "its maximum from 8 to 10") == 0;
    cr_expect(is_said);
    end();
}

Test(plan_workloads, a_minimum_below_what_the_autoscaler_runs_anyway_costs_nothing) {
    start(AUTOSCALERS_TUNE_BOUNDS);
    add_autoscaled(12, 13, 2, 20);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1u);
    cr_expect_eq(plan.actions[0].to.count, 10);
    cr_expect_eq(plan.actions[0].to.count_max, 20, "a maximum is never lowered");
    cr_expect_eq(plan.actions[0].saving_hourly, 0);
    cr_expect_eq(plan.desired, 12, "the autoscaler wants more than the forecast");
    end();
}

Test(plan_workloads, a_minimum_is_lowered_within_the_limits_of_a_shrink) {
    start(AUTOSCALERS_TUNE_BOUNDS);
    w.policy.disruption.max_change_percent = 25;
    add_autoscaled(10, 1.3, 10, 20);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1u);
    cr_expect_eq(plan.actions[0].to.count, 7);
    cr_expect_eq(plan.actions[0].to.count_max, 20);
    w.sources[0].state = SOURCE_STALE;
    plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 0u);
    cr_expect_str_eq(world_why_not(&plan, "g0"), "StaleObservation");
    end();
}

Test(plan_workloads, an_autoscaler_keeps_one_replica) {
    start(AUTOSCALERS_TUNE_BOUNDS);
    add_autoscaled(2, 0, 2, 20);
    w.policy.capacity.min = 0;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1u);
    cr_expect_eq(plan.actions[0].to.count, 1);
    end();
}

Test(plan_workloads, without_history_the_bounds_stay) {
    start(AUTOSCALERS_TUNE_BOUNDS);
    add_autoscaled(5, 13, 2, 8);
    w.forecasts[0].basis = FORECAST_BASIS_NONE;
    struct plan plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 0u);
    cr_expect_str_eq(world_why_not(&plan, "g0"), "NoHistory");
    end();
}

Test(plan_workloads, the_policys_maximum_bounds_the_minimum) {
    start(AUTOSCALERS_TUNE_BOUNDS);
    w.policy.capacity.max = 6;
    add_autoscaled(3, 13, 2, 8);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1u);
    cr_expect_eq(plan.actions[0].to.count, 6);
    cr_expect_eq(plan.actions[0].to.count_max, 8);
    cr_expect_str_eq(plan.binding, "capacity.max");
    end();
}

/* Other groups' growth must not count on replicas that the autoscaler may not give up. */
Test(plan_workloads, replicas_above_the_minimum_count_against_the_policys_maximum) {
    start(AUTOSCALERS_TUNE_BOUNDS);
    w.policy.capacity.max = 12;
    add_autoscaled(8, 2.6, 2, 20);
    world_add(&w, 2, 13);
    struct plan plan = world_plan(&w);
    const struct plan_action *action = world_action(&plan, "g1");
    cr_assert(action);
    cr_expect_eq(action->to.count, 4, "8 replicas and 4 machines");
    end();
}

Test(plan_workloads, a_minimum_is_not_lowered_below_the_policys_own) {
    start(AUTOSCALERS_TUNE_BOUNDS);
    w.policy.capacity.min = 8;
    add_autoscaled(12, 1.3, 10, 20);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1u);
    cr_expect_eq(plan.actions[0].to.count, 8, "the autoscaler may go down to it");
    end();
}

Test(plan_workloads, a_plan_of_bounds_that_was_carried_out_is_empty_whatever_the_autoscaler_does) {
    start(AUTOSCALERS_TUNE_BOUNDS);
    struct snapshot_resource *r = add_autoscaled(3, 13, 2, 8);
    struct plan plan = world_plan(&w);
    char hash[17];
    memcpy(hash, plan.actions[0].hash, sizeof(hash));
    r->resource.count = 5; /* On its own. */
    plan = world_plan(&w);
    cr_expect_str_eq(plan.actions[0].hash, hash, "the same change, whatever runs");
    r->resource.count_min = plan.actions[0].to.count;
    r->resource.count_max = plan.actions[0].to.count_max;
    for (int64_t count = 5; count <= 10; count++) {
        r->resource.count = count;
        plan = world_plan(&w);
        cr_expect_eq(plan.action_count, 0u);
        cr_expect_str_eq(world_why_not(&plan, "g0"), "InTrim");
    }
    end();
}

Test(plan_workloads, bounds_are_printed_as_such) {
    start(AUTOSCALERS_TUNE_BOUNDS);
    add_autoscaled(3, 13, 2, 8);
    struct plan plan = world_plan(&w);
    struct buf out = {0};
    plan_print_text(&plan, &out);
    cr_expect(strstr(buf_text(&out), "+ Scale platform/east/cluster/g0  minimum 2 -> 10, maximum 8 -> 10  (risk"));
    cr_expect(strstr(buf_text(&out), "; 3 replicas, 10 desired;"), "%s", buf_text(&out));
    buf_clear(&out);
    plan_print_json(&plan, &out);
    cr_expect(
        strstr(buf_text(&out), "\"from\":{\"maxCount\":8,\"minCount\":2},\"to\":{\"maxCount\":10,\"minCount\":10},"),
        "%s", buf_text(&out));
    buf_release(&out);
    end();
}
