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

/* first: the first sample. */
static void decomposition_run(struct decomposition *d, const struct forecast_data *data, size_t first) {
    d->level[0] = data->y[first];
    decomposition_go_on(d, data, 0);
}

static void decomposition_extend(const struct forecast_model *model, const struct forecast_data *data, size_t from) {
    decomposition_go_on(model->state, data, from);
}

/* Filters with different shares, side by side, as in holt_winters.c. Of the past no more is kept than the seasons. */
#define LEVELS LANES
#define RATES 2

struct trials {
    lanes level[RATES], size[RATES], seen[RATES]; /* By the share of the seasons, then by that of the level. */
    lanes *indexes[SEASONS_MAX];                  /* Round: season x RATES. */
    size_t phase[SEASONS_MAX];                    /* Of the next slot. */
    lanes sums[RATES];
};

static const double level_shares[LEVELS] = {0.003, 0.01, 0.03, 0.1}, season_shares[RATES] = {0.15, 0.3};

#define FOR_LANES static inline __attribute__((always_inline)) void

FOR_LANES absolute(const lanes *value, lanes *ret) {
    *ret = LANES_SELECT(*value < 0, -*value, *value);
}

FOR_LANES least(const lanes *a, const lanes *b, lanes *ret) {
    *ret = LANES_SELECT(*a < *b, *a, *b);
}

/* decomposition_go_on of one slot; is_started: of all. */
FOR_LANES trials_learn(struct trials *t, const struct decomposition *d, double y, bool is_saturated, size_t slot,
                       bool is_started) {
    const lanes shares = *(const lanes *)level_shares, zero = {0};
    bool is_gap = isnan(y);
    for (size_t n = 0; n < RATES; n++) {
        lanes expected = t->level[n], full, believed, bound = BOUND * t->size[n] + TINY, most = SIZE_GROWTH * bound;
        for (size_t s = 0; s < d->season_count; s++)
            expected += t->indexes[s][RATES * t->phase[s] + n];
        lanes error = y - expected;
        lane_bits is_used = (lane_bits){0} - !is_gap;
        if (is_saturated)
            is_used &= error >= 0;
        absolute(&error, &full);
        least(&full, &bound, &believed);
        believed = LANES_SELECT(error < 0, -believed, believed);
        least(&full, &most, &most);
        lanes raise = SIZE_SHARE * (most - t->size[n]);
        if (!is_started) {
            lane_bits is_start = t->seen[n] < START_SAMPLES;
            lanes first = (full - t->size[n]) / (t->seen[n] + 1);
            believed = LANES_SELECT(is_start, error, believed);
            raise = LANES_SELECT(is_start, first, raise);
            t->seen[n] += (lanes)((lane_bits)(zero + 1) & is_used);
        }
        believed = (lanes)((lane_bits)believed & is_used);
        t->size[n] += (lanes)((lane_bits)raise & is_used);
        t->level[n] += shares * believed;
        lanes left = (1 - shares) * believed;
        for (size_t s = 0; s < d->season_count; s++) {
            double share = slot >= d->seasons[s] ? season_shares[n] : s == 0 ? 1 : 0;
            t->indexes[s][RATES * t->phase[s] + n] += share * left;
            left *= 1 - share;
        }
    }
    for (size_t s = 0; s < d->season_count; s++)
        t->phase[s] = t->phase[s] + 1 < d->seasons[s] ? t->phase[s] + 1 : 0;
}

static inline __attribute__((always_inline)) bool trials_started(const struct trials *t) {
    bool is_started = true;
    for (size_t n = 0; n < RATES; n++)
        for (size_t l = 0; l < LEVELS; l++)
            is_started &= t->seen[n][l] >= START_SAMPLES;
    return is_started;
}

/* Of what is said of the horizon: near it the other models are better anyway. */
FOR_LANES trials_judge(struct trials *t, const struct decomposition *d, double y, size_t step) {
    for (size_t n = 0; n < RATES && !isnan(y); n++) {
        lanes value = t->level[n], error;
        for (size_t s = 0; s < d->season_count; s++) {
            size_t phase = t->phase[s] + (step - 1) % d->seasons[s];
            value += t->indexes[s][RATES * (phase < d->seasons[s] ? phase : phase - d->seasons[s]) + n];
        }
        error = y - value;
        absolute(&error, &error);
        t->sums[n] += error;
    }
}

FORECAST_WIDE static void trials_run(struct trials *t, const struct decomposition *d, const struct forecast_data *data,
                                     const struct forecast_grid *grid, size_t first) {
    size_t step = grid->knots[grid->knot_count - 1], slot = 0;
    for (size_t n = 0; n < RATES; n++)
        t->level[n] += data->y[first];
    for (size_t i = 0; i < grid->origin_count && forecast_origin(grid, i) + step <= data->count; i++) {
        size_t origin = forecast_origin(grid, i);
        for (; slot < origin && !trials_started(t); slot++)
            trials_learn(t, d, data->y[slot], data->saturated[slot], slot, false);
        for (; slot < origin; slot++)
            trials_learn(t, d, data->y[slot], data->saturated[slot], slot, true);
        if (data->last[slot])
            trials_judge(t, d, data->y[slot + step - 1], step);
    }
}

/* The shares with the least mean absolute error; the first where there is nothing to judge by. */
static void fit(struct decomposition *d, const struct forecast_data *data, const struct forecast_grid *grid) {
    struct arena own = {0};
    struct trials *t = arena_alloc(&own, sizeof(*t));
    size_t first = 0;
    while (first + 1 < data->count && isnan(data->y[first]))
        first++;
    for (size_t s = 0; s < d->season_count; s++)
        t->indexes[s] = arena_alloc_array(&own, RATES * d->seasons[s], sizeof(lanes));
    trials_run(t, d, data, grid, first);
    double best = INFINITY;
    for (size_t n = 0; n < RATES; n++) {
        for (size_t l = 0; l < LEVELS; l++) {
            if (t->sums[n][l] < best) {
                best = t->sums[n][l];
                d->level_share = level_shares[l];
                d->season_share = season_shares[n];
            }
        }
    }
    arena_release(&own);
    decomposition_run(d, data, first);
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
    fit(d, data, grid);
    return true;
}
