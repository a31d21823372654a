/*
 * What is known of a provider: for its status, and for whoever waits until it has been looked at.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/str.h"
#include "observe/observe_internal.h"

/* Of errors at once, the one that somebody must do something about. */
static int severity(enum err_class class) {
    static const uint8_t severities[ERR_CLASS_COUNT] = {
        [ERR_PERMISSION] = 4, [ERR_PERMANENT] = 3, [ERR_THROTTLED] = 2, [ERR_RETRYABLE] = 1,
        [ERR_CAPACITY] = 1,   [ERR_CONFLICT] = 1,  [ERR_CANCELLED] = 1,
    };
    return severities[class];
}

/* A request that fails once and then works is no news: what is known is still fresh, and statuses stay quiet. */
static bool is_trouble(const struct observe_shelf *shelf) {
    bool is_passing = severity(shelf->error.class) < severity(ERR_PERMANENT) && shelf->failures < 2;
    return shelf->error.class != ERR_NONE && (!is_passing || shelf->as_of_ms == 0);
}

static void take_trouble(struct observe_trouble *trouble, const struct observe_shelf *shelf) {
    if (!is_trouble(shelf) || severity(shelf->error.class) <= severity(trouble->error.class))
        return;
    *trouble = (struct observe_trouble){shelf->error, shelf->region->name, shelf->kind};
}

static void report_region(struct observe_report *ret, const struct observe_region *region) {
    struct observe_trouble worst = {.region = ""};
    bool any_works = false, any_to_come = false;
    for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
        const struct observe_shelf *shelf = region->shelves[kind];
        if (!shelf)
            continue;
        ret->kinds |= 1u << kind;
        ret->counts[kind] += (int64_t)shelf->stock.count;
        ret->listed = ret->listed && shelf->as_of_ms > 0;
        ret->truncated = ret->truncated || shelf->truncated;
        any_works = any_works || (shelf->tried && !is_trouble(shelf));
        any_to_come = any_to_come || !shelf->tried;
        ret->is_looking = ret->is_looking || !shelf->looked;
        take_trouble(&worst, shelf);
    }
    /* One permission that is missing says nothing of the others before they were tried. */
    if (!any_works && any_to_come && severity(worst.error.class) >= severity(ERR_PERMANENT))
        return;
    struct observe_trouble *trouble = any_works ? &ret->partly : &ret->trouble;
    if (severity(worst.error.class) > severity(trouble->error.class))
        *trouble = worst;
}

/* The oldest, so that what is said does not depend on the order of a map. */
static void report_prices(struct observe_prices *ret, const struct observe_region *region, int64_t now_ms) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&region->offers, &i));) {
        const struct cloud_offer *offer = entry->value;
        if (offer->price_hourly < 0)
            continue;
        ret->known++;
        if (!cloud_offer_is_stale(offer, now_ms))
            continue;
        ret->stale++;
        bool is_older = ret->stale == 1 || offer->as_of_ms < ret->oldest_ms ||
                        (offer->as_of_ms == ret->oldest_ms && str_cmp(offer->source, ret->source) < 0);
        if (is_older) {
            ret->oldest_ms = offer->as_of_ms;
            ret->source = offer->source;
        }
    }
}

void observe_provider_report(const struct observe *observe, const char *namespace, const char *name,
                             struct observe_report *ret) {
    const struct observe_provider *provider = observe_provider_find(observe, namespace, name);
    *ret = (struct observe_report){
        .account = "", .trouble = {.region = ""}, .partly = {.region = ""}, .prices = {.source = ""}};
    if (!provider)
        return;
    ret->open = true;
    ret->listed = true;
    ret->account = provider->account;
    ret->account_busy = provider->account_busy;
    for (size_t i = 0; i < provider->region_count; i++) {
        report_region(ret, &provider->regions[i]);
        report_prices(&ret->prices, &provider->regions[i], runtime_wall_ms(observe_runtime(observe)));
    }
}

size_t observe_provider_shelves(const struct observe *observe, const char *namespace, const char *name,
                                struct arena *arena, const struct observe_shelf_report **ret) {
    const struct observe_provider *provider = observe_provider_find(observe, namespace, name);
    struct observe_shelf_report *shelves = NULL;
    static const struct error none;
    size_t count = 0;
    for (size_t i = 0; provider && i < provider->region_count; i++) {
        for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
            const struct observe_shelf *shelf = provider->regions[i].shelves[kind];
            if (!shelf)
                continue;
            shelves = arena_push(arena, shelves, count, sizeof(*shelves));
            shelves[count] = (struct observe_shelf_report){
                .region = provider->regions[i].name,
                .kind = (enum cloud_kind)kind,
                .state = observe_shelf_state(shelf),
                .count = shelf->stock.count,
                .limit = shelf->truncated ? observe_shelf_limit(shelf) : 0,
                .is_limit_of_provider = shelf->cut_by_total,
                .error = is_trouble(shelf) ? &shelf->error : &none,
            };
            count++;
        }
    }
    *ret = shelves;
    return count;
}

bool observe_provider_listed(const struct observe *observe, const char *namespace, const char *name, uint32_t kinds,
                             struct observe_trouble *ret_trouble) {
    const struct observe_provider *provider = observe_provider_find(observe, namespace, name);
    bool listed = provider != NULL;
    *ret_trouble = (struct observe_trouble){.region = ""};
    for (size_t i = 0; provider && i < provider->region_count; i++) {
        for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
            const struct observe_shelf *shelf = provider->regions[i].shelves[kind];
            if (!shelf || !(kinds >> kind & 1u) || shelf->as_of_ms > 0)
                continue;
            listed = false;
            take_trouble(ret_trouble, shelf);
        }
    }
    return listed;
}

bool observe_has_looked(const struct observe *observe) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&observe->providers, &i));) {
        const struct observe_provider *provider = entry->value;
        for (size_t k = 0; k < provider->region_count; k++)
            for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
                const struct observe_shelf *shelf = provider->regions[k].shelves[kind];
                if (shelf && (!shelf->tried || shelf->busy))
                    return false;
            }
    }
    return true;
}
