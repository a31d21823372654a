/*
 * Ten thousand small cases: what must hold of every plan, and of plans of cases that differ in one thing. They are so
 * small that all ways to share out the pieces can be looked at, so each plan is also held against the true optimum.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "pack_check.h"

#define CASES 10000
#define PAIRS 2000 /* Of each kind: two or three runs each. */
#define DEMANDS_MAX 4
#define OFFERS_MAX 5
#define PIECES_MAX 6
#define WORK UINT64_C(4000000)

static struct arena arena; /* One test, one process. */
static const char *const names[] = {"a", "b", "c", "d", "e"};

struct small_case {
    struct pack_demand demands[DEMANDS_MAX];
    struct pack_offer offers[OFFERS_MAX];
    struct pack_problem problem;
};

static void small_make(uint64_t seed, struct small_case *ret) {
    size_t demand_count = 1 + pack_chance(&seed, DEMANDS_MAX), offer_count = 1 + pack_chance(&seed, OFFERS_MAX);
    int64_t left = PIECES_MAX;
    for (size_t i = 0; i < demand_count; i++) {
        int64_t count = (int64_t)pack_chance(&seed, 4);
        count = count < left ? count : left;
        left -= count;
        ret->demands[i] = (struct pack_demand){names[i],
                                               {(int64_t)(100 * pack_chance(&seed, 40)),
                                                (int64_t)(128 * pack_chance(&seed, 64)), pack_chance(&seed, 8) == 0},
                                               count};
    }
    for (size_t k = 0; k < offer_count; k++) {
        uint64_t cpu = 1 + pack_chance(&seed, 8), memory = 1 + pack_chance(&seed, 16);
        ret->offers[k] =
            (struct pack_offer){"aws",
                                "r",
                                names[k],
                                {(int64_t)(1000 * cpu), (int64_t)(1024 * memory), pack_chance(&seed, 4) == 0},
                                (money_micros)(40000 * cpu + 5000 * memory + pack_chance(&seed, 30000))};
    }
    ret->problem = (struct pack_problem){
        .demands = ret->demands,
        .demand_count = demand_count,
        .offers = ret->offers,
        .offer_count = offer_count,
        .overhead = {(int64_t)pack_chance(&seed, 3) * 100, (int64_t)pack_chance(&seed, 3) * 64, 0},
        .pieces_max = (int64_t)pack_chance(&seed, 3) * 2,
        .work_max = WORK};
}

static struct pack_result solved(const struct pack_problem *problem) {
    struct pack_result result;
    pack_solve(problem, &arena, &result);
    pack_check(problem, &result);
    return result;
}

/* ---- the true optimum ---- */

struct share_out { /* Pieces to machines, in all ways. */
    const struct pack_problem *problem;
    size_t piece[PIECES_MAX], piece_count; /* Each piece's demand. */
    size_t machine[PIECES_MAX];            /* Each piece's machine. */
    money_micros best;
};

/* The cheapest offer that holds the machine's pieces; 0: none. */
static money_micros price_of(const struct share_out *s, size_t machine) {
    const struct pack_problem *problem = s->problem;
    money_micros price = 0;
    int64_t used[PACK_RESOURCES], pieces = 0;
    memcpy(used, problem->overhead, sizeof(used));
    for (size_t t = 0; t < s->piece_count; t++)
        for (size_t d = 0; d < PACK_RESOURCES && s->machine[t] == machine; d++) {
            used[d] += problem->demands[s->piece[t]].need[d];
            pieces += d == 0;
        }
    for (size_t k = 0; k < problem->offer_count; k++) {
        bool holds = !problem->pieces_max || pieces <= problem->pieces_max;
        for (size_t d = 0; d < PACK_RESOURCES; d++)
            holds &= used[d] <= problem->offers[k].has[d];
        if (holds && (price == 0 || problem->offers[k].price_hourly < price))
            price = problem->offers[k].price_hourly;
    }
    return price;
}

static void share_out(struct share_out *s, size_t at, size_t machines) {
    if (at == s->piece_count) {
        money_micros cost = 0;
        for (size_t m = 0; m < machines; m++) {
            money_micros price = price_of(s, m);
            if (price == 0)
                return;
            cost += price;
        }
        s->best = cost < s->best ? cost : s->best;
        return;
    }
    for (size_t m = 0; m <= machines; m++) {
        s->machine[at] = m;
        share_out(s, at + 1, machines + (m == machines));
    }
}

static money_micros optimum_of(const struct pack_problem *problem, const struct pack_result *result) {
    struct share_out s = {.problem = problem, .best = INT64_MAX};
    for (size_t i = 0; i < problem->demand_count; i++) {
        bool is_unplaced = false;
        for (size_t u = 0; u < result->unplaced_count; u++)
            is_unplaced |= result->unplaced[u].demand == i;
        for (int64_t c = 0; c < problem->demands[i].count && !is_unplaced; c++)
            s.piece[s.piece_count++] = i;
    }
    share_out(&s, 0, 0);
    return s.best;
}

Test(plan_pack_small, each_is_proven_and_no_way_to_share_out_the_pieces_is_cheaper, .timeout = 300) {
    for (uint64_t seed = 0; seed < CASES; seed++) {
        struct small_case any;
        small_make(seed, &any);
        struct pack_result result = solved(&any.problem);
        cr_assert(result.is_proven, "case %d", (int)seed);
        cr_assert_eq(result.cost_hourly, optimum_of(&any.problem, &result), "case %d", (int)seed);
        arena_release(&arena);
    }
}

/* ---- two cases that differ in one thing ---- */

Test(plan_pack_small, the_order_of_rows_does_not_matter, .timeout = 300) {
    for (uint64_t seed = 0; seed < PAIRS; seed++) {
        struct small_case any, turned;
        small_make(seed, &any);
        turned = any;
        turned.problem.demands = turned.demands;
        turned.problem.offers = turned.offers;
        size_t n = any.problem.demand_count, m = any.problem.offer_count;
        for (size_t i = 0; i < n; i++)
            turned.demands[i] = any.demands[n - 1 - i];
        for (size_t k = 0; k < m; k++)
            turned.offers[k] = any.offers[m - 1 - k];
        struct pack_result a = solved(&any.problem), b = solved(&turned.problem);
        cr_assert_eq(a.purchase_count, b.purchase_count);
        cr_assert_eq(memcmp(&a.bound_hourly, &b.bound_hourly, sizeof(double)), 0);
        for (size_t i = 0; i < n; i++)
            cr_assert_eq(memcmp(&a.duals[i], &b.duals[n - 1 - i], sizeof(double)), 0);
        for (size_t p = 0; p < a.purchase_count; p++) {
            cr_assert_eq(a.purchases[p].offer, m - 1 - b.purchases[p].offer);
            cr_assert_eq(a.purchases[p].count, b.purchases[p].count);
            cr_assert_eq(a.purchases[p].load_count, b.purchases[p].load_count);
            for (size_t t = 0; t < a.purchases[p].load_count; t++) {
                cr_assert_eq(a.purchases[p].loads[t].demand, n - 1 - b.purchases[p].loads[t].demand);
                cr_assert_eq(a.purchases[p].loads[t].count, b.purchases[p].loads[t].count);
            }
        }
        arena_release(&arena);
    }
}

/* Whatever the work: with all offers no dearer than the gap, with one fewer no cheaper than the bound. */
Test(plan_pack_small, an_offer_fewer_is_no_cheaper_and_one_more_no_dearer, .timeout = 300) {
    for (uint64_t seed = 0; seed < PAIRS; seed++) {
        struct small_case any;
        small_make(seed, &any);
        any.problem.work_max = seed % 2 ? WORK : seed * 200;
        struct pack_result all = solved(&any.problem);
        any.problem.offer_count--;
        struct pack_result fewer = solved(&any.problem);
        if (fewer.unplaced_count == all.unplaced_count) {
            double gap = (double)all.cost_hourly * 1e-6 - all.bound_hourly;
            cr_assert_geq((double)fewer.cost_hourly * 1e-6, all.bound_hourly * (1 - 1e-9));
            cr_assert_leq((double)all.cost_hourly * 1e-6, (double)fewer.cost_hourly * 1e-6 + gap + 1e-9);
            cr_assert(!all.is_proven || all.cost_hourly <= fewer.cost_hourly);
        }
        arena_release(&arena);
    }
}

Test(plan_pack_small, an_earlier_plan_of_other_counts_gives_a_valid_one, .timeout = 300) {
    for (uint64_t seed = 0; seed < PAIRS; seed++) {
        struct small_case any;
        small_make(seed, &any);
        struct pack_result before = solved(&any.problem);
        const struct pack_previous previous = {before.purchases, before.purchase_count, before.patterns,
                                               before.pattern_count, before.duals};
        uint64_t state = seed;
        any.demands[pack_chance(&state, any.problem.demand_count)].count = (int64_t)pack_chance(&state, 5);
        any.problem.previous = &previous;
        solved(&any.problem);
        arena_release(&arena);
    }
}
