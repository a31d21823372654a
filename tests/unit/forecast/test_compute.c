/*
 * Forecasts as their callers see them: the shape of the answer for any history, and what it is on plain ones.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "series.h"

static void check_shape(const struct forecast *f, const char *what) {
    for (size_t s = 0; s < f->steps; s++) {
        double previous = 0;
        for (size_t j = 0; j < f->quantile_count; j++) {
            double value = forecast_value(f, s, j);
            cr_assert(isfinite(value), "%s: step %zu is finite", what, s);
            cr_assert(value >= previous, "%s: step %zu: %g >= %g", what, s, value, previous);
            previous = value;
        }
    }
}

Test(forecast_compute, quantiles_are_finite_monotone_and_not_negative_for_any_history) {
    for (uint64_t seed = 1; seed <= 120; seed++) {
        struct chance c = {seed};
        size_t count = (size_t)(chance_next(&c) * chance_next(&c) * 6000);
        float *demand = mem_alloc_array(count + 1, sizeof(*demand));
        wild_fill(demand, count, &c);
        size_t steps = 1 + (size_t)(chance_next(&c) * 600);
        struct arena arena = {0};
        struct forecast f = compute(demand, count, steps, &arena);
        char what[32];
        snprintf(what, sizeof(what), "seed %llu", (unsigned long long)seed);
        check_shape(&f, what);
        cr_assert_eq(f.steps, steps);
        cr_assert_eq(f.start_ms, STEP_MS * (5900000 + (int64_t)count));
        arena_release(&arena);
        mem_free(demand);
    }
}

Test(forecast_compute, scaling_the_history_scales_the_forecast) {
    const double factors[] = {1.0 / 1024, 8, 4096}; /* Powers of two: exact in floats. */
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct chance c = {seed};
        size_t count = 40 + (size_t)(chance_next(&c) * 3000);
        float *demand = mem_alloc_array(count, sizeof(*demand)), *scaled = mem_alloc_array(count, sizeof(*scaled));
        wild_fill(demand, count, &c);
        struct arena arena = {0};
        struct forecast f = compute(demand, count, 50, &arena);
        for (size_t k = 0; k < sizeof(factors) / sizeof(*factors); k++) {
            for (size_t i = 0; i < count; i++)
                scaled[i] = (float)factors[k] * demand[i];
            struct forecast g = compute(scaled, count, 50, &arena);
            cr_assert_str_eq(f.model, g.model);
            for (size_t i = 0; i < 50 * TEST_QUANTILES; i++)
                cr_assert_float_eq(g.values[i] / factors[k], f.values[i], 1e-9 * (1 + f.values[i]),
                                   "seed %llu factor %g", (unsigned long long)seed, factors[k]);
        }
        arena_release(&arena);
        mem_free(demand);
        mem_free(scaled);
    }
}

Test(forecast_compute, the_same_history_gives_the_same_bytes) {
    static float demand[3000];
    struct chance c = {7};
    wild_fill(demand, 3000, &c);
    struct arena arena = {0};
    struct forecast f = compute(demand, 3000, 288, &arena), g = compute(demand, 3000, 288, &arena);
    cr_assert_eq(memcmp(f.values, g.values, sizeof(double) * 288 * TEST_QUANTILES), 0);
    cr_assert_eq(f.loss, g.loss);
    arena_release(&arena);
}

/* What lies beyond `count` in memory must not matter: this is what rolling origins rely on. */
Test(forecast_compute, nothing_after_the_end_of_the_history_is_read) {
    static float one[4000], other[4000];
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct chance c = {seed};
        wild_fill(one, 4000, &c);
        memcpy(other, one, sizeof(one));
        for (size_t i = 2500; i < 4000; i++)
            other[i] = 1e6F;
        struct arena arena = {0};
        struct forecast f = compute(one, 2500, 300, &arena), g = compute(other, 2500, 300, &arena);
        cr_assert_eq(memcmp(f.values, g.values, sizeof(double) * 300 * TEST_QUANTILES), 0);
        arena_release(&arena);
    }
}

Test(forecast_compute, a_clean_daily_wave_is_foretold) {
    static float demand[14 * DAY];
    wave_fill(demand, 14 * DAY, 0, 1);
    struct arena arena = {0};
    struct forecast f = compute(demand, 14 * DAY, DAY, &arena);
    cr_assert_eq(f.basis, FORECAST_BASIS_OWN);
    for (size_t s = 0; s < DAY; s++)
        for (size_t j = 0; j < TEST_QUANTILES; j++)
            cr_assert_float_eq(forecast_value(&f, s, j), (double)demand[s], 1e-3, "step %zu", s);
    arena_release(&arena);
}

Test(forecast_compute, quantiles_cover_as_often_as_they_say) {
    static float demand[15 * DAY];
    size_t under[TEST_QUANTILES] = {0};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        wave_fill(demand, 15 * DAY, 4, seed);
        struct arena arena = {0};
        struct forecast f = compute(demand, 14 * DAY, DAY, &arena);
        for (size_t s = 0; s < DAY; s++)
            for (size_t j = 0; j < TEST_QUANTILES; j++)
                under[j] += (double)demand[14 * DAY + s] <= forecast_value(&f, s, j);
        cr_assert(f.coverage_per_mille > 950, "coverage %lld", (long long)f.coverage_per_mille);
        arena_release(&arena);
    }
    for (size_t j = 0; j < TEST_QUANTILES; j++)
        cr_expect_float_eq((double)under[j] / (20 * DAY), test_quantiles[j], 0.03, "q%g covered %g", test_quantiles[j],
                           (double)under[j] / (20 * DAY));
}

Test(forecast_compute, noise_around_a_wave_is_not_forecast_worse_than_by_the_naive_model) {
    static float demand[14 * DAY];
    wave_fill(demand, 14 * DAY, 4, 3);
    struct arena arena = {0};
    struct forecast f = compute(demand, 14 * DAY, DAY, &arena);
    cr_assert_lt(f.loss, 0.9 * f.naive_loss, "the mean of several days beats yesterday: %g, %g", f.loss, f.naive_loss);
    arena_release(&arena);
}

/* 100 minutes are no part of a day: what repeats the day is wrong about it. */
Test(forecast_compute, a_cycle_that_is_no_part_of_a_day_is_used) {
    static float demand[15 * DAY];
    static const size_t cycles[] = {18, 20, 72, 85};
    for (size_t k = 0; k < sizeof(cycles) / sizeof(*cycles); k++) {
        struct chance c = {4};
        for (size_t i = 0; i < 15 * DAY; i++)
            demand[i] = (float)(50 + 20 * sin(2 * M_PI * (double)i / (double)cycles[k]) + 8 * (chance_next(&c) - 0.5));
        struct arena arena = {0};
        struct forecast f = compute(demand, 14 * DAY, DAY, &arena);
        double off = 0;
        for (size_t s = 0; s < DAY; s++)
            off += fabs((double)demand[14 * DAY + s] - forecast_value(&f, s, 0)) / DAY;
        cr_expect_lt(off, 2.5, "%zu: %g, and noise alone has 2; %s", cycles[k], off, f.model);
        cr_expect_lt(f.loss, 1.0, "%zu: its own estimate, %g", cycles[k], f.loss);
        arena_release(&arena);
    }
}

Test(forecast_compute, days_ahead_are_as_good_as_tomorrow) {
    static float demand[14 * DAY];
    wave_fill(demand, 14 * DAY, 4, 3);
    struct arena arena = {0};
    struct forecast f = compute(demand, 14 * DAY, 3 * DAY, &arena);
    for (size_t s = 0; s < 3 * DAY; s++) {
        double wave = 10 + 5 * sin(2 * M_PI * (double)(s % DAY) / DAY);
        cr_assert_float_eq(forecast_value(&f, s, 0), wave, 2.5, "step %zu: %g for %g", s, forecast_value(&f, s, 0),
                           wave);
    }
    arena_release(&arena);
}

Test(forecast_compute, a_short_history_is_wider_than_its_own_errors) {
    static float demand[150];
    struct chance c = {2};
    for (size_t i = 0; i < 150; i++)
        demand[i] = chance_next(&c) < 0.5 ? 0 : 100;
    struct arena arena = {0};
    struct forecast f = compute(demand, 150, 3, &arena);
    cr_assert_eq(f.basis, FORECAST_BASIS_PRIOR);
    cr_assert_gt(forecast_value(&f, 0, 3) - forecast_value(&f, 0, 0), 150, "its own: 100");
    arena_release(&arena);
}

Test(forecast_compute, gaps_are_not_zeros) {
    static float demand[14 * DAY];
    wave_fill(demand, 14 * DAY, 0, 1);
    for (size_t i = 0; i < 14 * DAY; i++)
        if (i % 7 == 3 || (i > 5 * DAY && i < 6 * DAY))
            demand[i] = NAN;
    struct arena arena = {0};
    struct forecast f = compute(demand, 14 * DAY, DAY, &arena);
    for (size_t s = 0; s < DAY; s++)
        cr_assert_gt(forecast_value(&f, s, 0), 4.5, "step %zu", s);
    arena_release(&arena);
}

Test(forecast_compute, a_gap_at_the_end_does_not_shift_the_seasons) {
    static float demand[14 * DAY];
    wave_fill(demand, 14 * DAY, 0, 1);
    for (size_t i = 14 * DAY - 50; i < 14 * DAY; i++)
        demand[i] = NAN;
    struct arena arena = {0};
    struct forecast f = compute(demand, 14 * DAY, DAY, &arena);
    for (size_t s = 0; s < DAY; s += 24)
        cr_assert_float_eq(forecast_value(&f, s, 0), (double)demand[s], 0.2, "step %zu", s);
    arena_release(&arena);
}

Test(forecast_compute, short_histories_are_wide_and_say_so) {
    static const struct {
        const char *what;
        float demand[4];
        size_t count;
        enum forecast_basis basis;
    } rows[] = {
        {"empty", {0}, 0, FORECAST_BASIS_NONE},
        {"only gaps", {NAN, NAN, INFINITY}, 3, FORECAST_BASIS_NONE},
        {"one", {8}, 1, FORECAST_BASIS_PRIOR},
        {"one and a gap", {8, NAN}, 2, FORECAST_BASIS_PRIOR},
        {"equal ones", {8, 8, 8, 8}, 4, FORECAST_BASIS_PRIOR},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct arena arena = {0};
        struct forecast f = compute(rows[i].demand, rows[i].count, 3, &arena);
        cr_expect_eq(f.basis, rows[i].basis, "%s", rows[i].what);
        check_shape(&f, rows[i].what);
        bool none = rows[i].basis == FORECAST_BASIS_NONE;
        cr_expect_str_eq(f.model, none ? "none" : "last-value", "%s", rows[i].what);
        cr_expect_float_eq(forecast_value(&f, 2, 0), none ? 0 : 8, 1e-9, "%s", rows[i].what);
        if (!none)
            cr_expect_gt(forecast_value(&f, 2, 3), 1.3 * 8, "%s", rows[i].what);
        arena_release(&arena);
    }
}

Test(forecast_compute, a_longer_history_without_a_full_season_narrows) {
    static float demand[2 * DAY];
    for (size_t i = 0; i < 2 * DAY; i++)
        demand[i] = 8;
    struct arena arena = {0};
    double width = INFINITY;
    for (size_t count = 1; count <= 2 * DAY; count += 90) {
        struct forecast f = compute(demand, count, 3, &arena);
        double now = forecast_value(&f, 0, 3) - forecast_value(&f, 0, 0);
        cr_assert_leq(now, width, "%zu samples", count);
        width = now;
    }
    arena_release(&arena);
}

Test(forecast_compute, only_a_history_with_negative_values_gives_negative_ones) {
    static float demand[4 * DAY];
    struct arena arena = {0};
    struct chance c = {5};
    for (size_t i = 0; i < 4 * DAY; i++)
        demand[i] = (float)(chance_next(&c) - 0.5);
    const double low[] = {0.05, 0.5};
    const struct history_series series = series_of(demand, 4 * DAY);
    const struct forecast_options options = {10, 2, low, NULL};
    struct forecast f;
    forecast_compute(&series, &options, &arena, &f);
    cr_assert_lt(forecast_value(&f, 5, 0), -0.2);
    for (size_t i = 0; i < 4 * DAY; i++)
        demand[i] = demand[i] < 0 ? 0 : demand[i];
    forecast_compute(&series, &options, &arena, &f);
    cr_assert_geq(forecast_value(&f, 5, 0), 0);
    arena_release(&arena);
}

/* While the machines are at their ceiling nobody sees the demand: it does not pull the forecast down. */
Test(forecast_compute, saturated_samples_are_lower_bounds) {
    static float demand[6 * DAY];
    static uint8_t saturated[6 * DAY / 8 + 1];
    struct arena arena = {0};
    wave_fill(demand, 6 * DAY, 0, 1);
    for (size_t i = 5 * DAY; i < 6 * DAY; i++) {
        if (demand[i] > 9) {
            demand[i] = 9;
            saturated[i / 8] = (uint8_t)(saturated[i / 8] | 1U << i % 8);
        }
    }
    struct history_series series = series_of(demand, 6 * DAY);
    const struct forecast_options options = {DAY, TEST_QUANTILES, test_quantiles, NULL};
    struct forecast seen, blind;
    forecast_compute(&series, &options, &arena, &blind);
    series.saturated = saturated;
    forecast_compute(&series, &options, &arena, &seen);
    double sum_seen = 0, sum_blind = 0;
    for (size_t s = 0; s < DAY; s++) {
        sum_seen += forecast_value(&seen, s, 0);
        sum_blind += forecast_value(&blind, s, 0);
    }
    cr_assert_gt(sum_seen, sum_blind);
    arena_release(&arena);
}

Test(forecast_compute, any_step_length_works) {
    static float demand[1000];
    static const int64_t steps_ms[] = {1, 1000, 60000, 420000, 3600000, 86400000, INT64_C(31) * 86400000};
    wave_fill(demand, 1000, 3, 9);
    for (size_t i = 0; i < sizeof(steps_ms) / sizeof(*steps_ms); i++) {
        struct arena arena = {0};
        struct history_series series = {.step_ms = steps_ms[i], .count = 1000, .demand = demand};
        const struct forecast_options options = {100, TEST_QUANTILES, test_quantiles, NULL};
        struct forecast f;
        forecast_compute(&series, &options, &arena, &f);
        check_shape(&f, "step");
        arena_release(&arena);
    }
}

Test(forecast_compute, declared_events_are_taken_off_the_past_and_put_on_the_future) {
    enum { COUNT = 14 * DAY };
    static float plain[COUNT], sale[COUNT], factors[COUNT + DAY];
    wave_fill(plain, COUNT, 1, 7);
    for (size_t i = 0; i < COUNT + DAY; i++)
        factors[i] = (i / DAY == 9 && i % DAY >= 120 && i % DAY < 180) || i >= COUNT + 100 ? 4 : 1;
    for (size_t i = 0; i < COUNT; i++)
        sale[i] = plain[i] * factors[i];
    struct arena arena = {0};
    struct forecast without = compute(plain, COUNT, DAY, &arena), with;
    const struct history_series series = series_of(sale, COUNT);
    const struct forecast_options options = {DAY, TEST_QUANTILES, test_quantiles, factors};
    forecast_compute(&series, &options, &arena, &with);
    for (size_t i = 0; i < DAY * TEST_QUANTILES; i++) /* A factor of four is exact in floats. */
        cr_assert_eq(with.values[i], (double)factors[COUNT + i / TEST_QUANTILES] * without.values[i], "value %zu", i);
    arena_release(&arena);
}

Test(forecast_compute, an_outage_is_no_lack_of_demand) {
    enum { COUNT = 14 * DAY, OUT = 6 };
    static float demand[COUNT];
    struct arena arena = {0};
    wave_fill(demand, COUNT, 1, 9);
    struct forecast before = compute(demand, COUNT, DAY, &arena);
    for (size_t i = COUNT - OUT; i < COUNT; i++)
        demand[i] = 0;
    struct forecast f = compute(demand, COUNT, DAY, &arena);
    for (size_t s = 0; s < DAY; s++)
        cr_assert_float_eq(forecast_value(&f, s, 0), forecast_value(&before, s, 0), 2, "step %zu", s);
    /* Half a day of zeros is what the demand has become. */
    for (size_t i = COUNT - DAY / 2; i < COUNT; i++)
        demand[i] = 0;
    f = compute(demand, COUNT, DAY, &arena);
    cr_expect_lt(forecast_value(&f, 0, 0), 5);
    arena_release(&arena);
}

Test(forecast_compute, zeros_of_a_series_that_is_often_near_zero_are_demand) {
    enum { COUNT = 14 * DAY };
    static float demand[COUNT];
    struct arena arena = {0};
    for (size_t i = 0; i < COUNT; i++) /* Zero at midnight, and up from there. */
        demand[i] = (float)(i % DAY);
    struct forecast f = compute(demand, COUNT, 1, &arena);
    cr_expect_float_eq(forecast_value(&f, 0, 0), 0, 1, "%g at midnight", forecast_value(&f, 0, 0));
    arena_release(&arena);
}

Test(forecast_compute, what_answers_is_never_worse_than_the_naive_model_was) {
    size_t judged = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct chance c = {seed};
        static float demand[10 * DAY];
        struct arena arena = {0};
        size_t count = 3 * DAY + (size_t)(chance_next(&c) * 7 * DAY);
        wild_fill(demand, count, &c);
        struct forecast f = compute(demand, count, DAY, &arena);
        judged += isnan(f.loss) ? 0 : 1;
        cr_expect(isnan(f.loss) || f.loss <= f.naive_loss, "seed %llu: %g, %g", (unsigned long long)seed, f.loss,
                  f.naive_loss);
        arena_release(&arena);
    }
    cr_expect_geq(judged, 50);
}

Test(forecast_compute, a_level_never_seen_before_is_where_demand_stays) {
    enum { COUNT = 10 * DAY };
    static float demand[COUNT];
    struct arena arena = {0};
    wave_fill(demand, COUNT, 1, 4);
    for (size_t i = COUNT - 48; i < COUNT; i++) /* For four hours. */
        demand[i] += 40;
    struct forecast f = compute(demand, COUNT, DAY, &arena);
    for (size_t s = 0; s < DAY; s++)
        cr_assert_float_eq(forecast_value(&f, s, 0), 50, 12, "step %zu: %g", s, forecast_value(&f, s, 0));
    arena_release(&arena);
}

Test(forecast_compute, a_restlessness_never_seen_does_not_multiply_what_was_seen) {
    enum { COUNT = 14 * DAY };
    static float demand[COUNT];
    struct arena arena = {0};
    wave_fill(demand, COUNT, 1, 5);
    for (size_t i = 0; i < COUNT; i++)
        demand[i] += 1000;
    for (size_t i = COUNT - 12; i < COUNT; i++)
        demand[i] += i % 2 ? 200 : -200;
    struct forecast f = compute(demand, COUNT, DAY, &arena);
    for (size_t s = 40; s < DAY; s++) { /* Sooner than that it does know restless minutes. */
        double width = forecast_value(&f, s, TEST_QUANTILES - 1) - forecast_value(&f, s, 0);
        cr_assert_lt(width, 42, "step %zu: %g", s, width);
    }
    arena_release(&arena);
}

/* What was never wrong for a month and then is, by a million times. */
Test(forecast_compute, a_first_error_is_not_measured_in_nothing) {
    static float demand[150];
    for (size_t i = 0; i < 150; i++)
        demand[i] = i % 97 == 50 ? 1e6F : 1;
    for (size_t count = 92; count <= 144; count += 4) {
        struct arena arena = {0};
        struct history_series series = {.step_ms = 86400000, .count = count, .demand = demand};
        const struct forecast_options options = {3, TEST_QUANTILES, test_quantiles, NULL};
        struct forecast f;
        forecast_compute(&series, &options, &arena, &f);
        check_shape(&f, "spikes");
        cr_expect_lt(forecast_value(&f, 0, TEST_QUANTILES - 1), 1e9, "%zu: %g", count,
                     forecast_value(&f, 0, TEST_QUANTILES - 1));
        arena_release(&arena);
    }
}

/* All models were right until now, so no weight tells one from another: what is wanted in the far tail is what was
 * seen, not the sum of what each of them got wrong. Whatever the unit: a tie is one to the last digit. */
Test(forecast_compute, a_jump_after_a_constant_asks_for_no_more_than_itself) {
    static float demand[3 * DAY + 51];
    const double quantiles[] = {0.5, 0.99, 0.9999};
    for (size_t unit = 1; unit <= 40; unit++) {
        for (size_t i = 0; i < 3 * DAY + 51; i++)
            demand[i] = (float)unit * (i < 3 * DAY + 50 ? 1 : 8);
        struct arena arena = {0};
        const struct history_series series = series_of(demand, 3 * DAY + 51);
        const struct forecast_options options = {14, 3, quantiles, NULL};
        struct forecast f;
        forecast_compute(&series, &options, &arena, &f);
        cr_expect_leq(forecast_value(&f, 0, 2), 8.01 * (double)unit, "%zu: %g", unit, forecast_value(&f, 0, 2));
        arena_release(&arena);
    }
}
