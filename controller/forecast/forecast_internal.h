/*
 * What the files of forecast/ share: the cleaned history, the grid of past origins on which models are judged, and the
 * face of a model. A model is a point forecast from any origin that looks only at what lies before the origin; its
 * spread is what its own past errors were, at the same distance (score.c).
 *
 *     history   |----------- y[0..count) ------------|  steps 1..H
 *     origins            o   o   o   o   o   o
 *     an error           y[o + h - 1] - point(o, h), for each knot h
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_FORECAST_FORECAST_INTERNAL_H
#define TRIMTAB_FORECAST_FORECAST_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "forecast/forecast.h"

#define FORECAST_KNOTS_MAX 24
#define FORECAST_ORIGINS_MAX 400
#define FORECAST_HISTORY_MAX 65536 /* Older slots are not looked at: bounds time and memory. */
#define FORECAST_ERRORS_MIN 8      /* Fewer errors at a distance say nothing about its spread. */

struct forecast_data {
    const double *y; /* NaN: a gap. */
    const bool *saturated;
    const uint32_t *last; /* last[i]: 1 + the index of the newest sample before i; 0: none. count + 1 elements. */
    size_t count;
    size_t day, week; /* Seasons in steps; 0: shorter than two steps, or not twice in the history. */
};

struct forecast_grid {
    size_t knots[FORECAST_KNOTS_MAX]; /* Distances, ascending; the last is the horizon. */
    double weights[FORECAST_KNOTS_MAX];
    size_t knot_count;
    size_t origin_first, origin_stride, origin_count;
};

struct forecast_model {
    const char *name;
    size_t season; /* In steps; 0: none. */
    /* NaN if it has nothing to say. step >= 1. Reads y only below origin. */
    double (*point)(const struct forecast_model *model, const struct forecast_data *data, size_t origin, size_t step);
    const void *state;
};

/* Errors of one model at each knot, in the order of the origins. */
struct forecast_errors {
    double values[FORECAST_KNOTS_MAX][FORECAST_ORIGINS_MAX];
    size_t counts[FORECAST_KNOTS_MAX];
};

static inline size_t forecast_origin(const struct forecast_grid *grid, size_t i) {
    return grid->origin_first + i * grid->origin_stride;
}
struct forecast_grid forecast_grid_make(const struct forecast_data *data, size_t steps);

/* naive.c */
struct forecast_model forecast_last_value(void);
struct forecast_model forecast_seasonal_naive(size_t season, const char *name);
/* profile.c: the mean of the past seasons, and back to it from today's deviation. */
struct forecast_model forecast_profile(const struct forecast_data *data, const struct forecast_grid *grid,
                                       size_t season, const char *name, struct arena *scratch);
/* holt_winters.c: false if the history is too short. */
bool forecast_holt_winters(const struct forecast_data *data, const struct forecast_grid *grid, struct arena *scratch,
                           struct forecast_model *ret);
/* season.c: day, week, or 0 when neither shows. */
size_t forecast_season(const struct forecast_data *data, struct arena *scratch);

/* score.c */
void forecast_errors_collect(const struct forecast_model *model, const struct forecast_data *data,
                             const struct forecast_grid *grid, struct forecast_errors *ret);
/* Mean pinball loss over quantiles and horizon: each half of the errors is judged with quantiles from the other. NaN if
 * there are too few errors. */
double forecast_errors_loss(const struct forecast_errors *errors, const struct forecast_grid *grid,
                            const struct forecast *forecast);
/* Share of the newer half of the one-step errors under quantile q of the older half, per mille; -1 unknown. */
int64_t forecast_errors_coverage(const struct forecast_errors *errors, double q);
void forecast_sort(double *values, size_t count);
/* Of sorted values, with the finite-sample correction; beyond the sample an exponential tail. count >= 1. */
double forecast_quantile(const double *sorted, size_t count, double q);

#endif
