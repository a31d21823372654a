/*
 * Demand history -> quantiles. Pure: no clock, no randomness, no I/O, no log; the same input gives the same bytes.
 * Never fails: with too little history the answer is wide and says so in `basis`. Runs on any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_FORECAST_COMPUTE_H
#define TRIMTAB_FORECAST_COMPUTE_H

#include "base/arena.h"
#include "forecast/forecast.h"
#include "history/series.h"

struct forecast_options {
    size_t steps;            /* 1..FORECAST_STEPS_MAX */
    size_t quantile_count;   /* 1..FORECAST_QUANTILES_MAX */
    const double *quantiles; /* Ascending, distinct, in (0, 1). */
    /* What declared events multiply demand by: series->count slots of the past, then `steps` of the future; each finite
     * and > 0. The past is learned from without them, and the future gets them. NULL: 1 everywhere. */
    const float *factors;
};

void forecast_compute(const struct history_series *series, const struct forecast_options *options, struct arena *arena,
                      struct forecast *ret);

#endif
