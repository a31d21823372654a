/*
 * What usage.c and prometheus.c share: the workloads that were asked for, and what each used.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_KUBERNETES_USAGE_H
#define TRIMTAB_ADAPTERS_KUBERNETES_USAGE_H

#include "adapters/kubernetes/world.h"
#include "base/map.h"

struct kubernetes_track {
    struct cloud_sample *samples;
    size_t count;
};

struct kubernetes_subject { /* One id of the query that is a workload of the cluster. */
    const char *id;
    struct kubernetes_id parts;
    double request; /* Of one pod, in cores or bytes; 0: nothing to measure against. */
    int64_t serving;
    struct kubernetes_track utilization, ready;
    double used, asked; /* Sums over the pods of one moment. */
    double worst;       /* The greatest share of its own requests that one of them uses. */
    int64_t time_ms;
    struct cloud_kill *kills;
    size_t kill_count;
};

/* prometheus.c: which request is next. Series of one namespace and kind go together, some of them a request. */
struct kubernetes_prometheus {
    size_t first, count;  /* Subjects of the present request. */
    bool is_serving;      /* It asks for the pods that are ready. */
    int64_t at_ms, to_ms; /* Its range, of a whole that begins and ends on the grid. */
    int64_t from_ms, end_ms, span_ms;
};

struct kubernetes_usage_state {
    struct kubernetes_world world;
    const struct cloud_query *query;
    struct kubernetes_subject *subjects; /* Sorted by namespace, kind, name. */
    size_t subject_count;
    struct kubernetes_prometheus prometheus;
};

void kubernetes_track_add(struct arena *arena, struct kubernetes_track *track, int64_t time_ms, double value);
/* Sets the first request; false: there is nothing to ask. */
bool kubernetes_prometheus_begin(struct kubernetes_usage_state *state);
void kubernetes_prometheus_build(struct call *call);
/* EXCHANGE_DONE without an error: all was read into the subjects. */
enum exchange_next kubernetes_prometheus_read(struct call *call, struct error *err);

#endif
