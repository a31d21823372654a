/*
 * Times and durations: what is taken, what is refused, and the way back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/mem.h"
#include "base/timefmt.h"
#include <criterion/criterion.h>

Test(base_timefmt, times_are_parsed_strictly) {
    static const struct {
        const char *text;
        bool valid;
        int64_t ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", true, 0},
        {"2026-11-24T10:00:00Z", true, INT64_C(1795514400000)},
        {"2026-11-24T10:00:00.123Z", true, INT64_C(1795514400123)},
        {"2026-11-24T10:00:00.1239999999999Z", true, INT64_C(1795514400123)},
        {"2026-11-24T10:00:00.5z", true, INT64_C(1795514400500)},
        {"2026-11-24t18:00:00+08:00", true, INT64_C(1795514400000)},
        {"2026-11-24T04:30:00-05:30", true, INT64_C(1795514400000)},
        {"2026-11-24T10:00:00-00:00", true, INT64_C(1795514400000)},
        {"2000-02-29T00:00:00Z", true, INT64_C(951782400000)},
        {"2016-12-31T23:59:60Z", true, INT64_C(1483228800000)},
        {"1969-12-31T23:59:59.999Z", true, -1},
        {"0001-01-01T00:00:00Z", true, INT64_C(-62135596800000)},
        {"9999-12-31T23:59:59.999Z", true, INT64_C(253402300799999)},
        {"0000-01-01T00:00:00Z", false, 0},
        {"0001-01-01T00:00:00+01:00", false, 0},
        {"9999-12-31T23:59:59-01:00", false, 0},
        {"1900-02-29T00:00:00Z", false, 0},
        {"2025-02-29T00:00:00Z", false, 0},
        {"2026-00-01T00:00:00Z", false, 0},
        {"2026-13-01T00:00:00Z", false, 0},
        {"2026-04-31T00:00:00Z", false, 0},
        {"2026-04-00T00:00:00Z", false, 0},
        {"2026-11-24T24:00:00Z", false, 0},
        {"2026-11-24T10:60:00Z", false, 0},
        {"2026-11-24T10:00:61Z", false, 0},
        {"2026-11-24T10:00:00", false, 0},
        {"2026-11-24T10:00:00+0800", false, 0},
        {"2026-11-24T10:00:00+24:00", false, 0},
        {"2026-11-24T10:00:00+08:60", false, 0},
        {"2026-11-24T10:00:00.Z", false, 0},
        {"2026-11-24 10:00:00Z", false, 0},
        {"2026-11-24T10:00Z", false, 0},
        {"2026-11-24T10:00:00Z ", false, 0},
        {"2026-11-24", false, 0},
        {"26-11-24T10:00:00Z", false, 0},
        {"", false, 0},
        {NULL, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ms = 77;
        cr_assert_eq(time_parse(rows[i].text, &ms), rows[i].valid, "\"%s\"", rows[i].text);
        cr_assert_eq(ms, rows[i].valid ? rows[i].ms : 77, "\"%s\" gave %ld", rows[i].text, (long)ms);
    }
}

Test(base_timefmt, every_prefix_of_a_time_is_refused) {
    static const char text[] = "2026-11-24T10:00:00.5+08:00";
    for (size_t size = 0; size < sizeof(text) - 1; size++) {
        char *prefix = mem_strndup(text, size);
        int64_t ms;
        cr_assert_not(time_parse(prefix, &ms), "%s", prefix);
        mem_free(prefix);
    }
}

Test(base_timefmt, times_are_formatted) {
    static const struct {
        int64_t ms;
        const char *plain, *micro;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"},
        {INT64_C(1795514400123), "2026-11-24T10:00:00Z", "2026-11-24T10:00:00.123000Z"},
        {-1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999000Z"},
        {INT64_C(951868799999), "2000-02-29T23:59:59Z", "2000-02-29T23:59:59.999000Z"},
        {INT64_MIN, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"},
        {INT64_MAX, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999000Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[TIME_TEXT_MAX];
        time_format(rows[i].ms, text);
        cr_assert_str_eq(text, rows[i].plain);
        time_format_micro(rows[i].ms, text);
        cr_assert_str_eq(text, rows[i].micro);
    }
}

Test(base_timefmt, format_and_parse_are_inverse_over_all_years) {
    for (int64_t ms = INT64_C(-62135596800000); ms < INT64_C(253402300799999); ms += INT64_C(86399999) * 41) {
        char text[TIME_TEXT_MAX];
        int64_t back;
        time_format_micro(ms, text);
        cr_assert(time_parse(text, &back), "%s", text);
        cr_assert_eq(back, ms, "%s", text);
    }
}

#define HOUR INT64_C(3600000)

Test(base_timefmt, durations_are_parsed_strictly) {
    static const struct {
        const char *text;
        bool valid;
        int64_t ms;
    } rows[] = {
        {"90s", true, 90000},
        {"10m", true, 600000},
        {"24h", true, 24 * HOUR},
        {"14d", true, 14 * 24 * HOUR},
        {"1h30m", true, HOUR + HOUR / 2},
        {"500ms", true, 500},
        {"1d2h3m4s5ms", true, 26 * HOUR + 184005},
        {"1m1ms", true, 60001},
        {"0h1m", true, 60000},
        {"3650d", true, 3650 * 24 * HOUR},
        {"87600h", true, 3650 * 24 * HOUR},
        {"3651d", false, 0},
        {"3650d1ms", false, 0},
        {"99999999999999999999d", false, 0},
        {"0s", false, 0},
        {"0", false, 0},
        {"10", false, 0},
        {"m", false, 0},
        {"-5m", false, 0},
        {"+5m", false, 0},
        {"1.5h", false, 0},
        {"30m1h", false, 0},
        {"1m1m", false, 0},
        {"5ms1s", false, 0},
        {"1w", false, 0},
        {"1M", false, 0},
        {"1 h", false, 0},
        {" 1h", false, 0},
        {"1h ", false, 0},
        {"1h30", false, 0},
        {"1sm", false, 0},
        {"", false, 0},
        {NULL, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ms = 77;
        cr_assert_eq(duration_parse(rows[i].text, &ms), rows[i].valid, "\"%s\"", rows[i].text);
        cr_assert_eq(ms, rows[i].valid ? rows[i].ms : 77, "\"%s\"", rows[i].text);
    }
}

Test(base_timefmt, durations_are_formatted_shortest) {
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {1, "1ms"},
        {90000, "90s"},
        {60000, "1m"},
        {5400000, "90m"},
        {24 * HOUR, "1d"},
        {36 * HOUR, "36h"},
        {25 * HOUR + 61000, "90061s"},
        {1500, "1500ms"},
        {-600000, "-10m"},
        {INT64_C(1209600000), "14d"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[64];
        duration_format(rows[i].ms, text, sizeof(text));
        cr_assert_str_eq(text, rows[i].text);
    }
    char small[4];
    duration_format(INT64_MIN, small, sizeof(small));
    cr_assert_eq(small[3], '\0');
}

Test(base_timefmt, formatted_durations_read_back) {
    for (int64_t ms = 1; ms < 3650 * 24 * HOUR; ms = ms * 3 + 7) {
        char text[64];
        int64_t back;
        duration_format(ms, text, sizeof(text));
        cr_assert(duration_parse(text, &back), "%s", text);
        cr_assert_eq(back, ms, "%s", text);
    }
}
