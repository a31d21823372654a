/*
 * Ten thousand small cases, two in three of them with limits of pieces on a machine, zones to spread over, and
 * architectures: what must hold of every plan, and of plans of cases that differ in one thing. Each plan is also held
 * against the true optimum.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/mem.h"
#include "pack_small.h"

#define CASES 10000
#define WORK UINT64_C(4000000)

static struct arena arena; /* One test, one process. */

static struct pack_result solved(const struct pack_problem *problem) {
    struct pack_result result;
    pack_solve(problem, &arena, &result);
    pack_check(problem, &result);
    return result;
}

static void limit(uint64_t *chance, struct small_case *any) {
    static const char *const zones[] = {"x", "y", "z"}, *const architectures[] = {"amd64", "arm64"};
    for (size_t i = 0; i < any->problem.demand_count; i++) {
        struct pack_demand *demand = &any->demands[i];
        demand->per_node_max = pack_chance(chance, 3) == 0 ? 1 + (int64_t)pack_chance(chance, 2) : 0;
        demand->skew_max = pack_chance(chance, 2) == 0 ? 1 + (int64_t)pack_chance(chance, 2) : 0;
        demand->architecture = pack_chance(chance, 4) == 0 ? architectures[pack_chance(chance, 2)] : NULL;
    }
    for (size_t k = 0; k < any->problem.offer_count; k++) {
        any->offers[k].zone = zones[pack_chance(chance, 3)];
        any->offers[k].architecture = architectures[pack_chance(chance, 4) == 0];
    }
}

static void make(uint64_t seed, struct small_case *ret) {
    uint64_t chance = seed;
    bool is_limited = seed % 3 > 0;
    small_make(&chance, is_limited ? SMALL_PIECES_MAX - 1 : SMALL_PIECES_MAX, WORK, ret);
    if (is_limited)
        limit(&chance, ret);
}

Test(plan_pack_small, each_is_proven_and_no_way_to_share_out_the_pieces_is_cheaper, .timeout = 300) {
    mem_keep_freed();
    for (uint64_t seed = 0; seed < CASES; seed++) {
        struct small_case any;
        make(seed, &any);
        struct pack_result result = solved(&any.problem);
        cr_assert(result.is_proven, "case %d", (int)seed);
        cr_assert_eq(result.cost_hourly, small_optimum(&any.problem, &result), "case %d", (int)seed);
        arena_release(&arena);
    }
}

/* ---- two cases that differ in one thing ---- */

static void check_turned(const struct small_case *any, const struct pack_result *a, const struct pack_result *b) {
    size_t n = any->problem.demand_count, m = any->problem.offer_count;
    cr_assert_eq(a->purchase_count, b->purchase_count);
    cr_assert_eq(memcmp(&a->bound_hourly, &b->bound_hourly, sizeof(double)), 0);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(memcmp(&a->duals[i], &b->duals[n - 1 - i], sizeof(double)), 0);
    for (size_t p = 0; p < a->purchase_count; p++) {
        cr_assert_eq(a->purchases[p].offer, m - 1 - b->purchases[p].offer);
        cr_assert_eq(a->purchases[p].count, b->purchases[p].count);
        cr_assert_eq(a->purchases[p].load_count, b->purchases[p].load_count);
        for (size_t t = 0; t < a->purchases[p].load_count; t++) {
            cr_assert_eq(a->purchases[p].loads[t].demand, n - 1 - b->purchases[p].loads[t].demand);
            cr_assert_eq(a->purchases[p].loads[t].count, b->purchases[p].loads[t].count);
        }
    }
}

Test(plan_pack_small, the_order_of_rows_does_not_matter, .timeout = 300) {
    mem_keep_freed();
    for (uint64_t seed = 0; seed < CASES; seed++) {
        struct small_case any, turned;
        make(seed, &any);
        turned = any;
        turned.problem.demands = turned.demands;
        turned.problem.offers = turned.offers;
        for (size_t i = 0; i < any.problem.demand_count; i++)
            turned.demands[i] = any.demands[any.problem.demand_count - 1 - i];
        for (size_t k = 0; k < any.problem.offer_count; k++)
            turned.offers[k] = any.offers[any.problem.offer_count - 1 - k];
        struct pack_result a = solved(&any.problem), b = solved(&turned.problem);
        check_turned(&any, &a, &b);
        arena_release(&arena);
    }
}

/* With all offers no dearer than the gap, with one fewer no cheaper than the bound; the same of limits. */
static void check_pair(const struct pack_result *looser, const struct pack_result *tighter, uint64_t seed) {
    if (looser->unplaced_count != tighter->unplaced_count)
        return;
    double gap = (double)looser->cost_hourly * 1e-6 - looser->bound_hourly;
    cr_assert_geq((double)tighter->cost_hourly * 1e-6, looser->bound_hourly * (1 - 1e-9), "case %d", (int)seed);
    cr_assert_leq((double)looser->cost_hourly * 1e-6, (double)tighter->cost_hourly * 1e-6 + gap + 1e-9, "case %d",
                  (int)seed);
    cr_assert(!looser->is_proven || looser->cost_hourly <= tighter->cost_hourly, "case %d", (int)seed);
}

/* Where a zone goes with it, what is spread may even be cheaper: it holds no other zone back any more. */
static bool is_last_of_zone(const struct pack_problem *problem, size_t offer) {
    for (size_t k = 0; k < problem->offer_count; k++)
        if (k != offer && pack_is_one_zone(&problem->offers[k], &problem->offers[offer]) &&
            pack_is_same(problem->offers[k].architecture, problem->offers[offer].architecture) &&
            problem->offers[k].has[PACK_CPU] >= problem->overhead[PACK_CPU] &&
            problem->offers[k].has[PACK_MEMORY] >= problem->overhead[PACK_MEMORY])
            return false;
    return true;
}

static bool is_spread(const struct pack_problem *problem) {
    bool found = false;
    for (size_t i = 0; i < problem->demand_count; i++)
        found |= problem->demands[i].skew_max > 0;
    return found;
}

/* Whatever the work. */
Test(plan_pack_small, an_offer_fewer_is_no_cheaper_and_one_more_no_dearer, .timeout = 300) {
    mem_keep_freed();
    for (uint64_t seed = 0; seed < CASES; seed++) {
        struct small_case any;
        make(seed, &any);
        any.problem.work_max = seed % 2 ? WORK : seed * 40;
        struct pack_result all = solved(&any.problem);
        if (is_spread(&any.problem) && is_last_of_zone(&any.problem, any.problem.offer_count - 1))
            any.demands[0].count++; /* Of what is left it is another thing to ask. */
        else
            any.problem.offer_count--;
        struct pack_result fewer = solved(&any.problem);
        check_pair(&all, &fewer, seed);
        arena_release(&arena);
    }
}

/* All other cases, and those without a limit more of them. */
Test(plan_pack_small, a_limit_more_is_no_cheaper_than_the_bound, .timeout = 300) {
    mem_keep_freed();
    for (uint64_t seed = 0; seed < CASES; seed++) {
        struct small_case any;
        make(3 * seed + 1, &any);
        any.problem.work_max = seed % 2 ? WORK : seed * 40;
        struct pack_result limited = solved(&any.problem);
        for (size_t i = 0; i < any.problem.demand_count; i++) {
            any.demands[i].per_node_max = 0;
            any.demands[i].skew_max = seed % 3 > 0 ? 0 : 2 * any.demands[i].skew_max;
            any.demands[i].architecture = seed % 3 > 1 ? NULL : any.demands[i].architecture;
        }
        struct pack_result free = solved(&any.problem);
        check_pair(&free, &limited, seed);
        arena_release(&arena);
    }
}

Test(plan_pack_small, an_earlier_plan_of_other_counts_gives_a_valid_one, .timeout = 300) {
    mem_keep_freed();
    for (uint64_t seed = 0; seed < CASES; seed++) {
        struct small_case any;
        make(seed, &any);
        struct pack_result before = solved(&any.problem);
        const struct pack_previous previous = pack_previous_of(&before);
        uint64_t state = seed;
        any.demands[pack_chance(&state, any.problem.demand_count)].count = (int64_t)pack_chance(&state, 5);
        if (seed % 3 == 2)
            any.demands[pack_chance(&state, any.problem.demand_count)].skew_max = (int64_t)pack_chance(&state, 3);
        any.problem.previous = &previous;
        solved(&any.problem);
        arena_release(&arena);
    }
}
