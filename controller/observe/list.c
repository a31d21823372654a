/*
 * Listings of regions at a cadence, with back-off, and the indexes over the last good one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "base/str.h"
#include "observe/observe_internal.h"

#define BACKOFF_MAX_MS (INT64_C(10) * 60 * 1000)

static const char *const provider_region[] = {"provider", "region", NULL};
static const char *const provider_region_class[] = {"provider", "region", "class", NULL};
static const struct metric metric_lists = {"trimtab_observe_lists_total", "Listings of a region that ended well.",
                                           METRIC_COUNTER, provider_region, NULL};
static const struct metric metric_errors = {"trimtab_observe_errors_total",
                                            "Listings of a region that failed, by error class.", METRIC_COUNTER,
                                            provider_region_class, NULL};
static const struct metric metric_resources = {"trimtab_observe_resources",
                                               "Resources in the last good listing of a region.", METRIC_GAUGE,
                                               provider_region, NULL};
static const struct metric metric_as_of = {"trimtab_observe_as_of_timestamp_seconds",
                                           "When the last good listing of a region began.", METRIC_GAUGE,
                                           provider_region, NULL};

static void index_release(struct map *by_tag, struct map *by_id) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(by_tag, &i));) {
        struct observe_postings *postings = entry->value;
        mem_free(postings->indices);
        mem_free(postings);
    }
    map_release(by_tag);
    map_release(by_id);
}

void observe_region_release(struct observe_region *region) {
    index_release(&region->by_tag, &region->by_id);
    arena_release(&region->arena);
    arena_release(&region->call_arena);
    arena_release(&region->usage_arena);
    observe_prices_release(region);
}

static void index_tag(struct map *by_tag, const struct cloud_tag *tag, uint32_t index) {
    char *key = mem_printf("%s=%s", tag->key, tag->value);
    struct observe_postings *postings = map_get(by_tag, key);
    if (!postings) {
        postings = mem_alloc(sizeof(*postings));
        (void)map_put(by_tag, key, postings);
    }
    mem_free(key);
    if ((postings->count & (postings->count - 1)) == 0) /* Doubles at powers of two. */
        postings->indices = mem_grow(postings->indices, postings->count, postings->count ? postings->count * 2 : 1,
                                     sizeof(*postings->indices));
    postings->indices[postings->count++] = index;
}

static void index_build(struct observe_region *region) {
    index_release(&region->by_tag, &region->by_id);
    for (size_t i = 0; i < region->count; i++) {
        const struct cloud_resource *resource = &region->resources[i];
        char *key = mem_printf("%d/%s", (int)resource->kind, resource->id);
        (void)map_put(&region->by_id, key, (void *)(uintptr_t)(i + 1));
        mem_free(key);
        for (size_t k = 0; k < resource->tag_count; k++)
            index_tag(&region->by_tag, &resource->tags[k], (uint32_t)i);
    }
}

const struct cloud_resource *observe_region_resource(const struct observe_region *region, enum cloud_kind kind,
                                                     const char *id) {
    char *key = mem_printf("%d/%s", (int)kind, id);
    uintptr_t index = (uintptr_t)map_get(&region->by_id, key);
    mem_free(key);
    return index ? &region->resources[index - 1] : NULL;
}

static int64_t backoff_ms(const struct observe_region *region) {
    const struct observe_options *options = &region->provider->observe->options;
    int64_t delay_ms = options->list_period_ms;
    for (uint32_t i = 1; i < region->failures && delay_ms < BACKOFF_MAX_MS; i++)
        delay_ms *= 2;
    if (delay_ms > BACKOFF_MAX_MS)
        delay_ms = BACKOFF_MAX_MS;
    return region->error.retry_after_ms > delay_ms ? region->error.retry_after_ms : delay_ms;
}

/* Of what plans and statuses depend on. */
static uint64_t content_hash(const struct observe_region *region) {
    uint64_t hash = str_hash(STR_HASH_SEED, &region->truncated, sizeof(region->truncated));
    for (size_t i = 0; i < region->count; i++) {
        const struct cloud_resource *r = &region->resources[i];
        const int64_t numbers[] = {(int64_t)r->kind, (int64_t)r->state, r->count,
                                   r->count_min,     r->count_max,      r->serving,
                                   r->vcpu_milli,    r->memory_mib,     (int64_t)r->tag_count};
        hash = str_hash(hash, numbers, sizeof(numbers));
        hash = str_hash_text(str_hash_text(hash, r->id), r->type);
        for (size_t k = 0; k < r->tag_count; k++)
            hash = str_hash_text(str_hash_text(hash, r->tags[k].key), r->tags[k].value);
    }
    return hash;
}

static void list_failed(struct observe_region *region, const struct error *error) {
    struct observe *observe = region->provider->observe;
    region->failures++;
    region->changed = region->error.class == ERR_NONE;
    region->error = *error;
    arena_release(&region->call_arena);
    log_warn("listing failed", LOG_STR("provider", region->provider->key), LOG_STR("region", region->name),
             LOG_ERR(error));
    metrics_add(observe->options.metrics, &metric_errors,
                METRIC_LABELS(region->provider->key, region->name, error_class_name(error->class)), 1);
    region->next_ms = backoff_ms(region);
}

static void list_succeeded(struct observe_region *region, const struct adapter_reply *reply) {
    struct observe *observe = region->provider->observe;
    const char *const *labels = METRIC_LABELS(region->provider->key, region->name);
    arena_release(&region->arena);
    region->arena = region->call_arena;
    region->call_arena = (struct arena){0};
    region->resources = reply->as.resources;
    region->count = reply->count;
    region->truncated = reply->truncated;
    region->as_of_ms = region->began_ms;
    region->as_of_ns = region->began_ns;
    region->sequence = region->began_sequence;
    bool had_failed = region->failures > 0;
    region->failures = 0;
    region->error = (struct error){0};
    index_build(region);
    uint64_t hash = content_hash(region);
    region->changed = hash != region->content_hash || !region->tried || had_failed;
    region->content_hash = hash;
    metrics_add(observe->options.metrics, &metric_lists, labels, 1);
    metrics_set(observe->options.metrics, &metric_resources, labels, (double)region->count);
    metrics_set(observe->options.metrics, &metric_as_of, labels, (double)region->as_of_ms / 1000);
    /* A little jitter keeps many regions from marching in step. */
    int64_t period_ms = observe->options.list_period_ms;
    region->next_ms = period_ms - (int64_t)runtime_jitter(observe_runtime(observe), (uint64_t)period_ms / 10);
}

static void list_ended(struct observe_region *region) {
    const struct observe_options *options = &region->provider->observe->options;
    region->busy = false;
    if (region->provider->closing)
        return;
    observe_list_start(region, region->next_ms);
    options->on_provider(options->ctx, region->provider->namespace, region->provider->name, region->changed);
}

static void list_done(struct adapter_call *call) {
    struct observe_region *region = call->ctx;
    if (region->provider->closing)
        return; /* Memory goes when the adapter has closed. */
    if (call->reply.error.class != ERR_NONE) {
        list_failed(region, &call->reply.error);
        region->tried = true;
        list_ended(region);
        return;
    }
    list_succeeded(region, &call->reply);
    region->tried = true;
    observe_prices_begin(region, list_ended);
}

static void list_begin(struct timer *timer) {
    struct observe_region *region = timer->ctx;
    struct observe *observe = region->provider->observe;
    if (region->busy)
        return; /* Its end starts the next. */
    region->busy = true;
    region->began_ms = runtime_wall_ms(observe_runtime(observe));
    region->began_ns = runtime_mono_ns(observe_runtime(observe));
    region->began_sequence = ++observe->sequence;
    region->query = (struct cloud_query){
        .kinds = (1u << CLOUD_KIND_COUNT) - 1, .region = region->name, .count_max = observe->options.count_max};
    region->call = (struct adapter_call){
        .done = list_done, .ctx = region, .arena = &region->call_arena, .timeout_ms = observe->options.call_timeout_ms};
    region->provider->adapter->ops->list(region->provider->adapter, &region->call, &region->query);
}

void observe_list_start(struct observe_region *region, int64_t delay_ms) {
    timer_start(observe_runtime(region->provider->observe), &region->timer, (uint64_t)delay_ms * NS_PER_MS, list_begin,
                region);
}

bool observe_region_is_stale(const struct observe_region *region) {
    const struct observe *observe = region->provider->observe;
    uint64_t age_ns = runtime_mono_ns(observe_runtime(observe)) - region->as_of_ns;
    return age_ns > (uint64_t)observe->options.stale_after_ms * NS_PER_MS;
}

uint64_t observe_sequence(const struct observe *observe) {
    return observe->sequence;
}

enum source_state observe_source(const struct observe *observe, const char *provider, const char *name,
                                 int64_t *ret_seen_at_ms, uint64_t *ret_sequence) {
    const struct observe_region *region = observe_region_find(observe, provider, name);
    *ret_seen_at_ms = region ? region->as_of_ms : 0;
    if (ret_sequence)
        *ret_sequence = region ? region->sequence : 0;
    if (!region || region->as_of_ms == 0)
        return SOURCE_MISSING;
    if (observe_region_is_stale(region))
        return SOURCE_STALE;
    return region->truncated ? SOURCE_TRUNCATED : SOURCE_FRESH;
}

bool observe_find(const struct observe *observe, const char *provider, const char *name, enum cloud_kind kind,
                  const char *id, const struct cloud_resource **ret) {
    const struct observe_region *region = observe_region_find(observe, provider, name);
    const struct cloud_resource *found = region ? observe_region_resource(region, kind, id) : NULL;
    if (found)
        *ret = found;
    return found != NULL;
}
