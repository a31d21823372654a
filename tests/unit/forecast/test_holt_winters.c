/*
 * The search for the weights of Holt-Winters, against one that runs a plain filter for each choice, one after another.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>

#include "bench.h"
#include "forecast/forecast_internal.h"

#define COUNT ((size_t)9 * DAY)

/* A whole filter: the state before each slot, and the weights that it has. */
struct plain {
    bool is_multiplicative;
    size_t season;
    double level_weight, trend_weight, season_weight;
    double level[COUNT + 1], trend[COUNT + 1], seasonal[COUNT + DAY];
};

static double plain_point(const struct plain *p, size_t origin, size_t step) {
    double value = p->level[origin], damped = 1;
    for (size_t h = 0; h < step; h++)
        value += (damped *= 0.98) * p->trend[origin];
    double seasonal = p->season ? p->seasonal[origin + (step - 1) % p->season] : 0;
    return p->is_multiplicative ? value * seasonal : value + seasonal;
}

static void plain_run(struct plain *p, const struct forecast_data *data) {
    size_t length = p->season ? p->season : 10;
    p->level[0] = p->trend[0] = 0;
    for (size_t i = 0; i < length; i++)
        p->level[0] += data->y[i] / (double)length;
    for (size_t i = 0; i < p->season; i++)
        p->seasonal[i] = p->is_multiplicative ? data->y[i] / p->level[0] : data->y[i] - p->level[0];
    for (size_t i = 0; i < data->count; i++) {
        double seasonal = p->season ? p->seasonal[i] : 0, expected = p->level[i] + 0.98 * p->trend[i];
        double error = data->y[i] - (p->is_multiplicative ? expected * seasonal : expected + seasonal);
        if (isnan(error) || (data->saturated[i] && error < 0))
            error = 0;
        double of_level = p->is_multiplicative ? error / fmax(seasonal, 0.05) : error;
        double of_season = p->is_multiplicative ? error / fmax(expected, 0.05 * p->level[0]) : error;
        p->level[i + 1] = expected + p->level_weight * of_level;
        p->trend[i + 1] = 0.98 * p->trend[i] + p->level_weight * p->trend_weight * of_level;
        if (p->season)
            p->seasonal[i + p->season] = seasonal + p->season_weight * (1 - p->level_weight) * of_season;
    }
}

static double plain_loss(const struct plain *p, const struct forecast_data *data, const struct forecast_grid *grid) {
    const size_t last = grid->knot_count - 1, at[3] = {0, last / 2, last};
    double loss = 0;
    for (size_t k = 0; k < 3; k++) {
        double sum = 0, used = 0;
        size_t step = grid->knots[at[k]];
        for (size_t i = 0; i < grid->origin_count && forecast_origin(grid, i) + step <= data->count; i++) {
            size_t origin = forecast_origin(grid, i);
            double error = data->y[origin + step - 1] - plain_point(p, origin, step);
            sum += isnan(error) ? 0 : fabs(error);
            used += !isnan(error);
        }
        loss += sum / used;
    }
    return loss;
}

/* Tries one more: it stays if it is better. */
static void plain_try(struct plain *best, double *best_loss, double level, double trend, double season,
                      const struct forecast_data *data, const struct forecast_grid *grid) {
    struct plain *tried = malloc(sizeof(*tried));
    *tried = *best;
    tried->level_weight = level;
    tried->trend_weight = trend;
    tried->season_weight = season;
    plain_run(tried, data);
    double loss = plain_loss(tried, data, grid);
    if (loss < *best_loss) {
        *best_loss = loss;
        *best = *tried;
    }
    free(tried);
}

/* Every pair of trend and season with every level. */
static void plain_fit(struct plain *best, const struct forecast_data *data, const struct forecast_grid *grid) {
    static const double levels[] = {0.02, 0.1, 0.4, 0.9}, seasons[] = {0.1, 0.4}, trends[] = {0, 0.1};
    double loss = INFINITY;
    for (size_t pair = 0; pair < 4; pair++) {
        double trend = trends[pair % 2], season = seasons[pair / 2];
        for (size_t i = 0; i < 4; i++)
            plain_try(best, &loss, levels[i], trend, season, data, grid);
    }
}

static double *const y = bench.y;
static bool *const saturated = bench.saturated;
static struct plain best;

/* A day whose shape and level drift as fast as the parameters say. */
struct drift {
    double level, trend, shape, noise; /* noise: after the first two days. */
    bool has_season, is_multiplicative;
    double weights[3]; /* What the plain search finds: between them the cases take every choice. */
};

static struct forecast_data drift_make(const struct drift *drift) {
    struct chance c = {11};
    double level = 100, slope = 0, amplitude = 0.3;
    for (size_t i = 0; i < COUNT; i++) {
        slope = 0.97 * slope + drift->trend * (chance_next(&c) - 0.5);
        level = fmax(20, level + slope + drift->level * (chance_next(&c) - 0.5));
        if (i % DAY == 0)
            amplitude = fmin(0.9, fmax(0.1, amplitude + drift->shape * (chance_next(&c) - 0.5)));
        double wave = drift->has_season ? amplitude * sin(2 * M_PI * (double)i / DAY) : 0;
        y[i] = level * (1 + wave) + (i < 2 * DAY ? 4 : drift->noise) * (chance_next(&c) - 0.5);
        if (i > 3 * DAY && i % 97 < 2)
            y[i] = NAN;
        saturated[i] = i % 101 == 0;
    }
    struct forecast_data *data = bench_make(COUNT, drift->has_season ? DAY : 0, 0);
    data->seasons.has_day = drift->has_season;
    return *data;
}

ParameterizedTestParameters(forecast_holt_winters, weights_are_those_that_lose_least) {
    static struct drift drifts[] = {
        {0, 0, 0, 4, true, false, {0.02, 0, 0.4}},     {0, 0.1, 0, 4, true, false, {0.4, 0.1, 0.4}},
        {0, 0, 0, 40, true, false, {0.02, 0, 0.1}},    {9, 0, 0, 4, true, false, {0.9, 0, 0.4}},
        {0, 0.9, 0.9, 4, true, true, {0.9, 0.1, 0.4}}, {0.5, 0, 0, 4, true, true, {0.1, 0.1, 0.4}},
        {0, 0, 0, 60, true, true, {0.02, 0, 0.1}},     {0, 0.3, 0, 4, false, false, {0.4, 0.1, 0.1}},
        {0.5, 0, 0, 4, false, false, {0.1, 0, 0.1}},
    };
    return cr_make_param_array(struct drift, drifts, sizeof(drifts) / sizeof(*drifts));
}

ParameterizedTest(struct drift *drift, forecast_holt_winters, weights_are_those_that_lose_least) {
    struct arena arena = {0};
    struct forecast_data data = drift_make(drift);
    struct forecast_grid grid = forecast_grid_make(&data, 12);
    struct forecast_model model, multiplicative;
    cr_assert(forecast_holt_winters(&data, &grid, &arena, &model));
    best = (struct plain){.season = drift->has_season ? DAY : 0};
    plain_fit(&best, &data, &grid);
    if (drift->is_multiplicative) {
        cr_assert(forecast_holt_winters_multiplicative(&data, &grid, &model, &arena, &multiplicative));
        model = multiplicative;
        best.is_multiplicative = true;
        plain_run(&best, &data);
    }
    cr_expect(best.level_weight == drift->weights[0] && best.trend_weight == drift->weights[1] &&
                  best.season_weight == drift->weights[2],
              "%g %g %g", best.level_weight, best.trend_weight, best.season_weight);
    for (size_t origin = DAY; origin <= COUNT; origin += 7)
        for (size_t step = 1; step <= 12; step++)
            cr_assert_float_eq(model.point(&model, &data, origin, step, NULL), plain_point(&best, origin, step), 1e-6,
                               "origin %zu step %zu", origin, step);
    arena_release(&arena);
}
