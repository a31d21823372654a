/*
 * What a node costs an hour, and what of it a pod's requests are worth.
 *
 * A node's price is split over its processors and its memory as OpenCost does it: in the proportion of the default
 * prices of a core and of a GiB (adapters/cloud.h), scaled so that they add up to the node's price. A workload's pod
 * costs its requests at the mean of these rates over all nodes with a price, each weighted by its size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/kubernetes/world.h"
#include "base/str.h"

money_micros kubernetes_node_price(const struct kubernetes *self, const struct kubernetes_node *node, bool is_spot,
                                   const char **ret_source) {
    struct cloud_offer offer;
    for (size_t i = 0; i < self->node_price_count; i++) {
        if (str_glob(self->node_prices[i].instance_type, node->resource.type)) {
            *ret_source = "nodePrices";
            return self->node_prices[i].hourly;
        }
    }
    if (self->catalogue == NULL || node->provider[0] == '\0' || node->region[0] == '\0' ||
        !catalogue_find(self->catalogue, node->provider, node->region, node->resource.type, &offer))
        return -1;
    *ret_source = offer.source;
    return is_spot ? offer.price_spot_hourly : offer.price_hourly;
}

struct rates { /* Micros an hour. */
    double core, gib;
};

static double cores_of(const struct cloud_resource *it) {
    return (double)it->vcpu_milli / 1000;
}

static double gib_of(const struct cloud_resource *it) {
    return (double)it->memory_mib / 1024;
}

void kubernetes_prices_join(struct kubernetes_world *world) {
    struct kubernetes_node *nodes = world->nodes.items;
    struct kubernetes_workload *workloads = world->workloads.items;
    struct rates sums = {0};
    double cores = 0, gib = 0;
    const char *source;
    for (size_t i = 0; i < world->nodes.count; i++) {
        struct cloud_resource *it = &nodes[i].resource;
        money_micros price = kubernetes_node_price(world->self, &nodes[i], it->is_spot, &source);
        double weight = CLOUD_CORE_WEIGHT * cores_of(it) + CLOUD_GIB_WEIGHT * gib_of(it);
        if (price < 0 && it->is_spot) /* No spot price is known: rather too dear than free. */
            price = kubernetes_node_price(world->self, &nodes[i], false, &source);
        it->price_hourly = price > 0 ? price : 0;
        if (price < 0 || weight <= 0)
            continue;
        sums.core += (double)price * CLOUD_CORE_WEIGHT / weight * cores_of(it);
        sums.gib += (double)price * CLOUD_GIB_WEIGHT / weight * gib_of(it);
        cores += cores_of(it);
        gib += gib_of(it);
    }
    struct rates rates = {cores > 0 ? sums.core / cores : 0, gib > 0 ? sums.gib / gib : 0};
    for (size_t i = 0; i < world->workloads.count; i++) {
        struct cloud_resource *it = &workloads[i].resource;
        it->price_hourly = money_from_double((rates.core * cores_of(it) + rates.gib * gib_of(it)) / 1e6);
    }
}
