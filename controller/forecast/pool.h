/*
 * Cold start: what a resource with little history of its own may borrow from similar ones. The older ones, each divided
 * by its own level, make a common shape; scaled to the young one's level over the time that they share, it stands
 * before the young history, and the models take it from there.
 *
 *     donors    |~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~|   each / its mean, then the median at each slot
 *     young                             |~~~~~~|   its level / the shape's, over the slots that both have
 *     pooled    |~~~~~~ shape x ratio ~~|~~~~~~|
 *
 * What the donors differ from each other is what the young one may differ from them: it widens the quantiles until the
 * young one has a history of its own. Once the two share an hour, levels are those of whole hours, and up to two hours
 * of the donors' oldest slots are left out, so that a track of the pool (track.h) is fitted once an hour. Pure,
 * scale-equivariant; of the donors nothing is read after the young one's end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_FORECAST_POOL_H
#define TRIMTAB_FORECAST_POOL_H

#include <stdbool.h>

#include "base/arena.h"
#include "forecast/forecast.h"
#include "history/series.h"

#define FORECAST_DONORS_MAX 16

/* Whose the donors are. Those of another policy have less to do with the young one, and widen it more. */
enum forecast_kin { FORECAST_KIN_POLICY, FORECAST_KIN_TENANT };

struct forecast_pool {
    struct history_series series; /* Ends where the young one does; its newest young_count slots are the young one's. */
    size_t young_count;
    size_t young_used;  /* Of these, those that are not gaps. */
    size_t donor_count; /* That were of use. */
    double spread; /* How far the young one may be from the shape, as a share of its level: a standard deviation. */
};

/* Whether a series is long enough to lend, and need not borrow: two seasons, half of them there. */
bool forecast_pool_is_grown(const struct history_series *series);

/* False, and *ret untouched: nothing can be borrowed (the young one has no level yet, or nobody is like it). A donor
 * counts only if it begins before the young one, its step divides the young one's, and it follows the young one over
 * the time that they share. At most FORECAST_DONORS_MAX are looked at, the first ones. */
bool forecast_pool(const struct history_series *young, const struct history_series *donors, size_t donor_count,
                   enum forecast_kin kin, struct arena *arena, struct forecast_pool *ret);

/* Of the forecast of pool->series: wider by the donors' spread, basis POOLED, and what its models were judged by, which
 * was mostly not its own, as unknown. False, and *forecast untouched: the pool is no history of two seasons either. */
bool forecast_pool_finish(const struct forecast_pool *pool, struct arena *arena, struct forecast *forecast);

#endif
