/*
 * Keys that wait for their reconcile: de-duplicated, changed objects before resyncs, one worker at most on a key,
 * back-off per key with jitter, delayed keys (the least delay wins). Bounded: keys are object names. Loop thread only.
 *
 * Semantics of client-go's work queue: a key added while it is being worked on is queued again when done.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_LOOP_WORKQUEUE_H
#define TRIMTAB_LOOP_WORKQUEUE_H

#include "base/map.h"
#include "base/metrics.h"
#include "base/runtime.h"
#include "manifest/object.h"

enum workqueue_priority { WORKQUEUE_HIGH, WORKQUEUE_LOW, WORKQUEUE_PRIORITY_COUNT };

struct workqueue_item { /* Owned by the queue; valid from take to done. */
    enum object_kind kind;
    char *namespace, *name;
    /* private */
    char *key;
    struct timer timer; /* Delayed. */
    struct workqueue *queue;
    struct workqueue_item *next;
    uint64_t added_ns, started_ns;
    enum workqueue_priority priority, again_priority;
    uint32_t failures;
    bool queued, working, again;
};

struct workqueue {
    struct runtime *runtime;
    struct metrics *metrics; /* NULL: none. */
    struct map items;        /* key -> item; only keys that are queued, delayed, worked on, or have failed. */
    struct workqueue_item *head[WORKQUEUE_PRIORITY_COUNT], *tail[WORKQUEUE_PRIORITY_COUNT];
    size_t depth, working;
    void (*on_ready)(void *ctx); /* Something can be taken. */
    void *ctx;
};

void workqueue_init(struct workqueue *queue, struct runtime *runtime, struct metrics *metrics,
                    void (*on_ready)(void *ctx), void *ctx);
void workqueue_release(struct workqueue *queue);

void workqueue_add(struct workqueue *queue, enum object_kind kind, const char *namespace, const char *name,
                   enum workqueue_priority priority);
/* Not before delay_ms; an earlier time that is already set stays. */
void workqueue_add_after(struct workqueue *queue, enum object_kind kind, const char *namespace, const char *name,
                         int64_t delay_ms);
struct workqueue_item *workqueue_take(struct workqueue *queue); /* NULL: nothing ready. */
/* Ends the work. failed: back-off from 5 ms, doubling to 1000 s, with jitter; a success forgets the failures. */
void workqueue_done(struct workqueue *queue, struct workqueue_item *item, bool failed);

#endif
