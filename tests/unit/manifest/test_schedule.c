/*
 * Cron schedules in time zones, against dates worked out by hand and the zones' published clock changes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "manifest/schedule.h"
#include "rig.h"

#define HOUR_MS INT64_C(3600000)

static struct schedule parsed(const char *cron, const char *zone) {
    struct schedule schedule;
    struct error err = {0};
    cr_assert_eq(schedule_parse(cron, zone, &schedule, &err), ERR_NONE, "%s: %s", cron, err.message);
    return schedule;
}

struct next_row {
    const char *cron, *zone, *from, *expected;
};

static void check_next(const struct next_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct schedule schedule = parsed(rows[i].cron, rows[i].zone);
        char text[TIME_TEXT_MAX];
        time_format(schedule_next(&schedule, at(rows[i].from)), text);
        cr_expect_str_eq(text, rows[i].expected, "row %zu: %s in %s from %s gives %s, not %s", i, rows[i].cron,
                         rows[i].zone, rows[i].from, text, rows[i].expected);
    }
}

Test(schedule, next_start_by_fields) {
    static const struct next_row rows[] = {
        {"0 2 * * *", "UTC", "2026-11-24T02:00:00Z", "2026-11-24T02:00:00Z"}, /* At or after. */
        {"0 2 * * *", "UTC", "2026-11-24T02:00:00.001Z", "2026-11-25T02:00:00Z"},
        {"0 2 * * *", "UTC", "2026-12-31T02:00:01Z", "2027-01-01T02:00:00Z"},
        {"*/15 * * * *", "UTC", "2026-11-24T10:01:00Z", "2026-11-24T10:15:00Z"},
        {"50-59/5 23 * * *", "UTC", "2026-11-24T23:51:00Z", "2026-11-24T23:55:00Z"},
        {"5/20 * * * *", "UTC", "2026-11-24T10:26:00Z", "2026-11-24T10:45:00Z"}, /* 5, 25, 45 */
        {"1,2,59 3,4 * * *", "UTC", "2026-11-24T03:03:00Z", "2026-11-24T03:59:00Z"},
        {"0 9 * * 1-5", "UTC", "2026-11-27T09:00:01Z", "2026-11-30T09:00:00Z"}, /* Friday to Monday */
        {"0 9 * * mon-FRI", "UTC", "2026-11-28T00:00:00Z", "2026-11-30T09:00:00Z"},
        {"0 0 * * 7", "UTC", "2026-11-24T00:00:00Z", "2026-11-29T00:00:00Z"},
        {"0 0 * * 0", "UTC", "2026-11-24T00:00:00Z", "2026-11-29T00:00:00Z"},
        {"0 0 * * 5-7", "UTC", "2026-11-28T00:00:01Z", "2026-11-29T00:00:00Z"},
        {"0 0 * JAN,mar *", "UTC", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"},
        {"0 0 31 * *", "UTC", "2026-11-01T00:00:00Z", "2026-12-31T00:00:00Z"},
        {"0 0 13 * 5", "UTC", "2026-11-10T00:00:00Z", "2026-11-13T00:00:00Z"}, /* 13th or Friday */
        {"0 0 13 * 5", "UTC", "2026-11-13T00:00:01Z", "2026-11-20T00:00:00Z"},
        {"0 0 1-31 * 5", "UTC", "2026-11-14T00:00:00Z", "2026-11-20T00:00:00Z"}, /* 1-31 restricts nothing. */
        {"0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
        {"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"}, /* 2100 is no leap year. */
        {"0 0 29 2 *", "UTC", "1999-03-01T00:00:00Z", "2000-02-29T00:00:00Z"}, /* 2000 is one. */
        {"0 0 31 2 1", "UTC", "2026-01-31T00:00:00Z", "2026-02-02T00:00:00Z"}, /* Mondays of February */
        {"30 6 1 1 *", "UTC", "1969-06-01T00:00:00Z", "1970-01-01T06:30:00Z"},
    };
    check_next(rows, ARRAY_LEN(rows));
}

Test(schedule, next_start_over_clock_changes) {
    static const struct next_row rows[] = {
        /* Berlin, 2026-03-29: 02:00 becomes 03:00. A start in the gap comes at its end, 01:00 UTC. */
        {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:01Z", "2026-03-30T00:30:00Z"},
        {"0 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"},
        {"0 2,3 * * *", "Europe/Berlin", "2026-03-29T01:00:01Z", "2026-03-30T00:00:00Z"},
        /* Berlin, 2026-10-25: 03:00 becomes 02:00. A start in the repeated hour comes once, the first time. */
        {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:01Z", "2026-10-26T01:30:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"},
        {"0 3 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"},
        /* New York, 2026-03-08 and 2026-11-01. */
        {"15 2 * * *", "America/New_York", "2026-03-08T05:00:00Z", "2026-03-08T07:00:00Z"},
        {"15 1 * * *", "America/New_York", "2026-11-01T04:00:00Z", "2026-11-01T05:15:00Z"},
        {"15 1 * * *", "America/New_York", "2026-11-01T05:15:01Z", "2026-11-02T06:15:00Z"},
        {"0 0 * * *", "America/New_York", "2026-07-01T03:00:00Z", "2026-07-01T04:00:00Z"},
        /* Shanghai has none since 1991. */
        {"0 9 * * 1-5", "Asia/Shanghai", "2026-11-22T16:00:00Z", "2026-11-23T01:00:00Z"},
        {"0 9 * * 1-5", "Asia/Shanghai", "2026-03-29T00:00:00Z", "2026-03-30T01:00:00Z"},
        /* Beyond the table, by the rule in the file: Berlin 2100-03-28 and 2100-10-31. */
        {"30 2 * * *", "Europe/Berlin", "2100-03-27T12:00:00Z", "2100-03-28T01:00:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2100-10-30T12:00:00Z", "2100-10-31T00:30:00Z"},
        {"0 12 * * *", "Europe/Berlin", "2100-07-01T00:00:00Z", "2100-07-01T10:00:00Z"},
        /* South of the equator summer spans the new year: Sydney 2100-01-15 is UTC+11, July +10. */
        {"0 12 * * *", "Australia/Sydney", "2100-01-15T00:00:00Z", "2100-01-15T01:00:00Z"},
        {"0 12 * * *", "Australia/Sydney", "2100-07-15T00:00:00Z", "2100-07-15T02:00:00Z"},
        /* Lord Howe moves by half an hour; Samoa left out 2011-12-30 altogether; Lebanon's gap is at midnight. */
        {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T14:00:00Z", "2026-10-03T15:30:00Z"},
        {"0 9 30 12 *", "Pacific/Apia", "2011-12-30T00:00:00Z", "2011-12-30T10:00:00Z"},
        {"15 0 * * *", "Asia/Beirut", "2026-03-28T12:00:00Z", "2026-03-28T22:00:00Z"},
        {"0 5 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", "2026-01-01T23:15:00Z"},
    };
    check_next(rows, ARRAY_LEN(rows));
}

Test(schedule, every_hour_fires_once_for_each_local_hour_of_a_year) {
    struct schedule schedule = parsed("30 * * * *", "Europe/Berlin");
    int64_t now = at("2026-01-01T00:00:00Z"), end = at("2027-01-01T00:00:00Z");
    size_t count = 0;
    for (int64_t next; (next = schedule_next(&schedule, now)) < end; now = next + 1) {
        cr_assert_geq(next, now);
        count++;
    }
    /* One for each of 8760 hours; one more for 02:30 in spring, at 01:00 UTC; one less for its repeat in autumn. */
    cr_expect_eq(count, 8760u + 1 - 1, "%zu", count);
}

Test(schedule, syntax_is_refused_with_the_field) {
    static const struct {
        const char *cron, *zone, *message;
    } rows[] = {
        {"", "UTC", "must have five fields"},
        {"0 0 * *", "UTC", "must have five fields"},
        {"0 0 * * * *", "UTC", "must have five fields"},
        {"@daily", "UTC", "must have five fields"},
        {"60 0 * * *", "UTC", "minute: \"60\" must be 0 to 59"},
        {"-1 0 * * *", "UTC", "minute: \"\" must be 0 to 59"},
        {"0 24 * * *", "UTC", "hour: \"24\" must be 0 to 23"},
        {"0 0 0 * *", "UTC", "day of month: \"0\" must be 1 to 31"},
        {"0 0 * 13 *", "UTC", "month: \"13\" must be 1 to 12"},
        {"0 0 * MON *", "UTC", "month: \"MON\" must be"},
        {"0 0 * * 8", "UTC", "day of week: \"8\" must be 0 to 7"},
        {"0 0 * * 1-9", "UTC", "day of week: \"9\" must be 0 to 7"},
        {"*/0 0 * * *", "UTC", "minute: step \"0\" must be 1 to 59"},
        {"*/x 0 * * *", "UTC", "minute: step \"x\""},
        {"1, 0 * * *", "UTC", "minute: \"\" must be"},
        {"1.5 0 * * *", "UTC", "minute: \"1.5\" must be"},
        {"5-1 0 * * *", "UTC", "minute: the range 5-1 runs backwards"},
        {"0 0 31 2 *", "UTC", "never comes"},
        {"0 0 30,31 2 *", "UTC", "never comes"},
        {"0 0 31 4,6,9,11 *", "UTC", "never comes"},
        {"0 0 * * *", "Europe/Atlantis", "time zone \"Europe/Atlantis\""},
        {"0 0 * * *", "", "time zone"},
        {"0 0 * * *", "../../../etc/passwd", "time zone"},
        {"0 0 * * *", "Europe", "time zone"}, /* A directory. */
        {"0 0 * * *", "zone.tab", "time zone"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct schedule schedule;
        struct error err = {0};
        enum err_class class = schedule_parse(rows[i].cron, rows[i].zone, &schedule, &err);
        cr_expect_eq(class, ERR_PERMANENT, "%s", rows[i].cron);
        cr_expect(strstr(err.message, rows[i].message), "\"%s\": %s", rows[i].cron, err.message);
    }
}

Test(schedule, window_is_open_from_its_start_until_its_end) {
    struct schedule night = parsed("0 22 * * *", "Asia/Shanghai"); /* 14:00 UTC */
    int64_t start = at("2026-11-24T14:00:00Z");
    cr_expect_not(schedule_is_open(&night, 4 * HOUR_MS, start - 1));
    cr_expect(schedule_is_open(&night, 4 * HOUR_MS, start));
    cr_expect(schedule_is_open(&night, 4 * HOUR_MS, start + 4 * HOUR_MS - 1)); /* Over midnight. */
    cr_expect_not(schedule_is_open(&night, 4 * HOUR_MS, start + 4 * HOUR_MS));
    cr_expect(schedule_is_open(&night, 24 * HOUR_MS, start - 1)); /* Never closes. */
}

Test(schedule, zone_offsets) {
    static const struct {
        const char *zone, *time;
        int64_t minutes;
    } rows[] = {
        {"UTC", "2026-07-01T00:00:00Z", 0},
        {"Europe/Berlin", "2026-03-29T00:59:59Z", 60},
        {"Europe/Berlin", "2026-03-29T01:00:00Z", 120},
        {"Europe/Berlin", "2026-10-25T00:59:59Z", 120},
        {"Europe/Berlin", "2026-10-25T01:00:00Z", 60},
        {"Europe/Berlin", "2150-07-01T00:00:00Z", 120},
        {"America/New_York", "2026-03-08T07:00:00Z", -240},
        {"America/New_York", "2026-11-01T06:00:00Z", -300},
        {"America/New_York", "1918-07-01T00:00:00Z", -240},
        {"Asia/Shanghai", "1988-07-01T00:00:00Z", 540},
        {"Asia/Shanghai", "2026-07-01T00:00:00Z", 480},
        {"Asia/Kolkata", "2026-07-01T00:00:00Z", 330},
        {"Etc/GMT+12", "2026-07-01T00:00:00Z", -720},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct zone *zone = zone_find(rows[i].zone);
        cr_assert(zone, "%s", rows[i].zone);
        int64_t minutes = zone_offset_ms(zone, at(rows[i].time)) / 60000;
        cr_expect_eq(minutes, rows[i].minutes, "%s at %s: %lld", rows[i].zone, rows[i].time, (long long)minutes);
    }
}

Test(schedule, local_times_to_moments) {
    const struct zone *berlin = zone_find("Europe/Berlin");
    cr_expect_eq(zone_to_unix_ms(berlin, 2026, 1, 1, 0, 0), at("2025-12-31T23:00:00Z"));
    cr_expect_eq(zone_to_unix_ms(berlin, 2026, 3, 29, 2, 30), at("2026-03-29T01:00:00Z")); /* gap */
    cr_expect_eq(zone_to_unix_ms(berlin, 2026, 3, 29, 3, 0), at("2026-03-29T01:00:00Z"));
    cr_expect_eq(zone_to_unix_ms(berlin, 2026, 10, 25, 2, 30), at("2026-10-25T00:30:00Z")); /* repeat: the first */
    cr_expect_eq(zone_to_unix_ms(berlin, 2024, 2, 29, 12, 0), at("2024-02-29T11:00:00Z"));
    cr_expect_eq(zone_to_unix_ms(zone_find("UTC"), 1969, 12, 31, 23, 59), -60000);
    cr_expect_eq(zone_find("Europe/Berlin"), berlin); /* Read once. */
}
