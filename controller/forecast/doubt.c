/*
 * See doubt.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forecast/doubt.h"

#include <math.h>

#include "forecast/forecast_internal.h"

#define SAMPLES_MIN 100 /* Fewer have no 99th percentile of their own. */
#define BURST_RATIO 3

static bool is_bursty(const struct history_series *history, struct arena *scratch) {
    double *sorted = arena_alloc_array(scratch, history->count + 1, sizeof(*sorted));
    size_t count = 0;
    for (size_t i = 0; i < history->count; i++)
        if (isfinite(history->demand[i]))
            sorted[count++] = (double)history->demand[i];
    if (count < SAMPLES_MIN)
        return false;
    forecast_sort(sorted, count);
    return forecast_quantile(sorted, count, 0.99) > BURST_RATIO * forecast_quantile(sorted, count, 0.5);
}

enum forecast_doubt forecast_doubt_of(const struct history_series *history, const struct forecast *forecast,
                                      struct arena *scratch) {
    if (is_bursty(history, scratch))
        return FORECAST_DOUBT_BURSTY;
    /* A loss of nothing cannot be beaten, and both are NaN where nothing is known. */
    bool is_naive = forecast->naive_loss > 0 && forecast->loss >= forecast->naive_loss;
    return forecast->basis == FORECAST_BASIS_OWN && is_naive ? FORECAST_DOUBT_NAIVE : FORECAST_DOUBT_NONE;
}
