/*
 * Fuzz target: from the tables of `slots`, slots, groups and amounts, to an allocation. Whatever they say, it is within
 * capacities and amounts, nothing is less than nothing, and loss and gap are numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stddef.h>

#include "cli/slots_read.h"
#include "fuzz_parts.h"

#define CELLS_MAX 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static double tolerance(double limit) {
    return 1e-9 + 1e-9 * limit;
}

static void check(const struct slots_problem *problem, const struct slots_result *result) {
    size_t m = problem->slot_count;
    ASSERT(isfinite(result->loss) && result->loss >= 0 && isfinite(result->gap));
    for (size_t r = 0; r < problem->resource_count; r++) {
        double given = 0;
        for (size_t s = 0; s < m; s++) {
            ASSERT(result->resource_slots[r * m + s] >= 0);
            given += result->resource_slots[r * m + s];
        }
        ASSERT(given <= problem->amounts[r] + tolerance(problem->amounts[r]));
    }
    for (size_t s = 0; s < m; s++) {
        double given = 0;
        for (size_t r = 0; r < problem->resource_count; r++)
            given += result->resource_slots[r * m + s];
        ASSERT(given <= problem->capacities[s] + tolerance(problem->capacities[s]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_parts parts;
    struct arena arena = {0};
    struct error err;
    struct slots_tables tables = {0};
    fuzz_parts_open(data, size, &parts);
    if (parts.count >= 2 && slots_read_slots(parts.paths[0], &arena, &tables, &err) == ERR_NONE &&
        slots_read_groups(parts.paths[1], &arena, &tables, &err) == ERR_NONE &&
        slots_read_resources(parts.count == 3 ? parts.paths[2] : NULL, &arena, &tables, &err) == ERR_NONE &&
        tables.problem.group_count * tables.problem.resource_count * tables.problem.slot_count <= CELLS_MAX) {
        struct slots_result result;
        slots_solve(&tables.problem, &arena, &result);
        check(&tables.problem, &result);
    }
    fuzz_parts_close(&parts);
    arena_release(&arena);
    return 0;
}
