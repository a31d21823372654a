/*
 * The work queue; see workqueue.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/workqueue.h"

#include "base/mem.h"

#define BACKOFF_BASE_MS 5
#define BACKOFF_MAX_MS 1000000
#define SECONDS_PER_NS 1e-9

static const char *const label_names[] = {"name", NULL};
static const struct metric metric_depth = {"workqueue_depth", "Current depth of the work queue.", METRIC_GAUGE,
                                           label_names, NULL};
static const struct metric metric_adds = {"workqueue_adds_total", "Adds handled by the work queue.", METRIC_COUNTER,
                                          label_names, NULL};
static const struct metric metric_retries = {"workqueue_retries_total", "Retries handled by the work queue.",
                                             METRIC_COUNTER, label_names, NULL};
static const struct metric metric_queue_seconds = {"workqueue_queue_duration_seconds",
                                                   "How long a key waits in the work queue before it is taken.",
                                                   METRIC_HISTOGRAM, label_names, NULL};
static const struct metric metric_work_seconds = {"workqueue_work_duration_seconds", "How long working on a key takes.",
                                                  METRIC_HISTOGRAM, label_names, NULL};

static const char *const *labels_of(const struct workqueue_item *item) {
    static const char *labels[2];
    labels[0] = object_kind_plural(item->kind);
    return labels;
}

static void measure_depth(struct workqueue *queue) {
    static const char *const labels[] = {"trimtab", NULL};
    if (queue->metrics)
        metrics_set(queue->metrics, &metric_depth, labels, (double)queue->depth);
}

void workqueue_init(struct workqueue *queue, struct runtime *runtime, struct metrics *metrics,
                    void (*on_ready)(void *ctx), void *ctx) {
    *queue = (struct workqueue){.runtime = runtime, .metrics = metrics, .on_ready = on_ready, .ctx = ctx};
}

static void item_free(struct workqueue_item *item) {
    timer_stop(item->queue->runtime, &item->timer);
    mem_free(item->namespace);
    mem_free(item->name);
    mem_free(item->key);
    mem_free(item);
}

void workqueue_release(struct workqueue *queue) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&queue->items, &i));)
        item_free(entry->value);
    map_release(&queue->items);
    *queue = (struct workqueue){0};
}

static struct workqueue_item *item_of(struct workqueue *queue, enum object_kind kind, const char *namespace,
                                      const char *name) {
    char *key = mem_printf("%d/%s/%s", (int)kind, namespace, name);
    struct workqueue_item *item = map_get(&queue->items, key);
    if (item) {
        mem_free(key);
        return item;
    }
    item = mem_alloc(sizeof(*item));
    item->kind = kind;
    item->namespace = mem_strdup(namespace);
    item->name = mem_strdup(name);
    item->key = key;
    item->queue = queue;
    (void)map_put(&queue->items, key, item);
    return item;
}

static void unlink_item(struct workqueue *queue, struct workqueue_item *item) {
    struct workqueue_item **at = &queue->head[item->priority], *before = NULL;
    while (*at != item) {
        before = *at;
        at = &(*at)->next;
    }
    *at = item->next;
    if (queue->tail[item->priority] == item)
        queue->tail[item->priority] = before;
    item->next = NULL;
    item->queued = false;
    queue->depth--;
}

static void push(struct workqueue *queue, struct workqueue_item *item, enum workqueue_priority priority) {
    if (item->working) {
        item->again_priority = item->again && item->again_priority < priority ? item->again_priority : priority;
        item->again = true;
        return;
    }
    timer_stop(queue->runtime, &item->timer);
    if (item->queued) {
        /* Raising the priority walks the low list; it happens for the few keys of a resync that change at that moment.
         */
        if (item->priority <= priority)
            return;
        unlink_item(queue, item);
    }
    item->priority = priority;
    item->queued = true;
    item->next = NULL;
    if (queue->tail[priority])
        queue->tail[priority]->next = item;
    else
        queue->head[priority] = item;
    queue->tail[priority] = item;
    queue->depth++;
    item->added_ns = runtime_mono_ns(queue->runtime);
    if (queue->metrics)
        metrics_add(queue->metrics, &metric_adds, labels_of(item), 1);
    measure_depth(queue);
    queue->on_ready(queue->ctx);
}

void workqueue_add(struct workqueue *queue, enum object_kind kind, const char *namespace, const char *name,
                   enum workqueue_priority priority) {
    push(queue, item_of(queue, kind, namespace, name), priority);
}

static void delayed(struct timer *timer) {
    struct workqueue_item *item = timer->ctx;
    push(item->queue, item, WORKQUEUE_LOW);
}

static void delay(struct workqueue *queue, struct workqueue_item *item, uint64_t delay_ns) {
    uint64_t due_ns = runtime_mono_ns(queue->runtime) + delay_ns;
    if (item->queued || (timer_is_active(&item->timer) && item->timer.due_ns <= due_ns))
        return;
    timer_start(queue->runtime, &item->timer, delay_ns, delayed, item);
}

void workqueue_add_after(struct workqueue *queue, enum object_kind kind, const char *namespace, const char *name,
                         int64_t delay_ms) {
    if (delay_ms <= 0) {
        workqueue_add(queue, kind, namespace, name, WORKQUEUE_LOW);
        return;
    }
    delay(queue, item_of(queue, kind, namespace, name), (uint64_t)delay_ms * NS_PER_MS);
}

struct workqueue_item *workqueue_take(struct workqueue *queue) {
    int priority = queue->head[WORKQUEUE_HIGH] ? WORKQUEUE_HIGH : WORKQUEUE_LOW;
    struct workqueue_item *item = queue->head[priority];
    if (!item)
        return NULL;
    queue->head[priority] = item->next;
    if (!item->next)
        queue->tail[priority] = NULL;
    item->next = NULL;
    item->queued = false;
    item->working = true;
    item->started_ns = runtime_mono_ns(queue->runtime);
    queue->depth--;
    queue->working++;
    if (queue->metrics)
        metrics_observe(queue->metrics, &metric_queue_seconds, labels_of(item),
                        (double)(item->started_ns - item->added_ns) * SECONDS_PER_NS);
    measure_depth(queue);
    return item;
}

static uint64_t backoff_ns(struct workqueue *queue, uint32_t failures) {
    uint64_t ms = failures < 19 ? (uint64_t)BACKOFF_BASE_MS << (failures - 1) : BACKOFF_MAX_MS;
    if (ms > BACKOFF_MAX_MS)
        ms = BACKOFF_MAX_MS;
    return ms * NS_PER_MS + runtime_jitter(queue->runtime, ms * NS_PER_MS / 2);
}

void workqueue_done(struct workqueue *queue, struct workqueue_item *item, bool failed) {
    ASSERT(item->working);
    item->working = false;
    queue->working--;
    if (queue->metrics) {
        metrics_observe(queue->metrics, &metric_work_seconds, labels_of(item),
                        (double)(runtime_mono_ns(queue->runtime) - item->started_ns) * SECONDS_PER_NS);
        if (failed)
            metrics_add(queue->metrics, &metric_retries, labels_of(item), 1);
    }
    item->failures = failed ? item->failures + 1 : 0;
    bool again = item->again;
    item->again = false;
    if (again) {
        push(queue, item, item->again_priority);
    } else if (failed) {
        delay(queue, item, backoff_ns(queue, item->failures));
    } else if (!timer_is_active(&item->timer)) {
        (void)map_remove(&queue->items, item->key);
        item_free(item);
    }
}
