/*
 * What must hold of every plan of the packing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_PACK_CHECK_H
#define TRIMTAB_TESTS_PACK_CHECK_H

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "plan/pack.h"

#define PACK_CHECK_DEMANDS_MAX 64

/* One number after another, below a bound. */
static inline uint64_t pack_chance(uint64_t *state, uint64_t below) {
    *state = *state * UINT64_C(6364136223846793005) + 1;
    return (*state >> 33) % below;
}

static inline bool pack_is_alike(const struct pack_purchase *a, const struct pack_purchase *b) {
    return a->offer == b->offer && a->load_count == b->load_count &&
           memcmp(a->loads, b->loads, a->load_count * sizeof(*a->loads)) == 0;
}

/* What an earlier run found. */
static inline struct pack_previous pack_previous_of(const struct pack_result *result) {
    return (struct pack_previous){.purchases = result->purchases,
                                  .purchase_count = result->purchase_count,
                                  .patterns = result->patterns,
                                  .pattern_count = result->pattern_count,
                                  .duals = result->duals,
                                  .zone_duals = result->zone_duals,
                                  .zone_dual_count = result->zone_dual_count};
}

static inline bool pack_is_unplaced(const struct pack_result *result, size_t demand) {
    for (size_t u = 0; u < result->unplaced_count; u++)
        if (result->unplaced[u].demand == demand)
            return true;
    return false;
}

static inline bool pack_is_same(const char *a, const char *b) {
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static inline bool pack_is_one_zone(const struct pack_offer *a, const struct pack_offer *b) {
    return pack_is_same(a->provider, b->provider) && pack_is_same(a->region, b->region) &&
           pack_is_same(a->zone, b->zone);
}

/* It is a node that the demand may be on, so its zone is one of those that are compared. */
static inline bool pack_is_domain(const struct pack_problem *problem, size_t demand, size_t offer) {
    const struct pack_offer *o = &problem->offers[offer];
    bool is_enough = pack_is_same(problem->demands[demand].architecture, "") ||
                     pack_is_same(problem->demands[demand].architecture, o->architecture);
    for (size_t d = 0; d < PACK_RESOURCES; d++)
        is_enough &= o->has[d] >= problem->overhead[d];
    return is_enough;
}

static inline int64_t pack_in_zone(const struct pack_problem *problem, const struct pack_result *result, size_t demand,
                                   size_t offer) {
    int64_t count = 0;
    for (size_t p = 0; p < result->purchase_count; p++)
        for (size_t t = 0; t < result->purchases[p].load_count; t++)
            if (result->purchases[p].loads[t].demand == demand &&
                pack_is_one_zone(&problem->offers[result->purchases[p].offer], &problem->offers[offer]))
                count += result->purchases[p].loads[t].count * result->purchases[p].count;
    return count;
}

static inline void pack_check_skew(const struct pack_problem *problem, const struct pack_result *result,
                                   size_t demand) {
    int64_t least = INT64_MAX, most = 0;
    for (size_t k = 0; k < problem->offer_count; k++) {
        if (!pack_is_domain(problem, demand, k))
            continue;
        int64_t count = pack_in_zone(problem, result, demand, k);
        least = count < least ? count : least;
        most = count > most ? count : most;
    }
    if (most > 0)
        cr_assert_leq(most - least, problem->demands[demand].skew_max, "demand %zu", demand);
}

/* Every piece of what fits is on a machine, no machine holds more than it has, the cost is the sum, the bound is what
 * its duals say. */
static inline void pack_check(const struct pack_problem *problem, const struct pack_result *result) {
    int64_t placed[PACK_CHECK_DEMANDS_MAX] = {0}, machines = 0;
    money_micros cost = 0;
    double bound = 0;
    cr_assert_leq(problem->demand_count, PACK_CHECK_DEMANDS_MAX);
    for (size_t p = 0; p < result->purchase_count; p++) {
        const struct pack_purchase *purchase = &result->purchases[p];
        for (size_t q = 0; q < p; q++)
            cr_assert(!pack_is_alike(purchase, &result->purchases[q]), "filled alike, and not told as one");
        const struct pack_offer *bought = &problem->offers[purchase->offer];
        int64_t used[PACK_RESOURCES], pieces = 0;
        memcpy(used, problem->overhead, sizeof(used));
        cr_assert_gt(purchase->count, 0);
        for (size_t t = 0; t < purchase->load_count; t++) {
            const struct pack_load *load = &purchase->loads[t];
            const struct pack_demand *demand = &problem->demands[load->demand];
            cr_assert_gt(load->count, 0);
            cr_assert(!demand->per_node_max || load->count <= demand->per_node_max, "demand %zu", load->demand);
            cr_assert(pack_is_same(demand->architecture, "") ||
                      pack_is_same(demand->architecture, bought->architecture));
            placed[load->demand] += load->count * purchase->count;
            pieces += load->count;
            for (size_t d = 0; d < PACK_RESOURCES; d++)
                used[d] += load->count * problem->demands[load->demand].need[d];
        }
        cr_assert_gt(pieces, 0, "an empty machine is bought");
        cr_assert(!problem->pieces_max || pieces <= problem->pieces_max);
        for (size_t d = 0; d < PACK_RESOURCES; d++)
            cr_assert_leq(used[d], bought->has[d], "dimension %zu", d);
        cost += bought->price_hourly * purchase->count;
        machines += purchase->count;
    }
    for (size_t i = 0; i < problem->demand_count; i++) {
        bool is_unplaced = pack_is_unplaced(result, i);
        if (problem->demands[i].skew_max > 0)
            pack_check_skew(problem, result, i);
        cr_assert_eq(placed[i], is_unplaced ? 0 : problem->demands[i].count, "demand %zu", i);
        cr_assert_geq(result->duals[i], 0);
        bound += is_unplaced ? 0 : result->duals[i] * (double)problem->demands[i].count;
    }
    cr_assert_eq(result->cost_hourly, cost);
    cr_assert_eq(result->machine_count, machines);
    cr_assert_leq(result->bound_hourly, (double)cost * 1e-6 * (1 + 1e-9));
    cr_assert_leq(result->dual_bound_hourly, result->bound_hourly * (1 + 1e-9));
    cr_assert(!result->is_proven || result->bound_hourly == (double)cost / 1e6);
    cr_assert_leq(fabs(result->dual_bound_hourly - bound), 1e-9 * (1 + bound), "the duals do not prove the bound");
    cr_assert_leq(result->cost_hourly, result->first_cost_hourly + 1);
}

#endif
