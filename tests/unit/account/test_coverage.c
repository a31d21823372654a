/*
 * The live record of coverage: what was forecast is compared when its sample arrives, and not otherwise.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>

#include "account/coverage.h"

#define STEP_MS INT64_C(300000)
#define DAY_MS INT64_C(86400000)
#define START (DAY_MS * 20000)
#define LEAD_MS (3 * STEP_MS)

static float demand[30 * 288];
static uint8_t saturated[30 * 36];
static struct coverage_watch watch;
static struct coverage coverage;

static void stop(void) {
    coverage_watch_release(&watch);
}
TestSuite(coverage, .fini = stop);

static struct history_series history(size_t count) {
    return (struct history_series){
        .start_ms = START, .step_ms = STEP_MS, .count = count, .demand = demand, .saturated = saturated};
}

/* Made when `count` samples are known: `low` and `high` at the first step, `lead` times that at the others. */
static void forecast(size_t count, double low, double high, double lead) {
    double values[10];
    for (size_t s = 0; s < 5; s++) {
        values[2 * s] = (s ? lead : 1) * low;
        values[2 * s + 1] = (s ? lead : 1) * high;
    }
    const struct forecast f = {.basis = FORECAST_BASIS_OWN,
                               .start_ms = START + (int64_t)count * STEP_MS,
                               .step_ms = STEP_MS,
                               .steps = 5,
                               .quantile_count = 2,
                               .quantiles = {0.5, 0.9},
                               .values = values};
    coverage_expect(&watch, &f, 1, LEAD_MS);
}

static void settle(size_t count) {
    const struct history_series series = history(count);
    coverage_settle(&watch, &series, &coverage);
}

static struct coverage_sum sum_at(size_t count) {
    return coverage_sum(&coverage, START + (int64_t)count * STEP_MS);
}

Test(coverage, each_sample_is_held_against_its_quantile_one_step_and_a_lead_time_ahead) {
    for (size_t i = 0; i < 100; i++) {
        demand[i] = i % 10 == 9 ? 12 : 7; /* One in ten is above 10. */
        settle(i);
        forecast(i, 5, 10, 2);
    }
    settle(100);
    struct coverage_sum sum = sum_at(100);
    cr_assert_eq(sum.step_samples, 100);
    cr_assert_eq(sum.step_per_mille, 900);
    cr_assert_eq(sum.lead_samples, 97);
    cr_assert_eq(sum.lead_per_mille, 1000, "at twice that, none is above");
    settle(100);
    cr_assert_eq(sum_at(100).step_samples, 100, "none is counted twice");
}

Test(coverage, the_first_word_about_a_slot_stands) {
    forecast(10, 1, 2, 1);
    forecast(10, 100, 200, 1); /* Who knows more later has not planned with it. */
    demand[10] = 50;
    settle(11);
    cr_assert_eq(sum_at(11).step_per_mille, 0);
}

Test(coverage, gaps_wait_and_what_is_at_the_ceiling_proves_nothing) {
    forecast(0, 5, 10, 1);
    forecast(1, 5, 10, 1);
    forecast(2, 5, 10, 1);
    demand[0] = NAN;
    demand[1] = 7;
    demand[2] = 11;
    saturated[0] = 1u << 1 | 1u << 2;
    settle(3);
    struct coverage_sum sum = sum_at(3);
    cr_assert_eq(sum.step_samples, 1, "only the one that is above for all that");
    cr_assert_eq(sum.step_per_mille, 0);
    demand[0] = 9; /* Late. */
    settle(3);
    cr_assert_eq(sum_at(3).step_samples, 2);
    cr_assert_eq(sum_at(3).step_per_mille, 500);
}

Test(coverage, two_weeks_are_remembered) {
    for (size_t i = 0; i < 20 * 288; i++) {
        demand[i] = i < 4 * 288 ? 20 : 7; /* Four bad days, then good ones. */
        settle(i);
        forecast(i, 5, 10, 1);
    }
    settle(20 * 288);
    struct coverage_sum sum = sum_at(20 * 288 - 1);
    cr_assert_eq(sum.step_samples, 14 * 288);
    cr_assert_eq(sum.step_per_mille, 1000);
    cr_assert_eq(sum_at(60 * 288).step_per_mille, -1, "long after, nothing is known");
}

Test(coverage, what_waits_is_bounded_and_outdated_by_another_lead_time) {
    demand[0] = 7;
    for (size_t i = 0; i < 1000; i++)
        forecast(i, 5, 10, 1); /* Samples never come. */
    cr_assert_leq(watch.slot_count, 64u);
    const struct forecast none = {.basis = FORECAST_BASIS_NONE, .steps = 1, .step_ms = STEP_MS, .start_ms = START};
    coverage_expect(&watch, &none, 0, LEAD_MS);
    double value = 1;
    const struct forecast other = {.basis = FORECAST_BASIS_OWN,
                                   .start_ms = START + 2000 * STEP_MS,
                                   .step_ms = STEP_MS,
                                   .steps = 1,
                                   .quantile_count = 1,
                                   .quantiles = {0.9},
                                   .values = &value};
    coverage_expect(&watch, &other, 0, LEAD_MS);
    for (size_t i = 0; i < 2001; i++)
        demand[i] = 0.5;
    settle(2001);
    struct coverage_sum sum = sum_at(2001);
    cr_assert_eq(sum.step_samples, 1, "%lld", (long long)sum.step_samples);
    cr_assert_eq(sum.lead_samples, 1, "a forecast that ends before the lead time is held to its last step");
}
