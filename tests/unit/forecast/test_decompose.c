/*
 * The search for the shares of the decomposition, against one that runs a plain filter for each pair, one after
 * another.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "bench.h"
#include "forecast/forecast_internal.h"

#define CYCLE 50
#define COUNT ((size_t)9 * DAY)
#define SEASONS 2

/* A whole filter: the state before each slot, and the shares that it has. */
struct plain {
    double level_share, season_share;
    double level[COUNT + 1], indexes[SEASONS][COUNT + DAY];
};

static const size_t seasons[SEASONS] = {CYCLE, DAY};
static double *const y = bench.y;
static bool *const saturated = bench.saturated;

static double plain_point(const struct plain *p, size_t origin, size_t step) {
    double value = p->level[origin];
    for (size_t s = 0; s < SEASONS; s++)
        value += p->indexes[s][origin + (step - 1) % seasons[s]];
    return value;
}

static void plain_run(struct plain *p) {
    double size = 0;
    size_t seen = 0, first = 0;
    while (isnan(y[first]))
        first++;
    p->level[0] = y[first];
    for (size_t i = 0; i < COUNT; i++) {
        double error = y[i] - plain_point(p, i, 1), full = fabs(error), bound = 3 * size;
        bool is_used = !isnan(y[i]) && !(saturated[i] && error < 0);
        if (is_used && seen >= 16) {
            error = fmax(-bound, fmin(bound, error));
            size += 0.02 * (fmin(full, 2 * bound) - size);
        } else if (is_used) {
            size += (full - size) / (double)(seen + 1);
        }
        seen += is_used;
        error = is_used ? error : 0;
        p->level[i + 1] = p->level[i] + p->level_share * error;
        double left = (1 - p->level_share) * error;
        for (size_t s = 0; s < SEASONS; s++) {
            double share = i >= seasons[s] ? p->season_share : s == 0 ? 1 : 0;
            p->indexes[s][i + seasons[s]] = p->indexes[s][i] + share * left;
            left *= 1 - share;
        }
    }
}

static double plain_loss(const struct plain *p, const struct forecast_grid *grid) {
    size_t step = grid->knots[grid->knot_count - 1];
    double loss = 0;
    for (size_t i = 0; i < grid->origin_count && forecast_origin(grid, i) + step <= COUNT; i++) {
        double error = y[forecast_origin(grid, i) + step - 1] - plain_point(p, forecast_origin(grid, i), step);
        loss += isnan(error) ? 0 : fabs(error);
    }
    return loss;
}

/* How fast level and shapes drift; and what comes every so many slots. */
struct drift {
    uint64_t seed;
    double level, shape;
    size_t spike, gap, ceiling;
};

/* Begins with a gap; the first samples are at the ceiling. */
static struct forecast_data drift_make(const struct drift *drift) {
    struct chance c = {drift->seed};
    double level = 100, of_day = 20, of_cycle = 10;
    for (size_t i = 0; i < COUNT; i++) {
        level += drift->level * (chance_next(&c) - 0.5);
        of_day += i % DAY == 0 ? drift->shape * (chance_next(&c) - 0.5) : 0;
        of_cycle += i % CYCLE == 0 ? drift->shape * (chance_next(&c) - 0.5) : 0;
        y[i] = level + of_day * sin(2 * M_PI * (double)i / DAY) + of_cycle * sin(2 * M_PI * (double)i / CYCLE) +
               4 * (chance_next(&c) - 0.5) + (i % drift->spike == 0 ? 90 : 0);
        if (i < 3 || i % drift->gap == 0)
            y[i] = NAN;
        saturated[i] = i < 9 || i % drift->ceiling == 0;
    }
    struct forecast_data *data = bench_make(COUNT, DAY, 0);
    data->seasons = (struct forecast_seasons){.has_day = true, .cycle = CYCLE};
    return *data;
}

/* The pair that loses least; returns its place among the eight. */
static size_t plain_fit(struct plain *best, struct plain *tried, const struct forecast_grid *grid) {
    static const double levels[] = {0.003, 0.01, 0.03, 0.1}, rates[] = {0.15, 0.3};
    double least = INFINITY;
    size_t chosen = 0;
    for (size_t n = 0; n < 8; n++) {
        *tried = (struct plain){.level_share = levels[n % 4], .season_share = rates[n / 4]};
        plain_run(tried);
        double loss = plain_loss(tried, grid);
        if (loss < least) {
            least = loss;
            chosen = n;
            *best = *tried;
        }
    }
    return chosen;
}

/* So many that a trial that differs a little chooses differently somewhere. */
Test(forecast_decomposition, shares_are_those_that_lose_least) {
    struct plain *best = calloc(1, sizeof(*best)), *tried = calloc(1, sizeof(*tried));
    size_t chosen = 0;
    struct chance c = {5};
    for (uint64_t seed = 0; seed < 600; seed++) {
        const struct drift drift = {.seed = seed,
                                    .level = 10 * pow(chance_next(&c), 4),
                                    .shape = 60 * pow(chance_next(&c), 2),
                                    .spike = 2 + (size_t)(100 * chance_next(&c)),
                                    .gap = 2 + (size_t)(30 * chance_next(&c)),
                                    .ceiling = 2 + (size_t)(30 * chance_next(&c))};
        struct arena arena = {0};
        struct forecast_data data = drift_make(&drift);
        struct forecast_grid grid = forecast_grid_make(&data, 12);
        struct forecast_model model;
        cr_assert(forecast_decomposition(&data, &grid, &arena, &model));
        chosen |= (size_t)1 << plain_fit(best, tried, &grid);
        for (size_t origin = DAY; origin <= COUNT; origin += 97)
            for (size_t step = 1; step <= 12; step++)
                cr_assert_float_eq(model.point(&model, &data, origin, step, NULL), plain_point(best, origin, step),
                                   1e-6, "seed %zu origin %zu step %zu", (size_t)seed, origin, step);
        arena_release(&arena);
    }
    cr_expect_geq(__builtin_popcountl(chosen), 5, "%zx: of the pairs too few", chosen);
    free(best);
    free(tried);
}
