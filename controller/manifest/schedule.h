/*
 * A cron schedule ("0 9 * * 1-5": minute hour day-of-month month day-of-week; lists, ranges, steps, names) in an IANA
 * time zone. Pure after parsing: the zone's transitions are read once from the system's tz database and cached.
 * Day-of-month and day-of-week are ORed when both are restricted, as in cron. On the gap of a clock change a start
 * inside it fires at its end; on the repeat it fires once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_MANIFEST_SCHEDULE_H
#define TRIMTAB_MANIFEST_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct zone; /* Shared, immutable, lives until exit. */

struct schedule {
    uint64_t minutes; /* Bits 0..59 */
    uint32_t hours;   /* 0..23 */
    uint32_t days;    /* 1..31 */
    uint16_t months;  /* 1..12 */
    uint8_t weekdays; /* 0 = Sunday .. 6 */
    bool days_any, weekdays_any;
    const struct zone *zone;
};

/* NULL for an unknown name. "UTC" is always known. */
const struct zone *zone_find(const char *name);
/* Offset of local time from UTC at that moment. */
int64_t zone_offset_ms(const struct zone *zone, int64_t unix_ms);
/* Unix ms of a local civil time; in a gap the moment after it, in a repeat the first. */
int64_t zone_to_unix_ms(const struct zone *zone, int year, int month, int day, int hour, int minute);

/* Refuses, saying which field: bad syntax, out of range, unknown zone, a date that never comes (31 February). */
MUST_CHECK enum err_class schedule_parse(const char *cron, const char *time_zone, struct schedule *ret,
                                         struct error *err);
/* The first start at or after from_ms; INT64_MAX if none within ten years. */
int64_t schedule_next(const struct schedule *schedule, int64_t from_ms);
/* Whether a window of duration_ms that opens by the schedule is open at t (opened in (t - duration, t]). */
bool schedule_is_open(const struct schedule *schedule, int64_t duration_ms, int64_t unix_ms);

#endif
