/*
 * The naive models: the last value, and the value of one season ago. They are the yardstick: what does not beat them is
 * not used.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "forecast/forecast_internal.h"

#define SEASONS_BACK 4 /* How far a gap is filled from older seasons. */

static double last_value_point(const struct forecast_model *model, const struct forecast_data *data, size_t origin,
                               size_t step, double *ret_scale) {
    (void)ret_scale;
    (void)model, (void)step;
    uint32_t last = data->last[origin];
    return last ? data->y[last - 1] : NAN;
}

FORECAST_SAY(last_value_say, last_value_point)

struct forecast_model forecast_last_value(void) {
    return (struct forecast_model){.name = "last-value", .point = last_value_point, .say = last_value_say};
}

static double seasonal_naive_point(const struct forecast_model *model, const struct forecast_data *data, size_t origin,
                                   size_t step, double *ret_scale) {
    (void)ret_scale;
    size_t season = model->season;
    size_t back = (step + season - 1) / season * season;
    for (int k = 0; k < SEASONS_BACK && back < origin + step; k++, back += season) {
        double value = data->y[origin + step - 1 - back];
        if (!isnan(value))
            return value;
    }
    return last_value_point(model, data, origin, step, NULL);
}

FORECAST_SAY(seasonal_naive_say, seasonal_naive_point)

struct forecast_model forecast_seasonal_naive(size_t season, const char *name) {
    return (struct forecast_model){
        .name = name, .season = season, .point = seasonal_naive_point, .say = seasonal_naive_say};
}
