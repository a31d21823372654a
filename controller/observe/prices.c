/*
 * Prices of the types that the listings of a region show, or where a policy chooses among others too of all that it
 * sells, through the adapter; asked for when a type is new or the prices are an hour old. A failure leaves the prices
 * that are known: costs are then old or unknown, and nothing else stops. One call a region at a time: listings that end
 * meanwhile wait for it, and for another one if it did not ask for their types.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "base/str.h"
#include "observe/observe_internal.h"

#define PRICES_MAX_AGE_NS (UINT64_C(3600) * NS_PER_S)
#define PRICED_KINDS (1u << CLOUD_INSTANCE | 1u << CLOUD_INSTANCE_GROUP | 1u << CLOUD_NODE)

void observe_prices_release(struct observe_region *region) {
    map_release(&region->offers);
    arena_release(&region->offers_arena);
}

/* Distinct types of machines in the region's listings that tell no price themselves, into the call's arena; whether one
 * has no offer yet. */
static bool types_of(struct observe_region *region) {
    struct map seen = {0};
    const char **types = NULL;
    bool is_missing = false;
    region->seen_type_count = 0;
    for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
        const struct observe_shelf *shelf = region->shelves[kind];
        const char *last = NULL; /* Equal types are one text, and stand together often. */
        for (size_t i = 0; shelf && PRICED_KINDS >> kind & 1u && i < shelf->stock.count; i++) {
            const struct cloud_resource *resource = &shelf->stock.resources[i];
            if (resource->type == last || !resource->type[0] || resource->price_hourly > 0)
                continue;
            last = resource->type;
            if (map_put(&seen, resource->type, region))
                continue;
            types = arena_push(&region->prices_arena, types, region->seen_type_count, sizeof(*types));
            types[region->seen_type_count++] = arena_strdup(&region->prices_arena, resource->type);
            is_missing = is_missing || !map_get(&region->offers, resource->type);
        }
    }
    region->seen_types = types;
    map_release(&seen);
    return is_missing;
}

static void take_offers(struct observe_region *region, const struct adapter_reply *reply) {
    observe_prices_release(region);
    region->offers_arena = region->prices_arena;
    region->prices_arena = (struct arena){0};
    for (size_t i = 0; i < reply->count; i++) {
        struct cloud_offer *offer = arena_alloc(&region->offers_arena, sizeof(*offer));
        *offer = reply->as.offers[i];
        offer->source = arena_strdup(&region->offers_arena, offer->source ? offer->source : "");
        offer->architecture = arena_strdup(&region->offers_arena, offer->architecture ? offer->architecture : "");
        (void)map_put(&region->offers, offer->type, offer);
    }
    /* A type that nobody prices is asked for again with the next refresh, not with each listing. */
    for (size_t i = 0; i < region->seen_type_count; i++) {
        if (map_get(&region->offers, region->seen_types[i]))
            continue;
        struct cloud_offer *unknown = arena_alloc(&region->offers_arena, sizeof(*unknown));
        *unknown = (struct cloud_offer){.type = region->seen_types[i],
                                        .architecture = "",
                                        .price_hourly = -1,
                                        .price_spot_hourly = -1,
                                        .source = ""};
        (void)map_put(&region->offers, unknown->type, unknown);
    }
    region->has_all = !region->prices_query.types;
    region->offers_at_ns = runtime_mono_ns(observe_runtime(region->provider->observe)) + 1;
}

/* Said once; the listings of the next half period do without. */
static void prices_failed(struct observe_region *region, const struct error *error) {
    const struct observe *observe = region->provider->observe;
    if (!region->prices_failed)
        log_warn("prices not read", LOG_STR("provider", region->provider->key), LOG_STR("region", region->name),
                 LOG_ERR(error));
    region->prices_not_before_ns =
        runtime_mono_ns(observe_runtime(observe)) + (uint64_t)observe->options.list_period_ms * NS_PER_MS / 2;
    if (error->retry_after_ms > observe->options.list_period_ms / 2)
        region->prices_not_before_ns = runtime_mono_ns(observe_runtime(observe)) + error->retry_after_ms * NS_PER_MS;
}

static void prices_done(struct adapter_call *call) {
    struct observe_region *region = call->ctx;
    struct observe_shelf *shelf = region->priced, *later = region->priced_next, *next;
    bool closing = region->provider->closing;
    region->prices_busy = false;
    region->priced = region->priced_next = NULL;
    if (!closing) {
        if (call->reply.error.class == ERR_NONE)
            take_offers(region, &call->reply);
        else
            prices_failed(region, &call->reply.error);
        region->prices_failed = call->reply.error.class != ERR_NONE;
        arena_release(&region->prices_arena);
    }
    for (; shelf; shelf = next) {
        next = shelf->next_priced;
        if (closing)
            observe_list_end(shelf);
        else
            observe_limits_begin(shelf);
    }
    for (; later; later = next) {
        next = later->next_priced;
        if (closing)
            observe_list_end(later);
        else
            observe_prices_begin(later);
    }
}

static void wait_for_prices(struct observe_shelf *shelf, struct observe_shelf **list) {
    shelf->next_priced = *list;
    *list = shelf;
}

void observe_prices_begin(struct observe_shelf *shelf) {
    struct observe_region *region = shelf->region;
    struct observe *observe = region->provider->observe;
    if (!(PRICED_KINDS >> shelf->kind & 1u)) {
        observe_limits_begin(shelf);
        return;
    }
    if (region->prices_busy) {
        wait_for_prices(shelf, &region->priced_next);
        return;
    }
    uint64_t now_ns = runtime_mono_ns(observe_runtime(observe)), age_ns = now_ns - region->offers_at_ns;
    bool is_old = region->offers_at_ns == 0 || age_ns > PRICES_MAX_AGE_NS;
    bool is_missing = types_of(region) || (region->wants_all && !region->has_all);
    bool is_needed = region->wants_all || region->seen_type_count > 0;
    if (!is_needed || !(is_old || is_missing) || now_ns < region->prices_not_before_ns) {
        arena_release(&region->prices_arena);
        observe_limits_begin(shelf);
        return;
    }
    region->prices_query = (struct cloud_query){.region = region->name};
    if (!region->wants_all) {
        region->prices_query.types = region->seen_types;
        region->prices_query.type_count = region->seen_type_count;
    }
    region->prices_busy = true;
    wait_for_prices(shelf, &region->priced);
    region->prices_call = (struct adapter_call){.done = prices_done,
                                                .ctx = region,
                                                .arena = &region->prices_arena,
                                                .timeout_ms = observe->options.call_timeout_ms};
    region->provider->adapter->ops->prices(region->provider->adapter, &region->prices_call, &region->prices_query);
}

bool observe_offer(const struct observe_region *region, const struct cloud_resource *resource,
                   struct cloud_offer *ret) {
    const struct cloud_offer *offer = map_get(&region->offers, resource->type);
    bool tells_price = resource->price_hourly > 0;
    if (!tells_price && !offer)
        return false;
    *ret = (struct cloud_offer){.architecture = "", .price_spot_hourly = -1};
    if (offer)
        *ret = *offer;
    if (tells_price) { /* A workload's share of its nodes, a node whose cluster names its price. */
        ret->vcpu_milli = resource->vcpu_milli;
        ret->memory_mib = resource->memory_mib;
        ret->price_hourly = resource->price_hourly;
        ret->price_spot_hourly = -1;
        ret->as_of_ms = resource->as_of_ms;
        ret->source = "listing";
    }
    ret->region = resource->region;
    ret->type = resource->type;
    return true;
}
