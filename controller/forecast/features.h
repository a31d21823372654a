/*
 * What the direct regression (direct.c) sees: at an origin, for a distance, forecasts of many a simple kind and sizes
 * of errors, from sums that make each of them a matter of two look-ups.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_FORECAST_FEATURES_H
#define TRIMTAB_FORECAST_FEATURES_H

#include "forecast/forecast_internal.h"

#define FEATURES_MAX 16 /* Both are multiples of LANES. */
#define SCALES 8

/* What the features are looked up from; index t is the slot. */
struct forecast_sums {
    double *rough;      /* Sum over the slots before t of the absolute changes. Gaps add nothing. */
    double *smooth;     /* Mean around t. NaN unknown. */
    double *profile;    /* Mean of `smooth` at t - 1, - 2, ... seasons; count + room + season elements. */
    double *spread;     /* Mean absolute difference of them from it. */
    double *anomaly;    /* Sum over the slots before t of y - profile, */
    uint32_t *compared; /* and of how many. */
    double *weekly;     /* Mean of `smooth` at t - 1, - 2, ... weeks; count + room + week elements. */
};

struct forecast_features {
    struct forecast_sums sums;
    size_t season, week, hour, smooth; /* In steps; week and smooth may be 0. */
    size_t count;
};

/* What is known at an origin, whatever the distance. */
struct forecast_outlook {
    double levels[4], anomalies[3], roughness[4]; /* Anomalies and levels NaN: unknown. */
    double last, profile, around, weekly;         /* around: a season ago. NaN unknown. */
};

/* data has a day or a week. */
void forecast_features_make(struct forecast_features *f, const struct forecast_data *data, struct arena *arena);
/* Of the slots from `from` on, and what the mean around earlier ones has of them. */
void forecast_features_extend(struct forecast_features *f, const struct forecast_data *data, size_t from);
/* What all is measured from: the last value, moved along as past days move. NaN: there is no value. */
double forecast_features_base(const struct forecast_features *f, const struct forecast_data *data, size_t origin,
                              size_t step);
/* The origin has a last value. */
void forecast_features_look(const struct forecast_features *f, const struct forecast_data *data, size_t origin,
                            struct forecast_outlook *ret);
/* x: differences from `base`, which is not NaN; FEATURES_MAX of them, 0 beyond f->count if they were. v: SCALES sizes
 * of errors to be expected, >= 0; the last, a constant, is 0. */
void forecast_features_fill(const struct forecast_features *f, const struct forecast_data *data,
                            const struct forecast_outlook *now, size_t origin, size_t step, double base, double *x,
                            double *v);

#endif
