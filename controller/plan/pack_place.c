/*
 * Where a piece may be: zones and architectures, and the demands whose pieces are spread over zones.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/pack_place.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define NOBODY UINT32_MAX /* An architecture that no offer has. */

static const char *text_of(const char *text) {
    return text ? text : "";
}

static int compare_zones(const struct pack_offer *x, const struct pack_offer *y) {
    int order = str_cmp(x->provider, y->provider);
    if (!order)
        order = str_cmp(x->region, y->region);
    return order ? order : str_cmp(text_of(x->zone), text_of(y->zone));
}

static int by_zone(const void *left, const void *right) {
    return compare_zones(*(const struct pack_offer *const *)left, *(const struct pack_offer *const *)right);
}

/* Numbers them by name, from 1 on. */
static void zones_find(const struct pack_problem *problem, struct arena *arena, struct pack_places *ret) {
    const struct pack_offer **sorted = arena_alloc_array(arena, problem->offer_count, sizeof(*sorted));
    uint32_t *zones = arena_alloc_array(arena, problem->offer_count, sizeof(*zones));
    ret->zone_names = arena_alloc_array(arena, problem->offer_count + 1, sizeof(*ret->zone_names));
    for (size_t k = 0; k < problem->offer_count; k++)
        sorted[k] = &problem->offers[k];
    if (problem->offer_count > 0)
        qsort(sorted, problem->offer_count, sizeof(*sorted), by_zone);
    for (size_t k = 0; k < problem->offer_count; k++) {
        if (k == 0 || compare_zones(sorted[k - 1], sorted[k]) != 0) {
            const char *zone = text_of(sorted[k]->zone);
            ret->zone_names[++ret->zone_count] = *zone ? zone : sorted[k]->region;
        }
        zones[sorted[k] - problem->offers] = (uint32_t)ret->zone_count;
    }
    ret->zones = zones;
}

void pack_places_find(const struct pack_problem *problem, struct arena *arena, struct pack_places *ret) {
    *ret = (struct pack_places){.problem = problem};
    bool is_spread = false;
    for (size_t i = 0; i < problem->demand_count; i++) {
        is_spread |= problem->demands[i].skew_max > 0;
        ret->has_architectures |= *text_of(problem->demands[i].architecture) != '\0';
    }
    if (is_spread)
        zones_find(problem, arena, ret);
}

/* The first offer of the name stands for it. */
static uint32_t architecture_of(const struct pack_places *places, const char *name) {
    const struct pack_problem *problem = places->problem;
    if (!places->has_architectures || !*text_of(name))
        return 0;
    for (size_t k = 0; k < problem->offer_count; k++)
        if (str_eq(text_of(problem->offers[k].architecture), name))
            return (uint32_t)k + 1;
    return NOBODY;
}

void pack_places_of_offer(const struct pack_places *places, size_t offer, struct pack_machine *ret) {
    ret->is[PACK_ZONE] = places->zones ? places->zones[offer] : 0;
    ret->is[PACK_ARCHITECTURE] = architecture_of(places, places->problem->offers[offer].architecture);
}

void pack_places_of_demand(const struct pack_places *places, const struct pack_demand *demand, struct pack_class *ret) {
    ret->asks[PACK_ZONE] = 0;
    ret->asks[PACK_ARCHITECTURE] = architecture_of(places, demand->architecture);
}

/* ---- what is spread ---- */

static bool holds(const struct pack_machine *machine, const struct pack_demand *demand) {
    for (size_t d = 0; d < PACK_RESOURCES; d++)
        if (demand->need[d] > machine->has[d])
            return false;
    return true;
}

/* The others have at least that less the skew. */
int64_t pack_spread_most(const struct pack_spread *spread) {
    if (spread->is_capped || spread->count <= spread->skew)
        return spread->skew < spread->count ? spread->skew : spread->count;
    int64_t zones = (int64_t)spread->zone_count;
    /* (count + (zones - 1) skew) / zones */
    int64_t whole = spread->count / zones + spread->skew - spread->skew / zones;
    int64_t rest = spread->count % zones - spread->skew % zones;
    return rest < 0 ? whole - 1 : whole;
}

bool pack_spread_make(const struct pack_places *places, const struct pack_model *model, size_t demand,
                      struct arena *arena, struct pack_spread *ret, const uint32_t **ret_zones, const char **ret_why) {
    const struct pack_demand *d = &places->problem->demands[demand];
    struct pack_class alone = {0};
    bool *is_domain = arena_alloc_array(arena, places->zone_count + 1, sizeof(*is_domain));
    bool *is_open = arena_alloc_array(arena, places->zone_count + 1, sizeof(*is_open));
    uint32_t *zones = arena_alloc_array(arena, places->zone_count, sizeof(*zones));
    size_t domain_count = 0, closed = 0;
    *ret = (struct pack_spread){.demand = demand, .count = d->count, .skew = d->skew_max};
    *ret_why = NULL;
    pack_places_of_demand(places, d, &alone);
    for (size_t k = 0; k < model->machine_count; k++) {
        uint32_t zone = model->machines[k].is[PACK_ZONE];
        if (!pack_may(&alone, &model->machines[k]))
            continue;
        is_domain[zone] = true;
        is_open[zone] |= holds(&model->machines[k], d);
    }
    for (uint32_t zone = 1; zone <= places->zone_count; zone++) {
        domain_count += is_domain[zone];
        if (is_open[zone])
            zones[ret->zone_count++] = zone;
        else if (is_domain[zone])
            closed = zone;
    }
    *ret_zones = zones;
    ret->is_capped = ret->zone_count < domain_count;
    int64_t room = (int64_t)ret->zone_count * pack_spread_most(ret);
    if (ret->is_capped && room < ret->count)
        *ret_why = arena_printf(
            arena, "a piece fits no machine in %s, so max_skew %lld leaves room for %lld of %lld elsewhere",
            places->zone_names[closed], (long long)ret->skew, (long long)room, (long long)d->count);
    return domain_count > 1;
}
