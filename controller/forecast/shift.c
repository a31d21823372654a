/*
 * The level-shift guard: how far the last hours are from the same hours of past days, against how far they ever were. A
 * distance that was seen before is the series' own way; one beyond all of them is a new level, and what past days say
 * of it is of no use until they have seen it too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "forecast/forecast_internal.h"

#define HOURS 3
#define SEASONS_BACK 7
#define SPAN_SEASONS 14
#define SAMPLES_MIN 20
#define RATIO 1.2 /* Of the largest distance seen, where a shift is as likely as not. */
#define STEEPNESS 4

/* Of the `length` slots up to the last sample before t from the median of the same slots in past seasons. NaN unknown.
 */
static double distance(const struct forecast_data *data, size_t t, size_t length, size_t season) {
    double past[SEASONS_BACK];
    size_t count = 0;
    t = data->last[t];
    if (t < length)
        return NAN;
    for (size_t back = season; back + length <= t && back <= SEASONS_BACK * season; back += season) {
        double mean = forecast_mean(data, t - back - length, t - back);
        if (!isnan(mean))
            past[count++] = mean;
    }
    if (!count)
        return NAN;
    forecast_sort(past, count);
    double median = count % 2 ? past[count / 2] : (past[count / 2 - 1] + past[count / 2]) / 2;
    return fabs(forecast_mean(data, t - length, t) - median);
}

struct forecast_shift forecast_shift_learn(const struct forecast_data *data, size_t season) {
    size_t hour = forecast_hour(data);
    size_t length = HOURS * hour, stride = hour > 1 ? hour / 2 : 1;
    if (!season || data->count < 3 * season || data->count < 2 * season + length)
        return (struct forecast_shift){0};
    double largest = 0;
    size_t first = data->count > SPAN_SEASONS * season ? data->count - SPAN_SEASONS * season : 2 * season, seen = 0;
    for (size_t t = first > length + season ? first : length + season; t + season < data->count; t += stride) {
        double past = distance(data, t, length, season);
        if (isnan(past))
            continue;
        largest = fmax(largest, past);
        seen++;
    }
    return (struct forecast_shift){seen < SAMPLES_MIN ? 0 : season, largest};
}

double forecast_shift_now(const struct forecast_shift *shift, const struct forecast_data *data) {
    double now = shift->season ? distance(data, data->count, HOURS * forecast_hour(data), shift->season) : 0;
    if (isnan(now) || now <= 0)
        return 0;
    return shift->largest > 0 ? 1 / (1 + exp(-STEEPNESS * (now / shift->largest - RATIO))) : 1;
}
