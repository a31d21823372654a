/*
 * Which season a history has, if any: the autocorrelation of the detrended series at the lag of a day and of a week.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "forecast/forecast_internal.h"

#define SEASON_CORRELATION_MIN 0.2
#define WEEK_MARGIN 0.05 /* A week costs seven times the memory of a day: it must be worth it. */

/* Takes the least-squares line off. */
static void detrend(const struct forecast_data *data, double *to) {
    double n = 0, sum_t = 0, sum_y = 0, sum_tt = 0, sum_ty = 0;
    double middle = (double)data->count / 2;
    for (size_t i = 0; i < data->count; i++) {
        if (isnan(data->y[i]))
            continue;
        double t = (double)i - middle;
        n++;
        sum_t += t;
        sum_y += data->y[i];
        sum_tt += t * t;
        sum_ty += t * data->y[i];
    }
    double divisor = n * sum_tt - sum_t * sum_t;
    double slope = divisor > 0 ? (n * sum_ty - sum_t * sum_y) / divisor : 0;
    double level = n > 0 ? (sum_y - slope * sum_t) / n : 0;
    for (size_t i = 0; i < data->count; i++)
        to[i] = data->y[i] - level - slope * ((double)i - middle);
}

/* Over the pairs that are both there. */
static double correlation(const double *y, size_t count, size_t lag) {
    double cross = 0, left = 0, right = 0;
    for (size_t i = lag; i < count; i++) {
        if (isnan(y[i]) || isnan(y[i - lag]))
            continue;
        cross += y[i] * y[i - lag];
        left += y[i] * y[i];
        right += y[i - lag] * y[i - lag];
    }
    return left > 0 && right > 0 ? cross / sqrt(left) / sqrt(right) : 0;
}

size_t forecast_season(const struct forecast_data *data, struct arena *scratch) {
    if (!data->day && !data->week)
        return 0;
    double *y = arena_alloc_array(scratch, data->count, sizeof(*y));
    detrend(data, y);
    double day = data->day ? correlation(y, data->count, data->day) : 0;
    double week = data->week ? correlation(y, data->count, data->week) : 0;
    if (week > SEASON_CORRELATION_MIN && week > day + (data->day ? WEEK_MARGIN : 0))
        return data->week;
    return day > SEASON_CORRELATION_MIN ? data->day : 0;
}
