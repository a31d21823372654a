/*
 * Time zones from the system's tz database: the TZif file's 64-bit transitions, then the rule in its footer written out
 * to ZONE_YEAR_LAST, so that every question is one binary search. The files are not trusted: every count is checked
 * against the size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "manifest/schedule_internal.h"

#define ZONE_FILE_MAX ((size_t)1 << 18)
#define ZONE_YEAR_LAST 2200
#define ZONE_DIRECTORY "/usr/share/zoneinfo"

struct transition {
    int64_t at_s;     /* From this second on ... */
    int64_t offset_s; /* ... local time is UTC plus this. */
};

struct zone {
    int64_t first_offset_s; /* Before the first transition. */
    struct transition *items;
    size_t count, capacity;
};

/* ---- Civil days: days since 1970-01-01, years beginning in March so that the leap day is the last ---- */

int64_t civil_to_days(int64_t year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

void civil_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day) {
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, day_of_era = z - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_index = (5 * day_of_year + 2) / 153;
    *ret_day = (int)(day_of_year - (153 * month_index + 2) / 5 + 1);
    *ret_month = (int)(month_index < 10 ? month_index + 3 : month_index - 9);
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

int civil_weekday(int64_t days) {
    return (int)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday. */
}

static bool is_leap(int64_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static void zone_add(struct zone *zone, int64_t at_s, int64_t offset_s) {
    int64_t before = zone->count > 0 ? zone->items[zone->count - 1].offset_s : zone->first_offset_s;
    if (offset_s == before) /* Only the name or the DST flag changes. */
        return;
    if (zone->count == zone->capacity) {
        size_t capacity = zone->capacity > 0 ? zone->capacity * 2 : 64;
        zone->items = mem_grow(zone->items, zone->capacity, capacity, sizeof(*zone->items));
        zone->capacity = capacity;
    }
    zone->items[zone->count++] = (struct transition){at_s, offset_s};
}

/* ---- The footer: a POSIX TZ string such as "CET-1CEST,M3.5.0,M10.5.0/3" ---- */

struct rule_date {
    char form; /* 'M', 'J', or '0' for a zero-based day that counts leap days. */
    int month, week, weekday, day;
    int64_t time_s; /* Of local time, may be negative or beyond a day. */
};

static bool read_int(const char **at, int64_t max, int64_t *ret) {
    if (!isdigit((unsigned char)**at))
        return false;
    int64_t value = 0;
    for (; isdigit((unsigned char)**at); (*at)++) {
        value = value * 10 + (**at - '0');
        if (value > max)
            return false;
    }
    *ret = value;
    return true;
}

/* [+-]hh[:mm[:ss]] in seconds */
static bool read_hms(const char **at, int64_t *ret) {
    bool is_negative = **at == '-';
    *at += **at == '-' || **at == '+';
    int64_t hours, minutes = 0, seconds = 0;
    if (!read_int(at, 167, &hours))
        return false;
    if (**at == ':' && (++*at, !read_int(at, 59, &minutes)))
        return false;
    if (**at == ':' && (++*at, !read_int(at, 59, &seconds)))
        return false;
    int64_t value = hours * 3600 + minutes * 60 + seconds;
    *ret = is_negative ? -value : value;
    return true;
}

static bool skip_name(const char **at) {
    const char *start = *at;
    if (**at == '<') {
        *at += strcspn(*at, ">");
        return *(*at)++ == '>';
    }
    while (isalpha((unsigned char)**at))
        (*at)++;
    return *at - start >= 3;
}

static bool read_date(const char **at, struct rule_date *ret) {
    int64_t a, b, c;
    *ret = (struct rule_date){.form = '0', .time_s = 7200};
    if (**at == 'M') {
        ++*at;
        if (!read_int(at, 12, &a) || *(*at)++ != '.' || !read_int(at, 5, &b) || *(*at)++ != '.' ||
            !read_int(at, 6, &c) || a < 1 || b < 1)
            return false;
        ret->form = 'M';
        ret->month = (int)a;
        ret->week = (int)b;
        ret->weekday = (int)c;
    } else {
        if (**at == 'J') {
            ++*at;
            ret->form = 'J';
        }
        if (!read_int(at, 365, &a))
            return false;
        ret->day = (int)a;
    }
    return **at != '/' || (++*at, read_hms(at, &ret->time_s));
}

static int64_t rule_local_s(const struct rule_date *rule, int64_t year) {
    int64_t days;
    if (rule->form == 'M') {
        days = civil_to_days(year, rule->month, 1);
        days += (rule->weekday - civil_weekday(days) + 7) % 7 + (rule->week - 1) * 7;
        int64_t next_month =
            rule->month == 12 ? civil_to_days(year + 1, 1, 1) : civil_to_days(year, rule->month + 1, 1);
        if (days >= next_month) /* Week 5 is the last one, even where there are four. */
            days -= 7;
    } else if (rule->form == 'J') {
        days = civil_to_days(year, 1, 1) + rule->day - 1 + (rule->day >= 60 && is_leap(year));
    } else {
        days = civil_to_days(year, 1, 1) + rule->day;
    }
    return days * DAY_S + rule->time_s;
}

static void add_year(struct zone *zone, int64_t start_s, int64_t end_s, int64_t std_s, int64_t dst_s, int64_t from_s) {
    bool start_first = start_s < end_s;
    int64_t first = start_first ? start_s : end_s, second = start_first ? end_s : start_s;
    if (first > from_s)
        zone_add(zone, first, start_first ? dst_s : std_s);
    if (second > from_s)
        zone_add(zone, second, start_first ? std_s : dst_s);
}

static bool zone_extend(struct zone *zone, const char *rule, int64_t from_s) {
    int64_t std_s, dst_s;
    struct rule_date start, end;
    if (*rule == '\0')
        return true;
    if (!skip_name(&rule) || !read_hms(&rule, &std_s))
        return false;
    std_s = -std_s; /* POSIX counts west as positive. */
    if (*rule == '\0') {
        if (zone->count > 0)
            zone_add(zone, from_s, std_s);
        else
            zone->first_offset_s = std_s;
        return true;
    }
    dst_s = std_s + 3600;
    if (!skip_name(&rule))
        return false;
    if (*rule != ',') {
        if (!read_hms(&rule, &dst_s))
            return false;
        dst_s = -dst_s;
    }
    if (*rule++ != ',' || !read_date(&rule, &start) || *rule++ != ',' || !read_date(&rule, &end) || *rule != '\0')
        return false;
    int64_t year;
    int month, day;
    civil_from_days(floor_div(from_s, DAY_S), &year, &month, &day);
    for (year = year < 1970 ? 1970 : year; year <= ZONE_YEAR_LAST; year++)
        add_year(zone, rule_local_s(&start, year) - std_s, rule_local_s(&end, year) - dst_s, std_s, dst_s, from_s);
    return true;
}

/* ---- TZif, RFC 8536 ---- */

struct tzif_header {
    size_t isut_count, isstd_count, leap_count, time_count, type_count, char_count;
};
#define TZIF_HEADER_SIZE ((size_t)44)

static uint32_t be32(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t be64(const unsigned char *at) {
    return (int64_t)((uint64_t)be32(at) << 32 | be32(at + 4));
}

static bool header_read(const unsigned char *data, size_t size, struct tzif_header *ret) {
    if (size < TZIF_HEADER_SIZE || memcmp(data, "TZif", 4) != 0 || data[4] < '2')
        return false;
    size_t *fields[] = {&ret->isut_count, &ret->isstd_count, &ret->leap_count,
                        &ret->time_count, &ret->type_count,  &ret->char_count};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        *fields[i] = be32(data + 20 + 4 * i);
        if (*fields[i] > ZONE_FILE_MAX)
            return false;
    }
    return ret->type_count > 0;
}

static size_t block_size(const struct tzif_header *h, size_t time_size) {
    return h->time_count * (time_size + 1) + h->type_count * 6 + h->char_count + h->leap_count * (time_size + 4) +
           h->isstd_count + h->isut_count;
}

static bool zone_decode(const unsigned char *data, size_t size, struct zone *zone) {
    struct tzif_header h;
    if (!header_read(data, size, &h))
        return false;
    size_t skip = TZIF_HEADER_SIZE + block_size(&h, 4); /* The 32-bit block of version 1. */
    if (skip >= size)
        return false;
    data += skip;
    size -= skip;
    if (!header_read(data, size, &h) || TZIF_HEADER_SIZE + block_size(&h, 8) >= size)
        return false;
    const unsigned char *times = data + TZIF_HEADER_SIZE, *indexes = times + h.time_count * 8;
    const unsigned char *types = indexes + h.time_count;
    zone->first_offset_s = (int32_t)be32(types);
    int64_t last_s = INT64_MIN / 2;
    for (size_t i = 0; i < h.time_count; i++) {
        int64_t at_s = be64(times + 8 * i);
        if (indexes[i] >= h.type_count || at_s <= last_s)
            return false;
        zone_add(zone, at_s, (int32_t)be32(types + 6 * (size_t)indexes[i]));
        last_s = at_s;
    }
    const char *footer = (const char *)data + TZIF_HEADER_SIZE + block_size(&h, 8);
    size_t footer_size = size - (size_t)(footer - (const char *)data);
    char rule[128];
    const char *end = footer_size > 1 ? memchr(footer + 1, '\n', footer_size - 1) : NULL;
    if (*footer != '\n' || !end || (size_t)(end - footer - 1) >= sizeof(rule))
        return false;
    memcpy(rule, footer + 1, (size_t)(end - footer - 1));
    rule[end - footer - 1] = '\0';
    return zone_extend(zone, rule, h.time_count > 0 ? last_s : INT64_MIN / 2);
}

static bool file_read(const char *path, struct buf *ret) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    buf_reserve(ret, ZONE_FILE_MAX);
    ssize_t count;
    while (ret->size < ZONE_FILE_MAX && (count = read(fd, ret->data + ret->size, ZONE_FILE_MAX - ret->size)) > 0)
        ret->size += (size_t)count;
    close(fd);
    return ret->size > 0 && ret->size < ZONE_FILE_MAX;
}

static struct zone *zone_load(const char *name) {
    const char *directory = getenv("TZDIR");
    char *path = mem_printf("%s/%s", directory && *directory ? directory : ZONE_DIRECTORY, name);
    struct buf file = {0};
    struct zone *zone = mem_alloc(sizeof(*zone));
    bool is_good = file_read(path, &file) && zone_decode((const unsigned char *)file.data, file.size, zone);
    buf_release(&file);
    mem_free(path);
    if (is_good)
        return zone;
    mem_free(zone->items);
    mem_free(zone);
    return NULL;
}

/* Names are relative paths of letters, digits, '_', '+', '-'; never a way out of the directory. */
static bool name_is_safe(const char *name) {
    if (!name || !isalpha((unsigned char)*name) || strlen(name) > 64)
        return false;
    for (const char *p = name; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr("_+-/", *p))
            return false;
    }
    return true;
}

const struct zone *zone_find(const char *name) {
    static const struct zone utc = {0};
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct map cache; /* Found zones only: names that are not found come from outside and are not bounded. */
    if (!name_is_safe(name))
        return NULL;
    if (strcmp(name, "UTC") == 0)
        return &utc;
    pthread_mutex_lock(&lock);
    struct zone *zone = map_get(&cache, name);
    if (!zone && (zone = zone_load(name)))
        map_put(&cache, name, zone);
    pthread_mutex_unlock(&lock);
    return zone;
}

/* ---- Questions ---- */

/* How many transitions are at or before that second. */
static size_t transitions_until(const struct zone *zone, int64_t at_s) {
    size_t low = 0, high = zone->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->items[middle].at_s <= at_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int64_t offset_after(const struct zone *zone, size_t transition_count) {
    return transition_count > 0 ? zone->items[transition_count - 1].offset_s : zone->first_offset_s;
}

int64_t zone_offset_s(const struct zone *zone, int64_t unix_s) {
    return offset_after(zone, transitions_until(zone, unix_s));
}

int64_t zone_offset_ms(const struct zone *zone, int64_t unix_ms) {
    return zone_offset_s(zone, floor_div(unix_ms, 1000)) * 1000;
}

/* Walks the stretches of constant offset from well before: the first that contains the local time wins (so a repeat
 * gives its first); a stretch that begins after it means that it was skipped. */
int64_t zone_local_to_unix_s(const struct zone *zone, int64_t local_s) {
    for (size_t i = transitions_until(zone, local_s - 2 * DAY_S);; i++) {
        int64_t at_s = local_s - offset_after(zone, i);
        if (i > 0 && at_s < zone->items[i - 1].at_s)
            return zone->items[i - 1].at_s;
        if (i == zone->count || at_s < zone->items[i].at_s)
            return at_s;
    }
}

bool zone_is_even(const struct zone *zone, int64_t from_s, int64_t to_s) {
    return transitions_until(zone, from_s) == transitions_until(zone, to_s);
}

int64_t zone_to_unix_ms(const struct zone *zone, int year, int month, int day, int hour, int minute) {
    int64_t local_s = civil_to_days(year, month, day) * DAY_S + hour * INT64_C(3600) + minute * INT64_C(60);
    return zone_local_to_unix_s(zone, local_s) * 1000;
}
