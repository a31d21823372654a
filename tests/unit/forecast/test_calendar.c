/*
 * Declared events as factors: against sums worked out by hand, the zones' published clock changes, and a count of every
 * half minute.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "forecast/calendar.h"
#include "series.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

static int64_t at(const char *text) {
    int64_t ms;
    cr_assert(time_parse(text, &ms), "%s", text);
    return ms;
}

static struct policy_event once(int64_t start_ms, int64_t duration_ms, int64_t percent) {
    return (struct policy_event){
        .name = "once", .start_ms = start_ms, .duration_ms = duration_ms, .factor_percent = percent};
}

static struct policy_event again(const char *cron, const char *zone, int64_t duration_ms, int64_t percent) {
    struct policy_event event = {
        .name = "again", .recurs = true, .duration_ms = duration_ms, .factor_percent = percent};
    struct error err = {0};
    cr_assert_eq(schedule_parse(cron, zone, &event.schedule, &err), ERR_NONE, "%s: %s", cron, err.message);
    return event;
}

static struct policy policy_of(const struct policy_event *events, size_t count) {
    return (struct policy){.forecast = {.events = events, .event_count = count}};
}

Test(calendar, without_an_event_in_the_span_there_are_no_factors) {
    struct arena arena = {0};
    int64_t start = at("2026-03-01T00:00:00Z");
    const struct policy none = policy_of(NULL, 0);
    cr_expect_null(calendar_factors(&none, start, HOUR_MS, 24, &arena));
    const struct policy_event events[] = {once(start - HOUR_MS, HOUR_MS, 300), once(start + DAY_MS, HOUR_MS, 300),
                                          again("0 0 1 4 *", "UTC", 31 * DAY_MS, 300)};
    const struct policy policy = policy_of(events, 3);
    cr_expect_null(calendar_factors(&policy, start, HOUR_MS, 24, &arena));
    cr_expect_not_null(calendar_factors(&policy, start - 1, HOUR_MS, 24, &arena)); /* The last ms of the first. */
    cr_expect_not_null(calendar_factors(&policy, start + 1, HOUR_MS, 24, &arena)); /* The first ms of the second. */
    arena_release(&arena);
}

/* The drawing at the head of calendar.c. */
Test(calendar, a_slot_gets_the_mean_of_its_parts) {
    struct arena arena = {0};
    int64_t start = at("2026-03-01T00:00:00Z");
    const struct policy_event events[] = {once(start + 6 * MINUTE_MS, 10 * MINUTE_MS, 300),
                                          once(start + 12 * MINUTE_MS, 15 * MINUTE_MS, 150)};
    const struct policy policy = policy_of(events, 2);
    const float *factors = calendar_factors(&policy, start, 10 * MINUTE_MS, 4, &arena);
    cr_assert(factors);
    cr_expect_float_eq(factors[0], (6 + 4 * 3) / 10.0, 1e-6);
    cr_expect_float_eq(factors[1], (2 * 3 + 4 * 4.5 + 4 * 1.5) / 10, 1e-6);
    cr_expect_float_eq(factors[2], (7 * 1.5 + 3) / 10, 1e-6);
    cr_expect_eq(factors[3], 1);
    arena_release(&arena);
}

Test(calendar, an_event_that_starts_again_before_its_end_is_in_force_once) {
    struct arena arena = {0};
    int64_t start = at("2026-03-01T00:00:00Z");
    const struct policy_event event = again("0 */2 * * *", "UTC", 3 * HOUR_MS, 200);
    const struct policy policy = policy_of(&event, 1);
    const float *factors = calendar_factors(&policy, start, 30 * MINUTE_MS, 96, &arena);
    cr_assert(factors);
    for (size_t i = 0; i < 96; i++)
        cr_expect_eq(factors[i], 2, "slot %zu: %g", i, (double)factors[i]);
    arena_release(&arena);
}

/* An event of an hour, once a day; the hour of UTC in which it must be on that day, and only then. */
Test(calendar, clock_changes) {
    static const struct {
        const char *cron, *zone, *day;
        int expected; /* Minute of the day in UTC. */
    } rows[] = {
        {"30 2 * * *", "Europe/Berlin", "2026-03-28", 90},  /* +1 */
        {"30 2 * * *", "Europe/Berlin", "2026-03-29", 60},  /* Does not exist: at the end of the gap, 03:00 +2. */
        {"30 2 * * *", "Europe/Berlin", "2026-03-30", 30},  /* +2 */
        {"0 10 * * *", "Europe/Berlin", "2026-03-28", 540}, /* A sale at 10:00 is at 10:00 of the clock. */
        {"0 10 * * *", "Europe/Berlin", "2026-03-29", 480},
        {"30 2 * * *", "Europe/Berlin", "2026-10-24", 30},
        {"30 2 * * *", "Europe/Berlin", "2026-10-25", 30}, /* Twice: the first, not the second. */
        {"30 2 * * *", "Europe/Berlin", "2026-10-26", 90},
        {"30 2 * * *", "America/New_York", "2026-03-07", 450}, /* -5 */
        {"30 2 * * *", "America/New_York", "2026-03-08", 420}, /* Does not exist: 03:00 -4. */
        {"30 2 * * *", "America/New_York", "2026-03-09", 390},
        {"30 1 * * *", "America/New_York", "2026-10-31", 330},
        {"30 1 * * *", "America/New_York", "2026-11-01", 330}, /* Twice: the first. */
        {"30 1 * * *", "America/New_York", "2026-11-02", 390},
    };
    enum { SLOTS = 288 };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct arena arena = {0};
        char midnight[TIME_TEXT_MAX];
        snprintf(midnight, sizeof(midnight), "%sT00:00:00Z", rows[i].day);
        const struct policy_event event = again(rows[i].cron, rows[i].zone, HOUR_MS, 300);
        const struct policy policy = policy_of(&event, 1);
        const float *factors = calendar_factors(&policy, at(midnight), 5 * MINUTE_MS, SLOTS, &arena);
        cr_assert(factors, "row %zu", i);
        for (int s = 0; s < SLOTS; s++) {
            bool is_on = s * 5 >= rows[i].expected && s * 5 < rows[i].expected + 60;
            cr_expect_eq(factors[s], is_on ? 3 : 1, "row %zu: minute %d is %g", i, s * 5, (double)factors[s]);
        }
        arena_release(&arena);
    }
}

/* Its duration is time that passes: an event over the night of a clock change is as long as in any other. */
Test(calendar, an_event_over_a_clock_change_keeps_its_length) {
    static const char *const days[] = {"2026-03-28T00:00:00Z", "2026-10-24T00:00:00Z", "2026-06-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof(days) / sizeof(*days); i++) {
        struct arena arena = {0};
        const struct policy_event event = again("0 22 * * 6", "Europe/Berlin", 8 * HOUR_MS, 200);
        const struct policy policy = policy_of(&event, 1);
        const float *factors = calendar_factors(&policy, at(days[i]), HOUR_MS, 168, &arena);
        double sum = 0;
        for (size_t s = 0; factors && s < 168; s++)
            sum += (double)factors[s] - 1;
        cr_expect_eq(sum, 8, "%s: %g", days[i], sum);
        arena_release(&arena);
    }
}

Test(calendar, all_events_together_are_bounded) {
    struct policy_event events[64];
    struct arena arena = {0};
    for (int rise = 0; rise < 2; rise++) {
        for (size_t i = 0; i < 64; i++)
            events[i] = once(0, DAY_MS, rise ? 10000 : 1);
        const struct policy policy = policy_of(events, 64);
        const float *factors = calendar_factors(&policy, 0, HOUR_MS, 1, &arena);
        cr_assert(factors);
        cr_expect_float_eq((double)factors[0], rise ? 1e4 : 1e-4, 1e-8);
    }
    arena_release(&arena);
}

#define TICK_MS (30 * INT64_C(1000))

static size_t pick(struct chance *c, size_t count) {
    return (size_t)(chance_next(c) * (double)count);
}

/* Whole half minutes, so that a count of them is exact. */
static size_t events_draw(struct policy_event *events, int64_t start_ms, struct chance *c) {
    static const char *const crons[] = {"30 2 * * *", "0 22 * * 0", "*/20 1-3 * * *", "15 */6 * * 1-5", "0 0 1 * *"};
    static const char *const zones[] = {"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"};
    static const int64_t percents[] = {1, 25, 50, 150, 200, 300, 400};
    size_t count = 1 + pick(c, 5);
    for (size_t i = 0; i < count; i++) {
        int64_t duration = (int64_t)(2 + pick(c, chance_next(c) < 0.5 ? 60 : 3000)) * TICK_MS;
        int64_t percent = percents[pick(c, 7)];
        events[i] = chance_next(c) < 0.4 ? once(start_ms + ((int64_t)pick(c, 9000) - 2000) * TICK_MS, duration, percent)
                                         : again(crons[pick(c, 5)], zones[pick(c, 4)], duration, percent);
    }
    return count;
}

static double counted(const struct policy_event *events, size_t count, int64_t from_ms, int64_t to_ms) {
    double sum = 0;
    for (int64_t t = from_ms; t < to_ms; t += TICK_MS) {
        double product = 1;
        for (size_t i = 0; i < count; i++) {
            const struct policy_event *e = &events[i];
            bool is_on = e->recurs ? schedule_is_open(&e->schedule, e->duration_ms, t)
                                   : t >= e->start_ms && t < e->start_ms + e->duration_ms;
            product *= is_on ? (double)e->factor_percent / 100 : 1;
        }
        sum += product;
    }
    return sum / (double)((to_ms - from_ms) / TICK_MS);
}

Test(calendar, factors_are_what_a_count_of_every_half_minute_gives) {
    static const char *const starts[] = {"2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z", "2026-03-07T18:00:00Z",
                                         "2026-10-31T18:00:00Z", "2026-06-30T06:00:00Z"};
    static const int64_t steps[] = {TICK_MS, MINUTE_MS, 5 * MINUTE_MS, 7 * MINUTE_MS, HOUR_MS};
    size_t changed = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct chance c = {seed};
        struct arena arena = {0};
        struct policy_event events[8];
        int64_t start = at(starts[pick(&c, 5)]), step = steps[pick(&c, 5)];
        const struct policy policy = policy_of(events, events_draw(events, start, &c));
        size_t slots = (size_t)(36 * HOUR_MS / step);
        const float *factors = calendar_factors(&policy, start, step, slots, &arena);
        /* Nothing depends on where the span begins. */
        const float *later = calendar_factors(&policy, start + step * 5, step, slots - 5, &arena);
        for (size_t i = 0; i < slots; i++) {
            int64_t from = start + (int64_t)i * step;
            double expected = counted(events, policy.forecast.event_count, from, from + step);
            double found = factors ? (double)factors[i] : 1;
            cr_assert_float_eq(found, fmin(1e4, fmax(1e-4, expected)), 1e-6 * (1 + expected),
                               "seed %llu: slot %zu is %g, not %g", (unsigned long long)seed, i, found, expected);
            if (i >= 5)
                cr_assert_float_eq(later ? (double)later[i - 5] : 1, found, 1e-6 * found);
            changed += found != 1;
        }
        arena_release(&arena);
    }
    cr_assert_gt(changed, 1000u); /* The draw is not of quiet days alone. */
}
