/*
 * Other machines and other places: which candidates there are, what they cost, which are taken, and the bound.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "world.h"

static struct world w; /* One test, one process. */

/* Ten m5.large (2 vCPU, 8 GiB, 0.096) that demand just fills; horizon one hour, of which none is kept by the lead. */
static struct snapshot_resource *estate_init(struct world *world, int64_t count) {
    world_init(world);
    world->policy.actions = 1U << ACTION_SCALE | 1U << ACTION_RIGHTSIZE;
    world->policy.forecast.horizon_ms = WORLD_STEPS * STEP_MS;
    world->policy.disruption.min_saving_percent = 5;
    world->policy.sla.lead_time_ms = STEP_MS;
    struct snapshot_resource *r = world_add(world, count, (double)count * 1.3);
    world_large(r);
    world_sell(world, world_offer("us-east-1", "m5.large", 2, 8, 96000));
    return r;
}

static bool is_without_action(const struct plan *plan, const char *reason, const char *text) {
    return plan->action_count == 0 && strstr(world_message(plan, reason), text) && text[0];
}

Test(plan_estate, a_cheaper_machine_that_serves_the_same_is_proposed) {
    estate_init(&w, 10);
    world_sell(&w, world_offer("us-east-1", "m6a.xlarge", 4, 16, 150000));
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    const struct plan_action *a = &plan.actions[0];
    cr_expect_eq(a->type, ACTION_RIGHTSIZE);
    cr_expect_str_eq(a->from.type, "m5.large");
    cr_expect_str_eq(a->to.type, "m6a.xlarge");
    cr_expect_eq(a->from.count, 10);
    cr_expect_eq(a->to.count, 5);
    cr_expect_eq(a->cost_hourly, 750000);
    cr_expect_eq(a->saving_hourly, 960000 - 750000);
    cr_expect_eq(plan.desired, 5);
    cr_expect_eq(plan.desired_cost_hourly, 750000);
    cr_expect_eq(plan.lower_bound_hourly, 750000);
    cr_expect_eq(plan.gap_per_mille, 0);
    arena_release(&w.arena);
}

/* Histories need not end together: a row's steps have the worth of their own moments, and none is read of a grid that
 * is shorter. */
Test(plan_estate, what_serving_is_worth_follows_each_rows_own_grid) {
    money_micros savings[2] = {0};
    for (int is_beside = 0; is_beside <= 1; is_beside++) {
        estate_init(&w, 10);
        struct policy_slot slot = {.weight = 100, .duration_ms = 8 * STEP_MS};
        struct error err;
        cr_assert_eq(schedule_parse("0 * * * *", "UTC", &slot.schedule, &err), ERR_NONE);
        w.policy.sla.slots = &slot;
        w.policy.sla.slot_count = 1;
        world_demand(&w, 0, 13);
        world_sell(&w, world_offer("us-east-1", "m6a.xlarge", 4, 16, 150000));
        if (is_beside) {
            struct snapshot_resource first = w.resources[0];
            struct snapshot_resource *other = world_add(&w, 10, 13);
            first.resource.id = first.resource.name = other->resource.id;
            first.source = other->source;
            *other = first;
            w.forecasts[1].start_ms -= 6 * STEP_MS;
            w.forecasts[1].steps = 12;
        }
        struct plan plan = world_plan(&w);
        for (size_t i = 0; i < plan.action_count; i++)
            if (strcmp(plan.actions[i].id, w.resources[0].resource.id) == 0)
                savings[is_beside] = plan.actions[i].saving_hourly;
        arena_release(&w.arena);
    }
    cr_expect_gt(savings[0], 0);
    cr_expect_eq(savings[0], savings[1]);
}

Test(plan_estate, why_not_of_each_kind_of_candidate) {
    static const struct {
        const char *reason;
        struct {
            const char *type, *architecture;
            int64_t vcpu, gib, price;
        } offer;
    } rows[] = {
        {"DearerThanNow", {"m6a.xlarge", "amd64", 4, 16, 200000}},
        {"BelowMinSaving", {"m6a.xlarge", "amd64", 4, 16, 184000}},
        {"WrongArchitecture", {"m7g.large", "arm64", 2, 8, 50000}},
        {"ExcludedType", {"m4.large", "amd64", 2, 8, 50000}},
        {"ExcludedType", {"m5.24xlarge", "amd64", 96, 384, 50000}},
        {"TooSmall", {"c5.large", "amd64", 2, 4, 50000}},
        {"TooSmall", {"t2.large", "amd64", 2, 8, 50000}}, /* Its vCPUs cannot be used all of the time. */
        {"TooSmall", {"m5.nano", "amd64", 1, 4, 1000}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        static const char *const exclude[] = {"m4.*"};
        estate_init(&w, 10)->resource.count_max = 15;
        w.policy.placement.exclude = exclude;
        w.policy.placement.exclude_count = 1;
        w.policy.placement.vcpu_max = 64;
        struct snapshot_offer offer =
            world_offer("us-east-1", rows[i].offer.type, rows[i].offer.vcpu, rows[i].offer.gib, rows[i].offer.price);
        offer.offer.architecture = rows[i].offer.architecture;
        world_sell(&w, offer);
        struct plan plan = world_plan(&w);
        cr_expect(is_without_action(&plan, rows[i].reason, rows[i].offer.type), "row %zu: %s", i,
                  plan.why_not[plan.why_not_count - 1].reason);
        arena_release(&w.arena);
    }
}

Test(plan_estate, a_price_that_is_not_known_is_told) {
    estate_init(&w, 10);
    world_sell(&w, world_offer("us-east-1", "m9.large", 2, 8, -1));
    struct plan plan = world_plan(&w);
    cr_expect(is_without_action(&plan, "UnknownPrice", "m9.large"));
    arena_release(&w.arena);
}

/* Two hours at 0.2 less each hour; the lead time is what both cost together. */
Test(plan_estate, a_change_pays_its_cost_back_within_the_horizon) {
    for (int64_t lead = 1; lead <= 8; lead++) {
        estate_init(&w, 10);
        world_sell(&w, world_offer("us-east-1", "m6a.xlarge", 4, 16, 150000));
        w.policy.sla.lead_time_ms = lead * STEP_MS;
        struct plan plan = world_plan(&w);
        bool pays = (960000 + 750000) * lead < (960000 - 750000) * WORLD_STEPS;
        cr_expect_eq(plan.action_count, pays ? 1 : 0, "lead %lld", (long long)lead);
        cr_expect(pays || strstr(world_message(&plan, "NotWorthDisruption"), "m6a.xlarge"));
        arena_release(&w.arena);
    }
}

Test(plan_estate, only_what_the_policy_allows) {
    estate_init(&w, 10);
    world_sell(&w, world_offer("us-east-1", "m6a.xlarge", 4, 16, 150000));
    w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_MIGRATE;
    struct plan plan = world_plan(&w);
    cr_expect(is_without_action(&plan, "ActionNotAllowed", "m6a.xlarge"));
    cr_expect_eq(plan.lower_bound_hourly, 960000, "What it may not do is no bound of what it does");
    arena_release(&w.arena);
}

Test(plan_estate, other_machines_only_from_a_fresh_view_and_an_own_forecast_and_not_beside_growth) {
    for (int row = 0; row < 8; row++) {
        struct snapshot_resource *r = estate_init(&w, 10);
        world_sell(&w, world_offer("us-east-1", "m6a.xlarge", 4, 16, 100000));
        if (row == 1)
            w.sources[0].state = SOURCE_STALE;
        if (row == 2)
            w.sources[0].state = SOURCE_TRUNCATED;
        if (row == 3)
            w.sources[0].state = SOURCE_MISSING;
        if (row == 4)
            w.forecasts[0].basis = FORECAST_BASIS_POOLED;
        if (row == 5)
            world_demand(&w, 0, 14);
        if (row == 6)
            r->claimed_by = "shop/other";
        if (row == 7)
            r->resource.size_manager = "terraform";
        struct plan plan = world_plan(&w);
        bool is_moved = plan.action_count > 0 && plan.actions[0].type == ACTION_RIGHTSIZE;
        cr_expect_eq(is_moved, row == 0, "row %d", row);
        cr_expect(row != 5 || plan.actions[0].to.count == 11, "Growth goes first");
        arena_release(&w.arena);
    }
}

/* Otherwise the step limits of shrinking would not hold; the bound knows of it all the same. */
Test(plan_estate, the_size_goes_first) {
    estate_init(&w, 20);
    world_demand(&w, 0, 13);
    world_sell(&w, world_offer("us-east-1", "m6a.xlarge", 4, 16, 100000));
    w.policy.disruption.max_change_percent = 25;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].type, ACTION_SCALE);
    cr_expect_eq(plan.actions[0].to.count, 15);
    cr_expect_eq(plan.lower_bound_hourly, 500000);
    cr_expect_eq(plan.gap_per_mille, 480, "0.96 desired, 0.5 at least: 47.92 %%");
    arena_release(&w.arena);
}

Test(plan_estate, what_was_changed_is_not_changed_back_within_the_horizon) {
    for (int64_t steps = 0; steps <= WORLD_STEPS + 1; steps++) {
        struct snapshot_resource *r = estate_init(&w, 10);
        world_sell(&w, world_offer("us-east-1", "m6a.xlarge", 4, 16, 150000));
        if (steps > 0)
            r->last_change =
                (struct snapshot_change){NOW_MS - steps * STEP_MS + 1, "platform/aws", "us-east-1", "m6a.xlarge"};
        struct plan plan = world_plan(&w);
        bool is_old = steps == 0 || steps > WORLD_STEPS;
        cr_expect_eq(plan.action_count, is_old, "%lld", (long long)steps);
        cr_expect(is_old || strstr(world_message(&plan, "PingPong"), "m6a.xlarge"));
        arena_release(&w.arena);
    }
}

static struct policy_target target_of(const char *provider, const char *region, bool is_spot) {
    return (struct policy_target){.provider = {"platform", provider},
                                  .region = region,
                                  .template = "lt-1",
                                  .on_demand = !is_spot,
                                  .spot = is_spot};
}

Test(plan_estate, another_place_pays_for_its_data) {
    for (int64_t gib = 0; gib <= 60; gib += 10) {
        const struct policy_target target = target_of("aws", "us-west-2", false);
        const struct policy_data data = {"s3://assets", gib << 30, false};
        estate_init(&w, 10);
        w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_MIGRATE;
        w.policy.placement.targets = &target;
        w.policy.placement.target_count = 1;
        w.policy.placement.data = &data;
        w.policy.placement.data_count = gib > 0;
        world_sell(&w, world_offer("us-west-2", "m5.large", 2, 8, 40000));
        struct plan plan = world_plan(&w);
        /* Two hours at 0.56 less; five minutes of both; 0.02 for each GiB begun. */
        int64_t once = (960000 + 400000) / 12 + (gib > 0 ? 20000 * (gib + 1) : 0);
        bool pays = once < 560000 * 2;
        cr_assert_eq(plan.action_count, pays, "%lld GiB", (long long)gib);
        cr_expect(pays || strstr(world_message(&plan, "NotWorthDisruption"), "us-west-2"));
        if (pays) {
            cr_expect_eq(plan.actions[0].type, ACTION_MIGRATE);
            cr_expect_str_eq(plan.actions[0].to.region, "us-west-2");
            cr_expect_str_eq(plan.actions[0].to.template, "lt-1");
            cr_expect_str_eq(plan.actions[0].to.purchase, "OnDemand");
        }
        arena_release(&w.arena);
    }
}

Test(plan_estate, a_place_without_offers_is_closed) {
    const struct policy_target target = target_of("gcp", "us-central1", false);
    estate_init(&w, 10);
    w.policy.actions |= 1U << ACTION_MIGRATE;
    w.policy.placement.targets = &target;
    w.policy.placement.target_count = 1;
    struct plan plan = world_plan(&w);
    cr_expect(is_without_action(&plan, "PlaceClosed", "platform/gcp/us-central1"));
    arena_release(&w.arena);
}

Test(plan_estate, spot_holds_more_for_what_is_interrupted) {
    const struct policy_target target = target_of("aws", "us-east-1", true);
    estate_init(&w, 20);
    w.policy.actions |= 1U << ACTION_MIGRATE;
    w.policy.placement.targets = &target;
    w.policy.placement.target_count = 1;
    w.offers[0].offer.price_spot_hourly = 40000;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].type, ACTION_MIGRATE);
    cr_expect_str_eq(plan.actions[0].from.purchase, "OnDemand");
    cr_expect_str_eq(plan.actions[0].to.purchase, "Spot");
    cr_expect_eq(plan.actions[0].to.count, 22, "20 / 0.95 = 21.05");
    arena_release(&w.arena);
}

/* Of two groups only one can have the machine that needs more of them. */
Test(plan_estate, the_sum_of_counts_decides_who_changes) {
    for (int64_t spare = 0; spare <= 20; spare += 5) {
        estate_init(&w, 10);
        world_sell(&w, world_offer("us-east-1", "m6a.medium", 1, 4, 30000));
        struct snapshot_resource *other = world_add(&w, 10, 6.5);
        *other = w.resources[0];
        other->resource.id = w.ids[1];
        other->source = 1;
        world_demand(&w, 1, 13);
        w.policy.capacity.max = 20 + spare;
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, (size_t)(spare / 10), "spare %lld: %zu", (long long)spare, plan.action_count);
        cr_expect(spare >= 20 || strstr(world_message(&plan, "AtMaximum"), "m6a.medium"));
        cr_expect_leq(plan.lower_bound_hourly, plan.desired_cost_hourly);
        /* Half of a row may have it in the relaxation: 1.92 less 0.36 for each ten. */
        cr_expect_eq((plan.lower_bound_hourly + 5) / 10, (1920000 - 36000 * spare + 5) / 10, "spare %lld: %lld",
                     (long long)spare, (long long)plan.lower_bound_hourly);
        arena_release(&w.arena);
    }
}

/* ---- any world ---- */

static uint64_t chance = 1;

static int64_t draw(int64_t low, int64_t high) {
    chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407;
    return low + (int64_t)((chance >> 33) % (uint64_t)(high - low + 1));
}

static char types[32][48];

static void draw_world(void) {
    static const struct policy_target target = {
        .provider = {"platform", "aws"}, .region = "us-west-2", .on_demand = true, .spot = true};
    size_t groups = (size_t)draw(1, 5);
    int64_t sum = 0;
    estate_init(&w, draw(1, 30));
    w.policy.actions = 1U << ACTION_SCALE | (uint32_t)draw(0, 3) << ACTION_RIGHTSIZE;
    w.policy.placement.targets = &target;
    w.policy.placement.target_count = (size_t)draw(0, 1);
    w.policy.disruption.min_saving_percent = draw(0, 10);
    for (size_t i = 1; i < groups; i++) {
        struct snapshot_resource first = w.resources[0];
        *world_add(&w, 1, 1) = first;
        w.resources[i].resource.id = w.ids[i];
        w.resources[i].source = i;
    }
    for (size_t i = 0; i < groups; i++) {
        struct cloud_resource *r = &w.resources[i].resource;
        r->count = draw(1, 30);
        r->count_min = draw(0, 3);
        r->count_max = draw(30, 100);
        world_demand(&w, i, (double)draw(1, 400) / 10);
        for (size_t s = 0; s < WORLD_STEPS; s++)
            for (size_t j = 0; j < w.forecasts[i].quantile_count; j++)
                w.values[i][s * w.forecasts[i].quantile_count + j] *= 1 + (double)(s % 5) / 10;
        sum += r->count;
    }
    w.policy.capacity.min = draw(0, sum);
    w.policy.capacity.max = draw(0, 2) ? sum + draw(0, 100) : INT64_MAX;
    for (size_t i = 0; i < (size_t)draw(0, 20); i++) {
        int64_t vcpu = INT64_C(1) << draw(0, 4);
        snprintf(types[i], sizeof(types[i]), "x%zu.%lld", i, (long long)vcpu);
        struct snapshot_offer offer = world_offer(draw(0, 1) ? "us-east-1" : "us-west-2", types[i], vcpu,
                                                  vcpu * draw(3, 6), vcpu * draw(20000, 80000));
        offer.offer.price_spot_hourly = offer.offer.price_hourly / 2;
        world_sell(&w, offer);
    }
}

static void check_inside(const struct plan *plan, int round) {
    int64_t least = 0, most = 0;
    for (size_t i = 0; i < w.count; i++) {
        const struct cloud_resource *r = &w.resources[i].resource;
        const struct plan_action *a = world_action(plan, r->id);
        int64_t to = a ? a->to.count : r->count;
        bool is_moved = a && a->type == ACTION_MIGRATE;
        cr_assert(!a || (to >= r->count_min && to <= r->count_max), "round %d: %s to %lld", round, r->id,
                  (long long)to);
        cr_assert(!a || w.policy.actions >> a->type & 1u, "round %d", round);
        cr_assert(!a || a->type == ACTION_SCALE || a->saving_hourly > 0, "round %d", round);
        least += to < r->count ? to : r->count;
        most += is_moved ? r->count + to : to > r->count ? to : r->count;
    }
    cr_assert(least >= w.policy.capacity.min || plan->actual < w.policy.capacity.min, "round %d", round);
    cr_assert(most <= w.policy.capacity.max, "round %d: %lld", round, (long long)most);
}

Test(plan_estate, any_world_stays_inside_its_limits_and_above_its_bound) {
    for (int round = 0; round < 3000; round++) {
        draw_world();
        struct plan plan = world_plan(&w);
        check_inside(&plan, round);
        cr_assert(plan.lower_bound_hourly >= 0 && plan.lower_bound_hourly <= plan.desired_cost_hourly,
                  "round %d: bound %lld, cost %lld", round, (long long)plan.lower_bound_hourly,
                  (long long)plan.desired_cost_hourly);
        cr_assert(plan.gap_per_mille >= 0 && plan.gap_per_mille <= 1000);
        arena_release(&w.arena);
    }
}

/* What the world costs over the horizon with the plan carried out, once-only costs left out. */
static money_micros bound_without(size_t left_out) {
    struct snapshot_offer all[32];
    size_t count = w.snapshot.offer_count;
    memcpy(all, w.offers, sizeof(all));
    for (size_t i = left_out; i + 1 < count; i++)
        w.offers[i] = w.offers[i + 1];
    w.snapshot.offer_count = count - 1;
    money_micros bound = world_plan(&w).lower_bound_hourly;
    memcpy(w.offers, all, sizeof(all));
    w.snapshot.offer_count = count;
    return bound;
}

Test(plan_estate, an_offer_less_never_lowers_the_bound) {
    for (int round = 0; round < 2000; round++) {
        draw_world();
        money_micros bound = world_plan(&w).lower_bound_hourly;
        size_t left_out = (size_t)draw(0, (int64_t)w.snapshot.offer_count - 1);
        cr_assert_geq(bound_without(left_out) + 10, bound, "round %d", round);
        arena_release(&w.arena);
    }
}

/* As the cloud lists it afterwards: the same group of other machines. */
static void apply(const struct plan *plan) {
    for (size_t i = 0; i < w.count; i++) {
        struct snapshot_resource *r = &w.resources[i];
        const struct plan_action *a = world_action(plan, r->resource.id);
        if (a && a->type == ACTION_RIGHTSIZE) {
            const char *before = r->resource.type;
            for (size_t k = 0; k < w.snapshot.offer_count; k++)
                if (strcmp(w.offers[k].offer.type, a->to.type) == 0 &&
                    strcmp(w.offers[k].offer.region, "us-east-1") == 0)
                    r->offer = w.offers[k].offer;
            r->resource.type = r->offer.type;
            r->resource.vcpu_milli = r->capacity_per_machine = r->offer.vcpu_milli;
            r->resource.memory_mib = r->offer.memory_mib;
            r->last_change = (struct snapshot_change){NOW_MS, r->provider, "us-east-1", before};
        }
        if (a)
            r->resource.count = r->resource.serving = a->to.count;
    }
}

Test(plan_estate, a_plan_that_was_carried_out_is_followed_by_none) {
    int changed = 0;
    for (int round = 0; round < 3000; round++) {
        draw_world();
        w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_RIGHTSIZE;
        w.policy.capacity.min = 0;
        w.policy.capacity.max = INT64_MAX;
        struct plan plan = {0};
        for (int turn = 0; turn < 3; turn++) { /* The size goes first; other machines then, if they are worth it. */
            plan = world_plan(&w);
            for (size_t i = 0; i < plan.action_count; i++)
                changed += plan.actions[i].type == ACTION_RIGHTSIZE;
            if (turn < 2)
                apply(&plan);
        }
        cr_assert_eq(plan.action_count, 0, "round %d", round);
        arena_release(&w.arena);
    }
    cr_expect_gt(changed, 500);
}

/* Ten machines of 1.3 carry 13, of which 2 is what their agents use (0.2 each). One of 11.7 has 11.5 for the other 11.
 */
Test(plan_estate, agents_are_fewer_on_fewer_machines) {
    estate_init(&w, 10);
    world_sell(&w, world_offer("us-east-1", "m6a.large-x9", 18, 84, 800000));
    cr_assert_eq(world_plan(&w).action_count, 0);
    w.policy.placement.overhead.vcpu_milli = 200;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_str_eq(plan.actions[0].to.type, "m6a.large-x9");
    cr_expect_eq(plan.actions[0].to.count, 1);
    cr_expect_eq(plan.lower_bound_hourly, 800000);
    w.policy.placement.overhead.vcpu_milli = 400; /* 1.3 - 0.4 each: 9 of work. */
    w.offers[1].offer.vcpu_milli = 15000;         /* 9.75 - 0.4 */
    w.offers[1].offer.memory_mib = 84 * 1024;
    cr_assert_eq(world_plan(&w).actions[0].to.count, 1);
    arena_release(&w.arena);
}

Test(plan_estate, agents_keep_memory_too) {
    estate_init(&w, 10);
    world_sell(&w, world_offer("us-east-1", "narrow", 4, 15, 150000)); /* 7.5 GiB for two vCPUs. */
    cr_assert_eq(world_plan(&w).action_count, 0);
    w.policy.placement.overhead.memory_mib = 1024; /* 14 on two cores' worth of 7 each. */
    cr_assert_eq(world_plan(&w).action_count, 1);
    arena_release(&w.arena);
}

Test(plan_estate, licences_are_paid_for_each_machine) {
    estate_init(&w, 10);
    world_sell(&w, world_offer("us-east-1", "m6a.xlarge", 4, 16, 192000)); /* As dear for each core. */
    cr_assert_eq(world_plan(&w).action_count, 0);
    w.policy.placement.overhead.hourly_cost = 50000;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].to.count, 5);
    cr_expect_eq(plan.cost_hourly, 10 * (96000 + 50000));
    cr_expect_eq(plan.actions[0].cost_hourly, 5 * (192000 + 50000));
    cr_expect_eq(plan.actions[0].saving_hourly, 5 * 50000);
    cr_expect_eq(plan.lower_bound_hourly, 5 * (192000 + 50000));
    arena_release(&w.arena);
}

Test(plan_estate, an_overhead_that_leaves_nothing_is_told) {
    estate_init(&w, 10);
    world_sell(&w, world_offer("us-east-1", "m6a.xlarge", 4, 16, 150000));
    w.policy.placement.overhead.vcpu_milli = 1300;
    struct plan plan = world_plan(&w);
    cr_expect(is_without_action(&plan, "TooSmall", "placement.overhead is all that a m5.large can spare at 65 %"));
    w.policy.placement.overhead.vcpu_milli = INT64_MAX;
    plan = world_plan(&w);
    cr_expect(is_without_action(&plan, "TooSmall", "placement.overhead"));
    arena_release(&w.arena);
}
