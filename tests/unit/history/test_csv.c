/*
 * Demand files: what is read, what is refused and how it is told, and the grid that comes of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "history/csv.h"

static enum err_class parse(const char *text, size_t size, size_t piece, struct history_csv *csv, struct error *err) {
    enum err_class class = ERR_NONE;
    for (size_t at = 0; !class && at < size; at += piece) {
        size_t now = size - at < piece ? size - at : piece;
        class = history_csv_feed(csv, (struct bytes){text + at, now}, err);
    }
    return class ? class : history_csv_finish(csv, err);
}

static struct history_csv parse_ok(const char *text) {
    struct history_csv csv = {0};
    struct error err = {0};
    cr_assert_eq(parse(text, strlen(text), 4096, &csv, &err), ERR_NONE, "%s", err.message);
    return csv;
}

Test(history_csv, headers_blank_lines_quotes_and_line_ends_are_tolerated) {
    static const char *const texts[] = {
        "timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T00:05:00Z,2.5\n",
        "2026-01-01T00:00:00Z,1\n2026-01-01T00:05:00Z,2.5",
        "\xef\xbb\xbftime , demand\r\n\r\n 2026-01-01T00:00:00Z , 1 \r\n2026-01-01T00:05:00Z,2.5\r\n\r\n",
        "\"t\",\"v\"\n\"2026-01-01T00:00:00Z\",\"1\"\n\"2026-01-01T02:05:00+02:00\",\"2.5\"\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct history_csv csv = parse_ok(texts[i]);
        cr_assert_eq(csv.count, 2, "text %zu: %zu rows", i, csv.count);
        cr_expect_eq(csv.times_ms[1] - csv.times_ms[0], 300000, "text %zu", i);
        cr_expect_eq(csv.values[0], 1.0F);
        cr_expect_eq(csv.values[1], 2.5F);
        history_csv_release(&csv);
    }
}

Test(history_csv, faults_are_named_with_row_and_line) {
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"", "no rows"},
        {"timestamp,value\n", "no rows"},
        {"2026-01-01T00:00:00Z,NaN\n", "no row has a value"},
        {"t,v\n2026-01-01T00:00:00Z,1\n\n2026-01-01T00:05:00Z,x\n", "row 2 (line 4): the value is not a number"},
        {"t,v\nt,v\n", "row 1 (line 2): the timestamp"},
        {"2026-01-01 ,5\n", "row 1 (line 1): the timestamp"},
        {"2026-02-30T00:00:00Z,5\n", "row 1 (line 1): the timestamp"},
        {"t,v\n2026-01-01T00:00:00Z,inf\n", "row 1 (line 2): the value is infinite"},
        {"t,v\n2026-01-01T00:00:00Z,-Infinity\n", "the value is infinite"},
        {"t,v\n2026-01-01T00:00:00Z,1e39\n", "the value is infinite or too large"},
        {"t,v\n2026-01-01T00:00:00Z\n", "row 1 (line 2): has one field"},
        {"t,v\n2026-01-01T00:00:00Z,1,2\n", "more than two fields"},
        {"t,v\n2026-01-01T00:00:00Z,0x10\n", "not a number"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct history_csv csv = {0};
        struct error err = {0};
        cr_expect_eq(parse(rows[i].text, strlen(rows[i].text), 4096, &csv, &err), ERR_PERMANENT, "%s", rows[i].text);
        cr_expect_not_null(strstr(err.message, rows[i].expected), "\"%s\": \"%s\"", rows[i].text, err.message);
        history_csv_release(&csv);
    }
}

Test(history_csv, binary_and_endless_lines_are_refused) {
    static char text[100000];
    struct history_csv csv = {0};
    struct error err = {0};
    cr_expect_eq(parse("2026-01-01T00:00:00Z,1\0,2\n", 26, 4096, &csv, &err), ERR_PERMANENT);
    history_csv_release(&csv);
    memset(text, '1', sizeof(text));
    cr_expect_eq(parse(text, sizeof(text), 4096, &csv, &err), ERR_PERMANENT);
    cr_expect_not_null(strstr(err.message, "too long"));
    history_csv_release(&csv);
}

Test(history_csv, pieces_of_any_size_give_the_same) {
    const char text[] = "timestamp,value\r\n2026-01-01T00:00:00Z,1\r\n2026-01-01T00:05:00Z,\r\n2026-01-01T00:10:00Z,3";
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct history_csv csv = {0};
        struct error err = {0};
        cr_assert_eq(parse(text, sizeof(text) - 1, piece, &csv, &err), ERR_NONE, "%zu: %s", piece, err.message);
        cr_assert_eq(csv.count, 3);
        cr_assert(isnan(csv.values[1]));
        cr_assert_eq(csv.values[2], 3.0F);
        history_csv_release(&csv);
    }
}

Test(history_csv, files_that_cannot_be_read_are_another_class) {
    struct history_csv csv = {0};
    struct error err = {0};
    cr_assert_eq(history_csv_read("/nonexistent/series.csv", &csv, &err), ERR_RETRYABLE);
    cr_assert_not_null(strstr(err.message, "/nonexistent/series.csv"));
    cr_assert_eq(history_csv_read("/", &csv, &err), ERR_RETRYABLE, "a directory");
    history_csv_release(&csv);
}

/* Minutes after midnight and values -> the grid. A value of -1 stands for a gap. */
static void check_grid(const char *what, const char *text, size_t rows, int64_t step_ms, const float *expected,
                       size_t count) {
    struct history_csv csv = parse_ok(text);
    struct arena arena = {0};
    struct history_series series = history_csv_grid(&csv, rows, &arena);
    cr_expect_eq(series.step_ms, step_ms, "%s: step %lld", what, (long long)series.step_ms);
    cr_assert_eq(series.count, count, "%s: %zu slots", what, series.count);
    cr_expect_eq(series.start_ms % series.step_ms, 0, "%s", what);
    for (size_t i = 0; i < count; i++) {
        if (expected[i] < 0)
            cr_expect(isnan(series.demand[i]), "%s: slot %zu is a gap", what, i);
        else
            cr_expect_eq(series.demand[i], expected[i], "%s: slot %zu is %g", what, i, (double)series.demand[i]);
    }
    arena_release(&arena);
    history_csv_release(&csv);
}

#define AT(minute) "2026-01-01T00:" minute "Z,"

Test(history_csv, rows_come_onto_a_grid) {
    check_grid("missing row", AT("00:00") "1\n" AT("05:00") "2\n" AT("15:00") "4\n" AT("20:00") "5\n", 4, 300000,
               (float[]){1, 2, -1, 4, 5}, 5);
    check_grid("empty at the end", AT("00:00") "1\n" AT("05:00") "2\n" AT("10:00") "\n", 3, 300000, (float[]){1, 2, -1},
               3);
    check_grid("out of order", AT("10:00") "3\n" AT("00:00") "1\n" AT("05:00") "2\n", 3, 300000, (float[]){1, 2, 3}, 3);
    check_grid("last of equal times", AT("00:00") "1\n" AT("05:00") "2\n" AT("05:00") "7\n" AT("10:00") "3\n", 4,
               300000, (float[]){1, 7, 3}, 3);
    check_grid("off the grid", AT("01:00") "1\n" AT("06:02") "2\n" AT("11:00") "3\n" AT("16:00") "4\n", 4, 300000,
               (float[]){1, 2, 3, 4}, 4);
    check_grid("two in a slot",
               AT("00:00") "1\n" AT("05:00") "2\n" AT("10:00") "3\n" AT("11:00") "5\n" AT("15:00") "6\n", 5, 300000,
               (float[]){1, 2, 4, 6}, 4);
    check_grid("one row", AT("00:00") "1\n", 1, HISTORY_CSV_STEP_MS, (float[]){1}, 1);
    check_grid("no rows of some", AT("00:00") "1\n", 0, HISTORY_CSV_STEP_MS, NULL, 0);
    check_grid("a prefix", AT("00:00") "1\n" AT("01:00") "2\n" AT("06:00") "3\n" AT("11:00") "4\n", 2, 60000,
               (float[]){1, 2}, 2);
}

Test(history_csv, a_gap_of_centuries_costs_no_memory) {
    struct history_csv csv = parse_ok("1026-01-01T00:00:00Z,1\n1026-01-01T00:00:01Z,1\n2026-01-01T00:00:00Z,2\n"
                                      "2026-01-01T00:00:01Z,3\n");
    struct arena arena = {0};
    struct history_series series = history_csv_grid(&csv, 4, &arena);
    cr_assert_eq(series.step_ms, 1000);
    cr_assert_eq(series.count, HISTORY_CSV_SLOTS_MAX);
    cr_assert_eq(series.demand[series.count - 1], 3.0F);
    cr_assert_eq(series.demand[series.count - 2], 2.0F);
    cr_assert(isnan(series.demand[0]));
    arena_release(&arena);
    history_csv_release(&csv);
}

/* Rows after the prefix must not matter in any way: rolling origins rely on it. */
Test(history_csv, the_grid_of_a_prefix_ignores_the_rest) {
    static const char *const minutes[] = {"00", "05", "03", "10", "20", "15", "15", "40", "33", "50"};
    char text[1024] = "";
    for (size_t rows = 1; rows <= 10; rows++) {
        size_t size = strlen(text);
        snprintf(text + size, sizeof(text) - size, "2026-01-01T00:%s:00Z,%zu\n", minutes[rows - 1], rows);
        char longer[2048];
        snprintf(longer, sizeof(longer), "%s2025-01-01T00:00:00Z,9\n2027-01-01T00:00:07Z,9\n", text);
        struct history_csv one = parse_ok(text), other = parse_ok(longer);
        struct arena arena = {0};
        struct history_series a = history_csv_grid(&one, rows, &arena), b = history_csv_grid(&other, rows, &arena);
        cr_assert_eq(a.count, b.count);
        cr_assert_eq(a.step_ms, b.step_ms);
        cr_assert_eq(a.start_ms, b.start_ms);
        cr_assert_eq(memcmp(a.demand, b.demand, a.count * sizeof(float)), 0);
        arena_release(&arena);
        history_csv_release(&one);
        history_csv_release(&other);
    }
}

Test(history_csv, a_step_that_is_known_is_kept_whatever_the_rows_look_like) {
    struct history_csv csv = {.step_ms = 600000};
    struct arena arena = {0};
    for (int64_t i = 0; i < 3; i++)
        history_csv_add(&csv, i * 1800000, i == 1 ? NAN : 5);
    cr_assert_eq(csv.count, 3);
    cr_expect_eq(csv.value_count, 2);
    struct history_series one = history_csv_grid(&csv, 1, &arena), all = history_csv_grid(&csv, 3, &arena);
    cr_expect_eq(one.step_ms, 600000);
    cr_expect_eq(all.step_ms, 600000);
    cr_expect_eq(all.count, 7);
    arena_release(&arena);
    history_csv_release(&csv);
}
