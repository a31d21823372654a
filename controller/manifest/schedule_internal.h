/*
 * What zone.c gives to schedule.c: civil days and offsets in seconds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_MANIFEST_SCHEDULE_INTERNAL_H
#define TRIMTAB_MANIFEST_SCHEDULE_INTERNAL_H

#include "manifest/schedule.h"

#define DAY_S INT64_C(86400)

int64_t civil_to_days(int64_t year, int month, int day);
void civil_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day);
int civil_weekday(int64_t days); /* 0 = Sunday */

int64_t zone_offset_s(const struct zone *zone, int64_t unix_s);
int64_t zone_local_to_unix_s(const struct zone *zone, int64_t local_s);
bool zone_is_even(const struct zone *zone, int64_t from_s, int64_t to_s); /* No clock change in (from, to]. */

static inline int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

#endif
