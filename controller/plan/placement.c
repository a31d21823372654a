/*
 * See placement.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/placement.h"

#include "base/map.h"
#include "base/str.h"

/* ---- places ---- */

/* NULL: it is in none that is known. */
static const char *place_name(struct arena *arena, enum policy_topology topology, const char *provider,
                              const char *region, const char *zone) {
    switch (topology) {
    case TOPOLOGY_PROVIDER:
        return provider;
    case TOPOLOGY_REGION:
        return arena_printf(arena, "%s/%s", provider, region);
    case TOPOLOGY_ZONE:
        return zone && *zone ? arena_printf(arena, "%s/%s/%s", provider, region, zone) : NULL;
    case TOPOLOGY_COUNT:
        break;
    }
    return NULL;
}

struct naming {
    struct plan_places *places;
    struct map indexes; /* By name: &names[i]. */
};

static size_t place_of(struct naming *naming, const char *name) {
    struct plan_places *places = naming->places;
    if (!name)
        return PLAN_NOWHERE;
    const char **known = map_get(&naming->indexes, name);
    if (known)
        return (size_t)(known - places->names);
    places->names[places->count] = name;
    (void)map_put(&naming->indexes, name, &places->names[places->count]);
    return places->count++;
}

/* The machines of a policy: what Kubernetes schedules it spreads itself. */
static bool is_group(const struct plan_row *row) {
    return row->resource->resource.kind == CLOUD_INSTANCE_GROUP && (!row->closure || row->refuge);
}

static void places_find(const struct plan_work *work, enum policy_topology topology, struct plan_places *ret) {
    const struct policy *policy = work->input->policy;
    size_t target_count = policy->placement.target_count;
    *ret = (struct plan_places){.topology = topology,
                                .names = arena_alloc_array(work->arena, work->count + target_count + 1, sizeof(char *)),
                                .of_rows = arena_alloc_array(work->arena, work->count + 1, sizeof(size_t)),
                                .of_targets = arena_alloc_array(work->arena, target_count + 1, sizeof(size_t))};
    struct naming naming = {.places = ret};
    for (size_t i = 0; i < work->count; i++) {
        const struct cloud_resource *r = &work->rows[i].resource->resource;
        ret->of_rows[i] = is_group(&work->rows[i])
                              ? place_of(&naming, place_name(work->arena, topology, work->rows[i].resource->provider,
                                                             r->region, r->zone))
                              : PLAN_NOWHERE;
    }
    for (size_t t = 0; t < target_count; t++) {
        const struct policy_target *target = &policy->placement.targets[t];
        const char *provider = arena_printf(work->arena, "%s/%s", target->provider.namespace, target->provider.name);
        ret->of_targets[t] = place_of(&naming, place_name(work->arena, topology, provider, target->region, NULL));
    }
    map_release(&naming.indexes);
}

static size_t place_at(const struct plan_work *work, const struct plan_places *places, const struct plan_row *row,
                       const struct plan_option *option) {
    if (option && option->type == ACTION_MIGRATE)
        return places->of_targets[option->target - work->input->policy->placement.targets];
    return places->of_rows[row - work->rows];
}

/* ---- numbers of machines ---- */

static int64_t skew_of(const struct plan_spread *spread) {
    int64_t least = INT64_MAX, most = 0;
    for (size_t p = 0; p < spread->places.count; p++) {
        if (spread->groups[p] == 0)
            continue;
        least = spread->machines[p] < least ? spread->machines[p] : least;
        most = spread->machines[p] > most ? spread->machines[p] : most;
    }
    return least < most ? most - least : 0;
}

static size_t domains_of(const struct plan_spread *spread) {
    size_t count = 0;
    for (size_t p = 0; p < spread->places.count; p++)
        count += spread->groups[p] > 0;
    return count;
}

static void spread_put(const struct plan_work *work, struct plan_spread *spread, const struct plan_row *row,
                       const struct plan_option *option, int64_t count, int sign) {
    size_t place = place_at(work, &spread->places, row, option);
    if (place == PLAN_NOWHERE)
        return;
    spread->machines[place] += sign * count;
    spread->groups[place] += (size_t)sign;
}

static void affinity_put(const struct plan_work *work, struct plan_affinity *affinity, const struct plan_row *row,
                         const struct plan_option *option, int sign) {
    size_t place = place_at(work, &affinity->places, row, option);
    if (option && option->type == ACTION_MIGRATE && place != PLAN_NOWHERE)
        affinity->coming[place] += (size_t)sign;
}

void plan_placement_put(struct plan_placement *placement, const struct plan_row *row, const struct plan_option *option,
                        int sign) {
    const struct plan_work *work = placement->work;
    int64_t count = option ? option->count : plan_size_after(row, row->desired);
    if (!is_group(row))
        return;
    for (size_t s = 0; s < placement->spread_count; s++)
        spread_put(work, &placement->spreads[s], row, option, count, sign);
    if (placement->affinity)
        affinity_put(work, placement->affinity, row, option, sign);
}

/* ---- a plan's end ---- */

static struct plan_affinity *affinity_of(struct plan_work *work) {
    const struct policy *policy = work->input->policy;
    if (!policy->placement.has_anti_affinity)
        return NULL;
    struct plan_affinity *affinity = arena_alloc(work->arena, sizeof(*affinity));
    enum policy_topology topology = policy->placement.anti_affinity;
    places_find(work, topology == TOPOLOGY_ZONE ? TOPOLOGY_REGION : topology, &affinity->places);
    affinity->standing = arena_alloc_array(work->arena, affinity->places.count + 1, sizeof(size_t));
    affinity->coming = arena_alloc_array(work->arena, affinity->places.count + 1, sizeof(size_t));
    for (size_t i = 0; i < work->count; i++)
        if (affinity->places.of_rows[i] != PLAN_NOWHERE && !work->rows[i].closure)
            affinity->standing[affinity->places.of_rows[i]]++;
    return affinity;
}

void plan_placement_open(struct plan_work *work, struct plan_placement *ret) {
    const struct policy *policy = work->input->policy;
    *ret = (struct plan_placement){
        .work = work,
        .spreads = arena_alloc_array(work->arena, policy->placement.spread_count + 1, sizeof(*ret->spreads)),
        .spread_count = policy->placement.spread_count,
        .affinity = affinity_of(work)};
    for (size_t s = 0; s < ret->spread_count; s++) {
        struct plan_spread *spread = &ret->spreads[s];
        spread->spec = &policy->placement.spreads[s];
        places_find(work, spread->spec->topology, &spread->places);
        spread->machines = arena_alloc_array(work->arena, spread->places.count + 1, sizeof(*spread->machines));
        spread->groups = arena_alloc_array(work->arena, spread->places.count + 1, sizeof(*spread->groups));
    }
    if (ret->spread_count == 0 && !ret->affinity)
        return;
    for (size_t i = 0; i < work->count; i++)
        plan_placement_put(ret, &work->rows[i], work->rows[i].refuge, 1);
    for (size_t s = 0; s < ret->spread_count; s++) {
        struct plan_spread *spread = &ret->spreads[s];
        int64_t skew = skew_of(spread), domains = (int64_t)domains_of(spread);
        spread->skew_allowed = skew > spread->spec->skew_max ? skew : spread->spec->skew_max;
        spread->domains_required = (size_t)(domains < spread->spec->domains_min ? domains : spread->spec->domains_min);
    }
}

static bool is_kept(const struct plan_spread *spread) {
    return skew_of(spread) <= spread->skew_allowed && domains_of(spread) >= spread->domains_required;
}

bool plan_placement_is_spread(const struct plan_placement *placement) {
    for (size_t s = 0; s < placement->spread_count; s++)
        if (!is_kept(&placement->spreads[s]))
            return false;
    return true;
}

bool plan_placement_is_apart(const struct plan_placement *placement, const struct plan_row *row,
                             const struct plan_option *option) {
    const struct plan_affinity *affinity = placement->affinity;
    if (!affinity || !option || option->type != ACTION_MIGRATE)
        return true;
    size_t to = place_at(placement->work, &affinity->places, row, option);
    bool is_own = to == affinity->places.of_rows[row - placement->work->rows];
    return is_own || affinity->standing[to] + affinity->coming[to] == 0;
}

const char *plan_placement_words(const struct plan_placement *placement) {
    struct arena *arena = placement->work->arena;
    for (size_t s = 0; s < placement->spread_count; s++) {
        const struct plan_spread *spread = &placement->spreads[s];
        if (domains_of(spread) < spread->domains_required)
            return arena_printf(arena, "placement.spread asks for %zu of %s at least, and %zu would be left",
                                spread->domains_required, policy_topology_name(spread->spec->topology),
                                domains_of(spread));
        if (!is_kept(spread))
            return arena_printf(arena,
                                "machines of one %s would be %lld more than of another; placement.spread allows %lld",
                                policy_topology_name(spread->spec->topology), (long long)skew_of(spread),
                                (long long)spread->skew_allowed);
    }
    return "";
}

void plan_placement_open_end(struct plan_work *work, struct plan_placement *ret) {
    plan_placement_open(work, ret);
    for (size_t i = 0; i < work->count; i++) {
        if (!work->rows[i].chosen || work->rows[i].closure || !is_group(&work->rows[i]))
            continue;
        plan_placement_put(ret, &work->rows[i], NULL, -1);
        plan_placement_put(ret, &work->rows[i], work->rows[i].chosen, 1);
    }
}

/* Whether the group itself goes with them, or stays and would be raised again. */
const char *plan_placement_against_none(struct plan_placement *placement, struct plan_row *row) {
    const int64_t desired = row->desired;
    plan_placement_put(placement, row, NULL, -1);
    const char *words = plan_placement_words(placement);
    row->desired = 0;
    plan_placement_put(placement, row, NULL, 1);
    words = *words ? words : plan_placement_words(placement);
    if (*words)
        plan_placement_put(placement, row, NULL, -1);
    row->desired = desired;
    if (!*words)
        return NULL;
    plan_placement_put(placement, row, NULL, 1);
    return words;
}

void plan_placement_settle(struct plan_work *work) {
    struct plan_placement placement;
    if (work->input->policy->placement.spread_count == 0)
        return;
    plan_placement_open_end(work, &placement);
    for (size_t i = work->count; i-- > 0 && !plan_placement_is_spread(&placement);) {
        struct plan_row *row = &work->rows[i];
        if (!row->chosen || row->closure || !is_group(row))
            continue;
        plan_why_not_add(work, row, "SpreadViolated",
                         arena_printf(work->arena, "%s without what a quota keeps back: %s",
                                      plan_option_words(work, row->chosen), plan_placement_words(&placement)));
        plan_placement_put(&placement, row, row->chosen, -1);
        plan_placement_put(&placement, row, NULL, 1);
        row->chosen = NULL;
    }
}

void plan_placement_tell(const struct plan_placement *placement) {
    struct plan_work *work = placement->work;
    const struct policy *policy = work->input->policy;
    struct plan_places places;
    if (!placement->affinity)
        return;
    places_find(work, policy->placement.anti_affinity, &places);
    const struct plan_row **first = arena_alloc_array(work->arena, places.count + 1, sizeof(const struct plan_row *));
    for (size_t i = 0; i < work->count; i++) {
        size_t place = places.of_rows[i];
        if (place == PLAN_NOWHERE || work->rows[i].closure)
            continue;
        if (first[place])
            plan_why_not_add(work, &work->rows[i], "AntiAffinity",
                             arena_printf(work->arena, "%s is in %s too; what stands there is not moved for that alone",
                                          first[place]->resource->resource.id, places.names[place]));
        else
            first[place] = &work->rows[i];
    }
}
