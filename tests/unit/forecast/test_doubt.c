/*
 * When a status says that forecasts do little.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "forecast/doubt.h"
#include "series.h"

#define COUNT (7 * DAY)

static float demand[COUNT];

static enum forecast_doubt doubt(double loss, double naive_loss, enum forecast_basis basis) {
    struct arena arena = {0};
    const struct history_series series = series_of(demand, COUNT);
    const struct forecast f = {.basis = basis, .loss = loss, .naive_loss = naive_loss};
    enum forecast_doubt found = forecast_doubt_of(&series, &f, &arena);
    arena_release(&arena);
    return found;
}

Test(forecast_doubt, bursts_are_told_from_days) {
    wave_fill(demand, COUNT, 2, 1);
    cr_assert_eq(doubt(0.5, 1, FORECAST_BASIS_OWN), FORECAST_DOUBT_NONE);
    for (size_t i = 0; i < COUNT; i += 50) /* One in fifty is five times as much. */
        demand[i] *= 5;
    cr_assert_eq(doubt(0.5, 1, FORECAST_BASIS_OWN), FORECAST_DOUBT_BURSTY);
    for (size_t i = 0; i < COUNT; i++)
        demand[i] = i % 20 ? 0 : 3; /* Mostly nothing. */
    cr_assert_eq(doubt(0.5, 1, FORECAST_BASIS_OWN), FORECAST_DOUBT_BURSTY);
    for (size_t i = 0; i < COUNT; i++)
        demand[i] = i < 20 ? 3 * (float)(i == 3) : NAN;
    cr_assert_eq(doubt(0.5, 1, FORECAST_BASIS_PRIOR), FORECAST_DOUBT_NONE, "twenty samples have no p99");
    for (size_t i = 0; i < COUNT; i++)
        demand[i] = 0;
    cr_assert_eq(doubt(0, 0, FORECAST_BASIS_OWN), FORECAST_DOUBT_NONE, "nothing at all is no burst");
}

Test(forecast_doubt, who_does_no_better_than_the_naive_model_says_so) {
    wave_fill(demand, COUNT, 2, 1);
    cr_assert_eq(doubt(1, 1, FORECAST_BASIS_OWN), FORECAST_DOUBT_NAIVE);
    cr_assert_eq(doubt(0.98, 1, FORECAST_BASIS_OWN), FORECAST_DOUBT_NONE);
    cr_assert_eq(doubt(0, 0, FORECAST_BASIS_OWN), FORECAST_DOUBT_NONE, "perfect is not naive");
    cr_assert_eq(doubt(NAN, NAN, FORECAST_BASIS_OWN), FORECAST_DOUBT_NONE);
    cr_assert_eq(doubt(1, 1, FORECAST_BASIS_PRIOR), FORECAST_DOUBT_NONE, "the basis says it");
}
