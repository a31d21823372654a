/*
 * The cleaned history: outages are gaps, what declared events multiplied is taken off, the ceiling is told from demand.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "base/error.h"
#include "forecast/fit.h"

#define DAY_MS INT64_C(86400000)
#define OUTAGE_SHARE_MAX 0.02 /* Of the samples. */
#define OUTAGE_LEVEL 0.05     /* Of the mean: what is near zero. */
#define OUTAGE_NEAR_MAX 0.002 /* Share of samples near zero that are not zero, where it happens by itself. */

static size_t season_steps(int64_t length_ms, int64_t step_ms) {
    size_t steps = (size_t)((length_ms + step_ms / 2) / step_ms);
    return steps >= 2 ? steps : 0;
}

static bool sample_is_usable(float value) {
    return isfinite(value);
}

/* An outage is no lack of demand: zeros are gaps where a series that is otherwise never near zero has but a few of
 * them. When they go on for longer than that, they are what the demand is. */
bool forecast_zeros_are_outages(const struct history_series *series, size_t from, size_t to) {
    double sum = 0;
    size_t used = 0, zeros = 0, small = 0;
    for (size_t i = from; i < to; i++) {
        if (!sample_is_usable(series->demand[i]))
            continue;
        used++;
        zeros += series->demand[i] == 0;
        sum += (double)series->demand[i];
    }
    if (zeros == 0 || (double)zeros >= OUTAGE_SHARE_MAX * (double)used)
        return false;
    double limit = OUTAGE_LEVEL * sum / (double)(used - zeros);
    for (size_t i = from; i < to; i++)
        small += (double)series->demand[i] < limit && series->demand[i] != 0;
    return (double)small < OUTAGE_NEAR_MAX * (double)used;
}

void forecast_history_append(struct forecast_history *h, const struct history_series *series, const float *factors,
                             size_t from, size_t to) {
    size_t first = h->data.count, day = season_steps(DAY_MS, h->data.step_ms);
    ASSERT(to - from <= h->data.room);
    for (size_t i = first; i < first + (to - from); i++) {
        size_t slot = from + i - first;
        float value = series->demand[slot];
        if (h->has_outages && value == 0)
            value = NAN;
        h->y[i] = sample_is_usable(value) ? (double)value / (factors ? (double)factors[slot] : 1) : NAN;
        h->saturated[i] = history_is_saturated(series, slot);
        /* At the ceiling nobody saw the demand: it was at least y, and if a day before it was more, likely that. */
        if (h->saturated[i] && day && i >= day && h->y[i - day] > h->y[i])
            h->y[i] = h->y[i - day];
        bool is_gap = isnan(h->y[i]);
        h->last[i + 1] = is_gap ? h->last[i] : (uint32_t)(i + 1);
        h->sum[i + 1] = h->sum[i] + (is_gap ? 0 : h->y[i]);
        h->used[i + 1] = h->used[i] + (is_gap ? 0u : 1u);
        if (h->y[i] < 0 && h->negative_first == SIZE_MAX)
            h->negative_first = i;
    }
    h->data.count += to - from;
    h->data.room -= to - from;
}

void forecast_history_cut(struct forecast_history *history, size_t count) {
    ASSERT(count <= history->data.count);
    history->data.room += history->data.count - count;
    history->data.count = count;
    if (history->negative_first >= count)
        history->negative_first = SIZE_MAX;
}

/* Widens to double: sums of floats lose digits. */
void forecast_history_prepare(const struct history_series *series, const float *factors, size_t from, size_t to,
                              size_t room, struct arena *arena, struct forecast_history *ret) {
    struct forecast_history h = {.negative_first = SIZE_MAX,
                                 .has_outages = forecast_zeros_are_outages(series, from, to)};
    while (from < to && !sample_is_usable(series->demand[from]))
        from++;
    size_t count = to - from, slots = count + room;
    size_t day = season_steps(DAY_MS, series->step_ms), week = season_steps(7 * DAY_MS, series->step_ms);
    h.from = from;
    h.season = day ? day : week;
    h.y = arena_alloc_array(arena, slots + 1, sizeof(*h.y));
    h.saturated = arena_alloc_array(arena, slots + 1, sizeof(*h.saturated));
    h.last = arena_alloc_array(arena, slots + 1, sizeof(*h.last));
    h.sum = arena_alloc_array(arena, slots + 1, sizeof(*h.sum));
    h.used = arena_alloc_array(arena, slots + 1, sizeof(*h.used));
    h.data = (struct forecast_data){.y = h.y,
                                    .saturated = h.saturated,
                                    .last = h.last,
                                    .sum = h.sum,
                                    .used = h.used,
                                    .room = slots,
                                    .step_ms = series->step_ms,
                                    .day = count >= 2 * day ? day : 0,
                                    .week = count >= 2 * week ? week : 0};
    forecast_history_append(&h, series, factors, from, to);
    for (size_t i = 0; i < count; i++)
        h.level += isnan(h.y[i]) ? 0 : fabs(h.y[i]);
    if (h.used[count])
        h.level /= (double)h.used[count];
    *ret = h;
}
