/*
 * Times and durations in text. Dates follow the proleptic Gregorian calendar; days are counted from 1970-01-01 with
 * years that begin in March, so that the leap day is the last of its year.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/timefmt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#define DAY_MS INT64_C(86400000)
#define TIME_MS_MIN INT64_C(-62135596800000) /* 0001-01-01T00:00:00Z */
#define TIME_MS_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */
#define DURATION_MS_MAX (3650 * DAY_MS)

static int64_t days_from_date(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year; /* Not negative: years start at 1. */
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

static void date_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day) {
    int64_t z = days + 719468; /* Days since 0000-03-01, not negative for our years. */
    int64_t era = z / 146097, day_of_era = z % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_index = (5 * day_of_year + 2) / 153;
    *ret_day = (int)(day_of_year - (153 * month_index + 2) / 5 + 1);
    *ret_month = (int)(month_index < 10 ? month_index + 3 : month_index - 9);
    *ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2));
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Reads exactly count digits and the separator behind them ('\0': none). */
static bool read_number(const char **at, int count, char separator, int *ret) {
    int value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (!is_digit(**at))
            return false;
        value = value * 10 + (**at - '0');
    }
    *ret = value;
    if (separator == '\0')
        return true;
    return *(*at)++ == separator;
}

static bool date_is_valid(int year, int month, int day) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || month < 1 || month > 12)
        return false;
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int length = lengths[month - 1] + (month == 2 && is_leap);
    return day >= 1 && day <= length;
}

/* Milliseconds of ".123456"; finer digits are dropped. */
static bool read_fraction(const char **at, int *ret_ms) {
    *ret_ms = 0;
    if (**at != '.')
        return true;
    (*at)++;
    if (!is_digit(**at))
        return false;
    for (int scale = 100; is_digit(**at); (*at)++, scale /= 10)
        *ret_ms += (**at - '0') * scale;
    return true;
}

static bool read_offset(const char **at, int *ret_minutes) {
    char sign = *(*at)++;
    *ret_minutes = 0;
    if (sign == 'Z' || sign == 'z')
        return true;
    int hours, minutes;
    if ((sign != '+' && sign != '-') || !read_number(at, 2, ':', &hours) || !read_number(at, 2, '\0', &minutes))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    *ret_minutes = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
    return true;
}

bool time_parse(const char *text, int64_t *ret_ms) {
    if (!text)
        return false;
    int year, month, day, hour, minute, second, ms, offset_minutes;
    if (!read_number(&text, 4, '-', &year) || !read_number(&text, 2, '-', &month) ||
        !read_number(&text, 2, '\0', &day) || !date_is_valid(year, month, day))
        return false;
    if (*text != 'T' && *text != 't')
        return false;
    text++;
    if (!read_number(&text, 2, ':', &hour) || !read_number(&text, 2, ':', &minute) ||
        !read_number(&text, 2, '\0', &second))
        return false;
    if (hour > 23 || minute > 59 || second > 60) /* 60: a leap second, which is the next minute's first here. */
        return false;
    if (!read_fraction(&text, &ms) || !read_offset(&text, &offset_minutes) || *text != '\0')
        return false;
    int64_t seconds = (hour * 60 + minute - offset_minutes) * INT64_C(60) + second;
    int64_t value = days_from_date(year, month, day) * DAY_MS + seconds * 1000 + ms;
    if (value < TIME_MS_MIN || value > TIME_MS_MAX)
        return false;
    *ret_ms = value;
    return true;
}

static void format_time(int64_t unix_ms, bool is_micro, char *to) {
    int64_t ms = unix_ms < TIME_MS_MIN ? TIME_MS_MIN : unix_ms > TIME_MS_MAX ? TIME_MS_MAX : unix_ms;
    int64_t days = (ms - TIME_MS_MIN) / DAY_MS + TIME_MS_MIN / DAY_MS; /* TIME_MS_MIN is a whole number of days. */
    int in_day = (int)(ms - days * DAY_MS);
    int year, month, day;
    date_from_days(days, &year, &month, &day);
    int seconds = in_day / 1000;
    int size = snprintf(to, TIME_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u", (unsigned)year % 10000,
                        (unsigned)month % 100, (unsigned)day % 100, (unsigned)seconds / 3600 % 100,
                        (unsigned)seconds / 60 % 60, (unsigned)seconds % 60);
    ASSERT(size == 19);
    if (is_micro)
        snprintf(to + size, TIME_TEXT_MAX - 19, ".%03u000Z", (unsigned)in_day % 1000);
    else
        memcpy(to + size, "Z", 2);
}

void time_format(int64_t unix_ms, char *to) {
    format_time(unix_ms, false, to);
}

void time_format_micro(int64_t unix_ms, char *to) {
    format_time(unix_ms, true, to);
}

static const struct unit {
    const char *name;
    int64_t ms;
} units[] = {{"d", DAY_MS}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

/* The unit named at *at, which must be smaller than the one before (index `first` on). */
static const struct unit *read_unit(const char **at, size_t first) {
    size_t size = 0;
    while ((*at)[size] >= 'a' && (*at)[size] <= 'z')
        size++;
    for (size_t i = first; i < ARRAY_LEN(units); i++) {
        if (strlen(units[i].name) == size && memcmp(*at, units[i].name, size) == 0) {
            *at += size;
            return &units[i];
        }
    }
    return NULL;
}

bool duration_parse(const char *text, int64_t *ret_ms) {
    if (!text)
        return false;
    int64_t total = 0;
    size_t next_unit = 0;
    do {
        int64_t count = 0;
        if (!is_digit(*text))
            return false;
        for (; is_digit(*text); text++) {
            count = count * 10 + (*text - '0');
            if (count > DURATION_MS_MAX)
                return false;
        }
        const struct unit *unit = read_unit(&text, next_unit);
        if (!unit || count > DURATION_MS_MAX / unit->ms)
            return false;
        next_unit = (size_t)(unit - units) + 1;
        total += count * unit->ms;
    } while (*text != '\0');
    if (total <= 0 || total > DURATION_MS_MAX)
        return false;
    *ret_ms = total;
    return true;
}

/* The form whose largest unit is units[first]: "90m" or "1h30m". */
static void format_from_unit(uint64_t ms, size_t first, char *to, size_t to_size) {
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = first; i < ARRAY_LEN(units); i++) {
        uint64_t count = ms / (uint64_t)units[i].ms;
        ms %= (uint64_t)units[i].ms;
        if (count > 0 && used < to_size)
            used += (size_t)snprintf(to + used, to_size - used, "%" PRIu64 "%s", count, units[i].name);
    }
}

void duration_format(int64_t ms, char *to, size_t to_size) {
    char best[96] = "0s", candidate[96];
    uint64_t magnitude = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    for (size_t first = 0; ms != 0 && first < ARRAY_LEN(units); first++) {
        format_from_unit(magnitude, first, candidate, sizeof(candidate));
        if (first == 0 || strlen(candidate) < strlen(best))
            str_copy(best, sizeof(best), candidate); /* Of equally short ones the larger unit. */
    }
    snprintf(to, to_size, "%s%s", ms < 0 ? "-" : "", best);
}
