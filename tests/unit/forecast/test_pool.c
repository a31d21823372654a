/*
 * Borrowed histories: what they are worth to a young resource, and when nothing may be borrowed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "forecast/pool.h"
#include "forecast/track.h"
#include "series.h"

#define LENGTH (14 * DAY)
#define YOUNG 36 /* Three hours. */
#define AHEAD DAY

/* Donor k at its own level, with noise of its own; what follows its end is there to be compared with. */
static float donors_demand[4][LENGTH + AHEAD];
static struct history_series donors[4];

static void donors_make(double noise) {
    for (size_t k = 0; k < 4; k++) {
        wave_fill(donors_demand[k], LENGTH + AHEAD, noise, 11 + k);
        for (size_t i = 0; i < LENGTH + AHEAD; i++)
            donors_demand[k][i] *= (float)(1 << k);
        donors[k] = series_of(donors_demand[k], LENGTH);
    }
}

/* The newest `count` slots of the same wave, at `scale`; with what comes after it. */
static struct history_series young_make(float *to, size_t count, double scale, double noise) {
    static float whole[LENGTH + AHEAD];
    wave_fill(whole, LENGTH + AHEAD, noise, 99);
    for (size_t i = 0; i < count + AHEAD; i++)
        to[i] = (float)scale * whole[LENGTH - count + i];
    struct history_series young = series_of(to, count);
    young.start_ms += (int64_t)(LENGTH - count) * STEP_MS;
    return young;
}

static const struct forecast_options day_ahead = {AHEAD, TEST_QUANTILES, test_quantiles, NULL};

static double loss_of(const struct forecast *f, const float *future) {
    double loss = 0;
    for (size_t s = 0; s < f->steps; s++)
        for (size_t j = 0; j < f->quantile_count; j++) {
            double d = (double)future[s] - forecast_value(f, s, j);
            loss += d >= 0 ? f->quantiles[j] * d : (f->quantiles[j] - 1) * d;
        }
    return loss / (double)(f->steps * f->quantile_count);
}

static bool pooled_of(const struct history_series *young, size_t donor_count, enum forecast_kin kin,
                      struct arena *arena, struct forecast *ret) {
    struct forecast_pool pool;
    if (!forecast_pool(young, donors, donor_count, kin, arena, &pool))
        return false;
    forecast_compute(&pool.series, &day_ahead, arena, ret);
    return forecast_pool_finish(&pool, arena, ret);
}

static bool pooled(const struct history_series *young, size_t donor_count, struct arena *arena, struct forecast *ret) {
    return pooled_of(young, donor_count, FORECAST_KIN_POLICY, arena, ret);
}

Test(forecast_pool, a_young_copy_of_known_days_is_forecast_with_their_season) {
    float demand[YOUNG + AHEAD];
    struct arena arena = {0};
    struct forecast prior, borrowed;
    donors_make(1);
    struct history_series young = young_make(demand, YOUNG, 3, 1);
    forecast_compute(&young, &day_ahead, &arena, &prior);
    cr_assert_eq(prior.basis, FORECAST_BASIS_PRIOR);
    cr_assert(pooled(&young, 4, &arena, &borrowed));
    cr_assert_eq(borrowed.basis, FORECAST_BASIS_POOLED);
    cr_assert_eq(borrowed.used, (size_t)YOUNG);
    cr_assert_eq(borrowed.start_ms, prior.start_ms);
    cr_assert_eq(borrowed.coverage_per_mille, -1);
    cr_assert(isnan(borrowed.loss) && isnan(borrowed.naive_loss));
    double a = loss_of(&borrowed, demand + YOUNG), b = loss_of(&prior, demand + YOUNG);
    cr_assert_lt(a, b / 4, "pooled %g, prior %g", a, b);
    for (size_t s = 0; s < AHEAD; s++)
        cr_assert_float_eq(forecast_value(&borrowed, s, 0), (double)demand[YOUNG + s], 6,
                           "step %zu: the median follows the wave of 15 to 45", s);
    arena_release(&arena);
}

Test(forecast_pool, it_is_wider_than_a_history_of_its_own_and_the_wider_the_more_the_donors_differ) {
    float demand[YOUNG + AHEAD], whole[LENGTH + AHEAD];
    struct arena arena = {0};
    struct forecast own, like, unlike;
    donors_make(1);
    struct history_series young = young_make(demand, YOUNG, 1, 1), old = young_make(whole, LENGTH, 1, 1);
    forecast_compute(&old, &day_ahead, &arena, &own);
    cr_assert_eq(own.basis, FORECAST_BASIS_OWN);
    cr_assert(pooled(&young, 4, &arena, &like));
    donors_make(3);
    cr_assert(pooled(&young, 4, &arena, &unlike));
    double widths[3] = {0};
    for (size_t s = 0; s < AHEAD; s++) {
        widths[0] += forecast_value(&own, s, 3) - forecast_value(&own, s, 0);
        widths[1] += forecast_value(&like, s, 3) - forecast_value(&like, s, 0);
        widths[2] += forecast_value(&unlike, s, 3) - forecast_value(&unlike, s, 0);
    }
    cr_assert_gt(widths[1], widths[0]);
    cr_assert_gt(widths[2], 1.5 * widths[1]);
    arena_release(&arena);
}

Test(forecast_pool, nothing_is_borrowed_from_nobody_or_from_who_is_unlike) {
    float demand[YOUNG + AHEAD], flat[YOUNG], nothing[YOUNG];
    struct arena arena = {0};
    struct forecast f;
    donors_make(1);
    struct history_series young = young_make(demand, YOUNG, 1, 1);
    cr_assert_not(pooled(&young, 0, &arena, &f));
    for (size_t i = 0; i < YOUNG; i++) {
        flat[i] = demand[i];
        nothing[i] = NAN;
    }
    /* It rises fourfold where the donors' night is flat. */
    for (size_t i = 0; i < YOUNG; i++)
        flat[i] = (float)(5 + 15.0 * (double)i / YOUNG);
    struct history_series other = young;
    other.demand = flat;
    donors_make(0);
    for (size_t i = 0; i < LENGTH; i++)
        donors_demand[0][i] = (float)(100 + 90 * sin((double)i)); /* Up and down every half hour. */
    cr_assert_not(pooled(&other, 1, &arena, &f));
    other.demand = nothing;
    cr_assert_not(pooled(&other, 4, &arena, &f), "without a level of its own there is nothing to scale to");
    /* Coarser steps, no earlier beginning, and no level. */
    donors_make(1);
    for (size_t k = 0; k < 4; k++)
        donors[k].step_ms = 12 * STEP_MS;
    cr_assert_not(pooled(&young, 4, &arena, &f));
    donors_make(1);
    for (size_t k = 0; k < 4; k++)
        donors[k] = young;
    cr_assert_not(pooled(&young, 4, &arena, &f));
    donors_make(1);
    memset(donors_demand, 0, sizeof(donors_demand));
    cr_assert_not(pooled(&young, 4, &arena, &f));
    arena_release(&arena);
}

Test(forecast_pool, donors_of_a_few_days_are_no_history_either) {
    float demand[YOUNG + AHEAD];
    struct arena arena = {0};
    struct forecast f;
    donors_make(1);
    struct history_series young = young_make(demand, YOUNG, 1, 1);
    for (size_t k = 0; k < 4; k++) {
        donors[k].demand += LENGTH - DAY;
        donors[k].start_ms += (int64_t)(LENGTH - DAY) * STEP_MS;
        donors[k].count = DAY;
    }
    cr_assert_not(pooled(&young, 4, &arena, &f), "a day is not twice in them");
    arena_release(&arena);
}

Test(forecast_pool, a_finer_donor_is_averaged_onto_the_grid) {
    float demand[YOUNG], fine[5 * DAY * 2];
    struct arena arena = {0};
    struct forecast_pool pool;
    for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++)
        fine[i] = i % 5 == 4 ? NAN : (float)(i / 5 + i % 5); /* Mean of a slot: its number + 1.5. */
    struct history_series donor = {.start_ms = 0, .step_ms = STEP_MS / 5, .count = 5 * DAY * 2, .demand = fine};
    struct history_series young = {
        .start_ms = (2 * DAY - YOUNG) * STEP_MS, .step_ms = STEP_MS, .count = YOUNG, .demand = demand};
    for (size_t i = 0; i < YOUNG; i++)
        demand[i] = (float)(2 * ((double)(2 * DAY - YOUNG + i) + 1.5));
    cr_assert(forecast_pool(&young, &donor, 1, FORECAST_KIN_POLICY, &arena, &pool));
    cr_assert_eq(pool.series.start_ms, 24 * STEP_MS, "two hours of the oldest are left out");
    cr_assert_eq(pool.series.count, (size_t)(2 * DAY - 24));
    for (size_t i = 24; i < 2 * DAY; i++)
        cr_assert_float_eq((double)pool.series.demand[i - 24], 2 * ((double)i + 1.5), 1e-2, "slot %zu", i);
    arena_release(&arena);
}

Test(forecast_pool, the_young_histories_own_slots_stand_as_they_are) {
    float demand[YOUNG + AHEAD];
    uint8_t saturated[YOUNG / 8 + 1] = {0x08};
    struct arena arena = {0};
    struct forecast_pool pool;
    donors_make(1);
    struct history_series young = young_make(demand, YOUNG, 1, 1);
    demand[7] = NAN;
    young.saturated = saturated;
    cr_assert(forecast_pool(&young, donors, 4, FORECAST_KIN_POLICY, &arena, &pool));
    size_t count = pool.series.count;
    cr_assert_eq(count, (size_t)LENGTH - 16, "what is left out ends with an hour");
    cr_assert_eq(pool.young_used, (size_t)YOUNG - 1);
    cr_assert_eq(pool.donor_count, 4u);
    cr_assert_eq(memcmp(pool.series.demand + count - YOUNG, demand, YOUNG * sizeof(*demand)), 0);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(history_is_saturated(&pool.series, i), i == count - YOUNG + 3, "slot %zu", i);
    arena_release(&arena);
}

/* As the loop asks: the donors' windows slide, the young one grows. A pool whose every slot changed with each sample
 * would be fitted anew each time. */
Test(forecast_pool, its_track_is_fitted_once_an_hour) {
    float demand[YOUNG + AHEAD];
    struct arena arena = {0};
    struct forecast_track *track = NULL;
    struct forecast_pool pool;
    struct forecast f, alone;
    donors_make(1);
    struct history_series young = young_make(demand, YOUNG, 3, 1);
    const size_t samples = 5 * 12;
    for (size_t t = 0; t < samples; t++) {
        for (size_t k = 0; k < 4; k++) {
            donors[k].demand = donors_demand[k] + t;
            donors[k].start_ms = series_of(NULL, 0).start_ms + (int64_t)t * STEP_MS;
        }
        young.count = YOUNG + t;
        cr_assert(forecast_pool(&young, donors, 4, FORECAST_KIN_POLICY, &arena, &pool));
        forecast_track_compute(&track, &pool.series, &day_ahead, SIZE_MAX, &arena, &f);
        if (t % 7 == 0) {
            forecast_track_compute(NULL, &pool.series, &day_ahead, 0, &arena, &alone);
            cr_assert_eq(memcmp(f.values, alone.values, sizeof(double) * AHEAD * TEST_QUANTILES), 0, "sample %zu", t);
        }
        arena_clear(&arena);
    }
    cr_expect_leq(forecast_track_fits(track), samples / 12 + 1, "%zu fits", forecast_track_fits(track));
    forecast_track_free(track);
    arena_release(&arena);
}

/* The donors' slots after the young one's end are the future: whatever they are, the same comes out. */
Test(forecast_pool, nothing_of_the_donors_is_read_after_the_young_ones_end) {
    float demand[YOUNG + AHEAD];
    struct arena arena = {0};
    struct forecast before, after;
    donors_make(1);
    for (size_t k = 0; k < 4; k++)
        donors[k].count = LENGTH + AHEAD;
    struct history_series young = young_make(demand, YOUNG, 1, 1);
    cr_assert(pooled(&young, 4, &arena, &before));
    for (size_t k = 0; k < 4; k++)
        for (size_t i = LENGTH; i < LENGTH + AHEAD; i++)
            donors_demand[k][i] = (float)(1e6 * (double)(k + 1));
    cr_assert(pooled(&young, 4, &arena, &after));
    cr_assert_eq(memcmp(before.values, after.values, sizeof(double) * AHEAD * TEST_QUANTILES), 0);
    arena_release(&arena);
}

Test(forecast_pool, scales_with_the_young_one_and_not_with_the_donors) {
    float demand[YOUNG + AHEAD], scaled[YOUNG];
    struct arena arena = {0};
    struct forecast f, g, h;
    donors_make(1);
    struct history_series young = young_make(demand, YOUNG, 1, 1);
    cr_assert(pooled(&young, 4, &arena, &f));
    for (size_t i = 0; i < YOUNG; i++)
        scaled[i] = 1024 * demand[i];
    struct history_series large = young;
    large.demand = scaled;
    cr_assert(pooled(&large, 4, &arena, &g));
    for (size_t k = 0; k < 4; k++)
        for (size_t i = 0; i < LENGTH; i++)
            donors_demand[k][i] *= (float)(1u << (4 + 3 * k));
    cr_assert(pooled(&young, 4, &arena, &h));
    for (size_t i = 0; i < AHEAD * TEST_QUANTILES; i++) {
        cr_assert_float_eq(g.values[i] / 1024, f.values[i], 1e-9 * (1 + f.values[i]));
        cr_assert_float_eq(h.values[i], f.values[i], 1e-9 * (1 + f.values[i]));
    }
    arena_release(&arena);
}

Test(forecast_pool, quantiles_are_finite_monotone_and_not_negative_for_any_histories) {
    size_t borrowed = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct chance c = {seed};
        struct arena arena = {0};
        for (size_t k = 0; k < 4; k++) {
            size_t count = 1 + (size_t)(chance_next(&c) * LENGTH);
            wild_fill(donors_demand[k], count, &c);
            donors[k] = series_of(donors_demand[k], count);
        }
        float demand[500];
        size_t count = 1 + (size_t)(chance_next(&c) * 499);
        wild_fill(demand, count, &c);
        struct history_series young = series_of(demand, count);
        young.start_ms += (int64_t)(chance_next(&c) * LENGTH) * STEP_MS;
        struct forecast f;
        if (pooled(&young, 4, &arena, &f)) {
            borrowed++;
            for (size_t s = 0; s < f.steps; s++) {
                double previous = 0;
                for (size_t j = 0; j < f.quantile_count; j++) {
                    double value = forecast_value(&f, s, j);
                    cr_assert(isfinite(value) && value >= previous, "seed %llu step %zu: %g after %g",
                              (unsigned long long)seed, s, value, previous);
                    previous = value;
                }
            }
        }
        arena_release(&arena);
    }
    cr_assert_gt(borrowed, 5u, "the property was looked at %zu times", borrowed);
}

Test(forecast_pool, what_others_of_the_tenant_lend_is_doubted_more) {
    float demand[YOUNG + AHEAD];
    struct arena arena = {0};
    struct forecast own, others;
    donors_make(3);
    struct history_series young = young_make(demand, YOUNG, 1, 1);
    cr_assert(pooled_of(&young, 4, FORECAST_KIN_POLICY, &arena, &own));
    cr_assert(pooled_of(&young, 4, FORECAST_KIN_TENANT, &arena, &others));
    cr_assert_eq(others.basis, FORECAST_BASIS_POOLED);
    for (size_t s = 0; s < AHEAD; s++) {
        cr_assert_float_eq(forecast_value(&own, s, 0), forecast_value(&others, s, 0), 1e-9);
        cr_assert_gt(forecast_value(&others, s, 3), forecast_value(&own, s, 3), "step %zu", s);
    }
    arena_release(&arena);
}

Test(forecast_pool, an_hour_in_common_tells_nothing_of_who_is_not_of_the_policy) {
    float demand[YOUNG + AHEAD];
    struct arena arena = {0};
    struct forecast f;
    donors_make(1);
    struct history_series young = young_make(demand, 23, 1, 1);
    cr_assert(pooled_of(&young, 4, FORECAST_KIN_POLICY, &arena, &f));
    cr_assert_not(pooled_of(&young, 4, FORECAST_KIN_TENANT, &arena, &f));
    young = young_make(demand, YOUNG, 1, 1);
    cr_assert(pooled_of(&young, 4, FORECAST_KIN_TENANT, &arena, &f));
    arena_release(&arena);
}

/* A factor that is read off next to nothing is no factor. */
Test(forecast_pool, a_night_of_next_to_nothing_tells_no_level) {
    float demand[YOUNG + AHEAD];
    struct arena arena = {0};
    struct forecast f;
    donors_make(1);
    struct history_series young = young_make(demand, YOUNG, 1, 1);
    cr_assert(pooled(&young, 1, &arena, &f));
    for (size_t day = 0; day < LENGTH / DAY; day++)
        for (size_t i = 1; i <= YOUNG; i++)
            donors_demand[0][(day + 1) * DAY - i] /= 20;
    cr_assert_not(pooled(&young, 1, &arena, &f));
    arena_release(&arena);
}

/* A window may begin long before the first sample in it. */
Test(forecast_pool, gaps_before_the_first_sample_are_no_part_of_the_young_history) {
    static float whole[LENGTH];
    static uint8_t saturated[LENGTH / 8 + 1];
    float demand[YOUNG + AHEAD];
    struct arena arena = {0};
    struct forecast_pool pool, same;
    donors_make(1);
    struct history_series young = young_make(demand, YOUNG, 3, 1), late = series_of(whole, LENGTH);
    for (size_t i = 0; i < LENGTH; i++)
        whole[i] = i < LENGTH - YOUNG ? NAN : demand[i - (LENGTH - YOUNG)];
    late.saturated = saturated;
    saturated[(LENGTH - 2) / 8] = 1u << (LENGTH - 2) % 8;
    cr_assert(forecast_pool(&young, donors, 4, FORECAST_KIN_POLICY, &arena, &pool));
    cr_assert(forecast_pool(&late, donors, 4, FORECAST_KIN_POLICY, &arena, &same));
    cr_assert_eq(same.series.count, pool.series.count);
    cr_assert_eq(same.young_used, pool.young_used);
    cr_assert_eq(same.spread, pool.spread);
    for (size_t i = 0; i < pool.series.count; i++) {
        cr_assert_eq(same.series.demand[i], pool.series.demand[i], "slot %zu", i);
        cr_assert_eq(history_is_saturated(&same.series, i), i == pool.series.count - 2, "slot %zu", i);
    }
    arena_release(&arena);
}

static bool is_grown(const float *values, size_t count, int64_t step_ms) {
    return forecast_pool_is_grown(&(struct history_series){.step_ms = step_ms, .count = count, .demand = values});
}

Test(forecast_pool, who_has_two_days_half_of_them_there_lends_and_need_not_borrow) {
    float demand[2 * DAY + 5];
    for (size_t i = 0; i < 2 * DAY + 5; i++)
        demand[i] = i < 5 ? NAN : 1;
    cr_assert(is_grown(demand, 2 * DAY + 5, STEP_MS));
    cr_assert_not(is_grown(demand, 2 * DAY + 4, STEP_MS));
    for (size_t i = 100; i < 100 + DAY; i++)
        demand[i] = NAN;
    cr_assert(is_grown(demand, 2 * DAY + 5, STEP_MS));
    demand[99] = NAN;
    cr_assert_not(is_grown(demand, 2 * DAY + 5, STEP_MS));
    cr_assert_not(is_grown(NULL, 0, STEP_MS));
    /* A step of a day: two weeks. */
    cr_assert(is_grown(demand + 5, 14, DAY * STEP_MS));
    cr_assert_not(is_grown(demand + 5, 13, DAY * STEP_MS));
}
