/*
 * Fuzz target: from the tables of `pack`, demands, offers and an earlier plan, to a purchase. Whatever they say, each
 * machine holds what is on it, each piece is placed once or its demand is told, and the bound is not above the cost.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>

#include "cli/pack_previous.h"
#include "cli/pack_read.h"
#include "fuzz_parts.h"

#define ROWS_MAX 24
#define WORK_MAX UINT64_C(200000)
#define NODE_PIECES_MAX 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_machine(const struct pack_problem *problem, const struct pack_purchase *purchase) {
    const struct pack_offer *offer = &problem->offers[purchase->offer];
    int64_t used[PACK_RESOURCES], pieces = 0;
    memcpy(used, problem->overhead, sizeof(used));
    for (size_t t = 0; t < purchase->load_count; t++) {
        const struct pack_demand *demand = &problem->demands[purchase->loads[t].demand];
        ASSERT(purchase->loads[t].count > 0);
        ASSERT(demand->per_node_max == 0 || purchase->loads[t].count <= demand->per_node_max);
        pieces += purchase->loads[t].count;
        for (size_t d = 0; d < PACK_RESOURCES; d++)
            used[d] += demand->need[d] * purchase->loads[t].count;
    }
    for (size_t d = 0; d < PACK_RESOURCES; d++)
        ASSERT(used[d] <= offer->has[d]);
    ASSERT(problem->pieces_max == 0 || pieces <= problem->pieces_max);
}

static int64_t placed(const struct pack_result *result, size_t demand) {
    int64_t count = 0;
    for (size_t p = 0; p < result->purchase_count; p++)
        for (size_t t = 0; t < result->purchases[p].load_count; t++)
            if (result->purchases[p].loads[t].demand == demand)
                count += result->purchases[p].loads[t].count * result->purchases[p].count;
    return count;
}

static void check(const struct pack_problem *problem, const struct pack_result *result) {
    for (size_t p = 0; p < result->purchase_count; p++)
        check_machine(problem, &result->purchases[p]);
    for (size_t i = 0; i < problem->demand_count; i++) {
        bool is_unplaced = false;
        for (size_t u = 0; u < result->unplaced_count; u++)
            is_unplaced |= result->unplaced[u].demand == i && *result->unplaced[u].why;
        ASSERT(placed(result, i) == (is_unplaced ? 0 : problem->demands[i].count));
    }
    ASSERT(result->bound_hourly >= 0);
    ASSERT(result->bound_hourly <= (double)result->cost_hourly / 1e6 * (1 + 1e-9));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_parts parts;
    struct arena arena = {0};
    struct error err;
    struct pack_problem problem = {.pieces_max = size % 2 ? NODE_PIECES_MAX : 0, .work_max = size % 3 ? WORK_MAX : 0};
    problem.overhead[PACK_CPU] = 100;
    fuzz_parts_open(data, size, &parts);
    if (parts.count >= 2 && pack_read_demands(parts.paths[0], &arena, &problem, &err) == ERR_NONE &&
        pack_read_offers(parts.paths[1], &arena, &problem, &err) == ERR_NONE &&
        (parts.count == 2 || pack_read_previous(parts.paths[2], &arena, &problem, &err) == ERR_NONE) &&
        problem.demand_count <= ROWS_MAX && problem.offer_count <= ROWS_MAX) {
        struct pack_result result;
        pack_solve(&problem, &arena, &result);
        check(&problem, &result);
    }
    fuzz_parts_close(&parts);
    arena_release(&arena);
    return 0;
}
