/*
 * The cheapest purchase of machines for a list of demands, with a proof of how far from the cheapest it is at most.
 *
 *     min  sum_j price(j) x_j        j: a filling of one machine of some offer, so many pieces of each demand
 *     s.t. sum_j pieces(i, j) x_j >= count_i     for each demand i                        (duals y_i)
 *          x_j >= 0, whole
 *
 * This is the variable sized vector bin packing problem in the form of Gilmore and Gomory (Operations Research 9,
 * 1961). The duals prove the bound: no filling of any machine with at most count_i pieces of each demand i is worth
 * more at the prices y than the machine costs, so every purchase costs sum_i count_i y_i at least.
 *
 * A demand whose pieces are spread over zones has a count for each of its zones, and a dual y_iz; the counts are part
 * of what is decided, of all that keep the skew. Whatever they are, its pieces cost least(y_i) at least: the least
 * sum_z n_z y_iz of all such counts n. That takes the place of count_i y_i in the bound.
 *
 * Pure and deterministic; the order of demands and of offers does not matter. It ends by work done, not by time, and
 * has an answer whenever it ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_PACK_H
#define TRIMTAB_PLAN_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/money.h"

#define PACK_OTHERS_MAX 4
/* From PACK_OTHER on: what the problem names. */
enum pack_dimension { PACK_CPU, PACK_MEMORY, PACK_GPU, PACK_OTHER, PACK_RESOURCES = PACK_OTHER + PACK_OTHERS_MAX };

#define PACK_AMOUNT_MAX INT64_C(1000000000000) /* Of a dimension. */
#define PACK_COUNT_MAX INT64_C(1000000000)     /* Pieces of a demand. */

struct pack_demand {
    const char *name; /* Distinct. */
    int64_t
        need[PACK_RESOURCES]; /* Of one piece: milli-vCPU, MiB, GPUs, thousandths of the others; 0..PACK_AMOUNT_MAX */
    int64_t count;            /* 0..PACK_COUNT_MAX */
    int64_t per_node_max;     /* Of its pieces on one machine; 0: any number. */
    /* Its numbers of pieces in any two zones differ by at most this (topologySpreadConstraints over zones, which holds
     * back what it cannot keep); 0: it need not be spread. */
    int64_t skew_max;
    const char *architecture; /* NULL or "": any. */
};

struct pack_offer {
    const char *provider, *region, *type; /* Distinct together, with the zone. */
    int64_t has[PACK_RESOURCES];          /* 0..PACK_AMOUNT_MAX */
    money_micros price_hourly;            /* > 0; any number can be bought. */
    const char *zone;                     /* NULL or "": the region is taken for one. */
    const char *architecture;             /* NULL or "": unknown; then it holds only what runs on any. */
};

#define PACK_NO_DEMAND SIZE_MAX
#define PACK_NO_OFFER SIZE_MAX

struct pack_load {
    size_t demand; /* Index into the problem's. */
    int64_t count;
};

struct pack_purchase {
    size_t offer;
    int64_t count; /* Machines, all with this load. */
    const struct pack_load *loads;
    size_t load_count;
};

struct pack_zone_dual {
    size_t demand; /* That is spread. */
    size_t offer;  /* One of the zone's. */
    double dual;
};

/* What an earlier run found, for demands and offers much like these; of demands that are no more, demand is
 * PACK_NO_DEMAND. Nothing of it is believed: sizes may have changed, and the duals may prove nothing any more. */
struct pack_previous {
    const struct pack_purchase *purchases; /* Of offer the zone alone matters, which PACK_NO_OFFER has none of. */
    size_t purchase_count;
    const struct pack_purchase *patterns; /* Nor does count. */
    size_t pattern_count;
    const double *duals; /* Of each demand; 0 if there was none. */
    const struct pack_zone_dual *zone_duals;
    size_t zone_dual_count;
};

struct pack_problem {
    const struct pack_demand *demands;
    size_t demand_count;
    const struct pack_offer *offers;
    size_t offer_count;
    /* Of the dimensions from PACK_OTHER on; NULL: nothing needs it, nor do those behind it. */
    const char *others[PACK_OTHERS_MAX];
    int64_t overhead[PACK_RESOURCES]; /* What each machine keeps for itself. */
    int64_t pieces_max;               /* On one machine; 0: any number. */
    uint64_t work_max; /* Elementary steps, of about 8 ns; 0: only a first plan and its bound, some 0.2 s. */
    /* To start from, NULL: nothing. Little work is done then, and few machines become other ones, unless what comes of
     * it is far from the bound. */
    const struct pack_previous *previous;
    money_micros overhead_hourly; /* What each machine costs besides its price, licences; 0 or more. */
};

static inline money_micros pack_price(const struct pack_problem *problem, size_t offer) { /* With that. */
    return money_add(problem->offers[offer].price_hourly, problem->overhead_hourly);
}

struct pack_unplaced {
    size_t demand;
    const char *why; /* "a piece needs 9000m CPU, the largest machine has 4000m CPU free" */
};

struct pack_result {
    const struct pack_purchase *purchases; /* By provider, region, type; then what is bought most often. */
    size_t purchase_count;
    int64_t machine_count;
    money_micros cost_hourly;
    double bound_hourly;      /* No purchase for what is placed costs less. */
    bool is_proven;           /* The cost is the least: the bound. By branching, if the duals do not prove it. */
    double dual_bound_hourly; /* What the duals prove alone; <= bound_hourly. */
    const double *duals; /* Of each demand: what a piece costs at least in that bound; of one that is unplaced, 0. Of
                            one that is spread, the mean: least(y_i) / count_i. */
    const struct pack_zone_dual *zone_duals; /* Those behind the means, of each zone where a piece fits a machine. */
    size_t zone_dual_count;
    const struct pack_purchase *patterns; /* What the programme of the bound would buy, in fractions; count: 0. */
    size_t pattern_count;
    const struct pack_unplaced *unplaced; /* What fits no machine. The rest is served. */
    size_t unplaced_count;
    /* How it was found. */
    money_micros first_cost_hourly;         /* Of the constructive heuristic alone. */
    size_t class_count, machine_type_count; /* Distinct demands; offers that no other one makes pointless. */
    size_t column_count, round_count;
    uint64_t work;
};

void pack_solve(const struct pack_problem *problem, struct arena *arena, struct pack_result *ret);

#endif
