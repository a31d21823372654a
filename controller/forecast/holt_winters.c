/*
 * Holt-Winters (Winters 1960; damped trend: Gardner & McKenzie 1985) with an additive season, or with a multiplicative
 * one, whose peaks grow with the level. The season is the one that season.c finds (none: plain damped Holt). The
 * smoothing weights come from a small fixed grid, judged by the absolute errors at three distances up to the horizon,
 * because weights that are best one step ahead are poor a day ahead; the multiplicative one takes those of the additive
 * one: a search of its own gained at one distance what it lost at another. A gap moves the state along and teaches
 * nothing.
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
#define LEVELS LANES /* Weights of the level, each in a lane, */
#define PACES 4      /* with this many of the trend and the season. */

static const double level_weights[LEVELS] = {0.02, 0.1, 0.4, 0.9};

struct pace {
    double trend, season;
};
struct weights {
    double level;
    struct pace pace;
};

static const struct pace paces[PACES] = {{0, 0.1}, {0.1, 0.1}, {0, 0.4}, {0.1, 0.4}};

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
    lanes levels[PACES], trends[PACES]; /* The states. */
    lanes trend_shares[PACES], season_shares[PACES];
    lanes *seasonal; /* Round: season x PACES. Where there is no season, one row of 0. */
    lanes sums[GLANCES][PACES];
    size_t used[GLANCES];
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
    return (struct shares){w.level, w.level * w.pace.trend, w.pace.season * (1 - w.level)};
}

/* Moves a state over one slot; returns what the index of its moment is from then on. What the level learns is the error
 * over the index, put so that the state is not divided: the next slot waits for it. fmax is a call. */
static inline __attribute__((always_inline)) double slot_learn(bool is_multiplicative, double y, bool is_saturated,
                                                               double unit_min, double seasonal,
                                                               const struct shares *shares, struct state *state) {
    double damped = DAMPING * state->trend, expected = state->level + damped;
    double error = y - holt_winters_value(is_multiplicative, expected, seasonal);
    /* At the ceiling the demand was at least y: it teaches only when it is above what was expected. */
    bool is_used = !isnan(y) && !(is_saturated && error < 0);
    double of_level = error, of_season = error;
    if (is_multiplicative) { /* Next to nothing says nothing of what it is multiplied with. */
        bool is_factor = seasonal > FACTOR_MIN;
        double unit = expected > unit_min ? expected : unit_min;
        of_level = y / (is_factor ? seasonal : FACTOR_MIN) - expected * (is_factor ? 1 : seasonal / FACTOR_MIN);
        of_season = unit > 0 ? error / unit : 0;
    }
    state->level = expected + shares->level * (is_used ? of_level : 0);
    state->trend = damped + shares->trend * (is_used ? of_level : 0);
    return seasonal + shares->season * (is_used ? of_season : 0);
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
        if (target >= data->count || isnan(data->y[target]))
            continue;
        size_t ahead = hw->season ? phase + (steps[k] - 1) % hw->season : 0;
        const lanes *seasonal = &t->seasonal[PACES * (ahead < hw->season ? ahead : ahead - hw->season)];
        for (size_t n = 0; n < PACES; n++) {
            lanes error = data->y[target] - (t->levels[n] + hw->damped[steps[k]] * t->trends[n] + seasonal[n]);
            t->sums[k][n] += LANES_SELECT(error < 0, -error, error);
        }
        t->used[k]++;
    }
}

/* slot_learn for all trials at once: the compiler does not find out that it could. */
static inline __attribute__((always_inline)) void trials_learn(struct trials *t, const struct holt_winters *hw,
                                                               const struct forecast_data *data, size_t from, size_t to,
                                                               size_t *phase) {
    const lanes level_shares = *(const lanes *)level_weights;
    const lane_bits has_season = (lane_bits){0} - (hw->season > 0);
    lanes level[PACES], trend[PACES];
    memcpy(level, t->levels, sizeof(level));
    memcpy(trend, t->trends, sizeof(trend));
    for (size_t i = from; i < to; i++, *phase = *phase + 1 < hw->season ? *phase + 1 : 0) {
        double y = data->y[hw->first + i];
        bool is_gap = isnan(y), is_saturated = data->saturated[hw->first + i];
        lanes *seasonal = &t->seasonal[PACES * *phase];
        for (size_t n = 0; n < PACES; n++) {
            lanes damped = DAMPING * trend[n], expected = level[n] + damped, error = y - (expected + seasonal[n]);
            lane_bits is_used = (lane_bits){0} - !is_gap;
            if (is_saturated)
                is_used &= error >= 0;
            error = (lanes)((lane_bits)error & is_used);
            level[n] = expected + level_shares * error;
            trend[n] = damped + t->trend_shares[n] * error;
            seasonal[n] = (lanes)((lane_bits)(seasonal[n] + t->season_shares[n] * error) & has_season);
        }
    }
    memcpy(t->levels, level, sizeof(level));
    memcpy(t->trends, trend, sizeof(trend));
}

/* From the start that hw has. */
FORECAST_WIDE static void trials_run(struct trials *t, const struct holt_winters *hw, const struct forecast_data *data,
                                     const struct forecast_grid *grid) {
    const size_t end = grid->knot_count - 1, steps[GLANCES] = {grid->knots[0], grid->knots[end / 2], grid->knots[end]};
    for (size_t n = 0; n < PACES; n++) {
        t->levels[n] += hw->level[0];
        for (size_t i = 0; i < hw->season; i++)
            t->seasonal[PACES * i + n] += hw->seasonal[i];
    }
    size_t from = 0, phase = 0;
    for (size_t k = 0; k < grid->origin_count; k++) {
        size_t origin = forecast_origin(grid, k);
        if (origin < hw->first)
            continue;
        trials_learn(t, hw, data, from, origin - hw->first, &phase);
        from = origin - hw->first;
        trials_judge(t, hw, data, steps, from, phase);
    }
}

/* Mean absolute errors at the distances 1, the middle and the end of the horizon, weighted alike. */
static double trial_loss(const struct trials *t, size_t pace, size_t level) {
    double loss = 0;
    for (size_t k = 0; k < GLANCES; k++)
        loss += t->used[k] ? t->sums[k][pace][level] / (double)t->used[k] : 0;
    return loss;
}

/* Those that lose least, the first of several. */
static struct weights weights_find(const struct holt_winters *hw, const struct forecast_data *data,
                                   const struct forecast_grid *grid) {
    struct arena own = {0};
    struct trials *t = arena_alloc(&own, sizeof(*t));
    struct weights found = {level_weights[0], paces[0]};
    double best = INFINITY;
    t->seasonal = arena_alloc_array(&own, PACES * (hw->season ? hw->season : 1), sizeof(lanes));
    for (size_t n = 0; n < PACES; n++) {
        for (size_t l = 0; l < LEVELS; l++) {
            const struct shares shares = shares_of((struct weights){level_weights[l], paces[n]});
            t->trend_shares[n][l] = shares.trend;
            t->season_shares[n][l] = shares.season;
        }
    }
    trials_run(t, hw, data, grid);
    for (size_t n = 0; n < PACES; n++) {
        for (size_t l = 0; l < LEVELS; l++) {
            double loss = trial_loss(t, n, l);
            if (loss < best) {
                best = loss;
                found = (struct weights){level_weights[l], paces[n]};
            }
        }
    }
    arena_release(&own);
    return found;
}

/* additive: NULL makes that one. */
static struct forecast_model make(const struct forecast_data *data, const struct forecast_grid *grid, size_t season,
                                  const struct holt_winters *additive, struct arena *scratch) {
    struct holt_winters *hw = arena_alloc(scratch, sizeof(*hw));
    hw->season = season;
    hw->is_multiplicative = additive;
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
    filter_start(hw, data);
    hw->weights = additive ? additive->weights : weights_find(hw, data, grid);
    filter_go_on(hw, data, hw->first);
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
    *ret = make(data, grid, season, NULL, scratch);
    ret->name = !season                ? "holt"
                : season == data->day  ? "holt-winters-day"
                : season == data->week ? "holt-winters-week"
                                       : "holt-winters-cycle";
    return true;
}

bool forecast_holt_winters_multiplicative(const struct forecast_data *data, const struct forecast_grid *grid,
                                          const struct forecast_model *additive, struct arena *scratch,
                                          struct forecast_model *ret) {
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
    *ret = make(data, grid, season, additive->state, scratch);
    ret->name = season == data->day    ? "holt-winters-multiplicative-day"
                : season == data->week ? "holt-winters-multiplicative-week"
                                       : "holt-winters-multiplicative-cycle";
    return true;
}
