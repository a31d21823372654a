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
    return hw->is_multiplicative ? value * seasonal : value + seasonal;
}

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

/* From slot `from` on, from the state before it. */
static void filter_go_on(const struct holt_winters *hw, const struct forecast_data *data, size_t from) {
    const struct weights w = hw->weights;
    for (size_t i = from - hw->first; hw->first + i < data->count; i++) {
        double y = data->y[hw->first + i];
        double seasonal = hw->season ? hw->seasonal[i] : 0;
        double expected = hw->level[i] + DAMPING * hw->trend[i];
        double error = y - (hw->is_multiplicative ? expected * seasonal : expected + seasonal);
        /* At the ceiling the demand was at least y: it teaches only when it is above what was expected. */
        if (isnan(y) || (data->saturated[hw->first + i] && error < 0))
            error = 0;
        /* Next to nothing says nothing of what it is multiplied with. */
        double to_level = hw->is_multiplicative ? error / fmax(seasonal, FACTOR_MIN) : error;
        hw->level[i + 1] = expected + w.level * to_level;
        hw->trend[i + 1] = DAMPING * hw->trend[i] + w.level * w.trend * to_level;
        double unit = hw->is_multiplicative ? fmax(expected, FACTOR_MIN * hw->level[0]) : 1;
        double to_season = unit > 0 ? error / unit : 0;
        if (hw->season)
            hw->seasonal[i + hw->season] = seasonal + w.season * (1 - w.level) * to_season;
    }
}

static void filter_run(struct holt_winters *hw, const struct forecast_data *data, struct weights w) {
    hw->weights = w;
    filter_start(hw, data);
    filter_go_on(hw, data, hw->first);
}

static void holt_winters_extend(const struct forecast_model *model, const struct forecast_data *data, size_t from) {
    filter_go_on(model->state, data, from);
}

/* Mean absolute error at the distances 1, the middle and the end of the horizon, weighted alike. */
static double filter_loss(const struct forecast_model *model, const struct forecast_data *data,
                          const struct forecast_grid *grid) {
    double loss = 0;
    size_t last = grid->knot_count - 1;
    const size_t at[3] = {0, last / 2, last};
    for (size_t k = 0; k < 3; k++) {
        double sum = 0;
        size_t used = 0, step = grid->knots[at[k]];
        for (size_t i = 0; i < grid->origin_count; i++) {
            size_t origin = forecast_origin(grid, i);
            if (origin + step > data->count)
                break;
            double error = data->y[origin + step - 1] - model->point(model, data, origin, step, NULL);
            if (isnan(error))
                continue;
            sum += fabs(error);
            used++;
        }
        loss += used ? sum / (double)used : 0;
    }
    return loss;
}

static void fit(struct forecast_model *model, struct holt_winters *hw, const struct forecast_data *data,
                const struct forecast_grid *grid) {
    static const double levels[] = {0.02, 0.1, 0.4, 0.9};
    static const double trends[] = {0, 0.1};
    static const double seasons[] = {0.1, 0.4};
    struct weights best = {levels[0], trends[0], seasons[0]};
    double best_loss = INFINITY;
    /* One after another: the level matters most. */
    for (size_t i = 0; i < 6; i++) {
        struct weights w = best;
        if (i < 4)
            w.level = levels[i];
        else if (i == 4)
            w.trend = trends[1];
        else if (hw->season)
            w.season = seasons[1];
        filter_run(hw, data, w);
        double loss = filter_loss(model, data, grid);
        if (loss < best_loss) {
            best_loss = loss;
            best = w;
        }
    }
    filter_run(hw, data, best);
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
    size_t horizon = grid->knots[grid->knot_count - 1];
    double *damped = arena_alloc_array(scratch, horizon + 1, sizeof(*damped));
    double power = 1;
    for (size_t h = 1; h <= horizon; h++) {
        power *= DAMPING;
        damped[h] = damped[h - 1] + power;
    }
    hw->damped = damped;
    struct forecast_model model = {
        .season = hw->season, .point = holt_winters_point, .extend = holt_winters_extend, .state = hw};
    fit(&model, hw, data, grid);
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
