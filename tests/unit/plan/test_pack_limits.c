/*
 * Pieces of a demand on one machine, spread over zones, of one architecture: cases whose optimum is known. (Any cases:
 * test_pack_small.c.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pack_check.h"

#define WORK UINT64_C(3000000)

static struct arena arena; /* One test, one process. */

static struct pack_offer offer(const char *type, const char *zone, int64_t cpu, money_micros price) {
    return (struct pack_offer){
        .provider = "aws", .region = "r", .type = type, .zone = zone, .has = {cpu, 65536, 0}, .price_hourly = price};
}

static struct pack_result solved(const struct pack_problem *problem) {
    struct pack_result result;
    pack_solve(problem, &arena, &result);
    pack_check(problem, &result);
    return result;
}

static struct pack_problem problem_of(const struct pack_demand *demands, size_t demand_count,
                                      const struct pack_offer *offers, size_t offer_count) {
    return (struct pack_problem){.demands = demands,
                                 .demand_count = demand_count,
                                 .offers = offers,
                                 .offer_count = offer_count,
                                 .work_max = WORK};
}

Test(plan_pack_limits, no_more_of_a_demand_on_a_machine_than_it_allows) {
    struct pack_demand demands[] = {{.name = "a", .need = {1000, 10, 0}, .count = 5},
                                    {.name = "b", .need = {1000, 10, 0}, .count = 3}};
    const struct pack_offer offers[] = {offer("big", NULL, 8000, 400000), offer("small", NULL, 2000, 150000)};
    const struct pack_problem problem = problem_of(demands, 2, offers, 2);
    cr_assert_eq(solved(&problem).cost_hourly, 400000);
    demands[0].per_node_max = 2; /* 2 on each of four: 2, 2, 1 and 0 of a. */
    cr_assert_eq(solved(&problem).cost_hourly, 600000);
    demands[0].per_node_max = 1; /* Five machines, whatever their size. */
    struct pack_result result = solved(&problem);
    cr_assert_eq(result.machine_count, 5);
    cr_assert_eq(result.cost_hourly, 750000);
    cr_assert_eq(result.class_count, 2, "they are of one size, and not alike");
    demands[0].per_node_max = 5; /* As many as there are: no limit. */
    cr_assert_eq(solved(&problem).class_count, 1);
    arena_release(&arena);
}

/* Of 7 in three zones two have 2, and the cheap one 3. */
Test(plan_pack_limits, the_cheap_zone_gets_what_the_skew_allows) {
    struct pack_demand demands[] = {{.name = "a", .need = {1000, 10, 0}, .count = 7, .skew_max = 1}};
    const struct pack_offer offers[] = {offer("t", "x", 1000, 300000), offer("t", "y", 1000, 100000),
                                        offer("t", "z", 1000, 200000)};
    const struct pack_problem problem = problem_of(demands, 1, offers, 3);
    cr_assert_eq(solved(&problem).cost_hourly, 2 * 300000 + 3 * 100000 + 2 * 200000);
    demands[0].skew_max = 4; /* 0, 4 and 3 would be cheaper than 1, 5, 1 by nothing: 1, 5 and 1 cost 1.0. */
    cr_assert_eq(solved(&problem).cost_hourly, 4 * 100000 + 3 * 200000);
    demands[0].skew_max = 7;
    struct pack_result result = solved(&problem);
    cr_assert_eq(result.cost_hourly, 700000);
    cr_assert_eq(result.zone_dual_count, 0, "nothing holds it back");
    arena_release(&arena);
}

Test(plan_pack_limits, the_duals_of_zones_prove_the_bound) {
    const struct pack_demand demands[] = {{.name = "a", .need = {1000, 10, 0}, .count = 7, .skew_max = 1}};
    const struct pack_offer offers[] = {offer("t", "x", 1000, 300000), offer("t", "y", 1000, 100000)};
    const struct pack_problem problem = problem_of(demands, 1, offers, 2);
    struct pack_result result = solved(&problem);
    cr_assert_eq(result.zone_dual_count, 2);
    double dual[2];
    for (size_t t = 0; t < 2; t++)
        dual[result.zone_duals[t].offer] = result.zone_duals[t].dual;
    cr_assert_leq(dual[0], 0.3 * (1 + 1e-9));
    cr_assert_leq(dual[1], 0.1 * (1 + 1e-9));
    cr_assert_float_eq(result.duals[0] * 7, 3 * dual[0] + 4 * dual[1], 1e-9);
    cr_assert_float_eq(result.dual_bound_hourly, 1.3, 1e-3);
    arena_release(&arena);
}

/* A zone that no piece fits in counts, with none. */
Test(plan_pack_limits, a_zone_that_can_take_none_holds_the_others_back) {
    struct pack_demand demands[] = {{.name = "a", .need = {1000, 10, 0}, .count = 2, .skew_max = 1},
                                    {.name = "b", .need = {10, 10, 0}, .count = 1}};
    const struct pack_offer offers[] = {offer("t", "x", 1000, 300000), offer("t", "y", 2000, 100000),
                                        offer("t", "z", 500, 10000)};
    const struct pack_problem problem = problem_of(demands, 2, offers, 3);
    cr_assert_eq(solved(&problem).unplaced_count, 0);
    demands[0].count = 3;
    struct pack_result result = solved(&problem);
    cr_assert_eq(result.unplaced_count, 1);
    cr_assert_str_eq(result.unplaced[0].why,
                     "a piece fits no machine in z, so max_skew 1 leaves room for 2 of 3 elsewhere");
    cr_assert_eq(result.machine_count, 1, "the rest is served");
    arena_release(&arena);
}

Test(plan_pack_limits, without_zones_the_region_is_one) {
    const struct pack_demand demands[] = {{.name = "a", .need = {1000, 10, 0}, .count = 4, .skew_max = 2}};
    struct pack_offer offers[] = {offer("t", NULL, 1000, 300000), offer("t", "", 1000, 100000)};
    offers[1].region = "s";
    const struct pack_problem problem = problem_of(demands, 1, offers, 2);
    cr_assert_eq(solved(&problem).cost_hourly, 300000 + 3 * 100000);
    arena_release(&arena);
}

Test(plan_pack_limits, a_piece_runs_on_its_architecture_alone) {
    struct pack_demand demands[] = {{.name = "a", .need = {1000, 10, 0}, .count = 1, .architecture = "amd64"},
                                    {.name = "b", .need = {1000, 10, 0}, .count = 1}};
    struct pack_offer offers[] = {offer("x", NULL, 1000, 300000), offer("y", NULL, 4000, 100000)};
    offers[0].architecture = "amd64";
    offers[1].architecture = "arm64";
    const struct pack_problem problem = problem_of(demands, 2, offers, 2);
    cr_assert_eq(solved(&problem).cost_hourly, 400000);
    demands[0].architecture = "riscv64";
    struct pack_result result = solved(&problem);
    cr_assert_eq(result.unplaced_count, 1);
    cr_assert_str_eq(result.unplaced[0].why, "no machine is riscv64");
    arena_release(&arena);
}

/* Large: skew and counts beyond what could be tried one by one. */
Test(plan_pack_limits, billions_of_pieces_are_spread_too) {
    struct pack_demand demands[] = {
        {.name = "a", .need = {1000, 10, 0}, .count = PACK_COUNT_MAX, .skew_max = 1},
        {.name = "b", .need = {1000, 10, 0}, .count = PACK_COUNT_MAX, .skew_max = 400000000, .per_node_max = 3}};
    const struct pack_offer offers[] = {offer("t", "x", 4000, 300000), offer("t", "y", 4000, 100000),
                                        offer("t", "z", 4000, 100000)};
    struct pack_problem problem = problem_of(demands, 2, offers, 3);
    struct pack_result result = solved(&problem);
    cr_assert_leq((double)result.cost_hourly * 1e-6, result.bound_hourly * 1.001);
    const struct pack_previous previous = pack_previous_of(&result);
    demands[1].count /= 3;
    demands[0].skew_max = 100;
    problem.previous = &previous;
    result = solved(&problem);
    cr_assert_leq((double)result.cost_hourly * 1e-6, result.bound_hourly * 1.031);
    arena_release(&arena);
}
