/*
 * The single models and the arithmetic of their judgement.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "forecast/forecast_internal.h"

static void bench_wave(size_t count, size_t season) {
    for (size_t i = 0; i < count; i++)
        bench.y[i] = 10 + 5 * sin(2 * M_PI * (double)i / (double)season);
}

Test(forecast_naive, last_value_skips_gaps) {
    bench.y[0] = 4;
    bench.y[1] = 6;
    bench.y[2] = NAN;
    struct forecast_data *data = bench_make(3, 0, 0);
    struct forecast_model model = forecast_last_value();
    cr_assert_eq(model.point(&model, data, 3, 9, NULL), 6);
    cr_assert_eq(model.point(&model, data, 1, 1, NULL), 4, "an origin knows only what is before it");
    cr_assert(isnan(model.point(&model, data, 0, 1, NULL)));
}

Test(forecast_naive, seasonal_naive_goes_further_back_over_gaps) {
    for (size_t i = 0; i < 30; i++)
        bench.y[i] = (double)i;
    bench.y[21] = NAN;
    struct forecast_data *data = bench_make(30, 10, 0);
    struct forecast_model model = forecast_seasonal_naive(10, "day");
    cr_assert_eq(model.point(&model, data, 30, 1, NULL), 20);
    cr_assert_eq(model.point(&model, data, 30, 2, NULL), 11, "21 is a gap: a season earlier");
    cr_assert_eq(model.point(&model, data, 30, 11, NULL), 20, "beyond a season it repeats");
    cr_assert_eq(model.point(&model, data, 5, 1, NULL), 4, "before the first season: the last value");
}

static struct forecast_seasons seasons_of(struct forecast_data *data) {
    struct arena arena = {0};
    struct forecast_seasons seasons = forecast_seasons_find(data, &arena);
    arena_release(&arena);
    return seasons;
}

/* A cycle with noise, a trend, an outage and gaps, on a day if `daily` > 0. */
static void bench_cycle(size_t count, size_t season, double daily, uint64_t seed) {
    struct chance c = {seed};
    for (size_t i = 0; i < count; i++) {
        bench.y[i] = 50 + 0.005 * (double)i + 3 * sin(2 * M_PI * (double)i / (double)season) +
                     daily * sin(2 * M_PI * (double)i / DAY) + 4 * chance_next(&c);
        if (i % 50 > 44 || (i > 2 * DAY && i < 2 * DAY + 30))
            bench.y[i] = NAN;
    }
    bench.y[4 * DAY] = 5000; /* One spike must not hide it. */
}

Test(forecast_season, cycles_from_an_hour_to_days_are_found_to_the_step) {
    static const size_t lengths[] = {12, 18, 30, 50, 72, 100, 144, 200};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        bench_cycle(14 * DAY, lengths[i], 0, 3 + i);
        struct forecast_seasons found = seasons_of(bench_make(14 * DAY, DAY, 7 * DAY));
        cr_expect(found.cycle + 1 >= lengths[i] && found.cycle <= lengths[i] + 1, "%zu: %zu", lengths[i], found.cycle);
        cr_expect_not(found.has_day, "what a day has in common with it is the cycle's, %zu", lengths[i]);
        cr_expect_not(found.has_week);
    }
}

Test(forecast_season, a_cycle_is_found_beside_a_day_that_is_stronger) {
    bench_cycle(14 * DAY, 50, 8, 4);
    struct forecast_seasons found = seasons_of(bench_make(14 * DAY, DAY, 7 * DAY));
    cr_expect_eq(found.cycle, 50);
    cr_expect(found.has_day);
}

Test(forecast_season, a_part_of_the_shape_of_a_day_or_a_multiple_of_it_is_no_cycle) {
    struct chance c = {9};
    for (size_t i = 0; i < 14 * DAY; i++) { /* A batch every four hours, but none at ten in the evening. */
        double hour = fmod((double)(i % DAY) / 12, 4);
        bench.y[i] = chance_next(&c) + (i % DAY < 20 * 12 ? 6 * exp(-pow(hour - 2, 2) / 0.5) : 0);
    }
    struct forecast_seasons found = seasons_of(bench_make(14 * DAY, DAY, 7 * DAY));
    cr_expect_eq(found.cycle, 0, "%zu", found.cycle);
    cr_expect(found.has_day);
    cr_expect_not(found.has_week);
}

Test(forecast_season, none_is_found_in_noise_that_wanders) {
    static const double memories[] = {0, 0.9, 0.99, 0.999, 1};
    for (size_t m = 0; m < sizeof(memories) / sizeof(*memories); m++) {
        for (uint64_t seed = 1; seed <= 40; seed++) {
            struct chance c = {seed};
            double level = 0;
            for (size_t i = 0; i < 14 * DAY; i++) {
                level = memories[m] * level + chance_next(&c) - 0.5;
                bench.y[i] = level;
            }
            struct forecast_seasons found = seasons_of(bench_make(14 * DAY, DAY, 7 * DAY));
            cr_expect_eq(found.cycle, 0, "memory %g, seed %llu: %zu", memories[m], (unsigned long long)seed,
                         found.cycle);
        }
    }
}

Test(forecast_season, day_and_week_prove_themselves_at_any_step) {
    static const struct {
        const char *what;
        size_t count, period, day, week;
        int64_t step_ms;
        bool has_day, has_week;
        size_t cycle;
    } rows[] = {{"day", 1400, 24, 24, 168, 3600000, true, false, 0},
                {"week", 1400, 168, 24, 168, 3600000, false, true, 0},
                {"31 h", 1400, 31, 24, 168, 3600000, false, false, 31},
                {"100 min", 4000, 100, 1440, 0, 60000, false, false, 100},
                {"week of days", 300, 7, 0, 7, 86400000, false, true, 0},
                {"three days", 300, 3, 0, 7, 86400000, false, false, 3}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        bench_wave(rows[i].count, rows[i].period);
        for (size_t t = 0; t < rows[i].count; t++)
            bench.y[t] += 0.02 * (double)t; /* A trend must not hide or fake it. */
        struct forecast_data *data = bench_make(rows[i].count, rows[i].day, rows[i].week);
        data->step_ms = rows[i].step_ms;
        struct forecast_seasons found = seasons_of(data);
        cr_expect_eq(found.has_day, rows[i].has_day, "%s", rows[i].what);
        cr_expect_eq(found.has_week, rows[i].has_week, "%s", rows[i].what);
        cr_expect_eq(found.cycle, rows[i].cycle, "%s: %zu", rows[i].what, found.cycle);
    }
}

Test(forecast_season, a_first_sample_far_below_all_others_hides_no_cycle) {
    for (size_t i = 0; i < 1000; i++)
        bench.y[i] = i ? 12400 + (double)(i % 7) : 1;
    struct forecast_seasons found = seasons_of(bench_make(1000, DAY, 0));
    cr_expect(found.cycle && found.cycle % 7 == 0, "%zu", found.cycle);
}

Test(forecast_season, nothing_is_found_in_what_is_too_little_or_constant) {
    for (size_t count = 1; count < 200; count++) {
        for (size_t i = 0; i < count; i++)
            bench.y[i] = count % 2 ? 7 : NAN;
        struct forecast_seasons found = seasons_of(bench_make(count, 0, 0));
        cr_expect(!found.cycle && !found.has_day && !found.has_week, "%zu", count);
    }
}

Test(forecast_holt_winters, follows_a_season_and_a_level_shift) {
    bench_wave(10 * DAY, DAY);
    for (size_t i = 7 * DAY; i < 10 * DAY; i++)
        bench.y[i] += 20;
    struct arena arena = {0};
    struct forecast_data *data = bench_make(10 * DAY, DAY, 0);
    data->seasons.has_day = true;
    struct forecast_grid grid = forecast_grid_make(data, 12);
    struct forecast_model model;
    cr_assert(forecast_holt_winters(data, &grid, &arena, &model));
    cr_assert_str_eq(model.name, "holt-winters-day");
    for (size_t step = 1; step <= 12; step++)
        cr_assert_float_eq(model.point(&model, data, 10 * DAY, step, NULL), bench.y[step - 1] + 20, 0.5, "step %zu",
                           step);
    arena_release(&arena);
}

Test(forecast_holt_winters, refuses_a_handful_of_samples) {
    struct arena arena = {0};
    struct forecast_data *data = bench_make(10, 0, 0);
    struct forecast_grid grid = forecast_grid_make(data, 3);
    struct forecast_model model;
    cr_assert_not(forecast_holt_winters(data, &grid, &arena, &model));
    arena_release(&arena);
}

#define MODELS 9

/* Every model, on a history with a day, a week and a cycle. */
static void models_all(struct forecast_data *data, const struct forecast_grid *grid, struct arena *arena,
                       struct forecast_model *ret) {
    ret[0] = forecast_last_value();
    ret[1] = forecast_seasonal_naive(DAY, "naive");
    ret[2] = forecast_profile(data, grid, DAY, "mean", arena);
    ret[3] = forecast_profile(data, grid, 50, "mean-cycle", arena);
    cr_assert(forecast_holt_winters(data, grid, arena, &ret[4]));
    cr_assert_eq(ret[4].season, DAY);
    cr_assert(forecast_direct(data, grid, arena, arena, &ret[5]));
    cr_assert(forecast_decomposition(data, grid, arena, &ret[6]));
    cr_assert(
        forecast_holt_winters_multiplicative(data, grid, &ret[4], arena, &ret[7])); /* From here on not additive. */
    cr_assert(forecast_histogram(data, arena, &ret[8]));
}

static struct forecast_data *bench_all(size_t count) {
    struct forecast_data *data = bench_make(count, DAY, 0);
    data->seasons = (struct forecast_seasons){.has_day = true, .cycle = 50};
    return data;
}

Test(forecast_models, say_of_all_origins_what_they_say_of_each) {
    struct chance c = {17};
    bench_wave(10 * DAY, DAY);
    for (size_t i = 0; i < 10 * DAY; i++)
        bench.y[i] = i % 50 == 7 ? NAN : bench.y[i] + chance_next(&c);
    struct arena arena = {0};
    struct forecast_data *data = bench_all(10 * DAY);
    struct forecast_grid grid = {.knots = {1, 20, 2 * DAY},
                                 .logs = {0, log(20), log(2 * DAY)},
                                 .knot_count = 3,
                                 .horizon = 2 * DAY,
                                 .origin_first = 2 * DAY,
                                 .origin_stride = 31,
                                 .origin_count = 60};
    struct forecast_model models[MODELS];
    models_all(data, &grid, &arena, models);
    for (size_t m = 0; m < MODELS; m++) {
        struct forecast_said said[60];
        cr_assert(models[m].say || models[m].said, "%s", models[m].name);
        for (size_t k = 0; k < grid.knot_count && models[m].say; k++) {
            models[m].say(&models[m], data, &grid, k, 60, said);
            for (size_t i = 0; i < 60; i++) {
                double point = models[m].point(&models[m], data, forecast_origin(&grid, i), grid.knots[k], NULL);
                cr_assert(said[i].point == point || (isnan(said[i].point) && isnan(point)), "%s", models[m].name);
                cr_assert_eq(said[i].scale, 1);
            }
        }
    }
    arena_release(&arena);
}

/* Changing what comes at or after an origin must not change the point from it. The grid ends before the change, so that
 * fitting cannot see it either. */
Test(forecast_models, look_only_at_what_is_before_the_origin) {
    const size_t change = 8 * DAY;
    struct chance c = {11};
    bench_wave(10 * DAY, DAY);
    for (size_t i = 0; i < 10 * DAY; i++)
        bench.y[i] += chance_next(&c);
    struct arena arena = {0};
    struct forecast_data *data = bench_all(10 * DAY);
    struct forecast_grid grid = {.knots = {1, 20, DAY},
                                 .logs = {0, log(20), log(DAY)},
                                 .knot_count = 3,
                                 .horizon = DAY,
                                 .origin_first = 2 * DAY,
                                 .origin_stride = 31};
    grid.origin_count = (change - DAY - grid.origin_first) / grid.origin_stride;
    double before[MODELS][8];
    for (int round = 0; round < 2; round++) {
        struct forecast_model models[MODELS];
        models_all(data, &grid, &arena, models);
        for (size_t m = 0; m < MODELS; m++) {
            for (size_t k = 0; k < 8; k++) {
                size_t origin = change - 100 * (k / 4), step = 1 + 70 * (k % 4);
                double scale = 0, point = models[m].point(&models[m], data, origin, step, &scale);
                point += 1000 * scale;
                if (round)
                    cr_expect_eq(point, before[m][k], "%s, case %zu", models[m].name, k);
                before[m][k] = point;
            }
        }
        for (size_t i = change; i < 10 * DAY; i++)
            bench.y[i] += 1;
        data = bench_all(10 * DAY);
    }
    arena_release(&arena);
}

/* Demand in other units gets the same forecast in these; and for the additive ones, so does demand on top of a base. */
Test(forecast_models, know_neither_the_unit_nor_the_additive_ones_the_zero) {
    static const struct { double factor, shift; } rows[] = {{1, 0}, {1000, 0}, {1e-6, 0}, {1, 500}};
    double before[MODELS][8];
    for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
        struct chance c = {12};
        struct arena arena = {0};
        bench_wave(10 * DAY, DAY);
        for (size_t i = 0; i < 10 * DAY; i++)
            bench.y[i] = rows[r].shift + rows[r].factor * (bench.y[i] + chance_next(&c) + (i % 50 < 5 ? 4 : 0));
        struct forecast_data *data = bench_all(10 * DAY);
        struct forecast_grid grid = forecast_grid_make(data, DAY);
        struct forecast_model models[MODELS];
        models_all(data, &grid, &arena, models);
        for (size_t m = 0; m < (rows[r].shift > 0 ? 7 : MODELS); m++) {
            for (size_t k = 0; k < 8; k++) {
                size_t origin = 10 * DAY - 100 * (k / 4), step = 1 + 70 * (k % 4);
                double point = models[m].point(&models[m], data, origin, step, NULL);
                if (r == 0)
                    before[m][k] = point;
                else
                    cr_expect_float_eq((point - rows[r].shift) / rows[r].factor, before[m][k], 1e-6, "%s, row %zu",
                                       models[m].name, r);
            }
        }
        arena_release(&arena);
    }
}

Test(forecast_holt_winters, a_multiplicative_season_grows_with_the_level) {
    const size_t count = 10 * DAY;
    for (size_t i = 0; i < count + 12; i++) {
        double y = (10 + 0.01 * (double)i) * (1 + 0.5 * sin(2 * M_PI * (double)i / DAY));
        if (i < count)
            bench.y[i] = y;
    }
    struct arena arena = {0};
    struct forecast_data *data = bench_make(count, DAY, 0);
    data->seasons.has_day = true;
    struct forecast_grid grid = forecast_grid_make(data, DAY);
    struct forecast_model times, plus;
    cr_assert(forecast_holt_winters(data, &grid, &arena, &plus));
    cr_assert(forecast_holt_winters_multiplicative(data, &grid, &plus, &arena, &times));
    cr_assert_str_eq(times.name, "holt-winters-multiplicative-day");
    double off = 0, off_plus = 0;
    for (size_t step = 1; step <= DAY; step++) {
        double i = (double)(count + step - 1), y = (10 + 0.01 * i) * (1 + 0.5 * sin(2 * M_PI * i / DAY));
        off += fabs(y - times.point(&times, data, count, step, NULL)) / DAY;
        off_plus += fabs(y - plus.point(&plus, data, count, step, NULL)) / DAY;
    }
    cr_expect_lt(off, 0.75 * off_plus, "%g, additive %g", off, off_plus);
    bench.y[5] = -1;
    data = bench_make(count, DAY, 0);
    cr_expect_not(forecast_holt_winters_multiplicative(data, &grid, &plus, &arena, &times), "no season");
    data->seasons.has_day = true;
    cr_expect_not(forecast_holt_winters_multiplicative(data, &grid, &plus, &arena, &times), "a negative value");
    arena_release(&arena);
}

Test(forecast_holt_winters, a_first_season_of_zeros_multiplies_nothing_to_infinity) {
    for (size_t i = 0; i < 6 * DAY; i++)
        bench.y[i] = i < DAY ? 0 : 10;
    struct arena arena = {0};
    struct forecast_data *data = bench_make(6 * DAY, DAY, 0);
    data->seasons.has_day = true;
    struct forecast_grid grid = forecast_grid_make(data, 12);
    struct forecast_model plus, model;
    cr_assert(forecast_holt_winters(data, &grid, &arena, &plus));
    cr_assert(forecast_holt_winters_multiplicative(data, &grid, &plus, &arena, &model));
    for (size_t step = 1; step <= 12; step++)
        cr_expect_float_eq(model.point(&model, data, 6 * DAY, step, NULL), 10, 1, "step %zu", step);
    arena_release(&arena);
}

Test(forecast_decomposition, a_day_and_a_week_together_and_no_outage) {
    const size_t day = 24, week = 168, count = 10 * 168;
    for (size_t i = 0; i < count; i++)
        bench.y[i] = 50 + 10 * sin(2 * M_PI * (double)(i % day) / 24) + (i % week >= 5 * day ? -20 : 0);
    struct arena arena = {0};
    double usual[48];
    for (int round = 0; round < 2; round++) {
        for (size_t i = count - 40; i < count - 36 && round; i++)
            bench.y[i] = 0; /* Hours without demand, which must not be what is expected from now on. */
        struct forecast_data *data = bench_make(count, day, week);
        data->step_ms = 3600000;
        struct forecast_grid grid = forecast_grid_make(data, 48);
        struct forecast_model model;
        cr_assert(forecast_decomposition(data, &grid, &arena, &model));
        for (size_t step = 1; step <= 48; step++) {
            double point = model.point(&model, data, count, step, NULL);
            if (round)
                cr_expect_float_eq(point, usual[step - 1], 3, "step %zu", step);
            else
                cr_expect_float_eq(point, bench.y[step - 1], 2.5, "step %zu: %g for %g", step, point,
                                   bench.y[step - 1]);
            usual[step - 1] = point;
        }
    }
    cr_expect_not(forecast_decomposition(bench_make(count, 0, 0), &(struct forecast_grid){.knot_count = 1}, &arena,
                                         &(struct forecast_model){0}),
                  "no season");
    arena_release(&arena);
}

/* Half of the weight lies in the last day (24 h of half-life): what was usual for a day is, what was for an hour is
 * not. */
Test(forecast_histogram, is_the_median_that_forgets_half_in_a_day) {
    struct arena arena = {0};
    for (size_t i = 0; i < 8 * DAY; i++)
        bench.y[i] = i < 4 * DAY ? 10 : 40;
    struct forecast_data *data = bench_make(8 * DAY, 0, 0);
    struct forecast_model model;
    cr_assert(forecast_histogram(data, &arena, &model));
    cr_expect_float_eq(model.point(&model, data, 4 * DAY + 12, 1, NULL), 10, 0.5, "an hour is no new level");
    cr_expect_float_eq(model.point(&model, data, 4 * DAY + DAY / 2, 1, NULL), 10, 0.5, "half a day is none");
    cr_expect_float_eq(model.point(&model, data, 5 * DAY + DAY / 2, 1, NULL), 40, 2);
    cr_expect_eq(model.point(&model, data, 8 * DAY, 1, NULL), model.point(&model, data, 8 * DAY, 300, NULL));
    bench.y[7] = -1;
    cr_expect_not(forecast_histogram(bench_make(8 * DAY, 0, 0), &arena, &model), "no histogram of negative demand");
    arena_release(&arena);
}

/* Nine decades above the first sample's ten thousandth, at the bounds of the buckets and between them. */
Test(forecast_histogram, what_is_always_the_same_is_in_the_bucket_around_it) {
    for (double bucket = 0.01; bucket < 382.9; bucket += 0.03) {
        struct arena arena = {0};
        double value = 1e-4 * pow(1.05, bucket);
        bench.y[0] = 1;
        for (size_t i = 1; i < 4 * DAY; i++)
            bench.y[i] = value;
        struct forecast_model model;
        struct forecast_data *data = bench_make(4 * DAY, 0, 0);
        cr_assert(forecast_histogram(data, &arena, &model));
        double found = model.point(&model, data, 4 * DAY, 1, NULL);
        cr_expect_leq(fabs(log(found / value)), 0.5 * log(1.05) + 1e-9, "%g for %g", found, value);
        arena_release(&arena);
    }
}

Test(forecast_profile, seasonal_mean_reads_whole_seasons_back) {
    for (size_t i = 0; i < 6 * DAY; i++)
        bench.y[i] = (double)(i / DAY); /* Day 0 is 0, day 1 is 1... */
    struct arena arena = {0};
    struct forecast_data *data = bench_make(6 * DAY, DAY, 0);
    struct forecast_grid grid = forecast_grid_make(data, 1);
    struct forecast_model model = forecast_profile(data, &grid, DAY, "day", &arena);
    /* Mean of days 0..5 is 2.5; the last deviation is 5 - mean(0..4) = 3, which wears off fully or less. */
    double point = model.point(&model, data, 6 * DAY, 1, NULL);
    cr_assert(point >= 2.5 && point <= 5.5 + 1e-9, "%g", point);
    arena_release(&arena);
}

/* A series whose next value is half the last one and half the same moment of yesterday: exactly what it can learn. */
Test(forecast_direct, learns_what_mixes_today_and_yesterday) {
    struct chance c = {5};
    size_t count = 14 * DAY;
    for (size_t i = 0; i < count; i++)
        bench.y[i] = i < DAY ? 50 + 20 * sin(2 * M_PI * (double)i / DAY) + 10 * (chance_next(&c) - 0.5)
                             : 0.5 * bench.y[i - 1] + 0.5 * bench.y[i - DAY] + 2 * (chance_next(&c) - 0.5);
    struct arena arena = {0};
    struct forecast_data *data = bench_make(count, DAY, 0);
    struct forecast_grid grid = forecast_grid_make(data, 1);
    struct forecast_model model, naive = forecast_last_value();
    cr_assert(forecast_direct(data, &grid, &arena, &arena, &model));
    double off = 0, naive_off = 0;
    for (size_t origin = 7 * DAY; origin < count; origin++) {
        off += fabs(bench.y[origin] - model.point(&model, data, origin, 1, NULL));
        naive_off += fabs(bench.y[origin] - naive.point(&naive, data, origin, 1, NULL));
    }
    cr_expect_lt(off / (double)(7 * DAY), 0.75, "noise alone has a mean absolute error of 0.5");
    cr_expect_lt(off, 0.9 * naive_off);
    arena_release(&arena);
}

Test(forecast_direct, knows_calm_moments_from_restless_ones) {
    struct chance c = {6};
    size_t count = 14 * DAY;
    for (size_t i = 0; i < count; i++) /* Restless in the first half of each day. */
        bench.y[i] = 50 + (i % DAY < DAY / 2 ? 20 : 1) * (chance_next(&c) - 0.5);
    struct arena arena = {0};
    struct forecast_data *data = bench_make(count, DAY, 0);
    struct forecast_grid grid = forecast_grid_make(data, 12);
    struct forecast_model model;
    cr_assert(forecast_direct(data, &grid, &arena, &arena, &model));
    size_t noon = 12 * DAY + DAY / 4, midnight = 12 * DAY + 3 * DAY / 4;
    double restless = 0, calm = 0;
    model.point(&model, data, noon, 6, &restless);
    model.point(&model, data, midnight, 6, &calm);
    cr_expect_gt(restless, 3 * calm);
    arena_release(&arena);
}

/* The fit takes these for what point would say: they are worked out while the weights are still being learned. */
Test(forecast_direct, what_it_said_is_what_it_says) {
    struct chance c = {7};
    size_t count = 9 * DAY;
    for (size_t i = 0; i < count; i++)
        bench.y[i] = i > 700 && i < 1000 ? NAN : 50 + 20 * sin(2 * M_PI * (double)i / DAY) + 10 * chance_next(&c);
    struct arena arena = {0};
    struct forecast_data *data = bench_make(count, DAY, 0);
    bench.saturated[6 * DAY] = true;
    struct forecast_grid grid = forecast_grid_make(data, 12);
    struct forecast_model model;
    size_t known = 0, unknown = 0;
    cr_assert(forecast_direct(data, &grid, &arena, &arena, &model));
    for (size_t k = 0; k < grid.knot_count; k++) {
        for (size_t i = 0; i < grid.origin_count && forecast_origin(&grid, i) + grid.knots[k] <= count; i++) {
            const struct forecast_said *said = &model.said[k * FORECAST_ORIGINS_MAX + i];
            double scale, point = model.point(&model, data, forecast_origin(&grid, i), grid.knots[k], &scale);
            cr_assert_eq(isnan(said->point), isnan(point), "knot %zu origin %zu", k, i);
            unknown += isnan(point) ? 1 : 0;
            if (isnan(point))
                continue;
            known++;
            cr_assert(said->point == point && said->scale == scale, "knot %zu origin %zu", k, i);
        }
    }
    cr_expect(known > 1000 && unknown > 0, "%zu %zu", known, unknown);
    arena_release(&arena);
}

/* In the second day all that is known of past days is one day: two features are then the same but for rounding, and
 * must not get weights that explode when they part. */
Test(forecast_direct, features_that_were_the_same_get_no_weights_that_explode) {
    struct chance c = {3};
    const size_t count = 25 + 230; /* Ten blocks of 23: the first ends within the second day. */
    struct arena arena = {0};
    for (size_t i = 0; i < count; i++)
        bench.y[i] = 1e6 * (1 + chance_next(&c));
    struct forecast_data *data = bench_make(count, 24, 168);
    data->step_ms = 3600000;
    struct forecast_grid grid = {
        .knots = {1, 24}, .logs = {0, log(24)}, .knot_count = 2, .origin_first = 25, .origin_stride = 1};
    grid.origin_count = count - grid.origin_first;
    struct forecast_model model;
    cr_assert(forecast_direct(data, &grid, &arena, &arena, &model));
    for (size_t origin = 80; origin <= count; origin++) {
        double scale = 0;
        cr_assert_float_eq(model.point(&model, data, origin, 1, &scale), 1.5e6, 1e6, "origin %zu", origin);
        cr_assert_lt(scale, 1e6, "origin %zu", origin);
    }
    arena_release(&arena);
}

static double shift_of(const struct forecast_data *data) {
    const struct forecast_shift shift = forecast_shift_learn(data, DAY);
    return forecast_shift_now(&shift, data);
}

Test(forecast_shift, only_a_level_never_seen_is_a_shift) {
    struct chance c = {8};
    for (size_t i = 0; i < 10 * DAY; i++)
        bench.y[i] = 10 + 5 * sin(2 * M_PI * (double)i / DAY) + chance_next(&c);
    cr_expect_lt(shift_of(bench_make(10 * DAY, DAY, 0)), 0.2);
    for (size_t i = 10 * DAY - 40; i < 10 * DAY; i++)
        bench.y[i] += 20;
    cr_expect_gt(shift_of(bench_make(10 * DAY, DAY, 0)), 0.95);
    for (size_t i = 6 * DAY; i < 6 * DAY + 60; i++) /* It has been there before, and went back. */
        bench.y[i] += 25;
    cr_expect_lt(shift_of(bench_make(10 * DAY, DAY, 0)), 0.6);
    cr_expect_eq(shift_of(bench_make(2 * DAY, DAY, 0)), 0, "too short to tell");
}

Test(forecast_score, quantiles_of_a_sample) {
    double sample[99];
    for (size_t i = 0; i < 99; i++)
        sample[i] = (double)(i + 1); /* Rank r of 100 parts is r. */
    static const struct { double q, expected; } rows[] = {{0.5, 50}, {0.9, 90}, {0.99, 99}, {0.01, 1}, {0.255, 25.5}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        cr_expect_float_eq(forecast_quantile(sample, 99, rows[i].q), rows[i].expected, 1e-9, "q%g", rows[i].q);
    cr_expect_gt(forecast_quantile(sample, 99, 0.999), 99, "beyond the sample: an exponential tail");
    cr_expect_lt(forecast_quantile(sample, 99, 0.999), 200);
    cr_expect_lt(forecast_quantile(sample, 99, 0.001), 1);
    cr_expect_eq(forecast_quantile(sample, 1, 0.999), 1, "one sample is all there is");
}

static int rising_cmp(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Also of samples with many values alike, and in an order that suits no pivot. */
Test(forecast_score, a_sample_is_sorted_and_selected_from_as_by_the_library) {
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct chance c = {seed};
        double values[3][FORECAST_ORIGINS_MAX];
        size_t count = 1 + (size_t)(chance_next(&c) * (FORECAST_ORIGINS_MAX - 1)), kinds = seed % 4 ? 3 + seed % 40 : 1;
        for (size_t i = 0; i < count; i++)
            values[0][i] = seed % 3 ? floor(chance_next(&c) * (double)kinds) : (double)(i < count / 2 ? i : count - i);
        memcpy(values[1], values[0], sizeof(values[0]));
        memcpy(values[2], values[0], sizeof(values[0]));
        qsort(values[0], count, sizeof(double), rising_cmp);
        for (double q = 0.002; q < 1; q += 0.0413)
            cr_assert_eq(forecast_quantile_of(values[2], count, q), forecast_quantile(values[0], count, q),
                         "seed %llu, q%g", (unsigned long long)seed, q);
        for (size_t rank = 0; rank < count; rank += 7) {
            cr_assert_eq(forecast_nth(values[1], count, rank), values[0][rank], "seed %llu", (unsigned long long)seed);
        }
        forecast_sort(values[1], count);
        cr_assert_arr_eq(values[1], values[0], count * sizeof(double), "seed %llu", (unsigned long long)seed);
    }
}

Test(forecast_score, quantiles_of_any_sample_are_monotone) {
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct chance c = {seed};
        double sample[FORECAST_ORIGINS_MAX];
        size_t count = 1 + (size_t)(chance_next(&c) * (FORECAST_ORIGINS_MAX - 1));
        for (size_t i = 0; i < count; i++)
            sample[i] = pow(chance_next(&c), -0.7) * (chance_next(&c) < 0.3 ? -1 : 1);
        forecast_sort(sample, count);
        double previous = -INFINITY;
        for (double q = 0.0005; q < 1; q += 0.0005) {
            double value = forecast_quantile(sample, count, q);
            cr_assert(value >= previous, "seed %llu q %g: %g < %g", (unsigned long long)seed, q, value, previous);
            previous = value;
        }
    }
}

Test(forecast_score, the_grid_ends_at_the_horizon_and_at_the_newest_origin) {
    for (size_t steps = 1; steps <= FORECAST_STEPS_MAX; steps = steps * 3 + 1) {
        for (size_t count = 1; count < 4000; count = count * 2 + 1) {
            struct forecast_data data = {.count = count, .step_ms = STEP_MS};
            struct forecast_grid grid = forecast_grid_make(&data, steps);
            cr_assert_eq(grid.knots[grid.knot_count - 1], steps);
            cr_assert_leq(grid.origin_count, FORECAST_ORIGINS_MAX);
            for (size_t k = 1; k < grid.knot_count; k++)
                cr_assert_lt(grid.knots[k - 1], grid.knots[k]);
            if (grid.origin_count) {
                cr_assert_eq(forecast_origin(&grid, grid.origin_count - 1), count - 1);
                cr_assert_geq(grid.origin_first, 1);
            }
        }
    }
}

Test(forecast_score, sorts_anything) {
    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct chance c = {seed};
        double sample[FORECAST_ORIGINS_MAX], sum = 0;
        size_t count = (size_t)(chance_next(&c) * FORECAST_ORIGINS_MAX), kinds = 1 + (size_t)(chance_next(&c) * 300);
        for (size_t i = 0; i < count; i++) {
            double random = floor(chance_next(&c) * (double)kinds), rising = (double)(i % kinds);
            sample[i] = seed % 3 == 0 ? random : seed % 3 == 1 ? rising : -rising;
            sum += sample[i] * sample[i];
        }
        forecast_sort(sample, count);
        for (size_t i = 0; i < count; i++) {
            cr_assert(i == 0 || sample[i] >= sample[i - 1], "seed %llu", (unsigned long long)seed);
            sum -= sample[i] * sample[i];
        }
        cr_assert_eq(sum, 0, "the same numbers as before"); /* Whole numbers: exact. */
    }
}
