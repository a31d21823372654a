/*
 * See features.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forecast/features.h"

#include <math.h>

#define SEASONS_BACK 7
#define WEEKS_BACK 4

static double recent_mean(const struct forecast_data *data, size_t origin, size_t length) {
    return forecast_mean(data, origin > length ? origin - length : 0, origin);
}

/* How far the last slots were from what past days say of them. */
static double recent_anomaly(const struct forecast_sums *s, size_t origin, size_t length) {
    size_t from = origin > length ? origin - length : 0;
    uint32_t used = s->compared[origin] - s->compared[from];
    return used ? (s->anomaly[origin] - s->anomaly[from]) / (double)used : NAN;
}

static double recent_roughness(const struct forecast_sums *s, const struct forecast_data *data, size_t origin,
                               size_t length) {
    size_t from = origin > length ? origin - length : 0;
    uint32_t used = data->used[origin] - data->used[from];
    return used ? (s->rough[origin] - s->rough[from]) / (double)used : 0;
}

static void sums_make(struct forecast_features *f, const struct forecast_data *data, struct arena *scratch) {
    struct forecast_sums *s = &f->sums;
    size_t slots = data->count + data->room;
    s->rough = arena_alloc_array(scratch, slots + 1, sizeof(double));
    s->smooth = arena_alloc_array(scratch, slots, sizeof(double));
    s->profile = arena_alloc_array(scratch, slots + f->season, sizeof(double));
    s->spread = arena_alloc_array(scratch, slots + f->season, sizeof(double));
    s->anomaly = arena_alloc_array(scratch, slots + 1, sizeof(double));
    s->compared = arena_alloc_array(scratch, slots + 1, sizeof(*s->compared));
    if (f->week)
        s->weekly = arena_alloc_array(scratch, slots + f->week, sizeof(double));
}

void forecast_features_extend(struct forecast_features *f, const struct forecast_data *data, size_t from) {
    struct forecast_sums *s = &f->sums;
    size_t count = data->count, touched = from > f->smooth ? from - f->smooth : 0;
    double previous = data->last[from] ? data->y[data->last[from] - 1] : NAN;
    for (size_t t = from; t < count; t++) {
        bool is_gap = isnan(data->y[t]);
        s->rough[t + 1] = s->rough[t] + (is_gap || isnan(previous) ? 0 : fabs(data->y[t] - previous));
        if (!is_gap)
            previous = data->y[t];
    }
    for (size_t t = touched; t < count; t++) {
        size_t to = t + f->smooth + 1 < count ? t + f->smooth + 1 : count;
        s->smooth[t] = forecast_mean(data, t > f->smooth ? t - f->smooth : 0, to);
    }
    struct forecast_past past = {s->smooth, count, f->season, SEASONS_BACK, data->used[count] < count};
    forecast_past_means(&past, touched ? touched + f->season : 0, s->profile, s->spread);
    for (size_t t = from; t < count; t++) {
        double anomaly = data->y[t] - s->profile[t];
        s->anomaly[t + 1] = s->anomaly[t] + (isnan(anomaly) ? 0 : anomaly);
        s->compared[t + 1] = s->compared[t] + (isnan(anomaly) ? 0u : 1u);
    }
    past.season = f->week;
    past.seasons = WEEKS_BACK;
    if (f->week)
        forecast_past_means(&past, touched ? touched + f->week : 0, s->weekly, NULL);
}

/* The moment that stands for `target`: whole seasons earlier, so that all that is looked up around one season before it
 * lies before the origin. */
static size_t moment_of(const struct forecast_features *f, size_t season, size_t origin, size_t target) {
    size_t reach = target + f->smooth;
    if (reach < origin + season)
        return target;
    return target - ((reach - origin - season) / season + 1) * season;
}

static double or_zero(double value) {
    return isnan(value) ? 0 : value;
}

double forecast_features_base(const struct forecast_features *f, const struct forecast_data *data, size_t origin,
                              size_t step) {
    uint32_t last = data->last[origin];
    if (!last)
        return NAN;
    size_t target = moment_of(f, f->season, origin, origin + step - 1);
    return data->y[last - 1] + or_zero(f->sums.profile[target] - f->sums.profile[last - 1]);
}

void forecast_features_look(const struct forecast_features *f, const struct forecast_data *data, size_t origin,
                            struct forecast_outlook *ret) {
    const struct forecast_sums *s = &f->sums;
    const size_t levels[] = {3, f->hour, f->season, 7 * f->season}, spans[] = {f->hour, 3 * f->hour, 6 * f->hour};
    const size_t roughness[] = {f->hour, 6 * f->hour, f->season, 7 * f->season};
    size_t before = origin - 1;
    for (size_t i = 0; i < 4; i++) {
        ret->levels[i] = recent_mean(data, origin, levels[i]);
        ret->roughness[i] = recent_roughness(s, data, origin, roughness[i]);
    }
    for (size_t i = 0; i < 3; i++)
        ret->anomalies[i] = recent_anomaly(s, origin, spans[i]);
    ret->last = data->y[data->last[origin] - 1];
    ret->profile = s->profile[before];
    ret->around = before >= f->season + f->smooth ? s->smooth[before - f->season] : NAN;
    ret->weekly = f->week ? s->weekly[before] : NAN;
}

void forecast_features_fill(const struct forecast_features *f, const struct forecast_data *data,
                            const struct forecast_outlook *now, size_t origin, size_t step, double base, double *x,
                            double *v) {
    const struct forecast_sums *s = &f->sums;
    double last = now->last;
    /* Each is a forecast of its own, as its difference from `base`. Spans of hours are taken against past days only: by
     * themselves they would tell the phase of the day, which is right at one distance and wrong beside it. */
    size_t n = 0;
    for (size_t i = 0; i < 4; i++)
        x[n++] = now->levels[i] - base;
    size_t target = moment_of(f, f->season, origin, origin + step - 1);
    double profile = s->profile[target];
    double yesterday = target >= f->season ? data->y[target - f->season] : NAN;
    double around = target >= f->season ? s->smooth[target - f->season] : NAN;
    for (size_t i = 0; i < 3; i++)
        x[n++] = profile + now->anomalies[i] - base;
    x[n++] = yesterday - base;
    x[n++] = around - base;
    x[n++] = profile - base;
    x[n++] = last - base;
    x[n++] = last + around - now->around - base;
    if (f->week) {
        double weekly = s->weekly[moment_of(f, f->week, origin, origin + step - 1)];
        bool is_known = !isnan(weekly) && !isnan(now->weekly);
        x[n] = is_known ? weekly - base : x[n - 3];
        x[n + 1] = is_known ? last + weekly - now->weekly - base : 0;
    }
    for (size_t i = 0; i < f->count; i++)
        x[i] = or_zero(x[i]);
    for (size_t i = 0; i < 4; i++)
        v[i] = now->roughness[i];
    v[4] = isnan(s->spread[target]) ? v[2] : s->spread[target];
    v[5] = fabs(or_zero(now->profile - last));
    v[6] = fabs(or_zero(profile - last));
    v[7] = 0; /* The constant: filled in by the fit, which knows the size of the errors. */
}

void forecast_features_make(struct forecast_features *f, const struct forecast_data *data, struct arena *arena) {
    *f = (struct forecast_features){.season = data->day ? data->day : data->week, .hour = forecast_hour(data)};
    f->week = f->season < data->week ? data->week : 0;
    f->smooth = data->step_ms < FORECAST_SMOOTH_MS ? (size_t)(FORECAST_SMOOTH_MS / data->step_ms) : 0;
    f->count = f->week ? 14 : 12;
    sums_make(f, data, arena);
    forecast_features_extend(f, data, 0);
}
