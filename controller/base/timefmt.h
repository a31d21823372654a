/*
 * Times and durations in text. Pure: nothing here asks what time it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_TIMEFMT_H
#define TRIMTAB_BASE_TIMEFMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT_MAX 32

/* RFC 3339 with offset or Z, fraction optional, years 1 to 9999. Unix milliseconds. */
bool time_parse(const char *text, int64_t *ret_ms);
/* "2026-11-24T10:00:00Z"; to must hold TIME_TEXT_MAX. */
void time_format(int64_t unix_ms, char *to);
/* With microseconds, as Kubernetes MicroTime: "2026-11-24T10:00:00.000000Z". */
void time_format_micro(int64_t unix_ms, char *to);

/* "90s", "10m", "24h", "14d" and sums in falling order like "1h30m"; also "500ms". Positive, at most 10 years. */
bool duration_parse(const char *text, int64_t *ret_ms);
void duration_format(int64_t ms, char *to, size_t to_size); /* The shortest exact such form; "0s" for 0. */

#endif
