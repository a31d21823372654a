/*
 * Commitments: capacity that is owed whether or not it runs, as the Provider's spec tells it, and how much of it those
 * machines use that a policy does not decide about. Used is counted in the listings of groups and of machines that are
 * in none, whoever they belong to, on demand only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "observe/observe_internal.h"

#define MACHINES_MAX INT64_C(1000000000)

struct running { /* On demand machines of a type in a region. */
    const char *type;
    int64_t vcpu_milli, machines;
};

static int running_cmp(const void *a, const void *b) {
    return str_cmp(((const struct running *)a)->type, ((const struct running *)b)->type);
}

void observe_commitments_keep(struct observe_provider *provider, const struct provider *spec) {
    struct arena *arena = &provider->arena;
    struct cloud_commitment *kept = arena_alloc_array(arena, spec->commitment_count + 1, sizeof(*kept));
    for (size_t i = 0; i < spec->commitment_count; i++) {
        kept[i] = spec->commitments[i];
        kept[i].region = arena_strdup(arena, kept[i].region);
        kept[i].id = arena_strdup(arena, kept[i].id);
        kept[i].types = arena_strdup(arena, kept[i].types);
    }
    provider->commitments = kept;
    provider->commitment_count = spec->commitment_count;
}

/* ---- who uses them ---- */

static bool is_on(enum cloud_state state) {
    return state == CLOUD_PENDING || state == CLOUD_RUNNING || state == CLOUD_STOPPING;
}

/* How many on demand machines the resource counts for. One that is in a listed group is counted there. */
static int64_t machines_of(const struct observe_region *region, const struct cloud_resource *r) {
    if (r->is_spot || !r->type || !*r->type)
        return 0;
    if (r->kind == CLOUD_INSTANCE_GROUP)
        return r->count < 0 ? 0 : r->count > MACHINES_MAX ? MACHINES_MAX : r->count;
    bool is_member = r->parent && observe_region_resource(region, CLOUD_INSTANCE_GROUP, r->parent);
    return r->kind == CLOUD_INSTANCE && is_on(r->state) && !is_member;
}

struct tally {
    struct map types; /* -> struct running * */
    struct arena arena;
};

static void tally_add(struct tally *tally, const struct cloud_resource *r, int64_t machines) {
    struct running *running = map_get(&tally->types, r->type);
    if (machines == 0)
        return;
    if (!running) {
        running = arena_alloc(&tally->arena, sizeof(*running));
        *running = (struct running){.type = r->type, .vcpu_milli = r->vcpu_milli};
        (void)map_put(&tally->types, r->type, running);
    }
    running->machines += machines;
}

static void tally_listed(struct tally *tally, const struct observe_region *region) {
    static const enum cloud_kind kinds[] = {CLOUD_INSTANCE_GROUP, CLOUD_INSTANCE};
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        const struct observe_shelf *shelf = region->shelves[kinds[k]];
        for (size_t i = 0; shelf && i < shelf->stock.count; i++)
            tally_add(tally, &shelf->stock.resources[i], machines_of(region, &shelf->stock.resources[i]));
    }
}

/* What the policy selects is the plan's to count. */
static void tally_own(struct tally *tally, const struct observe_region *region, const struct snapshot *snapshot) {
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        const struct snapshot_resource *own = &snapshot->resources[i];
        if (str_eq(own->provider, region->provider->key) && str_eq(own->resource.region, region->name))
            tally_add(tally, &own->resource, -machines_of(region, &own->resource));
    }
}

/* Each machine uses the first that covers it and has room, types in the order of their names. */
static void use(struct snapshot_commitment *commitments, size_t count, const struct running *running) {
    int64_t left = running->machines;
    for (size_t i = 0; i < count && left > 0; i++) {
        const struct cloud_commitment *c = &commitments[i].commitment;
        int64_t each = cloud_commitment_use(c, running->type, running->vcpu_milli);
        int64_t room = each > 0 ? (c->amount * 1000 - commitments[i].used_milli) / each : 0;
        int64_t taken = left < room ? left : room;
        commitments[i].used_milli += taken * each;
        left -= taken;
    }
}

static void use_all(struct snapshot_commitment *commitments, size_t count, const struct tally *tally) {
    struct running *sorted = mem_alloc_array(tally->types.count + 1, sizeof(*sorted));
    size_t type_count = 0;
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&tally->types, &i));)
        sorted[type_count++] = *(const struct running *)entry->value;
    qsort(sorted, type_count, sizeof(*sorted), running_cmp);
    for (size_t i = 0; i < type_count; i++)
        use(commitments, count, &sorted[i]);
    mem_free(sorted);
}

/* ---- into the snapshot ---- */

int snapshot_commitment_cmp(const void *a, const void *b) {
    const struct snapshot_commitment *x = a, *y = b;
    int order = str_cmp(x->provider, y->provider);
    if (order == 0)
        order = str_cmp(x->commitment.region, y->commitment.region);
    return order ? order : str_cmp(x->commitment.id, y->commitment.id);
}

static void add_region(const struct observe_region *region, struct snapshot *snapshot, struct arena *arena,
                       struct snapshot_commitment **all) {
    const struct observe_provider *provider = region->provider;
    size_t first = snapshot->commitment_count;
    for (size_t i = 0; i < provider->commitment_count; i++) {
        struct cloud_commitment c = provider->commitments[i];
        if (!str_eq(c.region, region->name) || !cloud_commitment_is_live(&c, snapshot->as_of_ms))
            continue;
        c.region = arena_strdup(arena, c.region);
        c.id = arena_strdup(arena, c.id);
        c.types = arena_strdup(arena, c.types);
        *all = arena_push(arena, *all, snapshot->commitment_count, sizeof(**all));
        (*all)[snapshot->commitment_count++] =
            (struct snapshot_commitment){.provider = arena_strdup(arena, provider->key), .commitment = c};
    }
    if (snapshot->commitment_count == first)
        return;
    qsort(*all + first, snapshot->commitment_count - first, sizeof(**all), snapshot_commitment_cmp);
    struct tally tally = {0};
    tally_listed(&tally, region);
    tally_own(&tally, region, snapshot);
    use_all(*all + first, snapshot->commitment_count - first, &tally);
    map_release(&tally.types);
    arena_release(&tally.arena);
}

void observe_view_commitments(const struct observe *observe, const struct observe_scope *scopes, size_t scope_count,
                              struct snapshot *snapshot, struct arena *arena) {
    struct snapshot_commitment *all = NULL;
    for (size_t i = 0; i < scope_count; i++) {
        const struct observe_provider *provider = map_get(&observe->providers, scopes[i].provider);
        for (size_t k = 0; provider && provider->commitment_count > 0 && k < provider->region_count; k++)
            add_region(&provider->regions[k], snapshot, arena, &all);
    }
    if (all)
        qsort(all, snapshot->commitment_count, sizeof(*all), snapshot_commitment_cmp);
    if (snapshot->commitment_count > SNAPSHOT_COMMITMENTS_MAX)
        snapshot->commitment_count = SNAPSHOT_COMMITMENTS_MAX;
    snapshot->commitments = all;
}
