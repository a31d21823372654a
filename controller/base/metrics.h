/*
 * A registry of Prometheus metrics. Names, help and types are declared in one static table by their owner; label sets
 * are created on first use and bounded by METRICS_SERIES_MAX a family (beyond: the series labelled other="true"). Loop
 * thread only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_METRICS_H
#define TRIMTAB_BASE_METRICS_H

#include "base/buf.h"

struct metrics;

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {       /* const, static; its address is its identity. */
    const char *name; /* "trimtab_plans_total" */
    const char *help;
    enum metric_type type;
    const char *const *label_names; /* NULL-ended; NULL: none. */
    const double *buckets;          /* HISTOGRAM: ascending, ends at 0. NULL: controller-runtime's (5 ms .. 60 s). */
};

#define METRICS_SERIES_MAX 2000

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* Label values in the order of label_names; as many as there are names. */
#define METRIC_LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
void metrics_add(struct metrics *metrics, const struct metric *metric, const char *const *labels, double delta);
void metrics_set(struct metrics *metrics, const struct metric *metric, const char *const *labels, double value);
void metrics_observe(struct metrics *metrics, const struct metric *metric, const char *const *labels, double value);
void metrics_remove(struct metrics *metrics, const struct metric *metric, const char *const *labels);

/* Text exposition format 0.0.4, families by name, series by labels; with process_* (cpu, resident memory, fds, start
 * time). */
void metrics_print(const struct metrics *metrics, struct buf *out);

#endif
