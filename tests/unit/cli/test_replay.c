/*
 * A replayed history: its sums on series that are small enough for pencil and paper, when capacity is there, and that
 * nothing of the future is known.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/backtest_replay.h"

#define STEP_MS INT64_C(300000)
#define DAY 288
#define SLOTS_MAX (5 * DAY)

static float demand[SLOTS_MAX];
static struct policy policy;
static struct history_series series;
static struct replay_input input;
static struct replay replay;
static struct arena arena;

/* Ten of demand a machine, all of it used; a lead time of two slots. What may be changed is changed afterwards. */
static void setup(void) {
    policy = (struct policy){.mode = MODE_OBSERVE, .actions = 1U << ACTION_SCALE};
    policy.selector.kinds = 1U << CLOUD_INSTANCE_GROUP;
    policy.sla.target_utilization_percent = 100;
    policy.sla.lead_time_ms = 2 * STEP_MS;
    policy.capacity.min = 1;
    policy.capacity.max = 100;
    policy.disruption.max_change_percent = 100;
    policy.disruption.max_concurrent = 1;
    series = (struct history_series){.start_ms = STEP_MS * 5900000, .step_ms = STEP_MS, .demand = demand};
    input = (struct replay_input){.policy = &policy, .series = &series, .unit = 10, .first = 1, .every = 1};
}

static void teardown(void) {
    arena_release(&arena);
}

TestSuite(replay, .init = setup, .fini = teardown);

static void demand_set(const float *values, size_t count) {
    memcpy(demand, values, count * sizeof(*values));
    series.count = count;
}

/* A level for so many slots from `from` on. */
static void demand_hold(size_t from, size_t to, float value) {
    for (size_t i = from; i < to; i++)
        demand[i] = value;
    series.count = to > series.count ? to : series.count;
}

static void run(void) {
    replay_run(&input, &arena, &replay);
    cr_assert_eq(replay.count, series.count - input.first);
}

static void expect_serving(const struct replay_slot *slots, const char *expected) {
    char told[512] = "";
    for (size_t i = 0; i < replay.count; i++)
        snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s%lld", i ? " " : "", (long long)slots[i].serving);
    cr_expect_str_eq(told, expected);
}

/* ---- sums ---- */

Test(replay, machines_that_serve_a_demand) {
    cr_expect_eq(replay_need(0, 10), 0);
    cr_expect_eq(replay_need(-5, 10), 0);
    cr_expect_eq(replay_need(0.1, 10), 1);
    cr_expect_eq(replay_need(1e-30, 10), 1, "whatever is above no capacity is a violation");
    cr_expect_eq(replay_need(30, 10), 3);
    cr_expect_eq(replay_need(30.0000000001, 10), 3, "a rounding is no machine");
    cr_expect_eq(replay_need(30.001, 10), 4);
    cr_expect_eq(replay_need(1e300, 1e-9), REPLAY_COUNT_MAX);
    cr_expect_not(replay_is_violated(30, 30));
    cr_expect_not(replay_is_violated(30.00000001, 30));
    cr_expect(replay_is_violated(30.001, 30));
    cr_expect(replay_is_violated(1e-9, 0));
}

/*     demand    20   35    -   10    5         capacity at 10 a machine
 *     serving    2    3    3    1    2         20   30   30   10   20
 *     over       0    0    -    0   15         15 of 70
 *     under      0    5    -    0    0          5 of 70                     */
Test(replay, a_score_is_the_sum_over_the_steps_with_a_demand) {
    static const float values[] = {99, 20, 35, NAN, 10, 5};
    static const struct replay_slot slots[] = {{2, 2}, {4, 3}, {4, 3}, {1, 1}, {3, 2}};
    demand_set(values, 6);
    replay = (struct replay){.count = 5, .each = 10};
    struct replay_score score = replay_score(&input, &replay, slots);
    cr_expect_eq(score.steps, 4);
    cr_expect_eq(score.violations, 1);
    cr_expect_float_eq(score.slack, 15.0 / 70, 1e-12);
    cr_expect_float_eq(score.unmet, 5.0 / 70, 1e-12);
    cr_expect_float_eq(score.machine_hours, (2 + 4 + 1 + 3) * 5.0 / 60, 1e-12, "what is paid, not what serves");
}

Test(replay, without_any_demand_there_is_no_slack_to_speak_of) {
    static const float values[] = {1, 0, 0};
    static const struct replay_slot slots[] = {{1, 1}, {1, 1}};
    demand_set(values, 3);
    replay = (struct replay){.count = 2, .each = 10};
    struct replay_score score = replay_score(&input, &replay, slots);
    cr_expect_eq(score.steps, 2);
    cr_expect_eq(score.violations, 0);
    cr_expect(isnan(score.slack) && isnan(score.unmet));
}

/* ---- the others ---- */

Test(replay, the_oracle_has_at_each_step_just_what_it_needs) {
    static const float values[] = {50, 20, 21, NAN, 0, 95, 1000};
    demand_set(values, 7);
    policy.capacity.max = 50;
    run();
    cr_expect_float_eq(replay.each, 10, 1e-12);
    expect_serving(replay.oracle, "2 3 3 1 10 50"); /* A gap keeps the size; never outside of the bounds. */
    struct replay_score score = replay_score(&input, &replay, replay.oracle);
    cr_expect_eq(score.violations, 1);
    cr_expect_float_eq(score.unmet, 500.0 / 1136, 1e-9);
    cr_expect_float_eq(score.slack, (9.0 + 10 + 5) / 1136, 1e-9);
    policy.sla.target_utilization_percent = 50;
    run();
    expect_serving(replay.oracle, "4 5 5 1 19 50");
}

Test(replay, the_constant_size_is_the_least_that_keeps_the_promise) {
    for (size_t i = 0; i < 41; i++)
        demand[i] = (float)i * 10; /* The 40 replayed need 1 to 40 machines. */
    series.count = 41;
    run();
    cr_expect_eq(replay.constant[0].serving, 40);
    cr_expect_eq(replay.constant[39].serving, 40);
    policy.sla.max_violation_per_mille = 50; /* Two of forty. */
    run();
    cr_expect_eq(replay.constant[0].serving, 38);
    cr_expect_eq(replay_score(&input, &replay, replay.constant).violations, 2);
    policy.sla.max_violation_per_mille = 1000;
    run();
    cr_expect_eq(replay.constant[0].serving, 1);
}

/* Where violations have a price, nothing is promised: the others may have as many as ours. */
Test(replay, at_a_price_the_constant_size_has_no_more_violations_than_ours) {
    for (size_t i = 0; i < 41; i++)
        demand[i] = (float)i * 10;
    series.count = 41;
    policy.sla.violation_cost = 1;
    run();
    size_t ours = replay_score(&input, &replay, replay.ours).violations;
    cr_assert_gt(ours, 0u, "growth comes too late");
    cr_expect_eq(replay_score(&input, &replay, replay.constant).violations, ours);
}

/* The ratio rule: what was wanted a slot ago serves two slots later; 10 % off is no reason to change. */
Test(replay, the_reactive_rule_follows_after_the_lead_time) {
    static const float values[] = {20, 20, 20, 21, 40, 40, 40, 40, 40, 20, 20, 20, 20};
    demand_set(values, 13);
    run();
    static const int64_t sizes[] = {2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 2, 2};
    static const int64_t serving[] = {1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 2, 2};
    for (size_t i = 0; i < 12; i++) {
        cr_expect_eq(replay.reactive[i].paid, sizes[i], "slot %zu: %lld", i, (long long)replay.reactive[i].paid);
        cr_expect_eq(replay.reactive[i].serving, serving[i], "slot %zu: %lld serve", i,
                     (long long)replay.reactive[i].serving);
    }
}

Test(replay, the_tuned_target_is_the_highest_that_keeps_the_promise) {
    for (size_t i = 0; i < 200; i++)
        demand[i] = i < 100 ? 80 : 60; /* It only falls: the first slots alone, before the lead time, are short. */
    series.count = 200;
    input.first = 10;
    run();
    cr_expect_eq(replay.tuned_percent, 100);
    for (size_t i = 0; i < 200; i++)
        demand[i] = 80 + (float)(i % 20); /* It rises by a quarter within 20 slots: room is needed. */
    run();
    cr_expect_lt(replay.tuned_percent, 100);
    cr_expect_eq(replay_score(&input, &replay, replay.tuned).violations, 0);
    policy.capacity.max = 1; /* No target keeps it: the cheapest of those that miss it as often. */
    run();
    cr_expect_eq(replay.tuned_percent, 100);
}

/* ---- ours ---- */

/* A level that the engine has known for days: the size is there at the first slot, and nothing is changed. */
Test(replay, a_known_level_is_served_from_the_first_slot) {
    demand_hold(0, 3 * DAY, 50);
    input.first = 3 * DAY - 100;
    run();
    cr_expect_eq(replay.lead_slots, 2);
    struct replay_score score = replay_score(&input, &replay, replay.ours);
    cr_expect_eq(score.steps, 100);
    cr_expect_eq(score.violations, 0);
    cr_expect_eq(replay.ours[0].serving, 5);
    cr_expect_eq(replay.ours[99].serving, 5);
    cr_expect_eq(replay.changes, 1);
    cr_expect_eq(replay.decisions, 1 + 100, "none while the first growth is under way");
    cr_expect_float_eq(score.slack, 0, 1e-9);
    size_t decisions = 0;
    for (size_t i = 0; i < replay.model_count; i++)
        decisions += replay.models[i].count;
    cr_expect_eq(decisions, replay.decisions);
}

/* A jump that nothing foretells: seen one slot late; what is then decided is paid at once, and serves two slots later.
 */
Test(replay, growth_is_paid_at_once_and_serves_a_lead_time_later) {
    const size_t jump = 3 * DAY + 50;
    demand_hold(0, jump, 50);
    demand_hold(jump, jump + 50, 400);
    input.first = 3 * DAY;
    run();
    const struct replay_slot *at = replay.ours + 50;
    size_t decided = 1, short_of = 0;
    cr_expect_eq(at[0].paid, 5, "it is not known yet");
    while (decided < 4 && at[decided].paid == 5)
        decided++;
    cr_assert_lt(decided, 4);
    cr_expect_geq(at[decided].paid, 40);
    cr_expect_lt(at[decided].paid, 60, "more than the jump asks for");
    for (size_t i = 0; i < decided + 2; i++)
        cr_expect_eq(at[i].serving, 5);
    cr_expect_eq(at[decided + 1].paid, at[decided].paid, "nothing else is begun while it is under way");
    cr_expect_eq(at[decided + 2].serving, at[decided].paid);
    for (size_t i = 0; i < 50; i++)
        short_of += at[i].serving < 40;
    cr_expect_eq(short_of, decided + 2);
    cr_expect_eq(replay_score(&input, &replay, replay.ours).violations, short_of);
}

Test(replay, capacity_max_holds_and_is_counted) {
    demand_hold(0, 2 * DAY, 50);
    policy.capacity.max = 4;
    input.first = DAY;
    run();
    cr_expect_eq(replay.ours[0].serving, 4);
    cr_expect_eq(replay.ours[DAY - 1].serving, 4);
    cr_expect_gt(replay.bound, 0);
    struct replay_score score = replay_score(&input, &replay, replay.ours);
    cr_expect_eq(score.violations, DAY);
    cr_expect_float_eq(score.unmet, 0.2, 1e-9);
}

/* The size that is kept through a gap of demand is that before it. */
Test(replay, after_a_day_without_demand_nothing_is_decided) {
    demand_hold(0, 5 * DAY, 50);
    demand_hold(2 * DAY, 4 * DAY, NAN);
    input.first = DAY;
    run();
    cr_expect_lt(replay.decisions, 4 * DAY - DAY + 5);
    cr_expect_geq(replay.decisions, 3 * DAY - 5);
    cr_expect_eq(replay.ours[2 * DAY].serving, replay.ours[3 * DAY - 1].serving);
    cr_expect_eq(replay_score(&input, &replay, replay.ours).steps, 2 * DAY);
}

/* ---- no look-ahead ---- */

static uint64_t random_state = 7;

static float chance(void) { /* In [0, 1): splitmix64. */
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (float)((z ^ (z >> 31)) >> 40) / 16777216.0F;
}

static float future(size_t kind, float now) {
    switch (kind) {
    case 0:
        return NAN;
    case 1:
        return 0;
    case 2:
        return now * 100;
    default:
        return chance() * 500;
    }
}

/* Whatever comes from slot `cut` on, everything decided up to and at it is the same, of ours and of the reactive rule.
 */
Test(replay, no_decision_knows_what_comes_later) {
    static const size_t first = 3 * DAY, end = 3 * DAY + DAY / 2, cuts[] = {first, first + 1, first + 77, end - 1};
    static float original[SLOTS_MAX];
    for (size_t i = 0; i < end; i++)
        original[i] = 100 + 60 * (float)sin((double)i * 6.283185307 / DAY) + 40 * chance();
    policy.sla.max_violation_per_mille = 10;
    input.first = first;
    input.every = 3;
    demand_set(original, end);
    run();
    const struct replay before = replay;
    for (size_t k = 0; k < sizeof(cuts) / sizeof(cuts[0]); k++) {
        for (size_t kind = 0; kind < 4; kind++) {
            demand_set(original, end);
            for (size_t i = cuts[k]; i < end; i++)
                demand[i] = future(kind, original[i]);
            run();
            for (size_t i = 0; i <= cuts[k] - first; i++) {
                cr_assert_eq(memcmp(&replay.ours[i], &before.ours[i], sizeof(*replay.ours)), 0,
                             "cut %zu, future %zu: slot %zu", cuts[k], kind, i);
                cr_assert_eq(memcmp(&replay.reactive[i], &before.reactive[i], sizeof(*replay.reactive)), 0);
            }
        }
    }
    demand_set(original, end);
    for (size_t i = first; i < end; i++)
        demand[i] *= 3;
    run();
    cr_expect_neq(memcmp(replay.ours, before.ours, replay.count * sizeof(*replay.ours)), 0, "but it sees what was");
}
