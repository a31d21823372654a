/*
 * prices: an offer for each type of the cluster's nodes. charges: each workload's share of the nodes, day by day.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/kubernetes/world.h"
#include "base/mem.h"
#include "base/str.h"

/* ---- prices ---- */

struct prices_state {
    struct kubernetes_world world;
    const struct cloud_query *query;
};

static bool is_asked(const struct cloud_query *query, const char *type) {
    if (query->types == NULL)
        return true;
    for (size_t i = 0; i < query->type_count; i++) {
        if (str_eq(query->types[i], type))
            return true;
    }
    return false;
}

/* By type; of one type those first whose cloud and region say a price. */
static int node_type_cmp(const void *a, const void *b) {
    const struct kubernetes_node *x = a, *y = b;
    int order = str_cmp(x->resource.type, y->resource.type);
    if (order == 0)
        order = (y->resource.price_hourly > 0) - (x->resource.price_hourly > 0);
    return order != 0 ? order : str_cmp(x->resource.id, y->resource.id);
}

static struct cloud_offer offer_of(const struct kubernetes_world *world, const struct kubernetes_node *node) {
    const struct kubernetes *self = world->self;
    struct cloud_offer offer = {.architecture = "", .price_spot_hourly = -1};
    const char *source = "";
    if (self->catalogue != NULL && node->provider[0] != '\0')
        (void)catalogue_find(self->catalogue, node->provider, node->region, node->resource.type, &offer);
    offer.region = CLOUD_REGION_CLUSTER;
    offer.type = node->resource.type;
    offer.price_hourly = kubernetes_node_price(self, node, false, &source);
    offer.price_spot_hourly = kubernetes_node_price(self, node, true, &source);
    offer.source = source;
    if (offer.vcpu_milli == 0) { /* No cloud's type: what its node gives. */
        offer.vcpu_milli = node->resource.vcpu_milli;
        offer.memory_mib = node->resource.memory_mib;
        offer.as_of_ms = node->resource.as_of_ms;
    }
    return offer;
}

static enum exchange_next prices_finish(struct call *call, struct kubernetes_world *world, struct error *err) {
    const struct prices_state *state = call->state;
    struct adapter_reply *reply = &call->outer->reply;
    struct kubernetes_node *nodes = world->nodes.items;
    (void)err;
    kubernetes_prices_join(world);
    if (world->nodes.count > 1)
        qsort(nodes, world->nodes.count, sizeof(*nodes), node_type_cmp);
    struct cloud_offer *offers = arena_alloc_array(world->arena, world->nodes.count, sizeof(*offers));
    for (size_t i = 0; i < world->nodes.count; i++) {
        const char *type = nodes[i].resource.type;
        bool is_known = i > 0 && str_eq(type, nodes[i - 1].resource.type);
        if (type[0] != '\0' && !is_known && is_asked(state->query, type))
            offers[reply->count++] = offer_of(world, &nodes[i]);
    }
    reply->as.offers = offers;
    return EXCHANGE_DONE;
}

static const struct call_verb prices_verb = {.name = "prices",
                                             .priority = GATE_INVENTORY,
                                             .build = kubernetes_world_build,
                                             .read = kubernetes_world_read,
                                             .failed = kubernetes_world_failed};

void kubernetes_prices(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query) {
    struct call *call = call_new(&self->host, outer, &prices_verb, sizeof(struct prices_state));
    struct prices_state *state = call->state;
    if (!kubernetes_region_check(call, query->region))
        return;
    kubernetes_world_init(&state->world, call, SOURCE_BIT(SOURCE_NODES), prices_finish);
    state->query = query;
    call_start(call);
}
