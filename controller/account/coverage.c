/*
 * See coverage.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "account/coverage.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/timefmt.h"

#define DAY_MS INT64_C(86400000)
#define LATE_SLOTS 24       /* How many slots late a sample may come and still find what was forecast for it. */
#define DATE_SIZE 10        /* "2026-11-28" */
#define COUNT_MAX 999999999 /* Nine digits, as they are read. */

/* ---- days ---- */

static struct coverage_day *day_at(struct coverage *coverage, int64_t day) {
    struct coverage_day *it = &coverage->days[day % COVERAGE_DAYS];
    if (it->day < day)
        *it = (struct coverage_day){.day = day};
    return it->day == day ? it : NULL; /* A newer one has its place: this one is past. */
}

static void count_in(struct coverage_count *count, bool is_covered) {
    if (count->samples >= COUNT_MAX)
        return;
    count->samples++;
    count->covered += is_covered;
}

/* ---- what waits ---- */

static struct coverage_slot *slot_at(const struct coverage_watch *watch, int64_t start_ms) {
    return &watch->slots[(size_t)(start_ms / watch->step_ms) % watch->slot_count];
}

/* Another step or lead time: what waits was forecast under other terms. */
static void watch_fit(struct coverage_watch *watch, int64_t step_ms, size_t lead_steps) {
    if (watch->slots && watch->step_ms == step_ms && watch->lead_steps == lead_steps)
        return;
    coverage_watch_release(watch);
    *watch =
        (struct coverage_watch){.step_ms = step_ms, .lead_steps = lead_steps, .slot_count = lead_steps + LATE_SLOTS};
    watch->slots = mem_alloc_array(watch->slot_count, sizeof(*watch->slots));
}

void coverage_watch_release(struct coverage_watch *watch) {
    mem_free(watch->slots);
    *watch = (struct coverage_watch){0};
}

static void settle(struct coverage_count *count, float forecast, float sample, bool is_saturated) {
    bool is_covered = sample <= forecast;
    if (!isnan(forecast) && !(is_covered && is_saturated))
        count_in(count, is_covered);
}

void coverage_settle(struct coverage_watch *watch, const struct history_series *history, struct coverage *coverage) {
    if (!watch->slots || history->count == 0 || history->step_ms != watch->step_ms)
        return;
    for (size_t i = 0; i < watch->slot_count; i++) {
        struct coverage_slot *slot = &watch->slots[i];
        int64_t at = (slot->start_ms - history->start_ms) / history->step_ms;
        if (slot->start_ms <= 0 || slot->start_ms < history->start_ms || at >= (int64_t)history->count ||
            !isfinite(history->demand[at]))
            continue;
        struct coverage_day *day = day_at(coverage, slot->start_ms / DAY_MS);
        bool is_saturated = history_is_saturated(history, (size_t)at);
        if (day) {
            settle(&day->step, slot->step, history->demand[at], is_saturated);
            settle(&day->lead, slot->lead, history->demand[at], is_saturated);
        }
        slot->start_ms = 0;
    }
}

static void expect(const struct coverage_watch *watch, int64_t start_ms, double value, bool is_lead) {
    struct coverage_slot *slot = slot_at(watch, start_ms);
    if (slot->start_ms > start_ms)
        return;
    if (slot->start_ms < start_ms)
        *slot = (struct coverage_slot){.start_ms = start_ms, .step = NAN, .lead = NAN};
    float *to = is_lead ? &slot->lead : &slot->step;
    if (isnan(*to))
        *to = (float)value;
}

void coverage_expect(struct coverage_watch *watch, const struct forecast *forecast, size_t quantile, int64_t lead_ms) {
    if (forecast->basis == FORECAST_BASIS_NONE || forecast->steps == 0 || forecast->start_ms <= 0 ||
        quantile >= forecast->quantile_count)
        return;
    size_t last = forecast->steps - 1;
    int64_t steps = (lead_ms + forecast->step_ms - 1) / forecast->step_ms;
    size_t lead = steps < 0 ? 0 : steps > (int64_t)last ? last : (size_t)steps;
    watch_fit(watch, forecast->step_ms, lead);
    expect(watch, forecast->start_ms, forecast_value(forecast, 0, quantile), false);
    expect(watch, forecast->start_ms + (int64_t)lead * forecast->step_ms, forecast_value(forecast, lead, quantile),
           true);
}

/* ---- sums, and the form in the status ---- */

static bool is_recent(const struct coverage_day *day, int64_t today) {
    return day->day > today - COVERAGE_DAYS && day->day <= today && (day->step.samples > 0 || day->lead.samples > 0);
}

static int64_t share(int64_t covered, int64_t samples) {
    return samples > 0 ? 1000 * covered / samples : -1;
}

struct coverage_sum coverage_sum(const struct coverage *coverage, int64_t now_ms) {
    struct coverage_sum sum = {0};
    int64_t step = 0, lead = 0;
    for (size_t i = 0; i < COVERAGE_DAYS; i++) {
        const struct coverage_day *day = &coverage->days[i];
        if (!is_recent(day, now_ms / DAY_MS))
            continue;
        sum.step_samples += day->step.samples;
        sum.lead_samples += day->lead.samples;
        step += day->step.covered;
        lead += day->lead.covered;
    }
    sum.step_per_mille = share(step, sum.step_samples);
    sum.lead_per_mille = share(lead, sum.lead_samples);
    return sum;
}

void coverage_print(const struct coverage *coverage, int64_t now_ms, struct json_writer *w) {
    int64_t today = now_ms / DAY_MS;
    jw_open(w, '[');
    for (int64_t day = today - COVERAGE_DAYS + 1; day <= today; day++) {
        const struct coverage_day *it = &coverage->days[day < 0 ? 0 : day % COVERAGE_DAYS];
        char time[TIME_TEXT_MAX], text[80];
        if (it->day != day || !is_recent(it, today))
            continue;
        time_format(day * DAY_MS, time);
        (void)snprintf(text, sizeof(text), "%.*s %" PRIu32 "/%" PRIu32 " %" PRIu32 "/%" PRIu32, DATE_SIZE, time,
                       it->step.covered, it->step.samples, it->lead.covered, it->lead.samples);
        jw_string(w, text);
    }
    jw_close(w, ']');
}

/* " 286/288", and moves *text behind it. */
static bool count_read(const char **text, struct coverage_count *ret) {
    uint32_t numbers[2] = {0};
    const char *at = *text;
    for (int i = 0; i < 2; i++) {
        if (*at++ != (i ? '/' : ' ') || !isdigit((unsigned char)*at))
            return false;
        for (; isdigit((unsigned char)*at); at++) {
            numbers[i] = numbers[i] * 10 + (uint32_t)(*at - '0');
            if (numbers[i] > COUNT_MAX / 10 && isdigit((unsigned char)at[1]))
                return false;
        }
    }
    *ret = (struct coverage_count){.covered = numbers[0], .samples = numbers[1]};
    *text = at;
    return ret->covered <= ret->samples;
}

static bool day_read(const char *text, struct coverage_day *ret) {
    char time[TIME_TEXT_MAX];
    int64_t time_ms;
    struct coverage_day day = {0};
    if (strlen(text) < DATE_SIZE)
        return false;
    (void)snprintf(time, sizeof(time), "%.*sT00:00:00Z", DATE_SIZE, text);
    text += DATE_SIZE;
    if (!time_parse(time, &time_ms) || time_ms < 0 || !count_read(&text, &day.step) || !count_read(&text, &day.lead) ||
        *text)
        return false;
    day.day = time_ms / DAY_MS;
    *ret = day;
    return true;
}

void coverage_read(const struct json *days, struct coverage *ret) {
    *ret = (struct coverage){0};
    for (size_t i = 0; i < json_array_count(days) && i < COVERAGE_DAYS; i++) {
        struct coverage_day read;
        if (!day_read(json_string(json_array_at(days, i), ""), &read))
            continue;
        struct coverage_day *day = day_at(ret, read.day);
        if (day)
            *day = read;
    }
}
