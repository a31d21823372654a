/*
 * Declared events (spec.forecast.events) as the factors of forecast_options. Pure: the zones of schedules were read
 * when the policy was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_FORECAST_CALENDAR_H
#define TRIMTAB_FORECAST_CALENDAR_H

#include "base/arena.h"
#include "manifest/spec.h"

#define CALENDAR_FACTOR_MAX 1e4 /* Of all events together; 1 / that is the least. */

/* For each of count slots from start_ms, the mean over the slot of what the events in force multiply demand by: the
 * product of their factors. An event whose starts come before it has ended is in force once. NULL: 1 in every slot. */
const float *calendar_factors(const struct policy *policy, int64_t start_ms, int64_t step_ms, size_t count,
                              struct arena *arena);

#endif
