/*
 * What a policy says of a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "manifest/spec.h"

#define HOUR_MS INT64_C(3600000)

static int64_t at(const char *text) {
    int64_t ms;
    cr_assert(time_parse(text, &ms), "%s", text);
    return ms;
}

static struct policy_slot slot(const char *cron, const char *zone, int64_t duration_ms, int64_t weight) {
    struct policy_slot slot = {.duration_ms = duration_ms, .weight = weight};
    struct error err = {0};
    cr_assert_eq(schedule_parse(cron, zone, &slot.schedule, &err), ERR_NONE, "%s: %s", cron, err.message);
    return slot;
}

/* Office hours of two cities, and a quarter of an hour at noon of one of them. */
Test(spec, weight_is_the_greatest_of_the_slots_that_are_open) {
    const struct policy_slot slots[] = {slot("0 9 * * 1-5", "Europe/Berlin", 8 * HOUR_MS, 5),
                                        slot("0 9 * * 1-5", "America/New_York", 8 * HOUR_MS, 3),
                                        slot("0 12 * * *", "Europe/Berlin", HOUR_MS / 4, 20)};
    const struct policy policy = {.sla = {.slots = slots, .slot_count = ARRAY_LEN(slots)}};
    static const struct {
        const char *from;
        int64_t minutes, expected;
    } rows[] = {
        {"2026-02-02T07:55:00Z", 5, 1},
        {"2026-02-02T08:00:00Z", 5, 5}, /* A Monday, 9:00 in Berlin. */
        {"2026-02-02T07:55:00Z", 6, 5},
        {"2026-02-02T10:55:00Z", 5, 5},
        {"2026-02-02T11:10:00Z", 5, 20},
        {"2026-02-02T11:15:00Z", 5, 5},
        {"2026-02-02T10:00:00Z", 90, 20},
        {"2026-02-02T15:55:00Z", 5, 5},
        {"2026-02-02T16:00:00Z", 5, 3},
        {"2026-02-02T21:55:00Z", 5, 3},
        {"2026-02-02T22:00:00Z", 5, 1},
        {"2026-02-07T09:00:00Z", 5, 1}, /* A Saturday. */
        {"2026-02-07T11:00:00Z", 5, 20},
        /* The clocks change on Sundays: 29 March in Berlin, 25 October; 8 March in New York, 1 November. */
        {"2026-03-27T07:55:00Z", 5, 1},
        {"2026-03-30T06:55:00Z", 5, 1},
        {"2026-03-30T07:00:00Z", 5, 5},
        {"2026-10-23T07:00:00Z", 5, 5},
        {"2026-10-26T07:00:00Z", 5, 1},
        {"2026-10-26T08:00:00Z", 5, 5},
        {"2026-03-06T21:55:00Z", 5, 3},
        {"2026-03-09T20:55:00Z", 5, 3},
        {"2026-03-09T21:00:00Z", 5, 1},
        {"2026-10-30T21:00:00Z", 5, 1},
        {"2026-11-02T21:55:00Z", 5, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t from = at(rows[i].from), found = policy_weight(&policy, from, from + rows[i].minutes * 60000);
        cr_expect_eq(found, rows[i].expected, "row %zu, %s: %lld", i, rows[i].from, (long long)found);
    }
    const struct policy none = {0};
    cr_expect_eq(policy_weight(&none, 0, HOUR_MS), 1);
}

/* A slot of an hour each night that some nights do not have, and some have twice: it is an hour of every night. */
Test(spec, a_slot_is_open_once_and_as_long_in_each_night) {
    static const struct {
        const char *cron, *zone, *from;
        int64_t first_minute;
    } rows[] = {
        {"30 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 60},
        {"30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 30},
        {"30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", 420},
        {"30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", 330},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct policy_slot one = slot(rows[i].cron, rows[i].zone, HOUR_MS, 2);
        const struct policy policy = {.sla = {.slots = &one, .slot_count = 1}};
        for (int64_t minute = 0; minute < 720; minute++) {
            int64_t from = at(rows[i].from) + minute * 60000;
            bool is_open = minute >= rows[i].first_minute && minute < rows[i].first_minute + 60;
            cr_expect_eq(policy_weight(&policy, from, from + 60000), is_open ? 2 : 1, "row %zu, minute %lld", i,
                         (long long)minute);
        }
    }
}
