/*
 * The forecast that goes on: whoever asks, however often, whatever came late, the same history has the same answer; it
 * is as good as that of a fit to all of it; and it costs a fit an hour.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "forecast/fit.h"
#include "forecast/track.h"
#include "history/csv.h"
#include "series.h"

#define HOUR 12
#define BEFORE (10 * DAY)
#define SLOTS (BEFORE + 40)
#define STEPS 24
#define WINDOW (9 * DAY)

static float demand[SLOTS];
static size_t steps = STEPS;

static struct forecast_options options_of(const float *factors) {
    return (struct forecast_options){steps, TEST_QUANTILES, test_quantiles, factors};
}

/* The window of `count` slots that ends before `end`. */
static struct history_series window_of(size_t end, size_t count) {
    struct history_series series = series_of(demand + end - count, count);
    series.start_ms += (int64_t)(end - count) * STEP_MS;
    return series;
}

static void assert_same(const struct forecast *a, const struct forecast *b, const char *what, size_t at) {
    cr_assert_eq(a->basis, b->basis, "%s, %zu", what, at);
    cr_assert_str_eq(a->model, b->model, "%s, %zu", what, at);
    cr_assert_eq(a->start_ms, b->start_ms, "%s, %zu", what, at);
    cr_assert_eq(a->used, b->used, "%s, %zu", what, at);
    cr_assert_eq(a->coverage_per_mille, b->coverage_per_mille, "%s, %zu", what, at);
    cr_assert(a->loss == b->loss || (isnan(a->loss) && isnan(b->loss)), "%s, %zu", what, at);
    cr_assert_arr_eq(a->values, b->values, a->steps * a->quantile_count * sizeof(double), "%s, %zu", what, at);
}

/* By the track, and by one that begins with this. */
static void check(struct forecast_track **track, const struct history_series *series, const float *factors,
                  const char *what, size_t at) {
    struct arena arena = {0};
    const struct forecast_options options = options_of(factors);
    struct forecast kept, fresh;
    forecast_track_compute(track, series, &options, SIZE_MAX, &arena, &kept);
    forecast_track_compute(NULL, series, &options, 0, &arena, &fresh);
    assert_same(&kept, &fresh, what, at);
    for (size_t s = 0; s < kept.steps; s++) {
        for (size_t j = 0; j < kept.quantile_count; j++) {
            cr_assert(isfinite(forecast_value(&kept, s, j)), "%s, %zu", what, at);
            cr_assert(j == 0 || forecast_value(&kept, s, j) >= forecast_value(&kept, s, j - 1), "%s, %zu", what, at);
        }
    }
    arena_release(&arena);
}

Test(forecast_track, an_event_for_a_series_without_samples_is_another_input) {
    struct forecast_track *track = NULL;
    struct arena arena = {0};
    const float factors[STEPS] = {2, 2};
    const struct forecast_options plain = options_of(NULL), with_event = options_of(factors);
    struct history_series series = series_of(demand, 0);
    series.demand = NULL; /* As of a key that the history does not know. */
    struct forecast f;
    forecast_track_compute(&track, &series, &plain, SIZE_MAX, &arena, &f);
    forecast_track_compute(&track, &series, &with_event, SIZE_MAX, &arena, &f);
    cr_assert_eq(f.basis, FORECAST_BASIS_NONE);
    forecast_track_compute(&track, &series, &plain, SIZE_MAX, &arena, &f);
    cr_assert_eq(f.basis, FORECAST_BASIS_NONE);
    forecast_track_free(track);
    arena_release(&arena);
}

/* A zero too many turns zeros into outages for one call; then it was none. */
Test(forecast_track, what_was_seen_in_another_light_for_a_while_leaves_nothing_behind) {
    struct forecast_track *track = NULL;
    struct arena arena = {0};
    for (size_t i = 0; i < SLOTS; i++)
        demand[i] = 100 + 10 * (float)(i % HOUR);
    size_t zeros = 51; /* Just under the share that is an outage. */
    for (size_t i = 0; i < zeros; i++)
        demand[BEFORE - WINDOW + 100 + 25 * i] = 0;
    const size_t end = BEFORE - 6; /* All of one hour: one fit. */
    demand[end - 2] = NAN;
    struct history_series series = window_of(end, WINDOW);
    check(&track, &series, NULL, "a gap", 0);
    demand[end - 2] = 400;
    demand[end] = 0;
    series = window_of(end + 1, WINDOW + 1);
    check(&track, &series, NULL, "a zero too many", 0);
    demand[end] = 100;
    series = window_of(end + 2, WINDOW + 2);
    check(&track, &series, NULL, "corrected", 0);
    forecast_track_free(track);
    arena_release(&arena);
}

/* Weights that were found where nobody was ever wrong say nothing once the level moves. */
Test(forecast_track, a_fit_to_a_flat_line_does_not_go_on_after_a_jump) {
    struct forecast_track *track = NULL;
    struct arena arena = {0};
    const struct forecast_options options = options_of(NULL);
    for (size_t i = 0; i < SLOTS; i++)
        demand[i] = i < BEFORE + 2 ? 50 : 400;
    for (size_t end = BEFORE; end <= BEFORE + 3; end++) {
        struct history_series series = window_of(end, WINDOW);
        struct forecast kept, whole;
        forecast_track_compute(&track, &series, &options, SIZE_MAX, &arena, &kept);
        forecast_compute(&series, &options, &arena, &whole);
        if (end == BEFORE + 3) /* One sample of the new level; the next fit has two. */
            assert_same(&kept, &whole, "jump", end);
    }
    forecast_track_free(track);
    arena_release(&arena);
}

Test(forecast_track, fed_one_by_one_or_all_at_once_is_the_same) {
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct chance c = {seed};
        struct forecast_track *track = NULL;
        steps = seed == 2 ? DAY : STEPS; /* A day ahead the newest slots are what is looked up. */
        if (seed % 2)
            wild_fill(demand, SLOTS, &c);
        else
            wave_fill(demand, SLOTS, 3, seed);
        for (size_t end = BEFORE; end <= SLOTS; end += seed % 3 ? 1 : 5) { /* And with steps skipped. */
            struct history_series series = window_of(end, seed < 4 ? WINDOW : end);
            check(&track, &series, NULL, "seed", seed * 1000 + end - BEFORE);
        }
        forecast_track_free(track);
    }
}

Test(forecast_track, a_fit_lasts_an_hour) {
    struct forecast_track *track = NULL;
    wave_fill(demand, SLOTS, 3, 1);
    for (size_t end = BEFORE; end < BEFORE + 3 * HOUR; end++) {
        struct history_series series = window_of(end, WINDOW);
        check(&track, &series, NULL, "end", end);
    }
    size_t fits = forecast_track_fits(track);
    cr_expect(fits == 3 || fits == 4, "%zu fits in three hours: do all models go on?", fits);
    forecast_track_free(track);
}

Test(forecast_track, nothing_new_is_not_computed) {
    struct forecast_track *track = NULL;
    wave_fill(demand, SLOTS, 3, 1);
    struct history_series series = window_of(DAY / 2, DAY / 2); /* Too short for a fit that goes on. */
    check(&track, &series, NULL, "first", 0);
    check(&track, &series, NULL, "again", 0);
    cr_expect_eq(forecast_track_fits(track), 1);
    series.start_ms += STEP_MS;
    check(&track, &series, NULL, "another time", 0);
    cr_expect_eq(forecast_track_fits(track), 2);
    forecast_track_free(track);
}

/* What is the newest now may be missing, and come later; or be corrected, as far back as it likes. */
Test(forecast_track, late_and_corrected_samples_are_as_if_they_had_been_in_time) {
    struct forecast_track *track = NULL;
    struct chance c = {3};
    wave_fill(demand, SLOTS, 3, 1);
    for (size_t end = BEFORE; end <= SLOTS; end++) {
        float newest[2] = {demand[end - 2], demand[end - 1]};
        demand[end - 2] = demand[end - 1] = NAN;
        struct history_series series = window_of(end, WINDOW);
        check(&track, &series, NULL, "late", end);
        demand[end - 2] = newest[0];
        demand[end - 1] = newest[1];
        check(&track, &series, NULL, "come", end);
        demand[end - 1 - (size_t)(chance_next(&c) * 30)] *= 1.2f;
        check(&track, &series, NULL, "corrected", end);
    }
    forecast_track_free(track);
}

Test(forecast_track, what_is_late_costs_no_fit) {
    struct forecast_track *track = NULL;
    wave_fill(demand, SLOTS, 3, 1);
    float copy[SLOTS];
    memcpy(copy, demand, sizeof(copy));
    for (size_t end = BEFORE; end < BEFORE + 3 * HOUR; end++) {
        memcpy(demand, copy, sizeof(copy));
        demand[end - 2] = demand[end - 1] = NAN;
        struct history_series series = window_of(end, WINDOW);
        check(&track, &series, NULL, "end", end);
    }
    cr_expect_leq(forecast_track_fits(track), 4);
    forecast_track_free(track);
}

Test(forecast_track, gaps_zeros_ceilings_and_factors_are_seen_as_by_a_new_one) {
    static float factors[SLOTS + STEPS];
    static uint8_t saturated[SLOTS / 8 + 1];
    for (int what = 0; what < 6; what++) {
        static const char *const names[] = {"gaps", "an outage", "zeros", "a ceiling", "factors", "negative"};
        struct forecast_track *track = NULL;
        wave_fill(demand, SLOTS, 1, 2);
        memset(saturated, 0, sizeof(saturated));
        for (size_t i = 0; i < SLOTS + STEPS; i++)
            factors[i] = i % 50 < 5 ? 2 : 1;
        for (size_t i = BEFORE + 5; i < SLOTS; i++) {
            if (what == 0 && i % 7 < 4)
                demand[i] = NAN;
            if ((what == 1 && i < BEFORE + 20) || (what == 2 && (i % 3 || i == BEFORE + 5)))
                demand[i] = 0;
            if (what == 2)
                demand[i - 3 * DAY] = 0;
            if (what == 3 && i % 4 == 0)
                saturated[i / 8] = (uint8_t)(saturated[i / 8] | 1u << i % 8);
            if (what == 5)
                demand[i] = -1;
        }
        for (size_t end = BEFORE; end <= SLOTS; end++) {
            struct history_series series = window_of(end, end);
            series.saturated = saturated;
            check(&track, &series, what == 4 ? factors : NULL, names[what], end - BEFORE);
        }
        factors[SLOTS] = 3;
        struct history_series series = window_of(SLOTS, SLOTS);
        series.saturated = saturated;
        check(&track, &series, what == 4 ? factors : NULL, "another future", 0);
        forecast_track_free(track);
    }
}

Test(forecast_track, an_outage_since_the_fit_is_no_lack_of_demand) {
    struct arena arena = {0};
    const struct forecast_options options = options_of(NULL);
    struct forecast before, within;
    wave_fill(demand, SLOTS, 1, 2);
    size_t full = BEFORE; /* The end of a fit: a full hour. */
    while ((series_of(demand, full).start_ms / STEP_MS + (int64_t)full) % HOUR)
        full++;
    struct history_series series = window_of(full, full);
    forecast_track_compute(NULL, &series, &options, 0, &arena, &before);
    for (size_t i = full; i < full + 5; i++)
        demand[i] = 0;
    series = window_of(full + 5, full + 5);
    forecast_track_compute(NULL, &series, &options, 0, &arena, &within);
    cr_expect_gt(forecast_value(&within, 0, 0), 0.7 * forecast_value(&before, 5, 0));
    arena_release(&arena);
}

Test(forecast_track, a_step_of_the_clock_or_of_the_options_begins_anew) {
    struct forecast_track *track = NULL;
    wave_fill(demand, SLOTS, 3, 1);
    struct history_series series = window_of(BEFORE, BEFORE);
    check(&track, &series, NULL, "first", 0);
    series.start_ms += 5 * STEP_MS;
    check(&track, &series, NULL, "moved on", 0);
    series.start_ms -= 1000 * STEP_MS;
    check(&track, &series, NULL, "moved back", 0);
    series.step_ms *= 2;
    check(&track, &series, NULL, "another step", 0);
    struct arena arena = {0};
    static const double others[] = {0.2, 0.8};
    const struct forecast_options options = {3, 2, others, NULL};
    struct forecast kept, fresh;
    forecast_track_compute(&track, &series, &options, SIZE_MAX, &arena, &kept);
    forecast_track_compute(NULL, &series, &options, 0, &arena, &fresh);
    assert_same(&kept, &fresh, "other options", 0);
    series.count = 0;
    check(&track, &series, NULL, "nothing left", 0);
    arena_release(&arena);
    forecast_track_free(track);
}

Test(forecast_track, keeps_to_its_bound) {
    struct forecast_track *track = NULL;
    struct arena arena = {0};
    const struct forecast_options options = options_of(NULL);
    struct forecast f, whole;
    wave_fill(demand, SLOTS, 3, 1);
    struct history_series series = window_of(BEFORE, BEFORE);
    forecast_track_compute(&track, &series, &options, SIZE_MAX, &arena, &whole);
    cr_expect_lt(forecast_track_bytes(track), 1 << 20);
    forecast_track_compute(&track, &series, &options, 50000, &arena, &f);
    cr_expect_leq(forecast_track_bytes(track), 50000);
    cr_assert_not_null(track, "the answer is kept");
    forecast_track_compute(&track, &series, &options, 100, &arena, &f);
    cr_expect_null(track);
    assert_same(&whole, &f, "without", 0);
    arena_release(&arena);
}

static double loss_of(const struct forecast *f, const float *came) {
    double loss = 0;
    for (size_t s = 0; s < f->steps; s++) {
        for (size_t j = 0; j < f->quantile_count && !isnan(came[s]); j++) {
            double above = (double)came[s] - forecast_value(f, s, j), q = f->quantiles[j];
            loss += above >= 0 ? q * above : (q - 1) * above;
        }
    }
    return loss;
}

/* Real demand, a few weeks of it: what a fit of up to an hour ago costs. */
Test(forecast_track, is_as_good_as_a_fit_to_all) {
    static const char *const files[] = {"tests/data/demand/ccc_cluster28_cpu.csv",
                                        "tests/data/demand/nasa_http_1995_jul.csv",
                                        "tests/data/demand/servegen_m_small_client_5.csv"};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        struct history_csv csv = {0};
        struct error err = {0};
        struct arena arena = {0};
        double losses[2] = {0, 0};
        cr_assert_eq(history_csv_read(files[i], &csv, &err), ERR_NONE, "%s", err.message);
        struct history_series all = history_csv_grid(&csv, csv.count, &arena), part = all;
        size_t hour = (size_t)(3600000 / all.step_ms), stride = all.count / 3 / 40;
        const struct forecast_options options = {hour, TEST_QUANTILES, test_quantiles, NULL};
        for (part.count = 2 * all.count / 3; part.count + hour <= all.count; part.count += stride) {
            struct forecast whole, tracked;
            forecast_compute(&part, &options, &arena, &whole);
            forecast_track_compute(NULL, &part, &options, 0, &arena, &tracked);
            losses[0] += loss_of(&whole, all.demand + part.count);
            losses[1] += loss_of(&tracked, all.demand + part.count);
        }
        cr_expect_lt(losses[1], 1.03 * losses[0], "%s: %g, of a fit to all %g", files[i], losses[1], losses[0]);
        arena_release(&arena);
        history_csv_release(&csv);
    }
}
