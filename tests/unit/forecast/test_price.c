/*
 * What is worth serving: against the costs of every demand that might have been served instead.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "series.h"

static double values[FORECAST_QUANTILES_MAX];

/* Exponential demand beyond a floor: its far tail is known in closed form. */
static struct forecast exponential(double floor, double unit) {
    struct forecast f = {.steps = 1, .values = values};
    f.quantile_count = forecast_price_quantiles(f.quantiles);
    for (size_t j = 0; j < f.quantile_count; j++)
        values[j] = floor - unit * log(1 - f.quantiles[j]);
    return f;
}

static double cost_of(double capacity, double price, double floor, double unit) {
    double chance = exp(-(capacity - floor) / unit); /* That demand is above it. */
    return capacity - floor - unit * (1 - chance) + price * chance;
}

Test(forecast_price, nothing_else_would_have_cost_less) {
    static const double prices[] = {3, 10, 100, 1e3, 1e4, 1e5};
    for (size_t i = 0; i < sizeof(prices) / sizeof(*prices); i++) {
        struct forecast f = exponential(20, 2);
        double served = forecast_priced(&f, 0, prices[i]), cost = cost_of(served, prices[i], 20, 2);
        for (double other = 20; other < 60; other += 0.5)
            cr_expect_lt(cost, 1.05 * cost_of(other, prices[i], 20, 2), "price %g: %g, %g", prices[i], served, other);
    }
}

Test(forecast_price, a_long_tail_is_served_to_a_lower_quantile) {
    struct forecast f = exponential(20, 2);
    double near = exp(-(forecast_priced(&f, 0, 200) - 20) / 2);
    f = exponential(20, 20);
    double far = exp(-(forecast_priced(&f, 0, 200) - 20) / 20);
    cr_expect_gt(far, 5 * near, "%g, %g", far, near);
}

Test(forecast_price, a_higher_price_never_serves_less) {
    struct chance c = {7};
    for (int round = 0; round < 200; round++) {
        struct forecast f = {.steps = 1, .values = values};
        f.quantile_count = forecast_price_quantiles(f.quantiles);
        double value = 0, before = 0;
        for (size_t j = 0; j < f.quantile_count; j++)
            values[j] = value += chance_next(&c) < 0.5 ? 0 : 100 * chance_next(&c) * chance_next(&c);
        for (double price = 0.01; price < 1e6; price *= 1.5) {
            double served = forecast_priced(&f, 0, price);
            cr_assert_geq(served, before, "round %d, price %g", round, price);
            before = served;
        }
        cr_expect_eq(forecast_priced(&f, 0, 0), values[f.quantile_count - 1], "a price of no unit");
    }
}

/* A price is counted in mean demands: twice the demand is served by twice as much. */
Test(forecast_price, the_level_goes_with_the_demand) {
    static float demand[14 * DAY];
    double level[2], served[2];
    for (int k = 0; k < 2; k++) {
        wave_fill(demand, 14 * DAY, 4, 3);
        for (size_t i = 0; i < 14 * DAY; i++)
            demand[i] *= k ? 8 : 1;
        const struct history_series series = series_of(demand, 14 * DAY);
        struct forecast f = {0};
        double quantiles[FORECAST_QUANTILES_MAX];
        const struct forecast_options options = {3, forecast_price_quantiles(quantiles), quantiles, NULL};
        struct arena arena = {0};
        forecast_compute(&series, &options, &arena, &f);
        level[k] = f.level;
        served[k] = forecast_priced(&f, 2, 100 * f.level);
        arena_release(&arena);
    }
    cr_expect_float_eq(level[0], 10, 0.1);
    cr_expect_float_eq(level[1], 8 * level[0], 1e-6);
    cr_expect_float_eq(served[1], 8 * served[0], 1e-6 * served[1]);
}
