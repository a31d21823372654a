/*
 * The noun of forecasts: quantiles of demand over a horizon.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_FORECAST_FORECAST_H
#define TRIMTAB_FORECAST_FORECAST_H

#include <stddef.h>
#include <stdint.h>

#define FORECAST_QUANTILES_MAX 16
#define FORECAST_STEPS_MAX 4096

enum forecast_basis {
    FORECAST_BASIS_NONE,   /* No usable history: values are all 0, model "none". Nobody may shrink on it. */
    FORECAST_BASIS_PRIOR,  /* Too little history for a season: level and spread only, widened. */
    FORECAST_BASIS_POOLED, /* Borrowed from similar resources. */
    FORECAST_BASIS_OWN,
};
const char *forecast_basis_name(enum forecast_basis basis); /* "none", "prior", "pooled", "own" */

struct forecast {
    const char *model; /* "seasonal-naive-day", "holt-winters-week"...; static. */
    enum forecast_basis basis;
    int64_t start_ms; /* Start of step 1: the slot right after the last of the history (gaps at its end included). */
    int64_t step_ms;
    size_t steps;
    size_t quantile_count;
    double quantiles[FORECAST_QUANTILES_MAX]; /* Ascending, in (0, 1). */
    const double *values; /* steps x quantile_count, row-major; finite, >= 0, non-decreasing along a row. */
    int64_t
        coverage_per_mille; /* How often recent demand stayed under the highest quantile, one step ahead; -1 unknown. */
    double loss,
        naive_loss; /* Mean pinball loss of the chosen model and of the naive one on the recent past; NaN unknown. */
    size_t used;    /* Samples of history that were not gaps. */
    double level;   /* Mean demand (without its sign) of the newest week or seven seasons; 0 where nothing is known. */
};

static inline double forecast_value(const struct forecast *f, size_t step, size_t quantile) {
    return f->values[step * f->quantile_count + quantile];
}

/* Demand to serve at a step where more demand than that costs as much as `price` > 0 units that stand idle: where one
 * unit more would cost more than it saves. Needs the quantiles of forecast_price_quantiles, which returns their number.
 * price 0: its unit is unknown, the highest quantile. */
double forecast_priced(const struct forecast *f, size_t step, double price);
size_t forecast_price_quantiles(double *ret /* FORECAST_QUANTILES_MAX */);

#endif
