/*
 * Replicas and requests by what fits the nodes: what is chosen, in which order it is carried out, that it comes to an
 * end, and that on small clusters no other pair is better.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "cluster_world.h"

#define ACTIONS (1U << ACTION_SCALE | 1U << ACTION_RIGHTSIZE | 1U << ACTION_DELETE)

/* g0: four pods of 2.1 vCPU that are just needed, each alone on one of the nodes g1 to g4; g5 and g6 are empty. */
static void start_usual(size_t nodes) {
    start(ACTIONS);
    add_workload(4, 2100, 4 * 2.1 * 0.65);
    for (size_t j = 1; j <= nodes; j++) {
        add_node(4000, 100000);
        if (j <= 4)
            on(j, "g0", 1, 2100);
    }
}

static struct plan replan(void) {
    struct plan plan = world_plan(&w);
    cr_assert(plan.lower_bound_hourly <= plan.desired_cost_hourly || plan.desired_cost_hourly < 0);
    return plan;
}

static const char *message_of(const struct plan *plan, const char *id, const char *reason) {
    for (size_t i = 0; i < plan->why_not_count; i++)
        if (str_has_suffix(plan->why_not[i].target, id) && str_eq(plan->why_not[i].reason, reason))
            return plan->why_not[i].message;
    return "";
}

static bool says(const struct plan_action *a, const char *sentence) {
    for (size_t i = 0; i < a->why_count; i++)
        if (str_eq(a->why[i], sentence))
            return true;
    return false;
}

/* ---- a small cluster that carries out what is planned ---- */

static int64_t room_of(size_t j) {
    int64_t room = w.resources[j].resource.vcpu_milli - facts[j].fixed_vcpu_milli;
    for (size_t k = 0; k < facts[j].load_count; k++)
        room -= loads[j][k].count * loads[j][k].vcpu_milli;
    return room;
}

static struct cloud_load *load_on(size_t j, const char *workload) {
    for (size_t k = 0; k < facts[j].load_count; k++)
        if (str_eq(loads[j][k].workload, workload))
            return &loads[j][k];
    return NULL;
}

static size_t row_of(const char *id) {
    size_t i = 0;
    while (!str_eq(w.resources[i].resource.id, id))
        i++;
    return i;
}

/* To the node that it leaves the least room on. False: there is none. */
static bool pod_add(const char *workload, int64_t cpu) {
    size_t best = 0;
    for (size_t j = 0; j < w.count; j++)
        if (w.resources[j].resource.node && w.resources[j].resource.state == CLOUD_RUNNING && room_of(j) >= cpu &&
            (best == 0 || room_of(j) < room_of(best)))
            best = j;
    if (best == 0)
        return false;
    struct cloud_load *load = load_on(best, workload);
    if (!load)
        load = on(best, workload, 0, cpu);
    load->count++;
    return true;
}

static void pod_remove(const char *workload) {
    for (size_t j = w.count; j-- > 0;) {
        struct cloud_load *load = w.resources[j].resource.node ? load_on(j, workload) : NULL;
        if (load && load->count > 0) {
            load->count--;
            return;
        }
    }
}

static void scale_apply(const struct plan_action *a) {
    struct snapshot_resource *r = &w.resources[row_of(a->id)];
    for (; r->resource.count < a->to.count; r->resource.count++)
        cr_assert(pod_add(a->id, r->resource.vcpu_milli), "replicas come first only where they have room");
    for (; r->resource.count > a->to.count; r->resource.count--)
        pod_remove(a->id);
    r->resource.serving = r->resource.count;
}

static void requests_apply(const struct plan_action *a) {
    struct snapshot_resource *r = &w.resources[row_of(a->id)];
    cr_assert_lt(a->to.vcpu_milli, r->resource.vcpu_milli);
    r->resource.price_hourly = r->resource.price_hourly * a->to.vcpu_milli / r->resource.vcpu_milli;
    r->resource.vcpu_milli = r->capacity_per_machine = a->to.vcpu_milli;
    for (size_t j = 0; j < w.count; j++) {
        struct cloud_load *load = w.resources[j].resource.node ? load_on(j, a->id) : NULL;
        if (load)
            load->vcpu_milli = a->to.vcpu_milli;
    }
}

/* False: the pods found no place in this order. */
static bool node_apply(const struct plan_action *a) {
    size_t j = row_of(a->id);
    w.resources[j].resource.state = CLOUD_DELETING;
    for (size_t k = 0; k < facts[j].load_count; k++)
        for (; loads[j][k].count > 0; loads[j][k].count--)
            if (!pod_add(loads[j][k].workload, loads[j][k].vcpu_milli))
                return false;
    size_t last = --w.count; /* Which takes its place. */
    w.resources[j] = w.resources[last];
    w.resources[j].source = j;
    w.resources[j].resource.node = &facts[j];
    facts[j] = facts[last];
    facts[j].loads = loads[j];
    memcpy(loads[j], loads[last], sizeof(loads[j]));
    w.snapshot.source_count = w.snapshot.resource_count = w.count;
    return true;
}

Test(plan_joint, replicas_first_then_requests_then_nodes) {
    start_usual(6);
    struct plan plan = replan();
    const struct plan_action *a = world_action(&plan, "g0");
    cr_assert_not_null(a);
    cr_expect_eq(a->type, ACTION_SCALE);
    cr_expect_eq(a->to.count, 5);
    cr_expect(says(a, "5 replicas of 1700m need 3 nodes for 0.3000 USD an hour, 4 of 2100m 4 for 0.4000; replicas come "
                      "first, then requests"),
              "%s", a->why[2]);
    cr_expect_eq(plan.action_count, 2u, "a node for each of the five, until their requests have come down");
    scale_apply(a);
    plan = replan();
    a = world_action(&plan, "g0");
    cr_assert_not_null(a);
    cr_expect_eq(a->type, ACTION_RIGHTSIZE);
    cr_expect_eq(a->from.vcpu_milli, 2100);
    cr_expect_eq(a->to.vcpu_milli, 1700);
    cr_expect_eq(a->to.memory_mib, 0, "a pod holds memory whatever its share of the load");
    cr_expect_eq(a->to.count, 5);
    cr_expect(says(a, "5 replicas of 1700m need 3 nodes for 0.3000 USD an hour, 4 of 2100m 4 for 0.4000"));
    requests_apply(a);
    plan = replan();
    cr_expect_null(world_action(&plan, "g0"), "it is a fixed point");
    cr_expect_eq(plan.action_count, 3u);
    cr_expect_eq(plan.desired_cost_hourly, 300000);
    arena_release(&w.arena);
}

Test(plan_joint, the_same_number_is_cut_by_less_where_that_saves_nodes) {
    start_usual(4);
    world_demand(&w, 0, 4 * 2.0 * 0.65);
    struct plan plan = replan();
    cr_assert_eq(plan.action_count, 1u);
    cr_expect_eq(plan.actions[0].type, ACTION_RIGHTSIZE);
    cr_expect_eq(plan.actions[0].to.vcpu_milli, 2000, "4.8 %% of the requests, and half of the nodes");
    requests_apply(&plan.actions[0]);
    plan = replan();
    cr_expect_eq(plan.action_count, 2u);
    cr_expect_eq(plan.desired_cost_hourly, 200000);
    arena_release(&w.arena);
}

Test(plan_joint, what_has_no_room_first_is_told) {
    start_usual(4);
    struct plan plan = replan();
    cr_expect_eq(plan.action_count, 0u);
    cr_expect_str_eq(message_of(&plan, "/g0", "NodesFull"),
                     "5 replicas of 1700m need 3 nodes for 0.3000 USD an hour, 4 of 2100m 4 for 0.4000; 1 more of "
                     "2100m would come first, and find no room; 1 x m5.xlarge more would carry "
                     "it, for 0.1000 USD an hour");
    arena_release(&w.arena);
}

Test(plan_joint, what_was_begun_is_gone_on_with_for_half_the_saving) {
    start_usual(6);
    w.policy.disruption.min_saving_percent = 40; /* It saves 25 %. */
    struct plan plan = replan();
    cr_expect_null(world_action(&plan, "g0"));
    cr_expect(strstr(message_of(&plan, "/g0", "BelowMinSaving"), "; that saves less than 40 % of them"));
    w.resources[0].resource.count = w.resources[0].resource.serving = 5;
    on(5, "g0", 1, 2100);
    w.policy.disruption.min_saving_percent = 40;
    plan = replan();
    const struct plan_action *a = world_action(&plan, "g0");
    cr_assert_not_null(a);
    cr_expect_eq(a->type, ACTION_RIGHTSIZE);
    w.policy.disruption.min_saving_percent = 60;
    plan = replan();
    a = world_action(&plan, "g0");
    cr_expect(!a || a->type != ACTION_RIGHTSIZE);
    arena_release(&w.arena);
}

Test(plan_joint, nothing_is_chosen_where) {
    static const char *const rows[] = {
        "nodes are not ours to end", "requests are not ours to set",  "replicas are not ours to set",
        "the metric is memory",      "an autoscaler sets the number", "another sets the requests",
        "the view is stale",         "the forecast is not its own",   "the budget freezes growth",
        "a pod may not move",        "the workload has its maximum",  "the policy has its maximum",
        "another workload grows",    "pods wait for a node",          "each node has one pod at most",
        "memory fits one a node",
    };
    for (size_t i = 0; i <= ARRAY_LEN(rows); i++) {
        start_usual(6);
        struct snapshot_resource *r = &w.resources[0];
        switch (i) {
        case 0:
            w.policy.actions &= ~(1U << ACTION_DELETE);
            break;
        case 1:
            w.policy.actions &= ~(1U << ACTION_RIGHTSIZE);
            break;
        case 2:
            w.policy.actions &= ~(1U << ACTION_SCALE);
            break;
        case 3:
            w.policy.forecast.metric = CLOUD_METRIC_MEMORY;
            world_demand(&w, 0, 4 * 2100 * 0.65);
            break;
        case 4:
            r->resource.count_manager = "HorizontalPodAutoscaler/web";
            break;
        case 5:
            r->resource.size_manager = "VerticalPodAutoscaler/web";
            break;
        case 6:
            w.sources[0].state = SOURCE_STALE;
            break;
        case 7:
            w.forecasts[0].basis = FORECAST_BASIS_POOLED;
            break;
        case 8:
            w.headroom.freeze_growth = true;
            break;
        case 9:
            loads[1][0].stays = "local storage";
            break;
        case 10:
            r->resource.count_max = 4;
            break;
        case 11:
            w.policy.capacity.max = 4;
            break;
        case 12:
            add_workload(1, 100, 0.13);
            break;
        case 13:
            facts[1].pending = 1;
            break;
        case 14:
            for (size_t j = 1; j <= 4; j++)
                loads[j][0].is_apart = true;
            break;
        case 15:
            r->resource.memory_mib = 9000;
            break;
        default:
            break;
        }
        struct plan plan = replan();
        const struct plan_action *a = world_action(&plan, "g0");
        if (i == ARRAY_LEN(rows))
            cr_expect(a && a->to.count == 5, "else it is");
        else
            cr_expect_null(a, "%s", rows[i]);
        arena_release(&w.arena);
    }
}

/* Five of 0.84 vCPU would fit nodes that cost a quarter. */
Test(plan_joint, at_most_twice_the_replicas) {
    for (int64_t count = 2; count <= 3; count++) {
        start(ACTIONS);
        add_workload(count, 4200 / count, 4.2 * 0.65);
        add_node(16000, 200000);
        on(1, "g0", count, 4200 / count);
        for (int j = 0; j < 5; j++)
            add_node(1000, 10000);
        struct plan plan = replan();
        const struct plan_action *a = world_action(&plan, "g0");
        cr_expect_eq(a ? a->to.count : 0, count == 3 ? 5 : 0);
        cr_expect_str_eq(message_of(&plan, "/g0", "NodesFull"), "");
        arena_release(&w.arena);
    }
}

Test(plan_joint, a_quota_holds_back_what_comes_first) {
    static const char *const id = "shop/Deployment/web";
    struct snapshot_limit limit = {
        "platform/east",
        {.region = CLOUD_REGION_CLUSTER, .id = "shop/team/pods", .name = "", .types = "", .unit = "count", .used = 4}};
    for (int more = 0; more < 2; more++) {
        start_usual(6);
        w.resources[0].resource.id = id;
        for (size_t j = 1; j <= 4; j++)
            loads[j][0].workload = id;
        limit.limit.value = 4 + more;
        w.snapshot.limits = &limit;
        w.snapshot.limit_count = 1;
        struct plan plan = replan();
        cr_expect_eq(world_action(&plan, id) != NULL, more == 1);
        cr_expect_eq(message_of(&plan, "/web", "QuotaExceeded")[0] == '\0', more == 1);
        arena_release(&w.arena);
    }
}

/* ---- large ones ---- */

#define LARGE 1200

static struct {
    struct snapshot_source sources[LARGE + 1];
    struct snapshot_resource resources[LARGE + 1];
    struct forecast forecasts[LARGE + 1];
    struct cloud_node facts[LARGE];
    struct cloud_load loads[LARGE][2];
    char ids[LARGE][24];
} large;

/* A pod of 2.1 vCPU alone on each of the nodes but the last quarter, which is empty, beside a small one. */
static struct plan large_plan(size_t nodes) {
    start(ACTIONS);
    w.policy.capacity.max = 10000;
    add_workload(0, 2100, 0);
    add_node(4000, 100000);
    size_t pods = nodes - nodes / 4;
    world_demand(&w, 0, (double)pods * 2.1 * 0.65);
    w.resources[0].resource.count = w.resources[0].resource.serving = (int64_t)pods;
    for (size_t j = 0; j <= nodes; j++) {
        large.sources[j] = w.sources[j > 0];
        large.resources[j] = w.resources[j > 0];
        large.resources[j].source = j;
        large.forecasts[j] = w.forecasts[j > 0];
        if (j == 0)
            continue;
        struct cloud_load *at = large.loads[j - 1];
        at[0] = (struct cloud_load){.workload = "x/Job/y", .count = 1, .vcpu_milli = 50, .memory_mib = 64, .keys = ""};
        at[1] = (struct cloud_load){.workload = "g0", .count = 1, .vcpu_milli = 2100, .memory_mib = 64, .keys = ""};
        large.facts[j - 1] =
            (struct cloud_node){.pods_max = 110, .taints = "", .loads = at, .load_count = j <= pods ? 2 : 1};
        large.resources[j].resource.node = &large.facts[j - 1];
        snprintf(large.ids[j - 1], sizeof(large.ids[j - 1]), "n%zu", j);
        large.resources[j].resource.id = large.ids[j - 1];
    }
    struct snapshot snapshot = w.snapshot;
    snapshot.sources = large.sources;
    snapshot.resources = large.resources;
    snapshot.source_count = snapshot.resource_count = nodes + 1;
    const struct plan_input input = {&w.policy, &snapshot, large.forecasts, w.headroom};
    struct plan plan;
    plan_compute(&input, &w.arena, &plan);
    return plan;
}

Test(plan_joint, a_hundred_nodes_are_weighed_and_thousands_are_said_to_be_too_many, .timeout = 60) {
    struct plan plan = large_plan(100);
    const struct plan_action *a = world_action(&plan, "g0");
    cr_assert_not_null(a);
    cr_expect_gt(a->to.count, 75);
    arena_release(&w.arena);
    plan = large_plan(LARGE);
    cr_expect_null(world_action(&plan, "g0"));
    cr_expect(message_of(&plan, "/g0", "TooManyNodes")[0]);
    arena_release(&w.arena);
}

/* ---- random worlds ---- */

static uint64_t state = 7;
static int64_t draw(int64_t low, int64_t high) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return low + (int64_t)((state >> 33) % (uint64_t)(high - low + 1));
}

/* One workload, and by chance pods of another, on nodes of two sizes. Returns the demand. */
static double start_random(bool has_others) {
    start(ACTIONS);
    int64_t count = draw(2, 6), cpu = draw(9, 30) * 100;
    double demand = (double)count * (double)cpu / 1000 * 0.65 * (double)draw(93, 100) / 100;
    add_workload(0, cpu, demand);
    size_t nodes = (size_t)draw(4, 7);
    for (size_t j = 0; j < nodes; j++) {
        bool is_large = draw(0, 3) == 0;
        add_node((is_large ? 8000 : 4000) - draw(0, 2) * 50, is_large ? 190000 : 100000);
    }
    for (size_t j = 1; has_others && j <= nodes; j++)
        if (draw(0, 2) == 0)
            on(j, "x/Job/y", 1, draw(1, 9) * 100);
    for (; w.resources[0].resource.count < count && pod_add("g0", cpu); w.resources[0].resource.count++) {
    }
    w.resources[0].resource.serving = w.resources[0].resource.count;
    return demand;
}

static double serves(void) {
    return (double)w.resources[0].resource.count * (double)w.resources[0].resource.vcpu_milli / 1000 * 0.65;
}

static size_t firsts; /* Replicas that came before requests. */

static bool is_first(const struct plan_action *a) {
    for (size_t i = 0; i < a->why_count; i++)
        if (strstr(a->why[i], "; replicas come first"))
            return true;
    return false;
}

/* Carries out what is planned until nothing is, and counts changes of requests. False: an order of ours had no place.
 */
static bool run(double demand, size_t *ret_changes) {
    struct plan plan;
    bool has_served = serves() >= demand - 1e-9;
    for (int turn = 0; turn < 60; turn++) {
        plan = replan();
        if (plan.action_count == 0)
            return true;
        const struct plan_action *a = world_action(&plan, "g0");
        if (a && a->type == ACTION_SCALE) {
            if (str_eq(plan.binding, "nodes"))
                return false; /* Demand asks for more than there is. */
            firsts += is_first(a);
            scale_apply(a);
        } else if (a) {
            requests_apply(a);
            ++*ret_changes;
        } else {
            cr_assert_eq(plan.actions[0].type, ACTION_DELETE);
            if (!node_apply(&plan.actions[0]))
                return false;
        }
        has_served = has_served || serves() >= demand - 1e-9;
        cr_assert(!has_served || serves() >= demand - 1e-9, "%.3f of %.3f", serves(), demand);
        arena_release(&w.arena);
    }
    cr_assert_fail("it does not come to an end");
    return false;
}

Test(plan_joint, random_worlds_come_to_an_end_and_serve_all_the_way) {
    size_t ended = 0, changes = 0;
    for (int round = 0; round < 400; round++) {
        double demand = start_random(draw(0, 1));
        w.policy.disruption.max_change_percent = draw(0, 1) ? 100 : 10;
        w.policy.disruption.min_saving_percent = draw(0, 10);
        ended += run(demand, &changes);
        arena_release(&w.arena);
    }
    cr_log_info("%zu ended, %zu changes of requests, %zu with replicas first", ended, changes, firsts);
    cr_expect_gt(ended, 350u);
    cr_expect_gt(changes, 100u);
    cr_expect_gt(firsts, 30u);
}

/* Now so much, and at the end of the horizon the most. */
static void demand_now(double now, double most) {
    struct forecast *f = &w.forecasts[0];
    world_demand(&w, 0, now);
    for (size_t j = 0; j < f->quantile_count; j++)
        w.values[0][(WORLD_STEPS - 1) * f->quantile_count + j] = most;
}

/* What the hour asks for is carried out. Returns changes of requests; -1: an order of ours had no place. */
static int64_t hour(double demand) {
    size_t changes = 0;
    return run(demand, &changes) ? (int64_t)changes : -1;
}

/* Requests come down a few times and then stand; replicas follow demand, and are no more than it asks for. */
Test(plan_joint, days_of_changing_demand_come_to_rest) {
    size_t ended = 0, changed = 0;
    for (int round = 0; round < 60; round++) {
        double most = start_random(draw(0, 1));
        int64_t late = 0, all = 0, got = 0;
        for (int step = 0; step < 60 && got >= 0; step++) {
            double now = most * (double)(step % 6 == 0 ? 100 : draw(30, 100)) / 100;
            demand_now(now, most);
            got = hour(now);
            all += got;
            late += step >= 30 ? got : 0;
            int64_t need = (int64_t)((now / 0.65 * 1000 - 1e-6) / (double)w.resources[0].resource.vcpu_milli) + 1;
            cr_assert(step < 30 || got < 0 || w.resources[0].resource.count <= need, "round %d step %d: %lld of %lld",
                      round, step, (long long)w.resources[0].resource.count, (long long)need);
        }
        ended += got >= 0;
        changed += all > 0;
        cr_assert(got < 0 || late == 0, "round %d: %lld late changes", round, (long long)late);
        arena_release(&w.arena);
    }
    cr_log_info("%zu ended, %zu changed", ended, changed);
    cr_expect_gt(ended, 45u);
}

/* The least that nodes cost which hold so many pods of just this size. */
static money_micros exact(int64_t count, int64_t cpu) {
    money_micros best = INT64_MAX;
    for (size_t set = 0; set < (size_t)1 << (w.count - 1); set++) {
        money_micros cost = 0;
        int64_t holds = 0;
        for (size_t j = 1; j < w.count; j++)
            if (set >> (j - 1) & 1) {
                cost += w.resources[j].resource.price_hourly;
                holds += w.resources[j].resource.vcpu_milli / cpu;
            }
        if (holds >= count && cost < best)
            best = cost;
    }
    return best;
}

static int64_t count_for(double demand, int64_t cpu) {
    int64_t count = 1;
    while ((double)count * (double)cpu / 1000 * 0.65 < demand - 1e-9)
        count++;
    return count;
}

/* Of all requests of two digits, and at most twice the replicas. */
static money_micros exact_best(double demand, int64_t cpu) {
    int64_t count = count_for(demand, cpu);
    money_micros best = exact(count, cpu);
    for (int64_t q = 10; q < cpu; q += q < 100 ? 1 : q < 1000 ? 10 : 100) {
        int64_t more = count_for(demand, q);
        money_micros cost = more > 2 * count ? INT64_MAX : exact(more, q);
        best = cost < best ? cost : best;
    }
    return best;
}

/* Carries out replicas and requests, not nodes. False: a pair was refused for want of room. */
static bool choose(void) {
    for (int turn = 0; turn < 10; turn++) {
        struct plan plan = replan();
        const struct plan_action *a = world_action(&plan, "g0");
        if (message_of(&plan, "/g0", "NodesFull")[0] != '\0')
            return false;
        if (!a)
            return true;
        (a->type == ACTION_SCALE ? scale_apply : requests_apply)(a);
    }
    cr_assert_fail("it does not come to an end");
    return false;
}

Test(plan_joint, of_small_clusters_no_pair_is_better) {
    size_t compared = 0, better = 0, least = 0;
    for (int round = 0; round < 400; round++) {
        double demand = start_random(false);
        w.policy.disruption.min_saving_percent = 0;
        int64_t cpu = w.resources[0].resource.vcpu_milli;
        money_micros stay = exact(count_for(demand, cpu), cpu), best = exact_best(demand, cpu);
        if (stay < INT64_MAX && choose()) {
            cpu = w.resources[0].resource.vcpu_milli;
            money_micros got = exact(count_for(demand, cpu), cpu);
            compared++;
            better += got < stay;
            least += got <= best;
        }
        arena_release(&w.arena);
    }
    cr_log_info("%zu compared, %zu better than today, %zu the least", compared, better, least);
    cr_expect_gt(compared, 200u);
    cr_expect_gt(better, 40u);
    cr_expect_leq(compared - least, compared / 100);
}
