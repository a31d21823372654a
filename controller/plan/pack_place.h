/*
 * Where a piece may be: zones and architectures as numbers, and the classes of a demand whose pieces are spread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_PACK_PLACE_H
#define TRIMTAB_PLAN_PACK_PLACE_H

#include "plan/pack_internal.h"

struct pack_places {
    const struct pack_problem *problem;
    bool has_architectures; /* Some demand asks for one. */
    const uint32_t *zones;  /* Of each offer, from 1 on, by name; NULL: no demand is spread. */
    size_t zone_count;
    const char **zone_names; /* By number. */
};

void pack_places_find(const struct pack_problem *problem, struct arena *arena, struct pack_places *ret);
void pack_places_of_offer(const struct pack_places *places, size_t offer, struct pack_machine *ret);
void pack_places_of_demand(const struct pack_places *places, const struct pack_demand *demand, struct pack_class *ret);

/* The zones of a demand with skew_max > 0 whose pieces fit some machine. False: it may run in one zone only, so there
 * is nothing to spread. *ret_why: not NULL where the skew cannot be kept. */
bool pack_spread_make(const struct pack_places *places, const struct pack_model *model, size_t demand,
                      struct arena *arena, struct pack_spread *ret, const uint32_t **ret_zones, const char **ret_why);
/* Of its pieces in one zone. */
int64_t pack_spread_most(const struct pack_spread *spread);

#endif
