/*
 * Utilisation into history: tracked resources of a region are asked for together, a back-fill first, then increments
 * once a step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "base/log.h"
#include "base/str.h"
#include "observe/observe_internal.h"

#define BATCH_MAX 100   /* Resources of one call. */
#define GATHER_MS 50    /* So that policies that appear together are asked for together. */
#define SETTLE_MS 30000 /* Clouds publish a period's value a little after its end. */
#define RETRY_MS 30000
#define PEAK_MS 60000   /* How often a peak is looked for where the cloud tells only what is now. */
#define RECORDED_MAX 64 /* Changes of one group's size that our record may tell. */
#define UNTOUCHED_MAX_NS (UINT64_C(3600) * NS_PER_S)

static const char *const provider_names[] = {"provider", NULL};
static const struct metric metric_samples = {
    "trimtab_usage_samples_total", "Utilisation samples taken into the history.", METRIC_COUNTER, provider_names, NULL};
static const struct metric metric_dropped = {"trimtab_usage_samples_dropped_total",
                                             "Utilisation samples refused: NaN, negative, infinite or in the future.",
                                             METRIC_COUNTER, provider_names, NULL};
static const struct metric metric_errors = {"trimtab_usage_errors_total", "Calls for utilisation that failed.",
                                            METRIC_COUNTER, provider_names, NULL};

char *observe_history_key(const char *provider, const struct cloud_resource *resource, enum cloud_metric metric) {
    return mem_printf("%s/%s/%s/%s/%s", provider, resource->region, cloud_kind_name(resource->kind), resource->id,
                      cloud_metric_name(metric));
}

static int64_t wall_ms(const struct observe_region *region) {
    return runtime_wall_ms(observe_runtime(region->provider->observe));
}

/* The last complete slot ends here. */
static int64_t complete_until_ms(const struct observe_region *region) {
    int64_t step_ms = region->provider->observe->options.usage_step_ms;
    return wall_ms(region) / step_ms * step_ms;
}

static int64_t from_ms(const struct observe_region *region, const struct observe_track *track) {
    const struct observe_options *options = &region->provider->observe->options;
    int64_t earliest_ms = complete_until_ms(region) - options->backfill_ms;
    int64_t next_ms = history_next_ms(options->history, track->key);
    /* Never an empty range: a cloud that tells only what is now is asked all the same. */
    int64_t latest_ms = complete_until_ms(region) - options->usage_step_ms;
    if (next_ms > latest_ms)
        return latest_ms;
    return next_ms > earliest_ms ? next_ms : earliest_ms;
}

static void track_free(struct observe *observe, struct observe_track *track) {
    (void)map_remove(&observe->tracks, track->key);
    mem_free(track->key);
    mem_free(track->id);
    mem_free(track->kills);
    mem_free(track);
}

void observe_usage_forget_region(struct observe *observe, const struct observe_region *region) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&observe->tracks, &i));) {
        struct observe_track *track = entry->value;
        if (track->region == region)
            track->region = NULL; /* The next observe_track of it finds the new region. */
    }
}

/* What has usage; of others nothing is asked. What nodes carry is told by what is on them. */
#define USAGE_KINDS (1u << CLOUD_INSTANCE_GROUP | 1u << CLOUD_INSTANCE | 1u << CLOUD_WORKLOAD)

/* How many share the load: of what is one machine, that one. */
static int64_t serving_of(const struct cloud_resource *resource) {
    return resource->kind == CLOUD_INSTANCE ? 1 : resource->serving;
}

/* What one machine has of the metric: milli-vCPU or MiB. */
static int64_t capacity_of(const struct cloud_resource *resource, enum cloud_metric metric) {
    return metric == CLOUD_METRIC_MEMORY ? resource->memory_mib : resource->vcpu_milli;
}

/* Where the cloud keeps no record of sizes, our own record of actions serves. */
static struct cloud_series with_recorded_sizes(struct observe_region *region, const struct cloud_series *series,
                                               const struct cloud_resource *resource) {
    const struct observe_options *options = &region->provider->observe->options;
    struct cloud_series out = *series;
    if (series->serving_count > 0 || !options->recorded_sizes)
        return out;
    struct cloud_sample changes[RECORDED_MAX];
    size_t change_count = options->recorded_sizes(options->ctx, region->provider->key, resource, changes, RECORDED_MAX);
    if (change_count == 0)
        return out;
    if (isnan(changes[0].value)) { /* What it had then is not known, and so neither is what its utilisation was of. */
        ASSERT(change_count > 1);
        while (out.utilization_count > 0 && out.utilization->time_ms < changes[1].time_ms) {
            out.utilization++;
            out.utilization_count--;
        }
        return out;
    }
    struct cloud_sample *serving =
        arena_alloc_array(&region->usage_arena, series->utilization_count, sizeof(struct cloud_sample));
    for (size_t i = 0, at = 0; i < series->utilization_count; i++) {
        int64_t time_ms = series->utilization[i].time_ms;
        while (at + 1 < change_count && changes[at + 1].time_ms <= time_ms)
            at++;
        serving[i] = (struct cloud_sample){.time_ms = time_ms, .value = changes[at].value};
    }
    out.serving = serving;
    out.serving_count = series->utilization_count;
    return out;
}

/* The sample that was held goes to the history once its slot has ended, with the size of its time. */
static void give_held(struct observe_region *region, struct observe_track *track,
                      const struct cloud_resource *resource) {
    size_t dropped;
    if (track->held.time_ms == 0 || track->held.time_ms >= complete_until_ms(region))
        return;
    const struct cloud_series series = {.id = track->id,
                                        .utilization = &track->held,
                                        .utilization_count = 1,
                                        .serving = &track->held_serving,
                                        .serving_count = 1,
                                        .is_present = track->is_present};
    history_add(region->provider->observe->options.history, track->key, &series, track->held_capacity,
                serving_of(resource), wall_ms(region), &dropped);
    track->held.time_ms = 0;
}

/* Where the cloud keeps a record, the slot is asked for again, and its word replaces this one. Of memory the greatest
 * of the slot is held, with the size at its time. */
static void hold(struct observe_region *region, struct observe_track *track, const struct cloud_series *series,
                 const struct cloud_resource *resource) {
    const struct cloud_sample *last = series->utilization_count ? &series->utilization[series->utilization_count - 1]
                                                                : &(const struct cloud_sample){0};
    if (last->time_ms < complete_until_ms(region) || last->time_ms > wall_ms(region) || !isfinite(last->value) ||
        last->value < 0)
        return;
    int64_t step_ms = region->provider->observe->options.usage_step_ms;
    bool is_same_slot = track->held.time_ms > 0 && track->held.time_ms / step_ms == last->time_ms / step_ms;
    int64_t capacity = capacity_of(resource, track->metric);
    if (is_same_slot && track->metric == CLOUD_METRIC_MEMORY &&
        track->held.value * (double)track->held_capacity > last->value * (double)capacity)
        return;
    track->held = *last;
    track->held_capacity = capacity;
    track->held_serving = (struct cloud_sample){.time_ms = last->time_ms, .value = (double)serving_of(resource)};
    if (series->serving_count && series->serving[series->serving_count - 1].time_ms == last->time_ms)
        track->held_serving.value = series->serving[series->serving_count - 1].value;
}

#define KILLS_KNOWN_MAX (4 * CLOUD_KILLS_MAX) /* Of one resource: more than a cloud tells at once. */

static bool kill_is_new(struct observe_track *track, const struct cloud_kill *kill) {
    uint64_t hash = str_hash_text(STR_HASH_SEED, kill->id);
    for (size_t i = 0; i < track->kill_count; i++)
        if (track->kills[i] == hash)
            return false;
    if (!track->kills)
        track->kills = mem_alloc_array(KILLS_KNOWN_MAX, sizeof(*track->kills));
    track->kills[track->kill_next] = hash;
    track->kill_next = (track->kill_next + 1) % KILLS_KNOWN_MAX;
    track->kill_count += track->kill_count < KILLS_KNOWN_MAX;
    return true;
}

/* Whether there was news. The pods that share the load are those that are wanted: just now fewer serve, since one was
 * killed. */
static bool take_kills(struct observe_region *region, struct observe_track *track, const struct cloud_series *series,
                       const struct cloud_resource *resource) {
    const struct observe_options *options = &region->provider->observe->options;
    struct history_raise raise;
    size_t told = 0, raised = 0;
    for (size_t i = 0; i < series->kill_count; i++) {
        const struct cloud_kill *kill = &series->kills[i];
        if (!kill_is_new(track, kill))
            continue;
        bool is_raised = history_add_kill(options->history, track->key, kill->time_ms, kill->memory_mib,
                                          resource->count, wall_ms(region), &raise);
        /* At first, what raises nothing may have been told by the process before this one. */
        told += is_raised || track->fetched;
        raised += is_raised;
    }
    if (told > 0 && options->on_kills)
        options->on_kills(options->ctx, region->provider->key, resource, told, raised > 0 ? &raise : NULL);
    return told > 0;
}

void observe_restore_raise(struct observe *observe, const char *provider, const struct cloud_resource *resource,
                           const struct history_raise *raise) {
    char *key = observe_history_key(provider, resource, CLOUD_METRIC_MEMORY);
    history_restore_raise(observe->options.history, key, raise, runtime_wall_ms(observe_runtime(observe)));
    mem_free(key);
}

static void take_series(struct observe_region *region, struct observe_track *track, const struct cloud_series *series) {
    const struct observe_options *options = &region->provider->observe->options;
    const struct cloud_resource *resource = observe_region_resource(region, track->kind, track->id);
    if (!resource)
        return; /* Deleted meanwhile. */
    struct cloud_series whole = with_recorded_sizes(region, series, resource);
    size_t dropped = 0;
    track->is_present = series->is_present;
    give_held(region, track, resource);
    hold(region, track, series, resource);
    history_add(options->history, track->key, &whole, capacity_of(resource, track->metric), serving_of(resource),
                wall_ms(region), &dropped);
    metrics_add(options->metrics, &metric_samples, METRIC_LABELS(region->provider->key),
                (double)(series->utilization_count - dropped));
    metrics_add(options->metrics, &metric_dropped, METRIC_LABELS(region->provider->key), (double)dropped);
    if (take_kills(region, track, series, resource))
        region->usage_is_again = false; /* That is news. */
}

static void batch_succeeded(struct observe_region *region, const struct adapter_reply *reply) {
    region->usage_failures = 0;
    for (size_t i = 0; i < region->usage_batch_count; i++) {
        struct observe_track *track = region->usage_batch[i];
        track->error = (struct error){0};
        for (size_t k = 0; k < reply->count; k++)
            if (str_eq(reply->as.series[k].id, track->id))
                take_series(region, track, &reply->as.series[k]);
        track->fetched = true;
    }
}

static void batch_failed(struct observe_region *region, const struct error *error) {
    region->usage_failures++;
    for (size_t i = 0; i < region->usage_batch_count; i++)
        region->usage_batch[i]->error = *error;
    log_warn("utilisation not read", LOG_STR("provider", region->provider->key), LOG_STR("region", region->name),
             LOG_ERR(error));
    metrics_add(region->provider->observe->options.metrics, &metric_errors, METRIC_LABELS(region->provider->key), 1);
}

static int64_t until_next_step_ms(const struct observe_region *region) {
    int64_t step_ms = region->provider->observe->options.usage_step_ms;
    int64_t settle_ms = SETTLE_MS < step_ms / 4 ? SETTLE_MS : step_ms / 4;
    return complete_until_ms(region) + step_ms + settle_ms - wall_ms(region);
}

static void usage_done(struct adapter_call *call) {
    struct observe_region *region = call->ctx;
    struct observe_provider *provider = region->provider;
    region->usage_busy = false;
    for (size_t i = 0; i < region->usage_batch_count; i++)
        region->usage_batch[i]->in_batch = false;
    if (provider->closing)
        return;
    bool failed = call->reply.error.class != ERR_NONE;
    if (failed)
        batch_failed(region, &call->reply.error);
    else
        batch_succeeded(region, &call->reply);
    arena_release(&region->usage_arena);
    int64_t delay_ms = 0; /* More may be due: another metric, another start, beyond BATCH_MAX. */
    if (failed) {
        uint32_t doublings = region->usage_failures < 5 ? region->usage_failures - 1 : 4;
        delay_ms = RETRY_MS << doublings;
        if (call->reply.error.retry_after_ms > delay_ms)
            delay_ms = call->reply.error.retry_after_ms;
    }
    observe_usage_schedule(region, delay_ms);
    if (!region->usage_is_again || failed) /* What was asked again for a peak is held, and no news yet. */
        provider->observe->options.on_usage(provider->observe->options.ctx, provider->namespace, provider->name);
}

/* When a peak is looked for again within the slot that runs; INT64_MAX: it is not, the cloud tells of it afterwards. */
static int64_t next_peak_ms(const struct observe_track *track) {
    return track->metric == CLOUD_METRIC_MEMORY && track->is_present ? track->asked_at_ms + PEAK_MS : INT64_MAX;
}

/* A track is due when a complete slot is missing and it was not asked for since that slot ended. */
static bool is_due(const struct observe_region *region, const struct observe_track *track) {
    return !track->in_batch &&
           (!track->fetched || track->error.class != ERR_NONE || track->asked_until_ms < complete_until_ms(region) ||
            next_peak_ms(track) <= wall_ms(region));
}

static int64_t until_next_peak_ms(const struct observe_region *region) {
    int64_t next_ms = INT64_MAX, now_ms = wall_ms(region);
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&region->provider->observe->tracks, &i));) {
        const struct observe_track *track = entry->value;
        if (track->region == region && next_peak_ms(track) < next_ms)
            next_ms = next_peak_ms(track);
    }
    return next_ms == INT64_MAX ? INT64_MAX : next_ms > now_ms ? next_ms - now_ms : 0;
}

static void drop_untouched(struct observe_region *region) {
    struct observe *observe = region->provider->observe;
    uint64_t now_ns = runtime_mono_ns(observe_runtime(observe));
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&observe->tracks, &i));) {
        struct observe_track *track = entry->value;
        if (!track->in_batch && now_ns - track->touched_ns > UNTOUCHED_MAX_NS)
            track_free(observe, track);
    }
}

/* Of the due ones, those that share the first one's metric and start: a back-fill is one call, increments are another.
 */
static void gather(struct observe_region *region) {
    struct observe *observe = region->provider->observe;
    struct map_entry *entry;
    region->usage_batch = arena_alloc_array(&region->usage_arena, BATCH_MAX, sizeof(*region->usage_batch));
    region->usage_batch_count = 0;
    region->usage_is_again = true;
    const char **ids = arena_alloc_array(&region->usage_arena, BATCH_MAX, sizeof(*ids));
    struct cloud_query *query = &region->usage_query;
    for (size_t i = 0; (entry = map_next(&observe->tracks, &i)) && region->usage_batch_count < BATCH_MAX;) {
        struct observe_track *track = entry->value;
        if (track->region != region || !is_due(region, track))
            continue;
        int64_t start_ms = from_ms(region, track);
        if (region->usage_batch_count == 0)
            *query = (struct cloud_query){.region = region->name,
                                          .kind = track->kind,
                                          .metric = track->metric,
                                          .from_ms = start_ms,
                                          .to_ms = complete_until_ms(region),
                                          .step_ms = observe->options.usage_step_ms};
        else if (start_ms != query->from_ms || track->metric != query->metric || track->kind != query->kind)
            continue;
        track->in_batch = true;
        region->usage_is_again = region->usage_is_again && track->fetched && track->error.class == ERR_NONE &&
                                 track->asked_until_ms == query->to_ms;
        track->asked_until_ms = query->to_ms;
        track->asked_at_ms = wall_ms(region);
        ids[region->usage_batch_count] = track->id;
        region->usage_batch[region->usage_batch_count++] = track;
    }
    query->ids = ids;
    query->id_count = region->usage_batch_count;
}

static void usage_begin(struct timer *timer) {
    struct observe_region *region = timer->ctx;
    struct observe *observe = region->provider->observe;
    if (region->usage_busy)
        return;
    drop_untouched(region);
    arena_release(&region->usage_arena);
    gather(region);
    if (region->usage_batch_count == 0) {
        int64_t step_ms = until_next_step_ms(region), peak_ms = until_next_peak_ms(region);
        observe_usage_schedule(region, peak_ms < step_ms ? peak_ms : step_ms);
        return;
    }
    region->usage_busy = true;
    region->usage_call = (struct adapter_call){.done = usage_done,
                                               .ctx = region,
                                               .arena = &region->usage_arena,
                                               .timeout_ms = observe->options.call_timeout_ms};
    region->provider->adapter->ops->usage(region->provider->adapter, &region->usage_call, &region->usage_query);
}

void observe_usage_schedule(struct observe_region *region, int64_t delay_ms) {
    timer_start(observe_runtime(region->provider->observe), &region->usage_timer, (uint64_t)delay_ms * NS_PER_MS,
                usage_begin, region);
}

void observe_track(struct observe *observe, const char *provider, const struct cloud_resource *resource,
                   enum cloud_metric metric) {
    struct observe_region *region = observe_region_find(observe, provider, resource->region);
    if (!region || !(USAGE_KINDS >> resource->kind & 1u))
        return;
    char *key = observe_history_key(provider, resource, metric);
    struct observe_track *track = map_get(&observe->tracks, key);
    bool is_new = !track || track->region != region;
    if (!track) {
        track = mem_alloc(sizeof(*track));
        track->key = key;
        track->id = mem_strdup(resource->id);
        track->kind = resource->kind;
        track->metric = metric;
        (void)map_put(&observe->tracks, key, track);
    } else {
        mem_free(key);
    }
    track->region = region;
    track->touched_ns = runtime_mono_ns(observe_runtime(observe));
    if (is_new && !region->usage_busy)
        observe_usage_schedule(region, GATHER_MS);
}

bool observe_is_tracked(const struct observe *observe, const char *provider, const struct cloud_resource *resource,
                        enum cloud_metric metric, struct error *ret_error) {
    char *key = observe_history_key(provider, resource, metric);
    const struct observe_track *track = map_get(&observe->tracks, key);
    mem_free(key);
    *ret_error = track ? track->error : (struct error){0};
    return (track && track->fetched) || !(USAGE_KINDS >> resource->kind & 1u);
}
