/*
 * The plan as a whole: order, money, hashes, and the laws that hold for any world.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/buf.h"
#include "base/json.h"
#include "world.h"

static struct world w;

static uint64_t chance_next(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int64_t draw(uint64_t *state, int64_t below) {
    return (int64_t)(chance_next(state) % (uint64_t)below);
}

static void world_draw(uint64_t seed) {
    uint64_t s = seed;
    world_init(&w);
    w.policy.capacity.min = draw(&s, 20);
    w.policy.capacity.max = draw(&s, 3) ? w.policy.capacity.min + draw(&s, 60) : INT64_MAX;
    w.policy.disruption.max_change_percent = 1 + draw(&s, 100);
    w.policy.disruption.min_saving_percent = draw(&s, 30);
    w.policy.sla.max_violation_per_mille = draw(&s, 2) ? 1 : draw(&s, 1001);
    w.headroom.freeze_growth = draw(&s, 6) == 0;
    w.headroom.shrink_to_minimum = draw(&s, 8) == 0;
    size_t count = 1 + (size_t)draw(&s, WORLD_MAX);
    for (size_t i = 0; i < count; i++) {
        struct snapshot_resource *r = world_add(&w, draw(&s, 30), (double)draw(&s, 500) / 10);
        r->resource.count_min = draw(&s, 2) ? draw(&s, 4) : 0;
        r->resource.count_max = draw(&s, 2) ? r->resource.count_min + draw(&s, 40) : 1000;
        r->offer.price_hourly = draw(&s, 4) * 50000;
        r->has_offer = draw(&s, 5) != 0;
        w.sources[i].state = draw(&s, 3) ? SOURCE_FRESH : (enum source_state)draw(&s, 4);
        r->claimed_by = draw(&s, 10) ? NULL : "team/other";
        w.forecasts[i].basis = draw(&s, 8) ? FORECAST_BASIS_OWN : FORECAST_BASIS_NONE;
    }
}

static int64_t sum_counts(void) {
    int64_t sum = 0;
    for (size_t i = 0; i < w.count; i++)
        sum += w.resources[i].resource.count;
    return sum;
}

static void print(const struct plan *plan, struct buf *out) {
    plan_print_json(plan, out);
    plan_print_text(plan, out);
}

/* Checkers that know the rules but not the code. */
static void check_action(const struct plan_action *a, uint64_t seed) {
    unsigned long long s = seed;
    for (size_t i = 0; i < w.count; i++) {
        const struct snapshot_resource *r = &w.resources[i];
        if (strcmp(r->resource.id, a->id) != 0)
            continue;
        const struct cloud_resource *c = &r->resource;
        cr_assert_eq(a->from.count, c->count, "seed %llu", s);
        cr_assert_neq(a->to.count, c->count, "seed %llu", s);
        cr_assert_null(r->claimed_by, "seed %llu", s);
        cr_assert_neq(w.sources[r->source].state, SOURCE_MISSING, "seed %llu", s);
        cr_assert(a->risk_per_mille >= 0 && a->risk_per_mille <= 1000, "seed %llu", s);
        cr_assert(a->confidence_per_mille >= 0 && a->confidence_per_mille <= 1000, "seed %llu", s);
        cr_assert_gt(a->why_count, 0);
        if (a->to.count > c->count) {
            cr_assert_leq(a->to.count, c->count_max, "seed %llu", s);
            cr_assert_not(w.headroom.freeze_growth, "seed %llu", s);
            continue;
        }
        cr_assert_geq(a->to.count, c->count_min, "seed %llu", s);
        cr_assert_eq(w.sources[r->source].state, SOURCE_FRESH, "seed %llu", s);
        cr_assert_neq(w.forecasts[i].basis, FORECAST_BASIS_NONE, "seed %llu", s);
        int64_t most = (c->count * w.policy.disruption.max_change_percent + 99) / 100;
        cr_assert_leq(c->count - a->to.count, most > 1 ? most : 1, "seed %llu", s);
    }
}

Test(plan_compute, stays_inside_every_bound_in_any_world) {
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        world_draw(seed);
        struct plan plan = world_plan(&w);
        int64_t before = sum_counts(), growth = 0, shrink = 0;
        for (size_t i = 0; i < plan.action_count; i++) {
            check_action(&plan.actions[i], seed);
            int64_t change = plan.actions[i].to.count - plan.actions[i].from.count;
            growth += change > 0 ? change : 0;
            shrink += change < 0 ? -change : 0;
        }
        /* Any part of the plan, in any order: all of the growth alone, all of the shrinking alone. */
        if (growth)
            cr_assert_leq(before + growth, w.policy.capacity.max, "seed %llu", (unsigned long long)seed);
        if (shrink)
            cr_assert_geq(before - shrink, w.policy.capacity.min, "seed %llu", (unsigned long long)seed);
        cr_assert_eq(plan.action_count + plan.why_not_count, w.count, "each is acted on or explained");
        arena_release(&w.arena);
    }
}

Test(plan_compute, converges_and_then_is_quiet) {
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        world_draw(seed);
        struct plan plan = world_plan(&w);
        int turn = 0;
        for (; plan.action_count; turn++) {
            cr_assert_lt(turn, 200, "seed %llu does not settle", (unsigned long long)seed);
            world_apply(&w, &plan);
            plan = world_plan(&w);
        }
        arena_release(&w.arena);
    }
}

Test(plan_compute, is_empty_after_it_was_carried_out) {
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        world_draw(seed);
        w.policy.disruption.max_change_percent = 100; /* Else a shrink goes on with the next plan, by design. */
        w.policy.capacity.min = 0;
        w.policy.capacity.max = INT64_MAX;
        struct plan plan = world_plan(&w);
        world_apply(&w, &plan);
        cr_assert_eq(world_plan(&w).action_count, 0, "seed %llu", (unsigned long long)seed);
        arena_release(&w.arena);
    }
}

Test(plan_compute, the_order_of_the_snapshot_does_not_matter) {
    for (uint64_t seed = 1; seed <= 300; seed++) {
        world_draw(seed);
        struct buf one = {0}, other = {0};
        struct plan plan = world_plan(&w);
        print(&plan, &one);
        uint64_t s = seed;
        for (size_t i = w.count; i > 1; i--) {
            size_t k = (size_t)draw(&s, (int64_t)i);
            struct snapshot_resource r = w.resources[k];
            struct forecast f = w.forecasts[k];
            w.resources[k] = w.resources[i - 1];
            w.forecasts[k] = w.forecasts[i - 1];
            w.resources[i - 1] = r;
            w.forecasts[i - 1] = f;
        }
        plan = world_plan(&w);
        print(&plan, &other);
        cr_assert_str_eq(buf_text(&one), buf_text(&other), "seed %llu", (unsigned long long)seed);
        buf_release(&one);
        buf_release(&other);
        arena_release(&w.arena);
    }
}

Test(plan_compute, growth_comes_before_shrinking) {
    world_init(&w);
    world_add(&w, 10, 2.6);
    world_add(&w, 2, 13);
    world_add(&w, 10, 2.6);
    world_add(&w, 2, 13);
    struct plan plan = world_plan(&w);
    static const char *const expected[] = {"g1", "g3", "g0", "g2"};
    cr_assert_eq(plan.action_count, 4);
    for (size_t i = 0; i < 4; i++)
        cr_expect_str_eq(plan.actions[i].id, expected[i]);
    arena_release(&w.arena);
}

Test(plan_compute, money_comes_from_the_offer) {
    static const float history[] = {1, 26, 3};
    world_init(&w);
    world_add(&w, 10, 2.6)->history = (struct history_series){.step_ms = STEP_MS, .count = 3, .demand = history};
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.cost_hourly, 960000);
    cr_assert_eq(plan.desired_cost_hourly, 192000);
    cr_assert_eq(plan.peak_cost_hourly, 20 * 96000, "26 vCPU at the peak");
    cr_assert_eq(plan.actions[0].cost_hourly, 192000);
    cr_assert_eq(plan.actions[0].saving_hourly, 768000);
    w.resources[0].offer.price_hourly = -1;
    plan = world_plan(&w);
    cr_assert_eq(plan.cost_hourly, -1);
    cr_assert_eq(plan.desired_cost_hourly, -1);
    cr_assert_eq(plan.peak_cost_hourly, -1);
    cr_assert_eq(plan.actions[0].cost_hourly, -1);
    cr_assert_eq(plan.actions[0].saving_hourly, 0);
    arena_release(&w.arena);
}

Test(plan_compute, the_hash_covers_what_is_done_and_nothing_that_wanders) {
    world_init(&w);
    world_add(&w, 10, 2.6);
    struct plan plan = world_plan(&w);
    char hash[17], action_hash[17];
    memcpy(hash, plan.hash, sizeof(hash));
    memcpy(action_hash, plan.actions[0].hash, sizeof(hash));
    cr_assert_eq(strlen(hash), 16);

    world_demand(&w, 0, 2.5); /* Still 2 machines. */
    w.resources[0].offer.price_hourly = 1;
    w.sources[0].as_of_ms = 1;
    w.forecasts[0].coverage_per_mille = 1;
    plan = world_plan(&w);
    cr_assert_str_eq(plan.hash, hash);
    cr_assert_str_eq(plan.actions[0].hash, action_hash);

    world_demand(&w, 0, 2.7); /* 3 machines. */
    cr_assert_str_neq(world_plan(&w).hash, hash);
    world_demand(&w, 0, 2.6);
    w.resources[0].resource.count = 11;
    cr_assert_str_neq(world_plan(&w).hash, hash);
    w.resources[0].resource.count = 10;
    w.resources[0].resource.count_max = 999;
    cr_assert_str_neq(world_plan(&w).hash, hash);
    arena_release(&w.arena);
}

Test(plan_compute, risk_falls_with_the_count_and_meets_the_policy) {
    world_init(&w);
    world_add(&w, 100, 13);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.actions[0].to.count, 10);
    cr_assert_leq(plan.actions[0].risk_per_mille, 1);
    w.resources[0].resource.count_max = 6; /* 7.8 vCPU for a median of 6.5 and 13 at q0.999. */
    plan = world_plan(&w);
    cr_assert(plan.actions[0].risk_per_mille > 300 && plan.actions[0].risk_per_mille < 500, "%lld",
              (long long)plan.actions[0].risk_per_mille);
    w.resources[0].resource.count_max = 1;
    cr_assert_gt(world_plan(&w).actions[0].risk_per_mille, 800);
    arena_release(&w.arena);
}

Test(plan_compute, the_sentences_bear_the_figures) {
    world_init(&w);
    world_add(&w, 10, 38.2);
    struct plan plan = world_plan(&w);
    const struct plan_action *a = &plan.actions[0];
    cr_assert_str_eq(a->why[0], "demand stays under 38.2 vCPU with 99.9 % for the next 20m (median 19.1 vCPU; test, "
                                "basis own)");
    cr_assert_str_eq(a->why[1], "10 x m5.large (2 vCPU) at 65 % serve 13.0 vCPU; 30 serve 39.0 vCPU");
    cr_assert_str_eq(a->why[a->why_count - 1], "costs 1.9200 USD an hour");
    arena_release(&w.arena);
}

Test(plan_compute, nothing_to_plan_is_an_empty_plan) {
    world_init(&w);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count + plan.why_not_count + plan.resource_count, 0);
    cr_assert_eq(plan.cost_hourly, 0);
    cr_assert_eq(strlen(plan.hash), 16);
    arena_release(&w.arena);
}

Test(plan_print, json_is_valid_and_complete) {
    for (uint64_t seed = 1; seed <= 100; seed++) {
        world_draw(seed);
        struct plan plan = world_plan(&w);
        struct buf out = {0};
        struct json *json = NULL;
        struct error err = {0};
        plan_print_json(&plan, &out);
        cr_assert_eq(json_parse(buf_bytes(&out), &json, &err), ERR_NONE, "%s: %s", err.message, buf_text(&out));
        cr_assert_eq(json_array_count(json_get(json, "actions")), plan.action_count);
        cr_assert_eq(json_array_count(json_get(json, "whyNot")), plan.why_not_count);
        cr_assert_eq(json_array_count(json_get(json, "resources")), plan.resource_count);
        cr_assert_eq(json_int(json_get(json, "desired"), -1), plan.desired);
        cr_assert_eq(json_type(json_get(json, "costHourly")), plan.cost_hourly < 0 ? JSON_NULL : JSON_STRING);
        json_free(json);
        buf_release(&out);
        arena_release(&w.arena);
    }
}

Test(plan_print, text_reads_like_a_diff) {
    world_init(&w);
    world_add(&w, 10, 2.6);
    world_add(&w, 2, 2.6);
    struct plan plan = world_plan(&w);
    struct buf out = {0};
    plan_print_text(&plan, &out);
    cr_assert_not_null(strstr(buf_text(&out), "- Scale platform/aws/us-east-1/g0  10 -> 2"));
    cr_assert_not_null(strstr(buf_text(&out), "= platform/aws/us-east-1/g1  InTrim"));
    cr_assert_not_null(
        strstr(buf_text(&out), "1 action; 12 machines, 4 desired; cost 1.1520 USD/h, desired 0.3840 USD/h"));
    buf_release(&out);
    arena_release(&w.arena);
}
