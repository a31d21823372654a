/*
 * See pool.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forecast/pool.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "forecast/forecast_internal.h"

#define COMMON_MIN 3       /* Slots that young and donor share, before their levels can be compared. */
#define FIT_MIN 12         /* Slots that they share, before a donor can be told to be unlike. */
#define FIT_RATIO 1.5      /* Unlike: off by more than this times what a flat line at the young one's mean is off, */
#define FIT_MOVING 0.75    /* or than this, where the young one moves: who is like it moves too. */
#define MOVES 2            /* It moves if a flat line is off by more than this times what one slot is from the next. */
#define FIT_SLACK 0.1      /* And by more than this share of the level: a quiet hour refutes nobody. */
#define SPREAD_ALONE 0.3   /* One donor shows no spread between donors: as wide as forecast_compute's prior. */
#define SPREAD_MIN 0.05    /* However alike the donors are, the young one is not one of them. */
#define LOGISTIC_SD 1.8138 /* pi / sqrt 3: the standard deviation of the logistic distribution. */
#define SEASON_MS INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)
#define LEVEL_MIN 0.2    /* Of a donor's mean, that it had meanwhile: its nights tell little of other days. */
#define STRANGER_HOURS 2 /* In common. After one, borrowing from whoever is there gained nothing. */

/* Of the spread, for whose donors they are. With 1.5 quantiles of 0.9 held from three hours on, each series of a folder
 * having borrowed from the others of it (docs/forecasting.md). */
static const double widening[] = {[FORECAST_KIN_POLICY] = 1, [FORECAST_KIN_TENANT] = 1.5};

/* A donor on the young one's grid, by slot from `first` (in slots of the young one's step since 1970). */
struct shape {
    double *values; /* As shares of its mean; NaN: a gap. */
};

struct grid {
    int64_t step_ms;
    int64_t first; /* Slot of index 0. */
    size_t count;
    size_t until; /* Levels are those of the slots before it. */
};

static size_t used_of(const struct history_series *series) {
    size_t used = 0;
    for (size_t i = 0; i < series->count; i++)
        used += isfinite(series->demand[i]);
    return used;
}

/* Samples of two seasons: of days, or of weeks where a day has hardly a step. */
static double two_seasons(int64_t step_ms) {
    return 2 * (double)(step_ms * 2 <= SEASON_MS ? SEASON_MS : 7 * SEASON_MS) / (double)step_ms;
}

static size_t first_of(const struct history_series *series) {
    size_t first = 0;
    while (first < series->count && !isfinite(series->demand[first]))
        first++;
    return first;
}

bool forecast_pool_is_grown(const struct history_series *series) {
    size_t first = first_of(series);
    double wanted = series->count > first ? two_seasons(series->step_ms) : 1;
    return (double)(series->count - first) >= wanted && (double)used_of(series) >= wanted / 2;
}

static bool is_candidate(const struct history_series *young, const struct history_series *donor) {
    return donor->count > 0 && donor->step_ms > 0 && donor->step_ms <= young->step_ms &&
           young->step_ms % donor->step_ms == 0 && donor->start_ms < young->start_ms;
}

static int64_t slot_of(int64_t time_ms, int64_t step_ms) {
    return time_ms / step_ms - (time_ms % step_ms < 0);
}

/* The mean of the donor's samples in each slot: finer steps become the young one's. */
static void shape_read(const struct history_series *donor, const struct grid *grid, struct arena *scratch,
                       struct shape *ret) {
    double *values = arena_alloc_array(scratch, grid->count, sizeof(*values));
    uint32_t *counts = arena_alloc_array(scratch, grid->count, sizeof(*counts));
    for (size_t i = 0; i < donor->count; i++) {
        int64_t slot = slot_of(donor->start_ms + (int64_t)i * donor->step_ms, grid->step_ms) - grid->first;
        if (slot < 0 || !isfinite(donor->demand[i]))
            continue;
        if (slot >= (int64_t)grid->count) /* After the young one's end. */
            break;
        values[slot] += (double)donor->demand[i];
        counts[slot]++;
    }
    for (size_t i = 0; i < grid->count; i++)
        values[i] = counts[i] ? values[i] / counts[i] : NAN;
    ret->values = values;
}

/* False: it has no level to divide by. */
static bool shape_normalise(struct shape *shape, const struct grid *grid) {
    double sum = 0;
    size_t used = 0;
    for (size_t i = 0; i < grid->until; i++) {
        if (isnan(shape->values[i]))
            continue;
        sum += shape->values[i];
        used++;
    }
    if (used == 0 || !(sum > 0) || !isfinite(sum))
        return false;
    for (size_t i = 0; i < grid->count; i++)
        shape->values[i] /= sum / (double)used;
    return true;
}

/* Sums over those of the first `count` slots that the young one and a shape have both. */
struct common {
    size_t count;
    double young, shape;
};

static struct common common_of(const struct history_series *young, const double *values, size_t count) {
    struct common c = {0};
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(young->demand[i]) || isnan(values[i]))
            continue;
        c.young += (double)young->demand[i];
        c.shape += values[i];
        c.count++;
    }
    return c;
}

/* A policy's own are like each other by what they are selected for; of others it has to be seen. */
static size_t common_min(const struct history_series *young, enum forecast_kin kin) {
    size_t hours = (size_t)(STRANGER_HOURS * HOUR_MS / young->step_ms);
    return kin == FORECAST_KIN_POLICY ? COMMON_MIN : hours > FIT_MIN ? hours : FIT_MIN;
}

/* Whether the young one goes the donor's way, at its own level, at least about as well as it stands still. */
static bool is_alike(const struct history_series *young, const double *values, size_t count, enum forecast_kin kin) {
    struct common c = common_of(young, values, count);
    if (c.count < common_min(young, kin) || !(c.shape > 0) || !(c.young > 0))
        return false;
    if (c.shape < LEVEL_MIN * (double)c.count)
        return false;
    if (c.count < FIT_MIN)
        return true;
    double mean = c.young / (double)c.count, ratio = c.young / c.shape, off = 0, flat = 0, noise = 0, last = NAN;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(young->demand[i]) || isnan(values[i]))
            continue;
        double value = (double)young->demand[i];
        off += fabs(value - ratio * values[i]);
        flat += fabs(value - mean);
        noise += isnan(last) ? 0 : fabs(value - last);
        last = value;
    }
    double allowed = flat > MOVES * noise ? FIT_MOVING : FIT_RATIO;
    return off <= fmax(allowed * flat, FIT_SLACK * c.young);
}

/* The median of the shapes at each slot, and how far they are from it. */
static double *pool_shapes(const struct shape *shapes, size_t shape_count, const struct grid *grid,
                           struct arena *scratch, double *ret_spread) {
    double *values = arena_alloc_array(scratch, grid->count, sizeof(*values)), squares = 0;
    size_t compared = 0;
    for (size_t i = 0; i < grid->count; i++) {
        double sorted[FORECAST_DONORS_MAX];
        size_t count = 0;
        for (size_t k = 0; k < shape_count; k++)
            if (!isnan(shapes[k].values[i]))
                sorted[count++] = shapes[k].values[i];
        forecast_sort(sorted, count);
        values[i] = count ? (sorted[(count - 1) / 2] + sorted[count / 2]) / 2 : NAN;
        if (count < 2)
            continue;
        for (size_t k = 0; k < count; k++)
            squares += (sorted[k] - values[i]) * (sorted[k] - values[i]);
        compared += count - 1; /* One of them went into the median. */
    }
    double spread = compared ? sqrt(squares / (double)compared) : SPREAD_ALONE;
    /* The shape itself is only known from so many. */
    *ret_spread = fmax(SPREAD_MIN, spread * sqrt(1 + 1 / (double)shape_count));
    return values;
}

/* The shape at the young one's level, then the young one as it is, gaps included. */
static struct history_series glue(const struct history_series *young, const double *values, double ratio,
                                  const struct grid *grid, struct arena *arena) {
    size_t before = grid->count - young->count, borrowed = before + first_of(young);
    float *demand = arena_alloc_array(arena, grid->count, sizeof(*demand));
    uint8_t *saturated = arena_alloc_array(arena, grid->count / 8 + 1, 1);
    for (size_t i = 0; i < grid->count; i++)
        demand[i] = i < borrowed ? (float)(ratio * values[i]) : young->demand[i - before];
    for (size_t i = 0; i < young->count; i++)
        if (history_is_saturated(young, i))
            saturated[(before + i) / 8] = (uint8_t)(saturated[(before + i) / 8] | 1u << (before + i) % 8);
    return (struct history_series){.start_ms = grid->first * grid->step_ms,
                                   .step_ms = grid->step_ms,
                                   .count = grid->count,
                                   .demand = demand,
                                   .saturated = saturated,
                                   .basis = young->basis};
}

/* Levels are those of whole hours, and the grid begins with one: within an hour the pool then only gains slots, and its
 * fit goes on (track.h; what that says of samples that come late holds here too). But a young one that has hardly more
 * than that is taken as it is. */
static void grid_settle(struct grid *grid, const struct history_series *young) {
    const struct forecast_data steps = {.step_ms = grid->step_ms};
    int64_t hour = (int64_t)forecast_hour(&steps), gaps = 0, end = grid->first + (int64_t)grid->count;
    while (gaps < hour && gaps < (int64_t)young->count && !isfinite(young->demand[young->count - 1 - (size_t)gaps]))
        gaps++;
    int64_t first = slot_of(grid->first - gaps, hour) * hour + 2 * hour, until = slot_of(end - gaps, hour) * hour;
    int64_t young_first = end - (int64_t)young->count;
    if (hour < 2 || first >= young_first || until < young_first + FIT_MIN)
        return;
    *grid = (struct grid){grid->step_ms, first, (size_t)(end - first), (size_t)(until - first)};
}

static struct grid grid_make(const struct history_series *young, const struct history_series *donors, size_t count) {
    int64_t young_first = slot_of(young->start_ms, young->step_ms), first = young_first;
    for (size_t i = 0; i < count; i++) {
        int64_t slot = slot_of(donors[i].start_ms, young->step_ms);
        if (is_candidate(young, &donors[i]) && slot < first)
            first = slot;
    }
    int64_t end = young_first + (int64_t)young->count;
    if (end - first > FORECAST_HISTORY_MAX)
        first = end - FORECAST_HISTORY_MAX;
    struct grid grid = {young->step_ms, first, (size_t)(end - first), (size_t)(end - first)};
    grid_settle(&grid, young);
    return grid;
}

/* Without the gaps before its first sample, in whole bytes of `saturated`: it begins when it is first seen. */
static struct history_series begun(const struct history_series *young) {
    struct history_series series = *young;
    size_t gaps = first_of(young) / 8 * 8;
    series.start_ms += (int64_t)gaps * series.step_ms;
    series.count -= gaps;
    series.demand += gaps;
    series.saturated = series.saturated ? series.saturated + gaps / 8 : NULL;
    return series;
}

bool forecast_pool(const struct history_series *series, const struct history_series *donors, size_t donor_count,
                   enum forecast_kin kin, struct arena *arena, struct forecast_pool *ret) {
    if (series->count == 0 || series->step_ms <= 0)
        return false;
    const struct history_series whole = begun(series), *young = &whole;
    if (young->count == 0 || young->count >= FORECAST_HISTORY_MAX)
        return false;
    struct arena scratch = {0};
    struct shape shapes[FORECAST_DONORS_MAX];
    size_t looked = donor_count < FORECAST_DONORS_MAX ? donor_count : FORECAST_DONORS_MAX, shape_count = 0;
    struct grid grid = grid_make(young, donors, looked);
    size_t before = grid.count - young->count, compared = grid.until - before;
    for (size_t i = 0; before > 0 && i < looked; i++) {
        if (!is_candidate(young, &donors[i]))
            continue;
        shape_read(&donors[i], &grid, &scratch, &shapes[shape_count]);
        if (shape_normalise(&shapes[shape_count], &grid) &&
            is_alike(young, shapes[shape_count].values + before, compared, kin))
            shape_count++;
    }
    bool is_found = false;
    if (shape_count > 0) {
        double spread, *values = pool_shapes(shapes, shape_count, &grid, &scratch, &spread);
        struct common c = common_of(young, values + before, compared);
        double ratio = c.young / c.shape;
        is_found = c.shape > 0 && isfinite((float)ratio) && ratio > 0;
        if (is_found)
            *ret = (struct forecast_pool){.series = glue(young, values, ratio, &grid, arena),
                                          .young_count = young->count,
                                          .young_used = used_of(young),
                                          .donor_count = shape_count,
                                          .spread = spread * widening[kin]};
    }
    arena_release(&scratch);
    return is_found;
}

/* Mean absolute demand of the whole pool: for a share of it to mean the same at noon and at night. */
static double level_of(const struct history_series *series, bool *ret_has_negative) {
    double sum = 0;
    size_t used = 0;
    *ret_has_negative = false;
    for (size_t i = 0; i < series->count; i++) {
        if (!isfinite(series->demand[i]))
            continue;
        sum += fabs((double)series->demand[i]);
        *ret_has_negative |= series->demand[i] < 0;
        used++;
    }
    return used ? sum / (double)used : 0;
}

bool forecast_pool_finish(const struct forecast_pool *pool, struct arena *arena, struct forecast *forecast) {
    if (forecast->basis != FORECAST_BASIS_OWN)
        return false;
    bool has_negative;
    double level = level_of(&pool->series, &has_negative);
    /* The same end as where a history becomes the resource's own. */
    double missing = fmax(0.1, 1 - (double)pool->young_used / two_seasons(forecast->step_ms));
    size_t count = forecast->steps * forecast->quantile_count;
    double *values = arena_memdup(arena, forecast->values, count * sizeof(*values));
    for (size_t i = 0; i < count; i++) {
        double q = forecast->quantiles[i % forecast->quantile_count];
        values[i] += level * missing * pool->spread / LOGISTIC_SD * log(q / (1 - q));
        if (values[i] < 0 && !has_negative)
            values[i] = 0;
    }
    forecast->values = values;
    forecast->basis = FORECAST_BASIS_POOLED;
    forecast->used = pool->young_used;
    forecast->coverage_per_mille = -1;
    forecast->loss = forecast->naive_loss = NAN;
    return true;
}
