/*
 * The reconcile loop: the only caller of the stages' verbs. Changes of objects, listings and samples mark keys dirty;
 * each key is reconciled at the loop's own pace, from the level and never from the event:
 *
 *     policy:          observe -> forecast -> plan -> (admit) Recommendations -> account status
 *     recommendation:  act: one step of its state machine
 *     provider:        credentials -> adapter -> status
 *     budget:          status
 *
 * Loop thread only; forecast and plan run on the runtime's threads over an immutable snapshot.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_LOOP_LOOP_H
#define TRIMTAB_LOOP_LOOP_H

#include "adapters/adapter.h"
#include "base/metrics.h"
#include "history/history.h"
#include "store/store.h"

struct loop;
struct plan;
struct plan_input;

struct loop_options {
    struct adapter_env env;
    const struct adapter_ops *(*find_adapter)(const char *type); /* See observe.h. NULL: adapter_find. */
    struct history *history;
    struct metrics *metrics;
    /* Where a Provider names no Secret: the environment's variables (workload identity). NULL: none. */
    const char *(*environment)(const char *name);
    /* Whether a Provider of that namespace may act as this process where it names no Secret: else whoever may write
     * Providers anywhere could use our cloud role. NULL: any may (a local run). */
    bool (*lends_identity)(void *ctx, const char *namespace);
    void *identity_ctx;
    bool secrets_from_environment; /* Local run: a secretRef that does not exist falls back to the environment. */
    int64_t list_period_ms;        /* 60 s */
    size_t list_count_max;         /* Resources of one listing: 100,000; of a provider twice that. */
    int64_t usage_step_ms;         /* 5 min */
    int64_t resync_period_ms;      /* Every policy anew: 10 min */
    int64_t status_interval_ms;    /* Least time between two writes of figures alone: 30 s */
    uint32_t action_timeout_ms;    /* Longest request of an effect: 8 s; below the lease's duration. */
    size_t concurrency;            /* Reconciles in flight: 128 */
    size_t recall_bytes_max;       /* Of fits kept to go on with (recall.h): 256 MiB; 0: each time anew. */
    size_t finished_max;           /* Finished Recommendations kept for a policy: 10 */
    /* Each plan as it is made, with what it was made from, before anything is done about it. NULL: nobody asks. */
    void (*on_plan)(void *ctx, const struct object *policy, const struct plan_input *input, const struct plan *plan);
    void *plan_ctx;
};

struct loop *loop_new(const struct loop_options *options);
/* For the store's constructor. */
struct store_callbacks loop_store_callbacks(struct loop *loop);
/* The store is started by the caller; the loop begins when it has synced and loop_lead was called. */
void loop_start(struct loop *loop, struct store *store);
/* This replica leads now. There is no way back: who loses the lease exits. wait_ms: the longest request of the leader
 * before; no effect before it is over. */
void loop_lead(struct loop *loop, int64_t wait_ms);
/* The lease is lost: from now on nothing is begun and nobody is heard out. */
void loop_abandon(struct loop *loop);
/* Stop intake, let what is in flight end (bounded by its time-outs), then stopped. */
void loop_stop(struct loop *loop, void (*stopped)(void *ctx), void *ctx);
void loop_free(struct loop *loop);

bool loop_is_leading(const struct loop *loop);
size_t loop_depth(const struct loop *loop); /* Keys that wait or are worked on. */

struct loop_policy_view { /* Of one policy that has been planned; for the live table. Strings until the next turn. */
    const char *namespace, *name;
    const char *reason; /* Of Ready. */
    const char *model;
    int64_t coverage_per_mille;
    int64_t actual, desired, serving;
    double demand;                         /* Newest sample, summed. NaN unknown. */
    double demand_quantile;                /* What desired covers, summed. */
    int64_t cost_hourly, peak_cost_hourly; /* micros; -1 unknown */
};
/* Sorted by namespace and name. Returns how many there are in all. */
size_t loop_policy_views(const struct loop *loop, struct loop_policy_view *ret, size_t ret_max);

#endif
