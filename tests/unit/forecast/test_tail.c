/*
 * Far quantiles know the bursts that fall between the origins on which models are judged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "series.h"

#define BURST 100

static struct forecast far_compute(const float *demand, size_t count, struct arena *arena) {
    static const double quantiles[] = {0.5, 0.98, 0.999};
    const struct history_series series = series_of(demand, count);
    const struct forecast_options options = {DAY, 3, quantiles, NULL};
    struct forecast f;
    forecast_compute(&series, &options, arena, &f);
    return f;
}

/* Six in the newest seven days: one slot in 336, while hardly a slot in nine is judged. */
static void burst_fill(float *demand, uint64_t seed) {
    wave_fill(demand, 14 * DAY, 2, seed);
    for (uint64_t i = 0; i < 6; i++)
        demand[7 * DAY + 50 + 330 * i + seed] += BURST;
}

Test(forecast_tail, a_burst_between_the_origins_is_in_the_far_quantile) {
    static float demand[14 * DAY];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        burst_fill(demand, seed);
        struct arena arena = {0};
        struct forecast f = far_compute(demand, 14 * DAY, &arena);
        cr_expect_gt(forecast_value(&f, 0, 2), 0.5 * BURST, "seed %d: %g", (int)seed, forecast_value(&f, 0, 2));
        cr_expect_lt(forecast_value(&f, 0, 1), 0.2 * BURST, "seed %d: %g", (int)seed, forecast_value(&f, 0, 1));
        arena_release(&arena);
    }
}

/* The last value is wrong by the slope of the wave; the models are not. */
Test(forecast_tail, a_clean_wave_has_none) {
    static float demand[14 * DAY];
    wave_fill(demand, 14 * DAY, 0, 1);
    struct arena arena = {0};
    struct forecast f = far_compute(demand, 14 * DAY, &arena);
    for (size_t s = 0; s < DAY; s++)
        cr_assert_float_eq(forecast_value(&f, s, 2), (double)demand[s], 1e-3, "step %zu", s);
    arena_release(&arena);
}
