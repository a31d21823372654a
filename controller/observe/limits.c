/*
 * Quotas of the regions in which policies may make something, through the adapter; asked for when they are some minutes
 * old, after a listing, which waits for them as it does for prices. A failure leaves those that are known, or none:
 * then the cloud itself refuses what is too much.
 *
 * Where the cloud does not tell how much is used, it is counted in the listing of machines, or in that of groups where
 * machines are not listed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "observe/observe_internal.h"

#define LIMITS_MAX_AGE_NS (UINT64_C(600) * NS_PER_S)
#define FAILED_WAIT_NS (UINT64_C(3600) * NS_PER_S) /* Mostly a permission that is missing. */
#define LIMITED_KINDS (1u << CLOUD_INSTANCE | 1u << CLOUD_INSTANCE_GROUP | 1u << CLOUD_WORKLOAD)

void observe_limits_release(struct observe_region *region) {
    arena_release(&region->limits_arena);
    region->limits = NULL;
    region->limits_used = NULL;
    region->limit_count = 0;
}

static bool is_counted(const struct cloud_limit *limit) {
    return limit->types[0] && (str_eq(limit->unit, "vCPU") || str_eq(limit->unit, "spot vCPU"));
}

/* Of the many quotas that clouds have those that a plan can reckon with. */
static bool is_reckoned(const struct cloud_limit *limit) {
    return str_eq(limit->region, CLOUD_REGION_CLUSTER) ? strchr(limit->id, '/') != NULL : is_counted(limit);
}

static void take_limits(struct observe_region *region, const struct adapter_reply *reply) {
    observe_limits_release(region);
    region->limits_arena = region->limits_call_arena;
    region->limits_call_arena = (struct arena){0};
    struct cloud_limit *limits = arena_alloc_array(&region->limits_arena, reply->count + 1, sizeof(*limits));
    for (size_t i = 0; i < reply->count; i++)
        if (is_reckoned(&reply->as.limits[i]))
            limits[region->limit_count++] = reply->as.limits[i];
    region->limits = limits;
    region->limits_at_ns = runtime_mono_ns(observe_runtime(region->provider->observe)) + 1;
}

static void limits_done(struct adapter_call *call) {
    struct observe_region *region = call->ctx;
    struct observe_shelf *shelf = region->limited, *next;
    const struct error *error = &call->reply.error;
    region->limits_busy = false;
    region->limited = NULL;
    if (!region->provider->closing) {
        if (error->class == ERR_NONE)
            take_limits(region, &call->reply);
        else if (!region->limits_failed)
            log_warn("quotas not read", LOG_STR("provider", region->provider->key), LOG_STR("region", region->name),
                     LOG_ERR(error));
        region->limits_failed = error->class != ERR_NONE;
        if (region->limits_failed)
            region->limits_not_before_ns = runtime_mono_ns(observe_runtime(region->provider->observe)) + FAILED_WAIT_NS;
        arena_release(&region->limits_call_arena);
    }
    for (; shelf; shelf = next) {
        next = shelf->next_limited;
        observe_list_end(shelf);
    }
}

void observe_limits_begin(struct observe_shelf *shelf) {
    struct observe_region *region = shelf->region;
    struct observe *observe = region->provider->observe;
    uint64_t now_ns = runtime_mono_ns(observe_runtime(observe));
    bool is_fresh = region->limits_at_ns > 0 && now_ns - region->limits_at_ns <= LIMITS_MAX_AGE_NS;
    bool is_asked = region->wants_limits && LIMITED_KINDS >> shelf->kind & 1u;
    if (!is_asked || (!region->limits_busy && (is_fresh || now_ns < region->limits_not_before_ns))) {
        observe_list_end(shelf);
        return;
    }
    shelf->next_limited = region->limited;
    region->limited = shelf;
    if (region->limits_busy)
        return;
    region->limits_busy = true;
    region->limits_query = (struct cloud_query){.region = region->name};
    region->limits_call = (struct adapter_call){.done = limits_done,
                                                .ctx = region,
                                                .arena = &region->limits_call_arena,
                                                .timeout_ms = observe->options.call_timeout_ms};
    region->provider->adapter->ops->limits(region->provider->adapter, &region->limits_call, &region->limits_query);
}

/* ---- what is used ---- */

static bool is_on(enum cloud_state state) {
    return state == CLOUD_PENDING || state == CLOUD_RUNNING || state == CLOUD_STOPPING;
}

struct usage {                        /* Of a type. */
    const struct cloud_resource *one; /* Any of it. */
    int64_t machines[2];              /* On demand, spot. */
};

/* Types are few, and quotas match patterns: each type is matched once. */
static void count_type(struct observe_region *region, const struct usage *usage) {
    for (size_t i = 0; i < region->limit_count; i++)
        for (int is_spot = 0; is_spot < 2; is_spot++)
            if (is_counted(&region->limits[i]) &&
                cloud_limit_covers(&region->limits[i], usage->one->type, is_spot != 0))
                region->limits_used[i] += (double)usage->one->vcpu_milli / 1000 * (double)usage->machines[is_spot];
}

static const struct observe_shelf *shelf_of(const struct observe_region *region, enum cloud_kind kind) {
    const struct observe_shelf *shelf = region->shelves[kind];
    return shelf && shelf->as_of_ms > 0 ? shelf : NULL;
}

/* Again only when listings or quotas have changed. */
static void count_used(struct observe_region *region) {
    const struct observe_shelf *shelf = shelf_of(region, CLOUD_INSTANCE);
    if (!shelf)
        shelf = shelf_of(region, CLOUD_INSTANCE_GROUP);
    uint64_t hash = str_hash(shelf ? shelf->content_hash : 0, &region->limits_at_ns, sizeof(region->limits_at_ns));
    if (region->limits_used && region->limits_used_hash == hash)
        return;
    region->limits_used_hash = hash;
    if (!region->limits_used)
        region->limits_used = arena_alloc_array(&region->limits_arena, region->limit_count, sizeof(double));
    memset(region->limits_used, 0, region->limit_count * sizeof(double));
    struct map types = {0};
    struct arena arena = {0};
    for (size_t i = 0; shelf && i < shelf->stock.count; i++) {
        const struct cloud_resource *r = &shelf->stock.resources[i];
        struct usage *usage = map_get(&types, r->type);
        if (!usage) {
            usage = arena_alloc(&arena, sizeof(*usage));
            usage->one = r;
            (void)map_put(&types, r->type, usage);
        }
        usage->machines[r->is_spot] += r->kind == CLOUD_INSTANCE ? is_on(r->state) : r->count;
    }
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&types, &i));)
        count_type(region, entry->value);
    map_release(&types);
    arena_release(&arena);
}

size_t observe_limits(struct observe_region *region, const struct cloud_limit **ret, const double **ret_used) {
    if (region->limit_count > 0)
        count_used(region);
    *ret = region->limits;
    *ret_used = region->limits_used;
    return region->limit_count;
}
