/*
 * The metrics registry. A family is found by the address of its declaration; a series within it by its label set as it
 * is printed (`cloud="aws",kind="Bucket"`), so that printing only has to sort. When a family is full, every new label
 * set is counted in one series more, other="true": a label that grows without bound costs precision, not memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/metrics.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

#define OTHER_LABELS "other=\"true\""

struct series {
    double value;     /* Counter, gauge; of a histogram the sum. */
    uint64_t count;   /* Of a histogram. */
    uint64_t bins[1]; /* Of a histogram: one for each bucket, not cumulative. */
};

struct family {
    const struct metric *metric;
    const double *buckets;
    size_t bucket_count;
    struct map series; /* Label text -> struct series *. */
};

struct metrics {
    struct family *families;
    size_t count, capacity;
    struct buf key; /* Scratch, so that counting a known series allocates nothing. */
};

static const double default_buckets[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 0};

struct metrics *metrics_new(void) {
    return mem_alloc(sizeof(struct metrics));
}

static void family_release(struct family *family) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&family->series, &i));)
        mem_free(entry->value);
    map_release(&family->series);
}

void metrics_free(struct metrics *metrics) {
    if (!metrics)
        return;
    for (size_t i = 0; i < metrics->count; i++)
        family_release(&metrics->families[i]);
    mem_free(metrics->families);
    buf_release(&metrics->key);
    mem_free(metrics);
}

static struct family *family_of(struct metrics *metrics, const struct metric *metric) {
    for (size_t i = 0; i < metrics->count; i++) {
        if (metrics->families[i].metric == metric)
            return &metrics->families[i];
    }
    if (metrics->count == metrics->capacity) {
        size_t capacity = metrics->capacity > 0 ? metrics->capacity * 2 : 16;
        metrics->families = mem_grow(metrics->families, metrics->capacity, capacity, sizeof(*metrics->families));
        metrics->capacity = capacity;
    }
    struct family *family = &metrics->families[metrics->count++];
    *family = (struct family){.metric = metric};
    if (metric->type == METRIC_HISTOGRAM) {
        family->buckets = metric->buckets ? metric->buckets : default_buckets;
        while (family->buckets[family->bucket_count] != 0)
            family->bucket_count++;
    }
    return family;
}

/* The exposition format escapes these three in label values; anything else may stand as it is. */
static void append_label_value(struct buf *out, const char *value) {
    for (const char *c = value; *c; c++) {
        if (*c == '\n')
            buf_puts(out, "\\n");
        else if (*c == '"' || *c == '\\')
            buf_printf(out, "\\%c", *c);
        else
            buf_putc(out, *c);
    }
}

static const char *label_text(struct metrics *metrics, const struct metric *metric, const char *const *labels) {
    buf_clear(&metrics->key);
    size_t i = 0;
    for (; metric->label_names && metric->label_names[i]; i++) {
        ASSERT(labels && labels[i]); /* As many values as names. */
        buf_printf(&metrics->key, "%s%s=\"", i > 0 ? "," : "", metric->label_names[i]);
        append_label_value(&metrics->key, labels[i]);
        buf_putc(&metrics->key, '"');
    }
    ASSERT(!labels || !labels[i]);
    return buf_text(&metrics->key);
}

static struct series *series_of(struct metrics *metrics, const struct metric *metric, const char *const *labels,
                                struct family **ret_family) {
    struct family *family = family_of(metrics, metric);
    const char *key = label_text(metrics, metric, labels);
    *ret_family = family;
    struct series *series = map_get(&family->series, key);
    if (series)
        return series;
    if (family->series.count >= METRICS_SERIES_MAX) {
        key = OTHER_LABELS;
        if ((series = map_get(&family->series, key)))
            return series;
    }
    series = mem_alloc(sizeof(*series) + family->bucket_count * sizeof(series->bins[0]));
    map_put(&family->series, key, series);
    return series;
}

void metrics_add(struct metrics *metrics, const struct metric *metric, const char *const *labels, double delta) {
    ASSERT(metric->type == METRIC_GAUGE || (metric->type == METRIC_COUNTER && delta >= 0));
    struct family *family;
    series_of(metrics, metric, labels, &family)->value += delta;
}

void metrics_set(struct metrics *metrics, const struct metric *metric, const char *const *labels, double value) {
    /* A counter may be set too: one that is kept elsewhere and only copied here. */
    ASSERT(metric->type != METRIC_HISTOGRAM);
    struct family *family;
    series_of(metrics, metric, labels, &family)->value = value;
}

void metrics_observe(struct metrics *metrics, const struct metric *metric, const char *const *labels, double value) {
    ASSERT(metric->type == METRIC_HISTOGRAM);
    struct family *family;
    struct series *series = series_of(metrics, metric, labels, &family);
    series->value += value;
    series->count++;
    for (size_t i = 0; i < family->bucket_count; i++) {
        if (value <= family->buckets[i]) {
            series->bins[i]++;
            return;
        }
    }
}

void metrics_remove(struct metrics *metrics, const struct metric *metric, const char *const *labels) {
    struct family *family = family_of(metrics, metric);
    mem_free(map_remove(&family->series, label_text(metrics, metric, labels)));
}

/* ---- printing ---- */

static void append_value(struct buf *out, double value) {
    if (isnan(value)) {
        buf_puts(out, "NaN");
    } else if (isinf(value)) {
        buf_puts(out, value > 0 ? "+Inf" : "-Inf");
    } else {
        char text[40];
        double back;
        for (int digits = 15; digits <= 17; digits++) { /* The shortest that reads back as the same number. */
            snprintf(text, sizeof(text), "%.*g", digits, value);
            if (str_to_double(text, &back) && back == value)
                break;
        }
        buf_puts(out, text);
    }
}

static void append_line(struct buf *out, const char *name, const char *suffix, const char *labels, double value) {
    buf_printf(out, "%s%s%s%s%s ", name, suffix, *labels ? "{" : "", labels, *labels ? "}" : "");
    append_value(out, value);
    buf_putc(out, '\n');
}

static void append_histogram(struct buf *out, const struct family *family, const char *labels,
                             const struct series *series) {
    const char *name = family->metric->name;
    uint64_t below = 0;
    for (size_t i = 0; i <= family->bucket_count; i++) {
        bool is_last = i == family->bucket_count;
        below = is_last ? series->count : below + series->bins[i];
        buf_printf(out, "%s_bucket{%s%sle=\"", name, labels, *labels ? "," : "");
        append_value(out, is_last ? (double)INFINITY : family->buckets[i]);
        buf_printf(out, "\"} %llu\n", (unsigned long long)below);
    }
    append_line(out, name, "_sum", labels, series->value);
    append_line(out, name, "_count", labels, (double)series->count);
}

static void append_head(struct buf *out, const char *name, const char *help, enum metric_type type) {
    static const char *const type_names[] = {"counter", "gauge", "histogram"};
    buf_printf(out, "# HELP %s ", name);
    for (const char *c = help; *c; c++) {
        if (*c == '\n' || *c == '\\')
            buf_puts(out, *c == '\n' ? "\\n" : "\\\\");
        else
            buf_putc(out, *c);
    }
    buf_printf(out, "\n# TYPE %s %s\n", name, type_names[type]);
}

static int entry_cmp(const void *a, const void *b) {
    const struct map_entry *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static void append_family(struct buf *out, const struct family *family) {
    const struct metric *metric = family->metric;
    if (family->series.count == 0)
        return;
    append_head(out, metric->name, metric->help, metric->type);
    const struct map_entry **sorted = mem_alloc_array(family->series.count, sizeof(struct map_entry *));
    size_t count = 0;
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&family->series, &i));)
        sorted[count++] = entry;
    qsort(sorted, count, sizeof(struct map_entry *), entry_cmp);
    for (size_t i = 0; i < count; i++) {
        const struct series *series = sorted[i]->value;
        if (metric->type == METRIC_HISTOGRAM)
            append_histogram(out, family, sorted[i]->key, series);
        else
            append_line(out, metric->name, "", sorted[i]->key, series->value);
    }
    mem_free(sorted);
}

static double open_fd_count(void) {
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return NAN;
    double count = -1; /* The directory's own descriptor. */
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* The number that text begins with, white space before it skipped; ret_rest, unless NULL, is what follows it. */
static bool number_at(const char *text, unsigned long long *ret, const char **ret_rest) {
    char *end;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    if (ret_rest)
        *ret_rest = end;
    return end != text && errno == 0;
}

/* Field 22 of /proc/self/stat is the start in clock ticks since boot; btime is the boot. */
static double start_time_seconds(void) {
    static double known = NAN;
    if (!isnan(known))
        return known;
    unsigned long long ticks = 0, boot = 0;
    char line[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file)
        return NAN;
    char *after_name = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
    fclose(file);
    /* Each turn leaves the space before the field: the third comes first after the name, which may hold anything. */
    const char *space = after_name;
    for (int number = 3; space && number <= 22; number++)
        space = strchr(space + 1, ' ');
    if (!space || !number_at(space, &ticks, NULL))
        return NAN;
    if (!(file = fopen("/proc/stat", "re")))
        return NAN;
    while (fgets(line, sizeof(line), file)) {
        if (str_has_prefix(line, "btime ") && number_at(line + strlen("btime "), &boot, NULL))
            break;
    }
    fclose(file);
    return known = boot > 0 ? (double)boot + (double)ticks / (double)sysconf(_SC_CLK_TCK) : NAN;
}

static void memory_bytes(double *ret_virtual, double *ret_resident) {
    *ret_virtual = *ret_resident = NAN;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return;
    char line[256];
    const char *rest;
    unsigned long long virtual_pages, resident_pages;
    if (fgets(line, sizeof(line), file) && number_at(line, &virtual_pages, &rest) &&
        number_at(rest, &resident_pages, NULL)) {
        double page_size = (double)sysconf(_SC_PAGESIZE);
        *ret_virtual = (double)virtual_pages * page_size;
        *ret_resident = (double)resident_pages * page_size;
    }
    fclose(file);
}

static void append_process(struct buf *out) {
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    double virtual_size, resident_size;
    memory_bytes(&virtual_size, &resident_size);
    struct rlimit fds = {0};
    getrlimit(RLIMIT_NOFILE, &fds);
    const struct {
        const char *name, *help;
        enum metric_type type;
        double value;
    } rows[] = {
        {"process_cpu_seconds_total", "User and system CPU time spent in seconds.", METRIC_COUNTER, cpu},
        {"process_max_fds", "Maximum number of open file descriptors.", METRIC_GAUGE, (double)fds.rlim_cur},
        {"process_open_fds", "Number of open file descriptors.", METRIC_GAUGE, open_fd_count()},
        {"process_resident_memory_bytes", "Resident memory size in bytes.", METRIC_GAUGE, resident_size},
        {"process_start_time_seconds", "Start of the process, Unix time in seconds.", METRIC_GAUGE,
         start_time_seconds()},
        {"process_virtual_memory_bytes", "Virtual memory size in bytes.", METRIC_GAUGE, virtual_size},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (isnan(rows[i].value))
            continue; /* Not known on this system: better absent than wrong. */
        append_head(out, rows[i].name, rows[i].help, rows[i].type);
        append_line(out, rows[i].name, "", "", rows[i].value);
    }
}

static int family_cmp(const void *a, const void *b) {
    const struct family *const *x = a, *const *y = b;
    return strcmp((*x)->metric->name, (*y)->metric->name);
}

void metrics_print(const struct metrics *metrics, struct buf *out) {
    const struct family **sorted = mem_alloc_array(metrics->count, sizeof(struct family *));
    for (size_t i = 0; i < metrics->count; i++)
        sorted[i] = &metrics->families[i];
    qsort(sorted, metrics->count, sizeof(struct family *), family_cmp);
    bool process_done = false;
    for (size_t i = 0; i < metrics->count; i++) {
        if (!process_done && strcmp(sorted[i]->metric->name, "process_") > 0) {
            append_process(out);
            process_done = true;
        }
        append_family(out, sorted[i]);
    }
    if (!process_done)
        append_process(out);
    mem_free(sorted);
}
