/*
 * Level and several seasons at once, robustly: a filter splits each new value into a level, an index for each season
 * and a remainder, as OnlineSTL does (Mishra, Sriharsha & Zhong 2022), the form of a decomposition by several seasons
 * (MSTL, Bandara, Hyndman & Bergmeir 2021) that does not look ahead. What a value teaches is bounded by the usual size
 * of a remainder (robust exponential smoothing, Gelper, Fried & Croux 2010): an outage or a burst moves neither the
 * level nor a season.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "forecast/forecast_internal.h"

#define SEASONS_MAX 3   /* The cycle, the day and the week; the shorter first. */
#define BOUND 3.0       /* In usual remainders: more is not believed. */
#define SIZE_SHARE 0.02 /* Of a new remainder in the usual one, */
#define SIZE_GROWTH                                                                                                    \
    2.0                  /* which it raises as if it were this many bounds at most, so that a new regime is believed.  \
                          */
#define START_SAMPLES 16 /* Until then all is believed. */
#define TINY 1e-300      /* After a series that was always right something must be believed too. */

struct decomposition {
    size_t seasons[SEASONS_MAX], season_count;
    double *level, *size;         /* Before each slot; count + room + 1 elements. size: of a usual remainder. */
    uint32_t *seen;               /* Samples that taught, before each slot; the same. */
    double *indexes[SEASONS_MAX]; /* In force for each slot; count + room + season elements. */
    double level_share, season_share;
};

static double decomposition_point(const struct forecast_model *model, const struct forecast_data *data, size_t origin,
                                  size_t step, double *ret_scale) {
    (void)ret_scale;
    const struct decomposition *d = model->state;
    if (!data->last[origin])
        return NAN;
    double value = d->level[origin];
    for (size_t s = 0; s < d->season_count; s++)
        value += d->indexes[s][origin + (step - 1) % d->seasons[s]];
    return value;
}

FORECAST_SAY(decomposition_say, decomposition_point)

/* What slot i teaches the seasons. The first round of the shortest gives its start; the longer ones start at nothing
 * and learn what the shorter ones leave. */
static void seasons_learn(struct decomposition *d, size_t i, double error) {
    for (size_t s = 0; s < d->season_count; s++) {
        bool is_first = i < d->seasons[s];
        double share = !is_first ? d->season_share : s == 0 ? 1 : 0;
        d->indexes[s][i + d->seasons[s]] = d->indexes[s][i] + share * error;
        error *= 1 - share;
    }
}

/* From slot `from` on, from the state before it. */
static void decomposition_go_on(struct decomposition *d, const struct forecast_data *data, size_t from) {
    double level = d->level[from], size = d->size[from];
    uint32_t seen = d->seen[from];
    for (size_t i = from; i < data->count; i++) {
        double expected = level, y = data->y[i];
        for (size_t s = 0; s < d->season_count; s++)
            expected += d->indexes[s][i];
        /* A gap teaches nothing, and the ceiling only that there was more. */
        bool is_used = !isnan(y) && !(data->saturated[i] && y < expected);
        double error = is_used ? y - expected : 0, bound = BOUND * size + TINY;
        if (seen >= START_SAMPLES && fabs(error) > bound)
            error = error > 0 ? bound : -bound;
        if (is_used) {
            double full = fabs(y - expected);
            bool is_start = seen++ < START_SAMPLES;
            size += is_start ? (full - size) / (double)seen : SIZE_SHARE * (fmin(full, SIZE_GROWTH * bound) - size);
        }
        level += d->level_share * error;
        seasons_learn(d, i, (1 - d->level_share) * error);
        d->level[i + 1] = level;
        d->size[i + 1] = size;
        d->seen[i + 1] = seen;
    }
}

static void decomposition_run(struct decomposition *d, const struct forecast_data *data) {
    for (size_t s = 0; s < d->season_count; s++)
        memset(d->indexes[s], 0, d->seasons[s] * sizeof(double));
    size_t first = 0;
    while (first + 1 < data->count && isnan(data->y[first]))
        first++;
    d->level[0] = data->y[first];
    d->size[0] = 0;
    d->seen[0] = 0;
    decomposition_go_on(d, data, 0);
}

static void decomposition_extend(const struct forecast_model *model, const struct forecast_data *data, size_t from) {
    decomposition_go_on(model->state, data, from);
}

/* Mean absolute error at the horizon: near it the other models are better anyway. */
static double horizon_loss(const struct forecast_model *model, const struct forecast_data *data,
                           const struct forecast_grid *grid) {
    double sum = 0;
    size_t used = 0, step = grid->knots[grid->knot_count - 1];
    for (size_t i = 0; i < grid->origin_count && forecast_origin(grid, i) + step <= data->count; i++) {
        size_t origin = forecast_origin(grid, i);
        double error = data->y[origin + step - 1] - model->point(model, data, origin, step, NULL);
        sum += isnan(error) ? 0 : fabs(error);
        used += isnan(error) ? 0 : 1;
    }
    return used ? sum / (double)used : 0;
}

static void fit(struct forecast_model *model, struct decomposition *d, const struct forecast_data *data,
                const struct forecast_grid *grid) {
    static const double levels[] = {0.003, 0.02, 0.1}, seasons[] = {0.15, 0.3};
    double best = INFINITY, level = levels[0], season = seasons[0];
    for (size_t i = 0; i < 4; i++) { /* One after another. */
        d->level_share = i < 3 ? levels[i] : level;
        d->season_share = seasons[i < 3 ? 0 : 1];
        decomposition_run(d, data);
        double loss = horizon_loss(model, data, grid);
        if (loss < best) {
            best = loss;
            level = d->level_share;
            season = d->season_share;
        }
    }
    if (level == d->level_share && season == d->season_share)
        return;
    d->level_share = level;
    d->season_share = season;
    decomposition_run(d, data);
}

bool forecast_decomposition(const struct forecast_data *data, const struct forecast_grid *grid, struct arena *scratch,
                            struct forecast_model *ret) {
    struct decomposition *d = arena_alloc(scratch, sizeof(*d));
    const size_t lengths[SEASONS_MAX] = {data->seasons.cycle, data->day, data->week};
    for (size_t s = 0; s < SEASONS_MAX; s++)
        if (lengths[s])
            d->seasons[d->season_count++] = lengths[s];
    if (!d->season_count || data->used[data->count] < START_SAMPLES)
        return false;
    size_t slots = data->count + data->room;
    d->level = arena_alloc_array(scratch, slots + 1, sizeof(*d->level));
    d->size = arena_alloc_array(scratch, slots + 1, sizeof(*d->size));
    d->seen = arena_alloc_array(scratch, slots + 1, sizeof(*d->seen));
    for (size_t s = 0; s < d->season_count; s++)
        d->indexes[s] = arena_alloc_array(scratch, slots + d->seasons[s], sizeof(double));
    *ret = (struct forecast_model){.name = "decomposition",
                                   .season = d->seasons[d->season_count - 1],
                                   .point = decomposition_point,
                                   .say = decomposition_say,
                                   .extend = decomposition_extend,
                                   .state = d};
    fit(ret, d, data, grid);
    return true;
}
