/*
 * Which more nodes would carry at least cost what finds no room: pack.h, with the types of nodes that are there, at
 * what they cost and with what they leave to pods. Told, not done: nobody but whoever runs the cluster's nodes makes
 * one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/nodes_internal.h"
#include "plan/pack.h"

#define WORK_MAX 2000000
#define TYPES_TOLD 3

struct store {
    struct pack_offer *offers;
    size_t count;
    int64_t pods_max; /* On a node, of the type that takes the fewest. */
};

static int offer_find(const struct store *store, const char *type) {
    for (size_t i = 0; i < store->count; i++)
        if (str_eq(store->offers[i].type, type))
            return (int)i;
    return -1;
}

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t room_of(int64_t has, int64_t fixed) {
    return fixed >= has ? 0 : min64(has - fixed, PACK_AMOUNT_MAX);
}

/* Of nodes that are alike what the least of them leaves; the price is that of the dearest. */
static void offer_add(struct store *store, struct nodes_cluster *cluster, size_t j) {
    const struct plan_row *row = &cluster->nodes[j];
    const struct cloud_resource *r = &row->resource->resource;
    struct arena *arena = cluster->work->arena;
    if (row->price <= 0 || r->type[0] == '\0' || cluster->drain_nodes[j].role == DRAIN_LEAVES)
        return;
    const char *type = r->is_spot ? arena_printf(arena, "%s (spot)", r->type) : r->type;
    int at = offer_find(store, type);
    int64_t cpu = room_of(r->vcpu_milli, r->node->fixed_vcpu_milli);
    int64_t memory = room_of(r->memory_mib, r->node->fixed_memory_mib);
    if (at < 0) {
        store->offers = arena_push(arena, store->offers, store->count, sizeof(*store->offers));
        at = (int)store->count++;
        store->offers[at] = (struct pack_offer){.provider = row->resource->provider,
                                                .region = r->region,
                                                .type = type,
                                                .has = {cpu, memory},
                                                .price_hourly = row->price};
    }
    struct pack_offer *offer = &store->offers[at];
    offer->has[PACK_CPU] = min64(offer->has[PACK_CPU], cpu);
    offer->has[PACK_MEMORY] = min64(offer->has[PACK_MEMORY], memory);
    offer->price_hourly = offer->price_hourly > row->price ? offer->price_hourly : row->price;
    int64_t pods = r->node->pods_max - r->node->fixed_pods;
    if (pods > 0 && (store->pods_max == 0 || pods < store->pods_max))
        store->pods_max = pods;
}

/* Nodes that may take each of these kinds. */
static void store_fill(struct store *store, struct nodes_cluster *cluster, const struct drain_load *unplaced,
                       size_t count) {
    for (size_t j = 0; j < cluster->node_count; j++) {
        bool takes_all = true;
        for (size_t i = 0; i < count; i++)
            takes_all &= cluster->problem.may[unplaced[i].kind * cluster->node_count + j] != 0;
        if (takes_all)
            offer_add(store, cluster, j);
    }
}

static const char *words(struct arena *arena, const struct store *store, const struct pack_result *result) {
    const char *text = NULL;
    char price[MONEY_TEXT_MAX];
    size_t told = 0;
    for (size_t i = 0; i < store->count; i++) {
        int64_t count = 0;
        for (size_t k = 0; k < result->purchase_count; k++)
            count += result->purchases[k].offer == i ? result->purchases[k].count : 0;
        if (count == 0 || told++ >= TYPES_TOLD)
            continue;
        text = arena_printf(arena, "%s%s%lld x %s", text ? text : "", text ? ", " : "", (long long)count,
                            store->offers[i].type);
    }
    money_format(result->cost_hourly, 4, price);
    return arena_printf(arena, "%s%s more would carry it, for %s USD an hour", text ? text : "none",
                        told > TYPES_TOLD ? " and others" : "", price);
}

const char *nodes_buy(struct nodes_cluster *cluster, const struct drain_load *unplaced, size_t count) {
    struct arena *arena = cluster->work->arena;
    struct store store = {0};
    struct pack_demand *demands = arena_alloc_array(arena, count + 1, sizeof(*demands));
    struct pack_result result;
    store_fill(&store, cluster, unplaced, count);
    for (size_t i = 0; i < count; i++) {
        const struct drain_kind *kind = &cluster->drain_kinds[unplaced[i].kind];
        demands[i] =
            (struct pack_demand){.name = arena_printf(arena, "%s %zu", cluster->kinds[unplaced[i].kind].workload, i),
                                 .need = {kind->need[DRAIN_CPU], kind->need[DRAIN_MEMORY]},
                                 .count = min64(unplaced[i].count, PACK_COUNT_MAX),
                                 .per_node_max = kind->is_apart ? 1 : 0};
    }
    if (store.count == 0)
        return "no node that takes such pods is for sale at a known price";
    const struct pack_problem problem = {.demands = demands,
                                         .demand_count = count,
                                         .offers = store.offers,
                                         .offer_count = store.count,
                                         .pieces_max = store.pods_max,
                                         .work_max = WORK_MAX};
    pack_solve(&problem, arena, &result);
    if (result.unplaced_count > 0)
        return "no type of node that is there has room for such a pod";
    return words(arena, &store, &result);
}
