/*
 * Reading of demand files. One pass, one line in memory; a file of any size is bounded by its rows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "history/csv.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

#define CHUNK_SIZE 65536
#define STEP_SAMPLES_MAX ((size_t)1 << 18) /* The newest distances are enough to know the step. */
#define MODE_SHARE_MIN 4 /* If not one distance in so many is the most common, times jitter: take the median. */

/* ---- lines ---- */

static enum err_class fault(const struct history_csv *csv, struct error *err, const char *what) {
    return error_set(err, ERR_PERMANENT, "row %zu (line %zu): %s", csv->count + 1, csv->line_number, what);
}

/* Cuts white space. */
static char *trim(char *text) {
    while (*text == ' ' || *text == '\t')
        text++;
    size_t size = strlen(text);
    while (size && (text[size - 1] == ' ' || text[size - 1] == '\t' || text[size - 1] == '\r'))
        text[--size] = '\0';
    return text;
}

/* A field without the white space and the quotes around it. */
static char *field(char *text) {
    text = trim(text);
    size_t size = strlen(text);
    if (size >= 2 && text[0] == '"' && text[size - 1] == '"') {
        text[size - 1] = '\0';
        text++;
    }
    return text;
}

enum value_kind { VALUE_NUMBER, VALUE_GAP, VALUE_INFINITE, VALUE_BAD };

static enum value_kind value_parse(const char *text, float *ret) {
    double value;
    *ret = NAN;
    if (!*text || strcasecmp(text, "nan") == 0 || strcasecmp(text, "null") == 0)
        return VALUE_GAP;
    if (!str_to_double(text, &value)) {
        const char *word = *text == '+' || *text == '-' ? text + 1 : text;
        return strncasecmp(word, "inf", 3) == 0 ? VALUE_INFINITE : VALUE_BAD;
    }
    *ret = (float)value;
    return isfinite(*ret) ? VALUE_NUMBER : VALUE_INFINITE;
}

void history_csv_add(struct history_csv *csv, int64_t time_ms, float value) {
    if (csv->count == csv->capacity) {
        size_t capacity = csv->capacity ? csv->capacity * 2 : 1024;
        csv->times_ms = mem_grow(csv->times_ms, csv->capacity, capacity, sizeof(*csv->times_ms));
        csv->values = mem_grow(csv->values, csv->capacity, capacity, sizeof(*csv->values));
        csv->capacity = capacity;
    }
    bool follows = csv->count == 0 || csv->times_ms[csv->count - 1] < time_ms;
    if (csv->sorted_count == csv->count && follows)
        csv->sorted_count++;
    csv->times_ms[csv->count] = time_ms;
    csv->values[csv->count++] = value;
    csv->value_count += isnan(value) ? 0 : 1;
}

static enum err_class line_end(struct history_csv *csv, struct error *err) {
    csv->line[csv->line_size] = '\0';
    if (strlen(csv->line) != csv->line_size)
        return fault(csv, err, "has a NUL byte; is this a text file?");
    csv->line_size = 0;
    char *text = csv->line;
    if (csv->line_number == 1 && str_has_prefix(text, "\xef\xbb\xbf"))
        text += 3;
    text = trim(text);
    if (!*text)
        return ERR_NONE;
    char *comma = strchr(text, ',');
    if (!comma)
        return fault(csv, err, "has one field; timestamp,value expected");
    *comma = '\0';
    char *time_text = field(text), *value_text = field(comma + 1);
    int64_t time_ms;
    float value;
    bool has_time = time_parse(time_text, &time_ms);
    enum value_kind kind = value_parse(value_text, &value);
    if (!has_time && kind == VALUE_BAD && csv->line_number == 1)
        return ERR_NONE; /* The header. */
    if (strchr(comma + 1, ','))
        return fault(csv, err, "has more than two fields; timestamp,value expected");
    if (!has_time)
        return fault(csv, err, "the timestamp is not RFC 3339 like 2026-01-31T09:00:00Z");
    if (kind == VALUE_INFINITE)
        return fault(csv, err, "the value is infinite or too large; leave it empty if it is unknown");
    if (kind == VALUE_BAD)
        return fault(csv, err, "the value is not a number; leave it empty if it is unknown");
    if (csv->count == HISTORY_CSV_ROWS_MAX)
        return fault(csv, err, "too many rows; cut the file to its newest part");
    history_csv_add(csv, time_ms, value);
    return ERR_NONE;
}

enum err_class history_csv_feed(struct history_csv *csv, struct bytes chunk, struct error *err) {
    if (csv->line_number == 0)
        csv->line_number = 1;
    const char *at = chunk.data, *end = chunk.data + chunk.size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((newline ? newline : end) - at);
        if (size >= sizeof(csv->line) - csv->line_size)
            return fault(csv, err, "the line is too long; timestamp,value expected");
        memcpy(csv->line + csv->line_size, at, size);
        csv->line_size += size;
        if (!newline)
            return ERR_NONE;
        enum err_class class = line_end(csv, err);
        if (class)
            return class;
        csv->line_number++;
        at = newline + 1;
    }
    return ERR_NONE;
}

enum err_class history_csv_finish(struct history_csv *csv, struct error *err) {
    enum err_class class = csv->line_size ? line_end(csv, err) : ERR_NONE;
    if (class)
        return class;
    if (csv->count == 0)
        return error_set(err, ERR_PERMANENT, "no rows; timestamp,value expected");
    if (csv->value_count == 0)
        return error_set(err, ERR_PERMANENT, "no row has a value");
    return ERR_NONE;
}

static enum err_class read_stream(FILE *file, struct history_csv *csv, struct error *err) {
    char *chunk = mem_alloc(CHUNK_SIZE);
    enum err_class class = ERR_NONE;
    size_t size;
    while (!class && (size = fread(chunk, 1, CHUNK_SIZE, file)) > 0)
        class = history_csv_feed(csv, (struct bytes){chunk, size}, err);
    if (!class && ferror(file))
        class = error_set(err, ERR_RETRYABLE, "cannot read: %s", strerror(errno));
    mem_free(chunk);
    return class ? class : history_csv_finish(csv, err);
}

enum err_class history_csv_read(const char *path, struct history_csv *csv, struct error *err) {
    bool is_stdin = str_eq(path, "-");
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    if (!file)
        return error_set(err, ERR_RETRYABLE, "%s: %s", path, strerror(errno));
    enum err_class class = read_stream(file, csv, err);
    if (!is_stdin)
        fclose(file);
    return class ? error_wrap(err, "%s", is_stdin ? "standard input" : path) : ERR_NONE;
}

void history_csv_release(struct history_csv *csv) {
    mem_free(csv->times_ms);
    mem_free(csv->values);
    *csv = (struct history_csv){0};
}

/* ---- the grid ---- */

struct row {
    int64_t time_ms;
    size_t index;
};

static int row_cmp(const void *a, const void *b) {
    const struct row *left = a, *right = b;
    if (left->time_ms != right->time_ms)
        return left->time_ms < right->time_ms ? -1 : 1;
    return (left->index > right->index) - (left->index < right->index);
}

struct rows { /* Strictly ascending. */
    const int64_t *times_ms;
    const float *values;
    size_t count;
};

static struct rows rows_sort(const struct history_csv *csv, size_t count, struct arena *scratch) {
    if (count <= csv->sorted_count)
        return (struct rows){csv->times_ms, csv->values, count};
    struct row *order = arena_alloc_array(scratch, count, sizeof(*order));
    for (size_t i = 0; i < count; i++)
        order[i] = (struct row){csv->times_ms[i], i};
    qsort(order, count, sizeof(*order), row_cmp);
    int64_t *times = arena_alloc_array(scratch, count, sizeof(*times));
    float *values = arena_alloc_array(scratch, count, sizeof(*values));
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (used && times[used - 1] == order[i].time_ms)
            used--; /* The last row of a time wins. */
        times[used] = order[i].time_ms;
        values[used++] = csv->values[order[i].index];
    }
    return (struct rows){times, values, used};
}

static int int64_cmp(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* The most common distance between rows; the median where times jitter. */
static int64_t step_find(const struct rows *rows, struct arena *scratch) {
    if (rows->count < 2)
        return HISTORY_CSV_STEP_MS;
    size_t count = rows->count - 1 < STEP_SAMPLES_MAX ? rows->count - 1 : STEP_SAMPLES_MAX;
    const int64_t *times = rows->times_ms + (rows->count - 1 - count);
    int64_t *distances = arena_alloc_array(scratch, count, sizeof(*distances));
    bool all_equal = true;
    for (size_t i = 0; i < count; i++) {
        distances[i] = times[i + 1] - times[i];
        all_equal &= distances[i] == distances[0];
    }
    if (all_equal)
        return distances[0];
    qsort(distances, count, sizeof(*distances), int64_cmp);
    size_t best = 0, best_at = 0;
    for (size_t i = 0, run; i < count; i += run) {
        for (run = 1; i + run < count && distances[i + run] == distances[i];)
            run++;
        if (run > best) {
            best = run;
            best_at = i;
        }
    }
    bool is_common = best > 1 && best * MODE_SHARE_MIN >= count;
    return distances[is_common ? best_at : count / 2];
}

static int64_t floor_to(int64_t value, int64_t step) {
    int64_t rest = value % step;
    return value - rest - (rest < 0 ? step : 0);
}

struct history_series history_csv_grid(const struct history_csv *csv, size_t row_count, struct arena *arena) {
    ASSERT(row_count <= csv->count);
    struct arena scratch = {0};
    struct rows rows = rows_sort(csv, row_count, &scratch);
    struct history_series series = {.step_ms = csv->step_ms > 0 ? csv->step_ms : step_find(&rows, &scratch)};
    if (rows.count) {
        int64_t step = series.step_ms, last = rows.times_ms[rows.count - 1];
        /* Slots are counted back from the last row, so that rows that all stand off the grid alike stay one a slot. */
        int64_t length = (last - rows.times_ms[0] + step / 2) / step + 1;
        series.count = length < (int64_t)HISTORY_CSV_SLOTS_MAX ? (size_t)length : HISTORY_CSV_SLOTS_MAX;
        series.start_ms = floor_to(last, step) - (int64_t)(series.count - 1) * step;
        float *demand = arena_alloc_array(arena, series.count, sizeof(*demand));
        for (size_t i = 0; i < series.count; i++)
            demand[i] = NAN;
        size_t slot_rows = 0, previous = SIZE_MAX;
        for (size_t i = rows.count; i-- > 0;) {
            int64_t back = (last - rows.times_ms[i] + step / 2) / step;
            if (back >= (int64_t)series.count)
                break;
            size_t slot = series.count - 1 - (size_t)back;
            if (isnan(rows.values[i]))
                continue;
            slot_rows = slot == previous ? slot_rows + 1 : 1;
            previous = slot;
            /* The running mean of the rows in this slot. */
            demand[slot] =
                slot_rows == 1 ? rows.values[i] : demand[slot] + (rows.values[i] - demand[slot]) / (float)slot_rows;
        }
        series.demand = demand;
    }
    arena_release(&scratch);
    return series;
}
