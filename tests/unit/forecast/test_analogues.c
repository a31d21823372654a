/*
 * Moments that are alike tell what comes next, where one spread for all moments cannot.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "forecast/fit.h"
#include "series.h"

#define COUNT (14 * DAY)
#define BURST 100

static float demand[COUNT];

/* Calm, and now and then three hours in which every fourth step bursts, at no moment of the day in particular. */
static void bouts_fill(uint64_t seed) {
    struct chance c = {seed};
    wave_fill(demand, COUNT, 1, seed);
    for (size_t at = 50 + seed; at < COUNT; at += 100 + (size_t)(150 * chance_next(&c)))
        for (size_t i = at; i < at + 36 && i < COUNT; i++)
            demand[i] += chance_next(&c) < 0.25 ? BURST : 0;
}

static double ninth_tenth(size_t count, struct arena *arena) {
    static const double quantiles[] = {0.5, 0.9};
    const struct history_series series = series_of(demand, count);
    const struct forecast_options options = {2, 2, quantiles, NULL};
    struct forecast f;
    forecast_compute(&series, &options, arena, &f);
    return forecast_value(&f, 1, 1);
}

/* One spread for all moments gives both about the same. */
Test(forecast_analogues, calm_hours_and_restless_ones_are_told_apart) {
    const uint64_t seeds = 12;
    double calm = 0, restless = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct arena arena = {0};
        bouts_fill(seed);
        for (size_t i = COUNT - 30; i < COUNT; i++) /* Now is calm. */
            demand[i] = demand[i] > BURST ? 10 : demand[i];
        calm += ninth_tenth(COUNT, &arena) / (double)seeds;
        for (size_t i = COUNT - 12; i < COUNT; i += 4) /* Now it is not. */
            demand[i] += BURST;
        restless += ninth_tenth(COUNT, &arena) / (double)seeds;
        arena_release(&arena);
    }
    cr_expect_lt(calm, 0.2 * BURST, "%g", calm);
    cr_expect_gt(restless, 0.35 * BURST, "%g", restless);
}

static struct forecast_history history_of(size_t count, struct arena *arena) {
    const struct history_series series = series_of(demand, count);
    struct forecast_history history;
    forecast_history_prepare(&series, NULL, 0, count, 0, arena, &history);
    return history;
}

/* Else they would be judged by what they know. */
Test(forecast_analogues, nothing_of_the_same_hour_is_an_analogue) {
    struct arena arena = {0};
    bouts_fill(1);
    struct forecast_history history = history_of(COUNT, &arena);
    const struct forecast_analogues *past = forecast_analogues_learn(&history.data, &arena, &arena);
    cr_assert_not_null(past);
    for (size_t origin = forecast_analogues_first(past); origin <= COUNT; origin += 7) {
        struct forecast_alike alike;
        forecast_analogues_find(past, &history.data, origin, &alike);
        cr_assert_geq(alike.count, 60, "origin %zu: %zu", origin, alike.count);
        for (size_t i = 0; i < alike.count; i++) {
            size_t then = alike.origins[i], apart = then < origin ? origin - then : then - origin;
            cr_assert_geq(apart, DAY / 24, "origin %zu: %zu", origin, then);
            cr_assert_leq(then + DAY / 24, COUNT, "what came next is known");
            cr_assert(i == 0 || then < alike.origins[i - 1], "the newest first, each once");
        }
    }
    arena_release(&arena);
}

Test(forecast_analogues, quantiles_are_of_what_came_then_and_do_not_cross) {
    static const double quantiles[] = {0.001, 0.05, 0.5, 0.9, 0.99, 0.999};
    struct forecast f = {.quantile_count = 6};
    struct arena arena = {0};
    memcpy(f.quantiles, quantiles, sizeof(quantiles));
    bouts_fill(2);
    struct forecast_history history = history_of(COUNT, &arena);
    const struct forecast_analogues *past = forecast_analogues_learn(&history.data, &arena, &arena);
    struct forecast_alike alike;
    double values[FORECAST_QUANTILES_MAX];
    forecast_analogues_find(past, &history.data, COUNT, &alike);
    cr_assert(forecast_analogues_tell(past, 6) && !forecast_analogues_tell(past, 7), "half an hour");
    for (size_t step = 1; step <= 6; step++) {
        cr_assert(forecast_analogues_quantiles(&alike, &history.data, step, &f, values));
        for (size_t j = 1; j < f.quantile_count; j++)
            cr_assert_geq(values[j], values[j - 1]);
        cr_assert_gt(values[2], 5);
        cr_assert_lt(values[2], 16, "step %zu: %g", step, values[2]);
    }
    arena_release(&arena);
}

/* Where the machines were at their ceiling, demand was more than was seen. */
Test(forecast_analogues, moments_at_the_ceiling_say_nothing) {
    static const double quantiles[] = {0.5, 0.99};
    static bool saturated[COUNT];
    struct forecast f = {.quantile_count = 2};
    struct arena arena = {0};
    memcpy(f.quantiles, quantiles, sizeof(quantiles));
    wave_fill(demand, COUNT, 1, 3);
    struct forecast_history history = history_of(COUNT, &arena);
    const struct forecast_analogues *past = forecast_analogues_learn(&history.data, &arena, &arena);
    struct forecast_alike alike;
    double values[FORECAST_QUANTILES_MAX];
    history.data.saturated = saturated;
    forecast_analogues_find(past, &history.data, COUNT, &alike);
    cr_assert(forecast_analogues_quantiles(&alike, &history.data, 1, &f, values));
    saturated[alike.origins[0]] = true;
    cr_assert(forecast_analogues_quantiles(&alike, &history.data, 1, &f, values), "one is no matter");
    for (size_t i = 0; i < alike.count / 10; i++)
        saturated[alike.origins[i]] = true;
    cr_assert_not(forecast_analogues_quantiles(&alike, &history.data, 1, &f, values));
    arena_release(&arena);
}

Test(forecast_analogues, a_history_of_two_days_or_without_a_season_has_none) {
    struct arena arena = {0};
    wave_fill(demand, COUNT, 1, 1);
    struct forecast_history history = history_of(2 * DAY, &arena);
    cr_assert_null(forecast_analogues_learn(&history.data, &arena, &arena));
    history = history_of(COUNT, &arena);
    history.data.day = history.data.week = 0;
    cr_assert_null(forecast_analogues_learn(&history.data, &arena, &arena));
    arena_release(&arena);
}

/* Gaps, constants and what a float just holds: no number that is none. */
Test(forecast_analogues, gaps_and_constants_are_no_trouble) {
    static const double quantiles[] = {0.5, 0.99};
    for (size_t kind = 0; kind < 5; kind++) {
        for (size_t i = 0; i < COUNT; i++)
            demand[i] = kind == 0 ? 7 : kind == 1 ? 0 : kind == 2 && i % 3 ? NAN : (float)(i % 11);
        for (size_t i = COUNT / 2; kind == 3 && i < COUNT - 20; i++)
            demand[i] = NAN;
        for (size_t i = 7; kind == 4 && i < COUNT; i += 5)
            demand[i] = 3e38f;
        struct arena arena = {0};
        const struct history_series series = series_of(demand, COUNT);
        const struct forecast_options options = {12, 2, quantiles, NULL};
        struct forecast f;
        forecast_compute(&series, &options, &arena, &f);
        for (size_t s = 0; s < 12; s++)
            for (size_t j = 0; j < 2; j++)
                cr_assert(isfinite(forecast_value(&f, s, j)), "kind %zu, step %zu", kind, s);
        arena_release(&arena);
    }
}

Test(forecast_analogues, what_loses_counts_less_and_the_far_tail_least) {
    cr_assert_eq(forecast_analogues_share(0.9, NAN), 0);
    cr_assert_eq(forecast_analogues_share(0.9, 0), 0);
    cr_assert_lt(forecast_analogues_share(0.9, 0.1), 0.02);
    cr_assert_gt(forecast_analogues_share(0.9, 2), 0.8);
    cr_assert_eq(forecast_analogues_share(0.9, INFINITY), forecast_analogues_share(0.9, 2));
    cr_assert_lt(forecast_analogues_share(0.999, 2), forecast_analogues_share(0.99, 2));
    cr_assert_gt(forecast_analogues_share(0.99999, 2), 0);
}

#define POOLED 7
static const struct forecast pooled = {.quantile_count = POOLED,
                                       .quantiles = {0.5, 0.9, 0.99, 0.995, 0.999, 0.9995, 0.9999}};

/* Quantiles of an exponential distribution. */
static void exponential(double low, double mean, double *ret) {
    for (size_t j = 0; j < POOLED; j++)
        ret[j] = low - mean * log(1 - pooled.quantiles[j]);
}

static double exponential_above(double low, double mean, double x) {
    return fmin(1, exp(-(x - low) / mean));
}

Test(forecast_analogues, chances_are_averaged_beyond_the_99th_quantile_and_quantiles_before_it) {
    const double lows[] = {0, 0, 3, -2}, means[] = {1, 0.3, 4, 9}, share = 0.6;
    double shares[POOLED];
    for (size_t j = 0; j < POOLED; j++)
        shares[j] = pooled.quantiles[j] > 0.99 ? share : 0.85;
    for (size_t n = 0; n < 16; n++) {
        double own_low = lows[n / 4], own_mean = means[n / 4], low = lows[n % 4], mean = means[n % 4];
        double own[POOLED], theirs[POOLED], both[POOLED];
        exponential(own_low, own_mean, own);
        exponential(low, mean, theirs);
        memcpy(both, own, sizeof(both));
        forecast_analogues_pool(&pooled, shares, theirs, both);
        for (size_t j = 0; j < 3; j++)
            cr_expect_float_eq(both[j], own[j] + 0.85 * (theirs[j] - own[j]), 1e-12);
        for (size_t j = 3; j < POOLED; j++) {
            double chance = share * exponential_above(low, mean, both[j]) +
                            (1 - share) * exponential_above(own_low, own_mean, both[j]);
            cr_expect_leq(fabs(log(chance / (1 - pooled.quantiles[j]))), 0.01, "case %zu, %g: %g", n,
                          pooled.quantiles[j], chance);
            cr_expect(both[j] > both[j - 1] || j == 3, "case %zu, %g", n, pooled.quantiles[j]);
            if (n % 5 == 0)
                cr_expect_float_eq(both[j], own[j], 1e-9, "of two that are one");
        }
    }
}

Test(forecast_analogues, a_pool_of_what_is_not_known_or_of_next_to_nothing_is_no_trouble) {
    const double none[POOLED] = {0}, far[POOLED] = {0, 0, 0.6, 0.6, 0.6, 0.6, 0.6};
    double theirs[POOLED], both[POOLED];
    exponential(1, 1, theirs);
    exponential(0, 1, both);
    forecast_analogues_pool(&pooled, none, theirs, both);
    cr_expect_float_eq(both[6], -log(0.0001), 1e-9, "no share, no word");
    both[6] = NAN;
    forecast_analogues_pool(&pooled, far, theirs, both);
    cr_expect_float_eq(both[5], -log(0.0005), 1e-9, "the mixture is not known in whole");
    cr_expect(isnan(both[6]));
    for (size_t j = 0; j < POOLED; j++)
        theirs[j] = both[j] = 5;
    forecast_analogues_pool(&pooled, far, theirs, both);
    for (size_t j = 0; j < POOLED; j++)
        cr_expect_eq(both[j], 5, "what never varies");
    for (size_t j = 0; j < POOLED; j++)
        both[j] = 8;
    forecast_analogues_pool(&pooled, far, theirs, both);
    for (size_t j = 3; j < POOLED; j++)
        cr_expect(both[j] > 5 && both[j] <= 8 && both[j] >= both[j - 1], "two that never vary: %g", both[j]);
    const struct forecast one = {.quantile_count = 1, .quantiles = {0.999}};
    double own[1] = {both[6]};
    forecast_analogues_pool(&one, far + 3, theirs, both + 6);
    cr_expect_eq(both[6], own[0], "one quantile tells no chance beside it");
}
