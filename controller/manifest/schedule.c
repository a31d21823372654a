/*
 * Cron fields as bit masks, and the search for the next start: days forward from the day of `from`, then hours and
 * minutes of the masks. Local times are tried in order; because a skipped time counts as the end of its gap and a
 * repeated one as its first, their moments are in order too, and the first that is not before `from` is the answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "manifest/schedule.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "manifest/schedule_internal.h"

#define SEARCH_DAYS_MAX 3660
#define SHIFT_MAX_S (26 * INT64_C(3600)) /* No zone's clock was ever moved by more. */

struct field {
    const char *what;
    int min, max;
    const char *const *names; /* NULL-ended, the first stands for name_min. */
    int name_min;
};

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL",
                                          "AUG", "SEP", "OCT", "NOV", "DEC", NULL};
static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", NULL};

static const struct field fields[] = {
    {"minute", 0, 59, NULL, 0},
    {"hour", 0, 23, NULL, 0},
    {"day of month", 1, 31, NULL, 0},
    {"month", 1, 12, month_names, 1},
    {"day of week", 0, 7, weekday_names, 0},
};
enum { FIELD_MINUTE, FIELD_HOUR, FIELD_DAY, FIELD_MONTH, FIELD_WEEKDAY, FIELD_COUNT };

static bool value_parse(const struct field *field, const char *text, int *ret) {
    for (int i = 0; field->names && field->names[i]; i++) {
        if (strcasecmp(text, field->names[i]) == 0) {
            *ret = field->name_min + i;
            return true;
        }
    }
    int64_t value;
    if (!str_to_int64(text, &value) || value < field->min || value > field->max)
        return false;
    *ret = (int)value;
    return true;
}

/* "*", "5", "1-5", each with "/step"; "5/10" runs from 5 to the end. part is cut up. */
static enum err_class part_parse(const struct field *field, char *part, uint64_t *bits, struct error *err) {
    char *slash = strchr(part, '/');
    int64_t step = 1;
    if (slash) {
        *slash = '\0';
        if (!str_to_int64(slash + 1, &step) || step < 1 || step > field->max)
            return error_set(err, ERR_PERMANENT, "%s: step \"%s\" must be 1 to %d", field->what, slash + 1, field->max);
    }
    int low = field->min, high = field->max;
    if (strcmp(part, "*") != 0) {
        char *dash = strchr(part, '-');
        if (dash)
            *dash = '\0';
        const char *end = dash ? dash + 1 : part;
        if (!value_parse(field, part, &low) || !value_parse(field, end, &high))
            return error_set(err, ERR_PERMANENT, "%s: \"%s\" must be %d to %d", field->what,
                             value_parse(field, part, &low) ? end : part, field->min, field->max);
        if (!dash && slash)
            high = field->max;
        if (low > high)
            return error_set(err, ERR_PERMANENT, "%s: the range %s-%s runs backwards", field->what, part, end);
    }
    for (int64_t i = low; i <= high; i += step)
        *bits |= UINT64_C(1) << i;
    return ERR_NONE;
}

static enum err_class field_parse(const struct field *field, char *text, uint64_t *ret, struct error *err) {
    uint64_t bits = 0;
    for (char *part = text, *next; part; part = next) {
        next = strchr(part, ',');
        if (next)
            *next++ = '\0';
        enum err_class class = part_parse(field, part, &bits, err);
        if (class != ERR_NONE)
            return class;
    }
    *ret = bits;
    return ERR_NONE;
}

/* Exactly five words, blanks between. words point into text, which is cut up. */
static bool split(char *text, char *words[FIELD_COUNT]) {
    size_t count = 0;
    for (char *at = text + strspn(text, " "); *at;) {
        if (count == FIELD_COUNT)
            return false;
        words[count++] = at;
        at += strcspn(at, " ");
        if (*at)
            *at++ = '\0';
        at += strspn(at, " ");
    }
    return count == FIELD_COUNT;
}

static bool has_a_day(const struct schedule *s) {
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!s->weekdays_any)
        return true; /* Every month has every day of the week. */
    for (int month = 1; month <= 12; month++) {
        uint32_t days = (uint32_t)((UINT64_C(1) << (lengths[month - 1] + 1)) - 2);
        if (s->months & 1u << month && s->days & days)
            return true;
    }
    return false;
}

enum err_class schedule_parse(const char *cron, const char *time_zone, struct schedule *ret, struct error *err) {
    char text[128], *words[FIELD_COUNT];
    uint64_t bits[FIELD_COUNT];
    if (!str_copy(text, sizeof(text), cron))
        return error_set(err, ERR_PERMANENT, "a schedule has at most %zu characters", sizeof(text) - 1);
    if (!split(text, words))
        return error_set(err, ERR_PERMANENT, "\"%s\" must have five fields: minute hour day-of-month month day-of-week",
                         cron);
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (field_parse(&fields[i], words[i], &bits[i], err) != ERR_NONE)
            return err->class;
    }
    const struct zone *zone = zone_find(time_zone);
    if (!zone)
        return error_set(err, ERR_PERMANENT, "time zone \"%.64s\" is not in the tz database", time_zone);
    uint64_t weekdays = (bits[FIELD_WEEKDAY] | bits[FIELD_WEEKDAY] >> 7) & 0x7f; /* 7 is Sunday too. */
    struct schedule schedule = {
        .minutes = bits[FIELD_MINUTE],
        .hours = (uint32_t)bits[FIELD_HOUR],
        .days = (uint32_t)bits[FIELD_DAY],
        .months = (uint16_t)bits[FIELD_MONTH],
        .weekdays = (uint8_t)weekdays,
        .days_any = bits[FIELD_DAY] == (UINT64_C(1) << 32) - 2,
        .weekdays_any = weekdays == 0x7f,
        .zone = zone,
    };
    if (!has_a_day(&schedule))
        return error_set(err, ERR_PERMANENT, "\"%s\" never comes: no such month has such a day", cron);
    *ret = schedule;
    return ERR_NONE;
}

static bool day_matches(const struct schedule *s, int64_t days) {
    int64_t year;
    int month, day;
    civil_from_days(days, &year, &month, &day);
    if (!(s->months & 1u << month))
        return false;
    bool by_day = s->days & 1u << day, by_weekday = s->weekdays & 1u << civil_weekday(days);
    if (s->days_any)
        return by_weekday;
    if (s->weekdays_any)
        return by_day;
    return by_day || by_weekday;
}

/* The first start of that local day that is not before from_s, of local times not before local_min_s. */
static bool search_day(const struct schedule *s, int64_t days, int64_t local_min_s, int64_t from_s, int64_t *ret_s) {
    for (int hour = 0; hour < 24; hour++) {
        int64_t hour_s = days * DAY_S + hour * INT64_C(3600);
        if (!(s->hours & 1u << hour) || hour_s + 3600 <= local_min_s)
            continue;
        for (int minute = 0; minute < 60; minute++) {
            int64_t local_s = hour_s + minute * INT64_C(60);
            if (!(s->minutes & UINT64_C(1) << minute) || local_s < local_min_s)
                continue;
            int64_t at_s = zone_local_to_unix_s(s->zone, local_s);
            if (at_s >= from_s) {
                *ret_s = at_s;
                return true;
            }
        }
    }
    return false;
}

int64_t schedule_next(const struct schedule *schedule, int64_t from_ms) {
    int64_t from_s = -floor_div(-from_ms, 1000); /* Starts are whole minutes: round up. */
    int64_t local_min_s = from_s + zone_offset_s(schedule->zone, from_s);
    if (!zone_is_even(schedule->zone, from_s - SHIFT_MAX_S, from_s + SHIFT_MAX_S))
        local_min_s -= SHIFT_MAX_S;
    int64_t first = floor_div(local_min_s, DAY_S), at_s;
    for (int64_t days = first; days < first + SEARCH_DAYS_MAX; days++) {
        if (day_matches(schedule, days) && search_day(schedule, days, local_min_s, from_s, &at_s))
            return at_s * 1000;
    }
    return INT64_MAX;
}

bool schedule_is_open(const struct schedule *schedule, int64_t duration_ms, int64_t unix_ms) {
    return schedule_next(schedule, unix_ms - duration_ms + 1) <= unix_ms;
}
