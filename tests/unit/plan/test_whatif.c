/*
 * What if: what is changed of a plan's inputs, and that what is closed is left, whatever that costs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "plan/whatif.h"
#include "world.h"

static struct world w; /* One test, one process. */
static struct policy_target targets[2];
static struct whatif_factor factors[2];
static struct headroom_closure closures[2];

static void sell(const char *provider, const char *region, const char *type, int64_t vcpu, int64_t price) {
    struct snapshot_offer offer = world_offer(region, type, vcpu, 4 * vcpu, price);
    offer.provider = provider;
    offer.offer.price_spot_hourly = price / 3;
    world_sell(&w, offer);
}

static void add_group(int64_t count, double demand) {
    struct snapshot_resource *r = world_add(&w, count, demand);
    world_large(r);
}

/* One group of 10 m5.large in aws/us-east-1 that demand fills; gcp/us-central1 sells the same for a little more. */
static void init(void) {
    arena_release(&w.arena);
    world_init(&w);
    w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_RIGHTSIZE | 1U << ACTION_MIGRATE;
    w.policy.forecast.horizon_ms = WORLD_STEPS * STEP_MS;
    w.policy.disruption.min_saving_percent = 5;
    w.policy.sla.lead_time_ms = STEP_MS;
    targets[0] = (struct policy_target){{"platform", "gcp"}, "us-central1", "web", true, false};
    targets[1] = (struct policy_target){{"platform", "aws"}, "eu-west-1", "web", true, false};
    w.policy.placement.targets = targets;
    w.policy.placement.target_count = 2;
    add_group(10, 13);
    sell("platform/aws", "us-east-1", "m5.large", 2, 96000);
    sell("platform/aws", "us-east-1", "m6.large", 2, 99000);
    sell("platform/aws", "eu-west-1", "m5.large", 2, 107000);
    sell("platform/gcp", "us-central1", "n2-2", 2, 100000);
}

static struct plan plan_if(const struct whatif *whatif) {
    const struct plan_input input = {&w.policy, &w.snapshot, w.forecasts, w.headroom};
    const struct plan_input changed = whatif_input(whatif, "shop/web", &input, &w.arena);
    struct plan plan;
    plan_compute(&changed, &w.arena, &plan);
    return plan;
}

static struct plan plan_without(struct headroom_closure closure) {
    closures[0] = closure;
    closures[0].text = "that";
    return plan_if(&(struct whatif){.closures = closures, .closure_count = 1});
}

static const char *unmet(const struct plan *plan) {
    for (size_t i = 0; i < plan->why_not_count; i++)
        if (strcmp(plan->why_not[i].reason, PLAN_UNMET) == 0)
            return plan->why_not[i].message;
    return "";
}

Test(whatif, without_anything_the_plan_is_the_same) {
    init();
    struct plan plan = world_plan(&w), same = plan_if(&(struct whatif){0});
    struct buf a = {0}, b = {0};
    plan_print_json(&plan, &a);
    plan_print_json(&same, &b);
    cr_expect_str_eq(buf_text(&a), buf_text(&b));
    cr_expect_eq(plan.action_count, 0, "a dearer place is no reason to move");
    buf_release(&a);
    buf_release(&b);
}

Test(whatif, what_is_in_a_closed_region_goes_to_the_cheapest_place_though_it_is_dearer) {
    init();
    struct plan plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_assert_eq(plan.action_count, 1);
    const struct plan_action *a = &plan.actions[0];
    cr_expect_eq(a->type, ACTION_MIGRATE);
    cr_expect_str_eq(a->to.provider, "platform/gcp");
    cr_expect_eq(a->to.count, 10);
    cr_expect_lt(a->saving_hourly, 0);
    cr_expect_str_eq(a->why[0], "must leave: that is closed");
    cr_expect(strstr(a->why[1], "costs 0.0400 USD"), "%s", a->why[1]);
    cr_expect_eq(plan.desired_cost_hourly, 1000000);
    cr_expect_eq(plan.lower_bound_hourly, 1000000, "staying is for sale no more");
    cr_expect_str_eq(unmet(&plan), "");
}

Test(whatif, of_a_closed_type_another_takes_the_place_and_of_a_closed_provider_another_provider) {
    init();
    struct plan plan = plan_without((struct headroom_closure){.type = "m5.*"});
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].type, ACTION_RIGHTSIZE);
    cr_expect_str_eq(plan.actions[0].to.type, "m6.large");
    plan = plan_without((struct headroom_closure){.provider = "aws"});
    cr_assert_eq(plan.action_count, 1);
    cr_expect_str_eq(plan.actions[0].to.provider, "platform/gcp");
    closures[1] = (struct headroom_closure){.provider = "platform/g*", .text = "this"};
    closures[0] = (struct headroom_closure){.region = "us-east-1", .text = "that"};
    plan = plan_if(&(struct whatif){.closures = closures, .closure_count = 2});
    cr_assert_eq(plan.action_count, 1);
    cr_expect_str_eq(plan.actions[0].to.region, "eu-west-1");
}

Test(whatif, hysteresis_is_no_reason_to_stay_where_nothing_is_sold) {
    init();
    w.policy.disruption.min_saving_percent = 90;
    w.resources[0].last_change = (struct snapshot_change){NOW_MS - 1, "platform/gcp", "us-central1", "n2-2"};
    struct plan plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_assert_eq(plan.action_count, 1);
    cr_expect_str_eq(plan.actions[0].to.provider, "platform/gcp");
}

Test(whatif, more_demand_than_is_there_now_is_served_elsewhere_too) {
    init();
    world_demand(&w, 0, 26);
    struct plan plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_assert_eq(plan.action_count, 1, "one action, no growth in the closed place beside it");
    cr_expect_eq(plan.actions[0].type, ACTION_MIGRATE);
    cr_expect_eq(plan.actions[0].to.count, 20);
}

Test(whatif, what_may_not_leave_stands_as_it_is_and_its_demand_is_told_as_unmet) {
    init();
    world_demand(&w, 0, 26);
    w.policy.actions = 1U << ACTION_SCALE;
    struct plan plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_expect_eq(plan.action_count, 0, "it does not grow there");
    cr_expect_eq(plan.desired, 10);
    cr_expect(strstr(unmet(&plan), "that is closed: 26.0 vCPU of demand would not be served"), "%s", unmet(&plan));
    cr_expect_eq(plan_stranded_cost(&plan), 960000);
    w.policy.actions |= 1U << ACTION_MIGRATE;
    w.policy.placement.target_count = 0;
    plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_expect(strstr(unmet(&plan), "nothing that is for sale"), "%s", unmet(&plan));
    w.resources[0].resource.count_manager = "HorizontalPodAutoscaler/web";
    plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_expect_eq(plan.action_count, 0);
    cr_expect(strstr(unmet(&plan), "HorizontalPodAutoscaler/web sets"), "%s", unmet(&plan));
}

/* A disk serves no demand, nor does what is stopped; and where nothing may grow no minimum binds. */
Test(whatif, what_stores_needs_no_other_place) {
    init();
    struct snapshot_resource *disk = world_add(&w, 1, 0), *machine = world_add(&w, 1, 0);
    disk->resource.kind = CLOUD_VOLUME;
    machine->resource.kind = CLOUD_INSTANCE;
    machine->resource.state = CLOUD_STOPPED;
    w.sources[1].state = w.sources[2].state = SOURCE_STALE; /* So that nothing else is said of them. */
    w.policy.actions = 1U << ACTION_SCALE;
    w.policy.capacity.min = 2;
    struct plan plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    size_t count = 0;
    for (size_t i = 0; i < plan.why_not_count; i++)
        count += strcmp(plan.why_not[i].reason, PLAN_UNMET) == 0;
    cr_expect_eq(count, 1, "the group's alone");
    cr_expect_null(plan.binding, "%s", plan.binding);
    struct buf text = {0};
    plan_print_difference(&plan, &plan, &text);
    cr_expect(strstr(buf_text(&text), "g1  stays 1\n"), "no price of a disk: %s", buf_text(&text));
    buf_release(&text);
}

#define MANY 4000

/* Each resource is looked up, not searched for: of 4,000 with as many reasons and actions. */
Test(whatif, a_difference_of_a_large_estate_is_told_in_no_time, .timeout = 20) {
    static struct plan_action actions[MANY];
    static struct plan_why_not why_not[MANY];
    static struct plan_resource resources[2 * MANY];
    static char ids[2 * MANY][16], names[MANY][32];
    for (size_t i = 0; i < 2 * MANY; i++) {
        snprintf(ids[i], sizeof(ids[i]), "g%zu", i);
        resources[i] = (struct plan_resource){
            .provider = "p", .region = "r", .id = ids[i], .kind = CLOUD_INSTANCE_GROUP, .desired_cost_hourly = 2};
    }
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "p/r/g%zu", i);
        why_not[i] = (struct plan_why_not){.reason = PLAN_UNMET, .message = "m", .target = names[i]};
        actions[i] = (struct plan_action){
            .type = ACTION_SCALE, .provider = "p", .region = "r", .kind = CLOUD_INSTANCE_GROUP, .id = ids[MANY + i]};
    }
    const struct plan plan = {.actions = actions,
                              .action_count = MANY,
                              .why_not = why_not,
                              .why_not_count = MANY,
                              .resources = resources,
                              .resource_count = 2 * MANY,
                              .hash = "0",
                              .unit = "machines"};
    struct buf text = {0};
    plan_print_difference(&plan, &plan, &text);
    cr_expect(strstr(buf_text(&text), "p/r/g3999  cannot leave: 0"));
    cr_expect_eq(plan_stranded_cost(&plan), 2 * MANY);
    buf_release(&text);
}

Test(whatif, nothing_leaves_on_a_view_that_is_stale_or_without_a_forecast) {
    init();
    w.sources[0].state = SOURCE_STALE;
    struct plan plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_expect_eq(plan.action_count, 0);
    cr_expect(strstr(unmet(&plan), "older than allowed"), "%s", unmet(&plan));
    w.sources[0].state = SOURCE_FRESH;
    w.forecasts[0].basis = FORECAST_BASIS_NONE;
    plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_expect_eq(plan.action_count, 0);
    cr_expect(strstr(unmet(&plan), "what it serves would not be served"), "%s", unmet(&plan));
}

Test(whatif, the_maximum_counts_what_is_open_and_what_it_leaves_over_is_unmet) {
    init();
    w.policy.capacity.max = 10; /* As many as there are: they count as gone. */
    struct plan plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].to.count, 10);
    w.policy.capacity.max = 6;
    plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].to.count, 6);
    cr_expect_eq(plan.desired, 6);
    cr_expect(strstr(unmet(&plan), "5.2 vCPU of demand would not be served: capacity.max 6 leaves 6 of 10"), "%s",
              unmet(&plan));
    cr_expect_eq(plan_stranded_cost(&plan), 0);
    w.policy.capacity.max = 0;
    plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_expect_eq(plan.action_count, 0);
    cr_expect(strstr(unmet(&plan), "capacity.max 0 leaves no room"), "%s", unmet(&plan));
    w.policy.capacity.max = 2;
    w.resources[0].resource.count_min = 3; /* Two are no such group. */
    plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_expect_eq(plan.action_count, 0);
    cr_expect(strstr(unmet(&plan), "capacity.max 2 leaves 2 machines, and the group must have 3"), "%s", unmet(&plan));
}

/* Other groups are planned as they are, with what is left of the sums. */
Test(whatif, an_open_group_is_planned_beside_what_leaves) {
    init();
    add_group(4, 7.8);
    w.sources[1].region = w.resources[1].resource.region = w.resources[1].offer.region = "eu-west-1";
    w.resources[1].offer.price_hourly = 107000;
    struct plan plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_assert_eq(plan.action_count, 2);
    cr_expect_eq(world_action(&plan, "g1")->to.count, 6);
    cr_expect_eq(world_action(&plan, "g0")->to.count, 10);
    w.policy.capacity.max = 12;
    plan = plan_without((struct headroom_closure){.region = "us-east-1"});
    cr_assert_eq(plan.action_count, 2);
    cr_expect_leq(world_action(&plan, "g1")->to.count + world_action(&plan, "g0")->to.count, 12);
}

Test(whatif, prices_follow_the_factor_and_decide) {
    init();
    factors[0] = (struct whatif_factor){.offers = {.provider = "aws*"}, .factor = 1.25, .text = "aws*=1.25"};
    struct plan plan = plan_if(&(struct whatif){.prices = factors, .price_count = 1});
    cr_expect_eq(plan.cost_hourly, 1200000);
    cr_assert_eq(plan.action_count, 1, "gcp is now cheaper by more than a twentieth");
    cr_expect_str_eq(plan.actions[0].to.provider, "platform/gcp");
    factors[1] = (struct whatif_factor){.offers = {.region = "us-*", .type = "m5.large"}, .factor = 0.8};
    plan = plan_if(&(struct whatif){.prices = factors, .price_count = 2});
    cr_expect_eq(plan.cost_hourly, 960000, "factors multiply");
    cr_expect_eq(plan.action_count, 0);
    cr_expect_eq(w.offers[0].offer.price_hourly, 107000, "the snapshot that was seen is left alone");
}

Test(whatif, a_price_stays_a_price_and_what_is_unknown_unknown) {
    init();
    w.resources[0].resource.price_hourly = 3; /* As a listing tells it, of a pod. */
    w.offers[1].offer.price_hourly = -1;
    factors[0] = (struct whatif_factor){.offers = {.provider = "*"}, .factor = 1e-6};
    const struct plan_input input = {&w.policy, &w.snapshot, w.forecasts, w.headroom};
    struct plan_input changed =
        whatif_input(&(struct whatif){.prices = factors, .price_count = 1}, "shop/web", &input, &w.arena);
    cr_expect_eq(changed.snapshot->resources[0].resource.price_hourly, 1);
    cr_expect_eq(changed.snapshot->offers[0].offer.price_hourly, 1);
    cr_expect_eq(changed.snapshot->offers[1].offer.price_hourly, -1);
    cr_expect_eq(changed.snapshot->resources[0].offer.price_spot_hourly, -1);
}

Test(whatif, demand_is_exactly_proportional) {
    init();
    static float history[3] = {1.5F, NAN, 2.5F};
    static struct history_raise raises[1] = {{1, 7}};
    w.resources[0].history =
        (struct history_series){.step_ms = STEP_MS, .count = 3, .demand = history, .raises = raises, .raise_count = 1};
    const struct plan_input input = {&w.policy, &w.snapshot, w.forecasts, w.headroom};
    const char *const patterns[] = {"shop/web", "web", "g0", "g?", "platform/aws/us-east-1/g0"};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
        factors[0] = (struct whatif_factor){.pattern = patterns[i], .factor = 3};
        struct plan_input changed =
            whatif_input(&(struct whatif){.demands = factors, .demand_count = 1}, "shop/web", &input, &w.arena);
        const struct forecast *f = &changed.forecasts[0];
        for (size_t k = 0; k < f->steps * f->quantile_count; k++)
            cr_assert_float_eq(f->values[k], 3 * w.values[0][k], 0, "%s", patterns[i]);
        const struct history_series *series = &changed.snapshot->resources[0].history;
        cr_expect_float_eq(series->demand[0], 4.5, 0);
        cr_expect(isnan(series->demand[1]));
        cr_expect_float_eq(series->raises[0].demand, 21, 0);
    }
    cr_expect_float_eq(history[0], 1.5, 0);
    factors[0] = (struct whatif_factor){.pattern = "w", .factor = 3};
    struct plan_input same =
        whatif_input(&(struct whatif){.demands = factors, .demand_count = 1}, "shop/web", &input, &w.arena);
    cr_expect_eq(same.forecasts[0].values, w.forecasts[0].values, "of another policy");
}

Test(whatif, twice_the_demand_is_twice_the_machines) {
    init();
    w.policy.actions = 1U << ACTION_SCALE;
    factors[0] = (struct whatif_factor){.pattern = "web", .factor = 2};
    struct plan plan = plan_if(&(struct whatif){.demands = factors, .demand_count = 1});
    cr_expect_eq(plan.desired, 20);
    cr_expect_eq(plan.desired_cost_hourly, 2 * 960000);
    factors[0].factor = 0;
    plan = plan_if(&(struct whatif){.demands = factors, .demand_count = 1});
    cr_expect_eq(plan.desired, 0);
}

Test(whatif, hits_say_what_each_touches) {
    init();
    closures[0] = (struct headroom_closure){.region = "us-east-1"};
    closures[1] = (struct headroom_closure){.region = "us-east-1", .type = "c*"};
    factors[0] = (struct whatif_factor){.offers = {.type = "n2-*"}, .factor = 1};
    struct whatif_factor demand = {.pattern = "api", .factor = 1};
    const struct whatif whatif = {closures, 2, factors, &demand, 1, 1};
    size_t hits[4] = {0};
    whatif_hits(&whatif, "shop/web", &w.snapshot, hits);
    cr_expect_eq(hits[0], 3, "the group and two offers");
    cr_expect_eq(hits[1], 0);
    cr_expect_eq(hits[2], 1);
    cr_expect_eq(hits[3], 0);
}

static uint64_t rng = 88172645463325252u;
static int64_t draw(int64_t below) { /* xorshift */
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (int64_t)(rng % (uint64_t)below);
}

/* With one offer fewer nothing can be served for less. The plan itself may become cheaper where it is forced to a move
 * that was not worth the disruption: so the bound is what is held to it. */
Test(whatif, the_fewer_offers_the_higher_the_bound) {
    static const char *const types[] = {"m5.large", "m6.large", "m7.large", "m8.large", "n2-2", "n2-4"};
    for (int round = 0; round < 300; round++) {
        init();
        world_demand(&w, 0, (double)(1 + draw(20)));
        add_group(1 + draw(20), (double)(1 + draw(20)));
        for (size_t i = 1; i < 5; i++)
            sell("platform/gcp", "us-central1", types[i], 1 + draw(8), 20000 + draw(300000));
        sell("platform/aws", "eu-west-1", types[5], 1 + draw(8), 20000 + draw(300000));
        w.policy.capacity.min = draw(4);
        struct plan before = world_plan(&w);
        struct plan after = plan_without((struct headroom_closure){.type = types[draw(6)]});
        cr_assert_geq(after.lower_bound_hourly, before.lower_bound_hourly, "round %d: %s", round, unmet(&after));
        cr_assert_geq(after.desired_cost_hourly, after.lower_bound_hourly, "round %d", round);
        for (size_t i = 0; i < after.action_count; i++)
            cr_assert(!after.actions[i].to.type || strcmp(after.actions[i].to.type, closures[0].type) != 0);
    }
}
