/*
 * The seasonal mean: each moment is expected at the mean of the same moment of past seasons, plus a share of today's
 * deviation from that mean. The share for each distance is the regression of past deviations on the deviation at their
 * origin, so it falls off as fast as this series forgets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "forecast/forecast_internal.h"

#define SEASONS_MEAN 7

struct profile {
    double *mean; /* mean[t]: over y[t - season], y[t - 2 season]...; count + room + season elements. NaN unknown. */
    size_t mean_count;
    size_t knots[FORECAST_KNOTS_MAX];
    double share[FORECAST_KNOTS_MAX]; /* In [0, 1]. */
    size_t knot_count;
};

/* The mean that is known at the origin for step: whole seasons are taken off what lies further ahead than one. */
static double profile_mean(const struct profile *profile, size_t season, size_t origin, size_t step) {
    size_t t = origin + step - 1;
    if (step > season)
        t -= (step - 1) / season * season;
    return t < profile->mean_count ? profile->mean[t] : NAN;
}

static double deviation(const struct profile *profile, const struct forecast_data *data, size_t origin) {
    uint32_t last = data->last[origin];
    if (!last)
        return 0;
    double d = data->y[last - 1] - profile->mean[last - 1];
    return isnan(d) ? 0 : d;
}

static double share_at(const struct profile *profile, size_t step) {
    size_t k = 0;
    while (k < profile->knot_count && profile->knots[k] < step)
        k++;
    if (k == profile->knot_count)
        return profile->share[k - 1];
    if (k == 0 || profile->knots[k] == step)
        return profile->share[k];
    double left = (double)profile->knots[k - 1], right = (double)profile->knots[k];
    double w = ((double)step - left) / (right - left);
    return profile->share[k - 1] + w * (profile->share[k] - profile->share[k - 1]);
}

static double profile_point(const struct forecast_model *model, const struct forecast_data *data, size_t origin,
                            size_t step, double *ret_scale) {
    (void)ret_scale;
    const struct profile *profile = model->state;
    double mean = profile_mean(profile, model->season, origin, step);
    return mean + share_at(profile, step) * deviation(profile, data, origin);
}

FORECAST_SAY(profile_say, profile_point)

/* At one moment, from what is there. */
static void past_mean_at(const struct forecast_past *past, size_t t, double *mean, double *spread) {
    double sum = 0, difference = 0;
    size_t used = 0;
    for (size_t back = past->season; back <= t && back <= past->seasons * past->season; back += past->season) {
        if (t - back >= past->count || isnan(past->y[t - back]))
            continue;
        sum += past->y[t - back];
        used++;
    }
    mean[t] = used ? sum / (double)used : NAN;
    for (size_t back = past->season; spread && back <= t && back <= past->seasons * past->season; back += past->season)
        if (t - back < past->count && !isnan(past->y[t - back]))
            difference += fabs(past->y[t - back] - mean[t]);
    if (spread)
        spread[t] = used > 1 ? difference / (double)used : NAN;
}

/* At the moments [from, to), each with as many values, none of which is a gap. */
FORECAST_WIDE static void past_means_full(const struct forecast_past *past, size_t from, size_t to, size_t used,
                                          double *mean, double *spread) {
    size_t t = from;
    for (; t + LANES <= to; t += LANES) {
        const double *y = &past->y[t];
        lanes sum = {0}, difference = {0};
        for (size_t back = 1; back <= used; back++)
            sum += *(const lanes *)(y - back * past->season);
        sum /= (double)used;
        *(lanes *)&mean[t] = sum;
        for (size_t back = 1; spread && back <= used; back++) {
            lanes off = *(const lanes *)(y - back * past->season) - sum;
            difference += (lanes)((lane_bits)off & INT64_MAX); /* Without its sign. */
        }
        if (spread)
            *(lanes *)&spread[t] = difference / (double)used;
    }
    for (; t < to; t++)
        past_mean_at(past, t, mean, spread);
}

void forecast_past_means(const struct forecast_past *past, size_t from, double *mean, double *spread) {
    size_t end = past->count + past->season;
    for (size_t t = from, to; t < end; t = to) {
        size_t used = t / past->season;
        to = used < past->seasons ? (used + 1) * past->season : end;
        to = to < end ? to : end;
        used = used < past->seasons ? used : past->seasons;
        if (used > 1 && !past->has_gaps)
            past_means_full(past, t, to, used, mean, spread);
        for (; t < to && (used <= 1 || past->has_gaps); t++)
            past_mean_at(past, t, mean, spread);
    }
}

static void means_fill(const struct forecast_data *data, size_t season, double *mean, size_t first) {
    /* Short seasons: those of a day, since so many cost nothing and tell more. */
    size_t most = data->day > SEASONS_MEAN * season ? data->day / season : SEASONS_MEAN;
    const struct forecast_past past = {data->y, data->count, season, most, data->used[data->count] < data->count};
    forecast_past_means(&past, first, mean, NULL);
}

static void profile_extend(const struct forecast_model *model, const struct forecast_data *data, size_t from) {
    struct profile *profile = model->state;
    profile->mean_count = data->count + model->season;
    means_fill(data, model->season, profile->mean, from + model->season);
}

struct forecast_model forecast_profile(const struct forecast_data *data, const struct forecast_grid *grid,
                                       size_t season, const char *name, struct arena *scratch) {
    struct profile *profile = arena_alloc(scratch, sizeof(*profile));
    profile->mean_count = data->count + season;
    profile->mean = arena_alloc_array(scratch, data->count + data->room + season, sizeof(*profile->mean));
    means_fill(data, season, profile->mean, 0);
    profile->knot_count = grid->knot_count;
    for (size_t k = 0; k < grid->knot_count; k++) {
        size_t step = profile->knots[k] = grid->knots[k];
        double cross = 0, square = 0;
        for (size_t i = 0; i < grid->origin_count; i++) {
            size_t origin = forecast_origin(grid, i);
            if (origin + step > data->count)
                break;
            double before = deviation(profile, data, origin);
            double after = data->y[origin + step - 1] - profile_mean(profile, season, origin, step);
            if (isnan(after))
                continue;
            cross += before * after;
            square += before * before;
        }
        profile->share[k] = square > 0 ? fmin(1, fmax(0, cross / square)) : 0;
    }
    return (struct forecast_model){.name = name,
                                   .season = season,
                                   .point = profile_point,
                                   .say = profile_say,
                                   .extend = profile_extend,
                                   .state = profile};
}
