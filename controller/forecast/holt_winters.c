/*
 * Holt-Winters (Winters 1960; damped trend: Gardner & McKenzie 1985) with an additive season, or with a multiplicative
 * one, whose peaks grow with the level. The season is the one that season.c finds (none: plain damped Holt). The
 * smoothing weights come from a small fixed grid, judged by the absolute errors at three distances up to the horizon,
 * because weights that are best one step ahead are poor a day ahead. A gap moves the state along and teaches nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "forecast/forecast_internal.h"

#define DAMPING 0.98
#define SAMPLES_MIN 20
#define SEASONS_MAX 8 /* The filter starts this many seasons back at most. */
#define START_MIN 8192
#define FACTOR_MIN 0.05

#define GLANCES 3    /* Distances that weights are judged at. */
#define TRIALS LANES /* Weights that are tried at once. */

struct weights {
    double level, trend, season;
};

/* The state after each slot: what a forecast from any origin needs. Index i is the state before slot first + i. */
struct holt_winters {
    size_t first; /* Slot at which the filter starts. */
    size_t season;
    bool is_multiplicative;
    double *level, *trend; /* count + room - first + 1 elements. */
    double *seasonal; /* Element i: the index in force for slot first + i; (count + room - first) + season elements. */
    const double *damped; /* damped[h]: the trend's share h steps ahead. */
    struct weights weights;
};

/* What moves from slot to slot, and the shares of an error that move it. */
struct state {
    double level, trend;
};
struct shares {
    double level, trend, season;
};

/* Filters with different weights, side by side: a filter waits for its own last step, several do not wait for each
 * other. Of the past no more is kept than the season. */
struct trials {
    double levels[TRIALS], trends[TRIALS]; /* The states. */
    double level_shares[TRIALS], trend_shares[TRIALS], season_shares[TRIALS];
    double *seasonal; /* Round: season x TRIALS. Where there is no season, one row of 0. */
    double sums[GLANCES][TRIALS];
    size_t used[GLANCES][TRIALS];
};

static double holt_winters_value(bool is_multiplicative, double value, double seasonal) {
    return is_multiplicative ? value * seasonal : value + seasonal;
}

static double holt_winters_point(const struct forecast_model *model, const struct forecast_data *data, size_t origin,
                                 size_t step, double *ret_scale) {
    (void)ret_scale;
    (void)data;
    const struct holt_winters *hw = model->state;
    if (origin < hw->first)
        return NAN;
    size_t i = origin - hw->first;
    double value = hw->level[i] + hw->damped[step] * hw->trend[i];
    double seasonal = hw->season ? hw->seasonal[i + (step - 1) % hw->season] : 0;
    return holt_winters_value(hw->is_multiplicative, value, seasonal);
}

FORECAST_SAY(holt_winters_say, holt_winters_point)

/* The first season gives the start: its mean, and how each moment differs from it. */
static void filter_start(struct holt_winters *hw, const struct forecast_data *data) {
    size_t length = hw->season ? hw->season : SAMPLES_MIN / 2;
    double sum = 0;
    size_t used = 0;
    for (size_t i = hw->first; i < data->count && i < hw->first + length; i++) {
        if (!isnan(data->y[i])) {
            sum += data->y[i];
            used++;
        }
    }
    hw->level[0] = used ? sum / (double)used : 0;
    hw->trend[0] = 0;
    for (size_t i = 0; i < hw->season; i++) {
        double value = hw->first + i < data->count ? data->y[hw->first + i] : NAN;
        if (hw->is_multiplicative)
            hw->seasonal[i] = isnan(value) || hw->level[0] <= 0 ? 1 : value / hw->level[0];
        else
            hw->seasonal[i] = isnan(value) ? 0 : value - hw->level[0];
    }
}

static struct shares shares_of(struct weights w) {
    return (struct shares){w.level, w.level * w.trend, w.season * (1 - w.level)};
}

/* Moves a state over one slot; returns what the index of its moment is from then on. fmax is a call. */
static inline __attribute__((always_inline)) double slot_learn(bool is_multiplicative, double y, bool is_saturated,
                                                               double unit_min, double seasonal,
                                                               const struct shares *shares, struct state *state) {
    double damped = DAMPING * state->trend, expected = state->level + damped;
    double error = y - holt_winters_value(is_multiplicative, expected, seasonal);
    /* At the ceiling the demand was at least y: it teaches only when it is above what was expected. */
    error = isnan(y) || (is_saturated && error < 0) ? 0 : error;
    double of_level = error, of_season = error;
    if (is_multiplicative) { /* Next to nothing says nothing of what it is multiplied with. */
        double unit = expected > unit_min ? expected : unit_min;
        of_level = error / (seasonal > FACTOR_MIN ? seasonal : FACTOR_MIN);
        of_season = unit > 0 ? error / unit : 0;
    }
    state->level = expected + shares->level * of_level;
    state->trend = damped + shares->trend * of_level;
    return seasonal + shares->season * of_season;
}

/* From slot `from` on, from the state before it. */
static inline __attribute__((always_inline)) void
filter_slots(const struct holt_winters *hw, const struct forecast_data *data, size_t from, bool is_multiplicative) {
    const struct shares shares = shares_of(hw->weights);
    double unit_min = FACTOR_MIN * hw->level[0];
    struct state state = {hw->level[from - hw->first], hw->trend[from - hw->first]};
    for (size_t i = from - hw->first; hw->first + i < data->count; i++) {
        double next = slot_learn(is_multiplicative, data->y[hw->first + i], data->saturated[hw->first + i], unit_min,
                                 hw->season ? hw->seasonal[i] : 0, &shares, &state);
        hw->level[i + 1] = state.level;
        hw->trend[i + 1] = state.trend;
        if (hw->season)
            hw->seasonal[i + hw->season] = next;
    }
}

static void filter_go_on(const struct holt_winters *hw, const struct forecast_data *data, size_t from) {
    if (hw->is_multiplicative)
        filter_slots(hw, data, from, true);
    else
        filter_slots(hw, data, from, false);
}

static void holt_winters_extend(const struct forecast_model *model, const struct forecast_data *data, size_t from) {
    filter_go_on(model->state, data, from);
}

/* What an origin before slot first + i adds to the errors; phase: of that slot in the season. */
static inline __attribute__((always_inline)) void trials_judge(struct trials *t, const struct holt_winters *hw,
                                                               const struct forecast_data *data, const size_t *steps,
                                                               size_t i, size_t phase) {
    for (size_t k = 0; k < GLANCES; k++) {
        size_t target = hw->first + i + steps[k] - 1;
        if (target >= data->count)
            continue;
        size_t ahead = hw->season ? phase + (steps[k] - 1) % hw->season : 0;
        const double *seasonal = &t->seasonal[TRIALS * (ahead < hw->season ? ahead : ahead - hw->season)];
        for (size_t n = 0; n < TRIALS; n++) {
            double value = t->levels[n] + hw->damped[steps[k]] * t->trends[n];
            double error = data->y[target] - holt_winters_value(hw->is_multiplicative, value, seasonal[n]);
            t->sums[k][n] += isnan(error) ? 0 : fabs(error);
            t->used[k][n] += isnan(error) ? 0 : 1;
        }
    }
}

/* slot_learn for all trials at once: the compiler does not find out that it could. */
static inline __attribute__((always_inline)) void trials_learn(struct trials *t, const struct holt_winters *hw,
                                                               const struct forecast_data *data, size_t from, size_t to,
                                                               size_t *phase, bool is_multiplicative) {
    const lanes level_shares = *(lanes *)t->level_shares, trend_shares = *(lanes *)t->trend_shares;
    const lanes season_shares = *(lanes *)t->season_shares;
    const lanes unit_min = (lanes){0} + FACTOR_MIN * hw->level[0], factor_min = (lanes){0} + FACTOR_MIN;
    const lane_bits has_season = (lane_bits){0} - (hw->season > 0);
    lanes level = *(lanes *)t->levels, trend = *(lanes *)t->trends;
    for (size_t i = from; i < to; i++, *phase = *phase + 1 < hw->season ? *phase + 1 : 0) {
        double y = data->y[hw->first + i];
        lanes *seasonal = (lanes *)&t->seasonal[TRIALS * *phase], index = *seasonal;
        lanes damped = DAMPING * trend, expected = level + damped;
        lanes error = y - (is_multiplicative ? expected * index : expected + index);
        bool is_gap = isnan(y);
        lane_bits is_used = (lane_bits){0} - !is_gap;
        if (data->saturated[hw->first + i])
            is_used &= error >= 0;
        error = (lanes)((lane_bits)error & is_used);
        lanes of_level = error, of_season = error;
        if (is_multiplicative) {
            lane_bits is_more = expected > unit_min, is_factor = index > factor_min;
            lanes unit = LANES_SELECT(is_more, expected, unit_min);
            of_level = error / LANES_SELECT(is_factor, index, factor_min);
            of_season = (lanes)((lane_bits)(error / unit) & (unit > 0));
        }
        level = expected + level_shares * of_level;
        trend = damped + trend_shares * of_level;
        *seasonal = (lanes)((lane_bits)(index + season_shares * of_season) & has_season);
    }
    *(lanes *)t->levels = level;
    *(lanes *)t->trends = trend;
}

static inline __attribute__((always_inline)) void trials_slots(struct trials *t, const struct holt_winters *hw,
                                                               const struct forecast_data *data,
                                                               const struct forecast_grid *grid, const size_t *steps,
                                                               bool is_multiplicative) {
    size_t origin = grid->origin_first, last = forecast_origin(grid, grid->origin_count - 1), from = 0, phase = 0;
    while (origin < hw->first)
        origin += grid->origin_stride;
    for (; origin <= last; origin += grid->origin_stride) {
        trials_learn(t, hw, data, from, origin - hw->first, &phase, is_multiplicative);
        from = origin - hw->first;
        trials_judge(t, hw, data, steps, from, phase);
    }
}

/* Mean absolute errors at the distances 1, the middle and the end of the horizon, weighted alike. The start is that of
 * hw. */
FORECAST_WIDE static void trials_run(struct trials *t, const struct holt_winters *hw, const struct forecast_data *data,
                                     const struct forecast_grid *grid, const struct weights *weights,
                                     double *ret_losses) {
    const size_t end = grid->knot_count - 1, steps[GLANCES] = {grid->knots[0], grid->knots[end / 2], grid->knots[end]};
    for (size_t n = 0; n < TRIALS; n++) {
        const struct shares shares = shares_of(weights[n]);
        t->level_shares[n] = shares.level;
        t->trend_shares[n] = shares.trend;
        t->season_shares[n] = shares.season;
        t->levels[n] = hw->level[0];
        t->trends[n] = 0;
        for (size_t i = 0; i < hw->season; i++)
            t->seasonal[TRIALS * i + n] = hw->seasonal[i];
    }
    memset(t->sums, 0, sizeof(t->sums));
    memset(t->used, 0, sizeof(t->used));
    if (grid->origin_count && hw->is_multiplicative)
        trials_slots(t, hw, data, grid, steps, true);
    else if (grid->origin_count)
        trials_slots(t, hw, data, grid, steps, false);
    for (size_t n = 0; n < TRIALS; n++) {
        ret_losses[n] = 0;
        for (size_t k = 0; k < GLANCES; k++)
            ret_losses[n] += t->used[k][n] ? t->sums[k][n] / (double)t->used[k][n] : 0;
    }
}

/* One weight after another: that of the level matters most. */
static void fit(struct holt_winters *hw, const struct forecast_data *data, const struct forecast_grid *grid) {
    static const double levels[TRIALS] = {0.02, 0.1, 0.4, 0.9}, trend = 0.1, seasons[] = {0.1, 0.4};
    struct arena own = {0};
    struct trials *t = arena_alloc(&own, sizeof(*t));
    t->seasonal = arena_alloc_array(&own, TRIALS * (hw->season ? hw->season : 1), sizeof(double));
    struct weights tried[TRIALS];
    double losses[TRIALS], best = INFINITY;
    size_t chosen = 0;
    filter_start(hw, data);
    for (size_t n = 0; n < TRIALS; n++)
        tried[n] = (struct weights){levels[n], 0, seasons[0]};
    trials_run(t, hw, data, grid, tried, losses);
    for (size_t n = 0; n < TRIALS; n++) {
        if (losses[n] < best) {
            best = losses[n];
            chosen = n;
        }
    }
    /* Then the trend's, and the season's without it or with it. */
    enum { NEITHER, WITH_TREND, WITH_SEASON, WITH_BOTH };
    const struct weights w = tried[chosen];
    tried[NEITHER] = w;
    tried[WITH_TREND] = (struct weights){w.level, trend, w.season};
    tried[WITH_SEASON] = (struct weights){w.level, w.trend, seasons[1]};
    tried[WITH_BOTH] = (struct weights){w.level, trend, seasons[1]};
    trials_run(t, hw, data, grid, tried, losses);
    chosen = losses[WITH_TREND] < best ? WITH_TREND : NEITHER;
    best = fmin(best, losses[chosen]);
    if (hw->season && losses[chosen + WITH_SEASON] < best)
        chosen += WITH_SEASON;
    hw->weights = tried[chosen];
    arena_release(&own);
    filter_go_on(hw, data, hw->first);
}

static struct forecast_model make(const struct forecast_data *data, const struct forecast_grid *grid, size_t season,
                                  bool is_multiplicative, struct arena *scratch) {
    struct holt_winters *hw = arena_alloc(scratch, sizeof(*hw));
    hw->season = season;
    hw->is_multiplicative = is_multiplicative;
    size_t reach = SEASONS_MAX * hw->season > START_MIN ? SEASONS_MAX * hw->season : START_MIN;
    hw->first = data->count > reach ? data->count - reach : 0;
    size_t count = data->count + data->room - hw->first;
    hw->level = arena_alloc_array(scratch, count + 1, sizeof(double));
    hw->trend = arena_alloc_array(scratch, count + 1, sizeof(double));
    hw->seasonal = arena_alloc_array(scratch, count + hw->season + 1, sizeof(double));
    size_t horizon = grid->horizon;
    double *damped = arena_alloc_array(scratch, horizon + 1, sizeof(*damped));
    double power = 1;
    for (size_t h = 1; h <= horizon; h++) {
        power *= DAMPING;
        damped[h] = damped[h - 1] + power;
    }
    hw->damped = damped;
    struct forecast_model model = {.season = hw->season,
                                   .point = holt_winters_point,
                                   .say = holt_winters_say,
                                   .extend = holt_winters_extend,
                                   .state = hw};
    fit(hw, data, grid);
    return model;
}

static size_t season_of(const struct forecast_data *data) {
    const struct forecast_seasons *seasons = &data->seasons;
    return seasons->has_week ? data->week : seasons->has_day ? data->day : seasons->cycle;
}

bool forecast_holt_winters(const struct forecast_data *data, const struct forecast_grid *grid, struct arena *scratch,
                           struct forecast_model *ret) {
    if (data->count < SAMPLES_MIN)
        return false;
    size_t season = season_of(data);
    *ret = make(data, grid, season, false, scratch);
    ret->name = !season                ? "holt"
                : season == data->day  ? "holt-winters-day"
                : season == data->week ? "holt-winters-week"
                                       : "holt-winters-cycle";
    return true;
}

bool forecast_holt_winters_multiplicative(const struct forecast_data *data, const struct forecast_grid *grid,
                                          struct arena *scratch, struct forecast_model *ret) {
    size_t season = season_of(data), positive = 0;
    if (!season || data->count < SAMPLES_MIN)
        return false;
    for (size_t i = 0; i < data->count; i++) {
        if (data->y[i] < 0)
            return false;
        positive += data->y[i] > 0;
    }
    if (!positive)
        return false;
    *ret = make(data, grid, season, true, scratch);
    ret->name = season == data->day    ? "holt-winters-multiplicative-day"
                : season == data->week ? "holt-winters-multiplicative-week"
                                       : "holt-winters-multiplicative-cycle";
    return true;
}
