/*
 * See whatif.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/whatif.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define PRICE_MAX (INT64_MAX / 4) /* Sums saturate there, too. */

/* ---- what is meant ---- */

static bool is_demand_of(const struct whatif_factor *it, const char *policy, const struct snapshot_resource *r) {
    const char *slash = strrchr(policy, '/');
    char *target = mem_printf("%s/%s/%s", r->provider, r->resource.region, r->resource.id);
    bool is = str_glob(it->pattern, policy) || str_glob(it->pattern, slash ? slash + 1 : policy) ||
              str_glob(it->pattern, r->resource.id) || str_glob(it->pattern, r->resource.name) ||
              str_glob(it->pattern, target);
    mem_free(target);
    return is;
}

static bool is_on(const struct headroom_closure *offers, const struct snapshot_resource *r) {
    return headroom_closure_matches(offers, r->provider, r->resource.region, r->resource.type);
}

static bool is_offer(const struct headroom_closure *offers, const struct snapshot_offer *offer) {
    return headroom_closure_matches(offers, offer->provider, offer->offer.region, offer->offer.type);
}

static size_t hits_of_offers(const struct headroom_closure *offers, const struct snapshot *snapshot) {
    size_t hits = 0;
    for (size_t i = 0; i < snapshot->resource_count; i++)
        hits += is_on(offers, &snapshot->resources[i]);
    for (size_t i = 0; i < snapshot->offer_count; i++)
        hits += is_offer(offers, &snapshot->offers[i]);
    return hits;
}

void whatif_hits(const struct whatif *whatif, const char *policy, const struct snapshot *snapshot, size_t *hits) {
    for (size_t i = 0; i < whatif->closure_count; i++)
        *hits++ += hits_of_offers(&whatif->closures[i], snapshot);
    for (size_t i = 0; i < whatif->price_count; i++)
        *hits++ += hits_of_offers(&whatif->prices[i].offers, snapshot);
    for (size_t i = 0; i < whatif->demand_count; i++, hits++)
        for (size_t k = 0; k < snapshot->resource_count; k++)
            *hits += is_demand_of(&whatif->demands[i], policy, &snapshot->resources[k]);
}

/* ---- prices ---- */

/* What is unknown or free stays so; what has a price keeps one, since 0 would say that it has none. */
static money_micros price_times(money_micros price, double factor) {
    if (price <= 0)
        return price;
    double value = fmax(1, round((double)price * factor));
    return value < (double)PRICE_MAX ? (money_micros)value : PRICE_MAX;
}

static void offer_times(struct cloud_offer *offer, double factor) {
    offer->price_hourly = price_times(offer->price_hourly, factor);
    offer->price_spot_hourly = price_times(offer->price_spot_hourly, factor);
}

static double price_factor(const struct whatif *whatif, const char *provider, const char *region, const char *type) {
    double factor = 1;
    for (size_t i = 0; i < whatif->price_count; i++)
        if (headroom_closure_matches(&whatif->prices[i].offers, provider, region, type))
            factor *= whatif->prices[i].factor;
    return factor;
}

static void prices_change(const struct whatif *whatif, struct snapshot *snapshot, struct snapshot_resource *resources,
                          struct arena *arena) {
    struct snapshot_offer *offers =
        arena_memdup(arena, snapshot->offers, snapshot->offer_count * sizeof(*snapshot->offers));
    for (size_t i = 0; i < snapshot->offer_count; i++)
        offer_times(&offers[i].offer,
                    price_factor(whatif, offers[i].provider, offers[i].offer.region, offers[i].offer.type));
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        struct snapshot_resource *r = &resources[i];
        double factor = price_factor(whatif, r->provider, r->resource.region, r->resource.type);
        r->resource.price_hourly = price_times(r->resource.price_hourly, factor);
        if (r->has_offer)
            offer_times(&r->offer, factor);
    }
    snapshot->offers = offers;
}

/* ---- demand ---- */

static double demand_factor(const struct whatif *whatif, const char *policy, const struct snapshot_resource *r) {
    double factor = 1;
    for (size_t i = 0; i < whatif->demand_count; i++)
        if (is_demand_of(&whatif->demands[i], policy, r))
            factor *= whatif->demands[i].factor;
    return factor;
}

static void history_times(struct history_series *history, double factor, struct arena *arena) {
    float *demand = arena_alloc_array(arena, history->count + 1, sizeof(*demand));
    struct history_raise *raises =
        arena_memdup(arena, history->raises, history->raise_count * sizeof(*history->raises));
    for (size_t i = 0; i < history->count; i++) /* A gap, NaN, stays one. */
        demand[i] = isnan(history->demand[i]) ? history->demand[i]
                                              : (float)fmin((double)FLT_MAX, (double)history->demand[i] * factor);
    for (size_t i = 0; i < history->raise_count; i++)
        raises[i].demand *= factor;
    history->demand = demand;
    history->raises = raises;
}

static void forecast_times(struct forecast *f, double factor, struct arena *arena) {
    size_t count = f->steps * f->quantile_count;
    double *values = arena_alloc_array(arena, count + 1, sizeof(*values));
    for (size_t i = 0; i < count; i++)
        values[i] = fmin(DBL_MAX, f->values[i] * factor);
    f->values = values;
    f->loss *= factor;
    f->naive_loss *= factor;
}

/* ---- the whole ---- */

struct plan_input whatif_input(const struct whatif *whatif, const char *policy, const struct plan_input *input,
                               struct arena *arena) {
    const struct snapshot *old = input->snapshot;
    struct plan_input ret = *input;
    struct snapshot *snapshot = arena_memdup(arena, old, sizeof(*old));
    struct snapshot_resource *resources =
        arena_memdup(arena, old->resources, old->resource_count * sizeof(*old->resources));
    struct forecast *forecasts = arena_memdup(arena, input->forecasts, old->resource_count * sizeof(*input->forecasts));
    if (whatif->price_count > 0)
        prices_change(whatif, snapshot, resources, arena);
    for (size_t i = 0; i < old->resource_count; i++) {
        double factor = demand_factor(whatif, policy, &old->resources[i]);
        if (factor == 1) /* NOLINT(clang-diagnostic-float-equal): exactly none. */
            continue;
        history_times(&resources[i].history, factor, arena);
        forecast_times(&forecasts[i], factor, arena);
    }
    snapshot->resources = resources;
    ret.snapshot = snapshot;
    ret.forecasts = forecasts;
    ret.headroom.closures = whatif->closures;
    ret.headroom.closure_count = whatif->closure_count;
    return ret;
}
