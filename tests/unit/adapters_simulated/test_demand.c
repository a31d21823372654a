/*
 * The demand trace: what is read, how it goes on for ever, what is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "adapters/simulated/simulated_internal.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/timefmt.h"

#define HEADER "timestamp_rfc3339,value\n"
#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
#define MONDAY_MS INT64_C(1736121600000) /* 2025-01-06T00:00:00Z */

static enum err_class load(const char *text, struct sim_trace *trace, struct arena *arena, struct error *err) {
    int fd = memfd_create("trace", 0);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    enum err_class class = sim_trace_load(trace, arena, path, "t.csv", err);
    close(fd);
    return class;
}

/* Hourly rows whose value is the number of the hour. */
static void load_hours(size_t hours, struct sim_trace *trace, struct arena *arena) {
    struct buf text = {0};
    struct error err;
    buf_puts(&text, HEADER);
    for (size_t i = 0; i < hours; i++) {
        char at[TIME_TEXT_MAX];
        time_format(MONDAY_MS + (int64_t)i * HOUR_MS, at);
        buf_printf(&text, "%s,%zu\n", at, i);
    }
    cr_assert_eq(load(buf_text(&text), trace, arena, &err), ERR_NONE, "%s", err.message);
    buf_release(&text);
}

Test(simulated_demand, period_is_whole_weeks_else_days_else_all) {
    static const struct {
        size_t hours;
        int64_t period_ms;
    } rows[] = {
        {15 * 24, 14 * DAY_MS},   {14 * 24, 14 * DAY_MS}, {14 * 24 - 1, 7 * DAY_MS}, {6 * 24 + 5, 6 * DAY_MS},
        {7 * 24 - 1, 6 * DAY_MS}, {24, DAY_MS},           {23, 23 * HOUR_MS},        {2, 2 * HOUR_MS},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct sim_trace trace;
        load_hours(rows[i].hours, &trace, &arena);
        cr_expect_eq(trace.period_ms, rows[i].period_ms, "row %zu", i);
        cr_expect_eq((int64_t)trace.count, rows[i].period_ms / HOUR_MS, "row %zu", i);
        cr_expect_eq(trace.value_max, (double)(trace.count - 1), "row %zu: the maximum is of what is repeated", i);
        arena_release(&arena);
    }
}

Test(simulated_demand, weekday_and_time_of_day_are_those_of_the_wall_clock) {
    struct arena arena = {0};
    struct sim_trace trace;
    load_hours(16 * 24, &trace, &arena);
    for (int64_t weeks = -200; weeks <= 200; weeks += 2) { /* The period is two weeks. */
        int64_t shift_ms = weeks * 7 * DAY_MS;
        cr_expect_eq(sim_trace_at(&trace, MONDAY_MS + shift_ms), 0);
        cr_expect_eq(sim_trace_at(&trace, MONDAY_MS + shift_ms + 26 * HOUR_MS), 26);
        cr_expect_eq(sim_trace_at(&trace, MONDAY_MS + shift_ms + 13 * DAY_MS), 13 * 24);
    }
    arena_release(&arena);
}

Test(simulated_demand, values_are_interpolated_over_gaps_and_over_the_seam) {
    struct arena arena = {0};
    struct sim_trace trace;
    struct error err;
    cr_assert_eq(load(HEADER "2025-01-06T00:00:00Z,10\n2025-01-06T01:00:00Z,20\n2025-01-06T05:00:00Z,60\n"
                             "2025-01-06T23:00:00Z,30\n",
                      &trace, &arena, &err),
                 ERR_NONE);
    cr_expect_eq(trace.period_ms, DAY_MS);
    cr_expect_float_eq(sim_trace_at(&trace, MONDAY_MS + HOUR_MS / 2), 15, 1e-9);
    cr_expect_float_eq(sim_trace_at(&trace, MONDAY_MS + 3 * HOUR_MS), 40, 1e-9, "in the gap");
    cr_expect_float_eq(sim_trace_at(&trace, MONDAY_MS + 5 * HOUR_MS), 60, 1e-9);
    cr_expect_float_eq(sim_trace_at(&trace, MONDAY_MS + 23 * HOUR_MS + HOUR_MS / 2), 20, 1e-9, "between 30 and 10");
    cr_expect_float_eq(sim_trace_at(&trace, MONDAY_MS - HOUR_MS / 2), 20, 1e-9, "the same place a day before");
    arena_release(&arena);
}

Test(simulated_demand, shipped_traces_have_whole_weeks_and_a_daily_rhythm) {
    static const struct {
        const char *path;
        int64_t weeks;
        double correlation_min;
    } rows[] = {
        {"tests/data/demand/nasa_http_1995_jul.csv", 3, 0.4},
        {"tests/data/demand/servegen_m_small_client_5.csv", 2, 0.9},
        {"tests/data/demand/ccc_cluster28_cpu.csv", 4, 0.4},
    };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        struct arena arena = {0};
        struct sim_trace trace;
        struct error err;
        cr_assert_eq(sim_trace_load(&trace, &arena, rows[r].path, rows[r].path, &err), ERR_NONE, "%s", err.message);
        cr_expect_eq(trace.period_ms, rows[r].weeks * 7 * DAY_MS, "%s", rows[r].path);
        double sum = 0, squares = 0, products = 0;
        int64_t hours = trace.period_ms / HOUR_MS;
        for (int64_t h = 0; h < hours; h++) {
            sum += sim_trace_at(&trace, MONDAY_MS + h * HOUR_MS);
        }
        for (int64_t h = 0; h < hours; h++) {
            double now = sim_trace_at(&trace, MONDAY_MS + h * HOUR_MS) - sum / (double)hours;
            double next_day = sim_trace_at(&trace, MONDAY_MS + h * HOUR_MS + DAY_MS) - sum / (double)hours;
            squares += now * now;
            products += now * next_day;
        }
        cr_expect_gt(products / squares, rows[r].correlation_min, "%s: %f", rows[r].path, products / squares);
        arena_release(&arena);
    }
}

Test(simulated_demand, what_is_not_a_trace_is_refused_with_its_line) {
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "t.csv: fewer than two samples"},
        {"time,value\n2025-01-06T00:00:00Z,1\n", "t.csv: line 1: the header"},
        {HEADER "2025-01-06T00:00:00Z,1\n", "t.csv: fewer than two samples"},
        {HEADER "2025-01-06T00:00:00Z,1\n2025-01-06T01:00:00Z\n", "t.csv: line 3: not `time,value`"},
        {HEADER "2025-01-06T00:00:00Z,1\nyesterday,1\n", "t.csv: line 3: the time"},
        {HEADER "2025-01-06T00:00:00Z,1\n2025-01-06T01:00:00Z,x\n", "t.csv: line 3: the value"},
        {HEADER "2025-01-06T00:00:00Z,1\n2025-01-06T01:00:00Z,inf\n", "t.csv: line 3: the value"},
        {HEADER "2025-01-06T00:00:00Z,1\n2025-01-06T01:00:00Z,-1\n", "t.csv: line 3: demand cannot be negative"},
        {HEADER "2025-01-06T00:00:00Z,1\n2025-01-06T00:00:00Z,1\n", "t.csv: line 3: the times do not ascend"},
        {HEADER "2025-01-06T00:00:00Z,0\n2025-01-06T01:00:00Z,0\n", "t.csv: all values are zero"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct sim_trace trace;
        struct error err = {0};
        cr_expect_eq(load(rows[i].text, &trace, &arena, &err), ERR_PERMANENT, "row %zu", i);
        cr_expect(strstr(err.message, rows[i].message), "row %zu: %s", i, err.message);
        arena_release(&arena);
    }
}
