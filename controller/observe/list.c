/*
 * Listings of shelves (a region, a kind) at a cadence by kind, with back-off. At most a few are under way for a
 * provider, and fewer for a region, so that neither many regions stampede nor one that hangs takes every place.
 *
 *     timer -> queue of the provider -> adapter's list -> its prices -> timer
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "base/str.h"
#include "observe/observe_internal.h"

#define BACKOFF_MAX_MS (INT64_C(10) * 60 * 1000)
#define TRIM_SIZE ((size_t)4 << 20)
/* Listings of a provider. What asks slowly is the gate's to say; a region's kinds must not wait for one another, since
 * they are asked of different APIs. */
#define IN_FLIGHT_MAX 32

/* In list periods: what is scaled and replaced all the time is looked at more often than what lies and costs. */
static const uint8_t cadence[] = {
    [CLOUD_INSTANCE] = 1, [CLOUD_INSTANCE_GROUP] = 1, [CLOUD_WORKLOAD] = 1,  [CLOUD_NODE] = 1,
    [CLOUD_VOLUME] = 5,   [CLOUD_ADDRESS] = 5,        [CLOUD_SNAPSHOT] = 15, [CLOUD_BUCKET] = 15,
};
_Static_assert(ARRAY_LEN(cadence) == CLOUD_KIND_COUNT, "a cadence for each kind");

static const char *const shelf_names[] = {"provider", "region", "kind", NULL};
static const char *const shelf_class[] = {"provider", "region", "kind", "class", NULL};
static const struct metric metric_lists = {"trimtab_observe_lists_total",
                                           "Listings of a kind in a region that ended well.", METRIC_COUNTER,
                                           shelf_names, NULL};
static const struct metric metric_unchanged = {"trimtab_observe_unchanged_total",
                                               "Of these, those that said the same as the one before.", METRIC_COUNTER,
                                               shelf_names, NULL};
static const struct metric metric_errors = {"trimtab_observe_errors_total",
                                            "Listings of a kind in a region that failed, by error class.",
                                            METRIC_COUNTER, shelf_class, NULL};
static const struct metric metric_resources = {"trimtab_observe_resources",
                                               "Resources in the last good listing of a kind in a region.",
                                               METRIC_GAUGE, shelf_names, NULL};
static const struct metric metric_truncated = {"trimtab_observe_truncated",
                                               "1: the last good listing was cut, nothing shrinks on it.", METRIC_GAUGE,
                                               shelf_names, NULL};
static const struct metric metric_as_of = {"trimtab_observe_as_of_timestamp_seconds",
                                           "When the last good listing of a kind in a region began.", METRIC_GAUGE,
                                           shelf_names, NULL};

static struct observe *observe_of(const struct observe_shelf *shelf) {
    return shelf->region->provider->observe;
}

static int64_t period_ms(const struct observe_shelf *shelf) {
    return observe_of(shelf)->options.list_period_ms * cadence[shelf->kind];
}

/* From the list period up whatever the kind: who waits 15 minutes for the second try of the first listing? */
static int64_t backoff_ms(const struct observe_shelf *shelf) {
    int64_t max_ms = period_ms(shelf) > BACKOFF_MAX_MS ? period_ms(shelf) : BACKOFF_MAX_MS;
    int64_t delay_ms = observe_of(shelf)->options.list_period_ms;
    for (uint32_t i = 1; i < shelf->failures && delay_ms < max_ms; i++)
        delay_ms *= 2;
    if (delay_ms > max_ms)
        delay_ms = max_ms;
    return shelf->error.retry_after_ms > delay_ms ? shelf->error.retry_after_ms : delay_ms;
}

/* ---- how much may be held ---- */

/* What this shelf may hold beside all others of its provider. */
static size_t room_of(const struct observe_shelf *shelf) {
    const struct observe_provider *provider = shelf->region->provider;
    size_t held = 0;
    for (size_t i = 0; i < provider->region_count; i++)
        for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
            const struct observe_shelf *other = provider->regions[i].shelves[kind];
            held += other && other != shelf ? other->stock.count : 0;
        }
    size_t total_max = provider->observe->options.total_max;
    return held < total_max ? total_max - held : 0;
}

size_t observe_shelf_limit(const struct observe_shelf *shelf) {
    const struct observe_options *options = &observe_of(shelf)->options;
    return shelf->cut_by_total ? options->total_max : options->count_max;
}

static void note_truncation(const struct observe_shelf *shelf, bool before) {
    const struct observe_region *region = shelf->region;
    if (shelf->truncated && !before)
        log_warn("listing cut, nothing shrinks on it: raise the limit, or spread the regions over several Providers",
                 LOG_STR("provider", region->provider->key), LOG_STR("region", region->name),
                 LOG_STR("kind", cloud_kind_name(shelf->kind)), LOG_INT("kept", shelf->stock.count),
                 LOG_INT("limit", observe_shelf_limit(shelf)),
                 LOG_STR("limit_of", shelf->cut_by_total ? "provider" : "listing"));
    else if (before && !shelf->truncated)
        log_info("listing whole again", LOG_STR("provider", region->provider->key), LOG_STR("region", region->name),
                 LOG_STR("kind", cloud_kind_name(shelf->kind)), LOG_INT("count", shelf->stock.count));
}

/* ---- the end of a listing ---- */

static void list_failed(struct observe_shelf *shelf, const struct error *error) {
    const struct observe_region *region = shelf->region;
    bool is_news = shelf->error.class != error->class;
    shelf->failures++;
    shelf->changed = shelf->error.class == ERR_NONE;
    shelf->error = *error;
    arena_release(&shelf->call_arena);
    /* Said once: with a permission missing in 64 regions the rest of the log would drown. */
    if (is_news)
        log_warn("listing failed", LOG_STR("provider", region->provider->key), LOG_STR("region", region->name),
                 LOG_STR("kind", cloud_kind_name(shelf->kind)), LOG_ERR(error));
    metrics_add(observe_of(shelf)->options.metrics, &metric_errors,
                METRIC_LABELS(region->provider->key, region->name, cloud_kind_name(shelf->kind),
                              error_class_name(error->class)),
                1);
    shelf->next_ms = backoff_ms(shelf);
}

static void publish(const struct observe_shelf *shelf, bool is_same) {
    struct metrics *metrics = observe_of(shelf)->options.metrics;
    const char *const *labels =
        METRIC_LABELS(shelf->region->provider->key, shelf->region->name, cloud_kind_name(shelf->kind));
    metrics_add(metrics, &metric_lists, labels, 1);
    metrics_add(metrics, &metric_unchanged, labels, is_same ? 1 : 0);
    metrics_set(metrics, &metric_resources, labels, (double)shelf->stock.count);
    metrics_set(metrics, &metric_truncated, labels, shelf->truncated ? 1 : 0);
    metrics_set(metrics, &metric_as_of, labels, (double)shelf->as_of_ms / 1000);
}

/* What says the same as before is let go again: indexes, and what others may have found, stay in place. */
static bool take(struct observe_shelf *shelf, const struct adapter_reply *reply, size_t count) {
    uint64_t hash = stock_hash(shelf->kind, reply->as.resources, count);
    bool is_same = shelf->as_of_ms > 0 && hash == shelf->content_hash;
    bool is_large = shelf->call_arena.used > TRIM_SIZE;
    if (is_same) {
        stock_touch(&shelf->stock, reply->as.resources, count, shelf->began_ms);
    } else {
        stock_release(&shelf->stock);
        /* The arena is ours, and so is what lies in it. */
        stock_fill(&shelf->stock, shelf->region->name, shelf->kind,
                   (struct cloud_resource *)(uintptr_t)reply->as.resources, count, shelf->began_ms, &shelf->call_arena);
    }
    shelf->content_hash = hash;
    arena_release(&shelf->call_arena);
    if (is_large)
        mem_trim();
    return is_same;
}

static void list_succeeded(struct observe_shelf *shelf, const struct adapter_reply *reply) {
    size_t room = room_of(shelf), count = reply->count < room ? reply->count : room;
    bool was_truncated = shelf->truncated, had_failed = shelf->failures > 0;
    bool was_stale = observe_shelf_state(shelf) == SOURCE_STALE;
    bool is_same = take(shelf, reply, count);
    shelf->truncated = reply->truncated || count < reply->count;
    shelf->cut_by_total = shelf->truncated && room < observe_of(shelf)->options.count_max;
    shelf->as_of_ms = shelf->began_ms;
    shelf->as_of_ns = shelf->began_ns;
    shelf->sequence = shelf->began_sequence;
    shelf->failures = 0;
    shelf->error = (struct error){0};
    /* Who has planned on what was stale holds back: that the same is fresh again is news to them. */
    bool is_fresh_again = was_stale && observe_shelf_state(shelf) != SOURCE_STALE;
    shelf->changed = !is_same || shelf->truncated != was_truncated || had_failed || is_fresh_again;
    note_truncation(shelf, was_truncated);
    publish(shelf, is_same);
    /* A little jitter keeps many shelves from marching in step. */
    int64_t next_ms = period_ms(shelf);
    shelf->next_ms = next_ms - (int64_t)runtime_jitter(observe_runtime(observe_of(shelf)), (uint64_t)next_ms / 10);
}

static void list_done(struct adapter_call *call) {
    struct observe_shelf *shelf = call->ctx;
    if (shelf->region->provider->closing)
        return; /* Memory goes when the adapter has closed. */
    bool failed = call->reply.error.class != ERR_NONE;
    if (failed)
        list_failed(shelf, &call->reply.error);
    else
        list_succeeded(shelf, &call->reply);
    shelf->tried = true;
    if (failed)
        observe_list_end(shelf);
    else
        observe_prices_begin(shelf);
}

/* ---- the beginning ---- */

static void list_begin(struct observe_shelf *shelf) {
    struct observe *observe = observe_of(shelf);
    struct observe_provider *provider = shelf->region->provider;
    size_t room = room_of(shelf), count_max = observe->options.count_max;
    shelf->busy = true;
    provider->in_flight++;
    shelf->began_ms = runtime_wall_ms(observe_runtime(observe));
    shelf->began_ns = runtime_mono_ns(observe_runtime(observe));
    shelf->began_sequence = ++observe->sequence;
    shelf->query = (struct cloud_query){.kinds = 1u << shelf->kind,
                                        .region = shelf->region->name,
                                        .wants_loads = shelf->region->wants_loads,
                                        .count_max = room == 0          ? 1
                                                     : room < count_max ? room
                                                                        : count_max};
    shelf->call = (struct adapter_call){
        .done = list_done, .ctx = shelf, .arena = &shelf->call_arena, .timeout_ms = observe->options.call_timeout_ms};
    provider->adapter->ops->list(provider->adapter, &shelf->call, &shelf->query);
}

static void queue_remove(struct observe_shelf *shelf) {
    struct observe_shelf **at = &shelf->region->provider->queue;
    while (*at != shelf)
        at = &(*at)->next_queued;
    *at = shelf->next_queued;
    shelf->queued = false;
}

/* The urgent ones first, else in order. */
static void queue_add(struct observe_shelf *shelf) {
    struct observe_shelf **at = &shelf->region->provider->queue;
    while (*at && (!shelf->urgent || (*at)->urgent))
        at = &(*at)->next_queued;
    shelf->next_queued = *at;
    *at = shelf;
    shelf->queued = true;
}

static void queue_run(struct observe_provider *provider) {
    struct observe_shelf *next;
    for (struct observe_shelf *it = provider->queue; it && provider->in_flight < IN_FLIGHT_MAX; it = next) {
        next = it->next_queued;
        queue_remove(it);
        it->urgent = false;
        list_begin(it);
    }
}

static void list_due(struct timer *timer) {
    struct observe_shelf *shelf = timer->ctx;
    if (shelf->busy)
        return; /* Its end starts the next. */
    if (shelf->queued)
        queue_remove(shelf);
    queue_add(shelf);
    queue_run(shelf->region->provider);
}

void observe_list_start(struct observe_shelf *shelf, int64_t delay_ms) {
    timer_start(observe_runtime(observe_of(shelf)), &shelf->timer, (uint64_t)delay_ms * NS_PER_MS, list_due, shelf);
}

void observe_list_end(struct observe_shelf *shelf) {
    struct observe_provider *provider = shelf->region->provider;
    const struct observe_options *options = &provider->observe->options;
    shelf->busy = false;
    shelf->looked = true;
    provider->in_flight--;
    if (provider->closing)
        return;
    observe_list_start(shelf, shelf->next_ms);
    queue_run(provider);
    options->on_provider(options->ctx, provider->namespace, provider->name, shelf->changed);
}

void observe_refresh(struct observe *observe, const char *provider, const char *region, enum cloud_kind kind) {
    struct observe_shelf *shelf = observe_shelf_find(observe, provider, region, kind);
    /* After a failure the back-off rules: who needs the listing is told when it ends. */
    if (!shelf || shelf->busy || shelf->failures > 0)
        return;
    shelf->urgent = true;
    observe_list_start(shelf, 0);
}

/* ---- what is known ---- */

enum source_state observe_shelf_state(const struct observe_shelf *shelf) {
    const struct observe *observe = observe_of(shelf);
    if (shelf->as_of_ms == 0)
        return SOURCE_MISSING;
    uint64_t age_ns = runtime_mono_ns(observe_runtime(observe)) - shelf->as_of_ns;
    if (age_ns > (uint64_t)(observe->options.stale_after_ms * cadence[shelf->kind]) * NS_PER_MS)
        return SOURCE_STALE;
    return shelf->truncated ? SOURCE_TRUNCATED : SOURCE_FRESH;
}

uint64_t observe_sequence(const struct observe *observe) {
    return observe->sequence;
}

enum source_state observe_source(const struct observe *observe, const char *provider, const char *region,
                                 enum cloud_kind kind, int64_t *ret_seen_at_ms, uint64_t *ret_sequence) {
    const struct observe_shelf *shelf = observe_shelf_find(observe, provider, region, kind);
    *ret_seen_at_ms = shelf ? shelf->as_of_ms : 0;
    if (ret_sequence)
        *ret_sequence = shelf ? shelf->sequence : 0;
    return shelf ? observe_shelf_state(shelf) : SOURCE_MISSING;
}

bool observe_find(const struct observe *observe, const char *provider, const char *region, enum cloud_kind kind,
                  const char *id, const struct cloud_resource **ret) {
    const struct observe_shelf *shelf = observe_shelf_find(observe, provider, region, kind);
    const struct cloud_resource *found = shelf ? stock_find(&shelf->stock, id) : NULL;
    if (found)
        *ret = found;
    return found != NULL;
}
