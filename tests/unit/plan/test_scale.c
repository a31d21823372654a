/*
 * How many machines, and what of it may be done now.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "world.h"

static struct world w; /* One test, one process. */

Test(plan_scale, the_smallest_count_that_serves_the_demand_at_the_target) {
    static const struct {
        double demand;
        int64_t expected;
    } rows[] = {{0, 0}, {0.1, 1}, {1.3, 1}, {1.3001, 2}, {13, 10}, {38.2, 30}, {1e18, 1000}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        world_init(&w);
        world_add(&w, 7, rows[i].demand);
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.desired, rows[i].expected, "demand %g: %lld", rows[i].demand, (long long)plan.desired);
        cr_expect_eq(plan.actions[0].to.count, rows[i].expected);
        arena_release(&w.arena);
    }
}

Test(plan_scale, memory_is_counted_in_mebibytes) {
    world_init(&w);
    w.policy.forecast.metric = CLOUD_METRIC_MEMORY;
    world_add(&w, 7, 10000)->capacity_per_machine = 4096;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.desired, 4, "10000 / (4096 x 0.65) = 3.76");
    arena_release(&w.arena);
}

/* 4096 x 0.65 serve 2662.4. */
Test(plan_scale, what_was_killed_for_want_of_memory_is_not_given_less_than_was_held_against_it) {
    static const struct history_raise raises[] = {{1790553600000, 20000}, {1790557200000, 15000}};
    static const struct {
        enum cloud_metric metric;
        double demand;
        size_t first, count; /* Of the raises. */
        enum forecast_basis basis;
        int64_t expected;
        double covered;
        const char *why;
    } rows[] = {
        {CLOUD_METRIC_MEMORY, 10000, 0, 0, FORECAST_BASIS_OWN, 4, 10000, NULL},
        {CLOUD_METRIC_MEMORY, 10000, 0, 2, FORECAST_BASIS_OWN, 8, 20000, "2026-09-28T00:00:00Z: 20000.0 MiB"},
        {CLOUD_METRIC_MEMORY, 10000, 1, 1, FORECAST_BASIS_OWN, 6, 15000, "2026-09-28T01:00:00Z: 15000.0 MiB"},
        {CLOUD_METRIC_MEMORY, 30000, 0, 2, FORECAST_BASIS_OWN, 12, 30000, NULL},
        {CLOUD_METRIC_CPU, 10, 0, 2, FORECAST_BASIS_OWN, 4, 10, NULL},
        {CLOUD_METRIC_MEMORY, 0, 0, 2, FORECAST_BASIS_NONE, 7, 0, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        world_init(&w);
        w.policy.forecast.metric = rows[i].metric;
        struct snapshot_resource *r = world_add(&w, 7, rows[i].demand);
        r->capacity_per_machine = 4096;
        r->history.raises = raises + rows[i].first;
        r->history.raise_count = rows[i].count;
        w.forecasts[0].basis = rows[i].basis;
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.desired, rows[i].expected, "row %zu: %lld", i, (long long)plan.desired);
        cr_expect_float_eq(plan.resources[0].demand, rows[i].covered, 1e-6, "row %zu", i);
        const char *why = plan.action_count ? plan.actions[0].why[0] : plan.why_not[0].message;
        cr_expect_eq(strstr(why, "raised after an OOM kill at ") != NULL, rows[i].why != NULL, "row %zu: %s", i, why);
        cr_expect(!rows[i].why || strstr(why, rows[i].why), "row %zu: %s", i, why);
        if (rows[i].why)
            cr_expect(strstr(plan.actions[0].why[1], "demand stays under 10000.0 MiB"), "%s", plan.actions[0].why[1]);
        arena_release(&w.arena);
    }
}

Test(plan_scale, a_size_that_a_raise_keeps_says_so) {
    static const struct history_raise raise = {1790553600000, 20000};
    world_init(&w);
    w.policy.forecast.metric = CLOUD_METRIC_MEMORY;
    struct snapshot_resource *r = world_add(&w, 8, 10000);
    r->capacity_per_machine = 4096;
    r->history.raises = &raise;
    r->history.raise_count = 1;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 0);
    cr_expect_str_eq(plan.why_not[0].reason, "InTrim");
    cr_expect(strstr(plan.why_not[0].message, "raised after an OOM kill at 2026-09-28T00:00:00Z"), "%s",
              plan.why_not[0].message);
    arena_release(&w.arena);
}

/* Now is in the step that starts with the forecast; lead time 2 steps: steps 0 to 3 are read, not more. */
Test(plan_scale, the_window_is_the_lead_time_and_one_step) {
    static const struct {
        size_t peak_at;
        int64_t as_of_ms, expected;
    } rows[] = {{0, NOW_MS, 5},           {3, NOW_MS, 5},           {4, NOW_MS, 1},
                {0, NOW_MS + STEP_MS, 1}, {4, NOW_MS + STEP_MS, 5}, {4, NOW_MS - 5 * STEP_MS, 1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        world_init(&w);
        world_add(&w, 1, 1); /* So that only growth shows. */
        size_t n = w.forecasts[0].quantile_count;
        for (size_t j = 0; j < n; j++)
            w.values[0][rows[i].peak_at * n + j] = 6.5;
        w.snapshot.as_of_ms = rows[i].as_of_ms;
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.desired, rows[i].expected, "row %zu: %lld", i, (long long)plan.desired);
        arena_release(&w.arena);
    }
}

Test(plan_scale, a_shrink_that_would_be_wanted_back_within_the_hold_window_is_not_made) {
    static const struct {
        size_t peak_at;
        int64_t expected;
    } rows[] = {{4, 3}, {8, 3}, {13, 3}, {14, 1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        world_init(&w);
        w.policy.disruption.cooldown_ms = 900000;
        world_add(&w, 3, 1);
        size_t n = w.forecasts[0].quantile_count;
        for (size_t j = 0; j < n; j++)
            w.values[0][rows[i].peak_at * n + j] = 6.5; /* Five machines, but not yet: three stay. */
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.desired, rows[i].expected, "row %zu: %lld", i, (long long)plan.desired);
        arena_release(&w.arena);
    }
}

Test(plan_scale, the_quantile_is_the_policys) {
    static const struct {
        int64_t violation_per_mille;
        double expected;
    } rows[] = {{0, 0.9999}, {1, 0.999}, {10, 0.99}, {500, 0.5}, {900, 0.1}, {1000, 0.001}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        world_init(&w);
        w.policy.sla.max_violation_per_mille = rows[i].violation_per_mille;
        double q[FORECAST_QUANTILES_MAX];
        size_t count = plan_quantiles(&w.policy, q);
        bool has_own = false, has_median = false;
        for (size_t j = 0; j < count; j++) {
            cr_assert(q[j] > 0 && q[j] < 1 && (j == 0 || q[j] > q[j - 1]));
            has_own |= q[j] > rows[i].expected - 1e-9 && q[j] < rows[i].expected + 1e-9;
            has_median |= q[j] == 0.5;
        }
        cr_expect(has_own && has_median, "%lld per mille", (long long)rows[i].violation_per_mille);
        world_add(&w, 1, 1);
        w.values[0][0] = 1;
        for (size_t s = 0; s < WORLD_STEPS; s++)
            for (size_t j = 0; j < count; j++)
                w.values[0][s * count + j] = q[j] < rows[i].expected - 1e-9   ? 1
                                             : q[j] > rows[i].expected + 1e-9 ? 100
                                                                              : 9;
        cr_expect_eq(world_plan(&w).resources[0].demand, 9);
        arena_release(&w.arena);
    }
}

/* The same demand at every quantile but the highest: is what lies above it worth serving? */
Test(plan_scale, a_violation_has_a_price) {
    static const struct {
        int64_t cost;
        double level, expected;
    } rows[] = {{100, 1, 5}, {100, 50, 9}, {20000, 1, 9}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        world_init(&w);
        w.policy.sla.violation_cost = rows[i].cost;
        world_add(&w, 1, 1);
        struct forecast *f = &w.forecasts[0];
        cr_assert_eq(f->quantile_count, forecast_price_quantiles((double[FORECAST_QUANTILES_MAX]){0}));
        f->level = rows[i].level;
        for (size_t s = 0; s < WORLD_STEPS; s++)
            for (size_t j = 0; j < f->quantile_count; j++)
                w.values[0][s * f->quantile_count + j] = f->quantiles[j] < 0.9985 ? 5 : 9;
        struct plan plan = world_plan(&w);
        double demand = plan.resources[0].demand;
        cr_expect(demand >= rows[i].expected && demand < rows[i].expected + 4, "row %zu: %g", i, demand);
        cr_assert_eq(plan.action_count, 1u);
        cr_expect(strstr(plan.actions[0].why[0], "is worth serving"), "%s", plan.actions[0].why[0]);
        arena_release(&w.arena);
    }
}

static struct policy_slot slot_of(const char *cron, int64_t duration_ms, int64_t weight) {
    struct policy_slot slot = {.duration_ms = duration_ms, .weight = weight};
    struct error err = {0};
    cr_assert_eq(schedule_parse(cron, "UTC", &slot.schedule, &err), ERR_NONE, "%s", err.message);
    return slot;
}

/* Demand of three machines at the policy's own quantile, of nine at that of a weight of five. */
static void demand_of_weights(struct world *world) {
    struct forecast *f = &world->forecasts[0];
    for (size_t s = 0; s < WORLD_STEPS; s++)
        for (size_t j = 0; j < f->quantile_count; j++)
            world->values[0][s * f->quantile_count + j] = f->quantiles[j] > 0.9995 ? 11.7 : 3.9;
}

static bool states(const double *q, size_t count, double wanted) {
    for (size_t j = 0; j < count; j++)
        if (fabs(q[j] - wanted) < 1e-12)
            return true;
    return false;
}

Test(plan_scale, a_weight_divides_the_violation_that_is_allowed) {
    static const struct {
        int64_t violation_per_mille, weight;
        double expected;
    } rows[] = {{10, 1, 0.99},   {10, 2, 0.995}, {10, 10, 0.999}, {10, 1000, 0.9999}, {1, 5, 0.9998},
                {1, 20, 0.9999}, {50, 5, 0.99},  {500, 5, 0.9},   {1000, 4, 0.75},    {0, 7, 0.9999}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct policy_slot slot = slot_of("0 0 * * *", 86400000, rows[i].weight); /* Always. */
        world_init(&w);
        w.policy.sla.max_violation_per_mille = rows[i].violation_per_mille;
        w.policy.sla.slots = &slot;
        w.policy.sla.slot_count = 1;
        world_add(&w, 1, 1);
        struct forecast *f = &w.forecasts[0];
        cr_assert(states(f->quantiles, f->quantile_count, rows[i].expected), "row %zu", i);
        for (size_t s = 0; s < WORLD_STEPS; s++)
            for (size_t j = 0; j < f->quantile_count; j++)
                w.values[0][s * f->quantile_count + j] = f->quantiles[j]; /* Demand tells which was read. */
        cr_expect_float_eq(world_plan(&w).resources[0].demand, rows[i].expected, 1e-12, "row %zu", i);
        arena_release(&w.arena);
    }
}

/* Any slots: ascending and distinct, the policy's own and the greatest weight's among them, and what finds no room is
 * read from a stricter one. */
Test(plan_scale, quantiles_have_room_for_any_slots) {
    static const int64_t violations[] = {0, 1, 3, 10, 50, 200, 500, 1000};
    uint64_t chance = 1;
    for (int round = 0; round < 500; round++) {
        struct policy_slot slots[16];
        int64_t greatest = 1;
        world_init(&w);
        w.policy.sla.max_violation_per_mille = violations[round % 8];
        w.policy.sla.slots = slots;
        w.policy.sla.slot_count = (size_t)(round % 17);
        for (size_t i = 0; i < w.policy.sla.slot_count; i++) {
            chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407;
            slots[i].weight = 1 + (int64_t)((chance >> 33) % (round % 2 ? 1000 : 20));
            greatest = slots[i].weight > greatest ? slots[i].weight : greatest;
        }
        double q[FORECAST_QUANTILES_MAX], share = (double)violations[round % 8] / 1000;
        size_t count = plan_quantiles(&w.policy, q);
        cr_assert_leq(count, (size_t)FORECAST_QUANTILES_MAX);
        for (size_t j = 0; j < count; j++)
            cr_assert(q[j] > 0 && q[j] < 1 && (j == 0 || q[j] > q[j - 1]), "round %d", round);
        cr_assert(states(q, count, 0.5) && states(q, count, fmin(0.9999, fmax(0.001, 1 - share))), "round %d", round);
        double strictest = fmin(0.9999, fmax(0.001, 1 - share / (double)greatest));
        cr_assert(states(q, count, strictest) && q[count - 1] >= strictest, "round %d", round);
    }
}

/* Now is 02:40; lead time 2 steps of five minutes: what is served before 03:00 is planned for. */
Test(plan_scale, a_slot_counts_from_the_lead_time_before_it_opens) {
    static const struct {
        const char *opens;
        int64_t minutes, expected;
    } rows[] = {
        {"55 2 * * *", 60, 9}, /* The last step of the window. */
        {"59 2 * * *", 60, 9}, /* Within it: its part counts for the whole step. */
        {"0 3 * * *", 60, 3},  /* Not yet. */
        {"0 2 * * *", 41, 9},  /* Still open. */
        {"0 2 * * *", 40, 3},  /* Just closed. */
        {"0 2 * * 2", 60, 3},  /* Tomorrow. */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct policy_slot slots[] = {slot_of(rows[i].opens, rows[i].minutes * 60000, 5),
                                            slot_of("0 0 * * *", 86400000, 1)};
        world_init(&w);
        w.policy.sla.slots = slots;
        w.policy.sla.slot_count = 2;
        world_add(&w, 1, 1);
        demand_of_weights(&w);
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.desired, rows[i].expected, "row %zu: %lld", i, (long long)plan.desired);
        const char *why = plan.actions[0].why[0], *words = "with 99.9 % for the next 20m";
        cr_expect(strstr(why, words), "row %zu: %s", i, why);
        words = "99.9 % for the next 20m, with 99.98 % where sla.slots make it worth 5 times as much (median";
        cr_expect_eq(strstr(why, words) != NULL, rows[i].expected == 9, "row %zu: %s", i, why);
        arena_release(&w.arena);
    }
}

/* What a slot will want back within the hold window is not given up. */
Test(plan_scale, a_shrink_waits_for_a_slot_that_opens_soon) {
    static const struct {
        const char *opens;
        int64_t expected;
    } rows[] = {{"0 3 * * *", 9}, {"49 3 * * *", 9}, {"50 3 * * *", 3}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct policy_slot slot = slot_of(rows[i].opens, 3600000, 5);
        world_init(&w);
        w.policy.sla.slots = &slot;
        w.policy.sla.slot_count = 1;
        world_add(&w, 9, 1);
        demand_of_weights(&w);
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.desired, rows[i].expected, "row %zu: %lld", i, (long long)plan.desired);
        arena_release(&w.arena);
    }
}

/* Now is 02:40; the window ends at 03:00. */
Test(plan_scale, why_tells_the_events_of_the_window) {
    struct policy_event events[] = {
        {.name = "past", .start_ms = NOW_MS - 3600000, .duration_ms = 3600000, .factor_percent = 500},
        {.name = "sale", .start_ms = NOW_MS + 900000, .duration_ms = 3600000, .factor_percent = 300},
        {.name = "night", .recurs = true, .duration_ms = 7200000, .factor_percent = 50},
        {.name = "later", .start_ms = NOW_MS + 1200000, .duration_ms = 3600000, .factor_percent = 200},
        {.name = "more", .start_ms = NOW_MS, .duration_ms = 60000, .factor_percent = 101},
        {.name = "most", .start_ms = NOW_MS, .duration_ms = 60000, .factor_percent = 102},
    };
    static const struct {
        size_t count;
        const char *expected;
    } rows[] = {{1, NULL},
                {2, "counts in sale (300 %)"},
                {4, "counts in sale (300 %), night (50 %)"},
                {6, "counts in sale (300 %), night (50 %), more (101 %) and 1 more"}};
    events[2].schedule = slot_of("0 1 * * *", 0, 1).schedule;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        world_init(&w);
        w.policy.forecast.events = events;
        w.policy.forecast.event_count = rows[i].count;
        world_add(&w, 1, 13);
        struct plan plan = world_plan(&w);
        const char *second = plan.actions[0].why[1];
        if (rows[i].expected)
            cr_expect_str_eq(second, rows[i].expected);
        else
            cr_expect_null(strstr(second, "counts in"), "%s", second);
        arena_release(&w.arena);
    }
}

Test(plan_scale, steps_cover_the_window) {
    world_init(&w);
    w.policy.sla.lead_time_ms = 600000;
    w.policy.disruption.cooldown_ms = 900000;
    cr_assert_eq(plan_steps(&w.policy, 300000), 14); /* An hour at least, the running step, one more. */
    cr_assert_eq(plan_steps(&w.policy, 420000), 11);
    cr_assert_eq(plan_steps(&w.policy, 3600000), 3);
    w.policy.disruption.cooldown_ms = 2 * 3600000;
    cr_assert_eq(plan_steps(&w.policy, 300000), 28);
    w.policy.sla.lead_time_ms = INT64_C(3650) * 86400000;
    cr_assert_eq(plan_steps(&w.policy, 60000), FORECAST_STEPS_MAX);
}

Test(plan_scale, a_groups_own_bounds_hold) {
    world_init(&w);
    world_add(&w, 5, 26)->resource.count_max = 8;
    world_add(&w, 5, 0)->resource.count_min = 3;
    struct plan plan = world_plan(&w);
    cr_assert_eq(world_action(&plan, "g0")->to.count, 8);
    cr_assert_eq(world_action(&plan, "g1")->to.count, 3);
    cr_assert_str_eq(plan.binding, "group.max");
    arena_release(&w.arena);
}

Test(plan_scale, above_capacity_max_is_cut_in_proportion) {
    world_init(&w);
    w.policy.capacity.max = 20;
    world_add(&w, 1, 26);  /* 20 */
    world_add(&w, 1, 13);  /* 10 */
    world_add(&w, 1, 6.5); /* 5 */
    struct plan plan = world_plan(&w);
    /* 20 x 20/35 = 11.43, 5.71, 2.86: floors 11, 5, 2, and the two greatest remainders. */
    cr_assert_eq(plan.resources[0].desired, 11);
    cr_assert_eq(plan.resources[1].desired, 6);
    cr_assert_eq(plan.resources[2].desired, 3);
    cr_assert_str_eq(plan.binding, "capacity.max");
    arena_release(&w.arena);
}

Test(plan_scale, a_cut_respects_the_minimum_of_each_group) {
    world_init(&w);
    w.policy.capacity.max = 12;
    world_add(&w, 1, 26);
    world_add(&w, 6, 6.5)->resource.count_min = 5;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.resources[1].desired, 5);
    cr_assert_eq(plan.resources[0].desired, 7);
    arena_release(&w.arena);
}

Test(plan_scale, below_capacity_min_the_cheapest_is_raised) {
    world_init(&w);
    w.policy.capacity.min = 12;
    world_add(&w, 1, 1.3);
    world_add(&w, 1, 1.3)->offer.price_hourly = 50000;
    w.resources[1].resource.count_max = 6;
    world_add(&w, 1, 1.3)->has_offer = false;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.resources[1].desired, 6, "the cheapest, up to its own maximum");
    cr_assert_eq(plan.resources[0].desired, 5);
    cr_assert_eq(plan.resources[2].desired, 1, "an unknown price is the dearest");
    cr_assert_str_eq(plan.binding, "capacity.min");
    arena_release(&w.arena);
}

Test(plan_scale, a_shrink_is_limited_to_max_change_percent_rounded_up) {
    static const struct {
        int64_t count, percent, to;
    } rows[] = {{10, 25, 7}, {8, 25, 6}, {3, 25, 2}, {2, 1, 1}, {1, 25, 0}, {100, 100, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        world_init(&w);
        w.policy.disruption.max_change_percent = rows[i].percent;
        world_add(&w, rows[i].count, 0);
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.actions[0].to.count, rows[i].to, "%lld at %lld %%: %lld", (long long)rows[i].count,
                     (long long)rows[i].percent, (long long)plan.actions[0].to.count);
        cr_expect_eq(plan.desired, 0);
        arena_release(&w.arena);
    }
}

Test(plan_scale, growth_is_not_limited_by_max_change_percent) {
    world_init(&w);
    w.policy.disruption.max_change_percent = 1;
    world_add(&w, 2, 130);
    cr_assert_eq(world_plan(&w).actions[0].to.count, 100);
    arena_release(&w.arena);
}

Test(plan_scale, a_shrink_must_save_enough_unless_a_bound_commands_it) {
    static const struct {
        const char *what;
        int64_t max, minimum_saving_percent, actions;
    } rows[] = {
        {"10 of 100", INT64_MAX, 10, 1}, {"less than asked", INT64_MAX, 11, 0}, {"above capacity.max", 95, 11, 1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        world_init(&w);
        w.policy.capacity.max = rows[i].max;
        w.policy.disruption.min_saving_percent = rows[i].minimum_saving_percent;
        world_add(&w, 100, 117); /* 90 */
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, (size_t)rows[i].actions, "%s", rows[i].what);
        if (!rows[i].actions)
            cr_expect_str_eq(world_why_not(&plan, "g0"), "BelowMinSaving");
        arena_release(&w.arena);
    }
}

/* The sum is inside its bounds whatever part of the plan is carried out first. */
Test(plan_scale, growth_does_not_count_on_others_shrinking) {
    world_init(&w);
    w.policy.capacity.max = 12;
    world_add(&w, 10, 2.6); /* 2 */
    world_add(&w, 2, 10.4); /* 8 */
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_assert_eq(world_action(&plan, "g0")->to.count, 2);
    cr_assert_str_eq(world_why_not(&plan, "g1"), "AtMaximum");
    world_apply(&w, &plan);
    plan = world_plan(&w);
    cr_assert_eq(world_action(&plan, "g1")->to.count, 8);
    arena_release(&w.arena);
}

Test(plan_scale, shrinking_does_not_count_on_others_growing) {
    world_init(&w);
    w.policy.capacity.min = 10;
    world_add(&w, 8, 2.6);
    world_add(&w, 2, 2.6)->offer.price_hourly = 1000;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_assert_eq(world_action(&plan, "g1")->to.count, 8);
    cr_assert_str_eq(world_why_not(&plan, "g0"), "AtMinimum");
    arena_release(&w.arena);
}
