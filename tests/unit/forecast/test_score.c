/*
 * What makes the judgement of models quick, against what is plain.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forecast/forecast_internal.h"
#include "series.h"

#define VALUES_MAX 700

static int value_compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* `kinds` different values, or so; 0: no two alike. */
static void values_make(struct chance *c, double *values, size_t count, size_t kinds) {
    for (size_t i = 0; i < count; i++)
        values[i] = kinds ? floor((double)kinds * chance_next(c)) : chance_next(c);
}

Test(forecast_score, sorting_is_that_of_qsort) {
    struct chance c = {3};
    const size_t kinds[] = {0, 1, 2, 5, 40};
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        for (size_t count = 0; count < VALUES_MAX; count += count < 100 ? 1 : 37) {
            double values[VALUES_MAX], wanted[VALUES_MAX];
            values_make(&c, values, count, kinds[k]);
            memcpy(wanted, values, sizeof(wanted));
            qsort(wanted, count, sizeof(*wanted), value_compare);
            double middle[VALUES_MAX];
            memcpy(middle, values, sizeof(middle));
            if (count)
                cr_assert_eq(forecast_nth(middle, count, count / 3), wanted[count / 3]);
            forecast_sort(values, count);
            for (size_t i = 0; i < count; i++)
                cr_assert_eq(values[i], wanted[i], "%zu values, %zu kinds", count, kinds[k]);
        }
    }
}

/* Demands near the greatest float have errors that are infinite. */
Test(forecast_score, what_is_infinite_is_sorted_too, .timeout = 20) {
    static const size_t infinite[] = {0, 1, 150, 299, 300};
    double values[300];
    for (size_t k = 0; k < sizeof(infinite) / sizeof(*infinite); k++) {
        for (int with_less = 0; with_less < 2; with_less++) {
            for (size_t i = 0; i < 300; i++)
                values[i * 7 % 300] = i < infinite[k] ? INFINITY : with_less ? -INFINITY : (double)i;
            double nth[300];
            memcpy(nth, values, sizeof(nth));
            forecast_sort(values, 300);
            for (size_t i = 1; i < 300; i++)
                cr_assert(values[i - 1] <= values[i], "%zu of 300", i);
            cr_assert_eq(isinf(values[299]) && values[299] > 0, infinite[k] > 0);
            cr_assert(forecast_nth(nth, 300, 150) == values[150]);
        }
    }
    for (size_t i = 0; i < 300; i++)
        values[i] = NAN;
    (void)forecast_nth(values, 300, 150); /* Comes to an end. */
}

Test(forecast_score, a_quantile_of_two_is_that_of_both) {
    struct chance c = {5};
    const double quantiles[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.9999};
    for (size_t a_count = 4; a_count <= FORECAST_ORIGINS_MAX / 2; a_count += 17) {
        for (size_t more = 0; more < 2 && 2 * a_count + more <= FORECAST_ORIGINS_MAX; more++) {
            double a[FORECAST_ORIGINS_MAX], b[FORECAST_ORIGINS_MAX], both[FORECAST_ORIGINS_MAX];
            size_t b_count = a_count + more, kinds = a_count % 3 ? 0 : 7;
            values_make(&c, a, a_count, kinds);
            values_make(&c, b, b_count, kinds);
            for (size_t i = 0; i < a_count && a_count % 2; i++)
                a[i] -= 2; /* Nothing of one is among the other. */
            memcpy(both, a, a_count * sizeof(*a));
            memcpy(both + a_count, b, b_count * sizeof(*b));
            forecast_sort(a, a_count);
            forecast_sort(b, b_count);
            forecast_sort(both, a_count + b_count);
            for (size_t j = 0; j < sizeof(quantiles) / sizeof(quantiles[0]); j++)
                cr_assert_eq(forecast_quantile_of_two(a, a_count, b, b_count, quantiles[j]),
                             forecast_quantile(both, a_count + b_count, quantiles[j]), "%zu, %g", a_count,
                             quantiles[j]);
        }
    }
}

/* One after another, from the newest. */
static void plain_past(const struct forecast_past *past, size_t t, double *mean, double *spread) {
    double values[16], sum = 0, off = 0;
    size_t used = 0;
    for (size_t k = 1; k <= past->seasons && k * past->season <= t; k++)
        if (t - k * past->season < past->count && !isnan(past->y[t - k * past->season]))
            sum += values[used++] = past->y[t - k * past->season];
    *mean = used ? sum / (double)used : NAN;
    for (size_t i = 0; i < used; i++)
        off += fabs(values[i] - *mean);
    *spread = used > 1 ? off / (double)used : NAN;
}

static bool is_same(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

Test(forecast_score, means_of_past_seasons_have_or_have_no_gaps) {
    double y[VALUES_MAX], mean[VALUES_MAX], spread[VALUES_MAX], wanted_mean, wanted_spread;
    struct chance c = {7};
    for (size_t season = 2; season < 90; season += 9) {
        for (int has_gaps = 0; has_gaps < 2; has_gaps++) {
            values_make(&c, y, VALUES_MAX, 0);
            for (size_t i = 5; i < VALUES_MAX && has_gaps; i += 11)
                y[i] = NAN;
            const struct forecast_past past = {y, VALUES_MAX - 100, season, 7, has_gaps};
            for (size_t from = 0; from < VALUES_MAX - 100; from += 333) {
                forecast_past_means(&past, from, mean, spread);
                for (size_t t = from; t < past.count + season; t++) {
                    plain_past(&past, t, &wanted_mean, &wanted_spread);
                    cr_assert(is_same(mean[t], wanted_mean) && is_same(spread[t], wanted_spread), "slot %zu", t);
                }
            }
        }
    }
}

static void knots_are(size_t steps, size_t day, int64_t step_ms, const size_t *wanted, size_t count) {
    const struct forecast_data data = {.count = 14 * day, .day = day, .step_ms = step_ms};
    const struct forecast_grid grid = forecast_grid_make(&data, steps);
    cr_expect_eq(grid.horizon, steps);
    cr_assert_eq(grid.knot_count, count, "%zu steps: %zu knots", steps, grid.knot_count);
    for (size_t k = 0; k < count; k++)
        cr_expect_eq(grid.knots[k], wanted[k], "%zu steps: %zu, not %zu", steps, grid.knots[k], wanted[k]);
}

Test(forecast_score, distances_end_before_what_is_known_from_two_days_ago) {
    knots_are(1, 288, 300000, (const size_t[]){1}, 1);
    knots_are(2, 288, 300000, (const size_t[]){1, 2}, 2);
    knots_are(12, 288, 300000, (const size_t[]){1, 4, 8, 12}, 4);
    knots_are(282, 288, 300000, (const size_t[]){1, 4, 16, 64, 176, 282}, 6);
    knots_are(288, 288, 300000, (const size_t[]){1, 4, 16, 64, 176, 282}, 6);
    knots_are(289, 288, 300000, (const size_t[]){1, 4, 16, 64, 179, 289}, 6);
    knots_are(24, 24, 3600000, (const size_t[]){1, 4, 13, 24}, 4);
}

#define TAKES 200

/* What is said of y by one that is off by the model's season, once above and once below. */
static double off_point(const struct forecast_model *model, const struct forecast_data *data, size_t origin,
                        size_t step, double *ret_scale) {
    (void)ret_scale;
    double off = 0.1 * (double)model->season * (0.5 + (double)(origin % 7));
    return data->y[origin + step - 1] + (origin % 2 ? off : -off);
}

Test(forecast_score, who_is_far_off_gets_no_weight_and_the_yardsticks_keep_theirs) {
    double y[TAKES];
    bool saturated[TAKES] = {false};
    struct chance c = {5};
    struct arena arena = {0};
    values_make(&c, y, TAKES, 0);
    const struct forecast_data data = {.y = y, .saturated = saturated, .count = TAKES, .step_ms = 300000};
    const struct forecast_grid grid = forecast_grid_make(&data, 1);
    const struct forecast f = {.steps = 1, .quantile_count = 1, .quantiles = {0.9}};
    const size_t offs[] = {30, 30, 10, 19, 21};
    struct forecast_mixture *mixture = arena_alloc(&arena, sizeof(*mixture));
    mixture->count = 5;
    mixture->last_value = 1;
    for (size_t m = 0; m < 5; m++)
        mixture->models[m] = (struct forecast_model){.name = "off", .season = offs[m], .point = off_point};
    forecast_mixture_fit(mixture, &data, &grid, &f, &arena);
    const double *weights = mixture->weights[0][0];
    cr_expect(weights[0] > 0 && weights[1] > 0 && weights[2] > 0.9 && weights[3] > 0);
    cr_expect_eq(weights[4], 0);
    arena_release(&arena);
}
