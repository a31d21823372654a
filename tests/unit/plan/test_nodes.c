/*
 * The nodes of a cluster beside the workloads on it: which go, when none does, and what growth that has no room says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/str.h"
#include "cluster_world.h"

#define ACTIONS (1U << ACTION_SCALE | 1U << ACTION_DELETE)

/* g0 with 4 replicas that 2.6 vCPU just need, and nodes g1 to g3 that hold 2, 2 and none of them. */
static void start_usual(void) {
    start(ACTIONS);
    add_workload(4, 1000, 2.6);
    for (int j = 0; j < 3; j++)
        add_node(4000, 100000);
    on(1, "g0", 2, 1000);
    on(2, "g0", 2, 1000);
}

static struct plan replan(void) {
    struct plan plan = world_plan(&w);
    cr_assert(plan.lower_bound_hourly <= plan.desired_cost_hourly || plan.desired_cost_hourly < 0);
    return plan;
}

static const char *reason_of(const struct plan *plan, const char *id) {
    const char *reason = world_why_not(plan, id);
    return world_action(plan, id) ? "proposed" : reason;
}

Test(plan_nodes, nodes_that_the_pods_do_not_need_go) {
    start_usual();
    struct plan plan = replan();
    cr_assert_eq(plan.action_count, 2u);
    const struct plan_action *a = world_action(&plan, "g3");
    cr_assert_not_null(a);
    cr_expect_eq(a->type, ACTION_DELETE);
    cr_expect_eq(a->kind, CLOUD_NODE);
    cr_expect_str_eq(a->from.state, "running");
    cr_expect_str_eq(a->to.state, "deleted");
    cr_expect_eq(a->saving_hourly, 100000);
    cr_expect_eq(a->cost_hourly, 0);
    cr_expect_eq(a->risk_per_mille, 0);
    cr_expect_str_eq(a->why[0], "it has no pods but those that go with it; drain it, then delete it");
    cr_expect_str_eq(a->why[1],
                     "2 of 3 nodes are not needed for the greatest demand of the horizon; at most 100 % go at a "
                     "time");
    cr_expect_str_eq(a->why[2], "saves 0.1000 USD an hour");
    a = world_action(&plan, "g1");
    cr_assert_not_null(a);
    cr_expect_str_eq(a->why[0], "its 2 pods have a place on other nodes: 2 x g0 on g2; drain it, then delete it");
    cr_expect_str_eq(reason_of(&plan, "g2"), "NodeNeeded");
    cr_expect_eq(plan.cost_hourly, 300000, "the replicas are on the nodes");
    cr_expect_eq(plan.desired_cost_hourly, 100000);
    cr_expect_eq(plan.lower_bound_hourly, 100000);
    cr_expect_eq(plan.gap_per_mille, 0);
    cr_expect_eq(plan.actual, 4, "nodes are none of what capacity counts");
    cr_expect_eq(plan.resources[3].desired, 0);
    arena_release(&w.arena);
}

/* What was proposed is carried out: the plan after it is empty, and growth of the horizon has room. */
Test(plan_nodes, a_plan_that_was_carried_out_is_empty) {
    start_usual();
    struct forecast *f = &w.forecasts[0]; /* Later six replicas. */
    for (size_t j = 0; j < f->quantile_count; j++)
        w.values[0][(WORLD_STEPS - 1) * f->quantile_count + j] = 3.9;
    struct plan plan = replan();
    cr_assert_eq(plan.action_count, 1u, "two nodes carry six");
    cr_expect_str_eq(plan.actions[0].id, "g3");
    w.count = w.snapshot.source_count = w.snapshot.resource_count = 3;
    plan = replan();
    cr_expect_eq(plan.action_count, 0u);
    world_demand(&w, 0, 3.9);
    plan = replan();
    cr_assert_eq(plan.action_count, 1u);
    cr_expect_eq(plan.actions[0].to.count, 6);
    cr_expect_null(plan.binding, "no node is wanted back");
    arena_release(&w.arena);
}

Test(plan_nodes, what_shrinks_counts_as_long_as_it_is_there) {
    start_usual();
    on(3, "g0", 4, 1000);
    w.resources[0].resource.count = w.resources[0].resource.serving = 8;
    struct plan plan = replan();
    const struct plan_action *a = world_action(&plan, "g0");
    cr_assert_not_null(a);
    cr_expect_eq(a->to.count, 4);
    cr_expect_eq(plan.action_count, 2u, "eight pods still need two nodes");
    arena_release(&w.arena);
}

Test(plan_nodes, none_goes_where) {
    static const struct {
        const char *what, *reason;
    } rows[] = {
        {"the nodes are stale", "StaleObservation"},
        {"the workloads are cut", "StaleObservation"},
        {"pods wait", "PodsPending"},
        {"a load is not seen", "UnknownLoad"},
        {"its annotation forbids it", "NotEvictable"},
        {"a pod may not move", "NotEvictable"},
        {"another policy selects it", "SelectedTwice"},
        {"its price is not known", "UnknownPrice"},
        {"it is new", "TooYoung"},
        {"it is cordoned", "BeingDrained"},
        {"it is not ready", "NotReady"},
        {"the policy may not", "ActionNotAllowed"},
        {"it saves too little", "BelowMinSaving"},
        {"the pods do not fit", "NodeNeeded"},
        {"another taint", "NodeNeeded"},
        {"another zone", "NodeNeeded"},
        {"they are apart", "NodeNeeded"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(ACTIONS);
        add_workload(4, 1000, 2.6);
        add_node(4000, 100000);
        add_node(4000, 100000);
        on(1, "g0", 2, 1000)->keys = "zone";
        on(2, "g0", 2, 1000)->keys = "zone";
        w.resources[1].resource.price_hourly = 200000;
        struct plan plan = replan();
        cr_assert_str_eq(reason_of(&plan, "g1"), "proposed");
        const struct cloud_tag zone = {"zone", "a"};
        struct cloud_resource *r = &w.resources[1].resource;
        switch (i) {
        case 0:
            w.sources[1].state = SOURCE_STALE;
            break;
        case 1:
            w.sources[0].state = SOURCE_TRUNCATED;
            break;
        case 2:
            facts[2].pending = 1;
            break;
        case 3:
            w.resources[2].resource.node = NULL;
            break;
        case 4:
            facts[1].keep = "karpenter.sh/do-not-disrupt";
            break;
        case 5:
            loads[1][0].stays = "local storage";
            break;
        case 6:
            w.resources[1].claimed_by = "team/other";
            break;
        case 7:
            r->price_hourly = 0;
            break;
        case 8:
            r->created_at_ms = NOW_MS - 1000;
            break;
        case 9:
            r->state = CLOUD_STOPPING;
            break;
        case 10:
            r->state = CLOUD_PENDING;
            break;
        case 11:
            w.policy.actions = 1U << ACTION_SCALE;
            break;
        case 12:
            w.policy.disruption.min_saving_percent = 70;
            break;
        case 13:
            facts[2].fixed_vcpu_milli = 1;
            break;
        case 14:
            facts[2].taints = "dedicated=batch:NoSchedule";
            break;
        case 15:
            r->tags = &zone;
            r->tag_count = 1;
            break;
        default:
            loads[1][0].is_apart = loads[2][0].is_apart = true;
            break;
        }
        plan = replan();
        cr_expect_str_eq(reason_of(&plan, "g1"), rows[i].reason, "%s: %s", rows[i].what, reason_of(&plan, "g1"));
        arena_release(&w.arena);
    }
}

Test(plan_nodes, at_most_so_many_at_a_time_those_that_leave_among_them) {
    start(ACTIONS);
    add_workload(1, 1000, 0.65);
    for (int j = 0; j < 6; j++)
        add_node(4000, 100000);
    on(1, "g0", 1, 1000);
    w.resources[5].resource.price_hourly = 300000;
    w.policy.disruption.max_change_percent = 25;
    struct plan plan = replan();
    cr_assert_eq(plan.action_count, 2u, "a quarter of six, rounded up");
    cr_expect_not_null(world_action(&plan, "g5"), "the dearest first");
    cr_expect_str_eq(reason_of(&plan, "g6"), "WaitsForOthers");
    cr_expect_eq(plan.desired_cost_hourly, 100000, "where it ends");
    w.resources[6].resource.state = CLOUD_STOPPING;
    plan = replan();
    cr_expect_eq(plan.action_count, 1u);
    arena_release(&w.arena);
}

Test(plan_nodes, growth_is_asked_for_and_what_has_no_room_says_what_would_carry_it) {
    start_usual();
    world_demand(&w, 0, 13); /* 20 replicas; there is room for 12. */
    struct plan plan = replan();
    const struct plan_action *a = world_action(&plan, "g0");
    cr_assert_not_null(a);
    cr_expect_eq(a->to.count, 20, "growth is held back by nothing");
    cr_expect_eq(plan.action_count, 1u);
    cr_expect_str_eq(plan.binding, "nodes");
    const char *message = "";
    for (size_t i = 0; i < plan.why_not_count; i++)
        if (str_has_suffix(plan.why_not[i].target, "/g0"))
            message = plan.why_not[i].message;
    cr_expect_str_eq(message,
                     "8 of its pods find no node with room, now or as planned; 2 x m5.xlarge more would carry it, "
                     "for 0.2000 USD an hour");
    cr_expect_str_eq(reason_of(&plan, "g3"), "NodesFull");
    loads[1][0].is_apart = true;
    plan = replan();
    message = "";
    for (size_t i = 0; i < plan.why_not_count; i++)
        if (str_has_suffix(plan.why_not[i].target, "/g0"))
            message = plan.why_not[i].message;
    cr_expect(strstr(message, "; 15 x m5.xlarge more would carry it"), "each on a node of its own: %s", message);
    arena_release(&w.arena);
}

Test(plan_nodes, requests_that_go_up_need_room_too) {
    start(ACTIONS);
    add_workload(4, 1000, 5.2); /* Twice the requests. */
    w.policy.actions = 1U << ACTION_RIGHTSIZE | 1U << ACTION_DELETE;
    add_node(4000, 100000);
    add_node(4000, 100000);
    on(1, "g0", 4, 1000);
    struct plan plan = replan();
    const struct plan_action *a = world_action(&plan, "g0");
    cr_assert_not_null(a);
    cr_expect_eq(a->to.vcpu_milli, 2000);
    cr_expect_eq(plan.action_count, 1u, "the empty node takes two of them");
    cr_expect_str_eq(reason_of(&plan, "g2"), "NodeNeeded");
    facts[2].fixed_vcpu_milli = 1000;
    plan = replan();
    cr_expect_str_eq(reason_of(&plan, "g2"), "NodesFull");
    arena_release(&w.arena);
}

Test(plan_nodes, pods_of_others_are_moved_as_they_are_and_those_that_stay_are_counted) {
    start_usual();
    on(1, "other/Job/night", 2, 1000); /* Of no workload of the policy. */
    facts[2].fixed_vcpu_milli = 1000;  /* Two and one left of it. */
    struct plan plan = replan();
    cr_expect_eq(plan.action_count, 1u);
    cr_expect_str_eq(reason_of(&plan, "g3"), "proposed", "six pods need two nodes");
    facts[2].fixed_vcpu_milli = 2001;
    plan = replan();
    cr_expect_eq(plan.action_count, 1u);
    cr_expect_str_eq(reason_of(&plan, "g2"), "NodeNeeded", "what is there is there, even on a node that is too full");
    arena_release(&w.arena);
}

Test(plan_nodes, without_nodes_in_the_selector_nothing_of_it_is_said) {
    start_usual();
    w.policy.selector.kinds = 1U << CLOUD_WORKLOAD;
    struct plan plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 0u);
    cr_expect_str_eq(reason_of(&plan, "g3"), "NotScalable");
    cr_expect_eq(plan.cost_hourly, 4 * 20000 + 3 * 100000);
    arena_release(&w.arena);
}

Test(plan_nodes, the_order_of_the_rows_changes_nothing) {
    struct buf first = {0}, other = {0};
    start_usual();
    on(2, "x/ReplicaSet/y", 1, 1000);
    struct plan plan = replan();
    plan_print_json(&plan, &first);
    for (size_t i = 0; i < 2; i++) {
        struct snapshot_resource r = w.resources[i];
        w.resources[i] = w.resources[3 - i];
        w.resources[3 - i] = r;
        struct forecast f = w.forecasts[i];
        w.forecasts[i] = w.forecasts[3 - i];
        w.forecasts[3 - i] = f;
    }
    plan = replan();
    plan_print_json(&plan, &other);
    cr_expect_str_eq(buf_text(&first), buf_text(&other));
    buf_release(&first);
    buf_release(&other);
    arena_release(&w.arena);
}

/* What may yet be asked for by the horizon counts; what nobody may ask for does not. */
Test(plan_nodes, room_is_kept_for_growth_that_may_come_and_for_no_other) {
    static const struct {
        const char *manager;
        uint32_t actions;
        int64_t count_max;
        size_t goes;
    } rows[] = {
        {NULL, 1U << ACTION_SCALE | 1U << ACTION_DELETE, 0, 1},
        {NULL, 1U << ACTION_DELETE, 0, 2},
        {"HorizontalPodAutoscaler/web", 1U << ACTION_DELETE, 8, 1},
        {"HorizontalPodAutoscaler/web", 1U << ACTION_DELETE, 4, 2},
        {"argocd-controller", 1U << ACTION_SCALE | 1U << ACTION_DELETE, 0, 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start_usual();
        struct forecast *f = &w.forecasts[0];
        for (size_t j = 0; j < f->quantile_count; j++)
            w.values[0][(WORLD_STEPS - 1) * f->quantile_count + j] = 3.9;
        w.policy.actions = rows[i].actions;
        w.resources[0].resource.count_manager = rows[i].manager;
        w.resources[0].resource.count_max = rows[i].count_max;
        struct plan plan = replan();
        cr_expect_eq(plan.action_count, rows[i].goes, "row %zu: %zu", i, plan.action_count);
        arena_release(&w.arena);
    }
}
