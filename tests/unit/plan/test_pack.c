/*
 * The cheapest purchase: small cases whose optimum is known, and what must hold of any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "pack_check.h"

#define WORK UINT64_C(20000000)
#define WORK_BEYOND UINT64_C(2000000) /* Of the first plan, and of the step that is under way at the end. */
#define DEMANDS_MAX 12
#define OFFERS_MAX 8

static struct arena arena; /* One test, one process. */
static char names[DEMANDS_MAX][8], types[OFFERS_MAX][8];

static struct pack_demand demand(size_t i, int64_t cpu, int64_t memory, int64_t count) {
    snprintf(names[i], sizeof(names[i]), "d%zu", i);
    return (struct pack_demand){.name = names[i], .need = {cpu, memory, 0}, .count = count};
}

static struct pack_offer offer(size_t k, int64_t cpu, int64_t memory, double price) {
    snprintf(types[k], sizeof(types[k]), "t%zu", k);
    return (struct pack_offer){.provider = "aws",
                               .region = "r",
                               .type = types[k],
                               .has = {cpu, memory, 0},
                               .price_hourly = money_from_double(price)};
}

static struct pack_result solved(const struct pack_problem *problem) {
    struct pack_result result;
    pack_solve(problem, &arena, &result);
    pack_check(problem, &result);
    cr_assert_leq(result.work, problem->work_max + WORK_BEYOND, "%llu steps of %llu", (unsigned long long)result.work,
                  (unsigned long long)problem->work_max);
    return result;
}

#define PROBLEM(demands, offers)                                                                                       \
    {                                                                                                                  \
        .demands = demands, .demand_count = sizeof(demands) / sizeof(*(demands)), .offers = offers,                    \
        .offer_count = sizeof(offers) / sizeof(*(offers)), .work_max = WORK                                            \
    }

Test(plan_pack, nothing_is_wanted) {
    const struct pack_demand demands[] = {demand(0, 1000, 1024, 0)};
    const struct pack_offer offers[] = {offer(0, 4000, 4096, 0.1)};
    const struct pack_problem problem = PROBLEM(demands, offers);
    struct pack_result result = solved(&problem);
    cr_assert_eq(result.machine_count, 0);
    cr_assert_eq(result.cost_hourly, 0);
    arena_release(&arena);
}

/* Three of 3 vCPU need three machines of 4 for 0.3, or one of 10 for 0.25. */
Test(plan_pack, the_cheapest_of_several_sizes_is_found_and_proven) {
    const struct pack_demand demands[] = {demand(0, 3000, 100, 3)};
    const struct pack_offer offers[] = {offer(0, 4000, 4096, 0.1), offer(1, 10000, 4096, 0.25)};
    const struct pack_problem problem = PROBLEM(demands, offers);
    struct pack_result result = solved(&problem);
    cr_assert_eq(result.cost_hourly, 250000);
    cr_assert_float_eq(result.bound_hourly, 0.25, 1e-6);
    arena_release(&arena);
}

/* 2 of 6 and 3 of 4: a machine of 10 holds one of each, one of 8 two small ones. 2 x 1.0 + 0.45 for the last. */
Test(plan_pack, complements_share_a_machine) {
    const struct pack_demand demands[] = {demand(0, 6000, 1000, 2), demand(1, 4000, 1000, 3)};
    const struct pack_offer offers[] = {offer(0, 10000, 2000, 1.0), offer(1, 6000, 1000, 0.7),
                                        offer(2, 4000, 1000, 0.45)};
    const struct pack_problem problem = PROBLEM(demands, offers);
    struct pack_result result = solved(&problem);
    cr_assert_eq(result.cost_hourly, 2450000);
    arena_release(&arena);
}

Test(plan_pack, overhead_and_pieces_bound_each_machine) {
    const struct pack_demand demands[] = {demand(0, 1000, 1024, 10)};
    const struct pack_offer offers[] = {offer(0, 5000, 1 << 20, 1)};
    struct pack_problem problem = PROBLEM(demands, offers);
    cr_assert_eq(solved(&problem).machine_count, 2);
    problem.overhead[PACK_CPU] = 1;
    cr_assert_eq(solved(&problem).machine_count, 3);
    problem.overhead[PACK_CPU] = 0;
    problem.pieces_max = 3;
    cr_assert_eq(solved(&problem).machine_count, 4);
    arena_release(&arena);
}

Test(plan_pack, what_fits_nowhere_is_named_and_the_rest_is_served) {
    struct pack_demand demands[] = {demand(0, 9000, 10, 2), demand(1, 1000, 10, 4), demand(2, 3000, 5000, 1),
                                    demand(3, 1, 1, 1), demand(4, 1, 1, 1)};
    demands[3].need[PACK_GPU] = 1;
    demands[4].need[PACK_OTHER] = 2500;
    struct pack_offer offers[] = {offer(0, 4000, 4096, 0.1), offer(1, 2000, 8192, 0.1)};
    offers[0].has[PACK_OTHER] = 1000;
    struct pack_problem problem = PROBLEM(demands, offers);
    problem.others[0] = "licences";
    struct pack_result result = solved(&problem);
    cr_assert_eq(result.unplaced_count, 4);
    cr_assert_eq(result.cost_hourly, 100000);
    for (size_t u = 0; u < 4; u++) {
        const struct pack_unplaced *unplaced = &result.unplaced[u];
        cr_expect_str_eq(unplaced->why, unplaced->demand == 0
                                            ? "a piece needs 9000m CPU, the largest machine has 4000m CPU free"
                                        : unplaced->demand == 2 ? "no machine has 3000m CPU and 5000Mi memory together"
                                        : unplaced->demand == 3
                                            ? "a piece needs 1 GPU, the largest machine has 0 GPU free"
                                            : "a piece needs 2.5 licences, the largest machine has 1 licences free");
    }
    arena_release(&arena);
}

/* The programme gives no worth to what does not bind: such pieces need a machine all the same. */
Test(plan_pack, what_is_worth_nothing_is_placed_too) {
    const struct pack_demand demands[] = {demand(0, 1000, 512, 100), demand(1, 0, 8192, 1)};
    const struct pack_offer offers[] = {offer(0, 1000, 1024, 0.01), offer(1, 1000, 16384, 0.02)};
    const struct pack_problem problem = PROBLEM(demands, offers);
    cr_assert_eq(solved(&problem).cost_hourly, 1010000);
    arena_release(&arena);
}

/* 1 MiB too much for both in 2 TiB: less than the programme's tolerance. */
Test(plan_pack, nearly_whole_is_not_whole) {
    const struct pack_demand demands[] = {demand(0, 1000, 1048577, 1), demand(1, 1000, 1048576, 1)};
    const struct pack_offer offers[] = {offer(0, 10000, 2097152, 1)};
    const struct pack_problem problem = PROBLEM(demands, offers);
    cr_assert_eq(solved(&problem).cost_hourly, 2000000);
    arena_release(&arena);
}

Test(plan_pack, billions_of_pieces_of_one_size_on_one_machine) {
    const struct pack_demand demands[] = {demand(0, 0, 0, PACK_COUNT_MAX), demand(1, 0, 0, PACK_COUNT_MAX),
                                          demand(2, 0, 0, PACK_COUNT_MAX)};
    const struct pack_offer offers[] = {offer(0, 1000, 1024, 1)};
    const struct pack_problem problem = PROBLEM(demands, offers);
    cr_assert_eq(solved(&problem).cost_hourly, 1000000);
    arena_release(&arena);
}

Test(plan_pack, large_needs_times_large_counts_do_not_wrap) {
    const struct pack_demand demands[] = {demand(0, 18446744074, 1, 1000000000)};
    const struct pack_offer offers[] = {offer(0, 20000000000, 900000000, 1)};
    const struct pack_problem problem = PROBLEM(demands, offers);
    cr_assert_eq(solved(&problem).machine_count, 1000000000);
    arena_release(&arena);
}

Test(plan_pack, duals_of_tiny_prices_prove_their_bound_too) {
    const struct pack_demand demands[] = {demand(0, 1000, 0, 59), demand(1, 0, 1024, 271)};
    const struct pack_offer offers[] = {offer(0, 16000, 65536, 7e-6), offer(1, 16000, 131072, 8e-6),
                                        offer(2, 8000, 24576, 3e-6),  offer(3, 4000, 8192, 1e-6),
                                        offer(4, 4000, 24576, 2e-6),  offer(5, 16000, 49152, 5e-6)};
    struct pack_problem problem = PROBLEM(demands, offers);
    problem.work_max = 0;
    struct pack_result result = solved(&problem);
    for (size_t k = 0; k < 6; k++) {
        double worth = result.duals[0] * floor((double)offers[k].has[PACK_CPU] / 1000) +
                       result.duals[1] * floor((double)offers[k].has[PACK_MEMORY] / 1024);
        cr_expect_leq(worth, (double)offers[k].price_hourly * 1e-6 * (1 + 1e-8), "offer %zu", k);
    }
    arena_release(&arena);
}

Test(plan_pack, a_machine_smaller_than_its_overhead_is_none) {
    const struct pack_demand demands[] = {demand(0, 0, 100, 3)};
    const struct pack_offer offers[] = {offer(0, 100, 1024, 0.001), offer(1, 2000, 4096, 0.1)};
    struct pack_problem problem = PROBLEM(demands, offers);
    problem.overhead[PACK_CPU] = 200;
    cr_assert_eq(solved(&problem).cost_hourly, 100000);
    arena_release(&arena);
}

Test(plan_pack, a_billion_pieces_are_no_more_work_than_a_few) {
    const struct pack_demand demands[] = {demand(0, 1000, 1024, PACK_COUNT_MAX), demand(1, 3000, 1024, PACK_COUNT_MAX)};
    const struct pack_offer offers[] = {offer(0, 4000, 4096, 0.1)};
    const struct pack_problem problem = PROBLEM(demands, offers);
    struct pack_result result = solved(&problem);
    cr_assert_eq(result.machine_count, PACK_COUNT_MAX);
    cr_assert_leq(result.purchase_count, 2);
    arena_release(&arena);
}

Test(plan_pack, demands_of_one_size_are_told_apart_again) {
    const struct pack_demand demands[] = {demand(0, 1000, 1024, 3), demand(1, 1000, 1024, 5), demand(2, 1000, 1024, 4)};
    const struct pack_offer offers[] = {offer(0, 4000, 4096, 0.1)};
    const struct pack_problem problem = PROBLEM(demands, offers);
    struct pack_result result = solved(&problem);
    cr_assert_eq(result.class_count, 1);
    cr_assert_eq(result.machine_count, 3);
    arena_release(&arena);
}

Test(plan_pack, without_work_there_is_a_first_plan_and_its_bound) {
    const struct pack_demand demands[] = {demand(0, 3000, 100, 3), demand(1, 700, 900, 9)};
    const struct pack_offer offers[] = {offer(0, 4000, 4096, 0.1), offer(1, 10000, 4096, 0.25)};
    struct pack_problem problem = PROBLEM(demands, offers);
    problem.work_max = 0;
    struct pack_result result = solved(&problem);
    cr_assert_leq(result.cost_hourly, result.first_cost_hourly);
    cr_assert_gt(result.bound_hourly, 0);
    cr_assert_lt(result.work, UINT64_C(50000000));
    arena_release(&arena);
}

/* ---- any case ---- */

struct random_case {
    struct pack_demand demands[DEMANDS_MAX];
    struct pack_offer offers[OFFERS_MAX];
    struct pack_problem problem;
};

static void random_make(uint64_t seed, struct random_case *ret) {
    size_t demand_count = 1 + pack_chance(&seed, DEMANDS_MAX), offer_count = 1 + pack_chance(&seed, OFFERS_MAX);
    for (size_t i = 0; i < demand_count; i++)
        ret->demands[i] = demand(i, (int64_t)(50 * pack_chance(&seed, 80)), (int64_t)(64 * pack_chance(&seed, 100)),
                                 (int64_t)pack_chance(&seed, 30));
    for (size_t i = 0; i < demand_count; i += 5)
        ret->demands[i].need[PACK_GPU] = (int64_t)pack_chance(&seed, 2);
    for (size_t i = 0; i < demand_count; i += 3)
        for (size_t d = PACK_OTHER; d < PACK_RESOURCES && seed % 2; d++)
            ret->demands[i].need[d] = (int64_t)pack_chance(&seed, 3) * 500;
    for (size_t k = 0; k < offer_count; k++) {
        uint64_t cpu = 1 + pack_chance(&seed, 16), memory = 1 + pack_chance(&seed, 32);
        ret->offers[k] = offer(k, (int64_t)(1000 * cpu), (int64_t)(1024 * memory),
                               0.04 * (double)cpu + 0.005 * (double)memory + 0.0001 * (double)pack_chance(&seed, 100));
        ret->offers[k].has[PACK_GPU] = pack_chance(&seed, 4) == 0;
        for (size_t d = PACK_OTHER; d < PACK_RESOURCES; d++)
            ret->offers[k].has[d] = (int64_t)pack_chance(&seed, 5) * 1000;
    }
    ret->problem = (struct pack_problem){.demands = ret->demands,
                                         .demand_count = demand_count,
                                         .offers = ret->offers,
                                         .offer_count = offer_count,
                                         .pieces_max = (int64_t)pack_chance(&seed, 3) * 8,
                                         .others = {"licences", "channels", "bandwidth", "scratch"},
                                         .work_max = UINT64_C(300000)};
}

Test(plan_pack, every_plan_of_random_cases_is_whole, .timeout = 120) {
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct random_case any;
        random_make(seed, &any);
        solved(&any.problem);
        arena_release(&arena);
    }
}

/* Of other sizes, other machines, other counts. */
Test(plan_pack, whatever_an_earlier_plan_says_the_plan_is_whole, .timeout = 120) {
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct random_case before, now;
        random_make(seed, &before);
        struct pack_result earlier = solved(&before.problem);
        random_make(seed + 1000, &now);
        struct pack_purchase both[2][64];
        size_t counts[2] = {earlier.purchase_count, earlier.pattern_count};
        const struct pack_purchase *lists[2] = {earlier.purchases, earlier.patterns};
        double duals[DEMANDS_MAX] = {0};
        for (size_t l = 0; l < 2; l++) {
            counts[l] = counts[l] < 64 ? counts[l] : 64;
            for (size_t p = 0; p < counts[l]; p++) {
                struct pack_load *loads =
                    arena_memdup(&arena, lists[l][p].loads, lists[l][p].load_count * sizeof(*loads));
                for (size_t t = 0; t < lists[l][p].load_count; t++)
                    loads[t].demand %= now.problem.demand_count;
                both[l][p] = lists[l][p];
                both[l][p].loads = loads;
            }
        }
        for (size_t i = 0; i < before.problem.demand_count; i++)
            duals[i] = earlier.duals[i];
        const struct pack_previous previous = {.purchases = both[0],
                                               .purchase_count = counts[0],
                                               .patterns = both[1],
                                               .pattern_count = counts[1],
                                               .duals = duals};
        now.problem.previous = &previous;
        solved(&now.problem);
        now.problem.work_max = 0;
        solved(&now.problem);
        arena_release(&arena);
    }
}

Test(plan_pack, the_order_of_rows_does_not_matter, .timeout = 120) {
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct random_case any, turned;
        random_make(seed, &any);
        turned = any;
        turned.problem.demands = turned.demands;
        turned.problem.offers = turned.offers;
        size_t n = any.problem.demand_count, m = any.problem.offer_count;
        for (size_t i = 0; i < n; i++)
            turned.demands[i] = any.demands[n - 1 - i];
        for (size_t k = 0; k < m; k++)
            turned.offers[k] = any.offers[m - 1 - k];
        struct pack_result a = solved(&any.problem), b = solved(&turned.problem);
        cr_assert_eq(a.cost_hourly, b.cost_hourly);
        cr_assert_eq(a.purchase_count, b.purchase_count);
        for (size_t i = 0; i < n; i++)
            cr_assert_eq(memcmp(&a.duals[i], &b.duals[n - 1 - i], sizeof(double)), 0);
        for (size_t p = 0; p < a.purchase_count; p++) {
            cr_assert_eq(a.purchases[p].offer, m - 1 - b.purchases[p].offer);
            cr_assert_eq(a.purchases[p].count, b.purchases[p].count);
            cr_assert_eq(a.purchases[p].load_count, b.purchases[p].load_count);
            for (size_t t = 0; t < a.purchases[p].load_count; t++)
                cr_assert_eq(a.purchases[p].loads[t].demand, n - 1 - b.purchases[p].loads[t].demand);
        }
        arena_release(&arena);
    }
}

/* An offer more, and the bound proves of the plan with fewer how much dearer it may be. */
Test(plan_pack, one_offer_fewer_is_never_cheaper_than_the_bound, .timeout = 120) {
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct random_case any;
        random_make(seed, &any);
        struct pack_result all = solved(&any.problem);
        any.problem.offer_count--;
        struct pack_result fewer = solved(&any.problem);
        if (fewer.unplaced_count == all.unplaced_count)
            cr_assert_geq((double)fewer.cost_hourly * 1e-6, all.bound_hourly * (1 - 1e-9));
        arena_release(&arena);
    }
}
