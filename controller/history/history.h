/*
 * Demand history: what we have recorded of each resource, bounded in length and number, kept in memory and, in a local
 * run, in SQLite. Loop thread only.
 *
 * Keys are "provider-namespace/provider-name/region/kind/id/metric".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_HISTORY_HISTORY_H
#define TRIMTAB_HISTORY_HISTORY_H

#include "adapters/cloud.h"
#include "base/error.h"
#include "history/series.h"

struct history;

struct history_options {
    const char *url;   /* "sqlite:PATH"; NULL: memory only (a cluster fills it again from the cloud). */
    int64_t step_ms;   /* 5 min */
    int64_t keep_ms;   /* 35 d at most; older slots fall off. */
    size_t series_max; /* Beyond: the least recently touched is dropped from memory. */
};

MUST_CHECK enum err_class history_open(const struct history_options *options, struct history **ret, struct error *err);
void history_close(struct history *history); /* Flushes. */

/* Adds what a cloud reported: utilisation (percent) and serving counts -> demand. vcpu_milli (or MiB) of one machine
 * (MiB where the key ends in "/memory"); `assumed_serving` is used where `serving` has no sample at or shortly before
 * the time (basis becomes ASSUMED). Samples may overlap what is there (the newest word wins; of the samples of one slot
 * the mean is kept, of memory the greatest; the slot that still runs is left for later), be out of order, have gaps;
 * NaN, negative, infinite, or later than now_ms are dropped and counted in *ret_dropped. Utilisation >= 99.5 marks
 * saturation. */
void history_add(struct history *history, const char *key, const struct cloud_series *series,
                 int64_t capacity_per_machine, int64_t assumed_serving, int64_t now_ms, size_t *ret_dropped);

/* A container of the resource was killed for want of memory at time_ms, in a pod that was allowed memory_mib (0:
 * unknown); `machines` pods share the load. The key ends in "/memory". What it used is taken for the greater of that
 * and the peak of the day before, and what it needs for a fifth more than that, or 100 MiB a pod, whichever is more:
 * --oom-bump-up-ratio and --oom-min-bump-up-bytes of the Vertical Pod Autoscaler, as by default (kubernetes/autoscaler,
 * vertical-pod-autoscaler/pkg/recommender/model/container.go, RecordOOM). As there, an earlier raise is no part of it:
 * kills in a row do not pile up. Kept as long as samples are, and through a restart where the history has a file.
 * False: it is known (a kill that is not later than the last one came with it), too old, or nothing is known to raise.
 */
bool history_add_kill(struct history *history, const char *key, int64_t time_ms, int64_t memory_mib, int64_t machines,
                      int64_t now_ms, struct history_raise *ret);
/* What a process before this one has raised. Ascending by time; one that is known is left as it is. */
void history_restore_raise(struct history *history, const char *key, const struct history_raise *raise, int64_t now_ms);

/* The last length_ms (keep_ms at most) up to the last complete slot before now_ms, copied into the arena; what is
 * missing at the end are gaps. A series with count 0 if unknown. */
struct arena;
struct history_series history_view(struct history *history, const char *key, int64_t now_ms, int64_t length_ms,
                                   struct arena *arena);

/* Start of the first slot that is missing at the end (where to ask the cloud from); 0: nothing known. */
int64_t history_next_ms(struct history *history, const char *key);
void history_forget(struct history *history, const char *key);
/* Writes what is pending to disk; called by a timer. Memory only: nothing. ERR_RETRYABLE when the disk refuses (kept).
 */
MUST_CHECK enum err_class history_flush(struct history *history, struct error *err);

#endif
