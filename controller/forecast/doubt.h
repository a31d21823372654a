/*
 * Where no forecast does well, said plainly rather than shown as a number that looks like any other. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_FORECAST_DOUBT_H
#define TRIMTAB_FORECAST_DOUBT_H

#include "base/arena.h"
#include "forecast/forecast.h"
#include "history/series.h"

enum forecast_doubt {
    FORECAST_DOUBT_NONE,
    FORECAST_DOUBT_NAIVE,  /* The model in use loses no less than the naive one. */
    FORECAST_DOUBT_BURSTY, /* The 99th percentile of demand is more than three times its median. */
};

/* What its history and the forecast of it say. Too little history: no doubt, the basis tells that. */
enum forecast_doubt forecast_doubt_of(const struct history_series *history, const struct forecast *forecast,
                                      struct arena *scratch);

#endif
