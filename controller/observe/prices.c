/*
 * Prices of the types that a listing shows, through the adapter; asked for when a type is new or the prices are an hour
 * old. A failure leaves the prices that are known: costs are then old or unknown, and nothing else stops.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "observe/observe_internal.h"

#define PRICES_MAX_AGE_NS (UINT64_C(3600) * NS_PER_S)

void observe_prices_release(struct observe_region *region) {
    map_release(&region->offers);
    arena_release(&region->offers_arena);
}

/* Distinct types of machines in the listing, into the call's arena; whether one has no offer yet. */
static bool types_of(struct observe_region *region, struct cloud_query *query) {
    struct map seen = {0};
    const char **types = NULL;
    bool is_missing = false;
    for (size_t i = 0; i < region->count; i++) {
        const struct cloud_resource *resource = &region->resources[i];
        bool is_machine = resource->kind == CLOUD_INSTANCE || resource->kind == CLOUD_INSTANCE_GROUP;
        if (!is_machine || !resource->type[0] || map_put(&seen, resource->type, region))
            continue;
        types = arena_push(&region->call_arena, types, query->type_count, sizeof(*types));
        types[query->type_count++] = arena_strdup(&region->call_arena, resource->type);
        is_missing = is_missing || !map_get(&region->offers, resource->type);
    }
    query->types = types;
    map_release(&seen);
    return is_missing;
}

static void take_offers(struct observe_region *region, const struct adapter_reply *reply) {
    observe_prices_release(region);
    region->offers_arena = region->call_arena;
    region->call_arena = (struct arena){0};
    for (size_t i = 0; i < reply->count; i++) {
        struct cloud_offer *offer = arena_alloc(&region->offers_arena, sizeof(*offer));
        *offer = reply->as.offers[i];
        offer->source = arena_strdup(&region->offers_arena, offer->source ? offer->source : "");
        (void)map_put(&region->offers, offer->type, offer);
    }
    /* A type that nobody prices is asked for again with the next refresh, not with each listing. */
    for (size_t i = 0; i < region->query.type_count; i++) {
        if (map_get(&region->offers, region->query.types[i]))
            continue;
        struct cloud_offer *unknown = arena_alloc(&region->offers_arena, sizeof(*unknown));
        *unknown = (struct cloud_offer){.type = region->query.types[i], .price_hourly = -1, .source = ""};
        (void)map_put(&region->offers, unknown->type, unknown);
    }
    region->offers_at_ns = runtime_mono_ns(observe_runtime(region->provider->observe)) + 1;
}

static void prices_done(struct adapter_call *call) {
    struct observe_region *region = call->ctx;
    if (!region->provider->closing) {
        if (call->reply.error.class == ERR_NONE)
            take_offers(region, &call->reply);
        else
            log_warn("prices not read", LOG_STR("provider", region->provider->key), LOG_STR("region", region->name),
                     LOG_ERR(&call->reply.error));
        arena_release(&region->call_arena);
    }
    region->prices_done(region);
}

void observe_prices_begin(struct observe_region *region, void (*done)(struct observe_region *region)) {
    struct observe *observe = region->provider->observe;
    uint64_t age_ns = runtime_mono_ns(observe_runtime(observe)) - region->offers_at_ns;
    bool is_old = region->offers_at_ns == 0 || age_ns > PRICES_MAX_AGE_NS;
    region->query = (struct cloud_query){.region = region->name};
    bool is_missing = types_of(region, &region->query);
    if (region->query.type_count == 0 || !(is_old || is_missing)) {
        arena_release(&region->call_arena);
        done(region);
        return;
    }
    region->prices_done = done;
    region->call = (struct adapter_call){.done = prices_done,
                                         .ctx = region,
                                         .arena = &region->call_arena,
                                         .timeout_ms = observe->options.call_timeout_ms};
    region->provider->adapter->ops->prices(region->provider->adapter, &region->call, &region->query);
}
