/*
 * A plan after a few counts have changed: little work, few other machines, and still near the bound.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "pack_check.h"

#define DEMANDS 40
#define OFFERS 12
#define WORK UINT64_C(100000000)

static struct arena arena; /* One test, one process. */
static char names[DEMANDS][8], types[OFFERS][8];
static struct pack_demand demands[DEMANDS];
static struct pack_offer offers[OFFERS];

static struct pack_problem problem_make(uint64_t seed) {
    static const int64_t vcpus[] = {2, 4, 8, 16}, ratios[] = {2, 4, 8};
    for (size_t i = 0; i < DEMANDS; i++) {
        snprintf(names[i], sizeof(names[i]), "d%zu", i);
        demands[i] = (struct pack_demand){
            .name = names[i],
            .need = {(int64_t)(50 + 10 * pack_chance(&seed, 300)), (int64_t)(64 + 16 * pack_chance(&seed, 500)), 0},
            .count = (int64_t)(1 + pack_chance(&seed, 50))};
    }
    for (size_t k = 0; k < OFFERS; k++) {
        int64_t vcpu = vcpus[k % 4], gib = vcpu * ratios[k % 3];
        snprintf(types[k], sizeof(types[k]), "t%zu", k);
        offers[k] = (struct pack_offer){.provider = "aws",
                                        .region = "r",
                                        .type = types[k],
                                        .has = {1000 * vcpu, 1024 * gib, 0},
                                        .price_hourly = 35000 * vcpu + 5000 * gib +
                                                        (int64_t)pack_chance(&seed, (uint64_t)(3000 * vcpu))};
    }
    return (struct pack_problem){.demands = demands,
                                 .demand_count = DEMANDS,
                                 .offers = offers,
                                 .offer_count = OFFERS,
                                 .pieces_max = 110,
                                 .work_max = WORK};
}

/* One piece in a hundred goes, and another comes. */
static void change(uint64_t seed) {
    int64_t total = 0;
    for (size_t i = 0; i < DEMANDS; i++)
        total += demands[i].count;
    for (int64_t n = 0; n < total / 200; n++) {
        size_t less = pack_chance(&seed, DEMANDS);
        demands[less].count -= demands[less].count > 0;
        demands[pack_chance(&seed, DEMANDS)].count++;
    }
}

static bool is_alike(const struct pack_purchase *a, const struct pack_purchase *b) {
    return a->offer == b->offer && a->load_count == b->load_count &&
           memcmp(a->loads, b->loads, a->load_count * sizeof(*a->loads)) == 0;
}

static int64_t machines_in_both(const struct pack_result *a, const struct pack_result *b) {
    int64_t kept = 0;
    for (size_t p = 0; p < a->purchase_count; p++)
        for (size_t q = 0; q < b->purchase_count; q++)
            if (is_alike(&a->purchases[p], &b->purchases[q]))
                kept += a->purchases[p].count < b->purchases[q].count ? a->purchases[p].count : b->purchases[q].count;
    return kept;
}

static double gap(const struct pack_result *result) {
    return (double)result->cost_hourly * 1e-6 / result->bound_hourly - 1;
}

Test(plan_pack_replan, a_hundredth_changed_is_a_tenth_of_the_work_at_most, .timeout = 120) {
    for (uint64_t seed = 0; seed < 3; seed++) {
        struct pack_problem problem = problem_make(seed);
        struct pack_result first, second;
        pack_solve(&problem, &arena, &first);
        change(seed);
        const struct pack_previous previous = pack_previous_of(&first);
        problem.previous = &previous;
        pack_solve(&problem, &arena, &second);
        cr_expect_lt(second.work * 10, first.work, "seed %llu: %llu of %llu", (unsigned long long)seed,
                     (unsigned long long)second.work, (unsigned long long)first.work);
        cr_expect_leq(gap(&second), gap(&first) + 0.005, "seed %llu: %f, first %f", (unsigned long long)seed,
                      gap(&second), gap(&first));
        cr_expect_geq(10 * machines_in_both(&first, &second), 8 * first.machine_count, "seed %llu: %lld of %lld",
                      (unsigned long long)seed, (long long)machines_in_both(&first, &second),
                      (long long)first.machine_count);
        arena_release(&arena);
    }
}

Test(plan_pack_replan, nothing_changed_is_no_dearer_and_without_work_the_same_plan) {
    struct pack_problem problem = problem_make(7);
    struct pack_result first, again;
    problem.work_max = WORK / 5;
    pack_solve(&problem, &arena, &first);
    const struct pack_previous previous = pack_previous_of(&first);
    problem.previous = &previous;
    pack_solve(&problem, &arena, &again);
    cr_expect_leq(again.cost_hourly, first.cost_hourly);
    cr_expect_geq(again.bound_hourly, first.bound_hourly * (1 - 1e-4));
    problem.work_max = 0;
    pack_solve(&problem, &arena, &again);
    if (gap(&again) <= 0.03) /* Of the fluid bound: else it is planned anew. */
        cr_expect_eq(machines_in_both(&first, &again), first.machine_count);
    cr_expect_leq(again.cost_hourly, first.cost_hourly);
    arena_release(&arena);
}

/* What was cheap is dear: the earlier plan is no good start. */
Test(plan_pack_replan, an_earlier_plan_of_other_prices_binds_nothing, .timeout = 120) {
    struct pack_problem problem = problem_make(3);
    struct pack_result first, anew, again;
    pack_solve(&problem, &arena, &first);
    for (size_t p = 0; p < first.purchase_count; p++)
        if (offers[first.purchases[p].offer].price_hourly < 10000000)
            offers[first.purchases[p].offer].price_hourly *= 20;
    pack_solve(&problem, &arena, &anew);
    const struct pack_previous previous = pack_previous_of(&first);
    problem.previous = &previous;
    pack_solve(&problem, &arena, &again);
    cr_expect_leq((double)again.cost_hourly, 1.03 * (double)anew.cost_hourly);
    arena_release(&arena);
}
