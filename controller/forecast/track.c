/*
 * See track.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forecast/track.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "forecast/fit.h"

#define DAY_MS INT64_C(86400000)

/* The slots of a series that a fit is made from: [first, end); the rest follows it. */
struct span {
    size_t first, end;
};

/* What a forecast was made from. Compared, not hashed: it costs a microsecond, and a mistake would be one of size. */
struct inputs {
    int64_t start_ms, step_ms;
    size_t count, steps, quantile_count;
    double quantiles[FORECAST_QUANTILES_MAX];
    float *demand, *factors; /* count, and count + steps or NULL. */
    bool *saturated;         /* count, or NULL: none is. */
};

struct forecast_track {
    struct inputs inputs;
    struct arena inputs_arena;
    struct forecast answer;   /* Of the inputs; its values in the same arena. */
    struct forecast_fit *fit; /* NULL: none is kept. */
    struct arena fit_arena;
    int64_t fit_ms;   /* Where the fit's span starts; */
    size_t fit_slots; /* how long it is, */
    size_t fit_count; /* and what it made of it: slots of the history. */
    bool fit_outages; /* What it held zeros for. */
    size_t fits;
};

static int64_t floor_to(int64_t value, int64_t unit) {
    int64_t rest = value % unit;
    return value - (rest < 0 ? rest + unit : rest);
}

/* False: not worth a fit that goes on. The newest samples come late: what is missing at the end does not move the fit
 * on, for an hour at most. */
static bool span_find(const struct history_series *series, struct span *ret) {
    if (series->count == 0)
        return false;
    const struct forecast_data steps = {.step_ms = series->step_ms};
    int64_t hour = (int64_t)forecast_hour(&steps), gaps = 0;
    if (hour < 2)
        return false;
    int64_t slot = floor_to(series->start_ms, series->step_ms) / series->step_ms, end = slot + (int64_t)series->count;
    int64_t start = end - FORECAST_HISTORY_MAX + 4 * hour > slot ? end - FORECAST_HISTORY_MAX + 4 * hour : slot;
    while (gaps < hour && gaps < (int64_t)series->count && !isfinite(series->demand[series->count - 1 - (size_t)gaps]))
        gaps++;
    int64_t first = floor_to(start - gaps, hour) + 2 * hour, last = floor_to(end - gaps, hour);
    if (last - first < 2 * DAY_MS / series->step_ms)
        return false;
    *ret = (struct span){(size_t)(first - slot), (size_t)(last - slot)};
    return true;
}

static bool has_zeros(const struct history_series *series, size_t from, size_t to) {
    for (size_t i = from; i < to; i++)
        if (series->demand[i] == 0)
            return true;
    return false;
}

static bool is_saturated_anywhere(const struct history_series *series) {
    for (size_t i = 0; series->saturated && i < (series->count + 7) / 8; i++)
        if (series->saturated[i])
            return true;
    return false;
}

static bool is_same(float a, float b) {
    return a == b || (isnan(a) && isnan(b));
}

/* How many of the slots [from, to) of the series, beginning with the first, are what they were from slot `was` on. */
static size_t slots_same(const struct inputs *inputs, size_t was, const struct history_series *series,
                         const float *factors, size_t from, size_t to) {
    size_t count = to - from;
    if (was + count > inputs->count)
        count = was < inputs->count ? inputs->count - was : 0;
    if (count == 0 || !factors != !inputs->factors)
        return 0;
    bool is_plain = !factors && !inputs->saturated && !is_saturated_anywhere(series);
    if (is_plain && memcmp(&inputs->demand[was], &series->demand[from], count * sizeof(float)) == 0)
        return count;
    for (size_t i = 0; i < count; i++) {
        bool was_saturated = inputs->saturated && inputs->saturated[was + i];
        if (!is_same(inputs->demand[was + i], series->demand[from + i]) ||
            was_saturated != history_is_saturated(series, from + i) ||
            (factors && inputs->factors[was + i] != factors[from + i]))
            return i;
    }
    return count;
}

static bool options_are_same(const struct inputs *inputs, const struct history_series *series,
                             const struct forecast_options *options) {
    return inputs->demand && inputs->step_ms == series->step_ms && inputs->steps == options->steps &&
           inputs->quantile_count == options->quantile_count &&
           memcmp(inputs->quantiles, options->quantiles, options->quantile_count * sizeof(double)) == 0;
}

/* The options are. */
static bool inputs_are_same(const struct inputs *inputs, const struct history_series *series,
                            const struct forecast_options *options) {
    size_t count = series->count;
    return inputs->start_ms == series->start_ms && inputs->count == count && !options->factors == !inputs->factors &&
           slots_same(inputs, 0, series, options->factors, 0, count) == count &&
           (!options->factors ||
            memcmp(inputs->factors + count, options->factors + count, options->steps * sizeof(float)) == 0);
}

static void inputs_keep(struct forecast_track *track, const struct history_series *series,
                        const struct forecast_options *options, const struct forecast *f) {
    struct arena *arena = &track->inputs_arena;
    arena_clear(arena);
    struct inputs *inputs = &track->inputs;
    *inputs = (struct inputs){.start_ms = series->start_ms,
                              .step_ms = series->step_ms,
                              .count = series->count,
                              .steps = options->steps,
                              .quantile_count = options->quantile_count};
    memcpy(inputs->quantiles, options->quantiles, options->quantile_count * sizeof(double));
    inputs->demand = arena_memdup(arena, series->demand, series->count * sizeof(float));
    if (is_saturated_anywhere(series))
        inputs->saturated = arena_alloc_array(arena, series->count, sizeof(bool));
    for (size_t i = 0; inputs->saturated && i < series->count; i++)
        inputs->saturated[i] = history_is_saturated(series, i);
    if (options->factors)
        inputs->factors = arena_memdup(arena, options->factors, (series->count + options->steps) * sizeof(float));
    track->answer = *f;
    track->answer.values = arena_memdup(arena, f->values, f->steps * f->quantile_count * sizeof(double));
}

static void fit_drop(struct forecast_track *track) {
    arena_release(&track->fit_arena);
    track->fit = NULL;
}

/* How many slots of the series from span->first on the fit knows as they are; 0: it is of another span. */
static size_t fit_knows(const struct forecast_track *track, const struct history_series *series,
                        const struct forecast_options *options, const struct span *span) {
    const struct inputs *inputs = &track->inputs;
    int64_t first_ms = series->start_ms + (int64_t)span->first * series->step_ms;
    if (!track->fit || !options_are_same(inputs, series, options) || track->fit_ms != first_ms ||
        track->fit_slots != span->end - span->first || inputs->start_ms > first_ms)
        return 0;
    size_t was = (size_t)((first_ms - inputs->start_ms) / series->step_ms);
    size_t same = slots_same(inputs, was, series, options->factors, span->first, series->count);
    return same < track->fit_slots ? 0 : same;
}

static void fit_anew(struct forecast_track *track, const struct history_series *series,
                     const struct forecast_options *options, const struct span *span, const struct forecast *f) {
    fit_drop(track);
    struct forecast_fit *fit = arena_alloc(&track->fit_arena, sizeof(*fit));
    const struct forecast_data steps = {.step_ms = series->step_ms};
    forecast_history_prepare(series, options->factors, span->first, span->end, 2 * forecast_hour(&steps),
                             &track->fit_arena, &fit->history);
    forecast_fit_make(fit, f, &track->fit_arena);
    track->fit = fit;
    track->fit_ms = series->start_ms + (int64_t)span->first * series->step_ms;
    track->fit_slots = span->end - span->first;
    track->fit_count = fit->history.data.count;
    track->fit_outages = fit->history.has_outages;
    track->fits++;
}

/* A fit that was never wrong has not learned whom to believe when the series at last moves. */
static bool is_at_a_loss(const struct forecast_track *track) {
    const struct forecast_data *data = &track->fit->history.data;
    if (track->fit->mixture.naive_loss > 0)
        return false;
    for (size_t i = track->fit_count; i < data->count; i++)
        if (!isnan(data->y[i]) && data->y[i] != data->y[track->fit_count - 1])
            return true;
    return false;
}

/* To where it was made: what was added since then is of inputs that are no longer kept. */
static bool fit_back(struct forecast_track *track) {
    forecast_history_cut(&track->fit->history, track->fit_count);
    return false;
}

/* Brings the fit to the end of the series; false: it cannot be. */
static bool fit_go_on(struct forecast_track *track, const struct history_series *series,
                      const struct forecast_options *options, const struct span *span, size_t known) {
    struct forecast_fit *fit = track->fit;
    struct forecast_history *history = &fit->history;
    if (fit->basis != FORECAST_BASIS_OWN)
        return false;
    bool has_outages = track->fit_outages;
    if (has_zeros(series, span->end, series->count))
        has_outages = forecast_zeros_are_outages(series, span->first, series->count);
    if (has_outages != track->fit_outages && has_zeros(series, span->first, span->end))
        return fit_back(track); /* What it learned from is now seen in another light. */
    if (has_outages != history->has_outages) {
        history->has_outages = has_outages;
        known = track->fit_slots;
    }
    size_t keep = track->fit_count + known - track->fit_slots, have = history->data.count;
    keep = keep < have ? keep : have;
    forecast_history_cut(history, keep);
    forecast_history_append(history, series, options->factors, span->end + keep - track->fit_count, series->count);
    bool is_there = (history->data.count == have && keep == have) || forecast_fit_extend(fit, keep);
    return (is_there && !is_at_a_loss(track)) || fit_back(track);
}

static void track_run(struct forecast_track *track, const struct history_series *series,
                      const struct forecast_options *options, struct arena *arena, struct forecast *ret) {
    struct forecast f = forecast_begin(series, options);
    struct span span;
    if (!span_find(series, &span)) {
        fit_drop(track);
        forecast_compute(series, options, arena, ret);
        track->fits++;
        return;
    }
    size_t known = fit_knows(track, series, options, &span);
    if (!known) {
        fit_anew(track, series, options, &span, &f);
        known = track->fit_slots;
    }
    if (!fit_go_on(track, series, options, &span, known)) {
        forecast_compute(series, options, arena, ret);
        track->fits++;
        return;
    }
    forecast_fit_answer(track->fit, options->factors ? options->factors + series->count : NULL, &f, arena);
    *ret = f;
}

void forecast_track_compute(struct forecast_track **track, const struct history_series *series,
                            const struct forecast_options *options, size_t bytes_max, struct arena *arena,
                            struct forecast *ret) {
    struct forecast_track *own = track && *track ? *track : mem_alloc(sizeof(*own));
    if (options_are_same(&own->inputs, series, options) && inputs_are_same(&own->inputs, series, options)) {
        *ret = own->answer;
        ret->values = arena_memdup(arena, ret->values, ret->steps * ret->quantile_count * sizeof(double));
    } else {
        track_run(own, series, options, arena, ret);
        inputs_keep(own, series, options, ret);
    }
    if (track && forecast_track_bytes(own) > bytes_max)
        fit_drop(own);
    bool is_kept = track && forecast_track_bytes(own) <= bytes_max;
    if (!is_kept)
        forecast_track_free(own);
    if (track)
        *track = is_kept ? own : NULL;
}

void forecast_track_free(struct forecast_track *track) {
    if (!track)
        return;
    arena_release(&track->inputs_arena);
    arena_release(&track->fit_arena);
    mem_free(track);
}

size_t forecast_track_bytes(const struct forecast_track *track) {
    return track ? sizeof(*track) + track->inputs_arena.used + track->fit_arena.used : 0;
}

size_t forecast_track_fits(const struct forecast_track *track) {
    return track ? track->fits : 0;
}
