/*
 * "What if": other prices, other demand, and places or machines that are not for sale. Each changes the nouns that a
 * plan is made from, and nothing of how it is made: the plan of a changed world is the plan that this world would get.
 *
 *     without   a closure in the headroom (headroom.h)
 *     price     of the offers, and of what runs on them, times a factor, to the nearest micro-unit, at least one
 *     demand    the history, the quantiles of the forecast, and what OOM kills have raised, times a factor
 *
 * Where several are of the same offer or resource, the factors multiply. The forecast is made before, of the history as
 * it is: so twice the demand is exactly twice the forecast.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_WHATIF_H
#define TRIMTAB_PLAN_WHATIF_H

#include "plan/compute.h"

#define WHATIF_FACTOR_MAX 1e6

struct whatif_factor {
    struct headroom_closure offers; /* Prices: of which. */
    /* Demands: a glob over the policy ("namespace/name" or the name), the resource's id, its name, or
     * "provider/region/id" as plans write it. */
    const char *pattern;
    double factor;    /* Price: > 0. Demand: >= 0. At most WHATIF_FACTOR_MAX. */
    const char *text; /* As it was written. */
};

struct whatif {
    const struct headroom_closure *closures;
    size_t closure_count;
    const struct whatif_factor *prices, *demands;
    size_t price_count, demand_count;
};

static inline size_t whatif_count(const struct whatif *whatif) {
    return whatif->closure_count + whatif->price_count + whatif->demand_count;
}

/* Adds to hits (one for each of closures, prices, demands, in this order) how many offers and resources of the snapshot
 * it touches. policy: "namespace/name". */
void whatif_hits(const struct whatif *whatif, const char *policy, const struct snapshot *snapshot, size_t *hits);

/* input with its forecasts; unchanged parts are shared. */
struct plan_input whatif_input(const struct whatif *whatif, const char *policy, const struct plan_input *input,
                               struct arena *arena);

#endif
