/*
 * A demand trace and its continuation for ever. The trace is cut to the largest whole number of weeks, else of days,
 * that it holds, and repeated, so that the time of day and the weekday of the trace are those of the wall clock (UTC):
 *
 *     trace      |-- first ------------- period = 2 weeks -------------|..rest..|
 *     wall time  ...|=========|=========|=========|===...     place = (t - first) mod period
 *
 * Between samples, across gaps and over the seam the value is interpolated linearly.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adapters/simulated/simulated_internal.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

#define HEADER "timestamp_rfc3339,value"
#define LINE_MAX_SIZE 256
#define SAMPLES_MAX 1000000
#define DAY_MS INT64_C(86400000)
#define WEEK_MS (7 * DAY_MS)

struct loading {
    int64_t *times_ms;
    double *values;
    size_t count, capacity;
};

/* "time,value" without its line end; NULL or what is wrong with it. */
static const char *parse_line(char *line, int64_t *ret_ms, double *ret_value) {
    char *comma = strchr(line, ',');
    if (!comma) {
        return "not `time,value`";
    }
    *comma = '\0';
    if (!time_parse(line, ret_ms)) {
        return "the time is not RFC 3339";
    }
    if (!str_to_double(comma + 1, ret_value)) {
        return "the value is not a number";
    }
    return *ret_value < 0 ? "demand cannot be negative" : NULL;
}

static const char *load_line(struct loading *to, char *line, size_t number) {
    line[strcspn(line, "\r\n")] = '\0';
    if (number == 1) {
        return str_eq(line, HEADER) ? NULL : "the header is not `" HEADER "`";
    }
    if (!*line) {
        return NULL;
    }
    int64_t time_ms;
    double value;
    const char *wrong = parse_line(line, &time_ms, &value);
    if (wrong) {
        return wrong;
    }
    if (to->count > 0 && time_ms <= to->times_ms[to->count - 1]) {
        return "the times do not ascend";
    }
    if (to->count == SAMPLES_MAX) {
        return "too many samples";
    }
    if (to->count == to->capacity) {
        size_t capacity = to->capacity ? 2 * to->capacity : 1024;
        to->times_ms = mem_grow(to->times_ms, to->capacity, capacity, sizeof(*to->times_ms));
        to->values = mem_grow(to->values, to->capacity, capacity, sizeof(*to->values));
        to->capacity = capacity;
    }
    to->times_ms[to->count] = time_ms;
    to->values[to->count++] = value;
    return NULL;
}

static enum err_class load_file(struct loading *to, FILE *file, const char *name, struct error *err) {
    char line[LINE_MAX_SIZE];
    size_t number = 0;
    while (fgets(line, sizeof(line), file)) {
        const char *wrong = load_line(to, line, ++number);
        if (wrong) {
            return error_set(err, ERR_PERMANENT, "%s: line %zu: %s", name, number, wrong);
        }
    }
    if (ferror(file)) {
        return error_set(err, ERR_PERMANENT, "%s: cannot be read", name);
    }
    if (to->count < 2) {
        return error_set(err, ERR_PERMANENT, "%s: fewer than two samples", name);
    }
    return ERR_NONE;
}

/* The span of the samples, the last one's own step included; the shortest distance is taken for the step, since gaps
 * only make distances longer. */
static int64_t span_ms(const struct loading *from) {
    ASSERT(from->times_ms && from->count >= 2);
    int64_t step_ms = INT64_MAX;
    for (size_t i = 1; i < from->count; i++) {
        int64_t distance_ms = from->times_ms[i] - from->times_ms[i - 1];
        step_ms = distance_ms < step_ms ? distance_ms : step_ms;
    }
    return from->times_ms[from->count - 1] - from->times_ms[0] + step_ms;
}

static void keep_period(struct sim_trace *trace, struct arena *arena, const struct loading *from) {
    int64_t span = span_ms(from);
    trace->period_ms = span >= WEEK_MS ? span / WEEK_MS * WEEK_MS : span >= DAY_MS ? span / DAY_MS * DAY_MS : span;
    while (trace->count < from->count && from->times_ms[trace->count] - from->times_ms[0] < trace->period_ms) {
        double value = from->values[trace->count++];
        trace->value_max = value > trace->value_max ? value : trace->value_max;
    }
    trace->times_ms = arena_memdup(arena, from->times_ms, trace->count * sizeof(*trace->times_ms));
    trace->values = arena_memdup(arena, from->values, trace->count * sizeof(*trace->values));
}

enum err_class sim_trace_load(struct sim_trace *trace, struct arena *arena, const char *path, const char *name,
                              struct error *err) {
    FILE *file = fopen(path, "re");
    if (!file) {
        return error_set(err, ERR_PERMANENT, "%s: %s", name, strerror(errno));
    }
    struct loading loading = {0};
    enum err_class class = load_file(&loading, file, name, err);
    fclose(file);
    *trace = (struct sim_trace){.path = arena_strdup(arena, path)};
    if (class == ERR_NONE) {
        keep_period(trace, arena, &loading);
        if (trace->value_max <= 0) {
            class = error_set(err, ERR_PERMANENT, "%s: all values are zero", name);
        }
    }
    mem_free(loading.times_ms);
    mem_free(loading.values);
    return class;
}

double sim_trace_at(const struct sim_trace *trace, int64_t wall_ms) {
    ASSERT(trace->count > 0);
    int64_t first_ms = trace->times_ms[0];
    int64_t place_ms = (wall_ms - first_ms) % trace->period_ms;
    place_ms = first_ms + (place_ms < 0 ? place_ms + trace->period_ms : place_ms);

    size_t low = 0, high = trace->count; /* times[low] <= place < times[high] */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (trace->times_ms[middle] <= place_ms) {
            low = middle;
        } else {
            high = middle;
        }
    }
    bool at_seam = high == trace->count;
    int64_t next_ms = at_seam ? first_ms + trace->period_ms : trace->times_ms[high];
    double from = trace->values[low], to = trace->values[at_seam ? 0 : high];
    double share = (double)(place_ms - trace->times_ms[low]) / (double)(next_ms - trace->times_ms[low]);
    return from + (to - from) * share;
}

double sim_load_at(const struct sim_load *load, int64_t wall_ms) {
    return load->trace ? sim_trace_at(load->trace, wall_ms - load->offset_ms) * load->vcpu_per_unit : 0;
}
